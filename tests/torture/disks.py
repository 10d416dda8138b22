"""Disks that are full, read-only or failing, too few rights, files and memory: one clear line, and nothing is lost."""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import random
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from torture.house import WRITERS, House, Writer, build
from torture.killed import comparable
from torture.running import Done, differences, run, strays
from torture.tally import Tally

NAME = "disks"
ROOM_BYTES = 64 << 20  # of the small file system where it is not to be full
ROOM_FILES = 100_000
PAGE_BYTES = 4096  # the least that a file takes there
SHIM = Path(__file__).with_name("failing_calls.c")
CALLS = ["write", "fsync", "rename", "create", "mkdir", "write fsync rename create mkdir", "unlink", "read"]
ERRORS = [errno.EIO, errno.ENOSPC, errno.EDQUOT]
LIMITS = ["ulimit -n 64", "ulimit -n 24", "ulimit -v 400000", "ulimit -v 1500000", "ulimit -v 3000000"]
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
# Folders for temporary files that nothing can be written to, seen by this command alone
NO_TEMPORARY_FOLDER = """for each in /tmp /var/tmp /dev/shm; do
mount --rbind $each $each && mount -o remount,ro,bind $each; done; cd /proc; exec "$@" """


@dataclass
class Bench:
    """Where a writer is attacked: a small file system of its own, so that it can be full."""

    tally: Tally
    generator: random.Random
    house: House
    disk: Path
    shim: Path | None
    wanted: dict[str, dict[str, bytes]] = field(default_factory=dict)  # writer -> what it makes undisturbed
    bytes_needed: dict[str, int] = field(default_factory=dict)

    @property
    def out(self) -> Path:
        return self.disk / "out"

    def renew(self, writer: Writer) -> None:
        subprocess.run(["mount", "-o", f"remount,rw,size={ROOM_BYTES},nr_inodes={ROOM_FILES}", self.disk], check=True)
        for path in self.disk.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        writer.before(self.house, self.out)

    def used(self) -> int:
        status = os.statvfs(self.disk)
        return (status.f_blocks - status.f_bfree) * status.f_frsize

    def learn(self, writer: Writer) -> None:
        """Find out what a writer makes, and how much room it takes, where nothing is in its way."""
        if writer.name in self.wanted:
            return
        self.renew(writer)
        before = self.used()
        done = run(writer.argv(self.house, self.out))
        self.tally.check(done.exit_code == 0, f"{writer.name}, undisturbed: {done}")
        self.wanted[writer.name] = comparable(self.out)
        self.bytes_needed[writer.name] = self.used() - before + 8 * PAGE_BYTES

    def judge(self, writer: Writer, done: Done, what: str, names_path: bool = True) -> None:
        """It ended in one clear line, or as if nothing had been; a run on a sound disk makes what it would have."""
        what = f"{writer.name}, {what}: {done}"
        clear = done.is_one_clear_line and (not names_path or str(self.house.folder.parent) in done.err)
        self.tally.check(done.exit_code == 0 or clear, what)
        found = comparable(self.out)
        if done.exit_code == 0 and writer.same_bytes:
            self.tally.check(
                found == self.wanted[writer.name], f"{what}\n{differences(found, self.wanted[writer.name])}"
            )

    def run_again(self, writer: Writer, what: str) -> None:
        again = run(writer.argv(self.house, self.out))
        found, wanted = comparable(self.out), self.wanted[writer.name]
        same = found == wanted if writer.same_bytes else found.keys() == wanted.keys()
        is_told = not writer.remakes and again.is_one_clear_line and same
        what = f"{writer.name}, {what}; then on a sound disk: {again}"
        self.tally.check((again.exit_code == 0 or is_told) and not again.has_traceback, what)
        self.tally.check(same, f"{what}\n{differences(found, wanted)}")
        self.tally.check(not strays(self.out), f"{what}\nstray: {strays(self.out)}")


