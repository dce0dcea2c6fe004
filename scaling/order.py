"""Choose the order k of the matched polynomials and the number of cells for a size, or the size for an error.

Few cells at high order suit analytic data, many cells at low order rough data and high dimension (arXiv 2510.00504:
k_opt grows like size^(1/m)). The estimate of scaling.probes decides, from the points alone.
"""

import numpy as np

from scaling.moments import MomentSpace, polynomials
from scaling.partition import unit_coordinates
from scaling.probes import FLOOR, SAMPLE, estimated_error

MOST = 600  # polynomials in a cell, at most: the cost of a cell grows like the cube


def largest_order(dimension: int, size: int, most: int | None = None) -> int:
    """Largest order that `size` objects can keep. Raises ValueError when that is not even order 1."""
    if size <= dimension:
        raise ValueError(
            f"size must be at least {dimension + 1} to keep order 1 in {dimension} coordinates, got {size}"
        )
    order = 1
    while polynomials(dimension, order + 1) <= min(size, most or size):
        order += 1
    return order


def choose_order(points, weights, size: int) -> tuple[int, float]:
    """The order with the smallest estimated error for this size, and that error.

    Where the probes are kept to rounding they cannot tell orders apart any more; half as many degrees again, if the
    size has room for them, serve functions that are less smooth. points: (d, m), weights: (d,).
    Raises ValueError when the size cannot keep order 1.
    """
    d, m = points.shape
    best, most = None, largest_order(m, size, MOST)
    points, weights, places, d = _sample(points, weights)
    for order in range(1, most + 1):
        space = MomentSpace.total_degree(m, order)
        shrunk = size * len(points) // d if len(points) < d else size
        error = estimated_error(points, weights, space, size // space.size, max(1, shrunk), places)
        error *= np.sqrt(max(1, shrunk) / size)
        if best is None or error < best[1]:
            best = order, error
        if error <= 2 * FLOOR:
            return min(order + order // 2, most), error
    return best


def choose_size(points, weights, tolerance: float, space=None, order=None) -> tuple[int, int, float]:
    """The smallest size (N times a number of cells) whose estimated error is at most `tolerance`: size, order, error.

    Falls back to all d points, with error 0, where no compression is estimated to be good enough.
    """
    full, m = points.shape
    points, weights, places, d = _sample(points, weights)
    best = (full, order or (space.order if space else 1), 0.0)
    orders = [order] if order else range(1, largest_order(m, max(full, m + 1), MOST) + 1)
    for k in orders if space is None else [space.order]:
        tried = space or MomentSpace.total_degree(m, k)
        if tried.size >= best[0]:
            break

        def error(count, tried=tried):
            shrunk = max(1, count * tried.size * len(points) // d)
            value = estimated_error(points, weights, tried, count, shrunk, places)
            return value * np.sqrt(shrunk / (count * tried.size))

        low, high = 0, (best[0] - 1) // tried.size
        if error(high) > tolerance:
            continue
        while high - low > max(1, high // 16):
            middle = (low + high) // 2 if low else max(1, high // 4)
            low, high = (low, middle) if error(middle) <= tolerance else (middle, high)
        if high:
            best = (high * tried.size, tried.order, error(high))
    return best


def _sample(points, weights):
    """At most SAMPLE evenly strided points, their weights and unit places, and how many there were."""
    d = len(points)
    rows = slice(None, None, max(1, -(-d // SAMPLE)))
    points, weights = np.asarray(points[rows], np.float64), weights[rows]
    return points, weights, unit_coordinates(points), d
