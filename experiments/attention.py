"""Compressing attention heads: does a layer of few weighted heads learn in context as the full one does?

Fig. 7 of arXiv 2510.00504: one softmax attention layer of 4,000 heads reads eight noisy pairs (x, f(x)) of a random
piecewise-linear function and predicts it at another x. An object is a head, (Q, K, V, O) in R^8. The layer is
compressed at initialisation to 800 heads, and both are trained on the same fresh episodes by the stated compressed
dynamics, gradients divided by multiplicities (the published run left that out). Arms beside the full layer, `wide`:
    wide_again        the full layer on other episodes: the noise beside which ratios are read
    compressed        moments that follow the layer's formula, see `bilinear`
    compressed_paper  all polynomials of total degree k, as published
    subset            random heads as published: not rescaled, so their function is smaller and learns more slowly
    subset_rescaled   the same heads, each of multiplicity d / d'
    undivided         compressed, but gradients not divided by multiplicities
    compressed_slow   compressed, learning rate times d' / d. Adam moves every head at the same speed, so the function
                      of d' heads that are not rescaled moves d' / d times as fast, and so does this one
All arms meet on one plateau after the 250 published steps, so the run goes on, and what is reported beside the loss is
the distance between prediction functions. A case is a learning rate of Adam.
"""

import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.heads import PUBLISHED, analyse, draw
from experiments.launch import launch
from experiments.run import Point
from experiments.schema import Seeded, require, require_whole
from scaling import MomentSpace, dynamics, tasks
from scaling.checkpoints import Checkpoint
from scaling.heads import scalar_heads
from scaling.networks import MultiHeadAttention
from scaling.twins import State, make_twin, pack, predictions, step_over_forward, unpack
from scaling.units import compress_layer, occurrences, select_units

__all__ = ["COLUMNS", "PUBLISHED", "Config", "analyse", "draw", "label", "measure", "points", "work"]

REVISION = 1  # raised whenever a change of code changes what a point measures
STEPS = 5  # of an epoch, as in the paper
ARMS = (
    "wide", "wide_again", "compressed", "compressed_paper", "subset", "subset_rescaled", "undivided", "compressed_slow",
)  # fmt: skip

COLUMNS = {
    "revision": "of the code that measures",
    "case": "learning rate",
    "seed": "of start, episodes and test episodes",
    "lr": "learning rate of Adam, constant",
    "heads": "d, heads of the full layer",
    "kept": "d', heads of the others",
    "order": "k of compressed_paper",
    "degree": "of the queries, and of the keys, in the moments of compressed",
    "noise": "standard deviation of the label noise in the context",
    "batch": "fresh episodes in a step",
    "test_size": "test episodes, the same at all times and for all arms",
    "epochs": "of the whole run, each of 5 steps",
    "arm": "which layer; those beside `wide` are explained in experiments/attention.py",
    "epoch": "epochs done",
    "train_loss": "mean squared error over the last epoch, each batch before its step; none at the start",
    "test_loss": "mean squared error on the test episodes, whose targets are clean",
    "distance": "rms difference of predictions to `wide` on the test episodes, over the rms of its predictions",
    "compress_seconds": "wall time of the compression of `compressed`",
    "step_over_forward": "wall time of a training step of `wide` over that of one forward pass, same batch and code",
}


