"""The arrays of a model's state: their names and shapes, and their values before training. No TensorFlow."""

from __future__ import annotations

import numpy as np

from config import Config
from learning.sampling import InputSample
from learning.streams import Purpose, generator
from learning.views import views_of

FIRST_COSINE_SCALE = 5.0  # inverse temperature before it is learned

NETWORKS = ("target", "context")  # of each view, as the names of their arrays begin
MEASURES = ("input_mean", "input_scale", "difference_scale")  # of a view's inputs


def parameter_shapes(config: Config, bins: int) -> dict[str, tuple[int, ...]]:
    """Return the name and shape of everything that Adam learns."""
    inputs = bins * (2 if config.differences else 1)
    shapes: dict[str, tuple[int, ...]] = {}
    for view in views_of(config):
        for network in NETWORKS:
            name = view.prefix + network
            shapes[f"{name}_hidden_weights"] = (inputs, config.hidden_size)
            shapes[f"{name}_hidden_bias"] = (config.hidden_size,)
            shapes[f"{name}_output_weights"] = (config.hidden_size, view.size)
            shapes[f"{name}_output_bias"] = (view.size,)
        shapes |= {f"{view.prefix}log_scale": (), f"{view.prefix}bias": ()}
    return shapes


def state_shapes(config: Config, bins: int) -> dict[str, tuple[int | None, ...]]:
    """Return the name and shape of every array of a model's state; None is a length that the state itself says."""
    learned = parameter_shapes(config, bins)
    shapes: dict[str, tuple[int | None, ...]] = {"step": ()}
    shapes |= {prefix + name: shape for prefix in ("", "adam_mean_", "adam_square_") for name, shape in learned.items()}
    for view in views_of(config):
        shapes |= {view.prefix + name: (bins,) for name in MEASURES}
        shapes[f"{view.prefix}reference"] = (3 if config.differences else 1, None, bins)
    return shapes


def first_weights(config: Config, bins: int, samples: list[InputSample]) -> dict[str, np.ndarray]:
    """Return the state of untrained networks: parameters, Adam's state, and the measures of the inputs of each view.

    Hidden weights as He et al. 2015, output weights so that an embedding's elements have unit variance.
    """
    state: dict[str, np.ndarray] = {}
    for index, (name, shape) in enumerate(parameter_shapes(config, bins).items()):
        draws = generator(config.seed, Purpose.FIRST_WEIGHTS, index)
        deviation = 0.0 if len(shape) < 2 else np.sqrt(2.0 / shape[0])
        state[name] = (deviation * draws.standard_normal(shape)).astype(np.float32)
        state[f"adam_mean_{name}"] = np.zeros(shape, np.float32)
        state[f"adam_square_{name}"] = np.zeros(shape, np.float32)
    state["step"] = np.array(0, np.int64)
    for view, sample in zip(views_of(config), samples, strict=True):
        scale = FIRST_COSINE_SCALE if config.logit == "cosine" else view.size**-0.5
        state[f"{view.prefix}log_scale"] = np.array(np.log(scale), np.float32)
        measured = (sample.mean, sample.scale, sample.difference_scale, sample.reference)
        state |= {view.prefix + name: array for name, array in zip((*MEASURES, "reference"), measured, strict=True)}
    return state
