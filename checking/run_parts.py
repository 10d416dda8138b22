"""What all run folders share: the newest save's number, the lists of songs, and the vectors of each save."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from checking.checked import RESTORE, Checked, after_removal, look_at, quoted, require_line_end
from config import Config
from files import byte_order
from runs.run_folder import (
    SAVE_NUMBER_NAME,
    SONG_LIST_NAME,
    SONG_LISTS,
    VECTORS,
    WEIGHTS,
    WEIGHTS_NAME,
    encode_names,
    has_content,
    newest_list,
    newest_save,
    numbers,
    read_song_list,
    song_list_path,
    vectors_path,
)
from runs.vectors import are_finite, load_vectors
from utils import UserError, examples, plural

RUN_FOLDER, FOREIGN_RUN_FOLDER = "run folder", "run folder of another program"
INFERRED_RUN_FOLDER = "run folder of inferred songs"
TRAIN, INFER = "spectrogram_doc2vec.py", "calc_all_vecs.py"
LARGEST_VECTORS = 100_000_000_000  # bytes of a file
MOST_DIMENSIONS = 1 << 16


@dataclass
class RunLook:
    """What is known of a run so far."""

    checked: Checked
    again: str  # the command that made it
    save: int = 0  # the newest, as epoc_num.txt says it, or as it should
    is_numbered: bool = False  # whether epoc_num.txt says it rightly
    config: Config | None = None
    lists: dict[int, list[str]] = field(default_factory=dict)  # the whole ones, by number; 0 is music_list.txt
    shapes: dict[int, tuple[int, int]] = field(default_factory=dict)  # of whole vectors by save: songs, dimensions

    @property
    def run(self) -> Path:
        return self.checked.folder

    @property
    def is_trained(self) -> bool:
        return self.checked.kind == RUN_FOLDER

    @property
    def is_foreign(self) -> bool:
        return self.checked.kind == FOREIGN_RUN_FOLDER

    def names(self, save: int) -> list[str] | None:
        """Return the songs of a save's vectors; None where their list is damaged."""
        return self.lists.get(newest_list(self.run, save))

    def list_name(self, save: int) -> str:
        """Return the name of a save's list."""
        listed = newest_list(self.run, save)
        return song_list_path(self.run, listed).name if listed else SONG_LIST_NAME


def check_number(look: RunLook) -> None:
    """Look at epoc_num.txt, and find the newest save where that does not say it."""
    run, path = look.run, look.run / SAVE_NUMBER_NAME
    whole = _whole_saves(look)
    remedy = after_removal(path, f"echo {whole[0]} > {quoted(path)}") if whole else RESTORE
    highest = max(numbers(run, VECTORS), default=1)
    if not look.is_foreign and not whole and highest <= 1 and not os.path.lexists(run / SONG_LIST_NAME):
        remedy = f"its first save was cut off, and the next run begins anew: {look.again}"
    look.save, look.is_numbered = whole[0] if whole else highest, False
    with look.checked.part(SAVE_NUMBER_NAME, remedy) as part:
        look_at(path)
        save = newest_save(run)
        if not save:
            raise FileNotFoundError
        if whole and save not in _numbers_of_saves(look):
            raise UserError(f"{path}: says {save}, of which nothing is there; {remedy}")
        look.save, look.is_numbered = save, True
        part.what = f"save {save}"


def _whole_saves(look: RunLook) -> list[int]:
    """Return the numbers of the saves whose vectors have a list that fits: epoc_num.txt may name the first of them.

    Where there are weights, that is the lowest that has any, because those before it go only after a commit.
    """
    saves = []
    for save in _numbers_of_saves(look):
        listed = newest_list(look.run, save)
        try:
            look_at(song_list_path(look.run, listed) if listed else look.run / SONG_LIST_NAME)
            if len(_load(vectors_path(look.run, save))) == len(read_song_list(look.run, save)):
                saves.append(save)
        except (UserError, OSError):
            continue
    return saves


def _numbers_of_saves(look: RunLook) -> list[int]:
    folder = look.run / WEIGHTS_NAME
    weights = sorted(set(numbers(folder, WEIGHTS))) if look.is_trained and folder.is_dir() else []
    return weights or sorted(numbers(look.run, VECTORS), reverse=True)


