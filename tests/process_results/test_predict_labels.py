"""Predicting labels: what is predicted, how sure, and what is refused."""

from __future__ import annotations

import csv
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from judging.folds import make_folds
from process_results import predict_labels
from runs import run_folder
from utils import ROOT

CLASSES = ("drone", "jazz, é", "Ёлка")
NAMES = sorted((f"{i:03}, {CLASSES[i % 3]}.mp3.npy" for i in range(120)), key=lambda name: name.encode())


def class_of(name: str) -> str:
    return name.removesuffix(".mp3.npy").removesuffix(".mp3").split(", ", 1)[1]


def write_labels(path: Path, names: list[str], label=class_of) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = [(name.removesuffix(".npy"), label(name), f"artist {i % 11}") for i, name in enumerate(names)]
        csv.writer(file).writerows([("filename", "genre", "artist"), *rows])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of three classes that overlap a little, and the labels of every fourth track."""
    folder = tmp_path / "a place"
    (folder / "run").mkdir(parents=True)
    centres = 2.0 * np.eye(3, 8)
    draws = np.random.default_rng(0)
    vectors = np.stack([centres[CLASSES.index(class_of(name))] for name in NAMES]) + 0.7 * draws.standard_normal(
        (120, 8)
    )
    costs = [run_folder.CostRow(1, 2.0, 2.1, 1000, 3.0)]
    run_folder.commit_save(folder / "run", 1, vectors.astype(np.float32), {}, costs, b"seed: 0\n", 5, NAMES)
    write_labels(folder / "labels.csv", NAMES[::4])
    return folder


def run_main(folder: Path, *more: str) -> int:
    argv = [folder / "run", folder / "labels.csv", "--output", folder / "out.csv"]
    return predict_labels.main([*map(str, argv), *more])


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_unlabelled_are_predicted_most_certain_first(folder, capsys):
    assert run_main(folder) == 0
    out = capsys.readouterr().out
    rows = read_table(folder / "out.csv")
    assert {row["filename"] + ".npy" for row in rows} == set(NAMES) - set(NAMES[::4])
    right = [row["predicted"] == class_of(row["filename"]) for row in rows]
    assert np.mean(right) > 0.85
    probabilities = [float(row["probability"]) for row in rows]
    assert probabilities == sorted(probabilities, reverse=True)
    assert np.mean(right[:30]) >= np.mean(right[-30:])
    for row in rows:
        assert row["second"] in set(CLASSES) - {row["predicted"]}
        assert float(row["probability"]) + float(row["second_probability"]) <= 1.001
    assert f"{folder / 'out.csv'}: 90 tracks predicted from 30 labelled ones of 3 classes; " in out
    assert "on tracks that it has not learned from: right for " in out


def test_all_predicts_the_labelled_too_and_the_same_command_gives_the_same_bytes(folder, monkeypatch):
    predictors, fit = [], predict_labels.fit
    monkeypatch.setattr(predict_labels, "fit", lambda *a: predictors.append(fit(*a)) or predictors[-1])
    assert run_main(folder, "--all", "--group-column", "artist") == 0
    first = (folder / "out.csv").read_bytes()
    rows = {row["filename"] + ".npy": row for row in read_table(folder / "out.csv")}
    assert set(rows) == set(NAMES)
    # each labelled track is predicted by what has not learned from it
    labelled = np.array([float(rows[name]["probability"]) for name in NAMES[::4]])
    np.testing.assert_allclose(labelled, predictors[0].unseen.max(axis=1), atol=1e-4)
    vectors = np.load(folder / "run" / "vector_at_1.npy")
    seen, others = (predictors[0].probabilities(vectors[i::4]).max(axis=1) for i in (0, 1))
    assert np.abs(labelled - seen).max() > 0.01
    unlabelled = [float(rows[name]["probability"]) for name in NAMES[1::4]]
    np.testing.assert_allclose(unlabelled, others, atol=1e-4)
    assert run_main(folder, "--all", "--group-column", "artist") == 0
    assert (folder / "out.csv").read_bytes() == first


def test_probabilities_are_as_often_right_as_they_say():
    random = np.random.default_rng(0)
    codes = np.arange(3000) % 3
    vectors = 1.2 * np.eye(3, 6)[codes] + random.standard_normal((3000, 6))
    folds = make_folds([str(code) for code in codes[:400]])
    predictor = predict_labels.fit(vectors[:400], codes[:400], folds, None, 0)
    found = predictor.probabilities(vectors[400:])
    np.testing.assert_allclose(found.sum(axis=1), 1)
    right = found.argmax(axis=1) == codes[400:]
    assert abs(right.mean() - found.max(axis=1).mean()) < 0.06
    assert abs(predictor.accuracy - predictor.confidence) < 0.06
    for low, high in ((0.4, 0.6), (0.6, 0.8), (0.8, 1.0)):
        some = (found.max(axis=1) >= low) & (found.max(axis=1) < high)
        assert abs(right[some].mean() - found.max(axis=1)[some].mean()) < 0.12


def test_probabilities_in_blocks_are_the_same(monkeypatch):
    random = np.random.default_rng(0)
    codes, vectors = np.arange(60) % 3, random.standard_normal((60, 4))
    predictor = predict_labels.fit(vectors, codes, make_folds([str(code) for code in codes]), None, 0)
    whole = predictor.probabilities(vectors)
    monkeypatch.setattr(predict_labels, "SCORED_AT_ONCE", 7)
    np.testing.assert_array_equal(predictor.probabilities(vectors), whole)
    np.testing.assert_array_equal(predictor.probabilities(vectors[:1]), whole[:1])


@pytest.mark.slow
@pytest.mark.parametrize(("labelled", "tracks"), [(20_000, 20_001), (2500, 200_000)], ids=["learning", "predicting"])
def test_a_signal_is_answered_while_svms_learn_and_while_they_predict(tmp_path, labelled, tracks):
    """Within a second or two, also where one call of libsvm takes many."""
    draws = np.random.default_rng(0)
    names = [f"{number:06}.mp3.npy" for number in range(tracks)]
    (tmp_path / "run").mkdir()
    costs = [run_folder.CostRow(1, 2.0, 2.1, 1000, 3.0)]
    vectors = draws.standard_normal((tracks, 100)).astype(np.float32)
    run_folder.commit_save(tmp_path / "run", 1, vectors, {}, costs, b"seed: 0\n", 5, names)
    write_labels(tmp_path / "labels.csv", names[:labelled], lambda name: "ab"[int(name[:6]) % 2])
    argv = [sys.executable, "-u", ROOT / "process_results" / "predict_labels.py", tmp_path / "run"]
    argv += [tmp_path / "labels.csv", "--output", tmp_path / "out.csv"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        until = "songs labelled" if labelled > 10_000 else "warning: no --group-column"
        next(line for line in process.stdout if until in line)
        time.sleep(2.5)  # so that libsvm is at work
        process.send_signal(signal.SIGINT)
        try:
            _, error = process.communicate(timeout=4)
        finally:
            process.kill()
    assert process.returncode == 0
    assert "interrupted" in error and error.count("\n") == 1
    assert not (tmp_path / "out.csv").exists()


def write_artists(folder: Path, artists: int, each: int, strength: float, seed: int) -> np.ndarray:
    """Make a run in which the artist says more than the genre; the first half of the artists is labelled.

    Returns  (tracks,) int64, the true genre of every track.
    """
    draws = np.random.default_rng(seed)
    artist = np.repeat(np.arange(artists), each)
    genre = artist % 4
    vectors = strength * draws.standard_normal((4, 24))[genre] + draws.standard_normal((artists, 24))[artist]
    vectors += 0.2 * draws.standard_normal((len(artist), 24))
    names = [f"{number:05}.mp3.npy" for number in range(len(artist))]
    (folder / "run").mkdir(parents=True)
    costs = [run_folder.CostRow(1, 2.0, 2.1, 1000, 3.0)]
    run_folder.commit_save(folder / "run", 1, vectors.astype(np.float32), {}, costs, b"seed: 0\n", 5, names)
    half = len(artist) // 2
    rows = [(name.removesuffix(".npy"), f"genre {genre[i]}", f"artist {artist[i]}") for i, name in enumerate(names)]
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("filename", "genre", "artist"), *rows[:half]])
    return genre


@pytest.mark.parametrize(("strength", "seed"), [(0.25, 1), (0.5, 1)])
def test_it_is_as_sure_of_new_artists_as_it_is_right(tmp_path, capsys, strength, seed):
    """Tracks of an artist resemble each other more than those of a genre: what is printed must hold for new artists."""
    folder = tmp_path / "a place"
    genre = write_artists(folder, 900, 2, strength, seed)
    found = {}
    for which, flags in (("grouped", ["--group-column", "artist"]), ("plain", [])):
        assert run_main(folder, *flags, "--quiet") == 0
        out, err = capsys.readouterr()
        assert err == ""
        accuracy, confidence = (float(x) / 100 for x in re.findall(r"(?:right for|sure of) ([\d.]+)%", out))
        rows = read_table(folder / "out.csv")
        right = np.mean([row["predicted"] == f"genre {genre[int(row['filename'][:5])]}" for row in rows])
        said = np.mean([float(row["probability"]) for row in rows])
        found[which] = accuracy, confidence, right, said
        assert ("warning: no --group-column: tracks of one artist may be on both sides" in out) == (which == "plain")
    accuracy, confidence, right, said = found["grouped"]
    assert max(abs(accuracy - right), abs(confidence - right), abs(said - right)) < 0.05
    accuracy, confidence, right, said = found["plain"]
    assert min(accuracy, confidence) > right + 0.15  # which is what the warning is for


def test_a_temperature_is_tested_on_folds_that_it_was_not_fitted_to():
    random = np.random.default_rng(0)
    codes = np.arange(100) % 2
    folds = make_folds([str(code) for code in codes])
    scores = [random.standard_normal((len(test), 2)) for _, test in folds]
    before = predict_labels.cross_fit_probabilities(scores, codes, folds)
    turned = codes.copy()
    turned[folds[3][1]] = 1 - turned[folds[3][1]]  # the labels of one fold are others
    after = predict_labels.cross_fit_probabilities(scores, turned, folds)
    changed = [not np.allclose(one, other) for one, other in zip(before, after, strict=True)]
    assert changed[:5] == [True, True, True, False, True]


def test_tracks_without_an_artist_and_small_classes(folder, capsys):
    def label(name: str) -> str:
        return "rare" if name == NAMES[0] else class_of(name)

    write_labels(folder / "labels.csv", NAMES[::4], label)
    text = (folder / "labels.csv").read_text(encoding="utf-8")
    (folder / "labels.csv").write_text(re.sub(r",artist \d+", ",", text), encoding="utf-8")
    assert run_main(folder, "--group-column", "artist", "--all") == 0
    out = capsys.readouterr().out
    assert "30 songs with an empty group: each is taken as a group of its own\n" in out
    assert "left out: 1 label with fewer than 5 groups (rare); see --min-members\n" in out
    rows = {row["filename"] + ".npy": row for row in read_table(folder / "out.csv")}
    assert rows[NAMES[0]]["predicted"] in CLASSES  # it is predicted all the same


def test_the_temperature_is_found():
    random = np.random.default_rng(0)
    scores = 4.0 * random.standard_normal((20_000, 3))
    probabilities = predict_labels.softmax(scores, 2.5)
    codes = (probabilities.cumsum(axis=1) > random.random((20_000, 1))).argmax(axis=1)
    assert predict_labels.fit_temperature(scores, codes) == pytest.approx(2.5, rel=0.05)


def test_of_many_tracks_it_learns_from_a_sample_and_says_so(folder, capsys, monkeypatch):
    monkeypatch.setattr(predict_labels.classifiers, "MOST_RBF_TRACKS", 20)
    assert run_main(folder) == 0
    assert "\nthe RBF SVM learns from 20 of 30 tracks, each label in its share" in capsys.readouterr().out
    assert np.mean([row["predicted"] == class_of(row["filename"]) for row in read_table(folder / "out.csv")]) > 0.8


def test_two_classes(folder):
    write_labels(folder / "labels.csv", [name for name in NAMES[::2] if class_of(name) != "Ёлка"])
    assert run_main(folder) == 0
    assert {row["predicted"] for row in read_table(folder / "out.csv")} <= {"drone", "jazz, é"}


@pytest.mark.parametrize(
    ("change", "flags", "says"),
    [
        (lambda name: "drone", [], "column 'genre': one class only, 'drone': there is nothing to tell apart"),
        (lambda name: name, [], "column 'genre': no class of two or more members"),
        (None, ["--label-column", "gender"], "no column 'gender'; did you mean 'genre'?"),
        (None, ["--vectors", "descriptor"], "track descriptors are gone; leave the flag out, or use --vectors song"),
    ],
)
def test_errors_are_one_line(folder, capsys, change, flags, says):
    if change:
        write_labels(folder / "labels.csv", NAMES[::4], change)
    assert run_main(folder, *flags) == 1
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert not (folder / "out.csv").exists()


def test_nothing_to_predict_and_a_foreign_table_are_refused(folder, capsys):
    write_labels(folder / "labels.csv", NAMES)
    assert run_main(folder) == 1
    assert "every track of the run has a label; use --all" in capsys.readouterr().err
    (folder / "out.csv").write_text("my,own,table\n")
    assert run_main(folder, "--all") == 1
    assert "is no table of this script, and would be replaced" in capsys.readouterr().err
    assert (folder / "out.csv").read_text() == "my,own,table\n"
