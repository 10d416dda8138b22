"""What is drawn from the songs: the pairs of each training step, those of the held-out cost, and frames to measure.

Every draw comes from (seed, purpose, index) alone, never from a generator that runs on. So a training that was stopped
and resumed draws what one that never stopped draws, and the held-out pairs are the same in every run. No TensorFlow.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from learning.pools import DIFFERENCE_REACH, Corpus, Pool, Pools, read_pool
from learning.streams import HELD_OUT_CHOICE, Purpose, generator, uniform_of_name

TILT_TERMS = 3  # cosine terms over the bins that make a random spectral tilt: all of it smooth
NOISE_ROWS = 4096  # of the table that input noise is taken from: drawing as many normal numbers anew costs as a network
HELD_OUT_SONGS = 1000  # songs that the held-out cost looks at, at most
HELD_OUT_PAIRS = 20_000  # pairs that the held-out cost uses, at most, whatever the corpus: noise far below a percent


@dataclass(frozen=True)
class Pairs:
    """Positive pairs as rows of a pool's mels."""

    target: np.ndarray  # (pairs,) int64
    context: np.ndarray  # (pairs,) int64
    song: np.ndarray  # (pairs,) int64: place of their song in the pool


def draw_pairs(pool: Pool, uniforms: np.ndarray, window: int) -> Pairs:
    """Turn uniform numbers into positive pairs: a song, then two of its frames at most `window` apart.

    pool      holds at least one song.
    uniforms  (pairs, 4) in [0, 1): they choose song, distance, place and which of the two is the target.
    A song with a single trainable frame pairs it with itself: better than a vector that stays noise.
    """
    song = (uniforms[:, 0] * len(pool.songs)).astype(np.int64)
    a, b, c, d = pool.segments[song].T
    longest = np.maximum(b - a, d - c) - 1  # the largest distance of two frames in one run
    distance = np.minimum(1 + (uniforms[:, 1] * np.minimum(window, longest)).astype(np.int64), longest)
    places_before = np.maximum(b - a - distance, 0)
    places_after = np.maximum(d - c - distance, 0)
    place = (uniforms[:, 2] * (places_before + places_after)).astype(np.int64)
    early = np.where(place < places_before, a + place, c + place - places_before)
    late = early + distance
    swap = uniforms[:, 3] < 0.5
    return Pairs(np.where(swap, late, early), np.where(swap, early, late), song)


def gather_inputs(mels: np.ndarray, rows: np.ndarray, first: np.ndarray, last: np.ndarray, differences: bool):
    """Return what the networks need of some frames, (1 or 3, rows, bins): x[t]; with differences x[t - 2] and x[t + 2].

    first, last  (rows,) the bounds of each frame's song in mels: at its edges the nearest frame stands in.
    """
    if not differences:
        return mels[rows][None]
    before = np.maximum(rows - DIFFERENCE_REACH, first)
    after = np.minimum(rows + DIFFERENCE_REACH, last)
    return mels[np.stack([rows, before, after])]


@dataclass
class Block:
    """Some successive training steps. All arrays have room for `most` steps; the first `steps` of them count."""

    steps: int
    pool_index: int
    pool: Pool
    inputs: np.ndarray  # (most, 2, 1 or 3, batch, bins): target and context frames, as gather_inputs gives them
    song: np.ndarray  # (most, batch) int32: place of the pair's song in the pool
    keep_frame: np.ndarray  # (most, batch, 1) float32: 0 where the frame's own embedding is left out of the pair
    tilt: np.ndarray  # (most, 2, batch, TILT_TERMS) float32 coefficients
    noise: np.ndarray  # (most, 2, batch) int32 rows of the table of input noise


def draw_block(pools: Pools, first_step: int, steps: int, most: int) -> Block | None:
    """Draw the steps [first_step, first_step + steps), which share a pool. None where no song could be read."""
    config, (pool_index, pool) = pools.corpus.config, pools.get(first_step)
    if not len(pool.songs):
        return None
    batch, variants = config.batch_size, 3 if config.differences else 1
    block = Block(
        steps,
        pool_index,
        pool,
        np.zeros((most, 2, variants, batch, pools.corpus.bins), pool.mels.dtype),
        np.zeros((most, batch), np.int32),
        np.zeros((most, batch, 1), np.float32),
        np.zeros((most, 2, batch, TILT_TERMS), np.float32),
        np.zeros((most, 2, batch), np.int32),
    )
    for place in range(steps):
        draws = generator(config.seed, Purpose.STEP, first_step + place)
        uniforms = draws.random((batch, 5))
        pairs = draw_pairs(pool, uniforms[:, :4], config.window)
        bounds = pool.first[pairs.song], pool.last[pairs.song]
        for side, rows in enumerate((pairs.target, pairs.context)):
            block.inputs[place, side] = gather_inputs(pool.mels, rows, *bounds, config.differences)
        block.song[place] = pairs.song
        block.keep_frame[place, :, 0] = uniforms[:, 4] >= config.frame_dropout
        if config.spectral_tilt:
            block.tilt[place] = draws.standard_normal((2, batch, TILT_TERMS), np.float32)
        if config.input_noise:
            block.noise[place] = draws.integers(0, NOISE_ROWS, (2, batch))
    return block


def blocks(pools: Pools, first_step: int, boundary, most: int) -> Iterator[Block | None]:
    """Yield block after block, for ever. None reaches across a pool's end, nor across the step boundary(first step)."""
    step = first_step
    while True:
        steps = min(most, pools.steps_left(step), boundary(step) - step)
        yield draw_block(pools, step, steps, most)
        step += steps


