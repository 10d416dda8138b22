import csv
import io
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from judging import labels as evaluation
from utils import UserError

NAMES = ["jazz/Søren, late.mp3.npy", "rock/a song.mp3.npy", "rock/b.wav.npy"]


def table(tmp_path: Path, text: str | bytes) -> evaluation.LabelTable:
    path = tmp_path / "the labels.csv"
    path.write_bytes(text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text)
    return evaluation.read_label_table(path)


def two_kinds(count: int, dims: int = 6) -> tuple[np.ndarray, list[str]]:
    """Return vectors around two opposite directions, and which of the two each has."""
    random = np.random.default_rng(3)
    signs = np.where(np.arange(count) % 2, 1.0, -1.0)
    vectors = signs[:, None] * np.linspace(1, 2, dims) + 0.2 * random.standard_normal((count, dims))
    return vectors.astype(np.float32), ["even" if sign < 0 else "odd" for sign in signs]


# ---- label tables


@pytest.mark.parametrize(
    "filename",
    [
        "rock/a song.mp3",
        "rock/a song.mp3.npy",
        "./rock/a song.mp3",
        ".\\rock\\a song.mp3",
        "rock//a song.mp3",
        " rock/a song.mp3 ",
    ],
)
def test_a_filename_matches_however_it_is_written(tmp_path, filename):
    labelled = evaluation.label_songs(table(tmp_path, f'filename,genre\n"{filename}",rock\n'), NAMES, "genre")
    assert labelled.songs.tolist() == [1]
    assert labelled.labels == ["rock"]


@pytest.mark.parametrize(
    ("text", "songs"),
    [
        ("filename,genre\n/home/me/b.wav,rock\nC:\\music\\a song.mp3,rock\n", [1, 2]),
        ("filename,genre\nb.wav,rock\n", [2]),
        ("filename,genre\nx/b.wav,rock\ny/b.wav,pop\nrock/a song.mp3,rock\n", [1]),  # two rows of one base name
        ("filename,genre\nx/b.wav,pop\nrock/b.wav,rock\n", [2]),  # a path that matches leaves nothing to its like
    ],
)
def test_a_base_name_matches_where_no_path_does_and_it_is_unique(tmp_path, text, songs):
    labelled = evaluation.label_songs(table(tmp_path, text), NAMES, "genre")
    assert labelled.songs.tolist() == songs
    assert set(labelled.labels) == {"rock"}


def test_a_base_name_of_two_songs_matches_neither(tmp_path):
    names = ["live/a.mp3.npy", "studio/a.mp3.npy", "studio/b.mp3.npy"]
    labelled = evaluation.label_songs(table(tmp_path, "filename,genre\na.mp3,rock\nb.mp3,pop\n"), names, "genre")
    assert labelled.songs.tolist() == [2]


def test_composed_and_decomposed_letters_are_the_same_name(tmp_path):
    text = 'filename,genre\n"jazz/S\u00f8ren, late.mp3",jazz\ncafe\u0301.mp3,pop\n'
    labelled = evaluation.label_songs(table(tmp_path, text), [*NAMES, "caf\u00e9.mp3.npy"], "genre")
    assert labelled.songs.tolist() == [0, 3]


def test_an_exact_match_wins_over_a_likeness(tmp_path):
    names = ["a/b.mp3.npy", "a\\b.mp3.npy"]
    labelled = evaluation.label_songs(table(tmp_path, "filename,genre\na\\b.mp3,pop\na/b.mp3,rock\n"), names, "genre")
    assert labelled.labels == ["rock", "pop"]


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbffilename,genre\r\nrock/b.wav,rock\r\n",
        b"filename\tgenre\nrock/b.wav\trock\n",
        b' filename , genre \n"rock/b.wav"," rock "\n\n',
        b"filename,genre,,\nrock/b.wav,rock,,\n",
        b"filename,genre\nrock/b.wav,rock",
    ],
)
def test_tables_as_programs_write_them(tmp_path, text):
    labelled = evaluation.label_songs(table(tmp_path, text), NAMES, "genre")
    assert (labelled.songs.tolist(), labelled.labels) == ([2], ["rock"])


