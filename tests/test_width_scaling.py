"""Width scaling: an exact law gives its exponents and verdict; the points asked for are those of the paper."""

import dataclasses

import numpy as np
import polars as pl
import pytest

from experiments import width_scaling, widths
from experiments.schema import ConfigError

SETTINGS = {"draws": 500, "exponent_ratio_range": [1.9, 2.1], "loss_ratio_limit": 1.1}


def synthetic(excess):
    """Rows of a law d^-0.3; compressed at exactly d' = 16 sqrt d loses the factor `excess(d)`."""
    generator, rows = np.random.default_rng(0), []
    for d in (256, 512, 1024, 2048, 4096, 8192):
        for seed in range(6):
            loss = d**-0.3 * np.exp(0.05 * seed + 0.002 * generator.standard_normal())
            noise = np.exp(0.002 * generator.standard_normal())
            arms = {"wide": (d, 1.0), "wide_again": (d, noise)}
            if d > 256:
                arms |= {arm: (16 * d**0.5, excess(d) * noise) for arm in ("compressed", "compressed_paper", "subset")}
            for arm, (kept, factor) in arms.items():
                rows.append({"arm": arm, "size": d, "kept": kept, "seed": seed, "test_loss": loss * factor})
    return pl.DataFrame(rows)


@pytest.mark.parametrize(
    "excess, ratio, verdict",
    [
        (lambda d: 1.02, 2.0, "supported"),
        (lambda d: 1.25, 2.0, "not supported"),
        (lambda d: 0.5 * d**0.1, 2 * (1 - 0.1 / 0.3), "not supported"),
    ],
)
def test_an_exact_law_gives_its_exponents(excess, ratio, verdict):
    analysis = widths.analyse(synthetic(excess), SETTINGS)
    numbers = {name: entry["value"] for name, entry in analysis.summary["numbers"].items()}
    assert analysis.summary["verdict"] == verdict
    assert numbers["exponent_wide"] == pytest.approx(0.3, abs=0.005)
    assert numbers["exponent_ratio_compressed"] == pytest.approx(ratio, abs=0.02)
    assert numbers["max_loss_ratio_compressed"] == pytest.approx(max(excess(512), excess(8192)), rel=0.01)
    assert np.isnan(numbers["exponent_polylog"])


def test_the_paper_preset_asks_for_the_published_widths(configured):
    config = configured(width_scaling, "preset=paper")
    asked = width_scaling.points(config)
    kept = {p.identity["size"]: p.identity["kept"] for p in asked if p.labels["arm"] == "compressed_paper"}
    assert kept == {512: 362, 1024: 512, 2048: 724, 4096: 1024, 8192: 1448, 16384: 2048}
    assert {p.identity["shuffle"] for p in asked if p.labels["arm"] == "wide_again"} == {True}
    assert len({p.identity["seed"] for p in asked}) == 10


def test_test_inputs_are_independent_of_training_inputs_for_every_seed():
    for seed in range(3):
        identity = {"seed": seed, "train_size": 100, "test_size": 100, "noise": 0.2}
        train, test = width_scaling.neurons.data(identity)
        assert not np.isin(train.inputs, test.inputs).any()
        np.testing.assert_allclose(np.std(test.labels), 0.116, atol=0.03)


@pytest.mark.parametrize(
    "changed", [{"order": 9}, {"sizes": []}, {"lr": float("nan")}, {"degree": 9}, {"square_degree": 6}, {"seeds": 0}]
)
def test_bad_settings_are_refused(changed, configured):
    config = configured(width_scaling, "preset=paper")
    with pytest.raises(ConfigError, match=f"{next(iter(changed))}=.*: accepted is"):
        dataclasses.replace(config, **changed)
