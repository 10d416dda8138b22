"""Baselines."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judging import baselines

# ---- baselines


def test_a_cosine_over_the_bins_is_one_coefficient():
    bins = 80
    for coefficient in (0, 1, 7):
        spectrum = np.cos(np.pi * coefficient * (np.arange(bins) + 0.5) / bins)
        means = baselines.mfcc_statistics(np.tile(spectrum, (5, 1)))[:20]
        expected = np.sqrt(bins if coefficient == 0 else bins / 2)  # orthonormal: the norm of the spectrum
        assert means == pytest.approx(np.eye(20)[coefficient] * expected, abs=1e-9)


def test_statistics_of_a_ramp():
    loudness = np.arange(11.0)  # every bin rises by one each frame
    statistics = baselines.mfcc_statistics(np.tile(loudness[:, None], (1, 4)))
    assert statistics.shape == (7 * 4,)
    level = 2.0  # sqrt(bins): what one in every bin is in the first coefficient
    first = statistics.reshape(7, 4)[:, 0]
    assert first == pytest.approx(np.array([5, np.std(loudness), 1, 0, 5, 0, 10]) * level)
    assert statistics.reshape(7, 4)[:, 1:] == pytest.approx(0, abs=1e-12)


@given(st.integers(1, 30), st.floats(-20, 20))
def test_gain_moves_only_the_level(frames, gain):
    mel = np.random.default_rng(frames).standard_normal((frames, 24))
    moved = (baselines.mfcc_statistics(mel + gain) - baselines.mfcc_statistics(mel)).reshape(7, 20)
    level = np.zeros((7, 20))
    level[[0, 4, 5, 6], 0] = gain * np.sqrt(24)
    assert moved == pytest.approx(level, abs=1e-9)


def test_one_frame_of_float16():
    mel = np.linspace(-3, 3, 80, dtype=np.float16)[None]
    statistics = baselines.mfcc_statistics(mel)
    assert statistics.shape == (140,)
    assert np.isfinite(statistics).all()
    assert baselines.mean_log_mel(mel) == pytest.approx(mel[0])


@pytest.mark.parametrize("shape", [(0, 80), (4, 0), (4,)])
def test_a_mel_without_frames_is_refused(shape):
    for describe in (baselines.mfcc_statistics, baselines.mean_log_mel):
        with pytest.raises(ValueError, match=r"a mel of shape .* holds no frame"):
            describe(np.zeros(shape))
