"""Synthetic folders of very many tracks: a run with its label table, audio files of no content, and a mel folder."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from config import DEFAULT_CONFIG, audio_half, shipped_config, to_yaml
from files import byte_order, save_array
from mels.mel_folder import LEDGER_NAME, MEL_SUFFIX, LedgerRow, ledger_text
from runs import repair, run_folder

FOLDER_TRACKS = 100  # of each folder: 1,000,000 tracks lie in 10,000
KINDS = 25
SECONDS, FRAMES, MODIFIED = 240.0, 100, 1_700_000_000
POOL = 512  # mels of which all others are links
BLOCK = 1 << 16


def track_names(tracks: int) -> Iterator[str]:
    """Yield the audio files' paths, of the length that those of collections have, sorted by their bytes."""
    for track in range(tracks):
        folder = track // FOLDER_TRACKS
        artist = f"Artist {folder // 4:05d} & the Long Names/Album {folder:05d} (1987, remastered)"
        yield f"{artist}/{track % FOLDER_TRACKS:02d} - A track of some length {track:07d}.mp3"


def make_run(folder: Path, tracks: int, dims: int) -> None:
    """Write folder/run, clustered vectors with the names that belong to them, and folder/labels.csv."""
    draws = np.random.default_rng(0)
    artists = -(-tracks // FOLDER_TRACKS)
    kinds = draws.integers(0, KINDS, artists)
    centres = draws.standard_normal((KINDS, dims), np.float32)[kinds]
    centres += 0.6 * draws.standard_normal((artists, dims), np.float32)
    vectors = np.empty((tracks, dims), np.float32)
    for start in range(0, tracks, BLOCK):
        rows = np.arange(start, min(tracks, start + BLOCK))
        vectors[rows] = centres[rows // FOLDER_TRACKS] + draws.standard_normal((len(rows), dims), np.float32)
    repair.prepare(folder / "run")
    costs = [run_folder.CostRow(1, 1.0, 1.0, 1, 1.0)]
    names = sorted((name + MEL_SUFFIX for name in track_names(tracks)), key=byte_order)
    config = to_yaml(audio_half(shipped_config(DEFAULT_CONFIG)))
    run_folder.commit_save(folder / "run", 1, vectors, {}, costs, config, 5, names)
    with open(folder / "labels.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["filename", "genre", "artist", "title", "year"])
        for track, name in enumerate(track_names(tracks)):
            kind = kinds[track // FOLDER_TRACKS]
            artist, title = f"Artist {track // (4 * FOLDER_TRACKS):05d}", f"A track of some length {track:07d}"
            writer.writerow([name, f"kind {kind}", artist, title, 1950 + 2 * kind + track % 7])


def make_mels(folder: Path, tracks: int) -> None:
    """Write folder/audio, files of no content and the size that the ledger says, and folder/mels with its ledger.

    The mels are hard links to a few hundred: they take no room, and are read as any others.
    """
    audio, mels, config = folder / "audio", folder / "mels", shipped_config(DEFAULT_CONFIG)
    pool, rows, made = make_pool(folder / "pool", config.mel_bins), [], ""
    for track, name in enumerate(track_names(tracks)):
        parent = os.path.dirname(name)
        if parent != made:
            made = parent
            os.makedirs(audio / parent)
            os.makedirs(mels / parent)
        source, mel = os.path.join(audio, name), os.path.join(mels, name + MEL_SUFFIX)
        with open(source, "xb") as file:
            os.truncate(file.fileno(), 4_000_000 + track)
        os.link(pool[track % len(pool)], mel)
        os.utime(source, ns=(0, MODIFIED * 10**9 + track))
        mtime, checksum = f"{MODIFIED}.{track:09d}", f"{track * 2654435761 % 2**32:08x}"
        rows.append(LedgerRow(name, "ok", SECONDS, FRAMES, 4_000_000 + track, mtime, "ffmpeg", "", checksum))
    rows.sort(key=lambda row: byte_order(row.filename))
    (mels / LEDGER_NAME).write_bytes(ledger_text(rows, header=True))
    (mels / "config.yaml").write_bytes(to_yaml(audio_half(config)))


def make_pool(folder: Path, bins: int) -> list[Path]:
    """Write some mels that differ in spectrum and in time; a file system allows so many links to each."""
    draws = np.random.default_rng(0)
    folder.mkdir()
    paths = [folder / f"{number}.npy" for number in range(POOL)]
    for path in paths:
        spectrum = np.convolve(draws.standard_normal(bins + 8), np.ones(9), "valid")
        mel = spectrum - 4 + draws.standard_normal((FRAMES, bins)) * draws.uniform(0.2, 1, bins)
        save_array(path, mel.astype(np.float16))
    return paths
