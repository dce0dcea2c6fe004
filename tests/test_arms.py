"""Rows as curves, ratios, envelopes and excesses: exact on synthetic rows with known answers."""

import math

import numpy as np
import polars as pl
import pytest

from experiments import arms, dataset_scaling, deficit, stretched_exponential
from experiments.envelope import crossing, decay, envelope, excess, family_of, growth, least_sufficient
from experiments.run import judged, number

SIZES = [2**i for i in range(9, 18)]
GRID = [2 ** (i / 2) for i in range(-6, 3)]
SEEDS = 6


def synthetic(ratio, m=2, factor=12, noise=0.0):
    """Rows of one family: full data lose a seed's factor times d^-0.7, coresets ratio(d, d') times that."""
    generator = np.random.default_rng(0)
    rows = []
    for seed in range(SEEDS):
        level = np.exp(0.3 * generator.normal())
        for d in SIZES:
            loss = level * d**-0.7
            arms_here = [("full", 1.0, d, loss)]
            for g in GRID:
                kept = round(g * factor * math.log(d) ** m)
                jitter = np.exp(noise * generator.normal())
                arms_here.append(("squared_loss", g, kept, loss * ratio(d, kept) * jitter))
            for arm, g, kept, value in arms_here:
                row = {"family": "x", "arm": arm, "grid": g, "size": d, "kept": kept, "seed": seed, "inputs": m}
                rows.append(row | {"test_loss": value, "best_test_loss": value})
            rows.append(rows[-1] | {"arm": "subset", "grid": 1.0, "best_test_loss": 2 * loss})
    return pl.DataFrame(rows)


def test_a_curve_is_sorted_and_a_ratio_is_paired_by_seed():
    rows = synthetic(lambda d, kept: 1.3).sample(fraction=1, shuffle=True, seed=1)
    full = arms.curve(rows, "full")
    assert full.losses.shape == (SEEDS, len(SIZES)) and full.size.tolist() == SIZES
    half = arms.curve(rows.filter(pl.col("grid") == 0.5), "squared_loss")
    found = arms.ratio(half, full, 200)
    np.testing.assert_allclose(found.value, 1.3)
    np.testing.assert_allclose([found.low, found.high], 1.3)  # the seeds' own levels cancel
    assert found.maximum()[0] == pytest.approx(1.3) and found.slope()[0] == pytest.approx(0, abs=1e-12)
    assert arms.curve(rows, "nothing") is None


def test_the_slope_of_a_growing_ratio():
    rows = synthetic(lambda d, kept: d**0.05)
    found = arms.ratio(arms.curve(rows.filter(pl.col("grid") == 1.0), "squared_loss"), arms.curve(rows, "full"), 200)
    assert found.slope()[0] == pytest.approx(0.05)
    assert found.largest_size()[0] == pytest.approx(SIZES[-1] ** 0.05)


def test_shared_bumps_cancel_from_the_exponent_ratio():
    rows = synthetic(lambda d, kept: 1.0)
    bump = pl.col("size").map_elements(lambda d: 2.0 if d == 2048 else 1.0, return_dtype=pl.Float64)
    rows = rows.with_columns(pl.col("test_loss") * bump)
    full = arms.curve(rows, "full")
    halved = full._replace(kept=16 * full.size**0.5)
    value, (low, high) = arms.exponent_ratio(halved, full, 200)
    assert value == pytest.approx(2) and low == pytest.approx(2) and high == pytest.approx(2)
    growing = halved._replace(losses=full.losses * full.size**0.07)  # the deficit is 2 s / alpha
    slope = np.polyfit(np.log(full.size), np.log(full.losses).mean(axis=0), 1)[0]
    assert arms.exponent_ratio(growing, full, 200)[0] == pytest.approx(2 * (1 + 0.07 / slope))


@pytest.mark.parametrize(
    "ratios, expected",
    [
        ([4, 2, 1.05, 1.01], 400),
        ([4, 2, 1.10, 1.025], 400 * 2**0.5),
        ([1.2, 1.0, 1.2, 1.0], 400 * 2 ** (math.log(4) / math.log(40))),
        ([1.0, 1.0, 1.0, 1.0], math.nan),
        ([2.0, 2.0, 2.0, 1.06], math.nan),
    ],
)
def test_crossing_is_the_last_one(ratios, expected):
    kept = np.array([100.0, 200.0, 400.0, 800.0])
    assert crossing(kept, np.array(ratios), 1.05) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("needs, power", [(lambda d: 4 * np.log(d) ** 2, "log"), (lambda d: 3 * d**0.45, "power")])
def test_the_envelope_tells_log_squared_from_a_power(needs, power):
    rows = synthetic(lambda d, kept: 1 + 0.05 * (kept / needs(d)) ** -3, noise=0.002)
    found = envelope(family_of(rows, "x", 300), tolerance=0.05)
    assert len(found.size) >= 5
    np.testing.assert_allclose(found.kept, needs(found.size), rtol=0.05)
    assert np.all((found.low < found.kept) & (found.kept < found.high))
    by_logarithm, by_power = growth(found, 300)
    if power == "log":
        assert by_logarithm.parameters["p"] == pytest.approx(2, abs=0.15)
        assert by_logarithm.aicc < by_power.aicc - 2
    else:
        assert by_power.parameters["alpha"] == pytest.approx(0.45, abs=0.03)
        assert by_power.aicc < by_logarithm.aicc - 2


