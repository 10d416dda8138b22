"""What scripts that judge a run by labels begin with."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from judging.labelled_run import LabelledRun, read_labelled_run, told_apart
from runs import run_folder
from runs.vectors import Vectors
from utils import UserError

LABELS = ["rock"] * 6 + ["jazz, é"] * 4 + ["solo"]


@pytest.fixture
def run(tmp_path: Path) -> LabelledRun:
    names = [f"{number:02}.mp3.npy" for number in range(len(LABELS))]
    (tmp_path / "a run").mkdir()
    costs = [run_folder.CostRow(1, 2.0, 2.1, 1000, 3.0)]
    vectors = np.ones((len(names), 3), np.float32)
    run_folder.commit_save(tmp_path / "a run", 1, vectors, {}, costs, b"seed: 0\n", 5, names)
    rows = [(name.removesuffix(".npy"), label) for name, label in zip(names, LABELS, strict=True)]
    with (tmp_path / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("filename", "genre"), *rows])
    return read_labelled_run(tmp_path / "a run", tmp_path / "labels.csv", "genre")


def test_small_labels_are_left_out_and_the_flag_is_the_callers(run):
    tracks, line = run.leave_out_small(run.tracks(), 4, "--least")
    assert tracks.labels == LABELS[:10]
    assert line == "left out: 1 label with fewer than 4 tracks (solo); see --least"
    with pytest.raises(UserError, match=r"fewer than two labels have 5 tracks; .* fewer folds, with --least 2$"):
        run.leave_out_small(run.tracks(), 5, "--least")
    with pytest.raises(UserError, match=r"^--least 1: a label needs two members"):
        run.leave_out_small(run.tracks(), 1, "--least")


def test_a_save_with_other_songs_between_two_readings_is_told(run, tmp_path, monkeypatch):
    def read_vectors(folder: Path, which: str, mapped: bool) -> Vectors:
        return Vectors([which], np.ones((1, 3)), 1 + (which != "song"), which)

    monkeypatch.setattr("judging.labelled_run.read_vectors", read_vectors)
    with pytest.raises(UserError, match=r"between reading song of save 1 and a\.npy of save 2, .* same command again$"):
        read_labelled_run(run.folder, run.table, "genre", which=["song", "a.npy"])


@pytest.mark.parametrize(
    ("which", "kinds"),
    [
        (["song", "a/v.npy"], ["song vectors", "v.npy"]),
        (["song", "a/v.npy", "b/v.npy", "w.npy"], ["song vectors", "a/v.npy", "b/v.npy", "w.npy"]),
        (["x/a/v.npy", "y/a/v.npy"], ["x/a/v.npy", "y/a/v.npy"]),
        (["/long/x/a/v.npy", "/long/x/b/v.npy"], ["a/v.npy", "b/v.npy"]),
        (["v.npy", "a/v.npy"], ["v.npy", "a/v.npy"]),
        (["v.npy", "./v.npy"], ["v.npy", "./v.npy"]),
    ],
)
def test_no_two_kinds_of_vectors_have_one_name(which, kinds):
    found = [Vectors([], np.zeros((0, 2)), 1, "song vectors" if name == "song" else Path(name).name) for name in which]
    assert [one.kind for one in told_apart(found, which)] == kinds
