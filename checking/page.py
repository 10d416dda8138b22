"""Whether a page is whole: what index.html loads, the layout, and the audio that it plays."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from checking.checked import RESTORE, Checked, Finding, after_removal, command, look_at, removal, require_line_end
from checking.page_audio import check_audio
from files import temporaries
from judging.labels import FILENAME_COLUMN, read_label_table, require_columns
from static_web_viewer.page.layout_file import LAYOUT_HEADER
from static_web_viewer.page.layout_origin import KEYS
from static_web_viewer.page.page_folder import (
    AUDIO_FOLDER,
    DATA_FOLDER,
    HASH_CHARACTERS,
    INDEX_NAME,
    LAYOUT_NAME,
    LAYOUT_ORIGIN_NAME,
    MARK,
    PICTURE_NAME,
    STATE_NAME,
    VIEWER_FOLDER,
    read_json,
    read_state,
)
from utils import UserError, as_unicode, plural

PAGE = "page"
SHOW = "static_web_viewer/display_vector_data.py"
LARGEST_INDEX = 1_000_000  # bytes
LARGEST_DATA = 2_000_000_000  # bytes of a file
LARGEST_PICTURE = 100_000_000

_HASH = f"-([0-9a-f]{{{HASH_CHARACTERS}}})"
_LOADED = re.compile(rf"(?:{DATA_FOLDER}|{VIEWER_FOLDER})/[\w.]+?{_HASH}\.[\w.]*\w")
_PART = re.compile(rf"{DATA_FOLDER}/(\w+){_HASH}\.js")
_STRIPS = re.compile(rf"{DATA_FOLDER}/strips\d+{_HASH}\.webp")
PNG_START, PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"


def is_page(folder: Path, is_there: Callable[[Path], bool]) -> bool:
    """Tell whether a folder is a page, or was one."""
    if any(is_there(folder / name) for name in (LAYOUT_ORIGIN_NAME, STATE_NAME)):
        return True
    try:
        look_at(folder / INDEX_NAME, LARGEST_INDEX)
        return MARK.encode() in (folder / INDEX_NAME).read_bytes()
    except (OSError, UserError):
        return False


def check_page(folder: Path) -> Checked:
    """Look at a page of display_vector_data.py."""
    checked = Checked(folder, PAGE)
    again = f"{command(SHOW, 'RUN_FOLDER', 'AUDIO_ROOT', folder)} and the flags of before"
    loaded = _check_index(checked, again)
    _check_loaded(checked, loaded, again)
    parts = {match[1]: name for name in loaded if (match := _PART.fullmatch(name))}
    damaged = {finding.path for finding in checked.findings}
    contents = {}
    for part in ("map", "tracks"):
        name = parts.get(part)
        if name and os.fspath(folder / name) not in damaged:
            with checked.part(name, after_removal(folder / name, again, always=True)):
                contents[part] = _read_data(folder / name)
    strips = _check_strips(checked, contents.get("tracks", {}), again)
    beside = _check_others(checked, contents.get("map", {}), again)
    state = _check_state(checked, [*loaded, *strips, *beside], again)
    _check_layout(checked, contents, state, again)
    with checked.part(PICTURE_NAME, after_removal(folder / PICTURE_NAME, again, always=True)) as part:
        part.what = _check_picture(folder / PICTURE_NAME)
    if "tracks" in contents:
        check_audio(checked, contents["tracks"], again)
    checked.lock()
    _check_left_overs(checked, {*loaded, *strips, *beside, *state.get("before", [])}, again)
    _say_what_is_usable(checked, contents)
    return checked


def _check_index(checked: Checked, again: str) -> list[str]:
    """Look at index.html; return the names of the files that it loads."""
    path, loaded = checked.folder / INDEX_NAME, []
    with checked.part(INDEX_NAME, after_removal(path, again, always=True)) as part:
        look_at(path, LARGEST_INDEX)
        text = path.read_text(encoding="utf-8", errors="replace")
        loaded = sorted({match[0] for match in _LOADED.finditer(text)})
        if MARK not in text or not text.rstrip().endswith("</html>") or not loaded:
            raise UserError(f"{path}: is no whole page; {again}")
        part.what = f"loads {plural(len(loaded), 'file')}"
    return loaded


def _check_loaded(checked: Checked, loaded: list[str], again: str) -> None:
    """Compare each file that the page loads with the hash that its name holds."""
    for folder in (DATA_FOLDER, VIEWER_FOLDER):
        names = [name for name in loaded if name.startswith(f"{folder}/")]
        with checked.part(f"{folder}/") as part:
            if (checked.folder / folder).is_symlink():
                path = checked.folder / folder
                raise UserError(f"{path}: is a symbolic link, which the script does not follow; {removal(path)}")
            total = sum(_check_hash(checked, name, again) for name in names)
            part.what = f"{plural(len(names), 'file')}, {total / 1e6:,.1f} MB"


def _check_hash(checked: Checked, name: str, again: str) -> int:
    """Look at a file that the page loads; return its bytes."""
    path = checked.folder / name
    try:
        size = look_at(path, LARGEST_DATA)
        with open(path, "rb") as file:
            found = (
                hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _digest(file)
            )
    except FileNotFoundError:
        checked.find(path, "is not there, and the page loads it", again)
        return 0
    except (OSError, UserError) as error:
        checked.find_error(error, path, after_removal(path, again, always=True))
        return 0
    if not found.startswith(_LOADED.fullmatch(name)[1]):
        checked.find(path, "does not hold what its name says: it is damaged", after_removal(path, again, always=True))
    return size


def _digest(file) -> str:
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def _read_data(path: Path) -> dict:
    """Return what a data file hands to the page."""
    text = path.read_text(encoding="ascii")
    content = json.loads(json.loads(text[text.index(",") + 1 : text.rindex(")")]))
    if not isinstance(content, dict):
        raise UserError(f"{path}: is no data of a page; {RESTORE}")
    return content


def _check_strips(checked: Checked, tracks: dict, again: str) -> list[str]:
    """Look at the pictures to seek in, of which the names' hashes are of the mels; return their names."""
    strips = tracks.get("strips")
    if not strips:
        return []
    names = []
    with checked.part("strips") as part:
        names = [name for name in strips["files"] if _STRIPS.fullmatch(name)]
        part.what = plural(len(names), "file")
        for name in names:
            path = checked.folder / name
            try:
                size = look_at(path, LARGEST_DATA)
                with open(path, "rb") as file:
                    start = file.read(12)
                if start[:4] + start[8:] != b"RIFFWEBP" or int.from_bytes(start[4:8], "little") + 8 != size:
                    raise UserError(f"{path}: is no whole picture; {again}")
            except FileNotFoundError:
                checked.find(path, "is not there, and the page loads it", again)
            except (OSError, UserError) as error:
                checked.find_error(error, path, after_removal(path, again, always=True))
    return names


