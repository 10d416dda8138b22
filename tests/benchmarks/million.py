"""Measure what very many tracks cost: seconds and peak memory of every reader of vectors, and of mel folders.

    python tests/benchmarks/million.py FOLDER --tracks 100000 300000 1000000
    python tests/benchmarks/million.py FOLDER --tracks 1000000 --only spectrify listing

Makes FOLDER/TRACKS/ once: a run of synthetic clustered vectors with names and a label table of the usual length; where
it is needed an audio folder and a mel folder too, whose files have the size that the ledger says and no content (two
files a track: 1,000,000 tracks take ten minutes and 8 GB). Each script runs alone in a process of its own. Peak memory
is the most that was resident, pages of mapped files included. From three numbers of tracks and more a straight line is
fitted, and says what 10,000,000 would take. Asserts nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the shared modules lie in the repository root

from utils import EXIT_DONE, command, positive_int, script_parser

ROOT = Path(__file__).resolve().parents[2]
MODELLED = 10_000_000
SEED_TRACK = "A track of some length 0000042"

# name -> the command, {} standing for FOLDER/TRACKS
READERS = {
    "find_similar": "process_results/find_similar.py|{}/run|--track|" + SEED_TRACK,
    "find_similar --within": "process_results/find_similar.py|{}/run|--track|" + SEED_TRACK
    + "|--labels|{}/labels.csv|--within|genre=kind 3|--show|artist",
    "find_similar --path": "process_results/find_similar.py|{}/run|--top|12|--path|" + SEED_TRACK + "|length 0000977",
    "sphere_kmeans": "process_results/sphere_kmeans.py|{}/run|{}/labels.csv|--label-column|genre|--output|{}/plot.png",
    "sphere_kmeans 2-12": "process_results/sphere_kmeans.py|{}/run|{}/labels.csv|--label-column|genre"
    "|--output|{}/plot.png|--clusters|2-12",
    "export csv": "process_results/export_vectors.py|{}/run|--format|csv|--output|{}/export.csv|--overwrite",
    "export npz": "process_results/export_vectors.py|{}/run|--format|npz|--output|{}/export.npz|--overwrite",
    "export npz --labels": "process_results/export_vectors.py|{}/run|--format|npz|--output|{}/export.npz|--overwrite"
    "|--labels|{}/labels.csv",
    "page": "static_web_viewer/display_vector_data.py|{}/run|{}|{}/page|--audio|none|--labels|{}/labels.csv",
}  # fmt: skip
MELS = {
    "spectrify": "spectrify_all.py|{}/audio|{}/mels",
    "listing": "-c|from pathlib import Path; from mels.mel_folder import list_mels; list_mels(Path('{}/mels'))",
}


class Measured(NamedTuple):
    seconds: float
    cpu: float
    megabytes: float
    code: int


def measure(arguments: Sequence[str], log: Path) -> Measured:
    """Run Python with arguments from the repository root; its output goes to a file."""
    started = time.monotonic()
    with open(log, "wb") as file:
        process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdout=file, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds, cpu = time.monotonic() - started, usage.ru_utime + usage.ru_stime
    return Measured(seconds, cpu, usage.ru_maxrss * 1024 / 1e6, process.returncode)


def make(folder: Path, tracks: int, dims: int, what: str) -> None:
    """Make a part of the folder where it is not there, in another process: what we hold is counted to our children."""
    if not (folder / what).exists():
        folder.mkdir(parents=True, exist_ok=True)
        call = f"make_run(folder, {tracks}, {dims})" if what == "run" else f"make_mels(folder, {tracks})"
        here = str(Path(__file__).resolve().parent)
        code = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {here!r}]\nfrom pathlib import Path\n"
        code += f"from million_folders import make_mels, make_run\nfolder = Path({str(folder)!r})\n{call}"
        subprocess.run([sys.executable, "-c", code], check=True)


def print_fit(name: str, tracks: Sequence[int], values: Sequence[float], unit: str) -> None:
    """Print the straight line through some numbers, and what it says of 10,000,000 tracks."""
    import numpy as np

    slope, start = np.polyfit(tracks, values, 1)
    off = max(abs(start + slope * n - value) / value for n, value in zip(tracks, values, strict=True))
    line = f"{start:9,.0f} + {1e6 * slope:9,.1f} a million tracks, off by {100 * off:3.0f}% at most"
    print(f"{name:24} {unit:3} {line}; of {MODELLED:,}: {start + slope * MODELLED:,.0f}", flush=True)


def build_parser():
    parser = script_parser(__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--tracks", type=positive_int, nargs="+", default=[100_000], metavar="N")
    parser.add_argument("--dims", type=positive_int, default=80, metavar="N")
    parser.add_argument("--only", nargs="+", choices=[*READERS, *MELS], default=[*READERS], metavar="NAME")
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    found: dict[str, list[Measured]] = {name: [] for name in arguments.only}
    print(f"{'tracks':>10} {'':24}{'seconds':>9}{'CPU':>9}{'peak MB':>9}{'exit':>6}")
    for tracks in arguments.tracks:
        folder = arguments.folder.absolute() / str(tracks)
        for name in arguments.only:
            make(folder, tracks, arguments.dims, "mels" if name in MELS else "run")
            call = (READERS | MELS)[name].replace("{}", str(folder)).split("|")
            one = measure(call, folder / f"{name.replace(' ', '_')}.log")
            found[name].append(one)
            line = f"{one.seconds:>9.1f}{one.cpu:>9.1f}{one.megabytes:>9,.0f}{one.code:>6}"
            print(f"{tracks:>10,} {name:24}{line}", flush=True)
        vectors = folder / "run" / "vector_at_1.npy"
        if vectors.exists():
            print(f"{tracks:>10,} {'(the vectors on disk)':24}{'':18}{vectors.stat().st_size / 1e6:>9,.0f}")
    if len(arguments.tracks) > 2:
        for name, runs in found.items():
            print_fit(name, arguments.tracks, [one.megabytes for one in runs], "MB")
            print_fit(name, arguments.tracks, [one.cpu for one in runs], "CPU")
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
