"""Nearest tracks of a direction, against a plain computation in float64."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judging.vector_search import BLOCK, best_matches
from utils import ROOT


def some_vectors(tracks: int, dims: int = 8, seed: int = 0) -> np.ndarray:
    draws = np.random.default_rng(seed)
    lengths = draws.uniform(0.01, 100, (tracks, 1))
    return (draws.standard_normal((tracks, dims)) * lengths).astype(np.float32)


def plainly(vectors: np.ndarray, query: np.ndarray, count: int, allowed: np.ndarray | None = None):
    vectors = vectors.astype(np.float64)
    cosines = (vectors @ query / np.linalg.norm(vectors, axis=1) / np.linalg.norm(query)).astype(np.float32)
    rows = np.arange(len(vectors)) if allowed is None else np.flatnonzero(allowed)
    rows = rows[np.argsort(-cosines[rows], kind="stable")][:count]
    return rows, cosines[rows]


@pytest.mark.parametrize("tracks", [1, 5, BLOCK, 2 * BLOCK + 3])
@pytest.mark.parametrize("share", [None, 0.3])
def test_the_nearest_are_those_of_a_plain_computation(tracks, share):
    vectors, query = some_vectors(tracks), np.arange(1.0, 9.0)
    allowed = None if share is None else np.random.default_rng(1).random(tracks) < share
    for count in (1, 10, tracks):
        rows, cosines = best_matches(vectors, query, count, allowed)
        wanted_rows, wanted = plainly(vectors, query, count, allowed)
        np.testing.assert_array_equal(rows, wanted_rows)
        np.testing.assert_allclose(cosines, wanted, atol=1e-6)


def test_vectors_on_the_disk_give_the_same(tmp_path):
    vectors, query = some_vectors(2 * BLOCK + 3), np.ones(8)
    np.save(tmp_path / "v.npy", vectors)
    mapped = np.load(tmp_path / "v.npy", mmap_mode="r")
    for mine, other in zip(best_matches(mapped, query, 20), best_matches(vectors, query, 20), strict=True):
        np.testing.assert_array_equal(mine, other)


@given(st.permutations(range(12)), st.integers(1, 30))
def test_equal_vectors_stand_by_row_wherever_they_are(places, count):
    """Lengths that are powers of two change no digit of a direction."""
    kinds = np.array(places) % 3
    vectors = some_vectors(3, dims=7)[kinds] * 2.0 ** np.array(places)[:, None].astype(np.float32)
    rows, cosines = best_matches(vectors, vectors[0], count)
    assert list(rows) == sorted(rows, key=lambda row: (-cosines[row == rows][0], row))
    assert len({cosines[rows == row][0] for row in rows if kinds[row] == kinds[0]}) == 1
    assert set(kinds[rows[: min(count, 4)]]) == {kinds[0]}


def test_the_cosine_to_itself_is_1_and_never_more():
    vectors = some_vectors(200, dims=80)
    for row in range(len(vectors)):
        rows, cosines = best_matches(vectors, vectors[row], 1)
        assert rows[0] == row
        assert 1 - 1e-6 < cosines[0] <= 1


def test_fewer_come_where_fewer_are_allowed_and_none_where_none_is():
    vectors = some_vectors(10)
    assert len(best_matches(vectors, vectors[0], 99)[0]) == 10
    assert len(best_matches(vectors, vectors[0], 5, np.arange(10) < 2)[0]) == 2
    assert len(best_matches(vectors, vectors[0], 5, np.zeros(10, bool))[0]) == 0
    assert len(best_matches(vectors, vectors[0], 0)[0]) == 0


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_what_has_no_direction_is_named(value):
    vectors = some_vectors(2 * BLOCK)
    vectors[BLOCK + 7] = value
    with pytest.raises(ValueError, match=f"row {BLOCK + 7} is zero or not finite"):
        best_matches(vectors, vectors[0], 5)
    rows, _ = best_matches(vectors, vectors[0], 5, np.arange(len(vectors)) != BLOCK + 7)
    assert len(rows) == 5
    with pytest.raises(ValueError, match="zero or not finite"):
        best_matches(vectors, np.full(8, value), 5)


def test_nothing_heavy_is_imported():
    code = "import sys, judging.vector_search; print([m for m in ('faiss', 'scipy', 'sklearn') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
