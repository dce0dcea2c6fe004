"""The Tchakaloff step: weights on n points -> weights on at most N of them with the same N moments, batched, jitted.

One LU factorisation of a block of features gives a basis of N points and every null vector at once: an outside point r
has features T_r times those of the basis. Outside points are then removed one after another as in the simplex method:
r gives its weight to the basis along T_r until it is empty, or until a basic point is, which r then replaces (a rank-1
update of the tableau T). Updates are applied to a panel of rows at a time, and then to the rest in one go.
Theory: Tchakaloff's theorem and Algorithm 1 of arXiv 2510.00504; one factorisation here serves N removals.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from scaling.backend import SERIAL

PANEL = 4  # rows updated one by one before the trailing rest; 2 and 3 are as fast on a CPU, 5, 6, 8, 16 slower
SLACK = 1e-13  # infeasibility the ratio test may trade for a larger pivot (Harris); weights are clipped at zero


def recombine(features, weights) -> np.ndarray:
    """Non-negative weights with the same moments sum_i c_i features_i, non-zero on at most N points.

    features: (n, N) array of finite numbers; weights: (n,) array, finite, >= 0. Returns (n,) NumPy float64 weights;
    columns may be linearly dependent. Raises ValueError on wrong shapes, non-finite or negative entries.
    """
    features, weights = np.asarray(features, np.float64), np.asarray(weights, np.float64)
    if features.ndim != 2 or features.shape[1] < 1:
        raise ValueError(f"features must be an array (n, N) with N >= 1, got shape {features.shape}")
    if weights.shape != features.shape[:1]:
        raise ValueError(f"weights must have shape ({len(features)},) to match features, got {weights.shape}")
    for name, value in (("features", features), ("weights", weights)):
        if not np.isfinite(value).all():
            raise ValueError(f"{name} must be finite, got nan or inf")
    if (weights < 0).any():
        raise ValueError(f"weights must be >= 0, got {weights.min():g}")
    weights, rank = weights.copy(), features.shape[1]
    alive = np.flatnonzero(weights)
    with jax.enable_x64(True):
        while len(alive) > rank:
            groups = np.array_split(alive, min(2 * rank, len(alive)))
            scaled = features[alive] * weights[alive, None]
            sums = np.add.reduceat(scaled, np.cumsum([0, *map(len, groups[:-1])]), axis=0)
            block = np.zeros((1, rank, 2 * rank))
            block[0, :, : len(groups)] = sums.T
            removals = np.array([len(groups) - rank])
            factors = np.asarray(eliminate(block, removals))[0, : len(groups)]
            weights[alive] *= np.repeat(factors, [len(g) for g in groups])
            alive = alive[weights[alive] > 0]
    return weights


@partial(jax.jit, static_argnames=("panel",), compiler_options=SERIAL)
def eliminate(sums: jax.Array, removals: jax.Array, panel: int = PANEL) -> jax.Array:
    """Factors (B, n) >= 0 with sum_i factor_i sums_i = sum_i sums_i in each of B blocks, at least `removals` of them 0.

    sums: (B, N, n) float64, n >= N, column i the weighted features of a point or of a group of points; zero columns are
    padding.
    removals: (B,) whole numbers, counted without the padding.
    """
    batch, rank, n = sums.shape
    tableau, basis, inside = _basis(sums, panel)
    padding = -(n - rank) % panel
    blank = jnp.all(sums == 0, axis=1)
    outside = jnp.argsort(inside * 2 + blank, axis=1, stable=True)[:, : n - rank]  # real ones first, then padding
    tableau = jnp.take_along_axis(tableau, outside[:, :, None], axis=1)
    active = (jnp.arange(n - rank) < removals[:, None]) & ~jnp.take_along_axis(blank, outside, axis=1)
    tableau = jnp.pad(tableau, ((0, 0), (0, padding), (0, 0)))
    active = jnp.pad(active, ((0, 0), (0, padding)))
    names = jnp.pad(outside.astype(basis.dtype), ((0, 0), (0, padding)), constant_values=-1)

    def one_panel(j, carry):
        tableau, basis, weights, left, gone = carry
        rows = lax.dynamic_slice_in_dim(tableau, j * panel, panel, axis=1)
        state = (rows, basis, weights, left, gone, jnp.zeros((batch, panel), basis.dtype))
        rows, basis, weights, left, gone, columns = lax.fori_loop(
            0, panel, lambda i, s: _remove(i, j * panel + i, s, active, names), state
        )
        picked = jnp.take_along_axis(tableau, columns[:, None, :], axis=2)
        return _less(tableau, picked, rows), basis, weights, left, gone

    left = jnp.ones((batch, n - rank + padding))
    carry = (tableau, basis, jnp.ones((batch, rank)), left, names)
    _, basis, weights, left, gone = lax.fori_loop(0, (n - rank + padding) // panel, one_panel, carry)
    lane = jnp.arange(batch)[:, None]
    factors = jnp.zeros((batch, n)).at[lane, basis].set(weights)
    return factors.at[lane, gone[:, : n - rank]].set(left[:, : n - rank])


def _basis(sums, panel):
    """Gauss-Jordan with partial pivoting over points, a panel of features at a time.

    Returns T (B, n, N) with sums = sums[basis] T^T, the basis (B, N) and whether a point is in it (B, n).
    Where the features have rank below N the last pivots are round-off or zero: such a column changes nothing real.
    """
    batch, rank, n = sums.shape
    padding = -rank % panel
    rows = jnp.pad(sums, ((0, 0), (0, padding), (0, 0)))

    def pivot(i, row, state):
        lines, basis, inside, columns = state
        t = lines[:, i]
        column = _first_largest(jnp.where(inside, -1.0, jnp.abs(t)))
        hit = (jnp.arange(n) == column[:, None]) & (row < rank)
        height = jnp.where(row < rank, _at(t, column), 0.0)
        solid = height != 0
        update = jnp.where(solid[:, None], t / jnp.where(solid, height, 1.0)[:, None], hit)
        along = jnp.take_along_axis(lines, column[:, None, None], axis=2)[:, :, 0] * (row < rank)
        lines = lines - along[:, :, None] * update[:, None, :]
        lines = lax.dynamic_update_slice_in_dim(lines, update[:, None, :], i, axis=1)
        basis = lax.dynamic_update_slice_in_dim(basis, column[:, None], row, axis=1)
        return lines, basis, inside | hit, lax.dynamic_update_slice_in_dim(columns, column[:, None], i, axis=1)

    def one_panel(j, carry):
        rows, basis, inside = carry
        lines = lax.dynamic_slice_in_dim(rows, j * panel, panel, axis=1)
        state = (lines, basis, inside, jnp.zeros((batch, panel), basis.dtype))
        lines, basis, inside, columns = lax.fori_loop(0, panel, lambda i, s: pivot(i, j * panel + i, s), state)
        picked = jnp.take_along_axis(rows, columns[:, None, :], axis=2)
        picked = picked * (jnp.arange(panel) + j * panel < rank)
        rows = _less(rows, picked, lines)
        return lax.dynamic_update_slice_in_dim(rows, lines, j * panel, axis=1), basis, inside

    carry = (rows, jnp.zeros((batch, rank + padding), jnp.int32), jnp.zeros((batch, n), bool))
    rows, basis, inside = lax.fori_loop(0, (rank + padding) // panel, one_panel, carry)
    return jnp.swapaxes(rows[:, :rank], 1, 2), basis[:, :rank], inside


def _remove(i, row, state, active, names):
    """Take outside point `row` (line i of the panel) away, or swap it with the basic point it empties first."""
    lines, basis, weights, left, gone, columns = state
    t = lines[:, i]  # (B, N): what the basis gains for each unit the outside point gives up
    acts = active[:, row]
    falling = t < 0
    slope = jnp.where(falling, -t, 1.0)
    reach = jnp.where(falling, weights / slope, jnp.inf)
    limit = jnp.min(jnp.where(falling, (weights + SLACK) / slope, jnp.inf), axis=1)
    column = _first_largest(jnp.where(reach <= limit[:, None], -t, -jnp.inf))
    hit = jnp.arange(t.shape[1]) == column[:, None]
    step = _at(reach, column)
    swaps = (step < 1.0) & acts
    step = jnp.where(acts, jnp.minimum(step, 1.0), 0.0)
    weights = jnp.maximum(weights + step[:, None] * t, 0.0)
    entering = hit & swaps[:, None]
    weights = jnp.where(entering, 1.0 - step[:, None], weights)
    name = names[:, row]
    leaver = _at(basis, column)
    basis = jnp.where(entering, name[:, None], basis)
    pivot = jnp.where(swaps, _at(t, column), 1.0)
    update = jnp.where(swaps[:, None], (t - hit) / pivot[:, None], 0.0)
    along = jnp.take_along_axis(lines, column[:, None, None], axis=2)[:, :, 0]
    lines = lines - along[:, :, None] * update[:, None, :]
    lines = lax.dynamic_update_slice_in_dim(lines, update[:, None, :], i, axis=1)
    left = left.at[:, row].set(jnp.where(acts, 0.0, left[:, row]))
    gone = gone.at[:, row].set(jnp.where(swaps, leaver, name))
    columns = columns.at[:, i].set(column)
    return lines, basis, weights, left, gone, columns


def _less(rest, columns, lines):
    """rest (B, r, n) - columns (B, r, p) @ lines (B, p, n) as a sum of p outer products: for a small p one loop, which
    takes a CPU less than half the time of so thin a matrix product."""
    for k in range(lines.shape[1]):
        rest = rest - columns[:, :, k, None] * lines[:, k, None, :]
    return rest


def _first_largest(values):
    """Column of the largest entry in each row of (B, n), the first of equals; argmax takes twice as long on a CPU."""
    columns = jnp.arange(values.shape[1], dtype=jnp.int32)
    return jnp.min(jnp.where(values == values.max(axis=1, keepdims=True), columns, values.shape[1]), axis=1)


def _at(values, column):
    """Entries (B,) of values (B, n) at one column (B,) of each row."""
    return jnp.take_along_axis(values, column[:, None], axis=1)[:, 0]
