"""Measure find_duplicates.py: precision and recall of pairs by kind of change, and the seconds of many tracks.

    python tests/benchmarks/duplicates.py AUDIO_FOLDER SCRATCH
    python tests/benchmarks/duplicates.py --tracks 100000 --frames 600

Reads   AUDIO_FOLDER, clips of which no two should be the same recording.
Writes  SCRATCH: audio/CLIP/KIND.ext, each clip as it is and changed by ffmpeg (other bitrates and formats, a gain of 6
        to 12 dB either way, silence trimmed, silence added, two cuts of 50 to 80 %), then mels/, run/ and
        duplicates.csv by the scripts as a user calls them. What is there already is not made again.

A right pair are two files of one clip in one group. Recall of a kind is of the pairs of it and the clip as it is;
precision of all pairs in groups of which one file is of the kind. Thresholds were chosen on every eighth clip (and on
others' pairs of different recordings), so these are counted apart from the rest. "by vectors", "by spectra" and "by
both" are how much of the recall the neighbours alone allow, by way of other files of the clip too. Pairs of different
clips that are in one group are listed: listen to them, two clips may be one recording after all.

With --tracks nothing is read: so many vectors around random directions, and random mels with a copy of every hundredth,
are searched and proved in this process. Prints seconds, of the clock and of the processor. Nothing is asserted.
"""

from __future__ import annotations

import csv
import itertools
import os
import subprocess
import sys
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the shared modules lie in the repository root

from config import DEFAULT_CONFIG, shipped_config
from judging.duplicates import Prover, group_files, near_pairs
from judging.tracks import track_name
from mels.decoding import find_decoders
from mels.file_ends import header_seconds
from mels.mel_folder import read_audio_half, read_mel
from process_results.find_duplicates import LEAST_COSINE, NEIGHBOURS
from runs.vectors import read_song_vectors
from utils import EXIT_DONE, ROOT, UserError, command, positive_float, positive_int, script_parser

TRIM = "silenceremove=start_periods=1:start_threshold=-50dB,areverse"
ORIGINAL = "original"
CHOSEN_EVERY = 8
AUDIO = (".wav", ".mp3", ".ogg", ".flac", ".m4a")
HOP_SECONDS = 0.1  # of the mels of --tracks


def changes(seconds: float, draws: np.random.Generator) -> dict[str, tuple[list[str], list[str]]]:
    """Return the files to make of a clip: name -> (ffmpeg's options before the input, those behind it)."""
    share = draws.uniform(0.5, 0.8)
    start = draws.uniform(0, 1 - share) * seconds
    gain, silence = draws.uniform(6, 12) * draws.choice([-1, 1]), draws.uniform(200, 1000)
    length = ["-t", f"{share * seconds:.4f}"]
    return {
        "mp3 64.mp3": ([], ["-b:a", "64k"]),
        "mp3 128.mp3": ([], ["-b:a", "128k"]),
        "mp3 320.mp3": ([], ["-b:a", "320k"]),
        "ogg.ogg": ([], ["-c:a", "libvorbis", "-q:a", "3"]),
        "m4a.m4a": ([], ["-b:a", "96k"]),
        "gain.flac": ([], ["-af", f"volume={gain:.2f}dB"]),
        "pad.mp3": ([], ["-af", f"adelay={silence:.1f}:all=1,apad=pad_dur=0.5", "-b:a", "128k"]),
        "trim.flac": ([], ["-af", f"{TRIM},{TRIM}"]),
        "cut.flac": (["-ss", f"{start:.4f}", *length], []),
        "cut mp3.mp3": (["-ss", f"{start / 2:.4f}", *length], ["-b:a", "96k"]),
    }


