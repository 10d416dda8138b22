"""Learn a label from the tracks that have it, and predict it, with a probability, for all that have none.

    python process_results/predict_labels.py RUN LABELS.csv --label-column genre --output predicted.csv

Reads   RUN, the run folder of spectrogram_doc2vec.py; LABELS.csv, a table with the column filename (the audio file's
        path relative to the audio folder) and the column of the labels. Tracks without a row, or with an empty label,
        are those to predict.
Writes  the table filename,predicted,probability,second,second_probability, most certain first.

An RBF SVM a class on standardised vectors, whose C is chosen by an inner split. Their scores become probabilities by
one number, a temperature, fitted to what they say of tracks that they have not learned from. Before that it prints how
often it is right on such tracks, and how sure it thinks it is: the two agree where the probabilities can be trusted.
--group-column keeps e.g. an artist on one side there.

Reference: Guo, Pleiss, Sun and Weinberger 2017, On Calibration of Modern Neural Networks (temperature scaling).
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the shared modules lie in the repository root

from files import csv_bytes, write_file
from judging import classifiers, pictures
from judging.classifiers import RBF_SVM
from judging.folds import Folds, left_out_classes, make_folds, no_warnings, usable_classes
from judging.labels import encode, label_songs, read_label_table
from judging.neighbours import check_directions
from mels.mel_folder import MEL_SUFFIX
from runs.vectors import add_vectors_argument, read_vectors, which_vectors
from utils import EXIT_DONE, UserError, command, plural, printable, script_parser

TABLE_HEADER = ("filename", "predicted", "probability", "second", "second_probability")
SURE = 0.9  # a probability worth counting in the closing line


@dataclass(frozen=True)
class Predictor:
    """A classifier that was fitted on all labelled tracks, and what is known of it from cross-validation."""

    classifier: object
    temperature: float
    accuracy: float  # on tracks that it had not learned from
    confidence: float  # the mean probability of what it said of them
    unseen: np.ndarray  # (tracks, classes) float64: of the labelled tracks, the probabilities where not learned from

    def probabilities(self, vectors: np.ndarray) -> np.ndarray:
        """Return the probability of each class, (tracks, classes) float64, rows that sum to 1."""
        return softmax(class_scores(self.classifier, vectors) / self.temperature)


def one_versus_rest(c: float):
    """Return an RBF SVM a class: of more than two classes an SVM alone counts votes, which say nothing of how sure."""
    from sklearn.multiclass import OneVsRestClassifier

    return OneVsRestClassifier(classifiers.make_classifier(RBF_SVM, c=c))


def class_scores(classifier, vectors: np.ndarray) -> np.ndarray:
    """Return the classifier's score of each class, (tracks, classes): larger is likelier."""
    scores = classifier.decision_function(np.asarray(vectors, np.float64))
    return np.stack([-scores, scores], axis=1) if scores.ndim == 1 else scores


def softmax(scores: np.ndarray) -> np.ndarray:
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def fit_temperature(scores: np.ndarray, codes: np.ndarray) -> float:
    """Return the temperature at which softmax(scores / temperature) makes the classes (tracks,) likeliest."""
    from scipy.optimize import minimize_scalar

    def cost(log_temperature: float) -> float:
        found = softmax(scores / np.exp(log_temperature))
        return -float(np.log(np.maximum(found[np.arange(len(codes)), codes], 1e-12)).mean())

    return float(np.exp(minimize_scalar(cost, bounds=(-5.0, 5.0), method="bounded").x))


def fit(vectors: np.ndarray, codes: np.ndarray, folds: Folds, groups: np.ndarray | None, seed: int):
    """Fit a predictor on labelled tracks: vectors (tracks, dims), codes (tracks,) int64 of every class.

    folds  of these tracks; the temperature, the accuracy and the confidence come from their test sides.
    """
    vectors = np.asarray(vectors, np.float64)
    with no_warnings():
        c = classifiers.choose_c(RBF_SVM, vectors, codes, groups, seed)
        scores = [class_scores(one_versus_rest(c).fit(vectors[a], codes[a]), vectors[b]) for a, b in folds]
        classifier = one_versus_rest(c).fit(vectors, codes)
    scores, rows = np.concatenate(scores), np.concatenate([test for _, test in folds])
    temperature = fit_temperature(scores, codes[rows])
    found = softmax(scores / temperature)
    accuracy = float(np.mean(found.argmax(axis=1) == codes[rows]))
    unseen = np.zeros((len(codes), found.shape[1]))
    np.add.at(unseen, rows, found)  # a track is tested once in each repetition
    unseen /= unseen.sum(axis=1, keepdims=True)
    return Predictor(classifier, temperature, accuracy, float(found.max(axis=1).mean()), unseen)


