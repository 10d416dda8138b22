"""Track descriptors: what describes a track best, made of its song vector and of what its frames sound like.

A song vector tells which frames are typical of the song against the corpus; the mean of its frames' embeddings tells
how it sounds. The two agree in most, so of the second only its main directions are taken:

    descriptor = standardise([song vector, first principal components of the mean of c(frame) over the song])

every dimension of mean 0 and deviation 1 over the corpus. With `logit: cosine` the mean is that of unit vectors, since
only their directions were learned. What else was tried is in tests/benchmarks/RESULTS.md. No TensorFlow here: the model
is handed in.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from learning.background import prefetch
from learning.pools import Corpus
from runs.run_folder import commit_descriptors
from runs.vectors import Descriptors
from utils import Progress, StopRequest, UserError

if TYPE_CHECKING:
    from learning.model import Model
    from learning.training import Training

GROUP_FRAMES = 4096  # songs go through the network together until they have so many
GROUPS_AHEAD = 2  # read in the background
COMPONENTS_DIVISOR = 4  # a principal component for so many dimensions of the mean context
MEASURED_SONGS = 100_000  # at most: more would take gigabytes and tell nothing new
LEAST_SCALE = 1e-6  # a dimension in which all songs are alike must not be blown up


def mean_contexts(
    model: Model, corpus: Corpus, songs: list[int], given_up: Callable[[], bool] = lambda: False
) -> Iterator[np.ndarray | None]:
    """Yield the mean of c over the frames of each song, (dims,) float32, None where its mel cannot be read.

    given_up  asked before each file: where it says yes no other is read, and nobody may wait for more.
    """

    def groups() -> Iterator[list[np.ndarray | None]]:
        group, frames = [], 0
        for song in songs:
            if given_up():
                return
            try:
                group.append(corpus.read(song))
            except (OSError, ValueError):  # training has counted and named it
                group.append(None)
            frames += 0 if group[-1] is None else len(group[-1])
            if frames >= GROUP_FRAMES:
                yield group
                group, frames = [], 0
        yield group

    with contextlib.closing(prefetch(groups(), GROUPS_AHEAD)) as ahead:
        done = 0
        while done < len(songs):
            group = next(ahead)
            heard = [mel for mel in group if mel is not None]
            means = iter([_mean(each, model) for each in model.embed_songs(heard, "context")] if heard else [])
            yield from (None if mel is None else next(means) for mel in group)
            done += len(group)


def _mean(embedded: np.ndarray, model: Model) -> np.ndarray:
    if model.config.logit == "cosine":
        embedded = embedded / np.maximum(np.linalg.norm(embedded, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return embedded.mean(axis=0, dtype=np.float64).astype(np.float32)


@dataclass(frozen=True)
class Standard:
    """What turns song vectors and mean contexts into descriptors. Measured on one corpus, good for more songs."""

    mean: np.ndarray  # (dims of a song vector + dims of a context,) float32
    scale: np.ndarray  # the same
    components: np.ndarray  # (dims of a context, components kept) float32: of standardised contexts, to unit variance

    @classmethod
    def measure(cls, vectors: np.ndarray, contexts: np.ndarray) -> Standard:
        """Measure it on song vectors and mean contexts, (songs, dims) each; songs with nan in either are left out.

        A quarter as many principal components are kept as there are dimensions; where the songs are too few to have
        so many, the others are zero.
        """
        from sklearn.decomposition import PCA

        heard = np.flatnonzero(~np.isnan(contexts).any(axis=1))
        heard = heard[:: -(-len(heard) // MEASURED_SONGS)]  # every song up to so many, then every second, ...
        parts = np.concatenate([vectors[heard], contexts[heard]], axis=1, dtype=np.float64)
        scale = parts.std(axis=0)
        mean, scale = parts.mean(axis=0), np.where(scale < LEAST_SCALE, 1.0, scale)
        spread = ((parts - mean) / scale)[:, vectors.shape[1] :]
        kept = -(-contexts.shape[1] // COMPONENTS_DIVISOR)
        components = np.zeros((contexts.shape[1], kept))
        if len(heard) > 1:  # one song has no directions
            found = PCA(min(kept, len(heard)), svd_solver="full").fit(spread)
            deviations = found.singular_values_ / np.sqrt(len(heard))
            there = deviations**2 > LEAST_SCALE
            components[:, np.flatnonzero(there)] = found.components_[there].T / deviations[there]
        return cls(mean.astype(np.float32), scale.astype(np.float32), components.astype(np.float32))

    def describe(self, vectors: np.ndarray, contexts: np.ndarray) -> np.ndarray:
        """Return descriptors (songs, dims + components) float32. A song with nan for its context sounds as the mean."""
        dims = vectors.shape[1]
        spread = np.nan_to_num((contexts - self.mean[dims:]) / self.scale[dims:])
        return np.concatenate([(vectors - self.mean[:dims]) / self.scale[:dims], spread @ self.components], axis=1)


def write_descriptors(training: Training, model: Model, old: Descriptors | None, stop: StopRequest, quiet: bool) -> int:
    """Write the descriptors of the newest save; return how many dimensions they have, 0 where `stop` came first.

    old     descriptors of these very networks whose rows and standard must stay as they are (--add-only), or None.
    Raises  UserError where not one mel could be read.
    """
    try:
        with stop.at_once():
            standard, descriptors = describe_songs(training, model, old, stop, quiet)
    except KeyboardInterrupt:
        return 0
    commit_descriptors(training.run, training.save, descriptors, asdict(standard), model.step)
    return descriptors.shape[1]


def describe_songs(
    training: Training, model: Model, old: Descriptors | None, stop: StopRequest, quiet: bool
) -> tuple[Standard, np.ndarray]:
    """Return the descriptors of all songs, (songs, dims) float32, and what made them; see `write_descriptors`."""
    names = training.corpus.names
    kept = {name: row for row, name in enumerate(old.names)} if old else {}
    to_do = [song for song, name in enumerate(names) if name not in kept]
    contexts = np.full(training.vectors.shape, np.nan, np.float32)
    progress = Progress(len(to_do), "track descriptors", "songs", quiet)
    found = mean_contexts(model, training.corpus, to_do, stop.__bool__)
    with contextlib.closing(progress), contextlib.closing(found):
        for song, context in zip(to_do, found, strict=True):
            if context is not None:
                contexts[song] = context
            progress.advance()
    if np.isnan(contexts[to_do]).all() and not old:
        raise UserError(f"{training.corpus.folder}: no mel could be read; make it anew with spectrify_all.py")
    standard = Standard(**old.standard) if old else Standard.measure(training.vectors, contexts)
    descriptors = standard.describe(training.vectors, contexts)
    if old:
        at = [song for song, name in enumerate(names) if name in kept]
        descriptors[at] = old.vectors[[kept[names[song]] for song in at]]
    return standard, descriptors
