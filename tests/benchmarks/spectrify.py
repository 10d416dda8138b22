"""Measure spectrify_all.py against plain decoding by ffmpeg, and against librosa in a pool of processes.

    python tests/benchmarks/spectrify.py --files 200 --rounds 3

Makes its own one-minute 44.1 kHz stereo mp3s, 20 of them different and the others links to those, and then measures in
turn, as often as there are rounds:

naive      xargs with as many processes as cores, one FFMPEG a file, to mono at 16 kHz, the samples thrown away;
           FFMPEG is the very binary that spectrify_all.py uses
system     the same with the distribution's ffmpeg, where there is another one
spectrify  python spectrify_all.py, the whole of it, into a new folder
librosa    librosa.load and librosa.feature.melspectrogram in a pool of as many processes, where librosa is installed
again      python spectrify_all.py a second time, where nothing is new; and so for many tiny files (--tiny)

Prints the medians, their ratios, the speed of the mel stage alone and the machine. Nothing is asserted.
"""

from __future__ import annotations

import csv
import dataclasses
import importlib.util
import io
import math
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# The mel stage alone is measured as it runs in a worker, on one thread. Read when numpy comes; not for the commands.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
import numpy as np

del os.environ["OPENBLAS_NUM_THREADS"]
import soundfile

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the shared modules lie in the repository root

from config import DEFAULT_CONFIG, build_config, read_config_file
from files import atomic_write, write_file
from mels.decoding import find_decoders
from mels.log_mel import MelFramer
from mels.mel_folder import LEDGER_NAME, read_ledger, write_ledger
from utils import EXIT_DONE, ROOT, UserError, command, positive_int, script_parser

RATE_HZ = 44100
BIT_RATE = "192k"
TINY_SECONDS = 0.3
SPECTRIFY = ROOT / "spectrify_all.py"
LEAST_MEL_SECONDS = 3.0  # how long the mel stage alone is measured

# What the issue allows a second run where nothing is new
ALLOWED_SECONDS, ALLOWED_SECONDS_PER_FILE = 2.0, 50e-6

LIBROSA_POOL = """
import os, sys
os.environ |= dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"], "1")
import multiprocessing
from pathlib import Path
import librosa, numpy as np

def work(path):
    samples, rate = librosa.load(path, sr=16000, mono=True)
    mel = librosa.feature.melspectrogram(
        y=samples, sr=rate, n_fft=2048, hop_length=1600, n_mels=80, fmin=80, fmax=7600, power=1, center=False, htk=True
    )
    return np.log(mel.T + 1e-6).astype(np.float16).shape

if __name__ == "__main__":
    with multiprocessing.Pool(int(sys.argv[2])) as pool:
        for _ in pool.imap_unordered(work, sorted(Path(sys.argv[1]).rglob("*.mp3"))):
            pass
"""


@dataclass(frozen=True)
class Measurement:
    """One run of one way. Seconds of CPU are user and system, of all its processes."""

    what: str
    round: int
    files: int
    audio_seconds: float
    wall_seconds: float
    cpu_seconds: float


