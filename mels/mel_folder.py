"""The mel folder: its names, its ledger, which mels it holds, and reading them. No audio and no TensorFlow here."""

from __future__ import annotations

import csv
import io
import math
import operator
import os
import shlex
import sys
import threading
import tokenize
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TextIO

import numpy as np

from config import CONFIG_NAME, OLD_AUDIO_KEYS, check_known_keys, in_todays_keys, read_config_file, require_whole
from files import atomic_write, byte_order, has_line_break, is_gone, is_plain, never_waiting, walk_files
from utils import UserError, printable_name, require_file, shortened

LEDGER_NAME = "spectrify_log.csv"
MEL_SUFFIX = ".npy"
HEADER_READERS = 16  # threads that read headers of a bare folder: from a cold disk each one waits most of its time
HEADER_BUFFER = 512  # bytes: a header has 128, and the frames behind it are not wanted yet
MOST_ITEM_BYTES = 8  # float64: what a long double is differs from machine to machine
NO_ROW = "not a ledger row"
ROWS_AT_ONCE = 1 << 14  # of the ledger that are text at a time
MOST = 2**62  # bytes of a file, and frames: of more some line was made by nobody's audio
MOST_VALUE = 1e15  # of a mel: its square, times a thousand weights, is still a float32
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
    checksum: str = ""  # of the mel, see mel_checksum; empty where there is none, and in rows of older ledgers

    @property
    def has_mel(self) -> bool:
        return self.status in WITH_MEL

    @property
    def is_left_out(self) -> bool:
        """Whether an older version found it shorter than a frame; today it would have a mel."""
        return self.status == "too_short" and self.seconds > 0


COLUMNS = tuple(each.name for each in fields(LedgerRow))
OLD_COLUMNS = COLUMNS[:-1]  # from before there was a checksum: read, and left as it is where nothing is new


def mel_checksum(mel: np.ndarray) -> str:
    """Return the CRC-32 of a mel's values, as eight hexadecimal digits: two mels of one folder differ where it does."""
    return f"{zlib.crc32(np.ascontiguousarray(mel)):08x}"


def ledger_text(rows: Iterable[LedgerRow], header: bool, columns: tuple[str, ...] = COLUMNS) -> bytes:
    """Return rows as CSV, one line a row: no field holds a line break, so a torn last line can be told."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow(columns)
    values_of = operator.attrgetter(*columns)  # astuple copies deeply, at ten times the cost
    for row in rows:
        writer.writerow(f"{value:.3f}" if isinstance(value, float) else value for value in values_of(row))
    return text.getvalue().encode("utf-8", "surrogateescape")


def read_ledger(folder: Path, name: str = LEDGER_NAME) -> dict[str, LedgerRow]:
    """Return the rows by filename, the last one where a file has several; empty where there is no ledger.

    name  of the file; another one than the ledger's is a list of the same form.

    A last line that a killed run left torn is left out. Raises UserError where the file is no ledger.
    """
    path = Path(folder) / name
    require_file(path)
    try:
        file = open(path, encoding="utf-8", errors="surrogateescape", newline="")  # noqa: SIM115
    except FileNotFoundError:
        return {}
    with file:
        return _rows_of(file, path)


def _rows_of(file: TextIO, path: Path) -> dict[str, LedgerRow]:
    """Return the rows of an open ledger; as text a million of them would take a GB, so they come line by line."""
    lines = csv.reader(_whole_lines(file))
    columns = tuple(next(lines, ()))
    if columns not in (COLUMNS, OLD_COLUMNS) and os.fstat(file.fileno()).st_size:
        raise UserError(f"{path}: its first line is not {','.join(COLUMNS)}; it is no ledger of spectrify_all.py")
    rows: dict[str, LedgerRow] = {}
    number, line = 1, []
    try:
        for number, line in enumerate(lines, start=2):  # noqa: B007 (told in the errors)
            if len(line) != len(columns):
                raise ValueError(NO_ROW)
            row = _row_of(line)
            rows[row.filename] = row
    except ValueError as error:
        raise UserError(f"{path}, line {number}: {error}: {shortened(repr(line))}; remove that line") from None
    except csv.Error as error:
        raise UserError(f"{path}, after line {number}: not a ledger ({error}); remove what is broken") from None
    return rows


def _whole_lines(file: TextIO) -> Iterator[str]:
    """Yield the lines of a file but for the last one where no line feed ends it."""
    pending: list[str] = []
    for line in file:
        pending.append(line)  # a carriage return ends a line too, and what a killed run left torn may hold some
        if line.endswith("\n"):
            yield from pending
            pending.clear()


def _row_of(line: list[str]) -> LedgerRow:
    """Return the row of a line that has as many fields as the ledger. Raises ValueError, in words."""
    filename, status, seconds, frames, size, mtime, decoder, *texts = line
    try:
        # interned: of a million rows all have one of a few statuses and decoders
        facts = (float(seconds), int(frames), int(size), mtime, sys.intern(decoder))
        row = LedgerRow(filename, sys.intern(status), *facts, *texts)
    except ValueError:
        raise ValueError(NO_ROW) from None
    is_in_range = 0 <= row.seconds < math.inf and 0 <= row.frames < MOST and 0 <= row.size < MOST
    if not is_in_range or "\0" in "".join((decoder, *texts)):
        raise ValueError(NO_ROW)
    path = filename if row.has_mel else _without_line_breaks(filename)
    if not is_plain(path) or has_line_break(path):
        raise ValueError("its filename is no path below a folder")
    return row


def write_ledger(folder: Path, rows: dict[str, LedgerRow]) -> None:
    with atomic_write(Path(folder) / LEDGER_NAME) as file:
        for part in _ordered_ledger(rows, COLUMNS):
            file.write(part)


def is_ledger_in_order(folder: Path, rows: dict[str, LedgerRow]) -> bool:
    """Tell whether the ledger is as a whole run leaves it: a killed one leaves rows in the order of their end."""
    old_header = ledger_text([], header=True, columns=OLD_COLUMNS)
    try:
        file = open(Path(folder) / LEDGER_NAME, "rb")  # noqa: SIM115
    except FileNotFoundError:
        return True
    with file:
        columns = OLD_COLUMNS if file.read(len(old_header)) == old_header else COLUMNS
        file.seek(0)
        return all(file.read(len(part)) == part for part in _ordered_ledger(rows, columns)) and not file.read(1)


def _ordered_ledger(rows: dict[str, LedgerRow], columns: tuple[str, ...]) -> Iterator[bytes]:
    """Yield the ledger some rows at a time, sorted by the bytes of their names."""
    yield ledger_text([], header=True, columns=columns)
    names = sorted(rows, key=byte_order)
    for start in range(0, len(names), ROWS_AT_ONCE):
        some = names[start : start + ROWS_AT_ONCE]
        yield ledger_text((rows[name] for name in some), header=False, columns=columns)


def ledger_name(name: str) -> str:
    """Return a file's name as the ledger has it: a line break, for which the file is refused, as no path holds it."""
    return name.replace("\r", "//r").replace("\n", "//n")


