"""scaling.laws: exact curves, realistic noise, pairing, selection and every way of not working."""

import json

import numpy as np
import pytest
from scipy import stats

from scaling import laws

SIZES = 2.0 ** np.arange(8, 20)
EXACT = {
    "power": {"A": 3.0, "alpha": 0.6},
    "power_floor": {"A": 3.0, "alpha": 0.6, "L0": 0.004},
    "stretched": {"A": 2.0, "a": 0.012},
    "stretched_floor": {"A": 2.0, "a": 0.02, "L0": 0.01},
    "stretched_free": {"A": 5.0, "a": 0.5, "p": 0.2},
    "log_power": {"c": 12.0, "p": 2.3},
}


def curve(law, size=SIZES, dimension=2):
    p = EXACT[law]
    if law == "log_power":
        return p["c"] * np.log(size) ** p["p"]
    decay = size ** -p["alpha"] if "alpha" in p else np.exp(-p["a"] * size ** p.get("p", 1 / dimension))
    return p["A"] * decay + p.get("L0", 0)


@pytest.mark.parametrize("law", EXACT)
def test_exact_curves_are_recovered(law):
    fitted = laws.fit(law, SIZES, curve(law), dimension=2, draws=0)
    assert fitted.status == "ok", fitted
    for name, value in EXACT[law].items():
        assert fitted.parameters[name] == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(fitted.predict(SIZES), curve(law), rtol=1e-6)


def runs(law, seeds, size=SIZES, *, seed=0, shift=0.2, noise=0.2, dimension=2):
    """Losses (seeds, sizes) with a common shift of each seed and independent noise, as trained networks have them."""
    rng = np.random.default_rng(seed)
    logs = shift * rng.normal(size=(seeds, 1)) + noise * rng.normal(size=(seeds, len(size)))
    return curve(law, size, dimension) * np.exp(logs)


@pytest.mark.parametrize("law", EXACT)
def test_exact_runs_are_recovered_in_any_dimension_order_and_unit(law):
    shuffled = np.random.default_rng(0).permutation(SIZES)
    losses = 1e3 * curve(law, shuffled, dimension=3) * np.ones((4, 1))
    fitted = laws.fit(law, shuffled, losses, dimension=3, draws=20)
    truth = {name: value * (1e3 if name in ("A", "c", "L0") else 1) for name, value in EXACT[law].items()}
    assert fitted.status == "ok" and fitted.points == len(SIZES) and fitted.rss < 1e-14
    for name, value in truth.items():
        assert fitted.parameters[name] == pytest.approx(value, rel=1e-6)
        np.testing.assert_allclose(fitted.intervals[name], value, rtol=1e-6)


@pytest.mark.parametrize("law", EXACT)
def test_truth_lies_within_the_intervals_at_realistic_noise(law):
    inside = []
    for seed in range(30):
        fitted = laws.fit(law, SIZES, runs(law, 5, seed=seed), dimension=2, draws=200, seed=seed)
        assert fitted.draws.shape == (200, len(EXACT[law])) and 0.3 < fitted.scatter < 2.5
        inside += [low <= EXACT[law][name] <= high for name, (low, high) in fitted.intervals.items()]
    assert np.mean(inside) > 0.86


def test_interval_is_corrected_for_few_seeds():
    samples = np.random.default_rng(1).normal(size=(5, 3000))  # 3000 studies of 5 seeds each, true mean 0
    means = samples[laws.bootstrap_indices(5, 400, seed=3)].mean(axis=1)
    plain = np.quantile(means, [0.025, 0.975], axis=0)
    low, high = laws.interval(means, samples.mean(axis=0), 5)
    assert np.mean((plain[0] <= 0) & (plain[1] >= 0)) < 0.87
    assert 0.93 < np.mean((low <= 0) & (high >= 0)) < 0.97
    ratio = laws.interval(np.exp(means[:, 0]), np.exp(samples[:, 0].mean()), 5, log=True)
    np.testing.assert_allclose(np.log(ratio), (low[0], high[0]))
    assert laws.interval(means[:, 0], samples[:, 0].mean(), 5, bounds=(-0.01, 0.01)) == (-0.01, 0.01)


