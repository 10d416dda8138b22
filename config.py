"""The configuration: a frozen dataclass, made in one place from YAML and --set, passed from there, never global."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import math
from collections.abc import Iterable
from pathlib import Path

import yaml

from utils import ROOT, UserError, in_words, nearest, plural, require_file, shortened

CONFIG_NAME = "config.yaml"  # in mel and run folders
DEFAULT_CONFIG = ROOT / "configs" / "default.yaml"
SHORT_SOUNDS_CONFIG = ROOT / "configs" / "short_sounds.yaml"
LONGEST_FILE = 200_000  # bytes
UNREADABLE = (yaml.YAMLError, ValueError, RecursionError)  # dates that are none, bytes that are no text, brackets


class _Plain:
    """YAML without aliases, of which a few lines can mean gigabytes, and without tags, which a value can break."""

    def compose_node(self, parent: yaml.Node, index: object) -> yaml.Node:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or event.anchor or getattr(event, "tag", None):
            raise yaml.YAMLError(f"aliases and tags are not taken, line {event.start_mark.line + 1}")
        return super().compose_node(parent, index)


class PlainLoader(_Plain, yaml.SafeLoader):
    """Makes numbers of what looks like one."""


class TextLoader(_Plain, yaml.BaseLoader):
    """Leaves every value the text that was written."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Every key of configs/default.yaml, which says what each one means, its unit and its reason."""

    sample_rate_hz: int
    frame_seconds: float
    hop_seconds: float
    mel_bins: int
    mel_low_hz: float
    mel_high_hz: float
    decoder: str

    window_seconds: float
    coarse_seconds: float
    differences: bool
    spectral_tilt: float
    input_noise: float
    hidden_size: int
    output_vector_size: int
    logit: str
    most_logit_scale: float
    batch_size: int
    learning_rate: float
    song_learning_rate: float
    frame_dropout: float
    held_out_share: float
    pairs_per_save: int
    patience_saves: int
    patience_passes: float
    least_improvement: float
    keep_vectors: int
    pool_songs: int
    pool_frames: int
    seed: int

    @property
    def frame_samples(self) -> int:
        return round(self.frame_seconds * self.sample_rate_hz)

    @property
    def hop_samples(self) -> int:
        return round(self.hop_seconds * self.sample_rate_hz)

    @property
    def window(self) -> int:
        """How many hops two frames of a positive pair lie apart at most."""
        return max(1, math.floor(self.window_seconds / self.hop_seconds + 1e-6))

    @property
    def coarse_hops(self) -> int:
        """How many frames a coarse one is the mean of."""
        return round(self.coarse_seconds / self.hop_seconds)

    @property
    def resolution(self) -> str:
        return resolution_in_words(self.frame_seconds, self.hop_seconds)


AUDIO_KEYS = ("sample_rate_hz", "frame_seconds", "hop_seconds", "mel_bins", "mel_low_hz", "mel_high_hz", "decoder")
MEL_KEYS = tuple(key for key in AUDIO_KEYS if key != "decoder")  # mels that differ in one of these do not go together
RESOLUTION_KEYS = ("frame_seconds", "hop_seconds")
CHOICES = {"decoder": ("ffmpeg", "sox"), "logit": ("dot", "cosine")}
MOST_SAMPLES = 1 << 20  # of a frame, and of a hop: a minute at 16 kHz; of more a block alone would take gigabytes
# Closed ranges: what lies outside cannot work at all. What is merely unwise is the user's to try.
RANGES = {
    "sample_rate_hz": (1000, 384000),
    "frame_seconds": (0.001, 60.0),
    "hop_seconds": (0.001, 60.0),
    "mel_bins": (2, 512),
    "mel_low_hz": (0.0, 192000.0),
    "mel_high_hz": (1.0, 192000.0),
    "window_seconds": (0.0, 600000.0),
    "coarse_seconds": (0.0, 600.0),
    "spectral_tilt": (0.0, 10.0),
    "input_noise": (0.0, 10.0),
    "hidden_size": (1, 16384),
    "output_vector_size": (1, 4096),
    "most_logit_scale": (0.001, 1000.0),
    "batch_size": (2, 16384),
    "learning_rate": (0.0, 10.0),
    "song_learning_rate": (0.0, 10.0),
    "frame_dropout": (0.0, 1.0),
    "held_out_share": (0.01, 0.5),
    "pairs_per_save": (1, 10**12),
    "patience_saves": (1, 10**6),
    "patience_passes": (0.0, 10**6),
    "least_improvement": (0.0, 1.0),
    "keep_vectors": (1, 10**6),
    "pool_songs": (1, 10**7),
    "pool_frames": (1, 10**9),
    "seed": (0, 2**63 - 1),
}

