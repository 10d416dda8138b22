"""The scores of some vectors: how well labels can be told by them, and how they lie. Arrays in, numbers out."""

from __future__ import annotations

import numpy as np
from quality_inputs import Labels

from judging import classifiers, clustering
from judging.folds import REPEATS, Folds
from judging.labels import encode
from judging.neighbours import hubness

CLASSIFIERS = (classifiers.NEIGHBOURS, classifiers.LINEAR_SVM, classifiers.RBF_SVM)
NMI, PURITY, HUBNESS = "NMI", "purity", "hubness"
BY_CLUSTERS = (NMI, PURITY)
SCORES = (*CLASSIFIERS, *BY_CLUSTERS, HUBNESS)
LOWER_IS_BETTER = (HUBNESS,)
SECONDS = "training seconds"  # kept with the scores of what was trained
CLUSTERING_SEEDS = 3  # k-means starts at random; each is the best of several starts already

Scores = dict[tuple[str, str], float]  # (folds, score) -> value


def cross_validate(
    vectors: np.ndarray, labels: list[str], folds: Folds, scale_neighbours: bool = False
) -> dict[str, np.ndarray]:
    """Return the accuracy of each of CLASSIFIERS in each fold, with fixed settings: name -> (folds,) float64."""
    codes, accuracies = encode(labels)[1], {}
    for name in CLASSIFIERS:
        predicted = classifiers.cross_predict(name, vectors, codes, folds, None, True, scale_neighbours)
        accuracies[name] = classifiers.fold_scores(codes, folds, predicted)["accuracy"]
    return accuracies


def judge(vectors: np.ndarray, labels: Labels, scaled: bool = False) -> Scores:
    """Return every score of some vectors, (labelled, dims). scaled: before cosines, its columns differ in scale."""
    scores = {}
    for name, folds in labels.folds.items():
        accuracies = cross_validate(vectors, labels.labels, folds, scale_neighbours=scaled)
        scores |= {(name, classifier): float(accuracies[classifier].mean()) for classifier in CLASSIFIERS}
    if scaled:
        vectors = (vectors - vectors.mean(axis=0)) / np.maximum(vectors.std(axis=0), 1e-9)
    classes, codes = encode(labels.labels)
    clusterings = []
    for seed in range(CLUSTERING_SEEDS):
        clusters = clustering.spherical_kmeans(vectors, len(classes), seed)
        clusterings.append(clustering.clustering_scores(codes, clusters))
    both = {name: float(np.mean([found[name] for found in clusterings])) for name in BY_CLUSTERS}
    for name in labels.folds:
        scores |= {(name, score): both[score] for score in BY_CLUSTERS}
        scores[name, HUBNESS] = hubness(vectors)
    return scores


def chance(labels: Labels) -> Scores:
    """Return the scores of guessing by the labels' shares, and of random clusters."""
    codes = encode(labels.labels)[1]
    guess = classifiers.guessing(codes)["chance"]["accuracy"]
    random = clustering.random_scores(codes, codes)
    scores = {}
    for name in labels.folds:
        scores |= {(name, classifier): guess for classifier in CLASSIFIERS}
        scores |= {(name, NMI): random["NMI"], (name, PURITY): random["purity"], (name, HUBNESS): 0.0}
    return scores


def first_folds(labels: Labels, name: str) -> Folds:
    """Return the first repetition of some folds: each track is tested once."""
    folds = labels.folds[name]
    return folds[: len(folds) // REPEATS]


def judge_left_out(vectors: list[np.ndarray], left_out: Folds, labels: Labels) -> Scores:
    """Return accuracies of tracks that were left out, in the strictest folds.

    vectors   for each of `left_out` (labelled, dims) of its own, in which its test rows are those that were left out.
    Classifiers learn from rows that were not left out, and of no group that they are asked for.
    """
    right, tested = dict.fromkeys(CLASSIFIERS, 0.0), 0
    for own, (kept, gone) in zip(vectors, left_out, strict=True):
        strict = first_folds(labels, labels.strictest)
        parts = [(np.intersect1d(kept, learn), np.intersect1d(gone, test)) for learn, test in strict]
        parts = [part for part in parts if len(part[1])]
        sizes = np.array([len(test) for _, test in parts])
        for name, accuracies in cross_validate(own, labels.labels, parts).items():
            right[name] += float(accuracies @ sizes)
        tested += sizes.sum()
    return {(labels.strictest, name): right[name] / tested for name in CLASSIFIERS}
