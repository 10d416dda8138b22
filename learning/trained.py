"""A trained run as something to ask: the networks of its newest save, and the vectors that they make of mels.

TensorFlow is imported where the first vector is asked for: a run that has nothing to do needs none.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from config import CONFIG_NAME, Config, build_config, read_config_file
from learning.views import typical_lengths, views_of
from learning.weights import state_shapes
from runs.run_folder import MADE_WITH_NAME, read_weights, require_run, vectors_path
from runs.vectors import are_finite, newest, song_vectors_of
from utils import UserError

if TYPE_CHECKING:
    from learning.infer_songs import SongInference
    from learning.model import Model

METHOD = 1  # of infer_songs.py: counts up where it finds other vectors, which must not stand beside those of before


@dataclass(frozen=True)
class TrainedRun:
    """A run's networks, and what its song vectors look like. Made by `open_run`."""

    folder: Path  # of the run that was trained
    save: int
    config: Config
    weights: dict[str, np.ndarray]
    lengths: list[float]  # of each view's part of a trained song vector

    @functools.cached_property
    def model(self) -> Model:
        from learning.model import Model

        return Model(self.config, self.weights)

    @functools.cached_property
    def _inference(self) -> SongInference:
        from learning.infer_songs import SongInference

        return SongInference(self.model, self.lengths)

    def song_vectors(self, mels: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the song vector (dims,) float32 of each mel (frames, mel_bins): it depends on that mel alone."""
        return self._inference.vectors(mels)

    def frame_vectors(self, mel: np.ndarray) -> np.ndarray:
        """Return what the target network makes of each frame: (frames, mel_bins) -> (frames, dims) float32."""
        return self.model.embed(mel)

    def frame_digest(self) -> str:
        """Return a digest of everything that decides a frame vector."""
        return self._digest("target_", "input_", "difference_")

    def song_digest(self) -> str:
        """Return a digest of everything that decides a song vector."""
        names = ("target_", "context_", "input_", "difference_", "reference", "log_scale", "bias")
        keys = [getattr(self.config, key) for key in ("window", "coarse_hops", "frame_dropout", "song_learning_rate")]
        return self._digest(*names, also=repr((METHOD, self.config.logit, self.lengths, *keys)))

    def _digest(self, *beginnings: str, also: str = "") -> str:
        digest = hashlib.blake2b(also.encode(), digest_size=16)
        for name in sorted(self.weights):
            if name.removeprefix("coarse_").startswith(beginnings):
                digest.update(name.encode() + self.weights[name].tobytes())
        return digest.hexdigest()


def trained_folder(run: Path) -> Path:
    """Return the run whose networks made a run's vectors: itself, or the one that calc_all_vecs.py noted.

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

    def read(save: int) -> TrainedRun:
        weights = read_weights(folder, "network", save, state_shapes(config, config.mel_bins))
        vectors = song_vectors_of(folder, save, mapped=True).vectors
        check_song_vectors(vectors_path(folder, save), vectors, config)
        with np.errstate(over="ignore"):
            lengths = typical_lengths(views_of(config), vectors.astype(np.float32, copy=False))
        if not np.isfinite(lengths).all():
            what = "values too large for float32; restore it, or train into another folder"
            raise UserError(f"{vectors_path(folder, save)}: holds {what}")
        return TrainedRun(folder, save, config, weights, lengths)

    return newest(folder, read)


def check_song_vectors(path: Path, vectors: np.ndarray, config: Config) -> None:
    """Raise UserError where the song vectors of a file, (songs, dims), are not what the networks of a run work with."""
    remedy = "restore it, or train into another folder"
    if vectors.shape[1] != config.output_vector_size:
        what = f"vectors of {vectors.shape[1]} dimensions, and output_vector_size is {config.output_vector_size}"
        raise UserError(f"{path}: holds {what}; {remedy}")
    if not len(vectors):
        raise UserError(f"{path}: holds no vector; {remedy}")
    if not are_finite(vectors):
        raise UserError(f"{path}: holds values that are not finite; {remedy}")
