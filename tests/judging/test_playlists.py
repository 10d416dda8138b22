"""Playlists: what is in them, and what is never touched."""

from __future__ import annotations

import os

import pytest

from judging import playlists
from utils import UserError


@pytest.fixture
def audio(tmp_path):
    folder = tmp_path / "the music"
    folder.mkdir()
    return folder


AWKWARD = ["#1, a.mp3.npy", "-b.mp3.npy", " c é.mp3.npy", "caf\udce9/d.mp3.npy", "x:y/http:e.mp3.npy"]


@pytest.mark.parametrize("inside", [True, False])
def test_every_path_opens_from_the_folder_of_the_playlist(tmp_path, audio, inside):
    for name in AWKWARD:
        path = audio / name.removesuffix(".npy")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode("utf-8", "surrogateescape"))
    folder = audio / "lists" / "mine" if inside else tmp_path / "lists"
    playlists.write_playlists(folder, audio, [AWKWARD], "a run")
    lines = (folder / "cluster_01.m3u8").read_bytes().split(b"\n")
    assert lines[:2] == [b"#EXTM3U", b"#sound-eval: cluster 1 of 1, 5 tracks, a run"] and lines[-1] == b""
    for name, line in zip(AWKWARD, lines[2:-1], strict=True):
        assert line.startswith(b"../../" if inside else os.fsencode(audio))  # never '#', which makes a comment
        with open(os.path.join(os.fsencode(folder), line), "rb") as file:
            assert file.read() == name.encode("utf-8", "surrogateescape")


def test_a_playlist_in_the_audio_folder_itself(audio):
    playlists.write_playlists(audio, audio, [["#a.mp3.npy"]], "a run")
    assert (audio / "cluster_01.m3u8").read_text().splitlines()[2] == "./#a.mp3"


def test_what_is_not_ours_stays(tmp_path, audio):
    folder = tmp_path / "lists"
    playlists.write_playlists(folder, audio, [["a.mp3.npy"]] * 12, "a run")
    (folder / "cluster_11.m3u8").write_text("#EXTM3U\nmine.mp3\n")
    (folder / "cluster_013.m3u8").symlink_to("nowhere")
    (folder / "cluster_1.m3u8").write_text("mine")
    (folder / "my best.m3u8").write_bytes(playlists.START)
    playlists.write_playlists(folder, audio, [["b.mp3.npy"], []], "a run")
    assert sorted(os.listdir(folder)) == [
        *("cluster_01.m3u8", "cluster_013.m3u8", "cluster_02.m3u8", "cluster_1.m3u8"),
        *("cluster_11.m3u8", "my best.m3u8"),
    ]
    assert (folder / "cluster_01.m3u8").read_text().splitlines()[2:] == [str(audio / "b.mp3")]
    before = (folder / "cluster_01.m3u8").read_bytes()
    with pytest.raises(UserError, match=r"cluster_11\.m3u8: is no playlist of this script"):
        playlists.write_playlists(folder, audio, [["c.mp3.npy"]] * 11, "a run")
    assert (folder / "cluster_01.m3u8").read_bytes() == before


@pytest.mark.parametrize("make", ["mkdir", "link"])
def test_a_folder_or_a_dead_link_in_the_way(tmp_path, make):
    path = tmp_path / "cluster_01.m3u8"
    path.mkdir() if make == "mkdir" else path.symlink_to("nowhere")
    with pytest.raises(UserError, match="is no playlist"):
        playlists.check_playlists(tmp_path, 1)


def test_numbers_sort(tmp_path):
    assert [path.name for path in playlists.playlist_paths(tmp_path, 100)][::99] == [
        *("cluster_001.m3u8", "cluster_100.m3u8"),
    ]


def test_songs_whose_audio_is_gone_are_found(audio):
    (audio / "a.mp3").write_bytes(b"")
    assert playlists.songs_without_audio(audio, ["a.mp3.npy", "b.mp3.npy"]) == {"b.mp3.npy"}
    with pytest.raises(UserError, match=r"holds no track of the run, not even 'b\.mp3'; name its audio folder"):
        playlists.songs_without_audio(audio, ["b.mp3.npy"])
