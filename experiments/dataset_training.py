"""A thousand weighted samples in place of ten thousand, and of many more: Fig. 3 of arXiv 2510.00504 with error bars.

A two-layer ReLU student learns a two-layer ReLU teacher from noisy samples, four times: by gradient descent and by
AdamW on all samples at once, by SGD and by AdamW on mini-batches. Then SGD again with many more samples behind the same
thousand, where the authors' unpublished run ends 28.7 times worse. Arms, each from the same start:
    full                    all d samples; full_again with other mini-batches, or another start where there are none
    paper_coreset           d' weighted samples, moments of (x, y) to total degree k, as published
    squared_loss_coreset    the same d', the moments that a squared loss sees: P_q(x) + y P_r(x) + y^2
    fitted_labels           the same d', inputs compressed by themselves, labels fitted (scaling.compress_regression)
    subset                  d' random samples
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.table import Table

from experiments import paths, published, tracking
from experiments.arms import curve, interval_text, ratio
from experiments.launch import launch
from experiments.run import Analysis, Point, bars, number
from experiments.schema import require, require_whole
from experiments.student import COLUMNS as STUDENT
from experiments.student import (
    REPORTED,
    Activation,
    Compute,
    Students,
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
from scaling import figures, laws
from scaling.figures import BLACK, BLUE, GREEN, ORANGE, RED, Look
from scaling.regression import least_size

__all__ = ["COLUMNS", "Config", "analyse", "draw", "label", "measure", "points", "work"]

STOPS = 50  # looks at the test loss in one training run

COLUMNS = STUDENT | {
    "panel": "how the student is trained; with a number, on so many samples",
    "optimizer": "sgd (without momentum) or adamw",
    "weight_decay": "decoupled, of AdamW",
    "at_steps": "optimiser steps done at each stop along the way, separated by spaces",
    "test_losses": "clean test loss at those stops, separated by spaces",
}
PANELS: dict[str, tuple[str, dict[str, Any]]] = {  # Fig. 3: title and training
    "gd": ("(a) gradient descent", {"lr": 0.05, "batch": None, "optimizer": "sgd"}),
    "adamw_full": ("(b) AdamW, full batch", {"lr": 0.01, "batch": None, "optimizer": "adamw"}),
    "sgd": ("(c) SGD, mini-batches", {"lr": 0.01, "batch": 256, "optimizer": "sgd"}),
    "adamw": ("(d) AdamW, mini-batches", {"lr": 1e-3, "batch": 256, "optimizer": "adamw"}),
}
FIGURES = dict.fromkeys(PANELS, "3") | {"sgd_100000": "3, unpublished"}  # in published.csv
PUBLISHED = {
    f"{panel}_ratio_{ours}": (figure, f"panel={panel}", f"final_ratio_{theirs}")
    for panel, figure in FIGURES.items()
    for ours, theirs in (("paper", "compressed"), ("subset", "naive"))
}
LOOKS = {
    "full": Look("full data", BLACK, "o"),
    "full_again": Look("full data, other mini-batches (or start)", BLACK, "x", ":"),
    "paper_coreset": Look("coreset, paper's moments", ORANGE, "s"),
    "squared_loss_coreset": Look("coreset, squared-loss moments", BLUE, "D"),
    "fitted_labels": Look("coreset, fitted labels", GREEN, "^"),
    "subset": Look("random subset", RED, "v", "-", False),
}
SHORT = {arm: arm.removesuffix("_coreset") for arm in LOOKS if arm != "full"}


@dataclass(slots=True)
class Config(Students):
    """Settings of the four panels of Fig. 3, and of panel (c) with more samples."""

    inputs: int  # dimension m of the inputs
    activation: Activation
    panels: list[str]
    size: int  # d of the panels
    more_sizes: list[int]  # d of panel (c) again
    kept: int  # d'
    paper_order: int  # k
    order: int  # q
    label_order: int  # r
    draws: int  # of the bootstrap over seeds
    loss_ratio_limit: float  # the verdict's criteria, written down before the shown seeds were run
    more_loss_ratio_limit: float

    def __post_init__(self) -> None:
        Students.__post_init__(self)
        check_inputs(self, self.inputs)
        known, chosen = f"a list without repetition from {', '.join(PANELS)}", set(self.panels)
        fine = chosen and chosen <= set(PANELS) and len(chosen) == len(self.panels)
        require(bool(fine), "panels", self.panels, known)
        require_whole(self, 16, "size")
        fine = len(set(self.more_sizes)) == len(self.more_sizes) and all(d > self.size for d in self.more_sizes)
        require(fine, "more_sizes", self.more_sizes, f"a list without repetition of numbers above {self.size}")
        require_whole(self, 1, "paper_order", "order")
        require(0 <= self.label_order <= self.order, "label_order", self.label_order, f"0 to order={self.order}")
        least = max(least_size(self.inputs), *(space.size for space in spaces(self)))
        require(least <= self.kept < self.size, "kept", self.kept, f"{least} (the moments) to size={self.size} less 1")
        require_whole(self, 100, "draws")
        for key in ("loss_ratio_limit", "more_loss_ratio_limit"):
            require(1 <= getattr(self, key) < math.inf, key, getattr(self, key), "a number from 1")


def spaces(config: Config):
    """The paper's and the squared-loss moment space."""
    paper = moment_space("total_degree", config.inputs, config.paper_order)
    return paper, moment_space("squared_loss", config.inputs, config.order, config.label_order)


