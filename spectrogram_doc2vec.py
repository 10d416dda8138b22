"""Learn a vector for every song of a mel folder, and networks for frames; go on from the last save when run again.

    python spectrogram_doc2vec.py example_vectors/ example_outs/ --config=configs/small_train.yaml

Reads   MEL_FOLDER  what spectrify_all.py wrote, or any folder of .npy files (frames, bins) of floats.
Writes  RUN_FOLDER  vector_at_{x}.npy (songs, output_vector_size) float32 with its rows' names in music_list.txt,
                    weights/, cost_list.csv, config.yaml, and epoc_num.txt: the newest save's number, replaced last.

It stops by itself when the held-out cost, that of frames it never trains on, has flattened: when the best of the newest
`patience_saves` saves is not `least_improvement` below the best before them. Ctrl-C and SIGTERM save first. Songs that
are new, gone or renamed since the last run are taken in by name: the others keep their vectors.

Reference   Le and Mikolov 2014, Distributed Representations of Sentences and Documents; see model.py.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from config import AUDIO_KEYS, Config, add_config_arguments, load_config, read_config_file, refuse_changed_keys, to_yaml
from mel_folder import MelList, list_mels, read_audio_half, read_mel
from run_folder import (
    CONFIG_NAME,
    CostRow,
    commit_save,
    folder_lock,
    is_whole,
    newest_list,
    newest_save,
    prepare,
    read_costs,
    read_song_list,
    read_song_vectors,
    read_weights,
    repair,
)
from sampling import Block, Corpus, HeldOut, Pools, blocks, held_out_pairs, sample_inputs
from utils import (
    EXIT_DONE,
    UserError,
    add_quiet_argument,
    command,
    duration,
    plural,
    positive_float,
    positive_int,
    printable,
    script_parser,
)

if TYPE_CHECKING:
    from model import Model

# What a run folder cannot change: the shape and meaning of its weights, and which frames were never trained on.
FIXED_KEYS = (
    *(key for key in AUDIO_KEYS if key != "decoder"),
    *("differences", "hidden_size", "output_vector_size", "logit", "held_out_share", "seed"),
)
BLOCKS_AHEAD = 2  # training steps drawn in the background while TensorFlow works


def should_stop(costs: Sequence[float], patience: int, least_improvement: float) -> bool:
    """Tell whether training has come to its end: the stop rule.

    costs              held-out cost of each scheduled save on the present songs, oldest first.
    patience           so many newest saves are given the chance to improve on all before them.
    least_improvement  share by which the best of them must lie below the best before them.
    """
    if len(costs) <= patience:
        return False
    return min(costs[-patience:]) > min(costs[:-patience]) * (1.0 - least_improvement)


def next_save_pairs(pairs: int, config: Config) -> int:
    """Return the pairs at the next scheduled save: at the first step to reach a multiple of pairs_per_save."""
    multiple = (pairs // config.pairs_per_save + 1) * config.pairs_per_save
    return pairs + math.ceil((multiple - pairs) / config.batch_size) * config.batch_size


def is_scheduled(pairs: int, config: Config) -> bool:
    """Tell whether a save at this many pairs is one on schedule, not forced by a signal or by --max-minutes."""
    return pairs > 0 and pairs // config.pairs_per_save > (pairs - config.batch_size) // config.pairs_per_save


def rule_memory(rows: list[CostRow], first_save: int, config: Config) -> list[float]:
    """Return what the stop rule looks at: the costs of the scheduled saves since the song list last changed.

    The training cost where songs are too short to hold anything out.
    """
    rows = [row for row in rows if row.epoc >= first_save and is_scheduled(row.pairs, config)]
    return [row.cost if math.isnan(row.held_out_cost) else row.held_out_cost for row in rows]


@dataclass
class Training:
    """Where a training stands. Rows of the arrays are `corpus.names`."""

    run: Path
    corpus: Corpus
    vectors: np.ndarray  # (songs, dims) float32
    squares: np.ndarray  # (songs, 1) float32, Adagrad's state
    save: int  # number of the newest committed save
    costs: list[CostRow]
    list_save: int  # the save from which the song list is as it is
    list_changed: bool = True  # the next save has to write it

    @property
    def pairs(self) -> int:
        return self.costs[-1].pairs if self.costs else 0

    @property
    def seconds(self) -> float:
        return self.costs[-1].seconds if self.costs else 0.0

    @property
    def has_flattened(self) -> bool:
        config = self.corpus.config
        memory = rule_memory(self.costs, self.list_save, config)
        return should_stop(memory, config.patience_saves, config.least_improvement)

    def commit(self, model: Model, row: CostRow) -> None:
        """Write the next save; `row` is its line of cost_list.csv."""
        self.save = row.epoc
        if self.list_changed:
            self.list_save = self.save
        commit_save(
            self.run,
            self.save,
            self.vectors,
            {"network": model.state(), "songs": {"squares": self.squares}},
            [*self.costs, row],
            to_yaml(dataclasses.asdict(self.corpus.config)),
            self.corpus.config.keep_vectors,
            self.corpus.names if self.list_changed else None,
        )
        self.costs.append(row)
        self.list_changed = False


class StopRequest:
    """Set by SIGINT and SIGTERM, and looked at where it is safe to stop."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        def handle(number, _frame):
            self.signal = signal.Signals(number)

        before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def __bool__(self) -> bool:
        return self.signal is not None

    def __str__(self) -> str:
        return self.signal.name if self.signal else ""


