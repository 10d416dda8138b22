"""Mutual proximity against its definition, and what it does to a hub."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import clustered
from mutual_proximity import describe_collection, mutual_matches
from scipy.stats import norm

from judging.vector_search import best_matches


@pytest.fixture(scope="module")
def vectors():
    lengths = np.random.default_rng(1).uniform(0.1, 9, (300, 1))
    return (clustered(300, noise=0.8)[0] * lengths).astype(np.float32)


def cosines_of(vectors):
    rows = vectors.astype(np.float64) / np.linalg.norm(vectors, axis=1, keepdims=True)
    return rows @ rows.T


def test_means_and_deviations_are_those_of_all_cosines(vectors):
    cosines = cosines_of(vectors)
    rows = vectors.astype(np.float64) / np.linalg.norm(vectors, axis=1, keepdims=True)
    means, deviations = describe_collection(vectors).seen_from(rows)
    np.testing.assert_allclose(means, cosines.mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(deviations, cosines.std(axis=1), atol=1e-6)


def test_the_order_is_that_of_the_definition(vectors):
    cosines = cosines_of(vectors)
    seen = norm.cdf((cosines - cosines.mean(axis=1, keepdims=True)) / cosines.std(axis=1, keepdims=True))
    wanted = np.argsort(-(seen * seen.T)[7], kind="stable")[:20]
    rows, found = mutual_matches(vectors, vectors[7], 20, describe_collection(vectors))
    np.testing.assert_array_equal(rows, wanted)
    np.testing.assert_allclose(found, cosines[7, wanted], atol=1e-6)


def test_a_hub_comes_up_less_often():
    draws = np.random.default_rng(3)
    vectors = (draws.standard_normal((200, 60)) + 0.4).astype(np.float32)
    vectors[0] = vectors.mean(axis=0)
    of = describe_collection(vectors)
    plain = sum(0 in best_matches(vectors, row, 11)[0] for row in vectors[1:])
    mutual = sum(0 in mutual_matches(vectors, row, 11, of)[0] for row in vectors[1:])
    assert plain > 100 and mutual < plain / 2


def test_only_tracks_that_are_allowed_come_in_the_same_order(vectors):
    of, allowed = describe_collection(vectors), np.arange(300) % 3 == 1
    everything, _ = mutual_matches(vectors, vectors[0], 300, of)
    some, _ = mutual_matches(vectors, vectors[0], 5, of, allowed)
    np.testing.assert_array_equal(some, everything[allowed[everything]][:5])
