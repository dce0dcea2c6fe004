"""What the curves of the lottery ticket say: how far each arm leaves the wide network, and the figure of it."""

import math
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from rich.table import Table

from experiments import published
from experiments.arms import interval_text
from experiments.errors import geometric_mean
from experiments.run import Analysis, judged, number
from scaling import figures, laws
from scaling.figures import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED, SKY, Look

LOOKS = {
    "wide": Look("wide", BLACK, ""),
    "wide_again": Look("wide, other mini-batches", BLACK, "", ":"),
    "compressed": Look("compressed, few degrees in v", BLUE, ""),
    "compressed_paper": Look("compressed, paper's moments", ORANGE, ""),
    "subset": Look("random neurons, as published", RED, "", "--"),
    "subset_rescaled": Look("random neurons, rescaled by d/d′", RED, "", "-"),
    "fresh": Look("fresh small network", GREEN, "", "-."),
    "pruned": Look("magnitude-pruned, rewound, rescaled", PURPLE, "", "-."),
    "undivided": Look("compressed, gradients not divided", SKY, "", "--"),
}
PUBLISHED_CASES = {"sgd_relu": "sgd", "rprop_relu": "rprop", "adamw_relu": "adamw"}
EARLY = 0.1  # share of the run that counts as early
PUBLISHED = {
    f"{case}_{ours}_{arm}": ("4", setting, f"{theirs}_{which}")
    for case, setting in PUBLISHED_CASES.items()
    for arm, which in (("compressed", "compressed"), ("compressed_paper", "compressed"), ("subset", "subset"))
    for ours, theirs in (("max_log_ratio", "max_log_ratio"), ("final_ratio", "final_ratio"))
    if which == "compressed" or ours == "final_ratio"
}


class Case(NamedTuple):
    """Curves of one case: epochs (times,), and of each arm test losses and distances, (seeds, times)."""

    epochs: np.ndarray
    losses: dict[str, np.ndarray]
    distances: dict[str, np.ndarray]


def case_of(rows: pl.DataFrame, name: str) -> Case:
    """The curves of the case of that name."""
    rows = rows.filter(pl.col("case") == name)
    found: dict[str, dict[str, np.ndarray]] = {"test_loss": {}, "distance": {}}
    for arm in rows["arm"].unique(maintain_order=True):
        for column, curves in found.items():
            table = rows.filter(pl.col("arm") == arm).pivot("epoch", index="seed", values=column).sort("seed")
            epochs = sorted(int(epoch) for epoch in table.columns if epoch != "seed")
            curves[arm] = table.select(str(epoch) for epoch in epochs).cast(pl.Float64).to_numpy()
    return Case(np.array(epochs), *found.values())


def largest_log_ratio(case: Case, arm: str, draws: int, early: bool = False) -> tuple[float, tuple[float, float]]:
    """Mean over seeds of the largest |log(loss / loss of wide)| over the records taken at equal spacing, as the
    published ones are; early: over those before the first of these instead."""
    spacing = np.diff(case.epochs).max()
    chosen = (case.epochs % spacing == 0) | (case.epochs == case.epochs[-1])
    logs = np.log(case.losses[arm] / case.losses["wide"])[:, (~chosen & (case.epochs < spacing)) if early else chosen]
    largest = np.abs(logs).max(axis=1)
    drawn = largest[laws.bootstrap_indices(len(largest), draws)].mean(axis=1)
    return largest.mean(), laws.interval(drawn, largest.mean(), len(largest), log=True)


def final_ratio(case: Case, arm: str, draws: int) -> tuple[float, tuple[float, float]]:
    """Geometric mean over seeds of the last loss over that of wide."""
    return geometric_mean(np.log(case.losses[arm] / case.losses["wide"])[:, -1], draws)


def advantage(case: Case, draws: int) -> dict[str, tuple[float, tuple[float, float]]]:
    """Distance of subset_rescaled over that of compressed: its mean over the early records, and its least at any."""
    logs = np.log(case.distances["subset_rescaled"] / case.distances["compressed"])
    early = case.epochs <= EARLY * case.epochs[-1]
    drawn = logs[laws.bootstrap_indices(len(logs), draws)].mean(axis=1)  # (draws, times)
    found = {}
    for name, of in (("early", lambda x: x[..., early].mean(axis=-1)), ("least", lambda x: x.min(axis=-1))):
        value = np.exp(of(logs.mean(axis=0)))
        found[f"{name}_advantage"] = value, laws.interval(np.exp(of(drawn)), value, len(logs), log=True)
    return found


def analyse(rows: pl.DataFrame, settings: dict[str, Any]) -> Analysis:
    """How far every arm leaves the wide network in every case."""
    draws, numbers = settings["draws"], {}
    table = Table(caption="largest |log(loss / loss of wide)| over the run; last loss ratio; 95 % intervals over seeds")
    for heading in ("case", "arm", "largest", "last ratio", "distance early", "distance at the end"):
        table.add_column(heading, no_wrap=heading in ("case", "arm"))
    names = list(rows["case"].unique(maintain_order=True))
    for name in names:
        case = case_of(rows, name)
        early = case.epochs <= EARLY * case.epochs[-1]
        for arm in case.losses:
            if arm == "wide":
                continue
            largest, last = largest_log_ratio(case, arm, draws), final_ratio(case, arm, draws)
            numbers[f"{name}_max_log_ratio_{arm}"] = number(*largest)
            numbers[f"{name}_early_log_ratio_{arm}"] = number(*largest_log_ratio(case, arm, draws, early=True))
            numbers[f"{name}_final_ratio_{arm}"] = number(*last)
            logs = np.log(np.maximum(case.distances[arm], 1e-12)).mean(axis=0)
            near, end = (f"{np.exp(x):.3f}" for x in (logs[early].mean(), logs[-1]))
            if arm == "wide_again":
                near = "-"
            table.add_row(name, arm, interval_text(*largest), interval_text(*last), near, end)
        numbers |= {f"{name}_{key}": number(*entry) for key, entry in advantage(case, draws).items()}
    for name in ("step_over_forward", "compress_seconds"):
        numbers[name] = number(rows[name].median())
    verdict = judge(numbers, names)
    summary = {"claim": CLAIM, "verdict": verdict, "numbers": numbers}
    return Analysis({}, summary, table, sentence(numbers, names))