def effective_config(config: Config, given: frozenset[str], mel_folder: Path, mels: MelList) -> Config:
    """Return the configuration with the mel folder's audio half. Raises UserError where the user asked otherwise."""
    made_with = {key: value for key, value in read_audio_half(mel_folder).items() if key in AUDIO_KEYS}
    made_with["mel_bins"] = mels.bins
    asked = {key: getattr(config, key) for key in AUDIO_KEYS if key in given}
    refuse_changed_keys(made_with, asked, mel_folder, "leave the key out, or make the mel folder anew")
    return dataclasses.replace(config, **made_with)


def refuse_changed_run(run: Path, config: Config) -> None:
    """Raise UserError where a key that a run cannot change is not what it was."""
    if newest_save(run):
        old = {key: value for key, value in read_config_file(run / CONFIG_NAME).items() if key in FIXED_KEYS}
        remedy = "give it the same configuration, or train into another folder"
        refuse_changed_keys(old, dataclasses.asdict(config), run, remedy)


def is_finished(run: Path, names: list[str], config: Config, forever: bool, max_saves: int | None) -> bool:
    """Tell whether there is nothing to do. Only reads."""
    save = newest_save(run)
    if not save or not is_whole(run) or read_song_list(run, save) != names:
        return False
    if max_saves is not None and save >= max_saves:
        return True
    memory = rule_memory(read_costs(run), newest_list(run, save), config)
    return not forever and should_stop(memory, config.patience_saves, config.least_improvement)


def begin(run: Path, corpus: Corpus, tell) -> tuple[Training, Model]:
    """Start a training, or take up one where its newest save left it, with the songs as they are now."""
    import model as networks

    config, names = corpus.config, corpus.names
    save = newest_save(run)
    if not save:
        try:
            sample = sample_inputs(corpus)
        except ValueError as error:
            raise UserError(f"{corpus.folder}: {error}; make the mel folder anew with spectrify_all.py") from None
        model = networks.Model(config, networks.first_weights(config, corpus.bins, sample))
        vectors = networks.first_song_vectors(names, config)
        return Training(run, corpus, vectors, np.zeros((len(names), 1), np.float32), 0, [], 0), model
    old = read_song_vectors(run)
    model = networks.Model(config, read_weights(run, "network", save))
    squares = read_weights(run, "songs", save)["squares"]
    training = Training(run, corpus, old.vectors, squares, save, read_costs(run), newest_list(run, save), False)
    if old.names != names:
        take_in(training, model, old.names, tell)
    return training, model


