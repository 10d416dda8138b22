"""Where each track lies on the map of a collection: t-SNE that keeps old places, PCA.

No argparse here; faiss, openTSNE, scikit-learn and scipy are imported where they are used, so that `--help` is quick.
"""

from __future__ import annotations

import contextlib
import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from judging.neighbours import nearest_neighbours
from utils import Progress, usable_cores

if TYPE_CHECKING:
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import Affinities

PERPLEXITY = 30
NEIGHBOURS_PER_PERPLEXITY = 3  # beyond these a Gaussian of that perplexity is nearly 0
TSNE_LEAST = 10  # tracks: PCA loses little of fewer, and a perplexity below 3 says nothing
FFT_LEAST = 10_000  # tracks, from which on interpolation is quicker than Barnes-Hut, which is the more exact
THREADS_LEAST = 2000  # tracks: with fewer, threads on a busy machine wait ten times as long for each other as they work
EARLY, MAIN = (250, 12, 0.5), (500, 1, 0.8)  # iterations, exaggeration, momentum, as openTSNE advises
START_DEVIATION = 1e-4  # of a start from scratch: so small that attraction alone decides at first
# Tracks, below which nothing is exaggerated: of few each is a neighbour of most, and twelvefold attraction is stronger
# than repulsion wherever they lie, and contracts them to a point. Barnes-Hut takes those nearer than 1e-6 for one, so
# that nothing parts them again. As many neighbours are kept without: tests/benchmarks/layout.py --few 12 30 100 1000.
EARLY_LEAST = 1000
MAIN_FEW = (750, *MAIN[1:])
START_DEVIATION_FEW = 0.1  # far above that 1e-6, far below the distance of neighbours on a map, about 1
LEAST_WIDTH = 0.5  # of a map in t-SNE's unit, in which neighbours lie about 1 apart; of 10 tracks it is 4 or more
MOST, ONE_PLACE = 0.9, 1e-6  # a map is a dot where so many of its tracks are within that share of its width
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
GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))


class CollapsedMap(ValueError):
    """A map on which all tracks lie in one place, and that says nothing."""


def pca_layout(rows: np.ndarray) -> np.ndarray:
    """Return the first two principal components, (tracks, dims) -> (tracks, 2) float32, of mean 0.

    Of each component the weight that is largest in size is positive, so that the map is not mirrored by chance. A
    component that is not there (one dimension, two tracks, equal rows) is 0.
    """
    from sklearn.decomposition import PCA
    from threadpoolctl import threadpool_limits

    xy = np.zeros((len(rows), 2), np.float32)
    centred = rows - rows.mean(axis=0, dtype=np.float64)  # the covariance of float32 would round small variances away
    if not centred.any():
        return xy
    count = min(2, *rows.shape)
    with threadpool_limits(1, "blas"):  # the last bits are the same on any number of cores
        pca = PCA(count, svd_solver="covariance_eigh").fit(centred)
        xy[:, :count] = pca.transform(centred) * (pca.explained_variance_ > NO_VARIANCE)
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
    the map is laid out at large, and where all have the same one they are no start. Tracks with equal rows are laid out
    as one, and then side by side. Fewer than ten different ones are laid out by PCA.

    rows       (tracks, dims) float32 of length 1.
    indices    (tracks, count) int32 and distances (tracks, count) float32, of `nearest_neighbours`; 90 of them count.
    seed       of the jitter that a start from scratch needs.
    start      (tracks, 2) places of an earlier map, nan where a track has none; in any unit.
    Returns    (tracks, 2) float32, the same for the same input and seed on any number of cores; from scratch turned so
               that its longest axis is x; with a start in its unit, moved and scaled as a whole so that the tracks that
               had places come nearest to these.
    Raises     CollapsedMap where the tracks have all come to lie in one place, or out of all bounds.
    Reference  van der Maaten and Hinton 2008; Kobak and Berens 2019 for the start; openTSNE (Policar et al. 2024).
    """
    start = np.full((len(rows), 2), np.nan) if start is None or all_in_one_place(start) else start
    first, which = _distinct(rows, distances)
    if len(first) < len(rows):
        start_of_distinct = _first_place(start, len(first), which)
        neighbours = nearest_neighbours(rows[first], indices.shape[1], quiet)
        xy = _side_by_side(_tsne_of_distinct(rows[first], *neighbours, seed, start_of_distinct, quiet), which)
    else:
        xy = _tsne_of_distinct(rows, indices, distances, seed, start, quiet)
    return (fit_to_known(xy, start) if np.isfinite(start).any() else turned_wide(xy)).astype(np.float32)


def _tsne_of_distinct(
    rows: np.ndarray, indices: np.ndarray, distances: np.ndarray, seed: int, start: np.ndarray, quiet: bool
) -> np.ndarray:
    """Lay out tracks no two of which are equal, in t-SNE's own unit; arguments as those of `tsne`."""
    if len(rows) < TSNE_LEAST:
        xy = pca_layout(rows)
        alike_but_for_rounding = len(xy) > 1 and not map_width(xy)
        return spiral(1.0, np.arange(len(xy)), len(xy)) if alike_but_for_rounding else xy
    known = np.isfinite(start).all(axis=1)
    with _silent_opentsne():
        affinities = _affinities(indices, distances)
        if 2 * known.sum() < len(rows):
            initial = place_by_neighbours(start, indices, distances) if known.any() else pca_layout(rows)
            few = len(rows) < EARLY_LEAST
            deviation, phases = (START_DEVIATION_FEW, [MAIN_FEW]) if few else (START_DEVIATION, [EARLY, MAIN])
            xy = _optimise(_from_scratch(initial, deviation, seed), affinities, phases, quiet)
        else:
            iterations = GROWTH_ITERATIONS + round(GROWTH_ITERATIONS_NEW * float((~known).mean()))
            initial = _in_natural_unit(place_by_neighbours(start, indices, distances))
            xy = _optimise(initial, affinities, [(iterations, *MAIN[1:])], quiet)
    if not np.isfinite(xy).all() or map_width(xy) < LEAST_WIDTH or all_in_one_place(xy):
        raise CollapsedMap(f"t-SNE has put {len(rows)} tracks in one place")
    return xy


