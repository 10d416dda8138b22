"""The run folder: one whole save is readable whenever the writer dies, and no vector gets another song's name."""

from __future__ import annotations

import errno
import math
import os
import resource
import shutil
import signal
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import tree
from hypothesis import given, settings
from hypothesis import strategies as st

from runs.repair import is_whole, prepare, repair
from runs.run_folder import (
    CostRow,
    commit_save,
    decode_names,
    encode_names,
    newest_save,
    read_costs,
    read_song_list,
    read_weights,
    require_run,
)
from runs.vectors import newest, read_song_vectors, read_vectors
from utils import UserError

FIRST_LIST = ["a b/c, d.mp3.npy", os.fsdecode(b"\xff.mp3.npy"), "Søren.mp3.npy"]
SECOND_LIST = ["a b/c, d.mp3.npy", "between.mp3.npy", "Søren.mp3.npy", "zoë.mp3.npy"]


def vectors_of(names: list[str], save: int) -> np.ndarray:
    """Vectors that tell whose they are, and of which save."""
    rows = [[zlib.crc32(os.fsencode(name)) % 65536, save] for name in names]
    return np.array(rows, np.float32).reshape(-1, 2)


def commit(run: Path, save: int, names: list[str], is_new: bool, keep_vectors: int = 2) -> None:
    weights = {part: {"w": np.full((3, 2), save, np.float32)} for part in ("network", "optimizer")}
    costs = [CostRow(epoc, 1 / epoc, math.nan, 100 * epoc, 1.5 * epoc) for epoc in range(1, save + 1)]
    config = f"seed: {save}\nkeep_vectors: {keep_vectors}\n".encode()
    commit_save(run, save, vectors_of(names, save), weights, costs, config, keep_vectors, names if is_new else None)


def check_is_save(run: Path, save: int, names: list[str]) -> None:
    songs = read_song_vectors(run)
    assert (songs.save, songs.names) == (save, names)
    np.testing.assert_array_equal(songs.vectors, vectors_of(names, save))
    for part in ("network", "optimizer"):
        assert (read_weights(run, part, save)["w"] == save).all()
    assert [each.epoc for each in read_costs(run)] == list(range(1, save + 1))


def message(function, *arguments) -> str:
    with pytest.raises(UserError) as raised:
        function(*arguments)
    return str(raised.value)


@pytest.fixture
def run(tmp_path) -> Path:
    """A run folder at save 3, all three saves with the same songs."""
    run = tmp_path / "a run, é"
    prepare(run)
    for save in (1, 2, 3):
        commit(run, save, FIRST_LIST, is_new=save == 1)
    return run


# A save and its readers


def test_a_run_folder_holds_the_public_names(run):
    assert sorted(path.name for path in run.iterdir()) == [
        *("config.yaml", "cost_list.csv", "epoc_num.txt", "music_list.txt", "music_list_at_1.txt"),
        *("vector_at_2.npy", "vector_at_3.npy", "weights"),
    ]
    assert sorted(path.name for path in (run / "weights").iterdir()) == ["network_at_3.npz", "optimizer_at_3.npz"]
    assert (run / "epoc_num.txt").read_text() == "3\n"
    assert (run / "music_list.txt").read_bytes() == "".join(f"{name}\n" for name in FIRST_LIST).encode(
        "utf-8", "surrogateescape"
    )
    assert (run / "cost_list.csv").read_text().splitlines()[:2] == [
        "epoc,cost,held_out_cost,pairs,seconds",
        "1,1.000000,nan,100,1.50",
    ]
    check_is_save(run, 3, FIRST_LIST)
    assert is_whole(run)


def test_equal_saves_are_equal_bytes(tmp_path):
    for name in ("one", "two"):
        prepare(tmp_path / name)
        commit(tmp_path / name, 1, FIRST_LIST, is_new=True)
    one, two = ({name: each[0] for name, each in tree(tmp_path / name).items()} for name in ("one", "two"))
    assert one == two


def test_reading_touches_nothing(run):
    before = tree(run)
    check_is_save(run, 3, FIRST_LIST)
    assert is_whole(run)
    assert tree(run) == before


