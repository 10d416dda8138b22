"""Find the stretches, anywhere in a collection, that sound like one stretch of a track or of any audio file.

    python process_results/find_moments.py RUN --frame-vectors frame_vectors/ --track "a song" --at 1:23-1:30
    python process_results/find_moments.py RUN --frame-vectors frame_vectors/ --audio recorded.wav --cut cuts/ \\
        --audio-folder AUDIO

Reads   RUN, the run folder of spectrogram_doc2vec.py, whose newest weights made the frame vectors; the frame vectors of
        the collection, from a folder that calc_all_vecs.py MEL_FOLDER RUN FOLDER wrote; with --mel-folder, the tracks
        of that folder: vectors that the other one does not have are made on the fly. With --audio that file.
Writes  to stdout a row a moment, most alike first: cosine, start and stop, filename. Moments are as long as the
        stretch; no two overlap, nor does one overlap the stretch itself.
        --cut FOLDER: each as a wav of its own, 03_<base name>_1m23.00s.wav, and cuts.csv, which says from where; what
        an earlier call has cut there is replaced.

A stretch is compared in up to 32 segments, in order. Cosines are of directions from the collection's mean: 1 is the
same sound, 0 is what any two stretches have. Where a sound goes on, as rain does, many moments are near 1. The first
and the last frames of a file have no sound around them: rather than a short clip, give the recording and --at.
"""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))  # where the shared modules lie

import utils  # noqa: F401  first, so that Ctrl-C is one line during the other imports too

# isort: split

import argparse
import json
import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from files import csv_bytes
from judging.cuts import Cut, check_cut_folder, write_cuts
from judging.moments import Found, Looked, Ranking, Stretch, Wanted, describe_stretch, find, fit_space, look_through
from judging.playlists import songs_without_audio
from judging.spans import Span, clock, frames_of, parse_span
from judging.tracks import find_track, track_name
from learning.frame_source import FrameSource, open_frames
from learning.trained import TrainedRun, open_run
from learning.vector_batches import open_on_worker
from mels.batches import until_signal
from mels.mel_folder import MEL_SUFFIX
from mels.on_dask import add_scheduler_argument, run_on_dask
from mels.on_worker import Work
from utils import (
    EXIT_DONE,
    Progress,
    UserError,
    add_quiet_argument,
    command,
    duration,
    plural,
    positive_int,
    printable,
    printable_name,
    script_parser,
    usable_cores,
)

TOP = 20
BATCH_TRACKS = 64  # to a worker of dask at a time
TABLE_HEADER = ("filename", "start_seconds", "stop_seconds", "cosine")
FORMATS = ("table", "csv", "json")

Row = tuple[str, Span, float]  # filename, where, cosine


def read_stretch(
    arguments: argparse.Namespace, trained: TrainedRun, source: FrameSource
) -> tuple[np.ndarray, Span, tuple[int, int] | None]:
    """Return the frames of the stretch that is looked for, where it lies, and as what track and frame of the source."""
    config = trained.config
    hop, frame = config.hop_samples / config.sample_rate_hz, config.frame_samples / config.sample_rate_hz
    track = None
    if arguments.audio is not None:
        from mels.one_file import mel_of_file

        frames, whose = trained.frame_vectors(mel_of_file(arguments.audio, config)), str(arguments.audio)
    else:
        track = find_track(source.names, arguments.track)
        whose = track_name(source.names[track])
        try:
            frames = source.read(track)
        except (OSError, ValueError) as error:
            raise UserError(f"{printable_name(whose)}: its frames cannot be read ({error}); make them anew") from None
    span = arguments.at or Span(0.0, max(0, len(frames) - 1) * hop + frame)
    try:
        first, count = frames_of(span, len(frames), hop, frame)
    except ValueError as error:
        raise UserError(f"--at: {printable_name(whose)}: {error}") from None
    return frames[first : first + count], span, None if track is None else (track, first)


Place = tuple[int, str, Path | None]  # a track, its name, and the file of its frame vectors where there is one


def look_on_worker(
    batch: list[Place],
    _require_lock: object,
    run_folder: Path,
    digest: str,
    mel_folder: Path | None,
    stretch: Stretch,
    wanted: Wanted,
) -> tuple[list[Looked], list[str]]:
    """Look through tracks in a worker of dask; return what is found, and which files it cannot read."""
    from threadpoolctl import threadpool_limits

    names = {track: name for track, name, _ in batch}
    files = {name: path for _, name, path in batch if path is not None}
    source = FrameSource(open_on_worker(run_folder, digest), names, files, mel_folder)
    with threadpool_limits(1, "blas"):
        looked = [look_through(source.read, track, stretch, wanted) for track in names]
    paths = [files.get(names[each.track]) or mel_folder / names[each.track] for each in looked if each.trouble]
    return looked, [os.fspath(path) for path in paths if not os.access(path, os.R_OK)]


