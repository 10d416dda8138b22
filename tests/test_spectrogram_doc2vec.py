"""The trainer: its run folder, growth, resuming, and what it says."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from anybody import closed, folder_for_anybody, run_as_anybody
from conftest import ONE_VIEW, small_settings, tree, write_mels

import files
import spectrogram_doc2vec
from config import Config, audio_half, load_config
from runs import run_folder
from runs.vectors import read_song_vectors
from spectrogram_doc2vec import main
from utils import ROOT, UserError

SCRIPT = ROOT / "spectrogram_doc2vec.py"
slow = pytest.mark.slow


def train(mels: Path, run: Path, *flags: str, settings: tuple[str, ...] = (), quiet: bool = True) -> int:
    return main([str(mels), str(run), *["--quiet"] * quiet, *small_settings(*settings), *flags])


def train_as_ever(mels: Path, run: Path, *flags: str, quiet: bool = True) -> int:
    """As `train`, with flags that older versions took: they say nothing of coarse frames."""
    said = [word for setting in ONE_VIEW for word in ("--set", setting)]
    return main([str(mels), str(run), *["--quiet"] * quiet, *said, *flags])


@contextlib.contextmanager
def started(mels: Path, run: Path, *flags: str, settings: tuple[str, ...] = ()) -> Iterator[subprocess.Popen]:
    argv = [sys.executable, SCRIPT, mels, run, *small_settings(*settings), *flags]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(happened, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


# What it refuses, before TensorFlow is loaded


def test_help_answers_without_tensorflow():
    code = "import sys; sys.argv = ['x', '--help']; import spectrogram_doc2vec as s; s.main()"
    check = f"try:\n {code}\nfinally:\n assert 'tensorflow' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "It stops by itself when the held-out cost" in done.stdout


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--set", "windw=3"], "unknown key 'windw'; did you mean 'window_seconds'?"),
        (["--set", "window=wide"], "window: 'wide' is not of type int"),
        (["--set", "window=4", "--set", "window_seconds=1"], "say the same thing; leave one of them out"),
        (["--set", "mel_bins=40"], "mel_bins: 12, and mel_bins: 40 is asked for now"),
        (["--config", "nowhere.yaml"], "nowhere.yaml: no such configuration"),
    ],
)
def test_a_wrong_configuration_is_one_line(mels, tmp_path, capsys, flags, says):
    assert train(mels, tmp_path / "run", *flags) == 1
    message = capsys.readouterr().err
    assert says in message
    assert message.count("\n") == 1


def test_a_missing_or_empty_mel_folder_is_refused(tmp_path, capsys):
    assert train(tmp_path / "no, where", tmp_path / "run") == 1
    assert "no such mel folder; make one with spectrify_all.py" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert train(tmp_path / "empty", tmp_path / "run") == 1
    assert "no usable mel file" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("songs", "broken", "says"),
    [
        ({"a/only": 50}, "", "holds 1 usable song, and two are needed; add more\n"),
        ({"a": 50, "b": 0}, "", "holds 1 usable song, and two are needed; add more; left out: b.npy: no frame\n"),
        ({"a": 0, "b": 0}, "", "holds 0 usable songs, and two are needed; add more; left out: a.npy: no frame\n"),
        ({"a": 50}, "b.npy", "holds 1 usable song, and two are needed; add more; left out: b.npy: "),
    ],
)
def test_fewer_than_two_songs_are_refused_and_what_is_left_out_is_named(tmp_path, capsys, songs, broken, says):
    mels = write_mels(tmp_path / "mels", songs)
    if broken:
        (mels / broken).write_bytes(b"no array")
    assert train(mels, tmp_path / "run") == 1
    message = capsys.readouterr().err
    assert f"{mels}: {says}" in message
    assert message.count("\n") == 1


def test_a_folder_that_holds_something_else_is_refused(mels, tmp_path, capsys):
    run = tmp_path / "run"
    run.mkdir()
    (run / "thesis.doc").write_text("precious")
    assert train(mels, run) == 1
    assert "holds 'thesis.doc' already" in capsys.readouterr().err
    assert os.listdir(run) == ["thesis.doc"]


def test_a_second_writer_exits_75_and_names_the_first(mels, tmp_path, capsys):
    run = tmp_path / "run"
    run.mkdir()
    with files.folder_lock(run):
        assert train(mels, run) == 75
    assert f"pid: {os.getpid()}" in capsys.readouterr().err
    with open(run / "lock") as file:  # it goes with its holder
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


# Resolution


def in_force(mels: Path, *flags: str, run: Path | None = None) -> Config:
    """The configuration that a training would have."""
    arguments = spectrogram_doc2vec.build_parser().parse_args([str(mels), "run", *flags])
    return spectrogram_doc2vec.open_corpus(mels, *load_config(arguments), run)[0].config


def say(folder: Path, **values: object) -> None:
    (folder / "config.yaml").write_text(yaml.safe_dump(values))


@pytest.mark.parametrize(
    ("frame_seconds", "hop_seconds", "window_seconds"),
    [(0.128, 0.1, 0.4), (0.04, 0.02, 0.2), (0.064, 0.04, 0.2), (0.128, 0.05, 0.4), (1.0, 0.5, 2.0), (0.128, 0.02, 0.2)],
)
def test_the_trainer_follows_the_resolution_of_the_mels(mels, frame_seconds, hop_seconds, window_seconds):
    say(mels, frame_seconds=frame_seconds, hop_seconds=hop_seconds)
    small = ("--config", str(ROOT / "configs/small_train.yaml"))
    for flags in ((), small, ("--set", f"hop_seconds={hop_seconds}")):
        config = in_force(mels, *flags)
        assert (config.frame_seconds, config.hop_seconds, config.window_seconds) == (
            *(frame_seconds, hop_seconds),
            pytest.approx(window_seconds),
        )
    assert in_force(mels, "--set", "window_seconds=0.7").window_seconds == 0.7
    config = in_force(mels, "--set", "window=7")
    assert (config.window, config.window_seconds) == (7, pytest.approx(7 * hop_seconds))


def test_features_of_ones_own_have_the_default_or_what_is_given(mels, capsys):
    config = in_force(mels)
    assert (config.frame_seconds, config.hop_seconds, config.window_seconds) == (0.128, 0.1, 0.4)
    assert in_force(mels, "--set", "hop_seconds=0.02").window_seconds == 0.2
    assert in_force(mels, "--set", "hop_seconds=0.02", "--set", "window=4").window_seconds == 0.08


def test_coarse_frames_and_their_dimensions_go_with_the_resolution_unless_they_are_given(mels):
    def shape(*settings: str) -> tuple[float, int]:
        config = in_force(mels, *(word for setting in settings for word in ("--set", setting)))
        return config.coarse_seconds, config.output_vector_size

    assert shape() == (0.0, 80)
    assert shape("coarse_seconds=0.6") == (0.6, 160)
    say(mels, frame_seconds=0.04, hop_seconds=0.02)
    assert shape() == (0.12, 160)
    assert shape("coarse_seconds=0") == (0.0, 80)
    assert shape("output_vector_size=7") == (0.12, 7)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            ("coarse_seconds=0.12",),
            "coarse_seconds: 0.12 is not two of the mel folder's hop_seconds: 0.1; use a greater",
        ),
        (("coarse_seconds=0.6", "output_vector_size=1"), "output_vector_size: 1 leaves no dimension for coarse frames"),
    ],
)
def test_coarse_frames_that_cannot_be_are_one_line(mels, tmp_path, capsys, settings, words):
    assert train(mels, tmp_path / "run", settings=settings) == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@slow
def test_a_run_keeps_what_it_was_made_with(mels, tmp_path, capsys):
    run = tmp_path / "run"
    assert train(mels, run, "--max-saves", "1", settings=("learning_rate=0.002", "output_vector_size=7")) == 0
    assert main([str(mels), str(run), "--quiet", "--max-saves", "2", "--set", "keep_vectors=2"]) == 0
    in_force = yaml.safe_load((run / "config.yaml").read_text())
    kept = ("learning_rate", "output_vector_size", "pairs_per_save", "coarse_seconds", "keep_vectors")
    assert [in_force[key] for key in kept] == [0.002, 7, 320, 0.6, 2]
    assert run_folder.read_costs(run)[-1].pairs == 640
    capsys.readouterr()
    assert train(mels, run, settings=("output_vector_size=7", "coarse_seconds=0.3")) == 1
    assert "was made with coarse_seconds: 0.6, and coarse_seconds: 0.3 is asked for now" in capsys.readouterr().err


@slow
@pytest.mark.parametrize("frames", [1, 2, 5])
def test_coarse_frames_longer_than_every_song(tmp_path, frames):
    mels = write_mels(tmp_path / "short", {f"{kind}/{song}": frames for kind in "ab" for song in range(4)})
    assert train(mels, tmp_path / "run", "--max-saves", "2", settings=("output_vector_size=5",)) == 0
    vectors = read_song_vectors(tmp_path / "run").vectors
    assert vectors.shape == (8, 5)
    assert np.isfinite(vectors).all()
    write_mels(mels, {"a/new": frames}, seed=1)
    assert train(mels, tmp_path / "run", "--add-only", settings=("output_vector_size=5",)) == 0
    assert np.isfinite(read_song_vectors(tmp_path / "run").vectors).all()


def test_what_is_said_of_the_resolution(mels, config):
    def said(given: Config) -> str:
        corpus, _ = spectrogram_doc2vec.open_corpus(mels, given, frozenset())
        lines = []
        spectrogram_doc2vec.describe_corpus(corpus, [], lines.append)
        return lines[0]

    assert said(config).endswith("81 s, 810 frames of 12 bins; a frame every 0.1 s, pairs at most 0.4 s apart")
    say(mels, frame_seconds=0.04, hop_seconds=0.02)
    assert said(config).endswith(
        "16 s, 810 frames of 12 bins; frames of 0.04 s every 0.02 s, pairs at most 0.2 s apart, coarse frames of 0.12 s"
    )


def test_the_mels_of_an_older_version_have_frames_of_2048_samples(mels, config):
    say(mels, **{**audio_half_of_older_versions(config), "sample_rate_hz": 22050, "mel_bins": 12})
    assert in_force(mels).frame_seconds == 2048 / 22050


def audio_half_of_older_versions(config: Config) -> dict[str, object]:
    return {key: value for key, value in audio_half(config).items() if key != "frame_seconds"}


def as_of_an_older_version(run: Path) -> None:
    """Let its config.yaml say window, in hops, no frame_seconds, and nothing of coarse frames."""
    values = yaml.safe_load((run / "config.yaml").read_text())
    values["window"] = max(1, round(values.pop("window_seconds") / values["hop_seconds"]))
    if values.pop("frame_seconds") != 2048 / values["sample_rate_hz"] or values.pop("coarse_seconds"):
        raise ValueError
    (run / "config.yaml").write_text(yaml.safe_dump(values, sort_keys=False))


@slow
@pytest.mark.parametrize(
    ("hop_seconds", "flags"),
    [(0.1, ()), (0.05, ("--set", "window=4")), (0.05, ("--set", "window=7")), (0.02, ("--set", "window=4"))],
    ids=["default", "another hop", "another window", "a hop that has coarse frames by default"],
)
@pytest.mark.parametrize("bare", [True, False])
def test_a_run_of_an_older_version_goes_on_as_it_was(mels, tmp_path, capsys, config, hop_seconds, flags, bare):
    hop = ("--set", f"hop_seconds={hop_seconds}") if bare else ()
    if bare:
        hop += ("--set", "sample_rate_hz=22050", "--set", f"frame_seconds={2048 / 22050}")
    else:
        say(mels, **{**audio_half_of_older_versions(config), "mel_bins": 12, "hop_seconds": hop_seconds})
    one_view = ("--set", "coarse_seconds=0")
    assert train_as_ever(mels, tmp_path / "whole", "--forever", "--max-saves", "4", *hop, *flags, *one_view) == 0
    run = tmp_path / "run"
    assert train_as_ever(mels, run, "--forever", "--max-saves", "2", *hop, *flags, *one_view) == 0
    as_of_an_older_version(run)
    hop = hop[:4]  # its frame is nothing that an older version could be told
    before = tree(run)
    capsys.readouterr()
    for more in ((), flags):
        assert train_as_ever(mels, run, "--max-saves", "2", *hop, *more, quiet=False) == 0
        assert "nothing to do" in capsys.readouterr().out
        assert tree(run) == before
    assert train_as_ever(mels, run, "--forever", "--max-saves", "3", *hop) == 0
    assert train_as_ever(mels, run, "--forever", "--max-saves", "4", *hop) == 0
    assert _comparable(run) == _comparable(tmp_path / "whole")


@slow
def test_mels_of_another_resolution_than_the_runs_are_refused_with_the_command(mels, tmp_path, capsys, config):
    run = tmp_path / "a run"
    say(mels, **{**audio_half_of_older_versions(config), "mel_bins": 12})
    assert train_as_ever(mels, run, "--max-saves", "1") == 0
    as_of_an_older_version(run)
    say(mels, frame_seconds=0.128, hop_seconds=0.1)
    assert train_as_ever(mels, run, "--max-saves", "1", quiet=False) == 0
    assert "nothing to do" in capsys.readouterr().out
    before = tree(run)
    say(mels, frame_seconds=0.04, hop_seconds=0.02)
    assert train_as_ever(mels, run, "--max-saves", "2") == 1
    message = capsys.readouterr().err
    assert "was made with frame_seconds: 0.128, and frame_seconds: 0.04 is asked for now; make mels as it" in message
    assert f"spectrify_all.py AUDIO_FOLDER NEW_MEL_FOLDER --config '{run}/config.yaml', or train into" in message
    assert message.count("\n") == 1
    assert tree(run) == before


# Training


@slow
def test_a_training_to_its_stop_then_nothing_to_do(mels, tmp_path, capsys):
    run = tmp_path / "the run"
    assert train(mels, run) == 0
    out = capsys.readouterr().out
    assert "12 song vectors of 8 dimensions" in out
    assert "stopped: the held-out cost " in out  # has flattened, or rises
    save = run_folder.newest_save(run)
    songs = read_song_vectors(run)
    assert songs.vectors.shape == (12, 8)
    assert songs.vectors.dtype == np.float32
    assert np.isfinite(songs.vectors).all()
    assert songs.names == sorted(songs.names, key=os.fsencode)
    assert (run / "music_list.txt").read_text() == "".join(f"{name}\n" for name in songs.names)
    kept = sorted(path.name for path in run.glob("vector_at_*"))
    assert kept == sorted(f"vector_at_{x}.npy" for x in range(max(1, save - 4), save + 1))
    assert sorted(path.name for path in (run / "weights").iterdir()) == [
        f"network_at_{save}.npz",
        f"songs_at_{save}.npz",
    ]
    in_force = yaml.safe_load((run / "config.yaml").read_text())
    assert (in_force["mel_bins"], in_force["batch_size"], in_force["seed"]) == (12, 32, 0)
    costs = run_folder.read_costs(run)
    assert [row.pairs for row in costs] == [320 * (i + 1) for i in range(save)]
    assert costs[-1].held_out_cost < costs[0].held_out_cost

    before = tree(run)
    capsys.readouterr()
    assert train(mels, run) == 0  # as cron calls it: nothing to mail
    assert capsys.readouterr() == ("", "")
    assert train(mels, run, quiet=False) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert tree(run) == before
    assert train(mels, run, "--forever", "--max-saves", str(save + 2)) == 0
    assert run_folder.newest_save(run) == save + 2
    assert "--max-saves" in capsys.readouterr().out


@slow
@pytest.mark.parametrize("pools", [(), ("pool_songs=5", "pool_frames=100")])
def test_in_parts_is_as_in_one_go(mels, tmp_path, pools):
    assert train(mels, tmp_path / "whole", "--max-saves", "6", "--forever", settings=pools) == 0
    for saves in (1, 3, 4, 6):
        assert train(mels, tmp_path / "parts", "--max-saves", str(saves), "--forever", settings=pools) == 0
    assert _comparable(tmp_path / "whole") == _comparable(tmp_path / "parts")


@slow
def test_another_seed_is_another_run_and_the_same_seed_the_same(mels, tmp_path):
    for name, seed in (("one", "1"), ("same", "1"), ("two", "2")):
        assert train(mels, tmp_path / name, "--max-saves", "2", "--seed", seed) == 0
    assert _comparable(tmp_path / "one") == _comparable(tmp_path / "same")
    assert _comparable(tmp_path / "one")["vector_at_2.npy"] != _comparable(tmp_path / "two")["vector_at_2.npy"]


@slow
def test_killed_and_resumed_is_as_never_stopped(mels, tmp_path):
    flags = ("--max-saves", "90", "--forever")
    settings = ("pool_songs=5", "pool_frames=100")
    assert train(mels, tmp_path / "whole", *flags, settings=settings) == 0
    run, draws = tmp_path / "killed", random.Random(0)
    for after in (4, 15, 27, 40, 52):
        with started(mels, run, *flags, settings=settings) as process:
            wait_for(lambda after=after: run_folder.newest_save(run) >= after)
            time.sleep(draws.random() * 0.1)
            process.kill()
        assert after <= run_folder.newest_save(run) < 90
        read_song_vectors(run)
    with started(mels, run, *flags, settings=settings) as process:
        assert process.communicate(timeout=240)[0].startswith(str(run))
        assert process.returncode == 0
    assert _comparable(tmp_path / "whole") == _comparable(run)


def _comparable(run: Path) -> dict[str, bytes]:
    """Every file's bytes, without what tells the time: the lock, and the seconds of cost_list.csv."""
    files = {name: content for name, (content, _) in tree(run).items() if name != "lock"}
    lines = files["cost_list.csv"].decode().splitlines()
    files["cost_list.csv"] = "\n".join(line.rpartition(",")[0] for line in lines).encode()
    return files


@slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_exits_0(mels, tmp_path, number):
    run = tmp_path / "run"
    with started(mels, run, "--forever", "--quiet", settings=("pairs_per_save=100000",)) as process:
        wait_for(lambda: run_folder.newest_save(run))
        time.sleep(0.3)  # into the next interval
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert err == ""  # nothing of TensorFlow's own either
    assert f"stopped: {number.name}" in out
    pairs = [row.pairs for row in run_folder.read_costs(run)]
    assert len(pairs) > 1
    assert pairs[0] == 100_000  # whole batches
    assert pairs[-1] % 100_000  # the forced one is extra


@slow
def test_a_forced_save_changes_nothing_of_what_follows(mels, tmp_path):
    flags = ("--forever", "--max-saves", "5")
    assert train(mels, tmp_path / "whole", *flags, settings=("pairs_per_save=6400",)) == 0
    run = tmp_path / "forced"
    assert train(mels, run, "--forever", "--max-minutes", "0.0001", settings=("pairs_per_save=6400",)) == 0
    forced = run_folder.read_costs(run)
    assert len(forced) == 1
    assert forced[0].pairs < 6400
    assert train(mels, run, "--forever", "--max-saves", "6", settings=("pairs_per_save=6400",)) == 0
    assert run_folder.read_costs(run)[-1].pairs == run_folder.read_costs(tmp_path / "whole")[-1].pairs
    one, other = (read_song_vectors(folder) for folder in (run, tmp_path / "whole"))
    assert np.array_equal(one.vectors, other.vectors)


