"""How the networks see a song: by its frames, and by coarse frames, each the mean of several. No TensorFlow.

A frame and its neighbours tell of timbre, coarse frames of what it becomes: a note's attack and decay, a phrase, a
rhythm. Each view has networks and a part of the song vector of its own. The two parts together tell more than twice as
many dimensions of either (tests/benchmarks/RESULTS.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from config import Config

DIFFERENCE_REACH = 2  # of a view's own frames; x[t + 2] - x[t - 2] is the difference fed beside x[t]
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
        padded = np.pad(mel, [(self.hops // 2, (self.hops - 1) // 2), (0, 0)], mode="edge")
        total = np.zeros(mel.shape, np.promote_types(mel.dtype, np.float32))
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