def _check_others(checked: Checked, map_: dict, again: str) -> list[str]:
    """Compare each file of the tracks that are no points of the map with the hash in its name; return their names."""
    others = map_.get("others")
    if not others:
        return []
    names = []
    with checked.part("others") as part:
        names = [name for name in (*others["search"], *others["vectors"]) if _PART.fullmatch(name)]
        total = sum(_check_hash(checked, name, again) for name in names)
        part.what = f"{plural(int(others['count']), 'track')} beside the map, {total / 1e6:,.1f} MB"
    return names


def _check_state(checked: Checked, loaded: list[str], again: str) -> dict:
    """Look at page.json; return what it says."""
    path, state = checked.folder / STATE_NAME, {}
    with checked.part(STATE_NAME, after_removal(path, again, always=True)) as part:
        look_at(path)
        state = read_state(checked.folder)
        if not state:
            raise UserError(f"{path}: does not name the page's files; {again}")
        part.what = f"names {plural(len(state['files']), 'file')}"
        if loaded and set(state["files"]) != set(loaded):
            what = f"names other files than {INDEX_NAME} loads: a run was stopped between the two, or one is damaged"
            raise UserError(f"{path}: {what}; {again}")
    return state


def _check_layout(checked: Checked, contents: dict[str, dict], state: dict, again: str) -> None:
    """Look at layout.csv and layout.json, and whether the page shows those places."""
    path, origin = checked.folder / LAYOUT_NAME, checked.folder / LAYOUT_ORIGIN_NAME
    anew = f"{RESTORE}, or let all places be found anew: {removal(path)} && {again}"
    with checked.part(LAYOUT_NAME, anew if os.path.lexists(path) else again) as part:
        look_at(path)
        require_line_end(path)
        places = _read_places(path)
        part.what = plural(len(places), "track")
        if len(contents) == 2 and not _is_shown(places, contents):
            what = "has not the places that the page shows: a run was stopped before its page, or somebody edited it"
            checked.find(path, what, again)
    if not os.path.lexists(origin) and "layout" in state:
        return  # of an older version, which has it there
    with checked.part(LAYOUT_ORIGIN_NAME, after_removal(origin, again, always=True)) as part:
        look_at(origin)
        origins = read_json(origin)
        origins = [each for each in origins if isinstance(each, dict)] if isinstance(origins, list) else []
        if not origins or not all(isinstance(origins[0].get(key), str) for key in KEYS):
            raise UserError(f"{origin}: does not say what {LAYOUT_NAME} was made of; {again}")
        known = [each.get("layout") for each in origins]
        part.what = origins[0]["made"]
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() not in known:
            checked.find(path, f"is not the one that {LAYOUT_ORIGIN_NAME} tells of: somebody edited it", again)