def test_values_stay_text_and_labels_one_line(tmp_path):
    text = 'filename,genre\nrock/b.wav,nan\nrock/a song.mp3,"007\nhard"\n'
    assert evaluation.label_songs(table(tmp_path, text), NAMES, "genre").labels == ["007 hard", "nan"]


def test_names_that_are_not_utf8(tmp_path):
    name = os.fsdecode(b"caf\xe9.mp3")
    labelled = evaluation.label_songs(table(tmp_path, b"filename,genre\ncaf\xe9.mp3,pop\n"), [name + ".npy"], "genre")
    assert labelled.labels == ["pop"]


def test_what_is_left_out_is_counted(tmp_path):
    text = "filename,genre,artist\nrock/b.wav,rock,Ann\nrock/a song.mp3,rock, \ngone.mp3,pop,Bo\nold.mp3,,\n"
    labelled = evaluation.label_songs(table(tmp_path, text), NAMES, "genre", "artist")
    assert labelled.groups == ["Ann"]
    assert labelled.songs_without_row == [NAMES[0]]
    assert labelled.songs_with_empty == [NAMES[1]]
    assert labelled.rows_without_song == ["gone.mp3", "old.mp3"]
    assert labelled.summary() == (
        "1 of 3 songs labelled; left out: 1 song without a row in the table, "
        "1 song with an empty label or group, 2 rows without a song"
    )
    assert labelled.summary(listed=True).split("\n")[1:] == [
        "song without a row in the table: jazz/Søren, late.mp3",
        "song with an empty label or group: rock/a song.mp3",
        "row without a song: gone.mp3",
        "row without a song: old.mp3",
    ]


def test_the_same_row_twice_does_no_harm(tmp_path):
    text = "filename,genre\nrock/b.wav,\nrock/b.wav,rock\n./rock/b.wav,rock\nrock/b.wav.npy,\n"
    labelled = evaluation.label_songs(table(tmp_path, text), NAMES, "genre")
    assert labelled.labels == ["rock"]
    assert labelled.summary() == "1 of 3 songs labelled; left out: 2 songs without a row in the table"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,genre\na,b\n", "no column 'filename'; did you mean 'file'?"),
        ("filename,Genre\na,b\n", "no column 'genre'; did you mean 'Genre'?"),
        ("filename,x,y\na,b,c\n", "no column 'genre'; known: filename, x, y"),
        ("filename,genre,genre\na,b,c\n", "two columns are named 'genre'; rename one"),
        ("", "no column 'filename'"),
        ("filename,genre\n", "holds no row"),
        ("filename,genre\nrock/b.wav,\n", "column 'genre' is empty for every song of the run"),
        (
            "filename,genre\n/music/rock/c.wav,rock\n",
            "the table has '/music/rock/c.wav', the run 'jazz/Søren, late.mp3': write paths relative to",
        ),
        ("filename,genre\nrock/b.wav,rock\n.\\rock\\b.wav,pop\n", "'.\\\\rock\\\\b.wav' has two rows, with 'rock' and"),
        ("filename,genre\ngone.mp3,rock\ngone.mp3,pop\n", "'gone.mp3' has two rows, with 'rock' and with 'pop'"),
        ("filename,genre\njazz/Søren, late.mp3,jazz\n", "line 2: 3 fields where the header has 2; put double quotes"),
        ('filename,genre\na,"rock\nb,pop\n', "line 3: unexpected end of data; put double quotes"),
    ],
)
def test_errors_say_where_and_what(tmp_path, text, message):
    with pytest.raises(UserError) as error:
        evaluation.label_songs(table(tmp_path, text), NAMES, "genre")
    assert message in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "the labels.csv"))


def test_a_missing_table(tmp_path):
    with pytest.raises(UserError, match="no such label table; write a CSV"):
        evaluation.read_label_table(tmp_path / "none.csv")


