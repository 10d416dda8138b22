"""What every script shares: file listing, atomic writes, errors and exit codes, the parser, progress."""

from __future__ import annotations

import argparse
import errno
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import utils
from utils import LockedError, UserError, atomic_write, command, walk_files

# What a file name may hold: any bytes but NUL and '/', here without what makes it hidden.
file_names = (
    st.binary(min_size=1, max_size=12)
    .filter(lambda name: not set(name) & set(b"\0/") and not name.startswith(b"."))
    .map(os.fsdecode)
)


def everything(name: str) -> bool:
    return True


def plant(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")
    return root


# File listing


def test_files_are_sorted_by_the_bytes_of_the_whole_path(tmp_path):
    no_text = os.fsdecode(b"\xff.mp3")
    names = ["b.mp3", "a/z.mp3", "a b/x.mp3", "a-b/x.mp3", "é.mp3", "z.mp3", "B.mp3", "-r.mp3", no_text]
    found, skipped = walk_files(plant(tmp_path, *names), everything)
    assert found == sorted(names, key=os.fsencode)
    assert found.index("a b/x.mp3") < found.index("a-b/x.mp3") < found.index("a/z.mp3")  # ' ' < '-' < '/'
    assert skipped == 0


@given(names=st.sets(file_names, max_size=8), folders=st.sets(file_names, max_size=3))
def test_any_file_name_is_found_once(tmp_path_factory, names, folders):
    root = tmp_path_factory.mktemp("any names")
    paths = {f"folder {index}/{name}" for index in range(len(folders)) for name in names} | names
    found, _ = walk_files(plant(root, *paths), everything)
    assert found == sorted(paths, key=os.fsencode)


def test_hidden_files_and_folders_are_left_out(tmp_path):
    found, _ = walk_files(plant(tmp_path, "a.mp3", ".b.mp3", ".trash/c.mp3", "d/.e/f.mp3"), everything)
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
    assert walk_files(tmp_path, everything, skip_markers=(".nomedia", ".notmusic")) == (["a.mp3"], 2)


def test_symbolic_links_are_followed_but_never_in_a_circle(tmp_path):
    plant(tmp_path, "music/a.mp3", "elsewhere/b.mp3")
    (tmp_path / "music/linked folder").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "music/linked.mp3").symlink_to("a.mp3")
    (tmp_path / "music/up").symlink_to(tmp_path / "music")
    (tmp_path / "elsewhere/back").symlink_to(tmp_path / "music")
    found, _ = walk_files(tmp_path / "music", everything)
    assert found == ["a.mp3", "linked folder/b.mp3", "linked.mp3"]


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


def test_a_name_that_cannot_be_taken_leaves_nothing(tmp_path):
    with pytest.raises(OSError) as raised:
        utils.write_file(tmp_path / ("x" * 300), b"content")
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
    utils.remove_temporaries(tmp_path)
    utils.remove_temporaries(tmp_path / "not there")
    assert [path.name for path in tmp_path.iterdir()] == ["my notes.tmp"]


# Errors and exit codes


def raising(error: BaseException):
    @command
    def main(argv=None):
        raise error

    return main


def no_space():
    with open("/dev/full", "wb") as file:
        file.write(b"x")