def prediction_table(names: list[str], probabilities: np.ndarray, classes: list[str]) -> bytes:
    """Return the table as CSV, the most certain first; `names` and rows of `probabilities` belong together."""
    first, second = np.argsort(-probabilities, axis=1, kind="stable")[:, :2].T
    rows = np.arange(len(names))
    table = []
    for row in np.argsort(-probabilities[rows, first], kind="stable"):
        one, other = first[row], second[row]
        sure, less = f"{probabilities[row, one]:.4f}", f"{probabilities[row, other]:.4f}"
        table.append((names[row].removesuffix(MEL_SUFFIX), classes[one], sure, classes[other], less))
    return csv_bytes(TABLE_HEADER, table)


def build_parser() -> argparse.ArgumentParser:
    parser = script_parser(__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder of spectrogram_doc2vec.py")
    parser.add_argument("labels", type=Path, metavar="LABELS.csv", help="table with the column filename and a label")
    parser.add_argument("--label-column", default="genre", metavar="NAME", help="column that holds the labels")
    parser.add_argument("--group-column", metavar="NAME", help="column of what must not be on both sides, e.g. artist")
    add_vectors_argument(parser)
    parser.add_argument("--all", action="store_true", help="predict the labelled tracks too, each from the others")
    parser.add_argument("--list-left-out", action="store_true", help="name every song and row that was left out")
    parser.add_argument("--output", type=Path, required=True, metavar="OUT.csv", help="table to write")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the folds")
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    pictures.check_table_output(arguments.output, TABLE_HEADER, [arguments.labels])
    label_table = read_label_table(arguments.labels)
    run = read_vectors(arguments.run, arguments.vectors)
    labelled = label_songs(label_table, run.names, arguments.label_column, arguments.group_column)
    print(printable(which_vectors(arguments.run, run)))
    print(printable(labelled.summary(arguments.list_left_out)))
    try:
        check_directions(run.names, run.vectors)
    except ValueError as error:
        raise UserError(f"{arguments.run}: {error}") from None

    usable, small = usable_classes(labelled.labels, labelled.groups)
    if small:
        print(printable(left_out_classes(small, arguments.group_column is not None)))
    rows = np.flatnonzero(usable)
    labels = [labelled.labels[row] for row in rows]
    groups = None if labelled.groups is None else [labelled.groups[row] for row in rows]
    try:
        folds = make_folds(labels, groups, arguments.seed)
    except ValueError as error:
        raise UserError(f"{arguments.labels}: column {arguments.label_column!r}: {error}") from None
    classes, codes = encode(labels)
    group_codes = None if groups is None else encode(groups)[1]
    predictor = fit(run.vectors[labelled.songs[rows]], codes, folds, group_codes, arguments.seed)
    guessing = classifiers.guessing(codes)
    print(
        f"on tracks that it has not learned from: right for {predictor.accuracy:.1%} of them, sure of "
        f"{predictor.confidence:.1%} (guessing: {guessing['most frequent class']['accuracy']:.1%})"
    )

    known = set() if arguments.all else set(labelled.songs.tolist())
    to_predict = [song for song in range(len(run.names)) if song not in known]
    if not to_predict:
        raise UserError(f"{arguments.labels}: every track of the run has a label; use --all to predict those")
    probabilities = predictor.probabilities(run.vectors[to_predict])
    place = {song: row for row, song in enumerate(to_predict)}
    for row, song in enumerate(labelled.songs[rows].tolist()):
        if song in place:  # it would be surer of these than it may be: it knows their labels
            probabilities[place[song]] = predictor.unseen[row]
    write_file(arguments.output, prediction_table([run.names[song] for song in to_predict], probabilities, classes))
    sure = int((probabilities.max(axis=1) >= SURE).sum())
    made = f"{plural(len(to_predict), 'track')} predicted from {len(rows):,} labelled ones of {len(classes)} classes"
    print(printable(f"{arguments.output}: {made}; {sure:,} with a probability of {SURE:g} or more"))
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
