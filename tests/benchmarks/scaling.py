"""Measure how each stage grows: its rate a core with one and two processes, and what 1,000 to 1,000,000 songs cost.

    python tests/benchmarks/scaling.py FOLDER --tracks 1000 10000 100000 1000000

FOLDER is that of million.py. First audio to mels, of --songs synthetic ones of 4 minutes (mp3, 128 kbit/s), by one and
by two processes. Then, for each number of tracks, CPU seconds (of all cores: what a busy machine adds to the clock is
not in them) and peak memory: of spectrify_all.py with nothing to do, of training (a minute of it: pairs a second, which
should not depend on the songs, and all else that the run takes), of the readers. Fits say how a stage grows. 1,000,000
tracks take half an hour on two idle cores, and 10 GB of disk. Asserts nothing.
"""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # million.py
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the shared modules lie in the repository root

from million import MELS, READERS, Measured, make, measure

from utils import EXIT_DONE, command, positive_int, script_parser

SONG_SECONDS = 240
STAGES = {
    "spectrify, nothing to do": ("mels", MELS["spectrify"]),
    "training": ("mels", "spectrogram_doc2vec.py|{}/mels|{}/trained|--max-minutes|1|--quiet"),
    "find_similar": ("run", READERS["find_similar"]),
    "sphere_kmeans": ("run", READERS["sphere_kmeans"]),
    "export npz": ("run", READERS["export npz"]),
}


def make_songs(folder: Path, songs: int) -> None:
    """Write songs of filtered noise that swells and fades, as mp3."""
    from mels.decoding import find_ffmpeg

    folder.mkdir()
    for song in range(songs):
        noise = f"anoisesrc=d={SONG_SECONDS}:c=pink:seed={song}:r=44100"
        noise += f",tremolo=f={0.5 + song % 7}:d=0.9,aformat=channel_layouts=stereo"
        output = [*"-c:a libmp3lame -b:a 128k -y".split(), str(folder / f"{song}.mp3")]
        subprocess.run([find_ffmpeg(), *"-v error -f lavfi -i".split(), noise, *output], check=True)


def measure_map_stage(songs: int) -> None:
    """Print how many songs a second one and two processes make mels of."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_songs(folder / "audio", songs)
        read = sum(path.stat().st_size for path in (folder / "audio").iterdir()) / songs
        for jobs in (1, 2):
            calls = ["spectrify_all.py", str(folder / "audio"), str(folder / "mels"), "--jobs", str(jobs), "--quiet"]
            one = measure(calls, folder / "log")
            written = sum(path.stat().st_size for path in (folder / "mels").glob("*.npy")) / songs
            cpu = one.cpu / songs
            rate = f"{songs / one.seconds:.2f} songs a second, {cpu:.2f} CPU seconds each"
            real_time, bytes_ = SONG_SECONDS / cpu, f"{read / 1e6:.2f} MB read, {written / 1e6:.2f} MB written"
            print(f"audio to mels, {jobs} at a time: {rate} ({real_time:.0f} times real time a core), {bytes_}")
            shutil.rmtree(folder / "mels")


def trained(run: Path, cpu: float) -> str:
    """Return how many positive pairs a run was trained on, a second of its steps and a CPU second of all it did."""
    if not (run / "cost_list.csv").exists():
        return "  no save"
    with open(run / "cost_list.csv", newline="") as file:
        last = list(csv.DictReader(file))[-1]
    pairs, seconds = int(last["pairs"]), float(last["seconds"])
    return f"  {pairs:,} pairs, {pairs / max(seconds, 1e-9):,.0f} a second, {pairs / cpu:,.0f} a CPU second"


def print_growth(name: str, tracks: Sequence[int], found: Sequence[Measured]) -> None:
    """Print how CPU seconds grow beyond those of the start, and memory beside."""
    import numpy as np

    start = found[0].cpu
    more = [max(one.cpu - start, 1e-3) for one in found[1:]]
    power, factor = np.polyfit(np.log(tracks[1:]), np.log(more), 1)
    slope, least = np.polyfit(tracks, [one.megabytes for one in found], 1)
    cpu = f"{start:.1f} + {np.exp(factor):.2g} * tracks ** {power:.2f} CPU seconds"
    print(f"{name:26}{cpu}; {least:,.0f} MB + {1000 * slope:.2f} kB a track")


def build_parser():
    parser = script_parser(__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--tracks", type=positive_int, nargs="+", default=[1000, 10_000, 100_000], metavar="N")
    parser.add_argument("--songs", type=positive_int, default=24, metavar="N", help="that are made and decoded")
    parser.add_argument("--only", nargs="+", choices=[*STAGES], default=[*STAGES], metavar="STAGE")
    parser.add_argument("--dims", type=positive_int, default=80, metavar="N")
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    measure_map_stage(arguments.songs)
    found: dict[str, list[Measured]] = {name: [] for name in arguments.only}
    print(f"{'tracks':>10} {'':26}{'seconds':>9}{'CPU':>9}{'peak MB':>9}{'exit':>6}")
    for tracks in arguments.tracks:
        folder = arguments.folder.absolute() / str(tracks)
        for name in arguments.only:
            what, call = STAGES[name]
            make(folder, tracks, arguments.dims, what)
            if name == "training" and (folder / "trained").exists():
                shutil.rmtree(folder / "trained")
            one = measure(call.replace("{}", str(folder)).split("|"), folder / f"{name.replace(' ', '_')}.log")
            found[name].append(one)
            line = f"{one.seconds:>9.1f}{one.cpu:>9.1f}{one.megabytes:>9,.0f}{one.code:>6}"
            rate = trained(folder / "trained", one.cpu) if name == "training" else ""
            print(f"{tracks:>10,} {name:26}{line}{rate}", flush=True)
    if len(arguments.tracks) > 2:
        for name, runs in found.items():
            print_growth(name, arguments.tracks, runs)
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
