"""The tasks have the statistics that arXiv 2510.00504 and its code give them."""

import jax
import numpy as np
import pytest

from scaling import tasks
from scaling.baselines import kmeans, subsample
from scaling.networks import TwoLayer


def test_teacher_is_a_two_layer_relu_network_with_unit_uniform_weights():
    draws = [tasks.teacher(jax.random.key(s))(np.zeros((1, 2), np.float32))[0] for s in range(400)]
    # at x = 0 the output is a + sum_j v_j relu(b_j): variance 1/3 + 50 (1/3) E relu(b)^2 = 1/3 + 50/18
    assert np.mean(draws) == pytest.approx(0, abs=4 * np.sqrt(3.1 / 400))
    assert np.var(draws) == pytest.approx(1 / 3 + 50 / 18, rel=0.3)
    teacher = tasks.teacher(jax.random.key(0))
    far, farther = teacher(np.float32([[1e4, 2e4], [2e4, 4e4]]))
    assert farther == pytest.approx(2 * far, rel=1e-3)


def test_cylindrical_harmonic_has_the_variance_of_the_paper():
    grid = np.linspace(-1, 1, 1201)[:-1] + 1 / 1200
    x = np.stack(np.meshgrid(grid, grid), -1).reshape(-1, 2)
    assert np.var(tasks.cylindrical_harmonic(x)) == pytest.approx(0.01346, abs=1e-4)  # theirs is a sample of 1e5
    turned = np.stack([-x[:, 1], x[:, 0]], 1)[:100]  # a quarter turn flips cos(6 theta)
    np.testing.assert_allclose(tasks.cylindrical_harmonic(turned), -tasks.cylindrical_harmonic(x[:100]), atol=1e-6)


def test_samples_are_uniform_with_gaussian_noise_and_a_key_gives_the_same_ones():
    data = tasks.sample(jax.random.key(3), lambda x: x[:, 0], 40_000, noise=3.0)
    assert data.inputs.min() >= -1 and data.inputs.max() <= 1
    assert np.var(data.inputs) == pytest.approx(1 / 3, rel=0.02)
    assert np.std(data.labels - data.inputs[:, 0]) == pytest.approx(3, rel=0.02)
    again = tasks.sample(jax.random.key(3), lambda x: x[:, 0], 40_000, noise=3.0)
    assert np.array_equal(data.labels, again.labels)
    assert data.objects.shape == (40_000, 3)


def test_purposes_are_independent():
    root = jax.random.key(0)
    words = {tuple(jax.random.bits(tasks.purpose(root, *names), (2,)).tolist()) for names in [("a",), ("b",), ("a", 1)]}
    assert len(words) == 3


def test_subsets_are_random_without_repetition_and_keep_the_mass():
    data = tasks.sample(jax.random.key(0), lambda x: x[:, 0], 100)
    small = subsample(data, 30, seed=4)
    assert len(np.unique(small.inputs, axis=0)) == 30
    assert small.weights.sum() == pytest.approx(100)
    with pytest.raises(ValueError, match="size=101"):
        subsample(data, 101)


def test_kmeans_keeps_mass_mean_and_mean_label_and_finds_clusters():
    generator = np.random.default_rng(0)
    middles = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    x = np.repeat(middles, 100, axis=0) + 0.01 * generator.normal(size=(400, 2))
    columns = (x, x[:, 0], generator.uniform(1, 2, 400))
    data = tasks.Dataset(*(column.astype(np.float32) for column in columns))
    small = kmeans(data, 40)
    assert len(small.labels) <= 40
    assert small.weights.sum() == pytest.approx(data.weights.sum(), rel=1e-5)
    for whole, part in ((data.inputs, small.inputs), (data.labels[:, None], small.labels[:, None])):
        np.testing.assert_allclose(small.weights @ part, data.weights @ whole, rtol=1e-4)
    nearest = np.abs(small.inputs[:, None] - middles).max(axis=2).min(axis=1)
    assert nearest.max() < 0.05


@pytest.mark.parametrize("name", ["uniform", "gaussian", "curved"])
def test_inputs_have_their_distribution(name):
    x = tasks.INPUTS[name](jax.random.key(1), 30_000, 3)
    assert x.shape == (30_000, 3)
    np.testing.assert_allclose(np.var(x[:, :2], axis=0), 1 / 3, rtol=0.03)
    if name == "curved":
        np.testing.assert_allclose(x[:, 2], x[:, 0] ** 2 + x[:, 1] ** 2, rtol=1e-6)


def test_students_start_as_in_pytorch():
    params = TwoLayer(2000).init(jax.random.key(0), np.zeros((1, 2), np.float32))["params"]
    for layer, fan_in in (("Dense_0", 2), ("Dense_1", 2000)):
        kernel = np.asarray(params[layer]["kernel"])
        assert np.abs(kernel).max() <= fan_in**-0.5
        assert np.std(kernel) == pytest.approx(fan_in**-0.5 / np.sqrt(3), rel=0.05)
    assert np.std(params["Dense_0"]["bias"]) == pytest.approx(2**-0.5 / np.sqrt(3), rel=0.1)
    double = TwoLayer(2000, dtype="float64")
    with jax.enable_x64(True):
        same = double.init(jax.random.key(0), np.zeros((1, 2)))["params"]
    assert np.array_equal(np.asarray(same["Dense_0"]["kernel"], np.float32), params["Dense_0"]["kernel"])
