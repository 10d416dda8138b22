"""A folder of frame vectors: which run made them, of which mels they are, and what of it can stay. No TensorFlow.

made_with.yaml is written before the first vector, and says since when they are of one run's weights; vector_list.txt
names each vector that the folder ever got from us, a line each, and of which mel it is: its name, a tab, and a number
that changes with it.
"""

from __future__ import annotations

from pathlib import Path

from config import read_config_file
from files import LOCK_NAME, NPY_HEADER_BYTES, byte_order, require_ours_or_empty, require_real_folders, write_file
from runs.run_folder import MADE_WITH_NAME, decode_names, encode_names, has_content, made_with, require_plain
from utils import UserError, require_file, shortened

LIST_NAME = "vector_list.txt"
NO_STAMP = ""  # of a vector that was noted before there were stamps: its size and time alone tell what it is
ITEM_BYTES = 4  # float32
SUFFIX = ".npy"
FRAME_LEVEL = "frame"


def prepare_output(output: Path) -> None:
    """Make the folder. Raises UserError where it holds something that is not ours."""
    ours = level_of(output) == FRAME_LEVEL
    require_ours_or_empty(output, "folder of frame vectors", lambda name: ours)
    output.mkdir(parents=True, exist_ok=True)


def level_of(output: Path) -> object:
    """Return what kind of vectors a folder holds, "frame" or "song"; None where it is none of calc_all_vecs.py."""
    path = output / MADE_WITH_NAME
    return read_config_file(path).get("level", FRAME_LEVEL) if path.exists() else None  # older ones do not say it


def takes_our_name(name: str) -> bool:
    """Tell whether the vectors of a mel would lie in a folder that bears the name of a file of ours."""
    return name.split("/")[0] in (MADE_WITH_NAME, LIST_NAME, LOCK_NAME)


def claim_output(output: Path, run_folder: Path, save: int, digest: str) -> int:
    """Say in the folder which weights its vectors are from; return since when (nanoseconds): older ones are of others.

    Before the first vector is written, so that a run that is killed goes on where it was. Needs the lock.
    """
    path = output / MADE_WITH_NAME
    if not path.exists() or read_config_file(path).get("weights") != digest:
        write_file(path, made_with(run_folder, save, digest, FRAME_LEVEL))
    return path.stat().st_mtime_ns


def claim_vectors(output: Path, mel_folder: Path, stamps: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """Note in the folder of which mels its vectors are. Needs the lock.

    Before the first vector is written, so that a killed run leaves none that nobody knows; and what another mel of the
    same name gave is removed before that, so that it leaves none that passes for this one's.

    stamps   of the mels by name.
    Raises   UserError where a symbolic link is on the way to a vector.
    Returns  what is noted (name -> stamp), and those of it whose mels are gone.
    """
    noted = read_list(output)
    require_real_folders(output, [*noted, *stamps])
    for name, stamp in stamps.items():
        if noted.get(name, stamp) not in (stamp, NO_STAMP):
            (output / name).unlink(missing_ok=True)
    left = {name: stamp for name, stamp in noted.items() if name not in stamps and (output / name).is_file()}
    gone = sorted((name for name in left if not (mel_folder / name).exists()), key=byte_order)
    noted = {**left, **stamps}
    write_list(output, noted)
    return noted, gone


def read_list(output: Path) -> dict[str, str]:
    """Return of which mel each vector of the folder is: name -> stamp. Raises UserError where it is no list of ours."""
    path = output / LIST_NAME
    require_file(path)
    lines = decode_names(path.read_bytes()) if path.exists() else []
    stamped = [line.rpartition("\t") if not line.endswith(SUFFIX) else (line, "", NO_STAMP) for line in lines]
    require_plain(path, (name for name, _, _ in stamped))
    for line, (name, _, _) in enumerate(stamped, start=1):
        if not name.endswith(SUFFIX):
            raise UserError(f"{path}, line {line}: {shortened(repr(name))} is no name of a vector; restore the list")
    return {name: stamp for name, _, stamp in stamped}


def write_list(output: Path, noted: dict[str, str]) -> None:
    names = sorted(noted, key=byte_order)
    content = encode_names([f"{name}\t{noted[name]}" if noted[name] else name for name in names])
    if not has_content(output / LIST_NAME, content):
        write_file(output / LIST_NAME, content)


def remove_vectors(output: Path, names: list[str]) -> None:
    """Remove vectors, and the folders that they leave empty."""
    for name in names:
        (output / name).unlink(missing_ok=True)
        for folder in (output / name).parents:
            if folder == output or any(folder.iterdir()):
                break
            folder.rmdir()


def is_up_to_date(mel: Path, vectors: Path, frames: int, dims: int, not_before: int) -> bool:
    """Tell whether frame vectors are whole, not older than their mel, and made since `not_before` (nanoseconds)."""
    try:
        made = vectors.stat()
        whole = made.st_size == NPY_HEADER_BYTES + frames * dims * ITEM_BYTES
        return whole and made.st_mtime_ns >= max(not_before, mel.stat().st_mtime_ns)
    except FileNotFoundError:
        return False
