import csv
import itertools
import os
import re
from pathlib import Path

import numpy as np
import pytest

from judging import classifiers
from process_results import logistic_regress
from runs import run_folder
from runs.vectors import read_song_vectors

NAMES = sorted((f"{'drone' if i % 2 else 'jazz, é'}/{i:02}.mp3.npy" for i in range(24)), key=lambda name: name.encode())
LABELS = [name.partition("/")[0] for name in NAMES]
FIGURE = re.compile(r"\d\.\d{3} \+- \d\.\d{3}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder that holds a run, its label table and its mel folder: drones are dull, jazz is bright."""
    folder = tmp_path / "a place"
    (folder / "run").mkdir(parents=True)
    random = np.random.default_rng(0)
    signs = np.array([1.0 if label == "drone" else -1.0 for label in LABELS])
    vectors = signs[:, None] * np.ones(4) + 0.1 * random.standard_normal((24, 4))
    costs = [run_folder.CostRow(1, 2.0, 2.1, 1000, 3.0)]
    run_folder.commit_save(folder / "run", 1, vectors.astype(np.float32), {}, costs, b"seed: 0\n", 5, NAMES)
    for name, sign in zip(NAMES, signs, strict=True):
        path = folder / "mels" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        mel = sign * np.linspace(-1, 1, 30) + 0.5 * random.standard_normal((20, 30))
        np.save(path, mel.astype(np.float16))
    write_labels(folder, LABELS)
    return folder


def write_labels(folder: Path, labels: list[str], artists: list[str] | None = None) -> None:
    artists = artists or [f"artist {i // 4}" for i in range(len(NAMES))]
    rows = [(name.removesuffix(".npy"), *row) for name, *row in zip(NAMES, labels, artists, strict=True)]
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("filename", "genre", "artist"), *rows])


def run_main(folder: Path, *more: str) -> int:
    return logistic_regress.main([str(folder / "run"), str(folder / "labels.csv"), *more])


def test_song_vectors_alone(folder, capfd):
    assert run_main(folder) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert out == (
        "vectors: song vectors of save 1\n"
        "24 of 24 songs labelled; left out: nothing\n"
        "24 tracks, 2 classes, 2 x 5 stratified folds\n"
        "accuracy            linear SVM       RBF SVM          logistic         5-NN cosine\n"
        "song vectors        1.000 +- 0.000   1.000 +- 0.000   1.000 +- 0.000   1.000 +- 0.000\n"
        "chance              0.500            0.500            0.500            0.500\n"
        "most frequent class 0.500            0.500            0.500            0.500\n"
        "\n"
        "balanced accuracy   linear SVM       RBF SVM          logistic         5-NN cosine\n"
        "song vectors        1.000 +- 0.000   1.000 +- 0.000   1.000 +- 0.000   1.000 +- 0.000\n"
        "chance              0.500            0.500            0.500            0.500\n"
        "most frequent class 0.500            0.500            0.500            0.500\n"
        "\n"
        "macro F1            linear SVM       RBF SVM          logistic         5-NN cosine\n"
        "song vectors        1.000 +- 0.000   1.000 +- 0.000   1.000 +- 0.000   1.000 +- 0.000\n"
        "chance              0.500            0.500            0.500            0.500\n"
        "most frequent class 0.333            0.333            0.333            0.333\n"
        "for the baselines of the same tracks (mean log-mel, MFCC statistics) add --mel-folder MELS\n"
        "1 kind of vectors compared on 24 tracks\n"
    )


def test_kinds_of_vectors_side_by_side(folder, capsys):
    np.save(folder / "noise.npy", np.random.default_rng(0).standard_normal((24, 3)))
    flags = [word for which in ("song", folder / "noise.npy") for word in ("--vectors", str(which))]
    assert run_main(folder, *flags) == 0
    out = capsys.readouterr().out
    assert out.startswith("vectors: song vectors of save 1\nvectors: noise.npy of save 1\n")
    rows = [line[:20].strip() for line in out.splitlines() if FIGURE.search(line)]
    assert rows == 3 * ["song vectors", "noise.npy"]
    assert "2 kinds of vectors compared" in out
    assert run_main(folder, *flags, "--vectors", "descriptor") == 1
    assert "--vectors descriptor: track descriptors are gone; leave the flag out" in capsys.readouterr().err


