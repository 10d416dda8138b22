"""Hostile tables, recipes, configurations and flags: one clear line each, in bounded time and memory."""

from __future__ import annotations

import argparse
import importlib
import os
import random
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

from torture import folders
from torture.forked import run_forked
from torture.running import PAGE, SPECTRIFY, Done
from torture.tally import Tally

NAME = "tables"
MOST_SECONDS = 120.0
MOST_BYTES = 3e9
NUMBERS = (
    "nan",
    "inf",
    "-inf",
    "1e999",
    "-0",
    "-1",
    "0",
    "9" * 30,
    "9" * 5000,
    "1e3",
    "1.5",
    "2",
    "",
    " 1",
    "\uff13",
    "x",
)
ROWS = 1_000_000
FEW = folders.FEW  # attacks: with fewer, the largest tables are left out
EACH_LARGE = 15  # attacks: one of so many is a very large table
RESULTS = "process_results/"


def attack(tally: Tally, generator: random.Random, folder: Path, count: int, seconds: float) -> None:
    """An attack is a hostile table for a script that reads one, or a hostile value for a flag of any script."""
    end = time.monotonic() + seconds
    whole = folders.Whole(folder / "whole")
    for number in range(count):
        is_large = count >= FEW and number % EACH_LARGE == 0
        kind = large if is_large else generator.choice((table, flag, flag, flag, settings))
        kind(tally, generator, whole)
        if time.monotonic() > end:
            break


def check(tally: Tally, whole: folders.Whole, script: str, arguments: list[str], what: str) -> Done:
    """Run a script; whatever it is told, it says what is wrong in words, and leaves the inputs as they are."""
    before = folders.state(whole.folder)
    done = run_forked(script, *arguments, seconds=MOST_SECONDS)
    good = not done.has_traceback and done.exit_code in (0, 1, 2) and "\x1b" not in done.out + done.err
    good = (
        good and (done.exit_code != 1 or done.is_one_clear_line or script == folders.CHECK) and len(done.err) < 20_000
    )
    tally.check(good, f"{what}: {str(done)[:4000]}")
    after = folders.state(whole.folder)
    tally.check(before == after, f"{what}: changed {[name for name in before if after.get(name) != before[name]]}")
    if before != after:
        shutil.rmtree(whole.folder)
        whole.__init__(whole.folder)
    return done


# Tables


def label_rows(label: str = "x", other: str = "y", more: str = "") -> str:
    names = sorted(folders.made_folders.SOUNDS)
    return "".join(f'"{name}","{(label, other)[place % 2]}"{more}\n' for place, name in enumerate(names))


def _text(label: str, other: str = "y") -> bytes:
    return ("filename,genre\n" + label_rows(label.replace('"', '""'), other)).encode("utf-8", "surrogateescape")


