"""Decoding and log-mel, on audio that is synthesised here and decoded by the real ffmpeg and sox."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import resource
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import RATE_HZ, tone, write_audio
from test_log_mel import music, music_16k, noise

from config import SHORT_SOUNDS_CONFIG, Config, shipped_config
from mels import decoder_process
from mels.decoding import (
    PADDING_SECONDS,
    REASON_CHARACTERS,
    Decoders,
    Track,
    find_decoders,
    is_audio,
    tracks_from_files,
)
from mels.log_mel import MelFramer, log_mel
from utils import ROOT, UserError


@pytest.fixture(scope="module")
def decoders(config) -> Decoders:
    return find_decoders(config)


@pytest.fixture(scope="module")
def with_sox(config) -> tuple[Decoders, Config]:
    if not shutil.which("sox"):
        if "CI" in os.environ:
            pytest.fail("sox is missing; apt install sox")
        pytest.skip("sox is not installed")
    config = dataclasses.replace(config, decoder="sox")
    return find_decoders(config), config


def decode(paths, decoders: Decoders, config: Config, timeout_seconds: float = 30.0) -> list[Track]:
    framers = [MelFramer(config) for _ in paths]
    return tracks_from_files([str(path) for path in paths], framers, decoders, config, timeout_seconds)


# Which files


@pytest.mark.parametrize(
    "name", ["a.mp3", "a.WAV", "a.Flac", "a b, c.ogg", "x.y.M4A", os.fsdecode(b"\xff.opus"), "a.mkv"]
)
def test_audio_is_told_by_its_extension_in_any_case(name):
    assert is_audio(name)


@pytest.mark.parametrize("name", ["a.npy", "mp3", "a.mp3.txt", "cover.jpg", "a", "", "a.mp3 "])
def test_what_is_no_audio(name):
    assert not is_audio(name)


# Which program


def test_the_variable_names_the_ffmpeg(config, monkeypatch, tmp_path):
    own = tmp_path / "my ffmpeg"
    own.write_text("#!/bin/sh\nexit 3\n")
    own.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(own))
    assert find_decoders(config).ffmpeg == str(own)


@pytest.mark.parametrize("kind", ["missing", "folder", "not executable"])
def test_a_variable_that_names_no_program_is_an_error(config, monkeypatch, tmp_path, kind):
    path = tmp_path / "my ffmpeg"
    if kind == "folder":
        path.mkdir()
    elif kind == "not executable":
        path.write_text("#!/bin/sh\n")
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(path))
    with pytest.raises(UserError) as raised:
        find_decoders(config)
    assert str(raised.value) == (
        f"no program ffmpeg found (IMAGEIO_FFMPEG_EXE is {str(path)!r}); pip install imageio-ffmpeg, or install ffmpeg"
    )


WHICH_FFMPEG = """
from mels.decoding import find_decoders
from config import DEFAULT_CONFIG, build_config, read_config_file
from utils import UserError
try:
    print(find_decoders(build_config(read_config_file(DEFAULT_CONFIG), "")).ffmpeg)
except UserError as error:
    print(error)
