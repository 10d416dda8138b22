"""Vectors with their names in the formats that other programs read, a block of rows at a time.

Names that are not UTF-8 keep their bytes in csv, npz and word2vec; the other formats hold text only, so \\xNN stands
there for each such byte.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from files import atomic_write
from judging.labels import FILENAME_COLUMN
from utils import as_unicode, printable_name

BLOCK_ROWS = 4096  # of a table that are made text at a time
VECTOR_COLUMN = "vector"
DIGITS = {4: 9, 8: 17}  # significant ones, by the bytes of a float: as many as it takes to read the same float back
PROJECTOR_NAMES = ("vectors.tsv", "metadata.tsv")


@dataclass(frozen=True)
class VectorTable:
    """Vectors, and what is known of each row."""

    names: Sequence[str]  # audio files' paths
    columns: Mapping[str, Sequence[str]]  # of a label table: name -> value of each row, in the order of the names
    vectors: np.ndarray  # (rows, dims) float32 or float64, finite

    @property
    def texts(self) -> dict[str, Sequence[str]]:
        """Return the columns that are text, the names first."""
        return {FILENAME_COLUMN: self.names, **self.columns}

    @property
    def dims(self) -> int:
        return self.vectors.shape[1]

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield the rows, and their vectors, some at a time."""
        for start in range(0, len(self.names), BLOCK_ROWS):
            rows = slice(start, start + BLOCK_ROWS)
            yield rows, self.vectors[rows]

    def lines(self, separator: str) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield the texts of each row, and its numbers with a separator between them."""
        number = f"%.{DIGITS[self.vectors.dtype.itemsize]}g"
        pattern = separator.join([number] * self.dims)
        for rows, vectors in self.blocks():
            texts = zip(*(column[rows] for column in self.texts.values()), strict=True)
            for text, vector in zip(texts, vectors.tolist(), strict=True):
                yield text, pattern % tuple(vector)


def write_csv(file: BinaryIO, table: VectorTable) -> None:
    """Write a column for each dimension, vector_0 and on, behind the texts."""
    text = codecs.getwriter("utf-8")(file, "surrogateescape")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*table.texts, *(f"{VECTOR_COLUMN}_{dim}" for dim in range(table.dims))])
    for texts, numbers in table.lines(","):
        writer.writerow([*texts, *numbers.split(",")])


def write_jsonl(file: BinaryIO, table: VectorTable) -> None:
    """Write an object a line, the vector a list in it."""
    keys = [as_unicode(key) for key in table.texts]
    for texts, numbers in table.lines(", "):
        known = json.dumps(dict(zip(keys, map(as_unicode, texts), strict=True)), ensure_ascii=False)
        file.write(f'{known[:-1]}, "{VECTOR_COLUMN}": [{numbers}]}}\n'.encode())


def write_npz(file: BinaryIO, table: VectorTable) -> None:
    """Write an array for each column of texts, and `vector` (rows, dims): no pickles, the same bytes each time."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, values in table.texts.items():
            longest = max(map(len, values), default=0) or 1
            parts = (np.array(values[rows], f"<U{longest}") for rows, _ in table.blocks())
            # each text takes the room of the longest, so it is packed
            _write_member(archive, name, zipfile.ZIP_DEFLATED, np.dtype(f"<U{longest}"), (len(values),), parts)
        parts = (vectors for _, vectors in table.blocks())
        kind = table.vectors.dtype.newbyteorder("<")
        _write_member(archive, VECTOR_COLUMN, zipfile.ZIP_STORED, kind, table.vectors.shape, parts)


def _write_member(archive, name: str, compression: int, kind: np.dtype, shape: tuple, parts) -> None:
    """Write an .npy file into an archive, of parts that are never in memory together."""
    member = zipfile.ZipInfo(f"{as_unicode(name)}.npy")  # without a time of its own it is of 1980
    member.compress_type = compression
    with archive.open(member, "w", force_zip64=True) as file:
        header = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for part in parts:
            file.write(np.ascontiguousarray(part, kind).tobytes())


def write_parquet(file: BinaryIO, table: VectorTable) -> None:
    """Write the texts as strings, the vector as a list of fixed size. Raises ImportError where pyarrow is missing."""
    import pyarrow
    import pyarrow.parquet

    floats = pyarrow.from_numpy_dtype(table.vectors.dtype)
    fields = [(as_unicode(name), pyarrow.string()) for name in table.texts]
    schema = pyarrow.schema([*fields, (VECTOR_COLUMN, pyarrow.list_(floats, table.dims))])
    with pyarrow.parquet.ParquetWriter(file, schema) as writer:
        for rows, vectors in table.blocks():
            arrays = [pyarrow.array(map(as_unicode, values[rows]), pyarrow.string()) for values in table.texts.values()]
            numbers = pyarrow.array(np.ascontiguousarray(vectors).reshape(-1))
            arrays.append(pyarrow.FixedSizeListArray.from_arrays(numbers, table.dims))
            writer.write_table(pyarrow.table(arrays, schema=schema))


_NO_WORD = re.compile("[\x00-\x20\x7f%\udc80-\udcff]")


def word_of(name: str) -> str:
    """Return a name as a word of word2vec's text format, which ends at a space.

    '%' stands before the code of a space, a control, a byte that is no UTF-8, and of '%' itself:
    urllib.parse.unquote(word, errors="surrogateescape") is the name again.
    """
    return _NO_WORD.sub(lambda found: "".join(f"%{byte:02X}" for byte in _bytes_of(found[0])), name)


def _bytes_of(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def write_word2vec(file: BinaryIO, table: VectorTable) -> None:
    """Write the text format of word2vec: how many, how long, then a word and its vector a line. No other columns."""
    file.write(f"{len(table.names)} {table.dims}\n".encode())
    for (name, *_), numbers in table.lines(" "):
        file.write(f"{word_of(name)} {numbers}\n".encode())


def write_projector(folder: Path, table: VectorTable) -> None:
    """Write vectors.tsv and metadata.tsv, as projector.tensorflow.org takes them: a header of several columns only."""
    folder.mkdir(parents=True, exist_ok=True)
    vectors_name, metadata_name = PROJECTOR_NAMES
    # both whole before either has its name
    with atomic_write(folder / vectors_name) as vectors, atomic_write(folder / metadata_name) as metadata:
        if table.columns:
            metadata.write(_tsv_line(list(table.texts)))
        for texts, numbers in table.lines("\t"):
            vectors.write(f"{numbers}\n".encode())
            metadata.write(_tsv_line(texts))


def _tsv_line(texts: Sequence[str]) -> bytes:
    return ("\t".join(map(printable_name, texts)) + "\n").encode()


WRITERS: dict[str, Callable[[BinaryIO, VectorTable], None]] = {  # of the formats that are one file
    "csv": write_csv,
    "jsonl": write_jsonl,
    "npz": write_npz,
    "parquet": write_parquet,
    "word2vec": write_word2vec,
}
