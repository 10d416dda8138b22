"""Whether the audio is there that a page plays."""

from __future__ import annotations

import os
from urllib.parse import quote, unquote_to_bytes

from checking.checked import MISSING, NONE, RESTORE, Checked, Part, after_removal, look_at, require_line_end
from static_web_viewer.page.audio_shelf import MAKING, MANIFEST_HEADER, MANIFEST_NAME, Shelf
from static_web_viewer.page.page_folder import AUDIO_FOLDER
from utils import UserError, plural

FIELDS = MANIFEST_HEADER.count(",") + 1


def check_audio(checked: Checked, tracks: dict, again: str) -> None:
    """Look whether each file is there that the page plays.

    tracks  what data/tracks.js holds.
    """
    if not tracks.get("audio"):
        checked.parts.append(Part("audio", NONE, "the page plays nothing"))
        return
    with checked.part("audio", again) as part:
        urls = _urls(tracks["filenames"], tracks["audio"])
        paths = [_path(checked.folder, url) for url in urls if url]
        gone = [path for path in paths if not os.path.isfile(path)]
        where = (
            "below the page" if any(url and url.startswith(f"./{AUDIO_FOLDER}/") for url in urls) else "where it lies"
        )
        part.what = f"{len(paths) - len(gone):,} of {plural(len(paths), 'file')} there, {where}"
        if without := len(urls) - len(paths):
            part.what += f"; {plural(without, 'track')} without"
        for path in gone:
            what = "is not there" if not os.path.lexists(path) else "is no file, or a link that leads to none"
            is_ours = path.startswith(os.path.join(checked.folder, ""))
            remedy = after_removal(path, again) if is_ours else again
            checked.find(path, f"{what}, and the page plays it", remedy)
        if gone:
            part.state = MISSING
    _check_manifest(checked, again)


def _urls(names: list[str], audio: dict) -> list[str | None]:
    """Return the address of each track's audio; None where it has none."""
    others = audio["others"]
    return [
        others[str(place)] if str(place) in others else audio["start"] + quote(name, safe="/")
        for place, name in enumerate(names)
    ]


def _path(folder: os.PathLike, url: str) -> str:
    if url.startswith("file:///"):
        return os.fsdecode(b"/" + unquote_to_bytes(url.removeprefix("file:///")))
    return os.path.normpath(os.path.join(folder, os.fsdecode(unquote_to_bytes(url))))


def _check_manifest(checked: Checked, again: str) -> None:
    """Compare the files that the page has brought with it with the list of them."""
    path = checked.folder / AUDIO_FOLDER / MANIFEST_NAME
    if not os.path.lexists(path):
        return
    remedy = f"{RESTORE}; or {after_removal(path, again, always=True)}: then the copies that are there count as yours"
    with checked.part(f"{AUDIO_FOLDER}/{MANIFEST_NAME}", remedy) as part:
        look_at(path)
        require_line_end(path)
        lines = path.read_bytes().split(b"\n")[:-1]
        if lines[0] != MANIFEST_HEADER.encode() or any(line.count(b",") + 1 != FIELDS for line in lines):
            raise UserError(f"{path}: is no list of the page's audio; {again}")
        rows = Shelf(checked.folder).rows
        part.what = plural(len(rows), "file")
        known = {finding.path for finding in checked.findings}
        for relative, row in rows.items():
            target = os.path.join(checked.folder, AUDIO_FOLDER, relative)
            if row.made == MAKING:
                if not checked.holder:
                    checked.find(target, "was begun by a run that was stopped", again)
            elif target not in known and os.path.lexists(target) and not row.describes(os.lstat(target)):
                checked.find(target, "is not what the page has put there", after_removal(target, again, always=True))
