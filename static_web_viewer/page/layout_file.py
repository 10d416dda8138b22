"""layout.csv: the places of the tracks as a table, written by the page's script or by anybody."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from files import csv_bytes
from judging.labels import FILENAME_COLUMN, LabelTable, match_rows, no_row_matches, read_label_table, require_columns
from mels.mel_folder import MEL_SUFFIX
from utils import UserError

LAYOUT_HEADER = (FILENAME_COLUMN, "x", "y", "new")
LARGEST_PLACE = 1e15  # that a file may hold: sums of squares stay finite in float32


def read_layout(path: Path, names: Sequence[str], of_others: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Read the tracks' places from a table with the columns filename, x, y and, if there, new.

    names      as in music_list.txt; they are found in the table as `match_rows` does.
    of_others  it is no error where the table has no place for any of them.
    Returns    (tracks, 2) float32, nan where the table has no place or an empty one, and (tracks,) bool, those whose
               `new` is 1.
    Raises     UserError for a missing file or column, a place that is no two finite numbers of at most 1e15, a `new`
               other than 0, 1 or nothing, a track with two places, and where no track has one.
    """
    if not Path(path).is_file():
        raise UserError(f"{path}: no such layout; write a CSV with the columns {','.join(LAYOUT_HEADER[:3])}")
    table = read_label_table(path)
    require_columns(table, LAYOUT_HEADER[:3])
    # A place is one label, so that names are matched, and two places of a track refused, as in any other table.
    rows = [{FILENAME_COLUMN: row[FILENAME_COLUMN], "x": _place_text(path, row)} for row in table.rows]
    found = match_rows(LabelTable(table.path, [FILENAME_COLUMN, "x"], rows), names, ["x"])
    xy, new = np.full((len(names), 2), np.nan, np.float32), np.zeros(len(names), bool)
    for track, (place,) in found.items():
        if isinstance(track, int) and place:
            *xy[track], new[track] = map(float, place.split())
    if np.isnan(xy).all() and not of_others:
        if any(isinstance(track, int) for track in found):
            raise UserError(f"{path}: x and y are empty for every track of the run; fill them in")
        raise no_row_matches(table, names, found)
    return xy, new


def _place_text(path: Path, row: dict[str, str]) -> str:
    """Return "x y new" as Python writes the numbers, "" for an empty place."""
    texts = {column: row.get(column, "").strip() for column in LAYOUT_HEADER[1:]}
    if not texts["x"] and not texts["y"]:
        return ""
    numbers = []
    for column, text in texts.items():
        try:
            number = float(text or (0 if column == "new" else "nan"))
        except ValueError:
            number = math.nan
        if not abs(number) <= LARGEST_PLACE or (column == "new" and number not in (0, 1)):
            expected = "0 or 1" if column == "new" else "a finite number, at most 1e15 in size"
            where = f"{path}: the row of {row[FILENAME_COLUMN]!r}"
            raise UserError(f"{where} has {text!r} in the column {column!r}, expected {expected}; mend or remove it")
        numbers.append(number)
    return " ".join(map(repr, numbers))


def layout_table(names: Sequence[str], xy: np.ndarray, new: np.ndarray) -> bytes:
    """Return a layout as CSV, the shortest numbers that are read back as the same float32.

    names  as in music_list.txt; xy (tracks, 2) float32; new (tracks,) bool, written as 0 or 1.
    """
    x, y = (map(str, column) for column in np.asarray(xy, np.float32).T)
    filenames = (name.removesuffix(MEL_SUFFIX) for name in names)
    return csv_bytes(LAYOUT_HEADER, zip(filenames, x, y, map(int, new), strict=True))
