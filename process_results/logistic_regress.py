"""Measure how well a label can be told from the vectors of tracks, beside baselines that need no training.

    python process_results/logistic_regress.py RUN LABELS.csv --label-column genre --mel-folder MELS --output DIR

Reads   RUN, the run folder of spectrogram_doc2vec.py; LABELS.csv, a table with the column filename (the audio file's
        path relative to the audio folder), the column of the labels, and with --group-column e.g. artist that one too;
        with --mel-folder the mels of the same tracks, for the baselines. --vectors can be given more than once.
Writes  with --output a folder: scores.csv, the printed table; of the first kind of vectors and the RBF SVM classes.csv,
        what became of each class, and confusion.png (of 40 classes at most); learning_curve.png, accuracy by the
        number of labelled tracks. With a name that ends in .csv scores.csv alone, under that name.

Linear SVM, RBF SVM, logistic regression and 5-NN by cosine; accuracy, balanced accuracy and macro F1, each the mean
over repeated stratified folds +- half of a 95 percent interval. All that is learned is learned from the other folds:
the scaling, and C, one of three by an inner split (--fixed: set values, those of the quality benchmark). With
--group-column no group is on both sides: tracks of one artist resemble each other, and without it part of the figure
is the artist recognised. A track without a group is a group of its own. Labels with fewer than five tracks (groups,
with --group-column) are left out and named, for one such would make the folds of all fewer; --min-members changes that.

An RBF SVM learns from 20,000 tracks at most, each label in its share: of more it would take hours. It says so then.

The vectors of a run have heard the audio of the tracks tested on too, though no label: they were trained on all of its
songs. For tracks that come later the figure can be lower. The baselines know nothing but the track itself.

Reference: MFCC statistics after Defferrard et al. 2017, FMA: a dataset for music analysis; the interval after Nadeau
and Bengio 2003, Inference for the Generalization Error.
"""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))  # where the shared modules lie

import utils  # noqa: F401  first, so that Ctrl-C is one line during the other imports too

# isort: split

import argparse
from pathlib import Path

import numpy as np

from files import require_ours_or_empty, write_file
from judging import baselines, classifiers, pictures
from judging.classifier_report import (
    SCORES_HEADER,
    Comparison,
    Table,
    classes_csv,
    draw_confusion,
    draw_learning_curve,
    format_table,
    scores_csv,
)
from judging.classifiers import CLASSIFIERS, RBF_SVM, SCORES
from judging.folds import FOLDS, REPEATS, Folds, class_members
from judging.labelled_run import LabelledTracks, add_labelled_run_arguments, read_labelled_run
from judging.labels import encode
from mels.mel_folder import read_mel
from runs.vectors import add_vectors_argument
from utils import (
    EXIT_DONE,
    Progress,
    UserError,
    add_quiet_argument,
    command,
    examples,
    plural,
    printable,
    script_parser,
)

MEAN_LOG_MEL, MFCC_STATISTICS = "mean log-mel", "MFCC statistics"
SCALED_FOR_NEIGHBOURS = (MFCC_STATISTICS,)  # its columns differ in scale, and unscaled 5-NN is far weaker; others lose

LABELS_DRAWN = 40  # more classes than this and a confusion matrix is no picture
TABLE_SUFFIX = ".csv"
OUTPUT_NAMES = ("scores.csv", "classes.csv", "confusion.png", "learning_curve.png")


def add_baselines(tracks: LabelledTracks, mel_folder: Path, quiet: bool) -> tuple[LabelledTracks, list[str]]:
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
            mean = baselines.mean_log_mel(mel)
            if means and len(mean) != len(means[0]):
                raise ValueError(f"{len(mean)} bins where others have {len(means[0])}")
            means.append(mean)
            statistics.append(baselines.mfcc_statistics(mel))
            kept[row] = True
        except (OSError, ValueError) as error:
            gone.append(f"{name}: {getattr(error, 'strerror', None) or error}")
        progress.advance()
    progress.close()
    if not means:
        raise UserError(f"{mel_folder}: holds none of the labelled songs of the run ({gone[0]}); name their mel folder")
    more = {MEAN_LOG_MEL: np.stack(means), MFCC_STATISTICS: np.stack(statistics)}
    return tracks.keep(kept).with_kinds(more), gone


def compare(tracks: LabelledTracks, folds: Folds, fixed: bool, seed: int, quiet: bool) -> Comparison:
    """Cross-validate every classifier on every kind of vectors, all on the same folds."""
    classes, codes = encode(tracks.labels)
    groups = None if tracks.groups is None else encode(tracks.groups)[1]
    progress = Progress(len(tracks.kinds) * len(CLASSIFIERS), "cross-validation", "classifiers", quiet)
    table: Table = {kind: {} for kind in tracks.kinds}
    first: classifiers.Predicted = []
    inner = None if fixed else classifiers.inner_splits(codes, folds, groups, seed)
    for kind, vectors in tracks.kinds.items():
        scaled = kind in SCALED_FOR_NEIGHBOURS
        for name in CLASSIFIERS:
            predicted = classifiers.cross_predict(name, vectors, codes, folds, groups, fixed, scaled, seed, inner)
            table[kind][name] = classifiers.fold_scores(codes, folds, predicted)
            if name == RBF_SVM and not first:
                first = predicted
            progress.advance()
    progress.close()
    return Comparison(classes, codes, folds, table, first)


