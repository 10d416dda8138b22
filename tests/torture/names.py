"""Hostile names: what bears an audio file's name and is none, what is no text, and what changes while it is read."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import soundfile

from mels.mel_folder import ledger_name, read_ledger
from torture.broken_audio import RATE_HZ, noise
from torture.forked import run_forked
from torture.running import PAGE, SPECTRIFY, Done, run_script
from torture.tally import Tally

NAME = "names"
MOST_SECONDS = 100.0
TAGS = "process_results/labels_from_tags.py"
PARTS = (
    *(b"a", b"-n", b"--help", b"-", b"~", b"$HOME", b"`id`", b"$(id)", b"a;b", b"a|b", b"|id", b"a&b", b"a*b", b"?"),
    *(b"a b", b" a", b"a ", b"'", b'"', b'a"b', b"\\", b"a,b", b"#a", b"%s%n", b"%00", b"{0}", b"a:b", b"pipe:0"),
    *(b"file:a", b"http:", b"concat:a|b", b"data:a", b"=1+1", b"@a", b"<b>", b"&amp;", b"a\tb", b"a\rb", b"a\nb"),
    *(b"\x1b[31m", b"\x07", b"\x7f", b"\xff\xfe", b"\xc3", b"\xe2\x80\xae", b"\xe2\x80\xa8", b"\xf0\x9f\x8e\xb5"),
    *(b"e\xcc\x81", b"\xc3\xa9", b"con", b"nul", b"..a", b"...", b"a.npy", b"lock", b"config.yaml", b"made_with.yaml"),
    *(b"spectrify_log.csv", b"vector_list.txt", b"weights", b"index.html", b"audio", b"x" * 200, b"\xc3\xb8" * 100),
    *(b".sound-eval-1-1.tmp", b"[a]", b"{a,b}", b"!", b"^", b"(", b"$x$", b"$\\frac{$"),
)


def attack(tally: Tally, generator: random.Random, folder: Path, count: int, seconds: float) -> None:
    """An attack is a folder of sounds under names that are drawn, of things that are no files, and of changes."""
    end = time.monotonic() + seconds
    folder.mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / "sound.wav", noise(0.3, 3), RATE_HZ)
    for number in range(count):
        here = folder / f"attack {number}"
        named(tally, generator, here)
        changing(tally, generator, here)
        if not any(os.fspath(here) in failure for failure in tally.failures):
            shutil.rmtree(here)
        if time.monotonic() > end:
            break


def drawn_name(generator: random.Random) -> bytes:
    words = [b"".join(generator.sample(PARTS, generator.choice([1, 1, 2]))) for _ in range(generator.choice([1, 2, 3]))]
    path = b"/".join(word[:240] for word in words if word)
    suffix = generator.choice([b".wav", b".WAV", b".wav", b".mp3", b".ogg"])
    return path + suffix  # of whatever the extension promises, it is a wav


def named(tally: Tally, generator: random.Random, here: Path) -> None:
    """Every sound has a row and, unless its name says why not, a mel; nothing else is read or waited for."""
    music, mels = os.fsencode(here / "music"), here / "mels"
    os.makedirs(music)
    shutil.copy(here.parent / "sound.wav", music + b"/plain.wav")
    names = {b"plain.wav"}
    for name in {drawn_name(generator) for _ in range(30)}:
        with contextlib.suppress(OSError):  # a name too long, or a file where a folder would be
            os.makedirs(os.path.dirname(music + b"/" + name), exist_ok=True)
            shutil.copy(here.parent / "sound.wav", music + b"/" + name)
            names.add(name)
    shown = [name for name in names if not any(part.startswith(b".") for part in name.split(b"/"))]
    for place, make in enumerate(NO_FILES):
        make(os.path.join(music, b"no file %d.mp3" % place))
    done = spectrify(here)
    rows = read_ledger(mels) if (mels / "spectrify_log.csv").exists() else {}
    wanted = {ledger_name(os.fsdecode(name)) for name in shown}
    tally.check(sound_and_quiet(done), f"{here}: {done}")
    tally.check(rows.keys() == wanted, f"{here}: rows {sorted(rows.keys() ^ wanted)}: {done}")
    for name, row in rows.items():
        is_there = row.has_mel and os.path.isfile(mels / f"{name}.npy")
        tally.check(is_there or (row.status == "failed" and "name" in row.reason), f"{here}: {row}")
    again = spectrify(here)
    tally.check("0 done now" in again.out or "retry" in again.out, f"{here}: the second run: {again}")
    table = run_forked(TAGS, here / "music", here / "tags.csv", "--quiet", seconds=MOST_SECONDS)
    tally.check(sound_and_quiet(table), f"{here}: {table}")
    page(tally, here, [f"{name}.npy" for name, row in rows.items() if row.has_mel])


def spectrify(here: Path) -> Done:
    return run_script(SPECTRIFY, here / "music", here / "mels", "--jobs", "1", seconds=MOST_SECONDS)


def sound_and_quiet(done: Done) -> bool:
    """Tell whether a script did its work, in lines that no name has broken or coloured."""
    return done.exit_code == 0 and not done.has_traceback and "\x1b" not in done.out + done.err


def page(tally: Tally, here: Path, names: list[str]) -> None:
    """The page plays each by a relative address, and its map can be read again."""
    from folders import make_run

    names.sort(key=os.fsencode)
    make_run(here / "run", names, saves=1)
    for layout in ("pca", os.fspath(here / "page" / "layout.csv")):
        told = ["--audio", "copy", "--layout", layout, "--clusters", "2"]
        done = run_forked(PAGE, here / "run", here / "music", here / "page", *told, seconds=MOST_SECONDS)
        tally.check(sound_and_quiet(done) and "failed" not in done.out, f"{here}: {done}")
    listed = run_forked("process_results/find_similar.py", here / "run", "--track", "plain.wav", seconds=MOST_SECONDS)
    tally.check(sound_and_quiet(listed), f"{here}: {listed}")
    told = ["--track", "plain.wav", "--m3u8", here / "a.m3u8", "--audio-folder", here / "music", "--top", "100"]
    played = run_forked("process_results/find_similar.py", here / "run", *told, seconds=MOST_SECONDS)
    lines = (here / "a.m3u8").read_bytes().split(b"\n")[:-1] if (here / "a.m3u8").exists() else []
    there = [line for line in lines if not line.startswith(b"#")]
    good = len(there) >= len(names) - 1 and all(os.path.isfile(line) for line in there)
    tally.check(sound_and_quiet(played) and good, f"{here}: {len(there)} entries of {len(names)}: {played}")


# What bears an audio file's name


def _pipe(path: bytes) -> None:
    os.mkfifo(path)


def _socket(path: bytes) -> None:
    made, here = socket.socket(socket.AF_UNIX), os.getcwd()
    os.chdir(os.path.dirname(path))
    try:
        made.bind(os.path.basename(path))
    finally:
        os.chdir(here)
        made.close()


def _device(path: bytes) -> None:
    os.symlink(b"/dev/zero", path)


def _to_itself(path: bytes) -> None:
    os.symlink(os.path.basename(path), path)


def _to_nothing(path: bytes) -> None:
    os.symlink(b"nothing", path)


NO_FILES: tuple[Callable[[bytes], None], ...] = (_pipe, _socket, _device, os.mkdir, _to_itself, _to_nothing)


# What changes while it is read


def changing(tally: Tally, generator: random.Random, here: Path) -> None:
    """Files vanish, shrink, grow and become pipes, folders and links while they are listed and read."""
    here = here / "changing"
    music = here / "music"
    music.mkdir(parents=True)
    content = (here.parents[1] / "sound.wav").read_bytes()
    paths = [music / f"{place:02}.wav" for place in range(20)]
    for path in paths:
        path.write_bytes(content)
    (music / "steady.wav").write_bytes(content)
    stop = threading.Event()

    def change() -> None:
        draws = random.Random(generator.random())
        while not stop.is_set():
            path = draws.choice(paths)
            with contextlib.suppress(OSError):
                _clear(path)
                draws.choice(CHANGES)(path, content)
            time.sleep(0.002)

    meddler = threading.Thread(target=change, daemon=True)
    meddler.start()
    try:
        done = run_script(SPECTRIFY, music, here / "mels", "--jobs", "1", "--timeout", "3", seconds=MOST_SECONDS)
    finally:
        stop.set()
        meddler.join()
    tally.check(sound_and_quiet(done), f"{here}: {done}")
    rows = read_ledger(here / "mels") if (here / "mels/spectrify_log.csv").exists() else {}
    tally.check("steady.wav" in rows and rows["steady.wav"].status == "ok", f"{here}: {rows.get('steady.wav')}")
    for path in paths:
        with contextlib.suppress(OSError):
            _clear(path)
        path.write_bytes(content)
    done = run_script(SPECTRIFY, music, here / "mels", "--jobs", "1", "--retry-failed", seconds=MOST_SECONDS)
    tally.check(sound_and_quiet(done) and "21 ok" in done.out, f"{here}: the run after it: {done}")


def _clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


CHANGES: tuple[Callable[[Path, bytes], object], ...] = (
    lambda path, content: None,
    lambda path, content: path.write_bytes(content),
    lambda path, content: path.write_bytes(content[: len(content) // 3]),
    lambda path, content: path.write_bytes(b""),
    lambda path, content: path.write_bytes(content * 3),
    lambda path, content: os.mkfifo(path),
    lambda path, content: path.mkdir(),
    lambda path, content: path.symlink_to("steady.wav"),
    lambda path, content: path.symlink_to("/dev/zero"),
)
