"""display_vector_data.py: from a run folder to a page, again and again; what it refuses, and what it never loses."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import tone, tree, write_audio, write_mels

import files
from judging.neighbours import directions
from judging.pictures import OTHER_COLOUR, label_colours
from runs import repair, run_folder
from static_web_viewer.display_vector_data import build_parser, main
from static_web_viewer.page.columns import Column
from static_web_viewer.page.layout import all_in_one_place, pca_layout
from static_web_viewer.page.map_picture import draw_map
from utils import ROOT

pytestmark = pytest.mark.slow

TRACKS = 36
DIMS = 16


def names_of(tracks: int, skip: int = 0) -> list[str]:
    kinds = ("low end", "høyt, \N{LATIN SMALL LETTER E WITH ACUTE}")
    return sorted((f"{kinds[track % 2]}/{track:03d}.wav.npy" for track in range(skip, tracks)), key=str.encode)


def vectors_of(names: list[str]) -> np.ndarray:
    """Two kinds of tracks, by their folder; a track's vector depends on its name alone."""
    vectors = []
    for name in names:
        kind = np.random.default_rng(list(name.split("/")[0].encode())).standard_normal(DIMS)
        vectors.append(3 * kind + np.random.default_rng(list(name.encode())).standard_normal(DIMS))
    return np.array(vectors, np.float32)


def write_run(folder: Path, names: list[str], save: int = 1) -> Path:
    repair.prepare(folder)
    costs = [run_folder.CostRow(x, 1.0, 1.0, 100 * x, 1.0) for x in range(1, save + 1)]
    run_folder.commit_save(folder, save, vectors_of(names), {}, costs, b"seed: 0\n", 5, names)
    return folder


def read_rows(path: Path) -> dict[str, dict[str, str]]:
    with path.open(newline="") as file:
        return {row["filename"]: row for row in csv.DictReader(file)}


def part_of(out: Path, part: str) -> dict:
    """What the page that is there gets from a data file."""
    name = re.search(rf"data/{part}-[0-9a-f]+\.js", (out / "index.html").read_text())[0]
    call = (out / name).read_text(encoding="ascii")
    return json.loads(json.loads(call[call.index(",") + 1 : call.rindex(")")]))


@pytest.fixture
def house(tmp_path) -> Path:
    """A run of 36 tracks, their audio, a label table; all in a folder with a space in its name."""
    house = tmp_path / "the house"
    names = names_of(TRACKS)
    write_run(house / "run", names)
    for name in names:
        write_audio(house / "audio" / name.removesuffix(".npy"), tone(0.05, 440))
    lines = [
        f'"{name.removesuffix(".npy")}",{"low" if name.startswith("low") else "high"},{1970 + row}'
        for row, name in enumerate(names)
    ]
    (house / "labels.csv").write_text("filename,kind,year\n" + "\n".join(lines) + "\n")
    return house


def display(house: Path, *flags: object, out: str = "page") -> int:
    return main([str(house / "run"), str(house / "audio"), str(house / out), *map(str, flags)])


def test_a_page_of_every_track(house, capsys):
    assert display(house, "--labels", house / "labels.csv", "--output-table", house / "all.csv") == 0
    out = house / "page"
    told = capsys.readouterr().out
    assert "labels: 2 columns for 36 tracks; 0 tracks without a row, 0 rows without a track" in told
    assert "map: t-SNE from scratch\n" in told and "of the 20 nearest; those listed are exact" in told
    assert f"page: 36 tracks; open {out}/index.html in a browser\n" in told
    assert {path.name for path in out.iterdir()} == {
        *("index.html", "data", "viewer", "layout.csv", "layout.json", "map.png", "page.json", "lock")
    }
    page = part_of(out, "map")
    assert page["count"] == TRACKS and "<title>audio</title>" in (out / "index.html").read_text()
    assert page["order"] == ["label:kind", "label:year", "folder", "cluster", "new"]
    assert page["column"]["key"] == "label:kind"
    rows, places = read_rows(house / "all.csv"), read_rows(out / "layout.csv")
    assert list(rows) == list(places) == [name.removesuffix(".npy") for name in names_of(TRACKS)]
    for name, row in rows.items():
        assert (row["x"], row["y"], row["new"]) == (places[name]["x"], places[name]["y"], "known")
        assert row["folder"] == name.split("/")[0] and row["kind"] == ("low" if name.startswith("low") else "high")
        assert 1970 <= int(row["year"]) < 2006
    low, high = ({row["cluster"] for row in rows.values() if row["kind"] == kind} for kind in ("low", "high"))
    assert not low & high  # the vectors' two kinds
    assert any(name.startswith("low") for name in low) and any(name.startswith("high") for name in high)


