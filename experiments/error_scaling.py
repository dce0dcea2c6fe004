"""The error of a compressed symmetric function: the paper's Fig. 2 and Theorem 4, complete to m = 5 and k = 6.

Functions, objects and seeds are the paper's: the mean over 10 random probes of sigmoid(<w, x>), d objects uniform in
[-1, 1]^m, compressed to d' = max([d / 10], N). If moments to degree k are kept in cells that shrink like d^(-1/m) and
the cells' errors have random signs, the error falls as d^-((k+1)/m + 1/2). Arms:
    cells     moments to degree k in compact cells and nothing else: what the theorem speaks of; passes look for balls
              however long that takes, where compress would cut boxes
    compress  scaling.compress at order k: survivors re-weighted to global moments of higher degree
    chosen    scaling.compress with the order it chooses itself
Beside it, error against d' at one d, with the bound that a single emptying of d' / N cubic cells obeys.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from rich.table import Table

from experiments import compressions, published
from experiments.arms import interval_text
from experiments.compressions import compressed, label, work
from experiments.error_panels import CHOSEN, COLORS, exponents_panel, theory, trade_panel
from experiments.errors import Errors, errors, geometric_mean
from experiments.launch import launch
from experiments.run import Analysis, Point, number
from experiments.schema import Experiment, require, require_distinct, require_positive, require_whole
from scaling import figures
from scaling.bounds import sigmoid_cells_bound
from scaling.figures import Look
from scaling.moments import polynomials
from scaling.symmetric import paper_trial, sigmoid_probes

__all__ = ["COLUMNS", "PUBLISHED", "Config", "analyse", "draw", "label", "measure", "points", "work"]

REVISION = {"cells": 2, "compress": 2, "chosen": 2}  # raised whenever a change of code changes what an arm measures
COLUMNS = compressions.COLUMNS | {
    "part": "grid: the paper's sizes; trade: error against d' at one d",
    "arm": "cells, compress or chosen",
    "bound": "most it can be after one emptying of d' / N cubes (scaling.bounds)",
    "seconds": "wall time of the compression",
}
PUBLISHED = {
    "exponent_" + setting.replace("=", "").replace(",", "_"): ("2", setting, "exponent")
    for setting in published.settings("2", "exponent")
}


@dataclass(slots=True)
class Config(Experiment):
    """Settings of the measurement."""

    dimensions: list[int]  # m
    orders: list[int]  # k
    sizes: list[int]  # d
    trials: int  # of the arm `cells`
    other_trials: int  # of the arms `compress` and `chosen`
    trade_dimension: int  # m, d, the orders k and the sizes d' of the explicit trade-off; no d': left out
    trade_size: int
    trade_orders: list[int]
    trade_kept: list[int]
    floor: float  # mean errors up to this are rounding and enter no fit
    published_floor: float  # published mean errors up to this are compared with nothing, ours below count as this
    tolerance: float  # the verdict: every exponent with at least `least_sizes` usable sizes lies this near the theory
    least_sizes: int
    rms_tolerance: float  # and the root mean square of their deviations over m <= 4 is at most this
    draws: int

    def __post_init__(self) -> None:
        Experiment.__post_init__(self)
        require_distinct(self, "a list of at least one, no repetition", "dimensions", "orders", "sizes")
        for key in ("dimensions", "orders", "trade_orders"):
            fine = all(x >= 1 for x in getattr(self, key))
            require(fine, key, getattr(self, key), "whole numbers from 1")
        most = polynomials(max(self.dimensions), max(self.orders))
        require(min(self.sizes) > most, "sizes", self.sizes, f"whole numbers above {most}, the moments to keep")
        require_whole(self, 1, "trade_dimension")
        if self.trade_kept:
            most = polynomials(self.trade_dimension, max(self.trade_orders, default=1))
            fine = most <= min(self.trade_kept) and max(self.trade_kept) < self.trade_size
            meaning = f"whole numbers from {most}, the moments to keep, to below trade_size={self.trade_size}"
            require(fine, "trade_kept", self.trade_kept, meaning)
        require_whole(self, 0, "other_trials")
        require_whole(self, 2, "trials", "least_sizes")
        require_whole(self, 100, "draws")
        require_positive(self, "floor", "published_floor", "tolerance", "rms_tolerance")


def points(config: Config) -> list[Point]:
    """Every arm on the paper's grid, and on the sizes d' of the trade-off."""
    asked = []

    def ask(part: str, arm: str, m: int, k: int | None, d: int, kept: int) -> None:
        for trial in range(config.trials if arm == "cells" else config.other_trials):
            identity = {
                "arm": arm,
                "m": m,
                "order": k,
                "size": d,
                "kept": kept,
                "seed": trial,
                "revision": REVISION[arm],
            }
            asked.append(Point({"part": part}, identity))

    for m in config.dimensions:
        for d in config.sizes:
            for k in config.orders:
                for arm in ("cells", "compress"):
                    ask("grid", arm, m, k, d, max(d // 10, polynomials(m, k)))
            ask("grid", "chosen", m, None, d, d // 10)
    for kept in config.trade_kept:
        for k in config.trade_orders:
            for arm in ("cells", "compress"):
                ask("trade", arm, config.trade_dimension, k, config.trade_size, kept)
        ask("trade", "chosen", config.trade_dimension, None, config.trade_size, kept)
    return asked


def measure(identities: list[dict[str, Any]], tick: Callable[[float], None]) -> list[dict[str, Any]]:
    """Error, order and seconds of each identity, trial after trial with the programs of one order."""
    results = []
    for identity in identities:
        m, d, kept, order = (identity[key] for key in ("m", "size", "kept", "order"))
        probes, objects = paper_trial(m, d, identity["seed"])
        clock = time.perf_counter()
        chosen, weights, order = compressed(identity["arm"], objects, kept, order, pairs=math.inf)
        seconds = time.perf_counter() - clock
        error = sigmoid_probes(probes).error(objects, objects[chosen], weights)
        bound = sigmoid_cells_bound(probes, order, kept)
        results.append({"error": error, "bound": bound, "used": order, "seconds": seconds})
        tick(work(identity))
    return results


def usable(found: Errors, m: int, k: int, floor: float) -> Errors:
    """Without sizes where d' = N > d / 10, so that no freedom is left, and without mean errors up to the floor."""
    return found.at((found.x // 10 >= polynomials(m, k)) & (found.value > floor))


def of(rows: pl.DataFrame, part: str, arm: str, m: int, k: int | None) -> pl.DataFrame:
    """Rows of one curve."""
    order = pl.lit(True) if k is None else pl.col("order") == k
    return rows.filter(pl.col("part") == part, pl.col("arm") == arm, pl.col("m") == m, order)


def analyse(rows: pl.DataFrame, settings: dict[str, Any]) -> Analysis:
    """Exponents against the theory, and mean errors against the published ones."""
    draws, floor, least = settings["draws"], settings["floor"], settings["published_floor"]
    numbers, fits, deviations, table = {}, {}, {}, Table(caption="exponent of the mean error against d")
    for heading in ("m", "k", "(k+1)/m + 1/2", "sizes", "cells", "compress", "error / published: cells", "compress"):
        table.add_column(heading, justify="right")
    ratios = {"cells": [], "compress": []}
    for m in settings["dimensions"]:
        for k in settings["orders"]:
            d, paper = published.curve("2", "mean_error", "d", f"m={m},k={k},")
            paper, shown, beside = dict(zip(d.astype(int), paper, strict=True)), [], []
            for arm, collected in ratios.items():
                found = errors(of(rows, "grid", arm, m, k), "size", draws)
                used = usable(found, m, k, floor)
                value, ends = used.exponent()
                fits[f"m={m},k={k},{arm}"] = {"exponent": value, "interval": ends, "sizes": used.x}
                shown.append(interval_text(value, ends) if len(used.x) > 1 else "–")
                if arm == "cells":
                    sizes = len(used.x)
                    if sizes >= settings["least_sizes"]:
                        deviations[m, k] = value - theory(m, k), ends
                        numbers[f"exponent_m{m}_k{k}"] = number(value, ends)
                pairs = [(e, paper.get(int(x), 0)) for x, e in zip(found.x, found.value, strict=True)]
                logs = [math.log(max(e, least) / theirs) for e, theirs in pairs if theirs > least]
                fits[f"m={m},k={k},{arm}"]["ratio_to_published"] = math.exp(np.mean(logs)) if logs else None
                beside.append(f"{math.exp(np.mean(logs)):.2g}" if logs else "–")
                collected += logs
            table.add_row(str(m), str(k), f"{theory(m, k):.2f}", str(sizes), *shown, *beside)
    low_m = [value for (m, _), (value, _) in deviations.items() if m <= 4]
    numbers["largest_deviation"] = number(max((abs(value) for value, _ in deviations.values()), default=math.nan))
    numbers["rms_deviation_m_to_4"] = number(math.sqrt(np.mean(np.square(low_m))) if low_m else math.nan)
    numbers["geomean_error_ratio_to_authors"] = number(*geometric_mean(ratios["compress"], draws))
    numbers["geomean_error_ratio_to_authors_cells"] = number(*geometric_mean(ratios["cells"], draws))
    numbers["geomean_error_ratio_chosen_to_best_order"] = number(*geometric_mean(against_best(rows), draws))
    logs = against_published(rows, settings["orders"])
    numbers["geomean_error_ratio_chosen_to_authors_best_order"] = number(*geometric_mean(logs, draws))
    numbers["largest_error_ratio_chosen_to_authors_best_order"] = number(math.exp(max(logs, default=math.nan)))
    for k in settings["trade_orders"] if settings["trade_kept"] else []:
        found = errors(of(rows, "trade", "cells", settings["trade_dimension"], k), "kept", draws)
        numbers[f"trade_exponent_k{k}"] = number(*found.at(found.value > floor).exponent())
    ratio, alone = (numbers[f"geomean_error_ratio_to_authors{arm}"]["value"] for arm in ("", "_cells"))
    text = (
        f"exponents of {len(deviations)} pairs (m, k) deviate from (k+1)/m + 1/2 by at most "
        f"{numbers['largest_deviation']['value']:.2f}"
    )
    text += (
        "." if math.isnan(ratio) else f"; errors are {alone:.2g} times the published, of compress {ratio:.2g} times."
    )
    summary = {"claim": CLAIM, "verdict": judge(deviations, numbers, settings), "numbers": numbers}
    return Analysis(fits, summary, table, text)


CLAIM = (
    "With moments to degree k kept in compact cells, the mean of a smooth function of d objects errs by "
    "d^-((k+1)/m + 1/2) when a tenth of the objects is kept."
)


def judge(deviations: dict, numbers: dict[str, Any], settings: dict[str, Any]) -> str:
    """Every exponent within the tolerance and their spread too (for); one whose interval lies beyond it (against)."""
    tolerance, rms = settings["tolerance"], numbers["rms_deviation_m_to_4"]["value"]
    if not deviations:
        return "inconclusive"
    for (m, k), (_, (low, high)) in deviations.items():
        if low - theory(m, k) > tolerance or high - theory(m, k) < -tolerance:
            return "not supported"
    near = all(abs(value) <= tolerance for value, _ in deviations.values())
    return "supported" if near and not rms > settings["rms_tolerance"] else "inconclusive"


def against_best(rows: pl.DataFrame) -> list[float]:
    """log of the mean error at the chosen order over that at the best of the fixed ones, for every m and d."""
    keys, grid = ["m", "size"], rows.filter(pl.col("part") == "grid")
    grid = grid.group_by("arm", "order", *keys).agg(pl.col("error").mean())
    best = grid.filter(pl.col("arm") == "compress").group_by(keys).agg(pl.col("error").min().alias("best"))
    both = grid.filter(pl.col("arm") == "chosen").join(best, on=keys).sort(keys)
    return [math.log(max(error, 1e-17) / max(best, 1e-17)) for error, best in both.select("error", "best").iter_rows()]


PUBLISHED_BEST = 1e-12  # a published error up to this is too near rounding to be compared with


def against_published(rows: pl.DataFrame, orders: list[int]) -> list[float]:
    """log of the mean error at the chosen order over the published one at the best of `orders`, for every m and d.

    The best order is known from the errors, ours is chosen without them. Compared where both keep d / 10 objects.
    """
    chosen = rows.filter(pl.col("part") == "grid", pl.col("arm") == "chosen")
    means = chosen.group_by("m", "size").agg(pl.col("error").mean()).sort("m", "size")
    theirs = {
        (m, k): dict(zip(*published.curve("2", "mean_error", "d", f"m={m},k={k},"), strict=True))
        for m in means["m"].unique()
        for k in orders
    }
    logs = []
    for m, size, error in means.iter_rows():
        best, order = min((theirs[m, k].get(size, math.inf), k) for k in orders)
        if PUBLISHED_BEST < best < math.inf and polynomials(m, order) <= size // 10:
            logs.append(math.log(error / best))
    return logs


def draw(rows: pl.DataFrame, fits: dict[str, Any], summary: dict[str, Any]) -> Figure:
    """Mean error against d for every m; exponents against the theory; the trade-off at one d."""
    grid = rows.filter(pl.col("part") == "grid")
    dimensions, orders = sorted(grid["m"].unique()), sorted(grid["order"].drop_nulls().unique())
    columns = 4 if len(dimensions) > 2 else 2
    figure, panels = figures.new_figure(columns, -(-(len(dimensions) + 2) // columns), width=3.7, height=3.3)
    panels = panels.ravel()
    for axes, m in zip(panels, dimensions, strict=False):
        for k in orders:
            color = COLORS[(k - 1) % len(COLORS)]
            found = errors(of(rows, "grid", "cells", m, k), "size", 1000)
            figures.measured(axes, found.x, *found[1:4], Look(f"k = {k}", color, "o"))
            axes.plot(found.x, found.value, "-", color=color)
            d, paper = published.curve("2", "mean_error", "d", f"m={m},k={k},")
            axes.plot(d, np.where(paper > 0, paper, np.nan), "--", color=color, linewidth=0.8)
        found = errors(of(rows, "grid", "chosen", m, None), "size", 1000)
        figures.measured(axes, found.x, *found[1:4], CHOSEN)
        axes.plot([], [], "--", color="grey", linewidth=0.8, label="published, same k")
        axes.set(xscale="log", yscale="log", title=f"m = {m}", xlabel="d", ylim=(1e-18, None))
    panels[0].set_ylabel("mean error")
    exponents_panel(panels[len(dimensions)], fits, dimensions, orders)
    trade_panel(panels[len(dimensions) + 1], rows.filter(pl.col("part") == "trade"))
    for axes in panels[len(dimensions) + 2 :]:
        axes.set_visible(False)
    figures.legend_below(figure, panels[0], columns=8)
    return figure


if __name__ == "__main__":
    launch("error_scaling")
