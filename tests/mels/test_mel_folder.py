"""The mel folder: its ledger, which mels it holds, and reading them."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from anybody import closed, folder_for_anybody, run_as_anybody
from conftest import tree, write_mels
from hypothesis import given
from hypothesis import strategies as st

from config import CONFIG_NAME, DEFAULT_CONFIG, audio_half, shipped_config, to_yaml
from files import has_line_break, is_plain
from mels import mel_folder
from mels.mel_folder import (
    COLUMNS,
    LEDGER_NAME,
    OLD_COLUMNS,
    LedgerRow,
    is_ledger_in_order,
    ledger_text,
    list_mels,
    mel_checksum,
    mel_shape,
    read_audio_half,
    read_ledger,
    read_mel,
    write_ledger,
)
from utils import ROOT, UserError

NO_TEXT = os.fsdecode(b"\xff\xfe.mp3")
AWKWARD = ["a b/c, d.mp3", "quo\"te's.wav", "-rf.mp3", "Søren.ogg", NO_TEXT, "tab\t,\u2028\x85.mp3"]

AUDIO_HALF = audio_half(shipped_config(DEFAULT_CONFIG))

names = st.binary(min_size=1).map(os.fsdecode).filter(lambda name: is_plain(name) and not has_line_break(name))
reasons = st.text(st.characters(exclude_characters="\0\n\r", exclude_categories=["Cs"]))


def row(filename: str, status: str = "ok", frames: int = 30) -> LedgerRow:
    return LedgerRow(filename, status, 3.1, frames, 1234, "1700000000.123456789", "ffmpeg", "")


def message(function, *arguments) -> str:
    with pytest.raises(UserError) as raised:
        function(*arguments)
    return str(raised.value)


# The ledger


def test_the_columns_are_the_public_ones():
    assert ",".join(COLUMNS) == "filename,status,seconds,frames,size,mtime,decoder,reason,checksum"


@given(
    rows=st.lists(
        st.builds(
            LedgerRow,
            names,
            st.sampled_from(["ok", "partial", "silent", "too_short", "failed"]),
            st.integers(0, 10**9).map(lambda milliseconds: milliseconds / 1000),
            *[st.integers(0, 2**40)] * 2,
            st.integers(0, 10**18).map(lambda nanoseconds: f"{nanoseconds // 10**9}.{nanoseconds % 10**9:09d}"),
            st.sampled_from(["ffmpeg", "sox"]),
            reasons,
            st.sampled_from(["", "0123abcd"]),
        ),
        unique_by=lambda each: each.filename,
        max_size=6,
    )
)
def test_what_is_written_is_read_back_sorted_by_bytes(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("a ledger")
    write_ledger(folder, {each.filename: each for each in rows})
    read = read_ledger(folder)
    assert read == {each.filename: each for each in rows}
    assert list(read) == sorted(read, key=os.fsencode)
    assert (folder / LEDGER_NAME).read_bytes().count(b"\n") == 1 + len(rows)


def test_no_ledger_is_an_empty_one(tmp_path):
    assert read_ledger(tmp_path) == {}
    (tmp_path / LEDGER_NAME).write_bytes(b"")
    assert read_ledger(tmp_path) == {}


def test_the_last_row_of_a_file_is_the_one_that_holds(tmp_path):
    (tmp_path / LEDGER_NAME).write_bytes(ledger_text([row("a", "failed", 0), row("b"), row("a")], header=True))
    assert read_ledger(tmp_path) == {"a": row("a"), "b": row("b")}


def test_a_torn_last_line_is_left_out_wherever_it_was_torn(tmp_path):
    whole = ledger_text([row(name) for name in AWKWARD], header=True)
    path = tmp_path / LEDGER_NAME
    for end in range(len(ledger_text([], header=True)), len(whole)):
        path.write_bytes(whole[:end])
        read = read_ledger(tmp_path)
        assert list(read) == AWKWARD[: whole[:end].count(b"\n") - 1]


def test_a_long_ledger_is_written_and_compared_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(mel_folder, "ROWS_AT_ONCE", 2)
    rows = {name: row(name) for name in AWKWARD}
    write_ledger(tmp_path, rows)
    path, whole = tmp_path / LEDGER_NAME, ledger_text([rows[name] for name in sorted(rows, key=os.fsencode)], True)
    assert path.read_bytes() == whole
    assert is_ledger_in_order(tmp_path, rows)
    for other in (whole + b"more", whole[:-1], whole.replace(b"ok", b"no"), b"", whole[:100]):
        path.write_bytes(other)
        assert not is_ledger_in_order(tmp_path, rows)


def test_a_carriage_return_ends_no_row(tmp_path):
    whole = ledger_text([row("a"), row("b")], header=True)
    for torn in (b"c,ok,1\r2", b"c\r\r", b"\r"):
        (tmp_path / LEDGER_NAME).write_bytes(whole + torn)
        assert list(read_ledger(tmp_path)) == ["a", "b"]


def test_a_file_that_is_no_ledger_is_refused(tmp_path):
    (tmp_path / LEDGER_NAME).write_text("song,genre\na,b\n")
    assert message(read_ledger, tmp_path) == (
        f"{tmp_path / LEDGER_NAME}: its first line is not {','.join(COLUMNS)}; it is no ledger of spectrify_all.py"
    )


def write_old_ledger(folder: Path, rows: list[LedgerRow]) -> None:
    """A ledger from before it had checksums."""
    (folder / LEDGER_NAME).write_bytes(ledger_text(rows, header=True, columns=OLD_COLUMNS))


def test_a_ledger_without_checksums_is_read_and_in_order(tmp_path):
    rows = [row("a"), row("b")]
    write_old_ledger(tmp_path, rows)
    assert (tmp_path / LEDGER_NAME).read_text().startswith("filename,status,seconds,frames,size,mtime,decoder,reason\n")
    read = read_ledger(tmp_path)
    assert list(read.values()) == rows
    assert is_ledger_in_order(tmp_path, read)
    write_old_ledger(tmp_path, rows[::-1])
    assert not is_ledger_in_order(tmp_path, read_ledger(tmp_path))
    write_ledger(tmp_path, read)
    assert list(read_ledger(tmp_path).values()) == rows
    assert is_ledger_in_order(tmp_path, read)


def test_a_row_of_another_ledgers_length_is_refused(tmp_path):
    for columns, others in [(COLUMNS, OLD_COLUMNS), (OLD_COLUMNS, COLUMNS)]:
        text = ledger_text([], True, columns) + ledger_text([row("a")], False, others)
        (tmp_path / LEDGER_NAME).write_bytes(text)
        assert f"{tmp_path / LEDGER_NAME}, line 2: not a ledger row" in message(read_ledger, tmp_path)


def test_the_checksum_is_of_the_values_alone():
    mel = np.arange(12, dtype=np.float16).reshape(3, 4)
    assert mel_checksum(mel) == f"{zlib.crc32(mel.tobytes()):08x}"
    assert mel_checksum(mel) == mel_checksum(np.asfortranarray(mel)) == mel_checksum(np.repeat(mel, 2, axis=0)[::2])
    assert mel_checksum(mel) != mel_checksum(mel + np.float16(1))
    assert len(mel_checksum(np.zeros((0, 4), np.float16))) == 8


@pytest.mark.parametrize(
    "line",
    [
        "a,ok",
        "",
        "a,ok,long,1,1,1,ffmpeg,,",
        "a,ok,1,x,1,1,ffmpeg,,",
        'a,"ok,1,1,1,1,ffmpeg,,',
        f"a,ok,1,{10**30},1,1,ffmpeg,,",
        f"a,ok,1,{'9' * 5000},1,1,ffmpeg,,",
        "a,ok,1,-1,1,1,ffmpeg,,",
        "a,ok,nan,1,1,1,ffmpeg,,",
        "a,ok,1,1,1,1,ffm\0peg,,",
    ],
)
def test_a_broken_row_is_named_by_its_line(tmp_path, line):
    text = ledger_text([row("first")], header=True) + line.encode() + b"\n" + ledger_text([row("last")], header=False)
    (tmp_path / LEDGER_NAME).write_bytes(text)
    error = message(read_ledger, tmp_path)
    assert error.startswith(f"{tmp_path / LEDGER_NAME}, line 3: not a ledger row: ")
    assert error.endswith("remove that line")
    assert len(error) < 1000


OUTSIDE = [
    "/tmp/x",
    "../x",
    "a/../../x",
    "a/..",
    "..",
    ".",
    "./x",
    "a/./x",
    "a//x",
    "a/",
    "",
    "a\0x",
    "//nx.mp3",
    "a//nx.mp3",
]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_row_that_leads_out_of_the_folder_is_refused_by_its_line(tmp_path, name):
    (tmp_path / LEDGER_NAME).write_bytes(ledger_text([row("first"), row(name)], header=True))
    error = message(read_ledger, tmp_path)
    assert error.startswith(f"{tmp_path / LEDGER_NAME}, line 3: its filename is no path below a folder: ")
    assert error.endswith("remove that line")


@pytest.mark.parametrize("name", ["a//nx.mp3", "//nx.mp3", "a/x//r.mp3", "a///n/x.mp3"])
def test_a_failed_file_with_a_line_break_in_its_name_keeps_its_row(tmp_path, name):
    write_ledger(tmp_path, {name: row(name, "failed", 0)})
    assert list(read_ledger(tmp_path)) == [name]
    write_ledger(tmp_path, {f"../{name}": row(f"../{name}", "failed", 0)})
    assert "line 2: its filename" in message(read_ledger, tmp_path)


def test_a_stray_quote_in_a_long_ledger_is_an_error_in_words(tmp_path):
    rows = [row(f"folder/{number}.mp3") for number in range(5000)]
    text = ledger_text(rows, header=True).replace(b"folder/7.mp3", b'"folder/7.mp3')
    (tmp_path / LEDGER_NAME).write_bytes(text)
    assert f"{tmp_path / LEDGER_NAME}" in message(read_ledger, tmp_path)


# Which mels there are


def made_by_spectrify(folder: Path, songs: dict[str, int], **statuses: str) -> Path:
    for name, frames in songs.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(folder / f"{name}.npy", np.zeros((frames, 12), np.float16))
    rows = {name: row(name, statuses.get(name, "ok"), frames) for name, frames in songs.items()}
    write_ledger(folder, rows)
    (folder / CONFIG_NAME).write_bytes(to_yaml({**AUDIO_HALF, "mel_bins": 12}))
    return folder


def test_a_mel_folder_is_listed_by_its_ledger(tmp_path):
    songs = {name: 20 + place for place, name in enumerate(AWKWARD)}
    folder = made_by_spectrify(tmp_path / "the mels", songs)
    write_mels(folder, {"not in the ledger.mp3": 10})
    before = tree(folder)
    mels = list_mels(folder)
    assert mels.names == sorted((f"{name}.npy" for name in songs), key=os.fsencode)
    assert mels.frames.tolist() == [songs[name.removesuffix(".npy")] for name in mels.names]
    assert (mels.frames.dtype, mels.bins, mels.left_out) == (np.int64, 12, [])
    assert tree(folder) == before


def test_mels_are_sorted_by_the_bytes_of_their_own_names(tmp_path):
    folder = made_by_spectrify(tmp_path, {"a.mp3": 3, "a.mp3-b.mp3": 3, "a.mp3/x.mp3": 3} | {"a": 3})
    assert list_mels(folder).names == ["a.mp3-b.mp3.npy", "a.mp3.npy", "a.mp3/x.mp3.npy", "a.npy"]


def test_only_rows_with_a_mel_count(tmp_path):
    songs = dict.fromkeys(["ok", "partial", "silent", "too_short", "failed"], 5)
    folder = made_by_spectrify(tmp_path, songs, **{name: name for name in songs})
    assert list_mels(folder).names == ["ok.npy", "partial.npy"]


def test_a_bare_folder_is_listed_by_its_files(tmp_path):
    folder = write_mels(tmp_path, {"b, é/1.mp3": 7, "a": 3, ".hidden/a": 3}, bins=5)
    mels = list_mels(folder)
    assert (mels.names, mels.frames.tolist(), mels.bins) == (["a.npy", "b, é/1.mp3.npy"], [3, 7], 5)


def test_files_that_are_no_mels_are_left_out_with_the_reason(tmp_path):
    write_mels(tmp_path, {"a": 3}, bins=5)
    np.save(tmp_path / "other bins.npy", np.zeros((3, 6), np.float32))
    np.save(tmp_path / "flat.npy", np.zeros(3, np.float32))
    np.save(tmp_path / "whole numbers.npy", np.zeros((3, 5), np.int16))
    np.save(tmp_path / "long double.npy", np.zeros((3, 5), np.longdouble))
    np.save(tmp_path / "no bins.npy", np.zeros((3, 0), np.float32))
    np.save(tmp_path / "objects.npy", np.array([[None, {}]]), allow_pickle=True)
    np.savez(tmp_path / "many.npz", np.zeros((3, 5)))
    (tmp_path / "many.npz").rename(tmp_path / "many.npy")
    (tmp_path / "text.npy").write_text("hello")
    (tmp_path / "empty.npy").touch()
    (tmp_path / "line\nbreak.npy").write_bytes((tmp_path / "a.npy").read_bytes())
    mels = list_mels(tmp_path)
    assert mels.names == ["a.npy"]
    said = dict(line.split(": ", 1) for line in mels.left_out)
    assert said["other bins.npy"] == "6 bins where a.npy has 5"
    assert said[r"line\nbreak.npy"] == "a line break in the name; rename it"
    expected = "is no mel: expected floats of at most 8 bytes, (frames, bins)"
    assert said["flat.npy"] == f"an array of shape (3,) and type float32 {expected}"
    assert said["long double.npy"].endswith(expected)
    assert said.keys() == {
        *("other bins.npy", "flat.npy", "whole numbers.npy", "no bins.npy", "objects.npy", "many.npy"),
        *("text.npy", "empty.npy", r"line\nbreak.npy", "long double.npy"),
    }


def test_one_stray_file_does_not_turn_out_all_others(tmp_path):
    write_mels(tmp_path, {"a stray.mp3": 3}, bins=20)
    write_mels(tmp_path, {"b": 3, "c": 4}, bins=5)
    mels = list_mels(tmp_path)
    assert (mels.names, mels.frames.tolist(), mels.bins) == (["b.npy", "c.npy"], [3, 4], 5)
    assert mels.left_out == ["a stray.mp3.npy: 20 bins where b.npy has 5"]
    (tmp_path / "b.npy").unlink()  # of as many the first
    assert list_mels(tmp_path).names == ["a stray.mp3.npy"]


LIST = "mels = mels.mel_folder.list_mels(sys.argv[1]); print(mels.names, mels.left_out)"


@pytest.mark.parametrize("mode", [0o000, 0o444], ids=oct)
def test_a_folder_that_cannot_be_read_is_left_out_and_named(mode):
    with folder_for_anybody() as folder:
        write_mels(folder, {"a": 3, "deep/lost+found/b": 3})
        assert run_as_anybody(LIST, folder).stdout == "['a.npy', 'deep/lost+found/b.npy'] []\n"
        with closed(folder / "deep/lost+found", mode):
            done = run_as_anybody(LIST, folder)
    assert done.stderr == ""
    if mode == 0:
        assert done.stdout == "['a.npy'] ['deep/lost+found: a folder that cannot be read']\n"
    else:  # it can be listed, and each file says for itself that it cannot be reached
        assert done.stdout == "['a.npy'] ['deep/lost+found/b.npy: Permission denied']\n"


INTERRUPTED = """
import sys, time
from mels import mel_folder
from utils import command
read = mel_folder._read_header
def read_from_a_slow_disk(file):
    print("reading", flush=True)
    time.sleep(0.5)
    return read(file)
