"""Where a training stands: what it will not commit."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

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
    training.require_finite(Networks(2.0), 0.5)
    if where in ("vectors", "squares"):
        getattr(training, where)[1, 0] = value
    networks = Networks(value if where == "weights" else 2.0)
    cost = value if where == "cost" else 0.5
    with pytest.raises(UserError, match="the run: training has diverged after save 4, which is kept; use a smaller "):
        training.require_finite(networks, cost)
    first = dataclasses.replace(training, save=0)
    with pytest.raises(UserError, match="the run: training has diverged before its first save; use a smaller learn"):
        first.require_finite(networks, cost)
