"""What compression costs: the paper's Fig. 6 and beyond, beside a peer, a solver and the floor.

Uniform points in [-1, 1]^m, moments to total degree k, d' = max([0.1 d], N). Methods, timed one after another, warm:
    compress   scaling.compress, everything included; the first call, which compiles, is reported apart
    baryx      its recombination, jitted and vmapped over [d' / N] cells of equal count, features included
    recombine  ours on the same cells to the same end: the part of compress that baryx does too
    nnls       scipy's non-negative least squares on all points at once, where that is small enough
    floor      one evaluation of the N features at all points and their weighted sum: no method can do with less
The published seconds (another machine, Apple M4 Pro) are drawn as such.
"""

import math
import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from rich.table import Table

from experiments import published
from experiments.contenders import METHODS, timed
from experiments.launch import launch
from experiments.run import Analysis, Point, number
from experiments.schema import Experiment, require, require_whole
from scaling import MomentSpace, figures
from scaling.figures import BLACK, OF_DIMENSION

__all__ = ["COLUMNS", "Config", "analyse", "draw", "label", "measure", "points", "work"]

REVISION = 5  # raised whenever a change of code changes what a point measures
COLUMNS = {
    "revision": "of the code that measures",
    "method": "compress, baryx, recombine (ours on the cells given to baryx), nnls or floor",
    "m": "dimension of a point",
    "order": "k, total degree of the matched polynomials",
    "size": "d, points",
    "kept": "d', points asked for",
    "repeats": "timed calls after the first",
    "memory": "whether the peak memory was measured, in a process of its own",
    "seed": "of the points",
    "seconds": "median wall time of a warm call",
    "fastest": "least wall time of a warm call",
    "first": "wall time of the first call, compilation included",
    "residual": "largest relative mismatch of a matched moment",
    "peak_gib": "largest resident memory of a process of its own; empty where not measured",
}


@dataclass(slots=True)
class Config(Experiment):
    """Settings of the timing."""

    dimensions: list[int]  # m
    order: int  # k
    sizes: list[int]  # d
    large: list[int]  # d beyond the paper's, at m = 3, compressed to `large_kept`
    large_kept: int
    baryx: list[int]  # m at which baryx is timed, at the largest of `sizes` it can do in reasonable time
    baryx_size: int
    nnls_size: int  # largest d given to nnls
    repeats: int
    memory_from: int  # d from which the peak memory is measured, in a process of its own

    def __post_init__(self) -> None:
        Experiment.__post_init__(self)
        require(self.workers == 1, "workers", self.workers, "1: timings disturb each other")
        for key in ("dimensions", "sizes"):
            require(len(getattr(self, key)) > 0, key, getattr(self, key), "a list of at least one")
        for key in ("dimensions", "sizes", "large"):
            require(all(x >= 1 for x in getattr(self, key)), key, getattr(self, key), "whole numbers from 1")
        require_whole(self, 1, "order", "repeats", "large_kept", "baryx_size")
        least = 2 * max(MomentSpace.total_degree(m, self.order).size for m in self.dimensions)
        require(min(self.sizes) >= least, "sizes", self.sizes, f"whole numbers from {least}, twice the moments")
        require(self.large_kept >= math.comb(3 + self.order, 3), "large_kept", self.large_kept, "at least the moments")


