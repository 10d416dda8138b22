import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judging import moments
from judging.moments import Wanted, best_places, cut_segments, describe_stretch, find, fit_space, similarities

DIMS = 12


def noise(frames: int, seed: int = 0, dims: int = DIMS) -> np.ndarray:
    """Frame vectors that all lie on one side, as those of a network do."""
    return np.random.default_rng(seed).standard_normal((frames, dims)).astype(np.float32) + 3


def reader(tracks: list[np.ndarray]):
    return lambda track, start, stop: tracks[track][start:stop]


def plain_cosines(frames: np.ndarray, wanted: np.ndarray, space) -> np.ndarray:
    """The definition, a place at a time."""
    segment, count = cut_segments(len(wanted))

    def described(part):
        rows = space.rows(part)[: segment * count].reshape(count, segment, -1).mean(axis=1).ravel()
        return rows / np.linalg.norm(rows)

    places = range(len(frames) - len(wanted) + 1)
    return np.array([described(frames[place : place + len(wanted)]) @ described(wanted) for place in places])


@pytest.mark.parametrize("length", [1, 2, 16, 17, 70])
def test_cosines_are_those_of_the_segments_in_order(length):
    frames, space = noise(150), fit_space(noise(500, seed=1))
    wanted = frames[40 : 40 + length]
    found = similarities(frames, describe_stretch(wanted, space))
    assert np.allclose(found, plain_cosines(frames, wanted, space), atol=1e-4)
    assert found.argmax() == 40 and found[40] == pytest.approx(1, abs=1e-4)


@given(st.integers(1, 500))
def test_segments_are_of_one_length_and_most_of_the_stretch(frames):
    segment, count = cut_segments(frames)
    assert 1 <= count <= moments.MOST_SEGMENTS
    assert frames - segment < segment * count <= frames


def test_a_rise_is_not_a_fall():
    rise = np.linspace(-1, 1, 60)[:, None] * np.eye(DIMS)[0] + np.eye(DIMS)[1]
    space = fit_space(noise(400) - 3)
    stretch = describe_stretch(rise, space)
    assert similarities(rise, stretch)[0] == pytest.approx(1, abs=1e-4)
    assert similarities(rise[::-1], stretch)[0] < 0.6


def test_what_all_frames_share_says_nothing():
    common = noise(400) + 50
    stretch = describe_stretch(common[:30], fit_space(common))
    assert np.abs(similarities(common[100:], stretch)).max() < 0.7


def test_long_tracks_come_in_blocks_and_no_place_is_lost(monkeypatch):
    frames = noise(1000)
    stretch = describe_stretch(frames[500:520], fit_space(frames))
    whole = similarities(frames, stretch)
    monkeypatch.setattr(moments, "BLOCK_FRAMES", 64)
    asked = []

    def read(track, start, stop):
        asked.append(stop - start)
        return frames[start:stop]

    for length in (1000, 64 + 19, 64 + 20, 128, 20, 19, 0):
        cut = frames[:length]
        found = moments.track_similarities(lambda track, start, stop, cut=cut: cut[start:stop], 0, stretch)
        assert found.shape == (max(0, length - 19),)
        assert np.allclose(found, whole[: len(found)], atol=1e-5)
    moments.track_similarities(read, 0, stretch)
    assert max(asked) == 64 + 19


def test_no_two_places_overlap_and_the_best_come_first():
    cosines = np.array([0.1, 0.9, 0.95, 0.2, 0.8, 0.3, 0.7, np.nan], np.float32)[:7]
    before = cosines.copy()
    assert best_places(cosines, 2, 9, 0.0) == [2, 4, 6, 0]
    assert best_places(cosines, 2, 9, 0.75) == [2, 4]
    assert best_places(cosines, 1, 2, 0.0) == [2, 1]
    assert best_places(cosines[:0], 2, 9, 0.0) == []
    assert (cosines == before).all()


def planted() -> tuple[list[np.ndarray], np.ndarray]:
    """Thirty tracks, into three of which a stretch of 25 frames was mixed: weaker from one to the next."""
    tracks = [noise(60 + 7 * number, seed=number) for number in range(30)]
    wanted = noise(25, seed=99)
    for track, weight in ((4, 0.9), (17, 0.7), (29, 0.55)):
        tracks[track][30:55] = weight * wanted + (1 - weight) * tracks[track][30:55]
    return tracks, wanted


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_what_was_mixed_in_is_found_with_any_number_of_workers(workers):
    tracks, wanted = planted()
    stretch = describe_stretch(wanted, fit_space(np.concatenate(tracks)))
    seen = []
    found = find(reader(tracks), range(30), stretch, Wanted(apart=25, top=8), workers, lambda: seen.append(1))
    assert [(moment.track, moment.place) for moment in found.moments[:3]] == [(4, 30), (17, 30), (29, 30)]
    assert len(found.moments) == 8 and len(seen) == 30
    cosines = [moment.cosine for moment in found.moments]
    assert cosines == sorted(cosines, reverse=True)
    assert (found.tracks, found.frames, found.short, found.skipped) == (30, sum(map(len, tracks)), 0, [])
    everything = find(reader(tracks), range(30), stretch, Wanted(apart=25), workers).moments
    assert everything[:8] == found.moments
    places = {}
    for moment in everything:
        places.setdefault(moment.track, []).append(moment.place)
    assert all(min(np.diff(sorted(each)), default=25) >= 25 for each in places.values())
    above = find(reader(tracks), range(30), stretch, Wanted(apart=25, at_least=cosines[1]), workers).moments
    assert above == everything[:2]


def test_the_stretch_itself_and_what_overlaps_it_is_left_out():
    frames = noise(200)
    frames[150:170] = frames[50:70]
    stretch = describe_stretch(frames[50:70], fit_space(frames))
    found = find(reader([frames]), [0], stretch, Wanted(apart=20, top=3, itself=(0, 50))).moments
    assert found[0].place == 150
    assert all(abs(moment.place - 50) >= 20 for moment in found)
    assert len(find(reader([frames, frames]), [0, 1], stretch, Wanted(apart=20, per_track=1)).moments) == 2


def test_equal_tracks_come_in_their_order_and_unreadable_ones_are_told():
    frames = noise(50)

    def read(track, start, stop):
        if track == 1:
            raise ValueError("its header is damaged")
        if track == 2:
            raise FileNotFoundError(2, "No such file or directory", "x.npy")
        return frames[start:stop] if track != 3 else frames[:5][start:stop]

    stretch = describe_stretch(frames[10:20], fit_space(frames))
    found = find(read, range(9), stretch, Wanted(apart=10, top=4), 3)
    assert [(moment.track, moment.place) for moment in found.moments] == [(0, 10), (4, 10), (5, 10), (6, 10)]
    assert found.skipped == [(1, "its header is damaged"), (2, "No such file or directory")]
    assert (found.tracks, found.short) == (6, 1)


def test_silence_and_a_collection_of_one_frame_are_no_trouble():
    zeros = np.zeros((40, DIMS), np.float32)
    for sample in (zeros[:1], noise(1), noise(300)):
        cosines = similarities(zeros, describe_stretch(zeros[:10], fit_space(sample)))
        assert np.isfinite(cosines).all() and np.abs(cosines).max() <= 1.001
    with pytest.raises(ValueError, match="no frame"):
        describe_stretch(zeros[:0], fit_space(noise(9)))