@dataclass(slots=True)
class Config(Seeded):
    """Settings of the experiment on attention heads."""

    heads: int  # d
    kept: int  # d'
    rates: list[float]  # of Adam, one case each
    noise: float  # standard deviation of the label noise
    batch: int
    epochs: int  # of five steps
    test_size: int
    order: int  # k of total degree
    degree: int  # of bilinear
    draws: int  # of the bootstrap over seeds
    checkpoint_seconds: float  # between two writings of the state of a point in progress

    def __post_init__(self) -> None:
        Seeded.__post_init__(self)
        require_whole(self, 1, "seeds", "batch", "epochs", "test_size", "order", "degree")
        require_whole(self, 0, "first_seed")
        require_whole(self, 100, "draws")
        require(1 <= self.kept < self.heads, "kept", self.kept, f"a whole number from 1 below heads={self.heads}")
        require(len(self.rates) >= 1, "rates", self.rates, "a list with at least one rate")
        require(all(0 < rate < math.inf for rate in self.rates), "rates", self.rates, "positive numbers")
        require(len(set(self.rates)) == len(self.rates), "rates", self.rates, "a list without repetition")
        require(0 <= self.noise < math.inf, "noise", self.noise, "a number from 0")
        require(self.checkpoint_seconds >= 0, "checkpoint_seconds", self.checkpoint_seconds, "a number from 0")
        for key, space in (("order", MomentSpace.total_degree(8, self.order)), ("degree", bilinear(self.degree))):
            accepted = f"one whose {space.size} moments fit into {self.kept} heads"
            require(space.size <= self.kept, key, getattr(self, key), accepted)


@functools.cache
def bilinear(degree: int) -> MomentSpace:
    """P_p(Q) P_p(K) (1, V_a, O_a, V_a O_a, V_a^2, O_a^2; a = 1, 2) with p = degree; cells are cut in (Q, K).

    A head adds V . O times a function of Q . K; a step of training moves V along O and O along V, which brings in
    their squares.
    """
    scores = [e for e in MomentSpace.total_degree(4, 2 * degree).exponents if max(sum(e[:2]), sum(e[2:])) <= degree]
    squares = [e for e in MomentSpace.total_degree(4, 2).exponents if sum(e) < 2 or max(e) == 2]
    read = [*squares, (1, 0, 1, 0), (0, 1, 0, 1)]
    exponents = tuple((*e, *f) for f in read for e in scores)
    return MomentSpace(exponents, 4, degree, f"queries and keys to degree {degree} each, values and outputs to 2")


def points(config: Config) -> list[Point]:
    """One point for each learning rate and seed: all arms of it."""
    keys = ("heads", "kept", "order", "degree", "noise", "batch", "test_size", "epochs")
    shared = {"revision": REVISION} | {key: getattr(config, key) for key in keys}
    return [
        Point({"case": f"lr_{rate:g}"}, {"seed": seed, "lr": rate} | shared)
        for rate in config.rates
        for seed in config.seed_list()
    ]


def label(identity: dict[str, Any]) -> str:
    """A point in a few words, for progress lines."""
    return f"learning rate {identity['lr']:g}, seed {identity['seed']}"


def work(identity: dict[str, Any]) -> float:
    """Relative cost of a point: epochs."""
    return identity["epochs"]


def recorded(epochs: int) -> list[int]:
    """The epochs after which losses and distances are recorded, about four in every doubling."""
    return sorted({0, epochs, *(round(2 ** (i / 4)) for i in range(4 * epochs.bit_length()))} & set(range(epochs + 1)))


def trainer(identity: dict[str, Any], arm: str):
    """Layer of an arm, its fast apply, its Twin; cached, so that points of a shape share one program."""
    d, kept, lr = (identity[key] for key in ("heads", "kept", "lr"))
    slower = kept / d if arm == "compressed_slow" else 1.0
    return _trainer(d if arm.startswith("wide") else kept, slower * lr, identity["batch"])


@functools.cache
def _trainer(heads, lr, batch):
    network = MultiHeadAttention(heads)
    apply = scalar_heads(network)
    return network, apply, make_twin(apply, dynamics.optimizer("adam", lambda step: lr), batch=batch)