mel_folder._read_header = read_from_a_slow_disk
@command
def main(argv):
    mel_folder.list_mels(sys.argv[1])
main([])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=str)
def test_a_signal_does_not_wait_for_the_headers_of_all_files(tmp_path, number):
    """They would take five minutes."""
    write_mels(tmp_path, {"a": 3})
    for place in range(10_000):
        os.link(tmp_path / "a.npy", tmp_path / f"{place}.npy")
    argv = [sys.executable, "-c", INTERRUPTED, tmp_path]
    with subprocess.Popen(
        argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            process.stdout.readline()
            process.send_signal(number)
            _, errors = process.communicate(timeout=30)
        finally:
            process.kill()
        assert process.returncode == 0, errors
    assert errors == "-c: interrupted; what was finished is kept, and the same command goes on\n"


# What tells that a mel has changed


def test_a_stamp_is_that_of_the_mel_whatever_the_audio_files_times(tmp_path):
    folder = made_by_spectrify(tmp_path, {"a": 3, "b": 3})
    rows = {name: dataclasses.replace(old, checksum=f"0000000{name}") for name, old in read_ledger(folder).items()}
    write_ledger(folder, rows)
    before = list_mels(folder).stamps
    assert before[0] != before[1]
    write_ledger(folder, {name: dataclasses.replace(old, mtime="0.0", size=7) for name, old in rows.items()})
    np.testing.assert_array_equal(list_mels(folder).stamps, before)
    rows["b"] = dataclasses.replace(rows["b"], checksum="ffffffff")
    write_ledger(folder, rows)
    assert (list_mels(folder).stamps == before).tolist() == [True, False]


def test_rows_without_a_checksum_keep_the_stamps_that_runs_have_stored(tmp_path):
    folder = made_by_spectrify(tmp_path, {"a": 3, "b": 4})
    rows = list(read_ledger(folder).values())
    stored = [zlib.crc32(f"{old.size} {old.mtime} {old.frames}".encode()) for old in rows]
    assert list_mels(folder).stamps.tolist() == stored
    write_old_ledger(folder, rows)
    assert list_mels(folder).stamps.tolist() == stored
    np.testing.assert_array_equal(list_mels(folder).stamps < 2**32, True)


def test_a_bare_folder_goes_by_size_and_time(tmp_path):
    write_mels(tmp_path, {"a": 3, "b": 3})
    before = list_mels(tmp_path).stamps
    os.utime(tmp_path / "b.npy", ns=(0, 1))
    assert (list_mels(tmp_path).stamps == before).tolist() == [True, False]


def test_a_folder_without_mels_says_what_to_do(tmp_path):
    missing = tmp_path / "none"
    assert message(list_mels, missing) == (
        f"{missing}: no such mel folder; make one with spectrify_all.py AUDIO_FOLDER {missing}"
    )
    assert message(list_mels, tmp_path) == f"{tmp_path}: no usable mel file (frames, bins) ending in .npy"
    (tmp_path / "text.npy").write_text("hello")
    assert "ending in .npy; text.npy: " in message(list_mels, tmp_path)
    write_ledger(tmp_path, {"a": row("a", "failed", 0)})
    assert message(list_mels, tmp_path).endswith(f"ending in .npy; see {LEDGER_NAME}")


def test_without_its_configuration_a_folder_is_refused(tmp_path):
    """Which resolution its mels have nobody knows then, and new ones were made at today's."""
    folder = made_by_spectrify(tmp_path / "the mels", {"a": 3, "b": 4})
    (folder / CONFIG_NAME).unlink()
    for look in (list_mels, read_audio_half):
        said = message(look, folder)
        assert said.startswith(f"{folder / CONFIG_NAME}: is gone, ")
        assert said.endswith(f"spectrify_all.py AUDIO_FOLDER '{folder}' --overwrite")
    write_ledger(folder, {"a": row("a", status="failed")})
    assert read_audio_half(folder) == {}


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("mel_bins:", "mel_bins: None is not of type int"),
        ("mel_bins: many", "mel_bins: 'many' is not of type int"),
        ("mel_bins: 0", "mel_bins: 0 is not between 2 and 512"),
        ("hop_seconds: fast", "hop_seconds: 'fast' is not of type float"),
        ("hop_seconds: .nan", "hop_seconds: nan is not between 0.001 and 60.0"),
        ("decoder: lame", "decoder: 'lame' is none of ffmpeg, sox"),
    ],
)
def test_a_configuration_that_is_damaged_is_named_with_its_key(tmp_path, line, wrong):
    folder = made_by_spectrify(tmp_path / "the mels", {"a": 3})
    (folder / CONFIG_NAME).write_text(f"{line}\n")
    assert message(list_mels, folder) == f"{folder / CONFIG_NAME}: {wrong}"
    assert message(read_audio_half, folder) == f"{folder / CONFIG_NAME}: {wrong}"