def take_in(training: Training, model: Model, old_names: list[str], tell) -> None:
    """Match rows to songs by name: kept songs keep theirs, new ones get an inferred vector, gone ones are dropped."""
    from model import first_song_vectors

    corpus, config = training.corpus, training.corpus.config
    rows = {name: row for row, name in enumerate(old_names)}
    old_rows = np.array([rows.get(name, -1) for name in corpus.names])
    kept = old_rows >= 0
    vectors = np.zeros((len(corpus.names), config.output_vector_size), np.float32)
    squares = np.zeros((len(corpus.names), 1), np.float32)
    vectors[kept], squares[kept] = training.vectors[old_rows[kept]], training.squares[old_rows[kept]]
    # a state of zero would make the first step of an inferred vector as long as that of noise
    squares[~kept] = np.median(training.squares)
    new = np.flatnonzero(~kept).tolist()
    gone = len(old_names) - int(kept.sum())
    tell(f"songs: {int(kept.sum()):,} kept, {len(new):,} new, {gone:,} gone")

    readable: list[int] = []

    def mels() -> Iterator[np.ndarray]:
        for row in new:
            try:
                mel = read_mel(corpus.folder / corpus.names[row])
            except (OSError, ValueError):  # training counts and names it
                vectors[row] = first_song_vectors([corpus.names[row]], config)[0]
                continue
            readable.append(row)
            yield mel

    for place, vector in enumerate(model.infer_song_vectors(mels())):
        vectors[readable[place]] = vector
    training.vectors, training.squares, training.list_changed = vectors, squares, True


@dataclass(frozen=True)
class Limits:
    """What ends a training beside the stop rule."""

    forever: bool
    max_minutes: float | None  # of training time of this call
    max_saves: int | None  # over all calls


@dataclass
class Interval:
    """What happened since the last save."""

    cost_sum: float = 0.0
    steps: int = 0
    seconds: float = 0.0
    waited_seconds: float = 0.0  # for mels to be read and pairs to be drawn; part of seconds

    @property
    def cost(self) -> float:
        return self.cost_sum / self.steps if self.steps else math.nan


def prefetch(iterator: Iterator, ahead: int) -> Iterator:
    """Yield what an iterator yields, made by a thread of its own that stays `ahead` items in front."""
    with ThreadPoolExecutor(1, "prefetch") as thread:
        pending = deque(thread.submit(next, iterator) for _ in range(ahead))
        try:
            while True:
                item = pending.popleft()
                pending.append(thread.submit(next, iterator))
                yield item.result()
        finally:
            thread.shutdown(wait=False, cancel_futures=True)


class PoolSongs:
    """Moves song vectors between the table of all songs and the pool that the model holds."""

    def __init__(self, training: Training, model: Model, places: int) -> None:
        self.training, self.model, self.places = training, model, places
        self.index, self.songs = -1, np.zeros(0, np.int64)

    def bring(self, block: Block) -> None:
        """See to it that the model holds the songs of a block's pool, in as many places whatever the pool."""
        if block.pool_index == self.index:
            return
        self.write_back()
        self.index, self.songs = block.pool_index, block.pool.songs
        vectors = np.zeros((self.places, self.training.vectors.shape[1]), np.float32)
        squares = np.zeros((self.places, 1), np.float32)
        vectors[: len(self.songs)] = self.training.vectors[self.songs]
        squares[: len(self.songs)] = self.training.squares[self.songs]
        self.model.load_songs(vectors, squares)

    def write_back(self) -> None:
        if len(self.songs):
            vectors, squares = self.model.songs()
            self.training.vectors[self.songs] = vectors[: len(self.songs)]
            self.training.squares[self.songs] = squares[: len(self.songs)]


