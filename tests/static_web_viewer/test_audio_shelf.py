"""OUT/audio: copies, transcoded files and links are made once, kept, and removed only where they are ours."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import soundfile
from conftest import MUSIC, mel_names, tone, tree, write_audio

from static_web_viewer.page.audio_shelf import MANIFEST_NAME
from static_web_viewer.page.page_audio import provide_audio, prune_audio
from utils import ROOT, UserError

pytestmark = pytest.mark.slow

MANIFEST = f"audio/{MANIFEST_NAME}"


def states(folder: Path) -> dict[str, tuple[int, int]]:
    """Every name below a folder, hidden ones too, with its inode and mtime."""
    paths = sorted(folder.rglob("*"))
    return {str(path.relative_to(folder)): (path.lstat().st_ino, path.lstat().st_mtime_ns) for path in paths}


def names_below(folder: Path) -> list[str]:
    return [name for name in states(folder) if name != MANIFEST_NAME]


# Copies


def test_a_copy_has_content_and_time_of_the_file_and_is_not_made_again(music, out):
    page = provide_audio("copy", music, out, MUSIC, quiet=True)
    assert page.outcomes == ["copied", "transcoded", "copied"]
    assert page.urls == ["./audio/a%20%231%3F.mp3", "./audio/c.wma.mp3", "./audio/rock%2C%20pop/b%2520.flac"]
    assert page.summary() == "audio: 2 copied, 1 transcoded"
    for name in ("a #1?.mp3", "rock, pop/b%20.flac"):
        assert (out / "audio" / name).read_bytes() == (music / name).read_bytes()
        assert (out / "audio" / name).stat().st_mtime_ns == (music / name).stat().st_mtime_ns
    before = states(out)
    prune_audio(out, page)
    again = provide_audio("copy", music, out, MUSIC, quiet=True)
    prune_audio(out, again)
    assert states(out) == before
    assert again.urls == page.urls
    assert again.summary() == "audio: 3 there already"


def test_what_changed_is_made_again_and_nothing_else(music, out):
    provide_audio("copy", music, out, MUSIC, quiet=True)
    before = states(out)
    os.utime(music / "c.wma", ns=(10**18, 10**18))
    (music / "rock, pop/b%20.flac").write_bytes(b"not the same size")
    (out / "audio/a #1?.mp3").write_bytes(b"")  # as a power cut may leave it
    page = provide_audio("copy", music, out, [*MUSIC, *mel_names("new.mp3")], quiet=True)
    assert page.outcomes == ["copied", "transcoded", "copied", "not there"]
    after = states(out)
    assert all(before[f"audio/{name}"] != after[f"audio/{name}"] for name in ("c.wma.mp3", "rock, pop/b%20.flac"))
    assert (out / "audio/a #1?.mp3").read_bytes() == (music / "a #1?.mp3").read_bytes()
    assert (out / "audio/c.wma.mp3").stat().st_mtime_ns == 10**18


def test_a_copy_that_somebody_else_has_made_is_used_and_stays(music, out):
    shutil.copytree(music, out / "audio")
    before = states(out / "audio")
    page = provide_audio("copy", music, out, MUSIC, quiet=True)
    assert page.outcomes == ["there already", "transcoded", "there already"]
    prune_audio(out, provide_audio("none", None, out, MUSIC))
    assert {name: state[0] for name, state in states(out / "audio").items()} == {n: s[0] for n, s in before.items()}


def test_a_file_that_cannot_be_decoded_is_counted_and_named(music, out):
    (music / "broken.wma").write_bytes(b"no sound at all" * 100)
    (music / "empty.wav").touch()
    (music / "notes.txt").write_text("x" * 5000)
    names = ["broken.wma", "empty.wav", "notes.txt"]
    page = provide_audio("copy", music, out, mel_names(*names) + MUSIC, quiet=True)
    assert page.outcomes == ["failed"] * 3 + ["copied", "transcoded", "copied"]
    assert page.urls[:3] == [None] * 3
    assert page.summary().startswith("audio: 2 copied, 1 transcoded, 3 failed (broken.wma: ")
    prune_audio(out, page)
    assert names_below(out / "audio") == ["a #1?.mp3", "c.wma.mp3", "rock, pop", "rock, pop/b%20.flac"]


def test_a_transcoded_name_is_nobody_elses_and_not_too_long(music, out, tmp_path):
    root, long = tmp_path / "root", "x" * 251 + ".wma"
    (root / "b.wma.mp3").mkdir(parents=True)
    files = ["a.wma", "a.wma.mp3", "b.wma", "b.wma.mp3/c.mp3", long]
    for name in files:
        shutil.copy(music / ("c.wma" if name.endswith("wma") else "a #1?.mp3"), root / name)
    names = mel_names(*files)
    page = provide_audio("copy", root, out, names, quiet=True)
    assert page.outcomes == ["transcoded", "copied"] * 2 + ["transcoded"]
    assert len(set(page.urls)) == 5
    assert (out / page.urls[1]).read_bytes() == (root / "a.wma.mp3").read_bytes()
    assert all((out / url).is_file() and url.endswith(".mp3") for url in page.urls)
    before = states(out)
    assert provide_audio("copy", root, out, names, quiet=True).urls == page.urls
    assert states(out) == before


def test_a_name_that_the_pages_file_system_does_not_take_is_counted(music, out, monkeypatch):
    replace = os.replace

    def refuse(source, target):
        if "rock" in os.fspath(target):
            raise OSError(errno.ENAMETOOLONG, "File name too long")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    page = provide_audio("copy", music, out, MUSIC, quiet=True)
    assert page.outcomes == ["copied", "transcoded", "failed"]
    assert (
        "1 failed (rock, pop/b%20.flac: its name is too long for the page's file system; shorten it)" in page.summary()
    )
    prune_audio(out, page)
    assert names_below(out / "audio") == ["a #1?.mp3", "c.wma.mp3"]


# Links


def test_links_lead_to_the_files_and_are_not_made_again(music, out):
    page = provide_audio("link", music, out, MUSIC, quiet=True)
    assert os.readlink(out / "audio/a #1?.mp3") == str(music.resolve() / "a #1?.mp3")
    assert [(out / "audio" / name.removesuffix(".npy")).read_bytes() for name in MUSIC] == [
        (music / name.removesuffix(".npy")).read_bytes() for name in MUSIC
    ]
    assert page.playable == [True, False, True]
    assert page.summary() == (
        "audio: 3 linked; 1 in formats that not every browser plays: --audio copy transcodes them"
    )
    before = states(out)
    again = provide_audio("link", music, out, MUSIC, quiet=True)
    assert prune_audio(out, again) == 0
    assert states(out) == before
    assert again.outcomes == ["there already"] * 3


def test_a_link_is_replaced_and_never_written_through(music, out):
    untouched = tree(music)
    pages = [provide_audio(mode, music, out, MUSIC, quiet=True) for mode in ("link", "copy", "link", "copy")]
    first, second = ["linked"] * 3, ["copied", "transcoded", "copied"]
    third, fourth = ["linked", "there already", "linked"], ["copied", "there already", "copied"]  # nothing was pruned
    assert [page.outcomes for page in pages] == [first, second, third, fourth]
    assert tree(music) == untouched
    prune_audio(out, pages[-1])
    assert not [path for path in (out / "audio").rglob("*") if path.is_symlink()]
    assert names_below(out / "audio") == ["a #1?.mp3", "c.wma.mp3", "rock, pop", "rock, pop/b%20.flac"]


def test_a_file_system_without_links_is_said_in_one_line(music, out, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "symlink", refuse)
    with pytest.raises(
        UserError, match="audio: its file system takes no symbolic links; use --audio copy or --audio re"
    ):
        provide_audio("link", music, out, MUSIC, quiet=True)


# What others have put below OUT/audio


@pytest.mark.parametrize("mode", ["copy", "link"])
def test_what_is_not_ours_is_neither_replaced_nor_followed(music, out, tmp_path, mode):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "mine.mp3").write_bytes(b"mine")
    (out / "audio").mkdir()
    (out / "audio/rock, pop").symlink_to(tmp_path / "elsewhere")
    (out / "audio/a #1?.mp3").symlink_to(tmp_path / "mine.mp3")
    (out / "audio/c.wma").mkdir()
    (out / "audio/c.wma.mp3").write_bytes(b"mine")
    page = provide_audio(mode, music, out, MUSIC, quiet=True)
    assert page.outcomes == ["failed"] * 3
    assert "a #1?.mp3: what lies in its place below OUT/audio is not ours; remove that" in page.summary()
    assert prune_audio(out, page) == 0
    assert (tmp_path / "mine.mp3").read_bytes() == (out / "audio/c.wma.mp3").read_bytes() == b"mine"
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_link_of_somebody_else_to_the_same_file_may_become_a_copy(music, out):
    (out / "audio").mkdir()
    (out / "audio/a #1?.mp3").symlink_to(music / "a #1?.mp3")
    untouched = tree(music)
    assert provide_audio("copy", music, out, MUSIC[:1], quiet=True).outcomes == ["copied"]
    assert not (out / "audio/a #1?.mp3").is_symlink()
    assert tree(music) == untouched


def test_prune_removes_what_is_ours_and_unused_and_nothing_else(music, out, tmp_path):
    page = provide_audio("copy", music, out, MUSIC, quiet=True)
    assert prune_audio(out, page) == 0
    (out / "audio/rock, pop/mine.txt").write_text("mine")
    (out / "audio/mine").mkdir()
    less = provide_audio("copy", music, out, MUSIC[:1], quiet=True)
    assert prune_audio(out, less) == 2
    assert names_below(out / "audio") == ["a #1?.mp3", "mine", "rock, pop", "rock, pop/mine.txt"]
    (out / "audio/a #1?.mp3").write_bytes(b"mine")  # somebody has put another file there
    assert prune_audio(out, provide_audio("reference", music, out, MUSIC)) == 0
    provide_audio("link", music, out, mel_names("c.wma"), quiet=True)
    (out / "audio/c.wma").unlink()
    (out / "audio/c.wma").touch()
    assert prune_audio(out, provide_audio("reference", music, out, MUSIC)) == 0
    (out / "audio/c.wma").unlink()
    assert sorted(os.listdir(out / "audio")) == ["a #1?.mp3", "mine", "rock, pop"]


@pytest.mark.parametrize("mode", ["copy", "link"])
def test_a_page_without_audio_leaves_no_folder(music, out, mode):
    provide_audio(mode, music, out, MUSIC, quiet=True)
    assert prune_audio(out, provide_audio("none", None, out, MUSIC)) == 3
    assert os.listdir(out) == []
    assert sorted(os.listdir(music)) == ["a #1?.mp3", "c.wma", "rock, pop"]


def test_prune_follows_no_link_and_no_crafted_manifest(music, out, tmp_path):
    provide_audio("copy", music, out, MUSIC, quiet=True)
    none = provide_audio("none", None, out, MUSIC)
    (tmp_path / "mine.mp3").write_bytes(b"")
    with open(out / MANIFEST, "a") as file:
        file.write("../../mine.mp3,making,0,0,0\nrubbish\n../mine.mp3,copied,0,0,0\n%00,copied,0,0,0\nmine,copi")
    (out / "audio/rock, pop").rename(tmp_path / "moved")
    (out / "audio/rock, pop").symlink_to(tmp_path / "moved")
    assert prune_audio(out, none) == 2
    assert (tmp_path / "mine.mp3").exists() and (tmp_path / "moved/b%20.flac").exists()
    provide_audio("copy", music, out, MUSIC[:1], quiet=True)
    (out / "audio").rename(tmp_path / "audio")
    (out / "audio").symlink_to(tmp_path / "audio")
    before = states(tmp_path / "audio")
    assert prune_audio(out, none) == 0
    assert states(tmp_path / "audio") == before


def test_a_manifest_that_is_no_file_is_refused(music, out):
    """A link to /dev/zero was read until the memory was full."""
    provide_audio("copy", music, out, MUSIC, quiet=True)
    (out / MANIFEST).unlink()
    (out / MANIFEST).symlink_to("/dev/zero")
    with pytest.raises(UserError, match="is no file"):
        provide_audio("copy", music, out, MUSIC, quiet=True)


def test_what_a_killed_run_has_left_goes_though_its_track_is_no_more(music, out):
    provide_audio("copy", music, out, MUSIC[:1], quiet=True)
    (out / "audio/gone").mkdir()
    (out / "audio/gone/.sound-eval-1-1.tmp").write_bytes(b"half")
    (out / "audio/whole.mp3").write_bytes(b"renamed, and not noted any more")
    with open(out / MANIFEST, "a") as file:
        file.write("gone/x.mp3,making,0,0,0\nwhole.mp3,making,0,0,0\nhalf.mp3,maki")
    page = provide_audio("copy", music, out, MUSIC[:1], quiet=True)
    assert prune_audio(out, page) == 1
    assert names_below(out / "audio") == ["a #1?.mp3"]
    assert (out / MANIFEST).read_text().count("\n") == 2


# Killed, interrupted, full

MANY = 24
SCRIPT = """
import resource, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored in what a shell runs in the background
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from static_web_viewer.page.page_audio import provide_audio
from utils import command
if len(sys.argv) > 5:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[5]),) * 2)
names = Path(sys.argv[4]).read_text().split("\\n")
run = command(lambda _: provide_audio("copy", Path(sys.argv[2]), Path(sys.argv[3]), names) and 0)
sys.exit(run())
"""


@pytest.fixture
def many(tmp_path, music, ffmpeg) -> tuple[Path, list[str]]:
    """Files to copy or transcode, and a list of them."""
    root = tmp_path / "many"
    long = write_audio(tmp_path / "long.wma", tone(10, 440), 44100, ffmpeg)
    for number in range(MANY):
        path = root / f"folder {number % 3}" / f"{number}.{'wma' if number % 2 else 'mp3'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(long if number % 2 else music / "a #1?.mp3", path)
    names = mel_names(*sorted(str(path.relative_to(root)) for path in root.rglob("*.*")))
    (tmp_path / "list").write_text("\n".join(names))
    return root, names


def start(many, out, *limit: str, **environment: str) -> subprocess.Popen:
    argv = [sys.executable, "-c", SCRIPT, ROOT, many[0], out, many[0].parent / "list", *limit]
    return subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment})


def wait_for(done) -> None:
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def commands_about(folder: Path) -> list[bytes]:
    """The command lines of running programs that name a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended
            found += [line for line in [path.read_bytes()] if os.fsencode(folder) in line]
    return found


