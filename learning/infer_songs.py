"""Song vectors that training did not find: the noise that they begin as, and those of unseen songs, networks frozen."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterator

import numpy as np

from config import Config
from learning.model import ADAGRAD_EPSILON, Model, tf, unit
from learning.streams import Purpose, generator
from learning.views import gather_inputs
from learning.weights import NETWORKS

FIRST_SONG_DEVIATION = 0.1  # of a song vector's elements before training: small beside a frame's embedding
# Of a new song: pairs that are drawn; steps, and of each the pairs and the negatives. More of any bring the vectors of
# trained songs no nearer to those that training found (tests/benchmarks/RESULTS.md), and in many more steps than these
# a song is learned by heart, more than by training.
DRAWN, STEPS, PAIRS, NEGATIVES = 256, 64, 8, 64
SONGS_TOGETHER = 8


def first_song_vectors(names: list[str], config: Config) -> np.ndarray:
    """Return (songs, output_vector_size) float32 of small noise that depends on each song's name and the seed alone."""
    dims, seed = config.output_vector_size, config.seed.to_bytes(8, "little")
    vectors = np.empty((len(names), dims), np.float32)
    for row, name in enumerate(names):
        noise = hashlib.shake_128(seed + os.fsencode(name)).digest(dims)
        vectors[row] = np.frombuffer(noise, np.uint8)
    return FIRST_SONG_DEVIATION * (vectors - 127.5) / np.float32(256 / np.sqrt(12))  # uniform, of that deviation