def train(training: Training, model: Model, held_out: HeldOut | None, stop: StopRequest, limits: Limits, tell) -> str:
    """Train and commit save after save until something ends it; return what did."""
    from model import STEPS_PER_CALL

    corpus, config = training.corpus, training.corpus.config
    pools = Pools(corpus)
    pool_songs = PoolSongs(training, model, pools.pool_songs)
    first_step, first_pairs, first_seconds = model.step, training.pairs, training.seconds

    def next_save_step(step: int) -> int:
        pairs = first_pairs + (step - first_step) * config.batch_size
        return step + (next_save_pairs(pairs, config) - pairs) // config.batch_size

    interval, pairs = Interval(), first_pairs
    steps = prefetch(blocks(pools, first_step, next_save_step, STEPS_PER_CALL), BLOCKS_AHEAD)
    with contextlib.closing(pools), contextlib.closing(steps):
        block = next(steps)
        pool_songs.bring(block)
        model.train(dataclasses.replace(block, steps=0))  # compiles, which is not training time
        waited = 0.0
        while True:
            if stop and not interval.steps:
                return str(stop)
            started = time.monotonic()
            pool_songs.bring(block)
            costs = model.train(block)
            interval.seconds += time.monotonic() - started + waited
            interval.waited_seconds += waited
            interval.cost_sum = sum(costs.tolist(), interval.cost_sum)
            interval.steps += block.steps
            pairs += block.steps * config.batch_size
            seconds = training.seconds + interval.seconds
            out_of_time = limits.max_minutes is not None and seconds - first_seconds >= 60 * limits.max_minutes
            scheduled = is_scheduled(pairs, config)
            if scheduled or stop or out_of_time:
                pool_songs.write_back()
                save(training, model, held_out, interval, pairs, len(pools.skipped), tell)
                interval = Interval()
                if reason := why_stop(training, scheduled, stop, out_of_time, limits):
                    return reason
            started = time.monotonic()
            block = next(steps)
            waited = time.monotonic() - started


def save(
    training: Training, model: Model, held_out: HeldOut | None, interval: Interval, pairs: int, skipped: int, tell
) -> None:
    """Commit a save and say in one line how training stands."""
    held_out_cost = model.held_out_cost(held_out, training.vectors) if held_out else math.nan
    seconds = training.seconds + interval.seconds
    new_pairs = pairs - training.pairs
    training.commit(model, CostRow(training.save + 1, interval.cost, held_out_cost, pairs, seconds))
    rate = new_pairs / max(interval.seconds, 1e-9)
    waited = interval.waited_seconds / max(interval.seconds, 1e-9)
    tell(
        f"save {training.save}: cost {interval.cost:.4f}, held-out {held_out_cost:.4f}, {pairs:,} pairs, "
        f"{rate:,.0f} pairs/s, {duration(seconds)}, waited {waited:.1%} for mels"
        + (f", {skipped:,} unreadable" if skipped else "")
    )


def why_stop(training: Training, scheduled: bool, stop: StopRequest, out_of_time: bool, limits: Limits) -> str:
    """Return what ends training after a save, empty where nothing does."""
    if stop:
        return str(stop)
    if limits.max_saves is not None and training.save >= limits.max_saves:
        return f"save {limits.max_saves} is reached (--max-saves)"
    if scheduled and not limits.forever and training.has_flattened:
        return "the held-out cost has flattened"
    return f"{limits.max_minutes:g} minutes are over (--max-minutes)" if out_of_time else ""


def build_parser():
    parser = script_parser(__doc__)
    parser.add_argument("mel_folder", type=Path, metavar="MEL_FOLDER")
    parser.add_argument("run_folder", type=Path, metavar="RUN_FOLDER")
    add_config_arguments(parser)
    parser.add_argument(
        "--max-minutes", type=positive_float, metavar="M", help="save and stop after M minutes of training"
    )
    parser.add_argument(
        "--max-saves", type=positive_int, metavar="N", help="stop when epoc_num.txt is N, over all calls"
    )
    parser.add_argument("--forever", action="store_true", help="never stop for the held-out cost")
    add_quiet_argument(parser)
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    stop = StopRequest()
    with stop.listening():
        return run(arguments, stop)


