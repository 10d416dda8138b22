"""What can become of a file of ours: everything that a disk, a copy, an editor or a stranger makes of it."""

from __future__ import annotations

import os
import pickle
import random
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np

Damage = Callable[[Path, random.Random], None]
HUGE = "9" * 30


class Opens:
    """Unpickled, it leaves a trace."""

    trace = ""

    def __reduce__(self):
        return (open, (Opens.trace, "w"))


def _socket(path: Path, _draws: random.Random) -> None:
    path.unlink()
    here = os.getcwd()
    os.chdir(path.parent)  # a socket's path has 107 bytes at most
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name[:100])
    finally:
        os.chdir(here)
    if len(path.name) > 100:
        os.rename(path.parent / path.name[:100], path)


def _in_place(make: Callable[[Path], object]) -> Damage:
    def damage(path: Path, _draws: random.Random) -> None:
        path.unlink()
        make(path)

    return damage


def _content(change: Callable[[bytes, random.Random], bytes]) -> Damage:
    def damage(path: Path, draws: random.Random) -> None:
        path.write_bytes(change(path.read_bytes(), draws))

    return damage


def _flip(content: bytes, draws: random.Random) -> bytes:
    flipped = bytearray(content)
    for _ in range(draws.choice([1, 3, 30]) if content else 0):
        flipped[draws.randrange(len(flipped))] ^= 1 << draws.randrange(8)
    return bytes(flipped)


