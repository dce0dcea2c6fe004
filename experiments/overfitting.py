"""Where a coreset stops replacing the data: over-fitting as students grow and train longer, and whether one can tell.

A student with room for it learns the noise of few samples. Test loss, loss on the samples trained on, and their gap are
followed along the training, for students of several widths on several d'. Arms, from the same start:
    full                    all d samples; full_again with other mini-batches
    fitted_labels           inputs compressed by themselves, labels fitted (scaling.compress_regression)
    squared_loss_coreset    d' weighted samples, moments P_q(x) + y P_r(x) + y^2
    paper_coreset           the same d', moments of (x, y) to a total degree, as published
    subset                  d' random samples
A coreset tracks the data until its test loss, relative to that of the full data at the same step, exceeds a limit for
good. `compress` estimates its own error from the points alone: does that predict the final ratio?
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

from experiments import paths
from experiments.errors import geometric_mean
from experiments.launch import launch
from experiments.run import Analysis, Point, number
from experiments.schema import require, require_whole
from experiments.student import COLUMNS as STUDENT
from experiments.student import (
    REPORTED,
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
from experiments.tracking import along, chosen, correlation, epochs, final_ratio, tracked
from scaling import figures
from scaling.figures import BLACK, BLUE, ORANGE, RED, SKY, Look
from scaling.regression import least_size

__all__ = ["COLUMNS", "Config", "analyse", "draw", "label", "measure", "points", "work"]

STOPS = 40  # looks at the losses in one training run
LOOKS = {
    "full": Look("full data", BLACK, "o"),
    "fitted_labels": Look("coreset, fitted labels", SKY, "p"),
    "squared_loss_coreset": Look("coreset, squared-loss moments", BLUE, "D"),
    "paper_coreset": Look("coreset, paper's moments", ORANGE, "s"),
    "subset": Look("random subset", RED, "v", "--", False),
}
SHORT = {
    "fitted_labels": "fitted_labels",
    "squared_loss_coreset": "squared_loss",
    "paper_coreset": "paper",
    "subset": "subset",
}
CORESETS = ("fitted_labels", "squared_loss_coreset", "paper_coreset")
LINES = ("-", "--", ":", "-.")
COLUMNS = STUDENT | {
    "at_steps": "optimiser steps done at each stop along the way, separated by spaces",
    "test_losses": "clean test loss at those stops, separated by spaces",
    "own_losses": "weighted loss on the (noisy) samples trained on, at those stops",
    "gap": "test loss less the loss on the samples trained on: what this difference grew by since the start",
    "estimated_error": "what `compress` estimates from the points alone",
}


@dataclass(slots=True)
class Config(Training):
    """Settings of the search for over-fitting."""

    inputs: int  # dimension m of the inputs
    activation: Activation
    other_widths: list[int]  # of the student, besides `width`
    size: int  # d
    kept: list[int]  # d', increasing
    order: int  # q
    label_order: int  # r
    paper_order: int  # k
    tracking_limit: float  # a test loss above that of full data by this factor no longer tracks
    draws: int  # of the bootstrap over seeds
    correlation_limit: float  # the verdict's criterion, written down before the shown seeds were run

    def __post_init__(self) -> None:
        Training.__post_init__(self)
        check_inputs(self, self.inputs)
        fine = all(width >= 1 for width in self.other_widths)
        require(fine, "other_widths", self.other_widths, "whole numbers from 1")
        fine = len(self.kept) > 0 and sorted(set(self.kept)) == self.kept
        require(fine, "kept", self.kept, "an increasing list of whole numbers")
        require_whole(self, 1, "order", "paper_order")
        require(0 <= self.label_order <= self.order, "label_order", self.label_order, f"0 to order={self.order}")
        squared = moment_space("squared_loss", self.inputs, self.order, self.label_order)
        paper = moment_space("total_degree", self.inputs, self.paper_order)
        least = max(squared.size, paper.size, least_size(self.inputs))
        fine = least <= self.kept[0] and self.kept[-1] < self.size
        require(fine, "kept", self.kept, f"{least} (the moments) to size={self.size} less 1")
        require(1 < self.tracking_limit < math.inf, "tracking_limit", self.tracking_limit, "a number above 1")
        require(0 < self.correlation_limit < 1, "correlation_limit", self.correlation_limit, "a number between 0 and 1")
        require_whole(self, 100, "draws")


def points(config: Config) -> list[Point]:
    """Every arm for every width, d' and seed."""
    asked, d = [], config.size
    details = {
        "fitted_labels": {"method": "fitted_labels"},
        "squared_loss_coreset": coreset("squared_loss", config.order, config.label_order),
        "paper_coreset": coreset("total_degree", config.paper_order),
        "subset": {"method": "subset"},
    }
    shared = {"size": d} | setting(config, config.inputs, config.activation) | schedule(config, d)
    for width in sorted({config.width, *config.other_widths}):
        arms = [("full", {"kept": d}), ("full_again", {"kept": d, "replicate": 1})]
        arms += [(arm, {"kept": kept} | own) for kept in config.kept for arm, own in details.items()]
        for arm, own in arms:
            for seed in config.seed_list():
                asked.append(Point({"arm": arm}, shared | {"width": width} | own | {"seed": seed}))
    return asked


