"""Measure the clustering of many songs: ours, which uses every vector, beside faiss' own default, which samples.

    python tests/benchmarks/clustering.py --songs 1000000 --dims 128 --clusters 20

Songs lie around twice as many directions as there are clusters. The table has seconds (by the clock, and of all cores
together: on a busy machine these count), assignment of all songs included, and what they bought: the mean cosine of a
song to its cluster's centroid. Then the whole of sphere_kmeans.py on a run folder of as many songs, every tenth
labelled, with its peak memory.

Nothing is asserted. A million songs take some minutes and 3 GB of memory.
"""

from __future__ import annotations

import argparse
import csv
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the shared modules lie in the repository root

from judging import clustering
from judging.neighbours import directions
from runs import run_folder
from utils import EXIT_DONE, ROOT, command, positive_float, positive_int, script_parser, usable_cores

MEASURED = (  # the child's own peak memory, and not that of this process before its exec
    "import resource, runpy, sys\n"
    "sys.argv = sys.argv[1:]\n"
    "try:\n"
    "    runpy.run_path(sys.argv[0], run_name='__main__')\n"
    "finally:\n"
    "    used = resource.getrusage(resource.RUSAGE_SELF)\n"
    "    print(used.ru_utime + used.ru_stime, used.ru_maxrss)\n"
)


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{processor}, {usable_cores()} cores, Python {platform.python_version()}, faiss {version('faiss-cpu')}"


def make_vectors(songs: int, dims: int, kinds: int, noise: float, seed: int) -> np.ndarray:
    draws = np.random.default_rng(seed)
    directions = draws.standard_normal((kinds, dims), np.float32)
    vectors = np.float32(noise) * draws.standard_normal((songs, dims), np.float32)
    vectors += directions[draws.integers(0, kinds, songs)]
    return vectors


def faiss_default(vectors: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    """Cluster as faiss does when it is told no more than that it is spherical: a sample, one start, all cores."""
    import faiss

    rows = directions(vectors)
    kmeans = faiss.Kmeans(rows.shape[1], clusters, spherical=True, seed=seed)
    kmeans.train(rows)
    return kmeans.assign(rows)[1]


def mean_cosine(vectors: np.ndarray, clusters: np.ndarray) -> float:
    """Return the mean cosine of the songs to their cluster's centroid: the lengths of the sums over the songs."""
    rows = directions(vectors)
    sums = [rows[clusters == cluster].sum(axis=0, dtype=np.float64) for cluster in range(clusters.max() + 1)]
    return float(sum(np.linalg.norm(total) for total in sums) / len(rows))


def measure_kmeans(vectors: np.ndarray, clusters: int, seed: int) -> None:
    ways: dict[str, Callable] = {
        "ours, all vectors": clustering.spherical_kmeans,
        "faiss' default, a sample": faiss_default,
    }
    print(f"{'':<28}{'seconds':>9}{'CPU':>9}{'mean cosine':>14}")
    for name, way in ways.items():
        started, cpu = time.monotonic(), time.process_time()
        found = way(vectors, clusters, seed)
        seconds, cpu = time.monotonic() - started, time.process_time() - cpu
        print(f"{name:<28}{seconds:>9.1f}{cpu:>9.1f}{mean_cosine(vectors, found):>14.5f}", flush=True)


def measure_command(vectors: np.ndarray, clusters: int, kinds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        names = [f"{song // 1000:04}/{song:07}.mp3.npy" for song in range(len(vectors))]
        costs = [run_folder.CostRow(1, 2.0, 2.1, 1000, 3.0)]
        (place / "run").mkdir()
        run_folder.commit_save(place / "run", 1, vectors, {}, costs, b"seed: 0\n", 5, names)
        with (place / "labels.csv").open("w", newline="") as file:
            labels = ((name.removesuffix(".npy"), song % kinds) for song, name in enumerate(names[::10]))
            csv.writer(file).writerows([("filename", "genre"), *labels])
        script = ROOT / "process_results" / "sphere_kmeans.py"
        argv = [sys.executable, "-c", MEASURED, script, place / "run", place / "labels.csv", "--clusters", clusters]
        started = time.monotonic()
        done = subprocess.run(
            [*map(str, argv), "--output", str(place / "plot.png")], check=True, capture_output=True, text=True
        )
        seconds, said = time.monotonic() - started, len(done.stderr.splitlines())
        cpu, peak = map(float, done.stdout.split()[-2:])  # seconds, KB
    print(f"{'sphere_kmeans.py, whole':<28}{seconds:>9.1f}{cpu:>9.1f}   peak {peak / 1e6:.1f} GB, stderr {said} lines")


def build_parser() -> argparse.ArgumentParser:
    parser = script_parser(__doc__)
    parser.add_argument("--songs", type=positive_int, default=1_000_000, metavar="N", help="vectors")
    parser.add_argument("--dims", type=positive_int, default=128, metavar="N", help="dimensions of a vector")
    parser.add_argument("--clusters", type=positive_int, default=20, metavar="N", help="number of clusters")
    parser.add_argument(
        "--noise",
        type=positive_float,
        default=4.0,
        metavar="X",
        help="deviation of a dimension around directions of deviation 1: with 4 kinds overlap and no iteration is "
        "saved, with 1.5 they stand apart and k-means ends early",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of vectors and clusters")
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    clusters, kinds = arguments.clusters, 2 * arguments.clusters
    print(machine())
    print(f"{arguments.songs:,} x {arguments.dims} vectors, noise {arguments.noise:g}, {clusters} clusters")
    vectors = make_vectors(arguments.songs, arguments.dims, kinds, arguments.noise, arguments.seed)
    measure_kmeans(vectors, clusters, arguments.seed)
    measure_command(vectors, clusters, kinds)
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