def _moved_away(path: Path, _draws: random.Random) -> None:
    """A link to the file that was there, which lies elsewhere now."""
    shutil.move(path, path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


ANY: dict[str, Damage] = {
    "truncated": _content(lambda content, draws: content[: draws.randrange(len(content) or 1)]),
    "emptied": _content(lambda content, draws: b""),
    "noise": _content(lambda content, draws: draws.randbytes(len(content) or 8)),
    "flipped": _content(_flip),
    "lengthened": _content(lambda content, draws: content + draws.randbytes(100)),
    "NUL": _content(lambda content, draws: bytes(len(content) or 8)),
    "gone": lambda path, draws: path.unlink(),
    "folder": _in_place(Path.mkdir),
    "pipe": _in_place(os.mkfifo),
    "socket": _socket,
    "link to nothing": _in_place(lambda path: path.symlink_to("nothing")),
    "link to itself": _in_place(lambda path: path.symlink_to(path.name)),
    "link to zeros": _in_place(lambda path: path.symlink_to("/dev/zero")),
    "link to nowhere": _in_place(lambda path: path.symlink_to("/dev/null")),
    "link to a folder": _in_place(lambda path: path.symlink_to("/")),
    "moved": _moved_away,
}


def _array(change: Callable[[np.ndarray], np.ndarray]) -> Damage:
    def damage(path: Path, _draws: random.Random) -> None:
        with np.errstate(all="ignore"):
            np.save(path, change(np.load(path)), allow_pickle=True)

    return damage


def _pickled(array: np.ndarray) -> np.ndarray:
    made = np.empty(array.shape, object)
    made.flat[0] = Opens()
    return made


def _with(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(array: np.ndarray) -> np.ndarray:
        changed = array.copy()
        changed.flat[changed.size // 2] = value
        return changed

    return change


ARRAYS: dict[str, Damage] = {
    "bool": _array(lambda array: array > 0),
    "big-endian": _array(lambda array: array.astype(array.dtype.newbyteorder(">"))),
    "object": _array(_pickled),
    "pickle": lambda path, draws: path.write_bytes(pickle.dumps(Opens())),
    "complex": _array(lambda array: array.astype(np.complex64)),
    "text": _array(lambda array: array.astype(str)),
    "whole numbers": _array(lambda array: array.astype(np.int32)),
    "dates": _array(lambda array: array.astype(np.int64).astype("datetime64[s]")),
    "long doubles": _array(lambda array: array.astype(np.longdouble)),
    "records": _array(lambda array: np.zeros(len(array), "f4,f4")),
    "too large": _array(lambda array: array.astype(np.float64) * 1e300),
    "nan": _array(_with(np.nan)),
    "infinity": _array(_with(-np.inf)),
    "flat": _array(np.ravel),
    "deep": _array(lambda array: array[None]),
    "a number": _array(lambda array: np.float32(1)),
    "no rows": _array(lambda array: array[:0]),
    "no columns": _array(lambda array: array[:, :0]),
    "a row less": _array(lambda array: array[:-1]),
    "a row more": _array(lambda array: np.concatenate([array, array[:1]])),
    "a column less": _array(lambda array: array[:, :-1]),
    "claims more": _content(lambda content, draws: content.replace(b"'shape': (", b"'shape': (9999999", 1)),
}


def _archive(change: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]) -> Damage:
    def damage(path: Path, _draws: random.Random) -> None:
        np.savez(path, **change(dict(np.load(path))))

    return damage


def _first(change: Callable[[np.ndarray], np.ndarray]) -> Damage:
    return _archive(lambda arrays: {**arrays, (name := sorted(arrays)[0]): change(arrays[name])})


ARCHIVES: dict[str, Damage] = {
    "no array": _archive(lambda arrays: {}),
    "an array less": _archive(lambda arrays: dict(sorted(arrays.items())[1:])),
    "an array renamed": _archive(lambda arrays: {f"{name} ": array for name, array in arrays.items()}),
    "an array of objects": _first(_pickled),
    "an array of nan": _first(lambda array: np.full(array.shape, np.nan, np.float32)),
    "an array of another shape": _first(lambda array: np.zeros((3, 5, 7), np.float32)),
    "a pickle": ARRAYS["pickle"],
    "an array alone": lambda path, draws: path.write_bytes(_npy(np.zeros(3))),
}


def _npy(array: np.ndarray) -> bytes:
    import io

    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


NUMBERS: dict[str, Damage] = {
    f"number {text!r}": _content(lambda content, draws, text=text: text.encode())
    for text in ("-1", "0", "1", "2", "999", HUGE, "9" * 5000, "nan", "1e3", "3.0", "3 3", "\uff13", "+3", "0x3", "3\0")
}


def _lines(change: Callable[[list[bytes]], list[bytes]]) -> Damage:
    return _content(lambda content, draws: b"".join(change(content.splitlines(keepends=True))))


LISTS: dict[str, Damage] = {
    "a line less": _lines(lambda lines: lines[:-1]),
    "the first line less": _lines(lambda lines: lines[1:]),
    "a line more": _lines(lambda lines: [*lines, b"another.wav.npy\n"]),
    "a line twice": _lines(lambda lines: [*lines, *lines[-1:]]),
    "a line for another": _lines(lambda lines: [*lines[:-1], *lines[-2:-1]]),
    "in another order": _lines(lambda lines: lines[::-1]),
    "no last line end": _lines(lambda lines: [*lines[:-1], *(line.rstrip(b"\n") for line in lines[-1:])]),
    "ends of Windows": _content(lambda content, draws: content.replace(b"\n", b"\r\n")),
    "leads out": _lines(lambda lines: [*lines[:-1], b"../outside" + b"".join(lines[-1:])]),
    "absolute": _lines(lambda lines: [*lines[:-1], b"/etc/outside" + b"".join(lines[-1:])]),
    "an empty line": _lines(lambda lines: [*lines[:1], b"\n", *lines[1:]]),
    "a NUL": _lines(lambda lines: [*lines[:-1], *(b"\0" + line for line in lines[-1:])]),
    "a megabyte": _lines(lambda lines: [*lines, b"x" * 1_000_000 + b"\n"]),
}


def _cells(change: Callable[[bytes], bytes]) -> Damage:
    """Change the numbers of the last line of a table."""
    import re

    return _lines(
        lambda lines: [*lines[:-1], *(re.sub(rb"(?<=,)-?[0-9.]+(?=,|\n)", change(b""), line) for line in lines[-1:])]
    )


TABLES: dict[str, Damage] = {
    "another heading": _lines(lambda lines: [b"a,b,c\n", *lines[1:]]),
    "numbers below zero": _cells(lambda _: b"-7"),
    "numbers of 30 digits": _cells(lambda _: HUGE.encode()),
    "numbers of 5,000 digits": _cells(lambda _: b"9" * 5000),
    "nan": _cells(lambda _: b"nan"),
    "1e999": _cells(lambda _: b"1e999"),
    "no numbers": _cells(lambda _: b"x"),
    "a quote": _lines(lambda lines: [*lines[:-1], b'"' + b"".join(lines[-1:])]),
    "a cell more": _lines(lambda lines: [*lines[:-1], b"x," + b"".join(lines[-1:])]),
}

YAML: dict[str, Damage] = {
    "a bomb": _content(lambda content, draws: b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
        b"%c: &%c [%s]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 9)) for n in range(8)) + content),
    "a tag": _content(lambda content, draws: b"seed: !!python/object/apply:os.system ['touch outside']\n" + content),
    "nan": _lines(lambda lines: [line.split(b":")[0] + b": .nan\n" for line in lines]),
    "null": _lines(lambda lines: [line.split(b":")[0] + b":\n" for line in lines]),
    "lists": _lines(lambda lines: [line.split(b":")[0] + b": [1, 2]\n" for line in lines]),
    "digits": _lines(lambda lines: [line.split(b":")[0] + b": " + b"9" * 5000 + b"\n" for line in lines]),
    "brackets": _content(lambda content, draws: b"[" * 50_000),
    "a list": _content(lambda content, draws: b"- 1\n- 2\n"),
    "an unknown key": _content(lambda content, draws: content + b"colour: red\n"),
}  # fmt: skip

JSON: dict[str, Damage] = {
    text.decode()[:12]: _content(lambda content, draws, text=text: text)
    for text in (
        b"[]",
        b"{}",
        b"null",
        b"1e999",
        b'{"files": 1}',
        b"[" * 100_000,
        b'{"files": ["../../x"], "before": []}',
    )
}


def damages_of(path: Path) -> dict[str, Damage]:
    """Return what can become of a file, by the kind that its name tells."""
    more = {
        ".npy": ARRAYS,
        ".npz": ARCHIVES,
        ".csv": LISTS | TABLES,
        ".yaml": LISTS | YAML,
        ".json": JSON,
        ".txt": NUMBERS if path.name == "epoc_num.txt" else LISTS,
    }
    return ANY | more.get(path.suffix, {})
