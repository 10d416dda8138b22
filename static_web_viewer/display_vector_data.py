"""Make a page that shows every track of a run as a map, plays it, and finds what sounds alike.

    python static_web_viewer/display_vector_data.py RUN AUDIO_ROOT OUT --labels LABELS.csv

OUT/index.html opens by double-click, needs no network and no server. The map is t-SNE of cosine distances. Called again
on the same OUT, it starts from OUT/layout.csv: tracks that stay keep their places, those that have come are marked new.

Reads   RUN, the run folder of spectrogram_doc2vec.py; AUDIO_ROOT, the folder of audio that it was made of; LABELS.csv,
        a table with the column filename (the audio file's path relative to AUDIO_ROOT) and any others: title, artist
        and citation are shown as such, every column can be coloured, searched and filtered by. Where it has no title
        or no artist of a track, the audio file's tags say it, else its file name.
Writes  OUT: index.html, data/ and viewer/ (what it loads), layout.csv (filename,x,y,new), map.png, with --audio copy
        or link audio/, layout.json, page.json and lock. Prints how true map and distances are. --output-table writes
        filename,x,y,folder,cluster,new and the label table's columns as CSV.

--audio reference  the page plays the files where they are: for your own machine. Moved elsewhere it is silent.
--audio copy       copies them into OUT/audio; what no browser plays becomes mp3. OUT can be moved and published.
--audio link       symbolic links in OUT/audio, for a web server on this machine.
--mel-folder MELS  each track's mel as a small picture to seek in, 1 kB a track; drawn again only where mels change.

Reference: van der Maaten and Hinton 2008, Visualizing data using t-SNE.
"""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))  # where the shared modules lie

import utils  # noqa: F401  first, so that Ctrl-C is one line during the other imports too

# isort: split

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from files import folder_lock, write_if_changed
from judging import clustering, pictures
from judging.neighbours import check_directions, directions
from runs.vectors import Vectors, add_vectors_argument, read_vectors
from static_web_viewer.page import (
    layout_file,
    layout_origin,
    map_picture,
    others,
    page_audio,
    page_data,
    page_folder,
    strips,
    track_texts,
)
from static_web_viewer.page.columns import (
    TABLE_COLUMNS,
    Column,
    default_column,
    label_columns,
    output_table,
    own_columns,
)
from static_web_viewer.page.places import PCA, TSNE, Map, Wanted, make_map
from static_web_viewer.page.sample import MOST_POINTS
from utils import (
    EXIT_DONE,
    UserError,
    add_quiet_argument,
    as_unicode,
    command,
    plural,
    positive_int,
    printable,
    script_parser,
)

CLUSTERS = 10


