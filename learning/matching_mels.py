"""Whether mels are what a run was trained on."""

from __future__ import annotations

from pathlib import Path

from config import MEL_KEYS, RESOLUTION_KEYS, Config, refuse_changed_keys, resolution_in_words
from mels.mel_folder import MelList, read_audio_half
from runs.run_folder import how_to_make_mels
from utils import UserError


def refuse_other_mels(mel_folder: Path, mels: MelList, run_folder: Path, config: Config) -> None:
    """Raise UserError where mels are not what the run was trained on.

    Frames and hops are compared in samples: 0.09288 s and 2048 / 22050 s are the same.
    """
    half = {key: value for key, value in read_audio_half(mel_folder).items() if key in MEL_KEYS}
    half["mel_bins"] = mels.bins
    wanted = {key: getattr(config, key) for key in RESOLUTION_KEYS}
    there = {key: half.get(key, value) for key, value in wanted.items()}
    remedy = f"make mels as the run wants them: {how_to_make_mels(run_folder)}"
    if any(round(there[key] * config.sample_rate_hz) != round(wanted[key] * config.sample_rate_hz) for key in wanted):
        has, trained_on = in_words_that_differ(there, wanted)
        raise UserError(f"{mel_folder}: has {has}, and {run_folder} was trained on {trained_on}; {remedy}")
    others = {key: getattr(config, key) for key in half if key not in RESOLUTION_KEYS}
    refuse_changed_keys(half, others, mel_folder, remedy)


def in_words_that_differ(one: dict[str, float], other: dict[str, float]) -> tuple[str, str]:
    """Return two resolutions, which are not the same, in words with as many digits as it takes to tell them apart."""
    digits = 4
    while resolution_in_words(**one, digits=digits) == resolution_in_words(**other, digits=digits):
        digits += 1
    return resolution_in_words(**one, digits=digits), resolution_in_words(**other, digits=digits)
