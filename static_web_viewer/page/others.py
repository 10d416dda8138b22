"""The tracks that are no points of a very large map, in files that the page loads when somebody searches.

A search file holds what is said of many tracks; a vector file those of few, for when one of these is chosen. As other
data files they are named by their content. The page learns their names with the map.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from files import write_file
from mels.mel_folder import MEL_SUFFIX
from static_web_viewer.page.columns import Column
from static_web_viewer.page.page_data import audio_addresses, packed, script
from static_web_viewer.page.page_folder import DATA_FOLDER, hashed_name
from static_web_viewer.page.track_texts import TrackTexts
from utils import as_unicode

TRACKS = 50_000  # of a search file, of 5 MB: a browser reads it in a moment, and shows that it goes on
VECTORS = 2_000  # of a vector file, of 200 kB
SEARCHED, LOOKED_AT = "others", "far"  # parts of the page's data: what these files hand over, with a number


def write_others(
    out: Path,
    rest: np.ndarray,
    names: Sequence[str],
    xy: np.ndarray,
    columns: Sequence[Column],
    urls: Sequence[str | None],
    texts: TrackTexts,
    codes: np.ndarray,
) -> dict | None:
    """Write the files of the tracks that are no points; needs OUT's lock. Some tracks' at a time are in memory.

    rest     (others,) int64, which tracks these are; all else has an entry for each track.
    codes    (tracks, dims) int8, of `quantised`, with the points' among them: so all have the same axes.
    Returns  what the page has to know of them; None where all are points.
    """
    if not len(rest):
        return None
    (out / DATA_FOLDER).mkdir(exist_ok=True)
    search, vectors = [], []
    for place, start in enumerate(range(0, len(rest), TRACKS)):
        some = rest[start : start + TRACKS]
        filenames = [as_unicode(names[track].removesuffix(MEL_SUFFIX)) for track in some]
        content = {
            "filenames": "\n".join(filenames),  # no name of a run holds a line break; one text is a third of the memory
            "x": packed(xy[some, 0]),
            "y": packed(xy[some, 1]),
            "columns": [column.of(some).content() for column in columns],
            "audio": audio_addresses([names[track] for track in some], [urls[track] for track in some]),
            **texts.content(some),
        }
        search.append(_write(out, SEARCHED, place, content))
    for place, start in enumerate(range(0, len(rest), VECTORS)):
        some = codes[rest[start : start + VECTORS]]
        vectors.append(_write(out, LOOKED_AT, place, {"codes": packed(some)}))
    return {"count": len(rest), "search": search, "tracks": TRACKS, "vectors": vectors, "each": VECTORS}


def _write(out: Path, part: str, place: int, content: dict) -> str:
    """Write a data file where it is not there whole; return its name."""
    data = script(f"{part}{place}", content)
    name = hashed_name(f"{DATA_FOLDER}/{part}{place}.js", data)
    path = out / name
    if not path.is_file() or path.stat().st_size != len(data):
        write_file(path, data, durable=True)
    return name


def files_of(others: dict | None) -> list[str]:
    """Return the names of all files that `write_others` tells of."""
    return [] if others is None else [*others["search"], *others["vectors"]]