def timed(argv: list, what: str, round_: int, files: int, audio_seconds: float, stdin: bytes = b"") -> Measurement:
    """Run a command to its end. Raises CalledProcessError where it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    subprocess.run([os.fspath(word) for word in argv], input=stdin, stdout=subprocess.DEVNULL, check=True)
    wall = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measurement(what, round_, files, audio_seconds, wall, cpu)


def synthesise(seconds: float, seed: int) -> np.ndarray:
    """Return chords, drums and hiss, never the same twice, (samples, 2) float32."""
    random = np.random.default_rng(seed)
    samples = np.zeros((round(seconds * RATE_HZ), 2), np.float32)
    age = np.arange(2 * RATE_HZ, dtype=np.float32) / RATE_HZ
    beat = round(RATE_HZ * random.uniform(0.2, 0.5))
    for start in range(0, len(samples), beat):
        hertz = 55 * 2 ** (random.integers(0, 60, (3, 1)) / 12)
        chord = (np.sin(2 * np.pi * hertz * age) + 0.5 * np.sin(4 * np.pi * hertz * age)).sum(axis=0) * np.exp(-3 * age)
        drum = np.exp(-30 * age) * random.standard_normal(len(age), np.float32)
        room = samples[start : start + len(age)]
        room += ((0.1 * chord + 0.2 * drum)[:, None] * random.uniform(0.3, 1.0, 2))[: len(room)]
    samples += 0.003 * random.standard_normal(samples.shape, np.float32)
    return samples / np.abs(samples).max()


def make_mp3s(folder: Path, files: int, distinct: int, seconds: float, ffmpeg: str) -> Path:
    """Make a nested folder of mp3s, those left out that an earlier call with the same numbers made."""
    originals = folder / f"originals of {seconds:g} s"
    audio = folder / f"{files} mp3s of {seconds:g} s, {min(distinct, files)} different"
    originals.mkdir(parents=True, exist_ok=True)
    for number in range(files):
        original = originals / f"{number % distinct}.mp3"
        if not original.exists():
            whole = ["-f", "f32le", "-ac", "2", "-ar", str(RATE_HZ), "-i", "pipe:0", "-b:a", BIT_RATE, "-f", "mp3"]
            with atomic_write(original) as file:
                argv = [ffmpeg, "-v", "error", *whole, "pipe:1"]
                subprocess.run(argv, input=synthesise(seconds, number).tobytes(), stdout=file, check=True)
        path = audio / f"album {number // 12}" / f"{number:05d}, a song.mp3"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(original, path)
    return audio


def make_tiny_wavs(folder: Path, files: int) -> tuple[Path, Path]:
    """Make a nested folder of links to one short wav, and its mel folder as spectrify_all.py would have made it."""
    shutil.rmtree(folder, ignore_errors=True)
    one, mel_of_one, audio, mels = (folder / name for name in ("one", "mel of one", "audio", "mels"))
    one.mkdir(parents=True)
    soundfile.write(one / "a.wav", synthesise(TINY_SECONDS, 0)[:, :1], RATE_HZ)
    subprocess.run([sys.executable, SPECTRIFY, one, mel_of_one], stdout=subprocess.DEVNULL, check=True)
    (row,) = read_ledger(mel_of_one).values()
    names = [f"album {number // 1000}/{number:07d}.wav" for number in range(files)]
    link_often(one / "a.wav", [audio / name for name in names])
    link_often(mel_of_one / "a.wav.npy", [mels / f"{name}.npy" for name in names])
    shutil.copy(mel_of_one / "config.yaml", mels)
    write_ledger(mels, {name: dataclasses.replace(row, filename=name) for name in names})
    return audio, mels


def link_often(source: Path, paths: list[Path]) -> None:
    for number, path in enumerate(paths):
        if number % 1000 == 0:  # a file can have only so many links
            path.parent.mkdir(parents=True, exist_ok=True)
            source = shutil.copy2(source, path)
        else:
            os.link(source, path)


def decode_with(ffmpeg: str, what: str, round_: int, paths: list[Path], seconds: float, jobs: int) -> Measurement:
    plain = [ffmpeg, "-nostdin", "-v", "error", "-i", "{}", "-ac", "1", "-ar", "16000", "-f", "null", "-"]
    argv = ["xargs", "-0", "-P", str(jobs), "-I", "{}", *plain]
    names = b"".join(os.fsencode(path) + b"\0" for path in paths)
    return timed(argv, what, round_, len(paths), seconds, names)


def measure_round(
    round_: int, audio: Path, mels: Path, seconds: float, jobs: int, ffmpeg: str, system: str | None
) -> Iterator[Measurement]:
    """Measure every way once, one after the other, so that a change of the machine's mood meets them all."""
    paths = sorted(audio.rglob("*.mp3"))
    files, total = len(paths), len(paths) * seconds
    spectrify = [sys.executable, SPECTRIFY, audio, mels, "--quiet", "--jobs", str(jobs)]
    shutil.rmtree(mels, ignore_errors=True)
    yield decode_with(ffmpeg, "naive", round_, paths, total, jobs)
    if system:
        yield decode_with(system, "system", round_, paths, total, jobs)
    yield timed(spectrify, "spectrify", round_, files, total)
    if importlib.util.find_spec("librosa"):
        yield timed([sys.executable, "-c", LIBROSA_POOL, audio, str(jobs)], "librosa", round_, files, total)
    yield timed(spectrify, "again", round_, files, total)


def warm_up(audio: Path) -> None:
    """Have the sound in the page cache, and what librosa compiles the first time compiled."""
    paths = sorted(audio.rglob("*.mp3"))
    for path in paths:
        path.read_bytes()
    if importlib.util.find_spec("librosa"):
        subprocess.run([sys.executable, "-c", LIBROSA_POOL, paths[0].parent, "1"], check=True)


def measure_tiny(folder: Path, files: int, rounds: int, jobs: int) -> Iterator[Measurement]:
    audio, mels = make_tiny_wavs(folder / "tiny", files)
    before = (mels / LEDGER_NAME).stat().st_mtime_ns
    for round_ in range(rounds):
        argv = [sys.executable, SPECTRIFY, audio, mels, "--quiet", "--jobs", str(jobs)]
        yield timed(argv, "tiny again", round_, files, files * TINY_SECONDS)
    if (mels / LEDGER_NAME).stat().st_mtime_ns != before:
        raise UserError("the second run of the tiny files did something, so its time says nothing")


def mel_stage_speed(config) -> float:
    """Return the seconds of audio that the mel stage alone turns into frames in a second of one core."""
    minute = np.random.default_rng(0).standard_normal(60 * config.sample_rate_hz, np.float32)
    framer = MelFramer(config)
    framer.feed(minute)
    started, seconds = time.process_time(), 0.0
    while time.process_time() - started < LEAST_MEL_SECONDS:
        framer.reset()
        for second in np.array_split(minute, 60):  # about as ffmpeg hands it over
            framer.feed(second)
        framer.finish()
        seconds += 60
    return seconds / (time.process_time() - started)


