"""Searches: exact, or by a kept index."""

from __future__ import annotations

import numpy as np
from conftest import clustered, tree

from judging import search, vector_index

VECTORS, _ = clustered(3000)
ALL = np.ones(len(VECTORS), bool)


def test_a_usual_collection_is_searched_exactly_and_without_a_file(tmp_path):
    found, told = search.quick_search(VECTORS, VECTORS[5], ALL, tmp_path / "x.index")
    assert told == "" and not list(tmp_path.iterdir())
    assert found(4)[0].tolist() == np.argsort(-(VECTORS @ VECTORS[5]))[:4].tolist()


def test_very_many_tracks_have_an_index_that_is_made_once(tmp_path, monkeypatch):
    monkeypatch.setattr(vector_index, "WORTH_AN_INDEX", 3000)
    path = tmp_path / "x.index"
    found, told = search.quick_search(VECTORS, VECTORS[5], ALL, path)
    assert told.startswith(f"{path}: finds ") and told.endswith("% of the nearest")
    made = tree(tmp_path)
    again, _ = search.quick_search(VECTORS, VECTORS[5], ALL, path)
    assert tree(tmp_path) == made and len(made) == 1
    exact = search.exact_search(VECTORS, VECTORS[5], ALL)
    for count in (1, 50):
        assert again(count)[0].tolist() == found(count)[0].tolist()
        assert len(set(again(count)[0]) & set(exact(count)[0])) >= 0.9 * count
    assert again(len(VECTORS))[0].tolist() == exact(len(VECTORS))[0].tolist()  # all: no list is left out


def test_a_small_part_of_very_many_is_searched_exactly(tmp_path, monkeypatch):
    monkeypatch.setattr(vector_index, "WORTH_AN_INDEX", 3000)
    few = np.arange(len(VECTORS)) < 20
    found, told = search.quick_search(VECTORS, VECTORS[5], few, tmp_path / "x.index")
    assert told == "" and not list(tmp_path.iterdir())
    assert sorted(found(30)[0]) == list(range(20))
