"""The mel frames against TensorFlow, and what must hold however the stream is cut."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest
from conftest import RATE_HZ, tone
from hypothesis import given, settings
from hypothesis import strategies as st

from config import Config, shipped_config
from mels.log_mel import (
    BLOCK_FRAMES,
    LEAST_FFT_SAMPLES,
    LOG_OFFSET,
    MelFramer,
    fft_samples,
    hz_to_mel,
    log_mel,
    mel_edges_hz,
    mel_matrix,
    mel_to_hz,
)
from utils import ROOT


def test_the_mel_scale_is_htks():
    assert hz_to_mel(0.0) == 0.0
    assert hz_to_mel(1000.0) == pytest.approx(1000.0, abs=0.1)  # what the scale was made for
    assert hz_to_mel(7600.0) == pytest.approx(2595 * np.log10(1 + 7600 / 700), rel=1e-4)
    hertz = np.array([[0.0, 80.0], [440.0, 22050.0]])
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(hertz)), hertz)


def test_corners_are_those_of_the_mel_filters(config):
    edges = mel_edges_hz(config.mel_low_hz, config.mel_high_hz, config.mel_bins)
    assert edges[0] == pytest.approx(config.mel_low_hz) and edges[-1] == pytest.approx(config.mel_high_hz)
    weights = mel_matrix(config)
    hertz = np.linspace(0, config.sample_rate_hz / 2, len(weights))
    for mel_bin in range(config.mel_bins):
        heard = hertz[weights[:, mel_bin] > 1e-4]
        assert edges[mel_bin] <= heard.min() and heard.max() <= edges[mel_bin + 2]


HALF_A_STEP = 2.0**-11  # of float16, relative: what one rounding may change


def noise(seconds: float, rate_hz: int = 16000, seed: int = 0, peak: float = 0.5) -> np.ndarray:
    """White noise, (samples,) float32."""
    draws = np.random.default_rng(seed).uniform(-peak, peak, round(seconds * rate_hz))
    return draws.astype(np.float32)


@functools.cache
def music(seconds: float, seed: int = 0) -> np.ndarray:
    """Plucked chords over a drum of noise, (samples,) float32 at RATE_HZ: tonal and noisy, loud and quiet."""
    random = np.random.default_rng(seed)
    samples = np.zeros(round(seconds * RATE_HZ))
    age = np.arange(RATE_HZ) / RATE_HZ  # a stroke fades for a second
    for start in range(0, len(samples), RATE_HZ // 4):
        stroke = 0.3 * np.exp(-40 * age) * random.standard_normal(RATE_HZ)
        for hertz in random.choice([110, 165, 220, 277, 330, 440, 660], 3, replace=False):
            stroke += np.exp(-4 * age) * sum(np.sin(2 * np.pi * hertz * k * age) / k for k in (1, 2, 3, 5, 8))
        room = samples[start : start + RATE_HZ]
        room += stroke[: len(room)]
    return (0.5 * samples / np.abs(samples).max()).astype(np.float32)


@functools.cache
def music_16k(seconds: float, seed: int = 0) -> np.ndarray:
    """The same at 16 kHz, by an ideal resampler: the spectrum above 8 kHz is cut off."""
    samples = music(seconds, seed)
    length = round(seconds * 16000)
    spectrum = np.fft.rfft(samples)[: length // 2 + 1]
    return (np.fft.irfft(spectrum, length) * length / len(samples)).astype(np.float32)


# Log-mel


def at(config: Config, frame: int, hop: int) -> Config:
    """The configuration with frames of so many samples, so many apart."""
    rate_hz = config.sample_rate_hz
    return dataclasses.replace(config, frame_seconds=frame / rate_hz, hop_seconds=hop / rate_hz)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["noise", "music", "tone", "silence", "quiet noise"])
@pytest.mark.parametrize(("frame", "hop"), [(2048, 1600), (640, 320), (400, 1000), (3000, 500)])
def test_log_mel_is_that_of_tf_signal(config, kind, frame, hop):
    import tensorflow as tf

    config = at(config, frame, hop)
    assert (config.frame_samples, config.hop_samples) == (frame, hop)
    fft = fft_samples(config)

    samples = {
        "noise": noise(5),
        "music": music_16k(5),
        "tone": tone(5, 1000, rate_hz=16000)[:, 0],
        "silence": np.zeros(16000, np.float32),
        "quiet noise": noise(5, peak=1e-4),
    }[kind]
    spectrum = tf.abs(tf.signal.stft(samples, frame, hop, fft))
    weights = tf.signal.linear_to_mel_weight_matrix(
        config.mel_bins, fft // 2 + 1, config.sample_rate_hz, config.mel_low_hz, config.mel_high_hz
    )
    expected = tf.math.log(tf.matmul(spectrum, weights) + LOG_OFFSET).numpy()
    found = log_mel(samples, config)
    assert found.shape == expected.shape
    assert found.dtype == np.float16

    allowed = 1e-3 + HALF_A_STEP * 2.0 ** np.ceil(np.log2(np.abs(expected)))
    # what lies far below the frame's peak is rounding of float32, here and there
    if far_decibel := {"tone": 60, "music": 80}.get(kind):
        heard = expected > expected.max(axis=1, keepdims=True) - np.log(10 ** (far_decibel / 20))
        assert heard.sum(axis=1).min() >= 2
        assert kind == "tone" or heard.mean() > 0.9
        allowed = np.where(heard, allowed, np.inf)
    assert (np.abs(found - expected) <= allowed).all()

    framer = MelFramer(config)  # and without the rounding to float16
    frames = np.lib.stride_tricks.sliding_window_view(samples, frame)[::hop]
    unrounded = np.log(np.abs(np.fft.rfft(frames * framer.window, fft)) @ framer.matrix + np.float32(LOG_OFFSET))
    assert unrounded.dtype == np.float32
    assert np.abs(unrounded - expected)[np.isfinite(allowed)].max() <= 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"sample_rate_hz": 44100, "mel_bins": 128, "mel_low_hz": 20.0, "mel_high_hz": 22050.0},
        {"sample_rate_hz": 8000, "mel_bins": 20, "mel_low_hz": 0.0, "mel_high_hz": 4000.0, "hop_seconds": 0.01},
        {"sample_rate_hz": 16000, "mel_bins": 2, "mel_low_hz": 1000.0, "mel_high_hz": 1100.0},
    ],
)
def test_the_mel_matrix_is_that_of_tf_signal(config, changes):
    import tensorflow as tf

    config = dataclasses.replace(config, **changes)
    bands = (config.mel_low_hz, config.mel_high_hz, tf.float64)
    expected = tf.signal.linear_to_mel_weight_matrix(
        config.mel_bins, fft_samples(config) // 2 + 1, config.sample_rate_hz, *bands
    )
    np.testing.assert_allclose(mel_matrix(config), expected.numpy(), atol=1e-6)


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.name)
def test_no_mel_filter_of_a_shipped_configuration_is_empty(path):
    assert mel_matrix(shipped_config(path)).any(axis=0).all()


@given(frame=st.integers(2, 9000), bins=st.integers(2, 200), low=st.floats(0, 500))
@settings(max_examples=50)
def test_no_mel_filter_is_empty_and_the_fft_no_shorter_than_a_frame(config, frame, bins, low):
    config = dataclasses.replace(at(config, frame, 100), mel_bins=bins, mel_low_hz=low)
    samples = fft_samples(config)
    assert samples >= max(frame, LEAST_FFT_SAMPLES) and samples.bit_count() == 1
    if frame != LEAST_FFT_SAMPLES:
        assert mel_matrix(config).any(axis=0).all()


def test_frames_of_2048_samples_are_those_of_older_versions_whatever_filters_are_empty(config):
    """A mel folder made at 44.1 kHz with many bins grows as it was."""
    wide = dataclasses.replace(config, sample_rate_hz=44100, mel_bins=320, mel_low_hz=20.0, mel_high_hz=22050.0)
    old, other = at(wide, 2048, 4410), at(wide, 2047, 4410)
    assert mel_matrix(old).shape == (1025, 320)
    assert not mel_matrix(old).any(axis=0).all()
    assert mel_matrix(other).any(axis=0).all()
    samples = music(2)
    frames = np.lib.stride_tricks.sliding_window_view(samples, 2048)[::4410]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2048) / 2048)
    expected = np.log(np.abs(np.fft.rfft(frames * hann)) @ mel_matrix(old) + LOG_OFFSET)
    np.testing.assert_allclose(log_mel(samples, old).astype(float), expected, atol=0.005)


lengths = st.one_of(st.integers(2, 300), st.integers(301, 5000), st.sampled_from([640, 2047, 2048, 2049, 4096]))


@pytest.mark.slow
@given(samples=st.integers(0, 40000), frame=lengths, hop=st.integers(100, 5000))
@settings(max_examples=80)
def test_the_frame_count(config, samples, frame, hop):
    expected = 1 + (samples - frame) // hop if samples >= frame else min(samples, 1)
    assert log_mel(np.ones(samples, np.float32), at(config, frame, hop)).shape == (expected, config.mel_bins)


@pytest.mark.parametrize("frame", [640, 2048, 3000])
def test_what_is_shorter_than_a_frame_is_padded_to_one(config, frame):
    config = at(config, frame, frame // 2)
    for samples in (1, 2, frame // 3, frame - 1, frame):
        padded = np.zeros(frame, np.float32)
        padded[:samples] = 1 + noise(1)[:samples]
        framer = MelFramer(config)
        framer.feed(noise(3))  # a longer track before it leaves nothing behind
        framer.reset()
        framer.feed(padded[:samples])
        mel = framer.finish()
        assert mel.shape == (1, config.mel_bins)
        assert mel.tobytes() == log_mel(padded, config).tobytes()
    assert len(log_mel(noise(1)[: frame + 1], config)) == 1


@pytest.mark.parametrize("hertz", [100, 440, 1000, 2500, 7000])
def test_a_tone_lands_in_its_mel_bin(config, hertz):
    mel = log_mel(tone(2, hertz, rate_hz=16000)[:, 0], config).astype(np.float32)
    scale = 1127 * np.log1p(np.array([config.mel_low_hz, hertz, config.mel_high_hz]) / 700)
    place = (scale[1] - scale[0]) / (scale[2] - scale[0]) * (config.mel_bins + 1) - 1  # bin 0 peaks one step up
    assert np.abs(mel.argmax(axis=1) - place).max() <= 1


def test_louder_by_a_factor_is_higher_by_its_logarithm(config):
    quiet, loud = (log_mel(factor * music_16k(3), config).astype(np.float32) for factor in (0.1, 1.0))
    heard = quiet > -4  # far above the offset of the logarithm
    assert heard.mean() > 0.5
    np.testing.assert_allclose((loud - quiet)[heard], np.log(10), atol=0.01)


def test_silence_is_the_logarithm_of_the_offset(config):
    mel = log_mel(np.zeros(16000, np.float32), config)
    assert (mel == np.float16(np.log(LOG_OFFSET))).all()


# Frames of a stream


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(
    data=st.data(),
    samples=st.one_of(st.integers(0, 3 * BLOCK_FRAMES * 300), st.integers(0, 5000)),
    frame=lengths,
    hop=st.sampled_from([16, 160, 300, 2047, 2048, 2049, 3000, 9000]),
)
def test_any_cutting_gives_the_same_bits(config, data, samples, frame, hop):
    config = at(config, frame, hop)
    stream = noise(6)[:samples]
    whole = log_mel(stream, config)
    cuts = data.draw(st.lists(st.integers(0, samples), max_size=12))
    framer = MelFramer(config)
    framer.feed(noise(1))  # another track before it
    framer.reset()
    for piece in np.split(stream, sorted(cuts)):
        framer.feed(piece)
    assert framer.samples == samples
    assert framer.finish().tobytes() == whole.tobytes()


@pytest.mark.slow
@pytest.mark.parametrize(("frame", "hop"), [(2048, 1600), (640, 320), (200, 1600), (5000, 700)])
def test_every_frame_is_that_of_its_own_samples(config, frame, hop):
    config = at(config, frame, hop)
    stream = music_16k(15)
    whole = log_mel(stream, config)
    assert len(whole) > 2 * BLOCK_FRAMES
    for place in range(0, len(whole), 7):
        alone = log_mel(stream[place * hop : place * hop + frame], config)
        np.testing.assert_allclose(alone[0].astype(np.float32), whole[place].astype(np.float32), atol=0.02)


def test_the_peak_is_that_of_the_whole_stream(config):
    framer = MelFramer(config)
    for piece in ([0.1, -0.7], [0.2], []):
        framer.feed(np.array(piece, np.float32))
    assert framer.peak == np.float32(0.7)
    framer.feed(np.array([np.nan], np.float32))
    framer.feed(np.array([0.9], np.float32))
    assert np.isnan(framer.peak)
