"""spectrify_all.py on dask: a batch of audio files in a worker, and what of it only the main process can judge."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from config import Config
from mels.batches import spectrify_batch
from mels.decoding import Decoders, find_decoders
from mels.mel_folder import LedgerRow, ledger_name
from mels.on_dask import AGAIN, run_on_dask
from mels.on_worker import SHARE, Work, lock_text, require_lock
from mels.plan import Source
from utils import UserError, printable_name


class Done(NamedTuple):
    """What a worker has made of a batch."""

    rows: list[LedgerRow]
    unseen: list[str]  # sources that failed, and that this worker cannot read
    ffmpeg: str  # its version
    host: str


def spectrify_on_worker(
    batch: list[Source], audio_folder: str, mel_folder: str, lock: str, config: Config, timeout_seconds: float
) -> Done:
    """As spectrify_batch, with the worker's own decoders."""
    decoders = find_decoders(config)
    still_on = functools.partial(require_lock, mel_folder, lock)
    rows = spectrify_batch(batch, audio_folder, mel_folder, decoders, config, timeout_seconds, still_on)
    failed = [source.name for source, row in zip(batch, rows, strict=True) if row.status == "failed"]
    unseen = [name for name in failed if not os.access(os.path.join(audio_folder, name), os.R_OK)]
    return Done(rows, unseen, ffmpeg_version(decoders.ffmpeg), os.uname().nodename)


@functools.cache
def ffmpeg_version(ffmpeg: str) -> str:
    """Return what an ffmpeg calls itself, e.g. '7.0.2-static'."""
    said = subprocess.run([ffmpeg, "-version"], stdin=subprocess.DEVNULL, capture_output=True, check=False).stdout
    return " ".join(said.decode("utf-8", "replace").split()[2:3])


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
    audio_folder, mel_folder = folders

    def killed(source: Source, why: str) -> Done:
        decoder = decoders.name_for(source.name)
        row = LedgerRow(ledger_name(source.name), "failed", 0.0, 0, source.size, source.mtime, decoder, why)
        return Done([row], [], ours, "")

    ours, told = ffmpeg_version(decoders.ffmpeg), False
    shared = (audio_folder, mel_folder, lock_text(mel_folder), config, timeout_seconds)
    work = Work("mels.spectrify_on_dask:spectrify_on_worker", shared, folders, mel_folder)
    for done in run_on_dask(scheduler, jobs, work, batches, killed):
        for name in done.unseen:
            path = os.path.join(audio_folder, name)
            if os.access(path, os.R_OK):
                what = f"worker on {done.host}: cannot read {printable_name(path)}, which is read here; {SHARE}"
                raise UserError(f"{what}; mend that, or stop this worker, {AGAIN}")
        if done.ffmpeg != ours and not told:
            told = True
            what = f"ffmpeg {done.ffmpeg} on {done.host}, {ours} here: mels may differ in their last bits"
            print(printable_name(what), file=sys.stderr, flush=True)
        yield done.rows