@slow
def test_progress_goes_to_stderr_and_says_what_it_waits_for(mels, tmp_path, capsys):
    assert main([str(mels), str(tmp_path / "run"), *small_settings(), "--max-saves", "2"]) == 0
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 1
    lines = captured.err.splitlines()
    assert "12 songs" in lines[0]
    assert "starts anew" in lines[3]
    for word in ("save 2: cost", "held-out", "640 pairs", "pairs/s", "for mels"):
        assert word in lines[5]


# Track descriptors, which older versions wrote


def describe(run: Path, save: int) -> None:
    """Write what older versions wrote when they stopped at a save: a file beside the vectors, and one in weights/."""
    np.save(run / f"descriptor_at_{save}.npy", np.ones((12, 10), np.float32))
    standard = {"mean": np.zeros(16, np.float32), "scale": np.ones(16, np.float32)}
    np.savez(run / "weights" / f"descriptor_at_{save}.npz", **standard, components=np.ones((8, 2)), step=10 * save)


@slow
@pytest.mark.parametrize("flags", [(), ("--no-descriptors",)])
def test_a_run_of_an_older_version_stands_and_goes_on(mels, tmp_path, capsys, flags):
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert train(mels, whole, "--max-saves", "3", "--forever") == 0
    assert train(mels, run, "--max-saves", "2", "--forever") == 0
    describe(run, 2)
    before = tree(run)
    capsys.readouterr()
    for more in (("--max-saves", "2"), ("--add-only",)):
        assert train(mels, run, *more, *flags, quiet=False) == 0
        assert capsys.readouterr() == (f"{run}: nothing to do: save 2 of 12 songs stands\n", "")
        assert tree(run) == before
    assert train(mels, run, "--max-saves", "3", "--forever", *flags) == 0
    assert _comparable(run) == _comparable(whole)


