"""Supervised tasks: a target function drawn from a key, and data sets sampled from it."""

import zlib
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import jv

from scaling.networks import ACTIVATIONS

Target = Callable[[np.ndarray], np.ndarray]


class Dataset(NamedTuple):
    """Weighted samples: inputs (n, m), labels (n,), weights (n,), all float32 NumPy arrays; weights sum to the number
    of samples they stand for."""

    inputs: np.ndarray
    labels: np.ndarray
    weights: np.ndarray

    @property
    def objects(self) -> np.ndarray:
        """Rows (x, y), shape (n, m + 1): the objects that the paper compresses."""
        return np.column_stack([self.inputs, self.labels])

    def select(self, indices: np.ndarray, weights: np.ndarray) -> "Dataset":
        """The samples at indices (k,) with new weights (k,)."""
        return Dataset(self.inputs[indices], self.labels[indices], np.asarray(weights, np.float32))


def purpose(key: jax.Array, *names: str | int) -> jax.Array:
    """The key of one named purpose, e.g. `purpose(root, "data", d)`: keys of different names are independent."""
    for name in names:
        key = jax.random.fold_in(key, zlib.crc32(str(name).encode()))
    return key


def teacher(key: jax.Array, *, inputs: int = 2, width: int = 50, activation: str = "relu") -> Target:
    """A two-layer network with all weights and biases U(-1, 1): the teacher of Figs. 3 and 5a of arXiv 2510.00504.

    Returns a function (n, inputs) -> (n,) float32.
    """

    def draw(name, *shape):
        return np.asarray(jax.random.uniform(purpose(key, name), shape, minval=-1.0, maxval=1.0))

    hidden, bias = draw("hidden", inputs, width), draw("hidden bias", width)
    output, output_bias = draw("output", width), draw("output bias")
    activate = jax.jit(ACTIVATIONS[activation])
    return lambda x: np.asarray(activate(x @ hidden + bias)) @ output + output_bias


def cylindrical_harmonic(x: np.ndarray) -> np.ndarray:
    """J_6(20 r) cos(6 theta) at x (n, 2): the target of Figs. 4 and 5b of arXiv 2510.00504. Returns (n,) float32."""
    radius, angle = np.hypot(x[:, 0], x[:, 1]), np.arctan2(x[:, 1], x[:, 0])
    return (jv(6, 20 * radius) * np.cos(6 * angle)).astype(np.float32)


def analytic(x: np.ndarray) -> np.ndarray:
    """3 / (1 + 2 |x|^2) at x (n, m), smooth; its Taylor series at 0 converges for |x|^2 < 1/2. Returns (n,) float32."""
    return (3 / (1 + 2 * np.sum(x**2, axis=1))).astype(np.float32)


def uniform(key: jax.Array, size: int, inputs: int) -> np.ndarray:
    """Inputs (size, inputs) from U[-1, 1]^inputs."""
    return np.asarray(jax.random.uniform(key, (size, inputs), minval=-1.0, maxval=1.0))


def gaussian(key: jax.Array, size: int, inputs: int) -> np.ndarray:
    """Inputs (size, inputs) from N(0, 1/3), the variance of U[-1, 1]."""
    return np.asarray(jax.random.normal(key, (size, inputs)) / np.sqrt(3))


def curved(key: jax.Array, size: int, inputs: int) -> np.ndarray:
    """Inputs (size, inputs) on the paraboloid (u, |u|^2), a manifold of one dimension less; u is uniform in [-1, 1]."""
    u = uniform(key, size, inputs - 1)
    return np.column_stack([u, np.sum(u**2, axis=1)])


INPUTS = {"uniform": uniform, "gaussian": gaussian, "curved": curved}


def sample(
    key: jax.Array, target: Target, size: int, *, inputs: int = 2, noise: float = 0.0, distribution: str = "uniform"
) -> Dataset:
    """`size` samples with weight one: inputs (size, inputs) from one of `INPUTS`, labels target(x) + N(0, noise^2)."""
    x = INPUTS[distribution](purpose(key, "inputs"), size, inputs)
    labels = target(x) + noise * np.asarray(jax.random.normal(purpose(key, "noise"), (size,)))
    return Dataset(x, labels.astype(np.float32), np.ones(size, np.float32))


@partial(jax.jit, static_argnames=("size", "pairs", "segments"))
def _episodes(key, noise, size, pairs, segments):
    heights, slopes, places, errors = (purpose(key, name) for name in ("height", "slopes", "places", "noise"))
    height = 0.5 * jax.random.normal(heights, (size, 1))
    slope = jax.random.normal(slopes, (size, segments))
    x = jax.random.uniform(places, (size, pairs + 1))
    inside = jnp.clip(x[..., None] - jnp.arange(segments) / segments, 0, 1 / segments)
    y = height + jnp.einsum("nts,ns->nt", inside, slope)
    seen = y[:, :-1] + noise * jax.random.normal(errors, (size, pairs))
    tokens = jnp.stack([x[:, :-1], seen], axis=-1).reshape(size, -1)
    return jnp.concatenate([tokens, x[:, -1:]], axis=1), y[:, -1]


def in_context(key: jax.Array, size: int, *, noise: float = 0.3, pairs: int = 8, segments: int = 16) -> Dataset:
    """Regression in context, Fig. 7 of arXiv 2510.00504: each sample an episode with a function of its own.

    The function is continuous and linear on equal segments of [0, 1], f(0) ~ N(0, 1/4), slopes ~ N(0, 1). Inputs
    (size, 2 pairs + 1) are the tokens x_1, y_1, ..., x_pairs, y_pairs, x with x uniform and y_i = f(x_i) + N(0,
    noise^2); labels are f(x). Weights are one.
    """
    tokens, labels = map(np.asarray, _episodes(key, noise, size, pairs, segments))
    return Dataset(tokens, labels, np.ones(size, np.float32))
