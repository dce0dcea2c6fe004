"""What the curves of experiments.attention say: how long each arm stays with the full layer, and the figure of it."""

import math
from typing import Any

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from rich.table import Table

from experiments import published, ticket
from experiments.arms import interval_text
from experiments.run import Analysis, judged, number
from experiments.ticket import Case, band, case_of
from scaling import figures, laws
from scaling.figures import BLACK, BLUE, GREEN, ORANGE, RED, SKY, Look

LOOKS = {
    "wide": ticket.LOOKS["wide"],
    "wide_again": Look("wide, other episodes", BLACK, "", ":"),
    "compressed": Look("compressed, moments of the layer's form", BLUE, ""),
    "compressed_paper": Look("compressed, paper's moments", ORANGE, ""),
    "subset": Look("random heads, as published", RED, "", "--"),
    "subset_rescaled": Look("random heads, rescaled by d/d′", RED, ""),
    "undivided": Look("compressed, gradients not divided", SKY, "", "--"),
    "compressed_slow": Look("compressed, learning rate times d′/d", GREEN, "", "--"),
}
RUN = 50  # epochs of the published run
PUBLISHED_CASE = "lr_0.0001"
PUBLISHED = {
    f"{PUBLISHED_CASE}_published_log_ratio_{arm}": ("7", "adam", f"max_log_ratio_{theirs}")
    for arm, theirs in (("compressed", "compressed"), ("compressed_paper", "compressed"), ("subset", "subset"))
}
CLAIM = (
    "A layer of attention whose heads are compressed at initialisation follows the full layer through training: within "
    "the steps of the published run its test loss never differs by more than there, and at every time, also long after "
    "the losses of all arms have met, its predictions are closer to the full layer's than those of random heads, "
    "rescaled."
)


def estimate(statistic, draws: int, *tables: np.ndarray) -> dict[str, Any]:
    """A positive statistic of tables (seeds, times), and its interval over seeds, as an entry of a summary."""
    indices, value = laws.bootstrap_indices(len(tables[0]), draws), statistic(*tables)
    drawn = np.array([statistic(*(table[chosen] for table in tables)) for chosen in indices])
    return number(value, laws.interval(drawn, value, len(tables[0]), log=True))


def largest(loss: np.ndarray, wide: np.ndarray) -> float:
    """Mean over seeds of the largest |log(loss / loss of wide)|, of (seeds, times)."""
    return float(np.abs(np.log(loss / wide)).max(axis=1).mean())


def ratio(values: np.ndarray, others: np.ndarray) -> float:
    """Geometric mean of paired ratios."""
    return float(np.exp(np.log(values / others).mean()))


def least(values: np.ndarray, others: np.ndarray) -> float:
    """Least over times of the geometric mean over seeds of paired ratios (seeds, times)."""
    return float(np.exp(np.log(values / others).mean(axis=0).min()))


def numbers_of(case: Case, draws: int) -> dict[str, Any]:
    """The numbers of one case."""
    published_run, found = case.epochs <= RUN, {}
    late = ~published_run if (~published_run).any() else case.epochs == case.epochs[-1]
    wide = case.losses["wide"]
    for arm in LOOKS:
        if arm == "wide":
            continue
        loss = case.losses[arm]
        found[f"published_log_ratio_{arm}"] = estimate(largest, draws, loss[:, published_run], wide[:, published_run])
        found[f"late_log_ratio_{arm}"] = estimate(largest, draws, loss[:, late], wide[:, late])
        found[f"published_mean_ratio_{arm}"] = estimate(ratio, draws, loss[:, published_run], wide[:, published_run])
        found[f"final_ratio_{arm}"] = estimate(ratio, draws, loss[:, -1:], wide[:, -1:])
        far = case.distances[arm][:, -1:]
        found[f"final_distance_{arm}"] = estimate(ratio, draws, far, np.ones_like(far))
    for arm in ("compressed", "compressed_paper"):
        pair = case.distances["subset_rescaled"], case.distances[arm]
        found[f"early_advantage_{arm}"] = estimate(ratio, draws, *(table[:, published_run] for table in pair))
        found[f"late_advantage_{arm}"] = estimate(ratio, draws, *(table[:, late] for table in pair))
        found[f"least_advantage_{arm}"] = estimate(least, draws, *pair)
    return found


