"""sample.py: which tracks are points of a large map, and where the others come to lie."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judging.neighbours import EXACT_MOST, directions, nearest_of
from static_web_viewer.page.sample import LEAST_OF_CLUSTER, choose, place_the_rest

SIZES = [6000, 3000, 950, 50]
CLUSTERS = np.repeat(np.arange(4), SIZES)
NAMES = [f"folder {track % 7}/track {track}.mp3.npy" for track in range(sum(SIZES))]
NONE_NEW = np.zeros(len(NAMES), bool)


def test_where_there_is_room_all_are_points():
    np.testing.assert_array_equal(choose(NAMES, CLUSTERS, NONE_NEW, len(NAMES)), np.arange(len(NAMES)))


def test_each_cluster_has_its_share_and_a_small_one_is_seen():
    points = choose(NAMES, CLUSTERS, NONE_NEW, 1000)
    counts = np.bincount(CLUSTERS[points])
    assert len(points) == 1000 and (np.diff(points) > 0).all()
    assert counts[3] == 50  # all of it
    assert counts[2] == LEAST_OF_CLUSTER
    assert counts[0] / counts[1] == pytest.approx(2, rel=0.1)


@given(st.integers(1, 300), st.integers(1, 400))
def test_new_tracks_are_always_in(most, new):
    arrived = np.zeros(1000, bool)
    arrived[-new:] = True
    points = choose(NAMES[:1000], np.arange(1000) % 5, arrived, most)
    assert len(points) == most
    assert arrived[points].sum() == min(most, new)


def test_what_was_shown_stays_when_tracks_come():
    some = np.sort(np.random.default_rng(0).permutation(len(NAMES))[:9000])
    before = {NAMES[some[point]] for point in choose([NAMES[track] for track in some], CLUSTERS[some], some < 0, 1000)}
    after = {NAMES[point] for point in choose(NAMES, CLUSTERS, NONE_NEW, 1000)}
    assert len(before & after) > 850  # ten of a hundred are new, and take as much of the places


def rows_of_kinds(kinds: np.ndarray, seed: int) -> np.ndarray:
    draws = np.random.default_rng(seed)
    return directions(5 * draws.standard_normal((10, 16))[kinds] + draws.standard_normal((len(kinds), 16)))


def test_the_rest_lie_among_what_is_most_alike():
    kinds = np.arange(3000) % 10
    rows, middle = rows_of_kinds(kinds, 1), np.stack([kinds, kinds % 3], axis=1).astype(float)
    xy = middle + np.random.default_rng(2).uniform(-0.1, 0.1, middle.shape)
    known = np.random.default_rng(5).random(3000) < 0.25
    placed, recall = place_the_rest(rows, np.where(known[:, None], xy, np.nan), most=10_000)
    assert recall == 1
    np.testing.assert_array_equal(placed[known], xy[known])
    assert np.abs(placed - middle).max() < 0.15
    assert len(np.unique(placed, axis=0)) == 3000


def test_only_so_many_are_looked_at():
    rows = rows_of_kinds(np.zeros(500, int), 3)
    xy = np.full((500, 2), np.nan)
    xy[:400] = np.arange(400)[:, None]
    placed, _ = place_the_rest(rows, xy, most=2)
    np.testing.assert_allclose(placed[400:], 199.5, atol=1)  # in the middle of the first and the last


def test_of_very_many_most_of_the_nearest_are_found():
    count = EXACT_MOST + 1000
    rows = rows_of_kinds(np.arange(count) % 10, 4)
    found, recall = nearest_of(rows[:-500], rows, np.arange(count - 500, count), 5)
    exact = np.argsort(-rows[-500:] @ rows[:-500].T, axis=1)[:, :5]
    assert recall == pytest.approx(np.mean([np.isin(a, b).mean() for a, b in zip(exact, found, strict=True)]), abs=0.02)
    assert recall > 0.8
