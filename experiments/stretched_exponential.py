"""Does a learning task on compressed data follow exp(-a' d'^(1/m))? Envelope, excess and ratio, for m = 1, 2, 3.

If compression were free, L ~ d^-a with d' = c log^m d would be a stretched exponential by relabelling, so which law
fits that curve says nothing about compression. What does is how small d' may be. Data of d samples are compressed to
d' = g c log^m d for a grid of g, students are trained on the exact weighted loss, and the paired ratio of their test
loss to that of all d samples is read in three ways:
    envelope  the smallest d' whose ratio stays below `tolerance`: does it grow like log^p d or like a power of d?
    excess    ratio - 1 against d' at a fixed d: exponential in d'^p, or a power?
    ratio     at g = 1: bounded over the whole range of d?
Arms at every g: coresets in the squared-loss space, of which the verdict speaks; at every other g: compressed inputs
with fitted labels, in as few cells as the largest order allows. At g = 1 also: coresets in the paper's isotropic space,
random subsets (last checkpoint, and the best one on validation data), k-means centres with masses.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from rich.table import Table

from experiments.arms import at_sizes, interval_text, ratio
from experiments.envelope import GRIDDED, Family, decay, envelope, family_of, growth, least_sufficient
from experiments.envelope_panels import LOOKS, envelope_panel, excess_panel, schedule_panel
from experiments.launch import launch
from experiments.run import UNKNOWN, Analysis, Point, number
from experiments.schema import require, require_distinct, require_positive, require_whole
from experiments.student import COLUMNS as STUDENT
from experiments.student import (
    Activation,
    Task,
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
from scaling.moments import polynomials
from scaling.regression import least_size

__all__ = ["Config", "analyse", "draw", "label", "measure", "points", "work"]

COLUMNS = STUDENT | {"family": "task and input dimension", "grid": "g of d' = [g c log^m d]"}
ORDERS = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24)  # few, as every one means programs to compile
MOST = 300  # moments in a cell: eliminating them takes as their cube


@dataclass(slots=True)
class Config(Training):
    """Settings of the test."""

    activations: list[Activation]  # of teacher and student: one family of tasks each
    dimensions: list[int]  # m, of the inputs
    sizes: list[int]  # d
    grid: list[float]  # g of d' = [g c log^m d]; holds 1
    factors: dict[str, float]  # c of each family, chosen on pilot seeds
    cells: dict[str, int]  # cells of each family's coresets, chosen on pilot seeds; the order is the largest that fits
    draws: int
    tolerance: float  # the envelope keeps the ratio below 1 + tolerance
    ratio_limit: float  # the verdict's criteria, written down before the shown seeds were run
    margin: float  # of AICc

    def __post_init__(self) -> None:
        Training.__post_init__(self)
        accepted = "a list of at least one, without repetition"
        require_distinct(self, accepted, "activations", "dimensions", "sizes", "grid")
        for m in self.dimensions:
            check_inputs(self, m)
        require(min(self.sizes) >= 16, "sizes", self.sizes, "whole numbers from 16")
        require(min(self.grid) > 0 and 1 in self.grid, "grid", self.grid, "positive numbers, 1 among them")
        require_whole(self, 100, "draws")
        require_positive(self, "tolerance", "ratio_limit", "margin")
        for key, least in (("factors", 0), ("cells", 1)):
            values = getattr(self, key)
            for name, _, _ in families(self):
                fine = name in values and least <= values[name] < math.inf and values[name] > 0
                require(fine, key, values, f"a positive number for {name}, as in {key}={{{name}: 2}}")


def families(config: Config) -> Iterator[tuple[str, Activation, int]]:
    """Name, activation and input dimension of every family of tasks."""
    for activation in config.activations:
        for m in config.dimensions:
            task = activation.name if config.task is Task.teacher_student else f"{config.task.name}_{activation.name}"
            yield f"{task}_m{m}", activation, m


def largest_order(space: str, inputs: int, kept: int, cells: int) -> int | None:
    """The largest of ORDERS, of at most MOST moments, that fits `cells` times into d' = kept; else the first, once."""
    room = min(kept // cells, MOST)
    fitting = [q for q in ORDERS if moment_space(space, inputs, q, max(q - 2, 0)).size <= room]
    if fitting:
        return fitting[-1]
    return ORDERS[0] if moment_space(space, inputs, ORDERS[0], 0).size <= kept else None


def points(config: Config) -> list[Point]:
    """Full data and the grid of coresets at every size; the other arms at g = 1; nothing where d' >= d."""
    asked = []
    for family, activation, m in families(config):
        common, cells = setting(config, m, activation), config.cells[family]
        for d in config.sizes:
            arms = [("full", 1.0, {"kept": d}), ("full_again", 1.0, {"kept": d, "replicate": 1})]
            for g in config.grid:
                kept = round(g * config.factors[family] * math.log(d) ** m)
                if kept >= d:
                    continue
                spaces = ("squared_loss", "total_degree") if g == 1 else ("squared_loss",)
                for arm, space in zip(("squared_loss", "isotropic"), spaces, strict=False):
                    if (q := largest_order(space, m, kept, cells)) is not None:
                        r = None if arm == "isotropic" else max(q - 2, 0)
                        arms.append((arm, g, {"kept": kept} | coreset(space, q, r)))
                if kept >= least_size(m) and (g == 1 or g in config.grid[::2]):
                    q = max(q for q in ORDERS if polynomials(m, q) <= min(kept // 2, MOST))
                    arms.append(("fitted_labels", g, {"method": "fitted_labels", "kept": kept, "order": q}))
                ways = ("kmeans", "subset") if g == 1 else ()
                arms += [(way, g, {"method": way, "kept": kept}) for way in ways]
            for seed in config.seed_list():
                for arm, g, details in arms:
                    which = {"size": d, "kept": details["kept"], "seed": seed}
                    identity = which | common | details | schedule(config, d)
                    asked.append(Point({"family": family, "arm": arm, "grid": g}, identity))
    return asked


def analyse(rows: pl.DataFrame, settings: dict[str, Any]) -> Analysis:
    """Envelope, excess and ratio of every family, beside the laws of the schedule curve and of its relabelled twin."""
    draws, fits, numbers, verdicts = settings["draws"], {}, {}, {}
    table = Table(caption="ratio of test losses to training on all d samples, paired by seed; 95 % intervals")
    for heading in ("task", "worst ratio at c log^m d", "p of log^p d", "its AICc lead", "excess power", "verdict"):
        table.add_column(heading)
    for name in rows["family"].unique(maintain_order=True):
        family = family_of(rows, name, draws)
        found, fits[name] = read(family, settings)
        verdicts[name] = judge(family.m, found, fits[name], settings)
        numbers |= {f"{name}_{quantity}": entry for quantity, entry in found.items()}
        shown = (found["max_loss_ratio"], found["envelope_p"], found["excess_exponent"])
        worst, p, power = (interval_text(entry["value"], entry["interval"]) for entry in shown)
        lead = f"{found['envelope_log_vs_power_delta_aicc']['value']:+.1f}"
        table.add_row(name, worst, p, lead, power, verdicts[name])
    said = set(verdicts.values())
    verdict = said.pop() if len(said) == 1 else "not supported" if "not supported" in said else "inconclusive"
    fits["verdicts"] = verdicts
    return Analysis(fits, {"claim": CLAIM, "verdict": verdict, "numbers": numbers}, table, sentence(verdicts))


CLAIM = (
    "Data compressed to d' = c log^m d samples train as well as all d samples at every d, with one c per task, so loss "
    "against the samples trained on is a stretched exponential exp(-a' d'^(1/m))."
)


def read(family: Family, settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The numbers of one family, and its fits."""
    draws = settings["draws"]
    names = ("max_loss_ratio", "loss_ratio_slope", "schedule_delta_aicc", "relabelled_delta_aicc")
    numbers = dict.fromkeys(names, UNKNOWN)
    fits: dict[str, Any] = {}
    if 1.0 in family.grid["squared_loss"]:
        schedule_curve, ratios = family.grid["squared_loss"][1.0]
        numbers["max_loss_ratio"] = number(*ratios.maximum())
        numbers["loss_ratio_slope"] = number(*ratios.slope())
        full = at_sizes(family.curves["full"], schedule_curve.size)
        for key, losses in (("schedule", schedule_curve.losses), ("relabelled", full.losses)):
            pair = laws.compare(
                schedule_curve.kept, losses, dimension=family.m, laws=("power_floor", "stretched_floor"), draws=draws
            )
            lead = pair.fits["power_floor"].aicc - pair.fits["stretched_floor"].aicc
            fits[key], numbers[f"{key}_delta_aicc"] = pair.to_dict(), number(lead)
    for arm in ("full_again", "squared_loss", "isotropic", "fitted_labels", "kmeans", "subset", "subset_best"):
        if arm in family.curves:
            against = ratio(family.curves[arm], family.curves["full"], draws)
            numbers[f"loss_ratio_at_largest_{arm}"] = number(*against.largest_size())
            numbers[f"max_loss_ratio_{arm}"] = number(*against.maximum())
    for arm in GRIDDED:
        end = "" if arm == "squared_loss" else f"_{arm}"
        found, its_fits = smallest(family, arm, settings)
        numbers |= {name + end: entry for name, entry in found.items()}
        fits |= {name + end: fit for name, fit in its_fits.items()}
    return numbers, fits


def smallest(family: Family, arm: str, settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Envelope and excess of one arm: numbers and fits."""
    draws = settings["draws"]
    names = ("envelope_p", "envelope_log_vs_power_delta_aicc", "excess_exponent")
    numbers = dict.fromkeys((*names, "least_kept_at_largest", "loss_ratio_at_least_kept"), UNKNOWN)
    if least := least_sufficient(family, family.curves["full"].size[-1], settings["tolerance"], arm):
        kept, *ratio_there = least
        numbers["least_kept_at_largest"], numbers["loss_ratio_at_least_kept"] = number(kept), number(*ratio_there)
    found = envelope(family, settings["tolerance"], arm)
    fits = {"envelope_points": found._asdict()}
    if grown := growth(found, draws):
        by_logarithm, by_power = grown
        fits["envelope"] = {"log_power": by_logarithm.to_dict(), "power": by_power.to_dict()}
        numbers["envelope_p"] = number(by_logarithm.parameters["p"], by_logarithm.intervals["p"])
        numbers["envelope_log_vs_power_delta_aicc"] = number(by_power.aicc - by_logarithm.aicc)
    decays = decay(family, draws, arm)
    fits["excess"] = {str(d): comparison.to_dict() for d, comparison in decays.items()}
    if decays:
        free = decays[max(decays)].fits["stretched_free"]
        numbers["excess_exponent"] = number(free.parameters["p"], free.intervals["p"])
    return numbers, fits


def judge(m: int, numbers: dict[str, Any], fits: dict[str, Any], settings: dict[str, Any]) -> str:
    """Envelope, excess and ratio must all speak for the stretched exponential; any that speaks against it decides.

    ratio: its worst value's interval ends below the limit (for), or begins above it (against).
    envelope: log^p d leads a power of d by the margin of AICc, p's interval holds m (for); the power leads (against).
    excess: at the largest d that tells, exp(-a d'^(1/m)) leads a power by the margin (for); the power leads (against).
    """
    low, high = numbers["max_loss_ratio"]["interval"]
    votes = [1 if high < settings["ratio_limit"] else -1 if low > settings["ratio_limit"] else 0]
    lead, (bottom, top) = numbers["envelope_log_vs_power_delta_aicc"]["value"], numbers["envelope_p"]["interval"]
    margin = settings["margin"]
    votes.append(1 if lead > margin and bottom <= m <= top else -1 if lead < -margin else 0)
    if fits["excess"]:
        of_law = fits["excess"][max(fits["excess"], key=int)]["fits"]
        lead = of_law["power"]["aicc"] - of_law["stretched"]["aicc"] if of_law["power"]["aicc"] else math.nan
        votes.append(1 if lead > margin else -1 if lead < -margin else 0)
    else:
        votes.append(0)
    return "not supported" if min(votes) < 0 else "supported" if min(votes) > 0 else "inconclusive"


def sentence(verdicts: dict[str, str]) -> str:
    """The verdicts for a newcomer."""
    kinds = dict.fromkeys(verdicts.values())
    groups = {said: [name for name, one in verdicts.items() if one == said] for said in kinds}
    return "that c log^m d weighted samples do the work of d samples is " + "; ".join(
        f"{said} for {', '.join(names)}" for said, names in groups.items()
    )


def draw(rows: pl.DataFrame, fits: dict[str, Any], summary: dict[str, Any]) -> Figure:
    """A row of panels for each family: power law, stretched exponential, envelope and excess."""
    names = list(rows["family"].unique(maintain_order=True))
    figure, panels = figures.new_figure(4, len(names), width=3.6, height=2.9)
    for (loss, stretched, border, rest), name in zip(panels, names, strict=True):
        family = family_of(rows, name, 1000)
        m = family.m
        for arm, look in LOOKS.items():
            if arm in family.curves:
                found = family.curves[arm]
                figures.measured(loss, found.kept, *found.mean(1000), look)
        loss.set(xscale="log", yscale="log", title=f"{name}: {fits['verdicts'][name]}", ylabel="test loss")
        schedule_panel(stretched, family, fits[name])
        envelope_panel(border, fits[name], m)
        border.set_xlim(*np.log(family.curves["full"].size[[0, -1]]) * (0.98, 1.02))
        excess_panel(rest, family, m)
    for axes, text in zip(
        panels[-1], ("samples trained on", "(samples trained on)$^{1/m}$", "log d", "d′$^{1/m}$"), strict=True
    ):
        axes.set_xlabel(text)
    figures.legend_below(figure, panels[0, :2], columns=4)
    return figure


if __name__ == "__main__":
    launch("stretched_exponential")
