"""Headers that claim too much: what is read of a file, and how often, is bounded."""

from __future__ import annotations

import os
import resource
import signal
import struct
import sys
import zlib

import mutagen
import pytest
from conftest import tone, write_audio

from mels import parsed_headers
from mels.file_ends import header_seconds, missing_end
from mels.parsed_headers import parse_headers
from mels.tags import read_tags


def sparse(path, start: bytes, size: int = 4 << 30):
    with open(path, "wb") as file:
        file.write(start)
        file.truncate(size)
    return str(path)


def test_a_sound_is_parsed_as_mutagen_does(tmp_path, ffmpeg):
    path = str(write_audio(tmp_path / "a, b.flac", tone(1, 440), 44100, ffmpeg))
    assert parse_headers(path).info.length == mutagen.File(path).info.length == pytest.approx(1)


def test_an_atom_of_4_gigabytes_is_not_read(tmp_path):
    ftyp = struct.pack(">I4s4sI", 16, b"ftyp", b"M4A ", 0)
    mdhd = struct.pack(">I4sQ", 1, b"mdhd", 4_000_000_000)
    trees = [struct.pack(">I4s", 0, name) for name in (b"moov", b"trak", b"mdia")]
    path = sparse(tmp_path / "a.m4a", ftyp + b"".join(trees) + mdhd)
    with pytest.raises((ValueError, mutagen.MutagenError)):
        parse_headers(path)
    assert header_seconds(path) is None


def test_more_reads_than_any_sound_needs_are_an_error(tmp_path, ffmpeg, monkeypatch):
    path = str(write_audio(tmp_path / "a.flac", tone(1, 440), 44100, ffmpeg))
    monkeypatch.setattr(parsed_headers, "MOST_READS", 5)
    with pytest.raises((ValueError, mutagen.MutagenError)):
        parse_headers(path)


def test_a_wav_of_empty_chunks_is_left_soon(tmp_path):
    """A wav of 2 GB of them took six minutes."""
    chunk = struct.pack("<4sI", b"junk", 0)
    head = b"RIFF\xff\xff\xff\x7fWAVE" + struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 16000, 32000, 2, 16)
    data = struct.pack("<4sI", b"data", 32000) + bytes(32000)
    (tmp_path / "a.wav").write_bytes(head + 900 * chunk + data)
    (tmp_path / "b.wav").write_bytes(head + 1100 * chunk + data)
    assert header_seconds(str(tmp_path / "a.wav")) == 1.0
    assert header_seconds(str(tmp_path / "b.wav")) is None


def compressed_tag(megabytes: int, frames: int = 1) -> bytes:
    """An ID3v2.4 tag whose titles are compressed."""
    packer = zlib.compressobj(1)
    packed = packer.compress(b"\3") + b"".join(packer.compress(b"x" * 1_000_000) for _ in range(megabytes))
    packed += packer.flush()
    sizes = [synchsafe(len(packed) + 4), b"\0\x09", synchsafe(1_000_000 * megabytes + 1)]
    body = frames * (b"TIT2" + b"".join(sizes) + packed)
    return b"ID3\4\0\0" + synchsafe(len(body)) + body + 10 * (b"\xff\xfb\x90\0" + bytes(413))


def synchsafe(size: int) -> bytes:
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


@pytest.mark.skipif(sys.platform != "linux", reason="only there memory is limited")
def test_a_compressed_tag_that_means_gigabytes_is_not_unpacked(tmp_path, monkeypatch):
    (tmp_path / "a.mp3").write_bytes(compressed_tag(200))
    monkeypatch.setattr(parsed_headers, "MOST_MEMORY", 1 << 27)
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with pytest.raises((MemoryError, ValueError, mutagen.MutagenError)):
        parse_headers(str(tmp_path / "a.mp3"))
    assert read_tags(str(tmp_path / "a.mp3")) is None
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    (tmp_path / "a.mp3").write_bytes(compressed_tag(1))
    assert parse_headers(str(tmp_path / "a.mp3")).tags is not None


def test_many_tags_that_are_unpacked_one_after_the_other_end_in_time(tmp_path, monkeypatch):
    (tmp_path / "a.mp3").write_bytes(compressed_tag(1, frames=200))
    monkeypatch.setattr(parsed_headers, "MOST_SECONDS", 0.02)
    with pytest.raises(ValueError, match="take too long"):
        parse_headers(str(tmp_path / "a.mp3"))
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)


def test_a_file_that_has_become_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.wav")
    assert header_seconds(str(tmp_path / "a.wav")) is None
    assert read_tags(str(tmp_path / "a.wav")) is None
    assert missing_end(str(tmp_path / "a.wav")) is None