@dataclass(frozen=True)
class InputSample:
    """Frames of the corpus, drawn song by song: for the inputs' mean and scale, and to stand for the corpus later."""

    mean: np.ndarray  # (bins,) float32
    scale: np.ndarray  # (bins,) float32, standard deviation
    difference_scale: np.ndarray  # (bins,) float32, standard deviation of the differences
    reference: np.ndarray  # (1 or 3, REFERENCE_FRAMES, bins): inputs of frames of the whole corpus


REFERENCE_FRAMES = 2048  # many more than a vector has dimensions, see infer_song_vectors
_SAMPLE_SONGS = 2000
_SAMPLE_FRAMES = 100  # a song
_LEAST_SCALE = 1e-3  # a bin that never changes must not be blown up


def sample_inputs(corpus: Corpus) -> InputSample:
    """Measure the inputs on 100 training frames each of at most 2000 songs.

    Raises ValueError if none is readable, or values are too large for float32, in which the networks compute.
    """
    config = corpus.config
    draws = generator(config.seed, Purpose.SAMPLE, 0)
    chosen = np.sort(draws.permutation(len(corpus.names))[:_SAMPLE_SONGS])
    positions = generator(config.seed, Purpose.SAMPLE, 1).random((len(chosen), 1))  # each song's excerpt is its own
    frames, differences, inputs = [], [], []
    for song, position in zip(chosen, positions, strict=True):
        pool = read_pool(corpus, song[None], position)
        if not len(pool.songs):
            continue
        rows = draw_pairs(pool, draws.random((_SAMPLE_FRAMES, 4)), 1).target
        bounds = np.zeros(len(rows), np.int64), np.full(len(rows), len(pool.mels) - 1)
        x, before, after = gather_inputs(pool.mels, rows, *bounds, True)
        with np.errstate(over="ignore", invalid="ignore"):
            frames.append(x.astype(np.float32))
            differences.append(after.astype(np.float32) - before.astype(np.float32))
        if not np.isfinite(frames[-1]).all() or not np.isfinite(differences[-1]).all():
            raise ValueError(f"{corpus.names[song]} holds values too large for float32")
        inputs.append(np.stack([x, before, after])[: 3 if config.differences else 1])
    if not frames:
        raise ValueError("no song could be read")
    frames, differences = np.concatenate(frames), np.concatenate(differences)
    inputs = np.concatenate(inputs, axis=1)
    reference = inputs[:, draws.integers(0, inputs.shape[1], REFERENCE_FRAMES)]
    return InputSample(
        frames.mean(0, dtype=np.float64).astype(np.float32),
        np.maximum(frames.std(0, dtype=np.float64), _LEAST_SCALE).astype(np.float32),
        np.maximum(differences.std(0, dtype=np.float64), _LEAST_SCALE).astype(np.float32),
        reference,
    )


@dataclass(frozen=True)
class HeldOut:
    """Positive pairs of frames that training never sees, in batches of one size."""

    inputs: np.ndarray  # (batches, 2, 1 or 3, batch, bins)
    song: np.ndarray  # (batches, batch) int64: rows of the corpus

    @property
    def pairs(self) -> int:
        return self.song.size


def held_out_songs(corpus: Corpus) -> list[int]:
    """Return the songs that the held-out cost looks at, rising: by chance, of those that can spare frames."""
    seed = corpus.config.seed
    by_chance = sorted(
        range(len(corpus.names)), key=lambda song: uniform_of_name(corpus.names[song], seed, HELD_OUT_CHOICE)
    )
    return sorted(itertools.islice((song for song in by_chance if corpus.held_out(song) != (0, 0)), HELD_OUT_SONGS))


def held_out_pairs(corpus: Corpus) -> HeldOut | None:
    """Draw the pairs for the held-out cost, always the same for the same songs. None where no song can spare frames."""
    config = corpus.config
    draws = generator(config.seed, Purpose.HELD_OUT, 0)
    chosen = held_out_songs(corpus)
    inputs, songs = [], []
    for song in chosen:
        start, stop = corpus.held_out(song)
        reach = corpus.margin
        from_frame, to_frame = max(0, start - reach), min(int(corpus.frames[song]), stop + reach)
        try:
            mel = corpus.read(song, from_frame, to_frame)
        except (OSError, ValueError):
            continue  # training counts and names it
        if len(mel) != to_frame - from_frame:
            continue
        block = np.array([[start - from_frame, stop - from_frame, stop - from_frame, stop - from_frame]])
        pool = Pool(np.array([song]), mel, np.array([0]), np.array([len(mel) - 1]), block)
        count = min(HELD_OUT_PAIRS // len(chosen), 2 * config.window * (stop - start))
        pairs = draw_pairs(pool, draws.random((count, 4)), config.window)
        bounds = np.zeros(count, np.int64), np.full(count, len(mel) - 1)
        both = [gather_inputs(mel, rows, *bounds, config.differences) for rows in (pairs.target, pairs.context)]
        inputs.append(np.stack(both))
        songs.append(np.full(count, song))
    if not inputs:
        return None
    inputs, songs = np.concatenate(inputs, axis=2), np.concatenate(songs)  # (2, 1 or 3, pairs, bins), (pairs,)
    batch = min(config.batch_size, len(songs))
    order = draws.permutation(len(songs))[: len(songs) // batch * batch]
    batches = inputs[:, :, order].reshape(*inputs.shape[:2], -1, batch, corpus.bins)
    return HeldOut(np.moveaxis(batches, 2, 0), songs[order].reshape(-1, batch))
