"""Classifiers of vectors, cross-validated: what can be read off the vectors, and how sure that is.

scikit-learn is imported where it is used, so that `--help` is quick.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from judging.folds import Folds
from judging.quiet import no_warnings
from utils import usable_cores

LINEAR_SVM, RBF_SVM, LOGISTIC, NEIGHBOURS = "linear SVM", "RBF SVM", "logistic", "5-NN cosine"
CLASSIFIERS = (LINEAR_SVM, RBF_SVM, LOGISTIC, NEIGHBOURS)
SCORES = ("accuracy", "balanced accuracy", "macro F1")
NEIGHBOUR_COUNT = 5
FIXED_C = {LINEAR_SVM: 0.1, RBF_SVM: 1.0, LOGISTIC: 0.1}
# The three that are tried of each, about what is best on standardised vectors of some hundred dimensions
TRIED_C = {LINEAR_SVM: (0.003, 0.03, 0.3), RBF_SVM: (1.0, 3.0, 10.0), LOGISTIC: (0.01, 0.1, 1.0)}
INNER_FOLDS = 4  # C is judged on one of so many parts of what is learned from
MOST_RBF_TRACKS = 20_000  # that an RBF SVM learns from: its time grows with their square and more, to hours

Split = tuple[np.ndarray, np.ndarray]  # rows to learn from, rows to test on, int64
Predicted = list[np.ndarray]  # of each fold, (its test rows,) int64 codes of classes


def make_classifier(
    name: str, neighbours: int = NEIGHBOUR_COUNT, scale_neighbours: bool = False, c: float | None = None
):
    """Return one classifier, with the scaling that it learns inside the fold.

    c                 inverse strength of regularisation; FIXED_C where None. k-NN has none.
    scale_neighbours  standardise before the cosine of k-NN too: for features whose columns differ in scale.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer, StandardScaler
    from sklearn.svm import SVC, LinearSVC

    if name == NEIGHBOURS:
        nearest_tracks = [Normalizer(), KNeighborsClassifier(neighbours, algorithm="brute", metric="cosine")]
        return make_pipeline(*([StandardScaler()] if scale_neighbours else []), *nearest_tracks)
    c = FIXED_C[name] if c is None else c
    kinds = {
        # the primal problem: the dual's solver draws from one generator for all threads, so no two runs would be equal
        LINEAR_SVM: lambda: LinearSVC(C=c, dual=False, max_iter=10_000),
        RBF_SVM: lambda: SVC(C=c),
        LOGISTIC: lambda: LogisticRegression(C=c, max_iter=1000),
    }
    return make_pipeline(StandardScaler(), kinds[name]())


def choose_c(name: str, vectors: np.ndarray, codes: np.ndarray, groups: np.ndarray | None, seed: int = 0) -> float:
    """Return the C of TRIED_C that is most accurate on one inner split; the smaller of equals, which assumes less.

    vectors  (tracks, dims) of the training folds only, codes and groups of the same tracks. FIXED_C where the tracks
             cannot be split so that each side holds every class.
    """
    return _best_c(name, vectors, codes, _inner_split(codes, groups, seed))


def _best_c(name: str, vectors: np.ndarray, codes: np.ndarray, split: Split | None) -> float:
    if split is None:
        return FIXED_C[name]
    learn, test = split
    found = [
        make_classifier(name, c=c).fit(vectors[learn], codes[learn]).score(vectors[test], codes[test])
        for c in TRIED_C[name]
    ]
    return TRIED_C[name][int(np.argmax(found))]


def inner_splits(codes: np.ndarray, folds: Folds, groups: np.ndarray | None, seed: int) -> list[Split | None]:
    """Return how each fold's training rows are divided to choose C, by their places among them; None: they cannot be.

    The same for every classifier and kind of vectors, so it is drawn once for all of them; see `cross_predict`.
    """
    with no_warnings():
        return [_inner_split(codes[learn], None if groups is None else groups[learn], seed) for learn, _ in folds]


def _inner_split(codes: np.ndarray, groups: np.ndarray | None, seed: int) -> Split | None:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    try:
        splits = kind(INNER_FOLDS, shuffle=True, random_state=seed % 2**32).split(codes, codes, groups)
        for learn, test in splits:
            if len(test) and len(np.unique(codes[learn])) == len(np.unique(codes)):
                return learn, test
    except ValueError:  # fewer tracks, or groups, than parts
        pass
    return None


def learned_rows(name: str, codes: np.ndarray, seed: int) -> np.ndarray:
    """Return what a classifier learns from of tracks of these classes, sorted: all, but an RBF SVM 20,000 at most.

    Those are drawn by the seed, each class in its share and with one track at least.
    """
    if name != RBF_SVM or len(codes) <= MOST_RBF_TRACKS:
        return np.arange(len(codes))
    return np.sort(_balanced_order(codes, np.random.default_rng(seed % 2**64))[:MOST_RBF_TRACKS])


def describe_sample(tracks: int) -> str:
    """Return a line that says of how many tracks an RBF SVM learns from a part; empty where it learns from all."""
    if tracks <= MOST_RBF_TRACKS:
        return ""
    return f"the RBF SVM learns from {MOST_RBF_TRACKS:,} of {tracks:,} tracks, each label in its share: all take hours"


