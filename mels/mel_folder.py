"""The mel folder: its names, its ledger, which mels it holds, and reading them. No audio and no TensorFlow here."""

from __future__ import annotations

import csv
import io
import operator
import os
import tokenize
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from config import CONFIG_NAME, read_config_file
from files import (
    byte_order,
    has_line_break,
    walk_files,
    write_file,
)
from utils import (
    UserError,
)

if TYPE_CHECKING:
    pass

LEDGER_NAME = "spectrify_log.csv"
MEL_SUFFIX = ".npy"
HEADER_READERS = 16  # threads that read headers of a bare folder: from a cold disk each one waits most of its time
HEADER_BUFFER = 512  # bytes: a header has 128, and the frames behind it are not wanted yet
WITH_MEL = ("ok", "partial")  # the only statuses that have an .npy


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """What became of one source file. `size` and `mtime` are the source's, and tell whether it has changed since."""

    filename: str  # the audio file's path relative to the audio folder
    status: str  # ok, partial, silent, too_short or failed
    seconds: float  # of decoded audio
    frames: int  # rows of the .npy, 0 where there is none
    size: int  # bytes
    mtime: str  # seconds since 1970, with nine decimals: compared as text, so never rounded
    decoder: str
    reason: str  # one line, empty where all went well

    @property
    def has_mel(self) -> bool:
        return self.status in WITH_MEL


COLUMNS = tuple(field.name for field in fields(LedgerRow))
_values = operator.attrgetter(*COLUMNS)  # astuple copies deeply, at ten times the cost


def ledger_text(rows: Iterable[LedgerRow], header: bool) -> bytes:
    """Return rows as CSV, one line a row: no field holds a line break, so a torn last line can be told."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow(f"{value:.3f}" if isinstance(value, float) else value for value in _values(row))
    return text.getvalue().encode("utf-8", "surrogateescape")


def read_ledger(folder: Path) -> dict[str, LedgerRow]:
    """Return the rows by filename, the last one where a file has several; empty where there is no ledger.

    A last line that a killed run left torn is left out. Raises UserError where the file is no ledger.
    """
    path = Path(folder) / LEDGER_NAME
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}
    text = content[: content.rfind(b"\n") + 1].decode("utf-8", "surrogateescape")
    lines = csv.reader(io.StringIO(text, newline=""))
    header = tuple(next(lines, ()))
    if content and header != COLUMNS:
        raise UserError(f"{path}: its first line is not {','.join(COLUMNS)}; it is no ledger of spectrify_all.py")
    rows: dict[str, LedgerRow] = {}
    number, line = 1, []
    try:
        for number, line in enumerate(lines, start=2):  # noqa: B007 (told in the errors)
            filename, status, seconds, frames, size, mtime, decoder, reason = line
            rows[filename] = LedgerRow(filename, status, float(seconds), int(frames), int(size), mtime, decoder, reason)
    except ValueError:
        raise UserError(f"{path}, line {number}: not a ledger row: {line!r}; remove that line") from None
    except csv.Error as error:
        raise UserError(f"{path}, after line {number}: not a ledger ({error}); remove what is broken") from None
    return rows


def ordered_ledger(rows: dict[str, LedgerRow]) -> bytes:
    """Return the ledger of these rows, sorted by filename."""
    return ledger_text((rows[name] for name in sorted(rows, key=byte_order)), header=True)


def write_ledger(folder: Path, rows: dict[str, LedgerRow]) -> None:
    write_file(Path(folder) / LEDGER_NAME, ordered_ledger(rows))


def read_audio_half(folder: Path) -> dict[str, object]:
    """Return the audio half of the configuration that made the folder; empty for a bare folder of .npy files."""
    path = Path(folder) / CONFIG_NAME
    return read_config_file(path) if path.exists() else {}


@dataclass(frozen=True)
class MelList:
    """Which mels a folder holds."""

    names: list[str]  # relative path of each .npy, sorted by its bytes
    frames: np.ndarray  # (songs,) int64, as the ledger or the files' headers have it
    bins: int
    stamps: np.ndarray  # (songs,) int64: another number where the mel has changed
    left_out: list[str]  # one line each: the .npy files that cannot be used, and why


def list_mels(folder: Path) -> MelList:
    """List a mel folder by its ledger, opening one file only; a bare folder of .npy files by their headers.

    Raises UserError where the folder is missing or holds no usable mel.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such mel folder; make one with spectrify_all.py AUDIO_FOLDER {folder}")
    rows = [row for row in read_ledger(folder).values() if row.has_mel]
    if rows or (folder / LEDGER_NAME).exists():
        rows.sort(key=lambda row: byte_order(row.filename + MEL_SUFFIX))
        names = [row.filename + MEL_SUFFIX for row in rows]
        frames = np.array([row.frames for row in rows], np.int64)
        stamps = np.array([_stamp(row.size, row.mtime, row.frames) for row in rows], np.int64)
        bins, left_out = int(read_audio_half(folder).get("mel_bins", 0)), []
    else:
        names, frames, bins, stamps, left_out = _list_by_headers(folder)
    if not names:
        hint = f"; {left_out[0]}" if left_out else f"; see {LEDGER_NAME}" if (folder / LEDGER_NAME).exists() else ""
        raise UserError(f"{folder}: no usable mel file (frames, bins) ending in {MEL_SUFFIX}{hint}")
    return MelList(names, frames, bins or mel_shape(folder / names[0])[1], stamps, left_out)