@given(names=st.lists(st.binary(min_size=1).filter(lambda name: not set(name) & set(b"\0\n\r"))))
def test_any_names_survive_the_list(names):
    decoded = [os.fsdecode(name) for name in names]
    assert decode_names(encode_names(decoded)) == decoded
    assert encode_names(decoded) == b"".join(name + b"\n" for name in names)


song_lists = st.lists(st.sampled_from("abcdef"), unique=True, max_size=4).map(sorted)


@settings(max_examples=20)
@given(lists=st.lists(song_lists, min_size=1, max_size=8), keep_vectors=st.integers(1, 4))
def test_every_kept_save_keeps_its_own_names(tmp_path_factory, lists, keep_vectors):
    run = tmp_path_factory.mktemp("a run")
    for place, names in enumerate(lists):
        commit(run, place + 1, names, not place or names != lists[place - 1], keep_vectors)
        kept = sorted(int(path.stem.removeprefix("vector_at_")) for path in run.glob("vector_at_*.npy"))
        assert kept == list(range(max(1, place + 2 - keep_vectors), place + 2))
        for save in kept:
            assert read_song_list(run, save) == lists[save - 1]
            np.testing.assert_array_equal(np.load(run / f"vector_at_{save}.npy"), vectors_of(lists[save - 1], save))
        assert decode_names((run / "music_list.txt").read_bytes()) == names
        written = {int(path.stem.removeprefix("music_list_at_")) for path in run.glob("music_list_at_*.txt")}
        assert len(written) <= len(kept)


def test_a_folder_without_numbered_lists_is_read_by_music_list(run):
    (run / "music_list_at_1.txt").unlink()
    check_is_save(run, 3, FIRST_LIST)
    check = read_song_list(run, 2)
    assert check == FIRST_LIST


def test_a_list_of_another_program_loses_the_dots_in_front_and_keeps_its_order(run):
    (run / "music_list_at_1.txt").unlink()
    names = ["z.npy", "a/b.npy", "..c.npy"]
    (run / "music_list.txt").write_text("./z.npy\n././/a/b.npy\n..c.npy\n")
    assert read_song_list(run, 3) == names
    assert read_song_vectors(run).names == names


def test_a_list_with_line_endings_of_windows_holds_the_same_names(run):
    path = run / "music_list_at_1.txt"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    check_is_save(run, 3, FIRST_LIST)
    assert is_whole(run)


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../mels/a.npy", "a/../../b.npy", "", ".", "./", "a/./b", "a\0", "a\rb"]
)
def test_a_list_that_leads_out_of_the_folder_is_refused_by_its_line(run, name):
    path = run / "music_list_at_1.txt"
    path.write_bytes(encode_names([FIRST_LIST[0], name, FIRST_LIST[2]]))
    before = tree(run)
    for function in (read_song_vectors, is_whole, repair):
        error = message(function, run)
        assert error.startswith(f"{path}, line 2: ")
        assert "is no path below a folder; restore " in error
    assert tree(run) == before


def test_a_list_that_names_a_song_twice_is_refused(run):
    path = run / "music_list_at_1.txt"
    path.write_bytes(encode_names([*FIRST_LIST[:2], FIRST_LIST[0]]))
    assert message(read_song_list, run, 3) == f"{path}, line 3: {FIRST_LIST[0]!r} stands there twice; restore the list"


def test_weights_that_are_a_link_to_somewhere_else_are_refused(run, tmp_path):
    (run / "weights").rename(tmp_path / "elsewhere")
    (run / "weights").symlink_to(tmp_path / "elsewhere")
    before = tree(tmp_path)
    for function in (prepare, repair):
        assert message(function, run).startswith(f"{run / 'weights'}: is a symbolic link")
    assert tree(tmp_path) == before


def test_a_list_of_a_later_save_is_not_looked_at(run):
    (run / "music_list_at_4.txt").write_bytes(encode_names(SECOND_LIST))
    check_is_save(run, 3, FIRST_LIST)
    assert not is_whole(run)


# Vectors of one's own


