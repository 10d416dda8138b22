"""What the scripts are attacked with: a small house of music, mels, a run, labels, and every script that writes.

Tiny, so that an attack takes a second or two: a dozen short clips, a model of a few numbers. What is made from it is
the same each time, so that what an attack leaves can be compared byte for byte.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from conftest import tone, write_audio
from folders import SMALL, small_config

from config import DEFAULT_CONFIG, to_yaml
from learning.pools import Corpus
from learning.sampling import sample_inputs
from learning.weights import first_weights
from mels.mel_folder import list_mels, read_ledger, write_ledger
from runs.repair import prepare
from runs.run_folder import CostRow, commit_save
from torture.running import INFER, PAGE, SPECTRIFY, TRAIN, Done, command, run_script

RATE_HZ = 16000
CLIPS = 12
NAMES = [f"{('low, deep', 'søng')[clip % 2]}/{clip:02d} it's.wav" for clip in range(CLIPS)]
RESOLUTION = ["--config", str(DEFAULT_CONFIG), "--set", f"mel_bins={SMALL['mel_bins']}"]
TRAINING = "output_vector_size=8 hidden_size=4 batch_size=8 pairs_per_save=64 keep_vectors=2 coarse_seconds=0.6".split()
MODEL = [word for setting in TRAINING for word in ("--set", setting)]
CALL_MODEL = [*MODEL, "--max-saves", "5", "--quiet"]


def write_clip(music: Path, name: str, pitch: int, seconds: float = 1.2) -> Path:
    return write_audio(music / name, tone(seconds, 200 + 35 * pitch, rate_hz=RATE_HZ), RATE_HZ)


def write_labels(path: Path, names: list[str]) -> Path:
    rows = [f'"{name}",{"ab"[number % 2]},artist {number % 6}\n' for number, name in enumerate(names)]
    path.write_text("".join(["filename,genre,artist\n", *rows]))
    return path


@dataclass(frozen=True)
class House:
    """Where the inputs lie."""

    folder: Path

    @property
    def music(self) -> Path:
        return self.folder / "the music"

    @property
    def mels(self) -> Path:
        return self.folder / "the mels"

    @property
    def run(self) -> Path:
        return self.folder / "the run"

    @property
    def frames(self) -> Path:
        return self.folder / "frame vectors"

    @property
    def labels(self) -> Path:
        return self.folder / "labels.csv"


def build(folder: Path) -> House:
    """Make a house."""
    house = House(folder)
    for clip, name in enumerate(NAMES):
        write_clip(house.music, name, clip)
    write_labels(house.labels, NAMES)
    _must(run_script(SPECTRIFY, house.music, house.mels, "--quiet", *RESOLUTION))
    make_run(house.run, house.mels)
    return house


def make_run(run: Path, mel_folder: Path, gone: Sequence[str] = ()) -> None:
    """Write a run of three saves without TensorFlow: of networks as they are before training.

    gone  names of songs that it has beside those of the mel folder.
    """
    mels, config = list_mels(mel_folder), small_config()
    corpus = Corpus(mel_folder, mels.names, mels.frames, mels.bins, config, mels.stamps)
    network = first_weights(config, mels.bins, sample_inputs(corpus))
    names = sorted([*mels.names, *gone])
    draws = np.random.default_rng(0)
    stamps = dict(zip(mels.names, mels.stamps.tolist(), strict=True))
    songs = {
        "squares": np.zeros((len(names), 1), np.float32),
        "stamps": np.array([stamps.get(name, 0) for name in names]),
    }
    prepare(run)
    costs: list[CostRow] = []
    for save in range(1, 4):
        costs.append(CostRow(save, 1 / save, 1.5 / save, 64 * save, 2.5 * save))
        vectors = draws.standard_normal((len(names), config.output_vector_size)).astype(np.float32)
        weights = {"network": network, "songs": songs}
        new_list = names if save == 1 else None
        commit_save(run, save, vectors, weights, costs, to_yaml(dataclasses.asdict(config)), 2, new_list)


def _must(done: Done) -> None:
    assert done.exit_code == 0, done


@dataclass(frozen=True)
class Writer:
    """A command that writes into a folder."""

    name: str
    argv: Callable[[House, Path], list[str]]  # house and output folder -> argv
    before: Callable[[House, Path], object] = lambda house, out: out.mkdir()  # makes what is there already
    seconds: float = 1.0  # about as long as it takes
    remakes: bool = True  # False: what exists is refused, so that a second run is an error
    nightly: bool = False  # a run that finds nothing new changes no file
    same_bytes: bool = True  # each run writes the same: not what dates itself

    @property
    def share(self) -> float:
        """Of the time: what takes long is more by attacks than by time less than the others."""
        return self.seconds**0.5


def _grown_mels(house: House, out: Path) -> None:
    """Mels of which two files are gone, one has become silent, and two are missing."""
    shutil.copytree(house.mels, out / "mels")
    ledger = out / "mels" / "spectrify_log.csv"
    lines = ledger.read_text().splitlines(keepends=True)
    here, gone = lines[3:], [line.replace(" it's", f" gone {number}") for number, line in enumerate(lines[1:3])]
    ledger.write_text("".join([lines[0], *sorted([*gone, *here])]))
    for line in gone:
        path = out / "mels" / f"{line.split('.wav')[0].strip(chr(34))}.wav.npy"
        np.save(path, np.zeros((2, SMALL["mel_bins"]), np.float16))


def _old_run(house: House, out: Path) -> None:
    """A run of which two songs are gone, and to which four have come."""
    before = _old_mels(house)
    make_run(out / "run", before, ["zz gone/1.wav.npy", "zz gone/2.wav.npy"])


def _old_mels(house: House) -> Path:
    """Return a folder of eight of the mels, with its ledger."""
    before = house.folder / "mels before"
    if not before.exists():
        shutil.copytree(house.mels, before)
        rows = read_ledger(before)
        for name in NAMES[:4]:
            del rows[name]
        write_ledger(before, rows)
    return before


def _with_frames(house: House) -> None:
    if not house.frames.exists():
        _must(run_script(INFER, house.mels, house.run, house.frames, "--quiet"))


def _old_page(house: House, out: Path) -> None:
    """A page of eight of the tracks."""
    make_run(out / "run before", _old_mels(house))
    argv = ["--audio", "copy", "--layout", "pca", "--quiet"]
    _must(run_script(PAGE, out / "run before", house.music, out / "page", *argv))
    shutil.rmtree(out / "run before")


def _results(script: str, *arguments: str) -> Callable[[House, Path], list[str]]:
    """Return what makes the argv of a script of process_results; in the arguments {run}, {out} ... are paths."""

    def argv(house: House, out: Path) -> list[str]:
        places = {name: getattr(house, name) for name in ("music", "mels", "run", "frames", "labels")}
        return command(f"process_results/{script}.py", *(each.format(out=out, **places) for each in arguments))

    return argv


WRITERS = [
    Writer("spectrify", lambda h, out: command(SPECTRIFY, h.music, out / "mels", *RESOLUTION, "--quiet"), seconds=4,
           nightly=True),
    Writer("spectrify --prune", lambda h, out: command(SPECTRIFY, h.music, out / "mels", *RESOLUTION, "--prune"),
           lambda h, out: (out.mkdir(), _grown_mels(h, out)), seconds=4, nightly=True),
    Writer("spectrify --overwrite",
           lambda h, out: command(SPECTRIFY, h.music, out / "mels", *RESOLUTION, "--overwrite"),
           lambda h, out: (out.mkdir(), _grown_mels(h, out)), seconds=4),
    Writer("train", lambda h, out: command(TRAIN, h.mels, out / "run", *CALL_MODEL), seconds=12, nightly=True),
    Writer("train, songs changed", lambda h, out: command(TRAIN, h.mels, out / "run", *CALL_MODEL),
           lambda h, out: (out.mkdir(), _old_run(h, out)), seconds=12, nightly=True),
    Writer("train --add-only", lambda h, out: command(TRAIN, h.mels, out / "run", *MODEL, "--add-only"),
           lambda h, out: (out.mkdir(), _old_run(h, out)), seconds=12, nightly=True),
    Writer("calc_all_vecs", lambda h, out: command(INFER, h.mels, h.run, out / "vectors", "--quiet"), seconds=8,
           nightly=True),
    Writer("calc_all_vecs --level song",
           lambda h, out: command(INFER, h.mels, h.run, out / "vectors", "--level", "song"), seconds=8, nightly=True),
    Writer("page --audio copy", lambda h, out: command(PAGE, h.run, h.music, out / "page", "--audio", "copy",
           "--mel-folder", h.mels, "--labels", h.labels), seconds=8, nightly=True),
    Writer("page, grown", lambda h, out: command(PAGE, h.run, h.music, out / "page", "--audio", "copy", "--quiet"),
           lambda h, out: (out.mkdir(), _old_page(h, out)), seconds=8, nightly=True),
    Writer("sphere_kmeans", _results("sphere_kmeans", "{run}", "{labels}", "--clusters", "2", "--mel-folder", "{mels}",
           "--output", "{out}/c.png", "--m3u8-folder", "{out}/lists", "--audio-folder", "{music}"), seconds=2),
    Writer("logistic_regress", _results("logistic_regress", "{run}", "{labels}", "--output", "{out}/classes"),
           seconds=3),
    Writer("predict_labels", _results("predict_labels", "{run}", "{labels}", "--all", "--output", "{out}/p.csv")),
    Writer("audit_labels", _results("audit_labels", "{run}", "{labels}", "--output", "{out}/a.csv")),
    Writer("labels_from_tags", _results("labels_from_tags", "{music}", "{out}/tags.csv"), nightly=True),
    Writer("find_similar", _results("find_similar", "{run}", "--track", "01", "--m3u8", "{out}/x.m3u8",
           "--audio-folder", "{music}")),
    Writer("find_moments", _results("find_moments", "{run}", "--frame-vectors", "{frames}", "--track", "01", "--at",
           "0:00-0:01", "--cut", "{out}/cuts", "--audio-folder", "{music}"),
           lambda h, out: (out.mkdir(), _with_frames(h)), seconds=5),
    Writer("find_duplicates", _results("find_duplicates", "{run}", "--mel-folder", "{mels}", "--output", "{out}/d.csv",
           "--m3u8", "{out}/d.m3u8", "--audio-folder", "{music}")),
    *(Writer(f"export_vectors --format {kind}",
             _results("export_vectors", "{run}", "--format", kind, "--output", f"{{out}}/v.{kind}"),
             seconds=0.5, remakes=False) for kind in ("csv", "npz", "projector")),
    Writer("export_vectors --keras", _results("export_vectors", "{run}", "--keras", "{out}/v.keras"), seconds=8,
           remakes=False, same_bytes=False),
    Writer("plot_costs", _results("plot_costs", "{run}", "--output", "{out}/costs.png")),
    Writer("plot_vectors", _results("plot_vectors", "{run}/vector_at_3.npy", "--output", "{out}/v.svg")),
]  # fmt: skip
BY_NAME = {writer.name: writer for writer in WRITERS}
