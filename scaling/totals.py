"""Moments of a whole weighted set, a chunk of points at a time so that memory stays bounded."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from scaling.backend import SERIAL

CHUNK_BYTES = 1 << 22  # fits in a cache: five times faster than 16 MiB


def moment_totals(points, weights, low, high, space) -> tuple[np.ndarray, np.ndarray]:
    """sum_i c_i p(w_i) and sum_i c_i |p(w_i)|, two arrays (N,), on the box: points (d, m), weights (d,)."""
    rows = _chunk(len(points), space)

    def part(begin):
        where, charge = points[begin : begin + rows], weights[begin : begin + rows]
        if missing := rows - len(where):
            where = np.concatenate([where, np.broadcast_to(low, (missing, len(low)))])
            charge = np.concatenate([charge, np.zeros(missing)])
        with jax.enable_x64(True):
            return np.asarray(_totals(np.asarray(where, np.float64), charge, low, high, space=space))

    begins = range(0, len(points), rows)
    if len(begins) == 1:
        return part(0)
    first = part(0)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return first + sum(pool.map(part, begins[1:]))


def feature_matrix(points, low, high, space) -> np.ndarray:
    """Features (n, N) of a small set of points (n, m) on the box, without compiling anything."""
    return space.rows(points.T, low, high, np).T


def relative_mismatch(before, size, after) -> float:
    """Largest |after - before| / size over the moments, where size (N,) are the sums of absolute values."""
    return float(np.max(np.abs(after - before) / np.where(size > 0, size, 1.0), initial=0.0))


def _chunk(count, space):
    """Points in a chunk: one of a few powers of two, so that few programs are compiled."""
    largest = max(10, int(np.log2(CHUNK_BYTES / 8 / space.size)))
    return 1 << min(largest, 10 + 3 * max(0, -(-((count - 1).bit_length() - 10) // 3)))


@partial(jax.jit, static_argnames=("space",), compiler_options=SERIAL)
def _totals(where, charge, low, high, space):
    heads, table = space.factors(where.T, low, high)
    heads, last = heads * charge, jnp.stack(table, axis=1)
    every = jnp.stack([heads @ last, jnp.abs(heads) @ jnp.abs(last)])
    return jnp.concatenate([every[:, :count, b] for b, count in enumerate(space.counts)], axis=1)[:, space.places]
