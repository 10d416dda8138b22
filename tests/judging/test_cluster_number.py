"""How many clusters are suggested: as many as were planted, and one where there are none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_clustering import planted

from judging import cluster_number
from judging.cluster_number import NumberOfClusters, suggest, survey
from judging.neighbours import directions

NOBODY = np.arange(2), np.arange(2)  # two labelled songs, whose labels have no say


def suggested(vectors: np.ndarray, most: int = 10, seed: int = 0) -> int:
    return suggest(survey(vectors, range(2, most + 1), *NOBODY, seed))


@pytest.mark.parametrize("dims", [2, 3, 5, 12, 40, 100])
@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_one_blob_is_one_cluster(dims, offset):
    """Around the origin its directions are everywhere, away from it they are one cap."""
    for seed in range(3):
        vectors = np.random.default_rng([dims, seed]).standard_normal((200, dims)) + offset
        assert suggested(vectors, 5, seed) == 1


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_one_long_blob_is_one_cluster_though_every_half_is_cut_alike(power, offset):
    draws = np.random.default_rng(1)
    vectors = draws.standard_normal((400, 20)) * np.arange(1, 21) ** -power + offset * draws.standard_normal(20) / 5
    found = survey(vectors, [2, 3, 4], *NOBODY)
    assert suggest(found) == 1
    if not offset:
        assert found[0].strength > 0.8  # which alone would suggest 2


@pytest.mark.parametrize("kinds", range(2, 9))
@pytest.mark.parametrize("noise", [0.15, 0.4])
def test_the_planted_number_is_suggested(kinds, noise):
    draws = np.random.default_rng(kinds)
    codes = np.repeat(np.arange(kinds), 40)
    vectors = draws.standard_normal((kinds, 24))[codes] + noise * draws.standard_normal((len(codes), 24))
    assert suggested(vectors) == kinds


def test_clusters_of_unequal_size_are_found():
    codes = np.repeat(np.arange(4), [300, 100, 40, 20])
    vectors = 2 * np.eye(4, 16)[codes] + 0.3 * np.random.default_rng(0).standard_normal((len(codes), 16))
    assert suggested(vectors, 8) == 4


def test_labels_have_no_say_and_every_number_is_reported():
    vectors, codes = planted(5, 40, 0.15)
    reports = []
    found = survey(vectors, range(2, 9), np.arange(len(codes)), codes, 0, lambda: reports.append(1))
    assert len(reports) == 7
    assert found[3].agreement == pytest.approx(1) and found[3].strength == pytest.approx(1)
    again = survey(vectors, range(2, 9), np.array([3, 7]), np.array([0, 1]))
    assert [(o.silhouette, o.strength) for o in again] == [(o.silhouette, o.strength) for o in found]
    assert suggest(again) == suggest(found) == 5


def test_a_survey_of_many_songs_looks_at_some(monkeypatch):
    vectors, codes = planted(4, 200, 0.2)
    monkeypatch.setattr(cluster_number, "SURVEY_SONGS", 100)
    learned, learn = [], cluster_number.learn_centroids
    monkeypatch.setattr(
        cluster_number, "learn_centroids", lambda rows, *a: learned.append(len(rows)) or learn(rows, *a)
    )
    found = survey(vectors, [3, 4], np.arange(800), codes, 5)
    assert set(learned) == {50, 100}
    assert found[1].agreement > 0.9 and suggest(found) == 4
    assert found == survey(vectors, [3, 4], np.arange(800), codes, 5)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_the_share_of_pairs_is_that_of_all_pairs(songs):
    clusters, predicted = np.array(songs).T
    shares = []
    for cluster in np.unique(clusters):
        members = predicted[clusters == cluster]
        pairs = [members[i] == members[j] for i in range(len(members)) for j in range(len(members)) if i != j]
        shares.append(np.mean(pairs) if pairs else 0.0)
    assert cluster_number.least_share_together(clusters, predicted, 4) == pytest.approx(min(shares))


def test_prediction_strength_of_what_cannot_be_halved():
    rows = directions(np.random.default_rng(0).standard_normal((9, 4)))
    assert cluster_number.prediction_strength(rows, 1) == 1
    assert cluster_number.prediction_strength(rows, 5) == 0
    assert 0 <= cluster_number.prediction_strength(rows, 4) <= 1


def number(count: int, silhouette: float, strength: float, cloud: float = 0.1) -> NumberOfClusters:
    return NumberOfClusters(count, silhouette, 1.0 / count, strength, cloud)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([number(2, 0.9, 1.0), number(3, 0.3, 0.8), number(4, 0.5, 0.79)], 3),  # the largest, not the best apart
        ([number(2, 0.3, 0.9), number(3, 0.3, 1.0, 0.31)], 2),  # a cloud is as much apart
        ([number(2, 0.9, 0.79), number(3, 0.1, 0.5)], 1),
        ([number(1, np.nan, 1.0, np.nan), number(2, 0.4, 0.5, np.nan)], 1),
        ([number(1, np.nan, 1.0, np.nan), number(2, 0.4, 0.9)], 2),
        ([number(3, 0.4, 0.5), number(4, 0.4, 0.5)], None),  # nobody looked at 2
        ([number(3, 0.4, 0.9), number(4, 0.4, 0.5)], 3),
    ],
)
def test_the_rule_of_the_suggestion(found, expected):
    assert suggest(found) == expected


def test_songs_that_coincide_are_one_cluster():
    found = survey(np.ones((30, 4)), [1, 2, 3], *NOBODY)
    assert suggest(found) == 1


def test_survey_of_more_clusters_than_songs_starts_no_work():
    reports = []
    with pytest.raises(ValueError, match="5 clusters of 4 songs: ask for 1 to 4"):
        survey(np.eye(4), range(2, 6), np.arange(4), np.zeros(4, int), 0, lambda: reports.append(1))
    assert not reports
