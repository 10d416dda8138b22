"""Which resolution suits which sounds."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mels.resolution import SHORT_SECONDS, are_short, reason, spread_evenly


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
    assert are_short([below, below, 3000.0], 3)
    assert not are_short([above, above, 0.1], 3)
    assert not are_short([SHORT_SECONDS], 1)
    assert not are_short([], 0)
    assert not are_short([], 5)


@pytest.mark.parametrize("known", [1, 3, 7, 19, 20])
def test_fewer_than_a_tenth_of_the_files_do_not_decide(known):
    assert are_short([0.5] * known, 10 * known)
    assert not are_short([0.5] * known, 10 * known + 1)


@pytest.mark.parametrize(
    ("durations", "looked_at", "says"),
    [
        ([], 0, "as no file's header says how long it is"),
        ([], 7, "as no file's header says how long it is"),
        ([0.5], 1, "since the one file looked at lasts 0.5 s"),
        ([0.5], 7, "since the one file of 7 that says how long it is lasts 0.5 s"),
        ([0.5], 11, "as only 1 of 11 files looked at says how long it is"),
        ([0.5] * 19, 200, "as only 19 of 200 files looked at say how long they are"),
        ([0.5, 0.8, 60.0], 3, "since half of 3 files looked at last 0.8 s at most"),
        ([215.04, 215.04], 2, "since half of 2 files looked at last 215 s at least"),
        ([0.8] * 37, 200, "since half of the 37 of 200 files that say how long they are last 0.8 s at most"),
        ([12.0, 12.0], 3, "since half of the 2 of 3 files that say how long they are last 12 s at least"),
    ],
)
def test_the_reason_is_in_words(durations, looked_at, says):
    assert reason(durations, looked_at) == says
