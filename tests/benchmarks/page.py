"""Measure the page in a real Chromium, drawn by software, beside naive pages of the same points.

    python tests/benchmarks/page.py [--tracks 608 20000 100000] [--dims 100] [--rounds 5]

Prints medians: the first draw and all data there, from the start of loading; how long a click and others take until
they are painted; what takes long in them; frames while the map is dragged; memory, and whether it grows. The naive
pages draw each point by a canvas' arc() and, where that is installed, by plotly with a colour a point. Then the size of
the folder of a page of 608 tracks of 160 dimensions. Asserts nothing; the tracks and their map are synthetic.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # browser.py
sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))  # the shared modules

from browser import WITH_WEBGL, chromium, file_address
from page_measures import (
    WATCH,
    heap,
    measure_growth,
    measure_naive,
    measure_page,
    measure_parts,
    renderer_megabytes,
)
from page_naive import write_naive_pages

from runs import repair, run_folder
from static_web_viewer import display_vector_data

KINDS = 25
ARTIST_TRACKS = 40  # of each artist


def write_collection(folder: Path, tracks: int, dims: int, audio: str = "none") -> Path:
    """Write a run folder of synthetic tracks, a label table and a map; return the page made of them."""
    random = np.random.default_rng(0)
    artists = np.sort(random.integers(0, -(-tracks // ARTIST_TRACKS), tracks))
    kinds = artists % KINDS
    vectors = (2 * random.standard_normal((KINDS, dims)))[kinds] + random.standard_normal((tracks, dims))
    # Kinds are islands, on which artists live
    xy = (12 * random.standard_normal((KINDS, 2)))[kinds] + (2 * random.standard_normal((artists[-1] + 1, 2)))[artists]
    xy += 0.4 * random.standard_normal((tracks, 2))
    names = [f"artist {artist:05d}/a track of some length {track:07d}.mp3" for track, artist in enumerate(artists)]
    table = {
        "genre": [f"kind {kind}" for kind in kinds],
        "artist": [f"Artist {artist}" for artist in artists],
        "title": [f"The piece of number {track}" for track in range(tracks)],
        "year": [str(1950 + 2 * kind + track % 7) for track, kind in enumerate(kinds)],
    }
    repair.prepare(folder / "run")
    costs = [run_folder.CostRow(1, 1.0, 1.0, 1, 1.0)]
    mels = [f"{name}.npy" for name in names]
    run_folder.commit_save(folder / "run", 1, vectors.astype(np.float32), {}, costs, b"seed: 0\n", 5, mels)
    write_table(folder / "labels.csv", names, table)
    write_table(folder / "map.csv", names, {"x": xy[:, 0], "y": xy[:, 1]})
    if audio != "none":
        for name in names:
            (folder / "music" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "music" / name).touch()
    files = [folder / "run", folder / "music", folder / "page", "--labels", folder / "labels.csv"]
    display_vector_data.main([*map(str, files), "--layout", str(folder / "map.csv"), "--audio", audio, "--quiet"])
    return folder / "page"


def write_table(path: Path, names: list[str], columns: dict[str, Iterable]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("filename", *columns), *zip(names, *columns.values(), strict=True)])


def print_times(rounds: list[dict[str, float]]) -> None:
    """Print the median of each thing measured, and between which it lay."""
    for what in rounds[0]:
        values = sorted(each[what] for each in rounds)
        print(f"{what:50} {statistics.median(values):7.1f}  ({values[0]:.1f} to {values[-1]:.1f})")


def print_memory(folder: Path, pages: dict[str, Path]) -> None:
    """Print what each page needs, in a browser of its own, when it has drawn."""
    print(f"{'megabytes':50} {'heap':>7} {'resident':>8}")
    for what, page in pages.items():
        with chromium(WITH_WEBGL, folder) as browser:
            browser.show(1440, 900)
            browser.command("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
            browser.open(file_address(page / "index.html"), page)
            resident = renderer_megabytes(browser)  # with the garbage, as the system sees it
            print(f"{what:50} {heap(browser)['heap']:7.0f} {resident:8.0f}")


def benchmark(folder: Path, tracks: int, dims: int, rounds: int) -> None:
    """Make the pages of so many tracks, and print what is measured."""
    page = write_collection(folder, tracks, dims)
    naive = write_naive_pages(folder / "naive", page)
    found = []
    with chromium(WITH_WEBGL, folder) as browser:
        browser.show(1440, 900)
        browser.command("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        for _ in range(rounds):
            found.append({})
            for name, path in naive.items():
                found[-1] |= measure_naive(browser, name, path)
            found[-1] |= measure_page(browser, page, tracks) | measure_parts(browser, tracks)
        growth = measure_growth(browser, page, tracks)
    print(f"\n{tracks:,} tracks of {dims} dimensions: median milliseconds, least to most")
    print_times(found)
    for name in naive:
        for ours, theirs in (("first draw", "first draw"), ("coloured by distance", "recoloured")):
            ratio = statistics.median(each[ours] / each[f"{name}: {theirs}"] for each in found)
            print(f"{f'{ours}, ratio to {name}':50} {ratio:7.2f}")
    (folder / "empty").mkdir()
    (folder / "empty" / "index.html").write_text("<!doctype html><html data-ready>")
    print_memory(folder, {"an empty page": folder / "empty", **naive, "the page": page})
    print(f"{'':50} {'MB':>7} {'nodes':>8} {'listeners':>10}")
    for what, state in growth:
        print(f"{what:50} {state['heap']:7.1f} {state['nodes']:8} {state['listeners']:10}")


def print_size(folder: Path) -> None:
    """Print the size of a page's folder, without the picture of the map: the page does not load it."""
    page = write_collection(folder, 608, 160, audio="reference")
    sizes = {path.relative_to(page): path.stat().st_size for path in page.rglob("*") if path.is_file()}
    sizes.pop(Path("map.png"))
    parts = {}
    for path, size in sizes.items():
        parts[path.parts[0]] = parts.get(path.parts[0], 0) + size / 1000
    print("\nfolder of a page of 608 tracks of 160 dimensions, without map.png and strips, in kB")
    for part, size in sorted(parts.items(), key=lambda item: -item[1]):
        print(f"{part:50} {size:7.0f}")
    print(f"{'all':50} {sum(parts.values()):7.0f}")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, nargs="+", default=[608, 20_000, 100_000])
    parser.add_argument("--dims", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args(argv)
    for tracks in arguments.tracks:
        with tempfile.TemporaryDirectory() as folder:
            benchmark(Path(folder), tracks, arguments.dims, arguments.rounds)
    with tempfile.TemporaryDirectory() as folder:
        print_size(Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
