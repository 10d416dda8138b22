"""Whether the folders that calc_all_vecs.py makes are whole: runs of inferred songs, and frame vectors."""

from __future__ import annotations

import functools
import io
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from checking.checked import (
    NONE,
    RESTORE,
    Checked,
    Part,
    after_removal,
    command,
    look_at,
    require_line_end,
)
from checking.run_parts import (
    INFER,
    INFERRED_RUN_FOLDER,
    LARGEST_VECTORS,
    RunLook,
    check_lists,
    check_number,
    check_vectors,
    say_which_vectors,
)
from config import CONFIG_NAME, build_config, read_config_file
from files import NPY_HEADER_BYTES, byte_order, temporaries, walk_files
from runs.frame_folder import FRAME_LEVEL, ITEM_BYTES, LIST_NAME, SUFFIX, read_list
from runs.inferred_run import JOURNAL_NAME, SONG_LEVEL
from runs.run_folder import MADE_WITH_NAME, SAVE_NUMBER_NAME, UNFINISHED_NAME, UNREADABLE, VECTORS, numbers
from runs.vectors import load_vectors
from utils import UserError, plural, printable_name

FRAME_FOLDER = "folder of frame vectors"
BLOCK_BYTES = 1 << 20
READ_BYTES = 256_000_000  # of vectors: as many are read whole unasked, of more the headers alone


def is_inferred(folder: Path, is_there: Callable[[Path], bool]) -> str:
    """Return which of its folders calc_all_vecs.py made, "" where it is none of them."""
    made = [name for name in (MADE_WITH_NAME, UNFINISHED_NAME, LIST_NAME) if is_there(folder / name)]
    if not made:
        return ""
    is_song = is_there(folder / SAVE_NUMBER_NAME) or UNFINISHED_NAME in made or numbers(folder, VECTORS)
    return INFERRED_RUN_FOLDER if is_song else FRAME_FOLDER


def check_inferred_run(folder: Path) -> Checked:
    """Look at what calc_all_vecs.py --level song made."""
    checked = Checked(folder, INFERRED_RUN_FOLDER)
    again, trained = _check_made_with(checked, SONG_LEVEL)
    look = RunLook(checked, again)
    if not os.path.lexists(folder / SAVE_NUMBER_NAME) and os.path.lexists(folder / UNFINISHED_NAME):
        checked.parts.append(Part(SAVE_NUMBER_NAME, NONE, "not finished yet"))
        checked.usable.append("nothing yet")
        if not checked.holder:
            checked.find(folder / UNFINISHED_NAME, "was stopped before it had a vector of every song", again)
    else:
        check_number(look)
        with checked.part(CONFIG_NAME, trained and f"cp {trained}/{CONFIG_NAME} there, or {RESTORE}") as part:
            look_at(folder / CONFIG_NAME)
            require_line_end(folder / CONFIG_NAME)
            look.config = build_config(read_config_file(folder / CONFIG_NAME), str(folder / CONFIG_NAME))
            part.what = f"vectors of {look.config.output_vector_size} dimensions"
        check_lists(look)
        _check_vector_list(look)
        check_vectors(look)
        say_which_vectors(look)
        _check_journals(look)
    checked.usable.append("cannot be trained on: it is of inferred songs")
    checked.lock()
    checked.left_over(temporaries(folder))
    return checked


def _check_made_with(checked: Checked, level: str) -> tuple[str, str]:
    """Look at made_with.yaml; return the command that makes the folder, and the run that it is from."""
    path, run = checked.folder / MADE_WITH_NAME, "RUN_FOLDER"
    more = ["--level", level] if level == SONG_LEVEL else []
    with checked.part(MADE_WITH_NAME) as part:
        look_at(path)
        require_line_end(path)
        says = read_config_file(path)
        whole = isinstance(says.get("run"), str) and isinstance(says.get("weights"), str)
        if not whole or type(says.get("save")) is not int or says.get("level", FRAME_LEVEL) != level:
            raise UserError(f"{path}: lacks run, save, weights or level: {level}; {RESTORE}, or name a new folder")
        run = Path(says["run"])
        part.what = printable_name(f"by save {says['save']} of {run}")
        if not run.is_dir():
            part.what += ", which is not there"
    known = isinstance(run, Path)
    return command(INFER, "MEL_FOLDER", run, checked.folder, *more), str(run) if known else ""


def _check_vector_list(look: RunLook) -> None:
    path = look.run / LIST_NAME
    with look.checked.part(LIST_NAME, f"{RESTORE}, or name a new folder") as part:
        look_at(path)
        require_line_end(path)
        noted = read_list(look.run)
        names = look.names(look.save)
        if names is not None and list(noted) != names:
            raise UserError(f"{path}: does not name the songs of music_list.txt; {RESTORE}, or name a new folder")
        part.what = f"of which mels they are, {plural(len(noted), 'song')}"


