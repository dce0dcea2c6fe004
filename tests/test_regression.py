"""compress_regression: squared losses of the samples are those of all points, labels stay near what is learnt."""

import numpy as np
import pytest

from scaling import MomentSpace, compress_regression
from scaling.regression import least_size


def regression(d=4000, m=2, noise=3.0, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (d, m))
    clean = np.abs(x.sum(axis=1) - 0.3) + np.sin(2 * x[:, 0])
    return x, clean, clean + noise * rng.normal(size=d)


def test_label_moments_agree_to_the_label_order():
    x, _, y = regression()
    weights = np.random.default_rng(1).uniform(0.5, 2, len(x))
    small = compress_regression(x, y, 300, weights=weights)
    np.testing.assert_array_equal(small.inputs, x[small.indices])
    np.testing.assert_array_equal(small.indices[::2], small.indices[1::2])
    assert len(small) == 300 and len(set(small.indices)) == 150 and small.label_order >= 4 and (small.weights > 0).all()
    assert small.weights.sum() == pytest.approx(weights.sum())
    for exponents in MomentSpace.total_degree(2, small.label_order).exponents:
        after = small.weights @ (small.labels * np.prod(small.inputs**exponents, axis=1))
        before = weights @ (y * np.prod(x**exponents, axis=1))
        assert after == pytest.approx(before, abs=1e-11 * (weights @ np.abs(y)))
    assert small.residual < 1e-12


def test_the_squared_loss_of_a_polynomial_model_is_that_of_all_points():
    x, _, y = regression()
    small = compress_regression(x, y, 300, order=8)
    assert small.spread == pytest.approx(3, rel=0.1)

    def loss(x, y, weights):
        return weights @ (1 + x[:, 0] - x[:, 1] ** 3 + x[:, 0] ** 2 * x[:, 1] ** 2 - y) ** 2

    after = loss(small.inputs, small.labels, small.weights)
    assert after == pytest.approx(loss(x, y, np.ones(len(x))), rel=1e-12)


def test_a_loss_with_a_kink_is_kept_far_better_than_by_a_subset():
    x, _, y = regression(20_000)
    small = compress_regression(x, y, 300)
    rng = np.random.default_rng(2)
    ours, subset = [], []
    for w in rng.uniform(-1, 1, (50, 3)):
        model = lambda x, w=w: np.maximum(x @ w[:2] + w[2], 0)  # noqa: E731
        whole = np.mean((model(x) - y) ** 2)
        ours.append(small.weights @ (model(small.inputs) - small.labels) ** 2 / len(x) - whole)
        some = rng.choice(len(x), 300, replace=False)
        subset.append(np.mean((model(x[some]) - y[some]) ** 2) - whole)
    assert np.std(ours) < 0.01 * np.std(subset)


def test_labels_are_nearer_to_what_is_learnt_than_the_noise():
    x, clean, y = regression(20_000)
    small = compress_regression(x, y, 1000)
    middle = (small.labels[::2] + small.labels[1::2]) / 2
    assert np.sqrt(np.average((middle - clean[small.indices[::2]]) ** 2, weights=small.weights[::2])) < 0.5


def test_columns_of_labels_are_fitted_one_by_one_and_scale():
    x, _, y = regression(1000)
    both = compress_regression(x, np.stack([y, 1e6 * x[:, 0]], axis=1), 100)
    alone = compress_regression(x, y, 100)
    np.testing.assert_allclose(both.labels[:, 0], alone.labels, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(both.labels[:, 1], 1e6 * both.inputs[:, 0], rtol=1e-9, atol=1e-4)
    assert both.spread.shape == (2,) and both.spread[0] == pytest.approx(alone.spread)
    assert both.spread[1] == 0  # a polynomial has no noise, and rounding is none


@pytest.mark.parametrize("twist", ["constant", "line", "outlier", "duplicates", "few"])
def test_degenerate_inputs_keep_the_sum_of_the_labels(twist):
    x, _, y = regression(1000)
    if twist == "constant":
        x[:, 1] = 7.0
    elif twist == "line":
        x[:, 1] = 2 * x[:, 0]
    elif twist == "outlier":
        x[3] = 1e8
    elif twist == "duplicates":
        x = np.repeat(x[:100], 10, axis=0)
    small = compress_regression(x, y, 6 if twist == "few" else 60)
    assert small.weights @ small.labels == pytest.approx(y.sum(), rel=1e-6 if twist == "outlier" else 1e-9)
    assert np.abs(small.labels).max() < 100 * np.abs(y).max()


@pytest.mark.parametrize(("m", "sizes"), [(1, (4, 8, 9)), (2, (6, 12, 16)), (3, (8, 18, 22))])
def test_the_fewest_samples_and_a_few_more(m, sizes):
    rng = np.random.default_rng(0)
    inputs, labels = rng.uniform(-1, 1, (60, m)), rng.normal(size=60)
    assert sizes[0] == least_size(m)
    for size in sizes:
        samples = compress_regression(inputs, labels, size)
        assert len(samples) == 2 * (size // 2)
        assert samples.weights.sum() == pytest.approx(60)
        assert samples.weights @ samples.labels == pytest.approx(labels.sum(), abs=1e-9)


def test_a_size_of_all_points_returns_them():
    x, _, y = regression(50)
    small = compress_regression(x, y, 100)
    np.testing.assert_array_equal(small.labels, y)
    assert small.spread == 0 and small.residual == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.zeros(9)}, r"labels must have shape \(10,\) or \(10, L\) to match inputs, got \(9,\)"),
        ({"labels": np.zeros((10, 1, 1))}, "labels must have shape"),
        ({"labels": np.full(10, np.nan)}, "labels must be finite, got nan or inf"),
        ({"inputs": np.zeros(10)}, "inputs must be an array"),
        ({"weights": -np.ones(10)}, "weights must be finite and >= 0"),
        ({"size": 0}, "size must be a whole number >= 1, got 0"),
        ({"size": 5}, "size must be at least 6 for two labels"),
    ],
)
def test_mistakes_are_named(change, message):
    call = {"inputs": np.eye(10)[:, :2], "labels": np.zeros(10), "size": 8} | change
    with pytest.raises(ValueError, match=message):
        compress_regression(**call)
