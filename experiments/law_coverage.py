"""Do the intervals of scaling.laws contain the truth as often as they say? Synthetic studies with known answers.

A study is a table of losses (seeds, sizes): an exact law times the noise of training runs. Its 95 % intervals are held
against the truth twice: as scaling.laws makes them, and as plain percentiles of the same bootstrap draws. Errors are
    gaussian   a common shift of each seed and independent noise at each size
    heavy      the same with Student-t noise of 3 degrees of freedom: now and then a run goes wrong
    slopes     each seed has its own exponent as well
    missing    one run in five is missing
"""

import math
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from rich.table import Table

from experiments.launch import launch
from experiments.run import Analysis, Point, judged, number
from experiments.schema import Experiment, require, require_distinct, require_positive, require_whole
from scaling import figures, laws
from scaling.figures import BLACK, BLUE, RED, Look

__all__ = ["Config", "analyse", "draw", "label", "measure", "points", "work"]

REVISION = 1  # raised whenever a change of scaling.laws may change what a point measures
LEVEL = 0.95
SLOPE = 0.05  # standard deviation of a seed's own exponent
APART = 0.1  # standard deviation of the log ratio of two arms of one seed


COLUMNS = {
    "revision": "of the code that measures",
    "studies": "synthetic studies in this point",
    "draws": "bootstrap draws of each fit",
    "first_power": "smallest size 2^first_power",
    "last_power": "largest size 2^last_power",
    "shift": "standard deviation of a seed's common shift of log loss",
    "noise": "standard deviation of the independent noise of log loss",
    "errors": "kind of errors",
    "seeds": "seeds in a study",
    "quantity": "law and parameter, or ratio, whose interval is tested",
    "seed": "block of studies",
    "corrected": "studies whose interval of scaling.laws holds the truth",
    "plain": "studies whose plain percentile interval holds it",
    "not_ok": "studies whose fit had a status other than ok",
}
ERRORS = {  # kind: title
    "gaussian": "Gaussian errors",
    "heavy": "heavy-tailed errors",
    "slopes": "an exponent of each seed's own",
    "missing": "one run in five missing",
}
LAWS = {  # law: its value at n, what is true
    "power": (lambda n: 3 * n**-0.6, {"alpha": 0.6}),
    "power_floor": (lambda n: 3 * n**-0.6 + 3e-3, {"alpha": 0.6, "L0": 3e-3}),
    "stretched": (lambda n: 2 * np.exp(-0.012 * n**0.5), {"a": 0.012}),
    "stretched_floor": (lambda n: 2 * np.exp(-0.02 * n**0.5) + 0.01, {"a": 0.02, "L0": 0.01}),
    "stretched_free": (lambda n: 5 * np.exp(-0.5 * n**0.2), {"p": 0.2}),
    "log_power": (lambda n: 12 * np.log(n) ** 2, {"p": 2.0}),
}
RATIOS = {"exponent_ratio": 2.0, "loss_ratio": 1.0}  # of two arms paired by seed, trained on d and d' = 16 sqrt d
QUANTITIES = tuple(f"{law} {name}" for law, (_, truth) in LAWS.items() for name in truth) + tuple(RATIOS)


@dataclass(slots=True)
class Config(Experiment):
    """Settings of the coverage study."""

    seed_counts: list[int]  # seeds in a study
    errors: list[str]  # of ERRORS
    studies: int  # in one measured point
    blocks: int  # measured points of each kind
    first_block: int
    draws: int  # of each bootstrap
    first_power: int  # sizes 2^first_power..2^last_power
    last_power: int
    shift: float  # standard deviation of a seed's common shift of log loss
    noise: float  # standard deviation of the independent noise of log loss
    coverage_range: list[float]

    def __post_init__(self) -> None:
        Experiment.__post_init__(self)
        require_distinct(self, "a list of at least one, without repetition", "seed_counts", "errors")
        require(set(self.errors) <= set(ERRORS), "errors", self.errors, f"a list from {', '.join(ERRORS)}")
        require(min(self.seed_counts) >= 2, "seed_counts", self.seed_counts, "whole numbers from 2")
        require_whole(self, 1, "studies", "blocks")
        require_whole(self, 0, "first_block")
        require_whole(self, 100, "draws")
        require_whole(self, 1, "first_power")
        reason = f"a whole number from first_power + 6 = {self.first_power + 6} to 40"
        require(self.first_power + 6 <= self.last_power <= 40, "last_power", self.last_power, reason)
        require_positive(self, "shift", "noise")
        low, high = self.coverage_range if len(self.coverage_range) == 2 else (1, 0)
        require(0 < low < high <= 1, "coverage_range", self.coverage_range, "[low,high] with 0 < low < high <= 1")


