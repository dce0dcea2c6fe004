"""Does the rate follow the dimension of the space or that of the manifold the objects lie on?

Objects lie on curved manifolds of dimension n = 1, 2, 3 in R^6: w_j = sin(<a_j, t> + b_j), t uniform in [-1, 1]^n, a_j
uniform in [-1, 1]^n and b_j in [-pi, pi], drawn for each trial; n = 6 is the full cube. They are compressed to
d' = max([d / 10], N) by moments to degree k in all 6 coordinates, in compact cells and nothing else; nothing is told
about the manifold. The function is the mean over 10 probes of sigmoid(<w, x>). Candidates for the exponent:
    ambient    (k + 1) / 6 + 1/2
    intrinsic  (k + 1) / n + 1/2
    counted    (k' + 1) / n + 1/2, k' the largest degree with C(n + k', n) <= N: on a curved manifold, N functions of
               the 6 coordinates that are independent there do the work of N polynomials in n variables
"""

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
from scaling.figures import BLACK, BLUE, GREEN, PURPLE, RED, Look
from scaling.moments import polynomials
from scaling.symmetric import PROBES, sigmoid_probes

__all__ = ["COLUMNS", "Config", "analyse", "draw", "label", "measure", "points", "work"]

REVISION = 1  # raised whenever a change of code changes what a point measures
AMBIENT = 6
COLUMNS = {
    "intrinsic": "n, dimension of the manifold; 6 is the full cube",
    "order": "k, degree of the moments in all 6 coordinates, kept cell by cell",
    "size": "d, objects",
    "kept": "d', objects asked for",
    "seed": "of the manifold, the probes and the objects",
    "revision": "of the code that measures",
    "error": "|f(compressed) - f(all)|",
}
COLORS = {1: PURPLE, 2: GREEN, 3: BLUE, 6: RED}
MARKERS = {1: "o", 2: "s", 3: "D", 6: "^"}


@dataclass(slots=True)
class Config(Experiment):
    """Settings of the measurement."""

    intrinsic: list[int]  # n
    orders: list[int]  # k
    sizes: list[int]  # d
    trials: int
    floor: float  # mean errors up to this are rounding and enter no fit
    tolerance: float  # the verdict: no exponent is this far below (k + 1) / n + 1/2
    least_sizes: int
    draws: int

    def __post_init__(self) -> None:
        Experiment.__post_init__(self)
        require_numbers(self, "intrinsic", "orders", "sizes")
        require(max(self.intrinsic) <= AMBIENT, "intrinsic", self.intrinsic, f"whole numbers from 1 to {AMBIENT}")
        most = polynomials(AMBIENT, max(self.orders))
        require(min(self.sizes) > most, "sizes", self.sizes, f"whole numbers above {most}, the moments to keep")
        require_whole(self, 2, "trials", "least_sizes")
        require_whole(self, 100, "draws")
        require_positive(self, "floor", "tolerance")


