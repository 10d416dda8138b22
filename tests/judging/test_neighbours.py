"""Directions and nearest neighbours."""

import hypothesis.extra.numpy as hypothesis_numpy
import numpy as np
import pytest
from conftest import clustered
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import skew

from judging import neighbours
from judging.neighbours import directions, nearest_neighbours

NAMES = ["jazz/Søren, late.mp3.npy", "rock/a song.mp3.npy", "rock/b.wav.npy"]


def brute_force(rows: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    rows = rows.astype(np.float64)
    distances = np.square(rows[:, None] - rows[None]).sum(axis=2) / 2
    np.fill_diagonal(distances, np.inf)
    order = np.lexsort((np.broadcast_to(np.arange(len(rows)), distances.shape), distances), axis=1)[:, :count]
    return order, np.take_along_axis(distances, order, axis=1)


def test_directions_in_blocks_are_the_same(monkeypatch):
    vectors = np.random.default_rng(0).standard_normal((50, 3))
    whole = neighbours.directions(vectors)
    monkeypatch.setattr(neighbours, "DIRECTIONS_BLOCK", 7)
    assert (neighbours.directions(vectors) == whole).all()
    np.testing.assert_allclose(np.linalg.norm(whole, axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("value", "what"), [(0.0, "zero"), (np.nan, "not finite"), (np.inf, "not finite"), (1e200, "too large")]
)
def test_vectors_without_a_direction_are_named(value, what):
    vectors = np.ones((3, 4))
    neighbours.check_directions(NAMES, vectors)
    vectors[1:] = value
    with pytest.raises(ValueError, match=rf"the vector of 'rock/a song.mp3.npy' \(and 1 other\) is {what}"):
        neighbours.check_directions(NAMES, vectors)


def test_hubness_is_nought_on_a_circle_and_large_with_a_hub():
    angles = 2 * np.pi * np.arange(60) / 60
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert neighbours.hubness(circle) == pytest.approx(0, abs=0.5)
    # forty directions of their own, and one track that leans a little to each of them
    star = np.vstack([np.eye(40), np.full(40, 0.2)])
    named = [1, *[0] * 39, 40]  # the hub by all, the first by the hub: of equals the first is nearest
    assert neighbours.hubness(star, neighbours=1) == pytest.approx(skew(named))
    assert neighbours.hubness(np.ones((5, 3)), neighbours=2) == pytest.approx(skew([4, 4, 2, 0, 0]))
    assert neighbours.hubness(np.ones((5, 3))) == 0  # each is named by each other


def test_neighbours_are_those_of_a_search_through_all_pairs(monkeypatch):
    monkeypatch.setattr(neighbours, "SEARCH_BLOCK", 64)  # several blocks
    rows, _ = clustered(333)
    indices, distances = nearest_neighbours(rows, 20)
    expected, known = brute_force(rows, 20)
    assert indices.dtype == np.int32 and distances.dtype == np.float32
    np.testing.assert_array_equal(indices, expected)
    np.testing.assert_allclose(distances, known, rtol=1e-5, atol=1e-7)


def test_equal_tracks_are_at_distance_0_in_their_order_and_never_their_own_neighbours():
    rows, _ = clustered(40)
    rows = rows[np.arange(200) % 40]  # each track five times
    indices, distances = nearest_neighbours(rows, 12)
    track = np.arange(200)
    expected = [[other for other in range(row % 40, 200, 40) if other != row] for row in track]
    np.testing.assert_array_equal(indices[:, :4], expected)
    assert (distances[:, :4] == 0).all() and (distances[:, 4:] > 0).all()
    assert not (indices == track[:, None]).any()
    np.testing.assert_allclose(distances, brute_force(rows, 12)[1], rtol=1e-5, atol=1e-7)


def test_more_equal_tracks_than_neighbours():
    indices, distances = nearest_neighbours(np.repeat(clustered(1)[0], 50, axis=0), 6)
    assert (distances == 0).all() and not (indices == np.arange(50)[:, None]).any()
    assert all(len(set(row)) == 6 for row in indices.tolist())


@given(
    hypothesis_numpy.arrays(np.float32, st.tuples(st.integers(1, 12), st.just(3)), elements=st.integers(-2, 2)),
    st.integers(1, 15),
)
def test_neighbours_of_any_tracks(vectors, count):
    rows = directions(vectors + np.float32([0, 0, 7]))
    indices, distances = nearest_neighbours(rows, count)
    assert indices.shape == distances.shape == (len(rows), min(count, len(rows) - 1))
    np.testing.assert_allclose(distances, brute_force(rows, min(count, len(rows) - 1))[1], atol=1e-6)
    for row, (others, far) in enumerate(zip(indices.tolist(), distances.tolist(), strict=True)):
        assert row not in others and len(set(others)) == len(others)
        assert sorted(zip(far, others, strict=True)) == list(zip(far, others, strict=True))


def brute_force_between_groups(rows: np.ndarray, count: int, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    distances = 1 - rows.astype(np.float64) @ rows.T.astype(np.float64)
    distances[groups[:, None] == groups] = np.inf
    order = np.argsort(distances, axis=1, kind="stable")[:, :count]
    distances = np.take_along_axis(distances, order, axis=1)
    return np.where(np.isfinite(distances), order, -1), distances


@pytest.mark.parametrize("sizes", [(1,) * 333, (40, 3, 290), (333,), (200, *[1] * 133), (*range(1, 26), 8)])
def test_neighbours_of_other_groups_are_those_of_all_pairs(monkeypatch, sizes):
    monkeypatch.setattr(neighbours, "SEARCH_BLOCK", 64)
    monkeypatch.setattr(neighbours, "LARGE_GROUP", 30)
    rows, _ = clustered(333)
    groups = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    indices, distances = nearest_neighbours(rows, 20, groups=groups)
    expected, known = brute_force_between_groups(rows, 20, groups)
    np.testing.assert_array_equal(indices, expected)
    np.testing.assert_allclose(distances, known, rtol=1e-4, atol=1e-6)


def test_a_track_with_few_others_outside_its_group():
    rows = directions(np.eye(5) + 0.1)
    indices, distances = nearest_neighbours(rows, 3, groups=np.array([0, 0, 0, 0, 1]))
    assert indices[:4].tolist() == [[4, -1, -1]] * 4 and np.isposinf(distances[:4, 1:]).all()
    assert len(set(indices[4])) == 3 and 4 not in indices[4] and np.isfinite(distances[4]).all()


def test_groups_of_one_change_nothing():
    rows, _ = clustered(200)
    alone, grouped = nearest_neighbours(rows, 7), nearest_neighbours(rows, 7, groups=np.arange(200)[::-1])
    assert all((one == other).all() for one, other in zip(alone, grouped, strict=True))
