"""What quality.py and quality_all.py judge: songs with labels and folds, baselines, and vectors of other makers.

All of it is read and checked before anything is trained. What is wrong is a UserError.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from config import Config, add_config_arguments, audio_half
from judging.folds import FOLDS, Folds, large_classes, make_folds
from judging.labels import FILENAME_COLUMN, LabelTable, label_songs, match_rows, read_label_table
from judging.neighbours import check_directions
from mels.mel_folder import MEL_SUFFIX, list_mels, read_audio_half, read_mel
from runs.run_folder import SONG_LIST_NAME, UNREADABLE
from utils import UserError, examples, plural, positive_float, positive_int

CHANCE, LOG_MEL, MFCC, UNTRAINED = "chance", "mean log-mel", "MFCC statistics", "untrained networks"
PLAIN, SONG_VECTORS, TOGETHER = "plain model", "song vectors", "trained together"
UNSEEN, SEEN = "unseen tracks", "the same, trained on"
UNSEEN_GROUPS, SEEN_GROUPS = "unseen groups", "the same groups, trained on"
KINDS = (CHANCE, LOG_MEL, MFCC, UNTRAINED, PLAIN, SONG_VECTORS, TOGETHER, UNSEEN, SEEN, UNSEEN_GROUPS, SEEN_GROUPS)
ROW = "row"  # column of the table that a list of names is made into


@dataclass(frozen=True)
class Collection:
    """Where the mels and the labels of one collection are."""

    name: str
    mel_folder: Path
    labels: Path
    label_column: str
    group_column: str | None = None
    baseline_mels: Path | None = None
    clusters: bool = True  # its clusters are what its labels name


@dataclass(frozen=True)
class Labels:
    """The labelled songs of a mel folder, and their folds."""

    names: list[str]  # all songs of the folder that have a frame
    songs: np.ndarray  # (labelled,) int64, rows of names
    labels: list[str]
    folds: dict[str, Folds]  # "plain" and, with a group column, "by <column>", the stricter one last

    @property
    def strictest(self) -> str:
        return list(self.folds)[-1]

    @property
    def labelled_names(self) -> list[str]:
        return [self.names[song] for song in self.songs]


@dataclass(frozen=True)
class Inputs:
    """A collection that has been read and found whole."""

    collection: Collection
    labels: Labels
    bins: int
    mfcc_folders: dict[str, Path]  # name of the row -> mel folder
    added: dict[str, np.ndarray]  # name of the row -> (labelled, dims) float64


def add_measuring_arguments(parser) -> None:
    """Add what both scripts share: seeds, minutes, which rows, the table's file, the configuration."""
    seeds = "trainings, with the seeds 0 to N-1, or from --seed on"
    unseen = "add the rows for tracks that were left out of the training; five shorter trainings more"
    parser.add_argument("--seeds", type=positive_int, default=3, metavar="N", help=seeds)
    parser.add_argument("--minutes", type=positive_float, default=3.0, metavar="M", help="of training at most")
    parser.add_argument("--no-plain", action="store_true", help="leave out the plain model, which trains as long again")
    parser.add_argument("--unseen", action="store_true", help=unseen)
    groups = "the same for tracks of groups of which no track was in the training; five more"
    parser.add_argument("--unseen-groups", action="store_true", help=groups)
    parser.add_argument("--unseen-seeds", type=positive_int, default=1, metavar="N", help="of both, the first ones")
    parser.add_argument("--output", type=Path, metavar="TABLE.csv", help="write the table there too")
    add_config_arguments(parser)


def read_inputs(
    collection: Collection, config: Config, add: list[tuple[str, Path]], by_resolution: bool = False
) -> Inputs:
    """Read what is judged. by_resolution: the row of the MFCC statistics is named so, even where it is the only one."""
    labels, bins = read_labels(collection)
    own, other = collection.mel_folder, collection.baseline_mels
    folders = {MFCC: own}
    if by_resolution or other:
        folders = {f"{MFCC}, {resolution(own, config)}": own}
    if other:
        require_mels(other, labels.labelled_names, collection.labels)
        name = f"{MFCC}, {resolution(other, config)}"
        folders[f"{name}, {other}" if name in folders else name] = other
    taken = [*KINDS, *folders]
    added = {}
    for name, path in add:
        if name in taken or name in added:
            raise UserError(f"--add {name}={path}: a row of the table has that name already; take another one")
        added[name] = read_named_vectors(path, labels.labelled_names)
    return Inputs(collection, labels, bins, folders, added)