def test_tracks_are_called_by_the_table_and_else_by_their_tags(house, capsys, ffmpeg):
    names = [name.removesuffix(".npy") for name in names_of(TRACKS)]
    write_audio(house / "audio" / names[3], tone(0.05, 440), 16000, ffmpeg, "-metadata", "title=a tag")
    display(house, "--labels", house / "labels.csv")
    assert "titles: 1 by tags; artists: none" in capsys.readouterr().out
    tracks = part_of(house / "page", "tracks")
    assert tracks["title"] == {"texts": ["a tag" if track == 3 else "" for track in range(TRACKS)]}
    assert tracks["artist"] is None and tracks["citation"] is None
    display(house, "--labels", house / "labels.csv", "--title-column", "year", "--artist-column", "kind")
    assert "titles: 36 by column 'year'; artists: 36 by column 'kind'" in capsys.readouterr().out
    tracks = part_of(house / "page", "tracks")
    assert tracks["title"] == {"column": "label:year"} and tracks["artist"] == {"column": "label:kind"}


def test_kinds_lie_apart_on_the_map(house):
    display(house)
    places = read_rows(house / "page" / "layout.csv")
    xy = np.array([[float(row["x"]), float(row["y"])] for row in places.values()])
    low = np.array([name.startswith("low") for name in places])
    apart = np.linalg.norm(xy[:, None] - xy, axis=2) + np.diag(np.full(len(xy), np.inf))
    assert (low[apart.argmin(axis=1)] == low).mean() > 0.9


def test_the_same_command_again_changes_nothing(house, capsys):
    mels = write_mels(house / "mels", {name.removesuffix(".npy"): 50 for name in names_of(TRACKS)})
    flags = ["--labels", house / "labels.csv", "--mel-folder", mels, "--audio", "copy"]
    flags += ["--output-table", house / "all.csv"]
    display(house, *flags)
    before = {name: what for name, what in tree(house).items() if name != "page/lock"}
    capsys.readouterr()
    assert display(house, *flags) == 0
    assert "map: as it was, nothing has changed since" in capsys.readouterr().out
    assert {name: what for name, what in tree(house).items() if name != "page/lock"} == before


def test_strips_are_drawn_where_a_mel_folder_is_named(house, capsys):
    mels = write_mels(house / "mels", {name.removesuffix(".npy"): 50 for name in names_of(TRACKS)[1:]})
    display(house)
    assert part_of(house / "page", "tracks")["strips"] is None
    capsys.readouterr()
    assert display(house, "--mel-folder", mels) == 0
    assert "strips: 35 tracks; 1 track without a mel\n" in capsys.readouterr().out
    told = part_of(house / "page", "tracks")["strips"]
    assert [told["tracks"], told["width"], told["height"]] == [256, 256, 24] and len(told["files"]) == 1
    assert (house / "page" / told["files"][0]).read_bytes()[:4] == b"RIFF"


def test_a_quiet_night_says_nothing_and_news_are_one_line(house, capsys):
    labels = ["--labels", house / "labels.csv"] if (house / "labels.csv").exists() else []
    page = f"page: 36 tracks; open {house / 'page/index.html'} in a browser\n"
    for told in (page, ""):
        assert display(house, "--quiet", *labels) == 0
        assert capsys.readouterr() == (told, "")
    assert display(house, "--quiet", "--title", "another") == 0
    assert capsys.readouterr() == (page, "")


def test_a_collection_that_has_grown_and_shrunk_keeps_its_places(house, capsys):
    write_run(house / "run", names_of(TRACKS - 4), save=2)
    display(house)
    before = read_rows(house / "page" / "layout.csv")
    write_run(house / "run", names_of(TRACKS, skip=1), save=3)
    capsys.readouterr()
    assert display(house, "--output-table", house / "all.csv") == 0
    told = capsys.readouterr().out
    assert re.search(r"map: t-SNE from the one before, 31 tracks moved by \d+\.\d% of its width in median", told)
    assert "page: 35 tracks, 4 of them new" in told
    after = read_rows(house / "page" / "layout.csv")
    assert {name for name, row in after.items() if row["new"] == "1"} == after.keys() - before.keys()
    assert {
        name for name, row in read_rows(house / "all.csv").items() if row["new"] == "new"
    } == after.keys() - before.keys()
    assert part_of(house / "page", "tracks")["columns"][-1]["values"] == ["known", "new"]
    display(house)  # what is new stays marked until others come
    assert read_rows(house / "page" / "layout.csv") == after


def places_in(out: Path) -> np.ndarray:
    return np.array([[float(row["x"]), float(row["y"])] for row in read_rows(out / "layout.csv").values()])


