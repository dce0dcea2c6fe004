"""Moments of a whole weighted set, a chunk of points at a time so that memory stays bounded.

A plain sum of n terms of one sign loses about n^(1/2) / 6 roundings, which would be all that is left of the error of a
smooth function. Here each factor of a product is split into a coarse part, whose products add up without any rounding,
and a rest (Ozaki et al., Numer. Algorithms 59, 2012); chunks are added by math.fsum. In NumPy, as compiling a program
for every space takes longer than it saves.
"""

import math

import numpy as np

from scaling.backend import share_out

CHUNK_BYTES = 1 << 21  # of the largest array of a chunk: fits in a cache


def moment_totals(points, weights, low, high, space) -> tuple[np.ndarray, np.ndarray]:
    """sum_i c_i p(w_i) and sum_i c_i |p(w_i)|, two arrays (N,), on the box: points (d, m), weights (d,)."""
    scale = 2.0 ** int(np.frexp(np.abs(weights).max())[1])  # above all weights; division by it is exact
    rows = _chunk(max(space.counts[0], len(space.counts)))

    def part(begin):
        where, charge = points[begin : begin + rows], weights[begin : begin + rows] / scale
        heads, table = space.factors(np.asarray(where, np.float64).T, low, high, np)
        left, right = heads * charge, np.stack(table, axis=1)
        every = np.stack([*_product(left, right), np.abs(left) @ np.abs(right)])
        return np.concatenate([every[:, :count, b] for b, count in enumerate(space.counts)], axis=1)[:, space.places]

    coarse, rest, absolute = np.stack(share_out(part, range(0, len(points), rows)), axis=1)
    return scale * _added(coarse, rest), scale * _added(absolute)


def feature_matrix(points, low, high, space) -> np.ndarray:
    """Features (n, N) of a small set of points (n, m) on the box, without compiling anything."""
    matrix, rows = np.empty((space.size, len(points))), _chunk(space.size)

    def part(begin):
        matrix[:, begin : begin + rows] = space.rows(points[begin : begin + rows].T, low, high, np)

    share_out(part, range(0, len(points), rows))
    return matrix.T


def _chunk(width):
    """Rows of `width` numbers that make up a chunk."""
    return max(1, CHUNK_BYTES // 8 // width)


def relative_mismatch(before, size, after) -> float:
    """Largest |after - before| / size over the moments, where size (N,) are the sums of absolute values."""
    return float(np.max(np.abs(after - before) / np.where(size > 0, size, 1.0), initial=0.0))


def _product(left, right):
    """left (a, n) @ right (n, b), all entries in [-1, 1], as two addends: one of no rounding, and a small rest."""
    step = 2.0 ** ((52 - (len(right) - 1).bit_length()) // 2)
    coarse_left, coarse_right = _coarse(left, step), _coarse(right, step)
    exact, rest = np.split(coarse_left @ np.hstack([coarse_right, right - coarse_right]), 2, axis=1)
    return exact, rest + (left - coarse_left) @ right


def _coarse(values, step):
    """Values rounded to multiples of 1 / step."""
    coarse = values * step
    np.rint(coarse, out=coarse)
    coarse /= step
    return coarse


def _added(*addends):
    """The columns of arrays (..., N), each added up and rounded once."""
    return np.array([math.fsum(column) for column in np.concatenate(addends).T])
