"""What a run of spectrify_all.py has to do: which audio files are new, changed or gone."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from config import Config
from files import walk_files
from mels.mel_folder import (
    MEL_SUFFIX,
    LedgerRow,
    ledger_name,
    read_ledger,
)
from utils import (
    UserError,
)

if TYPE_CHECKING:
    pass


SKIP_MARKERS = (".nomedia", ".notmusic")
NPY_HEADER_BYTES = 128  # of numpy's format 1.0 with a shape as short as ours
MEL_ITEM_BYTES = 2  # float16


@dataclass(frozen=True)
class Source:
    """An audio file as it was found: path relative to the audio folder, and what tells whether it has changed."""

    name: str
    size: int
    mtime: str


@dataclass(frozen=True)
class Plan:
    """What a run has to do."""

    to_do: list[Source]
    rows: dict[str, LedgerRow]  # the ledger as it stands
    gone: list[str]  # in the ledger, no more in the audio folder
    found: int
    skipped_folders: int


def find_sources(audio_folder: Path, exclude: list[str]) -> tuple[list[Source], int]:
    """Return the audio files, sorted by the bytes of their path, and the number of folders skipped for a marker."""
    from mels.decoding import is_audio

    names, skipped_folders = walk_files(audio_folder, is_audio, exclude, SKIP_MARKERS)
    sources = []
    for name in names:
        try:
            status = os.stat(os.path.join(audio_folder, name))
        except FileNotFoundError:  # gone since the folder was listed
            continue
        seconds, nanoseconds = divmod(status.st_mtime_ns, 10**9)
        sources.append(Source(name, status.st_size, f"{seconds}.{nanoseconds:09d}"))
    return sources, skipped_folders


def make_plan(
    audio_folder: Path, mel_folder: Path, config: Config, exclude: list[str], retry_failed: bool, overwrite: bool
) -> Plan:
    """Compare the audio folder with the ledger. Raises UserError where there is no audio at all."""
    sources, skipped_folders = find_sources(audio_folder, exclude)
    if not sources:
        raise UserError(f"{audio_folder}: no audio file found in it; name the folder that holds the audio")
    rows = read_ledger(mel_folder)

    def is_done(source: Source) -> bool:
        row = rows.get(ledger_name(source.name))
        if overwrite or row is None or (row.size, row.mtime) != (source.size, source.mtime):
            return False
        if row.has_mel:
            return _mel_is_whole(mel_folder, row, config)
        return not (retry_failed and row.status == "failed")

    to_do = [source for source in sources if not is_done(source)]
    present = {ledger_name(source.name) for source in sources}
    gone = [name for name in rows if name not in present]
    return Plan(to_do, rows, gone, len(sources), skipped_folders)


def _mel_is_whole(mel_folder: Path, row: LedgerRow, config: Config) -> bool:
    """Tell by its size alone whether a mel file is there and whole: one look at 100,000 files takes a second."""
    try:
        size = os.stat(os.path.join(mel_folder, row.filename + MEL_SUFFIX)).st_size
    except FileNotFoundError:
        return False
    return size == NPY_HEADER_BYTES + row.frames * config.mel_bins * MEL_ITEM_BYTES
