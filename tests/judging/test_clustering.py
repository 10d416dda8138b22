"""Clusters, their agreement with labels, and how far they lie apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_folds import two_kinds

from judging import cluster_report, clustering, neighbours
from judging.labels import encode
from judging.neighbours import directions

partitions = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), min_size=1, max_size=40)


# ---- clusters


def test_two_directions_are_two_clusters():
    vectors, labels = two_kinds(30)
    clusters = clustering.spherical_kmeans(vectors, 2)
    codes = encode(labels)[1]
    assert clustering.clustering_scores(codes, clusters)["purity"] == 1


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 40), st.integers(1, 8), st.integers(-5, 2**40))
def test_only_directions_count(songs, clusters, seed):
    vectors = np.random.default_rng(songs).standard_normal((songs, 5)).astype(np.float32)
    clusters = min(songs, clusters)
    found = clustering.spherical_kmeans(vectors, clusters, seed)
    assert found.shape == (songs,) and found.min() >= 0 and found.max() < clusters
    powers = (2.0 ** (np.arange(songs) % 7))[:, None].astype(np.float32)  # exact: not even a rounding differs
    assert (clustering.spherical_kmeans(vectors * powers, clusters, seed) == found).all()


def test_the_same_clusters_on_any_number_of_cores():
    import faiss

    vectors = np.random.default_rng(0).standard_normal((3000, 16)).astype(np.float32)
    before, found = faiss.omp_get_max_threads(), []
    try:
        for threads in (1, 2):
            faiss.omp_set_num_threads(threads)
            found.append(clustering.spherical_kmeans(vectors, 12, 7))
            assert faiss.omp_get_max_threads() == threads
    finally:
        faiss.omp_set_num_threads(before)
    assert (found[0] == found[1]).all()
    assert len(np.unique(found[0])) == 12


@pytest.mark.parametrize("kinds", [3, 8, 20])
def test_no_planted_cluster_is_missed(kinds):
    missed = []
    for seed in range(5):
        vectors, codes = planted(kinds, 30, 0.15, 24, seed)
        missed.append(clustering.clustering_scores(codes, clustering.spherical_kmeans(vectors, kinds, seed))["purity"])
    assert missed == [1.0] * 5


def test_too_many_vectors_for_five_starts_are_all_used_and_none_the_worse(monkeypatch, capfd):
    vectors = np.random.default_rng(0).standard_normal((3000, 8)).astype(np.float32)

    def mean_cosine(clusters: np.ndarray) -> float:
        rows = neighbours.directions(vectors)
        return sum(np.linalg.norm(rows[clusters == c].sum(axis=0)) for c in range(12)) / len(rows)

    whole = clustering.spherical_kmeans(vectors, 12, 7)
    trained, train = [], clustering._train_kmeans
    monkeypatch.setattr(clustering, "KMEANS_SAMPLE", 600)
    monkeypatch.setattr(clustering, "KMEANS_SAMPLE_EACH", 20)
    monkeypatch.setattr(
        clustering, "_train_kmeans", lambda rows, *a: trained.append((len(rows), a[2])) or train(rows, *a)
    )
    found = clustering.spherical_kmeans(vectors, 12, 7)
    assert trained == [(600, clustering.KMEANS_STARTS), (3000, 1)]
    assert mean_cosine(found) > 0.99 * mean_cosine(whole)
    assert (clustering.spherical_kmeans(vectors, 12, 7) == found).all()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("songs", "clusters"), [(1, 1), (8, 8), (9, 8), (40, 8), (3000, 2)])
def test_faiss_says_nothing(capfd, songs, clusters):
    vectors = np.random.default_rng(0).standard_normal((songs, 4)).astype(np.float32)
    assert len(np.unique(clustering.spherical_kmeans(vectors, clusters))) == clusters
    assert capfd.readouterr() == ("", "")


def test_songs_that_coincide():
    assert len(np.unique(clustering.spherical_kmeans(np.ones((10, 3), np.float32), 4))) == 1


def test_more_clusters_than_songs():
    with pytest.raises(ValueError, match="5 clusters of 4 songs: ask for 1 to 4"):
        clustering.spherical_kmeans(np.eye(4, dtype=np.float32), 5)


@given(partitions)
def test_purity_is_the_share_of_the_most_frequent_labels(songs):
    labels, clusters = np.array(songs).T
    most = sum(np.bincount(labels[clusters == cluster]).max() for cluster in np.unique(clusters))
    assert clustering.clustering_scores(labels, clusters)["purity"] == pytest.approx(most / len(songs))


def test_scores_of_partitions_that_are_known():
    same, other = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    assert clustering.clustering_scores(same, other) == pytest.approx({"purity": 0.5, "NMI": 0, "adjusted Rand": -0.5})
    halves = clustering.clustering_scores(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 2]))
    # one bit is shared, of 1 and 1.5 bits; of the two pairs of a label one is in a cluster too
    assert halves == pytest.approx({"purity": 1, "NMI": 1 / 1.25, "adjusted Rand": (1 - 1 / 3) / (1.5 - 1 / 3)})


@given(partitions)
def test_labels_against_themselves(songs):
    labels = np.array(songs).T[0]
    scores = clustering.clustering_scores(labels, labels)
    assert scores == pytest.approx({"purity": 1, "NMI": 1, "adjusted Rand": 1})


def test_random_assignments_score_by_chance():
    labels, clusters = np.repeat([0, 1], 300), np.tile([0, 1, 1], 200)
    random = clustering.random_scores(labels, clusters, seed=1)
    assert random == clustering.random_scores(labels, clusters, seed=1)
    assert random["purity"] == pytest.approx(0.5, abs=0.05)
    assert random["NMI"] == pytest.approx(0, abs=0.02)
    assert random["adjusted Rand"] == pytest.approx(0, abs=0.02)


def test_of_many_songs_fewer_random_assignments_are_drawn(monkeypatch):
    labels, clusters = np.repeat([0, 1], 300), np.tile([0, 1, 1], 200)
    drawn, scores = [], clustering.clustering_scores
    monkeypatch.setattr(clustering, "clustering_scores", lambda *a: drawn.append(1) or scores(*a))
    for songs, expected in ((600, 2), (6000, 10), (1_000_000, 20)):
        monkeypatch.setattr(clustering, "SHUFFLED_SONGS", songs)
        drawn.clear()
        clustering.random_scores(labels, clusters)
        assert len(drawn) == expected


def planted(kinds: int, songs: int, noise: float = 0.3, dims: int = 16, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return (kinds * songs, dims) vectors around as many directions as there are kinds, and their kinds."""
    codes = np.repeat(np.arange(kinds), songs)
    draws = np.random.default_rng(seed)
    return np.eye(kinds, dims)[codes] + noise * draws.standard_normal((len(codes), dims)), codes


