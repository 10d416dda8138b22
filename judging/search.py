"""A search for the tracks nearest to one direction: exact, or by an index file where there are very many tracks."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from judging import vector_index
from judging.vector_search import best_matches

Search = Callable[[int], tuple[np.ndarray, np.ndarray]]  # how many -> rows and cosines, best first

MOST_BY_INDEX = 10_000  # tracks wanted: the index ranks many times as many, and then reading all is as quick
LEAST_SHARE = 0.1  # of the tracks that are allowed: among fewer the lists that are looked through may hold too few


def exact_search(vectors: np.ndarray, query: np.ndarray, allowed: np.ndarray) -> Search:
    """Return the search that reads all vectors, see `best_matches`."""
    return lambda count: best_matches(vectors, query, count, allowed)


def quick_search(
    vectors: np.ndarray, query: np.ndarray, allowed: np.ndarray, index_path: Path, quiet: bool = True
) -> tuple[Search, str]:
    """Return a search that is exact where that is quick, and what there is to say of it: the recall, else nothing.

    vectors     (tracks, dims); where there are vector_index.WORTH_AN_INDEX and more, an index file is made and kept.
    index_path  that file; where it cannot be written, the search is exact.
    """
    exact = exact_search(vectors, query, allowed)
    if len(vectors) < vector_index.WORTH_AN_INDEX or allowed.mean() < LEAST_SHARE:
        return exact, ""
    index = vector_index.open_index(index_path, vectors)
    if index is None and not os.access(index_path.parent, os.W_OK):
        return exact, ""
    index = index or vector_index.build_index(index_path, vectors, quiet)

    def search(count: int) -> tuple[np.ndarray, np.ndarray]:
        if count <= MOST_BY_INDEX:
            found = index.best_matches(vectors, query, count, allowed)
            if len(found[0]) == count:
                return found
        return exact(count)

    return search, f"{index_path}: finds {index.recall:.1%} of the nearest"
