"""Classification tasks: samples whose label is a class, drawn from a teacher's softmax, or scikit-learn's digits."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from scipy.special import log_softmax

from scaling.baselines import kmeans
from scaling.tasks import Dataset, purpose, teacher, uniform

_REFERENCE = 4096  # inputs on which the teacher's logits are centred and scaled


class Classes(NamedTuple):
    """A classification task drawn from one seed.

    train, test: samples with labels 0 .. classes - 1 (as floats). log_probabilities: of the test inputs, (n, classes),
    where they are known; None for real data.
    """

    train: Dataset
    test: Dataset
    log_probabilities: np.ndarray | None


def soft_teacher(key: jax.Array, classes: int, inputs: int, width: int, sharpness: float) -> Callable:
    """A function (n, inputs) -> log probabilities (n, classes): the softmax of `classes` two-layer ReLU teachers.

    Their outputs are centred and scaled to standard deviation `sharpness` over U[-1, 1]^inputs.
    """
    networks = [teacher(purpose(key, "class", c), inputs=inputs, width=width) for c in range(classes)]
    reference = uniform(purpose(key, "reference"), _REFERENCE, inputs)
    values = np.stack([network(reference) for network in networks], axis=1)
    centre, scale = values.mean(axis=0), sharpness / values.std(axis=0)

    def log_probabilities(x):
        return log_softmax((np.stack([network(x) for network in networks], axis=1) - centre) * scale, axis=1)

    return log_probabilities


def draw_classes(
    key: jax.Array, size: int, test_size: int, *, classes: int, inputs: int, width: int = 50, sharpness: float = 3.0
) -> Classes:
    """`size` and `test_size` samples with uniform inputs and labels drawn from a soft teacher of the same key."""
    law = soft_teacher(purpose(key, "teacher"), classes, inputs, width, sharpness)

    def sample(name, n):
        x = uniform(purpose(key, name, "inputs"), n, inputs)
        logs = law(x)
        chance = np.asarray(jax.random.uniform(purpose(key, name, "labels"), (n, 1)))
        labels = np.minimum((np.cumsum(np.exp(logs), axis=1) < chance).sum(axis=1), classes - 1)
        return Dataset(x, labels.astype(np.float32), np.ones(n, np.float32)), logs

    train, (test, logs) = sample("train", size)[0], sample("test", test_size)
    return Classes(train, test, logs)


def digits(seed: int, size: int, dimension: int) -> Classes:
    """scikit-learn's 1,797 handwritten digits: `size` random ones to train on, the others to test.

    Inputs are the first `dimension` principal components of the training images, divided by their largest absolute
    value. Raises ImportError where scikit-learn is missing, ValueError unless 1 <= size < 1797.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise ImportError("digits need scikit-learn: pip install 'universal-compression[digits]'") from None
    images, labels = load_digits(return_X_y=True)
    if not 1 <= size < len(labels):
        raise ValueError(f"size={size}: accepted are 1 to {len(labels) - 1}")
    order = np.random.default_rng(seed).permutation(len(labels))
    mean = images[order[:size]].mean(axis=0)
    _, _, axes = np.linalg.svd(images[order[:size]] - mean, full_matrices=False)
    signs = np.sign(axes[:dimension].sum(axis=1, keepdims=True))
    inputs = (images - mean) @ (axes[:dimension] * signs).T
    inputs /= np.abs(inputs[order[:size]]).max()

    def part(rows):
        return Dataset(inputs[rows].astype(np.float32), labels[rows].astype(np.float32), np.ones(len(rows), np.float32))

    return Classes(part(order[:size]), part(order[size:]), None)


def kmeans_per_class(data: Dataset, size: int, *, seed: int = 0) -> Dataset:
    """At most `size` centres of k-means within each class, in proportion to the samples of the classes.

    Raises ValueError where size is below the number of classes.
    """
    classes, counts = np.unique(data.labels, return_counts=True)
    if size < len(classes):
        raise ValueError(f"size={size}: accepted are whole numbers from the number of classes, {len(classes)}")
    shares = np.maximum(1, np.floor(size * counts / counts.sum()).astype(int))
    shares[np.argmax(shares)] -= max(0, shares.sum() - size)
    parts = []
    for label, share in zip(classes, shares, strict=True):
        own = data.labels == label
        parts.append(kmeans(data.select(own, data.weights[own]), int(share), seed=seed))
    return Dataset(*(np.concatenate(pieces) for pieces in zip(*parts, strict=True)))


def scores(logits: np.ndarray, data: Classes) -> dict[str, float | None]:
    """Of logits (n, classes) at the test inputs: cross-entropy (nats), accuracy, mean divergence from the truth.

    The divergence is Kullback and Leibler's, sum_c p_c log(p_c / q_c) with p the true probabilities; None without.
    """
    logs, truth = log_softmax(logits, axis=1), data.log_probabilities
    labels = data.test.labels.astype(int)
    return {
        "test_loss": float(-np.mean(logs[np.arange(len(labels)), labels])),
        "accuracy": float(np.mean(logs.argmax(axis=1) == labels)),
        "excess": None if truth is None else float(np.mean(np.sum(np.exp(truth) * (truth - logs), axis=1))),
    }
