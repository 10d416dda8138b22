"""Directions of vectors, and the nearest tracks of each track: the one nearest-neighbour search."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from utils import Progress, plural, usable_cores

if TYPE_CHECKING:
    pass

DIRECTIONS_BLOCK = 1 << 16  # rows that are made float64 at a time


def check_directions(names: Sequence[str], vectors: np.ndarray) -> None:
    """Raise ValueError, naming the first song, where a vector is zero or not finite and so has no direction."""
    norms = _norms(vectors)
    bad = np.flatnonzero((norms == 0) | ~np.isfinite(norms))
    if len(bad):
        more = f" (and {plural(len(bad) - 1, 'other')})" if len(bad) > 1 else ""
        what = "zero" if np.isfinite(vectors[bad[0]]).all() else "not finite"
        raise ValueError(f"the vector of {names[bad[0]]!r}{more} is {what}; remove that mel, or train anew")


def _norms(vectors: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))


def directions(vectors: np.ndarray) -> np.ndarray:
    """Return vectors (rows, dims), none of them zero, scaled to length 1: float32."""
    scaled = np.empty(vectors.shape, np.float32)
    norms = _norms(vectors)[:, None]
    for start in range(0, len(vectors), DIRECTIONS_BLOCK):
        rows = slice(start, start + DIRECTIONS_BLOCK)
        scaled[rows] = vectors[rows] / norms[rows]
    return scaled


def hubness(vectors: np.ndarray, neighbours: int = 10) -> float:
    """Return the skewness of how often each track is among the `neighbours` nearest (by cosine) of the others.

    0 where all tracks are named alike; large where a few hubs are near everything, and so say nothing.

    vectors    (tracks, dims), finite and not zero; at least two tracks.
    Reference  Radovanovic, Nanopoulos and Ivanovic 2010, Hubs in Space.
    """
    import faiss

    rows = directions(vectors)
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    neighbours = min(neighbours, len(rows) - 1)
    nearest_tracks = index.search(rows, neighbours + 1)[1]  # itself among them, save where others coincide
    others = nearest_tracks[nearest_tracks != np.arange(len(rows))[:, None]]
    counts = np.bincount(others, minlength=len(rows)).astype(np.float64)
    deviation = counts.std()
    return float(((counts - counts.mean()) ** 3).mean() / deviation**3) if deviation else 0.0


SEARCH_BLOCK = 4096  # tracks sought at a time, at least: faiss multiplies matrices where these hold 128,000 numbers


def nearest_neighbours(rows: np.ndarray, count: int, quiet: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest other tracks of each track by cosine distance, exactly.

    rows     (tracks, dims) float32 of length 1.
    count    neighbours wanted, at least 1; where there are fewer other tracks, all of them.
    Returns  (tracks, count) int32 rows and (tracks, count) float32 distances 1 - cosine in [0, 2], 0 between equal
             rows; by distance, then by row. A track is never among its own, also where others equal it. The same on
             any number of cores.
    """
    import faiss

    count = min(count, len(rows) - 1)
    indices = np.empty((len(rows), max(count, 0)), np.int32)
    distances = np.empty(indices.shape, np.float32)
    if count < 1:
        return indices, distances
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)

    def search(block: np.ndarray) -> int:
        found = index.search(rows[block], count + 1)[1]  # (block, count + 1), itself among them save behind its equals
        indices[block], distances[block] = _sorted_others(rows, block, found)
        return len(block)

    # Threads of our own, each with one of faiss': those wait for each other, and where other programs use the cores
    # that takes many times as long as the search. The blocks, and so the last bits, are the same for any number.
    blocks = np.array_split(np.arange(len(rows)), max(1, len(rows) // SEARCH_BLOCK))
    pool = ThreadPoolExecutor(usable_cores(), initializer=faiss.omp_set_num_threads, initargs=(1,))
    progress = Progress(len(rows), "neighbours", "tracks", quiet)
    try:
        for done in pool.map(search, blocks):
            progress.advance(done)
    finally:
        pool.shutdown(cancel_futures=True)
        progress.close()
    return indices, distances


def _sorted_others(rows: np.ndarray, block: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Drop each track of the block from what was found for it, (block, count + 1) -> (block, count), and sort that."""
    itself = found == block[:, None]
    itself[~itself.any(axis=1), -1] = True
    others = found[~itself].reshape(len(found), -1)
    # |a - b|^2 / 2 is 1 - cosine for length 1, and unlike that exactly 0 between equals and exact near them.
    distances = np.empty(others.shape, np.float32)
    for column in range(others.shape[1]):  # all columns at once would take a hundred times the memory
        difference = rows[others[:, column]] - rows[block]
        distances[:, column] = np.einsum("ij,ij->i", difference, difference) / 2
    order = np.lexsort((others, distances), axis=1)
    return np.take_along_axis(others, order, axis=1), np.take_along_axis(distances, order, axis=1)
