"""A playlist from one track to another in small and even steps, over others if wanted. Arrays in, row numbers out.

Flexer, Schnitzer, Gasser and Widmer 2008 (Playlist generation using start and end songs) order the tracks by how much
nearer they are to the end than to the start. Here that is told along the nearest-neighbour graph, by shortest paths
(Dijkstra 1959) as in Tenenbaum, de Silva and Langford 2000 (Isomap): so the way round a gap counts as the way. Of all
ways that have the length wanted and never turn back in that order, the best is found by dynamic programming (Bellman
1957).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from judging.neighbours import directions, nearest_neighbours
from judging.vector_search import best_matches

POOL = 6000  # tracks that take part: the neighbours of so many are found in less than a second
ARC_POINTS = 8  # on the arc between two waypoints, round which half of the pool lies where there are more tracks
NEIGHBOURS = 15  # of each track in the graph
CORRIDOR = 800  # tracks of a leg that lie least out of the way: among these, any may follow any
EVENNESS = 3.0  # what a step costs that is the whole way, beside its 1 - cosine; by the square of its share of the way.
# Without it a long playlist idles where tracks lie close, and does the rest of the way in its last steps
POWER = 4  # of what a step costs: the largest is made small first, and the others still where one must be large
LEAST_STEP = 1e-6  # 1 - cosine: between equal tracks too a step is a step


def journey(vectors: np.ndarray, waypoints: Sequence[int], length: int, allowed: np.ndarray | None = None) -> list[int]:
    """Return a playlist from the first waypoint to the last one, over those between them in their order.

    vectors    (tracks, dims) float, rows of any length but 0; may be an np.memmap.
    waypoints  rows of at least two tracks, which need not be allowed.
    length     tracks of the playlist, waypoints included.
    allowed    (tracks,) bool: which may come between the waypoints; None for every track.
    Returns    `length` rows, none twice. Steps are as small and as even as so many allow, so that longer legs have
               more of them; from one waypoint to the next each track is further on the way than the one before it.
    Raises     ValueError where a waypoint comes twice, there is one only, or `length` is less than their number or
               more than the tracks there are.
    """
    waypoints = [int(row) for row in waypoints]
    _check(waypoints, length, len(vectors))
    usable = np.ones(len(vectors), bool) if allowed is None else np.array(allowed, bool)
    usable[waypoints] = True
    if length > np.count_nonzero(usable):
        raise ValueError(f"a journey of {length:,} tracks: only {np.count_nonzero(usable):,} may be on it")
    pool = _pool(vectors, waypoints, usable, length)
    rows = directions(np.asarray(vectors[pool], np.float32))
    stops = np.searchsorted(pool, waypoints)
    distances = _along_the_graph(rows, stops)
    free = np.ones(len(pool), bool)
    free[stops] = False

    def leg(number: int) -> tuple[np.ndarray, np.ndarray]:
        ends = slice(number, number + 2)
        return _leg(rows, stops[ends], distances[ends], lengths[number] / lengths.sum(), free, length)

    legs = range(len(stops) - 1)
    lengths = distances[legs, stops[1:]]
    steps = [length - 1]
    if len(legs) > 1:
        steps = _shared_out([_least_costs(leg(number)[1], length - 1) for number in legs], length - 1)
    way = [int(stops[0])]
    for number in legs:
        corridor, costs = leg(number)  # without the tracks of the legs before
        way += corridor[_best_way(costs, steps[number])[1:]].tolist()
        free[way] = False
    return pool[way].tolist()


def _check(waypoints: list[int], length: int, tracks: int) -> None:
    if len(waypoints) < 2:
        raise ValueError("a journey needs two waypoints at least, where it starts and where it ends")
    for row in waypoints:
        if not 0 <= row < tracks:
            raise ValueError(f"waypoint {row} is no row of {tracks:,} tracks")
        if waypoints.count(row) > 1:
            raise ValueError(f"the track of row {row} is a waypoint twice; no track comes twice on a journey")
    if length < len(waypoints):
        raise ValueError(f"a journey of {length:,} tracks has no place for {len(waypoints):,} waypoints")


def _pool(vectors: np.ndarray, waypoints: list[int], usable: np.ndarray, length: int) -> np.ndarray:
    """Return the rows that take part, ascending: all, or of very many those round the direct way and some of all."""
    rows = np.flatnonzero(usable)
    most = max(POOL, 2 * length)
    if len(rows) <= most:
        return rows
    chosen = {*waypoints, *rows[np.linspace(0, len(rows) - 1, most // 2).astype(np.int64)].tolist()}
    near = most // 2 // (ARC_POINTS * (len(waypoints) - 1)) + 1
    ends = directions(np.asarray(vectors[waypoints], np.float32))
    for start, stop in itertools.pairwise(ends):
        for share in np.linspace(0, 1, ARC_POINTS):
            point = (1 - share) * start + share * stop
            if point.any():  # between opposite directions there may be none
                chosen.update(best_matches(vectors, point, near, usable)[0].tolist())
    return np.array(sorted(chosen))


def _along_the_graph(rows: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """Return the length of the shortest path from each stop to each row, (stops, rows) float64, all finite."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components, dijkstra

    near, steps = nearest_neighbours(rows, NEIGHBOURS)
    starts, ends, steps = np.repeat(np.arange(len(rows)), near.shape[1]), near.ravel(), steps.ravel()
    while True:
        graph = coo_array((np.maximum(steps, LEAST_STEP), (starts, ends)), (len(rows), len(rows))).tocsr()
        parts, part_of = connected_components(graph, directed=False)
        if parts == 1:
            return dijkstra(graph, directed=False, indices=stops)
        bridges = _bridges(rows, part_of)
        starts, ends, steps = (np.concatenate(pair) for pair in zip((starts, ends, steps), bridges, strict=True))


