"""Where a training stands: what it will not commit; what memory it takes."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from conftest import write_mels
from test_sampling import corpus_of

from learning.memory import memory_estimate
from learning.pools import Corpus
from learning.training import Training
from utils import UserError


class Networks:
    """Stands for a model of which only the weights are looked at."""

    def __init__(self, weight: float) -> None:
        self.weight = weight

    def state(self) -> dict[str, np.ndarray]:
        return {"step": np.array(7), "weights": np.array([1.0, self.weight], np.float32)}


def training_of(corpus: Corpus, save: int) -> Training:
    songs = len(corpus.names)
    stamps = np.zeros(songs, np.int64)
    squares = np.ones((songs, 1), np.float32)
    return Training(Path("the run"), corpus, stamps, np.ones((songs, 3), np.float32), squares, save, [], list_save=1)


@pytest.fixture
def corpus(config) -> Corpus:
    return Corpus(Path("mels"), ["a.npy", "b.npy"], np.array([9, 9]), 12, config)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["cost", "vectors", "squares", "weights"])
def test_nothing_that_is_not_finite_is_committed(corpus, value, where):
    training = training_of(corpus, save=4)
    training.require_finite(Networks(2.0), [0.5])
    if where in ("vectors", "squares"):
        getattr(training, where)[1, 0] = value
    networks = Networks(value if where == "weights" else 2.0)
    cost = value if where == "cost" else 0.5
    with pytest.raises(UserError, match="the run: training has diverged after save 4, which is kept; use a smaller "):
        training.require_finite(networks, [cost])
    first = dataclasses.replace(training, save=0)
    with pytest.raises(UserError, match="the run: training has diverged before its first save; use a smaller learn"):
        first.require_finite(networks, [cost])


@pytest.mark.parametrize(("kind", "bytes_more"), [(np.float16, 0), (np.float32, 2), (np.float64, 6)])
def test_memory_is_that_of_the_numbers_as_they_are_stored(tmp_path, config, kind, bytes_more):
    """A bare folder may hold float64, of which the pools take four times what the mels of spectrify_all.py take."""
    usual = corpus_of(write_mels(tmp_path / "usual", {"a": 500, "b": 500}), config, coarse_seconds=0.6)
    for path in (tmp_path / "usual").rglob("*.npy"):
        np.save(tmp_path / path.name, np.load(path).astype(kind))
    (tmp_path / "a.npy").write_bytes(b"broken since it was listed")
    corpus = dataclasses.replace(usual, folder=tmp_path)
    views = 2
    pools = views * 3 * 1000 * 12 * bytes_more
    blocks = views * 16 * 64 * 6 * 12 * 4 * bytes_more
    assert memory_estimate(corpus) - memory_estimate(usual) == pools + blocks


def test_memory_of_mels_that_are_not_readable_is_that_of_float16(tmp_path, config):
    usual = corpus_of(write_mels(tmp_path / "usual", {"a": 500, "b": 500}), config)
    assert memory_estimate(dataclasses.replace(usual, folder=tmp_path)) == memory_estimate(usual)
