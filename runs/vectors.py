"""Vectors with the names that belong to them, read whatever a trainer does meanwhile; the flag --vectors. No lock."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from runs.run_folder import SAVE_NUMBER_NAME, UNREADABLE, newest_save, read_song_list, require_run, vectors_path
from utils import UserError, require_file

T = TypeVar("T")

SONG = "song"  # what --vectors takes beside the path of a file
GONE = ("descriptor", "descriptors")  # what --vectors took in older versions
ROWS_AT_ONCE = 1 << 14
MOST_DIMS = 1 << 16  # of a vector: a file that claims more would be read for as long as it claims
FLOATS = (np.float16, np.float32, np.float64)  # of a file's vectors; longer ones are no numbers to most libraries


@dataclass(frozen=True)
class Vectors:
    """Vectors of tracks, of one save."""

    names: list[str]  # as in music_list.txt
    vectors: np.ndarray  # (songs, dims) float
    save: int
    kind: str  # in words: "song vectors", or the name of a file

    def __str__(self) -> str:
        return f"{self.kind} of save {self.save}"


def newest(run: Path, read: Callable[[int], T]) -> T:
    """Return read(newest save); again where a trainer has meanwhile put a newer one in the place of that."""
    while True:
        save = require_run(run)
        try:
            return read(save)
        except (UserError, FileNotFoundError):
            if newest_save(run) == save:
                raise


def read_song_vectors(run: Path, mapped: bool = False) -> Vectors:
    """Return the newest song vectors with the names that belong to them; `mapped` as in `read_vectors`.

    Raises UserError where there is no save, or where vectors and names do not fit each other.
    """
    return newest(run, lambda save: song_vectors_of(run, save, mapped))


def song_vectors_of(run: Path, save: int, mapped: bool = False) -> Vectors:
    """Return the song vectors of a save, as `read_song_vectors` does those of the newest."""
    return _read_paired(run, vectors_path(run, save), save, "song vectors", mapped)


def add_vectors_argument(parser: argparse.ArgumentParser, **more: object) -> None:
    """Add the flag --vectors, whose values `read_vectors` takes; `more` goes to argparse."""
    what = f"{SONG}, or an .npy file with a row for each line of the run's music_list.txt (default: {SONG})"
    parser.add_argument("--vectors", metavar="WHICH", help=what, **more)


def read_vectors(run: Path, which: str | None, mapped: bool = False) -> Vectors:
    """Return the run's newest song vectors, or those of a file, with the names of their rows.

    which   "song" or None, or the path of an .npy file with a row for each line of music_list.txt.
    mapped  leave the vectors on the disk, as a read-only np.memmap: for who looks at each of them once.
    Raises  UserError where they are not there, or do not fit the names.
    """
    if which in (SONG, None):
        return read_song_vectors(run, mapped)
    if which in GONE:
        raise UserError(f"--vectors {which}: track descriptors are gone; leave the flag out, or use --vectors {SONG}")
    if not which.endswith(".npy"):
        raise UserError(f"--vectors {which}: write {SONG}, or the path of an .npy file")
    path = Path(which)
    if not path.exists():
        raise UserError(f"--vectors {path}: no such file")
    return newest(run, lambda save: _read_paired(run, path, save, path.name, mapped))


def load_vectors(path: Path, mapped: bool = False) -> np.ndarray:
    """Return the vectors of an .npy file, (songs, dims) float; `mapped` as in `read_vectors`.

    Raises UserError where it is not readable, or holds anything else.
    """
    require_file(path)
    try:
        if mapped:
            vectors = np.lib.format.open_memmap(path, mode="r")
        else:
            with open(path, "rb") as file:
                vectors = np.lib.format.read_array(file, allow_pickle=False)
    except UNREADABLE as error:
        raise UserError(f"{path}: not readable ({error}); restore it") from None
    if vectors.dtype.newbyteorder("=") not in FLOATS:
        raise UserError(f"{path}: holds {vectors.dtype}, expected floats of 16, 32 or 64 bits; restore it")
    if vectors.ndim != 2 or not 0 < vectors.shape[1] <= MOST_DIMS:
        raise UserError(f"{path}: holds an array of shape {vectors.shape}, expected (songs, dimensions); restore it")
    return vectors


def are_finite(vectors: np.ndarray) -> bool:
    """Tell whether all vectors are finite as float32, (songs, dims), which may lie on the disk."""
    starts = range(0, len(vectors), ROWS_AT_ONCE)
    with np.errstate(over="ignore"):
        return all(np.isfinite(vectors[at : at + ROWS_AT_ONCE].astype(np.float32, copy=False)).all() for at in starts)


def _read_paired(run: Path, path: Path, save: int, kind: str, mapped: bool) -> Vectors:
    # The names first: a list goes only after the vectors that need it, so it is right where those are still there.
    names = read_song_list(run, save)
    try:
        vectors = load_vectors(path, mapped=True)
    except UserError as error:
        raise UserError(f"{error} ({SAVE_NUMBER_NAME} says {save})") from None
    if len(vectors) != len(names):
        raise UserError(f"{path}: shape {vectors.shape} does not fit the {len(names)} songs of the music list")
    # Into memory only then: a sparse file of a terabyte is small on a disk
    return Vectors(names, vectors if mapped else np.array(vectors), save, kind)
