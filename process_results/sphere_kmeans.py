"""Cluster the tracks by the direction of their vectors; show what labels each cluster holds and how it sounds.

    python process_results/sphere_kmeans.py RUN LABELS.csv --label-column genre --clusters 2-20 --output plot.png

With a range, --clusters 2-20, every number in it is judged by silhouette (cosine), by stability (mean adjusted Rand
between the clusterings of five seeds) and by NMI with the labels, and the suggested one is used. It is the number with
the largest silhouette among those whose stability is at least 0.8 (the most stable one where none is); the labels have
no part in it. Centroids are learned from at most 20,000 songs for that; the silhouette is exact and over all songs.

Reads   RUN, the run folder of spectrogram_doc2vec.py; LABELS.csv, a table with the column filename (the audio file's
        path relative to the audio folder) and the column of the labels. With --mel-folder at most 300 mels a cluster.
Writes  the picture, and beside it two tables: NAME.csv, filename,cluster of every song, labelled or not, and
        NAME_clusters.csv, of each cluster its size, most frequent label, five most typical tracks (nearest to its
        centroid) and, with --mel-folder, the mel bands whose mean over its tracks lies furthest from the mean of all,
        in deviations over tracks. With --m3u8-folder a playlist a cluster, the most typical tracks first: relative
        paths where it lies inside the audio folder, so that both can move together, else absolute ones. Prints purity,
        NMI and adjusted Rand beside their mean over random assignments.

Reference: Dhillon and Modha 2001, Concept decompositions for large sparse text data using clustering.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the shared modules lie in the repository root

from files import csv_bytes, write_file
from judging import cluster_report, clustering, pictures
from judging.labels import encode, label_songs, read_label_table
from judging.neighbours import check_directions
from judging.playlists import check_playlists, songs_without_audio, write_playlists
from mels.mel_folder import MEL_SUFFIX
from runs.vectors import Vectors, add_vectors_argument, read_vectors, which_vectors
from utils import EXIT_DONE, Progress, UserError, add_quiet_argument, command, plural, printable, script_parser

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TYPICAL = 5  # tracks named of each cluster
TABLE_HEADER = ("filename", "cluster")
CLUSTERS_HEADER = (
    *("cluster", "songs", "labelled", "label", "share"),
    *(f"typical_{number}" for number in range(1, TYPICAL + 1)),
    *(f"band_{number}" for number in range(1, cluster_report.BANDS + 1)),
)
AXIS_CHARACTERS = 56  # what has room below the bars beside the widest legend, spaces included


def draw_clusters(table: np.ndarray, labels: list[str], title: str, counts: bool = False) -> Figure:
    """Draw up to eight labels as stacked bars, one a cluster, and more as a matrix with a row a label.

    table   (labels, clusters) int, songs; drawn in the order of its rows (from below as bars) and columns.
    counts  show numbers of songs, not shares of the cluster's labelled songs.
    """
    draw = draw_bars if len(labels) <= len(pictures.LABEL_COLOURS) else draw_matrix
    figure, axes = draw(table, labels, counts)
    sizes = table.sum(axis=0)
    numbers = np.arange(1, len(sizes) + 1)
    sized = len(sizes) * (len(f"{sizes.max():,}") + 1) <= AXIS_CHARACTERS
    step = -(-len(sizes) * (len(f"{len(sizes)}") + 1) // AXIS_CHARACTERS)
    texts = [f"{number}\n{size:,}" if sized else f"{number}" for number, size in zip(numbers, sizes, strict=True)]
    axes.set_xticks(numbers[::step], texts[::step], fontsize=9)
    axes.set_xlabel("cluster, and its number of labelled songs" if sized else "cluster")
    figure.suptitle(title, fontsize=11, parse_math=False)
    return figure


def draw_bars(table: np.ndarray, labels: list[str], counts: bool) -> tuple[Figure, Axes]:
    """Draw each cluster as a bar, divided by label. A label has the colour of its place among the sorted labels."""
    figure = pictures.new_figure(height_inches=5.0)
    axes = figure.add_subplot()
    heights = table if counts else 100 * table / np.maximum(table.sum(axis=0), 1)
    bottoms, places = np.cumsum(heights, axis=0) - heights, sorted(labels)
    numbers, bars = np.arange(1, table.shape[1] + 1), []
    for label, height, bottom in zip(labels, heights, bottoms, strict=True):
        style = pictures.label_style(places.index(label))
        bars.append(axes.bar(numbers, height, bottom=bottom, edgecolor="white", linewidth=0.5, **style))
    axes.set_ylabel("labelled songs of the cluster" + ("" if counts else " (percent)"))
    axes.set_xlim(0.4, len(numbers) + 0.6)
    if not counts:
        axes.set_ylim(0, 100)
    axes.spines[["top", "right"]].set_visible(False)
    texts = [pictures.shown(label, 28) for label in labels]
    pictures.outside_legend(figure, bars[::-1], texts[::-1], loc="outside right center")  # as they are stacked
    return figure, axes


def draw_matrix(table: np.ndarray, labels: list[str], counts: bool) -> tuple[Figure, Axes]:
    """Draw a cell for each label and cluster, the darker the more of the cluster it is, with the number in it."""
    from matplotlib.colors import LinearSegmentedColormap

    table, shown = cluster_report.join_rare(table, labels)
    figure = pictures.new_figure(height_inches=max(4.5, 1.6 + 0.21 * len(shown)))
    axes = figure.add_subplot()
    cells = table if counts else 100 * table / np.maximum(table.sum(axis=0), 1)
    shades = LinearSegmentedColormap.from_list("shares", ["white", pictures.LABEL_COLOURS[0]])
    rows, columns = cells.shape
    edges = np.arange(columns + 1) + 0.5, np.arange(rows + 1) - 0.5
    # lines so fine that they cannot cover the cells of hundreds of clusters
    mesh = axes.pcolormesh(
        *edges, cells, cmap=shades, vmin=0, vmax=cells.max() or 1, edgecolors="#DDDDDD", linewidth=20 / (columns + 40)
    )
    axes.invert_yaxis()
    texts = [[f"{value:,.0f}" if value >= 0.5 else "" for value in row] for row in cells]
    if columns * (max(len(text) for row in texts for text in row) + 1) <= 1.4 * AXIS_CHARACTERS:  # a smaller font
        size = 7 if columns > 12 else 9
        for (row, column), value in np.ndenumerate(cells):
            colour = "white" if value > 0.6 * cells.max() else "black"
            axes.text(column + 1, row, texts[row][column], ha="center", va="center", fontsize=size, color=colour)
    axes.set_yticks(np.arange(rows), [pictures.shown(label, 28) for label in shown], fontsize=9, parse_math=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    what = "labelled songs of the cluster" + ("" if counts else " (percent)")
    figure.colorbar(mesh, ax=axes, label=what, aspect=40, pad=0.01).outline.set_visible(False)
    return figure, axes


def cluster_rows(table: np.ndarray, labels: list[str], members: list[list[str]], bands: list[list[str]]) -> list[tuple]:
    """Return the rows of NAME_clusters.csv.

    table    (labels, clusters) int, songs.
    members  the songs of each cluster, the most typical first; bands the names of the bands that set it apart.
    """
    rows = []
    for number, (column, names, heard) in enumerate(zip(table.T, members, bands, strict=True), start=1):
        labelled = int(column.sum())
        most = (labels[column.argmax()], f"{column.max() / labelled:.3f}") if labelled else ("", "")
        typical = [name.removesuffix(MEL_SUFFIX) for name in names[:TYPICAL]]
        typical += [""] * (TYPICAL - len(typical))
        heard = [*heard, *[""] * (cluster_report.BANDS - len(heard))]
        rows.append((number, len(names), labelled, *most, *typical, *heard))
    return rows


def find_clusters(run: Vectors, where: Path, number: int, seed: int) -> np.ndarray:
    """Return the cluster of every song. Raises UserError naming the run folder."""
    try:
        check_directions(run.names, run.vectors)
        return clustering.spherical_kmeans(run.vectors, number, seed)
    except ValueError as error:
        raise UserError(f"{where}: {error}") from None


def choose_number(
    run: Vectors, where: Path, numbers: range, labelled: np.ndarray, codes: np.ndarray, seed: int, quiet: bool
) -> int:
    """Return the only number, or the suggested one of several after printing what was found for each.

    labelled  (labelled,) int64, songs; codes (labelled,) int64, their labels. Raises UserError naming the run folder.
    """
    if len(numbers) == 1:
        return numbers[0]
    progress = Progress(len(numbers) * clustering.SURVEY_SEEDS, "numbers of clusters", "clusterings", quiet)
    try:
        check_directions(run.names, run.vectors)
        found = clustering.survey(run.vectors, numbers, labelled, codes, seed, progress.advance)
    except ValueError as error:
        raise UserError(f"{where}: {error}") from None
    finally:
        progress.close()
    print(format_survey(found, clustering.suggest(found)))
    return clustering.suggest(found)


def format_survey(found: list[clustering.NumberOfClusters], suggested: int) -> str:
    """Return a line for each number of clusters, and one that says by what the marked one is suggested."""
    lines = [f"{'clusters':>10}{'silhouette':>13}{'NMI':>9}{'stability':>12}"]
    for one in found:
        mark = "*" if one.clusters == suggested else " "
        apart = "-" if np.isnan(one.silhouette) else f"{one.silhouette:.3f}"
        lines.append(f"{mark}{one.clusters:>9}{apart:>13}{one.agreement:>9.3f}{one.stability:>12.3f}")
    stable = any(one.clusters == suggested and one.stability >= clustering.STABLE for one in found)
    why = f"largest silhouette of stability {clustering.STABLE} and more" if stable else "largest stability"
    return "\n".join([*lines, f"* suggested: {why}; labels have no say"])


def format_scores(clusters: int, found: dict[str, float], random: dict[str, float]) -> str:
    """Return the scores as a table of three lines."""
    rows = [("", *found), (plural(clusters, "cluster"), *found.values()), ("random assignment", *random.values())]
    return "\n".join(
        f"{row[0]:<18}" + "".join(f"{x:>15}" if isinstance(x, str) else f"{x:>15.3f}" for x in row[1:]) for row in rows
    )


def number_or_range(text: str) -> range:
    """argparse type: "8", or "2-20" for every number from 2 to 20."""
    match = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", text, re.ASCII)
    low, high = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= low <= high:
        raise argparse.ArgumentTypeError(f"{text!r}: write a number of at least 1, or a range like 2-20")
    return range(low, high + 1)


def build_parser() -> argparse.ArgumentParser:
    parser = script_parser(__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder of spectrogram_doc2vec.py")
    parser.add_argument("labels", type=Path, metavar="LABELS.csv", help="table with the column filename and a label")
    parser.add_argument("--label-column", default="genre", metavar="NAME", help="column that holds the labels")
    add_vectors_argument(parser)
    parser.add_argument(
        "--clusters", type=number_or_range, default="8", metavar="N", help="number of clusters, or a range like 2-20"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="PICTURE", help="picture to write, .png or .svg")
    parser.add_argument("--counts", action="store_true", help="draw numbers of songs, not shares of a cluster")
    parser.add_argument("--mel-folder", type=Path, metavar="MELS", help="mel folder of the run, for the mel bands")
    parser.add_argument("--m3u8-folder", type=Path, metavar="DIR", help="write a playlist a cluster there")
    parser.add_argument("--audio-folder", type=Path, metavar="AUDIO", help="audio folder of the run, for the playlists")
    parser.add_argument("--list-left-out", action="store_true", help="name every song and row that was left out")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of clusters and random assignments")
    add_quiet_argument(parser)
    return parser


def check_inputs(arguments: argparse.Namespace) -> list[tuple[Path, tuple[str, ...]]]:
    """Raise UserError where something is wrong that can be told before any work. Returns the tables to write."""
    output = arguments.output
    tables = [
        (output.with_suffix(".csv"), TABLE_HEADER),
        (output.with_name(f"{output.stem}_clusters.csv"), CLUSTERS_HEADER),
    ]
    pictures.check_output(output, pictures.PICTURE_SUFFIXES)
    for path, header in tables:
        pictures.check_table_output(path, header, [arguments.labels])
    if arguments.mel_folder is not None and not arguments.mel_folder.is_dir():
        raise UserError(f"{arguments.mel_folder}: no such mel folder; name the one that the run was trained on")
    if arguments.m3u8_folder is not None:
        if not arguments.audio_folder.is_dir():
            raise UserError(f"{arguments.audio_folder}: no such audio folder; name the one that the mels were made of")
        check_playlists(arguments.m3u8_folder, arguments.clusters[-1])
    return tables


@command
def main(argv: list[str] | None = None) -> int:
    parser = build_parser()
    arguments = parser.parse_args(argv)
    output, mel_folder, playlists = arguments.output, arguments.mel_folder, arguments.m3u8_folder
    if (playlists is None) != (arguments.audio_folder is None):
        parser.error("--m3u8-folder and --audio-folder need each other")
    (songs_output, _), (clusters_output, _) = check_inputs(arguments)
    labels_read = read_label_table(arguments.labels)
    run = read_vectors(arguments.run, arguments.vectors)
    labelled = label_songs(labels_read, run.names, arguments.label_column)
    without_audio = set() if playlists is None else songs_without_audio(arguments.audio_folder, run.names)
    if mel_folder is not None:
        cluster_report.require_mels(mel_folder, run.names)
    print(printable(which_vectors(arguments.run, run)))
    print(printable(labelled.summary(arguments.list_left_out)))

    labels, codes = encode(labelled.labels)
    numbers, seed, quiet = arguments.clusters, arguments.seed, arguments.quiet
    number = choose_number(run, arguments.run, numbers, labelled.songs, codes, seed, quiet)
    clusters = find_clusters(run, arguments.run, number, seed)
    held, clusters = np.unique(clusters, return_inverse=True)  # without gaps where a cluster stayed empty
    table = clustering.contingency(codes, clusters[labelled.songs], (len(labels), len(held)))
    label_order, order = cluster_report.staircase_order(table)
    clusters, table = np.argsort(order)[clusters], table[:, order]  # numbered as they stand in the picture
    typical = cluster_report.typical_first(run.vectors, clusters, len(held))
    members = [[run.names[song] for song in songs] for songs in typical]
    bands, without_mel = [[] for _ in held], 0
    if mel_folder is not None:
        bands, without_mel = cluster_report.read_bands(mel_folder, members, seed, quiet)

    scores = clustering.clustering_scores(table)
    random = clustering.random_scores(codes, clusters[labelled.songs], seed)
    run_name, column = pictures.shown(arguments.run.resolve().name, 40), pictures.shown(arguments.label_column)
    title = (
        f"{column} in {plural(len(held), 'cluster')} of {pictures.shown(run.kind, 40)}\n"
        f"{run_name}, save {run.save}, {plural(len(labelled.songs), 'labelled song')}; "
        f"NMI {scores['NMI']:.2f} (random {random['NMI']:.2f})"
    )
    figure = draw_clusters(table[label_order], [labels[i] for i in label_order], title, arguments.counts)
    if playlists is not None:
        groups = [[name for name in names if name not in without_audio] for names in members]
        write_playlists(playlists, arguments.audio_folder, groups, run_name)
    songs = [(name.removesuffix(MEL_SUFFIX), int(c) + 1) for name, c in zip(run.names, clusters, strict=True)]
    write_file(songs_output, csv_bytes(TABLE_HEADER, songs))
    write_file(clusters_output, csv_bytes(CLUSTERS_HEADER, cluster_rows(table, labels, members, bands)))
    pictures.save_figure(figure, output)

    print(format_scores(len(held), scores, random))
    if without_mel:
        print(f"mel bands: left out: {plural(without_mel, 'song')} without a usable mel")
    if playlists is not None:
        left_out = f"; left out: {plural(len(without_audio), 'song')} without an audio file" if without_audio else ""
        print(printable(f"{playlists}: {plural(len(held), 'playlist')}{left_out}"))
    empty = f" ({number - len(held)} more stayed empty)" if len(held) < number else ""
    made = f"{plural(len(run.names), 'song')} in {plural(len(held), 'cluster')}{empty}, {plural(len(labels), 'label')}"
    print(printable(f"{output}, {songs_output} and {clusters_output}: {made}"))
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
