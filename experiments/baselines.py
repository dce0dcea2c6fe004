"""What a user would otherwise pick: the coreset beside every other way from d samples to d' weighted ones.

All arms get the same number of samples, the same optimiser and as many steps as the full data. As few samples invite
over-fitting, which early stopping hides, ratios are also taken at each arm's best checkpoint. Arms:
    full                    all d samples; full_again with other mini-batches: the noise beside which ratios are read
    fitted_labels           inputs compressed by themselves, labels fitted (scaling.compress_regression)
    squared_loss_coreset    moments P_q(x) + y P_r(x) + y^2; the degrees depend on d'
    paper_coreset           moments of (x, y) to a total degree, as published
    kmeans                  centres of the inputs with the mean label and the mass of their cluster: not a subset
    kernel_thinning         a subset with the mean of a Gaussian kernel on (x, y), by a kept library
    leverage, gradient_norm importance sampling with unbiased weights
    subset                  random samples
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.table import Table

from experiments import paths
from experiments.arms import curve, interval_text, ratio
from experiments.launch import launch
from experiments.run import Analysis, Point, bars, number
from experiments.schema import require, require_distinct, require_whole, show
from experiments.student import COLUMNS as STUDENT
from experiments.student import (
    REPORTED,
    VALIDATION,
    Activation,
    Training,
    check_inputs,
    coreset,
    label,
    moment_space,
    samples,
    schedule,
    setting,
    work,
)
from scaling import figures
from scaling.baselines import BASELINES
from scaling.figures import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED, SKY, YELLOW, Look
from scaling.regression import least_size

__all__ = ["COLUMNS", "Config", "analyse", "draw", "label", "measure", "points", "work"]

STOPS = 32  # checkpoints in one training run
COLUMNS = STUDENT | {
    "method": f"full, fitted_labels, coreset, or one of {', '.join(BASELINES)}",
    "best_test_loss": f"the same at the checkpoint of {STOPS} that is best on {VALIDATION} noisy validation samples",
}
LOOKS = {
    "full_again": Look("full data, other mini-batches", BLACK, "x", ":"),
    "fitted_labels": Look("coreset, fitted labels", BLACK, "o"),
    "squared_loss_coreset": Look("coreset, squared-loss moments", BLUE, "D"),
    "paper_coreset": Look("coreset, paper's moments", ORANGE, "s"),
    "kmeans": Look("k-means centres, mean labels", GREEN, "^"),
    "kernel_thinning": Look("kernel thinning", PURPLE, "P", "--", False),
    "leverage": Look("importance: leverage", SKY, "<", "--", False),
    "gradient_norm": Look("importance: gradient norm", YELLOW, ">", "--", False),
    "subset": Look("random subset", RED, "v", "--", False),
}
OURS = "fitted_labels"


@dataclass(slots=True)
class Config(Training):
    """Settings of the comparison."""

    inputs: int  # dimension m of the inputs
    activations: list[Activation]  # of teacher and student: a task each
    size: int  # d
    kept: list[int]  # d', increasing
    orders: list[int]  # q of the squared-loss moments at each d'
    label_orders: list[int]  # r
    paper_orders: list[int]  # k of the paper's moments
    methods: list[str]
    draws: int  # of the bootstrap over seeds

    def __post_init__(self) -> None:
        Training.__post_init__(self)
        check_inputs(self, self.inputs)
        accepted = "a list with at least one entry, without repetition"
        require_distinct(self, accepted, "activations", "kept", "methods")
        least = least_size(self.inputs)
        fine = all(least <= kept < self.size for kept in self.kept)
        require(fine, "kept", self.kept, f"whole numbers from {least} to size={self.size} less 1")
        for key in ("orders", "label_orders", "paper_orders"):
            fine = len(getattr(self, key)) == len(self.kept)
            require(fine, key, getattr(self, key), f"as many as kept={show(self.kept)}")
        for kept, order, label_order, paper in zip(
            self.kept, self.orders, self.label_orders, self.paper_orders, strict=True
        ):
            require(0 <= label_order <= order, "label_orders", label_order, f"0 to its order, {order}")
            spaces = moment_space("squared_loss", self.inputs, order, label_order), paper_space(self, paper)
            for key, space in zip(("orders", "paper_orders"), spaces, strict=True):
                reason = f"orders whose moments ({space.size}) fit into kept={kept}"
                require(space.size <= kept, key, getattr(self, key), reason)
        known = set(self.methods) <= set(BASELINES)
        require(known, "methods", self.methods, f"a list of {', '.join(BASELINES)}")
        there = "kernel_thinning" not in self.methods or find_spec("goodpoints") is not None
        require(there, "methods", self.methods, "without kernel_thinning, or the extra `baselines` installed")
        require_whole(self, 100, "draws")


def paper_space(config: Config, order: int):
    """The moments of the objects (x, y) to a total degree."""
    require(order >= 1, "paper_orders", order, "whole numbers from 1")
    return moment_space("total_degree", config.inputs, order)


def points(config: Config) -> list[Point]:
    """Every way at every d', for every task and seed."""
    asked, d = [], config.size
    for activation in config.activations:
        shared = {"size": d} | setting(config, config.inputs, activation) | schedule(config, d)
        arms = [("full", {"kept": d}), ("full_again", {"kept": d, "replicate": 1})]
        for kept, order, label_order, paper in zip(
            config.kept, config.orders, config.label_orders, config.paper_orders, strict=True
        ):
            arms.append((OURS, {"kept": kept, "method": "fitted_labels"}))
            arms.append(("squared_loss_coreset", {"kept": kept} | coreset("squared_loss", order, label_order)))
            arms.append(("paper_coreset", {"kept": kept} | coreset("total_degree", paper)))
            arms += [(method, {"kept": kept, "method": method}) for method in config.methods]
        for arm, details in arms:
            asked += [Point({"arm": arm}, shared | details | {"seed": seed}) for seed in config.seed_list()]
    return asked


