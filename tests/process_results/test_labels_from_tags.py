"""A label table of the files' own tags: what is read, what is left alone, and whose columns are whose."""

from __future__ import annotations

import csv
import os
import shutil
from pathlib import Path

import mutagen
import numpy as np
import pytest
from conftest import tone, tree, write_audio

from judging.labels import label_songs, read_label_table
from process_results.labels_from_tags import HEADER, main
from static_web_viewer.page.columns import label_columns

FILES = {
    "=rock/-a, 'b'.mp3": {"title": "One\nline", "artist": "Ёлка", "genre": "Rock", "date": "1999"},
    "=rock/c.flac": {"title": "=1+1", "artist": "Ёлка", "album": "an album", "genre": "Rock", "track": "2/9"},
    "d.wav": {"title": "caf\xe9", "artist": "D", "genre": "Folk"},
    "e.ogg": {},
}


@pytest.fixture(scope="module")
def tagged(tmp_path_factory, ffmpeg) -> Path:
    folder = tmp_path_factory.mktemp("tagged")
    for name, tags in FILES.items():
        options = [word for key, value in tags.items() for word in ("-metadata", f"{key}={value}")]
        write_audio(folder / name, tone(0.5, 440), 44100, ffmpeg, *options)
    return folder


@pytest.fixture
def audio(tagged, tmp_path) -> Path:
    folder = shutil.copytree(tagged, tmp_path / "the audio")
    os.rename(folder / "d.wav", os.fsencode(folder) + b"/caf\xe9.wav")
    (folder / "broken.mp3").write_bytes(b"nothing" * 100)
    (folder / "notes.txt").write_text("no audio")
    (folder / ".hidden.mp3").write_bytes(b"")
    return folder


@pytest.fixture
def output(tmp_path) -> Path:
    (tmp_path / "tables").mkdir()
    return tmp_path / "tables" / "labels, mine.csv"


def run(audio: Path, output: Path, *more: str) -> int:
    return main([str(audio), str(output), "--quiet", *more])


def rows_of(output: Path) -> dict[str, dict[str, str]]:
    with output.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return {row["filename"]: row for row in csv.DictReader(file)}


def change(output: Path, columns: list[str], rows: list[dict[str, str]]) -> None:
    with output.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


def retag(path: Path, **tags: str) -> None:
    sound = mutagen.File(path, easy=True)
    for key, value in tags.items():
        sound[key] = [value]
    sound.save()


def refused(capsys, *parts: object) -> None:
    out, err = capsys.readouterr()
    assert not out and err.count("\n") == 1 and "error:" in err
    for part in parts:
        assert str(part) in err


def test_every_audio_file_has_its_row(audio, output, capsys):
    assert run(audio, output) == 0
    assert capsys.readouterr().out == (
        f"{output}: 5 audio files, 5 read now\n"
        "filled in: title 3, artist 3, album 1, genre 3, year 1, track 1, duration 4; empty: bpm\n"
        "1 file whose tags cannot be read, e.g. broken.mp3\n"
    )
    rows = rows_of(output)
    assert list(rows) == ["=rock/-a, 'b'.mp3", "=rock/c.flac", "broken.mp3", "caf\udce9.wav", "e.ogg"]
    first = rows["=rock/-a, 'b'.mp3"]
    assert list(first) == list(HEADER)
    assert (first["title"], first["artist"], first["year"]) == ("One line", "Ёлка", "1999")
    assert (rows["=rock/c.flac"]["title"], rows["=rock/c.flac"]["track"]) == ("=1+1", "2")
    assert rows["caf\udce9.wav"]["title"] == "café"
    assert set(rows["broken.mp3"].values()) == {"", "broken.mp3"}
    assert float(rows["e.ogg"]["duration"]) == pytest.approx(0.5, abs=0.05)


def test_where_nothing_is_new_nothing_is_touched(audio, output, capsys):
    assert run(audio, output) == 0
    before = tree(output.parent)
    assert sorted(before) == [".labels, mine.csv.seen", "labels, mine.csv"]
    capsys.readouterr()
    assert run(audio, output) == 0
    assert "5 audio files, 0 read now" in capsys.readouterr().out
    assert tree(output.parent) == before
    assert run(audio, output, "--overwrite") == 0
    assert "5 audio files, 5 read now" in capsys.readouterr().out
    assert tree(output.parent) == before


def test_only_what_is_new_or_changed_is_read(audio, output, capsys):
    assert run(audio, output) == 0
    rows = rows_of(output)
    rows["e.ogg"]["genre"] = "by hand"  # stays: its file is as it was
    change(output, list(HEADER), list(rows.values()))
    retag(audio / "=rock/c.flac", title="Two", bpm="120")
    shutil.copy(audio / "e.ogg", audio / "new.ogg")
    capsys.readouterr()
    assert run(audio, output) == 0
    assert "6 audio files, 2 read now" in capsys.readouterr().out
    rows = rows_of(output)
    assert (rows["=rock/c.flac"]["title"], rows["=rock/c.flac"]["bpm"]) == ("Two", "120")
    assert rows["e.ogg"]["genre"] == "by hand" and "new.ogg" in rows


