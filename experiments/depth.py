"""What does depth cost: how many units must each layer of a deep network keep when every hidden layer is compressed?

The theorem of arXiv 2510.00504 is about a symmetric function of objects in R^m with m fixed. The units of the last
hidden layer are such objects; those of any other layer carry a weight to every unit of the next, so their m is the
width of the next layer, even a compressed one. Compressed to the same order k of moments, layer by layer from the last
one, the needed d' multiplies towards the input, see scaling.deep. This experiment compresses networks of one, two and
three hidden layers (two-, three- and four-layer networks) at default initialisation, of several widths and to several
orders, and trains wide and compressed networks side by side. Arms beside the wide network:
    compressed   every hidden layer to order k; only networks with more units than moments in all of them are taken
    subset       as many random units of every layer, each of multiplicity d / d'
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.launch import launch
from experiments.layers import analyse, draw
from experiments.run import Point
from experiments.schema import Seeded, require, require_positive, require_whole
from experiments.student import Activation
from scaling import dynamics, tasks
from scaling.deep import compress_deep, sizes
from scaling.networks import MLP
from scaling.twins import make_twin, predictions
from scaling.units import occurrences, select_units

__all__ = ["COLUMNS", "Config", "analyse", "draw", "label", "measure", "points", "work"]

REVISION = 3  # raised whenever a change of code changes what a point measures
INPUTS = 2
REFERENCE = 400  # training inputs over which pre-activations are compared

COLUMNS = {
    "revision": "of the code that measures",
    "seed": "of data, start and mini-batches",
    "depth": "hidden layers; a network of depth 1 is the paper's two-layer network",
    "width": "d, units of each hidden layer of the wide network",
    "order": "k of the moments kept in every hidden layer",
    "components": "r, principal components of the pre-activations in the moments",
    "activation": "of the network",
    "lr": "learning rate of AdamW at the start, a cosine to zero",
    "train_size": "noisy samples trained on",
    "test_size": "clean test samples",
    "noise": "standard deviation of the label noise",
    "batch": "samples in a mini-batch",
    "epochs": "passes over the training samples",
    "arm": "which network; those beside the wide one are explained in experiments/depth.py",
    "units": "units that each hidden layer keeps, first to last",
    "distance": "rms difference of predictions to the wide network's before training, over the rms of its predictions",
    "last_distance": "the same after training",
    "loss_ratio": "test loss after training over that of the wide network",
    "wide_loss": "test loss of the wide network after training",
}


@dataclass(slots=True)
class Config(Seeded):
    """Settings of the experiment on depth."""

    depths: list[int]  # hidden layers
    widths: list[int]  # d
    orders: list[int]  # k
    components: int  # r
    activation: Activation
    train_size: int
    test_size: int
    noise: float  # standard deviation of the label noise
    batch: int
    epochs: int
    lr: float
    tolerance: float  # how many times farther than the two-layer network a deeper one may be
    target: float  # distance for which the units needed are reported
    draws: int  # of the bootstrap over seeds

    def __post_init__(self) -> None:
        Seeded.__post_init__(self)
        require_whole(self, 1, "seeds", "components", "train_size", "test_size", "batch", "epochs")
        for key, least in (("depths", 1), ("widths", 2), ("orders", 1)):
            values = getattr(self, key)
            require(len(values) >= 1, key, values, "a list with at least one number")
            require(len(set(values)) == len(values), key, values, "a list without repetition")
            require(all(value >= least for value in values), key, values, f"whole numbers from {least}")
        require(1 in self.depths and len(self.depths) > 1, "depths", self.depths, "a list with 1 and a larger one")
        least = sizes(max(self.depths), min(self.orders), self.components)[0] + 1
        require(max(self.widths) >= least, "widths", self.widths, f"a list with a width from {least}")
        require_whole(self, 0, "first_seed")
        require_whole(self, 100, "draws")
        require(0 <= self.noise < math.inf, "noise", self.noise, "a number from 0")
        require_positive(self, "lr", "target")
        require(1 <= self.tolerance < math.inf, "tolerance", self.tolerance, "a number from 1")


def points(config: Config) -> list[Point]:
    """One point for each depth, width, order and seed in which every hidden layer has more units than moments."""
    keys = ("components", "train_size", "test_size", "noise", "batch", "epochs", "lr")
    shared = {"revision": REVISION} | {key: getattr(config, key) for key in keys}
    shared["activation"] = config.activation.name
    return [
        Point({}, {"seed": seed, "depth": depth, "width": width, "order": order} | shared)
        for depth in config.depths
        for width in config.widths
        for order in config.orders
        if sizes(depth, order, config.components)[0] < width
        for seed in config.seed_list()
    ]


def label(identity: dict[str, Any]) -> str:
    """A point in a few words, for progress lines."""
    return (
        f"{identity['depth']} hidden layers of {identity['width']}, order {identity['order']}, seed {identity['seed']}"
    )


def work(identity: dict[str, Any]) -> float:
    """Relative cost of a point: samples times weights, and what compiling takes."""
    depth, width = identity["depth"], identity["width"]
    return identity["epochs"] * identity["train_size"] * (3 * width + (depth - 1) * width**2) + 1e10


@functools.cache
def _trainer(widths, activation, lr, epochs, batch, train_size):
    network = MLP(widths, activation)
    rule = dynamics.optimizer("adamw", dynamics.cosine(lr, epochs, -(-train_size // batch)))
    return network, make_twin(network.apply, rule, batch=batch)


def trainer(identity: dict[str, Any], widths: tuple[int, ...]):
    """Network of those widths and its Twin; cached, so that points of a shape share one program."""
    keys = ("activation", "lr", "epochs", "batch", "train_size")
    return _trainer(widths, *(identity[key] for key in keys))


def data(identity: dict[str, Any]) -> tuple[tasks.Dataset, tasks.Dataset]:
    """Noisy training samples and clean test samples of a smooth function."""
    root = jax.random.key(identity["seed"])
    train = tasks.sample(tasks.purpose(root, "data"), tasks.analytic, identity["train_size"], noise=identity["noise"])
    return train, tasks.sample(tasks.purpose(root, "test"), tasks.analytic, identity["test_size"])


def start(identity: dict[str, Any], inputs: np.ndarray) -> dict[str, tuple[Any, list[np.ndarray]]]:
    """Parameters and multiplicities of the three networks before training."""
    depth, width = identity["depth"], identity["width"]
    network = MLP((width,) * depth, identity["activation"])
    key = tasks.purpose(jax.random.key(identity["seed"]), "start")
    params = network.init(key, jnp.zeros((1, INPUTS)))
    few, multiplicities = compress_deep(network, params, inputs[:REFERENCE], identity["order"], identity["components"])
    some = params
    for layer, c in zip(network.layers, multiplicities, strict=True):
        some = select_units(some, layer, np.arange(len(c)))
    return {
        "wide": (params, [np.ones(width)] * depth),
        "compressed": (few, multiplicities),
        "subset": (some, [np.full(len(c), width / len(c)) for c in multiplicities]),
    }


def measure(identities: list[dict[str, Any]], tick: Callable[[float], None]) -> list[dict[str, Any]]:
    """The values of each point, one after the other."""
    return [measured(identity, tick) for identity in identities]


def measured(identity: dict[str, Any], tick: Callable[[float], None]) -> dict[str, Any]:
    """Distances before and after training, and last losses, of one point."""
    train, test = data(identity)
    key = tasks.purpose(jax.random.key(identity["seed"]), "batches")
    arms, outputs = start(identity, train.inputs), {}
    for arm, (params, multiplicities) in arms.items():
        network, twin = trainer(identity, tuple(map(len, multiplicities)))
        c = [jnp.asarray(weights, jnp.float32) for weights in multiplicities]
        state = twin.init(params, c, occurrences(params, network.layers, c), key)
        before = predictions(network.apply, state, test.inputs)
        for _ in range(identity["epochs"]):
            state, _ = twin.epoch(state, train.inputs, train.labels)
        outputs[arm] = np.stack([before, predictions(network.apply, state, test.inputs)]).astype(float)
        tick(work(identity) / len(arms))
    errors = {arm: np.mean((after - test.labels) ** 2) for arm, (_, after) in outputs.items()}
    wide, few = outputs["wide"], ["compressed", "subset"]
    far = {arm: np.sqrt(np.mean((outputs[arm] - wide) ** 2, axis=1) / np.mean(wide**2, axis=1)) for arm in few}
    kept = [len(c) for c in arms["compressed"][1]]
    return {
        "arm": few,
        "units": " ".join(map(str, kept)),
        "distance": [float(far[arm][0]) for arm in few],
        "last_distance": [float(far[arm][1]) for arm in few],
        "loss_ratio": [float(errors[arm] / errors["wide"]) for arm in few],
        "wide_loss": float(errors["wide"]),
    }


if __name__ == "__main__":
    launch("depth")