def test_files_of_one_base_name_are_kinds_of_their_own(folder, capsys, monkeypatch):
    songs = read_song_vectors(folder / "run").vectors
    for place, vectors in (("old", np.random.default_rng(0).standard_normal((24, 3))), ("new", songs)):
        (folder / place).mkdir()
        np.save(folder / place / "v.npy", vectors)
    flags = [word for place in ("old", "new") for word in ("--vectors", str(folder / place / "v.npy"))]
    assert run_main(folder, "--fixed", *flags, "--output", str(folder / "table.csv")) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines() if FIGURE.search(line)] == 3 * ["old/v.npy", "new/v.npy"]
    assert "\nnew/v.npy           1.000" in out and "2 kinds of vectors compared" in out
    accuracies = {row["vectors"]: float(row["mean"]) for row in read_table(folder / "table.csv")[::3]}
    assert accuracies["old/v.npy"] < accuracies["new/v.npy"] == 1
    monkeypatch.chdir(folder / "new")
    assert run_main(folder, "--fixed", "--vectors", "v.npy", "--vectors", "./v.npy") == 0  # the same, by two names
    assert "\n./v.npy" in capsys.readouterr().out


def test_the_table_is_as_wide_as_the_names_of_files(folder, capsys):
    for name in ("vectors of my own, first.npy", "vectors of my own, second.npy"):
        np.save(folder / name, read_song_vectors(folder / "run").vectors)
    flags = [
        word for which in ("first", "second") for word in ("--vectors", f"{folder}/vectors of my own, {which}.npy")
    ]
    assert run_main(folder, "--fixed", "--score", "accuracy", *flags) == 0
    lines = capsys.readouterr().out.splitlines()[-8:]
    assert {line.index("1.000") for line in lines if ".npy " in line} == {30} == {lines[1].index("linear SVM")}


def test_baselines_groups_and_table(folder, capsys):
    output = folder / "the table.csv"
    mels, by_artist = str(folder / "mels"), ["--group-column", "artist", "--min-members", "3"]
    assert run_main(folder, "--mel-folder", mels, "--output", str(output), *by_artist) == 0
    lines = capsys.readouterr().out.splitlines()
    # artists go through the sorted names four at a time, so each is of one genre: three artists a genre
    assert lines[2] == (
        "24 tracks, 2 classes, 6 groups by artist, 2 x 3 stratified folds (class 'drone' has only 3 groups)"
    )
    rows = {line[:20].strip(): FIGURE.findall(line) for line in lines[4:7]}
    assert list(rows) == ["song vectors", "mean log-mel", "MFCC statistics"]
    assert all(len(figures) == 4 for figures in rows.values())
    assert lines[-1] == f"{output}: scores; 3 kinds of vectors compared on 24 tracks"
    table = read_table(output)
    assert [(row["vectors"], row["classifier"], row["score"]) for row in table] == [
        *itertools.product(rows, classifiers.CLASSIFIERS, classifiers.SCORES),
        *itertools.product(("chance", "most frequent class"), ("",), classifiers.SCORES),
    ]
    accuracies = [row for row in table if row["score"] == "accuracy"]
    for row, figure in zip(accuracies, itertools.chain.from_iterable(rows.values()), strict=False):
        assert figure == f"{float(row['mean']):.3f} +- {float(row['interval_95']):.3f}"
        assert (row["folds"], row["tracks"]) == ("6", "24")


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_of_tables_and_pictures_and_only_of_ours(folder, capsys):
    swapped = ["drone" if i == 23 else label for i, label in enumerate(LABELS)]
    write_labels(folder, swapped)
    output = folder / "what was found"
    assert run_main(folder, "--fixed", "--output", str(output), "--mel-folder", str(folder / "mels")) == 0
    names = ["classes.csv", "confusion.png", "learning_curve.png", "scores.csv"]
    assert sorted(os.listdir(output)) == names
    assert "scores.csv, classes.csv, confusion.png, learning_curve.png; 3 kinds" in capsys.readouterr().out
    classes = {row["label"]: row for row in read_table(output / "classes.csv")}
    assert (classes["drone"]["tracks"], classes["drone"]["most_often_taken_for"]) == ("13", "jazz, é")
    assert float(classes["drone"]["recall"]) == pytest.approx(12 / 13, abs=1e-3)
    assert float(classes["jazz, é"]["recall"]) == 1
    assert float(classes["jazz, é"]["precision"]) == pytest.approx(11 / 12, abs=1e-3)
    before = {name: (output / name).read_bytes() for name in names}
    assert run_main(folder, "--fixed", "--output", str(output), "--mel-folder", str(folder / "mels")) == 0
    assert {name: (output / name).read_bytes() for name in names} == before
    (output / "my notes.txt").write_text("mine")
    assert run_main(folder, "--output", str(output)) == 1
    assert "is no folder of this script's, and holds 'my notes.txt' already" in capsys.readouterr().err
    assert run_main(folder, "--output", str(folder / "labels.csv" / "x")) == 1
    assert "there is no folder" in capsys.readouterr().err


