"""The configuration that a training is under: of what is asked for, what the run was made with, and the mel folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from config import (
    AUDIO_KEYS,
    CONFIG_NAME,
    DEFAULT_CONFIG,
    MEL_KEYS,
    OLD_AUDIO_KEYS,
    OLD_MODEL_KEYS,
    RESOLUTION_KEYS,
    SHORT_SOUNDS_CONFIG,
    Config,
    check_known_keys,
    in_todays_keys,
    read_config_file,
    refuse_changed_keys,
    require_whole,
    seconds_of_hops,
    shipped_config,
)
from learning.views import keys_that_go_with, refuse_useless_coarse_frames
from mels.mel_folder import MelList, read_audio_half
from runs.run_folder import SAVE_NUMBER_NAME, how_to_make_mels, newest_save

# What a run folder cannot change: the shape and meaning of its weights, and which frames were never trained on.
FIXED_KEYS = (
    *MEL_KEYS,
    *("coarse_seconds", "differences", "hidden_size", "output_vector_size", "logit", "held_out_share", "seed"),
)


def effective_config(
    config: Config, given: frozenset[str], mel_folder: Path, mels: MelList, run_folder: Path | None = None
) -> Config:
    """Return the configuration in force: what the user gives, then what the run was made with, then what goes with the
    mel folder's resolution, then the defaults. The audio half is that of the mel folder, as far as that tells it.

    Raises UserError where the user asked for another audio half, or for coarse frames that cannot be.
    """
    made_with = {key: value for key, value in read_audio_half(mel_folder).items() if key in AUDIO_KEYS}
    made_with["mel_bins"] = mels.bins
    asked = {key: getattr(config, key) for key in AUDIO_KEYS if key in given}
    refuse_changed_keys(made_with, asked, mel_folder, "leave the key out, or make the mel folder anew")
    keys = {field.name for field in dataclasses.fields(Config)}
    values = {key: value for key, value in read_run_config(run_folder).items() if key in keys}
    values |= {key: getattr(config, key) for key in given & keys} | made_with
    hop_seconds = values.get("hop_seconds", config.hop_seconds)
    if "window" in given:
        values["window_seconds"] = seconds_of_hops(config.window, hop_seconds)
    shipped = [shipped_config(path) for path in (DEFAULT_CONFIG, SHORT_SOUNDS_CONFIG)]
    values = keys_that_go_with(hop_seconds, values, shipped)
    in_force = dataclasses.replace(config, **values)
    refuse_useless_coarse_frames(in_force)
    return in_force


def read_run_config(run: Path | None) -> dict[str, object]:
    """Return the configuration of a run that has a save, under the keys of today; empty where there is none."""
    if run is None or not (run / SAVE_NUMBER_NAME).is_file() or not newest_save(run):
        return {}
    path = run / CONFIG_NAME
    values = read_config_file(path)
    checked = check_known_keys(in_todays_keys(values, str(path)), str(path))
    require_whole(values, [*OLD_AUDIO_KEYS, *OLD_MODEL_KEYS], path)
    return checked


def refuse_changed_run(run: Path, config: Config) -> None:
    """Raise UserError where a key that a run cannot change is not what it was."""
    old = {key: value for key, value in read_run_config(run).items() if key in FIXED_KEYS}
    remedy = "give it the same configuration, or train into another folder"
    new = dataclasses.asdict(config)
    if any(old.get(key, new[key]) != new[key] for key in RESOLUTION_KEYS):  # which only a mel folder can say
        remedy = f"make mels as it wants them, by {how_to_make_mels(run)}, or train into another folder"
    refuse_changed_keys(old, new, run, remedy)
