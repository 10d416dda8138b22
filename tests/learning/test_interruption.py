"""Ctrl-C and SIGTERM wherever the trainer may be: one line, exit 0, what was committed is kept. With real processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import small_settings, tree, write_mels

from runs import repair, run_folder
from runs.vectors import read_song_vectors
from spectrogram_doc2vec import main
from utils import ROOT

SOON = 15  # seconds for an answer: it takes less than two, on a machine with nothing else to do
LONG = 180  # for what must come before the signal
INTERRUPTED = "spectrogram_doc2vec.py: interrupted; what was finished is kept, and the same command goes on\n"
SIGNALS = [signal.SIGINT, signal.SIGTERM]
slow = pytest.mark.slow


@contextlib.contextmanager
def trainer(mels: Path, run: Path, *flags: str) -> Iterator[subprocess.Popen]:
    argv = [sys.executable, ROOT / "spectrogram_doc2vec.py", mels, run, *flags]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_line(process: subprocess.Popen, beginning: str) -> None:
    """Read what the trainer says up to a line."""
    for line in process.stderr:
        if line.startswith(beginning):
            return
    raise AssertionError(f"it ended without {beginning!r}")


def wait_until(process: subprocess.Popen, happened) -> None:
    deadline = time.monotonic() + LONG
    while not happened():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)


def answer(process: subprocess.Popen, number: signal.Signals) -> tuple[str, str]:
    """Send a signal; return what the trainer says on stdout and stderr until it ends, with exit 0, soon."""
    process.send_signal(number)
    printed, errors = process.communicate(timeout=SOON)
    assert process.returncode == 0
    return printed, errors


def linked_mels(folder: Path, songs: int, frames: int) -> Path:
    """Many songs that are links to twenty: what takes long is the number."""
    write_mels(folder, {f"{song:06d}": frames for song in range(20)}, bins=80)
    for song in range(20, songs):
        os.link(folder / f"{song % 20:06d}.npy", folder / f"{song:06d}.npy")
    return folder


def open_files(process: subprocess.Popen) -> list[str]:
    with contextlib.suppress(FileNotFoundError):
        folder = Path(f"/proc/{process.pid}/fd")
        found = []
        for descriptor in folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                found.append(os.readlink(descriptor))
        return found
    return []


@pytest.mark.parametrize("number", SIGNALS)
def test_while_a_large_bare_folder_is_listed(tmp_path, number):
    mels = linked_mels(tmp_path / "mels", 60_000, 5)
    with trainer(mels, tmp_path / "run") as process:
        wait_until(process, lambda: any(name.startswith(str(mels)) for name in open_files(process)))
        assert answer(process, number) == ("", INTERRUPTED)
    assert not (tmp_path / "run").exists()


@slow
@pytest.mark.parametrize("number", SIGNALS)
def test_while_tensorflow_is_imported(mels, tmp_path, number):
    with trainer(mels, tmp_path / "run", *small_settings()) as process:
        wait_for_line(process, "memory: ")
        time.sleep(0.5)
        assert answer(process, number) == ("", INTERRUPTED)
    assert not run_folder.newest_save(tmp_path / "run")


@slow
def test_while_the_inputs_are_measured(tmp_path):
    mels = linked_mels(tmp_path / "mels", 3000, 2000)
    with trainer(mels, tmp_path / "run") as process:
        wait_for_line(process, "device: ")
        assert answer(process, signal.SIGINT) == ("", INTERRUPTED)


@slow
@pytest.mark.parametrize("number", SIGNALS)
def test_while_the_step_is_compiled(mels, tmp_path, number):
    with trainer(mels, tmp_path / "run") as process:
        wait_for_line(process, f"{tmp_path / 'run'}: starts anew")
        time.sleep(0.5)
        assert answer(process, number) == ("", INTERRUPTED)


@slow
def test_while_new_songs_are_matched_every_byte_of_the_run_stays(mels, tmp_path):
    run = tmp_path / "run"
    assert main([str(mels), str(run), "--quiet", *small_settings(), "--max-saves", "2"]) == 0
    before = {name: each for name, each in tree(run).items() if name != "lock"}
    write_mels(mels, {f"new/{song:05d}": 30 for song in range(5000)})
    with trainer(mels, run, *small_settings()) as process:
        wait_for_line(process, "device: ")
        time.sleep(2)
        assert answer(process, signal.SIGTERM) == ("", INTERRUPTED)
    assert {name: each for name, each in tree(run).items() if name != "lock"} == before


@slow
def test_while_a_run_that_goes_on_is_compiled_its_saves_stay(mels, tmp_path):
    run = tmp_path / "run"
    assert main([str(mels), str(run), "--quiet", *small_settings(), "--max-saves", "2"]) == 0
    write_mels(mels, {"new/one": 30})
    with trainer(mels, run, *small_settings(), "--forever") as process:
        wait_for_line(process, "save 3: ")  # the changed list is committed
        assert answer(process, signal.SIGINT)[1].endswith(INTERRUPTED)
    assert len(read_song_vectors(run).names) == 13
    assert repair.is_whole(run)


WAITING = """
import os, signal, sys, threading, time
from learning.background import prefetch
from learning.training import until_stop
from utils import StopRequest

def slowly():
    yield "a block"
    time.sleep(3)
    yield "another"

stop = StopRequest()
with stop.listening():
    started = time.monotonic()
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
    found = [block for block, waited in until_stop(stop, prefetch(slowly(), 2))]
    print(found, str(stop), time.monotonic() - started < 2.5)
"""


def test_while_mels_are_waited_for():
    done = subprocess.run([sys.executable, "-c", WAITING], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == "['a block'] SIGTERM True\n", done.stderr


@slow
def test_a_second_signal_in_training_ends_it_at_once_and_the_last_save_is_whole(tmp_path):
    mels = write_mels(tmp_path / "mels", {f"{song:02d}": 60 for song in range(12)})
    run = tmp_path / "run"
    with trainer(mels, run, "--set", "batch_size=4096", "--set", "pairs_per_save=8192", "--forever") as process:
        wait_for_line(process, "save 2: ")
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=SOON)
    assert process.returncode == 143
    assert np.isfinite(read_song_vectors(run).vectors).all()
    assert run_folder.newest_save(run) >= 2
