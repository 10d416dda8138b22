"""What is said of clusters, against what is known of hand-made ones."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from judging import cluster_report as clusters
from judging import labels as evaluation
from mels.decoding import mel_matrix


def planted(kinds: int, songs: int, noise: float = 0.3, dims: int = 16, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return (kinds * songs, dims) vectors around as many directions as there are kinds, and their kinds."""
    codes = np.repeat(np.arange(kinds), songs)
    draws = np.random.default_rng(seed)
    return np.eye(kinds, dims)[codes] + noise * draws.standard_normal((len(codes), dims)), codes


@pytest.mark.parametrize("kinds", [2, 5, 9])
def test_the_planted_number_is_suggested_whatever_the_labels(kinds):
    vectors, codes = planted(kinds, 40, 0.15)
    numbers = range(2, 13)
    told = []
    found = clusters.survey(vectors, numbers, np.arange(len(codes)), codes, 0, lambda: told.append(1))
    assert clusters.suggest(found) == kinds
    assert len(told) == len(numbers) * clusters.SURVEY_SEEDS
    best = found[kinds - 2]
    assert best.agreement == pytest.approx(1) and best.stability == pytest.approx(1)
    few = np.array([3, 7])
    again = clusters.survey(vectors, numbers, few, np.array([0, 1]))
    assert [(o.silhouette, o.stability) for o in again] == [(o.silhouette, o.stability) for o in found]


def test_a_survey_of_many_songs_learns_from_some_and_judges_all(monkeypatch):
    vectors, codes = planted(4, 200, 0.2)
    monkeypatch.setattr(clusters, "SURVEY_SONGS", 100)
    learned = []
    learn = evaluation.learn_centroids
    monkeypatch.setattr(evaluation, "learn_centroids", lambda rows, *a: learned.append(len(rows)) or learn(rows, *a))
    found = clusters.survey(vectors, [3, 4], np.arange(800), codes, 5)
    assert set(learned) == {100}
    assert found[1].agreement > 0.9 and found[1].stability > 0.9
    assert found == clusters.survey(vectors, [3, 4], np.arange(800), codes, 5)


def number(count: int, silhouette: float, stability: float) -> clusters.NumberOfClusters:
    return clusters.NumberOfClusters(count, silhouette, 1.0 / count, stability)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([number(2, 0.2, 1.0), number(3, 0.3, 0.9), number(4, 0.5, 0.79)], 3),
        ([number(2, 0.3, 0.8), number(3, 0.3, 1.0)], 2),
        ([number(2, 0.1, 0.3), number(3, 0.1, 0.5), number(4, 0.9, 0.4)], 3),
        ([number(1, np.nan, 1.0), number(2, -0.1, 0.9)], 2),
        ([number(1, np.nan, 1.0), number(2, 0.1, 0.5)], 1),
    ],
)
def test_the_rule_of_the_suggestion(found, expected):
    assert clusters.suggest(found) == expected


def test_survey_of_more_clusters_than_songs_starts_no_work():
    told = []
    with pytest.raises(ValueError, match="5 clusters of 4 songs: ask for 1 to 4"):
        clusters.survey(np.eye(4), range(2, 6), np.arange(4), np.zeros(4, int), 0, lambda: told.append(1))
    assert not told


@given(st.integers(3, 60), st.integers(2, 8), st.integers(0, 1000))
def test_silhouette_is_that_of_all_pairs(songs, count, seed):
    from sklearn.metrics import silhouette_score

    draws = np.random.default_rng(seed)
    rows = evaluation.directions(draws.standard_normal((songs, 5)))
    assigned = draws.integers(0, count, songs) * 3  # clusters may be empty
    held = len(np.unique(assigned))
    ours = clusters.silhouette(rows, assigned)
    if held < 2:
        assert np.isnan(ours)
    elif held < songs:
        assert ours == pytest.approx(silhouette_score(rows, assigned, metric="cosine"), abs=1e-5)


def test_silhouette_in_blocks_is_the_same(monkeypatch):
    vectors, codes = planted(3, 30)
    rows = evaluation.directions(vectors)
    whole = clusters.silhouette(rows, codes)
    typical = clusters.typical_first(vectors, codes, 3)
    monkeypatch.setattr(clusters, "SONGS_BLOCK", 7)
    assert clusters.silhouette(rows, codes) == pytest.approx(whole)
    assert [one.tolist() for one in clusters.typical_first(vectors, codes, 3)] == [one.tolist() for one in typical]


def test_silhouette_of_songs_that_coincide():
    rows = np.repeat(np.eye(2, dtype=np.float32), 3, axis=0)
    assert clusters.silhouette(rows, np.array([0, 0, 0, 1, 1, 1])) == 1
    assert clusters.silhouette(rows[:3], np.array([0, 0, 1])) == 0


def test_the_most_typical_song_is_the_one_in_the_middle():
    angles = np.radians([10, 0, -10, 90, 130, 100, 110])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1) * [[3], [1], [1], [1], [9], [1], [1]]
    first, empty, second = clusters.typical_first(vectors, np.array([0, 0, 0, 2, 2, 2, 2]), 3)
    assert first[0] == 1 and sorted(first) == [0, 1, 2] and not len(empty)
    assert second.tolist() == [6, 5, 3, 4] or second.tolist() == [6, 5, 4, 3]


