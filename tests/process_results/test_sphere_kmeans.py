import csv
import subprocess
import sys
import warnings
import xml.dom.minidom
from pathlib import Path

import numpy as np
import pytest

from process_results import sphere_kmeans
from runs import run_folder
from runs.vectors import read_song_vectors
from utils import ROOT

KINDS = ("drone", "jazz, soft", "Ёлка")
NAMES = sorted((f"{kind}/{i} é, {i}.mp3.npy" for kind in KINDS for i in range(8)), key=lambda name: name.encode())
PLAYLISTS = ["RUN", "LABELS", "--output", "PLACE/p.png", "--m3u8-folder"]
USAGE_ERRORS = ["", "run labels.csv"] + [
    f"run labels.csv --output plot.png --clusters {number}"
    for number in ("0", "0-3", "8-2", "-4", "2-", "2-5-7", "two")
]
STRANGE_LABELS = ["$x$_^{2", "_hidden", "日本", "R&B <b>", "-- x", "\\frac", "nan", "long " * 20, "caf\udce9", "a\x07b"]


def write_run(folder: Path, names: list[str] = NAMES, vectors: np.ndarray | None = None) -> Path:
    """Write a run folder whose songs lie around one direction for each of the three kinds."""
    if vectors is None:
        kinds = [KINDS.index(name.partition("/")[0]) for name in names]
        vectors = np.eye(3, 5)[kinds] + 0.1 * np.random.default_rng(0).standard_normal((len(names), 5))
    folder.mkdir()
    costs = [run_folder.CostRow(1, 2.0, 2.1, 1000, 3.0)]
    run_folder.commit_save(folder, 1, vectors.astype(np.float32), {}, costs, b"seed: 0\n", 5, names)
    return folder


def write_labels(path: Path, labels: dict[str, str]) -> Path:
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        csv.writer(file).writerows([("filename", "genre"), *labels.items()])
    return path


