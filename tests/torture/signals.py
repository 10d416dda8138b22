"""Signals of every kind, closed and full streams, decoders and workers that are killed or stopped."""

from __future__ import annotations

import contextlib
import os
import random
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from conftest import tone, write_audio

from mels.mel_folder import read_ledger
from torture.house import RATE_HZ, RESOLUTION, WRITERS, House, Writer, build
from torture.killed import comparable
from torture.running import (
    SPECTRIFY,
    command,
    descendants,
    differences,
    finish,
    kill_group,
    run,
    start,
    strays,
)
from torture.tally import Tally

NAME = "signals"
LONG_CLIPS, LONG_SECONDS = 6, 500.0  # for which ffmpeg can be caught at work
PATIENCE = "3"  # seconds of --timeout
ENDED = {  # by which signals, and with which exit codes, in words for failures
    "SIGTERM": ([signal.SIGTERM], {0}),
    "SIGINT": ([signal.SIGINT], {0}),
    "SIGINT twice": ([signal.SIGINT, signal.SIGINT], {0, 130}),
    "SIGTERM twice": ([signal.SIGTERM, signal.SIGTERM], {0, 143}),
    "SIGHUP": ([signal.SIGHUP], {0, -signal.SIGHUP}),
}
STREAMS = {
    ">&-": {0},
    "2>&-": {0},
    "<&-": {0},
    "<&- >&- 2>&-": {0},
    "| true": {0, 1},
    "| head -1": {0, 1},
    "2>&1 | head -1": {0, 1},
    ">/dev/full": {0, 1},
    "2>/dev/full": {0, 1},
}


