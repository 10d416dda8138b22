"""What a look at a folder finds: its parts, what is wrong with them, and what it is good for."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from files import LOCK_NAME, lock_holder
from utils import UserError, plural, printable_name, shortened

OK, MISSING, DAMAGED = "ok", "missing", "damaged"
NONE = "none"  # not there, and that is fine
LARGEST_TEXT = 300_000_000  # bytes of a list or table: that of a million songs has half of it
RESTORE = "restore it"

_LINE = re.compile(r", (line \d+|after line \d+)$")


class Finding(NamedTuple):
    """Something that is wrong in a folder."""

    path: str  # of the file or folder that it is about
    what: str
    remedy: str  # the command that mends it, or what to do


@dataclass
class Part:
    """One of the things that a folder is made of."""

    name: str
    state: str = OK
    what: str = ""  # in words, what it holds


class Checked:
    """What a look at a folder has found so far."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder, self.kind, self.holder = Path(folder), kind, lock_holder(folder)
        self.parts: list[Part] = []
        self.findings: list[Finding] = []
        self.usable: list[str] = []  # a line for each thing that it is good for, or no more good for

    def find(self, path: Path | str, what: str, remedy: str) -> None:
        self.findings.append(Finding(os.fspath(path), what, remedy))

    @contextlib.contextmanager
    def part(self, name: str, remedy: str = "") -> Iterator[Part]:
        """Look at a part: it is ok unless that adds a finding or raises an error, which becomes one.

        remedy  what to do where an error is raised; empty: what the error itself says.
        """
        part, before = Part(name), len(self.findings)
        self.parts.append(part)
        try:
            yield part
        except Exception as error:  # whatever the damage, who looks for it must not fall over it
            path, what, advice = _told(error, self.folder, self.folder / name)
            self.find(path, what, remedy or advice)
            part.state = DAMAGED if os.path.lexists(path) else MISSING
        if len(self.findings) > before and part.state == OK:
            part.state = DAMAGED

    def lock(self) -> None:
        """Look at the lock's file: a writer refuses one that it has not made."""
        path = self.folder / LOCK_NAME
        if not os.path.lexists(path):
            return
        with self.part(LOCK_NAME, removal(path)) as part:
            part.what = f"held at present ({self.holder})" if self.holder else "nobody writes at present"
            look_at(path)
            with open(path, "rb") as file:
                start = file.read(5)
            if not b"pid: ".startswith(start):
                raise UserError(f"{path}: is no lock of ours, so every writer refuses the folder; remove it")

    def left_over(self, temporaries: Iterable[Path | str], others: Iterable[Finding] = ()) -> None:
        """Tell of what killed writers have left behind, where nobody is at work on it at present."""
        found = [Finding(os.fspath(path), "a temporary file of a killed writer", removal(path)) for path in temporaries]
        if (found := [*found, *others]) and not self.holder:
            self.findings += found
            self.parts.append(Part("left-overs", DAMAGED, plural(len(found), "file")))


def look_at(path: Path, largest: int = LARGEST_TEXT) -> int:
    """Return the size of a file. Raises UserError, before anybody opens it, where it is no file, a link or absurd."""
    status = os.lstat(path)
    if os.path.islink(path):
        inside = f"cp --remove-destination {quoted(os.path.realpath(path))} {quoted(path)}"
        remedy = inside if os.path.isfile(path) else RESTORE
        what = f"is a symbolic link to {shortened(os.readlink(path))}, which may lead anywhere"
        raise UserError(f"{path}: {what}; {remedy}")
    if not os.path.isfile(path):
        kind = "a folder" if os.path.isdir(path) else "a pipe, a socket or a device"
        raise UserError(f"{path}: is {kind} and no file; {RESTORE}")
    if status.st_size > largest:
        raise UserError(f"{path}: has {status.st_size:,} bytes, more than any such file needs; {RESTORE}")
    return status.st_size


def require_line_end(path: Path) -> None:
    """Raise UserError where a text is empty, or its last line has no end: all that we write has one."""
    size = look_at(path)
    with open(path, "rb") as file:
        file.seek(max(0, size - 1))
        if file.read(1) != b"\n":
            what = "its last line has no end, so it was cut short" if size else "is empty"
            raise UserError(f"{path}: {what}; {RESTORE}")


def command(script: str, *arguments: Path | str) -> str:
    """Return the command to type; what a reader has to fill in is in capitals."""
    words = [each if isinstance(each, str) else quoted(each) for each in arguments]
    return " ".join(["python", script, *words])


def quoted(path: Path | str) -> str:
    """Return a path as a shell takes it, and as no program's option."""
    text = printable_name(str(path))
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def removal(path: Path | str) -> str:
    """Return the command that removes what is in the way."""
    recursive = "-r " if os.path.isdir(path) and not os.path.islink(path) else ""
    return f"rm {recursive}{quoted(path)}"


def after_removal(path: Path | str, remedy: str, always: bool = False) -> str:
    """Return a remedy that makes a file anew, behind the removal of what is in its place and no file.

    always  a file has to go too.
    """
    is_file = os.path.isfile(path) and not os.path.islink(path)
    in_the_way = os.path.lexists(path) and (always or not is_file)
    return f"{removal(path)} && {remedy}" if in_the_way else remedy


def _told(error: Exception, folder: Path, path: Path) -> tuple[str, str, str]:
    """Return which file an error is about, what is wrong with it, and what to do."""
    if isinstance(error, UserError):  # "PATH: what; what to do", where PATH may be followed by a line's number
        what, _, advice = str(error).rpartition("; ")
        start = str(path) if what.startswith(str(path)) else str(folder)
        if not what.startswith(start):
            return os.fspath(path), what, advice
        more, _, rest = what[len(start) :].partition(": ")
        line = _LINE.search(more)
        return start + _LINE.sub("", more), f"{line[1]}: {rest}" if line else rest, advice
    if isinstance(error, OSError):
        what = "is not there" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
        return os.fsdecode(error.filename or path), what, RESTORE
    return os.fspath(path), f"cannot be read ({type(error).__name__}: {shortened(str(error))})", RESTORE
