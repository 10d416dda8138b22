"""What several test files share: audio that the tests synthesise, and a look at a folder that sees every touch."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import soundfile
from hypothesis import strategies as st

from config import DEFAULT_CONFIG, Config, build_config, read_config_file
from judging.neighbours import directions
from mels.decoding import find_decoders

pytest_plugins = ["pages", "library"]  # fixtures of the page in a browser

RATE_HZ = 44100

hypothesis.settings.register_profile("no clock", deadline=None)  # nothing is timed in a test
hypothesis.settings.load_profile("no clock")


@pytest.fixture(scope="session")
def config() -> Config:
    """The default configuration."""
    return build_config(read_config_file(DEFAULT_CONFIG), str(DEFAULT_CONFIG))


@pytest.fixture(scope="session")
def ffmpeg(config) -> str:
    return find_decoders(config).ffmpeg


def tone(seconds: float, hertz: float, channels: int = 1, rate_hz: int = RATE_HZ, peak: float = 0.5) -> np.ndarray:
    """A sine in every channel, (samples, channels) float32."""
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    return np.repeat((peak * np.sin(2 * np.pi * hertz * times))[:, None], channels, axis=1).astype(np.float32)


def write_audio(path: Path, samples: np.ndarray, rate_hz: int = RATE_HZ, ffmpeg: str = "", *options: str) -> Path:
    """Write samples as the format that the extension names: wav and flac by soundfile, the others by ffmpeg."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() in (".wav", ".flac") and not options:
        soundfile.write(path, samples, rate_hz)
        return path
    argv = [
        ffmpeg,
        "-v",
        "error",
        "-y",
        "-f",
        "f32le",
        "-ac",
        str(samples.shape[1]),
        "-ar",
        str(rate_hz),
        "-i",
        "pipe:0",
    ]
    content = samples.astype("<f4").tobytes()
    subprocess.run([*argv, *options, f"file:{path}"], input=content, check=True)
    return path


def unpacked(text: str, kind: str) -> np.ndarray:
    """Return the flat array that a data file of the page holds as text; `kind` is its dtype, such as "u2"."""
    return np.frombuffer(base64.b64decode(text), np.dtype(kind).newbyteorder("<"))


def tree(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file of a folder with its content and mtime: two of these are equal only where nothing was touched."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


MUSIC = ["a #1?.mp3.npy", "c.wma.npy", "rock, pop/b%20.flac.npy"]


@pytest.fixture(scope="session")
def music_made_once(tmp_path_factory, ffmpeg) -> Path:
    folder = tmp_path_factory.mktemp("music")
    for name in MUSIC:
        write_audio(folder / name.removesuffix(".npy"), tone(0.5, 440), RATE_HZ, ffmpeg)
    return folder


@pytest.fixture
def music(tmp_path, music_made_once) -> Path:
    """The audio of MUSIC: awkward names, and a format that no browser plays."""
    return shutil.copytree(music_made_once, tmp_path / "the music")


@pytest.fixture
def out(tmp_path) -> Path:
    """An empty folder for a page."""
    folder = tmp_path / "the page"
    folder.mkdir()
    return folder


def mel_names(*names: str | bytes) -> list[str]:
    """Audio files as music_list.txt has them."""
    return [os.fsdecode(name) + ".npy" for name in names]


def write_mels(folder: Path, songs: dict[str, int], bins: int = 12, seed: int = 0) -> Path:
    """Write a bare folder of mel files: name -> frames. A name's first folder is its kind, which its spectrum shows."""
    for number, (name, frames) in enumerate(songs.items()):
        kind = np.random.default_rng(list(os.fsencode(name.split("/")[0])))
        spectra = 2.0 * kind.standard_normal((3, bins))  # a kind alternates between three spectra
        draws = np.random.default_rng([seed, number])
        mel = spectra[draws.integers(0, 3, frames)] + 0.5 * draws.standard_normal((frames, bins))
        path = folder / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, mel.astype(np.float16))
    return folder


@pytest.fixture
def mels(tmp_path) -> Path:
    """A bare mel folder of 12 songs of two kinds, with awkward names."""
    names = [f"{kind}/{place}, søng.mp3" for kind in ("low end", "high") for place in range(6)]
    return write_mels(tmp_path / "the mels", {name: 40 + 5 * place for place, name in enumerate(names)})


ONE_VIEW = ["batch_size=32", "hidden_size=16", "output_vector_size=8", "pairs_per_save=320"]
SMALL = [*ONE_VIEW, "coarse_seconds=0.6"]


def small_settings(*more: str) -> list[str]:
    """Flags for a training that takes no time."""
    return [word for setting in (*SMALL, *more) for word in ("--set", setting)]


def clustered(tracks: int, kinds: int = 5, dims: int = 12, noise: float = 0.3, seed: int = 0):
    """Rows of length 1 around as many directions as there are kinds, and each one's kind."""
    draws = np.random.default_rng(seed)
    kind = np.arange(tracks) % kinds
    centres = draws.standard_normal((kinds, dims))
    return directions((centres[kind] + noise * draws.standard_normal((tracks, dims))).astype(np.float32)), kind


file_names = (
    st.binary(min_size=1, max_size=12)
    .filter(lambda name: not set(name) & set(b"\0/") and not name.startswith(b"."))
    .map(os.fsdecode)
)
