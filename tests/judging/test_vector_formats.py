"""Every format, read back by the program that it is for."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from conftest import file_names
from hypothesis import given

from judging import vector_formats
from judging.vector_formats import WRITERS, VectorTable, word_of
from utils import as_unicode

NAMES = ["-dash, 'x' \"y\".mp3", "a b%20c\td.wav", "caf\udce9/#1.ogg", "Ёлка/=1+1.flac"]
SHOWN = [name.replace("\udce9", "\\xe9") for name in NAMES]
GENRES, YEARS = ["rock; pop", "", 'say "é"', "=1"], ["1999", "", "2001", "007"]
VECTORS = np.array([[0.1, -1e-30, 1 / 3], [0, 1e30, -0.0], [2**-149, 3.4e38, 1], [np.pi, 1e-3, 16777216]], np.float32)
TABLE = VectorTable(NAMES, {"genre": GENRES, "the year": YEARS}, VECTORS)
BARE = VectorTable(NAMES, {}, VECTORS)


def written(tmp_path: Path, kind: str, table: VectorTable = TABLE) -> Path:
    path = tmp_path / "the vectors, all"
    with path.open("wb") as file:
        WRITERS[kind](file, table)
    return path


def same(found: np.ndarray, expected: np.ndarray = VECTORS) -> bool:
    """Tell whether every bit is the same, signs of zeros too."""
    return found.dtype == expected.dtype and np.ascontiguousarray(found).tobytes() == expected.tobytes()


@pytest.fixture(autouse=True, params=[1, 3, 4096])
def block_rows(request, monkeypatch):
    """Blocks of rows end anywhere."""
    monkeypatch.setattr(vector_formats, "BLOCK_ROWS", request.param)


def test_pandas_reads_csv(tmp_path):
    import pandas

    path = written(tmp_path, "csv")
    found = pandas.read_csv(path, encoding_errors="backslashreplace", dtype={"the year": str}, keep_default_na=False)
    assert list(found) == ["filename", "genre", "the year", "vector_0", "vector_1", "vector_2"]
    assert list(found["filename"]) == SHOWN
    assert (list(found["genre"]), list(found["the year"])) == (GENRES, YEARS)
    assert same(found.filter(regex="^vector_").to_numpy(np.float32))


def test_a_csv_is_a_label_table_with_the_names_bytes(tmp_path):
    with written(tmp_path, "csv").open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        assert [row["filename"] for row in csv.DictReader(file)] == NAMES


def test_pandas_and_json_read_jsonl(tmp_path):
    import pandas

    path = written(tmp_path, "jsonl")
    found = pandas.read_json(path, lines=True, dtype=False)
    assert list(found) == ["filename", "genre", "the year", "vector"]
    assert list(found["filename"]) == SHOWN
    assert (list(found["genre"]), list(found["the year"])) == (GENRES, YEARS)
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert np.array_equal(np.array([row["vector"] for row in rows], np.float32), VECTORS)  # of -0 Python makes 0
    assert [row["filename"] for row in rows] == SHOWN


def test_pyarrow_reads_jsonl_csv_and_parquet(tmp_path):
    import pyarrow.csv
    import pyarrow.json
    import pyarrow.parquet

    found = pyarrow.json.read_json(written(tmp_path, "jsonl"))
    assert found["filename"].to_pylist() == SHOWN
    assert same(np.array(found["vector"].to_pylist(), np.float32))
    found = pyarrow.csv.read_csv(written(tmp_path, "csv", VectorTable(SHOWN, {}, VECTORS)))
    assert found["filename"].to_pylist() == SHOWN
    assert same(np.stack([found[f"vector_{dim}"].to_numpy() for dim in range(3)], 1).astype(np.float32))
    found = pyarrow.parquet.read_table(written(tmp_path, "parquet"))
    assert found.schema.field("vector").type == pyarrow.list_(pyarrow.float32(), 3)
    assert found["filename"].to_pylist() == SHOWN and found["the year"].to_pylist() == YEARS
    assert same(np.stack(found["vector"].to_numpy()))


def test_pandas_reads_parquet(tmp_path):
    import pandas

    found = pandas.read_parquet(written(tmp_path, "parquet"))
    assert list(found) == ["filename", "genre", "the year", "vector"]
    assert (list(found["filename"]), list(found["genre"]), list(found["the year"])) == (SHOWN, GENRES, YEARS)
    assert same(np.stack(found["vector"]))


def test_gensim_reads_word2vec(tmp_path):
    from gensim.models import KeyedVectors

    found = KeyedVectors.load_word2vec_format(written(tmp_path, "word2vec", BARE))
    assert [unquote(word, errors="surrogateescape") for word in found.index_to_key] == NAMES
    assert found.index_to_key[3] == NAMES[3]  # a name that needs no escape is itself
    assert same(found.vectors)


def test_numpy_reads_npz_without_pickles(tmp_path):
    path = written(tmp_path, "npz")
    with np.load(path, allow_pickle=False) as found:
        assert found.files == ["filename", "genre", "the year", "vector"]
        assert found["filename"].tolist() == NAMES
        assert (found["genre"].tolist(), found["the year"].tolist()) == (GENRES, YEARS)
        assert same(found["vector"])
    assert zipfile.ZipFile(path).testzip() is None
    assert written(tmp_path, "npz").read_bytes() == path.read_bytes()


def test_the_projector_gets_a_header_for_several_columns_only(tmp_path):
    folder = tmp_path / "for the projector"
    vector_formats.write_projector(folder, BARE)
    one_line = [name.replace("\t", "\\t") for name in SHOWN]
    assert (folder / "metadata.tsv").read_text().splitlines() == one_line
    lines = (folder / "vectors.tsv").read_text().splitlines()
    assert same(np.array([line.split("\t") for line in lines]).astype(np.float32))
    vector_formats.write_projector(folder, TABLE)
    rows = [line.split("\t") for line in (folder / "metadata.tsv").read_text().splitlines()]
    assert rows == [["filename", "genre", "the year"], *map(list, zip(one_line, GENRES, YEARS, strict=True))]
    assert len((folder / "vectors.tsv").read_text().splitlines()) == len(rows) - 1
    assert sorted(path.name for path in folder.iterdir()) == ["metadata.tsv", "vectors.tsv"]


@pytest.mark.parametrize("kind", WRITERS)
def test_float64_keeps_its_digits(kind, tmp_path):
    import pandas
    from gensim.models import KeyedVectors

    vectors = np.random.default_rng(0).standard_normal((4, 3)) / 3
    path = written(tmp_path, kind, VectorTable(SHOWN, {}, vectors))
    if kind == "csv":
        with path.open(newline="") as file:
            found = np.array([row[1:] for row in list(csv.reader(file))[1:]]).astype(np.float64)
    elif kind == "jsonl":
        found = np.array([json.loads(line)["vector"] for line in path.read_text().splitlines()])
    elif kind == "npz":
        found = np.load(path)["vector"]
    elif kind == "parquet":
        found = np.stack(pandas.read_parquet(path)["vector"])
    else:
        found = KeyedVectors.load_word2vec_format(path, datatype=np.float64).vectors
    assert same(found, vectors)


@pytest.mark.parametrize("kind", WRITERS)
def test_of_no_row_there_is_an_empty_table(kind, tmp_path):
    path = written(tmp_path, kind, VectorTable([], {"genre": []}, np.zeros((0, 3), np.float32)))
    if kind == "npz":
        assert np.load(path)["vector"].shape == (0, 3)
    elif kind == "parquet":
        import pyarrow.parquet

        assert pyarrow.parquet.read_table(path).num_rows == 0
    else:
        first = {"csv": b"filename,genre,vector_0,vector_1,vector_2\n", "jsonl": b"", "word2vec": b"0 3\n"}
        assert path.read_bytes() == first[kind]


@given(file_names)
def test_any_name_is_one_word_and_comes_back(name):
    word = word_of(name)
    assert word.encode() and len(word.split()) <= 1 and not set(word) & set(" \t\n\r\0")
    assert unquote(word, errors="surrogateescape") == name
    file = io.BytesIO()
    vector_formats.write_jsonl(file, VectorTable([name], {}, VECTORS[:1]))
    assert json.loads(file.getvalue())["filename"] == as_unicode(name)