def all_in_one_place(xy: np.ndarray) -> bool:
    """Whether two or more places (tracks, 2) are practically all the same one; those that are nan do not count."""
    xy = xy[~np.isnan(xy).any(axis=1)]
    if len(xy) < 2:
        return False
    from_middle = np.abs(xy - np.median(xy, axis=0)).max(axis=1)
    return bool(np.quantile(from_middle, MOST) <= ONE_PLACE * map_width(xy))


def _distinct(rows: np.ndarray, distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first track of each vector, (vectors,), and for each track which of these has its vector, (tracks,).

    distances  of `nearest_neighbours`: 0 to an equal track.
    """
    first = np.arange(len(rows))
    doubled = np.flatnonzero((distances[:, :1] == 0).any(axis=1))
    _, place, group = np.unique(rows[doubled], axis=0, return_index=True, return_inverse=True)
    first[doubled] = doubled[place[group.ravel()]]
    return np.unique(first, return_inverse=True)


def _first_place(start: np.ndarray, count: int, which: np.ndarray) -> np.ndarray:
    """Return of equal tracks the first place that one of them has: (tracks, 2) -> (count, 2), nan where none has."""
    places = np.full((count, 2), np.nan)
    known = np.flatnonzero(np.isfinite(start).all(axis=1))[::-1]
    places[which[known]] = start[known]  # of several the last that is written stays
    return places


def _side_by_side(xy: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Give equal tracks places around that of their vector: (vectors, 2) and (tracks,) -> (tracks, 2)."""
    order = np.argsort(which, kind="stable")
    sizes = np.bincount(which)
    rank = np.empty(len(which), int)
    rank[order] = np.arange(len(which)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    many = sizes[which] > 1
    xy, width = xy[which], map_width(xy) or 1.0
    xy[many] += spiral(OFFSET * width, rank[many], sizes[which][many])
    return xy


def spiral(radius: float, rank: np.ndarray, count: np.ndarray | int) -> np.ndarray:
    """Return the places (tracks, 2) with these ranks in a sunflower of `count` around 0: no two are near each other."""
    radii = radius * np.sqrt((rank + 1) / (count + 1))
    return radii[:, None] * np.stack([np.cos(GOLDEN_ANGLE * rank), np.sin(GOLDEN_ANGLE * rank)], axis=1)


def _from_scratch(xy: np.ndarray, deviation: float, seed: int) -> np.ndarray:
    """Shrink a start to almost a point, so that attraction alone decides at first; no two tracks in one place."""
    own = xy.std(axis=0).max()
    scaled = (xy - xy.mean(axis=0)) * (deviation / own if own else 1.0)
    jitter = np.random.default_rng(seed % 2**64).standard_normal(xy.shape)
    return scaled + START_JITTER * deviation * jitter


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


def turned_wide(xy: np.ndarray) -> np.ndarray:
    """Turn a map (tracks, 2) around its middle so that its longest axis lies along x, as screens are wider than high.

    Of the two ways the one that is the smaller turn: the map is neither mirrored nor put on its head.
    """
    centred = xy - xy.mean(axis=0, dtype=np.float64)
    x, y = centred.T
    angle = 0.5 * math.atan2(2 * (x * y).sum(), (x * x).sum() - (y * y).sum())  # of the longest axis, -90 to 90 degrees
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.stack([cosine * x + sine * y, cosine * y - sine * x], axis=1)


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
    xy[new] += spiral(OFFSET * width, np.arange(len(new)), len(new))
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
