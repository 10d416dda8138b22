"""Long runs and many short ones: neither memory nor the number of open files grows."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from torture.house import MODEL, build
from torture.running import TRAIN, command, finish, run, start
from torture.tally import Tally
from utils import ROOT

NAME = "soak"
WARM_UP = 0.3  # of the time, in which pools, threads and caches come to their size
MOST_GROWTH = 0.05  # of the memory, over the rest
LOOK_SECONDS = 0.5
ROUNDS = 200
# Many short runs in one process, as a program that uses our scripts as modules would have them
SHORT_RUNS = """
import contextlib, gc, io, json, os, sys
music, mels, run, frames, labels, out, rounds = sys.argv[1:]
from process_results import audit_labels, check_run, export_vectors, find_similar, labels_from_tags, plot_costs
import spectrify_all

def memory():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

seen = []
for number in range(int(rounds)):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        codes = [
            spectrify_all.main([music, mels, "--set", "mel_bins=12", "--quiet"]),
            spectrify_all.main([music, f"{out}/mels {number % 3}", "--jobs", "1", "--overwrite", "--quiet"]),
            labels_from_tags.main([music, f"{out}/tags.csv"]),
            find_similar.main([run, "--track", "01", "--m3u8", f"{out}/x.m3u8", "--audio-folder", music]),
            export_vectors.main([run, "--format", "csv", "--overwrite", "--output", f"{out}/v.csv"]),
            plot_costs.main([run, "--output", f"{out}/c.png"]),
            check_run.main([run]),
            spectrify_all.main([music, f"{out}/mels", "--set", "mel_bins=none"]),  # refused
        ]
    assert codes == [0] * 7 + [1], codes
    gc.collect()  # a figure of matplotlib waits for it: circles of objects, some MB each
    seen.append((memory(), len(os.listdir("/proc/self/fd"))))
json.dump(seen, sys.stdout)
"""


def attack(tally: Tally, generator: random.Random, folder: Path, count: int, seconds: float) -> None:
    house = build(folder / "house")
    rounds = max(10, min(ROUNDS, count, int(seconds / 2)))
    argv = [house.music, house.mels, house.run, house.frames, house.labels, folder, rounds]
    begun = time.monotonic()
    done = run([sys.executable, "-c", SHORT_RUNS, *map(str, argv)], max(600.0, 4 * seconds), env=_environment())
    tally.check(done.exit_code == 0, f"{rounds} rounds of eight short runs: {done}")
    if done.exit_code == 0:
        judge(tally, np.array(json.loads(done.out)), f"{rounds} rounds of eight short runs in one process")
    left = max(20.0, seconds - (time.monotonic() - begun))
    _train(tally, house.mels, folder / "soaked run", left)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def _train(tally: Tally, mels: Path, out: Path, seconds: float) -> None:
    """Train for so long, with a save every other second, and look at the process meanwhile."""
    settings = [*MODEL, "--set", "pairs_per_save=20000", "--forever", "--max-minutes", f"{seconds / 60:.3f}", "--quiet"]
    process = start(command(TRAIN, mels, out, *settings))
    seen = []
    while process.poll() is None and len(seen) < 4 * seconds / LOOK_SECONDS + 600:
        with contextlib.suppress(OSError, ValueError):
            pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
            if pages and (out / "epoc_num.txt").exists():  # it has not ended, and start-up and compiling are over
                seen.append((pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir(f"/proc/{process.pid}/fd"))))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LOOK_SECONDS)
    done = finish(process, 120.0)
    tally.check(done.exit_code == 0 and not done.has_traceback, f"a training of {seconds:.0f} s: {done}")
    saves = int((out / "epoc_num.txt").read_text()) if (out / "epoc_num.txt").exists() else 0
    judge(tally, np.array(seen), f"a training of {done.seconds:.0f} s, {saves} saves")


def judge(tally: Tally, seen: np.ndarray, what: str) -> None:
    """Memory and open files, (looks, 2), must not grow after the warm-up."""
    rest = seen[int(WARM_UP * len(seen)) :]
    if not tally.check(len(rest) >= 4, f"{what}: seen {len(seen)} times only"):
        return
    memory = rest[:, 0].astype(float)
    slope = np.polyfit(np.arange(len(memory)), memory, 1)[0]
    growth = slope * len(memory) / memory.mean()
    told = f"{what}: {memory.mean() / 1e6:.0f} MB, {growth:+.1%} over the last {1 - WARM_UP:.0%} of it"
    files = f"{rest[0, 1]} open files at its beginning, {rest[-1, 1]} at its end, {rest[:, 1].max()} at most"
    tally.note(f"{told}; {files}")
    tally.check(growth < MOST_GROWTH, f"{told}: {memory.astype(int).tolist()}")
    half = len(rest) // 2
    grown = rest[half:, 1].max() > rest[:half, 1].max()
    tally.check(not grown, f"{what}: more open files: {rest[:, 1].tolist()}")
