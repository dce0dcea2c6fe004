"""What a lack of smoothness costs: kinks, jumps and near poles against the order of the moments.

Objects are uniform in [-1, 1]^m and compressed to d' = max([d / 10], N) by moments to degree k in compact cells and
nothing else; every coreset is read by all functions, each a mean over 10 random probes:
    relu_s     ReLU(<w, x>)^s, s = 0 (a jump), 1, 2, 3
    margin_e   a pole at relative distance e outside of the cube, e = 1 to 0.01
A cell of side d^(-1/m) without a kink errs by its power k + 1, one that a kink of ReLU^s crosses by its power s; one in
d^(1/m) cells is crossed, and errors of random sign average, so ReLU^s should follow the exponent
min(k + 1, s + 1/2) / m + 1/2: a higher order than s buys nothing. Poles should change no exponent, only the d from
which on (k + 1) / m + 1/2 holds. Where the errors of the cells
share a sign, as when points always leave from the middle of a cell, the last 1/2 is lost.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from rich.table import Table

from experiments.arms import interval_text
from experiments.compressions import compressed, cost
from experiments.errors import errors, unsaturated
from experiments.launch import launch
from experiments.run import Analysis, Point, number
from experiments.schema import Experiment, require, require_numbers, require_positive, require_whole
from scaling import figures
from scaling.figures import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED, Look
from scaling.moments import polynomials
from scaling.symmetric import near_pole_probes, paper_trial, relu_probes

__all__ = ["COLUMNS", "Config", "analyse", "draw", "label", "measure", "points", "work"]

REVISION = 1  # raised whenever a change of code changes what a point measures
POWERS = (0, 1, 2, 3)
MARGINS = (1.0, 0.3, 0.1, 0.03, 0.01)
FUNCTIONS = [f"relu_{s}" for s in POWERS] + [f"margin_{e:g}" for e in MARGINS]
COLUMNS = {
    "m": "dimension of an object",
    "order": "k, degree of the moments kept cell by cell",
    "size": "d, objects",
    "kept": "d', objects asked for",
    "seed": "trial; probes and objects are drawn from seed m + d + trial",
    "revision": "of the code that measures",
}
COLUMNS |= {f"relu_{s}": f"error of the mean for ReLU(<w, x>)^{s}" for s in POWERS}
COLUMNS |= {f"margin_{e:g}": f"error of the mean for a pole at relative distance {e:g}" for e in MARGINS}
COLORS = (RED, ORANGE, GREEN, BLUE, PURPLE)
MARKERS = "vs^Do"


@dataclass(slots=True)
class Config(Experiment):
    """Settings of the measurement."""

    dimensions: list[int]  # m
    orders: list[int]  # k
    sizes: list[int]  # d
    trials: int
    floor: float  # mean errors up to this are rounding and enter no fit
    tolerance: float  # the verdict: every exponent of ReLU^s lies this near min(k + 1, s + 1/2) / m + 1/2
    draws: int

    def __post_init__(self) -> None:
        Experiment.__post_init__(self)
        require_numbers(self, "dimensions", "orders", "sizes")
        most = polynomials(max(self.dimensions), max(self.orders))
        require(min(self.sizes) > most, "sizes", self.sizes, f"whole numbers above {most}, the moments to keep")
        require_whole(self, 2, "trials")
        require_whole(self, 100, "draws")
        require_positive(self, "floor", "tolerance")


def points(config: Config) -> list[Point]:
    """Every order at every size, in every dimension."""
    return [
        Point({}, {"m": m, "order": k, "size": d, "kept": max(d // 10, polynomials(m, k)), "seed": trial,
                   "revision": REVISION})
        for m in config.dimensions
        for k in config.orders
        for d in config.sizes
        for trial in range(config.trials)
    ]  # fmt: skip


def label(identity: dict[str, Any]) -> str:
    """A point in a few words, for progress lines."""
    return f"m = {identity['m']}, k = {identity['order']}, {identity['size']} -> {identity['kept']}"


def work(identity: dict[str, Any]) -> float:
    """Relative cost of a point."""
    return cost(identity["size"], polynomials(identity["m"], identity["order"]))


def measure(identities: list[dict[str, Any]], tick: Callable[[float], None]) -> list[dict[str, Any]]:
    """Errors of all functions on one coreset for each identity."""
    results = []
    for identity in identities:
        probes, objects = paper_trial(identity["m"], identity["size"], identity["seed"])
        chosen, weights, _ = compressed("cells", objects, identity["kept"], identity["order"])
        read = [relu_probes(probes, s) for s in POWERS] + [near_pole_probes(probes, e) for e in MARGINS]
        found = [function.error(objects, objects[chosen], weights) for function in read]
        results.append(dict(zip(FUNCTIONS, found, strict=True)))
        tick(work(identity))
    return results


def theory(m: int, k: int, function: str) -> float:
    """min(k + 1, s + 1/2) / m + 1/2 for ReLU^s, (k + 1) / m + 1/2 for poles."""
    kind, _, value = function.partition("_")
    return min(k + 1, float(value) + 0.5 if kind == "relu" else math.inf) / m + 0.5


def analyse(rows: pl.DataFrame, settings: dict[str, Any]) -> Analysis:
    """Exponents of every function at every order against the theory."""
    numbers, fits, deviations = {}, {}, {}
    table = Table(caption="exponent of the mean error against d, its 95 % interval, and the theory")
    for heading in ("m", "function", *(f"k = {k}" for k in settings["orders"])):
        table.add_column(heading)
    for m in settings["dimensions"]:
        for function in FUNCTIONS:
            texts, reached = [], 0
            for k in sorted(settings["orders"]):
                here = rows.filter(pl.col("m") == m, pl.col("order") == k)
                found = unsaturated(here, settings["floor"], settings["draws"], function)
                value, ends = found.exponent()
                expected = theory(m, k, function)
                fits[f"m={m},k={k},{function}"] = {"exponent": value, "interval": ends, "theory": expected}
                texts.append(f"{interval_text(value, ends)}, {expected:.2f}" if len(found.x) > 2 else "–")
                if len(found.x) > 2 and function.startswith("relu"):
                    off = (value - expected, (ends[0] - expected, ends[1] - expected))
                    deviations[f"{function} at m = {m}, k = {k}"] = off
                if len(found.x) > 2 and ends[1] > expected - settings["tolerance"] and reached == k - 1:
                    reached = k
            table.add_row(str(m), function, *texts)
            if function.startswith("margin"):
                numbers[f"order_reached_m{m}_{function}"] = number(reached)
            else:
                last = fits[f"m={m},k={max(settings['orders'])},{function}"]
                numbers[f"exponent_at_largest_order_m{m}_{function}"] = number(last["exponent"], last["interval"])
    off = [abs(value) for value, _ in deviations.values()]
    worst = max(deviations, key=lambda name: abs(deviations[name][0]), default="none")
    numbers["largest_deviation_relu"] = number(max(off, default=math.nan))
    numbers["rms_deviation_relu"] = number(math.sqrt(np.mean(np.square(off))) if off else math.nan)
    verdict = judge(list(deviations.values()), settings["tolerance"])
    text = (
        f"exponents of ReLU^s deviate from min(k + 1, s + 1/2) / m + 1/2 by at most "
        f"{numbers['largest_deviation_relu']['value']:.2f} ({worst}), {numbers['rms_deviation_relu']['value']:.2f} rms."
    )
    return Analysis(fits, {"claim": CLAIM, "verdict": verdict, "numbers": numbers}, table, text)


CLAIM = (
    "On functions with kinks the order of the moments stops paying where the smoothness ends: the mean of ReLU^s errs "
    "by d^-(min(k + 1, s + 1/2) / m + 1/2) when a tenth of the objects is kept."
)


def judge(deviations: list[tuple[float, tuple[float, float]]], tolerance: float) -> str:
    """Every exponent within the tolerance (for); one whose whole interval lies beyond it (against)."""
    if not deviations:
        return "inconclusive"
    if any(low > tolerance or high < -tolerance for _, (low, high) in deviations):
        return "not supported"
    return "supported" if all(abs(value) <= tolerance for value, _ in deviations) else "inconclusive"


def draw(rows: pl.DataFrame, fits: dict[str, Any], summary: dict[str, Any]) -> Figure:
    """For every m: exponents against the order for kinks, for poles; mean error against the order at the largest d."""
    dimensions, orders = sorted(rows["m"].unique()), sorted(rows["order"].unique())
    figure, panels = figures.new_figure(3, len(dimensions), width=4.0, height=3.4)
    names = {f"relu_{s}": f"ReLU$^{s}$" if s else "step" for s in POWERS}
    names |= {f"margin_{e:g}": f"pole at {e:g}" for e in MARGINS}
    for (kinks, poles, level), m in zip(panels, dimensions, strict=True):
        largest = rows.filter(pl.col("m") == m, pl.col("size") == rows["size"].max())
        for i, function in enumerate(FUNCTIONS):
            kink = function.startswith("relu")
            number_ = i if kink else i - len(POWERS)
            look = Look(names[function], COLORS[number_] if kink else figures.shade(number_ / 4), MARKERS[number_])
            found = [fits[f"m={m},k={k},{function}"] for k in orders]
            values = np.array([[f["exponent"], *f["interval"]] for f in found], float).T
            axes = kinks if kink else poles
            figures.measured(axes, orders, *values, look)
            if kink:
                axes.plot(orders, [f["theory"] for f in found], "--", color=look.color, linewidth=0.9)
            curve = errors(largest, "order", 100, column=function)
            level.plot(curve.x, curve.value, look.marker, ls="-" if kink else ":", color=look.color)
        poles.plot(orders, [theory(m, k, "margin_1") for k in orders], "--", color=BLACK, linewidth=0.9)
        kinks.plot([], [], "--", color="grey", linewidth=0.9, label="min(k + 1, s + 1/2)/m + 1/2")
        poles.plot([], [], "--", color=BLACK, linewidth=0.9, label="(k + 1)/m + 1/2")
        kinks.set(title=f"m = {m}: kinks", ylabel="exponent against d")
        poles.set(title=f"m = {m}: near poles")
        level.set(yscale="log", title=f"m = {m}, d = {largest['size'][0]:,}: kinks —, poles ···", ylabel="mean error")
        for axes in (kinks, poles):
            axes.legend(frameon=False, fontsize=7)
    for axes in panels[-1]:
        axes.set_xlabel("order k")
    return figure


if __name__ == "__main__":
    launch("smoothness")
