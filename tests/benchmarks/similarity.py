"""Measure how often a track's nearest ones have its label, and how long it takes to find them.

    python tests/benchmarks/similarity.py RUN MEL_FOLDER LABELS.csv --label-column genre --group-column artist
    python tests/benchmarks/similarity.py --timings 100000 1000000

Reads   RUN, the run folder of spectrogram_doc2vec.py; MEL_FOLDER, which it was trained on; LABELS.csv with the column
        filename, the labels, and groups of tracks that are alike for another reason than their label.
Writes  nothing. Prints the precision at 10: of the 10 nearest other tracks of each labelled one, the share that has
        its label. Among all tracks, among those of other groups, and with at most 2 of a group; by the song vectors,
        by mutual proximity, which corrects hubs, by MFCC statistics (standardised), and by chance. Or how long
        vector_search takes, the index, and the whole of find_similar.py where it is there, on as many synthetic
        vectors of 80 numbers; by the clock, and of all cores together: on a busy machine these count.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the shared modules lie in the repository root

from judging.baselines import mfcc_statistics
from judging.labels import encode, label_songs, read_label_table
from judging.mutual_proximity import describe_collection, mutual_matches
from judging.vector_index import WORTH_AN_INDEX, build_index, open_index
from judging.vector_search import best_matches
from mels.mel_folder import read_mel
from runs import run_folder
from runs.vectors import add_vectors_argument, read_vectors
from utils import EXIT_DONE, ROOT, UserError, command, positive_int, script_parser

NEAREST = 10
MOST_OF_A_GROUP = 2
DIMS, KINDS = 80, 200  # of synthetic vectors
REPEATS = 5  # of each timing: the quickest is shown

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


def timed(name: str, work: Callable[[], object], repeats: int = REPEATS) -> None:
    seconds, cpu = [], []
    for _ in range(repeats):
        started, before = time.monotonic(), time.process_time()
        work()
        seconds.append(time.monotonic() - started)
        cpu.append(time.process_time() - before)
    print(f"  {name:<44}{min(seconds):>9.3f}{min(cpu):>9.3f}", flush=True)


def print_timings(tracks: int, seed: int) -> None:
    print(f"{f'{tracks:,} x {DIMS}':<46}{'seconds':>9}{'CPU':>9}")
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        run.mkdir()
        draws = np.random.default_rng(seed)
        kinds = draws.standard_normal((KINDS, DIMS), np.float32)
        vectors = kinds[draws.integers(0, KINDS, tracks)] + draws.standard_normal((tracks, DIMS), np.float32)
        names = [f"{track // 1000:04}/{track:07}.mp3.npy" for track in range(tracks)]
        run_folder.commit_save(run, 1, vectors, {}, [run_folder.CostRow(1, 2.0, 2.1, 9, 3.0)], b"seed: 0\n", 5, names)
        vectors = np.load(run_folder.vectors_path(run, 1), mmap_mode="r")
        timed("best_matches, memory-mapped", lambda: best_matches(vectors, vectors[7], NEAREST))
        timed(
            "mutual_matches, memory-mapped",
            lambda: mutual_matches(vectors, vectors[7], NEAREST, describe_collection(vectors)),
        )
        if tracks >= WORTH_AN_INDEX:
            path = Path(folder) / "run.faiss"
            timed("build_index", lambda: build_index(path, vectors), 1)
            index = open_index(path, vectors)
            timed(f"its best_matches, recall {index.recall:.3f}", lambda: index.best_matches(vectors, vectors[7], 10))
        script = ROOT / "process_results" / "find_similar.py"
        if script.exists():
            argv = [sys.executable, str(script), str(run), "--track", names[7].removesuffix(".npy")]
            timed(
                "find_similar.py, whole (CPU: not counted)",
                lambda: subprocess.run(argv, check=True, stdout=subprocess.DEVNULL),
            )


def build_parser() -> argparse.ArgumentParser:
    parser = script_parser(__doc__)
    parser.add_argument("run", type=Path, nargs="?", metavar="RUN", help="run folder")
    parser.add_argument("mel_folder", type=Path, nargs="?", metavar="MEL_FOLDER", help="its mel folder")
    parser.add_argument("labels", type=Path, nargs="?", metavar="LABELS.csv", help="label table")
    parser.add_argument("--label-column", default="label", metavar="COLUMN", help="column of the labels")
    parser.add_argument("--group-column", metavar="COLUMN", help="column of the groups (default: each its own)")
    add_vectors_argument(parser)
    parser.add_argument("--timings", type=positive_int, nargs="+", metavar="N", help="synthetic vectors to search")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of chance and of synthetic vectors")
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    if arguments.labels:
        print_quality(arguments)
    elif not arguments.timings:
        raise UserError("nothing to measure; name RUN MEL_FOLDER LABELS.csv, or --timings 100000")
    for tracks in arguments.timings or ():
        print_timings(tracks, arguments.seed)
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
