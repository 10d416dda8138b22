"""A whole folder of each kind, small and made without TensorFlow by the code of the scripts that make them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from conftest import tone, write_audio

import spectrify_all
from config import DEFAULT_CONFIG, Config, build_config, read_config_file, to_yaml
from files import save_array
from learning.weights import state_shapes
from mels.mel_folder import list_mels
from runs import frame_folder
from runs.inferred_run import InferredRun, prepare_inferred_run
from runs.repair import prepare
from runs.run_folder import CostRow, commit_save
from static_web_viewer import display_vector_data

SOUNDS = {"a, b.wav": 220, "folk/søng 2.wav": 330, "folk/tune.wav": 440, "zither's.wav": 550}
SMALL = {"output_vector_size": 8, "hidden_size": 4, "mel_bins": 12, "coarse_seconds": 0.6, "keep_vectors": 2}


def small_config() -> Config:
    return build_config(read_config_file(DEFAULT_CONFIG) | SMALL, "test")


def make_music(folder: Path) -> Path:
    for name, hertz in SOUNDS.items():
        write_audio(folder / name, tone(1.0, hertz))
    return folder


def make_mels(folder: Path, music: Path) -> Path:
    argv = [str(music), str(folder), "--config", str(DEFAULT_CONFIG), "--set", "mel_bins=12", "--jobs", "1", "--quiet"]
    assert spectrify_all.main(argv) == 0
    return folder


def vectors_of(names: list[str], seed: int = 0) -> np.ndarray:
    draws = np.random.default_rng(seed)
    return draws.standard_normal((len(names), SMALL["output_vector_size"])).astype(np.float32)


def make_run(folder: Path, names: list[str], saves: int = 3) -> Path:
    config = small_config()
    shapes = state_shapes(config, config.mel_bins)
    network = {name: np.zeros([5 if length is None else length for length in shape], np.float32)
               for name, shape in shapes.items()}  # fmt: skip
    network["step"] = np.array(7)
    songs = {"squares": np.zeros((len(names), 1), np.float32), "stamps": np.arange(len(names))}
    prepare(folder)
    costs = []
    for save in range(1, saves + 1):
        costs.append(CostRow(save, 1 / save, 1.5 / save, 100 * save, 2.5 * save))
        content = to_yaml(dataclasses.asdict(config))
        weights = {"network": network, "songs": songs}
        new_list = names if save == 1 else None
        commit_save(folder, save, vectors_of(names, save), weights, costs, content, config.keep_vectors, new_list)
    return folder


def make_inferred_run(folder: Path, names: list[str], run: Path) -> Path:
    prepare_inferred_run(folder)
    inferred = InferredRun(folder, SMALL["output_vector_size"], "0123")
    for stamp, (name, vector) in enumerate(zip(names, vectors_of(names), strict=True)):
        inferred.add(name, stamp, vector)
    inferred.commit({name: stamp for stamp, name in enumerate(names)}, run, 3, (run / "config.yaml").read_bytes())
    return folder


def make_frame_folder(folder: Path, mels: Path, run: Path) -> Path:
    listed = list_mels(mels)
    frame_folder.prepare_output(folder)
    frame_folder.claim_output(folder, run, 3, "0123")
    stamps = dict(zip(listed.names, map(str, listed.stamps.tolist()), strict=True))
    frame_folder.claim_vectors(folder, mels, stamps)
    for name, frames in zip(listed.names, listed.frames.tolist(), strict=True):
        (folder / name).parent.mkdir(exist_ok=True)
        save_array(folder / name, np.ones((frames, SMALL["output_vector_size"]), np.float32))
    return folder


def make_page(folder: Path, run: Path, music: Path, audio: str = "copy") -> Path:
    argv = [str(run), str(music), str(folder), "--audio", audio, "--layout", "pca", "--clusters", "2", "--quiet"]
    assert display_vector_data.main(argv) == 0
    return folder


def make_foreign_run(folder: Path, names: list[str], save: int = 12) -> Path:
    """As other programs make them: no list with a number, an order of its own, './' in front of names."""
    folder.mkdir()
    np.save(folder / f"vector_at_{save}.npy", vectors_of(names))
    (folder / "music_list.txt").write_text("".join(f"./{name}\n" for name in reversed(names)))
    (folder / "epoc_num.txt").write_text(f"{save}")
    return folder
