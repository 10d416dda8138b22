"""The index file: what it finds, to which vectors it belongs, and what else may lie in its place."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import clustered

from judging.vector_index import build_index, open_index
from judging.vector_search import best_matches

TRACKS = 3000


@pytest.fixture(scope="module")
def vectors():
    lengths = np.random.default_rng(1).uniform(0.1, 9, (TRACKS, 1))
    return (clustered(TRACKS, kinds=40, noise=0.5)[0] * lengths).astype(np.float32)


def test_it_finds_what_exact_search_finds_with_the_recall_that_it_says(tmp_path, vectors):
    path = tmp_path / "of a run.faiss"
    made = build_index(path, vectors)
    assert made.recall >= 0.99 and made.probes < made.index.nlist
    opened = open_index(path, vectors)
    assert (opened.recall, opened.probes) == (made.recall, made.probes)
    hits = 0
    for row in range(0, TRACKS, 30):
        rows, cosines = opened.best_matches(vectors, vectors[row], 10)
        exact, exact_cosines = best_matches(vectors, vectors[row], 10)
        assert rows[0] == row
        hits += np.isin(exact, rows).sum()
        np.testing.assert_array_equal(cosines[np.isin(rows, exact)], exact_cosines[np.isin(exact, rows)])
    assert hits >= 0.98 * 10 * TRACKS / 30


def test_only_tracks_that_are_allowed_come(tmp_path, vectors):
    index = build_index(tmp_path / "i.faiss", vectors)
    allowed = np.arange(TRACKS) % 7 == 3
    rows, _ = index.best_matches(vectors, vectors[0], 10, allowed)
    exact, _ = best_matches(vectors, vectors[0], 10, allowed)
    assert len(rows) == 10 and allowed[rows].all()
    assert np.isin(exact, rows).sum() >= 9


def test_an_index_of_other_vectors_is_none(tmp_path, vectors):
    path = tmp_path / "i.faiss"
    build_index(path, vectors)
    changed = vectors.copy()
    changed[:] += 0.01
    assert open_index(path, changed) is None
    assert open_index(path, vectors[:-1]) is None
    assert open_index(path, vectors) is not None
    build_index(path, changed)
    assert open_index(path, changed) is not None and open_index(path, vectors) is None
    assert [each.name for each in tmp_path.iterdir()] == ["i.faiss"]


@pytest.mark.parametrize("content", [b"", b"something else", b" " * 400 + b"{}", b"9" * 400])
def test_what_is_no_index_is_none(tmp_path, vectors, content):
    assert open_index(tmp_path / "i.faiss", vectors) is None
    (tmp_path / "i.faiss").write_bytes(content)
    assert open_index(tmp_path / "i.faiss", vectors) is None


def test_a_torn_index_is_none(tmp_path, vectors):
    path = tmp_path / "i.faiss"
    build_index(path, vectors)
    content = path.read_bytes()
    path.write_bytes(content[:1000] + content[-256:])
    assert open_index(path, vectors) is None


@pytest.mark.parametrize("tracks", [1, 2, 12])
def test_a_few_vectors(tmp_path, vectors, tracks):
    index = build_index(tmp_path / "i.faiss", vectors[:tracks])
    assert index.recall == 1
    rows, _ = index.best_matches(vectors[:tracks], vectors[0], 20)
    np.testing.assert_array_equal(rows, best_matches(vectors[:tracks], vectors[0], 20)[0])


def test_what_has_no_direction_is_named(tmp_path, vectors):
    broken = vectors.copy()
    broken[77] = 0
    with pytest.raises(ValueError, match="row 77 is zero or not finite"):
        build_index(tmp_path / "i.faiss", broken)
    assert not list(tmp_path.iterdir())
