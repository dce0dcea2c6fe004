"""The main job: test loss against data-set size, on full, compressed and randomly subsampled data.

The task of Fig. 5a of arXiv 2510.00504: a two-layer ReLU student learns a two-layer ReLU teacher from d noisy samples.
Arms, each trained on d' samples made from the same d:
    full                    all d; full_again with other mini-batches: the noise beside which ratios are read
    paper_coreset           d' = [16 sqrt d], moments of (x, y) to total degree 6, as published
    squared_loss_coreset    the same d', the moments that a squared loss sees: P_q(x) + y P_r(x) + y^2
    fitted_labels           the same d', inputs compressed by themselves, labels fitted (scaling.compress_regression)
    polylog_coreset, polylog_fitted_labels   d' = [c log^m d] with m = 2 inputs, the same two ways
    subset, polylog_subset  random subsets of those two sizes, for the steps of d (_same_steps) or of d' (_own_steps)
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from rich.table import Table

from experiments import arms, published
from experiments.arms import Curve, at_sizes, curve, interval_text, ratio
from experiments.launch import launch
from experiments.run import UNKNOWN, Analysis, Point, judged, number
from experiments.schema import require, require_positive, require_whole
from experiments.student import (
    COLUMNS,
    Activation,
    Training,
    check_inputs,
    coreset,
    label,
    measure,
    moment_space,
    schedule,
    setting,
    work,
)  # fmt: skip
from scaling import figures, laws
from scaling.figures import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED, SKY, YELLOW, Look
from scaling.regression import least_size

__all__ = ["COLUMNS", "Config", "analyse", "draw", "label", "measure", "points", "work"]

PUBLISHED = {  # numbers of the summary that the paper gives too
    f"exponent_{ours}": ("5a", "d=256..524288", f"exponent_{theirs}")
    for ours, theirs in (("full", "full"), ("paper_coreset", "compressed"), ("ratio_paper", "ratio"))
}
CORESETS = {
    "paper_coreset": "paper",
    "squared_loss_coreset": "squared_loss",
    "fitted_labels": "fitted_labels",
    "polylog_coreset": "polylog",
    "polylog_fitted_labels": "polylog_fitted_labels",
}

LOOKS = {
    "full": Look("full data, d", BLACK, "o"),
    "full_again": Look("full data, other mini-batches", BLACK, "x", ":"),
    "paper_coreset": Look("coreset, paper's moments, 16√d", ORANGE, "s"),
    "squared_loss_coreset": Look("coreset, squared-loss moments, 16√d", BLUE, "D"),
    "fitted_labels": Look("coreset, fitted labels, 16√d", SKY, "p"),
    "polylog_coreset": Look("coreset, squared-loss moments, c log²d", GREEN, "^"),
    "polylog_fitted_labels": Look("coreset, fitted labels, c log²d", YELLOW, "*"),
    "subset_same_steps": Look("random subset 16√d, steps of d", RED, "v", "--", False),
    "subset_own_steps": Look("random subset 16√d, own steps", RED, "P", ":", False),
    "polylog_subset_same_steps": Look("random subset c log²d, steps of d", PURPLE, "<", "--", False),
    "polylog_subset_own_steps": Look("random subset c log²d, own steps", PURPLE, ">", ":", False),
}


@dataclass(slots=True)
class Config(Training):
    """Settings of the main job."""

    inputs: int  # dimension m of the inputs: a stretched exponential is exp(-a' d'^(1/m))
    activation: Activation
    sizes: list[int]  # d
    sqrt_factor: float  # d' = [sqrt_factor sqrt d]
    polylog_factor: float  # c of d' = [c log^m d]
    paper_order: int  # k
    order: int  # q
    label_order: int | None  # r; null means q - 2
    fitted_order: int | None  # of the inputs under fitted labels; null lets compress choose
    draws: int  # of the bootstrap over seeds
    exponent_ratio_range: list[float]  # the verdict's criteria, written down before the shown seeds were run
    loss_ratio_limit: float

    def __post_init__(self) -> None:
        Training.__post_init__(self)
        check_inputs(self, self.inputs)
        require(len(self.sizes) > 0, "sizes", self.sizes, "a list with at least one size")
        require(all(d >= 16 for d in self.sizes), "sizes", self.sizes, "whole numbers from 16")
        require(len(set(self.sizes)) == len(self.sizes), "sizes", self.sizes, "a list without repetition")
        require_whole(self, 1, "paper_order", "order")
        fine = self.fitted_order is None or self.fitted_order >= 1
        require(fine, "fitted_order", self.fitted_order, "null or a whole number from 1")
        require_whole(self, 100, "draws")
        require_positive(self, "sqrt_factor", "polylog_factor", "loss_ratio_limit")
        low, high = self.exponent_ratio_range if len(self.exponent_ratio_range) == 2 else (0, 0)
        accepted = "two positive numbers [low,high] with low < high"
        require(0 < low < high, "exponent_ratio_range", self.exponent_ratio_range, accepted)
        if self.label_order is None:
            self.label_order = max(self.order - 2, 0)
        require(
            0 <= self.label_order <= self.order, "label_order", self.label_order, f"null or 0 to order={self.order}"
        )
        for arm, (kept, key, least, _) in coresets(self).items():
            for d in self.sizes:
                reason = f"an order whose {least} moments fit into what {arm} keeps of d={d}, which is {kept(d)}"
                require(kept(d) >= min(least, d), key, getattr(self, key), reason)


def coresets(config: Config) -> dict[str, tuple[Callable[[int], int], str, int, dict]]:
    """Of each coreset arm the rule d -> d', the setting of its order, the least d' that this order can do with, and the
    part of the identity that names it."""

    def by_root(d):
        return round(config.sqrt_factor * math.sqrt(d))

    def by_logarithm(d):
        return round(config.polylog_factor * math.log(d) ** config.inputs)

    least = moment_space("total_degree", config.inputs, config.paper_order).size
    paper = "paper_order", least, coreset("total_degree", config.paper_order)
    least = moment_space("squared_loss", config.inputs, config.order, config.label_order).size
    squared = "order", least, coreset("squared_loss", config.order, config.label_order)
    least = least_size(config.inputs, config.fitted_order or 1)
    fitted = "fitted_order", least, {"method": "fitted_labels", "order": config.fitted_order}
    return {
        "paper_coreset": (by_root, *paper),
        "squared_loss_coreset": (by_root, *squared),
        "fitted_labels": (by_root, *fitted),
        "polylog_coreset": (by_logarithm, *squared),
        "polylog_fitted_labels": (by_logarithm, *fitted),
    }


def points(config: Config) -> list[Point]:
    """Every arm at every size and seed; where d' >= d nothing is compressed and only the full data are trained on."""
    common, asked, rules = setting(config, config.inputs, config.activation), [], coresets(config)
    for d in config.sizes:
        steps = schedule(config, d)
        arms = {"full": {"kept": d} | steps, "full_again": {"kept": d, "replicate": 1} | steps}
        for arm, (kept, _, _, names) in rules.items():
            arms[arm] = {"kept": kept(d)} | names | steps
        for arm, like in (("subset", "squared_loss_coreset"), ("polylog_subset", "polylog_coreset")):
            kept = arms[like]["kept"]
            arms[f"{arm}_same_steps"] = {"method": "subset", "kept": kept} | steps
            arms[f"{arm}_own_steps"] = {"method": "subset", "kept": kept} | schedule(config, kept)
        for arm, details in arms.items():
            if details["kept"] < d or arm in ("full", "full_again"):
                for seed in config.seed_list():
                    which = {"size": d, "kept": details["kept"], "seed": seed}
                    asked.append(Point({"arm": arm}, which | common | details))
    return asked


