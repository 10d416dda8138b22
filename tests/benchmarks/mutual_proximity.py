"""Nearest tracks without hubs: those that are near everything, and so come up in every answer, are named less often.

Two tracks count as near where each is nearer to the other than most of the collection is. Numpy, and scipy's normal
distribution.

Reference  Schnitzer, Flexer, Schedl and Widmer 2012, Local and global scaling reduce hubs in space (mutual proximity,
           Gaussian and independent).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from judging.vector_search import best_matches, direction

SAMPLE = 50_000  # tracks, evenly over all, that stand for the collection
CANDIDATES = 1000  # nearest tracks, at least, among which the mutually nearest are sought: what is further is no answer


@dataclass(frozen=True)
class Collection:
    """What the directions of a collection are like in the mean."""

    mean: np.ndarray  # (dims,) float64: m
    outer: np.ndarray  # (dims, dims) float64: C, the mean outer product of a direction with itself

    def seen_from(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation of the cosines of directions x (rows, dims) to all tracks.

        The mean is x . m, the mean square x' C x: no two tracks are compared.
        """
        means = rows @ self.mean
        squares = np.vecdot(rows @ self.outer, rows)
        return means, np.sqrt(np.maximum(squares - means**2, 1e-12))


def describe_collection(vectors: np.ndarray) -> Collection:
    """Return what mutual_matches needs of vectors (tracks, dims), rows of any length but 0; may be an np.memmap."""
    some = np.linspace(0, len(vectors) - 1, min(len(vectors), SAMPLE)).astype(np.int64)
    rows = _unit(vectors[some])
    return Collection(rows.mean(axis=0), rows.T @ rows / len(rows))


def _unit(rows: np.ndarray) -> np.ndarray:
    rows = np.asarray(rows, np.float64)
    return rows / np.sqrt(np.vecdot(rows, rows))[:, None]


def mutual_matches(
    vectors: np.ndarray, query: np.ndarray, count: int, collection: Collection, allowed: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the tracks of the greatest mutual proximity to a direction, and their cosines.

    collection  describe_collection(vectors).
    Returns     (found,) int64 rows and (found,) float32 cosines, by mutual proximity, then by row: so the cosines need
                not fall. The rest as in vector_search.best_matches, which raises the same ValueError too.
    """
    from scipy.special import log_ndtr

    rows, cosines = best_matches(vectors, query, max(CANDIDATES, 10 * count), allowed)
    mean, deviation = collection.seen_from(direction(query)[None])
    means, deviations = collection.seen_from(_unit(vectors[rows]))
    proximities = log_ndtr((cosines - mean) / deviation) + log_ndtr((cosines - means) / deviations)
    order = np.lexsort((rows, -proximities))[: max(0, count)]
    return rows[order], cosines[order]
