"""Measure how often a track's nearest ones have its label.

    python tests/benchmarks/similarity.py RUN MEL_FOLDER LABELS.csv --label-column genre --group-column artist

Reads   RUN, the run folder of spectrogram_doc2vec.py; MEL_FOLDER, which it was trained on; LABELS.csv with the column
        filename, the labels, and groups of tracks that are alike for another reason than their label.
Writes  nothing. Prints the precision at 10: of the 10 nearest other tracks of each labelled one, the share that has
        its label. Among all tracks, among those of other groups, and with at most 2 of a group; by the song vectors,
        by mutual proximity, which corrects hubs, by MFCC statistics (standardised), and by chance.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the shared modules lie in the repository root

from mutual_proximity import describe_collection, mutual_matches

from judging.baselines import mfcc_statistics
from judging.labels import encode, label_songs, read_label_table
from judging.vector_search import best_matches
from mels.mel_folder import read_mel
from runs.vectors import add_vectors_argument, read_vectors
from utils import EXIT_DONE, command, script_parser

NEAREST = 10
MOST_OF_A_GROUP = 2

Order = Callable[[int], np.ndarray]  # all tracks, the nearest of one first


def by_cosine(vectors: np.ndarray) -> Order:
    return lambda row: best_matches(vectors, vectors[row], len(vectors))[0]


def by_mutual_proximity(vectors: np.ndarray) -> Order:
    collection = describe_collection(vectors)
    return lambda row: mutual_matches(vectors, vectors[row], len(vectors), collection)[0]


def precisions(order: Order, codes: np.ndarray, groups: np.ndarray) -> list[float]:
    """Return the precision at 10: among all tracks, those of other groups, at most 2 of a group, and both.

    codes, groups  (tracks,) int64.
    """
    hits: list[list[float]] = [[], [], [], []]
    for row in range(len(codes)):
        near = order(row)
        near = near[near != row]
        others = near[groups[near] != groups[row]]
        lists = near, others, at_most(near, groups), at_most(others, groups)
        for found, some in zip(hits, lists, strict=True):
            if len(some):
                found.append(float((codes[some[:NEAREST]] == codes[row]).mean()))
    return [float(np.mean(found)) for found in hits]


def at_most(near: np.ndarray, groups: np.ndarray) -> np.ndarray:
    kept, seen = [], Counter()
    for row in near:
        if seen[groups[row]] < MOST_OF_A_GROUP and len(kept) < NEAREST:
            seen[groups[row]] += 1
            kept.append(row)
    return np.array(kept, np.int64)


def print_quality(arguments: argparse.Namespace) -> None:
    found = read_vectors(arguments.run, arguments.vectors)
    table = read_label_table(arguments.labels)
    labelled = label_songs(table, found.names, arguments.label_column, arguments.group_column)
    codes = encode(labelled.labels)[1]
    groups = np.arange(len(codes)) if labelled.groups is None else encode(labelled.groups)[1]
    vectors = found.vectors[labelled.songs]
    mels = (read_mel(arguments.mel_folder / found.names[song]) for song in labelled.songs)
    mfcc = np.stack([mfcc_statistics(mel) for mel in mels])
    mfcc = (mfcc - mfcc.mean(axis=0)) / np.maximum(mfcc.std(axis=0), 1e-9)
    draws = np.random.default_rng(arguments.seed)
    ways = {
        "song vectors": by_cosine(vectors),
        "song vectors, mutual proximity": by_mutual_proximity(vectors),
        "MFCC statistics": by_cosine(mfcc),
        "MFCC statistics, mutual proximity": by_mutual_proximity(mfcc),
        "chance": lambda row: draws.permutation(len(codes)),
    }
    print(f"{found}, {labelled.summary()}")
    print(f"{'precision at 10':<36}{'all':>8}{'other groups':>14}{'at most 2':>11}{'both':>8}")
    for name, order in ways.items():
        everything, others, few, both = precisions(order, codes, groups)
        print(f"{name:<36}{everything:>8.3f}{others:>14.3f}{few:>11.3f}{both:>8.3f}", flush=True)


def build_parser() -> argparse.ArgumentParser:
    parser = script_parser(__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder")
    parser.add_argument("mel_folder", type=Path, metavar="MEL_FOLDER", help="its mel folder")
    parser.add_argument("labels", type=Path, metavar="LABELS.csv", help="label table")
    parser.add_argument("--label-column", default="label", metavar="COLUMN", help="column of the labels")
    parser.add_argument("--group-column", metavar="COLUMN", help="column of the groups (default: each its own)")
    add_vectors_argument(parser)
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of chance")
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    print_quality(build_parser().parse_args(argv))
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
