"""List the tracks that sound like others, nearest first: on the terminal, for another program, or as a playlist.

    python process_results/find_similar.py RUN --track "a song" --top 10
    python process_results/find_similar.py RUN --track "a song" --minus "another=0.5" --labels LABELS.csv --show genre
    python process_results/find_similar.py RUN --audio recording.wav --format paths
    python process_results/find_similar.py RUN --path "a song" "another" --m3u8 way.m3u8 --audio-folder AUDIO
    python process_results/find_similar.py RUN --recipe every_night.yaml

Reads   RUN, the run folder of spectrogram_doc2vec.py, or what calc_all_vecs.py --level song made; as the flags ask for
        it audio files, a playlist, a label table (the column filename, and any others), the run's mel and audio folder.
Writes  the hits on stdout: rank, cosine, filename, the columns of --show. With --m3u8 a playlist too, which replaces
        the one that an earlier call wrote there. Summaries go to stderr where stdout is csv, json or paths.

What is named is never among the hits. A name is a track's path, or a part of it that no other track has. Of several,
the direction looked for is the mean of theirs, less those of --minus; NAME=0.5 weighs half as much, and a track whose
own name ends so wins. The cosine is that of a hit to this direction; on a --path, to the track before it.

A recipe holds flags by their long names, for cron: `track: [a song, another]`, `within: {genre: rock}`, `top: 30`,
`m3u8: lists/rock.m3u8`. What stands on the command line counts instead of the recipe's. Where no track is left, it says
so and exits 1, and a playlist stays as it is.
"""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))  # where the shared modules lie

import utils  # noqa: F401  first, so that Ctrl-C is one line during the other imports too

# isort: split

import argparse
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from judging import hit_tables, picks, pictures
from judging.explanations import explain
from judging.hit_tables import Hits
from judging.journeys import journey
from judging.labels import column_values, read_label_table
from judging.mel_hop import mel_hop_seconds
from judging.neighbours import check_directions, directions
from judging.playlist_entries import track_of_file
from judging.playlists import check_playlist
from judging.query import query_direction
from judging.recipes import parse_with_recipe
from judging.renewed_playlist import Renewal, about_tracks, renew_playlist
from judging.search import Search, quick_search
from judging.seeds import Seed, find_row, in_words, named_seeds, playlist_seeds, split_weight
from judging.tracks import track_name
from learning.matching_mels import refuse_other_mels
from mels.mel_folder import MEL_SUFFIX, list_mels
from runs.vectors import SONG, Vectors, add_vectors_argument, read_vectors
from utils import (
    EXIT_DONE,
    UserError,
    add_quiet_argument,
    command,
    examples,
    plural,
    positive_int,
    printable,
    printable_name,
    script_parser,
)

if TYPE_CHECKING:
    from learning.trained import TrainedRun

DEFAULT_TOP = 10
FORMATS = {"csv": hit_tables.csv_table, "json": hit_tables.json_list, "paths": hit_tables.paths}
MUSIC_COLUMNS = ("artist", "title")  # of a label table: what a player shows


@dataclass(frozen=True)
class Found:
    """The tracks that were found, and what is said of them."""

    rows: list[int]
    cosines: list[float]  # nan where a track is compared with none
    told: str  # in words: what they are like
    named: list[int]  # rows of what was named
    left_out: str = ""


@functools.lru_cache(maxsize=1)
def open_trained(folder: Path) -> TrainedRun:
    """Read a run's networks, once for all that needs them."""
    from learning.trained import open_run  # TensorFlow, which takes seconds

    return open_run(folder)


def audio_seeds(names: Sequence[str], folder: Path, texts: Sequence[str], audio_folder: Path | None) -> list[Seed]:
    """Return audio files as seeds: their mels by the run's configuration, their vectors by its networks."""
    weighted = [split_weight(text, os.path.exists) for text in texts]
    for name, _ in weighted:
        if not os.path.isfile(name):
            raise UserError(f"{printable(name)}: no such audio file")
    from mels.one_file import mel_of_file

    trained = open_trained(folder)
    mels = [mel_of_file(Path(name), trained.config) for name, _ in weighted]
    vectors = trained.song_vectors(iter(mels))
    seeds = []
    for (name, weight), mel, vector in zip(weighted, mels, vectors, strict=True):
        track = "" if audio_folder is None else track_of_file(name, audio_folder) + MEL_SUFFIX
        seeds.append(Seed(name, weight, vector, names.index(track) if track in names else None, mel))
    return seeds


