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
little can vouch for them.

Reference: Northcutt, Jiang and Chuang 2021, Confident learning: ranking by out-of-fold self-confidence.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the shared modules lie in the repository root

from files import csv_bytes, write_file
from judging import classifiers, pictures
from judging.folds import Folds, left_out_classes, make_folds, no_warnings, usable_classes
from judging.labels import encode, label_songs, read_label_table
from judging.neighbours import check_directions, directions
from mels.mel_folder import MEL_SUFFIX
from runs.vectors import add_vectors_argument, read_vectors, which_vectors
from utils import (
    EXIT_DONE,
    Progress,
    UserError,
    add_quiet_argument,
    command,
    plural,
    positive_int,
    printable,
    script_parser,
)

TABLE_HEADER = ("rank", "filename", "label", "suggested", "probability", "neighbours")
VOTERS = 10  # nearest tracks whose labels are counted; chosen on a collection that no figure is reported of
NEIGHBOURS_TOLD = 5  # the nearest of them, which the list names
REGULARISATION = 0.01  # C of the logistic regression: strong, because some of the labels it learns from are wrong
BLOCK_CELLS = 2**23  # cosines held at a time, 32 MB, whatever the number of tracks


@dataclass(frozen=True)
class Audit:
    """What the neighbours and the classifier say of each track's label."""

    classes: list[str]  # sorted
    codes: np.ndarray  # (tracks,) int64, the given labels as positions in classes
    by_neighbours: np.ndarray  # (tracks, classes) float64, each row a distribution
    by_classifier: np.ndarray  # (tracks, classes) float64, likewise
    neighbours: np.ndarray  # (tracks, voters) int64 rows, nearest first
    cosines: np.ndarray  # (tracks, voters) float32 in [-1, 1]; -inf where there is no such neighbour

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