def make_dot(out: Path) -> None:
    """Leave the page with a layout.csv on which all tracks lie in one place."""
    rows = read_rows(out / "layout.csv")
    (out / "layout.csv").write_text("filename,x,y,new\n" + "".join(f'"{name}",0.0,0.0,0\n' for name in rows))


def test_a_map_that_is_a_dot_is_made_anew_though_nothing_has_changed(house, capsys):
    display(house)
    before = places_in(house / "page")
    make_dot(house / "page")
    capsys.readouterr()
    assert display(house) == 0
    assert "map: t-SNE from scratch" in capsys.readouterr().out
    np.testing.assert_array_equal(places_in(house / "page"), before)


def test_a_map_that_is_a_dot_does_not_grow_but_newcomers_are_marked(house, capsys):
    write_run(house / "run", names_of(TRACKS - 4), save=2)
    display(house)
    make_dot(house / "page")
    write_run(house / "run", names_of(TRACKS), save=3)
    capsys.readouterr()
    assert display(house) == 0
    told = capsys.readouterr().out
    assert "map: t-SNE from scratch" in told and "page: 36 tracks, 4 of them new" in told
    assert not all_in_one_place(places_in(house / "page"))


def test_a_map_that_collapses_is_replaced_by_principal_components(house, capsys):
    """t-SNE puts tracks in one place that are all about as far from each other: nothing is nearer than the rest."""
    vectors = np.eye(TRACKS, dtype=np.float32)
    vectors[:, 0] += np.linspace(0.0, 1e-3, TRACKS)
    np.save(house / "mine.npy", vectors)
    assert display(house, "--vectors", house / "mine.npy", "--labels", house / "labels.csv") == 0
    told = capsys.readouterr().out
    assert "map: two principal components, because t-SNE has put all tracks in one place\n" in told
    np.testing.assert_array_equal(places_in(house / "page").astype(np.float32), pca_layout(directions(vectors)))
    assert (house / "page" / "map.png").exists()


def test_a_new_layout_starts_from_nothing(house, capsys):
    display(house)
    capsys.readouterr()
    display(house, "--new-layout", "--seed", 1)
    assert "map: t-SNE from scratch" in capsys.readouterr().out


def test_pca_and_a_file_are_layouts_too(house, capsys):
    display(house, "--layout", "pca")
    assert "map: two principal components" in capsys.readouterr().out
    mine = house / "mine.csv"
    names = [name.removesuffix(".npy") for name in names_of(TRACKS)]
    mine.write_text("filename,x,y\n" + "".join(f'"{name}",{row},{-row}\n' for row, name in enumerate(names[:-1])))
    display(house, "--layout", mine)
    assert "map: mine.csv; 1 track without a place there put beside the most alike" in capsys.readouterr().out
    places = read_rows(house / "page" / "layout.csv")
    assert [float(places[name]["x"]) for name in names[:-1]] == list(range(TRACKS - 1))
    mine.write_text("filename,x,y\n" + "".join(f'"{name}",{2 * row},0\n' for row, name in enumerate(names)))
    display(house, "--layout", mine)  # another content of the same file is another layout
    assert float(read_rows(house / "page" / "layout.csv")[names[5]]["x"]) == 10
    capsys.readouterr()
    display(house)  # and t-SNE does not start from what was none
    assert "map: t-SNE from scratch" in capsys.readouterr().out


@pytest.mark.parametrize("tracks", [1, 2, 3, 5])
def test_few_tracks(tmp_path, tracks):
    names = names_of(tracks)
    write_run(tmp_path / "run", names)
    assert display(tmp_path, "--audio", "none") == 0
    assert len(read_rows(tmp_path / "page" / "layout.csv")) == tracks


def test_audio_is_copied_once_and_goes_with_its_track(house, capsys):
    display(house, "--audio", "copy")
    copies = {name: what for name, what in tree(house / "page" / "audio").items() if name.endswith(".wav")}
    assert len(copies) == TRACKS
    write_run(house / "run", names_of(TRACKS, skip=2), save=2)
    display(house, "--audio", "copy")
    after = {name: what for name, what in tree(house / "page" / "audio").items() if name.endswith(".wav")}
    assert len(after) == TRACKS - 2 and after.items() <= copies.items()


