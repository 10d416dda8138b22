"""Measure how well a label can be told from the vectors of tracks, beside baselines that need no training.

    python process_results/logistic_regress.py RUN LABELS.csv --label-column genre --mel-folder MELS

Reads   RUN, the run folder of spectrogram_doc2vec.py; LABELS.csv, a table with the column filename (the audio file's
        path relative to the audio folder), the column of the labels, and with --group-column e.g. artist that one too;
        with --mel-folder the mels of the same tracks, for the baselines. --vectors can be given more than once.
Writes  with --output the printed table as CSV, nothing otherwise.

Each figure is an accuracy: mean +- standard deviation over repeated stratified folds, everything that is learnt (the
scaling too) learnt from the other folds. With --group-column no group is on both sides: tracks of one artist resemble
each other, and without it part of the figure is the artist recognised.

Reference: MFCC statistics after Defferrard et al. 2017, FMA: a dataset for music analysis.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the shared modules lie in the repository root

import evaluation
import plots
from mel_folder import read_mel
from run_folder import Vectors, add_vectors_argument, read_vectors, which_vectors
from utils import (
    EXIT_DONE,
    Progress,
    UserError,
    add_quiet_argument,
    command,
    plural,
    printable,
    script_parser,
    write_file,
)

MEAN_LOG_MEL, MFCC_STATISTICS = "mean log-mel", "MFCC statistics"
SCALED_FOR_NEIGHBOURS = (MFCC_STATISTICS,)  # its columns differ in scale, and unscaled 5-NN is far weaker; others lose
NAMES_TOLD = 3  # examples in a line that counts what was left out

Table = dict[str, dict[str, np.ndarray]]  # kind of vector -> classifier -> (folds,) accuracy


@dataclass(frozen=True)
class Tracks:
    """The tracks that are compared: every kind of vector has a row for each of them."""

    names: list[str]
    labels: list[str]
    groups: list[str] | None
    kinds: dict[str, np.ndarray]  # kind of vector -> (tracks, dims)

    def keep(self, rows: np.ndarray) -> Tracks:
        """Return the tracks at rows (tracks,) bool."""
        return Tracks(
            [name for name, kept in zip(self.names, rows, strict=True) if kept],
            [label for label, kept in zip(self.labels, rows, strict=True) if kept],
            None if self.groups is None else [g for g, kept in zip(self.groups, rows, strict=True) if kept],
            {kind: vectors[rows] for kind, vectors in self.kinds.items()},
        )


def read_kinds(run: Path, which: list[str | None]) -> list[Vectors]:
    """Return the vectors that --vectors names (None: the default), once each.

    Raises UserError where their rows are not the same songs.
    """
    kinds = [read_vectors(run, name) for name in dict.fromkeys(which)]
    for kind in kinds:
        if kind.names != kinds[0].names:
            what = f"{kinds[0].kind} are of save {kinds[0].save}, {kind.kind} of save {kind.save} with other songs"
            raise UserError(f"{run}: {what}; run spectrogram_doc2vec.py again, or compare one kind at a time")
    return kinds


def add_baselines(tracks: Tracks, mel_folder: Path, quiet: bool) -> tuple[Tracks, list[str]]:
    """Add mean log-mel and MFCC statistics. Tracks without a usable mel leave the whole comparison.

    Returns  the tracks left, and why each of the others went. Raises UserError where none is left.
    """
    if not mel_folder.is_dir():
        raise UserError(f"{mel_folder}: no such mel folder; name the one that the run was trained on")
    means, statistics, gone = [], [], []
    kept = np.zeros(len(tracks.names), bool)
    progress = Progress(len(tracks.names), "baselines", "tracks", quiet)
    for row, name in enumerate(tracks.names):
        try:
            mel = read_mel(mel_folder / name)
            mean = evaluation.mean_log_mel(mel)
            if means and len(mean) != len(means[0]):
                raise ValueError(f"{len(mean)} bins where others have {len(means[0])}")
            means.append(mean)
            statistics.append(evaluation.mfcc_statistics(mel))
            kept[row] = True
        except (OSError, ValueError) as error:
            gone.append(f"{name}: {getattr(error, 'strerror', None) or error}")
        progress.advance()
    progress.close()
    if not means:
        raise UserError(f"{mel_folder}: holds none of the labelled songs of the run ({gone[0]}); name their mel folder")
    left = tracks.keep(kept)
    kinds = left.kinds | {MEAN_LOG_MEL: np.stack(means), MFCC_STATISTICS: np.stack(statistics)}
    return Tracks(left.names, left.labels, left.groups, kinds), gone


def drop_small_classes(tracks: Tracks) -> tuple[Tracks, list[str]]:
    """Leave out the tracks of classes with fewer than two members (or groups), and name those classes."""
    kept, small = evaluation.usable_classes(tracks.labels, tracks.groups)
    return tracks.keep(kept), small


def compare(tracks: Tracks, folds: evaluation.Folds, seed: int, quiet: bool) -> Table:
    """Return the accuracies of every classifier on every kind of vector, all on the same folds."""
    progress = Progress(len(tracks.kinds) * len(evaluation.CLASSIFIERS), "cross-validation", "classifiers", quiet)
    table = {
        kind: evaluation.cross_validate(
            vectors, tracks.labels, folds, kind in SCALED_FOR_NEIGHBOURS, seed, progress.advance
        )
        for kind, vectors in tracks.kinds.items()
    }
    progress.close()
    return table


def format_table(table: Table, chance: dict[str, float]) -> str:
    """Return the accuracies as aligned lines, chance below them."""
    lines = [f"{'accuracy':<20}" + "".join(f"{name:<18}" for name in evaluation.CLASSIFIERS)]
    for kind, scores in table.items():
        cells = (f"{scores[name].mean():.3f} +- {scores[name].std():.3f}" for name in evaluation.CLASSIFIERS)
        lines.append(f"{kind:<20}" + "".join(f"{cell:<18}" for cell in cells))
    for name, value in chance.items():
        lines.append(f"{name:<20}" + "".join(f"{value:<18.3f}" for _ in evaluation.CLASSIFIERS))
    return "\n".join(line.rstrip() for line in lines)


def table_csv(table: Table, chance: dict[str, float], tracks: int) -> bytes:
    """Return the accuracies as CSV: vectors,classifier,accuracy,standard_deviation,folds,tracks."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("vectors", "classifier", "accuracy", "standard_deviation", "folds", "tracks"))
    for kind, scores in table.items():
        for name, folds in scores.items():
            writer.writerow((kind, name, f"{folds.mean():.4f}", f"{folds.std():.4f}", len(folds), tracks))
    writer.writerows((name, "", f"{value:.4f}", "", "", tracks) for name, value in chance.items())
    return text.getvalue().encode()


