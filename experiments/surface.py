"""The loss surface of a student on weighted data, in float64: loss, gradient and Hessian over its flat parameters."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from experiments import paths
from experiments.student import reduce
from scaling.backend import SERIAL
from scaling.networks import TwoLayer
from scaling.tasks import Dataset

PLACES = ("start", "path", "end", "far")
_DRAWS = 4  # parameters at each of `start` and `far`
_PIECE = 512  # samples of a Hessian whose tangents are held at once


class Surface:
    """L(theta) = sum_i c_i (f(x_i; theta) - y_i)^2 / sum_i c_i for theta (p,), all in float64.

    network: a TwoLayer; only its shape is used. data: n samples.
    """

    def __init__(self, network: TwoLayer, data: Dataset):
        with jax.enable_x64(True):
            self.network = network.clone(dtype="float64")
            self.size = -(-len(data.labels) // _PIECE) * _PIECE
            room = self.size - len(data.labels)
            rows = np.pad(data.objects.astype(float), ((0, room), (0, 0)))
            share = np.pad(data.weights / data.weights.sum(dtype=float), (0, room)).astype(float)
            self.rows, self.share = jnp.asarray(rows), jnp.asarray(share)

    def loss(self, theta: np.ndarray) -> float:
        """The loss at theta (p,)."""
        return float(self._call(_loss, theta))

    def gradient(self, theta: np.ndarray) -> np.ndarray:
        """Its gradient (p,)."""
        return np.asarray(self._call(_gradient, theta))

    def hessian(self, theta: np.ndarray) -> np.ndarray:
        """Its Hessian (p, p) where the network is smooth; the kinks of ReLU between the samples do not enter."""
        return np.asarray(self._call(_hessian, theta))

    def _call(self, function, theta):
        with jax.enable_x64(True):
            return function(self.network, jnp.asarray(theta, jnp.float64), self.rows, self.share)


def flat(params: Any) -> np.ndarray:
    """The parameters of a network as one float64 vector (p,)."""
    return np.asarray(ravel_pytree(params)[0], np.float64)


def _sum(network, theta, rows, share):
    start = jax.eval_shape(lambda: network.init(jax.random.key(0), rows[:1, :-1]))
    leaves, tree = jax.tree.flatten(start)
    ends = np.cumsum([leaf.size for leaf in leaves])
    parts = [part.reshape(leaf.shape) for part, leaf in zip(jnp.split(theta, ends[:-1]), leaves, strict=True)]
    output = network.apply(jax.tree.unflatten(tree, parts), rows[:, :-1])
    return jnp.sum(share * (output - rows[:, -1]) ** 2)


@partial(jax.jit, static_argnums=0, compiler_options=SERIAL)
def _loss(network, theta, rows, share):
    return _sum(network, theta, rows, share)


@partial(jax.jit, static_argnums=0, compiler_options=SERIAL)
def _gradient(network, theta, rows, share):
    return jax.grad(_sum, argnums=1)(network, theta, rows, share)


@partial(jax.jit, static_argnums=0, compiler_options=SERIAL)
def _hessian(network, theta, rows, share):
    def add(total, piece):
        return total + jax.hessian(_sum, argnums=1)(network, theta, *piece), None

    split = rows.reshape(-1, _PIECE, rows.shape[1]), share.reshape(-1, _PIECE)
    return jax.lax.scan(add, jnp.zeros((theta.size, theta.size)), split)[0]


class Whole:
    """All data of one task and seed, with what every point of it is compared with, evaluated once.

    path: the training on it. seed: of the random parameters. Holds the parameters by place (lists of (p,)), heights
    above the end and gradients there, and the Hessian at the end.
    """

    def __init__(self, path: paths.Path, seed: int):
        keys = jax.random.split(jax.random.key(seed), _DRAWS)
        starts = [flat(path.network.init(key, path.samples.inputs[:1])) for key in keys]
        self.path, self.way = path, [flat(params) for params in path.params]
        self.places = {
            "start": starts,
            "path": self.way[1:-1] or self.way[:1],
            "end": self.way[-1:],
            "far": [3 * theta for theta in starts],
        }
        surface = Surface(path.network, path.samples)
        self.heights, self.gradients = heights(surface, self.places), gradients(surface, self.places)
        self.hessian = surface.hessian(self.way[-1])


def heights(surface: Surface, places: dict[str, list[np.ndarray]]) -> dict[str, np.ndarray]:
    """Losses above that at the end, by place but the end."""
    end = surface.loss(places["end"][0])
    return {p: np.array([surface.loss(t) - end for t in thetas]) for p, thetas in places.items() if p != "end"}


def gradients(surface: Surface, places: dict[str, list[np.ndarray]]) -> dict[str, np.ndarray]:
    """Gradients (parameters, p) by place."""
    return {place: np.array([surface.gradient(theta) for theta in thetas]) for place, thetas in places.items()}


def compare(identity: dict[str, Any], whole: Whole) -> dict[str, Any]:
    """The differences between all data and what one point keeps of them."""
    small, report = reduce(identity, whole.path.samples)
    surface, values = Surface(whole.path.network, small), {}
    for place, there in heights(surface, whole.places).items():
        here = whole.heights[place]
        values[f"height_gap_{place}"] = mean(abs(there - here) / abs(here))
    for place, there in gradients(surface, whole.places).items():
        here = whole.gradients[place]
        values[f"gradient_gap_{place}"] = mean(np.linalg.norm(there - here, axis=1) / np.linalg.norm(here, axis=1))
    hessian = surface.hessian(whole.way[-1])
    values["hessian_gap"] = float(np.linalg.norm(hessian - whole.hessian) / np.linalg.norm(whole.hessian))
    values["eigenvalues"] = paths.text(np.linalg.eigvalsh(hessian)[::-1][:30])
    values["plane"] = plane(surface, whole.way, identity) if identity["slice"] else None
    return values | {"samples": report["samples"], "reduce_seconds": report["reduce_seconds"]}


def mean(gaps: np.ndarray) -> float:
    """Geometric mean, of gaps no smaller than rounding."""
    return float(np.exp(np.mean(np.log(np.maximum(gaps, 1e-16)))))


def plane(surface: Surface, way: list[np.ndarray], identity: dict[str, Any]) -> str:
    """Heights above the end on end + a (start - end) + b v, a in [-0.5, 1.2], b in [-0.85, 0.85], v random, as long."""
    end, along = way[-1], way[0] - way[-1]
    across = np.random.default_rng(identity["seed"]).normal(size=end.size)
    across -= along * (across @ along) / (along @ along)
    across *= np.linalg.norm(along) / np.linalg.norm(across)
    a, b = np.linspace(-0.5, 1.2, identity["slice"]), np.linspace(-0.85, 0.85, identity["slice"])
    return paths.text([surface.loss(end + i * along + j * across) - surface.loss(end) for i in a for j in b])
