"""Frame vectors of any audio from a trained model."""

from __future__ import annotations

import dataclasses
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import small_settings, tree, write_audio, write_mels

from calc_all_vecs import main
from config import DEFAULT_CONFIG, shipped_config
from learning.matching_mels import refuse_other_mels
from mels.mel_folder import list_mels
from runs import run_folder
from spectrify_all import main as spectrify
from spectrogram_doc2vec import main as train
from utils import ROOT, UserError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A mel folder and a run trained on it; tests copy what they change."""
    folder = tmp_path_factory.mktemp("a run, trained")
    mels = write_mels(folder / "mels", {"low/a, b": 60, "low/ç": 50, "high/c": 70, "high/d": 40})
    assert train([str(mels), str(folder / "run"), "--quiet", *small_settings(), "--max-saves", "2"]) == 0
    return mels, folder / "run"


def run(*arguments) -> int:
    return main([*map(str, arguments)])


def test_every_mel_gets_its_frame_vectors_seen_or_not(trained, tmp_path, capsys):
    _, run_of = trained
    unseen = write_mels(tmp_path / "unseen", {"new/deep/er": 33, "one frame": 1})
    assert run(unseen, run_of, tmp_path / "out") == 0
    assert "frame vectors of 2 songs by save 2, 2 made now" in capsys.readouterr().out
    vectors = np.load(tmp_path / "out/new/deep/er.npy")
    assert vectors.shape == (33, 8)
    assert vectors.dtype == np.float32
    assert np.load(tmp_path / "out/one frame.npy").shape == (1, 8)


@pytest.mark.parametrize("level", ["frame", "song"])
def test_a_quiet_night_says_nothing_and_changes_nothing(trained, tmp_path, capsys, level):
    _, run_of = trained
    unseen = write_mels(tmp_path / "unseen", {"a": 9, "b": 12})
    argv = [str(unseen), str(run_of), str(tmp_path / "out"), "--level", level, "--quiet"]
    assert main(argv) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'out'}: {level} vectors of 2 songs by save 2, 2 made now\n")
    before = tree(tmp_path / "out")
    assert main(argv) == 0
    assert capsys.readouterr() == ("", "")
    assert tree(tmp_path / "out") == before
    (unseen / "b.npy").unlink()
    assert main([*argv, "--prune"]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'out'}: {level} vectors of 1 song by save 2, 0 made now\n")


def test_folders_that_bear_the_names_of_our_files_cost_only_themselves(trained, tmp_path, capsys):
    """A folder made_with.yaml in the music ended it."""
    _, run_of = trained
    unseen = write_mels(tmp_path / "unseen", {"made_with.yaml/a": 9, "vector_list.txt/b": 9, "lock/c": 9, "d": 9})
    for made in (1, 0):
        assert run(unseen, run_of, tmp_path / "out") == 0
        assert capsys.readouterr().out.splitlines() == [
            f"{tmp_path / 'out'}: frame vectors of 4 songs by save 2, {made} made now",
            "3 mel files could not be read, e.g. lock/c.npy: its folder bears the name of a file of ours; rename it",
        ]
    assert set(tree(tmp_path / "out")) == {"d.npy", "made_with.yaml", "vector_list.txt", "lock"}
    assert run(unseen, run_of, tmp_path / "songs", "--level", "song") == 0
    assert len(np.load(tmp_path / "songs/vector_at_1.npy")) == 4


def test_they_are_what_the_target_network_says(trained, tmp_path):
    from config import build_config, read_config_file
    from learning.model import Model

    mels, run_of = trained
    assert run(mels, run_of, tmp_path / "out") == 0
    weights = run_folder.read_weights(run_of, "network", 2)
    mel = np.load(mels / "low/ç.npy").astype(np.float64)
    around = np.clip(np.arange(len(mel))[:, None] + np.arange(-3, 3), 0, len(mel) - 1)
    coarse = mel[around].mean(axis=1).astype(np.float16).astype(np.float64)  # as training has them
    expected = []
    for prefix, frames, reach in (("", mel, 2), ("coarse_", coarse, 12)):
        view = {name.removeprefix(prefix): array for name, array in weights.items() if name.startswith(prefix)}
        rows = np.arange(len(mel))
        change = frames[np.minimum(rows + reach, len(mel) - 1)] - frames[np.maximum(rows - reach, 0)]
        inputs = [(frames - view["input_mean"]) / view["input_scale"], change / view["difference_scale"]]
        hidden = np.concatenate(inputs, axis=1) @ view["target_hidden_weights"] + view["target_hidden_bias"]
        expected.append(np.maximum(hidden, 0) @ view["target_output_weights"] + view["target_output_bias"])
    expected = np.concatenate(expected, axis=1)
    assert np.allclose(np.load(tmp_path / "out/low/ç.npy"), expected, atol=2e-2)  # a coarse frame may round otherwise
    config = build_config(read_config_file(run_of / "config.yaml"), "the run's")
    embedded = Model(config, weights).embed(np.load(mels / "low/ç.npy"))
    assert np.allclose(np.load(tmp_path / "out/low/ç.npy"), embedded, atol=1e-6)


def test_again_makes_only_what_is_missing_or_older(trained, tmp_path, capsys):
    mels, run_of = trained
    mels = shutil.copytree(mels, tmp_path / "mels")
    out = tmp_path / "out"
    assert run(mels, run_of, out) == 0
    before = tree(out)
    assert run(mels, run_of, out) == 0
    after = tree(out)
    assert before.pop("lock")
    assert after.pop("lock")
    assert after == before
    (out / "high/c.npy").unlink()
    (out / "high/d.npy").write_bytes(b"cut")
    os.utime(mels / "low/ç.npy")
    capsys.readouterr()
    assert run(mels, run_of, out) == 0
    assert "3 made now" in capsys.readouterr().out
    changing = ("lock", "vector_list.txt")  # a mel of another time counts as another one
    assert {name: content for name, (content, _) in tree(out).items() if name not in changing} == {
        name: content for name, (content, _) in before.items() if name not in changing
    }


def test_other_weights_make_all_of_it_anew(trained, tmp_path, capsys):
    mels, run_of = trained
    run_of = shutil.copytree(run_of, tmp_path / "run")
    assert run(mels, run_of, tmp_path / "out") == 0
    assert train([str(mels), str(run_of), "--quiet", *small_settings(), "--max-saves", "3"]) == 0
    capsys.readouterr()
    assert run(mels, run_of, tmp_path / "out") == 0
    assert "by save 3, 4 made now" in capsys.readouterr().out


def test_what_it_refuses(trained, tmp_path, capsys):
    mels, run_of = trained
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").write_text("dear")
    other = write_mels(tmp_path / "other bins", {"a": 30}, bins=9)
    for arguments, says in (
        ((mels, tmp_path / "no run", tmp_path / "out"), "no such run folder; make one with spectrogram_doc2vec.py"),
        ((tmp_path / "no mels", run_of, tmp_path / "out"), "no such mel folder"),
        ((mels, run_of, tmp_path / "mine"), "holds 'letter.txt' already"),
        ((other, run_of, tmp_path / "out"), "mel_bins: 9, and mel_bins: 12 is asked for"),
    ):
        assert run(*arguments) == 1
        message = capsys.readouterr().err
        assert says in message
        assert message.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("missing", ["target_hidden_bias", "context_hidden_bias", "reference"])
def test_weights_that_lack_an_array_are_one_line(trained, tmp_path, capsys, missing):
    mels, run_of = trained
    run_of = shutil.copytree(run_of, tmp_path / "run")
    path = run_folder.weights_path(run_of, "network", 2)
    weights = run_folder.read_weights(run_of, "network", 2)
    np.savez(path, **{name: array for name, array in weights.items() if name != missing})
    assert run(mels, run_of, tmp_path / "out") == 1
    assert capsys.readouterr().err.endswith(
        f" error: {path}: holds no {missing}, so another version made it; go on with that version, or train into "
        "another folder\n"
    )
    assert not vectors_of(tmp_path / "out")


def test_a_run_that_is_damaged_is_one_line_and_the_output_stays(trained, tmp_path, capsys):
    mels, run_of = trained
    run_of, out = shutil.copytree(run_of, tmp_path / "run"), tmp_path / "out"
    assert run(mels, run_of, out) == 0
    name = "vector_at_2.npy"
    vectors = np.load(run_of / name)
    damages = [vectors[:, :2], vectors[:-1], vectors[:0], vectors[:, 0], vectors * np.nan, 1e38 * vectors]
    for damaged in [*damages, vectors.astype("U3"), vectors.astype("?"), vectors.astype("M8[s]")]:
        np.save(run_of / name, damaged)
        before = tree(out)
        for level in ("frame", "song"):
            capsys.readouterr()
            assert run(mels, run_of, out if level == "frame" else tmp_path / "songs", "--level", level) == 1
            message = capsys.readouterr().err
            assert f"error: {run_of / name}: " in message
            assert message.count("\n") == 1
        assert tree(out) == before
        assert not (tmp_path / "songs").exists()


def test_a_folder_of_song_vectors_that_is_damaged_is_one_line_and_stays(trained, tmp_path, capsys):
    mels, run_of = trained
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert run(mels, run_of, whole, "--level", "song") == 0
    for name, content in [
        ("vector_at_1.npy", b""),
        ("vector_at_1.npy", None),
        ("vector_list.txt", b"low/../../x.npy\t1\n"),
        ("vector_list.txt", (whole / "vector_list.txt").read_bytes() * 2 + b"x.npy\t1\n"),
        ("epoc_num.txt", b"noise"),
        ("music_list.txt", None),
        ("epoc_num.txt", None),
    ]:
        shutil.copytree(whole, out)
        if content is None:
            (out / name).unlink()
            (out / name).mkdir()
        else:
            (out / name).write_bytes(content)
        before = tree(out)
        capsys.readouterr()
        assert run(mels, run_of, out, "--level", "song") == 1
        message = capsys.readouterr().err
        assert f"error: {out}/" in message
        assert message.count("\n") == 1
        assert {**tree(out), "lock": None} == {**before, "lock": None}
        shutil.rmtree(out)


@pytest.mark.parametrize("is_old", [False, True])
def test_mels_of_another_resolution_are_refused_with_the_command_for_others(trained, tmp_path, capsys, is_old):
    mels, run_of = trained
    mels, run_of = shutil.copytree(mels, tmp_path / "mels"), shutil.copytree(run_of, tmp_path / "the run")
    if is_old:  # from before there were frame_seconds and window_seconds
        values = yaml.safe_load((run_of / "config.yaml").read_text())
        assert values.pop("frame_seconds") == 0.128
        assert values.pop("window_seconds") == 0.4
        (run_of / "config.yaml").write_text(yaml.safe_dump({**values, "window": 4}))
    old_half = "sample_rate_hz: 16000\nhop_seconds: 0.1\nmel_bins: 12\nmel_low_hz: 80.0\nmel_high_hz: 7600.0\n"
    for same in (old_half, "frame_seconds: 0.128\nhop_seconds: 0.1\n", "hop_seconds: 0.1\n"):
        (mels / "config.yaml").write_text(same)
        assert run(mels, run_of, tmp_path / "out") == 0
    capsys.readouterr()
    for other, words in (
        ("frame_seconds: 0.04\nhop_seconds: 0.02\n", "frames of 0.04 s every 0.02 s"),
        ("frame_seconds: 0.04\nhop_seconds: 0.1\n", "frames of 0.04 s every 0.1 s"),
        (old_half.replace("0.1", "0.05"), "frames of 0.128 s every 0.05 s"),
        (old_half.replace("16000", "22050"), "frames of 0.09288 s every 0.1 s"),
    ):
        (mels / "config.yaml").write_text(other)
        assert run(mels, run_of, tmp_path / "other") == 1
        assert capsys.readouterr().err.endswith(
            f"error: {mels}: has {words}, and {run_of} was trained on frames of 0.128 s every 0.1 s; make mels as "
            f"the run wants them: spectrify_all.py AUDIO_FOLDER NEW_MEL_FOLDER --config '{run_of}/config.yaml'\n"
        )
        assert not (tmp_path / "other").exists()


def refusal(folder: Path, wanted: dict[str, float], half: dict[str, object]) -> str:
    """What is said of mels with that audio half and a run with that resolution at 22,050 Hz; empty where they fit."""
    config = dataclasses.replace(shipped_config(DEFAULT_CONFIG), sample_rate_hz=22050, mel_bins=12, **wanted)
    (write_mels(folder, {"a": 5}) / "config.yaml").write_text(yaml.safe_dump(half))
    try:
        refuse_other_mels(folder, list_mels(folder), Path("the run"), config)
    except UserError as error:
        return str(error)
    return ""


def test_resolutions_are_compared_in_samples(tmp_path):
    old_half = {"sample_rate_hz": 22050, "hop_seconds": 0.1, "mel_bins": 12, "mel_low_hz": 80.0, "mel_high_hz": 7600.0}
    for frame_seconds in (0.09288, 2048 / 22050):
        wanted = {"frame_seconds": frame_seconds, "hop_seconds": 0.1}
        for half in (old_half, {**old_half, "frame_seconds": 0.09288}, {"hop_seconds": 0.10001}):
            assert refusal(tmp_path / "mels", wanted, half) == ""
    said = refusal(tmp_path / "mels", wanted, {**old_half, "mel_low_hz": 90.0})
    assert "was made with mel_low_hz: 90.0, and mel_low_hz: 80.0 is asked for now" in said
    said = refusal(tmp_path / "mels", wanted, {**old_half, "sample_rate_hz": 44100, "frame_seconds": 0.09288})
    assert "was made with sample_rate_hz: 44100, and sample_rate_hz: 22050 is asked for now" in said


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        ((2048 / 22050, 2047 / 22050), ("0.09288 s every 0.1 s", "0.09283 s every 0.1 s")),
        ((22050 / 22050, 22051 / 22050), ("1 s every 0.1 s", "1.00005 s every 0.1 s")),
        ((10.0, 10 + 1 / 22050), ("10 s every 0.1 s", "10.00005 s every 0.1 s")),
    ],
)
def test_a_refusal_has_as_many_digits_as_it_takes(tmp_path, seconds, words):
    wanted, there = ({"frame_seconds": frame_seconds, "hop_seconds": 0.1} for frame_seconds in seconds)
    said = refusal(tmp_path / "mels", wanted, there)
    assert f"mels: has frames of {words[1]}, and the run was trained on frames of {words[0]}; make mels as " in said


def test_the_command_of_the_refusal_makes_mels_that_the_run_takes(tmp_path, capsys):
    """A run of long music, and new audio of short sounds."""
    for name, seconds in (("long/a.wav", 12), ("long/b.wav", 13), ("short/c.wav", 0.5), ("short/d.wav", 0.7)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_audio(tmp_path / name, 0.1 * np.random.default_rng(0).random((int(seconds * 8000), 1), np.float32), 8000)
    run_of, mels = tmp_path / "the run", tmp_path / "mels"
    assert spectrify([str(tmp_path / "long"), str(mels)]) == 0
    assert train([str(mels), str(run_of), "--quiet", *small_settings(), "--max-saves", "1"]) == 0
    assert spectrify([str(tmp_path / "short"), str(tmp_path / "short mels")]) == 0
    capsys.readouterr()
    assert run(tmp_path / "short mels", run_of, tmp_path / "out") == 1
    said = shlex.split(capsys.readouterr().err.rpartition("spectrify_all.py ")[2])
    assert said[:2] == ["AUDIO_FOLDER", "NEW_MEL_FOLDER"]
    assert spectrify([str(tmp_path / "short"), str(tmp_path / "as the run's"), *said[2:]]) == 0
    assert run(tmp_path / "as the run's", run_of, tmp_path / "out") == 0
    assert np.load(tmp_path / "out/c.wav.npy").shape == (1 + (8000 - 2048) // 1600, 8)


def test_a_broken_mel_is_counted_and_the_rest_made(trained, tmp_path, capsys):
    mels, run_of = trained
    mels = shutil.copytree(mels, tmp_path / "mels")
    path = mels / "high/c.npy"
    path.write_bytes(path.read_bytes()[:-1])
    assert run(mels, run_of, tmp_path / "out") == 0
    out = capsys.readouterr().out
    assert "3 made now" in out
    assert "1 mel file could not be read, e.g. high/c.npy" in out
    assert run(mels, run_of, tmp_path / "out", "--strict") == 1


def test_vectors_of_mels_that_are_gone_stay_until_prune_and_what_is_not_ours_stays_always(trained, tmp_path, capsys):
    mels, run_of = trained
    mels, out = shutil.copytree(mels, tmp_path / "mels"), tmp_path / "out"
    assert run(mels, run_of, out) == 0
    np.save(out / "low/of mine.npy", np.zeros((3, 8), np.float32))
    (mels / "low/a, b.npy").unlink()
    shutil.rmtree(mels / "high")
    write_mels(mels, {"new/é": 30})
    capsys.readouterr()
    assert run(mels, run_of, out) == 0
    printed = capsys.readouterr().out
    assert "frame vectors of 2 songs by save 2, 1 made now" in printed
    gone = "3 mel files gone (high/c.npy, high/d.npy, low/a, b.npy)"
    assert f"{gone}: their vectors stay; --prune removes them" in printed
    before = tree(out)
    assert run(mels, run_of, out) == 0  # and it counts them again
    assert gone in capsys.readouterr().out
    assert {name: each for name, each in tree(out).items() if name != "lock"} == {
        name: each for name, each in before.items() if name != "lock"
    }

    assert run(mels, run_of, out, "--prune") == 0
    assert f"{gone}: removed from the output" in capsys.readouterr().out
    assert not (out / "high").exists()
    left = {"low/ç.npy", "low/of mine.npy", "new/é.npy", "made_with.yaml", "vector_list.txt", "lock"}
    assert set(tree(out)) == left
    assert run(mels, run_of, out, "--prune") == 0
    assert "gone" not in capsys.readouterr().out
    assert set(tree(out)) == left


def test_nothing_leads_out_of_the_output(trained, tmp_path, capsys):
    mels, run_of = trained
    out, precious = tmp_path / "out", tmp_path / "precious.npy"
    assert run(mels, run_of, out) == 0
    precious.write_bytes(b"precious")
    noted = (out / "vector_list.txt").read_bytes()
    capsys.readouterr()

    def check_refused(*arguments, why: str) -> None:
        before = {name: each for name, each in tree(tmp_path).items() if name != "out/lock"}
        assert run(*arguments) == 1
        assert why in capsys.readouterr().err
        assert {name: each for name, each in tree(tmp_path).items() if name != "out/lock"} == before

    for line in ("../precious.npy\t1", f"{tmp_path}/precious.npy\t1", "../precious.npy", "made_with.yaml\t1", "lock"):
        (out / "vector_list.txt").write_bytes(noted + os.fsencode(line) + b"\n")
        check_refused(mels, run_of, out, "--prune", why=f"{out / 'vector_list.txt'}, line 5: ")
    (out / "vector_list.txt").write_bytes(noted)

    hostile = shutil.copytree(mels, tmp_path / "hostile")
    ledger = "filename,status,seconds,frames,size,mtime,decoder,reason,checksum\n../precious,ok,1,9,9,9,ffmpeg,,\n"
    (hostile / "spectrify_log.csv").write_text(ledger)
    check_refused(hostile, run_of, out, why="its filename is no path below a folder")

    (out / "low").rename(tmp_path / "elsewhere")
    (out / "low").symlink_to(tmp_path / "elsewhere")
    for path in (tmp_path / "elsewhere").iterdir():
        os.utime(path, (1, 1))  # to be made anew
    check_refused(mels, run_of, out, why=f"{out / 'low'}: is a symbolic link")


def test_a_mel_that_is_broken_is_not_gone(trained, tmp_path, capsys):
    mels, run_of = trained
    mels, out = shutil.copytree(mels, tmp_path / "mels"), tmp_path / "out"
    assert run(mels, run_of, out) == 0
    (mels / "high/c.npy").write_bytes(b"no mel")
    capsys.readouterr()
    assert run(mels, run_of, out, "--prune") == 0
    assert "gone" not in capsys.readouterr().out
    assert (out / "high/c.npy").exists()


def test_a_vector_whose_mel_was_broken_for_a_while_is_still_pruned(trained, tmp_path, capsys):
    mels, run_of = trained
    mels, out = shutil.copytree(mels, tmp_path / "mels"), tmp_path / "out"
    assert run(mels, run_of, out) == 0
    (mels / "high/c.npy").write_bytes(b"no mel")
    (mels / "high/d.npy").write_bytes(b"no mel")
    assert run(mels, run_of, out) == 0
    (mels / "high/c.npy").unlink()
    capsys.readouterr()
    assert run(mels, run_of, out, "--prune") == 0
    assert "1 mel file gone (high/c.npy): removed from the output" in capsys.readouterr().out
    assert not (out / "high/c.npy").exists()
    (mels / "high/d.npy").unlink()
    assert run(mels, run_of, out, "--prune") == 0
    assert set(tree(out)) == {"low/a, b.npy", "low/ç.npy", "made_with.yaml", "vector_list.txt", "lock"}


def vectors_of(out) -> dict[str, bytes]:
    return {name: content for name, (content, _) in tree(out).items() if name.endswith(".npy")}


def made_by(run_of, mels, out) -> dict[str, bytes]:
    assert run(mels, run_of, out) == 0
    return vectors_of(out)


def test_vectors_of_one_mel_folder_do_not_pass_for_those_of_another(trained, tmp_path, capsys):
    _, run_of = trained
    songs = {"low/a\t1": 30, "high/b": 20}
    first = write_mels(tmp_path / "first", songs)
    second = write_mels(tmp_path / "second", {**songs, "high/c": 25}, seed=1)
    for path in second.rglob("*.npy"):
        os.utime(path, ns=(0, 10**18))  # long before any vector
    out = tmp_path / "out"
    of_first = made_by(run_of, first, out)
    of_second = made_by(run_of, second, tmp_path / "of second")
    capsys.readouterr()
    assert made_by(run_of, second, out) == of_second
    assert "3 made now" in capsys.readouterr().out
    assert made_by(run_of, second, out) == of_second
    assert "0 made now" in capsys.readouterr().out
    assert made_by(run_of, first, out) == {**of_second, **of_first}


def test_a_kill_between_two_mel_folders_leaves_no_vector_of_the_other(trained, tmp_path, monkeypatch):
    _, run_of = trained
    first, second = (write_mels(tmp_path / f"{seed}", {"a": 30, "b": 20}, seed=seed) for seed in (1, 2))
    of_second = made_by(run_of, second, tmp_path / "of second")
    out = tmp_path / "out"
    made_by(run_of, first, out)
    os.utime(second / "b.npy", ns=(0, 10**18))

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("calc_all_vecs.make_vectors", killed)
        assert run(second, run_of, out) == 0
    assert not set(vectors_of(out).items()) - set(of_second.items())
    os.utime(second / "b.npy", ns=(0, 10**18))
    assert made_by(run_of, second, out) == of_second


def test_a_list_without_stamps_is_read(trained, tmp_path, capsys):
    mels, run_of = trained
    mels, out = shutil.copytree(mels, tmp_path / "mels"), tmp_path / "out"
    assert run(mels, run_of, out) == 0
    (out / "vector_list.txt").write_text("high/c.npy\nhigh/d.npy\nlow/a, b.npy\nlow/ç.npy\n", encoding="utf-8")
    (mels / "high/c.npy").unlink()
    capsys.readouterr()
    assert run(mels, run_of, out) == 0
    printed = capsys.readouterr().out
    assert "0 made now" in printed
    assert "1 mel file gone (high/c.npy)" in printed
    lines = (out / "vector_list.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "high/c.npy"
    assert [line.partition("\t")[0] for line in lines[1:]] == ["high/d.npy", "low/a, b.npy", "low/ç.npy"]
    assert all(line.partition("\t")[2].isdigit() for line in lines[1:])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_the_same_command_goes_on(trained, tmp_path, number):
    _, run_of = trained
    mels, out = write_mels(tmp_path / "mels", {f"{song:04d}": 2000 for song in range(400)}), tmp_path / "out"
    argv = [sys.executable, ROOT / "calc_all_vecs.py", mels, run_of, out, "--quiet"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            deadline = time.monotonic() + 120
            while not (out / "0003.npy").exists():
                assert time.monotonic() < deadline
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(number)
            printed, errors = process.communicate(timeout=10)
        finally:
            process.kill()
    assert process.returncode == 0
    assert printed == ""
    assert errors == "calc_all_vecs.py: interrupted; what was finished is kept, and the same command goes on\n"
    made = [path for path in out.glob("*.npy") if np.load(path).shape == (2000, 8)]
    assert 4 <= len(made) == len(list(out.glob("*.npy"))) < 400


@pytest.mark.parametrize("level", ["frame", "song"])
def test_weights_that_make_no_finite_vector_are_one_line_and_no_vector_is_written(trained, tmp_path, capsys, level):
    """It wrote them, and refused its own folder the next time."""
    mels, run_of = trained
    run_of, out = shutil.copytree(run_of, tmp_path / "run"), tmp_path / "out"
    path = run_folder.weights_path(run_of, "network", 2)
    arrays = run_folder.read_weights(run_of, "network", 2)
    arrays |= {name: np.float32(3e37) + 0 * array for name, array in arrays.items() if name.endswith("output_weights")}
    np.savez(path, **arrays)
    assert run(mels, run_of, out, "--level", level) == 1
    message = capsys.readouterr().err
    assert f"error: {run_of}: its weights make of " in message and message.count("\n") == 1
    assert not list(out.rglob("*.npy"))
