"""Cluster the tracks by the direction of their vectors; show what labels each cluster holds and how it sounds.

    python process_results/sphere_kmeans.py RUN LABELS.csv --label-column genre --clusters 2-20 --output plot.png

With a range, --clusters 2-20, every number in it is judged, on 20,000 songs at most, and the suggested one is used: the
largest whose prediction strength is at least 0.8 (halves of the songs are clustered apart, and each predicts which
songs of the other are together) and whose silhouette (cosine) is above what single clouds of the same shape have; of
the vectors' lengths these clouds alone take note. A cluster needs about 8 songs to be found. Where no number holds, it
says so, suggests 1 cluster if the range begins at 1 or 2, and draws the number of the range with the largest
silhouette. NMI with the labels is shown and has no say.

Reads   RUN, the run folder of spectrogram_doc2vec.py; LABELS.csv, a table with the column filename (the audio file's
        path relative to the audio folder) and the column of the labels. With --mel-folder at most 300 mels a cluster.
Writes  the picture, and beside it two tables: NAME.csv, filename,cluster of every song, labelled or not, and
        NAME_clusters.csv, of each cluster its size, most frequent label, five most typical tracks (nearest to its
        centroid) and, with --mel-folder, the mel bands whose mean over its tracks lies furthest from the mean of all,
        in deviations over tracks. With --m3u8-folder a playlist a cluster, the most typical tracks first: relative
        paths where it lies inside the audio folder, so that both can move together, else absolute ones. Prints purity,
        NMI and adjusted Rand beside their mean over random assignments.

Reference: Dhillon and Modha 2001, Concept decompositions for large sparse text data using clustering; Tibshirani and
Walther 2005, Cluster validation by prediction strength; Liu, Hayes, Nobel and Marron 2008 for the single clouds.
"""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))  # where the shared modules lie

import utils  # noqa: F401  first, so that Ctrl-C is one line during the other imports too

# isort: split

import argparse
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from files import csv_bytes, write_file
from judging import cluster_number, cluster_report, clustering, pictures
from judging.cluster_pictures import draw_clusters
from judging.labelled_run import LabelledRun, add_labelled_run_arguments, read_labelled_run
from judging.labels import encode
from judging.playlists import check_playlists, songs_without_audio, write_playlists
from mels.mel_folder import MEL_SUFFIX
from runs.vectors import add_vectors_argument
from utils import (
    EXIT_DONE,
    Progress,
    UserError,
    add_quiet_argument,
    command,
    plural,
    printable,
    script_parser,
)

TYPICAL = 5  # tracks named of each cluster
TABLE_HEADER = ("filename", "cluster")
CLUSTERS_HEADER = (
    *("cluster", "songs", "labelled", "label", "share"),
    *(f"typical_{number}" for number in range(1, TYPICAL + 1)),
    *(f"band_{number}" for number in range(1, cluster_report.BANDS + 1)),
)


def songs_csv(names: list[str], clusters: np.ndarray) -> bytes:
    """Return NAME.csv: the cluster of each song, numbered from 1."""
    rows = ((name.removesuffix(MEL_SUFFIX), int(c) + 1) for name, c in zip(names, clusters, strict=True))
    return csv_bytes(TABLE_HEADER, rows)


def clusters_csv(table: np.ndarray, labels: list[str], members: list[list[str]], bands: list[list[str]]) -> bytes:
    """Return NAME_clusters.csv, a row a cluster.

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
    return csv_bytes(CLUSTERS_HEADER, rows)


@dataclass(frozen=True)
class Clusters:
    """The clusters of a run's songs, numbered from 0 as they stand in the picture, none of them empty."""

    of_songs: np.ndarray  # (songs,) int64
    table: np.ndarray  # (labels, clusters) int64, labelled songs
    label_order: np.ndarray  # (labels,) int64, rows of the table as they stand in the picture
    members: list[list[str]]  # the songs of each, the most typical first

    @property
    def count(self) -> int:
        return len(self.members)