def start(identity: dict[str, Any]) -> tuple[dict[str, State], float]:
    """The arms before training, and the seconds that the compression took."""
    root, d, kept = jax.random.key(identity["seed"]), identity["heads"], identity["kept"]
    network = MultiHeadAttention(d)
    (layer,) = network.layers
    params = network.init(tasks.purpose(root, "start"), jnp.zeros((1, 1, 1)))
    clock = time.perf_counter()
    compressed = compress_layer(params, layer, kept, space=bilinear(identity["degree"]), seed=identity["seed"])
    seconds = time.perf_counter() - clock
    published = compress_layer(params, layer, kept, order=identity["order"], seed=identity["seed"])
    few = select_units(params, layer, np.arange(kept))
    chosen = {
        "wide": (params, np.ones(d)),
        "wide_again": (params, np.ones(d)),
        "compressed": compressed,
        "compressed_paper": published,
        "subset": (few, np.ones(kept)),
        "subset_rescaled": (few, np.full(kept, d / kept)),
        "undivided": compressed,
        "compressed_slow": compressed,
    }
    states = {}
    for arm, (params, multiplicities) in chosen.items():
        c = jnp.asarray(multiplicities, jnp.float32)
        counts = occurrences(params, (layer,), [jnp.ones_like(c) if arm == "undivided" else c])
        states[arm] = trainer(identity, arm)[2].init(params, (c,), counts, root, shuffle=False)
    return states, seconds


def measure(
    identities: list[dict[str, Any]], tick: Callable[[float], None], checkpoint: Checkpoint
) -> list[dict[str, Any]]:
    """Losses and distances of all arms of one point, trained side by side on the same episodes."""
    (identity,) = identities
    times, batch = recorded(identity["epochs"]), identity["batch"]
    found = {"curves": np.full((len(ARMS), len(times), 3), np.nan), "losses": np.full(len(ARMS), np.nan)}
    states, seconds = start(identity)
    found |= checkpoint.restore() or {"seconds": np.float64(seconds)}
    if "states" in found:
        states = {arm: unpack(arrays, states[arm]) for arm, arrays in found.pop("states").items()}
    twins = {arm: trainer(identity, arm) for arm in ARMS}
    test = episodes(identity, identity["test_size"], "test")
    for epoch in range(int(states["wide"].epoch), identity["epochs"] + 1):
        if epoch in times:
            outputs = [predictions(twins[arm][1], states[arm], test.inputs) for arm in ARMS]
            found["curves"][:, times.index(epoch)] = compared(outputs, test, found["losses"])
        if epoch == identity["epochs"]:
            break
        fresh = [episodes(identity, STEPS * batch, "train", epoch, again) for again in (0, 1)]
        for i, arm in enumerate(ARMS):
            data = fresh[arm == "wide_again"]
            states[arm], found["losses"][i] = twins[arm][2].epoch(states[arm], data.inputs, data.labels)
        tick(1)
        checkpoint.offer(lambda: found | {"states": {arm: pack(state) for arm, state in states.items()}})
    _, apply, twin = twins["wide"]
    forward = SimpleNamespace(apply=apply)  # the fast one; that of the module takes several times as long
    curves = found["curves"].reshape(-1, 3).T
    return [
        {
            "arm": [arm for arm in ARMS for _ in times],
            "epoch": times * len(ARMS),
            **dict(zip(("train_loss", "test_loss", "distance"), curves.tolist(), strict=True)),
            "compress_seconds": round(float(found["seconds"]), 3),
            "step_over_forward": step_over_forward(forward, twin, states["wide"], data.inputs, data.labels, batch),
        }
    ]


def compared(outputs: list[np.ndarray], test: tasks.Dataset, losses: np.ndarray) -> np.ndarray:
    """Of each arm, the first the full layer, (arms, 3): its last train loss, its test loss, its distance."""
    wide = outputs[0].astype(float)
    errors = [np.mean((y - test.labels.astype(float)) ** 2) for y in outputs]
    far = [np.sqrt(np.mean((y - wide) ** 2) / np.mean(wide**2)) for y in outputs]
    return np.column_stack([losses, errors, far])


def episodes(identity: dict[str, Any], size: int, *names: Any) -> tasks.Dataset:
    """Episodes of their own for each purpose."""
    key = tasks.purpose(jax.random.key(identity["seed"]), *names)
    return tasks.in_context(key, size, noise=identity["noise"])


if __name__ == "__main__":
    launch("attention")
