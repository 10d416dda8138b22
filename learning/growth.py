"""Growth: the songs of a run matched by name to those of the mel folder, when some have come, gone or changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from learning.views import typical_lengths

if TYPE_CHECKING:
    from learning.model import Model
    from learning.training import Training


def match_songs(training: Training, model: Model, old_names: list[str], add_only: bool) -> None:
    """Match rows to songs by name: kept songs keep theirs, new ones get an inferred vector, gone ones are dropped.

    A song whose mel is another now is inferred anew too, except with add_only, which moves no old row.
    """
    corpus, config = training.corpus, training.corpus.config
    rows = {name: row for row, name in enumerate(old_names)}
    old_rows = np.array([rows.get(name, -1) for name in corpus.names])
    kept = old_rows >= 0
    old_stamps = np.where(kept, training.stamps[old_rows], corpus.stamps)
    changed = old_stamps != corpus.stamps
    vectors = np.zeros((len(corpus.names), config.output_vector_size), np.float32)
    squares = np.zeros((len(corpus.names), 1), np.float32)
    vectors[kept], squares[kept] = training.vectors[old_rows[kept]], training.squares[old_rows[kept]]
    # a state of zero would make the first step of an inferred vector as long as that of noise
    squares[~kept] = np.median(training.squares)
    to_infer = np.flatnonzero(~kept if add_only else ~kept | changed)
    for song, vector in inferred(training, model, to_infer, kept):
        vectors[song] = vector
    training.vectors, training.squares, training.list_changed = vectors, squares, True
    # what stays as it was keeps its stamp too, so that a later training sees the change
    training.stamps = old_stamps if add_only else corpus.stamps
    counts = int(kept.sum()), int(changed.sum()), int((~kept).sum()), len(old_names) - int(kept.sum())
    training.changes = "{:,} kept, {:,} of them changed, {:,} new, {:,} gone".format(*counts)


def inferred(training: Training, model: Model, songs: np.ndarray, kept: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (song, vector) of songs; where the mel cannot be read, noise for a new song and nothing for a kept one.

    training.vectors are those of the songs as they were before.
    """
    from learning.infer_songs import first_song_vectors, infer_song_vectors

    corpus, lengths = training.corpus, typical_lengths(model.views, training.vectors)
    readable: list[int] = []
    unreadable: list[int] = []

    def mels() -> Iterator[np.ndarray]:
        for song in songs.tolist():
            try:
                mel = corpus.read(song)
            except (OSError, ValueError):  # training counts and names it
                unreadable.append(song)
                continue
            readable.append(song)
            yield mel

    for place, vector in enumerate(infer_song_vectors(model, mels(), lengths)):
        yield readable[place], vector
    for song in unreadable:
        if not kept[song]:
            yield song, first_song_vectors([corpus.names[song]], corpus.config)[0]
