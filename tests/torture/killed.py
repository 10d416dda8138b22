"""Every script that writes, killed with SIGKILL at random instants; the plain rerun makes what nobody disturbed."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from torture.house import WRITERS, House, Writer, build
from torture.running import contents, differences, finish, kill_group, run, start, strays
from torture.tally import Tally

NAME = "killed"
SLOTS = 2  # writers at a time
POLL_SECONDS = 0.005
TIMED = "cost_list.csv"  # its last column is seconds


@dataclass
class Known:
    """What a writer does where nobody disturbs it, and the time that its attacks have taken."""

    wanted: dict[str, bytes]
    begins: float  # seconds until it changes a file
    ends: float
    spent: float = 0.0
    attacks: int = 0  # in which it was still at work


def attack(tally: Tally, generator: random.Random, folder: Path, count: int, seconds: float) -> None:
    house = build(folder / "house")
    writers = WRITERS
    if count < len(WRITERS):
        writers = generator.sample([each for each in WRITERS if each.seconds < 3], count)
    deadline = time.monotonic() + seconds
    slots = [slot for slot in (writers[number::SLOTS] for number in range(SLOTS)) if slot]
    tallies = [Tally(NAME) for _ in slots]
    seeds = [random.Random(generator.random()) for _ in slots]

    def work(number: int) -> str:
        out, most = folder / f"work {number}", -(-count // len(slots))
        return attack_some(tallies[number], seeds[number], house, out, slots[number], most, deadline)

    with ThreadPoolExecutor(len(slots)) as pool:
        counts = list(pool.map(work, range(len(slots))))
    for each in tallies:
        tally.tried += each.tried
        tally.failures += each.failures
    tally.note("killed while at work: " + ", ".join(counts))


def attack_some(
    tally: Tally, generator: random.Random, house: House, out: Path, writers: list[Writer], count: int, deadline: float
) -> str:
    """Kill each of some writers as often as its share of the time allows; return in words how often."""
    known: dict[str, Known] = {}
    for _ in range(count):
        if time.monotonic() > deadline:
            break
        writer = min(writers, key=lambda each: known[each.name].spent / each.share if each.name in known else -1.0)
        begun = time.monotonic()
        if writer.name not in known:
            known[writer.name] = undisturbed(tally, house, out, writer)
        kill_once(tally, generator, house, out, writer, known[writer.name])
        known[writer.name].spent += time.monotonic() - begun
    return ", ".join(f"{name} {each.attacks}" for name, each in known.items())


def undisturbed(tally: Tally, house: House, out: Path, writer: Writer) -> Known:
    _renew(house, out, writer)
    process, begun = start(writer.argv(house, out), env=_environment(out)), time.monotonic()
    begins = _first_change(out, process)
    done = finish(process)
    tally.check(done.exit_code == 0 and not done.has_traceback, f"{writer.name}, undisturbed: {done}")
    return Known(comparable(out), begins, time.monotonic() - begun)


def kill_once(tally: Tally, generator: random.Random, house: House, out: Path, writer: Writer, known: Known) -> None:
    """Kill it once, and run it again."""
    _renew(house, out, writer)
    argv, environment = writer.argv(house, out), _environment(out)
    process = start(argv, env=environment)
    from_first_change = generator.random() < 0.6
    if from_first_change:  # what comes before, imports mostly, is dull
        _first_change(out, process)
    delay = generator.uniform(0.0, known.ends - known.begins if from_first_change else known.ends)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(delay)
    was_alive = process.poll() is None
    kill_group(process)
    finish(process)
    left = sorted(contents(out))
    done = run(argv, env=environment)
    after = "its first change" if from_first_change else "its start"
    what = f"{writer.name}, killed {delay:.3f} s after {after}, left {left[:20]}; again: {done}"
    whole = comparable(out)
    same = whole == known.wanted if writer.same_bytes else whole.keys() == known.wanted.keys()
    is_told = not writer.remakes and done.is_one_clear_line and same  # it had ended
    tally.check((done.exit_code == 0 or is_told) and not done.has_traceback, what)
    tally.check(same, f"{what}\n{differences(whole, known.wanted)}")
    tally.check(not strays(out), f"{what}\nstray: {strays(out)}")
    if writer.nightly and generator.random() < 0.25:
        before = stamps(out)
        done = run(argv, env=environment)
        tally.check(
            done.exit_code == 0 and stamps(out) == before,
            f"{what}\na third run, with nothing to do, changes files: {done}",
        )
    known.attacks += was_alive


def _renew(house: House, out: Path, writer: Writer) -> None:
    """Make what is there before the writer begins; the same path each time, as some files hold it."""
    shutil.rmtree(out, ignore_errors=True)
    writer.before(house, out)
    (out / "tmp").mkdir()


def _environment(out: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(out / "tmp")}


def stamps(folder: Path) -> dict[str, int]:
    """Return when each file was last written."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.relative_to(folder).parts[0] != "tmp"]
    return {str(path): path.stat().st_mtime_ns for path in paths}


def comparable(out: Path) -> dict[str, bytes]:
    """Return the files below a folder, of a table of costs without the seconds."""
    found = {name: content for name, content in contents(out).items() if not name.startswith("tmp/")}
    for name in found:
        if os.path.basename(name) == TIMED:
            found[name] = b"\n".join(line.rpartition(b",")[0] for line in found[name].split(b"\n"))
    return found


def _first_change(out: Path, process: subprocess.Popen) -> float:
    """Wait until something below a folder is another than it was, or the process ends; return the seconds."""
    before, begun = _look(out), time.monotonic()
    while process.poll() is None and _look(out) == before:
        time.sleep(POLL_SECONDS)
    return time.monotonic() - begun


def _look(out: Path) -> list[tuple[str, int]]:
    found = []
    for here, folders, _ in os.walk(out):
        with contextlib.suppress(FileNotFoundError):
            found.append((here, os.stat(here).st_mtime_ns))
        folders[:] = [each for each in folders if each != "tmp"]
    return found
