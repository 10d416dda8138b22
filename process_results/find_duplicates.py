"""Find files that are the same recording: other bitrate, format or loudness, silence trimmed or added, or a cut of it.

    python process_results/find_duplicates.py RUN --mel-folder MEL --output duplicates.csv

Reads   RUN, the run folder of spectrogram_doc2vec.py or calc_all_vecs.py; MEL, the mel folder of its tracks.
Writes  the groups, a CSV, a row a file: group, filename, seconds, and what shows that it belongs there: against (the
        file of the group that it was found in), cosine (of the two vectors), offset_seconds (where it begins in that
        file), overlap_seconds, share (of the shorter of the two that lies in the other), score (correlation of their
        fine structure). The first of a group is its best file: the longest, of those about as long the largest.
        With --m3u8 FILE --audio-folder AUDIO a playlist of all the others: what could go. Listen; nothing is deleted.

A pair is looked at where one is among the other's nearest --neighbours by cosine of the song vectors, and that is
--at-least or more, or among those by the mean spectrum, which find copies that a short training has not. Proof is in
the mels: at one offset their fine structure must agree, which two takes, two notes of an instrument or two showers of
rain do not share, and smoothed levels but for one gain. The more frames show it, the surer: a word or a single note
must be almost identical, so that a cut of one, or a copy shifted by a part of a frame, is often missed; of long sounds
a third of it is enough. A short excerpt that two recordings share makes no group of them; a mix makes one with each
track that lies in it.
"""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))  # where the shared modules lie

import utils  # noqa: F401  first, so that Ctrl-C is one line during the other imports too

# isort: split

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from files import csv_bytes, write_file
from judging.duplicates import Member, Prover, group_files, near_pairs
from judging.mel_hop import mel_hop_seconds
from judging.neighbours import check_directions
from judging.pictures import check_output, check_table_output
from judging.playlists import About, check_playlist, songs_without_audio, write_playlist
from judging.tracks import track_name
from mels.mel_folder import MelList, list_mels, read_ledger, read_mel
from runs.vectors import Vectors, add_vectors_argument, read_vectors
from utils import (
    EXIT_DONE,
    UserError,
    add_quiet_argument,
    command,
    examples,
    plural,
    positive_int,
    printable,
    script_parser,
)

TABLE_HEADER = (
    "group", "filename", "seconds", "against", "cosine", "offset_seconds", "overlap_seconds", "share", "score",
)  # fmt: skip
NEIGHBOURS = 10  # tracks looked at for each; of more copies each one's nearest are others, and so all hang together
LEAST_COSINE = 0.5


def duplicates_table(
    groups: Sequence[Sequence[Member]], names: Sequence[str], vectors: np.ndarray, seconds: np.ndarray
) -> bytes:
    """Return the groups as CSV. Names are those of music_list.txt, rows of vectors and seconds belong to them."""
    table = []
    for number, group in enumerate(groups, start=1):
        for member in group:
            row = (number, track_name(names[member.track]), f"{seconds[member.track]:.2f}")
            if member.match is None:
                table.append((*row, *[""] * 6))
                continue
            match, cosine = member.match, cosine_of(vectors[member.track], vectors[member.against])
            places = (f"{match.offset_seconds:.2f}", f"{match.overlap_seconds:.2f}")
            evidence = (f"{match.share:.3f}", f"{match.score:.3f}")
            table.append((*row, track_name(names[member.against]), f"{cosine:.4f}", *places, *evidence))
    return csv_bytes(TABLE_HEADER, table)


