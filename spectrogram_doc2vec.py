"""Learn a vector for every song of a mel folder, and networks for frames; go on from the last save when run again.

    python spectrogram_doc2vec.py example_vectors/ example_outs/ --config=configs/small_train.yaml

Reads   MEL_FOLDER  what spectrify_all.py wrote, or any folder of .npy files (frames, bins) of floats.
Writes  RUN_FOLDER  vector_at_{x}.npy (songs, output_vector_size) float32 with its rows' names in music_list.txt,
                    weights/, cost_list.csv, config.yaml, and epoc_num.txt: the newest save's number, replaced last.

It stops by itself when the held-out cost, that of frames it never trains on, has flattened: when the best of the newest
`patience_saves` saves, or of as many as make `patience_passes` passes over all frames, is not `least_improvement` below
the best before them. Ctrl-C and SIGTERM save first. Songs that are new, gone or renamed since the last run are taken in
by name: the others keep their vectors.

How long frames are and how far apart is what the mel folder says, and what is not given goes with that: how far apart
two frames of a pair may lie (window_seconds), how long coarse frames are (coarse_seconds; the held-out cost is that of
frames only), output_vector_size. A run that has a save keeps every key that it was made with, unless another value is
given; those that shape its networks cannot change.

On several machines (TF_CONFIG in the environment, as TensorFlow documents it) the same command is started on each:
songs are dealt out by name, the networks are averaged every few steps, and the first worker, the chief, writes the run
folder. All must see the same two folders. Where a machine is gone the others end with exit code 75; start all again.

Reference   Le and Mikolov 2014, Distributed Representations of Sentences and Documents; see learning/model.py.
"""

from __future__ import annotations

import utils  # noqa: F401  first, so that Ctrl-C is one line during the other imports too

# isort: split

import argparse
import functools
import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from config import Config, add_config_arguments, load_config
from files import folder_lock
from learning.memory import available_memory, memory_estimate
from learning.pools import Corpus
from learning.run_config import effective_config, refuse_changed_run
from learning.sampling import HeldOut, held_out_pairs
from learning.stop_rule import has_flattened
from learning.supervisor import end_with_supervisor, is_supervised, supervise
from learning.together import train_as_chief, work_for_chief
from learning.training import (
    Interval,
    Limits,
    Report,
    Trainer,
    Training,
    begin,
    commit_interval,
    read_save,
    train,
)
from learning.workers import TF_CONFIG, Place, read_place, require_songs_for_all, what_all_must_share
from mels.mel_folder import MelList, list_mels, read_audio_half
from runs.repair import is_whole, prepare, repair
from runs.run_folder import (
    SAVE_NUMBER_NAME,
    newest_list,
    newest_save,
    read_song_list,
)
from runs.vectors import newest
from utils import (
    EXIT_DONE,
    StopRequest,
    UserError,
    add_quiet_argument,
    command,
    duration,
    examples,
    leave,
    plural,
    positive_float,
    positive_int,
    printable,
    script_parser,
    usable_cores,
)

if TYPE_CHECKING:
    from learning.model import Model


def is_finished(run: Path, corpus: Corpus, limits: Limits, add_only: bool) -> bool:
    """Tell whether there is nothing to do. Only reads."""
    number = newest_save(run)
    if not number or not is_whole(run) or read_song_list(run, number) != corpus.names:
        return False
    # Also where there is nothing to do: who runs this every night has to hear that a save is damaged
    found = newest(run, lambda save: read_save(run, save, corpus))
    if add_only:
        return True
    if not np.array_equal(found.songs["stamps"], corpus.stamps):
        return False
    if limits.max_saves is not None and number >= limits.max_saves:
        return True
    frames = int(corpus.frames.sum())
    return not limits.forever and has_flattened(found.costs, newest_list(run, number), corpus.config, frames)


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
    parser.add_argument(
        "--add-only",
        action="store_true",
        help="train nothing: give new songs a vector, drop gone ones, leave every other byte of the vectors as it is",
    )
    parser.add_argument(
        "--wait-minutes",
        type=positive_float,
        default=10.0,
        metavar="M",
        help="on several machines: give up where not all have come within M minutes",
    )
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu", help="what TensorFlow computes on")
    # Does nothing: it stands in the crontabs of those who wanted song vectors alone when there were others
    parser.add_argument("--no-descriptors", action="store_true", help=argparse.SUPPRESS)
    add_quiet_argument(parser, nightly=True)
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    stop = StopRequest()
    place = read_place(os.environ.get(TF_CONFIG))
    with stop.listening():
        if place is None:
            exit_code = run(arguments, stop)
        elif is_supervised():
            end_with_supervisor()
            exit_code = run_with_others(arguments, stop, place)
        else:
            words = sys.argv[1:] if argv is None else argv
            exit_code = supervise(words, place, 60 * arguments.wait_minutes, stop)
    if stop and __name__ == "__main__":
        leave(exit_code)
    return exit_code


