"""spectrify_all.py as it is used: on folders with awkward names, run again, broken off, killed."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import errno
import fcntl
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from anybody import closed, folder_for_anybody, run_as_anybody
from conftest import RATE_HZ, tone, tree, write_audio
from hypothesis import given
from hypothesis import strategies as st

import spectrify_all
from config import DEFAULT_CONFIG, SHORT_SOUNDS_CONFIG, build_config, read_config_file, shipped_config
from files import folder_lock
from mels.batches import BATCH_BYTES, BATCH_FILES, make_batches, until_signal
from mels.decoding import Decoders
from mels.log_mel import MelFramer
from mels.mel_folder import (
    LEDGER_NAME,
    OLD_COLUMNS,
    LedgerRow,
    ledger_text,
    list_mels,
    mel_checksum,
    read_ledger,
    read_mel,
    write_ledger,
)
from mels.plan import Plan, Source
from mels.removal import REMOVAL_NAME, remove_mel
from spectrify_all import build_parser, main, report_folders
from utils import ROOT, STOP_SIGNALS, UserError

SCRIPT = ROOT / "spectrify_all.py"
SHORT, LONG = shipped_config(SHORT_SOUNDS_CONFIG), shipped_config(DEFAULT_CONFIG)
NO_TEXT = os.fsdecode(b"no text \xff\xfe.mp3")
GOOD = [
    *("-rf.flac", "rock/a song, live.mp3", "rock/quo\"te's.WAV", "Ünï cödé/Søren.ogg", "jazz/very deep/m.M4A"),
    *("rock/back\\slash\t$HOME %d.wav", NO_TEXT),
]
STATUSES = {
    **dict.fromkeys(GOOD, "ok"),
    "broken/half.mp3": "partial",
    "broken/silence.wav": "silent",
    "broken/short.wav": "too_short",
    "broken/text.mp3": "failed",
    "broken/empty.wav": "failed",
}


def sound(seconds: float, seed: int, rate_hz: int = RATE_HZ) -> np.ndarray:
    """A tone of its own in noise, (samples, 1) float32."""
    samples = tone(seconds, 200 + 90 * seed, rate_hz=rate_hz)
    samples += 0.1 * np.random.default_rng(seed).standard_normal(samples.shape).astype(np.float32)
    return samples


def write_sound(path: Path, seconds: float, seed: int, ffmpeg: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    written = write_audio(path.with_name(f"in the making{path.suffix}"), sound(seconds, seed), RATE_HZ, ffmpeg)
    written.rename(path)  # soundfile wants names that are text


def write_clip(path: Path, seconds: float, seed: int) -> None:
    """Write a small wav: 16 kB a second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound(seconds, seed, 8000), 8000)


@pytest.fixture(scope="module")
def library(tmp_path_factory, ffmpeg) -> Path:
    """Audio of every status under awkward names, and what has to be left out. Not to be changed: see `audio`."""
    folder = tmp_path_factory.mktemp("library") / "my audio, é"
    for place, name in enumerate([*GOOD, "broken/half.mp3", ".hidden.mp3", ".trash/x.mp3", "ring tones/r.mp3"]):
        write_sound(folder / name, 1 + place / 4, place, ffmpeg)
    os.truncate(folder / "broken/half.mp3", (folder / "broken/half.mp3").stat().st_size // 2)
    soundfile.write(folder / "broken/silence.wav", np.zeros(RATE_HZ), RATE_HZ)
    soundfile.write(folder / "broken/short.wav", np.zeros(0), RATE_HZ)
    (folder / "broken/text.mp3").write_text("these are words\n" * 100)
    (folder / "broken/empty.wav").touch()
    (folder / "ring tones/.nomedia").touch()
    (folder / "notes.txt").write_text("mp3")
    return folder


@pytest.fixture(scope="module")
def made(library, tmp_path_factory) -> Path:
    """The mel folder of the library. Not to be changed: see `mels`."""
    folder = tmp_path_factory.mktemp("made") / "the mels, é"
    assert spectrify(library, folder) == 0
    return folder


@pytest.fixture
def audio(library, tmp_path) -> Path:
    return Path(shutil.copytree(library, tmp_path / "my audio, é"))


@pytest.fixture
def mels(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "the mels, é"))


@pytest.fixture
def clips(tmp_path) -> Path:
    """Three small wavs, for what is not about formats."""
    for place, name in enumerate(["a, 1.wav", "b/c 2.wav", "b/d.wav"]):
        write_clip(tmp_path / "clips" / name, 1 + place / 2, place)
    return tmp_path / "clips"


def spectrify(audio: Path, mels: Path, *flags: str, jobs: int = 1) -> int:
    return main([str(audio), str(mels), f"--jobs={jobs}", *flags])


def contents(folder: Path) -> dict[str, bytes]:
    """A folder without its times, and without the lock, which names a process."""
    return {name: content for name, (content, _) in tree(folder).items() if name != "lock"}


def said_of_resolution(files: int, half: str, configs: Path | str = "configs") -> str:
    """The line for a new folder of short sounds; `configs` is where they are, seen from where it is run."""
    return (
        f"resolution: {SHORT.resolution}, since half of {files} files looked at last {half} s at most "
        f"({configs}/short_sounds.yaml); --overwrite --config {configs}/default.yaml takes 0.128 s every 0.1 s"
    )


def statuses(mels: Path) -> dict[str, str]:
    return {row.filename: row.status for row in read_ledger(mels).values()}


def check_is_sound(mels: Path) -> None:
    """No row names a missing or broken .npy."""
    for row in read_ledger(mels).values():
        if row.has_mel:
            assert read_mel(mels / f"{row.filename}.npy").shape[1] == 80


def program(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


# What it writes


def test_every_file_has_its_row_and_every_mel_its_frames(library, made):
    rows = read_ledger(made)
    assert statuses(made) == STATUSES
    assert list(rows) == sorted(STATUSES, key=os.fsencode)
    for row in rows.values():
        source = (library / row.filename).stat()
        assert row.size == source.st_size
        assert row.mtime == f"{source.st_mtime_ns // 10**9}.{source.st_mtime_ns % 10**9:09d}"
        assert row.decoder == "ffmpeg"
        path = made / f"{row.filename}.npy"
        assert path.exists() == row.has_mel
        if row.has_mel:
            mel = np.load(path)
            assert mel.dtype == np.float16
            assert mel.shape == (row.frames, 80)
            assert row.frames == 1 + (round(row.seconds * 16000) - SHORT.frame_samples) // SHORT.hop_samples
            assert row.checksum == mel_checksum(mel)
        else:
            assert (row.frames, row.checksum) == (0, "")
            assert row.reason
        assert (row.reason == "") == (row.status == "ok")
    assert rows["broken/half.mp3"].reason.startswith(("4", "5"))
    assert set(contents(made)) == {f"{name}.npy" for name, row in rows.items() if row.has_mel} | {
        *("config.yaml", "spectrify_log.csv")
    }


def test_rows_are_written_with_what_was_found(clips, tmp_path):
    mels = tmp_path / "mels"
    assert spectrify(clips, mels) == 0
    row = read_ledger(mels)["a, 1.wav"]
    status = (clips / "a, 1.wav").stat()
    mtime = f"{status.st_mtime_ns // 10**9}.{status.st_mtime_ns % 10**9:09d}"
    checksum = mel_checksum(np.load(mels / "a, 1.wav.npy"))
    assert row == LedgerRow("a, 1.wav", "ok", 1.0, 49, status.st_size, mtime, "ffmpeg", "", checksum)


def test_a_tone_of_a_file_lands_in_the_mel_of_that_file(made):
    peaks = [np.load(made / f"{name}.npy").astype(float).mean(axis=0).argmax() for name in GOOD]
    assert peaks == sorted(peaks)  # the tones rise from file to file
    assert len(set(peaks)) == len(peaks)


def test_the_configuration_is_the_audio_half(made):
    assert yaml.safe_load((made / "config.yaml").read_text()) == {
        "sample_rate_hz": 16000,
        "frame_seconds": 0.04,
        "hop_seconds": 0.02,
        "mel_bins": 80,
        "mel_low_hz": 80.0,
        "mel_high_hz": 7600.0,
        "decoder": "ffmpeg",
    }


def test_the_ledger_is_a_table_that_others_read(made):
    with open(made / LEDGER_NAME, encoding="utf-8", errors="surrogateescape", newline="") as file:
        table = list(csv.DictReader(file))
    assert ",".join(table[0]) == "filename,status,seconds,frames,size,mtime,decoder,reason,checksum"
    assert {row["filename"]: row["status"] for row in table} == STATUSES


def test_the_trainer_lists_what_was_made(made):
    mels = list_mels(made)
    assert mels.names == sorted(
        (f"{name}.npy" for name, status in STATUSES.items() if status in ("ok", "partial")), key=os.fsencode
    )
    assert mels.bins == 80


def test_the_summary_counts_and_says_what_to_do(audio, tmp_path, capsys):
    mels = tmp_path / "the mels, é"
    assert spectrify(audio, mels) == 0
    printed = capsys.readouterr()
    resolution, summary, skipped, too_short, failed = printed.out.splitlines()
    half = "half of the 9 of 12 files that say how long they are"
    assert resolution.startswith(f"resolution: {SHORT.resolution}, since {half} last ")
    seconds = round(sum(row.seconds for row in read_ledger(mels).values() if row.has_mel))
    assert summary == (
        f"{mels}: 12 audio files, 12 done now: 7 ok, 1 partial, 1 silent, 1 too_short, 2 failed, {seconds} s of audio"
    )
    assert skipped == "1 folder skipped for a file .nomedia or .notmusic"
    assert too_short == "1 file without a single sample: no mel and so no vector"
    assert failed.startswith("2 files failed, e.g. broken/empty.wav: ")
    assert failed.endswith(f"; see {mels / LEDGER_NAME}; --retry-failed tries again")
    assert printed.err == ""


def test_one_process_or_two_make_the_same_bytes(audio, made, tmp_path):
    assert spectrify(audio, tmp_path / "by two", jobs=2) == 0
    assert contents(tmp_path / "by two") == contents(made)


def test_it_runs_from_any_folder_on_relative_names(clips, tmp_path):
    argv = [sys.executable, SCRIPT, "--quiet", "--", "-my clips", "../-the mels/"]
    clips.rename(tmp_path / "-my clips")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/-my clips").symlink_to("../-my clips")
    done = subprocess.run(argv, cwd=tmp_path / "elsewhere", capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        f"{said_of_resolution(3, '1.5', ROOT / 'configs')}\n"
        "../-the mels: 3 audio files, 3 done now: 3 ok, 4 s of audio\n"
    )
    assert list(statuses(tmp_path / "-the mels").values()) == ["ok"] * 3


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_whatever_the_terminal_can_show_names_are_printed(tmp_path, encoding):
    audio, mels = tmp_path / os.fsdecode(b"audio \xff"), tmp_path / os.fsdecode(b"mels \xff\xc3\xa9")
    write_clip(tmp_path / "audio/ok.wav", 1, 0)
    (tmp_path / "audio").rename(audio)
    (audio / os.fsdecode(b"Bj\xc3\xb6rk \xe2\x82\xac \xff.mp3")).write_text("words")
    argv = [sys.executable, SCRIPT, audio, mels, "--jobs=1"]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(argv, capture_output=True, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"2 audio files, 2 done now: 1 ok, 1 failed" in done.stdout
    shutil.rmtree(audio)
    done = subprocess.run(argv, capture_output=True, env=environment)
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1
    assert b"no such audio folder" in done.stderr


def test_nothing_of_tensorflow_is_imported():
    modules = "spectrify_all, mels.batches, mels.decoding, mels.mel_folder"
    script = f"import sys, {modules}; spectrify_all.build_parser(); print('tensorflow' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", script], cwd=ROOT, text=True) == "False\n"


