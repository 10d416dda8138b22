"""Training on several machines: each on songs of its own, and the mean of their networks every few steps (local SGD).

Between two means a worker trains as if it were alone, by the same compiled step. What is averaged is everything that
the optimizer knows of the networks, its moments too, so that after a mean all workers are alike: a save, which is
always made there, holds all that a resume needs, whatever number of workers goes on with it.

Reference   Stich 2019, Local SGD Converges Fast and Communicates Little;
            Lin, Stich, Patel and Jaggi 2020, Don't Use Large Mini-Batches, Use Local SGD;
            Malladi, Lyu, Panigrahi and Arora 2022, On the SDEs and Scaling Rules for Adaptive Gradient Algorithms.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from learning.background import BLOCKS_AHEAD, in_background, prefetch
from learning.pools import Corpus, Pools
from learning.sampling import Block, HeldOut, blocks, draw_block
from learning.stop_rule import is_scheduled, next_save_pairs
from learning.training import (
    Interval,
    Limits,
    PoolSongs,
    Report,
    Training,
    begin,
    commit_interval,
    compile_all,
    end_of_training,
    require_songs,
)
from learning.workers import CHIEF, END, STEPS_PER_ROUND, deal, first_draw, part_of
from runs.run_folder import newest_save
from utils import StopRequest, UserError

if TYPE_CHECKING:
    from learning.model import Model
    from learning.peers import Peers

SECONDS_TO_SEE = 60  # a network file system may show an old file for so long


def train_as_chief(
    peers: Peers,
    training: Training,
    model: Model,
    held_out: HeldOut | None,
    stop: StopRequest,
    limits: Limits,
    report: Report,
) -> str:
    """Have all others take up the save where this training stands, and train with them; return what ended it."""
    peers.tell(training.save)
    return train_together(peers, training, model, held_out, stop, limits, report)


def work_for_chief(run: Path, corpus: Corpus, stop: StopRequest, limits: Limits, report: Report, peers: Peers) -> None:
    """Train with the chief, which may find that there is nothing to do, until it says that all is done.

    Raises UserError where the run folder is not the chief's.
    """
    save = peers.tell(0)
    if save != END:
        with stop.at_once():
            wait_for_save(run, save)
            training, model = begin(run, corpus, add_only=False)
        train_together(peers, training, model, None, stop, limits, report)
        report(f"the training has ended, see {peers.place.name_of(CHIEF)}")
        peers.tell(0)  # the end
    peers.part()


def wait_for_save(run: Path, save: int) -> None:
    """Return when the run folder's newest save is the one that the chief has; raises UserError where it never is."""
    deadline = time.monotonic() + SECONDS_TO_SEE
    while (found := newest_save(run)) != save:
        if time.monotonic() > deadline:
            what = f"the newest save here is {found}, and the chief's is {save}"
            raise UserError(f"{run}: {what}; name the same folder on every machine, on a file system that they share")
        time.sleep(1)


def own_part(training: Training, rows: np.ndarray) -> Training:
    """Return a training of this worker's songs alone."""
    corpus = part_of(training.corpus, rows)
    vectors, squares = training.vectors[rows], training.squares[rows]
    return dataclasses.replace(training, corpus=corpus, stamps=corpus.stamps, vectors=vectors, squares=squares)


def gather_songs(peers: Peers, training: Training, own: Training, dealt: list[np.ndarray]) -> None:
    """Bring everybody's song vectors, and their state, into the chief's `training`; on others that stays as it is."""
    if not peers.place.is_chief:
        peers.to_chief(peers.place.index, np.concatenate([own.vectors, own.squares], axis=1))
        return
    training.vectors[dealt[peers.place.index]], training.squares[dealt[peers.place.index]] = own.vectors, own.squares
    for worker in range(1, peers.place.workers):
        rows = np.empty((len(dealt[worker]), training.vectors.shape[1] + 1), np.float32)
        peers.to_chief(worker, rows)
        training.vectors[dealt[worker]], training.squares[dealt[worker]] = rows[:, :-1], rows[:, -1:]


class Round(NamedTuple):
    """What all workers know after some steps."""

    costs: np.ndarray  # (steps,) the mean of everybody's
    out_of_time: bool  # the chief's --max-minutes
    stopped: list[int]  # workers that were told to stop by a signal


