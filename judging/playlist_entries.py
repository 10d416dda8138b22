"""What playlists hold, anybody's: their entries, the tracks of a run that these are, and what a new list changes."""

from __future__ import annotations

import os
import posixpath
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote_to_bytes

from files import read_input
from judging.tracks import track_name
from utils import UserError, printable

FILE_URI = "file://"


def entries(content: bytes) -> list[str]:
    """Return the paths of a playlist as they are written; bytes that are not UTF-8 survive as in file names."""
    lines = content.decode("utf-8-sig", "surrogateescape").split("\n")
    lines = [line.removesuffix("\r") for line in lines]
    return [line for line in lines if line.strip() and not line.startswith("#")]


def read_entries(path: Path) -> list[str]:
    """Return the entries of a playlist file. Raises UserError where it is missing or has none."""
    try:
        found = entries(read_input(path))
    except FileNotFoundError:
        raise UserError(f"{printable(str(path))}: no such playlist; name an .m3u8 file") from None
    if not found:
        raise UserError(f"{printable(str(path))}: holds no track; name a playlist that has one")
    return found


def match_entries(
    found: Sequence[str], folder: Path, names: Sequence[str], audio_folder: Path | None = None
) -> tuple[list[int], list[str]]:
    """Return the tracks that a playlist's entries are, as rows of the names, and the entries that are none.

    A path below the audio folder is that track, where there is one. Else the whole path of a track must be the end of
    the entry's, or the whole entry the end of the track's: the longest end counts, and of two as long neither.

    folder  that the playlist lies in: its relative paths begin there.
    names   as in music_list.txt.
    """
    tracks = list(map(track_name, names))
    row_of = {track: row for row, track in enumerate(tracks)}
    of_base = defaultdict(list)
    for row, track in enumerate(tracks):
        of_base[_key(posixpath.basename(track))].append(row)

    def match(entry: str) -> int | None:
        written = _as_path(entry)
        whole = os.path.normpath(os.path.join(os.path.abspath(folder), written))
        if audio_folder is not None and (row := row_of.get(track_of_file(whole, audio_folder))) is not None:
            return row
        own = "/".join(part for part in written.split("/") if part not in ("", ".", ".."))
        alike = of_base.get(_key(posixpath.basename(whole)), [])
        # how many folders agree; of as many, a track's whole path says more than a part of it
        ends = {row: (tracks[row].count("/"), 1) for row in alike if _is_end(tracks[row], whole)}
        for row in alike:
            if _is_end(own, tracks[row]):
                ends[row] = max((own.count("/"), 0), ends.get(row, (0, 0)))
        best = [row for row, agrees in ends.items() if agrees == max(ends.values())]
        return best[0] if len(best) == 1 else None

    matched = [(entry, match(entry)) for entry in found]
    return [row for _, row in matched if row is not None], [entry for entry, row in matched if row is None]


def track_of_file(path: str | Path, audio_folder: Path) -> str:
    """Return the path of an audio file relative to the audio folder, as tracks are named; it may lie outside of it."""
    return os.path.relpath(os.path.realpath(path), os.path.realpath(audio_folder))


def changes(old: Sequence[str], new: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the entries that come and those that go, each in the order of its list."""
    return list((Counter(new) - Counter(old)).elements()), list((Counter(old) - Counter(new)).elements())


def _as_path(entry: str) -> str:
    if entry.lower().startswith(FILE_URI):
        return os.fsdecode(unquote_to_bytes(os.fsencode(entry[len(FILE_URI) :])))
    return entry if "/" in entry else entry.replace("\\", "/")


def _key(path: str) -> str:
    return unicodedata.normalize("NFC", path)


def _is_end(end: str, path: str) -> bool:
    return f"/{_key(path)}".endswith(f"/{_key(end)}")
