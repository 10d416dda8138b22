"""Measure what the vectors know of labels that they never saw, beside what needs no training.

    python tests/benchmarks/quality.py MEL_FOLDER LABELS.csv --label-column genre --group-column artist

Reads   MEL_FOLDER, of spectrify_all.py or a bare folder of .npy files; LABELS.csv with the column filename, the labels,
        and with --group-column what must not be on both sides of a fold.
Writes  with --output the printed table as CSV, a row a kind of vector and folds.

Trains the configuration given, --minutes at most, once for each seed, and prints for each kind of vector the mean and
the standard deviation over seeds of: accuracy of 5-NN by cosine, LinearSVC(C=0.1) and SVC() in 2 x 5 stratified folds,
scaled inside the fold; NMI and purity of spherical k-means with as many clusters as labels; hubness, the skewness of
how often a track is among the 10 nearest of others.

--longer N    instead: trains to the stop rule's own stop, then on to N times as many saves, and prints whether what the
              rule picked is as good as what came later.

Nothing here is tuned on: the labels are looked at after the training, of every seed.
"""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the shared modules lie in the repository root

from config import add_config_arguments, load_config
from files import write_file
from judging import baselines, classifiers, clustering
from judging.folds import FOLDS, Folds, large_classes, make_folds
from judging.labels import encode, label_songs, read_label_table
from judging.neighbours import hubness
from mels.mel_folder import list_mels, read_mel
from runs.run_folder import newest_save, read_song_list, vectors_path
from runs.vectors import SONG_VECTORS, TRACK_DESCRIPTORS, read_descriptors
from utils import EXIT_DONE, ROOT, command, positive_float, positive_int, script_parser

MFCC, LOG_MEL, UNTRAINED, PLAIN = "MFCC statistics", "mean log-mel", "untrained networks", "plain model"
SCALED = (MFCC,)  # before cosines: its columns differ in scale
CLASSIFIERS = (classifiers.NEIGHBOURS, classifiers.LINEAR_SVM, classifiers.RBF_SVM)
CLUSTER_SCORES = ("NMI", "purity", "hubness")
CLUSTERING_SEEDS = 3  # k-means starts at random; each is the best of several starts already


@dataclass(frozen=True)
class Labels:
    """The labelled songs of a mel folder, and their folds."""

    names: list[str]  # all songs of the folder
    songs: np.ndarray  # (labelled,) int64, rows of names
    labels: list[str]
    folds: dict[str, Folds]  # "plain" and, with a group column, "by <column>"


def read_labels(arguments) -> Labels:
    mels = list_mels(arguments.mel_folder)
    names = [name for name, frames in zip(mels.names, mels.frames, strict=True) if frames]
    table = read_label_table(arguments.labels)
    labelled = label_songs(table, names, arguments.label_column, arguments.group_column)
    kept, small = large_classes(labelled.labels, labelled.groups)
    if small:
        print(f"left out: labels with fewer than {FOLDS} tracks, or groups: {', '.join(small)}", file=sys.stderr)
    rows = np.flatnonzero(kept)
    labels = [labelled.labels[row] for row in rows]
    folds = {"plain": make_folds(labels)}
    if labelled.groups:
        folds[f"by {arguments.group_column}"] = make_folds(labels, [labelled.groups[row] for row in rows])
    return Labels(names, labelled.songs[rows], labels, folds)


def cross_validate(
    vectors: np.ndarray, labels: list[str], folds: Folds, scale_neighbours: bool = False
) -> dict[str, np.ndarray]:
    """Return the accuracy of each of CLASSIFIERS in each fold, with fixed settings: name -> (folds,) float64."""
    codes, accuracies = encode(labels)[1], {}
    for name in CLASSIFIERS:
        predicted = classifiers.cross_predict(name, vectors, codes, folds, None, True, scale_neighbours)
        accuracies[name] = classifiers.fold_scores(codes, folds, predicted)["accuracy"]
    return accuracies


