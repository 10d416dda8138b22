"""An index file for many millions of vectors: the nearest tracks of a direction, almost exactly, in milliseconds.

Exact search reads every vector: see vector_search.py, which is quick enough below WORTH_AN_INDEX of them.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from files import atomic_write, never_waiting
from judging.vector_search import direction, rank
from utils import Progress

WORTH_AN_INDEX = 10_000_000  # vectors: of 8 million, exact search takes a second where they lie in the page cache
MOST_LISTS = 4096
TRAINING_ROWS_PER_LIST = 40  # faiss asks for 39 at least
ADDED_ROWS = 1 << 16  # at a time
SAMPLE = 100  # vectors of the collection that are sought to measure the recall, ...
SAMPLE_DEPTH = 10  # ... of so many neighbours each
ENOUGH_RECALL = 0.99  # more lists are looked through until it is reached, or a quarter of them
FINGERPRINT_ROWS = 1000
NOTE_BYTES = 256  # at the end of the file, where faiss does not look: what the index was made of


@dataclass(frozen=True)
class VectorIndex:
    """What `open_index` and `build_index` return."""

    index: object  # faiss.IndexIVF, memory-mapped
    recall: float  # share of the 10 nearest others that was found, of a sample of the tracks
    probes: int  # lists that a search looks through

    def best_matches(
        self, vectors: np.ndarray, query: np.ndarray, count: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return what vector_search.best_matches returns, but for a track that the index has missed.

        vectors  those that the index was made of: the cosines are computed from them.
        """
        query = direction(query)
        rows = _candidates(self.index, query, count, self.probes, allowed)
        return rank(vectors, query, rows, count)


def fingerprint(vectors: np.ndarray) -> str:
    """Return what tells an array of vectors from another one: by its shape and a thousand rows all over it."""
    rows = np.linspace(0, len(vectors) - 1, min(len(vectors), FINGERPRINT_ROWS)).astype(np.int64)
    return f"{len(vectors)}x{vectors.shape[1]}-{zlib.crc32(np.ascontiguousarray(vectors[rows])):08x}"


def open_index(path: Path, vectors: np.ndarray) -> VectorIndex | None:
    """Return the index that lies in a file; None where there is none, or it is of other vectors than these."""
    import faiss

    try:
        with open(path, "rb", opener=never_waiting) as file:
            file.seek(-NOTE_BYTES, 2)
            note = json.loads(file.read())
        if note["made_of"] != fingerprint(vectors):
            return None
        return VectorIndex(faiss.read_index(str(path), faiss.IO_FLAG_MMAP), note["recall"], note["probes"])
    except (OSError, ValueError, KeyError, TypeError, RuntimeError):  # none, or something else
        return None


def build_index(path: Path, vectors: np.ndarray, quiet: bool = True) -> VectorIndex:
    """Make the index of vectors and keep it in a file, which replaces an earlier one.

    vectors  (tracks, dims) float, rows of any length but 0, may be an np.memmap. The file takes a byte a number.
    Raises   ValueError where a vector is zero or not finite.

    An inverted file (Jegou, Douze and Schmid 2011; Douze et al. 2024, The Faiss library): the directions are clustered
    into as many lists as the square root of their number, a search looks through the lists that lie nearest. Within
    them each number is a byte; what is found by that is ranked by the vectors themselves. How many lists a search looks
    through is decided here, by measuring: as few as give a recall of 0.99.
    """
    import faiss

    lists = max(1, min(MOST_LISTS, round(len(vectors) ** 0.5), len(vectors) // TRAINING_ROWS_PER_LIST))
    index = faiss.index_factory(vectors.shape[1], f"IVF{lists},SQ8", faiss.METRIC_INNER_PRODUCT)
    spread = np.linspace(0, len(vectors) - 1, min(len(vectors), lists * TRAINING_ROWS_PER_LIST)).astype(np.int64)
    index.train(_directions(vectors, spread))
    progress = Progress(len(vectors), "index", "tracks", quiet)
    try:
        for start in range(0, len(vectors), ADDED_ROWS):
            rows = np.arange(start, min(len(vectors), start + ADDED_ROWS))
            index.add(_directions(vectors, rows))
            progress.advance(len(rows))
    finally:
        progress.close()
    recall, probes = _measured_recall(vectors, index)
    note = json.dumps({"made_of": fingerprint(vectors), "recall": recall, "probes": probes})
    with atomic_write(path) as file:
        faiss.write_index(index, faiss.PyCallbackIOWriter(_written_by(file.write)))
        file.write(note.encode().rjust(NOTE_BYTES))
    return VectorIndex(index, recall, probes)


def _written_by(write: Callable[[bytes], int]) -> Callable[[bytes], None]:
    return lambda content: write(content) and None


def _directions(vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    block = np.asarray(vectors[rows], np.float64)
    with np.errstate(all="ignore"):
        block = (block / np.sqrt(np.vecdot(block, block))[:, None]).astype(np.float32)
    usable = np.isfinite(block).all(axis=1)
    if not usable.all():
        raise ValueError(f"the vector of row {rows[usable.argmin()]} is zero or not finite: it has no direction")
    return block


def _candidates(
    index: object, query: np.ndarray, count: int, probes: int, allowed: np.ndarray | None = None
) -> np.ndarray:
    """Return the rows among which the nearest are: more than `count`, as a byte a number mixes up near ones."""
    import faiss

    keep = {} if allowed is None else {"sel": faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))}
    search = faiss.SearchParametersIVF(nprobe=probes, **keep)
    wanted = max(0, min(2 * count + 100, index.ntotal))
    found = index.search(query.astype(np.float32)[None], wanted, params=search)[1][0] if wanted else np.array([], int)
    return found[found >= 0]


def _measured_recall(vectors: np.ndarray, index: object) -> tuple[float, int]:
    """Return the recall, and how many lists must be looked through for it."""
    sample = np.linspace(0, len(vectors) - 1, min(len(vectors), SAMPLE)).astype(np.int64)
    queries = _directions(vectors, sample)
    wanted = _exact_neighbours(vectors, queries, sample)
    probes = 1
    while True:
        hits = 0
        for query, row, near in zip(queries, sample, wanted, strict=True):
            found = _candidates(index, query, SAMPLE_DEPTH + 1, probes)
            found = rank(vectors, query.astype(np.float64), found[found != row], near.size)[0]
            hits += np.isin(near, found).sum()
        recall = hits / wanted.size if wanted.size else 1.0
        if recall >= ENOUGH_RECALL or probes >= index.nlist / 4:
            return float(recall), probes
        probes = min(2 * probes, index.nlist)


def _exact_neighbours(vectors: np.ndarray, queries: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return the nearest rows of each query but its own, (queries, at most SAMPLE_DEPTH), in one reading of all."""
    depth = min(SAMPLE_DEPTH, len(vectors) - 1)
    cosines = np.full((len(queries), depth), -np.inf, np.float32)
    found = np.zeros(cosines.shape, np.int64)
    for start in range(0, len(vectors), ADDED_ROWS):
        rows = np.arange(start, min(len(vectors), start + ADDED_ROWS))
        block = queries @ _directions(vectors, rows).T
        mine = (own >= start) & (own <= rows[-1])
        block[mine, own[mine] - start] = -np.inf
        block = np.hstack([cosines, block])
        best = np.argpartition(-block, depth - 1, axis=1)[:, :depth] if depth else np.zeros((len(queries), 0), int)
        rows = np.hstack([found, np.broadcast_to(rows, (len(queries), len(rows)))])
        cosines, found = np.take_along_axis(block, best, axis=1), np.take_along_axis(rows, best, axis=1)
    return found
