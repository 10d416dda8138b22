"""Clusters of tracks by the direction of their vectors, how they agree with labels, and how far they lie apart."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator

import numpy as np

from judging.neighbours import directions
from judging.quiet import no_warnings
from utils import plural

SHUFFLES = 20  # random assignments whose mean is shown beside a clustering's scores
SHUFFLED_SONGS = 2_000_000  # in all of them: of a million songs each says nearly the same, and takes half a second
KMEANS_STARTS, KMEANS_ITERATIONS = 5, 25  # the best of five starts is kept; 25 iterations is where they settle
KMEANS_SAMPLE = 100_000  # vectors: where there are more, so many choose among the starts, and all of them the clusters
KMEANS_SAMPLE_EACH = 256  # vectors a cluster: the sample is never smaller; what faiss itself samples by default
SONGS_BLOCK = 1 << 16  # songs at a time, in float64


def spherical_kmeans(vectors: np.ndarray, clusters: int, seed: int = 0) -> np.ndarray:
    """Assign each vector to one of `clusters` directions, so that the sum of cosines is large. All vectors are used.

    The best of five starts is kept, each from songs that lie far apart (k-means++: from songs drawn uniformly, one of
    eight clusters is missed more often than not). More than 100,000 vectors (or 256 a cluster) are too many for that: a
    sample of so many chooses the start, and from there the iterations go over all vectors.

    vectors  (songs, dims), finite and not zero; only their directions count.
    Returns  (songs,) int64 in [0, clusters), the same for the same seed on any number of cores. A cluster can stay
             empty where vectors coincide.
    Raises   ValueError for more clusters than vectors.

    Reference: Dhillon and Modha 2001, by faiss (Johnson, Douze and Jegou 2017); Arthur and Vassilvitskii 2007 for the
    starts, by scikit-learn.
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
    """Return the best centroids of several starts, or those that iterations from given ones lead to."""
    import faiss

    best, best_cosines = None, -np.inf
    for start in range(starts):
        kmeans = faiss.Kmeans(
            rows.shape[1],
            clusters,
            spherical=True,
            seed=(seed + start) % 2**31,
            niter=KMEANS_ITERATIONS,
            min_points_per_centroid=1,  # no warning on stderr
            max_points_per_centroid=len(rows),  # no sampling
        )
        first = _far_apart(rows, clusters, seed + start) if centroids is None else centroids
        with _one_faiss_thread():
            kmeans.train(rows, init_centroids=first)
        if kmeans.obj[-1] > best_cosines:
            best, best_cosines = kmeans.centroids, kmeans.obj[-1]
    return best


def _far_apart(rows: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    from sklearn.cluster import kmeans_plusplus

    drawn = sample_rows(rows, KMEANS_SAMPLE_EACH * clusters, seed)
    with _thread_controller().limit(limits=1):
        return kmeans_plusplus(drawn, clusters, random_state=seed % 2**32)[0]


@functools.cache
def _thread_controller():
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()  # finding the libraries takes longer than most of the calls that it is for


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


def clustering_scores(labels: np.ndarray, clusters: np.ndarray) -> dict[str, float]:
    """Return how well clusters agree with labels: two (songs,) int arrays of at least 0, at least one song.

    purity         share of songs that have the most frequent label of their cluster.
    NMI            mutual information over the arithmetic mean of the two entropies (Strehl and Ghosh 2002).
    adjusted Rand  pairs of songs on which both agree, corrected for chance (Hubert and Arabie 1985).
    NMI and adjusted Rand are 1 where labels and clusters are the same partition.
    """
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    table = contingency(labels, clusters, (int(labels.max()) + 1, int(clusters.max()) + 1))
    with no_warnings():
        return {
            "purity": float(table.max(axis=0).sum() / len(labels)),
            "NMI": float(normalized_mutual_info_score(labels, clusters)),
            "adjusted Rand": float(adjusted_rand_score(labels, clusters)),
        }


def random_scores(labels: np.ndarray, clusters: np.ndarray, seed: int = 0) -> dict[str, float]:
    """Return the mean clustering scores over random assignments to clusters of the same sizes.

    Over 20 of them, or fewer, two at least, above 100,000 songs.
    """
    random = np.random.default_rng(seed % 2**64)
    shuffles = max(2, min(SHUFFLES, SHUFFLED_SONGS // len(labels)))
    drawn = [clustering_scores(labels, random.permutation(clusters)) for _ in range(shuffles)]
    return {name: float(np.mean([scores[name] for scores in drawn])) for name in drawn[0]}


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
