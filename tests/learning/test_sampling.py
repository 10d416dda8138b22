"""Which frames a training step sees."""

from __future__ import annotations

import dataclasses

import numpy as np
from conftest import write_mels
from hypothesis import given
from hypothesis import strategies as st

from learning.pools import MOST_HELD_OUT, Corpus, Pool, Pools, held_out_block, read_pool, trainable_segments
from learning.sampling import (
    HELD_OUT_SONGS,
    draw_block,
    draw_pairs,
    draw_songs,
    held_out_pairs,
    held_out_songs,
    sample_inputs,
)
from mels.mel_folder import list_mels


def corpus_of(folder, config, **changes) -> Corpus:
    mels = list_mels(folder)
    config = dataclasses.replace(config, mel_bins=mels.bins, batch_size=64, **changes)
    return Corpus(folder, mels.names, mels.frames, mels.bins, config)


@given(st.integers(1, 5000), st.floats(0.01, 0.5), st.floats(0, 1, exclude_max=True))
def test_held_out_block_lies_in_the_song(frames, share, position):
    start, stop = held_out_block(frames, share, position)
    assert 0 <= start <= stop <= frames
    assert stop - start <= min(MOST_HELD_OUT, frames)
    assert (stop > start) == (round(share * frames) >= 2)


@given(st.integers(2, 300), st.floats(0, 1, exclude_max=True), st.integers(0, 3), st.data())
def test_segments_keep_clear_of_the_held_out_block(frames, position, margin, data):
    block = held_out_block(frames, 0.1, position)
    start = data.draw(st.integers(0, frames - 1))
    stop = data.draw(st.integers(start + 1, frames))
    a, b, c, d = trainable_segments(start, stop, block, margin)
    assert start == a <= b <= c <= d == stop
    trainable = {*range(a, b), *range(c, d)}
    near = set(range(block[0] - margin, block[1] + margin)) if block[0] < block[1] else set()
    assert trainable == set(range(start, stop)) - near


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5), st.integers(0, 9)), min_size=1, max_size=5),
    st.integers(1, 6),
    st.integers(0, 6),
    st.integers(0, 2**32),
)
def test_pairs_lie_in_one_run_of_one_song_within_the_window(songs, least, more, seed):
    segments, row = [], 0
    for before, hole, after in songs:
        before = before or int(after == 0)  # a pool holds only songs with a trainable frame
        segments.append([row, row + before, row + before + hole, row + before + hole + after])
        row += before + hole + after
    bounds = np.array(segments)
    pool = Pool(np.arange(len(songs)), [np.zeros((row, 2))], bounds[:, 0], bounds[:, 3] - 1, bounds)
    uniforms = np.random.default_rng(seed).random((200, 4))
    pairs = draw_pairs(pool, draw_songs(pool, uniforms[:, 0]), uniforms[:, 1:], least, least + more)
    a, b, c, d = bounds[pairs.song].T
    low, high = np.minimum(pairs.target, pairs.context), np.maximum(pairs.target, pairs.context)
    assert (((a <= low) & (high < b)) | ((c <= low) & (high < d))).all()
    longest = np.maximum(b - a, d - c) - 1
    assert (high - low <= least + more).all()
    assert (high - low >= np.minimum(least, longest)).all()  # only a song of single frames pairs one with itself


def test_songs_are_drawn_evenly_whatever_their_length(tmp_path, config):
    corpus = corpus_of(write_mels(tmp_path, {"a/short": 10, "a/long": 1000}), config)
    pool = read_pool(corpus, np.array([0, 1]), np.zeros(2))
    songs = draw_songs(pool, np.random.default_rng(0).random(10000))
    assert abs(np.mean(songs) - 0.5) < 0.03


def test_no_draw_of_the_fine_view_touches_a_held_out_frame_nor_its_differences(mels, config):
    corpus = corpus_of(mels, config)
    pools = Pools(corpus)
    _, pool = pools.get(0)
    fine = pool.views[0]
    reads = np.zeros(len(fine), bool)
    fine[:] = np.arange(len(fine))[:, None]  # each frame says which row it is
    for step in range(0, 64, 16):
        reads[np.unique(draw_block(pools, step, 16, 16).inputs[:, 0].astype(int))] = True
    for place, song in enumerate(pool.songs):
        start, stop = corpus.held_out(int(song))
        assert stop > start
        assert not reads[pool.first[place] + start : pool.first[place] + stop].any()
    assert reads.mean() > 0.8


def test_both_views_of_a_row_are_of_its_song(mels, config):
    corpus = corpus_of(mels, config, coarse_seconds=0.6)
    assert len(corpus.views) == 2
    pools = Pools(corpus)
    _, pool = pools.get(0)
    for frames in pool.views:
        for place, (first, last) in enumerate(zip(pool.first, pool.last, strict=True)):
            frames[first : last + 1] = place
    block = draw_block(pools, 0, 4, 4)
    assert (block.inputs == block.song[:, None, None, None, :, None]).all()


