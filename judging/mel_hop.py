"""How far apart the frames of mels are, where only the mel folder or the run can say it."""

from __future__ import annotations

from pathlib import Path

from config import CONFIG_NAME
from mels.mel_folder import read_audio_half
from utils import UserError


def mel_hop_seconds(mel_folder: Path, run: Path) -> float:
    """Return the hop of a mel folder; of a bare folder of .npy files, what the run that it made took it for."""
    known = {**read_audio_half(run), **read_audio_half(mel_folder)}
    if "hop_seconds" not in known:
        neither = f"{mel_folder}: has no {CONFIG_NAME} with hop_seconds, and {run / CONFIG_NAME}: has no hop_seconds"
        raise UserError(f"{neither}; write that of the mels into it")
    return float(known["hop_seconds"])
