"""One student trained on full, compressed or subsampled data: the measurement that training experiments share.

A point's identity is a flat dict of numbers and names that determines its result alone:
    task, inputs, activation, distribution, noise, teacher_width, test_size, width, lr, weight_decay, precision, batch,
    steps, steps_per_epoch, seed, size (d), method (full, coreset, fitted_labels or one of BASELINES), kept (d'), space,
    order, label_order, replicate (of the mini-batches, or of the student's start where there are none), and optimizer
    where it is not AdamW.
"""

import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import jax
import numpy as np
import optax

from experiments.schema import Seeded, require, require_positive, require_whole
from scaling import MomentSpace, compress, compress_regression, tasks, training
from scaling.baselines import BASELINES
from scaling.networks import TwoLayer

VALIDATION = 4096  # noisy samples on which the best checkpoint is chosen
REPORTED = ("samples", "residual", "reduce_seconds")
COMPRESSED = ("coreset", "fitted_labels")
REVISION = 3  # raised whenever a change of code changes what a point measures


COLUMNS = {
    "arm": "what is trained on; `full_again` is `full` with other mini-batches (without any: from another start)",
    "size": "d, samples drawn",
    "kept": "d', samples asked for after compression or selection",
    "samples": "samples trained on, at most `kept`",
    "seed": "of teacher, data, start and mini-batches",
    "revision": "of the code that measures",
    "task": "what is learnt",
    "inputs": "m, dimension of the inputs",
    "activation": "of teacher and student",
    "distribution": "of the inputs",
    "noise": "standard deviation of the label noise",
    "teacher_width": "hidden units of the teacher",
    "test_size": "clean test samples",
    "width": "hidden units of the student",
    "lr": "learning rate at the start; a cosine to zero",
    "weight_decay": "decoupled, of AdamW",
    "precision": "of the training",
    "method": "full, coreset, fitted_labels (scaling.compress_regression), subset or kmeans",
    "space": "moment space of the coreset: total_degree or squared_loss",
    "order": "k or q, degree of the matched polynomials in x; empty where compress chooses it",
    "label_order": "r, degree in x of the polynomials that multiply y",
    "replicate": "which mini-batches",
    "batch": "samples in a mini-batch; empty for exact gradients",
    "steps_per_epoch": "steps at one learning rate",
    "steps": "optimiser steps",
    "test_loss": "mean squared error on the clean test samples after the last step",
    "best_test_loss": "the same at the checkpoint that is best on 4096 noisy validation samples",
    "residual": "largest relative mismatch of a matched moment",
    "reduce_seconds": "wall time of the compression or selection",
}


class Task(Enum):
    """What is learnt: a random network, J_6(20 r) cos(6 theta) of two inputs, or 3 / (1 + 2 |x|^2)."""

    teacher_student = 0
    cylindrical_harmonic = 1
    analytic = 2


class Activation(Enum):
    """Of student and teacher."""

    relu = 0
    tanh = 1
    gelu = 2
    sine = 3


class Distribution(Enum):
    """Of the inputs: U[-1, 1]^m, N(0, 1/3)^m, or the paraboloid of dimension m - 1 in m dimensions."""

    uniform = 0
    gaussian = 1
    curved = 2


class Compute(Enum):
    """Steps in an epoch: as many as go through d samples (the authors' code), or a single one (the paper's text)."""

    grows_with_data = 0
    constant = 1


class Precision(Enum):
    """Of training; moments are always matched in float64."""

    float32 = 0
    float64 = 1


@dataclass(slots=True)
class Students(Seeded):
    """Settings of every experiment with students, whatever trains them."""

    task: Task
    distribution: Distribution
    noise: float  # standard deviation of the label noise
    teacher_width: int
    test_size: int  # clean test samples
    width: int  # of the student
    epochs: int
    precision: Precision

    def __post_init__(self) -> None:
        Seeded.__post_init__(self)
        require_whole(self, 1, "seeds", "teacher_width", "test_size", "width", "epochs")
        require_whole(self, 0, "first_seed")
        require(0 <= self.noise < math.inf, "noise", self.noise, "a number from 0")


