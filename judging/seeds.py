"""What a person names as the sound to look for: tracks of a run with their weights, and the tracks of a playlist."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from judging.playlist_entries import match_entries, read_entries
from judging.tracks import find_track, track_name
from mels.mel_folder import MEL_SUFFIX
from utils import NAMES_TOLD, UserError, plural, printable, printable_name


@dataclass(frozen=True)
class Seed:
    """One thing that hits should be like, or unlike."""

    name: str  # as people know it
    weight: float  # below 0: unlike
    vector: np.ndarray  # (dims,)
    row: int | None  # the track of the run that it is; None for a file that is none
    mel: np.ndarray | None = None  # (frames, mel_bins) of such a file

    def __str__(self) -> str:
        weight = "" if abs(self.weight) == 1 else f" ({abs(self.weight):g})"
        return f"{printable_name(self.name)!r}{weight}"


def in_words(seeds: Sequence[Seed]) -> str:
    """Return what hits are like, and less like: "like 'a' (0.5) and 'b', less like 'c'"."""
    parts = []
    for word, some in (("like", [s for s in seeds if s.weight > 0]), ("less like", [s for s in seeds if s.weight < 0])):
        if len(some) > NAMES_TOLD:
            parts.append(f"{word} {plural(len(some), 'track')}")
        elif some:
            parts.append(f"{word} {' and '.join(map(str, some))}")
    return ", ".join(parts)


def split_weight(text: str, exists: Callable[[str], bool]) -> tuple[str, float]:
    """Return the name and the weight of NAME or NAME=WEIGHT; 1 where no number stands behind the last '='.

    exists  tells whether a name is known just as it is written: one that itself ends in '=2' is then a name.
    Raises  UserError for a number that is no weight.
    """
    name, equals, number = text.rpartition("=")
    if not equals or exists(text):
        return text, 1.0
    try:
        weight = float(number)
    except ValueError:
        return text, 1.0
    if not 0 < weight < math.inf:
        raise UserError(f"{text!r}: a weight is a number above 0; what it should be unlike goes into --minus")
    return name, weight


def find_row(names: Sequence[str], name: str) -> int:
    """Return the track that a person means, see `find_track`; './-x' is '-x', which would be a flag."""
    return find_track(names, name.removeprefix("./"))


def named_seeds(names: Sequence[str], vectors: np.ndarray, texts: Sequence[str], sign: int = 1) -> list[Seed]:
    """Return the tracks that texts NAME or NAME=WEIGHT name.

    names, vectors  of a run; vectors (tracks, dims).
    sign            -1 for tracks that hits should be unlike.
    Raises          UserError where one is not found, or several are.
    """
    seeds = []
    for text in texts:
        name, weight = split_weight(text, lambda each: each in names or each + MEL_SUFFIX in names)
        row = find_row(names, name)
        seeds.append(Seed(track_name(names[row]), sign * weight, vectors[row], row))
    return seeds


def playlist_seeds(
    names: Sequence[str], vectors: np.ndarray, path: Path, audio_folder: Path | None = None
) -> tuple[list[Seed], list[str]]:
    """Return the tracks of a playlist, and its entries that are no track of the run.

    Raises UserError where it has no track, or none of the run.
    """
    entries = read_entries(path)
    rows, lost = match_entries(entries, path.parent, names, audio_folder)
    if not rows:
        what = "name the run's --audio-folder" if audio_folder is None else "name a playlist of them"
        raise UserError(
            f"{printable(str(path))}: none of its {plural(len(entries), 'path')} is a track of the run; {what}"
        )
    return [Seed(track_name(names[row]), 1.0, vectors[row], row) for row in rows], lost
