"""Whether two mels are of one recording: other bitrate, format or loudness, silence trimmed or added, or a cut of it.

What two takes, two notes of one instrument or two showers of rain have in common are their levels and how these rise
and fall. What only one recording has is its fine structure: each bin of each frame against the bins and the frames
around it. That is correlated at every offset; at the best one the smoothed levels must agree too, but for one gain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RANGE = 7.0  # nats below a mel's peak, 61 dB: codecs leave out what is softer
CONTRAST_SECONDS = 1.0  # an onset stands out from so long a time around it, a steady tone does not
CONTRAST_SHARE = 0.2  # of all bins: a partial stands out from so many around it, the tilt of a filter does not
SMOOTH_FRAMES = 5  # levels are compared over so many frames: mels of shifted audio differ in single ones
LEAST_FRAMES = 4  # of the shorter mel: fewer say nothing
LEAST_SHARE = 0.5  # of the shorter mel that must lie in the other
LEAST_SCORE = 0.1  # of a proof where smoothed levels are the same, and ...
SCORE_OF_FEW = 2.0  # ... this more, divided by the frames that count: of a word two takes agree in those few; but ...
MOST_SCORE = 0.65  # ... never more than this, and ...
SCORE_PER_NAT = 2.5  # ... this for each nat by which smoothed levels differ
BANDS = 8  # of a sketch
AUDIBLE = 1.5  # nats above the softest level: a frame of silence, or of what a codec makes of it, has no such bin
SKETCH_SCORE = 0.2  # those of one recording had 0.38 and more, of other songs by the same artist 0.14 and less


@dataclass(frozen=True)
class Match:
    """Where one recording lies in another file."""

    offset_seconds: float  # where b begins in a; negative where b begins before it
    overlap_seconds: float
    share: float  # of the shorter one that lies in the other, in (0, 1]
    score: float  # correlation of the fine structure along the overlap, in [-1, 1]


@dataclass(frozen=True)
class Alignment:
    """Two mels at the offset at which their fine structures agree best."""

    offset: int  # frames
    overlap: int  # frames
    share: float  # as in Match
    score: float  # as in Match
    difference: float  # nats: median difference of smoothed levels, beyond one gain
    counting: float  # frames that agree, as many independent ones as they are worth


@dataclass(frozen=True)
class Prepared:
    """What `align` needs of a mel, for those that are compared with many."""

    levels: np.ndarray  # (frames, mel_bins) float32 nats, nothing further than RANGE below the peak
    fine: np.ndarray  # (frames, mel_bins) float32


def prepare(mel: np.ndarray, hop_seconds: float) -> Prepared:
    """Return a mel (frames, mel_bins), at least one frame, without its loudness, and its fine structure."""
    from scipy.ndimage import uniform_filter1d

    levels = np.asarray(mel, np.float32)
    levels = np.maximum(levels - levels.max(), -RANGE)
    times, bins = odd(CONTRAST_SECONDS / hop_seconds), odd(CONTRAST_SHARE * levels.shape[1])
    fine = levels - uniform_filter1d(levels, times, axis=0, mode="nearest")
    return Prepared(levels, fine - uniform_filter1d(fine, bins, axis=1, mode="nearest"))


def odd(length: float) -> int:
    """Return the odd number at or above a length, at least 3: windows have a middle."""
    return max(3, round(length) | 1)


def correlate(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return offsets of b in a (frames), overlaps (frames) and correlations, for all of LEAST_SHARE or more.

    a, b  fine structures (frames, mel_bins) float32. A correlation is 0 where one of them is silent.
    """
    from scipy.fft import irfft, next_fast_len, rfft

    size = next_fast_len(len(a) + len(b) - 1, real=True)
    products = np.einsum("fb,fb->f", rfft(a, size, axis=0), rfft(b, size, axis=0).conj())
    offsets = np.arange(1 - len(b), len(a))
    first, last = np.maximum(offsets, 0), np.minimum(len(a), offsets + len(b))
    overlaps = last - first
    energy_a, energy_b = (np.cumsum([0.0, *np.einsum("fb,fb->f", x, x)]) for x in (a, b))
    energies = (energy_a[last] - energy_a[first]) * (energy_b[last - offsets] - energy_b[first - offsets])
    correlations = irfft(products, size)[offsets] / np.sqrt(np.maximum(energies, 1e-3))  # negative ones lie at the end
    kept = overlaps >= max(LEAST_FRAMES, np.ceil(LEAST_SHARE * min(len(a), len(b))))
    return offsets[kept], overlaps[kept], np.clip(correlations[kept], -1, 1)


