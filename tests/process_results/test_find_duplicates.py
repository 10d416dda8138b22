import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import tree, write_audio

import spectrify_all
from files import byte_order
from process_results import find_duplicates
from runs import run_folder
from utils import ROOT

RATE_HZ = 22050
AWKWARD = os.fsdecode(b'b/-- caf\xe9, "x".mp3')
HEADER = ["group", "filename", "seconds", "against", "cosine", "offset_seconds", "overlap_seconds", "share", "score"]


def melody(seed: int, seconds: float = 6.0) -> np.ndarray:
    """Notes of random pitch and length, (samples, 1) float32."""
    draws = np.random.default_rng(seed)
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    sound, start = 0.001 * draws.standard_normal(len(times)), 0.0
    while start < seconds:
        since = times - start
        decay = np.where(since >= 0, np.exp(-4 * np.maximum(since, 0)), 0)
        hertz = draws.uniform(150, 900)
        sound += draws.uniform(0.05, 0.15) * decay * sum(np.sin(2 * np.pi * k * hertz * since) / k for k in (1, 2, 3))
        start += draws.uniform(0.1, 0.4)
    return sound[:, None].astype(np.float32)


@pytest.fixture(scope="session")
def collection(tmp_path_factory, ffmpeg) -> Path:
    """Audio, mels and a run: a melody in three formats and as a cut, another one as two, and two that are alone."""
    place = tmp_path_factory.mktemp("a place")
    one, other = melody(0), melody(1)
    audio = place / "the music"
    write_audio(audio / "a/one.wav", one, RATE_HZ)
    write_audio(audio / "a, 2/one.ogg", 0.4 * one, RATE_HZ, ffmpeg)
    write_audio(audio / "a/cut #1.mp3", one[2 * RATE_HZ : round(5.5 * RATE_HZ)], RATE_HZ, ffmpeg, "-b:a", "64k")
    write_audio(audio / AWKWARD, other, RATE_HZ, ffmpeg, "-b:a", "64k")
    silence = np.zeros((RATE_HZ // 5, 1), np.float32)
    write_audio(audio / "b/other.flac", np.concatenate([silence, other]), RATE_HZ)
    for seed in (2, 3):
        write_audio(audio / f"c/{seed}.wav", melody(seed), RATE_HZ)
    assert spectrify_all.main([str(audio), str(place / "mels"), "--quiet"]) == 0
    names = sorted((f"{path.relative_to(audio)}.npy" for path in audio.rglob("*.*")), key=byte_order)
    vectors = np.array([1, 0, 0]) + 0.1 * np.random.default_rng(0).standard_normal((len(names), 3))
    (place / "run").mkdir()
    costs = [run_folder.CostRow(1, 2.0, 2.1, 1000, 3.0)]
    run_folder.commit_save(place / "run", 1, vectors.astype(np.float32), {}, costs, b"seed: 0\n", 5, names)
    return place


def run_main(place: Path, output: Path, *more: object) -> int:
    paths = [place / "run", "--mel-folder", place / "mels", "--output", output]
    return find_duplicates.main([str(word) for word in (*paths, *more)])


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.DictReader(file))


def test_copies_are_grouped_with_what_shows_it(collection, tmp_path, capfd):
    before = tree(collection)
    assert run_main(collection, tmp_path / "found.csv") == 0
    out, err = capfd.readouterr()
    assert err == ""
    found = "2 groups of 5 files, 3 of which could go (7 tracks, 21 pairs looked at, "
    assert out.startswith(f"{tmp_path / 'found.csv'}: {found}") and out.endswith(" of them closely)\n")
    rows = read_rows(tmp_path / "found.csv")
    assert list(rows[0]) == HEADER
    groups = [[row["filename"] for row in rows if row["group"] == group] for group in ("1", "2")]
    assert groups == [["a/one.wav", "a, 2/one.ogg", "a/cut #1.mp3"], ["b/other.flac", AWKWARD]]
    assert [row["against"] for row in rows] == ["", "a/one.wav", "a/one.wav", "", "b/other.flac"]
    assert all(rows[best][key] == "" for best in (0, 3) for key in HEADER[3:])
    offsets = [float(rows[i]["offset_seconds"]) for i in (1, 2, 4)]
    np.testing.assert_allclose(offsets, [0, 2, 0.2], atol=0.06)
    assert float(rows[2]["seconds"]) == pytest.approx(3.5, abs=0.1)
    assert float(rows[2]["overlap_seconds"]) == pytest.approx(3.4, abs=0.15)
    assert all(float(rows[i]["share"]) > 0.95 and 0.5 < float(rows[i]["score"]) <= 1 for i in (1, 2, 4))
    assert all(0.5 < float(rows[i]["cosine"]) <= 1 for i in (1, 2, 4))
    assert tree(collection) == before


def test_what_could_go_is_a_playlist_and_nothing_is_deleted(collection, tmp_path, capsys):
    before = tree(collection)
    flags = ("--m3u8", tmp_path / "could go.m3u8", "--audio-folder", collection / "the music")
    assert run_main(collection, tmp_path / "found.csv", *flags) == 0
    assert "could go.m3u8: 3 tracks that could go\n" in capsys.readouterr().out
    lines = (tmp_path / "could go.m3u8").read_bytes().decode("utf-8", "surrogateescape").splitlines()
    assert lines[:2] == ["#EXTM3U", "#sound-eval: 3 tracks, of which a better file is there"]
    music = (collection / "the music").resolve()
    assert lines[3::2] == [f"{music}/{name}" for name in ("a, 2/one.ogg", "a/cut #1.mp3", AWKWARD)]
    assert [line.partition(",")[0] for line in lines[2::2]] == ["#EXTINF:6", "#EXTINF:4", "#EXTINF:6"]
    assert tree(collection) == before
    first = (tmp_path / "found.csv").read_bytes(), (tmp_path / "could go.m3u8").read_bytes()
    assert run_main(collection, tmp_path / "found.csv", *flags) == 0
    assert ((tmp_path / "found.csv").read_bytes(), (tmp_path / "could go.m3u8").read_bytes()) == first


def test_copies_that_training_has_not_brought_together_are_found_by_spectrum(collection, tmp_path, capsys):
    np.save(tmp_path / "apart.npy", np.eye(7, dtype=np.float32))
    assert run_main(collection, tmp_path / "found.csv", "--vectors", tmp_path / "apart.npy") == 0
    assert "2 groups of 5 files" in capsys.readouterr().out


def test_no_playlist_is_written_of_nothing(collection, tmp_path, capsys):
    alone = shutil.copytree(collection, tmp_path / "alone")
    ledger = alone / "mels" / "spectrify_log.csv"
    lines = ledger.read_bytes().splitlines(keepends=True)
    ledger.write_bytes(b"".join(line for line in lines if line.startswith((b"filename", b"c/"))))
    flags = ("--m3u8", tmp_path / "go.m3u8", "--audio-folder", collection / "the music")
    assert run_main(alone, tmp_path / "found.csv", *flags) == 0
    out = capsys.readouterr().out
    assert "go.m3u8: not written, there is nothing that could go\n" in out
    assert "no two files are found to be one recording (2 tracks, 1 pair looked at, " in out
    assert read_rows(tmp_path / "found.csv") == [] and not (tmp_path / "go.m3u8").exists()


def test_mels_that_are_gone_or_broken_are_left_out_and_told(collection, tmp_path, capsys):
    place = shutil.copytree(collection, tmp_path / "copy")
    (place / "mels" / "a/one.wav.npy").unlink()
    (place / "mels" / f"{AWKWARD}.npy").write_bytes(b"no mel")
    ledger = place / "mels" / "spectrify_log.csv"
    lines = ledger.read_bytes().splitlines(keepends=True)
    ledger.write_bytes(b"".join(line for line in lines if not line.startswith(b"c/2.wav")))
    assert run_main(place, tmp_path / "found.csv") == 0
    out = capsys.readouterr().out
    assert f"left out: 1 track without a mel in {place / 'mels'}\n" in out
    assert "left out: 2 mels that cannot be read, e.g. a/one.wav.npy: No such file or directory\n" in out
    assert [row["filename"] for row in read_rows(tmp_path / "found.csv")] == ["a, 2/one.ogg", "a/cut #1.mp3"]


def test_a_mel_of_other_bins_is_left_out_and_told(collection, tmp_path, capsys):
    place = shutil.copytree(collection, tmp_path / "copy")
    mel = np.load(place / "mels" / "a/one.wav.npy")
    np.save(place / "mels" / "a/one.wav.npy", mel[:, 1:])
    assert run_main(place, tmp_path / "found.csv") == 0
    told = (
        f"left out: 1 mel that cannot be read, e.g. a/one.wav.npy: {mel.shape[1] - 1} bins, expected {mel.shape[1]}\n"
    )
    assert told in capsys.readouterr().out


def test_a_bare_mel_folder_takes_the_hop_of_the_run(collection, tmp_path, capsys):
    place = shutil.copytree(collection, tmp_path / "copy")
    (place / "mels" / "config.yaml").rename(place / "run" / "config.yaml")
    (place / "mels" / "spectrify_log.csv").unlink()
    assert run_main(place, tmp_path / "found.csv") == 0
    rows = read_rows(tmp_path / "found.csv")
    assert len(rows) == 5 and float(rows[0]["seconds"]) == pytest.approx(6, abs=0.2)
    (place / "run" / "config.yaml").write_text("seed: 0\n")
    assert run_main(place, tmp_path / "found.csv") == 1
    assert "config.yaml: has no hop_seconds; write that of the mels into it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["RUN", "--mel-folder", "MELS", "--output", "OUT/a.txt"], "a.txt: the name must end in .csv"),
        (["RUN", "--mel-folder", "MELS", "--output", "OUT/no/a.csv"], "there is no folder OUT/no; make it first"),
        (["RUN", "--mel-folder", "MELS", "--output", "OUT/mine.csv"], "mine.csv: is no table of this script"),
        (["OUT/none", "--mel-folder", "MELS", "--output", "OUT/a.csv"], "OUT/none: no such run folder"),
        (["RUN", "--mel-folder", "OUT/none", "--output", "OUT/a.csv"], "OUT/none: no such mel folder"),
        (["RUN", "--mel-folder", "OUT/bare", "--output", "OUT/a.csv"], "holds no track of the run, not even 'a, 2/one"),
        (["RUN", "--mel-folder", "MELS", "--output", "OUT/a.csv", "--m3u8", "OUT/a.m3u8"], "belong together"),
        (
            [
                "RUN",
                "--mel-folder",
                "MELS",
                "--output",
                "OUT/a.csv",
                "--m3u8",
                "OUT/my.m3u8",
                "--audio-folder",
                "OUT",
            ],
            "my.m3u8: is no playlist of this script",
        ),
        (
            ["RUN", "--mel-folder", "MELS", "--output", "OUT/a.csv", "--m3u8", "OUT/a.m3u", "--audio-folder", "OUT"],
            "a.m3u: the name must end in .m3u8",
        ),
        (
            ["RUN", "--mel-folder", "MELS", "--output", "OUT/a.csv", "--m3u8", "OUT/a.m3u8", "--audio-folder", "OUT"],
            "OUT: holds no track of the run, not even",
        ),
        (["RUN", "--mel-folder", "MELS", "--output", "OUT/a.csv", "--vectors", "OUT/zero.npy"], "is zero; remove that"),
    ],
)
def test_bad_input_is_one_line(collection, tmp_path, capsys, arguments, message):
    (tmp_path / "mine.csv").write_text("my,own\n")
    (tmp_path / "my.m3u8").write_text("my own\n")
    (tmp_path / "bare").mkdir()
    np.save(tmp_path / "bare" / "x.npy", np.zeros((4, 80), np.float16))
    np.save(tmp_path / "zero.npy", np.zeros((7, 3), np.float32))
    places = {"RUN": str(collection / "run"), "MELS": str(collection / "mels")}
    arguments = [places.get(word, word.replace("OUT", str(tmp_path), 1)) for word in arguments]
    (tmp_path / "bare" / "config.yaml").write_text("hop_seconds: 0.1\n")
    assert find_duplicates.main(arguments) == 1
    error = capsys.readouterr().err
    assert message.replace("OUT", str(tmp_path)) in error
    assert error.count("\n") == 1
    assert (tmp_path / "mine.csv").read_text() == "my,own\n" and (tmp_path / "my.m3u8").read_text() == "my own\n"


@pytest.mark.parametrize("flag", [["--neighbours", "0"], ["--at-least", "1.5"]])
def test_flags_out_of_range_are_usage_errors(collection, tmp_path, flag):
    with pytest.raises(SystemExit, match="2"):
        run_main(collection, tmp_path / "a.csv", *flag)


def test_it_runs_from_anywhere_as_a_script(collection, tmp_path):
    script = ROOT / "process_results" / "find_duplicates.py"
    argv = [collection / "run", "--mel-folder", collection / "mels", "--output", "a.csv"]
    done = subprocess.run([sys.executable, script, *argv], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("a.csv: 2 groups of 5 files, 3 of which could go")