def nearest_tracks(
    vectors: np.ndarray, count: int, groups: np.ndarray | None = None, tell: Callable[[int], None] = lambda tracks: None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the tracks nearest to each by cosine, itself and the others of its group left out; all are compared.

    vectors  (tracks, dims), finite and not zero; at least two.
    groups   (tracks,) int, or None.
    tell     called with the number of tracks done since.
    Returns  rows (tracks, n) int64 and cosines (tracks, n) float32, nearest first, n = min(count, tracks - 1). The
             cosine is -inf where fewer than n tracks are in other groups; that row says nothing.
    """
    scaled = directions(vectors)
    total = len(scaled)
    count, block = min(count, total - 1), max(1, BLOCK_CELLS // total)
    rows, cosines = np.empty((total, count), np.int64), np.empty((total, count), np.float32)
    for start in range(0, total, block):
        here = np.arange(start, min(start + block, total))
        table = scaled[here] @ scaled.T  # (block, tracks)
        table[here - start, here] = -np.inf
        if groups is not None:
            table[groups[here][:, None] == groups] = -np.inf
        found = np.sort(np.argpartition(table, total - count, axis=1)[:, total - count :], axis=1)
        near = np.take_along_axis(table, found, axis=1)
        nearest_first = np.argsort(-near, axis=1, kind="stable")
        rows[here] = np.take_along_axis(found, nearest_first, axis=1)
        cosines[here] = np.take_along_axis(near, nearest_first, axis=1)
        tell(len(here))
    return rows, np.minimum(cosines, 1)


def neighbour_shares(neighbours: np.ndarray, cosines: np.ndarray, codes: np.ndarray, classes: int) -> np.ndarray:
    """Return the share of each class among each track's neighbours, weighted by cosine: (tracks, classes) float64.

    neighbours, cosines  (tracks, voters), as nearest_tracks gives them; codes (tracks,) int in [0, classes).
    A neighbour in the opposite direction weighs next to nothing, yet counts where there is no other.
    """
    weights = np.where(np.isfinite(cosines), np.maximum(cosines, 1e-6), 0).astype(np.float64)
    tracks = np.broadcast_to(np.arange(len(codes))[:, None], neighbours.shape)
    cells = np.ravel_multi_index((tracks, codes[neighbours]), (len(codes), classes))
    votes = np.bincount(cells.ravel(), weights.ravel(), minlength=len(codes) * classes).reshape(len(codes), classes)
    return votes / votes.sum(axis=1, keepdims=True)


def cross_validated_shares(
    vectors: np.ndarray, codes: np.ndarray, folds: Folds, tell: Callable[[], None] = lambda: None
) -> np.ndarray:
    """Return each class's probability by logistic regressions that never saw the track: (tracks, classes) float64.

    vectors  (tracks, dims), finite.
    folds    test on each track at least once, and learn every class each time (see make_folds).
    tell     called after each fold.
    """
    vectors = np.asarray(vectors, np.float64)
    sums, tested = np.zeros((len(codes), codes.max() + 1)), np.zeros((len(codes), 1))
    for train, test in folds:
        classifier = classifiers.make_classifier(classifiers.LOGISTIC, c=REGULARISATION)
        with no_warnings():
            sums[test] += classifier.fit(vectors[train], codes[train]).predict_proba(vectors[test])
        tested[test] += 1
        tell()
    return sums / tested


def audit(
    vectors: np.ndarray, labels: Sequence[str], groups: Sequence[str] | None = None, seed: int = 0, quiet: bool = True
) -> Audit:
    """Judge every label by the track's neighbours and by a classifier that learnt from other tracks.

    vectors  (tracks, dims), finite and not zero.
    groups   one for each track, or None: no track speaks for another of its group.
    Raises   ValueError where there are no two classes of two members (groups) each, see make_folds.
    """
    folds = make_folds(labels, groups, seed)
    classes, codes = encode(labels)
    group_codes = None if groups is None else encode(groups)[1]
    progress = Progress(len(codes), "neighbours", "tracks", quiet)
    neighbours, cosines = nearest_tracks(vectors, VOTERS, group_codes, progress.advance)
    progress.close()
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
        near = zip(found.neighbours[row, :NEIGHBOURS_TOLD], found.cosines[row, :NEIGHBOURS_TOLD], strict=True)
        told = "; ".join(f"{names[i]} ({labels[i]}, {cosine:.2f})" for i, cosine in near if np.isfinite(cosine))
        table.append((rank, names[row], labels[row], found.classes[suggested[row]], f"{wrong[row]:.4f}", told))
    return csv_bytes(TABLE_HEADER, table)


def build_parser() -> argparse.ArgumentParser:
    parser = script_parser(__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder of spectrogram_doc2vec.py")
    parser.add_argument("labels", type=Path, metavar="LABELS.csv", help="table with the column filename and a label")
    parser.add_argument("--label-column", default="genre", metavar="NAME", help="column that holds the labels")
    add_vectors_argument(parser)
    parser.add_argument("--group-column", metavar="NAME", help="column of what does not speak for itself, e.g. artist")
    parser.add_argument("--top", type=positive_int, metavar="N", help="write the first N tracks only (default: all)")
    parser.add_argument("--list-left-out", action="store_true", help="name every song and row that was left out")
    parser.add_argument("--output", type=Path, required=True, metavar="OUT.csv", help="list to write")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the folds")
    add_quiet_argument(parser)
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

    kept, small = usable_classes(labelled.labels, labelled.groups)
    if small:
        print(printable(left_out_classes(small, arguments.group_column is not None)))
    rows = np.flatnonzero(kept)
    names, vectors = [run.names[i] for i in labelled.songs[rows]], run.vectors[labelled.songs[rows]]
    labels = [labelled.labels[i] for i in rows]
    groups = None if labelled.groups is None else [labelled.groups[i] for i in rows]
    try:
        check_directions(names, vectors)
    except ValueError as error:
        raise UserError(f"{arguments.run}: {error}") from None
    try:
        found = audit(vectors, labels, groups, arguments.seed, arguments.quiet)
    except ValueError as error:
        raise UserError(f"{arguments.labels}: column {arguments.label_column!r}: {error}") from None

    write_file(arguments.output, audit_table(found, names, arguments.top))
    written = min(len(names), arguments.top or len(names))
    doubted = int((found.probabilities.argmax(axis=1) != found.codes).sum())
    made = f"{written:,} of {plural(len(names), 'track')}, most surprising first"
    print(printable(f"{arguments.output}: {made}; for {doubted:,} of the {len(names):,} another label is suggested"))
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
