"""Whatever a user throws at compress: invariants over random shapes, weights and degenerate clouds (hypothesis)."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scaling.coreset import compress
from scaling.moments import MomentSpace

D = 150  # points of a cloud; few sizes and orders, so that few programs are compiled
QUICK = settings(max_examples=40, deadline=None)


def cloud(kind: str, m: int, seed: int) -> np.ndarray:
    """(D, m) points of a named kind of trouble."""
    rng = np.random.default_rng(seed)
    uniform = rng.uniform(-1, 1, (D, m))
    if kind == "duplicates":
        return np.repeat(uniform[: D // 10], 10, axis=0)
    if kind == "constant":
        return np.hstack([uniform[:, :-1], np.full((D, 1), 7.0)])
    if kind == "line":
        return np.outer(np.linspace(0, 1, D), rng.integers(1, 4, m))
    if kind == "grid":
        return rng.integers(0, 4, (D, m)).astype(float)
    if kind == "sphere":
        return uniform / np.linalg.norm(uniform, axis=1, keepdims=True)
    if kind == "outlier":
        uniform[0] = 1e8
    return uniform + 1e5 if kind == "far" else uniform


KINDS = ["uniform", "duplicates", "constant", "line", "grid", "sphere", "outlier", "far"]
WEIGHTS = {
    "ones": lambda rng: np.ones(D),
    "decades": lambda rng: 10 ** rng.uniform(-6, 6, D),
    "zeros": lambda rng: (rng.uniform(size=D) < 0.7) * rng.uniform(size=D),
}


@QUICK
@given(
    kind=st.sampled_from(KINDS),
    m=st.sampled_from([1, 3]),
    order=st.sampled_from([1, 3]),
    size=st.sampled_from([20, 31, 80, D - 1]),
    weighing=st.sampled_from(sorted(WEIGHTS)),
    seed=st.integers(0, 10**6),
)
@example(kind="line", m=3, order=1, size=D - 1, weighing="ones", seed=0)
@example(kind="grid", m=3, order=1, size=80, weighing="zeros", seed=1)
@example(kind="outlier", m=3, order=1, size=20, weighing="decades", seed=0)
@example(kind="far", m=1, order=1, size=20, weighing="decades", seed=348971)
def test_support_positivity_mass_moments_subset(kind, m, order, size, weighing, seed):
    points, weights = cloud(kind, m, seed), WEIGHTS[weighing](np.random.default_rng(seed))
    coreset = compress(points, size, order=order, weights=weights, seed=seed)
    assert len(coreset) == min(size, np.count_nonzero(weights))
    assert (coreset.weights > 0).all()
    assert (np.diff(coreset.indices) > 0).all()
    np.testing.assert_array_equal(coreset.points, points[coreset.indices])
    assert coreset.weights.sum() == pytest.approx(weights.sum(), rel=1e-12)
    assert coreset.residual <= 1e-12
    assert 0 <= coreset.error < np.inf
    low, high = points.min(axis=0), points.max(axis=0)
    unit = (points - low) / np.where(high > low, high - low, 1.0)
    for exponents in MomentSpace.total_degree(m, order).exponents:
        value = np.prod(unit ** np.array(exponents), axis=1)
        assert coreset.weights @ value[coreset.indices] == pytest.approx(weights @ value, abs=1e-12 * weights.sum())


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.sampled_from([1e-3, 0.7, 1e4]), shift=st.sampled_from([0.0, -3.0, 100.0]))
def test_order_scale_and_shift_of_the_points_change_nothing_that_matters(seed, scale, shift):
    rng = np.random.default_rng(seed)
    points, weights = rng.uniform(-1, 1, (D, 3)), rng.uniform(0.5, 1.5, D)
    permutation = rng.permutation(D)
    moved = (points * scale + shift)[permutation]
    here = compress(points, 80, order=3, weights=weights)
    there = compress(moved, 80, order=3, weights=weights[permutation])
    assert there.error == pytest.approx(here.error, rel=1e-6)
    assert there.weights.sum() == pytest.approx(here.weights.sum(), rel=1e-13)
    back = (there.points - shift) / scale
    for exponents in MomentSpace.total_degree(3, 3).exponents:
        before = here.weights @ np.prod(here.points ** np.array(exponents), axis=1)
        after = there.weights @ np.prod(back ** np.array(exponents), axis=1)
        assert after == pytest.approx(before, abs=1e-9 * D)


@pytest.mark.parametrize("size", [40, 80])
def test_the_same_seed_gives_the_same_result_and_another_seed_another(size):
    points = cloud("uniform", 3, 5)
    first, again, other = (compress(points, size, order=3, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.indices, again.indices)
    np.testing.assert_array_equal(first.weights, again.weights)
    assert not np.array_equal(first.indices, other.indices)
