"""Curves of errors, bounds with constants, and the exponents read from them: known answers."""

import numpy as np
import polars as pl
import pytest

from experiments import error_scaling
from experiments.errors import errors, geometric_mean
from scaling.bounds import sigmoid_cells_bound, sigmoid_derivative
from scaling.symmetric import paper_trial, sigmoid_probes


def power(exponent, trials=8, noise=0.0):
    rng = np.random.default_rng(1)
    return pl.DataFrame(
        [
            {"size": d, "seed": s, "error": d**-exponent * np.exp(noise * rng.standard_normal())}
            for d in (1000, 2000, 4000, 8000)
            for s in range(trials)
        ]
    )


def test_exponent_of_a_power_law_and_its_interval():
    assert errors(power(2.5), "size", 200).exponent()[0] == pytest.approx(2.5, abs=1e-12)
    value, (low, high) = errors(power(2.5, 20, 0.8), "size", 400).exponent()
    assert low < 2.5 < high and high - low < 1.5 and low < value < high


def test_one_size_has_no_exponent():
    found = errors(power(1.0), "size", 100)
    assert np.isnan(found.at(found.x == 1000).exponent()[0])


def test_geometric_mean_of_ratios():
    value, (low, high) = geometric_mean(np.log([0.5, 2.0, 1.0, 1.0]), 200)
    assert value == pytest.approx(1.0) and low <= 1 <= high


def test_derivatives_of_the_sigmoid():
    assert sigmoid_derivative(1) == pytest.approx(1 / 4)
    assert sigmoid_derivative(2) == pytest.approx(1 / (6 * np.sqrt(3)), rel=1e-6)
    assert sigmoid_derivative(3) == pytest.approx(1 / 8)


def test_the_bound_holds_for_any_weights_with_the_moments_of_one_cell():
    """Radau's rule with 2 nodes has the moments of [-1, 1] to degree 2."""
    probes, _ = paper_trial(1, 10, 0)
    points = (np.arange(20000)[:, None] + 0.5) / 10000 - 1
    error = sigmoid_probes(probes).error(points, np.array([[-1.0], [1 / 3]]), np.array([0.5, 1.5]))
    assert 1e-8 < error < sigmoid_cells_bound(probes, 2, 3)


def test_the_verdict_follows_the_numbers():
    settings = {"tolerance": 0.25, "rms_tolerance": 0.15}

    def verdict(off, half, rms=0.1):
        ends = (1.5 + off - half, 1.5 + off + half)
        return error_scaling.judge({(2, 1): (off, ends)}, {"rms_deviation_m_to_4": {"value": rms}}, settings)

    assert verdict(0.1, 0.1) == "supported"
    assert verdict(0.1, 0.1, rms=0.2) == "inconclusive"
    assert verdict(0.3, 0.1) == "inconclusive"
    assert verdict(-0.5, 0.1) == "not supported"