@pytest.mark.parametrize(
    ("error", "exit_code", "message"),
    [
        (UserError("a.csv, row 3: no such song; see music_list.txt"), 1, "a.csv, row 3: no such song; see"),
        (UserError("two\nlines\tof text"), 1, "two lines of text"),
        (UserError(os.fsdecode(b"\xff.mp3: not readable")), 1, r"\xff.mp3: not readable"),
        (LockedError("run: in use (pid: 7)"), 75, "run: in use (pid: 7)"),
        (KeyboardInterrupt(), 130, "interrupted; what was finished is kept, and the same command goes on"),
        (MemoryError(), 1, "out of memory"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "a b.npy"), 1, "Disk quota exceeded: a b.npy; free some space"),
        (PermissionError(errno.EACCES, "Permission denied", b"\xff"), 1, r"Permission denied: \xff; check who owns it"),
        (OSError("a message and no number"), 1, "a message and no number; mend this"),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(capsys, error, exit_code, message):
    assert raising(error)([]) == exit_code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert f": error: {message}" in printed.err


def test_a_full_disk_says_what_to_do(capsys):
    assert command(lambda argv: no_space())([]) == 1
    error = capsys.readouterr().err
    assert "No space left on device" in error
    assert "free some space and run the same command again" in error


def test_a_missing_file_is_named(capsys, tmp_path):
    assert command(lambda argv: len((tmp_path / "a b.txt").read_bytes()))([]) == 1
    assert f"No such file or directory: {tmp_path / 'a b.txt'}; mend this" in capsys.readouterr().err


def test_a_bug_stays_a_traceback():
    with pytest.raises(ZeroDivisionError):
        raising(ZeroDivisionError())([])


def test_a_reader_that_closes_the_pipe_is_no_error_worth_a_word():
    script = textwrap.dedent("""
        import sys
        from utils import command

        @command
        def main(argv=None):
            for number in range(100000):
                print(number)
            return 0

        sys.exit(main())
    """)
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=utils.ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout.readline() == b"0\n"
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 1


# Parser, progress, words


def test_help_is_the_docstring_with_the_defaults(capsys):
    parser = utils.script_parser("Does a thing.\n\n    python a.py IN  OUT\n")
    parser.add_argument("--top", type=utils.positive_int, default=5, help="how many")
    parser.add_argument("--jobs", type=int, help="processes")
    utils.add_quiet_argument(parser)
    with pytest.raises(SystemExit) as exited:
        parser.parse_args(["--help"])
    assert exited.value.code == 0
    text = capsys.readouterr().out
    assert "    python a.py IN  OUT\n" in text
    assert "how many (default: 5)" in text
    assert "None" not in text


def test_abbreviated_flags_are_refused(capsys):
    parser = utils.script_parser("Does a thing.")
    parser.add_argument("--overwrite", action="store_true")
    with pytest.raises(SystemExit) as exited:
        parser.parse_args(["--over"])
    assert exited.value.code == 2


@pytest.mark.parametrize("text", ["0", "-1"])
def test_positive_int_refuses(text):
    with pytest.raises(argparse.ArgumentTypeError, match=f"{text} is not at least 1"):
        utils.positive_int(text)


@pytest.mark.parametrize("text", ["0", "-0.5", "nan", "inf"])
def test_positive_float_refuses(text):
    with pytest.raises(argparse.ArgumentTypeError, match=f"{text} is not a number above 0"):
        utils.positive_float(text)


@given(name=file_names)
def test_any_file_name_can_be_printed_on_a_utf8_terminal(name):
    assert utils.printable(name).encode("utf-8")
    if name.isascii():
        assert utils.printable(name) == name


def test_nearest_names_one_or_all():
    assert utils.nearest("mel_bin", ["mel_bins", "seed"]) == "; did you mean 'mel_bins'?"
    assert utils.nearest("zzz", ["mel_bins", "seed"]) == "; known: mel_bins, seed"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (99, "99 s"), (100, "2 min"), (5999, "100 min"), (12240, "3.4 h")]
)
def test_durations_read_as_people_say_them(seconds, text):
    assert utils.duration(seconds) == text


def test_plural():
    assert [utils.plural(count, "file") for count in (0, 1, 2, 1234567)] == [
        "0 files",
        "1 file",
        "2 files",
        "1,234,567 files",
    ]


def test_progress_off_a_terminal_is_a_line_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr(utils, "PLAIN_PROGRESS_SECONDS", 0)
    progress = utils.Progress(4, "spectrify", "files", quiet=False)
    progress.advance(3)
    progress.close()
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "spectrify: 3 of 4 files, about 0 s left\n"


def test_quiet_progress_says_nothing(capsys, monkeypatch):
    monkeypatch.setattr(utils, "PLAIN_PROGRESS_SECONDS", 0)
    progress = utils.Progress(4, "spectrify", "files", quiet=True)
    progress.advance()
    progress.close()
    assert capsys.readouterr().err == ""
