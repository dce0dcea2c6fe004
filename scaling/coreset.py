"""compress: a small weighted subset of the points with the same moments, cell by cell (arXiv 2510.00504)."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from scaling.moments import MomentSpace
from scaling.order import choose_order
from scaling.partition import cells
from scaling.recombination import SERIAL, eliminate

BLOCK_BYTES = 1 << 25  # features held at once by one worker
LANES = 4  # points of a group whose features are summed at once: few shapes, so few compilations
TOLERANCE = 1e-10  # a relative moment mismatch above this is an error


@dataclass(frozen=True)
class Coreset:
    """Survivors of a compression.

    points: (n, m) float64, rows of the input. weights: (n,) float64, > 0, in the unit of the input weights.
    indices: (n,) int64, increasing: points == input[indices]. order: degree of the matched polynomials.
    residual: largest |sum c' p - sum c p| / sum c |p| over the matched polynomials p on the box of all points.
    cells: number of cells, in each of which the moments were kept. space: the polynomials.
    """

    points: np.ndarray
    weights: np.ndarray
    indices: np.ndarray
    order: int
    residual: float
    cells: int
    space: MomentSpace

    def __len__(self) -> int:
        return len(self.indices)


def compress(points, size: int, *, order=None, weights=None, space=None, seed: int = 0) -> Coreset:
    """At most `size` of the points, re-weighted so that sum_i c_i p(w_i) is unchanged for all polynomials in a space.

    points: (d, m) array-like of finite numbers. size: objects to keep; size >= d returns the input unchanged.
    order: total degree k of the polynomials (N = C(m + k, k) of them), or space: any MomentSpace with m coordinates;
    by default an order is chosen for the size. weights: (d,) finite, >= 0, default ones. seed: fixes the result.

    The points are cut into about size / N compact cells and the moments are kept in each (arXiv 2510.00504,
    Theorem 1 with the Tchakaloff step), so every smooth symmetric function of the objects is nearly unchanged.
    Raises ValueError on input of the wrong shape, nan or inf, negative weights, size < 1, both order and space, or a
    size below what the order or the space needs.
    """
    points, weights = _checked(points, weights)
    d, m = points.shape
    size = _positive("size", size)
    space = _space(m, size, order, space)
    if size >= d:
        return Coreset(points, weights, np.arange(d), space.order, 0.0, 1, space)
    if size < space.size:
        raise ValueError(_too_small(m, size, space, order is not None))
    kept, new = _one_pass(points, weights, size, space)
    order_of = np.argsort(kept)
    kept, new = kept[order_of], new[order_of]
    residual = _residual(points, weights, kept, new, space)
    if not residual <= TOLERANCE:
        raise ArithmeticError(f"compress left a relative moment mismatch of {residual:.1e}, accepted is {TOLERANCE:g}")
    count = max(1, size // space.size)
    return Coreset(points[kept], new, kept, space.order, residual, count, space)


def _one_pass(points, weights, size, space):
    """Cut into cells, empty each to its share of `size`; returns surviving indices and their weights."""
    alive = np.flatnonzero(weights)
    if len(alive) <= size:
        return alive, weights[alive]
    count = max(1, size // space.size)
    order, starts = cells(points[alive][:, : space.inputs], count)
    members = alive[order]
    shares = np.diff((np.arange(count + 1) * size) // count)
    table = np.full((count, int(np.diff(starts).max())), -1)
    for c in range(count):
        table[c, : starts[c + 1] - starts[c]] = members[starts[c] : starts[c + 1]]
    mass = weights.copy()
    table = _empty(points, mass, table, shares, space)
    kept = table[table >= 0]
    kept = kept[mass[kept] > 0]
    return kept, mass[kept]


def _empty(points, mass, table, shares, space):
    """Halve the cells (rows of `table`, padded with -1) until each holds its share; changes `mass`."""
    slots = 2 * space.size
    scale = mass.mean() or 1.0
    while True:
        held = (table >= 0).sum(axis=1)
        if (held <= shares).all():
            return table
        table = table[:, : held.max()]
        longest = -(-int(held.max()) // slots)
        group = longest if longest <= 2 else -(-longest // LANES) * LANES
        width = -(-held // slots)
        removals = np.where(held > slots, np.minimum(slots - space.size, (held - shares) // width), held - shares)
        slot, lane = _runs(held, slots, group)
        grouped = np.full((len(table), slots, group), -1)
        row, column = np.nonzero(table >= 0)
        grouped[row, slot[row, column], lane[row, column]] = table[row, column]
        factors = _factors(points, mass / scale, grouped, np.maximum(removals, 0), space)
        mass[table[row, column]] *= factors[row, slot[row, column]]
        dead = (table < 0) | (mass[table] <= 0)
        table = np.take_along_axis(np.where(dead, -1, table), np.argsort(dead, axis=1, kind="stable"), axis=1)


def _runs(held, slots, group):
    """Group and place in the group of every point of every cell: `held` points in `slots` runs of near-equal length."""
    width = int(held.max())
    position = np.arange(width)[None, :]
    runs = np.minimum(held, slots)[:, None]
    slot = np.minimum(position * runs // held[:, None], slots - 1)
    first = -(-slot * held[:, None] // runs)
    return slot, np.clip(position - first, 0, group - 1)


def _factors(points, mass, grouped, removals, space):
    """Run the elimination over chunks of cells, two threads at a time; grouped (C, slots, group) -> (C, slots)."""
    count, slots, group = grouped.shape
    largest = max(1, BLOCK_BYTES // (slots * group * space.size * 8))
    batch = max(b for b in (1, 4, 16, 64) if b <= max(largest, 1) and (b == 1 or b < 4 * count))
    factors = np.empty((count, slots))

    def work(begin):
        rows = grouped[begin : begin + batch]
        quota = removals[begin : begin + batch]
        inside = rows >= 0
        members = np.where(inside, rows, rows[:, :1, :1])
        where = points[members]
        charge = np.where(inside, mass[members], 0.0)
        low, high = where.min(axis=(1, 2)), where.max(axis=(1, 2))
        missing = batch - len(rows)
        if missing:
            where, charge = _pad(where, missing), _pad(charge, missing)
            low, high, quota = _pad(low, missing), _pad(high, missing), _pad(quota, missing)
        with jax.enable_x64(True):
            lanes = min(group, LANES)
            sums = sum(
                _sums(where[:, :, a : a + lanes], charge[:, :, a : a + lanes], low, high, space=space)
                for a in range(0, group, lanes)
            )
            factors[begin : begin + len(rows)] = np.asarray(eliminate(sums, quota))[: len(rows)]

    work(0)  # alone, so that a first call compiles once
    if count > batch:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(work, range(batch, count, batch)))
    return factors


def _pad(array, rows):
    return np.concatenate([array, np.zeros((rows, *array.shape[1:]), array.dtype)])


@partial(jax.jit, static_argnames=("space",), compiler_options=SERIAL)
def _sums(where, charge, low, high, space):
    """Weighted features summed over groups: where (B, slots, group, m), charge (B, slots, group) -> (B, slots, N)."""
    batch, slots, group, m = where.shape
    rows = space.rows(jnp.swapaxes(where.reshape(batch, slots * group, m), 1, 2), low, high)
    rows = rows * charge.reshape(batch, 1, slots * group)
    return jnp.swapaxes(rows.reshape(batch, space.size, slots, group).sum(axis=3), 1, 2)


@partial(jax.jit, static_argnames=("space",), compiler_options=SERIAL)
def _moments(where, charge, low, high, space):
    rows = space.rows(where.T, low, high)
    return rows @ charge, jnp.abs(rows) @ charge


def _totals(points, weights, low, high, space):
    """Moments and absolute moments (N,) of weighted points, in chunks of a fixed few shapes."""
    chunk = 1 << max(8, int(np.log2(BLOCK_BYTES / 8 / space.size)))
    chunk = min(chunk, 1 << int(np.ceil(np.log2(max(len(points), 256)))))
    total = np.zeros((2, space.size))
    with jax.enable_x64(True):
        for begin in range(0, len(points), chunk):
            where, charge = points[begin : begin + chunk], weights[begin : begin + chunk]
            missing = chunk - len(where)
            total += np.asarray(_moments(_pad(where, missing), _pad(charge, missing), low, high, space=space))
    return total


def _residual(points, weights, kept, new, space):
    low, high = points.min(axis=0), points.max(axis=0)
    before, size = _totals(points, weights, low, high, space)
    after, _ = _totals(points[kept], new, low, high, space)
    return float(np.max(np.abs(after - before) / np.where(size > 0, size, 1.0), initial=0.0))


def _checked(points, weights):
    """points and weights as float64 arrays, or a ValueError that says which argument is wrong and how."""
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or 0 in points.shape:
        raise ValueError(f"points must be an array (d, m) with d, m >= 1, got shape {points.shape}")
    if not np.isfinite(points).all():
        raise ValueError(f"points must be finite, got nan or inf in row {int(np.argmin(np.isfinite(points).all(1)))}")
    if weights is None:
        return points, np.ones(len(points))
    weights = np.asarray(weights, np.float64)
    if weights.shape != (len(points),):
        raise ValueError(f"weights must have shape ({len(points)},) to match points, got {weights.shape}")
    if not np.isfinite(weights).all() or (weights < 0).any():
        worst = weights[~(np.isfinite(weights) & (weights >= 0))][0]
        raise ValueError(f"weights must be finite and >= 0, got {worst:g}")
    return points, weights


def _positive(name, value):
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} must be a whole number >= 1, got {value!r}")
    return int(value)


def _space(m, size, order, space):
    if order is not None and space is not None:
        raise ValueError("give order or space, not both")
    if space is not None:
        if not isinstance(space, MomentSpace) or space.dimension != m:
            raise ValueError(f"space must be a MomentSpace with {m} coordinates like the points, got {space}")
        return space
    if order is not None:
        return MomentSpace.total_degree(m, _positive("order", order))
    return MomentSpace.total_degree(m, choose_order(m, size))


def _too_small(m, size, space, by_order):
    answer = f"size must be at least {space.size} for {space}, got {size}"
    if by_order and size > m:
        answer += f"; the largest order that works with it is {choose_order(m, size, cells=1)}"
    return answer
