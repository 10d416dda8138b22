"""Damaged folders: every script says in one line which file and what to do, or works, and takes nothing away."""

from __future__ import annotations

import contextlib
import io
import os
import random
import re
import shutil
import stat
import time
from pathlib import Path

import folders as made_folders
import numpy as np

from files import LOCK_NAME
from mels.mel_folder import list_mels
from torture import damage
from torture.forked import run_forked
from torture.running import INFER, PAGE, SPECTRIFY, TRAIN, Done, run_script
from torture.tally import Tally

NAME = "folders"
MOST_SECONDS = 100.0  # of a script over four songs
CHECK = "process_results/check_run.py"
SLOW = (TRAIN, INFER)  # TensorFlow
FEW = 21  # attacks: with fewer, these are left out
LABELS = "filename,genre\n" + "".join(f'"{name}",{"xy"[place % 2]}\n' for place, name in enumerate(made_folders.SOUNDS))


def attack(tally: Tally, generator: random.Random, folder: Path, count: int, seconds: float) -> None:
    """An attack damages one file of one folder, and lets a script that reads or writes that folder loose on it."""
    end = time.monotonic() + seconds
    whole = Whole(folder / "whole")
    damage.Opens.trace = os.fspath(folder / "unpickled")
    targets = [(kind, path) for kind in whole.kinds for path in sorted(_files(whole.folder / kind))]
    for number in range(count):
        kind, path = generator.choice(targets)
        name, change = generator.choice(list(damage.damages_of(path).items()))
        script, arguments = generator.choice(whole.commands(kind))
        if script in SLOW and (count < FEW or generator.random() < 0.7):  # they take ten times as long
            script, arguments = CHECK, [kind]
        Attempt(tally, folder / f"attack {number}", whole).make(kind, path, name, change, script, arguments, generator)
        if time.monotonic() > end:
            break
    tally.check(not Path(damage.Opens.trace).exists(), f"{folder}: a pickle was loaded")


class Whole:
    """A whole folder of each kind, and the scripts that take it."""

    kinds = ("mels", "run", "songs", "frames", "page")

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        with contextlib.redirect_stdout(io.StringIO()):  # what the scripts say that make them
            self._make(folder)

    @staticmethod
    def _make(folder: Path) -> None:
        music = made_folders.make_music(folder / "music")
        mels = made_folders.make_mels(folder / "mels", music)
        names = [f"{name}.npy" for name in sorted(made_folders.SOUNDS, key=os.fsencode)]
        run = made_folders.make_run(folder / "run", names)
        stamps = list_mels(mels).stamps  # so that the trainer takes them for what it has learned
        np.savez(run / "weights/songs_at_3.npz", squares=np.zeros((len(names), 1), np.float32), stamps=stamps)
        made_folders.make_inferred_run(folder / "songs", names, run)
        made_folders.make_frame_folder(folder / "frames", mels, run)
        (folder / "labels.csv").write_text(LABELS)
        made_folders.make_page(folder / "page", run, music)

    def commands(self, kind: str) -> list[tuple[str, list[str]]]:
        """Return every script that reads or writes a kind of folder, with its arguments."""
        first = sorted(made_folders.SOUNDS, key=os.fsencode)[0]
        of_run = "songs" if kind == "songs" else "run"
        labels = [of_run, "labels.csv", "--label-column", "genre"]
        results = "process_results/"
        found: list[tuple[str, list[str]]] = [(CHECK, [kind])]
        if kind == "mels":
            found += [
                (SPECTRIFY, ["music", "mels", "--jobs", "1"]),
                (SPECTRIFY, ["music", "mels", "--jobs", "1", "--prune"]),
                (TRAIN, ["mels", "run", "--max-saves", "3"]),
                (INFER, ["mels", "run", "frames"]),
                (f"{results}plot_vectors.py", [f"mels/{first}.npy", "--output", "out.png"]),
                (f"{results}find_duplicates.py", ["run", "--mel-folder", "mels", "--output", "out.csv"]),
                (f"{results}find_moments.py", ["run", "--track", first, "--at", "0-1", "--mel-folder", "mels"]),
                (
                    f"{results}sphere_kmeans.py",
                    [*labels, "--clusters", "2", "--mel-folder", "mels", "--output", "out.png"],
                ),
                (PAGE, ["run", "music", "out", "--layout", "pca", "--mel-folder", "mels"]),
                (CHECK, ["run", "--mel-folder", "mels"]),
            ]
        if kind == "run":
            found += [(TRAIN, ["mels", "run", "--max-saves", "3"]), (INFER, ["mels", "run", "out"])]
            found += [(f"{results}plot_costs.py", ["run", "--output", "out.png"])]
        if kind in ("run", "songs"):
            found += [
                (f"{results}sphere_kmeans.py", [*labels, "--clusters", "2", "--output", "out.png"]),
                (f"{results}logistic_regress.py", [*labels, "--min-members", "2", "--output", "out"]),
                (f"{results}predict_labels.py", [*labels, "--min-members", "2", "--all", "--output", "out.csv"]),
                (f"{results}audit_labels.py", [*labels, "--min-members", "2", "--output", "out.csv"]),
                (f"{results}find_similar.py", [of_run, "--track", first]),
                (f"{results}find_duplicates.py", [of_run, "--mel-folder", "mels", "--output", "out.csv"]),
                (f"{results}export_vectors.py", [of_run, "--format", "csv", "--output", "out.csv"]),
                (f"{results}export_vectors.py", [of_run, "--format", "projector", "--output", "out"]),
                (PAGE, [of_run, "music", "out", "--layout", "pca", "--labels", "labels.csv"]),
            ]
        if kind == "songs":
            found += [(INFER, ["mels", "run", "songs", "--level", "song"])]
        if kind == "frames":
            found += [
                (INFER, ["mels", "run", "frames"]),
                (f"{results}find_moments.py", ["run", "--track", first, "--at", "0-1", "--frame-vectors", "frames"]),
                (f"{results}plot_vectors.py", [f"frames/{first}.npy", "--output", "out.png"]),
            ]
        if kind == "page":
            found += 2 * [(PAGE, ["run", "music", "page", "--layout", "pca", "--clusters", "2", "--audio", "copy"])]
            found += [(PAGE, ["run", "music", "page", "--layout", "page/layout.csv"])]
        return found