def training(config: Config, panel: str) -> Training:
    """The settings of one panel."""
    shared = {field.name: getattr(config, field.name) for field in fields(Students)}
    rule = {key: value for key, value in PANELS[panel][1].items() if key != "optimizer"}
    decay = 0.01 if PANELS[panel][1]["optimizer"] == "adamw" else 0.0
    return Training(**shared, **rule, weight_decay=decay, compute=Compute.grows_with_data)


def points(config: Config) -> list[Point]:
    """Every arm of every panel and seed."""
    arms = {
        "full": {},
        "full_again": {"replicate": 1},
        "paper_coreset": coreset("total_degree", config.paper_order),
        "squared_loss_coreset": coreset("squared_loss", config.order, config.label_order),
        "fitted_labels": {"method": "fitted_labels"},
        "subset": {"method": "subset"},
    }
    asked = []
    cases = [(name, name, config.size) for name in config.panels]
    for case, panel, d in cases + [(f"sgd_{d}", "sgd", d) for d in config.more_sizes]:
        rules = training(config, panel)
        shared = setting(rules, config.inputs, config.activation) | schedule(rules, d)
        for arm, details in arms.items():
            for seed in config.seed_list():
                which = {"size": d, "kept": config.kept if "method" in details else d, "seed": seed}
                which["optimizer"] = PANELS[panel][1]["optimizer"]
                asked.append(Point({"panel": case, "arm": arm}, which | shared | details))
    return asked


def measure(identities: list[dict[str, Any]], tick: Callable[[float], None]) -> list[dict[str, Any]]:
    """Test loss along the training of each identity; they differ in their seed alone."""
    stride, results = paths.stride(identities[0], STOPS), []
    for identity, path in zip(identities, paths.follow(identities, tick, stride), strict=True):
        losses = path.losses(samples(identity, identity["test_size"], 0.0, "test"))
        along = {"at_steps": path.at_steps, "test_losses": paths.text(losses)}
        results.append({"test_loss": losses[-1]} | along | {key: path.report[key] for key in REPORTED})
    return results


def analyse(rows: pl.DataFrame, settings: dict[str, Any]) -> Analysis:
    """Final loss of every arm over that of the full data, paired by seed, in every panel."""
    numbers: dict[str, Any] = {}
    table = Table(caption="final test loss over that of the full data, paired by seed; 95 % intervals")
    for heading in ("panel", "d -> d'", "loss, full data", *(LOOKS[arm].label for arm in SHORT)):
        table.add_column(heading)
    for panel in rows["panel"].unique(maintain_order=True):
        part = rows.filter(pl.col("panel") == panel)
        full = curve(part, "full")
        loss = [entry[0] for entry in full.mean(settings["draws"])]
        numbers[f"{panel}_loss_full"] = number(loss[0], tuple(loss[1:]))
        cells = []
        for arm, short in SHORT.items():
            found = ratio(curve(part, arm), full, settings["draws"]).largest_size()
            numbers[f"{panel}_ratio_{short}"] = number(*found)
            cells.append(interval_text(*found))
        table.add_row(panel, f"{full.size[0]} -> {settings['kept']}", f"{loss[0]:.5f}", *cells)
    verdict = judge(numbers, settings)
    return Analysis({}, {"claim": CLAIM, "verdict": verdict, "numbers": numbers}, table, sentence(numbers))


CLAIM = (
    "A student trained on a thousand weighted samples, inputs compressed and labels fitted, ends at the loss of all "
    "ten thousand, by every training method of Fig. 3, and nearly at that of a hundred thousand and more."
)


def judge(numbers: dict[str, Any], settings: dict[str, Any]) -> str:
    """supported: every ratio with fitted labels is at most its limit beyond that of full data against themselves with
    other mini-batches (1 where there are none: full batches repeat exactly).

    not supported: some ratio's whole interval lies above that; inconclusive: neither.
    """
    fine, wrong = [], []
    for name, entry in numbers.items():
        panel, found, arm = name.partition("_ratio_")
        if found and arm == "fitted_labels":
            limit = settings["loss_ratio_limit" if panel in PANELS else "more_loss_ratio_limit"]
            if PANELS[panel if panel in PANELS else "sgd"][1]["batch"] is not None:
                limit *= max(1.0, numbers[f"{panel}_ratio_full_again"]["value"])
            fine.append(entry["value"] <= limit)
            wrong.append(entry["interval"][0] > limit)
    return "not supported" if any(wrong) else "supported" if all(fine) else "inconclusive"


