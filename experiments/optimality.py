"""How near is compression to what no method can beat? Theorem 8 with its constants, on quasi-uniform points.

Objects: a grid in [-1, 1]^m, each point moved at random within the middle of its own cell. Functions: those analytic in
a polyellipse of radius rho, of unit norm (scaling.adversarial). Whatever d' weighted objects stand for all of them, the
worst of these functions errs by at least A exp(-B d'^(1/m)) in the mean, A d exp(-B d'^(1/m)) in the sum, with A and B
computed, not fitted. Measured for every method, in the mean:
    witness   the error on q^2, q the smoothest polynomial of least degree that vanishes on all survivors
    worst     the error on the worst function of the class, exactly
Methods: one_cell (compress at the largest order that d' objects can keep, so that all of them are one cell: the choice
of the theorem), compress (the order it chooses, for functions it does not know), kmeans (centres with their masses),
random (a subset, equal weights). Sizes d' at which one_cell would be at the rounding are left out.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from rich.table import Table

from experiments.arms import interval_text
from experiments.errors import Errors, errors, geometric
from experiments.launch import launch
from experiments.run import Analysis, Point, judged, number
from experiments.schema import Experiment, require, require_numbers, require_positive, require_whole
from scaling import MomentSpace, adversarial, compress, figures
from scaling.baselines import kmeans
from scaling.figures import BLACK, BLUE, GREEN, RED, SKY, Look
from scaling.moments import polynomials
from scaling.order import largest_order
from scaling.tasks import Dataset

__all__ = ["COLUMNS", "Config", "analyse", "draw", "label", "measure", "points", "work"]

REVISION = 1  # raised whenever a change of code changes what a point measures
COLUMNS = {
    "method": "one_cell, compress, kmeans or random",
    "m": "dimension of an object",
    "size": "objects asked for; d is the nearest m-th power",
    "kept": "d', objects asked for after compression",
    "radius": "rho, of the polyellipse in which the functions are analytic",
    "top": "degree up to which the worst error is summed",
    "seed": "of the objects, and of the random subset",
    "revision": "of the code that measures",
    "worst": "error of the mean on the worst function of the class",
    "witness": "error of the mean on the adversarial polynomial q^2 of unit norm",
    "bound": "A exp(-B d'^(1/m)): least worst error of any d' weighted objects",
    "order": "k kept cell by cell; empty for kmeans and random",
}
LOOKS = {
    "random": Look("random subset", RED, "v", "--", False),
    "kmeans": Look("k-means centres with masses", GREEN, "^", "-."),
    "compress": Look("compress, its own order", SKY, "s"),
    "one_cell": Look("compress, largest order", BLUE, "D"),
}


@dataclass(slots=True)
class Config(Experiment):
    """Settings of the measurement."""

    dimensions: list[int]  # m
    size: int  # about d
    kept: list[int]  # d'
    radius: float
    tops: list[int]  # degree to which the worst error is summed, for each m
    seeds: int
    floor: float  # errors up to this are rounding and the cut at `tops`, and enter no fit
    rate_limit: float  # the verdict: one_cell decays at this fraction of the bound's rate or faster, for every m
    draws: int

    def __post_init__(self) -> None:
        Experiment.__post_init__(self)
        require_numbers(self, "dimensions", "kept")
        fine = len(self.tops) == len(self.dimensions) and min(self.tops) >= 1
        require(fine, "tops", self.tops, "a whole number from 1 for each of dimensions")
        least = max(self.dimensions) + 1
        require(least <= min(self.kept), "kept", self.kept, f"whole numbers from {least}, to keep order 1")
        require(2 * max(self.kept) <= self.size, "size", self.size, f"a whole number from {2 * max(self.kept)}")
        require(1 < self.radius < math.inf, "radius", self.radius, "a number above 1")
        require_whole(self, 2, "seeds")
        require_whole(self, 100, "draws")
        require_positive(self, "floor", "rate_limit")


def points(config: Config) -> list[Point]:
    """Every method at every d'."""
    return [
        Point({}, {"method": method, "m": m, "size": config.size, "kept": kept, "radius": config.radius, "top": top,
                   "seed": seed, "revision": REVISION})
        for m, top in zip(config.dimensions, config.tops, strict=True)
        for kept in config.kept
        if config.radius ** -(largest_order(m, kept) + 1) > config.floor
        for method in LOOKS
        for seed in range(config.seeds)
    ]  # fmt: skip


