"""Which of the nearest are taken."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judging import picks
from judging.vector_search import best_matches

NAMES = ["Karaoke/a.mp3.npy", "pop/b.mp3.npy", "pop/live/c.ogg.npy", "d.mp3.npy", "x[1]/e\udce9.mp3.npy"]


@pytest.mark.parametrize(
    ("globs", "matched"),
    [
        ([], []),
        (["*.ogg"], [2]),
        (["pop"], [1, 2]),
        (["pop/*"], [1, 2]),
        (["live"], [2]),
        (["pop/live"], [2]),
        (["K*", "d.mp3"], [0, 3]),
        (["e*"], [4]),
        (["*.npy", "op", "mp3"], []),
        (["*"], [0, 1, 2, 3, 4]),
    ],
)
def test_globs_match_names_paths_and_folders(globs, matched):
    assert np.flatnonzero(picks.matches_glob(NAMES, globs)).tolist() == matched


def test_values_of_one_column_are_alternatives_and_columns_narrow():
    columns = {"genre": ["rock", "pop", "rock", ""], "year": ["1", "1", "2", "1"]}
    assert picks.has_values(columns, {"genre": ["rock"]}).tolist() == [True, False, True, False]
    assert picks.has_values(columns, {"genre": ["rock", "pop"], "year": ["1"]}).tolist() == [True, True, False, False]
    assert picks.has_values(columns, {"genre": [""]}).tolist() == [False, False, False, True]


def test_wanted_values():
    columns = ["filename", "genre", "a=b", "a"]
    texts = ["genre=rock  and\troll", "genre=pop", "a=b=c=d", "a=c", "genre="]
    assert picks.wanted_values(texts, columns) == {"genre": ["rock and roll", "pop", ""], "a=b": ["c=d"], "a": ["c"]}
    with pytest.raises(ValueError, match="no column 'gerne'; did you mean 'genre'"):
        picks.wanted_values(["gerne=x"], columns)
    with pytest.raises(ValueError, match="'genre' is not COLUMN=VALUE"):
        picks.wanted_values(["genre"], columns)


def test_at_most_so_many_of_a_value_and_no_limit_without_one():
    candidates = [(row, 1 - row / 10) for row in range(8)]
    rule = picks.AtMost(["a", "a", "a", "b", "", "", "", "a"], 2)
    assert picks.pick(candidates, rules=[rule])[0] == [0, 1, 3, 4, 5, 6]


def test_a_track_that_another_rule_refuses_does_not_count():
    rules = [picks.AtMost("aaab", 2), picks.AtMost("xxyy", 1)]
    assert picks.pick([(row, 0.0) for row in range(4)], rules=rules)[0] == [0, 2]
    rules = [picks.AtMost("xxyy", 1), picks.AtMost("aaab", 2)]
    assert picks.pick([(row, 0.0) for row in range(4)], rules=rules)[0] == [0, 2]


def test_only_tracks_whose_audio_is_there(tmp_path):
    (tmp_path / "pop").mkdir()
    (tmp_path / "pop" / "b.mp3").touch()
    rule = picks.HasAudio(tmp_path, NAMES)
    assert picks.pick([(row, 0.0) for row in range(4)], rules=[rule])[0] == [1]
    assert rule.missing == 3


def test_top_and_least_cosine_together():
    candidates = [(3, 0.9), (1, 0.5), (0, 0.5), (2, 0.1)]
    assert picks.pick(candidates) == ([3, 1, 0, 2], [0.9, 0.5, 0.5, 0.1])
    assert picks.pick(candidates, top=2) == ([3, 1], [0.9, 0.5])
    assert picks.pick(candidates, at_least=0.5) == ([3, 1, 0], [0.9, 0.5, 0.5])
    assert picks.pick(candidates, top=1, at_least=0.2) == ([3], [0.9])
    assert picks.pick(candidates, at_least=0.95) == ([], [])


def test_no_more_candidates_are_asked_for_than_it_takes():
    endless = ((row, 0.0) for row in itertools.count())
    assert picks.pick(endless, top=3)[0] == [0, 1, 2]


@given(st.integers(1, 700), st.integers(1, 100), st.integers(0, 2**32))
def test_all_tracks_come_once_in_order_however_many_searches_it_takes(tracks, wanted, seed):
    draws = np.random.default_rng(seed)
    vectors = draws.standard_normal((tracks, 3)).astype(np.float32)
    allowed = draws.random(tracks) < 0.7
    searched = []

    def search(count: int):
        searched.append(count)
        return best_matches(vectors, vectors[0], count, allowed)

    found = list(picks.in_order(search, wanted))
    assert sorted(row for row, _ in found) == np.flatnonzero(allowed).tolist()
    assert [cosine for _, cosine in found] == sorted((cosine for _, cosine in found), reverse=True)
    assert searched == sorted(set(searched)) and searched[0] >= wanted
