"""What an audio file's own tags say of it, as text for a table. Tags are anybody's: whatever they hold is only text."""

from __future__ import annotations

import contextlib
import math
import os
import re
import struct
from collections.abc import Iterable, Iterator

from files import never_waiting
from mels.file_ends import MOST_CHUNKS, header_seconds
from mels.parsed_headers import parse_headers

TAG_COLUMNS = ("title", "artist", "album", "genre", "year", "track", "duration", "bpm")
BETWEEN_VALUES = "; "
MOST_CHARACTERS = 1000  # of a cell; longer is a lyric, a picture or an attack
MOST_CHUNK_BYTES = 1 << 20  # of the lists of tags in a wav or aiff that are read
MOST_VALUES = 1000  # of one tag that are looked at

# The tags' class in mutagen -> column -> names that it goes by, the first that has a value counts
NAMES = {
    "ID3": {
        "title": ["TIT2"],
        "artist": ["TPE1"],
        "album": ["TALB"],
        "genre": ["TCON"],
        "year": ["TDRC", "TYER", "TDOR"],
        "track": ["TRCK"],
        "bpm": ["TBPM"],
    },
    "VComment": {
        "title": ["title"],
        "artist": ["artist"],
        "album": ["album"],
        "genre": ["genre"],
        "year": ["date", "year"],
        "track": ["tracknumber"],
        "bpm": ["bpm"],
    },
    "MP4Tags": {
        "title": ["\xa9nam"],
        "artist": ["\xa9ART"],
        "album": ["\xa9alb"],
        "genre": ["\xa9gen"],
        "year": ["\xa9day"],
        "track": ["trkn"],
        "bpm": ["tmpo"],
    },
    "ASFTags": {
        "title": ["Title"],
        "artist": ["Author"],
        "album": ["WM/AlbumTitle"],
        "genre": ["WM/Genre"],
        "year": ["WM/Year", "date"],
        "track": ["WM/TrackNumber"],
        "bpm": ["WM/BeatsPerMinute"],
    },
    "APEv2": {
        "title": ["Title"],
        "artist": ["Artist"],
        "album": ["Album"],
        "genre": ["Genre"],
        "year": ["Year", "Date"],
        "track": ["Track"],
        "bpm": ["BPM"],
    },
}
# Of a wav's list of INFO, and of an aiff, which mutagen does not read: name -> column
CHUNKS = {
    b"INAM": "title",
    b"IART": "artist",
    b"IPRD": "album",
    b"IGNR": "genre",
    b"ICRD": "year",
    b"IPRT": "track",
    b"ITRK": "track",
    b"NAME": "title",
    b"AUTH": "artist",
}

_WHITE = re.compile(r"[\s\u2028\u2029]+")
# controls, marks that turn the direction of what follows them, byte order marks
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")
_SURROGATES = re.compile("[\ud800-\udfff]")  # no text has them, and no table of ours could hold them


def read_tags(path: str) -> dict[str, str] | None:
    """Return what a file's tags say, a text for each of TAG_COLUMNS, empty where they say nothing; no sound is decoded.

    Several values are joined by "; ". Of year, duration (seconds) and bpm there are numbers only. None where the file
    is broken, or of a format whose tags nobody here knows. Raises OSError where the disk does not give it.
    """
    found = _chunk_values(path)
    try:
        parsed, tags = parse_headers(path, lambda each: (each, _mutagen_values(getattr(each, "tags", None))))
    except Exception:  # of a broken file anything
        parsed, tags = None, {}
    if parsed is None and not found:
        return None
    for column, values in tags.items():
        found[column] = values or found.get(column, [])
    seconds = header_seconds(path, parsed)
    return {
        **{column: joined(found.get(column, [])) for column in ("title", "artist", "album", "genre")},
        "year": next(filter(None, map(year, found.get("year", []))), ""),
        "track": next(filter(None, map(track, found.get("track", []))), ""),
        "duration": "" if seconds is None else f"{seconds:.2f}",
        "bpm": next(filter(None, map(bpm, found.get("bpm", []))), ""),
    }


def clean(text: str) -> str:
    """Return text on one line, without control characters, and no longer than a table has use for."""
    text = _SURROGATES.sub("\ufffd", text[: 8 * MOST_CHARACTERS])
    text = " ".join(_CONTROLS.sub("", _WHITE.sub(" ", text)).split())
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"


