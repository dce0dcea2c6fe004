"""The published values that figures and pages compare with: experiments/published.csv, each with its source."""

from functools import cache
from pathlib import Path

import numpy as np
import polars as pl


@cache
def table() -> pl.DataFrame:
    """All published values: columns figure, setting, quantity, value, source."""
    return pl.read_csv(Path(__file__).parent / "published.csv")


def value(figure: str, setting: str, quantity: str) -> float:
    """One published value."""
    where = (pl.col("figure") == figure, pl.col("setting") == setting, pl.col("quantity") == quantity)
    return table().filter(*where)["value"].item()


def curve(figure: str, quantity: str, variable: str = "d", given: str = "") -> tuple[np.ndarray, np.ndarray]:
    """A published curve: the variable in settings (m=3,d=512) that start with `given`, and the values; both (n,)."""
    rows = table().filter(pl.col("figure") == figure, pl.col("quantity") == quantity)
    rows = rows.filter(pl.col("setting").str.starts_with(given))
    settings = rows["setting"].str.extract(rf"(?:^|,){variable}=([0-9.]+)$").cast(pl.Float64)
    return settings.to_numpy(), rows["value"].to_numpy()


def settings(figure: str, quantity: str) -> list[str]:
    """The settings for which a quantity of a figure is published."""
    return table().filter(pl.col("figure") == figure, pl.col("quantity") == quantity)["setting"].to_list()
