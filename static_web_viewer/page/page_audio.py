"""How audio gets to the static page: referenced where it lies, or put into OUT/audio (see audio_shelf.py).

No file outside the audio root is ever referenced, copied or linked, wherever a name or a symbolic link leads.
"""

from __future__ import annotations

import contextlib
import functools
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from files import is_plain
from mels.decoding import find_ffmpeg
from mels.mel_folder import MEL_SUFFIX
from mels.plan import SKIP_MARKERS
from static_web_viewer.page.audio_shelf import (
    FAILED,
    MISSING,
    OUTCOMES,
    OUTSIDE,
    REFERENCED,
    Placed,
    Shelf,
    quoted,
)
from static_web_viewer.page.page_folder import AUDIO_FOLDER
from static_web_viewer.page.transcode import Source, is_played, needs_ffmpeg
from utils import UserError, examples, printable, usable_cores

MODES = ("reference", "copy", "link", "none")
SKIP_MARKER = SKIP_MARKERS[0]


@dataclass(frozen=True)
class PageAudio:
    """Where the page finds the audio of its tracks. The lists have an entry a track, in the order of the names."""

    names: list[str]  # as in music_list.txt
    urls: list[str | None]  # percent-encoded; begins with "./", "../" or "file:///"; None: no audio
    playable: list[bool]  # False: no audio, or by its extension a format that not every browser plays
    outcomes: list[str]  # of OUTCOMES; empty where no audio is wanted
    reasons: dict[str, str] = field(default_factory=dict)  # name -> why it failed
    used: frozenset[str] = frozenset()  # what the page uses below OUT/audio

    def summary(self) -> str:
        """Return e.g. 'audio: 29 referenced, 1 not there (a.mp3), 2 outside AUDIO_ROOT (b.mp3, c.mp3)'."""
        listed: dict[str, list[str]] = {outcome: [] for outcome in OUTCOMES}
        for name, outcome in zip(self.names, self.outcomes, strict=False):
            reason = f": {self.reasons[name]}" if name in self.reasons else ""
            listed[outcome].append(name.removesuffix(MEL_SUFFIX) + reason)
        parts = []
        for outcome, tracks in listed.items():
            names = f" ({examples(tracks)})" if outcome in (FAILED, MISSING, OUTSIDE) else ""
            where = " AUDIO_ROOT" if outcome == OUTSIDE else ""
            parts += [f"{len(tracks):,} {outcome}{where}{names}"] if tracks else []
        line = printable(f"audio: {', '.join(parts) or 'none'}")
        unplayable = sum(url is not None and not plays for url, plays in zip(self.urls, self.playable, strict=True))
        more = f"; {unplayable:,} in formats that not every browser plays: --audio copy transcodes them"
        return line + more if unplayable else line


class AudioRoot:
    """The folder that holds the audio, and what lies inside it when all symbolic links are followed."""

    def __init__(self, folder: Path) -> None:
        self.real = os.path.realpath(folder)
        self._real_folder = functools.cache(lambda name: os.path.realpath(os.path.join(self.real, name)))

    def find(self, name: str) -> Source | str:
        """Return the audio file of a track (as in music_list.txt), or MISSING, or OUTSIDE."""
        path = name.removesuffix(MEL_SUFFIX)
        if not is_plain(path):
            return OUTSIDE
        folder, file = os.path.split(path)
        try:
            real = os.path.join(self._real_folder(folder), file)
            status = os.lstat(real)
            if stat.S_ISLNK(status.st_mode):
                real = os.path.realpath(real, strict=True)
                status = os.lstat(real)
        except OSError:
            return MISSING
        if not real.startswith(os.path.join(self.real, "")):
            return OUTSIDE
        return Source(path, real, (status.st_size, status.st_mtime_ns)) if stat.S_ISREG(status.st_mode) else MISSING

    def contains(self, folder: Path) -> bool:
        """Tell whether a folder lies below this one, by its path as given or with all symbolic links followed."""
        parents = [*Path(os.path.abspath(folder)).parents, *folder.resolve().parents]
        return os.path.realpath(folder) != self.real and self.real in map(os.path.realpath, parents)


