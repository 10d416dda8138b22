"""find_similar.py as its users call it: on a run whose tracks lie on a circle, so that what is near is known."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ONE_VIEW, RATE_HZ, tone, tree, write_audio

import spectrify_all
import spectrogram_doc2vec
from judging.playlist_entries import entries
from mels.mel_folder import LedgerRow, write_ledger
from process_results import find_similar
from runs import run_folder
from utils import ROOT

# One track a degree: track i is nearest to i - 1 and i + 1, and at i + 90 there is no likeness.
TRACKS = [f"{'rock' if i % 2 else 'pop, soft'}/{i:02} søng.mp3" for i in range(60)]
TRACKS[7], TRACKS[20], TRACKS[21] = "rock/caf\udce9 \"7\", 'x'.mp3", "-20.mp3", "rock/a=2.mp3"
ORDER = sorted(range(60), key=lambda i: os.fsencode(TRACKS[i] + ".npy"))  # of music_list.txt


def write_run(folder: Path, vectors: np.ndarray | None = None) -> Path:
    if vectors is None:
        angles = np.radians(np.arange(60))
        vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1) * np.linspace(1, 3, 60)[:, None]
    folder.mkdir()
    costs = [run_folder.CostRow(1, 2.0, 2.1, 1000, 3.0)]
    names = [f"{TRACKS[i]}.npy" for i in ORDER]
    run_folder.commit_save(folder, 1, vectors[ORDER].astype(np.float32), {}, costs, b"seed: 0\n", 5, names)
    return folder


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """The current folder: run, music (empty files), mels (a ledger), labels.csv."""
    folder = tmp_path / "a place"
    folder.mkdir()
    monkeypatch.chdir(folder)
    write_run(folder / "run")
    for track in TRACKS:
        path = folder / "music" / track
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (folder / "mels").mkdir()
    write_ledger(folder / "mels", {t: LedgerRow(t, "ok", 60.4 + i, 600, 1, "0", "f", "") for i, t in enumerate(TRACKS)})
    rows = [(t, t.partition("/")[0], f"artist {i // 3}", f"title {i}") for i, t in enumerate(TRACKS) if i != 33]
    with open("labels.csv", "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        csv.writer(file).writerows([("filename", "genre", "artist", "title"), *rows])
    return folder


def find(*words: str) -> int:
    return find_similar.main(["run", *words])


def found(capfdbinary, *words: str) -> list[int]:
    """Return the numbers of the hits, by --format paths; nothing else may be on stdout."""
    assert find(*words, "--format", "paths") == 0, capfdbinary.readouterr().err
    return [TRACKS.index(os.fsdecode(line)) for line in capfdbinary.readouterr().out.splitlines()]


def error_of(capsys, *words: str) -> str:
    assert find(*words) == 1
    out, err = capsys.readouterr()
    assert err.count("\n") == 1 and "error: " in err, err
    assert out == ""
    return err


def test_the_nearest_come_first_and_the_seed_never(place, capsys):
    assert find("--track", "30 s", "--top", "3") == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == "rank  cosine  filename"
    assert {line[7:] for line in lines[1:3]} == {"1.000  rock/29 søng.mp3", "1.000  rock/31 søng.mp3"}
    assert lines[3].startswith("   3   0.999  pop, soft/")
    assert lines[4:] == ["3 tracks of 60, like 'pop, soft/30 søng.mp3'"]
    assert err == ""


def test_ten_hits_unless_told_otherwise_and_all_with_at_least(place, capfdbinary):
    assert sorted(found(capfdbinary, "--track", "30 s")) == [25, 26, 27, 28, 29, 31, 32, 33, 34, 35]
    assert sorted(found(capfdbinary, "--track", "30 s", "--at-least", "0.96")) == [
        *range(14, 30), *range(31, 47)
    ]  # fmt: skip
    near = found(capfdbinary, "--track", "30 s", "--at-least", "0.96", "--top", "4")
    assert sorted(near) == [28, 29, 31, 32]
    assert len(found(capfdbinary, "--track", "30 s", "--top", "999")) == 59


def test_several_seeds_weights_and_minus(place, capfdbinary):
    between = found(capfdbinary, "--track", "10 s", "--track", "40 s", "--top", "2")
    assert between == [25, 24] or between == [25, 26]
    assert found(capfdbinary, "--track", "10 s=3", "--track", "40 s", "--top", "1")[0] < 20
    assert found(capfdbinary, "--track", "30 s", "--minus", "10 s", "--top", "2") == [59, 58]
    assert found(capfdbinary, "--track", "30 s", "--minus", "10 s=0.1", "--top", "1")[0] == 32
    assert 50 not in found(capfdbinary, "--track", "30 s", "--minus", "50 s=0.5", "--top", "59")


def test_awkward_names_can_be_named(place, capfdbinary):
    assert sorted(found(capfdbinary, "--track=-20.mp3", "--top", "2")) == [19, 21]
    assert sorted(found(capfdbinary, "--track", "rock/a=2.mp3", "--top", "2")) == [20, 22]
    assert sorted(found(capfdbinary, "--track", "rock/a=2.mp3=3", "--top", "2")) == [20, 22]
    assert sorted(found(capfdbinary, "--track", TRACKS[7], "--top", "2")) == [6, 8]
    assert found(capfdbinary, "--path", "./-20.mp3", TRACKS[7], "--top", "14") == list(range(20, 6, -1))


def test_only_within_a_part_of_the_collection(place, capfdbinary):
    def near(*words: str) -> list[int]:
        return sorted(found(capfdbinary, "--track", "30 s", "--top", "5", "--labels", "labels.csv", *words))

    assert near("--within", "genre=rock") == [25, 27, 29, 31, 35]  # 33 has no row
    assert near("--within", "genre=rock", "--within", "genre=pop, soft") == [27, 28, 29, 31, 32]
    assert near("--within", "genre=rock", "--within", "artist=artist 9", "--within", "artist=artist 8") == [25, 27, 29]
    assert near("--within", "genre=") == [33]
    assert near("--within", "genre=rock", "--exclude", "29*", "--exclude", "*31*") == [23, 25, 27, 35, 37]
    assert near("--show", "genre", "--exclude", "rock", "--exclude", "24*") == [26, 28, 32, 34, 36]


def test_at_most_so_many_of_an_artist(place, capfdbinary):
    hits = found(capfdbinary, "--track", "30 s", "--top", "6", "--labels", "labels.csv", "--max-per", "artist", "1")
    assert sorted(hits) == [26, 29, 31, 33, 34, 36]  # artists are of three tracks; 33 has none


def test_two_limits_hold_at_once(place, capfdbinary):
    limits = ["--labels", "labels.csv", "--max-per", "artist", "1", "--max-per", "genre", "2"]
    hits = found(capfdbinary, "--track", "30 s", "--top", "50", *limits)
    assert sorted(hits) == [20, 26, 29, 31, 33, 34]  # 20 is of a genre of its own


def test_formats(place, capfdbinary):
    words = ["--track", "rock/a=2.mp3", "--top", "20", "--labels", "labels.csv", "--show", "artist", "--show", "genre"]
    assert find(*words, "--format", "csv") == 0
    out, err = capfdbinary.readouterr()
    rows = list(csv.DictReader(out.decode("utf-8", "surrogateescape").splitlines()))
    assert list(rows[0]) == ["rank", "cosine", "filename", "artist", "genre"]
    assert err.decode() == "20 tracks of 60, like 'rock/a=2.mp3'\n"
    assert find(*words, "--format", "json") == 0
    objects = json.loads(capfdbinary.readouterr().out)
    assert [row["filename"] for row in rows] == [one["filename"] for one in objects]
    hits = [TRACKS.index(row["filename"]) for row in rows]
    assert 7 not in hits and set(hits) == {*range(11, 21), *range(22, 32)}
    assert [row["artist"] for row in rows] == [f"artist {i // 3}" for i in hits]
    np.testing.assert_allclose(
        [one["cosine"] for one in objects], np.cos(np.radians(np.abs(np.array(hits) - 21))), atol=1e-5
    )


def test_a_way_from_one_track_to_another(place, capfdbinary):
    assert found(capfdbinary, "--path", "10 s", "50 s", "--top", "5") == [10, 20, 30, 40, 50]
    assert found(capfdbinary, "--path", "10 s", "50 s", "30 s", "--top", "3") == [10, 30, 50]
    way = found(capfdbinary, "--path", "10 s", "50 s", "--top", "5", "--labels", "labels.csv", "--within", "genre=rock")
    assert way[0] == 10 and way[-1] == 50 and all(TRACKS[i].startswith("rock") for i in way[1:-1])
    assert find("--path", "10 s", "50 s", "30 s", "--top", "5") == 0
    lines = capfdbinary.readouterr().out.decode().splitlines()
    assert lines[1] == "   1          pop, soft/10 søng.mp3"
    assert lines[2].split()[1] == "0.985"  # cos 10 degrees
    assert lines[-1].startswith("5 tracks of 60, from 'pop, soft/10 søng.mp3' over 'pop, soft/30")


def test_a_playlist_with_what_is_known_of_its_tracks(place, capsys):
    assert find("--track", "30 s", "--top", "2", "--m3u8", "music/list.m3u8", "--audio-folder", "music") == 0
    assert capsys.readouterr().out.endswith("music/list.m3u8: 2 tracks, 2 come, 0 go\n")
    lines = (place / "music" / "list.m3u8").read_text().splitlines()
    assert lines[1].startswith("#sound-eval: 2 tracks, like 'pop, soft/30 søng.mp3'")
    assert sorted(lines[3::2]) == ["./rock/29 søng.mp3", "./rock/31 søng.mp3"]
    words = ["--track", "rock/a=2", "--top", "1", "--exclude", "22*", "--audio-folder", "music", "--seeds-first"]
    assert find(*words, "--m3u8", "list.m3u8", "--mel-folder", "mels", "--labels", "labels.csv") == 0
    assert (place / "list.m3u8").read_text().splitlines()[2:] == [
        "#EXTINF:81,artist 7 - title 21",
        f"{place}/music/rock/a=2.mp3",
        "#EXTINF:80,artist 6 - title 20",
        f"{place}/music/-20.mp3",
    ]


def test_a_playlist_is_extended(place, capfdbinary):
    (place / "music" / "mine.m3u8").write_bytes(
        b"#EXTM3U\n./pop, soft/30 s\xc3\xb8ng.mp3\nrock/31 s\xc3\xb8ng.mp3\ngone.mp3\n"
    )
    assert find("--playlist", "music/mine.m3u8", "--top", "2", "--format", "paths") == 0
    out, err = capfdbinary.readouterr()
    assert sorted(out.decode().splitlines()) == ["pop, soft/32 søng.mp3", "rock/29 søng.mp3"]
    assert err.decode().splitlines() == [
        "music/mine.m3u8: 1 path of it not among the run's tracks: gone.mp3",
        "2 tracks of 60, like 'pop, soft/30 søng.mp3' and 'rock/31 søng.mp3'",
    ]
    words = ["--playlist", "music/mine.m3u8", "--top", "1", "--audio-folder", "music", "--seeds-first"]
    assert find(*words, "--m3u8", "more.m3u8") == 0
    assert len(entries((place / "more.m3u8").read_bytes())) == 3


def test_tracks_whose_audio_is_gone_are_passed_over(place, capsys):
    (place / "music" / "rock" / "31 søng.mp3").unlink()
    assert find("--track", "30 s", "--top", "2", "--m3u8", "list.m3u8", "--audio-folder", "music") == 0
    out = capsys.readouterr().out
    assert "2 tracks of 60, like 'pop, soft/30 søng.mp3'; left out: 1 track without an audio file" in out
    assert "31 søng" not in out and len(entries((place / "list.m3u8").read_bytes())) == 2


RECIPE = """
track: [30 s, "50 s=0.01"]
within: {genre: [rock, "pop, soft"]}
labels: labels.csv
max-per: {artist: 3}
top: 3
m3u8: lists/every night.m3u8
audio-folder: music
mel-folder: mels
"""


def test_a_recipe_for_every_night(place, capsys):
    (place / "lists").mkdir()
    (place / "r.yaml").write_text(RECIPE)
    assert find("--recipe", "r.yaml", "--dry-run") == 0
    out = capsys.readouterr().out
    assert out.count("\n+ ") + out.startswith("+ ") == 3 and "- " not in out
    assert out.endswith("lists/every night.m3u8: would have 3 tracks, 3 come, 0 go\n") and "rank" not in out
    assert not list((place / "lists").iterdir())
    assert find("--recipe", "r.yaml") == 0
    assert capsys.readouterr().out.endswith("lists/every night.m3u8: 3 tracks, 3 come, 0 go\n")
    before = tree(place)
    assert find("--recipe", "r.yaml", "--top", "2", "--track", "40 s", "--dry-run", "--format", "json") == 0
    out, err = capsys.readouterr()
    assert sorted(line[:2] for line in out.splitlines()) == ["+ "] * 2 + ["- "] * 3
    assert err.endswith("would have 2 tracks, 2 come, 3 go\n")
    assert tree(place) == before
    assert find("--recipe", "r.yaml", "--top", "2", "--track", "40 s") == 0
    assert capsys.readouterr().out.endswith("2 tracks, 2 come, 3 go\n")


def test_an_empty_result_never_overwrites_a_playlist(place, capsys):
    (place / "lists").mkdir()
    (place / "r.yaml").write_text(RECIPE)
    assert find("--recipe", "r.yaml") == 0
    capsys.readouterr()
    before = tree(place)
    assert "no track has a cosine of 0.99999 or more: the nearest is 'rock/" in error_of(
        capsys, "--recipe", "r.yaml", "--at-least", "0.99999"
    )
    assert "none of 60 tracks is left" in error_of(capsys, "--recipe", "r.yaml", "--exclude", "*")
    (place / "music").rename(place / "unmounted")
    (place / "music").mkdir()
    message = error_of(capsys, "--recipe", "r.yaml")
    assert "no track is left; left out: 56 tracks without an audio file; check --audio-folder" in message
    (place / "music").rmdir()
    (place / "unmounted").rename(place / "music")
    assert tree(place) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "it is what --track, --audio, --playlist or --path names; give one of them"),
        ("--minus 30", "--minus takes away from what --track, --audio, --playlist or --path names"),
        ("--track nowhere", "'nowhere': no track of the run has that in its name"),
        ("--track søng", "'søng': belongs to 57 tracks"),
        ("--track rock/29 --minus rock/29", "they cancel each other out, and nothing is left to look for"),
        ("--track rock/29=0", "'rock/29=0': a weight is a number above 0"),
        ("--track rock/29 --path rock/31 rock/35", "--path and --track do not go together"),
        ("--path rock/29 rock/31 --at-least 0.5", "--path and --at-least do not go together"),
        ("--path rock/29 rock/31 --why --mel-folder mels", "--path and --why do not go together"),
        ("--path rock/29", "--path needs two tracks at least"),
        ("--path rock/29 rock/29", "--path: "),
        ("--path rock/29 rock/31 rock/35 --top 2", "--path: "),
        ("--track rock/29 --at-least 1.5", "--at-least 1.5: a cosine lies between -1 and 1"),
        ("--track rock/29 --show genre", "--show needs --labels"),
        ("--track rock/29 --within genre=rock", "--within needs --labels"),
        ("--track rock/29 --max-per artist 2", "--max-per needs --labels"),
        ("--track rock/29 --labels labels.csv", "--labels: nothing asks for a column; add --show"),
        ("--track rock/29 --labels labels.csv --show gerne", "no column 'gerne'; did you mean 'genre'"),
        ("--track rock/29 --labels labels.csv --within gerne=x", "--within: no column 'gerne'; did you mean 'genre'"),
        ("--track rock/29 --labels labels.csv --within genre=rocc", "no track has genre=rocc; did you mean 'rock'"),
        ("--track rock/29 --labels labels.csv --within genre", "'genre' is not COLUMN=VALUE"),
        ("--track rock/29 --labels labels.csv --max-per artist 0", "--max-per artist 0: expected a number of at least"),
        ("--track rock/29 --labels labels.csv --show filename", "--show 'filename': the output has a column of that"),
        ("--track rock/29 --why", "--why needs --mel-folder"),
        ("--track rock/29 --why --mel-folder mels --format paths", "--why and --format paths do not go together"),
        ("--track rock/29 --without-duplicates", "--without-duplicates needs --mel-folder"),
        ("--track rock/29 --without-duplicates --mel-folder music", "music: has no config.yaml with hop_seconds"),
        ("--track rock/29 --mel-folder none", "none: no such folder"),
        ("--track rock/29 --dry-run", "--dry-run needs --m3u8"),
        ("--track rock/29 --seeds-first", "--seeds-first needs --m3u8"),
        ("--track rock/29 --m3u8 x.m3u8", "--m3u8 needs --audio-folder"),
        ("--track rock/29 --m3u8 x.txt --audio-folder music", "x.txt: the name must end in .m3u8"),
        ("--track rock/29 --m3u8 no/x.m3u8 --audio-folder music", "no/x.m3u8: there is no folder no; make it first"),
        ("--track rock/29 --m3u8 mine.m3u8 --audio-folder music", "mine.m3u8: is no playlist of this script"),
        ("--playlist mine.m3u8 --m3u8 mine.m3u8 --audio-folder music", "mine.m3u8: is an input of this command"),
        ("--playlist none.m3u8", "none.m3u8: no such playlist"),
        ("--playlist mine.m3u8", "mine.m3u8: none of its 1 path is a track of the run"),
        ("--audio none.wav", "none.wav: no such audio file"),
        ("--audio mine.m3u8 --vectors mine.npy", "--audio and --vectors FILE do not go together"),
        ("--track rock/29 --recipe none.yaml", "none.yaml: no such recipe"),
        ("--track rock/29 --recipe r.yaml", "r.yaml: unknown flag 'tracks'; did you mean 'track'"),
        ("--track rock/29 --recipe top.yaml", "top.yaml: argument --top: "),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_one_line_and_writes_nothing(place, capsys, words, message):
    (place / "mine.m3u8").write_text("#EXTM3U\nnowhere.mp3\n")
    (place / "r.yaml").write_text("tracks: a\n")
    (place / "top.yaml").write_text("top: many\n")
    before = tree(place)
    assert message in error_of(capsys, *words.split())
    assert tree(place) == before


def test_a_vector_without_a_direction_is_named(place, capsys):
    angles = np.radians(np.arange(60))
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    vectors[20] = 0
    write_run(place / "bad", vectors)
    for words in (["--track", "30 s"], ["--track=-20"]):
        assert find_similar.main(["bad", *words]) == 1
        assert "bad: the vector of '-20.mp3" in capsys.readouterr().err
    assert find_similar.main(["bad", "--track", "30 s", "--exclude=-20*"]) == 0


def test_vectors_of_ones_own(place, capfdbinary):
    np.save("mine.npy", np.roll(np.eye(60, 3), 1, axis=0) + 0.01)
    assert find("--track", "30 s", "--vectors", "mine.npy", "--top", "1") == 0
    assert find_similar.main(["run", "--track", "30 s", "--vectors", "labels.csv"]) == 1


def test_usage_errors(place, capsys):
    for words in (["--top", "0"], ["--format", "xml"], ["--max-per", "artist"]):
        with pytest.raises(SystemExit) as exit_:
            find("--track", "30 s", *words)
        assert exit_.value.code == 2 and "usage:" in capsys.readouterr().err


def write_song(path: Path, seed: int, ffmpeg: str, start: float = 0, gain: float = 1.0) -> Path:
    """Write twelve seconds of random notes, as a recording has them; `start` of them cut off."""
    draws = np.random.default_rng(seed)
    notes = [tone(0.25, hertz, peak=0.4) for hertz in 150 * 2 ** draws.uniform(0, 4, 48)]
    sound = np.concatenate(notes) + 0.02 * draws.standard_normal((48 * len(notes[0]), 1))
    return write_audio(path, (gain * sound[round(start * RATE_HZ) :]).astype(np.float32), RATE_HZ, ffmpeg)


def test_of_one_recording_the_best_hit_is_kept(tmp_path, monkeypatch, ffmpeg, capfdbinary):
    monkeypatch.chdir(tmp_path)
    songs = [
        ("a.wav", 1, 0, 1),
        ("a again.mp3", 1, 1.5, 0.5),
        ("b.mp3", 2, 0, 1),
        ("b soft.flac", 2, 0.7, 0.3),
        ("c.wav", 3, 0, 1),
    ]
    for name, seed, start, gain in songs:
        write_song(tmp_path / "music" / name, seed, ffmpeg, start, gain)
    assert spectrify_all.main(["music", "mels", "--quiet", "--jobs", "1"]) == 0
    names = sorted(name for name, *_ in songs)
    angles = np.radians([10, 0, 20, 30, 40])  # of: a again, a, b soft, b, c
    assert names == ["a again.mp3", "a.wav", "b soft.flac", "b.mp3", "c.wav"]
    (tmp_path / "run").mkdir()
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    costs = [run_folder.CostRow(1, 2.0, 2.1, 1000, 3.0)]
    run_folder.commit_save(tmp_path / "run", 1, vectors, {}, costs, b"seed: 0\n", 5, [f"{n}.npy" for n in names])
    capfdbinary.readouterr()
    words = ["run", "--track", "a.wav", "--format", "paths"]
    assert find_similar.main(words) == 0
    assert capfdbinary.readouterr().out.decode().splitlines() == ["a again.mp3", "b soft.flac", "b.mp3", "c.wav"]
    words += ["--mel-folder", "mels", "--without-duplicates"]
    assert find_similar.main(words) == 0
    out, err = capfdbinary.readouterr()
    assert out.decode().splitlines() == ["b soft.flac", "c.wav"]
    assert err.decode() == "2 tracks of 5, like 'a.wav'; left out: 2 tracks of the same recording\n"
    (tmp_path / "mels" / "b.mp3.npy").unlink()
    assert find_similar.main(words) == 0
    out, err = capfdbinary.readouterr()
    assert out.decode().splitlines() == ["b soft.flac", "b.mp3", "c.wav"]
    assert err.decode().startswith("mels: holds no mel of 1 hit: not compared\n")


@pytest.mark.slow
def test_a_file_that_was_just_recorded_and_why(tmp_path, monkeypatch, ffmpeg, capfdbinary):
    monkeypatch.chdir(tmp_path)
    for number in range(6):
        kind = "low" if number % 2 else "high"
        draws = np.random.default_rng(number)
        hertz = (100 if number % 2 else 1500) * 2 ** draws.uniform(0, 1, 24)
        write_audio(tmp_path / "music" / kind / f"{number}.wav", np.concatenate([tone(0.25, h) for h in hertz]))
    assert spectrify_all.main(["music", "mels", "--quiet", "--jobs", "1", "--set", "hop_seconds=0.1"]) == 0
    settings = [word for setting in (*ONE_VIEW, "pairs_per_save=3200") for word in ("--set", setting)]
    assert spectrogram_doc2vec.main(["mels", "run", "--max-saves", "1", "--quiet", *settings]) == 0
    recorded = write_audio(tmp_path / "new = 1.wav", np.concatenate([tone(0.3, h) for h in (110, 170, 140, 190, 120)]))
    capfdbinary.readouterr()
    words = ["run", "--audio", recorded.name, "--top", "2", "--format", "json"]
    assert find_similar.main(words) == 0
    hits = json.loads(capfdbinary.readouterr().out)
    assert all(hit["filename"].startswith("low/") for hit in hits)

    # one of the run's own files: not its own hit where the audio folder tells
    words = ["run", "--audio", "music/low/1.wav", "--mel-folder", "mels", "--audio-folder", "music", "--why"]
    assert find_similar.main([*words, "--top", "1", "--format", "json"]) == 0
    hits = json.loads(capfdbinary.readouterr().out)
    assert all(hit["filename"].startswith("low/") and hit["filename"] != "low/1.wav" for hit in hits)
    for reason in hits[0]["why"]:
        assert reason["seed"] == "music/low/1.wav"
        assert 0 <= reason["seconds"][0] < reason["seconds"][1] <= 6.2
    assert hits[0]["why"]

    assert (
        spectrify_all.main(
            ["music", "others", "--quiet", "--jobs", "1", "--set", "mel_bins=40", "--set", "hop_seconds=0.1"]
        )
        == 0
    )
    capfdbinary.readouterr()
    words = ["run", "--track", "low/1", "--mel-folder", "others", "--why"]
    assert find_similar.main(words) == 1
    assert "others: was made with mel_bins: 40, and mel_bins: 80 is asked for now; make mels" in (
        capfdbinary.readouterr().err.decode()
    )


def test_nothing_heavy_is_imported_that_is_not_needed(place):
    code = (
        "import runpy, sys\n"
        "try:\n"
        f"    runpy.run_path({str(ROOT / 'process_results' / 'find_similar.py')!r}, run_name='__main__')\n"
        "except SystemExit as exit_:\n"
        "    assert not exit_.code\n"
        "heavy = {'matplotlib', 'sklearn', 'scipy', 'faiss', 'pandas', 'tensorflow', 'joblib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    for words in (["--help"], ["run", "--track", "30 s", "--labels", "labels.csv", "--max-per", "artist", "1"]):
        argv = [sys.executable, "-c", code, *words]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_the_benchmark_counts_hits_of_the_seeds_label(tmp_path, mels):
    names = sorted(str(path.relative_to(mels)) for path in mels.rglob("*.npy"))
    vectors = np.array([[1, i / 100] if name.startswith("high") else [i / 100, 1] for i, name in enumerate(names)])
    (tmp_path / "run").mkdir()
    costs = [run_folder.CostRow(1, 2.0, 2.1, 1000, 3.0)]
    run_folder.commit_save(tmp_path / "run", 1, vectors.astype(np.float32), {}, costs, b"seed: 0\n", 5, names)
    with open(tmp_path / "labels.csv", "w", encoding="utf-8", newline="") as file:
        rows = [(name[:-4], name.partition("/")[0], f"artist {i % 6}") for i, name in enumerate(names)]
        csv.writer(file).writerows([("filename", "genre", "artist"), *rows])
    script = [sys.executable, ROOT / "tests" / "benchmarks" / "similarity.py"]
    argv = [*script, tmp_path / "run", mels, tmp_path / "labels.csv", "--label-column", "genre"]
    argv += ["--group-column", "artist"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    found = {line[:36].rstrip(): [float(word) for word in line[36:].split()] for line in done.stdout.splitlines()[2:]}
    assert found["song vectors"][0] == 0.5  # five of the kind, then five of the other
    assert len(found) == 5 and all(len(scores) == 4 for scores in found.values())
