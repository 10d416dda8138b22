"""The strips: each track's mel as a small grey picture, to seek in and to tell tracks apart; 256 of them a file.

The name of such a file holds a hash of what it is made of. So the page's next run finds the ones whose mels have not
changed without reading a mel, and one that was killed goes on where it was.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from files import is_plain, write_file
from mels.mel_folder import MEL_SUFFIX, list_mels, mel_shape, read_mel
from static_web_viewer.page.page_folder import DATA_FOLDER, hashed_name
from utils import Progress, UserError, examples, plural, printable

WIDTH, HEIGHT = 256, 24  # pixels of a strip
TRACKS = 256  # strips of a file, one below the other: 6,144 pixels high, and WebP ends at 16,383
QUALITY = 35  # of WebP, 1 kB a strip: as PNG it is five times as much, and below this the noise of a hiss becomes even
DRAWN_AS = 1  # another number where strips come to look otherwise: all are drawn again
BLOCK_FRAMES = 1 << 15  # read at a time: of a ten-hour recording no more is in memory
LOUD_PERCENT, QUIET_PERCENT = 99.5, 5.0  # of a strip's values: black, and white
# In nepers of magnitude. A track of even loudness is no noise of black and white, and a silent beginning does not leave
# one shade of grey for all that follows.
LEAST_RANGE, MOST_RANGE = 3.0, 8.0
EVEN = 255  # of a track without a mel: white, as silence


@dataclass(frozen=True)
class Mels:
    """Where the tracks' mels lie."""

    folder: Path
    stamps: dict[str, int]  # name, as in music_list.txt -> another number where its mel has changed


@dataclass(frozen=True)
class Strips:
    """The strips of a page."""

    files: list[str]  # relative to the page; a row of HEIGHT pixels a track, TRACKS of them a file
    tracks: int
    without: int  # tracks that have no mel
    broken: list[str]  # names of tracks whose mel cannot be read

    def content(self) -> dict:
        """Return what the page has to know of them."""
        return {"files": self.files, "tracks": TRACKS, "width": WIDTH, "height": HEIGHT}

    def summary(self) -> str:
        """Return e.g. 'strips: 29 tracks; 1 mel cannot be read (a.mp3)'."""
        drawn = self.tracks - self.without - len(self.broken)
        parts = [f"strips: {plural(drawn, 'track')}"]
        if self.without:
            parts.append(f"{plural(self.without, 'track')} without a mel")
        if self.broken:
            names = examples([name.removesuffix(MEL_SUFFIX) for name in self.broken])
            parts.append(f"{plural(len(self.broken), 'mel')} cannot be read ({names}), make them again")
        return "; ".join(parts)


def find_mels(folder: Path, names: Sequence[str]) -> Mels:
    """Find the tracks' mels in a mel folder, reading none.

    names   as in music_list.txt.
    Raises  UserError where the folder is missing or broken, or holds no mel of any track.
    """
    listed = list_mels(folder)
    found = dict(zip(listed.names, listed.stamps.tolist(), strict=True))
    stamps = {name: found[name] for name in names if name in found and is_plain(name)}
    if not stamps:
        first = printable(names[0].removesuffix(MEL_SUFFIX)) if names else ""
        raise UserError(f"{folder}: holds no mel of the run, not even of {first!r}; name the run's mel folder")
    return Mels(folder, stamps)


def write_strips(out: Path, names: Sequence[str], mels: Mels, quiet: bool = False) -> Strips:
    """Draw the strips into OUT/data where they are not there already. Needs OUT's lock; holds one file's at a time.

    names  as in music_list.txt.
    """
    from threadpoolctl import threadpool_limits

    (out / DATA_FOLDER).mkdir(exist_ok=True)
    made, broken = [], []
    progress = Progress(len(names), "strips", "tracks", quiet)
    try:
        with threadpool_limits(1, "blas"):  # the last bits are the same on any number of cores
            for first in range(0, len(names), TRACKS):
                part = names[first : first + TRACKS]
                file, unreadable = _write_file(out, f"{DATA_FOLDER}/strips{first // TRACKS}.webp", part, mels)
                made.append(file)
                broken += unreadable
                progress.advance(len(part))
    finally:
        progress.close()
    return Strips(made, len(names), sum(name not in mels.stamps for name in names), broken)