def test_interval_says_nan_where_it_cannot_know():
    draws = np.random.default_rng(0).normal(size=(100, 2))
    draws[:20, 1] = np.inf
    low, high = laws.interval(draws, np.zeros(2), 5)
    assert np.isfinite([low[0], high[0]]).all() and np.isnan([low[1], high[1]]).all()
    assert np.isnan(laws.interval(draws[:, 0], 0.0, 1)).all()
    assert np.isnan(laws.interval(draws[:5, 0], 0.0, 5)).all()


def test_fits_of_the_same_seeds_are_paired():
    np.testing.assert_array_equal(laws.bootstrap_indices(7, 50, 2), laws.bootstrap_indices(7, 80, 2)[:50])
    assert not np.array_equal(laws.bootstrap_indices(7, 50, 2), laws.bootstrap_indices(7, 50, 3))
    losses = runs("power", 8)
    compressed, smaller = losses * np.exp(0.01 * np.random.default_rng(9).normal(size=losses.shape)), 16 * SIZES**0.5
    full, half = laws.fit("power", SIZES, losses), laws.fit("power", smaller, compressed)
    estimate = half.parameters["alpha"] / full.parameters["alpha"]
    low, high = laws.interval(half.column("alpha") / full.column("alpha"), estimate, 8)
    assert low <= 2 <= high and high - low < 0.03
    paired = half.column("alpha") / full.column("alpha")
    unpaired = laws.fit("power", smaller, compressed, seed=1).column("alpha") / full.column("alpha")
    assert np.std(unpaired) > 5 * np.std(paired)


def test_common_shifts_of_a_seed_do_not_touch_the_shape():
    losses = runs("stretched_free", 6, shift=0)
    shifted = losses * np.exp(np.random.default_rng(3).normal(size=(6, 1)))
    one, two = (laws.fit("stretched_free", SIZES, table, draws=50) for table in (losses, shifted))
    assert one.parameters["p"] == pytest.approx(two.parameters["p"], rel=1e-4)
    assert one.aicc == pytest.approx(two.aicc, abs=1e-4)
    np.testing.assert_allclose(one.column("p"), two.column("p"), rtol=1e-3)


def test_missing_runs_are_left_out_without_bias():
    losses = runs("power", 6, shift=0.5, noise=0.02)
    losses[np.arange(6), 0] *= np.nan  # the smallest size is missing altogether
    low_seeds = np.argsort(losses[:, 5])[:3]
    losses[low_seeds, -4:] = np.nan  # and the luckiest seeds at the largest sizes
    fitted = laws.fit("power", SIZES, losses)
    assert fitted.status == "ok" and fitted.points == len(SIZES) - 1 and fitted.sizes == (SIZES[1], SIZES[-1])
    low, high = fitted.intervals["alpha"]
    assert low <= 0.6 <= high and high - low < 0.05
    again = laws.fit("power", SIZES, np.vstack([losses, np.full((1, 12), np.nan)]), draws=0)
    assert again.seeds == 6 and again.parameters["alpha"] == pytest.approx(fitted.parameters["alpha"], rel=1e-6)


def test_one_bad_size_does_not_drag_the_law_along():
    losses = runs("power", 10, noise=0.05)
    losses[:, -1] *= 8
    plain = -np.polyfit(np.log(SIZES), np.log(losses).mean(axis=0), 1)[0]
    robust = laws.fit("power", SIZES, losses, draws=0).parameters["alpha"]
    assert abs(robust - 0.6) < 0.4 * abs(plain - 0.6)


def test_means_with_errors_agree_with_weighted_least_squares():
    rng = np.random.default_rng(0)
    relative = np.linspace(0.05, 0.3, 12)
    loss = curve("power") * np.exp(relative * rng.normal(size=12) / 3)
    fitted = laws.fit("power", SIZES, loss, error=relative * loss, draws=4000)
    design = np.stack([np.ones(12), -np.log(SIZES)], axis=1) / relative[:, None]
    spread = np.sqrt(np.linalg.inv(design.T @ design)[1, 1])
    low, high = fitted.intervals["alpha"]
    assert (high - low) / (2 * 1.96 * spread) == pytest.approx(1.05, abs=0.08)
    bare = laws.fit("power", SIZES, loss)  # no errors: the scatter stands in
    assert np.isnan(bare.scatter) and bare.intervals["alpha"][0] < 0.6 < bare.intervals["alpha"][1]