CLAIM = (
    "A network whose neurons are compressed at initialisation follows the wide network through training: their test "
    "losses never differ by more than in the published runs, and for smooth activations its predictions are closer to "
    "the wide network's than those of a rescaled random subnetwork at every time, three times closer early on."
)


def judge(numbers: dict[str, Any], names: list[str]) -> str:
    """The published largest ratios of ReLU networks as upper limits; advantages of smooth ones of 1, and of 3 early."""
    asked = []
    for name in names:
        if name in PUBLISHED_CASES:
            limit = published.value("4", PUBLISHED_CASES[name], "max_log_ratio_compressed")
            asked.append((numbers[f"{name}_max_log_ratio_compressed"]["interval"], 0, limit))
        elif not name.endswith("_relu"):
            asked.append((numbers[f"{name}_least_advantage"]["interval"], 1, math.inf))
            asked.append((numbers[f"{name}_early_advantage"]["interval"], 3, math.inf))
    return judged(asked)


def sentence(numbers: dict[str, Any], names: list[str]) -> str:
    """The verdict for a newcomer."""
    value = {name: entry["value"] for name, entry in numbers.items()}
    parts = []
    for name in names:
        words = (
            f"{name}: the loss of the compressed network leaves the wide one's by at most a factor "
            f"{np.exp(value[f'{name}_max_log_ratio_compressed']):.2f} (the wide one on other mini-batches "
            f"{np.exp(value[f'{name}_max_log_ratio_wide_again']):.2f}, random neurons rescaled "
            f"{np.exp(value[f'{name}_max_log_ratio_subset_rescaled']):.2f}, as published "
            f"{np.exp(value[f'{name}_max_log_ratio_subset']):.2f}); its predictions are "
            f"{value[f'{name}_early_advantage']:.1f} times closer than theirs rescaled early on, "
            f"{value[f'{name}_least_advantage']:.2f} times where least"
        )
        parts.append(words)
    return "; ".join(parts) + f". A training step costs {value['step_over_forward']:.1f} forward passes."


def draw(rows: pl.DataFrame, fits: dict[str, Any], summary: dict[str, Any]) -> Figure:
    """Above, test loss against epochs, a panel for each case; below, distance to the wide network's predictions."""
    names = list(rows["case"].unique(maintain_order=True))
    figure, panels = figures.new_figure(len(names), 2, width=max(3.3, 11 / len(names)), height=3.0)
    for column, name in enumerate(names):
        case = case_of(rows, name)
        looks = LOOKS | orders(case)
        for axes, curves in zip(panels[:, column], (case.losses, case.distances), strict=True):
            for arm, values in curves.items():
                hidden = arm not in SHOWN_ABOVE if curves is case.losses else arm in HIDDEN_BELOW
                if not hidden:
                    band(axes, case.epochs, values, looks[arm])
            axes.set_xscale("symlog", linthresh=1)
            axes.set(yscale="log", xlim=(0, case.epochs[-1]))
        top, below = panels[:, column]
        top.set_title(f"{name.split('_')[0]}, {name.split('_')[1]}")
        below.set_xlabel("epochs")
        if name in PUBLISHED_CASES and rows["epochs"][0] == 3000:
            for arm, line in (("wide", "-"), ("compressed", "--"), ("subset", ":")):
                theirs = published.curve("4", f"test_loss_{arm}", "epoch", f"{PUBLISHED_CASES[name]},")
                figures.reference(top, *theirs, f"the paper's results, {arm}", line)
    panels[0, 0].set_ylabel("test loss on clean samples")
    panels[1, 0].set_ylabel("distance to the wide network")
    figures.legend_below(figure, panels, columns=4)
    figure.suptitle(f"Verdict: {summary['verdict']}.  Lines: geometric means; bands: range over seeds", fontsize=9)
    return figure


SHOWN_ABOVE = ("wide", "compressed", "compressed_paper", "subset", "subset_rescaled", "fresh", "pruned")
HIDDEN_BELOW = ("wide", "subset", "fresh")


def orders(case: Case) -> dict[str, Look]:
    """Looks of the arms order_<k>, thin grey lines."""
    names = [arm for arm in case.losses if arm.startswith("order_")]
    lines = ((0, (1, 1)), (0, (3, 1, 1, 1)), (0, (5, 1)))
    return {
        name: Look(f"compressed, total degree {name.removeprefix('order_')}", "#888888", "", lines[i % 3])
        for i, name in enumerate(names)
    }


def band(axes, epochs: np.ndarray, values: np.ndarray, look: Look) -> None:
    """A line through geometric means over seeds and a band over their range; values (seeds, times). The wide network's
    is thick, for its twins lie upon it."""
    values = np.where(values > 0, values, np.nan)
    middle, width = np.exp(np.log(values).mean(axis=0)), 3.0 if look is LOOKS["wide"] else 1.2
    axes.plot(epochs, middle, color=look.color, linestyle=look.line, label=look.label, linewidth=width)
    axes.fill_between(epochs, values.min(axis=0), values.max(axis=0), color=look.color, alpha=0.12, linewidth=0)