def attack(tally: Tally, generator: random.Random, folder: Path, count: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    house = build(folder / "house")
    dear = 5 if count < len(WRITERS) else 100
    writers = [each for each in WRITERS if each.seconds < dear and not each.name.endswith("--overwrite")]
    shim = build_shim(tally)
    with small_disk(folder / "disk") as disk:
        if disk is None:
            tally.note("not tried: full and read-only disks need root, to mount them")
            return
        bench = Bench(tally, generator, house, disk, shim)
        kinds = [full, full, few_inodes, read_only, failing, failing, limited, no_temporary_folder, closed_input]
        generator.shuffle(kinds)
        for number in range(count):
            if time.monotonic() > deadline:
                break
            writer = generator.choices(writers, [1 / each.share for each in writers])[0]
            kinds[number % len(kinds)](bench, writer)


@contextlib.contextmanager
def small_disk(place: Path) -> Iterator[Path | None]:
    """A small file system in memory; None where we may not mount one."""
    place.mkdir(parents=True)
    argv = ["mount", "-t", "tmpfs", "-o", f"size={ROOM_BYTES},nr_inodes={ROOM_FILES}", "torture", place]
    if os.geteuid() or subprocess.run(argv, stderr=subprocess.DEVNULL).returncode:
        yield None
        return
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=False)


def build_shim(tally: Tally) -> Path | None:
    """Compile what makes system calls fail; None where there is no compiler."""
    folder = Path(tempfile.mkdtemp(prefix="torture-"))  # the loader of libraries ends a path at a space
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    library = folder / "failing_calls.so"
    compiler = shutil.which("cc")
    argv = [compiler, "-shared", "-fPIC", "-o", library, SHIM, "-ldl"]
    if compiler and subprocess.run(argv, capture_output=True).returncode == 0:
        silent = subprocess.run(["true"], env={**os.environ, "LD_PRELOAD": str(library)}, capture_output=True)
        tally.check(not silent.stderr, f"{library} cannot be loaded: {silent.stderr!r}")
        return library
    tally.note("not tried: a failing disk, and one without locks, need a C compiler (cc)")
    return None


# The attacks


def full(bench: Bench, writer: Writer) -> None:
    bench.learn(writer)
    bench.renew(writer)
    most = bench.bytes_needed[writer.name] // PAGE_BYTES
    room = bench.generator.randint(0, most) * PAGE_BYTES
    subprocess.run(["mount", "-o", f"remount,size={bench.used() + room + PAGE_BYTES}", bench.disk], check=True)
    what = f"room for {room:,} of {most * PAGE_BYTES:,} bytes"
    bench.judge(writer, run(writer.argv(bench.house, bench.out)), what)
    subprocess.run(["mount", "-o", f"remount,size={ROOM_BYTES}", bench.disk], check=True)
    bench.run_again(writer, what)


def few_inodes(bench: Bench, writer: Writer) -> None:
    bench.learn(writer)
    bench.renew(writer)
    there = sum(1 + len(names) for _, _, names in os.walk(bench.disk))
    room = bench.generator.randint(0, len(bench.wanted[writer.name]) + 4)
    subprocess.run(["mount", "-o", f"remount,nr_inodes={there + room + 1}", bench.disk], check=True)
    what = f"room for {room} more files"
    bench.judge(writer, run(writer.argv(bench.house, bench.out)), what)
    subprocess.run(["mount", "-o", f"remount,nr_inodes={ROOM_FILES}", bench.disk], check=True)
    bench.run_again(writer, what)


