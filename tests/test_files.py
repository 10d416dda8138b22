"""Listing, atomic writes and the lock."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import file_names
from hypothesis import given
from hypothesis import strategies as st

import files
from files import NPY_HEADER_BYTES, atomic_write, folder_lock, save_array, walk_files
from utils import ROOT, LockedError, UserError


def everything(name: str) -> bool:
    return True


def plant(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")
    return root


def message(function, *arguments) -> str:
    with pytest.raises(UserError) as raised:
        function(*arguments)
    return str(raised.value)


# File listing


def test_files_are_sorted_by_the_bytes_of_the_whole_path(tmp_path):
    no_text = os.fsdecode(b"\xff.mp3")
    names = ["b.mp3", "a/z.mp3", "a b/x.mp3", "a-b/x.mp3", "é.mp3", "z.mp3", "B.mp3", "-r.mp3", no_text]
    found, skipped, _ = walk_files(plant(tmp_path, *names), everything)
    assert found == sorted(names, key=os.fsencode)
    assert found.index("a b/x.mp3") < found.index("a-b/x.mp3") < found.index("a/z.mp3")  # ' ' < '-' < '/'
    assert skipped == 0


@given(names=st.sets(file_names, max_size=8), folders=st.sets(file_names, max_size=3))
def test_any_file_name_is_found_once(tmp_path_factory, names, folders):
    root = tmp_path_factory.mktemp("any names")
    paths = {f"folder {index}/{name}" for index in range(len(folders)) for name in names} | names
    found = walk_files(plant(root, *paths), everything).files
    assert found == sorted(paths, key=os.fsencode)


def test_hidden_files_and_folders_are_left_out(tmp_path):
    found = walk_files(plant(tmp_path, "a.mp3", ".b.mp3", ".trash/c.mp3", "d/.e/f.mp3"), everything).files
    assert found == ["a.mp3"]


def test_a_hidden_root_is_what_the_user_asked_for(tmp_path):
    assert walk_files(plant(tmp_path / ".music", "a.mp3"), everything)[0] == ["a.mp3"]


@pytest.mark.parametrize(
    ("glob", "left"),
    [
        ("*.wav", ["live, 1999/a.mp3", "live, 1999/deep/c.mp3", "studio/d.mp3"]),
        ("live*", ["studio/d.mp3"]),
        ("studio", ["live, 1999/a.mp3", "live, 1999/b.wav", "live, 1999/deep/c.mp3"]),
        ("live, 1999/deep", ["live, 1999/a.mp3", "live, 1999/b.wav", "studio/d.mp3"]),
        ("*/[ad].mp3", ["live, 1999/b.wav", "live, 1999/deep/c.mp3"]),
    ],
)
def test_a_glob_excludes_by_name_or_by_path(tmp_path, glob, left):
    plant(tmp_path, "live, 1999/a.mp3", "live, 1999/b.wav", "live, 1999/deep/c.mp3", "studio/d.mp3")
    assert walk_files(tmp_path, everything, exclude=[glob])[0] == left


def test_a_marked_folder_is_skipped_with_all_below_and_counted(tmp_path):
    plant(tmp_path, "a.mp3", "ring tones/.nomedia", "ring tones/b.mp3", "ring tones/deep/c.mp3", "books/.notmusic")
    assert walk_files(tmp_path, everything, skip_markers=(".nomedia", ".notmusic")) == (["a.mp3"], 2, [])


def test_symbolic_links_are_followed_but_never_in_a_circle(tmp_path):
    plant(tmp_path, "music/a.mp3", "elsewhere/b.mp3")
    (tmp_path / "music/linked folder").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "music/linked.mp3").symlink_to("a.mp3")
    (tmp_path / "music/up").symlink_to(tmp_path / "music")
    (tmp_path / "elsewhere/back").symlink_to(tmp_path / "music")
    found = walk_files(tmp_path / "music", everything).files
    assert found == ["a.mp3", "linked folder/b.mp3", "linked.mp3"]


def test_a_folder_is_entered_once_however_many_links_lead_to_it(tmp_path):
    """Eight folders that link to each other listed one file 109,600 times."""
    names = [f"folder {place}" for place in range(8)]
    plant(tmp_path, *(f"music/{name}/own.mp3" for name in names))
    for here in names:
        for there in set(names) - {here}:
            (tmp_path / "music" / here / f"to {there}").symlink_to(tmp_path / "music" / there)
    assert walk_files(tmp_path / "music", everything).files == [f"{name}/own.mp3" for name in names]
    plant(tmp_path, "elsewhere/b.mp3")
    for name in ("z link", "a link"):
        (tmp_path / "music" / name).symlink_to(tmp_path / "elsewhere")
    assert walk_files(tmp_path / "music", everything).files[0] == "a link/b.mp3"
    assert len(walk_files(tmp_path / "music", everything).files) == 9


def test_links_that_lead_nowhere_are_left_out(tmp_path):
    plant(tmp_path, "a.mp3")
    (tmp_path / "broken.mp3").symlink_to("not there.mp3")
    (tmp_path / "itself.mp3").symlink_to("itself.mp3")
    assert walk_files(tmp_path, everything)[0] == ["a.mp3"]


def test_only_files_are_found(tmp_path):
    plant(tmp_path, "a.mp3", "folder.mp3/b.mp3")
    os.mkfifo(tmp_path / "pipe.mp3")
    assert walk_files(tmp_path, lambda name: name.endswith(".mp3"))[0] == ["a.mp3", "folder.mp3/b.mp3"]


# Atomic writes


def test_a_file_takes_its_name_when_it_is_whole(tmp_path):
    path = tmp_path / os.fsdecode(b"a \xff, b.txt")
    path.write_bytes(b"old")
    with atomic_write(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("durable", [False, True])
def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path, error, durable):
    path = tmp_path / "a b.txt"
    path.write_bytes(b"old")
    with pytest.raises(error), atomic_write(path, durable) as file:
        file.write(b"half")
        raise error
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("rows", [0, 1, 10**6])
def test_an_array_takes_its_bytes_and_a_header_of_known_size(tmp_path, rows, dtype):
    array = np.zeros((rows, 3), dtype)
    save_array(tmp_path / "a.npy", array)
    assert (tmp_path / "a.npy").stat().st_size == NPY_HEADER_BYTES + array.nbytes


def test_a_name_that_cannot_be_taken_leaves_nothing(tmp_path):
    with pytest.raises(OSError) as raised:
        files.write_file(tmp_path / ("x" * 300), b"content")
    assert raised.value.errno == errno.ENAMETOOLONG
    assert not list(tmp_path.iterdir())


def test_two_writers_of_one_process_do_not_meet(tmp_path):
    with atomic_write(tmp_path / "a") as first, atomic_write(tmp_path / "a") as second:
        first.write(b"1")
        second.write(b"2")
    assert (tmp_path / "a").read_bytes() == b"1"
    assert len(list(tmp_path.iterdir())) == 1


def test_what_a_killed_writer_leaves_is_removed_and_only_that(tmp_path):
    child = os.fork()
    if not child:
        with atomic_write(tmp_path / "a.npy") as file:
            file.write(b"half")
            os._exit(9)
    os.waitpid(child, 0)
    (tmp_path / "my notes.tmp").write_bytes(b"")
    assert len(list(tmp_path.iterdir())) == 2
    files.remove_temporaries(tmp_path)
    files.remove_temporaries(tmp_path / "not there")
    assert [path.name for path in tmp_path.iterdir()] == ["my notes.tmp"]


@pytest.mark.parametrize("write", ["sweeping", "remove_temporaries"])
def test_what_a_living_writer_has_begun_stays_and_a_dead_ones_goes_with_the_next_write(tmp_path, write):
    script = "import files, sys\nwith files.atomic_write(sys.argv[1]) as file: print(1, flush=True); input()"
    argv = [sys.executable, "-c", script, tmp_path / "theirs"]
    writer = subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert writer.stdout.readline() == b"1\n"
    another = "import files, sys; files.write_file(sys.argv[1], b'x')"
    if write == "remove_temporaries":
        another = "import files, os, sys; files.remove_temporaries(os.path.dirname(sys.argv[1]))"
    again = [sys.executable, "-c", another, tmp_path / "ours"]
    subprocess.run(again, cwd=ROOT, check=True)
    assert len(files.temporaries(tmp_path)) == 1
    writer.kill()
    writer.communicate()
    assert len(files.temporaries(tmp_path)) == 1
    subprocess.run(again, cwd=ROOT, check=True)
    assert files.temporaries(tmp_path) == []
    assert not (tmp_path / "theirs").exists()


def test_only_files_of_ours_are_swept_away(tmp_path):
    (tmp_path / "notes").write_bytes(b"x")
    (tmp_path / ".sound-eval-1-1.tmp").symlink_to(tmp_path / "notes")
    (tmp_path / ".sound-eval-1-2.tmp").mkdir()
    os.mkfifo(tmp_path / ".sound-eval-1-3.tmp")
    (tmp_path / ".sound-eval-notes").write_bytes(b"")
    before = sorted(os.listdir(tmp_path))
    files.write_file(tmp_path / "a", b"")
    assert sorted(os.listdir(tmp_path)) == sorted([*before, "a"])
    files.remove_temporaries(tmp_path)  # under a folder's lock half-made links are nobody else's
    assert sorted(os.listdir(tmp_path)) == sorted({*before, "a"} - {".sound-eval-1-1.tmp"})


def test_writers_that_sweep_at_once_lose_nothing(tmp_path):
    script = (
        "import files, sys\nfor number in range(200):\n"
        "    files._swept.clear(); files.write_file(f'{sys.argv[1]}/{sys.argv[2]}-{number}', b'x')"
    )
    argv = [sys.executable, "-c", script, tmp_path]
    writers = [subprocess.Popen([*argv, str(number)], cwd=ROOT, stderr=subprocess.PIPE) for number in range(3)]
    assert [(writer.communicate()[1], writer.returncode) for writer in writers] == [(b"", 0)] * 3
    assert len(os.listdir(tmp_path)) == 600
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {b"x"}


# Names that come from others


@pytest.mark.parametrize("name", ["a", "a b/c, d.npy", "...", "..a/.b", "a\\..\\b", "-rf", os.fsdecode(b"\xff/\xfe")])
def test_a_plain_name_stays_below_its_folder(name):
    assert files.is_plain(name)


@pytest.mark.parametrize(
    "name", ["", "/", "/a", "..", "../a", "a/..", "a/../b", ".", "./a", "a/.", "a//b", "a/", "a\0"]
)
def test_a_name_that_may_lead_elsewhere_is_not_plain(name):
    assert not files.is_plain(name)


@given(name=st.text("./a\\", max_size=8))
def test_a_plain_name_is_below_whatever_folder(name):
    if files.is_plain(name):
        assert os.path.normpath(os.path.join("/x/y", name)) == f"/x/y/{name}"


def test_a_link_among_the_folders_on_the_way_is_refused(tmp_path):
    plant(tmp_path / "elsewhere", "deep/a")
    plant(tmp_path / "real", "b/c/d")
    (tmp_path / "folder").symlink_to(tmp_path / "real")  # what the user names may be a link
    names = ["top", "b/c/d", "not there/e"]
    files.require_real_folders(tmp_path / "folder", names)
    (tmp_path / "real/b/link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "real/file").symlink_to(tmp_path / "elsewhere/deep/a")
    files.require_real_folders(tmp_path / "folder", [*names, "file"])  # renamed onto and unlinked, never followed
    for name in ("b/link/a", "b/link/deep/a"):
        error = message(files.require_real_folders, tmp_path / "folder", [*names, name])
        assert error.startswith(f"{tmp_path / 'folder/b/link'}: is a symbolic link")


# What is read


def test_a_pipe_or_a_device_is_no_input_but_what_the_shell_hands_over_is(tmp_path):
    """A named pipe as a table was waited for without end."""
    os.mkfifo(tmp_path / "a table.csv")
    (tmp_path / "a folder").mkdir()
    for path in (tmp_path / "a table.csv", tmp_path / "a folder", "/dev/zero"):
        with pytest.raises(UserError, match="is no file; name a file, or write what comes out of it into one first"):
            files.read_input(path)
    script = "import sys, files; sys.stdout.buffer.write(files.read_input(sys.argv[1]))"
    command = (
        f"cat given | {sys.executable} -c '{script}' /dev/stdin; {sys.executable} -c '{script}' /dev/stdin < given"
    )
    (tmp_path / "given").write_bytes(b"a,b\n" * 50_000)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, timeout=60)
    assert done.stdout == b"a,b\n" * 100_000


def test_a_full_disk_is_told_with_the_file(tmp_path):
    with pytest.raises(OSError) as raised, files.atomic_write(tmp_path / "a b.npy"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert raised.value.filename == str(tmp_path / "a b.npy")
    with pytest.raises(OSError) as raised, files.naming(tmp_path), open("/dev/full", "wb", buffering=0) as full:
        full.write(b"x")
    assert raised.value.filename == str(tmp_path)
    with pytest.raises(FileNotFoundError) as raised:
        files.write_file(tmp_path / "none" / "a.npy", b"")
    assert raised.value.filename == str(tmp_path / "none" / "a.npy")  # not the temporary one
    with pytest.raises(OSError) as raised, files.atomic_write(tmp_path / "a.npy", durable=True) as file:
        os.dup2(os.open("/dev/full", os.O_WRONLY), file.fileno())
        file.write(b"x")
    assert raised.value.filename == str(tmp_path / "a.npy")


def test_what_the_kernel_takes_in_part_is_written_to_its_end(tmp_path):
    """Of a disk that is about to be full, as of a pipe that nobody waits for, it takes what there is room for."""
    read_end, write_end = os.pipe()
    content = bytes(range(256)) * 4096
    os.set_blocking(write_end, False)
    with pytest.raises(BlockingIOError):
        files.write_all(write_end, content)  # all that there is room for, and then the error
    found = os.read(read_end, len(content))
    assert found and content.startswith(found)
    descriptor = os.open(tmp_path / "a", os.O_WRONLY | os.O_CREAT)
    files.write_all(descriptor, content)
    assert (tmp_path / "a").read_bytes() == content


# The lock


def test_a_second_writer_is_told_who_holds_the_lock(tmp_path):
    with folder_lock(tmp_path):
        error = message(folder_lock(tmp_path).__enter__)
    assert f"{tmp_path}: in use (pid: {os.getpid()}, host: " in error
    assert ", since: 2" in error
    with folder_lock(tmp_path):
        pass


def test_a_lock_of_another_process_exits_75_and_goes_with_it(tmp_path):
    script = "import files, sys\nwith files.folder_lock(sys.argv[1]): print(1, flush=True); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", script, tmp_path], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout.readline() == b"1\n"
    with pytest.raises(LockedError, match=f"pid: {holder.pid}") as raised, folder_lock(tmp_path):
        pass
    assert raised.value.exit_code == 75
    holder.kill()
    holder.communicate()
    with folder_lock(tmp_path):
        assert f"pid: {os.getpid()}\n" in (tmp_path / "lock").read_text()


def test_a_lock_leaves_no_trace(tmp_path):
    with folder_lock(tmp_path):
        pass
    os.utime(tmp_path / "lock", (2, 2))
    before = (tmp_path / "lock").read_bytes(), (tmp_path / "lock").stat().st_mtime_ns
    with folder_lock(tmp_path):
        assert (tmp_path / "lock").read_bytes().startswith(b"pid: ")
    assert ((tmp_path / "lock").read_bytes(), (tmp_path / "lock").stat().st_mtime_ns) == before == (b"", 2 * 10**9)


def test_a_lock_without_a_word_in_it_is_somebodys(tmp_path):
    descriptor = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    assert "in use (another process)" in message(folder_lock(tmp_path).__enter__)
    os.close(descriptor)


@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "folder", "file"])
def test_what_is_no_lock_is_refused_and_left_as_it_is(tmp_path, kind):
    precious, folder = tmp_path / "precious", tmp_path / "mels"
    precious.write_bytes(b"precious")
    folder.mkdir()
    lock = folder / "lock"
    {
        "link": lambda: lock.symlink_to(precious),
        "dangling link": lambda: lock.symlink_to(tmp_path / "new"),
        "pipe": lambda: os.mkfifo(lock),
        "folder": lock.mkdir,
        "file": lambda: lock.write_bytes(b"a thesis"),
    }[kind]()
    error = message(folder_lock(folder).__enter__)
    assert error.startswith(f"{lock}: is ")
    assert error.endswith("or name another folder")
    assert precious.read_bytes() == b"precious"
    assert sorted(os.listdir(tmp_path)) == ["mels", "precious"]
    assert kind != "file" or lock.read_bytes() == b"a thesis"


def test_a_lock_that_a_kill_left_half_written_is_taken(tmp_path):
    for left in (b"", b"pi", b"pid: "):
        (tmp_path / "lock").write_bytes(left)
        with folder_lock(tmp_path):
            assert (tmp_path / "lock").read_text().startswith(f"pid: {os.getpid()}\n")


def test_a_file_left_over_is_no_lock(tmp_path):
    (tmp_path / "lock").write_text("pid: 1\nhost: here\nsince: long ago\nand something longer than what is written\n")
    with folder_lock(tmp_path):
        assert (tmp_path / "lock").read_text().count("\n") == 3


def test_a_file_that_would_be_the_same_is_left_alone(tmp_path):
    path = tmp_path / "a"
    files.write_if_changed(path, b"one")
    os.utime(path, ns=(0, 0))
    files.write_if_changed(path, b"one")
    assert path.stat().st_mtime_ns == 0
    for content in (b"two", b"twos", b""):
        files.write_if_changed(path, content)
        assert path.read_bytes() == content and path.stat().st_mtime_ns != 0
        os.utime(path, ns=(0, 0))
    os.mkfifo(tmp_path / "pipe")
    files.write_if_changed(tmp_path / "pipe", b"")  # without waiting for somebody to write into it
    assert (tmp_path / "pipe").is_file()