def _bridges(rows: np.ndarray, part_of: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the smallest step from each part of the graph but the largest to another: starts, ends, steps."""
    outside = np.flatnonzero(part_of != np.bincount(part_of).argmax())
    ends, cosines = np.empty(len(outside), np.int64), np.empty(len(outside), np.float32)
    for start in range(0, len(outside), 1024):
        some = slice(start, start + 1024)
        block = rows[outside[some]] @ rows.T
        block[part_of[outside[some], None] == part_of] = -np.inf
        ends[some] = block.argmax(axis=1)
        cosines[some] = block.max(axis=1)
    order = np.lexsort((-cosines, part_of[outside]))
    best = order[np.unique(part_of[outside][order], return_index=True)[1]]
    return outside[best], ends[best], 1 - cosines[best]


def _leg(
    rows: np.ndarray, ends: np.ndarray, distances: np.ndarray, part: float, free: np.ndarray, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the tracks that may be on a leg, in the order of the way, and what a step from one to another costs.

    ends       (2,) where the leg starts and stops.
    distances  (2, rows) along the graph, from both.
    part       of the whole way that the leg is.
    free       (rows,) bool: no waypoint, and not on the journey yet.
    Returns    (corridor,) rows, the ends first and last, and (corridor, corridor) float64: inf where it is no step
               forwards.
    """
    between = np.flatnonzero(free)
    detour = distances[:, between].sum(axis=0)
    between = between[np.argsort(detour, kind="stable")[: max(CORRIDOR, 2 * length)]]
    share = distances[0, between] / distances[:, between].sum(axis=0)  # of the way that is done at each
    order = np.argsort(share, kind="stable")
    corridor, share = np.concatenate([ends[:1], between[order], ends[1:]]), np.concatenate([[0], share[order], [1]])
    steps = np.maximum(1 - rows[corridor] @ rows[corridor].T, LEAST_STEP)
    costs = (steps + EVENNESS * (part * (share - share[:, None])) ** 2) ** POWER
    costs[np.tri(len(costs), dtype=bool)] = np.inf
    return corridor, costs


def _least_costs(costs: np.ndarray, most_steps: int) -> np.ndarray:
    """Return what it costs at least from the first to the last in exactly 1, 2, ... steps: (most_steps,) float64."""
    reached, found = costs[0], [costs[0, -1]]
    for _ in range(most_steps - 1):
        reached = (reached[:, None] + costs).min(axis=0)
        found.append(reached[-1])
    return np.array(found)


def _best_way(costs: np.ndarray, steps: int) -> list[int]:
    """Return the way from the first to the last in exactly so many steps that costs least: positions."""
    reached, origins = costs[0], []
    for _ in range(steps - 1):
        total = reached[:, None] + costs
        origins.append(total.argmin(axis=0))
        reached = total.min(axis=0)
    way = [len(costs) - 1]
    for origin in reversed(origins):
        way.append(int(origin[way[-1]]))
    return [0, *reversed(way)]


def _shared_out(costs: list[np.ndarray], steps: int) -> list[int]:
    """Return how many of all steps each leg gets, so that the whole costs least.

    costs  for each leg (steps,): of 1, 2, ... steps.
    """
    totals, chosen = np.concatenate([[0.0], np.full(steps, np.inf)]), []
    for leg in costs:  # totals[n]: of n steps over the legs so far
        options = np.full((steps + 1, steps + 1), np.inf)
        for own in range(1, steps + 1):
            options[own, own:] = totals[: steps + 1 - own] + leg[own - 1]
        chosen.append(options.argmin(axis=0))
        totals = options.min(axis=0)
    shares: list[int] = []
    for own in reversed(chosen):
        shares.append(int(own[steps - sum(shares)]))
    return shares[::-1]
