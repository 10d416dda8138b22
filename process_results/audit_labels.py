"""List the tracks whose neighbours and cross-validated prediction contradict their label, most surprising first.

    python process_results/audit_labels.py RUN LABELS.csv --label-column genre --output suspects.csv

Reads   RUN, the run folder of spectrogram_doc2vec.py; LABELS.csv, a table with the column filename (the audio file's
        path relative to the audio folder), the column of the labels, and with --group-column e.g. artist that one too.
Writes  the list, a CSV: rank, filename, label, suggested (the most probable label: the given one where nothing
        contradicts it), probability (that the label is another than the given one, by sound alone), neighbours (the
        nearest by cosine, label and cosine behind each). All labelled tracks, or the first --top N.

The probability of a label is the mean of two: what a logistic regression says of the track that learnt from the other
folds only, over repeated stratified folds; and the share of its ten nearest tracks that carry the label, weighted by
cosine. With --group-column no track speaks for another of its group: where a whole album is labelled wrong, its tracks
would vouch for each other. Sort by it and listen, correct nothing blindly: sound alone does not know that most labels
are right, so as the chance of an error it is too high; and the tracks of a label with few members come early, since
little can vouch for them. Labels with fewer than five tracks (groups, with --group-column) are left out and named,
--min-members changes that; a track without a group is a group of its own.

Reference: Northcutt, Jiang and Chuang 2021, Confident learning: ranking by out-of-fold self-confidence.
"""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))  # where the shared modules lie

import utils  # noqa: F401  first, so that Ctrl-C is one line during the other imports too

# isort: split

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from files import csv_bytes, write_file
from judging import classifiers, pictures
from judging.folds import FOLDS, Folds
from judging.labelled_run import add_labelled_run_arguments, read_labelled_run
from judging.labels import encode
from judging.neighbours import directions, nearest_neighbours
from judging.quiet import no_warnings
from mels.mel_folder import MEL_SUFFIX
from runs.vectors import add_vectors_argument
from utils import (
    EXIT_DONE,
    Progress,
    add_quiet_argument,
    command,
    plural,
    positive_int,
    printable,
    script_parser,
)

TABLE_HEADER = ("rank", "filename", "label", "suggested", "probability", "neighbours")
VOTERS = 10  # nearest tracks whose labels are counted; chosen on a collection that no figure is reported of
NEIGHBOURS_NAMED = 5  # the nearest of them, which the list names
REGULARISATION = 0.01  # C of the logistic regression: strong, because some of the labels it learns from are wrong


@dataclass(frozen=True)
class Audit:
    """What the neighbours and the classifier say of each track's label."""

    classes: list[str]  # sorted
    codes: np.ndarray  # (tracks,) int64, the given labels as positions in classes
    by_neighbours: np.ndarray  # (tracks, classes) float64, each row a distribution
    by_classifier: np.ndarray  # (tracks, classes) float64, likewise
    neighbours: np.ndarray  # (tracks, voters) int rows, nearest first; -1 where there is none
    cosines: np.ndarray  # (tracks, voters) float32 in [-1, 1]; -inf where there is none

    @property
    def probabilities(self) -> np.ndarray:
        """Return the mean of both, (tracks, classes) float64."""
        return (self.by_neighbours + self.by_classifier) / 2

    def order(self) -> np.ndarray:
        """Return the tracks, (tracks,) int64, the one with the least probable label first."""
        return most_surprising(self.probabilities, self.codes)


