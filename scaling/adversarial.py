"""The worst symmetric function for a set of weighted objects, and what no set of so many objects can beat.

Class: g = sum_a b_a L_a on [-1, 1]^m, L_a orthonormal products of Legendre polynomials (uniform probability), with
|g|^2 = sum_a rho^(2 |a|) b_a^2 <= 1: functions analytic in a polyellipse of radius rho > 1. The error of a coreset of
mass 1 on the worst of them is exactly sqrt(sum_a rho^(-2 |a|) e_a^2), e_a what it misses of the mean of L_a.

Lower bound (Theorem 8 of arXiv 2510.00504, with constants): polynomials of degree K, the least with C(m + K, m) > d',
have more coefficients than there are objects, so one of them, q with int q^2 = 1, vanishes on all of those; the coreset
gives 0 for q^2 whatever its weights, while the mean over the points is at least lambda, the least eigenvalue of their
Gram matrix at degree K (nearly 1 for quasi-uniform points). And |q^2| <= rho^(2K) (int q^4)^(1/2) <= rho^(2K)
Lambda^(1/2) with Lambda = sum_(|a| <= K) prod_j (2 a_j + 1), the most that q^2 can be anywhere in the cube, so the
worst error is at least lambda Lambda^(-1/2) rho^(-2K), where K ~ (m! d')^(1/m): for a sum over d objects,
A d exp(-B d'^(1/m)) with B = 2 (m!)^(1/m) log rho.
"""

import math

import numpy as np

from scaling.moments import MomentSpace, polynomials

CHUNK = 1 << 21  # features held at once


def legendre(values: np.ndarray, degree: int) -> np.ndarray:
    """Orthonormal Legendre polynomials sqrt(2 n + 1) P_n, n = 0..degree, at values (...): (..., degree + 1)."""
    table = np.polynomial.legendre.legvander(values, degree)
    return table * np.sqrt(2 * np.arange(degree + 1) + 1)


def features(points: np.ndarray, space: MomentSpace) -> np.ndarray:
    """L_a for all multi-indices of a total-degree space: points (n, m) -> (n, N)."""
    exponents, tables = np.array(space.exponents), legendre(points, space.order)
    product = tables[:, 0, exponents[:, 0]]
    for j in range(1, points.shape[1]):
        product *= tables[:, j, exponents[:, j]]
    return product


def means(points: np.ndarray, weights: np.ndarray, space: MomentSpace) -> np.ndarray:
    """Weighted means of L_a, (N,): points (n, m), weights (n,), which are taken relative to their sum."""
    rows = max(1, CHUNK // space.size)
    starts = range(0, len(points), rows)
    sums = [weights[i : i + rows] @ features(points[i : i + rows], space) for i in starts]
    return np.sum(sums, axis=0) / weights.sum()


def worst_error(missed: np.ndarray, space: MomentSpace, radius: float) -> float:
    """Largest error over the class of a coreset that misses the means of L_a by `missed` (N,), up to space.order."""
    degrees = np.array(space.exponents).sum(axis=1)
    return float(np.sqrt(np.sum((missed * radius ** -degrees.astype(float)) ** 2)))


def least_degree(dimension: int, size: int) -> int:
    """K: the least degree whose polynomials outnumber `size` objects."""
    degree = 1
    while polynomials(dimension, degree) <= size:
        degree += 1
    return degree


def vanishing(kept: np.ndarray, radius: float) -> tuple[np.ndarray, MomentSpace]:
    """Coefficients (N,), of unit norm, of a polynomial q of least degree that vanishes at kept (n, m), and its space.

    Of all that do, the one with the smallest sum rho^(2 |a|) q_a^2: the smoothest.
    """
    space = MomentSpace.total_degree(kept.shape[1], least_degree(kept.shape[1], len(kept)))
    _, values, rows = np.linalg.svd(features(kept, space))
    null = rows[np.count_nonzero(values > 1e-13 * values[0]) :]
    degrees = np.array(space.exponents).sum(axis=1)
    _, vectors = np.linalg.eigh((null * radius ** (2.0 * degrees)) @ null.T)
    return vectors[:, 0] @ null, space


def square_norm(coefficients: np.ndarray, space: MomentSpace, radius: float) -> float:
    """Norm |q^2| in the class of the square of a polynomial with coefficients (N,), by exact quadrature."""
    degree, dimension = space.order, space.dimension
    nodes, weights = np.polynomial.legendre.leggauss(2 * degree + 1)
    values = np.zeros((degree + 1,) * dimension)
    values[tuple(np.array(space.exponents).T)] = coefficients
    table = legendre(nodes, 2 * degree)
    for _ in range(dimension):  # each turn transforms one axis and brings the next one to the front
        values = np.tensordot(values, table[:, : degree + 1], axes=(0, 1))
    square = values**2
    for _ in range(dimension):
        square = np.tensordot(square, weights[:, None] / 2 * table, axes=(0, 0))
    degrees = np.indices(square.shape).sum(axis=0)
    return float(np.sqrt(np.sum((square * radius**degrees) ** 2)))


def lower_bound(dimension: int, size: int, radius: float, least: float) -> float:
    """What the worst error over the class of any `size` weighted objects in the cube is at least.

    least: the least eigenvalue of the Gram matrix of all points at degree K = least_degree(dimension, size).
    """
    degree = least_degree(dimension, size)
    exponents = np.array(MomentSpace.total_degree(dimension, degree).exponents)
    return least * np.prod(2 * exponents + 1, axis=1).sum() ** -0.5 * radius ** (-2.0 * degree)


def bound_rate(dimension: int, radius: float) -> float:
    """B = 2 (m!)^(1/m) log rho: the bound falls like exp(-B d'^(1/m))."""
    return 2 * math.factorial(dimension) ** (1 / dimension) * math.log(radius)
