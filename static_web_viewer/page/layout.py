"""Where each track lies on the map of a collection: exact neighbours, t-SNE that keeps old places, PCA, layout files.

No argparse here; faiss, openTSNE and scipy are imported where they are used, so that `--help` is quick. Functions of
arrays raise ValueError, functions of files UserError.
"""

from __future__ import annotations

import contextlib
import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from files import csv_bytes
from judging.labels import FILENAME_COLUMN, LabelTable, match_rows, no_row_matches, read_label_table, require_columns
from judging.neighbours import DIRECTIONS_BLOCK
from mels.mel_folder import MEL_SUFFIX
from utils import Progress, UserError, usable_cores

if TYPE_CHECKING:
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import Affinities

LAYOUT_HEADER = (FILENAME_COLUMN, "x", "y", "new")
PERPLEXITY = 30
NEIGHBOURS_PER_PERPLEXITY = 3  # beyond these a Gaussian of that perplexity is nearly 0
TSNE_LEAST = 10  # tracks: PCA loses little of fewer, and a perplexity below 3 says nothing
FFT_LEAST = 10_000  # tracks, from which on interpolation is quicker than Barnes-Hut, which is the more exact
THREADS_LEAST = 2000  # tracks: with fewer, threads on a busy machine wait ten times as long for each other as they work
EARLY, MAIN = (250, 12, 0.5), (500, 1, 0.8)  # iterations, exaggeration, momentum, as openTSNE advises
START_DEVIATION = 1e-4  # of a start from scratch: so small that attraction alone decides at first
START_JITTER = 0.01  # of that deviation, by the seed: nothing would ever part tracks that start in one place
GROWTH_ITERATIONS, GROWTH_ITERATIONS_NEW = 100, 500  # at least, and for each new track's share of all
PROGRESS_ITERATIONS = 10
# The deviation of a map from scratch is about this times the cube root of the tracks, and not above the second. Found:
# 11 to 17 for 400 real tracks, 31 for 3,000 drawn ones, 48 for 100,000. Rather too large: see _in_natural_unit.
NATURAL_DEVIATION, NATURAL_LARGEST = 2.2, 60
UNIT_SLACK = 1.5  # so far from it a start's own unit is kept
PLACED_NEIGHBOURS = 10  # whose median is where a track without a place goes
OFFSET = 1e-3  # of the map's width: how far from that median at most
RING = 0.6  # of the map's width: where groups lie that nothing connects with a place
NO_VARIANCE = 1e-12  # of rows of length 1: what the rounding to float32 leaves of none
LARGEST_PLACE = 1e15  # that a file may hold: sums of squares stay finite in float32
GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))


def pca_layout(rows: np.ndarray) -> np.ndarray:
    """Return the first two principal components, (tracks, dims) -> (tracks, 2) float32, of mean 0.

    Of each component the weight that is largest in size is positive, so that the map is not mirrored by chance. A
    component that is not there (one dimension, two tracks, equal rows) is 0.
    """
    mean = rows.mean(axis=0, dtype=np.float64)
    scatter = np.zeros((rows.shape[1], rows.shape[1]))
    blocks = range(0, len(rows), DIRECTIONS_BLOCK)
    for start in blocks:
        centred = rows[start : start + DIRECTIONS_BLOCK] - mean
        scatter += centred.T @ centred
    variances, axes = np.linalg.eigh(scatter / len(rows))
    axes = axes[:, ::-1][:, :2] * (variances[::-1][:2] > NO_VARIANCE)  # (dims, 2), largest variance first
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    xy = np.zeros((len(rows), 2), np.float32)
    for start in blocks:
        block = slice(start, start + DIRECTIONS_BLOCK)
        xy[block, : axes.shape[1]] = (rows[block] - mean) @ axes
    return xy


