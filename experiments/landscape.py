"""Is the loss landscape unchanged? Loss, gradient and curvature on the coreset beside those on all data.

The abstract of arXiv 2510.00504 says that the loss landscape of a data set is unchanged by its compression. Here the
loss of a two-layer student on d' samples is compared with that on all d at the same parameters:
    start   other random starts                 path    where training on all data passes by
    end     where it ends                       far     random parameters three times as large, far from both
Relative differences: |h' - h| / |h| of the height h of the loss above its value at the end (a constant, such as what
k-means takes from the variance of the labels, changes no landscape), |g' - g| / |g| of gradients, and |H' - H| / |H| of
Hessians at the end (Frobenius). At the end the full gradient itself vanishes: there its relative difference is largest.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from rich.table import Table

from experiments import paths
from experiments.errors import geometric_mean
from experiments.launch import launch
from experiments.run import Analysis, Point, number
from experiments.schema import require, require_distinct, require_whole
from experiments.student import COLUMNS as STUDENT
from experiments.student import (
    Activation,
    Training,
    check_inputs,
    coreset,
    label,
    moment_space,
    schedule,
    setting,
)
from experiments.student import work as training_work
from experiments.surface import PLACES, Whole, compare
from scaling import figures
from scaling.figures import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED, SKY, Look
from scaling.regression import least_size

__all__ = ["COLUMNS", "Config", "analyse", "draw", "label", "measure", "points", "work"]

STOPS = 8  # parameters on the path

COLUMNS = STUDENT | {
    "slice": "heights on so many by so many points of a plane were recorded; empty where not",
    "hessian_gap": "|H' - H| / |H| at the end of training on all data, Frobenius norms",
    "eigenvalues": "largest eigenvalues of the Hessian there, decreasing, separated by spaces",
    "plane": "heights above the end on a plane through it, rows along the way to the start, separated by spaces",
}
HEIGHTS = tuple(place for place in PLACES if place != "end")
COLUMNS |= {f"height_gap_{place}": f"|h' - h| / |h|, geometric mean over parameters at {place}" for place in HEIGHTS}
COLUMNS |= {f"gradient_gap_{place}": f"|g' - g| / |g|, geometric mean over parameters at {place}" for place in PLACES}

LOOKS = {
    "full": Look("full data", BLACK, "o"),
    "fitted_labels": Look("coreset, fitted labels", SKY, "p"),
    "squared_loss_coreset": Look("coreset, squared-loss moments", BLUE, "D"),
    "paper_coreset": Look("coreset, paper's moments", ORANGE, "s"),
    "kmeans": Look("k-means centres, mean labels", GREEN, "^"),
    "subset": Look("random subset", RED, "v", "--", False),
}
PLACE_LOOKS = {
    "start": Look("at random starts", BLACK, "o"),
    "path": Look("on the training path", BLUE, "D"),
    "end": Look("at its end", PURPLE, "s"),
    "far": Look("far away", ORANGE, "^"),
}


@dataclass(slots=True)
class Config(Training):
    """Settings of the comparison of loss surfaces."""

    inputs: int  # dimension m of the inputs
    activations: list[Activation]
    size: int  # d
    kept: list[int]  # d' at order `order`, increasing
    order: int  # q = r of the squared-loss moments
    orders: list[int]  # at the largest d'
    paper_order: int
    grid: int  # points along each side of the plane
    draws: int  # of the bootstrap over seeds
    height_gap_limit: float  # the verdict's criteria at the largest d', written down before the shown seeds were run
    gradient_gap_limit: float

    def __post_init__(self) -> None:
        Training.__post_init__(self)
        check_inputs(self, self.inputs)
        accepted = "a list with at least one entry, without repetition"
        require_distinct(self, accepted, "activations", "kept", "orders")
        for order in (self.order, *self.orders):
            require(order >= 1, "orders", self.orders, "whole numbers from 1")
        require_whole(self, 1, "paper_order")
        paper = moment_space("total_degree", self.inputs, self.paper_order)
        least = max(space(self, self.order).size, paper.size, least_size(self.inputs))
        fine = all(least <= kept < self.size for kept in self.kept)
        require(fine, "kept", self.kept, f"{least} (the moments) to size={self.size} less 1")
        fine = all(space(self, order).size <= max(self.kept) for order in self.orders)
        require(fine, "orders", self.orders, f"orders whose moments fit into {max(self.kept)}")
        require_whole(self, 2, "grid")
        require_whole(self, 100, "draws")
        for key in ("height_gap_limit", "gradient_gap_limit"):
            require(getattr(self, key) > 0, key, getattr(self, key), "a positive number")


def space(config: Config, order: int):
    """The squared-loss moments with q = r = order."""
    return moment_space("squared_loss", config.inputs, order, order)


def points(config: Config) -> list[Point]:
    """The full data, every d' at one order, and every order at the largest d', for every activation and seed."""
    asked, most = [], max(config.kept)
    for activation in config.activations:
        shared = {"size": config.size} | setting(config, config.inputs, activation) | schedule(config, config.size)
        arms: list[tuple[str, dict[str, Any]]] = [("full", {"kept": config.size})]
        for kept in config.kept:
            arms += [("paper_coreset", {"kept": kept} | coreset("total_degree", config.paper_order))]
            arms += [(method, {"kept": kept, "method": method}) for method in ("fitted_labels", "kmeans", "subset")]
        pairs = [(kept, config.order) for kept in config.kept] + [(most, order) for order in config.orders]
        for kept, order in dict.fromkeys(pairs):
            arms += [("squared_loss_coreset", {"kept": kept} | coreset("squared_loss", order, order))]
        for arm, details in arms:
            for seed in config.seed_list():
                plane = details["kept"] in (config.size, most) and details.get("order", config.order) in (
                    config.order,
                    config.paper_order,
                )
                shown = {"slice": config.grid if plane and seed == config.first_seed else None, "seed": seed}
                asked.append(Point({"arm": arm}, shared | details | shown))
    return asked


def work(identity: dict[str, Any]) -> float:
    """Relative cost of a point: its surface and, for all data, the training whose path every other point uses."""
    return (identity["method"] == "full") * training_work(identity) + 5000 * identity["kept"] + 1e6


def measure(identities: list[dict[str, Any]], tick: Callable[[float], None]) -> list[dict[str, Any]]:
    """Differences of loss, gradient and Hessian between all data and what each identity keeps of them."""
    results = []
    for identity in identities:
        full = {"method": "full", "kept": identity["size"], "slice": None}
        no_moments = dict.fromkeys(("space", "order", "label_order"))
        results.append(compare(identity, whole(tuple((identity | full | no_moments).items()))))
        tick(work(identity))
    return results


@cache
def whole(identity: tuple[tuple[str, Any], ...]) -> Whole:
    """The training on all data of a task and seed and the surface along it, kept for all points of these."""
    shared = dict(identity)
    stride = 64 * max(1, shared["steps"] // (64 * STOPS))
    return Whole(paths.follow([shared], lambda _: None, stride)[0], shared["seed"])


def geometric(rows: pl.DataFrame, column: str, draws: int) -> tuple[float, tuple[float, float]]:
    """Geometric mean of a column over seeds with its interval."""
    return geometric_mean(np.log(np.maximum(rows.sort("seed")[column].to_numpy(), 1e-16)), draws)


def analyse(rows: pl.DataFrame, settings: dict[str, Any]) -> Analysis:
    """Relative differences of loss, gradient and Hessian at the largest d', geometric means over seeds."""
    most, numbers = max(settings["kept"]), {}
    table = Table(caption=f"relative differences to all data at d' = {most}, geometric means over seeds")
    for heading in ("task", "arm", *(f"height, {p}" for p in HEIGHTS), *(f"gradient, {p}" for p in PLACES), "Hessian"):
        table.add_column(heading)
    columns = [f"height_gap_{place}" for place in HEIGHTS] + [f"gradient_gap_{place}" for place in PLACES]
    columns.append("hessian_gap")
    for activation in settings["activations"]:
        for arm in LOOKS:
            own = chosen(rows, activation, arm, most, settings["order"])
            if arm != "full":
                entries = {column: geometric(own, column, settings["draws"]) for column in columns}
                short = arm.removesuffix("_coreset")
                numbers |= {f"{activation}_{column}_{short}": number(*entry) for column, entry in entries.items()}
                table.add_row(activation, LOOKS[arm].label, *(f"{entry[0]:.1e}" for entry in entries.values()))
    verdict = judge(numbers, settings)
    summary = {"claim": CLAIM, "verdict": verdict, "numbers": numbers}
    return Analysis({}, summary, table, sentence(numbers, settings))