class Attempt:
    """One damage, one script."""

    def __init__(self, tally: Tally, here: Path, whole: Whole) -> None:
        self.tally, self.here, self.whole = tally, here, whole

    def make(self, kind, path, name, change, script, arguments, generator) -> None:
        shutil.copytree(self.whole.folder, self.here, symlinks=True)
        damaged = self.here / path.relative_to(self.whole.folder)
        change(damaged, generator)
        before = state(self.here)
        paths = [os.fspath(self.here / each) if self._is_path(each) else each for each in arguments]
        run = run_script if script in SLOW else run_forked
        done = run(script, *paths, seconds=MOST_SECONDS)
        after = state(self.here)
        what = f"{path.relative_to(self.whole.folder)}: {name}: {done}"
        good = not done.has_traceback and done.exit_code in (0, 1)
        if good and done.exit_code == 1 and script != CHECK:
            good = done.is_one_clear_line and self._names(done, damaged, kind)
        if script == CHECK and good and done.exit_code == 1:
            good = damaged.name in done.out + done.err or os.fspath(damaged.parent) in done.out + done.err
        self.tally.check(good, what)
        lost = [each for each in before if each not in after or after[each] != before[each]]
        if done.exit_code == 1 or script == CHECK:
            lost = [each for each in lost if not each.endswith(f"/{LOCK_NAME}")]
            made = [each for each in after if each not in before and not each.endswith(f"/{LOCK_NAME}")]
            self.tally.check(not lost and not made, f"changed {lost}, made {made}: {what}")
        else:  # a reader changes no input, and a writer none but its output
            places = {SPECTRIFY: 1, TRAIN: 1, INFER: 2, PAGE: 2}  # of its output among the arguments
            own = arguments[places[script]] if script in places else "out"
            stray = [each for each in lost if each.split("/")[0] != own]
            self.tally.check(not stray, f"changed {stray}: {what}")
        if not self.tally.failures or os.fspath(self.here) not in self.tally.failures[-1]:
            shutil.rmtree(self.here)

    def _is_path(self, argument: str) -> bool:
        first = argument.split("/")[0]
        is_input = (self.whole.folder / first).exists() and argument not in made_folders.SOUNDS
        return is_input or first.split(".")[0] == "out"

    def _names(self, done: Done, damaged: Path, kind: str) -> bool:
        """Tell whether the error says which file, or at least which folder."""
        said = done.error_lines[0]
        return damaged.name in said or re.search(rf"{re.escape(str(self.here / kind))}\b", said) is not None


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]


def state(folder: Path) -> dict[str, object]:
    """Return of everything below a folder what would tell that it was changed; nothing is opened that would wait."""
    found: dict[str, object] = {}
    for path in folder.rglob("*"):
        status = path.lstat()
        what: object = stat.S_IFMT(status.st_mode)
        if stat.S_ISLNK(status.st_mode):
            what = os.readlink(path)
        elif stat.S_ISREG(status.st_mode):
            what = path.read_bytes()
        found[str(path.relative_to(folder))] = what
    return found
