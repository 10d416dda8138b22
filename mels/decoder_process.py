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
LEAST_BYTES_PER_SECOND = 50_000  # of a source file: a decoder slower than this hangs

# Ends where the parent has ended before the kernel was told to kill us with it. $0 is the parent's id, $@ the command.
IF_PARENT_LIVES = '[ "$PPID" = "$0" ] && exec "$@"'
NOT_STARTED = (126, 127)  # exit codes by which a shell, setpriv and chrt say that a program cannot be started


def run_decoder(
    command: Callable[[Sequence[int]], list[str]],
    paths: Sequence[str],
    framers: Sequence[MelFramer],
    timeout_seconds: float,
) -> tuple[int, bool, str]:
    """Run a decoder that writes float32 samples to one pipe a file, and feed the framers.

    command  takes the descriptors of the pipes' write ends, and returns the decoder's arguments.
    Returns  its exit code, whether it hung and was killed, and the start of its stderr.
    Raises   OSError where it cannot be started.
    """
    size = sum(os.path.getsize(path) if os.path.exists(path) else 0 for path in paths)
    deadline = time.monotonic() + timeout_seconds + size / LEAST_BYTES_PER_SECOND
    process, argv, outputs = _start(command, len(paths))
    try:
        messages, timed_out = _drain(process, outputs, framers, deadline)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))
        timed_out = timed_out or process.poll() is None
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stderr.close()
        for output in outputs:
            os.close(output)
    text = messages.decode("utf-8", "replace")
    if process.returncode in NOT_STARTED and not any(framer.samples for framer in framers):
        raise OSError(f"{argv[0]} cannot be started: {text.strip()}")
    return process.returncode, timed_out, text


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
        return subprocess.run(argv, stdin=silent, stdout=silent, stderr=silent, check=False).returncode == 0
    except OSError:
        return False


def _drain(
    process: subprocess.Popen, outputs: Sequence[int], framers: Sequence[MelFramer], deadline: float
) -> tuple[bytes, bool]:
    """Feed each framer from its pipe until all are closed. Returns the start of stderr, and whether time ran out."""
    messages = bytearray()
    remainders = [b""] * len(outputs)  # a read may end inside a sample
    for framer in framers:
        framer.reset()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stderr.fileno(), selectors.EVENT_READ, None)
        for index, output in enumerate(outputs):
            selector.register(output, selectors.EVENT_READ, index)
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                return bytes(messages), True
            for key, _ in selector.select(left):
                content = os.read(key.fd, PIPE_BYTES)
                if not content:
                    selector.unregister(key.fd)
                elif key.data is None:
                    messages += content[: STDERR_BYTES - len(messages)]
                else:
                    content = remainders[key.data] + content
                    whole = len(content) // 4 * 4
                    remainders[key.data] = content[whole:]
                    framers[key.data].feed(np.frombuffer(content[:whole], "<f4"))
    return bytes(messages), False
