"""README's crontab lines as cron runs them: an empty environment, no terminal, no home, a shell that knows little."""

from __future__ import annotations

import fcntl
import functools
import os
import random
import re
import shlex
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from torture.house import MODEL, WRITERS, House, build, write_clip
from torture.killed import stamps
from torture.running import SPECTRIFY, TRAIN, Done, command, run
from torture.tally import Tally
from utils import ROOT

NAME = "unattended"
BARE = ["env", "-i", "SHELL=/bin/sh", "PATH=/usr/bin:/bin", "LOGNAME=nobody"]
_CRONTAB = re.compile(r"^(?:[\d*/,-]+ +){5}(.*)$", re.MULTILINE)
SCRIPTS = 3  # in a line of the crontab: each may say one line
AT_ONCE = ("patience_saves=1", "patience_passes=0", "least_improvement=1")  # the stop rule's keys
TRAINING_MINUTES = 0.05
ENDING_SECONDS = 60.0  # for start, the save and the end, on a busy machine


def attack(tally: Tally, generator: random.Random, folder: Path, count: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    house = build(folder / "house")
    lines = crontab_lines()
    tally.check(bool(lines), "README.md has no crontab line any more")
    cheap = [each for each in WRITERS if each.seconds < 5]
    nights: list[Callable[[], None]] = [
        *(functools.partial(_nights, tally, house, folder, line, count > SCRIPTS) for line in lines),
        functools.partial(_time_is_kept, tally, house, folder),
        *(functools.partial(_bare, tally, house, folder, each) for each in generator.sample(cheap, len(cheap))),
    ]
    for night in nights[:count]:
        if time.monotonic() > deadline:
            break
        night()


def crontab_lines() -> list[str]:
    return _CRONTAB.findall((ROOT / "README.md").read_text(encoding="utf-8"))


def _nights(tally: Tally, house: House, folder: Path, line: str, all_of_them: bool) -> None:
    """The first night, one without news, one with news, some that fail, and the one after."""
    place = folder / "nights"
    shutil.rmtree(place, ignore_errors=True)
    music, data = shutil.copytree(house.music, place / "music"), place / "data"
    mels = data / "mels"
    data.mkdir()
    made = run(command(SPECTRIFY, music, mels))
    assert made.exit_code == 0, made
    # The command of the crontab goes on with the small model that this run was made with, and stops as soon
    soon = [word for key in AT_ONCE for word in ("--set", key)]
    small = run(command(TRAIN, mels, data / "run", *MODEL, *soon, "--max-saves", "1", "--quiet"))
    assert small.exit_code == 0, small

    def night() -> Done:
        return run([*BARE, "sh", "-c", here(line, place)], cwd="/")

    def check(good: bool, what: str, done: Done) -> None:
        tally.check(good and not done.has_traceback, f"{what}: {done}")

    done = night()
    check(done.exit_code == 0, "the first night", done)
    before = stamps(place)
    done = night()
    check(done.exit_code == 0 and not done.out and not done.err, "a night without news is not silent", done)
    tally.check(stamps(place) == before, f"a night without news changes files: {done}")
    write_clip(music, "new, this week/1.wav", 33)
    done = night()
    lines = done.out.splitlines()
    check(done.exit_code == 0 and not done.err and 1 <= len(lines) <= SCRIPTS, "a night with news", done)
    with open(data / "run" / "lock", "a+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        write_clip(music, "new, this week/2.wav", 34)
        done = night()
    check(done.exit_code == 75 and "in use" in done.err, "a night while another is at work", done)
    newest = max((data / "run").glob("vector_at_*.npy"), key=lambda path: int(path.stem.rpartition("_")[2]))
    content = newest.read_bytes()
    newest.write_bytes(content[: len(content) // 2])
    done = night()
    check(done.exit_code == 1 and str(newest) in done.err, "a night with a damaged save", done)
    newest.write_bytes(content)
    music.rename(place / "not mounted")
    done = night()
    check(done.exit_code == 1 and len(done.error_lines) == 1, "a night without the music's disk", done)
    (place / "not mounted").rename(music)
    if all_of_them:
        done = night()
        check(done.exit_code == 0 and not done.err, "the night after", done)


def here(line: str, place: Path) -> str:
    """Return a line of the crontab with our folders in the place of its own."""
    line = line.replace("/home/me/sound-eval", shlex.quote(str(ROOT)))
    if not (ROOT / ".venv/bin/python").exists():
        line = line.replace(".venv/bin/python", shlex.quote(sys.executable))
    return re.sub(r" /((?:music|data)(?:/\w+)?)", lambda match: f" {shlex.quote(f'{place}/{match[1]}')}", line)


def _time_is_kept(tally: Tally, house: House, folder: Path) -> None:
    """--max-minutes holds where no save is near: it saves then, and ends."""
    out = folder / "a run of some seconds"
    settings = [*MODEL, "--set", "pairs_per_save=100000000", "--forever", "--max-minutes", str(TRAINING_MINUTES)]
    done = run([*BARE, *command(TRAIN, house.mels, out, *settings, "--quiet")])
    kept = done.exit_code == 0 and done.seconds < 60 * TRAINING_MINUTES + ENDING_SECONDS
    tally.check(kept and (out / "epoc_num.txt").exists(), f"--max-minutes within a save: {done}")


def _bare(tally: Tally, house: House, folder: Path, writer) -> None:
    """A script in cron's environment says what it says elsewhere, and leaves no temporary file."""
    out, temporary = folder / "bare", folder / "temporary"
    for each in (out, temporary):
        shutil.rmtree(each, ignore_errors=True)
    temporary.mkdir()
    writer.before(house, out)
    done = run([*BARE, f"TMPDIR={temporary}", *writer.argv(house, out)], cwd="/")
    noisy = "arning" in done.err or "matplotlib" in done.err
    tally.check(done.exit_code == 0 and not noisy, f"{writer.name} in cron's environment: {done}")
    tally.check(not os.listdir(temporary), f"{writer.name} leaves {os.listdir(temporary)}: {done}")