def points(config: Config) -> list[Point]:
    """Every order at every size, on every manifold."""
    return [
        Point({}, {"intrinsic": n, "order": k, "size": d, "kept": max(d // 10, polynomials(AMBIENT, k)), "seed": trial,
                   "revision": REVISION})
        for n in config.intrinsic
        for k in config.orders
        for d in config.sizes
        for trial in range(config.trials)
    ]  # fmt: skip


def label(identity: dict[str, Any]) -> str:
    """A point in a few words, for progress lines."""
    return f"n = {identity['intrinsic']}, k = {identity['order']}, {identity['size']} -> {identity['kept']}"


def work(identity: dict[str, Any]) -> float:
    """Relative cost of a point."""
    return cost(identity["size"], polynomials(AMBIENT, identity["order"]))


def trial(intrinsic: int, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probes (10, 6) and objects (d, 6) on a random manifold of dimension n, in the cube itself for n = 6."""
    rng = np.random.default_rng([intrinsic, size, seed])
    probes = rng.uniform(-1, 1, (PROBES, AMBIENT))
    slopes, shifts = rng.uniform(-1, 1, (intrinsic, AMBIENT)), rng.uniform(-np.pi, np.pi, AMBIENT)
    places = rng.uniform(-1, 1, (size, intrinsic))
    return probes, places if intrinsic == AMBIENT else np.sin(places @ slopes + shifts)


def measure(identities: list[dict[str, Any]], tick: Callable[[float], None]) -> list[dict[str, Any]]:
    """The error of each identity."""
    results = []
    for identity in identities:
        probes, objects = trial(identity["intrinsic"], identity["size"], identity["seed"])
        chosen, weights, _ = compressed("cells", objects, identity["kept"], identity["order"])
        results.append({"error": sigmoid_probes(probes).error(objects, objects[chosen], weights)})
        tick(work(identity))
    return results


def theories(n: int, k: int) -> dict[str, float]:
    """The three candidates for the exponent."""
    counted = 0
    while polynomials(n, counted + 1) <= polynomials(AMBIENT, k):
        counted += 1
    powers = {"ambient": (k + 1) / AMBIENT, "intrinsic": (k + 1) / n, "counted": (counted + 1) / n}
    return {name: power + 0.5 for name, power in powers.items()}


def analyse(rows: pl.DataFrame, settings: dict[str, Any]) -> Analysis:
    """Exponents on every manifold against the three candidates."""
    numbers, fits, votes = {}, {}, []
    table = Table(caption="exponent of the mean error against d; candidates")
    for heading in ("n", "k", "sizes", "exponent", "ambient", "intrinsic", "counted"):
        table.add_column(heading, justify="right")
    for n in settings["intrinsic"]:
        for k in settings["orders"]:
            here = rows.filter(pl.col("intrinsic") == n, pl.col("order") == k)
            found = unsaturated(here, settings["floor"], settings["draws"])
            value, ends = found.exponent()
            expected = theories(n, k)
            fits[f"n={n},k={k}"] = {"exponent": value, "interval": ends, "sizes": found.x} | expected
            texts = [f"{x:.2f}" for x in expected.values()]
            shown = interval_text(value, ends) if len(found.x) > 1 else "–"
            table.add_row(str(n), str(k), str(len(found.x)), shown, *texts)
            if len(found.x) >= settings["least_sizes"]:
                numbers[f"exponent_n{n}_k{k}"] = number(value, ends)
                if n < AMBIENT:
                    votes.append(vote(value, ends, expected, settings["tolerance"]))
    verdict = "inconclusive" if not votes or 0 in votes else "supported" if min(votes) > 0 else "inconclusive"
    verdict = "not supported" if votes and min(votes) < 0 else verdict
    text = (
        f"on {votes.count(1)} of {len(votes)} manifolds and orders the exponent is above that of 6 dimensions and at "
        f"least that of the manifold; on {votes.count(-1)} it is clearly below the manifold's."
    )
    return Analysis(fits, {"claim": CLAIM, "verdict": verdict, "numbers": numbers}, table, text)


CLAIM = (
    "For objects on a curved manifold of dimension n in R^6 the error of a compressed mean falls at least as fast as "
    "d^-((k+1)/n + 1/2): the rate follows the intrinsic dimension, without being told of it."
)


def vote(value: float, ends: tuple[float, float], expected: dict[str, float], tolerance: float) -> int:
    """1: at least the intrinsic exponent and clearly above the ambient one; -1: clearly below the intrinsic one."""
    if ends[1] < expected["intrinsic"] - tolerance:
        return -1
    return int(value >= expected["intrinsic"] - tolerance and ends[0] > expected["ambient"])


def draw(rows: pl.DataFrame, fits: dict[str, Any], summary: dict[str, Any]) -> Figure:
    """Mean error against d for every order, a line for each manifold; exponents against the order."""
    manifolds, orders = sorted(rows["intrinsic"].unique()), sorted(rows["order"].unique())
    figure, (panels,) = figures.new_figure(len(orders) + 1, width=3.5, height=3.5)
    *levels, last = panels
    for axes, k in zip(levels, orders, strict=True):
        for n in manifolds:
            curve = errors(rows.filter(pl.col("intrinsic") == n, pl.col("order") == k), "size", 1000)
            look = Look(f"n = {n}" if n < AMBIENT else "full cube", COLORS.get(n, BLACK), MARKERS.get(n, "x"))
            figures.measured(axes, curve.x, *curve[1:4], look)
            axes.plot(curve.x, curve.value, "-", color=look.color)
        axes.set(
            xscale="log", yscale="log", ylim=(1e-17, None), title=f"k = {k}, N = {polynomials(AMBIENT, k)}", xlabel="d"
        )
        axes.xaxis.set_minor_formatter("")
    levels[0].set_ylabel("mean error")
    for i, n in enumerate(manifolds):
        found = [fits[f"n={n},k={k}"] for k in orders]
        values = np.array([[f["exponent"], *f["interval"]] for f in found], float).T
        look = Look("", COLORS.get(n, BLACK), MARKERS.get(n, "x"))
        figures.measured(last, np.array(orders) + 0.05 * (i - 1.5), *values, look)
        last.plot(orders, [f["intrinsic"] for f in found], "--", color=look.color, linewidth=0.9)
        if n < AMBIENT:
            last.plot(orders, [f["counted"] for f in found], ":", color=look.color, linewidth=0.9)
    last.plot([], [], "--", color="grey", label="(k + 1)/n + 1/2")
    last.plot([], [], ":", color="grey", label="by the count of independent functions")
    last.set(title="exponents", xlabel="order k", xticks=orders, yscale="log", ylim=(0.3, 50))
    last.legend(frameon=False, fontsize=7)
    figures.legend_below(figure, levels[0], columns=4)
    return figure


if __name__ == "__main__":
    launch("intrinsic_dimension")