def _without_line_breaks(name: str) -> str:
    """Return a name of the ledger with something else for each line break."""
    return name.replace("//r", "_").replace("//n", "_")


def read_audio_half(folder: Path) -> dict[str, object]:
    """Return the audio half of the configuration that made the folder; empty for a bare folder of .npy files.

    Raises UserError where a value is of a wrong type or range, or missing where spectrify_all.py wrote it.
    """
    path = Path(folder) / CONFIG_NAME
    if not path.exists():
        if any(row.has_mel for row in read_ledger(folder).values()):
            anew = f"make all mels anew: spectrify_all.py AUDIO_FOLDER {shlex.quote(str(folder))} --overwrite"
            raise UserError(f"{path}: is gone, and said how the mels there were made; restore it, or {anew}")
        return {}
    values = read_config_file(path)
    half = check_known_keys(in_todays_keys(values, str(path)), str(path))
    if (Path(folder) / LEDGER_NAME).exists():
        require_whole(values, OLD_AUDIO_KEYS, path)
    return half


@dataclass(frozen=True)
class MelList:
    """Which mels a folder holds."""

    names: list[str]  # relative path of each .npy, sorted by its bytes
    frames: np.ndarray  # (songs,) int64, as the ledger or the files' headers have it
    bins: int
    stamps: np.ndarray  # (songs,) int64: another number where the mel has changed
    left_out: list[str]  # one line each: the .npy files that cannot be used, folders that cannot be read, and why
    unreadable: list[str] = field(default_factory=list)  # of these files and folders those that nobody let us look into

    def is_unreadable(self, name: str) -> bool:
        """Tell whether a mel may well be there, and only cannot be read."""
        return any(f"{name}/".startswith(f"{each}/") for each in self.unreadable)


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
        stamps = np.array([_row_stamp(row) for row in rows], np.int64)
        bins, left_out, unreadable = int(read_audio_half(folder)["mel_bins"]) if names else 0, [], []
    else:
        names, frames, bins, stamps, left_out, unreadable = _list_by_headers(folder)
    if not names:
        hint = f"; {left_out[0]}" if left_out else f"; see {LEDGER_NAME}" if (folder / LEDGER_NAME).exists() else ""
        raise UserError(f"{folder}: no usable mel file (frames, bins) ending in {MEL_SUFFIX}{hint}")
    return MelList(names, frames, bins, stamps, left_out, unreadable)


def _stamp(*facts: object) -> int:
    return zlib.crc32(" ".join(map(str, facts)).encode())


def _row_stamp(row: LedgerRow) -> int:
    """A copy of the audio without its times makes every row new, and leaves every mel and its checksum as they were."""
    return _stamp(row.checksum) if row.checksum else _stamp(row.size, row.mtime, row.frames)


