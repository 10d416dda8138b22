import numpy as np

from judging import duplicates
from judging.duplicates import Prover, group_files, near_pairs
from judging.same_recording import Match

WHOLE = Match(0.0, 10.0, 1.0, 0.9)


def tracks_of(groups) -> list[list[int]]:
    return [[member.track for member in group] for group in groups]


def test_candidates_are_near_and_told_once():
    vectors = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1], [-1, -1]], np.float32)
    assert near_pairs(vectors, 2, 0.9).tolist() == [[0, 1], [2, 3]]
    assert near_pairs(vectors, 4).tolist() == [[i, j] for i in range(5) for j in range(i + 1, 5)]
    assert near_pairs(vectors[:1], 4).shape == (0, 2)


def test_only_copies_are_proven_and_what_cannot_be_read_is_told():
    draws = np.random.default_rng(0)
    mels = [draws.standard_normal((200, 40)) for _ in range(5)]
    mels[3] = mels[1][50:180]
    mels[4] = np.zeros((0, 40))

    def read(track: int) -> np.ndarray:
        if track == 2:
            raise ValueError("ends before its frames")
        return mels[track]

    prover = Prover(read, 5, 0.1)
    pairs = np.array([(i, j) for i in range(5) for j in range(i + 1, 5)])
    matches = prover.prove(pairs)
    assert list(matches) == [(1, 3)] and matches[1, 3].offset_seconds == 5
    assert prover.unreadable == {2: "ends before its frames", 4: "holds no frame"} and prover.aligned == 1
    assert prover.prove(pairs[:0]) == {}
    assert prover.near_pairs(2).tolist() == [[0, 1], [0, 3], [1, 3]]


def test_sketches_that_are_too_many_go_to_a_file_that_nobody_sees(tmp_path, monkeypatch):
    monkeypatch.setattr(duplicates, "SKETCHES_IN_MEMORY", 10_000)
    draws = np.random.default_rng(0)
    mels = [draws.standard_normal((100 + track % 7, 40)) for track in range(30)]
    mels[20] = mels[3][5:95]
    prover = Prover(mels.__getitem__, 30, 0.1, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert list(prover.prove(np.array([(i, j) for i in range(30) for j in range(i + 1, 30)]))) == [(3, 20)]


def test_pairs_are_near_by_the_mean_spectrum_whatever_the_gain_and_the_silence():
    draws = np.random.default_rng(0)
    mels = [draws.standard_normal(40) + 0.5 * draws.standard_normal((100, 40)) for _ in range(20)]
    copies = [np.concatenate([np.full((60, 40), -13.8), mel[20:] - 2]) for mel in mels]
    prover = Prover((mels + copies).__getitem__, 40, 0.1)
    assert {(i, i + 20) for i in range(20)} <= set(map(tuple, prover.near_pairs(1).tolist()))
    alike = Prover(lambda track: mels[0], 3, 0.1)
    assert alike.near_pairs(5).tolist() == [[0, 1], [0, 2], [1, 2]]
    assert Prover(mels.__getitem__, 1, 0.1).near_pairs(5).shape == (0, 2)


def test_the_best_is_the_longest_and_of_those_about_as_long_the_largest():
    matches = {(0, 1): WHOLE, (0, 2): WHOLE, (1, 2): WHOLE}
    seconds, sizes = np.array([10, 10.1, 5]), np.array([900, 100, 2000])
    groups = group_files(matches, seconds, sizes)
    assert tracks_of(groups) == [[0, 1, 2]]
    assert groups[0][0].match is None and {member.against for member in groups[0][1:]} == {0}
    assert tracks_of(group_files(matches, np.array([10, 12, 5]), sizes)) == [[1, 0, 2]]


def test_evidence_is_where_the_file_begins_in_the_other():
    groups = group_files({(0, 1): Match(-2.0, 5.0, 0.9, 0.8)}, np.array([5, 10]), np.zeros(2))
    assert tracks_of(groups) == [[1, 0]]
    assert groups[0][1].match == Match(2.0, 5.0, 0.9, 0.8)


def test_a_cut_that_two_recordings_share_does_not_make_them_one():
    matches = {(0, 1): WHOLE, (1, 2): WHOLE, (2, 3): WHOLE}  # 1 is short and lies in 0 and in 2; 3 is a copy of 2
    groups = group_files(matches, np.array([20, 5, 15, 15]), np.array([1, 1, 2, 1]))
    assert tracks_of(groups) == [[0, 1], [2, 3]]


def test_what_lies_whole_in_a_file_of_the_group_is_of_it():
    matches = {(0, 1): WHOLE, (1, 2): WHOLE}
    groups = group_files(matches, np.array([20, 10, 5]), np.zeros(3))
    assert tracks_of(groups) == [[0, 1, 2]]
    assert groups[0][2].against == 1
    half = {(0, 1): WHOLE, (1, 2): Match(0.0, 3.0, 0.6, 0.9)}
    assert tracks_of(group_files(half, np.array([20, 10, 5]), np.zeros(3))) == [[0, 1]]


def test_nothing_proven_is_no_group():
    assert group_files({}, np.zeros(3), np.zeros(3)) == []
