"""The one mel scale, and the log-mel frames of a stream of samples. Pure arrays: no files, no TensorFlow."""

from __future__ import annotations

import functools

import numpy as np

from config import Config

LEAST_FFT_SAMPLES = 2048  # what a shorter frame is padded to with zeros. A frame of just as many never is: it was the
# only one that older versions had, and their mel folders grow as they were, be it with filters that stay empty
MOST_FFT_SAMPLES = 2**20  # filters so narrow that they would need more stay empty
LOG_OFFSET = 1e-6  # added before the logarithm: digital silence becomes -13.8, not minus infinity
BLOCK_FRAMES = 64  # frames are computed in blocks of this fixed size, see MelFramer


def hz_to_mel(hertz: np.ndarray | float) -> np.ndarray:
    """Return HTK mel, 1127 ln(1 + f / 700), of frequencies of any shape, as float64.

    Reference: S. Young et al., The HTK Book, section 5.6.
    """
    return 1127.0 * np.log1p(np.asarray(hertz, np.float64) / 700.0)


def mel_to_hz(mel: np.ndarray | float) -> np.ndarray:
    """Return the frequencies of HTK mels of any shape, as float64."""
    return 700.0 * np.expm1(np.asarray(mel, np.float64) / 1127.0)


def mel_edges_hz(low_hz: float, high_hz: float, bins: int) -> np.ndarray:
    """Return the corners of the triangular mel filters: (bins + 2,) float64; bin i reaches from corner i to i + 2."""
    return mel_to_hz(_mel_edges(low_hz, high_hz, bins))


def _mel_edges(low_hz: float, high_hz: float, bins: int) -> np.ndarray:
    return np.linspace(hz_to_mel(low_hz), hz_to_mel(high_hz), bins + 2)


@functools.lru_cache(maxsize=4)
def fft_samples(config: Config) -> int:
    """Return the length of the FFT, a power of two: at least a frame, and long enough for a bin in every mel filter.

    Only frames of just LEAST_FFT_SAMPLES are never padded, filters that stay empty or not, for older folders' sake.
    """
    if config.frame_samples == LEAST_FFT_SAMPLES:
        return LEAST_FFT_SAMPLES
    samples = max(LEAST_FFT_SAMPLES, 1 << (config.frame_samples - 1).bit_length())
    while samples < MOST_FFT_SAMPLES and not _mel_weights(config, samples).any(axis=0).all():
        samples *= 2
    return samples


def mel_matrix(config: Config) -> np.ndarray:
    """Return the weights from FFT magnitudes to mel bins, (fft_samples(config) // 2 + 1, mel_bins) float32.

    Triangles, linear in mel, their edges evenly spaced in mel; the weight of 0 Hz is 0.
    The same matrix as tf.signal.linear_to_mel_weight_matrix.
    """
    return _mel_weights(config, fft_samples(config))


def _mel_weights(config: Config, samples: int) -> np.ndarray:
    edges = _mel_edges(config.mel_low_hz, config.mel_high_hz, config.mel_bins)
    bins = hz_to_mel(np.linspace(0.0, config.sample_rate_hz / 2, samples // 2 + 1))[:, None]  # (fft bins, 1)
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    weights = np.maximum(0.0, np.minimum(rising, falling))  # (fft bins, mel bins)
    weights[0] = 0.0
    return weights.astype(np.float32)


class MelFramer:
    """Log-mel frames of a stream of samples, however it is cut into pieces.

    Frame i covers samples [i * hop, i * hop + frame); a track shorter than a frame is padded with zeros to one. Every
    block that goes through the FFT and the matrix product has the same shape, and a frame always the same place in it:
    so the bits of a frame depend on its samples alone, not on how the stream was cut.
    """

    def __init__(self, config: Config) -> None:
        self.hop, self.frame, self.fft = config.hop_samples, config.frame_samples, fft_samples(config)
        self.matrix = mel_matrix(config)
        # scipy and tf.signal call this the periodic Hann window
        phase = 2.0 * np.pi * np.arange(self.frame) / self.frame
        self.window = (0.5 - 0.5 * np.cos(phase)).astype(np.float32)
        self.step = BLOCK_FRAMES * self.hop
        self.buffer = np.zeros(max(self.step, self.step - self.hop + self.frame), np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next sample is the first of another track."""
        self.filled = 0  # samples in the buffer
        self.samples = 0  # samples seen in all
        self.peak = 0.0  # greatest magnitude of a sample; nan or inf where one was not finite
        self.blocks: list[np.ndarray] = []

    def feed(self, samples: np.ndarray) -> None:
        """Take the next piece of the stream, (samples,) float32."""
        if not samples.size:
            return
        self.samples += samples.size
        self.peak = float(np.maximum(self.peak, np.maximum(samples.max(), -samples.min())))
        while samples.size:
            piece = samples[: self.buffer.size - self.filled]
            self.buffer[self.filled : self.filled + piece.size] = piece
            self.filled += piece.size
            samples = samples[piece.size :]
            if self.filled == self.buffer.size:
                self.blocks.append(self._block())
                overlap = self.buffer[self.step :].copy()
                self.buffer[: overlap.size] = overlap
                self.filled = overlap.size

    def finish(self) -> np.ndarray:
        """Return all frames of the track, (frames, mel_bins) float16.

        frames = 1 + (samples - frame) // hop; 1 where there are fewer samples than a frame has, 0 where there is none.
        """
        is_shorter_than_a_frame = 0 < self.samples < self.frame
        last = 1 if is_shorter_than_a_frame else max(0, 1 + (self.filled - self.frame) // self.hop)
        if last:
            self.buffer[self.filled :] = 0.0
            self.blocks.append(self._block()[:last])
        return np.concatenate([np.zeros((0, self.matrix.shape[1]), np.float16), *self.blocks])

    def _block(self) -> np.ndarray:
        frames = np.lib.stride_tricks.sliding_window_view(self.buffer, self.frame)[:: self.hop][:BLOCK_FRAMES]
        spectrum = np.fft.rfft(frames * self.window, self.fft)  # (BLOCK_FRAMES, fft // 2 + 1) complex64
        # hypot, which np.abs uses, guards against overflow that audio cannot reach, and is several times slower
        with np.errstate(over="ignore", invalid="ignore"):  # samples of 1e30 are found out by the result
            magnitude = np.sqrt(spectrum.real**2 + spectrum.imag**2)
            return np.log(magnitude @ self.matrix + np.float32(LOG_OFFSET)).astype(np.float16)


@functools.lru_cache(maxsize=4)
def shared_framers(config: Config, count: int) -> tuple[MelFramer, ...]:
    """Return this process' framers, made once: their matrices take longer than a short clip."""
    return tuple(MelFramer(config) for _ in range(count))


def log_mel(samples: np.ndarray, config: Config) -> np.ndarray:
    """Return the log-mel frames of a whole track: (samples,) float32 -> (frames, mel_bins) float16."""
    framer = MelFramer(config)
    framer.feed(np.asarray(samples, np.float32))
    return framer.finish()