def machine(ffmpeg: str, system: str | None) -> str:
    """Return what the figures were measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    words = [f"{processor}, {len(os.sched_getaffinity(0))} cores", f"Python {platform.python_version()}"]
    for package in ("numpy", "joblib", "librosa"):
        try:
            words.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            words.append(f"no {package}")
    words.append(f"ffmpeg {ffmpeg_version(ffmpeg)}")
    words.append(f"system's {ffmpeg_version(system)}" if system else "no other ffmpeg")
    return ", ".join(words)


def ffmpeg_version(ffmpeg: str) -> str:
    return subprocess.check_output([ffmpeg, "-version"], text=True).split()[2]


def medians(measurements: list[Measurement]) -> dict[str, tuple[float, float]]:
    """Return each way's median wall seconds and CPU seconds."""
    ways = dict.fromkeys(each.what for each in measurements)
    return {
        what: tuple(
            statistics.median(getattr(each, name) for each in measurements if each.what == what)
            for name in ("wall_seconds", "cpu_seconds")
        )
        for what in ways
    }


def print_table(measurements: list[Measurement], speed: float) -> None:
    middle = medians(measurements)
    print(f"{'':<12}{'files':>8}{'wall s':>10}{'CPU s':>10}   rounds (wall s)")
    for what, (wall, cpu) in middle.items():
        rounds = [each for each in measurements if each.what == what]
        each_wall = " ".join(f"{each.wall_seconds:.2f}" for each in rounds)
        print(f"{what:<12}{rounds[0].files:>8}{wall:>10.2f}{cpu:>10.2f}   {each_wall}")
    for other in ("naive", "system", "librosa"):
        if other in middle:
            (wall, cpu), (other_wall, other_cpu) = middle["spectrify"], middle[other]
            print(f"spectrify / {other:<8} wall {wall / other_wall:.2f}, CPU {cpu / other_cpu:.2f}")
    whole = next(each for each in measurements if each.what == "spectrify")
    share = whole.audio_seconds / speed / middle["spectrify"][1]
    print(f"mel stage alone: {speed:,.0f} s of audio a core second, {share:.1%} of the CPU time of spectrify")
    for what in ("again", "tiny again"):
        if what in middle:
            files = next(each.files for each in measurements if each.what == what)
            allowed = ALLOWED_SECONDS + ALLOWED_SECONDS_PER_FILE * files
            print(f"second run, {files:,} files: {middle[what][0]:.2f} s, where {allowed:.2f} s are allowed")


def write_csv(path: Path, measurements: list[Measurement], speed: float, on: str) -> None:
    mel_stage = Measurement("mel stage", 0, 0, speed, math.nan, 1.0)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*(field.name for field in fields(Measurement)), "machine"])
    for each in [*measurements, mel_stage]:
        writer.writerow([f"{value:.3f}" if isinstance(value, float) else value for value in astuple(each)] + [on])
    write_file(path, text.getvalue().encode())


@contextmanager
def workplace(folder: Path | None) -> Iterator[Path]:
    """The folder for the sound and the mels: the user's, which keeps the sound for the next time, or one that goes."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="sound-eval benchmark ") as temporary:
        yield Path(temporary)


def build_parser():
    parser = script_parser(__doc__)
    parser.add_argument("--files", type=positive_int, default=200, metavar="N", help="mp3s")
    parser.add_argument("--distinct", type=positive_int, default=20, metavar="N", help="mp3s that differ")
    parser.add_argument("--seconds", type=positive_int, default=60, metavar="N", help="length of an mp3")
    parser.add_argument("--tiny", type=positive_int, default=20000, metavar="N", help="tiny wavs for the second run")
    parser.add_argument("--rounds", type=positive_int, default=3, metavar="N", help="times that each way is measured")
    parser.add_argument("--folder", type=Path, help="where to make the sound, and keep it (default: a temporary one)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write every measurement as CSV")
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    config = build_config(read_config_file(DEFAULT_CONFIG), str(DEFAULT_CONFIG))
    ffmpeg, system = find_decoders(config).ffmpeg, shutil.which("ffmpeg")
    if system and os.path.samefile(system, shutil.which(ffmpeg)):
        system = None
    jobs = len(os.sched_getaffinity(0))
    on = machine(ffmpeg, system)
    print(on, flush=True)
    if not importlib.util.find_spec("librosa"):
        print("librosa is not installed and so left out; pip install librosa")
    measurements = []
    with workplace(arguments.folder) as folder:
        print("making the sound", file=sys.stderr, flush=True)
        audio = make_mp3s(folder, arguments.files, arguments.distinct, arguments.seconds, ffmpeg)
        warm_up(audio)
        for round_ in range(arguments.rounds):
            for each in measure_round(round_, audio, folder / "mels", arguments.seconds, jobs, ffmpeg, system):
                print(f"round {round_}: {each.what} {each.wall_seconds:.2f} s", file=sys.stderr, flush=True)
                measurements.append(each)
        measurements += measure_tiny(folder, arguments.tiny, arguments.rounds, jobs)
    speed = mel_stage_speed(config)
    print_table(measurements, speed)
    if arguments.output:
        write_csv(arguments.output, measurements, speed, on)
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
