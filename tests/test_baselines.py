"""Every baseline keeps the mass it stands for; importance sampling is unbiased; thinning has the size it promises."""

import numpy as np
import pytest

from scaling import tasks
from scaling.baselines import BASELINES, importance, kernel_thinning, kmeans, leverage


def dataset(n=1024, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.uniform(-1, 1, (n, 2)).astype(np.float32)
    return tasks.Dataset(x, (np.sin(3 * x[:, 0]) + generator.normal(size=n)).astype(np.float32), np.ones(n, np.float32))


@pytest.mark.parametrize("name", BASELINES)
def test_at_most_size_samples_stand_for_all(name):
    if name == "kernel_thinning":
        pytest.importorskip("goodpoints")
    data = dataset()
    small = BASELINES[name](data, 200, seed=3)
    assert 1 <= len(small.labels) <= 200 and np.all(small.weights > 0)
    assert len(small.inputs) == len(small.labels) == len(small.weights)
    assert small.weights.sum() == pytest.approx(1024, rel=0.3 if name in ("leverage", "gradient_norm") else 1e-5)
    if name != "kmeans":
        rows = {row.tobytes() for row in data.objects}
        assert all(row.tobytes() in rows for row in small.objects)
    again = BASELINES[name](data, 200, seed=3)
    assert all(np.array_equal(a, b) for a, b in zip(small, again, strict=True))


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("size", [0, 1025])
def test_impossible_sizes_are_refused(name, size):
    if name == "kernel_thinning":
        pytest.importorskip("goodpoints")
    with pytest.raises(ValueError, match=f"size={size}"):
        BASELINES[name](dataset(), size)


def test_importance_sampling_is_unbiased_and_its_weights_bounded():
    data, scores = dataset(100), np.linspace(0, 5, 100) ** 2
    sums = []
    for seed in range(2000):
        small = importance(data, 50, scores, seed=seed)
        sums.append(np.sum(small.weights * small.labels))
    assert abs(np.mean(sums) - data.labels.sum()) < 4 * np.std(sums) / np.sqrt(2000)
    once = importance(data, 1, scores)
    assert once.weights.max() <= 2 * 100 * (1 + 1e-6)


@pytest.mark.parametrize("scores", [np.zeros(100), np.full(100, np.nan), np.ones(99), -np.ones(100)])
def test_unusable_scores_are_refused(scores):
    with pytest.raises(ValueError, match="scores"):
        importance(dataset(100), 10, scores)


def test_leverage_prefers_an_isolated_input():
    data = dataset(400)
    data.inputs[0] = 5.0
    drawn = [np.any(np.all(leverage(data, 20, order=1, seed=s).inputs == 5.0, axis=1)) for s in range(50)]
    assert np.mean(drawn) > 0.5  # a uniform draw holds it with chance 0.05


def test_thinning_keeps_a_power_of_two_times_the_root():
    pytest.importorskip("goodpoints")
    assert len(kernel_thinning(dataset(), 200).labels) == 128
    with pytest.raises(ValueError, match="equal weights"):
        kernel_thinning(dataset()._replace(weights=np.linspace(1, 2, 1024)), 200)


def test_kmeans_keeps_the_sum_of_the_labels():
    data = dataset()
    small = kmeans(data, 50)
    assert np.sum(small.weights * small.labels) == pytest.approx(data.labels.sum(dtype=float), abs=1e-2)
