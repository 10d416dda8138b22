"""Files of one recording among many: which pairs are worth a look, proof of them by their mels, and groups."""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np

from judging.neighbours import directions, nearest_neighbours
from judging.same_recording import Match, Prepared, align, is_proof, match_of, may_be_same, prepare, sketch, spectrum
from utils import Progress, usable_cores

T = TypeVar("T")

NEAR_LENGTH = 0.97  # of the longest: as long, as far as silence at the ends and encoders' padding go
WHOLE_SHARE = 0.9  # of a file that lies in another one: all of it, but for the same
BLOCK = 256  # pairs that a thread takes at a time
SAME = 1e-3  # a bin that hardly differs between tracks says as little
SKETCHES_IN_MEMORY = 1 << 30  # bytes: those of 28,000 songs of 4 minutes, a frame each tenth of a second
PREPARED_KEPT = 128  # mels of a pair's side that are kept for the next pair


def near_pairs(vectors: np.ndarray, neighbours: int, least_cosine: float = -1, quiet: bool = True) -> np.ndarray:
    """Return the pairs of tracks of which one is among the other's nearest by cosine, and not too far.

    vectors  (tracks, dims), finite and not zero.
    Returns  (pairs, 2) int64 rows, the smaller first, sorted.
    """
    near, distances = nearest_neighbours(directions(vectors), neighbours, quiet)
    pairs = np.stack([np.repeat(np.arange(len(near)), near.shape[1]), near.ravel()], axis=1).astype(np.int64)
    return np.unique(np.sort(pairs[1 - distances.ravel() >= least_cosine], axis=1), axis=0)


def standardised(spectra: np.ndarray) -> np.ndarray:
    """Return spectra (tracks, mel_bins) of mean 0 and deviation 1 in each bin, and a column by which none is zero."""
    scaled = (spectra - spectra.mean(axis=0)) / (spectra.std(axis=0) + SAME)
    return np.concatenate([scaled, np.full((len(scaled), 1), SAME)], axis=1).astype(np.float32)


class Sketches:
    """Sketches by track, 16 bytes a frame: a file without a name takes them where they are many. For threads."""

    def __init__(self, folder: Path | None) -> None:
        self._file = tempfile.SpooledTemporaryFile(SKETCHES_IN_MEMORY, dir=folder)  # noqa: SIM115
        self._places: dict[int, tuple[int, tuple[int, ...]]] = {}  # where each begins, and its shape
        self._lock = threading.Lock()
        weakref.finalize(self, self._file.close)

    def put(self, track: int, sketched: np.ndarray) -> None:
        with self._lock:
            self._places[track] = (self._file.seek(0, os.SEEK_END), sketched.shape)
            self._file.write(sketched.tobytes())

    def get(self, track: int) -> np.ndarray:
        start, (frames, bands) = self._places[track]
        with self._lock:
            self._file.seek(start)
            content = self._file.read(frames * bands * np.dtype(np.float16).itemsize)
        return np.frombuffer(content, np.float16).reshape(frames, bands)

    def tracks(self) -> np.ndarray:
        return np.array(sorted(self._places), np.int64)


