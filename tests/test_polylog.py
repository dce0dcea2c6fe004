"""The schedule, the oracle and the best order on rows with known answers."""

import numpy as np
import polars as pl
import pytest

from experiments import polylog
from experiments.errors import errors, geometric


def test_a_median_of_one_over_the_limit_is_no_support():
    assert polylog.judge(1e-14, (1e-15, 2e-13), 0, 1e-13) == "supported"
    assert polylog.judge(2e-13, (1e-14, 1e-12), 0, 1e-13) == "inconclusive"
    assert polylog.judge(2e-12, (1e-12, 3e-12), 0, 1e-13) == "not supported"
    assert polylog.judge(1e-14, (1e-15, 2e-13), 1, 1e-13) == "not supported"
    assert polylog.judge(float("nan"), (0, 0), 0, 1e-13) == "inconclusive"


def test_the_oracle_takes_the_best_order_of_each_trial():
    rows = [
        {"part": "schedule", "arm": "orders", "m": 2, "size": 1000, "seed": s, "order": k, "error": e}
        for s, k, e in [(0, 2, 1e-3), (0, 4, 1e-5), (1, 2, 1e-6), (1, 4, 1e-4)]
    ]
    best = polylog.on_schedule(pl.DataFrame(rows), "orders", 2)
    assert best["error"].to_list() == [1e-5, 1e-6] and best["order"].to_list() == [4, 2]


def test_the_best_order_of_errors_that_obey_the_theory():
    """Errors (k/e)^k d'^-k type with their minimum at k = 2 sqrt(d'): the fitted power is 1/2."""
    rows = [
        {
            "part": "range",
            "m": 2,
            "kept": kept,
            "seed": s,
            "order": k,
            "error": np.exp(0.02 * (k - 2 * kept**0.5) ** 2 - 20),
        }
        for kept in (16, 64, 256)
        for k in range(1, 50)
        for s in range(3)
    ]
    best = polylog.best_orders(pl.DataFrame(rows), 2, 1e-16, 100)
    assert best.value.tolist() == [8, 16, 32]
    assert best.slope(np.log(best.x))[0] == pytest.approx(0.5)


def test_rises_within_the_noise_are_not_counted():
    def table(levels, noise):
        rng = np.random.default_rng(0)
        return pl.DataFrame(
            [
                {"kept": 10 * (i + 1), "seed": s, "error": level * np.exp(noise * rng.standard_normal())}
                for i, level in enumerate(levels)
                for s in range(10)
            ]
        )

    for levels, noise, rises in (((1e-6, 1e-5, 1e-8), 0.1, 1), ((1e-6, 1.2e-6, 1e-8), 1.0, 0)):
        found = errors(table(levels, noise), "kept", 200, geometric)
        assert polylog.significant_rises(found, 1e-16) == rises


def test_the_course_of_the_error_is_said_for_every_dimension():
    ends = {1: (np.nan, np.nan), 2: (-0.2, 0.003), 3: (0.1, 0.6), 4: (-0.4, -0.1), 5: (0.2, 0.3)}
    said = polylog.course({f"decay_m{m}": {"interval": interval} for m, interval in ends.items()})
    expected = (
        "is rounding alone at m = 1, neither falls nor rises clearly at m = 2, falls at m = 3 and 5, rises at m = 4"
    )
    assert said == expected