def finished(out: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in out.rglob("*.mp3")}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_ffmpeg_ends_with_us(many, out, tmp_path, number):
    program = tmp_path / "hangs"
    program.write_text("#!/bin/sh\nwhile true; do sleep 0.1; done\n")
    program.chmod(0o755)
    process = start(many, out, IMAGEIO_FFMPEG_EXE=str(program))
    wait_for(lambda: commands_about(program))
    process.send_signal(number)
    errors = process.communicate(timeout=60)[1]
    assert errors.count("\n") == (number == signal.SIGINT)
    wait_for(lambda: not commands_about(program))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_stopped_at_any_moment_the_next_run_goes_on(many, out, number):
    root, names = many
    process = start(many, out)
    wait_for(lambda: (len(finished(out)) > 4 and list(out.rglob(".sound-eval-*.tmp"))) or process.poll() is not None)
    process.send_signal(number)
    errors = process.communicate(timeout=60)[1]
    assert len(before := finished(out)) < MANY
    assert bool(list(out.rglob(".sound-eval-*.tmp"))) <= (number == signal.SIGKILL)
    if number == signal.SIGINT:
        assert (process.returncode, errors.count("\n")) == (0, 1)
    page = provide_audio("copy", root, out, names, quiet=True)
    assert sum(outcome == "there already" for outcome in page.outcomes) >= len(before) - 2  # of two that work at a time
    after = finished(out)
    assert sum(after[name] == state for name, state in before.items()) >= len(before) - 2
    assert len(after) == MANY and prune_audio(out, page) == 0
    assert not list(out.rglob(".sound-eval-*.tmp"))
    long = [out / "audio" / f"{name.removesuffix('.npy')}.mp3" for name in names if "wma" in name]
    assert {round(soundfile.info(path).duration) for path in long} == {10}


@pytest.mark.parametrize(("limit", "kind"), [("3000", "mp3"), ("50000", "wma")])
def test_a_full_disk_is_one_line_and_leaves_no_half_file(many, out, limit, kind):
    root, names = many
    process = start(many, out, limit)
    errors = process.communicate(timeout=60)[1]
    assert (process.returncode, errors.count("\n")) == (1, 1)
    assert "error: File too large: " in errors
    assert str(out / "audio") in errors
    assert not list(out.rglob(".sound-eval-*.tmp"))
    assert not [name for name in finished(out) if kind in name]
    page = provide_audio("copy", root, out, names, quiet=True)
    assert None not in page.urls
    assert len(finished(out)) == MANY