def tsne(
    rows: np.ndarray,
    indices: np.ndarray,
    distances: np.ndarray,
    seed: int = 0,
    start: np.ndarray | None = None,
    quiet: bool = True,
) -> np.ndarray:
    """Return a map on which near tracks lie near each other, all tracks on it: from scratch, or grown from a map.

    Where at least half of the tracks have a place, they start there, the others among their neighbours, and all move a
    little: 100 iterations, and 5 more for each hundredth that is new. Where fewer have one, the places decide only how
    the map is laid out at large. Fewer than ten tracks are laid out by PCA.

    rows       (tracks, dims) float32 of length 1.
    indices    (tracks, count) int32 and distances (tracks, count) float32, of `nearest_neighbours`; 90 of them count.
    seed       of the jitter that a start from scratch needs.
    start      (tracks, 2) places of an earlier map, nan where a track has none; in any unit.
    Returns    (tracks, 2) float32, the same for the same input and seed on any number of cores; with a start in its
               unit, moved and scaled as a whole so that the tracks that had places come nearest to these.
    Reference  van der Maaten and Hinton 2008; Kobak and Berens 2019 for the start; openTSNE (Policar et al. 2024).
    """
    known = np.zeros(len(rows), bool) if start is None else np.isfinite(start).all(axis=1)
    if len(rows) < TSNE_LEAST:
        xy = pca_layout(rows)
    else:
        with _silent_opentsne():
            affinities = _affinities(indices, distances)
            if 2 * known.sum() < len(rows) or not map_width(start[known]):
                initial = place_by_neighbours(start, indices, distances) if known.any() else pca_layout(rows)
                xy = _optimise(_from_scratch(initial, seed), affinities, [EARLY, MAIN], quiet)
            else:
                iterations = GROWTH_ITERATIONS + round(GROWTH_ITERATIONS_NEW * float((~known).mean()))
                initial = _in_natural_unit(place_by_neighbours(start, indices, distances))
                xy = _optimise(initial, affinities, [(iterations, *MAIN[1:])], quiet)
    return (fit_to_known(xy, start) if known.any() else xy).astype(np.float32)


def _from_scratch(xy: np.ndarray, seed: int) -> np.ndarray:
    """Shrink a start to almost a point, so that attraction alone decides at first; no two tracks in one place."""
    deviation = xy.std(axis=0).max()
    scaled = (xy - xy.mean(axis=0)) * (START_DEVIATION / deviation if deviation else 1.0)
    jitter = np.random.default_rng(seed % 2**64).standard_normal(xy.shape)
    return scaled + START_JITTER * START_DEVIATION * jitter


def _in_natural_unit(xy: np.ndarray) -> np.ndarray:
    """Centre a map, and scale it where its unit is far from t-SNE's own, in which a map from scratch comes out.

    Too small a start still swells when the iterations end, its tracks moving against each other. One of twice the size
    does no harm, but far too large a one makes the interpolation's grid, and so time and memory, grow by the square.
    """
    natural = min(NATURAL_DEVIATION * len(xy) ** (1 / 3), NATURAL_LARGEST)
    deviation = xy.std(axis=0).max()
    own = natural / UNIT_SLACK < deviation < natural * UNIT_SLACK
    return (xy - xy.mean(axis=0)) * (1.0 if own else natural / deviation)


def _affinities(indices: np.ndarray, distances: np.ndarray) -> Affinities:
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    count = min(NEIGHBOURS_PER_PERPLEXITY * PERPLEXITY, indices.shape[1])
    index = PrecomputedNeighbors(np.ascontiguousarray(indices[:, :count]), distances[:, :count])
    return PerplexityBasedNN(
        perplexity=count / NEIGHBOURS_PER_PERPLEXITY, knn_index=index, n_jobs=_threads(len(indices))
    )


def _threads(tracks: int) -> int:
    return usable_cores() if tracks >= THREADS_LEAST else 1