def test_columns_of_ones_own_survive(audio, output):
    assert run(audio, output) == 0
    rows = [{**row, "mood, mine": f"mood of {name}"} for name, row in rows_of(output).items()]
    columns = ["mood, mine", *reversed(HEADER)]
    change(output, columns, rows)
    retag(audio / "e.ogg", artist="E")
    shutil.copy(audio / "e.ogg", audio / "a new one.ogg")
    for more in ([], ["--overwrite"]):
        assert run(audio, output, *more) == 0
        found = rows_of(output)
        assert list(next(iter(found.values()))) == columns
        assert found.pop("a new one.ogg")["mood, mine"] == "" or more
        assert all(row["mood, mine"] == f"mood of {name}" for name, row in found.items())
        assert found["e.ogg"]["artist"] == "E"


def test_rows_of_files_that_are_gone_stay_until_prune(audio, output, capsys):
    assert run(audio, output) == 0
    (audio / "e.ogg").unlink()
    capsys.readouterr()
    before = tree(output.parent)
    assert run(audio, output) == 0
    assert "1 audio file gone (e.ogg): their rows stay; --prune removes them" in capsys.readouterr().out
    assert tree(output.parent) == before
    assert run(audio, output, "--prune") == 0
    assert "1 audio file gone (e.ogg): rows removed" in capsys.readouterr().out
    assert "e.ogg" not in rows_of(output)


def test_what_spectrify_all_leaves_out_is_left_out(audio, output, capsys):
    (audio / "=rock" / ".nomedia").write_bytes(b"")
    os.rename(audio / "broken.mp3", audio / "two\nlines.mp3")
    assert run(audio, output, "--exclude", "*.ogg") == 0
    assert list(rows_of(output)) == ["caf\udce9.wav"]
    out = capsys.readouterr().out
    assert "1 folder skipped for a file .nomedia or .notmusic" in out
    assert "1 file with a line break in the name left out; rename them" in out


def test_a_table_that_is_not_ours_is_never_replaced(audio, output, capsys):
    for content, says in (
        ("filename,genre\ne.ogg,x\n", "is no table of this script, it has no column 'title', and would be replaced"),
        (",".join([*HEADER, "mine", "mine"]) + "\n", "two columns are named 'mine'; rename one"),
        (",".join(HEADER) + "\ne.ogg,x\ne.ogg,y\n", "'e.ogg' has two rows; keep the right one"),
        (",".join(HEADER) + '\n"e.ogg\n', "put double quotes around"),
    ):
        output.write_text(content)
        assert run(audio, output, "--overwrite") == 1
        refused(capsys, output, says)
        assert output.read_text() == content
    output.unlink()
    (output.parent / ".labels, mine.csv.seen").write_text("somebody's")
    assert run(audio, output) == 0  # without a table nothing was seen


def test_errors_say_what_to_do(audio, output, tmp_path, capsys):
    assert run(tmp_path / "gone", output) == 1
    refused(capsys, f"{tmp_path}/gone: no such audio folder")
    assert run(output.parent, output) == 1
    refused(capsys, f"{output.parent}: no audio file found in it; name the folder that holds the audio")
    assert run(audio, output.with_suffix(".txt")) == 1
    refused(capsys, "the name must end in .csv")
    assert run(audio, tmp_path / "no" / "x.csv") == 1
    refused(capsys, "make it first")
    assert not output.exists()
    assert run(audio, output) == 0
    seen = output.parent / ".labels, mine.csv.seen"
    seen.write_text("somebody's")
    capsys.readouterr()
    assert run(audio, output) == 1
    refused(capsys, seen, "or remove the file, and all tags are read again")


def test_a_file_that_the_disk_does_not_give_keeps_its_row_and_is_tried_again(audio, output, capsys):
    assert run(audio, output) == 0
    shutil.move(audio / "=rock/c.flac", audio.parent / "c.flac")
    (audio / "=rock/c.flac").symlink_to("/proc/self/mem")  # nobody may read its first page
    capsys.readouterr()
    for _ in range(2):
        assert run(audio, output) == 0
        out = capsys.readouterr().out
        assert "5 audio files, 1 read now" in out and "2 files whose tags cannot be read, e.g. =rock/c.flac" in out
        assert rows_of(output)["=rock/c.flac"]["title"] == "=1+1"
    shutil.move(audio.parent / "c.flac", audio / "=rock/c.flac")
    assert run(audio, output) == 0
    assert "1 file whose tags cannot be read, e.g. broken.mp3" in capsys.readouterr().out


def test_every_reader_of_label_tables_takes_it(audio, output):
    assert run(audio, output) == 0
    names = [f"{name}.npy" for name in rows_of(output)]
    labelled = label_songs(read_label_table(output), names, "genre", "artist")
    assert labelled.labels == ["Rock", "Rock", "Folk"] and labelled.groups == ["Ёлка", "Ёлка", "D"]
    columns = {column.name: list(column.values) for column in label_columns(output, names, False)}
    assert list(columns) == list(HEADER[1:])
    assert columns["genre"] == ["Rock", "Rock", "", "Folk", ""]
    assert np.count_nonzero(np.array(columns["duration"]) != "") == 4