def _read_places(path: Path) -> dict[str, tuple[np.float32, np.float32]]:
    """Return the place of each track by its name. Raises UserError where one is no two numbers."""
    table = read_label_table(path)
    require_columns(table, LAYOUT_HEADER[:3])
    places = {}
    for row in table.rows:
        try:
            places[as_unicode(row[FILENAME_COLUMN])] = tuple(np.float32(float(row[axis])) for axis in ("x", "y"))
        except ValueError:
            raise UserError(f"{path}: the row of {row[FILENAME_COLUMN]!r} is no place; {RESTORE}") from None
    return places


def _is_shown(places: dict[str, tuple[np.float32, np.float32]], contents: dict[str, dict]) -> bool:
    """Tell whether the page shows these places; of those that are no points of its map it is asked how many."""
    axes = [np.frombuffer(base64.b64decode(contents["map"][axis]), "<f4") for axis in ("x", "y")]
    shown = dict(zip(contents["tracks"]["filenames"], zip(*axes, strict=True), strict=True))
    beside = int((contents["map"].get("others") or {"count": 0})["count"])
    return len(places) == len(shown) + beside and shown.items() <= places.items()


def _check_picture(path: Path) -> str:
    """Raise UserError where a PNG is not whole, by the checksums of its chunks; return in words what it is."""
    look_at(path, LARGEST_PICTURE)
    content = path.read_bytes()
    whole, place = content.startswith(PNG_START) and content.endswith(PNG_END), len(PNG_START)
    while whole and place < len(content):
        length = int.from_bytes(content[place : place + 4], "big")
        end = place + 8 + length
        whole = content[end : end + 4] == zlib.crc32(content[place + 4 : end]).to_bytes(4, "big")
        place = end + 4
    if not whole:
        raise UserError(f"{path}: is no whole picture; {RESTORE}")
    return f"{len(content) / 1e3:,.0f} kB"


def _check_left_overs(checked: Checked, wanted: set[str], again: str) -> None:
    """Look for what stopped runs have left.

    wanted  what this page and the one before load.
    """
    folder, others = checked.folder, []
    folders = [folder, folder / DATA_FOLDER, folder / VIEWER_FOLDER]
    if (folder / AUDIO_FOLDER).is_dir() and not (folder / AUDIO_FOLDER).is_symlink():
        folders += [Path(here) for here, _, _ in os.walk(folder / AUDIO_FOLDER)]
    for name in (DATA_FOLDER, VIEWER_FOLDER) if wanted else ():
        if (folder / name).is_dir() and not (folder / name).is_symlink():
            here = [f"{name}/{each}" for each in sorted(os.listdir(folder / name))]
            strays = [each for each in here if _LOADED.fullmatch(each) and each not in wanted]
            others += [Finding(os.fspath(folder / each), "is of no page that was finished", again) for each in strays]
    checked.left_over([path for each in folders for path in temporaries(each)], others)


def _say_what_is_usable(checked: Checked, contents: dict[str, dict]) -> None:
    bad = {os.path.relpath(finding.path, checked.folder) for finding in checked.findings}
    shown = INDEX_NAME not in bad and not any(name.startswith((DATA_FOLDER, VIEWER_FOLDER)) for name in bad)
    if shown and "map" in contents:
        tracks = plural(int(contents["map"]["count"]), "track")
        checked.usable.append(f"{tracks}: open {checked.folder / INDEX_NAME} in a browser")
    else:
        checked.usable.append("no page that shows everything, before it is mended")