def test_help_is_the_docstring_with_the_defaults(capsys):
    with pytest.raises(SystemExit) as exited:
        main(["--help"])
    assert exited.value.code == 0
    text = capsys.readouterr().out
    assert "python spectrify_all.py example_input/ example_vectors/ --config=configs/small_train.yaml" in text
    assert "(default: 30.0)" in text


def test_the_flags_that_are_promised():
    arguments = build_parser().parse_args(["example_input/", "example_vectors/", "--config=configs/small_train.yaml"])
    assert (arguments.audio_folder, arguments.mel_folder) == (Path("example_input"), Path("example_vectors"))
    assert (arguments.config, arguments.settings, arguments.seed) == (Path("configs/small_train.yaml"), [], None)
    assert (arguments.exclude, arguments.jobs, arguments.timeout) == ([], None, 30.0)
    for flag in ("retry_failed", "prune", "overwrite", "strict", "quiet"):
        assert vars(arguments)[flag] is False


@pytest.mark.parametrize("flags", [[], ["a"], ["a", "b", "--jobs=0"], ["a", "b", "--timeout=0"], ["a", "b", "--over"]])
def test_wrong_usage_exits_2(flags):
    with pytest.raises(SystemExit) as exited:
        main(flags)
    assert exited.value.code == 2


# Which files


def test_hidden_marked_and_excluded_files_are_left_out(audio, tmp_path, capsys):
    (audio / "books/.notmusic").mkdir(parents=True)
    assert spectrify(audio, tmp_path / "mels", "--exclude=broken", "--exclude", "*.wav", "--exclude=jazz/*/m.*") == 0
    assert sorted(statuses(tmp_path / "mels")) == sorted(
        ["-rf.flac", "rock/a song, live.mp3", "rock/quo\"te's.WAV", "Ünï cödé/Søren.ogg", NO_TEXT]
    )
    assert "2 folders skipped for a file .nomedia or .notmusic\n" in capsys.readouterr().out


def test_links_are_followed_and_a_loop_is_not(clips, tmp_path):
    (clips / "b/up").symlink_to(clips)
    (clips / "again.wav").symlink_to("a, 1.wav")
    (clips / "nowhere.wav").symlink_to("none.wav")
    (clips / "itself.wav").symlink_to("itself.wav")
    assert spectrify(clips, tmp_path / "mels") == 0
    assert sorted(statuses(tmp_path / "mels")) == ["a, 1.wav", "again.wav", "b/c 2.wav", "b/d.wav"]


@pytest.mark.parametrize("break_", ["\n", "\r", "\r\n"], ids=ascii)
def test_a_line_break_in_a_name_is_refused_for_that_file(clips, tmp_path, break_):
    (clips / "b/c 2.wav").rename(clips / f"b/c{break_}2.wav")
    (clips / f"f{break_}").mkdir()
    (clips / "b/d.wav").rename(clips / f"f{break_}/d.wav")
    mels = tmp_path / "mels"
    assert spectrify(clips, mels) == 0
    rows = read_ledger(mels)
    shown = break_.replace("\r", "//r").replace("\n", "//n")
    assert {name: row.status for name, row in rows.items()} == {
        "a, 1.wav": "ok",
        f"b/c{shown}2.wav": "failed",
        f"f{shown}/d.wav": "failed",
    }
    assert rows[f"b/c{shown}2.wav"].reason == "a line break in the name; rename it"
    before = tree(mels)
    assert spectrify(clips, mels) == 0
    assert tree(mels) == before


def test_what_is_said_of_names_with_line_breaks_is_one_line_each(clips, tmp_path, capsys):
    (clips / "b/c 2.wav").rename(clips / "b/c\t\x1b2.wav")
    (clips / "b/c\t\x1b2.wav").write_text("words")
    mels = tmp_path / "the\nmels"
    assert spectrify(clips, mels, "--quiet") == 0
    _, summary, failed = capsys.readouterr().out.splitlines()
    assert summary.startswith(rf"{tmp_path}/the\nmels: 3 audio files")
    assert r"e.g. b/c\t\x1b2.wav: " in failed
    names = ["x\ny", "z\r"]
    report_folders(Plan([], {}, names, [], 1, 0, names), pruning=False)
    skipped, gone = capsys.readouterr().out.splitlines()
    assert r"cannot be read (x\ny, z\r)" in skipped
    assert r"gone (x\ny, z\r)" in gone

    for path in clips.rglob("*.wav"):
        path.write_text("words")
    mels = tmp_path / "more\nmels"
    assert spectrify(clips, mels, "--quiet") == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_name_that_is_too_long_costs_only_itself(clips, tmp_path, capsys):
    name = "x" * 248 + ".wav"
    (clips / "b/c 2.wav").rename(clips / name)
    mels = tmp_path / "mels"
    assert spectrify(clips, mels) == 0
    row = read_ledger(mels)[name]
    assert (row.status, row.frames) == ("failed", 0)
    assert row.reason == "its name with .npy is too long for the file system; shorten it"
    assert sorted(statuses(mels).values()) == ["failed", "ok", "ok"]
    before = tree(mels)
    assert spectrify(clips, mels) == 0
    assert tree(mels) == before


@pytest.mark.parametrize("name", ["lock", "config.yaml", "spectrify_log.csv", "a, 1.wav.npy"])
def test_a_folder_whose_name_is_taken_costs_only_itself(clips, tmp_path, name):
    (clips / "b").rename(clips / name)
    mels = tmp_path / "mels"
    assert spectrify(clips, mels) == 0
    assert statuses(mels)["a, 1.wav"] == "ok"
    check_is_sound(mels)
    before = tree(mels)
    assert spectrify(clips, mels) == 0
    assert tree(mels) == before


@given(
    sizes=st.lists(st.one_of(st.integers(0, 10**6), st.integers(0, 3 * BATCH_BYTES)), max_size=30),
    suffixes=st.lists(st.sampled_from([".mp3", ".wav", "\n.mp3"]), min_size=30, max_size=30),
    sox=st.sampled_from([None, "sox"]),
)
def test_batches_keep_the_order_and_their_bounds(sizes, suffixes, sox):
    sources = [Source(f"{place}{suffixes[place]}", size, "0.0") for place, size in enumerate(sizes)]
    batches = make_batches(sources, Decoders("ffmpeg", sox))
    assert [source for batch in batches for source in batch] == sources
    for batch in batches:
        assert 1 <= len(batch) <= BATCH_FILES
        if len(batch) > 1:
            assert sum(source.size for source in batch) <= BATCH_BYTES
            assert not any("\n" in source.name or (sox and source.name.endswith(".wav")) for source in batch)


# Run again


def test_a_second_run_touches_nothing(audio, mels, capsys):
    before = tree(mels)
    for _ in range(2):
        assert spectrify(audio, mels, jobs=2) == 0
        assert ": 12 audio files, 0 done now: 7 ok, 1 partial, 1 silent, " in capsys.readouterr().out
        assert tree(mels) == before


def test_a_quiet_night_says_nothing_and_a_failure_is_told_once(clips, tmp_path, capsys):
    """Cron mailed the same lines every night."""
    mels = tmp_path / "mels"

    def night(*flags: str) -> list[str]:
        assert main([str(clips), str(mels), "--quiet", *flags]) == ("--strict" in flags)
        out, errors = capsys.readouterr()
        assert errors == ""
        return out.splitlines()

    (clips / "bad.wav").write_text("words")
    assert [line.partition(" ")[0] for line in night()] == ["resolution:", f"{mels}:", "1"]
    before = tree(mels)
    assert night() == []
    assert len(night("--strict")) == 2  # which fails, and so says why
    write_clip(clips / "new.wav", 1, 5)
    assert night() == [f"{mels}: 5 audio files, 1 done now: 4 ok, 1 failed, 6 s of audio"]
    (clips / "worse.wav").write_text("more words")
    summary, failure = night()
    assert ", 1 done now: 4 ok, 2 failed, " in summary
    assert failure.startswith("1 file failed, e.g. worse.wav: ")
    (clips / "new.wav").unlink()
    assert night() == []
    assert len(night("--prune")) == 1
    assert night("--prune") == []
    after = tree(mels)
    assert {name for name in after if after[name] != before.get(name)} == {LEDGER_NAME}


def test_only_what_changed_is_done_again(audio, mels, capsys):
    before = tree(mels)
    os.utime(audio / "rock/a song, live.mp3", ns=(0, 1_000_000_000_000_001))
    write_sound(audio / "new, é.wav", 2, 20)
    shutil.copy(audio / "-rf.flac", audio / "broken/text.mp3")
    assert spectrify(audio, mels) == 0
    assert ": 13 audio files, 3 done now: 9 ok, " in capsys.readouterr().out
    rows = read_ledger(mels)
    assert list(rows) == sorted(rows, key=os.fsencode)
    assert rows["rock/a song, live.mp3"].mtime == "1000000.000000001"
    assert rows["broken/text.mp3"].status == "ok"
    after = tree(mels)
    touched = {name for name in after if after[name] != before.get(name)} - {"lock", LEDGER_NAME}
    assert touched == {"rock/a song, live.mp3.npy", "new, é.wav.npy", "broken/text.mp3.npy"}
    name = "rock/a song, live.mp3.npy"
    assert after[name][0] == before[name][0]


def test_a_library_copied_without_its_times_changes_nothing_for_the_trainer(audio, mels):
    before, stamps = tree(mels), list_mels(mels).stamps
    for path in audio.rglob("*"):
        os.utime(path, ns=(0, 1_000_000_000_000_001))
    assert spectrify(audio, mels) == 0
    after = tree(mels)
    assert all(after[name][0] == before[name][0] for name in before if name.endswith(".npy"))
    assert all(after[name][1] != before[name][1] for name in before if name.endswith(".npy"))
    assert {row.mtime for row in read_ledger(mels).values()} == {"1000000.000000001"}
    np.testing.assert_array_equal(list_mels(mels).stamps, stamps)