def find_seeds(arguments: argparse.Namespace, run: Vectors) -> list[Seed]:
    """Return all that was named, in the order playlist, tracks, audio files, and what hits should be unlike."""
    seeds = []
    if arguments.playlist is not None:
        seeds, lost = playlist_seeds(run.names, run.vectors, arguments.playlist, arguments.audio_folder)
        if lost:
            what = f"{plural(len(lost), 'path')} of it not among the run's tracks: {examples(lost)}"
            print(printable(f"{arguments.playlist}: {what}"), file=sys.stderr)
    seeds += named_seeds(run.names, run.vectors, arguments.track)
    minus = named_seeds(run.names, run.vectors, arguments.minus, sign=-1)
    if arguments.audio:
        seeds += audio_seeds(run.names, arguments.run, arguments.audio, arguments.audio_folder)
    return seeds + minus


def read_columns(arguments: argparse.Namespace, names: Sequence[str]) -> tuple[dict, dict]:
    """Return the values of each track in the columns of the label table that are asked for, and those of --within."""
    if arguments.labels is None:
        return {}, {}
    table = read_label_table(arguments.labels)
    try:
        wanted = picks.wanted_values(arguments.within, table.columns)
    except ValueError as error:
        raise UserError(f"{arguments.labels}: --within: {error}") from None
    columns = [*arguments.show, *(column for column, _ in arguments.max_per), *wanted]
    if arguments.m3u8 is not None:
        columns += [column for column in MUSIC_COLUMNS if column in table.columns]
    elif not columns:
        raise UserError("--labels: nothing asks for a column; add --show, --within or --max-per")
    return column_values(table, names, list(dict.fromkeys(columns))), wanted


def find_on_path(arguments: argparse.Namespace, run: Vectors, allowed: np.ndarray) -> Found:
    """Return the tracks of --path, each with its cosine to the one before."""
    first, last, *via = [find_row(run.names, name) for name in arguments.path]
    waypoints = [first, *via, last]
    might = allowed.copy()
    might[waypoints] = True
    length = min(arguments.top or DEFAULT_TOP, int(might.sum()))
    try:
        rows = journey(run.vectors, waypoints, length, allowed)
    except ValueError as error:
        raise UserError(f"--path: {error}") from None
    along = directions(np.asarray(run.vectors[rows]))
    cosines = [math.nan, *np.vecdot(along[1:], along[:-1]).tolist()]
    shown = [repr(printable_name(track_name(run.names[row]))) for row in waypoints]
    return Found(rows, cosines, f"from {' over '.join(shown[:-1])} to {shown[-1]}", waypoints)


def find_like(
    arguments: argparse.Namespace, run: Vectors, seeds: Sequence[Seed], allowed: np.ndarray, columns: dict
) -> Found:
    """Return the tracks that sound like the seeds, nearest first."""
    named = list(dict.fromkeys(seed.row for seed in seeds if seed.row is not None))
    vectors = np.stack([seed.vector for seed in seeds])
    refuse_without_direction(arguments.run, [seed.name for seed in seeds], vectors)
    try:
        query = query_direction(vectors, np.array([seed.weight for seed in seeds]))
    except ValueError as error:
        raise UserError(f"{in_words(seeds)}: {error}; name other tracks, or other weights") from None
    allowed[named] = False
    search = searcher(arguments, run, query, allowed)
    rules: list[picks.Rule] = [picks.AtMost(columns[column], most) for column, most in arguments.max_per]
    counts = {}
    if arguments.m3u8 is not None:
        rules.append(has_audio := picks.HasAudio(arguments.audio_folder, run.names))
        counts["without an audio file"] = lambda: has_audio.missing
    if arguments.without_duplicates:
        from judging.once_per_recording import OncePerRecording

        mels = arguments.mel_folder
        rules.append(
            once := OncePerRecording(
                mels, mel_hop_seconds(arguments.mel_folder, arguments.run), run.names, run.vectors, seeds
            )
        )
        counts["of the same recording"] = lambda: once.same
    top = DEFAULT_TOP if arguments.top is None and arguments.at_least is None else arguments.top
    rows, cosines = picks.pick(picks.in_order(search, top or len(run.names)), top, arguments.at_least, rules)
    left_out = ", ".join(f"{plural(count(), 'track')} {why}" for why, count in counts.items() if count())
    if not rows:
        raise nothing_found(arguments, run, search, left_out)
    if arguments.without_duplicates and once.unknown:
        print(f"{arguments.mel_folder}: holds no mel of {plural(once.unknown, 'hit')}: not compared", file=sys.stderr)
    return Found(rows, cosines, in_words(seeds), named, f"; left out: {left_out}" if left_out else "")


def searcher(arguments: argparse.Namespace, run: Vectors, query: np.ndarray, allowed: np.ndarray) -> Search:
    """Return what finds the tracks nearest to a direction, and say so where it is not exact."""
    beside = arguments.run / "song_vectors" if arguments.vectors in (None, SONG) else Path(arguments.vectors)
    index_path = beside.with_suffix(".index")
    try:
        search, told = quick_search(run.vectors, query, allowed, index_path, arguments.quiet)
        search(1)
    except ValueError:  # names a row; people know the track
        refuse_without_direction(arguments.run, run.names, run.vectors)
        raise
    if told:
        print(printable(told), file=sys.stderr)
    return search


