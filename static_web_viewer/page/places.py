"""Where each track lies on the page's map, and which tracks are its points: as it was, or found anew from there."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from judging import neighbours
from static_web_viewer.page import layout, layout_file, layout_origin, sample
from static_web_viewer.page.page_folder import LAYOUT_NAME
from utils import UserError, plural

MAP_NEIGHBOURS = layout.PERPLEXITY * layout.NEIGHBOURS_PER_PERPLEXITY
TSNE, PCA = "tsne", "pca"
PCA_DESCRIPTION = "two principal components"


@dataclass(frozen=True)
class Map:
    """Where each track lies, and which of them are points of the map."""

    xy: np.ndarray  # (tracks, 2) float32
    new: np.ndarray  # (tracks,) bool: has come since the page before
    points: np.ndarray  # (points,) int64 rows, rising: the tracks that are drawn
    near: tuple[np.ndarray, np.ndarray]  # of the points among each other, as nearest_neighbours returns it
    description: str  # how the places were found
    state: dict[
        str, str
    ]  # for layout.json: kind (as --layout has it), hash of what they were made of, made (description)


@dataclass(frozen=True)
class Wanted:
    """How the map is to be made."""

    out: Path  # the page's folder
    kind: str  # TSNE, PCA or the path of a table
    is_new: bool  # do not start from the places of the page before
    most_points: int
    seed: int
    quiet: bool


def make_map(wanted: Wanted, names: Sequence[str], rows: np.ndarray, clusters: np.ndarray) -> Map:
    """Return each track's place: that of the page before where nothing has changed since, else found anew from there.

    rows  (tracks, dims) float32 of length 1; clusters (tracks,) int of at least 0.
    """
    kind = wanted.kind
    given = b"" if kind in (TSNE, PCA) else Path(kind).read_bytes()
    of_sample = [f"{wanted.most_points} points"] if len(names) > wanted.most_points else []
    made_of = hashlib.sha256("\n".join([kind, str(wanted.seed), *of_sample, *names]).encode("utf-8", "surrogateescape"))
    made_of.update(given)
    made_of.update(np.ascontiguousarray(rows))
    state, before = {"kind": kind, "hash": made_of.hexdigest()}, layout_origin.read_origin(wanted.out)
    old_xy, new = read_before(wanted, names)
    arrived = np.isnan(old_xy).any(axis=1)
    if not arrived.all():
        new = arrived if arrived.any() else new
    points = sample.choose(names, clusters, new, wanted.most_points)
    near = neighbours.nearest_neighbours(rows[points], MAP_NEIGHBOURS, wanted.quiet)
    dot = kind == TSNE and layout.all_in_one_place(old_xy)
    if not arrived.any() and before.get("hash") == state["hash"] and not wanted.is_new and not dot:
        return Map(old_xy, new, points, near, "as it was, nothing has changed since", before)
    if kind == TSNE:
        scratch = dot or arrived.all() or wanted.is_new or before.get("kind", TSNE) != TSNE
        start = None if scratch else old_xy[points]
        xy = np.full((len(names), 2), np.nan)
        xy[points], description = tsne_map(rows[points], near, wanted.seed, start, wanted.quiet)
    elif kind == PCA:
        xy, description = layout.pca_layout(rows), PCA_DESCRIPTION
    else:
        xy, description = read_map(Path(kind), names, points, near)
    if np.isnan(xy).any():
        xy, recall = sample.place_the_rest(rows, xy, wanted.most_points, wanted.quiet)
        description += (
            f" of {len(points):,} tracks, the others beside the most alike ({100 * recall:.1f}% of them found)"
        )
    return Map(xy.astype(np.float32), new, points, near, description, state | {"made": description})


def read_before(wanted: Wanted, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of the page before, (tracks, 2) float32, nan where it had none, and which were new there."""
    kept = wanted.out / LAYOUT_NAME
    if kept.exists():
        try:
            return layout_file.read_layout(kept, names, of_others=True)
        except UserError:
            if not wanted.is_new:  # which needs none, and mends a broken one
                raise
    return np.full((len(names), 2), np.nan, np.float32), np.zeros(len(names), bool)


def read_map(
    path: Path, names: Sequence[str], points: np.ndarray, near: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, str]:
    """Return the places that a table has, those of points that it lacks among their neighbours, and how it was made."""
    xy, _ = layout_file.read_layout(path, names)
    missing = int(np.isnan(xy).any(axis=1).sum())
    beside = f"; {plural(missing, 'track')} without a place there put beside the most alike" if missing else ""
    if np.isfinite(xy[points]).any():
        xy = xy.astype(np.float64)
        xy[points] = layout.place_by_neighbours(xy[points], *near)
    return xy, path.name + beside


def tsne_map(
    rows: np.ndarray, near: tuple[np.ndarray, np.ndarray], seed: int, start: np.ndarray | None, quiet: bool
) -> tuple[np.ndarray, str]:
    """Return t-SNE's map, and how it was made; where all tracks come to lie in one place, principal components."""
    try:
        xy = layout.tsne(rows, *near, seed, start, quiet)
    except layout.CollapsedMap:
        return layout.pca_layout(rows), f"{PCA_DESCRIPTION}, because t-SNE has put all tracks in one place"
    return xy, "t-SNE from scratch" if start is None else f"t-SNE from the one before, {shift(start, xy)}"


def shift(old_xy: np.ndarray, xy: np.ndarray) -> str:
    """Return in words how far the tracks that had a place have moved, in percent of the map's width."""
    known = np.isfinite(old_xy).all(axis=1)
    moved = np.linalg.norm(xy[known] - old_xy[known], axis=1)
    percent = 100 * float(np.median(moved)) / (layout.map_width(xy) or 1.0)
    return f"{plural(int(known.sum()), 'track')} moved by {percent:.1f}% of its width in median"