def test_more_classes_than_a_picture_shows_leave_no_older_picture(folder, capsys, monkeypatch):
    output = folder / "found"
    assert run_main(folder, "--fixed", "--output", str(output)) == 0
    assert "no confusion.png" not in capsys.readouterr().out
    monkeypatch.setattr(logistic_regress, "LABELS_DRAWN", 1)
    assert run_main(folder, "--fixed", "--output", str(output)) == 0
    out = capsys.readouterr().out
    assert "no confusion.png: 2 classes, and it shows no more than 1\n" in out
    assert f"{output}: scores.csv, classes.csv, learning_curve.png; " in out
    assert sorted(os.listdir(output)) == ["classes.csv", "learning_curve.png", "scores.csv"]


@pytest.mark.parametrize("name", ["scores.csv", "SCORES.CSV"])
def test_a_table_of_ours_is_replaced_and_no_other(folder, capsys, name):
    output = folder / name
    for _ in range(2):
        assert run_main(folder, "--fixed", "--output", str(output)) == 0
    assert output.is_file() and "no confusion.png" not in capsys.readouterr().out
    output.write_text("my,own\n1,2\n")
    assert run_main(folder, "--fixed", "--output", str(output)) == 1
    assert f"{output}: is no table of this script, and would be replaced" in capsys.readouterr().err
    assert output.read_text() == "my,own\n1,2\n"


@pytest.mark.parametrize("more", [["--label-column", "mood"], ["--group-column", "artist"]])
def test_an_error_leaves_no_folder(folder, more):
    assert run_main(folder, "--output", str(folder / "found"), *more) == 1
    assert not (folder / "found").exists()


def test_what_was_left_out_is_listed_on_request(folder, capsys):
    text = (folder / "labels.csv").read_text().replace(NAMES[0].removesuffix(".npy"), "gone.mp3")
    (folder / "labels.csv").write_text(text)
    assert run_main(folder, "--fixed", "--list-left-out") == 0
    out = capsys.readouterr().out
    assert f"\nsong without a row in the table: {NAMES[0].removesuffix('.npy')}\n" in out
    assert "\nrow without a song: gone.mp3\n" in out


def test_baselines_are_those_of_the_same_tracks(folder, capsys):
    (folder / "mels" / NAMES[3]).unlink()
    (folder / "mels" / NAMES[5]).write_bytes(b"no array")
    np.save(folder / "mels" / NAMES[7], np.zeros((5, 31), np.float16))
    np.save(folder / "mels" / NAMES[9], np.zeros((0, 30), np.float16))
    assert run_main(folder, "--mel-folder", str(folder / "mels"), "--quiet") == 0
    out = capsys.readouterr().out
    assert f"left out: 4 tracks without a usable mel ({NAMES[3]}: No such file or directory, {NAMES[5]}: " in out
    assert "20 tracks, 2 classes" in out
    assert out.endswith("3 kinds of vectors compared on 20 tracks\n")


def test_a_song_vector_row_is_the_same_with_and_without_baselines(folder, capsys):
    for more in ([], ["--mel-folder", str(folder / "mels")]):
        assert run_main(folder, "--seed", "5", *more) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("song vectors")]
    assert rows[0] == rows[1]


def test_classes_too_small_are_left_out_and_said(folder, capsys):
    write_labels(folder, [*LABELS[:-3], "lone wolf", "pair", "pair"])
    assert run_main(folder) == 0
    out = capsys.readouterr().out
    assert "left out: 2 labels with fewer than 5 tracks (lone wolf, pair); see --min-members\n" in out
    assert "21 tracks, 2 classes, 2 x 5 stratified folds\n" in out
    assert run_main(folder, "--min-members", "2") == 0
    out = capsys.readouterr().out
    assert "left out: 1 label with fewer than 2 tracks (lone wolf); see --min-members\n" in out
    assert "23 tracks, 3 classes, 2 x 2 stratified folds (class 'pair' has only 2 tracks)\n" in out