def doubt(probabilities: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return how improbable each given label is: (tracks, classes), (tracks,) int -> (tracks,) in [0, 1]."""
    return 1 - probabilities[np.arange(len(codes)), codes]


def most_surprising(probabilities: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the rows by falling doubt, (tracks,) int64; equal ones in the order that they came in."""
    return np.argsort(-doubt(probabilities, codes).round(9), kind="stable")  # rounded: equal but for the last bits


def neighbour_shares(neighbours: np.ndarray, cosines: np.ndarray, codes: np.ndarray, classes: int) -> np.ndarray:
    """Return the share of each class among each track's neighbours, weighted by cosine: (tracks, classes) float64.

    neighbours, cosines  (tracks, voters); a cosine of -inf is no neighbour. codes (tracks,) int in [0, classes).
    A neighbour in the opposite direction weighs next to nothing, yet counts where there is no other.
    """
    weights = np.where(np.isfinite(cosines), np.maximum(cosines, 1e-6), 0).astype(np.float64)
    tracks = np.broadcast_to(np.arange(len(codes))[:, None], neighbours.shape)
    cells = np.ravel_multi_index((tracks, codes[neighbours]), (len(codes), classes))
    votes = np.bincount(cells.ravel(), weights.ravel(), minlength=len(codes) * classes).reshape(len(codes), classes)
    return votes / votes.sum(axis=1, keepdims=True)


def cross_validated_shares(
    vectors: np.ndarray, codes: np.ndarray, folds: Folds, report: Callable[[], None] = lambda: None
) -> np.ndarray:
    """Return each class's probability by logistic regressions that never saw the track: (tracks, classes) float64.

    vectors  (tracks, dims), finite.
    folds    test on each track at least once, and learn every class each time (see make_folds).
    report   called after each fold.
    """
    vectors = np.asarray(vectors, np.float64)
    sums, tested = np.zeros((len(codes), codes.max() + 1)), np.zeros((len(codes), 1))
    for train, test in folds:
        classifier = classifiers.make_classifier(classifiers.LOGISTIC, c=REGULARISATION)
        with no_warnings():
            sums[test] += classifier.fit(vectors[train], codes[train]).predict_proba(vectors[test])
        tested[test] += 1
        report()
    return sums / tested


def audit(
    vectors: np.ndarray, labels: Sequence[str], folds: Folds, groups: Sequence[str] | None = None, quiet: bool = True
) -> Audit:
    """Judge every label by the track's neighbours and by a classifier that learnt from other tracks.

    vectors  (tracks, dims), finite and not zero.
    folds    of the same tracks and groups, see make_folds.
    groups   one for each track, or None: no track speaks for another of its group.
    """
    classes, codes = encode(labels)
    group_codes = None if groups is None else encode(groups)[1]
    neighbours, distances = nearest_neighbours(directions(vectors), VOTERS, quiet, group_codes)
    cosines = 1 - distances
    progress = Progress(len(folds), "cross-validation", "folds", quiet)
    by_classifier = cross_validated_shares(vectors, codes, folds, progress.advance)
    progress.close()
    by_neighbours = neighbour_shares(neighbours, cosines, codes, len(classes))
    return Audit(classes, codes, by_neighbours, by_classifier, neighbours, cosines)


def audit_table(found: Audit, names: Sequence[str], top: int | None) -> bytes:
    """Return the list as CSV, most surprising first. Names are those of music_list.txt; top None is all of them."""
    names = [name.removesuffix(MEL_SUFFIX) for name in names]
    labels = [found.classes[code] for code in found.codes]
    probabilities = found.probabilities
    suggested, wrong = probabilities.argmax(axis=1), doubt(probabilities, found.codes)
    table = []
    for rank, row in enumerate(found.order()[:top], start=1):
        near = zip(found.neighbours[row, :NEIGHBOURS_NAMED], found.cosines[row, :NEIGHBOURS_NAMED], strict=True)
        named = "; ".join(f"{names[i]} ({labels[i]}, {cosine:.2f})" for i, cosine in near if np.isfinite(cosine))
        table.append((rank, names[row], labels[row], found.classes[suggested[row]], f"{wrong[row]:.4f}", named))
    return csv_bytes(TABLE_HEADER, table)


def build_parser() -> argparse.ArgumentParser:
    parser = script_parser(__doc__)
    add_labelled_run_arguments(parser, FOLDS)
    add_vectors_argument(parser)
    parser.add_argument("--group-column", metavar="NAME", help="column of what does not speak for itself, e.g. artist")
    parser.add_argument("--top", type=positive_int, metavar="N", help="write the first N tracks only (default: all)")
    parser.add_argument("--output", type=Path, required=True, metavar="OUT.csv", help="list to write")
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
    tracks, left_out = run.leave_out_small(run.tracks(), arguments.min_members, "--min-members")
    if left_out:
        print(printable(left_out))
    folds = run.make_folds(tracks, arguments.seed)
    found = audit(tracks.vectors, tracks.labels, folds, tracks.groups, arguments.quiet)

    write_file(arguments.output, audit_table(found, tracks.names, arguments.top))
    count = len(tracks.names)
    written = min(count, arguments.top or count)
    doubted = int((found.probabilities.argmax(axis=1) != found.codes).sum())
    made = f"{written:,} of {plural(count, 'track')}, most surprising first"
    print(printable(f"{arguments.output}: {made}; for {doubted:,} of the {count:,} another label is suggested"))
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