TABLES: dict[str, bytes] = {
    "empty": b"",
    "white": b" \n\n \t\n",
    "heading alone": b"filename,genre\n",
    "UTF-16": _text("x").decode().encode("utf-16"),
    "UTF-32": _text("x").decode().encode("utf-32"),
    "UTF-16 without a mark": _text("x").decode().encode("utf-16-le"),
    "byte order mark": b"\xef\xbb\xbf" + _text("x"),
    "NUL": _text("x\0y"),
    "NULs": bytes(10_000),
    "NUL in the heading": b"file\0name,genre\na,b\n",
    "noise": random.Random(0).randbytes(50_000),
    "Latin-1": b"filename,genre\n" + label_rows("Größe").encode("latin-1"),
    "open quote": b'filename,genre\n"a, b.wav,x\nc,d\n',
    "quote within": b'filename,genre\na"b,x"y"\n',
    "too many fields": b"filename,genre\na,b,c,d\n",
    "too few fields": b"filename,genre\na\n" + label_rows().encode(),
    "twice a column": b"filename,genre,genre\n" + label_rows(more=",z").encode(),
    "twice a name": _text("x") + label_rows("z", "w").encode(),
    "10,000 columns": (",".join(["filename", "genre", *map(str, range(10_000))]) + "\n" + label_rows()).encode(),
    "carriage returns": _text("x").replace(b"\n", b"\r"),
    "Windows": _text("x").replace(b"\n", b"\r\n"),
    "tabs": _text("x").replace(b",", b"\t"),
    "leads out": b"filename,genre\n../../../etc/passwd,x\n/etc/passwd,y\n" + label_rows().encode(),
    "mathematics": _text("$\\frac{$", "$x^{2$"),
    "a dollar": _text("$", "$$"),
    "web page": _text("<script>alert(1)</script>", "</title>&amp;"),
    "formula": _text("=1+1", '@SUM("A1")'),
    "escapes": _text("\x1b[31mred", "\x07\x08"),
    "direction": _text("\u202eabc", "\u2028"),
    "bytes": _text(os.fsdecode(b"\xff\xfe"), os.fsdecode(b"\xc3")),
    "line breaks": _text("x\ny", "a\rb"),
    "braces": _text("{0}", "%s%n"),
    "long": _text("x" * 100_000),
    "very long": _text("x" * 10_000_000),
    "numbers": _text("nan", "1e999"),
    "more numbers": _text("-0", "9" * 400),
    "digits": _text("9" * 5000, "1"),
    "infinite": _text("inf", "-inf"),
    "dates": _text("9999-99-99", "0000-00-00"),
    "nobody": b"filename,genre\nnobody.wav,x\n",
}


def readers(whole: folders.Whole, out: Path) -> list[Callable[[str], tuple[str, list[str]]]]:
    """Return every script that reads a table of labels, as what makes its arguments of the table's path."""
    run, music = os.fspath(whole.folder / "run"), os.fspath(whole.folder / "music")
    least = ["--min-members", "2"]
    first = sorted(folders.made_folders.SOUNDS)[0]
    return [
        lambda table: (f"{RESULTS}sphere_kmeans.py", [run, table, "--clusters", "2", "--output", f"{out}/a.png"]),
        lambda table: (f"{RESULTS}logistic_regress.py", [run, table, *least, "--output", f"{out}/b"]),
        lambda table: (f"{RESULTS}predict_labels.py", [run, table, *least, "--all", "--output", f"{out}/c.csv"]),
        lambda table: (f"{RESULTS}audit_labels.py", [run, table, *least, "--output", f"{out}/d.csv"]),
        lambda table: (f"{RESULTS}find_similar.py", [run, "--track", first, "--labels", table, "--within", "genre=x"]),
        lambda table: (f"{RESULTS}find_similar.py", [run, "--track", first, "--labels", table, "--show", "genre"]),
        lambda table: (
            f"{RESULTS}export_vectors.py",
            [run, "--labels", table, "--columns", "genre", "--format", "projector", "--output", f"{out}/e"],
        ),
        lambda table: (
            f"{RESULTS}export_vectors.py",
            [run, "--labels", table, "--columns", "genre", "--format", "csv", "--output", f"{out}/e.csv"],
        ),
        lambda table: (PAGE, [run, music, f"{out}/f", "--layout", "pca", "--labels", table, "--title-column", "genre"]),
        lambda table: (PAGE, [run, music, f"{out}/g", "--layout", "pca", "--labels", table]),
        lambda table: (PAGE, [run, music, f"{out}/h", "--layout", table]),
        lambda table: (f"{RESULTS}fma_labels.py", [table, f"{out}/i.csv"]),
        lambda table: (f"{RESULTS}labels_from_tags.py", [music, table]),
        lambda table: (f"{RESULTS}find_similar.py", [run, "--playlist", table]),
        lambda table: (f"{RESULTS}find_similar.py", [run, "--recipe", table]),
        lambda table: (SPECTRIFY, [music, f"{out}/mels", "--config", table]),
    ]


def table(tally: Tally, generator: random.Random, whole: folders.Whole) -> None:
    kind = generator.choice([*TABLES, "pipe", "folder", "device", "socket"])
    out = _out(whole)
    path = out / "table.csv"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "socket":
        path.write_bytes(b"x")
        folders.damage.ANY["socket"](path, generator)
    else:
        path.write_bytes(TABLES[kind])
    script, arguments = generator.choice(readers(whole, out))(os.fspath(path))
    check(tally, whole, script, arguments, f"table {kind}")


