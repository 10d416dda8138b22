"""Measure the map of a collection: ours, with its exact neighbours, beside openTSNE as it comes; and how it grows.

    python tests/benchmarks/layout.py --tracks 8000 100000 --dims 100
    python tests/benchmarks/layout.py --run RUN --few 12 30 100

Without a run the tracks are drawn: kinds, within these artists of about 50 tracks. The first table has seconds (by the
clock, and of all cores together: on a busy machine these count), the peak memory of a process that does nothing else,
and the share of the true 10 nearest tracks that are among the 10 nearest on the map. The second one takes tracks away,
lays out the rest, and lets that map grow by them: how far the others have moved, in hundredths of the map's width.
--few measures small maps instead, drawn or subsets of a run: how many of ten collapse, and the share of the true 10
nearest (of 10 to 20 tracks: of a third of them) that are kept, with early exaggeration and without.

Nothing is asserted. 8,000 and 100,000 tracks take a quarter of an hour on two idle cores, and 1 GB.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the shared modules lie in the repository root

from judging.neighbours import directions, nearest_neighbours
from runs.vectors import read_vectors
from static_web_viewer.page import layout
from static_web_viewer.page.layout import map_width, pca_layout, tsne
from utils import EXIT_DONE, command, positive_int, script_parser, usable_cores

NEIGHBOURS, JUDGED = 90, 10
SAMPLE = 5000  # tracks whose neighbours on the map are looked at
KINDS, ARTIST_TRACKS = 12, 50
FEW_SEEDS = 10  # subsets of each size


class Measured(NamedTuple):
    xy: np.ndarray  # (tracks, 2)
    seconds: list[float]  # of each step
    cpu: float  # seconds
    peak: float  # GB
    indices: np.ndarray | None  # (tracks, JUDGED), where exact neighbours were found


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    cores = f"{usable_cores()} cores, Python {platform.python_version()}"
    return f"{processor}, {cores}, openTSNE {version('openTSNE')}, faiss {version('faiss-cpu')}"


def make_rows(tracks: int, dims: int, seed: int) -> np.ndarray:
    """Return (tracks, dims) float32 of length 1: kinds, their artists, their tracks; later dimensions weigh less."""
    draws = np.random.default_rng(seed)
    artists = max(2, tracks // ARTIST_TRACKS)
    kinds = draws.standard_normal((KINDS, dims), np.float32)
    centres = kinds[draws.integers(0, KINDS, artists)] + 0.8 * draws.standard_normal((artists, dims), np.float32)
    rows = centres[draws.integers(0, artists, tracks)] + draws.standard_normal((tracks, dims), np.float32)
    return directions(rows / (1 + np.arange(dims, dtype=np.float32)) ** 0.35)


def ours(rows: np.ndarray, seed: int, start: np.ndarray | None) -> Measured:
    started, cpu = time.monotonic(), time.process_time()
    indices, distances = nearest_neighbours(rows, NEIGHBOURS)
    found = time.monotonic()
    xy = tsne(rows, indices, distances, seed, start)
    seconds = [found - started, time.monotonic() - found]
    return Measured(xy, seconds, time.process_time() - cpu, peak_memory(), indices[:, :JUDGED])


def plain(rows: np.ndarray, seed: int, start: None) -> Measured:
    import openTSNE

    started, cpu = time.monotonic(), time.process_time()
    xy = np.asarray(openTSNE.TSNE(metric="cosine", n_jobs=usable_cores(), random_state=seed).fit(rows))
    return Measured(xy, [time.monotonic() - started], time.process_time() - cpu, peak_memory(), None)


def peak_memory() -> float:
    """Return the most memory that this process ever held, in GB, without what it was before its exec."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1024 / 1e9


