"""Which audio a browser plays, and how the rest becomes MP3."""

from __future__ import annotations

import errno
import os
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import tone, write_audio

from mels.decoding import REASON_CHARACTERS
from static_web_viewer.page import transcode
from static_web_viewer.page.transcode import (
    NotMade,
    Source,
    SourceGone,
    can_be_copied,
    copy_audio,
    encode_mp3,
    is_played,
    needs_ffmpeg,
    opened,
)

pytestmark = pytest.mark.slow

SECONDS = 0.5


@pytest.fixture(scope="session")
def clips(tmp_path_factory, ffmpeg) -> Path:
    """A tone in every format that matters; the names say what is in them."""
    folder = tmp_path_factory.mktemp("the clips")
    sound = tone(SECONDS, 440)
    for name in ("plain.wav", "plain.flac", "plain.mp3", "plain.aiff", "plain.wma", "plain.aac", "aac.m4a"):
        write_audio(folder / name, sound, 44100, ffmpeg)
    write_audio(folder / "alac.m4a", sound, 44100, ffmpeg, "-c:a", "alac")
    write_audio(folder / "adpcm.wav", sound, 44100, ffmpeg, "-c:a", "adpcm_ima_wav")
    write_audio(folder / "vorbis.ogg", sound, 44100, ffmpeg, "-c:a", "libvorbis")
    write_audio(folder / "rich.w64", tone(SECONDS, 440, 6, 96000), 96000, ffmpeg)
    picture = ["-f", "lavfi", "-i", f"color=red:size=64x64:duration={SECONDS}"]
    write_audio(folder / "film.mp4", sound, 44100, ffmpeg, *picture, "-c:a", "aac")
    subprocess.run([ffmpeg, "-v", "error", *picture, "-frames:v", "1", folder / "cover.png"], check=True)
    cover = ["-i", folder / "cover.png", "-map", "0:a", "-map", "1:v", "-c:v", "mjpeg"]
    cover += ["-disposition:v", "attached_pic"]
    write_audio(folder / "cover.m4a", sound, 44100, ffmpeg, *cover)
    (folder / "cover.png").unlink()
    return folder


def source_of(path: Path) -> Source:
    status = path.stat()
    return Source(path.name, str(path.resolve()), (status.st_size, status.st_mtime_ns))


def encoded(path: Path, mp3: Path, ffmpeg: str) -> Path:
    with open(mp3, "wb") as target:
        encode_mp3(source_of(path), target, ffmpeg, threading.Event())
    return mp3


def copied(path: Path, target: Path, stop: threading.Event | None = None) -> bytes:
    with opened(source_of(path)) as source, open(target, "wb") as file:
        copy_audio(source, file, stop or threading.Event())
    return target.read_bytes()


# Formats