def analyse(rows: pl.DataFrame, settings: dict[str, Any]) -> Analysis:
    """How far every arm leaves the full layer, within the published run and beyond."""
    numbers: dict[str, Any] = {}
    table = Table(caption=f"|log(loss / loss of wide)| to epoch {RUN} and later; 95 % intervals over seeds")
    for heading in ("case", "arm", f"largest to {RUN}", "largest later", "last ratio", "last distance"):
        table.add_column(heading, no_wrap=heading in ("case", "arm"))
    names = list(rows["case"].unique(maintain_order=True))
    for name in names:
        found = numbers_of(case_of(rows, name), settings["draws"])
        numbers |= {f"{name}_{key}": entry for key, entry in found.items()}
        for arm in [arm for arm in LOOKS if arm != "wide"]:
            keys = ("published_log_ratio", "late_log_ratio", "final_ratio", "final_distance")
            entries = [found[f"{key}_{arm}"] for key in keys]
            table.add_row(name, arm, *(interval_text(entry["value"], entry["interval"]) for entry in entries))
    for key in ("step_over_forward", "compress_seconds"):
        numbers[key] = number(rows[key].median())
    verdict = judge(numbers, names)
    return Analysis({}, {"claim": CLAIM, "verdict": verdict, "numbers": numbers}, table, sentence(numbers, names))


def judge(numbers: dict[str, Any], names: list[str]) -> str:
    """An advantage of at least 1 at every rate; at the published one at most the published largest ratio."""
    asked = [(numbers[f"{name}_least_advantage_compressed"]["interval"], 1, math.inf) for name in names]
    if PUBLISHED_CASE in names:
        limit = published.value("7", "adam", "max_log_ratio_compressed")
        asked.append((numbers[f"{PUBLISHED_CASE}_published_log_ratio_compressed"]["interval"], 0, limit))
    return judged(asked)


def sentence(numbers: dict[str, Any], names: list[str]) -> str:
    """The verdict for a newcomer."""
    value, parts = {name: entry["value"] for name, entry in numbers.items()}, []
    for name in names:
        factor = {
            arm: np.exp(value[f"{name}_published_log_ratio_{arm}"])
            for arm in ("compressed", "wide_again", "subset_rescaled", "subset")
        }
        parts.append(
            f"learning rate {name.removeprefix('lr_')}: over {RUN} epochs the loss of the compressed layer leaves the "
            f"full one's by at most a factor {factor['compressed']:.3f} (the full one on other episodes "
            f"{factor['wide_again']:.2f}, random heads rescaled {factor['subset_rescaled']:.2f}, as published "
            f"{factor['subset']:.2f}); its predictions are {value[f'{name}_early_advantage_compressed']:.1f} times "
            f"closer than those of random heads rescaled, later {value[f'{name}_late_advantage_compressed']:.1f} "
            f"times, where least {value[f'{name}_least_advantage_compressed']:.2f} times; the mean loss of the random "
            f"heads as published is {value[f'{name}_published_mean_ratio_subset']:.2f} times the full layer's, that of "
            f"the compressed layer at their speed {value[f'{name}_published_mean_ratio_compressed_slow']:.2f} times"
        )
    return "; ".join(parts) + f". A training step costs {value['step_over_forward']:.1f} forward passes."


def draw(rows: pl.DataFrame, fits: dict[str, Any], summary: dict[str, Any]) -> Figure:
    """Test loss, loss over that of the full layer, and distance to its predictions; a row for each learning rate."""
    names = list(rows["case"].unique(maintain_order=True))
    figure, panels = figures.new_figure(3, len(names), width=3.7, height=3.0)
    for (losses, ratios, distances), name in zip(panels, names, strict=True):
        case = case_of(rows, name)
        again = np.exp(np.abs(np.log(case.losses["wide_again"] / case.losses["wide"])).mean(axis=0))
        ratios.fill_between(
            case.epochs, 1 / again, again, color="#dddddd", linewidth=0, label="noise of other episodes"
        )
        for arm, look in LOOKS.items():
            if arm not in ("wide_again", "undivided"):
                band(losses, case.epochs, case.losses[arm], look)
            if arm not in ("wide", "wide_again"):
                band(ratios, case.epochs, case.losses[arm] / case.losses["wide"], look)
            if arm not in ("wide", "subset", "compressed_slow"):
                band(distances, case.epochs, case.distances[arm], look)
        if name == PUBLISHED_CASE:
            for arm, line in (("wide", "-"), ("compressed", "--"), ("subset", ":")):
                figures.reference(losses, *published.curve("7", f"test_loss_{arm}", "epoch"), f"the paper, {arm}", line)
        for axes in (losses, ratios, distances):
            axes.set_xscale("symlog", linthresh=1)
            axes.axvline(RUN, color="#999999", linewidth=0.6, linestyle=":")
            axes.set(yscale="log", xlim=(0, case.epochs[-1]), title=f"learning rate {name.removeprefix('lr_')}")
        losses.set_ylabel("test loss")
        ratios.set_ylabel("loss / loss of the full layer")
        distances.set_ylabel("distance to the full layer")
    for axes in panels[-1]:
        axes.set_xlabel("epochs of five steps")
    figures.legend_below(figure, panels, columns=4)
    title = f"Verdict: {summary['verdict']}.  Lines: geometric means; bands: range over seeds; dotted: the paper's end"
    figure.suptitle(title, fontsize=9)
    return figure