def measure(identities: list[dict[str, Any]], tick: Callable[[float], None]) -> list[dict[str, Any]]:
    """Losses along the training of each identity; they differ in their seed alone."""
    stride, results = paths.stride(identities[0], STOPS), []
    for identity, path in zip(identities, paths.follow(identities, tick, stride), strict=True):
        test = path.losses(samples(identity, identity["test_size"], 0.0, "test"))
        own = path.losses(path.samples)
        results.append(
            {
                "test_loss": test[-1],
                "gap": (test[-1] - own[-1]) - (test[0] - own[0]),
                "estimated_error": path.report["estimated_error"],
                "at_steps": path.at_steps,
                "test_losses": paths.text(test),
                "own_losses": paths.text(own),
            }
            | {key: path.report[key] for key in REPORTED}
        )
    return results


def analyse(rows: pl.DataFrame, settings: dict[str, Any]) -> Analysis:
    """Final ratios and gaps, how long every coreset tracks the full data, and whether its estimated error tells."""
    draws, numbers = settings["draws"], {}
    limit, most, widths = settings["tracking_limit"], settings["epochs"], sorted(rows["width"].unique())
    table = Table(
        caption=f"final test loss over that of full data; epochs of {most} until the ratio exceeds {limit} for good"
    )
    for heading in (
        "width",
        "d -> d'",
        *(f"{LOOKS[arm].label}: ratio" for arm in SHORT),
        "tracks for",
        "gap",
        "full's gap",
    ):
        table.add_column(heading)
    for width in widths:
        whole = chosen(rows, "full", width)["gap"].to_numpy()
        numbers[f"width_{width}_gap_full"] = number(whole.mean())
        again = chosen(rows, "full_again", width)["test_loss"].to_numpy()
        noise = np.log(again) - np.log(chosen(rows, "full", width)["test_loss"].to_numpy())
        numbers[f"width_{width}_ratio_full_again"] = number(*geometric_mean(noise, draws))
        for kept in settings["kept"]:
            place, ratios = f"width_{width}_{kept}", []
            for arm, short in SHORT.items():
                ratios.append(final_ratio(rows, arm, width, kept, draws))
                numbers[f"{place}_ratio_{short}"] = number(*ratios[-1])
                numbers[f"{place}_gap_{short}"] = number(chosen(rows, arm, width, kept)["gap"].mean())
                numbers[f"{place}_epochs_{short}"] = number(tracked(rows, arm, width, kept, limit))
            ours = [numbers[f"{place}_{what}_squared_loss"]["value"] for what in ("epochs", "gap")]
            cells = (f"{value:.2f}" for value, _ in ratios)
            table.add_row(
                str(width),
                f"{settings['size']} -> {kept}",
                *cells,
                f"{ours[0]:.0f}",
                f"{ours[1]:.3f}",
                f"{whole.mean():.3f}",
            )
    for name, arms in (
        ("fitted_labels", ["fitted_labels"]),
        ("squared_loss", ["squared_loss_coreset"]),
        ("kept_labels", ["squared_loss_coreset", "paper_coreset"]),
    ):
        part = rows.filter(pl.col("arm").is_in(["full", *arms]))
        numbers[f"rank_correlation_{name}"] = number(*correlation(part, draws))
    verdict = judge(numbers, settings)
    summary = {"claim": CLAIM, "verdict": verdict, "numbers": numbers}
    return Analysis({}, summary, table, sentence(numbers, settings, widths))


CLAIM = (
    "The error that compress estimates from the points alone ranks coresets by how well students trained on them "
    "follow those trained on all data, over the number of samples, the moments and the width."
)


def judge(numbers: dict[str, Any], settings: dict[str, Any]) -> str:
    """supported: the rank correlation over both coresets that keep labels is above the limit with its whole interval.

    not supported: it lies below; inconclusive: neither.
    """
    low, high = numbers["rank_correlation_kept_labels"]["interval"]
    limit = settings["correlation_limit"]
    return "supported" if low > limit else "not supported" if high < limit else "inconclusive"