def check_lists(look: RunLook) -> None:
    """Look at the numbered lists and at music_list.txt."""
    run, listed = look.run, [x for x in sorted(numbers(look.run, SONG_LISTS)) if x <= look.save]
    copy = run / SONG_LIST_NAME
    for number in listed:
        path = song_list_path(run, number)
        remedy = f"{RESTORE}; or, where {SONG_LIST_NAME} is right: cp {quoted(copy)} {quoted(path)}"
        with look.checked.part(path.name, remedy if number == listed[-1] else RESTORE) as part:
            look.lists[number] = _read_list(look, path, number)
            part.what = plural(len(look.lists[number]), "song")
    if not listed:
        with look.checked.part(SONG_LIST_NAME) as part:
            look.lists[0] = _read_list(look, copy, look.save)
            part.what = plural(len(look.lists[0]), "song") + _peculiarities(copy, look.lists[0])
        if look.is_trained:
            path = song_list_path(run, 1)
            what = f"is not there, nor any list with another number, and {TRAIN} wrote one"
            remedy = f"{RESTORE}; or, where {SONG_LIST_NAME} is right: cp {quoted(copy)} {quoted(path)}"
            look.checked.find(path, what, remedy)
        return
    newest = song_list_path(run, listed[-1])
    remedy = after_removal(copy, f"cp {quoted(newest)} {quoted(copy)}")
    with look.checked.part(SONG_LIST_NAME, remedy) as part:
        look_at(copy)
        if listed[-1] not in look.lists:
            part.what = f"not compared with {newest.name}, which is damaged"
        elif has_content(copy, encode_names(look.lists[listed[-1]])):
            part.what = f"the same as {newest.name}"
        else:
            raise UserError(f"{copy}: is no copy of {newest.name}; {remedy}")


def _read_list(look: RunLook, path: Path, save: int) -> list[str]:
    """Return the names of a list. Raises UserError where it is damaged, as far as it alone can tell."""
    look_at(path)
    names = read_song_list(look.run, save)
    if look.is_foreign:
        return names
    require_line_end(path)
    if any(b"\r" in line for line in _lines(path)):
        raise UserError(f"{path}: its lines end as Windows ends them; {RESTORE}")
    for line, name in enumerate(names[1:], start=2):
        if byte_order(name) < byte_order(names[line - 2]):
            told = examples([name])
            raise UserError(f"{path}, line {line}: {told} is out of order: rows would get others' names; {RESTORE}")
    return names


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\n")


def _peculiarities(path: Path, names: list[str]) -> str:
    """Return in words what is unlike our own lists and does not matter."""
    lines, told = _lines(path), ""
    if any(line.startswith(b"./") for line in lines):
        told += ", './' before names is left out"
    if any(line.endswith(b"\r") for line in lines):
        told += ", line ends of Windows are left out"
    return told + ("" if names == sorted(names, key=byte_order) else ", in an order of its own")


def check_vectors(look: RunLook) -> None:
    """Look at the vectors of each save."""
    run = look.run
    for save in sorted({*(x for x in numbers(run, VECTORS) if x < look.save), look.save} - {0}):
        path = vectors_path(run, save)
        remedy = RESTORE if look.is_trained or look.is_foreign else f"{RESTORE}, or name a new folder"
        if look.is_trained and save < look.save:
            remedy = f"no script needs it: rm {quoted(path)}"
        with look.checked.part(path.name, remedy) as part:
            vectors = _load(path)
            songs, dims = vectors.shape
            names = look.names(save)
            if look.config and dims != look.config.output_vector_size:
                wanted = look.config.output_vector_size
                raise UserError(f"{path}: has {dims} dimensions where config.yaml says {wanted}; {remedy}")
            if names is not None and songs != len(names):
                what = f"has {songs:,} rows where {look.list_name(save)} names {plural(len(names), 'song')}"
                raise UserError(f"{path}: {what}: one of the two is damaged; {remedy}")
            if not look.is_foreign and vectors.dtype != np.float32:
                raise UserError(f"{path}: holds {vectors.dtype.str} and no float32; {remedy}")
            if not songs or dims > MOST_DIMENSIONS:
                raise UserError(f"{path}: holds an array of shape {vectors.shape}; {remedy}")
            if not are_finite(vectors):
                raise UserError(f"{path}: holds values that are not finite; {remedy}")
            part.what = f"{plural(songs, 'song')}, {dims} dimensions"
            if names is not None:
                look.shapes[save] = (songs, dims)


def _load(path: Path):
    look_at(path, LARGEST_VECTORS)
    return load_vectors(path, mapped=True)


def say_which_vectors(look: RunLook) -> None:
    """Add a line of what the vectors can be used for."""
    usable = look.checked.usable
    if look.is_numbered and look.save in look.shapes:
        songs, dims = look.shapes[look.save]
        held = f"{plural(songs, 'song')}, {dims} dimensions"
        where = f"vectors of save {look.save} with {look.list_name(look.save)}"
        usable.append(f"{where}: {held}; usable by every script of process_results and the page")
        return
    same = [save for save in look.shapes if save < look.save and look.names(save) == look.names(look.save)]
    if look.is_numbered and same:
        path = vectors_path(look.run, max(same))
        usable.append(f"vectors of save {max(same)}, by every script that takes --vectors {quoted(path)}")
    else:
        usable.append("no vectors, before it is mended")


def saves_in_words(saves: Sequence[int]) -> str:
    """Return e.g. '1-4, 7' for rising numbers, and all of them for others."""
    told: list[str] = []
    start = 0
    for place in range(1, len(saves) + 1):
        if place == len(saves) or saves[place] != saves[place - 1] + 1:
            first, last = saves[start], saves[place - 1]
            told.append(f"{first}" if first == last else f"{first}-{last}")
            start = place
    return examples(told) or "none"
