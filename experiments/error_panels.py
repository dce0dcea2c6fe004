"""Two panels of error_scaling's figure: exponents against the theory, and error against d' at one d."""

from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes

from experiments.errors import errors
from scaling import figures
from scaling.figures import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED, SKY, Look

COLORS = (PURPLE, SKY, GREEN, BLUE, ORANGE, RED)
CHOSEN = Look("order chosen by compress", BLACK, "D", ":", False)
MARKERS = "osD^v"


def theory(m: int, k: int) -> float:
    """(k + 1) / m + 1 / 2."""
    return (k + 1) / m + 0.5


def exponents_panel(axes: Axes, fits: dict[str, Any], dimensions: list[int], orders: list[int]) -> None:
    """Measured exponent against (k+1)/m + 1/2, with the identity."""
    largest = 1.0
    for m, marker in zip(dimensions, MARKERS, strict=False):
        kept = [k for k in orders if len(fits[f"m={m},k={k},cells"]["sizes"]) >= 3]
        found = [fits[f"m={m},k={k},cells"] for k in kept]
        ends = np.array([f["interval"] for f in found], float).reshape(-1, 2).T
        look = Look(f"m = {m}", COLORS[dimensions.index(m)], marker)
        figures.measured(axes, [theory(m, k) for k in kept], [f["exponent"] for f in found], *ends, look)
        largest = max([largest, *(theory(m, k) for k in kept)])
    axes.plot([0.5, largest], [0.5, largest], color=BLACK, linewidth=0.8, linestyle="--")
    axes.set(title="exponents, cells alone", xlabel="(k+1)/m + 1/2", ylabel="fitted exponent")
    axes.legend(frameon=False, fontsize=7)


def trade_panel(axes: Axes, rows: pl.DataFrame) -> None:
    """Mean error against d' at one d: cells, compress, chosen order, and the bound without cancellation."""
    axes.set(xscale="log", yscale="log", xlabel="d′")
    if rows.is_empty():
        axes.set_visible(False)
        return
    for k in sorted(rows["order"].drop_nulls().unique()):
        color = COLORS[(k - 1) % len(COLORS)]
        for arm, line, marker in (("cells", "-", "o"), ("compress", ":", "s")):
            found = errors(rows.filter(pl.col("arm") == arm, pl.col("order") == k), "kept", 1000)
            axes.plot(found.x, found.value, line, marker=marker, color=color, ms=3)
            if arm == "cells":
                bound = rows.filter(pl.col("arm") == arm, pl.col("order") == k).group_by("kept").agg(pl.mean("bound"))
                axes.plot(*bound.sort("kept").get_columns(), "--", color=color, linewidth=0.8)
    found = errors(rows.filter(pl.col("arm") == "chosen"), "kept", 1000)
    figures.measured(axes, found.x, *found[1:4], CHOSEN._replace(label=""))
    for line, text in (("--", "bound, one emptying"), ("-", "cells"), (":", "compress")):
        axes.plot([], [], line, color="grey", label=text)
    axes.xaxis.set_minor_formatter("")
    axes.set(title=f"m = {rows['m'][0]}, d = {rows['size'][0]:,}")
    axes.legend(frameon=False, fontsize=7)
