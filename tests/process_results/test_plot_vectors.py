from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from process_results import plot_vectors


def saved(path: Path, array: np.ndarray) -> str:
    np.save(path, array)
    return str(path)


def draw(array: np.ndarray, hop_seconds: float | None = 0.1):
    return plot_vectors.draw_array(array, array.shape, hop_seconds, "title")


@pytest.mark.parametrize("shape", [(1, 80), (600, 80), (100_000, 8), (3, 1), (1, 5000)])
@pytest.mark.parametrize("dtype", [np.float16, np.uint8])
def test_a_picture_of_any_shape(tmp_path, capfd, shape, dtype):
    array = (np.random.default_rng(0).random(shape) * 50).astype(dtype)
    file, output = saved(tmp_path / "a $song_$, é.mp3.npy", array), tmp_path / "picture.png"
    assert plot_vectors.main([file, "--output", str(output)]) == 0
    assert output.read_bytes()[16:24] == (1600).to_bytes(4) + (900).to_bytes(4)
    rows, columns = (f"{n:,} {noun}{'s' * (n > 1)}" for n, noun in zip(shape, ("row", "column"), strict=True))
    assert capfd.readouterr() == (f"{output}: {rows} of {columns}; numbered, for a time axis add --hop-seconds\n", "")


def test_the_axis_is_in_seconds_or_rows(tmp_path):
    array = np.random.default_rng(0).random((600, 80))
    for hop_seconds, end, label in ((0.1, 60, "time (seconds)"), (0.5, 300, "time (seconds)"), (None, 600, "row")):
        axes = draw(array, hop_seconds).axes[0]
        assert axes.get_images()[0].get_extent() == pytest.approx([0, end, 0, 80])
        assert axes.get_xlabel() == label
    file, pictures = saved(tmp_path / "a.npy", array), []
    for more in (["--hop-seconds", "0.1"], ["--hop-seconds", "0.5"], ["--rows"], []):
        assert plot_vectors.main([file, "--output", str(tmp_path / "a.png"), *more]) == 0
        pictures.append((tmp_path / "a.png").read_bytes())
    assert len(set(pictures)) == 3 and pictures[2] == pictures[3]


def test_the_hop_is_that_of_the_mel_folder_or_of_the_run(tmp_path, monkeypatch, capsys):
    mels, run, frames = tmp_path / "the mels", tmp_path / "a run", tmp_path / "frame vectors"
    for folder in (mels / "rock, pop", run, frames / "rock, pop"):
        folder.mkdir(parents=True)
    mel = Path(saved(mels / "rock, pop" / "a.mp3.npy", np.random.default_rng(0).random((50, 8))))
    assert plot_vectors.find_hop_seconds(mel) is None
    (mels / "config.yaml").write_text("hop_seconds: 0.02\n")
    assert plot_vectors.find_hop_seconds(mel) == 0.02
    monkeypatch.chdir(mel.parent)
    assert plot_vectors.find_hop_seconds(Path("a.mp3.npy")) == 0.02
    output = tmp_path / "a.png"
    assert plot_vectors.main(["a.mp3.npy", "--output", str(output)]) == 0
    assert capsys.readouterr().out == f"{output}: 50 rows of 8 columns\n"

    (run / "config.yaml").write_text("hop_seconds: 0.04\n")
    vectors = Path(saved(frames / "rock, pop" / "a.mp3.npy", np.zeros((50, 8))))
    for place in (run, Path("a run"), Path("gone")):  # as it was called where the vectors were made
        (frames / "made_with.yaml").write_text(yaml.safe_dump({"run": str(place), "save": 3}))
        assert plot_vectors.find_hop_seconds(vectors) == (None if place.name == "gone" else 0.04)


def test_the_rows_of_a_run_are_songs(tmp_path, capsys):
    (tmp_path / "config.yaml").write_text("hop_seconds: 0.04\n")
    file, output, drawn = saved(tmp_path / "vector_at_3.npy", np.random.default_rng(0).random((50, 8))), "a.png", []
    assert not plot_vectors.has_songs(Path(file))
    (tmp_path / "epoc_num.txt").write_text("3\n")
    assert plot_vectors.has_songs(Path(file))
    for flags in ([], ["--rows"]):
        assert plot_vectors.main([file, "--output", str(tmp_path / output), *flags]) == 0
        assert capsys.readouterr().out == f"{tmp_path / output}: 50 rows of 8 columns\n"
        drawn.append((tmp_path / output).read_bytes())
    assert drawn[0] == drawn[1]


NO_HOPS = [f"hop_seconds: {value}" for value in ("soon", "0", "-1", ".inf", ".nan", "true", "'0.1'", "[0.1]")]