def find_clusters(run: LabelledRun, codes: np.ndarray, labels: int, number: int, seed: int) -> Clusters:
    """Cluster all songs of the run. Codes, (labelled,) int64 below `labels`, are what the labelled ones are called.

    Raises UserError naming the run folder.
    """
    vectors = run.kinds[0].vectors
    try:
        clusters = clustering.spherical_kmeans(vectors, number, seed)
    except ValueError as error:
        raise UserError(f"{run.folder}: {error}") from None
    held, clusters = np.unique(clusters, return_inverse=True)  # without gaps where a cluster stayed empty
    table = clustering.contingency(codes, clusters[run.labelled.songs], (labels, len(held)))
    label_order, order = cluster_report.staircase_order(table)
    clusters = np.argsort(order)[clusters]
    typical = cluster_report.typical_first(vectors, clusters, len(held))
    return Clusters(clusters, table[:, order], label_order, [[run.names[song] for song in songs] for songs in typical])


def choose_number(run: LabelledRun, numbers: range, codes: np.ndarray, seed: int, quiet: bool) -> int:
    """Return the only number, or the suggested one of several after printing what was found for each.

    Raises UserError naming the run folder.
    """
    if len(numbers) == 1:
        return numbers[0]
    progress = Progress(len(numbers), "numbers of clusters", "numbers", quiet)
    vectors, labelled = run.kinds[0].vectors, run.labelled.songs
    try:
        found = cluster_number.survey(vectors, numbers, labelled, codes, seed, progress.advance)
    except ValueError as error:
        raise UserError(f"{run.folder}: {error}") from None
    finally:
        progress.close()
    suggested = cluster_number.suggest(found)
    drawn = suggested if suggested in numbers else max(found, key=lambda one: np.nan_to_num(one.silhouette)).clusters
    print(format_survey(found, suggested, drawn, len(vectors)))
    return drawn


def format_survey(found: list[cluster_number.NumberOfClusters], suggested: int | None, drawn: int, songs: int) -> str:
    """Return a line for each number of clusters, and one that says why the marked one is drawn."""
    lines = [f"{'clusters':>10}{'silhouette':>13}{'of one cloud':>15}{'NMI':>9}{'prediction strength':>22}"]
    for one in found:
        mark = "*" if one.clusters == drawn else " "
        apart, cloud = ("-" if np.isnan(x) else f"{x:.3f}" for x in (one.silhouette, one.cloud_silhouette))
        lines.append(f"{mark}{one.clusters:>9}{apart:>13}{cloud:>15}{one.agreement:>9.3f}{one.strength:>22.3f}")
    if suggested == drawn > 1:
        why = f"largest of prediction strength {cluster_number.STRONG} and more with a silhouette above one cloud's"
        return "\n".join([*lines, f"* suggested: {why}; labels have no say"])
    why = why_none([one.clusters for one in found if one.clusters > 1], songs)
    if drawn == 1:
        return "\n".join([*lines, f"* {why}"])
    return "\n".join([*lines, why, "* drawn all the same, for its largest silhouette"])


def why_none(numbers: list[int], songs: int) -> str:
    """Return why none of the numbers of clusters, rising and above 1, is suggested, and what to try."""
    low, high, most = numbers[0], numbers[-1], songs // cluster_number.LEAST_SONGS
    which = f"none of {low} to {high}" if low < high else f"not even {low}"
    few = f"a cluster needs about {cluster_number.LEAST_SONGS} songs to be found"
    if most < low:
        why = f"{few}, and there are {songs}"
    else:
        why = "halves of the songs do not find the same clusters, or find no gap between them"
        if most < high:
            why += f"; {few}, so of {songs:,} songs no more than {plural(most, 'cluster')}"
    if low > 2:
        return f"{which} is suggested: {why}; try --clusters 2-{high}"
    if most < low:
        return f"{which} is suggested: {why}"
    return f"suggested: 1 cluster; {which} holds: {why}"


