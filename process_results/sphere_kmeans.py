"""Cluster the tracks by the direction of their vectors and show which labels each cluster holds.

    python process_results/sphere_kmeans.py RUN LABELS.csv --label-column genre --clusters 8 --output plot.png

Reads   RUN, the run folder of spectrogram_doc2vec.py; LABELS.csv, a table with the column filename (the audio file's
        path relative to the audio folder) and the column of the labels.
Writes  the picture, and beside it a table of the same name ending in .csv: filename,cluster of every song, labelled or
        not. Prints purity, NMI and adjusted Rand beside their mean over random assignments.

Reference: Dhillon and Modha 2001, Concept decompositions for large sparse text data using clustering.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the shared modules lie in the repository root

import evaluation
import plots
from mel_folder import MEL_SUFFIX
from run_folder import Vectors, add_vectors_argument, read_vectors, which_vectors
from utils import EXIT_DONE, UserError, command, plural, positive_int, printable, script_parser, write_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TABLE_HEADER = ("filename", "cluster")
LABELS_SHOWN = 30  # more could not be told apart; the rarest share one grey
AXIS_CHARACTERS = 56  # what has room below the bars beside the widest legend, spaces included


def diagonal_order(table: np.ndarray) -> np.ndarray:
    """Return the order of clusters in which each one's most frequent label rises, and its share of the cluster falls.

    table    (labels, clusters) int, songs.
    Returns  (clusters,) int64. Clusters without any labelled song come last.
    """
    sizes = table.sum(axis=0)
    shares = table.max(axis=0) / np.maximum(sizes, 1)
    return np.lexsort((-shares, table.argmax(axis=0), sizes == 0))


def join_rare(table: np.ndarray, labels: list[str]) -> tuple[np.ndarray, list[str]]:
    """Join the rarest labels into one last row where there are more than the picture can show.

    Returns  (shown, clusters) int and the shown labels; the last is "N other labels" where any were joined.
    """
    if len(labels) <= LABELS_SHOWN:
        return table, labels
    by_frequency = np.argsort(-table.sum(axis=1), kind="stable")
    kept, rest = np.sort(by_frequency[: LABELS_SHOWN - 1]), by_frequency[LABELS_SHOWN - 1 :]
    joined = np.vstack([table[kept], table[rest].sum(axis=0)])
    return joined, [labels[i] for i in kept] + [f"{len(rest)} other labels"]


def draw_clusters(table: np.ndarray, labels: list[str], title: str) -> Figure:
    """Draw each cluster as a bar of 100 percent, divided by label.

    table   (labels, clusters) int, songs; the bars stand in the order of its columns.
    """
    table, shown = join_rare(table, labels)
    figure = plots.new_figure(height_inches=max(5.0, 1.4 + 0.185 * len(shown)))
    axes = figure.add_subplot()
    sizes = table.sum(axis=0)
    clusters = np.arange(1, len(sizes) + 1)
    shares = 100 * table / np.maximum(sizes, 1)
    bottoms = np.cumsum(shares, axis=0) - shares
    bars = []
    for row in range(len(shown)):
        style = plots.label_style(row)
        if len(shown) < len(labels) and row == len(shown) - 1:
            style = {"facecolor": plots.OTHER_COLOUR}
        bars.append(axes.bar(clusters, shares[row], bottom=bottoms[row], edgecolor="white", linewidth=0.5, **style))
    counted = len(clusters) * (len(f"{sizes.max():,}") + 1) <= AXIS_CHARACTERS
    step = -(-len(clusters) * (len(f"{len(clusters)}") + 1) // AXIS_CHARACTERS)
    texts = [f"{cluster}\n{size:,}" if counted else f"{cluster}" for cluster, size in zip(clusters, sizes, strict=True)]
    axes.set_xticks(clusters[::step], texts[::step], fontsize=9)
    axes.set_xlabel("cluster, and its number of labelled songs" if counted else "cluster")
    axes.set_ylabel("labelled songs of the cluster (percent)")
    axes.set(xlim=(0.4, len(clusters) + 0.6), ylim=(0, 100))
    axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, fontsize=11, parse_math=False)
    texts = [plots.shown(label, 28) for label in shown]
    plots.outside_legend(figure, bars[::-1], texts[::-1], loc="outside right center")  # as they are stacked
    return figure


def check_table_output(path: Path, inputs: list[Path]) -> None:
    """Raise UserError where the table beside the picture would replace something that this script did not write."""
    plots.check_output(path, [".csv"], inputs)
    header = (",".join(TABLE_HEADER) + "\n").encode()
    if path.exists():
        with path.open("rb") as file:
            if file.readline() != header:
                raise UserError(f"{path}: is no table of this script, and would be replaced; choose another --output")


def cluster_table(names: list[str], clusters: np.ndarray) -> bytes:
    """Return the table filename,cluster of all songs as CSV. `clusters` counts from 1."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(TABLE_HEADER)
    writer.writerows((name.removesuffix(MEL_SUFFIX), int(c)) for name, c in zip(names, clusters, strict=True))
    return text.getvalue().encode("utf-8", "surrogateescape")