class Prover:
    """Which pairs of tracks are one recording, by their mels, in threads.

    unreadable  track: why, of those that were left out.
    aligned     pairs whose sketches did not rule them out.
    """

    def __init__(
        self,
        read: Callable[[int], np.ndarray],
        tracks: int,
        hop_seconds: float,
        quiet: bool = True,
        folder: Path | None = None,
    ) -> None:
        """Read the mel of each track once.

        read    returns the mel (frames, mel_bins) of a track in [0, tracks); an OSError or ValueError leaves it out.
        folder  where sketches go that are too many for the memory, while the object lives; None for the system's.
        """
        self._sketches = Sketches(folder)
        self._read, self._hop_seconds, self._quiet = read, hop_seconds, quiet
        self.unreadable: dict[int, str] = {}
        self.aligned = 0
        looked = self._in_threads(self._look, np.arange(tracks), "reading", "mels")
        self._spectra = [found for found in looked if found is not None]

    def near_pairs(self, neighbours: int) -> np.ndarray:
        """Return the pairs whose mean spectra are among the nearest of each other's: (pairs, 2) int64, sorted."""
        tracks = self._sketches.tracks()
        if len(tracks) < 2:
            return np.empty((0, 2), np.int64)
        return tracks[near_pairs(standardised(np.stack(self._spectra)), neighbours, quiet=self._quiet)]

    def prove(self, pairs: np.ndarray) -> dict[tuple[int, int], Match]:
        """Return the proven ones of pairs (pairs, 2): where the second track lies in the first."""
        sketches = self._sketches
        pairs = pairs[np.isin(pairs, sketches.tracks()).all(axis=1)]
        kept = self._in_threads(lambda pair: may_be_same(*map(sketches.get, pair)), pairs, "comparing", "pairs")
        pairs = [tuple(pair) for pair in pairs[np.array(kept, bool)].tolist()]
        self.aligned = len(pairs)
        prepared = lru_cache(PREPARED_KEPT)(self._prepared)

        def match(pair: tuple[int, int]) -> Match | None:
            found = align(prepared(pair[0]), prepared(pair[1]))
            return match_of(found, self._hop_seconds) if found and is_proof(found) else None

        matches = zip(pairs, self._in_threads(match, np.array(pairs, np.int64), "proving", "pairs"), strict=True)
        return {pair: found for pair, found in matches if found}

    def _prepared(self, track: int) -> Prepared:
        return prepare(self._read(track), self._hop_seconds)

    def _look(self, track: int) -> np.ndarray | None:
        try:
            mel = self._read(track)
            if not len(mel):
                raise ValueError("holds no frame")
        except (OSError, ValueError) as error:
            self.unreadable[track] = getattr(error, "strerror", None) or str(error)
            return None
        prepared = prepare(mel, self._hop_seconds)
        self._sketches.put(track, sketch(prepared))
        return spectrum(prepared)

    def _in_threads(self, work: Callable[[object], T], items: np.ndarray, what: str, unit: str) -> list[T]:
        """Return what becomes of each item; they are an array, as of a million tracks there are ten million pairs."""
        progress, found = Progress(len(items), what, unit, self._quiet), []
        pool = ThreadPoolExecutor(usable_cores())
        blocks = (items[start : start + BLOCK] for start in range(0, len(items), BLOCK))
        try:
            for done in pool.map(lambda block: [work(item) for item in block.tolist()], blocks):
                found += done
                progress.advance(len(done))
        finally:
            pool.shutdown(cancel_futures=True)
            progress.close()
        return found


@dataclass(frozen=True)
class Member:
    """A file of a group, and what shows that it belongs there."""

    track: int
    against: int | None = None  # the file of the group in which it was found; None for the best one
    match: Match | None = None  # where it lies in that one


def group_files(matches: dict[tuple[int, int], Match], seconds: np.ndarray, sizes: np.ndarray) -> list[list[Member]]:
    """Return the groups of two and more files of one recording, the best file of each first.

    matches  of pairs of tracks: where the second lies in the first.
    seconds  (tracks,) how long each is, sizes (tracks,) its bytes: the best is the longest, of those about as long the
             largest.
    A file is of the group of which a file holds it: of the best one, or of one that lies whole in a file of the group.
    So a short cut that two recordings share does not make them one.
    """
    edges: dict[int, dict[int, Match]] = defaultdict(dict)
    for (one, other), match in matches.items():
        edges[one][other] = match
        edges[other][one] = Match(-match.offset_seconds, match.overlap_seconds, match.share, match.score)
    pending, groups = set(edges), []
    for tracks in _components(edges):
        while tracks := [track for track in tracks if track in pending]:
            longest = max(seconds[track] for track in tracks)
            near = (track for track in tracks if seconds[track] >= NEAR_LENGTH * longest)
            best = max(near, key=lambda track: (sizes[track], seconds[track], -track))
            members = list(_held_by(best, edges, pending, seconds))
            pending -= {member.track for member in members}
            if len(members) > 1:
                groups.append([members[0], *sorted(members[1:], key=lambda member: member.track)])
    return sorted(groups, key=lambda group: group[0].track)


def _held_by(best: int, edges: dict[int, dict[int, Match]], pending: set[int], seconds: np.ndarray) -> Iterator[Member]:
    """Yield the best file and all that lie in it, or in what lies in it, nearest first."""
    seen, queue = {best}, [Member(best)]
    for member in queue:
        yield member
        holder = member.track
        for track, match in sorted(edges[holder].items(), key=lambda item: (-item[1].score, item[0])):
            is_held = holder == best or (match.share >= WHOLE_SHARE and NEAR_LENGTH * seconds[track] <= seconds[holder])
            if track in pending and track not in seen and is_held:
                seen.add(track)
                queue.append(Member(track, holder, match))


def _components(edges: dict[int, Iterable[int]]) -> Iterator[list[int]]:
    seen: set[int] = set()
    for start in sorted(edges):
        if start in seen:
            continue
        seen.add(start)
        queue = [start]
        for track in queue:
            more = sorted(set(edges[track]) - seen)
            seen.update(more)
            queue += more
        yield sorted(queue)
