"""The corpus, which of its frames are held out, and its songs in pools, read from disk while the one before is in use.

A round of pools holds every song once, in pools whose sizes differ by one song at most, and a pool is drawn from for
as many steps as its songs are worth: so in every round all songs get the same number of pairs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from config import Config
from learning.streams import HELD_OUT_POSITION, Purpose, generator, uniform_of_name
from learning.views import View, views_of
from mels.mel_folder import read_mel

LEAST_HELD_OUT = 2  # frames; fewer hold no pair, and the song is trained on whole
MOST_HELD_OUT = 100  # frames of a song; more of it would cost reading and tell nothing new
DRAWS_PER_POOL_SONG = 128  # positive pairs a song, on average, before the next pool comes in
LEAST_POOL_SONGS = 2  # a song alone has nothing to tell it from
LEAST_POOL_STEPS = 32  # so that whole steps are at most a thirty-second off what a pool's songs are worth


def held_out_block(frames: int, share: float, position: float) -> tuple[int, int]:
    """Return the frames [start, stop) of a song that training never sees; empty for a song too short to spare any.

    frames    of the song; share of them to hold out; position in [0, 1) of the block in the song.
    """
    count = min(round(share * frames), MOST_HELD_OUT)
    if count < LEAST_HELD_OUT:
        return 0, 0
    start = int(position * (frames - count + 1))
    return start, start + count


def trainable_segments(start: int, stop: int, held_out: tuple[int, int], margin: int) -> tuple[int, int, int, int]:
    """Return the two runs of frames [a, b), [c, d) of an excerpt [start, stop) that lie clear of the held-out block.

    All in frames of the song. `margin` frames on each side of the block are left out too: their differences see it.
    """
    first, last = held_out
    if first == last:
        return start, stop, stop, stop
    before = max(start, min(stop, first - margin))
    after = min(stop, max(start, last + margin))
    return start, before, after, stop


@dataclass(frozen=True)
class Corpus:
    """The songs to train on, and how. Row i of every array is song i of the run's music list."""

    folder: Path
    names: list[str]
    frames: np.ndarray  # (songs,) int64
    bins: int
    config: Config
    stamps: np.ndarray | None = None  # (songs,) int64: another number where the mel has changed

    def held_out(self, song: int) -> tuple[int, int]:
        """Return the frames [start, stop) of a song that training never sees, see `held_out_block`."""
        position = uniform_of_name(self.names[song], self.config.seed, HELD_OUT_POSITION)
        return held_out_block(int(self.frames[song]), self.config.held_out_share, position)

    def read(self, song: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Return frames of a song, (frames, bins). Raises OSError or ValueError where it is gone, broken or empty."""
        mel = read_mel(self.folder / self.names[song], start, stop)
        if mel.shape[1] != self.bins or not len(mel):
            raise ValueError(f"{mel.shape[0]} frames of {mel.shape[1]} bins, expected {self.bins} bins")
        return mel

    @property
    def pool_bounds(self) -> np.ndarray:
        """Where a random order of all songs is cut into pools: pool i is [bounds[i], bounds[i + 1])."""
        songs = len(self.names)
        pools = max(1, min(-(-songs // self.config.pool_songs), songs // LEAST_POOL_SONGS))
        return np.arange(pools + 1) * songs // pools

    @cached_property
    def views(self) -> list[View]:
        return views_of(self.config)

    @property
    def margin(self) -> int:
        """How many frames beside the held-out ones see them: those of the fine view, whose cost is measured there."""
        return self.views[0].reach if self.config.differences else 0


@dataclass
class Pool:
    """Some songs' frames in memory, with what is needed to draw pairs from them."""

    songs: np.ndarray  # (pool songs,) int64: rows of the corpus, rising; only songs that can be drawn
    views: list[np.ndarray]  # (pool frames, bins) float each: their frames one after another, as each view has them
    first: np.ndarray  # (pool songs,) int64: the song's first row in the views
    last: np.ndarray  # (pool songs,) int64: the song's last row in the views
    segments: np.ndarray  # (pool songs, 4) int64: the two trainable runs [a, b), [c, d), as rows of the views
    skipped: dict[str, str] = field(default_factory=dict)  # why, by name, of songs that could not be read


def read_pool(
    corpus: Corpus, songs: np.ndarray, positions: np.ndarray, given_up: Callable[[], bool] = lambda: False
) -> Pool:
    """Read songs into memory, long ones by an excerpt. Songs that are gone, broken or have no frame are named.

    positions  (songs,) in [0, 1): where in each song its excerpt lies, so that two readings of it can differ.
    given_up   asked before each file; where it says yes, what was read so far is returned.
    """
    config = corpus.config
    room = max(1, config.pool_frames // int(np.diff(corpus.pool_bounds).max()))
    total = int(corpus.frames.sum())
    kept, first, last, segments, skipped, rows = [], [], [], [], {}, 0
    seen: list[list[np.ndarray]] = [[] for _ in corpus.views]
    for song, position in zip(songs.tolist(), positions.tolist(), strict=True):
        if given_up():
            break
        frames = int(corpus.frames[song])
        count = frames if total <= config.pool_frames else min(frames, room)
        start = int(position * (frames - count + 1))
        try:
            mel = corpus.read(song, start, start + count)
        except (OSError, ValueError) as error:
            skipped[corpus.names[song]] = str(error)
            continue
        runs = np.array(trainable_segments(start, start + len(mel), corpus.held_out(song), corpus.margin))
        if runs[1] == runs[0] and runs[3] == runs[2]:
            continue  # this excerpt lies in the held-out block; another one will not
        kept.append(song)
        for view, frames_seen in zip(corpus.views, seen, strict=True):
            frames_seen.append(view.frames(mel))
        first.append(rows)
        segments.append(runs - start + rows)
        rows += len(mel)
        last.append(rows - 1)
    if not kept:
        none = np.zeros(0, np.int64)
        return Pool(none, [], none, none, np.zeros((0, 4), np.int64), skipped)
    views = []
    for frames_seen in seen:
        views.append(np.concatenate(frames_seen))
        frames_seen.clear()
    return Pool(np.array(kept), views, np.array(first), np.array(last), np.array(segments), skipped)


class Pools:
    """The sequence of pools: a random order of all songs, cut into pools, then another order, and so on.

    The next pool is read in the background while one is in use.
    """

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        config, songs = corpus.config, len(corpus.names)
        self._song_bounds = corpus.pool_bounds
        sizes = np.diff(self._song_bounds)
        self.pools_per_round, self.pool_songs = len(sizes), int(sizes.max())
        steps = -(-songs * DRAWS_PER_POOL_SONG // config.batch_size)
        self.steps_per_round = max(steps, -(-songs * LEAST_POOL_STEPS // int(sizes.min())))
        self._step_bounds = (2 * self._song_bounds * self.steps_per_round + songs) // (2 * songs)  # rounded
        # With everything in memory there is nothing to change.
        self.everything = self.pools_per_round == 1 and int(corpus.frames.sum()) <= config.pool_frames
        self.skipped: dict[str, str] = {}  # why, by name, of all songs that could not be read so far
        self._closed = threading.Event()
        self._reader = ThreadPoolExecutor(1, "pool")
        self._next: tuple[int, Future[tuple[int, Pool]]] | None = None
        self._current: tuple[int, tuple[int, Pool]] | None = None

    def index(self, step: int) -> int:
        """Return which pool a step draws from, where that can be read."""
        if self.everything:
            return 0
        this_round, step = divmod(step, self.steps_per_round)
        place = int(np.searchsorted(self._step_bounds, step, side="right")) - 1
        return this_round * self.pools_per_round + place

    def steps_left(self, step: int) -> int:
        """Return how many steps from this one on draw from the same pool."""
        if self.everything:
            return 10**9
        this_round, place = divmod(self.index(step), self.pools_per_round)
        return this_round * self.steps_per_round + int(self._step_bounds[place + 1]) - step

    def songs(self, index: int) -> np.ndarray:
        """Return the songs of a pool, rising."""
        this_round, place = divmod(index, self.pools_per_round)
        order = generator(self.corpus.config.seed, Purpose.POOL, this_round).permutation(len(self.corpus.names))
        return np.sort(order[self._song_bounds[place] : self._song_bounds[place + 1]])

    def get(self, step: int) -> tuple[int, Pool]:
        """Return the pool that a step draws from, and its index; begin to read the one after it.

        In the place of a pool of which no song can be drawn comes the next one that has any. Where a whole round has
        none, the pool is empty.
        """
        index = self.index(step)
        if self._current is None or self._current[0] != index:
            was_ahead = self._next is not None and self._next[0] == index
            found = self._next[1].result() if was_ahead else self._read(index)
            self._current = (index, found)
            self.skipped = found[1].skipped | self.skipped
            if not self.everything:
                self._next = (index + 1, self._reader.submit(self._read, index + 1))
        return self._current[1]

    def _read(self, first: int) -> tuple[int, Pool]:
        skipped: dict[str, str] = {}
        for index in range(first, first + 2 * self.pools_per_round):  # a whole round lies in these, wherever it begins
            songs = self.songs(index)
            positions = generator(self.corpus.config.seed, Purpose.EXCERPT, index).random(len(songs))
            pool = read_pool(self.corpus, songs, positions, self._closed.is_set)
            skipped |= pool.skipped
            if len(pool.songs) or self._closed.is_set():
                break
        pool.skipped.update(skipped)
        return index, pool

    def close(self) -> None:
        """Give up what is being read: whoever waits for it gets what is there."""
        self._closed.set()
        self._reader.shutdown(wait=False, cancel_futures=True)
