"""page_folder.py: a page takes the place of another whole, and of nothing that is not a page of ours."""

from __future__ import annotations

import json
import os
import re

import pytest
from conftest import tree

import files
from static_web_viewer.page import page_folder
from static_web_viewer.page.page_folder import check_folder, clean, hashed_name, read_state, write_page
from utils import UserError

PARTS = ("map", "tracks", "neighbours", "vectors")


def data(version: str) -> dict[str, bytes]:
    return {f"data/{part}.js": f"store.receive({part!r}, {version!r});".encode() for part in PARTS}


def write(out, version: str, title: str = "My music") -> None:
    out.mkdir(exist_ok=True)
    (out / "lock").touch()
    write_page(out, title, data(version))


def named_files(out) -> set[str]:
    """All that index.html refers to."""
    return set(re.findall(r"(?:data|viewer)/[^\s\"]+", (out / "index.html").read_text()))


def test_all_that_the_page_names_is_there_under_the_hash_of_its_content(tmp_path):
    out = tmp_path / "a page"
    write(out, "one")
    names = named_files(out)
    assert len([name for name in names if name.startswith("data/")]) == 4
    for name in names:
        assert re.search(r"-[0-9a-f]{16}\.", name) and (out / name).stat().st_size, name
    assert {name for name in read_state(out)["files"] if name.startswith("data/")} <= names


def test_the_same_page_again_touches_nothing(tmp_path):
    write(tmp_path, "one")
    before = {name: what for name, what in tree(tmp_path).items() if name != "lock"}
    write(tmp_path, "one")
    assert {name: what for name, what in tree(tmp_path).items() if name != "lock"} == before


def test_a_file_that_is_there_already_stays_as_long_as_the_others(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "lock").touch()
    for version in ("one", "two", "three"):
        name = hashed_name("data/picture.webp", version.encode())
        (tmp_path / name).write_text(version)
        write_page(tmp_path, "My music", data(version), [name])
        assert name in read_state(tmp_path)["files"]
    there = {path.read_text() for path in (tmp_path / "data").glob("picture-*")}
    assert there == {"two", "three"}


def test_the_files_of_the_page_before_stay_and_older_ones_go(tmp_path):
    names = []
    for version in ("one", "two", "three"):
        write(tmp_path, version)
        names.append(named_files(tmp_path))
    first, second, third = names
    for name in second | third:
        assert (tmp_path / name).exists()
    gone = {name for name in first if not (tmp_path / name).exists()}
    assert gone == {name for name in first if name.startswith("data/")}


def test_what_others_put_into_the_folder_stays(tmp_path):
    write(tmp_path, "one")
    (tmp_path / "data" / "notes.txt").write_text("mine")
    (tmp_path / "robots.txt").write_text("mine")
    for version in ("two", "three"):
        check_folder(tmp_path)
        write(tmp_path, version)
    assert (tmp_path / "data" / "notes.txt").exists() and (tmp_path / "robots.txt").exists()


@pytest.mark.parametrize("title", ["</title><script>alert(1)</script>", '" onload="alert(1)', "data/map.js $title"])
def test_a_title_is_text(tmp_path, title):
    write(tmp_path, "one", title)
    page = (tmp_path / "index.html").read_text()
    assert "<script>alert" not in page and 'onload="' not in page
    assert page.count("<script") == page.count("<script defer src=")


def killed_after(writes: int, monkeypatch):
    """Let so many writes through, then none: as if the process had been killed there."""
    done = 0

    def write_file(path, content, durable=False):
        nonlocal done
        if done == writes:
            raise KeyboardInterrupt
        done += 1
        path.write_bytes(content)

    monkeypatch.setattr(files, "write_file", write_file)


@pytest.mark.parametrize("writes", range(7))
def test_killed_at_any_write_the_old_page_is_whole(tmp_path, monkeypatch, writes):
    write(tmp_path, "one")
    before, index = named_files(tmp_path), (tmp_path / "index.html").read_bytes()
    with monkeypatch.context() as patched:
        killed_after(writes, patched)
        try:
            write(tmp_path, "two")
        except KeyboardInterrupt:
            assert (tmp_path / "index.html").read_bytes() == index
            assert all((tmp_path / name).exists() for name in before)
        else:
            assert writes == 6  # four data files, page.json, index.html
    check_folder(tmp_path)
    write(tmp_path, "two")
    assert all((tmp_path / name).exists() for name in named_files(tmp_path) | before)


