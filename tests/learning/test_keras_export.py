"""The frame network as one file: read and run by Keras alone, in a process that knows nothing of this project."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ONE_VIEW, write_mels

pytestmark = pytest.mark.slow

PLAIN_KERAS = """
import sys
import keras, numpy as np
network = keras.models.load_model(sys.argv[1])
for name in sys.argv[2:]:
    mel = np.load(name)
    np.save(name + ".called.npy", network(mel))
np.save(name + ".predicted.npy", network.predict(mel, batch_size=len(mel), verbose=0))
assert not {"learning", "config", "utils"} & set(sys.modules)
"""
LENGTHS = (1, 2, 3, 7, 50)


@pytest.fixture(scope="module", params=["coarse_seconds=0.6", "coarse_seconds=0", "differences=false"])
def run(request, tmp_path_factory) -> Path:
    from spectrogram_doc2vec import main as train

    folder = tmp_path_factory.mktemp("a run, trained")
    mels = write_mels(folder / "mels", {"low/a, b": 60, "low/ç": 50, "high/c": 70, "high/d": 40})
    settings = [word for setting in (*ONE_VIEW, request.param) for word in ("--set", setting)]
    assert train([str(mels), str(folder / "run"), "--quiet", *settings, "--max-saves", "1"]) == 0
    return folder / "run"


def test_plain_keras_says_what_the_model_says_of_any_number_of_frames(run, tmp_path):
    from learning.keras_export import save_frame_network
    from learning.trained import open_run

    trained = open_run(run)
    file = tmp_path / "frames.keras"
    save_frame_network(file, trained.config, trained.model.state())
    draws = np.random.default_rng(0)
    mels = {}
    for frames in LENGTHS:
        mels[str(tmp_path / f"{frames}.npy")] = 3 * draws.standard_normal((frames, 12)).astype(np.float16)
    for name, mel in mels.items():
        np.save(name, mel)
    done = subprocess.run(
        [sys.executable, "-c", PLAIN_KERAS, file, *mels], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("*.npy.*.npy"))) == len(LENGTHS) + 1
    for mel in mels.values():
        expected = trained.frame_vectors(mel)
        scale = np.abs(expected).max()
        for found in [np.load(path) for path in tmp_path.glob(f"{len(mel)}.npy.*.npy")]:
            assert found.dtype == np.float32 and found.shape == (len(mel), trained.config.output_vector_size)
            assert np.abs(found - expected).max() <= 1e-5 * scale


def test_features_of_ones_own_are_not_rounded(config):
    """A run whose frames were float32 never saw coarse frames as float16."""
    import dataclasses

    from learning.keras_export import frame_network
    from learning.model import Model
    from learning.sampling import InputSample
    from learning.weights import first_weights

    small = dataclasses.replace(config, hidden_size=16, output_vector_size=8, coarse_seconds=0.6)
    draws = np.random.default_rng(0)
    reference = draws.standard_normal((3, 5, 12)).astype(np.float32)
    measures = [np.abs(draws.standard_normal(12)).astype(np.float32) + 0.5 for _ in range(3)]
    model = Model(small, first_weights(small, 12, [InputSample(*measures, reference)] * 2))
    mel = draws.standard_normal((50, 12)).astype(np.float32)
    expected = model.embed(mel)
    found = frame_network(small, model.state())(mel).numpy()
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    rounded = model.embed(mel.astype(np.float16))
    assert np.abs(rounded - expected).max() > 1e-4 * np.abs(expected).max()
