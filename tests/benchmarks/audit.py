"""Measure how many labels that were swapped on purpose the label audit puts into the first tenth of its list.

    python tests/benchmarks/audit.py RUN LABELS.csv --label-column label --draws 10 --share 0.05

Reads   RUN, the run folder of spectrogram_doc2vec.py; LABELS.csv with the column filename and the labels, which are
        taken to be right; with --group-column what does not speak for itself.
Writes  nothing. Prints for each draw and in the mean the share of the swapped labels that is found, by the audit, by
        its neighbours alone, by its classifier alone, and by a list in random order; and how many of the tracks with a
        high probability were swapped.

Each draw swaps the labels of a --share of the tracks, drawn uniformly, for another label of the table, drawn uniformly.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the shared modules lie in the repository root

from judging.folds import FOLDS, large_classes, make_folds
from judging.labels import encode, label_songs, read_label_table
from process_results import audit_labels
from runs.vectors import add_vectors_argument, read_vectors
from utils import EXIT_DONE, UserError, command, plural, positive_float, positive_int, printable, script_parser

LOOKED_AT = 0.1  # of the list: what a person may have the patience for
HIGH = (0.75, 0.9)  # probabilities: from each to the next one, or to 1
COLUMNS = ("audit", "neighbours alone", "classifier alone", "random order")


def swap_labels(labels: list[str], share: float, random: np.random.Generator) -> tuple[list[str], np.ndarray]:
    """Return the labels with a share of them replaced by another one, and the rows that were, (swapped,) int64.

    Raises ValueError where the share is no row or all of them, or where there is one label only.
    """
    classes, codes = encode(labels)
    count = round(share * len(labels))
    if not 0 < count < len(labels) or len(classes) < 2:
        what = f"{count} of {len(labels)} tracks of {plural(len(classes), 'label')}"
        raise ValueError(f"{what} cannot be swapped; take another --share")
    swapped = random.choice(len(labels), count, replace=False)
    codes[swapped] = (codes[swapped] + random.integers(1, len(classes), count)) % len(classes)
    return [classes[code] for code in codes], swapped


def shares_found(found: audit_labels.Audit, swapped: np.ndarray) -> list[float]:
    """Return the share of the swapped rows in the first tenth of each list of COLUMNS."""
    first = math.ceil(LOOKED_AT * len(found.codes))
    ways = (found.probabilities, found.by_neighbours, found.by_classifier)
    lists = (audit_labels.most_surprising(way, found.codes)[:first] for way in ways)
    return [float(np.isin(swapped, rows).mean()) for rows in lists] + [first / len(found.codes)]


def count_high(found: audit_labels.Audit, swapped: np.ndarray) -> np.ndarray:
    """Return the number of tracks with a probability in each step of HIGH, and of swapped ones: (steps, 2) int."""
    probability = audit_labels.doubt(found.probabilities, found.codes)
    edges = [*HIGH, np.inf]
    return np.array([np.histogram(rows, edges)[0] for rows in (probability, probability[swapped])]).T


def build_parser():
    parser = script_parser(__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder of spectrogram_doc2vec.py")
    parser.add_argument("labels", type=Path, metavar="LABELS.csv", help="table with the column filename and a label")
    parser.add_argument("--label-column", default="genre", metavar="NAME", help="column that holds the labels")
    add_vectors_argument(parser)
    parser.add_argument("--group-column", metavar="NAME", help="column of what does not speak for itself, e.g. artist")
    parser.add_argument("--draws", type=positive_int, default=10, metavar="N", help="how often labels are swapped")
    parser.add_argument("--share", type=positive_float, default=0.05, metavar="X", help="share of labels swapped")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of swaps and folds")
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    table = read_label_table(arguments.labels)
    run = read_vectors(arguments.run, arguments.vectors)
    labelled = label_songs(table, run.names, arguments.label_column, arguments.group_column)
    print(printable(f"vectors: {run}"))
    print(printable(labelled.summary()))
    kept, small = large_classes(labelled.labels, labelled.groups)  # as the audit itself leaves them out
    if small:
        print(printable(f"left out: labels with fewer than {FOLDS} tracks, or groups: {', '.join(small)}"))
    rows = np.flatnonzero(kept)
    vectors, right_labels = run.vectors[labelled.songs[rows]], [labelled.labels[row] for row in rows]
    groups = None if labelled.groups is None else [labelled.groups[row] for row in rows]
    print(f"{'found in the first tenth':<26}" + "".join(f"{name:>18}" for name in COLUMNS))
    draws, high = [], np.zeros((len(HIGH), 2), np.int64)
    for draw in range(arguments.draws):
        random = np.random.default_rng((arguments.seed % 2**64, draw))
        try:
            labels, swapped = swap_labels(right_labels, arguments.share, random)
            folds = make_folds(labels, groups, arguments.seed)
            found = audit_labels.audit(vectors, labels, folds, groups)
        except ValueError as error:
            raise UserError(f"{arguments.labels}: column {arguments.label_column!r}: {error}") from None
        draws.append(shares_found(found, swapped))
        high += count_high(found, swapped)
        print(f"{f'draw {draw + 1}, {len(swapped)} swapped':<26}" + "".join(f"{x:>18.3f}" for x in draws[-1]))
    print(f"{'mean':<26}" + "".join(f"{x:>18.3f}" for x in np.mean(draws, axis=0)))
    for low, top, (tracks, wrong) in zip(HIGH, (*HIGH[1:], 1), high, strict=True):
        print(f"probability {low} to {top}: {plural(tracks, 'track')} of all draws, {wrong:,} of them swapped")
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
