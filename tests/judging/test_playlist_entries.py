"""Playlists of anybody: read, matched to tracks, compared."""

from __future__ import annotations

import os
import unicodedata

from conftest import file_names
from hypothesis import given
from hypothesis import strategies as st

from judging import playlist_entries
from judging.playlists import playlist

NAMES = ["a.mp3.npy", "caf\udce9/d, 'x'.mp3.npy", "pop/a.mp3.npy", "rock/Søren.mp3.npy", "rock/live/a.mp3.npy"]


def match(tmp_path, *entries, audio_folder=None):
    return playlist_entries.match_entries(entries, tmp_path / "lists", NAMES, audio_folder)


def test_entries_are_the_lines_that_are_no_comment():
    content = b"\xef\xbb\xbf#EXTM3U\r\n#EXTINF:3,x\r\n a b.mp3\r\n\r\ncaf\xe9.mp3\n#x\n./#1.mp3"
    assert playlist_entries.entries(content) == [" a b.mp3", "caf\udce9.mp3", "./#1.mp3"]


def test_the_longest_whole_end_of_a_path_counts(tmp_path):
    assert match(tmp_path, "/else/where/rock/live/a.mp3") == ([4], [])
    assert match(tmp_path, "/else/where/pop/a.mp3", "/else/where/a.mp3") == ([2, 0], [])
    assert match(tmp_path, "/else/rock/Soren.mp3", "http://radio/rock", "a.ogg")[0] == []


def test_a_shorter_path_than_the_tracks_must_belong_to_one(tmp_path):
    assert match(tmp_path, "live/a.mp3", "../live/a.mp3", "Søren.mp3") == ([4, 4, 3], [])
    names = ["x/b.mp3.npy", "y/b.mp3.npy"]
    assert playlist_entries.match_entries(["b.mp3"], tmp_path, names) == ([], ["b.mp3"])


def test_a_path_is_relative_to_its_playlist(tmp_path):
    """Else 'a.mp3' of the folder of live recordings would be another one."""
    assert playlist_entries.match_entries(["a.mp3"], tmp_path / "rock" / "live", NAMES)[0] == [4]
    assert playlist_entries.match_entries(["../../pop/a.mp3"], tmp_path / "rock" / "live", NAMES)[0] == [2]


def test_the_audio_folder_tells_tracks_exactly(tmp_path):
    music = tmp_path / "music"
    (music / "rock" / "live").mkdir(parents=True)
    (tmp_path / "link").symlink_to(music)
    inside = os.fspath(tmp_path / "link" / "a.mp3")
    assert match(tmp_path, "../music/a.mp3", inside, "../music/rock/live/a.mp3", audio_folder=music)[0] == [0, 0, 4]


def test_uris_backslashes_bytes_and_composed_letters(tmp_path):
    decomposed = unicodedata.normalize("NFD", "/m/rock/Søren.mp3")
    assert match(tmp_path, "file:///m/caf%E9/d,%20'x'.mp3", r"..\music\pop\a.mp3", decomposed) == ([1, 2, 3], [])


@given(st.lists(file_names, unique=True, min_size=1, max_size=5))
def test_every_playlist_of_ours_is_read_back(tmp_path_factory, tracks):
    folder = tmp_path_factory.getbasetemp() / "music"
    names = [f"{track}.npy" for track in tracks if not set(track) & set("\r\n")]
    content = playlist("a title", names, folder / "lists", folder)
    found = playlist_entries.entries(content)
    assert len(found) == len(names)
    assert playlist_entries.match_entries(found, folder / "lists", names, folder) == (list(range(len(names))), [])


def test_changes_count_what_comes_twice():
    assert playlist_entries.changes(["a", "b", "b"], ["b", "c"]) == (["c"], ["a", "b"])
    assert playlist_entries.changes([], ["a"]) == (["a"], [])
    assert playlist_entries.changes(["a", "b"], ["b", "a"]) == ([], [])
