"""Turn a nested folder of audio into the same nesting of log-mel .npy files, doing only what is new or changed.

    python spectrify_all.py example_input/ example_vectors/ --config=configs/small_train.yaml

Reads   AUDIO_FOLDER  every file with an audio extension, in any case, that ffmpeg can decode. Left out: hidden files
                      and folders, what --exclude names, and folders that hold a file .nomedia or .notmusic.
Writes  MEL_FOLDER    <path of the audio file>.npy (frames, mel_bins) float16; spectrify_log.csv, a row a source file
                      with its status (ok, partial, silent, too_short, failed) and reason; config.yaml.

It can be stopped at any moment; the same command goes on. Files that failed are remembered and not tried again.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from config import Config, add_config_arguments, audio_half, load_config, refuse_changed_keys, to_yaml
from mels.mel_folder import (
    CONFIG_NAME,
    LEDGER_NAME,
    MEL_SUFFIX,
    LedgerRow,
    ledger_text,
    ordered_ledger,
    read_audio_half,
    read_ledger,
    write_ledger,
)
from runs.run_folder import LOCK_NAME, SAVE_NUMBER_NAME, folder_lock
from utils import (
    EXIT_DONE,
    EXIT_ERROR,
    EXIT_INTERRUPTED,
    INTERRUPTED,
    Progress,
    UserError,
    add_quiet_argument,
    command,
    complain,
    duration,
    has_line_break,
    plural,
    positive_float,
    positive_int,
    printable,
    remove_temporaries,
    save_array,
    script_parser,
    usable_cores,
    walk_files,
    write_file,
)

if TYPE_CHECKING:
    from mels.decoding import Decoders

SKIP_MARKERS = (".nomedia", ".notmusic")
BATCH_FILES = 4  # to one decoder process: enough to pay its start-up once in a while, few enough to bound memory
BATCH_BYTES = 16_000_000  # a file above this is a batch of its own: its decoding takes longer than any start-up
NPY_HEADER_BYTES = 128  # of numpy's format 1.0 with a shape as short as ours
MEL_ITEM_BYTES = 2  # float16
TIMEOUT_SECONDS = 30.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
SIGNAL_SECONDS = 0.2  # between two looks whether a signal has come
PARENT_SECONDS = 0.5  # between two looks of a worker whether the main process is still there

# What is a file's own fault when its mel cannot be written; anything else, like a full disk, ends the run.
_TAKEN = "a file or folder of the same name is in its way in the mel folder; rename it"
NAME_TROUBLE = {
    errno.ENAMETOOLONG: f"its name with {MEL_SUFFIX} is too long for the file system; shorten it",
    errno.ENOTDIR: _TAKEN,
    errno.EEXIST: _TAKEN,
    errno.EISDIR: _TAKEN,
}


@dataclass(frozen=True)
class Source:
    """An audio file as it was found: path relative to the audio folder, and what tells whether it has changed."""

    name: str
    size: int
    mtime: str


@dataclass(frozen=True)
class Plan:
    """What a run has to do."""

    to_do: list[Source]
    rows: dict[str, LedgerRow]  # the ledger as it stands
    gone: list[str]  # in the ledger, no more in the audio folder
    found: int
    skipped_folders: int


def find_sources(audio_folder: Path, exclude: list[str]) -> tuple[list[Source], int]:
    """Return the audio files, sorted by the bytes of their path, and the number of folders skipped for a marker."""
    from mels.decoding import is_audio

    names, skipped_folders = walk_files(audio_folder, is_audio, exclude, SKIP_MARKERS)
    sources = []
    for name in names:
        try:
            status = os.stat(os.path.join(audio_folder, name))
        except FileNotFoundError:  # gone since the folder was listed
            continue
        seconds, nanoseconds = divmod(status.st_mtime_ns, 10**9)
        sources.append(Source(name, status.st_size, f"{seconds}.{nanoseconds:09d}"))
    return sources, skipped_folders


def make_plan(
    audio_folder: Path, mel_folder: Path, config: Config, exclude: list[str], retry_failed: bool, overwrite: bool
) -> Plan:
    """Compare the audio folder with the ledger. Raises UserError where there is no audio at all."""
    sources, skipped_folders = find_sources(audio_folder, exclude)
    if not sources:
        raise UserError(f"{audio_folder}: no audio file found in it; name the folder that holds the audio")
    rows = read_ledger(mel_folder)

    def is_done(source: Source) -> bool:
        row = rows.get(ledger_name(source.name))
        if overwrite or row is None or (row.size, row.mtime) != (source.size, source.mtime):
            return False
        if row.has_mel:
            return _mel_is_whole(mel_folder, row, config)
        return not (retry_failed and row.status == "failed")

    to_do = [source for source in sources if not is_done(source)]
    present = {ledger_name(source.name) for source in sources}
    gone = [name for name in rows if name not in present]
    return Plan(to_do, rows, gone, len(sources), skipped_folders)


def ledger_name(name: str) -> str:
    """Return a file's name as the ledger has it: a line break, for which the file is refused, as no path holds it."""
    return name.replace("\r", "//r").replace("\n", "//n")


