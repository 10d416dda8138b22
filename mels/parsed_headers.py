"""What mutagen makes of a file's headers, within bounds: what they claim costs neither minutes nor gigabytes."""

from __future__ import annotations

import contextlib
import io
import os
import resource
import signal
import threading
from collections.abc import Callable, Iterator

from files import never_waiting

MOST_READS = 1_000_000  # of one file: what reads the most are tags of 100,000 entries
MOST_BYTES = 1 << 26  # of one file: tags with all their pictures
MOST_MEMORY = 1 << 28  # bytes beside what the process has: four times as much as is read
MOST_SECONDS = 5.0  # of the processor, for one file: compressed tags can mean a thousand times what is read
PROC_STATUS = "/proc/self/statm"  # in pages; the sixth number are the data


class _TooLong(BaseException):
    """Ends mutagen, which takes any Exception for a broken tag and goes on."""


class _BoundedFile(io.BufferedReader):
    """A file that ends with an error where somebody reads too much of it, or too often."""

    def __init__(self, path: str) -> None:
        super().__init__(io.FileIO(path, opener=never_waiting))
        self._reads_left, self._bytes_left = MOST_READS, MOST_BYTES

    def read(self, size: int | None = -1) -> bytes:
        most = self._bytes_left + 1
        content = super().read(most if size is None or size < 0 else min(size, most))
        self._reads_left -= 1
        self._bytes_left -= len(content)
        if self._reads_left < 0 or self._bytes_left < 0:
            raise ValueError("its headers are too long")
        return content


def parse_headers(path: str, take: Callable[[object], object] = lambda parsed: parsed) -> object:
    """Return what `take` makes of what mutagen.File makes of a file: of None, where mutagen knows no such format.

    Raises anything. What tags hold is unpacked by `take`, so that is bounded too.
    """
    import mutagen

    try:
        with _bounded_memory(), _bounded_time(), _BoundedFile(path) as file:
            return take(mutagen.File(file))
    except _TooLong:
        raise ValueError("its headers take too long") from None


@contextlib.contextmanager
def _bounded_memory() -> Iterator[None]:
    """Let the block raise MemoryError where it wants more than MOST_MEMORY; elsewhere than on Linux nothing is done."""
    soft, hard = before = resource.getrlimit(resource.RLIMIT_DATA)
    try:
        with open(PROC_STATUS, "rb") as file:
            most = int(file.read().split()[5]) * os.sysconf("SC_PAGE_SIZE") + MOST_MEMORY
    except OSError:
        yield
        return
    if soft == resource.RLIM_INFINITY or most < soft:
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


@contextlib.contextmanager
def _bounded_time() -> Iterator[None]:
    """Let the block raise _TooLong after MOST_SECONDS of the processor; only the main thread hears the clock."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(_number: int, _frame: object) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGPROF, end)
    signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
