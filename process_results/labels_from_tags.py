"""Make a label table of the tags that audio files carry: title, artist, album, genre, year and more, a row a file.

    python process_results/labels_from_tags.py example_input/ example_results/tags.csv

Reads   AUDIO_FOLDER  the tags of every file that spectrify_all.py takes, no sound. Left out: hidden files and folders,
                      what --exclude names, and folders that hold a file .nomedia or .notmusic.
Writes  LABELS.csv    filename (the path relative to the audio folder), title, artist, album, genre, year, track,
                      duration (seconds) and bpm. Several values are joined by "; "; empty where a file has none. A file
                      whose tags cannot be read has an empty row.
        .LABELS.csv.seen, beside it: size and time of each file that was read. Without it all are read again.

Run it again, and it reads only what is new or changed; where nothing is, nothing is written. Columns of your own keep
what you have filled in, by filename; what you have changed in those above goes when the file itself changes. Rows of
files that are gone stay until --prune; --overwrite reads every file again.

Every script that takes a label table takes this one: --group-column artist, --labels of the page, playlists.
"""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))  # where the shared modules lie

import utils  # noqa: F401  first, so that Ctrl-C is one line during the other imports too

# isort: split

import argparse
import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from files import byte_order, csv_bytes, has_line_break, write_file
from judging.labels import FILENAME_COLUMN, read_label_table
from judging.pictures import check_output
from mels.plan import SKIP_MARKERS, Source, Sources, find_sources
from mels.tags import TAG_COLUMNS, read_tags
from utils import (
    EXIT_DONE,
    Progress,
    UserError,
    add_quiet_argument,
    command,
    examples,
    plural,
    printable,
    script_parser,
)

HEADER = (FILENAME_COLUMN, *TAG_COLUMNS)
SEEN_HEADER = (FILENAME_COLUMN, "size", "mtime", "readable")
Rows = dict[str, dict[str, str]]  # filename -> column -> value


@dataclass
class Table:
    """A table of tags as it stands, and what was seen of the files when they were read."""

    columns: list[str]  # ours, and those of the user
    rows: Rows
    seen: dict[str, tuple[str, str, str]]  # filename -> size, mtime, and "yes" or "no": whether its tags could be read

    def is_done(self, source: Source) -> bool:
        return source.name in self.rows and self.seen.get(source.name, ())[:2] == (str(source.size), source.mtime)

    def take(self, source: Source, tags: dict[str, str] | None) -> None:
        """Take in what a file's tags say; values in columns of the user's own stay."""
        ours = {FILENAME_COLUMN: source.name} | (tags or dict.fromkeys(TAG_COLUMNS, ""))
        self.rows[source.name] = self.rows.get(source.name, {}) | ours
        self.seen[source.name] = (str(source.size), source.mtime, "no" if tags is None else "yes")

    def take_unread(self, source: Source) -> None:
        """Take in a file that the disk does not give: it has a row, and the next run tries again."""
        self.rows.setdefault(source.name, {FILENAME_COLUMN: source.name})
        self.seen.pop(source.name, None)

    def drop(self, names: Sequence[str]) -> None:
        for name in names:
            self.rows.pop(name, None)
            self.seen.pop(name, None)

    def lines(self) -> list[list[str]]:
        return [[self.rows[name].get(column, "") for column in self.columns] for name in sorted_by_bytes(self.rows)]

    def seen_lines(self) -> list[tuple[str, ...]]:
        return [(name, *self.seen[name]) for name in sorted_by_bytes(self.seen)]


def sorted_by_bytes(names: dict[str, object]) -> list[str]:
    return sorted(names, key=byte_order)


def seen_path(output: Path) -> Path:
    return output.with_name(f".{output.name}.seen")


def read_table(path: Path) -> Table:
    """Return the table that is there, or an empty one. Raises UserError where it is not one that this script made."""
    if not path.exists():
        return Table(list(HEADER), {}, {})
    found = read_label_table(path)
    missing = [column for column in HEADER if column not in found.columns]
    if missing:
        what = f"is no table of this script, it has no column {missing[0]!r}, and would be replaced"
        raise UserError(f"{path}: {what}; choose another name for the output")
    twice = [column for column in found.columns if found.columns.count(column) > 1]
    if twice:
        raise UserError(f"{path}: two columns are named {twice[0]!r}; rename one")
    rows: Rows = {}
    for row in found.rows:
        if row[FILENAME_COLUMN] in rows:
            raise UserError(f"{path}: {row[FILENAME_COLUMN]!r} has two rows; keep the right one")
        rows[row[FILENAME_COLUMN]] = row
    return Table(found.columns, rows, read_seen(seen_path(path)))


def read_seen(path: Path) -> dict[str, tuple[str, str, str]]:
    """Return what was seen of each file, empty where nobody knows. Raises UserError where the file is another."""
    if not path.exists():
        return {}
    try:
        found = read_label_table(path)
        if tuple(found.columns) != SEEN_HEADER:
            raise UserError(f"{path}: does not begin with {','.join(SEEN_HEADER)}")
    except UserError as error:
        raise UserError(f"{error}; or remove the file, and all tags are read again") from None
    return {row[FILENAME_COLUMN]: (row["size"], row["mtime"], row["readable"]) for row in found.rows}


