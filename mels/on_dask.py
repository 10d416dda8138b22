"""Batches handed to the workers of a dask scheduler, on this machine or on many. dask is imported when it is asked for.

Scheduling, the workers' lives and the wire are dask's. What is ours: few batches are in flight, whatever their number;
whatever goes wrong is one line; and a batch that kills its workers is tried file by file, each alone in the cluster, so
that nobody else is blamed.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import pickle
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from queue import Empty, SimpleQueue
from typing import Any

from mels.dask_connection import AGAIN, SAME_EVERYWHERE, connected, require_versions
from mels.on_worker import SHARE, Work, code_digest, lock_text
from utils import ROOT, UserError

BATCHES_A_WORKER = 3  # in flight: one is worked on, one waits, and one is on its way
LOOK_SECONDS = 1.0  # between two looks who is there
SILENT_SECONDS = 60.0  # of a scheduler, after which it is taken for gone: dask would wait for ever
SAME_PACKAGES = ("dask", "distributed", "numpy")

Killed = Callable[[object, str], object]  # (what a batch of one held, why it was given up) -> its result


def add_scheduler_argument(parser: argparse.ArgumentParser) -> None:
    what = "let the workers of this dask scheduler do it, as tcp://host:8786; 'local' starts some on this machine"
    parser.add_argument("--scheduler", type=_address, metavar="ADDRESS", help=what)


def _address(text: str) -> str:
    """argparse type: an empty text, as of a variable that is not set, is not meant for no scheduler."""
    if not text:
        raise argparse.ArgumentTypeError("an empty text is no address")
    return text


def run_on_dask(
    scheduler: str,
    jobs: int | None,
    work: Work,
    batches: Iterable[list],
    killed: Killed,
    packages: tuple[str, ...] = (),
) -> Iterator[object]:
    """Yield what the workers make of each batch, in any order. To be run in a thread of its own, see `until_signal`.

    scheduler  an address, or "local".
    jobs       local workers; None for one a core.
    batches    each a list; only a few a worker are taken ahead of what is done.
    packages   of which every worker must have our version, beside those that dask needs.
    Raises     UserError where the scheduler cannot be reached or goes away, or a worker cannot do the work.
    """
    lock = lock_text(work.locked) if work.locked else ""
    work = dataclasses.replace(work, lock=lock, code=code_digest())
    with connected(scheduler, jobs) as client:
        yield from _Run(client, scheduler, work, killed, (*SAME_PACKAGES, *packages)).results(batches)


class _Run:
    """Batches in flight on one cluster."""

    def __init__(self, client, scheduler: str, work: Work, killed: Killed, packages: tuple[str, ...]) -> None:
        self._client, self._scheduler, self._killed, self._packages = client, scheduler, killed, packages
        self._work, self._function = pickle.dumps(work), _entrance()
        self._finished: SimpleQueue = SimpleQueue()
        self._in_flight: dict[str, tuple[object, list]] = {}  # key -> future, batch
        self._seen: set[str] = set()  # workers whose versions were looked at
        self._workers, self._looked, self._told = 0, -LOOK_SECONDS, False

    def results(self, batches: Iterable[list]) -> Iterator[object]:
        suspects: list[list] = []
        for batch, result, why in self._carry_out(batches, lambda: BATCHES_A_WORKER * self._count_workers()):
            if why:  # or another one that was on the same worker
                suspects.append(batch)
            else:
                yield result
        alone = ([item] for batch in suspects for item in batch)
        for (item,), result, why in self._carry_out(alone, lambda: min(1, self._count_workers())):
            yield self._killed(item, why) if why else result

    def _carry_out(self, batches: Iterable[list], room: Callable[[], int]) -> Iterator[tuple[list, object, str]]:
        """Yield each batch with its result, or with why it was given up; as many are in flight as there is room."""
        batches = iter(batches)
        batch = next(batches, None)
        while batch is not None or self._in_flight:
            most = room()
            while batch is not None and len(self._in_flight) < most:
                self._submit(batch)
                batch = next(batches, None)
            yield from self._ended()

    def _submit(self, batch: list) -> None:
        key = f"sound-eval-{uuid.uuid4().hex}"
        with self._or_gone():
            future = self._client.submit(
                self._function, os.fspath(ROOT), self._work, pickle.dumps(batch), key=key, pure=False
            )
            self._in_flight[key] = (future, batch)
            future.add_done_callback(lambda future: self._finished.put(future.key))

    def _ended(self) -> Iterator[tuple[list, object, str]]:
        """Yield what has ended since the last call, after a moment at the latest."""
        from distributed import KilledWorker

        keys = []
        with contextlib.suppress(Empty):
            keys.append(self._finished.get(timeout=LOOK_SECONDS))
            while True:
                keys.append(self._finished.get_nowait())
        self._require_connection()
        ended = [self._in_flight.pop(key) for key in keys]
        whole = [future for future, _ in ended if future.status == "finished"]
        results = {}
        # A worker may die, or hang, with results that nobody has fetched yet: they are made again
        with self._or_gone(), contextlib.suppress(KilledWorker, TimeoutError):
            results = dict(zip([future.key for future in whole], self._ask(self._client.gather, whole), strict=True))
        for future, batch in ended:
            if future.key in results:
                worker, trouble, result, unseen = results[future.key]
                for path in filter(lambda path: os.access(path, os.R_OK), unseen):
                    trouble = f"cannot read {path}, which can be read here; {SHARE}"
                if trouble:
                    raise UserError(f"worker {worker}: {trouble}; mend that, or stop this worker, {AGAIN}")
                yield batch, result, ""
            elif future.status == "error":
                yield batch, None, self._why_killed(future.exception())
            else:  # somebody has restarted the workers, or the scheduler is back at once
                self._submit(batch)

    def _why_killed(self, error: Exception) -> str:
        """Return how often a batch has ended its worker; raise any other error."""
        from distributed import KilledWorker

        if isinstance(error, KilledWorker):
            return f"ended the process that worked on it, {error.allowed_failures + 1} times"
        self._look_at_workers(anew=True)  # another version of Python does not understand what it is sent
        if isinstance(error, ImportError):
            raise UserError(f"{self._scheduler}: a worker says: {error}; {SAME_EVERYWHERE}") from None
        raise error

    def _count_workers(self) -> int:
        """Return how many workers there are, as of a moment ago; say so once where there is none."""
        if time.monotonic() >= self._looked + LOOK_SECONDS:
            self._workers = self._look_at_workers()
            self._looked = time.monotonic()
            if not self._workers and not self._told:
                what = f"no worker is there, waiting for one: dask worker {self._client.scheduler.address} --nthreads 1"
                print(f"{self._scheduler}: {what}", file=sys.stderr, flush=True)
            self._told = not self._workers
        return self._workers

    def _look_at_workers(self, anew: bool = False) -> int:
        """Return how many workers there are. Raises UserError where a new one has other versions than we."""
        self._require_connection()
        with self._or_gone():
            workers = set(self._ask(self._client.nthreads))
            self._seen &= set() if anew else workers
            message = {"op": "versions", "packages": self._packages}
            new = sorted(workers - self._seen)
            if not new:
                return len(workers)
            told = self._client.sync(self._client.scheduler.broadcast, msg=message, workers=new, on_error="ignore")
        for worker, versions in told.items():
            require_versions(self._scheduler, f"worker {worker}", versions, self._packages)
        self._seen |= workers
        return len(workers)

    def _ask(self, method: Callable, *arguments: object) -> Any:
        """Return what a method of dask's client does, unless the scheduler is silent for too long."""
        return self._client.sync(lambda: method(*arguments, asynchronous=True), callback_timeout=SILENT_SECONDS)

    def _require_connection(self) -> None:
        if self._client.status != "running":
            raise self._gone()

    @contextlib.contextmanager
    def _or_gone(self) -> Iterator[None]:
        """Tell in words whatever dask raises where its scheduler is gone."""
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            if isinstance(error, OSError | CancelledError) or self._client.status != "running":
                raise self._gone() from None
            raise

    def _gone(self) -> UserError:
        return UserError(f"{self._scheduler}: the scheduler is gone; what was finished is kept: start it, {AGAIN}")


def _entrance() -> Callable:
    """Return what a worker is called by, which knows nothing of ours: dask sends it by value, as its name says."""

    def carry_out_in_sound_eval(root: str, work: bytes, batch: bytes) -> object:
        import os
        import sys

        if not os.path.isdir(root):
            from distributed import get_worker

            what = "is not there; sound-eval must lie on a file system that all machines share, at the same path"
            return get_worker().address, f"{root}: {what}", None, ()
        if root not in sys.path:
            sys.path.insert(0, root)
        from mels.on_worker import carry_out

        return carry_out(work, batch)

    return carry_out_in_sound_eval
