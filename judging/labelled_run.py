"""What every script that judges a run by labels begins with: its vectors, the label of each track, the classes kept."""

from __future__ import annotations

import argparse
import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from judging.folds import Folds, large_classes, make_folds
from judging.labels import LabelledSongs, label_songs, read_label_table
from judging.neighbours import check_directions
from runs.vectors import Vectors, read_vectors
from utils import UserError, examples, plural, positive_int

LEAST_MEMBERS = 2  # of a class: one to learn from and one to test on


def add_labelled_run_arguments(parser: argparse.ArgumentParser, least_members: int | None = None) -> None:
    """Add what scripts that judge a run by labels share: RUN, LABELS.csv, --label-column, --list-left-out.

    least_members   the default of --min-members, which is added too; None for scripts that leave no label out.
    """
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder of spectrogram_doc2vec.py")
    parser.add_argument("labels", type=Path, metavar="LABELS.csv", help="table with the column filename and a label")
    parser.add_argument("--label-column", default="genre", metavar="NAME", help="column that holds the labels")
    if least_members is not None:
        few = "labels with fewer tracks, or groups, are left out; below 5 there are fewer folds, 2 is the least"
        parser.add_argument("--min-members", type=positive_int, default=least_members, metavar="N", help=few)
    parser.add_argument("--list-left-out", action="store_true", help="name every song and row that was left out")


@dataclass(frozen=True)
class LabelledTracks:
    """Tracks that have a label: every kind of vector has a row for each of them."""

    songs: np.ndarray  # (tracks,) int64, rows of the run
    names: list[str]
    labels: list[str]
    groups: list[str] | None
    kinds: dict[str, np.ndarray]  # kind of vector -> (tracks, dims), none of them zero, all finite

    @property
    def vectors(self) -> np.ndarray:
        """Return those of the first kind, (tracks, dims)."""
        return next(iter(self.kinds.values()))

    def keep(self, kept: np.ndarray) -> LabelledTracks:
        """Return the tracks for which `kept`, (tracks,) bool, holds."""
        rows = np.flatnonzero(kept)
        return LabelledTracks(
            self.songs[rows],
            [self.names[row] for row in rows],
            [self.labels[row] for row in rows],
            None if self.groups is None else [self.groups[row] for row in rows],
            {kind: vectors[rows] for kind, vectors in self.kinds.items()},
        )

    def with_kinds(self, more: dict[str, np.ndarray]) -> LabelledTracks:
        """Return the same tracks with further kinds of vectors."""
        return dataclasses.replace(self, kinds=self.kinds | more)


