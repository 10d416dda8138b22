"""What describes a track without any training: mean log-mel and MFCC statistics."""

from __future__ import annotations

import numpy as np

MFCC_COEFFICIENTS = 20


def mean_log_mel(mel: np.ndarray) -> np.ndarray:
    """Return the mean of each mel bin over a track: (frames, mel_bins) -> (mel_bins,) float64."""
    _require_frames(mel)
    return np.asarray(mel, np.float64).mean(axis=0)


def mfcc_statistics(mel: np.ndarray) -> np.ndarray:
    """Describe a track by statistics of its mel-frequency cepstral coefficients (MFCC), without any training.

    mel      (frames, mel_bins), natural log of mel magnitude, at least one frame.
    Returns  (140,) float64: of each of 20 coefficients the mean and standard deviation, those of its first difference
             in time (0 where there is one frame only), and the median, minimum and maximum. Fewer than 20 mel bins
             give as many coefficients as bins.
    Raises   ValueError where there is no frame.

    The coefficients are an orthonormal DCT-II over the mel bins (Davis and Mermelstein 1980; here of log magnitude,
    where they took log energy: twice that). The statistics follow the features of the FMA data set (Defferrard,
    Benzi, Vandergheynst and Bresson 2017) with differences in the place of skewness and kurtosis.
    """
    from scipy.fft import dct

    _require_frames(mel)
    coefficients = dct(np.asarray(mel, np.float64), type=2, norm="ortho", axis=1)[:, :MFCC_COEFFICIENTS]
    differences = np.diff(coefficients, axis=0) if len(mel) > 1 else np.zeros_like(coefficients)
    return np.concatenate(
        [
            coefficients.mean(axis=0),
            coefficients.std(axis=0),
            differences.mean(axis=0),
            differences.std(axis=0),
            np.median(coefficients, axis=0),
            coefficients.min(axis=0),
            coefficients.max(axis=0),
        ]
    )


def _require_frames(mel: np.ndarray) -> None:
    if mel.ndim != 2 or not mel.size:
        raise ValueError(f"a mel of shape {mel.shape} holds no frame")