CLAIM = (
    "The loss landscape is unchanged: with compressed inputs and fitted labels, height, gradient and Hessian are those "
    "on all data, at random parameters, along the training path and far from both."
)


def chosen(rows: pl.DataFrame, activation: str, arm: str, kept: int | None = None, order: int | None = None):
    """Rows of an arm; of the squared-loss coreset at one order."""
    rows = rows.filter(pl.col("activation") == activation, pl.col("arm") == arm)
    if kept is not None and arm != "full":
        rows = rows.filter(pl.col("kept") == kept)
    return rows.filter(pl.col("order") == order) if order is not None and arm == "squared_loss_coreset" else rows


def judge(numbers: dict[str, Any], settings: dict[str, Any]) -> str:
    """supported: every difference with fitted labels is below its limit with its whole interval: of the height
    everywhere, of the gradient everywhere but at the end (where it vanishes), and of the Hessian.

    not supported: one is above it with its whole interval; inconclusive: neither.
    """
    fine, wrong = [], []
    for name, entry in numbers.items():
        if name.endswith("_fitted_labels") and "gradient_gap_end" not in name:
            limit = settings["height_gap_limit" if "_height_gap_" in name else "gradient_gap_limit"]
            low, high = entry["interval"]
            fine.append(high < limit)
            wrong.append(low > limit)
    return "not supported" if any(wrong) else "supported" if all(fine) else "inconclusive"


