"""Symmetric functions: known values, invariances, and an error measured below the rounding of a mean."""

import math

import numpy as np
import pytest

from scaling import compress
from scaling.symmetric import Symmetric, paper_trial, rational_probes, relu_probes, sigmoid_probes


def test_values_at_known_points():
    probes = np.array([[1.0, 0.0], [0.0, 2.0]])
    points = np.array([[math.log(3), 0.0]])
    assert sigmoid_probes(probes).value(points) == pytest.approx((0.75 + 0.5) / 2, abs=1e-16)
    assert rational_probes(probes, 2.0).value(np.array([[0.0, 1.0]])) == pytest.approx((0.5 + 0.25) / 2)
    assert relu_probes(probes, 2).value(np.array([[3.0, -1.0]])) == 4.5
    assert relu_probes(probes, 0).value(np.array([[3.0, -1.0]])) == 0.5


def test_order_of_points_and_scale_of_weights_do_not_matter():
    probes, points = paper_trial(3, 500, 0)
    f = Symmetric(sigmoid_probes(probes).inner, outer=lambda x: x**2)
    turned = np.random.default_rng(1).permutation(len(points))
    assert f.value(points) == f.value(points[turned]) == f.value(points, np.full(500, 0.5))
    assert f.error(points, points[turned], np.full(500, 2.0)) < 1e-17


def test_an_error_far_below_rounding_of_the_mean_is_seen():
    """One of 2^16 values differs by 2^-40: the means differ by 2^-56, which float64 means near 1 could not tell."""
    points = np.ones((1 << 16, 1))
    other = points.copy()
    other[7] += 2.0**-40
    f = Symmetric(lambda w: w[:, 0])
    assert f.error(points, other, np.ones(len(other))) == 2.0**-56


def test_the_first_trial_is_the_paper_s():
    probes, points = paper_trial(2, 1000, 3)
    rng = np.random.default_rng(1005)
    assert (probes == rng.uniform(-1, 1, (10, 2))).all() and (points == rng.uniform(-1, 1, (1000, 2))).all()


def test_polynomials_within_the_order_are_exact():
    probes, points = paper_trial(2, 2000, 0)
    coreset = compress(points, 200, order=4)
    f = Symmetric(lambda w: ((w @ probes.T) ** 4).mean(axis=1))
    assert f.error(points, coreset.points, coreset.weights) < 1e-15
