"""Cells: split points into compact groups of near-equal count, slicing a box across its widest coordinate."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.spatial import KDTree

DISTANCES = 5_000_000  # computed at once to find neighbours; for more of them a tree is built


def cells(coordinates: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut n points into `count` cells whose sizes differ by at most one.

    coordinates: (n, m) array, in units in which all coordinates matter alike; count: 1 <= count <= n. A group that
    becomes c cells is sliced across its widest coordinate, at the quantile that leaves each side near-cubic cells: a
    coordinate that will be sliced in s is cut at s // 2 slices of s.

    Returns (order (n,), starts (count + 1,)): cell c holds the points order[starts[c] : starts[c + 1]].
    """
    n = len(coordinates)
    columns = np.array(coordinates.T, order="C")
    order = np.arange(n)
    starts = (np.arange(count + 1) * n) // count
    stack = [(0, count)]
    while stack:
        first, last = stack.pop()
        if last - first < 2:
            continue
        begin, end = starts[first], starts[last]
        extent = [column[begin:end].max() - column[begin:end].min() for column in columns]
        widest = int(np.argmax(extent))
        middle = first + left_share(last - first, extent)
        split = np.argpartition(columns[widest, begin:end], starts[middle] - begin)
        for array in (order, *columns):
            array[begin:end] = array[begin:end].take(split)
        stack += [(first, middle), (middle, last)]
    return order, starts


def left_share(count: int, extent: Sequence[float]) -> int:
    """How many of `count` cells go left of the cut across the widest coordinate of a box of these m extents."""
    widest = max(extent)
    real = [x for x in extent if x > 1e-3 * widest]
    if not real:
        return count // 2
    logs = sum(math.log(x / widest) for x in real) - math.log(count)
    slices = min(max(round(math.exp(-logs / len(real))), 2), count)  # widths of a cubic cell in the widest extent
    return min(max(round(count * (slices // 2) / slices), 1), count - 1)


def unit_coordinates(coordinates: np.ndarray) -> np.ndarray:
    """The same points, every coordinate shifted and scaled so that its middle 80 % spans [-0.8, 0.8].

    Quantiles keep a far outlier from squeezing the rest together. A coordinate whose middle is a single value is
    scaled by its whole range, a constant one becomes 0.
    """
    tenth, unit = len(coordinates) // 10, np.empty(coordinates.shape[::-1])
    for column, to in zip(coordinates.T, unit, strict=True):
        ranked = np.partition(column, (0, tenth, -1 - tenth, -1))
        least, low, high, most = ranked[[0, tenth, -1 - tenth, -1]]
        if not high > low:
            half, middle = (most - least) / 2, least + (most - least) / 2
        else:
            half, middle = (high - low) / 1.6, low + (high - low) / 2
        to[:] = (column - middle) / (half if half > 0 else 1.0)
    return unit.T


def rotation(dimension: int, seed: int) -> np.ndarray:
    """A random orthogonal matrix (m, m): turning the points before each cut makes the cells of every pass differ."""
    basis, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(dimension, dimension)))
    return basis


def radii(coordinates: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Root mean square distance from the centre of each cell: coordinates (n, m) sorted by cell -> (C,)."""
    held = np.diff(starts)
    centre = np.add.reduceat(coordinates, starts[:-1]) / held[:, None]
    squares = ((coordinates - np.repeat(centre, held, axis=0)) ** 2).sum(axis=1)
    return np.sqrt(np.add.reduceat(squares, starts[:-1]) / held)


def balls(coordinates: np.ndarray, crowd: int, tries: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Disjoint groups of `crowd` nearest neighbours, the most compact around `tries` random centres first.

    coordinates: (n, m), n >= crowd. Returns (order, starts) as `cells` does, of the points that are in a ball, and the
    balls' radii, increasing.
    """
    n = len(coordinates)
    centres = coordinates[np.random.default_rng(seed).permutation(n)[:tries]]
    find = _neighbours_by_distance if len(centres) * n <= DISTANCES else _neighbours_by_tree
    nearest, radius = find(coordinates, centres, crowd)
    taken, chosen = np.zeros(n, bool), []
    for i in np.argsort(radius, kind="stable"):
        if not taken[nearest[i]].any():
            taken[nearest[i]] = True
            chosen.append(i)
    order = nearest[chosen].ravel()
    return order, np.arange(len(chosen) + 1) * crowd, radius[chosen]


def _neighbours_by_distance(coordinates, centres, crowd):
    """Indices (c, crowd) of the points nearest to each centre, and the distance (c,) of the farthest of them."""
    squares = (coordinates**2).sum(axis=1) - 2 * centres @ coordinates.T + (centres**2).sum(axis=1)[:, None]
    nearest = np.argpartition(squares, crowd - 1, axis=1)[:, :crowd]
    return nearest, np.sqrt(np.maximum(np.take_along_axis(squares, nearest, axis=1).max(axis=1), 0.0))


def _neighbours_by_tree(coordinates, centres, crowd):
    """The same, in memory that does not grow with the number of distances."""
    distances, nearest = KDTree(coordinates).query(centres, k=[*range(1, crowd + 1)], workers=-1)
    return nearest, distances[:, -1]
