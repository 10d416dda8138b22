"""A training: where it stands, beginning or taking it up, and the loop from save to save.

TensorFlow is imported by the functions that need it, through model.py and infer_songs.py.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from config import to_yaml
from learning.background import BLOCKS_AHEAD, in_background, prefetch
from learning.growth import match_songs
from learning.pools import Corpus, Pools
from learning.sampling import Block, HeldOut, blocks, draw_block, sample_inputs
from learning.stop_rule import describe_end, has_flattened, is_scheduled, next_save_pairs
from learning.trained import check_song_vectors
from learning.weights import first_weights, state_shapes
from runs.run_folder import (
    COSTS_NAME,
    CostRow,
    commit_save,
    newest_list,
    newest_save,
    read_costs,
    read_weights,
    vectors_path,
)
from runs.vectors import Vectors, song_vectors_of
from utils import NAMES_TOLD, StopRequest, UserError, duration, printable

if TYPE_CHECKING:
    from learning.model import Model


Report = Callable[[str], None]  # prints a line of progress


@dataclass
class Training:
    """Where a training stands. Rows of the arrays are `corpus.names`."""

    run: Path
    corpus: Corpus
    stamps: np.ndarray  # (songs,) int64: of the mels that the vectors are of
    vectors: np.ndarray  # (songs, dims) float32
    squares: np.ndarray  # (songs, 1) float32, Adagrad's state
    save: int  # number of the newest committed save
    costs: list[CostRow]
    list_save: int  # the save from which the song list is as it is
    list_changed: bool = True  # the next save has to write it
    changes: str = ""  # what is new since the last run, in words
    unreadable: dict[str, str] = field(default_factory=dict)  # why, by name, of songs that could not be read

    def skip(self, skipped: dict[str, str], report: Report) -> None:
        """Take in which songs could not be read; name the first few that are new, so every one once at most."""
        new = [name for name in skipped if name not in self.unreadable]
        self.unreadable |= {name: skipped[name] for name in new}
        for name in new[:NAMES_TOLD]:
            report(f"unreadable: {printable(name)}: {printable(skipped[name])}")

    @property
    def pairs(self) -> int:
        return self.costs[-1].pairs if self.costs else 0

    @property
    def seconds(self) -> float:
        return self.costs[-1].seconds if self.costs else 0.0

    @property
    def has_flattened(self) -> bool:
        return has_flattened(self.costs, self.list_save, self.corpus.config, int(self.corpus.frames.sum()))

    def require_finite(self, model: Model, costs: Iterable[float]) -> None:
        """Raise UserError where training has diverged: not one value that is no number may replace a good save."""
        if are_finite([*costs, self.vectors, self.squares, *model.state().values()]):
            return
        when = f"after save {self.save}, which is kept" if self.save else "before its first save"
        raise UserError(f"{self.run}: training has diverged {when}; use a smaller learning_rate")

    def commit(self, model: Model, row: CostRow) -> None:
        """Write the next save; `row` is its line of cost_list.csv."""
        self.save = row.epoc
        if self.list_changed:
            self.list_save = self.save
        commit_save(
            self.run,
            self.save,
            self.vectors,
            {"network": model.state(), "songs": {"squares": self.squares, "stamps": self.stamps}},
            [*self.costs, row],
            to_yaml(dataclasses.asdict(self.corpus.config)),
            self.corpus.config.keep_vectors,
            self.corpus.names if self.list_changed else None,
        )
        self.costs.append(row)
        self.list_changed = False


def are_finite(arrays: Iterable[np.ndarray | float]) -> bool:
    return all(np.isfinite(array).all() for array in arrays)


class Save(NamedTuple):
    """What a training goes on from."""

    vectors: Vectors
    network: dict[str, np.ndarray]
    songs: dict[str, np.ndarray]
    costs: list[CostRow]


def read_save(run: Path, save: int, corpus: Corpus) -> Save:
    """Read the newest save. Raises UserError, naming the file, where not all of it is there, sound and of one run."""
    vectors = song_vectors_of(run, save)
    check_song_vectors(vectors_path(run, save), vectors.vectors, corpus.config)
    network = read_weights(run, "network", save, state_shapes(corpus.config, corpus.bins))
    songs = read_weights(run, "songs", save, {"squares": (len(vectors.names), 1), "stamps": (len(vectors.names),)})
    costs = read_costs(run)
    if not costs or costs[-1].epoc != save:
        raise UserError(f"{run / COSTS_NAME}: lacks the row of save {save}; restore it, or train into another folder")
    return Save(vectors, network, songs, costs)


def begin(run: Path, corpus: Corpus, add_only: bool) -> tuple[Training, Model]:
    """Start a training, or take up one where its newest save left it, with the songs as they are now."""
    from learning.infer_songs import first_song_vectors
    from learning.model import Model

    config, names = corpus.config, corpus.names
    save = newest_save(run)
    if not save:
        try:
            sample = sample_inputs(corpus)
        except ValueError as error:
            raise UserError(f"{corpus.folder}: {error}; make the mel folder anew with spectrify_all.py") from None
        model = Model(config, first_weights(config, corpus.bins, sample))
        vectors = first_song_vectors(names, config)
        squares = np.zeros((len(names), 1), np.float32)
        return Training(run, corpus, corpus.stamps, vectors, squares, save=0, costs=[], list_save=0), model
    found = read_save(run, save, corpus)
    model = Model(config, found.network)
    training = Training(
        run=run,
        corpus=corpus,
        stamps=found.songs["stamps"],
        vectors=found.vectors.vectors.astype(np.float32, copy=False),
        squares=found.songs["squares"],
        save=save,
        costs=found.costs,
        list_save=newest_list(run, save),
        list_changed=False,
    )
    old_names = found.vectors.names
    if old_names != names or not np.array_equal(training.stamps, corpus.stamps):
        match_songs(training, model, old_names, add_only)
    return training, model


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

    def add(self, costs: np.ndarray, seconds: float, waited_seconds: float) -> None:
        """Take in a block of steps; costs (steps,)."""
        self.cost_sum = sum(costs.tolist(), self.cost_sum)
        self.steps += len(costs)
        self.seconds += seconds + waited_seconds
        self.waited_seconds += waited_seconds

    @property
    def cost(self) -> float:
        return self.cost_sum / self.steps if self.steps else math.nan


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


def train(
    training: Training, model: Model, held_out: HeldOut | None, stop: StopRequest, limits: Limits, report: Report
) -> str:
    """Train and commit save after save until something ends it; return what did.

    Raises  UserError where not one song can be read, or where training diverges; KeyboardInterrupt where `stop` comes
            before the first step.
    """
    from learning.model import steps_per_call

    corpus, config = training.corpus, training.corpus.config
    at_a_time = steps_per_call(config)
    pools = Pools(corpus)
    pool_songs = PoolSongs(training, model, pools.pool_songs)
    first_step, first_pairs, first_seconds = model.step, training.pairs, training.seconds

    def next_save_step(step: int) -> int:
        pairs = first_pairs + (step - first_step) * config.batch_size
        return step + (next_save_pairs(pairs, config) - pairs) // config.batch_size

    def commit() -> None:
        pool_songs.write_back()
        training.skip(pools.skipped, report)
        commit_interval(training, model, held_out, interval, pairs, report)

    interval, pairs = Interval(), first_pairs
    with contextlib.closing(pools):
        with stop.at_once():
            none = require_songs(draw_block(pools, first_step, 0, at_a_time), corpus)
            pool_songs.bring(none)
            in_background(lambda: compile_all(model, none, held_out, training.vectors))
        steps = prefetch(blocks(pools, first_step, next_save_step, at_a_time), BLOCKS_AHEAD)
        for block, waited in until_stop(stop, steps):
            started = time.monotonic()
            pool_songs.bring(require_songs(block, corpus))
            costs = model.train(block)
            interval.add(costs, time.monotonic() - started, waited)
            pairs += block.steps * config.batch_size
            seconds = training.seconds + interval.seconds
            out_of_time = limits.max_minutes is not None and seconds - first_seconds >= 60 * limits.max_minutes
            scheduled = is_scheduled(pairs, config)
            if scheduled or out_of_time:
                commit()
                interval = Interval()
                if (reason := end_of_training(training, scheduled, out_of_time, limits)) is not None:
                    return reason
        if interval.steps:
            commit()
    return str(stop)


Trainer = Callable[[Training, "Model", HeldOut | None, StopRequest, Limits, Report], str]  # what `train` is


def compile_all(model: Model, none: Block, held_out: HeldOut | None, vectors: np.ndarray) -> None:
    """Have TensorFlow compile what training runs, by a block of no step and one batch: this is not training time."""
    model.train(none)
    if held_out is not None:
        model.held_out_cost(HeldOut(held_out.inputs[:1], held_out.song[:1]), vectors)


def until_stop(stop: StopRequest, steps: Iterator[Block | None]) -> Iterator[tuple[Block | None, float]]:
    """Yield each block and the seconds that it was waited for, until `stop` comes, be it while waiting."""
    with contextlib.closing(steps):
        while not stop:
            started = time.monotonic()
            try:
                with stop.at_once():
                    block = next(steps)
            except KeyboardInterrupt:
                return
            yield block, time.monotonic() - started


def require_songs(block: Block | None, corpus: Corpus) -> Block:
    """Return the block. Raises UserError where there is none, since not one song could be read."""
    if block is None:
        raise UserError(
            f"{corpus.folder}: no mel could be read; make it anew with spectrify_all.py, the saves are kept"
        )
    return block


def commit_interval(
    training: Training,
    model: Model,
    held_out: HeldOut | None,
    interval: Interval,
    pairs: int,
    report: Report,
) -> None:
    """Commit a save and say in one line how training stands. Raises UserError where training has diverged."""
    held_out_cost = model.held_out_cost(held_out, training.vectors) if held_out else math.nan
    costs = [interval.cost] * bool(interval.steps) + [held_out_cost] * bool(held_out)
    training.require_finite(model, costs)
    seconds = training.seconds + interval.seconds
    new_pairs = pairs - training.pairs
    training.commit(model, CostRow(training.save + 1, interval.cost, held_out_cost, pairs, seconds))
    rate = new_pairs / max(interval.seconds, 1e-9)
    waited = interval.waited_seconds / max(interval.seconds, 1e-9)
    report(
        f"save {training.save}: cost {interval.cost:.4f}, held-out {held_out_cost:.4f}, {pairs:,} pairs, "
        f"{rate:,.0f} pairs/s, {duration(seconds)}, waited {waited:.1%} for mels"
        + (f", {len(training.unreadable):,} unreadable" if training.unreadable else "")
    )


def end_of_training(training: Training, scheduled: bool, out_of_time: bool, limits: Limits) -> str | None:
    """Return what ends training after a save, None where nothing does."""
    if limits.max_saves is not None and training.save >= limits.max_saves:
        return f"save {limits.max_saves} is reached (--max-saves)"
    if scheduled and not limits.forever and training.has_flattened:
        return describe_end(training.costs, training.list_save, training.corpus.config)
    return f"{limits.max_minutes:g} minutes are over (--max-minutes)" if out_of_time else None
