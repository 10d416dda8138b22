"""Growth: matching songs to vectors by name when songs have come, gone or changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from mels.mel_folder import read_mel

if TYPE_CHECKING:
    from learning.model import Model
    from learning.training import Training


def take_in(training: Training, model: Model, old_names: list[str], add_only: bool) -> None:
    """Match rows to songs by name: kept songs keep theirs, new ones get an inferred vector, gone ones are dropped.

    A song whose mel is another now is inferred anew too, except with add_only, which moves no old row.
    """
    from learning.model import first_song_vectors

    corpus, config = training.corpus, training.corpus.config
    rows = {name: row for row, name in enumerate(old_names)}
    old_rows = np.array([rows.get(name, -1) for name in corpus.names])
    kept = old_rows >= 0
    vectors = np.zeros((len(corpus.names), config.output_vector_size), np.float32)
    squares = np.zeros((len(corpus.names), 1), np.float32)
    vectors[kept], squares[kept] = training.vectors[old_rows[kept]], training.squares[old_rows[kept]]
    # a state of zero would make the first step of an inferred vector as long as that of noise
    squares[~kept] = np.median(training.squares)
    old_stamps = np.where(kept, training.stamps[old_rows], corpus.stamps)
    changed = old_stamps != corpus.stamps
    counts = {name: int(which.sum()) for name, which in (("kept", kept), ("changed", changed), ("new", ~kept))}
    gone = len(old_names) - counts["kept"]
    training.changes = (
        f"{counts['kept']:,} kept, {counts['changed']:,} of them changed, {counts['new']:,} new, {gone:,} gone"
    )
    # what stays as it was keeps its stamp too, so that a later training sees the change
    training.stamps = old_stamps if add_only else corpus.stamps
    to_infer = np.flatnonzero(~kept if add_only else ~kept | changed).tolist()

    readable: list[int] = []

    def mels() -> Iterator[np.ndarray]:
        for row in to_infer:
            try:
                mel = read_mel(corpus.folder / corpus.names[row])
            except (OSError, ValueError):  # training counts and names it
                if not kept[row]:
                    vectors[row] = first_song_vectors([corpus.names[row]], config)[0]
                continue
            readable.append(row)
            yield mel

    for place, vector in enumerate(model.infer_song_vectors(mels())):
        vectors[readable[place]] = vector
    training.vectors, training.squares, training.list_changed = vectors, squares, True