def sentence(numbers: dict[str, Any], settings: dict[str, Any], widths: list[int]) -> str:
    """The verdict for a newcomer."""
    value, most = {name: entry["value"] for name, entry in numbers.items()}, settings["epochs"]

    def tracks(short: str) -> str:
        parts = []
        for width in widths:
            fine = [kept for kept in settings["kept"] if value[f"width_{width}_{kept}_epochs_{short}"] >= most]
            parts.append(f"{width} " + (f"from d' = {min(fine)}" if fine else f"at no d' up to {settings['kept'][-1]}"))
        return ", ".join(parts)

    return (
        f"the squared-loss coreset of {settings['size']} samples tracks them all to the end at widths "
        f"{tracks('squared_loss')}; fitted labels at widths {tracks('fitted_labels')}; rank correlation of estimated "
        f"error and final loss ratio {value['rank_correlation_kept_labels']:.2f} over both coresets that keep labels, "
        f"{value['rank_correlation_squared_loss']:.2f} over those with squared-loss moments, "
        f"{value['rank_correlation_fitted_labels']:.2f} over those with fitted labels."
    )


def draw(rows: pl.DataFrame, fits: dict[str, Any], summary: dict[str, Any]) -> Figure:
    """Losses along one training; gaps against width; final ratios and tracked epochs against d'; estimates."""
    figure, grid = figures.new_figure(3, 2, width=4.0, height=3.3)
    widths, numbers = sorted(rows["width"].unique()), summary["numbers"]
    sizes = sorted(rows.filter(pl.col("arm") == "subset")["kept"].unique())
    middle = sizes[(len(sizes) - 1) // 2]
    for ax, column, name in ((grid[0, 0], "test_losses", "test loss"), (grid[0, 1], "own_losses", "loss trained on")):
        draw_losses(ax, rows, column, widths[-1], middle)
        ax.set(xlabel="epoch", ylabel=name, title=f"width {widths[-1]}, d′ = {middle}")
    grid[0, 0].set_yscale("log")
    ax = grid[0, 2]
    for arm, look in LOOKS.items():
        name = "gap_full" if arm == "full" else f"{middle}_gap_{SHORT[arm]}"
        values = [numbers[f"width_{width}_{name}"]["value"] for width in widths]
        ax.plot(widths, values, color=look.color, marker=look.marker, linestyle=look.line, label=look.label)
    ax.set(xscale="log", xlabel="width", ylabel="growth of test less own loss", title=f"over-fitting, d′ = {middle}")
    figures.ticks(ax, widths)
    for ax, what in ((grid[1, 0], "ratio"), (grid[1, 1], "epochs")):
        for arm, short in SHORT.items():
            for width, line in zip(widths, LINES, strict=False):
                values = [numbers[f"width_{width}_{kept}_{what}_{short}"]["value"] for kept in sizes]
                ax.plot(sizes, values, color=LOOKS[arm].color, marker=LOOKS[arm].marker, linestyle=line, linewidth=1)
        ax.set(xscale="log", yscale="log" if what == "ratio" else "linear", xlabel="d′")
        figures.ticks(ax, sizes)
    for width, line in zip(widths, LINES, strict=False):
        grid[1, 0].plot([], [], color="grey", linestyle=line, label=f"width {width}")
    grid[1, 0].legend(frameon=False, fontsize=7)
    grid[1, 0].axhline(1, color="black", linewidth=0.8)
    grid[1, 0].set(ylabel="final loss over that of full data", title="the price at the end")
    grid[1, 1].set(ylabel="epochs", title="how long it tracks")
    draw_estimates(grid[1, 2], rows, widths, sizes)
    grid[1, 2].set(title=f"rank correlation {numbers['rank_correlation_kept_labels']['value']:.2f}")
    figures.legend_below(figure, grid[0, 2], columns=5)
    figure.suptitle(f"Verdict: {summary['verdict']}.", fontsize=9)
    return figure


def draw_losses(ax: Axes, rows: pl.DataFrame, column: str, width: int, kept: int) -> None:
    """Geometric means over seeds along the training."""
    for arm, look in LOOKS.items():
        own = chosen(rows, arm, width, kept)
        ax.plot(epochs(own), np.exp(np.log(along(own, column)).mean(axis=0)), color=look.color, linestyle=look.line)


def draw_estimates(ax: Axes, rows: pl.DataFrame, widths: list[int], sizes: list[int]) -> None:
    """Final loss ratio of every coreset against its estimated error, geometric means over seeds."""
    for arm in CORESETS:
        for width, size in zip(widths, (3, 5, 7, 9), strict=False):
            ratios = [final_ratio(rows, arm, width, kept, 0)[0] for kept in sizes]
            errors = [np.exp(np.log(chosen(rows, arm, width, kept)["estimated_error"]).mean()) for kept in sizes]
            look = LOOKS[arm]
            ax.plot(errors, ratios, color=look.color, marker=look.marker, markersize=size, linestyle="none", mfc="none")
    ax.axhline(1, color="black", linewidth=0.8)
    ax.set(xscale="log", yscale="log", xlabel="estimated error (larger marks: wider)", ylabel="final loss ratio")


if __name__ == "__main__":
    launch("overfitting")
