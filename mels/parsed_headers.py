"""What mutagen makes of a file's headers, within bounds: what they claim costs neither minutes nor gigabytes."""

from __future__ import annotations

import io

MOST_READS = 1_000_000  # of one file: what reads the most are tags of 100,000 entries
MOST_BYTES = 1 << 26  # of one file: tags with all their pictures


class _BoundedFile(io.BufferedReader):
    """A file that ends with an error where somebody reads too much of it, or too often."""

    def __init__(self, path: str) -> None:
        super().__init__(io.FileIO(path))
        self._reads_left, self._bytes_left = MOST_READS, MOST_BYTES

    def read(self, size: int | None = -1) -> bytes:
        most = self._bytes_left + 1
        content = super().read(most if size is None or size < 0 else min(size, most))
        self._reads_left -= 1
        self._bytes_left -= len(content)
        if self._reads_left < 0 or self._bytes_left < 0:
            raise ValueError("its headers are too long")
        return content


def parse_headers(path: str) -> object | None:
    """Return what mutagen.File makes of a file, None where it knows no such format. Raises anything."""
    import mutagen

    with _BoundedFile(path) as file:
        return mutagen.File(file)