def align(a: Prepared, b: Prepared) -> Alignment | None:
    """Return the offset at which b agrees with a best; None where one of them is too short."""
    offsets, overlaps, correlations = correlate(a.fine, b.fine)
    if not len(offsets):
        return None
    best = int((correlations * np.sqrt(overlaps)).argmax())  # of equal ones the longer is less likely by chance
    offset, overlap = int(offsets[best]), int(overlaps[best])
    share = overlap / min(len(a.fine), len(b.fine))
    rows_a, rows_b = overlapping(offset, overlap)
    apart = difference(a.levels[rows_a], b.levels[rows_b])
    counting = counting_frames(a.fine[rows_a], b.fine[rows_b])
    return Alignment(offset, overlap, share, float(correlations[best]), apart, counting)


def overlapping(offset: int, overlap: int) -> tuple[slice, slice]:
    """Return the frames of a and those of b that lie upon each other."""
    start = max(offset, 0)
    return slice(start, start + overlap), slice(start - offset, start - offset + overlap)


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """Return by how many nats smoothed levels differ beyond one gain: the median, so that a low-pass is forgiven.

    a, b  levels (frames, mel_bins) that lie upon each other. Where both are silent nothing is compared: inf.
    """
    from scipy.ndimage import uniform_filter1d

    heard = np.maximum(a, b) > -RANGE
    if not heard.any():
        return np.inf
    one, other = (uniform_filter1d(x, SMOOTH_FRAMES, axis=0, mode="nearest") for x in (a, b))
    apart = (one - other)[heard]
    return float(np.median(np.abs(apart - np.median(apart))))


def counting_frames(a: np.ndarray, b: np.ndarray) -> float:
    """Return in how many independent frames fine structures (frames, mel_bins) agree that lie upon each other.

    Few where the agreement is one onset's; and few where each frame is like the one before, as in a steady tone.

    Reference  Bartlett 1946, On the theoretical specification and sampling properties of autocorrelated time-series.
    """
    agreement = np.maximum(np.einsum("fb,fb->f", a, b), 0)
    if not agreement.any():
        return 0.0
    frames = agreement.sum() ** 2 / np.einsum("f,f->", agreement, agreement)
    steady = max(0.0, *(float(np.vdot(x[1:], x[:-1]) / max(np.vdot(x, x), 1e-9)) for x in (a, b)))
    return float(frames * (1 - steady) / (1 + steady))


def is_proof(found: Alignment) -> bool:
    """Tell whether an alignment shows one recording.

    The less levels agree, and the fewer frames count, the more must the fine structure agree.
    """
    few = SCORE_OF_FEW / found.counting if found.counting else np.inf
    return found.score >= min(MOST_SCORE, LEAST_SCORE + few) + SCORE_PER_NAT * found.difference


def sketch(prepared: Prepared) -> np.ndarray:
    """Return a tenth of a mel's fine structure, to rule out most pairs: (frames, BANDS) float16."""
    bands = np.array_split(prepared.fine, min(BANDS, prepared.fine.shape[1]), axis=1)
    return np.stack([band.mean(axis=1) for band in bands], axis=1).astype(np.float16)


def may_be_same(a: np.ndarray, b: np.ndarray) -> bool:
    """Tell by their sketches whether two mels are worth to be aligned."""
    _, _, correlations = correlate(a.astype(np.float32), b.astype(np.float32))
    return bool(len(correlations)) and correlations.max() >= SKETCH_SCORE


def spectrum(prepared: Prepared) -> np.ndarray:
    """Return the mean of the audible frames, beyond one gain: (mel_bins,) float32. Copies and cuts are near by it."""
    audible = prepared.levels.max(axis=1) > AUDIBLE - RANGE
    mean = prepared.levels[audible].mean(axis=0) if audible.any() else prepared.levels.mean(axis=0)
    return mean - mean.mean()


def match_of(found: Alignment, hop_seconds: float) -> Match:
    return Match(found.offset * hop_seconds, found.overlap * hop_seconds, found.share, found.score)


def same_recording(mel_a: np.ndarray, mel_b: np.ndarray, hop_seconds: float) -> Match | None:
    """Return where recording b lies in a, or None where nothing proves that they are one recording.

    mel_a, mel_b  (frames, mel_bins) natural log of magnitude, finite, of one configuration.
    hop_seconds   from one frame to the next.
    """
    if not len(mel_a) or not len(mel_b):
        return None
    found = align(prepare(mel_a, hop_seconds), prepare(mel_b, hop_seconds))
    return match_of(found, hop_seconds) if found and is_proof(found) else None