@dataclass(slots=True)
class Training(Students):
    """Settings of every experiment that trains its students in one way."""

    batch: int | None  # largest mini-batch; null for exact gradients on all samples
    lr: float
    weight_decay: float
    compute: Compute

    def __post_init__(self) -> None:
        Students.__post_init__(self)
        require(self.batch is None or self.batch >= 1, "batch", self.batch, "null or a whole number from 1")
        require_positive(self, "lr")
        require(0 <= self.weight_decay < math.inf, "weight_decay", self.weight_decay, "a number from 0")


def check_inputs(config: Students, inputs: int) -> None:
    """Refuse a task or a distribution that does not exist in this input dimension."""
    require(inputs >= 1, "inputs", inputs, "a whole number from 1")
    if config.task is Task.cylindrical_harmonic:
        require(inputs == 2, "inputs", inputs, "2 for task=cylindrical_harmonic")
    if config.distribution is Distribution.curved:
        require(inputs >= 2, "inputs", inputs, "a whole number from 2 for distribution=curved")


def setting(config: Training, inputs: int, activation: Activation) -> dict[str, Any]:
    """The part of an identity that points of one task share; as it stands, of points trained on all data."""
    return {
        "revision": REVISION,
        "task": config.task.name,
        "inputs": inputs,
        "activation": activation.name,
        "distribution": config.distribution.name,
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


def coreset(space: str, order: int, label_order: int | None = None) -> dict[str, Any]:
    """The part of an identity that says that it is trained on a coreset, and with which moments."""
    return {"method": "coreset", "space": space, "order": order, "label_order": label_order}


def schedule(config: Training, samples: int) -> dict[str, int]:
    """Mini-batch and steps for so many samples: a power of two up to samples / 2, but at most `batch`."""
    if config.batch is None:
        return {"batch": None, "steps_per_epoch": 1, "steps": config.epochs}
    batch = min(config.batch, 1 << (samples // 2).bit_length() - 1)
    per_epoch = -(-samples // batch) if config.compute is Compute.grows_with_data else 1
    return {"batch": batch, "steps_per_epoch": per_epoch, "steps": config.epochs * per_epoch}


def label(identity: dict[str, Any]) -> str:
    """A point in a few words, for progress lines."""
    return f"{identity['method']} {identity['size']} -> {identity['kept']}, seed {identity['seed']}"


def work(identity: dict[str, Any]) -> float:
    """Relative cost of a point: the samples it trains on, with some for each step and for the compression."""
    per_step = identity["batch"] or identity["kept"]
    return identity["steps"] * (per_step + 300) + 10_000 * identity["size"] * (identity["method"] in COMPRESSED)


def target(identity: dict[str, Any]) -> tasks.Target:
    """What a point's student learns."""
    if identity["task"] == "teacher_student":
        key = tasks.purpose(jax.random.key(identity["seed"]), "teacher")
        width, activation = identity["teacher_width"], identity["activation"]
        return tasks.teacher(key, inputs=identity["inputs"], width=width, activation=activation)
    return tasks.cylindrical_harmonic if identity["task"] == "cylindrical_harmonic" else tasks.analytic


def samples(identity: dict[str, Any], size: int, noise: float, *purpose: str | int) -> tasks.Dataset:
    """Fresh samples of a point's task; what they are for decides the draw."""
    key = tasks.purpose(jax.random.key(identity["seed"]), *purpose)
    shape = {"inputs": identity["inputs"], "distribution": identity["distribution"]}
    return tasks.sample(key, target(identity), size, noise=noise, **shape)


def reduce(identity: dict[str, Any], train: tasks.Dataset) -> tuple[tasks.Dataset, dict[str, Any]]:
    """The samples that a point trains on, and what its reduction reports."""
    clock = time.perf_counter()
    if identity["method"] == "full":
        return train, {"samples": identity["size"], "residual": None, "reduce_seconds": 0.0, "estimated_error": 0.0}
    residual = error = None
    if identity["method"] in BASELINES:
        small = BASELINES[identity["method"]](train, identity["kept"], seed=identity["seed"])
    elif identity["method"] == "fitted_labels":
        found = compress_regression(
            train.inputs, train.labels, identity["kept"], order=identity["order"], seed=identity["seed"]
        )
        small = tasks.Dataset(*(np.asarray(x, np.float32) for x in (found.inputs, found.labels, found.weights)))
        residual, error = found.residual, found.error
    else:
        space = moment_space(identity["space"], identity["inputs"], identity["order"], identity["label_order"])
        found = compress(train.objects, identity["kept"], space=space, seed=identity["seed"])
        small, residual, error = train.select(found.indices, found.weights), found.residual, found.error
    seconds = round(time.perf_counter() - clock, 4)
    report = {"samples": len(small.labels), "residual": residual, "reduce_seconds": seconds, "estimated_error": error}
    return small, report


def moment_space(name: str, inputs: int, order: int, label_order: int | None = None) -> MomentSpace:
    """The moment space of that name for objects of so many inputs and a label."""
    if name == "squared_loss":
        return MomentSpace.squared_loss(inputs, order=order, label_order=label_order)
    return MomentSpace.total_degree(inputs + 1, order)


def trainer(identity: dict[str, Any], chunk: int | None = None) -> tuple[TwoLayer, training.Train]:
    """The network of a point and its training, observed every `chunk` steps."""
    keys = ("width", "activation", "precision", "batch", "inputs", "weight_decay")
    return _trainer(*(identity[key] for key in keys), identity.get("optimizer", "adamw"), chunk)


@functools.cache
def _trainer(width, activation, precision, batch, inputs, weight_decay, optimizer, chunk):
    """Cached, so that all points of a shape share one compiled program."""
    network = TwoLayer(width, activation, dtype=precision)
    rule = optax.sgd(1.0) if optimizer == "sgd" else optax.adamw(1.0, weight_decay=weight_decay)
    chunk = chunk or (64 if batch is None else 1024)
    return network, training.make_train(network, rule, batch=batch, inputs=inputs, chunk=chunk)


def begin(identity: dict[str, Any], train: training.Train) -> tuple[training.State, tasks.Dataset, dict[str, Any]]:
    """The student of a point before its first step, the samples it will train on, and what their reduction reports."""
    root, d = jax.random.key(identity["seed"]), identity["size"]
    small, report = reduce(identity, samples(identity, d, identity["noise"], "data", d))
    run = training.prepare(
        small,
        tasks.purpose(root, "batches", identity["method"], identity["replicate"]),
        learning_rate=identity["lr"],
        steps=identity["steps"],
        steps_per_epoch=identity["steps_per_epoch"],
        room=identity["kept"],
        dtype=identity["precision"],
    )
    other_start = identity["batch"] is None and identity["replicate"]
    start = train.init(tasks.purpose(root, "student", *(["again"] if other_start else [])), run)
    return start, small, report


def measure(identities: list[dict[str, Any]], tick: Callable[[float], None]) -> list[dict[str, Any]]:
    """Test loss of the student of each identity; they differ in their seed alone and are trained together."""
    shared = identities[0]
    precision = shared["precision"]
    network, train = trainer(shared)
    with jax.enable_x64(precision == "float64"):

        def loss(state, clean):
            return float(
                training.mean_squared_error(network, state.params, clean.inputs.astype(precision), clean.labels)
            )

        states, _, reports = zip(*(begin(identity, train) for identity in identities), strict=True)
        tests = [samples(identity, identity["test_size"], 0.0, "test") for identity in identities]
        validations = [samples(identity, VALIDATION, identity["noise"], "validation") for identity in identities]
        best = [(math.inf, state) for state in states]

        def keep_best(now):
            for i, (state, held) in enumerate(zip(now, validations, strict=True)):
                best[i] = min(best[i], (loss(state, held), state), key=lambda pair: pair[0])

        per_step = work(shared) / shared["steps"]
        ends = training.finish(train, list(states), lambda steps: tick(per_step * steps), keep_best)
        return [
            {"test_loss": loss(end, test), "best_test_loss": loss(kept, test)} | {key: report[key] for key in REPORTED}
            for end, (_, kept), test, report in zip(ends, best, tests, reports, strict=True)
        ]
