import dataclasses

import numpy as np
import pytest

from judging.same_recording import align, counting_frames, may_be_same, prepare, same_recording, sketch
from mels.log_mel import log_mel

RATE_HZ = 16000
HOPS = (0.02, 0.1)


def melody(seed: int, seconds: float = 6.0) -> np.ndarray:
    """Notes of random pitch, length and loudness over a little noise, (samples,) float32."""
    draws = np.random.default_rng(seed)
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    sound = 0.001 * draws.standard_normal(len(times))
    start = 0.0
    while start < seconds:
        hertz, loudness = draws.uniform(150, 900), draws.uniform(0.05, 0.15)
        since = np.maximum(times - start, 0)
        decay = np.where(times >= start, np.exp(-4 * since), 0)
        sound += loudness * decay * sum(np.sin(2 * np.pi * k * hertz * since) / k for k in range(1, 6))
        start += draws.uniform(0.1, 0.4)
    return sound.astype(np.float32)


def noise(seed: int, seconds: float = 6.0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE_HZ))).astype(np.float32)


def note(hertz: float, seconds: float = 1.0, seed: int = 0) -> np.ndarray:
    draws = np.random.default_rng(seed)
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    sound = sum(np.sin(2 * np.pi * k * hertz * times) / k for k in range(1, 8)) * np.exp(-3 * times) * 0.2
    return (sound + 0.001 * draws.standard_normal(len(times))).astype(np.float32)


@pytest.fixture(params=HOPS)
def hop(request) -> float:
    return request.param


@pytest.fixture
def mel_of(config, hop):
    frame = {0.02: 0.04, 0.1: 0.128}[hop]
    resolution = dataclasses.replace(config, hop_seconds=hop, frame_seconds=frame)
    return lambda samples: log_mel(samples, resolution)


def test_a_mel_is_the_same_as_itself(mel_of, hop):
    mel = mel_of(melody(0))
    match = same_recording(mel, mel, hop)
    assert match.offset_seconds == 0 and match.share == 1
    assert match.score == pytest.approx(1, abs=1e-4)
    assert match.overlap_seconds == pytest.approx(len(mel) * hop)


@pytest.mark.parametrize("gain", [0.2, 4.0])
def test_loudness_does_not_matter(mel_of, hop, gain):
    match = same_recording(mel_of(melody(0)), mel_of(np.float32(gain) * melody(0)), hop)
    assert match.offset_seconds == 0 and match.score > 0.95


@pytest.mark.parametrize("sound", [melody, noise])
def test_a_cut_is_found_where_it_lies(mel_of, hop, sound):
    samples = sound(1)
    start, length = round(20 * hop * RATE_HZ), round(3.5 * RATE_HZ)
    whole, cut = mel_of(samples), mel_of(samples[start : start + length])
    match = same_recording(whole, cut, hop)
    assert match.offset_seconds == pytest.approx(20 * hop) and match.share == 1 and match.score > 0.95
    assert same_recording(cut, whole, hop).offset_seconds == pytest.approx(-20 * hop)


def test_a_shift_by_half_a_frame_is_still_the_same_melody(mel_of, hop):
    samples = melody(2)
    match = same_recording(mel_of(samples), mel_of(samples[round(3.5 * hop * RATE_HZ) :]), hop)
    assert match.offset_seconds == pytest.approx(3.5 * hop, abs=0.51 * hop)


def test_a_low_pass_is_forgiven(mel_of, hop):
    from scipy.signal import butter, sosfiltfilt

    samples = melody(3)
    low = sosfiltfilt(butter(8, 4000, fs=RATE_HZ, output="sos"), samples).astype(np.float32)
    assert same_recording(mel_of(samples), mel_of(low), hop).offset_seconds == 0


def test_silence_around_it_does_not_matter(mel_of, hop):
    samples, before, behind = melody(4), np.zeros(round(10 * hop * RATE_HZ)), np.zeros(RATE_HZ // 3)
    padded = np.concatenate([before, samples, behind]).astype(np.float32)
    assert same_recording(mel_of(padded), mel_of(samples), hop).offset_seconds == pytest.approx(10 * hop)


@pytest.mark.parametrize("sound", [melody, noise])
def test_two_sounds_of_one_kind_are_two(mel_of, hop, sound):
    mels = [mel_of(sound(seed)) for seed in range(7)]
    assert not any(same_recording(one, other, hop) for i, one in enumerate(mels) for other in mels[:i])


def test_two_notes_of_one_instrument_are_two(mel_of, hop):
    mels = [mel_of(note(220 * 2 ** (step / 12), seed=step)) for step in range(6)]
    assert not any(same_recording(one, other, hop) for i, one in enumerate(mels) for other in mels[:i])


def test_two_takes_of_one_note_are_two(mel_of, hop):
    """The same notes, each a little earlier or later, longer or shorter: what no copy does."""

    def take(seed: int) -> np.ndarray:
        draws = np.random.default_rng(seed)
        parts = []
        for step in (0, 4, 7, 12, 7, 4):
            pitch = 220 * 2 ** (step / 12) * draws.uniform(0.98, 1.02)
            parts.append(draws.uniform(0.5, 1) * note(pitch, draws.uniform(0.3, 0.6), seed))
        return np.concatenate(parts)

    mels = [mel_of(take(seed)) for seed in range(6)]
    assert not any(same_recording(one, other, hop) for i, one in enumerate(mels) for other in mels[:i])


@pytest.mark.parametrize("frames", [0, 1, 3])
def test_what_is_too_short_proves_nothing(frames):
    mel = np.random.default_rng(0).standard_normal((frames, 80)).astype(np.float16)
    assert same_recording(mel, mel, 0.1) is None


def test_silence_proves_nothing():
    silent = np.full((50, 80), -13.8, np.float16)
    assert same_recording(silent, silent, 0.1) is None
    loud = np.random.default_rng(0).standard_normal((50, 80)).astype(np.float16)
    assert same_recording(silent, loud, 0.1) is None


def test_few_frames_count_where_the_sound_is_steady_or_one_stroke():
    draws = np.random.default_rng(0).standard_normal((100, 80))
    steady = np.repeat(draws[:1], 100, axis=0)
    stroke = draws * (np.arange(100) == 50)[:, None]
    assert 70 < counting_frames(draws, draws) <= 100
    assert counting_frames(steady, steady) < 1
    assert counting_frames(stroke, stroke) == pytest.approx(1)
    assert counting_frames(draws, -draws) == 0


def test_sketches_rule_out_others_and_no_copy(mel_of, hop):
    one, other = prepare(mel_of(melody(5)), hop), prepare(mel_of(melody(6)), hop)
    cut = prepare(mel_of(melody(5)[RATE_HZ : 4 * RATE_HZ]), hop)
    assert may_be_same(sketch(one), sketch(cut)) and align(one, cut).share == 1
    assert sketch(one).shape == (len(one.fine), 8)
    long_one, long_other = (prepare(mel_of(noise(seed, 20)), hop) for seed in (1, 2))
    assert not may_be_same(sketch(long_one), sketch(long_other))
    assert align(one, other).score < 0.6