def test_a_configuration_that_was_cut_short_at_any_byte_is_named_or_says_the_same(tmp_path):
    folder = made_by_spectrify(tmp_path / "the mels", {"a": 3})
    whole = (folder / CONFIG_NAME).read_bytes()
    half = read_audio_half(folder)
    refused = 0
    for end in range(len(whole)):
        (folder / CONFIG_NAME).write_bytes(whole[:end])
        try:
            cut = read_audio_half(folder)
        except UserError as error:
            assert str(error).startswith(f"{folder / CONFIG_NAME}: ")
            refused += 1
            continue
        assert cut.keys() >= half.keys() - {"decoder"}  # the last line: a number's digits may be lost unseen
    assert refused > 0.8 * len(whole)


def test_keys_of_a_mel_folder_that_nobody_knows_are_let_pass(tmp_path):
    (tmp_path / CONFIG_NAME).write_text("mel_bins: 12\nmade_by: hand\n")
    assert read_audio_half(tmp_path) == {"mel_bins": 12, "made_by": "hand"}


# Reading a mel


@given(
    frames=st.integers(0, 9),
    bins=st.integers(1, 4),
    start=st.one_of(st.none(), st.integers(-12, 12)),
    stop=st.one_of(st.none(), st.integers(-12, 12)),
    dtype=st.sampled_from(["<f2", "<f4", ">f4", "<f8"]),
    order=st.sampled_from("CF"),
)
def test_a_part_of_a_mel_is_that_slice_of_it(tmp_path_factory, frames, bins, start, stop, dtype, order):
    path = tmp_path_factory.mktemp("a mel") / "a.npy"
    mel = np.arange(frames * bins, dtype=dtype).reshape(frames, bins)
    np.save(path, np.asarray(mel, order=order))
    assert mel_shape(path) == (frames, bins)
    part = read_mel(path, start or 0, stop)
    assert part.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(part, mel[start or 0 : stop])


