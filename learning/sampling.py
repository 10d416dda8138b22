"""What is drawn from the songs: the pairs of each training step, those of the held-out cost, and frames to measure.

Every draw comes from (seed, purpose, index) alone, never from a generator that runs on. So a training that was stopped
and resumed draws what one that never stopped draws, and the held-out pairs are the same in every run. No TensorFlow.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from learning.pools import Corpus, Pool, Pools, read_pool
from learning.streams import HELD_OUT_CHOICE, Purpose, generator, uniform_of_name
from learning.views import View, gather_inputs

TILT_TERMS = 3  # cosine terms over the bins that make a random spectral tilt: all of it smooth
NOISE_ROWS = 4096  # of the table that input noise is taken from: drawing as many normal numbers anew costs as a network
HELD_OUT_SONGS = 1000  # songs that the held-out cost looks at, at most
HELD_OUT_PAIRS = 20_000  # pairs that the held-out cost uses, at most, whatever the corpus: noise far below a percent


@dataclass(frozen=True)
class Pairs:
    """Positive pairs as rows of a pool's views."""

    target: np.ndarray  # (pairs,) int64
    context: np.ndarray  # (pairs,) int64
    song: np.ndarray  # (pairs,) int64: place of their song in the pool


def draw_songs(pool: Pool, uniforms: np.ndarray) -> np.ndarray:
    """Turn uniform numbers in [0, 1) into songs, each as likely as any other, as places in a pool with one or more."""
    return (uniforms * len(pool.songs)).astype(np.int64)


def draw_pairs(pool: Pool, song: np.ndarray, uniforms: np.ndarray, least: int, most: int) -> Pairs:
    """Turn uniform numbers into positive pairs: two frames of a song, `least` to `most` apart, or nearer in short runs.

    song      (pairs,) places in the pool.
    uniforms  (pairs, 3) in [0, 1): they choose distance, place and which of the two is the target.
    A song with a single trainable frame pairs it with itself: better than a vector that stays noise.
    """
    a, b, c, d = pool.segments[song].T
    longest = np.maximum(b - a, d - c) - 1  # the largest distance of two frames in one run
    most = np.minimum(most, longest)
    least = np.minimum(least, most)
    distance = np.minimum(least + (uniforms[:, 0] * (most - least + 1)).astype(np.int64), most)
    places_before = np.maximum(b - a - distance, 0)
    places_after = np.maximum(d - c - distance, 0)
    place = (uniforms[:, 1] * (places_before + places_after)).astype(np.int64)
    early = np.where(place < places_before, a + place, c + place - places_before)
    late = early + distance
    swap = uniforms[:, 2] < 0.5
    return Pairs(np.where(swap, late, early), np.where(swap, early, late), song)


@dataclass
class Block:
    """Some successive training steps. All arrays have room for `most` steps; the first `steps` of them count."""

    steps: int
    pool_index: int
    pool: Pool
    inputs: np.ndarray  # (most, views, 2, 1 or 3, batch, bins): target and context frames, as of gather_inputs
    song: np.ndarray  # (most, batch) int32: place in the pool of the song that a pair of each view is of
    keep_frame: np.ndarray  # (most, batch, 1) float32: 0 where the frame's own embedding is left out of the pair
    tilt: np.ndarray  # (most, views, 2, batch, TILT_TERMS) float32 coefficients
    noise: np.ndarray  # (most, views, 2, batch) int32 rows of the table of input noise


def draw_block(pools: Pools, first_step: int, steps: int, most: int) -> Block | None:
    """Draw the steps [first_step, first_step + steps), which share a pool. None where no song could be read."""
    config, (pool_index, pool) = pools.corpus.config, pools.get(first_step)
    if not len(pool.songs):
        return None
    views, batch, variants = pools.corpus.views, config.batch_size, 3 if config.differences else 1
    block = Block(
        steps,
        pool_index,
        pool,
        np.zeros((most, len(views), 2, variants, batch, pools.corpus.bins), pool.views[0].dtype),
        np.zeros((most, batch), np.int32),
        np.zeros((most, batch, 1), np.float32),
        np.zeros((most, len(views), 2, batch, TILT_TERMS), np.float32),
        np.zeros((most, len(views), 2, batch), np.int32),
    )
    for place in range(steps):
        draws = generator(config.seed, Purpose.STEP, first_step + place)
        uniforms = draws.random((batch, 5))
        song = draw_songs(pool, uniforms[:, 0])
        block.song[place] = song
        block.keep_frame[place, :, 0] = uniforms[:, 4] >= config.frame_dropout
        for number, view in enumerate(views):
            of_pairs = uniforms[:, 1:4] if number == 0 else draws.random((batch, 3))
            pairs = draw_pairs(pool, song, of_pairs, view.least_distance, view.most_distance)
            block.inputs[place, number] = pair_inputs(pool, pairs, number, view, config.differences)
            if config.spectral_tilt:
                block.tilt[place, number] = draws.standard_normal((2, batch, TILT_TERMS), np.float32)
            if config.input_noise:
                block.noise[place, number] = draws.integers(0, NOISE_ROWS, (2, batch))
    return block


