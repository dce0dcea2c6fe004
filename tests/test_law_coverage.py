"""experiments.law_coverage: counts repeat, and the verdict follows from the rows."""

import numpy as np
import polars as pl
import pytest

from experiments import law_coverage

IDENTITY = {
    "studies": 4, "draws": 100, "first_power": 8, "last_power": 19, "shift": 0.2, "noise": 0.22,
    "errors": "gaussian", "seeds": 5, "quantity": "power alpha", "seed": 0,
}  # fmt: skip


@pytest.mark.parametrize("quantity", law_coverage.QUANTITIES)
@pytest.mark.parametrize("errors", law_coverage.ERRORS)
def test_a_point_is_determined_by_its_identity(quantity, errors):
    identity, ticks = IDENTITY | {"quantity": quantity, "errors": errors}, []
    first, second = law_coverage.measure([identity, identity], ticks.append)
    assert first == second and 0 <= first["plain"] <= 4 and 0 <= first["corrected"] <= 4
    assert sum(ticks) == pytest.approx(2 * law_coverage.work(identity))


@pytest.mark.parametrize("share, verdict", [(0.95, "supported"), (0.8, "not supported"), (0.93, "inconclusive")])
def test_the_verdict_follows_from_the_counts(share, verdict):
    rows = pl.DataFrame(
        [
            {"errors": "gaussian", "seeds": seeds, "quantity": "power alpha", "studies": 1000, "seed": 0,
             "corrected": int(1000 * share), "plain": 800, "not_ok": 0}
            for seeds in (5, 10)
        ]
    )  # fmt: skip
    found = law_coverage.analyse(rows, {"coverage_range": [0.92, 0.98]})
    assert found.summary["verdict"] == verdict and f"{share:.1%}" in found.sentence
    entry = found.summary["numbers"]["coverage_gaussian_5_seeds"]
    assert entry["value"] == pytest.approx(share) and entry["interval"][0] < share < entry["interval"][1]
    assert len(law_coverage.draw(rows, found.fits, found.summary).axes) == 1


def test_errors_are_what_they_are_called():
    size, rng = 2.0 ** np.arange(8, 20), np.random.default_rng(0)
    many = IDENTITY | {"seeds": 4000}
    plain = law_coverage.scatter(many, size, rng)
    assert plain.std() == pytest.approx(np.hypot(0.2, 0.22), rel=0.05)
    assert np.std(plain - plain.mean(axis=1, keepdims=True)) == pytest.approx(0.22 * np.sqrt(11 / 12), rel=0.05)
    missing = law_coverage.scatter(many | {"errors": "missing"}, size, rng)
    assert np.isnan(missing).mean() == pytest.approx(0.2, abs=0.02)
    slopes = law_coverage.scatter(many | {"errors": "slopes"}, size, rng)
    assert np.std(slopes[:, -1]) > 1.1 * np.std(plain[:, -1])
