"""What every script shares: errors and exit codes, stop signals, the parser, progress, words."""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from conftest import file_names
from hypothesis import given

import utils
from utils import LockedError, UserError, command

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
        (UserError("\x1b[31mred"), 1, r"\x1b[31mred"),  # no name colours a terminal
        (UserError(os.fsdecode(b"\xff.mp3: not readable")), 1, r"\xff.mp3: not readable"),
        (LockedError("run: in use (pid: 7)"), 75, "run: in use (pid: 7)"),
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


SHORT = """
import sys
from utils import UserError, command

@command
def main(argv=None):
    print("the summary")
    {then}
    return 0

if __name__ == "__main__":
    sys.exit(main())
"""


def ended(then: str, redirection: str) -> tuple[int, str]:
    """Run a script by a shell that redirects its streams; return its exit code and what it says on stderr."""
    argv = ["sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, "-c", SHORT.format(then=then)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(argv, cwd=utils.ROOT, env=environment, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


FULL = "-c: error: No space left on device: standard output; free some space and run the same command again"


@pytest.mark.parametrize("then", ["pass", "sys.exit(0)"])
def test_a_full_disk_behind_stdout_is_one_line_and_1(then):
    exit_code, errors = ended(then, ">/dev/full")
    assert exit_code == 1
    assert errors.startswith(FULL)
    assert errors.count("\n") == 1


def test_an_error_of_its_own_is_the_one_that_is_told_where_stdout_is_full():
    assert ended("raise UserError('no such song')", ">/dev/full") == (1, "-c: error: no such song\n")


def test_a_pipe_that_is_closed_before_the_summary_is_no_error_worth_a_word():
    reader, writer = os.pipe()
    os.close(reader)
    argv = [sys.executable, "-c", SHORT.format(then="pass")]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    try:
        done = subprocess.run(
            argv, cwd=utils.ROOT, env=environment, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


NUMBERS = "import os; print(*(os.readlink(f'/proc/self/fd/{number}') for number in (0, 1)), file=sys.stderr)"


@pytest.mark.parametrize("closed", ["<&- >&-", "</dev/null >&-"])
def test_a_stream_that_is_closed_is_dev_null(closed):
    assert ended(NUMBERS, closed) == (0, "/dev/null /dev/null\n")
    assert ended("raise KeyboardInterrupt", closed)[0] == 0
    assert ended("raise BrokenPipeError", closed) == (1, "")
    assert ended("raise UserError('no such song')", closed) == (1, "-c: error: no such song\n")
    assert ended("raise UserError('no such song')", f"{closed} 2>&-") == (1, "")


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


def test_an_empty_text_is_no_path(capsys):
    """`spectrify_all.py "" OUT` took the current folder."""
    parser = utils.script_parser("A script.")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument_group("more").add_argument("--output", type=Path)
    assert parser.parse_args(["a", "--output", "."]).output == Path(".")
    for argv, whose in [([""], "FOLDER"), (["a", "--output", ""], "--output"), (["a", "--output="], "--output")]:
        with pytest.raises(SystemExit) as ended:
            parser.parse_args(argv)
        assert ended.value.code == 2
        assert f"error: argument {whose}: an empty text names no file or folder\n" in capsys.readouterr().err


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
    shown = utils.printable(name)
    assert shown.encode("utf-8")
    assert not {"\x1b", "\x07", "\r", "\x9b"} & set(shown)
    if name.isascii() and name.isprintable():
        assert shown == name


@given(name=file_names)
def test_any_file_name_is_told_in_one_line(name):
    shown = utils.printable_name(name)
    assert shown.encode("utf-8")
    assert shown.splitlines() == [shown]
    assert utils.printable_name(shown) == shown
    if name.isprintable():
        assert shown == name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("two\nlines\r\n.mp3", r"two\nlines\r\n.mp3"),
        ("tab\t\x1b[31m\x85\u2028.mp3", r"tab\t\x1b[31m\x85\u2028.mp3"),
        (os.fsdecode(b"\xff\n.mp3"), r"\xff\n.mp3"),
        ("日本\u3000語\xa0back\\slash.mp3", "日本\u3000語\xa0back\\slash.mp3"),
    ],
)
def test_control_characters_of_a_name_become_visible(name, shown):
    assert utils.printable_name(name) == shown


def test_examples_are_one_line():
    assert utils.examples(["a\nb", "c", "d"]) == r"a\nb, c, d"
    assert utils.examples(["a", "b", "c", "d"]) == "a, b, c, ..."


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


WAITING = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from utils import command

@command
def main(argv=None):
    ThreadPoolExecutor().submit(time.sleep, 600)
    try:
        print("begun", flush=True)
        time.sleep(600)
    finally:
        {cleaning}

if __name__ == "__main__":
    sys.exit(main())
"""


@contextlib.contextmanager
def waiting(cleaning: str):
    """A script in the midst of its work, which another thread of it does too."""
    script = WAITING.format(cleaning=cleaning)
    argv = [sys.executable, "-c", script]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=utils.ROOT) as process:
        try:
            assert process.stdout.readline() == "begun\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_first_signal_ends_it_with_one_line_whatever_threads_do(number):
    with waiting("pass") as process:
        process.send_signal(number)
        _, errors = process.communicate(timeout=10)
        assert errors == "-c: interrupted; what was finished is kept, and the same command goes on\n"
        assert process.returncode == 0


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_ends_it_at_once(number, exit_code):
    with waiting("print('cleaning', flush=True); time.sleep(600)") as process:
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "cleaning\n"
        process.send_signal(number)
        assert process.wait(timeout=10) == exit_code


SIGNALLING = """
import os, time
os.write(1, b"importing")
os.kill(os.getpid(), {number})
os.kill(os.getpid(), {number})
time.sleep(60)
"""
FOLDERS = (utils.ROOT, utils.ROOT / "process_results", utils.ROOT / "static_web_viewer")
SCRIPTS = [path for folder in FOLDERS for path in folder.glob("*.py") if "\nif __name__ ==" in path.read_text()]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_signal_during_imports_is_one_line(tmp_path, script):
    """In the first half second of a script Ctrl-C was a traceback."""
    (tmp_path / "numpy.py").write_text(SIGNALLING.format(number=int(signal.SIGINT)))
    argv, environment = [sys.executable, script, "a", "b"], {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(argv, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "importing")
    assert done.stderr == f"{script.name}: interrupted; what was finished is kept, and the same command goes on\n"


def test_who_imports_us_and_is_no_script_of_ours_keeps_his_signals():
    text = "import signal; before = signal.getsignal(2); import utils; print(signal.getsignal(2) is before)"
    done = subprocess.run([sys.executable, "-c", text], cwd=utils.ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == "True\n"


@pytest.mark.parametrize("raised", ["MemoryError", 'RuntimeError("can\'t start new thread")'])
def test_too_little_memory_is_one_line(raised):
    exit_code, errors = ended(f"raise {raised}", "")
    assert (exit_code, errors.count("\n")) == (1, 1)
    assert "out of memory; close other programs" in errors
    assert "Traceback" in ended("raise RuntimeError('a bug')", "")[1]


LATE_SIGNALS = """
import os, signal
from utils import command

class Late:
    def __del__(self, kill=os.kill, own=os.getpid(), number=signal.{name}):
        kill(own, number)

@command
def main(argv=None):
    print("done")
    return 0

late = Late()
main([])
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_while_python_ends_changes_nothing(name):
    argv = [sys.executable, "-c", LATE_SIGNALS.format(name=name)]
    done = subprocess.run(argv, cwd=utils.ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
