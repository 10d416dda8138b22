"""Clusters of tracks by the direction of their vectors, their agreement with labels, and how many to ask for."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from judging import clustering
from judging.neighbours import directions
from utils import plural

SHUFFLES = 20  # random assignments whose mean is shown beside a clustering's scores
KMEANS_STARTS, KMEANS_ITERATIONS = 5, 25  # the best of five starts is kept; 25 iterations is where they settle
KMEANS_SAMPLE = 100_000  # vectors: where there are more, so many choose among the starts, and all of them the clusters
KMEANS_SAMPLE_EACH = 256  # vectors a cluster: the sample is never smaller; what faiss itself samples by default


def spherical_kmeans(vectors: np.ndarray, clusters: int, seed: int = 0) -> np.ndarray:
    """Assign each vector to one of `clusters` directions, so that the sum of cosines is large. All vectors are used.

    The best of five starts is kept. More than 100,000 vectors (or 256 a cluster) are too many for that: a sample of so
    many chooses the start, and from there the iterations go over all vectors.

    vectors  (songs, dims), finite and not zero; only their directions count.
    Returns  (songs,) int64 in [0, clusters), the same for the same seed on any number of cores. A cluster can stay
             empty where vectors coincide.
    Raises   ValueError for more clusters than vectors.

    Reference: Dhillon and Modha 2001, by faiss (Johnson, Douze and Jegou 2017).
    """
    rows = directions(vectors)
    return nearest_centroids(rows, learn_centroids(rows, clusters, seed))


def learn_centroids(rows: np.ndarray, clusters: int, seed: int = 0) -> np.ndarray:
    """Return the (clusters, dims) float32 directions that `spherical_kmeans` finds for rows of length 1, float32."""
    check_cluster_count(clusters, len(rows))
    sample = sample_rows(rows, max(KMEANS_SAMPLE, KMEANS_SAMPLE_EACH * clusters), seed)
    centroids = _train_kmeans(sample, clusters, seed, KMEANS_STARTS, None)
    return centroids if len(sample) == len(rows) else _train_kmeans(rows, clusters, seed, 1, centroids)


def check_cluster_count(clusters: int, songs: int) -> None:
    """Raise ValueError for more clusters than songs."""
    if not 1 <= clusters <= songs:
        raise ValueError(f"{clusters} clusters of {plural(songs, 'song')}: ask for 1 to {songs}")


def sample_rows(rows: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return `count` of the rows, drawn by the seed, in their order; all of them where there are not more."""
    if len(rows) <= count:
        return rows
    return rows[np.sort(np.random.default_rng(seed % 2**64).choice(len(rows), count, replace=False))]


def nearest_centroids(rows: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Return for each row the centroid of the largest inner product, (rows,) int64; float32 both."""
    import faiss

    index = faiss.IndexFlatIP(centroids.shape[1])
    index.add(centroids)
    with _one_faiss_thread():
        return index.search(rows, 1)[1].ravel()


def _train_kmeans(rows: np.ndarray, clusters: int, seed: int, starts: int, centroids: np.ndarray | None) -> np.ndarray:
    import faiss

    kmeans = faiss.Kmeans(
        rows.shape[1],
        clusters,
        spherical=True,
        seed=seed % 2**31,
        nredo=starts,
        niter=KMEANS_ITERATIONS,
        min_points_per_centroid=1,  # no warning on stderr
        max_points_per_centroid=len(rows),  # no sampling
    )
    with _one_faiss_thread():
        kmeans.train(rows, init_centroids=centroids)
    return kmeans.centroids


@contextlib.contextmanager
def _one_faiss_thread() -> Iterator[None]:
    # The sums' order, and so the last bits, would depend on the number of cores; and where other programs use the
    # cores, faiss' threads wait for each other so long that one alone is ten times faster.
    import faiss

    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


def contingency(labels: np.ndarray, clusters: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Count the songs of each label in each cluster: two (songs,) int arrays below `shape` -> shape int64."""
    cells = np.ravel_multi_index((labels, clusters), shape)
    return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)


def clustering_scores(table: np.ndarray) -> dict[str, float]:
    """Return how well clusters agree with labels, from their (labels, clusters) counts.

    purity         share of songs that have the most frequent label of their cluster.
    NMI            mutual information over the arithmetic mean of the two entropies (Strehl and Ghosh 2002).
    adjusted Rand  pairs of songs on which both agree, corrected for chance (Hubert and Arabie 1985).
    NMI and adjusted Rand are 1 where labels and clusters are the same partition.
    """
    songs = table.sum()
    by_label, by_cluster = table.sum(axis=1), table.sum(axis=0)
    information = _entropy(by_label) + _entropy(by_cluster) - _entropy(table.ravel())
    entropies = (_entropy(by_label) + _entropy(by_cluster)) / 2
    together, in_label, in_cluster = (_pairs(counts) for counts in (table, by_label, by_cluster))
    expected = in_label * in_cluster / max(_pairs(songs), 1)
    room = (in_label + in_cluster) / 2 - expected
    return {
        "purity": float(table.max(axis=0).sum() / songs),
        "NMI": max(0.0, information / entropies) if entropies else 1.0,
        "adjusted Rand": (together - expected) / room if room else 1.0,
    }