def attack(tally: Tally, generator: random.Random, folder: Path, count: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    house = build(folder / "house")
    few = count < len(WRITERS)
    writers = [each for each in WRITERS if each.remakes and (each.seconds < 5 or not few)]
    kinds: list[Callable[[], None]] = [
        lambda: signalled(tally, generator, house, folder / "work", generator.choice(writers)),
        lambda: with_streams(tally, generator, house, folder / "work", generator.choice(writers)),
        lambda: with_a_child(tally, generator, folder, generator.choice(list(CHILDREN))),
    ]
    for number in range(count):
        if time.monotonic() > deadline:
            break
        kinds[number % len(kinds)]()


def _made_anew(house: House, out: Path, writer: Writer) -> None:
    shutil.rmtree(out, ignore_errors=True)
    writer.before(house, out)


def signalled(tally: Tally, generator: random.Random, house: House, out: Path, writer: Writer) -> None:
    """Signals at a random instant, imports included: one line, the right exit code; the same command goes on."""
    _made_anew(house, out, writer)
    kind = generator.choice(list(ENDED))
    numbers, exit_codes = ENDED[kind]
    delay = generator.choice([generator.uniform(0.03, 0.5), generator.uniform(0.0, writer.seconds)])
    argv = writer.argv(house, out)
    process = start(argv)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(delay)
    for number in numbers:
        _signal(process, number, generator.random() < 0.5)
        time.sleep(generator.choice([0.0, 0.01, 0.2]))
    done = finish(process)
    what = f"{writer.name}, {kind} after {delay:.3f} s: {done}"
    # Before Python has come to our first line it answers in its own way
    early = done.exit_code in {-number for number in numbers} and delay < 0.2
    tally.check(done.exit_code in exit_codes or early, what)
    tally.check(not done.has_traceback or early, what)
    again = run(argv)
    tally.check(again.exit_code == 0 and not again.has_traceback, f"{what}\nagain: {again}")
    tally.check(not strays(out), f"{what}\nstray: {strays(out)}")


def _signal(process: subprocess.Popen, number: signal.Signals, to_group: bool) -> None:
    with contextlib.suppress(ProcessLookupError):
        if process.poll() is None:
            os.killpg(process.pid, number) if to_group else os.kill(process.pid, number)


def with_streams(tally: Tally, generator: random.Random, house: House, out: Path, writer: Writer) -> None:
    """Standard streams that are closed, full, or read by nobody: the work is done, without a traceback."""
    kind = generator.choice(list(STREAMS))
    _made_anew(house, out, writer)
    argv = writer.argv(house, out)
    line = f"set -o pipefail; {shlex.join(argv)} {kind}"
    done = run(["bash", "-c", line])
    what = f"{writer.name} {kind}: {done}"
    broken = 128 + signal.SIGPIPE
    tally.check(done.exit_code in STREAMS[kind] | {broken} and not done.has_traceback, what)
    again = run(argv)
    tally.check(again.exit_code == 0 and not again.has_traceback, f"{what}\nagain: {again}")
    tally.check(not strays(out), f"{what}\nstray: {strays(out)}")


# Decoders and workers


def _kill_a_decoder(process: subprocess.Popen) -> bool:
    return _to_one(process, "ffmpeg", signal.SIGKILL)


def _stop_a_decoder(process: subprocess.Popen) -> bool:
    return _to_one(process, "ffmpeg", signal.SIGSTOP)


def _kill_a_worker(process: subprocess.Popen) -> bool:
    return _to_one(process, "popen_loky", signal.SIGKILL)


def _kill_the_main_one(process: subprocess.Popen) -> bool:
    process.kill()
    return True


def _stop_all_for_a_while(process: subprocess.Popen) -> bool:
    found = [process.pid, *descendants(process.pid)]
    ours = [pid for pid in found if b"ffmpeg" not in _command_line(pid)]
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for pid in ours:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        if number == signal.SIGSTOP:
            time.sleep(6)
    return True


CHILDREN = {
    "a decoder is killed": _kill_a_decoder,
    "a decoder is stopped": _stop_a_decoder,
    "a worker is killed": _kill_a_worker,
    "the main process alone is killed": _kill_the_main_one,
    "all is stopped for a while, as by Ctrl-Z": _stop_all_for_a_while,
}


def with_a_child(tally: Tally, generator: random.Random, folder: Path, kind: str) -> None:
    """Something befalls a process of spectrify_all.py: no file that is sound is written down as failed for good."""
    music, mels = folder / "long music", folder / "long mels"
    if not music.exists():
        for clip in range(LONG_CLIPS):
            write_audio(music / f"{clip}, long.wav", tone(LONG_SECONDS, 300 + 50 * clip, rate_hz=RATE_HZ), RATE_HZ)
    shutil.rmtree(mels, ignore_errors=True)
    argv = command(SPECTRIFY, music, mels, *RESOLUTION, "--quiet", "--jobs", "2")
    wanted = folder / "long mels, undisturbed"
    if not wanted.exists():
        assert run(argv).exit_code == 0
        mels.rename(wanted)
    process = start([*argv, "--timeout", PATIENCE])
    deadline = time.monotonic() + 60
    while process.poll() is None and not _named(process, "ffmpeg") and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(generator.uniform(0.0, 0.3))
    happened = process.poll() is None and CHILDREN[kind](process)
    done = finish(process)
    kill_group(process)
    what = f"{kind}{'' if happened else ' (it came too late)'}: {done}"
    tally.check(not done.has_traceback, what)
    if kind == "the main process alone is killed":
        tally.check(done.exit_code in (0, -signal.SIGKILL), what)
    else:
        tally.check(done.exit_code == 0 or done.is_one_clear_line, what)
    failed = [row.reason for row in read_ledger(mels).values() if row.status == "failed"] if mels.exists() else []
    are_hung = kind == "a decoder is stopped" and len(failed) <= 1 and all("hung" in reason for reason in failed)
    tally.check(not failed or are_hung, f"{what}\nwritten down as failed: {failed}")
    again = run([*argv, "--retry-failed"])
    tally.check(again.exit_code == 0, f"{what}\nagain: {again}")
    found = comparable(mels)
    tally.check(found == comparable(wanted), f"{what}\nagain: {again}\n{differences(found, comparable(wanted))}")
    tally.check(not strays(mels), f"{what}\nstray: {strays(mels)}")


def _command_line(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _named(process: subprocess.Popen, name: str) -> list[int]:
    """Return the processes under one whose program bears a name; a shell that is about to become it is none."""
    lines = {pid: _command_line(pid) for pid in descendants(process.pid)}
    return [pid for pid, line in lines.items() if name.encode() in line and not line.startswith((b"sh\0", b"/bin/sh"))]


def _to_one(process: subprocess.Popen, name: str, number: signal.Signals) -> bool:
    for pid in _named(process, name):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            return True
    return False