def test_a_ledger_without_checksums_stays_until_there_is_something_new(audio, mels):
    rows = read_ledger(mels)
    (mels / LEDGER_NAME).write_bytes(ledger_text(rows.values(), header=True, columns=OLD_COLUMNS))
    before, stamps = tree(mels), dict(zip(list_mels(mels).names, list_mels(mels).stamps, strict=True))
    assert spectrify(audio, mels) == 0
    assert tree(mels) == before

    again = "rock/a song, live.mp3"
    os.utime(audio / again, ns=(0, 1_000_000_000_000_001))
    assert spectrify(audio, mels) == 0
    upgraded = read_ledger(mels)
    assert {name: row.checksum for name, row in upgraded.items() if row.checksum} == {again: rows[again].checksum}
    listed = list_mels(mels)
    changed = [name for name, stamp in zip(listed.names, listed.stamps, strict=True) if stamp != stamps[name]]
    assert changed == [f"{again}.npy"]  # once
    after = tree(mels)
    assert spectrify(audio, mels) == 0
    assert tree(mels) == after


def test_a_file_that_broke_loses_its_mel(clips, tmp_path, capsys):
    mels = tmp_path / "mels"
    assert spectrify(clips, mels) == 0
    for name in ("b/c 2.wav", "b/d.wav"):
        (clips / name).write_text("words")
    assert spectrify(clips, mels) == 0
    assert statuses(mels) == {"a, 1.wav": "ok", "b/c 2.wav": "failed", "b/d.wav": "failed"}
    assert sorted(contents(mels)) == ["a, 1.wav.npy", "config.yaml", LEDGER_NAME]


def test_an_empty_folder_goes_while_others_write_to_it(clips, tmp_path):
    """A mel is removed with its folder, which another worker may need at that moment."""
    mels = tmp_path / "mels"
    for round_ in range(6):
        good, bad = ("b/c 2.wav", "b/d.wav") if round_ % 2 else ("b/d.wav", "b/c 2.wav")
        write_clip(clips / good, 0.5, round_)
        (clips / bad).write_text("words" * (round_ + 1))
        assert spectrify(clips, mels, jobs=2) == 0
        assert statuses(mels) == {"a, 1.wav": "ok", good: "ok", bad: "failed"}
        check_is_sound(mels)


def test_a_file_that_is_gone_is_reported_and_pruned_only_when_asked(audio, mels, capsys):
    before = tree(mels)
    shutil.rmtree(audio / "jazz")
    (audio / "broken/text.mp3").unlink()
    assert spectrify(audio, mels) == 0
    gone = "2 audio files gone (broken/text.mp3, jazz/very deep/m.M4A): "
    assert f"{gone}their mels stay; --prune removes them\n" in capsys.readouterr().out
    assert tree(mels) == before

    assert spectrify(audio, mels, "--prune") == 0
    assert f"{gone}removed from the mel folder\n" in capsys.readouterr().out
    assert "broken/text.mp3" not in statuses(mels)
    assert not (mels / "jazz").exists()
    after = tree(mels)
    assert {name for name in before if before[name] != after.get(name)} - {"lock"} == {
        *("jazz/very deep/m.M4A.npy", LEDGER_NAME)
    }
    assert spectrify(audio, mels, "--prune") == 0
    assert "audio files gone" not in capsys.readouterr().out
    assert tree(mels) == after


def test_prune_leaves_what_it_did_not_make(audio, mels):
    (mels / "jazz/very deep/my notes.txt").write_text("keep me")
    np.save(mels / "jazz/mine.npy", np.zeros((3, 80), np.float16))
    shutil.rmtree(audio / "jazz")
    assert spectrify(audio, mels, "--prune") == 0
    assert sorted(path.name for path in (mels / "jazz").rglob("*")) == ["mine.npy", "my notes.txt", "very deep"]


@pytest.mark.parametrize("flag", ["--prune", "--overwrite"])
@pytest.mark.parametrize("break_", ["\n", "\r"], ids=ascii)
def test_a_name_with_a_line_break_takes_no_other_files_mel_with_it(clips, tmp_path, break_, flag):
    """In the ledger it is b//nd.wav, which as a path is b/nd.wav."""
    letter = {"\n": "n", "\r": "r"}[break_]
    write_clip(clips / f"b/{letter}d.wav", 1, 3)
    (clips / "b/d.wav").rename(clips / f"b{break_}d.wav")
    mels = tmp_path / "mels"
    assert spectrify(clips, mels) == 0
    assert statuses(mels)[f"b//{letter}d.wav"] == "failed"
    mine = mels / f"b/{letter}d.wav.npy"
    if flag == "--overwrite":  # its row is gone, so it is not ours
        rows = read_ledger(mels)
        del rows[f"b/{letter}d.wav"]
        write_ledger(mels, rows)
        (clips / f"b/{letter}d.wav").unlink()
    before = mine.read_bytes()
    (clips / f"b{break_}d.wav").unlink()
    assert spectrify(clips, mels, flag) == 0
    assert f"b//{letter}d.wav" not in statuses(mels)
    assert mine.read_bytes() == before


def test_what_is_no_mel_of_a_row_is_not_removed(clips, tmp_path):
    mels, name = tmp_path / "mels", "silent.wav"
    assert spectrify(clips, mels) == 0
    rows = read_ledger(mels)
    rows[name] = dataclasses.replace(rows["b/d.wav"], filename=name, status="silent")
    write_ledger(mels, rows)
    (mels / "silent.wav.npy").write_text("keep me")
    before = tree(tmp_path)
    assert spectrify(clips, mels, "--prune") == 0
    after = tree(tmp_path)
    assert {path for path in before if before[path] != after.get(path)} == {f"mels/{LEDGER_NAME}"}
    assert name not in read_ledger(mels)


def test_many_that_are_gone_are_named_in_part(clips, tmp_path, capsys):
    for place in range(5):
        shutil.copy(clips / "a, 1.wav", clips / f"{place}.wav")
    spectrify(clips, tmp_path / "mels")
    for place in range(5):
        (clips / f"{place}.wav").unlink()
    capsys.readouterr()
    assert spectrify(clips, tmp_path / "mels") == 0
    assert "5 audio files gone (0.wav, 1.wav, 2.wav, ...): " in capsys.readouterr().out


def test_failures_are_remembered_until_asked_for(clips, tmp_path, ffmpeg, monkeypatch, capsys):
    mels = tmp_path / "mels"
    with monkeypatch.context() as environment:
        failing = program(tmp_path / "my ffmpeg", f'case "$*" in *d.wav*) exit 7;; esac; exec \'{ffmpeg}\' "$@"')
        environment.setenv("IMAGEIO_FFMPEG_EXE", failing)
        assert spectrify(clips, mels) == 0
    assert read_ledger(mels)["b/d.wav"].reason == "the decoder ended with exit code 7"
    before = tree(mels)
    assert spectrify(clips, mels) == 0
    assert tree(mels) == before
    assert "1 file failed, e.g. b/d.wav: the decoder ended with exit code 7; see " in capsys.readouterr().out

    assert spectrify(clips, mels, "--retry-failed") == 0
    assert set(statuses(mels).values()) == {"ok"}
    after = tree(mels)
    assert after["a, 1.wav.npy"] == before["a, 1.wav.npy"]
    assert spectrify(clips, mels, "--retry-failed") == 0
    assert tree(mels) == after


@pytest.mark.parametrize("damage", ["missing", "empty", "cut by a byte", "cut in the header", "longer", "a folder"])
def test_a_mel_that_is_not_whole_is_made_again(audio, mels, made, damage):
    path = mels / "rock/a song, live.mp3.npy"
    content = path.read_bytes()
    path.unlink()
    if damage == "a folder":
        path.mkdir()
    elif damage != "missing":
        new = {"empty": b"", "cut by a byte": content[:-1], "cut in the header": content[:90], "longer": content * 2}
        path.write_bytes(new[damage])
    spectrify(audio, mels)
    if damage != "a folder":
        assert contents(mels) == contents(made)


def test_a_mel_without_a_row_is_made_again(audio, mels, made):
    rows = read_ledger(mels)
    del rows["-rf.flac"], rows["broken/silence.wav"]
    write_ledger(mels, rows)
    (mels / "-rf.flac.npy").write_bytes(b"half of")
    assert spectrify(audio, mels) == 0
    assert contents(mels) == contents(made)


@pytest.mark.parametrize("torn", [False, True])
def test_a_ledger_that_a_kill_left_is_put_in_order(audio, mels, made, torn):
    """The rows in the order in which files were done, and perhaps half a row."""
    header, *lines = (mels / LEDGER_NAME).read_bytes().splitlines(keepends=True)
    random.Random(1).shuffle(lines)
    if torn:
        lines[-1] = lines[-1][:20]
    (mels / LEDGER_NAME).write_bytes(header + b"".join(lines))
    assert spectrify(audio, mels) == 0
    assert contents(mels) == contents(made)


def test_temporary_files_that_a_kill_left_are_removed(audio, mels, made):
    (mels / "jazz/very deep/m.M4A.npy").unlink()
    for name in (".sound-eval-7-0.tmp", "jazz/very deep/.sound-eval-7-1.tmp"):
        (mels / name).write_bytes(b"half of a file")
    assert spectrify(audio, mels) == 0
    assert contents(mels) == contents(made)


# Folders that cannot be read

MAIN = "sys.exit(spectrify_all.main(sys.argv[1:]))"


@pytest.mark.parametrize("mode", [0o000, 0o444], ids=oct)
def test_a_folder_that_cannot_be_read_is_skipped_named_and_forbids_prune(clips, mode):
    with folder_for_anybody() as folder:
        audio, mels = Path(shutil.copytree(clips, folder / "my clips")), folder / "the mels"
        (audio / "b").rename(audio / "lost+found")
        assert spectrify(audio, mels) == 0
        (audio / "a, 1.wav").rename(audio / "renamed.wav")
        assert spectrify(audio, mels) == 0
        before = tree(mels)
        with closed(audio / "lost+found", mode):
            done = run_as_anybody(MAIN, audio, mels, "--prune")
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout == (
                f"{mels}: 1 audio file, 0 done now: 4 ok, 6 s of audio\n"
                "1 folder skipped that cannot be read (lost+found): mels of it stay\n"
                "--prune removes nothing while a folder cannot be read: "
                "make it readable, or leave it out by --exclude\n"
                "1 audio file gone (a, 1.wav): their mels stay; --prune removes them\n"
            )
            assert run_as_anybody(MAIN, audio, mels, "--strict").returncode == 1
            done = run_as_anybody(MAIN, audio, mels, "--overwrite")
            assert (done.returncode, done.stdout) == (1, "")
            assert done.stderr.endswith(
                f"error: {audio}/lost+found: cannot be read, and --overwrite would remove 2 mels for good; "
                "make it readable, or leave it out by --exclude\n"
            )
            assert tree(mels) == before
        assert spectrify(audio, mels, "--prune", "--exclude=lost+found") == 0
        assert statuses(mels) == {"renamed.wav": "ok"}


