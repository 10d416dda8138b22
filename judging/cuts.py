"""Stretches of audio files as files of their own, cut by ffmpeg into a folder that holds nothing else."""

from __future__ import annotations

import csv
import io
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from files import atomic_write, csv_bytes, require_ours_or_empty, require_room, write_file
from judging.spans import Span, clock_in_name
from mels.decoder_process import decoder_prefix
from mels.decoding import find_ffmpeg
from mels.ffmpeg import input_arguments, what_is_said
from utils import UserError, printable

LIST_NAME = "cuts.csv"
LIST_HEADER = ("cut", "filename", "start_seconds", "stop_seconds")
NAME = re.compile(r"\d{2,}_[^/]*\.wav", re.DOTALL)
BASE_BYTES = 180  # of the audio file's name in that of a cut: 255 are the most that a file system takes
TIMEOUT_SECONDS = 600.0  # a cut far into a recording of a day: all that comes before is decoded


class Cut(NamedTuple):
    """A stretch of an audio file."""

    filename: str  # relative to the audio folder
    span: Span


def cut_names(cuts: Sequence[Cut]) -> list[str]:
    """Return a file name for each cut: 03_<base name>_1m23.00s.wav; they sort as they come."""
    digits = max(2, len(str(len(cuts))))
    names = []
    for number, cut in enumerate(cuts, start=1):
        base = os.path.splitext(os.path.basename(cut.filename))[0]
        base = os.fsdecode(os.fsencode(base)[:BASE_BYTES])
        names.append(f"{number:0{digits}}_{base}_{clock_in_name(cut.span.start)}.wav")
    return names


def read_cut_list(folder: Path) -> list[str]:
    """Return the names of the cuts that a folder has from us, as its list says; none where it has no such list."""
    path = folder / LIST_NAME
    if not path.is_file():
        return []
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    try:
        header, *rows = list(csv.reader(io.StringIO(text, newline=""))) or [[]]
    except csv.Error:
        header, rows = [], []
    if tuple(header) != LIST_HEADER:
        raise UserError(f"{path}: is no list of this script; name a new or an empty folder")
    return [row[0] for row in rows if row and NAME.fullmatch(row[0])]


def check_cut_folder(folder: Path) -> None:
    """Raise UserError where a folder holds something that is not ours. Changes nothing."""
    ours = {LIST_NAME, *read_cut_list(folder)}
    require_ours_or_empty(folder, "folder of cuts", lambda name: name in ours and (folder / name).is_file())


def write_cuts(folder: Path, audio_folder: Path, cuts: Sequence[Cut]) -> list[str]:
    """Cut the stretches into a folder, in the place of what an earlier call has cut; return a line for each failure."""
    check_cut_folder(folder)
    ffmpeg = find_ffmpeg()
    names = cut_names(cuts)
    old = read_cut_list(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # The list comes first, and old names stay in it until their files are gone: a killed run leaves none unknown.
    _write_list(folder, [(name, "", "", "") for name in old] + _rows(names, cuts))
    for name in old:
        (folder / name).unlink(missing_ok=True)
    _write_list(folder, _rows(names, cuts))
    failures = []
    for name, cut in zip(names, cuts, strict=True):
        if trouble := _cut(ffmpeg, audio_folder / cut.filename, cut.span, folder / name):
            failures.append(f"{cut.filename}: {trouble}")
    return failures


def _rows(names: Sequence[str], cuts: Sequence[Cut]) -> list[tuple[str, str, str, str]]:
    return [
        (name, cut.filename, f"{cut.span.start:.3f}", f"{cut.span.stop:.3f}")
        for name, cut in zip(names, cuts, strict=True)
    ]


def _write_list(folder: Path, rows: Sequence[Sequence[object]]) -> None:
    write_file(folder / LIST_NAME, csv_bytes(LIST_HEADER, rows))


def _cut(ffmpeg: str, source: Path, span: Span, path: Path) -> str:
    """Write a stretch of an audio file as wav; return what went wrong, or nothing. Raises OSError for a full disk."""
    # By samples counted from the first, as frames are: to seek in an mp3 misses by up to a second, and its first time
    # stamp is not 0.
    filters = f"asetpts=N/SR/TB,atrim=start={span.start:.6f}:end={span.stop:.6f},asetpts=N/SR/TB"
    argv = [ffmpeg, "-nostdin", "-nostats", "-hide_banner", "-loglevel", "error", "-y"]
    argv += input_arguments(os.fspath(source.absolute()))
    argv += ["-map", "0:a:0", "-af", filters, "-map_metadata", "-1", "-bitexact", "-f", "wav"]
    try:
        with atomic_write(path) as file:
            done = subprocess.run(
                [*decoder_prefix(), *argv, f"file:{os.path.abspath(file.name)}"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
            if done.returncode:
                require_room(file)
                said = " ".join(what_is_said(done.stderr.decode("utf-8", "replace")).split())
                raise ValueError(printable(said)[:200] or f"ffmpeg ended with exit code {done.returncode}")
    except subprocess.TimeoutExpired:
        return "the decoder hung and was killed"
    except ValueError as error:
        return str(error)
    return ""