def refuse_without_direction(folder: Path, names: Sequence[str], vectors: np.ndarray) -> None:
    """Raise UserError where a vector is zero or not finite."""
    try:
        check_directions(names, vectors)
    except ValueError as error:
        raise UserError(f"{folder}: {error}") from None


def nothing_found(arguments: argparse.Namespace, run: Vectors, search: Search, left_out: str) -> UserError:
    """Return why no track is left."""
    rows, cosines = search(1)
    if not len(rows):
        return UserError("no track is left beside those that are named; ask for less by --within and --exclude")
    if arguments.at_least is not None and cosines[0] < arguments.at_least:
        nearest_one = f"the nearest is {printable_name(track_name(run.names[rows[0]]))!r} with {cosines[0]:.3f}"
        return UserError(f"no track has a cosine of {arguments.at_least:g} or more: {nearest_one}; lower --at-least")
    return UserError(f"no track is left; left out: {left_out}; check --audio-folder, or ask for less")


def explanations(arguments: argparse.Namespace, run: Vectors, seeds: Sequence[Seed], found: Found) -> list[list[dict]]:
    """Return why each hit is one, see hit_tables.Hits."""
    trained = open_trained(arguments.run)
    refuse_other_mels(arguments.mel_folder, list_mels(arguments.mel_folder), trained.folder, trained.config)
    hits, liked = [run.names[row] for row in found.rows], [seed for seed in seeds if seed.weight > 0]
    of_hits = np.asarray(run.vectors[found.rows])
    told = explain(
        hits, of_hits, liked, run.names, arguments.mel_folder, trained.frame_vectors, trained.config, arguments.quiet
    )
    told = list(told)
    if not any(told):
        print(f"{arguments.mel_folder}: tells nothing of why, for no hit: is it the run's?", file=sys.stderr)
    return told