def describe(tracks: Tracks, folds: evaluation.Folds, group_column: str | None) -> str:
    """Return what is compared in one line: tracks, classes, groups, folds, and why there are few folds."""
    members = evaluation.class_members(tracks.labels, tracks.groups)
    count = len(folds) // evaluation.REPEATS
    grouped = f", {plural(len(set(tracks.groups)), 'group')} by {group_column}" if group_column else ""
    line = f"{plural(len(tracks.names), 'track')}, {len(members)} classes{grouped}"
    line += f", {evaluation.REPEATS} x {count} stratified folds"
    if count < evaluation.FOLDS:
        smallest = min(members, key=members.__getitem__)
        line += f" (class {smallest!r} has only {plural(members[smallest], 'group' if group_column else 'track')})"
    return line


def examples(names: list[str]) -> str:
    """Return the first few names, and that there are more."""
    return ", ".join(names[:NAMES_TOLD]) + (", ..." if len(names) > NAMES_TOLD else "")


def build_parser() -> argparse.ArgumentParser:
    parser = script_parser(__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder of spectrogram_doc2vec.py")
    parser.add_argument("labels", type=Path, metavar="LABELS.csv", help="table with the column filename and a label")
    parser.add_argument("--label-column", default="genre", metavar="NAME", help="column that holds the labels")
    add_vectors_argument(parser, action="append")
    parser.add_argument("--group-column", metavar="NAME", help="column of what must not be on both sides, e.g. artist")
    parser.add_argument("--mel-folder", type=Path, metavar="MELS", help="mel folder of the run, for the baselines")
    parser.add_argument("--output", type=Path, metavar="TABLE.csv", help="write the table there too")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the folds")
    add_quiet_argument(parser)
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    if arguments.output is not None:
        plots.check_output(arguments.output, [".csv"], [arguments.labels])
    label_table = evaluation.read_label_table(arguments.labels)
    kinds = read_kinds(arguments.run, arguments.vectors or [None])
    names = kinds[0].names
    labelled = evaluation.label_songs(label_table, names, arguments.label_column, arguments.group_column)
    for kind in kinds:
        print(printable(which_vectors(arguments.run, kind)))
    print(printable(labelled.summary()))

    vectors = {kind.kind: kind.vectors[labelled.songs] for kind in kinds}
    tracks = Tracks([names[i] for i in labelled.songs], labelled.labels, labelled.groups, vectors)
    try:
        for rows in tracks.kinds.values():
            evaluation.check_directions(tracks.names, rows)
    except ValueError as error:
        raise UserError(f"{arguments.run}: {error}") from None
    if arguments.mel_folder is not None:
        tracks, gone = add_baselines(tracks, arguments.mel_folder, arguments.quiet)
        if gone:
            print(printable(f"left out: {plural(len(gone), 'track')} without a usable mel ({examples(gone)})"))
    tracks, small = drop_small_classes(tracks)
    if small:
        what = f"{plural(len(small), 'label')} with fewer than two {'groups' if arguments.group_column else 'tracks'}"
        print(printable(f"left out: {what} ({examples(small)})"))
    try:
        folds = evaluation.make_folds(tracks.labels, tracks.groups, arguments.seed)
    except ValueError as error:
        raise UserError(f"{arguments.labels}: column {arguments.label_column!r}: {error}") from None

    print(printable(describe(tracks, folds, arguments.group_column)))
    table, chance = compare(tracks, folds, arguments.seed, arguments.quiet), evaluation.chance(tracks.labels)
    print(format_table(table, chance))
    if arguments.mel_folder is None:
        print("for the baselines of the same tracks (mean log-mel, MFCC statistics) add --mel-folder MELS")
    written = ""
    if arguments.output is not None:
        write_file(arguments.output, table_csv(table, chance, len(tracks.names)))
        written = f"{arguments.output}: "
    print(printable(f"{written}{plural(len(table), 'kind')} of vectors compared on {len(tracks.names):,} tracks"))
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