def test_what_vectors_are_read(run, tmp_path):
    for which in ("song", None):
        found = read_vectors(run, which)
        assert (found.kind, found.names, found.save) == ("song vectors", FIRST_LIST, 3)
        np.testing.assert_array_equal(found.vectors, vectors_of(FIRST_LIST, 3))
    assert str(found) == "song vectors of save 3"
    mine = tmp_path / "my own.npy"
    np.save(mine, np.eye(3))
    found = read_vectors(run, str(mine))
    assert (found.kind, found.names, found.save) == ("my own.npy", FIRST_LIST, 3)
    np.testing.assert_array_equal(found.vectors, np.eye(3))

    assert message(read_vectors, run, "songs") == "--vectors songs: write song, or the path of an .npy file"
    assert "no such file" in message(read_vectors, run, str(tmp_path / "none.npy"))
    np.save(mine, np.eye(4))
    assert "shape (4, 4) does not fit the 3 songs" in message(read_vectors, run, str(mine))
    for kind in (np.float16, np.float32, np.dtype(">f8")):
        np.save(mine, np.eye(3).astype(kind))
        assert read_vectors(run, str(mine)).vectors.dtype == kind
    for kind in ("U4", np.longdouble, np.int64, np.complex64):
        np.save(mine, np.eye(3).astype(kind))
        assert f"holds {np.dtype(kind)}, expected floats of 16, 32 or 64 bits" in message(read_vectors, run, str(mine))
    mine.write_bytes(b"no array")
    assert f"{mine}: not readable" in message(read_vectors, run, str(mine))


def test_a_reader_tries_again_where_a_save_is_replaced_under_it(run):
    seen = []

    def read(save: int) -> int:
        seen.append(save)
        if len(seen) == 1:
            commit(run, 4, FIRST_LIST, is_new=False)
            raise FileNotFoundError("network_at_3.npz")
        return save

    assert newest(run, read) == 4
    assert seen == [3, 4]


# A run folder of an older version, with track descriptors


def describe(run: Path, save: int) -> list[Path]:
    """Write the track descriptors of a save as older versions did; return their files."""
    paths = [run / f"descriptor_at_{save}.npy", run / "weights" / f"descriptor_at_{save}.npz"]
    np.save(paths[0], np.ones((3, 5), np.float32))
    np.savez(paths[1], mean=np.zeros(4), scale=np.ones(4), components=np.ones((2, 1)), step=10 * save)
    return paths


@pytest.mark.parametrize("which", ["descriptor", "descriptors"])
def test_descriptors_are_asked_for_in_vain(run, which):
    describe(run, 3)
    assert message(read_vectors, run, which) == (
        f"--vectors {which}: track descriptors are gone; leave the flag out, or use --vectors song"
    )


def test_old_descriptors_stay_until_the_next_save(run):
    describe(run, 3)
    before = tree(run)
    prepare(run)
    assert is_whole(run)
    repair(run)
    check_is_save(run, 3, FIRST_LIST)
    assert tree(run) == before
    commit(run, 4, SECOND_LIST, is_new=True)
    check_is_save(run, 4, SECOND_LIST)
    assert not list(run.rglob("descriptor_*"))


