"""The worst function of a class: it vanishes where it must, and nothing is below the bound."""

import numpy as np
import pytest

from experiments import optimality
from scaling import MomentSpace, compress
from scaling.adversarial import (
    features,
    least_degree,
    legendre,
    lower_bound,
    means,
    square_norm,
    vanishing,
    worst_error,
)

RADIUS = 2.0


def test_the_basis_is_orthonormal():
    nodes, weights = np.polynomial.legendre.leggauss(12)
    table = legendre(nodes, 8)
    assert np.allclose(table.T @ (weights[:, None] / 2 * table), np.eye(9), atol=1e-13)


def test_the_polynomial_vanishes_on_the_survivors_and_nowhere_else():
    kept = np.random.default_rng(0).uniform(-1, 1, (9, 2))
    q, space = vanishing(kept, RADIUS)
    assert space.order == least_degree(2, 9) == 3
    assert np.abs(features(kept, space) @ q).max() < 1e-12 and np.linalg.norm(q) == pytest.approx(1)


def test_the_norm_of_a_square_known_by_hand():
    """q = L_1 = sqrt(3) x: q^2 = 3 x^2 = L_0 + (2 / sqrt(5)) L_2."""
    space = MomentSpace.total_degree(1, 1)
    assert square_norm(np.array([0.0, 1.0]), space, RADIUS) == pytest.approx(np.sqrt(1 + 16 * 4 / 5))


@pytest.mark.parametrize("m, size", [(1, 5), (2, 12)])
def test_bound_witness_and_worst_error_are_in_order(m, size):
    points = np.random.default_rng(1).uniform(-1, 1, (1000, m))
    coreset = compress(points, size)
    q, space = vanishing(coreset.points, RADIUS)
    table = features(points, space)
    least = np.linalg.eigvalsh(table.T @ table / len(points))[0]
    witness = np.mean((table @ q) ** 2) / square_norm(q, space, RADIUS)
    whole = MomentSpace.total_degree(m, 30)
    missed = means(coreset.points, coreset.weights, whole) - means(points, np.ones(len(points)), whole)
    assert 0 < lower_bound(m, size, RADIUS, least) <= witness <= worst_error(missed, whole, RADIUS)


def test_gauss_nodes_reach_the_bound_s_degree():
    """The n Gauss nodes vanish only on L_n, of degree K = n: the worst error is of the order of rho^(-2n)."""
    nodes, weights = np.polynomial.legendre.leggauss(6)
    space = MomentSpace.total_degree(1, 40)
    missed = means(nodes[:, None], weights, space)
    missed[0] -= 1
    worst = worst_error(missed, space, RADIUS)
    assert 0.5 < worst * RADIUS**12 < 5
    assert worst > lower_bound(1, 6, RADIUS, 1.0)


def test_quasi_uniform_points_lie_one_to_a_cell():
    points = optimality.quasi_uniform(2, 400, 0)
    cells = np.floor((points + 1) * 10).astype(int)
    assert len(points) == 400 == len(np.unique(cells, axis=0)) and np.abs(points).max() < 1


def test_a_verdict_needs_every_dimension():
    assert optimality.judge([(0.6, (0.5, 0.7)), (0.5, (0.46, 0.6))], 0.45) == "supported"
    assert optimality.judge([(0.6, (0.5, 0.7)), (0.5, (0.4, 0.6))], 0.45) == "inconclusive"
    assert optimality.judge([(0.6, (0.5, 0.7)), (0.3, (0.2, 0.4))], 0.45) == "not supported"