def _embedding(xy: np.ndarray, affinities: Affinities, **settings: object) -> TSNEEmbedding:
    from openTSNE import TSNEEmbedding

    method = "fft" if len(xy) >= FFT_LEAST else "bh"
    xy = np.array(xy, np.float64)  # a copy, which is optimised in place
    return TSNEEmbedding(xy, affinities, negative_gradient_method=method, n_jobs=_threads(len(xy)), **settings)


def _optimise(
    initial: np.ndarray, affinities: Affinities, phases: Sequence[tuple[int, float, float]], quiet: bool
) -> np.ndarray:
    """Run phases of (iterations, exaggeration, momentum), each at the learning rate tracks / exaggeration."""
    progress = Progress(sum(phase[0] for phase in phases), "t-SNE", "iterations", quiet)
    embedding = _embedding(
        initial,
        affinities,
        callbacks=lambda iteration, error, xy: progress.advance(PROGRESS_ITERATIONS),
        callbacks_every_iters=PROGRESS_ITERATIONS,
    )
    try:
        for iterations, exaggeration, momentum in phases:
            embedding.optimize(iterations, inplace=True, exaggeration=exaggeration, momentum=momentum)
    finally:
        progress.close()
    return np.asarray(embedding)


@contextlib.contextmanager
def _silent_opentsne() -> Iterator[None]:
    log = logging.getLogger("openTSNE")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def fit_to_known(xy: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Move and scale a map as a whole, never turn it, so that its tracks come nearest to the places that they had.

    xy, start  (tracks, 2); start is nan where a track had no place.
    Returns    (tracks, 2) float64, the least sum of squared distances.
    """
    known = np.isfinite(start).all(axis=1)
    centre, target = xy[known].mean(axis=0), start[known].mean(axis=0, dtype=np.float64)
    centred = xy[known] - centre
    square = (centred**2).sum()
    scale = (centred * (start[known] - target)).sum() / square if square else 0.0
    return (xy - centre) * (scale if scale > 0 else 1.0) + target


def place_by_neighbours(xy: np.ndarray, indices: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """Give each track without a place one: the median of its nearest neighbours that have one.

    Tracks whose neighbours have no place wait for these to get one. A group from which no neighbour leads to the map
    goes beside it.

    xy       (tracks, 2), nan where a track has no place; at least one has.
    indices  (tracks, count) int32 and distances (tracks, count) float32, of `nearest_neighbours`; the latter are not
             read, as the order says enough.
    Returns  (tracks, 2) float64; places that were there are kept, and no two new ones are the same.
    Raises   ValueError where no track has a place.
    """
    placed = np.isfinite(xy).all(axis=1)
    if not placed.any():
        raise ValueError("no track has a place")
    xy = np.where(placed[:, None], xy, 0.0).astype(np.float64)
    new = np.flatnonzero(~placed)
    width = map_width(xy[placed]) or 1.0
    waiting = new
    while len(waiting):
        have = placed[indices[waiting]]  # (waiting, count)
        ready = have.any(axis=1)
        if not ready.any():
            break
        for track, usable in zip(waiting[ready], have[ready], strict=True):
            xy[track] = np.median(xy[indices[track][usable][:PLACED_NEIGHBOURS]], axis=0)
        placed[waiting[ready]] = True
        waiting = waiting[~ready]
    if len(waiting):
        xy[waiting] = _beside(xy[placed], width, _groups(indices, waiting))
    rank = np.arange(len(new))
    radius = OFFSET * width * np.sqrt((rank + 1) / (len(new) + 1))  # a sunflower's spiral: no two points are near
    xy[new] += radius[:, None] * np.stack([np.cos(GOLDEN_ANGLE * rank), np.sin(GOLDEN_ANGLE * rank)], axis=1)
    return xy


def map_width(xy: np.ndarray) -> float:
    """Return the longer side of the rectangle around places (tracks, 2)."""
    return float(np.ptp(xy, axis=0).max())


def _groups(indices: np.ndarray, tracks: np.ndarray) -> np.ndarray:
    """Number the groups of tracks that are each other's neighbours: (tracks,) int."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = indices.shape[1]
    ends = np.stack([np.repeat(tracks, count), indices[tracks].ravel()])
    graph = coo_array((np.ones(ends.shape[1], np.int8), ends), shape=(len(indices), len(indices)))
    return np.unique(connected_components(graph.tocsr(), directed=False)[1][tracks], return_inverse=True)[1]


def _beside(placed: np.ndarray, width: float, groups: np.ndarray) -> np.ndarray:
    """Return places on a ring around the map, one a group: (tracks, 2)."""
    centre = (placed.min(axis=0) + placed.max(axis=0)) / 2
    angle = GOLDEN_ANGLE * groups
    return centre + RING * width * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def read_layout(path: Path, names: Sequence[str], of_others: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Read the tracks' places from a table with the columns filename, x, y and, if there, new.

    names      as in music_list.txt; they are found in the table as `match_rows` does.
    of_others  it is no error where the table has no place for any of them.
    Returns    (tracks, 2) float32, nan where the table has no place or an empty one, and (tracks,) bool, those whose
               `new` is 1.
    Raises     UserError for a missing file or column, a place that is no two finite numbers of at most 1e15, a `new`
               other than 0, 1 or nothing, a track with two places, and where no track has one.
    """
    if not Path(path).is_file():
        raise UserError(f"{path}: no such layout; write a CSV with the columns {','.join(LAYOUT_HEADER[:3])}")
    table = read_label_table(path)
    require_columns(table, LAYOUT_HEADER[:3])
    # A place is one label, so that names are matched, and two places of a track refused, as in any other table.
    rows = [{FILENAME_COLUMN: row[FILENAME_COLUMN], "x": _place_text(path, row)} for row in table.rows]
    found = match_rows(LabelTable(table.path, [FILENAME_COLUMN, "x"], rows), names, ["x"])
    xy, new = np.full((len(names), 2), np.nan, np.float32), np.zeros(len(names), bool)
    for track, (place,) in found.items():
        if isinstance(track, int) and place:
            *xy[track], new[track] = map(float, place.split())
    if np.isnan(xy).all() and not of_others:
        if any(isinstance(track, int) for track in found):
            raise UserError(f"{path}: x and y are empty for every track of the run; fill them in")
        raise no_row_matches(table, names, found)
    return xy, new


def _place_text(path: Path, row: dict[str, str]) -> str:
    """Return "x y new" as Python writes the numbers, "" for an empty place."""
    texts = {column: row.get(column, "").strip() for column in LAYOUT_HEADER[1:]}
    if not texts["x"] and not texts["y"]:
        return ""
    numbers = []
    for column, text in texts.items():
        try:
            number = float(text or (0 if column == "new" else "nan"))
        except ValueError:
            number = math.nan
        if not abs(number) <= LARGEST_PLACE or (column == "new" and number not in (0, 1)):
            expected = "0 or 1" if column == "new" else "a finite number, at most 1e15 in size"
            where = f"{path}: the row of {row[FILENAME_COLUMN]!r}"
            raise UserError(f"{where} has {text!r} in the column {column!r}, expected {expected}; mend or remove it")
        numbers.append(number)
    return " ".join(map(repr, numbers))


def layout_table(names: Sequence[str], xy: np.ndarray, new: np.ndarray) -> bytes:
    """Return a layout as CSV, the shortest numbers that are read back as the same float32.

    names  as in music_list.txt; xy (tracks, 2) float32; new (tracks,) bool, written as 0 or 1.
    """
    x, y = (map(str, column) for column in np.asarray(xy, np.float32).T)
    filenames = (name.removesuffix(MEL_SUFFIX) for name in names)
    return csv_bytes(LAYOUT_HEADER, zip(filenames, x, y, map(int, new), strict=True))
