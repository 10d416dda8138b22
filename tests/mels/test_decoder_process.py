"""A decoder's process: bound to the life of its parent, a batch process, and an error where it cannot be started."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mels import decoder_process
from mels.decoder_process import decoder_prefix, run_decoder
from mels.log_mel import MelFramer
from utils import ROOT

linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not bind a process to its parent")


@pytest.fixture
def other_path(tmp_path, monkeypatch):
    """A PATH of which nothing is known yet: an empty folder, to put programs into."""
    monkeypatch.setenv("PATH", str(tmp_path))
    decoder_process._prefix_programs.cache_clear()
    yield tmp_path
    decoder_process._prefix_programs.cache_clear()


def is_running(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]) != "Z"
    return False


PARENT = """
import subprocess, sys, time
from mels.decoder_process import decoder_prefix
print(subprocess.Popen([*decoder_prefix(), "sleep", "1000"]).pid, flush=True)
time.sleep(1000)
"""


@linux
def test_a_decoder_dies_with_its_parent():
    parent = subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    decoder = 0
    try:
        decoder = int(parent.stdout.readline())
        assert is_running(decoder)
        time.sleep(0.5)  # it comes to its program through three others
        parent.kill()
        parent.wait(timeout=30)
        deadline = time.monotonic() + 30
        while is_running(decoder):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        parent.kill()
        parent.communicate()
        if decoder and is_running(decoder):
            os.kill(decoder, 9)


@linux
def test_a_decoder_whose_parent_has_ended_meanwhile_does_not_start():
    """Found by killing a run while its second decoder started: nobody was left to end that one."""
    prefix, us = decoder_prefix(), str(os.getpid())
    orphaned = [str(os.getppid()) if word == us else word for word in prefix]
    assert subprocess.run([*prefix, "true"], timeout=30).returncode == 0
    assert subprocess.run([*orphaned, "true"], timeout=30).returncode == 1


@linux
def test_a_decoder_is_a_batch_process_of_the_same_id_and_arguments():
    script = "import os, sys; print(os.getpid(), os.sched_getscheduler(0) == os.SCHED_BATCH, ascii(sys.argv[1:]))"
    awkward = ["a b", "", "-x", "$HOME", "'\"\\", os.fsdecode(b"\xff\n")]
    with subprocess.Popen(
        [*decoder_prefix(), sys.executable, "-c", script, *awkward], stdout=subprocess.PIPE, text=True
    ) as process:
        output, _ = process.communicate(timeout=30)
    assert output == f"{process.pid} True {awkward!a}\n"


def test_without_the_programs_there_is_no_prefix(other_path):
    assert decoder_prefix() == []


@linux
def test_programs_of_the_same_name_that_know_less_are_not_used(other_path):
    for name in ("sh", "true"):
        (other_path / name).symlink_to(shutil.which(name, path=os.defpath))
    (other_path / "setpriv").write_text("#!/bin/sh\nexit 1\n")
    (other_path / "setpriv").chmod(0o755)
    (other_path / "chrt").symlink_to(shutil.which("chrt", path=os.defpath))
    assert decoder_prefix() == [str(other_path / "chrt"), "--batch", "0"]


@pytest.mark.parametrize("kind", ["missing", "a folder", "not executable"])
@pytest.mark.parametrize("bare", [False, True], ids=["with the prefix", "without"])
def test_a_decoder_that_cannot_be_started_is_no_fault_of_the_file(tmp_path, config, request, kind, bare):
    """A run that remembers every file as failed since its ffmpeg has gone would have to be told to try again."""
    ffmpeg = tmp_path / "my ffmpeg"
    if kind == "a folder":
        ffmpeg.mkdir()
    elif kind == "not executable":
        ffmpeg.write_text("#!/bin/sh\n")
    if bare:
        request.getfixturevalue("other_path")
    with pytest.raises(OSError) as raised:
        run_decoder(lambda outputs: [str(ffmpeg)], ["a.mp3"], [MelFramer(config)], 30.0)
    assert "my ffmpeg" in str(raised.value)


STOPPED = """
import sys
from config import DEFAULT_CONFIG, build_config, read_config_file
from mels.decoder_process import run_decoder
from mels.log_mel import MelFramer

framer = MelFramer(build_config(read_config_file(DEFAULT_CONFIG), ""))
slowly = "echo begun >&2; sleep 1; head -c 64000 /dev/zero"
exit_code, stopped, said = run_decoder(lambda ends: ["sh", "-c", f"{slowly} >/dev/fd/{ends[0]}"], ["x"], [framer], 4.0)
print(exit_code, repr(stopped), framer.samples)
"""


@pytest.mark.slow
def test_who_is_stopped_himself_does_not_take_the_decoder_for_hung():
    """Ctrl-Z for a minute wrote files down as failed with which nothing was wrong."""
    process = subprocess.Popen([sys.executable, "-c", STOPPED], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline = time.monotonic() + 60
    while not any("sleep" in Path(f"/proc/{child}/cmdline").read_text() for child in children.read_text().split()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(6)
    os.kill(process.pid, signal.SIGCONT)
    assert process.communicate(timeout=60)[0] == "0 '' 16000\n"
