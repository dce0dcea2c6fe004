"""Symmetric functions h(sum_i c_i g(w_i) / sum_i c_i) of weighted objects, and their error on a coreset.

The paper's examples (arXiv 2510.00504, Figs. 2 and 8) average g over a few random probes x_a and take h = identity:
sigmoid probes g = sigmoid(<w, x>), rational ones g = 1 / (A + <w, x>), whose nearest singularity is A - |<w, x>| away.
Values of g are rounded once each and their sums not at all (math.fsum), so what is left of an error of zero is the
rounding of the weights: about 1e-16 of g's spread divided by the root of the number of survivors.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

PROBES = 10  # of the paper's functions


@dataclass(frozen=True)
class Symmetric:
    """f(w, c) = h(sum_i c_i g(w_i) / sum_i c_i), which no permutation of the objects changes.

    inner: g, takes points (n, m) to (n,). outer: h, takes a float to a float; None is the identity.
    """

    inner: Callable[[np.ndarray], np.ndarray]
    outer: Callable[[float], float] | None = None

    def value(self, points, weights=None) -> float:
        """f of points (n, m) with weights (n,), by default all 1."""
        mean = _mean(np.asarray(self.inner(points), np.float64), _weights(points, weights))
        return self.outer(mean) if self.outer else mean

    def error(self, points, kept, kept_weights, weights=None) -> float:
        """|f(kept, kept_weights) - f(points, weights)|: points (d, m), kept (n, m), kept_weights (n,), weights (d,).

        g is taken from its mean over the points, so that the common part of both sums is never rounded.
        """
        weights = _weights(points, weights)
        values = np.asarray(self.inner(points), np.float64)
        mean = _mean(values, weights)
        rest = _mean(values - mean, weights)
        moved = _mean(np.asarray(self.inner(kept), np.float64) - mean, np.asarray(kept_weights, np.float64))
        if self.outer is None:
            return abs(moved - rest)
        return abs(self.outer(mean + moved) - self.outer(mean + rest))


def _weights(points, weights) -> np.ndarray:
    return np.ones(len(points)) if weights is None else np.asarray(weights, np.float64)


def _mean(values: np.ndarray, weights: np.ndarray) -> float:
    return math.fsum(values * weights) / math.fsum(weights)


def sigmoid_probes(probes: np.ndarray) -> Symmetric:
    """The mean over probes x_a of sigmoid(<w, x_a>): the paper's Fig. 2. probes: (p, m)."""
    return Symmetric(lambda points: (1 / (1 + np.exp(-(points @ probes.T)))).mean(axis=1))


def rational_probes(probes: np.ndarray, shift: float) -> Symmetric:
    """The mean over probes x_a of 1 / (A + <w, x_a>), A = shift: the paper's Fig. 8. probes: (p, m)."""
    return Symmetric(lambda points: (1 / (shift + points @ probes.T)).mean(axis=1))


def relu_probes(probes: np.ndarray, power: int) -> Symmetric:
    """The mean over probes x_a of ReLU(<w, x_a>)^s, s = power: s - 1 continuous derivatives. probes: (p, m).

    s = 0 is the step function.
    """

    def inner(points):
        t = points @ probes.T
        return np.where(t > 0, t**power, 0.0).mean(axis=1)

    return Symmetric(inner)


def near_pole_probes(probes: np.ndarray, margin: float) -> Symmetric:
    """The mean over probes x_a of margin / (1 + margin - <w, x_a> / |x_a|_1): a pole this far outside of [-1, 1]^m.

    Along its probe each term is analytic in the Bernstein ellipse of radius 1 + margin + sqrt(margin (2 + margin)); its
    largest value is 1. probes: (p, m).
    """
    directions = probes / np.abs(probes).sum(axis=1, keepdims=True)
    return Symmetric(lambda points: (margin / (1 + margin - points @ directions.T)).mean(axis=1))


def paper_trial(dimension: int, size: int, trial: int) -> tuple[np.ndarray, np.ndarray]:
    """Probes (10, m) and objects (d, m) of one trial, all uniform in [-1, 1]^m, drawn in the paper's order and seed."""
    rng = np.random.default_rng(dimension + size + trial)
    probes = rng.uniform(-1, 1, (PROBES, dimension))
    return probes, rng.uniform(-1, 1, (size, dimension))
