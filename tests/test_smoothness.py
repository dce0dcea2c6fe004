"""What the theory says for kinks, poles and manifolds, and that functions and manifolds are what they are called."""

import numpy as np
import pytest

from experiments import intrinsic_dimension, smoothness
from scaling.symmetric import near_pole_probes


def test_a_pole_lies_at_its_margin():
    probes = np.array([[3.0, -1.0]])
    function = near_pole_probes(probes, 0.1)
    assert function.value(np.array([[1.0, -1.0]])) == pytest.approx(1.0)
    assert function.value(np.array([[-1.0, 1.0]])) == pytest.approx(0.1 / 2.1)


def test_a_kink_caps_the_exponent():
    assert [smoothness.theory(2, k, "relu_1") for k in (0, 1, 2, 5)] == [1.0, 1.25, 1.25, 1.25]
    assert smoothness.theory(2, 5, "margin_0.1") == 3.5


def test_one_clear_deviation_decides():
    near, far = (0.1, (-0.2, 0.4)), (0.5, (0.3, 0.7))
    assert smoothness.judge([near, near], 0.25) == "supported"
    assert smoothness.judge([near, (0.3, (0.1, 0.5))], 0.25) == "inconclusive"
    assert smoothness.judge([near, far], 0.25) == "not supported"


def test_manifolds_have_their_dimension():
    for n in (1, 2, 3):
        _, points = intrinsic_dimension.trial(n, 4000, 0)
        near = points[np.argsort(((points - points[0]) ** 2).sum(axis=1))[: 6 * n]]
        values = np.linalg.svd(near - near.mean(axis=0), compute_uv=False)
        assert points.shape == (4000, 6) and np.abs(points).max() <= 1
        assert values[n - 1] > 3 * values[n]


def test_candidates_for_the_exponent():
    assert intrinsic_dimension.theories(6, 2) == {"ambient": 1.0, "intrinsic": 1.0, "counted": 1.0}
    assert intrinsic_dimension.theories(2, 1) == {"ambient": 1 / 3 + 0.5, "intrinsic": 1.5, "counted": 2.0}


def test_a_vote_needs_both_sides():
    expected = {"ambient": 1.0, "intrinsic": 2.0}
    assert intrinsic_dimension.vote(2.1, (1.5, 2.5), expected, 0.25) == 1
    assert intrinsic_dimension.vote(2.1, (0.9, 3.0), expected, 0.25) == 0
    assert intrinsic_dimension.vote(1.5, (1.3, 1.7), expected, 0.25) == -1
