"""Classifiers in cross-validation: what they find, and that C, scores and intervals are what they claim."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score
from test_folds import two_kinds

from judging import classifiers
from judging.folds import Folds, make_folds
from judging.labels import encode


def noisy_classes(
    tracks: int, classes: int, spread: float, dims: int = 6, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors around a centre a class, (tracks, dims), and the classes."""
    random = np.random.default_rng(seed)
    codes = np.arange(tracks) % classes
    centres = random.standard_normal((classes, dims))
    return centres[codes] + spread * random.standard_normal((tracks, dims)), codes


def folds_of(codes: np.ndarray) -> Folds:
    return make_folds([str(code) for code in codes])


def accuracies(
    vectors: np.ndarray, labels: list[str], folds: Folds, scale_neighbours: bool = False
) -> dict[str, np.ndarray]:
    """Return the accuracy of each classifier in each fold, with fixed settings."""
    codes = encode(labels)[1]
    predicted = {
        name: classifiers.cross_predict(name, vectors, codes, folds, fixed=True, scale_neighbours=scale_neighbours)
        for name in classifiers.CLASSIFIERS
    }
    return {name: classifiers.fold_scores(codes, folds, one)["accuracy"] for name, one in predicted.items()}


def test_two_kinds_are_told_apart_and_noise_is_not():
    vectors, labels = two_kinds(60)
    folds = make_folds(labels)
    assert all(accuracy.tolist() == [1.0] * 10 for accuracy in accuracies(vectors, labels, folds).values())
    noise = np.random.default_rng(0).standard_normal((60, 4))
    assert all(0.25 < accuracy.mean() < 0.75 for accuracy in accuracies(noise, labels, folds).values())


@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize("name", classifiers.CLASSIFIERS)
def test_every_classifier_learns_and_is_the_same_each_time(name, fixed):
    vectors, codes = noisy_classes(90, 3, 0.3)
    folds = folds_of(codes)
    predicted = classifiers.cross_predict(name, vectors, codes, folds, fixed=fixed)
    assert classifiers.fold_scores(codes, folds, predicted)["accuracy"].mean() > 0.9
    again = classifiers.cross_predict(name, vectors, codes, folds, fixed=fixed)
    assert all(np.array_equal(one, other) for one, other in zip(predicted, again, strict=True))


def test_scale_of_columns_and_length_of_rows_change_nothing():
    random = np.random.default_rng(0)
    labels = ["a", "b", "c"] * 20
    vectors = random.standard_normal((60, 5)) + np.eye(3, 5)[np.arange(60) % 3]
    folds = make_folds(labels)
    plain = accuracies(vectors, labels, folds, scale_neighbours=True)
    scaled = accuracies(vectors * [1e-3, 1, 7, 1e4, 2], labels, folds, scale_neighbours=True)
    assert {name: a.tolist() for name, a in plain.items()} == {name: a.tolist() for name, a in scaled.items()}
    lengths = random.uniform(0.1, 10, (60, 1))
    directions = [accuracies(v, labels, folds)["5-NN cosine"] for v in (vectors, vectors * lengths)]
    assert directions[0].tolist() == directions[1].tolist()


@pytest.mark.parametrize("count", [4, 6])
def test_fewer_tracks_than_neighbours(count):
    vectors, labels = two_kinds(count)
    found = accuracies(vectors, labels, make_folds(labels))
    assert all(0 <= accuracy.mean() <= 1 for accuracy in found.values())


def test_many_classes_of_two_raise_no_warning():
    codes = np.arange(40) // 2
    vectors, folds = np.random.default_rng(0).random((40, 3)), folds_of(codes)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for name in classifiers.CLASSIFIERS:
            predicted = classifiers.cross_predict(name, vectors, codes, folds)
            classifiers.fold_scores(codes, folds, predicted)
    assert not caught


def test_c_is_chosen_by_what_it_gives_on_the_training_rows_alone():
    random = np.random.default_rng(1)
    codes = np.arange(120) % 2
    # one telling column among many that say nothing: only strong regularisation keeps a linear SVM from fitting those
    vectors = np.c_[2.0 * codes + random.standard_normal(120), random.standard_normal((120, 100))]
    assert classifiers.choose_c(classifiers.LINEAR_SVM, vectors, codes, None) < 0.3
    # a checkerboard of sixteen fields: a soft RBF SVM smooths it away
    places = random.uniform(-2, 2, (600, 2))
    board = np.floor(places).astype(int).sum(axis=1) % 2
    assert classifiers.choose_c(classifiers.RBF_SVM, places, board, None) == 10.0
    assert classifiers.choose_c(classifiers.RBF_SVM, places[:3], np.array([0, 1, 1]), None) == 1.0  # no split


