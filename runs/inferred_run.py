"""A run folder of inferred vectors: what calc_all_vecs.py --level song writes, which scripts read as any run.

Its one save is number 1. Vectors are appended to two journals as they are found, so that a killed run loses none; when
all are there they become the save, each row beside its name. Until then, and whenever nothing is new, the folder holds
the save before. Memory does not grow with the vectors: they go from file to file.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import numpy as np

from config import CONFIG_NAME, read_config_file
from files import atomic_write, naming, require_ours_or_empty, write_all, write_file
from runs.frame_folder import LIST_NAME, level_of, read_list, write_list
from runs.run_folder import (
    MADE_WITH_NAME,
    SAVE_NUMBER_NAME,
    SONG_LIST_NAME,
    UNFINISHED_NAME,
    encode_names,
    has_content,
    made_with,
    newest_save,
    vectors_path,
)
from runs.vectors import are_finite, load_vectors
from utils import UserError, require_file

SONG_LEVEL = "song"
SAVE = 1
JOURNAL_NAME = "unfinished_vectors.f32"
ROWS_AT_ONCE = 1 << 14


def prepare_inferred_run(output: Path) -> None:
    """Make the folder. Raises UserError where it holds something that is not ours."""
    ours = level_of(output) == SONG_LEVEL or (output / UNFINISHED_NAME).exists()
    require_ours_or_empty(output, "run folder of calc_all_vecs.py --level song", lambda name: ours)
    output.mkdir(parents=True, exist_ok=True)


class InferredRun:
    """The vectors of a folder that are of some weights: those of its save, and those in the journals. Needs the lock.

    digest  of the weights: vectors of others count for nothing.
    """

    def __init__(self, output: Path, dims: int, digest: str) -> None:
        self.output, self.dims, self.digest = output, dims, digest
        self._saved: dict[str, int] = {}  # name and stamp, as a line -> row
        self._found: dict[str, int] = {}
        self._vectors = np.zeros((0, dims), np.float32)
        for name in (SAVE_NUMBER_NAME, SONG_LIST_NAME, CONFIG_NAME, JOURNAL_NAME, UNFINISHED_NAME):
            require_file(output / name)
        made = read_config_file(output / MADE_WITH_NAME) if (output / MADE_WITH_NAME).exists() else {}
        if made.get("weights") == digest and newest_save(output) == SAVE:
            path = vectors_path(output, SAVE)
            self._vectors = load_vectors(path, mapped=True)
            lines = [f"{name}\t{stamp}" for name, stamp in read_list(output).items()]  # in the order of the rows
            if self._vectors.shape != (len(lines), dims):
                what = f"vectors of shape {self._vectors.shape} where {(len(lines), dims)} are listed in {LIST_NAME}"
                raise UserError(f"{path}: holds {what}; restore it, or name a new folder")
            if not are_finite(self._vectors):
                raise UserError(f"{path}: holds values that are not finite; restore it, or name a new folder")
            self._saved = {line: row for row, line in enumerate(lines)}
        self._open_journals()

    def _open_journals(self) -> None:
        """Take up what a killed run has left in the journals, as far as both hold it and it is of these weights."""
        row_bytes = self.dims * np.dtype(np.float32).itemsize
        heading = f"{self.digest}\n".encode()
        lines = b""
        with contextlib.suppress(FileNotFoundError):
            lines = (self.output / UNFINISHED_NAME).read_bytes()
        if not lines.startswith(heading):
            write_file(self.output / JOURNAL_NAME, b"")
            write_file(self.output / UNFINISHED_NAME, heading)
            lines = heading
        names = lines[len(heading) :].decode("utf-8", "surrogateescape").split("\n")[:-1]
        rows = os.path.getsize(self.output / JOURNAL_NAME) // row_bytes
        names = names[:rows]
        if names and not are_finite(np.memmap(self.output / JOURNAL_NAME, np.float32, "r", shape=(rows, self.dims))):
            names = []  # damaged: all of them are found anew
        self._found = {line: row for row, line in enumerate(names)}
        self._journal = open(self.output / JOURNAL_NAME, "r+b", buffering=0, opener=_no_link)  # noqa: SIM115 (see close)
        self._journal_list = open(self.output / UNFINISHED_NAME, "r+b", buffering=0, opener=_no_link)  # noqa: SIM115
        for file, size in (
            (self._journal, len(names) * row_bytes),
            (self._journal_list, len(heading) + len(encode_names(names))),
        ):
            file.truncate(size)
            file.seek(size)

    def holds(self, name: str, stamp: int) -> bool:
        """Tell whether the vector of a mel is there."""
        line = f"{name}\t{stamp}"
        return line in self._saved or line in self._found

    def add(self, name: str, stamp: int, vector: np.ndarray) -> None:
        """Keep the vector of a mel, (dims,) float32."""
        line = f"{name}\t{stamp}"
        with naming(self.output / JOURNAL_NAME):
            write_all(self._journal.fileno(), np.ascontiguousarray(vector, np.float32).tobytes())
            write_all(self._journal_list.fileno(), f"{line}\n".encode("utf-8", "surrogateescape"))
        self._found[line] = len(self._found)

    def commit(self, songs: dict[str, int], run: Path, save: int, config: bytes) -> bool:
        """Make the vectors of these songs, name -> stamp in the order of their rows, the folder's save.

        run, save, config  which made them. Returns whether anything was written: not where all is as it was.
        """
        lines = [f"{name}\t{stamp}" for name, stamp in songs.items()]
        described = {SONG_LIST_NAME: encode_names(list(songs)), CONFIG_NAME: config}
        if lines == list(self._saved) and all(has_content(self.output / name, described[name]) for name in described):
            self._remove_journals()
            return False
        found = np.zeros((0, self.dims), np.float32)
        if self._found:
            found = np.memmap(self.output / JOURNAL_NAME, np.float32, "r", shape=(len(self._found), self.dims))
        with atomic_write(vectors_path(self.output, SAVE), durable=True) as file:
            header = {"descr": "<f4", "fortran_order": False, "shape": (len(lines), self.dims)}
            np.lib.format.write_array_header_1_0(file, header)
            for start in range(0, len(lines), ROWS_AT_ONCE):
                rows = [self._row(line, found) for line in lines[start : start + ROWS_AT_ONCE]]
                file.write(np.stack(rows).astype("<f4").tobytes())
            # From here until the number is back, readers find no save rather than a vector beside another song's name
            (self.output / SAVE_NUMBER_NAME).unlink(missing_ok=True)
        write_file(self.output / SONG_LIST_NAME, encode_names(list(songs)), durable=True)
        write_list(self.output, {name: str(stamp) for name, stamp in songs.items()})
        write_file(self.output / CONFIG_NAME, config)
        write_file(self.output / MADE_WITH_NAME, made_with(run, save, self.digest, SONG_LEVEL))
        write_file(self.output / SAVE_NUMBER_NAME, f"{SAVE}\n".encode(), durable=True)
        self._remove_journals()
        return True

    def _row(self, line: str, found: np.ndarray) -> np.ndarray:
        return found[self._found[line]] if line in self._found else self._vectors[self._saved[line]]

    def _remove_journals(self) -> None:
        self.close()
        for name in (UNFINISHED_NAME, JOURNAL_NAME):
            (self.output / name).unlink(missing_ok=True)

    def close(self) -> None:
        self._journal.close()
        self._journal_list.close()


def _no_link(path: str, flags: int) -> int:
    """Open a file of the folder, never what a link of its name leads to."""
    return os.open(path, flags | os.O_NOFOLLOW)
