"""Our code run by somebody whom permissions bind: the tests may be root's, who may read everything."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from utils import ROOT

# Everything is imported first: Python and the project may lie where only root can read.
BECOME_NOBODY = """
import os, sys
import mmap, encodings.cp437, imageio_ffmpeg
import process_results.check_run, spectrify_all, spectrogram_doc2vec, mels.decoding
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
"""


def run_as_anybody(code: str, *arguments: str | Path) -> subprocess.CompletedProcess:
    """Run some Python as nobody where we are root, else as we are."""
    argv = [sys.executable, "-c", BECOME_NOBODY + code, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, env=environment)


@contextlib.contextmanager
def folder_for_anybody() -> Iterator[Path]:
    """A folder that anybody may read and write; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory(prefix="sound-eval tests ") as folder:
        os.chmod(folder, 0o777)
        yield Path(folder)


@contextlib.contextmanager
def closed(folder: Path, mode: int = 0) -> Iterator[None]:
    """Take the rights to a folder away for a while."""
    folder.chmod(mode)
    try:
        yield
    finally:
        folder.chmod(0o755)
