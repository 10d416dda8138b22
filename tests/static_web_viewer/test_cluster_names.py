"""cluster_names.py: what stands out gives the name, what chance would do too does not, no two names are the same."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from static_web_viewer.page.cluster_names import adjusted_residuals, cluster_names


def named(heading: str = "genre", **kinds_of_clusters: list[str]) -> list[str]:
    """Name clusters by the kinds of their tracks, of one column."""
    kinds = list(kinds_of_clusters.values())
    clusters = np.repeat(np.arange(len(kinds)), [len(each) for each in kinds])
    return cluster_names(clusters, [[(heading, [kind for each in kinds for kind in each])]])


def test_a_cluster_is_called_by_what_it_holds_more_often_than_the_whole():
    many = ["rock"] * 30 + ["jazz"] * 30
    assert named(a=["jazz"] * 20 + ["rock"] * 4, b=["folk"] * 7 + ["rock"] * 5, c=many) == ["jazz", "folk", "cluster 1"]


def test_two_values_that_are_about_as_frequent_are_both_named():
    rest = ["folk"] * 40 + ["rock"] * 6 + ["jazz"] * 6
    assert named(a=["rock"] * 12 + ["jazz"] * 10, b=rest) == ["rock, jazz", "folk"]
    assert named(a=["rock"] * 12 + ["jazz"] * 5, b=rest) == ["rock", "folk"]


def test_the_most_frequent_value_is_not_what_is_typical():
    """Of a cluster that is half rock, as all are, the jazz is what tells it apart."""
    assert named(a=["rock"] * 20 + ["jazz"] * 20, b=["rock"] * 50 + ["folk"] * 50)[0] == "jazz"


def test_less_than_a_third_names_no_cluster():
    others = [f"kind {number}" for number in range(20)]
    rest = [kind for kind in others for _ in range(20)]
    assert named(a=["rock"] * 12 + others + others[:5], b=rest) == ["cluster 2", "cluster 1"]
    assert named(a=["rock"] * 12 + others, b=rest) == ["rock", "cluster 1"]


@pytest.mark.parametrize("tracks", [12, 40, 400, 8000])
def test_labels_drawn_by_chance_name_few_clusters(tracks):
    random = np.random.default_rng(tracks)
    names = []
    for _ in range(40):
        clusters = random.permutation(np.arange(tracks) % 10)
        names += cluster_names(clusters, [[("genre", [f"kind {kind}" for kind in random.integers(0, 4, tracks)])]])
    assert np.mean([name.startswith("cluster ") for name in names]) > 0.85


def test_an_excess_that_is_certain_and_small_is_not_typical():
    assert named(a=["rock"] * 5400 + ["jazz"] * 4600, b=["rock"] * 50_000 + ["jazz"] * 50_000) == [
        "cluster 2",
        "cluster 1",
    ]


def test_one_or_two_tracks_are_typical_of_nothing():
    assert named(a=["folk"] * 2, b=["rock"] * 50) == ["cluster 2", "rock"]
    assert named(a=["folk"] * 3, b=["rock"] * 50) == ["folk", "rock"]


def test_names_are_unique_by_size():
    small, large = ["rock"] * 10, ["rock"] * 20
    assert named(a=small, b=large, c=["jazz"] * 40) == ["rock (2)", "rock", "jazz"]
    own = ["rock (2)"] * 15
    assert named(a=small, b=large, c=["jazz"] * 40, d=own) == ["rock (3)", "rock", "jazz", "rock (2)"]
    assert named(a=["cluster 2"] * 30, b=["x", "y", "z"]) == ["cluster 2", "cluster 2 (2)"]


def test_tracks_without_a_value_do_not_count():
    assert named(a=[""] * 40 + ["rock"] * 9 + ["jazz"], b=["jazz"] * 30 + [""] * 5) == ["rock", "jazz"]


def test_a_number_has_its_heading():
    assert named("digit", a=["7"] * 20, b=["4.5"] * 20) == ["digit 7", "digit 4.5"]
    assert named("digit", a=["007"] * 20, b=["1a"] * 20) == ["digit 007", "1a"]


def test_later_columns_are_asked_for_what_is_left():
    clusters = np.repeat([0, 1, 2], 20)
    genres = ["rock"] * 20 + ["jazz", "folk", "pop", "ska"] * 10
    artists = ["Ann"] * 20 + ["Bob"] * 20 + [f"artist {number}" for number in range(20)]
    assert cluster_names(clusters, [[("genre", genres)], [("artist", artists)]]) == ["rock", "Bob", "cluster 3"]


def test_the_column_that_tells_a_cluster_apart_best_names_it():
    clusters = np.repeat([0, 1], 40)
    weak = ["quiet"] * 30 + ["loud"] * 10 + ["quiet"] * 15 + ["loud"] * 25
    strong = ["rock"] * 40 + ["jazz"] * 40
    assert cluster_names(clusters, [[("mood", weak), ("genre", strong)]]) == ["rock", "jazz"]


@pytest.mark.parametrize("ranks", [[], [[]], [[("genre", [""] * 6)]], [[("genre", ["rock"] * 6)]]])
def test_where_nothing_is_known_clusters_are_numbered_by_size(ranks):
    assert cluster_names(np.array([2, 0, 2, 2, 0, 1]), ranks) == ["cluster 2", "cluster 3", "cluster 1"]


def test_a_cluster_that_is_empty_changes_nothing():
    clusters = np.array([0] * 20 + [2] * 20)
    assert cluster_names(clusters, [[("genre", ["rock"] * 20 + ["jazz"] * 20)]]) == ["rock", "cluster 3", "jazz"]


def test_residuals_are_those_of_the_chi_square_test():
    """Of a table of two by two the square of each adjusted residual is chi-square."""
    counts = np.array([[12, 5], [7, 30]])
    residuals = adjusted_residuals(counts)
    assert residuals**2 == pytest.approx(chi2_contingency(counts, correction=False).statistic)
    assert residuals[0, 0] > 0 > residuals[0, 1]