def test_where_all_that_there_is_cannot_be_read_the_error_says_so(clips):
    with folder_for_anybody() as folder:
        (folder / "my clips").mkdir()
        clips.rename(folder / "my clips/music")
        with closed(folder / "my clips/music"):
            done = run_as_anybody(MAIN, folder / "my clips", folder / "mels")
        assert done.returncode == 1
        assert done.stderr.endswith(
            "my clips: no audio file found in it, and 'music' in it cannot be read; "
            "name the folder that holds the audio\n"
        )
        with closed(folder / "my clips"):
            done = run_as_anybody(MAIN, folder / "my clips", folder / "mels")
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert "Permission denied" in done.stderr


@pytest.mark.parametrize("cause", [errno.EACCES, errno.EIO, errno.ENOENT], ids=errno.errorcode.get)
def test_the_others_are_done_where_a_folder_cannot_be_read(clips, tmp_path, monkeypatch, capsys, cause):
    scandir = os.scandir

    def scan(path):
        if os.fspath(path).endswith("/b"):
            raise OSError(cause, os.strerror(cause), path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)
    assert spectrify(clips, tmp_path / "mels") == 0
    assert statuses(tmp_path / "mels") == {"a, 1.wav": "ok"}
    told = "1 folder skipped that cannot be read (b): " in capsys.readouterr().out
    assert told == (cause != errno.ENOENT)  # what has gone meanwhile is gone


@pytest.mark.parametrize("mode", [0o000, 0o444, 0o555], ids=oct)
def test_a_folder_of_the_mel_folder_that_is_closed_to_us_stays_as_it_is(clips, mode):
    """It ended the run, and so did one that can be read and not written to."""
    with folder_for_anybody() as folder:
        audio, mels = shutil.move(clips, folder / "audio"), folder / "mels"
        assert run_as_anybody(MAIN, audio, mels).returncode == 0
        before = {name: seen for name, seen in tree(mels).items() if name.startswith("b/")}
        (mels / "a, 1.wav.npy").unlink()
        os.utime(audio / "b/d.wav", (1, 1))
        with closed(mels / "b", mode):
            done = run_as_anybody(MAIN, audio, mels)
            strict = run_as_anybody(MAIN, audio, mels, "--strict")
        assert (done.returncode, done.stderr, strict.returncode) == (0, "", 1)
        assert "1 done now: 3 ok" in done.stdout
        assert "1 folder of the mel folder closed to us (b): left as they are\n" in done.stdout
        assert (mels / "a, 1.wav.npy").exists()
        assert before == {name: seen for name, seen in tree(mels).items() if name.startswith("b/")}
        assert run_as_anybody(MAIN, audio, mels).returncode == 0
        assert read_ledger(mels)["b/d.wav"].mtime == "1.000000000"


# Resolution


