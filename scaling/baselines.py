"""What a user would otherwise pick instead of a coreset."""

import numpy as np

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
