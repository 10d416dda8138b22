"""Whether one mel is whole: by its size and header, and by its values."""

from __future__ import annotations

import functools
import io
import os
import zlib
from pathlib import Path

import numpy as np

from checking.checked import CLOSED
from config import CONFIG_NAME
from files import NPY_HEADER_BYTES
from mels.mel_folder import LedgerRow, mel_shape, read_mel
from mels.plan import MEL_ITEM_BYTES
from utils import plural

SPECTRIFY = "spectrify_all.py"
BLOCK_BYTES = 1 << 20
BLOCK_FRAMES = 1 << 14


def how_far(count: int, total: int, read: bool) -> str:
    size = f"{total / 1e6:,.1f} MB"
    how = "every value looked at" if read else "headers looked at; --checksums looks at every value"
    return f"{plural(count, 'file')}, {size}, {how}"


def mel_wrong(path: Path, row: LedgerRow, bins: int, size: int | None) -> str:
    """Return what is wrong with a mel by its size and header, "" where nothing is."""
    if size is None:
        return "is a folder and no mel" if os.path.isdir(path) else "is not there, and the ledger has a row of it"
    if size < 0:
        return "is a symbolic link, a pipe or a device, and no mel"
    try:
        with open(path, "rb") as file:
            start = file.read(NPY_HEADER_BYTES)
        if bins and start == _header(row.frames, bins):
            whole = NPY_HEADER_BYTES + row.frames * bins * MEL_ITEM_BYTES
            return "" if size == whole else f"has {size:,} bytes where {whole:,} are expected"
        frames, there = mel_shape(path)
    except PermissionError:
        return CLOSED
    except (OSError, ValueError) as error:
        return f"cannot be read: {error.strerror if isinstance(error, OSError) else error}"
    if frames != row.frames:
        return f"has {frames} frames where the ledger says {row.frames}"
    if bins and there != bins:
        return f"has {there} bins where {CONFIG_NAME} says {bins}"
    if bins or size != NPY_HEADER_BYTES + frames * there * MEL_ITEM_BYTES:
        return f"is not what {SPECTRIFY} writes: another type, or order of bytes or axes, or another end"
    return ""


@functools.lru_cache(maxsize=4096)
def _header(frames: int, bins: int) -> bytes:
    """Return the header that a mel of this shape has."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f2", "fortran_order": False, "shape": (frames, bins)})
    return file.getvalue()


def values_wrong(path: Path, checksum: str) -> str:
    """Return what is wrong with the values of a mel, "" where nothing is. Holds a part of them at a time."""
    try:
        if not checksum:
            frames, _ = mel_shape(path)
            for start in range(0, frames, BLOCK_FRAMES):
                read_mel(path, start, start + BLOCK_FRAMES)
            return ""
        found = 0
        with open(path, "rb") as file:
            file.seek(NPY_HEADER_BYTES)
            while block := file.read(BLOCK_BYTES):
                found = zlib.crc32(block, found)
    except PermissionError:
        return CLOSED
    except (OSError, ValueError) as error:
        return f"cannot be read: {error.strerror if isinstance(error, OSError) else error}"
    return "" if f"{found:08x}" == checksum else f"its checksum is {found:08x} where the ledger says {checksum}"
