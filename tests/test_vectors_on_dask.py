"""calc_all_vecs.py and find_moments.py on dask: one real worker, and what they make without it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cluster import cluster
from conftest import small_settings, tree, write_mels

from spectrogram_doc2vec import main as train
from utils import ROOT

pytestmark = pytest.mark.slow


def run(script: str, *arguments) -> tuple[bytes, str]:
    argv = [sys.executable, ROOT / script, *arguments]
    done = subprocess.run(argv, capture_output=True, timeout=300, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr.decode()


def contents(folder: Path) -> dict[str, bytes]:
    return {name: content for name, (content, _) in tree(folder).items() if name != "lock"}


def test_a_worker_makes_the_bytes_of_a_run_without_one(tmp_path):
    names = [f"{kind}/{place}, søng" for kind in ("low", "high") for place in range(20)]
    mels = write_mels(tmp_path / "the mels", {name: 30 + place for place, name in enumerate(names)})
    trained = tmp_path / "run"
    assert train([str(mels), str(trained), "--quiet", *small_settings(), "--max-saves", "2"]) == 0
    write_mels(mels, {"low/new": 50, "high/none": 0}, seed=5)
    (mels / "low/broken.npy").write_bytes((mels / "low/new.npy").read_bytes()[:500])

    with cluster(tmp_path / "cluster", 1) as made:
        flags = ("--scheduler", made.address)
        for level in ("frame", "song"):
            here, there = tmp_path / f"{level} here", tmp_path / f"{level} there"
            said, _ = run("calc_all_vecs.py", mels, trained, here, "--level", level)
            said_there, _ = run("calc_all_vecs.py", mels, trained, there, "--level", level, *flags)
            assert said_there.decode() == said.decode().replace(str(here), str(there))
            assert contents(there) == contents(here)
            before = tree(there)
            assert run("calc_all_vecs.py", mels, trained, there, "--level", level, "--quiet", *flags) == (b"", "")
            assert tree(there) == before

        asked = ("--track", names[3], "--at", "1-2", "--format", "csv", "--top", "30")
        for where in (("--frame-vectors", tmp_path / "frame here"), ("--mel-folder", mels)):
            found, _ = run("process_results/find_moments.py", trained, *where, *asked)
            found_there, _ = run("process_results/find_moments.py", trained, *where, *asked, *flags)
            assert found_there == found and found.count(b"\n") == 31
