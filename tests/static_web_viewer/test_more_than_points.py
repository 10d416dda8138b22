"""display_vector_data.py with more tracks than points: what is drawn, what is kept, and what is said."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from pages import draw_vectors, write_run

from process_results import check_run
from static_web_viewer import display_vector_data

NAMES = [f"folder {track % 3}/track, {track:03}.mp3" for track in range(130)]
VECTORS = draw_vectors([track % 4 for track in range(130)])


def show(root: Path, tracks: int, *flags: str) -> Path:
    run = root / f"run of {tracks}"
    if not run.exists():
        order = sorted(range(tracks), key=lambda track: NAMES[track].encode())
        write_run(run, [NAMES[track] for track in order], VECTORS[order])
    (root / "music").mkdir(exist_ok=True)
    argv = [str(run), str(root / "music"), str(root / "page"), "--audio", "none", *flags]
    assert display_vector_data.main(argv) == 0
    return root / "page"


def points_of(page: Path) -> list[str]:
    (path,) = (page / "data").glob("tracks-*.js")
    text = path.read_text()
    return json.loads(json.loads(text[text.index(",") + 1 : text.rindex(")")]))["filenames"]


def places_of(page: Path) -> dict[str, tuple[str, str, str]]:
    with open(page / "layout.csv", newline="") as file:
        return {row["filename"]: (row["x"], row["y"], row["new"]) for row in csv.DictReader(file)}


@pytest.mark.parametrize("kind", ["tsne", "pca"])
def test_all_have_places_and_so_many_are_drawn(tmp_path, capsys, kind):
    page = show(tmp_path, 120, "--most-points", "40", "--layout", kind)
    told = capsys.readouterr().out
    assert "points: 40 of 120 tracks on the map, by cluster; search finds the others\n" in told
    assert f"page: 120 tracks, 40 of them on the map, the others by search; open {page / 'index.html'}" in told
    places = places_of(page)
    assert set(places) == set(NAMES[:120]) and np.isfinite([list(map(float, each)) for each in places.values()]).all()
    assert len(points_of(page)) == 40
    assert check_run.main([str(page)]) == 0
    before = {path: path.stat().st_mtime_ns for path in page.rglob("*") if path.is_file()}
    show(tmp_path, 120, "--most-points", "40", "--layout", kind)
    assert "map: as it was, nothing has changed since\n" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in page.rglob("*") if path.is_file()} == before


def test_new_tracks_are_drawn_and_most_others_stay(tmp_path):
    flags = ("--most-points", "40", "--layout", "pca")
    before = set(points_of(show(tmp_path, 120, *flags)))
    for path in (tmp_path / "page" / "data").glob("tracks-*.js"):
        path.unlink()  # that of the page before stays beside the new one
    page = show(tmp_path, 130, *flags)
    points = set(points_of(page))
    assert len(points) == 40 and set(NAMES[120:]) <= points
    assert len(points & before) >= 25
    assert {name for name, (_, _, new) in places_of(page).items() if new == "1"} == set(NAMES[120:])


@pytest.mark.parametrize("most", ["1", "2", "9"])
def test_few_points_are_a_map_too(tmp_path, most):
    assert len(points_of(show(tmp_path, 120, "--most-points", most, "--quiet"))) == int(most)


def test_a_damaged_file_of_what_is_not_drawn_is_told(tmp_path, capsys):
    page = show(tmp_path, 120, "--most-points", "40", "--layout", "pca", "--quiet")
    (path,) = (page / "data").glob("others0-*.js")
    path.write_bytes(path.read_bytes()[:-10])
    assert check_run.main([str(page)]) == 1
    assert "does not hold what its name says" in capsys.readouterr().out
