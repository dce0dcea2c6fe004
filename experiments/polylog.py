"""Compression to d' = c log^m d objects: the paper's Fig. 8 and Theorem 7, with the order chosen without the error.

Functions, objects and seeds are the paper's: the mean over 10 random probes of 1 / (A + <w, x>), A = m + 0.05. The
published order is the first after which the true error of the very same function rises. Here:
    chosen  the order that scaling.compress chooses from the objects alone
    orders  scaling.compress at each of `orders`; the best of them by the true error is the oracle
Beside it, at one d, moments in compact cells alone at every order and for a wide range of d': the order with the
smallest error, against the theory's d'^(1/m).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.table import Table

from experiments import compressions, published
from experiments.compressions import compressed, label, work
from experiments.errors import Errors, errors, geometric, geometric_mean, nothing
from experiments.launch import launch
from experiments.run import Analysis, Point, number
from experiments.schema import Experiment, require, require_numbers, require_positive, require_whole
from scaling import figures, laws
from scaling.figures import BLACK, BLUE, OF_DIMENSION, ORANGE, Look
from scaling.moments import polynomials
from scaling.order import MOST
from scaling.symmetric import paper_trial, rational_probes

__all__ = ["COLUMNS", "PUBLISHED", "Config", "analyse", "draw", "label", "measure", "points", "work"]

REVISION = 2  # raised whenever a change of code changes what a point measures
COLUMNS = compressions.COLUMNS | {
    "part": "schedule: d' = [c log^m d]; range: many d' at one d",
    "arm": "chosen and orders: scaling.compress, its own order or a given one; cells: moments in cells alone",
}
PUBLISHED = {"median_error_m2_d64000": ("8", "m=2,d=64000", "median_error")}
CHOSEN = Look("order chosen without the error", BLUE, "D")
ORACLE = Look("oracle: best order by the error", ORANGE, "s", ":", False)
ZERO = 1e-18  # what an error of exactly 0 is drawn and averaged as


@dataclass(slots=True)
class Config(Experiment):
    """Settings of the measurement."""

    dimensions: list[int]  # m
    factors: list[float]  # c of each m
    sizes: list[int]  # d of the schedule
    orders: list[int]  # k the oracle may choose from
    trials: int  # with the order chosen without the error
    oracle_trials: int
    range_size: int  # the one d of the wide range of d'
    range_kept: list[int]
    range_orders: list[int]
    range_trials: int
    floor: float  # errors up to this are rounding and enter no fit
    error_limit: float  # the verdict: the median error at m = 2 and `limit_size` is below this, no rise is significant
    limit_size: int
    draws: int

    def __post_init__(self) -> None:
        Experiment.__post_init__(self)
        require_numbers(self, "dimensions", "sizes", "orders", "range_kept", "range_orders")
        fine = len(self.factors) == len(self.dimensions) and min(self.factors) > 0
        require(fine, "factors", self.factors, "a positive number for each of dimensions")
        least = min(kept for _, _, kept in schedule(self))
        require(least > max(self.dimensions), "factors", self.factors, "large enough to keep order 1 at every d")
        require(max(self.range_kept) < self.range_size, "range_kept", self.range_kept, "below range_size")
        require_whole(self, 2, "trials")
        require_whole(self, 1, "oracle_trials", "range_trials")
        require_whole(self, 100, "draws")
        require_positive(self, "floor", "error_limit")


def schedule(config: Config) -> list[tuple[int, int, int]]:
    """m, d and d' = floor(c log^m d) as published, where that compresses."""
    pairs = zip(config.dimensions, config.factors, strict=True)
    cells = [(m, d, int(c * math.log(d) ** m)) for m, c in pairs for d in config.sizes]
    return [(m, d, kept) for m, d, kept in cells if kept < d]


def points(config: Config) -> list[Point]:
    """The chosen and all given orders on the schedule; all orders in cells on the range of d'."""
    asked = []

    def ask(part: str, arm: str, m: int, k: int | None, d: int, kept: int, trials: int) -> None:
        if k is not None and polynomials(m, k) > min(kept, MOST):
            return
        for trial in range(trials):
            identity = {"arm": arm, "m": m, "order": k, "size": d, "kept": kept, "seed": trial, "revision": REVISION}
            asked.append(Point({"part": part}, identity))

    for m, d, kept in schedule(config):
        ask("schedule", "chosen", m, None, d, kept, config.trials)
        for k in config.orders:
            ask("schedule", "orders", m, k, d, kept, config.oracle_trials)
    for m in config.dimensions:
        for kept in config.range_kept:
            for k in config.range_orders:
                ask("range", "cells", m, k, config.range_size, kept, config.range_trials)
    return asked


def measure(identities: list[dict[str, Any]], tick: Callable[[float], None]) -> list[dict[str, Any]]:
    """Error and order of each identity, trial after trial with the programs of one order."""
    results = []
    for identity in identities:
        m, d, kept, order = (identity[key] for key in ("m", "size", "kept", "order"))
        probes, objects = paper_trial(m, d, identity["seed"])
        chosen, weights, order = compressed(identity["arm"], objects, kept, order)
        error = rational_probes(probes, m + 0.05).error(objects, objects[chosen], weights)
        results.append({"error": error, "used": order})
        tick(work(identity))
    return results