def alone(way: Callable, rows: np.ndarray, seed: int, start: np.ndarray | None = None) -> Measured:
    """Run one way in a process of its own, which is handed its rows by a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npy"
        np.save(path, rows)
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            return pool.submit(_load_and_run, way, path, seed, start).result()


def _load_and_run(way: Callable, path: Path, seed: int, start: np.ndarray | None) -> Measured:
    return way(np.load(path), seed, start)


def neighbours_kept(xy: np.ndarray, indices: np.ndarray, tracks: np.ndarray) -> float:
    """Return the share of the true nearest that are among as many nearest on the map, for some of the tracks."""
    from scipy.spatial import cKDTree

    count = indices.shape[1]
    near = cKDTree(xy).query(xy[tracks], count + 1)[1]
    kept = [
        len(np.intersect1d(there[there != track][:count], indices[track]))
        for track, there in zip(tracks, near, strict=True)
    ]
    return float(np.mean(kept)) / count


def measure_scratch(rows: np.ndarray, seed: int) -> np.ndarray:
    """Print the first table; return the true nearest tracks (tracks, JUDGED)."""
    print(f"{'':<30}{'seconds':>9}{'CPU':>8}{'ratio':>7}{'GB':>6}{'kept':>7}")
    theirs = alone(plain, rows, seed)
    own = alone(ours, rows, seed)
    tracks = np.random.default_rng(seed).permutation(len(rows))[:SAMPLE]
    for name, one in (("openTSNE as it comes", theirs), ("ours", own)):
        seconds, ratio = sum(one.seconds), one.cpu / theirs.cpu
        kept = neighbours_kept(one.xy, own.indices, tracks)
        print(f"{name:<30}{seconds:>9.1f}{one.cpu:>8.1f}{ratio:>7.2f}{one.peak:>6.2f}{kept:>7.3f}", flush=True)
    for name, seconds in zip(("of it exact neighbours", "of it t-SNE"), own.seconds, strict=True):
        print(f"  {name:<28}{seconds:>9.1f}")
    print(f"{'PCA':<52}{'':>8}{neighbours_kept(pca_layout(rows), own.indices, tracks):>7.3f}", flush=True)
    return own.indices


def measure_growth(rows: np.ndarray, indices: np.ndarray, shares: list[float], seed: int) -> None:
    print(f"{'grown by':<12}{'seconds':>9}{'CPU':>8}{'median shift':>14}{'90 %':>8}{'kept':>7}{'of the added':>14}")
    order = np.random.default_rng(seed).permutation(len(rows))
    for share in shares:
        added = order[: max(1, round(share * len(rows) / (1 + share)))]
        stays = np.setdiff1d(np.arange(len(rows)), added)
        start = np.full((len(rows), 2), np.nan, np.float32)
        start[stays] = alone(ours, rows[stays], seed).xy
        grown = alone(ours, rows, seed, start)
        shift = 100 * np.linalg.norm(grown.xy - start, axis=1)[stays] / map_width(start[stays])
        line = f"{100 * share:<3.0f}{'%':<9}{sum(grown.seconds):>9.1f}{grown.cpu:>8.1f}"
        line += f"{np.median(shift):>12.2f} %{np.quantile(shift, 0.9):>6.2f} %"
        line += f"{neighbours_kept(grown.xy, indices, order[-SAMPLE:]):>7.3f}"
        print(line + f"{neighbours_kept(grown.xy, indices, added[:SAMPLE]):>14.3f}", flush=True)


def measure_few(sizes: list[int], rows: np.ndarray) -> None:
    """Print what becomes of small maps, subsets of the rows, with early exaggeration and without."""
    print(f"{'tracks':>7}{'':>3}{'early exaggeration':>20}{'collapsed':>11}{'kept':>7}{'seconds':>9}")
    for tracks in sizes:
        for least in (0, sys.maxsize):
            layout.EARLY_LEAST = least
            kept, started = [], time.monotonic()
            for seed in range(FEW_SEEDS):
                some = rows[np.random.default_rng(seed).permutation(len(rows))[:tracks]]
                indices, distances = nearest_neighbours(some, NEIGHBOURS)
                with contextlib.suppress(layout.CollapsedMap):
                    xy = tsne(some, indices, distances, seed)
                    kept.append(neighbours_kept(xy, indices[:, : min(JUDGED, tracks // 3)], np.arange(tracks)))
            seconds, share = time.monotonic() - started, f"{np.mean(kept):.3f}" if kept else ""
            name = "none" if least else layout.EARLY[1]
            print(f"{tracks:>7}{'':>3}{name:>20}{FEW_SEEDS - len(kept):>11}{share:>7}{seconds:>9.1f}", flush=True)


def build_parser():
    parser = script_parser(__doc__)
    parser.add_argument(
        "--tracks", type=positive_int, nargs="+", default=[8000, 100_000], metavar="N", help="tracks that are drawn"
    )
    parser.add_argument("--dims", type=positive_int, default=100, metavar="N", help="dimensions of a vector")
    parser.add_argument("--run", type=Path, metavar="RUN", help="a run folder whose vectors are taken instead")
    parser.add_argument(
        "--growth", type=positive_int, nargs="*", default=[1, 30], metavar="PERCENT", help="growths to measure"
    )
    parser.add_argument("--few", type=positive_int, nargs="+", metavar="N", help="measure maps of few tracks instead")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of what is drawn, and of t-SNE")
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    print(machine())
    if arguments.run:
        collections = [directions(read_vectors(arguments.run, None).vectors)]
    else:
        collections = (make_rows(tracks, arguments.dims, arguments.seed) for tracks in arguments.tracks)
    for rows in collections:
        if arguments.few:
            measure_few(arguments.few, rows)
            continue
        print(f"\n{len(rows):,} tracks x {rows.shape[1]}")
        indices = measure_scratch(rows, arguments.seed)
        measure_growth(rows, indices, [percent / 100 for percent in arguments.growth], arguments.seed)
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
