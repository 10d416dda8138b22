"""What is known of each track: the columns of the label table, and those that need no table."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from files import csv_bytes
from judging.labels import FILENAME_COLUMN, match_rows, no_row_matches, read_label_table
from mels.mel_folder import MEL_SUFFIX
from static_web_viewer.page.cluster_names import cluster_names
from static_web_viewer.page.page_data import packed, smallest_type
from static_web_viewer.page.scales import Scale, meant, scale_of
from utils import as_unicode, plural, printable

MOST_GROUPS = 60  # values of a column that colours the map unasked; the page tells the largest 19 apart, or all of 20
LABEL = "label:"  # what the keys of the label table's columns begin with
TABLE_COLUMNS = ("filename", "x", "y", "folder", "cluster", "new")


@dataclass(frozen=True)
class Column:
    """What can be coloured, filtered and read of every track."""

    key: str  # unique; what the page's address names
    name: str  # as it is shown
    values: Sequence[str]  # of every track, empty where it has none

    @functools.cached_property
    def scale(self) -> Scale | None:
        """The scale that the values make; None where they are categories."""
        return scale_of(self.values)

    def of(self, tracks: np.ndarray) -> Column:
        """Return the column of some tracks, (some,) int: a scale where that of all is one."""
        part = Column(self.key, self.name, [self.values[track] for track in tracks])
        scale = self.scale and Scale(self.scale.numbers[tracks], self.scale.dates)
        part.__dict__["scale"] = scale  # where cached_property keeps it
        return part

    def encoded(self) -> tuple[list[str], np.ndarray]:
        """Return the different values, the most frequent first and none last, and (tracks,) positions in them."""
        counts = Counter(self.values)
        order = sorted(counts, key=lambda value: (not value, -counts[value], value))
        position = {value: place for place, value in enumerate(order)}
        return order, np.array([position[value] for value in self.values], smallest_type(len(order)))

    def content(self) -> dict:
        """Return the column for a data file: its values and codes, and the numbers where it is a scale."""
        order, codes = self.encoded()
        content = {
            "key": as_unicode(self.key),
            "name": as_unicode(self.name),
            "values": [as_unicode(value) for value in order],
            "codes": packed(codes),
            "bytes": codes.itemsize,
        }
        if self.scale is not None:
            content["numbers"] = packed(self.scale.numbers)
        if self.scale is not None and self.scale.dates:
            content["dates"] = True
        return content


def default_column(columns: Sequence[Column], tracks: int) -> int:
    """Return which column colours the map at first: the first that divides it into a readable number of groups."""
    for place, column in enumerate(columns):
        if divides(column, tracks):
            return place
    return len(columns) - 1


def divides(column: Column, tracks: int) -> bool:
    """Tell whether a column divides the tracks into a number of groups that can be told apart."""
    groups = len({value for value in column.values if value})
    return column.scale is None and 2 <= groups <= min(MOST_GROUPS, max(2, tracks // 2))


def label_columns(
    labels: Path | None, names: Sequence[str], listed: bool, say: Callable[[str], None] = print
) -> list[Column]:
    """Return the columns of the label table, and say how many tracks have a row; [] without a table."""
    if labels is None:
        return []
    table = read_label_table(labels)
    headings = [column for column in table.columns if column and column != FILENAME_COLUMN]
    found = match_rows(table, names, headings)
    without_track = [key for key in found if isinstance(key, str)]
    if len(without_track) == len(found):
        raise no_row_matches(table, names, found)
    without_row = [track for track in range(len(names)) if track not in found]
    left_out = f"{plural(len(without_row), 'track')} without a row, {plural(len(without_track), 'row')} without a track"
    say(f"labels: {plural(len(headings), 'column')} for {plural(len(names) - len(without_row), 'track')}; {left_out}")
    if listed:
        for track in without_row:
            say(f"track without a row: {printable(names[track].removesuffix(MEL_SUFFIX))}")
        for filename in without_track:
            say(f"row without a track: {printable(filename)}")
    nothing = [""] * len(headings)
    rows = [found.get(track, nothing) for track in range(len(names))]
    return [
        Column(LABEL + heading, heading, [meant(row[place]) for row in rows]) for place, heading in enumerate(headings)
    ]


def own_columns(
    names: Sequence[str],
    clusters: np.ndarray,
    new: np.ndarray,
    naming: Sequence[Column] = (),
    naming_last: Sequence[Column] = (),
) -> list[Column]:
    """Return the columns that need no label table: the first folder of each track's path, its cluster, and new.

    clusters     (tracks,) int. What is typical of a cluster by the columns `naming` is its name, else by the folders,
                 else by `naming_last`.
    """
    folder = Column("folder", "folder", [name.split("/", 1)[0] if "/" in name else "" for name in names])
    folders = [folder] if len(set(folder.values)) > 1 else []
    ranks = [
        [(column.name, column.values) for column in rank if divides(column, len(names))]
        for rank in (naming, folders, naming_last)
    ]
    kinds = cluster_names(clusters, ranks)
    return [
        *folders,
        Column("cluster", "cluster", [kinds[cluster] for cluster in clusters]),
        Column("new", "new", ["new" if track else "known" for track in new]),
    ]


def output_table(names: Sequence[str], xy: np.ndarray, columns: Sequence[Column]) -> bytes:
    """Return x, y and all columns of every track as CSV. names as in music_list.txt, xy (tracks, 2)."""
    own = {column.key: column.values for column in columns if not column.key.startswith(LABEL)}
    labels = [column for column in columns if column.key.startswith(LABEL)]
    nothing = [""] * len(names)
    fields = [
        [name.removesuffix(MEL_SUFFIX) for name in names],
        *(map(str, column) for column in xy.T),
        *(own.get(key, nothing) for key in TABLE_COLUMNS[3:]),
        *(column.values for column in labels),
    ]
    # A label table may have a column of the same name
    headings = [f"{column.name} (table)" if column.name in TABLE_COLUMNS else column.name for column in labels]
    return csv_bytes([*TABLE_COLUMNS, *headings], zip(*fields, strict=True))
