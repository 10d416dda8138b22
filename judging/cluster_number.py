"""How many clusters there are, if any: the number that both halves of the songs agree on, and no single cloud has."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from judging.clustering import (
    check_cluster_count,
    clustering_scores,
    contingency,
    learn_centroids,
    nearest_centroids,
    sample_rows,
    silhouette,
)
from judging.neighbours import directions

SURVEY_SONGS = 20_000  # songs that a survey looks at, so that millions of them take minutes
HALVINGS = 5  # each half is predicted by the other: ten strengths to average
LEAST_SONGS = 8  # about as many a cluster needs to be found: of fewer, one random half or another holds hardly any
STRONG = 0.8  # prediction strength, see suggest
CLOUDS = 20  # drawn to know what silhouette a single cloud has
CLOUD_DEVIATIONS = 3.0  # above their mean: one normal draw of 700 lies further out
CLOUD_MARGIN = 0.05  # above their mean at least: less is no gap, however many songs make it certain
MOST_SILHOUETTE = 1 - 1e-9  # of what coincides, so that Fisher's scale ends somewhere


@dataclass(frozen=True)
class NumberOfClusters:
    """What a survey found for one number of clusters."""

    clusters: int
    silhouette: float  # in [-1, 1]; nan where all songs are in one cluster
    agreement: float  # NMI with the labels: to be read, never to choose by
    strength: float  # prediction strength in [0, 1]
    cloud_silhouette: float = np.nan  # what single clouds of this shape stay below; nan where nobody had to know

    @property
    def holds(self) -> bool:
        """Tell whether the clusters are found again in the other half, and are more than a single cloud cut up."""
        return self.strength >= STRONG and (self.clusters == 1 or self.silhouette > self.cloud_silhouette)


def survey(
    vectors: np.ndarray,
    numbers: Sequence[int],
    labelled: np.ndarray,
    labels: np.ndarray,
    seed: int = 0,
    report: Callable[[], None] = lambda: None,
) -> list[NumberOfClusters]:
    """Judge each number of clusters on all songs, or on 20,000 of them, drawn by the seed.

    vectors   (songs, dims), finite and not zero. Only their directions are clustered, but their lengths count in what
              single clouds do, see cloud_silhouette.
    labelled  (labelled,) int64, songs that have a label; labels (labelled,) int64: for the NMI, over all of them.
    report    called after each number, for a progress bar.
    Raises    ValueError for more clusters than songs.
    """
    for number in numbers:
        check_cluster_count(number, len(vectors))
    labelled_rows = directions(vectors[labelled])
    vectors = sample_rows(vectors, max(SURVEY_SONGS, max(numbers)), seed)
    rows, found = directions(vectors), []
    for number in numbers:
        centroids = learn_centroids(rows, number, seed)
        apart = silhouette(rows, nearest_centroids(rows, centroids))
        agreement = clustering_scores(labels, nearest_centroids(labelled_rows, centroids))["NMI"]
        found.append(NumberOfClusters(number, apart, agreement, prediction_strength(rows, number, seed)))
        report()
    # The largest that holds is wanted, so the clouds, which take longest, are drawn from there down, and no further.
    for place in sorted(range(len(found)), key=lambda place: -found[place].clusters):
        one = found[place]
        if one.strength >= STRONG and one.clusters > 1:
            limit = cloud_silhouette(vectors, one.clusters, seed)
            found[place] = dataclasses.replace(one, cloud_silhouette=limit)
        if found[place].holds:
            break
    return found


def suggest(found: Sequence[NumberOfClusters]) -> int | None:
    """Return the largest number of clusters that holds; the labels have no say.

    It holds where its prediction strength is at least 0.8, and its silhouette above that of a single cloud. Where none
    does it is 1; None where the numbers begin above 2, and so do not tell 1 from what is below them.
    """
    none = None if min(one.clusters for one in found) > 2 else 1
    return max((one.clusters for one in found if one.holds), default=none)


def prediction_strength(rows: np.ndarray, clusters: int, seed: int = 0) -> float:
    """Return how well the clusters of one half of the songs are predicted by those of the other half.

    Both halves are clustered, and the songs of each assigned to the centroids of the other too. For each cluster the
    share of its pairs that this keeps together; of these the smallest; of that the mean over both halves of five random
    halvings.

    rows      (songs, dims) float32 of length 1.
    clusters  at least 1. More than a half has songs have the strength 0.
    Returns   a float in [0, 1]; 1 for one cluster.
    Reference Tibshirani and Walther 2005, Cluster validation by prediction strength. They take the largest number whose
              strength is above 0.8 to 0.9.
    """
    middle = len(rows) // 2
    if clusters == 1:
        return 1.0
    if clusters > middle:
        return 0.0
    strengths = []
    for halving in range(HALVINGS):
        order = np.random.default_rng([seed % 2**64, halving]).permutation(len(rows))
        halves = [rows[np.sort(order[:middle])], rows[np.sort(order[middle:])]]
        centroids = [learn_centroids(half, clusters, seed + halving) for half in halves]
        for half, own, other in zip(halves, centroids, centroids[::-1], strict=True):
            found, predicted = nearest_centroids(half, own), nearest_centroids(half, other)
            strengths.append(least_share_together(found, predicted, clusters))
    return float(np.mean(strengths))


def least_share_together(clusters: np.ndarray, predicted: np.ndarray, count: int) -> float:
    """Return the share of a cluster's pairs that are predicted to be together, of the cluster where it is smallest.

    clusters, predicted  (songs,) int64 below `count`. A cluster of one song has no pair, and the share 0.
    """
    table = contingency(predicted, clusters, (count, count)).astype(np.float64)
    sizes = table.sum(axis=0)  # (clusters,)
    pairs = np.where(sizes > 1, sizes * (sizes - 1), 1)
    return float(((table * (table - 1)).sum(axis=0) / pairs)[sizes > 0].min())


def cloud_silhouette(vectors: np.ndarray, clusters: int, seed: int = 0) -> float:
    """Return the silhouette that single clouds stay below, of as many songs and cut into as many clusters.

    A long cloud is cut across its length in any half alike, so its prediction strength can be high. The clouds are
    normal, with mean and covariance of the vectors: what silhouette they have says how much of that of the clusters
    is only the shape of the whole. The limit is three deviations, or 0.05, above the mean of 20 of them, all on
    Fisher's scale (the inverse hyperbolic tangent), on which values near 1 spread as others do.
    Lengths count here, and so in what is suggested, though all else goes by direction: clouds with mean and covariance
    of the directions were tried, and suggest worse.

    vectors    (songs, dims), at least two songs.
    Reference  Liu, Hayes, Nobel and Marron 2008, Statistical significance of clustering for high-dimension,
               low-sample-size data.
    """
    vectors = np.asarray(vectors, np.float64)
    mean = vectors.mean(axis=0)
    left, scales, _ = np.linalg.svd(np.atleast_2d(np.cov(vectors.T)))
    shape = np.sqrt(scales)[:, None] * left.T  # (dims, dims)
    found = []
    for cloud in range(CLOUDS):
        draws = np.random.default_rng([seed % 2**64, clusters, cloud])
        rows = directions(mean + draws.standard_normal(vectors.shape) @ shape)
        found.append(silhouette(rows, nearest_centroids(rows, learn_centroids(rows, clusters, seed))))
    found = np.arctanh(np.minimum(found, MOST_SILHOUETTE))
    return float(np.tanh(np.mean(found) + max(CLOUD_DEVIATIONS * np.std(found, ddof=1), CLOUD_MARGIN)))