def resolution(mels: Path) -> tuple[float, float]:
    """What the folder's config.yaml says, checked against its mels."""
    values = yaml.safe_load((mels / "config.yaml").read_text())
    frame, hop = (round(values[key] * values["sample_rate_hz"]) for key in ("frame_seconds", "hop_seconds"))
    for row in read_ledger(mels).values():
        if row.has_mel:
            samples = round(row.seconds * values["sample_rate_hz"])
            assert row.frames == max(1, 1 + (samples - frame) // hop)
    return values["frame_seconds"], values["hop_seconds"]


@pytest.fixture
def long_clips(tmp_path) -> Path:
    """Two short wavs and three that are not."""
    for place, seconds in enumerate([1, 12, 13, 14, 0.5]):
        write_clip(tmp_path / "long clips" / f"{place}.wav", seconds, place)
    return tmp_path / "long clips"


@pytest.mark.parametrize("flags", [[], ["--quiet"], ["--seed=5", "--set", "mel_bins=40", "--set=window=9"]])
def test_a_new_folder_takes_what_suits_the_sounds_and_says_so(clips, long_clips, tmp_path, capsys, monkeypatch, flags):
    monkeypatch.chdir(tmp_path)
    assert spectrify(clips, tmp_path / "short", *flags) == 0
    line, _ = capsys.readouterr().out.splitlines()
    assert line == said_of_resolution(3, "1.5", ROOT / "configs")
    assert resolution(tmp_path / "short") == (0.04, 0.02)
    monkeypatch.chdir(ROOT)
    assert spectrify(long_clips, tmp_path / "long", *flags) == 0
    line, _ = capsys.readouterr().out.splitlines()
    assert line == (
        "resolution: frames of 0.128 s every 0.1 s, since half of 5 files looked at last 12 s at least "
        "(configs/default.yaml); --overwrite --config configs/short_sounds.yaml takes 0.04 s every 0.02 s"
    )
    assert resolution(tmp_path / "long") == (0.128, 0.1)
    shutil.rmtree(long_clips)
    write_clip(long_clips / "one.wav", 0.5, 1)
    assert spectrify(long_clips, tmp_path / "one", *flags) == 0
    assert "since the one file looked at lasts 0.5 s (configs/short_sounds.yaml); " in capsys.readouterr().out


@pytest.mark.parametrize("told", ["--config=small_train", "--config=default", "--set=hop_seconds=0.1"])
def test_who_says_the_resolution_or_names_a_configuration_is_asked_nothing(clips, tmp_path, capsys, monkeypatch, told):
    monkeypatch.setattr("spectrify_all.header_seconds", None)
    name = told.removeprefix("--config=")
    flag = told if name == told else f"--config={ROOT / 'configs' / name}.yaml"
    assert spectrify(clips, tmp_path / "mels", flag) == 0
    assert "resolution: " not in capsys.readouterr().out
    assert resolution(tmp_path / "mels") == (0.128, 0.1)


def test_where_no_length_is_known_it_is_the_default_and_says_so(clips, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("spectrify_all.header_seconds", lambda path: None)
    assert spectrify(clips, tmp_path / "mels") == 0
    assert capsys.readouterr().out.startswith(
        f"resolution: {LONG.resolution}, as no file's header says how long it is (configs/default.yaml); "
    )
    assert resolution(tmp_path / "mels") == (0.128, 0.1)


@pytest.mark.parametrize("known", [1, 2])
def test_where_too_few_lengths_are_known_it_is_the_default_and_says_so(clips, tmp_path, capsys, monkeypatch, known):
    for place in range(8):  # with the three clips eleven files
        write_clip(clips / f"more/{place}.wav", 0.1, place)
    lengths = iter([1.0] * known + [None] * (11 - known))
    monkeypatch.setattr("spectrify_all.header_seconds", lambda path: next(lengths))
    assert spectrify(clips, tmp_path / "mels") == 0
    said = {
        1: f"{LONG.resolution}, as only 1 of 11 files looked at says how long it is (",
        2: f"{SHORT.resolution}, since half of the 2 of 11 files that say how long they are last 1 s at most (",
    }
    assert capsys.readouterr().out.startswith(f"resolution: {said[known]}")
    assert resolution(tmp_path / "mels") == ((0.128, 0.1), (0.04, 0.02))[known - 1]


def test_streamed_wavs_do_not_pass_for_long_ones(clips, tmp_path, capsys, ffmpeg):
    for name in ("a", "b"):
        argv = [ffmpeg, "-v", "error", "-i", clips / "a, 1.wav", "-f", "wav", "pipe:"]
        content = subprocess.run(argv, check=True, capture_output=True, timeout=60).stdout
        (clips / f"streamed {name}.wav").write_bytes(content)
    shutil.rmtree(clips / "b")
    assert spectrify(clips, tmp_path / "mels") == 0
    out = capsys.readouterr().out
    assert out.startswith(
        f"resolution: {SHORT.resolution}, since the one file of 3 that says how long it is lasts 1 s ("
    )
    assert statuses(tmp_path / "mels") == dict.fromkeys(["a, 1.wav", "streamed a.wav", "streamed b.wav"], "ok")


def test_the_plan_goes_by_the_configuration_in_force(clips, tmp_path, capsys, monkeypatch):
    in_force = dataclasses.replace(LONG, mel_bins=40)
    monkeypatch.setattr("spectrify_all.prepare_mel_folder", lambda *_: in_force)
    for done in (3, 0):
        assert spectrify(clips, tmp_path / "mels", f"--config={DEFAULT_CONFIG}") == 0
        assert f"3 audio files, {done} done now: " in capsys.readouterr().out


def test_the_other_resolution_is_had_as_the_line_says(clips, tmp_path, capsys, monkeypatch):
    assert spectrify(clips, tmp_path / "mels") == 0
    flags = capsys.readouterr().out.partition("; ")[2].partition(" takes ")[0]
    assert spectrify(clips, tmp_path / "mels", *flags.split()) == 0
    assert resolution(tmp_path / "mels") == (0.128, 0.1)
    assert "resolution: " not in capsys.readouterr().out
    before = tree(tmp_path / "mels")
    assert spectrify(clips, tmp_path / "mels") == 0
    assert tree(tmp_path / "mels") == before


def test_from_then_on_the_folder_decides_whatever_comes(clips, long_clips, tmp_path, capsys, monkeypatch):
    mels = tmp_path / "mels"
    assert spectrify(clips, mels) == 0
    monkeypatch.setattr("spectrify_all.header_seconds", None)
    shutil.copytree(long_clips, clips / "more")
    before = (mels / "config.yaml").read_bytes()
    capsys.readouterr()
    for flags in ([], [f"--config={ROOT / 'configs/small_train.yaml'}"], ["--set=hop_seconds=0.02"]):
        assert spectrify(clips, mels, *flags) == 0
        assert "resolution: " not in capsys.readouterr().out
    assert (mels / "config.yaml").read_bytes() == before
    assert resolution(mels) == (0.04, 0.02)
    assert spectrify(clips, mels, f"--config={DEFAULT_CONFIG}") == 1
    assert (
        "was made with frame_seconds: 0.04, and frame_seconds: 0.128 is asked for now; name" in capsys.readouterr().err
    )


def test_overwrite_chooses_anew_and_not_by_what_is_gone(clips, long_clips, tmp_path, capsys):
    mels = tmp_path / "mels"
    assert spectrify(clips, mels) == 0
    shutil.rmtree(clips)
    shutil.copytree(long_clips, clips)
    assert spectrify(clips, mels, "--overwrite") == 0
    assert f"resolution: {LONG.resolution}" in capsys.readouterr().out
    assert resolution(mels) == (0.128, 0.1)


def test_a_run_that_is_ended_keeps_its_choice(clips, long_clips, tmp_path, capsys, monkeypatch):
    mels = tmp_path / "mels"

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("spectrify_all.run_batches", killed)
        assert spectrify(clips, mels) == 0
    assert list(contents(mels)) == ["config.yaml"]
    shutil.copytree(long_clips, clips / "more")
    capsys.readouterr()
    assert spectrify(clips, mels) == 0
    assert "resolution: " not in capsys.readouterr().out
    assert resolution(mels) == (0.04, 0.02)


def test_of_two_runs_at_once_the_first_with_the_lock_chooses(clips, long_clips, tmp_path, monkeypatch, capsys):
    mels = tmp_path / "mels"

    @contextlib.contextmanager
    def lock_after_another_run(folder: Path) -> Iterator[None]:
        monkeypatch.undo()
        assert spectrify(clips, mels) == 0
        shutil.copytree(long_clips, clips / "more")
        capsys.readouterr()
        with folder_lock(folder):
            yield

    monkeypatch.setattr("spectrify_all.folder_lock", lock_after_another_run)
    assert spectrify(clips, mels) == 0
    assert "resolution: " not in capsys.readouterr().out
    assert resolution(mels) == (0.04, 0.02)


def test_at_most_200_headers_are_read_from_all_over_the_folder(clips, tmp_path, monkeypatch):
    looked_at = []
    monkeypatch.setattr("spectrify_all.header_seconds", lambda path: looked_at.append(path))
    sources = [Source(f"{place:04d}.wav", 1, "0.0") for place in range(1000)]
    assert spectrify_all.choose_resolution(sources, clips, LONG) == LONG
    assert looked_at == [str(clips / f"{place:04d}.wav") for place in range(0, 1000, 5)]


def test_a_folder_whose_configuration_is_lost_is_refused_and_stays(clips, tmp_path, capsys):
    mels = tmp_path / "mels"
    assert spectrify(clips, mels, f"--config={DEFAULT_CONFIG}") == 0
    (mels / "config.yaml").unlink()
    write_clip(clips / "new.wav", 1, 7)
    before = tree(mels)
    assert spectrify(clips, mels) == spectrify(clips, mels, f"--config={DEFAULT_CONFIG}") == 1
    assert f"{mels / 'config.yaml'}: is gone, " in capsys.readouterr().err
    assert tree(mels) == before
    assert spectrify(clips, mels, f"--config={DEFAULT_CONFIG}", "--overwrite") == 0
    assert resolution(mels) == (0.128, 0.1)


# Folders of older versions


OLD_HALF = """sample_rate_hz: {rate}
hop_seconds: {hop}
mel_bins: 80
mel_low_hz: 80.0
mel_high_hz: 7600.0
decoder: ffmpeg
"""


def made_by_an_older_version(audio: Path, mels: Path, rate: int = 16000, hop: float = 0.1) -> None:
    """Every frame had 2048 samples, config.yaml did not say so, and what is shorter had no mel."""
    (mels.parent / "old.yaml").write_text(OLD_HALF.format(rate=rate, hop=hop))
    assert spectrify(audio, mels, f"--config={mels.parent / 'old.yaml'}") == 0
    (mels / "config.yaml").write_text(OLD_HALF.format(rate=rate, hop=hop))
    rows = read_ledger(mels)
    for name, row in rows.items():
        if row.has_mel and row.seconds < 2048 / rate:
            (mels / f"{name}.npy").unlink()
            reason = f"{row.seconds:.3f} s, a frame is {2048 / rate:.3f} s"
            rows[name] = dataclasses.replace(row, status="too_short", frames=0, reason=reason, checksum="")
    write_ledger(mels, rows)


@pytest.mark.parametrize(("rate", "hop"), [(16000, 0.1), (22050, 0.05)])
def test_a_mel_folder_of_an_older_version_grows_as_it_was(clips, tmp_path, capsys, rate, hop):
    mels, flags = tmp_path / "mels", [] if rate == 16000 else [f"--set=sample_rate_hz={rate}"]
    write_clip(clips / "tiny.wav", 0.05, 3)
    made_by_an_older_version(clips, mels, rate, hop)
    assert statuses(mels)["tiny.wav"] == "too_short"
    before = tree(mels)
    capsys.readouterr()
    assert spectrify(clips, mels, *flags) == 0
    printed = capsys.readouterr().out
    assert "4 audio files, 0 done now: 3 ok, 1 too_short" in printed
    assert "1 file shorter than a frame, left out by an older version: --retry-failed takes them in\n" in printed
    assert tree(mels) == before

    write_clip(clips / "new.wav", 3, 5)
    assert spectrify(clips, mels, *flags) == 0
    samples = soundfile.read(clips / "new.wav", dtype="float32")[0]
    assert read_ledger(mels)["new.wav"].frames == 1 + (round(len(samples) / 8000 * rate) - 2048) // round(hop * rate)
    after = tree(mels)
    assert {name for name in after if after[name] != before.get(name)} == {"new.wav.npy", LEDGER_NAME}
    write_clip(clips / "a, 1.wav", 1, 0)  # made again it is the same, bit for bit
    assert spectrify(clips, mels, *flags) == 0
    assert tree(mels)["a, 1.wav.npy"][0] == before["a, 1.wav.npy"][0]

    assert spectrify(clips, mels, *flags, "--retry-failed") == 0
    assert read_mel(mels / "tiny.wav.npy").shape == (1, 80)
    after = tree(mels)
    assert spectrify(clips, mels, *flags, "--retry-failed") == 0
    assert tree(mels) == after
    for setting in ("frame_seconds=0.04", "hop_seconds=0.02"):
        assert spectrify(clips, mels, *flags, "--set", setting) == 1
        assert f"was made with {setting.partition('=')[0]}: " in capsys.readouterr().err


def test_the_configuration_of_a_run_makes_its_resolution(clips, tmp_path, config):
    """Of one from before there was frame_seconds too."""
    values = {key: value for key, value in dataclasses.asdict(config).items() if key != "window_seconds"}
    del values["frame_seconds"]
    (tmp_path / "old run.yaml").write_text(yaml.safe_dump(values | {"window": 4}))
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(dataclasses.asdict(SHORT)))
    assert spectrify(clips, tmp_path / "old", f"--config={tmp_path / 'old run.yaml'}") == 0
    assert resolution(tmp_path / "old") == (0.128, 0.1)
    assert spectrify(clips, tmp_path / "new", f"--config={tmp_path / 'run.yaml'}") == 0
    assert resolution(tmp_path / "new") == (0.04, 0.02)


def test_what_is_shorter_than_a_frame_has_a_mel_and_what_has_no_sample_has_none(tmp_path, capsys):
    audio, mels = tmp_path / "audio", tmp_path / "mels"
    audio.mkdir()
    for samples in (0, 1, 300, 2048):
        soundfile.write(audio / f"{samples}.wav", 0.3 + sound(1, 0)[:samples], 16000)
    assert spectrify(audio, mels) == 0
    assert "1 file without a single sample: no mel and so no vector\n" in capsys.readouterr().out
    assert {name: row.frames for name, row in read_ledger(mels).items()} == {
        "0.wav": 0,
        "1.wav": 1,
        "300.wav": 1,
        "2048.wav": 5,
    }


# Start anew, and what is refused


def test_overwrite_makes_all_anew_and_deletes_only_what_the_ledger_lists(audio, mels, made):
    (mels / "my notes.txt").write_text("keep me")
    np.save(mels / "rock/mine.npy", np.zeros((3, 80), np.float16))
    shutil.rmtree(audio / "jazz")
    before = tree(mels)
    assert spectrify(audio, mels, "--overwrite", "--set", "mel_bins=40") == 0
    after = tree(mels)
    for name in ("my notes.txt", "rock/mine.npy"):
        assert after[name] == before[name]
    assert not (mels / "jazz").exists()
    rows = read_ledger(mels)
    assert rows.keys() == STATUSES.keys() - {"jazz/very deep/m.M4A"}
    assert {np.load(mels / f"{name}.npy").shape[1] for name, row in rows.items() if row.has_mel} == {40}
    assert "mel_bins: 40\n" in (mels / "config.yaml").read_text()
    assert spectrify(audio, mels, "--set", "mel_bins=40") == 0
    assert tree(mels) == after


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.EROFS, "Read-only file system")], ids=repr)
def test_overwrite_that_ends_while_it_removes_leaves_no_mel_that_nobody_knows(audio, mels, monkeypatch, error):
    removed = []

    def remove(mel_folder: Path, row: LedgerRow) -> None:
        if len(removed) == 4:
            raise error
        removed.append(row.filename)
        remove_mel(mel_folder, row)

    config = (mels / "config.yaml").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("mels.removal.remove_mel", remove)
        assert spectrify(audio, mels, "--overwrite", "--set", "mel_bins=40") == isinstance(error, OSError)
    check_is_sound(mels)
    rows = read_ledger(mels)
    assert rows.keys() <= STATUSES.keys() - removed
    with_mel = {f"{name}.npy" for name, row in rows.items() if row.has_mel}
    assert {name for name in tree(mels) if name.endswith(".npy")} == with_mel
    assert (mels / "config.yaml").read_bytes() == config  # that of the mels that are left

    shutil.rmtree(audio)
    write_clip(audio / "a.wav", 1, 0)
    assert spectrify(audio, mels, "--overwrite", "--set", "mel_bins=40") == 0
    assert {name for name in tree(mels) if name.endswith(".npy")} == {"a.wav.npy"}


@pytest.mark.parametrize("flags", [["--prune"], ["--overwrite"], []])
@pytest.mark.parametrize("name", ["../precious", "b/../../precious", "{tmp}/precious", "b//nd.wav", "b/./d.wav"])
def test_a_ledger_of_a_stranger_does_not_lead_out_of_the_folder(clips, tmp_path, capsys, flags, name):
    mels, precious = tmp_path / "mels", tmp_path / "precious.npy"
    assert spectrify(clips, mels) == 0
    precious.write_bytes(b"precious")
    rows = read_ledger(mels)
    rows["x"] = dataclasses.replace(rows["b/d.wav"], filename=name.format(tmp=tmp_path))
    write_ledger(mels, rows)
    before = tree(tmp_path)
    capsys.readouterr()
    assert spectrify(clips, mels, *flags) == 1
    assert "its filename is no path below a folder" in capsys.readouterr().err
    assert tree(tmp_path) == before


@pytest.mark.parametrize("flags", [["--prune"], ["--overwrite"], []])
def test_a_link_in_the_mel_folder_does_not_lead_out_of_it(clips, tmp_path, capsys, flags):
    mels, elsewhere = tmp_path / "mels", tmp_path / "elsewhere"
    assert spectrify(clips, mels) == 0
    (mels / "b").rename(elsewhere)
    (mels / "b").symlink_to(elsewhere)
    (clips / "b/d.wav").unlink()
    write_clip(clips / "b/c 2.wav", 3, 3)
    before = tree(tmp_path)
    capsys.readouterr()
    assert spectrify(clips, mels, *flags) == 1
    assert f"error: {mels / 'b'}: is a symbolic link" in capsys.readouterr().err
    assert tree(tmp_path) == before


