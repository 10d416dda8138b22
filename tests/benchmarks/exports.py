"""Measure export_vectors.py on a synthetic run: seconds and memory of each format, beside those of only reading it.

    python tests/benchmarks/exports.py [--tracks 1000000] [--dims 80]

Memory is the greatest of the process (RSS). Asserts nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))  # the shared modules

from process_results.export_vectors import FORMATS
from runs import repair, run_folder
from utils import ROOT

READ_ONLY = "import sys; from pathlib import Path; from runs.vectors import read_vectors; "
READ_ONLY += "found = read_vectors(Path(sys.argv[1]), None)"


def write_run(folder: Path, tracks: int, dims: int) -> None:
    names = [f"kind {track % 25:02d}/a track of some length {track:07d}.mp3.npy" for track in range(tracks)]
    vectors = np.random.default_rng(0).standard_normal((tracks, dims), np.float32)
    repair.prepare(folder)
    run_folder.commit_save(folder, 1, vectors, {}, [run_folder.CostRow(1, 1, 1, 1, 1)], b"seed: 0\n", 5, sorted(names))


def measure(argv: list[str]) -> tuple[float, float]:
    """Return the seconds and the greatest memory, in MB, of a Python of its own."""
    began = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    _, status, usage = os.wait4(os.spawnve(os.P_NOWAIT, sys.executable, [sys.executable, *argv], environment), 0)
    if status:
        raise SystemExit(f"failed: {argv}")
    return time.monotonic() - began, usage.ru_maxrss / 1024


def size_mb(path: Path) -> float:
    return sum(file.stat().st_size for file in (path.iterdir() if path.is_dir() else [path])) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, default=1_000_000)
    parser.add_argument("--dims", type=int, default=80)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run, output = Path(folder) / "run", Path(folder) / "out"
        output.mkdir()
        write_run(run, arguments.tracks, arguments.dims)
        print(f"{'format':12}{'seconds':>10}{'memory MB':>12}{'file MB':>10}")
        seconds, memory = measure(["-c", READ_ONLY, str(run)])
        print(f"{'read only':12}{seconds:10.1f}{memory:12.0f}")
        for kind in FORMATS:
            script = str(ROOT / "process_results/export_vectors.py")
            seconds, memory = measure([script, str(run), "--format", kind, "--output", str(output / kind)])
            print(f"{kind:12}{seconds:10.1f}{memory:12.0f}{size_mb(output / kind):10.0f}", flush=True)


if __name__ == "__main__":
    main()
