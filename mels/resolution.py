"""Which resolution suits which sounds: durations in, choice out. No files."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TypeVar

MOST_LOOKED_AT = 200  # files whose headers are read before the choice: as many tell a median as well as a million would
SHORT_SECONDS = 10.0  # where half of the files are shorter, frames of the short resolution tell more than longer ones
MOST_PER_KNOWN = 10  # files looked at: where fewer than one in so many says how long it is, nobody knows of the rest

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
