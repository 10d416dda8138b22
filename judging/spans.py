"""Stretches of time as people write them, 1:23-1:30, and the frames that lie in them."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

ENDS_LATE_SECONDS = 1.0  # that a stretch may end after its track: players show whole seconds

_TIME = r"(?:(?:\d+:)?\d+:)?\d+(?:\.\d*)?"
_SPAN = re.compile(rf"\s*({_TIME})\s*-\s*({_TIME})\s*", re.ASCII)


class Span(NamedTuple):
    """A stretch of a track, in seconds from its start."""

    start: float
    stop: float

    @property
    def seconds(self) -> float:
        return self.stop - self.start

    def __str__(self) -> str:
        return f"{clock(self.start)}-{clock(self.stop)}"


def parse_span(text: str) -> Span:
    """Return what a text such as 1:23-1:30, 83-90, 0:05.5-0:07 or 1:02:03-1:02:10 means. Raises ValueError."""
    match = _SPAN.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is no stretch of time; write it as 1:23-1:30, or in seconds as 83-90")
    span = Span(*map(_seconds, match.groups()))
    if not span.start < span.stop < math.inf:
        raise ValueError(f"{text!r} ends before it has begun; write START-STOP, as 1:23-1:30")
    return span


def _seconds(text: str) -> float:
    *larger, seconds = text.split(":")
    if larger and (float(seconds) >= 60 or any(int(each) >= 60 for each in larger[1:])):
        raise ValueError(
            f"{text!r} is no time: minutes and seconds are below 60; write it as 1:23, or in seconds as 83"
        )
    return sum(float(each) * 60**power for power, each in enumerate(reversed(larger), start=1)) + float(seconds)


def clock(seconds: float) -> str:
    """Return a time as a player shows it, with hundredths: 1:23.00, 1:02:03.50."""
    hours, minutes, hundredths = _parts(seconds)
    rest = f"{hundredths // 100:02d}.{hundredths % 100:02d}"
    return f"{hours}:{minutes:02d}:{rest}" if hours else f"{minutes}:{rest}"


def clock_in_name(seconds: float) -> str:
    """Return a time as it can be part of a file's name anywhere: 1m23.00s, 1h02m03.50s."""
    hours, minutes, hundredths = _parts(seconds)
    rest = f"{hundredths // 100:02d}.{hundredths % 100:02d}s"
    return f"{hours}h{minutes:02d}m{rest}" if hours else f"{minutes}m{rest}"


def _parts(seconds: float) -> tuple[int, int, int]:
    minutes, hundredths = divmod(round(seconds * 100), 6000)
    return *divmod(minutes, 60), hundredths


def frames_of(span: Span, frames: int, hop_seconds: float, frame_seconds: float) -> tuple[int, int]:
    """Return the first frame of a stretch, the nearest one, and how many lie in it.

    frames  of the whole track: frame i is what sounds from i * hop_seconds on, for frame_seconds.
    Raises  ValueError where the stretch is shorter than a frame, or its track ends before it.
    """
    if span.seconds < frame_seconds - 1e-9:
        raise ValueError(f"{span} is {span.seconds:g} s, shorter than a frame ({frame_seconds:g} s); take a longer one")
    end = (frames - 1) * hop_seconds + frame_seconds
    first = round(span.start / hop_seconds)
    if first >= frames or span.stop > end + hop_seconds + ENDS_LATE_SECONDS:
        raise ValueError(f"{span} lies beyond the end, which is at {clock(max(0.0, end))}")
    count = 1 + math.floor((span.seconds - frame_seconds) / hop_seconds + 1e-6)
    return first, min(count, frames - first)