file_names = st.binary(min_size=1, max_size=12).map(os.fsdecode)


@given(st.dictionaries(file_names, st.text(st.characters(exclude_categories=["Cs"]), max_size=8), min_size=1))
def test_any_name_and_label_come_back(tmp_path_factory, labels):
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([("filename", "genre"), *labels.items()])
    names = [name + ".npy" for name in labels]
    expected = {name + ".npy": " ".join(label.split()) for name, label in labels.items() if label.split()}
    read = table(tmp_path_factory.getbasetemp(), text.getvalue())
    if not expected:
        with pytest.raises(UserError, match="is empty for every song"):
            evaluation.label_songs(read, names, "genre")
        return
    labelled = evaluation.label_songs(read, names, "genre")
    assert {names[song]: label for song, label in zip(labelled.songs, labelled.labels, strict=True)} == expected


def test_encode_sorts_and_numbers():
    classes, codes = evaluation.encode(["rock", "jazz", "rock"])
    assert (classes, codes.tolist()) == (["jazz", "rock"], [1, 0, 1])


# ---- baselines


def test_a_cosine_over_the_bins_is_one_coefficient():
    bins = 80
    for coefficient in (0, 1, 7):
        spectrum = np.cos(np.pi * coefficient * (np.arange(bins) + 0.5) / bins)
        means = evaluation.mfcc_statistics(np.tile(spectrum, (5, 1)))[:20]
        expected = np.sqrt(bins if coefficient == 0 else bins / 2)  # orthonormal: the norm of the spectrum
        assert means == pytest.approx(np.eye(20)[coefficient] * expected, abs=1e-9)


def test_statistics_of_a_ramp():
    loudness = np.arange(11.0)  # every bin rises by one each frame
    statistics = evaluation.mfcc_statistics(np.tile(loudness[:, None], (1, 4)))
    assert statistics.shape == (7 * 4,)
    level = 2.0  # sqrt(bins): what one in every bin is in the first coefficient
    first = statistics.reshape(7, 4)[:, 0]
    assert first == pytest.approx(np.array([5, np.std(loudness), 1, 0, 5, 0, 10]) * level)
    assert statistics.reshape(7, 4)[:, 1:] == pytest.approx(0, abs=1e-12)


@given(st.integers(1, 30), st.floats(-20, 20))
def test_gain_moves_only_the_level(frames, gain):
    mel = np.random.default_rng(frames).standard_normal((frames, 24))
    moved = (evaluation.mfcc_statistics(mel + gain) - evaluation.mfcc_statistics(mel)).reshape(7, 20)
    level = np.zeros((7, 20))
    level[[0, 4, 5, 6], 0] = gain * np.sqrt(24)
    assert moved == pytest.approx(level, abs=1e-9)


def test_one_frame_of_float16():
    mel = np.linspace(-3, 3, 80, dtype=np.float16)[None]
    statistics = evaluation.mfcc_statistics(mel)
    assert statistics.shape == (140,)
    assert np.isfinite(statistics).all()
    assert evaluation.mean_log_mel(mel) == pytest.approx(mel[0])


@pytest.mark.parametrize("shape", [(0, 80), (4, 0), (4,)])
def test_a_mel_without_frames_is_refused(shape):
    for describe in (evaluation.mfcc_statistics, evaluation.mean_log_mel):
        with pytest.raises(ValueError, match=r"a mel of shape .* holds no frame"):
            describe(np.zeros(shape))


# ---- folds and classifiers


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 9)), min_size=4, max_size=60), st.booleans())
def test_folds_keep_their_promises(tracks, grouped):
    labels = [label for label, _ in tracks]
    groups = [str(group) for _, group in tracks] if grouped else None
    kept, small = evaluation.usable_classes(labels, groups)
    labels = [label for label, keep in zip(labels, kept, strict=True) if keep]
    groups = [group for group, keep in zip(groups, kept, strict=True) if keep] if grouped else None
    assert not set(labels) & set(small)
    try:
        folds = evaluation.make_folds(labels, groups, seed=1)
    except ValueError as error:
        assert len(set(labels)) < 2 or "the groups cannot be divided" in str(error)
        return
    assert 2 * evaluation.REPEATS <= len(folds) <= evaluation.FOLDS * evaluation.REPEATS
    tested = np.concatenate([test for _, test in folds])
    assert np.bincount(tested).tolist() == [evaluation.REPEATS] * len(labels)
    for train, test in folds:
        assert len(test) and {labels[i] for i in train} == set(labels)
        if grouped:
            assert not {groups[i] for i in train} & {groups[i] for i in test}