def find_on_dask(
    arguments: argparse.Namespace,
    trained: TrainedRun,
    source: FrameSource,
    tracks: Sequence[int],
    stretch: Stretch,
    wanted: Wanted,
    progress: Progress,
) -> Found:
    """As `find`, by the workers of a dask scheduler, which make the frame vectors that are not there."""
    folders = [each and each.absolute() for each in (arguments.mel_folder, trained.folder, arguments.frame_vectors)]
    shared = (folders[1], trained.song_digest(), folders[0], stretch, wanted)
    paths = tuple(os.fspath(folder) for folder in folders if folder is not None)
    work = Work("process_results.find_moments:look_on_worker", shared, paths)

    def place(track: int) -> Place:
        path = source.file_of(track)
        return track, source.names[track], path and path.absolute()

    batches = (list(map(place, tracks[start : start + BATCH_TRACKS])) for start in range(0, len(tracks), BATCH_TRACKS))
    ranking = Ranking(wanted.top)
    results = run_on_dask(
        arguments.scheduler, None, work, batches, lambda place, why: [Looked(place[0], trouble=why)], ("tensorflow",)
    )
    for looked in until_signal(results):
        for each in looked:
            ranking.add(each)
        progress.advance(len(looked))
    return ranking.found()


def search(
    arguments: argparse.Namespace,
    trained: TrainedRun,
    source: FrameSource,
    stretch: Stretch,
    apart: int,
    itself: tuple[int, int] | None,
) -> Found:
    """Look through all tracks, or the one of --within."""
    tracks = range(len(source.names))
    if arguments.within is not None:
        tracks = [find_track(source.names, arguments.within)]
    top = arguments.top or (math.inf if arguments.at_least is not None else TOP)
    at_least = -1.0 if arguments.at_least is None else arguments.at_least
    wanted = Wanted(apart, top, at_least, arguments.max_per_track or math.inf, itself)
    progress = Progress(len(tracks), "moments", "tracks", arguments.quiet)
    try:
        if arguments.scheduler:
            found = find_on_dask(arguments, trained, source, tracks, stretch, wanted, progress)
        else:
            found = find(source.read, tracks, stretch, wanted, usable_cores(), progress.advance)
    finally:
        progress.close()
    if not found.tracks:
        what = (
            f"e.g. {printable_name(source.names[found.skipped[0][0]])}: {found.skipped[0][1]}" if found.skipped else ""
        )
        why = f"{found.short:,} shorter than the stretch, {len(found.skipped):,} not readable {what}".rstrip()
        raise UserError(f"no track to look in: {why}; take a shorter stretch, or other tracks")
    return found


def rows_text(rows: list[Row], form: str) -> bytes:
    """Return the moments as a table for people, as CSV or as JSON."""
    if form == "csv":
        return csv_bytes(
            TABLE_HEADER, [(name, f"{a:.3f}", f"{b:.3f}", f"{cosine:.4f}") for name, (a, b), cosine in rows]
        )
    if form == "json":
        values = [(name, round(a, 3), round(b, 3), round(cosine, 4)) for name, (a, b), cosine in rows]
        return (json.dumps([dict(zip(TABLE_HEADER, each, strict=True)) for each in values], indent=1) + "\n").encode()
    times = [(clock(span.start), clock(span.stop)) for _, span, _ in rows]
    width = max([5, *(len(text) for pair in times for text in pair)])
    lines = [f"{'rank':>4}  {'cosine':>6}  {'start':>{width}}  {'stop':>{width}}  filename"]
    for rank, ((name, _, cosine), (start, stop)) in enumerate(zip(rows, times, strict=True), start=1):
        lines.append(f"{rank:4}  {cosine:6.3f}  {start:>{width}}  {stop:>{width}}  {printable_name(name)}")
    return "".join(f"{line}\n" for line in lines).encode(errors="backslashreplace")


def cut_moments(rows: list[Row], folder: Path, audio_folder: Path) -> str:
    """Write each moment as a file of its own; return what was done, in words."""
    names = sorted({name + MEL_SUFFIX for name, _, _ in rows})
    missing = songs_without_audio(audio_folder, names) if rows else set()
    cuts = [Cut(name, span) for name, span, _ in rows if name + MEL_SUFFIX not in missing]
    failures = write_cuts(folder, audio_folder, cuts)
    lines = [f"{folder}: {plural(len(cuts) - len(failures), 'cut')}, where from is in cuts.csv"]
    if missing:
        lines.append(f"{plural(len(missing), 'track')} not in {audio_folder}, so not cut")
    if failures:
        lines.append(f"{plural(len(failures), 'moment')} could not be cut, e.g. {failures[0]}")
    return "; ".join(lines)


