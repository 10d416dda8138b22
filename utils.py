"""What every script shares: errors and exit codes, stop signals, the parser's common flags, progress, words."""

from __future__ import annotations

import _signal  # the core of signal, which itself takes long enough to be interrupted
import os
import sys
import warnings

EXIT_DONE = 0
EXIT_ERROR = 1
EXIT_LOCKED = 75  # EX_TEMPFAIL of sysexits.h: try again later

STOP_SIGNALS = (_signal.SIGINT, _signal.SIGTERM)
INTERRUPTED = "interrupted; what was finished is kept, and the same command goes on"


def _end_early(_number: int, _frame: object) -> None:
    """Answer a signal that comes before a script has begun, in the midst of its imports."""
    for number in STOP_SIGNALS:
        _signal.signal(number, _signal.SIG_IGN)
    try:
        os.write(2, f"{os.path.basename(sys.argv[0])}: {INTERRUPTED}\n".encode(errors="backslashreplace"))
    finally:
        os._exit(EXIT_DONE)


def _runs_a_script() -> bool:
    """Tell whether this is a script of ours, and not a test, or a worker process of one."""
    here = os.path.dirname(os.path.realpath(__file__))
    script = os.path.realpath(getattr(sys.modules["__main__"], "__file__", None) or os.devnull)
    return os.path.dirname(script) in (here, f"{here}/process_results", f"{here}/static_web_viewer")


if _runs_a_script():  # before the other imports, which take their time
    for _number in STOP_SIGNALS:
        _signal.signal(_number, _end_early)
    # What libraries warn of is for those who write programs with them, in their worker processes too
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
        os.environ["PYTHONWARNINGS"] = "ignore"

import argparse
import atexit
import contextlib
import difflib
import errno
import functools
import math
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn
from unicodedata import category

ROOT = Path(__file__).resolve().parent

PLAIN_PROGRESS_SECONDS = 30  # where stderr is no terminal: one line this often, so that cron mail stays short
OUT_OF_MEMORY = "out of memory; close other programs, or use a smaller input or configuration"
BREAKS_LINES = ("Cc", "Zl", "Zp")  # categories of characters: controls, and what separates lines
CONTROLS = {n: ascii(chr(n))[1:-1] for n in (*range(32), *range(127, 160)) if chr(n) not in "\n\t"}  # colours
LONGEST_TOLD = 300  # characters of a value in an error
LONGEST_MESSAGE = 10_000  # characters: more than two of the longest paths
NAMES_TOLD = 3  # examples in a line that counts what was left out


class UserError(Exception):
    """Something the user can mend. The text says what, where, and what to do next; it is printed as one line."""

    exit_code = EXIT_ERROR


class LockedError(UserError):
    """Somebody else writes to the folder."""

    exit_code = EXIT_LOCKED