def on_schedule(rows: pl.DataFrame, arm: str, m: int) -> pl.DataFrame:
    """Rows of one arm and m on the schedule; of `orders` the best one of each trial, by the true error."""
    rows = rows.filter(pl.col("part") == "schedule", pl.col("arm") == arm, pl.col("m") == m)
    rows = rows.with_columns(pl.max_horizontal(pl.col("error"), ZERO))
    return rows.sort("error").unique(["size", "seed"], keep="first").sort("size", "seed")


def best_orders(rows: pl.DataFrame, m: int, floor: float, draws: int) -> Errors:
    """The order with the smallest geometric mean error at every d' of the range, above the floor; as a curve.

    Without sizes at which it is the largest order that was tried at any size: theirs may be larger.
    """
    rows = rows.filter(pl.col("part") == "range", pl.col("m") == m)
    kept, found, most = [], [], rows["order"].max()
    for size in sorted(rows["kept"].unique()):
        here = rows.filter(pl.col("kept") == size).sort("order", "seed")
        orders = here["order"].unique(maintain_order=True).to_numpy()
        logs = np.log(np.maximum(here["error"].to_numpy(), ZERO)).reshape(len(orders), -1)
        taken = laws.bootstrap_indices(logs.shape[1], draws, size)
        best = int(np.argmin(logs.mean(axis=1)))
        if logs.mean(axis=1)[best] > math.log(floor) and orders[best] < most:
            kept.append(size)
            drawn = orders[np.argmin(logs[:, taken].mean(axis=2), axis=0)]
            found.append((orders[best], *np.quantile(drawn, [0.025, 0.975]), logs.shape[1], drawn))
    if not kept:
        return nothing(draws)
    value, low, high, trials, drawn = zip(*found, strict=True)
    numbers = (np.array(part, float) for part in (kept, value, low, high))
    return Errors(*numbers, np.stack(drawn, axis=1).astype(float), np.array(trials))


def analyse(rows: pl.DataFrame, settings: dict[str, Any]) -> Analysis:
    """Decay along d'^(1/m) and as a power of d', the effect of the oracle, the best order against d'."""
    draws, floor = settings["draws"], settings["floor"]
    numbers, fits, rises = {}, {}, 0
    table = Table(caption="error at the largest d, medians over trials")
    for heading in ("m", "d", "d'", "chosen k", "error", "oracle", "oracle / chosen, all d", "significant rises"):
        table.add_column(heading, justify="right")
    for m in settings["dimensions"]:
        chosen, oracle = on_schedule(rows, "chosen", m), on_schedule(rows, "orders", m)
        found = errors(chosen, "kept", draws, np.median)
        means = errors(chosen, "kept", draws, geometric)
        rising = significant_rises(means, floor)
        rises += rising
        pairs = chosen.join(oracle, on=["size", "seed"]).sort("size", "seed")
        effect = geometric_mean((pairs["error_right"] / pairs["error"]).log(), draws)
        used = means.at(means.value > floor)
        numbers[f"decay_m{m}"] = number(*used.slope(used.x ** (1 / m), -1.0))
        fits[f"m={m}"] = {law: used.scatter(x) for law, x in (("stretched", used.x ** (1 / m)),
                                                                 ("power", np.log(used.x)))}  # fmt: skip
        fits[f"m={m}"] |= {"decay": numbers[f"decay_m{m}"]["value"], "sizes": len(used.x)}
        numbers[f"oracle_to_chosen_m{m}"] = number(*effect)
        best = best_orders(rows, m, floor, draws)
        fits[f"m={m}"]["best_order"] = {"kept": best.x, "order": best.value, "low": best.low, "high": best.high}
        numbers[f"best_order_power_m{m}"] = number(*best.slope(np.log(best.x)))
        last = chosen.filter(pl.col("size") == chosen["size"].max())
        there = oracle.filter(pl.col("size") == oracle["size"].max())["error"].median()
        table.add_row(str(m), *(str(last[key][0]) for key in ("size", "kept")), f"{last['used'].median():g}",
                      f"{found.value[-1]:.1e}", f"{there:.1e}", f"{effect[0]:.2g}", str(rising))  # fmt: skip
    at = on_schedule(rows, "chosen", 2).filter(pl.col("size") == settings["limit_size"])
    there = errors(at, "kept", draws, np.median)
    value, ends = (there.value[0], (there.low[0], there.high[0])) if len(at) else (math.nan, (math.nan, math.nan))
    numbers[f"median_error_m2_d{settings['limit_size']}"] = number(value, ends)
    numbers["significant_rises"] = number(rises)
    verdict = judge(value, ends, rises, settings["error_limit"])
    text = f"{rises} of the steps to a larger d raise the error significantly; along the schedule it {course(numbers)}."
    if len(at):
        text = (
            f"without sight of the error, {settings['limit_size']:,} objects in the plane compress to a median error "
            f"of {value:.1e}; {text}"
        )
    return Analysis(fits, {"claim": CLAIM, "verdict": verdict, "numbers": numbers}, table, text)


