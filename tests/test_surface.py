"""Gradient and Hessian of the loss surface are the derivatives of the loss."""

import jax
import numpy as np
import pytest

from experiments.surface import Surface, flat
from scaling.networks import TwoLayer
from scaling.tasks import Dataset


@pytest.fixture(scope="module")
def surface():
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, (700, 2)).astype(np.float32)
    data = Dataset(x, np.sin(3 * x[:, 0]), generator.exponential(size=700).astype(np.float32))
    network = TwoLayer(4, "tanh")
    return data, network, Surface(network, data), flat(network.init(jax.random.key(0), x[:1]))


def test_the_loss_is_the_weighted_mean(surface):
    data, network, whole, theta = surface
    params = network.init(jax.random.key(0), data.inputs[:1])
    error = (np.asarray(network.apply(params, data.inputs)) - data.labels) ** 2
    assert theta.shape == (17,)
    assert whole.loss(theta) == pytest.approx(np.average(error, weights=data.weights), rel=1e-6)


def test_derivatives_agree_with_differences(surface):
    _, _, whole, theta = surface
    direction = np.random.default_rng(1).normal(size=theta.size)
    step = 1e-5 * direction
    slope = (whole.loss(theta + step) - whole.loss(theta - step)) / 2e-5
    assert whole.gradient(theta) @ direction == pytest.approx(slope, rel=1e-6)
    bend = (whole.gradient(theta + step) - whole.gradient(theta - step)) / 2e-5
    hessian = whole.hessian(theta)
    np.testing.assert_allclose(hessian @ direction, bend, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-12)


def test_rows_of_no_weight_change_nothing(surface):
    data, network, whole, theta = surface
    more = Dataset(*(np.concatenate([part, part[:50]]) for part in data))
    more.weights[700:] = 0
    assert Surface(network, more).loss(theta) == pytest.approx(whole.loss(theta), rel=1e-12)