def _check_journals(look: RunLook) -> None:
    """Tell of vectors that a run which was stopped has not made a save of."""
    for name in () if look.checked.holder else (UNFINISHED_NAME, JOURNAL_NAME):
        if os.path.lexists(look.run / name):
            remedy = after_removal(look.run / name, look.again)
            look.checked.find(look.run / name, "holds vectors that a stopped run has made no save of", remedy)


def check_frame_folder(folder: Path, read_all: bool = False) -> Checked:
    """Look at what calc_all_vecs.py made of each frame.

    read_all  every value, however large they are together.
    """
    checked = Checked(folder, FRAME_FOLDER)
    again, _ = _check_made_with(checked, FRAME_LEVEL)
    noted: dict[str, str] = {}
    with checked.part(LIST_NAME, f"{RESTORE}, or name a new folder") as part:
        look_at(folder / LIST_NAME)
        require_line_end(folder / LIST_NAME)
        noted = read_list(folder)
        part.what = plural(len(noted), "song")
    with checked.part("frame vectors") as part:
        part.what, whole, dims = _check_frames(checked, noted, again, read_all)
    checked.lock()
    folders = {folder, *((folder / name).parent for name in noted)}
    checked.left_over(path for each in sorted(folders) for path in temporaries(each))
    held = f"frame vectors of {plural(whole, 'song')}, {dims} dimensions"
    checked.usable.append(f"{held}: by find_moments.py --frame-vectors" if whole else "nothing: no whole vectors")
    return checked


def _check_frames(checked: Checked, noted: dict[str, str], again: str, read_all: bool) -> tuple[str, int, int]:
    """Compare vector_list.txt with the files; return what there is in words, how many are whole, their dimensions."""
    folder = checked.folder
    sizes = {name: _size(folder / name) for name in noted}
    total = sum(sizes.values())
    read = read_all or total <= READ_BYTES
    widths: dict[str, int] = {}
    for name in noted:
        path = folder / name
        try:
            widths[name] = _width(path, read)
        except FileNotFoundError:
            if not checked.holder:  # who lists vectors before they are made
                checked.find(path, "is not there", again)
        except (OSError, UserError) as error:
            what = error.strerror if isinstance(error, OSError) else str(error).removeprefix(f"{path}: ")
            checked.find(path, what.rpartition("; ")[0] or what, after_removal(path, again, always=True))
    dims = Counter(widths.values()).most_common(1)[0][0] if widths else 0
    for name in [name for name, width in widths.items() if width != dims]:
        what = f"has {widths.pop(name)} dimensions where most have {dims}"
        checked.find(folder / name, what, after_removal(folder / name, again, always=True))
    strangers = set(walk_files(folder, lambda name: name.endswith(SUFFIX)).files) - noted.keys() if noted else ()
    for name in sorted(strangers, key=byte_order):
        checked.find(folder / name, f"{LIST_NAME} does not name it", "move it away, or remove it")
    how = "every value looked at" if read else "headers looked at; --checksums looks at every value"
    return f"{plural(len(noted), 'file')}, {total / 1e6:,.1f} MB, {how}", len(widths), dims


def _size(path: Path) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0


def _width(path: Path, read: bool) -> int:
    """Return the dimensions of frame vectors. Raises UserError where they are not whole, as far as it is to be read."""
    size = look_at(path, LARGEST_VECTORS)
    with open(path, "rb") as file:
        rows, dims = _shape(file.read(NPY_HEADER_BYTES)) or (0, 0)
        if not dims:
            load_vectors(path, mapped=True)  # which says what is wrong, where it is damaged
        if not dims or size != NPY_HEADER_BYTES + rows * dims * ITEM_BYTES:
            raise UserError(f"{path}: is not what {INFER} writes: of another type or order, or cut short; {RESTORE}")
        while read and (block := file.read(BLOCK_BYTES)):
            if not np.isfinite(np.frombuffer(block, "<f4")).all():
                raise UserError(f"{path}: holds values that are not finite; {RESTORE}")
    return dims


@functools.lru_cache(maxsize=4096)
def _shape(header: bytes) -> tuple[int, int] | None:
    """Return the shape that a header says, None where it is not one of our frame vectors."""
    try:
        file = io.BytesIO(header)
        version = np.lib.format.read_magic(file)
        shape, by_columns, dtype = np.lib.format.read_array_header_1_0(file)
    except UNREADABLE:
        return None
    ours = version == (1, 0) and file.tell() == NPY_HEADER_BYTES and not by_columns and dtype.str == "<f4"
    return shape if ours and len(shape) == 2 and shape[1] else None