def read_only(bench: Bench, writer: Writer) -> None:
    bench.learn(writer)
    bench.renew(writer)
    before = comparable(bench.disk)
    nobody = bench.generator.random() < 0.5 and shutil.which("setpriv")
    if nobody:
        done = run([*NOBODY, *writer.argv(bench.house, bench.out)])
    else:
        subprocess.run(["mount", "-o", "remount,ro", bench.disk], check=True)
        done = run(writer.argv(bench.house, bench.out))
        subprocess.run(["mount", "-o", "remount,rw", bench.disk], check=True)
    what = f"no right to write{' (nobody)' if nobody else ' (read-only)'}"
    if done.exit_code == 1:
        bench.judge(writer, done, what)
    else:
        bench.tally.check(False, f"{writer.name}, {what}: {done}")
    after = comparable(bench.disk)
    bench.tally.check(after == before, f"{writer.name}, {what}: {done}\n{differences(after, before)}")


def failing(bench: Bench, writer: Writer) -> None:
    """From some call on everything on the disk returns an error."""
    if bench.shim is None:
        return
    bench.learn(writer)
    bench.renew(writer)
    calls, number = bench.generator.choice(CALLS), bench.generator.choice(ERRORS)
    at = bench.generator.choice([1, 2, 3, bench.generator.randint(1, 30)])
    done = run(writer.argv(bench.house, bench.out), env=failing_environment(bench.shim, bench.disk, calls, at, number))
    what = f"{errno.errorcode[number]} from the {at}. {calls!r} on"
    tolerant = calls in ("unlink", "read")  # what cannot be removed or read is of less weight here and there
    if tolerant:
        bench.tally.check(done.exit_code == 0 or done.is_one_clear_line, f"{writer.name}, {what}: {done}")
    else:
        bench.judge(writer, done, what)
    bench.run_again(writer, what)


def failing_environment(shim: Path, below: Path, calls: str, at: int, number: int) -> dict[str, str]:
    settings = {"FAIL_BELOW": str(below), "FAIL_CALLS": calls, "FAIL_AT": str(at), "FAIL_ERRNO": str(number)}
    return {**os.environ, **settings, "LD_PRELOAD": str(shim)}


def limited(bench: Bench, writer: Writer) -> None:
    """Few open files, little memory."""
    bench.learn(writer)
    bench.renew(writer)
    limit = bench.generator.choice(LIMITS)
    done = run(["bash", "-c", f"{limit}; exec {shlex.join(writer.argv(bench.house, bench.out))}"])
    if done.exit_code in (-signal.SIGSEGV, -signal.SIGABRT) and "-v" in limit:
        bench.tally.note(f"a library ends {writer.name} by a signal where there is too little memory: {limit}")
    else:
        bench.judge(writer, done, limit, names_path=False)
    bench.run_again(writer, limit)


def no_temporary_folder(bench: Bench, writer: Writer) -> None:
    if not shutil.which("unshare"):
        return
    bench.learn(writer)
    bench.renew(writer)
    argv = ["unshare", "--mount", "sh", "-c", NO_TEMPORARY_FOLDER, "sh", *writer.argv(bench.house, bench.out)]
    done = run(argv)
    bench.judge(writer, done, "no folder for temporary files", names_path=False)
    quiet = "Warning" not in done.err and "WARNING" not in done.err
    bench.tally.check(quiet, f"{writer.name}, no folder for temporary files, a library's warning: {done}")
    bench.run_again(writer, "no folder for temporary files")


def closed_input(bench: Bench, writer: Writer) -> None:
    """A folder of the input is closed to us: one clear line, or what is closed is named and the rest is done."""
    if not shutil.which("setpriv"):
        return
    bench.renew(writer)
    os.chmod(bench.out, 0o777)
    for path in bench.out.rglob("*"):
        os.chmod(path, 0o777)
    places = [bench.house.music, bench.house.mels, bench.house.run, bench.house.labels]
    closed = bench.generator.choice([*places, *(path for place in places[:3] for path in sorted(place.rglob("*")))])
    mode = closed.stat().st_mode
    try:
        closed.chmod(0)
        done = run([*NOBODY, *writer.argv(bench.house, bench.out)])
    finally:
        closed.chmod(mode)
    what = f"{writer.name}, {closed} is closed: {done}"
    bench.tally.check(done.exit_code == 0 or done.is_one_clear_line, what)