def measure(identities: list[dict[str, Any]], tick: Callable[[float], None]) -> list[dict[str, Any]]:
    """Test loss after training on what each identity picks; they differ in their seed alone."""
    stride, results = 64 * math.ceil(identities[0]["steps"] / (64 * STOPS)), []
    for identity, path in zip(identities, paths.follow(identities, tick, stride), strict=True):
        test = samples(identity, identity["test_size"], 0.0, "test")
        best = np.argmin(path.losses(samples(identity, VALIDATION, identity["noise"], "validation")))
        last, early = (paths.mean_loss(path.network, path.params[stop], test) for stop in (-1, best))
        losses = {"test_loss": last, "best_test_loss": early}
        results.append(losses | {key: path.report[key] for key in REPORTED})
    return results


def losses(rows: pl.DataFrame, activation: str, arm: str, kept: int | None = None, loss: str = "test_loss"):
    """The curve of an arm at one d'."""
    rows = rows.filter(pl.col("activation") == activation)
    return curve(rows if kept is None else rows.filter(pl.col("kept") == kept), arm, loss)


def analyse(rows: pl.DataFrame, settings: dict[str, Any]) -> Analysis:
    """Loss of every way over that of the full data, and of the coreset over every other way, paired by seed."""
    draws, numbers = settings["draws"], {}
    others = ["squared_loss_coreset", "paper_coreset", *settings["methods"]]
    table = Table(caption="final test loss over that of the full data, paired by seed; 95 % intervals")
    for heading in ("task", "way", "seconds", *(f"{settings['size']} -> {kept}" for kept in settings["kept"])):
        table.add_column(heading)
    for activation in settings["activations"]:
        full = losses(rows, activation, "full")
        again = ratio(losses(rows, activation, "full_again"), full, draws).largest_size()
        numbers[f"{activation}_ratio_full_again"] = number(*again)
        table.add_row(
            activation, LOOKS["full_again"].label, "0", interval_text(*again), *[""] * (len(settings["kept"]) - 1)
        )
        for arm in (OURS, *others):
            own = rows.filter(pl.col("activation") == activation, pl.col("arm") == arm)
            seconds = own.group_by("kept").agg(pl.col("reduce_seconds").median()).sort("kept")["reduce_seconds"].mean()
            numbers[f"{activation}_seconds_{arm}"] = number(seconds)
            cells = []
            for kept in settings["kept"]:
                found = losses(rows, activation, arm, kept)
                entry = ratio(found, full, draws).largest_size()
                numbers[f"{activation}_{kept}_ratio_{arm}"] = number(*entry)
                best = (losses(rows, activation, *of, "best_test_loss") for of in ((arm, kept), ("full", None)))
                numbers[f"{activation}_{kept}_best_ratio_{arm}"] = number(*ratio(*best, draws).largest_size())
                cells.append(interval_text(*entry))
                if arm != OURS:
                    ours = losses(rows, activation, OURS, kept)
                    numbers[f"{activation}_{kept}_coreset_over_{arm}"] = number(
                        *ratio(ours, found, draws).largest_size()
                    )
            table.add_row(activation, LOOKS[arm].label, f"{seconds:.2f}", *cells)
    verdict = judge(numbers)
    return Analysis({}, {"claim": CLAIM, "verdict": verdict, "numbers": numbers}, table, sentence(numbers))


