"""Bounds on the error of compressed symmetric functions that hold with constants, computed and not fitted."""

import math

import numpy as np

from scaling.moments import polynomials


def sigmoid_cells_bound(probes: np.ndarray, order: int, size: float) -> float:
    """Most that the mean over probes of sigmoid(<w, x>) can err when cubes are emptied to N objects each.

    probes: (p, m); order: k, the degree of the moments kept in each of C = size / N cubes of side 2 C^(-1/m) that fill
    [-1, 1]^m (real C >= 1, C(m + k, k) = N <= size). In a cube t = <w, x> stays within r = |x|_1 C^(-1/m) of its
    middle, where a polynomial of degree k comes within r^(k+1) max|sigmoid^(k+1)| / (2^k (k+1)!) of a function of t;
    what it leaves counts twice, for all objects and for the survivors. Of order size^(-(k+1)/m): the worst case, in
    which no two cells' errors cancel.
    """
    dimension = probes.shape[1]
    reach = np.abs(probes).sum(axis=1) * (size / polynomials(dimension, order)) ** (-1 / dimension)
    scale = sigmoid_derivative(order + 1) / (2**order * math.factorial(order + 1))
    return float(2 * scale * np.mean(reach ** (order + 1)))


def sigmoid_derivative(order: int) -> float:
    """max over real t of |sigmoid^(n)(t)|, n = order: with s = sigmoid, each derivative of p(s) is p'(s) s (1 - s)."""
    polynomial = np.polynomial.Polynomial([0.0, 1.0])
    for _ in range(order):
        polynomial = polynomial.deriv() * np.polynomial.Polynomial([0.0, 1.0, -1.0])
    return float(np.abs(polynomial(np.linspace(0, 1, 4001))).max())
