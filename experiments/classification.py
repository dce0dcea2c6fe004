"""Cross-entropy instead of squared loss: coresets that match moments class by class.

A student of one hidden layer learns classes. The loss sum_i c_i l(f(x_i), y_i) sees, for each of finitely many labels,
a function of x alone, so the polynomials P_k(x) of each class are the moments to match. Tasks: two and ten classes
drawn from the softmax of random networks of two inputs; and scikit-learn's digits in their leading principal
components, the one real data set here. Arms, all with the same steps:
    full        all d samples; full_again with other mini-batches: the noise beside which differences are read
    coreset     d' weighted samples, moments per class
    kmeans      d' centres, k-means within each class, with masses
    subset      d' random samples
"""

import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import jax
import numpy as np
import optax
import polars as pl
from matplotlib.figure import Figure
from rich.table import Table

from experiments.arms import curve, ratio
from experiments.launch import launch
from experiments.run import Analysis, Point, bars, number
from experiments.schema import Seeded, require, require_positive, require_whole, show
from experiments.student import COLUMNS as STUDENT
from experiments.student import REPORTED, work
from scaling import MomentSpace, compress, figures, laws, tasks, training
from scaling.baselines import subsample
from scaling.classes import Classes, digits, draw_classes, kmeans_per_class, scores
from scaling.figures import BLACK, BLUE, GREEN, RED, Look
from scaling.networks import TwoLayer

__all__ = ["COLUMNS", "Config", "analyse", "draw", "label", "measure", "points", "work"]

REVISION = 1
CLASSES = {"two_classes": 2, "ten_classes": 10, "digits": 10}
LOOKS = {
    "full_again": Look("full data, other mini-batches", BLACK, "x", ":"),
    "coreset": Look("coreset, moments per class", BLUE, "D"),
    "kmeans": Look("k-means within each class", GREEN, "^"),
    "subset": Look("random subset", RED, "v", "--", False),
}
REDUCED = ("coreset", "kmeans", "subset")
COLUMNS = {
    "arm": "what is trained on",
    "task": "two_classes or ten_classes of a random softmax, or digits",
    "inputs": "dimension of the inputs; of digits, leading principal components",
    "classes": "how many",
    "seed": "of teacher, data (of digits: the split), start and mini-batches",
    "method": "full, coreset, kmeans or subset",
    "order": "k, degree of the polynomials matched in each class",
    "test_size": "test samples drawn; empty for digits, where it is what is not trained on",
    "test_loss": "cross-entropy on the test samples, in nats",
    "accuracy": "share of test samples whose class is the most probable one",
    "excess": "mean Kullback-Leibler divergence from the true class probabilities, in nats; empty for digits",
}
COLUMNS |= {
    key: STUDENT[key]
    for key in ("size", "kept", "revision", "replicate", "width", "lr", "batch", "steps", "steps_per_epoch", *REPORTED)
}


@dataclass(slots=True)
class Config(Seeded):
    """Settings of the classification tasks."""

    tasks: list[str]
    size: int  # d of the drawn tasks
    test_size: int
    kept: list[int]  # d' of the drawn tasks, increasing
    two_classes_orders: list[int]  # k at each d'
    ten_classes_orders: list[int]
    digits_size: int  # of 1,797; the others are the test
    digits_inputs: int  # principal components
    digits_kept: list[int]
    digits_orders: list[int]
    width: int
    epochs: int
    batch: int
    lr: float
    draws: int  # of the bootstrap over seeds
    accuracy_loss_limit: (
        float  # the verdict's criterion at the largest d', written down before the shown seeds were run
    )

    def __post_init__(self) -> None:
        Seeded.__post_init__(self)
        require_whole(self, 1, "seeds", "test_size", "width", "epochs", "digits_inputs")
        require_whole(self, 0, "first_seed")
        fine = 0 < len(self.tasks) == len(set(self.tasks)) and set(self.tasks) <= set(CLASSES)
        require(fine, "tasks", self.tasks, f"a list without repetition from {', '.join(CLASSES)}")
        there = "digits" not in self.tasks or find_spec("sklearn") is not None
        require(there, "tasks", self.tasks, "without digits, or the extra `digits` installed")
        require(16 <= self.digits_size < 1797, "digits_size", self.digits_size, "16 to 1796")
        require_whole(self, 16, "size")
        require(
            1 <= self.batch <= min(self.size, self.digits_size) // 2, "batch", self.batch, "1 to half of the samples"
        )
        require_positive(self, "lr", "accuracy_loss_limit")
        require_whole(self, 100, "draws")
        for task in self.tasks:
            _, inputs, size, kept, orders = case(self, task)
            require(len(orders) == len(kept) > 0, f"{task}_orders", orders, f"as many as d'={show(kept)}")
            for d, order in zip(kept, orders, strict=True):
                least = MomentSpace.per_class(inputs, CLASSES[task], order=order).size if order >= 1 else math.inf
                reason = f"orders from 1 whose moments in all classes ({least}) fit into d'={d}"
                require(least <= d, f"{task}_orders", orders, reason)
                require(d < size, "kept" if task != "digits" else "digits_kept", kept, f"numbers below {size}")