def summary(found: Found, source: FrameSource, seconds: float, hop_seconds: float) -> str:
    """Return what was found in how much, and what was left out."""
    where = len({moment.track for moment in found.moments})
    heard = f"{plural(found.tracks, 'track')} ({duration(found.frames * hop_seconds)}) in {seconds:.1f} s"
    lines = [f"{plural(len(found.moments), 'moment')} in {plural(where, 'track')}; looked through {heard}"]
    if found.short:
        lines.append(f"{plural(found.short, 'track')} shorter than the stretch")
    if found.skipped:
        track, why = found.skipped[0]
        name = printable_name(source.names[track])
        lines.append(f"{plural(len(found.skipped), 'track')} could not be read, e.g. {name}: {why}")
    if source.from_mels:
        lines.append(
            f"frame vectors of {plural(source.from_mels, 'track')} made on the fly; calc_all_vecs.py keeps them"
        )
    return "\n".join(lines)


def at_type(text: str) -> Span:
    try:
        return parse_span(text)
    except ValueError as error:
        raise UserError(f"--at {error}") from None


def build_parser() -> argparse.ArgumentParser:
    parser = script_parser(__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder of spectrogram_doc2vec.py")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--track", metavar="NAME", help="track of the stretch: its name, or a part that no other has")
    what.add_argument("--audio", type=Path, metavar="FILE", help="any audio file, of which --at is a stretch")
    at = "the stretch: 1:23-1:30, or seconds, 83-90 (default: of --audio, the whole file)"
    parser.add_argument("--at", type=at_type, metavar="START-STOP", help=at)
    parser.add_argument("--frame-vectors", type=Path, metavar="FOLDER", help="what calc_all_vecs.py wrote")
    parser.add_argument("--mel-folder", type=Path, metavar="FOLDER", help="look in these; vectors on the fly")
    parser.add_argument("--within", metavar="NAME", help="look in this track only")
    top = f"so many moments at most (default: {TOP}; all, with --at-least)"
    parser.add_argument("--top", type=positive_int, metavar="N", help=top)
    parser.add_argument("--at-least", type=float, metavar="COSINE", help="only moments as alike as this")
    parser.add_argument("--max-per-track", type=positive_int, metavar="N", help="so many of one track at most")
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0], help="of what is printed")
    parser.add_argument("--cut", type=Path, metavar="FOLDER", help="write each moment as a wav; needs --audio-folder")
    parser.add_argument("--audio-folder", type=Path, metavar="FOLDER", help="the audio files of the mel folder")
    add_scheduler_argument(parser)
    add_quiet_argument(parser)
    return parser


def check(arguments: argparse.Namespace) -> None:
    """Raise UserError where flags do not fit each other."""
    if arguments.track is not None and arguments.at is None:
        raise UserError("--track needs a stretch of it: --at START-STOP, as --at 1:23-1:30")
    if arguments.at_least is not None and not -1 <= arguments.at_least <= 1:
        raise UserError(f"--at-least {arguments.at_least}: a cosine lies between -1 and 1")
    if arguments.cut is not None:
        if arguments.audio_folder is None:
            raise UserError("--cut needs the audio files: --audio-folder FOLDER")
        if not arguments.audio_folder.is_dir():
            raise UserError(f"{arguments.audio_folder}: no such folder; name the audio folder of the mels")
        check_cut_folder(arguments.cut)


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    check(arguments)
    trained = open_run(arguments.run)
    source = open_frames(trained, arguments.frame_vectors, arguments.mel_folder)
    frames, span, itself = read_stretch(arguments, trained, source)
    hop_seconds = trained.config.hop_samples / trained.config.sample_rate_hz
    stretch = describe_stretch(frames, fit_space(source.sample()))
    started = time.monotonic()
    found = search(arguments, trained, source, stretch, math.ceil(span.seconds / hop_seconds - 1e-6), itself)
    taken = time.monotonic() - started
    rows: list[Row] = []
    for track, place, cosine in found.moments:
        start = place * hop_seconds
        rows.append((track_name(source.names[track]), Span(start, start + span.seconds), cosine))
    sys.stdout.flush()
    sys.stdout.buffer.write(rows_text(rows, arguments.format))
    sys.stdout.buffer.flush()
    print(printable(summary(found, source, taken, hop_seconds)), file=sys.stderr)
    if arguments.cut is not None:
        print(printable(cut_moments(rows, arguments.cut, arguments.audio_folder)), file=sys.stderr)
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