def _mel_is_whole(mel_folder: Path, row: LedgerRow, config: Config) -> bool:
    """Tell by its size alone whether a mel file is there and whole: one look at 100,000 files takes a second."""
    try:
        size = os.stat(os.path.join(mel_folder, row.filename + MEL_SUFFIX)).st_size
    except FileNotFoundError:
        return False
    return size == NPY_HEADER_BYTES + row.frames * config.mel_bins * MEL_ITEM_BYTES


def make_batches(sources: list[Source], decoders: Decoders) -> list[list[Source]]:
    """Group neighbouring files for one decoder process each; sox reads one file at a time."""
    batches: list[list[Source]] = []
    room_files = room_bytes = 0
    for source in sources:
        if decoders.name_for(source.name) == "sox" or has_line_break(source.name):
            batches.append([source])
            room_files = 0
            continue
        if not room_files or source.size > room_bytes:
            batches.append([])
            room_files, room_bytes = BATCH_FILES, BATCH_BYTES
        batches[-1].append(source)
        room_files -= 1
        room_bytes -= source.size
    return batches


def spectrify_batch(
    batch: list[Source], audio_folder: str, mel_folder: str, decoders: Decoders, config: Config, timeout_seconds: float
) -> list[LedgerRow]:
    """Decode a batch, write its mel files, and return its ledger rows. Runs in a worker process.

    Raises OSError where a mel file cannot be written: a full disk is no fault of the file.
    """
    from threadpoolctl import threadpool_limits

    from mels import decoding as audio

    if has_line_break(batch[0].name):
        tracks = [audio.Track("failed", 0.0, "a line break in the name; rename it", None)]
    else:
        paths = [os.path.join(audio_folder, source.name) for source in batch]
        with threadpool_limits(1):  # the matrices are small: more threads only wait for each other
            framers = audio.shared_framers(config, BATCH_FILES)
            tracks = audio.tracks_from_files(paths, framers, decoders, config, timeout_seconds)
    rows = []
    for source, track in zip(batch, tracks, strict=True):
        status, reason, frames = track.status, track.reason, 0
        if track.mel is not None:
            path = os.path.join(mel_folder, source.name + MEL_SUFFIX)
            try:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                save_array(path, track.mel)
                frames = len(track.mel)
            except OSError as error:
                if error.errno not in NAME_TROUBLE:
                    raise
                status, reason = "failed", NAME_TROUBLE[error.errno]
        decoder = decoders.name_for(source.name)
        name = ledger_name(source.name)
        rows.append(LedgerRow(name, status, track.seconds, frames, source.size, source.mtime, decoder, reason))
    return rows


def spectrify_in_worker(parent: int, *arguments: object) -> list[LedgerRow]:
    """As spectrify_batch, in a process that ends when its parent does: a killed run must not work on unseen."""
    if not any(thread.name == "parent" for thread in threading.enumerate()):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches us too, and is the parent's to answer
        threading.Thread(target=_end_with, args=(parent,), name="parent", daemon=True).start()
    return spectrify_batch(*arguments)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    os._exit(EXIT_ERROR)


def run_batches(batches: list[list[Source]], jobs: int, *shared: object) -> Iterator[list[LedgerRow]]:
    """Yield the rows of each batch as it is done, in any order."""
    jobs = min(jobs, len(batches))
    if jobs == 1:
        yield from (spectrify_batch(batch, *shared) for batch in batches)
        return
    from joblib import Parallel, delayed
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    # Where we are killed, joblib's helper process would tell the terminal, or cron, of semaphores that it cleans up.
    os.environ["PYTHONWARNINGS"] = "ignore:resource_tracker:UserWarning"
    # A worker that is killed must not take the rows of the others with it, so they come one by one, not at the end.
    parallel = Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1, pre_dispatch="3*n_jobs")
    try:
        yield from parallel(delayed(spectrify_in_worker)(os.getpid(), batch, *shared) for batch in batches)
    except TerminatedWorkerError:
        raise UserError(
            f"a worker was killed, perhaps for want of memory; run the same command with --jobs {jobs // 2 or 1}"
        ) from None


