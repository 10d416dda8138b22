"""Measure how often what find_similar.py names has the label of the track that was asked for.

    python tests/benchmarks/similar.py RUN MEL_FOLDER LABELS.csv --label-column genre --max-per artist

Reads   RUN, the run folder of spectrogram_doc2vec.py; the mel folder that it was trained on; LABELS.csv with the column
        filename and the labels, and with --max-per that column.
Writes  nothing. Prints precision at 10, the mean share of the ten hits that carry the seed's label, over all labelled
        tracks: by song vectors plain, with at most one hit of each value of --max-per, and corrected for hubs by CSLS;
        by MFCC statistics, standardised, plain and with --max-per; and by chance.

With --max-per no hit is of the seed's own value either: tracks of one artist are alike for more reasons than the label.

Reference: Lample et al. 2018, Word translation without parallel data (CSLS).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the shared modules lie in the repository root

from judging import picks
from judging.baselines import mfcc_statistics
from judging.labels import column_values, encode, read_label_table
from judging.neighbours import directions
from mels.mel_folder import read_mel
from runs.vectors import read_song_vectors
from utils import EXIT_DONE, command, plural, script_parser

TOP = 10
NEIGHBOURHOOD = 10  # tracks whose mean cosine CSLS takes off


def precision(scores: np.ndarray, labels: np.ndarray, kinds: list[str] | None = None) -> float:
    """Return the mean share of the seed's label among the TOP hits of each track.

    scores  (tracks, tracks), larger is nearer.
    kinds   value of each track, of which the hits have at most one each and never the seed's; None for no limit.
    """
    shares = []
    for seed, row in enumerate(scores):
        order = np.argsort(-row, kind="stable")
        candidates = ((other, row[other]) for other in order.tolist() if other != seed)
        rules = []
        if kinds is not None:
            rules = [picks.AtMost(kinds, 1)]
            rules[0].take(seed)
        hits, _ = picks.pick(candidates, TOP, rules=rules)
        shares.append(np.mean(labels[hits] == labels[seed]))
    return float(np.mean(shares))


def without_hubs(cosines: np.ndarray) -> np.ndarray:
    """Return CSLS: twice the cosine, less how near each of the two is to its own neighbours."""
    others = cosines - 4 * np.eye(len(cosines))
    near = np.sort(others, axis=1)[:, -NEIGHBOURHOOD:].mean(axis=1)
    return 2 * cosines - near[:, None] - near[None]


def build_parser():
    parser = script_parser(__doc__)
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("mels", type=Path, metavar="MEL_FOLDER")
    parser.add_argument("labels", type=Path, metavar="LABELS.csv")
    parser.add_argument("--label-column", default="genre", metavar="NAME")
    parser.add_argument("--max-per", metavar="COLUMN")
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    run = read_song_vectors(arguments.run)
    columns = [arguments.label_column, *([arguments.max_per] if arguments.max_per else [])]
    values = column_values(read_label_table(arguments.labels), run.names, columns)
    rows = [row for row, label in enumerate(values[arguments.label_column]) if label]
    classes, labels = encode([values[arguments.label_column][row] for row in rows])
    kinds = [values[arguments.max_per][row] for row in rows] if arguments.max_per else None
    described = np.stack([mfcc_statistics(read_mel(arguments.mels / run.names[row])) for row in rows])
    deviations = described.std(axis=0)
    described = (described - described.mean(axis=0)) / np.where(deviations > 0, deviations, 1)
    of_run, of_mfcc = (d @ d.T for d in (directions(run.vectors[rows]), directions(described)))
    shares = np.bincount(labels) / len(labels)

    print(f"{arguments.run}: {plural(len(rows), 'track')}, {plural(len(classes), 'label')}; precision at {TOP}")
    lines = [("song vectors", of_run, None), ("song vectors, CSLS", without_hubs(of_run), None)]
    lines += [("MFCC statistics", of_mfcc, None), ("MFCC statistics, CSLS", without_hubs(of_mfcc), None)]
    if kinds is not None:
        one = f"one of each {arguments.max_per}"
        lines += [(f"song vectors, {one}", of_run, kinds), (f"song vectors, CSLS, {one}", without_hubs(of_run), kinds)]
        lines += [(f"MFCC statistics, {one}", of_mfcc, kinds)]
    for name, scores, limit in lines:
        print(f"{name:<50} {precision(scores, labels, limit):.3f}")
    print(f"{'chance':<50} {np.sum(shares**2):.3f}")
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
