"""Which resolution suits which sounds: durations in, choice out. No files."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import TypeVar

from config import Config

MOST_LOOKED_AT = 200  # files whose headers are read before the choice: as many tell a median as well as a million would
SHORT_SECONDS = 10.0  # where half of the files are shorter, frames of the short resolution tell more than longer ones
FOLLOWING_KEYS = ("window_seconds", "coarse_seconds", "output_vector_size")  # of the trainer, where they are not given
MOST_PER_KNOWN = 10  # files looked at: where fewer than one in so many says how long it is, nobody knows of the rest
LEAST_WINDOW_HOPS = 4  # of a resolution that is none of the shipped ones

Item = TypeVar("Item")


def spread_evenly(items: Sequence[Item], most: int = MOST_LOOKED_AT) -> list[Item]:
    """Return at most so many items, at even distances from the first on."""
    count = min(most, len(items))
    return [items[place * len(items) // count] for place in range(count)]


def are_short(durations: Sequence[float], looked_at: int) -> bool:
    """Tell whether files are short sounds; they are not where too few are known.

    durations  of those that say how long they are, seconds.
    looked_at  the number of files, with those that do not say it.
    """
    return _are_enough(durations, looked_at) and statistics.median(durations) < SHORT_SECONDS


def _are_enough(durations: Sequence[float], looked_at: int) -> bool:
    return bool(durations) and looked_at <= MOST_PER_KNOWN * len(durations)


def reason(durations: Sequence[float], looked_at: int) -> str:
    """Return why the choice fell as it did, as the end of a sentence that begins with it; parameters of `are_short`."""
    known = len(durations)
    if not known:
        return "as no file's header says how long it is"
    say = "says how long it is" if known == 1 else "say how long they are"
    if not _are_enough(durations, looked_at):
        return f"as only {known} of {looked_at} files looked at {say}"
    half = f"{statistics.median(durations):.3g} s"
    if known == 1:
        return f"since the one file {'looked at' if looked_at == 1 else f'of {looked_at} that {say}'} lasts {half}"
    files = f"{known} files looked at" if known == looked_at else f"the {known} of {looked_at} files that {say}"
    return f"since half of {files} last {half} at {'most' if are_short(durations, looked_at) else 'least'}"


def keys_that_go_with(hop_seconds: float, given: Mapping[str, object], shipped: Sequence[Config]) -> dict[str, object]:
    """Return what the trainer's configuration takes from the resolution of a mel folder where nobody says otherwise.

    That is how far apart two frames of a positive pair may lie, how long coarse frames are, and the dimensions that
    they need: those of a shipped configuration with coarse frames where there are any, else of one without.

    given    keys that have a value already.
    shipped  the configurations that a resolution may be of; that of the same hop decides, else the nearest in ratio.
    """
    nearest = min(shipped, key=lambda config: abs(math.log(config.hop_seconds / hop_seconds)))
    keys: dict[str, object] = {key: getattr(nearest, key) for key in FOLLOWING_KEYS} | dict(given)
    if nearest.hop_seconds != hop_seconds and "window_seconds" not in given:
        keys["window_seconds"] = max(nearest.window_seconds, LEAST_WINDOW_HOPS * hop_seconds)
    if "output_vector_size" not in given:
        alike = [config for config in shipped if bool(config.coarse_seconds) == bool(keys["coarse_seconds"])]
        keys["output_vector_size"] = alike[0].output_vector_size
    return keys
