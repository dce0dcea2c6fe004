"""recombine: any features, at most N survivors, the same moments."""

import numpy as np
import pytest

from scaling.recombination import recombine


@pytest.mark.parametrize(("n", "rank"), [(500, 1), (37, 12), (1000, 20)])
def test_support_and_moments(n, rank):
    rng = np.random.default_rng(n)
    features = rng.normal(size=(n, rank))
    features[:, 0] = 1
    weights = rng.uniform(size=n)
    kept = recombine(features, weights)
    assert (kept >= 0).all() and np.count_nonzero(kept) <= rank
    np.testing.assert_allclose(features.T @ kept, features.T @ weights, atol=1e-12 * n)


def test_few_points_are_left_alone():
    weights = np.array([1.0, 0.0, 2.0])
    np.testing.assert_array_equal(recombine(np.eye(3), weights), weights)


@pytest.mark.parametrize(
    ("features", "weights", "message"),
    [
        (np.ones(3), np.ones(3), "features must be an array"),
        (np.ones((3, 1)), np.ones(2), "weights must have shape"),
        (np.full((3, 1), np.inf), np.ones(3), "features must be finite"),
        (np.ones((3, 1)), -np.ones(3), "weights must be >= 0, got -1"),
    ],
)
def test_refuses(features, weights, message):
    with pytest.raises(ValueError, match=message):
        recombine(features, weights)
