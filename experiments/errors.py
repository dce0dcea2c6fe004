"""Errors of symmetric functions as curves: mean over trials at every size with its interval, and how fast it falls."""

from typing import NamedTuple

import numpy as np
import polars as pl

from scaling import laws


class Errors(NamedTuple):
    """Errors at the values x (sizes,) of a variable. trials (sizes,): how many; draws (draws, sizes): resampled."""

    x: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    draws: np.ndarray
    trials: np.ndarray

    def at(self, chosen: np.ndarray) -> "Errors":
        """The curve at some of its sizes: chosen (sizes,) booleans."""
        return Errors(*(part[..., chosen] for part in self))

    def exponent(self) -> tuple[float, tuple[float, float]]:
        """a of value ~ x^-a by unweighted least squares in logarithms, as published, and its 95 % interval."""
        return self.slope(np.log(self.x), -1.0)

    def slope(self, along: np.ndarray, sign: float = 1.0) -> tuple[float, tuple[float, float]]:
        """sign times the slope of log value along (sizes,), and its 95 % interval; nan for a single size."""
        if len(along) < 2:
            return np.nan, (np.nan, np.nan)
        with np.errstate(divide="ignore"):
            weights = sign * (along - along.mean()) / ((along - along.mean()) ** 2).sum()
            value = float(np.log(self.value) @ weights)
            return value, laws.interval(np.log(self.draws) @ weights, value, int(self.trials.min()))

    def scatter(self, along: np.ndarray) -> float:
        """Root mean square of log value about its straight line along (sizes,); nan of fewer than three sizes."""
        if len(along) < 3:
            return np.nan
        logs = np.log(self.value)
        return float(np.sqrt(np.mean((logs - np.polyval(np.polyfit(along, logs, 1), along)) ** 2)))


def nothing(draws: int) -> Errors:
    """The curve of no sizes."""
    return Errors(*(np.empty(0),) * 4, np.empty((draws, 0)), np.empty(0, int))


def geometric(values: np.ndarray, axis: int = -1) -> np.ndarray:
    """Geometric mean along an axis."""
    return np.exp(np.log(values).mean(axis=axis))


def errors(rows: pl.DataFrame, variable: str, draws: int, statistic=np.mean, column: str = "error") -> Errors:
    """The curve of `column` against a variable of the rows, by default its mean over trials; x increasing.

    Sizes have data of their own, so trials are resampled at each size for itself.
    """
    values, trials, drawn, ends = [], [], [], []
    x = np.array(sorted(rows[variable].unique()))
    for number, size in enumerate(x):
        sample = rows.filter(pl.col(variable) == size).sort("seed")[column].to_numpy()
        chosen = statistic(sample[laws.bootstrap_indices(len(sample), draws, number)], axis=1)
        values.append(statistic(sample))
        ends.append(laws.interval(chosen, values[-1], len(sample), log=True))
        trials.append(len(sample))
        drawn.append(chosen)
    if not len(x):
        return nothing(draws)
    low, high = np.array(ends).T
    return Errors(x, np.array(values), low, high, np.stack(drawn, axis=1), np.array(trials))


def unsaturated(rows: pl.DataFrame, floor: float, draws: int, column: str = "error") -> Errors:
    """Mean error against d, without sizes where d' = N > d / 10, so that no freedom is left, and without rounding."""
    found = errors(rows.filter(pl.col("kept") == pl.col("size") // 10), "size", draws, column=column)
    return found.at(found.value > floor)


def geometric_mean(logs, draws: int) -> tuple[float, tuple[float, float]]:
    """Geometric mean of ratios, of seeds or of cells of a grid, from their logarithms (n,), and its 95 % interval."""
    logs = np.asarray(logs, float)
    if not len(logs):
        return np.nan, (np.nan, np.nan)
    value = float(np.exp(logs.mean()))
    drawn = np.exp(logs[laws.bootstrap_indices(len(logs), draws)].mean(axis=1))
    return value, laws.interval(drawn, value, len(logs), log=True)
