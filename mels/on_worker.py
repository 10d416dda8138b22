"""What a dask worker does with a batch: it looks whether it sees what the main process sees, and calls a function.

It is imported in the worker, from the folder of the main process. It never raises what the user can mend.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import os
import pickle
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from files import LOCK_BYTES, LOCK_NAME
from utils import ROOT, UserError

CODE_FOLDERS = (".", "mels", "learning", "runs", "judging", "process_results")
SHARE = "it must lie on a file system that all machines share, at the same path"


@dataclass(frozen=True)
class Work:
    """What is done with each batch."""

    function: str  # "module:name", see `carry_out`
    shared: tuple  # goes with each batch, so it is small
    folders: tuple[str, ...]  # absolute paths of what is read and written
    locked: str = ""  # that one of them whose lock the main process holds, if any
    lock: str = ""  # what is written in it: by that a folder is known to be the same one, and the run to be still on
    code: str = ""  # digest of the main process' code


class Outcome(NamedTuple):
    """What became of a batch."""

    worker: str
    trouble: str  # why nothing did, which ends the run; else empty
    result: object = None
    unseen: Sequence[str] = ()  # paths that this worker cannot read


@functools.cache
def code_digest() -> str:
    """Return a digest of our code as this process has first found it: what it runs, whatever lies on the disk later."""
    digest = hashlib.blake2b(digest_size=16)
    for folder in CODE_FOLDERS:
        for path in sorted((ROOT / folder).glob("*.py")):
            digest.update(f"{folder}/{path.name} ".encode("utf-8", "surrogateescape") + path.read_bytes())
    return digest.hexdigest()


def lock_text(folder: str) -> str:
    """Return what is written in a folder's lock; empty where there is none."""
    try:
        with open(os.path.join(folder, LOCK_NAME), "rb") as file:
            os.fsync(file.fileno())  # what a machine has just written, its neighbours do not see yet
            return file.read(LOCK_BYTES).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def require_lock(folder: str, text: str) -> None:
    """Raise UserError where a folder is not the one that the main process has locked, or is locked by it no more."""
    if folder and lock_text(folder) != text:
        raise UserError(f"{folder}: is another folder there than here, or no longer locked; {SHARE}")


_one_at_a_time = threading.Lock()  # a process' framers and networks are no two threads' at a time


def carry_out(work: bytes, batch: bytes) -> Outcome:
    """Do what is to be done with one batch; both are pickled.

    What is called is name(batch, require_lock, *shared). It returns a result, and the paths that it could not read; and
    it calls require_lock() before it writes, which raises where the main process holds the lock no more: a worker that
    hung may wake up when its run is long over.
    """
    with _one_at_a_time:
        try:
            result, unseen = _carry_out(_unpickled(work), pickle.loads(batch))  # noqa: S301 (see below)
        except MemoryError:
            return Outcome(_name(), "out of memory")
        except UserError as error:
            return Outcome(_name(), str(error))
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            return Outcome(_name(), f"{where}{error.strerror or error}")
    return Outcome(_name(), "", result, unseen)


@functools.lru_cache(maxsize=2)
def _unpickled(work: bytes) -> Work:
    return pickle.loads(work)  # noqa: S301 (as dask itself does with all that it is sent)


def _carry_out(work: Work, batch: list) -> tuple[object, Sequence[str]]:
    if work.code != code_digest():
        raise UserError(f"{ROOT}: the code has changed since this worker began, or is another there; start it anew")
    for folder in work.folders:
        if not os.path.isdir(folder):
            raise UserError(f"{folder}: is not there; {SHARE}")
    require_ours = functools.partial(require_lock, work.locked, work.lock)
    require_ours()
    module, _, name = work.function.partition(":")
    return getattr(importlib.import_module(module), name)(batch, require_ours, *work.shared)


def worker_threads() -> int:
    """Return how many threads the worker was started with."""
    from distributed import get_worker

    return get_worker().state.nthreads


def _name() -> str:
    from distributed import get_worker

    return f"{get_worker().address} on {socket.gethostname()}"
