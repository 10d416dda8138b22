"""Label tables: reading them, and finding the row of each song by its file name, however a table writes that.

What is wrong with a table is a UserError that names the file and, where there is one, the line or the column.
"""

from __future__ import annotations

import codecs
import csv
import functools
import io
import itertools
import posixpath
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from files import read_input
from mels.mel_folder import MEL_SUFFIX
from utils import UserError, nearest, plural

FILENAME_COLUMN = "filename"
SHARED_VALUES = 4096  # that were read last, and are kept in memory once


@dataclass(frozen=True)
class LabelTable:
    """A label table as it is written: every value is text, a field that a row lacks is empty."""

    path: Path
    columns: list[str]
    rows: list[dict[str, str]]


def read_label_table(path: Path) -> LabelTable:
    """Read a comma- or tab-separated table, UTF-8 with or without BOM; other bytes survive as they do in file names.

    Raises UserError where the file is missing, or a line cannot be told apart into the header's columns.
    """
    try:
        content = read_input(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such label table; write a CSV with the columns filename,genre") from None
    start = content[:1000]
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or start.count(0) > len(start) // 4:
        raise UserError(f"{path}: is UTF-16; save it as CSV in UTF-8, or: iconv -f UTF-16 -t UTF-8 TABLE > NEW_TABLE")
    if not content.removeprefix(codecs.BOM_UTF8).strip():
        raise UserError(f"{path}: is empty; write a CSV with the columns filename,genre, and a line a file")
    delimiter = "\t" if b"\t" in content[: content.find(b"\n") + 1 or None] else ","
    # a line at a time: as text, a table of a million rows takes a GB
    text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", errors="surrogateescape", newline="")
    # strict: a quote that never closes would otherwise swallow the rows after it without a word
    lines = csv.reader(text, delimiter=delimiter, strict=True)
    shared = functools.lru_cache(SHARED_VALUES)(str)  # rows of one genre hold it once
    remedy = "put double quotes around a field that holds a comma or a quote, and write a quote inside it twice"
    rows = []
    try:
        columns = [column.strip() for column in next(lines, ())]
        for fields in lines:
            if any(fields[len(columns) :]):
                count = f"{len(fields)} fields where the header has {len(columns)}"
                raise UserError(f"{path}, line {lines.line_num}: {count}; {remedy}")
            if any(fields):
                values = map(shared, fields[: len(columns)])
                rows.append(dict(itertools.zip_longest(columns, values, fillvalue="")))
    except csv.Error as error:
        raise UserError(f"{path}, line {lines.line_num}: {error}; {remedy}") from None
    return LabelTable(Path(path), columns, rows)


def require_columns(table: LabelTable, columns: Sequence[str]) -> None:
    """Raise UserError, naming the nearest one, where the table lacks a column or has it twice."""
    for column in columns:
        if column not in table.columns:
            raise UserError(f"{table.path}: no column {column!r}{nearest(column, table.columns)}")
        if table.columns.count(column) > 1:
            raise UserError(f"{table.path}: two columns are named {column!r}; rename one")


@dataclass(frozen=True)
class LabelledSongs:
    """The songs that have a label, in the order of their names."""

    songs: np.ndarray  # (labelled,) int64, positions in the list of names
    labels: list[str]
    groups: list[str] | None  # None where no group column was asked for; see label_songs where a row's is empty
    songs_without_row: list[str]
    songs_with_empty: list[str]  # their row has an empty label
    rows_without_song: list[str]  # filenames
    songs_without_group: list[str]  # of the labelled ones: each is a group of its own

    def summary(self, listed: bool = False) -> str:
        """Return in one line how many songs are labelled and what was left out; `listed` names each of that too.

        A second line says how many have no group and so are one each, where a group column has empty fields.
        """
        counts = [
            (self.songs_without_row, "song", "without a row in the table"),
            (self.songs_with_empty, "song", "with an empty label"),
            (self.rows_without_song, "row", "without a song"),
        ]
        left_out = ", ".join(f"{plural(len(which), noun)} {why}" for which, noun, why in counts if which)
        total = len(self.songs) + len(self.songs_without_row) + len(self.songs_with_empty)
        lines = [f"{len(self.songs):,} of {plural(total, 'song')} labelled; left out: {left_out or 'nothing'}"]
        alone = len(self.songs_without_group)
        if alone:
            lines.append(f"{plural(alone, 'song')} with an empty group: each is taken as a group of its own")
        if listed:
            counts.append((self.songs_without_group, "song", "with an empty group"))
            lines += [f"{noun} {why}: {name.removesuffix(MEL_SUFFIX)}" for which, noun, why in counts for name in which]
        return "\n".join(lines)


def label_songs(
    table: LabelTable, names: Sequence[str], label_column: str, group_column: str | None = None
) -> LabelledSongs:
    """Give each song of a run its label. Songs without a row, rows without a song and empty labels are left out.

    An empty group leaves nothing out: nobody knows of another song of the same group, so the song is one of its own.

    names   as in music_list.txt; see match_rows for how they are found in the table.
    Raises  UserError for a missing column, for one song with two different labels, and where no song has a label.
    """
    columns = [label_column] if group_column is None else [label_column, group_column]
    found = match_rows(table, names, columns)
    songs = [song for song in range(len(names)) if found.get(song, ("",))[0]]
    if not songs:
        raise _no_label(table, names, found, label_column)
    alone = [] if group_column is None else [song for song in songs if not found[song][1]]
    return LabelledSongs(
        np.array(songs, np.int64),
        [found[song][0] for song in songs],
        # the line break sets such a group apart from all of the table: a value of match_rows has none
        None if group_column is None else [found[song][1] or f"\n{song}" for song in songs],
        [name for song, name in enumerate(names) if song not in found],
        [name for song, name in enumerate(names) if song in found and not found[song][0]],
        [key for key in found if isinstance(key, str)],
        [names[song] for song in alone],
    )


def match_rows(table: LabelTable, names: Sequence[str], columns: Sequence[str]) -> dict[int | str, tuple[str, ...]]:
    """Return what the table says in some columns: of a song under its position, else under the row's filename.

    names   as in music_list.txt. A filename matches its song with or without .npy, with './' or '\\', and whether its
            letters are composed or decomposed (macOS); an exact match wins. Where no path matches, the base name
            does, if one song and one filename alone have it: tables hold paths of another machine.
    Returns values on one line each, empty where no row of the song has one.
    Raises  UserError for a missing column, and for one song with two different values.
    """
    require_columns(table, [FILENAME_COLUMN, *columns])
    find_song = _song_finder(names, [row[FILENAME_COLUMN] for row in table.rows])
    on_one_line = functools.lru_cache(SHARED_VALUES)(lambda value: " ".join(value.split()))
    found: dict[int | str, tuple[str, ...]] = {}
    for row in table.rows:
        filename = row[FILENAME_COLUMN]
        song = find_song(filename)
        key = _match_key(filename) if song is None else song
        values = tuple(on_one_line(row[column]) for column in columns)  # a label is one line
        known = found.get(key, values)
        for one, other in zip(known, values, strict=True):
            if one and other and one != other:
                what = f"{filename!r} has two rows, with {one!r} and with {other!r}"
                raise UserError(f"{table.path}: {what}; keep the right one")
        found[key] = tuple(one or other for one, other in zip(known, values, strict=True))
    return found


def column_values(table: LabelTable, names: Sequence[str], columns: Sequence[str]) -> dict[str, list[str]]:
    """Return what each song has in some columns, by column; empty where the table says nothing of it.

    names   as in music_list.txt; see match_rows for how they are found in the table.
    Raises  UserError for a missing column, and where no row belongs to a song.
    """
    found = match_rows(table, names, columns)
    if not any(isinstance(key, int) for key in found):
        raise no_row_matches(table, names, found)
    nothing = ("",) * len(columns)
    rows = [found.get(song, nothing) for song in range(len(names))]
    return {column: [row[place] for row in rows] for place, column in enumerate(columns)}


def _no_label(table: LabelTable, names: Sequence[str], found: dict, label_column: str) -> UserError:
    if any(isinstance(key, int) for key in found):
        return UserError(f"{table.path}: column {label_column!r} is empty for every song of the run; fill it in")
    return no_row_matches(table, names, found)


def no_row_matches(table: LabelTable, names: Sequence[str], found: dict[int | str, tuple[str, ...]]) -> UserError:
    """Return the error for a table in which `match_rows` found no song of the run."""
    if not found:
        return UserError(f"{table.path}: holds no row; write one row for each audio file")
    ours = names[0].removesuffix(MEL_SUFFIX) if names else ""
    return UserError(
        f"{table.path}: no filename belongs to a song of the run; the table has {next(iter(found))!r}, the run "
        f"{ours!r}: write paths relative to the audio folder"
    )


def _match_key(name: str) -> str:
    path = unicodedata.normalize("NFC", name.strip().replace("\\", "/")).removesuffix(MEL_SUFFIX)
    return posixpath.normpath(path)


def _song_finder(names: Sequence[str], filenames: Sequence[str]) -> Callable[[str], int | None]:
    exact = {name: song for song, name in enumerate(names)}

    @functools.cache  # most tables match exactly, and this takes a second for 100,000 songs
    def normalised() -> tuple[dict[str, int | None], dict[str, int | None], Counter[str]]:
        by_key = _unique({song: _match_key(name) for song, name in enumerate(names)})
        by_base = _unique({song: posixpath.basename(_match_key(name)) for song, name in enumerate(names)})
        return by_key, by_base, Counter(posixpath.basename(key) for key in {_match_key(each) for each in filenames})

    def find_song(filename: str) -> int | None:
        for name in (filename + MEL_SUFFIX, filename):
            if name in exact:
                return exact[name]
        by_key, by_base, rows_of_base = normalised()
        key = _match_key(filename)
        base = posixpath.basename(key)
        return by_key[key] if key in by_key else by_base.get(base) if rows_of_base[base] == 1 else None

    return find_song


def _unique(keys: dict[int, str]) -> dict[str, int | None]:
    """Turn song -> key around; None where several songs share a key, which only an exact match tells apart."""
    songs: dict[str, int | None] = {}
    for song, key in keys.items():
        songs[key] = None if key in songs else song
    return songs


def encode(values: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Return the different values, sorted, and (values,) int64 positions in them."""
    classes = sorted(set(values))
    position = {value: code for code, value in enumerate(classes)}
    return classes, np.array([position[value] for value in values], np.int64)