def is_table(output: Path) -> bool:
    """Tell whether --output names scores.csv alone, not a folder."""
    return output.suffix.lower() == TABLE_SUFFIX


def check_output(output: Path, labels: Path) -> None:
    """Raise UserError where --output cannot be written, or holds something that is not ours. Changes nothing."""
    if is_table(output):
        pictures.check_table_output(output, SCORES_HEADER, [labels])
        return
    if not output.parent.is_dir():
        raise UserError(f"{output}: there is no folder {output.parent}; make it first")
    require_ours_or_empty(output, "folder of this script's", lambda name: name in OUTPUT_NAMES)
    place = output if output.exists() else output.parent
    if not os.access(place, os.W_OK):
        raise UserError(f"{place}: cannot be written to; name another folder for the output")


def write_output(
    output: Path, tracks: LabelledTracks, found: Comparison, what: str, seed: int, quiet: bool
) -> list[str]:
    """Write all that --output asks for; return the names of the files.

    A confusion.png of an earlier call goes where this one has more classes than a picture shows.
    """
    if is_table(output):
        write_file(output, scores_csv(found))
        return ["scores"]
    output.mkdir(exist_ok=True)
    write_file(output / "scores.csv", scores_csv(found))
    write_file(output / "classes.csv", classes_csv(found))
    written = ["scores.csv", "classes.csv"]
    if len(found.classes) <= LABELS_DRAWN:
        title = f"{what} by {RBF_SVM} on {pictures.shown(next(iter(tracks.kinds)), 40)}"
        pictures.save_figure(draw_confusion(found, title), output / "confusion.png")
        written.append("confusion.png")
    else:
        (output / "confusion.png").unlink(missing_ok=True)
    curve = draw_learning_curve(tracks.kinds, found, seed, quiet, f"{what} by {RBF_SVM}")
    pictures.save_figure(curve, output / "learning_curve.png")
    return [*written, "learning_curve.png"]


def describe(tracks: LabelledTracks, folds: Folds, group_column: str | None) -> str:
    """Return what is compared in one line: tracks, classes, groups, folds, and why there are few folds."""
    members = class_members(tracks.labels, tracks.groups)
    count = len(folds) // REPEATS
    grouped = f", {plural(len(set(tracks.groups)), 'group')} by {group_column}" if group_column else ""
    line = f"{plural(len(tracks.names), 'track')}, {len(members)} classes{grouped}"
    line += f", {REPEATS} x {count} stratified folds"
    smallest = min(members, key=members.__getitem__)
    if count < min(FOLDS, members[smallest]):
        line += " (no division into more has every class on both sides)"
    elif count < FOLDS:
        line += f" (class {smallest!r} has only {plural(members[smallest], 'group' if group_column else 'track')})"
    return line


def build_parser() -> argparse.ArgumentParser:
    parser = script_parser(__doc__)
    add_labelled_run_arguments(parser, FOLDS)
    add_vectors_argument(parser, action="append")
    parser.add_argument("--group-column", metavar="NAME", help="column of what must not be on both sides, e.g. artist")
    parser.add_argument("--mel-folder", type=Path, metavar="MELS", help="mel folder of the run, for the baselines")
    parser.add_argument("--score", choices=SCORES, help="print this score only (default: all three)")
    parser.add_argument("--fixed", action="store_true", help="set values of C, as the quality benchmark has them")
    parser.add_argument(
        "--output", type=Path, metavar="DIR|FILE.csv", help="write tables and pictures there, or the scores alone"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the folds")
    add_quiet_argument(parser)
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    if arguments.output is not None:
        check_output(arguments.output, arguments.labels)
    which = arguments.vectors or [None]
    run = read_labelled_run(arguments.run, arguments.labels, arguments.label_column, arguments.group_column, which)
    print(printable(run.summary(arguments.list_left_out)))
    tracks = run.tracks()
    if arguments.mel_folder is not None:
        tracks, gone = add_baselines(tracks, arguments.mel_folder, arguments.quiet)
        if gone:
            print(printable(f"left out: {plural(len(gone), 'track')} without a usable mel ({examples(gone)})"))
    tracks, left_out = run.leave_out_small(tracks, arguments.min_members, "--min-members")
    if left_out:
        print(printable(left_out))
    folds = run.make_folds(tracks, arguments.seed)
    print(printable(describe(tracks, folds, arguments.group_column)))
    if part := classifiers.describe_sample(max(len(learn) for learn, _ in folds)):
        print(part)
    found = compare(tracks, folds, arguments.fixed, arguments.seed, arguments.quiet)
    print(format_table(found, SCORES if arguments.score is None else [arguments.score]))
    if arguments.mel_folder is None:
        print("for the baselines of the same tracks (mean log-mel, MFCC statistics) add --mel-folder MELS")
    written = ""
    if arguments.output is not None:
        what = f"{pictures.shown(arguments.label_column)} of {plural(len(tracks.names), 'track')}"
        names = write_output(arguments.output, tracks, found, what, arguments.seed, arguments.quiet)
        written = f"{arguments.output}: {', '.join(names)}; "
        if not is_table(arguments.output) and "confusion.png" not in names:
            print(f"no confusion.png: {len(found.classes)} classes, and it shows no more than {LABELS_DRAWN}")
    print(printable(f"{written}{plural(len(found.table), 'kind')} of vectors compared on {len(tracks.names):,} tracks"))
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
