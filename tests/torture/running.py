"""Our scripts run as a user runs them, and looks at what they leave."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from files import TEMPORARY_PREFIX, TEMPORARY_SUFFIX
from utils import ROOT

SPECTRIFY = "spectrify_all.py"
TRAIN = "spectrogram_doc2vec.py"
INFER = "calc_all_vecs.py"
PAGE = "static_web_viewer/display_vector_data.py"
LONGEST_SECONDS = 300.0  # a script that takes longer hangs
SHOWN = 1500  # characters of an output in a failure


@dataclass(frozen=True)
class Done:
    """A process that has ended."""

    argv: list[str]
    exit_code: int  # minus the signal that ended it
    out: str
    err: str
    seconds: float

    def __str__(self) -> str:
        out, err = self.out[-SHOWN:], self.err[-SHOWN:]
        return f"$ {shlex.join(self.argv)}\nexit code {self.exit_code}\nstdout: {out}\nstderr: {err}"

    @property
    def has_traceback(self) -> bool:
        return "Traceback" in self.out + self.err or "Fatal Python error" in self.err

    @property
    def error_lines(self) -> list[str]:
        return [line for line in self.err.splitlines() if ": error: " in line]

    @property
    def is_one_clear_line(self) -> bool:
        """Tell whether it failed as it should: one line that says what, exit code 1, no traceback."""
        return self.exit_code == 1 and len(self.error_lines) == 1 and not self.has_traceback


def command(script: str, *arguments: str | Path) -> list[str]:
    """Return the argv of a script of ours, with the Python of the tests."""
    return [sys.executable, str(ROOT / script), *map(os.fspath, arguments)]


def start(argv: Sequence[str], **options) -> subprocess.Popen:
    """Start a program in the repository, as the head of a process group of its own. Its output goes into files.

    Files rather than pipes: a process that outlives it must not be waited for.
    """
    outputs = [tempfile.TemporaryFile() for _ in range(2)]  # noqa: SIM115 (finish closes them)
    defaults = {"stdin": subprocess.DEVNULL, "stdout": outputs[0], "stderr": outputs[1], "cwd": ROOT}
    process = subprocess.Popen(argv, start_new_session=True, **{**defaults, **options})
    process.outputs, process.started = outputs, time.monotonic()
    return process


def finish(process: subprocess.Popen, seconds: float = LONGEST_SECONDS) -> Done:
    """Wait for a program of `start`; where it does not end, end it and say so."""
    hangs = ""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        hangs = f"\nTraceback: it did not end within {seconds} s"
        kill_group(process)
    texts = []
    for file in process.outputs:
        file.seek(0)
        texts.append(file.read().decode(errors="replace"))
        file.close()
    taken = time.monotonic() - process.started
    return Done(list(map(str, process.args)), process.returncode, texts[0], texts[1] + hangs, taken)


def run(argv: Sequence[str], seconds: float = LONGEST_SECONDS, **options) -> Done:
    return finish(start(argv, **options), seconds)


def run_script(script: str, *arguments: str | Path, **options) -> Done:
    return run(command(script, *arguments), **options)


def kill_group(process: subprocess.Popen) -> None:
    """SIGKILL to a process and all that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def killed_after(argv: Sequence[str], delay: float, **options) -> Done:
    """Run a program and kill its whole group after so many seconds, unless it has ended by then."""
    process = start(argv, **options)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(delay)
    kill_group(process)
    return finish(process)


def descendants(pid: int) -> list[int]:
    """Return the processes that one has started, and those that they have, whatever their groups are."""
    parents: dict[int, list[int]] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{name}/stat").read_text(errors="replace").rpartition(")")[2].split()
            parents.setdefault(int(fields[1]), []).append(int(name))
    found, pending = [], [pid]
    while pending:
        children = parents.get(pending.pop(), [])
        found += children
        pending += children
    return found


def contents(folder: Path, without: Iterable[str] = ("lock",)) -> dict[str, bytes]:
    """Return every file below a folder with its bytes, hidden ones and what a link is too; `without` are base names."""
    found: dict[str, bytes] = {}
    for here, folders, names in os.walk(folder):
        for name in [*names, *(each for each in folders if os.path.islink(os.path.join(here, each)))]:
            path = os.path.join(here, name)
            if name not in without:
                found[os.path.relpath(path, folder)] = os.fsencode(os.readlink(path)) if os.path.islink(path) else b""
                if os.path.isfile(path) and not os.path.islink(path):
                    found[os.path.relpath(path, folder)] = Path(path).read_bytes()
    return found


def strays(*folders: Path) -> list[str]:
    """Return the temporary files of ours that lie below some folders."""
    paths = [path for folder in folders for path in contents(folder)]
    return [path for path in paths if TEMPORARY_PREFIX in path and path.endswith(TEMPORARY_SUFFIX)]


def differences(found: dict[str, bytes], wanted: dict[str, bytes]) -> list[str]:
    """Return in words in which files two folders differ."""
    return [
        *(f"{name} is missing" for name in sorted(wanted.keys() - found.keys())),
        *(f"{name} is one too many" for name in sorted(found.keys() - wanted.keys())),
        *(f"{name} differs" for name in sorted(found.keys() & wanted.keys()) if found[name] != wanted[name]),
    ]
