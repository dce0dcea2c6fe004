"""The look of every figure, and the panels that experiments share. The only module of the library that draws."""

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's palette, distinct under the common colour-vision deficiencies; marker and line style differ as well.
BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, RED, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip

OF_DIMENSION = {1: PURPLE, 2: GREEN, 3: BLUE, 4: ORANGE, 5: RED}  # colours of the dimension m of an object

STYLE = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e5e5e5",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.5,
    "pdf.fonttype": 42,
    "svg.hashsalt": "universal-compression",
}


class Look(NamedTuple):
    """How one arm appears in every figure."""

    label: str
    color: str
    marker: str
    line: str | tuple = "-"
    filled: bool = True


def new_figure(columns: int, rows: int = 1, *, width: float = 4.6, height: float = 3.9) -> tuple[Figure, np.ndarray]:
    """An empty figure with panels (rows, columns), each width x height inches."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False)
    return figure, panels


def measured(axes: Axes, x: Sequence, mean: Sequence, low: Sequence, high: Sequence, look: Look) -> None:
    """Points with error bars; x, mean, low, high (n,). Bars that are nan are left out."""
    mean, low, high = (np.asarray(values, float) for values in (mean, low, high))
    bars = np.nan_to_num(np.stack([mean - low, high - mean])).clip(0)
    face = look.color if look.filled else "white"
    axes.errorbar(
        x,
        mean,
        bars,
        fmt=look.marker,
        color=look.color,
        mfc=face,
        label=look.label,
        capsize=2,
        elinewidth=0.9,
        zorder=3,
    )


def reference(axes: Axes, x: np.ndarray, y: np.ndarray, label: str, line: str = "-") -> None:
    """Somebody else's values as a thin grey line below our own; x, y (n,)."""
    axes.plot(x, y, color="#999999", linewidth=0.9, linestyle=line, label=label, zorder=1)


def shade(level: float) -> tuple:
    """A colour for one of many ordered curves, dark to light as level goes from 0 to 1."""
    return mpl.colormaps["viridis"](0.95 * level)


def legend_below(figure: Figure, axes: Axes | np.ndarray, columns: int) -> None:
    """One legend for the whole figure, below its panels, of one panel or an array of them; each label once."""
    shown = {}
    for panel in np.ravel(axes):
        shown |= dict(zip(*reversed(panel.get_legend_handles_labels()), strict=True))
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=columns, frameon=False, fontsize=8)


def ticks(axes: Axes, values: Sequence) -> None:
    """Ticks of a logarithmic x axis at these values alone."""
    axes.set_xticks(values, [str(value) for value in values])
    axes.minorticks_off()


def law(axes: Axes, x: np.ndarray, y: np.ndarray, look: Look) -> None:
    """A fitted law as a line without an entry in the legend; x, y (n,)."""
    axes.plot(x, y, color=look.color, linestyle=look.line, zorder=2)