def analyse(rows: pl.DataFrame, settings: dict[str, Any]) -> Analysis:
    """Laws of every arm, paired loss ratios, and whether [16 sqrt d] samples in the squared-loss space replace d."""
    draws = settings["draws"]
    curves = {arm: found for arm in LOOKS if (found := curve(rows, arm)) is not None}
    full, compressed = curves["full"], {arm: c for arm, c in curves.items() if not arm.startswith("full")}
    if compressed:
        full = at_sizes(full, np.unique(np.concatenate([c.size for c in compressed.values()])))
    fitted = {a: compare(c, c.kept, settings) for a, c in {"full": full, **compressed}.items()}
    if "polylog_coreset" in compressed:
        polylog = compressed["polylog_coreset"]
        fitted["full_relabelled"] = compare(at_sizes(full, polylog.size), polylog.kept, settings)
    against = {arm: ratio(found, curves["full"], draws) for arm, found in curves.items() if arm != "full"}

    numbers = {}
    for arm in ("full", *CORESETS):
        fit = fitted[arm].fits["power"] if arm in fitted else None
        numbers[f"exponent_{arm}"] = number(fit.parameters["alpha"], fit.intervals["alpha"]) if fit else UNKNOWN
    for arm, name in CORESETS.items():
        found = arms.exponent_ratio(compressed[arm], curves["full"], draws) if arm in compressed else None
        numbers[f"exponent_ratio_{name}"] = number(*found) if found else UNKNOWN
    for arm, name in {**CORESETS, "subset_same_steps": "subset", "full_again": "full_again"}.items():
        found = against.get(arm)
        numbers[f"loss_ratio_at_largest_{name}"] = number(*found.largest_size()) if found else UNKNOWN
        numbers[f"max_loss_ratio_{name}"] = number(*found.maximum()) if found else UNKNOWN

    verdict = judge(numbers, settings)
    summary = {"claim": CLAIM, "verdict": verdict, "numbers": numbers}
    fits = {arm: comparison.to_dict() for arm, comparison in fitted.items()}
    return Analysis(fits, summary, table(curves, fitted, against), sentence(verdict, compressed, fitted, numbers))