def test_what_a_browser_plays_is_copied_and_the_rest_becomes_mp3(clips, tmp_path, ffmpeg):
    paths = sorted(clips.iterdir())
    as_they_are = [path.name for path in paths if can_be_copied(source_of(path), ffmpeg, threading.Event())]
    played = ["aac.m4a", "cover.m4a", "plain.aac", "plain.flac", "plain.mp3", "plain.wav", "vorbis.ogg"]
    assert as_they_are == played
    others = [path for path in paths if path.name not in played]
    assert [path.name for path in others] == [
        *("adpcm.wav", "alac.m4a", "film.mp4", "plain.aiff", "plain.wma", "rich.w64")
    ]
    for path in others:
        mp3 = encoded(path, tmp_path / "a b.mp3", ffmpeg)
        info = soundfile.info(mp3)
        assert (info.format, info.channels) == ("MP3", 2 if path.name == "rich.w64" else 1)
        assert info.samplerate == (48000 if path.name == "rich.w64" else 44100)
        assert info.duration == pytest.approx(SECONDS, abs=0.1)
        samples, rate_hz = soundfile.read(mp3)
        middle = samples.reshape(len(samples), -1)[rate_hz // 10 : rate_hz // 10 + rate_hz // 4, 0]
        peak = np.argmax(np.abs(np.fft.rfft(middle))) * rate_hz / len(middle)
        assert peak == pytest.approx(440, abs=5)


def test_the_extension_tells_what_is_likely_played_and_what_needs_ffmpeg():
    assert [is_played(name) for name in ("a.MP3", "a.m4a", "a.webm", "a.wma", "mp3")] == [True] * 3 + [False] * 2
    assert [needs_ffmpeg(names) for names in (["a.MP3", "a.flac"], ["a.mp3", "a.ogg"], [])] == [False, True, False]


@pytest.mark.parametrize(
    ("name", "content"), [("a.wma", b"no sound at all" * 100), ("a.wav", b""), ("notes.txt", b"x" * 5000)]
)
def test_what_cannot_be_decoded_is_said_in_one_short_line(tmp_path, ffmpeg, name, content):
    (tmp_path / name).write_bytes(content)
    assert not can_be_copied(source_of(tmp_path / name), ffmpeg, threading.Event())
    with pytest.raises(NotMade) as raised:
        encoded(tmp_path / name, tmp_path / "a.mp3", ffmpeg)
    assert 10 < len(str(raised.value)) <= REASON_CHARACTERS and "\n" not in str(raised.value)


def test_a_damaged_file_plays_as_far_as_it_goes(tmp_path, ffmpeg):
    path = write_audio(tmp_path / "a.wma", tone(4, 440), 44100, ffmpeg)
    os.truncate(path, path.stat().st_size // 2)
    assert 1 < soundfile.info(encoded(path, tmp_path / "a.mp3", ffmpeg)).duration < 3


def test_a_playlist_in_the_clothes_of_audio_takes_in_nothing(tmp_path, ffmpeg):
    write_audio(tmp_path / "private.ts", tone(1, 300), 44100, ffmpeg, "-c:a", "aac")
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:1", "#EXTINF:1,", f"file://{tmp_path}/private.ts", "#EXT-X-ENDLIST"]
    (tmp_path / "hls.wma").write_text("\n".join(lines))
    (tmp_path / "concat.wma").write_text("ffconcat version 1.0\nfile private.ts\n")
    for name in ("hls.wma", "concat.wma"):
        with pytest.raises(NotMade):
            encoded(tmp_path / name, tmp_path / "a.mp3", ffmpeg)


def test_an_ffmpeg_that_hangs_is_killed(tmp_path, monkeypatch):
    program = tmp_path / "ffmpeg that hangs"
    program.write_text(f"#!/bin/sh\necho $$ > '{tmp_path}/pid'\nexec sleep 1000\n")
    program.chmod(0o755)
    (tmp_path / "a.wma").touch()
    monkeypatch.setattr(transcode, "STALLED_SECONDS", 0.1)
    with pytest.raises(NotMade, match="ffmpeg hung and was killed"):
        encoded(tmp_path / "a.wma", tmp_path / "a.mp3", str(program))
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


def test_an_ffmpeg_that_writes_without_end_is_killed(tmp_path, monkeypatch):
    """A few bytes can mean hours of silence, and their MP3 grew for as long as they lasted."""
    program = tmp_path / "ffmpeg without end"
    text = 'for last; do :; done; while echo x >> "${last#file:}"; do echo word >&2; sleep 0.05; done'
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    (tmp_path / "a.wma").write_bytes(b"x")
    monkeypatch.setattr(transcode, "STALLED_SECONDS", 0.7)
    with pytest.raises(NotMade, match="takes too long for a file of its size"):
        encoded(tmp_path / "a.wma", tmp_path / "a.mp3", str(program))
    assert (tmp_path / "a.mp3").stat().st_size


# Opening and copying


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "folder above", "gone"])
def test_what_has_taken_the_place_of_a_source_is_not_opened(tmp_path, kind):
    path = tmp_path / "root/a.mp3"
    path.parent.mkdir()
    path.write_bytes(b"music")
    source = source_of(path)
    if kind == "folder above":
        path.parent.rename(tmp_path / "moved")
        path.parent.symlink_to(tmp_path / "moved")
    else:
        path.unlink()
    if kind == "link":
        (tmp_path / "secret.mp3").write_bytes(b"secret")
        path.symlink_to(tmp_path / "secret.mp3")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    descriptors = os.listdir("/proc/self/fd")
    with pytest.raises(SourceGone if kind == "gone" else NotMade) as raised, opened(source):
        pass
    assert (raised.type is SourceGone) == (kind == "gone")
    assert os.listdir("/proc/self/fd") == descriptors


@pytest.mark.parametrize("by_the_kernel", [0, 3])
def test_what_the_kernel_does_not_copy_is_copied_by_hand(tmp_path, monkeypatch, by_the_kernel):
    content = os.urandom(10_500)
    (tmp_path / "a.mp3").write_bytes(content)
    copy_file_range, calls = os.copy_file_range, []

    def refuse(*arguments):
        calls.append(arguments)
        if len(calls) > by_the_kernel:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return copy_file_range(*arguments)

    monkeypatch.setattr(os, "copy_file_range", refuse)
    monkeypatch.setattr(transcode, "COPY_BYTES", 1000)
    assert copied(tmp_path / "a.mp3", tmp_path / "b.mp3") == content
    monkeypatch.delattr(os, "copy_file_range")  # as on other systems than Linux
    assert copied(tmp_path / "a.mp3", tmp_path / "c.mp3") == content


def test_a_copy_stops_when_everything_does(tmp_path):
    (tmp_path / "a.mp3").write_bytes(b"music")
    stop = threading.Event()
    stop.set()
    with pytest.raises(NotMade, match="interrupted"):
        copied(tmp_path / "a.mp3", tmp_path / "b.mp3", stop)
