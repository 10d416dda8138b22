"""The example's clips are what the README and the issue say of them."""

from __future__ import annotations

import csv
import re
import subprocess
from collections import Counter, defaultdict

import make_example_input
import numpy as np
import pytest
import soundfile
from example_clips import example_clips

from files import walk_files
from mels.decoding import find_decoders, is_audio, tracks_from_files
from mels.log_mel import MelFramer
from utils import ROOT

CLIPS = ROOT / "example_input"


@pytest.fixture(scope="module")
def rows():
    with open(CLIPS / "labels.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def described(ffmpeg: str, name: str) -> tuple[str, dict[str, str]]:
    """Return what ffmpeg says of a clip's audio stream, and the tags in the file."""
    argv = [ffmpeg, "-hide_banner", "-i", f"file:{CLIPS / name}", "-t", "0", "-f", "null", "-"]
    done = subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL, check=True, encoding="utf-8")
    stream = re.search(r"Audio: .*", done.stderr).group()
    return stream, dict(re.findall(r"^ +(title|artist) *: (.*)$", done.stderr, re.MULTILINE))


def test_labels_name_every_clip(rows):
    found = walk_files(CLIPS, is_audio).files
    assert sorted(row["filename"] for row in rows) == sorted(found)
    assert list(rows[0]) == ["filename", "genre", "artist", "title", "citation"]
    assert all(all(row.values()) for row in rows)
    assert len(rows) == 120
    assert 5_000_000 < sum((CLIPS / name).stat().st_size for name in found) < 6_000_000


def test_each_kind_has_twenty_clips_by_artists_of_several_kinds(rows):
    artists, kinds = defaultdict(set), defaultdict(set)
    for row in rows:
        artists[row["genre"]].add(row["artist"])
        kinds[row["artist"]].add(row["genre"])
        assert row["filename"].startswith(row["genre"] + "/")
    assert Counter(row["genre"] for row in rows) == dict.fromkeys(artists, 20)
    assert len(artists) == 6
    assert len(kinds) >= 12
    assert all(len(who) >= 5 for who in artists.values())
    assert all(len(what) >= 3 for what in kinds.values())


def test_formats_and_names_are_mixed(rows):
    names = [row["filename"] for row in rows]
    formats = Counter(name.rpartition(".")[2] for name in names)
    assert formats == {"mp3": 111, "wav": 3, "flac": 2, "ogg": 2, "m4a": 2}
    for odd in " ,'#%(°üß":
        assert any(odd in name for name in names), odd
    assert any('"' in row["title"] for row in rows)
    # a clone on Windows must be able to hold them
    assert not any(set(name) & set('<>:"\\|?*') for name in names)
    assert len({name.lower() for name in names}) == len(names)


def test_each_kind_is_played_in_many_ways():
    for kind in ("strings", "drums", "drones", "chip", "bells"):
        clips = [clip for clip in example_clips() if clip.kind == kind]
        assert len({clip.key for clip in clips}) >= 10, kind
        assert len({clip.instrument for clip in clips}) >= 6, kind
        assert len({clip.file.split("/")[-2] for clip in clips}) >= 10, kind
        assert kind == "drones" or len({clip.beats_per_minute for clip in clips}) >= 12, kind


def test_clips_are_mono_of_4_to_8_seconds(rows):
    for row in rows:
        if not row["filename"].endswith(".m4a"):  # which libsndfile does not read
            clip = soundfile.info(CLIPS / row["filename"])
            assert clip.channels == 1, row["filename"]
            assert 3.99 <= clip.duration <= 8.1, row["filename"]  # an encoder pads a little


@pytest.mark.slow
def test_every_clip_decodes_whole(rows, config):
    decoders, framer = find_decoders(config), MelFramer(config)
    for row in rows:
        track = tracks_from_files([str(CLIPS / row["filename"])], [framer], decoders, config, 60.0)[0]
        assert (track.status, track.reason) == ("ok", ""), row["filename"]
        assert 3.99 <= track.seconds <= 8.1
        assert 0.01 < framer.peak < 1


@pytest.mark.slow
def test_some_clips_are_tagged_as_the_table_says(rows, ffmpeg):
    tagged = 0
    for row, clip in zip(rows, example_clips(), strict=True):
        stream, tags = described(ffmpeg, row["filename"])
        assert ", mono" in stream, row["filename"]
        assert tags == ({"title": row["title"], "artist": row["artist"]} if clip.tagged else {}), row["filename"]
        tagged += clip.tagged
    assert 10 <= tagged <= 30


@pytest.mark.slow
def test_the_generator_makes_them(rows, tmp_path):
    assert make_example_input.main(["--output", str(tmp_path / "clips")]) == 0
    found = walk_files(tmp_path / "clips", is_audio).files
    assert sorted(found) == sorted(row["filename"] for row in rows)
    assert (tmp_path / "clips/labels.csv").read_bytes() == (CLIPS / "labels.csv").read_bytes()
    # other versions of ffmpeg encode otherwise; what is not encoded with loss must be the same up to rounding
    for name in found:
        if name.endswith((".wav", ".flac")):
            one, other = (soundfile.read(folder / name)[0] for folder in (CLIPS, tmp_path / "clips"))
            assert np.abs(one - other).max() < 1e-3, name
