"""calc_all_vecs.py --level song: vectors of tracks that were never trained on, as a run folder."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
from conftest import small_settings, tree, write_mels

import calc_all_vecs
from calc_all_vecs import main
from process_results.sphere_kmeans import main as kmeans
from runs.run_folder import read_song_list
from runs.vectors import read_vectors
from spectrogram_doc2vec import main as train
from utils import UserError

pytestmark = pytest.mark.slow

SONGS = {"low/a, b": 60, "low/ç": 50, "high/c": 70, "high/d": 40, "low/caf\udce9": 55, "high/one frame": 1}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A mel folder and a run trained on it; tests copy what they change."""
    folder = tmp_path_factory.mktemp("a run, trained")
    mels = write_mels(folder / "mels", SONGS)
    assert train([str(mels), str(folder / "run"), "--quiet", *small_settings(), "--max-saves", "4"]) == 0
    return mels, folder / "run"


def infer(mels, run, out) -> int:
    return main([str(mels), str(run), str(out), "--level", "song"])


def vectors_of(out) -> dict[str, bytes]:
    found = read_vectors(out, None)
    return {name: vector.tobytes() for name, vector in zip(found.names, found.vectors, strict=True)}


def test_a_track_has_the_same_vector_in_any_company_and_order(trained, tmp_path, capsys):
    mels, run = trained
    assert infer(mels, run, tmp_path / "all") == 0
    assert "song vectors of 6 songs by save 4, 6 made now" in capsys.readouterr().out
    of_all = vectors_of(tmp_path / "all")
    assert list(of_all) == read_song_list(run, 4)
    for number, name in enumerate(of_all):
        alone = tmp_path / f"alone {number}/deep/er"
        alone.mkdir(parents=True)
        shutil.copy(mels / name, alone / f"renamed {number}.npy")
        assert infer(alone.parent, run, tmp_path / f"out {number}") == 0
        assert list(vectors_of(tmp_path / f"out {number}").values()) == [of_all[name]]


def test_every_script_reads_it_as_a_run_and_the_trainer_does_not(trained, tmp_path, capsys):
    mels, run = trained
    out = tmp_path / "out"
    assert infer(mels, run, out) == 0
    assert (out / "epoc_num.txt").read_text() == "1\n"
    assert (out / "config.yaml").read_bytes() == (run / "config.yaml").read_bytes()
    table = tmp_path / "labels.csv"
    table.write_text("filename,kind\n" + "".join(f'"{name}",{name[:3]}\n' for name in SONGS), errors="surrogateescape")
    picture = str(tmp_path / "clusters.png")
    assert kmeans([str(out), str(table), "--label-column", "kind", "--clusters", "2", "--output", picture]) == 0
    before = tree(out)
    capsys.readouterr()
    assert train([str(mels), str(out), "--quiet", *small_settings()]) == 1
    assert "holds vectors of calc_all_vecs.py and no networks to train; name another folder" in capsys.readouterr().err
    assert tree(out) == before
    assert main([str(mels), str(out), str(tmp_path / "frames"), "--quiet"]) == 0  # its networks are those of the run
    assert main([str(mels), str(run), str(tmp_path / "frames of run"), "--quiet"]) == 0
    names = [path.relative_to(tmp_path / "frames") for path in (tmp_path / "frames").rglob("*.npy")]
    assert len(names) == len(SONGS)
    for name in names:
        assert (tmp_path / "frames" / name).read_bytes() == (tmp_path / "frames of run" / name).read_bytes()


def test_again_makes_only_what_is_new_and_drops_what_is_gone(trained, tmp_path, capsys):
    mels, run = trained
    mels = shutil.copytree(mels, tmp_path / "mels")
    out = tmp_path / "out"
    assert infer(mels, run, out) == 0
    before, first = tree(out), vectors_of(out)
    assert infer(mels, run, out) == 0
    after = tree(out)
    assert before.pop("lock")
    assert after.pop("lock")
    assert after == before
    (mels / "low/ç.npy").unlink()
    write_mels(mels, {"new/e": 30}, seed=3)
    changed = np.load(mels / "high/d.npy")[:-3]
    np.save(mels / "high/d.npy", changed)
    capsys.readouterr()
    assert infer(mels, run, out) == 0
    assert "song vectors of 6 songs by save 4, 2 made now" in capsys.readouterr().out
    assert infer(mels, run, tmp_path / "afresh") == 0
    now = vectors_of(out)
    assert now == vectors_of(tmp_path / "afresh")
    assert {name for name, vector in now.items() if first.get(name) == vector} == set(first) - {
        *("low/ç.npy", "high/d.npy")
    }


