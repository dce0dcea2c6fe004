"""What the rows of width_scaling say: exponents, paired loss ratios, and the figure of them."""

from typing import Any

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from rich.table import Table

from experiments import arms, published
from experiments.arms import Curve, at_sizes, curve, interval_text, ratio
from experiments.run import UNKNOWN, Analysis, judged, number
from scaling import figures, laws
from scaling.figures import BLACK, BLUE, GREEN, ORANGE, RED, Look

LOOKS = {
    "wide": Look("wide, d", BLACK, "o"),
    "wide_again": Look("wide, samples in another order", BLACK, "x", ":"),
    "compressed": Look("compressed, few degrees in v, 16√d", BLUE, "D"),
    "compressed_paper": Look("compressed, paper's moments, 16√d", ORANGE, "s"),
    "polylog": Look("compressed, few degrees in v, c logᵖd", GREEN, "^"),
    "subset": Look("random neurons 16√d, rescaled", RED, "v", "--", False),
}
SMALL = ("compressed", "compressed_paper", "polylog", "subset")
PUBLISHED = {
    "exponent_wide": ("5b", "d=512..16384", "exponent_wide"),
    "exponent_compressed_paper": ("5b", "d=512..16384", "exponent_compressed"),
    "exponent_ratio_compressed_paper": ("5b", "d=512..16384", "exponent_ratio"),
}


def analyse(rows: pl.DataFrame, settings: dict[str, Any]) -> Analysis:
    """Exponents of every arm at the widths that are compressed, and paired loss ratios to the wide networks."""
    draws = settings["draws"]
    curves = {arm: found for arm in LOOKS if (found := curve(rows, arm)) is not None}
    small = {arm: curves[arm] for arm in SMALL if arm in curves}
    wide, fits, numbers = curves["wide"], {}, {}
    shared = small["compressed"].size if "compressed" in small else wide.size
    for arm, found in {"wide": at_sizes(wide, shared), **small}.items():
        chosen = ("power", "power_floor", "stretched", "stretched_floor")
        fits[arm] = laws.compare(found.kept, found.losses, dimension=3, laws=chosen, draws=draws)
        fit = fits[arm].fits["power"]
        numbers[f"exponent_{arm}"] = number(fit.parameters["alpha"], fit.intervals["alpha"])
    table = Table(caption="loss ~ neurons^-exponent; ratios to wide, paired by seed; 95 % intervals")
    for heading in ("arm", "largest d -> d'", "loss there", "ratio there", "worst ratio", "exponent", "ratio of it"):
        table.add_column(heading, no_wrap=heading == "arm")
    for arm, found in curves.items():
        cells = ["-"] * 4
        if arm != "wide":
            against = ratio(found, wide, draws)
            entries = {"loss_ratio_at_largest": against.largest_size(), "max_loss_ratio": against.maximum()}
            numbers |= {f"{name}_{arm}": number(*entry) for name, entry in entries.items()}
            cells[:2] = (interval_text(*entry) for entry in entries.values())
        if arm in fits:
            cells[2] = interval_text(*(numbers[f"exponent_{arm}"][key] for key in ("value", "interval")))
        if arm in small:
            entry = arms.exponent_ratio(found, wide, draws)
            numbers[f"exponent_ratio_{arm}"] = number(*entry)
            cells[3] = interval_text(*entry)
        table.add_row(arm, f"{found.size[-1]} -> {found.kept[-1]}", f"{found.mean(0)[0][-1]:.5f}", *cells)
    for arm in SMALL:
        for name in ("exponent", "exponent_ratio", "loss_ratio_at_largest", "max_loss_ratio"):
            numbers.setdefault(f"{name}_{arm}", UNKNOWN)
    verdict = judge(numbers, settings)
    summary = {"claim": CLAIM, "verdict": verdict, "numbers": numbers}
    report = {arm: comparison.to_dict() for arm, comparison in fits.items()}
    return Analysis(report, summary, table, sentence(small, numbers))


CLAIM = (
    "Compressed at initialisation to d' = [16 sqrt d] weighted neurons, a network trains to the loss of all d neurons, "
    "so the exponent of loss against width doubles."
)


def judge(numbers: dict[str, Any], settings: dict[str, Any]) -> str:
    """The ratio of exponents lies in its range, the worst loss ratio below its limit."""
    exponents, losses = (numbers[f"{name}_compressed"]["interval"] for name in ("exponent_ratio", "max_loss_ratio"))
    return judged([(exponents, *settings["exponent_ratio_range"]), (losses, 0, settings["loss_ratio_limit"])])


def sentence(small: dict[str, Curve], numbers: dict[str, Any]) -> str:
    """The verdict for a newcomer."""
    if "compressed" not in small:
        return "no width was compressed (d' >= d everywhere), so there is nothing to compare; ask for larger sizes."
    found, value = small["compressed"], {name: entry["value"] for name, entry in numbers.items()}
    return (
        f"{found.kept[-1]} weighted neurons made from {found.size[-1]} end at "
        f"{value['loss_ratio_at_largest_compressed']:.2f} times the loss of training all of them (the paper's moments "
        f"{value['loss_ratio_at_largest_compressed_paper']:.2f}, random neurons rescaled "
        f"{value['loss_ratio_at_largest_subset']:.2f}, all of them with the samples in another order "
        f"{value['loss_ratio_at_largest_wide_again']:.2f}). Loss falls with exponent {value['exponent_wide']:.2f} in d "
        f"and {value['exponent_compressed']:.2f} in d': {value['exponent_ratio_compressed']:.2f} times as fast, where "
        f"2 means that nothing is lost (the paper's moments {value['exponent_ratio_compressed_paper']:.2f}, random "
        f"neurons {value['exponent_ratio_subset']:.2f})."
    )


def draw(rows: pl.DataFrame, fits: dict[str, Any], summary: dict[str, Any]) -> Figure:
    """Loss against neurons trained, log-log; and the loss ratio to the wide networks against d."""
    figure, ((left, right),) = figures.new_figure(2, width=5.2, height=4.2)
    curves = {arm: found for arm in LOOKS if (found := curve(rows, arm)) is not None}
    for arm, found in curves.items():
        figures.measured(left, found.kept, *found.mean(1000), LOOKS[arm])
        if arm in fits:
            fit = laws.Fit.from_dict(fits[arm]["fits"]["power"])
            grid = np.geomspace(found.kept.min(), found.kept.max(), 100)
            figures.law(left, grid, fit.predict(grid), LOOKS[arm])
        if arm != "wide":
            against = ratio(found, curves["wide"], 1000)
            figures.measured(right, found.size, against.value, against.low, against.high, LOOKS[arm])
            right.plot(found.size, against.value, color=LOOKS[arm].color, linestyle=LOOKS[arm].line)
    if rows["epochs"][0] == 2000 and rows["activation"][0] == "relu":
        for quantity, factor, power, line in (("wide", 1, 1, "-"), ("compressed", 16, 0.5, "--")):
            d, loss = published.curve("5b", f"mean_test_loss_{quantity}")
            figures.reference(left, factor * d**power, loss, f"the paper's results, {quantity}", line)
    right.axhline(1, color="black", linewidth=0.8)
    for axes in (left, right):
        axes.set_xscale("log", base=2)
    left.set(yscale="log", xlabel="neurons trained: d, or d′")
    left.set(ylabel="test loss on clean samples", title="lines: power laws")
    right.set(xlabel="d", ylabel="loss ratio to the wide network", title="1: nothing is lost")
    figures.legend_below(figure, left, columns=3)
    figure.suptitle(f"Verdict: {summary['verdict']}", fontsize=9)
    return figure
