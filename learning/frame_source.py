"""The frame vectors of a collection: from a folder of calc_all_vecs.py, and made of the mels where they are missing.

A file is read by blocks, not mapped: one that is cut short meanwhile would then end the process without a word.
"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from config import read_config_file
from files import byte_order
from learning.matching_mels import refuse_other_mels
from learning.trained import TrainedRun
from mels.mel_folder import list_mels, mel_shape, read_mel
from runs.frame_folder import FRAME_LEVEL, LIST_NAME, level_of, read_list
from runs.run_folder import MADE_WITH_NAME
from utils import UserError

SAMPLED_TRACKS, SAMPLED_STRETCH, SAMPLED_FRAMES = 200, 512, 64  # of each track, so many frames of a stretch amid it


class FrameSource:
    """The frame vectors of tracks by their position in `names`. Made by `open_frames`; threads may share it."""

    def __init__(
        self, trained: TrainedRun, names: list[str] | dict[int, str], files: dict[str, Path], mel_folder: Path | None
    ) -> None:
        self.names = names  # as in music_list.txt, sorted
        self._trained, self._files, self._mel_folder = trained, files, mel_folder
        self._last, self._one_at_a_time = threading.local(), threading.Lock()

    @property
    def from_mels(self) -> int:
        """How many tracks' vectors are made when they are asked for."""
        return len(self.names) - len(self._files)

    def read(self, track: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Return the frame vectors [start, stop) of a track, fewer where it ends before: (frames, dims) float32.

        Raises OSError or ValueError where they, or the mel, cannot be read.
        """
        name = self.names[track]
        if name in self._files:
            return self._checked(read_mel(self._files[name], start, stop))
        if getattr(self._last, "track", None) != track:
            self._last.vectors, self._last.track = self._embed(read_mel(self._mel_folder / name)), track
        return self._last.vectors[start:stop]

    def file_of(self, track: int) -> Path | None:
        """Return where the vectors of a track lie; None where they are made when they are asked for."""
        return self._files.get(self.names[track])

    def sample(self) -> np.ndarray:
        """Return frame vectors of tracks that lie evenly in the list, (frames, dims). Raises UserError if none can."""
        found = []
        for track in np.unique(np.linspace(0, len(self.names) - 1, SAMPLED_TRACKS).round().astype(int)).tolist():
            name = self.names[track]
            path = self._files.get(name) or self._mel_folder / name
            try:
                start = max(0, (mel_shape(path)[0] - SAMPLED_STRETCH) // 2)
                frames = read_mel(path, start, start + SAMPLED_STRETCH)
                frames = self._checked(frames) if name in self._files else self._embed(frames)
            except (OSError, ValueError) as error:
                trouble = f"{path}: {error}"
                continue
            found.append(frames[:: max(1, len(frames) // SAMPLED_FRAMES)])
        if not sum(map(len, found)):
            raise UserError(
                f"no track can be read, e.g. {trouble if not found else 'none has a frame'}; make them anew"
            )
        return np.concatenate(found)

    def _embed(self, mel: np.ndarray) -> np.ndarray:
        if mel.shape[1] != self._trained.config.mel_bins:
            raise ValueError(f"{mel.shape[1]} bins, expected {self._trained.config.mel_bins}")
        with self._one_at_a_time:  # it takes all cores by itself
            return self._trained.frame_vectors(mel)

    def _checked(self, vectors: np.ndarray) -> np.ndarray:
        dims = self._trained.config.output_vector_size
        if vectors.shape[1] != dims:
            raise ValueError(f"vectors of {vectors.shape[1]} dimensions, expected {dims}")
        return vectors.astype(np.float32, copy=False)


def open_frames(trained: TrainedRun, frame_folder: Path | None, mel_folder: Path | None) -> FrameSource:
    """List the tracks of a mel folder or, where there is none, of a folder of frame vectors.

    Raises UserError where neither is given, or what is given was not made by or for this run.
    """
    if frame_folder is None and mel_folder is None:
        raise UserError(
            "say where the frames are: --frame-vectors FOLDER, what calc_all_vecs.py wrote, or --mel-folder"
        )
    noted, since = _list_vectors(trained, frame_folder) if frame_folder else ({}, 0)
    if mel_folder is None:
        files = {name: frame_folder / name for name in noted if _modified(frame_folder / name) >= since}
        if not files:
            remedy = f"calc_all_vecs.py MEL_FOLDER {trained.folder} {frame_folder}"
            raise UserError(f"{frame_folder}: holds no whole vectors of this run's weights; make them with {remedy}")
        return FrameSource(trained, sorted(files, key=byte_order), files, None)
    mels = list_mels(mel_folder)
    refuse_other_mels(mel_folder, mels, trained.folder, trained.config)
    files = {
        name: frame_folder / name
        for name, stamp in zip(mels.names, map(str, mels.stamps.tolist()), strict=True)
        if name in noted and noted[name] in ("", stamp)
        if _modified(frame_folder / name) >= max(since, _modified(mel_folder / name))
    }
    return FrameSource(trained, mels.names, files, mel_folder)


def _list_vectors(trained: TrainedRun, folder: Path) -> tuple[dict[str, str], int]:
    """Return name -> stamp of a folder's vectors, and since when (nanoseconds) they are of this run's weights."""
    anew = f"calc_all_vecs.py MEL_FOLDER {trained.folder}"
    if level_of(folder) != FRAME_LEVEL or not (folder / LIST_NAME).exists():
        raise UserError(f"{folder}: holds no frame vectors of calc_all_vecs.py; make them with {anew} {folder}")
    path = folder / MADE_WITH_NAME
    says = read_config_file(path)
    if says.get("weights") != trained.frame_digest():
        whose = f"made with save {says.get('save')} of {says.get('run')}, by other weights than those of save"
        raise UserError(f"{path}: {whose} {trained.save} of {trained.folder}; make them anew: {anew} {folder}")
    return read_list(folder), path.stat().st_mtime_ns


def _modified(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return -1