def test_old_descriptors_of_an_older_save_go_with_the_list_of_their_songs(run):
    """As a training leaves them that is still at work, or was ended by a signal."""
    first_list = (run / "music_list_at_1.txt").read_bytes()
    for save in range(4, 8):
        commit(run, save, SECOND_LIST, is_new=save == 4)
    (run / "music_list_at_1.txt").write_bytes(first_list)
    describe(run, 3)
    prepare(run)
    assert not is_whole(run)
    repair(run)
    check_is_save(run, 7, SECOND_LIST)
    assert not list(run.rglob("descriptor_*"))
    assert [path.name for path in run.glob("music_list_at_*")] == ["music_list_at_4.txt"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_save_over_old_descriptors_killed_at_any_instant_leaves_one_whole_save(run, tmp_path, after):
    describe(run, 3)
    outcomes, was_killed = [], True
    while was_killed:
        left = tmp_path / f"left {len(outcomes)}"
        shutil.copytree(run, left)
        was_killed = killed_at(len(outcomes), lambda folder=left: commit(folder, 4, SECOND_LIST, True), after)
        outcomes.append(newest_save(left))
        check_is_save(left, outcomes[-1], SECOND_LIST if outcomes[-1] == 4 else FIRST_LIST)
        if outcomes[-1] == 3:
            assert len(list(left.rglob("descriptor_*"))) == 2
        prepare(left)
        repair(left)
        commit(left, outcomes[-1] + 1, SECOND_LIST, is_new=outcomes[-1] == 3)
        check_is_save(left, outcomes[-1] + 1, SECOND_LIST)
        assert not list(left.rglob("descriptor_*"))
    assert set(outcomes) == {3, 4}


@pytest.mark.parametrize("refusing", [prepare, repair])
def test_old_descriptors_do_not_tell_which_number_is_lost(run, refusing):
    describe(run, 2)
    (run / "epoc_num.txt").unlink()
    assert message(refusing, run) == (
        f"{run}: holds saves up to 3 but no epoc_num.txt; restore it (it holds the number 3), or name another folder"
    )


# Killed at any instant


def killed_at(operation: int, work: Callable[[], None], after: bool) -> bool:
    """Do the work in a child process that ends before or after its n-th change of the disk; tell whether it did."""
    child = os.fork()
    if not child:
        try:
            left = [operation]

            def counted(change):
                def changing(*arguments):
                    if not left[0] and not after:
                        os._exit(9)
                    result = change(*arguments)
                    if not left[0]:
                        os._exit(9)
                    left[0] -= 1
                    return result

                return changing

            for name in ("replace", "fsync", "unlink"):
                setattr(os, name, counted(getattr(os, name)))
            work()
            os._exit(0)
        finally:
            os._exit(1)
    exit_code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert exit_code in (0, 9)
    return exit_code == 9


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("names", "is_new"), [(FIRST_LIST, False), (SECOND_LIST, True)], ids=["same", "grown"])
def test_a_save_killed_at_any_instant_leaves_one_whole_save(run, tmp_path, names, is_new, after):
    outcomes = []
    whole = shutil.copytree(run, tmp_path / "whole")
    commit(whole, 4, names, is_new)
    while True:
        left = tmp_path / f"left {len(outcomes)}"
        shutil.copytree(run, left)
        was_killed = killed_at(len(outcomes), lambda folder=left: commit(folder, 4, names, is_new), after)
        save = newest_save(left)
        outcomes.append(save)
        check_is_save(left, save, names if save == 4 else FIRST_LIST)
        if not was_killed:
            break

        repair(left)
        assert is_whole(left)
        check_is_save(left, save, names if save == 4 else FIRST_LIST)
        assert set(tree(left)) == set(tree(whole if save == 4 else run))
        is_new_still = is_new and save == 3
        commit(left, save + 1, names, is_new_still)
        check_is_save(left, save + 1, names)
        assert is_whole(left)
        assert len(list((left / "weights").iterdir())) == 2
        assert not [path for path in left.rglob("*") if path.name.startswith(".")]
    assert outcomes == sorted(outcomes)
    assert set(outcomes) == {3, 4}
    assert len(outcomes) > 12


def test_a_repair_killed_at_any_instant_leaves_the_save_and_ends_the_next_time(run, tmp_path):
    killed_at(9, lambda: commit(run, 4, SECOND_LIST, True), after=True)
    assert newest_save(run) == 3
    assert not is_whole(run)
    (run / "music_list.txt").write_bytes(encode_names(SECOND_LIST))
    operation, was_killed = 0, True
    while was_killed:
        left = tmp_path / f"left {operation}"
        shutil.copytree(run, left)
        was_killed = killed_at(operation, lambda folder=left: repair(folder), after=False)
        check_is_save(left, 3, FIRST_LIST)
        repair(left)
        assert is_whole(left)
        operation += 1
    assert operation > 3