CLAIM = (
    "Compressed to d' = [16 sqrt d] samples in the squared-loss space, data train a student to the loss of all d "
    "samples, so the exponent of loss against size doubles."
)


def compare(found: Curve, sizes: np.ndarray, settings: dict[str, Any]) -> laws.Comparison:
    """The laws of a curve against the number of samples trained on."""
    chosen = ("power", "power_floor", "stretched", "stretched_floor")
    return laws.compare(sizes, found.losses, dimension=settings["inputs"], laws=chosen, draws=settings["draws"])


def judge(numbers: dict[str, Any], settings: dict[str, Any]) -> str:
    """The ratio of exponents lies in its range, the worst loss ratio below its limit."""
    exponents, losses = (numbers[f"{name}_squared_loss"]["interval"] for name in ("exponent_ratio", "max_loss_ratio"))
    return judged([(exponents, *settings["exponent_ratio_range"]), (losses, 0, settings["loss_ratio_limit"])])


def sentence(verdict: str, compressed: dict[str, Curve], fitted: dict[str, Any], numbers: dict[str, Any]) -> str:
    """The verdict for a newcomer."""
    if "squared_loss_coreset" not in compressed:
        return "no size was compressed (d' >= d everywhere), so there is nothing to compare; ask for larger sizes."
    found, value = compressed["squared_loss_coreset"], {name: entry["value"] for name, entry in numbers.items()}
    text = (
        f"{OPENING[verdict]} A student trained on {found.kept[-1]} weighted samples made from {found.size[-1]} ends at "
        f"{value['loss_ratio_at_largest_squared_loss']:.2f} times the loss of training on all of them (the paper's "
        f"moments {value['loss_ratio_at_largest_paper']:.2f}, fitted labels "
        f"{value['loss_ratio_at_largest_fitted_labels']:.2f}, a random subset "
        f"{value['loss_ratio_at_largest_subset']:.2f}, all samples again with other mini-batches "
        f"{value['loss_ratio_at_largest_full_again']:.2f}). Loss falls as d^-{value['exponent_full']:.2f} with all "
        f"samples and as d'^-{value['exponent_squared_loss_coreset']:.2f} with coresets: "
        f"{value['exponent_ratio_squared_loss']:.2f} times the exponent, where 2 means that nothing is lost (the "
        f"paper's moments {value['exponent_ratio_paper']:.2f})."
    )
    if "polylog_coreset" in fitted:
        same = fitted["polylog_coreset"].best.law == fitted["full_relabelled"].best.law
        text += (
            f" With d' = [c log^2 d] the ratio is {value['loss_ratio_at_largest_polylog']:.2f} at the largest d and "
            f"the law of least AICc is {fitted['polylog_coreset'].best.law}; relabelling the full-data curve with the "
            f"same d' gives {'the same law' if same else fitted['full_relabelled'].best.law}, so this choice "
            "of law says more about the rule for d' than about compression."
        )
    return text


