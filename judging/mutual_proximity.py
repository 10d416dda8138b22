"""Nearest tracks without hubs: those that are near everything, and so come up in every answer, are named less often.

Two tracks count as near where each is nearer to the other than most of the collection is. Numpy, and scipy's normal
distribution.

Reference  Schnitzer, Flexer, Schedl and Widmer 2012, Local and global scaling reduce hubs in space (mutual proximity,
           Gaussian and independent).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from judging.vector_search import BLOCK, best_matches


@dataclass(frozen=True)
class Nearness:
    """How near each track is to the others."""

    means: np.ndarray  # (tracks,) float64: of its cosines to all tracks
    deviations: np.ndarray  # (tracks,) float64, above 0


def nearness(vectors: np.ndarray) -> Nearness:
    """Return what mutual_matches needs of a collection: in two readings of it, and no comparison of any two tracks.

    vectors  (tracks, dims) float, rows of any length but 0; may be an np.memmap.

    A track's cosines to all have the mean x . m and the mean square x' C x, with m the mean of all directions and C
    that of their outer products.
    """
    mean, outer = np.zeros(vectors.shape[1]), np.zeros((vectors.shape[1], vectors.shape[1]))
    for start in range(0, len(vectors), BLOCK):
        block = _unit(vectors[start : start + BLOCK])
        mean += block.sum(axis=0, dtype=np.float64)
        outer += block.T @ block
    mean, outer = mean / len(vectors), outer / len(vectors)
    means, squares = np.empty(len(vectors)), np.empty(len(vectors))
    for start in range(0, len(vectors), BLOCK):
        rows = slice(start, start + BLOCK)
        block = _unit(vectors[rows])
        means[rows] = block @ mean
        squares[rows] = np.vecdot(block @ outer.astype(np.float32), block)
    return Nearness(means, np.sqrt(np.maximum(squares - means**2, 1e-12)))


def _unit(block: np.ndarray) -> np.ndarray:
    block = np.asarray(block, np.float32)
    return block / np.sqrt(np.vecdot(block, block))[:, None]


def mutual_matches(
    vectors: np.ndarray, query: np.ndarray, count: int, of: Nearness, allowed: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the tracks of the greatest mutual proximity to a direction, and their cosines.

    of       what `nearness` found of the vectors.
    Returns  (found,) int64 rows and (found,) float32 cosines, by mutual proximity, then by row; so the cosines need not
             fall. The others as in vector_search.best_matches, which raises the same ValueError too.
    """
    from scipy.special import log_ndtr

    rows, cosines = best_matches(vectors, query, len(vectors))
    deviation = max(float(cosines.std(dtype=np.float64)), 1e-6)
    seen_from_query = log_ndtr((cosines.astype(np.float64) - cosines.mean(dtype=np.float64)) / deviation)
    seen_from_track = log_ndtr((cosines - of.means[rows]) / of.deviations[rows])
    order = np.lexsort((rows, -(seen_from_query + seen_from_track)))
    if allowed is not None:
        order = order[allowed[rows[order]]]
    order = order[: max(0, count)]
    return rows[order], cosines[order]