def case(config: Config, task: str) -> tuple[int, int, int, list[int], list[int]]:
    """Of a task: classes, inputs, d, every d', and the order at each."""
    if task == "digits":
        return 10, config.digits_inputs, config.digits_size, config.digits_kept, config.digits_orders
    return CLASSES[task], 2, config.size, config.kept, getattr(config, f"{task}_orders")


def points(config: Config) -> list[Point]:
    """Every arm of every task at every d' and seed."""
    asked = []
    for task in config.tasks:
        classes, inputs, size, sizes, orders = case(config, task)
        per_epoch = -(-size // config.batch)
        shared = {"revision": REVISION, "task": task, "inputs": inputs, "classes": classes, "size": size}
        shared |= {"method": "full", "order": None, "replicate": 0, "width": config.width, "lr": config.lr}
        shared |= {"batch": config.batch, "steps": config.epochs * per_epoch, "steps_per_epoch": per_epoch}
        shared |= {"test_size": None if task == "digits" else config.test_size}
        arms = [("full", {"kept": size}), ("full_again", {"kept": size, "replicate": 1})]
        for kept, order in zip(sizes, orders, strict=True):
            arms.append(("coreset", {"kept": kept, "method": "coreset", "order": order}))
            arms += [(method, {"kept": kept, "method": method}) for method in ("kmeans", "subset")]
        for arm, details in arms:
            asked += [Point({"arm": arm}, shared | details | {"seed": seed}) for seed in config.seed_list()]
    return asked


def label(identity: dict[str, Any]) -> str:
    """A point in a few words, for progress lines."""
    return f"{identity['task']}, {identity['method']} {identity['size']} -> {identity['kept']}, seed {identity['seed']}"


@functools.cache
def trainer(width: int, classes: int, inputs: int, batch: int) -> tuple[TwoLayer, training.Train]:
    """The network and its training; cached, so that points of one shape share a compiled program."""
    network = TwoLayer(width, outputs=classes)
    rule = optax.adamw(1.0, weight_decay=0.01)
    return network, training.make_train(network, rule, batch=batch, inputs=inputs, error=training.cross_entropy)


def reduce(identity: dict[str, Any], train: tasks.Dataset) -> tuple[tasks.Dataset, float | None]:
    """The samples that a point trains on, and the residual of its coreset."""
    kept, seed = identity["kept"], identity["seed"]
    if identity["method"] == "full":
        return train, None
    if identity["method"] == "coreset":
        space = MomentSpace.per_class(identity["inputs"], identity["classes"], order=identity["order"])
        found = compress(train.objects, kept, space=space, seed=seed)
        return train.select(found.indices, found.weights), found.residual
    pick = {"kmeans": kmeans_per_class, "subset": subsample}[identity["method"]]
    return pick(train, kept, seed=seed), None


def measure(identities: list[dict[str, Any]], tick: Callable[[float], None]) -> list[dict[str, Any]]:
    """Test loss and accuracy of each identity; they differ in their seed alone and are trained together."""
    shared = identities[0]
    network, train = trainer(*(shared[key] for key in ("width", "classes", "inputs", "batch")))
    data, states, reports = [], [], []
    for identity in identities:
        root = jax.random.key(identity["seed"])
        data.append(load(identity))
        clock = time.perf_counter()
        small, residual = reduce(identity, data[-1].train)
        seconds = round(time.perf_counter() - clock, 4)
        reports.append({"samples": len(small.labels), "residual": residual, "reduce_seconds": seconds})
        key = tasks.purpose(root, "batches", identity["method"], identity["replicate"])
        rule = {"learning_rate": shared["lr"], "steps": shared["steps"], "steps_per_epoch": shared["steps_per_epoch"]}
        run = training.prepare(small, key, **rule, room=identity["kept"])
        states.append(train.init(tasks.purpose(root, "student"), run))
    per_step = work(shared) / shared["steps"]
    ends = training.finish(train, states, lambda steps: tick(per_step * steps))
    return [
        scores(np.asarray(network.apply(end.params, drawn.test.inputs), float), drawn) | report
        for end, drawn, report in zip(ends, data, reports, strict=True)
    ]


def load(identity: dict[str, Any]) -> Classes:
    """The data of a point's task and seed."""
    if identity["task"] == "digits":
        return digits(identity["seed"], identity["size"], identity["inputs"])
    shape = {"classes": identity["classes"], "inputs": identity["inputs"]}
    return draw_classes(jax.random.key(identity["seed"]), identity["size"], identity["test_size"], **shape)


def analyse(rows: pl.DataFrame, settings: dict[str, Any]) -> Analysis:
    """Accuracy lost and loss ratio against the full data, paired by seed, of every arm on every task at every d'."""
    draws, numbers = settings["draws"], {}
    table = Table(
        caption="accuracy lost against the full data, and loss ratio (excess over the truth; digits: whole loss)"
    )
    for heading in ("task", "arm", "d -> d'", "accuracy lost", "loss ratio"):
        table.add_column(heading)
    for task in settings["tasks"]:
        part = rows.filter(pl.col("task") == task)
        full, column = part.filter(pl.col("arm") == "full").sort("seed"), "test_loss" if task == "digits" else "excess"
        numbers[f"{task}_accuracy_full"] = number(*mean(full["accuracy"].to_numpy(), draws))
        for (arm, kept), own in part.filter(pl.col("arm") != "full").group_by("arm", "kept", maintain_order=True):
            lost = mean(full["accuracy"].to_numpy() - own.sort("seed")["accuracy"].to_numpy(), draws)
            ratios = ratio(curve(own, arm, column), curve(part, "full", column), draws).largest_size()
            place = f"{task}_full_again" if arm == "full_again" else f"{task}_{kept}_{arm}"
            numbers |= {f"{place}_accuracy_lost": number(*lost), f"{place}_loss_ratio": number(*ratios)}
            cells = (f"{value:.3f} [{low:.3f}, {high:.3f}]" for value, (low, high) in (lost, ratios))
            table.add_row(task, LOOKS[arm].label, f"{full['size'][0]} -> {kept}", *cells)
    verdict = judge(numbers, settings)
    summary = {"claim": CLAIM, "verdict": verdict, "numbers": numbers}
    return Analysis({}, summary, table, sentence(numbers, settings))


CLAIM = "With moments matched class by class, coresets train a classifier to the accuracy of training on all data."


def mean(values: np.ndarray, draws: int) -> tuple[float, tuple[float, float]]:
    """Mean over seeds (seeds,) with its interval."""
    drawn = values[laws.bootstrap_indices(len(values), draws)].mean(axis=1)
    return float(values.mean()), laws.interval(drawn, values.mean(), len(values))


def largest(numbers: dict[str, Any], task: str, arm: str, what: str) -> dict[str, Any]:
    """The entry of an arm at the largest d' of a task."""
    found = [name for name in numbers if name.startswith(task) and name.endswith(f"_{arm}_{what}")]
    return numbers[found[-1]]


def judge(numbers: dict[str, Any], settings: dict[str, Any]) -> str:
    """supported: on every task, at its largest d', the accuracy lost is below the limit with its whole interval.

    not supported: on some task it is above with its whole interval; inconclusive: neither.
    """
    limit = settings["accuracy_loss_limit"]
    found = [largest(numbers, task, "coreset", "accuracy_lost")["interval"] for task in settings["tasks"]]
    if any(low > limit for low, _ in found):
        return "not supported"
    return "supported" if all(high < limit for _, high in found) else "inconclusive"


def sentence(numbers: dict[str, Any], settings: dict[str, Any]) -> str:
    """The verdict for a newcomer."""
    parts = []
    for task in settings["tasks"]:
        lost = {arm: 100 * largest(numbers, task, arm, "accuracy_lost")["value"] for arm in REDUCED}
        words = f"coreset {lost['coreset']:.1f}, k-means {lost['kmeans']:.1f}, random subset {lost['subset']:.1f}"
        parts.append(f"{task} {words} of {100 * numbers[f'{task}_accuracy_full']['value']:.1f}")
    return f"points of accuracy lost at the largest d': {'; '.join(parts)}."


def draw(rows: pl.DataFrame, fits: dict[str, Any], summary: dict[str, Any]) -> Figure:
    """Accuracy lost (above) and loss ratio (below) against d' on every task."""
    names = list(rows["task"].unique(maintain_order=True))
    figure, grid = figures.new_figure(len(names), 2, width=4.0, height=3.1)
    numbers = summary["numbers"]
    for column, task in enumerate(names):
        sizes = sorted(rows.filter(pl.col("task") == task, pl.col("arm") == "coreset")["kept"].unique())
        for ax, what, neutral in zip(grid[:, column], ("accuracy_lost", "loss_ratio"), (0, 1), strict=True):
            noise = np.array(numbers[f"{task}_full_again_{what}"]["interval"], float)
            ax.axhspan(*noise, color="#dddddd", zorder=0, label=LOOKS["full_again"].label)
            ax.axhline(neutral, color="black", linewidth=0.8)
            for arm in REDUCED:
                values, *ends = bars([numbers[f"{task}_{kept}_{arm}_{what}"] for kept in sizes])
                figures.measured(ax, sizes, values, *ends, LOOKS[arm])
                figures.law(ax, np.array(sizes), np.array(values), LOOKS[arm])
            ax.set(xscale="log", xlabel="d′")
            figures.ticks(ax, sizes)
        size = rows.filter(pl.col("task") == task)["size"][0]
        grid[0, column].set(title=f"{task.replace('_', ' ')}, d = {size:,}")
        grid[1, column].set(
            yscale="log", ylabel="test loss ratio" if task == "digits" else "ratio of divergence from truth"
        )
    grid[0, 0].set_ylabel("accuracy lost against full data")
    figures.legend_below(figure, grid[0, 0], columns=4)
    figure.suptitle(f"Verdict: {summary['verdict']}.", fontsize=9)
    return figure


if __name__ == "__main__":
    launch("classification")
