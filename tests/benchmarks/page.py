"""Measure the page in a real Chromium, drawn by software, beside a page that gives plotly a colour a point.

    python tests/benchmarks/page.py [--tracks 100000] [--dims 100] [--rounds 5]

Prints medians: the first draw and all data there, from the start of loading; the answer to a click; the distances to a
track, and the map redrawn by them; a search. The naive page draws the same points in one trace and recolours them by
giving plotly the numbers. Asserts nothing; the tracks are synthetic, their map is PCA.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # browser.py
sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))  # the shared modules

from browser import WITH_WEBGL, Browser, chromium, file_address

from runs import run_folder
from runs.repair import prepare
from static_web_viewer import display_vector_data
from static_web_viewer.page.page_folder import viewer_files

KINDS = 25
PAINTED = "await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));"
NAIVE = """
(async () => {
  const layout = {margin: {l: 0, r: 0, t: 0, b: 0}, xaxis: {visible: false}, yaxis: {visible: false}};
  const marker = {size: 4, color: points.colour, colorscale: "Viridis"};
  await Plotly.newPlot("map", [{type: "scattergl", mode: "markers", x: points.x, y: points.y, marker}], layout);
  requestAnimationFrame(() => setTimeout(() => { document.documentElement.dataset.ready = performance.now(); }));
})();
"""
WATCH = """
window.seen = {};
new MutationObserver(() => {
  for (const [name, value] of Object.entries(document.documentElement.dataset)) seen[name] ??= performance.now();
}).observe(document, {attributes: true, subtree: true, attributeFilter: ["data-drawn", "data-ready"]});
"""


def write_collection(folder: Path, tracks: int, dims: int) -> Path:
    """Write a run folder of synthetic tracks of 25 kinds, and a label table; return the page made of them."""
    random = np.random.default_rng(0)
    kinds = np.sort(random.integers(0, KINDS, tracks))
    vectors = (2 * random.standard_normal((KINDS, dims)))[kinds] + random.standard_normal((tracks, dims))
    names = [f"kind {kind:02d}/a track of some length {track:07d}.mp3.npy" for track, kind in enumerate(kinds)]
    prepare(folder / "run")
    costs = [run_folder.CostRow(1, 1.0, 1.0, 1, 1.0)]
    run_folder.commit_save(folder / "run", 1, vectors.astype(np.float32), {}, costs, b"seed: 0\n", 5, names)
    with (folder / "labels.csv").open("w", newline="") as file:
        rows = (
            [name.removesuffix(".npy"), f"kind {kind}", f"Title of {name}"]
            for name, kind in zip(names, kinds, strict=True)
        )
        csv.writer(file).writerows([("filename", "genre", "title"), *rows])
    arguments = [folder / "run", folder, folder / "page", "--labels", folder / "labels.csv"]
    display_vector_data.main([*map(str, arguments), "--audio", "none", "--layout", "pca"])
    return folder / "page"


def write_naive(folder: Path, page: Path) -> Path:
    """Write the page to compare with: plotly, the points, a number a point."""
    folder.mkdir()
    with (page / "layout.csv").open(newline="") as file:
        xy = np.array([(row["x"], row["y"]) for row in csv.DictReader(file)], np.float64)
    points = {
        "x": xy[:, 0].tolist(),
        "y": xy[:, 1].tolist(),
        "colour": np.random.default_rng(0).random(len(xy)).tolist(),
    }
    (folder / "plotly.js").write_bytes(viewer_files()["viewer/plotly.min.js"])
    (folder / "points.js").write_text(f"const points = {json.dumps(points)};")
    (folder / "draw.js").write_text(NAIVE)
    scripts = "".join(f'<script defer src="{name}.js"></script>' for name in ("plotly", "points", "draw"))
    (folder / "index.html").write_text(
        f'<!doctype html><meta charset="utf-8"><div id="map" style="height:95vh"></div>{scripts}'
    )
    return folder


def timed(browser: Browser, code: str) -> float:
    """Return how many milliseconds some code takes, until it is painted where it ends in PAINTED."""
    clocked = f"const start = performance.now(); {code} done(performance.now() - start);"
    script = f"const done = arguments[0]; (async () => {{ {clocked} }})();"
    return browser.driver.execute_async_script(script)


def measure(browser: Browser, page: Path, naive: Path, tracks: int) -> dict[str, float]:
    """Return milliseconds of one round."""
    found = {}
    browser.open(file_address(naive / "index.html"), naive)
    found["naive: first draw"] = browser.run("return seen.ready")
    recolour = "Plotly.restyle('map', {'marker.color': [points.colour.map((each) => 1 - each)]}, [0])"
    found["naive: recoloured and painted"] = timed(browser, f"await {recolour}; {PAINTED}")
    browser.open(file_address(page / "index.html"), page)
    found |= {"first draw": browser.run("return seen.drawn"), "all data there": browser.run("return seen.ready")}
    track = tracks // 3
    found["click answered: track and neighbours listed"] = timed(browser, f"map.on.pick({track}); {PAINTED}")
    distances = [timed(browser, f"tracks.distancesTo({track + each});") for each in range(9)]
    found["distances to a track"] = statistics.median(distances)
    with browser.redraw():
        found["recoloured by distance and painted"] = timed(
            browser, f"document.getElementById('by-distance').click(); {PAINTED}"
        )
    found["the same, before it is painted"] = timed(browser, f"map.on.pick({2 * track});")
    found["a search"] = timed(browser, "tracks.search('track 0012');")
    return found


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, default=100_000)
    parser.add_argument("--dims", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        page = write_collection(Path(folder), arguments.tracks, arguments.dims)
        naive = write_naive(Path(folder) / "naive", page)
        with chromium(WITH_WEBGL, Path(folder)) as browser:
            browser.show(1440, 900)
            browser.command("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
            rounds = [measure(browser, page, naive, arguments.tracks) for _ in range(arguments.rounds)]
    print(f"\n{arguments.tracks:,} tracks of {arguments.dims} dimensions: median milliseconds, least to most")
    for what in rounds[0]:
        values = sorted(each[what] for each in rounds)
        print(f"{what:46} {statistics.median(values):7.0f}  ({values[0]:.0f} to {values[-1]:.0f})")
    for ours, theirs in (
        ("first draw", "naive: first draw"),
        ("recoloured by distance and painted", "naive: recoloured and painted"),
    ):
        ratio = statistics.median(each[ours] / each[theirs] for each in rounds)
        print(f"{ours + ', ratio to naive':46} {ratio:7.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