def is_ledger_in_order(mel_folder: Path, rows: dict[str, LedgerRow]) -> bool:
    """Tell whether the ledger is as a whole run leaves it: a killed one leaves rows in the order of their end."""
    path = mel_folder / LEDGER_NAME
    return not path.exists() or path.read_bytes() == ordered_ledger(rows)


def prepare_mel_folder(mel_folder: Path, config: Config, overwrite: bool) -> None:
    """Check that the folder is ours or empty, and was made with this audio half. Raises UserError. Writes nothing."""
    if mel_folder.exists() and not mel_folder.is_dir():
        raise UserError(f"{mel_folder}: is a file; name a folder for the output")
    if not mel_folder.exists():
        return
    names = [name for name in os.listdir(mel_folder) if not name.startswith(".") and name != LOCK_NAME]
    ours = (CONFIG_NAME in names or LEDGER_NAME in names) and SAVE_NUMBER_NAME not in names
    if names and not ours:
        raise UserError(
            f"{mel_folder}: is no mel folder, and holds {min(names)!r} already; name a new or an empty folder"
        )
    if not overwrite:
        remedy = "name another folder, or use --overwrite to make all of it anew"
        refuse_changed_keys(read_audio_half(mel_folder), audio_half(config), mel_folder, remedy)


def start_anew(mel_folder: Path) -> None:
    """Forget and delete what the ledger lists, and nothing else."""
    rows = read_ledger(mel_folder)
    write_ledger(mel_folder, {})  # first: no row may name a file that is gone
    (mel_folder / CONFIG_NAME).unlink(missing_ok=True)
    for name in rows:
        remove_mel(mel_folder, name)


def remove_mel(mel_folder: Path, name: str) -> None:
    """Remove the mel of a file in the ledger, and the folders that it leaves empty."""
    path = mel_folder / (name + MEL_SUFFIX)
    if path.is_dir():  # not ours
        return
    path.unlink(missing_ok=True)
    for folder in path.parents:
        if folder == mel_folder or not folder.is_dir() or any(folder.iterdir()):
            break
        folder.rmdir()


def work_off(plan: Plan, mel_folder: Path, results: Iterator[list[LedgerRow]], quiet: bool) -> None:
    """Take the rows as they come into the ledger: appended at once, and at the end, however it comes, sorted.

    Raises KeyboardInterrupt after SIGINT or SIGTERM.
    """
    names = [*plan.rows, *(source.name for source in plan.to_do)]
    for folder in {os.fspath(mel_folder)} | {os.path.dirname(os.path.join(mel_folder, name)) for name in names}:
        remove_temporaries(folder)
    write_ledger(mel_folder, plan.rows)  # cuts off a line that a killed run left torn
    progress = Progress(len(plan.to_do), "spectrify", "files", quiet)
    descriptor = os.open(mel_folder / LEDGER_NAME, os.O_WRONLY | os.O_APPEND)
    try:
        for rows in until_signal(results):
            os.write(descriptor, ledger_text(rows, header=False))
            for row in rows:
                old = plan.rows.get(row.filename)
                if old is not None and old.has_mel and not row.has_mel:
                    remove_mel(mel_folder, row.filename)
                plan.rows[row.filename] = row
            progress.advance(len(rows))
    finally:
        os.close(descriptor)
        progress.close()
        write_ledger(mel_folder, plan.rows)


