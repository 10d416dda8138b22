"""Files and folders: listing, atomic writes, the one writer's lock, and whether an output folder is ours or empty."""

from __future__ import annotations

import contextlib
import csv
import errno
import fcntl
import fnmatch
import heapq
import io
import itertools
import os
import socket
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from utils import LockedError, UserError, require_file

TEMPORARY_PREFIX = ".sound-eval-"
TEMPORARY_SUFFIX = ".tmp"


def byte_order(path: str) -> bytes:
    """Sort key of every list of files: the bytes of the whole relative path."""
    return os.fsencode(path)


def has_line_break(name: str) -> bool:
    """Tell whether a name would break a list of one name a line."""
    return "\n" in name or "\r" in name


def is_plain(name: str) -> bool:
    """Tell whether a name is a path that stays below the folder it is joined to, as long as no symbolic link is met.

    What ledgers and lists name may come from strangers, so each name is asked for where it enters.
    """
    parts = name.split("/")
    return not ("" in parts or "." in parts or ".." in parts or "\0" in name)


def require_real_folders(folder: Path | str, names: Iterable[str]) -> None:
    """Raise UserError where a symbolic link is among the folders on the way to a name: it may lead anywhere.

    To be asked before anything is written to or removed from below `folder`, which may be a link itself.
    """
    pending = {os.path.dirname(name) for name in names}
    seen = {""}
    while pending := pending - seen:
        for path in pending:
            if os.path.islink(os.path.join(folder, path)):
                what = "is a symbolic link, and may lead out of the folder; put a real folder in its place"
                raise UserError(f"{os.path.join(folder, path)}: {what}")
        seen |= pending
        pending = {os.path.dirname(path) for path in pending}


class Listing(NamedTuple):
    """What a walk through a folder has found: paths relative to it, '/'-separated, sorted by their bytes."""

    files: list[str]
    marked_folders: int  # skipped for a marker file
    unreadable: list[str]  # folders, and links, that nobody let us look into


def walk_files(
    root: Path,
    wanted: Callable[[str], bool],
    exclude: Iterable[str] = (),
    skip_markers: Iterable[str] = (),
) -> Listing:
    """Return the files below a folder whose name is wanted.

    Hidden files and folders, and whatever an `exclude` glob matches (its name or its relative path), are left out.
    Symbolic links are followed, but each folder is entered once: by its own path where that is below the root, else by
    the first link to it. Raises OSError where the folder itself cannot be read.
    """
    exclude, skip_markers = list(exclude), set(skip_markers)
    found: list[str] = []
    unreadable: list[str] = []
    marked = 0
    folders, links = [""], []  # to enter; links only when all else has been
    entered: set[tuple[int, int]] = set()
    while folders or links:
        folder = folders.pop() if folders else heapq.heappop(links)[1]
        here = os.path.join(root, folder)
        try:
            status = os.stat(here)
            with os.scandir(here) as entries:
                entries = list(entries)
        except OSError as error:
            if not folder:
                raise
            if not is_gone(error):
                unreadable.append(folder)
            continue
        identity = (status.st_dev, status.st_ino)
        if identity in entered:
            continue
        entered.add(identity)
        if skip_markers and any(entry.name in skip_markers for entry in entries):
            marked += 1
            continue
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.name.startswith("."):
                continue
            if exclude and any(fnmatch.fnmatch(entry.name, glob) or fnmatch.fnmatch(path, glob) for glob in exclude):
                continue
            try:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(path)
                elif entry.is_dir():
                    heapq.heappush(links, (byte_order(path), path))
                elif wanted(entry.name) and entry.is_file():
                    found.append(path)
            except OSError as error:
                if not is_gone(error):
                    unreadable.append(path)
    return Listing(sorted(found, key=byte_order), marked, sorted(unreadable, key=byte_order))


def is_gone(error: OSError) -> bool:
    """Tell whether what was just listed is no more, or was a link that leads nowhere or to itself."""
    return error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


DISK_TROUBLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  # of a disk that is full, or fails
PROBE_BYTES = 1 << 18  # more than a program writes at a time
_temporary_numbers = itertools.count()
_swept: set[str] = set()  # folders that this process has looked through for what killed ones left


@contextlib.contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """Let the error of a full or failing disk say at which file, where it does not, or names one of the moment."""
    try:
        yield
    except OSError as error:
        is_unnamed = error.filename is None and error.errno in DISK_TROUBLE
        if is_unnamed or os.path.basename(os.fsdecode(error.filename or "")).startswith(TEMPORARY_PREFIX):
            error.filename = os.fspath(path)
        raise