def test_an_rbf_svm_learns_from_a_sample_of_many_with_every_class(monkeypatch):
    vectors, codes = noisy_classes(400, 4, 0.3)
    codes[:3] = 4  # a class of three
    folds = make_folds([str(code) for code in codes])
    monkeypatch.setattr(classifiers, "MOST_RBF_TRACKS", 60)
    learned, make = [], classifiers.make_classifier

    def spy(name, *more, **named):
        made = make(name, *more, **named)
        fit = made.fit
        made.fit = lambda rows, these: learned.append((len(rows), len(set(these)))) or fit(rows, these)
        return made

    monkeypatch.setattr(classifiers, "make_classifier", spy)
    predicted = classifiers.cross_predict(classifiers.RBF_SVM, vectors, codes, folds)
    assert max(learned) == (60, 5) and len(learned) == 4 * len(folds)  # three values of C, and the fold itself
    assert sum(count == 60 for count, _ in learned) == len(folds)
    assert classifiers.fold_scores(codes, folds, predicted)["accuracy"].mean() > 0.9
    again = classifiers.cross_predict(classifiers.RBF_SVM, vectors, codes, folds)
    assert all((one == other).all() for one, other in zip(predicted, again, strict=True))
    learned.clear()
    classifiers.cross_predict(classifiers.LINEAR_SVM, vectors, codes, folds, fixed=True)
    assert {count for count, _ in learned} == {len(learn) for learn, _ in folds}
    counts, accuracies = classifiers.learning_curve(vectors, codes, folds, (0.1, 0.5, 1.0))
    assert counts[-1] == 60 and len(counts) == len(accuracies) == 2  # the third would learn from no more
    assert classifiers.describe_sample(60) == "" and "from 60 of 61 tracks" in classifiers.describe_sample(61)


def test_groups_stay_whole_inside_too():
    codes = np.arange(60) % 2
    groups = np.arange(60) // 2 % 15 * 2 + codes  # four tracks a group
    learn, test = classifiers._inner_split(codes, groups, 0)
    assert not set(groups[learn]) & set(groups[test])


def test_scores_weigh_classes_as_they_say():
    codes = np.array([0] * 8 + [1] * 2)
    folds = [(np.arange(10), np.arange(10))]
    scores = classifiers.fold_scores(codes, folds, [np.zeros(10, int)])
    assert scores["accuracy"].tolist() == [0.8]
    assert scores["balanced accuracy"].tolist() == [0.5]
    assert scores["macro F1"][0] == pytest.approx(2 * 0.8 / 1.8 / 2)
    guessing = classifiers.guessing(codes)
    assert {name: pytest.approx(values[0]) for name, values in scores.items()} == guessing["most frequent class"]
    assert guessing["chance"]["accuracy"] == pytest.approx(0.68)


@pytest.mark.slow
def test_the_interval_is_wider_than_that_of_independent_folds_and_holds_the_truth():
    covered, halves = 0, []
    for seed in range(30):
        more, more_codes = noisy_classes(4000, 2, 1.5, dims=2, seed=1)
        part = np.random.default_rng(seed).choice(4000, 100, replace=False)
        vectors, codes = more[part], more_codes[part]
        folds = folds_of(codes)
        predicted = classifiers.cross_predict(classifiers.LINEAR_SVM, vectors, codes, folds, fixed=True)
        accuracy = classifiers.fold_scores(codes, folds, predicted)["accuracy"]
        half = classifiers.interval(accuracy, folds)
        classifier = classifiers.make_classifier(classifiers.LINEAR_SVM).fit(vectors, codes)
        truth = balanced_accuracy_score(more_codes, classifier.predict(more))
        covered += abs(accuracy.mean() - truth) <= half
        halves.append(half / (1.96 * accuracy.std(ddof=1) / np.sqrt(len(accuracy))))
    assert covered >= 26
    assert min(halves) > 1.5


def test_chance():
    guessing = classifiers.guessing(np.repeat([0, 1, 2], [5, 3, 2]))
    assert guessing["chance"]["accuracy"] == pytest.approx(0.5**2 + 0.3**2 + 0.2**2)
    assert guessing["most frequent class"]["accuracy"] == pytest.approx(0.5)


def test_confusion_counts_every_tested_track():
    codes = np.array([0, 1, 2, 0, 1, 2])
    folds = [(np.arange(3), np.arange(3, 6)), (np.arange(3, 6), np.arange(3))]
    matrix = classifiers.confusion(codes, folds, [np.array([0, 1, 1]), np.array([0, 0, 2])], 3)
    assert matrix.tolist() == [[2, 0, 0], [1, 1, 0], [0, 1, 1]]


def test_the_learning_curve_rises_and_ends_where_cross_validation_is():
    vectors, codes = noisy_classes(300, 3, 1.0)
    folds = folds_of(codes)
    counts, accuracies = classifiers.learning_curve(vectors, codes, folds, (0.02, 0.2, 1.0))
    assert counts.tolist() == [5, 48, 240]
    assert accuracies.shape == (3, len(folds))
    assert accuracies[0].mean() < accuracies[1].mean() < accuracies[2].mean()
    whole = classifiers.cross_predict(classifiers.RBF_SVM, vectors, codes, folds, fixed=True)
    expected = classifiers.fold_scores(codes, folds, whole)["accuracy"]
    np.testing.assert_allclose(accuracies[2], expected, atol=0.02)


def test_every_beginning_of_the_order_holds_every_class():
    codes = np.array([0] * 50 + [1] * 5 + [2])
    order = classifiers._balanced_order(codes, np.random.default_rng(0))
    assert sorted(order) == list(range(56))
    assert set(codes[order[:3]]) == {0, 1, 2}
    assert 15 <= (codes[order[:20]] == 0).sum() <= 18
