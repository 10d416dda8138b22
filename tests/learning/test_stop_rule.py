"""When training saves and when it stops: pure functions of the costs so far."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import DEFAULT_CONFIG, build_config, read_config_file
from learning.stop_rule import (
    best_save,
    describe_end,
    has_flattened,
    is_scheduled,
    next_save_pairs,
    patience,
    rule_cost,
    rule_memory,
    scheduled_rows,
    should_stop,
)
from runs.run_folder import CostRow


@pytest.mark.parametrize(
    ("costs", "stops"),
    [
        ([], False),
        ([0.5, 0.4, 0.3], False),  # too few to say
        ([0.5, 0.45, 0.4, 0.35, 0.3, 0.25], False),  # still falling
        ([0.5, 0.3, 0.31, 0.3, 0.305], True),  # flat
        ([0.5, 0.300, 0.302, 0.299, 0.301], True),  # flat and noisy: below the best, but not by enough
        ([0.5, 0.3, 0.35, 0.4, 0.45], True),  # rising
        ([0.5, 0.3, 0.31, 0.3, 0.28], False),  # a plateau, then a fall
        ([0.5, 0.3, 0.31, 0.3, 0.28, 0.28, 0.281, 0.279], True),
    ],
)
def test_stop_rule(costs, stops):
    assert should_stop(costs, patience=3, least_improvement=0.01) == stops


@given(st.lists(st.floats(0.01, 1), max_size=20), st.integers(1, 5), st.floats(0, 0.5), st.floats(0.1, 10))
def test_stop_rule_does_not_depend_on_the_unit_of_the_cost(costs, patience, least, factor):
    improvement_is_clear = all(
        (abs(one / other - (1 - least)) > 1e-9 and abs(one / other - 1) > 1e-9) or one == other
        for one in costs
        for other in costs
    )
    if improvement_is_clear:
        assert should_stop(costs, patience, least) == should_stop([factor * cost for cost in costs], patience, least)


@given(st.integers(2, 2000), st.integers(1, 5000), st.integers(0, 300))
def test_scheduled_saves_are_the_first_steps_at_or_past_the_multiples(batch_size, pairs_per_save, steps):
    config = _config(batch_size=batch_size, pairs_per_save=pairs_per_save)
    pairs = steps * batch_size
    at = next_save_pairs(pairs, config)
    assert at % batch_size == 0
    assert at > pairs
    assert is_scheduled(at, config)
    assert not any(is_scheduled(between, config) for between in range(pairs + batch_size, at, batch_size))


def rows_of(*costs: float, held_out: bool = True) -> list[CostRow]:
    """A save on schedule each."""
    nan = float("nan")
    return [
        CostRow(i + 1, 0.9 if held_out else cost, cost if held_out else nan, 10 * (i + 1), 0.0)
        for i, cost in enumerate(costs)
    ]


def test_stop_rule_sees_neither_forced_saves_nor_those_before_the_song_list_changed():
    config = _config(batch_size=10, pairs_per_save=100)
    pairs = [100, 130, 200, 200, 250, 300]  # the fourth is the commit of a changed list, the second and fifth forced
    rows = [CostRow(i + 1, 0.9, 0.1 * (i + 1), pairs[i], 0.0) for i in range(6)]

    def costs(rows: list[CostRow], first_save: int) -> list[float]:
        return [rule_cost(row) for row in rule_memory(rows, first_save, config)]

    assert costs(rows, 1) == pytest.approx([0.1, 0.3, 0.4, 0.6])
    assert costs(rows, 4) == pytest.approx([0.4, 0.6])
    without = [dataclasses.replace(row, held_out_cost=float("nan")) for row in rows]
    assert costs(without, 4) == [0.9, 0.9]


@given(
    st.lists(st.tuples(st.integers(2, 600), st.integers(1, 40), st.booleans()), min_size=1, max_size=6),
    st.integers(100, 3000),
)
def test_whether_a_past_save_was_on_schedule_does_not_depend_on_todays_batch_size(calls, pairs_per_save):
    """Calls of the trainer, each with a batch size, so many steps, and whether its list had changed before."""
    pairs, rows, expected = 0, [], []

    def commit() -> None:
        rows.append(CostRow(len(rows) + 1, 0.9, 0.5, pairs, 0.0))

    was_scheduled = False
    for batch_size, steps, is_changed in calls:
        config = _config(batch_size=batch_size, pairs_per_save=pairs_per_save)
        if is_changed and rows:
            commit()
            expected += rows[-1:] if was_scheduled else []
        for step in range(steps):
            pairs += batch_size
            was_scheduled = is_scheduled(pairs, config)
            if was_scheduled or step == steps - 1:  # a signal, or --max-minutes
                commit()
                expected += rows[-1:] if was_scheduled else []
    assert scheduled_rows(rows, pairs_per_save) == expected


def test_a_smaller_batch_forgets_no_save():
    """200,000 pairs are reached by 782 batches of 256, at 200,192 pairs, and batches of 64 would be there sooner."""
    rows = [CostRow(save, 0.9, 0.5, -(-200_000 * save // 256) * 256, 0.0) for save in range(1, 6)]
    assert rows[0].pairs == 200_192
    for batch_size in (16, 64, 256, 1024):
        config = _config(batch_size=batch_size, pairs_per_save=200_000, patience_saves=3)
        assert rule_memory(rows, 1, config) == rows
        assert has_flattened(rows, 1, config, frames=1)


def test_the_commit_of_a_changed_list_has_no_cost_where_nothing_is_held_out_and_the_rule_still_fires():
    config = _config(batch_size=10, pairs_per_save=10, patience_saves=2)
    nan = float("nan")
    rows = rows_of(0.5, 0.3, held_out=False)
    grown = [*rows, CostRow(3, nan, nan, 20, 0.0), *(CostRow(4 + i, 0.2, nan, 30 + 10 * i, 0.0) for i in range(5))]
    assert not has_flattened(grown[:4], 3, config, frames=1)
    assert not has_flattened(grown[:5], 3, config, frames=1)  # two saves with a cost: too few to say
    assert has_flattened(grown[:6], 3, config, frames=1)
    assert has_flattened(grown, 3, config, frames=1)
    assert describe_end(grown, 3, config) == "the cost (nothing is held out) has flattened"
    assert best_save(grown, 3, config).epoc == 4


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=12), st.sets(st.integers(0, 12)), st.integers(1, 4))
def test_rows_without_a_cost_make_no_difference(costs, places, saves):
    config = _config(batch_size=10, pairs_per_save=10, patience_saves=saves)
    rows = rows_of(*costs, held_out=False)
    with_nan = list(rows)
    for place in sorted(places, reverse=True):
        with_nan.insert(place, CostRow(1, float("nan"), float("nan"), 10, 0.0))
    assert has_flattened(with_nan, 1, config, frames=1) == has_flattened(rows, 1, config, frames=1)


def test_the_reason_tells_rising_from_flat():
    config = _config(batch_size=10, pairs_per_save=10, patience_saves=2)
    assert not has_flattened(rows_of(0.5, 0.4, 0.3), 1, config, frames=1)
    for held_out, kind in ((True, "held-out cost"), (False, "cost (nothing is held out)")):
        for costs, reason in (
            ((0.5, 0.3, 0.3, 0.3), f"the {kind} has flattened"),
            ((0.5, 0.3, 0.35, 0.4), f"the {kind} rises since save 2: this is over-training"),
        ):
            rows = rows_of(*costs, held_out=held_out)
            assert has_flattened(rows, 1, config, frames=1)
            assert describe_end(rows, 1, config) == reason


@given(st.integers(1, 10**9), st.integers(1, 10), st.floats(0, 10), st.integers(1, 10**6))
def test_the_stop_rule_waits_for_so_many_saves_and_passes(frames, saves, passes, pairs_per_save):
    config = _config(patience_saves=saves, patience_passes=passes, pairs_per_save=pairs_per_save)
    waits = patience(config, frames)
    assert waits >= saves
    assert waits * pairs_per_save >= passes * frames
    assert waits == saves or (waits - 1) * pairs_per_save < passes * frames


def _config(**changes):
    return build_config(read_config_file(DEFAULT_CONFIG) | changes, "test")
