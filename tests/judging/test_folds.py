"""Folds keep classes on both sides and groups on one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judging.folds import FOLDS, REPEATS, large_classes, make_folds


def two_kinds(count: int, dims: int = 6) -> tuple[np.ndarray, list[str]]:
    """Return vectors around two opposite directions, and which of the two each has."""
    random = np.random.default_rng(3)
    signs = np.where(np.arange(count) % 2, 1.0, -1.0)
    vectors = signs[:, None] * np.linspace(1, 2, dims) + 0.2 * random.standard_normal((count, dims))
    return vectors.astype(np.float32), ["even" if sign < 0 else "odd" for sign in signs]


# ---- folds and classifiers


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 9)), min_size=4, max_size=60), st.booleans())
def test_folds_keep_their_promises(tracks, grouped):
    labels = [label for label, _ in tracks]
    groups = [str(group) for _, group in tracks] if grouped else None
    kept, small = large_classes(labels, groups, 2)
    labels = [label for label, keep in zip(labels, kept, strict=True) if keep]
    groups = [group for group, keep in zip(groups, kept, strict=True) if keep] if grouped else None
    assert not set(labels) & set(small)
    try:
        folds = make_folds(labels, groups, seed=1)
    except ValueError as error:
        assert len(set(labels)) < 2 or "the groups cannot be divided" in str(error)
        return
    assert 2 * REPEATS <= len(folds) <= FOLDS * REPEATS
    tested = np.concatenate([test for _, test in folds])
    assert np.bincount(tested).tolist() == [REPEATS] * len(labels)
    for train, test in folds:
        assert len(test) and {labels[i] for i in train} == set(labels)
        if grouped:
            assert not {groups[i] for i in train} & {groups[i] for i in test}


def test_as_many_folds_as_the_smallest_class_has_members():
    labels = ["a"] * 20 + ["b"] * 3
    assert len(make_folds(labels)) == REPEATS * 3
    groups = [str(i) for i in range(20)] + ["x", "x", "y"]
    assert len(make_folds(labels, groups)) == REPEATS * 2


def test_classes_of_few_members_are_named():
    labels, groups = ["a", "b", "a", "c", "c", "c"], ["1", "2", "3", "4", "4", "5"]
    kept, small = large_classes(labels, least=2)
    assert (kept.tolist(), small) == ([True, False, True, True, True, True], ["b"])
    kept, small = large_classes(labels, least=3)
    assert (kept.tolist(), small) == ([False, False, False, True, True, True], ["a", "b"])
    kept, small = large_classes(labels, groups, least=3)  # three tracks of two groups
    assert (kept.any(), small) == (False, ["a", "b", "c"])


def test_one_small_class_among_large_ones_does_not_make_the_folds_few():
    labels = ["a"] * 500 + ["b"] * 500 + ["c"] * 2
    kept, small = large_classes(labels)
    assert small == ["c"] and kept.sum() == 1000
    assert len(make_folds(labels[:1000])) == REPEATS * FOLDS


def test_the_seed_decides_the_folds():
    labels = ["a", "b"] * 20
    first, same, other = (make_folds(labels, seed=seed) for seed in (4, 4, -5))
    assert all((a[1] == b[1]).all() for a, b in zip(first, same, strict=True))
    assert not all((a[1] == b[1]).all() for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize(
    ("labels", "groups", "message"),
    [
        (["a", "a"], None, "one class only, 'a'"),
        ([], None, "no class of two or more members"),
        (["a", "a", "b"], None, "class 'b' has one member only"),
        (["a", "b", "b", "c", "c", "a"], ["1", "1", "2", "2", "3", "3"], "the groups cannot be divided"),
    ],
)
def test_folds_that_cannot_be(labels, groups, message):
    with pytest.raises(ValueError, match=message):
        make_folds(labels, groups)
