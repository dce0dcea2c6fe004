"""Neurons of a two-layer network as objects: what lottery_ticket and width_scaling share.

The task of Figs. 4 and 5b of arXiv 2510.00504: a two-layer network of default initialisation learns the cylindrical
harmonic J_6(20 r) cos(6 theta) on [-1, 1]^2 from noisy samples. An object is a neuron (W_1, W_2, b, v): two incoming
weights, bias, outgoing weight. Its moments are matched in one of two spaces:
    total_degree     all polynomials of the four coordinates to degree k, as published
    few_degrees      P_q(W, b) + v P_q(W, b) + v^2 P_s(W, b), cells cut in (W, b) alone: the outgoing weight is of order
                     1/sqrt(d) beside coordinates of order 1, and the network is linear in it
"""

import functools
import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.schema import Seeded, require, require_whole
from scaling import MomentSpace, dynamics, tasks
from scaling.networks import TwoLayer
from scaling.streaming import streamed
from scaling.twins import State, make_twin
from scaling.units import compress_layer, occurrences

REVISION = 2  # raised whenever a change of code changes what a point measures
INPUTS = 2

COLUMNS = {
    "revision": "of the code that measures",
    "seed": "of data, start and mini-batches",
    "activation": "of the network",
    "optimizer": "with PyTorch's constants",
    "lr": "learning rate at the start; a cosine to zero, but for Rprop, whose first step size it is",
    "train_size": "noisy samples trained on",
    "test_size": "clean test samples",
    "noise": "standard deviation of the label noise",
    "batch": "samples in a mini-batch",
    "epochs": "passes over the training samples",
    "shuffle": "whether every epoch takes the samples in a new order",
    "train_loss": "mean squared error on the noisy training samples, over the last epoch, each batch before its step",
    "test_loss": "mean squared error on the clean test samples",
}


class Optimizer(Enum):
    """Acting on each unit by itself; constants as in PyTorch."""

    sgd = 0
    momentum = 1
    adam = 2
    adamw = 3
    rmsprop = 4
    rprop = 5
    adamax = 6


@dataclass(slots=True)
class Neurons(Seeded):
    """Settings of the experiments that compress neurons."""

    train_size: int
    test_size: int
    noise: float  # standard deviation of the label noise
    batch: int
    epochs: int
    order: int  # k of total_degree
    degree: int  # q of few_degrees
    square_degree: int  # s of few_degrees
    draws: int  # of the bootstrap over seeds
    checkpoint_seconds: float  # between two writings of the state of a point in progress

    def __post_init__(self) -> None:
        Seeded.__post_init__(self)
        require_whole(self, 1, "seeds", "train_size", "test_size", "batch", "epochs", "order", "degree")
        require_whole(self, 0, "first_seed")
        require_whole(self, 100, "draws")
        accepted = f"a whole number from 0 to degree={self.degree}"
        require(0 <= self.square_degree <= self.degree, "square_degree", self.square_degree, accepted)
        require(0 <= self.noise < math.inf, "noise", self.noise, "a number from 0")
        require(self.checkpoint_seconds >= 0, "checkpoint_seconds", self.checkpoint_seconds, "a number from 0")


def setting(config: Neurons) -> dict[str, Any]:
    """The part of an identity that all points share."""
    keys = ("train_size", "test_size", "noise", "batch", "epochs")
    return {"revision": REVISION} | {key: getattr(config, key) for key in keys}


def check_fits(config: Neurons, key: str, space: MomentSpace, kept: int) -> None:
    """Refuse an order or degree whose moments do not fit into `kept` neurons."""
    accepted = f"one whose {space.size} moments fit into {kept} neurons"
    require(space.size <= kept, key, getattr(config, key), accepted)


def total_degree(order: int) -> MomentSpace:
    """The published space: all polynomials of (W, b, v) of total degree <= order."""
    return MomentSpace.total_degree(INPUTS + 2, order)


@functools.cache
def few_degrees(degree: int, square_degree: int) -> MomentSpace:
    """P_q(W, b) + v P_q(W, b) + v^2 P_s(W, b) with q = degree, s = square_degree; cells are cut in (W, b)."""
    incoming = INPUTS + 1
    linear = MomentSpace.squared_loss(incoming, order=degree, label_order=degree)
    square = tuple((*e, 2) for e in MomentSpace.total_degree(incoming, max(square_degree, 1)).exponents)
    square = tuple(e for e in square if sum(e) - 2 <= square_degree)
    name = f"(W, b) to degree {degree}, v times the same, v^2 times degree {square_degree}"
    return MomentSpace(tuple(dict.fromkeys(linear.exponents + square)), incoming, degree, name)


def data(identity: dict[str, Any]) -> tuple[tasks.Dataset, tasks.Dataset]:
    """Noisy training samples and clean test samples, drawn independently of one another."""
    root = jax.random.key(identity["seed"])
    train = tasks.purpose(root, "data"), tasks.cylindrical_harmonic, identity["train_size"]
    test = tasks.purpose(root, "test"), tasks.cylindrical_harmonic, identity["test_size"]
    return tasks.sample(*train, noise=identity["noise"]), tasks.sample(*test)


@functools.cache
def _trainer(width, activation, optimizer, lr, epochs, batch, train_size):
    network = TwoLayer(width, activation)
    apply = streamed(network)
    rule = dynamics.optimizer(optimizer, dynamics.cosine(lr, epochs, -(-train_size // batch)))
    return network, apply, make_twin(apply, rule, batch=batch)


def trainer(identity: dict[str, Any], width: int):
    """Network of that width, its fast apply, its Twin; cached, so that points of a shape share one program."""
    keys = ("activation", "optimizer", "lr", "epochs", "batch", "train_size")
    return _trainer(width, *(identity[key] for key in keys))


def initial(identity: dict[str, Any], width: int, purpose: str = "start") -> Any:
    """Parameters of a network of that width at its default initialisation."""
    return _initial(identity["seed"], identity["activation"], width, purpose)


@functools.lru_cache(maxsize=4)
def _initial(seed, activation, width, purpose):
    key = tasks.purpose(jax.random.key(seed), purpose)
    return TwoLayer(width, activation).init(key, jnp.zeros((1, INPUTS)))


def reduced(identity: dict[str, Any], width: int, kept: int, space: MomentSpace) -> tuple[Any, np.ndarray]:
    """`kept` neurons of the initial network and multiplicities (kept,), with the moments of all in that space."""
    return _reduced(identity["seed"], identity["activation"], width, kept, space)


@functools.lru_cache(maxsize=4)
def _reduced(seed, activation, width, kept, space):
    (layer,) = TwoLayer(kept).layers
    return compress_layer(_initial(seed, activation, width, "start"), layer, kept, space=space, seed=seed)


def begin(
    identity: dict[str, Any], params: Any, multiplicities: np.ndarray, divided: bool = True, replicate: int = 0
) -> State:
    """The state before the first epoch; all starts of equal replicate see the same mini-batches.

    multiplicities: (width,). divided: whether gradients are divided by them, as the compressed dynamics asks.
    """
    layers, c = TwoLayer(len(multiplicities)).layers, jnp.asarray(multiplicities, jnp.float32)
    counts = occurrences(params, layers, [c if divided else jnp.ones_like(c)])
    key = tasks.purpose(jax.random.key(identity["seed"]), "batches", replicate)
    twin = trainer(identity, len(multiplicities))[2]
    return twin.init(params, (c,), counts, key, identity["shuffle"])
