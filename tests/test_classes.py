"""Classes are drawn with the probabilities of their teacher; scores and coresets per class have known answers."""

import jax
import numpy as np
import pytest

from scaling import MomentSpace, compress
from scaling.classes import Classes, digits, draw_classes, kmeans_per_class, scores


@pytest.fixture(scope="module")
def drawn():
    return draw_classes(jax.random.key(1), 3000, 20000, classes=3, inputs=2, width=10)


def test_labels_follow_the_probabilities(drawn):
    truth, labels = np.exp(drawn.log_probabilities), drawn.test.labels.astype(int)
    np.testing.assert_allclose(truth.sum(axis=1), 1, atol=1e-6)
    assert set(labels) == {0, 1, 2}
    for c in range(3):
        error = np.sqrt(np.mean(truth[:, c] * (1 - truth[:, c])) / len(labels))
        assert abs(np.mean(labels == c) - truth[:, c].mean()) < 4 * error
        likely = truth[:, c] > np.median(truth[:, c])
        assert np.mean(labels[likely] == c) == pytest.approx(truth[likely, c].mean(), abs=0.03)


def test_the_truth_scores_no_excess(drawn):
    found = scores(drawn.log_probabilities + 7.0, drawn)
    assert found["excess"] == pytest.approx(0, abs=1e-6)
    entropy = -np.mean(np.sum(np.exp(drawn.log_probabilities) * drawn.log_probabilities, axis=1))
    assert found["test_loss"] == pytest.approx(entropy, abs=0.02)
    nothing = scores(np.zeros((20000, 3)), drawn)
    assert nothing["test_loss"] == pytest.approx(np.log(3)) and nothing["excess"] > 0.1
    assert scores(np.zeros((20000, 3)), Classes(drawn.train, drawn.test, None))["excess"] is None


def test_a_coreset_keeps_the_moments_of_every_class(drawn):
    objects = drawn.train.objects
    kept = compress(objects, 120, space=MomentSpace.per_class(2, 3, order=2))
    for c in range(3):
        own, small = objects[objects[:, 2] == c], kept.points[:, 2] == c
        for powers in ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)):
            whole = np.sum(np.prod(own[:, :2].astype(float) ** powers, axis=1))
            part = np.sum(kept.weights[small] * np.prod(kept.points[small, :2] ** powers, axis=1))
            assert part == pytest.approx(whole, abs=1e-6 * len(own))


def test_kmeans_per_class_keeps_the_masses(drawn):
    small = kmeans_per_class(drawn.train, 50)
    assert len(small.labels) <= 50
    for c in range(3):
        assert small.weights[small.labels == c].sum() == pytest.approx(np.sum(drawn.train.labels == c))
    with pytest.raises(ValueError, match="size=2"):
        kmeans_per_class(drawn.train, 2)


def test_digits_are_split_by_the_seed():
    pytest.importorskip("sklearn")
    first, again, other = digits(0, 1000, 3), digits(0, 1000, 3), digits(1, 1000, 3)
    assert first.train.inputs.shape == (1000, 3) and first.test.inputs.shape == (797, 3)
    assert np.abs(first.train.inputs).max() == pytest.approx(1) and set(first.train.labels) == set(range(10))
    np.testing.assert_array_equal(first.train.inputs, again.train.inputs)
    assert np.any(first.train.labels != other.train.labels)
    with pytest.raises(ValueError, match="size=1797"):
        digits(0, 1797, 3)
