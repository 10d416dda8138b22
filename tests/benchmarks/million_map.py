"""Measure the map and the clusters of very many tracks: seconds, peak memory, and what a sample loses.

    python tests/benchmarks/million_map.py FOLDER --tracks 100000 1000000 --points 20000 250000

FOLDER is that of million.py. k-means as the page runs it, over all tracks, beside k-means over the 100,000 that choose
its start: the share of tracks in the same cluster, and the mean cosine to a centroid. The map: exact neighbours and
t-SNE of so many points, drawn by cluster, the other tracks placed beside the most alike of these. Kept is the share of
the 10 nearest by the vectors that are among the 10 nearest on the map: of points among points, of points among all
tracks, and of placed tracks among all. --layout reads the places of a page instead. 1,000,000 tracks with 250,000
points take a quarter of an hour on two idle cores, and 3 GB. Asserts nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))  # million.py
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the shared modules lie in the repository root

from layout import machine, peak_memory
from million import make

from judging import clustering
from judging.neighbours import directions, nearest_neighbours
from runs.vectors import Vectors, read_vectors
from static_web_viewer.page import layout_file, places, sample
from static_web_viewer.page.layout import tsne
from utils import EXIT_DONE, command, positive_int, script_parser

JUDGED = 10
QUERIES = 2000
CLUSTERS = (10, 100)


def timed(what: str, work: Callable[[], object]) -> object:
    """Do something, and print how long it took and how much memory the process has ever held."""
    started, cpu = time.monotonic(), time.process_time()
    result = work()
    seconds, cpu = time.monotonic() - started, time.process_time() - cpu
    print(f"  {what:52}{seconds:>9.1f}{cpu:>9.1f}{peak_memory():>7.2f}", flush=True)
    return result


def kept(rows: np.ndarray, xy: np.ndarray, queries: np.ndarray, among: np.ndarray) -> float:
    """Return the share of the nearest by vectors that are among as many nearest on the map, of some tracks."""
    import faiss
    from scipy.spatial import cKDTree

    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows[among])
    true, near = (
        among[index.search(rows[queries], JUDGED + 1)[1]],
        among[cKDTree(xy[among]).query(xy[queries], JUDGED + 1)[1]],
    )
    shares = [
        len(np.intersect1d(one[one != track][:JUDGED], other[other != track][:JUDGED])) / JUDGED
        for track, one, other in zip(queries, true, near, strict=True)
    ]
    return float(np.mean(shares))


def measure_clusters(rows: np.ndarray, seed: int) -> np.ndarray:
    """Print what k-means takes and what a sample of the tracks would lose; return the first number's clusters."""
    first = None
    for number in CLUSTERS:
        centroids = timed(f"k-means, {number} clusters", lambda n=number: clustering.learn_centroids(rows, n, seed))
        clusters = clustering.nearest_centroids(rows, centroids)
        some = clustering.sample_rows(rows, clustering.KMEANS_SAMPLE, seed)
        few = clustering.learn_centroids(some, number, seed)
        of_sample = clustering.nearest_centroids(rows, few)
        both = clustering.contingency(clusters, of_sample, (number, number))
        cosines = [float(np.vecdot(rows, of[at]).mean()) for of, at in ((centroids, clusters), (few, of_sample))]
        same = both.max(axis=1).sum() / len(rows)
        told = f"{100 * same:.1f}% in the same cluster, mean cosine {cosines[1]:.4f} for {cosines[0]:.4f}"
        print(f"    by {len(some):,} tracks alone: {told}", flush=True)
        first = clusters if first is None else first
    return first


def measure_map(run: Vectors, rows: np.ndarray, points: np.ndarray, seed: int, given: Path | None) -> None:
    """Print what the map takes, and what of the neighbours it keeps."""
    if given is None:
        near = timed(
            f"exact neighbours of {len(points):,} points",
            lambda: nearest_neighbours(rows[points], places.MAP_NEIGHBOURS),
        )
        xy = np.full((len(rows), 2), np.nan)
        xy[points] = timed("t-SNE of these", lambda: tsne(rows[points], *near, seed))
        xy, recall = timed("the others placed", lambda: sample.place_the_rest(rows, xy, len(points)))
        print(f"    of the {JUDGED} most alike of a placed track {100 * recall:.2f}% were found")
    else:
        xy = layout_file.read_layout(given, run.names)[0]
    draws, everyone = np.random.default_rng(seed), np.arange(len(rows))
    rest = np.setdiff1d(everyone, points)
    some, others = (np.sort(draws.permutation(each)[:QUERIES]) for each in (points, rest))
    print(f"    kept: of points among points {kept(rows, xy, some, points):.3f}", end="", flush=True)
    print(f", of points among all {kept(rows, xy, some, everyone):.3f}", end="", flush=True)
    print(f", of placed ones among all {kept(rows, xy, others, everyone):.3f}" if len(rest) else "", flush=True)


def build_parser():
    parser = script_parser(__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--tracks", type=positive_int, nargs="+", default=[100_000], metavar="N")
    parser.add_argument("--points", type=positive_int, nargs="+", default=[25_000], metavar="N", help="one a --tracks")
    parser.add_argument("--dims", type=positive_int, default=80, metavar="N")
    parser.add_argument("--layout", type=Path, metavar="FILE.csv", help="judge the places of a page of these tracks")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    print(machine())
    for tracks, most in zip(arguments.tracks, arguments.points, strict=True):
        folder = arguments.folder.absolute() / str(tracks)
        make(folder, tracks, arguments.dims, "run")
        run = read_vectors(folder / "run", None, mapped=True)
        rows = directions(run.vectors)
        print(f"{tracks:,} tracks, {most:,} points {'':25}{'seconds':>9}{'CPU':>9}{'GB':>7}")
        clusters = measure_clusters(rows, arguments.seed)
        points = sample.choose(run.names, clusters, np.zeros(tracks, bool), most)
        measure_map(run, rows, points, arguments.seed, arguments.layout)
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
