"""The page's folder: whose it is, and how a page takes the place of another so that no reader ever sees half.

index.html      replaced last; it names every other file it needs
viewer/, data/  files with a hash of their content in their name, so a new page never touches those of the old
audio/          see audio_shelf.py
layout.csv      where each track lies; the next page starts from it
map.png         the map as a picture
page.json       what the layout was made of; the files of this page and of the one before
lock            who writes at present, if anybody
"""

from __future__ import annotations

import contextlib
import hashlib
import html
import importlib.util
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from files import LOCK_NAME, remove_temporaries, require_ours_or_empty, write_file
from utils import UserError

INDEX_NAME, LAYOUT_NAME, PICTURE_NAME, STATE_NAME = "index.html", "layout.csv", "map.png", "page.json"
AUDIO_FOLDER, DATA_FOLDER, VIEWER_FOLDER = "audio", "data", "viewer"
MARK = '<meta name="generator" content="sound-eval">'  # in our index.html: the folder is ours
HASH_CHARACTERS = 16

_VIEWER = Path(__file__).resolve().parent.parent / "viewer"
_OURS = {LOCK_NAME, LAYOUT_NAME, PICTURE_NAME, STATE_NAME, AUDIO_FOLDER, DATA_FOLDER, VIEWER_FOLDER}
_REFERENCE = re.compile(rf"(?:{DATA_FOLDER}|{VIEWER_FOLDER})/[\w.]+\w")  # a file, as index.html names it without hash
_HASHED = re.compile(rf"[\w.]+-[0-9a-f]{{{HASH_CHARACTERS}}}\.[\w.]+")


def check_folder(out: Path) -> None:
    """Raise UserError where the folder holds something else than a page of ours. Changes nothing."""
    for folder in (DATA_FOLDER, VIEWER_FOLDER):
        if (out / folder).is_symlink():
            raise UserError(f"{out / folder}: is a symbolic link, which this script does not follow; remove it")
    index = out / INDEX_NAME
    if index.exists():
        if MARK.encode() not in index.read_bytes():
            raise UserError(f"{index}: is no page of this script, and would be replaced; name a new or an empty folder")
        return
    begun = (out / LOCK_NAME).exists()  # by a run that ended before its first page
    require_ours_or_empty(out, "page of ours", lambda name: begun and name in _OURS)


def clean(out: Path) -> None:
    """Remove what a killed writer left half written. Needs the lock."""
    for folder in (out, out / DATA_FOLDER, out / VIEWER_FOLDER):
        remove_temporaries(folder)


def read_state(out: Path) -> dict:
    """Return what page.json says, {} where there is none or it cannot be read: all in it can be made anew."""
    try:
        state = json.loads((out / STATE_NAME).read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    whole = isinstance(state, dict) and isinstance(state.get("layout"), dict) and isinstance(state.get("files"), list)
    return state if whole else {}


def viewer_files() -> dict[str, bytes]:
    """Return the viewer's own files and plotly.js, by the name under which index.html has them."""
    files = {f"{VIEWER_FOLDER}/{path.name}": path.read_bytes() for path in _VIEWER.iterdir() if path.name != INDEX_NAME}
    return files | {f"{VIEWER_FOLDER}/plotly.min.js": plotly_path().read_bytes()}


def plotly_path() -> Path:
    """Return where the wheel has plotly.js. Raises UserError where there is none."""
    plotly = importlib.util.find_spec("plotly")
    path = Path(plotly.origin).parent / "package_data/plotly.min.js" if plotly and plotly.origin else None
    if path is None or not path.is_file():
        raise UserError("plotly is not installed, and draws the map; pip install -r requirements.txt")
    return path


def write_page(out: Path, title: str, data: Mapping[str, bytes], state: Mapping[str, object]) -> None:
    """Put a page in the place of the one before; needs the lock. Killed at any instant, one of the two is there, whole.

    data   name as in index.html, such as data/map.js -> content.
    state  what page.json keeps beside the names of the files.
    """
    files = {**viewer_files(), **data}
    hashed = {name: _hashed_name(name, content) for name, content in files.items()}
    for name, content in files.items():
        path = out / hashed[name]
        path.parent.mkdir(exist_ok=True)
        # A name with this hash has this content, unless a power cut or half a copy of the folder has cut it short
        if not path.is_file() or path.stat().st_size != len(content):
            write_file(path, content, durable=True)
    before = read_state(out)
    if before.get("files") != sorted(hashed.values()):
        before = {"before": before.get("files", [])}
    kept = {"files": sorted(hashed.values()), "before": before.get("before", [])}
    write_file(out / STATE_NAME, (json.dumps({**state, **kept}, indent=1) + "\n").encode())
    template = (_VIEWER / INDEX_NAME).read_text(encoding="utf-8")
    # Names first: a title must not be taken for one
    page = _REFERENCE.sub(lambda match: hashed[match[0]], template).replace("$title", html.escape(title))
    write_file(out / INDEX_NAME, page.encode("utf-8"), durable=True)
    _prune(out, {*kept["files"], *kept["before"]})


def _hashed_name(name: str, content: bytes) -> str:
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