def test_other_weights_make_all_of_it_anew(trained, tmp_path, capsys):
    mels, run = trained
    run = shutil.copytree(run, tmp_path / "run")
    assert infer(mels, run, tmp_path / "out") == 0
    old = vectors_of(tmp_path / "out")
    assert train([str(mels), str(run), "--quiet", *small_settings(), "--max-saves", "5"]) == 0
    capsys.readouterr()
    assert infer(mels, run, tmp_path / "out") == 0
    assert "by save 5, 6 made now" in capsys.readouterr().out
    assert not set(vectors_of(tmp_path / "out").items()) & set(old.items())


@pytest.mark.parametrize("torn", [0, 7, 40])
def test_what_a_killed_run_has_found_is_not_sought_again(trained, tmp_path, monkeypatch, capsys, torn):
    mels, run = trained
    out = tmp_path / "out"
    assert infer(mels, run, tmp_path / "whole") == 0
    add = calc_all_vecs.InferredRun.add

    def add_then_die(self, name, stamp, vector):
        add(self, name, stamp, vector)
        if len(self._found) == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(calc_all_vecs.InferredRun, "add", add_then_die)
        assert infer(mels, run, out) == 0
    capsys.readouterr()
    with pytest.raises(UserError, match=r"holds no whole save of calc_all_vecs\.py --level song; run that"):
        read_vectors(out, None)
    if torn:  # SIGKILL in the middle of a row
        os.truncate(out / "unfinished_vectors.f32", 4 * 8 * 4 - torn)
    assert infer(mels, run, out) == 0
    made = {0: 2, 7: 3, 40: 4}[torn]
    assert f"song vectors of 6 songs by save 4, {made} made now" in capsys.readouterr().out
    assert vectors_of(out) == vectors_of(tmp_path / "whole")
    assert not list(out.glob("unfinished*"))


def test_what_cannot_be_read_is_named_and_left_out(trained, tmp_path, capsys):
    mels, run = trained
    mels = shutil.copytree(mels, tmp_path / "mels")
    np.save(mels / "low/no frame.npy", np.zeros((0, 12), np.float16))
    np.save(mels / "high/nan.npy", np.full((20, 12), np.nan, np.float16))
    assert infer(mels, run, tmp_path / "out") == 0
    out = capsys.readouterr().out
    assert "2 mel files could not be read, e.g. high/nan.npy: holds values that are not finite" in out
    assert len(vectors_of(tmp_path / "out")) == 6


def test_frames_and_songs_do_not_share_a_folder(trained, tmp_path, capsys):
    mels, run = trained
    assert infer(mels, run, tmp_path / "songs") == 0
    assert main([str(mels), str(run), str(tmp_path / "frames"), "--quiet"]) == 0
    for level, folder, kind in (
        ("frame", "songs", "folder of frame vectors"),
        ("song", "frames", "run folder of calc_all_vecs.py --level song"),
        ("song", "mels", "run folder of calc_all_vecs.py --level song"),
    ):
        shutil.copytree(mels, tmp_path / "mels", dirs_exist_ok=True)
        before = tree(tmp_path / folder)
        capsys.readouterr()
        assert main([str(mels), str(run), str(tmp_path / folder), "--level", level, "--quiet"]) == 1
        assert f"is no {kind}, and holds" in capsys.readouterr().err
        assert tree(tmp_path / folder) == before


def test_a_run_that_is_gone_is_named(trained, tmp_path, capsys):
    mels, run = trained
    run = shutil.copytree(run, tmp_path / "run")
    assert infer(mels, run, tmp_path / "out") == 0
    shutil.rmtree(run)
    capsys.readouterr()
    assert infer(mels, tmp_path / "out", tmp_path / "more") == 1
    assert "made_with.yaml: names the run" in capsys.readouterr().err
