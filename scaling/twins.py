"""Train a network with multiplicities on a fixed data set, one jitted epoch at a time, beside its wide twin.

Twins that start with the same key see the same mini-batches, whatever their widths. The caller's Python loop owns
progress, records and checkpoints: a state holds all that the next epoch depends on.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from scaling.backend import LONG_VECTORS
from scaling.dynamics import compressed

PIECE = 512  # samples predicted at once


class State(NamedTuple):
    """A network on its way: every field is traced, so networks of equal widths share one program.

    epoch: those done. multiplicities: one vector a layer, or None. counts: what gradients are divided by, a tree that
    broadcasts to the parameters. key: of the mini-batches. shuffle: whether each epoch takes the samples in a new
    order.
    """

    params: Any
    opt_state: Any
    epoch: jax.Array
    multiplicities: Sequence[jax.Array | None]
    counts: Any
    key: jax.Array
    shuffle: jax.Array


class Twin(NamedTuple):
    """`init(params, multiplicities, counts, key, shuffle=True) -> State`, and one epoch.

    `epoch(state, inputs (n, m), labels (n,)) -> (state, loss)`; loss: the mean over the epoch of the squared error
    before each step, a scalar.
    """

    init: Callable[..., State]
    epoch: Callable[..., tuple[State, jax.Array]]


def make_twin(apply: Callable, rule: optax.GradientTransformation, *, batch: int) -> Twin:
    """Training on the mean squared error by the compressed dynamics.

    Args:
        apply: (params, inputs, multiplicities) -> outputs (n,).
        rule: an optimiser that acts on each unit by itself, with its schedule.
        batch: samples in a mini-batch; the last one of an epoch holds what is left.

    Raises:
        ValueError: batch is below 1.
    """
    if not batch >= 1:
        raise ValueError(f"batch={batch}: accepted are whole numbers from 1")

    def init(params, multiplicities, counts, key, shuffle=True) -> State:
        return State(params, rule.init(params), jnp.int32(0), multiplicities, counts, key, jnp.bool_(shuffle))

    @partial(jax.jit, compiler_options=LONG_VECTORS)
    def steps(state: State, order: jax.Array, inputs: jax.Array, labels: jax.Array):
        n = len(labels)
        count = -(-n // batch)
        order = jnp.pad(order, (0, count * batch - n)).reshape(count, batch)
        real = (jnp.arange(count * batch) < n).reshape(count, batch).astype(labels.dtype)
        divided = compressed(rule, state.counts)

        def loss(params, rows, real):
            outputs = apply(params, inputs[rows], state.multiplicities)
            return jnp.sum(real * (outputs - labels[rows]) ** 2) / jnp.sum(real)

        def step(carry, taken):
            params, opt_state = carry
            value, gradient = jax.value_and_grad(loss)(params, *taken)
            updates, opt_state = divided.update(gradient, opt_state, params)
            return (optax.apply_updates(params, updates), opt_state), value * jnp.sum(taken[1])

        (params, opt_state), losses = jax.lax.scan(step, (state.params, state.opt_state), (order, real))
        done = state._replace(params=params, opt_state=opt_state, epoch=state.epoch + 1)
        return done, jnp.sum(losses) / n

    def epoch(state: State, inputs: jax.Array, labels: jax.Array):
        return steps(state, order_of(state, len(labels)), inputs, labels)

    return Twin(jax.jit(init), epoch)


def order_of(state: State, n: int) -> np.ndarray:
    """The order (n,) in which the next epoch takes its samples. (NumPy shuffles 10^5 of them 50 times as fast as XLA.)

    Twins of equal keys have equal orders.
    """
    if not state.shuffle:
        return np.arange(n, dtype=np.int32)
    seed = [*np.asarray(jax.random.key_data(state.key)).ravel().tolist(), int(state.epoch)]
    return np.random.default_rng(seed).permutation(n).astype(np.int32)


@partial(jax.jit, static_argnums=0, compiler_options=LONG_VECTORS)
def _predict(apply, params, multiplicities, pieces):
    return jax.lax.map(lambda inputs: apply(params, inputs, multiplicities), pieces)


def predictions(apply: Callable, state: State, inputs: np.ndarray) -> np.ndarray:
    """Outputs (n,) of the network at inputs (n, m)."""
    n = len(inputs)
    pieces = np.pad(inputs, ((0, -n % PIECE), (0, 0))).reshape(-1, PIECE, inputs.shape[1])
    return np.asarray(_predict(apply, state.params, state.multiplicities, pieces)).reshape(-1)[:n]


def step_over_forward(
    network: nn.Module, twin: Twin, state: State, inputs: jax.Array, labels: jax.Array, batch: int, rounds: int = 3
) -> float:
    """Wall time of a training step over that of one jitted forward pass of the same network and batch, a median.

    inputs (n, m), labels (n,): one epoch of them is timed in each round, beside as many forward passes as it has steps.
    """
    forward = jax.jit(network.apply, compiler_options=LONG_VECTORS)
    arguments = state.params, jnp.asarray(inputs[:batch]), state.multiplicities
    steps, ratios = -(-len(labels) // batch), []
    jax.block_until_ready(forward(*arguments))
    for _ in range(rounds):
        times = [time.perf_counter()]
        jax.block_until_ready(twin.epoch(state, inputs, labels))
        times.append(time.perf_counter())
        for _ in range(steps):
            jax.block_until_ready(forward(*arguments))
        times.append(time.perf_counter())
        ratios.append((times[1] - times[0]) / (times[2] - times[1]))
    return float(np.median(ratios))


def pack(state: State) -> dict[str, np.ndarray]:
    """The arrays of a state by their number, ready for a checkpoint."""
    return {str(i): np.asarray(_raw(leaf)) for i, leaf in enumerate(jax.tree.leaves(state))}


def unpack(arrays: dict[str, np.ndarray], like: State) -> State:
    """The state that `pack` took apart; like: any state of the same network and optimiser."""
    leaves, tree = jax.tree.flatten(like)
    stored = [jnp.asarray(arrays[str(i)]) for i in range(len(leaves))]
    return tree.unflatten(
        jax.random.wrap_key_data(new) if _is_key(old) else new for new, old in zip(stored, leaves, strict=True)
    )


def _is_key(leaf) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _raw(leaf):
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf
