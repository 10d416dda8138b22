"""A dask cluster of real processes on this machine: a scheduler, and workers that come and go."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

DASK = [sys.executable, "-m", "dask"]
QUIET = {"DASK_DISTRIBUTED__ADMIN__TICK__LIMIT": "1h", "DASK_DISTRIBUTED__LOGGING__DISTRIBUTED": "critical"}


class Cluster:
    """What a test does with a cluster. Everything runs in `folder`, and tells what it tells in a file there."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder, self.processes = folder, []
        folder.mkdir()
        self.file = folder / "scheduler.json"
        arguments = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
        self.scheduler = self._start([*arguments, "--scheduler-file", self.file], environment)
        while not self.file.exists() or not self.file.read_text():
            assert self.scheduler.poll() is None
            time.sleep(0.02)
        self.address = json.loads(self.file.read_text())["address"]

    def worker(self, *flags: str, before: Sequence[str] = (), **environment: str) -> subprocess.Popen:
        """Start a worker process under a nanny, which starts it anew where it dies; `before` are words before it."""
        arguments = ["worker", self.address, "--nthreads", "1", "--no-dashboard", "--local-directory", self.folder]
        return self._start([*arguments, *flags], environment, before)

    def _start(self, arguments: list, environment: dict[str, str], before: Sequence[str] = ()) -> subprocess.Popen:
        with open(self.folder / f"{len(self.processes)} {arguments[0]}.log", "wb") as log:
            process = subprocess.Popen(
                [*before, *DASK, *arguments],
                env={**os.environ, **QUIET, **environment},
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def end(self) -> None:
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextlib.contextmanager
def cluster(folder: Path, workers: int = 0, **environment: str) -> Iterator[Cluster]:
    made = Cluster(folder, **environment)
    try:
        for _ in range(workers):
            made.worker(**environment)
        yield made
    finally:
        made.end()