@pytest.mark.parametrize("content", ["a: [", "- 1", "other: 1", "\x00", *NO_HOPS])
def test_a_config_of_another_program_is_passed_over(tmp_path, content):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "config.yaml").write_text(content)
    (tmp_path / "a" / "config.yaml").write_text("hop_seconds: 0.05\n")
    assert plot_vectors.find_hop_seconds(tmp_path / "a" / "b" / "x.npy") == 0.05


def test_colours_ignore_the_extreme():
    array = np.linspace(0, 1, 1000).reshape(100, 10)
    array[0, 0], array[-1, -1] = -1e6, 1e6
    figure = draw(array)
    low, high = figure.axes[0].get_images()[0].get_clim()
    assert 0 < low < 0.05 and 0.95 < high < 1
    assert figure.axes[1].get_ylabel() == "value, 1st to 99th percentile"


def test_a_constant_has_colours_too():
    assert plot_vectors.colour_limits(np.full((3, 3), 2.0)) == (1.5, 2.5)


@given(st.integers(1, 200), st.integers(1, 50))
def test_blocks_keep_the_mean(rows, blocks):
    array = np.random.default_rng(rows).standard_normal((rows, 3)).astype(np.float32)
    means = plot_vectors.mean_of_blocks(array, blocks)
    assert means.shape == (min(rows, blocks), 3)
    if rows <= blocks:
        assert means == pytest.approx(array)
    elif rows % blocks == 0:
        assert means == pytest.approx(array.reshape(blocks, -1, 3).mean(axis=1), abs=1e-6)
    assert (means.min(axis=0) >= array.min(axis=0)).all() and (means.max(axis=0) <= array.max(axis=0)).all()


def test_values_that_are_not_finite_stay_blank(tmp_path, capsys):
    array = np.ones((10, 4), np.float32)
    array[0], array[1, 0], array[2] = np.nan, np.inf, [np.inf, -np.inf, 1, 1]
    output = tmp_path / "a.png"
    assert plot_vectors.main([saved(tmp_path / "a.npy", array), "--output", str(output), "--rows"]) == 0
    assert capsys.readouterr().out == (
        f"{output}: 10 rows of 4 columns; 17.5% of the picture is blank, its values are not finite\n"
    )


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(5), "shape (5,), type float64: expected numbers of shape (rows, columns)"),
        (np.zeros((2, 3, 4)), "shape (2, 3, 4), type float64: expected numbers"),
        (np.zeros((2, 3), complex), "type complex128: expected numbers"),
        (np.array([["a", "b"]]), "type <U1: expected numbers"),
        (np.array([[None]]), "not readable as .npy"),
        (np.zeros((0, 80)), "shape (0, 80) holds nothing to draw"),
        (np.full((3, 3), np.nan), "holds no finite value"),
    ],
)
def test_arrays_that_cannot_be_drawn(tmp_path, capsys, array, message):
    file, output = saved(tmp_path / "a file.npy", array), tmp_path / "a.png"
    assert plot_vectors.main([file, "--output", str(output)]) == 1
    error = capsys.readouterr().err
    assert f"{file}: " in error and message in error and error.count("\n") == 1
    assert not output.exists()


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"plain text", b"PK\x03\x04 no archive"])
def test_files_that_are_no_array(tmp_path, capsys, content):
    (tmp_path / "a.npy").write_bytes(content)
    assert plot_vectors.main([str(tmp_path / "a.npy"), "--output", str(tmp_path / "a.png")]) == 1
    error = capsys.readouterr().err
    assert "a.npy: not readable as .npy" in error and error.count("\n") == 1


def test_other_errors(tmp_path, capsys):
    np.savez(tmp_path / "two.npz", a=np.zeros((2, 2)))
    whole = np.lib.format.open_memmap(tmp_path / "torn.npy", "w+", np.float32, (100, 80))
    del whole
    (tmp_path / "torn.npy").write_bytes((tmp_path / "torn.npy").read_bytes()[:500])
    output = str(tmp_path / "a.png")
    for arguments, message in (
        ([str(tmp_path / "none.npy"), "--output", output], "none.npy: no such file; name a .npy"),
        ([str(tmp_path), "--output", output], "Is a directory"),
        ([str(tmp_path / "two.npz"), "--output", output], "two.npz: not readable as .npy"),
        ([str(tmp_path / "torn.npy"), "--output", output], "torn.npy: not readable as .npy"),
        ([str(tmp_path / "none.npy"), "--output", output + ".gif"], "the name must end in .png or .svg"),
    ):
        assert plot_vectors.main(arguments) == 1
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1
    with pytest.raises(SystemExit) as exit_:
        plot_vectors.main([str(tmp_path / "two.npz"), "--output", output, "--hop-seconds", "0"])
    assert exit_.value.code == 2
