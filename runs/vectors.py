"""Vectors with the names that belong to them, read whatever a trainer does meanwhile; the flag --vectors. No lock."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from runs.run_folder import (
    DESCRIPTOR,
    SAVE_NUMBER_NAME,
    UNREADABLE,
    descriptor_path,
    newest_descriptors,
    newest_save,
    read_song_list,
    read_weights,
    require_run,
    vectors_path,
    weights_path,
)
from utils import UserError

T = TypeVar("T")

# What --vectors takes beside the path of a file, and how the two are called in what is printed
SONG = "song"
SONG_VECTORS, TRACK_DESCRIPTORS = "song vectors", "track descriptors"
FLOATS = (np.float16, np.float32, np.float64)  # of a file's vectors; longer ones are no numbers to most libraries


@dataclass(frozen=True)
class Vectors:
    """Vectors of tracks, of one save."""

    names: list[str]  # as in music_list.txt
    vectors: np.ndarray  # (songs, dims) float
    save: int
    kind: str  # in words: "song vectors", "track descriptors", or the name of a file


@dataclass(frozen=True)
class Descriptors(Vectors):
    """Track descriptors with what made them."""

    standard: dict[str, np.ndarray]  # name -> array: means, scales and components
    step: int  # of the networks that made them: as many steps, the same networks


def newest(run: Path, read: Callable[[int], T]) -> T:
    """Return read(newest save); again where a trainer has meanwhile put newer files in the place of those."""
    while True:
        before = require_run(run), newest_descriptors(run)
        try:
            return read(before[0])
        except (UserError, FileNotFoundError):
            if (newest_save(run), newest_descriptors(run)) == before:
                raise


def read_song_vectors(run: Path) -> Vectors:
    """Return the newest song vectors with the names that belong to them.

    Raises UserError where there is no save, or where vectors and names do not fit each other.
    """
    return newest(run, lambda save: _read_paired(run, vectors_path(run, save), save, SONG_VECTORS))


def read_descriptors(run: Path) -> Vectors:
    """Return the newest track descriptors. Raises UserError, naming the command that makes them, where there are none.

    While a training goes on, or after one that was ended by a signal, they are those of an older save, with its names.
    """

    def read(newest_number: int) -> Vectors:
        save = newest_descriptors(run)
        if not save:
            raise UserError(
                f"{run}: holds no descriptor_at_{newest_number}.npy; make it with spectrogram_doc2vec.py MEL_FOLDER "
                f"{run}, or use --vectors {SONG}"
            )
        return _read_paired(run, descriptor_path(run, save), save, TRACK_DESCRIPTORS)

    return newest(run, read)


def read_descriptors_to_extend(run: Path) -> Descriptors | None:
    """Return the newest track descriptors with what made them, None where either is not there. Needs the lock."""
    save = newest_descriptors(run)
    if not save or not weights_path(run, DESCRIPTOR, save).exists():
        return None
    old, standard = read_descriptors(run), read_weights(run, DESCRIPTOR, save)
    step = int(standard.pop("step"))
    return Descriptors(old.names, old.vectors, save, old.kind, standard, step)


def add_vectors_argument(parser: argparse.ArgumentParser, **more: object) -> None:
    """Add the flag --vectors, whose values `read_vectors` takes; `more` goes to argparse."""
    what = f"{SONG}, {DESCRIPTOR}, or an .npy file with a row for each line of the run's music_list.txt"
    default = f"(default: {DESCRIPTOR}, which measures best; {SONG} where the run has none)"
    parser.add_argument("--vectors", metavar="WHICH", help=f"{what} {default}", **more)


def read_vectors(run: Path, which: str | None) -> Vectors:
    """Return the run's newest song vectors, its track descriptors, or those of a file, with the names of their rows.

    which   "song", "descriptor", or the path of an .npy file with a row for each line of music_list.txt; None for
            the descriptors, or the song vectors where there are none.
    Raises  UserError where they are not there, or do not fit the names.
    """
    if which == SONG or (which is None and not newest_descriptors(run)):
        return read_song_vectors(run)
    if which in (DESCRIPTOR, None):
        return read_descriptors(run)
    if not which.endswith(".npy"):
        raise UserError(f"--vectors {which}: write {SONG}, {DESCRIPTOR}, or the path of an .npy file")
    path = Path(which)
    if not path.exists():
        raise UserError(f"--vectors {path}: no such file")
    found = newest(run, lambda save: _read_paired(run, path, save, path.name))
    if found.vectors.dtype.newbyteorder("=") not in FLOATS:
        raise UserError(f"--vectors {path}: holds {found.vectors.dtype}, expected floats of 16, 32 or 64 bits")
    return found


def which_vectors(run: Path, found: Vectors) -> str:
    """Return in one line what `read_vectors` has read, and how to get newer or better ones."""
    line, save = f"vectors: {found.kind} of save {found.save}", newest_save(run)
    make = f"spectrogram_doc2vec.py MEL_FOLDER {run} makes them"
    if found.kind == TRACK_DESCRIPTORS and found.save < save:
        return f"{line}; the newest save is {save} and has none yet: {make}"
    if found.kind == SONG_VECTORS and not newest_descriptors(run):
        return f"{line}; the run has no track descriptors: {make}"
    return line


def _read_paired(run: Path, path: Path, save: int, kind: str) -> Vectors:
    # The names first: a list goes only after the vectors that need it, so it is right where those are still there.
    names = read_song_list(run, save)
    try:
        with open(path, "rb") as file:
            vectors = np.load(file)
    except UNREADABLE as error:
        raise UserError(f"{path}: not readable ({error}), though {SAVE_NUMBER_NAME} says {save}; restore it") from None
    if vectors.ndim != 2 or len(vectors) != len(names):
        raise UserError(f"{path}: shape {vectors.shape} does not fit the {len(names)} songs of the music list")
    return Vectors(names, vectors, save, kind)
