"""Audio that strangers made: no file ends a run, changes another's frames, opens what is not its own, or has no end."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import socket
import sys
import time
from pathlib import Path

import numpy as np

from config import DEFAULT_CONFIG, build_config, read_config_file
from mels.decoding import find_decoders
from mels.mel_folder import MEL_SUFFIX, LedgerRow, read_ledger
from process_results.labels_from_tags import TAG_COLUMNS
from torture import broken_audio
from torture.running import PAGE, SPECTRIFY, Done, command, run, run_script
from torture.tally import Tally

NAME = "audio"
FILES = 40  # of a round
FEW = 21  # attacks: with fewer, a round has some of both, and none that takes long
CONTROLS = 4  # whole files among them
TIMEOUT_SECONDS = 5.0  # spectrify_all.py --timeout
MOST_BYTES = 1.3e9  # of any process: what a decoder may have, and a little
MOST_SECONDS = 600.0  # of a round: each of its files may take its time-out and a second per 50 kB, alone and together
STATUSES = {"ok", "partial", "silent", "too_short", "failed"}
MEASURE = """import resource, subprocess, sys
code = subprocess.run(sys.argv[2:]).returncode
open(sys.argv[1], "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)"""
TRACED = """#!/bin/sh
exec strace -f -qq -s 8192 -e trace=open,openat,openat2,creat,connect,execve \\
  -o '{traces}/'$$ '{program}' "$@"
"""


def attack(tally: Tally, generator: random.Random, folder: Path, count: int, seconds: float) -> None:
    """An attack is a folder of files: for each decoder one of what is written by hand, then of what is drawn."""
    end = time.monotonic() + seconds
    folder.mkdir(parents=True, exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as server:
        siege = Siege(tally, folder, server)
        for number in range(count):
            decoders = ["ffmpeg", "sox"] if siege.sox else ["ffmpeg"]
            if count < FEW:
                files = generator.sample(siege.by_hand(quick=True), FILES // 3) + siege.drawn(generator)[: FILES // 3]
            else:
                files = siege.by_hand() if number < len(decoders) else siege.drawn(generator)
            siege.round(number, files, decoders[number % len(decoders)], generator)
            if time.monotonic() > end:
                break
    if not siege.strace:
        tally.note("no strace here: what decoders open was not looked at")
    if not siege.sox:
        tally.note("no sox here: ffmpeg alone was tried")


class Siege:
    """What all rounds share: whole files, a secret that nobody may open, a server that nobody may ask."""

    def __init__(self, tally: Tally, folder: Path, server: socket.socket) -> None:
        self.tally, self.folder, self.server = tally, folder, server
        server.settimeout(0.0)
        self.ffmpeg = find_decoders(build_config(read_config_file(DEFAULT_CONFIG), "")).ffmpeg
        self.sox, self.strace = shutil.which("sox"), shutil.which("strace")
        self.whole = broken_audio.whole_files(folder / "whole", self.ffmpeg)
        self.secret = folder / "secret" / "secret.wav"
        self.secret.parent.mkdir()
        self.secret.write_bytes(broken_audio.wav(data=(20000 * broken_audio.noise(1, 9)).astype("<i2").tobytes()))
        self.controls = [broken_audio.noise(1.5, 50 + number) for number in range(CONTROLS)]
        self.expected: dict[str, dict[str, LedgerRow]] = {}

    def by_hand(self, quick: bool = False) -> list[tuple[str, bytes]]:
        """Return the files that are written by hand; `quick`, without those whose making or transcoding takes long."""
        secret, port = os.fspath(self.secret), self.server.getsockname()[1]
        files = [(f"{kind}.wav", content) for kind, content in broken_audio.wavs().items()]
        for number, (kind, text) in enumerate(broken_audio.texts(secret, port).items()):
            suffix = ("mp3", "wav", "ogg", "m4a", "mka", "flac")[number % 6]
            files.append((f"{kind}.{suffix}", text.encode()))
        m4a = self.whole.get("m4a", b"")
        for where in (secret, f"file://{secret}", f"http://127.0.0.1:{port}/a", "../secret/secret.wav") if m4a else ():
            files.append((f"reference {len(files)}.m4a", broken_audio.with_reference(m4a, where)))
            files.append((f"alias {len(files)}.mov", broken_audio.with_alias(m4a, where)))
        if quick:
            return [each for each in files if each[0] != "slow.wav"]
        files += broken_audio.by_ffmpeg(self.folder / "whole", self.ffmpeg, self.secret).items()
        files.append(("zipped.mp3", broken_audio.zipped_tag(400, self.whole["mp3"])))
        files += [("nothing.mp3", b""), ("zeros.mp3", bytes(1_000_000)), ("ones.aac", b"\xff" * 1_000_000)]
        return files

    def drawn(self, generator: random.Random) -> list[tuple[str, bytes]]:
        files = []
        for _ in range(FILES):
            damage = generator.choice(broken_audio.DAMAGE)
            suffix, content = damage(generator, self.whole)
            files.append((f"{damage.__name__}.{suffix}", content))
        return files

    def round(self, number: int, files: list[tuple[str, bytes]], decoder: str, generator: random.Random) -> None:
        here = self.folder / f"round {number}"
        music, mels, traces = here / "music", here / "mels", here / "traces"
        for each in (music, traces):
            each.mkdir(parents=True)
        names = [f"{place:03} {name}" for place, (name, _) in enumerate(files)]
        for name, (_, content) in zip(names, files, strict=True):
            (music / name).write_bytes(content)
        self.put_controls(music, len(files))
        told = ["--config", DEFAULT_CONFIG] if generator.random() < 0.7 else []
        told = [*told, "--set", f"decoder={decoder}", "--timeout", f"{TIMEOUT_SECONDS:.0f}", "--jobs", "1"]
        peak = here / "peak"
        argv = [sys.executable, "-c", MEASURE, os.fspath(peak), *command(SPECTRIFY, music, mels, *map(str, told))]
        done = run(argv, MOST_SECONDS, env=self.environment(traces))
        self.tally.check(
            done.exit_code == 0 and not done.has_traceback and len(done.err.splitlines()) <= 25, f"{here}: {done}"
        )
        with contextlib.suppress(Exception):
            most = 1024 * int(peak.read_text())
            self.tally.check(most < MOST_BYTES, f"{here}: a process took {most:,} bytes; {done}")
        self.look_at_rows(here, names, done)
        self.look_at_controls(here, decoder, told)
        self.look_at_traces(here, traces)
        self.look_at_server(here)
        again = run_script(SPECTRIFY, music, mels, *map(str, told))
        self.tally.check(again.exit_code == 0 and "0 done now" in again.out, f"{here}: the second run: {again}")
        self.look_at_tags(here, names)
        if number % 3 == 0:
            self.transcode(here)
        if not any(os.fspath(here) in failure for failure in self.tally.failures):
            shutil.rmtree(here)

    def put_controls(self, music: Path, files: int) -> None:
        """Whole files among the others, so that they share their processes."""
        import soundfile

        for number, samples in enumerate(self.controls):
            place = round((number + 0.5) * files / CONTROLS)
            soundfile.write(music / f"{place:03} 0 control {number}.wav", samples, broken_audio.RATE_HZ)

    def environment(self, traces: Path) -> dict[str, str]:
        """Decoders that write down what they open."""
        if not self.strace:
            return dict(os.environ)
        programs = traces.parent / "programs"
        programs.mkdir()
        for name, program in (("ffmpeg", self.ffmpeg), ("sox", self.sox)):
            if program:
                (programs / name).write_text(TRACED.format(traces=traces, program=program))
                (programs / name).chmod(0o755)
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        return os.environ | {"IMAGEIO_FFMPEG_EXE": str(programs / "ffmpeg"), "PATH": path}

    def look_at_rows(self, here: Path, names: list[str], done: Done) -> None:
        try:
            rows = read_ledger(here / "mels")
        except Exception as error:
            self.tally.check(False, f"{here}: no ledger: {error}; {done}")
            return
        for name in names:
            row, path = rows.get(name), here / "mels" / (name + MEL_SUFFIX)
            what = f"{here}/music/{name}: {row}"
            if not self.tally.check(row is not None and row.status in STATUSES, what):
                continue
            if row.has_mel:
                mel = np.load(path, allow_pickle=False)
                self.tally.check(len(mel) == row.frames and bool(np.isfinite(mel).all()), what)
            else:
                self.tally.check(not path.exists() and bool(row.reason) and "\n" not in row.reason, what)

    def look_at_controls(self, here: Path, decoder: str, told: list[object]) -> None:
        """Each has the frames that it has alone."""
        rows = {name: row for name, row in read_ledger(here / "mels").items() if " 0 control " in name}
        if decoder not in self.expected:
            alone = self.folder / f"alone by {decoder}"
            (alone / "music").mkdir(parents=True)
            self.put_controls(alone / "music", FILES)
            fixed = ["--config", DEFAULT_CONFIG, "--set", f"decoder={decoder}"]
            run_script(SPECTRIFY, alone / "music", alone / "mels", *map(str, fixed))
            self.expected[decoder] = {name[-5:]: row for name, row in read_ledger(alone / "mels").items()}
        for name, row in rows.items():
            known = self.expected[decoder][name[-5:]]
            same = (row.status, row.checksum) == (known.status, known.checksum)
            self.tally.check(same or "--config" not in told, f"{here}: {name} has other frames than alone: {row}")
        self.tally.check(len(rows) == CONTROLS, f"{here}: {len(rows)} of {CONTROLS} whole files have a row")

    def look_at_traces(self, here: Path, traces: Path) -> None:
        """A decoder opens below our folder what its command names, and connects to nothing."""
        for path in traces.iterdir():
            lines = path.read_text(errors="replace").splitlines()
            command_line = next((line for line in lines if "execve(" in line), "")
            for line in lines:
                if "connect(" in line:
                    self.tally.check("AF_INET" not in line, f"{here}: a decoder connects: {line}\n{command_line}")
                elif (opened := re.search(r'(?:open|openat|openat2|creat)\((?:AT_FDCWD, )?"([^"]*)"', line)) and (
                    os.fspath(self.folder) in opened[1] or not opened[1].startswith("/")
                ):
                    self.tally.check(opened[1] in command_line, f"{here}: opens {opened[1]}\n{command_line}")

    def look_at_server(self, here: Path) -> None:
        try:
            connection, _ = self.server.accept()
        except BlockingIOError:
            self.tally.check(True, "")
        else:
            self.tally.check(False, f"{here}: something asked the server: {connection.recv(1000)!r}")

    def look_at_tags(self, here: Path, names: list[str]) -> None:
        table = here / "tags.csv"
        done = run_script("process_results/labels_from_tags.py", here / "music", table, "--quiet")
        good = done.exit_code == 0 and not done.has_traceback and not done.err
        lines = table.read_text(errors="surrogateescape").count("\n") if table.exists() else 0
        self.tally.check(good and lines == len(names) + CONTROLS + 1, f"{here}: {lines} lines of tags: {done}")
        assert len(TAG_COLUMNS) == 8

    def transcode(self, here: Path) -> None:
        """The page's copies of all these files hold nothing of the secret, and are made in bounded time."""
        from folders import make_run

        names = sorted(f"{path.name}{MEL_SUFFIX}" for path in (here / "music").iterdir())
        make_run(here / "run", names, saves=1)
        told = ["--audio", "copy", "--layout", "pca", "--clusters", "2"]
        done = run_script(PAGE, here / "run", here / "music", here / "page", *told)
        good = done.exit_code == 0 and not done.has_traceback and (here / "page" / "index.html").exists()
        self.tally.check(good, f"{here}: {done}")
        self.look_at_server(here)
