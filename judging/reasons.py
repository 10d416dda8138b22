"""Why two tracks are close: the stretches of both that are most alike, and the mel bands that make them so.

Stretches are compared by their mean frame vectors. Bands are found by occlusion (Zeiler and Fergus 2014, Visualizing
and understanding convolutional networks), turned round: all is hidden from the networks but one band, and what both
tracks still have in common is of that band. Hiding one band and looking at how much the likeness falls tells less, as
the networks know a sound by the other bands too: of bands that were planted into real tracks it finds fewer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Embed = Callable[[np.ndarray], np.ndarray]  # the mel of a track (frames, mel_bins) -> (frames, dims), in one call

SPANS_OF_A_TRACK = 20  # a stretch is at first so much of the shorter track, ...
LEAST_SPAN_SECONDS = 0.5  # ... but not less than this: shorter ones are alike by chance, ...
MOST_SPAN_SECONDS = 3.0  # ... and not more than this. It grows to both sides
STEPS_OF_A_SPAN = 4  # stretches begin so often in the length of one
MOST_PLACES = 2000  # where stretches begin, in one track: in very long ones they begin more seldom
MOST_FRAMES = 60_000  # looked at, of one track: of longer ones, excerpts
EXCERPT_FRAMES = 1500
LEAST_ALIKE = 0.6  # of the best place's cosine, ...
MOST_ALIKE = 0.97  # ... and of all pairs of places so many are less alike: a stretch grows while its cosines lie higher
ROUNDING = 1e-4  # of a cosine: where all places are alike, one stretch goes over all of them
SILENCE = 6.9  # natural log of magnitude below a track's loudest, 60 dB: silence is no reason
MARGIN_SECONDS = 2.0  # of context to both sides of what is embedded anew: more than the coarse frames see
OCCLUDED_SECONDS = 10.0  # of a stretch, its middle: enough to tell the bands
BAND_BINS = 8  # mel bins that are shown together
BAND_SHARE = 0.8  # of the greatest likeness: what reaches it belongs to the bands, neighbours to one
MOST_BANDS = 3


@dataclass(frozen=True)
class Reason:
    """A stretch of one track that is like one of another."""

    seconds_a: tuple[float, float]  # from, to
    seconds_b: tuple[float, float]
    cosine: float  # of the mean frame vectors there, less what all frames share
    bands_hz: list[tuple[float, float]]  # lower and upper edge; what matters most first, none where nothing does


def reasons(
    mel_a: np.ndarray,
    mel_b: np.ndarray,
    embed: Embed,
    hop_seconds: float,
    frame_seconds: float,
    edges_hz: np.ndarray,
    count: int,
    others: np.ndarray | None = None,
) -> list[Reason]:
    """Return at most `count` stretches in which two tracks are alike, long and very alike ones first.

    mel_a     (frames, mel_bins) natural log of mel magnitude, at least one frame; mel_b likewise.
    embed     see Embed; TrainedRun.frame_vectors is one.
    edges_hz  (mel_bins + 2,) as mels.log_mel.mel_edges_hz has them.
    others    (frames, mel_bins) of other tracks, one after the other: what is common in the collection is no reason.
              None: of these two.
    Returns   stretches no two of which overlap, in neither track; half a second and more, or the whole of a short
              sound. Fewer than `count` where there is no room, or nothing more is alike: a cosine of 0 and less.
    """
    a, b = np.asarray(mel_a, np.float32), np.asarray(mel_b, np.float32)
    stand_in = np.concatenate([a, b]) if others is None or not len(others) else np.asarray(others, np.float32)
    shorter, longer = sorted((len(a), len(b)))
    seconds = np.clip(shorter * hop_seconds / SPANS_OF_A_TRACK, LEAST_SPAN_SECONDS, MOST_SPAN_SECONDS)
    span = max(1, round((seconds - frame_seconds) / hop_seconds) + 1)
    step = max(1, span // STEPS_OF_A_SPAN, -(-longer // MOST_PLACES))
    occlusion = _Occlusion(embed, stand_in, max(1, round(MARGIN_SECONDS / hop_seconds)))
    places_a, places_b = (_places(mel, embed, occlusion.common, span, step) for mel in (a, b))
    most = max(1, round(OCCLUDED_SECONDS / hop_seconds))
    found = []
    for stretch_a, stretch_b, cosine in _alike(places_a, places_b, count):
        likenesses = occlusion.likenesses(a, _middle(stretch_a, most), b, _middle(stretch_b, most))
        spans = [
            (start * hop_seconds, (stop - 1) * hop_seconds + frame_seconds) for start, stop in (stretch_a, stretch_b)
        ]
        found.append(Reason(spans[0], spans[1], cosine, _bands(likenesses, edges_hz)))
    return found


@dataclass(frozen=True)
class _Places:
    """Where stretches of a track may begin, and what they are like."""

    span: int  # frames of each; fewer only where the track has no more
    starts: np.ndarray  # (places,) int64 frames
    means: np.ndarray  # (places, dims) float32: mean frame vectors, less what all share; silent frames count as 0
    follows: np.ndarray  # (places,) bool: whether the place before is one step before
    is_silent: np.ndarray  # (places,) bool: more than half of it


def _places(mel: np.ndarray, embed: Embed, common: np.ndarray, span: int, step: int) -> _Places:
    span = min(span, len(mel))
    levels = mel.max(axis=1)
    is_heard = levels >= levels.max() - SILENCE
    starts, means, follows, heard = [], [], [], []
    for first, stop in _excerpts(len(mel), span):
        vectors = (embed(mel[first:stop]) - common) * is_heard[first:stop, None]
        begins = np.arange(0, stop - first - span + 1, step)
        sums = np.cumsum(np.vstack([np.zeros_like(vectors[:1]), vectors]), axis=0, dtype=np.float64)
        starts.append(first + begins)
        means.append((sums[begins + span] - sums[begins]) / span)
        follows.append(begins > 0)
        heard.append(np.lib.stride_tricks.sliding_window_view(is_heard[first:stop], span)[begins].mean(axis=1))
    share = np.concatenate(heard)
    means = np.concatenate(means).astype(np.float32)
    return _Places(span, np.concatenate(starts), means, np.concatenate(follows), share < min(0.5, share.max()))


def _excerpts(frames: int, span: int) -> list[tuple[int, int]]:
    """Return what is looked at of a track, first frames and those behind the last: all of it, if it is not too long."""
    if frames <= MOST_FRAMES:
        return [(0, frames)]
    size = max(EXCERPT_FRAMES, span)
    firsts = np.linspace(0, frames - size, max(1, MOST_FRAMES // size)).astype(np.int64)
    return [(int(first), int(first) + size) for first in firsts]


Stretch = tuple[int, int]  # first frame, and the one behind the last


def _alike(a: _Places, b: _Places, count: int) -> list[tuple[Stretch, Stretch, float]]:
    """Return the stretches of both that are most alike, long ones first, and their cosines."""
    cosines = _unit(a.means) @ _unit(b.means).T
    cosines[a.is_silent] = -np.inf
    cosines[:, b.is_silent] = -np.inf
    best = cosines.max()
    usual = np.quantile(cosines[cosines > -np.inf], MOST_ALIKE)
    least = max(LEAST_ALIKE * best, min(usual, best - ROUNDING))
    found = []
    while len(found) < count and cosines.max() >= max(1e-6, least):
        row, column, length = _best_run(cosines - least, a.follows, b.follows)
        stretches, means = [], []
        for places, first in ((a, row), (b, column)):
            start, stop = places.starts[first], places.starts[first + length - 1] + places.span
            stretches.append((int(start), int(stop)))
            means.append(_unit(places.means[first : first + length].mean(axis=0)))
            overlaps = (places.starts < stop) & (places.starts + places.span > start)
            cosines[(overlaps, slice(None)) if places is a else (slice(None), overlaps)] = -np.inf
        found.append((*stretches, float(np.clip(means[0] @ means[1], -1, 1))))
    return found


def _best_run(gains: np.ndarray, row_follows: np.ndarray, column_follows: np.ndarray) -> tuple[int, int, int]:
    """Return the run along a diagonal whose sum is largest, as local alignment without gaps (Smith and Waterman 1981).

    Returns the first row, the first column, and how many.
    """
    best, found = -np.inf, (0, 0, 1)
    sums, lengths = np.zeros(gains.shape[1]), np.zeros(gains.shape[1], np.int64)
    for row, gain in enumerate(gains):
        goes_on = column_follows[1:] & row_follows[row] & (sums[:-1] > 0)
        sums = gain + np.concatenate([[0.0], np.where(goes_on, sums[:-1], 0.0)])
        lengths = 1 + np.concatenate([[0], np.where(goes_on, lengths[:-1], 0)])
        column = int(sums.argmax())
        if sums[column] > best:
            best, length = sums[column], int(lengths[column])
            found = (row - length + 1, column - length + 1, length)
    return found


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)


def _middle(stretch: Stretch, most: int) -> Stretch:
    start, stop = stretch
    start += max(0, stop - start - most) // 2
    return start, min(stop, start + most)


class _Occlusion:
    """Frame vectors of a stretch with most of its mel bins hidden: replaced by their mean over the collection."""

    def __init__(self, embed: Embed, others: np.ndarray, margin: int) -> None:
        self.embed, self.margin = embed, margin
        self.common = embed(others[:MOST_FRAMES]).mean(axis=0, dtype=np.float64)  # (dims,) what all frames share
        self.stand_in = others.mean(axis=0, dtype=np.float64).astype(np.float32)  # (mel_bins,)

    def likenesses(self, a: np.ndarray, stretch_a: Stretch, b: np.ndarray, stretch_b: Stretch) -> np.ndarray:
        """Return how alike two stretches are where all but one group of bins is hidden: (groups,) float64.

        The cosine of what each group alone makes of the two mean frame vectors, times the root of the shorter one's
        length: a group in which both are as the collection is makes them alike in nothing.
        """
        in_a, in_b = self._shown(a, stretch_a), self._shown(b, stretch_b)
        lengths = np.minimum(np.linalg.norm(in_a, axis=1), np.linalg.norm(in_b, axis=1))
        return np.vecdot(_unit(in_a), _unit(in_b)) * np.sqrt(lengths)

    def _shown(self, mel: np.ndarray, stretch: Stretch) -> np.ndarray:
        """Return what each group of bins adds to the mean frame vector of a stretch where all else is hidden."""
        rows = np.clip(np.arange(stretch[0] - self.margin, stretch[1] + self.margin), 0, len(mel) - 1)
        groups = range(0, mel.shape[1], BAND_BINS)
        versions = np.tile(self.stand_in, (1 + len(groups), len(rows), 1))  # of the first one nothing is shown
        for version, first in zip(versions[1:], groups, strict=True):
            version[:, first : first + BAND_BINS] = mel[rows, first : first + BAND_BINS]
        # in one call, one after the other: where they meet lies their margins
        vectors = self.embed(versions.reshape(-1, mel.shape[1])).reshape(len(versions), len(rows), -1)
        means = vectors[:, self.margin : -self.margin].mean(axis=1, dtype=np.float64)
        return means[1:] - means[0]


def _bands(likenesses: np.ndarray, edges_hz: np.ndarray) -> list[tuple[float, float]]:
    """Return the bands in which two stretches are most alike; neighbouring groups are one band."""
    matters = (likenesses > 0) & (likenesses >= BAND_SHARE * likenesses.max())
    changes = np.flatnonzero(np.diff(np.concatenate([[0], matters, [0]]))).reshape(-1, 2)  # first, and behind the last
    bands = sorted(changes.tolist(), key=lambda band: -likenesses[band[0] : band[1]].max())[:MOST_BANDS]
    bins = len(edges_hz) - 2
    return [(float(edges_hz[BAND_BINS * i]), float(edges_hz[min(BAND_BINS * j, bins) + 1])) for i, j in bands]
