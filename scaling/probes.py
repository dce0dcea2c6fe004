"""How large an error to expect, without knowing the function: smooth probes, and what polynomials leave of them.

A coreset that keeps the polynomials of a space in every cell errs on a symmetric mean sum c g(w) / sum c only by what
those polynomials cannot represent of g in a cell. With r the root mean square of that remainder over the points, and
survivors whose errors add like independent ones, the error is about r sqrt(1 / size - 1 / d). It needs the points and
the cells, not the survivors, so the estimate comes before any compression and picks the order.
"""

import numpy as np

from scaling.partition import left_share, unit_coordinates
from scaling.totals import feature_matrix

PROBES = 16  # sigmoid(<w, x>) with fixed x in [-1, 1]^m, w in units of the cloud's middle 80 %
LOOKED_AT = 2  # cells in which the remainder is measured
SAMPLE = 1 << 17  # points used, evenly strided, when there are more
FLOOR = 2e-16  # nothing is known below the rounding of a sum


def estimated_error(points, weights, space, count, size, places=None) -> float:
    """Expected error of the mean of a smooth probe (of unit range) after keeping `size` of the points in `count` cells.

    points: (d, m), weights: (d,). For a space with labels the probe is the squared loss (g(x) - y)^2 in units of the
    labels' standard deviation. Does not depend on the order of the points, nor on their scale or shift.
    """
    d = len(points)
    if size >= d:
        return 0.0
    if d > SAMPLE:
        rows = np.arange(0, d, -(-d // SAMPLE))
        points, weights = points[rows], weights[rows]
    if places is None:
        places = unit_coordinates(points[:, : space.inputs])
    count = max(1, min(count, len(points) // (space.size + 1)))
    numbers = np.unique((2 * np.arange(LOOKED_AT) + 1) * count // (2 * LOOKED_AT))
    squares = [_remainder(points, weights, places, _cell(places, count, int(c)), space) for c in numbers]
    return float(max(np.sqrt(np.mean(squares) * (1 / size - 1 / d)), FLOOR))


def _remainder(points, weights, places, members, space):
    """Mean square, over the points of a cell and the probes, of what the space leaves of a probe."""
    where = places[members]
    members = members[np.lexsort(where.T)]
    most = 3 * space.size
    if len(members) > most:
        members = members[np.arange(most) * len(members) // most]
    share = weights[members] / weights.max()
    if share.sum() == 0:
        return 0.0
    root = np.sqrt(share / share.sum())[:, None]
    low, high = points[members].min(axis=0), points[members].max(axis=0)
    matrix = root * feature_matrix(points[members], low, high, space)
    values = root * _probes(points[members], places[members], points, space)
    values = _leave(matrix.T, values.T)
    spare = max(len(members) - space.size, 1) / len(members)
    return float(np.mean((values**2).sum(axis=1)) / spare)


def _leave(matrix, values, panel=32):
    """What the rows (N, n) of a matrix cannot represent of the rows of values (P, n): blocked Gram-Schmidt.

    LAPACK's QR gives the same, at a hundred times the cost when other threads keep the cores busy.
    """
    rows, rank = np.vstack([matrix, values]), len(matrix)
    lengths = np.sqrt((rows**2).sum(axis=1))
    for begin in range(0, rank, panel):
        lines = rows[begin : min(begin + panel, rank)]
        for _ in range(2):
            for i in range(len(lines)):
                length = np.sqrt(lines[i] @ lines[i])
                lines[i] *= 1 / length if length > 1e-14 * lengths[begin + i] else 0.0
                lengths[begin + i] = 1.0
                lines[i + 1 :] -= np.outer(lines[i + 1 :] @ lines[i], lines[i])
        rest = rows[begin + len(lines) :]
        rest -= (rest @ lines.T) @ lines
        rest[: rank - begin - len(lines)] -= (rest[: rank - begin - len(lines)] @ lines.T) @ lines
    return rows[rank:]


def _probes(where, places, points, space):
    rng = np.random.default_rng(2510)
    directions = rng.uniform(-1, 1, (PROBES, space.inputs))
    values = 1 / (1 + np.exp(-np.clip(places @ directions.T, -500, 500)))
    for a in range(space.inputs, space.dimension):
        spread = points[:, a].std()
        label = (where[:, a] - points[:, a].mean()) / (spread if spread > 0 else 1.0)
        values = (values - label[:, None]) ** 2
    return values


def _cell(places, count, number):
    """Members of one of the `count` cells that partition.cells would cut, without cutting the others."""
    members, first, last, n = np.arange(len(places)), 0, count, len(places)
    columns = list(places.T)
    while last - first > 1:
        extent = [column.max() - column.min() for column in columns]
        middle = first + left_share(last - first, extent)
        cut = (middle * n) // count - (first * n) // count
        split = np.argpartition(columns[int(np.argmax(extent))], cut)
        split, first, last = (split[:cut], first, middle) if number < middle else (split[cut:], middle, last)
        members, columns = members[split], [column[split] for column in columns]
    return members
