"""Pages to hold the viewer against: the same points, drawn the way one would begin with, and nothing else."""

from __future__ import annotations

import csv
import importlib.util
import json
from pathlib import Path

import numpy as np

# Each defines drawPoints(colour), colour a number in [0, 1] a point; it may return a promise
CANVAS = """
const canvas = document.getElementById("map").appendChild(document.createElement("canvas"));
const paper = canvas.getContext("2d");
[canvas.width, canvas.height] = [innerWidth, innerHeight];
function scaled(values, pixels) {
  let [low, high] = [Infinity, -Infinity];
  for (const each of values) [low, high] = [Math.min(low, each), Math.max(high, each)];
  return values.map((each) => (each - low) / (high - low) * pixels);
}
const [x, y] = [scaled(points.x, canvas.width), scaled(points.y, canvas.height)];
function drawPoints(colour) {
  paper.clearRect(0, 0, canvas.width, canvas.height);
  for (let i = 0; i < colour.length; i++) {
    paper.fillStyle = `hsl(${300 * colour[i]} 70% 50%)`;
    paper.beginPath();
    paper.arc(x[i], canvas.height - y[i], 2, 0, 2 * Math.PI);
    paper.fill();
  }
}
"""
PLOTLY = """
const layout = {margin: {l: 0, r: 0, t: 0, b: 0}, xaxis: {visible: false}, yaxis: {visible: false}};
let drawn = false;
function drawPoints(colour) {
  if (drawn) return Plotly.restyle("map", {"marker.color": [colour]}, [0]);
  drawn = true;
  const marker = {size: 4, color: colour, colorscale: "Viridis"};
  return Plotly.newPlot("map", [{type: "scattergl", mode: "markers", x: points.x, y: points.y, marker}], layout);
}
"""
START = """
(async () => {
  await drawPoints(points.colour);
  await bench.painted();
  document.documentElement.dataset.ready = "yes";
})();
"""


def plotly_script() -> Path | None:
    """Return plotly's own script where the package happens to be installed: the project does not ask for it."""
    found = importlib.util.find_spec("plotly")
    script = found and Path(found.origin).parent / "package_data" / "plotly.min.js"
    return script if script and script.is_file() else None


def write_naive_pages(folder: Path, page: Path) -> dict[str, Path]:
    """Write what the points of a page look like by a canvas' own circles, and by plotly where that is installed.

    Returns  what draws -> the page's folder.
    """
    with (page / "layout.csv").open(newline="") as file:
        xy = np.array([(row["x"], row["y"]) for row in csv.DictReader(file)], np.float64)
    colour = np.random.default_rng(0).random(len(xy))
    points = json.dumps({"x": xy[:, 0].tolist(), "y": xy[:, 1].tolist(), "colour": colour.tolist()})
    scripts = {"canvas arc()": {"points.js": f"const points = {points};", "draw.js": CANVAS + START}}
    if plotly := plotly_script():
        text = plotly.read_text(encoding="utf-8")
        scripts["plotly"] = {"plotly.js": text, "points.js": f"const points = {points};", "draw.js": PLOTLY + START}
    return {name: _write_page(folder / name.split()[0], files) for name, files in scripts.items()}


def _write_page(folder: Path, scripts: dict[str, str]) -> Path:
    folder.mkdir(parents=True)
    for name, text in scripts.items():
        (folder / name).write_text(text, encoding="utf-8")
    loaded = "".join(f'<script defer src="{name}"></script>' for name in scripts)
    style = "<style>body { margin: 0 } #map { height: 100vh }</style>"
    (folder / "index.html").write_text(f'<!doctype html><meta charset="utf-8">{style}<div id="map"></div>{loaded}')
    return folder
