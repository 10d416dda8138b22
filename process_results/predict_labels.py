"""Learn a label from the tracks that have it, and predict it, with a probability, for all that have none.

    python process_results/predict_labels.py RUN LABELS.csv --label-column genre --output predicted.csv

Reads   RUN, the run folder of spectrogram_doc2vec.py; LABELS.csv, a table with the column filename (the audio file's
        path relative to the audio folder), the column of the labels, and with --group-column that one too. Tracks
        without a row, or with an empty label, are those to predict.
Writes  the table filename,predicted,probability,second,second_probability, most certain first.

An RBF SVM a class on standardised vectors, whose C is chosen by an inner split; of more than 20,000 labelled tracks
they learn from so many, each label in its share, and it says so. Their scores become probabilities by
one number, a temperature, fitted to what they say of tracks that they have not learned from. Before that it prints how
often it is right on such tracks and how sure of them it is, both in folds that neither the SVMs, nor C, nor the
temperature have seen: the two agree where the probabilities can be trusted.

Name what the tracks of one maker have in common, e.g. --group-column artist: no group is then on both sides, and the
figures hold for new artists (for those among the labelled it is more often right than it says). Without it they hold
for more tracks of the same artists only, and it says so. A track without a group is a group of its own. Labels with
fewer than five tracks (groups, with --group-column) are never predicted and named; --min-members changes that.

Reference: Guo, Pleiss, Sun and Weinberger 2017, On Calibration of Modern Neural Networks (temperature scaling).
"""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))  # where the shared modules lie

import utils  # noqa: F401  first, so that Ctrl-C is one line during the other imports too

# isort: split

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from files import csv_bytes, write_file
from judging import classifiers, pictures
from judging.classifiers import RBF_SVM
from judging.folds import FOLDS, REPEATS, Folds
from judging.labelled_run import add_labelled_run_arguments, read_labelled_run
from judging.labels import encode
from judging.quiet import no_warnings
from mels.mel_folder import MEL_SUFFIX
from runs.vectors import add_vectors_argument
from utils import (
    EXIT_DONE,
    Progress,
    UserError,
    add_quiet_argument,
    command,
    plural,
    printable,
    script_parser,
    usable_cores,
)

TABLE_HEADER = ("filename", "predicted", "probability", "second", "second_probability")
SCORED_AT_ONCE = 2000  # tracks, by each thread
SURE = 0.9  # a probability worth counting in the closing line