OPENING = {
    "supported": "the data support that coresets train as well as all data while the exponent doubles.",
    "not supported": "the data contradict that coresets train as well as all data while the exponent doubles.",
    "inconclusive": "these data do not decide whether coresets train as well as all data while the exponent doubles.",
}


def table(curves: dict[str, Curve], fitted: dict[str, laws.Comparison], against: dict[str, arms.Ratio]) -> Table:
    """The closing table: a line per arm."""
    shown = Table(caption="loss ~ (samples trained on)^-exponent; ratios to full data, paired; 95 % intervals")
    for heading in ("arm", "largest d -> d'", "loss there", "ratio there", "worst ratio", "exponent"):
        shown.add_column(heading, justify="left" if heading == "arm" else "right", no_wrap=heading == "arm")
    for arm, found in curves.items():
        loss, there, worst, exponent = f"{found.mean(0)[0][-1]:.5f}", "1", "1", "-"
        if arm in against:
            there, worst = (interval_text(*entry()) for entry in (against[arm].largest_size, against[arm].maximum))
        if arm in fitted:
            fit = fitted[arm].fits["power"]
            exponent = interval_text(fit.parameters["alpha"], fit.intervals["alpha"])
        shown.add_row(arm, f"{found.size[-1]} -> {found.kept[-1]}", loss, there, worst, exponent)
    return shown


def draw(rows: pl.DataFrame, fits: dict[str, Any], summary: dict[str, Any]) -> Figure:
    """Loss against samples trained on, log-log; and log loss against d'^(1/m), where exp(-a' d'^(1/m)) is straight."""
    m = rows["inputs"][0]
    figure, ((left, right),) = figures.new_figure(2, width=5.2, height=4.6)
    for arm, look in LOOKS.items():
        found = curve(rows, arm)
        if found is None:
            continue
        for axes, law, power in ((left, "power", 1), (right, "stretched", 1 / m)):
            if axes is right and arm not in SHOWN_RIGHT:
                continue
            figures.measured(axes, found.kept**power, *found.mean(1000), look)
            if arm in fits:
                fit = laws.Fit.from_dict(fits[arm]["fits"][law])
                grid = np.geomspace(found.kept.min(), found.kept.max(), 200)
                figures.law(axes, grid**power, fit.predict(grid), look)
    if rows["task"][0] == "teacher_student" and rows["noise"][0] == 3:
        for quantity, factor, power, line in (("full", 1, 1, "-"), ("compressed", 16, 0.5, "--")):
            d, loss = published.curve("5a", f"mean_test_loss_{quantity}")
            near = d <= 2 * rows["size"].max()
            figures.reference(
                left, factor * d[near] ** power, loss[near], f"the paper's results, {quantity} data", line
            )
    left.set(xscale="log", yscale="log", xlabel="samples trained on: d, or d′ for coresets and subsets")
    left.set(ylabel="test loss on clean samples", title="lines: power laws d$^{-α}$")
    right.set(yscale="log", xlabel=f"(samples trained on)$^{{1/{m}}}$")
    right.set(title=f"lines: stretched exponentials exp(−a′ d′$^{{1/{m}}}$)")
    figures.legend_below(figure, left, columns=3)
    numbers = {name: entry["value"] for name, entry in summary["numbers"].items()}
    words = [f"{text} {numbers[name]:.2f}" for name, text in HEADLINE.items() if numbers[name] is not None]
    figure.suptitle(f"Verdict: {summary['verdict']}.  " + ",  ".join(words), fontsize=9)
    return figure


SHOWN_RIGHT = ("full", "squared_loss_coreset", "polylog_coreset", "polylog_subset_same_steps")
HEADLINE = {
    "exponent_ratio_squared_loss": "exponent ratio",
    "max_loss_ratio_squared_loss": "worst loss ratio",
    "exponent_ratio_paper": "with the paper's moments: exponent ratio",
    "max_loss_ratio_paper": "worst loss ratio",
}


if __name__ == "__main__":
    launch("dataset_scaling")
