"""Synthesise example_input/: 120 short mono clips of six kinds of sound, and their label table.

    python tests/make_example_input.py

Reads   nothing: every sound is computed from the seed and the tables of example_clips.py, example_notes.py and
        example_sounds.py.
Writes  OUTPUT/<kind>/<album>/<file>.{mp3,wav,flac,ogg,m4a} and, last, OUTPUT/labels.csv. Files of these names
        are replaced, others left alone. The same seed, machine and ffmpeg give the same bytes.
"""

import argparse
import csv
import io
import multiprocessing
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import imageio_ffmpeg
from example_clips import Clip, example_clips
from example_sounds import RATE_HZ, render

CITATION = "Synthesised by tests/make_example_input.py, sound-eval, CC0"
DEFAULT_OUTPUT = Path(__file__).resolve().parent.parent / "example_input"
CODECS = {  # arguments for ffmpeg; what is encoded without loss is large, so it is kept at half the sample rate
    "mp3": "-c:a libmp3lame -f mp3",
    "wav": "-c:a pcm_s16le -ar 22050 -f wav",
    "flac": "-c:a flac -ar 22050 -sample_fmt s16 -f flac",
    "ogg": "-c:a libvorbis -f ogg",
    "m4a": "-c:a aac -f ipod",
}


def write_clip(clip: Clip, output: Path, seed: int) -> int:
    """Encode a clip with ffmpeg beside its name, rename it onto it and return its size in bytes.

    Raises OSError with what ffmpeg said.
    """
    path = output / clip.file
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    source = f"-f f32le -ar {RATE_HZ} -ac 1 -i pipe:0 -map_metadata -1"
    # Without bitexact, the encoders' versions, random stream numbers and the date would be in the bytes.
    exact = "-threads 1 -fflags +bitexact -flags:a +bitexact -b:a 56k"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), *f"-loglevel error -y {source} {exact}".split()]
    if clip.tagged:
        command += ["-metadata", f"title={clip.title}", "-metadata", f"artist={clip.artist}"]
    command += [*CODECS[clip.format].split(), f"file:{part}"]
    try:
        sound = render(clip, seed).tobytes()
        done = subprocess.run(command, input=sound, capture_output=True, timeout=60, check=False)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            raise OSError(f"{path}: ffmpeg exit {done.returncode}: {said}")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path.stat().st_size


def write_labels(path: Path, clips: list[Clip]) -> None:
    """Write the label table beside its name and rename it onto it."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("filename", "genre", "artist", "title", "citation"))
    writer.writerows((clip.file, clip.kind, clip.artist, clip.title, CITATION) for clip in clips)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(table.getvalue().encode())
    part.replace(path)


def build_parser() -> argparse.ArgumentParser:
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("--output", type=Path, default=DEFAULT_OUTPUT, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="of notes and noise (default: %(default)s)")
    return parser


def main(argv: list[str] | None = None) -> int:
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.seed < 0:
        parser.error(f"--seed {args.seed}: must be 0 or more")
    labels = args.output / "labels.csv"
    clips = example_clips()
    try:
        if labels.is_file() and Path(__file__).name.encode() not in labels.read_bytes():
            raise FileExistsError(f"{labels}: not made by this script; choose another --output")
        # spawn: a fork of a process with threads, such as pytest's, may hang
        with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
            sizes_bytes = list(pool.map(partial(write_clip, output=args.output, seed=args.seed), clips))
        write_labels(labels, clips)
    except (OSError, RuntimeError, subprocess.TimeoutExpired) as error:  # RuntimeError: there is no ffmpeg
        print(f"make_example_input.py: {error}", file=sys.stderr)
        return 1
    kinds, artists = {clip.kind for clip in clips}, {clip.artist for clip in clips}
    counts = f"{len(clips)} clips of {len(kinds)} kinds by {len(artists)} artists"
    print(f"{args.output}: {counts}, {sum(sizes_bytes) / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