def points(config: Config) -> list[Point]:
    """Compression and floor everywhere, baryx and nnls where they can."""
    asked = []

    def ask(method: str, m: int, d: int, kept: int) -> None:
        repeats = config.repeats if d <= 2_000_000 else 1
        identity = {"method": method, "m": m, "order": config.order, "size": d, "kept": kept, "repeats": repeats}
        asked.append(Point({}, identity | {"seed": 0, "memory": d >= config.memory_from, "revision": REVISION}))

    for m in config.dimensions:
        for d in config.sizes:
            kept = max(d // 10, MomentSpace.total_degree(m, config.order).size)
            ask("compress", m, d, kept)
            ask("floor", m, d, kept)
            if d <= config.nnls_size and m <= 3:
                ask("nnls", m, d, kept)
        if m in config.baryx:
            least = MomentSpace.total_degree(m, config.order).size
            for method in ("baryx", "recombine"):
                ask(method, m, config.baryx_size, max(config.baryx_size // 10, least))
    for d in config.large:
        ask("compress", 3, d, config.large_kept)
        ask("floor", 3, d, config.large_kept)
    return asked


def label(identity: dict[str, Any]) -> str:
    """A point in a few words, for progress lines."""
    return f"{identity['method']}, m = {identity['m']}, {identity['size']} -> {identity['kept']}"


def work(identity: dict[str, Any]) -> float:
    """Relative cost of a point: features evaluated, with a factor for the method."""
    features = identity["size"] * MomentSpace.total_degree(identity["m"], identity["order"]).size + 1e5
    return features * {"floor": 1, "compress": 10, "recombine": 10, "baryx": 100, "nnls": 100}[identity["method"]]


def measure(identities: list[dict[str, Any]], tick: Callable[[float], None]) -> list[dict[str, Any]]:
    """Times of each identity; those that measure memory run in a fresh process."""
    results = []
    for identity in identities:
        if identity["memory"]:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                results.append(pool.apply(timed, (identity,)))
        else:
            results.append(timed(identity))
        tick(work(identity))
    return results


def analyse(rows: pl.DataFrame, settings: dict[str, Any]) -> Analysis:
    """Ratios to the peer and to the floor, growth with d, peak memory."""

    def seconds(method: str, m: int, d: int) -> float:
        found = rows.filter(pl.col("method") == method, pl.col("m") == m, pl.col("size") == d)
        return found["seconds"].item() if len(found) else math.nan

    d, longest = settings["baryx_size"], max(settings["sizes"])
    numbers = {f"speedup_over_baryx_m{m}": number(seconds("baryx", m, d) / seconds("recombine", m, d)) for m in (3, 5)}
    numbers["ratio_to_floor_d1e6_m3"] = number(seconds("compress", 3, 10**6) / seconds("floor", 3, 10**6))
    numbers["seconds_m5_d128000"] = number(seconds("compress", 5, 128_000))
    ours = rows.filter(pl.col("method") == "compress", pl.col("m") == 3, pl.col("size") <= longest)
    upper = ours.filter(pl.col("size") >= longest / 16)
    slope = np.polyfit(np.log(upper["size"]), np.log(upper["seconds"]), 1)[0] if len(upper) > 1 else math.nan
    numbers["slope_d"] = number(slope)
    peak = rows.filter(pl.col("size") == 10**7, pl.col("method") == "compress")["peak_gib"]
    numbers["peak_gib_d1e7"] = number(peak.item() if len(peak) else math.nan)
    numbers["seconds_d1e7_m3"] = number(seconds("compress", 3, 10**7))
    passed = {name: check(numbers[name]["value"]) for name, check in CRITERIA.items()}
    known = {name: ok for name, ok in passed.items() if not math.isnan(numbers[name]["value"])}
    missed, complete = [name for name, ok in known.items() if not ok], len(known) == len(passed)
    verdict = "not supported" if missed else "supported" if complete else "inconclusive"
    table = Table(caption="warm wall times in seconds, medians")
    for heading in ("m", "d", "d'", *METHODS, "first call"):
        table.add_column(heading, justify="right")
    for (m, size, kept), group in rows.group_by(["m", "size", "kept"], maintain_order=True):
        shown = [seconds(method, m, size) for method in METHODS]
        first = group.filter(pl.col("method") == "compress")["first"]
        texts = ["–" if math.isnan(t) else f"{t:.3g}" for t in shown]
        table.add_row(str(m), str(size), str(kept), *texts, f"{first.item():.3g}" if len(first) else "–")
    text = "compression costs " + (
        "as little as claimed wherever it was measured." if not missed else f"more than claimed in {', '.join(missed)}."
    )
    return Analysis({}, {"claim": CLAIM, "verdict": verdict, "numbers": numbers}, table, text)


CLAIM = (
    "Compression to full precision costs within 6 times one evaluation of its features at a million points, is at "
    "least 5 times as fast as baryx on the same cells, grows at most as d^1.1, and takes ten million points in 6 GiB."
)
CRITERIA: dict[str, Callable[[float], bool]] = {
    "speedup_over_baryx_m3": lambda x: x >= 5,
    "speedup_over_baryx_m5": lambda x: x >= 5,
    "ratio_to_floor_d1e6_m3": lambda x: x <= 6,
    "seconds_m5_d128000": lambda x: x < 5,
    "slope_d": lambda x: x <= 1.1,
    "peak_gib_d1e7": lambda x: x <= 6,
    "seconds_d1e7_m3": lambda x: x < 60,
}


def draw(rows: pl.DataFrame, fits: dict[str, Any], summary: dict[str, Any]) -> Figure:
    """Wall time against d for every m, ours beside the published; and times relative to the floor."""
    figure, ((left, right),) = figures.new_figure(2, width=5.0, height=4.2)
    for m in sorted(rows["m"].unique()):
        color = OF_DIMENSION.get(m, BLACK)
        table = rows.filter(pl.col("m") == m).sort("size")
        ours, base = (table.filter(pl.col("method") == method) for method in ("compress", "floor"))
        left.plot(ours["size"], ours["seconds"], "o-", color=color, label=f"m = {m}")
        left.plot(base["size"], base["seconds"], ":", color=color)
        d, theirs = published.curve("6", "seconds", "d", f"m={m}")
        left.plot(d, theirs, "--", color=color, linewidth=0.8)
        for method, marker in (("compress", "o"), ("baryx", "s"), ("recombine", "D"), ("nnls", "^")):
            both = table.filter(pl.col("method") == method).join(base, on=["size", "kept"])
            right.plot(both["size"], both["seconds"] / both["seconds_right"], marker, color=color, ls="-")
    for line, text in ((":", "floor: features once"), ("--", "published (Apple M4 Pro)")):
        left.plot([], [], line, color="grey", label=text)
    for marker, text in (
        ("o", "scaling.compress"),
        ("s", "baryx, on cells"),
        ("D", "ours, on the same cells"),
        ("^", "scipy nnls"),
    ):
        right.plot([], [], marker, color="grey", label=text)
    left.set(xscale="log", yscale="log", xlabel="d", ylabel="warm wall time (s)", title="compressing d points, k = 5")
    right.set(
        xscale="log", yscale="log", xlabel="d", ylabel="time / floor", title="relative to evaluating the features once"
    )
    for axes in (left, right):
        axes.legend(frameon=False, fontsize=7)
    return figure


if __name__ == "__main__":
    launch("runtime")
