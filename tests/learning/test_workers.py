"""Who trains what, by TF_CONFIG: which place a process has, and how songs are dealt out."""

from __future__ import annotations

import json

import numpy as np
import pytest
from conftest import write_mels
from hypothesis import given
from hypothesis import strategies as st

from learning.pools import Corpus, Pools
from learning.workers import (
    Place,
    deal,
    first_draw,
    part_of,
    read_place,
    require_songs_for_all,
    what_all_must_share,
)
from utils import UserError

TWO = ["host1:2222", "host2:2222"]


def tf_config(cluster, task=None) -> str:
    return json.dumps({"cluster": cluster, "task": task or {"type": "worker", "index": 1}})


@pytest.mark.parametrize("text", [None, "", " ", "{}", tf_config({}), tf_config({"worker": ["a:1"]}, {"index": 0})])
def test_without_others_a_process_trains_alone(text):
    assert read_place(text) is None


@pytest.mark.parametrize(
    ("text", "index", "addresses"),
    [
        (tf_config({"worker": TWO}), 1, TWO),
        (tf_config({"worker": TWO}, {"type": "worker", "index": "0"}), 0, TWO),
        (tf_config({"chief": ["host0:1"], "worker": TWO}), 2, ["host0:1", *TWO]),
        (tf_config({"chief": ["host0:1"], "worker": TWO}, {"type": "chief", "index": 0}), 0, ["host0:1", *TWO]),
        (tf_config({"worker": ["[::1]:1", "10.0.0.2:65000"]}), 1, ["[::1]:1", "10.0.0.2:65000"]),
    ],
)
def test_the_place_is_what_tensorflow_reads_there(text, index, addresses):
    place = read_place(text)
    assert place == Place(index, tuple(addresses))
    assert place.is_chief == (index == 0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "TF_CONFIG: is no JSON"),
        ("[" * 100_000, "TF_CONFIG: is no JSON"),
        ("[]", "TF_CONFIG: holds [], expected an object"),
        ('{"cluster": {"worker": ["a:1", "b:1"]}, "task": [1]}', "expected objects as cluster and task"),
        (tf_config({"worker": "a:1"}), "worker: 'a:1' is no list of HOST:PORT"),
        (tf_config({"worker": ["a", "b:1"]}), "worker: ['a', 'b:1'] is no list of HOST:PORT"),
        (tf_config({"worker": ["a:1", 2]}), "is no list of HOST:PORT"),
        (tf_config({"worker": ["a:1", "a:1"]}), "two workers have one address"),
        (tf_config({"worker": TWO, "ps": ["c:1"]}), "the job 'ps' has no part in this training"),
        (tf_config({"worker": TWO}, {"type": "evaluator", "index": 0}), "type 'evaluator' is not worker"),
        (tf_config({"worker": TWO}, {"type": "worker", "index": 2}), "index 2 is none of the 2 workers"),
        (tf_config({"worker": TWO}, {"type": "worker", "index": -1}), "index -1 is none of the 2 workers"),
        (tf_config({"worker": TWO}, {"type": "worker"}), "index None is none of the 2 workers"),
        (tf_config({"worker": TWO}, {"type": ["worker"], "index": 0}), "is not worker"),
        (tf_config({"worker": TWO}, {"type": "worker", "index": True}), "index True is none"),
        (tf_config({"chief": TWO, "worker": TWO}), "cluster: "),
        (tf_config({"worker": []}), "0 workers"),
    ],
)
def test_a_malformed_tf_config_is_one_line_that_shows_a_right_one(text, says):
    with pytest.raises(UserError, match="write it as") as caught:
        read_place(text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.lists(st.text(min_size=1), unique=True, min_size=1, max_size=60), st.integers(1, 7), st.integers(0, 3))
def test_every_song_goes_to_one_worker_and_counts_differ_by_one(names, workers, seed):
    dealt = deal(names, workers, seed)
    assert sorted(np.concatenate(dealt).tolist()) == list(range(len(names)))
    sizes = [len(rows) for rows in dealt]
    assert len(sizes) == workers and max(sizes) - min(sizes) <= 1
    assert all(np.all(np.diff(rows) > 0) for rows in dealt)


def test_a_grown_folder_keeps_its_deal_but_for_few():
    names = [f"kind {number % 7}/{number}.mp3.npy" for number in range(2000)]
    grown = sorted([*names, *(f"new/{number}.mp3.npy" for number in range(1000))])
    before = {names[row]: worker for worker, rows in enumerate(deal(names, 4, 0)) for row in rows}
    after = {grown[row]: worker for worker, rows in enumerate(deal(grown, 4, 0)) for row in rows}
    moved = sum(before[name] != after[name] for name in names)
    assert moved < 0.06 * len(names)  # by chance 1,500 would
    assert {rows.tobytes() for rows in deal(names, 2, 0)} != {rows.tobytes() for rows in deal(names, 2, 1)}


@pytest.fixture
def corpus(tmp_path, config) -> Corpus:
    names = [f"a/{song}.npy" for song in range(5)]
    write_mels(tmp_path, {name.removesuffix(".npy"): 30 for name in names})
    return Corpus(tmp_path, names, np.full(5, 30), 12, config, np.arange(5))


def test_a_part_of_a_corpus_holds_the_same_songs_and_frames(corpus):
    part = part_of(corpus, np.array([1, 4]))
    assert part.names == ["a/1.npy", "a/4.npy"] and part.stamps.tolist() == [1, 4]
    assert np.array_equal(part.read(1), corpus.read(4))
    assert part.held_out(1) == corpus.held_out(4)


def test_each_worker_draws_from_numbers_of_its_own(corpus):
    place = [Place(index, ("a:1", "b:1", "c:1")) for index in range(3)]
    pools = Pools(corpus)
    first = [first_draw(each, pools) for each in place]
    assert first[0] == 0 and first[1] > 1e12 and first[2] == 2 * first[1]
    assert all(step % pools.steps_per_round == 0 for step in first)
    pools.close()


def test_fewer_than_two_songs_a_worker_are_refused(corpus):
    require_songs_for_all(corpus, Place(0, ("a:1", "b:1")))
    with pytest.raises(UserError, match="holds 5 usable songs, and 3 workers need 2 each; name fewer workers"):
        require_songs_for_all(corpus, Place(0, ("a:1", "b:1", "c:1")))


def test_what_all_must_share_tells_songs_from_configuration(corpus):
    same = what_all_must_share(corpus, False)
    assert same == what_all_must_share(corpus, False)

    def differs(other) -> list[bool]:
        return [a != b for a, b in zip(same, other, strict=True)]

    assert differs(what_all_must_share(corpus, True)) == [False, False, True]
    assert differs(what_all_must_share(part_of(corpus, np.arange(4)), False)) == [True, True, False]
    corpus.frames[2] = 31
    assert differs(what_all_must_share(corpus, False)) == [False, True, False]
    assert all(0 <= number < 2**56 for _, number in same)
