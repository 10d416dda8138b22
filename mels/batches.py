"""Work handed to processes: batches of audio files, their decoding in workers, and the ledger as results come in."""

from __future__ import annotations

import contextlib
import errno
import multiprocessing.resource_tracker
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, SimpleQueue

from config import Config
from files import has_line_break, is_plain, naming, remove_temporaries, require_real_folders, save_array, write_all
from mels.decoding import Decoders, Track, tracks_from_files
from mels.log_mel import shared_framers
from mels.mel_folder import (
    LEDGER_NAME,
    MEL_SUFFIX,
    LedgerRow,
    ledger_name,
    ledger_text,
    mel_checksum,
    write_ledger,
)
from mels.plan import Plan, Source
from mels.removal import forget_begun, note_begun, remove_mel
from utils import EXIT_ERROR, STOP_SIGNALS, Progress, StopRequest, UserError, keep_stderr_to_us

BATCH_FILES = 4  # to one decoder process: enough to pay its start-up once in a while, few enough to bound memory
BATCH_BYTES = 16_000_000  # a file above this is a batch of its own: its decoding takes longer than any start-up
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

    if has_line_break(batch[0].name):
        tracks = [Track("failed", 0.0, "a line break in the name; rename it", None)]
    else:
        paths = [os.path.join(audio_folder, source.name) for source in batch]
        with threadpool_limits(1):  # the matrices are small: more threads only wait for each other
            framers = shared_framers(config, BATCH_FILES)
            tracks = tracks_from_files(paths, framers, decoders, config, timeout_seconds)
    rows = []
    for source, track in zip(batch, tracks, strict=True):
        status, reason, frames, checksum = track.status, track.reason, 0, ""
        if track.mel is not None:
            path = os.path.join(mel_folder, source.name + MEL_SUFFIX)
            try:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                save_array(path, track.mel)
                frames, checksum = len(track.mel), mel_checksum(track.mel)
            except OSError as error:
                if error.errno not in NAME_TROUBLE:
                    raise
                status, reason = "failed", NAME_TROUBLE[error.errno]
        decoder = decoders.name_for(source.name)
        name = ledger_name(source.name)
        facts = (track.seconds, frames, source.size, source.mtime, decoder, reason, checksum)
        rows.append(LedgerRow(name, status, *facts))
    return rows


def spectrify_in_worker(parent: int, *arguments: object) -> list[LedgerRow]:
    """As spectrify_batch, in a process that ends when its parent does: a killed run must not work on unseen."""
    if not any(thread.name == "parent" for thread in threading.enumerate()):
        for number in STOP_SIGNALS:  # sent to all processes of a group, they are the parent's to answer
            signal.signal(number, signal.SIG_IGN)
        threading.Thread(target=_watch_parent, args=(parent,), name="parent", daemon=True).start()
    return spectrify_batch(*arguments)


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    os._exit(EXIT_ERROR)


def run_batches(batches: list[list[Source]], jobs: int, *shared: object) -> Iterator[list[LedgerRow]]:
    """Yield the rows of each batch as it is done, in any order."""
    jobs = min(jobs, len(batches))
    if jobs == 1 or not _can_start_workers():
        yield from (spectrify_batch(batch, *shared) for batch in batches)
        return
    from joblib import Parallel, delayed
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    # A worker that is killed must not take the rows of the others with it, so they come one by one, not at the end.
    parallel = Parallel(jobs, return_as="generator_unordered", batch_size=1, pre_dispatch="3*n_jobs", max_nbytes=None)
    try:
        yield from parallel(delayed(spectrify_in_worker)(os.getpid(), batch, *shared) for batch in batches)
    except TerminatedWorkerError:
        raise UserError(
            f"a worker was killed, perhaps for want of memory; run the same command with --jobs {jobs // 2 or 1}"
        ) from None


def _can_start_workers() -> bool:
    """Start what joblib's workers need, with the stop signals blocked for them; where that fails, say so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is said here in our words
        import joblib
        from joblib.externals.loky.backend import resource_tracker

        keep_stderr_to_us()
        there = joblib.effective_n_jobs(2) > 1
        if there:
            resource_tracker.ensure_running()
            multiprocessing.resource_tracker.ensure_running()
    if not there:
        print(
            "one file at a time: no shared memory for more processes (is /dev/shm full?)", file=sys.stderr, flush=True
        )
    # Python's trackers of resources unblock them when they start, and a worker would answer by a traceback
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    return there


def append_results(plan: Plan, mel_folder: Path, results: Iterator[list[LedgerRow]], quiet: bool) -> None:
    """Append the rows to the ledger as they come, and leave it sorted at the end, however that comes.

    Raises KeyboardInterrupt after SIGINT or SIGTERM, and UserError where a symbolic link is on the way to a mel.
    """
    names = list(filter(is_plain, [*plan.rows, *(source.name for source in plan.to_do)]))
    require_real_folders(mel_folder, names)
    for folder in {os.fspath(mel_folder)} | {os.path.dirname(os.path.join(mel_folder, name)) for name in names}:
        with contextlib.suppress(PermissionError):  # a folder that is closed to us stays as it is
            remove_temporaries(folder)
    write_ledger(mel_folder, plan.rows)  # cuts off a line that a killed run left torn
    note_begun(mel_folder, (source.name for source in plan.to_do))
    progress = Progress(len(plan.to_do), "spectrify", "files", quiet)
    descriptor = os.open(mel_folder / LEDGER_NAME, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
    try:
        for rows in until_signal(results):
            with naming(mel_folder / LEDGER_NAME):
                write_all(descriptor, ledger_text(rows, header=False))
            for row in rows:
                old = plan.rows.get(row.filename)
                if old is not None and old.has_mel and not row.has_mel:
                    remove_mel(mel_folder, old)
                plan.rows[row.filename] = row
            progress.advance(len(rows))
    finally:
        os.close(descriptor)
        progress.close()
        write_ledger(mel_folder, plan.rows)
    forget_begun(mel_folder)


def until_signal(results: Iterator) -> Iterator:
    """Yield what an iterator yields; raise KeyboardInterrupt soon after SIGINT or SIGTERM, and only here.

    The iterator runs in a thread of its own: an exception that a signal throws into the midst of joblib or subprocess
    breaks them in ways that nobody can mend.
    """
    stop = StopRequest()
    queue: SimpleQueue = SimpleQueue()

    def feed() -> None:
        # The processes that this thread starts inherit it: Ctrl-C on a terminal, and the SIGTERM of `timeout` or of a
        # batch scheduler, reach them too, be it during imports
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            for item in results:
                queue.put((item, None))
            queue.put((None, StopIteration()))
        except Exception as error:
            queue.put((None, error))

    with stop.listening():
        threading.Thread(target=feed, daemon=True).start()
        while True:
            with contextlib.suppress(Empty):
                item, error = queue.get(timeout=SIGNAL_SECONDS)
                if isinstance(error, StopIteration):
                    return
                if error is not None:
                    time.sleep(SIGNAL_SECONDS)  # what ended a worker may be the signal that is about to reach us
                    if stop:
                        raise KeyboardInterrupt
                    raise error
                yield item
            if stop:
                raise KeyboardInterrupt
