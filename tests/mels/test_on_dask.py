"""The map stages on dask, with a real scheduler and real worker processes on this machine."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cluster import Cluster, cluster
from conftest import tone, tree, write_audio

from mels.mel_folder import LEDGER_NAME, read_ledger
from spectrify_all import main
from utils import ROOT

SCRIPT = ROOT / "spectrify_all.py"
INTERRUPTED = "spectrify_all.py: interrupted; what was finished is kept, and the same command goes on\n"
LONG_SECONDS = 300  # on a machine that is busy with other things
TWO_DEATHS = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
POISON = "folder 1/poison, é.wav"


def contents(folder: Path) -> dict[str, bytes]:
    """A mel folder without its times and its lock."""
    return {name: content for name, (content, _) in tree(folder).items() if name != "lock"}


def program(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    """40 short wavs in folders, of which two hold no audio."""
    folder = tmp_path_factory.mktemp("cluster") / "many, é"
    for place in range(37):
        write_audio(folder / f"folder {place % 3}/{place}, 'ü'.wav", tone(0.3 + 0.05 * (place % 9), 200 + place), 8000)
    write_audio(folder / POISON, tone(0.4, 900), 8000)
    for name in ("folder 1/7.wav", "folder 2/8.wav"):
        (folder / name).write_text("words")
    return folder


@pytest.fixture(scope="module")
def local(many, tmp_path_factory) -> dict[str, bytes]:
    """What a run without a cluster makes of them."""
    folder = tmp_path_factory.mktemp("local") / "mels"
    assert main([str(many), str(folder), "--quiet", "--jobs=2"]) == 0
    return contents(folder)


@pytest.fixture
def slow(tmp_path, ffmpeg) -> dict[str, str]:
    """The environment of workers that take their time."""
    return {"IMAGEIO_FFMPEG_EXE": program(tmp_path / "slow ffmpeg", f"sleep 0.4; exec '{ffmpeg}' \"$@\"")}


@contextlib.contextmanager
def running(audio: Path, mels: Path, *flags: str, script: Path = SCRIPT) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(
        [sys.executable, script, audio, mels, *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def spectrify(audio: Path, mels: Path, *flags: str) -> tuple[int, str, str]:
    with running(audio, mels, *flags) as process:
        output, errors = process.communicate(timeout=LONG_SECONDS)
    return process.returncode, output, errors


def wait_until(condition: Callable[[], object], seconds: float = LONG_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def rows_written(mels: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return (mels / LEDGER_NAME).read_bytes().count(b"\n") - 1
    return 0


def children(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "--ppid", str(pid), "-o", "pid="], capture_output=True, text=True, check=False)
    return [int(word) for word in listed.stdout.split()]


def without_resolution(output: str) -> str:
    return output.partition("\n")[2]


def without_waiting(errors: str) -> str:
    """What is said on stderr but that no worker is there yet, which may be or not."""
    return re.sub(r"^tcp://\S+: no worker is there, waiting for one: dask worker tcp://\S+ --nthreads 1\n", "", errors)


# What does not need a cluster


def test_nothing_imports_dask_unless_it_is_asked_for():
    text = (
        "import sys; sys.path.insert(0, 'process_results'); import spectrify_all, calc_all_vecs, find_moments; "
        "assert not {'dask', 'distributed', 'cloudpickle'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", text], cwd=ROOT, check=True)


def test_without_dask_it_says_what_to_install(many, tmp_path):
    (tmp_path / "distributed.py").write_text("raise ImportError\n")
    process = subprocess.run(
        [sys.executable, SCRIPT, many, tmp_path / "mels", "--scheduler", "local"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 1
    assert process.stderr == (
        "spectrify_all.py: error: --scheduler needs dask: pip install -r requirements-cluster.txt\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("tcp://127.0.0.1:9", "none answers within 10 s; start one (dask scheduler), or mend the address"),
        ("no address", "name it as tcp://host:8786"),
    ],
)
def test_a_scheduler_that_is_not_there_is_an_error(many, tmp_path, address, said):
    code, _, errors = spectrify(many, tmp_path / "mels", "--scheduler", address)
    assert (code, errors.count("\n")) == (1, 1)
    assert errors.startswith(f"spectrify_all.py: error: --scheduler {address}: ") and said in errors


@pytest.mark.slow
def test_jobs_are_of_this_machine(many, tmp_path):
    code, _, errors = spectrify(many, tmp_path / "mels", "--scheduler", "tcp://127.0.0.1:9", "--jobs=2")
    assert (code, errors.count("\n")) == (1, 1)
    assert "--jobs is for workers of this machine" in errors


# What a cluster does


@pytest.mark.slow
def test_workers_of_this_machine_make_the_bytes_of_a_run_without_them(many, local, tmp_path):
    code, output, errors = spectrify(many, tmp_path / "mels", "--scheduler", "local", "--jobs=2")
    assert (code, errors) == (0, "")
    assert "40 audio files, 40 done now: 38 ok, 2 failed" in output
    assert contents(tmp_path / "mels") == local


@pytest.mark.slow
def test_workers_are_waited_for_and_two_of_four_may_be_killed(many, local, tmp_path, slow):
    mels = tmp_path / "mels"
    with cluster(tmp_path / "cluster") as made, running(many, mels, "--scheduler", made.address) as process:
        what = f"no worker is there, waiting for one: dask worker {made.address} --nthreads 1"
        assert process.stderr.readline() == f"{made.address}: {what}\n"
        workers = [made.worker(**slow) for _ in range(4)]
        wait_until(lambda: rows_written(mels) > 0)
        for worker in workers[:2]:
            os.killpg(worker.pid, signal.SIGKILL)  # with its nanny
        output, errors = process.communicate(timeout=LONG_SECONDS)
    assert (process.returncode, re.sub("ffmpeg .*\n", "", errors)) == (0, "")
    assert "40 audio files, 40 done now: 38 ok, 2 failed" in output
    assert contents(mels) == local


@pytest.mark.slow
def test_a_worker_that_hangs_for_a_while_and_one_that_is_replaced_are_no_harm(many, local, tmp_path, slow):
    mels = tmp_path / "mels"
    with cluster(tmp_path / "cluster") as made, running(many, mels, "--scheduler", made.address) as process:
        nannies = [made.worker(**slow) for _ in range(2)]
        wait_until(lambda: rows_written(mels) > 0)
        hanging, dying = (children(nanny.pid)[-1] for nanny in nannies)
        os.kill(hanging, signal.SIGSTOP)
        os.kill(dying, signal.SIGKILL)  # its nanny starts another one
        wait_until(lambda: rows_written(mels) >= 20)
        os.kill(hanging, signal.SIGCONT)
        output, _ = process.communicate(timeout=LONG_SECONDS)
    assert process.returncode == 0
    assert "40 done now: 38 ok, 2 failed" in output
    assert contents(mels) == local


@pytest.mark.slow
def test_a_worker_that_wakes_up_when_all_is_over_writes_nothing(many, local, tmp_path, slow):
    """Its batch was done by others, and what it has decoded may be of audio that has changed since."""
    mels = tmp_path / "mels"
    given_up = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "3s"}
    with cluster(tmp_path / "cluster", **given_up) as made:
        hanging, _ = made.worker("--no-nanny", **slow), made.worker(**slow)  # a nanny would kill it for hanging
        with running(many, mels, "--scheduler", made.address) as process:
            wait_until(lambda: rows_written(mels) > 3)
            hanging.send_signal(signal.SIGSTOP)
            process.communicate(timeout=LONG_SECONDS)
        assert process.returncode == 0
        before = tree(mels)
        hanging.send_signal(signal.SIGCONT)
        wait_until(lambda: hanging.poll() is not None)  # it learns that it was given up
        assert tree(mels) == before
    assert contents(mels) == local


@pytest.mark.slow
def test_a_file_that_kills_its_workers_fails_and_the_rest_goes_on(many, local, tmp_path, ffmpeg):
    deadly = program(
        tmp_path / "deadly ffmpeg",
        f"case \"$*\" in *poison*) echo >> '{tmp_path}/deaths'; kill -KILL $PPID;; esac; exec '{ffmpeg}' \"$@\"",
    )
    mels = tmp_path / "mels"
    with cluster(tmp_path / "cluster", 2, IMAGEIO_FFMPEG_EXE=deadly, **TWO_DEATHS) as made:
        code, output, _ = spectrify(many, mels, "--scheduler", made.address)
    assert code == 0
    assert "40 audio files, 40 done now: 37 ok, 3 failed" in output
    rows = read_ledger(mels)
    assert rows[POISON].status == "failed"
    assert rows[POISON].reason == "ended the process that worked on it, 2 times"
    assert (tmp_path / "deaths").read_text().count("\n") == 4  # twice with its neighbours, twice alone
    others = {name: content for name, content in contents(mels).items() if name != LEDGER_NAME}
    assert others == {name: local[name] for name in local if name not in (LEDGER_NAME, f"{POISON}.npy")}


@pytest.mark.slow
def test_a_scheduler_that_goes_away_ends_the_run_and_the_next_one_goes_on(many, local, tmp_path, slow):
    mels = tmp_path / "mels"
    with cluster(tmp_path / "cluster", 2, **slow) as made, running(many, mels, "--scheduler", made.address) as process:
        wait_until(lambda: rows_written(mels) > 0)
        made.scheduler.kill()
        _, errors = process.communicate(timeout=LONG_SECONDS)
    assert process.returncode == 1
    assert errors.splitlines()[-1] == (
        f"spectrify_all.py: error: {made.address}: the scheduler is gone; what was finished is kept: start it, "
        "and run the same command again"
    )
    assert "Traceback" not in errors
    assert 0 < len(read_ledger(mels)) < 40
    with cluster(tmp_path / "another", 2) as made:
        code, output, _ = spectrify(many, mels, "--scheduler", made.address)
    assert code == 0 and "38 ok, 2 failed" in output
    assert contents(mels) == local


@pytest.mark.slow
@pytest.mark.parametrize("where", ["a scheduler", "local"])
def test_a_signal_ends_it_with_one_line_and_the_workers_serve_the_next_run(many, local, tmp_path, slow, where):
    mels = tmp_path / "mels"
    with contextlib.ExitStack() as stack:
        address = "local"
        if where != "local":
            address = stack.enter_context(cluster(tmp_path / "cluster", 2, **slow)).address
        with running(many, mels, "--scheduler", address) as process:
            wait_until(lambda: rows_written(mels) > 0)
            os.killpg(process.pid, signal.SIGINT)
            output, errors = process.communicate(timeout=LONG_SECONDS)
        assert (process.returncode, without_resolution(output)) == (0, "")
        assert re.sub("ffmpeg .*\n", "", without_waiting(errors)) == INTERRUPTED
        assert 0 < len(read_ledger(mels)) < 40
        assert spectrify(many, mels, "--scheduler", address)[0] == 0
    assert contents(mels) == local


# Workers that cannot do the work


def ends_with(many: Path, mels: Path, made: Cluster) -> str:
    """Run it on a cluster where it must end; return the one error."""
    code, _, errors = spectrify(many, mels, "--scheduler", made.address)
    assert code == 1
    errors = without_waiting(errors)
    assert errors.count("\n") == 1
    assert errors.endswith(", and run the same command again\n")
    assert all(row.status == "ok" or name in ("folder 1/7.wav", "folder 2/8.wav")
               for name, row in read_ledger(mels).items())  # fmt: skip
    return errors


def pretending(folder: Path, package: str, version: str) -> dict[str, str]:
    """The environment of a process that finds another version of a package installed."""
    (folder / f"{package}-{version}.dist-info").mkdir(parents=True)
    (folder / f"{package}-{version}.dist-info/METADATA").write_text(f"Name: {package}\nVersion: {version}\n")
    return {"PYTHONPATH": str(folder)}


@pytest.mark.slow
def test_a_worker_of_another_version_is_an_error(many, tmp_path):
    with cluster(tmp_path / "cluster") as made:
        made.worker(**pretending(tmp_path / "other", "numpy", "1.19"))
        errors = ends_with(many, tmp_path / "mels", made)
    assert re.search(r": worker tcp://\S+ has numpy 1\.19, and here it is ", errors)


@pytest.mark.slow
def test_a_scheduler_of_another_version_is_an_error(many, tmp_path):
    with cluster(tmp_path / "cluster", **pretending(tmp_path / "other", "dask", "2020.1")) as made:
        errors = ends_with(many, tmp_path / "mels", made)
    assert f"{made.address}: the scheduler has dask 2020.1, and here it is " in errors


@pytest.mark.slow
def test_a_worker_that_has_read_other_code_is_an_error(many, tmp_path):
    """It would go on with what it has imported, whatever lies on the disk by now."""
    code = tmp_path / "the code"
    shutil.copytree(ROOT, code, ignore=shutil.ignore_patterns(".*", "tests", "docs", "example_input", "static_*"))
    shutil.copytree(ROOT / "static_web_viewer", code / "static_web_viewer")
    one = tmp_path / "one"
    write_audio(one / "a.wav", tone(0.4, 900), 8000)
    with cluster(tmp_path / "cluster", 1) as made:
        flags = ("--scheduler", made.address)
        with running(one, tmp_path / "mels 1", *flags, script=code / "spectrify_all.py") as process:
            process.communicate(timeout=LONG_SECONDS)
        assert process.returncode == 0
        with open(code / "mels/plan.py", "a") as file:
            file.write("# another version\n")
        with running(one, tmp_path / "mels 2", *flags, script=code / "spectrify_all.py") as process:
            _, errors = process.communicate(timeout=LONG_SECONDS)
        assert process.returncode == 1
    assert f"{code}: the code has changed since this worker began, or is another there; start it anew" in errors
    assert errors.count("\n") == 1


CAN_MOUNT = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode
needs_mounts = pytest.mark.skipif(CAN_MOUNT != 0, reason="this user may not mount")


@pytest.mark.slow
@needs_mounts
def test_a_worker_that_does_not_see_the_audio_is_an_error(many, tmp_path):
    with cluster(tmp_path / "cluster") as made:
        made.worker(before=["unshare", "-m", "sh", "-c", f"mount -t tmpfs none '{many.parent}'; exec \"$@\"", "sh"])
        errors = ends_with(many, tmp_path / "mels", made)
    assert f" on {os.uname().nodename}: {many}: is not there; it must lie on a file system" in errors


@pytest.mark.slow
@needs_mounts
def test_a_worker_that_sees_another_folder_of_that_name_is_an_error(many, tmp_path):
    mels = tmp_path / "its/mels"
    mels.mkdir(parents=True)
    with cluster(tmp_path / "cluster") as made:
        mount = f"mount -t tmpfs none '{mels}'; exec \"$@\""
        made.worker(before=["unshare", "-m", "sh", "-c", mount, "sh"])
        errors = ends_with(many, mels, made)
    assert f"{mels}: is another folder there than here, or no longer locked" in errors


@pytest.mark.slow
@needs_mounts
def test_a_worker_whose_part_of_the_audio_is_hidden_is_an_error(many, tmp_path):
    """Its files would all be written down as failed."""
    with cluster(tmp_path / "cluster") as made:
        mount = f"mount -t tmpfs none '{many}/folder 0'; exec \"$@\""
        made.worker(before=["unshare", "-m", "sh", "-c", mount, "sh"])
        errors = ends_with(many, tmp_path / "mels", made)
    assert f": cannot read {many}/folder 0/" in errors


@pytest.mark.slow
@needs_mounts
def test_a_worker_whose_disk_is_full_is_an_error(many, local, tmp_path):
    mels = tmp_path / "mels"
    (mels / "folder 1").mkdir(parents=True)
    (mels / "lock").touch()
    (mels / LEDGER_NAME).touch()
    with cluster(tmp_path / "cluster") as made:
        mount = f"mount -t tmpfs -o size=8k none '{mels}/folder 1'; exec \"$@\""
        made.worker(before=["unshare", "-m", "sh", "-c", mount, "sh"])
        errors = ends_with(many, mels, made)
        assert f"{mels}/folder 1/" in errors and "No space left on device" in errors
    assert spectrify(many, mels, "--scheduler", "local")[0] == 0
    assert contents(mels) == local


@pytest.mark.slow
def test_another_ffmpeg_is_told_once(many, tmp_path, slow, ffmpeg):
    other = program(
        tmp_path / "other ffmpeg",
        f'[ "$1" = -version ] && exec echo ffmpeg version 2.1-old Copyright; exec \'{ffmpeg}\' "$@"',
    )
    with cluster(tmp_path / "cluster", 2, IMAGEIO_FFMPEG_EXE=other) as made:
        code, _, errors = spectrify(many, tmp_path / "mels", "--scheduler", made.address)
    assert code == 0
    assert re.fullmatch(
        r"ffmpeg 2\.1-old on .*, .* here: mels may differ in their last bits\n", without_waiting(errors)
    )
