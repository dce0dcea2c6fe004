"""What a user would otherwise pick instead of a coreset."""

import jax
import numpy as np
from scipy.spatial import cKDTree

from scaling.moments import MomentSpace
from scaling.networks import TwoLayer
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


def importance(data: Dataset, size: int, scores: np.ndarray, *, seed: int = 0) -> Dataset:
    """`size` draws with replacement in proportion to half the scores (n,) and half the weights; repeats are joined.

    A sample drawn with probability p stands for c / (size p) samples, so every weighted sum over the data is estimated
    without bias, and no weight is above twice its share in uniform sampling (the reason for the other half).

    Raises:
        ValueError: size is not in 1..n, or scores are not n finite numbers >= 0 with a positive sum.
    """
    n = len(data.labels)
    if not 1 <= size <= n:
        raise ValueError(f"size={size}: accepted are 1 to the number of samples, {n}")
    scores = np.asarray(scores, float)
    if not (scores.shape == (n,) and np.all(scores >= 0) and 0 < scores.sum() < np.inf):
        raise ValueError(f"scores of shape {scores.shape}, sum {scores.sum()}: accepted are {n} finite numbers >= 0")
    mass = data.weights.astype(float)
    chance = (scores * mass / (scores @ mass) + mass / mass.sum()) / 2
    times = np.random.default_rng(seed).multinomial(size, chance / chance.sum())
    chosen = np.flatnonzero(times)
    return data.select(chosen, times[chosen] * mass[chosen] / (size * chance[chosen]))


def leverage(data: Dataset, size: int, *, order: int = 5, seed: int = 0) -> Dataset:
    """Importance sampling by leverage: row norms of an orthonormal basis of the polynomials of x to degree `order`.

    Raises:
        ValueError: size is not in 1..n.
    """
    inputs = data.inputs.astype(float)
    box = inputs.min(axis=0), inputs.max(axis=0)
    features = MomentSpace.total_degree(inputs.shape[1], order).rows(inputs.T, *box, xp=np)
    basis, _ = np.linalg.qr((features * np.sqrt(data.weights)).T)
    return importance(data, size, np.sum(basis**2, axis=1) / np.maximum(data.weights, 1e-300), seed=seed)


def gradient_norm(data: Dataset, size: int, *, width: int = 50, seed: int = 0) -> Dataset:
    """Importance sampling by the gradient's norm of each sample's squared loss, at the start of a two-layer student.

    Raises:
        ValueError: size is not in 1..n.
    """
    network = TwoLayer(width)
    params = network.init(jax.random.key(seed), data.inputs[:1])

    def norm(x, y):
        gradient = jax.grad(lambda p: (network.apply(p, x[None])[0] - y) ** 2)(params)
        return sum(jax.numpy.sum(leaf**2) for leaf in jax.tree.leaves(gradient)) ** 0.5

    return importance(data, size, np.asarray(jax.jit(jax.vmap(norm))(data.inputs, data.labels)), seed=seed)


def kernel_thinning(data: Dataset, size: int, *, seed: int = 0) -> Dataset:
    """At most `size` equally weighted samples by Compress with kernel thinning (Dwivedi and Mackey; goodpoints).

    The kernel is Gaussian on objects (x, y) in units of their standard deviations, with the median squared distance as
    its squared width. n samples of equal weight are thinned to 2^g sqrt(n'), n' the power of four below n, for the
    largest whole g that fits.

    Raises:
        ImportError: goodpoints is missing.
        ValueError: size is below sqrt(n') or above n, or the weights are unequal.
    """
    try:
        from goodpoints.compress import compress_kt
    except ImportError:
        raise ImportError("kernel_thinning needs goodpoints: pip install 'universal-compression[baselines]'") from None
    n = len(data.labels)
    root = 1 << ((n.bit_length() - 1) // 2)
    if not root <= size <= n or np.ptp(data.weights) > 0:
        raise ValueError(f"size={size}: accepted are {root} to {n}, with equal weights")
    objects = data.objects.astype(float)
    objects /= np.maximum(objects.std(axis=0), 1e-300)
    some = np.random.default_rng(seed).permutation(n)
    first, second = objects[some[: n // 2]], objects[some[n // 2 : 2 * (n // 2)]]
    width = np.median(np.sum((first - second) ** 2, axis=1))
    scale = int(np.log2(size // root))
    chosen = compress_kt(objects[some], b"gaussian", k_params=np.array([width]), g=scale, seed=seed)
    chosen = np.sort(some[np.asarray(chosen)])
    return data.select(chosen, np.full(len(chosen), data.weights.sum(dtype=float) / len(chosen)))


BASELINES = {  # by name, each (data, size, seed=...) -> Dataset
    "subset": subsample,
    "kmeans": kmeans,
    "kernel_thinning": kernel_thinning,
    "leverage": leverage,
    "gradient_norm": gradient_norm,
}