CLAIM = (
    "At equal d' and equal training, compressed inputs with fitted labels train a better student than any other way to "
    "pick or merge d' samples, on every task and at every d'."
)


def comparisons(numbers: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Loss of the coreset over that of each other way, by task, d' and way."""
    return {name: entry for name, entry in numbers.items() if "_coreset_over_" in name}


def judge(numbers: dict[str, Any]) -> str:
    """supported: every interval of the coreset's loss over another way's ends below 1.

    not supported: some interval begins above 1; inconclusive: neither.
    """
    intervals = [entry["interval"] for entry in comparisons(numbers).values()]
    if any(low > 1 for low, _ in intervals):
        return "not supported"
    return "supported" if all(high < 1 for _, high in intervals) else "inconclusive"


def sentence(numbers: dict[str, Any]) -> str:
    """The verdict for a newcomer: where the coreset is ahead, where behind, where neither is certain."""
    groups = {"ahead": [], "level": [], "behind": []}
    for name, entry in comparisons(numbers).items():
        low, high = entry["interval"]
        place, _, way = name.partition("_coreset_over_")
        groups["ahead" if high < 1 else "behind" if low > 1 else "level"].append(
            f"{way} ({place.replace('_', ', ')}: {entry['value']:.2f})"
        )
    total = sum(map(len, groups.values()))
    text = f"the coreset is ahead in {len(groups['ahead'])} of {total} comparisons"
    for state, words in (("level", "level within the noise with"), ("behind", "behind")):
        if groups[state]:
            text += f"; {words} {', '.join(groups[state])}"
    return text + "."


def draw(rows: pl.DataFrame, fits: dict[str, Any], summary: dict[str, Any]) -> Figure:
    """Loss ratio to the full data against d' on every task, and against the seconds of the reduction.

    Above after the last step, below at the best checkpoint.
    """
    tasks = list(rows["activation"].unique(maintain_order=True))
    figure, grid = figures.new_figure(len(tasks) + 1, 2, width=4.2, height=3.4)
    sizes = sorted(set(rows["kept"]) - set(rows["size"]))
    ways = [arm for arm in LOOKS if arm != "full_again" and arm in set(rows["arm"])]
    for panels, what, when in ((grid[0], "ratio", "final test loss"), (grid[1], "best_ratio", "best test loss")):
        for ax, activation in zip(panels, tasks, strict=False):
            draw_ratios(ax, summary["numbers"], activation, sizes, ways, what)
            ax.set(title=f"{activation}, d = {rows['size'][0]:,}")
        panels[0].set_ylabel(f"{when} over that of full data")
        draw_times(panels[-1], summary["numbers"], tasks[0], sizes[len(sizes) // 2], ways, what)
    figures.legend_below(figure, grid[0, 0], columns=4)
    figure.suptitle(f"Verdict: {summary['verdict']}.", fontsize=9)
    return figure


def draw_ratios(
    ax: Axes, numbers: dict[str, Any], activation: str, sizes: list[int], ways: list[str], what: str
) -> None:
    """Ratios of every way against d'; the noise of the full data as a band."""
    noise = np.array(numbers[f"{activation}_ratio_full_again"]["interval"], float)
    ax.axhspan(*noise, color="#dddddd", zorder=0, label=LOOKS["full_again"].label)
    ax.axhline(1, color="black", linewidth=0.8)
    for shift, arm in zip(np.linspace(-0.04, 0.04, len(ways)), ways, strict=True):
        values, *ends = bars([numbers[f"{activation}_{kept}_{what}_{arm}"] for kept in sizes])
        x = np.array(sizes) * np.exp(shift)
        figures.measured(ax, x, values, *ends, LOOKS[arm])
        figures.law(ax, x, values, LOOKS[arm])
    ax.set(xscale="log", yscale="log", xlabel="d′")
    figures.ticks(ax, sizes)


def draw_times(ax: Axes, numbers: dict[str, Any], activation: str, kept: int, ways: list[str], what: str) -> None:
    """Ratios of every way at one d' against the seconds it takes."""
    for arm in ways:
        seconds, entry = numbers[f"{activation}_seconds_{arm}"]["value"], numbers[f"{activation}_{kept}_{what}_{arm}"]
        figures.measured(ax, [max(seconds, 1e-3)], *bars([entry]), LOOKS[arm])
    ax.axhline(1, color="black", linewidth=0.8)
    ax.set(xscale="log", yscale="log", xlabel="seconds to pick", title=f"{activation}, d′ = {kept}")


if __name__ == "__main__":
    launch("baselines")
