"""The run folder: its names, reading what lies under them, committing a save, and repairing what a kill left.

A save is everything of number x under its own name, then epoc_num.txt replaced, which is the commit. So whenever the
process dies the folder holds one whole save; what lies above epoc_num.txt is a remnant, removed by the next writer.
"""

from __future__ import annotations

import contextlib
import csv
import io
import math
import os
import re
import shlex
import struct
import tokenize
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np

from config import CONFIG_NAME, to_yaml
from files import (
    atomic_write,
    has_line_break,
    is_plain,
    save_array,
    write_file,
)
from utils import UserError, examples, require_file, shortened

SAVE_NUMBER_NAME = "epoc_num.txt"
SONG_LIST_NAME = "music_list.txt"
COSTS_NAME = "cost_list.csv"
WEIGHTS_NAME = "weights"
UNFINISHED_NAME = "unfinished_list.txt"  # of vectors that calc_all_vecs.py has not made a save of
MADE_WITH_NAME = "made_with.yaml"  # in a folder of vectors that calc_all_vecs.py made: of which run and weights

COUNTS = ("step", "stamps")  # the only arrays of weights/ that are integers
LARGEST_ITEM = 8  # bytes: what a long double is differs from machine to machine
LONGEST_NUMBER = 40  # characters of epoc_num.txt

# What numpy and zipfile raise for a file that is cut short or damaged, in its many ways
UNREADABLE = (
    *(OSError, ValueError, TypeError, KeyError, EOFError, MemoryError, OverflowError, RuntimeError, SyntaxError),
    *(zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError),
)

_LEADING_DOTS = re.compile(r"^(?:\./+)+")

# Every file that carries a save's number, as (folder, pattern).
VECTORS = re.compile(r"vector_at_(\d+)\.npy")
SONG_LISTS = re.compile(r"music_list_at_(\d+)\.txt")
WEIGHTS = re.compile(r"(?!descriptor_)\w+_at_(\d+)\.npz")

# Track descriptors, which older versions wrote here and in weights/: nobody reads them, and the next save removes them
DESCRIPTORS = re.compile(r"descriptor_at_(\d+)\.np[yz]")


def vectors_path(run: Path, save: int) -> Path:
    return Path(run) / f"vector_at_{save}.npy"


def song_list_path(run: Path, save: int) -> Path:
    return Path(run) / f"music_list_at_{save}.txt"


def weights_path(run: Path, part: str, save: int) -> Path:
    return Path(run) / WEIGHTS_NAME / f"{part}_at_{save}.npz"


def newest_save(run: Path) -> int:
    """Return the number of the newest committed save, 0 where there is none."""
    path = Path(run) / SAVE_NUMBER_NAME
    require_file(path)
    try:
        with open(path, errors="replace") as file:
            text = file.read(LONGEST_NUMBER)
    except FileNotFoundError:
        return 0
    save = int(text) if re.fullmatch(r"\s*\d+\s*", text, re.ASCII) and len(text) < LONGEST_NUMBER else 0
    if save < 1:
        raise UserError(f"{path}: expected the number of a save, found {text!r}; restore it")
    return save


def encode_names(names: list[str]) -> bytes:
    return "".join(f"{name}\n" for name in names).encode("utf-8", "surrogateescape")


def decode_names(content: bytes) -> list[str]:
    """Return the lines of a list; those of an editor that ends them as Windows does lose that."""
    return [line.removesuffix("\r") for line in content.decode("utf-8", "surrogateescape").split("\n")[:-1]]


def newest_list(run: Path, save: int) -> int:
    """Return the x of the newest music_list_at_{x}.txt with x <= save, 0 where there is none."""
    return max((x for x in numbers(Path(run), SONG_LISTS) if x <= save), default=0)


def read_song_list(run: Path, save: int) -> list[str]:
    """Return the songs' names, one for each row of vector_at_{save}.npy, without the './' of other programs' lists.

    Raises UserError where a name leads out of the folders that names are joined to, or stands there twice.
    """
    listed = newest_list(run, save)
    path = song_list_path(run, listed) if listed else Path(run) / SONG_LIST_NAME
    require_file(path)
    names = [_LEADING_DOTS.sub("", line) for line in decode_names(path.read_bytes())]
    require_plain(path, names)
    if len(set(names)) < len(names):
        name = next(name for name, count in Counter(names).items() if count > 1)
        line = names.index(name, names.index(name) + 1) + 1
        raise UserError(f"{path}, line {line}: {shortened(repr(name))} stands there twice; restore the list")
    return names


def require_plain(path: Path, names: Iterable[str]) -> None:
    """Raise UserError where a name of a list, one a line, leads out of the folders that names are joined to."""
    for line, name in enumerate(names, start=1):
        if not is_plain(name) or has_line_break(name):
            raise UserError(f"{path}, line {line}: {shortened(repr(name))} is no path below a folder; restore the list")


