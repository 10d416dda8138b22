"""Track descriptors: what they are made of, when they are written, and what --add-only leaves alone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from conftest import small_settings, tree, write_mels

from learning.descriptors import Standard
from runs import run_folder
from runs.vectors import read_descriptors, read_song_vectors
from spectrogram_doc2vec import main
from utils import ROOT


def songs_and_contexts(songs: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draws = np.random.default_rng(seed)
    vectors = 3.0 + draws.standard_normal((songs, 8)) * np.arange(1, 9)
    contexts = draws.standard_normal((songs, 2)) @ draws.standard_normal((2, 8))  # in two dimensions only
    return vectors.astype(np.float32), contexts.astype(np.float32)


def test_every_dimension_is_standardised_and_contexts_give_their_main_directions():
    vectors, contexts = songs_and_contexts(500)
    standard = Standard.measure(vectors, contexts)
    descriptors = standard.describe(vectors, contexts)
    assert descriptors.shape == (500, 8 + 2)
    assert descriptors.dtype == np.float32
    np.testing.assert_allclose(descriptors.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(descriptors.std(axis=0), 1, rtol=1e-4)
    np.testing.assert_allclose(np.corrcoef(descriptors[:, 8:].T), np.eye(2), atol=1e-5)
    # the two components hold all that the contexts say
    fitted = np.linalg.lstsq(np.c_[descriptors[:, 8:], np.ones(500)], contexts, rcond=None)[0]
    np.testing.assert_allclose(np.c_[descriptors[:, 8:], np.ones(500)] @ fitted, contexts, atol=1e-3)


def test_a_song_that_could_not_be_read_sounds_as_the_mean_and_moves_no_other():
    vectors, contexts = songs_and_contexts(50)
    contexts[7] = np.nan
    standard = Standard.measure(vectors, contexts)
    others = np.delete(vectors, 7, axis=0), np.delete(contexts, 7, axis=0)
    descriptors = standard.describe(vectors, contexts)
    np.testing.assert_array_equal(descriptors[7, 8:], 0)
    assert np.isfinite(descriptors).all()
    np.testing.assert_array_equal(Standard.measure(*others).components, standard.components)


def test_components_are_the_directions_of_the_covariance_scaled_to_unit_variance():
    vectors, _ = songs_and_contexts(300)
    draws = np.random.default_rng(1)
    contexts = (draws.standard_normal((300, 8)) @ draws.standard_normal((8, 8))).astype(np.float32)
    standard = Standard.measure(vectors, contexts)
    spread = (contexts - contexts.mean(axis=0)) / contexts.std(axis=0)
    variances, directions = np.linalg.eigh(np.cov(spread.T, bias=True))
    expected = (directions / np.sqrt(variances))[:, :-3:-1]
    signs = np.sign((standard.components * expected).sum(axis=0))
    np.testing.assert_allclose(standard.components * signs, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("songs", [1, 2, 3])
def test_few_songs_have_finite_descriptors_and_so_have_others_described_by_them(songs):
    vectors, contexts = songs_and_contexts(40)
    standard = Standard.measure(vectors[:songs], contexts[:songs])
    descriptors = standard.describe(vectors, contexts)
    assert np.isfinite(descriptors).all()
    assert np.abs(standard.describe(vectors[:songs], contexts[:songs])).max() < 10


def test_a_corpus_of_a_million_is_measured_on_a_part_of_it(monkeypatch):
    vectors, contexts = songs_and_contexts(1000)
    monkeypatch.setattr("learning.descriptors.MEASURED_SONGS", 400)
    part = Standard.measure(vectors, contexts)
    assert np.array_equal(part.mean, Standard.measure(vectors[::3], contexts[::3]).mean)
    np.testing.assert_allclose(part.describe(vectors, contexts).std(axis=0), 1, atol=0.15)


# Written by the trainer


def train(mels, run, *flags: str) -> int:
    return main([str(mels), str(run), "--quiet", *small_settings(), "--forever", *flags])


@pytest.mark.slow
def test_they_are_those_of_the_newest_save_and_made_where_they_miss(mels, tmp_path, capsys):
    run = tmp_path / "run"
    assert train(mels, run, "--max-saves", "2", "--no-descriptors") == 0
    assert run_folder.newest_descriptors(run) == 0
    before = tree(run)
    assert train(mels, run, "--max-saves", "2", "--no-descriptors") == 0
    assert tree(run) == before

    capsys.readouterr()
    assert train(mels, run, "--max-saves", "2") == 0
    assert "nothing to train" in capsys.readouterr().out
    after = tree(run)
    made = {"descriptor_at_2.npy", "weights/descriptor_at_2.npz"}
    assert set(after) - set(before) == made
    assert {name: after[name] for name in before if name != "lock"} == {n: before[n] for n in before if n != "lock"}
    found = read_descriptors(run)
    songs = read_song_vectors(run)
    assert found.names == songs.names
    assert found.vectors.shape == (12, 8 + 2)
    standardised = (songs.vectors - songs.vectors.mean(axis=0)) / songs.vectors.std(axis=0)
    np.testing.assert_allclose(found.vectors[:, :8], standardised, atol=1e-3)
    kinds = np.array([name.startswith("high") for name in found.names])
    between = np.linalg.norm(found.vectors[kinds, 8:].mean(axis=0) - found.vectors[~kinds, 8:].mean(axis=0))
    assert between > 1.5  # deviations: the two kinds sound different

    assert train(mels, run, "--max-saves", "3") == 0
    assert read_descriptors(run).save == 3
    assert not (run / "descriptor_at_2.npy").exists()
    capsys.readouterr()
    assert train(mels, tmp_path / "whole", "--max-saves", "3") == 0
    assert "12 song vectors of 8 dimensions, track descriptors of 10; " in capsys.readouterr().out
    for name in ("descriptor_at_3.npy", "weights/descriptor_at_3.npz"):
        assert (run / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.slow
def test_add_only_adds_rows_and_changes_no_byte_of_others(mels, tmp_path):
    run = tmp_path / "run"
    assert train(mels, run, "--max-saves", "3") == 0
    before = read_descriptors(run)
    write_mels(mels, {"low end/00 new": 60, "high/00 new": 60}, seed=9)
    gone = before.names[3]
    (mels / gone).unlink()
    shutil.copytree(run, tmp_path / "killed")
    assert train(mels, run, "--add-only") == 0
    after = read_descriptors(run)
    assert after.save == 4
    assert set(after.names) ^ set(before.names) == {"low end/00 new.npy", "high/00 new.npy", gone}
    for name in set(after.names) & set(before.names):
        row, old = after.vectors[after.names.index(name)], before.vectors[before.names.index(name)]
        assert row.tobytes() == old.tobytes()
    new = after.vectors[[after.names.index(f"{kind}/00 new.npy") for kind in ("high", "low end")], 8:]
    assert np.abs(new).max() < 10
    assert np.linalg.norm(new[0] - new[1]) > 1

    # the same where the save was committed and the process died before the descriptors
    assert train(mels, tmp_path / "killed", "--add-only", "--no-descriptors") == 0
    assert train(mels, tmp_path / "killed", "--add-only") == 0
    np.testing.assert_array_equal(read_descriptors(tmp_path / "killed").vectors, after.vectors)


@pytest.mark.slow
def test_mels_that_became_unreadable_are_one_line(mels, tmp_path, capsys):
    run = tmp_path / "run"
    assert train(mels, run, "--max-saves", "2", "--no-descriptors") == 0
    for path in mels.rglob("*.npy"):
        stamp, size = path.stat().st_mtime_ns, path.stat().st_size
        path.write_bytes(path.read_bytes()[:128] + bytes(size // 2))
        os.utime(path, ns=(stamp, stamp))
    assert train(mels, run, "--max-saves", "2") == 1
    error = capsys.readouterr().err
    assert "no mel could be read" in error or "no usable" in error
    assert error.count("\n") == 1


@pytest.mark.slow
def test_a_signal_leaves_them_out_and_says_so(mels, tmp_path):
    run = tmp_path / "run"
    argv = [sys.executable, ROOT / "spectrogram_doc2vec.py", mels, run, *small_settings(), "--forever"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stderr:
                if line.startswith("save 1:"):
                    break
            process.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0
    assert "stopped: SIGTERM; without track descriptors: run it again for those" in out
    assert run_folder.newest_descriptors(run) == 0