@given(st.integers(3, 60), st.integers(2, 8), st.integers(0, 1000))
def test_silhouette_is_that_of_all_pairs(songs, count, seed):
    from sklearn.metrics import silhouette_score

    draws = np.random.default_rng(seed)
    rows = directions(draws.standard_normal((songs, 5)))
    assigned = draws.integers(0, count, songs) * 3  # clusters may be empty
    held = len(np.unique(assigned))
    ours = clustering.silhouette(rows, assigned)
    if held < 2:
        assert np.isnan(ours)
    elif held < songs:
        assert ours == pytest.approx(silhouette_score(rows, assigned, metric="cosine"), abs=1e-5)


def test_silhouette_in_blocks_is_the_same(monkeypatch):
    vectors, codes = planted(3, 30)
    rows = directions(vectors)
    whole = clustering.silhouette(rows, codes)
    typical = cluster_report.typical_first(vectors, codes, 3)
    monkeypatch.setattr(clustering, "SONGS_BLOCK", 7)
    assert clustering.silhouette(rows, codes) == pytest.approx(whole)
    assert [one.tolist() for one in cluster_report.typical_first(vectors, codes, 3)] == [
        one.tolist() for one in typical
    ]


def test_silhouette_of_songs_that_coincide():
    rows = np.repeat(np.eye(2, dtype=np.float32), 3, axis=0)
    assert clustering.silhouette(rows, np.array([0, 0, 0, 1, 1, 1])) == 1
    assert clustering.silhouette(rows[:3], np.array([0, 0, 1])) == 0
