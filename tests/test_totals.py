"""Moments of all points, rounded once however many points there are, and what that buys."""

import math

import numpy as np

from scaling.coreset import compress
from scaling.moments import MomentSpace
from scaling.symmetric import paper_trial, rational_probes
from scaling.totals import feature_matrix, moment_totals


def test_totals_are_rounded_once():
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (300_000, 2))
    weights = 10.0 ** rng.uniform(-6, 6, len(points))
    space, box = MomentSpace.total_degree(2, 3), (points.min(axis=0), points.max(axis=0))
    totals, sizes = moment_totals(points, weights, *box, space)
    terms = feature_matrix(points, *box, space) * weights[:, None]
    exact = np.array([math.fsum(column) for column in terms.T])
    assert (np.abs(totals - exact) <= 2.0**-52 * np.abs(exact) + 1e-18 * weights.sum()).all()
    np.testing.assert_allclose(sizes, np.abs(terms).sum(axis=0), rtol=1e-12)


def test_nothing_but_the_rounding_of_weights_is_left_of_the_error_of_an_analytic_function():
    errors = []
    for trial in range(4):
        probes, objects = paper_trial(1, 32_000, trial)
        coreset = compress(objects, 1244)
        errors.append(rational_probes(probes, 1.05).error(objects, coreset.points, coreset.weights))
    assert np.mean(errors) < 4e-17
