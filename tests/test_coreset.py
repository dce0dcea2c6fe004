"""compress: exact moments on exactly `size` of the points, and clear answers to bad input."""

import jax
import numpy as np
import pytest

from scaling.coreset import compress
from scaling.moments import MomentSpace


def cloud(d, m, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (d, m))


def moments(points, weights, degree):
    """Raw monomial moments to a low degree, by a way the library does not use."""
    space = MomentSpace.total_degree(points.shape[1], degree)
    return np.array([weights @ np.prod(points**e, axis=1) for e in np.array(space.exponents)])


@pytest.mark.parametrize(
    ("d", "m", "size", "order"), [(300, 1, 100, 4), (2000, 2, 200, 5), (1500, 3, 300, 5), (700, 5, 252, 5)]
)
def test_moments_are_kept_on_exactly_size_points(d, m, size, order):
    points = cloud(d, m)
    coreset = compress(points, size, order=order)
    assert coreset.points.shape == (size, m) and coreset.order == order
    assert (coreset.weights > 0).all() and len(set(coreset.indices)) == size
    np.testing.assert_array_equal(coreset.points, points[coreset.indices])
    before, after = moments(points, np.ones(d), order), moments(coreset.points, coreset.weights, order)
    np.testing.assert_allclose(after, before, atol=1e-12 * d)
    assert coreset.residual < 1e-12


@pytest.mark.parametrize(("m", "order", "size"), [(1, 60, 61), (2, 30, 496), (3, 14, 680)])
def test_high_orders_keep_full_precision(m, order, size):
    coreset = compress(cloud(2 * size, m), size, order=order)
    assert len(coreset) == size and coreset.residual < 1e-12


def test_squared_loss_space_keeps_the_loss_of_polynomial_models():
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, (3000, 2))
    y = np.sin(3 * x[:, :1]) + 3 * rng.normal(size=(3000, 1))
    space = MomentSpace.squared_loss(inputs=2, labels=1, order=8, label_order=6)
    coreset = compress(np.hstack([x, y]), 300, space=space)
    assert (len(coreset), coreset.order) == (300, 8)

    def loss(points, weights):
        model = 1 + points[:, 0] - points[:, 1] ** 3 + points[:, 0] ** 2 * points[:, 1] ** 2
        return weights @ (model - points[:, 2]) ** 2 / weights.sum()

    assert loss(coreset.points, coreset.weights) == pytest.approx(loss(np.hstack([x, y]), np.ones(3000)), rel=1e-12)


def test_size_at_least_d_returns_the_input():
    points, weights = cloud(10, 2), np.arange(1.0, 11.0)
    for size in (10, 11):
        coreset = compress(points, size, weights=weights)
        np.testing.assert_array_equal(coreset.points, points)
        np.testing.assert_array_equal(coreset.weights, weights)
        np.testing.assert_array_equal(coreset.indices, np.arange(10))
        assert coreset.order >= 1 and coreset.residual == 0


def test_arrays_of_any_kind_come_back_as_numpy_float64_and_x64_stays_off():
    points = cloud(200, 2).astype(np.float32)
    for given in (points, points.tolist(), jax.numpy.asarray(points)):
        coreset = compress(given, 40)
        assert coreset.points.dtype == coreset.weights.dtype == np.float64
    assert jax.numpy.ones(1).dtype == np.float32


@pytest.mark.parametrize(
    ("points", "size", "options", "message"),
    [
        (np.full((9, 2), np.nan), 5, {}, "points must be finite"),
        (np.arange(9.0), 5, {}, r"points must be an array \(d, m\)"),
        (np.empty((0, 2)), 5, {}, r"points must be an array \(d, m\)"),
        (cloud(9, 2), 5, {"weights": -np.ones(9)}, "weights must be finite and >= 0, got -1"),
        (cloud(9, 2), 5, {"weights": np.ones(8)}, r"weights must have shape \(9,\)"),
        (cloud(9, 2), 0, {}, "size must be a whole number >= 1, got 0"),
        (cloud(9, 2), 4.5, {}, "size must be a whole number >= 1, got 4.5"),
        (cloud(9, 2), 2, {}, "size must be at least 3 to keep order 1 in 2 coordinates, got 2"),
        (cloud(9, 2), 5, {"order": 2}, "largest order that works with it is 1"),
        (cloud(9, 2), 5, {"order": 0}, "order must be a whole number >= 1, got 0"),
        (cloud(9, 2), 5, {"space": MomentSpace.total_degree(2, 3)}, "size must be at least 10"),
        (cloud(9, 2), 5, {"space": MomentSpace.total_degree(3, 1)}, "space must be a MomentSpace with 2 coordinates"),
        (cloud(9, 2), 5, {"order": 1, "space": MomentSpace.total_degree(2, 1)}, "give order or space, not both"),
    ],
)
def test_bad_input_is_refused_in_a_line_or_two(points, size, options, message):
    with pytest.raises(ValueError, match=message) as caught:
        compress(points, size, **options)
    assert str(caught.value).count("\n") < 2
