"""Test loss against width: does compressing the neurons double the exponent of the scaling law?

The task of Fig. 5b of arXiv 2510.00504: two-layer networks of d neurons learn the cylindrical harmonic; at
initialisation the d neurons are replaced by d' weighted ones, trained by the compressed dynamics. Arms:
    wide              d neurons; wide_again with the samples in another order: the noise beside which ratios are read
    compressed        d' = [16 sqrt d], few_degrees (see experiments.neurons)
    compressed_paper  the same d', total degree k, as published
    polylog           d' = [c log^p d], few_degrees
    subset            [16 sqrt d] random neurons, each of multiplicity d / d'
Where d' >= d nothing is compressed, and such a width enters no fit. Data for testing are drawn apart from training data
for every seed (in the published runs of seeds 0 and 1 the two had the same inputs).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments import neurons
from experiments.launch import launch
from experiments.neurons import Neurons, Optimizer, begin, check_fits, few_degrees, total_degree, trainer
from experiments.run import Point
from experiments.schema import require, require_positive
from experiments.student import Activation, label
from experiments.widths import PUBLISHED, analyse, draw
from scaling.checkpoints import Checkpoint
from scaling.twins import pack, predictions, unpack
from scaling.units import select_units

__all__ = ["COLUMNS", "PUBLISHED", "Config", "analyse", "draw", "label", "measure", "points", "work"]

COLUMNS = neurons.COLUMNS | {
    "arm": "explained in experiments/width_scaling.py",
    "size": "d, neurons before compression",
    "kept": "d', neurons trained",
    "method": "wide, compressed or subset",
    "space": "moment space of the compression: few_degrees or total_degree",
    "order": "k of total_degree, or q of few_degrees",
    "square_degree": "s of few_degrees",
}


@dataclass(slots=True)
class Config(Neurons):
    """Settings of the scaling law of the width."""

    sizes: list[int]  # d
    sqrt_factor: float  # d' = [sqrt_factor sqrt d]
    polylog_factor: float  # c of d' = [c log^p d]
    polylog_power: float  # p
    optimizer: Optimizer
    activation: Activation
    lr: float
    shuffle: bool  # whether every epoch takes the samples in a new order; the paper's do not
    exponent_ratio_range: list[float]  # the verdict's criteria, written down before the shown seeds were run
    loss_ratio_limit: float

    def __post_init__(self) -> None:
        Neurons.__post_init__(self)
        require(len(self.sizes) > 0, "sizes", self.sizes, "a list with at least one width")
        require(all(d >= 2 for d in self.sizes), "sizes", self.sizes, "whole numbers from 2")
        require(len(set(self.sizes)) == len(self.sizes), "sizes", self.sizes, "a list without repetition")
        require_positive(self, "sqrt_factor", "polylog_factor", "polylog_power", "lr", "loss_ratio_limit")
        low, high = self.exponent_ratio_range if len(self.exponent_ratio_range) == 2 else (0, 0)
        accepted = "two positive numbers [low,high] with low < high"
        require(0 < low < high, "exponent_ratio_range", self.exponent_ratio_range, accepted)
        for d in self.sizes:
            for kept, space, key in (
                (self.by_root(d), few_degrees(self.degree, self.square_degree), "degree"),
                (self.by_root(d), total_degree(self.order), "order"),
                (self.by_logarithm(d), few_degrees(self.degree, self.square_degree), "degree"),
            ):
                if kept < d:
                    check_fits(self, key, space, kept)

    def by_root(self, d: int) -> int:
        return math.floor(self.sqrt_factor * math.sqrt(d))

    def by_logarithm(self, d: int) -> int:
        return math.floor(self.polylog_factor * math.log(d) ** self.polylog_power)


def points(config: Config) -> list[Point]:
    """Every arm at every width and seed; where d' >= d only the wide networks are trained."""
    names = {"optimizer": config.optimizer.name, "activation": config.activation.name, "lr": config.lr}
    common, asked = neurons.setting(config) | names, []
    few = {"space": "few_degrees", "order": config.degree, "square_degree": config.square_degree}
    total = {"space": "total_degree", "order": config.order, "square_degree": None}
    none = {"space": None, "order": None, "square_degree": None}
    for d in config.sizes:
        root, logarithm = config.by_root(d), config.by_logarithm(d)
        arms = {
            "wide": {"method": "wide", "kept": d, "shuffle": config.shuffle} | none,
            "wide_again": {"method": "wide", "kept": d, "shuffle": not config.shuffle} | none,
            "compressed": {"method": "compressed", "kept": root, "shuffle": config.shuffle} | few,
            "compressed_paper": {"method": "compressed", "kept": root, "shuffle": config.shuffle} | total,
            "polylog": {"method": "compressed", "kept": logarithm, "shuffle": config.shuffle} | few,
            "subset": {"method": "subset", "kept": root, "shuffle": config.shuffle} | none,
        }
        for arm, details in arms.items():
            if details["kept"] < d or details["method"] == "wide":
                for seed in config.seed_list():
                    asked.append(Point({"arm": arm}, {"size": d, "seed": seed} | common | details))
    return asked


def work(identity: dict[str, Any]) -> float:
    """Relative cost of a point: samples times neurons, with some for each step."""
    return identity["epochs"] * identity["train_size"] * (identity["kept"] + 100.0)


def start(identity: dict[str, Any]) -> tuple[Any, np.ndarray]:
    """Parameters of a point's network before training, and the multiplicities of its neurons."""
    d, kept = identity["size"], identity["kept"]
    if identity["method"] == "wide":
        return neurons.initial(identity, d), np.ones(d)
    if identity["method"] == "subset":
        few = select_units(neurons.initial(identity, d), trainer(identity, kept)[0].layers[0], np.arange(kept))
        return few, np.full(kept, d / kept)
    by_total = identity["space"] == "total_degree"
    space = total_degree(identity["order"]) if by_total else few_degrees(identity["order"], identity["square_degree"])
    return neurons.reduced(identity, d, kept, space)


def measure(
    identities: list[dict[str, Any]], tick: Callable[[float], None], checkpoint: Checkpoint
) -> list[dict[str, Any]]:
    """Losses of one network after its last epoch."""
    (identity,) = identities
    train, test = neurons.data(identity)
    params, multiplicities = start(identity)
    state, (_, apply, twin) = begin(identity, params, multiplicities), trainer(identity, identity["kept"])
    found, loss = checkpoint.restore(), math.nan
    if found is not None:
        state, loss = unpack(found["state"], state), float(found["loss"])
    while int(state.epoch) < identity["epochs"]:
        state, loss = twin.epoch(state, train.inputs, train.labels)
        tick(work(identity) / identity["epochs"])
        checkpoint.offer(lambda state=state, loss=loss: {"state": pack(state), "loss": np.float32(loss)})
    error = predictions(apply, state, test.inputs) - test.labels.astype(float)
    return [{"train_loss": float(loss), "test_loss": float(np.mean(error**2))}]


if __name__ == "__main__":
    launch("width_scaling")
