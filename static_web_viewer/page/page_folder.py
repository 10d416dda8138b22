"""The page's folder: whose it is, and how a page takes the place of another so that no reader ever sees half.

index.html      replaced last; it names every other file it needs
viewer/, data/  files with a hash of their content in their name, so a new page never touches those of the old
audio/          see audio_shelf.py
layout.csv      where each track lies; the next page starts from it
layout.json     what layout.csv was made of, see layout_origin.py
map.png         the map as a picture
page.json       the files of this page and of the one before
lock            who writes at present, if anybody

A file that would be the same is left alone, so a page of which nothing has changed keeps all its times.
"""

from __future__ import annotations

import contextlib
import hashlib
import html
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from files import LOCK_NAME, remove_temporaries, require_ours_or_empty, write_if_changed
from utils import UserError

INDEX_NAME, PICTURE_NAME, STATE_NAME = "index.html", "map.png", "page.json"
LAYOUT_NAME, LAYOUT_ORIGIN_NAME = "layout.csv", "layout.json"
AUDIO_FOLDER, DATA_FOLDER, VIEWER_FOLDER = "audio", "data", "viewer"
MARK = '<meta name="generator" content="sound-eval">'  # in our index.html: the folder is ours
HASH_CHARACTERS = 16

_VIEWER = Path(__file__).resolve().parent.parent / "viewer"
_OURS = {LOCK_NAME, LAYOUT_NAME, LAYOUT_ORIGIN_NAME, PICTURE_NAME, STATE_NAME, AUDIO_FOLDER, DATA_FOLDER, VIEWER_FOLDER}
_REFERENCE = re.compile(rf"(?:{DATA_FOLDER}|{VIEWER_FOLDER})/[\w.]+\w")  # a file, as index.html names it without hash
_HASHED = re.compile(rf"[\w.]+-[0-9a-f]{{{HASH_CHARACTERS}}}\.[\w.]+")


def check_folder(out: Path) -> None:
    """Raise UserError where the folder holds something else than a page of ours. Changes nothing."""
    for folder in (DATA_FOLDER, VIEWER_FOLDER):
        if (out / folder).is_symlink():
            raise UserError(f"{out / folder}: is a symbolic link, which this script does not follow; remove it")
    _refuse_what_is_no_file(out)
    index = out / INDEX_NAME
    if index.exists():
        if MARK.encode() not in index.read_bytes():
            raise UserError(f"{index}: is no page of this script, and would be replaced; name a new or an empty folder")
        return
    begun = (out / LOCK_NAME).exists()  # by a run that ended before its first page
    require_ours_or_empty(out, "page of ours", lambda name: begun and name in _OURS)


def _refuse_what_is_no_file(out: Path) -> None:
    """Raise UserError where a folder, a pipe, a link to itself or the like is in the place of a file of a page."""
    paths = [out / name for name in (INDEX_NAME, PICTURE_NAME, STATE_NAME, LAYOUT_NAME, LAYOUT_ORIGIN_NAME)]
    for folder in (DATA_FOLDER, VIEWER_FOLDER):
        if os.path.lexists(out / folder):
            if not (out / folder).is_dir():
                raise UserError(f"{out / folder}: is no folder; remove it")
            paths += [out / folder / name for name in os.listdir(out / folder)]
    for path in paths:
        if os.path.lexists(path) and not os.path.isfile(path):
            raise UserError(f"{path}: is no file; remove it")


def clean(out: Path) -> None:
    """Remove what a killed writer left half written. Needs the lock."""
    for folder in (out, out / DATA_FOLDER, out / VIEWER_FOLDER):
        remove_temporaries(folder)


def read_state(out: Path) -> dict:
    """Return what page.json says, {} where there is none or it cannot be read: all in it can be made anew."""
    state = read_json(out / STATE_NAME)
    whole = isinstance(state, dict) and all(_is_list_of_names(state.get(key)) for key in ("files", "before"))
    return state if whole else {}


def read_json(path: Path) -> object:
    """Return what a file of ours says; None where there is none or it cannot be read."""
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError, RecursionError):
        return None


def _is_list_of_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def json_bytes(content: object) -> bytes:
    """Return what `read_json` reads back, for people to look at too."""
    return (json.dumps(content, indent=1) + "\n").encode()


def viewer_files() -> dict[str, bytes]:
    """Return the viewer's own files, by the name under which index.html has them."""
    return {f"{VIEWER_FOLDER}/{path.name}": path.read_bytes() for path in _VIEWER.iterdir() if path.name != INDEX_NAME}


def write_page(out: Path, title: str, data: Mapping[str, bytes], beside: Iterable[str] = ()) -> None:
    """Put a page in the place of the one before; needs the lock. Killed at any instant, one of the two is there, whole.

    data    name as in index.html, such as data/map.js -> content.
    beside  further files of the page, which are there already, by their `hashed_name`.
    """
    files = {**viewer_files(), **data}
    hashed = {name: hashed_name(name, content) for name, content in files.items()}
    for name, content in files.items():
        path = out / hashed[name]
        path.parent.mkdir(exist_ok=True)
        # A name with this hash has this content, unless a power cut, a disk or half a copy of the folder has damaged it
        write_if_changed(path, content, durable=True)
    state, names = read_state(out), sorted([*hashed.values(), *beside])
    before = state.get("before" if state.get("files") == names else "files", [])
    write_if_changed(out / STATE_NAME, json_bytes({"files": names, "before": before}))
    template = (_VIEWER / INDEX_NAME).read_text(encoding="utf-8")
    # Names first: a title must not be taken for one
    page = _REFERENCE.sub(lambda match: hashed[match[0]], template).replace("$title", html.escape(title))
    write_if_changed(out / INDEX_NAME, page.encode("utf-8"), durable=True)
    _prune(out, {*names, *before})


def hashed_name(name: str, content: bytes) -> str:
    """Return the name of a file of the page with a hash of its content in it: data/map.js -> data/map-0123....js."""
    path = PurePosixPath(name)
    stem, _, extension = path.name.partition(".")
    return str(path.with_name(f"{stem}-{hashlib.sha256(content).hexdigest()[:HASH_CHARACTERS]}.{extension}"))


def _prune(out: Path, wanted: set[str]) -> None:
    """Remove files of older pages. Those of the one before stay: somebody may have it open, and load them later."""
    for folder in (DATA_FOLDER, VIEWER_FOLDER):
        for name in os.listdir(out / folder):
            if _HASHED.fullmatch(name) and f"{folder}/{name}" not in wanted:
                with contextlib.suppress(FileNotFoundError):
                    (out / folder / name).unlink()