def label(identity: dict[str, Any]) -> str:
    """A point in a few words, for progress lines."""
    return f"{identity['method']}, m = {identity['m']}, {identity['size']} -> {identity['kept']}"


def work(identity: dict[str, Any]) -> float:
    """Relative cost of a point: means of all features, and the polynomial that vanishes."""
    return identity["size"] * polynomials(identity["m"], identity["top"]) + identity["kept"] ** 3


def quasi_uniform(dimension: int, size: int, seed: int) -> np.ndarray:
    """Points (d, m) in [-1, 1]^m: a grid, each moved at random by at most a quarter of its spacing."""
    side = round(size ** (1 / dimension))
    grid = np.stack(np.meshgrid(*(np.arange(side),) * dimension, indexing="ij"), axis=-1).reshape(-1, dimension)
    moved = grid + 0.5 + np.random.default_rng([seed, dimension]).uniform(-0.25, 0.25, grid.shape)
    return 2 * moved / side - 1


@lru_cache(maxsize=32)
def everything(dimension: int, size: int, seed: int, top: int) -> tuple[np.ndarray, np.ndarray]:
    """All points (d, m), and the means over them of the features up to degree `top` (N,)."""
    cloud = quasi_uniform(dimension, size, seed)
    return cloud, adversarial.means(cloud, np.ones(len(cloud)), MomentSpace.total_degree(dimension, top))


def reduced(method: str, cloud: np.ndarray, kept: int, seed: int) -> tuple[np.ndarray, np.ndarray, int | None]:
    """Survivors (n, m) of a method, their weights (n,), and the order where one was chosen."""
    if method in ("compress", "one_cell"):
        order = largest_order(cloud.shape[1], kept) if method == "one_cell" else None
        coreset = compress(cloud, kept, order=order)
        return coreset.points, coreset.weights, coreset.order
    if method == "random":
        return cloud[np.random.default_rng(seed).choice(len(cloud), kept, replace=False)], np.ones(kept), None
    ones = np.ones(len(cloud))
    centres = kmeans(Dataset(cloud, 0 * ones, ones), kept, seed=seed)
    return centres.inputs.astype(float), centres.weights.astype(float), None


def measure(identities: list[dict[str, Any]], tick: Callable[[float], None]) -> list[dict[str, Any]]:
    """Worst error, witness and bound of each identity."""
    results = []
    for identity in identities:
        m, kept, radius, top, seed = (identity[key] for key in ("m", "kept", "radius", "top", "seed"))
        cloud, whole = everything(m, identity["size"], seed, top)
        survivors, weights, order = reduced(identity["method"], cloud, kept, seed)
        space = MomentSpace.total_degree(m, top)
        worst = adversarial.worst_error(adversarial.means(survivors, weights, space) - whole, space, radius)
        polynomial, low = adversarial.vanishing(survivors, radius)
        table = adversarial.features(cloud, low)
        witness = np.mean((table @ polynomial) ** 2) / adversarial.square_norm(polynomial, low, radius)
        degree = MomentSpace.total_degree(m, adversarial.least_degree(m, kept))
        table = adversarial.features(cloud, degree)
        least = np.linalg.eigvalsh(table.T @ table / len(cloud))[0]
        bound = adversarial.lower_bound(m, kept, radius, least)
        results.append({"worst": worst, "witness": float(witness), "bound": float(bound), "order": order})
        tick(work(identity))
    return results


def curve(rows: pl.DataFrame, method: str, m: int, column: str, draws: int) -> Errors:
    """Geometric mean over seeds of a column against d'."""
    rows = rows.filter(pl.col("method") == method, pl.col("m") == m)
    return errors(rows, "kept", draws, geometric, column)


