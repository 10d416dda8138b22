"""OUT/audio: the audio that a page brings with it as copies, MP3 or symbolic links, and the manifest of what is ours.

Nothing there is replaced or removed but what the manifest lists, and no symbolic link is followed. A row is written
before its file is made and again when it stands, so a killed run leaves nothing unknown.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote_to_bytes

from files import (
    TEMPORARY_PREFIX,
    TEMPORARY_SUFFIX,
    atomic_write,
    byte_order,
    is_plain,
    remove_temporaries,
    write_if_changed,
)
from mels.decoding import find_ffmpeg
from static_web_viewer.page.page_folder import AUDIO_FOLDER
from static_web_viewer.page.transcode import (
    NotMade,
    Source,
    SourceGone,
    can_be_copied,
    copy_audio,
    encode_mp3,
    is_played,
    needs_ffmpeg,
    opened,
)
from utils import Progress, UserError, require_file

MANIFEST_NAME = ".sound-eval-audio.csv"  # in OUT/audio; hidden, as no track of a mel folder is
MANIFEST_HEADER = "path,made,source_size,source_mtime_ns,size"

# What became of a track, in the order of the summary
REFERENCED, LINKED, COPIED, TRANSCODED = "referenced", "linked", "copied", "transcoded"
STANDS, FAILED, MISSING, OUTSIDE = "there already", "failed", "not there", "outside"
OUTCOMES = (REFERENCED, LINKED, COPIED, TRANSCODED, STANDS, FAILED, MISSING, OUTSIDE)
MAKING = "making"  # in the manifest: begun, and perhaps not finished

NAME_BYTES = 255  # of the usual file systems
IN_THE_WAY = "what lies in its place below OUT/audio is not ours; remove that"
NAME_TROUBLE = {
    **dict.fromkeys([errno.ENOTDIR, errno.EEXIST, errno.EISDIR], IN_THE_WAY),
    **dict.fromkeys([errno.EINVAL, errno.EILSEQ], "the page's file system does not take its name; rename it"),
    errno.ENAMETOOLONG: "its name is too long for the page's file system; shorten it",
}
WAIT_SECONDS = 0.2  # between two looks whether a signal has come
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)


@dataclass(frozen=True)
class Placed:
    """What became of a track, and the path that its URL ends in."""

    outcome: str  # of OUTCOMES
    path: str | None = None
    reason: str = ""  # why it failed


@dataclass(frozen=True)
class Row:
    """What the manifest says of a file of ours."""

    made: str  # LINKED, COPIED, TRANSCODED or MAKING
    stamp: tuple[int, int] = (0, 0)  # of the source
    size: int = 0  # bytes of our file, 0 of a link

    def describes(self, status: os.stat_result) -> bool:
        """Tell whether a file can be the one that we made."""
        if stat.S_ISLNK(status.st_mode):
            return self.made in (LINKED, MAKING)
        as_made = self.made == MAKING or (self.made != LINKED and self.size == status.st_size)
        return as_made and stat.S_ISREG(status.st_mode)

    def line(self, path: str) -> bytes:
        return f"{quoted(path)},{self.made},{self.stamp[0]},{self.stamp[1]},{self.size}\n".encode("ascii")


class Shelf:
    """OUT/audio: which of it is ours, what stands there, and making what does not. Needs OUT's lock."""

    def __init__(self, out: Path) -> None:
        self.folder = os.path.join(out, AUDIO_FOLDER)
        self.manifest = Path(self.folder, MANIFEST_NAME)
        self.rows = {} if os.path.islink(self.folder) else self._read()
        self._real_folders: set[str] = set()
        self._journal = -1  # the manifest, open for more rows
        self._stop = threading.Event()

    def fill(self, mode: str, sources: dict[str, Source], jobs: int, quiet: bool) -> dict[str, Placed]:
        """Return what became of each track, after making what does not stand there.

        mode  copy or link.
        jobs  files at a time.
        """
        taken = {source.name for source in sources.values()}
        taken.update(folder for name in list(taken) for folder in _folders(name))
        placed, to_do = {}, []
        for name, source in sources.items():
            transcoded = _transcoded_name(source.name, taken)
            choices = [(source.name, LINKED)] if mode == "link" else [(source.name, COPIED), (transcoded, TRANSCODED)]
            stands = next((path for path, made in choices if self._stands(path, made, source)), None)
            if stands is None:
                to_do.append((name, source, transcoded))
            else:
                placed[name] = Placed(STANDS, stands)
        return placed | self._make_all(mode, to_do, jobs, quiet) if to_do else placed

    def prune(self, used: frozenset[str]) -> int:
        """Remove what is ours and not used, and what a killed run has left half made; return how many files."""
        self._clean()
        unused = self.rows.keys() - used
        removed = sum(self._remove(path) for path in unused)
        for path in unused:
            del self.rows[path]
        if self.rows:
            self._save()
        elif unused:
            self.manifest.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # not empty
                os.rmdir(self.folder)
        return removed

    def _read(self) -> dict[str, Row]:
        require_file(self.manifest)
        try:
            lines = self.manifest.read_bytes().decode("ascii", "replace").split("\n")[1:-1]  # without a torn last one
        except (FileNotFoundError, NotADirectoryError):
            return {}
        rows = {}
        for line in lines:
            with contextlib.suppress(ValueError):
                name, made, source_size, source_mtime_ns, size = line.split(",")
                path = os.fsdecode(unquote_to_bytes(name))
                if is_plain(path):
                    rows[path] = Row(made, (int(source_size), int(source_mtime_ns)), int(size))
        return rows

    def _save(self) -> None:
        """Write the manifest anew: a row a file, sorted, and no torn end."""
        lines = [self.rows[path].line(path) for path in sorted(self.rows, key=byte_order)]
        write_if_changed(self.manifest, f"{MANIFEST_HEADER}\n".encode() + b"".join(lines))

    def _clean(self) -> None:
        """Take away what a killed run has left half made."""
        if not os.path.islink(self.folder):
            remove_temporaries(self.folder)  # of the manifest
        for path, row in self.rows.items():
            if row.made == MAKING and self._has_real_folder(path):
                remove_temporaries(os.path.dirname(os.path.join(self.folder, path)))

    def _stands(self, path: str, made: str, source: Source) -> bool:
        """Tell whether a source's audio is there already, made by us or by somebody else as we would have."""
        target = os.path.join(self.folder, path)
        try:
            status = os.lstat(target)
            if made == LINKED:
                return os.readlink(target) == source.real and self._has_real_folder(path)
        except OSError:
            return False
        row = self.rows.get(path)
        if row is None and is_played(path):
            row = Row(COPIED, (status.st_size, status.st_mtime_ns), status.st_size)
        same = row == Row(made, source.stamp, status.st_size)
        return same and stat.S_ISREG(status.st_mode) and self._has_real_folder(path)

    def _has_real_folder(self, path: str, make: bool = False) -> bool:
        """Tell whether the folder of a path below OUT/audio is reached, or has been made, without a symbolic link."""
        folder = os.path.dirname(path)
        if folder in self._real_folders:
            return True
        for here in itertools.accumulate([self.folder, *filter(None, folder.split("/"))], os.path.join):
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(here)
            if os.path.islink(here) or not os.path.isdir(here):
                return False
        self._real_folders.add(folder)
        return True

    def _make_all(self, mode: str, to_do: list[tuple[str, Source, str]], jobs: int, quiet: bool) -> dict[str, Placed]:
        """Make what is to do, as (name, source, path if transcoded), by threads: most of the work is ffmpeg's."""
        ffmpeg = find_ffmpeg() if mode == "copy" and needs_ffmpeg(source.name for _, source, _ in to_do) else ""
        self._clean()
        os.makedirs(self.folder, exist_ok=True)
        self._save()
        placed: dict[str, Placed] = {}
        pending, lock = iter(to_do), threading.Lock()

        def work() -> None:
            for name, source, transcoded in pending:
                if self._stop.is_set():
                    return
                placed[name] = self._make(mode, source, transcoded, ffmpeg)
                with lock:
                    progress.advance()

        self._journal = os.open(self.manifest, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
        progress = Progress(len(to_do), "audio", "files", quiet)
        jobs = min(jobs, len(to_do))
        pool = ThreadPoolExecutor(jobs)
        try:
            futures = [pool.submit(work) for _ in range(jobs)]
            left = futures
            while left and not any(future.done() and future.exception() for future in futures):
                # Not for ever: a signal that comes just as Python begins to wait is answered when the waiting ends.
                left = wait(futures, WAIT_SECONDS, FIRST_EXCEPTION).not_done
        finally:
            self._stop.set()  # an error, or Ctrl-C: what the others are at is taken away
            pool.shutdown()
            os.close(self._journal)
            progress.close()
        for future in futures:
            future.result()
        self._save()
        return placed

    def _make(self, mode: str, source: Source, transcoded: str, ffmpeg: str) -> Placed:
        try:
            if mode == "link":
                return self._link(source)
            with opened(source) as file:
                if can_be_copied(source, ffmpeg, self._stop):
                    return self._write(source.name, COPIED, source, lambda copy: copy_audio(file, copy, self._stop))
            return self._write(transcoded, TRANSCODED, source, lambda mp3: encode_mp3(source, mp3, ffmpeg, self._stop))
        except SourceGone:
            return Placed(MISSING)
        except NotMade as error:
            return Placed(FAILED, reason=str(error))
        except OSError as error:
            if error.errno in NAME_TROUBLE:
                return Placed(FAILED, reason=NAME_TROUBLE[error.errno])
            if mode == "link" and error.errno in NO_LINKS:
                text = "its file system takes no symbolic links; use --audio copy or --audio reference"
                raise UserError(f"{self.folder}: {text}") from None
            raise OSError(error.errno, error.strerror, error.filename or self.folder) from error

    def _link(self, source: Source) -> Placed:
        target = self._claim(source.name, source)
        number = f"{os.getpid()}-{threading.get_ident()}"
        temporary = os.path.join(os.path.dirname(target), f"{TEMPORARY_PREFIX}{number}{TEMPORARY_SUFFIX}")
        os.symlink(source.real, temporary)  # absolute: a page that is moved about on this machine goes on playing
        try:
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise
        self._note(source.name, Row(LINKED, source.stamp))
        return Placed(LINKED, source.name)

    def _write(self, path: str, made: str, source: Source, write: Callable[[BinaryIO], None]) -> Placed:
        with atomic_write(self._claim(path, source)) as target:
            write(target)
            target.flush()
            os.utime(target.fileno(), ns=(source.stamp[1], source.stamp[1]))
            size = os.fstat(target.fileno()).st_size
        self._note(path, Row(made, source.stamp, size))
        return Placed(made, path)

    def _claim(self, path: str, source: Source) -> str:
        """Note in the manifest that a file is about to be ours. Raises NotMade where somebody else's is there."""
        target = os.path.join(self.folder, path)
        if path == MANIFEST_NAME or not self._has_real_folder(path, make=True):
            raise NotMade(IN_THE_WAY)
        leads_to_it = os.path.islink(target) and os.path.realpath(target) == source.real
        if os.path.lexists(target) and path not in self.rows and not leads_to_it:
            raise NotMade(IN_THE_WAY)
        self._note(path, Row(MAKING))
        return target

    def _note(self, path: str, row: Row) -> None:
        line = row.line(path)
        if os.write(self._journal, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.manifest)
        self.rows[path] = row

    def _remove(self, path: str) -> bool:
        """Remove a file that the manifest lists, and the folders that it leaves empty; False where it is not ours."""
        target = os.path.join(self.folder, path)
        if not self._has_real_folder(path):
            return False
        there = os.path.lexists(target)
        if there:
            if not self.rows[path].describes(os.lstat(target)):
                return False
            os.unlink(target)
        with contextlib.suppress(OSError):  # not empty
            for folder in _folders(path):
                os.rmdir(os.path.join(self.folder, folder))
        return there


def quoted(path: str) -> str:
    """Return a path as a URL has it: percent-encoded, with its slashes."""
    return quote(os.fsencode(path), safe="/")


def _folders(path: str) -> Iterator[str]:
    """Yield the folders of a relative path, the innermost first."""
    while path := os.path.dirname(path):
        yield path


def _transcoded_name(path: str, taken: set[str]) -> str:
    """Return the path with .mp3 behind it, or a hash of it in the same folder where that is taken, or too long."""
    candidate = f"{path}.mp3"
    while candidate in taken or len(os.fsencode(os.path.basename(candidate))) > NAME_BYTES:
        digest = hashlib.sha1(os.fsencode(candidate), usedforsecurity=False).hexdigest()
        candidate = os.path.join(os.path.dirname(path), f"{digest}.mp3")
    return candidate
