"""The dynamical lottery ticket: do a wide network and its compressed twin stay together through training?

Fig. 4 of arXiv 2510.00504: a two-layer network of 10^4 neurons is compressed at initialisation to 10^3 weighted ones,
and both are trained on the same mini-batches, the compressed one by the compressed dynamics (each neuron's gradient
divided by its multiplicity). Arms beside the wide network, of d' neurons unless stated:
    wide_again       the wide network on other mini-batches: the noise beside which ratios are read
    compressed       few_degrees, see experiments.neurons
    compressed_paper total degree k, as published
    subset           random neurons as published: not rescaled, so its function is smaller and learns more slowly
    subset_rescaled  the same neurons, each of multiplicity d / d'
    fresh            a network of width d' at its own default initialisation
    pruned           the neurons of largest |v| |(W, b)| at the end of the wide run, rewound to their start (the lottery
                     ticket of magnitude pruning), each of multiplicity d / d'
    undivided        compressed, but gradients not divided by multiplicities
    order_<k>        compressed_paper with another k
A case is an optimiser and an activation. Reported are test loss and the distance between prediction functions.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments import neurons
from experiments.launch import launch
from experiments.neurons import Neurons, Optimizer, begin, check_fits, few_degrees, total_degree, trainer
from experiments.run import Point
from experiments.schema import require, require_whole, show
from experiments.student import Activation
from experiments.ticket import PUBLISHED, analyse, draw
from scaling.checkpoints import Checkpoint
from scaling.twins import pack, predictions, step_over_forward, unpack
from scaling.units import select_units, to_objects

__all__ = ["COLUMNS", "PUBLISHED", "Config", "analyse", "draw", "label", "measure", "points", "work"]

COLUMNS = neurons.COLUMNS | {
    "case": "optimiser and activation",
    "arm": "which network; those beside `wide` are explained in experiments/lottery_ticket.py",
    "epoch": "epochs done",
    "width": "d, neurons of the wide network",
    "kept": "d', neurons of the others",
    "record_every": "epochs between records; besides these 1, 2, 5 and the last",
    "order": "k of compressed_paper and undivided",
    "degree": "q of compressed",
    "square_degree": "s of compressed",
    "ablation_orders": "k of the arms order_<k>",
    "distance": "rms difference of predictions to `wide` at 10,000 test inputs, over the rms of its predictions",
    "compress_seconds": "wall time of the compression",
    "step_over_forward": "wall time of a training step of `wide` over that of one jitted forward pass, same batch",
}


@dataclass(slots=True)
class Config(Neurons):
    """Settings of the lottery ticket."""

    width: int  # d
    kept: int  # d'
    optimizers: list[Optimizer]  # of each case
    activations: list[Activation]
    rates: list[float]
    ablation_orders: list[int]
    record_every: int  # epochs

    def __post_init__(self) -> None:
        Neurons.__post_init__(self)
        require(1 <= self.kept < self.width, "kept", self.kept, f"a whole number from 1 below width={self.width}")
        require_whole(self, 1, "record_every")
        require(len(self.optimizers) >= 1, "optimizers", self.optimizers, "a list with at least one optimiser")
        for key in ("activations", "rates"):
            fits = len(getattr(self, key)) == len(self.optimizers)
            require(fits, key, getattr(self, key), f"a list as long as optimizers={show(self.optimizers)}")
        require(all(0 < rate < math.inf for rate in self.rates), "rates", self.rates, "positive numbers")
        cases = list(zip(self.optimizers, self.activations, strict=True))
        require(len(set(cases)) == len(cases), "activations", self.activations, "one case of each kind")
        orders = self.ablation_orders
        require(len(set(orders)) == len(orders), "ablation_orders", orders, "a list without repetition")
        require(all(k >= 1 for k in orders), "ablation_orders", orders, "whole numbers from 1")
        check_fits(self, "order", total_degree(self.order), self.kept)
        check_fits(self, "degree", few_degrees(self.degree, self.square_degree), self.kept)
        for k in orders:
            check_fits(self, "ablation_orders", total_degree(k), self.kept)


def points(config: Config) -> list[Point]:
    """One point for each case and seed: all arms of it."""
    keys = ("width", "kept", "order", "degree", "square_degree", "record_every")
    shared = neurons.setting(config) | {key: getattr(config, key) for key in keys} | {"shuffle": True}
    shared["ablation_orders"] = " ".join(map(str, config.ablation_orders))
    asked = []
    for optimizer, activation, rate in zip(config.optimizers, config.activations, config.rates, strict=True):
        case = {"optimizer": optimizer.name, "activation": activation.name, "lr": rate}
        for seed in config.seed_list():
            name = f"{optimizer.name}_{activation.name}"
            asked.append(Point({"case": name}, {"seed": seed} | case | shared))
    return asked


DISTANCE_INPUTS = 10_000  # test inputs, at most, at which predictions are compared
ARMS = ("wide", "wide_again", "compressed", "compressed_paper", "subset", "subset_rescaled", "fresh", "pruned")


def arms(identity: dict[str, Any]) -> list[str]:
    """The arms of a point, the wide network first."""
    return [*ARMS, "undivided", *(f"order_{k}" for k in identity["ablation_orders"].split())]


def recorded(identity: dict[str, Any]) -> list[int]:
    """The epochs after which losses and distances are recorded."""
    epochs = identity["epochs"]
    return sorted({0, 1, 2, 5, epochs, *range(0, epochs, identity["record_every"])} & set(range(epochs + 1)))


def label(identity: dict[str, Any]) -> str:
    """A point in a few words, for progress lines."""
    return f"{identity['optimizer']} {identity['activation']}, seed {identity['seed']}"


def work(identity: dict[str, Any]) -> float:
    """Relative cost of a point: samples times neurons."""
    return identity["epochs"] * sum(per_epoch(identity, arm) for arm in arms(identity))


def per_epoch(identity: dict[str, Any], arm: str) -> float:
    """Relative cost of an epoch of an arm."""
    return identity["train_size"] * (identity["width"] if arm.startswith("wide") else identity["kept"])


def start(identity: dict[str, Any], arm: str, strongest: np.ndarray) -> tuple[Any, np.ndarray, dict[str, Any]]:
    """Parameters of an arm before training, its multiplicities, and what else `begin` needs to know.

    strongest: (kept,) indices of the neurons that are largest after the wide network's training.
    """
    d, kept = identity["width"], identity["kept"]
    if arm == "fresh":
        return neurons.initial(identity, kept, "fresh"), np.ones(kept), {}
    params = neurons.initial(identity, d)
    if arm.startswith("wide"):
        return params, np.ones(d), {"replicate": int(arm == "wide_again")}
    if arm in ("subset", "subset_rescaled", "pruned"):
        chosen = strongest if arm == "pruned" else np.arange(kept)
        few = select_units(params, trainer(identity, kept)[0].layers[0], chosen)
        return few, np.full(kept, 1.0 if arm == "subset" else d / kept), {}
    space = few_degrees(identity["degree"], identity["square_degree"])
    if arm == "compressed_paper" or arm.startswith("order_"):
        space = total_degree(int(arm.removeprefix("order_")) if arm != "compressed_paper" else identity["order"])
    return *neurons.reduced(identity, d, kept, space), {"divided": arm != "undivided"}


def measure(
    identities: list[dict[str, Any]], tick: Callable[[float], None], checkpoint: Checkpoint
) -> list[dict[str, Any]]:
    """Losses and distances of all arms of one point, one arm after the other, the wide network first."""
    (identity,) = identities
    names, times = arms(identity), recorded(identity)
    train, test = neurons.data(identity)
    found = checkpoint.restore() or {
        "arm": np.int32(0),
        "curves": np.full((len(names), len(times), 3), np.nan),
        "wide": np.zeros((len(times), min(identity["test_size"], DISTANCE_INPUTS)), np.float32),
        "strongest": np.zeros(identity["kept"], np.int32),
        "times": np.full(2, np.nan),
    }
    for i in range(int(found["arm"]), len(names)):
        clock = time.perf_counter()
        params, multiplicities, how = start(identity, names[i], found["strongest"])
        if names[i] == "compressed":
            found["times"][0] = time.perf_counter() - clock
        state = begin(identity, params, multiplicities, **how)
        _, apply, twin = trainer(identity, len(multiplicities))

        def record(state, loss, i=i, apply=apply):
            where, outputs = times.index(int(state.epoch)), predictions(apply, state, test.inputs)
            error = np.mean((outputs - test.labels.astype(float)) ** 2)
            outputs = outputs[:DISTANCE_INPUTS]
            if i == 0:
                found["wide"][where] = outputs
            wide = found["wide"][where].astype(float)
            found["curves"][i, where] = loss, error, np.sqrt(np.mean((outputs - wide) ** 2) / np.mean(wide**2))

        if "state" in found:
            state = unpack(found.pop("state"), state)
        else:
            record(state, np.mean((predictions(apply, state, train.inputs) - train.labels.astype(float)) ** 2))
        while int(state.epoch) < identity["epochs"]:
            state, loss = twin.epoch(state, train.inputs, train.labels)
            if int(state.epoch) in times:
                record(state, float(loss))
            tick(per_epoch(identity, names[i]))
            checkpoint.offer(lambda i=i, state=state: found | {"arm": np.int32(i), "state": pack(state)})
        if i == 0:
            network = trainer(identity, identity["width"])[0]
            found["strongest"] = strongest(network, state.params, identity["kept"])
            found["times"][1] = step_over_forward(network, twin, state, train.inputs, train.labels, identity["batch"])
    curves = found["curves"].reshape(-1, 3).T
    return [
        {
            "arm": [name for name in names for _ in times],
            "epoch": times * len(names),
            **dict(zip(("train_loss", "test_loss", "distance"), curves.tolist(), strict=True)),
            "compress_seconds": round(float(found["times"][0]), 3),
            "step_over_forward": float(found["times"][1]),
        }
    ]


def strongest(network, params, kept: int) -> np.ndarray:
    """Indices (kept,) of the neurons with the largest |v| |(W, b)|, increasing."""
    objects = to_objects(params, network.layers[0]).astype(float)
    magnitude = np.abs(objects[:, -1]) * np.linalg.norm(objects[:, :-1], axis=1)
    return np.sort(np.argsort(-magnitude, kind="stable")[:kept]).astype(np.int32)


if __name__ == "__main__":
    launch("lottery_ticket")
