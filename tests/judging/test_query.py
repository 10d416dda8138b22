"""The direction that is looked for."""

from __future__ import annotations

import numpy as np
import pytest

from judging.query import query_direction


def test_one_vector_is_its_own_direction_whatever_its_length():
    for scale in (1e-3, 1, 1e6):
        np.testing.assert_allclose(query_direction(np.array([[3, 4.0]]) * scale, np.array([0.2])), [0.6, 0.8])


def test_weights_pull_and_lengths_do_not():
    across = np.array([[1, 0.0], [0, 50]])
    np.testing.assert_allclose(query_direction(across, np.ones(2)), np.sqrt([0.5, 0.5]))
    np.testing.assert_allclose(query_direction(across, np.array([1, 0.5])), np.array([2, 1]) / np.sqrt(5))
    np.testing.assert_allclose(query_direction(across, np.array([1, -0.5])), np.array([2, -1]) / np.sqrt(5))


@pytest.mark.parametrize(
    ("vectors", "weights", "message"),
    [
        ([[1, 2], [2, 4]], [1, -1], "cancel each other out"),
        ([[1, 2], [-3, -6]], [0.1, 0.1], "cancel each other out"),
        ([[0.1, 0.3], [0.1, 0.3], [0.2, 0.6]], [1, 2, -3], "cancel each other out"),
        ([[1, 2], [0, 0]], [1, 1], "zero or not finite"),
        ([[1, np.nan]], [1], "zero or not finite"),
    ],
)
def test_what_has_no_direction(vectors, weights, message):
    with pytest.raises(ValueError, match=message):
        query_direction(np.array(vectors, np.float32), np.array(weights))