def build_parser() -> argparse.ArgumentParser:
    parser = script_parser(__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder of spectrogram_doc2vec.py")
    parser.add_argument("audio_root", type=Path, metavar="AUDIO_ROOT", help="folder of audio that the run was made of")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the page: new, empty, or an earlier page")
    parser.add_argument("--labels", type=Path, metavar="CSV", help="label table; without it: folder, cluster and new")
    for what in ("title", "artist"):
        parser.add_argument(f"--{what}-column", metavar="NAME", help=f"column of tracks' {what} (default: by heading)")
    parser.add_argument("--mel-folder", type=Path, metavar="MELS", help="mel folder of the run: to seek in by eye")
    parser.add_argument("--title", help="the page's heading (default: the name of AUDIO_ROOT)")
    parser.add_argument(
        "--audio", choices=page_audio.MODES, default=page_audio.MODES[0], help="how the page gets at the audio"
    )
    parser.add_argument(
        "--layout", default=TSNE, metavar=f"{TSNE}|{PCA}|FILE.csv", help="the map; a file has filename,x,y"
    )
    parser.add_argument("--new-layout", action="store_true", help="do not start from OUT/layout.csv: all places anew")
    most = "of more tracks so many are points of the map, by cluster, the new ones always; search finds the others"
    parser.add_argument("--most-points", type=positive_int, default=MOST_POINTS, metavar="N", help=most)
    parser.add_argument("--clusters", type=positive_int, default=CLUSTERS, help="clusters to colour by")
    parser.add_argument("--output-table", type=Path, metavar="FILE.csv", help="x, y and all columns as a table too")
    parser.add_argument("--list-left-out", action="store_true", help="name each track and row that is left out")
    parser.add_argument("--seed", type=int, default=0, help="of the map and the clusters")
    add_vectors_argument(parser)
    add_quiet_argument(parser, nightly=True)
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    out = arguments.out
    found = read_vectors(arguments.run, arguments.vectors, mapped=True)
    mels = check_arguments(arguments, found.names)
    try:
        check_directions(found.names, found.vectors)
    except ValueError as error:
        raise UserError(f"{arguments.run}: {error}") from None
    say = print if not arguments.quiet else lambda *_: None
    say(printable(f"vectors: {found}"))
    labels = label_columns(arguments.labels, found.names, arguments.list_left_out, say)
    called = track_texts.find_text_columns(arguments.labels, labels, arguments.title_column, arguments.artist_column)
    out.mkdir(parents=True, exist_ok=True)
    with folder_lock(out):
        page_folder.clean(out)
        before = shown(out)
        places, audio = write(arguments, found, labels, called, mels, say)
        if arguments.quiet and shown(out) == before:
            return EXIT_DONE
    say(audio.summary())
    newcomers = f", {int(places.new.sum()):,} of them new" if places.new.any() else ""
    points = len(places.points)
    sampled = f", {points:,} of them on the map, the others by search" if points < len(found.names) else ""
    made = f"{plural(len(found.names), 'track')}{newcomers}{sampled}"
    print(f"page: {made}; open {out / page_folder.INDEX_NAME} in a browser")
    return EXIT_DONE


def shown(out: Path) -> list[bytes]:
    """Return what tells one page from another: its index names all else by the hash of its content."""
    files = [out / name for name in (page_folder.INDEX_NAME, page_folder.LAYOUT_NAME)]
    return [path.read_bytes() for path in files if path.exists()]


def check_arguments(arguments: argparse.Namespace, names: list[str]) -> strips.Mels | None:
    """Raise UserError for what cannot work, before anything that takes time; return the mels, where they are wanted."""
    if arguments.layout not in (TSNE, PCA) and not arguments.layout.endswith(".csv"):
        raise UserError(f"--layout {arguments.layout}: write {TSNE}, {PCA}, or the path of a CSV with filename,x,y")
    if arguments.layout not in (TSNE, PCA) and not Path(arguments.layout).is_file():
        raise UserError(f"--layout {arguments.layout}: no such file")
    page_folder.check_folder(arguments.out)
    page_audio.check_audio(arguments.audio, arguments.audio_root, names, arguments.out)
    if arguments.output_table is not None:
        inputs = [path for path in (arguments.labels, Path(arguments.layout)) if path is not None]
        pictures.check_table_output(arguments.output_table, TABLE_COLUMNS, inputs, more=True)
    return None if arguments.mel_folder is None else strips.find_mels(arguments.mel_folder, names)


def write(
    arguments: argparse.Namespace,
    found: Vectors,
    labels: list[Column],
    called: track_texts.TextColumns,
    mels: strips.Mels | None,
    say: Callable[[str], None],
) -> tuple[Map, page_audio.PageAudio]:
    """Make all that the page shows, and write it; needs OUT's lock. An earlier page stays whole until the end."""
    names, out, seed, quiet = found.names, arguments.out, arguments.seed, arguments.quiet
    rows = directions(found.vectors)
    centroids = clustering.learn_centroids(rows, min(arguments.clusters, len(rows)), seed)
    clusters = clustering.nearest_centroids(rows, centroids)
    wanted = Wanted(out, arguments.layout, arguments.new_layout, arguments.most_points, seed, quiet)
    places = make_map(wanted, names, rows, clusters)
    say(f"map: {places.description}")
    table = layout_file.layout_table(names, places.xy, places.new)
    layout_origin.write_layout(out, table, places.state)  # at once: it took longest
    points, rest = places.points, np.setdiff1d(np.arange(len(names)), places.points)
    if len(rest):
        say(f"points: {shown_of(len(points), len(names))}")
    columns = labels + own_columns(names, clusters, places.new, called.others(labels), called.artists())
    first = default_column(columns, len(names))
    codes = page_data.quantised(rows)
    near = [each[:, : page_data.NEIGHBOURS] for each in places.near]
    distances = page_data.page_distances(rows[points], *near, seed, codes[points])
    say(distances.description())
    audio = page_audio.provide_audio(arguments.audio, arguments.audio_root, out, names, quiet)
    texts = track_texts.complete_by_tags(called, arguments.audio_root, names, quiet)
    say(texts.summary())
    drawn_names = [names[track] for track in points]
    drawn = None if mels is None else strips.write_strips(out, drawn_names, mels, quiet)
    if drawn is not None:
        say(drawn.summary())
    title = as_unicode(arguments.title or arguments.audio_root.resolve().name or "sound-eval")
    addresses = page_data.audio_addresses(drawn_names, [audio.urls[track] for track in points])
    about = [f"vectors: {found}", f"map: {places.state['made']}", distances.description()]
    about += [f"points: {shown_of(len(points), len(names))}"] if len(rest) else []
    of_points = [column.of(points) for column in columns]
    beside = others.write_others(out, rest, names, places.xy, columns, audio.urls, texts, codes)
    data = page_data.data_files(
        drawn_names, places.xy[points], [column.content() for column in of_points], first, distances, addresses, about,
        texts.content(points), drawn and drawn.content(), beside,
    )  # fmt: skip
    picture = map_picture.draw_map(places.xy[points], of_points[first], title)
    write_if_changed(out / page_folder.PICTURE_NAME, pictures.figure_bytes(picture, ".png"))
    if arguments.output_table is not None:
        write_if_changed(arguments.output_table, output_table(names, places.xy, columns))
    page_folder.write_page(out, title, data, [*(drawn.files if drawn else ()), *others.files_of(beside)])
    page_audio.prune_audio(out, audio)
    return places, audio


def shown_of(points: int, tracks: int) -> str:
    """Return in words which tracks the map shows, where it does not show all."""
    return f"{points:,} of {tracks:,} tracks on the map, by cluster; search finds the others"


if __name__ == "__main__":
    sys.exit(main())