def end_round(peers: Peers, model: Model, costs: np.ndarray, out_of_time: bool, stop: StopRequest) -> Round:
    """Average the networks, and tell each other how it went."""
    said = np.zeros(STEPS_PER_ROUND + 1 + peers.place.workers)
    said[: len(costs)] = costs
    said[STEPS_PER_ROUND] = out_of_time and peers.place.is_chief
    said[STEPS_PER_ROUND + 1 + peers.place.index] = bool(stop)
    peers.average(model)
    heard = peers.sum(said)
    stopped = np.flatnonzero(heard[STEPS_PER_ROUND + 1 :]).tolist()
    return Round(heard[: len(costs)] / peers.place.workers, bool(heard[STEPS_PER_ROUND]), stopped)


def train_together(
    peers: Peers,
    training: Training,
    model: Model,
    held_out: HeldOut | None,
    stop: StopRequest,
    limits: Limits,
    report: Report,
) -> str:
    """Train, as `train` of training.py does, with the others, until something ends it; return what did.

    training  of all songs; only the chief's is kept up to date, save by save.
    """
    from learning.model import steps_per_call

    config, place = training.corpus.config, peers.place
    all_together = dataclasses.replace(config, batch_size=config.batch_size * place.workers)  # what a step takes
    dealt = deal(training.corpus.names, place.workers, config.seed)
    own = own_part(training, dealt[place.index])
    pools = Pools(own.corpus)
    pool_songs = PoolSongs(own, model, pools.pool_songs)
    first_step, first_pairs, first_seconds = model.step, training.pairs, training.seconds
    # Networks take fewer steps for as many pairs: Adam's rate grows as the square root of what a step takes
    model.learning_rate = config.learning_rate * math.sqrt(place.workers)
    offset, at_a_time = first_draw(place, pools), steps_per_call(config)

    def round_end(step: int) -> int:
        pairs = first_pairs + (step - first_step) * all_together.batch_size
        next_save = step + (next_save_pairs(pairs, all_together) - pairs) // all_together.batch_size
        return min(next_save, (step // STEPS_PER_ROUND + 1) * STEPS_PER_ROUND)

    def commit() -> None:
        pool_songs.write_back()
        own.skip(pools.skipped, report)
        gather_songs(peers, training, own, dealt)
        if place.is_chief:
            training.unreadable = own.unreadable
            commit_interval(training, model, held_out, interval, pairs, report)

    interval, pairs = Interval(), first_pairs
    with contextlib.closing(pools):
        with stop.at_once():
            none = require_songs(draw_block(pools, offset + first_step, 0, at_a_time), own.corpus)
            pool_songs.bring(none)
            in_background(lambda: compile_all(model, none, held_out, training.vectors))
        drawn = blocks(pools, offset + first_step, lambda step: offset + round_end(step - offset), at_a_time)
        with contextlib.closing(prefetch(drawn, BLOCKS_AHEAD)) as steps:
            while True:
                started = time.monotonic()
                costs, waited = train_round(steps, round_end(model.step), own, pool_songs, model)
                seconds = training.seconds + interval.seconds + time.monotonic() - started
                out_of_time = limits.max_minutes is not None and seconds - first_seconds >= 60 * limits.max_minutes
                heard = end_round(peers, model, costs, out_of_time, stop)
                interval.add(heard.costs, time.monotonic() - started - waited, waited)
                pairs += len(costs) * all_together.batch_size
                scheduled = is_scheduled(pairs, all_together)
                if not (scheduled or heard.out_of_time or heard.stopped):
                    continue
                commit()
                interval = Interval()
                reason = ""
                if place.is_chief:
                    reason = end_of_training(training, scheduled, heard.out_of_time, limits) or ""
                    if heard.stopped and not reason:
                        reason = describe_signal(heard.stopped, stop, peers)
                if peers.tell(END if reason else training.save) == END:
                    return reason or str(stop) or "by the chief"


def train_round(
    steps: Iterator[Block | None], end: int, own: Training, pool_songs: PoolSongs, model: Model
) -> tuple[np.ndarray, float]:
    """Train alone to a step; return the costs, (steps,), and the seconds that blocks were waited for."""
    costs, waited = [], 0.0
    while model.step < end:
        started = time.monotonic()
        block = require_songs(next(steps), own.corpus)
        waited += time.monotonic() - started
        pool_songs.bring(block)
        costs.append(model.train(block))
    return np.concatenate(costs), waited


def describe_signal(stopped: list[int], stop: StopRequest, peers: Peers) -> str:
    return str(stop) or f"{peers.place.name_of(stopped[0])} was told to stop"