def joined(values: Iterable[str]) -> str:
    """Return the different values in one cell."""
    return clean(BETWEEN_VALUES.join(filter(None, dict.fromkeys(map(clean, values)))))


def year(text: str) -> str:
    """Return the year of a date: '2003-05-01' and '20030501' -> '2003'; empty where there is none of four digits."""
    found = re.search(r"(?<![0-9])([0-9]{4})([0-9]{4})?(?![0-9])", clean(text))
    return found[1] if found and found[1] != "0000" else ""


def track(text: str) -> str:
    """Return a track's number without the number of tracks: '03/12' -> '3'; what is none, such as 'A1', as it is."""
    first = clean(text.partition("/")[0])
    return (first.lstrip("0") if re.fullmatch("[0-9]+", first) else first)[:MOST_CHARACTERS]


def bpm(text: str) -> str:
    """Return beats a minute as a number: '128.00' -> '128'; empty where it is none, or 0, which stands for unknown."""
    try:
        value = float(clean(text).replace(",", "."))
    except ValueError:
        return ""
    return f"{value:.6g}" if 0 < value < math.inf else ""


def _mutagen_values(tags: object) -> dict[str, list[str]]:
    """Return the values of each column that mutagen has found."""
    kinds = [kind.__name__ for kind in type(tags).__mro__]
    names = next((NAMES[kind] for kind in kinds if kind in NAMES), {})
    return {column: _first_values(tags, each) for column, each in names.items()}


def _first_values(tags: object, names: list[str]) -> list[str]:
    for name in names:
        values = []
        with contextlib.suppress(Exception):  # of a broken tag anything: the others may be whole
            values = _texts(tags.get(name))
        if any(clean(value) for value in values):
            return values
    return []


def _texts(value: object) -> list[str]:
    """Return what one tag of mutagen holds: a frame of ID3, a list, or a value alone."""
    if value is None:
        return []
    values = value.genres if hasattr(value, "genres") else getattr(value, "text", value)  # ID3 numbers some genres
    if hasattr(value, "kind"):  # of APEv2
        values = list(value)
    values = values[:MOST_VALUES] if isinstance(values, list) else [values]
    # of a pair (track, tracks) the first; NUL parts several values of one
    texts = [str(each[0] if isinstance(each, tuple) else each) for each in values]
    return [part for text in texts for part in text.split("\0", MOST_VALUES)]


def _chunk_values(path: str) -> dict[str, list[str]]:
    """Return the values of each column in the chunks of a wav or an aiff; empty for other files."""
    found: dict[str, list[str]] = {}
    at_its_end = contextlib.suppress(struct.error)  # what was read before counts
    with open(path, "rb", opener=never_waiting) as file, at_its_end:
        for name, content in _text_chunks(file):
            if name in CHUNKS:
                found.setdefault(CHUNKS[name], []).extend(_decoded(content).split("\0", MOST_VALUES))
    return found


def _text_chunks(file) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and content of the chunks that may hold text: those of a wav's list of INFO, those of an aiff."""
    start = file.read(12)
    is_wav = start[:4] in (b"RIFF", b"RF64") and start[8:] == b"WAVE"
    is_aiff = start[:4] == b"FORM" and start[8:] in (b"AIFF", b"AIFC")
    left = MOST_CHUNK_BYTES
    for _ in range(MOST_CHUNKS if is_wav or is_aiff else 0):
        name, size = struct.unpack("<4sI" if is_wav else ">4sI", file.read(8))
        wanted = name == b"LIST" if is_wav else name in CHUNKS
        content = file.read(min(size, left)) if wanted else b""
        left -= len(content)
        if is_aiff and wanted:
            yield name, content
        elif content[:4] == b"INFO":
            yield from _info_chunks(content)
        file.seek(size + size % 2 - len(content), os.SEEK_CUR)


def _info_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 4
    while place + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, place)
        yield name, content[place + 8 : place + 8 + size]
        place += 8 + size + size % 2


def _decoded(content: bytes) -> str:
    """Return a text of which no standard says how it is written: UTF-8, or else Latin-1, which everything is."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")