# What mel folders, runs and files of older versions hold, see `in_todays_keys`
OLD_AUDIO_KEYS = ("sample_rate_hz", "hop_seconds", "mel_bins", "mel_low_hz", "mel_high_hz")  # a whole audio half
OLD_FRAME_SAMPLES = 2048
OLD_MODEL_KEYS = ("differences", "hidden_size", "output_vector_size", "logit", "batch_size", "seed")  # of a whole one
OLD_RANGES = {"window": (1, 10000)}  # hops


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="YAML whose keys replace those of configs/default.yaml"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="settings", help="replace one key; repeatable"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="the same as --set seed=N")


def load_config(arguments: argparse.Namespace) -> tuple[Config, frozenset[str]]:
    """Return the configuration in force, and the keys that the user gave (--config, --set, --seed).

    Where the user gave `window`, which counts hops, window_seconds is as many of the configuration's hop_seconds.
    Raises UserError for an unreadable file, an unknown key (naming the nearest) or a value of a wrong type or range.
    """
    given: dict[str, object] = {}
    if arguments.config is not None:
        given.update(_with_what_was_not_said(read_config_file(arguments.config), str(arguments.config)))
    for setting in arguments.settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise UserError(f"--set {setting!r}: write it as KEY=VALUE, e.g. --set seed=1")
        try:
            given[key.strip()] = yaml.load(text, PlainLoader)
        except UNREADABLE:
            raise UserError(f"--set {setting!r}: the value is not readable as YAML") from None
    if arguments.seed is not None:
        given["seed"] = arguments.seed
    where = " and ".join(filter(None, [str(arguments.config or ""), "--set" if arguments.settings else ""])) or "--seed"
    defaults = read_config_file(DEFAULT_CONFIG)
    if "window" in given:
        del defaults["window_seconds"]
    return build_config({**defaults, **given}, where), frozenset(given)


def shipped_config(path: Path) -> Config:
    """Return what a file of configs/ means."""
    return build_config({**read_config_file(DEFAULT_CONFIG), **read_config_file(path)}, str(path))


def read_config_file(path: Path) -> dict[str, object]:
    """Return the keys and values of a YAML file, unchecked. Raises UserError where it holds no mapping."""
    require_file(path)
    try:
        with open(path, "rb") as file:
            text = file.read(LONGEST_FILE)
        if len(text) == LONGEST_FILE:
            raise UserError(f"{path}: is longer than any configuration; name a file such as {DEFAULT_CONFIG}")
        content = yaml.load(text.decode(), PlainLoader)
    except FileNotFoundError:
        raise UserError(f"{path}: no such configuration; restore it, or see the files in {ROOT / 'configs'}") from None
    except UNREADABLE as error:
        what = shortened(" ".join(str(error).split()))
        raise UserError(f"{path}: not readable as YAML: {what}; mend or restore it") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected lines of the form KEY: VALUE, as in {DEFAULT_CONFIG}")
    return content


def build_config(values: dict[str, object], where: str) -> Config:
    """Check every key, type and range. `where` names the source of the values in an error."""
    values = in_todays_keys(values, where)
    fields = {field.name: field.type for field in dataclasses.fields(Config)}
    for key in values:
        if key not in fields:
            word = shortened(key) if isinstance(key, str) else in_words(key)
            raise UserError(f"{where}: unknown key {word!r}{nearest(word, fields)}")
    missing = [key for key in fields if key not in values]
    if missing:
        raise UserError(f"{where}: the key {missing[0]!r} is missing; copy it from {DEFAULT_CONFIG}")
    config = Config(**check_known_keys(values, where))
    if not config.mel_low_hz < config.mel_high_hz <= config.sample_rate_hz / 2:
        raise UserError(
            f"{where}: mel_low_hz {config.mel_low_hz}, mel_high_hz {config.mel_high_hz}: they must rise, "
            f"and end at or below half of sample_rate_hz {config.sample_rate_hz}"
        )
    for key, samples, least in (("frame_seconds", config.frame_samples, 2), ("hop_seconds", config.hop_samples, 1)):
        if not least <= samples <= MOST_SAMPLES:
            bound = f"{least} is the least; use a greater one"
            if samples > MOST_SAMPLES:
                bound = f"{MOST_SAMPLES:,} are the most; use a smaller one"
            raise UserError(
                f"{where}: {key}: {getattr(config, key)} is {plural(samples, 'sample')} at sample_rate_hz "
                f"{config.sample_rate_hz}, and {bound}"
            )
    return config


