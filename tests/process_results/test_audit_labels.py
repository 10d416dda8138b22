import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judging.folds import make_folds
from process_results import audit_labels
from runs import run_folder
from runs.vectors import read_song_vectors
from utils import ROOT

KINDS = ("drone", "jazz, soft", "Ёлка")
AWKWARD = ("drone/-- caf\udce9, 'x'.mp3.npy", 'jazz, soft/say "é"; (live).mp3.npy', "Ёлка/=1+1.npy.mp3.npy")
NAMES = sorted(
    [f"{kind}/{i} é, {i}.mp3.npy" for kind in KINDS for i in range(15)] + list(AWKWARD),
    key=lambda name: name.encode("utf-8", "surrogateescape"),
)
SWAPPED = {AWKWARD[0]: "Ёлка", AWKWARD[1]: "drone", f"{KINDS[2]}/7 é, 7.mp3.npy": "drone"}


def kind_of(name: str) -> str:
    return name.partition("/")[0]


def write_run(folder: Path, names: list[str] = NAMES, vectors: np.ndarray | None = None) -> Path:
    """Write a run folder whose songs lie around one direction for each of the three kinds."""
    if vectors is None:
        kinds = [KINDS.index(kind_of(name)) for name in names]
        vectors = np.eye(3, 5)[kinds] + 0.2 * np.random.default_rng(0).standard_normal((len(names), 5))
    folder.mkdir()
    costs = [run_folder.CostRow(1, 2.0, 2.1, 1000, 3.0)]
    run_folder.commit_save(folder, 1, vectors.astype(np.float32), {}, costs, b"seed: 0\n", 5, names)
    return folder


def write_labels(folder: Path, labels: dict[str, str], artists: dict[str, str] | None = None) -> None:
    """Write labels.csv from name -> label; without `artists` every song has an artist of its own."""
    rows = [(name.removesuffix(".npy"), label, (artists or {}).get(name, name)) for name, label in labels.items()]
    with (folder / "labels.csv").open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        csv.writer(file).writerows([("filename", "genre", "artist"), *rows])


