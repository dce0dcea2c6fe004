"""Training on weighted data: `init`, and one jitted `advance` that scans a chunk of steps of fixed length.

The caller's Python loop owns progress, disk and resume, and decides between threads (a CPU) and vmap (a GPU) over
seeds.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from scaling.backend import LONG_VECTORS
from scaling.tasks import Dataset

_PIECE = 512  # samples of a full pass whose activations are held at once: they stay in a core's nearest cache
_BLOCK = 64  # steps whose mini-batches are drawn by one call: random bits cost half as much in bulk


class Batches(NamedTuple):
    """Weighted samples in a power of two of slots: for passes over all, and for drawing with replacement.

    Drawing takes two look-ups (Walker's alias method): a slot is the leading bits of a random word; slot s yields row s
    with probability own[s] / 2^32 and row alias[s] otherwise. Slots past the last sample always yield their alias.

    rows (slots, m + 1): inputs and label; share (slots,): weights that sum to one; own (slots,) uint32; alias (slots,)
    int32.
    """

    rows: jax.Array
    share: jax.Array
    own: jax.Array
    alias: jax.Array


class Run(NamedTuple):
    """What stays fixed during one training run; every field is traced, so runs of equal shapes share one program."""

    batches: Batches
    key: jax.Array
    learning_rate: jax.Array
    steps: jax.Array
    steps_per_epoch: jax.Array


class State(NamedTuple):
    """One training run on its way: parameters, optimiser state, steps done, and the run itself."""

    params: Any
    opt_state: Any
    step: jax.Array
    run: Run


class Train(NamedTuple):
    """`init(key, run) -> State` and `advance(state) -> State`, both pure, jitted and vmappable."""

    init: Callable[[jax.Array, Run], State]
    advance: Callable[[State], State]


def alias_table(weights: np.ndarray, room: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Walker's alias table (Vose's construction) for weights (n,) over the power of two of slots from max(n, room).

    Returns own (slots,) uint32 and alias (slots,) int32. Probabilities are exact to 2^-32 per slot.

    Raises:
        ValueError: weights are not one-dimensional, non-negative and finite with a positive sum.
    """
    weights = np.asarray(weights, float)
    total = weights.sum()
    if not (weights.ndim == 1 and np.all(weights >= 0) and 0 < total < np.inf):
        raise ValueError(f"weights of shape {weights.shape}, sum {total}: accepted is a vector of finite weights >= 0")
    slots = 1 << (max(len(weights), room, 1) - 1).bit_length()
    scaled = np.zeros(slots)
    scaled[: len(weights)] = weights * (slots / total)
    own, alias = np.ones(slots), np.arange(slots)
    if slots > len(weights) or np.any(weights != weights[0]):
        small, large = list(np.flatnonzero(scaled < 1)), list(np.flatnonzero(scaled >= 1))
        while small and large:
            slot, donor = small.pop(), large[-1]
            own[slot], alias[slot] = scaled[slot], donor
            scaled[donor] -= 1 - scaled[slot]
            if scaled[donor] < 1:
                small.append(large.pop())
    return np.minimum(own * 2.0**32, 2.0**32 - 1).astype(np.uint32), alias.astype(np.int32)


def prepare(
    data: Dataset,
    key: jax.Array,
    *,
    learning_rate: float,
    steps: int,
    steps_per_epoch: int,
    room: int = 0,
    dtype: str = "float32",
) -> Run:
    """The run that trains on `data` for `steps` steps with mini-batches drawn in proportion to its weights.

    Args:
        data: n samples.
        key: of the mini-batches.
        learning_rate: at the start; it falls as a cosine to zero, once per epoch.
        steps: optimiser steps in all.
        steps_per_epoch: steps at one learning rate.
        room: samples to leave room for, so that runs on slightly fewer samples share one program.
        dtype: float32 or float64, of the samples.

    Raises:
        ValueError: steps or steps_per_epoch is below 1, the rate is not positive, or the weights are unusable.
    """
    for name, value in (("learning_rate", learning_rate), ("steps", steps), ("steps_per_epoch", steps_per_epoch)):
        if not value > 0:
            raise ValueError(f"{name}={value}: accepted are positive numbers")
    own, alias = alias_table(data.weights, room)
    rows, share = np.zeros((len(own), data.inputs.shape[1] + 1), dtype), np.zeros(len(own), dtype)
    rows[: len(data.labels)] = data.objects
    share[: len(data.labels)] = data.weights / data.weights.sum(dtype=float)
    batches = Batches(*(jnp.asarray(part) for part in (rows, share, own, alias)))
    return Run(batches, key, jnp.asarray(learning_rate, dtype), jnp.int32(steps), jnp.int32(steps_per_epoch))


def cosine(run: Run, step: jax.Array) -> jax.Array:
    """Learning rate of a step, counted from 0: lr (1 + cos(pi e / epochs)) / 2 in epoch e, zero once steps are done."""
    epoch, epochs = step // run.steps_per_epoch, -(-run.steps // run.steps_per_epoch)
    rate = run.learning_rate * (1 + jnp.cos(jnp.pi * epoch / epochs).astype(run.learning_rate.dtype)) / 2
    return jnp.where(step < run.steps, rate, 0)


def draw(batches: Batches, key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Rows (*shape, m + 1) drawn with replacement in proportion to the weights."""
    bits = jax.random.bits(key, (2, *shape), jnp.uint32)
    slots = len(batches.own)
    slot = (bits[0] >> (32 - (slots - 1).bit_length())).astype(jnp.int32) if slots > 1 else jnp.zeros(shape, jnp.int32)
    return batches.rows[jnp.where(bits[1] < batches.own[slot], slot, batches.alias[slot])]


def squared_error(outputs: jax.Array, labels: jax.Array) -> jax.Array:
    """The squared loss of each sample: outputs (n,), labels (n,) -> (n,)."""
    return (outputs - labels) ** 2


def cross_entropy(outputs: jax.Array, labels: jax.Array) -> jax.Array:
    """The cross-entropy of each sample, in nats: logits (n, classes), whole labels (n,) -> (n,)."""
    return optax.softmax_cross_entropy_with_integer_labels(outputs, labels.astype(jnp.int32))


def make_train(
    network: nn.Module,
    optimizer: optax.GradientTransformation,
    *,
    batch: int | None,
    inputs: int,
    chunk: int = 1024,
    error: Callable[[jax.Array, jax.Array], jax.Array] = squared_error,
) -> Train:
    """Training of `network` on a loss per sample: its mean over mini-batches, or its weighted mean over all samples.

    Args:
        network: maps inputs (n, inputs) to outputs (n, ...).
        optimizer: an optax transformation of learning rate one; `advance` scales its updates by the cosine schedule.
            This is exact wherever the update is proportional to the rate (SGD, momentum, Adam, decoupled decay).
        batch: samples in a mini-batch; None for exact gradients of the weighted mean over all samples.
        inputs: input dimension m.
        chunk: steps in one call of `advance`, with mini-batches a multiple of 64. Steps past the end of the run change
            no parameter.
        error: the loss of each sample, of outputs and labels.

    Raises:
        ValueError: batch is below 1 or chunk is not positive or, with mini-batches, not a multiple of 64.
    """
    if not (batch is None or batch >= 1):
        raise ValueError(f"batch={batch}: accepted are None and whole numbers from 1")
    together = math.gcd(chunk, _BLOCK) if batch is None else _BLOCK
    if not (chunk > 0 and chunk % together == 0):
        raise ValueError(f"chunk={chunk}: accepted are positive multiples of {_BLOCK}")

    @partial(jax.jit, compiler_options=LONG_VECTORS)
    def init(key: jax.Array, run: Run) -> State:
        params = network.init(key, jnp.zeros((1, inputs), run.batches.rows.dtype))
        return State(params, optimizer.init(params), jnp.int32(0), run)

    @partial(jax.jit, compiler_options=LONG_VECTORS)
    def advance(state: State) -> State:
        run = state.run

        def loss(params, rows, share):
            return jnp.sum(share * error(network.apply(params, rows[:, :-1]), rows[:, -1]))

        def full_gradient(params):
            pieces = max(1, len(run.batches.share) // _PIECE)
            split = jax.tree.map(lambda part: part.reshape(pieces, -1, *part.shape[1:]), run.batches[:2])

            def add(total, piece):
                return jax.tree.map(jnp.add, total, jax.grad(loss)(params, *piece)), None

            return jax.lax.scan(add, jax.tree.map(jnp.zeros_like, params), split)[0]

        def one_step(carry, rows):
            params, opt_state, step = carry
            gradient = full_gradient(params) if batch is None else jax.grad(loss)(params, rows, 1 / batch)
            updates, opt_state = optimizer.update(gradient, opt_state, params)
            rate = cosine(run, step)
            params = jax.tree.map(lambda p, u: p + rate * u, params, updates)
            return (params, opt_state, step + 1), None

        def block(carry, _):
            if batch is None:
                return jax.lax.scan(one_step, carry, length=together)
            rows = draw(run.batches, jax.random.fold_in(run.key, carry[2]), (_BLOCK, batch))
            return jax.lax.scan(one_step, carry, rows)

        carry, _ = jax.lax.scan(block, (state.params, state.opt_state, state.step), length=chunk // together)
        return State(*carry, run)

    return Train(init, advance)


def finish(
    train: Train,
    states: list[State],
    tick: Callable[[int], None] = lambda steps: None,
    watch: Callable[[list[State]], None] = lambda states: None,
) -> list[State]:
    """Advance runs of equal lengths and shapes until all their steps are done: one alone, several as one by vmap.

    tick: called after every chunk with the steps done in it, summed over the runs. watch: called with the states then.
    """
    steps, done = int(states[0].run.steps), int(states[0].step)
    several = len(states) > 1
    state = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states) if several else states[0]
    advance = jax.vmap(train.advance) if several else train.advance
    while done < steps:
        state = advance(state)
        before, done = done, int(jnp.max(state.step))
        states = [jax.tree.map(lambda leaf, i=i: leaf[i], state) for i in range(len(states))] if several else [state]
        tick(len(states) * (min(done, steps) - before))
        watch(states)
    return states


@partial(jax.jit, static_argnums=0, compiler_options=LONG_VECTORS)
def mean_squared_error(network: nn.Module, params: Any, inputs: jax.Array, labels: jax.Array) -> jax.Array:
    """Mean squared error of the network at inputs (n, m) against labels (n,); a scalar."""
    return jnp.mean((network.apply(params, inputs) - labels) ** 2)