def format_scores(clusters: int, found: dict[str, float], random: dict[str, float]) -> str:
    """Return the scores as a table of three lines."""
    rows = [("", *found), (plural(clusters, "cluster"), *found.values()), ("random assignment", *random.values())]
    return "\n".join(
        f"{row[0]:<18}" + "".join(f"{x:>15}" if isinstance(x, str) else f"{x:>15.3f}" for x in row[1:]) for row in rows
    )


def run_name(run: LabelledRun) -> str:
    """Return the name of the run folder as a title shows it."""
    return pictures.shown(run.folder.resolve().name, 40)


def picture_title(run: LabelledRun, count: int, scores: dict[str, float], random: dict[str, float]) -> str:
    """Return the two lines above the picture."""
    kind, labelled = run.kinds[0], len(run.labelled.songs)
    return (
        f"{pictures.shown(run.label_column)} in {plural(count, 'cluster')} of {pictures.shown(kind.kind, 40)}\n"
        f"{run_name(run)}, save {kind.save}, {plural(labelled, 'labelled song')}; "
        f"NMI {scores['NMI']:.2f} (random {random['NMI']:.2f})"
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
    add_labelled_run_arguments(parser)
    add_vectors_argument(parser)
    parser.add_argument(
        "--clusters",
        type=number_or_range,
        default="8",
        metavar="N",
        help="number of clusters, or a range like 2-20; one is found by about 8 songs or more",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="PICTURE", help="picture to write, .png or .svg")
    parser.add_argument("--counts", action="store_true", help="draw numbers of songs, not shares of a cluster")
    parser.add_argument("--mel-folder", type=Path, metavar="MELS", help="mel folder of the run, for the mel bands")
    parser.add_argument("--m3u8-folder", type=Path, metavar="DIR", help="write a playlist a cluster there")
    parser.add_argument("--audio-folder", type=Path, metavar="AUDIO", help="audio folder of the run, for the playlists")
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
    run = read_labelled_run(arguments.run, arguments.labels, arguments.label_column, which=[arguments.vectors])
    without_audio = set() if playlists is None else songs_without_audio(arguments.audio_folder, run.names)
    if mel_folder is not None:
        cluster_report.require_mels(mel_folder, run.names)
    print(printable(run.summary(arguments.list_left_out)))

    run.check_all_directions()
    labels, codes = encode(run.labelled.labels)
    number = choose_number(run, arguments.clusters, codes, arguments.seed, arguments.quiet)
    found = find_clusters(run, codes, len(labels), number, arguments.seed)
    bands, without_mel = [[] for _ in found.members], 0
    if mel_folder is not None:
        bands, without_mel = cluster_report.read_bands(mel_folder, found.members, arguments.seed, arguments.quiet)
    of_labelled = found.of_songs[run.labelled.songs]
    scores = clustering.clustering_scores(codes, of_labelled)
    random = clustering.random_scores(codes, of_labelled, arguments.seed)

    title = picture_title(run, found.count, scores, random)
    drawn = found.table[found.label_order], [labels[i] for i in found.label_order]
    figure = draw_clusters(*drawn, title, arguments.counts)
    if playlists is not None:
        groups = [[name for name in names if name not in without_audio] for names in found.members]
        write_playlists(playlists, arguments.audio_folder, groups, run_name(run))
    write_file(songs_output, songs_csv(run.names, found.of_songs))
    write_file(clusters_output, clusters_csv(found.table, labels, found.members, bands))
    pictures.save_figure(figure, output)

    print(format_scores(found.count, scores, random))
    if without_mel:
        print(f"mel bands: left out: {plural(without_mel, 'song')} without a usable mel")
    if playlists is not None:
        left_out = f"; left out: {plural(len(without_audio), 'song')} without an audio file" if without_audio else ""
        print(printable(f"{playlists}: {plural(found.count, 'playlist')}{left_out}"))
    empty = f" ({number - found.count} more stayed empty)" if found.count < number else ""
    in_clusters = f"{plural(found.count, 'cluster')}{empty}, {plural(len(labels), 'label')}"
    made = f"{plural(len(run.names), 'song')} in {in_clusters}"
    print(printable(f"{output}, {songs_output} and {clusters_output}: {made}"))
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
