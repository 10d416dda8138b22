"""Which of the nearest tracks are taken: parts of a collection, at most so many of a kind, one of each recording."""

from __future__ import annotations

import fnmatch
import os
import posixpath
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from judging.search import Search
from judging.tracks import track_name
from utils import nearest, plural

FIRST_SOUGHT = 64  # candidates, at least: a few are refused by rules, and a second search costs as much as the first
GROWTH = 8  # times as many in each further search


def matches_glob(names: Sequence[str], globs: Iterable[str]) -> np.ndarray:
    """Return which tracks a glob matches, (tracks,) bool: the file's name or path, or those of a folder it lies in."""
    patterns = [re.compile(fnmatch.translate(glob)).match for glob in globs]
    known: dict[str, bool] = {"": False}  # folders

    def matches(path: str) -> bool:
        return any(match(path) or match(posixpath.basename(path)) for match in patterns)

    def folder_matches(folder: str) -> bool:
        if folder not in known:
            known[folder] = matches(folder) or folder_matches(posixpath.dirname(folder))
        return known[folder]

    tracks = map(track_name, names)
    return np.array([folder_matches(posixpath.dirname(track)) or matches(track) for track in tracks], bool)


def wanted_values(texts: Sequence[str], columns: Sequence[str]) -> dict[str, list[str]]:
    """Return what COLUMN=VALUE texts ask for: column -> values. The longest column that fits counts.

    columns  those of the label table.
    Raises   ValueError for a text without '=', and for an unknown column, naming the nearest.
    """
    wanted: dict[str, list[str]] = {}
    for text in texts:
        column, equals, _ = text.partition("=")
        if not equals:
            raise ValueError(f"{text!r} is not COLUMN=VALUE, such as genre=rock")
        fitting = [each for each in columns if text.startswith(f"{each}=")]
        if not fitting:
            raise ValueError(f"no column {column!r}{nearest(column, columns)}")
        column = max(fitting, key=len)
        wanted.setdefault(column, []).append(" ".join(text[len(column) + 1 :].split()))  # as match_rows writes values
    return wanted


def has_values(columns: Mapping[str, Sequence[str]], wanted: Mapping[str, Collection[str]]) -> np.ndarray:
    """Return which tracks have one of the wanted values in each of the columns, (tracks,) bool.

    columns  column -> the value of each track.
    wanted   column -> values, at least one column.
    """
    return np.logical_and.reduce([np.array([v in of for v in columns[c]], bool) for c, of in wanted.items()])


def allowed_tracks(
    names: Sequence[str],
    columns: Mapping[str, Sequence[str]],
    wanted: Mapping[str, Sequence[str]],
    excluded: Sequence[str],
) -> np.ndarray:
    """Return which tracks are left of those with the values that are wanted without what globs match, (tracks,) bool.

    Raises ValueError for a value that no track has, naming the nearest, and where none is left.
    """
    allowed = np.ones(len(names), bool)
    if wanted:
        for column, values in wanted.items():
            there = set(columns[column])
            for value in set(values) - there:
                raise ValueError(f"no track has {column}={value}{nearest(value, sorted(there))}")
        allowed &= has_values(columns, wanted)
    if excluded:
        allowed &= ~matches_glob(names, excluded)
    if not allowed.any():
        raise ValueError(f"none of {plural(len(names), 'track')} is left")
    return allowed


class Rule(Protocol):
    """What refuses tracks by those that were taken before."""

    def accepts(self, row: int) -> bool: ...

    def take(self, row: int) -> None: ...


class AtMost:
    """At most so many tracks of each value; a track without one counts for itself alone."""

    def __init__(self, values: Sequence[str], most: int) -> None:
        self.values, self.most, self.taken = values, most, Counter()

    def accepts(self, row: int) -> bool:
        return not self.values[row] or self.taken[self.values[row]] < self.most

    def take(self, row: int) -> None:
        self.taken[self.values[row]] += 1


class HasAudio:
    """Only tracks whose audio file is there; `missing` counts the others."""

    def __init__(self, audio_folder: str | os.PathLike, names: Sequence[str]) -> None:
        self.audio_folder, self.names, self.missing = audio_folder, names, 0

    def accepts(self, row: int) -> bool:
        there = os.path.exists(os.path.join(self.audio_folder, track_name(self.names[row])))
        self.missing += not there
        return there

    def take(self, row: int) -> None:
        pass


def in_order(search: Search, wanted: int) -> Iterator[tuple[int, float]]:
    """Yield all tracks and their cosines, best first, by searches for ever more.

    search  returns the best so many; fewer where there are no more.
    wanted  how many will hardly be too few.
    """
    seen: set[int] = set()
    count = max(FIRST_SOUGHT, wanted)
    while True:
        rows, cosines = search(count)
        for row, cosine in zip(rows.tolist(), cosines.tolist(), strict=True):
            if row not in seen:
                seen.add(row)
                yield row, cosine
        if len(rows) < count:
            return
        count *= GROWTH


def pick(
    candidates: Iterable[tuple[int, float]],
    top: int | None = None,
    at_least: float | None = None,
    rules: Sequence[Rule] = (),
) -> tuple[list[int], list[float]]:
    """Return the rows and cosines of those that are taken, in their order.

    candidates  rows and cosines, best first: no more of them are asked for than it takes.
    top         how many at most, None for all.
    at_least    the least cosine, or None.
    rules       asked in their order: the quick ones first.
    """
    rows, found = [], []
    for row, cosine in candidates:
        if at_least is not None and cosine < at_least:
            break
        if not all(rule.accepts(row) for rule in rules):
            continue
        for rule in rules:
            rule.take(row)
        rows.append(row)
        found.append(cosine)
        if len(rows) == top:
            break
    return rows, found