def test_no_audio_is_needed_where_none_is_wanted(house, tmp_path):
    assert main([str(house / "run"), str(tmp_path / "gone"), str(house / "page"), "--audio", "none", "--quiet"]) == 0
    assert part_of(house / "page", "tracks")["audio"] is None


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--layout", "umap"], "--layout umap: write tsne, pca, or the path of a CSV"),
        (["--layout", "nowhere.csv"], "--layout nowhere.csv: no such file"),
        (["--labels", "nowhere.csv"], "nowhere.csv: no such label table"),
        (
            ["--labels", "labels.csv", "--title-column", "yaer"],
            "no column 'yaer' for --title-column; known: kind, year",
        ),
        (["--artist-column", "kind"], "--artist-column kind: there is no label table; give one by --labels"),
        (["--output-table", "table.txt"], "table.txt: the name must end in .csv"),
        (["--output-table", "labels.csv"], "labels.csv: is no table of this script"),
        (["--mel-folder", "nowhere"], "nowhere: no such mel folder"),
        (["--mel-folder", "audio"], "audio: no usable mel file"),
        (["--vectors", "frames"], "--vectors frames: write song, or the path of an .npy file"),
    ],
)
def test_mistakes_are_one_line_and_leave_no_folder(house, capsys, monkeypatch, flags, message):
    monkeypatch.chdir(house)
    assert display(house, *flags) == 1
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1
    assert not (house / "page").exists()


def test_other_audio_is_a_mistake(house, capsys, tmp_path):
    (tmp_path / "other").mkdir()
    assert main([str(house / "run"), str(tmp_path / "other"), str(house / "page")]) == 1
    assert "holds no track of the run, not even" in capsys.readouterr().err


def test_the_folder_of_something_else_stays_as_it_is(house, capsys):
    for folder in ("audio", "run"):
        before = tree(house / folder)
        assert display(house, out=folder) == 1
        assert "name a new or an empty folder" in capsys.readouterr().err
        assert tree(house / folder) == before


def test_a_second_writer_waits_its_turn(house, capsys):
    (house / "page").mkdir()
    with files.folder_lock(house / "page"):
        assert display(house) == 75
    assert "in use" in capsys.readouterr().err


def test_a_page_of_other_tracks_starts_afresh(house, capsys):
    display(house)
    write_run(house / "run", [f"other {track:02d}.wav.npy" for track in range(TRACKS)], save=2)
    capsys.readouterr()
    assert display(house, "--audio", "none") == 0
    assert "map: t-SNE from scratch" in capsys.readouterr().out
    assert not any(row["new"] == "1" for row in read_rows(house / "page" / "layout.csv").values())


def test_a_broken_layout_is_an_error_and_nothing_is_lost(house, capsys):
    display(house)
    (house / "page" / "layout.csv").write_text("filename,x,y,new\nlow end/000.wav,1,left,0\n")
    before = tree(house / "page")
    assert display(house, "--output-table", house / "page" / "layout.csv") == 1
    assert "is no table of this script" in capsys.readouterr().err
    assert display(house) == 1
    assert "'left'" in capsys.readouterr().err
    after = tree(house / "page")
    assert {name: after[name] for name in after if name != "lock"} == {n: before[n] for n in before if n != "lock"}


def test_a_broken_layout_is_mended_by_a_new_one(house):
    display(house)
    (house / "page" / "layout.csv").write_text("filename,x,y,new\nlow end/000.wav,1,left,0\n")
    assert display(house, "--new-layout", "--seed", -1) == 0
    assert len(read_rows(house / "page" / "layout.csv")) == TRACKS


def test_a_track_without_direction_is_an_error(house, capsys):
    vectors = vectors_of(names_of(TRACKS))
    vectors[3] = 0
    np.save(house / "mine.npy", vectors)
    assert display(house, "--vectors", house / "mine.npy") == 1
    told = capsys.readouterr().err
    assert names_of(TRACKS)[3].removesuffix(".npy") in told and told.count("\n") == 1


def test_help_is_quick():
    """openTSNE, matplotlib, scikit-learn and faiss are imported when they are needed."""
    code = (
        "import sys; sys.argv = ['x']; from static_web_viewer import display_vector_data as script;"
        "script.build_parser().format_help(); heavy = {'openTSNE', 'matplotlib', 'sklearn', 'faiss', 'PIL'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True).returncode == 0


def test_defaults():
    defaults = vars(build_parser().parse_args(["run", "audio", "out"]))
    assert (defaults["audio"], defaults["layout"], defaults["clusters"], defaults["seed"]) == (
        "reference",
        "tsne",
        10,
        0,
    )
    assert defaults["labels"] is None and defaults["new_layout"] is False


def test_a_label_has_the_colour_that_it_has_in_other_pictures():
    labels = list("hgfedcba")
    drawn = draw_map(np.zeros((9, 2), np.float32), Column("kind", "kind", [*labels, ""]), "a title")
    legend = drawn.legends[0]
    colours = {
        text.get_text().split(" (")[0]: handle.get_color()
        for text, handle in zip(legend.get_texts(), legend.legend_handles, strict=True)
    }
    assert colours == {**label_colours(labels), "no value": OTHER_COLOUR}
