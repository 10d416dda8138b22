"""Measure find_moments.py: how fast it looks through frame vectors, and whether it finds a stretch that was mixed in.

    python tests/benchmarks/moments.py --hours 20
    python tests/benchmarks/moments.py --audio AUDIO_FOLDER --run RUN --seconds 2

The first writes frame vectors of noise, tracks of five minutes at a hop of 0.1 s and 80 dimensions, into a temporary
folder, and looks through them for stretches of several lengths; beside it, with as many threads, the same files are
read and nothing else. Ratios hold on a busy machine too, seconds do not.

The second mixes a stretch of one file into another, 6 dB louder than what it covers, as loud, and 6 dB softer, not on
the grid of the frames, and looks for the clean stretch in all files but the one that it is of, or, where the files lie
in sub-folders, but those of its sub-folder: other rain is as much like rain. A variant's figures are the shares of the
stretches whose place is the first moment that is found, and among the first five; random is the share that any five
moments would give.

Nothing is asserted.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the shared modules lie in the repository root

from files import save_array, walk_files
from judging.moments import MOST_DIRECTIONS, MOST_SEGMENTS, Wanted, describe_stretch, find, fit_space
from learning.trained import TrainedRun, open_run
from mels.decoding import find_ffmpeg, is_audio
from mels.log_mel import log_mel
from mels.mel_folder import read_mel
from utils import EXIT_DONE, UserError, command, positive_float, positive_int, script_parser, usable_cores

DIMS, TRACK_FRAMES, FRAMES_AN_HOUR = 80, 3000, 36000
LENGTHS = (1, 15, 70, 600)  # frames of the stretches of the first table
LEVELS_DB = (6, 0, -6)
FADE_SECONDS = 0.01
FULL = 10**6  # as the most segments: each frame is one; as evenness: all directions keep their variance
VARIANTS = {  # most segments, directions, evenness
    "mean vector, centred": (1, FULL, FULL),
    "4 segments, centred": (4, FULL, FULL),
    "16 segments, centred": (16, FULL, FULL),
    "every frame, centred": (FULL, FULL, FULL),
    "mean vector, 32 even directions": (1, 32, 0.1),
    "4 segments, 32 even directions": (4, 32, 0.1),
    "16 segments, 16 even directions": (16, 16, 0.1),
    "16 segments, 32 even directions": (16, 32, 0.1),
    "16 segments, 32 directions, evenness 1": (16, 32, 1.0),
    "16 segments, 32 directions, evenness 0.01": (16, 32, 0.01),
    "16 segments, 64 even directions": (16, 64, 0.1),
    "32 segments, 32 even directions": (32, 32, 0.1),
    "every frame, 32 even directions": (FULL, 32, 0.1),
}


def measure_speed(hours: float) -> None:
    """Print the table of how fast frame vectors are looked through."""
    tracks = max(1, round(hours * FRAMES_AN_HOUR / TRACK_FRAMES))
    draws = np.random.default_rng(0)
    noise = draws.standard_normal((TRACK_FRAMES + 64, DIMS), np.float32)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.npy" for number in range(tracks)]
        for path in paths:
            start = draws.integers(64)
            save_array(path, noise[start : start + TRACK_FRAMES])

        def read(track: int, start: int, stop: int) -> np.ndarray:
            return read_mel(paths[track], start, stop)

        frames, cores = tracks * TRACK_FRAMES, usable_cores()
        size = f"{frames / FRAMES_AN_HOUR:.0f} h, {frames * DIMS * 4 / 1e9:.2f} GB"
        print(f"{size} in {tracks} files, {cores} threads; {peak_gb():.2f} GB of memory before")
        row = "{:24} {:>8} {:>8} {:>7} {:>14} {:>12}"
        print(row.format("", "seconds", "cpu s", "ratio", "cpu s, 1000 h", "memory, GB"))

        def report(what: str, work: Callable[[], object], plain: float) -> float:
            wall, cpu = time.monotonic(), time.process_time()
            work()
            wall, cpu = time.monotonic() - wall, time.process_time() - cpu
            thousand = cpu / frames * FRAMES_AN_HOUR * 1000
            cells = f"{wall:.2f}", f"{cpu:.2f}", f"{wall / (plain or wall):.1f}", f"{thousand:.1f}", f"{peak_gb():.2f}"
            print(row.format(what, *cells), flush=True)
            return wall

        read_all(paths, cores)  # what was just written may still be on its way to the disk
        plain = report("reading alone", lambda: read_all(paths, cores), 0.0)
        space = fit_space(noise)
        for length in LENGTHS:
            stretch = describe_stretch(noise[:length], space)
            wanted = Wanted(apart=length, top=20)
            report(f"stretch of {length} frames", lambda: find(read, range(tracks), stretch, wanted, cores), plain)  # noqa: B023
        report("reading alone, again", lambda: read_all(paths, cores), plain)


def read_all(paths: list[Path], threads: int) -> None:
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda path: len(path.read_bytes()), paths))


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


@dataclass(frozen=True)
class Planted:
    """A stretch of one file that was mixed into another."""

    source: int
    host: int
    place: float  # in frames of the host
    stretch: np.ndarray  # its frame vectors, clean
    mixed: dict[int, np.ndarray]  # level in dB -> frame vectors of the host


def decode(path: Path, rate_hz: int) -> np.ndarray:
    argv = [find_ffmpeg(), "-v", "error", "-protocol_whitelist", "file,pipe", "-i", f"file:{path}", "-map", "0:a:0"]
    done = subprocess.run([*argv, "-ac", "1", "-ar", str(rate_hz), "-f", "f32le", "-"], capture_output=True, check=True)
    return np.frombuffer(done.stdout, np.float32)


def plant(trained: TrainedRun, audio: list[np.ndarray], kinds: list[str], count: int, seconds: float) -> list[Planted]:
    """Mix stretches of files into others: loud ones, at random places."""
    config, draws = trained.config, np.random.default_rng(0)
    hop = config.hop_samples
    frames = 1 + int((seconds * config.sample_rate_hz - config.frame_samples) // hop)
    samples = (frames - 1) * hop + config.frame_samples
    fade = np.minimum(
        1, np.minimum(np.arange(samples), np.arange(samples)[::-1]) / (FADE_SECONDS * config.sample_rate_hz)
    )
    long = [number for number, each in enumerate(audio) if len(each) > samples + hop]
    if len({kinds[number] for number in long}) < 2:
        raise UserError(f"no two files, of two sub-folders, are longer than {seconds:g} s; take shorter stretches")
    planted = []
    while len(planted) < count:
        source, host = draws.choice(long, 2, replace=False).tolist()
        if kinds[source] == kinds[host]:
            continue
        first = int(draws.integers(len(audio[source]) - samples)) // hop
        place = int(draws.integers(len(audio[host]) - samples))
        clean, below = audio[source][first * hop :][:samples], audio[host][place : place + samples]
        if min(rms(clean) / rms(audio[source]), rms(below) / rms(audio[host])) < 0.3:
            continue  # hardly a sound
        mixed = {}
        for level in LEVELS_DB:
            mix = audio[host].copy()
            mix[place : place + samples] += clean * fade * (rms(below) / rms(clean) * 10 ** (level / 20))
            mixed[level] = trained.frame_vectors(log_mel(mix, config))
        vectors = trained.frame_vectors(log_mel(clean, config))
        planted.append(Planted(source, host, place / hop, vectors, mixed))
    return planted


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)) + 1e-12))


def share_found(
    clean: list[np.ndarray],
    kinds: list[str],
    planted: list[Planted],
    level: int,
    segments: int,
    directions: int,
    evenness: float,
) -> tuple[float, float]:
    """Return how many of the planted stretches a variant finds first, and among its first five."""
    space = fit_space(np.concatenate([frames[::8] for frames in clean]), directions, evenness)
    ranks = []
    for one in planted:
        frames = [*clean]
        frames[one.host] = one.mixed[level]
        stretch = describe_stretch(one.stretch, space, segments)
        others = [track for track in range(len(frames)) if kinds[track] != kinds[one.source]]
        read = lambda track, start, stop: frames[track][start:stop]  # noqa: B023, E731
        moments = find(read, others, stretch, Wanted(apart=stretch.frames, top=5), usable_cores()).moments
        near = [m.track == one.host and abs(m.place - one.place) <= stretch.frames / 2 for m in moments]
        ranks.append(near.index(True) if True in near else 5)
    return float(np.mean(np.array(ranks) == 0)), float(np.mean(np.array(ranks) < 5))


def measure_planted(folder: Path, run: Path, most: int, count: int, seconds: float) -> None:
    """Print the table of the variants."""
    trained = open_run(run)
    names = walk_files(folder, is_audio).files
    names = names[:: -(-len(names) // most)] if names else []
    audio = [decode(folder / name, trained.config.sample_rate_hz) for name in names]
    heard = [row for row, each in enumerate(audio) if len(each) >= trained.config.frame_samples and rms(each) > 1e-4]
    audio, names = [audio[row] for row in heard], [names[row] for row in heard]
    kinds = [name.rpartition("/")[0] or name for name in names]
    planted = plant(trained, audio, kinds, count, seconds)
    clean = [trained.frame_vectors(log_mel(each, trained.config)) for each in audio]
    length = len(planted[0].stretch)
    places = sum(max(0, len(frames) - length + 1) for frames in clean)
    print(f"{count} stretches of {seconds:g} s ({length} frames) in {len(clean)} files, {places} places;", end=" ")
    print(f"random: {min(1.0, 5 * (length + 1) / places):.3f} among five")
    print("{:44}".format("first / among the first five, at dB") + "".join(f"{level:>14}" for level in LEVELS_DB))
    for name, variant in VARIANTS.items():
        cells = [share_found(clean, kinds, planted, level, *variant) for level in LEVELS_DB]
        chosen = " *" if variant == (MOST_SEGMENTS, MOST_DIRECTIONS, 0.1) else ""
        print(f"{name + chosen:44}" + "".join(f"{first:7.2f} /{five:5.2f}" for first, five in cells), flush=True)


def build_parser():
    parser = script_parser(__doc__)
    parser.add_argument("--hours", type=positive_float, default=20.0, metavar="H", help="of frame vectors")
    parser.add_argument("--audio", type=Path, metavar="FOLDER", help="mix stretches of these files instead")
    parser.add_argument("--run", type=Path, metavar="RUN", help="with --audio: what makes their frame vectors")
    parser.add_argument("--files", type=positive_int, default=200, metavar="N", help="with --audio: of the folder")
    parser.add_argument("--planted", type=positive_int, default=60, metavar="N", help="stretches that are mixed in")
    parser.add_argument("--seconds", type=positive_float, default=2.0, metavar="S", help="length of each")
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    if (arguments.audio is None) != (arguments.run is None):
        raise UserError("--audio and --run go together: files, and the run that makes frame vectors of them")
    if arguments.audio is None:
        measure_speed(arguments.hours)
    else:
        measure_planted(arguments.audio, arguments.run, arguments.files, arguments.planted, arguments.seconds)
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
