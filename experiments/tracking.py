"""How closely training on a coreset follows training on all data, from the rows of an experiment."""

import numpy as np
import polars as pl
from scipy.stats import rankdata

from experiments import paths
from experiments.errors import geometric_mean
from scaling import laws


def chosen(rows: pl.DataFrame, arm: str, width: int, kept: int | None = None) -> pl.DataFrame:
    """Rows of an arm of one width and, unless it is trained on all data, one d', by seed."""
    rows = rows.filter(pl.col("arm") == arm, pl.col("width") == width).sort("seed")
    return rows if kept is None or arm.startswith("full") else rows.filter(pl.col("kept") == kept)


def along(rows: pl.DataFrame, column: str = "test_losses") -> np.ndarray:
    """Losses (seeds, stops)."""
    return np.array([paths.numbers(cell) for cell in rows[column]])


def epochs(rows: pl.DataFrame) -> np.ndarray:
    """Epochs done at each stop (stops,), of rows trained alike."""
    return paths.numbers(rows["at_steps"][0]) / rows["steps_per_epoch"][0]


def final_ratio(rows: pl.DataFrame, arm: str, width: int, kept: int, draws: int):
    """Geometric mean over seeds of the final loss over that of the full data, with its interval."""
    logs = np.log(chosen(rows, arm, width, kept)["test_loss"].to_numpy())
    return geometric_mean(logs - np.log(chosen(rows, "full", width)["test_loss"].to_numpy()), draws)


def tracked(rows: pl.DataFrame, arm: str, width: int, kept: int, limit: float) -> float:
    """Epochs until the mean loss ratio to the full data exceeds the limit for good; all, if it ends within it.

    The noise of mini-batches lets single stops exceed it; what counts is the last stop that does not.
    """
    own, full = chosen(rows, arm, width, kept), chosen(rows, "full", width)
    ratios = np.exp(np.mean(np.log(along(own)) - np.log(along(full)), axis=0))
    return float(epochs(own)[np.flatnonzero(ratios <= limit)].max(initial=0.0))


def correlation(rows: pl.DataFrame, draws: int) -> tuple[float, tuple[float, float]]:
    """Spearman's rank correlation of estimated error and final loss ratio, with its interval over seeds."""
    coresets = rows.filter(pl.col("estimated_error") > 0)
    full = rows.filter(pl.col("arm") == "full").select("width", "seed", pl.col("test_loss").alias("full"))
    pairs = coresets.join(full, on=["width", "seed"], maintain_order="left")
    ratios, errors = (pairs["test_loss"] / pairs["full"]).to_numpy(), pairs["estimated_error"].to_numpy()
    seeds = np.unique(pairs["seed"].to_numpy(), return_inverse=True)[1]
    members = [np.flatnonzero(seeds == s) for s in range(seeds.max() + 1)]

    def spearman(which):
        return np.corrcoef(rankdata(ratios[which]), rankdata(errors[which]))[0, 1]

    value = spearman(np.arange(len(ratios)))
    drawn = laws.bootstrap_indices(len(members), min(draws, 500))
    values = np.array([spearman(np.concatenate([members[s] for s in taken])) for taken in drawn])
    return float(value), laws.interval(values, value, len(members), bounds=(-1, 1))
