"""The frame network as one file: read and run by Keras alone, in a process that knows nothing of this project."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from conftest import ONE_VIEW, write_mels

pytestmark = pytest.mark.slow

PLAIN_KERAS = """
import sys
import keras, numpy as np
for folder in sys.argv[1:]:
    network = keras.models.load_model(folder + "/frames.keras")
    for frames in (1, 2, 3, 7, 50):
        mel = np.load(f"{folder}/{frames}.npy")
        np.save(f"{folder}/of {frames}.npy", network(mel))
    np.save(f"{folder}/of 50 predicted.npy", network.predict(mel, batch_size=50, verbose=0))
assert not {"learning", "config", "utils"} & set(sys.modules)
"""
LENGTHS = (1, 2, 3, 7, 50)


def close(found: np.ndarray, expected: np.ndarray) -> bool:
    return found.dtype == np.float32 and np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def mel_of(frames: int, kind: type = np.float16) -> np.ndarray:
    return 3 * np.random.default_rng(frames).standard_normal((frames, 12)).astype(kind)


def test_plain_keras_says_what_a_run_says_of_any_number_of_frames(tmp_path):
    from learning.keras_export import save_frame_network
    from learning.trained import open_run
    from spectrogram_doc2vec import main as train

    mels = write_mels(tmp_path / "mels", {"low/a, b": 60, "low/ç": 50, "high/c": 70, "high/d": 40})
    trained = {}
    for coarse_seconds in ("0.6", "0"):
        folder = tmp_path / f"coarse {coarse_seconds}"
        settings = [f"--set={setting}" for setting in (*ONE_VIEW, f"coarse_seconds={coarse_seconds}")]
        assert train([str(mels), str(folder), "--quiet", *settings, "--max-saves", "1"]) == 0
        trained[folder] = open_run(folder)
        save_frame_network(folder / "frames.keras", trained[folder].config, trained[folder].model.state())
        for frames in LENGTHS:
            np.save(folder / f"{frames}.npy", mel_of(frames))
    done = subprocess.run(
        [sys.executable, "-c", PLAIN_KERAS, *trained], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    for folder, run in trained.items():
        for frames in LENGTHS:
            assert close(np.load(folder / f"of {frames}.npy"), run.frame_vectors(mel_of(frames)))
        assert close(np.load(folder / "of 50 predicted.npy"), run.frame_vectors(mel_of(50)))


@pytest.mark.parametrize("differences", [True, False])
def test_coarse_frames_are_rounded_as_those_that_the_run_learned_from(config, differences):
    """Where the mels are float16 their coarse frames are too; features of one's own may be float32."""
    from learning.keras_export import frame_network
    from learning.model import Model
    from learning.sampling import InputSample
    from learning.weights import first_weights

    changes = {"hidden_size": 16, "output_vector_size": 8, "coarse_seconds": 0.6, "differences": differences}
    small = dataclasses.replace(config, **changes)
    draws = np.random.default_rng(0)
    measures = [np.abs(draws.standard_normal(12)).astype(np.float32) + 0.5 for _ in range(3)]
    said = {}
    for kind in (np.float16, np.float32):
        reference = draws.standard_normal((3 if differences else 1, 5, 12)).astype(kind)
        model = Model(small, first_weights(small, 12, [InputSample(*measures, reference)] * 2))
        said[kind] = frame_network(small, model.state())(mel_of(50)).numpy()
        assert close(said[kind], model.embed(mel_of(50).astype(kind)))
    assert not close(said[np.float16], said[np.float32])
