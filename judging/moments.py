"""Stretches of tracks that sound like one stretch: frame vectors in, places and cosines out; a few tracks in memory.

A stretch is cut into segments, at most MOST_SEGMENTS, all of the same number of frames, and each segment is the mean of
its frames' directions; two stretches are compared segment by segment, in order, so a rise is not a fall. The cosine of
two stretches is that of their segments one behind the other. It is taken at every frame of every track, by a matrix
product and running sums: what a frame costs does not depend on the length of the stretch.

Frame vectors have much in common, which says nothing of what is alike, and few directions hold most of what differs.
So the mean of the collection's frames is taken off, and its principal directions are scaled to equal weight.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

MOST_SEGMENTS = 32  # of a stretch; 16 find as much, but for what is drowned in other sound
MOST_DIRECTIONS = 32  # principal directions that are kept
EVENNESS = 0.1  # share of the mean variance that is added to each direction's: noise is not blown up to full weight
BLOCK_FRAMES = 8192  # places compared at a time; more do not fit a core's cache, fewer cost calls
LEAST_SQUARE = 1e-20  # of a length: a vector of zeros stays one
WAITING = 4  # tracks a worker that are handed out at a time: millions of tracks are no millions of waiting jobs

Reader = Callable[[int, int, int], np.ndarray]  # (track, start, stop) -> its frame vectors, fewer where it ends before


@dataclass(frozen=True)
class Space:
    """What makes cosines of frame vectors mean something. Made by `fit_space`."""

    mean: np.ndarray  # (dims,) float32
    matrix: np.ndarray  # (dims, directions) float32

    def rows(self, frames: np.ndarray) -> np.ndarray:
        """Return the direction of each frame vector: (frames, dims) -> (frames, directions) float32 of length 1."""
        rows = frames.astype(np.float32, copy=False) @ self.matrix
        rows -= self.mean @ self.matrix
        squares = np.einsum("ij,ij->i", rows, rows)
        rows *= (1 / np.sqrt(np.maximum(squares, LEAST_SQUARE)))[:, None]
        return rows


def fit_space(sample: np.ndarray, directions: int = MOST_DIRECTIONS, evenness: float = EVENNESS) -> Space:
    """Return the space of a collection by a sample of its frame vectors, (frames, dims), at least one."""
    sample = np.asarray(sample, np.float64)
    mean = sample.mean(axis=0)
    centred = sample - mean
    variances, axes = np.linalg.eigh(centred.T @ centred / len(sample))  # rising
    kept = slice(None, -1 - min(directions, len(variances)), -1)
    added = evenness * variances.mean() + np.finfo(np.float32).tiny
    matrix = axes[:, kept] / np.sqrt(np.maximum(variances[kept], 0) + added)
    return Space(mean.astype(np.float32), matrix.astype(np.float32))


@dataclass(frozen=True)
class Stretch:
    """What is looked for. Made by `describe_stretch`."""

    space: Space
    frames: int  # its length
    segment: int  # frames in each segment
    segments: np.ndarray  # (segments, directions) float32, of length 1 as a whole


def cut_segments(frames: int, most: int = MOST_SEGMENTS) -> tuple[int, int]:
    """Return how many frames a segment of a stretch has, and how many segments: what is left at the end is unheard."""
    segment = -(-frames // most)
    return segment, frames // segment


def describe_stretch(frames: np.ndarray, space: Space, most_segments: int = MOST_SEGMENTS) -> Stretch:
    """Describe the stretch to look for by its frame vectors, (frames, dims). Raises ValueError where there is none."""
    if not len(frames):
        raise ValueError("a stretch of no frame")
    segment, count = cut_segments(len(frames), most_segments)
    rows = space.rows(frames)[: segment * count]
    segments = rows.reshape(count, segment, -1).mean(axis=1)
    segments /= max(np.linalg.norm(segments), LEAST_SQUARE)
    return Stretch(space, len(frames), segment, segments)


def similarities(frames: np.ndarray, stretch: Stretch) -> np.ndarray:
    """Return the cosine of the stretch and of as many frames from each frame on: (frames, dims) -> (places,) float32.

    places = frames - stretch.frames + 1, and 0 where a track is shorter than the stretch.
    """
    places = max(0, len(frames) - stretch.frames + 1)
    if not places:
        return np.zeros(0, np.float32)
    means = running_sums(stretch.space.rows(frames), stretch.segment)
    products = stretch.segments @ means.T  # (segments, starts): each segment against that of the stretch
    squares = np.einsum("ij,ij->i", means, means)
    product, square = np.zeros(places, np.float32), np.zeros(places, np.float32)
    for number, row in enumerate(products):
        start = number * stretch.segment
        product += row[start : start + places]
        square += squares[start : start + places]
    return product / np.sqrt(np.maximum(square, LEAST_SQUARE))


def running_sums(rows: np.ndarray, length: int) -> np.ndarray:
    """Return the sum of `length` rows from each row on: (rows, dims) -> (rows - length + 1, dims) float32."""
    if length == 1:
        return rows
    sums = np.zeros((len(rows) + 1, rows.shape[1]), np.float32)
    np.cumsum(rows, axis=0, out=sums[1:])
    return sums[length:] - sums[:-length]


def track_similarities(read: Reader, track: int, stretch: Stretch) -> np.ndarray:
    """Return `similarities` of a whole track, however long, of which a block is in memory at a time."""
    step, pieces, start, ended = max(BLOCK_FRAMES, 2 * stretch.frames), [], 0, False
    while not ended:
        wanted = step + stretch.frames - 1  # of which the last ones are the next block's first
        frames = read(track, start, start + wanted)
        pieces.append(similarities(frames, stretch))
        start, ended = start + step, len(frames) < wanted
    return np.concatenate(pieces)


def best_places(cosines: np.ndarray, apart: int, count: float, bar: float) -> list[int]:
    """Return the places with the highest cosines, best first: at most `count`, none below `bar`.

    apart  two places are at least so far from each other: that of the lower cosine goes.
    """
    cosines, found = cosines.copy(), []
    while len(found) < count and len(cosines):
        place = int(cosines.argmax())
        if not (np.isfinite(cosines[place]) and cosines[place] >= bar):
            break
        found.append(place)
        cosines[max(0, place - apart + 1) : place + apart] = -np.inf
    return found


class Moment(NamedTuple):
    """A stretch that was found."""

    track: int
    place: int  # its first frame
    cosine: float


@dataclass
class Wanted:
    """How many moments, and which not."""

    apart: int  # frames from one to the next: none overlap
    top: float = float("inf")
    at_least: float = -1.0
    per_track: float = float("inf")
    itself: tuple[int, int] | None = None  # track and place of the stretch, where it is of the collection


@dataclass
class Found:
    """What a search has found, and in how much."""

    moments: list[Moment] = field(default_factory=list)  # best first
    frames: int = 0  # that were compared
    tracks: int = 0  # that are as long as the stretch, or longer
    short: int = 0  # tracks that are not
    skipped: list[tuple[int, str]] = field(default_factory=list)  # tracks that cannot be read, and why


class Looked(NamedTuple):
    """What a look through one track has found."""

    track: int
    places: Sequence[tuple[int, float]] = ()  # first frame and cosine, best first
    frames: int = 0  # that were compared: none where the track is shorter than the stretch
    trouble: str = ""  # why it cannot be read


def look_through(read: Reader, track: int, stretch: Stretch, wanted: Wanted, bar: float = -1.0) -> Looked:
    """Find the moments of one track that are as much like a stretch as `bar`.

    read  raises OSError or ValueError where the track cannot be read.
    """
    try:
        cosines = track_similarities(read, track, stretch)
    except (OSError, ValueError) as error:
        return Looked(track, trouble=getattr(error, "strerror", None) or str(error) or "cannot be read")
    frames = len(cosines) + stretch.frames - 1 if len(cosines) else 0
    if wanted.itself and wanted.itself[0] == track:
        place = wanted.itself[1]
        cosines[max(0, place - wanted.apart + 1) : place + wanted.apart] = -np.inf
    places = best_places(cosines, wanted.apart, min(wanted.top, wanted.per_track), max(bar, wanted.at_least))
    return Looked(track, [(place, float(cosines[place])) for place in places], frames)


class Ranking:
    """The best moments of the tracks so far, which may come in any order."""

    def __init__(self, top: float) -> None:
        self._top, self._best, self._found = top, [], Found()

    @property
    def bar(self) -> float:
        """The cosine below which nothing is among the best any more."""
        best = self._best  # may grow meanwhile in another thread: the bar of a moment ago is too low at worst
        return best[0][0] if best and len(best) >= self._top else -1.0

    def add(self, looked: Looked) -> None:
        if looked.trouble:
            self._found.skipped.append((looked.track, looked.trouble))
            return
        for place, cosine in looked.places:
            heapq.heappush(self._best, (cosine, -looked.track, -place))  # of equals the last one goes first
            if len(self._best) > self._top:
                heapq.heappop(self._best)
        self._found.short += not looked.frames
        self._found.tracks += bool(looked.frames)
        self._found.frames += looked.frames

    def found(self) -> Found:
        self._found.moments = [Moment(-track, -place, cosine) for cosine, track, place in sorted(self._best)[::-1]]
        self._found.skipped.sort()
        return self._found


def find(
    read: Reader,
    tracks: Iterable[int],
    stretch: Stretch,
    wanted: Wanted,
    workers: int = 1,
    report: Callable[[], None] = lambda: None,
) -> Found:
    """Find the moments of tracks that are most like a stretch; the same ones with any number of workers.

    read     raises OSError or ValueError where a track cannot be read: it is skipped.
    report   called after each track.
    """
    ranking = Ranking(wanted.top)

    def look(track: int) -> Looked:
        return look_through(read, track, stretch, wanted, ranking.bar)

    # Threads: numpy lets go of Python's lock in what takes the time. Each with products of one core.
    for looked in _in_threads(look, tracks, workers):
        ranking.add(looked)
        report()
    return ranking.found()


def _in_threads(work: Callable[[int], Looked], items: Iterable[int], workers: int) -> Iterator[Looked]:
    from threadpoolctl import threadpool_limits

    pool, waiting = ThreadPoolExecutor(workers), []
    try:
        with threadpool_limits(1, "blas"):
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) >= WAITING * workers:
                    yield waiting.pop(0).result()
            for job in waiting:
                yield job.result()
    finally:
        pool.shutdown(cancel_futures=True)
