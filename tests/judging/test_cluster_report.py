"""What is said of clusters, against what is known of hand-made ones."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from judging import cluster_report


def test_the_most_typical_song_is_the_one_in_the_middle():
    angles = np.radians([10, 0, -10, 90, 130, 100, 110])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1) * [[3], [1], [1], [1], [9], [1], [1]]
    first, empty, second = cluster_report.typical_first(vectors, np.array([0, 0, 0, 2, 2, 2, 2]), 3)
    assert first[0] == 1 and sorted(first) == [0, 1, 2] and not len(empty)
    assert second.tolist() == [6, 5, 3, 4] or second.tolist() == [6, 5, 4, 3]


def test_bands_are_in_deviations_over_all_tracks():
    draws = np.random.default_rng(0)
    everything = draws.standard_normal((4000, 6)) * 3 + 7
    everything[:1000, 2] += 12
    found = cluster_report.band_deviations([everything[:1000], everything[1000:]], [1000, 3000])
    expected = (everything[:1000].mean(axis=0) - everything.mean(axis=0)) / everything.std(axis=0)
    np.testing.assert_allclose(found[0], expected, rtol=1e-9)
    # a fifth of each cluster says nearly the same: it weighs what the cluster does
    sampled = cluster_report.band_deviations([everything[:200], everything[1000:1100]], [1000, 3000])
    np.testing.assert_allclose(sampled[0], expected, atol=0.2)
    none = cluster_report.band_deviations([everything[:1000], np.zeros((0,)), everything[1000:]], [1000, 7, 3000])
    assert np.isnan(none[1]).all()
    np.testing.assert_allclose(none[0], expected, rtol=1e-9)
    assert (cluster_report.band_deviations([np.ones((3, 2)), np.ones((1, 2))], [3, 1]) == 0).all()
    with pytest.raises(ValueError, match="no mel"):
        cluster_report.band_deviations([np.zeros((0,))], [3])


def test_bands_are_peaks_and_not_their_slopes():
    deviations = np.array([0.1, 0.9, 1.0, 0.75, 0.6, 0.5, -0.2, -0.3, 0.0, 0.4, 0.1, 0.2])
    assert cluster_report.strongest_bands(deviations) == [(1, 3, 1.0), (9, 9, 0.4), (7, 7, -0.3)]
    assert cluster_report.strongest_bands(np.full(4, -2.0)) == [(0, 3, -2.0)]
    assert cluster_report.strongest_bands(np.full(4, np.nan)) == cluster_report.strongest_bands(np.zeros(4)) == []


@given(arrays.arrays(np.float64, st.integers(1, 40), elements=st.floats(-3, 3)))
def test_bands_never_overlap_and_fall_in_height(deviations):
    bands = cluster_report.strongest_bands(deviations)
    heights = [abs(peak) for _, _, peak in bands]
    assert heights == sorted(heights, reverse=True) and len(bands) <= cluster_report.BANDS
    bins = [i for first, last, _ in bands for i in range(first, last + 1)]
    assert len(bins) == len(set(bins)) and all(0 <= i < len(deviations) for i in bins)
    if bands:
        assert heights[0] == np.abs(deviations).max()


tables = arrays.arrays(np.int64, st.tuples(st.integers(1, 40), st.integers(1, 12)), elements=st.integers(0, 9))


@given(tables)
def test_the_largest_shares_lie_on_a_stair(table):
    labels, order = cluster_report.staircase_order(table)
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
    labels, order = cluster_report.staircase_order(table)
    assert labels.tolist() == [2, 3, 4, 0, 1] and order.tolist() == [0, 2, 1]


@given(tables)
def test_joining_rare_labels_loses_no_song(table):
    labels = [str(i) for i in range(len(table))]
    joined, shown = cluster_report.join_rare(table, labels)
    assert len(shown) == len(joined) == min(len(table), cluster_report.LABELS_SHOWN)
    assert (joined.sum(axis=0) == table.sum(axis=0)).all()
    if len(shown) < len(labels):
        assert shown[-1] == f"{len(labels) - cluster_report.LABELS_SHOWN + 1} other labels"
        kept = [int(label) for label in shown[:-1]]
        assert table[kept].sum(axis=1).min() >= np.delete(table, kept, axis=0).sum(axis=1).max()
