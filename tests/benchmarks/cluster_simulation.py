"""Simulate a cluster where a formula would be a guess: stragglers, workers that die, a shared disk, averaging in step.

    python tests/benchmarks/cluster_simulation.py --picture docs/scaling.png

Map stage: batches of four songs go to workers, a few in flight for each. A worker reads its batch from one disk that
all share, works, and writes; a worker that dies loses what it had in flight, which others do, and is back later.
Efficiency is what the songs take on so many cores of the usual speed with a disk of no cost, over what was simulated.
Training: each worker does some steps, then all wait for the slowest, and their states are averaged around a ring.
The rates are those of README.md's machine; what the cluster is like is assumed, and every number is a flag.
"""

from __future__ import annotations

import heapq
import sys
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the shared modules lie in the repository root

from utils import EXIT_DONE, command, positive_float, positive_int, script_parser

BATCH_SONGS = 4
MOST_KILLS = 3  # a batch that has killed so many workers is given up
JITTER = 0.3  # deviation of the logarithm of what a batch, or a step, takes
WORKERS = (2, 8, 64, 512)
INTERVALS = (1, 4, 16, 64, 256)  # steps between two averages
ROUNDS = 300


@dataclass(frozen=True)
class Cluster:
    """What a map stage runs on."""

    slow_share: float = 0.0  # of the workers are so many times slower
    slowness: float = 3.0
    deaths_an_hour: float = 0.0  # of each worker
    back_after: float = 120.0  # seconds
    disk: float = np.inf  # bytes a second, of all workers together
    in_flight: int = 3  # batches a worker


@dataclass(frozen=True)
class MapRun:
    seconds: float
    redone: int  # batches that were lost and done again
    failed: int  # batches that were given up


def simulate_map(
    workers: int, batches: int, song_seconds: float, song_bytes: float, cluster: Cluster, seed: int
) -> MapRun:
    """Return how a map stage of batches of four songs goes. The disk serves one request after another."""
    draws = np.random.default_rng(seed)
    speed = np.where(draws.random(workers) < cluster.slow_share, cluster.slowness, 1.0)
    death = np.inf if not cluster.deaths_an_hour else 3600 / cluster.deaths_an_hour
    dies = draws.exponential(death, workers) if np.isfinite(death) else np.full(workers, np.inf)
    waiting, kills = deque(range(batches)), {}
    held: list[deque[int]] = [deque() for _ in range(workers)]  # in flight, the first is worked on
    idle, disk_free, now, left, redone, failed = set(range(workers)), 0.0, 0.0, batches, 0, 0
    events = [(when, worker, "dies") for worker, when in enumerate(dies.tolist()) if np.isfinite(when)]
    heapq.heapify(events)
    epoch = [0] * workers  # so that what a dead worker would have finished is passed over

    def feed(worker: int) -> None:
        nonlocal disk_free
        while waiting and len(held[worker]) < cluster.in_flight:
            held[worker].append(waiting.popleft())
        if held[worker] and worker in idle:
            idle.discard(worker)
            disk_free = max(disk_free, now) + BATCH_SONGS * song_bytes / cluster.disk
            work = BATCH_SONGS * song_seconds * speed[worker] * draws.lognormal(-(JITTER**2) / 2, JITTER)
            heapq.heappush(events, (max(disk_free, now) + work, worker, epoch[worker]))

    for worker in range(workers):
        feed(worker)
    while left:
        now, worker, what = heapq.heappop(events)
        if what == "dies":
            lost = held[worker]
            if lost:
                kills[lost[0]] = kills.get(lost[0], 0) + 1
            kept = [batch for batch in lost if kills.get(batch, 0) < MOST_KILLS]
            failed, left, redone = failed + len(lost) - len(kept), left - len(lost) + len(kept), redone + len(kept)
            waiting.extendleft(reversed(kept))
            held[worker], epoch[worker] = deque(), epoch[worker] + 1
            idle.discard(worker)
            heapq.heappush(events, (now + cluster.back_after, worker, "back"))
        elif what == "back":
            idle.add(worker)
            heapq.heappush(events, (now + draws.exponential(death), worker, "dies"))
        elif what == epoch[worker]:
            held[worker].popleft()
            left -= 1
            idle.add(worker)
        for each in sorted(idle) if waiting else [worker]:
            feed(each)
    return MapRun(now, redone, failed)


@dataclass(frozen=True)
class Training:
    """What is averaged, over which network."""

    step_seconds: float
    state_bytes: float
    network: float  # bytes a second of each worker's line
    latency: float  # seconds of a message
    slow_rounds: float  # share of a worker's rounds that take three times as long


