"""The same model written the plain way, for comparison: what somebody who knows TensorFlow writes on the first day.

The whole corpus is one constant tensor, a step is one call with one batch, half of a batch are positive pairs and half
pairs of random frames, inputs are raw log-mel, and a dense Adam moves everything, every song vector included.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from learning.model import tf  # the same TensorFlow, its greetings kept from stderr
from mels.mel_folder import list_mels, read_mel

BATCH, HIDDEN, DIMS, WINDOW, LEARNING_RATE = 1024, 512, 80, 4, 0.001


def train_plain(mel_folder: Path, seconds: float, seed: int) -> tuple[list[str], np.ndarray, float]:
    """Train for so long; return the songs' names, their vectors (songs, DIMS), and the steps a second."""
    mels = list_mels(mel_folder)
    songs = [read_mel(mel_folder / name).astype(np.float32) for name in mels.names]
    lengths = np.array([len(mel) for mel in songs])
    first = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    corpus = tf.constant(np.concatenate(songs))  # (frames, bins)
    song_of_frame = np.repeat(np.arange(len(songs)), lengths)
    draws = np.random.default_rng(seed)
    tf.random.set_seed(seed)

    def dense(inputs, outputs):
        return tf.Variable(tf.random.normal((inputs, outputs), stddev=inputs**-0.5)), tf.Variable(tf.zeros(outputs))

    target_layers = [*dense(mels.bins, HIDDEN), *dense(HIDDEN, DIMS)]
    context_layers = [*dense(mels.bins, HIDDEN), *dense(HIDDEN, DIMS)]
    vectors, bias = tf.Variable(tf.random.normal((len(songs), DIMS), stddev=0.1)), tf.Variable(0.0)
    variables = [*target_layers, *context_layers, vectors, bias]
    optimizer = tf.keras.optimizers.Adam(LEARNING_RATE)
    optimizer.build(variables)

    def network(layers, frames):
        return tf.nn.relu(frames @ layers[0] + layers[1]) @ layers[2] + layers[3]

    @tf.function
    def step(target, context, song, label):
        with tf.GradientTape() as tape:
            target = network(target_layers, tf.gather(corpus, target)) + tf.gather(vectors, song)
            context = network(context_layers, tf.gather(corpus, context))
            logits = tf.reduce_sum(target * context, axis=1) / DIMS**0.5 + bias
            cost = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(label, logits))
        gradients = [tf.convert_to_tensor(gradient) for gradient in tape.gradient(cost, variables)]
        optimizer.apply_gradients(zip(gradients, variables, strict=True))

    label = np.repeat(np.float32([1, 0]), BATCH // 2)

    def one_step():
        song = draws.integers(0, len(songs), BATCH // 2)
        place = (draws.random(BATCH // 2) * lengths[song]).astype(int)
        distance = draws.integers(1, WINDOW + 1, BATCH // 2) * draws.choice([-1, 1], BATCH // 2)
        near = np.clip(place + distance, 0, lengths[song] - 1)
        target = np.concatenate([first[song] + place, draws.integers(0, len(song_of_frame), BATCH // 2)])
        context = np.concatenate([first[song] + near, draws.integers(0, len(song_of_frame), BATCH // 2)])
        step(*(tf.constant(array) for array in (target, context, song_of_frame[target], label)))

    one_step()  # traces
    steps, started = 0, time.monotonic()
    while time.monotonic() - started < seconds:
        one_step()
        steps += 1
    return mels.names, vectors.numpy(), steps / (time.monotonic() - started)
