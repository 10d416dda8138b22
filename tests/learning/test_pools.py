"""Pools of songs: every song as often as any other, whatever the number of songs, and whatever cannot be read."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from conftest import write_mels
from hypothesis import given
from hypothesis import strategies as st
from test_sampling import corpus_of, named_corpus

from config import DEFAULT_CONFIG, build_config, read_config_file
from learning.pools import LEAST_POOL_STEPS, Pools, read_pool
from learning.sampling import blocks, draw_block

DEFAULTS = build_config(read_config_file(DEFAULT_CONFIG), "test")


def steps_of(pools: Pools, index: int) -> int:
    """How many steps draw from a pool."""
    this_round = index // pools.pools_per_round
    steps = range(this_round * pools.steps_per_round, (this_round + 1) * pools.steps_per_round)
    return sum(pools.index(step) == index for step in steps)


@given(st.integers(2, 300), st.integers(1, 400), st.sampled_from([32, 256, 4096]))
def test_a_round_of_pools_is_fair_to_every_song(songs, pool_songs, batch_size):
    corpus = named_corpus(songs, 9, DEFAULTS, pool_songs=pool_songs, pool_frames=1, batch_size=batch_size)
    with contextlib.closing(Pools(corpus)) as pools:
        for this_round in range(2):
            first = this_round * pools.pools_per_round
            indices = range(first, first + pools.pools_per_round)
            members = [pools.songs(index).tolist() for index in indices]
            sizes = [len(each) for each in members]
            assert sorted(song for each in members for song in each) == list(range(songs))
            assert max(sizes) - min(sizes) <= 1
            assert max(sizes) == pools.pool_songs <= max(pool_songs, 3)
            assert min(sizes) >= 2  # a song alone has nothing to tell it from
            steps = [steps_of(pools, index) for index in indices]
            assert sum(steps) == pools.steps_per_round
            pairs_of_a_song = np.array(steps) / np.array(sizes)
            fair = pools.steps_per_round / songs
            assert np.abs(pairs_of_a_song / fair - 1).max() <= 1 / LEAST_POOL_STEPS


@given(st.integers(2, 100), st.integers(1, 60), st.integers(0, 10**6))
def test_steps_left_end_where_the_next_pool_begins(songs, pool_songs, step):
    corpus = named_corpus(songs, 9, DEFAULTS, pool_songs=pool_songs, pool_frames=1)
    with contextlib.closing(Pools(corpus)) as pools:
        left = pools.steps_left(step)
        assert left > 0
        assert pools.index(step + left - 1) == pools.index(step)
        assert pools.index(step + left) == pools.index(step) + 1


@pytest.mark.parametrize(("songs", "pool_songs"), [(65, 64), (69, 64), (100, 30)])
def test_all_songs_get_as_many_pairs(tmp_path, config, songs, pool_songs):
    write_mels(tmp_path, {f"{song:03d}": 12 for song in range(songs)})
    corpus = corpus_of(tmp_path, config, pool_songs=pool_songs)
    rounds = 20
    with contextlib.closing(Pools(corpus)) as pools:
        counts = np.zeros(songs, int)
        ahead = blocks(pools, 0, lambda step: rounds * pools.steps_per_round, 16)
        step = 0
        while step < rounds * pools.steps_per_round:
            block = next(ahead)
            np.add.at(counts, block.pool.songs[block.song[: block.steps]], 1)
            step += block.steps
    expected = rounds * pools.steps_per_round * corpus.config.batch_size / songs
    assert expected > 1000
    # what chance does to a count of so many, five deviations off, and the rounding of whole steps
    assert np.abs(counts / expected - 1).max() < 5 / np.sqrt(expected) + 1 / LEAST_POOL_STEPS


def unreadable_pool(pools: Pools, corpus, index: int) -> None:
    for song in pools.songs(index):
        (corpus.folder / corpus.names[song]).unlink()


def test_a_pool_of_which_no_song_can_be_read_is_left_out(tmp_path, config):
    corpus = corpus_of(write_mels(tmp_path, {f"{song:02d}": 30 for song in range(12)}), config, pool_songs=4)
    with contextlib.closing(Pools(corpus)) as pools:
        assert pools.pools_per_round == 3
        unreadable_pool(pools, corpus, 1)
        drawn, gone = [], set(pools.songs(1).tolist())
        for step in range(0, pools.steps_per_round, 8):
            block = draw_block(pools, step, 4, 16)
            assert not gone & set(block.pool.songs.tolist())
            drawn.append(block.pool_index)
        assert set(drawn) == {0, 2}
        assert len(pools.skipped) == 4
        resumed = Pools(corpus)  # in the midst of the pool that is left out
        step = int(pools.steps_per_round // 2)
        assert resumed.index(step) == 1
        one, other = (draw_block(each, step, 4, 16) for each in (Pools(corpus), resumed))
        assert one.pool_index == other.pool_index == 2
        assert np.array_equal(one.inputs, other.inputs)


def test_only_a_whole_round_that_cannot_be_read_is_the_end(tmp_path, config):
    corpus = corpus_of(write_mels(tmp_path, {f"{song:02d}": 30 for song in range(12)}), config, pool_songs=4)
    with contextlib.closing(Pools(corpus)) as pools:
        for index in (1, 2):
            unreadable_pool(pools, corpus, index)
        assert draw_block(pools, pools.steps_per_round - 1, 1, 16) is not None
        unreadable_pool(pools, corpus, 0)
        assert draw_block(Pools(corpus), 0, 1, 16) is None


def test_a_pool_that_is_given_up_is_not_waited_for(tmp_path, config):
    corpus = corpus_of(write_mels(tmp_path, {f"{song:02d}": 30 for song in range(12)}), config)
    asked = []
    pool = read_pool(corpus, np.arange(12), np.zeros(12), lambda: asked.append(0) or len(asked) > 3)
    assert pool.songs.tolist() == [0, 1, 2]


def test_long_songs_come_in_by_excerpts_that_differ(tmp_path, config):
    folder = write_mels(tmp_path, {f"a/{song}": 500 for song in range(4)})
    corpus = corpus_of(folder, config, pool_songs=4, pool_frames=200)
    pools = Pools(corpus)
    assert not pools.everything
    (_, first), (_, later) = pools.get(0), pools.get(pools.steps_per_round)
    again = Pools(corpus).get(0)[1]
    assert len(first.views[0]) <= 200
    assert np.array_equal(first.views[0], again.views[0])
    assert not np.array_equal(first.views[0], later.views[0])


@pytest.mark.parametrize("damage", ["gone", "cut", "nan", "bins"])
def test_a_song_that_cannot_be_read_is_skipped_and_named(mels, config, damage):
    corpus = corpus_of(mels, config)
    path = mels / corpus.names[3]
    mel = np.load(path)
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-10])
    elif damage == "nan":
        mel[5, 2] = np.nan
        np.save(path, mel)
    else:
        np.save(path, mel[:, :5])
    pool = read_pool(corpus, np.arange(len(corpus.names)), np.zeros(len(corpus.names)))
    assert 3 not in pool.songs
    assert len(pool.songs) == len(corpus.names) - 1
    assert list(pool.skipped) == [corpus.names[3]]
    assert pool.skipped[corpus.names[3]]


def test_a_song_that_fails_in_two_ways_is_one_song(tmp_path, config):
    corpus = corpus_of(write_mels(tmp_path, {f"{song:02d}": 30 for song in range(4)}), config, pool_frames=40)
    path = corpus.folder / corpus.names[0]
    path.write_bytes(path.read_bytes()[:-700])
    with contextlib.closing(Pools(corpus)) as pools:
        first = pools.get(0)[1]
        assert list(pools.skipped) == [corpus.names[0]]
        path.unlink()
        later = pools.get(20 * pools.steps_per_round)[1]
        assert first.skipped != later.skipped
        assert pools.skipped == first.skipped