def require_run(run: Path) -> int:
    """Return the newest save's number. Raises UserError where the folder is no run folder, or has no save yet."""
    if not Path(run).is_dir():
        raise UserError(f"{run}: no such run folder; make one with spectrogram_doc2vec.py MEL_FOLDER {run}")
    save = newest_save(run)
    if not save and ((Path(run) / UNFINISHED_NAME).exists() or (Path(run) / MADE_WITH_NAME).exists()):
        raise UserError(f"{run}: holds no whole save of calc_all_vecs.py --level song; run that command again")
    if not save:
        raise UserError(f"{run}: holds no {SAVE_NUMBER_NAME}, so no save; train it with spectrogram_doc2vec.py first")
    return save


def made_with(run: Path, save: int, digest: str, level: str) -> bytes:
    """Return made_with.yaml: which run and save made vectors, and a digest of the weights that decide them.

    level  "frame" or "song": of what they are. The run's path is absolute, to be found from wherever somebody looks.
    """
    return to_yaml({"run": os.fspath(Path(run).absolute()), "save": save, "weights": digest, "level": level})


def how_to_make_mels(run: Path) -> str:
    """Return the command that makes mels as a run wants them."""
    return f"spectrify_all.py AUDIO_FOLDER NEW_MEL_FOLDER --config {shlex.quote(str(Path(run) / CONFIG_NAME))}"


Shape = tuple[int | None, ...]  # None: any


def read_weights(
    run: Path, part: str, save: int, needed: Iterable[str] | Mapping[str, Shape] = ()
) -> dict[str, np.ndarray]:
    """Return the arrays of a part by name. Runs of older versions may hold fewer.

    Raises UserError where it is not readable, or does not hold what is needed, see `require_arrays`.
    """
    path = weights_path(run, part, save)
    require_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > os.path.getsize(path):
                raise ValueError("its arrays are larger than the file")  # compressed: a bomb, as we write none
            arrays = {}
            for member in archive.namelist():
                with archive.open(member) as file:
                    arrays[member.removesuffix(".npy")] = np.lib.format.read_array(file, allow_pickle=False)
    except UNREADABLE as error:
        raise UserError(f"{path}: not readable ({error}); restore it, or train into another folder") from None
    require_arrays(path, arrays, needed)
    return arrays


def require_arrays(path: Path, arrays: Mapping[str, np.ndarray], needed: Iterable[str] | Mapping[str, Shape]) -> None:
    """Raise UserError where the arrays that a file of weights/ holds are not all that are needed.

    needed  names; or names with shapes, and then the arrays must be finite numbers of the right kind too.
    """
    if missing := [name for name in needed if name not in arrays]:
        raise UserError(
            f"{path}: holds no {examples(missing)}, so another version made it; go on with that version, or train into "
            "another folder"
        )
    for name, shape in needed.items() if isinstance(needed, Mapping) else ():
        array = arrays[name]
        kinds = "iu" if name in COUNTS else "f"
        fits = len(array.shape) == len(shape) and all(b in (a, None) for a, b in zip(array.shape, shape, strict=True))
        fits &= array.dtype.kind in kinds and array.dtype.itemsize <= LARGEST_ITEM
        if not fits or (name in COUNTS and not all(0 <= count < MOST_PAIRS for count in (array.min(), array.max()))):
            what = f"{name} of shape {array.shape} and type {array.dtype}"
            raise UserError(
                f"{path}: holds {what}, which does not fit the run; restore it, or train into another folder"
            )
        if not np.isfinite(array).all():
            raise UserError(f"{path}: holds values that are not finite; restore it, or train into another folder")


@dataclass(frozen=True, slots=True)
class CostRow:
    """One row of cost_list.csv."""

    epoc: int  # number of the save
    cost: float  # mean training cost since the save before, nats; nan where no step was taken
    held_out_cost: float  # nats; nan where the songs are too short to hold anything out
    pairs: int  # positive pairs trained on, over all runs so far
    seconds: float  # inside training steps, over all runs so far


COST_COLUMNS = tuple(field.name for field in fields(CostRow))


def read_costs(run: Path) -> list[CostRow]:
    """Return the rows of the committed saves, oldest first."""
    path = Path(run) / COSTS_NAME
    save = newest_save(run)
    require_file(path)
    try:
        text = path.read_text(errors="replace")
    except FileNotFoundError:
        return []
    try:
        lines = list(csv.DictReader(io.StringIO(text), strict=True))
        rows = [_cost_row(line) for line in lines]
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        what = shortened(str(error))
        raise UserError(f"{path}: not a table of {','.join(COST_COLUMNS)} ({what}); restore it") from None
    return [row for row in rows if row.epoc <= save]


