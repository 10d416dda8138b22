"""Batches of mels to vectors: what calc_all_vecs.py does one by one here, and dask's workers on their machines."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from files import save_array
from learning.trained import TrainedRun, open_run
from mels.mel_folder import read_mel
from mels.on_worker import worker_threads
from runs.frame_folder import FRAME_LEVEL
from utils import UserError, printable_name

BATCH_SONGS = 16  # of which eight go through the networks together when song vectors are sought


@dataclass(frozen=True)
class MelBatch:
    """What a batch of mels is made into vectors by."""

    mel_folder: Path
    bins: int
    level: str
    output: Path  # where frame vectors are written


@dataclass
class Vectors:
    """What became of a batch of mels."""

    names: list[str] = field(default_factory=list)  # mels that have vectors
    vectors: list[np.ndarray] = field(default_factory=list)  # song vectors (dims,) float32; frame vectors are in files
    skipped: list[str] = field(default_factory=list)  # one line each: mels that cannot be read, and why
    unseen: list[str] = field(default_factory=list)  # paths of those that cannot be opened


def batches_of(names: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(names), BATCH_SONGS):
        yield names[start : start + BATCH_SONGS]


def make_vectors(
    names: list[str], trained: TrainedRun, how: MelBatch, before_writing: Callable[[], None] = lambda: None
) -> Vectors:
    """Make the vectors of a batch. `before_writing` raises what keeps frame vectors from being written."""
    done = Vectors()
    if how.level == FRAME_LEVEL:
        for name, mel in _readable(names, how, done):
            vectors = _finite(trained, name, trained.frame_vectors(mel))
            before_writing()
            save_array(how.output / name, vectors)
            done.names.append(name)
        return done

    def mels() -> Iterator[np.ndarray]:
        for name, mel in _readable(names, how, done):
            if not len(mel):
                done.skipped.append(f"{printable_name(name)}: no frame")
                continue
            done.names.append(name)
            yield mel

    vectors = trained.song_vectors(mels())  # ahead of which the names have come
    done.vectors = [_finite(trained, done.names[row], vector) for row, vector in enumerate(vectors)]
    return done


def _finite(trained: TrainedRun, name: str, vectors: np.ndarray) -> np.ndarray:
    """Return vectors of a mel. Raises UserError where they are not finite: no mel can do that, only weights."""
    if not np.isfinite(vectors).all():
        what = f"its weights make of {printable_name(name)} a vector that is not finite"
        raise UserError(f"{trained.folder}: {what}; restore them, or train into another folder")
    return vectors


def _readable(names: list[str], how: MelBatch, done: Vectors) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the mels named, (frames, bins) each; note those that cannot be read."""
    for name in names:
        path = how.mel_folder / name
        try:
            mel = read_mel(path)
            if mel.shape[1] != how.bins:
                raise ValueError(f"{mel.shape[1]} bins, expected {how.bins}")
        except (OSError, ValueError) as error:
            done.skipped.append(f"{printable_name(name)}: {error}")
            if not os.access(path, os.R_OK):
                done.unseen.append(os.fspath(path))
            continue
        yield name, mel


def make_vectors_on_worker(
    names: list[str], require_lock: Callable[[], None], run_folder: Path, digest: str, how: MelBatch
) -> tuple[Vectors, list[str]]:
    """As make_vectors, by the networks of a run folder, which a worker opens once."""
    done = make_vectors(names, open_on_worker(run_folder, digest), how, require_lock)
    return done, done.unseen


@functools.lru_cache(maxsize=1)
def open_on_worker(run_folder: Path, digest: str) -> TrainedRun:
    """Return the run of a folder; TensorFlow will take as many threads as the worker has.

    Raises UserError where its newest save is another one than the main process has opened.
    """
    trained = open_run(run_folder)
    if trained.song_digest() != digest:
        raise UserError(f"{run_folder}: holds other weights than it did; run it again when its training is over")
    for kind in ("INTRAOP", "INTEROP"):
        os.environ.setdefault(f"TF_NUM_{kind}_THREADS", str(worker_threads()))
    return trained
