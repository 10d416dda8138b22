"""How near inferred vectors of trained songs are to those that training found, and how fast they come.

    python tests/benchmarks/inference.py RUN_FOLDER MEL_FOLDER

Reads   RUN_FOLDER  of spectrogram_doc2vec.py; MEL_FOLDER, of which it was trained.

No labels are looked at. Prints, over at most --songs of the run's songs: the median and the fifth percentile of the
cosine of a song's two vectors; the share of songs that are nearest to themselves among all trained vectors; songs, and
minutes of audio, a second of processor time, without compiling, beside those of reading the mels alone.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the shared modules lie in the repository root

from judging.neighbours import directions
from learning.infer_songs import SONGS_TOGETHER
from learning.trained import open_run
from mels.mel_folder import read_mel
from runs.vectors import read_song_vectors
from utils import EXIT_DONE, command, positive_int, script_parser


def inferred(trained, mels: list[np.ndarray], repeats: int) -> tuple[np.ndarray, float]:
    """Return the vectors, (songs, dims), and the processor seconds of a song, compiling left out."""

    def again() -> Iterator[np.ndarray]:
        yield from mels[:SONGS_TOGETHER]
        started.append(time.process_time())  # asked for when the vectors of the first ones are out
        for _ in range(repeats):
            yield from mels

    started: list[float] = []
    found = list(trained.song_vectors(again()))
    seconds = (time.process_time() - started[0]) / (repeats * len(mels))
    return np.stack(found[-len(mels) :]), seconds


def build_parser():
    parser = script_parser(__doc__)
    parser.add_argument("run", type=Path, metavar="RUN_FOLDER")
    parser.add_argument("mels", type=Path, metavar="MEL_FOLDER")
    parser.add_argument("--songs", type=positive_int, default=1000, metavar="N")
    parser.add_argument("--repeats", type=positive_int, default=3, metavar="N", help="of the timing")
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    trained, known = open_run(arguments.run), read_song_vectors(arguments.run)
    songs = np.unique(np.linspace(0, len(known.names) - 1, arguments.songs).astype(int))
    start = time.process_time()
    mels = [read_mel(arguments.mels / known.names[song]) for song in songs]
    reading = (time.process_time() - start) / len(songs)
    found, seconds = inferred(trained, mels, arguments.repeats)
    cosines = directions(found) @ directions(known.vectors).T  # (songs, all songs)
    own = cosines[np.arange(len(songs)), songs]
    minutes = sum(map(len, mels)) * trained.config.hop_seconds / 60 / len(songs)
    print(f"{len(songs):,} songs of {60 * minutes:.1f} s, a frame every {trained.config.hop_seconds:g} s")
    print(f"cosine to the trained vector: median {np.median(own):.3f}, fifth percentile {np.quantile(own, 0.05):.3f}")
    print(f"nearest to itself among all trained vectors: {np.mean(cosines.argmax(axis=1) == songs):.1%}")
    for what, each in (("reading the mel", reading), ("finding the vector", seconds)):
        speed = f"{1 / each:,.0f} songs and {minutes / each:,.0f} min a second"
        print(f"{what}: {1000 * each:.2f} ms of processor time, {speed}")
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
