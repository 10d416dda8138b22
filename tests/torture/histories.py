"""Random histories of a collection: files come, go, change and are renamed, every stage is run, some are killed.

After each step check_run.py has to find list, vectors, weights, configuration, ledger and page in agreement.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import subprocess
import time
from pathlib import Path

from torture.house import MODEL, NAMES, RESOLUTION, write_clip
from torture.running import INFER, PAGE, SPECTRIFY, TRAIN, Done, command, finish, kill_group, run, start, strays
from torture.tally import Tally

NAME = "histories"
STEPS = (4, 9)  # of a history, least and most
CHECK = "process_results/check_run.py"
FEWEST = 4  # clips that always stay, so that there is something to train on


class History:
    """A collection, what has been made of it, and what has been done so far, in words."""

    def __init__(self, tally: Tally, generator: random.Random, folder: Path, cheap: bool) -> None:
        self.tally, self.generator, self.folder, self.cheap = tally, generator, folder, cheap
        self.music, self.mels, self.run = folder / "the music", folder / "the mels", folder / "the run"
        self.songs, self.frames, self.page = folder / "songs", folder / "frames", folder / "the page"
        self.told: list[str] = []
        self.clips = 0
        for _ in range(FEWEST + 3):
            self.add()
        self.spectrify()
        if not cheap:
            self.train()

    # what people do to their music

    def add(self) -> None:
        self.clips += 1
        name = f"{self.generator.choice(['a', 'b, c', 'ø/d'])}/{self.clips:03}, {NAMES[self.clips % len(NAMES)][-8:]}"
        write_clip(self.music, name, self.clips % 40, self.generator.choice([0.4, 1.2, 2.0]))
        self.told.append(f"add {name}")

    def remove(self) -> None:
        if len(self.all_clips()) > FEWEST:
            path = self.generator.choice(self.all_clips())
            path.unlink()
            self.told.append(f"remove {path.name}")

    def rename(self) -> None:
        path = self.generator.choice(self.all_clips())
        self.clips += 1
        path.rename(path.with_name(f"renamed {self.clips:03}.wav"))
        self.told.append(f"rename {path.name}")

    def replace(self) -> None:
        path = self.generator.choice(self.all_clips())
        write_clip(path.parent, path.name, self.generator.randrange(40), 1.5)
        self.told.append(f"replace {path.name}")

    def break_one(self) -> None:
        path = self.generator.choice(self.all_clips())
        if len(self.all_clips()) > FEWEST:
            path.write_bytes(b"no audio")
            self.told.append(f"break {path.name}")

    def all_clips(self) -> list[Path]:
        return sorted(path for path in self.music.rglob("*.wav"))

    # what is done with it

    def spectrify(self) -> None:
        prune = ["--prune"] * (self.generator.random() < 0.5)
        self.do(SPECTRIFY, self.music, self.mels, *RESOLUTION, "--quiet", *prune)
        self.look(self.mels)

    def train(self) -> None:
        saves = 1
        with contextlib.suppress(OSError):
            saves = int((self.run / "epoc_num.txt").read_text()) + self.generator.randint(0, 2)
        self.do(TRAIN, self.mels, self.run, *MODEL, "--quiet", "--max-saves", str(max(1, saves)))
        self.look(self.run, "--mel-folder", self.mels)

    def add_only(self) -> None:
        self.do(TRAIN, self.mels, self.run, *MODEL, "--quiet", "--add-only")
        self.look(self.run)

    def infer_frames(self) -> None:
        prune = ["--prune"] * (self.generator.random() < 0.5)
        self.do(INFER, self.mels, self.run, self.frames, "--quiet", *prune)
        self.look(self.frames)

    def infer_songs(self) -> None:
        self.do(INFER, self.mels, self.run, self.songs, "--quiet", "--level", "song")
        self.look(self.songs, "--mel-folder", self.mels)

    def make_page(self) -> None:
        audio = self.generator.choice(["copy", "link", "reference"])
        self.do(PAGE, self.run, self.music, self.page, "--quiet", "--audio", audio, "--layout", "pca")
        self.look(self.page)

    def do(self, script: str, *arguments: str | Path) -> None:
        """Run a script, perhaps kill it first, and let it end."""
        argv = command(script, *arguments)
        words = " ".join(str(each) for each in [os.path.basename(script), *arguments[3:]])
        if self.generator.random() < 0.4:
            delay = self.generator.uniform(0.1, 2.0 if script == SPECTRIFY else 8.0)
            process = start(argv)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(delay)
            kill_group(process)
            finish(process)
            self.told.append(f"kill {words} after {delay:.2f} s")
            if self.generator.random() < 0.3:  # the music goes on changing before the next run
                self.generator.choice([self.add, self.remove, self.rename, self.replace])()
                if script != SPECTRIFY:
                    self.do_whole(command(SPECTRIFY, self.music, self.mels, *RESOLUTION, "--quiet"), "spectrify_all.py")
        self.do_whole(argv, words)

    def do_whole(self, argv: list[str], words: str) -> None:
        done = run(argv)
        self.told.append(words)
        self.check(done.exit_code == 0 and not done.has_traceback, done)

    def look(self, folder: Path, *more: str | Path) -> None:
        """Let check_run.py look at a folder."""
        done = run(command(CHECK, folder, "--json", *more))
        findings = []
        with contextlib.suppress(ValueError):
            findings = json.loads(done.out)["findings"]
        self.check(done.exit_code == 0 and not findings, done)
        self.check(not strays(folder), done)

    def check(self, good: bool, done: Done) -> None:
        self.tally.check(good, f"after {'; '.join(self.told)}: {done}")

    def go_on(self) -> None:
        edits = [self.add, self.remove, self.rename, self.replace, self.break_one]
        dear = [self.train, self.add_only, self.infer_frames, self.infer_songs, self.make_page, self.make_page]
        for _ in range(self.generator.randint(1, 4)):
            self.generator.choice(edits)()
        self.spectrify()
        if not self.cheap and self.generator.random() < 0.6:
            self.generator.choice(dear)()


def attack(tally: Tally, generator: random.Random, folder: Path, count: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    few = count < 100
    made = 0
    while made < min(count, 100) and time.monotonic() < deadline:
        place = folder / f"history {made}"
        history = History(tally, generator, place, cheap=few or generator.random() < 0.4)
        for _ in range(2 if few else generator.randint(*STEPS)):
            if time.monotonic() > deadline:
                break
            history.go_on()
        if not tally.failures:
            shutil.rmtree(place)
        made += 1
    tally.note(f"{made} histories")
