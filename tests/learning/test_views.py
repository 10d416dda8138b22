"""How the networks see a song."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning.views import View, gather_inputs, views_of

COARSE = View("coarse_", 6, 6, 24, slice(4, 8))


def test_the_two_views_share_the_song_vector(config):
    fine, coarse = views_of(dataclasses.replace(config, output_vector_size=10, coarse_seconds=0.6))
    assert (fine.dims, coarse.dims) == (slice(0, 5), slice(5, 10))
    assert (fine.hops, coarse.hops) == (1, 6)
    assert (fine.least_distance, fine.most_distance) == (1, config.window)
    assert coarse.least_distance >= coarse.hops  # two frames of a pair share none of the mel's


def test_without_coarse_frames_there_is_one_view_of_the_whole_vector(config):
    (fine,) = views_of(dataclasses.replace(config, coarse_seconds=0.0, output_vector_size=7))
    assert fine.dims == slice(0, 7)
    mel = np.zeros((3, 2), np.float16)
    assert fine.frames(mel) is mel


@given(st.integers(1, 40), st.sampled_from([np.float16, np.float32, np.float64]), st.integers(0, 99))
def test_a_coarse_frame_is_the_mean_of_those_around_it(frames, dtype, seed):
    mel = np.random.default_rng(seed).standard_normal((frames, 3)).astype(dtype)
    coarse = COARSE.frames(mel)
    assert coarse.dtype == dtype
    around = np.clip(np.arange(frames)[:, None] + np.arange(-3, 3), 0, frames - 1)
    assert np.allclose(coarse, mel.astype(float)[around].mean(axis=1), atol=2e-3)


@pytest.mark.parametrize(("dtype", "huge"), [(np.float64, 1e308), (np.float32, 3e30)])
def test_a_huge_value_spoils_no_frame_but_those_that_it_is_in(dtype, huge):
    mel = np.random.default_rng(0).standard_normal((200, 2)).astype(dtype)
    expected = COARSE.frames(mel)
    mel[50:52] = huge
    far = np.r_[0:44, 58:200]
    assert np.array_equal(COARSE.frames(mel)[far], expected[far])


def test_a_song_without_frames_has_none():
    assert COARSE.frames(np.zeros((0, 3), np.float16)).shape == (0, 3)


@pytest.mark.parametrize(
    ("reach", "before", "after"), [(2, [0, 2, 5, 7], [2, 4, 7, 9]), (9, [0, 0, 5, 5], [4, 4, 9, 9])]
)
def test_inputs_at_the_edges_of_a_song_stay_in_the_song(reach, before, after):
    frames = np.arange(10)[:, None]
    rows = np.array([0, 4, 5, 9])
    first, last = np.array([0, 0, 5, 5]), np.array([4, 4, 9, 9])
    assert gather_inputs(frames, rows, first, last, reach, True)[:, :, 0].tolist() == [rows.tolist(), before, after]
    assert gather_inputs(frames, rows, first, last, reach, False)[:, :, 0].tolist() == [rows.tolist()]