def test_as_many_folds_as_the_smallest_class_has_members():
    labels = ["a"] * 20 + ["b"] * 3
    assert len(evaluation.make_folds(labels)) == evaluation.REPEATS * 3
    groups = [str(i) for i in range(20)] + ["x", "x", "y"]
    assert len(evaluation.make_folds(labels, groups)) == evaluation.REPEATS * 2


def test_classes_of_one_member_are_named():
    kept, small = evaluation.usable_classes(["a", "b", "a", "c", "c"], ["1", "2", "3", "4", "4"])
    assert (kept.tolist(), small) == ([True, False, True, False, False], ["b", "c"])


def test_the_seed_decides_the_folds():
    labels = ["a", "b"] * 20
    first, same, other = (evaluation.make_folds(labels, seed=seed) for seed in (4, 4, -5))
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
        evaluation.make_folds(labels, groups)


# ---- clusters


def test_two_directions_are_two_clusters():
    vectors, labels = two_kinds(30)
    clusters = evaluation.spherical_kmeans(vectors, 2)
    codes = evaluation.encode(labels)[1]
    assert evaluation.clustering_scores(evaluation.contingency(codes, clusters, (2, 2)))["purity"] == 1


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 40), st.integers(1, 8), st.integers(-5, 2**40))
def test_only_directions_count(songs, clusters, seed):
    vectors = np.random.default_rng(songs).standard_normal((songs, 5)).astype(np.float32)
    clusters = min(songs, clusters)
    found = evaluation.spherical_kmeans(vectors, clusters, seed)
    assert found.shape == (songs,) and found.min() >= 0 and found.max() < clusters
    powers = (2.0 ** (np.arange(songs) % 7))[:, None].astype(np.float32)  # exact: not even a rounding differs
    assert (evaluation.spherical_kmeans(vectors * powers, clusters, seed) == found).all()


def test_the_same_clusters_on_any_number_of_cores():
    import faiss

    vectors = np.random.default_rng(0).standard_normal((3000, 16)).astype(np.float32)
    before, found = faiss.omp_get_max_threads(), []
    try:
        for threads in (1, 2):
            faiss.omp_set_num_threads(threads)
            found.append(evaluation.spherical_kmeans(vectors, 12, 7))
            assert faiss.omp_get_max_threads() == threads
    finally:
        faiss.omp_set_num_threads(before)
    assert (found[0] == found[1]).all()
    assert len(np.unique(found[0])) == 12


def test_too_many_vectors_for_five_starts_are_all_used_and_none_the_worse(monkeypatch, capfd):
    vectors = np.random.default_rng(0).standard_normal((3000, 8)).astype(np.float32)

    def mean_cosine(clusters: np.ndarray) -> float:
        rows = evaluation.directions(vectors)
        return sum(np.linalg.norm(rows[clusters == c].sum(axis=0)) for c in range(12)) / len(rows)

    whole = evaluation.spherical_kmeans(vectors, 12, 7)
    trained, train = [], evaluation._train_kmeans
    monkeypatch.setattr(evaluation, "KMEANS_SAMPLE", 600)
    monkeypatch.setattr(evaluation, "KMEANS_SAMPLE_EACH", 20)
    monkeypatch.setattr(
        evaluation, "_train_kmeans", lambda rows, *a: trained.append((len(rows), a[2])) or train(rows, *a)
    )
    found = evaluation.spherical_kmeans(vectors, 12, 7)
    assert trained == [(600, evaluation.KMEANS_STARTS), (3000, 1)]
    assert mean_cosine(found) > 0.99 * mean_cosine(whole)
    assert (evaluation.spherical_kmeans(vectors, 12, 7) == found).all()
    assert capfd.readouterr() == ("", "")


