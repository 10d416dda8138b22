"""page_data.py: data files are one call with text, the vectors keep distances, addresses lead back to the files."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from conftest import unpacked
from hypothesis import given
from hypothesis import strategies as st

from judging.neighbours import directions, nearest_neighbours
from static_web_viewer.page import page_data
from static_web_viewer.page.page_data import audio_addresses, packed, page_distances, quantised, script

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "a\u2028b\u2029c",
    "'\"\\",
    "\0",
    "__proto__",
]


def content_of(data: bytes, part: str):
    """What a browser gets from a data file: both arguments are strings, the second is JSON."""
    match = re.fullmatch(r"store\.receive\((\".*?\"),(\".*\")\);\n", data.decode("ascii"), re.S)
    assert json.loads(match[1]) == part
    return json.loads(json.loads(match[2]))


@given(st.dictionaries(st.text(), st.text() | st.lists(st.text()) | st.integers()))
def test_a_data_file_is_one_call_and_gives_its_content_back(content):
    data = script("tracks", content)
    assert content_of(data, "tracks") == content
    assert not set(data) & set(b"<>&'")
    assert data.count(b"\n") == 1


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_text(text):
    assert content_of(script("tracks", {"names": [text], text: 1}), "tracks") == {"names": [text], text: 1}


def test_what_is_no_number_in_json_is_refused():
    with pytest.raises(ValueError):
        script("map", {"x": float("nan")})


@pytest.mark.parametrize("kind", ["f4", "i1", "u1", "u2", "u4", ">f4"])
def test_packed_arrays_are_little_endian(kind):
    array = np.arange(12).reshape(3, 4).astype(kind)
    assert np.array_equal(unpacked(packed(array), kind.strip(">")), array.ravel())


def unit_rows(tracks: int, dims: int, rank: int | None = None) -> np.ndarray:
    random = np.random.default_rng(0)
    rank = rank or dims
    return directions(random.standard_normal((tracks, rank)) @ random.standard_normal((rank, dims)))


def cosines(rows: np.ndarray) -> np.ndarray:
    rows = rows / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    return rows @ rows.T


@pytest.mark.parametrize(("dims", "kept"), [(3, 3), (128, 128), (300, 128)])
def test_quantised_vectors_keep_the_distances(dims, kept):
    rows = unit_rows(200, dims, min(dims, 100))  # what lies in 100 dimensions is there whole in 128
    codes = quantised(rows)
    assert codes.dtype == np.int8 and codes.shape == (200, kept)
    assert (np.abs(codes).max(axis=1) == 127).all()
    assert np.abs(cosines(codes) - cosines(rows)).max() < 0.02


def test_error_and_recall_are_those_of_numpy():
    rows = unit_rows(400, 20)
    neighbours, exact = nearest_neighbours(rows, 20)
    found = page_distances(rows, neighbours, exact)
    true, seen = cosines(rows), cosines(found.codes)
    assert found.error == pytest.approx(np.abs(seen - true).mean(), rel=1e-3)
    for table in (true, seen):
        np.fill_diagonal(table, -2)
    nearest = [np.argsort(-table, axis=1)[:, :20] for table in (true, seen)]
    shared = [len(np.intersect1d(*pair)) / 20 for pair in zip(*nearest, strict=True)]
    assert found.recall == pytest.approx(np.mean(shared), abs=1e-3)
    assert 0.9 < found.recall < 1.0
    assert np.array_equal(found.neighbours, nearest[0])


@pytest.mark.parametrize("tracks", [1, 2, 5])
def test_few_tracks(tracks):
    rows = unit_rows(tracks, 4)
    found = page_distances(rows, *nearest_neighbours(rows, 20))
    assert found.neighbours.shape == (tracks, min(20, tracks - 1)) and found.recall == 1.0


def test_addresses_are_one_beginning_and_the_exceptions():
    names = [f"a folder/ø {number}.mp3.npy" for number in range(5)] + ["x.aiff.npy", "gone.mp3.npy", "b\udcff.mp3.npy"]
    urls = [f"./audio/a%20folder/%C3%B8%20{number}.mp3" for number in range(5)]
    urls += ["./audio/x.aiff.mp3", None, "./audio/b%FF.mp3"]
    assert audio_addresses(names, urls) == {
        "start": "./audio/",
        "others": {5: "./audio/x.aiff.mp3", 6: None, 7: "./audio/b%FF.mp3"},
    }


def test_addresses_of_no_audio():
    assert audio_addresses(["a.npy", "b.npy"], [None, None]) is None
    assert audio_addresses(["a.npy"], ["./audio/x.mp3"]) == {"start": "", "others": {0: "./audio/x.mp3"}}


def test_the_first_draw_needs_one_file_alone():
    rows = unit_rows(3, 4)
    distances = page_distances(rows, *nearest_neighbours(rows, 20))
    columns = [{"key": "label:genre"}, {"key": "cluster"}]
    names = ["a.npy", "b/c.npy", "\udcff.npy"]
    xy = np.arange(6).reshape(3, 2).astype(np.float32)
    texts = {"title": {"column": "label:genre"}, "artist": {"texts": ["a", "", "b"]}, "citation": None}
    files = page_data.data_files(names, xy, columns, 1, distances, {}, ["about \udcff"], texts)
    first, tracks = content_of(files["data/map.js"], "map"), content_of(files["data/tracks.js"], "tracks")
    assert first["column"] == {"key": "cluster"} and tracks["columns"] == [{"key": "label:genre"}]
    assert first["order"] == ["label:genre", "cluster"]
    assert unpacked(first["y"], "f4").tolist() == [1, 3, 5]
    assert tracks["filenames"] == ["a", "b/c", "\\xff"] and first["about"] == ["about \\xff"]
    assert {part: tracks[part] for part in texts} == texts
    assert set(files) == {"data/map.js", "data/tracks.js", "data/neighbours.js", "data/vectors.js"}