def cosine_of(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one.astype(np.float64), other.astype(np.float64)
    return float(one @ other / np.sqrt((one @ one) * (other @ other)))


def tracks_with_mels(
    run: Vectors, mels: MelList, mel_folder: Path, hop: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rows of the run that have a mel, and how long and how large each is: int64, seconds, bytes.

    Raises UserError where none has one.
    """
    ledger = read_ledger(mel_folder)
    frames = dict(zip(mels.names, mels.frames.tolist(), strict=True))
    rows = np.array([row for row, name in enumerate(run.names) if name in frames], np.int64)
    if not len(rows):
        first = printable(track_name(run.names[0]))
        raise UserError(f"{mel_folder}: holds no track of the run, not even {first!r}; name its mel folder")
    facts = [(ledger.get(track_name(run.names[row])), frames[run.names[row]]) for row in rows]
    seconds = [hop * count if fact is None else fact.seconds for fact, count in facts]
    return rows, np.array(seconds), np.array([0 if fact is None else fact.size for fact, _ in facts])


def write_what_could_go(
    path: Path, audio_folder: Path, groups: Sequence[Sequence[Member]], names: Sequence[str], seconds: np.ndarray
) -> str:
    """Write the playlist of all but the best of each group; return what was done, in words."""
    to_go = [member.track for group in groups for member in group[1:]]
    if not to_go:
        return f"{path}: not written, there is nothing that could go"
    missing = songs_without_audio(audio_folder, [names[track] for track in to_go])
    about = {names[track]: About(float(seconds[track])) for track in to_go}
    listed = [names[track] for track in to_go if names[track] not in missing]
    write_playlist(path, audio_folder, listed, "of which a better file is there", about)
    left_out = f"; left out: {plural(len(missing), 'track')} without audio in {audio_folder}" if missing else ""
    return f"{path}: {plural(len(listed), 'track')} that could go{left_out}"


def cosine(text: str) -> float:
    """argparse type: a number from -1 to 1."""
    value = float(text)
    if not -1 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not from -1 to 1")
    return value


def build_parser() -> argparse.ArgumentParser:
    parser = script_parser(__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder of spectrogram_doc2vec.py")
    parser.add_argument("--mel-folder", type=Path, required=True, metavar="MEL", help="mels of the run's tracks")
    parser.add_argument("--output", type=Path, required=True, metavar="OUT.csv", help="table to write")
    parser.add_argument(
        "--neighbours", type=positive_int, default=NEIGHBOURS, metavar="N",
        help="nearest tracks of each that are looked at, by vector and by spectrum",
    )  # fmt: skip
    parser.add_argument(
        "--at-least",
        type=cosine,
        default=LEAST_COSINE,
        metavar="COSINE",
        help="least, of neighbours by vector",
    )
    add_vectors_argument(parser)
    parser.add_argument("--m3u8", type=Path, metavar="FILE", help="playlist of what could go")
    parser.add_argument("--audio-folder", type=Path, metavar="AUDIO", help="audio of the tracks, for --m3u8")
    add_quiet_argument(parser)
    return parser


def check_arguments(arguments: argparse.Namespace) -> None:
    """Raise UserError where an output could not be written. Changes nothing."""
    check_table_output(arguments.output, TABLE_HEADER)
    if (arguments.m3u8 is None) != (arguments.audio_folder is None):
        raise UserError("--m3u8 and --audio-folder belong together; name both, or neither")
    if arguments.m3u8 is not None:
        check_output(arguments.m3u8, [".m3u8"])
        check_playlist(arguments.m3u8)


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    check_arguments(arguments)
    run, mel_folder = read_vectors(arguments.run, arguments.vectors, mapped=True), arguments.mel_folder
    mels, hop = list_mels(mel_folder), mel_hop_seconds(mel_folder, arguments.run)
    rows, seconds, sizes = tracks_with_mels(run, mels, mel_folder, hop)
    names = [run.names[row] for row in rows]
    vectors = run.vectors if len(rows) == len(run.names) else run.vectors[rows]
    try:
        check_directions(names, vectors)
    except ValueError as error:
        raise UserError(f"{arguments.run}: {error}") from None

    quiet, neighbours = arguments.quiet, arguments.neighbours
    by_vectors = near_pairs(vectors, neighbours, arguments.at_least, quiet)
    beside = arguments.output.parent

    def read(track: int) -> np.ndarray:
        mel = read_mel(mel_folder / names[track])
        if mel.shape[1] != mels.bins:
            raise ValueError(f"{mel.shape[1]} bins, expected {mels.bins}")
        return mel

    prover = Prover(read, len(names), hop, quiet, beside)
    pairs = np.unique(np.concatenate([by_vectors, prover.near_pairs(neighbours)]), axis=0)
    groups = group_files(prover.prove(pairs), seconds, sizes)

    write_file(arguments.output, duplicates_table(groups, names, vectors, seconds))
    lines = []
    if len(rows) < len(run.names):
        lines.append(f"left out: {plural(len(run.names) - len(rows), 'track')} without a mel in {mel_folder}")
    if prover.unreadable:
        first, why = next(iter(prover.unreadable.items()))
        count = plural(len(prover.unreadable), "mel")
        lines.append(f"left out: {count} that cannot be read, e.g. {examples([names[first]])}: {why}")
    if arguments.m3u8 is not None:
        lines.append(write_what_could_go(arguments.m3u8, arguments.audio_folder, groups, names, seconds))
    files = sum(map(len, groups))
    looked = f"{plural(len(rows), 'track')}, {plural(len(pairs), 'pair')} looked at, {prover.aligned:,} of them closely"
    found = "no two files are found to be one recording"
    if groups:
        found = f"{plural(len(groups), 'group')} of {plural(files, 'file')}, {files - len(groups):,} of which could go"
    lines.append(f"{arguments.output}: {found} ({looked})")
    print(printable("\n".join(lines)))
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