def make_changes(clip: Path, folder: Path, ffmpeg: str) -> None:
    """Write a clip and all that is made of it into a folder of its own, where it is not there."""
    original = folder / f"{ORIGINAL}{clip.suffix}"
    if original.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    draws = np.random.default_rng(zlib.crc32(os.fsencode(folder.name)))
    for name, (before, behind) in changes(header_seconds(str(clip)) or 5.0, draws).items():
        argv = [ffmpeg, "-v", "error", "-y", "-threads", "1", *before, "-i", f"file:{clip}", "-map", "0:a", "-vn"]
        out = [*behind, "-map_metadata", "-1", f"file:{folder / name}"]
        done = subprocess.run([*argv, *out], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if done.returncode:  # e.g. a cut behind the last sample, where the header says more than there is
            (folder / name).unlink(missing_ok=True)
    original.write_bytes(clip.read_bytes())


def run_script(*argv: object) -> float:
    """Run a script of ours; return its seconds."""
    started = time.monotonic()
    if subprocess.run([sys.executable, ROOT / argv[0], *map(str, argv[1:]), "--quiet"]).returncode:
        raise UserError(f"{argv[0]}: failed, see above")
    return time.monotonic() - started


def clip_and_kind(name: str) -> tuple[str, str]:
    clip, _, file = track_name(name).rpartition("/")
    return clip, file.rpartition(".")[0]


def read_groups(path: Path) -> list[list[str]]:
    groups = defaultdict(list)
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        for row in csv.DictReader(file):
            groups[row["group"]].append(row["filename"])
    return list(groups.values())


def pairs_by_kind(groups: Iterable[Iterable[str]]) -> tuple[Counter, Counter, Counter]:
    """Return (clip, kind) -> right pairs, and all pairs, of the kind; and the pairs of clips that are in one group."""
    right, every, wrong = Counter(), Counter(), Counter()
    for group in groups:
        for (clip, kind), (other, other_kind) in itertools.combinations(map(clip_and_kind, group), 2):
            for key in {(clip, kind), (other, other_kind)}:
                every[key] += 1
                right[key] += clip == other
            if clip != other:
                wrong[tuple(sorted((clip, other)))] += 1
    return right, every, wrong


def reach(names: list[str], pairs: np.ndarray) -> set[tuple[str, str]]:
    """Return the (clip, kind) that candidate pairs join with the clip as it is, directly or over others of the clip."""
    near = defaultdict(set)
    for one, other in pairs.tolist():
        (clip, kind), (other_clip, other_kind) = clip_and_kind(names[one]), clip_and_kind(names[other])
        if clip == other_clip:
            near[clip, kind].add((clip, other_kind))
            near[clip, other_kind].add((clip, kind))
    reached = set()
    for clip in {clip for clip, _ in near}:
        seen, queue = {(clip, ORIGINAL)}, [(clip, ORIGINAL)]
        for key in queue:
            more = near[key] - seen
            seen |= more
            queue += sorted(more)
        reached |= seen
    return reached


def report(names: list[str], groups: list[list[str]], candidates: dict[str, np.ndarray], chosen: set[str]) -> None:
    """Print the tables.

    candidates  way of finding them -> pairs (pairs, 2) rows of names.
    chosen      the clips that thresholds were chosen on.
    """
    right, every, wrong = pairs_by_kind(groups)
    group_of = {clip_and_kind(name): number for number, group in enumerate(groups) for name in group}
    keys = {clip_and_kind(name) for name in names}
    keys = {(clip, kind) for clip, kind in keys if (clip, ORIGINAL) in keys and kind != ORIGINAL}
    reached = [reach(names, pairs) for pairs in candidates.values()]
    for what, is_part in (("chosen on", chosen.__contains__), ("held out", lambda clip: clip not in chosen)):
        print(f"{what:<12}{'files':>7}{'precision':>11}{'recall':>9}" + "".join(f"{way:>13}" for way in candidates))
        for kind in [*sorted({kind for _, kind in keys}), "all"]:
            of_kind = [key for key in keys if kind in (key[1], "all") and is_part(key[0])]
            found = sum(group_of.get(key, -1) == group_of.get((key[0], ORIGINAL), -2) for key in of_kind)
            precision = sum(right[key] for key in of_kind) / max(1, sum(every[key] for key in of_kind))
            shares = [found, *(len(way.intersection(of_kind)) for way in reached)]
            line = "".join(f"{share / max(1, len(of_kind)):>{13 if i else 9}.3f}" for i, share in enumerate(shares))
            print(f"{kind:<12}{len(of_kind):>7}{precision:>11.4f}{line}")
    for (one, other), count in wrong.most_common():
        print(f"in one group, {count} pairs of files: {one} and {other}")


def measure(audio: Path, scratch: Path, config: Path | None, minutes: float, workers: int) -> None:
    clips = sorted(path for path in audio.rglob("*") if path.suffix.lower() in AUDIO)
    if not clips:
        raise UserError(f"{audio}: no audio file; name a folder of clips")
    names = [str(clip.relative_to(audio)) for clip in clips]
    ffmpeg = find_decoders(shipped_config(DEFAULT_CONFIG)).ffmpeg
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda name: make_changes(audio / name, scratch / "audio" / name, ffmpeg), names))
    run_script("spectrify_all.py", scratch / "audio", scratch / "mels", *(["--config", config] if config else []))
    if not (scratch / "run" / "epoc_num.txt").exists():
        run_script("spectrogram_doc2vec.py", scratch / "mels", scratch / "run", "--max-minutes", minutes)
    table = scratch / "duplicates.csv"
    flags = ("--mel-folder", scratch / "mels", "--output", table)
    seconds = run_script("process_results/find_duplicates.py", scratch / "run", *flags)
    print(f"find_duplicates.py: {seconds:.1f} s by the clock")
    run = read_song_vectors(scratch / "run")
    hop = float(read_audio_half(scratch / "mels")["hop_seconds"])
    prover = Prover(lambda track: read_mel(scratch / "mels" / run.names[track]), len(run.names), hop)
    by_vectors, by_spectra = near_pairs(run.vectors, NEIGHBOURS, LEAST_COSINE), prover.near_pairs(NEIGHBOURS)
    both = np.concatenate([by_vectors, by_spectra])
    candidates = {"by vectors": by_vectors, "by spectra": by_spectra, "by both": both}
    report(run.names, read_groups(table), candidates, set(names[::CHOSEN_EVERY]))