def judge(kind: str, vectors: np.ndarray, labels: Labels) -> dict[tuple[str, str], float]:
    """Return every score of some vectors, (labelled, dims): (folds, score) -> value."""
    scores = {}
    for name, folds in labels.folds.items():
        accuracies = cross_validate(vectors, labels.labels, folds, scale_neighbours=kind in SCALED)
        scores |= {(name, classifier): float(accuracies[classifier].mean()) for classifier in CLASSIFIERS}
    if kind in SCALED:
        vectors = (vectors - vectors.mean(axis=0)) / np.maximum(vectors.std(axis=0), 1e-9)
    classes, codes = encode(labels.labels)
    clusterings = []
    for seed in range(CLUSTERING_SEEDS):
        clusters = clustering.spherical_kmeans(vectors, len(classes), seed)
        clusterings.append(clustering.clustering_scores(codes, clusters))
    both = {name: float(np.mean([scores[name] for scores in clusterings])) for name in ("NMI", "purity")}
    for name in labels.folds:
        scores |= {(name, "NMI"): both["NMI"], (name, "purity"): both["purity"]}
        scores[name, "hubness"] = hubness(vectors)
    return scores


def chance(labels: Labels) -> dict[tuple[str, str], float]:
    """Return the scores of guessing by the labels' shares, and of random clusters."""
    codes = encode(labels.labels)[1]
    guess = classifiers.guessing(codes)["chance"]["accuracy"]
    random = clustering.random_scores(codes, codes)
    scores = {}
    for name in labels.folds:
        scores |= {(name, classifier): guess for classifier in CLASSIFIERS}
        scores |= {(name, "NMI"): random["NMI"], (name, "purity"): random["purity"], (name, "hubness"): 0.0}
    return scores


def train(arguments, run: Path, seed: int, *flags: str) -> None:
    argv = [sys.executable, ROOT / "spectrogram_doc2vec.py", arguments.mel_folder, run, "--quiet", "--seed", str(seed)]
    if arguments.config:
        argv += ["--config", arguments.config]
    for setting in [*arguments.settings, "keep_vectors=100000"]:
        argv += ["--set", setting]
    subprocess.run([*map(str, argv), *flags], check=True, stdout=subprocess.DEVNULL)


def untrained_descriptors(arguments, labels: Labels, run: Path) -> np.ndarray:
    """Return the descriptors (songs, dims) of the same networks before training, song vectors inferred with them."""
    from config import build_config, read_config_file
    from learning import model as networks
    from learning.descriptors import Standard, mean_contexts
    from learning.infer_songs import infer_song_vectors
    from learning.pools import Corpus
    from learning.sampling import sample_inputs

    mels = list_mels(arguments.mel_folder)
    config = build_config(read_config_file(run / "config.yaml"), "run")
    corpus = Corpus(arguments.mel_folder, labels.names, mels.frames[mels.frames > 0], mels.bins, config)
    model = networks.Model(config, networks.first_weights(config, mels.bins, sample_inputs(corpus)))
    vectors = np.stack(list(infer_song_vectors(model, (read_mel(corpus.folder / name) for name in labels.names))))
    contexts = np.stack(list(mean_contexts(model, corpus, list(range(len(labels.names))))))
    return Standard.measure(vectors, contexts).describe(vectors, contexts)


def table_of_kinds(arguments, labels: Labels) -> dict[str, list[dict[tuple[str, str], float]]]:
    """Return the scores of each kind of vector, one entry a seed (one in all where there is nothing random)."""
    mels = [read_mel(arguments.mel_folder / labels.names[song]) for song in labels.songs]
    kinds = {
        "chance": [chance(labels)],
        LOG_MEL: [judge(LOG_MEL, np.stack([baselines.mean_log_mel(mel) for mel in mels]), labels)],
        MFCC: [judge(MFCC, np.stack([baselines.mfcc_statistics(mel) for mel in mels]), labels)],
    }
    del mels
    minutes = ["--max-minutes", str(arguments.minutes)]
    for seed in range(arguments.seeds):
        found = {}
        with tempfile.TemporaryDirectory() as scratch:
            run = Path(scratch) / "run"
            train(arguments, run, seed, *minutes)
            descriptors, save = read_descriptors(run), newest_save(run)
            found[UNTRAINED] = untrained_descriptors(arguments, labels, run)
            if not arguments.no_plain:
                from plain_model import train_plain

                found[PLAIN] = train_plain(arguments.mel_folder, 60 * arguments.minutes, seed)[1]
            found[SONG_VECTORS] = np.load(vectors_path(run, save))
            found[TRACK_DESCRIPTORS] = descriptors.vectors
        for kind, vectors in found.items():
            kinds.setdefault(kind, []).append(judge(kind, vectors[labels.songs], labels))
        print(f"seed {seed}: stopped at save {save}", file=sys.stderr, flush=True)
    return kinds


