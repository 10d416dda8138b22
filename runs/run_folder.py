"""The run folder: its names, reading what lies under them, committing a save, and repairing what a kill left.

A save is everything of number x under its own name, then epoc_num.txt replaced, which is the commit. So whenever the
process dies the folder holds one whole save; what lies above epoc_num.txt is a remnant, removed by the next writer.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import re
import shlex
import zipfile
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
    remove_temporaries,
    require_ours_or_empty,
    require_real_folders,
    save_array,
    write_file,
)
from utils import UserError, examples, shortened

SAVE_NUMBER_NAME = "epoc_num.txt"
SONG_LIST_NAME = "music_list.txt"
COSTS_NAME = "cost_list.csv"
WEIGHTS_NAME = "weights"
UNFINISHED_NAME = "unfinished_list.txt"  # of vectors that calc_all_vecs.py has not made a save of
MADE_WITH_NAME = "made_with.yaml"  # in a folder of vectors that calc_all_vecs.py made: of which run and weights

# What numpy raises for a file that is cut short or damaged
UNREADABLE = (OSError, ValueError, EOFError, zipfile.BadZipFile)

_LEADING_DOTS = re.compile(r"^(?:\./+)+")

# Every file that carries a save's number, as (folder, pattern).
_VECTORS = re.compile(r"vector_at_(\d+)\.npy")
_SONG_LISTS = re.compile(r"music_list_at_(\d+)\.txt")
_WEIGHTS = re.compile(r"(?!descriptor_)\w+_at_(\d+)\.npz")

# Track descriptors, which older versions wrote here and in weights/: nobody reads them, and the next save removes them
_DESCRIPTORS = re.compile(r"descriptor_at_(\d+)\.np[yz]")


def vectors_path(run: Path, save: int) -> Path:
    return Path(run) / f"vector_at_{save}.npy"


def song_list_path(run: Path, save: int) -> Path:
    return Path(run) / f"music_list_at_{save}.txt"


def weights_path(run: Path, part: str, save: int) -> Path:
    return Path(run) / WEIGHTS_NAME / f"{part}_at_{save}.npz"


def newest_save(run: Path) -> int:
    """Return the number of the newest committed save, 0 where there is none."""
    path = Path(run) / SAVE_NUMBER_NAME
    try:
        text = path.read_text(errors="replace")
    except FileNotFoundError:
        return 0
    save = int(text) if re.fullmatch(r"\s*\d+\s*", text, re.ASCII) else 0
    if save < 1:
        raise UserError(f"{path}: expected the number of a save, found {text[:40]!r}; restore it")
    return save


def encode_names(names: list[str]) -> bytes:
    return "".join(f"{name}\n" for name in names).encode("utf-8", "surrogateescape")


def decode_names(content: bytes) -> list[str]:
    """Return the lines of a list; those of an editor that ends them as Windows does lose that."""
    return [line.removesuffix("\r") for line in content.decode("utf-8", "surrogateescape").split("\n")[:-1]]


def newest_list(run: Path, save: int) -> int:
    """Return the x of the newest music_list_at_{x}.txt with x <= save, 0 where there is none."""
    return max((x for x in _numbers(Path(run), _SONG_LISTS) if x <= save), default=0)


def read_song_list(run: Path, save: int) -> list[str]:
    """Return the songs' names, one for each row of vector_at_{save}.npy, without the './' of other programs' lists.

    Raises UserError where a name leads out of the folders that names are joined to, or stands there twice.
    """
    listed = newest_list(run, save)
    path = song_list_path(run, listed) if listed else Path(run) / SONG_LIST_NAME
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


def read_weights(run: Path, part: str, save: int, needed: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """Return the arrays of a part by name. Raises UserError where it is not readable, or one that is needed is missing.

    Runs of older versions may hold fewer arrays.
    """
    path = weights_path(run, part, save)
    try:
        with open(path, "rb") as file, np.load(file) as archive:
            arrays = dict(archive)
    except UNREADABLE as error:
        raise UserError(f"{path}: not readable ({error}); restore it, or train into another folder") from None
    require_arrays(path, arrays, needed)
    return arrays


def require_arrays(path: Path, arrays: Mapping[str, np.ndarray], needed: Iterable[str]) -> None:
    """Raise UserError where the arrays that a file of weights/ holds are not all that are needed."""
    if missing := [name for name in needed if name not in arrays]:
        raise UserError(
            f"{path}: holds no {examples(missing)}, so another version made it; go on with that version, or train into "
            "another folder"
        )


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
    try:
        text = path.read_text(errors="replace")
    except FileNotFoundError:
        return []
    try:
        lines = list(csv.DictReader(io.StringIO(text)))
        rows = [CostRow(*(kind(line[name]) for name, kind in _COST_KINDS.items())) for line in lines]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: not a table of {','.join(COST_COLUMNS)} ({error}); restore it") from None
    return [row for row in rows if row.epoc <= save]


_COST_KINDS = {"epoc": int, "cost": float, "held_out_cost": float, "pairs": int, "seconds": float}


def _cost_text(rows: list[CostRow]) -> bytes:
    lines = [",".join(COST_COLUMNS)]
    for row in rows:
        epoc, cost, held_out_cost, pairs, seconds = astuple(row)
        lines.append(f"{epoc},{cost:.6f},{held_out_cost:.6f},{pairs},{seconds:.2f}")
    return ("\n".join(lines) + "\n").encode()


def prepare(run: Path) -> None:
    """Make the folder, and tell whether it may be trained into. Needs no lock.

    Raises UserError where it is no run folder and holds something else, or holds saves but not the newest one's number.
    """
    public = (CONFIG_NAME, SONG_LIST_NAME, COSTS_NAME, WEIGHTS_NAME)
    numbered = (_VECTORS, _DESCRIPTORS, _SONG_LISTS)

    def is_ours(name: str) -> bool:
        return name in public or any(pattern.fullmatch(name) for pattern in numbered) or newest_save(run) > 0

    if (Path(run) / MADE_WITH_NAME).exists() or (Path(run) / UNFINISHED_NAME).exists():
        raise UserError(f"{run}: holds vectors of calc_all_vecs.py and no networks to train; name another folder")
    require_ours_or_empty(run, "run folder", is_ours)
    require_real_folders(run, [f"{WEIGHTS_NAME}/"])
    Path(run).mkdir(parents=True, exist_ok=True)
    _refuse_lost_number(Path(run))


def _refuse_lost_number(run: Path) -> None:
    """Raise UserError where there are saves and no epoc_num.txt: only a first save that was killed leaves that."""
    # In this order: a trainer at work writes the files of a save after the number of the one before.
    highest = _highest(run)
    has_list = (run / SONG_LIST_NAME).exists()
    if newest_save(run) or (highest <= 1 and not has_list):
        return
    held = f"saves up to {highest}" if highest else SONG_LIST_NAME
    # A save leaves the weights of those before to the moment after its commit, so the lowest one is committed for sure.
    committed = min((x for x in _numbers(run / WEIGHTS_NAME, _WEIGHTS) if not _what_is_missing(run, x)), default=0)
    number = f" (it holds the number {committed})" if committed else ""
    raise UserError(f"{run}: holds {held} but no {SAVE_NUMBER_NAME}; restore it{number}, or name another folder")


def _what_is_missing(run: Path, save: int) -> str:
    """Return in words what a save lacks to be gone on from, "" where it is whole."""
    folder, ending = run / WEIGHTS_NAME, f"_at_{save}.npz"
    files = [path.name for path in folder.glob(f"*{ending}") if _WEIGHTS.fullmatch(path.name)]
    if not files:
        return f"{folder} holds no file of it"
    try:
        for name in files:
            read_weights(run, name.removesuffix(ending), save)
    except UserError as error:
        return str(error).partition(";")[0]
    try:
        names = read_song_list(run, save)
        shape = np.load(vectors_path(run, save), mmap_mode="r").shape
    except UNREADABLE as error:
        return f"{vectors_path(run, save)} or its song list is not readable ({error})"
    return "" if shape[:1] == (len(names),) else f"{vectors_path(run, save)} is not of the {len(names)} songs listed"


def is_whole(run: Path) -> bool:
    """Tell whether nothing of a killed writer is left to repair. Changes nothing, so it needs no lock."""
    run, save = Path(run), newest_save(run)
    return _highest(run) <= save and has_content(run / SONG_LIST_NAME, encode_names(read_song_list(run, save)))


def repair(run: Path) -> None:
    """Remove what a killed save left above epoc_num.txt, and renew the copy of the newest list. Needs the lock.

    Raises UserError, and removes nothing, where epoc_num.txt is missing or names a save that is not whole.
    """
    run, save = Path(run), newest_save(run)
    require_real_folders(run, [f"{WEIGHTS_NAME}/"])
    _refuse_lost_number(run)
    highest = _highest(run)
    if 0 < save < highest and (missing := _what_is_missing(run, save)):
        raise UserError(
            f"{run / SAVE_NUMBER_NAME}: says {save}, and there are files up to {highest}, but {missing}; restore the "
            "right number, or name another folder"
        )
    for folder, pattern in _numbered(run):
        remove_temporaries(folder)
        _remove(folder, pattern, lambda x: x > save)
    if save:
        _refresh_copy(run, save)


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
    _refresh_copy(run, save)
    _prune(run, save, keep_vectors)


def _refresh_copy(run: Path, save: int) -> None:
    names = encode_names(read_song_list(run, save))
    if not has_content(run / SONG_LIST_NAME, names):
        write_file(run / SONG_LIST_NAME, names, durable=True)


def _prune(run: Path, save: int, keep_vectors: int) -> None:
    _remove(run / WEIGHTS_NAME, _WEIGHTS, lambda x: x != save)
    _remove(run, _VECTORS, lambda x: x <= save - keep_vectors)
    for folder in (run, run / WEIGHTS_NAME):
        _remove(folder, _DESCRIPTORS, lambda x: True)
    oldest_needed = newest_list(run, min(_numbers(run, _VECTORS), default=save))
    _remove(run, _SONG_LISTS, lambda x: x < oldest_needed)


def _numbered(run: Path) -> list[tuple[Path, re.Pattern[str]]]:
    return [(run, _VECTORS), (run, _SONG_LISTS), (run / WEIGHTS_NAME, _WEIGHTS)]


def _highest(run: Path) -> int:
    """Return the highest number that a file carries, 0 where none does."""
    return max((x for folder, pattern in _numbered(run) for x in _numbers(folder, pattern)), default=0)


def _numbers(folder: Path, pattern: re.Pattern[str]) -> list[int]:
    with contextlib.suppress(FileNotFoundError):
        return [int(match[1]) for match in map(pattern.fullmatch, os.listdir(folder)) if match]
    return []


def _remove(folder: Path, pattern: re.Pattern[str], unwanted: Callable[[int], bool]) -> None:
    """Remove files by their number, lowest first: a reader must never find an older list than the one it needs."""
    with contextlib.suppress(FileNotFoundError):
        matches = [match for match in map(pattern.fullmatch, os.listdir(folder)) if match and unwanted(int(match[1]))]
        for match in sorted(matches, key=lambda match: int(match[1])):
            (folder / match[0]).unlink()


def has_content(path: Path, content: bytes) -> bool:
    """Tell whether a file is there and holds just this."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes() == content
    return False
