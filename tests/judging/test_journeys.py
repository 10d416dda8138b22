"""Playlists from one track to another, on lines, rings and gaps whose best ways are known."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import clustered
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import minimum_spanning_tree

from judging.journeys import POOL, journey
from judging.neighbours import directions


def on_an_arc(degrees: np.ndarray, noise: float = 0.02, dims: int = 10, seed: int = 0) -> np.ndarray:
    """Tracks on a circle, and a little beside it; lengths that must not matter."""
    draws = np.random.default_rng(seed)
    angles = np.radians(degrees)
    rows = noise * draws.standard_normal((len(angles), dims))
    rows[:, 0] += np.cos(angles)
    rows[:, 1] += np.sin(angles)
    return (rows * draws.uniform(0.5, 5, (len(rows), 1))).astype(np.float32)


def steps_of(vectors: np.ndarray, way: list[int]) -> np.ndarray:
    rows = directions(vectors)[way]
    return 1 - np.einsum("ij,ij->i", rows[:-1], rows[1:])


def bottleneck(vectors: np.ndarray, start: int, stop: int) -> float:
    """The greatest step of the best way of any length: that between both in the minimum spanning tree."""
    rows = directions(vectors).astype(np.float64)
    tree = minimum_spanning_tree(np.maximum(1 - rows @ rows.T, 1e-12)).tocoo()
    part_of = np.arange(len(rows))
    for step, one, other in sorted(zip(tree.data, tree.row, tree.col, strict=True)):
        part_of[part_of == part_of[one]] = part_of[other]
        if part_of[start] == part_of[stop]:
            return float(step)
    raise AssertionError


def degrees_of(tracks: int, most: float, seed: int = 1) -> np.ndarray:
    degrees = np.random.default_rng(seed).uniform(0, most, tracks)
    degrees[:2] = 0, most
    return degrees


@pytest.mark.parametrize("length", [3, 12, 40])
def test_along_a_line_the_start_falls_behind_and_the_end_comes_nearer(length):
    degrees = degrees_of(600, 170)
    vectors = on_an_arc(degrees)
    way = journey(vectors, [0, 1], length)
    rows = directions(vectors)
    assert np.diff(rows[way] @ rows[0]).max() < 0.02 and np.diff(rows[way] @ rows[1]).min() > -0.02
    assert (np.diff(degrees[way]) > -2).all()
    even = 1 - np.cos(np.radians(170 / (length - 1)))
    assert steps_of(vectors, way).max() < 1.3 * even + 0.01


def test_round_a_ring_of_clusters_one_comes_after_the_other():
    kind = np.arange(300) % 12
    vectors = on_an_arc(30.0 * kind, noise=0.04)
    way = journey(vectors, [0, 5], 18)  # kinds 0 to 5; the other way round has 7 steps
    assert kind[way].tolist() == sorted(kind[way]) and set(kind[way]) == {0, 1, 2, 3, 4, 5}
    assert steps_of(vectors, way).max() < 1.2 * bottleneck(vectors, 0, 5)


def test_many_small_steps_go_round_a_gap_and_few_across_it():
    degrees = degrees_of(400, 300)
    vectors = on_an_arc(degrees, noise=0.01)
    around = journey(vectors, [0, 1], 30)
    assert (np.diff(degrees[around]) > 0).all()
    assert steps_of(vectors, around).max() < 1.5 * (1 - np.cos(np.radians(300 / 29)))
    assert journey(vectors, [0, 1], 2) == [0, 1]


@pytest.mark.parametrize("seed", range(3))
def test_the_greatest_step_is_nearly_the_least_possible(seed):
    vectors, kind = clustered(500, kinds=6, dims=6, noise=0.4, seed=seed)
    other = int(np.argmax(kind != kind[0]))
    steps = steps_of(vectors, journey(vectors, [0, other], 40))
    least = bottleneck(vectors, 0, other)
    assert least * (1 - 1e-5) <= steps.max() < 2 * least


def test_parts_that_do_not_hang_together_are_joined_where_they_are_nearest():
    degrees = np.concatenate([np.linspace(0, 40, 60), np.linspace(100, 140, 60), np.linspace(180, 220, 60)])
    vectors = on_an_arc(degrees, noise=0.001)
    way = journey(vectors, [0, 179], 24)
    assert (np.diff(degrees[way]) > 0).all()
    assert (steps_of(vectors, way) > 0.1).sum() == 2  # the gaps of 60 and of 40 degrees
    assert steps_of(vectors, way).max() < 1.2 * bottleneck(vectors, 0, 179)


def test_waypoints_come_in_their_order_and_a_longer_leg_has_more_steps():
    degrees = degrees_of(500, 160)
    vectors = on_an_arc(degrees)
    via = int(np.abs(degrees - 120).argmin())
    way = journey(vectors, [0, via, 1], 17)
    assert (way[0], way[-1]) == (0, 1) and len(set(way)) == 17
    assert 10 <= way.index(via) <= 14  # three quarters of 16
    there_and_back = journey(vectors, [0, 1, via], 17)
    assert there_and_back.index(1) < there_and_back.index(via) == 16 and len(set(there_and_back)) == 17


def test_only_tracks_that_are_allowed_lie_between():
    vectors = on_an_arc(degrees_of(300, 150))
    allowed = np.arange(300) % 3 == 2  # neither waypoint is
    way = journey(vectors, [0, 1], 20, allowed)
    assert len(way) == 20 and allowed[way[1:-1]].all()
    assert len(journey(vectors, [0, 1], 102, allowed)) == 102
    with pytest.raises(ValueError, match="a journey of 103 tracks: only 102 may be on it"):
        journey(vectors, [0, 1], 103, allowed)


def test_of_more_tracks_than_take_part_those_of_the_way_do(tmp_path):
    degrees = degrees_of(2 * POOL, 350)
    degrees[1] = 100
    np.save(tmp_path / "v.npy", on_an_arc(degrees, noise=0.005))
    vectors = np.load(tmp_path / "v.npy", mmap_mode="r")
    way = journey(vectors, [0, 1], 20)
    assert len(set(way)) == 20 and (np.diff(degrees[way]) > 0).all()
    assert steps_of(vectors, way).max() < 1.5 * (1 - np.cos(np.radians(100 / 19)))


@settings(max_examples=20)
@given(st.integers(2, 40), st.data())
def test_any_journey_has_its_length_its_waypoints_and_no_track_twice(tracks, data):
    draws = np.random.default_rng(data.draw(st.integers(0, 99)))
    vectors = draws.integers(-1, 2, (tracks, 2)).astype(np.float32) + np.float32(0.1)  # many are equal
    waypoints = data.draw(st.lists(st.integers(0, tracks - 1), min_size=2, max_size=min(5, tracks), unique=True))
    length = data.draw(st.integers(len(waypoints), tracks))
    way = journey(vectors, waypoints, length)
    assert len(way) == len(set(way)) == length and all(type(row) is int for row in way)
    assert [row for row in way if row in waypoints] == waypoints
    assert (way[0], way[-1]) == (waypoints[0], waypoints[-1])
    assert way == journey(vectors, waypoints, length)


@pytest.mark.parametrize(
    ("waypoints", "length", "message"),
    [
        ([3], 5, "needs two waypoints at least"),
        ([3, 4, 3], 5, "the track of row 3 is a waypoint twice"),
        ([3, 50], 5, "waypoint 50 is no row of 50 tracks"),
        ([3, 4, 5], 2, "a journey of 2 tracks has no place for 3 waypoints"),
        ([3, 4], 51, "a journey of 51 tracks: only 50 may be on it"),
    ],
)
def test_what_cannot_be_a_journey_is_told(waypoints, length, message):
    with pytest.raises(ValueError, match=message):
        journey(on_an_arc(degrees_of(50, 90)), waypoints, length)