def random_scores(labels: np.ndarray, clusters: np.ndarray, seed: int = 0) -> dict[str, float]:
    """Return the mean clustering scores over random assignments to clusters of the same sizes."""
    random = np.random.default_rng(seed % 2**64)
    shape = (int(labels.max()) + 1, int(clusters.max()) + 1)
    drawn = [clustering_scores(contingency(labels, random.permutation(clusters), shape)) for _ in range(SHUFFLES)]
    return {name: float(np.mean([scores[name] for scores in drawn])) for name in drawn[0]}


def _entropy(counts: np.ndarray) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def _pairs(counts: np.ndarray) -> float:
    counts = np.asarray(counts, np.float64)
    return float((counts * (counts - 1) / 2).sum())


SURVEY_SONGS = 20_000  # that a survey's centroids are learned from, so that millions of songs take minutes
SURVEY_SEEDS = 5  # clusterings of each number: ten pairs to compare
STABLE = 0.8  # adjusted Rand between seeds, see suggest
SONGS_BLOCK = 1 << 16  # songs at a time, in float64


@dataclass(frozen=True)
class NumberOfClusters:
    """What a survey found for one number of clusters."""

    clusters: int
    silhouette: float  # in [-1, 1]; nan where all songs are in one cluster
    agreement: float  # NMI with the labels: to be read, never to choose by
    stability: float  # in [-1, 1]


def survey(
    vectors: np.ndarray,
    numbers: Sequence[int],
    labelled: np.ndarray,
    labels: np.ndarray,
    seed: int = 0,
    tell: Callable[[], None] = lambda: None,
) -> list[NumberOfClusters]:
    """Judge each number of clusters by clusterings of five seeds.

    Centroids are learned from at most 20,000 songs, drawn by the seed; the judged clusterings hold all songs.

    vectors   (songs, dims), finite and not zero.
    labelled  (labelled,) int64, songs that have a label; labels (labelled,) int64.
    tell      called after each clustering, for a progress bar.
    Returns   silhouette and NMI of the first seed, and the mean adjusted Rand over all pairs of seeds.
    """
    for number in numbers:
        clustering.check_cluster_count(number, len(vectors))
    rows = directions(vectors)
    sample = clustering.sample_rows(rows, max(SURVEY_SONGS, max(numbers)), seed)
    found = []
    for number in numbers:
        clusterings = []
        for step in range(SURVEY_SEEDS):
            centroids = clustering.learn_centroids(sample, number, seed + step)
            clusterings.append(clustering.nearest_centroids(rows, centroids))
            tell()
        first = clusterings[0]
        table = clustering.contingency(labels, first[labelled], (int(labels.max()) + 1, number))
        pairs = [
            clustering.clustering_scores(clustering.contingency(one, other, (number, number)))["adjusted Rand"]
            for one, other in itertools.combinations(clusterings, 2)
        ]
        agreement = clustering.clustering_scores(table)["NMI"]
        found.append(NumberOfClusters(number, silhouette(rows, first), agreement, float(np.mean(pairs))))
    return found


def suggest(found: Sequence[NumberOfClusters]) -> int:
    """Return the number with the largest silhouette among those whose stability is at least 0.8; labels have no say.

    Where none is as stable, the most stable one. The smallest number wins where several are equal. The silhouette
    alone would take clusters that another seed does not find again.
    Reference: 0.8 is where Tibshirani and Walther 2005, Cluster validation by prediction strength, draw the line.
    """
    stable = [one for one in found if one.stability >= STABLE and not np.isnan(one.silhouette)]
    if stable:
        return max(stable, key=lambda one: one.silhouette).clusters
    return max(found, key=lambda one: one.stability).clusters


def silhouette(rows: np.ndarray, clusters: np.ndarray) -> float:
    """Return the mean silhouette by cosine distance: exact, in time that grows with the songs, not with their square.

    The mean distance 1 - x.y to the members y of a cluster is 1 - x.(their mean), so no pair is ever looked at.

    rows      (songs, dims) float32 of length 1.
    clusters  (songs,) int64. A song alone in its cluster counts 0.
    Returns   a float in [-1, 1]; nan where there are fewer than two clusters.
    Reference Rousseeuw 1987.
    """
    held, clusters = np.unique(clusters, return_inverse=True)
    if len(held) < 2:
        return float("nan")
    sums, sizes = cluster_sums(rows, clusters, len(held)), np.bincount(clusters)
    total = 0.0
    for start in range(0, len(rows), SONGS_BLOCK):
        own = clusters[start : start + SONGS_BLOCK]
        block = rows[start : start + SONGS_BLOCK].astype(np.float64)
        products, here = block @ sums.T, np.arange(len(own))  # (block, clusters)
        within = products[here, own] - np.einsum("ij,ij->i", block, block)
        inner = np.maximum(0.0, 1.0 - within / np.maximum(sizes[own] - 1, 1))
        distances = np.maximum(0.0, 1.0 - products / sizes)
        distances[here, own] = np.inf
        outer = distances.min(axis=1)
        larger = np.maximum(np.maximum(inner, outer), np.finfo(np.float64).tiny)
        total += float(np.where(sizes[own] > 1, (outer - inner) / larger, 0.0).sum())
    return total / len(rows)


def cluster_sums(rows: np.ndarray, clusters: np.ndarray, count: int) -> np.ndarray:
    """Return the sum of the rows of each cluster: (songs, dims), (songs,) below `count` -> (count, dims) float64."""
    return np.stack([rows[clusters == cluster].sum(axis=0, dtype=np.float64) for cluster in range(count)])