def format_table(kinds: dict[str, list[dict[tuple[str, str], float]]], folds: str) -> str:
    columns = (*CLASSIFIERS, *CLUSTER_SCORES)
    lines = [f"{folds:<20}" + "".join(f"{name:<14}" for name in columns)]
    for kind, seeds in kinds.items():
        cells = []
        for name in columns:
            values = [scores[folds, name] for scores in seeds]
            spread = f" +-{np.std(values):.3f}" if len(values) > 1 else ""
            cells.append(f"{np.mean(values):.3f}{spread}")
        lines.append(f"{kind:<20}" + "".join(f"{cell:<14}" for cell in cells))
    return "\n".join(line.rstrip() for line in lines)


def table_csv(kinds: dict[str, list[dict[tuple[str, str], float]]], arguments) -> bytes:
    """Return the scores as CSV: vectors,folds,score,mean,standard_deviation,seeds."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("mel_folder", "vectors", "folds", "score", "mean", "standard_deviation", "seeds"))
    for kind, seeds in kinds.items():
        for folds, name in seeds[0]:
            values = [scores[folds, name] for scores in seeds]
            row = (arguments.mel_folder, kind, folds, name, f"{np.mean(values):.4f}", f"{np.std(values):.4f}")
            writer.writerow((*row, len(values)))
    return text.getvalue().encode()


def measure_longer(arguments, labels: Labels) -> None:
    """Print the scores of what the stop rule picked beside those of a run that is several times as long."""
    names = ("5-NN cosine", "RBF SVM")
    print(f"{'':<10}{'saves':>8}   " + "   ".join(f"{name}: picked  last third  best third" for name in names))
    rows = []
    for seed in range(arguments.seeds):
        with tempfile.TemporaryDirectory() as scratch:
            run = Path(scratch) / "run"
            train(arguments, run, seed, "--no-descriptors")
            stopped = newest_save(run)
            saves = arguments.longer * stopped
            train(arguments, run, seed, "--no-descriptors", "--forever", "--max-saves", str(saves))
            assert read_song_list(run, saves) == labels.names
            found = []
            for save in range(1, saves + 1):
                vectors = np.load(vectors_path(run, save))[labels.songs]
                scores = cross_validate(vectors, labels.labels, labels.folds["plain"])
                found.append([float(scores[name].mean()) for name in names])
        found = np.array(found)  # (saves, scores)
        third = len(found) // 3
        best = np.sort(found, axis=0)[-third:].mean(axis=0)
        rows.append(np.stack([found[stopped - 1], found[-third:].mean(axis=0), best], axis=1))
        print(f"{f'seed {seed}':<10}{stopped:>8}   " + _cells(rows[-1]), flush=True)
    print(f"{'mean':<10}{'':>8}   " + _cells(np.mean(rows, axis=0)))


def _cells(scores: np.ndarray) -> str:
    return "   ".join(f"{'':<12}{a:>7.3f}{b:>12.3f}{c:>12.3f}" for a, b, c in scores)


def build_parser():
    parser = script_parser(__doc__)
    parser.add_argument("mel_folder", type=Path, metavar="MEL_FOLDER")
    parser.add_argument("labels", type=Path, metavar="LABELS.csv")
    parser.add_argument("--label-column", default="genre", metavar="NAME", help="column that holds the labels")
    parser.add_argument("--group-column", metavar="NAME", help="column of what must not be on both sides, e.g. artist")
    parser.add_argument("--seeds", type=positive_int, default=3, metavar="N", help="trainings, with the seeds 0 to N-1")
    parser.add_argument("--minutes", type=positive_float, default=2.0, metavar="M", help="of training at most")
    parser.add_argument("--no-plain", action="store_true", help="leave out the plain model, which trains as long again")
    parser.add_argument("--longer", type=positive_int, default=0, metavar="N", help="judge the stop rule instead")
    parser.add_argument("--output", type=Path, metavar="TABLE.csv", help="write the table there too")
    add_config_arguments(parser)
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    load_config(arguments)  # a wrong key is said before anything is trained
    labels = read_labels(arguments)
    print(f"{arguments.mel_folder}: {len(labels.songs)} tracks, {len(set(labels.labels))} labels")
    if arguments.longer:
        measure_longer(arguments, labels)
        return EXIT_DONE
    kinds = table_of_kinds(arguments, labels)
    for folds in labels.folds:
        print(format_table(kinds, folds), end="\n\n")
    if arguments.output is not None:
        write_file(arguments.output, table_csv(kinds, arguments))
        print(f"{arguments.output}: {len(kinds)} kinds of vectors")
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