def until_signal(results: Iterator) -> Iterator:
    """Yield what an iterator yields; raise KeyboardInterrupt soon after SIGINT or SIGTERM, and only here.

    The iterator runs in a thread of its own: an exception that a signal throws into the midst of joblib or subprocess
    breaks them in ways that nobody can mend.
    """
    stop: list[int] = []
    before = {number: signal.signal(number, lambda number, _: stop.append(number)) for number in STOP_SIGNALS}
    queue: SimpleQueue = SimpleQueue()

    def feed() -> None:
        try:
            for item in results:
                queue.put((item, None))
            queue.put((None, StopIteration()))
        except Exception as error:
            queue.put((None, error))

    threading.Thread(target=feed, daemon=True).start()
    try:
        while True:
            with contextlib.suppress(Empty):
                item, error = queue.get(timeout=SIGNAL_SECONDS)
                if isinstance(error, StopIteration):
                    return
                if error is not None:
                    raise error
                yield item
            if stop:
                raise KeyboardInterrupt
    finally:
        if not stop:
            for number, handler in before.items():
                signal.signal(number, handler)


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
    parser.add_argument("--retry-failed", action="store_true", help="try the files again that failed before")
    parser.add_argument("--prune", action="store_true", help="remove the mels of audio files that are gone")
    parser.add_argument(
        "--overwrite", action="store_true", help="make all anew; deletes only files that the ledger lists"
    )
    parser.add_argument(
        "--timeout", type=positive_float, default=TIMEOUT_SECONDS, metavar="SECONDS",
        help="kill a decoder after this plus a second per 50 kB of audio file",
    )  # fmt: skip
    parser.add_argument("--strict", action="store_true", help="exit with 1 where any file failed")
    add_quiet_argument(parser)
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    audio_folder, mel_folder = arguments.audio_folder, arguments.mel_folder
    config, _ = load_config(arguments)
    from mels.decoding import find_decoders

    if not audio_folder.is_dir():
        raise UserError(f"{audio_folder}: no such audio folder")
    prepare_mel_folder(mel_folder, config, arguments.overwrite)
    planning = (audio_folder, mel_folder, config, arguments.exclude, arguments.retry_failed)

    plan = make_plan(*planning, arguments.overwrite)
    made = len(plan.to_do)
    pruned = len(plan.gone) if arguments.prune else 0
    if made or pruned or not is_ledger_in_order(mel_folder, plan.rows):
        decoders = find_decoders(config)
        mel_folder.mkdir(parents=True, exist_ok=True)
        with folder_lock(mel_folder):
            prepare_mel_folder(mel_folder, config, arguments.overwrite)
            if arguments.overwrite:
                start_anew(mel_folder)
            plan = make_plan(*planning, overwrite=False)  # again: somebody may have worked on it before we had the lock
            spectrify(plan, audio_folder, mel_folder, decoders, config, arguments)
    return report(plan, mel_folder, made, pruned, arguments.strict)


def spectrify(plan: Plan, audio_folder: Path, mel_folder: Path, decoders: Decoders, config: Config, arguments) -> None:
    """Carry out a plan. Needs the lock."""
    if not (mel_folder / CONFIG_NAME).exists():
        write_file(mel_folder / CONFIG_NAME, to_yaml(audio_half(config)))
    batches = make_batches(plan.to_do, decoders)
    jobs = arguments.jobs or usable_cores()
    folders = (os.fspath(audio_folder.absolute()), os.fspath(mel_folder.absolute()))
    results = run_batches(batches, jobs, *folders, decoders, config, arguments.timeout) if batches else iter(())
    try:
        work_off(plan, mel_folder, results, arguments.quiet)
    except KeyboardInterrupt:
        complain(INTERRUPTED, EXIT_INTERRUPTED)
        os._exit(EXIT_INTERRUPTED)  # without waiting for what is being decoded; the workers see that we are gone
    if arguments.prune and plan.gone:
        gone = {name: plan.rows.pop(name) for name in plan.gone}
        write_ledger(mel_folder, plan.rows)
        for name in gone:
            remove_mel(mel_folder, name)


def report(plan: Plan, mel_folder: Path, made: int, pruned: int, strict: bool) -> int:
    """Print the summary on stdout, and where files failed what to do about it; return the exit code."""
    print(f"{mel_folder}: {plural(plan.found, 'audio file')}, {made:,} done now: {describe(plan.rows)}")
    if plan.skipped_folders:
        print(f"{plural(plan.skipped_folders, 'folder')} skipped for a file {' or '.join(SKIP_MARKERS)}")
    if plan.gone:
        names = ", ".join(printable(name) for name in plan.gone[:3]) + (", ..." if len(plan.gone) > 3 else "")
        what = "removed from the mel folder" if pruned else "their mels stay; --prune removes them"
        print(f"{plural(len(plan.gone), 'audio file')} gone ({names}): {what}")
    failed = [row for row in plan.rows.values() if row.status == "failed"]
    if failed:
        first = f"{printable(failed[0].filename)}: {failed[0].reason}"
        print(
            f"{plural(len(failed), 'file')} failed, e.g. {first}; "
            f"see {mel_folder / LEDGER_NAME}; --retry-failed tries again"
        )
    if not any(row.has_mel for row in plan.rows.values()):
        print(f"{Path(sys.argv[0]).name}: error: no file gave a mel; see {mel_folder / LEDGER_NAME}", file=sys.stderr)
        return EXIT_ERROR
    return EXIT_ERROR if strict and failed else EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
