"""From all points to exactly `size` of them, in several passes that each draw compact cells afresh.

Emptying one set of cells from many points to N is several times less accurate than removing a few points at a time
from small neighbourhoods, wherever they lie close together (the greedy strategy of arXiv 2510.00504). Passes that thin
many disjoint balls of little more than N points at once, the most compact first, come close to it at a thousandth of
its cost. Where looking for balls would take too long, passes empty the most compact half of small boxes instead, which
loses up to half of the accuracy.
"""

import numpy as np

from scaling.partition import balls, cells, radii, rotation, unit_coordinates
from scaling.shrink import shrink

COARSE = 2.0  # the first cells are emptied to this many times the size in one go
CROWD = 1.25  # points in a cell of a later pass, in units of N
PAIRS = (
    5_000_000  # of a centre tried and a point, up to which a pass looks for balls; where there are more it cuts boxes
)
TRIES = 6  # centres tried for every N points
THIN = 0.1  # of N: what a ball loses in a pass
RETRIES = 8  # passes taken back when ties leave fewer points than asked for
HALF = 0.7  # the share of what could be removed that a pass removes, from its most compact cells


def empty(points, weights, size, space, seed=0, report=None, pairs=PAIRS):
    """Indices (n,), increasing, and weights (n,) of n <= size survivors with the same moments in the space.

    points: (d, m), weights: (d,), size >= space.size. n == size unless fewer points have weight.
    report: called with the number of live points as it falls. pairs: see PAIRS; math.inf looks for balls always.
    Also returns, as a smaller stand-in for the whole set, the indices and weights after the first pass.
    """
    mass, rank = weights.copy(), space.size
    alive = np.flatnonzero(mass)
    places = unit_coordinates(points[:, : space.inputs])
    coarse = int(COARSE * size)
    if len(alive) > 1.5 * coarse:
        alive = _one_pass(points, mass, alive, places, max(1, coarse // rank), coarse, space, seed, report=report)
    reference = alive, mass[alive]
    turn, retries = 1, 0
    while len(alive) > size:
        before, held = alive, mass[alive]
        tries = int(TRIES * len(alive) / rank) + TRIES
        if tries * len(alive) <= pairs or retries:
            tries = int(max(1, min(tries, pairs // len(alive))))
            alive = _ball_pass(points, mass, alive, places, tries, size, space, seed + turn, retries)
        else:
            count = max(int(len(alive) / (CROWD * rank)), -(-len(alive) // (2 * rank)))
            alive = _one_pass(points, mass, alive, places, count, size, space, seed + turn, HALF, report)
        turn += 1
        if len(alive) < size and retries < RETRIES:
            # ties emptied several points at once: step back part of the way, where all are alive, and go elsewhere
            mass[before] += (held - mass[before]) / (2.0 + retries)
            alive, retries = before, retries + 1
    alive = np.sort(alive)
    return alive, mass[alive], reference


def _one_pass(points, mass, alive, places, count, size, space, seed, partial=1.0, report=None):
    """Cut the live points into `count` cells in a random rotation and empty them, towards `size` points in all."""
    turned = (rotation(places.shape[1], seed).T @ places.T.take(alive, axis=1)).T
    order, starts = cells(turned, count)
    held = np.diff(starts)
    room = np.maximum(held - space.size, 0)  # what a cell can lose
    if partial < 1.0:
        quota = min(len(alive) - size, int(np.ceil(partial * room.sum())))
        first = np.argsort(radii(turned[order], starts), kind="stable")
    else:
        quota = min(len(alive) - size, room.sum())
        first = np.arange(count)
        room = np.minimum(room, quota // count)
    before = np.concatenate([[0], np.cumsum(room[first])[:-1]])
    room[first] = np.clip(quota - before, 0, room[first])
    return shrink(points, mass, alive[order], starts, held - room, space, report)


def _ball_pass(points, mass, alive, places, tries, size, space, seed, retries):
    """Thin the most compact balls of N and a few points, wherever they are; the rest is left for another pass.

    A retry after ties looks at more points than it must, in another order, so that it has other ways out.
    """
    surplus, rank = len(alive) - size, space.size
    loss = min(max(1, int(THIN * rank)), surplus)
    crowd = min(rank + loss + 2 * retries, max(2 * rank, rank + loss), len(alive))
    order, starts, _ = balls(places[alive], crowd, tries, seed)
    if retries:
        order = np.random.default_rng(seed).permuted(order.reshape(-1, crowd), axis=1).ravel()
    used = min(surplus // loss, len(starts) - 1)
    chosen = alive[order[: starts[used]]]
    shrink(points, mass, chosen, starts[: used + 1], np.full(used, crowd - loss), space)
    return alive[mass[alive] > 0]
