"""The whole way a student takes while it trains on full, compressed or picked data: its parameters at every stop.

What is measured along the way (losses, gradients, curvature) is computed from the stops afterwards.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np

from experiments.student import begin, trainer, work
from scaling import tasks, training
from scaling.backend import SERIAL
from scaling.networks import TwoLayer

_PIECE = 4096  # samples of an evaluation whose activations stay in a core's cache


@dataclass
class Path:
    """One training run. steps: (stops,) steps done at each stop, the first 0; params: the parameters there.

    samples: those it was trained on. report: what their reduction reports.
    """

    network: TwoLayer
    samples: tasks.Dataset
    report: dict[str, Any]
    steps: list[int]
    params: list[Any]

    @property
    def at_steps(self) -> str:
        """The steps done at each stop, as one cell of a table."""
        return " ".join(map(str, self.steps))

    def losses(self, data: tasks.Dataset) -> list[float]:
        """Weighted mean squared error on `data` at every stop."""
        return [mean_loss(self.network, params, data) for params in self.params]


def stride(identity: dict[str, Any], stops: int) -> int:
    """Steps between two of about so many stops: with mini-batches a multiple of 64."""
    even = math.ceil(identity["steps"] / stops)
    return even if identity["batch"] is None else 64 * math.ceil(even / 64)


def follow(identities: list[dict[str, Any]], tick: Callable[[float], None], stride: int) -> list[Path]:
    """Train the students of identities that differ in their seed alone, stopping every `stride` steps to look.

    stride: with mini-batches a multiple of 64.
    """
    shared = identities[0]
    with jax.enable_x64(shared["precision"] == "float64"):
        network, train = trainer(shared, stride)
        states, paths = [], []
        for identity in identities:
            state, small, report = begin(identity, train)
            states.append(state)
            paths.append(Path(network, small, report, [0], [jax.device_get(state.params)]))

        def stop(now):
            for path, state in zip(paths, now, strict=True):
                path.steps.append(min(int(state.step), shared["steps"]))
                path.params.append(jax.device_get(state.params))

        per_step = work(shared) / shared["steps"]
        training.finish(train, states, lambda steps: tick(per_step * steps), stop)
    return paths


def mean_loss(network: TwoLayer, params: Any, data: tasks.Dataset) -> float:
    """Weighted mean squared error of a network on data of any size, in pieces."""
    total = 0.0
    for start in range(0, len(data.labels), _PIECE):
        piece = tasks.Dataset(*(part[start : start + _PIECE] for part in data))
        total += float(_weighted_sum(network, params, *piece))
    return total / float(data.weights.sum(dtype=float))


@partial(jax.jit, static_argnums=0, compiler_options=SERIAL)
def _weighted_sum(network, params, inputs, labels, weights):
    return (weights * (network.apply(params, inputs) - labels) ** 2).sum()


def text(values: list[float]) -> str:
    """Numbers of one cell of a table, separated by spaces, to six digits."""
    return " ".join(f"{value:.6g}" for value in values)


def numbers(cell: str) -> np.ndarray:
    """The numbers (stops,) of such a cell."""
    return np.array(str(cell).split(), float)