@slow
def test_songs_added_to_a_run_of_an_older_version_take_its_descriptors_along(mels, tmp_path):
    run = tmp_path / "run"
    assert train(mels, run, "--max-saves", "2", "--forever") == 0
    describe(run, 2)
    before = read_song_vectors(run)
    write_mels(mels, {"AA/first": 60})
    assert train(mels, run, "--add-only") == 0
    after = read_song_vectors(run)
    assert after.names == ["AA/first.npy", *before.names]
    assert np.array_equal(after.vectors[1:], before.vectors)
    assert not list(run.rglob("descriptor_*"))


def test_no_descriptors_is_taken_and_not_advertised():
    assert spectrogram_doc2vec.build_parser().parse_args(["mels", "run", "--no-descriptors"])
    assert "descriptors" not in spectrogram_doc2vec.build_parser().format_help()


# Growth


@slow
def test_growth_follows_names(mels, tmp_path, capsys):
    run = tmp_path / "run"
    assert train(mels, run, "--max-saves", "20", "--forever") == 0
    before = read_song_vectors(run)
    gone = before.names[2]
    (mels / gone).unlink()
    shutil.move(mels / before.names[7], mels / "high/000 renamed.npy")
    write_mels(mels, {"low end/zz new": 60, "AA/first": 60}, seed=9)
    capsys.readouterr()
    # the number of saves is reached already, and yet the changed list is taken in and committed
    assert main([str(mels), str(run), *small_settings(), "--max-saves", "20", "--forever"]) == 0
    captured = capsys.readouterr()
    for where in (captured.err, captured.out):
        assert "songs: 10 kept, 0 of them changed, 3 new, 2 gone" in where
    after = read_song_vectors(run)
    assert after.save == 21
    assert after.names == sorted(after.names, key=os.fsencode)
    assert set(after.names) ^ set(before.names) == {
        gone,
        before.names[7],
        "high/000 renamed.npy",
        "low end/zz new.npy",
        "AA/first.npy",
    }
    for name in set(before.names) & set(after.names):
        assert np.array_equal(after.vectors[after.names.index(name)], before.vectors[before.names.index(name)])

    def cosine(name: str, kind: str) -> float:
        unit = after.vectors / np.linalg.norm(after.vectors, axis=1, keepdims=True)
        others = [row for row, other in enumerate(after.names) if other.startswith(kind) and other != name]
        return float((unit[others] @ unit[after.names.index(name)]).mean())

    assert cosine("low end/zz new.npy", "low end/") > cosine("low end/zz new.npy", "high/") + 0.2
    # the vectors of older saves still go with the songs of their time
    assert run_folder.read_song_list(run, 20) == before.names
    assert (run / "music_list.txt").read_bytes() == run_folder.encode_names(after.names)
    assert train(mels, run, "--max-saves", "21") == 0
    assert run_folder.newest_save(run) == 21