def build_parser() -> argparse.ArgumentParser:
    parser = script_parser(__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder of spectrogram_doc2vec.py")
    add = parser.add_argument_group("what to look for").add_argument
    more: dict = {"action": "append", "default": []}
    add("--track", metavar="NAME[=WEIGHT]", help="sounds like this track; repeatable", **more)
    add("--minus", metavar="NAME[=WEIGHT]", help="and less like this one; repeatable", **more)
    add("--audio", metavar="FILE[=WEIGHT]", help="sounds like this audio file, in the run or not; repeatable", **more)
    add("--playlist", type=Path, metavar="FILE.m3u8", help="sounds like the tracks of this playlist, which it extends")
    path = "a playlist from one track to the other in small steps, through VIA in that order, --top tracks long"
    add("--path", nargs="+", metavar=("FROM", "TO"), help=path.replace("VIA", "what follows TO"))
    add_vectors_argument(parser)

    add = parser.add_argument_group("which of them").add_argument
    add("--top", type=positive_int, metavar="N", help=f"at most so many (default: {DEFAULT_TOP}; all with --at-least)")
    add("--at-least", type=float, metavar="COSINE", help="only tracks that are so near, in [-1, 1]")
    within = "only tracks with this value; repeatable: one of a column's, and of each column"
    add("--within", metavar="COLUMN=VALUE", help=within, **more)
    add("--exclude", metavar="GLOB", help="leave out what matches by name, path or folder; repeatable", **more)
    most = "at most N hits with the same value, e.g. artist 2; repeatable"
    add("--max-per", nargs=2, metavar=("COLUMN", "N"), help=most, **more)
    same = "no hit that is the same recording as a seed or a better hit; needs --mel-folder"
    add("--without-duplicates", action="store_true", help=same)

    add = parser.add_argument_group("what is shown and written").add_argument
    add("--labels", type=Path, metavar="LABELS.csv", help="table with the column filename and any others")
    add("--show", metavar="COLUMN", help="show this column of the label table; repeatable", **more)
    add("--why", action="store_true", help="show which seconds and bands make them alike; needs --mel-folder")
    add("--format", choices=("table", *FORMATS), default="table", help="on stdout; paths: one a line, nothing else")
    add("--m3u8", type=Path, metavar="FILE", help="write a playlist; needs --audio-folder")
    add("--seeds-first", action="store_true", help="let that playlist begin with the tracks that were named")
    add("--mel-folder", type=Path, metavar="MEL", help="of the run; with --m3u8 players learn the durations from it")
    add("--audio-folder", type=Path, metavar="AUDIO", help="that the mel folder was made of")
    add("--dry-run", action="store_true", help="print which tracks of --m3u8 would come and go, and write nothing")
    add("--recipe", type=Path, metavar="FILE.yaml", help="flags by their long names; the command line wins")
    add_quiet_argument(parser)
    return parser


def refuse_contradictions(arguments: argparse.Namespace) -> None:
    """Raise UserError where flags do not go together, or an output would replace what it must not."""

    def given(*flags: str) -> list[str]:
        return [f"--{flag}" for flag in flags if getattr(arguments, flag.replace("-", "_")) not in (None, False, [])]

    def needs(flags: list[str], other: str) -> None:
        if flags and not given(other):
            raise UserError(f"{flags[0]} needs --{other}")

    seeds = given("track", "audio", "playlist")
    if not seeds + given("path"):
        what = "--minus takes away from what" if arguments.minus else "say what to look for: it is what"
        raise UserError(f"{what} --track, --audio, --playlist or --path names; give one of them")
    others = given("track", "minus", "audio", "playlist", "at-least", "max-per", "without-duplicates", "why")
    if arguments.path and others:
        raise UserError(f"--path and {others[0]} do not go together; leave one out")
    if arguments.path and len(arguments.path) < 2:
        raise UserError("--path needs two tracks at least, from which and to which")
    if arguments.why and arguments.format == "paths":
        raise UserError("--why and --format paths do not go together: paths are all that is printed; leave one out")
    if arguments.at_least is not None and not -1 <= arguments.at_least <= 1:
        raise UserError(f"--at-least {arguments.at_least}: a cosine lies between -1 and 1")
    if arguments.audio and arguments.vectors not in (None, SONG):
        raise UserError("--audio and --vectors FILE do not go together: a file's vector is made by the run's networks")
    needs(given("show", "within", "max-per"), "labels")
    needs(given("without-duplicates", "why"), "mel-folder")
    needs(given("dry-run", "seeds-first"), "m3u8")
    needs(given("m3u8"), "audio-folder")
    hit_tables.check_columns(arguments.show)
    for place, (column, most) in enumerate(arguments.max_per):
        if not (most.isdecimal() and int(most)):
            raise UserError(f"--max-per {column} {most}: expected a number of at least 1 behind the column")
        arguments.max_per[place] = (column, int(most))
    for folder in filter(None, (arguments.mel_folder, arguments.audio_folder)):
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder; name the one that the run was made of")
    if arguments.m3u8 is not None:
        pictures.check_output(arguments.m3u8, [".m3u8"], [arguments.playlist] if arguments.playlist else [])
        check_playlist(arguments.m3u8)


def renew(arguments: argparse.Namespace, run: Vectors, found: Found, columns: dict) -> Renewal:
    """Write the playlist of --m3u8, or with --dry-run say what it would be."""
    rows = list(dict.fromkeys([*(found.named if arguments.seeds_first else []), *found.rows]))
    names, nothing = [run.names[row] for row in rows], [""] * len(run.names)
    artists, titles = ([columns.get(column, nothing)[row] for row in rows] for column in MUSIC_COLUMNS)
    about = about_tracks(names, arguments.mel_folder, artists, titles)
    return renew_playlist(arguments.m3u8, arguments.audio_folder, names, found.told, about, arguments.dry_run)


def write_hits(arguments: argparse.Namespace, hits: Hits) -> None:
    """Write the hits on stdout: bytes as they are, where another program reads them."""
    if arguments.format == "table":
        print(hit_tables.table(hits), end="")
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(FORMATS[arguments.format](hits))
        sys.stdout.buffer.flush()


@command
def main(argv: list[str] | None = None) -> int:
    arguments = parse_with_recipe(build_parser(), argv, several=["path"], pairs=["max-per"])
    refuse_contradictions(arguments)
    run = read_vectors(arguments.run, arguments.vectors, mapped=True)
    columns, wanted = read_columns(arguments, run.names)
    try:
        allowed = picks.allowed_tracks(run.names, columns, wanted, arguments.exclude)
    except ValueError as error:
        raise UserError(f"--within and --exclude: {error}") from None
    seeds = [] if arguments.path else find_seeds(arguments, run)
    found = find_like(arguments, run, seeds, allowed, columns) if seeds else find_on_path(arguments, run, allowed)
    names = [run.names[row] for row in found.rows]
    why = explanations(arguments, run, seeds, found) if arguments.why and not arguments.dry_run else None

    closing = [f"{plural(len(names), 'track')} of {len(run.names):,}, {found.told}{found.left_out}"]
    if arguments.m3u8 is not None:
        renewal = renew(arguments, run, found, columns)
        closing.append(str(renewal))
    if arguments.dry_run:
        print(renewal.lines(), end="")
    else:
        shown = {column: [columns[column][row] for row in found.rows] for column in arguments.show}
        write_hits(arguments, Hits(names, found.cosines, shown, why))
    for line in closing:
        print(printable(line), file=sys.stdout if arguments.format == "table" else sys.stderr)
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