def reporter(quiet: bool, prefix: str = "") -> Report:
    def report(line: str) -> None:
        if not quiet:
            print(prefix + line, file=sys.stderr, flush=True)

    return report


def run(arguments, stop: StopRequest) -> int:
    """Check everything that can be checked without TensorFlow, then train under the lock."""
    run_folder = arguments.run_folder
    limits = Limits(arguments.forever, arguments.max_minutes, arguments.max_saves)
    report = reporter(arguments.quiet)
    with stop.at_once():  # until the first commit nothing can be lost
        corpus, left_out = open_both(arguments)
        if is_finished(run_folder, corpus, limits, arguments.add_only):
            return print_finished(run_folder, corpus, arguments.quiet)
        describe_corpus(corpus, left_out, report)
    with folder_lock(run_folder):
        with stop.at_once():
            refuse_changed_run(run_folder, corpus.config)
            repair(run_folder)
            if is_finished(run_folder, corpus, limits, arguments.add_only):
                return print_finished(run_folder, corpus, arguments.quiet)
            check_memory(corpus, report)
        training, reason = train_locked(corpus, arguments, stop, limits, report)
    return print_summary(training, reason, left_out)


def run_with_others(arguments, stop: StopRequest, place: Place) -> int:
    """As `run`, on one of several machines: the chief has the lock and writes, the others only read the run folder."""
    run_folder = arguments.run_folder
    limits = Limits(arguments.forever, arguments.max_minutes, arguments.max_saves)
    report = reporter(arguments.quiet, "" if place.is_chief else f"{place}: ")
    with stop.at_once():
        corpus, left_out = open_both(arguments, writes=place.is_chief)
        if is_finished(run_folder, corpus, limits, arguments.add_only):
            return print_finished(run_folder, corpus, arguments.quiet)
        require_songs_for_all(corpus, place)
        if place.is_chief:
            describe_corpus(corpus, left_out, report)
        check_memory(corpus, report)
        from learning.model import use_device
        from learning.peers import join

        use_device(arguments.device)
        peers = join(place, 60 * arguments.wait_minutes, report)
        remedy = f"give every machine of {TF_CONFIG} the same command and the same mel folder"
        peers.require_alike(what_all_must_share(corpus, limits, arguments.add_only), remedy)
    if not place.is_chief:
        work_for_chief(run_folder, corpus, stop, limits, report, peers)
        return EXIT_DONE
    with folder_lock(run_folder):
        with stop.at_once():
            refuse_changed_run(run_folder, corpus.config)
            repair(run_folder)
        if is_finished(run_folder, corpus, limits, arguments.add_only):
            peers.end()
            return print_finished(run_folder, corpus, arguments.quiet)
        training, reason = train_locked(
            corpus, arguments, stop, limits, report, functools.partial(train_as_chief, peers)
        )
        peers.end()
    return print_summary(training, reason, left_out)


def open_both(arguments, writes: bool = True) -> tuple[Corpus, list[str]]:
    """Return the corpus and what is left out of it, as `open_corpus` does, and see that the run folder goes with it.

    writes  make the run folder where it is not there.
    """
    run_folder = arguments.run_folder
    config, given = load_config(arguments)
    corpus, left_out = open_corpus(arguments.mel_folder, config, given, run_folder)
    if writes:
        prepare(run_folder)
    refuse_changed_run(run_folder, corpus.config)
    if arguments.add_only and not newest_save(run_folder):
        raise UserError(f"{run_folder}: holds no save to add songs to; train it first, without --add-only")
    return corpus, left_out


def open_corpus(
    mel_folder: Path, config: Config, given: frozenset[str], run_folder: Path | None = None
) -> tuple[Corpus, list[str]]:
    """Return the songs that have a frame, and a line for every file that is left out."""
    mels = list_mels(mel_folder)
    refuse_to_drop_unreadable(mel_folder, mels, run_folder)
    empty = [f"{name}: no frame" for name, frames in zip(mels.names, mels.frames, strict=True) if not frames]
    full = mels.frames > 0
    names = [name for name, is_full in zip(mels.names, full, strict=True) if is_full]
    left_out = [*mels.left_out, *empty]
    if len(names) < 2:
        more = f"; left out: {left_out[0]}" if left_out else ""
        raise UserError(f"{mel_folder}: holds {plural(len(names), 'usable song')}, and two are needed; add more{more}")
    config = effective_config(config, given, mel_folder, mels, run_folder)
    return Corpus(mel_folder, names, mels.frames[full], mels.bins, config, mels.stamps[full]), left_out


def refuse_to_drop_unreadable(mel_folder: Path, mels: MelList, run: Path | None) -> None:
    """Raise UserError where songs would lose their vectors only because nobody lets us read their mels at present."""
    number = newest_save(run) if mels.unreadable and run is not None and (run / SAVE_NUMBER_NAME).is_file() else 0
    lost = [name for name in read_song_list(run, number) if mels.is_unreadable(name)] if number else []
    if lost:
        raise UserError(
            f"{mel_folder}: {plural(len(lost), 'song')} of {run} cannot be read ({examples(mels.unreadable)}), "
            "and would lose their vectors; make them readable, or remove them"
        )