def run(arguments, stop: StopRequest) -> int:
    """Check everything that can be checked without TensorFlow, then train under the lock."""
    mel_folder, run_folder = arguments.mel_folder, arguments.run_folder
    config, given = load_config(arguments)
    mels = list_mels(mel_folder)
    config = effective_config(config, given, mel_folder, mels)
    names, frames, left_out = drop_empty(mels)
    if len(names) < 2:
        raise UserError(f"{mel_folder}: holds one song only: there is nothing to tell it from; add more")
    prepare(run_folder)
    refuse_changed_run(run_folder, config)
    limits = Limits(arguments.forever, arguments.max_minutes, arguments.max_saves)
    finished = (run_folder, names, config, limits.forever, limits.max_saves)
    if is_finished(*finished):
        return report_finished(run_folder, len(names))

    def tell(line: str) -> None:
        if not arguments.quiet:
            print(line, file=sys.stderr, flush=True)

    hours = duration(frames.sum() * config.hop_seconds)
    tell(f"{mel_folder}: {plural(len(names), 'song')}, {hours}, {frames.sum():,} frames of {mels.bins} bins")
    for line in left_out[:3]:
        tell(f"left out: {printable(line)}")
    corpus = Corpus(mel_folder, names, frames, mels.bins, config)
    with folder_lock(run_folder):
        refuse_changed_run(run_folder, config)
        repair(run_folder)
        if is_finished(*finished):
            return report_finished(run_folder, len(names))
        training, reason = train_locked(run_folder, corpus, stop, limits, tell)
    return report(training, reason, len(left_out))


def drop_empty(mels: MelList) -> tuple[list[str], np.ndarray, list[str]]:
    """Return names and frames of the songs that have a frame, and a line for every file that is left out."""
    empty = [f"{name}: no frame" for name, frames in zip(mels.names, mels.frames, strict=True) if not frames]
    names = [name for name, frames in zip(mels.names, mels.frames, strict=True) if frames]
    return names, mels.frames[mels.frames > 0], [*mels.left_out, *empty]


def train_locked(run_folder: Path, corpus: Corpus, stop: StopRequest, limits: Limits, tell) -> tuple[Training, str]:
    """Begin or take up a training, commit a changed song list, and train; return where it stands and what ended it."""
    training, model = begin(run_folder, corpus, tell)
    held_out = held_out_pairs(corpus)
    tell(
        f"{run_folder}: " + (f"goes on from save {training.save}" if training.save else "starts anew")
        + f"; held-out cost on {plural(held_out.pairs if held_out else 0, 'pair')}"
    )  # fmt: skip
    if training.save and training.list_changed:
        save(training, model, held_out, Interval(), training.pairs, 0, tell)
        if limits.max_saves is not None and training.save >= limits.max_saves:
            return training, "the changed song list is taken in, and --max-saves is reached"
    return training, train(training, model, held_out, stop, limits, tell)


def report_finished(run_folder: Path, songs: int) -> int:
    print(
        f"{run_folder}: nothing to do: save {newest_save(run_folder)} of {plural(songs, 'song')} stands; see --forever"
    )
    return EXIT_DONE


def report(training: Training, reason: str, left_out: int) -> int:
    """Print the closing summary."""
    run_folder, songs = training.run, len(training.corpus.names)
    if not training.costs:
        print(f"{run_folder}: stopped before the first step ({reason}); nothing was there to save")
        return EXIT_DONE
    last = training.costs[-1]
    best = min(training.costs, key=lambda row: math.inf if math.isnan(row.held_out_cost) else row.held_out_cost)
    print(
        f"{run_folder}: save {training.save}, {songs:,} song vectors of {training.vectors.shape[1]} dimensions; "
        f"held-out cost {last.held_out_cost:.4f}, lowest {best.held_out_cost:.4f} at save {best.epoc}; "
        f"{last.pairs:,} pairs in {duration(last.seconds)}; stopped: {reason}"
    )
    if left_out:
        print(f"{plural(left_out, 'mel file')} left out: not usable; the run's progress names them")
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
