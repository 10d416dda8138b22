"""Turn a nested folder of audio into the same nesting of log-mel .npy files, doing only what is new or changed.

    python spectrify_all.py example_input/ example_vectors/ --config=configs/small_train.yaml

Reads   AUDIO_FOLDER  every file with an audio extension, in any case, that ffmpeg can decode. Left out: hidden files
                      and folders, what --exclude names, and folders that hold a file .nomedia or .notmusic.
                      A folder that cannot be read is named and skipped, and --prune then removes nothing.
Writes  MEL_FOLDER    <path of the audio file>.npy (frames, mel_bins) float16; spectrify_log.csv, a row a source file
                      with its status (ok, partial, silent, too_short, failed) and reason; config.yaml. A file shorter
                      than a frame is padded to one; too_short is what holds not one sample.

Resolution: how long a frame is, and how often there is one. A new folder, where neither --config nor --set says it,
gets what suits the lengths of up to 200 of the files, and one line says which and why; from then on the folder's
config.yaml says it. --config RUN_FOLDER/config.yaml makes mels to which calc_all_vecs.py can apply that run.

It can be stopped at any moment; the same command goes on. Files that failed are remembered and not tried again.
"""

from __future__ import annotations

import utils  # noqa: F401  first, so that Ctrl-C is one line during the other imports too

# isort: split

import dataclasses
import os
import shlex
import sys
from collections import Counter
from pathlib import Path

from config import (
    CONFIG_NAME,
    DEFAULT_CONFIG,
    RESOLUTION_KEYS,
    SHORT_SOUNDS_CONFIG,
    Config,
    add_config_arguments,
    audio_half,
    build_config,
    load_config,
    refuse_changed_keys,
    shipped_config,
    to_yaml,
)
from files import folder_lock, require_ours_or_empty, temporaries, write_file
from mels.batches import append_results, make_batches, run_batches
from mels.decoding import Decoders, find_decoders
from mels.file_ends import header_seconds
from mels.mel_folder import LEDGER_NAME, LedgerRow, is_ledger_in_order, ledger_name, read_audio_half
from mels.on_dask import add_scheduler_argument
from mels.plan import SKIP_MARKERS, Plan, Source, make_plan
from mels.removal import REMOVAL_NAME, finish_removal, prune, start_anew
from mels.resolution import are_short, reason, spread_evenly
from mels.spectrify_on_dask import rows_by_dask
from runs.run_folder import SAVE_NUMBER_NAME
from utils import (
    EXIT_DONE,
    EXIT_ERROR,
    UserError,
    add_quiet_argument,
    command,
    complain,
    duration,
    examples,
    plural,
    positive_float,
    positive_int,
    printable,
    printable_name,
    script_parser,
    usable_cores,
)

TIMEOUT_SECONDS = 30.0


def prepare_mel_folder(mel_folder: Path, asked: Config, given: frozenset[str], overwrite: bool) -> Config:
    """Return the configuration with the resolution of a mel folder that has one. Writes nothing.

    Raises UserError where the folder is not ours or empty, or was made with another audio half than the user asks for:
    the resolution is asked for where it is `given`, all other keys always.
    """

    def holds(name: str) -> bool:
        return (mel_folder / name).exists()

    ours = (holds(CONFIG_NAME) or holds(LEDGER_NAME)) and not holds(SAVE_NUMBER_NAME)
    require_ours_or_empty(mel_folder, "mel folder", lambda name: ours)
    if overwrite:
        return asked
    made_with = read_audio_half(mel_folder)
    unasked = [key for key in RESOLUTION_KEYS if key not in given]
    half = {key: value for key, value in audio_half(asked).items() if key not in unasked}
    refuse_changed_keys(made_with, half, mel_folder, "name another folder, or use --overwrite to make all of it anew")
    resolution = {key: made_with[key] for key in unasked if key in made_with}
    return build_config({**dataclasses.asdict(asked), **resolution}, str(mel_folder / CONFIG_NAME))