def _stamp(*facts: object) -> int:
    return zlib.crc32(" ".join(map(str, facts)).encode())


def _list_by_headers(folder: Path) -> tuple[list[str], np.ndarray, int, np.ndarray, list[str]]:
    found, _ = walk_files(folder, lambda name: name.endswith(MEL_SUFFIX))
    names, frames, stamps, left_out, bins = [], [], [], [], 0

    def look(name: str) -> tuple[tuple[int, int], int] | Exception:
        try:
            if has_line_break(name):
                raise ValueError("a line break in the name; rename it")
            with open(folder / name, "rb", buffering=HEADER_BUFFER) as file:
                status = os.fstat(file.fileno())
                return _read_header(file)[0], _stamp(status.st_size, status.st_mtime_ns)
        except (OSError, ValueError) as error:
            return error

    with ThreadPoolExecutor(HEADER_READERS) as readers:  # the disk is waited for, not the processor
        for name, seen in zip(found, readers.map(look, found), strict=True):
            if not isinstance(seen, Exception) and bins and seen[0][1] != bins:
                seen = ValueError(f"{seen[0][1]} bins where {names[0]} has {bins}")
            if isinstance(seen, Exception):
                left_out.append(f"{name}: {seen}")
                continue
            (length, bins), stamp = seen
            names.append(name)
            frames.append(length)
            stamps.append(stamp)
    return names, np.array(frames, np.int64), bins, np.array(stamps, np.int64), left_out


def mel_shape(path: Path) -> tuple[int, int]:
    """Return (frames, bins) of a mel file from its header. Raises ValueError where it is not a 2-D array of floats."""
    with open(path, "rb") as file:
        shape, _, _ = _read_header(file)
    return shape


def read_mel(path: Path | str, start: int = 0, stop: int | None = None) -> np.ndarray:
    """Return the frames [start, stop) of a mel file, of whatever length they are: (frames, bins), as they are stored.

    Only those frames are read, so a ten-hour recording costs no more than a song. Raises OSError where the file is
    gone, ValueError (without the path) where it is not a whole 2-D array of floats, or a value is not finite.
    """
    with open(path, "rb") as file:
        (frames, bins), fortran_order, dtype = _read_header(file)
        if fortran_order:
            mel = np.load(path)[start:stop]
        else:
            start, stop, _ = slice(start, stop).indices(frames)
            count = max(0, stop - start)
            file.seek(start * bins * dtype.itemsize, os.SEEK_CUR)
            mel = np.fromfile(file, dtype, count * bins)
            if mel.size != count * bins:
                raise ValueError(f"ends before the {frames} frames that its header names")
            mel = mel.reshape(count, bins)
    if not np.isfinite(mel).all():
        raise ValueError("holds values that are not finite")
    return mel


def _read_header(file: io.BufferedReader) -> tuple[tuple[int, int], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        shape, fortran_order, dtype = read(file)
    except (SyntaxError, TypeError, tokenize.TokenError):  # the header is Python's notation, and numpy parses it so
        raise ValueError("its header is damaged") from None
    if len(shape) != 2 or shape[1] < 1 or dtype.kind != "f":
        raise ValueError(f"an array of shape {shape} and type {dtype} is no mel: expected floats (frames, bins)")
    return shape, fortran_order, dtype


def ledger_name(name: str) -> str:
    """Return a file's name as the ledger has it: a line break, for which the file is refused, as no path holds it."""
    return name.replace("\r", "//r").replace("\n", "//n")


def is_ledger_in_order(mel_folder: Path, rows: dict[str, LedgerRow]) -> bool:
    """Tell whether the ledger is as a whole run leaves it: a killed one leaves rows in the order of their end."""
    path = mel_folder / LEDGER_NAME
    return not path.exists() or path.read_bytes() == ordered_ledger(rows)


def start_anew(mel_folder: Path) -> None:
    """Forget and delete what the ledger lists, and nothing else."""
    rows = read_ledger(mel_folder)
    write_ledger(mel_folder, {})  # first: no row may name a file that is gone
    (mel_folder / CONFIG_NAME).unlink(missing_ok=True)
    for name in rows:
        remove_mel(mel_folder, name)


def remove_mel(mel_folder: Path, name: str) -> None:
    """Remove the mel of a file in the ledger, and the folders that it leaves empty."""
    path = mel_folder / (name + MEL_SUFFIX)
    if path.is_dir():  # not ours
        return
    path.unlink(missing_ok=True)
    for folder in path.parents:
        if folder == mel_folder or not folder.is_dir() or any(folder.iterdir()):
            break
        folder.rmdir()
