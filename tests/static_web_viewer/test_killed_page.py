"""A page's run that is killed at any of its writes: the plain rerun gives the bytes of a run that nobody disturbed."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from conftest import clustered, tone, write_audio, write_mels

from runs import repair, run_folder
from static_web_viewer.display_vector_data import main
from static_web_viewer.page import page_folder
from static_web_viewer.page.layout_origin import read_origin, write_layout

pytestmark = pytest.mark.slow

TRACKS, BEFORE = 12, 10  # on the page, and on the one before
NAMES = [f"a, b/{track:02d}.wav.npy" for track in range(TRACKS)]
INDEX = f"""<!doctype html>{page_folder.MARK}<title>$title</title><script defer src="viewer/all.js"></script>
<script defer src="data/map.js"></script><body data-later="data/tracks.js data/neighbours.js data/vectors.js">"""


class Killed(BaseException):
    """What no handler takes for an error."""


class Killer:
    """Lets so many files take or lose their names, then none: all that comes later fails, the tidying up too."""

    def __init__(self, monkeypatch) -> None:
        self.left, self.count = -1, 0
        for name in ("replace", "unlink"):
            monkeypatch.setattr(os, name, self._guarded(getattr(os, name)))

    def _guarded(self, act):
        def guarded(*paths, **options):
            if self.left == 0:
                raise Killed
            self.left -= 1
            self.count += 1
            return act(*paths, **options)

        return guarded

    def kill_after(self, writes: int, work) -> bool:
        """Do the work; tell whether it was killed."""
        self.left, self.count = writes, 0
        try:
            assert work() == 0
        except Killed:
            return True
        finally:
            self.left = -1
        return False


@pytest.fixture
def killer(monkeypatch):
    return Killer(monkeypatch)


@pytest.fixture
def house(tmp_path, monkeypatch) -> Path:
    """A run of twelve tracks, their mels, the audio of three; a viewer of one file, as all of its files are alike."""
    house, viewer = tmp_path / "the house", tmp_path / "viewer"
    viewer.mkdir()
    (viewer / "index.html").write_text(INDEX)
    (viewer / "all.js").write_text("'all of it';")
    monkeypatch.setattr(page_folder, "_VIEWER", viewer)
    write_mels(house / "mels", {name.removesuffix(".npy"): 20 for name in NAMES})
    for name in (NAMES[0], NAMES[-1]):
        write_audio(house / "audio" / name.removesuffix(".npy"), tone(0.05, 440))
    return house


def write_run(house: Path, tracks: int, save: int, seed: int = 0) -> None:
    repair.prepare(house / "run")
    costs = [run_folder.CostRow(x, 1.0, 1.0, 100 * x, 1.0) for x in range(1, save + 1)]
    vectors = clustered(TRACKS, seed=seed)[0][:tracks]
    run_folder.commit_save(house / "run", save, vectors, {}, costs, b"seed: 0\n", 5, NAMES[:tracks])


def display(house: Path, out: Path, *flags: str) -> int:
    folders = [str(house / "run"), str(house / "audio"), str(out)]
    return main([*folders, "--mel-folder", str(house / "mels"), "--audio", "copy", *flags])


def content(out: Path) -> dict[str, bytes]:
    paths = [path for path in out.rglob("*") if path.is_file() and path.name != "lock"]
    return {str(path.relative_to(out)): path.read_bytes() for path in paths}


@pytest.mark.parametrize(
    ("tracks_before", "seed_before"),
    [(0, 0), (BEFORE, 0), (TRACKS, 1)],
    ids=["a first page", "a page that grows", "a run that has trained on"],
)
def test_killed_at_each_write(house, tmp_path, killer, tracks_before, seed_before):
    before, undisturbed = tmp_path / "before", tmp_path / "undisturbed"
    before.mkdir()
    if tracks_before:
        write_run(house, tracks_before, 1, seed_before)
        assert display(house, before) == 0
    write_run(house, TRACKS, save=2)
    shutil.copytree(before, undisturbed)
    assert not killer.kill_after(-1, lambda: display(house, undisturbed))
    writes, wanted = killer.count, content(undisturbed)
    assert wanted["layout.csv"].count(b",1\n") == (TRACKS - BEFORE if tracks_before == BEFORE else 0)
    for number in range(writes):
        out = tmp_path / f"killed at {number}"
        shutil.copytree(before, out)
        assert killer.kill_after(number, lambda out=out: display(house, out))
        assert display(house, out) == 0
        assert content(out) == wanted, f"killed at write {number} of {writes}"
        assert display(house, out) == 0
        assert content(out) == wanted, f"killed at write {number} of {writes}, and once more"
        shutil.rmtree(out)


def test_a_layout_of_unknown_origin_that_grows_is_not_taken_for_the_one_that_was_to_come(house, tmp_path, killer):
    """As a page of an older version that was killed there leaves it."""
    write_run(house, TRACKS, save=1)
    pages = [tmp_path / "undisturbed", tmp_path / "killed"]
    for out in pages:
        assert display(house, out, "--layout", "pca") == 0
        (out / "layout.json").unlink()
    assert display(house, pages[0]) == 0
    assert killer.kill_after(1, lambda: display(house, pages[1]))
    assert display(house, pages[1]) == 0
    assert content(pages[1]) == content(pages[0])


def test_a_page_of_an_older_version_keeps_its_map(house, out, capsys):
    """It has in page.json what its map was made of."""
    write_run(house, BEFORE, save=1)
    assert display(house, out) == 0
    wanted, origin = content(out), read_origin(out)
    (out / "layout.json").unlink()
    state = json.loads((out / "page.json").read_bytes())
    (out / "page.json").write_text(json.dumps({"layout": origin, **state}, indent=1) + "\n")
    capsys.readouterr()
    assert display(house, out) == 0
    assert "map: as it was, nothing has changed since" in capsys.readouterr().out
    assert content(out) == wanted
    write_run(house, TRACKS, save=2)
    assert display(house, out) == 0
    assert "map: t-SNE from the one before" in capsys.readouterr().out


def test_a_map_whose_file_was_edited_stays_as_it_is_edited(house, out, capsys):
    write_run(house, TRACKS, save=1)
    assert display(house, out) == 0
    lines = (out / "layout.csv").read_text().splitlines()
    lines[1] = lines[1].replace(lines[1].split(",")[-3], "77.5")
    (out / "layout.csv").write_text("\n".join(lines) + "\n")
    edited = (out / "layout.csv").read_bytes()
    capsys.readouterr()
    assert display(house, out) == 0
    assert "map: as it was, nothing has changed since" in capsys.readouterr().out
    assert (out / "layout.csv").read_bytes() == edited and b",77.5," in edited


@pytest.mark.parametrize(
    "broken", [b"", b"[", b"{}", b"[1, null, {}]", b'[{"layout": 1}]', b'[{"kind": "tsne"}]', b"[" * 100_000]
)
def test_what_a_map_was_made_of_can_be_lost(out, broken):
    (out / "layout.csv").write_bytes(b"filename,x,y,new\n")
    (out / "layout.json").write_bytes(broken)
    assert read_origin(out) == {}
    origin = {"kind": "tsne", "hash": "0", "made": "by hand"}
    write_layout(out, b"filename,x,y,new\na,1,1,0\n", origin)
    assert read_origin(out) == origin


def test_no_map_has_no_origin(out):
    write_layout(out, b"filename,x,y,new\na,1,1,0\n", {"kind": "tsne", "hash": "0", "made": "by hand"})
    (out / "layout.csv").unlink()
    assert read_origin(out) == {}
