"""quality.py and quality_all.py: their rows, what they compare, and what they refuse before anything is trained."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import quality
import quality_all
import quality_training
import yaml
from conftest import small_settings, write_mels
from quality_collections import common_audio, read_collections
from quality_inputs import MFCC, Collection, read_inputs, read_named_vectors, resolution
from quality_scores import HUBNESS, NMI, SCORES
from quality_table import Measured, format_differences, mean_of_sets

import spectrogram_doc2vec
from utils import ROOT, UserError

FLAGS = ["--seeds", "1", "--minutes", "0.0001", "--no-plain", *small_settings("hidden_size=8")]
NAMES = [f"{kind}/{place}, søng.mp3" for kind in ("low end", "high") for place in range(6)]


@pytest.fixture
def trainer(monkeypatch):
    """The real trainer, in this process. Holds of each call how many songs there are, and whether it trains."""
    calls = []

    def run_trainer(argv: list[str]) -> int:
        calls.append((len(list(Path(argv[0]).rglob("*.npy"))), "--add-only" not in argv))
        return spectrogram_doc2vec.main(argv)

    monkeypatch.setattr(quality_training, "run_trainer", run_trainer)
    return calls


def write_labels(path: Path, names: list[str] = NAMES) -> Path:
    rows = [(name, name.split("/")[0], f"artist {name.split('/')[1][0]}") for name in names]
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("filename", "genre", "artist"), *rows])
    return path


@pytest.fixture
def collection(tmp_path) -> Collection:
    mels = write_mels(tmp_path / "the mels", {name: 40 + place for place, name in enumerate(NAMES)})
    return Collection("the mels", mels, write_labels(tmp_path / "labels.csv"), "genre", "artist")


def write_vectors(path: Path, names: list[str], suffix: str = "") -> Path:
    """Vectors that say the label, and their list beside them."""
    np.save(path, np.array([[name.startswith("low"), 1.0, 0.5] for name in names], np.float32))
    path.with_suffix(".txt").write_text("".join(f"{name}{suffix}\n" for name in names), encoding="utf-8")
    return path


def table(path: Path) -> dict[tuple[str, str, str, str], float]:
    """The CSV: (where, vectors, folds, score) -> mean."""
    with open(path, encoding="utf-8", newline="") as file:
        return {tuple(row[:4]): float(row[4]) for row in list(csv.reader(file))[1:]}


@pytest.mark.slow
def test_other_vectors_a_second_resolution_and_unseen_tracks_stand_in_the_table(
    tmp_path, collection, trainer, monkeypatch, capsys
):
    # two folds of a small table are enough to see what is compared
    monkeypatch.setattr("judging.folds.FOLDS", 2)
    fine = write_mels(tmp_path / "fine", dict.fromkeys(NAMES, 90))
    (fine / "config.yaml").write_text("frame_seconds: 0.04\nhop_seconds: 0.02\n")
    added = write_vectors(tmp_path / "other.npy", NAMES[::-1])
    argv = [str(collection.mel_folder), str(collection.labels), "--group-column", "artist", *FLAGS, "--unseen-groups"]
    argv += ["--add", f"oracle={added}", "--baseline-mels", str(fine), "--output", str(tmp_path / "out.csv")]
    assert quality.main(argv) == 0
    found, folder = table(tmp_path / "out.csv"), str(collection.mel_folder)
    kinds = ["chance", "mean log-mel", f"{MFCC}, 0.040/0.020 s", "oracle", "untrained networks", "song vectors"]
    printed = capsys.readouterr().out
    for kind in kinds:
        assert printed.count(f"\n{kind} ") == 2  # in the plain table and in the one by artist
        assert {(folder, kind, folds, score) for folds in ("plain", "by artist") for score in SCORES} <= set(found)
    assert {found[folder, "oracle", "by artist", score] for score in SCORES if score != HUBNESS} == {1.0}
    for kind in ("unseen groups", "the same groups, trained on"):
        assert printed.count(f"\n{kind} ") == 1
        assert {row[2] for row in found if row[1] == kind} == {"by artist"}
    # all songs once, then of each of two folds the others and, networks frozen, all
    assert trainer == [(12, True), *[(6, True), (12, False)] * 2]


@pytest.mark.slow
def test_several_collections_alone_together_and_in_the_mean(tmp_path, trainer, capsys):
    entries = []
    for seed, name in enumerate(("first", "second")):
        write_mels(tmp_path / name, {song: 40 + place for place, song in enumerate(NAMES)}, seed=seed)
        write_labels(tmp_path / f"{name}.csv")
        entries.append({"mel_folder": name, "labels": f"{name}.csv", "label_column": "genre"})
    entries[1] |= {"name": "2nd", "group_column": "artist", "baseline_mels": "fine", "clusters": False}
    write_mels(tmp_path / "fine", dict.fromkeys(NAMES, 90))
    (tmp_path / "fine" / "config.yaml").write_text("frame_seconds: 0.04\nhop_seconds: 0.02\n")
    (tmp_path / "all.yaml").write_text(yaml.safe_dump(entries))
    argv = [str(tmp_path / "all.yaml"), *FLAGS, "--together", "--output", str(tmp_path / "out.csv")]
    assert quality_all.main(argv) == 0
    printed, found = capsys.readouterr().out, table(tmp_path / "out.csv")
    assert "first: 12 tracks, 2 labels\nplain " in printed and "2nd: 12 tracks, 2 labels\nby artist " in printed
    mean = "mean of 2 collections"
    for kind in ("song vectors", "trained together", f"better {MFCC}"):
        assert f"\n{kind} " in printed.split(mean)[1]
        assert (mean, kind, "strictest folds", NMI) in found
    for kind in ("song vectors", "trained together"):
        halves = [found["first", kind, "plain", "RBF SVM"], found["2nd", kind, "by artist", "RBF SVM"]]
        assert found[mean, kind, "strictest folds", "RBF SVM"] == pytest.approx(np.mean(halves), abs=1e-3)
        assert found[mean, kind, "strictest folds", NMI] == found["first", kind, "plain", NMI]  # the other's are none
        assert f"{kind} less the better {MFCC}" in printed
    assert trainer == [(24, True), (12, True), (12, True)] and "worst" in printed


def test_a_training_that_fails_is_told_in_one_line(collection):
    """By the trainer as its own process: it is refused before TensorFlow is loaded."""
    argv = [sys.executable, ROOT / "tests/benchmarks/quality.py", collection.mel_folder, collection.labels, *FLAGS]
    done = subprocess.run([*argv, "--set", "mel_bins=13"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["spectrogram_doc2vec.py", "quality.py"]


def test_differences_name_the_worst_collection_and_leave_out_clusters_that_do_not_count():
    def measured(name: str, gain: float, clusters: bool) -> Measured:
        folds = "plain"
        coarse = {(folds, score): 0.5 for score in SCORES}
        fine = coarse | {(folds, "RBF SVM"): 0.6, (folds, HUBNESS): 0.7}
        song = {(folds, score): 0.5 + gain for score in SCORES}
        kinds = {"chance": [coarse], f"{MFCC}, a": [coarse], f"{MFCC}, b": [fine], "song vectors": [song, song]}
        return Measured(name, folds, clusters, kinds)

    sets = [measured("songs", 0.3, True), measured("speech", 0.1, False)]
    lines = {line.split("  ")[0]: line for line in format_differences(sets, "song vectors").splitlines()}
    assert lines["speech"].split()[1::2] == ["+0.100", "+0.100", "+0.000", "-", "+0.100", "-"]
    assert lines["mean of 2"].split()[3::2] == ["+0.200", "+0.200", "+0.100", "+0.300", "+0.300", "+0.200", "-"]
    assert lines["worst"].split() == ["worst", "speech", "speech", "speech", "songs", "songs", "songs"]
    means = mean_of_sets(sets)
    assert list(means) == ["chance", f"{MFCC}, a", f"{MFCC}, b", f"better {MFCC}", "song vectors"]
    better = means[f"better {MFCC}"][0]
    assert (better["strictest folds", "RBF SVM"], better["strictest folds", HUBNESS]) == (0.6, 0.5)


@pytest.mark.parametrize("suffix", ["", ".npy"])
def test_rows_of_other_vectors_are_found_by_name(tmp_path, suffix):
    path = write_vectors(tmp_path / "a, b.npy", NAMES[::-1], suffix)
    assert read_named_vectors(path, [f"{name}.npy" for name in NAMES])[:, 0].tolist() == [1] * 6 + [0] * 6
    path.with_suffix(".txt").rename(tmp_path / "music_list.txt")
    assert read_named_vectors(path, [f"{NAMES[-1]}.npy"])[:, 0].tolist() == [0]


def test_other_vectors_that_do_not_fit_are_one_line(tmp_path, collection, config, capsys):
    songs = [f"{name}.npy" for name in NAMES]
    path = tmp_path / "other.npy"
    with pytest.raises(UserError, match="no such file"):
        read_named_vectors(path, songs)
    write_vectors(path, NAMES[1:])
    with pytest.raises(UserError, match=r"has no vector of 1 labelled song: low end/0, søng\.mp3; add them"):
        read_named_vectors(path, songs)
    path.with_suffix(".txt").write_text("one\n")
    with pytest.raises(UserError, match=r"11 vectors, and .*other\.txt names 1; write a line for each"):
        read_named_vectors(path, songs)
    path.with_suffix(".txt").unlink()
    with pytest.raises(UserError, match=r"neither other\.txt nor music_list\.txt lies beside it"):
        read_named_vectors(path, songs)
    path.write_text("no array")
    with pytest.raises(UserError, match=r"not readable as \.npy"):
        read_named_vectors(path, songs)
    write_vectors(path, NAMES)
    np.save(path, np.zeros((12, 3)))
    with pytest.raises(UserError, match=r"low end/0, søng\.mp3\.npy' .and 11 others. is zero; leave it out of"):
        read_named_vectors(path, songs)
    with pytest.raises(UserError, match="has that name already"):
        read_inputs(collection, config, [("song vectors", path)])
    argv = [str(collection.mel_folder), str(collection.labels)]
    assert quality.main([*argv, "--add", f"x={tmp_path / 'none.npy'}"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(SystemExit):
        quality.main([*argv, "--add", "none.npy"])


def test_baseline_mels_that_lack_a_song_are_refused(tmp_path, collection, config):
    fine = write_mels(tmp_path / "fine", dict.fromkeys(NAMES[:-1], 20))
    argv = Collection("x", collection.mel_folder, collection.labels, "genre", None, fine)
    with pytest.raises(UserError, match=r"holds no mel of 1 labelled song: high/5, søng.mp3.npy; make it of the same"):
        read_inputs(argv, config, [])
    assert resolution(fine, config) == f"{config.frame_seconds:.3f}/{config.hop_seconds:.3f} s"


GOOD = {"mel_folder": "mels", "labels": "labels.csv", "label_column": "genre"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([GOOD | {"lables": "x"}], "collection 1: unknown key 'lables'; did you mean 'labels'?"),
        ([GOOD, {"mel_folder": "m", "labels": "x"}], "collection 2: the key 'label_column' is missing; each"),
        ([GOOD | {"clusters": "no"}], "clusters: 'no' is not true or false"),
        ([GOOD | {"label_column": 3}], "label_column: 3 is not text"),
        ([GOOD, GOOD], "two collections are named 'mels'; give each its own"),
        ([GOOD | {"name": "a/b"}], "name: 'a/b' cannot name a folder"),
        (["mels"], "collection 1: 'mels' is no mapping"),
        (GOOD, "expected a list of collections"),
        ([], "expected a list of collections"),
    ],
)
def test_a_broken_list_of_collections_is_one_line(tmp_path, capsys, content, message):
    path = tmp_path / "all.yaml"
    path.write_text(yaml.safe_dump(content))
    assert quality_all.main([str(path)]) == 1
    error = capsys.readouterr().err
    assert message in error and str(path) in error and error.count("\n") == 1


def test_paths_are_relative_to_the_list(tmp_path):
    (tmp_path / "all.yaml").write_text(yaml.safe_dump([GOOD]))
    (only,) = read_collections(tmp_path / "all.yaml")
    assert (only.name, only.mel_folder, only.labels) == ("mels", tmp_path / "mels", tmp_path / "labels.csv")
    assert (only.group_column, only.baseline_mels, only.clusters) == (None, None, True)


def test_only_what_was_made_alike_is_trained_together(tmp_path, collection, config):
    def inputs(name: str, bins: int = 12, hop: float | None = None):
        mels = write_mels(tmp_path / name, dict.fromkeys(NAMES, 20), bins)
        if hop:
            (mels / "config.yaml").write_text(f"hop_seconds: {hop}\ndecoder: sox\n")
        return read_inputs(Collection(name, mels, collection.labels, "genre"), config, [])

    bare, fine = inputs("bare"), inputs("fine", hop=0.02)
    assert common_audio([bare, fine]) == {"hop_seconds": 0.02}
    assert common_audio([bare, bare]) == {}
    with pytest.raises(UserError, match=r"wide: 13 bins, and .*bare has 12"):
        common_audio([bare, inputs("wide", 13)])
    with pytest.raises(UserError, match=r"coarse: was made with hop_seconds: 0.1.*leave --together out"):
        common_audio([fine, inputs("coarse", hop=0.1)])
