"""Cells: split points into compact groups of near-equal count, by halving a box across its widest coordinate."""

import numpy as np


def cells(coordinates: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut n points into `count` cells whose sizes differ by at most one.

    coordinates: (n, m) array; count: 1 <= count <= n. Each cut is at a quantile across the widest coordinate, in units
    of that coordinate's extent over all points, so that the cells do not depend on the scale of a coordinate.

    Returns (order (n,), starts (count + 1,)): cell c holds the points order[starts[c] : starts[c + 1]].
    """
    n = len(coordinates)
    low, high = coordinates.min(axis=0), coordinates.max(axis=0)
    extent = np.where(high > low, high - low, 1.0)
    columns = np.ascontiguousarray(((coordinates - low) / extent).T)
    order = np.arange(n)
    starts = (np.arange(count + 1) * n) // count
    stack = [(0, count)]
    while stack:
        first, last = stack.pop()
        if last - first < 2:
            continue
        middle = (first + last) // 2
        begin, cut, end = starts[first], starts[middle], starts[last]
        members = order[begin:end]
        values = columns[:, members]
        widest = int(np.argmax(values.max(axis=1) - values.min(axis=1)))
        order[begin:end] = members[np.argpartition(values[widest], cut - begin)]
        stack += [(first, middle), (middle, last)]
    return order, starts