@dataclass(frozen=True)
class Predictor:
    """A classifier that was fitted on all labelled tracks, and what is known of it from tracks it had not seen."""

    classifier: object
    temperature: float
    accuracy: float  # on tracks that neither classifier, C nor temperature were chosen by
    confidence: float  # the mean probability of what it said of them
    unseen: np.ndarray  # (tracks, classes) float64: of the labelled tracks, those probabilities

    def probabilities(self, vectors: np.ndarray) -> np.ndarray:
        """Return the probability of each class, (tracks, classes) float64, rows that sum to 1; at least one track."""
        from joblib import Parallel, delayed

        blocks = np.array_split(vectors, -(-len(vectors) // SCORED_AT_ONCE))
        scored = Parallel(min(usable_cores(), len(blocks)), prefer="threads")(
            delayed(class_scores)(self.classifier, block) for block in blocks
        )
        return softmax(np.concatenate(scored), self.temperature)


def fit_classifier(vectors: np.ndarray, codes: np.ndarray, groups: np.ndarray | None, seed: int):
    """Fit an RBF SVM a class: of more than two classes an SVM alone counts votes, which say nothing of how sure.

    Their C is the one that is best for an SVM that counts votes, a class against each other one, which takes a
    fraction of the time to try.
    """
    from sklearn.multiclass import OneVsRestClassifier

    rows = classifiers.learned_rows(RBF_SVM, codes, seed)
    vectors, codes, groups = vectors[rows], codes[rows], None if groups is None else groups[rows]
    c = classifiers.choose_c(RBF_SVM, vectors, codes, groups, seed)
    return OneVsRestClassifier(classifiers.make_classifier(RBF_SVM, c=c)).fit(vectors, codes)


def class_scores(classifier, vectors: np.ndarray) -> np.ndarray:
    """Return the classifier's score of each class, (tracks, classes): larger is likelier."""
    scores = classifier.decision_function(np.asarray(vectors, np.float64))
    return np.stack([-scores, scores], axis=1) if scores.ndim == 1 else scores


def softmax(scores: np.ndarray, temperature: float) -> np.ndarray:
    """Return the probabilities that scores, (tracks, classes), mean at a temperature: rows that sum to 1."""
    import scipy.special

    return scipy.special.softmax(scores / temperature, axis=1)


def fit_temperature(scores: np.ndarray, codes: np.ndarray) -> float:
    """Return the temperature at which softmax(scores / temperature) makes the classes (tracks,) likeliest."""
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    def cost(log_temperature: float) -> float:
        logarithms = log_softmax(scores / np.exp(log_temperature), axis=1)
        return -float(logarithms[np.arange(len(codes)), codes].mean())

    return float(np.exp(minimize_scalar(cost, bounds=(-5.0, 5.0), method="bounded").x))


def cross_fit_probabilities(scores: list[np.ndarray], codes: np.ndarray, folds: Folds) -> list[np.ndarray]:
    """Return the probabilities of each fold's test rows, at the temperature that its repetition's other folds give.

    scores  for each fold (its test rows, classes), by a classifier that learned from its other rows.
    """
    count = len(folds) // REPEATS  # folds of one repetition, in which every track is tested once
    found = []
    for number, score in enumerate(scores):
        first = number - number % count
        others = [other for other in range(first, first + count) if other != number]
        rows = np.concatenate([folds[other][1] for other in others])
        temperature = fit_temperature(np.concatenate([scores[other] for other in others]), codes[rows])
        found.append(softmax(score, temperature))
    return found


def fit(
    vectors: np.ndarray, codes: np.ndarray, folds: Folds, groups: np.ndarray | None, seed: int, quiet: bool = True
) -> Predictor:
    """Fit a predictor on labelled tracks: vectors (tracks, dims), codes (tracks,) int64 of every class.

    folds   of these tracks and groups, see make_folds: accuracy and confidence come from their test sides.
    groups  (tracks,) int64, what the inner split that chooses C keeps whole too, or None.
    """
    from joblib import Parallel, delayed

    vectors = np.asarray(vectors, np.float64)

    def learn_from(rows: np.ndarray) -> object:
        return fit_classifier(vectors[rows], codes[rows], None if groups is None else groups[rows], seed)

    def score_fold(learn: np.ndarray, test: np.ndarray) -> np.ndarray:
        return class_scores(learn_from(learn), vectors[test])

    work = [*(delayed(score_fold)(*fold) for fold in folds), delayed(learn_from)(np.arange(len(codes)))]
    progress, found = Progress(len(work), "learning", "classifiers", quiet), []
    with no_warnings():
        # threads, as in classifiers.cross_predict; and a signal is answered while they work
        for one in Parallel(min(usable_cores(), len(work)), prefer="threads", return_as="generator")(work):
            found.append(one)
            progress.advance()
    progress.close()
    *scores, classifier = found
    rows = np.concatenate([test for _, test in folds])
    temperature = fit_temperature(np.concatenate(scores), codes[rows])
    found = np.concatenate(cross_fit_probabilities(scores, codes, folds))
    accuracy = float(np.mean(found.argmax(axis=1) == codes[rows]))
    unseen = np.zeros((len(codes), found.shape[1]))
    np.add.at(unseen, rows, found / REPEATS)  # a track is tested once in each repetition
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


def describe(predictor: Predictor, codes: np.ndarray, grouped: bool) -> str:
    """Return how often the predictor is right on tracks that it has not seen, and for whom that holds."""
    guessing = classifiers.guessing(codes)["most frequent class"]["accuracy"]
    line = (
        f"on tracks that it has not learned from: right for {predictor.accuracy:.1%} of them, sure of "
        f"{predictor.confidence:.1%} (guessing: {guessing:.1%})"
    )
    if grouped:
        return line
    return (
        f"{line}\nwarning: no --group-column: tracks of one artist may be on both sides, so for artists that are not "
        "among the labelled both figures and the probabilities are too high"
    )


def build_parser() -> argparse.ArgumentParser:
    parser = script_parser(__doc__)
    add_labelled_run_arguments(parser, FOLDS)
    parser.add_argument("--group-column", metavar="NAME", help="column of what must not be on both sides, e.g. artist")
    add_vectors_argument(parser)
    parser.add_argument("--all", action="store_true", help="predict the labelled tracks too, each from the others")
    parser.add_argument("--output", type=Path, required=True, metavar="OUT.csv", help="table to write")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the folds")
    add_quiet_argument(parser)
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    pictures.check_table_output(arguments.output, TABLE_HEADER, [arguments.labels])
    run = read_labelled_run(
        arguments.run, arguments.labels, arguments.label_column, arguments.group_column, [arguments.vectors]
    )
    print(printable(run.summary(arguments.list_left_out)))
    run.check_all_directions()
    labelled = set() if arguments.all else set(run.labelled.songs.tolist())
    to_predict = [song for song in range(len(run.names)) if song not in labelled]
    if not to_predict:
        raise UserError(f"{arguments.labels}: every track of the run has a label; use --all to predict those")
    tracks, left_out = run.leave_out_small(run.tracks(), arguments.min_members, "--min-members")
    if left_out:
        print(printable(left_out))
    folds = run.make_folds(tracks, arguments.seed)
    classes, codes = encode(tracks.labels)
    groups = None if tracks.groups is None else encode(tracks.groups)[1]
    if part := classifiers.describe_sample(len(codes)):
        print(part)
    predictor = fit(tracks.vectors, codes, folds, groups, arguments.seed, arguments.quiet)
    print(describe(predictor, codes, arguments.group_column is not None))

    probabilities = predictor.probabilities(run.kinds[0].vectors[to_predict])
    place = {song: row for row, song in enumerate(to_predict)}
    for row, song in enumerate(tracks.songs.tolist()):
        if song in place:  # it would be surer of these than it may be: it knows their labels
            probabilities[place[song]] = predictor.unseen[row]
    write_file(arguments.output, prediction_table([run.names[song] for song in to_predict], probabilities, classes))
    sure = int((probabilities.max(axis=1) >= SURE).sum())
    made = f"{plural(len(to_predict), 'track')} predicted from {len(codes):,} labelled ones of {len(classes)} classes"
    print(printable(f"{arguments.output}: {made}; {sure:,} with a probability of {SURE:g} or more"))
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
