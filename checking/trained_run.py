"""Whether a run folder is whole that spectrogram_doc2vec.py made, or another program that makes such folders."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from checking.checked import DAMAGED, MISSING, NONE, RESTORE, Checked, Finding, Part, command, look_at, require_line_end
from checking.run_parts import (
    FOREIGN_RUN_FOLDER,
    RUN_FOLDER,
    TRAIN,
    RunLook,
    check_lists,
    check_number,
    check_vectors,
    saves_in_words,
    say_which_vectors,
)
from config import CONFIG_NAME, Config, build_config, read_config_file
from files import temporaries
from runs.run_folder import (
    COSTS_NAME,
    SONG_LIST_NAME,
    SONG_LISTS,
    UNREADABLE,
    WEIGHTS,
    WEIGHTS_NAME,
    Shape,
    files_of,
    numbered,
    numbers,
    read_costs,
    read_weights,
    superfluous,
    weights_path,
)
from runs.vectors import are_finite
from utils import UserError, plural

LARGEST_WEIGHTS = 10_000_000_000  # bytes of a file: the largest configuration's
PARTS = ("network", "songs")  # the files of weights/ that training goes on from

Needed = Callable[[Config, int], Mapping[str, Mapping[str, Shape]]]  # configuration, songs -> part -> array -> shape


def is_of_trainer(run: Path) -> bool:
    """Tell whether spectrogram_doc2vec.py made a run: it numbers its lists and weights."""
    return bool(numbers(run, SONG_LISTS) or ((run / WEIGHTS_NAME).is_dir() and numbers(run / WEIGHTS_NAME, WEIGHTS)))


def check_run(folder: Path, needed: Needed) -> Checked:
    """Look at a run folder. No TensorFlow.

    needed  the arrays that training goes on from.
    """
    checked = Checked(folder, RUN_FOLDER if is_of_trainer(folder) else FOREIGN_RUN_FOLDER)
    look = RunLook(checked, command(TRAIN, "MEL_FOLDER", folder))
    check_number(look)
    _check_config(look)
    check_lists(look)
    check_vectors(look)
    trainable = _check_weights(look, needed)
    _check_costs(look)
    checked.lock()
    say_which_vectors(look)
    _say_whether_trainable(look, trainable)
    _check_left_overs(look)
    return checked


def _check_config(look: RunLook) -> None:
    path = look.run / CONFIG_NAME
    if look.is_foreign and not os.path.lexists(path):
        return
    with look.checked.part(CONFIG_NAME) as part:
        look_at(path)
        values = read_config_file(path)
        if look.is_foreign:
            part.what = "of another program"
            return
        require_line_end(path)
        look.config = build_config(values, str(path))
        part.what = f"{look.config.mel_bins} mel bins, vectors of {look.config.output_vector_size} dimensions"


def _check_weights(look: RunLook, needed: Needed) -> bool:
    """Look at weights/; return whether training can go on from it."""
    folder = look.run / WEIGHTS_NAME
    if look.is_foreign:
        look.checked.parts.append(Part(f"{WEIGHTS_NAME}/", NONE, "so it cannot be trained on"))
        return False
    before = len(look.checked.findings)
    elsewhere = f"{RESTORE}, or train into another folder: {command(TRAIN, 'MEL_FOLDER', 'NEW_RUN_FOLDER')}"
    with look.checked.part(f"{WEIGHTS_NAME}/", elsewhere) as part:
        if folder.is_symlink() or not folder.is_dir():
            part.state = DAMAGED if os.path.lexists(folder) else MISSING
            what = "is a symbolic link" if folder.is_symlink() else "is no folder"
            raise UserError(f"{folder}: {'is not there' if part.state == MISSING else what}; {elsewhere}")
        files = files_of(folder, WEIGHTS, lambda x: x == look.save)
        part.what = f"of save {look.save}"
    if part.state in (DAMAGED, MISSING):
        return False
    songs = look.names(look.save)
    shapes = needed(look.config, len(songs or [])) if look.config else {}
    if songs is None:  # nobody knows how many rows belong there
        shapes = {part: wanted for part, wanted in shapes.items() if part != "songs"}
    for name in sorted({*PARTS, *(path.name.rpartition("_at_")[0] for path in files)}):
        _check_file(look, name, shapes.get(name, {}), elsewhere)
    return len(look.checked.findings) == before


def _check_file(look: RunLook, name: str, shapes: Mapping[str, Shape], remedy: str) -> None:
    path = weights_path(look.run, name, look.save)
    with look.checked.part(f"{WEIGHTS_NAME}/{path.name}", remedy) as part:
        size = look_at(path, LARGEST_WEIGHTS)
        _require_plain_archive(path, size)
        arrays = read_weights(look.run, name, look.save, shapes).values()
        if not all(array.dtype.kind in "fiu" and are_finite(array.reshape(1, -1)) for array in arrays):
            raise UserError(f"{path}: holds values that are not finite; {remedy}")
        part.what = f"{plural(len(arrays), 'array')}, {size / 1e6:,.1f} MB"


def _require_plain_archive(path: Path, size: int) -> None:
    """Raise UserError where the arrays of an archive would be larger than the file, as those of no file of ours are."""
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = sum(member.file_size for member in archive.infolist())
    except UNREADABLE as error:
        raise UserError(f"{path}: not readable ({error}); {RESTORE}") from None
    if sizes > size:
        raise UserError(f"{path}: its arrays are larger than the file; {RESTORE}")


def _check_costs(look: RunLook) -> None:
    path = look.run / COSTS_NAME
    if look.is_foreign:
        return
    with look.checked.part(COSTS_NAME) as part:
        look_at(path)
        require_line_end(path)
        if not look.is_numbered:  # which alone says how many rows count
            part.what = "not compared with the saves"
            return
        saves = [row.epoc for row in read_costs(look.run)]
        part.what = plural(len(saves), "save")
        if saves != list(range(1, look.save + 1)):
            told = f"has rows of the saves {saves_in_words(saves)}, and 1-{look.save} are expected"
            raise UserError(f"{path}: {told}; {RESTORE}")


def _check_left_overs(look: RunLook) -> None:
    run, others = look.run, []
    if look.is_foreign:  # whose program may want what we do not
        return
    if look.save:
        for folder, pattern in numbered(run):
            for path in files_of(folder, pattern, lambda x: x > look.save):
                what = f"is of a save after {look.save} that was cut off"
                others.append(Finding(os.fspath(path), what, f"goes with the next run of {look.again}"))
        for path in superfluous(run, look.save, look.config and look.config.keep_vectors):
            what = "is of an earlier save, and nobody needs it"
            others.append(Finding(os.fspath(path), what, f"goes with the next run of {look.again}"))
    look.checked.left_over([*temporaries(run), *temporaries(run / WEIGHTS_NAME)], others)


def _say_whether_trainable(look: RunLook, trainable: bool) -> None:
    usable = look.checked.usable
    bad = {Path(finding.path).name for finding in look.checked.findings} - {SONG_LIST_NAME}
    if trainable and not bad:
        usable.append(f"can be trained on: {look.again}")
    elif not (look.run / WEIGHTS_NAME).is_dir():
        usable.append(f"cannot be trained on: {WEIGHTS_NAME}/ is missing")
    elif look.is_foreign:
        usable.append("cannot be trained on: its weights are of another program")
    else:
        usable.append("cannot be trained on before it is mended")
