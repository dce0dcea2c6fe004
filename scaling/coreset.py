"""compress: a small weighted subset of the points with the same moments, cell by cell (arXiv 2510.00504)."""

import sys
from dataclasses import dataclass

import numpy as np

from scaling.backend import OneBlasThread
from scaling.checks import checked_points, positive, positive_real
from scaling.correction import correct
from scaling.moments import MomentSpace
from scaling.order import choose_order, choose_size, largest_order
from scaling.passes import empty
from scaling.probes import estimated_error
from scaling.totals import moment_totals, relative_mismatch

STAND_IN = 1 << 18  # of more points, the higher moments are taken from the survivors of the first pass
TOLERANCE = 1e-10  # a relative moment mismatch above this is an error


@dataclass(frozen=True)
class Coreset:
    """Survivors of a compression.

    points: (n, m) float64, rows of the input. weights: (n,) float64, > 0, in the unit of the input weights.
    indices: (n,) int64, increasing: points == input[indices]. order: degree k of the polynomials kept cell by cell.
    residual: largest |sum c' p - sum c p| / sum c |p| over the matched polynomials p on the box of all points.
    cells: how many cells of N points make up the size. space: the polynomials kept cell by cell.
    error: estimated error of the mean of a smooth probe function of unit range (scaling.probes); 0 if nothing was lost.
    global_space: the polynomials whose sums over all points agree as well; at least `space`.
    """

    points: np.ndarray
    weights: np.ndarray
    indices: np.ndarray
    order: int
    residual: float
    cells: int
    space: MomentSpace
    error: float
    global_space: MomentSpace

    def __len__(self) -> int:
        return len(self.indices)


@OneBlasThread()
def compress(
    points, size=None, *, tolerance=None, order=None, weights=None, space=None, seed: int = 0, progress=None
) -> Coreset:
    """`size` of the points, re-weighted so that sum_i c_i p(w_i) is unchanged for all polynomials p in a space.

    points: (d, m) array-like of finite numbers, a NumPy memmap too. size: objects to keep; size >= d returns the input
    unchanged. tolerance, instead of size: keep as few as an estimated error of at most that allows.
    order: total degree k of the polynomials (N = C(m + k, k) of them), or space: any MomentSpace with m coordinates;
    by default the order with the smallest estimated error. weights: (d,) finite, >= 0, default ones. seed: fixes the
    result. progress: True writes a line to stderr as the points grow fewer, or a function of (live points, size).

    The moments are kept in small compact cells (arXiv 2510.00504, Theorem 1 with the Tchakaloff step), so every smooth
    symmetric function of the objects is nearly unchanged; then the weights are adjusted to global moments of higher
    degree where they can be. Exactly `size` points survive, unless fewer have any weight.
    Raises ValueError on input of the wrong shape, nan or inf, negative weights, size < 1, both or neither of size and
    tolerance, both order and space, or a size below what the order or the space needs; ArithmeticError if the moments
    could not be kept to 1e-10.
    """
    points, weights = checked_points(points, weights)
    d, m = points.shape
    if (size is None) == (tolerance is None):
        raise ValueError(f"give size or tolerance, one of the two, got size={size!r} and tolerance={tolerance!r}")
    space = _space(m, order, space)
    if tolerance is not None:
        size, chosen, _ = choose_size(points, weights, positive_real("tolerance", tolerance), space)
        space = space or MomentSpace.total_degree(m, chosen)
    size = positive("size", size)
    if size >= d:
        space = space or MomentSpace.total_degree(m, largest_order(m, max(d, m + 1), 100))
        return Coreset(points, weights, np.arange(d), space.order, 0.0, 1, space, 0.0, space)
    if space is None:
        space = MomentSpace.total_degree(m, choose_order(points, weights, size)[0])
    if size < space.size:
        raise ValueError(_too_small(m, size, space, order is not None))
    return _compress(points, weights, size, space, seed, _reporter(progress, d, size))


def _compress(points, weights, size, space, seed, report):
    cells = max(1, size // space.size)
    error = estimated_error(points, weights, space, cells, size)
    kept, new, (stand, stand_weights) = empty(points, weights, size, space, seed, report)
    box = np.array([column.min() for column in points.T]), np.array([column.max() for column in points.T])
    wanted, scale = moment_totals(points, weights, *box, space)
    reference = (points, weights) if len(points) <= STAND_IN else (points[stand], stand_weights)
    new, agreed = correct(points[kept], new, reference, wanted, box, space)
    residual = relative_mismatch(wanted, scale, moment_totals(points[kept], new, *box, space)[0])
    if not residual <= TOLERANCE:
        raise ArithmeticError(f"compress left a relative moment mismatch of {residual:.1e}, accepted is {TOLERANCE:g}")
    return Coreset(points[kept], new, kept, space.order, residual, cells, space, error, agreed)


def _reporter(progress, d, size):
    """What is called with the number of live points, or None when quiet."""
    if progress is None or progress is False:
        return None
    if callable(progress):
        return lambda alive: progress(alive, size)

    def line(alive):
        print(f"compress: {alive:,} of {d:,} points left, on the way to {size:,}", file=sys.stderr, flush=True)

    return line


def _space(m, order, space):
    """The space asked for, or None where an order is to be chosen."""
    if order is not None and space is not None:
        raise ValueError(f"give order or space, not both; got order={order!r} and space={space}")
    if space is not None and (not isinstance(space, MomentSpace) or space.dimension != m):
        raise ValueError(f"space must be a MomentSpace with {m} coordinates like the points, got {space}")
    return space if order is None else MomentSpace.total_degree(m, positive("order", order))


def _too_small(m, size, space, by_order):
    answer = f"size must be at least {space.size} for {space}, got {size}"
    if by_order and size > m:
        answer += f"; the largest order that works with it is {largest_order(m, size)}"
    return answer