class SongInference:
    """What finds the vectors of songs that training has not seen, compiled once.

    lengths  of each view, that its part of a vector is brought to: that of trained vectors, see `typical_lengths` of
             views.py. A vector's own says how long it was looked for, which would part the inferred from the trained.

    Positives are pairs of the song's own frames, drawn from its own content; negatives are the frames that were
    stored with the weights to stand for the corpus. So a vector depends on the song and the weights alone: songs go
    through in groups of one fixed size only for speed.
    """

    def __init__(self, model: Model, lengths: list[float] | None = None) -> None:
        self._model, self._lengths = model, lengths
        self._references = [model.embed_reference(view) for view in model.views]
        # Plain TensorFlow, no AutoGraph, as in model.py
        self._infer = tf.function(functools.partial(_infer_group, model), jit_compile=True, autograph=False)

    def vectors(self, mels: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the vector (dims,) float32 of each song, found with the networks frozen, by the objective of training.

        mels  (frames, mel_bins) each, at least a frame.
        """
        group: list[list[np.ndarray]] = []  # by song, by view
        for mel in mels:
            group.append(_drawn_inputs(self._model, mel))
            if len(group) == SONGS_TOGETHER:
                yield from self._vectors_of(group)
                group = []
        if group:
            yield from self._vectors_of(group)

    def _vectors_of(self, group: list[list[np.ndarray]]) -> np.ndarray:
        padded = group + [group[-1]] * (SONGS_TOGETHER - len(group))
        inputs = [tf.constant(np.stack(songs, axis=2)) for songs in zip(*padded, strict=True)]
        vectors = np.array(self._infer(self._model.parameters, inputs, self._references))[: len(group)]
        for view, length in zip(self._model.views, self._lengths or [], strict=bool(self._lengths)):
            part = vectors[:, view.dims]
            vectors[:, view.dims] = part * (length / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12))
        return vectors


def infer_song_vectors(
    model: Model, mels: Iterator[np.ndarray], lengths: list[float] | None = None
) -> Iterator[np.ndarray]:
    """Yield the vector (dims,) float32 of each song, as SongInference finds it."""
    return SongInference(model, lengths).vectors(mels)


def _drawn_inputs(model: Model, mel: np.ndarray) -> list[np.ndarray]:
    """Return of each view what the networks need of the positive pairs of a song: (2, 1 or 3, DRAWN, bins)."""
    digest = hashlib.blake2b(mel.data if mel.flags.c_contiguous else mel.tobytes(), digest_size=6).digest()
    draws = generator(0, Purpose.INFERENCE, int.from_bytes(digest, "little"))
    inputs = []
    for view in model.views:
        uniforms = draws.random((3, DRAWN))
        most = min(view.most_distance, len(mel) - 1)
        least = min(view.least_distance, most)
        distance = np.minimum(least + (uniforms[0] * (most - least + 1)).astype(np.int64), most)
        early = (uniforms[1] * (len(mel) - distance)).astype(np.int64)
        swap = uniforms[2] < 0.5
        bounds = np.zeros(DRAWN, np.int64), np.full(DRAWN, len(mel) - 1)
        frames, differences = view.frames(mel), model.config.differences
        sides = (early + distance * swap, early + distance * ~swap)  # targets, contexts
        inputs.append(np.stack([gather_inputs(frames, rows, *bounds, view.reach, differences) for rows in sides]))
    return inputs


def _infer_group(model: Model, parameters, inputs, references) -> tf.Tensor:
    """Of each view inputs (2, 1 or 3, songs, DRAWN, bins) and reference (frames, dims) -> (songs, all dims)."""
    config, frames = model.config, tf.shape(references[0])[0]
    dropout = config.frame_dropout
    embedded = []  # by view: e of the targets and c of the contexts, (songs, DRAWN, dims)
    for view, sides in zip(model.views, inputs, strict=True):
        rows = tf.reshape(sides, [*sides.shape[:2], SONGS_TOGETHER * DRAWN, sides.shape[-1]])
        both = (model.embeddings(parameters, view, name, rows[side]) for side, name in enumerate(NETWORKS))
        embedded.append([tf.reshape(each, [SONGS_TOGETHER, DRAWN, view.size]) for each in both])

    def cost(view, aim, context, negatives):  # aim (songs, 1 or pairs, dims)
        positive = model.logits(parameters, view, aim[:, :, None], context[:, :, None])  # (songs, pairs, 1, 1)
        negative = model.logits(parameters, view, aim, negatives)  # (songs, aims, negatives)
        # a sum over songs: the gradient of one song's vector must not depend on how many others there are
        return tf.reduce_sum(
            tf.reduce_mean(tf.nn.softplus(-positive), axis=[1, 2, 3])
            + tf.reduce_mean(tf.nn.softplus(negative), axis=[1, 2])
        )

    def one_more(step, vectors, squares):
        # others in each step: a vector can be fitted to a few, and then says nothing of the rest
        some = (step * NEGATIVES + tf.range(NEGATIVES)) % frames
        pairs = (step * PAIRS + tf.range(PAIRS)) % DRAWN
        total = 0.0
        with tf.GradientTape() as tape:
            tape.watch(vectors)
            for view, (targets, contexts), reference in zip(model.views, embedded, references, strict=True):
                negatives = tf.tile(tf.gather(reference, some)[None], [SONGS_TOGETHER, 1, 1])
                target, context = tf.gather(targets, pairs, axis=1), tf.gather(contexts, pairs, axis=1)
                alone = vectors[:, None, view.dims]  # the same for all pairs
                total += dropout * cost(view, alone, context, negatives)
                total += (1.0 - dropout) * cost(view, target + alone, context, negatives)
        gradient = tape.gradient(total, vectors)
        squares += tf.reduce_mean(tf.square(gradient), axis=1, keepdims=True)  # of all views, as in training
        vectors -= config.song_learning_rate * gradient * tf.math.rsqrt(squares + ADAGRAD_EPSILON)
        return step + 1, vectors, squares

    # From where the gradient of the dot product points, and as long as a song vector before training: from zero the
    # first gradient of a cosine would be immense, and Adagrad would hardly move after it.
    towards = [
        unit(tf.reduce_mean(contexts, axis=1) - tf.reduce_mean(reference, axis=0)) * contexts.shape[-1] ** 0.5
        for (_, contexts), reference in zip(embedded, references, strict=True)
    ]
    start = (tf.constant(0), FIRST_SONG_DEVIATION * tf.concat(towards, axis=1), tf.zeros([SONGS_TOGETHER, 1]))
    return tf.while_loop(lambda step, *_: step < STEPS, one_more, start)[1]