def kind_labels() -> dict[str, str]:
    return {name.removesuffix(".npy"): name.partition("/")[0] for name in NAMES}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a space in its name that holds a run and its label table."""
    folder = tmp_path / "a place"
    folder.mkdir()
    write_run(folder / "run")
    write_labels(folder / "labels.csv", kind_labels())
    return folder


def run_main(folder: Path, *more: str, output: str = "plot.png") -> int:
    return sphere_kmeans.main(
        [str(folder / "run"), str(folder / "labels.csv"), "--output", str(folder / output), "--clusters", "3", *more]
    )


def png_size(path: Path) -> tuple[int, int]:
    header = path.read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(header[16:20]), int.from_bytes(header[20:24])


def test_three_kinds_are_three_clusters(folder, capfd):
    assert run_main(folder) == 0
    out, err = capfd.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[0] == "vectors: song vectors of save 1"
    del lines[0]
    assert lines[0] == "24 of 24 songs labelled; left out: nothing"
    assert lines[1].split() == ["purity", "NMI", "adjusted", "Rand"]
    assert lines[2].split() == ["3", "clusters", "1.000", "1.000", "1.000"]
    assert lines[3].startswith("random assignment") and float(lines[3].split()[-1]) < 0.1
    made = "24 songs in 3 clusters, 3 labels"
    written = f"{folder / 'plot.png'}, {folder / 'plot.csv'} and {folder / 'plot_clusters.csv'}"
    assert lines[4] == f"{written}: {made}"
    assert png_size(folder / "plot.png")[0] == 1600
    assert sorted(path.name for path in folder.iterdir()) == [
        *("labels.csv", "plot.csv", "plot.png", "plot_clusters.csv", "run"),
    ]


def test_song_vectors_are_the_default_and_they_and_files_can_be_asked_for(folder, capsys):
    np.save(folder / "mine.npy", np.random.default_rng(0).standard_normal((24, 7)).astype(np.float32))
    found = {}
    for which, flags in (("default", []), ("song", ["song"]), ("mine", [str(folder / "mine.npy")])):
        assert run_main(folder, *(word for value in flags for word in ("--vectors", value)), output=f"{which}.png") == 0
        found[which] = (folder / f"{which}.csv").read_text()
    assert found["default"] == found["song"] != found["mine"]
    assert capsys.readouterr().out.count("vectors: song vectors of save 1\n") == 2
    assert run_main(folder, "--vectors", "sing") == 1
    assert "--vectors sing: write song, or the path of an .npy file" in capsys.readouterr().err


def test_the_table_names_every_song_and_its_bar(folder):
    write_labels(folder / "labels.csv", dict(list(kind_labels().items())[:20]))
    assert run_main(folder) == 0
    with (folder / "plot.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["filename"] for row in rows] == [name.removesuffix(".npy") for name in NAMES]
    # clusters are numbered as they stand in the picture: in the order of their labels
    assert [int(row["cluster"]) for row in rows] == [1 + KINDS.index(name.partition("/")[0]) for name in NAMES]


@pytest.mark.parametrize("output", ["a.png", "b.SVG"])
def test_the_same_seed_gives_the_same_bytes(folder, output):
    assert run_main(folder, "--seed", "3", output=output) == 0
    first = (folder / output).read_bytes(), (folder / output).with_suffix(".csv").read_bytes()
    assert run_main(folder, "--seed", "3", output=output) == 0  # its own table is replaced
    assert first == ((folder / output).read_bytes(), (folder / output).with_suffix(".csv").read_bytes())


@pytest.mark.parametrize("output", ["strange.png", "strange.svg"])
def test_labels_that_are_markup_or_have_no_glyph(folder, capfd, output):
    labels = {name: STRANGE_LABELS[i % len(STRANGE_LABELS)] for i, name in enumerate(kind_labels())}
    write_labels(folder / "labels.csv", labels)
    (folder / "run").rename(folder / "run $x_$")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        labels_path, output_path = str(folder / "labels.csv"), str(folder / output)
        assert sphere_kmeans.main([str(folder / "run $x_$"), labels_path, "--output", output_path]) == 0
    assert capfd.readouterr().err == ""
    if output.endswith("svg"):
        xml.dom.minidom.parse(output_path)


def test_one_label_and_one_cluster(folder, capsys):
    write_labels(folder / "labels.csv", dict.fromkeys(kind_labels(), "all"))
    assert run_main(folder, "--clusters", "1") == 0
    assert "24 songs in 1 cluster, 1 label" in capsys.readouterr().out


def test_clusters_that_stay_empty_are_said(folder, tmp_path, capsys):
    (folder / "run").rename(folder / "other run")
    write_run(folder / "run", vectors=np.ones((24, 5)))
    assert run_main(folder) == 0
    assert "24 songs in 1 cluster (2 more stayed empty), 3 labels" in capsys.readouterr().out


def clusters_table(folder: Path) -> list[dict[str, str]]:
    with (folder / "plot_clusters.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.DictReader(file))


def test_typical_tracks_are_the_nearest_to_the_centroid(folder):
    assert run_main(folder) == 0
    rows = clusters_table(folder)
    assert [(row["cluster"], row["songs"], row["labelled"]) for row in rows] == [(c, "8", "8") for c in "123"]
    assert [(row["label"], row["share"]) for row in rows] == [(kind, "1.000") for kind in KINDS]
    run = read_song_vectors(folder / "run")
    for kind, row in zip(KINDS, rows, strict=True):
        mine = [i for i, name in enumerate(NAMES) if name.startswith(kind)]
        unit = run.vectors[mine] / np.linalg.norm(run.vectors[mine], axis=1, keepdims=True)
        nearest = np.argsort(-unit @ unit.sum(axis=0))[:5]
        typical = [row[f"typical_{number}"] for number in range(1, 6)]
        assert typical == [NAMES[mine[i]].removesuffix(".npy") for i in nearest]
        assert row["band_1"] == ""


def write_kinds_of_mels(folder: Path, bins: int = 80) -> Path:
    """Write mels in which a kind is louder in ten bins of its own, and its config.yaml."""
    draws = np.random.default_rng(0)
    for name in NAMES:
        mel = 0.1 * draws.standard_normal((20, bins))
        first = 10 + 20 * KINDS.index(name.partition("/")[0])
        mel[:, first : first + 10] += 5.0
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(folder / name, mel.astype(np.float16))
    (folder / "config.yaml").write_text("mel_bins: 80\nmel_low_hz: 80.0\nmel_high_hz: 7600.0\n")
    return folder


def test_mel_bands_are_named_in_hertz(folder, capsys):
    mels = write_kinds_of_mels(folder / "mels")
    assert run_main(folder, "--mel-folder", str(mels)) == 0
    assert "mel bands" not in capsys.readouterr().out
    # HTK mel: bin 10 begins at corner 10 of 82 between 80 and 7600 Hz, bin 19 ends at corner 21
    assert [row["band_1"] for row in clusters_table(folder)] == [
        *("344-740 Hz +1.4", "1173-1882 Hz +1.4", "2658-3929 Hz +1.4"),
    ]
    (mels / "config.yaml").unlink()  # features of one's own: nobody knows their frequencies
    (mels / NAMES[0]).unlink()
    (mels / NAMES[1]).write_bytes(b"no array")
    assert run_main(folder, "--mel-folder", str(mels)) == 0
    assert [row["band_1"][:11] for row in clusters_table(folder)] == ["bins 10-19 ", "bins 30-39 ", "bins 50-59 "]
    assert "mel bands: left out: 2 songs without a usable mel\n" in capsys.readouterr().out


def test_a_range_of_numbers_is_judged_and_the_suggested_one_used(folder, capfd):
    assert run_main(folder, "--clusters", "2-6") == 0
    out, err = capfd.readouterr()
    assert err == ""
    lines = out.splitlines()[2:]
    assert lines[0].split() == ["clusters", "silhouette", "of", "one", "cloud", "NMI", "prediction", "strength"]
    assert [line.split()[-5] for line in lines[1:6]] == list("23456")
    assert lines[2].startswith("*") and lines[2].split()[1] == "3"
    assert sum(line.startswith("*") for line in lines[1:6]) == 1
    assert lines[2].split()[4:] == ["1.000", "1.000"]  # NMI and prediction strength
    why = "largest of prediction strength 0.8 and more with a silhouette above one cloud's"
    assert lines[6] == f"* suggested: {why}; labels have no say"
    assert lines[8].startswith("3 clusters") and lines[-1].endswith("24 songs in 3 clusters, 3 labels")


def test_where_no_number_holds_one_cluster_is_suggested(folder, capsys):
    (folder / "run").rename(folder / "other run")
    write_run(folder / "run", vectors=np.random.default_rng(0).standard_normal((24, 5)))
    assert run_main(folder, "--clusters", "2-5") == 0
    lines = capsys.readouterr().out.splitlines()
    why = "halves of the songs do not find the same clusters, or find no gap between them"
    why += "; a cluster needs about 8 songs to be found, so of 24 songs no more than 3 clusters"
    assert f"suggested: 1 cluster; none of 2 to 5 holds: {why}" in lines
    assert "* drawn all the same, for its largest silhouette" in lines
    silhouettes = {int(line[1:10]): float(line[10:23]) for line in lines[3:7]}
    drawn = max(silhouettes, key=silhouettes.__getitem__)
    assert [int(line[1:10]) for line in lines[3:7] if line.startswith("*")] == [drawn]
    assert f"24 songs in {drawn} clusters" in lines[-1]
    assert run_main(folder, "--clusters", "1-5") == 0  # one is among those asked for
    lines = capsys.readouterr().out.splitlines()
    assert f"* suggested: 1 cluster; none of 2 to 5 holds: {why}" in lines
    assert "24 songs in 1 cluster," in lines[-1]
    assert run_main(folder, "--clusters", "1-2") == 0
    out = capsys.readouterr().out
    assert "\n* suggested: 1 cluster; not even 2 holds: halves of the songs do not" in out and " 8 songs" not in out


def test_a_range_that_begins_above_the_kinds_suggests_none(folder, capsys):
    names = [f"{kind}/{i:02}.mp3.npy" for kind in KINDS for i in range(24)]
    (folder / "run").rename(folder / "other run")
    write_run(folder / "run", sorted(names, key=lambda name: name.encode()))
    write_labels(folder / "labels.csv", {name.removesuffix(".npy"): name.partition("/")[0] for name in names})
    assert run_main(folder, "--clusters", "4-6") == 0
    out = capsys.readouterr().out
    assert "1 cluster" not in out
    why = "halves of the songs do not find the same clusters, or find no gap between them"
    assert f"\nnone of 4 to 6 is suggested: {why}; try --clusters 2-6\n" in out
    assert "* drawn all the same, for its largest silhouette\n" in out


@pytest.mark.parametrize("numbers", ["2-4", "1-4"])
def test_of_a_dozen_songs_nothing_is_said_but_that_they_are_few(folder, capsys, numbers):
    """Three perfect kinds of four: a half of the songs often holds but one of a kind, so no number can hold."""
    names = sorted((f"{kind}/{i}.mp3.npy" for kind in KINDS for i in range(4)), key=lambda name: name.encode())
    (folder / "run").rename(folder / "other run")
    write_run(folder / "run", names)
    write_labels(folder / "labels.csv", {name.removesuffix(".npy"): name.partition("/")[0] for name in names})
    assert run_main(folder, "--clusters", numbers) == 0
    out = capsys.readouterr().out
    assert "none of 2 to 4 is suggested: a cluster needs about 8 songs to be found, and there are 12\n" in out
    assert "gap" not in out and "suggested: 1 cluster" not in out


def test_labels_do_not_choose_the_number(folder, capsys):
    found = []
    for labels in (kind_labels(), {name: str(i % 2) for i, name in enumerate(kind_labels())}):
        write_labels(folder / "labels.csv", labels)
        assert run_main(folder, "--clusters", "2-5") == 0
        found.append(next(line.split()[1] for line in capsys.readouterr().out.splitlines() if line.startswith("*")))
    assert found == ["3", "3"]


def test_a_playlist_a_cluster(folder, capsys):
    audio = folder / "audio"
    for name in NAMES[1:]:
        path = audio / name.removesuffix(".npy")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    lists = folder / "lists" / "new"
    flags = ["--m3u8-folder", str(lists), "--audio-folder", str(audio)]
    assert run_main(folder, *flags) == 0
    said = capsys.readouterr().out
    assert f"{lists}: 3 playlists; left out: 1 song without an audio file\n" in said
    assert sorted(path.name for path in lists.iterdir()) == [f"cluster_0{number}.m3u8" for number in (1, 2, 3)]
    rows = clusters_table(folder)
    lines = [(lists / f"cluster_0{number}.m3u8").read_text().splitlines() for number in (1, 2, 3)]
    assert sorted(path for one in lines for path in one[2:]) == sorted(
        str(audio / name.removesuffix(".npy")) for name in NAMES[1:]
    )
    assert lines[1][2:7] == [str(audio / rows[1][f"typical_{number}"]) for number in range(1, 6)]
    assert run_main(folder, *flags, "--clusters", "2") == 0  # its own are replaced, and those too many go
    assert sorted(path.name for path in lists.iterdir()) == ["cluster_01.m3u8", "cluster_02.m3u8"]


@pytest.mark.parametrize("flag", ["--m3u8-folder", "--audio-folder"])
def test_playlists_need_both_folders(folder, capsys, flag):
    with pytest.raises(SystemExit) as exit_:
        run_main(folder, flag, str(folder))
    assert exit_.value.code == 2
    assert "--m3u8-folder and --audio-folder need each other" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["RUN", "LABELS", "--output", "PLACE/plot.pdf"], "plot.pdf: the name must end in .png or .svg"),
        (["RUN", "LABELS", "--output", "PLACE/plot"], "plot: the name must end in .png or .svg"),
        (["RUN", "LABELS", "--output", "PLACE/no/plot.png"], "there is no folder PLACE/no; make it first"),
        (["RUN", "LABELS", "--output", "PLACE/labels.png"], "labels.csv: is an input of this command"),
        (["RUN", "LABELS", "--output", "PLACE/mine.png"], "mine.csv: is no table of this script, and would be"),
        (["RUN", "LABELS", "--output", "PLACE/folder.png"], "folder.png: is a folder; name a file"),
        (["PLACE/none", "LABELS", "--output", "PLACE/p.png"], "PLACE/none: no such run folder; make one with"),
        (["PLACE", "LABELS", "--output", "PLACE/p.png"], "holds no epoc_num.txt, so no save"),
        (["RUN", "PLACE/none.csv", "--output", "PLACE/p.png"], "PLACE/none.csv: no such label table"),
        (["RUN", "PLACE", "--output", "PLACE/p.png"], "PLACE: is no file; name a file"),
        (["RUN", "LABELS", "--label-column", "Genre", "--output", "PLACE/p.png"], "did you mean 'genre'?"),
        (["RUN", "LABELS", "--clusters", "25", "--output", "PLACE/p.png"], "RUN: 25 clusters of 24 songs: ask for 1"),
        (["RUN", "LABELS", "--clusters", "2-25", "--output", "PLACE/p.png"], "RUN: 25 clusters of 24 songs: ask for 1"),
        (["RUN", "LABELS", "--output", "PLACE/other.png"], "other_clusters.csv: is no table of this script, and would"),
        (
            ["RUN", "LABELS", "--mel-folder", "PLACE/no", "--output", "PLACE/p.png"],
            "PLACE/no: no such mel folder; name",
        ),
        (["RUN", "LABELS", "--mel-folder", "PLACE", "--output", "PLACE/p.png"], "PLACE: holds no mel of the run, not"),
        ([*PLAYLISTS, "PLACE/lists", "--audio-folder", "PLACE/no"], "PLACE/no: no such audio folder; name the one"),
        ([*PLAYLISTS, "PLACE/new", "--audio-folder", "PLACE"], "PLACE: holds no track of the run, not even"),
        ([*PLAYLISTS, "PLACE/lists", "--audio-folder", "PLACE"], "cluster_03.m3u8: is no playlist of this script"),
        ([*PLAYLISTS, "PLACE/mine.csv", "--audio-folder", "PLACE"], "mine.csv: is a file; name a folder for the"),
    ],
)
def test_errors_say_what_to_do_and_write_nothing(folder, capsys, arguments, message):
    (folder / "mine.csv").write_text("filename,my notes\na,b\n")
    (folder / "other_clusters.csv").write_text("cluster,name\n1,a\n")
    (folder / "folder.png").mkdir()
    (folder / "lists").mkdir()
    (folder / "lists" / "cluster_03.m3u8").write_text("#EXTM3U\nmine.mp3\n")
    before = sorted(folder.rglob("*"))

    def filled(text: str) -> str:
        text = text.replace("RUN", str(folder / "run")).replace("LABELS", str(folder / "labels.csv"))
        return text.replace("PLACE", str(folder))

    assert sphere_kmeans.main([filled(argument) for argument in arguments]) == 1
    error = capsys.readouterr().err
    assert "error: " in error and filled(message) in error
    assert error.count("\n") == 1
    assert sorted(folder.rglob("*")) == before


def test_a_song_without_a_direction_is_named(folder, capsys):
    vectors = np.ones((24, 5))
    vectors[3] = np.nan
    (folder / "run").rename(folder / "other run")
    write_run(folder / "run", vectors=vectors)
    assert run_main(folder) == 1
    assert f"{folder / 'run'}: the vector of {NAMES[3]!r} is not finite; remove that mel" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", USAGE_ERRORS)
def test_usage_errors(arguments, capsys):
    with pytest.raises(SystemExit) as exit_:
        sphere_kmeans.main(arguments.split())
    assert exit_.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize("script", ["sphere_kmeans", "logistic_regress", "plot_costs", "plot_vectors"])
def test_help_imports_nothing_heavy_and_works_from_anywhere(tmp_path, script):
    code = (
        "import runpy, sys\n"
        f"sys.argv = [{script + '.py'!r}, '--help']\n"
        "try:\n"
        f"    runpy.run_path({str(ROOT / 'process_results' / f'{script}.py')!r}, run_name='__main__')\n"
        "except SystemExit as exit_:\n"
        "    assert exit_.code == 0\n"
        "heavy = {'matplotlib', 'sklearn', 'scipy', 'faiss', 'pandas', 'tensorflow'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"python process_results/{script}.py" in done.stdout