@pytest.mark.slow
def test_readers_never_meet_a_half_save(run):
    """A writer that changes its songs at every save and keeps one save only, and a reader that never waits."""
    lists = [FIRST_LIST, SECOND_LIST, SECOND_LIST[1:], FIRST_LIST[:1]]
    child = os.fork()
    if not child:
        try:
            for save in range(4, 200):
                commit(run, save, lists[save % 4], is_new=True, keep_vectors=1)
            os._exit(0)
        finally:
            os._exit(1)
    seen = set()
    try:
        while not os.waitpid(child, os.WNOHANG)[0]:
            songs = read_song_vectors(run)
            seen.add(songs.save)
            assert songs.names == (lists[songs.save % 4] if songs.save > 3 else FIRST_LIST)
            np.testing.assert_array_equal(songs.vectors, vectors_of(songs.names, songs.save))
            weights = newest(run, lambda save: (save, read_weights(run, "network", save)["w"]))
            assert (weights[1] == weights[0]).all()
    except BaseException:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    assert len(seen) > 10
    assert newest_save(run) == 199


def test_a_disk_that_is_full_says_so_and_leaves_the_save_before(run):
    child = os.fork()
    if not child:
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (130, 130))  # not even the vectors' header and rows
            commit(run, 4, FIRST_LIST, is_new=False)
        except OSError as error:
            os._exit(error.errno or 0)
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == errno.EFBIG
    assert is_whole(run)
    check_is_save(run, 3, FIRST_LIST)


# What is refused


def test_no_folder_and_no_save_name_the_command(tmp_path):
    assert message(require_run, tmp_path / "none") == (
        f"{tmp_path / 'none'}: no such run folder; make one with spectrogram_doc2vec.py MEL_FOLDER {tmp_path / 'none'}"
    )
    assert message(read_song_vectors, tmp_path) == (
        f"{tmp_path}: holds no epoc_num.txt, so no save; train it with spectrogram_doc2vec.py first"
    )


@pytest.mark.parametrize("content", [b"five\n", b"", b"\xff\xfe", b"3.5"])
def test_a_number_that_is_none_is_named(run, content):
    (run / "epoc_num.txt").write_bytes(content)
    assert message(read_song_vectors, run).startswith(f"{run / 'epoc_num.txt'}: expected the number of a save, found ")


@pytest.mark.parametrize("size", [None, 0, 5, 100, 140], ids=lambda size: f"{size} bytes")
def test_vectors_that_are_not_readable_are_named(run, size):
    path = run / "vector_at_3.npy"
    if size is None:
        path.unlink()
    else:
        os.truncate(path, size)
    error = message(read_song_vectors, run)
    assert error.startswith(f"{path}: not readable (")
    assert "epoc_num.txt says 3" in error


def test_vectors_that_do_not_fit_the_names_are_named(run):
    np.save(run / "vector_at_3.npy", np.zeros((7, 2), np.float32))
    assert message(read_song_vectors, run) == (
        f"{run / 'vector_at_3.npy'}: shape (7, 2) does not fit the 3 songs of the music list"
    )


@pytest.mark.parametrize("size", [None, 0, 5, 100, 200], ids=lambda size: f"{size} bytes")
def test_weights_that_are_not_readable_are_named(run, size):
    path = run / "weights" / "network_at_3.npz"
    if size is None:
        path.unlink()
    else:
        os.truncate(path, size)
    assert message(read_weights, run, "network", 3).startswith(f"{path}: not readable (")


def test_weights_whose_bytes_have_changed_are_named(run):
    path = run / "weights" / "network_at_3.npz"
    content = path.read_bytes()
    stored = np.full((3, 2), 3, np.float32).tobytes()
    path.write_bytes(content.replace(stored, stored[::-1]))
    assert message(read_weights, run, "network", 3).startswith(f"{path}: not readable (")


def test_weights_that_lack_an_array_are_named(run):
    assert set(read_weights(run, "network", 3, ["w"])) == {"w"}
    assert message(read_weights, run, "network", 3, ["stamps", "w", "squares"]) == (
        f"{run / 'weights' / 'network_at_3.npz'}: holds no stamps, squares, so another version made it; go on with "
        "that version, or train into another folder"
    )