REMOVING = """
import os, signal, sys
import mels.removal, spectrify_all

def remove(*arguments, counted=[]):
    counted.append(arguments)
    if len(counted) > 2:
        os.kill(os.getpid(), signal.SIGKILL)
    before(*arguments)

before, mels.removal.remove_mel = mels.removal.remove_mel, remove
sys.exit(spectrify_all.main())
"""


@pytest.mark.parametrize("flag", ["--prune", "--overwrite"])
def test_killed_while_it_removes_the_next_run_removes_the_rest(tmp_path, flag):
    """Mels were left that no row named and no later run removed."""
    audio, mels = tmp_path / "audio", tmp_path / "mels"
    for place in range(6):
        write_clip(audio / f"{place}, é.wav", 0.3, place)
    assert spectrify(audio, mels) == 0
    for place in range(1, 6):
        (audio / f"{place}, é.wav").unlink()
    (mels / "mine.wav.npy").write_bytes(b"keep me")
    argv = [sys.executable, "-c", REMOVING, audio, mels, flag]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert len(list(mels.glob("*.npy"))) > 2
    assert spectrify(audio, mels) == 0
    assert sorted(contents(mels)) == ["0, é.wav.npy", "config.yaml", "mine.wav.npy", LEDGER_NAME]
    assert not list(mels.glob(".*"))
    before = tree(mels)
    assert spectrify(audio, mels) == 0
    assert tree(mels) == before


def test_a_file_that_was_closed_to_us_is_tried_again_when_it_is_open():
    """It stayed written down as failed: neither its size nor its time had changed."""
    with folder_for_anybody() as folder:
        audio, mels = folder / "audio", folder / "mels"
        for place in range(2):
            write_clip(audio / f"{place}.wav", 0.3, place)
        with closed(audio / "1.wav"):
            assert "1 failed" in run_as_anybody(MAIN, audio, mels, "--jobs", "1").stdout
            before = tree(mels)
            assert not run_as_anybody(MAIN, audio, mels, "--quiet").stdout
            assert tree(mels) == before
        assert "1 done now: 2 ok, 1 s of audio" in run_as_anybody(MAIN, audio, mels, "--jobs", "1").stdout


MAKING = """
import os, signal, sys
import mels.{module}, spectrify_all

mels.{module}.{function} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
sys.exit(spectrify_all.main())
"""


@pytest.mark.parametrize("place", [("batches", "write_all"), ("batches", "remove_mel")])
def test_killed_between_a_mel_and_its_row_no_mel_stays_that_nobody_knows(tmp_path, place):
    """Where the audio went before the next run, such a mel stayed for good."""
    audio, mels = tmp_path / "audio", tmp_path / "mels"
    write_clip(audio / "a.wav", 0.3, 1)
    write_clip(audio / "low, b/b.wav", 0.3, 2)
    if place[1] == "remove_mel":
        assert spectrify(audio, mels) == 0
        write_audio(audio / "low, b/b.wav", np.zeros((8000, 1), np.float32))
    code = MAKING.format(module=place[0], function=place[1])
    done = subprocess.run([sys.executable, "-c", code, audio, mels, "--jobs", "1"], cwd=ROOT, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert (mels / "low, b/b.wav.npy").exists()
    (mels / "low, b" / ".sound-eval-1-1.tmp").touch()
    if place[1] == "write_all":
        shutil.rmtree(audio / "low, b")
    assert spectrify(audio, mels) == 0
    assert sorted(contents(mels)) == ["a.wav.npy", "config.yaml", LEDGER_NAME]
    assert not (mels / REMOVAL_NAME).exists() and not (mels / "low, b").exists()


def test_the_list_of_a_killed_removal_does_not_lead_out_of_the_folder(clips, tmp_path, capsys):
    mels, elsewhere = tmp_path / "mels", tmp_path / "elsewhere"
    assert spectrify(clips, mels) == 0
    (mels / LEDGER_NAME).rename(mels / REMOVAL_NAME)
    (mels / "b").rename(elsewhere)
    (mels / "b").symlink_to(elsewhere)
    before = tree(tmp_path)
    capsys.readouterr()
    assert spectrify(clips, mels) == 1
    assert f"error: {mels / 'b'}: is a symbolic link" in capsys.readouterr().err
    assert tree(tmp_path) == before
    (mels / REMOVAL_NAME).unlink()
    os.mkfifo(mels / REMOVAL_NAME)
    assert spectrify(clips, mels) == 1
    assert f"error: {mels / REMOVAL_NAME}: is no file; " in capsys.readouterr().err


def test_overwrite_of_an_unchanged_folder_gives_the_same_bytes(audio, mels, made):
    before = tree(mels)
    assert spectrify(audio, mels, "--overwrite") == 0
    assert contents(mels) == contents(made)
    assert {name for name, seen in tree(mels).items() if seen[1] <= before[name][1]} == {"lock"}


@pytest.mark.parametrize("cause", ["no ffmpeg", "no sox", "no audio", "lock"])
def test_overwrite_deletes_nothing_where_nothing_can_be_made(audio, mels, made, tmp_path, monkeypatch, cause):
    flags = ["--overwrite"]
    holder = os.open(mels / "lock", os.O_RDWR)
    if cause == "no ffmpeg":
        monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "none"))
    elif cause == "no sox":
        monkeypatch.setenv("PATH", str(tmp_path))
        flags += ["--set", "decoder=sox"]
    elif cause == "no audio":
        shutil.rmtree(audio)
        audio.mkdir()
    else:
        fcntl.flock(holder, fcntl.LOCK_EX)
    assert spectrify(audio, mels, *flags) == (75 if cause == "lock" else 1)
    os.close(holder)
    assert contents(mels) == contents(made)


@pytest.mark.parametrize(
    ("setting", "old", "new"),
    [
        ("sample_rate_hz=22050", "16000", "22050"),
        ("frame_seconds=0.128", "0.04", "0.128"),
        ("hop_seconds=0.05", "0.02", "0.05"),
        ("mel_bins=64", "80", "64"),
        ("mel_low_hz=60", "80.0", "60.0"),
        ("mel_high_hz=7000", "7600.0", "7000.0"),
        ("decoder=sox", "ffmpeg", "sox"),
    ],
)
def test_another_configuration_is_refused(audio, mels, capsys, setting, old, new):
    key = setting.partition("=")[0]
    before = tree(mels)
    assert spectrify(audio, mels, "--set", setting) == 1
    assert capsys.readouterr().err.endswith(
        f"error: {mels}: was made with {key}: {old}, and {key}: {new} is asked for now; "
        "name another folder, or use --overwrite to make all of it anew\n"
    )
    assert tree(mels) == before


def test_keys_of_training_may_differ(audio, mels):
    before = tree(mels)
    assert spectrify(audio, mels, "--config", str(ROOT / "configs/small_train.yaml"), "--seed=7") == 0
    assert tree(mels) == before


def test_an_output_folder_that_holds_something_else_is_refused(clips, tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/holiday, 1999.jpg").touch()
    for flags in ([], ["--overwrite"]):
        before = tree(tmp_path)
        assert spectrify(clips, tmp_path / "photos", *flags) == 1
        assert capsys.readouterr().err.endswith(
            f"error: {tmp_path / 'photos'}: is no mel folder, and holds 'holiday, 1999.jpg' already; "
            "name a new or an empty folder\n"
        )
        assert spectrify(clips, clips, *flags) == 1
        assert "is no mel folder, and holds 'a, 1.wav' already" in capsys.readouterr().err
        assert spectrify(clips, tmp_path / "photos/holiday, 1999.jpg", *flags) == 1
        assert "is a file; name a folder for the output\n" in capsys.readouterr().err
        assert tree(tmp_path) == before


def test_a_run_folder_is_no_mel_folder(clips, tmp_path, capsys):
    for name in ("config.yaml", "epoc_num.txt", "music_list.txt"):
        (tmp_path / name).write_text("")
    assert spectrify(clips, tmp_path) == 1
    assert "is no mel folder, and holds " in capsys.readouterr().err


def test_an_empty_folder_and_hidden_files_are_no_hindrance(clips, tmp_path):
    (tmp_path / "mels").mkdir()
    (tmp_path / "mels/.directory").touch()
    assert spectrify(clips, tmp_path / "mels") == 0


def test_a_ledger_that_is_none_is_an_error_in_words(clips, tmp_path, capsys):
    mels = tmp_path / "mels"
    assert spectrify(clips, mels) == 0
    (mels / LEDGER_NAME).write_text("song,genre\n")
    capsys.readouterr()
    assert spectrify(clips, mels) == 1
    assert f"error: {mels / LEDGER_NAME}: its first line is not filename,status," in capsys.readouterr().err


def test_no_audio_is_an_error_and_prunes_nothing(audio, mels, capsys):
    before = tree(mels)
    shutil.rmtree(audio)
    assert spectrify(audio, mels, "--prune") == 1
    assert capsys.readouterr().err.endswith(f"error: {audio}: no such audio folder\n")
    audio.mkdir()  # a disk that is not mounted
    (audio / "notes.txt").touch()
    assert spectrify(audio, mels, "--prune") == 1
    assert capsys.readouterr().err.endswith(
        f"error: {audio}: no audio file found in it; name the folder that holds the audio\n"
    )
    assert spectrify(audio / "notes.txt", mels, "--prune") == 1
    assert tree(mels) == before


def test_no_mel_at_all_is_an_error(tmp_path, capsys):
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio/a b.mp3").write_text("words")
    for _ in range(2):
        assert spectrify(tmp_path / "audio", tmp_path / "mels") == 1
        assert capsys.readouterr().err.endswith(f"error: no file gave a mel; see {tmp_path / 'mels' / LEDGER_NAME}\n")
    assert statuses(tmp_path / "mels") == {"a b.mp3": "failed"}


def test_strict_turns_failures_into_1(audio, mels):
    assert spectrify(audio, mels, "--strict") == 1
    for name in ("text.mp3", "empty.wav"):
        (audio / "broken" / name).unlink()
    assert spectrify(audio, mels, "--strict", "--prune") == 0
    assert {"partial", "silent", "too_short"} < set(statuses(mels).values())


@pytest.mark.parametrize("flag", ["--set=mel_bin=3", "--config=none.yaml", "--set=mel_bins=many"])
def test_a_wrong_configuration_is_an_error_and_makes_nothing(clips, tmp_path, capsys, flag):
    assert spectrify(clips, tmp_path / "mels", flag) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "mels").exists()


# Decoders


def test_a_missing_ffmpeg_is_an_error(clips, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "no such ffmpeg"))
    assert spectrify(clips, tmp_path / "mels") == 1
    assert capsys.readouterr().err.endswith(
        f"error: no program ffmpeg found (IMAGEIO_FFMPEG_EXE is '{tmp_path}/no such ffmpeg'); "
        "pip install imageio-ffmpeg, or install ffmpeg\n"
    )
    monkeypatch.delenv("IMAGEIO_FFMPEG_EXE")
    assert spectrify(clips, tmp_path / "mels") == 0


