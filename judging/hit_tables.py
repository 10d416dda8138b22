"""Tracks that were found, as text: a table to look at, CSV, JSON, or paths alone for another program."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from files import csv_bytes
from judging.tracks import track_name
from utils import UserError, printable_name

COLUMNS = ("rank", "cosine", "filename")
WHY = "why"


@dataclass(frozen=True)
class Hits:
    """What was found, best first."""

    names: list[str]  # as in music_list.txt
    cosines: list[float]  # nan where a track is compared with none
    shown: Mapping[str, Sequence[str]] = field(default_factory=dict)  # column of a label table -> value of each hit
    why: Sequence[Sequence[Mapping[str, object]]] | None = None  # of each hit, see `in_words`; None: nobody asked

    def rows(self) -> list[tuple[int, str, float, tuple[str, ...]]]:
        """Return rank, track, cosine and the values shown of each hit."""
        values = zip(*self.shown.values(), strict=True) if self.shown else [()] * len(self.names)
        found = zip(map(track_name, self.names), self.cosines, values, strict=True)
        return [(rank, name, cosine, shown) for rank, (name, cosine, shown) in enumerate(found, start=1)]


def check_columns(shown: Sequence[str]) -> None:
    """Raise UserError where a column that is to be shown has the name of another one of the output."""
    for place, column in enumerate(shown):
        if column in (*COLUMNS, WHY) or column in shown[:place]:
            raise UserError(f"--show {column!r}: the output has a column of that name already; leave it out")


def table(hits: Hits) -> str:
    """Return the hits as a table for people: one line a hit, or more where it is told why."""
    lines = [(*COLUMNS, *map(printable_name, hits.shown))]
    for rank, name, cosine, shown in hits.rows():
        lines.append((str(rank), _number(cosine, 3), printable_name(name), *map(printable_name, shown)))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text, with_seed = [], len({reason["seed"] for reasons in hits.why or () for reason in reasons}) > 1
    for number, line in enumerate(lines):
        left = [value.rjust(width) for value, width in zip(line[:2], widths, strict=False)]
        text.append("  ".join([*left, *map(str.ljust, line[2:], widths[2:])]).rstrip())
        if hits.why is not None and number:
            indent = " " * (widths[0] + widths[1] + 4)
            text += [f"{indent}{in_words(reason, with_seed)}" for reason in hits.why[number - 1]]
    return "".join(f"{line}\n" for line in text)


def csv_table(hits: Hits) -> bytes:
    """Return the hits as CSV: rank, cosine, filename, the columns shown, and `why` where that was asked for."""
    header = [*COLUMNS, *hits.shown, *([] if hits.why is None else [WHY])]
    rows = []
    for rank, name, cosine, shown in hits.rows():
        told = [] if hits.why is None else ["; ".join(map(in_words, hits.why[rank - 1]))]
        rows.append((rank, _number(cosine, 6), name, *shown, *told))
    return csv_bytes(header, rows)


def json_list(hits: Hits) -> bytes:
    """Return the hits as a JSON list of one object a hit, a line each, ASCII: bytes that are no UTF-8 are \\udcNN."""
    objects = []
    for rank, name, cosine, shown in hits.rows():
        value = None if math.isnan(cosine) else round(float(cosine), 6)
        found = {"rank": rank, "cosine": value, "filename": name, **dict(zip(hits.shown, shown, strict=True))}
        objects.append(found if hits.why is None else {**found, WHY: list(map(dict, hits.why[rank - 1]))})
    return ("[\n" + ",\n".join(map(json.dumps, objects)) + "\n]\n").encode()


def paths(hits: Hits) -> bytes:
    """Return one path a hit, relative to the audio folder, its bytes as they are."""
    return "".join(f"{track_name(name)}\n" for name in hits.names).encode("utf-8", "surrogateescape")


def in_words(reason: Mapping[str, object], with_seed: bool = True) -> str:
    """Return one reason, e.g. '0:12.3-0:15.1 like 1:02.0-1:04.8 of a song.mp3: 300-800 Hz, 2000-3100 Hz'."""
    of = f" of {printable_name(reason['seed'])}" if with_seed else ""
    spans = [f"{clock(start)}-{clock(stop)}" for start, stop in (reason["seconds"], reason["seed_seconds"])]
    bands = ", ".join(f"{low:.0f}-{high:.0f} Hz" for low, high in reason["hz"])
    return f"{spans[0]} like {spans[1]}{of}{f': {bands}' if bands else ''}"


def clock(seconds: float) -> str:
    """Return a time in a track as a player shows it, with tenths: '1:02.5'."""
    tenths = round(10 * seconds)
    return f"{tenths // 600}:{tenths % 600 // 10:02}.{tenths % 10}"


def _number(value: float, digits: int) -> str:
    return "" if math.isnan(value) else f"{value:.{digits}f}"