def choose_resolution(sources: list[Source], audio_folder: Path, asked: Config) -> Config:
    """Return the configuration with the shipped resolution that suits the audio, and say which, why, and the other."""
    stated = [header_seconds(os.path.join(audio_folder, source.name)) for source in spread_evenly(sources)]
    durations = [seconds for seconds in stated if seconds is not None]
    files = [DEFAULT_CONFIG, SHORT_SOUNDS_CONFIG]
    taken, other = reversed(files) if are_short(durations, len(stated)) else files
    resolution = {key: getattr(shipped_config(taken), key) for key in RESOLUTION_KEYS}
    config = build_config({**dataclasses.asdict(asked), **resolution}, str(taken))
    alternative = shipped_config(other).resolution.removeprefix("frames of ")
    print(
        f"resolution: {config.resolution}, {reason(durations, len(stated))} ({shown_path(taken)}); "
        f"--overwrite --config {shown_path(other)} takes {alternative}",
        flush=True,
    )
    return config


def shown_path(path: Path) -> str:
    """Return a path as it is typed where we are."""
    here = Path.cwd()
    return shlex.quote(printable(str(path.relative_to(here) if path.is_relative_to(here) else path)))


def describe(rows: dict[str, LedgerRow]) -> str:
    """Return e.g. '28 ok, 1 partial, 1 failed, 4 min of audio'."""
    counts = Counter(row.status for row in rows.values())
    parts = [
        f"{counts[status]:,} {status}"
        for status in ("ok", "partial", "silent", "too_short", "failed")
        if counts[status]
    ]
    seconds = sum(row.seconds for row in rows.values() if row.has_mel)
    return ", ".join([*parts, f"{duration(seconds)} of audio"])


def build_parser():
    parser = script_parser(__doc__)
    parser.add_argument("audio_folder", type=Path, metavar="AUDIO_FOLDER")
    parser.add_argument("mel_folder", type=Path, metavar="MEL_FOLDER")
    add_config_arguments(parser)
    parser.add_argument(
        "--exclude",
        action="append",
        default=[],
        metavar="GLOB",
        help="leave out what matches by name or path; repeatable",
    )
    parser.add_argument("--jobs", type=positive_int, metavar="N", help="processes at a time (default: one a core)")
    add_scheduler_argument(parser)
    parser.add_argument(
        "--retry-failed",
        action="store_true",
        help="try the files again that failed before, or that older versions left out",
    )
    parser.add_argument("--prune", action="store_true", help="remove the mels of audio files that are gone")
    parser.add_argument(
        "--overwrite", action="store_true", help="make all anew; deletes only files that the ledger lists"
    )
    parser.add_argument(
        "--timeout", type=positive_float, default=TIMEOUT_SECONDS, metavar="SECONDS",
        help="kill a decoder that is silent for so long (and a second per 50 MB), or takes that and a second per 50 kB",
    )  # fmt: skip
    parser.add_argument(
        "--strict", action="store_true", help="exit with 1 where a file failed or a folder cannot be read"
    )
    add_quiet_argument(parser, nightly=True)
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    audio_folder, mel_folder = arguments.audio_folder, arguments.mel_folder
    asked, given = load_config(arguments)
    if not audio_folder.is_dir():
        raise UserError(f"{audio_folder}: no such audio folder")
    preparing = (mel_folder, asked, given, arguments.overwrite)
    planning = (audio_folder, mel_folder, arguments.exclude, arguments.retry_failed)

    config = prepare_mel_folder(*preparing)
    plan = make_plan(*planning, config.mel_bins, arguments.overwrite)
    if arguments.overwrite and plan.hidden:
        raise UserError(
            f"{audio_folder / plan.unreadable[0]}: cannot be read, and --overwrite would remove "
            f"{plural(len(plan.hidden), 'mel')} for good; make it readable, or leave it out by --exclude"
        )
    pruning = arguments.prune and bool(plan.removable)
    killed = (mel_folder / REMOVAL_NAME).exists() or bool(temporaries(mel_folder))
    left_over = killed or not is_ledger_in_order(mel_folder, plan.rows)
    if plan.to_do or pruning or left_over:
        decoders = find_decoders(config)
        mel_folder.mkdir(parents=True, exist_ok=True)
        with folder_lock(mel_folder):
            finish_removal(mel_folder)
            # all of it again: somebody may have worked on it before we had the lock
            config = prepare_mel_folder(*preparing)
            if arguments.overwrite:
                start_anew(mel_folder)
            del plan  # of a million files two would be a GB and more
            plan = make_plan(*planning, config.mel_bins, overwrite=False)
            is_told = arguments.config is not None or not given.isdisjoint(RESOLUTION_KEYS)
            if not is_told and not (mel_folder / CONFIG_NAME).exists():
                config = choose_resolution(plan.to_do, audio_folder, asked)
            spectrify(plan, audio_folder, mel_folder, decoders, config, arguments)
    return report(plan, mel_folder, [ledger_name(source.name) for source in plan.to_do], arguments)