def measure_many(tracks: int, frames: int, dims: int) -> None:
    """Search and prove among vectors in clusters of a hundred, so that all neighbours are above the least cosine."""
    draws = np.random.default_rng(0)
    centres = draws.standard_normal((max(1, tracks // 100), dims), np.float32)
    vectors = centres[np.arange(tracks) % len(centres)] + 0.4 * draws.standard_normal((tracks, dims), np.float32)
    copies = np.arange(0, tracks - 1, 100)
    vectors[copies + 1] = vectors[copies]
    copied = set((copies + 1).tolist())

    def read(track: int) -> np.ndarray:
        seed = track - 1 if track in copied else track
        return np.random.default_rng(seed).standard_normal((frames, 80), np.float32).astype(np.float16)

    def clocked(what: str, work, *arguments):
        started, cpu = time.monotonic(), time.process_time()
        found = work(*arguments)
        print(f"{what:<12}{time.monotonic() - started:>9.1f} s{time.process_time() - cpu:>9.1f} s CPU", flush=True)
        return found

    by_vectors = clocked("by vectors", near_pairs, vectors, NEIGHBOURS, LEAST_COSINE)
    prover = clocked("mels", Prover, read, tracks, HOP_SECONDS)
    by_spectra = clocked("by spectra", prover.near_pairs, NEIGHBOURS)
    pairs = np.unique(np.concatenate([by_vectors, by_spectra]), axis=0)
    matches = clocked("proof", prover.prove, pairs)
    lengths = np.full(tracks, frames * HOP_SECONDS)
    groups = clocked("groups", group_files, matches, lengths, lengths)
    looked = f"{len(pairs):,} pairs, {prover.aligned:,} of them closely"
    print(f"{tracks:,} tracks of {frames} frames, {looked}, {len(groups):,} groups of {len(copies):,} planted")


def build_parser():
    parser = script_parser(__doc__)
    parser.add_argument("audio_folder", type=Path, nargs="?", metavar="AUDIO_FOLDER")
    parser.add_argument("scratch", type=Path, nargs="?", metavar="SCRATCH")
    parser.add_argument("--config", type=Path, metavar="F", help="of the mels (default: what suits the audio)")
    parser.add_argument("--minutes", type=positive_float, default=0.5, metavar="X", help="of training")
    parser.add_argument("--workers", type=positive_int, default=2, metavar="N", help="ffmpegs at a time")
    parser.add_argument("--tracks", type=positive_int, metavar="N", help="measure seconds of so many made-up tracks")
    parser.add_argument("--frames", type=positive_int, default=600, metavar="N", help="of each of --tracks")
    parser.add_argument("--dims", type=positive_int, default=80, metavar="N", help="of the vectors of --tracks")
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    if arguments.tracks:
        measure_many(arguments.tracks, arguments.frames, arguments.dims)
    elif arguments.scratch is None:
        raise UserError("name AUDIO_FOLDER and SCRATCH, or --tracks")
    else:
        measure(arguments.audio_folder, arguments.scratch, arguments.config, arguments.minutes, arguments.workers)
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
