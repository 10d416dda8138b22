"""What tags say: real files of every format, by ffmpeg and by mutagen, and tags that nobody means well with."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import mutagen
import mutagen.apev2
import mutagen.flac
import mutagen.id3
import mutagen.mp3
import mutagen.mp4
import mutagen.wave
import pytest
from conftest import tone, write_audio
from hypothesis import given, settings
from hypothesis import strategies as st

from mels import tags as tags_module
from mels.tags import BETWEEN_VALUES, MOST_CHARACTERS, TAG_COLUMNS, bpm, clean, joined, read_tags, track, year

SOUND = tone(0.5, 440)
WRITTEN = {
    "title": "Größe, \"3\" =1+1; 'x'",
    "artist": "Ёлка",
    "album": "an album",
    "genre": "Hip-Hop",
    "date": "2003-05-01",
    "track": "03/12",
}
READ = {
    "title": WRITTEN["title"],
    "artist": "Ёлка",
    "album": "an album",
    "genre": "Hip-Hop",
    "year": "2003",
    "track": "3",
    "bpm": "",
}
EMPTY = dict.fromkeys(TAG_COLUMNS, "")


def metadata(**tags: str) -> list[str]:
    return [word for name, value in tags.items() for word in ("-metadata", f"{name}={value}")]


def without_duration(path: Path) -> dict[str, str]:
    tags = read_tags(str(path))
    assert 0.4 < float(tags.pop("duration")) < 0.7
    return tags


@pytest.mark.parametrize(
    "name", "a.mp3 b.flac c.ogg d.opus e.m4a f.wav g.wma h.oga i.mp4 j.W64.MP3 k.aif l.aiff m.wv".split()
)
def test_what_ffmpeg_writes_is_read(tmp_path, ffmpeg, name):
    aiff = ["-write_id3v2", "1"] if ".aif" in name else []
    path = write_audio(tmp_path / name, SOUND, 44100, ffmpeg, *metadata(**WRITTEN), *aiff)
    assert without_duration(path) == READ


@pytest.mark.parametrize("version", ["3", "4"])
def test_both_versions_of_id3v2(tmp_path, ffmpeg, version):
    options = ["-id3v2_version", version, *metadata(**WRITTEN, TBPM="128")]
    assert without_duration(write_audio(tmp_path / "a.mp3", SOUND, 44100, ffmpeg, *options)) == READ | {"bpm": "128"}


def test_an_id3v1_tag_alone(tmp_path, ffmpeg):
    path = write_audio(tmp_path / "a.mp3", SOUND, 44100, ffmpeg, "-id3v2_version", "0", "-write_xing", "0")
    assert without_duration(path) == {column: "" for column in TAG_COLUMNS if column != "duration"}
    fields = ("Größe".encode("latin-1").ljust(30, b"\0"), b"the artist".ljust(30), b"album".ljust(30, b"\0"), b"1999")
    path.write_bytes(path.read_bytes() + b"TAG" + b"".join(fields) + bytes(28) + b"\0\x07" + bytes([17]))
    expected = {"title": "Größe", "artist": "the artist", "album": "album", "genre": "Rock", "year": "1999"}
    assert without_duration(path) == {**expected, "track": "7", "bpm": ""}


def test_an_aiff_has_text_of_its_own_where_it_has_no_id3(tmp_path, ffmpeg):
    path = write_audio(tmp_path / "a.aiff", SOUND, 44100, ffmpeg, *metadata(title="odd", artist="four"))
    tags = without_duration(path)
    assert (tags["title"], tags["artist"]) == ("odd", "")  # ffmpeg writes AUTH for an author only
    path = write_audio(tmp_path / "b.aiff", SOUND, 44100, ffmpeg, *metadata(title="odd", author="four"))
    assert without_duration(path)["artist"] == "four"


def test_id3_in_a_wav_counts_more_than_its_list_of_info_which_fills_what_is_missing(tmp_path, ffmpeg):
    path = write_audio(tmp_path / "a.wav", SOUND, 44100, ffmpeg, *metadata(**WRITTEN))
    sound = mutagen.wave.WAVE(path)
    sound.add_tags()
    sound.tags.add(mutagen.id3.TIT2(text=["of the ID3"]))
    sound.tags.add(mutagen.id3.TBPM(text=["90.50"]))
    sound.save()
    assert without_duration(path) == READ | {"title": "of the ID3", "bpm": "90.5"}


def test_a_wav_whose_text_is_not_utf_8_is_latin_1(tmp_path, ffmpeg):
    path = write_audio(tmp_path / "a.wav", SOUND, 44100, ffmpeg)
    info = b"INFO" + b"".join(
        name + struct.pack("<I", len(text)) + text + bytes(len(text) % 2)
        for name, text in ((b"INAM", b"caf\xe9\0"), (b"IART", b"a\0b\0"), (b"ICRD", b"in 1987"))
    )
    path.write_bytes(path.read_bytes() + b"LIST" + struct.pack("<I", len(info)) + info)
    tags = read_tags(str(path))
    assert (tags["title"], tags["artist"], tags["year"]) == ("café", "a; b", "1987")


def test_several_values_are_joined_and_equal_ones_named_once(tmp_path, ffmpeg):
    for name, kind in (("a.flac", mutagen.flac.FLAC), ("b.mp4", mutagen.mp4.MP4), ("c.mp3", mutagen.mp3.MP3)):
        path = write_audio(tmp_path / name, SOUND, 44100, ffmpeg)
        sound = kind(path)
        if name == "a.flac":
            sound["artist"], sound["BPM"] = ["One", "Two", "One", "  "], ["unknown", "120.0"]
            sound["TITLE"] = "A title"
        elif name == "b.mp4":
            sound["\xa9ART"], sound["tmpo"], sound["\xa9nam"] = ["One", "Two", "One"], [120], ["A title"]
        else:
            sound.tags = sound.tags or mutagen.id3.ID3()
            sound.tags.add(mutagen.id3.TPE1(encoding=3, text=["One", "Two", "One"]))
            sound.tags.add(mutagen.id3.TBPM(encoding=0, text=["120"]))
            sound.tags.add(mutagen.id3.TIT2(encoding=1, text=["A title"]))
        sound.save()
        tags = read_tags(str(path))
        assert (tags["artist"], tags["bpm"], tags["title"]) == ("One; Two", "120", "A title"), name


def test_ape_tags(tmp_path, ffmpeg):
    path = write_audio(tmp_path / "a.wv", SOUND, 44100, ffmpeg)
    sound = mutagen.File(path)
    sound.tags = mutagen.apev2.APEv2()
    sound["Artist"], sound["Year"], sound["Track"] = ["One", "Two"], "1971", "4/9"
    sound["Title"] = mutagen.apev2.APEValue(b"\0\1", mutagen.apev2.BINARY)
    sound.save()
    tags = read_tags(str(path))
    assert (tags["artist"], tags["year"], tags["track"]) == ("One; Two", "1971", "4")


HOSTILE = "=HYPERLINK(1)\r\nsecond\tline\x1b[31m \u202egnp.exe"


@pytest.mark.parametrize("name", ["a.flac", "b.mp3", "c.m4a", "d.wav", "e.opus"])
def test_hostile_tags_are_text(tmp_path, ffmpeg, name):
    path = write_audio(tmp_path / name, SOUND, 44100, ffmpeg, *metadata(title=HOSTILE, artist="x" * 60_000))
    tags = read_tags(str(path))
    assert tags["title"] == "=HYPERLINK(1) second line[31m gnp.exe"
    assert tags["artist"] == "x" * (MOST_CHARACTERS - 1) + "…"


def test_a_tag_of_a_megabyte_is_cut_and_nul_parts_values(tmp_path, ffmpeg):
    path = write_audio(tmp_path / "a.flac", SOUND, 44100, ffmpeg)
    sound = mutagen.flac.FLAC(path)
    sound["title"], sound["artist"], sound["genre"] = "y" * 1_000_000, "One\0Two\0\0", ["z"] * 100_000
    sound.save()
    tags = read_tags(str(path))
    assert len(tags["title"]) == MOST_CHARACTERS and tags["title"].startswith("yyy")
    assert (tags["artist"], tags["genre"]) == ("One; Two", "z")


@pytest.mark.parametrize("name", ["a.mp3", "b.flac", "c.wav", "d.m4a", "e.mkv", "f.ogg", "g.aiff", "h.wma"])
@pytest.mark.parametrize("content", [b"", b"words" * 300, bytes(5000), b"RIFF\xff\xff\xff\xffWAVELIST\4\0\0\0INFO"])
def test_what_cannot_be_read_is_none(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    tags = read_tags(str(tmp_path / name))
    assert tags is None or tags == EMPTY


def test_a_film_s_tags_are_known_to_nobody(tmp_path, ffmpeg):
    path = write_audio(tmp_path / "a.mkv", SOUND, 44100, ffmpeg, *metadata(**WRITTEN))
    assert read_tags(str(path)) is None


def test_a_file_that_the_disk_does_not_give_is_an_error_of_its_own(tmp_path):
    with pytest.raises(OSError):
        read_tags(str(tmp_path / "gone.mp3"))
    (tmp_path / "a.mp3").symlink_to("/proc/self/mem")  # nobody may read its first page
    with pytest.raises(OSError):
        read_tags(str(tmp_path / "a.mp3"))


@settings(max_examples=40)
@given(st.data())
def test_damage_anywhere_raises_nothing(whole_files, data):
    path = data.draw(st.sampled_from(whole_files))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 20))):
        content[data.draw(st.integers(0, min(len(content), 4000) - 1))] = data.draw(st.integers(0, 255))
    damaged = path.with_name(f"damaged{path.suffix}")
    damaged.write_bytes(content)
    tags = read_tags(str(damaged))
    assert tags is None or list(tags) == list(TAG_COLUMNS)
    for value in (tags or {}).values():
        assert value == clean(value)


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory, ffmpeg) -> list[Path]:
    folder = tmp_path_factory.mktemp("whole")
    names = ["a.mp3", "b.flac", "c.ogg", "d.m4a", "e.wav", "f.wma"]
    return [write_audio(folder / name, SOUND, 44100, ffmpeg, *metadata(**WRITTEN)) for name in names]


@pytest.mark.parametrize(
    "text, expected",
    [("2003", "2003"), ("20030501", "2003"), ("May 1987", "1987"), ("99", ""), ("0000", ""), ("123456", ""), ("", "")],
)
def test_a_year_has_four_digits(text, expected):
    assert year(text) == expected


@pytest.mark.parametrize(
    "text, expected", [("3", "3"), ("03/12", "3"), ("A1", "A1"), ("0", ""), ("/12", ""), (" 7 ", "7")]
)
def test_a_track_is_its_number(text, expected):
    assert track(text) == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ("128", "128"),
        ("128.00", "128"),
        ("90,5", "90.5"),
        ("0", ""),
        ("-1", ""),
        ("inf", ""),
        ("nan", ""),
        ("fast", ""),
    ],
)
def test_bpm_is_a_number(text, expected):
    assert bpm(text) == expected


@given(st.text())
def test_a_cell_is_one_line_of_text_and_clean_once_is_clean_for_good(text):
    cell = clean(text)
    assert clean(cell) == cell and len(cell) <= MOST_CHARACTERS
    assert not set(cell) & set("\n\r\t\0\x1b\x85\u2028\u2029")
    cell.encode("utf-8")


@given(st.lists(st.text()))
def test_joined_values_are_one_cell(values):
    assert joined(values) == clean(joined(values))
    kept = [value for value in dict.fromkeys(map(clean, values)) if value]
    if len(BETWEEN_VALUES.join(kept)) <= MOST_CHARACTERS:
        assert joined(values) == BETWEEN_VALUES.join(kept).strip()


def test_names_are_bytes(tmp_path, ffmpeg):
    path = write_audio(tmp_path / "plain.mp3", SOUND, 44100, ffmpeg, *metadata(title="a title"))
    name = os.fsencode(tmp_path) + b"/-caf\xe9, \n'\".mp3"
    os.rename(path, name)
    assert read_tags(os.fsdecode(name))["title"] == "a title"


def test_a_wav_of_tags_and_nothing_else_is_left_soon(tmp_path):
    """Each of its lists was read, so gigabytes of them were held in memory."""
    name = struct.pack("<4sI", b"INAM", 1 << 19) + bytes([65]) * (1 << 19)
    parts = b"LIST" + struct.pack("<I", len(name) + 4) + b"INFO" + name
    (tmp_path / "a.wav").write_bytes(b"RIFF\xff\xff\xff\x7fWAVE" + 4 * parts)
    assert sum(map(len, tags_module._chunk_values(str(tmp_path / "a.wav"))["title"])) <= tags_module.MOST_CHUNK_BYTES
    empty = struct.pack("<4sI", b"junk", 0)
    (tmp_path / "b.wav").write_bytes(b"RIFF\xff\xff\xff\x7fWAVE" + 2000 * empty + parts)
    assert read_tags(str(tmp_path / "a.wav"))["title"].startswith("AAA")
    assert read_tags(str(tmp_path / "b.wav")) is None


def test_of_very_many_values_the_first_are_looked_at(tmp_path, ffmpeg):
    path = write_audio(tmp_path / "a.flac", SOUND, 44100, ffmpeg)
    sound = mutagen.flac.FLAC(path)
    sound["title"] = ["first" + "\0" * 100_000, *(str(number) for number in range(5000))]
    sound.save()
    assert read_tags(str(path))["title"].startswith("first; 0; 1; 2; 3")
