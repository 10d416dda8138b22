"""Whether a run folder may be trained into, whether a killed writer has left something in it, and mending that."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from config import CONFIG_NAME, read_config_file
from files import remove_temporaries, require_ours_or_empty, require_real_folders, temporaries
from runs.run_folder import (
    COSTS_NAME,
    DESCRIPTORS,
    MADE_WITH_NAME,
    SAVE_NUMBER_NAME,
    SONG_LIST_NAME,
    SONG_LISTS,
    UNFINISHED_NAME,
    VECTORS,
    WEIGHTS,
    WEIGHTS_NAME,
    encode_names,
    files_of,
    has_content,
    highest_number,
    newest_save,
    numbered,
    numbers,
    read_song_list,
    read_weights,
    refresh_copy,
    remove_all,
    superfluous,
    vectors_path,
)
from runs.vectors import are_finite, load_vectors
from utils import UserError


def prepare(run: Path) -> None:
    """Make the folder, and tell whether it may be trained into. Needs no lock.

    Raises UserError where it is no run folder and holds something else, or holds saves but not the newest one's number.
    """
    public = (CONFIG_NAME, SONG_LIST_NAME, COSTS_NAME, WEIGHTS_NAME)

    def is_ours(name: str) -> bool:
        has_number = any(pattern.fullmatch(name) for pattern in (VECTORS, DESCRIPTORS, SONG_LISTS))
        return name in public or has_number or newest_save(run) > 0

    if (Path(run) / MADE_WITH_NAME).exists() or (Path(run) / UNFINISHED_NAME).exists():
        raise UserError(f"{run}: holds vectors of calc_all_vecs.py and no networks to train; name another folder")
    require_ours_or_empty(run, "run folder", is_ours)
    require_real_folders(run, [f"{WEIGHTS_NAME}/"])
    Path(run).mkdir(parents=True, exist_ok=True)
    _refuse_lost_number(Path(run))


def is_whole(run: Path) -> bool:
    """Tell whether nothing of a killed writer is left to repair. Changes nothing, so it needs no lock."""
    run, save = Path(run), newest_save(run)
    if highest_number(run) != save or superfluous(run, save, _kept_vectors(run)):
        return False
    if any(temporaries(folder) for folder in (run, run / WEIGHTS_NAME)):
        return False
    return not save or has_content(run / SONG_LIST_NAME, encode_names(read_song_list(run, save)))


def repair(run: Path) -> None:
    """Remove what a killed save left above epoc_num.txt and below it, and renew the copy of the newest list.

    Needs the lock. Raises UserError, and changes nothing, where epoc_num.txt is missing or names a save that is not
    whole.
    """
    run, save = Path(run), newest_save(run)
    require_real_folders(run, [f"{WEIGHTS_NAME}/"])
    _refuse_lost_number(run)
    if save and (missing := _what_is_missing(run, save)):
        highest = highest_number(run)
        if highest == save:
            raise UserError(f"{missing}; restore it, or train into another folder")
        raise UserError(
            f"{run / SAVE_NUMBER_NAME}: says {save}, and there are files up to {highest}, but {missing}; restore the "
            "right number, or name another folder"
        )
    for folder, pattern in numbered(run):
        remove_temporaries(folder)
        remove_all(files_of(folder, pattern, lambda x: x > save))
    if save:
        refresh_copy(run, save)
        remove_all(superfluous(run, save, _kept_vectors(run)))


def _kept_vectors(run: Path) -> int | None:
    """Return how many saves' vectors the newest save has left to stay, None where config.yaml does not say it."""
    kept = read_config_file(run / CONFIG_NAME).get("keep_vectors") if (run / CONFIG_NAME).exists() else None
    return kept if isinstance(kept, int) and kept > 0 else None


def _refuse_lost_number(run: Path) -> None:
    """Raise UserError where there are saves and no epoc_num.txt: only a first save that was killed leaves that."""
    # In this order: a trainer at work writes the files of a save after the number of the one before.
    highest = highest_number(run)
    has_list = (run / SONG_LIST_NAME).exists()
    if newest_save(run) or (highest <= 1 and not has_list):
        return
    held = f"saves up to {highest}" if highest else SONG_LIST_NAME
    # A save leaves the weights of those before to the moment after its commit, so the lowest one is committed for sure.
    committed = min((x for x in numbers(run / WEIGHTS_NAME, WEIGHTS) if not _what_is_missing(run, x)), default=0)
    number = f" (it holds the number {committed})" if committed else ""
    raise UserError(f"{run}: holds {held} but no {SAVE_NUMBER_NAME}; restore it{number}, or name another folder")


def _what_is_missing(run: Path, save: int) -> str:
    """Return in words what a save lacks to be gone on from, "" where it is whole."""
    folder, ending = run / WEIGHTS_NAME, f"_at_{save}.npz"
    if save not in numbers(folder, WEIGHTS):
        return f"{folder} holds no file of it"
    parts = {path.name.rpartition("_at_")[0] for path in files_of(folder, WEIGHTS, lambda x: True)}
    try:
        for part in sorted(parts):
            path = folder / f"{part}{ending}"
            if not path.exists():
                return f"{folder} holds no {path.name}"
            arrays = read_weights(run, part, save).values()
            if not all(array.dtype.kind in "fiu" and np.isfinite(array).all() for array in arrays):
                return f"{path}: holds values that are not finite"
        path = vectors_path(run, save)
        vectors = load_vectors(path, mapped=True)
        names = read_song_list(run, save)
    except UserError as error:
        return str(error).rpartition(";")[0]
    except OSError as error:  # no list
        return f"{error.filename}: {error.strerror}"
    if not are_finite(vectors):
        return f"{path}: holds values that are not finite"
    return "" if len(vectors) == len(names) else f"{path}: is not of the {len(names)} songs listed"