def test_a_class_of_one_group_is_left_out(folder, capsys):
    write_labels(folder, ["solo"] * 4 + LABELS[4:])
    assert run_main(folder, "--group-column", "artist", "--min-members", "2") == 0
    out = capsys.readouterr().out
    assert "left out: 1 label with fewer than 2 groups (solo); see --min-members\n" in out
    assert "20 tracks, 2 classes, 5 groups by artist, 2 x 2 stratified folds" in out


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["same"] * 24, "column 'genre': one class only, 'same': there is nothing to tell apart"),
        ([str(i) for i in range(24)], "column 'genre': no class of two or more members: there is nothing to tell"),
    ],
)
def test_nothing_to_tell_apart(folder, capsys, labels, message):
    write_labels(folder, labels)
    assert run_main(folder) == 1
    error = capsys.readouterr().err
    assert f"{folder / 'labels.csv'}: {message}" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--output", "PLACE/run/epoc_num.txt"], "epoc_num.txt: is a file; name a folder for the output"),
        (["--output", "PLACE/run"], "PLACE/run: is no folder of this script's, and holds 'config.yaml' already"),
        (["--output", "PLACE/no/table.csv"], "there is no folder PLACE/no; make it first"),
        (["--output", "PLACE/labels.csv"], "labels.csv: is an input of this command"),
        (["--mel-folder", "PLACE/none"], "PLACE/none: no such mel folder"),
        (["--mel-folder", "PLACE/run"], "PLACE/run: holds none of the labelled songs of the run"),
        (["--min-members", "1"], "--min-members 1: a label needs two members"),
        (["--group-column", "artist"], "column 'genre': fewer than two labels have 5 groups; label more, or take"),
        (["--group-column", "Artist"], "no column 'Artist'; did you mean 'artist'?"),
        (["--label-column", "mood"], "no column 'mood'; known: filename, genre, artist"),
    ],
)
def test_errors_say_what_to_do(folder, capsys, more, message):
    before = (folder / "labels.csv").read_bytes()
    assert run_main(folder, *(argument.replace("PLACE", str(folder)) for argument in more)) == 1
    error = capsys.readouterr().err
    assert message.replace("PLACE", str(folder)) in error
    assert error.count("\n") == 1
    assert (folder / "labels.csv").read_bytes() == before


def test_a_song_without_a_direction_is_named(folder, capsys):
    vectors = np.load(folder / "run" / "vector_at_1.npy")
    vectors[2] = 0
    np.save(folder / "run" / "vector_at_1.npy", vectors)
    assert run_main(folder) == 1
    assert f"{folder / 'run'}: the vector of {NAMES[2]!r} is zero; remove that mel" in capsys.readouterr().err


def test_tracks_without_an_artist_are_a_group_each(folder, capsys):
    write_labels(folder, LABELS, [""] * 12 + [f"artist {i // 2}" for i in range(12)])
    assert run_main(folder, "--group-column", "artist") == 0
    out = capsys.readouterr().out
    assert "24 of 24 songs labelled; left out: nothing\n12 songs with an empty group: each is taken as" in out
    assert "24 tracks, 2 classes, 18 groups by artist, 2 x 5 stratified folds\n" in out


def test_the_split_that_chooses_c_is_drawn_once_a_fold(folder, monkeypatch, capsys):
    drawn, draw = [], classifiers._inner_split
    monkeypatch.setattr(classifiers, "_inner_split", lambda *a: drawn.append(1) or draw(*a))
    assert run_main(folder, "--mel-folder", str(folder / "mels")) == 0
    assert len(drawn) == 10
    assert "the RBF SVM learns from" not in capsys.readouterr().out
    monkeypatch.setattr(classifiers, "MOST_RBF_TRACKS", 16)
    assert run_main(folder) == 0
    assert "\nthe RBF SVM learns from 16 of 20 tracks, each label in its share" in capsys.readouterr().out


def test_one_score_alone_is_a_small_table(folder, capsys):
    assert run_main(folder, "--fixed", "--score", "macro F1") == 0
    printed = capsys.readouterr().out
    assert "macro F1  " in printed and "accuracy" not in printed
    assert len(printed.splitlines()) < 12