def test_bands_are_in_deviations_over_all_tracks():
    draws = np.random.default_rng(0)
    everything = draws.standard_normal((4000, 6)) * 3 + 7
    everything[:1000, 2] += 12
    found = clusters.band_deviations([everything[:1000], everything[1000:]], [1000, 3000])
    expected = (everything[:1000].mean(axis=0) - everything.mean(axis=0)) / everything.std(axis=0)
    np.testing.assert_allclose(found[0], expected, rtol=1e-9)
    # a fifth of each cluster says nearly the same: it weighs what the cluster does
    sampled = clusters.band_deviations([everything[:200], everything[1000:1100]], [1000, 3000])
    np.testing.assert_allclose(sampled[0], expected, atol=0.2)
    none = clusters.band_deviations([everything[:1000], np.zeros((0,)), everything[1000:]], [1000, 7, 3000])
    assert np.isnan(none[1]).all()
    np.testing.assert_allclose(none[0], expected, rtol=1e-9)
    assert (clusters.band_deviations([np.ones((3, 2)), np.ones((1, 2))], [3, 1]) == 0).all()
    with pytest.raises(ValueError, match="no mel"):
        clusters.band_deviations([np.zeros((0,))], [3])


def test_bands_are_peaks_and_not_their_slopes():
    deviations = np.array([0.1, 0.9, 1.0, 0.75, 0.6, 0.5, -0.2, -0.3, 0.0, 0.4, 0.1, 0.2])
    assert clusters.strongest_bands(deviations) == [(1, 3, 1.0), (9, 9, 0.4), (7, 7, -0.3)]
    assert clusters.strongest_bands(np.full(4, -2.0)) == [(0, 3, -2.0)]
    assert clusters.strongest_bands(np.full(4, np.nan)) == clusters.strongest_bands(np.zeros(4)) == []


@given(arrays.arrays(np.float64, st.integers(1, 40), elements=st.floats(-3, 3)))
def test_bands_never_overlap_and_fall_in_height(deviations):
    bands = clusters.strongest_bands(deviations)
    heights = [abs(peak) for _, _, peak in bands]
    assert heights == sorted(heights, reverse=True) and len(bands) <= clusters.BANDS
    bins = [i for first, last, _ in bands for i in range(first, last + 1)]
    assert len(bins) == len(set(bins)) and all(0 <= i < len(deviations) for i in bins)
    if bands:
        assert heights[0] == np.abs(deviations).max()


def test_corners_are_those_of_the_mel_filters(config):
    edges = clusters.mel_edges_hz(config.mel_low_hz, config.mel_high_hz, config.mel_bins)
    assert edges[0] == pytest.approx(config.mel_low_hz) and edges[-1] == pytest.approx(config.mel_high_hz)
    weights = mel_matrix(config)
    hertz = np.linspace(0, config.sample_rate_hz / 2, len(weights))
    for mel_bin in range(config.mel_bins):
        heard = hertz[weights[:, mel_bin] > 1e-4]
        assert edges[mel_bin] <= heard.min() and heard.max() <= edges[mel_bin + 2]


tables = arrays.arrays(np.int64, st.tuples(st.integers(1, 40), st.integers(1, 12)), elements=st.integers(0, 9))


@given(tables)
def test_the_largest_shares_lie_on_a_stair(table):
    labels, order = clusters.staircase_order(table)
    assert sorted(labels) == list(range(table.shape[0])) and sorted(order) == list(range(table.shape[1]))
    held = table[:, order].sum(axis=0) > 0
    assert (np.diff(held.astype(int)) <= 0).all()  # clusters without a labelled song come last
    position = np.argsort(labels)
    tops = position[table[:, order].argmax(axis=0)][held]
    assert (np.diff(tops) >= 0).all()
    # no step of the stair skips a label that leads a cluster, and stairs start at the top
    assert not len(tops) or tops[0] == 0
    shares = (table[:, order].max(axis=0) / np.maximum(table[:, order].sum(axis=0), 1))[held]
    for (top, share), (below, next_share) in itertools.pairwise(zip(tops, shares, strict=True)):
        assert top < below or share >= next_share


def test_labels_without_a_cluster_stand_below_the_one_they_are_mixed_with():
    #                  clusters: 0  1  2
    table = np.array([[0, 9, 0], [0, 4, 1], [8, 0, 0], [0, 0, 9], [0, 0, 2]])
    labels, order = clusters.staircase_order(table)
    assert labels.tolist() == [2, 3, 4, 0, 1] and order.tolist() == [0, 2, 1]


@given(tables)
def test_joining_rare_labels_loses_no_song(table):
    labels = [str(i) for i in range(len(table))]
    joined, shown = clusters.join_rare(table, labels)
    assert len(shown) == len(joined) == min(len(table), clusters.LABELS_SHOWN)
    assert (joined.sum(axis=0) == table.sum(axis=0)).all()
    if len(shown) < len(labels):
        assert shown[-1] == f"{len(labels) - clusters.LABELS_SHOWN + 1} other labels"
        kept = [int(label) for label in shown[:-1]]
        assert table[kept].sum(axis=1).min() >= np.delete(table, kept, axis=0).sum(axis=1).max()
