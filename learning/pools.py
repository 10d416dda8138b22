"""The corpus, which of its frames are held out, and pools of its songs read from disk in the background."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from config import Config
from learning.streams import _EXCERPT, _POOL, generator, uniform_of_name
from mels.mel_folder import read_mel

DIFFERENCE_REACH = 2  # frames; x[t + 2] - x[t - 2] is the difference fed beside x[t]
LEAST_HELD_OUT = 2  # frames; fewer hold no pair, and the song is trained on whole
MOST_HELD_OUT = 100  # frames of a song; more of it would cost reading and tell nothing new
DRAWS_PER_POOL_SONG = 128  # positive pairs a song, on average, before the next pool comes in


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
        name, config = self.names[song], self.config
        return held_out_block(int(self.frames[song]), config.held_out_share, uniform_of_name(name, config.seed))

    @property
    def margin(self) -> int:
        return DIFFERENCE_REACH if self.config.differences else 0


@dataclass
class Pool:
    """Some songs' frames in memory, with what is needed to draw pairs from them."""

    songs: np.ndarray  # (pool songs,) int64: rows of the corpus, rising; only songs that can be drawn
    mels: np.ndarray  # (pool frames, bins) float: their frames one after another
    first: np.ndarray  # (pool songs,) int64: the song's first row in mels
    last: np.ndarray  # (pool songs,) int64: the song's last row in mels
    segments: np.ndarray  # (pool songs, 4) int64: the two trainable runs [a, b), [c, d), as rows of mels
    skipped: list[str] = field(default_factory=list)  # one line a song that could not be read


def read_pool(corpus: Corpus, songs: np.ndarray, index: int) -> Pool:
    """Read songs into memory, long ones by an excerpt. `index` tells one reading from the next, so excerpts differ.

    Songs that are gone, broken or have no frame are skipped and named.
    """
    config = corpus.config
    room = max(1, config.pool_frames // max(1, min(config.pool_songs, len(corpus.names))))
    total = int(corpus.frames.sum())
    uniforms = generator(config.seed, _EXCERPT, index).random(len(songs))
    kept, mels, first, last, segments, skipped, rows = [], [], [], [], [], [], 0
    for song, uniform in zip(songs.tolist(), uniforms, strict=True):
        frames = int(corpus.frames[song])
        count = frames if total <= config.pool_frames else min(frames, room)
        start = int(uniform * (frames - count + 1))
        try:
            mel = read_mel(corpus.folder / corpus.names[song], start, start + count)
            if mel.shape[1] != corpus.bins or not len(mel):
                raise ValueError(f"{mel.shape[0]} frames of {mel.shape[1]} bins, expected {corpus.bins} bins")
        except (OSError, ValueError) as error:
            skipped.append(f"{corpus.names[song]}: {error}")
            continue
        runs = np.array(trainable_segments(start, start + len(mel), corpus.held_out(song), corpus.margin))
        if runs[1] == runs[0] and runs[3] == runs[2]:
            continue  # this excerpt lies in the held-out block; another one will not
        kept.append(song)
        mels.append(mel)
        first.append(rows)
        segments.append(runs - start + rows)
        rows += len(mel)
        last.append(rows - 1)
    if not kept:
        return Pool(*(np.zeros(0, np.int64) for _ in range(4)), np.zeros((0, 4), np.int64), skipped)
    return Pool(np.array(kept), np.concatenate(mels), np.array(first), np.array(last), np.array(segments), skipped)


class Pools:
    """The sequence of pools: a random order of all songs, cut into pools, then another order, and so on.

    The next pool is read in the background while one is in use.
    """

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        config = corpus.config
        songs = len(corpus.names)
        self.pool_songs = min(config.pool_songs, songs)
        self.pools_per_round = -(-songs // self.pool_songs)
        # With everything in memory there is nothing to change.
        self.everything = self.pools_per_round == 1 and int(corpus.frames.sum()) <= config.pool_frames
        self.steps_per_pool = max(1, self.pool_songs * DRAWS_PER_POOL_SONG // config.batch_size)
        self.skipped: set[str] = set()
        self._reader = ThreadPoolExecutor(1, "pool")
        self._next: tuple[int, Future[Pool]] | None = None
        self._current: tuple[int, Pool] | None = None

    def index(self, step: int) -> int:
        """Return which pool a step draws from."""
        return 0 if self.everything else step // self.steps_per_pool

    def steps_left(self, step: int) -> int:
        """Return how many steps from this one on draw from the same pool."""
        return 10**9 if self.everything else self.steps_per_pool - step % self.steps_per_pool

    def songs(self, index: int) -> np.ndarray:
        """Return the songs of a pool, rising."""
        this_round, place = divmod(index, self.pools_per_round)
        order = generator(self.corpus.config.seed, _POOL, this_round).permutation(len(self.corpus.names))
        return np.sort(order[place * self.pool_songs : (place + 1) * self.pool_songs])

    def get(self, step: int) -> Pool:
        """Return the pool of a step, and begin to read the one after it."""
        index = self.index(step)
        if self._current is None or self._current[0] != index:
            was_ahead = self._next is not None and self._next[0] == index
            pool = self._next[1].result() if was_ahead else self._read(index)
            self._current = (index, pool)
            self.skipped.update(pool.skipped)
            if not self.everything:
                self._next = (index + 1, self._reader.submit(self._read, index + 1))
        return self._current[1]

    def _read(self, index: int) -> Pool:
        return read_pool(self.corpus, self.songs(index), index)

    def close(self) -> None:
        self._reader.shutdown(wait=False, cancel_futures=True)
