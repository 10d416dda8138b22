"""What a person names: weights, names that look like weights, playlists as seeds."""

from __future__ import annotations

import numpy as np
import pytest

from judging.seeds import Seed, in_words, named_seeds, playlist_seeds, split_weight
from utils import UserError

NAMES = ["-x.mp3.npy", "a=2.mp3.npy", "b=0.5.npy", "rock/b.mp3.npy"]
VECTORS = np.eye(4, dtype=np.float32)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a", ("a", 1.0)),
        ("a=0.5", ("a", 0.5)),
        ("a=1e-2", ("a", 0.01)),
        ("a=b=3", ("a=b", 3.0)),
        ("a=b", ("a=b", 1.0)),
        ("a=", ("a=", 1.0)),
        ("known=2", ("known=2", 1.0)),
        ("known=2=3", ("known=2", 3.0)),
    ],
)
def test_a_weight_is_a_number_behind_the_last_equals_sign(text, found):
    assert split_weight(text, lambda name: name == "known=2") == found


@pytest.mark.parametrize("text", ["a=0", "a=-1", "a=inf", "a=nan"])
def test_a_weight_that_is_none(text):
    with pytest.raises(UserError, match="a weight is a number above 0"):
        split_weight(text, lambda name: False)


def test_names_that_look_like_weights_or_flags():
    seeds = named_seeds(NAMES, VECTORS, ["b=0.5", "a=2", "./-x", "rock/b=0.25"])
    assert [(seed.row, seed.weight) for seed in seeds] == [(2, 1), (1, 2), (0, 1), (3, 0.25)]
    assert [(seed.row, seed.weight) for seed in named_seeds(NAMES, VECTORS, ["rock=3"], sign=-1)] == [(3, -3)]
    for seed in seeds:
        assert seed.vector.tolist() == VECTORS[seed.row].tolist()


def test_seeds_in_words():
    def seed(name: str, weight: float) -> Seed:
        return Seed(name, weight, VECTORS[0], None)

    assert in_words([seed("a", 1)]) == "like 'a'"
    assert in_words([seed("a", 0.5), seed("b\n", 1), seed("c", -2)]) == r"like 'a' (0.5) and 'b\\n', less like 'c' (2)"
    assert in_words([seed("a", 1)] * 30) == "like 30 tracks"


def test_a_playlist_as_seeds(tmp_path):
    path = tmp_path / "a list.m3u8"
    path.write_text("#EXTM3U\n./rock/b.mp3\ngone.mp3\n")
    seeds, lost = playlist_seeds(NAMES, VECTORS, path)
    assert [(seed.row, seed.weight, seed.name) for seed in seeds] == [(3, 1, "rock/b.mp3")]
    assert lost == ["gone.mp3"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("#EXTM3U\n\n", "holds no track"),
        ("x.mp3\ny.mp3\n", "none of its 2 paths is a track of the run; name the run's --audio-folder"),
    ],
)
def test_playlists_that_name_nothing(tmp_path, content, message):
    (tmp_path / "list.m3u8").write_text(content)
    with pytest.raises(UserError, match=message):
        playlist_seeds(NAMES, VECTORS, tmp_path / "list.m3u8")
    with pytest.raises(UserError, match="no such playlist"):
        playlist_seeds(NAMES, VECTORS, tmp_path / "none.m3u8")