def write_all(descriptor: int, content: bytes) -> None:
    """Write to a descriptor; where the disk is about to be full, the kernel takes a part and says so by its size."""
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


def require_room(file: BinaryIO) -> None:
    """Raise OSError where the disk under an open file is full or fails: another program that met it did not say so."""
    os.lseek(file.fileno(), 0, os.SEEK_END)
    write_all(file.fileno(), bytes(PROBE_BYTES))
    os.fsync(file.fileno())


@contextlib.contextmanager
def atomic_write(path: Path | str, durable: bool = False) -> Iterator:
    """Open a binary file beside `path`; it takes that name when the block ends well, and vanishes when it does not.

    What killed processes left beside it goes first.
    durable  wait until the content and the name are on the disk: for what must survive a power cut.
    """
    folder = os.path.dirname(path) or "."
    if folder not in _swept:
        _swept.add(folder)
        _remove_stale(folder)
    with naming(path):
        file, lock = _open_temporary(folder)
        try:
            with file:
                yield file
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(file.name, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(file.name)
            raise
        finally:
            os.close(lock)
        if durable:
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _open_temporary(folder: str) -> tuple[BinaryIO, int]:
    """Return a file of a name that nobody has, and what locks it until it is closed: one without is of a dead process.

    The kernel's lock goes with the process on whatever machine; a number in the name may be another process's by now.
    """
    while True:
        name = f"{TEMPORARY_PREFIX}{os.getpid()}-{next(_temporary_numbers)}{TEMPORARY_SUFFIX}"
        try:
            file = open(os.path.join(folder, name), "xb")  # noqa: SIM115 (atomic_write closes it)
        except FileExistsError:
            continue
        lock = os.dup(file.fileno())  # outlives the file's own, which is closed before it is renamed
        with contextlib.suppress(OSError):  # a file system without locks: there nobody takes it for stale either
            fcntl.flock(lock, fcntl.LOCK_EX)
        if os.fstat(lock).st_nlink:
            return file, lock
        file.close()  # somebody swept it away before it was locked
        os.close(lock)


def write_file(path: Path | str, content: bytes, durable: bool = False) -> None:
    with atomic_write(path, durable) as file:
        file.write(content)


def write_if_changed(path: Path | str, content: bytes, durable: bool = False) -> None:
    """Write a file as `write_file` does, unless it holds these bytes already: then its time stays too."""
    if os.path.isfile(path) and os.path.getsize(path) == len(content):
        with open(path, "rb") as file:
            if file.read() == content:
                return
    write_file(path, content, durable)


def never_waiting(path: str, flags: int) -> int:
    """Open what may have become a pipe, as an `opener`: without this it is waited for until somebody writes into it."""
    return os.open(path, flags | os.O_NONBLOCK)


def open_input(path: Path | str) -> BinaryIO:
    """Open a file that somebody names as an input. Raises UserError where it is a named pipe, a device or a folder.

    What the shell hands over is taken, pipe or not: /dev/stdin, and the /dev/fd/63 that `<(...)` becomes.
    """
    if not os.fspath(path).startswith(("/dev/stdin", "/dev/fd/", "/proc/self/fd/")):
        require_file(path, "name a file, or write what comes out of it into one first")
    return open(path, "rb")


def read_input(path: Path | str) -> bytes:
    """Return the content of a file that `open_input` opens."""
    with open_input(path) as file:
        return file.read()


def csv_bytes(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Return a table as CSV, bytes of file names as they are."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue().encode("utf-8", "surrogateescape")


NPY_HEADER_BYTES = 128  # of what save_array writes: numpy's format 1.0 with a shape as short as ours


def save_array(path: Path | str, array: np.ndarray, durable: bool = False) -> None:
    """Write an .npy file atomically."""
    with atomic_write(path, durable) as file:
        # Into a real file numpy writes by C, and a full disk is then an error without a cause.
        np.lib.format.write_array(_Writer(file.write), array, allow_pickle=False)


class _Writer(NamedTuple):
    write: Callable[[bytes], int]


def temporaries(folder: Path | str) -> list[str]:
    """Return the paths of the files that an `atomic_write` is writing in a folder, or was when it was killed."""
    names: list[str] = []
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        names = os.listdir(folder)
    ours = (name for name in names if name.startswith(TEMPORARY_PREFIX) and name.endswith(TEMPORARY_SUFFIX))
    return [os.path.join(folder, name) for name in ours]


def remove_temporaries(folder: Path | str) -> None:
    """Remove what killed writers left in a folder, half-made links too. The caller holds the folder's lock."""
    _remove_stale(folder)
    for path in temporaries(folder):
        if os.path.islink(path):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)


def _remove_stale(folder: Path | str) -> None:
    """Remove the temporary files of dead processes: those that nobody has locked."""
    for path in temporaries(folder):
        with contextlib.suppress(OSError):  # gone meanwhile, locked, not ours to remove, or no file
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    os.unlink(path)
            finally:
                os.close(descriptor)


LOCK_NAME = "lock"
LOCK_BEGINS = "pid: "
LOCK_BYTES = 1000  # are more than one holds


@contextlib.contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold the one writer's lock of a mel or run folder. Raises LockedError naming the holder where it is taken.

    The lock is the kernel's (flock): it goes with the process however that ends, so a left-over file means nothing.
    While it is held the file says by whom; else it is empty.
    """
    path = Path(folder) / LOCK_NAME
    descriptor = _open_lock(path)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = ", ".join(_lock_text(descriptor).split("\n")).strip(", ") or "another process"
            raise LockedError(f"{folder}: in use ({holder}); wait for it to end, or stop it, and try again") from None
        except OSError as error:
            raise UserError(f"{path}: cannot be locked ({error.strerror}); use a folder on another disk") from None
        if not _lock_text(descriptor).startswith(LOCK_BEGINS[: os.fstat(descriptor).st_size]):
            raise UserError(f"{path}: is no lock of ours, and would be replaced; move it away, or name another folder")
        before = os.fstat(descriptor).st_mtime_ns
        now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        text = f"{LOCK_BEGINS}{os.getpid()}\nhost: {socket.gethostname()}\nsince: {now}\n"
        with naming(path):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, text.encode(), 0)
        try:
            yield
        finally:  # as it was: who looks for what a night has changed finds no trace of the lock
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
                os.utime(descriptor, ns=(before, before))
    finally:
        os.close(descriptor)


def _open_lock(path: Path) -> int:
    """Open the lock's file, never what a link of that name leads to. Raises UserError where it is no plain file."""
    try:
        # O_NONBLOCK: not to wait for the other end of what may be a pipe
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise
        descriptor = -1
    if descriptor < 0 or not stat.S_ISREG(os.fstat(descriptor).st_mode):
        with contextlib.suppress(OSError):
            os.close(descriptor)
        raise UserError(f"{path}: is a link, a folder or a pipe, and no lock; remove it, or name another folder")
    return descriptor


def _lock_text(descriptor: int) -> str:
    return os.pread(descriptor, LOCK_BYTES, 0).decode(errors="replace")


def lock_holder(folder: Path) -> str:
    """Return who on this machine holds the lock of a folder at present, "" where nobody does or nobody can tell.

    Looks at the kernel's list instead of trying: to hold it for an instant could turn a writer away.
    """
    try:
        descriptor = os.open(Path(folder) / LOCK_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            text, inode = _lock_text(descriptor), os.fstat(descriptor).st_ino
        finally:
            os.close(descriptor)
        with open("/proc/locks") as file:
            held = [line.split() for line in file]
    except OSError:
        return ""
    pids = [line[4] for line in held if line[1] == "FLOCK" and line[5].split(":")[2] == str(inode)]
    return ", ".join(text.split("\n")).strip(", ") if any(f"{LOCK_BEGINS}{pid}\n" in text for pid in pids) else ""


def require_ours_or_empty(folder: Path, kind: str, is_ours: Callable[[str], bool]) -> None:
    """Raise UserError where an output folder is a file, or holds what this script did not make. Changes nothing.

    kind     what the folder should be, in words: "mel folder".
    is_ours  tells of a name in it whether it is ours; hidden names and the lock are not asked for.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: is a file; name a folder for the output")
    names = sorted(os.listdir(folder)) if folder.exists() else []
    strangers = [name for name in names if not name.startswith(".") and name != LOCK_NAME and not is_ours(name)]
    if strangers:
        raise UserError(f"{folder}: is no {kind}, and holds {strangers[0]!r} already; name a new or an empty folder")
