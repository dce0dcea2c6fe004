"""Tracking: rows with known losses give known epochs, ratios and rank correlations."""

import numpy as np
import polars as pl
import pytest

from experiments import tracking


def rows(curves, errors):
    """Rows of width 8 and four seeds: `full` at loss 1, and coresets d' -> loss along the way."""
    made = []
    for seed in range(4):
        shift = 1 + 0.1 * seed  # shared by the arms of a seed: pairing takes it out
        cases = [("full", 1000, "full", np.ones(4), 0.0)]
        cases += [("coreset", kept, "coreset", np.array(curve), errors[kept]) for kept, curve in curves.items()]
        for arm, kept, method, curve, error in cases:
            made.append(
                {
                    "arm": arm, "method": method, "width": 8, "kept": kept, "seed": seed, "steps_per_epoch": 10,
                    "at_steps": "0 100 200 300", "test_losses": " ".join(f"{x:.8f}" for x in curve * shift),
                    "test_loss": curve[-1] * shift, "estimated_error": error,
                }
            )  # fmt: skip
    return pl.DataFrame(made)


CURVES = {10: [1.0, 1.5, 2.0, 4.0], 20: [1.0, 1.3, 1.15, 1.3], 40: [1.0, 1.0, 1.0, 1.01]}


def test_a_coreset_tracks_until_it_exceeds_the_limit_for_good():
    table = rows(CURVES, {10: 1e-1, 20: 1e-2, 40: 1e-3})
    assert [tracking.tracked(table, "coreset", 8, kept, 1.2) for kept in CURVES] == [0, 20, 30]


def test_ratios_are_paired_by_seed():
    value, (low, high) = tracking.final_ratio(rows(CURVES, dict.fromkeys(CURVES, 1.0)), "coreset", 8, 10, 200)
    assert value == pytest.approx(4) and low == pytest.approx(4) and high == pytest.approx(4)


@pytest.mark.parametrize("errors, sign", [({10: 3.0, 20: 2.0, 40: 1.0}, 1), ({10: 1.0, 20: 2.0, 40: 3.0}, -1)])
def test_rank_correlation_sees_the_order_alone(errors, sign):
    value, (low, high) = tracking.correlation(rows(CURVES, errors), 200)
    assert value == pytest.approx(sign, abs=1e-12) and low <= value <= high
