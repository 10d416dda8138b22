"""What is said of clusters: their typical tracks, the mel bands that set them apart, the order in which they stand."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from judging import baselines
from judging.clustering import SONGS_BLOCK, cluster_sums
from judging.neighbours import directions
from mels.log_mel import mel_edges_hz
from mels.mel_folder import read_audio_half, read_mel
from utils import Progress, UserError, printable

LABELS_SHOWN = 30  # rows of a picture: more could not be read
MELS_READ = 300  # of each cluster: the error of a mean is then below 0.06 deviations
BANDS = 3  # named of each cluster
BAND_SHARE = 0.7  # of the deviation at a band's peak: neighbours of the same sign that reach it are of the band


def typical_first(vectors: np.ndarray, clusters: np.ndarray, count: int) -> list[np.ndarray]:
    """Return the songs of each cluster, those first whose cosine to its centroid is largest.

    vectors  (songs, dims), finite and not zero; clusters (songs,) int64 below `count`.
    Returns  for each cluster (members,) int64; songs of the same cosine stand in their order.
    """
    rows = directions(vectors)
    centroids = cluster_sums(rows, clusters, count).astype(np.float32)
    products = np.empty(len(rows), np.float32)  # cosines times the length of the centroid, which changes no order
    for start in range(0, len(rows), SONGS_BLOCK):
        block = slice(start, start + SONGS_BLOCK)
        products[block] = np.einsum("ij,ij->i", rows[block], centroids[clusters[block]])
    order = np.lexsort((-products, clusters))
    return np.split(order, np.cumsum(np.bincount(clusters, minlength=count))[:-1])


def band_deviations(means: Sequence[np.ndarray], sizes: Sequence[int]) -> np.ndarray:
    """Return how far each cluster's mean of each mel bin lies from the mean of all tracks, in deviations over tracks.

    means    for each cluster (tracks read, mel_bins): the mean log-mel of some of its tracks, or of none.
    sizes    for each cluster the number of all its tracks: what it weighs in mean and deviation of all.
    Returns  (clusters, mel_bins) float64; nan where no track was read, 0 for a bin in which all tracks are alike.
    Raises   ValueError where no track at all was read.
    """
    read = [number for number, rows in enumerate(means) if len(rows)]
    if not read:
        raise ValueError("no mel of any cluster")
    weights = np.array([sizes[number] for number in read], np.float64)[:, None] / sum(sizes[number] for number in read)
    centres = np.stack([means[number].mean(axis=0) for number in read])  # (read, mel_bins)
    overall = (weights * centres).sum(axis=0)
    variance = (weights * (np.stack([means[number].var(axis=0) for number in read]) + (centres - overall) ** 2)).sum(0)
    found = np.full((len(means), len(overall)), np.nan)
    found[read] = (centres - overall) / np.sqrt(np.where(variance > 1e-12, variance, np.inf))
    return found


def strongest_bands(deviations: np.ndarray) -> list[tuple[int, int, float]]:
    """Return the mel bands that deviate most, as (first bin, last bin, deviation at the peak), largest first.

    deviations  (mel_bins,). A band reaches from its peak over neighbours of the same sign and at least 0.7 of its
                height; the next one is sought beyond the bins of that sign around it, not on its slope.
    """
    left, bands = np.where(np.isfinite(deviations), deviations, 0.0), []
    while len(bands) < BANDS and np.abs(left).max() > 0:
        peak = int(np.abs(left).argmax())
        heights = left * np.sign(left[peak])  # above 0: of the peak's sign
        first, last = _run_around(heights >= BAND_SHARE * heights[peak], peak)
        bands.append((first, last, float(left[peak])))
        start, stop = _run_around(heights > 0, peak)
        left[start : stop + 1] = 0.0
    return bands


def _run_around(held: np.ndarray, place: int) -> tuple[int, int]:
    breaks = np.flatnonzero(~held)
    after = int(np.searchsorted(breaks, place))
    first = int(breaks[after - 1]) + 1 if after else 0
    return first, int(breaks[after]) - 1 if after < len(breaks) else len(held) - 1


def staircase_order(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the orders of labels and clusters in which each cluster's largest share lies on a stair going down.

    table    (labels, clusters) int, songs.
    Returns  (labels,) and (clusters,) int64. Labels that are the most frequent of a cluster come by the largest share
             that they have of one, the clusters of a label likewise. A label that is nowhere the most frequent stands
             behind the one that is so where most of its songs are. Clusters without a labelled song come last.
    """
    sizes, top = table.sum(axis=0), table.argmax(axis=0)  # (clusters,)
    shares = table.max(axis=0) / np.maximum(sizes, 1)
    best = np.full(len(table), -1.0)  # (labels,) largest share of a cluster whose most frequent label it is
    np.maximum.at(best, top[sizes > 0], shares[sizes > 0])
    leads = best >= 0
    leader = np.where(leads, np.arange(len(table)), top[table.argmax(axis=1)])
    labels = np.lexsort((-table.sum(axis=1), ~leads, leader, -best[leader]))
    position = np.argsort(labels)
    return labels, np.lexsort((-shares, position[top], sizes == 0))


