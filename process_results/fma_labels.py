"""Make a label table of the Free Music Archive data set, FMA, from the tracks.csv that comes with it.

    python process_results/fma_labels.py fma_metadata/tracks.csv fma_labels.csv --subset small

Reads   tracks.csv of fma_metadata.zip, as it is: three header lines, then a row a track.
Writes  OUT.csv, a row a track: filename (000/000002.mp3, the path below fma_small/), genre_top, artist, album, title,
        licence, and citation, a line of attribution. It replaces a table of this script and nothing else.

A subset holds the smaller ones: small (8,000 clips of 30 s, 8 genres), medium (25,000, 16 genres), large (106,574) and
full (every row; the tracks of large in their whole length). Most tracks beyond medium have several top genres or none,
and so no genre_top: they are kept, with an empty one, which the other scripts leave out and count.

Reference: Defferrard, Benzi, Vandergheynst and Bresson 2017, FMA: a dataset for music analysis.
"""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))  # where the shared modules lie

import utils  # noqa: F401  first, so that Ctrl-C is one line during the other imports too

# isort: split

import argparse
import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from files import atomic_write, open_input
from judging import pictures
from utils import EXIT_DONE, UserError, command, nearest, plural, printable, script_parser

SUBSETS = ("small", "medium", "large", "full")  # each holds those before it
HEADER = ("filename", "genre_top", "artist", "album", "title", "licence", "citation")
ARCHIVE = "Free Music Archive"
SOURCE = "tracks.csv of https://os.unil.cloud.switch.ch/fma/fma_metadata.zip"

TRACK_ID = "track_id"
# our name of a column -> its names in the first and the second header line
COLUMNS = {
    "subset": ("set", "subset"),
    "genre_top": ("track", "genre_top"),
    "artist": ("artist", "name"),
    "album": ("album", "title"),
    "title": ("track", "title"),
    "licence": ("track", "license"),
}
OPTIONAL_COLUMNS = {"address": ("artist", "website")}  # the only address that the table has
MOST_FIELD_CHARACTERS = 10_000_000  # biographies are longer than what csv takes by itself; more is a quote left open


def find_columns(headers: Sequence[Sequence[str]]) -> dict[str, int]:
    """Return the position of each column that is read, from the three header lines. The track's id comes first.

    Raises ValueError, naming what is missing, where they are not those of tracks.csv.
    """
    first, second, third = headers
    positions = {names: position for position, names in enumerate(zip(first, second, strict=False))}
    for above, below in COLUMNS.values():
        if (above, below) not in positions:
            raise ValueError(f"no column {below!r} under {above!r} in its first two lines")
    if not third or third[0] != TRACK_ID:
        raise ValueError(f"its third line does not begin with {TRACK_ID!r}")
    known = COLUMNS | OPTIONAL_COLUMNS
    return {TRACK_ID: 0} | {name: positions[names] for name, names in known.items() if names in positions}


def clip_path(track_id: str) -> str:
    """Return where FMA's archives hold a track: '2' -> '000/000002.mp3'. Raises ValueError where it is no number."""
    if not (track_id.isascii() and track_id.isdecimal()):
        raise ValueError(f"{track_id!r} is no track_id, which is a number")
    digits = f"{int(track_id):06d}"
    return f"{digits[:3]}/{digits}.mp3"


def is_in_subset(subset: str, wanted: str) -> bool:
    """Tell whether a track of a subset, as the table names it, belongs to `wanted`; any other name is in full only."""
    return wanted == SUBSETS[-1] or subset in SUBSETS[: SUBSETS.index(wanted) + 1]


def label_row(track: dict[str, str]) -> tuple[str, ...]:
    """Return a row of the label table, in the order of HEADER. What the track lacks, the citation leaves out.

    Raises ValueError where its track_id is no number.
    """
    named = [track["artist"], track["title"], track["album"], track["licence"], ARCHIVE, track.get("address", "")]
    citation = ", ".join(part for part in named if part)
    return (clip_path(track[TRACK_ID]), *(track[name] for name in HEADER[1:-1]), citation)


