"""What the rows of experiments.depth say: units needed in each layer, distances from the wide network; the figure."""

from typing import Any

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from rich.table import Table

from experiments.arms import interval_text
from experiments.run import Analysis, judged, number
from scaling import figures, laws
from scaling.figures import BLUE, GREEN, ORANGE, PURPLE, Look

COLORS, MARKERS = (BLUE, ORANGE, GREEN, PURPLE), ("o", "s", "^", "v")
LINES = ("-", "--", ":", "-.")
CLAIM = (
    "Depth costs nothing in accuracy: compressed to the same order of moments in every hidden layer, three- and "
    "four-layer networks are, relative to their outputs, about as far from the wide networks as two-layer networks are "
    "(the settings' tolerance says how much farther is accepted), though what they must keep multiplies from layer to "
    "layer."
)


def matrix(rows: pl.DataFrame, column: str, **where: Any) -> np.ndarray:
    """A column by seed and width, (seeds, widths), both increasing, of the rows selected."""
    chosen = rows.filter(*(pl.col(key) == value for key, value in where.items())).sort("seed", "width")
    widths = chosen["width"].n_unique()
    return chosen[column].cast(pl.Float64).to_numpy().reshape(-1, max(widths, 1))


def estimate(logs: np.ndarray, draws: int) -> dict[str, Any]:
    """exp of the mean over widths of logs (seeds, widths), with its interval over seeds."""
    value = np.exp(logs.mean())
    drawn = np.exp(logs[laws.bootstrap_indices(len(logs), draws)].mean(axis=(1, 2)))
    return number(value, laws.interval(drawn, value, len(logs), log=True))


def slope(logs: np.ndarray, widths: np.ndarray, draws: int) -> dict[str, Any]:
    """Exponent of the width in a quantity of logarithms (seeds, widths), with its interval over seeds."""
    lever = np.log(widths) - np.log(widths).mean()
    each = logs @ lever / np.sum(lever**2)
    drawn = each[laws.bootstrap_indices(len(each), draws)].mean(axis=1)
    return number(each.mean(), laws.interval(drawn, each.mean(), len(each)))


def needed(rows: pl.DataFrame, depth: int, target: float, draws: int) -> dict[str, Any]:
    """Units that each layer needs at the largest width for a distance of `target`, interpolated between orders.

    Empty where no order reaches it, or the lowest one already does.
    """
    widest = rows.filter(depth=depth, arm="compressed", width=rows["width"].max()).sort("seed", "order")
    orders = widest["order"].n_unique()
    if not orders:
        return {}
    logs = np.log(widest["distance"].to_numpy()).reshape(-1, orders)
    kept = np.array([[int(size) for size in str(text).split()] for text in widest["units"][:orders]])
    drawn = logs[laws.bootstrap_indices(len(logs), draws)].mean(axis=1)
    curves = np.minimum.accumulate(np.vstack([logs.mean(axis=0), drawn]), axis=1)
    if not curves[0, -1] <= np.log(target) < curves[0, 0]:
        return {}
    found = {}
    for i, units in enumerate(kept.T):
        at = np.exp([np.interp(-np.log(target), -curve, np.log(units)) for curve in curves])
        at[1:][(curves[1:, -1] > np.log(target)) | (curves[1:, 0] <= np.log(target))] = np.nan
        found[f"depth_{depth}_needed_units_layer_{i + 1}"] = number(
            at[0], laws.interval(at[1:], at[0], len(logs), log=True)
        )
    return found


