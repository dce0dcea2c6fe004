"""What a user would otherwise pick instead of a coreset."""

import numpy as np
from scipy.spatial import cKDTree

from scaling.tasks import Dataset


def subsample(data: Dataset, size: int, *, seed: int = 0) -> Dataset:
    """A uniformly random subset of `size` samples without replacement, each standing for n / size of them.

    Raises:
        ValueError: size is not in 1..n.
    """
    n = len(data.labels)
    if not 1 <= size <= n:
        raise ValueError(f"size={size}: accepted are 1 to the number of samples, {n}")
    chosen = np.sort(np.random.default_rng(seed).choice(n, size, replace=False))
    return data.select(chosen, np.full(size, n / size))


def kmeans(data: Dataset, size: int, *, iterations: int = 20, seed: int = 0) -> Dataset:
    """At most `size` centres of Lloyd's algorithm in input space, each with its mean label and the mass of its cluster.

    For a squared loss this replaces the inputs of a cluster by their mean and changes nothing else, so it is the
    coreset that matches masses, first moments of x and of y, and x y only between clusters.

    Raises:
        ValueError: size is not in 1..n.
    """
    centres = subsample(data, size, seed=seed).inputs.astype(float)
    inputs, mass = data.inputs.astype(float), data.weights.astype(float)
    for _ in range(iterations):
        _, nearest = cKDTree(centres).query(inputs)
        total = np.bincount(nearest, mass, minlength=len(centres))
        occupied = total > 0
        sums = [np.bincount(nearest, mass * column, minlength=len(centres)) for column in inputs.T]
        centres = np.stack(sums, axis=1)[occupied] / total[occupied, None]
    _, nearest = cKDTree(centres).query(inputs)
    total = np.bincount(nearest, mass, minlength=len(centres))
    occupied = total > 0
    labels = np.bincount(nearest, mass * data.labels, minlength=len(centres))[occupied] / total[occupied]
    return Dataset(*(np.asarray(part, np.float32) for part in (centres[occupied], labels, total[occupied])))