@slow
def test_a_song_whose_mel_changed_is_learned_anew(mels, tmp_path, capsys):
    run = tmp_path / "run"
    assert train(mels, run, "--max-saves", "20", "--forever") == 0
    before = read_song_vectors(run)
    shutil.copyfile(mels / "high/1, søng.mp3.npy", mels / "low end/1, søng.mp3.npy")
    capsys.readouterr()
    assert train(mels, run, "--max-saves", "20") == 0
    assert "12 kept, 1 of them changed, 0 new, 0 gone" in capsys.readouterr().out
    after = read_song_vectors(run)
    moved = [
        name for name, old, new in zip(after.names, before.vectors, after.vectors, strict=True) if (old != new).any()
    ]
    assert moved == ["low end/1, søng.mp3.npy"]
    assert train(mels, run, "--max-saves", "20", quiet=False) == 0
    assert "nothing to do" in capsys.readouterr().out


@slow
def test_add_only_leaves_every_old_byte(mels, tmp_path, capsys):
    run = tmp_path / "run"
    assert train(mels, run, "--add-only") == 1
    assert "holds no save to add songs to" in capsys.readouterr().err
    assert train(mels, run, "--max-saves", "5", "--forever") == 0
    before, weights = read_song_vectors(run), run_folder.read_weights(run, "network", 5)
    untouched = tree(run)
    assert train(mels, run, "--add-only", quiet=False) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert tree(run) == untouched

    write_mels(mels, {"low end/00 new": 60}, seed=9)
    shutil.copyfile(mels / "high/1, søng.mp3.npy", mels / "low end/1, søng.mp3.npy")
    assert train(mels, run, "--add-only") == 0
    assert "1 new, 0 gone" in capsys.readouterr().out
    after = read_song_vectors(run)
    assert (after.save, len(after.names)) == (6, 13)
    for name, vector in zip(before.names, before.vectors, strict=True):
        assert after.vectors[after.names.index(name)].tobytes() == vector.tobytes()
    assert np.isfinite(after.vectors).all()
    for name, array in run_folder.read_weights(run, "network", 6).items():
        assert array.tobytes() == weights[name].tobytes(), name
    assert train(mels, run, "--max-saves", "6") == 0  # a training sees the change that --add-only left alone
    assert "13 kept, 1 of them changed" in capsys.readouterr().out


