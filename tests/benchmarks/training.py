"""Measure the training: against the plain way, against the machine, against the number of songs.

    python tests/benchmarks/training.py machine
    python tests/benchmarks/training.py songs
    python tests/benchmarks/training.py memory
    python tests/benchmarks/training.py open
    python tests/benchmarks/training.py pairs MEL_FOLDER --pairs 1200000 --set pool_songs=381
    python tests/benchmarks/training.py plain MEL_FOLDER LABELS.csv --label-column genre --seconds 24

machine   floating-point operations a second of the matrix products in the steps, beside a plain tf.matmul
songs     steps a second with 1,000,000 songs beside 1,000, in turn
memory    resident memory with 100,000 and with 300,000 songs, and the time to the first step
open      seconds to list a mel folder of 100,000 files by its ledger, and a bare one by its headers; cold where we may
          drop the kernel's caches (as root)
pairs     how many positive pairs each song of a mel folder gets, least and most; nothing is trained
plain     our song vectors after so many seconds beside those of the same model written the plain way (plain_model.py)
          after 240: linear SVM and 5-NN accuracy, each seed and the mean

Nothing is asserted; each prints a table and the machine. They take 1, 5, 20, 5, 1 and 15 minutes.
"""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the shared modules lie in the repository root

from config import DEFAULT_CONFIG, add_config_arguments, build_config, load_config, read_config_file, to_yaml
from judging.folds import make_folds
from learning.pools import Corpus, Pools
from learning.sampling import blocks, draw_block, sample_inputs
from learning.weights import first_weights
from mels.mel_folder import LedgerRow, write_ledger
from utils import EXIT_DONE, ROOT, command, script_parser

PLAIN_SECONDS = 240.0
BINS = 80
SLICES, SLICE_SECONDS = 12, 6.0


