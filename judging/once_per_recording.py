"""The rule that takes one of each recording: told by the mels, where vectors are near enough for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from judging.explanations import usable_mel
from judging.query import query_direction
from judging.same_recording import Prepared, align, is_proof, prepare
from judging.seeds import Seed
from utils import UserError

# Of the vectors of one recording: cuts have 0.6 and more, soft copies of a low bitrate 0.2 and more
LEAST_COSINE = 0.2


class OncePerRecording:
    """No track that is the same recording as one that is named, or as one that was taken before it.

    A track without a usable mel is taken; `unknown` counts those, `same` the tracks that were refused.
    """

    def __init__(
        self,
        mel_folder: Path,
        hop_seconds: float,
        names: Sequence[str],
        vectors: np.ndarray,
        seeds: Sequence[Seed],
    ) -> None:
        """Take names and vectors (tracks, dims) of a run, its mel folder and what was named."""
        self.mel_folder, self.hop_seconds, self.names, self.vectors = mel_folder, hop_seconds, names, vectors
        self.same = self.unknown = 0
        self.known: list[tuple[np.ndarray, Prepared]] = []  # directions and mels
        self.asked: tuple[np.ndarray, Prepared | None] | None = None  # of the track that was asked for last
        for seed in seeds:
            direction = query_direction(seed.vector[None], np.ones(1))
            mel = self._prepared(usable_mel(mel_folder, names[seed.row]) if seed.mel is None else seed.mel)
            if mel is not None:
                self.known.append((direction, mel))

    def accepts(self, row: int) -> bool:
        direction = query_direction(self.vectors[row][None], np.ones(1))
        mel = self._prepared(usable_mel(self.mel_folder, self.names[row]))
        self.asked = direction, mel
        near = [other for towards, other in self.known if towards @ direction >= LEAST_COSINE]
        is_same = mel is not None and any(self._is_same(mel, other) for other in near)
        self.same += is_same
        return not is_same

    def take(self, row: int) -> None:
        direction, mel = self.asked
        if mel is None:
            self.unknown += 1
        else:
            self.known.append((direction, mel))

    def _prepared(self, mel: np.ndarray | None) -> Prepared | None:
        return None if mel is None else prepare(mel, self.hop_seconds)

    def _is_same(self, one: Prepared, other: Prepared) -> bool:
        if one.levels.shape[1] != other.levels.shape[1]:
            raise UserError(f"{self.mel_folder}: has mels of other bins than the run; name the run's mel folder")
        found = align(one, other)
        return found is not None and is_proof(found)