def course(numbers: dict[str, Any]) -> str:
    """What the error does along the schedule, by the interval of its decay at every m."""
    said = {}
    for name, entry in numbers.items():
        if name.startswith("decay_m"):
            low, high = entry["interval"]
            does = "falls" if low > 0 else "rises" if high < 0 else "neither falls nor rises clearly"
            said.setdefault("is rounding alone" if math.isnan(low) else does, []).append(name.removeprefix("decay_m"))
    return ", ".join(f"{does} at m = {' and '.join(where)}" for does, where in said.items())


CLAIM = (
    "With d' = c log^m d objects and an order chosen without the true error, no step to a larger d raises the error of "
    "an analytic symmetric function significantly, and at m = 2 and d = 64,000 its median is below 1e-13."
)


def judge(value: float, ends: tuple[float, float], rises: int, limit: float) -> str:
    """The median error below the limit, and no significant rise (for); either clearly broken (against)."""
    if math.isnan(value):
        return "inconclusive"
    if ends[0] > limit or rises:
        return "not supported"
    return "supported" if value < limit else "inconclusive"


def significant_rises(found: Errors, floor: float) -> int:
    """Steps to a larger d' whose error is above the floor and whose interval lies above that of the step before."""
    return int(np.sum((found.low[1:] > found.high[:-1]) & (found.value[1:] > floor)))


def draw(rows: pl.DataFrame, fits: dict[str, Any], summary: dict[str, Any]) -> Figure:
    """Error against d'^(1/m) for every m; error against the order at one d; the best order against d'."""
    dimensions = sorted(rows["m"].unique())
    figure, (panels,) = figures.new_figure(len(dimensions) + 2, width=3.3, height=3.4)
    for axes, m in zip(panels, dimensions, strict=False):
        for arm, look in (("chosen", CHOSEN), ("orders", ORACLE)):
            found = errors(on_schedule(rows, arm, m), "kept", 1000, geometric)
            figures.measured(axes, found.x ** (1 / m), *found[1:4], look)
        kept = dict(on_schedule(rows, "chosen", m).select("size", "kept").iter_rows())
        d, paper = published.curve("8", "mean_error", "d", f"m={m},")
        shown = [(kept[int(size)] ** (1 / m), e) for size, e in zip(d, paper, strict=True) if int(size) in kept]
        if shown:
            axes.plot(*zip(*shown, strict=True), "--", color="grey", linewidth=0.9)
        axes.plot([], [], "--", color="grey", label="published mean (oracle order)")
        axes.set(yscale="log", title=f"m = {m}, d′ = c log$^{m}$d", xlabel="d′$^{1/m}$", ylim=(3e-19, None))
    panels[0].set_ylabel("error, geometric mean")
    order_panel(panels[-2], rows)
    best_panel(panels[-1], fits, dimensions)
    figures.legend_below(figure, panels[0], columns=3)
    return figure


def order_panel(axes: Axes, rows: pl.DataFrame) -> None:
    """Error against the order at one d, a line for each d', for the second m (or the only one)."""
    m = sorted(rows["m"].unique())[:2][-1]
    rows = rows.filter(pl.col("part") == "range", pl.col("m") == m).with_columns(pl.max_horizontal("error", ZERO))
    kept = sorted(rows["kept"].unique())
    for number_, size in enumerate(kept):
        found = errors(rows.filter(pl.col("kept") == size), "order", 100, geometric)
        shade = number_ / max(1, len(kept) - 1)
        axes.plot(found.x, found.value, "o-", color=figures.shade(shade), ms=3, label=f"d′ = {size}")
    axes.set(yscale="log", title=f"m = {m}, d = {rows['size'][0]:,}, cells alone", xlabel="order k")
    axes.legend(frameon=False, fontsize=6)


def best_panel(axes: Axes, fits: dict[str, Any], dimensions: list[int]) -> None:
    """The order with the smallest error against d', and d'^(1/m) as a guide."""
    for m in dimensions:
        best = {key: np.array(values, float) for key, values in fits[f"m={m}"]["best_order"].items()}
        if len(best["kept"]):
            look = Look(f"m = {m}", OF_DIMENSION.get(m, BLACK), "o")
            figures.measured(axes, best["kept"], best["order"], best["low"], best["high"], look)
            guide = best["kept"] ** (1 / m)
            scale = np.exp(np.mean(np.log(best["order"] / guide)))
            axes.plot(best["kept"], scale * guide, "--", color=look.color, linewidth=0.8)
    axes.plot([], [], "--", color="grey", label="∝ d′$^{1/m}$")
    axes.set(title="order with the smallest error", xlabel="d′", ylabel="k")
    if any(fits[f"m={m}"]["best_order"]["kept"] for m in dimensions):
        axes.set(xscale="log", yscale="log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_minor_formatter("")
    axes.legend(frameon=False, fontsize=7)


if __name__ == "__main__":
    launch("polylog")