def test_a_missing_sox_is_an_error(clips, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert spectrify(clips, tmp_path / "mels", "--set", "decoder=sox") == 1
    assert capsys.readouterr().err.endswith(
        "error: decoder: sox: no program sox found; install it (apt install sox), or use decoder: ffmpeg\n"
    )


def test_sox_decodes_wav_and_ffmpeg_the_rest(audio, made, tmp_path):
    if not shutil.which("sox"):
        if "CI" in os.environ:
            pytest.fail("sox is missing; apt install sox")
        pytest.skip("sox is not installed")
    mels = tmp_path / "mels"
    assert spectrify(audio, mels, "--set", "decoder=sox") == 0
    rows = read_ledger(mels)
    assert {name: row.decoder for name, row in rows.items()} == {
        name: "sox" if name.lower().endswith(".wav") else "ffmpeg" for name in STATUSES
    }
    assert statuses(mels) == STATUSES
    assert "decoder: sox\n" in (mels / "config.yaml").read_text()
    for name in GOOD:
        by_sox, by_ffmpeg = (np.load(folder / f"{name}.npy") for folder in (mels, made))
        np.testing.assert_allclose(by_sox[1:-1, :70].astype(float), by_ffmpeg[1:-1, :70].astype(float), atol=0.05)


@pytest.mark.slow
def test_a_decoder_that_hangs_costs_only_its_file(clips, tmp_path, ffmpeg, monkeypatch):
    pids = tmp_path / "pids"
    monkeypatch.setenv(
        "IMAGEIO_FFMPEG_EXE",
        program(
            tmp_path / "my ffmpeg",
            f"case \"$*\" in *d.wav*) echo $$ >> '{pids}'; sleep 1000;; esac; exec '{ffmpeg}' \"$@\"",
        ),
    )
    assert spectrify(clips, tmp_path / "mels", "--timeout=1") == 0
    rows = read_ledger(tmp_path / "mels")
    assert statuses(tmp_path / "mels") == {"a, 1.wav": "ok", "b/c 2.wav": "ok", "b/d.wav": "failed"}
    assert rows["b/d.wav"].reason == "the decoder hung and was killed"
    started = [int(line) for line in pids.read_text().split()]
    assert len(started) == 2  # in the batch, and alone
    for pid in started:
        assert not Path(f"/proc/{pid}").exists()


# Two at once


def test_a_second_run_at_once_exits_75(clips, tmp_path, capsys):
    mels = tmp_path / "mels"
    assert spectrify(clips, mels) == 0
    write_clip(clips / "new.wav", 1, 5)
    capsys.readouterr()
    holder = os.open(mels / "lock", os.O_RDWR)
    fcntl.flock(holder, fcntl.LOCK_EX)
    before = tree(mels)
    for flags in ([], ["--overwrite"], ["--retry-failed"]):
        assert spectrify(clips, mels, *flags) == 75
        error = capsys.readouterr().err
        assert f"error: {mels}: in use (another process); " in error
        assert error.endswith("wait for it to end, or stop it, and try again\n")
    (clips / "new.wav").unlink()
    assert spectrify(clips, mels) == 0  # nothing to do, nothing to lock
    assert tree(mels) == before
    os.close(holder)


def test_done_now_leaves_out_what_another_run_did_before_we_had_the_lock(clips, tmp_path, monkeypatch, capsys):
    mels = tmp_path / "mels"

    @contextlib.contextmanager
    def lock_after_another_run(folder: Path) -> Iterator[None]:
        monkeypatch.undo()
        assert spectrify(clips, mels) == 0
        write_clip(clips / "new.wav", 1, 5)
        capsys.readouterr()
        with folder_lock(folder):
            yield

    monkeypatch.setattr("spectrify_all.folder_lock", lock_after_another_run)
    assert spectrify(clips, mels) == 0
    assert ": 4 audio files, 1 done now: 4 ok" in capsys.readouterr().out


# Stopped and killed


@contextlib.contextmanager
def running(audio: Path, mels: Path, *flags: str, **environment: str) -> Iterator[tuple[subprocess.Popen, str]]:
    """A real run in the background, and the mark that all of its processes carry in their environment."""
    mark = uuid.uuid4().hex
    process = subprocess.Popen(
        [sys.executable, SCRIPT, audio, mels, *flags],
        env={**os.environ, **environment, "SOUND_EVAL_TEST_MARK": mark},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process, mark
    finally:
        process.kill()
        kill_all(mark)
        process.communicate()


def marked(mark: str) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return found


def command_line(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def without_resolution(output: str) -> str:
    """What a first run prints behind the line that it begins with."""
    assert output.startswith("resolution: ")
    return output.partition("\n")[2]


def kill_all(mark: str) -> None:
    while pids := marked(mark):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.005)


def holds(process: subprocess.Popen, lock: Path) -> bool:
    """Tell whether a run has come to where it writes."""
    with contextlib.suppress(FileNotFoundError):
        return f"pid: {process.pid}\n" in lock.read_text()
    return False


def rows_written(mels: Path) -> int:
    try:
        return (mels / LEDGER_NAME).read_bytes().count(b"\n") - 1
    except FileNotFoundError:
        return 0


@pytest.fixture
def many(tmp_path) -> Path:
    """40 short wavs in folders, two files of which hold no audio."""
    for place in range(40):
        write_clip(tmp_path / "many, é" / f"folder {place % 3}/{place}.wav", 0.3 + 0.05 * (place % 9), place)
    for place in (7, 8):
        (tmp_path / "many, é" / f"folder {place % 3}/{place}.wav").write_text("words")
    return tmp_path / "many, é"


@pytest.fixture
def slow_ffmpeg(tmp_path, ffmpeg) -> str:
    return program(tmp_path / "slow ffmpeg", f"sleep 0.1; exec '{ffmpeg}' \"$@\"")


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["--jobs=1", "--jobs=2"])
@pytest.mark.parametrize("whom", ["the process", "all of its processes"])
def test_killed_at_any_moment_the_next_run_goes_on(many, tmp_path, whom, jobs):
    mels = tmp_path / "mels"
    draw = random.Random(f"{whom} {jobs}")
    killed = 0
    with contextlib.ExitStack() as stack:  # what a run leaves behind may still be there when the next one starts
        for round_ in range(4):
            for path in sorted(many.rglob("*.wav")):  # a third of the files has changed, in length too
                if draw.random() < 0.33 and path.stat().st_size > 100:
                    write_clip(path, draw.uniform(0.3, 0.9), round_)
            process, mark = stack.enter_context(running(many, mels, "--quiet", jobs))
            wait_until(lambda process=process: holds(process, mels / "lock") or process.poll() is not None)
            time.sleep(draw.uniform(0.0, 1.0))
            process.kill()
            if whom == "all of its processes":
                kill_all(mark)
            killed += process.wait() == -signal.SIGKILL
            check_is_sound(mels)
            for row in read_ledger(mels).values():
                source = (many / row.filename).stat()
                if row.has_mel and row.mtime == f"{source.st_mtime_ns // 10**9}.{source.st_mtime_ns % 10**9:09d}":
                    assert len(read_mel(mels / f"{row.filename}.npy")) == row.frames
    assert killed > 0
    assert spectrify(many, mels) == 0
    assert spectrify(many, tmp_path / "undisturbed") == 0
    assert contents(mels) == contents(tmp_path / "undisturbed")


@pytest.mark.slow
def test_nothing_runs_on_after_a_kill(many, tmp_path, slow_ffmpeg):
    mels = tmp_path / "mels"
    with running(many, mels, "--jobs=2", IMAGEIO_FFMPEG_EXE=slow_ffmpeg) as (process, mark):
        wait_until(lambda: rows_written(mels) > 0)
        process.kill()
        wait_until(lambda: not marked(mark), seconds=20)
        output, errors = process.communicate()
    assert (without_resolution(output), errors) == ("", "")  # cron would mail it


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "send", "jobs"),
    [
        (signal.SIGINT, os.killpg, "--jobs=2"),  # Ctrl-C on a terminal reaches the workers too
        (signal.SIGINT, os.kill, "--jobs=2"),
        (signal.SIGTERM, os.kill, "--jobs=2"),
        (signal.SIGTERM, os.killpg, "--jobs=1"),
        (signal.SIGTERM, os.killpg, "--jobs=2"),  # as timeout, systemd and batch schedulers do
    ],
    ids=["Ctrl-C", "kill -INT", "kill", "kill of the group, one job", "kill of the group"],
)
def test_a_signal_ends_it_with_one_line(many, tmp_path, slow_ffmpeg, number, send, jobs):
    mels = tmp_path / "mels"
    with running(many, mels, jobs, IMAGEIO_FFMPEG_EXE=slow_ffmpeg) as (process, mark):
        wait_until(lambda: rows_written(mels) > 0)
        send(process.pid, number)
        output, errors = process.communicate(timeout=30)
        wait_until(lambda: not marked(mark))
    assert errors == "spectrify_all.py: interrupted; what was finished is kept, and the same command goes on\n"
    assert (process.returncode, without_resolution(output)) == (0, "")
    rows = read_ledger(mels)
    assert 0 < len(rows) < 40
    assert list(rows) == sorted(rows, key=os.fsencode)
    check_is_sound(mels)
    if jobs == "--jobs=2":
        before = tree(mels)
        assert spectrify(many, mels) == 0
        assert len(read_ledger(mels)) == 40
        after = tree(mels)
        assert all(after[f"{name}.npy"] == before[f"{name}.npy"] for name, row in rows.items() if row.has_mel)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_workers_start_is_one_line(many, tmp_path, number):
    """They answered Ctrl-C by tracebacks of their imports."""
    for place in range(3):
        with running(many, tmp_path / f"mels {place}", "--jobs=2") as (process, mark):
            wait_until(lambda: any(b"LokyProcess" in command_line(pid) for pid in marked(mark)))
            os.killpg(process.pid, number)
            _, errors = process.communicate(timeout=30)
        assert errors == "spectrify_all.py: interrupted; what was finished is kept, and the same command goes on\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "whose", [b"joblib.externals.loky.backend.resource_tracker", b"multiprocessing.resource_tracker"]
)
def test_a_helper_process_that_is_killed_is_nobodys_concern(many, tmp_path, slow_ffmpeg, whose):
    mels = tmp_path / "mels"
    with running(many, mels, "--jobs=2", IMAGEIO_FFMPEG_EXE=slow_ffmpeg) as (process, mark):
        wait_until(lambda: rows_written(mels) > 0)
        helpers = [pid for pid in marked(mark) if whose in command_line(pid)]
        assert helpers
        for pid in helpers:
            os.kill(pid, signal.SIGKILL)
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert "40 audio files, 40 done now: 38 ok, 2 failed" in output


