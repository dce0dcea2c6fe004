"""Who runs against the clock in experiments.runtime: the compressor, a peer, a solver and the floor.

Each maker takes a cloud (d, m), d' and a moment space, and returns the call that is timed; a call that matches moments
returns their largest relative mismatch.
"""

import resource
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import nnls

from scaling import MomentSpace, compress
from scaling.partition import cells
from scaling.shrink import shrink

CHUNK_BYTES = 1 << 22  # of features that the floor holds at once


def timed(identity: dict[str, Any]) -> dict[str, Any]:
    """Wall times of the first and of `repeats` further calls, in seconds."""
    space = MomentSpace.total_degree(identity["m"], identity["order"])
    cloud = np.random.default_rng(identity["seed"]).uniform(-1, 1, (identity["size"], identity["m"]))
    call, times = METHODS[identity["method"]](cloud, identity["kept"], space), []
    for _ in range(1 + identity["repeats"]):
        clock = time.perf_counter()
        residual = call()
        times.append(time.perf_counter() - clock)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20 if identity["memory"] else None
    warm = times[1:]
    return {
        "seconds": float(np.median(warm)),
        "fastest": min(warm),
        "first": times[0],
        "residual": residual,
        "peak_gib": peak,
    }


def compress_call(cloud: np.ndarray, kept: int, space: MomentSpace) -> Callable[[], float]:
    """The compressor as a user calls it."""
    return lambda: compress(cloud, kept, space=space).residual


@partial(jax.jit, static_argnames="space")
def weighted_features(chunk: jax.Array, weights: jax.Array, space: MomentSpace) -> jax.Array:
    """Sum over points (n, m) in [-1, 1]^m, with weights (n,), of their features: (N,)."""
    box = jnp.ones(chunk.shape[1])
    return (space.rows(chunk.T, -box, box) * weights).sum(axis=1)


def floor_call(cloud: np.ndarray, kept: int, space: MomentSpace) -> Callable[[], None]:
    """Features of all points and their weighted sum, in chunks that fit in a cache."""
    rows, weights = 1 << int(np.log2(CHUNK_BYTES / 8 / space.size)), np.ones(len(cloud))

    def call() -> None:
        with jax.enable_x64(True):
            total = np.zeros(space.size)
            for start in range(0, len(cloud), rows):
                part = slice(start, start + rows)
                total += np.asarray(weighted_features(cloud[part], weights[part], space))

    return call


def nnls_call(cloud: np.ndarray, kept: int, space: MomentSpace) -> Callable[[], float]:
    """Non-negative least squares on the moments of all points: a support of at most N."""

    def call() -> float:
        with jax.enable_x64(True):
            low, high = -np.ones(cloud.shape[1]), np.ones(cloud.shape[1])
            features = np.asarray(space.features(jnp.asarray(cloud), low, high))
        weights, _ = nnls(features.T, features.sum(axis=0))
        return float(np.max(np.abs(weights @ features - features.sum(axis=0)) / np.abs(features).sum(axis=0)))

    return call


def baryx_call(cloud: np.ndarray, kept: int, space: MomentSpace) -> Callable[[], float]:
    """baryx's default solver, jitted and vmapped over cells of equal count, each reduced to at most N points.

    It is given the constant as a feature like any other: without it some cells lost up to 5 % of a moment.
    """
    import baryx

    count = max(1, kept // space.size)
    order, _ = cells(cloud, count)
    batch = cloud[order][: len(cloud) // count * count].reshape(count, -1, cloud.shape[1])

    @jax.jit
    def reduce(batch):
        def one(cell):
            low, high = cell.min(axis=0), cell.max(axis=0)
            features = space.features(cell, low, high)
            solution = baryx.recombine(features, jnp.ones(len(cell)))
            return jnp.max(jnp.abs(solution.weights @ features[solution.indices] - features.sum(axis=0)))

        return jax.vmap(one)(batch).max() / batch.shape[1]

    def call() -> float:
        with jax.enable_x64(True):
            return float(reduce(jnp.asarray(batch)))

    return call


def recombine_call(cloud: np.ndarray, kept: int, space: MomentSpace) -> Callable[[], None]:
    """Our recombination of the same cells, features included, each reduced to N points."""
    count = max(1, kept // space.size)
    order, starts = cells(cloud, count)
    share = np.full(count, space.size)

    def call() -> None:
        shrink(cloud, np.ones(len(cloud)), order, starts, share, space)

    return call


METHODS = {
    "compress": compress_call,
    "floor": floor_call,
    "nnls": nnls_call,
    "baryx": baryx_call,
    "recombine": recombine_call,
}
