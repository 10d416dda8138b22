"""Why two tracks are close, of material that was planted into both."""

from __future__ import annotations

import numpy as np
import pytest

from judging import reasons as module
from judging.reasons import reasons
from mels.log_mel import mel_edges_hz

BINS, HOP, FRAME = 40, 0.1, 0.128
EDGES = mel_edges_hz(80.0, 7600.0, BINS)
DIMS = 24


def embed(mel: np.ndarray) -> np.ndarray:
    """A network of two layers that nobody has trained: unlike frames have unlike vectors, and all share a mean."""
    draws = np.random.default_rng(5)
    hidden = np.maximum(0, (np.asarray(mel, np.float32) + 3) @ draws.standard_normal((BINS, 200)) / 6 + 0.5)
    return (hidden @ draws.standard_normal((200, DIMS)) / 14 + 4).astype(np.float32)


def own_sound(seconds: float, seed: int) -> np.ndarray:
    """A track whose sound changes every second."""
    draws = np.random.default_rng(seed)
    frames = round(seconds / HOP)
    sounds = draws.standard_normal((frames // 10 + 1, BINS))
    return (np.repeat(sounds, 10, axis=0)[:frames] + 0.3 * draws.standard_normal((frames, BINS)) - 3).astype(np.float32)


def plant(mel: np.ndarray, at_seconds: float, seconds: float, bins: slice, seed: int = 99) -> None:
    frames = round(seconds / HOP)
    start = round(at_seconds / HOP)
    width = len(range(BINS)[bins])
    pattern = (
        2 + 1.5 * np.repeat(np.random.default_rng(seed).standard_normal((frames // 10 + 1, width)), 10, axis=0)[:frames]
    )
    mel[start : start + frames, bins] = pattern - 3


def because(a, b, count=3, **more):
    return reasons(a, b, embed, HOP, FRAME, EDGES, count, **more)


OTHERS = np.concatenate([own_sound(20, seed) for seed in range(50, 56)])


@pytest.mark.parametrize("others", [None, OTHERS], ids=["these two", "a collection"])
@pytest.mark.parametrize("bins", [slice(8, 16), slice(24, 40)])
@pytest.mark.parametrize("seconds", [20, 120])
def test_the_shared_stretch_and_its_band_are_found(seconds, bins, others):
    a, b = own_sound(seconds, 1), own_sound(1.5 * seconds, 2)
    plant(a, 0.4 * seconds, 0.2 * seconds, bins)
    plant(b, 0.9 * seconds, 0.2 * seconds, bins)
    first = because(a, b, others=others)[0]
    tolerance = 1 if seconds == 20 else 3
    for (start, stop), planted in ((first.seconds_a, 0.4 * seconds), (first.seconds_b, 0.9 * seconds)):
        assert planted - tolerance < start and stop < planted + 0.2 * seconds + tolerance
        assert stop - start > 0.3 * 0.2 * seconds
    low, high = EDGES[bins.start], EDGES[bins.stop + 1]
    assert first.bands_hz
    for lower, upper in first.bands_hz[:1]:
        assert lower >= low - 1 and upper <= high + 1


def test_a_whole_track_is_like_itself_in_its_strongest_band():
    mel = own_sound(10, 3)
    mel[:, 8:16] += 4
    (only,) = because(mel, mel, others=OTHERS)
    assert only.cosine == pytest.approx(1, abs=1e-5)
    assert only.seconds_a == only.seconds_b == (0.0, pytest.approx(99 * HOP + FRAME, abs=0.3))
    assert only.bands_hz[0] == (EDGES[8], EDGES[17])


def test_no_two_stretches_overlap_and_the_planted_ones_come_first():
    a, b = own_sound(60, 4), own_sound(60, 5)
    for number in range(3):
        plant(a, 5 + 20 * number, 6, slice(13 * number, 13 * number + 10), seed=number)
        plant(b, 48 - 20 * number, 6, slice(13 * number, 13 * number + 10), seed=number)
    found = because(a, b, 20)
    assert len(found) >= 3
    for at, other in ((5, 48), (25, 28), (45, 8)):
        assert any(abs(each.seconds_a[0] - at) < 3.1 and abs(each.seconds_b[0] - other) < 3.1 for each in found[:3])
    for spans in ([each.seconds_a for each in found], [each.seconds_b for each in found]):
        for (_, stop), (start, _) in zip(sorted(spans)[:-1], sorted(spans)[1:], strict=True):
            assert stop <= start + FRAME
        assert all(stop - start >= 0.5 for start, stop in spans)
    assert because(a, b, 2) == found[:2]


def test_a_sound_shorter_than_a_stretch_is_taken_whole():
    b = own_sound(30, 7)
    (only,) = because(b[200:202], b)
    assert only.seconds_a == (0.0, pytest.approx(HOP + FRAME))
    assert only.seconds_b[0] - 0.5 <= 20.0 <= only.seconds_b[1]
    (only,) = because(b[:1], b[:1], others=OTHERS)
    assert only.seconds_a == only.seconds_b == (0.0, FRAME)


def test_silence_is_no_reason():
    a, b = own_sound(30, 8), own_sound(30, 9)
    a[:100] = b[150:250] = np.log(1e-6)
    for each in because(a, b, 10):
        assert each.seconds_a[1] > 10 and not (each.seconds_b[0] > 15 and each.seconds_b[1] < 25)
    silent = np.full((50, BINS), np.log(1e-6), np.float32)
    assert len(because(silent, silent, others=OTHERS)) == 1  # where there is nothing else


def test_of_a_very_long_track_excerpts_are_looked_at(monkeypatch):
    monkeypatch.setattr(module, "MOST_FRAMES", 1200)
    monkeypatch.setattr(module, "EXCERPT_FRAMES", 100)
    longest = []

    def watched(mel):
        longest.append(len(mel))
        return embed(mel)

    a, b = own_sound(600, 10), own_sound(600, 11)
    plant(a, 100, 200, slice(8, 16))
    plant(b, 300, 200, slice(8, 16))
    first = reasons(a, b, watched, HOP, FRAME, EDGES, 1)[0]
    assert max(longest) <= 3000
    assert first.seconds_a[0] >= 97 and first.seconds_a[1] <= 303
    assert first.seconds_b[0] >= 297 and first.seconds_b[1] <= 503


def test_what_is_unlike_in_everything_has_no_reason():
    def two_ways(mel):
        return np.outer(np.where(mel[:, 0] > 0, 1.0, -1.0), np.arange(DIMS)).astype(np.float32)

    assert reasons(np.ones((50, BINS)), -np.ones((50, BINS)), two_ways, HOP, FRAME, EDGES, 3) == []
