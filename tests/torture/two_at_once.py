"""Two of each writer at once, writers with readers in a loop, holders of locks that are dead, disks without locks."""

from __future__ import annotations

import contextlib
import csv
import errno
import fcntl
import os
import random
import re
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np

from torture.disks import build_shim, failing_environment
from torture.house import BY_NAME, WRITERS, House, Writer, build
from torture.killed import comparable
from torture.running import command, differences, finish, kill_group, run, start, strays
from torture.tally import Tally

NAME = "two_at_once"
LOCKING = [each for each in WRITERS if each.name.startswith(("spectrify", "train", "calc_all_vecs", "page"))]
LOCKED = 75
HOLDER = re.compile(r": in use \(pid: (\d+), host: \S+, since: \S+\); ")
NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP)
LOCK_SECONDS = 60.0  # until a writer has taken its lock


def attack(tally: Tally, generator: random.Random, folder: Path, count: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    house, shim = build(folder / "house"), build_shim(tally)
    few = count < len(WRITERS)
    writers = [each for each in WRITERS if not few or each.seconds < 5]
    kinds = [two, dead_holder, two, living_holder] + [without_locks] * bool(shim) + [with_readers] * (not few)
    for number in range(count):
        if time.monotonic() > deadline:
            break
        kind = kinds[number % len(kinds)]
        locking = [each for each in writers if each in LOCKING]
        writer = generator.choice(writers if kind is two else locking)
        work = folder / "work"
        shutil.rmtree(work, ignore_errors=True)
        if kind is with_readers:
            with_readers(tally, house, work)
        elif kind is without_locks:
            without_locks(tally, generator, house, work, writer, shim)
        else:
            kind(tally, generator, house, work, writer)


def undisturbed(house: House, out: Path, writer: Writer) -> dict[str, bytes]:
    """Return what a writer makes alone."""
    writer.before(house, out)
    assert run(writer.argv(house, out)).exit_code == 0
    found = comparable(out)
    shutil.rmtree(out)
    return found


def two(tally: Tally, generator: random.Random, house: House, out: Path, writer: Writer) -> None:
    """Two at once: one at least does it, another says who holds the lock and exits with 75."""
    wanted = undisturbed(house, out, writer)
    writer.before(house, out)
    argv = writer.argv(house, out)
    processes = [start(argv)]
    time.sleep(generator.choice([0.0, generator.uniform(0.0, writer.seconds)]))
    processes.append(start(argv))
    done = [finish(process) for process in processes]
    what = f"two of {writer.name}: {done[0]}\n{done[1]}"
    codes = sorted(each.exit_code for each in done)
    allowed = [[0, 0], [0, LOCKED]] if writer in LOCKING else [[0, 0]] if writer.remakes else [[0, 0], [0, 1]]
    tally.check(codes in allowed and not any(each.has_traceback for each in done), what)
    for each in done:
        if each.exit_code == LOCKED:
            holder = HOLDER.search(each.err)
            named = holder and int(holder[1]) in {process.pid for process in processes}
            tally.check(len(each.err.splitlines()) >= 1 and bool(named), f"{what}\nthe holder is not named")
    found = comparable(out)
    same = found == wanted if writer.same_bytes else found.keys() == wanted.keys()
    tally.check(same, f"{what}\n{differences(found, wanted)}")
    tally.check(not strays(out), f"{what}\nstray: {strays(out)}")


def dead_holder(tally: Tally, generator: random.Random, house: House, out: Path, writer: Writer) -> None:
    """Who holds the lock is killed, he alone: the next one works at once, whatever the file still says."""
    writer.before(house, out)
    argv = writer.argv(house, out)
    process = start(argv)
    _wait_for_lock(process, out)
    process.kill()
    process.wait()
    again = run(argv)
    kill_group(process)
    finish(process)
    tally.check(again.exit_code == 0 and not again.has_traceback, f"{writer.name}, its holder is dead: {again}")


def living_holder(tally: Tally, generator: random.Random, house: House, out: Path, writer: Writer) -> None:
    """Another program of ours holds the lock for as long as it likes: nothing is changed."""
    writer.before(house, out)
    argv = writer.argv(house, out)
    lock = out / argv_output(argv, out) / "lock"
    lock.parent.mkdir(exist_ok=True)
    with open(lock, "a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(f"pid: {os.getpid()}\nhost: here\nsince: now\n".encode())
        file.flush()
        before = comparable(out)
        done = run(argv)
        named = f"pid: {os.getpid()}" in done.err and len(done.err.splitlines()) == 1
        same = comparable(out) == before
    idle = done.exit_code == 0 and same  # there was nothing to do, and so no lock to take
    what = f"{writer.name}, somebody holds the lock: {done}"
    tally.check(((done.exit_code == LOCKED and named) or idle) and not done.has_traceback, what)
    tally.check(same, f"{what}\nfiles have changed: {differences(comparable(out), before)}")
    again = run(argv)
    tally.check(again.exit_code == 0, f"{writer.name}, the lock is free again: {again}")


def argv_output(argv: list[str], out: Path) -> str:
    """Return the folder that a writer locks, relative to where it writes."""
    return next(os.path.relpath(each, out) for each in argv if each.startswith(f"{out}/"))


def without_locks(tally: Tally, generator: random.Random, house: House, out: Path, writer: Writer, shim: Path) -> None:
    """A file system that knows no locks, as some that come over a network: one clear line, and nothing is written."""
    writer.before(house, out)
    before = comparable(out)
    number = generator.choice(NO_LOCKS)
    done = run(writer.argv(house, out), env=failing_environment(shim, out, "flock", 1, number))
    what = f"{writer.name}, flock gives {errno.errorcode[number]}: {done}"
    tally.check(done.is_one_clear_line and "cannot be locked" in done.err and str(out) in done.err, what)
    tally.check(comparable(out) == before, f"{what}\n{differences(comparable(out), before)}")


def _wait_for_lock(process: subprocess.Popen, out: Path) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if any(path.stat().st_size for path in out.glob("*/lock")):
                return
        time.sleep(0.005)


def with_readers(tally: Tally, house: House, out: Path) -> None:
    """Readers in a loop while a run takes in other songs and trains on: never a mixed state, never a traceback."""
    writer = BY_NAME["train, songs changed"]
    writer.before(house, out)
    process = start(writer.argv(house, out))
    number = 0
    while process.poll() is None:
        number += 1
        table = out / f"read {number}.csv"
        done = run(command("process_results/export_vectors.py", out / "run", "--format", "csv", "--output", table))
        tally.check(done.exit_code == 0 and not done.has_traceback, f"a reader beside a trainer: {done}")
        if table.exists():
            with table.open(newline="") as file:
                rows = list(csv.reader(file))[1:]
            saves = [path for path in (out / "run").glob("vector_at_*.npy") if np.load(path).shape[0] == len(rows)]
            whole = len({row[0] for row in rows}) == len(rows) and bool(saves or process.poll() is None)
            tally.check(whole, f"a reader beside a trainer: {len(rows)} rows, of no save; {done}")
        checked = run(command("process_results/check_run.py", out / "run"))
        tally.check(checked.exit_code == 0 and not checked.has_traceback, f"a look beside a trainer: {checked}")
    done = finish(process)
    tally.check(done.exit_code == 0, f"a trainer beside readers: {done}")
