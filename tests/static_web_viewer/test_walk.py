"""Walks, in a real Chromium: the way of small steps between two tracks, bridges where there is none, lists by sound."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from browser import WITHOUT_WEBGL, Browser, chromium, file_address
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from judging.neighbours import directions, nearest_neighbours
from static_web_viewer.page.page_data import quantised
from utils import ROOT

pytestmark = pytest.mark.slow

VIEWER = ROOT / "static_web_viewer" / "viewer"
PATHS = """
    const [count, tracks, distances, pairs, allowed] = arguments;
    const near = { count, tracks: Uint32Array.from(tracks), distances: Float32Array.from(distances) };
    return pairs.map(([from, to]) => walk.path(near, from, to, allowed && Uint8Array.from(allowed)));
"""
BRIDGE = """
    const [distances, from, to, allowed] = arguments;
    return walk.bridge(from, to, allowed && Uint8Array.from(allowed), (track) => Float32Array.from(distances[track]));
"""
ORDER = """
    const [list, dims, codes, x, y] = arguments;
    const vectors = codes && { dims, codes: Int8Array.from(codes), lengths: new Float32Array(codes.length / dims) };
    for (let i = 0; vectors && i < vectors.lengths.length; i++) {
      vectors.lengths[i] = Math.hypot(...vectors.codes.subarray(i * dims, (i + 1) * dims));
    }
    return walk.order(list, vectors, { x: Float32Array.from(x), y: Float32Array.from(y) });
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Iterator[Browser]:
    """A page of walk.js and nothing else."""
    folder = tmp_path_factory.mktemp("walk only")
    (folder / "walk.js").write_bytes((VIEWER / "walk.js").read_bytes())
    harness = '<!DOCTYPE html><meta charset="utf-8"><script src="walk.js"></script>'
    (folder / "index.html").write_text(harness, encoding="utf-8")
    with chromium(WITHOUT_WEBGL, folder) as browser:
        browser.open(file_address(folder / "index.html"), folder, wait="typeof walk === 'object'")
        yield browser
        browser.check()


def arc(tracks: int, seed: int = 0) -> np.ndarray:
    """Directions along a quarter of a circle in a disturbed order of names, with a little of other dimensions."""
    draws = np.random.default_rng(seed)
    angles = draws.permutation(np.linspace(0, np.pi / 2, tracks))
    rows = np.stack([np.cos(angles), np.sin(angles), *(0.002 * draws.normal(size=(4, tracks)))], axis=1)
    return directions(rows.astype(np.float32))


def cosines(rows: np.ndarray) -> np.ndarray:
    return 1 - rows.astype(np.float64) @ rows.T


def paths(page: Browser, near: tuple[np.ndarray, np.ndarray], pairs: list, allowed: list | None = None) -> list:
    neighbours, exact = near
    return page.run(PATHS, neighbours.shape[1], neighbours.ravel().tolist(), exact.ravel().tolist(), pairs, allowed)


def test_a_path_is_the_cheapest_by_squared_distances(page):
    rows = directions(np.random.default_rng(1).normal(size=(300, 6)).astype(np.float32))
    neighbours, exact = near = nearest_neighbours(rows, 6)
    edges = coo_matrix((np.maximum(exact, 1e-9).ravel() ** 2, (np.repeat(np.arange(300), 6), neighbours.ravel())))
    both = edges.tocsr().maximum(edges.T.tocsr())
    least = dijkstra(both, directed=False)
    pairs = [(0, track) for track in range(1, 300, 13)] + [(track, 5) for track in range(7, 300, 29)]
    for (start, end), way in zip(pairs, paths(page, near, pairs), strict=True):
        assert (way[0], way[-1]) == (start, end) and len(set(way)) == len(way)
        steps = [both[one, other] for one, other in itertools.pairwise(way)]
        assert all(step > 0 for step in steps)  # each along the graph, either way
        assert sum(steps) == pytest.approx(least[start, end], rel=1e-4)


def test_a_path_takes_small_steps_and_neighbours_are_one_step_apart(page):
    rows = arc(120)
    near = nearest_neighbours(rows, 8)
    order = np.argsort(np.arctan2(rows[:, 1], rows[:, 0]))
    ends = [int(order[0]), int(order[-1])]
    way, close, nothing = paths(page, near, [ends, [ends[0], int(near[0][ends[0], 0])], [ends[0], ends[0]]])
    steps = [cosines(rows)[one, other] for one, other in itertools.pairwise(way)]
    assert len(way) > 40 and max(steps) < cosines(rows)[tuple(ends)] / 100
    assert close == [ends[0], int(near[0][ends[0], 0])]
    assert nothing == [ends[0]]


def test_the_way_back_is_the_way_turned_around(page):
    near = nearest_neighbours(arc(60, seed=4), 3)
    there, back = paths(page, near, [[3, 40], [40, 3]])
    assert there == back[::-1]


def test_a_path_goes_over_what_is_allowed_only(page):
    # Two ways from 0 to 3: over 1, the nearer, and over 2
    neighbours = np.array([[1, 2], [0, 3], [0, 3], [1, 2]])
    exact = np.array([[0.1, 0.2], [0.1, 0.1], [0.2, 0.2], [0.1, 0.2]])
    ways = [paths(page, (neighbours, exact), [[0, 3]], allowed) for allowed in (None, [1, 0, 1, 1], [1, 0, 0, 1])]
    assert ways == [[[0, 1, 3]], [[0, 2, 3]], [None]]


