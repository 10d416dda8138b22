"""The example's clips are what the README and the issue say of them."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict

import make_example_input
import numpy as np
import pytest

from files import walk_files
from mels.decoding import find_decoders, is_audio, tracks_from_files
from mels.log_mel import MelFramer
from utils import ROOT

CLIPS = ROOT / "example_input"


@pytest.fixture(scope="module")
def rows():
    with open(CLIPS / "labels.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_labels_name_every_clip(rows):
    found, _ = walk_files(CLIPS, is_audio)
    assert sorted(row["filename"] for row in rows) == sorted(found)
    assert list(rows[0]) == ["filename", "genre", "artist", "title", "citation"]
    assert all(all(row.values()) for row in rows)
    assert 28 <= len(rows) <= 32
    assert sum((CLIPS / name).stat().st_size for name in found) < 4_000_000


def test_kinds_artists_and_formats_are_mixed(rows):
    artists = defaultdict(set)
    for row in rows:
        artists[row["genre"]].add(row["artist"])
    assert len(artists) >= 5
    assert len(set().union(*artists.values())) == 4
    assert all(len(who) >= 3 for who in artists.values())
    formats = Counter(row["filename"].rpartition(".")[2] for row in rows)
    assert formats["mp3"] > formats["wav"] > 1
    assert formats["flac"] == formats["ogg"] == formats["m4a"] == 1
    assert any(" " in row["filename"] and "," in row["filename"] and not row["filename"].isascii() for row in rows)


@pytest.mark.slow
def test_every_clip_decodes_whole(rows, config):
    decoders, framer = find_decoders(config), MelFramer(config)
    for row in rows:
        track = tracks_from_files([str(CLIPS / row["filename"])], [framer], decoders, config, 60.0)[0]
        assert (track.status, track.reason) == ("ok", ""), row["filename"]
        assert 6 <= track.seconds <= 10
        assert 0.01 < framer.peak < 1


@pytest.mark.slow
def test_the_generator_makes_them(rows, tmp_path):
    assert make_example_input.main(["--output", str(tmp_path / "clips")]) == 0
    found, _ = walk_files(tmp_path / "clips", is_audio)
    assert sorted(found) == sorted(row["filename"] for row in rows)
    assert (tmp_path / "clips/labels.csv").read_bytes() == (CLIPS / "labels.csv").read_bytes()
    # other versions of ffmpeg encode otherwise; what is not encoded with loss must be the same up to rounding
    import soundfile

    for name in found:
        if name.endswith((".wav", ".flac")):
            one, other = (soundfile.read(folder / name)[0] for folder in (CLIPS, tmp_path / "clips"))
            assert np.abs(one - other).max() < 1e-3, name