def averaging_efficiency(workers: int, steps: int, training: Training, seed: int) -> float:
    """Return which part of the time workers compute who average their states after so many steps.

    An average around a ring sends 2 (n - 1) / n of the state over each line, in 2 (n - 1) messages.
    """
    draws = np.random.default_rng(seed)
    of_steps = draws.lognormal(-(JITTER**2) / 2, JITTER, (ROUNDS, workers, steps)).sum(axis=2)
    of_steps *= training.step_seconds * np.where(draws.random((ROUNDS, workers)) < training.slow_rounds, 3.0, 1.0)
    sent = 2 * (workers - 1) * (training.state_bytes / workers / training.network + training.latency)
    return float(ROUNDS * steps * training.step_seconds / (of_steps.max(axis=1) + sent).sum())


def map_table(arguments) -> dict[str, list[float]]:
    """Print and return the efficiency of the map stage in each kind of cluster, for each number of workers."""
    song_bytes = arguments.song_bytes
    clusters = {
        "all alike, disk of no cost": Cluster(),
        "a tenth three times slower": Cluster(slow_share=0.1),
        "each dies every two hours": Cluster(deaths_an_hour=0.5),
        "disk of 1 GB/s": Cluster(disk=1e9),
        "disk of 100 MB/s": Cluster(disk=1e8),
        "all of it, 1 GB/s": Cluster(0.1, deaths_an_hour=0.5, disk=1e9),
    }
    print(f"{'efficiency of a map stage':32}" + "".join(f"{workers:>8}" for workers in WORKERS) + "   redone  failed")
    table = {}
    for name, cluster in clusters.items():
        runs = {}
        for workers in WORKERS:
            batches = arguments.batches * workers
            runs[workers] = simulate_map(workers, batches, arguments.song_seconds, song_bytes, cluster, arguments.seed)
        ideal = arguments.batches * BATCH_SONGS * arguments.song_seconds
        table[name] = [ideal / run.seconds for run in runs.values()]
        last = runs[WORKERS[-1]]
        shown = "".join(f"{100 * value:>7.0f}%" for value in table[name])
        print(f"{name:32}{shown}{last.redone:>9,}{last.failed:>8,}", flush=True)
    return table


def averaging_table(arguments) -> dict[str, list[float]]:
    """Print and return the efficiency of training, by workers and steps between two averages."""
    line = (arguments.network, arguments.latency, arguments.slow_rounds)
    training = Training(arguments.step_seconds, arguments.state_bytes, *line)
    print(f"\n{'efficiency of averaging every':32}" + "".join(f"{steps:>8}" for steps in INTERVALS) + " steps")
    table = {}
    for workers in (2, 4, 16, 64):
        name = f"{workers} workers"
        table[name] = [averaging_efficiency(workers, steps, training, arguments.seed) for steps in INTERVALS]
        print(f"{name:32}" + "".join(f"{100 * value:>7.0f}%" for value in table[name]), flush=True)
    return table


def draw(path: Path, of_map: dict[str, list[float]], of_averaging: dict[str, list[float]]) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained", sharey=True)
    panels = [
        (WORKERS, of_map, "Map stage", "workers"),
        (INTERVALS, of_averaging, "Training", "steps between averages"),
    ]
    for axis, (x, table, title, label) in zip(axes, panels, strict=True):
        for name, values in table.items():
            axis.plot(x, values, marker="o", markersize=3, linewidth=1.2, label=name)
        axis.set_xscale("log", base=2)
        axis.set_xticks(x, [str(each) for each in x])
        axis.set(title=title, xlabel=label, ylim=(0, 1.05))
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7, loc="lower left" if title == "Map stage" else "lower right")
    axes[0].set_ylabel("efficiency (simulated)")
    figure.savefig(path, dpi=110)


def build_parser():
    parser = script_parser(__doc__)
    add = parser.add_argument
    add("--batches", type=positive_int, default=200, metavar="N", help="of four songs, for each worker")
    add("--song-seconds", type=positive_float, default=1.2, help="CPU of a song of 4 minutes: 200 times real time")
    add("--song-bytes", type=positive_float, default=4.4e6, help="read and written for a song")
    add("--step-seconds", type=positive_float, default=6.4e-3, help="of a training step of 256 pairs on 2 cores")
    add("--state-bytes", type=positive_float, default=3e6, help="of what is averaged: two networks and their Adam")
    add("--network", type=positive_float, default=1.25e8, help="bytes a second of a worker's line: 1 Gbit/s ethernet")
    add("--latency", type=positive_float, default=2e-4, help="seconds of a message")
    add("--slow-rounds", type=float, default=0.005, help="share of a worker's rounds that take three times as long")
    add("--picture", type=Path, metavar="FILE.png", help="draw the tables")
    add("--seed", type=int, default=0)
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    of_map, of_averaging = map_table(arguments), averaging_table(arguments)
    if arguments.picture is not None:
        draw(arguments.picture, of_map, of_averaging)
        print(f"\n{arguments.picture}: drawn")
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
