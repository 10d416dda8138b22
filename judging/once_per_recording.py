"""The rule that takes one of each recording: by the mels, as other encodings, gains and cuts have other vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from config import CONFIG_NAME
from judging.explanations import usable_mel
from judging.same_recording import same_recording
from judging.seeds import Seed
from mels.mel_folder import read_audio_half
from utils import UserError

ReadMel = Callable[[int], np.ndarray | None]
IsSame = Callable[[np.ndarray, np.ndarray], bool]


class OncePerRecording:
    """No track that is the same recording as one that is named, or as one that was taken before it.

    read_mel  a track's mel (frames, mel_bins); None where there is none: it is taken then, and `unknown` counts it.
    is_same   tells whether two mels are of the same recording.
    mels      of what is named.
    """

    def __init__(self, read_mel: ReadMel, is_same: IsSame, mels: Iterable[np.ndarray]) -> None:
        self.read_mel, self.is_same, self.mels = read_mel, is_same, list(mels)
        self.same = self.unknown = 0
        self.asked: np.ndarray | None = None

    def accepts(self, row: int) -> bool:
        self.asked = self.read_mel(row)
        is_same = self.asked is not None and any(self.is_same(self.asked, mel) for mel in self.mels)
        self.same += is_same
        return not is_same

    def take(self, row: int) -> None:
        if self.asked is None:
            self.unknown += 1
        else:
            self.mels.append(self.asked)


def rule_of_mel_folder(mel_folder: Path, names: Sequence[str], seeds: Sequence[Seed]) -> OncePerRecording:
    """Return the rule for the tracks of a run, by its mel folder. Raises UserError where that has no config.yaml."""
    hop_seconds = read_audio_half(mel_folder).get("hop_seconds")
    if hop_seconds is None:
        raise UserError(f"{mel_folder}: has no {CONFIG_NAME} with hop_seconds; name a folder of spectrify_all.py")
    of_seeds = [seed.mel if seed.row is None else usable_mel(mel_folder, names[seed.row]) for seed in seeds]
    return OncePerRecording(
        lambda row: usable_mel(mel_folder, names[row]),
        lambda one, other: same_recording(one, other, hop_seconds) is not None,
        [mel for mel in of_seeds if mel is not None],
    )
