"""Measure what the vectors know of labels that they never saw, beside what needs no training.

    python tests/benchmarks/quality.py MEL_FOLDER LABELS.csv --label-column genre --group-column artist

Reads   MEL_FOLDER, of spectrify_all.py or a bare folder of .npy files; LABELS.csv with the column filename, the labels,
        and with --group-column what must not be on both sides of a fold.
Writes  with --output the printed table as CSV, a row a kind of vector, folds and score.

Trains the configuration given, --minutes at most, once for each seed, and prints for each kind of vector the mean and
the standard deviation over seeds of: accuracy of 5-NN by cosine, LinearSVC(C=0.1) and SVC() in 2 x 5 stratified folds,
scaled inside the fold; NMI and purity of spherical k-means with as many clusters as labels; hubness, the skewness of
how often a track is among the 10 nearest of others. The untrained networks are those before training, song vectors
inferred with them.

--add NAME=FILE.npy
        any other vectors, as a row NAME; repeatable. The names of its rows, one a line, with or without .npy, are in
        FILE.txt beside it or, where that is not there, in the music_list.txt of its folder. Rows go to songs by name.
--baseline-mels FOLDER
        another mel folder of the same audio, names alike: its MFCC statistics too. Both rows are then named by the
        length of a frame and of a hop, which each folder's config.yaml says (a bare folder's is the configuration's).
--unseen
        how good the vectors are of tracks that no training has seen: five times a fifth of the tracks, drawn by label
        alone, is left out of a training of its own; then their vectors are inferred, networks frozen, by
        spectrogram_doc2vec.py --add-only. "unseen tracks": classifiers learn from the trained vectors of that training
        and are asked for the inferred ones, no group on both sides. "the same, trained on": the same folds and seed,
        all vectors of the one training on all songs. The difference of the two is what it costs a track not to have
        been trained on. Songs without a label, or of one too small, stay in every training. Both rows stand in the
        table of the strictest folds alone.
--unseen-groups
        the same where whole groups are left out, the strictest folds of the group column: the networks have heard
        nothing of a track's speaker, artist or source either.
--longer N
        instead: trains to the stop rule's own stop, then on to N times as many saves, and prints whether what the
        rule picked is as good as what came later, in the strictest folds.

Nothing here is tuned on: the labels are looked at after the training, of every seed. Several collections at once:
quality_all.py.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the shared modules lie in the repository root

from quality_inputs import SONG_VECTORS, Collection, Inputs, add_measuring_arguments, named_file, read_inputs
from quality_scores import SECONDS, cross_validate
from quality_table import CSV_HEADER, csv_rows, format_table
from quality_training import judge_baselines, judge_trainings, seeds_of, train

from config import load_config
from files import csv_bytes, write_file
from judging.classifiers import NEIGHBOURS, RBF_SVM
from runs.run_folder import newest_save, read_song_list, vectors_path
from utils import EXIT_DONE, command, plural, positive_int, script_parser


def measure_longer(inputs: Inputs, arguments) -> None:
    """Print the scores of what the stop rule picked beside those of a run that is several times as long."""
    names, labels = (NEIGHBOURS, RBF_SVM), inputs.labels
    folder, folds = inputs.collection.mel_folder, labels.folds[labels.strictest]
    heads = "   ".join(f"{name}: picked  last third  best third" for name in names)
    print(f"{labels.strictest:<14}{'saves':>8}   {heads}")
    rows = []
    for seed in seeds_of(arguments):
        with tempfile.TemporaryDirectory() as scratch:
            run = Path(scratch) / "run"
            train(arguments, folder, run, seed)
            stopped = newest_save(run)
            saves = arguments.longer * stopped
            train(arguments, folder, run, seed, "--forever", "--max-saves", str(saves))
            assert read_song_list(run, saves) == labels.names
            found = []
            for save in range(1, saves + 1):
                vectors = np.load(vectors_path(run, save))[labels.songs]
                scores = cross_validate(vectors, labels.labels, folds)
                found.append([float(scores[name].mean()) for name in names])
        found = np.array(found)  # (saves, scores)
        third = max(1, len(found) // 3)
        best = np.sort(found, axis=0)[-third:].mean(axis=0)
        rows.append(np.stack([found[stopped - 1], found[-third:].mean(axis=0), best], axis=1))
        print(f"{f'seed {seed}':<14}{stopped:>8}   " + _cells(rows[-1]), flush=True)
    print(f"{'mean':<14}{'':>8}   " + _cells(np.mean(rows, axis=0)))


def _cells(scores: np.ndarray) -> str:
    return "   ".join(f"{'':<12}{a:>7.3f}{b:>12.3f}{c:>12.3f}" for a, b, c in scores)


def build_parser():
    parser = script_parser(__doc__)
    parser.add_argument("mel_folder", type=Path, metavar="MEL_FOLDER")
    parser.add_argument("labels", type=Path, metavar="LABELS.csv")
    parser.add_argument("--label-column", default="genre", metavar="NAME", help="column that holds the labels")
    parser.add_argument("--group-column", metavar="NAME", help="column of what must not be on both sides, e.g. artist")
    add = "other vectors, the names of their rows in FILE.txt or music_list.txt; repeatable"
    parser.add_argument("--add", type=named_file, action="append", default=[], metavar="NAME=FILE.npy", help=add)
    other = "mels of the same audio at another resolution: their MFCC statistics too"
    parser.add_argument("--baseline-mels", type=Path, metavar="FOLDER", help=other)
    parser.add_argument("--longer", type=positive_int, default=0, metavar="N", help="judge the stop rule instead")
    add_measuring_arguments(parser)
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    config, _ = load_config(arguments)  # a wrong key is said before anything is trained
    folder = arguments.mel_folder
    columns = arguments.label_column, arguments.group_column
    collection = Collection(folder.name, folder, arguments.labels, *columns, arguments.baseline_mels)
    inputs = read_inputs(collection, config, arguments.add)
    labels = inputs.labels
    print(f"{folder}: {plural(len(labels.songs), 'track')}, {plural(len(set(labels.labels)), 'label')}", flush=True)
    if arguments.longer:
        measure_longer(inputs, arguments)
        return EXIT_DONE
    kinds = judge_baselines(inputs) | judge_trainings(inputs, arguments)
    for folds in labels.folds:
        print(format_table(kinds, folds), end="\n\n")
    seconds = max(scores[labels.strictest, SECONDS] for scores in kinds[SONG_VECTORS])
    print(f"trained for {seconds:.0f} s at most, of {plural(arguments.seeds, 'seed')}")
    if arguments.output is not None:
        write_file(arguments.output, csv_bytes(("mel_folder", *CSV_HEADER), csv_rows(str(folder), kinds)))
        print(f"{arguments.output}: {len(kinds)} kinds of vectors")
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
