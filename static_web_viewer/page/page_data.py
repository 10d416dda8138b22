"""What the page knows of a collection, as scripts that hand it over: a page opened from a file can load nothing else.

Each data file is one call, `store.receive(part, content)`, of ASCII only and without any character that means something
in HTML. The content is JSON; in it arrays are little-endian bytes in base64.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

import numpy as np

from mels.mel_folder import MEL_SUFFIX
from utils import as_unicode

MOST_DIMS = 128  # more are reduced: int8, 100,000 tracks of 128 are 13 MB
NEIGHBOURS = 20  # listed beside the map
RECALL_QUERIES = 1000  # tracks on which the distances of the page are checked
ROWS_BLOCK = 1 << 16  # made int8 at a time
QUERY_BLOCK = 64  # rows whose similarity to all others is held at a time

_MARKUP = {ord(character): f"\\u{ord(character):04x}" for character in "<>&'"}


def script(part: str, content: dict) -> bytes:
    """Return a data file. Whatever the strings in it are, it is nothing but one call with two strings.

    The content is JSON in a string: as an expression of its own, 100,000 names took a browser a hundred times as long.
    """
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return f"store.receive({json.dumps(part)},{json.dumps(text).translate(_MARKUP)});\n".encode("ascii")


def packed(array: np.ndarray) -> str:
    """Return an array's bytes in base64, little-endian, rows one after another."""
    return base64.b64encode(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()).decode("ascii")


def smallest_type(values: int) -> type:
    """Return the smallest type of numbers that count so many values."""
    return next(kind for kind in (np.uint8, np.uint16, np.uint32) if values <= np.iinfo(kind).max + 1)


def quantised(rows: np.ndarray) -> np.ndarray:
    """Return unit vectors as int8, each with a scale of its own, which does not touch an angle.

    rows     (tracks, dims) float32, unit length. More than 128 dims are first projected on their 128 principal axes;
             not centred, so that what is kept is the inner products.
    Returns  (tracks, dims or 128) int8.
    """
    blocks = [slice(start, start + ROWS_BLOCK) for start in range(0, len(rows), ROWS_BLOCK)]
    axes = None
    if rows.shape[1] > MOST_DIMS:
        _, axes = np.linalg.eigh(sum(rows[some].T.astype(np.float64) @ rows[some] for some in blocks))
        axes = axes[:, : -MOST_DIMS - 1 : -1].astype(np.float32)  # eigenvalues ascend
    codes = np.empty((len(rows), min(rows.shape[1], MOST_DIMS)), np.int8)
    for some in blocks:
        block = rows[some] if axes is None else rows[some] @ axes
        largest = np.abs(block).max(axis=1, keepdims=True)
        codes[some] = np.rint(block * (127 / np.maximum(largest, np.finfo(np.float32).tiny)))
    return codes


@dataclass(frozen=True)
class Distances:
    """What the page knows of distances: exact ones to the nearest tracks, and vectors for all others."""

    codes: np.ndarray  # (tracks, dims) int8, of `quantised`
    neighbours: np.ndarray  # (tracks, count) int, by true cosine, the nearest first
    exact: np.ndarray  # (tracks, count) float32 cosine distances to those
    error: float  # mean absolute error of the distances by the codes
    recall: float  # share of the neighbours that the codes find

    def description(self) -> str:
        """Return in words what the distances are worth."""
        return (
            f"distances to a selected track: 8 bits a dimension, mean error {self.error:.4f}, find "
            f"{100 * self.recall:.1f}% of the {self.neighbours.shape[1]} nearest; those listed are exact"
        )


def page_distances(
    rows: np.ndarray, neighbours: np.ndarray, exact: np.ndarray, seed: int = 0, codes: np.ndarray | None = None
) -> Distances:
    """Return vectors and neighbours for the page, and what is lost by the vectors' 8 bits.

    rows               (tracks, dims) float32, unit length; codes what `quantised` makes of them, where that is known.
    neighbours, exact  (tracks, count) int and float32, as nearest_neighbours returns them.
    Error and recall are those of a sample of 1,000 tracks against all.
    """
    tracks, count = neighbours.shape
    codes = quantised(rows) if codes is None else codes
    short = codes.astype(np.float32)
    short /= np.maximum(np.linalg.norm(short, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    queries = np.random.default_rng(seed % 2**64).permutation(tracks)[:RECALL_QUERIES]
    error, found = 0.0, 0
    for start in range(0, len(queries), QUERY_BLOCK):
        block = queries[start : start + QUERY_BLOCK]
        seen = short[block] @ short.T  # (block, tracks) cosines
        error += float(np.abs(seen - rows[block] @ rows.T).mean(dtype=np.float64)) * len(block)
        seen[np.arange(len(block)), block] = -np.inf
        if count:
            nearest = np.argpartition(-seen, count - 1, axis=1)[:, :count]
            found += sum(len(np.intersect1d(*pair)) for pair in zip(nearest, neighbours[block], strict=True))
    return Distances(codes, neighbours, exact, error / len(queries), found / (len(queries) * count) if count else 1.0)


def audio_addresses(names: Sequence[str], urls: Sequence[str | None]) -> dict | None:
    """Return where each track's audio is, short: most addresses are one beginning and the track's own name.

    None where no track has any.

    names  as in music_list.txt.
    urls   relative to the page, percent-encoded; None where a track has no audio.
    """
    if not any(urls):
        return None
    own = [quote(as_unicode(name.removesuffix(MEL_SUFFIX)), safe="/") for name in names]
    starts = Counter(
        url.removesuffix(path) for path, url in zip(own, urls, strict=True) if url is not None and url.endswith(path)
    )
    start = max(starts, key=starts.__getitem__, default="")
    others = {place: url for place, (path, url) in enumerate(zip(own, urls, strict=True)) if url != start + path}
    return {"start": start, "others": others}


def data_files(
    names: Sequence[str],
    xy: np.ndarray,
    columns: Sequence[dict],
    first: int,
    distances: Distances,
    audio: dict | None,
    about: Sequence[str],
    texts: dict,
    strips: dict | None = None,
    others: dict | None = None,
) -> dict[str, bytes]:
    """Return what index.html loads: data/map.js is all that the first draw needs, the others come after it.

    names    as in music_list.txt; xy (tracks, 2) float32.
    columns  Column.content() of each; `first` colours the map at first.
    audio    see audio_addresses.
    about    lines that the page shows about itself.
    texts    what tracks are called, see TrackTexts.content.
    strips   Strips.content(), where there are any.
    others   of write_others: where the page finds the tracks that are no points of it; all else is of the points.
    """
    x, y = xy.T
    parts = {
        "map": {
            "count": len(names),
            "x": packed(x),
            "y": packed(y),
            "column": columns[first],
            "order": [column["key"] for column in columns],
            "about": [as_unicode(line) for line in about],
            **({} if others is None else {"others": others}),
        },
        "tracks": {
            "filenames": [as_unicode(name.removesuffix(MEL_SUFFIX)) for name in names],
            "audio": audio,
            "strips": strips,
            "columns": [*columns[:first], *columns[first + 1 :]],
            **texts,
        },
        "neighbours": {
            "count": distances.neighbours.shape[1],
            "tracks": packed(distances.neighbours.astype(smallest_type(len(names)))),
            "bytes": np.dtype(smallest_type(len(names))).itemsize,
            "distances": packed(distances.exact),
        },
        "vectors": {"dims": distances.codes.shape[1], "codes": packed(distances.codes)},
    }
    return {f"data/{part}.js": script(part, content) for part, content in parts.items()}