@pytest.mark.parametrize(
    "text",
    [
        *("epoc,cost\n1,2\n", "epoc,cost,held_out_cost,pairs,seconds\n1,x,0,0,0\n", "\xff\n1\n"),
        *(f"epoc,cost,held_out_cost,pairs,seconds\n1,{'1' * 10**6},0,0,0\n",),
        *(f"epoc,cost,held_out_cost,pairs,seconds\n{row}\n" for row in ("1,1,1,1,nan", "1,1,1,1,inf", "1,1,1,-5,1")),
        *(f"epoc,cost,held_out_cost,pairs,seconds\n{row}\n" for row in (f"{'9' * 5000},1,1,1,1", "1,1,1", "0,1,1,1,1")),
        *(f"epoc,cost,held_out_cost,pairs,seconds\n{row}\n" for row in (f"1,1,1,{'9' * 400},1", '1,1,1,1,"1')),
    ],
)
def test_a_table_of_costs_that_is_none_is_named(run, text):
    (run / "cost_list.csv").write_bytes(text.encode("latin-1"))
    assert message(read_costs, run).startswith(f"{run / 'cost_list.csv'}: not a table of epoc,cost,held_out_cost,pairs")


def test_no_table_of_costs_is_an_empty_one(run):
    (run / "cost_list.csv").unlink()
    assert read_costs(run) == []


def test_a_folder_with_something_else_in_it_is_refused(tmp_path):
    (tmp_path / "holiday, 1999.jpg").touch()
    assert message(prepare, tmp_path) == (
        f"{tmp_path}: is no run folder, and holds 'holiday, 1999.jpg' already; name a new or an empty folder"
    )
    path = tmp_path / "holiday, 1999.jpg"
    assert message(prepare, path) == f"{path}: is a file; name a folder for the output"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_folder_that_a_killed_first_save_left_is_ours(tmp_path, after):
    operation, was_killed = 0, True
    while was_killed:
        run = tmp_path / f"left {operation}"
        prepare(run)
        was_killed = killed_at(operation, lambda run=run: commit(run, 1, FIRST_LIST, is_new=True), after)
        save = newest_save(run)
        assert save in (0, 1)
        prepare(run)
        repair(run)
        if save:
            check_is_save(run, 1, FIRST_LIST)
        else:
            assert not list(run.rglob("*_at_*"))
            commit(run, 1, SECOND_LIST, is_new=True)
            check_is_save(run, 1, SECOND_LIST)
        operation += 1
    assert operation > 10


# Whose number is lost


@pytest.mark.parametrize("refusing", [prepare, repair])
def test_saves_without_their_number_are_refused_and_kept(run, refusing):
    (run / "epoc_num.txt").unlink()
    before = tree(run)
    assert message(refusing, run) == (
        f"{run}: holds saves up to 3 but no epoc_num.txt; restore it (it holds the number 3), or name another folder"
    )
    for path in (run / "weights").iterdir():
        path.unlink()
    assert message(refusing, run) == (
        f"{run}: holds saves up to 3 but no epoc_num.txt; restore it, or name another folder"
    )
    assert {name for name in before if not name.startswith("weights")} == set(tree(run))


def test_the_number_that_is_asked_for_is_that_of_a_save_that_was_committed(run):
    assert killed_at(5, lambda: commit(run, 4, FIRST_LIST, is_new=False), after=True)  # all weights of 4 are there
    (run / "epoc_num.txt").unlink()
    assert "holds saves up to 4 but no epoc_num.txt; restore it (it holds the number 3)" in message(prepare, run)


@pytest.mark.parametrize("refusing", [prepare, repair])
def test_a_song_list_is_written_after_the_first_number(tmp_path, refusing):
    prepare(tmp_path)
    commit(tmp_path, 1, FIRST_LIST, is_new=True)
    (tmp_path / "epoc_num.txt").unlink()
    before = tree(tmp_path)
    assert "holds saves up to 1 but no epoc_num.txt; restore it (it holds the number 1)" in message(refusing, tmp_path)
    assert tree(tmp_path) == before
    for path in tmp_path.rglob("*_at_*"):
        path.unlink()
    assert "holds music_list.txt but no epoc_num.txt; restore it, or name another" in message(refusing, tmp_path)


@pytest.mark.parametrize("number", ["0", "-1"])
@pytest.mark.parametrize("function", [prepare, repair, is_whole, require_run, read_song_vectors])
def test_a_number_below_1_is_refused_and_the_saves_are_kept(run, number, function):
    (run / "epoc_num.txt").write_text(f"{number}\n")
    before = tree(run)
    assert message(function, run) == (
        f"{run / 'epoc_num.txt'}: expected the number of a save, found '{number}\\n'; restore it"
    )
    assert tree(run) == before


