"""A run's vectors for other programs: what goes along, what is refused, and that nothing of somebody else's is lost."""

from __future__ import annotations

import csv
import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import mel_names, write_mels

from config import to_yaml
from judging.vector_formats import WRITERS
from learning.sampling import InputSample
from learning.weights import first_weights
from process_results.export_vectors import FORMATS, main
from runs import run_folder

NAMES = mel_names(b"caf\xe9, 'x'.mp3", "new\ttab.wav", "rock/a b.ogg", "Ёлка/=1.flac")
VECTORS = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
LABELS = 'genre,filename,the year\n"rock, pop",rock/a b.ogg,1999\nfolk,Ёлка/=1.flac,\n,gone.mp3,2001\n'


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "a place"
    (folder / "run").mkdir(parents=True)
    costs = [run_folder.CostRow(1, 2.0, 2.1, 1000, 3.0)]
    run_folder.commit_save(folder / "run", 1, VECTORS, {}, costs, b"seed: 0\n", 5, NAMES)
    (folder / "labels.csv").write_text(LABELS)
    return folder


def run(folder: Path, kind: str, *more: object, output: str = "out") -> int:
    return main([str(folder / "run"), "--format", kind, "--output", str(folder / output), *map(str, more)])


def refused(capsys, *parts: object) -> None:
    out, err = capsys.readouterr()
    assert not out and err.count("\n") == 1 and "error:" in err
    for part in parts:
        assert str(part) in err


@pytest.mark.parametrize("kind", FORMATS)
def test_the_flag_decides_whatever_the_path_ends_in(folder, capsys, kind):
    assert run(folder, kind, output="vectors.npz") == 0
    expected = f"{folder}/vectors.npz: 4 vectors of 3 dimensions, song vectors of save 1, as {kind}\n"
    assert capsys.readouterr().out == expected
    if kind == "projector":
        assert (folder / "vectors.npz/metadata.tsv").read_text().splitlines()[2] == "rock/a b.ogg"
        return
    start = {"csv": b"filename,", "jsonl": b'{"filename"', "npz": b"PK", "parquet": b"PAR1", "word2vec": b"4 3\n"}
    assert (folder / "vectors.npz").read_bytes().startswith(start[kind])


def test_columns_of_a_table_go_along_by_name(folder, capsys):
    assert run(folder, "csv", "--labels", folder / "labels.csv") == 0
    says = f"as csv, with genre, the year; 2 tracks without a row in {folder}/labels.csv\n"
    assert capsys.readouterr().out.endswith(says)
    with (folder / "out").open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["filename"] + ".npy" for row in rows] == NAMES
    assert [row["genre"] for row in rows] == ["", "", "rock, pop", "folk"]
    assert [row["the year"] for row in rows] == ["", "", "1999", ""]
    found = [[float(row[f"vector_{dim}"]) for dim in range(3)] for row in rows]
    assert np.array_equal(np.array(found, np.float32), VECTORS)


def test_columns_may_be_chosen(folder):
    assert run(folder, "jsonl", "--labels", folder / "labels.csv", "--columns", "the year", "filename") == 0
    rows = [json.loads(line) for line in (folder / "out").read_text().splitlines()]
    assert [list(row) for row in rows] == [["filename", "the year", "vector"]] * 4


@pytest.mark.parametrize("kind", [np.float16, np.float64, ">f4"])
def test_vectors_of_a_file(folder, kind):
    vectors = VECTORS.astype(kind)
    np.save(folder / "mine.npy", vectors)
    for format_ in FORMATS:
        assert run(folder, format_, "--vectors", folder / "mine.npy", output=f"of {format_}") == 0
    found = np.load(folder / "of npz")["vector"]
    assert np.array_equal(found, vectors) and found.dtype == (np.float64 if kind == np.float64 else np.float32)


def test_what_exists_stays_without_overwrite(folder, capsys):
    (folder / "out").write_text("somebody's")
    for kind in WRITERS:
        assert run(folder, kind) == 1
        refused(capsys, f"{folder}/out: exists; choose another name, or use --overwrite to replace it")
    assert (folder / "out").read_text() == "somebody's"
    assert run(folder, "word2vec", "--overwrite") == 0
    assert (folder / "out").read_text().startswith("4 3\n")
    assert sorted(path.name for path in folder.iterdir()) == ["labels.csv", "out", "run"]


def test_a_folder_for_the_projector_is_ours_or_empty(folder, capsys):
    assert run(folder, "projector") == 0 and run(folder, "projector", "--overwrite") == 0
    capsys.readouterr()
    assert run(folder, "projector") == 1
    refused(capsys, f"{folder}/out/vectors.tsv: exists; choose another name, or use --overwrite")
    (folder / "out/notes.txt").write_text("somebody's")
    assert run(folder, "projector", "--overwrite") == 1
    refused(capsys, "holds 'notes.txt' already; name a new or an empty folder")


def test_inputs_are_never_written_over(folder, capsys):
    labels = folder / "labels.csv"
    assert run(folder, "csv", "--labels", labels, "--overwrite", output="labels.csv") == 1
    refused(capsys, f"{labels}: is an input of this command")
    np.save(folder / "mine.npy", VECTORS)
    assert run(folder, "npz", "--vectors", folder / "mine.npy", "--overwrite", output="mine.npy") == 1
    refused(capsys, f"{folder}/mine.npy: is an input of this command")


