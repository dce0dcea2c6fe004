"""Rows of a training experiment as curves: a loss for every seed and size of an arm, and paired ratios of two arms."""

from typing import NamedTuple

import numpy as np
import polars as pl

from scaling import laws


class Curve(NamedTuple):
    """Losses of one arm. size (sizes,): d. kept (sizes,): d'. losses (seeds, sizes). seeds (seeds,): their numbers."""

    size: np.ndarray
    kept: np.ndarray
    losses: np.ndarray
    seeds: np.ndarray

    def mean(self, draws: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Geometric mean over seeds and its 95 % interval: three arrays (sizes,)."""
        values, low, high, _ = _geometric_mean(self.losses, draws)
        return values, low, high


class Ratio(NamedTuple):
    """Geometric means over seeds of paired loss ratios at each size, with 95 % intervals: arrays (sizes,)."""

    size: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    draws: np.ndarray  # (draws, sizes), each from resampled seeds
    seeds: int

    def largest_size(self) -> tuple[float, tuple[float, float]]:
        """The ratio at the largest size."""
        return self.value[-1], (self.low[-1], self.high[-1])

    def maximum(self) -> tuple[float, tuple[float, float]]:
        """The largest ratio over all sizes; being a maximum of noisy means it errs on the high side."""
        value = self.value.max()
        return value, laws.interval(self.draws.max(axis=1), value, self.seeds, log=True)

    def slope(self) -> tuple[float, tuple[float, float]]:
        """Least-squares slope of log ratio against log d: zero for a bounded ratio; nan for a single size."""
        x = np.log(self.size) - np.log(self.size).mean()
        weights = x / (x @ x) if len(x) > 1 else np.full(len(x), np.nan)
        value = float(np.log(self.value) @ weights)
        return value, laws.interval(np.log(self.draws) @ weights, value, self.seeds)


def curve(rows: pl.DataFrame, arm: str, loss: str = "test_loss") -> Curve | None:
    """The curve of an arm, sizes increasing; None if the rows hold none of it. loss: the column that holds it."""
    rows = rows.filter(pl.col("arm") == arm)
    if rows.is_empty():
        return None
    table = rows.pivot("size", index="seed", values=loss).sort("seed")
    sizes = sorted(int(name) for name in table.columns if name != "seed")
    kept = dict(rows.select("size", "kept").unique().iter_rows())
    losses = table.select(str(size) for size in sizes).cast(pl.Float64).to_numpy()
    return Curve(np.array(sizes), np.array([kept[size] for size in sizes]), losses, table["seed"].to_numpy())


def at_sizes(whole: Curve, sizes: np.ndarray) -> Curve:
    """The curve at some of its sizes."""
    chosen = np.isin(whole.size, sizes)
    return Curve(whole.size[chosen], whole.kept[chosen], whole.losses[:, chosen], whole.seeds)


def ratio(above: Curve, below: Curve, draws: int) -> Ratio:
    """Loss of `above` over loss of `below` at the sizes of `above`, paired by seed."""
    pairs = above.losses / at_sizes(below, above.size).losses
    return Ratio(above.size, *_geometric_mean(pairs, draws), len(pairs))


def exponent_ratio(above: Curve, below: Curve, draws: int) -> tuple[float, tuple[float, float]]:
    """Exponent of `above` against d' over that of `below` against d, on the same d, with its 95 % interval.

    Slopes are unweighted least squares of mean log loss on log size, as published: bumps that both curves share (each
    d has its own data) enter both slopes alike and cancel, which fits with weights of their own would not let them do.
    """
    whole = at_sizes(below, above.size)
    taken = np.vstack([np.arange(len(above.losses)), laws.bootstrap_indices(len(above.losses), draws)])
    slopes = []
    for found in (above, whole):
        x = np.log(found.kept) - np.log(found.kept).mean()
        slopes.append(np.log(found.losses)[taken].mean(axis=1) @ x / (x @ x) if len(x) > 1 else np.nan * taken[:, 0])
    ratios = slopes[0] / slopes[1]
    return float(ratios[0]), laws.interval(ratios[1:], ratios[0], len(above.losses), log=True)


def interval_text(value: float, interval: tuple[float, float]) -> str:
    """A value with its interval, as in 1.04 [1.01, 1.08]."""
    return f"{value:.2f} [{interval[0]:.2f}, {interval[1]:.2f}]"


def _geometric_mean(values: np.ndarray, draws: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    seeds = len(values)
    logs = np.log(values)
    mean = np.exp(logs.mean(axis=0))
    drawn = np.exp(logs[laws.bootstrap_indices(seeds, draws)].mean(axis=1))
    return mean, *laws.interval(drawn, mean, seeds, log=True), drawn