@pytest.mark.parametrize("number", [1, 2])
def test_a_number_of_a_save_that_is_not_whole_is_refused_and_all_is_kept(run, number):
    (run / "epoc_num.txt").write_text(f"{number}\n")
    before = tree(run)
    assert message(repair, run) == (
        f"{run / 'epoc_num.txt'}: says {number}, and there are files up to 3, but {run / 'weights'} holds no file of "
        "it; restore the right number, or name another folder"
    )
    assert tree(run) == before


@pytest.mark.parametrize("damaged", ["vector_at_3.npy", "weights/network_at_3.npz", "music_list_at_1.txt"])
def test_a_damaged_save_keeps_what_a_killed_one_left_above_it(run, damaged):
    killed_at(5, lambda: commit(run, 4, SECOND_LIST, is_new=True), after=True)
    os.truncate(run / damaged, 10)
    before = tree(run)
    assert f"says 3, and there are files up to 4, but {run}" in message(repair, run)
    assert tree(run) == before


@pytest.mark.parametrize("number", ["4", "9" * 30, "9" * 38])
def test_a_number_above_the_newest_save_is_refused_and_all_is_kept(run, number):
    (run / "epoc_num.txt").write_text(f"{number}\n")
    before = tree(run)
    assert not is_whole(run)
    assert f"says {number}, and there are files up to 3, but {run / 'weights'} holds no file of it" in message(
        repair, run
    )
    assert tree(run) == before


@pytest.mark.parametrize("number", ["9" * 40, "9" * 5000, "3 3", "\u0663", "1e3"])
def test_a_number_of_many_digits_or_none_is_one_line(run, number):
    (run / "epoc_num.txt").write_text(f"{number}\n")
    error = message(newest_save, run)
    assert error.startswith(f"{run / 'epoc_num.txt'}: expected the number of a save, found ")
    assert len(error) < len(str(run)) + 200


def test_a_save_before_of_which_not_all_is_left_is_refused_and_all_is_kept(run, tmp_path):
    """As a kill leaves it amid the removal of the weights before, and then the number is set back by hand."""
    (run / "weights/network_at_2.npz").write_bytes((run / "weights/network_at_3.npz").read_bytes())
    (run / "epoc_num.txt").write_text("2\n")
    before = tree(run)
    assert f"says 2, and there are files up to 3, but {run / 'weights'} holds no optimizer_at_2.npz" in message(
        repair, run
    )
    assert tree(run) == before


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_save_that_is_not_finite_keeps_what_lies_above_it_and_below(run, bad):
    killed_at(5, lambda: commit(run, 4, SECOND_LIST, is_new=True), after=True)
    vectors = np.load(run / "vector_at_3.npy")
    vectors[1, 1] = bad
    np.save(run / "vector_at_3.npy", vectors)
    before = tree(run)
    assert f"{run / 'vector_at_3.npy'}: holds values that are not finite" in message(repair, run)
    assert tree(run) == before


@pytest.mark.parametrize("names", [[], FIRST_LIST[:2], [*FIRST_LIST, "one more.npy"]])
def test_a_damaged_numbered_list_does_not_replace_the_copy_that_is_right(run, names):
    (run / "music_list_at_1.txt").write_bytes(encode_names(names))
    before = tree(run)
    assert not is_whole(run)
    assert f"{run / 'vector_at_3.npy'}: is not of the {len(names)} songs listed" in message(repair, run)
    assert tree(run) == before


def test_what_a_killed_save_left_of_the_one_before_goes_with_the_next_start(run):
    (run / "weights/network_at_2.npz").write_bytes((run / "weights/network_at_3.npz").read_bytes())
    np.save(run / "vector_at_1.npy", vectors_of(FIRST_LIST, 1))
    assert not is_whole(run)
    repair(run)
    assert is_whole(run)
    check_is_save(run, 3, FIRST_LIST)
    assert sorted(path.name for path in run.glob("*_at_*.npy")) == ["vector_at_2.npy", "vector_at_3.npy"]
    assert len(list((run / "weights").iterdir())) == 2


