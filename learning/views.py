"""How the networks see a song: by its frames, and by coarse frames, each the mean of several. No TensorFlow.

A frame and its neighbours tell of timbre, coarse frames of what it becomes: a note's attack and decay, a phrase, a
rhythm. Each view has networks and a part of the song vector of its own. The two parts together tell more than twice as
many dimensions of either (tests/benchmarks/RESULTS.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from config import Config
from utils import UserError

DIFFERENCE_REACH = 2  # of a view's own frames; x[t + 2] - x[t - 2] is the difference fed beside x[t]
FOLLOWING_KEYS = ("window_seconds", "coarse_seconds", "output_vector_size")  # go with a resolution, if not given
LEAST_WINDOW_HOPS = 4  # of a resolution that is none of the shipped ones
COARSE_WINDOW = 4  # coarse frames; a positive pair of them lies 1 to so many apart, so that they share no frame


@dataclass(frozen=True)
class View:
    """One way to see a song. All distances are in frames of the mel."""

    prefix: str  # of the names of its arrays
    hops: int  # one of its frames is the mean of so many of the mel's; there is one at every hop nonetheless
    least_distance: int  # of the two frames of a positive pair
    most_distance: int
    dims: slice  # its part of a song vector

    @property
    def size(self) -> int:
        """How many dimensions it has."""
        return self.dims.stop - self.dims.start

    @property
    def reach(self) -> int:
        """How far the difference fed beside a frame looks to both sides."""
        return DIFFERENCE_REACH * self.hops

    def frames(self, mel: np.ndarray) -> np.ndarray:
        """Return the frames of a song, or of an excerpt, as this view has them: (frames, bins) of the type of the mel.

        The mean of `hops` frames around each one; at the edges the nearest frame stands in for those beyond.
        """
        if self.hops == 1 or not len(mel):
            return mel
        # Sums of its own for each frame: of a running sum one huge value would leave its rounding in all that follow
        exact = np.promote_types(mel.dtype, np.float32)
        padded = np.pad(mel.astype(exact), [(self.hops // 2, (self.hops - 1) // 2), (0, 0)], mode="edge")
        total = np.zeros(mel.shape, exact)
        with np.errstate(over="ignore"):
            for shift in range(self.hops):
                total += padded[shift : shift + len(mel)]
        return (total / self.hops).astype(mel.dtype)


def views_of(config: Config) -> list[View]:
    """Return the views of a configuration: the fine one, and the coarse one where its frames are more than one each."""
    hops, dims = config.coarse_hops, config.output_vector_size
    coarse_dims = dims // 2 if hops > 1 else 0
    views = [View("", 1, 1, config.window, slice(0, dims - coarse_dims))]
    if coarse_dims:
        views.append(View("coarse_", hops, hops, COARSE_WINDOW * hops, slice(dims - coarse_dims, dims)))
    return views


def typical_lengths(views: Sequence[View], vectors: np.ndarray) -> list[float]:
    """Return of each view the median length of its part of trained song vectors, (songs, dims)."""
    return [float(np.median(np.linalg.norm(vectors[:, view.dims], axis=1))) for view in views]


def gather_inputs(
    frames: np.ndarray, rows: np.ndarray, first: np.ndarray, last: np.ndarray, reach: int, differences: bool
) -> np.ndarray:
    """Return what the networks need of some frames, (1 or 3, rows, bins): x[t]; with differences x[t - r] and x[t + r].

    frames       (all frames, bins) of a view, song after song.
    first, last  (rows,) the bounds of each frame's song in frames: at its edges the nearest frame stands in.
    reach        r.
    """
    if not differences:
        return frames[rows][None]
    return frames[np.stack([rows, np.maximum(rows - reach, first), np.minimum(rows + reach, last)])]


def keys_that_go_with(hop_seconds: float, given: Mapping[str, object], shipped: Sequence[Config]) -> dict[str, object]:
    """Return what the trainer's configuration takes from the resolution of a mel folder where nobody says otherwise.

    That is how far apart two frames of a positive pair may lie, how long coarse frames are, and the dimensions that
    they need: those of a shipped configuration with coarse frames where there are any, else of one without.

    given    keys that have a value already.
    shipped  the configurations that a resolution may be of; that of the same hop decides, else the nearest in ratio.
    """
    nearest = min(shipped, key=lambda config: abs(math.log(config.hop_seconds / hop_seconds)))
    keys: dict[str, object] = {key: getattr(nearest, key) for key in FOLLOWING_KEYS} | dict(given)
    if nearest.hop_seconds != hop_seconds and "window_seconds" not in given:
        keys["window_seconds"] = max(nearest.window_seconds, LEAST_WINDOW_HOPS * hop_seconds)
    if "output_vector_size" not in given:
        alike = [config for config in shipped if bool(config.coarse_seconds) == bool(keys["coarse_seconds"])]
        keys["output_vector_size"] = alike[0].output_vector_size
    return keys


def refuse_useless_coarse_frames(config: Config) -> None:
    """Raise UserError where coarse_seconds asks for what cannot be."""
    if config.coarse_seconds and config.coarse_hops < 2:
        raise UserError(
            f"coarse_seconds: {config.coarse_seconds:g} is not two of the mel folder's hop_seconds: "
            f"{config.hop_seconds:g}; use a greater one, or coarse_seconds: 0 for none"
        )
    if config.coarse_seconds and config.output_vector_size < 2:
        raise UserError(
            f"output_vector_size: {config.output_vector_size} leaves no dimension for coarse frames; use a greater "
            "one, or coarse_seconds: 0 for none"
        )
