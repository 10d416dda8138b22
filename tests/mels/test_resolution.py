"""Which resolution suits which sounds."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import DEFAULT_CONFIG, SHORT_SOUNDS_CONFIG, shipped_config
from mels.resolution import SHORT_SECONDS, are_short, keys_that_go_with, reason, spread_evenly

SHIPPED = [shipped_config(path) for path in (DEFAULT_CONFIG, SHORT_SOUNDS_CONFIG)]


@given(count=st.integers(0, 5000), most=st.integers(1, 300))
def test_items_are_drawn_evenly(count, most):
    drawn = spread_evenly(range(count), most)
    assert len(drawn) == min(count, most)
    assert not drawn or drawn[0] == 0
    ends = [*drawn, count] if drawn else []
    steps = {after - before for before, after in itertools.pairwise(ends)}
    assert not steps or 1 <= min(steps) <= max(steps) <= min(steps) + 1


def test_the_median_decides():
    below, above = SHORT_SECONDS - 1, SHORT_SECONDS + 1
    assert are_short([below, below, 3000.0])
    assert not are_short([above, above, 0.1])
    assert not are_short([SHORT_SECONDS])
    assert not are_short([])


def test_the_reason_is_in_words():
    assert reason([]) == "as no file's header says how long it is"
    assert reason([0.5]) == "since the one file looked at lasts 0.5 s"
    assert reason([0.5, 0.8, 60.0]) == "since half of 3 files looked at last 0.8 s at most"
    assert reason([215.04, 215.04]) == "since half of 2 files looked at last 215 s at least"


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