def describe_corpus(corpus: Corpus, left_out: list[str], report: Report) -> None:
    frames, config = int(corpus.frames.sum()), corpus.config
    length = duration(frames * config.hop_seconds)
    # features of one's own do not say what they were computed from
    is_known = "frame_seconds" in read_audio_half(corpus.folder)
    resolution = config.resolution if is_known else f"a frame every {config.hop_seconds:.4g} s"
    report(
        f"{corpus.folder}: {plural(len(corpus.names), 'song')}, {length}, {frames:,} frames of {corpus.bins} bins; "
        f"{resolution}, pairs at most {config.window_seconds:.4g} s apart"
        + (f", coarse frames of {config.coarse_seconds:.4g} s" if len(corpus.views) > 1 else "")
    )
    for line in left_out[:3]:
        report(f"left out: {printable(line)}")


def check_memory(corpus: Corpus, report: Report) -> None:
    """Say what the training will take. Raises UserError where that is not there."""
    needed, there = memory_estimate(corpus), available_memory()
    is_known = there is not None
    report(f"memory: about {needed / 1e9:.1f} GB" + (f" of {there / 1e9:.1f} GB available" if is_known else ""))
    if is_known and needed > there:
        fewer = corpus.config.pool_frames // 4
        remedy = f"--set pool_frames={fewer}" if fewer else "a smaller batch_size or hidden_size"
        raise UserError(
            f"{corpus.folder}: training takes about {needed / 1e9:.1f} GB of memory, and {there / 1e9:.1f} GB are "
            f"available; close other programs, or use {remedy}"
        )


def train_locked(
    corpus: Corpus, arguments, stop: StopRequest, limits: Limits, report: Report, train: Trainer = train
) -> tuple[Training, str]:
    """Begin or take up a training, and let it come to its stop; return where it stands, and what ended it."""
    with stop.at_once():
        from learning.model import use_device

        report(f"device: {use_device(arguments.device)}, {usable_cores()} threads")
        training, model = begin(arguments.run_folder, corpus, arguments.add_only)
        held_out = held_out_pairs(corpus)
    return training, train_to_stop(training, model, held_out, stop, limits, arguments.add_only, report, train)


def train_to_stop(
    training: Training,
    model: Model,
    held_out: HeldOut | None,
    stop: StopRequest,
    limits: Limits,
    add_only: bool,
    report: Report,
    train: Trainer,
) -> str:
    """Commit a changed song list, then train; return what ended it."""
    begun = f"goes on from save {training.save}" if training.save else "starts anew"
    report(f"{training.run}: {begun}; held-out cost on {plural(held_out.pairs if held_out else 0, 'pair')}")
    if training.changes:
        report(f"songs: {training.changes}")
        commit_interval(training, model, held_out, Interval(), training.pairs, report)
    if add_only:
        return "new songs are added, nothing is trained (--add-only)"
    if training.changes and limits.max_saves is not None and training.save >= limits.max_saves:
        return f"save {limits.max_saves} is reached (--max-saves)"
    return train(training, model, held_out, stop, limits, report)


def print_finished(run_folder: Path, corpus: Corpus, quiet: bool) -> int:
    if not quiet:
        songs = plural(len(corpus.names), "song")
        print(f"{run_folder}: nothing to do: save {newest_save(run_folder)} of {songs} stands")
    return EXIT_DONE


def print_summary(training: Training, reason: str, left_out: list[str]) -> int:
    """Print the closing summary."""
    run_folder, songs = training.run, len(training.corpus.names)
    if not training.costs:
        print(f"{run_folder}: stopped before the first step ({reason}); nothing was there to save")
        return EXIT_DONE
    last = training.costs[-1]
    best = min(training.costs, key=lambda row: math.inf if math.isnan(row.held_out_cost) else row.held_out_cost)
    print(
        f"{run_folder}: save {training.save}, {songs:,} song vectors of {training.vectors.shape[1]} dimensions; "
        + (f"songs: {training.changes}; " if training.changes else "")
        + f"held-out cost {last.held_out_cost:.4f}, lowest {best.held_out_cost:.4f} at save {best.epoc}; "
        f"{last.pairs:,} pairs in {duration(last.seconds)}; stopped: {reason}"
    )
    if left_out:
        print(f"{plural(len(left_out), 'mel file')} left out: not usable, e.g. {printable(left_out[0])}")
    if training.unreadable:
        name, why = next(iter(training.unreadable.items()))
        print(f"{plural(len(training.unreadable), 'song')} could not be read, e.g. {printable(name)}: {printable(why)}")
    return EXIT_DONE


if __name__ == "__main__":
    exit_code = main()
    if os.environ.get(TF_CONFIG):
        leave(exit_code)  # TensorFlow's threads may still wait for machines that never come
    sys.exit(exit_code)