def test_without_shared_memory_it_is_one_file_at_a_time(many, tmp_path):
    """It was a traceback, "signal only works in main thread", where /dev/shm was full or missing."""
    with running(many, tmp_path / "mels", "--jobs=2", JOBLIB_MULTIPROCESSING="0") as (process, _):
        output, errors = process.communicate(timeout=60)
    assert errors == "one file at a time: no shared memory for more processes (is /dev/shm full?)\n"
    assert (process.returncode, " 38 ok, 2 failed" in output) == (0, True)


def test_too_little_memory_is_written_down_of_no_file(clips, tmp_path, capsys, monkeypatch):
    lacking = program(tmp_path / "lacking ffmpeg", "kill -KILL $$")
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", lacking)
    assert spectrify(clips, tmp_path / "mels", "--jobs=1") == 1
    assert "out of memory" in capsys.readouterr().err
    assert read_ledger(tmp_path / "mels") == {}
    monkeypatch.undo()
    assert spectrify(clips, tmp_path / "mels", "--jobs=1") == 0
    assert {row.status for row in read_ledger(tmp_path / "mels").values()} == {"ok"}


def test_a_worker_that_dies_of_a_signal_is_no_error_where_the_signal_comes_to_us_later():
    """The kernel serves the processes of a group in any order."""

    def results():
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
        raise UserError("a worker was killed")
        yield

    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    try:
        with pytest.raises(KeyboardInterrupt):
            list(until_signal(results()))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def listens(process: subprocess.Popen) -> bool:
    """Tell whether a run answers SIGTERM itself: from then on it answers for all that it does."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def pretended(folder: Path, count: int, clip: Path) -> tuple[Path, Path]:
    """Links to one clip in some folders, and the mel folder that spectrify_all.py would have made of them."""
    audio, mels = folder / "many links", folder / "their mels"
    one = folder / "one"
    one.mkdir()
    shutil.copy2(clip, one / "a.wav")
    assert spectrify(one, mels) == 0
    (row,) = read_ledger(mels).values()
    names = [f"{place % 7}/{place:05d}.wav" for place in range(count)]
    for place in range(7):
        (audio / str(place)).mkdir(parents=True)
        (mels / str(place)).mkdir()
    for name in names:
        os.link(one / "a.wav", audio / name)
        os.link(mels / "a.wav.npy", mels / f"{name}.npy")
    (mels / "a.wav.npy").unlink()
    write_ledger(mels, {name: dataclasses.replace(row, filename=name) for name in names})
    return audio, mels


@pytest.mark.slow
def test_a_signal_is_answered_at_any_moment_of_listing_and_planning(clips, tmp_path):
    audio, mels = pretended(tmp_path, 20_000, clips / "a, 1.wav")
    before, interrupted = tree(mels), 0
    draw = random.Random(5)
    for round_ in range(6):
        with running(audio, mels) as (process, _):
            wait_until(lambda process=process: listens(process))
            time.sleep(draw.uniform(0, 0.3))
            process.send_signal([signal.SIGINT, signal.SIGTERM][round_ % 2])
            output, errors = process.communicate(timeout=30)
        assert process.returncode == 0
        if not output:
            interrupted += 1
            assert errors == (
                "spectrify_all.py: interrupted; what was finished is kept, and the same command goes on\n"
            )
    assert interrupted > 0
    assert tree(mels) == before


@pytest.mark.slow
def test_a_signal_while_pruning_leaves_the_rest_for_the_next_run(clips, tmp_path):
    audio, mels = pretended(tmp_path, 60_000, clips / "a, 1.wav")
    shutil.rmtree(audio)
    write_clip(audio / "0/00000.wav", 1, 0)
    with running(audio, mels, "--prune") as (process, _):
        while (mels / "0/00007.wav.npy").exists() and process.poll() is None:  # the first to go
            pass
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, output) == (0, "")
    assert errors == "spectrify_all.py: interrupted; what was finished is kept, and the same command goes on\n"
    rows = read_ledger(mels)
    assert 1 < len(rows) < 60_000
    assert sorted(f"{name}.npy" for name in rows) == sorted(str(path.relative_to(mels)) for path in mels.rglob("*.npy"))
    assert spectrify(audio, mels, "--prune") == 0
    assert statuses(mels) == {"0/00000.wav": "ok"}
    assert [path.name for path in mels.rglob("*.npy")] == ["00000.wav.npy"]


@pytest.mark.slow
@pytest.mark.parametrize("numbers", [(signal.SIGINT, signal.SIGTERM), (signal.SIGTERM, signal.SIGINT)], ids=str)
def test_a_second_signal_ends_it_at_once(many, tmp_path, numbers):
    hanging = program(tmp_path / "my ffmpeg", f"echo $$ >> '{tmp_path}/pids'; exec sleep 1000")
    with running(many, tmp_path / "mels", "--jobs=2", IMAGEIO_FFMPEG_EXE=hanging) as (process, mark):
        wait_until((tmp_path / "pids").exists)
        process.send_signal(signal.SIGSTOP)  # so that it sees both at once, however fast it is
        for number in numbers:
            process.send_signal(number)
        process.send_signal(signal.SIGCONT)
        assert process.wait(timeout=30) in (130, 143)
        wait_until(lambda: not marked(mark), seconds=10)


@pytest.mark.slow
def test_a_signal_leaves_no_hanging_decoder(many, tmp_path):
    hanging = program(tmp_path / "my ffmpeg", f"echo $$ >> '{tmp_path}/pids'; exec sleep 1000")
    with running(many, tmp_path / "mels", "--jobs=2", IMAGEIO_FFMPEG_EXE=hanging) as (process, mark):
        wait_until((tmp_path / "pids").exists)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        assert process.returncode == 0
        wait_until(lambda: not marked(mark), seconds=5)


@pytest.mark.slow
def test_a_killed_run_leaves_no_hanging_decoder_after_the_time_out(many, tmp_path):
    hanging = program(tmp_path / "my ffmpeg", f"echo $$ >> '{tmp_path}/pids'; exec sleep 1000")
    with running(many, tmp_path / "mels", "--jobs=2", "--timeout=2", IMAGEIO_FFMPEG_EXE=hanging) as (process, mark):
        wait_until((tmp_path / "pids").exists)
        process.kill()
        wait_until(lambda: not marked(mark), seconds=20)


@pytest.mark.slow
def test_a_worker_that_is_killed_is_an_error_and_the_next_run_goes_on(many, tmp_path, slow_ffmpeg):
    mels = tmp_path / "mels"
    with running(many, mels, "--jobs=2", IMAGEIO_FFMPEG_EXE=slow_ffmpeg) as (process, mark):
        wait_until(lambda: rows_written(mels) > 0)
        workers = [pid for pid in marked(mark) if b"LokyProcess" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        os.kill(workers[0], signal.SIGKILL)
        _, errors = process.communicate(timeout=30)
        wait_until(lambda: not marked(mark))
    assert process.returncode == 1
    assert errors == (
        "spectrify_all.py: error: a worker was killed, perhaps for want of memory; run the same command with --jobs 1\n"
    )
    check_is_sound(mels)
    assert 0 < len(read_ledger(mels)) < 40
    assert spectrify(many, mels) == 0
    assert len(read_ledger(mels)) == 40


@pytest.mark.slow
def test_two_real_runs_at_once(many, tmp_path, slow_ffmpeg):
    mels = tmp_path / "mels"
    with running(many, mels, "--jobs=2", IMAGEIO_FFMPEG_EXE=slow_ffmpeg) as (process, _):
        wait_until(lambda: rows_written(mels) > 0)
        second = subprocess.run([sys.executable, SCRIPT, many, mels], capture_output=True, text=True)
        assert second.returncode == 75
        assert f"in use (pid: {process.pid}, host: " in second.stderr
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert "40 audio files, 40 done now: 38 ok, 2 failed" in output


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["--jobs=1", "--jobs=2"])
def test_a_disk_that_takes_no_more_is_an_error_and_nothing_is_lost(many, tmp_path, jobs):
    """The largest of 40 mels is more than a file may hold here."""
    write_clip(many / "folder 1/long.wav", 20, 5)
    mels = tmp_path / "mels"
    done = subprocess.run(
        [sys.executable, SCRIPT, many, mels, jobs],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert os.strerror(errno.EFBIG) in done.stderr
    check_is_sound(mels)
    assert "folder 1/long.wav" not in read_ledger(mels)
    assert not list(mels.rglob(".*.tmp"))
    assert spectrify(many, mels) == 0
    assert statuses(mels)["folder 1/long.wav"] == "ok"


# Long recordings


def peak_memory(*argv: str | Path) -> int:
    """Run a command and return the most bytes that it, or a process that it started, had resident."""
    script = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    return 1024 * int(subprocess.check_output([sys.executable, "-c", script, *argv]))


@pytest.mark.slow
def test_a_long_recording_takes_little_memory_and_gives_the_frames_of_the_whole(tmp_path):
    """90 minutes: as float32 at once they would be 173 MB, and ten hours over a gigabyte."""
    rate_hz = 8000
    steps = np.random.default_rng(0).integers(0, 256, 90 * 60 * rate_hz, np.uint8)
    for name, part in {"a long night, é.wav": steps, "a minute.wav": steps[: 60 * rate_hz]}.items():
        path = tmp_path / name.removesuffix(".wav") / name
        path.parent.mkdir()
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 1, rate_hz, len(part), "NONE", ""))
            file.writeframes(part.tobytes())
    settings = ["--jobs=1", "--set=sample_rate_hz=8000", "--set=mel_high_hz=3800", "--set=frame_seconds=0.256"]
    short, long = (
        peak_memory(sys.executable, SCRIPT, tmp_path / name, tmp_path / f"mels of {name}", *settings)
        for name in ("a minute", "a long night, é")
    )
    assert long < 400e6
    assert long - short < 60e6

    mel = np.load(tmp_path / "mels of a long night, é/a long night, é.wav.npy", mmap_mode="r")
    assert mel.shape == (1 + (len(steps) - 2048) // 800, 80)
    changes = {"sample_rate_hz": 8000, "mel_high_hz": 3800, "frame_seconds": 0.256}
    config = build_config({**read_config_file(DEFAULT_CONFIG), **changes}, "")
    framer = MelFramer(config)
    places = np.unique(np.r_[0:200, np.random.default_rng(1).integers(0, len(mel), 3000), len(mel) - 100 : len(mel)])
    frames = (steps[places[:, None] * 800 + np.arange(2048)].astype(np.float32) - 128) / 128
    expected = np.log(np.abs(np.fft.rfft(frames * framer.window)) @ framer.matrix + 1e-6)
    np.testing.assert_allclose(mel[places].astype(np.float32), expected, atol=0.004 + 1e-3)