def analyse(rows: pl.DataFrame, settings: dict[str, Any]) -> Analysis:
    """Rate of decay along d'^(1/m) relative to the bound's, and the distance to the bound."""
    draws, floor, numbers, fits, shares = settings["draws"], settings["floor"], {}, {}, []
    table = Table(caption="worst error ~ exp(-rate d'^(1/m)); the bound's rate over the same d'")
    for heading in ("m", "d' fitted", "rate of the bound", *LOOKS, "one cell / bound"):
        table.add_column(heading, justify="right")
    for m in settings["dimensions"]:
        texts = []
        bound = curve(rows, "compress", m, "bound", draws)
        for method in LOOKS:
            found = curve(rows, method, m, "worst", draws)
            used = found.at(found.value > floor)
            rate, ends = used.slope(used.x ** (1 / m), -1.0)
            fits[f"m={m},{method}"] = {"rate": rate, "interval": ends, "kept": used.x}
            texts.append(interval_text(rate, ends))
            if method in ("compress", "one_cell"):
                line, _ = bound.at(found.value > floor).slope(used.x ** (1 / m), -1.0)
                share, ends = rate / line, (ends[0] / line, ends[1] / line)
                numbers[f"rate_share_{method}_m{m}"] = number(share, ends)
                fitted = f"{used.x.min():g} to {used.x.max():g}" if len(used.x) else "–"
        shares.append((share, ends))
        fits[f"m={m}"] = {"rate_of_bound": line, "B": adversarial.bound_rate(m, settings["radius"])}
        numbers[f"B_m{m}"] = number(adversarial.bound_rate(m, settings["radius"]))
        table.add_row(str(m), fitted, f"{line:.2f}", *texts, interval_text(share, ends))
    nearest = (rows["witness"] / rows["bound"]).min()
    numbers["least_witness_over_bound"] = number(nearest)
    verdict = judge(shares, settings["rate_limit"])
    text = "the worst error of compress at the largest order decays at " + ", ".join(
        f"{share:.2f} (m = {m})" for m, (share, _) in zip(settings["dimensions"], shares, strict=True)
    )
    text += (
        f" of the rate that no method can exceed; the adversary is nowhere below the bound ({nearest:.1f} times it)."
    )
    return Analysis(fits, {"claim": CLAIM, "verdict": verdict, "numbers": numbers}, table, text)


CLAIM = (
    "The worst error of compressed quasi-uniform points falls as exp(-const d'^(1/m)) at about half or more "
    "of the rate that no method can exceed: compression to polylog d objects is optimal up to the constant."
)


def judge(shares: list[tuple[float, tuple[float, float]]], limit: float) -> str:
    """Every rate is at least the limit."""
    return judged([(ends, limit, math.inf) for _, ends in shares])


def draw(rows: pl.DataFrame, fits: dict[str, Any], summary: dict[str, Any]) -> Figure:
    """Worst error of every method, the adversary's on compress, and the bound, against d'^(1/m)."""
    dimensions = sorted(rows["m"].unique())
    figure, (panels,) = figures.new_figure(len(dimensions), width=4.2, height=3.7)
    for axes, m in zip(panels, dimensions, strict=True):
        for method, look in LOOKS.items():
            found = curve(rows, method, m, "worst", 1000)
            figures.measured(axes, found.x ** (1 / m), *found[1:4], look)
            axes.plot(found.x ** (1 / m), found.value, look.line, color=look.color, zorder=2)
        witness = curve(rows, "one_cell", m, "witness", 1000)
        axes.plot(
            witness.x ** (1 / m), witness.value, "x:", color=BLUE, label="largest order, on q² that vanishes on it"
        )
        bound = curve(rows, "compress", m, "bound", 1000)
        axes.fill_between(bound.x ** (1 / m), bound.value, 1e-40, color="0.9", zorder=0)
        axes.plot(bound.x ** (1 / m), bound.value, color=BLACK, label="no method can be below")
        title = f"m = {m}, B = {fits[f'm={m}']['B']:.2f}"
        lowest = max(1e-19, bound.value.min() / 10)
        axes.set(yscale="log", title=title, xlabel="d′$^{1/m}$", ylim=(lowest, 3))
    panels[0].set_ylabel(f"error, functions analytic to radius {rows['radius'][0]:g}")
    figures.legend_below(figure, panels[0], columns=3)
    return figure


if __name__ == "__main__":
    launch("optimality")
