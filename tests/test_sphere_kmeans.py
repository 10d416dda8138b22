import csv
import itertools
import subprocess
import sys
import warnings
import xml.dom.minidom
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import run_folder
from process_results import sphere_kmeans
from utils import ROOT

KINDS = ("drone", "jazz, soft", "Ёлка")
NAMES = sorted((f"{kind}/{i} é, {i}.mp3.npy" for kind in KINDS for i in range(8)), key=lambda name: name.encode())
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
    assert lines[0].startswith("vectors: song vectors of save 1; the run has no track descriptors: ")
    del lines[0]
    assert lines[0] == "24 of 24 songs labelled; left out: nothing"
    assert lines[1].split() == ["purity", "NMI", "adjusted", "Rand"]
    assert lines[2].split() == ["3", "clusters", "1.000", "1.000", "1.000"]
    assert lines[3].startswith("random assignment") and float(lines[3].split()[-1]) < 0.1
    made = "24 songs in 3 clusters, 3 labels"
    assert lines[4] == f"{folder / 'plot.png'} and {folder / 'plot.csv'}: {made}"
    assert png_size(folder / "plot.png")[0] == 1600
    assert sorted(path.name for path in folder.iterdir()) == ["labels.csv", "plot.csv", "plot.png", "run"]


def test_descriptors_are_the_default_and_song_vectors_and_files_can_be_asked_for(folder, capsys):
    descriptors = np.random.default_rng(0).standard_normal((24, 7)).astype(np.float32)
    run_folder.commit_descriptors(folder / "run", 1, descriptors, {}, step=1)
    found = {}
    for which, flags in (("default", []), ("song", ["--vectors", "song"]), ("descriptor", ["--vectors", "descriptor"])):
        assert run_main(folder, *flags, output=f"{which}.png") == 0
        found[which] = (folder / f"{which}.csv").read_text()
    assert found["default"] == found["descriptor"] != found["song"]
    assert "vectors: track descriptors of save 1\n" in capsys.readouterr().out
    np.save(folder / "mine.npy", descriptors)
    assert run_main(folder, "--vectors", str(folder / "mine.npy")) == 0
    assert (folder / "plot.csv").read_text() == found["descriptor"]
    assert run_main(folder, "--vectors", "sing") == 1
    assert "--vectors sing: write song, descriptor, or the path of an .npy file" in capsys.readouterr().err


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


@pytest.mark.slow
@pytest.mark.parametrize(("labels", "clusters"), [(1, 1), (3, 8), (8, 16), (30, 7), (75, 18), (3, 200)])
def test_legend_bars_and_title_keep_clear_of_each_other(labels, clusters):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    table = np.random.default_rng(0).integers(0, 2000, (labels, clusters))
    names = [f"quite a long label number {i}, and more" for i in range(labels)]
    figure = sphere_kmeans.draw_clusters(table, names, "genre in 8 clusters of song vectors\nrun, save 3")
    FigureCanvasAgg(figure).draw()
    axes = figure.axes[0].get_tightbbox()
    legend = figure.legends[0].get_window_extent()
    title = figure._suptitle.get_window_extent()
    assert axes.x1 <= legend.x0
    assert axes.y1 <= title.y0
    assert axes.width > figure.bbox.width / 2
    for box in (axes, legend, title):
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y0 >= 0 and box.y1 <= figure.bbox.y1
    entries = [text.get_window_extent() for text in figure.legends[0].get_texts()]
    assert all(upper.y0 >= lower.y1 - 1 for upper, lower in itertools.pairwise(entries))
    ticks = [text.get_window_extent() for text in figure.axes[0].get_xticklabels()]
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(ticks))


def test_bars_fill_up_to_a_hundred_percent():
    table = np.array([[3, 0, 0], [1, 2, 0]])
    figure = sphere_kmeans.draw_clusters(table, ["a", "b"], "title")
    heights = np.array([[bar.get_height() for bar in bars] for bars in figure.axes[0].containers])
    assert heights.tolist() == [[75, 0, 0], [25, 100, 0]]
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["1\n4", "2\n2", "3\n0"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["b", "a"]


tables = arrays.arrays(np.int64, st.tuples(st.integers(1, 40), st.integers(1, 12)), elements=st.integers(0, 9))


@given(tables)
def test_clusters_stand_on_the_diagonal(table):
    order = sphere_kmeans.diagonal_order(table)
    assert sorted(order) == list(range(table.shape[1]))
    ordered = table[:, order]
    held = ordered[:, ordered.sum(axis=0) > 0]
    assert (ordered[:, held.shape[1] :] == 0).all()
    assert (np.diff(held.argmax(axis=0)) >= 0).all()


@given(tables)
def test_joining_rare_labels_loses_no_song(table):
    labels = [str(i) for i in range(len(table))]
    joined, shown = sphere_kmeans.join_rare(table, labels)
    assert len(shown) == len(joined) == min(len(table), sphere_kmeans.LABELS_SHOWN)
    assert (joined.sum(axis=0) == table.sum(axis=0)).all()
    if len(shown) < len(labels):
        assert shown[-1] == f"{len(labels) - sphere_kmeans.LABELS_SHOWN + 1} other labels"
        kept = [int(label) for label in shown[:-1]]
        assert table[kept].sum(axis=1).min() >= np.delete(table, kept, axis=0).sum(axis=1).max()


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
        (["RUN", "PLACE", "--output", "PLACE/p.png"], "Is a directory: PLACE"),
        (["RUN", "LABELS", "--label-column", "Genre", "--output", "PLACE/p.png"], "did you mean 'genre'?"),
        (["RUN", "LABELS", "--clusters", "25", "--output", "PLACE/p.png"], "RUN: 25 clusters of 24 songs: ask for 1"),
    ],
)
def test_errors_say_what_to_do_and_write_nothing(folder, capsys, arguments, message):
    (folder / "mine.csv").write_text("filename,my notes\na,b\n")
    (folder / "folder.png").mkdir()
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


@pytest.mark.parametrize("arguments", ["", "run labels.csv", "run labels.csv --output plot.png --clusters 0"])
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