def test_every_header_version_is_read(tmp_path):
    mel = np.arange(6, dtype=np.float16).reshape(3, 2)
    for version in [(1, 0), (2, 0), (3, 0)]:
        with open(tmp_path / "a.npy", "wb") as file:
            np.lib.format.write_array(file, mel, version=version)
        np.testing.assert_array_equal(read_mel(tmp_path / "a.npy"), mel)


def test_a_mel_that_is_cut_short_is_refused_wherever_it_was_cut(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.ones((3, 4), np.float16))
    content = path.read_bytes()
    for end in range(len(content)):
        path.write_bytes(content[:end])
        with pytest.raises(ValueError):
            read_mel(path)


@given(place=st.integers(0, 127), byte=st.integers(0, 255))
def test_a_broken_header_is_a_value_error_or_harmless(tmp_path_factory, place, byte):
    path = tmp_path_factory.mktemp("a mel") / "a.npy"
    np.save(path, np.ones((3, 4), np.float16))
    content = bytearray(path.read_bytes())
    content[place] = byte
    path.write_bytes(content)
    try:
        mel = read_mel(path)
    except ValueError:
        return
    assert mel.ndim == 2


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(tmp_path, value):
    mel = np.ones((5, 2), np.float16)
    mel[3, 1] = value
    np.save(tmp_path / "a.npy", mel)
    with pytest.raises(ValueError, match="holds values that are not finite"):
        read_mel(tmp_path / "a.npy")
    assert read_mel(tmp_path / "a.npy", 0, 3).shape == (3, 2)


def test_a_mel_that_is_gone_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_mel(tmp_path / "gone.npy")


def test_rows_are_values():
    with pytest.raises(dataclasses.FrozenInstanceError):
        row("a").frames = 3