def read_labels(collection: Collection) -> tuple[Labels, int]:
    """Return the labelled songs, and how many bins the mels have."""
    mels = list_mels(collection.mel_folder)
    names = [name for name, frames in zip(mels.names, mels.frames, strict=True) if frames]
    table, group_column = read_label_table(collection.labels), collection.group_column
    labelled = label_songs(table, names, collection.label_column, group_column)
    kept, small = large_classes(labelled.labels, labelled.groups)
    if small:
        print(f"left out: labels with fewer than {FOLDS} tracks, or groups: {', '.join(small)}", file=sys.stderr)
    rows = np.flatnonzero(kept)
    labels = [labelled.labels[row] for row in rows]
    try:
        folds = {"plain": make_folds(labels)}
        if labelled.groups:
            folds[f"by {group_column}"] = make_folds(labels, [labelled.groups[row] for row in rows])
    except ValueError as error:
        raise UserError(f"{collection.labels}: column {collection.label_column!r}: {error}") from None
    return Labels(names, labelled.songs[rows], labels, folds), mels.bins


def resolution(mel_folder: Path, config: Config) -> str:
    """Return the length of a frame and of a hop, "0.128/0.100 s"; those of the configuration for a bare folder."""
    audio = audio_half(config) | read_audio_half(mel_folder)
    return f"{audio['frame_seconds']:.3f}/{audio['hop_seconds']:.3f} s"


def require_mels(mel_folder: Path, names: list[str], labels: Path) -> None:
    """Raise UserError where a mel folder lacks a song of the table."""
    mels = list_mels(mel_folder)
    there = {name for name, frames in zip(mels.names, mels.frames, strict=True) if frames}
    missing = [name for name in names if name not in there]
    if missing:
        what = f"holds no mel of {plural(len(missing), 'labelled song')}: {examples(missing)}"
        raise UserError(f"{mel_folder}: {what}; make it of the same audio, or take these out of {labels}")


def read_mels(mel_folder: Path, names: list[str]) -> list[np.ndarray]:
    mels = []
    for name in names:
        try:
            mels.append(read_mel(mel_folder / name))
        except ValueError as error:
            raise UserError(f"{mel_folder / name}: {error}; make it again with spectrify_all.py") from None
    return mels


def named_file(text: str) -> tuple[str, Path]:
    """argparse type: NAME=FILE.npy."""
    name, equals, path = text.partition("=")
    if not name.strip() or not equals or not path:
        raise ValueError
    return name.strip(), Path(path)


def list_of_names(path: Path) -> Path:
    """Return the file that names the rows of a file of vectors: FILE.txt, else music_list.txt in the same folder."""
    beside = path.with_suffix(".txt")
    return beside if beside.exists() else path.with_name(SONG_LIST_NAME)


def read_named_vectors(path: Path, names: list[str]) -> np.ndarray:
    """Return the vectors of songs out of a file whose rows are named in a list beside it, (names, dims) float64.

    A name matches its song as a label table's filename does: with or without .npy.
    Raises UserError where the file or its list cannot be read, do not fit each other, or lack a song.
    """
    try:
        vectors = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise UserError(f"--add {path}: no such file") from None
    except UNREADABLE as error:
        raise UserError(f"--add {path}: not readable as .npy ({error}); write it with numpy.save") from None
    if not isinstance(vectors, np.ndarray) or vectors.ndim != 2 or vectors.dtype.kind not in "fiu":
        raise UserError(f"--add {path}: holds no table of numbers (songs, dims); write one with numpy.save")
    listed = list_of_names(path)
    try:
        text = listed.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        what = f"neither {path.with_suffix('.txt').name} nor {SONG_LIST_NAME} lies beside it"
        raise UserError(f"--add {path}: {what}; write one, a song's name a line") from None
    rows = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
    if len(rows) != len(vectors):
        raise UserError(f"--add {path}: {len(vectors)} vectors, and {listed} names {len(rows)}; write a line for each")
    table = LabelTable(
        listed, [FILENAME_COLUMN, ROW], [{FILENAME_COLUMN: name, ROW: str(row)} for row, name in enumerate(rows)]
    )
    found = match_rows(table, names, [ROW])
    missing = [name for song, name in enumerate(names) if song not in found]
    if missing:
        songs = f"{plural(len(missing), 'labelled song')}: {examples([m.removesuffix(MEL_SUFFIX) for m in missing])}"
        what = f"has no vector of {songs}"
        raise UserError(f"--add {path}: {what}; add them, with their names in {listed}, or take their labels away")
    taken = np.asarray(vectors[[int(found[song][0]) for song in range(len(names))]], np.float64)
    try:
        check_directions(names, taken)
    except ValueError as error:
        raise UserError(f"--add {path}: {error.args[0].partition(';')[0]}; leave it out of {listed}") from None
    return taken
