"""How small may a coreset be? Envelope and excess of a family of tasks, from paired loss ratios on a grid of d'."""

import math
from typing import NamedTuple

import numpy as np
import polars as pl

from experiments.arms import Curve, Ratio, curve, ratio
from scaling import laws

ENOUGH = 5  # sizes, or values of d', without which AICc cannot weigh a law of two parameters
GRIDDED = ("squared_loss", "fitted_labels")  # arms that are measured at several g


class Family(NamedTuple):
    """What the rows say of one family: curves of the arms at g = 1; of GRIDDED arms, ratios to full data by g."""

    m: int
    curves: dict[str, Curve]
    grid: dict[str, dict[float, tuple[Curve, Ratio]]]


def family_of(rows: pl.DataFrame, name: str, draws: int) -> Family:
    """The family of that name; its arm subset_best is the random subset at its best checkpoint."""
    rows = rows.filter(pl.col("family") == name)
    at_one = rows.filter(pl.col("grid") == 1)
    curves = {arm: curve(at_one, arm) for arm in at_one["arm"].unique(maintain_order=True)}
    curves["subset_best"] = curve(at_one, "subset", "best_test_loss")
    grid = {arm: {} for arm in GRIDDED}
    for arm in GRIDDED:
        for g in sorted(rows.filter(pl.col("arm") == arm)["grid"].unique()):
            found = curve(rows.filter(pl.col("grid") == g), arm)
            grid[arm][g] = found, ratio(found, curves["full"], draws)
    return Family(rows["inputs"][0], {arm: c for arm, c in curves.items() if c is not None}, grid)


def at_size(family: Family, d: int, arm: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ratios of a gridded arm at one d: kept (g,), value (g,), draws (draws, g), d' increasing."""
    pairs = family.grid[arm].values()
    found = [(c.kept[i], r.value[i], r.draws[:, i]) for c, r in pairs for i in np.flatnonzero(c.size == d)]
    found.sort(key=lambda entry: entry[0])
    kept, value, drawn = ([entry[i] for entry in found] for i in range(3))
    return np.array(kept, float), np.array(value), np.array(drawn).T


def settled(ratios: np.ndarray, limit: float) -> int:
    """The first place from which all ratios (g,) are at most `limit`; g where the last one is not."""
    above = np.flatnonzero(~(ratios <= limit))
    return int(above[-1]) + 1 if len(above) else 0


def crossing(kept: np.ndarray, ratios: np.ndarray, limit: float) -> float:
    """The smallest d' from which the ratio stays below `limit` > 1, between the grid's values by interpolation.

    Interpolated is log(ratio - 1) against log d'; where the ratio falls to nearly one, a tenth of limit - 1 is taken.
    nan where it does not stay below even at the largest d', or is below already at the smallest.
    """
    first = settled(ratios, limit)
    if first in (0, len(kept)):
        return math.nan
    i = first - 1
    above_one = np.maximum(ratios[i : i + 2] - 1, (limit - 1) / 10)
    share = np.log(above_one[0] / (limit - 1)) / np.log(above_one[0] / above_one[1])
    return float(kept[i] * (kept[i + 1] / kept[i]) ** share)


def least_sufficient(family: Family, d: int, tolerance: float, arm: str) -> tuple[int, float, tuple] | None:
    """The smallest d' measured at this d from which the ratio stays below 1 + tolerance, the ratio, its interval."""
    kept, value, drawn = at_size(family, d, arm)
    i = settled(value, 1 + tolerance)
    if i == len(kept):
        return None
    return int(kept[i]), value[i], laws.interval(drawn[:, i], value[i], len(family.curves["full"].seeds), log=True)


class Envelope(NamedTuple):
    """Smallest sufficient d' of each d, with its 95 % interval and the standard error of its logarithm: arrays (n,)."""

    size: np.ndarray
    kept: np.ndarray
    low: np.ndarray
    high: np.ndarray
    error: np.ndarray


def envelope(family: Family, tolerance: float, arm: str = "squared_loss") -> Envelope:
    """The smallest d' that keeps the ratio below 1 + tolerance, at those d where the grid brackets it.

    A bootstrap draw whose ratios the grid does not bracket counts as its nearest end, so errors are not understated.
    """
    full, limit, found = family.curves["full"], 1 + tolerance, []
    for d in full.size:
        kept, value, drawn = at_size(family, d, arm)
        here = crossing(kept, value, limit) if len(kept) else math.nan
        if math.isfinite(here):
            draws = np.array([crossing(kept, row, limit) for row in drawn])
            lost = ~np.isfinite(draws)
            draws[lost] = np.where(drawn[lost, -1] > limit, kept[-1], kept[0])
            seeds = len(full.seeds)
            low, high = laws.interval(draws, here, seeds, log=True)
            found.append((d, here, low, high, np.log(draws).std() * math.sqrt(seeds / max(seeds - 1, 1))))
    return Envelope(*np.array(found, float).reshape(-1, 5).T)


def growth(found: Envelope, draws: int) -> tuple[laws.Fit, laws.Fit] | None:
    """Envelope against d as d' = c log(d)^p and as a power of d; None where fewer than ENOUGH sizes are bracketed."""
    if len(found.size) < ENOUGH:
        return None
    error = found.kept * np.maximum(found.error, 1e-3)
    by_logarithm = laws.fit("log_power", found.size, found.kept, error=error, draws=draws)
    by_power = laws.fit("power", found.size, 1 / found.kept, error=error / found.kept**2, draws=draws)
    return by_logarithm, by_power


def excess(family: Family, d: int, arm: str = "squared_loss") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """d', ratio - 1 and its standard error at one d, where it is more than two standard errors above zero.

    A single seed has no standard error, and so nothing is clear of zero.
    """
    kept, value, drawn = at_size(family, d, arm)
    error = drawn.std(axis=0)
    clear = (error > 0) & (value - 1 > 2 * error)
    return kept[clear], value[clear] - 1, error[clear]


def decay(family: Family, draws: int, arm: str = "squared_loss") -> dict[int, laws.Comparison]:
    """Laws of the excess against d', at every d where it is clear of zero at ENOUGH values of d'."""
    found = {}
    for d in family.curves["full"].size:
        kept, value, error = excess(family, d, arm)
        if len(kept) >= ENOUGH:
            chosen = ("power", "stretched", "stretched_free")
            found[int(d)] = laws.compare(kept, value, error=error, dimension=family.m, laws=chosen, draws=draws)
    return found