def test_the_fine_view_draws_the_same_with_and_without_a_coarse_one(mels, config):
    """A run of before there were coarse frames goes on with the draws that it would have made."""
    both, fine = (draw_block(Pools(corpus_of(mels, config, coarse_seconds=hops / 10)), 0, 1, 4) for hops in (6, 0))
    assert both.inputs.shape[1] == 2
    assert fine.inputs.shape[1] == 1
    for name in ("inputs", "tilt", "noise"):
        assert np.array_equal(getattr(both, name)[0, 0], getattr(fine, name)[0, 0]), name
    assert np.array_equal(both.song, fine.song)
    assert np.array_equal(both.keep_frame, fine.keep_frame)


def test_held_out_pairs_are_held_out(mels, config):
    corpus = corpus_of(mels, config, differences=False)
    for song, name in enumerate(corpus.names):  # each frame says whether it is held out
        start, stop = corpus.held_out(song)
        mel = np.zeros((corpus.frames[song], corpus.bins), np.float16)
        mel[start:stop] = 1 + song
        np.save(mels / name, mel)
    held_out = held_out_pairs(corpus)
    assert (held_out.inputs == 1 + held_out.song[:, None, None, :, None]).all()
    assert set(held_out.song.ravel()) == set(range(len(corpus.names)))


def test_a_step_draws_the_same_whatever_block_it_comes_in(mels, config):
    whole = draw_block(Pools(corpus_of(mels, config)), 0, 8, 8)
    tail = draw_block(Pools(corpus_of(mels, config)), 5, 3, 8)
    for name in ("inputs", "song", "keep_frame", "tilt", "noise"):
        assert np.array_equal(getattr(whole, name)[5:8], getattr(tail, name)[:3]), name
    assert not np.array_equal(whole.song[0], whole.song[1])


def test_input_sample_measures_mean_and_scale(tmp_path, config):
    draws = np.random.default_rng(0)
    for song in range(20):
        np.save(tmp_path / f"{song}.npy", (3 + 2 * draws.standard_normal((200, 4))).astype(np.float16))
    sample, coarse = sample_inputs(corpus_of(tmp_path, config, coarse_seconds=0.6))
    assert np.allclose(sample.mean, 3, atol=0.3)
    assert np.allclose(sample.scale, 2, atol=0.2)
    assert np.allclose(sample.difference_scale, np.sqrt(8), atol=0.3)
    assert np.allclose(coarse.mean, 3, atol=0.3)
    assert np.allclose(coarse.scale, 2 / np.sqrt(6), atol=0.15)  # the mean of six
    assert sample.reference.shape == coarse.reference.shape == (3, 2048, 4)


def test_each_song_is_measured_at_a_place_of_its_own(tmp_path, config):
    """Each frame says how far into its song it lies: an excerpt of one song at the start, another's at the end."""
    frames, bins = 1000, 4
    for song in range(40):
        mel = np.repeat(np.arange(frames)[:, None] / frames, bins, axis=1)
        np.save(tmp_path / f"{song:02d}.npy", mel.astype(np.float16))
    corpus = corpus_of(tmp_path, config, pool_songs=40, pool_frames=2000, differences=False)
    (sample,) = sample_inputs(corpus)
    assert sample.scale[0] > 0.2  # of all places alike it is .29; of one place in all songs, that of 50 frames, .015
    assert 0.35 < sample.mean[0] < 0.65


def named_corpus(songs: int, frames: int, config, **changes) -> Corpus:
    """A corpus of names only: what follows from names needs no mel."""
    names = [f"{song:07d}.mp3.npy" for song in range(songs)]
    return Corpus(None, names, np.full(songs, frames), 80, dataclasses.replace(config, **changes))


def test_held_out_frames_of_the_songs_looked_at_lie_anywhere_in_their_songs(config):
    corpus = named_corpus(20_000, 1800, config)
    chosen = held_out_songs(corpus)
    assert len(chosen) == HELD_OUT_SONGS
    starts = np.array([corpus.held_out(song)[0] for song in chosen]) / (1800 - MOST_HELD_OUT)
    shares = np.histogram(starts, bins=10, range=(0, 1))[0] / len(starts)
    assert shares.min() > 0.06
    assert shares.max() < 0.14


def test_the_songs_looked_at_are_chosen_by_name_and_those_of_a_part_stay_chosen(config):
    corpus = named_corpus(3000, 600, config)
    chosen = {corpus.names[song] for song in held_out_songs(corpus)}
    part = dataclasses.replace(corpus, names=corpus.names[::2], frames=corpus.frames[::2])
    assert chosen & set(part.names) <= {part.names[song] for song in held_out_songs(part)}


def test_a_runs_held_out_frames_stay_where_they_were(config):
    """Kept numbers: another place would train on frames that an older run holds out."""
    corpus = named_corpus(4, 600, config)
    assert [corpus.held_out(song) for song in range(4)] == [(13, 73), (463, 523), (235, 295), (130, 190)]


def test_where_no_song_can_spare_frames_there_is_no_held_out_cost(config):
    corpus = named_corpus(5, 9, config)
    assert held_out_songs(corpus) == []
    assert held_out_pairs(corpus) is None