def test_a_first_page_that_was_killed_is_ours(tmp_path):
    out = tmp_path / "out"
    write(out, "one")
    (out / "index.html").unlink()
    (out / ".sound-eval-1-1.tmp").write_text("half")
    check_folder(out)
    clean(out)
    assert not (out / ".sound-eval-1-1.tmp").exists()


@pytest.mark.parametrize("name", ["song.mp3", "audio", "data", "layout.csv"])
def test_a_folder_of_something_else_is_refused(tmp_path, name):
    (tmp_path / name).mkdir() if "." not in name else (tmp_path / name).touch()
    with pytest.raises(UserError, match=rf"holds '{name}' already; name a new or an empty folder"):
        check_folder(tmp_path)


def test_a_data_file_cut_short_is_mended(tmp_path):
    write(tmp_path, "one")
    name = next(name for name in named_files(tmp_path) if name.startswith("data/vectors"))
    (tmp_path / name).write_bytes(b"")
    write(tmp_path, "one")
    assert (tmp_path / name).read_bytes() == data("one")["data/vectors.js"]


def test_a_data_file_of_other_bytes_is_mended(tmp_path):
    write(tmp_path, "one")
    path = tmp_path / hashed_name("data/map.js", data("one")["data/map.js"])
    path.write_bytes(bytes(path.stat().st_size))
    write(tmp_path, "one")
    assert path.read_bytes() == data("one")["data/map.js"]


@pytest.mark.parametrize("name", ["index.html", "page.json", "layout.csv", "map.png", "data/map"])
@pytest.mark.parametrize("kind", ["folder", "pipe", "link to itself", "link to zeros"])
def test_what_is_no_file_in_its_place_is_refused(tmp_path, name, kind):
    """Half of the page was written before that was met; zeros were read until the memory was full."""
    write(tmp_path, "one")
    path = next(tmp_path.glob(f"{name}*"), tmp_path / name)
    path.unlink(missing_ok=True)
    make = {"folder": path.mkdir, "pipe": lambda: os.mkfifo(path), "link to itself": lambda: path.symlink_to(path)}
    make.get(kind, lambda: path.symlink_to("/dev/zero"))()
    with pytest.raises(UserError, match="is no file; remove it"):
        check_folder(tmp_path)


@pytest.mark.parametrize("folder", ["data", "viewer"])
def test_a_symbolic_link_in_its_place_is_refused(tmp_path, folder):
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    write(out, "one")
    (out / folder).rename(elsewhere)
    (out / folder).symlink_to(elsewhere)
    with pytest.raises(UserError, match="is a symbolic link"):
        check_folder(out)


def test_somebody_elses_page_is_refused(tmp_path):
    (tmp_path / "index.html").write_text("<!doctype html><title>My band</title>")
    (tmp_path / "lock").touch()
    with pytest.raises(UserError, match="is no page of this script"):
        check_folder(tmp_path)


def test_a_file_is_refused(tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(UserError, match="is a file; name a folder"):
        check_folder(tmp_path / "out")


def test_new_and_empty_folders_are_fine(tmp_path):
    check_folder(tmp_path)
    check_folder(tmp_path / "not yet")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("content", ["", "{", "[]", json.dumps("text"), json.dumps({"files": []}), "[" * 100_000])
def test_a_broken_state_is_none(tmp_path, content):
    (tmp_path / "page.json").write_text(content)
    assert read_state(tmp_path) == {}


def test_the_viewer_has_no_inline_script_and_asks_for_nothing_outside():
    for path in page_folder._VIEWER.iterdir():
        text = path.read_text(encoding="utf-8")
        outside = set(re.findall(r"https?://[^\s\"')]+", text)) - {"http://www.w3.org/2000/svg"}
        assert not outside, path
        assert not re.search(r"\bon\w+=|innerHTML|insertAdjacentHTML|document\.write|javascript:", text), path