def test_aicc_is_the_likelihood_the_docstring_states():
    loss = curve("power") * np.exp(0.05 * np.random.default_rng(0).normal(size=12))
    fitted = laws.fit("power", SIZES, loss, error=0.1 * loss, draws=0)
    residual = np.log(loss / fitted.predict(SIZES)) / 0.1  # below the given errors, so that sigma is 1
    deviance = -2 * np.sum(stats.t.logpdf(residual, 8) - np.log(0.1))
    assert fitted.aicc == pytest.approx(deviance + 2 * 3 + 2 * 3 * 4 / (12 - 3 - 1), abs=1e-6)
    assert fitted.scatter == pytest.approx(np.sqrt(np.sum(residual**2) / 10))


@pytest.mark.parametrize("law", ["power", "stretched"])
def test_selection_finds_the_law_in_both_directions(law):
    size = SIZES if law == "power" else np.floor(12 * np.log(SIZES) ** 2)
    truth = curve(law, SIZES) if law == "power" else 30 * np.exp(-0.15 * size**0.5)
    verdicts = []
    for seed in range(6):
        noise = runs("power", 10, seed=seed) / curve("power")
        chosen = laws.compare(size, truth * noise, dimension=2, draws=0)
        verdicts.append(chosen.best.law)
        rival = {"power": "stretched", "stretched": "power"}[law]
        assert chosen.delta_aicc[rival] > 8 and chosen.heldout[rival] > 2 * chosen.heldout[law]
    assert verdicts.count(law) >= 5
    clear = laws.compare(size, truth * noise, dimension=2, laws=["power", "stretched"], draws=0)
    assert clear.conclusive and clear.best is clear.fits[law] is clear.heldout_best and law in clear.verdict


def test_comparison_whose_answers_differ_is_inconclusive():
    loss = curve("power")
    loss[-4:] = loss[-5]  # a floor that only the held-out sizes show
    odd = laws.compare(SIZES, loss, error=0.05 * loss, laws=["power", "power_floor"], draws=0)
    assert (odd.best.law, odd.heldout_best.law, odd.conclusive) == ("power_floor", "power", False)
    assert odd.verdict == "inconclusive: power_floor has the least AICc, power predicts the largest sizes best"
    near = laws.compare(SIZES[:7], runs("power", 3, SIZES[:7], noise=1.0), dimension=2, draws=0)
    assert not near.conclusive


def test_every_failure_is_a_status_with_advice():
    losses = runs("power", 5)
    for law in EXACT:
        short = laws.fit(law, SIZES[:1], losses[:, :1], dimension=2)
        assert short.status == "too few sizes" and "measure more" in short.advice and np.isnan(short.predict(512.0))
        broken = laws.fit(law, SIZES, np.where(SIZES == 512, 0.0, losses), dimension=2)
        assert broken.status == "not finite" and np.isnan(list(broken.parameters.values())).all()
        assert laws.fit(law, SIZES, np.full((3, 12), np.nan), dimension=2).status == "not finite"
    few = laws.fit("power", SIZES[:4], losses[:, :4])
    assert few.status == "too few sizes" and np.isnan(few.aicc) and np.isfinite(few.parameters["alpha"])
    assert laws.fit("power_floor", SIZES, losses).status == "floor not identified"
    assert laws.fit("stretched_free", SIZES, losses).status == "power law not excluded"
    assert laws.fit("stretched_free", SIZES, np.exp(-((SIZES / 3e5) ** 5))).status == "exponent at its bound"
    assert laws.fit("power", SIZES, 1 / losses).status == "wrong direction"
    assert laws.fit("log_power", SIZES, losses).status == "wrong direction"
    nothing = laws.compare(SIZES[:2], losses[:, :2], dimension=2)
    assert not nothing.conclusive and "too few sizes" in nothing.verdict
    assert not laws.compare(SIZES, -losses, dimension=2).conclusive
    rising = laws.compare(SIZES, 1 / losses, dimension=2, laws=["power", "stretched"])
    assert not rising.conclusive and "wrong direction" in rising.verdict