class StopRequest:
    """SIGINT or SIGTERM: the first one asks to stop, a second one ends the process at once, with 130 or 143.

    Within `at_once`, where nothing can be lost, the first one raises KeyboardInterrupt. Elsewhere it is looked at where
    it is safe to stop: `if stop: ...`.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._raises = False

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signals over; once one has come they stay taken, so that a second one ends the process."""
        if threading.current_thread() is not threading.main_thread():  # Python hands signals to that one alone
            yield
            return
        before = {number: signal.signal(number, self._handle) for number in STOP_SIGNALS}
        try:
            yield
        finally:
            if not self:
                for number, handler in before.items():
                    signal.signal(number, handler)

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Answer the first signal by KeyboardInterrupt, also one that has come already."""
        self._raises = True
        try:
            if self:
                raise KeyboardInterrupt
            yield
        finally:
            self._raises = False

    def _handle(self, number: int, _frame: object) -> None:
        if self:
            os._exit(128 + number)
        self.signal = signal.Signals(number)
        if self._raises:
            raise KeyboardInterrupt

    def __bool__(self) -> bool:
        return self.signal is not None

    def __str__(self) -> str:
        return self.signal.name if self.signal else ""


def command(main: Callable[..., int]) -> Callable[..., int]:
    """Turn what `main` raises into one line on stderr and an exit code: a traceback is a bug.

    The first SIGINT or SIGTERM raises KeyboardInterrupt in `main`, where that takes no StopRequest of its own.
    """

    def runs_as_script() -> bool:
        return getattr(sys.modules["__main__"], main.__name__, None) is wrapped

    @functools.wraps(main)
    def wrapped(argv: list[str] | None = None) -> int:
        open_what_is_closed()
        for stream in (sys.stdout, sys.stderr):  # a name that the terminal cannot show must not end the run
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        try:
            stop = StopRequest()
            with stop.listening(), stop.at_once():
                try:
                    exit_code = main(argv)
                except SystemExit:  # --help
                    sys.stdout.flush()
                    raise
                sys.stdout.flush()  # here, where a full disk or a closed pipe can still be told
            if runs_as_script():
                finish(exit_code)
            return exit_code
        except UserError as error:
            return complain(str(error), error.exit_code)
        except KeyboardInterrupt:
            say_interrupted()
            if runs_as_script():
                leave()
            return EXIT_DONE
        except BrokenPipeError:  # `script.py | head`
            return EXIT_ERROR
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "can't start new thread" not in str(error):
                raise
            exit_code = complain(OUT_OF_MEMORY, EXIT_ERROR)
            if runs_as_script():
                leave(exit_code)  # what ends with the process might want memory too
            return exit_code
        except OSError as error:
            return complain(_describe_os_error(error), EXIT_ERROR)
        finally:
            drop_what_stdout_refuses()

    return wrapped


def open_what_is_closed() -> None:
    """Take /dev/null for a standard stream that is closed, as by `script.py >&-`.

    Else the next file that is opened would get its number, and be what the programs that we start read and write.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: the stream's own
            os.set_inheritable(descriptor, True)
            setattr(sys, name, open(descriptor, mode))  # noqa: SIM115


def keep_stderr_to_us() -> None:
    """Let processes that are started from here on write to no stderr of ours, until we end.

    Those of joblib tell by tracebacks how they ended, even where nothing is lost by it.
    """
    if _runs_a_script() and sys.stderr.fileno() == 2:
        sys.stderr = open(os.dup(2), "w", buffering=1, errors="backslashreplace")  # noqa: SIM115
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def drop_what_stdout_refuses() -> None:
    """Leave nothing for Python to write when it ends: where that fails, it says so in its own words and exits 120."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say_interrupted() -> None:
    print(f"{Path(sys.argv[0]).name}: {INTERRUPTED}", file=sys.stderr, flush=True)


def finish(exit_code: int) -> None:
    """Let no signal change how a script ends that has done its work."""
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: os._exit(exit_code))
        atexit.register(signal.signal, number, signal.SIG_IGN)  # Python drops our answers, but not this, while it ends


def leave(exit_code: int = EXIT_DONE) -> NoReturn:
    """End the process without waiting for threads that are still at work: they hold nothing that can be lost."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    os._exit(exit_code)


def complain(message: str, exit_code: int) -> int:
    """Print an error as one line; return the exit code."""
    line = printable_name(" ".join(message[:LONGEST_MESSAGE].split()))
    print(f"{Path(sys.argv[0]).name}: error: {line}", file=sys.stderr, flush=True)
    return exit_code


def _describe_os_error(error: OSError) -> str:
    where = f": {printable(os.fsdecode(error.filename))}" if error.filename else ": standard output" * _is_stdout_full()
    what = f"{error.strerror or error}{where}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{what}; free some space and run the same command again, nothing that was finished is lost"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{what}; check who owns it and whether it may be written to"
    return f"{what}; mend this and run the same command again"


def _is_stdout_full() -> bool:
    try:
        sys.stdout.flush()  # what it could not write it has still
    except OSError as error:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return False