def test_islands_have_no_path_but_a_bridge(page):
    draws = np.random.default_rng(0)
    angles = np.concatenate([draws.uniform(0, 0.2, 30), draws.uniform(1.2, 1.4, 30), [0.7, 0.45]])
    rows = directions(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))
    table = cosines(rows)
    assert paths(page, nearest_neighbours(rows[:60], 4), [[0, 59]]) == [None]
    way = page.run(BRIDGE, table.tolist(), 0, 59, None)
    assert (way[0], way[-1]) == (0, 59) and len(set(way)) == len(way) <= 9
    assert {60, 61} <= set(way)  # the stepping stones
    assert max(table[one, other] for one, other in itertools.pairwise(way)) < table[0, 59] / 2
    without = page.run(BRIDGE, table.tolist(), 0, 59, [1] * 60 + [0, 0])
    assert not {60, 61} & set(without) and (without[0], without[-1]) == (0, 59)
    assert page.run(BRIDGE, table.tolist(), 0, 59, [0] * 62) == [0, 59]
    assert page.run(BRIDGE, table.tolist(), 7, 7, None) == [7]


def test_a_bridge_goes_nowhere_twice(page):
    # From 0 to 1 over 2, from that over 3 and 4; 5 lies beside 2, between it and 3, and between it and 4
    table = np.full((6, 6), 0.9)
    np.fill_diagonal(table, 0)
    given = {(0, 1): 1, (0, 2): 0.5, (2, 1): 0.5, (0, 3): 0.3, (3, 2): 0.39, (2, 4): 0.39, (4, 1): 0.3}
    given |= {(5, 2): 0.1, (5, 3): 0.3, (5, 4): 0.3, (5, 0): 0.6, (5, 1): 0.6}
    for (one, other), distance in given.items():
        table[one, other] = table[other, one] = distance
    assert page.run(BRIDGE, table.tolist(), 0, 1, None) == [0, 3, 5, 2, 4, 1]


def ordered(page: Browser, list_: list[int], rows: np.ndarray, xy: np.ndarray, with_vectors: bool = True) -> list[int]:
    codes = quantised(rows).ravel().tolist() if with_vectors else None
    found = page.run(ORDER, list_, rows.shape[1], codes, *xy.T.tolist())
    assert sorted(found) == sorted(list_) and found[:1] == list_[:1]
    return found


def mean_step(found: list[int], rows: np.ndarray) -> float:
    return float(np.mean([cosines(rows[[one, other]])[0, 1] for one, other in itertools.pairwise(found)]))


def test_a_list_goes_by_sound(page):
    rows, kinds = arc(200, seed=2), np.arange(200) % 2
    rows = directions(np.where(kinds[:, None], rows, -rows))
    somewhere = np.zeros((200, 2))
    every_third = list(range(1, 200, 3))
    found = ordered(page, every_third, rows, somewhere)
    assert mean_step(found, rows) < mean_step(every_third, rows) / 10
    # From the first to the nearest: all of its kind before the first of the other
    assert sorted(kinds[found].tolist(), reverse=True) == kinds[found].tolist()
    assert [ordered(page, each, rows, somewhere) for each in ([], [5], [5, 9])] == [[], [5], [5, 9]]


def test_a_list_without_vectors_goes_along_the_map(page):
    draws = np.random.default_rng(3)
    xy = draws.uniform(-5, 20, (500, 2))
    some = draws.permutation(500).tolist()
    found = ordered(page, some, np.ones((500, 2), np.float32), xy, with_vectors=False)
    jumps = np.linalg.norm(np.diff(xy[found], axis=0), axis=1)
    assert jumps.mean() < np.linalg.norm(np.diff(xy[some], axis=0), axis=1).mean() / 5
    # On a grid the curve goes from each square to one beside it, but for where the list's first is the cut
    grid = np.array([divmod(place, 16) for place in range(256)], float)
    found = ordered(page, list(range(256)), np.ones((256, 2), np.float32), grid, with_vectors=False)
    assert np.sum(np.abs(np.diff(grid[found], axis=0)).sum(axis=1) != 1) <= 1


def test_a_long_list_goes_by_sound_piece_by_piece(page):
    draws = np.random.default_rng(6)
    xy = draws.uniform(0, 1, (5000, 2))
    waves = [np.sin((1 + k % 3) * 3 * xy[:, 0] + k) + np.cos((1 + k % 2) * 3 * xy[:, 1] - k) for k in range(8)]
    rows = directions((np.stack(waves, axis=1) + 0.2 * draws.normal(size=(5000, 8))).astype(np.float32))
    some = draws.permutation(5000).tolist()
    found = ordered(page, some, rows, xy)
    by_sound, by_map = mean_step(found, rows), mean_step(ordered(page, some, rows, xy, with_vectors=False), rows)
    assert by_sound < by_map / 1.5 < mean_step(some, rows) / 4
    # A piece goes on where the one before has ended, but for what 8 bits confuse
    steps = 1 - rows[found[801:1601]].astype(np.float64) @ rows[found[800]]
    assert steps[0] == pytest.approx(steps.min(), abs=0.01)