def spectrify(plan: Plan, audio_folder: Path, mel_folder: Path, decoders: Decoders, config: Config, arguments) -> None:
    """Carry out a plan. Needs the lock."""
    if not (mel_folder / CONFIG_NAME).exists():
        write_file(mel_folder / CONFIG_NAME, to_yaml(audio_half(config)))
    batches = make_batches(plan.to_do, decoders)
    folders = (os.fspath(audio_folder.absolute()), os.fspath(mel_folder.absolute()))
    shared = (decoders, config, arguments.timeout)
    if not batches:
        results = iter(())
    elif arguments.scheduler:
        results = rows_by_dask(arguments.scheduler, arguments.jobs, batches, folders, *shared)
    else:
        results = run_batches(batches, arguments.jobs or usable_cores(), *folders, *shared)
    append_results(plan, mel_folder, results, arguments.quiet)
    if arguments.prune and plan.removable:
        prune(mel_folder, plan.rows, plan.removable)


def report(plan: Plan, mel_folder: Path, done: list[str], arguments) -> int:
    """Print the summary on stdout, and what to do about what is not as it should be; return the exit code.

    done  names of the files that were done now, as the ledger has them. With --quiet nothing is said where there are
          none, and else of failures only these: the others were told when they failed.
    """
    failed = [row for row in plan.rows.values() if row.status == "failed"]
    strictly = arguments.strict and (failed or plan.unreadable or plan.closed)
    pruned = arguments.prune and plan.removable
    if done or pruned or strictly or not arguments.quiet:
        found = plural(plan.found, "audio file")
        print(f"{printable_name(str(mel_folder))}: {found}, {len(done):,} done now: {describe(plan.rows)}")
        if not arguments.quiet or strictly:
            report_folders(plan, arguments.prune)
            report_left_out(plan)
        now = set(done)
        report_failed([row for row in failed if not arguments.quiet or strictly or row.filename in now], mel_folder)
    if not plan.has_mels:
        return complain(f"no file gave a mel; see {mel_folder / LEDGER_NAME}", EXIT_ERROR)
    return EXIT_ERROR if strictly else EXIT_DONE


def report_left_out(plan: Plan) -> None:
    """Print how many files have no sample, and how many were left out by older versions."""
    too_short = [row for row in plan.rows.values() if row.status == "too_short"]
    left_out = sum(row.is_left_out for row in too_short)
    if len(too_short) > left_out:
        print(f"{plural(len(too_short) - left_out, 'file')} without a single sample: no mel and so no vector")
    if left_out:
        what = "shorter than a frame, left out by an older version"
        print(f"{plural(left_out, 'file')} {what}: --retry-failed takes them in")


def report_failed(failed: list[LedgerRow], mel_folder: Path) -> None:
    if failed:
        first = f"{printable_name(failed[0].filename)}: {failed[0].reason}"
        print(
            f"{plural(len(failed), 'file')} failed, e.g. {first}; "
            f"see {printable_name(str(mel_folder / LEDGER_NAME))}; --retry-failed tries again"
        )


def report_folders(plan: Plan, pruning: bool) -> None:
    """Print which folders were skipped, and which audio files are gone."""
    if plan.marked_folders:
        print(f"{plural(plan.marked_folders, 'folder')} skipped for a file {' or '.join(SKIP_MARKERS)}")
    if plan.unreadable:
        names = examples(plan.unreadable)
        print(f"{plural(len(plan.unreadable), 'folder')} skipped that cannot be read ({names}): mels of it stay")
    if plan.closed:
        names = examples(plan.closed)
        print(f"{plural(len(plan.closed), 'folder')} of the mel folder closed to us ({names}): left as they are")
    if pruning and plan.unreadable:
        print("--prune removes nothing while a folder cannot be read: make it readable, or leave it out by --exclude")
    if plan.gone:
        what = "removed from the mel folder" if pruning and plan.removable else "their mels stay; --prune removes them"
        print(f"{plural(len(plan.gone), 'audio file')} gone ({examples(plan.gone)}): {what}")


if __name__ == "__main__":
    sys.exit(main())
