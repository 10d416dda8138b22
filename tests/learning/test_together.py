"""Training on several machines: processes on this one's loopback, with TensorFlow as it is."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import small_settings, write_mels

from files import folder_lock
from runs.repair import is_whole
from runs.run_folder import newest_save, read_costs
from runs.vectors import read_song_vectors
from utils import ROOT

pytestmark = pytest.mark.slow

LONG = 240  # seconds for what takes some twenty where nothing else is at work
# Rounds of 64 steps end before a save, and at one
SETTINGS = small_settings("pairs_per_save=6400")
NAMES = ["config.yaml", "cost_list.csv", "epoc_num.txt", "lock", "music_list.txt", "music_list_at_1.txt", "weights"]


def addresses(workers: int) -> list[str]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(workers)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]


@contextlib.contextmanager
def started(cluster: list[str], index: int, mels: Path, run: Path, *flags: str) -> Iterator[subprocess.Popen]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TF_CPP")}
    environment["TF_CONFIG"] = json.dumps({"cluster": {"worker": cluster}, "task": {"type": "worker", "index": index}})
    argv = [sys.executable, ROOT / "spectrogram_doc2vec.py", mels, run, *SETTINGS, *flags]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environment}
    with subprocess.Popen(argv, **options) as process:
        try:
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def all_started(workers: int, mels: Path, run: Path, *flags: str) -> Iterator[list[subprocess.Popen]]:
    cluster = addresses(workers)
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(started(cluster, index, mels, run, *flags)) for index in range(workers)]


def ended(processes: list[subprocess.Popen]) -> list[tuple[int, str, str]]:
    """Wait for processes; return of each the exit code, stdout and stderr."""
    said = [process.communicate(timeout=LONG) for process in processes]
    return [(process.returncode, *texts) for process, texts in zip(processes, said, strict=True)]


def train(workers: int, mels: Path, run: Path, *flags: str) -> list[tuple[int, str, str]]:
    with all_started(workers, mels, run, *flags) as processes:
        return ended(processes)


def alone(mels: Path, run: Path, *flags: str) -> None:
    argv = [sys.executable, ROOT / "spectrogram_doc2vec.py", mels, run, "--quiet", *SETTINGS, *flags]
    subprocess.run(argv, check=True, timeout=LONG, stdout=subprocess.DEVNULL)


def wait_for_save(processes: list[subprocess.Popen], run: Path, save: int) -> None:
    deadline = time.monotonic() + LONG
    while newest_save(run) < save:
        assert time.monotonic() < deadline
        assert all(process.poll() is None for process in processes)
        time.sleep(0.01)


def content(run: Path) -> dict[str, bytes]:
    """Everything of a run but the seconds that it took."""
    found = {str(path.relative_to(run)): path.read_bytes() for path in run.rglob("*") if path.is_file()}
    found["cost_list.csv"] = re.sub(rb",[^,\n]+\n", b"\n", found["cost_list.csv"])
    return found


def only_line(text: str) -> str:
    assert text.count("\n") == 1, text
    return text


@pytest.fixture
def run(tmp_path) -> Path:
    return tmp_path / "a run"


def test_two_workers_make_a_run_as_one_does_and_the_same_bytes_again_also_after_a_kill(mels, run, tmp_path):
    (chief, worker) = train(2, mels, run, "--max-saves", "4")
    assert chief[0] == worker[0] == 0
    assert sorted(os.listdir(run)) == sorted([*NAMES, *(f"vector_at_{save}.npy" for save in range(1, 5))])
    assert is_whole(run) and [row.pairs for row in read_costs(run)] == [6400, 12800, 19200, 25600]
    assert "stopped: save 4 is reached (--max-saves)" in only_line(chief[1])
    beginnings = (f"{mels}: ", "memory: ", "waits for 2 workers", "device: ", f"{run}: starts anew", "save ")
    assert all(line.startswith(beginnings) for line in chief[2].splitlines()), chief[2]
    assert worker[1] == "" and all(line.startswith("worker 1 (127.0.0.1:") for line in worker[2].splitlines())
    found = read_song_vectors(run)
    assert len(found.names) == 12 and np.isfinite(found.vectors).all()
    assert read_costs(run)[-1].held_out_cost < read_costs(run)[0].held_out_cost

    other = tmp_path / "killed and taken up"
    with all_started(2, mels, other, "--forever") as processes:
        wait_for_save(processes, other, 2)
        for process in processes:
            process.kill()
    number = newest_save(other)
    if number > 4:  # killed late: nothing to compare, so what came after 4 goes too
        pytest.skip("the machine was too slow to kill it in time")
    quiet = train(2, mels, other, "--quiet", "--max-saves", "4")
    assert [each[0] for each in quiet] == [0, 0]
    assert [each[2] for each in quiet] == ["", ""] and quiet[1][1] == ""
    assert content(other) == content(run)


def test_a_run_goes_on_with_other_numbers_of_workers_and_grows(mels, run):
    alone(mels, run, "--max-saves", "1")
    before = read_song_vectors(run)
    assert [each[0] for each in train(2, mels, run, "--max-saves", "2")] == [0, 0]
    assert not np.array_equal(read_song_vectors(run).vectors, before.vectors)
    write_mels(mels, {"high/new one": 50})
    chief, *workers = train(3, mels, run, "--max-saves", "4")  # of which one is the commit of the new song
    assert [chief[0], *(each[0] for each in workers)] == [0, 0, 0]
    assert "songs: 12 kept, 0 of them changed, 1 new, 0 gone" in chief[2]
    alone(mels, run, "--max-saves", "5")
    costs = read_costs(run)
    assert [row.epoc for row in costs] == [1, 2, 3, 4, 5] and costs[2].pairs == costs[1].pairs
    assert costs[-1].held_out_cost < costs[0].held_out_cost
    assert len(read_song_vectors(run).names) == 13 and is_whole(run)
    finished = train(2, mels, run, "--max-saves", "5", "--wait-minutes", "0.05")  # nobody is waited for
    assert [each[0] for each in finished] == [0, 0]
    assert "nothing to do: save 5 of 13 songs stands" in only_line(finished[0][1])


@pytest.mark.parametrize("dies", [0, 1])
def test_where_one_is_killed_the_others_end_with_75_and_one_line(mels, run, dies):
    with all_started(3, mels, run, "--quiet", "--forever") as processes:
        wait_for_save(processes, run, 2)
        processes[dies].kill()
        left = ended([process for place, process in enumerate(processes) if place != dies])
    for code, printed, errors in left:
        assert (code, printed) == (75, "")
        assert "error: lost touch with" in only_line(errors)
        assert "run the same command again on every machine" in errors
    shutil.copytree(run, copy := run.with_name("copy"))
    assert newest_save(copy) >= 2
    assert [each[0] for each in train(2, mels, copy, "--max-saves", str(newest_save(copy) + 1))] == [0, 0]


@pytest.mark.parametrize("told", [0, 1])
def test_a_signal_to_one_stops_all_at_a_save(mels, run, told):
    with all_started(2, mels, run, "--forever") as processes:
        wait_for_save(processes, run, 1)
        processes[told].send_signal(signal.SIGTERM)
        chief, worker = ended(processes)
    assert chief[0] == worker[0] == 0
    assert ("stopped: SIGTERM" in chief[1]) if told == 0 else (") was told to stop" in chief[1])
    assert f"save {newest_save(run)}, 12 song vectors" in chief[1]
    assert is_whole(run)


def test_who_sees_other_songs_or_is_given_other_flags_is_named_by_all(mels, run, tmp_path):
    other = shutil.copytree(mels, tmp_path / "other mels")
    write_mels(other, {"high/new one": 50})
    cluster = addresses(2)
    for folder, flag, says in ((other, "3", "another number of songs"), (mels, "4", "another configuration")):
        with (
            started(cluster, 0, mels, run, "--quiet", "--max-saves", "3") as chief,
            started(cluster, 1, folder, run, "--quiet", "--max-saves", flag) as worker,
        ):
            found = ended([chief, worker])
        for code, printed, errors in found:
            assert (code, printed) == (1, "")
            assert f"error: worker 1 ({cluster[1]}) has {says}" in only_line(errors)
        assert newest_save(run) == 0


def test_who_never_comes_is_waited_for_a_while_and_75(mels, run):
    with started(addresses(2), 0, mels, run, "--quiet", "--wait-minutes", "0.1") as process:
        ((code, printed, errors),) = ended([process])
    assert (code, printed) == (75, "")
    assert "of 2: not all workers have come within 6 s" in only_line(errors)


def test_a_chief_that_is_turned_away_is_not_waited_for(mels, run):
    run.mkdir()
    with folder_lock(run):
        chief, worker = train(2, mels, run, "--quiet")
    assert chief[0] == worker[0] == 75
    assert f"pid: {os.getpid()}" in only_line(chief[2])
    assert "error: lost touch with worker 0" in only_line(worker[2])


def test_a_malformed_tf_config_is_one_line(mels, run):
    with started(["nowhere"], 0, mels, run) as process:
        ((code, printed, errors),) = ended([process])
    assert (code, printed) == (1, "")
    assert "error: TF_CONFIG: cluster: worker: ['nowhere'] is no list of HOST:PORT" in only_line(errors)
    assert not run.exists()


def test_a_port_that_is_taken_is_one_line(mels, run):
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        cluster = [f"127.0.0.1:{taken.getsockname()[1]}", *addresses(1)]
        with started(cluster, 0, mels, run, "--quiet", "--wait-minutes", "0.5") as process:
            ((code, printed, errors),) = ended([process])
    assert (code, printed) == (1, "")
    assert f"TF_CONFIG: worker 0 ({cluster[0]}) cannot begin" in only_line(errors)