def machine() -> str:
    """Return what the figures were measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    cores = len(os.sched_getaffinity(0))
    return f"{processor}, {cores} cores, Python {platform.python_version()}, TensorFlow {version('tensorflow')}"


def default_config(**changes):
    return build_config(read_config_file(DEFAULT_CONFIG) | changes, "benchmark")


def write_linked_mels(folder: Path, songs: int, frames: int = 300, distinct: int = 200) -> None:
    """Make a mel folder of many songs that are links to a few files: what is measured is the reading, not the sound."""
    draws = np.random.default_rng(0)
    rows = {}
    for song in range(songs):
        name = f"{song // 1000:04d}/{song:07d}.mp3"
        path = folder / f"{name}.npy"
        if song % 1000 == 0:
            path.parent.mkdir(parents=True)
        if song < distinct:
            np.save(path, draws.standard_normal((frames, BINS)).astype(np.float16))
        else:
            os.link(folder / f"0000/{song % distinct:07d}.mp3.npy", path)
        rows[name] = LedgerRow(name, "ok", frames * 0.1, frames, 1, "1.000000000", "ffmpeg", "")
    write_ledger(folder, rows)
    audio = {
        key: value
        for key, value in read_config_file(DEFAULT_CONFIG).items()
        if key.startswith(("sample", "hop", "mel"))
    }
    (folder / "config.yaml").write_bytes(to_yaml({**audio, "decoder": "ffmpeg"}))


def products_of_step(config, bins: int) -> float:
    """Return the floating-point operations of the matrix products in one step, forward and back."""
    batch, hidden, dims = config.batch_size, config.hidden_size, config.output_vector_size
    inputs = bins * (2 if config.differences else 1)
    forward = 2 * 2 * batch * (inputs * hidden + hidden * dims) + 2 * batch * batch * dims
    # back: by the weights and by the inputs of each product, save by the inputs of the first
    return 3 * forward - 2 * 2 * batch * inputs * hidden


def measure_machine() -> None:
    from learning import model as networks
    from learning.infer_songs import first_song_vectors
    from learning.model import tf

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder) / "mels"
        write_linked_mels(folder, 400)
        config = default_config(batch_size=1024)
        corpus = _corpus(folder, 400, config)
        model = networks.Model(config, first_weights(config, BINS, sample_inputs(corpus)))
        model.load_songs(first_song_vectors(corpus.names, config), np.zeros((400, 1), np.float32))
        most = networks.STEPS_PER_CALL
        block = draw_block(Pools(corpus), 0, most, most)
        model.train(block)
    draws = np.random.default_rng(0)
    left, right = (tf.constant(draws.standard_normal(shape), tf.float32) for shape in ((1024, 512), (512, 512)))
    print(machine())
    print(f"{'round':<8}{'steps/s':>10}{'GFLOP/s':>10}{'tf.matmul':>12}{'ratio':>8}")
    for number in range(5):
        started = time.monotonic()
        for _ in range(300):
            product = tf.matmul(left, right)
        product.numpy()
        plain = 300 * 2 * 1024 * 512 * 512 / (time.monotonic() - started)
        started = time.monotonic()
        for _ in range(8):
            model.train(block)
        rate = 8 * most / (time.monotonic() - started)
        ours = rate * products_of_step(config, BINS)
        print(f"{number:<8}{rate:>10.1f}{ours / 1e9:>10.1f}{plain / 1e9:>12.1f}{ours / plain:>8.2f}")


def _corpus(folder: Path, songs: int, config) -> Corpus:
    names = [f"{song // 1000:04d}/{song:07d}.mp3.npy" for song in range(songs)]
    return Corpus(folder, names, np.full(songs, 300), BINS, config)


def measure_songs(most_songs: int) -> None:
    from learning import model as networks

    config = default_config()
    print(machine())
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "mels"
        write_linked_mels(folder, most_songs)
        _measure_flat_cost(networks, folder, config, most_songs)


def _measure_flat_cost(networks, folder: Path, config, most_songs: int) -> None:
    from learning.background import prefetch
    from learning.training import PoolSongs, Training

    @contextlib.contextmanager
    def prepared(songs: int):
        """Give a function that trains for so many seconds and returns the steps a second."""
        corpus = _corpus(folder, songs, config)
        sample = sample_inputs(_corpus(folder, 400, config))
        model = networks.Model(config, first_weights(config, BINS, sample))
        vectors = np.zeros((songs, config.output_vector_size), np.float32)
        stamps, squares = np.zeros(songs, np.int64), np.zeros((songs, 1), np.float32)
        training = Training(folder, corpus, stamps, vectors, squares, 0, [], 0)
        pools = Pools(corpus)
        pool_songs = PoolSongs(training, model, pools.pool_songs)
        ahead = prefetch(blocks(pools, 0, lambda step: 10**9, networks.STEPS_PER_CALL), 2)

        def train(seconds: float) -> float:
            started, steps = time.monotonic(), 0
            while time.monotonic() - started < seconds:
                block = next(ahead)
                pool_songs.bring(block)
                model.train(block)
                steps += block.steps
            return steps / (time.monotonic() - started)

        with contextlib.closing(pools), contextlib.closing(ahead):
            train(1)  # compiles
            yield train

    print(f"{'slice':<8}{'1,000 songs':>14}{f'{most_songs:,} songs':>18}{'ratio':>8}   (steps/s)")
    rows = []
    with prepared(1000) as few, prepared(most_songs) as many:
        for number in range(SLICES):  # in turn and short: the speed of a shared machine changes from minute to minute
            rows.append((few(SLICE_SECONDS), many(SLICE_SECONDS)))
            print(f"{number:<8}{rows[-1][0]:>14.1f}{rows[-1][1]:>18.1f}{rows[-1][1] / rows[-1][0]:>8.2f}", flush=True)
    one, other = np.median(rows, axis=0)
    print(f"{'median':<8}{one:>14.1f}{other:>18.1f}{other / one:>8.2f}", flush=True)


def measure_memory(counts: list[int]) -> None:
    print(machine())
    print(f"{'songs':<12}{'start to first step':>22}{'peak resident':>16}")
    for songs in counts:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "mels"
            write_linked_mels(folder, songs)
            argv = [sys.executable, ROOT / "spectrogram_doc2vec.py", folder, Path(scratch) / "run"]
            started = time.monotonic()
            limits = ["--max-minutes", "0.5", "--max-saves", "1", "--set", "pairs_per_save=1000000000"]
            done = subprocess.run([*argv, *limits], capture_output=True, text=True, check=True)
            other = time.monotonic() - started - 30
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
            last = done.stderr.splitlines()[-1]
            print(f"{songs:<12,}{other:>20.0f} s{peak:>13.2f} GB   {last}", flush=True)


def measure_open(songs: int) -> None:
    from mels.mel_folder import LEDGER_NAME, list_mels

    print(machine())
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "mels"
        write_linked_mels(folder, songs, distinct=songs)
        for what in ("by the ledger", "by the headers"):
            cold = drop_caches()
            started = time.monotonic()
            listed = len(list_mels(folder).names)
            seconds = time.monotonic() - started
            print(f"{listed:,} files {what}, {'cold' if cold else 'warm'}: {seconds:.1f} s", flush=True)
            (folder / LEDGER_NAME).unlink(missing_ok=True)


def measure_pairs(arguments) -> None:
    from mels.mel_folder import list_mels

    config, _ = load_config(arguments)
    mels = list_mels(arguments.mel_folder)
    full = mels.frames > 0
    names = [name for name, is_full in zip(mels.names, full, strict=True) if is_full]
    corpus = Corpus(arguments.mel_folder, names, mels.frames[full], mels.bins, config)
    steps, counts = -(-arguments.pairs // config.batch_size), np.zeros(len(names), np.int64)
    with contextlib.closing(Pools(corpus)) as pools:
        step = 0
        for block in blocks(pools, 0, lambda step: steps, 16):
            np.add.at(counts, block.pool.songs[block.song[: block.steps]], 1)
            step += block.steps
            if step >= steps:
                break
        sizes = [len(pools.songs(index)) for index in range(pools.pools_per_round)]
    print(f"{len(names):,} songs in pools of {min(sizes):,} to {max(sizes):,}, {len(sizes)} a round")
    print(f"{counts.sum():,} pairs; a song: least {counts.min():,}, most {counts.max():,}, mean {counts.mean():,.1f}")


def drop_caches() -> bool:
    """Make the kernel forget what it has read; tell whether we may."""
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError:
        return False
    return True


def measure_plain(arguments) -> None:
    from plain_model import train_plain
    from quality import cross_validate

    from judging.labels import label_songs, read_label_table
    from runs.vectors import read_song_vectors

    table = read_label_table(arguments.labels)

    def accuracies(names: list[str], vectors: np.ndarray) -> list[float]:
        labelled = label_songs(table, names, arguments.label_column)
        folds = make_folds(labelled.labels)
        scores = cross_validate(vectors[labelled.songs], labelled.labels, folds)
        return [float(scores[name].mean()) for name in ("linear SVM", "5-NN cosine")]

    print(machine())
    print(f"{'seed':<8}{'ours: linear':>14}{'5-NN':>8}{'plain: linear':>16}{'5-NN':>8}   plain steps/s")
    rows = []
    for seed in range(arguments.seeds):
        with tempfile.TemporaryDirectory() as scratch:
            run = Path(scratch) / "run"
            flags = ["--seed", str(seed), "--forever", "--max-minutes", str(arguments.seconds / 60), "--quiet"]
            argv = [sys.executable, ROOT / "spectrogram_doc2vec.py", arguments.mel_folder, run, *flags]
            subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
            songs = read_song_vectors(run)
            ours = accuracies(songs.names, songs.vectors)
        names, vectors, rate = train_plain(arguments.mel_folder, arguments.plain_seconds, seed)
        rows.append([*ours, *accuracies(names, vectors)])
        one, two, three, four = rows[-1]
        print(f"{seed:<8}{one:>14.3f}{two:>8.3f}{three:>16.3f}{four:>8.3f}   {rate:.0f}", flush=True)
    one, two, three, four = np.mean(rows, axis=0)
    print(f"{'mean':<8}{one:>14.3f}{two:>8.3f}{three:>16.3f}{four:>8.3f}")


def build_parser():
    parser = script_parser(__doc__)
    commands = parser.add_subparsers(dest="what", required=True)
    commands.add_parser("machine")
    songs = commands.add_parser("songs")
    songs.add_argument("--most", type=int, default=1_000_000, metavar="N", help="songs of the large corpus")
    memory = commands.add_parser("memory")
    memory.add_argument("--songs", type=int, nargs="+", default=[100_000, 300_000], metavar="N", help="in rising order")
    opening = commands.add_parser("open")
    opening.add_argument("--songs", type=int, default=100_000, metavar="N", help="files in the folder")
    pairs = commands.add_parser("pairs")
    pairs.add_argument("mel_folder", type=Path, metavar="MEL_FOLDER")
    pairs.add_argument("--pairs", type=int, default=1_200_000, metavar="N", help="to draw in all")
    add_config_arguments(pairs)
    plain = commands.add_parser("plain")
    plain.add_argument("mel_folder", type=Path, metavar="MEL_FOLDER")
    plain.add_argument("labels", type=Path, metavar="LABELS.csv")
    plain.add_argument("--label-column", default="genre", metavar="NAME")
    plain.add_argument("--seconds", type=float, default=24.0, metavar="S", help="of our training")
    plain.add_argument("--plain-seconds", type=float, default=PLAIN_SECONDS, metavar="S", help="of the plain one")
    plain.add_argument("--seeds", type=int, default=3, metavar="N")
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    if arguments.what == "machine":
        measure_machine()
    elif arguments.what == "songs":
        measure_songs(arguments.most)
    elif arguments.what == "memory":
        measure_memory(arguments.songs)
    elif arguments.what == "open":
        measure_open(arguments.songs)
    elif arguments.what == "pairs":
        measure_pairs(arguments)
    else:
        measure_plain(arguments)
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