@dataclass(frozen=True)
class LabelledRun:
    """A run's vectors, and what a table says of its songs."""

    folder: Path
    table: Path
    label_column: str
    kinds: list[Vectors]  # at least one; all have the same songs
    labelled: LabelledSongs

    @property
    def names(self) -> list[str]:
        """Return all songs of the run, as in music_list.txt."""
        return self.kinds[0].names

    def summary(self, listed: bool) -> str:
        """Return which vectors were read and how many songs are labelled; `listed` names all that is left out."""
        lines = [f"vectors: {kind}" for kind in self.kinds]
        return "\n".join([*lines, self.labelled.summary(listed)])

    def tracks(self) -> LabelledTracks:
        """Return the labelled tracks. Raises UserError, naming the first, where one has no direction."""
        rows = self.labelled.songs
        names = [self.names[song] for song in rows]
        kinds = {kind.kind: kind.vectors[rows] for kind in self.kinds}
        for vectors in kinds.values():
            self._check_directions(names, vectors)
        return LabelledTracks(rows, names, self.labelled.labels, self.labelled.groups, kinds)

    def check_all_directions(self) -> None:
        """Raise UserError, naming the first, where any song of the run has no direction, labelled or not."""
        self._check_directions(self.names, self.kinds[0].vectors)

    def _check_directions(self, names: Sequence[str], vectors: np.ndarray) -> None:
        try:
            check_directions(names, vectors)
        except ValueError as error:
            raise UserError(f"{self.folder}: {error}") from None

    def leave_out_small(self, tracks: LabelledTracks, least: int, flag: str) -> tuple[LabelledTracks, str]:
        """Leave out the labels with fewer members (groups where given, else tracks) than `least`.

        flag     what the caller's user sets `least` by: named in what is said.
        Returns  what is left, and a line that names what is not; empty where that is nothing.
        Raises   UserError where fewer than two labels are left, though two have two members; and for a `least` below 2.
        """
        if least < LEAST_MEMBERS:
            what = "a label needs two members, one to learn from and one to test on"
            raise UserError(f"{flag} {least}: {what}; {LEAST_MEMBERS} is the least")
        members = "tracks" if tracks.groups is None else "groups"
        kept, small = large_classes(tracks.labels, tracks.groups, least)
        left = tracks.keep(kept)
        if len(set(left.labels)) < 2:
            left = tracks.keep(large_classes(tracks.labels, tracks.groups, LEAST_MEMBERS)[0])
            if len(set(left.labels)) < 2:
                return left, ""  # make_folds says what is wrong
            remedy = f"label more, or take smaller ones too, in fewer folds, with {flag} {LEAST_MEMBERS}"
            raise self.error(f"fewer than two labels have {least} {members}; {remedy}")
        what = f"{plural(len(small), 'label')} with fewer than {least} {members}"
        return left, f"left out: {what} ({examples(small)}); see {flag}" if small else ""

    def make_folds(self, tracks: LabelledTracks, seed: int) -> Folds:
        """Return folds of the tracks. Raises UserError, naming table and column, where there can be none."""
        try:
            return make_folds(tracks.labels, tracks.groups, seed)
        except ValueError as error:
            raise self.error(error) from None

    def error(self, what: object) -> UserError:
        """Return an error of the labels: it names the table and the column."""
        return UserError(f"{self.table}: column {self.label_column!r}: {what}")


def read_labelled_run(
    folder: Path,
    table: Path,
    label_column: str,
    group_column: str | None = None,
    which: Sequence[str | None] = (None,),
) -> LabelledRun:
    """Read a label table and a run's vectors, and give each song its label.

    which   what --vectors names, None for the default; each is read once.
    Raises  UserError where either cannot be read, where they do not fit, and where kinds of vectors have other songs.
    """
    labels = read_label_table(table)
    which = list(dict.fromkeys(which))
    kinds = told_apart([read_vectors(folder, name, mapped=True) for name in which], which)
    for kind in kinds:
        if kind.names != kinds[0].names:
            what = f"a save came between reading {kinds[0]} and {kind}, and its songs are others"
            raise UserError(f"{folder}: {what}; run the same command again")
    labelled = label_songs(labels, kinds[0].names, label_column, group_column)
    return LabelledRun(folder, table, label_column, kinds, labelled)


def told_apart(kinds: Sequence[Vectors], which: Sequence[str | None]) -> list[Vectors]:
    """Return the kinds of vectors under different names: files of one base name by as much of their paths as it takes.

    which  what --vectors named, one for each kind, no two alike.
    """
    times = Counter(kind.kind for kind in kinds)
    alike = [Path(name).parts for kind, name in zip(kinds, which, strict=True) if times[kind.kind] > 1]
    depths = range(2, max(map(len, alike), default=0) + 1)
    depth = next((d for d in depths if len({parts[-d:] for parts in alike}) == len(alike)), None)

    def name_of(kind: Vectors, name: str | None) -> str:
        if times[kind.kind] == 1:
            return kind.kind
        return name if depth is None else str(Path(*Path(name).parts[-depth:]))

    return [dataclasses.replace(one, kind=name_of(one, name)) for one, name in zip(kinds, which, strict=True)]