def check_audio(mode: str, audio_root: Path | None, names: Sequence[str], out: Path) -> None:
    """Raise UserError where `provide_audio` could not work: to be called before anything that takes long."""
    if mode == "none":
        return
    if audio_root is None or not os.path.isdir(audio_root):
        raise UserError(f"{audio_root}: no such audio folder")
    root = AudioRoot(audio_root)
    if not any(isinstance(root.find(name), Source) for name in names):
        first = printable(names[0].removesuffix(MEL_SUFFIX)) if names else ""
        raise UserError(f"{audio_root}: holds no track of the run, not even {first!r}; name its audio folder")
    if mode == "reference":
        return
    if mode == "copy" and needs_ffmpeg(name.removesuffix(MEL_SUFFIX) for name in names):
        find_ffmpeg()
    folder = os.path.join(out, AUDIO_FOLDER)
    if os.path.islink(folder) or (os.path.lexists(folder) and not os.path.isdir(folder)):
        raise UserError(f"{folder}: is no folder of its own; remove it, or name another OUT")
    if os.path.join(root.real, "").startswith(os.path.join(os.path.realpath(folder), "")):
        raise UserError(f"{audio_root}: lies where the page's own audio goes, in {folder}; name another OUT")


def provide_audio(
    mode: str, audio_root: Path | None, out: Path, names: Sequence[str], quiet: bool = False, jobs: int | None = None
) -> PageAudio:
    """Put the audio of the tracks where the page finds it. Needs OUT's lock for copy and link.

    mode     of MODES; reference and none change nothing in OUT.
    names    as in music_list.txt: the audio file's path relative to the audio root, and MEL_SUFFIX.
    jobs     files at a time; one a core where it is None.
    Raises   UserError as `check_audio`; OSError where OUT takes no more. What a single file is at fault for is an
             outcome. KeyboardInterrupt passes, after what was begun has been taken away.
    """
    check_audio(mode, audio_root, names, out)
    if mode == "none":
        return PageAudio(list(names), [None] * len(names), [False] * len(names), [])
    root = AudioRoot(audio_root)
    found = {name: root.find(name) for name in names}
    placed = {name: Placed(source) for name, source in found.items() if isinstance(source, str)}
    sources = {name: source for name, source in found.items() if isinstance(source, Source)}
    if mode == "reference":
        base = _reference_base(audio_root, out)
        placed |= {name: Placed(REFERENCED, source.name) for name, source in sources.items()}
    else:
        base = f"./{AUDIO_FOLDER}"
        if root.contains(out):  # else spectrify_all.py would take in the copies as tracks of their own
            with contextlib.suppress(FileExistsError):
                Path(out, SKIP_MARKER).touch(exist_ok=False)
        placed |= Shelf(out).fill(mode, sources, jobs or usable_cores(), quiet)
    tracks = [placed[name] for name in names]
    return PageAudio(
        list(names),
        [None if track.path is None else f"{base}/{quoted(track.path)}" for track in tracks],
        [track.path is not None and (mode == "copy" or is_played(track.path)) for track in tracks],
        [track.outcome for track in tracks],
        {name: track.reason for name, track in placed.items() if track.reason},
        frozenset(track.path for track in tracks if track.path is not None and mode != "reference"),
    )


def prune_audio(out: Path, page: PageAudio) -> int:
    """Remove what an earlier page of ours has put below OUT/audio and this one does not use; return how many files.

    Needs OUT's lock; to be called when index.html no longer refers to them.
    """
    return Shelf(out).prune(page.used)


def _reference_base(audio_root: Path, out: Path) -> str:
    """Return the URL of the audio root as index.html names it, without a slash at its end.

    A browser takes each '..' off the path under which the page was opened, as text. So a relative URL holds only where
    it is the same with and without the symbolic links on the way; elsewhere the absolute one is right.
    """
    relative = os.path.relpath(audio_root, out)
    if relative != os.path.relpath(os.path.realpath(audio_root), os.path.realpath(out)):
        return "file:///" + quoted(os.path.realpath(audio_root).strip("/"))
    return quoted(relative) if relative.split("/")[0] in (".", "..") else f"./{quoted(relative)}"