"""


@pytest.mark.parametrize("variable", [True, False])
@pytest.mark.parametrize("system", [True, False])
def test_without_the_wheel_the_variable_counts_and_then_the_system(tmp_path, variable, system):
    (tmp_path / "imageio_ffmpeg.py").write_text("raise ImportError('no wheel')")
    for name in ("bin/ffmpeg", "own/ffmpeg"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    environment = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "PATH": str(tmp_path / "bin") if system else str(tmp_path)}
    if variable:
        environment["IMAGEIO_FFMPEG_EXE"] = str(tmp_path / "own/ffmpeg")
    found = subprocess.check_output([sys.executable, "-c", WHICH_FFMPEG], env=environment, text=True).strip()
    if variable:
        assert found == str(tmp_path / "own/ffmpeg")
    elif system:
        assert found == str(tmp_path / "bin/ffmpeg")
    else:
        assert found == "no program ffmpeg found; pip install imageio-ffmpeg, or install ffmpeg"


def test_sox_that_is_missing_is_an_error_with_the_remedy(config, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError) as raised:
        find_decoders(dataclasses.replace(config, decoder="sox"))
    assert str(raised.value) == (
        "decoder: sox: no program sox found; install it (apt install sox), or use decoder: ffmpeg"
    )
    assert find_decoders(config).sox is None


def test_sox_is_for_wav_only(with_sox):
    decoders, _ = with_sox
    assert [decoders.name_for(name) for name in ("a.wav", "A.WAV", "a.wave", "a.mp3", "a.flac")] == [
        *("sox", "sox", "sox", "ffmpeg", "ffmpeg")
    ]


def test_nothing_goes_to_sox_by_default(decoders):
    assert decoders.name_for("a.wav") == "ffmpeg"


# Decoding


@pytest.mark.parametrize(
    "suffix", ["mp3", "MP3", "wav", "WAV", "flac", "Flac", "ogg", "OGG", "m4a", "M4A", "opus", "aiff"]
)
def test_every_format_gives_the_sound_that_went_in(tmp_path, config, decoders, ffmpeg, suffix):
    samples = music(3)
    path = write_audio(tmp_path / f"a b, é.{suffix}", samples[:, None], RATE_HZ, ffmpeg)
    (track,) = decode([path], decoders, config)
    assert (track.status, track.reason) == ("ok", "")
    assert track.seconds == pytest.approx(3, abs=0.12)  # encoders pad
    expected = log_mel(music_16k(3), config).astype(np.float32)
    frames = min(len(expected), len(track.mel))
    assert frames >= 28
    low = slice(0, 40)  # the lossy ones leave out highs
    difference = np.abs(track.mel[:frames, low] - expected[:frames, low])
    assert np.median(difference) < 0.25


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"])
@pytest.mark.parametrize("program", ["ffmpeg", "sox"])
def test_every_kind_of_wav(tmp_path, request, config, decoders, subtype, program):
    if program == "sox":
        decoders, config = request.getfixturevalue("with_sox")
    path = tmp_path / "a b.wav"
    soundfile.write(path, music_16k(2), 16000, subtype)
    (track,) = decode([path], decoders, config)
    assert (track.status, track.seconds, track.reason) == ("ok", 2.0, "")
    expected = log_mel(music_16k(2), config).astype(np.float32)
    heard = expected > -2
    assert np.median(np.abs(track.mel - expected)[heard]) < (0.2 if subtype in ("PCM_U8", "ULAW") else 0.01)


@pytest.mark.parametrize("program", ["ffmpeg", "sox"])
@pytest.mark.parametrize("channels", [1, 2, 3, 5, 6, 8])
def test_mono_is_the_mean_of_the_channels(tmp_path, request, config, decoders, channels, program):
    if program == "sox":
        decoders, config = request.getfixturevalue("with_sox")
    pitches = [300, 700, 1100, 1900, 3100, 4300, 5300, 6100]
    levels = [0.9, 0.1, 0.3, 0.05, 0.6, 0.2, 0.4, 0.02]
    samples = np.stack(
        [tone(2, pitches[place], rate_hz=16000, peak=levels[place])[:, 0] for place in range(channels)], axis=1
    )
    path = tmp_path / "a b.wav"
    soundfile.write(path, samples, 16000, "FLOAT")
    (track,) = decode([path], decoders, config)
    expected = log_mel(samples.mean(axis=1, dtype=np.float64).astype(np.float32), config).astype(np.float32)
    assert track.mel.shape == expected.shape
    heard = expected > expected.max() - np.log(10 ** (60 / 20))
    np.testing.assert_allclose(track.mel[heard], expected[heard], atol=0.02)


def test_opposite_channels_cancel_to_silence(tmp_path, config, decoders):
    left = noise(1)
    path = tmp_path / "a b.flac"
    soundfile.write(path, np.stack([left, -left], axis=1), 16000, "PCM_16")
    (track,) = decode([path], decoders, config)
    assert (track.status, track.reason, track.mel) == ("silent", "digital silence from start to end", None)


def test_the_mean_is_not_rounded_to_16_bits(tmp_path, config, decoders):
    """Two channels whose mean lies between two steps of 16-bit audio."""
    samples = np.zeros((32000, 2), np.int16)
    samples[::20, 0] = 1
    path = tmp_path / "a b.wav"
    soundfile.write(path, samples, 16000, "PCM_16")
    (track,) = decode([path], decoders, config)
    expected = log_mel(samples.mean(axis=1).astype(np.float32) / 32768, config).astype(np.float32)
    assert track.status == "ok"
    np.testing.assert_allclose(track.mel, expected, atol=0.02)


def test_a_batch_gives_what_each_file_alone_gives(tmp_path, config, decoders, ffmpeg):
    suffixes = ["mp3", "wav", "flac", "ogg"]
    paths = [
        write_audio(tmp_path / f"{place}, é.{suffix}", music(1 + 1.5 * place, place)[:, None], RATE_HZ, ffmpeg)
        for place, suffix in enumerate(suffixes)
    ]
    together = decode(paths, decoders, config)
    for path, track in zip(paths, together, strict=True):
        (alone,) = decode([path], decoders, config)
        assert (track.status, track.seconds, track.reason) == (alone.status, alone.seconds, alone.reason)
        assert track.mel.tobytes() == alone.mel.tobytes()


def test_one_broken_file_in_a_batch_costs_only_itself(tmp_path, config, decoders, ffmpeg):
    good = [tmp_path / "a.mp3", tmp_path / "b.mp3"]
    for place, path in enumerate(good):
        write_audio(path, music(2, place)[:, None], RATE_HZ, ffmpeg)
    (tmp_path / "text.mp3").write_text("these are words\n" * 100)
    tracks = decode([good[0], tmp_path / "text.mp3", good[1]], decoders, config)
    assert [track.status for track in tracks] == ["ok", "failed", "ok"]
    for path, track in zip(good, tracks[::2], strict=True):
        assert track.mel.tobytes() == decode([path], decoders, config)[0].mel.tobytes()


# Broken files


@pytest.mark.parametrize(
    ("suffix", "program"), [("mp3", "ffmpeg"), ("wav", "ffmpeg"), ("flac", "ffmpeg"), ("wav", "sox")]
)
def test_a_file_that_breaks_off_is_partial_with_its_share(tmp_path, request, config, decoders, ffmpeg, suffix, program):
    if program == "sox":
        decoders, config = request.getfixturevalue("with_sox")
    path = write_audio(tmp_path / f"a b.{suffix}", music(8)[:, None], RATE_HZ, ffmpeg)
    (whole,) = decode([path], decoders, config)
    assert whole.status == "ok"
    os.truncate(path, path.stat().st_size // 2)
    (track,) = decode([path], decoders, config)
    assert track.status == "partial"
    share = float(track.reason.partition("%")[0])
    assert share == pytest.approx(50, abs=8)
    assert f"% decoded, {track.seconds:.1f} of " in track.reason
    assert len(track.mel) == 1 + (round(track.seconds * 16000) - 2048) // 1600
    # all but the last frames, where a lossy decoder conceals what is missing
    np.testing.assert_allclose(track.mel[:-2].astype(float), whole.mel[: len(track.mel) - 2].astype(float), atol=0.1)


def test_partial_files_in_a_batch_keep_their_own_shares(tmp_path, config, decoders, ffmpeg):
    paths = []
    for place, share in enumerate([0.25, 1, 0.75]):
        path = write_audio(tmp_path / f"{place}.mp3", noise(8, RATE_HZ, place)[:, None], RATE_HZ, ffmpeg)
        os.truncate(path, round(path.stat().st_size * share))
        paths.append(path)
    tracks = decode(paths, decoders, config)
    assert [track.status for track in tracks] == ["partial", "ok", "partial"]
    shares = [float(tracks[place].reason.partition("%")[0]) for place in (0, 2)]
    assert shares == pytest.approx([25, 75], abs=6)


def test_damage_in_the_middle_leaves_the_rest(tmp_path, config, decoders, ffmpeg):
    path = write_audio(tmp_path / "a b.mp3", music(8)[:, None], RATE_HZ, ffmpeg)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 3000] = noise(3000 / 16000).astype(np.int8).tobytes()[:3000]
    path.write_bytes(content)
    (track,) = decode([path], decoders, config)
    assert track.status in ("ok", "partial")
    assert track.seconds > 7


@pytest.mark.parametrize("samples", [1, 100, 2047])
@pytest.mark.parametrize("program", ["ffmpeg", "sox"])
def test_shorter_than_a_frame_is_padded_to_one(tmp_path, request, config, decoders, samples, program):
    if program == "sox":
        decoders, config = request.getfixturevalue("with_sox")
    path = tmp_path / "a b.wav"
    soundfile.write(path, 0.25 + noise(1)[:samples], 16000)
    (track,) = decode([path], decoders, config)
    assert (track.status, track.seconds, track.reason) == ("ok", samples / 16000, "")
    assert track.mel.shape == (1, config.mel_bins)
    read = soundfile.read(path, dtype="float32")[0]
    np.testing.assert_allclose(track.mel.astype(float), log_mel(read, config).astype(float), atol=0.02)


@pytest.mark.parametrize("program", ["ffmpeg", "sox"])
def test_a_wav_without_samples_is_too_short(tmp_path, request, config, decoders, program):
    if program == "sox":
        decoders, config = request.getfixturevalue("with_sox")
    soundfile.write(tmp_path / "a b.wav", np.zeros(0, np.float32), 16000)
    (track,) = decode([tmp_path / "a b.wav"], decoders, config)
    assert track.status in ("too_short", "failed")
    assert track.reason
    assert "\n" not in track.reason


def test_just_one_frame_is_enough(tmp_path, config, decoders):
    soundfile.write(tmp_path / "a b.wav", noise(1)[:2048], 16000)
    (track,) = decode([tmp_path / "a b.wav"], decoders, config)
    assert (track.status, track.mel.shape) == ("ok", (1, 80))


@pytest.mark.parametrize("suffix", ["wav", "mp3", "flac", "ogg", "m4a"])
def test_digital_silence_is_silent(tmp_path, config, decoders, ffmpeg, suffix):
    path = write_audio(tmp_path / f"a b.{suffix}", np.zeros((RATE_HZ, 2), np.float32), RATE_HZ, ffmpeg)
    (track,) = decode([path], decoders, config)
    assert (track.status, track.mel) == ("silent", None)
    assert track.seconds == pytest.approx(1, abs=0.1)
    assert track.reason == "digital silence from start to end"


def test_the_quietest_sound_of_16_bits_is_not_silence(tmp_path, config, decoders):
    samples = np.zeros(32000, np.int16)
    samples[16000] = 1
    soundfile.write(tmp_path / "a b.wav", samples, 16000)
    assert decode([tmp_path / "a b.wav"], decoders, config)[0].status == "ok"


@pytest.mark.parametrize(
    "suffix",
    [*("mp3", "wav", "flac", "ogg", "m4a", "opus", "aiff"), *("wma", "asf", "aac", "mp2", "oga", "mka", "webm", "wv")],
)
def test_no_short_whole_file_is_partial_however_short_the_frames(tmp_path, decoders, ffmpeg, suffix):
    short = shipped_config(SHORT_SOUNDS_CONFIG)
    assert short.frame_seconds < PADDING_SECONDS
    lengths = {}
    for rate_hz, seconds in itertools.product((8000, 44100), (0.05, 0.31, 0.9)):
        path = tmp_path / f"{rate_hz}, {seconds}.{suffix}"
        lengths[write_audio(path, noise(seconds, rate_hz)[:, None], rate_hz, ffmpeg)] = seconds
    for (path, seconds), track in zip(lengths.items(), decode(list(lengths), decoders, short), strict=True):
        assert track.status != "partial", (path.name, track.reason)
        assert track.status == "ok" or seconds == 0.05  # of which some codecs' decoders leave nothing


@pytest.mark.parametrize("frame_seconds", [0.02, 1.0])
def test_what_is_partial_does_not_depend_on_the_frame(tmp_path, config, decoders, frame_seconds):
    paths = [tmp_path / "most.wav", tmp_path / "less.wav"]
    for path, missing in zip(paths, (0.12, 0.14), strict=True):
        soundfile.write(path, noise(1), 16000)
        os.truncate(path, path.stat().st_size - round(missing * 32000))
    config = dataclasses.replace(config, frame_seconds=frame_seconds)
    assert [track.status for track in decode(paths, decoders, config)] == ["ok", "partial"]


no_audio = pytest.mark.parametrize(
    "content", [b"", b"these are words\n" * 50, bytes(range(256)) * 40], ids=["empty", "text", "bytes"]
)


@pytest.mark.parametrize("name", ["a b.mp3", "a b.wav", "a b.flac", "a b.ogg", "a b.m4a"])
@no_audio
def test_what_is_no_audio_at_all_fails_with_the_decoders_words(tmp_path, config, decoders, name, content):
    (tmp_path / name).write_bytes(content)
    (track,) = decode([tmp_path / name], decoders, config)
    assert (track.status, track.seconds, track.mel) == ("failed", 0.0, None)
    assert 10 < len(track.reason) <= REASON_CHARACTERS
    assert "\n" not in track.reason


@no_audio
def test_sox_says_what_is_no_wav(tmp_path, with_sox, content):
    decoders, config = with_sox
    (tmp_path / "a b.wav").write_bytes(content)
    (track,) = decode([tmp_path / "a b.wav"], decoders, config)
    assert (track.status, track.mel) == ("failed", None)
    assert "WAV" in track.reason or "sox" in track.reason or "format" in track.reason
    assert "\n" not in track.reason


def test_a_film_without_sound_fails_and_one_with_sound_does_not(tmp_path, config, decoders, ffmpeg):
    picture = ["-f", "lavfi", "-i", "testsrc=s=64x64:r=10:d=2"]
    sound = ["-f", "lavfi", "-i", "sine=d=2"]
    argv = [ffmpeg, "-v", "error", *picture]
    subprocess.run([*argv, "-c:v", "mpeg4", tmp_path / "silent film.mp4"], check=True)
    subprocess.run([*argv, *sound, "-c:v", "mpeg4", "-c:a", "aac", tmp_path / "a film.mp4"], check=True)
    silent, spoken = decode([tmp_path / "silent film.mp4", tmp_path / "a film.mp4"], decoders, config)
    assert (silent.status, silent.mel) == ("failed", None)
    assert "matches no streams" in silent.reason or "stream" in silent.reason.lower()
    assert spoken.status == "ok"
    assert spoken.seconds == pytest.approx(2, abs=0.1)


def test_cover_art_is_no_hindrance(tmp_path, config, decoders, ffmpeg):
    plain = write_audio(tmp_path / "plain.mp3", music(2)[:, None], RATE_HZ, ffmpeg)
    cover, with_cover = tmp_path / "cover.jpg", tmp_path / "with cover.mp3"
    argv = [ffmpeg, "-v", "error"]
    subprocess.run([*argv, "-f", "lavfi", "-i", "testsrc=s=64x64:d=1", "-frames:v", "1", cover], check=True)
    argv += ["-i", plain, "-i", cover, "-map", "0:a", "-map", "1:v", "-c", "copy", "-disposition:v", "attached_pic"]
    subprocess.run([*argv, with_cover], check=True)
    (track,) = decode([with_cover], decoders, config)
    assert (track.status, track.reason) == ("ok", "")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, 3e38])
def test_samples_that_are_no_sound_fail(tmp_path, config, decoders, value):
    samples = noise(2)
    samples[16000] = value
    soundfile.write(tmp_path / "a b.wav", samples, 16000, "FLOAT")
    (track,) = decode([tmp_path / "a b.wav"], decoders, config)
    assert track.mel is None or np.isfinite(track.mel).all()
    if not np.isfinite(value):
        assert (track.status, track.reason) == ("failed", "holds samples that are not finite")


def riff(path: Path, stated_bytes: int, samples: np.ndarray) -> Path:
    """A wav whose header states any number of bytes of sound."""
    content = (samples * 32767).astype("<i2").tobytes()
    header = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + len(content), b"WAVE", b"fmt ", 16, 1, 1, 16000, 32000, 2, 16)
    path.write_bytes(header + struct.pack("<4sI", b"data", stated_bytes) + content)
    return path


@pytest.mark.parametrize("program", ["ffmpeg", "sox"])
@pytest.mark.parametrize("stated_bytes", [0xFFFFFFFF, 0x7FFFF000, 0x80000000])
def test_a_wav_of_a_recorder_that_could_not_seek_back_is_whole(
    tmp_path, request, config, decoders, stated_bytes, program
):
    if program == "sox":
        decoders, config = request.getfixturevalue("with_sox")
    (track,) = decode([riff(tmp_path / "a b.wav", stated_bytes, noise(2))], decoders, config)
    assert (track.status, track.seconds) == ("ok", 2.0)


# Words in files and names that only look like the decoder's own


@pytest.mark.parametrize("break_", ["\u2028", "\x85", "\x1c", "\r", "\n", "\v", "\f"], ids=ascii)
def test_a_tag_cannot_pass_for_the_decoders_words(tmp_path, config, decoders, ffmpeg, break_):
    title = f"x{break_}[error] fooled{break_}[info]   Duration: 09:00:00.00, start{break_}  Duration: 08:00:00.00"
    path = write_audio(tmp_path / "a b.mp3", music(2)[:, None], RATE_HZ, ffmpeg, "-metadata", f"title={title}")
    (track,) = decode([path], decoders, config)
    assert (track.status, track.reason) == ("ok", "")


@pytest.mark.parametrize("break_", ["\u2028", "\x85", "\x1c", "\v", "\f"], ids=ascii)
def test_a_name_cannot_pass_for_the_decoders_words(tmp_path, config, decoders, ffmpeg, break_):
    path = tmp_path / f"x{break_}[error] fooled{break_}[info]   Duration: 09:00:00.00, start.mp3"
    write_audio(tmp_path / "a.mp3", music(2)[:, None], RATE_HZ, ffmpeg).rename(path)
    (track,) = decode([path], decoders, config)
    assert (track.status, track.reason) == ("ok", "")


def test_long_lyrics_do_not_hide_that_a_file_breaks_off(tmp_path, config, decoders, ffmpeg):
    lyrics = "la la la, and on and on. " * 8000
    samples = music(8)[:, None]
    plain = write_audio(tmp_path / "plain.mp3", samples, RATE_HZ, ffmpeg).stat().st_size
    (tmp_path / "lyrics.txt").write_text(f";FFMETADATA1\nlyrics={lyrics}\n")
    path = tmp_path / "a b.mp3"
    argv = [ffmpeg, "-v", "error", "-i", tmp_path / "plain.mp3", "-i", tmp_path / "lyrics.txt", "-map_metadata", "1"]
    subprocess.run([*argv, "-c", "copy", path], check=True)
    assert path.stat().st_size > plain + 100_000
    (whole,) = decode([path], decoders, config)
    assert (whole.status, whole.reason) == ("ok", "")
    os.truncate(path, path.stat().st_size - plain // 2)
    assert decode([path], decoders, config)[0].status == "partial"


@pytest.mark.parametrize(
    "name",
    [
        *("-i.mp3", "a b, c.mp3", "quo\"te's.mp3", "%d.mp3", "a:b.mp3", "http:x.mp3", "[x]*?.mp3", "|ls.mp3"),
        *(os.fsdecode(b"\xff\xfe.mp3"), "tab\t.mp3", "back\\slash.mp3", "~.mp3", "@x.mp3", "$HOME.mp3", "Ünï.mp3"),
        "concat:a|b.mp3",
    ],
)
def test_any_name_is_a_name(tmp_path, monkeypatch, request, config, decoders, ffmpeg, name):
    monkeypatch.chdir(tmp_path)
    write_audio(tmp_path / "a.mp3", music(1)[:, None], RATE_HZ, ffmpeg).rename(tmp_path / name)
    assert decode([name], decoders, config)[0].status == "ok"
    with_sox, config = request.getfixturevalue("with_sox")
    wav = name.replace(".mp3", ".wav")
    write_audio(tmp_path / "a.wav", music_16k(1)[:, None], 16000).rename(tmp_path / wav)
    assert decode([wav], with_sox, config)[0].status == "ok"


@pytest.mark.parametrize(
    "content",
    [
        "#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:{port}/a.mp3\n",
        "ffconcat version 1.0\nfile 'http://127.0.0.1:{port}/a.mp3'\n",
    ],
    ids=["hls", "concat"],
)
def test_a_playlist_in_an_audio_files_clothes_reaches_no_network(tmp_path, config, decoders, content):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        (tmp_path / "a.mp3").write_text(content.format(port=server.getsockname()[1]))
        (track,) = decode([tmp_path / "a.mp3"], decoders, config)
        assert track.status == "failed"
        with pytest.raises(TimeoutError):
            server.accept()


TEXTS = {
    "ffconcat": "ffconcat version 1.0\nfile sound.bin\n",
    "ffconcat with options": "ffconcat version 1.0\nfile sound.bin\noption safe 0\nduration 1\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsound.bin\n#EXT-X-ENDLIST\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
    "dash": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT1S"><Period><AdaptationSet mimeType="audio/mp4"><Representation id="0" '
    'bandwidth="1"><BaseURL>sound.bin</BaseURL></Representation></AdaptationSet></Period></MPD>\n',
    "subtitles": "1\n00:00:00,000 --> 00:00:01,000\nsound.bin\n",
    "playlist": "[playlist]\nFile1=sound.bin\n",
}


@pytest.mark.parametrize("name", ["a.mp3", "a.wav", "a.ogg", "a.m4a", "a.mkv"])
@pytest.mark.parametrize("program", ["ffmpeg", "system ffmpeg", "sox"])
def test_a_text_that_names_other_files_opens_none(tmp_path, request, config, decoders, program, name):
    """The sound of another file, even of one that is no audio by its name, was taken for that of an ffconcat text."""
    if program == "system ffmpeg":
        decoders = Decoders(shutil.which("ffmpeg") or pytest.skip("no ffmpeg is installed"), None)
    if program == "sox":
        decoders, config = request.getfixturevalue("with_sox")
    write_audio(tmp_path / "sound.wav", noise(1)[:, None], 16000).rename(tmp_path / "sound.bin")
    for kind, text in TEXTS.items():
        (tmp_path / name).write_text(text)
        (track,) = decode([tmp_path / name], decoders, config)
        assert (track.status, track.mel) == ("failed", None), kind
        assert "whitelist" not in track.reason


# What a header claims


def wav_header(rate_hz: int, samples: int) -> bytes:
    size = 2 * samples
    kind = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate_hz, 2 * rate_hz, 2, 16)
    return struct.pack("<4sI4s", b"RIFF", size + 36, b"WAVE") + kind + struct.pack("<4sI", b"data", size)


@pytest.mark.parametrize("program", ["ffmpeg", "sox"])
@pytest.mark.parametrize("rate_hz", [1, 8, 99])
def test_a_rate_at_which_nothing_sounds_fails_at_once(tmp_path, request, config, decoders, program, rate_hz):
    """A wav of 7 MB at 1 Hz is 40 days long, and took three minutes."""
    decoders, config = request.getfixturevalue("with_sox") if program == "sox" else (decoders, config)
    path = tmp_path / "a.wav"
    path.write_bytes(wav_header(rate_hz, 2_000_000) + noise(2, seed=1).astype("<f4").tobytes() * 31)
    good = write_audio(tmp_path / "b.wav", noise(1)[:, None], 16000)
    tracks = [decode([path], decoders, config)[0], *decode([path, good], decoders, config)]
    assert [track.status for track in tracks] == ["failed", "failed", "ok"]
    assert tracks[0].reason == tracks[1].reason == f"its header states a sample rate of {rate_hz} Hz"


def test_a_low_rate_is_a_rate(tmp_path, config, decoders):
    write_audio(tmp_path / "a.wav", noise(1)[:800, None], 400)
    (track,) = decode([tmp_path / "a.wav"], decoders, config)
    assert (track.status, track.seconds) == ("ok", 2.0)


def test_more_frames_than_memory_is_meant_for_are_not_made(tmp_path, config, decoders, monkeypatch):
    monkeypatch.setattr(decoder_process, "MOST_FRAMES", 30)
    write_audio(tmp_path / "a.wav", noise(60)[:, None], 16000)
    (track,) = decode([tmp_path / "a.wav"], decoders, config)
    assert track.status == "partial"
    assert track.reason.endswith("frames; cut it into parts")
    assert track.seconds < 60


def test_a_decoder_gives_up_where_no_sample_comes(tmp_path, config, decoders):
    """Its whole time, a second per 50 kB, would be hours for a large file of nothing."""
    with open(tmp_path / "a.mp3", "wb") as file:
        file.truncate(10 << 20)
    hanging = program(tmp_path / "my ffmpeg", "sleep 1000")
    (track,) = decode([tmp_path / "a.mp3"], Decoders(hanging, None), config, timeout_seconds=0.1)
    assert (track.status, track.reason) == ("failed", "the decoder hung and was killed")


@pytest.mark.skipif(sys.platform != "linux", reason="only there a decoder's memory is limited")
def test_a_decoder_cannot_use_up_the_memory(tmp_path, config):
    """3.6 GB were taken for a sparse file of 4 GB."""
    limited = program(tmp_path / "my ffmpeg", f"ulimit -d > '{tmp_path}/limit'; exit 1")
    (tmp_path / "a.mp3").write_bytes(b"x")
    decode([tmp_path / "a.mp3"], Decoders(limited, None), config)
    assert int((tmp_path / "limit").read_text()) == decoder_process.MEMORY_BYTES >> 10


# A decoder that is not given what it needs


def test_a_decoder_that_somebody_kills_is_started_once_more(tmp_path, config, decoders):
    write_audio(tmp_path / "a.wav", noise(1)[:, None], 16000)
    text = f"[ -e '{tmp_path}/once' ] || {{ touch '{tmp_path}/once'; kill -KILL $$; }}; exec '{decoders.ffmpeg}' \"$@\""
    killed_once = program(tmp_path / "my ffmpeg", text)
    (track,) = decode([tmp_path / "a.wav"], Decoders(killed_once, None), config)
    assert track.status == "ok"


LACKS = [
    "kill -KILL $$",
    "echo '[af#3:0 @ 0x1] [error] pthread_create() failed: Resource temporarily unavailable' >&2",
    "echo '[error] pthread_create failed: Resource temporarily unavailable. Try to increase `ulimit -v` or so.' >&2",
]
OUT_OF_MEMORY = "echo '[mp3 @ 0x1] [error] Error opening input: Cannot allocate memory' >&2; exit 1"


@pytest.mark.parametrize("text", LACKS)
def test_too_little_memory_is_no_fault_of_a_file(tmp_path, config, text):
    """It was written down as failed, and not tried again."""
    (tmp_path / "a.mp3").write_bytes(b"x")
    with pytest.raises(MemoryError):
        decode([tmp_path / "a.mp3"], Decoders(program(tmp_path / "my ffmpeg", text), None), config)


def test_whoever_limits_us_is_told_from_a_file_that_wants_too_much(tmp_path, config):
    (tmp_path / "a.mp3").write_bytes(b"x")
    greedy = Decoders(program(tmp_path / "my ffmpeg", OUT_OF_MEMORY), None)
    (track,) = decode([tmp_path / "a.mp3"], greedy, config)
    assert (track.status, track.reason) == ("failed", "Error opening input: Cannot allocate memory")
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (decoder_process.MEMORY_BYTES * 3 // 2, before[1]))
    try:
        with pytest.raises(MemoryError):
            decode([tmp_path / "a.mp3"], greedy, config)
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


@pytest.mark.parametrize("name", ["a.mp3", "x: Resource temporarily unavailable/a.mp3", "Cannot allocate memory.mp3"])
def test_no_name_passes_for_a_lack_of_memory(tmp_path, config, decoders, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"no sound" * 99)
    (track,) = decode([tmp_path / name], decoders, config)
    assert track.status == "failed"


# A decoder that hangs or dies


def program(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def group_members(group: int) -> list[int]:
    """The processes of a process group, those left out that only wait to be reaped."""
    members = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            state, _, its_group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                members.append(int(folder.name))
    return members


@pytest.mark.parametrize(
    "text",
    [
        *("sleep 1000", "exec sleep 1000", "sleep 1000 & wait", "exec 2>&-; sleep 1000"),
        "trap '' TERM INT; sleep 1000 & wait",
    ],
)
def test_a_decoder_that_hangs_is_killed_with_all_that_it_started(tmp_path, config, text):
    hanging = program(tmp_path / "my ffmpeg", f"echo $$ > '{tmp_path}/pid'; {text}")
    (tmp_path / "a.mp3").write_bytes(b"x")
    (track,) = decode([tmp_path / "a.mp3"], Decoders(hanging, None), config, timeout_seconds=0.5)
    assert (track.status, track.seconds, track.reason) == ("failed", 0.0, "the decoder hung and was killed")
    group, deadline = int((tmp_path / "pid").read_text()), time.monotonic() + 60
    while group_members(group):  # what is killed takes its time on a busy machine
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_decoder_that_hangs_in_the_middle_leaves_what_came(tmp_path, config, decoders):
    write_audio(tmp_path / "a.wav", noise(1)[:, None], 16000)
    hanging = program(tmp_path / "my ffmpeg", f"'{decoders.ffmpeg}' -t 0.5 \"$@\"; sleep 1000")
    (track,) = decode([tmp_path / "a.wav"], Decoders(hanging, None), config, timeout_seconds=1.0)
    assert (track.status, track.seconds) == ("partial", 0.5)
    assert track.reason == "50.0% decoded, 0.5 of 1.0 s: the decoder hung and was killed"


def test_a_decoder_that_crashes_says_how(tmp_path, config):
    (tmp_path / "a.mp3").write_bytes(b"x")
    for text, said in [("kill -SEGV $$", "exit code -11"), ("exit 7", "exit code 7")]:
        crashing = program(tmp_path / "my ffmpeg", text)
        (track,) = decode([tmp_path / "a.mp3"], Decoders(crashing, None), config)
        assert (track.status, track.reason) == ("failed", f"the decoder ended with {said}")


def test_a_reason_is_one_short_line_whatever_the_decoder_says(tmp_path, config):
    text = r"""printf '[mp3 @ 0x1] [error] tab\there \377 and %0999d\n[error] more\n' 1 >&2; exit 1"""
    talking = program(tmp_path / "my ffmpeg", text)
    (tmp_path / "a.mp3").write_bytes(b"x")
    (track,) = decode([tmp_path / "a.mp3"], Decoders(talking, None), config)
    assert track.status == "failed"
    assert track.reason.startswith("tab here \N{REPLACEMENT CHARACTER} and 0000")
    assert len(track.reason) == REASON_CHARACTERS


def test_a_decoder_that_never_stops_talking_is_still_heard_out(tmp_path, config, decoders):
    """A full stderr pipe must not block it, and memory must not grow with what it says."""
    write_audio(tmp_path / "a.wav", noise(4)[:, None], 16000)
    talking = program(
        tmp_path / "my ffmpeg", f"head -c 5000000 /dev/zero | tr '\\0' '\\n' >&2; exec '{decoders.ffmpeg}' \"$@\""
    )
    (track,) = decode([tmp_path / "a.wav"], Decoders(talking, None), config)
    assert (track.status, track.seconds) == ("ok", 4.0)


def test_nothing_stays_open(tmp_path, config, decoders):
    write_audio(tmp_path / "a.wav", noise(1)[:, None], 16000)
    (tmp_path / "b.wav").write_bytes(b"x")
    hanging = Decoders(program(tmp_path / "my ffmpeg", "sleep 1000"), None)
    decode([tmp_path / "a.wav"], decoders, config)
    before = os.listdir("/proc/self/fd")
    decode([tmp_path / "a.wav", tmp_path / "b.wav"], decoders, config)
    decode([tmp_path / "b.wav"], hanging, config, timeout_seconds=0.1)
    with pytest.raises(OSError):
        decode([tmp_path / "a.wav"], Decoders(str(tmp_path / "none"), None), config)
    assert os.listdir("/proc/self/fd") == before


def test_a_file_that_vanishes_is_a_failed_one(tmp_path, config, decoders):
    (track,) = decode([tmp_path / "gone.mp3"], decoders, config)
    assert track.status == "failed"
    assert "No such file" in track.reason