def write_table(path: Path, table: Table) -> None:
    """Write the table, then what was seen: killed between the two, the next run reads a few files again."""
    for place, content in (
        (path, csv_bytes(table.columns, table.lines())),
        (seen_path(path), csv_bytes(SEEN_HEADER, table.seen_lines())),
    ):
        if not place.exists() or place.read_bytes() != content:
            write_file(place, content)


def read_sources(audio_folder: Path, sources: list[Source], table: Table, quiet: bool) -> None:
    """Read the tags of files into the table."""
    progress = Progress(len(sources), "tags", "files", quiet)
    try:
        for source in sources:
            try:
                table.take(source, read_tags(os.path.join(audio_folder, source.name)))
            except OSError:
                table.take_unread(source)
            progress.advance()
    finally:
        progress.close()


def gone_names(table: Table, present: set[str], unreadable: Sequence[str]) -> list[str]:
    """Return the rows whose file is not there any more, but for those in folders that cannot be read."""
    unknown = tuple("" if folder == os.curdir else f"{folder}/" for folder in unreadable)
    return [name for name in table.rows if name not in present and not f"{name}/".startswith(unknown)]


def summary(table: Table, present: list[str], read: int, output: Path) -> str:
    """Return what the table holds, in two lines, and a third where the tags of some files cannot be read."""
    filled = {column: sum(bool(table.rows[name].get(column)) for name in present) for column in TAG_COLUMNS}
    known = ", ".join(f"{column} {count:,}" for column, count in filled.items() if count)
    empty = ", ".join(column for column, count in filled.items() if not count)
    lines = [
        f"{output}: {plural(len(present), 'audio file')}, {read:,} read now",
        f"filled in: {known or 'nothing'}" + (f"; empty: {empty}" if empty else ""),
    ]
    unreadable = [name for name in present if table.seen.get(name, ("no",))[-1] == "no"]
    if unreadable:
        lines.append(f"{plural(len(unreadable), 'file')} whose tags cannot be read, e.g. {examples(unreadable[:1])}")
    return "\n".join(lines)


def report_folders(found: Sources, gone: list[str], pruning: bool) -> None:
    """Print which folders were skipped, and which audio files are gone."""
    if found.marked_folders:
        print(f"{plural(found.marked_folders, 'folder')} skipped for a file {' or '.join(SKIP_MARKERS)}")
    if found.unreadable:
        names = examples(found.unreadable)
        print(f"{plural(len(found.unreadable), 'folder')} skipped that cannot be read ({names}): their rows stay")
    if pruning and found.unreadable:
        print("--prune removes nothing while a folder cannot be read: make it readable, or leave it out by --exclude")
    if gone:
        what = "rows removed" if pruning and not found.unreadable else "their rows stay; --prune removes them"
        print(f"{plural(len(gone), 'audio file')} gone ({examples(gone)}): {what}")


def build_parser() -> argparse.ArgumentParser:
    parser = script_parser(__doc__)
    parser.add_argument("audio_folder", type=Path, metavar="AUDIO_FOLDER")
    parser.add_argument("output", type=Path, metavar="LABELS.csv", help="label table to write")
    exclude = "leave out what matches by name or path; repeatable"
    parser.add_argument("--exclude", action="append", default=[], metavar="GLOB", help=exclude)
    parser.add_argument("--prune", action="store_true", help="remove the rows of audio files that are gone")
    parser.add_argument("--overwrite", action="store_true", help="read every file again; columns of your own stay")
    add_quiet_argument(parser)
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    audio_folder, output = arguments.audio_folder, arguments.output
    if not audio_folder.is_dir():
        raise UserError(f"{audio_folder}: no such audio folder")
    check_output(output, [".csv"])
    csv.field_size_limit(sys.maxsize)  # columns of the user's own may hold whole texts
    table = read_table(output)
    found = find_sources(audio_folder, arguments.exclude)
    sources = [source for source in found.files if not has_line_break(source.name)]
    if not sources:
        raise UserError(f"{audio_folder}: no audio file found in it; name the folder that holds the audio")
    to_do = [source for source in sources if arguments.overwrite or not table.is_done(source)]
    gone = gone_names(table, {source.name for source in sources}, found.unreadable)
    pruned = gone if arguments.prune and not found.unreadable else []
    table.drop(pruned)
    try:
        read_sources(audio_folder, to_do, table, arguments.quiet)
    finally:  # after Ctrl-C what was read is kept
        if to_do or pruned:
            write_table(output, table)

    print(printable(summary(table, [source.name for source in sources], len(to_do), output)))
    report_folders(found, gone, arguments.prune)
    if len(sources) < len(found.files):
        print(f"{plural(len(found.files) - len(sources), 'file')} with a line break in the name left out; rename them")
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