def points(config: Config) -> list[Point]:
    """A point for every kind of errors, number of seeds, law or ratio, and block of studies."""
    common = {key: getattr(config, key) for key in ("studies", "draws", "first_power", "last_power", "shift", "noise")}
    return [
        Point({}, {"revision": REVISION, **common, "errors": e, "seeds": s, "quantity": name, "seed": block})
        for e in config.errors
        for s in config.seed_counts
        for name in QUANTITIES
        for block in range(config.first_block, config.first_block + config.blocks)
    ]


def label(identity: dict[str, Any]) -> str:
    """A point in a few words, for progress lines."""
    return f"{identity['quantity']}, {identity['errors']} errors, {identity['seeds']} seeds, block {identity['seed']}"


def work(identity: dict[str, Any]) -> float:
    """Relative cost of a point: its bootstrap draws."""
    return identity["studies"] * identity["draws"] * (2 if identity["quantity"] == "exponent_ratio" else 1)


def measure(identities: list[dict[str, Any]], tick) -> list[dict[str, Any]]:
    """How many of a point's intervals contain the truth, corrected and plain, and how many fits were not ok."""
    return [count(identity, tick) for identity in identities]


def count(identity: dict[str, Any], tick) -> dict[str, int]:
    """The studies of one point."""
    kind = zlib.crc32(f"{identity['quantity']} {identity['errors']}".encode())
    rng = np.random.default_rng([identity["seed"], identity["seeds"], kind])
    size = 2.0 ** np.arange(identity["first_power"], identity["last_power"] + 1)
    counts = {"corrected": 0, "plain": 0, "not_ok": 0}
    for study in range(identity["studies"]):
        noise = np.exp(scatter(identity, size, rng))
        truth, interval, draws, ok = examine(identity, size, noise, rng, study)
        low, high = np.nanquantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        counts["corrected"] += bool(interval[0] <= truth <= interval[1])
        counts["plain"] += bool(low <= truth <= high)
        counts["not_ok"] += not ok
        tick(work(identity) / identity["studies"])
    return counts


