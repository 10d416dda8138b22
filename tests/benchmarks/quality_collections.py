"""Several collections, as a YAML file names them, and as one corpus."""

from __future__ import annotations

from dataclasses import MISSING, fields
from pathlib import Path

import yaml
from quality_inputs import Collection, Inputs

from config import MEL_KEYS, UNREADABLE, refuse_changed_keys
from mels.mel_folder import read_audio_half
from utils import UserError, nearest

KEYS = {field.name: field for field in fields(Collection)}
NEEDED = [key for key, field in KEYS.items() if field.default is MISSING and key != "name"]
PATHS = ("mel_folder", "labels", "baseline_mels")
EXAMPLE = "- {mel_folder: mels, labels: labels.csv, label_column: genre}"


def read_collections(path: Path) -> list[Collection]:
    """Read a list of collections; their paths are relative to the file. Raises UserError for what is wrong in it."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; write a YAML list with lines such as {EXAMPLE}") from None
    except UNREADABLE as error:
        raise UserError(f"{path}: not readable as YAML: {error}") from None
    if not isinstance(content, list) or not content:
        raise UserError(f"{path}: expected a list of collections, with lines such as {EXAMPLE}")
    found = [_collection(values, path, number) for number, values in enumerate(content, start=1)]
    names = [collection.name for collection in found]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{path}: two collections are named {name!r}; give each its own by the key 'name'")
    return found


def _collection(values: object, path: Path, number: int) -> Collection:
    where = f"{path}, collection {number}"
    if not isinstance(values, dict):
        raise UserError(f"{where}: {values!r} is no mapping; write {EXAMPLE}")
    for key, value in values.items():
        if key not in KEYS:
            raise UserError(f"{where}: unknown key {str(key)!r}{nearest(str(key), KEYS)}")
        is_flag = key == "clusters"
        if not (isinstance(value, bool) if is_flag else isinstance(value, str) and value):
            raise UserError(f"{where}: {key}: {value!r} is not {'true or false' if is_flag else 'text'}")
    missing = [key for key in NEEDED if key not in values]
    if missing:
        raise UserError(f"{where}: the key {missing[0]!r} is missing; each collection needs {', '.join(NEEDED)}")
    values = {key: path.parent / value if key in PATHS else value for key, value in values.items()}
    name = values.setdefault("name", values["mel_folder"].resolve().name)
    if "/" in name or name.startswith(".") or not name.isprintable():
        raise UserError(f"{where}: name: {name!r} cannot name a folder; write one without '/' or a leading '.'")
    return Collection(**values)


def common_audio(several: list[Inputs]) -> dict[str, object]:
    """Return the audio half of the configuration that made all mel folders; empty where all are bare.

    A bare folder fits every other one with as many bins. Raises UserError where two folders do not fit each other.
    """
    audio: dict[str, object] = {}
    first = several[0]
    for inputs in several:
        folder = inputs.collection.mel_folder
        remedy = "frames of one corpus are made alike: make one of the mel folders anew, or leave --together out"
        if inputs.bins != first.bins:
            other = f"{first.collection.mel_folder} has {first.bins}"
            raise UserError(f"{folder}: {inputs.bins} bins, and {other}; {remedy}")
        own = {key: value for key, value in read_audio_half(folder).items() if key in MEL_KEYS}
        refuse_changed_keys(own, audio, folder, remedy)
        audio |= own
    return audio
