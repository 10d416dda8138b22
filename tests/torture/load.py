"""Large inputs: many tiny files in many folders, and one recording of ten hours."""

from __future__ import annotations

import os
import random
import struct
import time
from pathlib import Path

import numpy as np
from conftest import tone

from mels.mel_folder import read_ledger
from torture.running import SPECTRIFY, Done, command, finish, start
from torture.tally import Tally

NAME = "load"
FILES, FOLDERS = 100_000, 10_000
FILES_PER_SECOND = 60  # that are surely done: of the time that there is, so many are tried
RATE_HZ = 16000
HOURS = 10
SECONDS_PER_HOUR = 10.0  # of the time that there is
MOST_MEMORY = 400_000_000  # bytes, for the recording
MEMORY_PER_FILE = 4_000  # bytes of what the main process knows of a file, and
MEMORY = 300_000_000  # bytes of all else


def attack(tally: Tally, generator: random.Random, folder: Path, count: int, seconds: float) -> None:
    ten_hours(tally, folder, min(HOURS, seconds / SECONDS_PER_HOUR, count))
    many_files(tally, folder, int(min(FILES, FILES_PER_SECOND * seconds, 100 * count)))


def measured(argv: list[str], seconds: float) -> tuple[Done, int]:
    """Run a command; return how it ended, and the most memory that one of its processes took, in bytes."""
    process = start(argv)
    deadline = time.monotonic() + seconds
    ended = 0
    while not ended and time.monotonic() < deadline:
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        time.sleep(0.05)
    if not ended:
        return finish(process, 0.0), 0
    process.returncode = os.waitstatus_to_exitcode(status)
    return finish(process), usage.ru_maxrss * 1024


def write_wav(path: Path, samples: int, content: bytes) -> None:
    """Write a wav of mono 16-bit samples that are zero after the content: where the file system can, with a hole."""
    size = 2 * samples
    header = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1, RATE_HZ, 2 * RATE_HZ, 2,
                         16, b"data", size)  # fmt: skip
    with path.open("wb") as file:
        file.write(header + content)
        file.truncate(len(header) + size)


def ten_hours(tally: Tally, folder: Path, hours: float) -> None:
    """One recording of ten hours, in one process: its mel is whole, and the memory that it takes is small."""
    music = folder / "long"
    music.mkdir()
    sound = (30000 * tone(20.0, 440, rate_hz=RATE_HZ)[:, 0]).astype("<i2").tobytes()
    write_wav(music / "a recording.wav", int(hours * 3600 * RATE_HZ), sound)
    argv = command(SPECTRIFY, music, folder / "long mels", "--jobs", "1", "--quiet", "--timeout", "600")
    done, memory = measured(argv, 3600.0)
    what = f"a recording of {hours:g} h: {done.seconds:.0f} s, {memory / 1e6:.0f} MB"
    tally.note(what)
    tally.check(done.exit_code == 0 and not done.has_traceback, f"{what}: {done}")
    mel = np.load(folder / "long mels" / "a recording.wav.npy", mmap_mode="r")
    tally.check(abs(len(mel) - 36000 * hours) < 3, f"{what}: {len(mel)} frames")
    tally.check(memory < MOST_MEMORY, what)


def many_files(tally: Tally, folder: Path, count: int) -> None:
    """Tiny files, ten to a folder: all are done, and again nothing is; memory and time are told."""
    music, mels = folder / "many", folder / "many mels"
    tones = [20000 * tone(0.05, 200 + 10 * pitch, rate_hz=RATE_HZ)[:, 0] for pitch in range(9)]
    sounds = [each.astype("<i2").tobytes() for each in tones]
    per_folder = FILES // FOLDERS
    for number in range(count):
        place = music / f"{number // per_folder % 100:02}" / f"{number // per_folder:05}"
        if number % per_folder == 0:
            place.mkdir(parents=True, exist_ok=True)
        write_wav(place / f"{number}.wav", RATE_HZ // 20, sounds[number % 9])
    argv = command(SPECTRIFY, music, mels, "--quiet")
    done, memory = measured(argv, 3 * 3600.0)
    what = f"{count:,} files of 50 ms in {-(-count // per_folder):,} folders"
    tally.check(done.exit_code == 0 and not done.has_traceback, f"{what}: {done}")
    rows = read_ledger(mels)
    tally.check(len(rows) == count and all(row.status == "ok" for row in rows.values()), f"{what}: {done}")
    again, memory_again = measured(argv, 600.0)
    tally.check(again.exit_code == 0 and not again.out + again.err, f"{what}, again: {again}")
    told = f"{what}: {done.seconds:.0f} s, {memory / 1e6:.0f} MB"
    told += f"; again {again.seconds:.1f} s, {memory_again / 1e6:.0f} MB"
    tally.note(told)
    tally.check(max(memory, memory_again) < MEMORY + MEMORY_PER_FILE * count, told)
