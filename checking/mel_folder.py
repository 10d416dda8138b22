"""Whether a mel folder is whole: its configuration, its ledger, and the files that the ledger names."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
from collections import Counter
from pathlib import Path

from checking.checked import (
    CLOSED,
    MISSING,
    NONE,
    OPEN_IT,
    Checked,
    Finding,
    Part,
    after_removal,
    command,
    look_at,
    removal,
    require_line_end,
)
from checking.one_mel import SPECTRIFY, how_far, mel_wrong, values_wrong
from config import AUDIO_KEYS, CONFIG_NAME, OLD_AUDIO_KEYS, read_config_file, resolution_in_words
from files import TEMPORARY_PREFIX, TEMPORARY_SUFFIX, byte_order
from mels.mel_folder import (
    LEDGER_NAME,
    MEL_SUFFIX,
    LedgerRow,
    list_mels,
    read_audio_half,
    read_ledger,
)
from mels.removal import REMOVAL_NAME
from utils import UserError, duration, plural

MEL_FOLDER, BARE_MEL_FOLDER = "mel folder", "bare mel folder"
READ_BYTES = 256_000_000  # of mels: as many are read whole unasked, of more the headers alone
MOST_LOOKED_AT = 300_000  # entries of folders, to find out whether there is a mel at all


def check_mel_folder(folder: Path, read_all: bool = False) -> Checked:
    """Look at a folder that spectrify_all.py made.

    read_all  every value of every mel, however large they are together.
    """
    checked = Checked(folder, MEL_FOLDER)
    bins = _check_config(checked)
    rows = _check_ledger(checked)
    look = _FolderLook(checked.folder)
    good: list[LedgerRow] = []
    with checked.part("mels") as part:
        look.walk(checked)
        good = _check_mels(checked, part, look, rows, bins, read_all)
    checked.lock()
    begun = checked.folder / REMOVAL_NAME
    what = "what a run that was ended has left to be finished"
    others = [Finding(os.fspath(begun), what, _again(checked.folder))] if os.path.lexists(begun) else []
    checked.left_over([checked.folder / path for path in look.temporaries], others)
    if good and not bins:
        checked.usable.append("nothing: config.yaml does not say how the mels were made")
    elif good:
        songs, seconds = plural(len(good), "song"), duration(sum(row.seconds for row in good))
        checked.usable.append(f"{songs}, {bins} bins, {seconds}: by spectrogram_doc2vec.py and calc_all_vecs.py")
    else:
        checked.usable.append("nothing: no whole mel is there")
    return checked


def check_bare_mel_folder(folder: Path, read_all: bool = False) -> Checked:
    """Look at a folder of .npy files that have no ledger; what it names as left out, the trainer leaves out."""
    checked = Checked(folder, BARE_MEL_FOLDER)
    if os.path.lexists(checked.folder / CONFIG_NAME):
        with checked.part(CONFIG_NAME):
            look_at(checked.folder / CONFIG_NAME)
            read_audio_half(checked.folder)
    with checked.part("mels") as part:
        mels = list_mels(checked.folder)
        for line in mels.left_out:
            start, _, what = line.partition(f"{MEL_SUFFIX}: ")
            name = f"{start}{MEL_SUFFIX}" if what else line.rpartition(": ")[0]
            what = what or line.rpartition(": ")[2]
            is_hidden = name in mels.unreadable
            checked.find(checked.folder / name, what, OPEN_IT if is_hidden else "make it again, or remove it")
        names = [name for name, frames in zip(mels.names, mels.frames.tolist(), strict=True) if frames]
        sizes = sum(os.path.getsize(checked.folder / name) for name in names)
        read = read_all or sizes <= READ_BYTES
        part.what = how_far(len(names), sizes, read)
        for name in names if read else ():
            if what := values_wrong(checked.folder / name, ""):
                checked.find(checked.folder / name, what, "make it again, or remove it")
        broken = {finding.path for finding in checked.findings}
        whole = sum(os.fspath(checked.folder / name) not in broken for name in names)
        songs = f"{plural(whole, 'song')}, {mels.bins} bins"
        checked.usable.append(f"{songs}: by spectrogram_doc2vec.py and calc_all_vecs.py")
    checked.lock()
    return checked


def _again(folder: Path, *more: str) -> str:
    return command(SPECTRIFY, "AUDIO_FOLDER", folder, *more)


def _check_config(checked: Checked) -> int:
    """Look at config.yaml; return the mels' bins, 0 where nobody knows them."""
    path, bins = checked.folder / CONFIG_NAME, 0
    # A run without it would take today's configuration for the mels that are still to come
    anew = f"restore it, or make all mels anew: {after_removal(path, _again(checked.folder, '--overwrite'))}"
    with checked.part(CONFIG_NAME, anew) as part:
        require_line_end(path)
        half = read_audio_half(checked.folder)
        if missing := [key for key in OLD_AUDIO_KEYS if key not in half]:
            raise UserError(f"{path}: lacks {', '.join(missing)}; {anew}")
        bins = int(half["mel_bins"])
        resolution = resolution_in_words(half["frame_seconds"], half["hop_seconds"])
        part.what = f"{resolution}, {bins} bins, {half.get('decoder', 'ffmpeg')}"
    return bins