@pytest.mark.parametrize(
    "kind, more, says",
    [
        ("cvs", [], "--format cvs: no such format; did you mean 'csv'?"),
        ("csv", ["--columns", "genre"], "--columns: names columns of a label table; name that by --labels"),
        ("word2vec", ["--labels", "LABELS"], "--labels: --format word2vec holds names and vectors only"),
        ("csv", ["--labels", "LABELS", "--columns", "gnere"], "no column 'gnere'; did you mean 'genre'?"),
        ("csv", ["--keras", "net.h5"], "net.h5: the name must end in .keras"),
        ("csv", ["--vectors", "gone.npy"], "--vectors gone.npy: no such file"),
    ],
)
def test_what_does_not_go_together_is_told(folder, capsys, kind, more, says):
    more = [str(folder / "labels.csv") if word == "LABELS" else word for word in more]
    assert run(folder, kind, *more) == 1
    refused(capsys, says)
    assert not (folder / "out").exists()


def test_format_and_output_go_together(folder, capsys):
    for flags in ([], ["--format", "csv"], ["--output", "x"], ["--format", "csv", "--keras", "x.keras"]):
        assert main([str(folder / "run"), *flags]) == 1
        refused(capsys, "--format and --output go together")
    assert main([str(folder / "run"), "--keras", str(folder / "x.keras"), "--labels", "x.csv"]) == 1
    refused(capsys, "--labels: --keras holds no tracks")
    assert run(folder, "csv", output="no/such/place") == 1
    refused(capsys, f"there is no folder {folder}/no/such; make it first")
    assert run(folder, "csv", output="run") == 1
    refused(capsys, f"{folder}/run: is a folder; name a file")
    assert main([str(folder), "--format", "csv", "--output", str(folder / "out")]) == 1
    refused(capsys, folder)


@pytest.mark.parametrize("column", ["vector", "vector_0", "vector_12"])
def test_a_column_named_as_the_vector_is(folder, capsys, column):
    (folder / "labels.csv").write_text(LABELS.replace("genre", column))
    assert run(folder, "csv", "--labels", folder / "labels.csv") == 1
    refused(capsys, f"column {column!r} is named as the vector is; rename it, or use --columns")
    assert run(folder, "csv", "--labels", folder / "labels.csv", "--columns", "the year") == 0


def test_a_table_of_another_run(folder, capsys):
    (folder / "labels.csv").write_text("filename,genre\nelsewhere.mp3,rock\n")
    assert run(folder, "csv", "--labels", folder / "labels.csv") == 1
    refused(capsys, "no filename belongs to a song of the run; the table has 'elsewhere.mp3'")


def test_vectors_that_are_not_finite(folder, capsys):
    np.save(folder / "mine.npy", np.array([[1, 2], [1, np.nan], [1, 2], [np.inf, 2]]))
    assert run(folder, "jsonl", "--vectors", folder / "mine.npy") == 1
    refused(capsys, "mine.npy of save 1, new\\ttab.wav: holds values that are not finite")


def test_a_library_that_is_missing_is_named(folder, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert run(folder, "parquet") == 1
    refused(capsys, "--format parquet: needs pyarrow; pip install pyarrow")
    assert run(folder, "csv") == 0


@pytest.mark.slow
def test_the_frame_network_of_a_run(tmp_path, capsys, config):
    import keras

    from calc_all_vecs import main as calc_all_vecs

    small = dataclasses.replace(config, mel_bins=12, hidden_size=16, output_vector_size=8, coarse_seconds=0.6)
    mels, run_of = write_mels(tmp_path / "mels", {"low/a, b": 60, "high/d": 40}), tmp_path / "the run"
    draws = np.random.default_rng(0)
    measures = [np.ones(12, np.float32), np.full(12, 2, np.float32), np.full(12, 3, np.float32)]
    sample = InputSample(*measures, draws.standard_normal((3, 5, 12)).astype(np.float16))
    run_of.mkdir()
    run_folder.commit_save(
        run_of, 1, draws.standard_normal((2, 8)).astype(np.float32),
        {"network": first_weights(small, 12, [sample, sample])}, [run_folder.CostRow(1, 2.0, 2.1, 1000, 3.0)],
        to_yaml(dataclasses.asdict(small)), 5, ["high/d.npy", "low/a, b.npy"],
    )  # fmt: skip
    network, both = tmp_path / "the network.keras", ["--format", "csv", "--output", str(tmp_path / "v.csv")]
    assert main([str(run_of), "--keras", str(network), *both]) == 0
    says = capsys.readouterr().out.splitlines()
    assert says[0].startswith(f"{tmp_path}/v.csv: 2 vectors of 8 dimensions")
    assert says[1] == f"{network}: the frame network of save 1, (frames, 12) -> (frames, 8)"
    assert calc_all_vecs([str(mels), str(run_of), str(tmp_path / "frames"), "--quiet"]) == 0
    expected = np.load(tmp_path / "frames/low/a, b.npy")
    found = keras.models.load_model(network)(np.load(mels / "low/a, b.npy")).numpy()
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    capsys.readouterr()
    assert main([str(run_of), "--keras", str(network)]) == 1
    refused(capsys, f"{network}: exists")
