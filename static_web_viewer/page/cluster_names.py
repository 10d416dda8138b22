"""Clusters named by what is typical of them: the values that they hold far more often than the whole does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from judging.clustering import contingency
from judging.labels import encode
from static_web_viewer.page.scales import is_number

LEAST_RESIDUAL = 2.0  # standard deviations above chance: of labels drawn by chance about 1 cluster in 20 gets a name
LEAST_ODDS = 2.0  # times those in the whole: where tracks are many, a small excess is no chance, and yet not typical
LEAST_TRACKS = 3  # of a value in a cluster: one or two are chance, whatever the residual of so few says
LEAST_SHARE = 1 / 3  # of a cluster's labelled tracks that must be what it is called
SECOND_SHARE = 1 / 2  # a second value must have that many tracks of the first one's

NamedValues = tuple[str, Sequence[str]]  # a column's heading, and its value of every track, empty where it has none


def cluster_names(clusters: np.ndarray, ranks: Sequence[Sequence[NamedValues]]) -> list[str]:
    """Return what each cluster is called: "rock", "rock, jazz", or by its size "cluster 3" where nothing is typical.

    clusters  (tracks,) int of at least 0.
    ranks     columns in the order in which they are asked: those of a later rank only for what is left without a name.
    Returns   a name for each number up to the largest, no two the same: what is "rock" too is "rock (2)".
    """
    sizes = np.bincount(clusters)
    called: list[str | None] = [None] * len(sizes)
    for columns in ranks:
        found = [typical(clusters, len(sizes), heading, values) for heading, values in columns]
        for cluster, name in enumerate(called):
            options = [of_column[cluster] for of_column in found if cluster in of_column]
            if name is None and options:
                called[cluster] = max(options, key=lambda option: option[0])[1]
    taken: set[str] = set()
    for place, cluster in enumerate(np.argsort(-sizes, kind="stable"), 1):  # cluster 1 is the largest
        called[cluster] = _untaken(called[cluster] or f"cluster {place}", taken)
        taken.add(called[cluster])
    return called


def typical(clusters: np.ndarray, count: int, heading: str, values: Sequence[str]) -> dict[int, tuple[float, str]]:
    """Return for each cluster that has something typical by a column how far that is above chance, and its name.

    A value is typical where a cluster holds it more often than chance would have it, by its adjusted residual, and much
    more often than the whole does, by its odds. A cluster is called by the one of the largest residual, with the next
    one where that is half as frequent or more, if a third of the cluster's labelled tracks are what it is called.

    Reference: Haberman 1973, The analysis of residuals in cross-classified tables, Biometrics 29.
    """
    labelled = np.array([bool(value) for value in values], bool)
    if not labelled.any():
        return {}
    kinds, codes = encode([value for value in values if value])
    counts = contingency(codes, clusters[labelled], (len(kinds), count))  # (values, clusters)
    above = adjusted_residuals(counts)
    shares = counts / np.maximum(counts.sum(axis=0), 1)  # of each cluster's labelled tracks
    whole = counts.sum(axis=1, keepdims=True) / counts.sum()
    is_typical = (counts >= LEAST_TRACKS) & (above >= LEAST_RESIDUAL)
    is_typical &= shares * (1 - whole) >= LEAST_ODDS * whole * (1 - shares)
    found = {}
    for cluster in range(count):
        best = [kind for kind in np.argsort(-above[:, cluster], kind="stable")[:2] if is_typical[kind, cluster]]
        best = [kind for kind in best if shares[kind, cluster] >= SECOND_SHARE * shares[best[0], cluster]]
        if best and shares[best, cluster].sum() >= LEAST_SHARE:
            found[cluster] = (float(above[best[0], cluster]), _name(heading, [kinds[kind] for kind in best]))
    return found


def adjusted_residuals(counts: np.ndarray) -> np.ndarray:
    """Return by how many standard deviations each count is above what independence of rows and columns would give.

    counts   (values, clusters) int.
    Returns  (values, clusters) float64; 0 where a row or a column is empty, or is all there is.
    """
    total, rows, columns = counts.sum(), counts.sum(axis=1, keepdims=True), counts.sum(axis=0, keepdims=True)
    expected = rows * columns / total
    variance = expected * (1 - rows / total) * (1 - columns / total)
    return np.divide(counts - expected, np.sqrt(variance), out=np.zeros(counts.shape), where=variance > 0)


def _name(heading: str, values: Sequence[str]) -> str:
    """Return values in words; a number alone says nothing, so that it has its heading: "label 7"."""
    text = ", ".join(values)
    return f"{heading} {text}" if any(value.isdecimal() or is_number(value) for value in values) else text


def _untaken(name: str, taken: set[str]) -> str:
    number, unlike = 1, name
    while unlike in taken:
        number += 1
        unlike = f"{name} ({number})"
    return unlike