def scatter(identity: dict[str, Any], size: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Errors of log loss (seeds, sizes); nan where a run is missing."""
    shape = (identity["seeds"], len(size))
    heavy = identity["errors"] == "heavy"
    noise = rng.standard_t(3, shape) / math.sqrt(3) if heavy else rng.standard_normal(shape)
    logs = identity["shift"] * rng.standard_normal((shape[0], 1)) + identity["noise"] * noise
    if identity["errors"] == "slopes":
        logs += SLOPE * rng.standard_normal((shape[0], 1)) * (np.log(size) - np.log(size).mean())
    if identity["errors"] == "missing":
        logs[rng.random(shape) < 0.2] = np.nan
    return logs


def examine(identity, size, noise, rng, study) -> tuple[float, tuple[float, float], np.ndarray, bool]:
    """One study: the truth, the interval of scaling.laws, the bootstrap draws (B,) and whether all fits were ok."""
    draws, quantity = identity["draws"], identity["quantity"]
    if quantity not in RATIOS:
        law, name = quantity.split()
        value, truth = LAWS[law]
        fit = laws.fit(law, size, value(size) * noise, dimension=2, draws=draws, seed=study)
        return truth[name], fit.intervals[name], fit.column(name), fit.status == "ok"
    other = noise * np.exp(APART * rng.standard_normal(noise.shape))
    if quantity == "loss_ratio":
        logs = np.log(other / noise)[:, -1]
        logs = logs[np.isfinite(logs)]
        sample = np.exp(logs[laws.bootstrap_indices(len(logs), draws, study)].mean(axis=1))
        return 1.0, laws.interval(sample, np.exp(logs.mean()), len(logs), log=True), sample, True
    full, half = (
        laws.fit("power", n, size**-0.6 * losses, draws=draws, seed=study)
        for n, losses in ((size, noise), (16 * size**0.5, other))
    )
    sample = half.column("alpha") / full.column("alpha")
    value = half.parameters["alpha"] / full.parameters["alpha"]
    return 2.0, laws.interval(sample, value, full.seeds, log=True), sample, full.status == half.status == "ok"


def analyse(rows: pl.DataFrame, settings: dict[str, Any]) -> Analysis:
    """Coverage of every quantity, and pooled over quantities for each kind of errors and number of seeds."""
    single, pooled = coverage(rows, ["errors", "seeds", "quantity"]), coverage(rows, ["errors", "seeds"])
    numbers = {}
    for row in pooled.iter_rows(named=True):
        for way, name in (("corrected", "coverage"), ("plain", "plain_coverage")):
            entry = number(row[way], (row[f"{way}_low"], row[f"{way}_high"]))
            numbers[f"{name}_{row['errors']}_{row['seeds']}_seeds"] = entry
    least = single.sort("corrected").row(0, named=True)
    numbers["least_coverage"] = number(least["corrected"], (least["corrected_low"], least["corrected_high"]))
    covered = pooled.select("corrected_low", "corrected_high").iter_rows()
    verdict = judged([(interval, *settings["coverage_range"]) for interval in covered])
    shown = Table(title="Share of 95% intervals that contain the truth, pooled over quantities")
    for heading in ("errors", "seeds", "studies", "plain percentiles", "scaling.laws"):
        shown.add_column(heading, justify="left" if heading == "errors" else "right")
    for row in pooled.iter_rows(named=True):
        texts = [f"{row[w]:.1%} [{row[w + '_low']:.1%}, {row[w + '_high']:.1%}]" for w in ("plain", "corrected")]
        shown.add_row(row["errors"], str(row["seeds"]), str(row["total"]), *texts)
    few = pooled.sort("seeds").row(0, named=True)
    text = (
        f"{OPENING[verdict]} With {few['seeds']} seeds and {few['errors']} errors, intervals called 95% contain the "
        f"truth in {few['corrected']:.1%} of synthetic studies; plain percentiles of the same bootstrap, in "
        f"{few['plain']:.1%}. The least covered quantity is {least['quantity']} ({least['errors']} errors, "
        f"{least['seeds']} seeds): {least['corrected']:.1%}."
    )
    fits = {"{errors}, {seeds} seeds, {quantity}".format(**row): row for row in single.iter_rows(named=True)}
    return Analysis(fits, {"claim": CLAIM, "verdict": verdict, "numbers": numbers}, shown, text)


CLAIM = "The 95% intervals of scaling.laws contain the truth about as often as they say, from 5 seeds on."
OPENING = {
    "supported": "the intervals can be taken at their word.",
    "not supported": "the intervals cannot be taken at their word everywhere.",
    "inconclusive": "too few studies to say whether the intervals can be taken at their word.",
}


def coverage(rows: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Shares of studies whose interval contains the truth, corrected and plain, with Wilson's 95 % intervals."""
    sums = rows.group_by(by, maintain_order=True).agg(pl.col("studies", "corrected", "plain", "not_ok").sum())
    table = sums.rename({"studies": "total"})
    z2, total = 1.96**2, pl.col("total")
    columns = []
    for way in ("corrected", "plain"):
        share = pl.col(way) / total
        centre = (share + z2 / (2 * total)) / (1 + z2 / total)
        half = (z2 * (share * (1 - share) / total + z2 / (4 * total**2))).sqrt() / (1 + z2 / total)
        columns += [share.alias(way), (centre - half).alias(f"{way}_low"), (centre + half).alias(f"{way}_high")]
    return table.with_columns(columns)


def draw(rows: pl.DataFrame, fits: dict[str, Any], summary: dict[str, Any]) -> Figure:
    """Coverage against the number of seeds, a panel for each kind of errors: pooled (bars), each quantity (dots)."""
    single, pooled = coverage(rows, ["errors", "seeds", "quantity"]), coverage(rows, ["errors", "seeds"])
    kinds = pooled["errors"].unique(maintain_order=True)
    figure, (panels,) = figures.new_figure(len(kinds), width=2.9, height=3.4)
    for axes, kind in zip(panels, kinds, strict=True):
        for way, look, offset in (("plain", PLAIN, 1.04), ("corrected", CORRECTED, 0.96)):
            dots, whole = (table.filter(pl.col("errors") == kind) for table in (single, pooled))
            axes.plot(dots["seeds"] * offset, dots[way], ".", color=look.color, alpha=0.3, ms=3, zorder=1)
            ends = (whole[way], whole[f"{way}_low"], whole[f"{way}_high"])
            figures.measured(axes, whole["seeds"] * offset, *ends, look)
        axes.axhline(LEVEL, color=BLACK, lw=0.8, ls="--")
        seeds = sorted(pooled["seeds"].unique())
        axes.set(xscale="log", xlabel="seeds", title=ERRORS[kind], ylim=(0.6, 1.01))
        figures.ticks(axes, seeds)
    panels[0].set(ylabel="share of intervals with the truth inside")
    panels[0].legend(loc="lower right")
    figure.suptitle(f"Verdict: {summary['verdict']}.", fontsize=9)
    return figure


CORRECTED = Look("scaling.laws", BLUE, "o")
PLAIN = Look("plain percentiles", RED, "s", "--", False)


if __name__ == "__main__":
    launch("law_coverage")
