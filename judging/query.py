"""What is looked for, as one direction: those of tracks that it should be like, less those of others."""

from __future__ import annotations

import numpy as np

LEAST_LENGTH = 1e-5  # of a query, for each unit of weight: less is what rounding leaves of vectors that cancel out


def query_direction(vectors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted mean of the directions of vectors, of length 1.

    vectors  (seeds, dims) float, of any length but 0.
    weights  (seeds,) float: below 0 for what it should be unlike.
    Returns  (dims,) float64.
    Raises   ValueError where a vector has no direction, or where they cancel each other out.
    """
    vectors, weights = np.asarray(vectors, np.float64), np.asarray(weights, np.float64)
    lengths = np.linalg.norm(vectors, axis=1)
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        raise ValueError("a vector of them is zero or not finite, so it has no direction")
    query = weights @ (vectors / lengths[:, None])
    length = np.linalg.norm(query)
    if length <= LEAST_LENGTH * np.abs(weights).sum():
        raise ValueError("they cancel each other out, and nothing is left to look for")
    return query / length
