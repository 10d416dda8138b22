"""Directions of vectors, the exact nearest tracks of each track, and hubness: what is named as near too often."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from utils import Progress, plural, usable_cores

DIRECTIONS_BLOCK = 1 << 16  # rows that are made float64 at a time
SEARCH_BLOCK = 4096  # tracks sought at a time, at least: faiss multiplies matrices where these hold 128,000 numbers
EXACT_MOST = 50_000  # rows that are looked through whole for each of others; more are divided into lists
LISTS_LOOKED_AT = 24  # of about as many as the square root of the rows
ROWS_A_LIST = 64  # that are drawn to make it: faiss asks for 39 at least
RECALL_SAMPLE = 1000  # of others, for which the nearest are sought exactly too
LARGE_GROUP = 500  # members: past that a search among the others alone is quicker than to find and drop them


def check_directions(names: Sequence[str], vectors: np.ndarray) -> None:
    """Raise ValueError, naming the first song, where a vector has no direction: zero, not finite, or too large."""
    norms = _norms(vectors)
    bad = np.flatnonzero((norms == 0) | ~np.isfinite(norms))
    if len(bad):
        more = f" (and {plural(len(bad) - 1, 'other')})" if len(bad) > 1 else ""
        too_large = (
            "too large, its length is beyond all numbers" if np.isfinite(vectors[bad[0]]).all() else "not finite"
        )
        what = "zero" if norms[bad[0]] == 0 else too_large
        raise ValueError(f"the vector of {names[bad[0]]!r}{more} is {what}; remove that mel, or train anew")


def _norms(vectors: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
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
    from scipy.stats import skew

    rows = directions(vectors)
    counts = np.bincount(nearest_neighbours(rows, neighbours)[0].ravel(), minlength=len(rows))
    return float(skew(counts)) if counts.any() and np.ptp(counts) else 0.0


def nearest_neighbours(
    rows: np.ndarray, count: int, quiet: bool = True, groups: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest other tracks of each track by cosine distance, exactly.

    rows     (tracks, dims) float32 of length 1.
    count    neighbours wanted, at least 1; where there are fewer other tracks, all of them.
    groups   (tracks,) int of at least 0, or None. Where given, no track of the same group is among a track's own;
             where fewer than `count` tracks are in other groups, row -1 at distance inf fills the places left.
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
    groups = np.arange(len(rows)) if groups is None else groups
    sizes = np.bincount(groups)[groups]  # (tracks,) members of each track's group, itself included
    index = _flat_index(rows)

    def search(block: np.ndarray) -> int:
        largest = int(sizes[block].max())
        if largest > LARGE_GROUP:  # all of the block are of it
            others = np.flatnonzero(groups != groups[block[0]])
            found = np.full((len(block), count), -1)
            if len(others):
                near = _flat_index(rows[others]).search(rows[block], min(count, len(others)))[1]
                found[:, : near.shape[1]] = others[near]
        else:  # so many that `count` are left without the own group, if there are as many
            found = index.search(rows[block], min(count + largest, len(rows)))[1]
            own = groups[found] == groups[block, None]
            others_first = np.argsort(own, axis=1, kind="stable")[:, :count]
            found = np.take_along_axis(found, others_first, axis=1)
            found[np.take_along_axis(own, others_first, axis=1)] = -1
        indices[block], distances[block] = _sorted_by_distance(rows, block, found)
        return len(block)

    # Threads of our own, each with one of faiss': those wait for each other, and where other programs use the cores
    # that takes many times as long as the search. The blocks, and so the last bits, are the same for any number.
    pool = ThreadPoolExecutor(usable_cores(), initializer=faiss.omp_set_num_threads, initargs=(1,))
    progress = Progress(len(rows), "neighbours", "tracks", quiet)
    try:
        for done in pool.map(search, _search_blocks(sizes, groups)):
            progress.advance(done)
    finally:
        pool.shutdown(cancel_futures=True)
        progress.close()
    return indices, distances


def nearest_of(
    rows: np.ndarray, vectors: np.ndarray, others: np.ndarray, count: int, quiet: bool = True
) -> tuple[np.ndarray, float]:
    """Return the nearest of some tracks for each of many others: of more than 50,000 some are missed.

    rows     (tracks, dims) float32 of length 1, at least one.
    vectors  (all, dims) float32 of length 1, and others (others,) int64, which of these are asked for.
    Returns  (others, count) int64 rows, nearest first, count at most the tracks; and which share of the nearest was
             found, of a sample. The same on any number of cores.
    """
    import faiss

    count, exact = min(count, len(rows)), _flat_index(rows)
    index = exact if len(rows) <= EXACT_MOST else _index_of_lists(rows)
    found = np.empty((len(others), count), np.int64)

    def search(block: slice) -> int:
        found[block] = index.search(vectors[others[block]], count)[1]
        return len(found[block])

    pool = ThreadPoolExecutor(usable_cores(), initializer=faiss.omp_set_num_threads, initargs=(1,))
    progress = Progress(len(others), "places", "tracks", quiet)
    try:
        for done in pool.map(search, (slice(at, at + SEARCH_BLOCK) for at in range(0, len(others), SEARCH_BLOCK))):
            progress.advance(done)
        if index is exact:
            return found, 1.0
        sample = np.linspace(0, len(others) - 1, min(len(others), RECALL_SAMPLE)).astype(np.int64)
        near = pool.submit(exact.search, vectors[others[sample]], count).result()[1]
    finally:
        pool.shutdown(cancel_futures=True)
        progress.close()
    hits = sum(len(np.intersect1d(*pair)) for pair in zip(near, found[sample], strict=True))
    return found, hits / near.size


def _index_of_lists(rows: np.ndarray):
    """Return rows in lists of what lies near each other, of which a search looks through the nearest.

    Reference  Jegou, Douze and Schmid 2011, Product quantization for nearest neighbor search: its inverted file.
    """
    import faiss

    lists = round(len(rows) ** 0.5)
    index = faiss.index_factory(rows.shape[1], f"IVF{lists},Flat", faiss.METRIC_INNER_PRODUCT)
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        index.train(rows[np.linspace(0, len(rows) - 1, min(len(rows), ROWS_A_LIST * lists)).astype(np.int64)])
        index.add(rows)
    finally:
        faiss.omp_set_num_threads(threads)
    index.nprobe = LISTS_LOOKED_AT
    return index


def _flat_index(rows: np.ndarray):
    import faiss

    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    return index


def _search_blocks(sizes: np.ndarray, groups: np.ndarray) -> list[np.ndarray]:
    """Divide the tracks: each large group for itself, the others by size, so that few search far for one of many."""
    large = sizes > LARGE_GROUP
    blocks = [np.flatnonzero(groups == group) for group in np.unique(groups[large])]
    others = np.flatnonzero(~large)
    others = others[np.argsort(sizes[others], kind="stable")]
    return blocks + np.array_split(others, max(1, len(others) // SEARCH_BLOCK)) if len(others) else blocks


def _sorted_by_distance(rows: np.ndarray, block: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sort what was found for each track of the block, (block, count), by distance, then by row; -1 comes last."""
    # |a - b|^2 / 2 is 1 - cosine for length 1, and unlike that exactly 0 between equals and exact near them.
    distances = np.empty(found.shape, np.float32)
    for column in range(found.shape[1]):  # all columns at once would take a hundred times the memory
        difference = rows[found[:, column]] - rows[block]
        distances[:, column] = np.einsum("ij,ij->i", difference, difference) / 2
    distances[found < 0] = np.inf
    order = np.lexsort((found, distances), axis=1)
    return np.take_along_axis(found, order, axis=1), np.take_along_axis(distances, order, axis=1)
