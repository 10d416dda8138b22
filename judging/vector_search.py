"""The tracks nearest to a direction: exactly, of vectors that may lie on the disk. Numpy only, to start at once.

For the neighbours of all tracks see neighbours.py; for many millions of tracks see vector_index.py.
"""

from __future__ import annotations

import numpy as np

BLOCK = 4096  # rows at a time: they stay in the processor's cache between their product and their length
ROUNDING = 1e-5  # most that a cosine in float32 can be off: so much above the last place, a row is looked at again


def best_matches(
    vectors: np.ndarray, query: np.ndarray, count: int, allowed: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the tracks whose cosine to a direction is largest, exactly.

    vectors  (tracks, dims) float, rows of any length but 0; an np.memmap is read once and never held as a whole.
    query    (dims,) of any length but 0: a track's vector, or what was made of several.
    count    tracks wanted; fewer come where fewer are allowed. len(vectors) gives them all.
    allowed  (tracks,) bool, or None for every track.
    Returns  (found,) int64 rows and (found,) float32 cosines in [-1, 1], by cosine, then by row; the cosines of equal
             vectors are equal, wherever they stand.
    Raises   ValueError where the query, or the vector of an allowed track, has no direction: zero or not finite.
    """
    query = direction(query)
    cosines = _rough_cosines(vectors, query, allowed)
    candidates = np.arange(len(vectors)) if allowed is None else np.flatnonzero(allowed)
    if 0 < count < len(candidates):
        last = len(candidates) - count
        least = np.partition(cosines[candidates], last)[last]
        candidates = candidates[cosines[candidates] >= least - ROUNDING]
    return rank(vectors, query, candidates, count)


def direction(vector: np.ndarray) -> np.ndarray:
    """Return a vector (dims,) scaled to length 1, float64. Raises ValueError where it is zero or not finite."""
    vector = np.asarray(vector, np.float64)
    length = np.linalg.norm(vector)
    if not 0 < length < np.inf:
        raise ValueError("zero or not finite: it has no direction")
    return vector / length


def rank(vectors: np.ndarray, query: np.ndarray, rows: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the best `count` of some rows as best_matches does; the query is of length 1."""
    cosines = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), BLOCK):
        some = slice(start, start + BLOCK)
        block = np.asarray(vectors[rows[some]], np.float64)
        cosines[some] = np.vecdot(block, query) / np.sqrt(np.vecdot(block, block))
    np.clip(cosines, -1, 1, out=cosines)
    order = np.lexsort((rows, -cosines))[: max(0, count)]
    return rows[order], cosines[order]


def _rough_cosines(vectors: np.ndarray, query: np.ndarray, allowed: np.ndarray | None) -> np.ndarray:
    query = query.astype(np.float32)
    cosines = np.empty(len(vectors), np.float32)
    with np.errstate(all="ignore"):  # what is not finite is told below
        for start in range(0, len(vectors), BLOCK):
            rows = slice(start, start + BLOCK)
            block = np.asarray(vectors[rows], np.float32)
            # Not block @ query, which is threaded: where other programs use the cores, its threads wait for each other
            # ten times as long as this takes.
            cosines[rows] = np.vecdot(block, query) / np.sqrt(np.vecdot(block, block))
    usable = np.isfinite(cosines) if allowed is None else np.isfinite(cosines) | ~allowed
    if not usable.all():
        raise ValueError(f"the vector of row {int(usable.argmin())} is zero or not finite: it has no direction")
    return cosines
