"""Cut files are told from whole ones where their structure says so, and no whole one is ever called a part."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from conftest import RATE_HZ, write_audio
from hypothesis import given, settings
from hypothesis import strategies as st

from mels import file_ends
from mels.decoding import find_decoders, tracks_from_files
from mels.file_ends import Missing, frame_bytes, header_seconds, missing_end
from mels.log_mel import MelFramer

# Name of the case: what ffmpeg is told, the extension is the name's
KINDS = {
    "cbr.mp3": ["-write_xing", "0"],
    "vbr.mp3": ["-write_xing", "0", "-q:a", "4"],
    "slow.mp3": ["-write_xing", "0", "-ar", "16000", "-b:a", "24k"],
    "slowest.mp3": ["-write_xing", "0", "-ar", "8000", "-b:a", "8k"],
    "fast.mp3": ["-write_xing", "0", "-ar", "32000", "-b:a", "320k"],
    "with an ID3v1 tag.mp3": ["-write_xing", "0", "-write_id3v1", "1", "-metadata", "title=x"],
    "layer two.mp2": [],
    "plain.aac": [],
    "slow.aac": ["-b:a", "48k"],
    "vorbis.ogg": ["-c:a", "libvorbis"],
    "best.ogg": ["-c:a", "libvorbis", "-q:a", "9"],
    "flac.oga": ["-c:a", "flac"],
    "plain.opus": [],
    "short pages.opus": ["-page_duration", "20000"],
    "plain.wma": [],
    "old.wma": ["-c:a", "wmav1"],
    "slow.wma": ["-b:a", "32k"],
    "plain.asf": [],
}
CERTAIN = (".ogg", ".oga", ".opus", ".wma", ".asf")  # cut anywhere, they say so; the others only inside a frame
BEHIND = {
    "nothing": b"",
    "zeros": bytes(1000),
    "many zeros": bytes(300_000),
    "an ID3v1 tag": b"TAG" + b"a song".ljust(125),
    "an APE tag": b"APETAGEX" + bytes(24) + b"Title\0x" * 30,
    "noise": np.random.default_rng(0).bytes(3000),
    "set bits": b"\xff" * 7,
}


def noise(seconds: float, channels: int) -> np.ndarray:
    return 0.1 * np.random.default_rng(1).standard_normal((round(seconds * RATE_HZ), channels)).astype(np.float32)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, ffmpeg) -> dict[str, bytes]:
    """A file of 3 s of each kind."""
    folder = tmp_path_factory.mktemp("whole")
    return {
        name: write_audio(folder / name, noise(3, 1 + place % 2), RATE_HZ, ffmpeg, *options).read_bytes()
        for place, (name, options) in enumerate(KINDS.items())
    }


def end_of(path: Path, content: bytes) -> Missing | None:
    path.write_bytes(content)
    return missing_end(str(path))


@pytest.mark.parametrize("seconds", [0.05, 0.13, 1.0, 2.37, 7.0])
@pytest.mark.parametrize("name", KINDS)
def test_no_whole_file_is_called_a_part(tmp_path, ffmpeg, name, seconds):
    for channels in (1, 2):
        path = write_audio(tmp_path / name, noise(seconds, channels), RATE_HZ, ffmpeg, *KINDS[name])
        assert missing_end(str(path)) is None


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("name", KINDS)
def test_nor_one_with_tags_or_garbage_behind_its_sound(tmp_path, whole, name, behind):
    assert end_of(tmp_path / name, whole[name] + BEHIND[behind]) is None


@pytest.mark.parametrize("name", ["a.ogg", "a.opus", "a.mp3", "a.wav", "a.flac"])
def test_nor_what_other_programs_write(tmp_path, name):
    samples = noise(2, 2)
    rate_hz = 48000 if name == "a.opus" else RATE_HZ
    container, subtype = {"a.opus": ("OGG", "OPUS")}.get(name, (None, None))
    soundfile.write(tmp_path / name, samples, rate_hz, format=container, subtype=subtype)
    assert missing_end(str(tmp_path / name)) is None
    if shutil.which("sox") and name in ("a.ogg", "a.wav", "a.flac"):
        subprocess.run(["sox", tmp_path / name, tmp_path / f"sox {name}"], check=True, timeout=60)
        assert missing_end(str(tmp_path / f"sox {name}")) is None


@pytest.mark.parametrize("kind", ["mp3", "ogg", "opus", "asf", "adts"])
def test_nor_what_was_written_to_a_pipe(tmp_path, ffmpeg, kind):
    """Whoever writes to a pipe cannot go back to the header."""
    path = write_audio(tmp_path / "a.wav", noise(3, 1))
    argv = [ffmpeg, "-v", "error", "-i", path, "-f", kind, "pipe:1"]
    content = subprocess.run(argv, check=True, capture_output=True, timeout=60).stdout
    assert end_of(tmp_path / {"adts": "b.aac", "asf": "b.wma"}.get(kind, f"b.{kind}"), content) is None


@pytest.mark.parametrize("name", KINDS)
def test_a_file_that_is_cut_says_so(tmp_path, whole, name):
    content, draws = whole[name], np.random.default_rng(2)
    for end in draws.integers(len(content) // 3, len(content) - 2000, 20):
        missing = end_of(tmp_path / name, content[:end])
        if Path(name).suffix in CERTAIN:
            assert missing
        elif missing is None:  # the cut must be at the border of two frames, or within the next one's header
            left = content[end - 6 : end + 6]
            assert any(frame_bytes(left[place : place + 6]) for place in range(7))
        else:
            assert missing == Missing("the file ends inside a frame")


@pytest.mark.parametrize("name", ["plain.wma", "old.wma", "plain.asf"])
def test_asf_knows_the_share(tmp_path, whole, name):
    for share in (0.3, 0.5, 0.9):
        missing = end_of(tmp_path / name, whole[name][: round(len(whole[name]) * share)])
        assert missing.share == pytest.approx(share, abs=0.08)
        assert missing.text.startswith("the file ends before the ")


@pytest.mark.parametrize("name", ["vorbis.ogg", "plain.opus", "flac.oga"])
def test_ogg_is_cut_inside_a_page_or_between_two(tmp_path, whole, name):
    content = whole[name]
    pages = [place for place in range(len(content)) if content.startswith(b"OggS", place)]
    assert len(pages) > 3
    for page in pages[3:]:
        assert end_of(tmp_path / name, content[:page]).text == "the Ogg stream's last page is missing"
        for more in (1, 3, 4, 5, 26, 27, 28):
            assert (
                end_of(tmp_path / name, content[: page + more]).text == "the file ends inside a page of its Ogg stream"
            )
    assert end_of(tmp_path / name, content[:-1]).text == "the file ends inside a page of its Ogg stream"


def test_streams_that_follow_each_other_are_whole_where_the_last_one_is(tmp_path, whole):
    chain = whole["vorbis.ogg"] + whole["best.ogg"]
    assert end_of(tmp_path / "a.ogg", chain) is None
    assert end_of(tmp_path / "a.ogg", chain[:-100])
    assert end_of(tmp_path / "a.ogg", whole["vorbis.ogg"] + whole["best.ogg"][:20])


def test_a_damaged_last_page_says_nothing(tmp_path, whole):
    content = bytearray(whole["vorbis.ogg"])
    content[-1] ^= 1
    assert end_of(tmp_path / "a.ogg", bytes(content)) is None


def test_an_mp3_whose_header_tells_its_length_is_left_to_the_decoder(tmp_path, ffmpeg):
    path = write_audio(tmp_path / "a.mp3", noise(3, 1), RATE_HZ, ffmpeg)
    assert end_of(path, path.read_bytes()[:-1001]) is None


@settings(max_examples=200)
@given(content=st.binary(max_size=300), name=st.sampled_from(["a.mp3", "a.aac", "a.ogg", "a.wma", "a"]))
@pytest.mark.parametrize(
    "magic", [b"", b"OggS", b"ID3\4\0\0\0\0\0\3", bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")]
)
def test_any_bytes_are_looked_at_without_an_error(tmp_path_factory, magic, content, name):
    folder = tmp_path_factory.getbasetemp() / "any bytes"
    folder.mkdir(exist_ok=True)
    end_of(folder / name, magic + content)


def test_a_file_that_is_gone_says_nothing(tmp_path):
    assert missing_end(str(tmp_path / "a.ogg")) is None


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("vorbis.ogg", "share unknown: the file ends inside a page of its Ogg stream"),
        ("plain.opus", "share unknown: the file ends inside a page of its Ogg stream"),
        ("cbr.mp3", "share unknown: the file ends inside a frame"),
        ("plain.aac", "share unknown: the file ends inside a frame"),
        ("plain.wma", "%: the file ends before the "),
    ],
)
def test_half_a_file_is_partial_and_its_sound_is_kept(tmp_path, config, whole, name, says):
    paths = [tmp_path / name, tmp_path / f"half {name}"]
    paths[0].write_bytes(whole[name])
    paths[1].write_bytes(whole[name][: len(whole[name]) // 2 - 5])
    framers = [MelFramer(config) for _ in paths]
    good, half = tracks_from_files([str(path) for path in paths], framers, find_decoders(config), config, 30.0)
    assert (good.status, good.reason) == ("ok", "")
    assert half.status == "partial"
    assert half.reason.startswith(f"{half.seconds:.1f} s decoded, ")
    assert says in half.reason
    assert 0 < len(half.mel) < len(good.mel)


# How long a file says that it is


@pytest.mark.parametrize(
    "name", ["a.wav", "b, é.aiff", "c.flac", "d.ogg", "e.mp3", "f.m4a", "g.opus", "h.wma", "-i.MP3"]
)
def test_headers_say_how_long_a_file_is(tmp_path, ffmpeg, monkeypatch, name):
    path = write_audio(tmp_path / name, noise(3, 2), RATE_HZ, ffmpeg)
    assert header_seconds(str(path)) == pytest.approx(3, abs=0.1)
    monkeypatch.chdir(tmp_path)
    assert header_seconds(name) == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize("name", ["a.wav", "b.mp3", "c.ogg", "d.flac", "e.m4a", "f.mkv"])
@pytest.mark.parametrize("content", [b"", b"words" * 300, bytes(5000), b"RIFF\xff\xff\xff\xffWAVEfmt ", b"OggS" * 99])
def test_a_file_that_says_nothing_has_no_length(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert header_seconds(str(tmp_path / name)) is None
    assert header_seconds(str(tmp_path / "gone" / name)) is None
    assert header_seconds(str(tmp_path)) is None


@pytest.mark.parametrize("raised", [ValueError("x"), AttributeError("x"), MemoryError(), RecursionError(), KeyError(1)])
def test_whatever_is_raised_over_a_broken_file_it_has_no_length(tmp_path, monkeypatch, raised):
    def broken(path):
        raise raised

    (tmp_path / "a.mp3").write_bytes(bytes(5000))
    monkeypatch.setattr("mutagen.File", broken)
    assert header_seconds(str(tmp_path / "a.mp3")) is None


@pytest.mark.parametrize("length", [0.0, -1.0, float("nan"), float("inf"), None, "soon"])
def test_a_length_that_is_none_is_left_out_of_account(tmp_path, monkeypatch, length):
    (tmp_path / "a.mp3").write_bytes(bytes(5000))
    monkeypatch.setattr("mutagen.File", lambda path: SimpleNamespace(info=SimpleNamespace(length=length)))
    assert header_seconds(str(tmp_path / "a.mp3")) is None


def test_a_length_that_the_files_size_cannot_hold_is_left_out_of_account(tmp_path, monkeypatch):
    (tmp_path / "a.aiff").write_bytes(bytes(5000))  # 20 s of 2000 bits
    for length, expected in ((19.9, 19.9), (20.1, None), (0xFFFFFFFF / 44100, None)):
        monkeypatch.setattr("mutagen.File", lambda path, s=length: SimpleNamespace(info=SimpleNamespace(length=s)))
        assert header_seconds(str(tmp_path / "a.aiff")) == expected


@pytest.mark.parametrize("stated_bytes", [0xFFFFFFFF, 0x7FFFFFFF, 0])
def test_a_streamed_wav_has_no_length(tmp_path, ffmpeg, stated_bytes):
    whole = write_audio(tmp_path / "a.wav", noise(3, 1))
    argv = [ffmpeg, "-v", "error", "-i", whole, "-f", "wav", "pipe:"]
    content = subprocess.run(argv, check=True, capture_output=True, timeout=60).stdout
    assert content.count(b"data\xff\xff\xff\xff") == 1
    stated = b"data" + stated_bytes.to_bytes(4, "little")
    (tmp_path / "b.wav").write_bytes(content.replace(b"data\xff\xff\xff\xff", stated))
    assert header_seconds(str(tmp_path / "b.wav")) is None
    assert header_seconds(str(whole)) == 3


@settings(max_examples=150)
@given(data=st.data())
def test_damage_anywhere_ends_nothing(whole, tmp_path_factory, data):
    name = data.draw(st.sampled_from(sorted(KINDS)))
    content = bytearray(whole[name])
    for place in data.draw(st.lists(st.integers(0, 400), max_size=20)):
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    seconds = header_seconds(str(path))
    assert seconds is None or 0 < seconds < np.inf


def test_an_asf_of_objects_without_a_size_and_tags_without_end_are_left_soon(tmp_path):
    """The first was read again and again, four billion times; the second to its last byte."""
    head = file_ends.ASF_HEADER + struct.pack("<QI2x", 0, 0xFFFFFFFF)
    for size in (0, 24):
        (tmp_path / "a.wma").write_bytes(head + 5000 * struct.pack("<16sQ", b"x" * 16, size))
        assert missing_end(str(tmp_path / "a.wma")) is None
    tag = b"ID3\4\0\0\0\0\0\0"
    (tmp_path / "a.mp3").write_bytes(3000 * tag)
    with open(tmp_path / "a.mp3", "rb") as file:
        assert file_ends._tags_bytes(file) == 10 * file_ends.MOST_CHUNKS
