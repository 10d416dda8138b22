"""A trained run as something to ask: the networks of its newest save, and the vectors that they make of mels."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from config import CONFIG_NAME, Config, build_config, read_config_file
from learning.infer_songs import infer_song_vectors, typical_lengths
from learning.model import Model
from learning.weights import state_names
from runs.run_folder import MADE_WITH_NAME, read_weights, require_arrays, require_run, weights_path
from runs.vectors import newest, read_song_vectors
from utils import UserError


@dataclass(frozen=True)
class TrainedRun:
    """A run's networks, and what its vectors look like. Made by `open_run`."""

    folder: Path  # of the run that was trained
    save: int
    config: Config
    model: Model
    lengths: list[float]  # of each view's part of a trained song vector

    def song_vectors(self, mels: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the song vector (dims,) float32 of each mel (frames, mel_bins): it depends on that mel alone."""
        return infer_song_vectors(self.model, mels, self.lengths)

    def frame_vectors(self, mel: np.ndarray) -> np.ndarray:
        """Return what the target network makes of each frame: (frames, mel_bins) -> (frames, dims) float32."""
        return self.model.embed(mel)


def trained_folder(run: Path) -> Path:
    """Return the run whose networks a run's vectors are of: itself, or the one that calc_all_vecs.py noted.

    Raises UserError where that one is gone.
    """
    made_with = Path(run) / MADE_WITH_NAME
    if not made_with.exists():
        return Path(run)
    trained = read_config_file(made_with).get("run")
    if not isinstance(trained, str) or not os.path.isdir(trained):
        raise UserError(f"{made_with}: names the run {trained!r}, which is not there; restore it, or mend that line")
    return Path(trained)


def open_run(run: Path) -> TrainedRun:
    """Read the newest save's networks. Raises UserError where there is no save, or it is not whole."""
    folder = trained_folder(run)
    require_run(folder)
    config = build_config(read_config_file(folder / CONFIG_NAME), str(folder / CONFIG_NAME))
    save, weights = newest(folder, lambda save: (save, read_weights(folder, "network", save)))
    require_arrays(weights_path(folder, "network", save), weights, state_names(config, config.mel_bins))
    model = Model(config, weights)
    return TrainedRun(folder, save, config, model, typical_lengths(model, read_song_vectors(folder).vectors))
