"""Measure what dask costs: spectrify_all.py by its workers on this machine against joblib's, and a scheduler's memory.

    python tests/benchmarks/on_dask.py AUDIO_FOLDER --jobs 2 --rounds 3 --tiny 20000

Prints seconds of wall and of all processors, the better round of each, taken in turn; the ratio holds on a busy machine
too. Then a scheduler and two workers do as many batches that hold nothing as --tiny says, with so many in flight as 2
and as 512 workers would have, and the scheduler's memory is read before and after. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]  # the shared modules lie in the repository root

from cluster import cluster

from mels import on_dask
from mels.on_worker import Work

PR_SET_CHILD_SUBREAPER = 36  # processes whose parents have ended become ours, and their seconds are counted


def seconds_of(argv: list) -> tuple[float, float]:
    """Run a command; return its seconds by the clock, and those of the processors in all of its processes."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    wall = time.monotonic() - started
    while True:  # whom it has left behind
        try:
            os.wait()
        except ChildProcessError:
            break
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def compare(audio: Path, jobs: int, rounds: int) -> None:
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    found: dict[str, list[tuple[float, float]]] = {"joblib": [], "dask": []}
    for _ in range(rounds):
        for name, flags in (("joblib", []), ("dask", ["--scheduler", "local"])):
            with tempfile.TemporaryDirectory() as folder:
                argv = [sys.executable, ROOT / "spectrify_all.py", audio, Path(folder) / "mels", "--jobs", str(jobs)]
                found[name].append(seconds_of([*argv, "--quiet", *flags]))
    for name, times in found.items():
        wall, processors = (min(column) for column in zip(*times, strict=True))
        print(f"{name:8} {wall:8.1f} s wall {processors:8.1f} s of processors")
    theirs, ours = (zip(*found[name], strict=True) for name in ("dask", "joblib"))
    ratios = [min(a) / min(b) for a, b in zip(theirs, ours, strict=True)]
    print(f"dask / joblib: {ratios[0]:.2f} wall, {ratios[1]:.2f} processors")


def nothing(batch: list, _require_lock: object) -> tuple[int, list[str]]:
    """What is done with a batch that is to cost nothing. Runs in a worker."""
    return len(batch), []


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def measure_scheduler(tiny: int) -> None:
    work = Work("tests.benchmarks.on_dask:nothing", (), ())
    with tempfile.TemporaryDirectory() as folder, cluster(Path(folder) / "cluster", 2) as made:
        for workers in (2, 512):
            on_dask.BATCHES_A_WORKER = 3 * workers // 2
            before, most, started = resident_mb(made.scheduler.pid), 0.0, time.monotonic()
            batches = ([f"a folder/of a name as long as they are, {place}.flac"] * 4 for place in range(tiny))
            results = on_dask.run_on_dask(made.address, None, work, batches, lambda item, why: 0)
            for place, _ in enumerate(results):
                if place % 500 == 0:
                    most = max(most, resident_mb(made.scheduler.pid))
            rate = tiny / (time.monotonic() - started)
            print(f"{tiny:,} batches, {3 * workers:,} in flight: {rate:.0f} a second, ", end="")
            print(f"the scheduler {before:.0f} MB before, {most:.0f} at most")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("audio", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiny", type=int, default=20_000)
    arguments = parser.parse_args()
    compare(arguments.audio, arguments.jobs, arguments.rounds)
    measure_scheduler(arguments.tiny)


if __name__ == "__main__":
    main()
