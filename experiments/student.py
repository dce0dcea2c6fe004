"""One student trained on full, compressed or subsampled data: the measurement that training experiments share.

A point's identity is a flat dict of numbers and names that determines its result alone:
    task, noise, teacher_width, test_size, width, lr, weight_decay, precision, batch, steps, steps_per_epoch, seed,
    size (d), method (full, coreset or subset), kept (d'), space, order, label_order, replicate (of the mini-batches).
"""

import functools
import math
import time
from dataclasses import dataclass
from enum import Enum
from typing import Any

import jax
import jax.numpy as jnp
import optax

from experiments.schema import Experiment, require
from scaling import MomentSpace, compress, tasks, training
from scaling.baselines import subsample
from scaling.networks import TwoLayer

REVISION = 1  # raised whenever a change of code changes what a point measures


class Task(Enum):
    """What is learnt."""

    teacher_student = 0
    cylindrical_harmonic = 1


class Compute(Enum):
    """Steps in an epoch: as many as go through d samples (the authors' code), or a single one (the paper's text)."""

    grows_with_data = 0
    constant = 1


class Precision(Enum):
    """Of training; moments are always matched in float64."""

    float32 = 0
    float64 = 1


@dataclass(slots=True)
class Training(Experiment):
    """Settings of every experiment that trains students on data."""

    seeds: int
    first_seed: int
    task: Task
    noise: float  # standard deviation of the label noise
    teacher_width: int
    test_size: int  # clean test samples
    width: int  # of the student
    epochs: int
    batch: int  # largest mini-batch
    lr: float
    weight_decay: float
    compute: Compute
    precision: Precision

    def __post_init__(self) -> None:
        Experiment.__post_init__(self)
        for key in ("seeds", "teacher_width", "test_size", "width", "epochs", "batch"):
            require(getattr(self, key) >= 1, key, getattr(self, key), "a whole number from 1")
        require(self.first_seed >= 0, "first_seed", self.first_seed, "a whole number from 0")
        require(0 < self.lr < math.inf, "lr", self.lr, "a positive number")
        for key in ("noise", "weight_decay"):
            require(0 <= getattr(self, key) < math.inf, key, getattr(self, key), "a number from 0")

    def seed_list(self) -> range:
        return range(self.first_seed, self.first_seed + self.seeds)


def setting(config: Training) -> dict[str, Any]:
    """The part of an identity that all points of a configuration share; these are trained on all data."""
    return {
        "revision": REVISION,
        "task": config.task.name,
        "noise": config.noise,
        "teacher_width": config.teacher_width if config.task is Task.teacher_student else None,
        "test_size": config.test_size,
        "width": config.width,
        "lr": config.lr,
        "weight_decay": config.weight_decay,
        "precision": config.precision.name,
        "method": "full",
        "space": None,
        "order": None,
        "label_order": None,
        "replicate": 0,
    }


def schedule(config: Training, samples: int) -> dict[str, int]:
    """Mini-batch and steps for so many samples: a power of two up to samples / 2, but at most `batch`."""
    batch = min(config.batch, 1 << (samples // 2).bit_length() - 1)
    per_epoch = -(-samples // batch) if config.compute is Compute.grows_with_data else 1
    return {"batch": batch, "steps_per_epoch": per_epoch, "steps": config.epochs * per_epoch}


def label(identity: dict[str, Any]) -> str:
    """A point in a few words, for progress lines."""
    return f"{identity['method']} {identity['size']} -> {identity['kept']}, seed {identity['seed']}"


def work(identity: dict[str, Any]) -> float:
    """Relative cost of a point: its training steps."""
    return identity["steps"]


def data(identity: dict[str, Any]) -> tuple[tasks.Dataset, tasks.Dataset, jax.Array]:
    """Training samples, clean test samples and root key of a point's seed."""
    root = jax.random.key(identity["seed"])
    if identity["task"] == "teacher_student":
        target = tasks.teacher(tasks.purpose(root, "teacher"), width=identity["teacher_width"])
    else:
        target = tasks.cylindrical_harmonic
    d = identity["size"]
    train = tasks.sample(tasks.purpose(root, "data", d), target, d, noise=identity["noise"])
    return train, tasks.sample(tasks.purpose(root, "test"), target, identity["test_size"]), root


def reduce(identity: dict[str, Any], train: tasks.Dataset) -> tuple[tasks.Dataset, dict[str, Any]]:
    """The samples that a point trains on, and what its reduction reports."""
    clock = time.perf_counter()
    if identity["method"] == "full":
        return train, {"samples": identity["size"], "residual": None, "reduce_seconds": 0.0}
    if identity["method"] == "subset":
        small, residual = subsample(train, identity["kept"], seed=identity["seed"]), None
    else:
        q, r = identity["order"], identity["label_order"]
        squared = identity["space"] == "squared_loss"
        space = MomentSpace.squared_loss(2, order=q, label_order=r) if squared else MomentSpace.total_degree(3, q)
        coreset = compress(train.objects, identity["kept"], space=space, seed=identity["seed"])
        small, residual = train.select(coreset.indices, coreset.weights), coreset.residual
    seconds = round(time.perf_counter() - clock, 4)
    return small, {"samples": len(small.labels), "residual": residual, "reduce_seconds": seconds}


@functools.cache
def trainer(width: int, precision: str, batch: int, weight_decay: float) -> tuple[TwoLayer, training.Train]:
    network = TwoLayer(width, dtype=precision)
    return network, training.make_train(network, optax.adamw(1.0, weight_decay=weight_decay), batch=batch, inputs=2)


def measure(identities: list[dict[str, Any]], tick) -> list[dict[str, Any]]:
    """Test loss of the student of each identity; they differ in their seed alone and are trained together."""
    shared = identities[0]
    precision, settings = shared["precision"], {k: shared[k] for k in ("steps", "steps_per_epoch")}
    network, train = trainer(shared["width"], precision, shared["batch"], shared["weight_decay"])
    with jax.enable_x64(precision == "float64"):
        states, tests, reports = [], [], []
        for identity in identities:
            samples, test, root = data(identity)
            small, report = reduce(identity, samples)
            batches = tasks.purpose(root, "batches", identity["method"], identity["replicate"])
            run = training.prepare(
                small, batches, learning_rate=shared["lr"], room=identity["kept"], dtype=precision, **settings
            )
            states.append(train.init(tasks.purpose(root, "student"), run))
            tests.append(test)
            reports.append(report)
        states = training.finish(train, states, tick)
        losses = [
            training.mean_squared_error(network, s.params, jnp.asarray(t.inputs, precision), t.labels)
            for s, t in zip(states, tests, strict=True)
        ]
    return [{"test_loss": float(loss)} | report for loss, report in zip(losses, reports, strict=True)]