def test_an_envelope_that_the_grid_does_not_bracket_is_left_out():
    assert len(envelope(family_of(synthetic(lambda d, kept: 1.01), "x", 100), 0.05).size) == 0
    assert len(envelope(family_of(synthetic(lambda d, kept: 1.5), "x", 100), 0.05).size) == 0
    assert growth(envelope(family_of(synthetic(lambda d, kept: 1.5), "x", 100), 0.05), 100) is None


def test_the_least_sufficient_size_is_the_first_that_stays_below_the_limit():
    family = family_of(synthetic(lambda d, kept: 1 + 0.05 * (kept / 300) ** -3, noise=0.002), "x", 300)
    measured = sorted(c.kept[-1] for c, _ in family.grid["squared_loss"].values())
    kept, value, (low, high) = least_sufficient(family, SIZES[-1], 0.05, "squared_loss")
    assert kept == min(k for k in measured if k > 300) and low <= value <= high < 1.06
    nowhere = family_of(synthetic(lambda d, kept: 1.5), "x", 100)
    assert least_sufficient(nowhere, SIZES[-1], 0.05, "squared_loss") is None


def test_the_excess_tells_an_exponential_from_a_power():
    for excess_of, law in ((lambda k: 20 * np.exp(-0.15 * k**0.5), "stretched"), (lambda k: 900 * k**-1.5, "power")):
        family = family_of(synthetic(lambda d, kept, e=excess_of: 1 + e(kept), noise=0.003), "x", 300)
        kept, value, error = excess(family, SIZES[-1])
        np.testing.assert_allclose(value, excess_of(kept), atol=5 * error.max())
        found = decay(family, 300)
        assert found[max(found)].best.law == law


def test_of_one_seed_no_excess_is_clear_of_zero():
    family = family_of(synthetic(lambda d, kept: 2.0).filter(pl.col("seed") == 0), "x", 100)
    assert len(excess(family, SIZES[-1])[0]) == 0 and decay(family, 100) == {}


def test_the_best_checkpoint_of_a_subset_is_an_arm_of_its_own():
    family = family_of(synthetic(lambda d, kept: 1.0), "x", 100)
    assert np.all(family.curves["subset_best"].losses > family.curves["subset"].losses)


SETTINGS = {"ratio_limit": 1.1, "margin": 2}


@pytest.mark.parametrize(
    "worst, lead, p, verdict",
    [
        ((1.01, 1.05), 5, (1.8, 2.2), "supported"),
        ((1.2, 1.3), 5, (1.8, 2.2), "not supported"),
        ((1.01, 1.05), -5, (1.8, 2.2), "not supported"),
        ((1.01, 1.05), 5, (2.5, 3.0), "inconclusive"),
        ((1.05, 1.2), 5, (1.8, 2.2), "inconclusive"),
        ((1.01, 1.05), math.nan, (math.nan, math.nan), "inconclusive"),
    ],
)
def test_verdict_on_a_stretched_exponential(worst, lead, p, verdict):
    numbers = {
        "max_loss_ratio": number(worst[0], worst),
        "envelope_p": number(p[0], p),
        "envelope_log_vs_power_delta_aicc": number(lead),
    }
    fits = {"excess": {"1024": {"fits": {"power": {"aicc": 20.0}, "stretched": {"aicc": 10.0}}}}}
    assert stretched_exponential.judge(2, numbers, fits, SETTINGS) == verdict
    fits["excess"]["4096"] = {"fits": {"power": {"aicc": 10.0}, "stretched": {"aicc": 20.0}}}
    assert stretched_exponential.judge(2, numbers, fits, SETTINGS) == "not supported"


@pytest.mark.parametrize(
    "exponent, worst, verdict",
    [
        ((1.95, 2.05), (1.0, 1.1), "supported"),
        ((1.85, 2.05), (1.0, 1.1), "inconclusive"),
        ((1.70, 1.80), (1.0, 1.1), "not supported"),
        ((1.95, 2.05), (1.2, 1.3), "not supported"),
        ((math.nan, math.nan), (1.0, 1.1), "inconclusive"),
    ],
)
def test_verdict_of_the_main_job(exponent, worst, verdict):
    numbers = {
        "exponent_ratio_squared_loss": number(2, exponent),
        "max_loss_ratio_squared_loss": number(1, worst),
    }
    settings = {"exponent_ratio_range": [1.9, 2.1], "loss_ratio_limit": 1.15}
    assert dataset_scaling.judge(numbers, settings) == verdict


def test_one_interval_wholly_beyond_its_limits_decides():
    inside, across, beyond = ((1.0, 2.0), 1, 2), ((0.5, 1.5), 1, math.inf), ((1.0, 2.0), 0, 0.9)
    assert judged([inside, ((1.0, 9.0), 1, math.inf)]) == "supported"
    assert judged([inside, across]) == judged([((math.nan, math.nan), 0, 1)]) == judged([]) == "inconclusive"
    assert judged([across, beyond]) == "not supported"


def test_verdict_on_the_deficit():
    def numbers(paper, ours):
        return {"a_paper_exponent_ratio": number(0, paper), "a_squared_loss_exponent_ratio": number(0, ours)}

    assert deficit.judge(numbers((1.8, 1.9), (1.97, 2.02)), ["a"]) == "supported"
    assert deficit.judge(numbers((1.8, 2.01), (1.97, 2.02)), ["a"]) == "inconclusive"
    assert deficit.judge(numbers((1.96, 2.01), (1.97, 2.02)), ["a"]) == "not supported"
    assert deficit.judge(numbers((1.8, 1.9), (1.9, 1.95)), ["a"]) == "not supported"