def test_too_little_memory_is_refused_with_the_numbers(mels, tmp_path, capsys):
    settings = ("pool_frames=1000000000", "hidden_size=16384", "batch_size=16384")
    huge = write_mels(tmp_path / "huge", {"a/one": 2, "a/two": 2})
    for name in ("one", "two"):  # a header that promises ten million frames is enough to be refused
        with open(huge / f"a/{name}.npy", "wb") as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": "<f2", "fortran_order": False, "shape": (400_000_000, 80)}
            )
    assert train(huge, tmp_path / "run", settings=settings) == 1
    message = capsys.readouterr().err
    assert "of memory, and" in message
    assert "--set pool_frames=250000000" in message
    assert message.count("\n") == 1


@pytest.mark.parametrize(
    ("there", "pool_frames", "says"),
    [
        (0, 1000, "0.0 GB are available; close other programs, or use --set pool_frames=250"),
        (0, 3, "0.0 GB are available; close other programs, or use a smaller batch_size or hidden_size"),
        (None, 1000, ""),
        (10**12, 1000, ""),
    ],
)
def test_no_memory_left_is_not_taken_for_unknown(mels, config, monkeypatch, there, pool_frames, says):
    monkeypatch.setattr(spectrogram_doc2vec, "available_memory", lambda: there)
    corpus, _ = spectrogram_doc2vec.open_corpus(mels, dataclasses.replace(config, pool_frames=pool_frames), frozenset())
    lines = []
    if says:
        with pytest.raises(UserError) as raised:
            spectrogram_doc2vec.check_memory(corpus, lines.append)
        assert says in str(raised.value)
    else:
        spectrogram_doc2vec.check_memory(corpus, lines.append)
    assert len(lines) == 1
    assert ("GB available" in lines[0]) == (there is not None)


