"""Measure how long find_similar.py takes, the whole process, on as many random vectors as wanted.

    python tests/benchmarks/similar_speed.py --tracks 100000

Writes  nothing that stays. Prints for each way of asking the wall time and the processor time of the best of three
        processes, Python's start included; the first line is Python that imports numpy and ends.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the shared modules lie in the repository root

from runs.run_folder import SAVE_NUMBER_NAME, SONG_LIST_NAME, encode_names, vectors_path
from utils import EXIT_DONE, ROOT, command, positive_int, script_parser

DIMS = 80
TIMES = 3


def write_run(run: Path, tracks: int) -> list[str]:
    """Write a run folder of random vectors; return its tracks' names."""
    names = sorted(f"artist {i % 997:04}/album {i % 10}/{i:07} a song.mp3.npy" for i in range(tracks))
    run.mkdir()
    np.save(vectors_path(run, 1), np.random.default_rng(0).standard_normal((tracks, DIMS), np.float32))
    (run / SONG_LIST_NAME).write_bytes(encode_names(names))
    (run / SAVE_NUMBER_NAME).write_text("1\n")
    return names


def measure(argv: list) -> tuple[float, float]:
    """Return wall and processor seconds of the best of some runs."""
    found = []
    for _ in range(TIMES):
        before, started = os.times(), time.monotonic()
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wall, after = time.monotonic() - started, os.times()
        used = after.children_user + after.children_system - before.children_user - before.children_system
        found.append((wall, used))
    return min(wall for wall, _ in found), min(used for _, used in found)


def build_parser():
    parser = script_parser(__doc__)
    parser.add_argument("--tracks", type=positive_int, default=100_000, metavar="N")
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    tracks = build_parser().parse_args(argv).tracks
    with tempfile.TemporaryDirectory() as folder:
        run, labels = Path(folder) / "run", Path(folder) / "labels.csv"
        names = write_run(run, tracks)
        with labels.open("w", newline="") as file:
            rows = ((name[:-4], f"genre {i % 20}", name[:11]) for i, name in enumerate(names))
            csv.writer(file).writerows([("filename", "genre", "artist"), *rows])
        script = [sys.executable, ROOT / "process_results" / "find_similar.py", run]
        one = ["--track", names[0]]
        ways = {
            "import numpy": [sys.executable, "-c", "import numpy"],
            "--track": [*script, *one],
            "--track --exclude": [*script, *one, "--exclude", "album 7"],
            "--track --labels --within --max-per": [
                *script, *one, "--labels", labels, "--within", "genre=genre 3", "--max-per", "artist", "1"
            ],
            "--path": [*script, "--path", names[0], names[-1]],
        }  # fmt: skip
        print(f"{tracks:,} x {DIMS}: seconds by the clock, of the processor")
        for way, words in ways.items():
            wall, used = measure(words)
            print(f"{way:<40} {wall:6.2f} {used:6.2f}", flush=True)
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
