"""Why each hit is one: the stretches that it shares with what it was found by, read from the mel folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from config import Config
from judging.neighbours import directions
from judging.reasons import Embed, Reason, reasons
from judging.seeds import Seed
from mels.log_mel import mel_edges_hz
from mels.mel_folder import read_mel
from utils import Progress

REASONS = 2  # of each hit
COMMON_TRACKS = 30  # spread over the run: what their frames share is no reason
COMMON_FRAMES = 300  # of each


def usable_mel(folder: Path, name: str, frames: int | None = None) -> np.ndarray | None:
    """Return a track's mel (frames, mel_bins), or its first frames; None where there is none that can be read."""
    try:
        mel = read_mel(folder / name, 0, frames)
    except (OSError, ValueError):
        return None
    return mel if len(mel) else None


def explain(
    hits: Sequence[str],
    vectors: np.ndarray,
    seeds: Sequence[Seed],
    names: Sequence[str],
    mel_folder: Path,
    embed: Embed,
    config: Config,
    quiet: bool = True,
) -> Iterator[list[dict[str, object]]]:
    """Yield the reasons of each hit, see hit_tables.Hits: by the nearest of what it should be like.

    hits     names as in music_list.txt; vectors (hits, dims) of them.
    seeds    of a weight above 0, at least one.
    names    of the whole run.
    embed    see reasons.Embed, and config: of the run's networks.
    Yields   an empty list where the hit or the seed has no usable mel.
    """
    nearest = np.argmax(directions(vectors) @ directions(np.stack([seed.vector for seed in seeds])).T, axis=1)
    spread = np.unique(np.linspace(0, len(names) - 1, COMMON_TRACKS).astype(int))
    some = [usable_mel(mel_folder, names[row], COMMON_FRAMES) for row in spread]
    some = [mel for mel in some if mel is not None]
    others = np.concatenate(some) if some else None
    edges_hz = mel_edges_hz(config.mel_low_hz, config.mel_high_hz, config.mel_bins)
    progress = Progress(len(hits), "why", "hits", quiet)
    try:
        for hit, place in zip(hits, nearest, strict=True):
            seed = seeds[place]
            of_hit = usable_mel(mel_folder, hit)
            of_seed = usable_mel(mel_folder, names[seed.row]) if seed.mel is None else seed.mel
            found: list[Reason] = []
            if of_hit is not None and of_seed is not None:
                resolution = (config.hop_seconds, config.frame_seconds)
                found = reasons(of_hit, of_seed, embed, *resolution, edges_hz, REASONS, others)
            yield [as_dict(reason, seed.name) for reason in found]
            progress.advance()
    finally:
        progress.close()


def as_dict(reason: Reason, seed: str) -> dict[str, object]:
    """Return a reason as hit_tables writes it, in seconds, Hz and two digits."""
    spans = [[round(second, 2) for second in span] for span in (reason.seconds_a, reason.seconds_b)]
    bands = [[round(edge) for edge in band] for band in reason.bands_hz]
    cosine = round(float(reason.cosine), 4)
    return {"seconds": spans[0], "seed": seed, "seed_seconds": spans[1], "cosine": cosine, "hz": bands}
