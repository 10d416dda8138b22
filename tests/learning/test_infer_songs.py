"""Vectors of songs that training has not seen, and those that it begins with."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import write_mels
from test_model import fresh, train
from test_sampling import corpus_of

from learning.sampling import held_out_pairs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def networks():
    from learning import model

    return model


@pytest.fixture(params=[("cosine", 0.0), ("cosine", 0.6), ("dot", 0.6)], ids=str)
def corpus(request, mels, config):
    logit, coarse_seconds = request.param
    return corpus_of(mels, config, hidden_size=16, output_vector_size=8, logit=logit, coarse_seconds=coarse_seconds)


def test_an_inferred_vector_depends_on_its_song_alone(networks, corpus):
    from learning.infer_songs import infer_song_vectors

    model, pools = fresh(networks, corpus)
    train(networks, model, pools, 64)
    mels = [np.load(corpus.folder / name) for name in corpus.names]
    alone = next(infer_song_vectors(model, iter(mels[:1])))
    with_others = list(infer_song_vectors(model, iter(mels[::-1] + mels)))
    assert len(with_others) == 2 * len(mels)
    assert np.array_equal(with_others[len(mels)], alone)
    assert np.array_equal(with_others[len(mels) - 1], alone)


def test_an_inferred_vector_resembles_the_songs_of_its_kind(networks, corpus):
    from learning.infer_songs import infer_song_vectors

    model, pools = fresh(networks, corpus)
    train(networks, model, pools, 320)
    trained = model.songs()[0]
    new = write_mels(corpus.folder.parent / "new", {"high/new": 60, "low end/new": 60}, seed=7)
    inferred = np.stack(
        list(infer_song_vectors(model, (np.load(new / f"{kind}/new.npy") for kind in ("high", "low end"))))
    )
    cosine = (inferred @ trained.T) / np.linalg.norm(inferred, axis=1)[:, None] / np.linalg.norm(trained, axis=1)
    high = np.array([name.startswith("high/") for name in corpus.names])
    assert cosine[0, high].mean() > cosine[0, ~high].mean() + 0.3
    assert cosine[1, ~high].mean() > cosine[1, high].mean() + 0.3


def test_an_inferred_vector_is_near_the_one_that_training_found(networks, corpus):
    from learning.infer_songs import first_song_vectors, infer_song_vectors

    model, pools = fresh(networks, corpus)
    train(networks, model, pools, 640)
    trained = model.songs()[0]
    inferred = np.stack(list(infer_song_vectors(model, (np.load(corpus.folder / name) for name in corpus.names))))
    cosine = (inferred * trained).sum(1) / np.linalg.norm(inferred, axis=1) / np.linalg.norm(trained, axis=1)
    assert np.median(cosine) > 0.8
    held_out = held_out_pairs(corpus)
    noise = first_song_vectors(corpus.names, corpus.config)
    costs = [model.held_out_cost(held_out, vectors) for vectors in (trained, inferred, noise)]
    assert costs[1] < costs[0] + 0.3 * (costs[2] - costs[0])


def test_first_song_vectors_follow_the_name_not_the_row(config):
    from learning.infer_songs import first_song_vectors

    forward = first_song_vectors(["a.npy", "b.npy"], config)
    backward = first_song_vectors(["b.npy", "c.npy", "a.npy"], config)
    assert np.array_equal(forward[0], backward[2])
    assert np.array_equal(forward[1], backward[0])
    assert not np.array_equal(forward[0], forward[1])