@slow
def test_what_a_run_will_use_is_said_first(mels, tmp_path, capsys):
    assert main([str(mels), str(tmp_path / "run"), *small_settings(), "--max-saves", "1", "--device", "gpu"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert "12 songs, 81 s, 810 frames of 12 bins" in lines[0]
    assert lines[1].startswith("memory: about ")
    assert lines[2].startswith("device: ")
    assert "threads" in lines[2]
    from learning import model

    if not model.tf.config.list_physical_devices("GPU"):
        assert "cpu (TensorFlow finds no GPU)" in lines[2]


@slow
def test_keys_that_a_run_cannot_change_are_refused_and_others_are_taken_in(mels, tmp_path, capsys):
    run = tmp_path / "run"
    assert train(mels, run, "--max-saves", "1") == 0
    before = tree(run)
    for setting, says in (
        ("hidden_size=17", "hidden_size: 16, and hidden_size: 17"),
        ("seed=5", "seed: 0, and seed: 5"),
    ):
        assert train(mels, run, "--set", setting) == 1
        assert says in capsys.readouterr().err
    assert tree(run) == before
    assert train(mels, run, "--set", "learning_rate=0.002", "--max-saves", "2") == 0
    assert yaml.safe_load((run / "config.yaml").read_text())["learning_rate"] == 0.002


@slow
def test_songs_too_short_for_anything_held_out_are_trained_on(tmp_path, capsys):
    mels = write_mels(tmp_path / "mels", {"a/one": 1, "a/two": 2, "b/three": 3, "b/nine": 9})
    assert train(mels, tmp_path / "run", "--max-saves", "3") == 0
    assert "held-out cost nan" in capsys.readouterr().out
    assert np.isfinite(read_song_vectors(tmp_path / "run").vectors).all()


@slow
def test_mels_that_are_unreadable_are_counted_and_named_once_and_the_rest_trained(mels, tmp_path, capsys):
    broken = sorted(mels.rglob("*.npy"))[:4]
    for path in broken:
        path.write_bytes(path.read_bytes()[:-50])
    (mels / "stray.npy").write_bytes(b"no array")
    flags = [str(mels), str(tmp_path / "run"), *small_settings("pool_songs=12"), "--forever", "--max-saves"]
    assert main([*flags, "2"]) == 0
    captured = capsys.readouterr()
    named = [line for line in captured.err.splitlines() if line.startswith("unreadable: ")]
    says = [f"{path.relative_to(mels)}: ends before the {70 + 5 * place} frames" for place, path in enumerate(broken)]
    assert [line.startswith(f"unreadable: {each}") for line, each in zip(named, says, strict=False)] == [True] * 3
    assert captured.err.count(", 4 unreadable") == 2
    _, left_out, unreadable = captured.out.splitlines()
    assert left_out.startswith("1 mel file left out: not usable, e.g. stray.npy: ")
    assert unreadable.startswith(f"4 songs could not be read, e.g. {says[0]}")
    assert main([*flags, "3", "--quiet"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.splitlines()[1:] == [left_out, unreadable]


@slow
def test_mels_that_all_became_unreadable_are_one_line_and_cost_no_vector(mels, tmp_path, capsys):
    run = tmp_path / "run"
    assert train(mels, run, "--max-saves", "2", "--forever") == 0
    before = read_song_vectors(run)
    for path in mels.rglob("*.npy"):
        path.write_bytes(path.read_bytes()[:-10])
    capsys.readouterr()
    assert train(mels, run, "--max-saves", "9", "--forever") == 1
    message = capsys.readouterr().err
    assert "no mel could be read" in message
    assert message.count("\n") == 1
    assert np.array_equal(read_song_vectors(run).vectors, before.vectors)


@slow
def test_a_full_disk_is_one_line_and_the_last_save_stays(mels, tmp_path):
    run = tmp_path / "run"
    assert train(mels, run, "--max-saves", "2") == 0
    before = tree(run)
    # a limit on the size of files is a disk that is full at that size
    limited = "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
    limited += (
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); import spectrogram_doc2vec as s; sys.exit(s.main())"
    )
    argv = [sys.executable, "-c", limited, mels, run, "--quiet", *small_settings(), "--max-saves", "4"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "File too large" in done.stderr
    after = tree(run)
    assert {name: after[name] for name in before if name != "lock"} == {
        name: before[name] for name in before if name != "lock"
    }
    assert train(mels, run, "--max-saves", "3") == 0


# What is not finite


@slow
def test_a_training_that_diverges_ends_in_one_line_and_writes_nothing(mels, tmp_path, capsys):
    run, flags = tmp_path / "run", ("--forever", "--set", "logit=dot", "--set", "learning_rate=10")
    assert train(mels, run, "--max-saves", "2", *flags) == 0
    np.save(run / "vector_at_2.npy", 1e38 * np.load(run / "vector_at_2.npy"))  # finite: the first step is not
    before = tree(run)
    capsys.readouterr()
    assert train(mels, run, "--max-saves", "9", *flags) == 1
    message = capsys.readouterr().err
    assert f"{run}: training has diverged after save 2, which is kept; use a smaller learning_rate" in message
    assert message.count("\n") == 1
    assert {**tree(run), "lock": None} == {**before, "lock": None}


@slow
@pytest.mark.parametrize("name", ["vector_at_1.npy", "weights/network_at_1.npz", "weights/songs_at_1.npz"])
def test_a_save_that_is_not_finite_is_named_before_anything_is_written(mels, tmp_path, capsys, name):
    run = tmp_path / "run"
    assert train(mels, run, "--max-saves", "1") == 0
    if name.endswith(".npy"):
        vectors = np.load(run / name)
        vectors[3, 2] = np.nan
        np.save(run / name, vectors)
    else:
        arrays = dict(np.load(run / name))
        key = "squares" if "squares" in arrays else "adam_mean_target_hidden_weights"
        arrays[key][1, 0] = np.inf
        np.savez(run / name, **arrays)
    before = tree(run)
    capsys.readouterr()
    assert train(mels, run, "--max-saves", "3") == 1
    message = capsys.readouterr().err
    assert f"{run / name}: holds values that are not finite; restore it, or train into another folder" in message
    assert message.count("\n") == 1
    assert {**tree(run), "lock": None} == {**before, "lock": None}


@slow
def test_mels_too_large_for_the_networks_are_left_out_as_those_that_cannot_be_read(mels, tmp_path, capsys):
    path = mels / "high/1, søng.mp3.npy"
    np.save(path, 1e300 * np.load(path).astype(np.float64))
    assert train(mels, tmp_path / "run", "--max-saves", "1") == 0
    said = "1 song could not be read, e.g. high/1, søng.mp3.npy: holds values too large for float32"
    assert said in capsys.readouterr().out
    assert np.isfinite(np.load(tmp_path / "run/vector_at_1.npy")).all()
    for path in mels.rglob("*.npy"):
        np.save(path, np.full_like(np.load(path), 3e38, np.float32))
    assert train(mels, tmp_path / "another") == 1
    assert capsys.readouterr().err.count("\n") == 1


@slow
def test_a_save_of_another_shape_or_kind_is_named_and_kept(mels, tmp_path, capsys):
    run = tmp_path / "run"
    assert train(mels, run, "--max-saves", "1") == 0
    vectors, network, songs = run / "vector_at_1.npy", "weights/network_at_1.npz", "weights/songs_at_1.npz"

    def arrays_of(name: str, key: str, change) -> bytes:
        arrays = dict(np.load(run / name))
        arrays[key] = change(arrays[key])
        content = io.BytesIO()
        np.savez(content, **arrays)
        return content.getvalue()

    def array_of(change) -> bytes:
        content = io.BytesIO()
        np.save(content, change(np.load(vectors)))
        return content.getvalue()

    rows = (run / "cost_list.csv").read_bytes()
    damages = [
        ("vector_at_1.npy", array_of(lambda array: array[:, :3])),
        ("vector_at_1.npy", array_of(lambda array: array.astype("M8[s]"))),
        ("vector_at_1.npy", array_of(lambda array: array[0, 0])),
        (network, arrays_of(network, "step", np.negative)),
        (network, arrays_of(network, "target_hidden_bias", lambda array: array[:-1])),
        (network, arrays_of(network, "bias", lambda array: array.astype("U3"))),
        (songs, arrays_of(songs, "squares", np.ravel)),
        (songs, arrays_of(songs, "stamps", lambda array: array.astype(float))),
        ("cost_list.csv", rows[: rows.index(b"\n") + 1]),
        ("cost_list.csv", b"epoc,cost," + b"1" * 10**6),
        ("config.yaml", (run / "config.yaml").read_bytes()[:40]),
    ]
    for name, content in damages:
        whole = (run / name).read_bytes()
        (run / name).write_bytes(content)
        before = tree(run)
        for more in (["--max-saves", "2"], ["--max-saves", "1"], ["--add-only"]):
            capsys.readouterr()
            assert train(mels, run, *more) == 1
            message = capsys.readouterr().err
            assert str(run / name) in message
            assert message.count("\n") == 1
        assert {**tree(run), "lock": None} == {**before, "lock": None}
        (run / name).write_bytes(whole)
    assert train(mels, run, "--max-saves", "2") == 0


@slow
@pytest.mark.parametrize(
    ("part", "array"), [("songs", "stamps"), ("songs", "squares"), ("network", "step"), ("network", "reference")]
)
def test_a_run_of_an_older_version_is_one_line(mels, tmp_path, capsys, part, array):
    run = tmp_path / "run"
    assert train(mels, run, "--max-saves", "1") == 0
    path = run_folder.weights_path(run, part, 1)
    arrays = dict(np.load(path))
    del arrays[array]
    np.savez(path, **arrays)
    before = tree(run)
    capsys.readouterr()
    assert train(mels, run, "--max-saves", "3") == 1
    message = capsys.readouterr().err
    assert f"{path}: holds no {array}, so another version made it; go on with that version, or train into" in message
    assert message.count("\n") == 1
    assert {**tree(run), "lock": None} == {**before, "lock": None}


def test_songs_that_cannot_be_read_do_not_lose_their_vectors(mels, tmp_path):
    """Where a folder could not be read, its songs were taken for gone."""
    with folder_for_anybody() as folder:
        mels, run_of = shutil.move(mels, folder / "mels"), folder / "run"
        assert main([str(mels), str(run_of), "--quiet", "--max-saves", "1", *small_settings()]) == 0
        before = tree(run_of)
        code = "sys.exit(spectrogram_doc2vec.main())"
        for place, what in ((mels / "high", "6 songs"), (mels / "high/0, søng.mp3.npy", "1 song")):
            with closed(place):
                done = run_as_anybody(code, mels, run_of)
            assert (done.returncode, done.stdout) == (1, "")
            named = place.relative_to(mels)
            assert f"{what} of {run_of} cannot be read ({named}), and would lose their vectors; make" in done.stderr
        assert tree(run_of) == before