def _write_file(out: Path, name: str, names: Sequence[str], mels: Mels) -> tuple[str, list[str]]:
    """Write a file of at most TRACKS strips, if it is not there; return its name, and whose mels are broken."""
    stamps = [f"{mels.stamps[track]}" if track in mels.stamps else "" for track in names]
    made_of = [str((DRAWN_AS, WIDTH, HEIGHT, QUALITY)), *names, *stamps]
    file = hashed_name(name, _joined(made_of))
    if _is_whole(out / file):
        return file, []
    rows, broken = [], []
    for track in names:
        strip = np.full((HEIGHT, WIDTH), EVEN, np.uint8)
        if track in mels.stamps:
            try:
                strip = draw_strip(mels.folder / track)
            except (OSError, ValueError):
                broken.append(track)
        rows.append(strip)
    if broken:  # it has another name: a mel that is mended is as the ledger says all the time
        file = hashed_name(name, _joined([*made_of, *broken]))
    if not _is_whole(out / file):
        write_file(out / file, _webp(np.concatenate(rows)), durable=True)
    return file, broken


def _joined(texts: Sequence[str]) -> bytes:
    return "\n".join(texts).encode("utf-8", "surrogateescape")  # no name in a list holds a line break


def _is_whole(path: Path) -> bool:
    """Tell whether a WebP file is there, as long as it says that it is: a power cut may have cut it short."""
    try:
        with open(path, "rb") as file:
            start = file.read(8)
            return start[:4] == b"RIFF" and int.from_bytes(start[4:], "little") + 8 == os.fstat(file.fileno()).st_size
    except OSError:
        return False


def _webp(grey: np.ndarray) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(grey).save(file, "webp", quality=QUALITY, method=6)
    return file.getvalue()


def draw_strip(path: Path) -> np.ndarray:
    """Return a mel file as a picture: (HEIGHT, WIDTH) uint8, time to the right, pitch upwards, loud black.

    Each pixel is the mean of all that it covers. Raises OSError or ValueError where that cannot be had.
    """
    frames, bins = mel_shape(path)
    if not frames:
        raise ValueError("holds no frame")
    weights = _weights(bins)
    columns = np.zeros((WIDTH, HEIGHT))
    with np.errstate(over="ignore", invalid="ignore"):  # of values that no mel has: they are found below
        for start in range(0, frames, BLOCK_FRAMES):
            block = read_mel(path, start, start + BLOCK_FRAMES).astype(np.float32)
            columns += _covered(block @ weights, start, frames)
    if not np.isfinite(columns).all():
        raise ValueError("holds values too large")
    return _grey(columns.T[::-1])


def _weights(bins: int) -> np.ndarray:
    """Return by what each bin counts in the mean of each row of pixels: (bins, HEIGHT) float32, columns of sum 1."""
    edges, low = np.linspace(0, bins, HEIGHT + 1), np.arange(bins)[:, None]
    overlap = np.minimum(edges[1:], low + 1) - np.maximum(edges[:-1], low)
    return (np.maximum(overlap, 0) * (HEIGHT / bins)).astype(np.float32)


def _covered(block: np.ndarray, start: int, frames: int) -> np.ndarray:
    """Return what a block of frames, the ones from `start` on, adds to the mean of each column of pixels.

    block    (some, HEIGHT), of `frames` in all; a column covers 1/WIDTH of them, the first and the last in part.
    Returns  (WIDTH, HEIGHT) float64.
    """
    edges = np.clip(np.linspace(0, frames, WIDTH + 1) - start, 0, len(block))
    whole = edges.astype(int)
    sums = np.concatenate([np.zeros((1, HEIGHT)), np.cumsum(block, axis=0, dtype=np.float64)])
    until = sums[whole] + (edges - whole)[:, None] * block[np.minimum(whole, len(block) - 1)]
    return np.diff(until, axis=0) * (WIDTH / frames)


def _grey(values: np.ndarray) -> np.ndarray:
    """Return logarithms of magnitudes as uint8, the loudest black, the quietest white."""
    quiet, loud = np.percentile(values, [QUIET_PERCENT, LOUD_PERCENT])
    quiet = max(loud - MOST_RANGE, min(quiet, loud - LEAST_RANGE))
    return np.rint(255 * np.clip((loud - values) / (loud - quiet), 0, 1)).astype(np.uint8)
