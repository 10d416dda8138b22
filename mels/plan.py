"""What a run of spectrify_all.py has to do: which audio files are new, changed or gone."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from files import NPY_HEADER_BYTES, byte_order, is_gone, walk_files
from mels.decoding import is_audio
from mels.mel_folder import MEL_SUFFIX, LedgerRow, ledger_name, read_ledger
from utils import UserError

SKIP_MARKERS = (".nomedia", ".notmusic")
MEL_ITEM_BYTES = 2  # float16
NOT_READ = ("Permission denied", "Input/output error")  # how a reason ends that is no fault of the file's content


@dataclass(frozen=True, slots=True)
class Source:
    """An audio file as it was found: path relative to the audio folder, and what tells whether it has changed."""

    name: str
    size: int
    mtime: str


class Sources(NamedTuple):
    """The audio of a folder."""

    files: list[Source]  # sorted by the bytes of their path
    marked_folders: int  # skipped for a marker file
    unreadable: list[str]  # folders that could not be read


@dataclass(frozen=True)
class Plan:
    """What a run has to do."""

    to_do: list[Source]
    rows: dict[str, LedgerRow]  # the ledger as it stands
    gone: list[str]  # in the ledger, no more in the audio folder
    hidden: list[str]  # in the ledger, and whether they are gone nobody knows: their folder cannot be read
    found: int
    marked_folders: int
    unreadable: list[str]  # folders
    closed: list[str] = field(default_factory=list)  # folders of the mel folder that are not ours to change: they stay

    @property
    def has_mels(self) -> bool:
        return any(row.has_mel for row in self.rows.values())

    @property
    def removable(self) -> list[str]:
        """What --prune may remove: nothing where it is not certain what is gone."""
        return [] if self.unreadable else self.gone


def find_sources(audio_folder: Path, exclude: list[str]) -> Sources:
    """Return the audio files, and the folders that were skipped."""
    listing = walk_files(audio_folder, is_audio, exclude, SKIP_MARKERS)
    sources, unreadable, below = [], set(listing.unreadable), os.path.join(audio_folder, "")
    for name in listing.files:
        try:
            status = os.stat(below + name)  # os.path.join would take as long as the look itself
        except OSError as error:
            if not is_gone(error):  # its folder may be listed, but not entered
                unreadable.add(os.path.dirname(name) or os.curdir)
            continue
        seconds, nanoseconds = divmod(status.st_mtime_ns, 10**9)
        sources.append(Source(name, status.st_size, f"{seconds}.{nanoseconds:09d}"))
    return Sources(sources, listing.marked_folders, sorted(unreadable, key=byte_order))


def make_plan(
    audio_folder: Path, mel_folder: Path, exclude: list[str], retry_failed: bool, mel_bins: int, overwrite: bool
) -> Plan:
    """Compare the audio folder with the ledger. Raises UserError where there is no audio at all.

    mel_bins  of the configuration in force: they tell how large a whole mel file is.
    """
    sources, marked_folders, unreadable = find_sources(audio_folder, exclude)
    if not sources:
        blind = f", and {unreadable[0]!r} in it cannot be read" if unreadable else ""
        raise UserError(f"{audio_folder}: no audio file found in it{blind}; name the folder that holds the audio")
    rows, below = read_ledger(mel_folder), os.path.join(mel_folder, "")

    def is_done(source: Source) -> bool:
        row = rows.get(ledger_name(source.name))
        if overwrite or row is None or (row.size, row.mtime) != (source.size, source.mtime):
            return False
        if row.has_mel:
            return _mel_is_whole(below, row, mel_bins)
        if row.status == "failed" and row.reason.endswith(NOT_READ):
            return not os.access(os.path.join(audio_folder, source.name), os.R_OK)
        return not (retry_failed and (row.status == "failed" or row.is_left_out))

    closed = closed_folders(mel_folder, {os.path.dirname(source.name) for source in sources})
    open_sources = [source for source in sources if os.path.dirname(source.name) not in closed]
    to_do = [source for source in open_sources if not is_done(source)]
    present = {ledger_name(source.name) for source in sources}
    unknown = tuple("" if folder == os.curdir else f"{ledger_name(folder)}/" for folder in unreadable)
    absent = [name for name in rows if name not in present]
    hidden = [name for name in absent if f"{name}/".startswith(unknown)]
    gone = [name for name in absent if not f"{name}/".startswith(unknown)]
    return Plan(to_do, rows, gone, hidden, len(sources), marked_folders, unreadable, sorted(closed, key=byte_order))


def closed_folders(mel_folder: Path, folders: Iterable[str]) -> set[str]:
    """Return which of the folders in the mel folder cannot be read or written to. The mel folder itself is none."""
    known = {"": False}

    def is_closed(folder: str) -> bool:
        if folder not in known:
            path = os.path.join(mel_folder, folder)
            shut = os.path.isdir(path) and not os.access(path, os.R_OK | os.W_OK | os.X_OK)
            known[folder] = shut or is_closed(os.path.dirname(folder))
        return known[folder]

    return {folder for folder in folders if is_closed(folder)}


def _mel_is_whole(below: str, row: LedgerRow, mel_bins: int) -> bool:
    """Tell by its size alone whether a mel file is there and whole: one look at 100,000 files takes a second."""
    try:
        size = os.stat(below + row.filename + MEL_SUFFIX).st_size
    except (FileNotFoundError, NotADirectoryError):
        return False
    return size == NPY_HEADER_BYTES + row.frames * mel_bins * MEL_ITEM_BYTES
