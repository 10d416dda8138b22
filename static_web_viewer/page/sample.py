"""Which tracks of a very large collection are points of its map, and where the others belong among these.

A browser draws some hundred thousand points. Of more tracks the map shows a sample by cluster, which hardly changes
from page to page; the others have places too, and search finds them.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from files import byte_order
from judging.neighbours import nearest_of
from static_web_viewer.page.layout import OFFSET, PLACED_NEIGHBOURS, map_width, spiral

MOST_POINTS = 200_000  # of which a page opens in seconds, and is dragged smoothly
LEAST_OF_CLUSTER = 100  # points of each, or all of its tracks: a cluster of few is seen too


def choose(names: Sequence[str], clusters: np.ndarray, new: np.ndarray, most: int) -> np.ndarray:
    """Return which tracks are points, (shown,) int64 rows, rising: all where there are no more than `most`.

    names     as in music_list.txt. Each has a fixed place in the draw: what was shown stays, as far as clusters do.
    clusters  (tracks,) int of at least 0: each gets its share of the points, and LEAST_OF_CLUSTER at least.
    new       (tracks,) bool: these are always in, as long as they are no more than `most` themselves.
    """
    if len(names) <= most:
        return np.arange(len(names))
    drawn = np.array([zlib.crc32(byte_order(name)) for name in names])
    order = np.lexsort((drawn, clusters))
    sizes = np.bincount(clusters)
    rank = np.empty(len(names), np.int64)  # of each track in its cluster
    rank[order] = np.arange(len(names)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    share = (rank + 0.5) / sizes[clusters]  # those below a number are that share of each cluster
    share[rank < min(LEAST_OF_CLUSTER, most // len(sizes))] -= 1
    share[new] -= 2
    return np.sort(np.argsort(share, kind="stable")[:most])


def place_the_rest(rows: np.ndarray, xy: np.ndarray, most: int, quiet: bool = True) -> tuple[np.ndarray, float]:
    """Give each track without a place one: the median of those that lie nearest to it by the vectors, of those placed.

    rows     (tracks, dims) float32 of length 1.
    xy       (tracks, 2), nan where a track has no place; at least one has.
    most     of those that have one are looked at, evenly spread.
    Returns  (tracks, 2) float64, places that were there as they are; and which share of the nearest was found.
    """
    known = np.isfinite(xy).all(axis=1)
    placed, others = np.flatnonzero(known), np.flatnonzero(~known)
    xy = xy.astype(np.float64)
    if not len(others):
        return xy, 1.0
    if len(placed) > most:
        placed = placed[np.linspace(0, len(placed) - 1, most).astype(np.int64)]
    near, recall = nearest_of(rows[placed], rows, others, PLACED_NEIGHBOURS, quiet)
    xy[others] = np.median(xy[placed[near]], axis=1)
    xy[others] += spiral(OFFSET * (map_width(xy[placed]) or 1.0), np.arange(len(others)), len(others))
    return xy, recall