@pytest.mark.parametrize(
    "make",
    [
        lambda: np.float32(1),
        lambda: np.zeros(3, np.float32),
        lambda: np.zeros((3, 0), np.float32),
        lambda: np.zeros((3, 2, 2), np.float32),
        *(lambda kind=kind: np.zeros((3, 2)).astype(kind) for kind in ("i4", "c8", "U3", "?", "M8[s]", "V4", "g")),
        lambda: np.array([[{}, {}]] * 3),
        lambda: np.array([(1, 2.0)] * 3, "i4,f4"),
    ],
)
def test_vectors_of_another_kind_are_one_line(run, make):
    path = run / "vector_at_3.npy"
    np.save(path, make())
    for mapped in (False, True):
        error = message(read_song_vectors, run, mapped)
        assert error.startswith(f"{path}: ")
        assert "\n" not in error
    before = tree(run)
    killed_at(5, lambda: commit(run, 4, SECOND_LIST, is_new=True), after=True)
    left = tree(run)
    assert f"{path}: " in message(repair, run)
    assert tree(run) == left != before


@pytest.mark.parametrize("content", [b"", b"no zip", "npy", "no array", "object"])
def test_weights_that_are_no_archive_of_arrays_are_one_line(run, content):
    path = run / "weights/network_at_3.npz"
    if content == "npy":
        with open(path, "wb") as file:
            np.save(file, np.zeros(3))
    elif content == "no array":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("w.npy", "hello")
    elif content == "object":
        np.savez(path, w=np.array([{}]))
    else:
        path.write_bytes(content)
    assert message(read_weights, run, "network", 3).startswith(f"{path}: not readable (")


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((2, 3), np.float32), "holds w of shape (2, 3) and type float32, which does not fit the run"),
        (np.zeros(6, np.float32), "holds w of shape (6,) and type float32"),
        (np.zeros((3, 2), np.int32), "holds w of shape (3, 2) and type int32"),
        (np.zeros((3, 2), "U1"), "holds w of shape (3, 2) and type <U1"),
        (np.zeros((3, 2), np.complex64), "holds w of shape (3, 2) and type complex64"),
        (np.full((3, 2), np.nan, np.float32), "holds values that are not finite"),
    ],
)
def test_weights_of_another_shape_or_kind_are_named(run, array, said):
    path = run / "weights/network_at_3.npz"
    assert set(read_weights(run, "network", 3, {"w": (3, None)})) == {"w"}
    np.savez(path, w=array)
    error = message(read_weights, run, "network", 3, {"w": (3, None)})
    assert error.startswith(f"{path}: {said}")
    assert error.endswith("restore it, or train into another folder")


@pytest.mark.parametrize(
    "name", ["epoc_num.txt", "vector_at_3.npy", "music_list_at_1.txt", "cost_list.csv", "weights/network_at_3.npz"]
)
@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_a_pipe_or_a_folder_in_the_place_of_a_file_is_one_line(run, name, kind):
    (run / name).unlink()
    (os.mkfifo if kind == "pipe" else os.mkdir)(run / name)
    function = {"cost_list.csv": read_costs, "weights/network_at_3.npz": lambda run: read_weights(run, "network", 3)}
    error = message(function.get(name, read_song_vectors), run)
    assert error.startswith(f"{run / name}: is no file")


def test_what_is_small_on_the_disk_and_claims_gigabytes_is_not_read(run):
    """A sparse file, and an archive that is compressed: a stranger's run folder may hold them."""
    with open(run / "vector_at_3.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (1 << 32, 16)})
        file.truncate(file.tell() + (1 << 38))
    assert "does not fit the" in message(read_song_vectors, run)
    with open(run / "vector_at_3.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (4, 1 << 34)})
        file.truncate(file.tell() + (1 << 38))
    assert "expected (songs, dimensions)" in message(read_song_vectors, run)
    np.savez_compressed(run / "weights/network_at_3.npz", w=np.zeros((1000, 1000)))
    assert "its arrays are larger than the file" in message(read_weights, run, "network", 3)