def require_file(path: Path | str, instead: str = "put back the file of that name, or remove it") -> None:
    """Raise UserError where something is there that is no file: a pipe would be waited for as long as nobody writes."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise UserError(f"{path}: is no file; {instead}")


def in_words(value: object) -> str:
    """Return a value as Python writes it, in an error's length."""
    try:
        return shortened(repr(value))
    except ValueError:  # Python writes no number of thousands of digits
        return "a number of thousands of digits"


def shortened(text: str) -> str:
    """Return a value as an error tells it: of what is long, the beginning."""
    return text if len(text) <= LONGEST_TOLD else f"{text[:LONGEST_TOLD]}..."


def as_unicode(text: str) -> str:
    """Return text that UTF-8 can hold, to the character: only undecodable bytes of file names become \\xNN."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def printable(text: str) -> str:
    """Return text that any terminal can print: as `as_unicode`, and controls become \\xNN too."""
    return as_unicode(text).translate(CONTROLS)


def printable_name(name: str) -> str:
    """Return a file's name as `printable` does, in one line: control characters become what Python writes for them."""
    text = printable(name)
    if text.isprintable():
        return text
    return "".join(c.encode("unicode_escape").decode() if category(c) in BREAKS_LINES else c for c in text)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" for the known word nearest to `word`, or the known words where none is near."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"


def script_parser(doc: str, **defaults: object) -> argparse.ArgumentParser:
    """Return a parser whose help text is the script's docstring, as it is written."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=_HelpFormatter, allow_abbrev=False)
    parser.set_defaults(**defaults)
    parser.register("type", Path, _path)
    return parser


def _path(text: str) -> Path:
    """argparse type, in the place of Path: an empty text, of which Path makes the current folder, names nothing."""
    if not text:
        raise argparse.ArgumentTypeError("an empty text names no file or folder")
    return Path(text)


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """The docstring's own line breaks, and the default behind every flag that has one."""

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ""
        says_nothing = action.default is None or action.default is False or action.default in ([], argparse.SUPPRESS)
        shows_default = bool(action.option_strings) and not says_nothing and "(default" not in text
        return text + " (default: %(default)s)" if shows_default else text


def add_quiet_argument(parser: argparse.ArgumentParser, nightly: bool = False) -> None:
    """Add --quiet; of a nightly script it means silence where nothing has changed since the last run, and no error."""
    what = "no progress on stderr; results and errors are still printed"
    nights = "for cron: one line where something has changed, nothing where nothing has; errors are still printed"
    parser.add_argument("--quiet", action="store_true", help=nights if nightly else what)


def positive_int(text: str) -> int:
    """argparse type: an integer of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return value


def positive_float(text: str) -> float:
    """argparse type: a finite number above 0."""
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return value


class Progress:
    """A bar on a terminal, a plain line now and then elsewhere, nothing when quiet. All of it on stderr."""

    def __init__(self, total: int, what: str, unit: str, quiet: bool) -> None:
        self.total, self.what, self.unit, self.done = total, what, unit, 0
        self.started = self.reported = time.monotonic()
        self.plain = not quiet and not sys.stderr.isatty()
        self.bar = None
        if not quiet and not self.plain:
            from tqdm import tqdm

            self.bar = tqdm(total=total, desc=what, unit=f" {unit}", dynamic_ncols=True, leave=False)

    def advance(self, count: int = 1) -> None:
        self.done += count
        if self.bar is not None:
            self.bar.update(count)
        elif self.plain and time.monotonic() - self.reported >= PLAIN_PROGRESS_SECONDS:
            self.reported = time.monotonic()
            left = (self.reported - self.started) * (self.total - self.done) / max(self.done, 1)
            line = f"{self.what}: {self.done} of {self.total} {self.unit}, about {duration(left)} left"
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def duration(seconds: float) -> str:
    """Return a length of time as people say it: '48 s', '12 min', '3.4 h'."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def examples(names: Sequence[str]) -> str:
    """Return the first few names, in one line, and that there are more."""
    return ", ".join(map(printable_name, names[:NAMES_TOLD])) + (", ..." if len(names) > NAMES_TOLD else "")


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