def sentence(numbers: dict[str, Any]) -> str:
    """The verdict for a newcomer."""
    parts = []
    for panel in (name.removesuffix("_loss_full") for name in numbers if name.endswith("_loss_full")):
        value = {short: numbers[f"{panel}_ratio_{short}"]["value"] for short in SHORT.values()}
        parts.append(
            f"{panel} {value['fitted_labels']:.2f} (labels of the data, squared-loss moments "
            f"{value['squared_loss']:.2f}, paper's {value['paper']:.2f}, random subset {value['subset']:.2f}, full "
            f"data again {value['full_again']:.2f})"
        )
    return f"final loss of the coreset with fitted labels over that of the full data: {'; '.join(parts)}."


def draw(rows: pl.DataFrame, fits: dict[str, Any], summary: dict[str, Any]) -> Figure:
    """Test loss along the training in every panel, bands over seeds; the final ratios to the full data."""
    names = list(rows["panel"].unique(maintain_order=True))
    columns = -(-(len(names) + 1) // 2)
    figure, grid = figures.new_figure(columns, 2, width=3.9, height=3.2)
    axes = list(grid.ravel())
    for panel, ax in zip(names, axes, strict=False):
        part = rows.filter(pl.col("panel") == panel)
        draw_losses(ax, part)
        title = PANELS[panel][0] if panel in PANELS else "(c) with more samples"
        ax.set(yscale="log", xlabel="epoch")
        ax.set_title(f"{title}, {part['size'][0]:,} → {part['kept'].min():,}", fontsize=9)
        for quantity, line in (("compressed", "--"), ("naive", ":")):
            epochs, losses = published.curve(
                FIGURES.get(panel, ""), f"test_loss_{quantity}", "epoch", f"panel={panel},"
            )
            if len(epochs) and part["steps"][0] // part["steps_per_epoch"][0] == 400 and rows["noise"][0] == 3:
                word = {"compressed": "the paper's coreset, its one seed", "naive": "the paper's subset, its one seed"}
                order = np.argsort(epochs)
                figures.reference(ax, epochs[order], losses[order], word[quantity], line)
    for ax in grid[:, 0]:
        ax.set_ylabel("test loss on clean samples")
    draw_ratios(axes[len(names)], names, summary["numbers"])
    draw_published_ratios(axes[len(names)], names)
    for ax in axes[len(names) + 1 :]:
        ax.set_visible(False)
    figures.legend_below(figure, axes[0], columns=columns + 1)
    figure.suptitle(f"Verdict: {summary['verdict']}.", fontsize=9)
    return figure


def draw_losses(ax: Axes, part: pl.DataFrame) -> None:
    """Geometric mean over seeds of the losses of every arm against the epoch, with its 95 % interval as a band."""
    for arm, look in LOOKS.items():
        own = part.filter(pl.col("arm") == arm)
        logs = np.log(tracking.along(own))
        mean, epochs = logs.mean(axis=0), tracking.epochs(own)
        drawn = logs[laws.bootstrap_indices(len(logs), 200)].mean(axis=1)
        low, high = laws.interval(np.exp(drawn), np.exp(mean), len(logs), log=True)
        ax.plot(epochs, np.exp(mean), color=look.color, linestyle=look.line, label=look.label, linewidth=1.1)
        if arm != "full_again":
            ax.fill_between(epochs, low, high, color=look.color, alpha=0.18, linewidth=0)


def draw_ratios(ax: Axes, names: list[str], numbers: dict[str, Any]) -> None:
    """Final ratios to the full data of every panel and arm."""
    for shift, (arm, short) in zip(np.linspace(-0.28, 0.28, len(SHORT)), SHORT.items(), strict=True):
        entries = [numbers[f"{name}_ratio_{short}"] for name in names]
        figures.measured(ax, np.arange(len(names)) + shift, *bars(entries), LOOKS[arm])
    ax.axhline(1, color="black", linewidth=0.8)
    ax.set(yscale="log", xticks=range(len(names)), ylabel="", title="final loss over that of full data")
    ax.set_xticklabels([PANELS[n][0][:3] if n in PANELS else f"(c)\n{int(n[4:]):,}" for n in names], fontsize=7)


def draw_published_ratios(ax: Axes, names: list[str]) -> None:
    """The paper's own final ratios, one seed each, as grey stars."""
    for quantity in ("compressed", "naive"):
        where = [i for i, name in enumerate(names) if name in FIGURES]
        keys = [(FIGURES[names[i]], f"panel={names[i]}", f"final_ratio_{quantity}") for i in where]
        values = [published.value(*key) for key in keys]
        (stars,) = ax.plot(where, values, color="#999999", marker="*", markersize=7, linestyle="none")
    ax.legend([stars], ["the paper's, one seed"], frameon=False, fontsize=7)


if __name__ == "__main__":
    launch("dataset_training")