def analyse(rows: pl.DataFrame, settings: dict[str, Any]) -> Analysis:
    """Distances of deeper networks beside those of the two-layer network, and the units that they keep."""
    draws, numbers, cost = settings["draws"], {}, {}
    table = Table(caption="geometric means over widths and seeds, 95 % intervals over seeds")
    for heading in ("hidden layers", "order", "units", "distance", "after training", "random units", "beside depth 1"):
        table.add_column(heading)
    for depth, order in rows.select("depth", "order").unique().sort("depth", "order").iter_rows():
        name, chosen = f"depth_{depth}_order_{order}", {"depth": depth, "order": order}
        few, some = ({**chosen, "arm": arm} for arm in ("compressed", "subset"))
        mine = rows.filter(depth=depth, order=order)
        widths = mine["width"].unique().sort().to_numpy()
        found = {
            "distance": estimate(np.log(matrix(rows, "distance", **few)), draws),
            "last_distance": estimate(np.log(matrix(rows, "last_distance", **few)), draws),
            "loss_ratio": estimate(np.log(matrix(rows, "loss_ratio", **few)), draws),
            "distance_subset": estimate(np.log(matrix(rows, "distance", **some)), draws),
            "last_distance_subset": estimate(np.log(matrix(rows, "last_distance", **some)), draws),
        }
        if len(widths) > 1:
            found["width_exponent"] = slope(np.log(matrix(rows, "distance", **few)), widths, draws)
        units = [int(kept) for kept in str(mine["units"][0]).split()]
        found |= {f"units_layer_{i + 1}": number(kept) for i, kept in enumerate(units)}
        beside = rows.filter(depth=1, order=order, arm="compressed").filter(pl.col("width").is_in(widths.tolist()))
        if depth > 1 and len(beside):
            logs = np.log(matrix(rows, "distance", **few)) - np.log(matrix(beside, "distance"))
            cost[name] = found["distance_ratio"] = estimate(logs, draws)
        numbers |= {f"{name}_{key}": entry for key, entry in found.items()}
        texts = [
            interval_text(found[key]["value"], found[key]["interval"]) if key in found else ""
            for key in ("distance", "last_distance", "distance_subset", "distance_ratio")
        ]
        table.add_row(str(depth), str(order), " ".join(map(str, units)), *texts)
    for depth in rows["depth"].unique().sort():
        numbers |= needed(rows, depth, settings["target"], draws)
        widest = rows.filter(depth=depth).filter(width=pl.col("width").max(), order=pl.col("order").min())
        losses = np.log(matrix(widest, "wide_loss", arm="compressed"))
        numbers[f"depth_{depth}_wide_loss_at_largest_width"] = estimate(losses, draws)
    verdict = judged([(entry["interval"], 0, settings["tolerance"]) for entry in cost.values()])
    return Analysis(
        {}, {"claim": CLAIM, "verdict": verdict, "numbers": numbers}, table, sentence(numbers, cost, settings)
    )


def sentence(numbers: dict[str, Any], cost: dict[str, Any], settings: dict[str, Any]) -> str:
    """The verdict for a newcomer."""
    parts = []
    for name, entry in cost.items():
        _, depth, _, order = name.split("_")
        units = [int(numbers[f"{name}_units_layer_{i + 1}"]["value"]) for i in range(int(depth))]
        parts.append(
            f"{depth} hidden layers at order {order} keep {', '.join(map(str, units))} units, from the first, and are "
            f"{entry['value']:.1f} times as far from the wide network as one hidden layer of {units[-1]} "
            f"(random units {numbers[f'{name}_distance_subset']['value']:.1f} times its outputs away, compressed "
            f"{numbers[f'{name}_distance']['value']:.2f})"
        )
    for depth in settings["depths"]:
        keys = [f"depth_{depth}_needed_units_layer_{i + 1}" for i in range(depth)]
        if keys[0] in numbers:
            units = ", ".join(f"{numbers[key]['value']:.0f}" for key in keys)
            parts.append(f"for a distance of {settings['target']:g} a depth of {depth} needs about {units} units")
    return ("; ".join(parts) or "no deeper network had more units than moments in every layer") + "."


def draw(rows: pl.DataFrame, fits: dict[str, Any], summary: dict[str, Any]) -> Figure:
    """Distances at the start and after training against the width, and what every layer keeps."""
    figure, panels = figures.new_figure(3, width=4.0, height=3.4)
    start, end, kept = panels[0]
    for depth, order in rows.select("depth", "order").unique().sort("depth", "order").iter_rows():
        color, marker = COLORS[(depth - 1) % 4], MARKERS[(order - 1) % 4]
        look = Look(f"{depth + 1} layers, order {order}", color, marker, LINES[(order - 1) % 4])
        widths = rows.filter(depth=depth, order=order)["width"].unique().sort().to_numpy()
        for axes, column in ((start, "distance"), (end, "last_distance")):
            for arm, mine in (("compressed", look), ("subset", look._replace(label="", filled=False, line=""))):
                values = matrix(rows, column, depth=depth, order=order, arm=arm)
                means = np.exp(np.log(values).mean(axis=0))
                figures.measured(axes, widths, means, values.min(axis=0), values.max(axis=0), mine._replace(line=""))
                if arm == "compressed":
                    figures.law(axes, widths, means, look)
        units = [int(size) for size in str(rows.filter(depth=depth, order=order)["units"][0]).split()]
        kept.plot(range(1, depth + 1), units, color=color, marker=marker, linestyle=look.line)
    for axes, title in ((start, "at initialisation"), (end, "after training")):
        axes.set(xscale="log", yscale="log", xlabel="width d of every hidden layer", title=title)
        axes.set_xticks(sorted(rows["width"].unique()), labels=map(str, sorted(rows["width"].unique())))
        axes.set_xticks([], minor=True)
    start.set_ylabel("distance to the wide network")
    kept.set(yscale="log", xlabel="hidden layer, from the input", ylabel="units it keeps", title="kept in each layer")
    kept.set_xticks(range(1, rows["depth"].max() + 1))
    figures.legend_below(figure, start, 4)
    title = f"Verdict: {summary['verdict']}.  Filled: compressed; open: random units, rescaled; bars: range over seeds"
    figure.suptitle(title, fontsize=9)
    return figure