def pair_inputs(pool: Pool, pairs: Pairs, number: int, view: View, differences: bool) -> np.ndarray:
    """Return (2, 1 or 3, pairs, bins): what a view's networks need of the target and the context of each pair."""
    bounds = pool.first[pairs.song], pool.last[pairs.song]
    frames = pool.views[number]
    sides = [gather_inputs(frames, rows, *bounds, view.reach, differences) for rows in (pairs.target, pairs.context)]
    return np.stack(sides)


def blocks(pools: Pools, first_step: int, boundary, most: int) -> Iterator[Block | None]:
    """Yield block after block, for ever. None reaches across a pool's end, nor across the step boundary(first step)."""
    step = first_step
    while True:
        steps = min(most, pools.steps_left(step), boundary(step) - step)
        yield draw_block(pools, step, steps, most)
        step += steps


@dataclass(frozen=True)
class InputSample:
    """Frames of the corpus as one view has them, drawn song by song: for the inputs' mean and scale, and to stand for
    the corpus later."""

    mean: np.ndarray  # (bins,) float32
    scale: np.ndarray  # (bins,) float32, standard deviation
    difference_scale: np.ndarray  # (bins,) float32, standard deviation of the differences
    reference: np.ndarray  # (1 or 3, REFERENCE_FRAMES, bins): inputs of frames of the whole corpus


REFERENCE_FRAMES = 2048  # many more than a vector has dimensions, see infer_song_vectors
_SAMPLE_SONGS = 2000
_SAMPLE_FRAMES = 100  # a song
_LEAST_SCALE = 1e-3  # a bin that never changes must not be blown up


def sample_inputs(corpus: Corpus) -> list[InputSample]:
    """Measure the inputs of each view on 100 training frames each of at most 2000 songs.

    Raises ValueError if none is readable, or values are too large for float32, in which the networks compute.
    """
    config = corpus.config
    draws = generator(config.seed, Purpose.SAMPLE, 0)
    chosen = np.sort(draws.permutation(len(corpus.names))[:_SAMPLE_SONGS])
    positions = generator(config.seed, Purpose.SAMPLE, 1).random((len(chosen), 1))  # each song's excerpt is its own
    inputs: list[list[np.ndarray]] = [[] for _ in corpus.views]  # (3, frames, bins) each
    for song, position in zip(chosen, positions, strict=True):
        pool = read_pool(corpus, song[None], position)
        if not len(pool.songs):
            continue
        uniforms = draws.random((_SAMPLE_FRAMES, 4))
        pairs = draw_pairs(pool, draw_songs(pool, uniforms[:, 0]), uniforms[:, 1:], 1, 1)
        for number, view in enumerate(corpus.views):
            sides = pair_inputs(pool, pairs, number, view, True)
            with np.errstate(over="ignore", invalid="ignore"):
                changes = sides[0, 2].astype(np.float32) - sides[0, 1].astype(np.float32)
                finite = np.isfinite(sides[0].astype(np.float32)).all() and np.isfinite(changes).all()
            if not finite:
                raise ValueError(f"{corpus.names[song]} holds values too large for float32")
            inputs[number].append(sides[0])
    if not inputs[0]:
        raise ValueError("no song could be read")
    chosen_frames = draws.integers(0, sum(each.shape[1] for each in inputs[0]), REFERENCE_FRAMES)
    return [_measure(np.concatenate(each, axis=1), chosen_frames, config.differences) for each in inputs]


def _measure(inputs: np.ndarray, chosen_frames: np.ndarray, differences: bool) -> InputSample:
    frames, before, after = inputs.astype(np.float32)
    changes = after - before
    return InputSample(
        frames.mean(0, dtype=np.float64).astype(np.float32),
        np.maximum(frames.std(0, dtype=np.float64), _LEAST_SCALE).astype(np.float32),
        np.maximum(changes.std(0, dtype=np.float64), _LEAST_SCALE).astype(np.float32),
        inputs[: 3 if differences else 1, chosen_frames],
    )


@dataclass(frozen=True)
class HeldOut:
    """Positive pairs of the fine view, of frames that training never sees, in batches of one size."""

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
    chosen, view = held_out_songs(corpus), corpus.views[0]
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
        pool = Pool(np.array([song]), [mel], np.array([0]), np.array([len(mel) - 1]), block)
        count = min(HELD_OUT_PAIRS // len(chosen), 2 * view.most_distance * (stop - start))
        uniforms = draws.random((count, 4))
        pairs = draw_pairs(pool, np.zeros(count, np.int64), uniforms[:, 1:], view.least_distance, view.most_distance)
        inputs.append(pair_inputs(pool, pairs, 0, view, config.differences))
        songs.append(np.full(count, song))
    if not inputs:
        return None
    inputs, songs = np.concatenate(inputs, axis=2), np.concatenate(songs)  # (2, 1 or 3, pairs, bins), (pairs,)
    batch = min(config.batch_size, len(songs))
    order = draws.permutation(len(songs))[: len(songs) // batch * batch]
    batches = inputs[:, :, order].reshape(*inputs.shape[:2], -1, batch, corpus.bins)
    return HeldOut(np.moveaxis(batches, 2, 0), songs[order].reshape(-1, batch))
