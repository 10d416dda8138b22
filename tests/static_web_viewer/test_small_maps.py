"""Maps of 2 to 500 tracks: they have a width, their points lie apart, also where tracks are equal or nearly so."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import clustered

from judging.neighbours import directions, nearest_neighbours
from static_web_viewer.page.layout import CollapsedMap, all_in_one_place, map_width, tsne

pytestmark = pytest.mark.slow


def directions_of(tracks: int, dims: int, seed: int, common: float = 0.0) -> np.ndarray:
    """Rows without any kinds, each a neighbour of most; the more they have in `common`, the nearer to one direction."""
    draws = np.random.default_rng([seed, tracks])
    return directions((common * draws.standard_normal(dims) + draws.standard_normal((tracks, dims))).astype(np.float32))


def assert_apart(xy: np.ndarray, rows: np.ndarray) -> None:
    """The map has a width, and tracks of other vectors lie apart on it: all of them, and most by much."""
    width = map_width(xy)
    assert np.isfinite(xy).all() and np.isfinite(width) and width > 0
    apart = np.linalg.norm(xy[:, None].astype(np.float64) - xy, axis=2)
    apart[(rows[:, None] == rows).all(axis=2)] = np.inf
    nearest = apart.min(axis=1) / width
    assert nearest.min() > 1e-6
    assert np.median(nearest) > 0.05 / np.sqrt(len(rows))


SIZES = [*range(2, 41), 50, 60, 75, 90, 91, 92, 100, 150, 200, 300, 500]
VECTORS = {
    "without kinds": lambda tracks, seed: directions_of(tracks, 128, seed),
    "in a plane": lambda tracks, seed: directions_of(tracks, 3, seed),
    "nearly equal": lambda tracks, seed: directions_of(tracks, 64, seed, common=1000.0),
    "of kinds": lambda tracks, seed: clustered(tracks, kinds=4, dims=32, noise=1.0, seed=seed)[0],
}


@pytest.mark.parametrize("vectors", VECTORS)
def test_a_map_of_any_size_has_a_width_and_its_points_are_apart(vectors):
    for tracks in SIZES:
        for seed in range(3 if tracks <= 20 else 1):
            rows = VECTORS[vectors](tracks, seed)
            assert_apart(tsne(rows, *nearest_neighbours(rows, 90), seed=seed), rows)


@pytest.mark.parametrize("tracks", [2, 9, 12, 30, 120])
def test_vectors_that_differ_by_rounding_only_lie_apart(tracks):
    rows = directions_of(tracks, 64, 0, common=1e7)
    assert_apart(tsne(rows, *nearest_neighbours(rows, 90)), rows)


@pytest.mark.parametrize("tracks", [12, 20, 40, 100])
def test_small_maps_grow_with_their_points_apart(tracks):
    rows = directions_of(tracks, 128, 1)
    neighbours = nearest_neighbours(rows, 90)
    for had_places in (round(0.3 * tracks), round(0.9 * tracks)):
        before = rows[:had_places]
        start = np.full((tracks, 2), np.nan, np.float32)
        start[:had_places] = tsne(before, *nearest_neighbours(before, 90))
        assert_apart(tsne(rows, *neighbours, start=start), rows)


@pytest.mark.parametrize("tracks", [12, 40, 100])
def test_kinds_that_are_far_apart_do_not_become_a_point_each(tracks):
    rows, kind = clustered(tracks, kinds=tracks // 4, dims=64, noise=0.02)
    xy = tsne(rows, *nearest_neighbours(rows, 90))
    assert len(np.unique(np.round(xy / map_width(xy), 6), axis=0)) == tracks
    apart = np.linalg.norm(xy[:, None] - xy, axis=2) + np.diag(np.full(tracks, np.inf))
    assert (kind[apart.argmin(axis=1)] == kind).mean() > 0.9


@pytest.mark.parametrize("tracks", [4, 12, 40, 100, 300])
def test_tracks_that_are_there_twice_lie_side_by_side(tracks):
    rows = np.repeat(clustered(tracks // 2, kinds=4, dims=32, noise=1.0)[0], 2, axis=0)
    indices, distances = nearest_neighbours(rows, 90)
    xy = tsne(rows, indices, distances)
    larger = tsne(rows, indices, distances, start=np.where(np.arange(tracks)[:, None] % 7 != 1, xy, np.nan))
    for places in (xy, larger):
        assert_apart(places, rows)
        assert len(np.unique(places, axis=0)) == tracks
        twins = np.linalg.norm(places[::2] - places[1::2], axis=1) / map_width(places)
        assert twins.max() < 0.01


@pytest.mark.parametrize("tracks", [2, 9, 10, 30, 120])
def test_tracks_that_are_all_equal_are_no_dot(tracks):
    rows = np.repeat(clustered(1)[0], tracks, axis=0)
    xy = tsne(rows, *nearest_neighbours(rows, 90))
    assert len(np.unique(xy, axis=0)) == tracks and not all_in_one_place(xy)


@pytest.mark.parametrize("tracks", [10, 30, 60])
def test_tracks_that_are_all_as_far_from_each_other_collapse(tracks):
    """Of these a point is the best map that t-SNE knows: every attraction is as large as the repulsion there."""
    rows = np.eye(64, dtype=np.float32)[:tracks]
    with pytest.raises(CollapsedMap, match=f"{tracks} tracks in one place"):
        tsne(rows, *nearest_neighbours(rows, 90))


@pytest.mark.parametrize(
    ("places", "one"),
    [
        ([[0, 0]], False),
        ([[np.nan, np.nan]] * 3, False),
        ([[0, 0], [np.nan, np.nan]], False),
        ([[0, 0]] * 30, True),
        ([[3, 4]] * 3 + [[np.nan, np.nan]], True),
        ([[0, 0]] * 29 + [[1, 1]], True),
        ([[0, 0], [1e-12, 0]], False),
        ([[0, 0]] * 20 + [[1, 1]] * 10, False),
    ],
)
def test_places_that_are_practically_one(places, one):
    assert all_in_one_place(np.array(places, np.float32)) is one
