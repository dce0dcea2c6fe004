"""Three panels of stretched_exponential's figure: loss on the schedule, envelope against log d, excess against d'."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from experiments.arms import at_sizes
from experiments.envelope import Family, excess
from scaling import figures, laws
from scaling.figures import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED, SKY, Look

LOOKS = {
    "full": Look("all d samples", BLACK, "o"),
    "full_again": Look("all d samples, another start", BLACK, "x", ":"),
    "squared_loss": Look("coreset, squared-loss moments", BLUE, "D"),
    "isotropic": Look("coreset, isotropic moments (paper)", ORANGE, "s"),
    "fitted_labels": Look("coreset, fitted labels", SKY, "p"),
    "kmeans": Look("k-means centres with masses", GREEN, "^", "-."),
    "subset": Look("random subset", RED, "v", "--", False),
    "subset_best": Look("random subset, best checkpoint", PURPLE, "P", ":", False),
}
RELABELLED = Look("all d samples, drawn at d′ (nothing lost)", BLACK, "o", ":", False)


def schedule_panel(axes: Axes, family: Family, fits: dict[str, Any]) -> None:
    """Loss against d'^(1/m) on the schedule d' = c log^m d, and what it were if nothing was lost: the loss of all d."""
    axes.set(yscale="log", title="schedule d′ = c log$^m$d")
    if 1.0 not in family.grid["squared_loss"]:
        return
    kept, root = family.grid["squared_loss"][1.0][0], 1 / family.m
    full = at_sizes(family.curves["full"], kept.size)
    for key, found, look in (("relabelled", full, RELABELLED), ("schedule", kept, LOOKS["squared_loss"])):
        figures.measured(axes, kept.kept**root, *found.mean(1000), look)
        fit = laws.Fit.from_dict(fits[key]["fits"]["stretched_floor"])
        grid = np.geomspace(*fit.sizes, 100)
        figures.law(axes, grid**root, fit.predict(grid), look)


def envelope_panel(axes: Axes, fits: dict[str, Any], m: int) -> None:
    """Smallest sufficient d' against log d, both logarithmic: log^p d is straight, a power of d curves up."""
    for key, arm in (("envelope_points_fitted_labels", "fitted_labels"), ("envelope_points", "squared_loss")):
        points = {name: np.array(values, float) for name, values in fits[key].items()}
        if len(points["size"]):
            look = LOOKS[arm]._replace(label="_")  # named below the figure
            figures.measured(axes, np.log(points["size"]), points["kept"], points["low"], points["high"], look)
    if "envelope" in fits:
        grid = np.geomspace(points["size"].min(), points["size"].max(), 100)
        for law, line, color in (("log_power", "-", BLUE), ("power", "--", RED)):
            fit = laws.Fit.from_dict(fits["envelope"][law])
            values = fit.predict(grid) if law == "log_power" else 1 / fit.predict(grid)
            power = fit.parameters["p" if law == "log_power" else "alpha"]
            text = f"log$^{{{power:.2f}}}$ d" if law == "log_power" else f"d$^{{{power:.2f}}}$"
            axes.plot(np.log(grid), values, line, color=color, label=text)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=6)
    axes.set(xscale="log", yscale="log", title=f"envelope; theory log$^{m}$d", ylabel="smallest sufficient d′")
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.xaxis.set_minor_formatter("{x:.0f}")


def excess_panel(axes: Axes, family: Family, m: int) -> None:
    """Excess loss against d'^(1/m) at several d: exp(-a d'^(1/m)) is straight."""
    sizes = family.curves["full"].size
    for d, color in zip(sizes[-1::-2][:4], (BLUE, ORANGE, GREEN, PURPLE), strict=False):
        kept, value, error = excess(family, d)
        if len(kept):
            look = Look(f"d = {d}", color, "o")
            figures.measured(axes, kept ** (1 / m), value, value - error, value + error, look)
            axes.plot(kept ** (1 / m), value, color=color, linewidth=0.8)
    axes.set(yscale="log", title="excess over all d samples", ylabel="L(d′)/L(d) − 1")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=7)