def swapped_labels() -> dict[str, str]:
    return {name: SWAPPED.get(name, kind_of(name)) for name in NAMES}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a space in its name that holds a run and a label table with three labels wrong."""
    folder = tmp_path / "a place"
    folder.mkdir()
    write_run(folder / "run")
    write_labels(folder, swapped_labels())
    return folder


def run_main(folder: Path, *more: str, output: str = "audit.csv") -> int:
    paths = [str(folder / "run"), str(folder / "labels.csv"), "--output", str(folder / output)]
    return audit_labels.main([*paths, *more])


def read_rows(folder: Path, output: str = "audit.csv") -> list[dict[str, str]]:
    with (folder / output).open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.DictReader(file))


def test_swapped_labels_come_first_with_their_own_label_suggested(folder, capfd):
    assert run_main(folder) == 0
    out, err = capfd.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[0] == "vectors: song vectors of save 1"
    assert lines[1] == "48 of 48 songs labelled; left out: nothing"
    assert lines[2] == (
        f"{folder / 'audit.csv'}: 48 of 48 tracks, most surprising first; for 3 of the 48 another label is suggested"
    )
    rows = read_rows(folder)
    assert list(rows[0]) == ["rank", "filename", "label", "suggested", "probability", "neighbours"]
    assert [row["rank"] for row in rows] == [str(i) for i in range(1, 49)]
    assert {row["filename"] + ".npy" for row in rows} == set(NAMES)
    assert {row["filename"] + ".npy": row["label"] for row in rows[:3]} == SWAPPED
    assert [row["suggested"] for row in rows] == [kind_of(row["filename"]) for row in rows]
    probabilities = [float(row["probability"]) for row in rows]
    assert probabilities == sorted(probabilities, reverse=True)
    assert 1 >= probabilities[2] > 0.8 > 0.5 > probabilities[3] and probabilities[-1] >= 0


def test_neighbours_are_named_nearest_first_with_their_given_labels(folder):
    assert run_main(folder) == 0
    run = read_song_vectors(folder / "run")
    directions = run.vectors / np.linalg.norm(run.vectors, axis=1, keepdims=True)
    labels = swapped_labels()
    for row in read_rows(folder):
        song = NAMES.index(row["filename"] + ".npy")
        cosines = directions @ directions[song]
        nearest = [i for i in np.argsort(-cosines) if i != song][: audit_labels.NEIGHBOURS_NAMED]
        named = [f"{NAMES[i].removesuffix('.npy')} ({labels[NAMES[i]]}, {cosines[i]:.2f})" for i in nearest]
        assert row["neighbours"] == "; ".join(named)


def test_top_writes_the_head_of_the_same_list(folder, capsys):
    assert run_main(folder) == 0
    assert run_main(folder, "--top", "5", output="head.csv") == 0
    assert "head.csv: 5 of 48 tracks, most surprising first; for 3 of the 48 another" in capsys.readouterr().out
    assert read_rows(folder, "head.csv") == read_rows(folder)[:5]
    assert run_main(folder, "--top", "500") == 0
    assert len(read_rows(folder)) == 48


def test_the_same_seed_gives_the_same_bytes_and_its_own_list_is_replaced(folder):
    assert run_main(folder, "--seed", "3") == 0
    first = (folder / "audit.csv").read_bytes()
    assert run_main(folder, "--seed", "3") == 0
    assert (folder / "audit.csv").read_bytes() == first
    assert sorted(path.name for path in folder.iterdir()) == ["audit.csv", "labels.csv", "run"]


def test_only_directions_and_labels_count(folder):
    assert run_main(folder) == 0
    vectors = read_song_vectors(folder / "run").vectors
    np.save(folder / "mine.npy", 8 * vectors)
    assert run_main(folder, "--vectors", str(folder / "mine.npy"), output="scaled.csv") == 0
    assert (folder / "scaled.csv").read_bytes() == (folder / "audit.csv").read_bytes()


def test_an_album_labelled_wrong_as_a_whole_does_not_vouch_for_itself(folder, capsys):
    """Twelve songs of one artist lie close together: only with --group-column are they judged by the others."""
    album = [f"drone/album {i}.mp3.npy" for i in range(12)]
    names = sorted([*NAMES, *album], key=lambda name: name.encode("utf-8", "surrogateescape"))
    noise = np.random.default_rng(1).standard_normal((len(names), 6))
    vectors = np.eye(3, 6)[[KINDS.index(kind_of(name)) for name in names]] + 0.2 * noise
    here = np.array([name in album for name in names])
    vectors[here, 5] += 1
    (folder / "run").rename(folder / "other run")
    write_run(folder / "run", names, vectors)
    labels = {name: "Ёлка" if name in album else kind_of(name) for name in names}
    write_labels(folder, labels, dict.fromkeys(album, "one band"))
    wrong = {name.removesuffix(".npy") for name in album}

    assert run_main(folder) == 0
    assert not wrong & {row["filename"] for row in read_rows(folder)[:12] if row["suggested"] == "drone"}
    assert run_main(folder, "--group-column", "artist") == 0
    first = read_rows(folder)[:12]
    assert {row["filename"] for row in first} == wrong
    assert {row["suggested"] for row in first} == {"drone"}
    assert not any("album" in row["neighbours"] for row in first)
    assert "for 12 of the 60 another label is suggested" in capsys.readouterr().out


def test_labels_too_rare_and_songs_without_one_are_left_out_and_said(folder, capsys):
    labels = {name: kind_of(name) for name in NAMES}
    labels |= {NAMES[0]: "lone wolf", NAMES[1]: "pair", NAMES[2]: "pair", NAMES[3]: ""}
    del labels[NAMES[4]]
    write_labels(folder, labels)
    assert run_main(folder) == 0
    out = capsys.readouterr().out
    assert "46 of 48 songs labelled; left out: 1 song without a row in the table, 1 song with an empty label\n" in out
    assert "left out: 2 labels with fewer than 5 tracks (lone wolf, pair); see --min-members\n" in out
    rows = read_rows(folder)
    assert len(rows) == 43
    assert "pair" not in (folder / "audit.csv").read_text(encoding="utf-8", errors="surrogateescape")
    assert run_main(folder, "--min-members", "2") == 0
    assert "left out: 1 label with fewer than 2 tracks (lone wolf); see --min-members\n" in capsys.readouterr().out
    rows = read_rows(folder)
    assert len(rows) == 45
    assert not {NAMES[0], NAMES[3], NAMES[4]} & {row["filename"] + ".npy" for row in rows}
    assert "lone wolf" not in (folder / "audit.csv").read_text(encoding="utf-8", errors="surrogateescape")


def test_a_run_of_four_songs(folder, capsys):
    names = NAMES[:2] + NAMES[-2:]
    (folder / "run").rename(folder / "other run")
    write_run(folder / "run", names)
    write_labels(folder, {name: kind_of(name) for name in names})
    assert run_main(folder) == 1
    error = capsys.readouterr().err
    assert "column 'genre': fewer than two labels have 5 tracks; label more, or take smaller ones too" in error
    assert error.endswith("with --min-members 2\n")
    assert run_main(folder, "--min-members", "2") == 0
    assert [row["neighbours"].count("; ") for row in read_rows(folder)] == [2] * 4


def test_vectors_that_coincide_judge_nothing_and_break_nothing(folder, capfd):
    np.save(folder / "same.npy", np.ones((48, 5), np.float32))
    assert run_main(folder, "--vectors", str(folder / "same.npy")) == 0
    assert capfd.readouterr().err == ""
    assert all(0 <= float(row["probability"]) <= 1 for row in read_rows(folder))


def test_a_track_with_few_others_outside_its_group():
    neighbours, cosines = np.array([[4, -1, -1]] * 4 + [[0, 1, 2]]), np.full((5, 3), 0.5)
    cosines[:4, 1:] = -np.inf
    shares = audit_labels.neighbour_shares(neighbours, cosines, np.array([0, 0, 1, 1, 1]), 2)
    assert shares[:4].tolist() == [[0, 1]] * 4
    np.testing.assert_allclose(shares[4], [2 / 3, 1 / 3])


def test_an_audit_by_group_takes_the_neighbours_of_other_groups():
    random = np.random.default_rng(0)
    vectors, groups = random.standard_normal((60, 6)), random.integers(0, 9, 60)
    labels = [str(code) for code in np.arange(60) % 2]
    folds = make_folds(labels, [str(group) for group in groups])
    found = audit_labels.audit(vectors, labels, folds, [str(group) for group in groups])
    directions = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = np.where(groups[:, None] == groups, -np.inf, directions @ directions.T)
    assert (found.neighbours == np.argsort(-cosines, axis=1)[:, :10]).all()
    np.testing.assert_allclose(found.cosines, -np.sort(-cosines, axis=1)[:, :10], atol=1e-5)


def test_shares_are_weighted_by_cosine():
    neighbours, cosines = np.array([[1, 2, 3]] * 4), np.array([[0.6, 0.2, 0.2], [0.9, -0.5, -np.inf]] * 2)
    shares = audit_labels.neighbour_shares(neighbours, cosines, np.array([0, 0, 1, 2]), 3)
    np.testing.assert_allclose(shares[0], [0.6, 0.2, 0.2])
    np.testing.assert_allclose(shares[1], [1, 0, 0], atol=1e-5)


def test_neighbours_and_classifier_weigh_the_same():
    by_neighbours, by_classifier = np.array([[1, 0], [0.4, 0.6], [0.9, 0.1]]), np.array([[0, 1], [0, 1], [0.7, 0.3]])
    codes, nobody = np.array([0, 0, 1]), np.zeros((3, 0))
    found = audit_labels.Audit(["a", "b"], codes, by_neighbours, by_classifier, nobody.astype(int), nobody)
    np.testing.assert_allclose(found.probabilities, [[0.5, 0.5], [0.2, 0.8], [0.8, 0.2]])
    assert found.order().tolist() == [1, 2, 0]
    lines = audit_labels.audit_table(found, ["x.npy", "y.npy", "z.npy"], None).decode().splitlines()
    assert lines[1:] == ["1,y,a,b,0.8000,", "2,z,b,a,0.8000,", "3,x,a,a,0.5000,"]


def test_the_classifier_has_not_seen_the_track_that_it_judges():
    random = np.random.default_rng(0)
    vectors, codes = random.standard_normal((60, 300)), np.arange(60) % 2  # nothing to learn, much to learn by heart
    everything = [(np.arange(60), np.arange(60))]
    by_heart = audit_labels.cross_validated_shares(vectors, codes, everything)
    folds = make_folds([str(code) for code in codes])
    reports = []
    out_of_fold = audit_labels.cross_validated_shares(vectors, codes, folds, lambda: reports.append(1))
    assert len(reports) == len(folds)
    np.testing.assert_allclose(out_of_fold.sum(axis=1), 1)
    assert audit_labels.doubt(by_heart, codes).max() < 0.5
    assert audit_labels.doubt(out_of_fold, codes).mean() > 0.4


@given(st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3).filter(any), min_size=1, max_size=30), st.data())
def test_the_list_falls_with_the_probability_that_a_label_is_wrong(counts, data):
    probabilities = np.array(counts) / np.sum(counts, axis=1, keepdims=True)
    codes = np.array(data.draw(st.lists(st.integers(0, 2), min_size=len(counts), max_size=len(counts))))
    order = audit_labels.most_surprising(probabilities, codes)
    assert sorted(order) == list(range(len(counts)))
    doubts = audit_labels.doubt(probabilities, codes)[order]
    assert (np.diff(doubts) <= 1e-9).all() and ((doubts >= 0) & (doubts <= 1)).all()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (dict.fromkeys(NAMES, "same"), "column 'genre': one class only, 'same': there is nothing to tell apart"),
        ({name: name for name in NAMES}, "column 'genre': no class of two or more members: there is nothing to tell"),
        ({**dict.fromkeys(NAMES, "same"), NAMES[0]: "lone"}, "column 'genre': one class only, 'same'"),
        (dict.fromkeys(NAMES, " "), "column 'genre' is empty for every song of the run; fill it in"),
        ({"other/x.mp3": "drone"}, "no filename belongs to a song of the run; the table has 'other/x.mp3'"),
    ],
)
def test_nothing_to_tell_apart(folder, capsys, labels, message):
    write_labels(folder, labels)
    assert run_main(folder) == 1
    error = capsys.readouterr().err
    assert f"{folder / 'labels.csv'}: {message}" in error
    assert error.count("\n") == 1
    assert not (folder / "audit.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["RUN", "LABELS", "--output", "PLACE/audit.txt"], "audit.txt: the name must end in .csv"),
        (["RUN", "LABELS", "--output", "PLACE/no/audit.csv"], "there is no folder PLACE/no; make it first"),
        (["RUN", "LABELS", "--output", "LABELS"], "labels.csv: is an input of this command"),
        (["RUN", "LABELS", "--output", "PLACE/mine.csv"], "mine.csv: is no table of this script, and would be"),
        (["RUN", "LABELS", "--output", "PLACE/folder.csv"], "folder.csv: is a folder; name a file"),
        (["PLACE/none", "LABELS", "--output", "PLACE/a.csv"], "PLACE/none: no such run folder; make one with"),
        (["PLACE", "LABELS", "--output", "PLACE/a.csv"], "holds no epoc_num.txt, so no save"),
        (["RUN", "PLACE/none.csv", "--output", "PLACE/a.csv"], "PLACE/none.csv: no such label table"),
        (["RUN", "LABELS", "--label-column", "Genre", "--output", "PLACE/a.csv"], "did you mean 'genre'?"),
        (["RUN", "LABELS", "--group-column", "Artist", "--output", "PLACE/a.csv"], "did you mean 'artist'?"),
        (["RUN", "LABELS", "--min-members", "1", "--output", "PLACE/a.csv"], "--min-members 1: a label needs two"),
        (["RUN", "LABELS", "--vectors", "sing", "--output", "PLACE/a.csv"], "--vectors sing: write song, or the path"),
    ],
)
def test_errors_say_what_to_do_and_write_nothing(folder, capsys, arguments, message):
    (folder / "mine.csv").write_text("filename,my notes\na,b\n")
    (folder / "folder.csv").mkdir()
    before = {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}

    def filled(text: str) -> str:
        text = text.replace("RUN", str(folder / "run")).replace("LABELS", str(folder / "labels.csv"))
        return text.replace("PLACE", str(folder))

    assert audit_labels.main([filled(argument) for argument in arguments]) == 1
    error = capsys.readouterr().err
    assert "error: " in error and filled(message) in error
    assert error.count("\n") == 1
    assert {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")} == before


@pytest.mark.parametrize(("value", "what"), [(np.nan, "not finite"), (0.0, "zero")])
def test_a_song_without_a_direction_is_named(folder, capsys, value, what):
    vectors = read_song_vectors(folder / "run").vectors.copy()
    vectors[3] = value
    np.save(folder / "run" / "vector_at_1.npy", vectors)
    assert run_main(folder) == 1
    assert f"{folder / 'run'}: the vector of {NAMES[3]!r} is {what}; remove that mel" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    ["", "run labels.csv", "run labels.csv --output a.csv --top 0", "run labels.csv --output a.csv --min-members 0"],
)
def test_usage_errors(arguments, capsys):
    with pytest.raises(SystemExit) as exit_:
        audit_labels.main(arguments.split())
    assert exit_.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_help_imports_nothing_heavy_and_works_from_anywhere(tmp_path):
    code = (
        "import runpy, sys\n"
        "sys.argv = ['audit_labels.py', '--help']\n"
        "try:\n"
        f"    runpy.run_path({str(ROOT / 'process_results' / 'audit_labels.py')!r}, run_name='__main__')\n"
        "except SystemExit as exit_:\n"
        "    assert exit_.code == 0\n"
        "heavy = {'matplotlib', 'sklearn', 'scipy', 'faiss', 'pandas', 'tensorflow'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "python process_results/audit_labels.py RUN LABELS.csv --label-column genre --output" in done.stdout


def test_the_benchmark_leaves_small_labels_out_as_the_audit_does(folder):
    labels = {name: kind_of(name) for name in NAMES} | {NAMES[0]: "lone wolf"}
    write_labels(folder, labels)
    argv = [sys.executable, ROOT / "tests" / "benchmarks" / "audit.py", folder / "run", folder / "labels.csv"]
    done = subprocess.run([*argv, "--draws", "1"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "left out: labels with fewer than 5 tracks, or groups: lone wolf\n" in done.stdout
