"""Empty cells: recombine the points of many cells at once until each holds only its share.

A cell with more than 2 N points is halved: its points form 2 N groups, the group sums of the features are recombined
to N groups, and the points of the surviving groups keep their weights times the group's factor (super-points, after
Litterer and Lyons). A cell with fewer is recombined point by point. Features are made for a few cells at a time.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from scaling.recombination import SERIAL, eliminate

LANES = 4  # points of a group whose features are summed at once: few shapes, so few compilations


def shrink(points, mass, order, starts, shares, space, report=None) -> np.ndarray:
    """Reduce cell c, holding order[starts[c] : starts[c + 1]], to shares[c] >= N points; `mass` (d,) changes in place.

    points: (d, m); order: (n,) indices into points, all of positive mass; starts: (C + 1,); shares: (C,). report, if
    given, is called with the number of points left after each halving.
    Returns the surviving indices, still sorted by cell.
    """
    while True:
        held = np.diff(starts)
        busy = np.flatnonzero(held > shares)
        if not len(busy):
            return order
        rank, most = space.size, int(held[busy].max())
        slots = rank + -(-rank // 4) if most <= rank + rank // 4 else 2 * rank
        width = -(-held[busy] // slots)
        removals = np.minimum(slots - rank, (held[busy] - shares[busy]) // width)
        _over_blocks(points, mass, order, starts[busy], held[busy], removals, slots, space)
        alive = mass[order] > 0
        starts = np.concatenate([[0], np.cumsum(alive)])[starts]
        order = order[alive]
        if report:
            report(len(order))


def _over_blocks(points, mass, order, begins, held, removals, slots, space):
    """One elimination in each cell: a batch of cells is a block, blocks are shared out among threads."""
    longest = -(-int(held.max()) // slots)
    group = longest if longest <= 2 else -(-longest // LANES) * LANES
    count, batch = len(begins), _batch(space.size, len(begins))

    def work(first):
        lot = slice(first, min(first + batch, count))
        runs = np.minimum(held[lot], slots)[:, None]  # groups are runs of neighbours, of equal length but for one
        edges = begins[lot, None] + np.minimum(np.arange(slots + 1), runs) * held[lot, None] // runs
        position = edges[:, :-1, None] + np.arange(group)
        inside = position < edges[:, 1:, None]
        members = order[np.where(inside, position, begins[lot, None, None])]
        where = points[members]
        low, high = where.min(axis=(1, 2)), where.max(axis=(1, 2))
        charge = np.where(inside, mass[members], 0.0)
        charge /= charge.max(axis=(1, 2), keepdims=True)
        where, charge, low, high, quota = (_pad(a, batch) for a in (where, charge, low, high, removals[lot]))
        lanes = min(group, LANES)
        with jax.enable_x64(True):
            sums = sum(
                group_sums(where[:, :, a : a + lanes], charge[:, :, a : a + lanes], low, high, space=space)
                for a in range(0, group, lanes)
            )
            factors = np.asarray(eliminate(sums, quota))[: len(members)]
        mass[members[inside]] *= np.broadcast_to(factors[:, :, None], inside.shape)[inside]

    work(0)  # alone, so that a first call compiles once
    if count > batch:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(work, range(batch, count, batch)))


def _batch(rank: int, count: int) -> int:
    """Cells in a block, one of three sizes so that few programs are compiled: large N fills a core alone."""
    if rank > 350 or count == 1:
        return 1
    return 32 if rank <= 128 and count > 16 else 8


def _pad(array, rows):
    missing = rows - len(array)
    return np.concatenate([array, np.zeros((missing, *array.shape[1:]), array.dtype)]) if missing else array


@partial(jax.jit, static_argnames=("space",), compiler_options=SERIAL)
def group_sums(where, charge, low, high, space):
    """Weighted features summed over groups: where (B, slots, group, m), charge (B, slots, group) -> (B, slots, N)."""
    batch, slots, group, m = where.shape
    rows = space.rows(jnp.swapaxes(where.reshape(batch, slots * group, m), 1, 2), low, high)
    rows = rows * charge.reshape(batch, 1, slots * group)
    return jnp.swapaxes(rows.reshape(batch, space.size, slots, group).sum(axis=3), 1, 2)
