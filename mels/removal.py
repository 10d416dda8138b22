"""What is removed from a mel folder: mels that the ledger lists, or that a killed run left, and never anything else."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable
from pathlib import Path

from config import CONFIG_NAME
from files import is_plain, remove_temporaries, require_real_folders, write_file
from mels.mel_folder import MEL_SUFFIX, WITH_MEL, LedgerRow, ledger_text, read_ledger, write_ledger

REMOVAL_NAME = ".spectrify_removal.csv"  # rows whose mels are being removed, or made; there only meanwhile


def remove_mel(mel_folder: Path, row: LedgerRow) -> None:
    """Remove the mel of a row that has one, and the folders that it leaves empty."""
    path = _mel_path(mel_folder, row)
    if path is None or path.is_dir():  # not ours
        return
    path.unlink(missing_ok=True)
    for folder in path.parents:
        if folder == mel_folder:
            break
        try:
            folder.rmdir()
        except OSError:  # it holds something
            break


def _mel_path(mel_folder: Path, row: LedgerRow) -> Path | None:
    """Return where the mel of a row lies; None where the row has none."""
    return mel_folder / (row.filename + MEL_SUFFIX) if row.has_mel else None


def start_anew(mel_folder: Path) -> None:
    """Forget and remove all that the ledger lists; where a signal ends it, see prune."""
    rows = read_ledger(mel_folder)
    prune(mel_folder, rows, list(rows))
    (mel_folder / CONFIG_NAME).unlink(missing_ok=True)  # last: it holds for every mel that is left


def prune(mel_folder: Path, rows: dict[str, LedgerRow], gone: Collection[str]) -> None:
    """Take the files that are gone out of the rows, the ledger and the mel folder.

    Where a signal ends it, what was not removed yet stays in the ledger, so that the next run removes it; where it is
    killed, a list of what it was removing is left, see finish_removal.
    Raises UserError, and removes nothing, where a symbolic link is on the way to one of them.
    """
    require_real_folders(mel_folder, gone)
    pruned = [rows.pop(name) for name in gone]
    if not pruned:
        return
    write_file(mel_folder / REMOVAL_NAME, ledger_text(pruned, header=True))
    left = 0  # the first of these whose mel may still be there
    try:
        write_ledger(mel_folder, rows)  # first: no row may name a file that is gone
        for left, row in enumerate(pruned):  # noqa: B007
            remove_mel(mel_folder, row)
        left = len(pruned)
    finally:
        if left < len(pruned):
            path = _mel_path(mel_folder, pruned[left])  # of the others nothing was touched
            kept = pruned[left if path is not None and path.is_file() else left + 1 :]
            rows.update({row.filename: row for row in kept})
            write_ledger(mel_folder, rows)
        forget_begun(mel_folder)


def note_begun(mel_folder: Path, names: Iterable[str]) -> None:
    """Note of which files mels are about to be made: where the run is killed, see finish_removal. Needs the lock."""
    rows = [LedgerRow(name, WITH_MEL[0], 0.0, 0, 0, "", "", "") for name in names if is_plain(name)]
    write_file(mel_folder / REMOVAL_NAME, ledger_text(rows, header=True))


def forget_begun(mel_folder: Path) -> None:
    (mel_folder / REMOVAL_NAME).unlink(missing_ok=True)


def finish_removal(mel_folder: Path) -> None:
    """Remove what a killed run has left: mels that it took out of the ledger, or made and wrote no row of.

    Without this they would stay for good where their audio goes before the next run. Needs the lock.
    """
    if not (mel_folder / REMOVAL_NAME).exists():
        return
    known, left = read_ledger(mel_folder), read_ledger(mel_folder, REMOVAL_NAME)
    require_real_folders(mel_folder, left)
    for folder in {(mel_folder / name).parent for name in left}:
        with contextlib.suppress(PermissionError):
            remove_temporaries(folder)
    for name, row in left.items():
        if name not in known or not known[name].has_mel:
            remove_mel(mel_folder, row)
    forget_begun(mel_folder)
