"""Running a decoder: a program that writes float32 samples to pipes, and that ends when we do."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence

import numpy as np

from mels.log_mel import MelFramer

PIPE_BYTES = 1 << 20  # Linux's limit for an unprivileged user; the default of 64 KB wakes both sides too often
STDERR_BYTES = 1 << 16  # of a decoder's messages: the first ones tell the cause
# What a file may take whatever its header claims. A decoder that takes more is killed.
LEAST_BYTES_PER_SECOND = 50_000  # of a source file, beside the time-out
MOST_SECONDS = 3600.0  # for a file of any size, beside the time-out
SKIPPED_BYTES_PER_SECOND = 50_000_000  # of a source file that gives no sample for longer than the time-out
MOST_FRAMES = 1 << 22  # of a mel: five days at a hop of 0.1 s, and 670 MB
TRIAL_SECONDS = 30.0  # for a program that does nothing, on the slowest machine
MEMORY_BYTES = 1 << 30  # of a decoder: four files that are decoded together take 200 MB

LONGEST_LOOK = 1.0  # seconds from one look at a decoder to the next

HUNG = "the decoder hung and was killed"
TOO_LONG = f"has more than {MOST_FRAMES:,} frames; cut it into parts"

# Ends where the parent has ended before the kernel was told to kill us with it. $0 is the parent's id, $@ the command.
# Where less memory is allowed already, it stays at that.
IF_PARENT_LIVES = f'[ "$PPID" = "$0" ] && {{ ulimit -d {MEMORY_BYTES >> 10} 2>/dev/null; exec "$@"; }}'
NOT_STARTED = (126, 127)  # exit codes by which a shell, setpriv and chrt say that a program cannot be started


class _Waiting:
    """The seconds that a decoder has been waited for.

    Where many have passed between two looks it was we who were stopped, by Ctrl-Z, and the decoder waits for us.
    """

    def __init__(self) -> None:
        self.seconds, self._seen = 0.0, time.monotonic()

    def look(self) -> float:
        now = time.monotonic()
        self.seconds += min(now - self._seen, LONGEST_LOOK)
        self._seen = now
        return self.seconds


def run_decoder(
    command: Callable[[Sequence[int]], list[str]],
    paths: Sequence[str],
    framers: Sequence[MelFramer],
    timeout_seconds: float,
    refuse: Callable[[str], str] | None = None,
) -> tuple[int, str, str]:
    """Run a decoder that writes float32 samples to one pipe a file, and feed the framers.

    command          takes the descriptors of the pipes' write ends, and returns the decoder's arguments.
    timeout_seconds  without a sample, and in all with what the size allows, after which it is killed.
    refuse           says of its stderr so far why nothing of it is wanted; empty where that is fine.
    Returns          its exit code, why it was killed (empty where it was not), and the start of its stderr.
    Raises           OSError where it cannot be started.
    """
    size = sum(os.path.getsize(path) if os.path.exists(path) else 0 for path in paths)
    patience = timeout_seconds + min(size / SKIPPED_BYTES_PER_SECOND, MOST_SECONDS)
    longest = timeout_seconds + min(size / LEAST_BYTES_PER_SECOND, MOST_SECONDS)
    waiting = _Waiting()
    process, argv, outputs = _start(command, len(paths))
    try:
        messages, stopped = _drain(process, outputs, framers, waiting, longest, patience, refuse)
        if not stopped:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, min(patience, longest - waiting.seconds)))
        stopped = stopped or (HUNG if process.poll() is None else "")
    finally:
        end_group(process)
        for output in outputs:
            os.close(output)
    text = messages.decode("utf-8", "replace")
    if process.returncode in NOT_STARTED and not any(framer.samples for framer in framers):
        raise OSError(f"{argv[0]} cannot be started: {text.strip()}")
    return process.returncode, stopped, text


def end_group(process: subprocess.Popen) -> None:
    """End a program that leads a group of its own, and all that it has started, if it has not ended by itself."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stderr.close()


