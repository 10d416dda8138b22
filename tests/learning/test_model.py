"""The objective and the training step, in TensorFlow."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from test_sampling import corpus_of

from learning.pools import Pools
from learning.sampling import draw_block, held_out_pairs, sample_inputs
from learning.weights import first_weights

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def networks():
    from learning import model

    return model


@pytest.fixture(params=[("cosine", 0.6), ("cosine", 0.0), ("dot", 0.6)], ids=str)
def corpus(request, mels, config):
    logit, coarse_seconds = request.param
    return corpus_of(mels, config, hidden_size=16, output_vector_size=8, logit=logit, coarse_seconds=coarse_seconds)


def fresh(networks, corpus):
    """An untrained model that holds all songs, and its pools."""
    from learning.infer_songs import first_song_vectors

    model = networks.Model(corpus.config, first_weights(corpus.config, corpus.bins, sample_inputs(corpus)))
    vectors = first_song_vectors(corpus.names, corpus.config)
    model.load_songs(vectors, np.zeros((len(vectors), 1), np.float32))
    return model, Pools(corpus)


def train(networks, model, pools, steps):
    costs = []
    for first in range(model.step, model.step + steps, networks.STEPS_PER_CALL):
        costs.append(model.train(draw_block(pools, first, networks.STEPS_PER_CALL, networks.STEPS_PER_CALL)))
    return np.concatenate(costs)


def test_cost_of_knowing_nothing_is_ln_2(networks):
    import tensorflow as tf

    for batch, contexts in ((2, 2), (64, 64), (64, 10)):
        assert float(networks.batch_cost(tf.zeros((batch, contexts)))) == pytest.approx(np.log(2))


def test_cost_gradient_is_the_derivative_of_the_cost(networks):
    import tensorflow as tf

    logits = tf.constant(np.random.default_rng(0).standard_normal((7, 7)) * 3)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        cost = networks.batch_cost(logits)
    assert np.allclose(tape.gradient(cost, logits), networks.cost_gradient(logits), atol=1e-9)


def test_training_lowers_the_cost_and_parts_the_two_kinds(networks, corpus):
    model, pools = fresh(networks, corpus)
    held_out = held_out_pairs(corpus)
    before = model.held_out_cost(held_out, model.songs()[0])
    costs = train(networks, model, pools, 320)
    vectors = model.songs()[0]
    assert costs[-16:].mean() < 0.8 * costs[:16].mean()
    assert model.held_out_cost(held_out, vectors) < 0.8 * before
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    kinds = np.array([name.split("/")[0] for name in corpus.names])
    similar = unit @ unit.T
    np.fill_diagonal(similar, -np.inf)
    assert (kinds[similar.argmax(1)] == kinds).all()


def test_each_view_learns_its_own_part_of_the_song_vectors(networks, mels, config):
    """Its part of the vectors alone parts the two kinds."""
    small = {"hidden_size": 16, "logit": "cosine"}
    both, pools = fresh(networks, corpus_of(mels, config, output_vector_size=8, coarse_seconds=0.6, **small))
    train(networks, both, pools, 320)
    kinds = np.array([name.split("/")[0] for name in pools.corpus.names])
    for view in both.views:
        part = both.songs()[0][:, view.dims]
        similar = np.corrcoef(part)
        np.fill_diagonal(similar, -np.inf)
        assert (kinds[similar.argmax(1)] == kinds).all(), view


def test_a_song_that_is_not_in_the_batch_does_not_move(networks, corpus):
    model, pools = fresh(networks, corpus)
    before, squares_before = model.songs()
    block = draw_block(pools, 0, 1, networks.STEPS_PER_CALL)
    block.song[:] = block.song % 5
    model.train(block)
    after, squares = model.songs()
    assert np.array_equal(before[5:], after[5:])
    assert np.array_equal(squares_before[5:], squares[5:])
    assert (before[:5] != after[:5]).any(axis=1).all()


def test_steps_beyond_the_count_of_a_block_are_not_run(networks, corpus):
    model, pools = fresh(networks, corpus)
    vectors = model.songs()[0]
    block = draw_block(pools, 0, 4, networks.STEPS_PER_CALL)
    assert model.train(dataclasses.replace(block, steps=0)).size == 0
    assert np.array_equal(model.songs()[0], vectors)
    assert model.train(block).size == 4
    assert model.step == 4


def test_a_model_made_of_its_state_goes_on_bit_for_bit(networks, corpus):
    straight, pools = fresh(networks, corpus)
    train(networks, straight, pools, 64)
    first, pools = fresh(networks, corpus)
    train(networks, first, pools, 32)
    second = networks.Model(corpus.config, first.state())
    second.load_songs(*first.songs())
    train(networks, second, pools, 32)
    for name, array in straight.state().items():
        assert np.array_equal(array, second.state()[name]), name
    for one, other in zip(straight.songs(), second.songs(), strict=True):
        assert np.array_equal(one, other)


def test_embedding_is_the_same_in_pieces(networks, corpus, monkeypatch):
    model, _ = fresh(networks, corpus)
    mel = np.random.default_rng(0).standard_normal((50, corpus.bins)).astype(np.float16)
    whole = model.embed(mel)
    monkeypatch.setattr(networks, "FRAMES_PER_CALL", 7)
    assert whole.shape == (50, 8)
    assert whole.dtype == np.float32
    assert np.allclose(model.embed(mel), whole, atol=1e-5)
    assert model.embed(mel[:1]).shape == (1, 8)