def cross_predict(
    name: str,
    vectors: np.ndarray,
    codes: np.ndarray,
    folds: Folds,
    groups: np.ndarray | None = None,
    fixed: bool = False,
    scale_neighbours: bool = False,
    seed: int = 0,
    inner: list[Split | None] | None = None,
) -> Predicted:
    """Return what a classifier says of each fold's test rows, learned from its other rows, on all cores.

    An RBF SVM learns from a sample of them, see `learned_rows`.

    vectors  (tracks, dims), finite.
    codes    (tracks,) int64 classes; groups (tracks,) what an inner split keeps whole too, as the folds do.
    fixed    take FIXED_C instead of choosing C by an inner split of each fold's training rows.
    inner    those splits where they are drawn already, see `inner_splits`.
    """
    from joblib import Parallel, delayed

    vectors = np.asarray(vectors, np.float64)
    neighbours = min(NEIGHBOUR_COUNT, *(len(learn) for learn, _ in folds))

    choosing = not fixed and name in TRIED_C
    if choosing and inner is None:
        inner = inner_splits(codes, folds, groups, seed)

    def one(learn: np.ndarray, test: np.ndarray, split: Split | None) -> np.ndarray:
        rows, c = learned_rows(name, codes[learn], seed), None
        if choosing:
            sampled = split and tuple(np.intersect1d(side, rows) for side in split)
            c = _best_c(name, vectors[learn], codes[learn], sampled)
        learn = learn[rows]
        classifier = make_classifier(name, neighbours, scale_neighbours, c)
        return classifier.fit(vectors[learn], codes[learn]).predict(vectors[test])

    with no_warnings():
        # threads: the solvers leave Python's lock, and nothing has to be copied
        return Parallel(min(usable_cores(), len(folds)), prefer="threads")(
            delayed(one)(*fold, split) for fold, split in zip(folds, inner or [None] * len(folds), strict=True)
        )


def fold_scores(codes: np.ndarray, folds: Folds, predicted: Predicted) -> dict[str, np.ndarray]:
    """Return every one of SCORES in each fold: name -> (folds,) float64 in [0, 1].

    Balanced accuracy is the mean over classes of the share that was found, macro F1 that of the harmonic means of
    precision and recall; both over the classes that the fold's test rows hold.
    """
    from sklearn.metrics import balanced_accuracy_score, f1_score

    rows = []
    with no_warnings():
        for (_, test), found in zip(folds, predicted, strict=True):
            true = codes[test]
            macro_f1 = f1_score(true, found, labels=np.unique(true), average="macro", zero_division=0.0)
            rows.append((np.mean(true == found), balanced_accuracy_score(true, found), macro_f1))
    return dict(zip(SCORES, np.array(rows).T, strict=True))


def guessing(codes: np.ndarray) -> dict[str, dict[str, float]]:
    """Return every one of SCORES of guessing by the classes' shares, and of always naming the most frequent class."""
    shares = np.bincount(codes) / len(codes)
    shares = shares[shares > 0]
    largest, classes = float(shares.max()), len(shares)
    by_shares = (float((shares**2).sum()), 1 / classes, 1 / classes)
    most_frequent = (largest, 1 / classes, 2 * largest / (1 + largest) / classes)
    return {
        "chance": dict(zip(SCORES, by_shares, strict=True)),
        "most frequent class": dict(zip(SCORES, most_frequent, strict=True)),
    }


def learning_curve(
    vectors: np.ndarray, codes: np.ndarray, folds: Folds, shares: Sequence[float], name: str = RBF_SVM, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Learn from a share of each fold's training rows only, with fixed settings; test on all of its test rows.

    shares   in (0, 1], rising. A share that leaves a class out takes one of its tracks all the same. Those are left out
             that come after one of which an RBF SVM learns from a sample only.
    Returns  (shares,) mean number of tracks learned from, and (shares, folds) accuracies.
    """
    orders = [
        _balanced_order(codes[learn], np.random.default_rng([seed % 2**63, i])) for i, (learn, _) in enumerate(folds)
    ]
    counts, accuracies = [], []
    for share in shares:
        part = []
        for (learn, test), order in zip(folds, orders, strict=True):
            count = max(len(np.unique(codes[learn])), round(share * len(learn)))
            part.append((learn[order[:count]], test))
        predicted = cross_predict(name, vectors, codes, part, fixed=True, seed=seed)
        learned = [len(learned_rows(name, codes[learn], seed)) for learn, _ in part]
        counts.append(np.mean(learned))
        accuracies.append(fold_scores(codes, part, predicted)["accuracy"])
        if sum(learned) < sum(len(learn) for learn, _ in part):
            break
    return np.array(counts), np.array(accuracies)


def _balanced_order(codes: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return the rows in a random order: one of each class, then the classes in their shares wherever it is cut."""
    order = random.permutation(len(codes))
    place = np.empty(len(codes))
    for code in np.unique(codes):
        rows = order[codes[order] == code]
        place[rows] = (np.arange(len(rows)) + random.random()) / len(rows)
        place[rows[0]] = -1.0  # one of each class comes first
    return np.argsort(place, kind="stable")


def interval(scores: np.ndarray, folds: Folds) -> float:
    """Return half the width of a 95 percent interval of the mean of a score over folds.

    Folds share most of what they are learned from, so their spread alone would promise too much: the variance is
    corrected as Nadeau and Bengio 2003, Inference for the Generalization Error, do for repeated splits.
    """
    from scipy.stats import t

    if len(scores) < 2:
        return float("nan")
    ratio = float(np.mean([len(test) / len(learn) for learn, test in folds]))
    return float(t.ppf(0.975, len(scores) - 1) * np.sqrt((1 / len(scores) + ratio) * scores.var(ddof=1)))


def confusion(codes: np.ndarray, folds: Folds, predicted: Predicted, classes: int) -> np.ndarray:
    """Count how often each class was taken for each other, over all folds: (true, predicted) int64."""
    from sklearn.metrics import confusion_matrix

    true = np.concatenate([codes[test] for _, test in folds])
    return confusion_matrix(true, np.concatenate(predicted), labels=np.arange(classes))
