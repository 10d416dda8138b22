"""The process that starts a worker of several and watches it: while TensorFlow looks for the others, it is deaf.

Then neither a signal nor the time can end it from within; and should TensorFlow abort, somebody has to say so. The
worker tells by a pipe when it begins to look for the others, and when they have met.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time

from learning.workers import TF_CONFIG, Place
from utils import EXIT_LOCKED, ROOT, StopRequest, UserError, duration

PIPE = "SOUND_EVAL_WORKER"  # environment variable of the worker: the number of the pipe's end
LOOKS, HAVE_MET = b"l", b"m"
POLL_SECONDS = 0.2


class GoneError(UserError):
    """Another worker is gone, or never came."""

    exit_code = EXIT_LOCKED


def is_supervised() -> bool:
    return PIPE in os.environ


def tell_supervisor(what: bytes) -> None:
    if is_supervised():
        with contextlib.suppress(OSError):
            os.write(int(os.environ[PIPE]), what)


def end_with_supervisor() -> None:
    """See to it that this worker does not outlive its supervisor, which holds the other end of its stdin."""

    def watch() -> None:
        os.read(0, 1)
        os._exit(EXIT_LOCKED)

    threading.Thread(target=watch, daemon=True).start()


def supervise(argv: list[str], place: Place, seconds: float, stop: StopRequest) -> int:
    """Run this script as a worker of its own; return its exit code.

    seconds  that it may look for the others.
    Raises   GoneError where they have not come in time, or where the worker was ended by a signal; KeyboardInterrupt
             where `stop` comes before they have met.
    """
    ours, its = os.pipe()
    environment = os.environ | {PIPE: str(its)}
    command = [sys.executable, str(ROOT / "spectrogram_doc2vec.py"), *argv]
    # A session of its own: Ctrl-C comes to this process alone, which hands it on
    options = {"stdin": subprocess.PIPE, "env": environment, "pass_fds": (its,), "start_new_session": True}
    with subprocess.Popen(command, **options) as worker:
        os.close(its)
        try:
            exit_code = _watch(worker, ours, place, seconds, stop)
        finally:
            worker.kill()
            os.close(ours)
    if exit_code < 0:
        name = signal.Signals(-exit_code).name
        raise GoneError(f"{place} was ended by {name}; the newest save is kept, run the same command on every machine")
    return exit_code


def _watch(worker: subprocess.Popen, pipe: int, place: Place, seconds: float, stop: StopRequest) -> int:
    deadline, met, handed_on = None, False, False
    while (exit_code := worker.poll()) is None:
        if select.select([pipe], [], [], POLL_SECONDS)[0]:
            said = os.read(pipe, 1)
            if said == LOOKS:
                deadline = time.monotonic() + seconds
            met = met or said == HAVE_MET
            if not said:  # it ends
                time.sleep(POLL_SECONDS)
        if stop and not met and deadline is not None:
            raise KeyboardInterrupt
        if stop and not handed_on:
            worker.send_signal(stop.signal)
            handed_on = True
        if deadline is not None and not met and time.monotonic() > deadline:
            raise GoneError(
                f"{place} of {place.workers}: not all workers have come within {duration(seconds)}; start the same "
                f"command on every machine of {TF_CONFIG}, and see that each can reach the others' ports"
            )
    return exit_code