def _start(command: Callable[[Sequence[int]], list[str]], count: int) -> tuple[subprocess.Popen, list[str], list[int]]:
    """Start a decoder with so many pipes. Returns it, its arguments, and the read ends of the pipes."""
    pipes = [os.pipe() for _ in range(count)]
    outputs, inputs = [read_end for read_end, _ in pipes], [write_end for _, write_end in pipes]
    for output in outputs:
        with contextlib.suppress(OSError, AttributeError):  # not Linux, or the user's share of pipe memory is used up
            fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    try:
        argv = command(inputs)
        process = subprocess.Popen(
            [*decoder_prefix(), *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=inputs,
            start_new_session=True,  # Ctrl-C is ours to handle, and the whole group can be killed
        )
    except BaseException:
        for output in outputs:
            os.close(output)
        raise
    finally:
        for write_end in inputs:
            os.close(write_end)
    return process, argv, outputs


def decoder_prefix() -> list[str]:
    """Return the words to put before a decoder's command line: with them it dies with us, and runs as a batch process.

    The kernel kills it when the thread that starts it ends, in whatever way, so that thread has to outlive it. Between
    fork and exec no Python runs, which in a process with threads can wait for ever for a lock. Where the programs are
    missing (not Linux, not util-linux) the list is shorter or empty, and a decoder that hangs is left to its timeout.
    """
    bound, batch = _prefix_programs()
    return [*bound, *([str(os.getpid())] if bound else []), *batch]


@functools.cache
def _prefix_programs() -> tuple[tuple[str, ...], tuple[str, ...]]:
    setpriv, shell, chrt = (shutil.which(name) or name for name in ("setpriv", "sh", "chrt"))
    # As a batch process a decoder is not woken for every little piece that passes between its threads: that saves a
    # tenth of the time, and the machine stays as responsive as it was.
    batch = (chrt, "--batch", "0")
    bound = (setpriv, "--pdeathsig", "KILL", shell, "-c", IF_PARENT_LIVES)
    parent = str(os.getpid())
    return bound if _works([*bound, parent, "true"]) else (), batch if _works([*batch, "true"]) else ()


def _works(argv: Sequence[str]) -> bool:
    """Tell whether a command ends well: busybox has programs of the same names that know less."""
    silent = subprocess.DEVNULL
    try:
        done = subprocess.run(argv, stdin=silent, stdout=silent, stderr=silent, timeout=TRIAL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _drain(
    process: subprocess.Popen,
    outputs: Sequence[int],
    framers: Sequence[MelFramer],
    waiting: _Waiting,
    longest: float,
    patience: float,
    refuse: Callable[[str], str] | None,
) -> tuple[bytes, str]:
    """Feed each framer from its pipe until all are closed. Returns the start of stderr, and why it ended before that.

    longest   seconds in all.
    patience  seconds from one sample to the next.
    """
    messages = bytearray()
    remainders = [b""] * len(outputs)  # a read may end inside a sample
    heard = 0.0
    for framer in framers:
        framer.reset()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stderr.fileno(), selectors.EVENT_READ, None)
        for index, output in enumerate(outputs):
            selector.register(output, selectors.EVENT_READ, index)
        while selector.get_map():
            left = min(longest, heard + patience) - waiting.look()
            if left <= 0:
                return bytes(messages), HUNG
            for key, _ in selector.select(min(left, LONGEST_LOOK)):
                content = os.read(key.fd, PIPE_BYTES)
                if not content:
                    selector.unregister(key.fd)
                elif key.data is None:
                    messages += content[: STDERR_BYTES - len(messages)]
                    if refuse and (reason := refuse(messages.decode("utf-8", "replace"))):
                        for framer in framers:  # what has come of it already depends on chance
                            framer.reset()
                        return bytes(messages), reason
                else:
                    heard = waiting.seconds
                    framer = framers[key.data]
                    content = remainders[key.data] + content
                    whole = len(content) // 4 * 4
                    remainders[key.data] = content[whole:]
                    framer.feed(np.frombuffer(content[:whole], "<f4"))
                    if framer.samples > MOST_FRAMES * framer.hop:
                        return bytes(messages), TOO_LONG
    return bytes(messages), ""