def _check_ledger(checked: Checked) -> dict[str, LedgerRow]:
    path, rows = checked.folder / LEDGER_NAME, {}
    anew = f"restore it, or make all mels anew: {removal(path)} && {_again(checked.folder)}"
    if not os.path.lexists(path):
        anew = f"restore it, or make all mels anew: {_again(checked.folder)}"
    with checked.part(LEDGER_NAME, anew) as part:
        look_at(path)
        rows = read_ledger(checked.folder)
        counts = Counter(row.status for row in rows.values())
        statuses = ("ok", "partial", "silent", "too_short", "failed")
        part.what = ", ".join(f"{counts[status]:,} {status}" for status in statuses if counts[status]) or "no row"
        for status in sorted(counts.keys() - set(statuses)):
            checked.find(path, f"{counts[status]:,} rows have the status {status!r}, which is none", anew)
        if not checked.holder:
            try:
                require_line_end(path)
            except UserError as error:
                checked.find(path, str(error).partition(": ")[2].rpartition("; ")[0], _again(checked.folder))
    return rows


class _FolderLook:
    """All files below a folder, by a walk that follows no link."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sizes: dict[str, int] = {}  # of every mel by its path, -1 of what is no plain file
        self.links: list[str] = []  # folders that are links
        self.hidden: list[str] = []  # folders that cannot be read
        self.temporaries: list[str] = []

    def walk(self, checked: Checked) -> None:
        pending = [""]
        while pending:
            here = pending.pop()
            try:
                with os.scandir(self.folder / here) as entries:
                    for entry in entries:
                        path = f"{here}/{entry.name}" if here else entry.name
                        if entry.is_dir(follow_symlinks=False):
                            pending.append(path)
                        else:
                            self._take(path, entry)
            except OSError as error:
                if error.errno != errno.ENOENT:
                    is_closed = isinstance(error, PermissionError)
                    checked.find(self.folder / here, CLOSED if is_closed else error.strerror, OPEN_IT)
                    self.hidden.append(here)

    def _take(self, path: str, entry: os.DirEntry) -> None:
        if entry.name.startswith(TEMPORARY_PREFIX) and entry.name.endswith(TEMPORARY_SUFFIX):
            self.temporaries.append(path)
        elif entry.is_symlink() and os.path.isdir(self.folder / path):  # where entry.is_dir() may raise
            self.links.append(path)
        elif path.endswith(MEL_SUFFIX):
            is_file = entry.is_file(follow_symlinks=False)
            self.sizes[path] = entry.stat(follow_symlinks=False).st_size if is_file else -1


def _check_mels(
    checked: Checked, part: Part, look: _FolderLook, rows: dict[str, LedgerRow], bins: int, read_all: bool
) -> list[LedgerRow]:
    """Compare the ledger with the files; return the rows whose mels are whole."""
    folder, again = checked.folder, _again(checked.folder)
    wanted = {row.filename + MEL_SUFFIX: row for row in rows.values() if row.has_mel}
    for link in look.links:
        what = f"is a symbolic link to {os.readlink(folder / link)}, which may lead out of the folder"
        checked.find(folder / link, what, f"put a real folder in its place: {removal(folder / link)} && {again}")
    unseen = tuple(f"{folder}/" if folder else "" for folder in [*look.links, *look.hidden])
    total = sum(max(0, look.sizes.get(name, 0)) for name in wanted)
    read = read_all or total <= READ_BYTES
    part.what = how_far(len(wanted), total, read)
    good = []
    for name, row in wanted.items():
        if name.startswith(unseen):
            continue
        path = folder / name
        what = mel_wrong(path, row, bins, look.sizes.get(name)) or (read and values_wrong(path, row.checksum))
        if not what:
            good.append(row)
        elif what == CLOSED:
            checked.find(path, what, OPEN_IT)
        elif name in look.sizes or os.path.lexists(path):
            checked.find(path, what, f"{removal(path)} && {again}")
        else:
            checked.find(path, what, again)
            part.state = MISSING
    if rows and not checked.holder:  # who writes a row after its mel
        for name in sorted(look.sizes.keys() - wanted.keys(), key=byte_order):
            remedy = f"{again}; if no row names it then either, {removal(folder / name)}"
            checked.find(folder / name, "no row of the ledger names it", remedy)
    if not wanted and not look.sizes and part.state != MISSING:
        part.state = NONE
    return good


def difference(folder: Path, names: list[str]) -> tuple[list[str], list[str]]:
    """Return which of a run's songs a mel folder has no more, and which it has beside them.

    Raises UserError where the mel folder cannot be listed.
    """
    mels = list_mels(folder)
    there = {name for name, frames in zip(mels.names, mels.frames.tolist(), strict=True) if frames}
    gone, come = set(names) - there, there - set(names)
    return sorted(gone, key=byte_order), sorted(come, key=byte_order)


def has_audio_half(folder: Path) -> bool:
    """Tell whether a configuration is the audio half that spectrify_all.py writes; False where it cannot be read."""
    try:
        look_at(folder / CONFIG_NAME)
        values = read_config_file(folder / CONFIG_NAME)
    except (OSError, UserError):
        return False
    return set(OLD_AUDIO_KEYS) <= values.keys() <= set(AUDIO_KEYS)


def has_mels(folder: Path) -> bool:
    """Tell whether there is a file below a folder that may be a mel. Gives up where there is very much else."""
    pending, entered, left = [os.fspath(folder)], set(), MOST_LOOKED_AT
    while pending and left > 0:
        here = pending.pop()
        with contextlib.suppress(OSError):
            if (there := os.path.realpath(here)) in entered:
                continue
            entered.add(there)
            with os.scandir(here) as entries:
                for entry in itertools.islice(entries, left):
                    left -= 1
                    if entry.name.endswith(MEL_SUFFIX):
                        return True
                    if os.path.isdir(entry.path):
                        pending.append(entry.path)
    return False