def large(tally: Tally, generator: random.Random, whole: folders.Whole) -> None:
    """A million rows, or a field of 100 MB, in bounded time and memory."""
    kind = generator.choice((f"{ROWS:,} rows", "a field of 100 MB"))
    if kind == "a field of 100 MB":
        content = b"filename,genre\na," + b"x" * 100_000_000 + b"\n" + label_rows().encode()
    else:
        rows = "".join(f"folder {row % 977}/track {row}.wav,{'xyz'[row % 3]}\n" for row in range(ROWS))
        content = f"filename,genre\n{label_rows()}{rows}".encode()
    out = _out(whole)
    (out / "table.csv").write_bytes(content)
    script, arguments = generator.choice(readers(whole, out))(os.fspath(out / "table.csv"))
    meter = _Peak()
    done = check(tally, whole, script, arguments, kind)
    most = meter.stop()
    tally.check(most < MOST_BYTES, f"{kind}: took {most:,} bytes: {str(done)[:4000]}")


class _Peak:
    """The most memory that a child of this process has while this runs."""

    def __init__(self) -> None:
        self.most, self._ended = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            try:
                children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
                for child in children:
                    pages = int(Path(f"/proc/{child}/statm").read_text().split()[1])
                    self.most = max(self.most, pages * os.sysconf("SC_PAGE_SIZE"))
            except (OSError, IndexError):
                continue

    def stop(self) -> int:
        self._ended.set()
        self._thread.join()
        return self.most


def _out(whole: folders.Whole) -> Path:
    out = whole.folder.parent / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    return out


# Flags


def flag(tally: Tally, generator: random.Random, whole: folders.Whole) -> None:
    """A number that is none for a flag that takes one, or an empty text for any flag or argument at all."""
    out = _out(whole)
    kind = generator.choice(whole.kinds)
    script, arguments = generator.choice(whole.commands(kind))
    paths = [_absolute(whole, out, each) for each in arguments]
    actions = importlib.import_module(script.removesuffix(".py").replace("/", ".")).build_parser()._actions
    takes = [action for action in actions if action.option_strings and action.nargs != 0]
    value = generator.choice(NUMBERS) if script not in folders.SLOW else ""
    if generator.random() < 0.3:  # an argument is empty
        at = generator.randrange(len(paths))
        paths[at], value = "", ""
        check(tally, whole, script, paths, f"argument {at} empty")
        return
    if value:
        takes = [action for action in takes if action.type not in (None, Path)]
    if not takes:
        return
    action: argparse.Action = generator.choice(takes)
    word = f"{action.option_strings[-1]}={value}"
    check(tally, whole, script, [*paths, word], f"flag {word[:80]}")


def settings(tally: Tally, generator: random.Random, whole: folders.Whole) -> None:
    """A value that is none for a key of the configuration."""
    from config import RANGES

    out = _out(whole)
    key = generator.choice([*RANGES, "logit", "decoder", "differences", "colour"])
    value = generator.choice([*NUMBERS, "[1]", "{a: 1}", "null", "!!python/name:os.system", "&a [*a]", "[" * 5000])
    told = ["--set", f"{key}={value}", "--jobs", "1"]
    arguments = [os.fspath(whole.folder / "music"), f"{out}/mels", *told]
    check(tally, whole, SPECTRIFY, arguments, f"{key}={value[:40]}")


def _absolute(whole: folders.Whole, out: Path, argument: str) -> str:
    """Return an argument of `Whole.commands` as it is typed; all of it lies in `out`, copied there where it exists."""
    first = argument.split("/")[0]
    if first.split(".")[0] == "out":
        return os.fspath(out / argument)
    if argument in folders.made_folders.SOUNDS or not (whole.folder / first).exists():
        return argument
    if not (out / first).exists():
        (shutil.copytree if (whole.folder / first).is_dir() else shutil.copy)(whole.folder / first, out / first)
    return os.fspath(out / argument)
