"""What the values of a column say: nothing, numbers, dates, or names of kinds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

# What people and programs write where there is no value, in small letters
NOTHING = frozenset(["", *"- -- \N{EN DASH} \N{EM DASH} ? n/a #n/a n.a. na <na> nan nat none null".split()])
FEWEST_NUMBERS = 13  # different whole numbers that make a scale; fewer are months, ratings, versions: categories
FEWEST_FRACTIONS = 6  # of numbers of which some are not whole: these are measured; fewer are sample rates
FEWEST_DATES = 2
SECONDS_A_DAY = 86400
LARGEST = float(np.finfo(np.float32).max)  # float32 is what the page computes with
# Without "nan", "inf", "1_000" and the digits of other scripts, which float() takes; a code like 007 is no number
_NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_YEAR = re.compile("[0-9]{4}")
_DATES = [
    re.compile("(?P<year>[0-9]{4})(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2}))?)?"),
    re.compile("(?P<year>[0-9]{4})/(?P<month>[0-9]{1,2})/(?P<day>[0-9]{1,2})"),
    re.compile(r"(?P<day>[0-9]{1,2})\.(?P<month>[0-9]{1,2})\.(?P<year>[0-9]{4})"),
]
_WITH_TIME = re.compile(
    "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.][0-9]+)?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Scale:
    """A column that can be measured."""

    numbers: np.ndarray  # (tracks,) float32, NaN where there is no value; of dates the days since 1970-01-01, UTC
    dates: bool


def meant(value: str) -> str:
    """Return what a table or a tag says of a track: empty for "NaN", "n/a", "-" and the like."""
    value = value.strip()
    return "" if value.casefold() in NOTHING else value


def is_number(value: str) -> bool:
    return _NUMBER.fullmatch(value) is not None


def scale_of(values: Sequence[str]) -> Scale | None:
    """Return the scale that the values of all tracks make, empty ones left out; None where they are categories."""
    given = {value for value in values if value}
    known, dates = _numbers(given), False
    if known is None:
        known, dates = _days(given), True
    if known is None:
        return None
    return Scale(np.array([known.get(value, np.nan) for value in values], np.float32), dates)


def _numbers(given: set[str]) -> dict[str, float] | None:
    """Return the number of each value, if all are numbers and enough of them differ."""
    if not all(map(is_number, given)):
        return None
    known = {value: float(value) for value in given}
    whole = all(number.is_integer() for number in known.values())
    enough = len(set(known.values())) >= (FEWEST_NUMBERS if whole else FEWEST_FRACTIONS)
    return known if enough and all(abs(number) < LARGEST for number in known.values()) else None


def _days(given: set[str]) -> dict[str, float] | None:
    """Return the day of each value, if all are dates, or years beside dates, and at least two differ."""
    if all(map(_YEAR.fullmatch, given)):
        return None
    known = {}
    for value in given:
        day = day_of(value)
        if day is None:
            return None
        known[value] = day
    return known if len(set(known.values())) >= FEWEST_DATES else None


def day_of(text: str) -> float | None:
    """Return the days from 1970-01-01 to a date, a year and a month, or a year; a time without a zone is UTC.

    None where it is none, or could be two: 01/05/2019 is another day in London than in New York.
    """
    try:
        moment = _moment(text)
    except ValueError:  # a thirteenth month
        return None
    if moment is None:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - _EPOCH).total_seconds() / SECONDS_A_DAY


def _moment(text: str) -> datetime | None:
    if _WITH_TIME.fullmatch(text):
        return datetime.fromisoformat(text)
    found = next(filter(None, (pattern.fullmatch(text) for pattern in _DATES)), None)
    return datetime(**{part: int(digits) for part, digits in found.groupdict("1").items()}) if found else None
