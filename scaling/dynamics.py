"""The compressed dynamics: a network with multiplicities trained so that it follows the wide one (arXiv 2510.00504).

If unit j stands for c_j equal units of a wide network, the gradient of the loss with respect to its parameters is the
sum of theirs, c_j times the gradient of each. Divided by c_j it is the gradient each of them sees, and an optimiser
that treats every unit by itself then moves them all alike: the map T' that commutes with compression.

The theorem needs an optimiser that commutes with permutations of the units and sees of other units no more than the
gradient: `optimizer` makes those of the paper. What mixes units lies outside of it: clipping by the global norm, LAMB,
Adafactor, and anything else that computes norms, means or factors over an array.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

Rate = Callable[[jax.Array], jax.Array]


class RpropState(NamedTuple):
    """Of each parameter, its step size and its last gradient (zero after a change of sign)."""

    step_sizes: Any
    gradient: Any


def rprop(step_size: float) -> optax.GradientTransformation:
    """Rprop as PyTorch runs it: each parameter has a step size of its own, 1.2 times larger while its gradient keeps
    its sign; half as large, and no step taken, when that changes. (That of optax takes every step one step late.)

    step_size: the first one; later ones stay within [1e-6, 50].
    """

    def init(params):
        return RpropState(optax.tree.full_like(params, step_size), optax.tree.zeros_like(params))

    def update(gradient, state, params=None):
        agree = jax.tree.map(lambda g, last: jnp.sign(g) * jnp.sign(last), gradient, state.gradient)
        factor = jax.tree.map(lambda a: jnp.where(a > 0, 1.2, jnp.where(a < 0, 0.5, 1.0)).astype(a.dtype), agree)
        sizes = jax.tree.map(lambda size, f: jnp.clip(size * f, 1e-6, 50.0), state.step_sizes, factor)
        gradient = jax.tree.map(lambda g, a: jnp.where(a < 0, 0, g), gradient, agree)
        return jax.tree.map(lambda g, size: -size * jnp.sign(g), gradient, sizes), RpropState(sizes, gradient)

    return optax.GradientTransformation(init, update)


# With the constants of PyTorch, which the paper's code left as they are.
OPTIMIZERS: dict[str, Callable[[Rate], optax.GradientTransformation]] = {
    "sgd": optax.sgd,
    "momentum": lambda rate: optax.sgd(rate, momentum=0.9),
    "adam": optax.adam,
    "adamw": lambda rate: optax.adamw(rate, weight_decay=0.01),
    "rmsprop": lambda rate: optax.rmsprop(rate, decay=0.99, eps=1e-8, eps_in_sqrt=False),
    "rprop": lambda rate: rprop(rate(0)),
    "adamax": optax.adamax,
}


def optimizer(name: str, rate: Rate) -> optax.GradientTransformation:
    """An optimiser that acts on each unit by itself, with PyTorch's constants.

    name: sgd, momentum (0.9), adam, adamw (decay 0.01), rmsprop, rprop or adamax. rate: step -> learning rate; Rprop
    takes that of step 0 as its first step size and ignores the others, as PyTorch's does.

    Raises:
        ValueError: another name.
    """
    if name not in OPTIMIZERS:
        raise ValueError(f"name={name!r}: accepted is one of {', '.join(OPTIMIZERS)}")
    return OPTIMIZERS[name](rate)


def cosine(rate: float, epochs: int, steps_per_epoch: int) -> Rate:
    """Learning rate of a step, counted from 0: rate (1 + cos(pi e / epochs)) / 2 in epoch e = 0, ..., epochs - 1."""
    return lambda step: rate * (1 + jnp.cos(jnp.pi * (step // steps_per_epoch) / epochs)) / 2


def compressed(optimizer: optax.GradientTransformation, multiplicities: Any) -> optax.GradientTransformation:
    """The optimiser on the gradient that one copy sees: the gradient of each parameter divided by how often it occurs.

    optimizer: one that acts on each unit by itself. multiplicities: a tree like the parameters, each leaf broadcasting
    to its parameter, as scaling.units.occurrences makes it; its leaves may be traced.
    """

    def update(gradient, state, params=None):
        shared = jax.tree.map(lambda g, count: g / count, gradient, multiplicities)
        return optimizer.update(shared, state, params)

    return optax.GradientTransformation(optimizer.init, update)
