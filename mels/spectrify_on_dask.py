"""spectrify_all.py on dask: a batch of audio files in a worker, and what of it only the main process can judge."""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from config import Config
from mels.batches import spectrify_batch
from mels.decoding import Decoders, find_decoders
from mels.mel_folder import LedgerRow, ledger_name
from mels.on_dask import run_on_dask
from mels.on_worker import Work
from mels.plan import Source
from utils import printable_name

VERSION_SECONDS = 60  # for ffmpeg to say its version, on a machine that is busy


class Done(NamedTuple):
    """What a worker has made of a batch."""

    rows: list[LedgerRow]
    ffmpeg: str  # its version
    host: str


def spectrify_on_worker(
    batch: list[Source],
    require_lock: Callable[[], None],
    audio_folder: str,
    mel_folder: str,
    config: Config,
    timeout_seconds: float,
) -> tuple[Done, list[str]]:
    """As spectrify_batch, with the worker's own decoders."""
    decoders = find_decoders(config)
    rows = spectrify_batch(batch, audio_folder, mel_folder, decoders, config, timeout_seconds, require_lock)
    failed = [source.name for source, row in zip(batch, rows, strict=True) if row.status == "failed"]
    paths = [os.path.join(audio_folder, name) for name in failed]
    done = Done(rows, ffmpeg_version(decoders.ffmpeg), os.uname().nodename)
    return done, [path for path in paths if not os.access(path, os.R_OK)]


@functools.cache
def ffmpeg_version(ffmpeg: str) -> str:
    """Return what an ffmpeg calls itself, e.g. '7.0.2-static'."""
    argv = [ffmpeg, "-version"]
    with contextlib.suppress(subprocess.TimeoutExpired):
        said = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=VERSION_SECONDS
        ).stdout
        return " ".join(said.decode("utf-8", "replace").split()[2:3])
    return "of a version that it does not tell"


def rows_by_dask(
    scheduler: str,
    jobs: int | None,
    batches: Iterable[list[Source]],
    folders: tuple[str, str],
    decoders: Decoders,
    config: Config,
    timeout_seconds: float,
) -> Iterator[list[LedgerRow]]:
    """Yield the ledger rows of each batch as it is done, in any order; parameters as those of `run_on_dask`."""

    def killed(source: Source, why: str) -> Done:
        decoder = decoders.name_for(source.name)
        row = LedgerRow(ledger_name(source.name), "failed", 0.0, 0, source.size, source.mtime, decoder, why)
        return Done([row], ours, "")

    ours, told = ffmpeg_version(decoders.ffmpeg), False
    shared = (*folders, config, timeout_seconds)
    work = Work("mels.spectrify_on_dask:spectrify_on_worker", shared, folders, locked=folders[1])
    for done in run_on_dask(scheduler, jobs, work, batches, killed):
        if done.ffmpeg != ours and not told:
            told = True
            what = f"ffmpeg {done.ffmpeg} on {done.host}, {ours} here: mels may differ in their last bits"
            print(printable_name(what), file=sys.stderr, flush=True)
        yield done.rows
