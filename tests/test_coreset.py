"""compress: exact moments on exactly `size` of the points, and clear answers to bad input."""

import threading

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


def test_another_thread_gets_the_same_weights_to_the_last_bit():
    points, found = cloud(32_768, 3), []
    thread = threading.Thread(target=lambda: found.append(compress(points, 2896, order=7)))
    ours = compress(points, 2896, order=7)
    thread.start()
    thread.join()
    np.testing.assert_array_equal(found[0].weights, ours.weights)


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


def test_per_class_space_keeps_the_moments_of_every_class():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 3, (900, 1))
    points = np.hstack([rng.normal(labels, 1.0, (900, 2)), labels])
    coreset = compress(points, 150, space=MomentSpace.per_class(2, 3, order=3))
    for c in range(3):
        here, there = points[:, 2] == c, coreset.points[:, 2] == c
        for value in (lambda p: np.ones(len(p)), lambda p: p[:, 0] ** 2 * p[:, 1]):
            expected = value(points[here]).sum()
            assert coreset.weights[there] @ value(coreset.points[there]) == pytest.approx(expected, abs=1e-9)


def test_tolerance_keeps_few_points_and_meets_it_on_a_function_it_never_saw():
    points = cloud(4000, 2)
    coreset = compress(points, tolerance=1e-7)

    def mean(p, c):
        return c @ np.cos(p @ [0.7, -0.9]) / c.sum()

    assert len(coreset) < 1000 and coreset.error <= 1e-7
    assert mean(coreset.points, coreset.weights) == pytest.approx(mean(points, np.ones(4000)), abs=1e-6)


def test_chosen_order_beats_a_low_one_and_the_estimate_has_the_right_size():
    points, rng = cloud(2000, 2), np.random.default_rng(9)
    directions = rng.uniform(-1, 1, (2, 50))

    def means(p, c):
        return c @ (1 / (1 + np.exp(-p @ directions))) / c.sum()

    def error(coreset):
        return np.sqrt(np.mean((means(coreset.points, coreset.weights) - means(points, np.ones(2000))) ** 2))

    chosen, low = compress(points, 100), compress(points, 100, order=2)
    assert chosen.order > 2 and error(chosen) < error(low) / 10
    assert chosen.error / 30 < error(chosen) < 10 * chosen.error


def test_memmap_input_and_progress(tmp_path, capsys):
    points = cloud(3000, 2)
    np.save(tmp_path / "points.npy", points)
    seen = []
    coreset = compress(
        np.load(tmp_path / "points.npy", mmap_mode="r"), 200, order=5, progress=lambda alive, size: seen.append(alive)
    )
    np.testing.assert_array_equal(coreset.indices, compress(points, 200, order=5, progress=True).indices)
    assert seen == sorted(seen, reverse=True) and 200 <= seen[-1] < 3000
    assert "points left, on the way to 200" in capsys.readouterr().err


def test_threads_may_compress_at_the_same_time():
    from concurrent.futures import ThreadPoolExecutor

    clouds = [cloud(1500, 2, seed) for seed in range(6)]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda points: compress(points, 100, order=5), clouds))
    for points, coreset in zip(clouds, together, strict=True):
        np.testing.assert_array_equal(coreset.indices, compress(points, 100, order=5).indices)


@pytest.mark.parametrize("options", [{}, {"size": 5, "tolerance": 1e-3}, {"tolerance": 0}, {"tolerance": float("nan")}])
def test_size_and_tolerance_one_of_the_two(options):
    with pytest.raises(ValueError, match=r"give size or tolerance|tolerance must be a number > 0"):
        compress(cloud(9, 2), **options)