def test_directions_in_blocks_are_the_same(monkeypatch):
    vectors = np.random.default_rng(0).standard_normal((50, 3))
    whole = evaluation.directions(vectors)
    monkeypatch.setattr(evaluation, "DIRECTIONS_BLOCK", 7)
    assert (evaluation.directions(vectors) == whole).all()
    np.testing.assert_allclose(np.linalg.norm(whole, axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize(("songs", "clusters"), [(1, 1), (8, 8), (9, 8), (40, 8), (3000, 2)])
def test_faiss_says_nothing(capfd, songs, clusters):
    vectors = np.random.default_rng(0).standard_normal((songs, 4)).astype(np.float32)
    assert len(np.unique(evaluation.spherical_kmeans(vectors, clusters))) == clusters
    assert capfd.readouterr() == ("", "")


def test_songs_that_coincide():
    assert len(np.unique(evaluation.spherical_kmeans(np.ones((10, 3), np.float32), 4))) == 1


def test_more_clusters_than_songs():
    with pytest.raises(ValueError, match="5 clusters of 4 songs: ask for 1 to 4"):
        evaluation.spherical_kmeans(np.eye(4, dtype=np.float32), 5)


@pytest.mark.parametrize(("value", "what"), [(0.0, "zero"), (np.nan, "not finite"), (np.inf, "not finite")])
def test_vectors_without_a_direction_are_named(value, what):
    vectors = np.ones((3, 4), np.float32)
    evaluation.check_directions(NAMES, vectors)
    vectors[1:] = value
    with pytest.raises(ValueError, match=rf"the vector of 'rock/a song.mp3.npy' \(and 1 other\) is {what}"):
        evaluation.check_directions(NAMES, vectors)


partitions = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), min_size=1, max_size=40)


@given(partitions)
def test_scores_are_those_of_scikit_learn(songs):
    labels, clusters = np.array(songs).T
    scores = evaluation.clustering_scores(evaluation.contingency(labels, clusters, (5, 6)))
    assert scores["NMI"] == pytest.approx(normalized_mutual_info_score(labels, clusters), abs=1e-9)
    assert scores["adjusted Rand"] == pytest.approx(adjusted_rand_score(labels, clusters), abs=1e-9)
    most = sum(np.bincount(labels[clusters == cluster]).max() for cluster in np.unique(clusters))
    assert scores["purity"] == pytest.approx(most / len(songs))


@given(partitions)
def test_labels_against_themselves(songs):
    labels = np.array(songs).T[0]
    scores = evaluation.clustering_scores(evaluation.contingency(labels, labels, (5, 5)))
    assert scores == pytest.approx({"purity": 1, "NMI": 1, "adjusted Rand": 1})


def test_random_assignments_score_by_chance():
    labels, clusters = np.repeat([0, 1], 300), np.tile([0, 1, 1], 200)
    random = evaluation.random_scores(labels, clusters, seed=1)
    assert random == evaluation.random_scores(labels, clusters, seed=1)
    assert random["purity"] == pytest.approx(0.5, abs=0.05)
    assert random["NMI"] == pytest.approx(0, abs=0.02)
    assert random["adjusted Rand"] == pytest.approx(0, abs=0.02)


def test_hubness_is_nought_on_a_circle_and_large_with_a_hub():
    angles = 2 * np.pi * np.arange(60) / 60
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert evaluation.hubness(circle) == pytest.approx(0, abs=0.5)
    # forty directions of their own, and one track that leans a little to each of them
    star = np.vstack([np.eye(40), np.full(40, 0.2)])
    assert evaluation.hubness(star, neighbours=1) > 3
    assert evaluation.hubness(np.ones((5, 3))) == pytest.approx(0, abs=2)