def read_tracks(path: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the subset and the label row of each track; never more than one row is held in memory.

    Raises UserError, naming the line, where the table has another shape or breaks off.
    """
    csv.field_size_limit(max(csv.field_size_limit(), MOST_FIELD_CHARACTERS))
    # strict: a quote that never closes would otherwise swallow the rows after it without a word
    with io.TextIOWrapper(open_input(path), "utf-8-sig", "surrogateescape", newline="") as file:
        lines = csv.reader(file, strict=True)
        try:
            headers = [next(lines, []) for _ in range(3)]
            columns = find_columns(headers)
        except (ValueError, csv.Error) as error:
            raise UserError(f"{path}: {error}; it is not the {SOURCE}") from None
        try:
            for fields in lines:
                if len(fields) == len(headers[0]):
                    track = {name: " ".join(fields[position].split()) for name, position in columns.items()}
                    yield track["subset"], label_row(track)
                elif fields:
                    raise ValueError(f"{len(fields)} fields where the header has {len(headers[0])}")
        except (ValueError, csv.Error) as error:
            raise UserError(f"{path}, line {lines.line_num}: {error}; unpack {SOURCE} anew") from None


@dataclass
class Counts:
    """What became of the rows."""

    tracks: int = 0
    genres: set[str] = field(default_factory=set)
    without_genre: int = 0  # of the tracks
    left_out: int = 0  # rows of other subsets

    def summary(self, subset: str) -> str:
        """Return what a table holds, in one line."""
        made = f"{plural(self.tracks, 'track')} of FMA {subset}, {plural(len(self.genres), 'genre')}"
        without = f"{self.without_genre:,} without genre_top (kept)" if self.without_genre else "all with genre_top"
        left_out = f"; {self.left_out:,} of larger subsets left out" if self.left_out else ""
        return f"{made}, {without}{left_out}"


def write_labels(tracks: Path, output: Path, subset: str) -> Counts:
    """Write the label table of a subset. Raises UserError, and leaves the output as it was, where no track is in it."""
    counts = Counts()
    with atomic_write(output) as file:
        writer = csv.writer(codecs.getwriter("utf-8")(file, "surrogateescape"), lineterminator="\n")
        writer.writerow(HEADER)
        for track_subset, row in read_tracks(tracks):
            if not is_in_subset(track_subset, subset):
                counts.left_out += 1
                continue
            writer.writerow(row)
            genre = row[HEADER.index("genre_top")]
            counts.tracks += 1
            if genre:
                counts.genres.add(genre)
            else:
                counts.without_genre += 1
        if counts.left_out and not counts.tracks:
            what = f"none of its {plural(counts.left_out, 'track')} is in the subset {subset}"
            raise UserError(f"{tracks}: {what}; name a larger one, or use the whole {SOURCE}")
        if not counts.tracks:
            raise UserError(f"{tracks}: holds no track below its header; unpack {SOURCE} anew")
    return counts


def check_arguments(tracks: Path, output: Path, subset: str) -> None:
    """Raise UserError for an unknown subset, a missing table, and an output that this script did not write."""
    if subset not in SUBSETS:
        raise UserError(f"--subset {subset}: FMA has no such subset{nearest(subset, SUBSETS)}")
    if tracks.is_dir():
        raise UserError(f"{tracks}: is a folder; name the table, {tracks / 'tracks.csv'}")
    if not tracks.exists():
        raise UserError(f"{tracks}: no such table; unpack {SOURCE}")
    pictures.check_table_output(output, HEADER, [tracks])


def build_parser() -> argparse.ArgumentParser:
    parser = script_parser(__doc__)
    parser.add_argument("tracks", type=Path, metavar="TRACKS.csv", help="tracks.csv of fma_metadata.zip")
    parser.add_argument("output", type=Path, metavar="OUT.csv", help="label table to write")
    parser.add_argument("--subset", default="small", metavar="NAME", help=f"one of {', '.join(SUBSETS)}")
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    check_arguments(arguments.tracks, arguments.output, arguments.subset)
    counts = write_labels(arguments.tracks, arguments.output, arguments.subset)
    print(printable(f"{arguments.output}: {counts.summary(arguments.subset)}"))
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
