"""How the networks see a song."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import DEFAULT_CONFIG, SHORT_SOUNDS_CONFIG, shipped_config
from learning.views import View, gather_inputs, keys_that_go_with, views_of

SHIPPED = [shipped_config(path) for path in (DEFAULT_CONFIG, SHORT_SOUNDS_CONFIG)]
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


def test_the_window_is_that_of_the_shipped_configuration_of_the_same_hop():
    for config in SHIPPED:
        keys = keys_that_go_with(config.hop_seconds, {}, SHIPPED)
        assert keys == {key: getattr(config, key) for key in ("window_seconds", "coarse_seconds", "output_vector_size")}
    short = dataclasses.replace(SHIPPED[1], window_seconds=0.03)
    assert keys_that_go_with(short.hop_seconds, {}, [SHIPPED[0], short])["window_seconds"] == 0.03


@pytest.mark.parametrize(
    ("hop_seconds", "expected"), [(0.001, 0.2), (0.04, 0.2), (0.044, 0.2), (0.05, 0.4), (0.09, 0.4), (0.5, 2.0)]
)
def test_for_another_hop_the_nearest_in_ratio_decides_and_four_hops_are_the_least(hop_seconds, expected):
    assert keys_that_go_with(hop_seconds, {}, SHIPPED)["window_seconds"] == pytest.approx(expected)
