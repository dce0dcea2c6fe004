"""Verdicts of the experiments on training can come out either way; their published values exist."""

import numpy as np
import pytest

from experiments import baselines, classification, dataset_training, landscape, overfitting, paths, published, surface
from scaling.networks import TwoLayer
from scaling.tasks import Dataset


def entry(value, low, high):
    return {"value": value, "interval": [low, high]}


@pytest.mark.parametrize(
    "ratio, again, verdict",
    [
        (entry(1.01, 0.9, 1.1), entry(1.0, 0.9, 1.1), "supported"),
        (entry(1.06, 1.0, 1.1), entry(1.0, 0.9, 1.1), "inconclusive"),
        (entry(1.06, 1.05, 1.1), entry(1.0, 0.9, 1.1), "not supported"),
        (entry(1.06, 1.05, 1.1), entry(1.04, 0.9, 1.1), "supported"),
    ],
)
def test_fig_3_is_judged_beside_the_noise_of_full_data(ratio, again, verdict):
    numbers = {"sgd_ratio_fitted_labels": ratio, "sgd_ratio_full_again": again, "sgd_ratio_paper": entry(9, 8, 10)}
    assert dataset_training.judge(numbers, {"loss_ratio_limit": 1.03, "more_loss_ratio_limit": 1.3}) == verdict


def test_more_samples_have_a_limit_of_their_own_and_full_batches_no_noise():
    limits = {"loss_ratio_limit": 1.03, "more_loss_ratio_limit": 1.3}
    again = entry(1.0, 0.9, 1.1)
    more = {"sgd_100000_ratio_fitted_labels": entry(1.25, 1.2, 1.3), "sgd_100000_ratio_full_again": again}
    assert dataset_training.judge(more, limits) == "supported"
    exact = {"gd_ratio_fitted_labels": entry(1.2, 1.1, 1.3), "gd_ratio_full_again": entry(1.5, 1, 2)}
    assert dataset_training.judge(exact, limits) == "not supported"


def test_published_values_of_fig_3_exist():
    assert all(published.value(*key) > 0 for key in dataset_training.PUBLISHED.values())
    epochs, losses = published.curve("3", "test_loss_compressed", "epoch", "panel=adamw,")
    assert len(epochs) > 10 and epochs.max() == 400 and losses[np.argmax(epochs)] == pytest.approx(0.0197, rel=0.01)


def test_baselines_are_judged_by_every_comparison():
    ahead, level, behind = entry(0.8, 0.7, 0.9), entry(1.0, 0.9, 1.1), entry(1.2, 1.1, 1.3)
    verdicts = {"supported": [ahead, ahead], "inconclusive": [ahead, level], "not supported": [ahead, behind]}
    for verdict, pair in verdicts.items():
        numbers = {f"relu_{kept}_coreset_over_kmeans": e for kept, e in zip((64, 128), pair, strict=True)}
        assert baselines.judge(numbers | {"relu_64_ratio_kmeans": behind}) == verdict
        text = baselines.sentence(numbers)
        assert ("behind kmeans (relu, 128: 1.20)" in text) == (verdict == "not supported")


def test_landscape_leaves_out_the_gradient_at_the_end():
    settings = {"height_gap_limit": 0.05, "gradient_gap_limit": 0.1}
    numbers = {
        "relu_height_gap_path_fitted_labels": entry(0.01, 0.005, 0.02),
        "relu_gradient_gap_end_fitted_labels": entry(2, 1, 3),
        "relu_gradient_gap_path_subset": entry(2, 1, 3),
        "relu_hessian_gap_fitted_labels": entry(0.01, 0.005, 0.02),
    }
    assert landscape.judge(numbers, settings) == "supported"
    assert (
        landscape.judge(numbers | {"relu_gradient_gap_far_fitted_labels": entry(2, 1, 3)}, settings) == "not supported"
    )


def test_the_surface_on_the_same_data_is_the_same():
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, (200, 2)).astype(np.float32)
    data = Dataset(x, np.sin(x[:, 0]), np.ones(200, np.float32))
    network = TwoLayer(3, "tanh")
    params = [network.init(key, x[:1]) for key in paths.jax.random.split(paths.jax.random.key(7), 3)]
    path = paths.Path(network, data, {}, [0, 1, 2], params)
    gaps = surface.compare({"method": "full", "size": 200, "seed": 0, "slice": 3}, surface.Whole(path, 0))
    assert all(value < 1e-12 for name, value in gaps.items() if "gap" in name)
    heights = paths.numbers(gaps["plane"])
    assert heights.shape == (9,) and len(paths.numbers(gaps["eigenvalues"])) == 13


def test_landscape_trains_on_all_data_once_for_a_task_and_seed(monkeypatch, configured):
    follow, trained = paths.follow, []

    def counting(identities, *rest):
        trained.extend((identity["activation"], identity["seed"]) for identity in identities)
        return follow(identities, *rest)

    monkeypatch.setattr(paths, "follow", counting)
    landscape.whole.cache_clear()
    for point in landscape.points(configured(landscape, "preset=smoke", "grid=2", "epochs=1")):
        if point.identity["method"] in ("full", "subset"):
            landscape.measure([point.identity], lambda work: None)
    assert sorted(trained) == [("relu", 0), ("relu", 1)]


def test_classification_and_overfitting_are_judged_both_ways():
    for value, verdict in ((entry(0.0, -0.01, 0.005), "supported"), (entry(0.03, 0.02, 0.04), "not supported")):
        numbers = {"digits_80_coreset_accuracy_lost": entry(1, 1, 1), "digits_160_coreset_accuracy_lost": value}
        assert classification.judge(numbers, {"accuracy_loss_limit": 0.01, "tasks": ["digits"]}) == verdict
    for low, high, verdict in ((0.6, 0.9, "supported"), (-0.3, 0.2, "not supported"), (0.3, 0.7, "inconclusive")):
        numbers = {"rank_correlation_kept_labels": entry((low + high) / 2, low, high)}
        assert overfitting.judge(numbers, {"correlation_limit": 0.5}) == verdict