def in_todays_keys(values: dict[str, object], where: str) -> dict[str, object]:
    """Return the values under the keys of today, where an older version may have written them.

    A whole audio half without frame_seconds is from when every frame had 2048 samples, a whole configuration without
    coarse_seconds from when there were no coarse frames. `window` counts hops.
    Raises UserError where they say two things, or a value of a wrong type or range.
    """
    return _with_window_seconds(_with_what_was_not_said(values, where), where)


def require_whole(values: dict[str, object], keys: Iterable[str], path: Path) -> None:
    """Raise UserError where a file that we wrote lacks a key that was never left out: it was cut short, or edited."""
    if missing := [key for key in keys if key not in values]:
        raise UserError(f"{path}: lacks {', '.join(missing)}, so it was cut short; restore it, or name another folder")


def _with_what_was_not_said(values: dict[str, object], where: str) -> dict[str, object]:
    said: dict[str, object] = {}
    if all(key in values for key in OLD_AUDIO_KEYS):
        sample_rate_hz = _checked("sample_rate_hz", values["sample_rate_hz"], "int", where)
        said["frame_seconds"] = OLD_FRAME_SAMPLES / sample_rate_hz
    if all(key in values for key in OLD_MODEL_KEYS):
        said["coarse_seconds"] = 0.0
    return {**said, **values}


def _with_window_seconds(values: dict[str, object], where: str) -> dict[str, object]:
    if "window" not in values or "hop_seconds" not in values:
        return values
    if "window_seconds" in values:
        raise UserError(
            f"{where}: window: {in_words(values['window'])} (hops) and window_seconds: "
            f"{in_words(values['window_seconds'])} say the same "
            "thing; leave one of them out"
        )
    hops = _checked("window", values["window"], "int", where)
    hop_seconds = _checked("hop_seconds", values["hop_seconds"], "float", where)
    others = {key: value for key, value in values.items() if key != "window"}
    return {**others, "window_seconds": seconds_of_hops(hops, hop_seconds)}


def seconds_of_hops(hops: int, hop_seconds: float) -> float:
    return round(hops * hop_seconds, 9)  # 0.3, not 0.30000000000000004


def check_known_keys(values: dict[str, object], where: str) -> dict[str, object]:
    """Return the values, each of its key's type; unknown keys pass. Raises UserError for a wrong type or range."""
    kinds = {field.name: field.type for field in dataclasses.fields(Config)}
    return {key: _checked(key, value, kinds[key], where) if key in kinds else value for key, value in values.items()}


def _checked(key: str, value: object, kind: str, where: str) -> object:
    told = f"{where}: {key}: {in_words(value)}"
    try:
        if kind == "float" and isinstance(value, str):  # YAML 1.1 reads 1e-3 as text
            with contextlib.suppress(ValueError):
                value = float(value)
        if kind == "float" and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if kind == "int" and isinstance(value, float) and value.is_integer():
            value = int(value)
    except OverflowError:
        value = math.inf
    if type(value).__name__ != kind:
        raise UserError(f"{told} is not of type {kind}")
    if key in CHOICES and value not in CHOICES[key]:
        raise UserError(f"{told} is none of {', '.join(CHOICES[key])}")
    if bounds := RANGES.get(key) or OLD_RANGES.get(key):
        low, high = bounds
        if not low <= value <= high:
            raise UserError(f"{told} is not between {low} and {high}")
    return value


def audio_half(config: Config) -> dict[str, object]:
    """Return the keys that decide what a mel file holds."""
    return {key: getattr(config, key) for key in AUDIO_KEYS}


def resolution_in_words(frame_seconds: float, hop_seconds: float, digits: int = 4) -> str:
    return f"frames of {frame_seconds:.{digits}g} s every {hop_seconds:.{digits}g} s"


def refuse_changed_keys(old: dict[str, object], new: dict[str, object], folder: Path, remedy: str) -> None:
    """Raise UserError naming the first key whose value differs from the one that made the folder."""
    for key, value in new.items():
        if key in old and old[key] != value:
            raise UserError(f"{folder}: was made with {key}: {old[key]}, and {key}: {value} is asked for now; {remedy}")


def to_yaml(values: dict[str, object]) -> bytes:
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True).encode()
