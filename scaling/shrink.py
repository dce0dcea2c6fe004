"""Empty cells: recombine the points of many cells at once until each holds only its share.

A cell with more than 2 N points is halved: its points form 2 N groups, the group sums of the features are recombined
to N groups, and the points of the surviving groups keep their weights times the group's factor (super-points, after
Litterer and Lyons). A cell with fewer is recombined point by point. Features are made for a few cells at a time.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from scaling.backend import SERIAL, share_out
from scaling.recombination import eliminate

LANES, BATCH = 2, 16  # points of a group, and cells, at once: one size of each, as every shape is a program to compile
ROWS = 1 << 15  # points gathered at once: they stay in the cache
_compiled = set()  # shapes of blocks that this process has met


def shrink(points, mass, order, starts, shares, space, report=None) -> np.ndarray:
    """Reduce cell c, holding order[starts[c] : starts[c + 1]], to shares[c] >= N points; `mass` (d,) changes in place.

    points: (d, m); order: (n,) indices into points, all of positive mass; starts: (C + 1,); shares: (C,). report, if
    given, is called with the number of points left after each halving.
    Returns the surviving indices, still sorted by cell.
    """
    columns, charge = _gather(points, order), mass[order]
    mass[order] = 0.0
    while True:
        held = np.diff(starts)
        busy = np.flatnonzero(held > shares)
        if not len(busy):
            mass[order] = charge
            return order
        rank, most = space.size, int(held[busy].max())
        slots = rank + -(-rank // 4) if most <= rank + rank // 4 else 2 * rank
        lanes = -(-held[busy] // slots)  # points in the largest group
        removals = np.minimum(slots - rank, (held[busy] - shares[busy]) // lanes)
        _over_blocks(columns, charge, starts[busy], held[busy], removals, slots, space)
        alive = np.flatnonzero(charge)
        starts = np.searchsorted(alive, starts)
        columns = np.stack([column.take(alive) for column in columns])
        order, charge = order.take(alive), charge.take(alive)
        if report:
            report(len(order))


def _over_blocks(columns, charge, begins, held, removals, slots, space):
    """One elimination in each cell: a batch of cells is a block, blocks are shared out among threads.

    Group i of a cell are its points i, i + slots, i + 2 slots and so on.
    """
    group = -(-int(held.max()) // slots)
    group = group if group == 1 else -(-group // LANES) * LANES
    lanes = slots * min(group, LANES)
    count, batch = len(begins), _batch(space.size, len(begins))

    def work(first):
        lot = [(begins[c], begins[c] + held[c]) for c in range(first, min(first + batch, count))]
        where = np.zeros((batch, len(columns), group * slots))
        load = np.zeros((batch, group * slots))
        for row, (begin, end) in enumerate(lot):
            where[row, :, : end - begin] = columns[:, begin:end]
            where[row, :, end - begin :] = columns[:, begin : begin + 1]
            load[row, : end - begin] = charge[begin:end]
        low, high = where.min(axis=2), where.max(axis=2)
        load[: len(lot)] /= load[: len(lot)].max(axis=1, keepdims=True)
        quota = np.zeros(batch, removals.dtype)
        quota[: len(lot)] = removals[first : first + batch]
        with jax.enable_x64(True):
            sums = np.zeros((batch, space.size, slots))
            for a in range(0, group * slots, lanes):
                part = slice(a, a + lanes)
                sums = group_sums(sums, where[:, :, part], load[:, part], low, high, space=space)
            factors = np.tile(eliminate(sums, quota), group)
        for row, (begin, end) in enumerate(lot):
            charge[begin:end] *= factors[row, : end - begin]

    begun = 0
    if (shape := (space, batch, slots, lanes)) not in _compiled:
        work(0)  # alone, so that a first call compiles once
        _compiled.add(shape)
        begun = batch
    share_out(work, range(begun, count, batch))


def _gather(points, order):
    """points[order] with a coordinate in each row: (m, n)."""
    columns = np.empty((points.shape[1], len(order)))

    def part(begin):
        columns[:, begin : begin + ROWS] = points.take(order[begin : begin + ROWS], axis=0).T

    share_out(part, range(0, len(order), ROWS))
    return columns


def _batch(rank: int, count: int) -> int:
    """Cells in a block: two large ones fill a core, and small ones are worth sharing its set-up."""
    return 1 if count == 1 else 2 if rank > 128 else BATCH


@partial(jax.jit, static_argnames="space", compiler_options=SERIAL)
def group_sums(sums, where, charge, low, high, space):
    """sums (B, N, n) plus the weighted features of where (B, m, l n), charge (B, l n); point i is in group i mod n."""
    slots = sums.shape[2]
    heads, table = space.factors(where, low, high)
    heads = heads * charge[:, None]
    lanes = [slice(a, a + slots) for a in range(0, where.shape[2], slots)]
    pairs = list(zip(space.counts, table, strict=True))
    products = [sum(heads[:, :count, lane] * last[:, None, lane] for lane in lanes) for count, last in pairs]
    return sums + jnp.concatenate(products, axis=1)[:, space.places]
