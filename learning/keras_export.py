"""The frame network of a run as one Keras file, of standard layers alone: it loads and runs without this project."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from config import Config
from files import write_file
from learning.model import tf
from learning.views import View, views_of


def frame_network(config: Config, state: dict[str, np.ndarray]) -> tf.keras.Model:
    """Return what `Model.embed` computes as a Keras model: (frames, mel_bins) -> (frames, output_vector_size) float32.

    state  what `Model.state` returns.
    """
    mel = tf.keras.Input((state["input_mean"].shape[0],), name="mel")  # the axis of batches is that of frames
    views = [_embed(view, _frames(view, mel, state), config, state) for view in views_of(config)]
    return tf.keras.Model(mel, views[0] if len(views) == 1 else tf.keras.ops.concatenate(views, axis=1))


def save_frame_network(path: Path, config: Config, state: dict[str, np.ndarray]) -> None:
    """Write `frame_network` to a file that keras.models.load_model reads with no custom objects."""
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "frames.keras"
        frame_network(config, state).save(whole)
        write_file(path, whole.read_bytes())


def _frames(view: View, mel, state: dict[str, np.ndarray]):
    """Return the frames of a view, as `View.frames` computes them."""
    if view.hops == 1:
        return mel
    ops = tf.keras.ops
    total = 0.0
    for shift in range(-(view.hops // 2), (view.hops - 1) // 2 + 1):
        total = total + _neighbours(mel, shift)
    # In float64, as a compiler may divide by multiplying, and what is rounded below must not differ in its last bit
    mean = ops.cast(ops.cast(total, "float64") / float(view.hops), "float32")
    # rounded as the mels were that the run learned from: float16, unless they are features of somebody's own
    kind = state[f"{view.prefix}reference"].dtype.name
    return ops.cast(ops.cast(mean, kind), "float32")


def _embed(view: View, frames, config: Config, state: dict[str, np.ndarray]):
    """Return e of the frames of a view."""

    def standardised(values, mean, scale, name: str):
        return tf.keras.layers.Normalization(
            mean=mean, variance=scale.astype(np.float64) ** 2, name=f"{view.prefix}{name}"
        )(values)

    def dense(inputs, name: str, activation: str | None = None):
        weights, bias = (state[f"{view.prefix}target_{name}_{part}"] for part in ("weights", "bias"))
        layer = tf.keras.layers.Dense(len(bias), activation, name=f"{view.prefix}{name}")
        outputs = layer(inputs)
        layer.set_weights([weights, bias])
        return outputs

    mean, scale, difference_scale = (
        state[view.prefix + name] for name in ("input_mean", "input_scale", "difference_scale")
    )
    features = standardised(frames, mean, scale, "spectrum")
    if config.differences:
        difference = _neighbours(frames, view.reach) - _neighbours(frames, -view.reach)
        standard = standardised(difference, np.zeros_like(mean), difference_scale, "difference")
        features = tf.keras.ops.concatenate([features, standard], axis=1)
    return dense(dense(features, "hidden", "relu"), "output")


def _neighbours(frames, shift: int):
    """Return for each frame the one so many behind it, (frames, bins); at the edges the nearest stands in."""
    ops = tf.keras.ops
    one_each = ops.ones_like(ops.max(frames, axis=1), dtype="int32")  # (frames,): their number is known when it runs
    place, last = ops.cumsum(one_each) - 1, ops.sum(one_each) - 1
    return ops.take(frames, ops.maximum(ops.minimum(place + shift, last), 0), axis=0)