def find_clusters(run: Vectors, where: Path, clusters: int, seed: int) -> np.ndarray:
    """Return the cluster of every song. Raises UserError naming the run folder."""
    try:
        evaluation.check_directions(run.names, run.vectors)
        return evaluation.spherical_kmeans(run.vectors, clusters, seed)
    except ValueError as error:
        raise UserError(f"{where}: {error}") from None


def format_scores(clusters: int, found: dict[str, float], random: dict[str, float]) -> str:
    """Return the scores as a table of three lines."""
    rows = [("", *found), (plural(clusters, "cluster"), *found.values()), ("random assignment", *random.values())]
    return "\n".join(
        f"{row[0]:<18}" + "".join(f"{x:>15}" if isinstance(x, str) else f"{x:>15.3f}" for x in row[1:]) for row in rows
    )


def build_parser() -> argparse.ArgumentParser:
    parser = script_parser(__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder of spectrogram_doc2vec.py")
    parser.add_argument("labels", type=Path, metavar="LABELS.csv", help="table with the column filename and a label")
    parser.add_argument("--label-column", default="genre", metavar="NAME", help="column that holds the labels")
    add_vectors_argument(parser)
    parser.add_argument("--clusters", type=positive_int, default=8, metavar="N", help="number of clusters")
    parser.add_argument("--output", type=Path, required=True, metavar="PICTURE", help="picture to write, .png or .svg")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of clusters and random assignments")
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    output, table_output = arguments.output, arguments.output.with_suffix(".csv")
    plots.check_output(output, plots.PICTURE_SUFFIXES)
    check_table_output(table_output, [arguments.labels])
    labels_read = evaluation.read_label_table(arguments.labels)
    run = read_vectors(arguments.run, arguments.vectors)
    labelled = evaluation.label_songs(labels_read, run.names, arguments.label_column)
    print(printable(which_vectors(arguments.run, run)))
    print(printable(labelled.summary()))

    clusters = find_clusters(run, arguments.run, arguments.clusters, arguments.seed)
    labels, label_codes = evaluation.encode(labelled.labels)
    held, clusters = np.unique(clusters, return_inverse=True)  # without gaps where a cluster stayed empty
    table = evaluation.contingency(label_codes, clusters[labelled.songs], (len(labels), len(held)))
    order = diagonal_order(table)
    clusters, table = np.argsort(order)[clusters], table[:, order]  # numbered as they stand in the picture

    scores = evaluation.clustering_scores(table)
    random = evaluation.random_scores(label_codes, clusters[labelled.songs], arguments.seed)
    run_name = plots.shown(arguments.run.resolve().name, 40)
    title = (
        f"{plots.shown(arguments.label_column)} in {plural(len(held), 'cluster')} of {plots.shown(run.kind, 40)}\n"
        f"{run_name}, save {run.save}, {plural(len(labelled.songs), 'labelled song')}; "
        f"NMI {scores['NMI']:.2f} (random {random['NMI']:.2f})"
    )
    figure = draw_clusters(table, labels, title)
    write_file(table_output, cluster_table(run.names, clusters + 1))
    plots.save_figure(figure, output)

    print(format_scores(len(held), scores, random))
    empty = f" ({arguments.clusters - len(held)} more stayed empty)" if len(held) < arguments.clusters else ""
    made = f"{plural(len(run.names), 'song')} in {plural(len(held), 'cluster')}{empty}, {plural(len(labels), 'label')}"
    print(printable(f"{output} and {table_output}: {made}"))
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