def test_odd_data_never_raise():
    rng = np.random.default_rng(0)
    for trial in range(25):
        count, seeds = rng.integers(1, 13), rng.integers(1, 5)
        size = np.sort(10 ** rng.uniform(0.1, rng.choice([0.5, 2, 8]), count))
        base = [np.ones(count), size**0.7, 1e-290 * size**-0.3, rng.random(count) + 0.01, 10 ** rng.normal(0, 5, count)]
        losses = base[trial % 5] * np.exp(rng.choice([0, 2]) * rng.normal(size=(seeds, count)))
        losses[rng.random(losses.shape) < rng.choice([0, 0.5])] = np.nan
        outcome = laws.compare(size, losses, dimension=1, laws=tuple(EXACT), draws=30)
        assert all(fitted.status for fitted in outcome.fits.values()) and outcome.verdict


@pytest.mark.parametrize(
    "change, words",
    [
        (
            {"law": "quadratic"},
            "law='quadratic': power, power_floor, stretched, .*, log_power are",
        ),
        ({"law": ["power"]}, "law="),
        ({"law": "stretched"}, "dimension=None: stretched needs"),
        ({"dimension": 0}, "dimension=0"),
        ({"dimension": "two"}, "dimension='two'"),
        ({"size": [4, -8, 16]}, "size=-8: finite numbers above 0"),
        ({"size": [4, np.nan, 16]}, "size=nan"),
        ({"size": [1, 2, 3], "law": "log_power"}, "size=1: finite numbers above 1"),
        ({"size": []}, r"size has shape \(0,\)"),
        ({"size": [4, 8]}, r"loss has shape \(3,\)"),
        ({"loss": [[[1.0]]]}, r"loss has shape \(1, 1, 1\)"),
        ({"loss": ["a", "b", "c"]}, "loss of type list"),
        ({"error": [1.0, 1.0]}, r"error has shape \(2,\)"),
        ({"error": [1.0, 0.0, 1.0]}, "error=0"),
        ({"loss": np.ones((2, 3)), "error": np.ones((2, 3))}, "error belongs to loss of one axis"),
        ({"draws": -1}, "draws=-1"),
        ({"draws": 2.5}, "draws=2.5"),
        ({"seed": "now"}, "seed='now'"),
    ],
)
def test_wrong_arguments_are_named(change, words):
    arguments = {"law": "power", "size": [4, 8, 16], "loss": [3.0, 2.0, 1.0]} | change
    with pytest.raises(ValueError, match=words):
        laws.fit(**arguments)


def test_wrong_arguments_of_the_other_functions_are_named():
    with pytest.raises(ValueError, match="laws='power'"):
        laws.compare(SIZES, curve("power"), laws="power")
    with pytest.raises(ValueError, match="dimension=None"):
        laws.compare(SIZES, curve("power"))
    with pytest.raises(ValueError, match="seeds=0"):
        laws.bootstrap_indices(0)
    with pytest.raises(ValueError, match="level=95"):
        laws.interval(np.zeros(30), 0.0, 5, level=95)
    with pytest.raises(ValueError, match="draws has shape"):
        laws.interval(np.zeros((30, 2)), 0.0, 5)
    with pytest.raises(ValueError, match="seeds=0"):
        laws.interval(np.zeros(30), 0.0, 0)
    with pytest.raises(ValueError, match="name='beta': A, alpha"):
        laws.fit("power", SIZES, curve("power"), draws=0).column("beta")


def test_results_survive_json_and_print_as_tables(tmp_path):
    result = laws.compare(SIZES, runs("power", 4), dimension=2, draws=50)
    result.save(tmp_path / "fits.json")
    text = (tmp_path / "fits.json").read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert laws.Comparison.from_json(text) == result and [p.name for p in tmp_path.iterdir()] == ["fits.json"]
    for fitted in result.fits.values():
        back = laws.Fit.from_json(fitted.to_json())
        assert back == fitted and back.draws.shape == (0, len(fitted.parameters))
        np.testing.assert_array_equal(back.predict(SIZES), fitted.predict(SIZES))
        assert all(word in str(fitted) for word in [fitted.law, *fitted.parameters, "AICc", fitted.status])
        assert fitted.law in str(result)
    failed = laws.fit("power", SIZES[:1], curve("power")[:1])
    assert laws.Fit.from_json(failed.to_json()).status == "too few sizes"