def sentence(numbers: dict[str, Any], settings: dict[str, Any]) -> str:
    """The verdict for a newcomer."""
    parts = []
    for activation in settings["activations"]:
        words = []
        for column, name in (
            ("height_gap_path", "height"),
            ("gradient_gap_path", "gradient"),
            ("hessian_gap", "Hessian"),
        ):
            arms = ("fitted_labels", "squared_loss", "subset")
            ours, plain, random = (numbers[f"{activation}_{column}_{arm}"]["value"] for arm in arms)
            words.append(f"{name} {ours:.1e} (labels of the data {plain:.1e}, random subset {random:.1e})")
        parts.append(f"{activation}: {', '.join(words)}")
    most = max(settings["kept"])
    return f"relative differences on the training path, of the Hessian at its end, d' = {most}; {'; '.join(parts)}."


def draw(rows: pl.DataFrame, fits: dict[str, Any], summary: dict[str, Any]) -> Figure:
    """Slices of the loss surface; then for every task the differences against d' and order, and Hessian spectra."""
    tasks = list(rows["activation"].unique(maintain_order=True))
    figure, grid = figures.new_figure(len(LOOKS), 1 + len(tasks), width=3.2, height=2.9)
    order = rows.filter(pl.col("slice").is_not_null(), pl.col("arm") == "squared_loss_coreset")["order"][0]
    sizes = sorted(rows.filter(pl.col("arm") == "subset")["kept"].unique())
    most = sizes[-1]
    draw_slices(grid[0], rows, tasks[0], most, order)
    for row, activation in zip(grid[1:], tasks, strict=True):
        for ax, kind in zip(row, ("height", "gradient"), strict=False):
            for arm in list(LOOKS)[1:]:
                against(ax, chosen(rows, activation, arm, None, order), "kept", f"{kind}_gap_path", LOOKS[arm])
            ax.set(xscale="log", yscale="log", xlabel="d′", title=f"{activation}: {kind} on the path")
            figures.ticks(ax, sizes)
        own = chosen(rows, activation, "squared_loss_coreset", most)
        for ax, kind in zip(row[2:], ("height", "gradient"), strict=False):
            for place in HEIGHTS if kind == "height" else PLACES:
                against(ax, own, "order", f"{kind}_gap_{place}", PLACE_LOOKS[place])
            ax.set(yscale="log", xlabel="order q = r", title=f"{activation}: {kind}, d′ = {most}")
        spectra(row[4], rows, activation, most, order)
        row[5].set_visible(False)
        row[0].set_ylabel("relative difference to all data")
    grid[1, 3].legend(frameon=False, fontsize=7)
    figures.legend_below(figure, grid[1, 0], columns=4)
    figure.suptitle(f"Verdict: {summary['verdict']}.", fontsize=9)
    return figure


def against(ax: Axes, rows: pl.DataFrame, variable: str, column: str, look: Look) -> None:
    """Geometric means over seeds of a column against a variable, with intervals."""
    x = sorted(rows[variable].unique())
    values, intervals = zip(*(geometric(rows.filter(pl.col(variable) == v), column, 500) for v in x), strict=True)
    figures.measured(ax, x, values, *zip(*intervals, strict=True), look)
    figures.law(ax, np.array(x), np.array(values), look)


def draw_slices(axes: list[Axes], rows: pl.DataFrame, activation: str, most: int, order: int) -> None:
    """The same plane through the end of the training, by every arm, with the same levels."""
    drawn = rows.filter(pl.col("slice").is_not_null())
    levels = None
    for ax, arm in zip(axes, LOOKS, strict=True):
        own = chosen(drawn, activation, arm, most, order)
        if own.is_empty():
            ax.set_visible(False)
            continue
        n = own["slice"][0]
        heights = paths.numbers(own["plane"][0]).reshape(n, n)
        levels = np.quantile(heights, np.linspace(0, 1, 15)) if levels is None else levels
        b, a = np.linspace(-0.85, 0.85, n), np.linspace(-0.5, 1.2, n)
        ax.contourf(b, a, heights, levels, cmap="viridis", norm=BoundaryNorm(levels, 256), extend="both")
        ax.contour(b, a, heights, levels, colors="white", linewidths=0.4)
        ax.plot([0, 0], [0, 1], linestyle="none", marker="*", color="white", markersize=5)
        ax.set(title=f"{activation}: {LOOKS[arm].label}", xlabel="random direction")
        ax.title.set_fontsize(8)
        ax.grid(False)
    axes[0].set_ylabel("from the end (0) to the start (1)")


def spectra(ax: Axes, rows: pl.DataFrame, activation: str, most: int, order: int) -> None:
    """Largest eigenvalues of the Hessian at the end, geometric means over seeds."""
    for arm, look in LOOKS.items():
        table = np.array([paths.numbers(cell) for cell in chosen(rows, activation, arm, most, order)["eigenvalues"]])
        values = np.exp(np.log(np.maximum(table, 1e-12)).mean(axis=0))
        ax.plot(
            np.arange(1, len(values) + 1), values, color=look.color, marker=look.marker, markersize=3, linewidth=0.8
        )
    ax.set(yscale="log", xlabel="rank", title=f"{activation}: Hessian's eigenvalues")


if __name__ == "__main__":
    launch("landscape")
