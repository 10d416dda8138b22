"""A playlist written again and again."""

from __future__ import annotations

import os

import pytest
from conftest import tree

from judging.playlists import About
from judging.renewed_playlist import about_tracks, renew_playlist
from mels.mel_folder import LedgerRow, write_ledger
from utils import UserError

NAMES = ["#1.mp3.npy", "caf\udce9/b, c.mp3.npy", "d.mp3.npy"]


@pytest.fixture
def audio(tmp_path):
    folder = tmp_path / "the music"
    for name in NAMES:
        path = folder / name.removesuffix(".npy")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def test_what_comes_and_goes(tmp_path, audio):
    path = audio / "list.m3u8"
    first = renew_playlist(path, audio, NAMES[:2], "like x")
    assert str(first) == f"{path}: 2 tracks, 2 come, 0 go"
    before = tree(audio)
    planned = renew_playlist(path, audio, NAMES[1:], "like x", dry_run=True)
    assert str(planned) == f"{path}: would have 2 tracks, 1 come, 1 go"
    assert planned.lines() == "+ ./d.mp3\n- ./#1.mp3\n"
    assert tree(audio) == before
    assert str(renew_playlist(path, audio, NAMES[1:], "like x")) == f"{path}: 2 tracks, 1 come, 1 go"
    assert path.read_bytes().split(b"\n")[1:] == [
        b"#sound-eval: 2 tracks, like x", b"./caf\xe9/b, c.mp3", b"./d.mp3", b""
    ]  # fmt: skip


def test_tracks_without_audio_are_left_out_and_an_unmounted_disk_leaves_the_list(tmp_path, audio):
    path = tmp_path / "list.m3u8"
    (audio / "d.mp3").unlink()
    renewal = renew_playlist(path, audio, NAMES, "like x")
    assert str(renewal) == f"{path}: 2 tracks, 2 come, 0 go; left out: 1 track without an audio file"
    before = path.read_bytes()
    with pytest.raises(UserError, match="holds no track of the run"):
        renew_playlist(path, tmp_path, NAMES, "like x")
    assert path.read_bytes() == before


def test_somebody_elses_list_stays(tmp_path, audio):
    (tmp_path / "mine.m3u8").write_text("#EXTM3U\n#1.mp3\n")
    with pytest.raises(UserError, match="is no playlist of this script"):
        renew_playlist(tmp_path / "mine.m3u8", audio, NAMES, "like x")
    assert (tmp_path / "mine.m3u8").read_text() == "#EXTM3U\n#1.mp3\n"


def test_what_a_player_shows(tmp_path):
    assert about_tracks(NAMES[:2], None, ["x", ""], ["", "y"]) == {
        NAMES[0]: About(None, "x", ""), NAMES[1]: About(None, "", "y")
    }  # fmt: skip
    track = os.path.splitext(NAMES[1])[0]
    write_ledger(tmp_path, {track: LedgerRow(track, "ok", 61.5, 600, 1, "0", "ffmpeg", "")})
    found = about_tracks(NAMES[:2], tmp_path, ["", ""], ["", ""])
    assert [found[name].seconds for name in NAMES[:2]] == [None, 61.5]
