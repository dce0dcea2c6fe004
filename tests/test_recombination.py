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


def test_agrees_with_an_independent_solver_on_what_is_possible():
    import jax
    from baryx import recombine as oracle

    rng = np.random.default_rng(3)
    nodes, weights = rng.normal(size=(200, 9)), rng.uniform(size=200)
    weights /= weights.sum()
    with jax.enable_x64(True):
        solution = oracle(jax.numpy.asarray(nodes), jax.numpy.asarray(weights))
        theirs, indices = np.asarray(solution.weights), np.asarray(solution.indices)
    ours = recombine(np.hstack([np.ones((200, 1)), nodes]), weights)
    assert np.count_nonzero(ours) <= 10 and np.count_nonzero(theirs > 0) <= 10
    np.testing.assert_allclose(nodes.T @ ours, nodes[indices].T @ theirs, atol=1e-13)


def test_dependent_features_and_weights_over_twelve_decades():
    rng = np.random.default_rng(4)
    features = rng.normal(size=(300, 3)) @ rng.normal(size=(3, 12))
    weights = 10 ** rng.uniform(-6, 6, 300)
    kept = recombine(features, weights)
    assert (kept >= 0).all() and np.count_nonzero(kept) <= 12
    scale = np.abs(features).T @ weights
    assert np.abs(features.T @ kept - features.T @ weights).max() <= 1e-12 * scale.max()


def test_blocks_are_independent_and_lose_exactly_what_is_asked():
    import jax

    from scaling.recombination import eliminate

    rng = np.random.default_rng(5)
    sums = rng.normal(size=(4, 12, 24)) + 1.0
    with jax.enable_x64(True):
        together = np.asarray(eliminate(sums, np.array([12, 5, 0, 1])))
        alone = np.asarray(eliminate(sums[1:2], np.array([5])))
    np.testing.assert_array_equal((together == 0).sum(axis=1), [12, 5, 0, 1])
    np.testing.assert_allclose(together[1], alone[0], rtol=1e-9)