def _list_by_headers(folder: Path) -> tuple[list[str], np.ndarray, int, np.ndarray, list[str], list[str]]:
    """List a bare folder. The number of bins is that of most files, so that a stray one cannot turn out all others."""
    listing = walk_files(folder, lambda name: name.endswith(MEL_SUFFIX))
    looked = dict(zip(listing.files, _look_at_headers(folder, listing.files), strict=True))
    usable = {name: seen for name, seen in looked.items() if not isinstance(seen, ValueError)}
    counts = Counter(bins for (_, bins), _ in usable.values())
    bins = counts.most_common(1)[0][0] if counts else 0  # of equals the first
    names = [name for name, (shape, _) in usable.items() if shape[1] == bins]
    left_out = [f"{printable_name(name)}: a folder that cannot be read" for name in listing.unreadable]
    for name, seen in looked.items():
        if isinstance(seen, ValueError):
            left_out.append(f"{printable_name(name)}: {seen}")
        elif seen[0][1] != bins:
            left_out.append(f"{printable_name(name)}: {seen[0][1]} bins where {printable_name(names[0])} has {bins}")
    frames = np.array([usable[name][0][0] for name in names], np.int64)
    stamps = np.array([usable[name][1] for name in names], np.int64)
    unreadable = listing.unreadable + [name for name, seen in looked.items() if isinstance(seen, _Unreadable)]
    return names, frames, bins, stamps, left_out, unreadable


class _Unreadable(ValueError):
    """What is there, but cannot be read."""


def _look_at_headers(folder: Path, names: list[str]) -> list[tuple[tuple[int, int], int] | ValueError]:
    """Return the shape and the stamp of each mel file, or what is wrong with it."""

    def look(name: str) -> tuple[tuple[int, int], int] | ValueError:
        try:
            if has_line_break(name):
                raise ValueError("a line break in the name; rename it")
            with open(folder / name, "rb", buffering=HEADER_BUFFER, opener=never_waiting) as file:
                status = os.fstat(file.fileno())
                return _read_header(file)[0], _stamp(status.st_size, status.st_mtime_ns)
        except OSError as error:
            return ValueError(error.strerror) if is_gone(error) else _Unreadable(error.strerror)
        except ValueError as error:
            return error

    readers = ThreadPoolExecutor(HEADER_READERS)  # the disk is waited for, not the processor
    try:
        return list(readers.map(look, names))
    finally:  # after Ctrl-C the thousands that wait for their turn are not waited for
        readers.shutdown(wait=False, cancel_futures=True)


def mel_shape(path: Path) -> tuple[int, int]:
    """Return (frames, bins) of a mel file from its header. Raises ValueError where it is not a 2-D array of floats."""
    with open(path, "rb", opener=never_waiting) as file:
        shape, _, _ = _read_header(file)
    return shape


def read_mel(path: Path | str, start: int = 0, stop: int | None = None) -> np.ndarray:
    """Return the frames [start, stop) of a mel file, of whatever length they are: (frames, bins), as they are stored.

    Only those frames are read, so a ten-hour recording costs no more than a song. Raises OSError where the file is
    gone, ValueError (without the path) where it is not a whole 2-D array of floats, or a value is not finite or so
    large that what the networks make of it in float32 would not be.
    """
    with open(path, "rb", opener=never_waiting) as file:
        (frames, bins), fortran_order, dtype = _read_header(file)
        if fortran_order:
            mel = _read_values(file, dtype, frames * bins, frames).reshape(bins, frames).T[start:stop]
        else:
            start, stop, _ = slice(start, stop).indices(frames)
            count = max(0, stop - start)
            file.seek(start * bins * dtype.itemsize, os.SEEK_CUR)
            mel = _read_values(file, dtype, count * bins, frames).reshape(count, bins)
    if mel.size and not (float(mel.min()) >= -MOST_VALUE and float(mel.max()) <= MOST_VALUE):  # so of nan
        is_finite = np.isfinite(mel).all()
        raise ValueError("holds values too large for float32" if is_finite else "holds values that are not finite")
    return mel


def _read_values(file: io.BufferedReader, dtype: np.dtype, count: int, frames: int) -> np.ndarray:
    left = os.fstat(file.fileno()).st_size - file.tell()
    values = np.fromfile(file, dtype, count if count * dtype.itemsize <= left else 0)
    if values.size != count:
        raise ValueError(f"ends before the {frames} frames that its header names")
    return values


_header_parser = threading.Lock()  # numpy parses with ast, of which two at a time fail in Python before 3.11.8


def _read_header(file: io.BufferedReader) -> tuple[tuple[int, int], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        with _header_parser:
            shape, fortran_order, dtype = read(file)
    except (SyntaxError, TypeError, tokenize.TokenError):  # the header is Python's notation, and numpy parses it so
        raise ValueError("its header is damaged") from None
    if len(shape) != 2 or shape[0] < 0 or shape[1] < 1 or dtype.kind != "f" or dtype.itemsize > MOST_ITEM_BYTES:
        raise ValueError(
            f"an array of shape {shape} and type {dtype} is no mel: "
            f"expected floats of at most {MOST_ITEM_BYTES} bytes, (frames, bins)"
        )
    return shape, fortran_order, dtype