def join_rare(table: np.ndarray, labels: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Join the rarest labels into one last row where there are more than a picture can show.

    Returns  (shown, clusters) int and the shown labels, in their order; the last is "N other labels" where any were
             joined.
    """
    if len(labels) <= LABELS_SHOWN:
        return table, list(labels)
    by_frequency = np.argsort(-table.sum(axis=1), kind="stable")
    kept, rest = np.sort(by_frequency[: LABELS_SHOWN - 1]), by_frequency[LABELS_SHOWN - 1 :]
    joined = np.vstack([table[kept], table[rest].sum(axis=0)])
    return joined, [labels[i] for i in kept] + [f"{len(rest)} other labels"]


def require_mels(folder: Path, names: Sequence[str]) -> None:
    """Raise UserError where none of the songs has a mel in the folder; looks no further than the first that has."""
    if not any(os.path.exists(folder / name) for name in names):
        first = printable(names[0]) if names else ""
        raise UserError(
            f"{folder}: holds no mel of the run, not even {first!r}; name the folder that it was trained on"
        )


def read_bands(folder: Path, members: list[list[str]], seed: int, quiet: bool) -> tuple[list[list[str]], int]:
    """Return the bands that set each cluster apart, as text, and how many mels could not be read.

    At most 300 mels a cluster are read, drawn by the seed. They are named by the audio half that made the folder.

    members  the songs of each cluster. Raises UserError where no mel of them is in the folder.
    """
    draws = np.random.default_rng(seed % 2**64)
    chosen = [draws.permutation(len(names))[:MELS_READ] for names in members]
    means, gone, bins = [[] for _ in members], [], 0
    progress = Progress(sum(map(len, chosen)), "mel bands", "mels", quiet)
    for names, rows, read in zip(members, chosen, means, strict=True):
        for row in np.sort(rows):
            try:
                mean = baselines.mean_log_mel(read_mel(folder / names[row]))
                bins = bins or len(mean)
                if len(mean) != bins:
                    raise ValueError(f"{len(mean)} bins where others have {bins}")
                read.append(mean)
            except (OSError, ValueError) as error:
                gone.append(f"{names[row]}: {getattr(error, 'strerror', None) or error}")
            progress.advance()
    progress.close()
    if not bins:
        raise UserError(f"{folder}: no usable mel of the run ({gone[0]}); name the folder that it was trained on")
    named = band_names(read_audio_half(folder), bins)
    deviations = band_deviations(list(map(np.array, means)), list(map(len, members)))
    return [[named(*band) for band in strongest_bands(one)] for one in deviations], len(gone)


def band_names(audio_half: Mapping[str, object], bins: int) -> Callable[[int, int, float], str]:
    """Return what names a band (first bin, last bin, deviation): in Hz, or by bins where nobody knows them."""
    if audio_half.get("mel_bins") != bins:
        return lambda first, last, deviation: f"bins {first}-{last} {deviation:+.1f}"
    edges = mel_edges_hz(float(audio_half["mel_low_hz"]), float(audio_half["mel_high_hz"]), bins)
    return lambda first, last, deviation: f"{edges[first]:.0f}-{edges[last + 2]:.0f} Hz {deviation:+.1f}"
