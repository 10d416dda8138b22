"""The mel of one audio file, at once and without a mel folder: to ask about a file that has just been recorded."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from config import Config
from mels.decoding import find_decoders, tracks_from_files
from mels.log_mel import shared_framers
from utils import UserError, printable

TIMEOUT_SECONDS = 30.0  # and a second per 50 kB of the file


def mel_of_file(path: Path, config: Config) -> np.ndarray:
    """Return what spectrify_all.py writes of an audio file: (frames, mel_bins) float16.

    Raises UserError, with the reason, where there is no such file, no sound in it, or it cannot be decoded.
    """
    if not path.is_file():
        raise UserError(f"{printable(str(path))}: no such audio file")
    paths = [os.fspath(path.absolute())]
    track = tracks_from_files(paths, shared_framers(config, 1), find_decoders(config), config, TIMEOUT_SECONDS)[0]
    if track.mel is None:
        raise UserError(f"{printable(str(path))}: {track.status.replace('_', ' ')}: {track.reason}; name another file")
    return track.mel