def _cost_row(line: dict[str, str]) -> CostRow:
    row = CostRow(*(kind(line[name]) for name, kind in _COST_KINDS.items()))
    if row.epoc < 1 or not 0 <= row.pairs < MOST_PAIRS or not 0 <= row.seconds < math.inf or math.isinf(row.cost):
        raise ValueError(f"epoc {row.epoc}, cost {row.cost}, pairs {row.pairs}, seconds {row.seconds}")
    return row


MOST_PAIRS = 2**62
_COST_KINDS = {"epoc": int, "cost": float, "held_out_cost": float, "pairs": int, "seconds": float}


def _cost_text(rows: list[CostRow]) -> bytes:
    lines = [",".join(COST_COLUMNS)]
    for row in rows:
        epoc, cost, held_out_cost, pairs, seconds = astuple(row)
        lines.append(f"{epoc},{cost:.6f},{held_out_cost:.6f},{pairs},{seconds:.2f}")
    return ("\n".join(lines) + "\n").encode()


def commit_save(
    run: Path,
    save: int,
    vectors: np.ndarray,
    weights: Mapping[str, Mapping[str, np.ndarray]],
    costs: list[CostRow],
    config: bytes,
    keep_vectors: int,
    new_list: list[str] | None,
) -> None:
    """Write save number `save`; needs the lock. Killed at any instant, the folder holds this or the save before, whole.

    vectors   (songs, dims) float32.
    weights   part -> name -> array; each part becomes one file in weights/.
    costs     every row so far, this save's last.
    new_list  the songs' names where they are not those of the save before, else None.
    """
    run = Path(run)
    (run / WEIGHTS_NAME).mkdir(exist_ok=True)
    save_array(vectors_path(run, save), vectors, durable=True)
    for part, arrays in weights.items():
        with atomic_write(weights_path(run, part, save), durable=True) as file:
            np.savez(file, **arrays)
    if new_list is not None:
        write_file(song_list_path(run, save), encode_names(new_list), durable=True)
    if not has_content(run / CONFIG_NAME, config):
        write_file(run / CONFIG_NAME, config, durable=True)
    write_file(run / COSTS_NAME, _cost_text(costs), durable=True)
    write_file(run / SAVE_NUMBER_NAME, f"{save}\n".encode(), durable=True)
    refresh_copy(run, save)
    remove_all(superfluous(run, save, keep_vectors))


def refresh_copy(run: Path, save: int) -> None:
    """Make music_list.txt the list of a save. Needs the lock."""
    names = encode_names(read_song_list(run, save))
    if not has_content(run / SONG_LIST_NAME, names):
        write_file(run / SONG_LIST_NAME, names, durable=True)


def superfluous(run: Path, save: int, keep_vectors: int | None) -> list[Path]:
    """Return the files of earlier saves that a whole save has no use for, in the order in which they may go.

    A reader must never find an older list than the one it needs, so of each kind the lowest number goes first.
    keep_vectors  how many saves' vectors stay; None where nobody knows: all of them.
    """
    kept = save - (keep_vectors or save)
    vectors = [x for x in numbers(run, VECTORS) if x > kept]
    oldest_needed = newest_list(run, min(vectors, default=save))
    return [
        *files_of(run / WEIGHTS_NAME, WEIGHTS, lambda x: x < save),
        *files_of(run, VECTORS, lambda x: x <= kept),
        *files_of(run, DESCRIPTORS, lambda x: x < save),
        *files_of(run / WEIGHTS_NAME, DESCRIPTORS, lambda x: x < save),
        *files_of(run, SONG_LISTS, lambda x: x < oldest_needed),
    ]


def highest_number(run: Path) -> int:
    """Return the highest number that a file of a save carries, 0 where none does."""
    return max((x for folder, pattern in numbered(run) for x in numbers(folder, pattern)), default=0)


def numbered(run: Path) -> list[tuple[Path, re.Pattern[str]]]:
    """Return where the files of a save lie, and what their names are."""
    return [(run, VECTORS), (run, SONG_LISTS), (run / WEIGHTS_NAME, WEIGHTS)]


def numbers(folder: Path, pattern: re.Pattern[str]) -> list[int]:
    """Return the numbers of the files whose names match."""
    with contextlib.suppress(FileNotFoundError):
        return [int(match[1]) for match in map(pattern.fullmatch, os.listdir(folder)) if match]
    return []


def files_of(folder: Path, pattern: re.Pattern[str], wanted: Callable[[int], bool]) -> list[Path]:
    """Return the files whose names match and whose number is wanted, lowest first."""
    with contextlib.suppress(FileNotFoundError):
        matches = [match for match in map(pattern.fullmatch, os.listdir(folder)) if match and wanted(int(match[1]))]
        return [folder / match[0] for match in sorted(matches, key=lambda match: int(match[1]))]
    return []


def remove_all(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def has_content(path: Path, content: bytes) -> bool:
    """Tell whether a file is there and holds just this."""
    with contextlib.suppress(FileNotFoundError):
        return path.is_file() and path.read_bytes() == content
    return False
