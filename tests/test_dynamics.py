"""The compressed dynamics follow the wide network exactly where its units are duplicates, for every optimiser."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from scaling.dynamics import OPTIMIZERS, compressed, cosine, optimizer, rprop
from scaling.networks import MLP, MultiHeadAttention, TwoLayer
from scaling.units import occurrences, select_units

STEPS = 1000
COPIES = np.array([2, 1, 3, 1, 5])
RATES = {"sgd": 0.05, "rmsprop": 1e-3, "rprop": 1e-3}  # an unstable run multiplies rounding errors


def problem(shape=(32, 2)):
    inputs = jax.random.uniform(jax.random.key(3), shape, minval=-1)
    first = inputs.reshape(len(inputs), -1)
    return inputs, jnp.sin(3 * first[:, 0]) + first[:, -1] ** 2


def train(network, params, data, rule, multiplicities=None, steps=STEPS):
    inputs, labels = data

    def loss(params):
        return jnp.mean((network.apply(params, inputs, multiplicities) - labels) ** 2)

    @jax.jit
    def run(params):
        def step(carry, _):
            params, state = carry
            updates, state = rule.update(jax.grad(loss)(params), state, params)
            return (optax.apply_updates(params, updates), state), loss(params)

        (params, _), losses = jax.lax.scan(step, (params, rule.init(params)), length=steps)
        return params, losses

    return run(params)


def rule_of(name, steps=STEPS):
    return optimizer(name, cosine(RATES.get(name, 1e-2), steps // 10, 10))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_multiplicity_c_follows_c_copies_for_a_thousand_steps(name):
    with jax.enable_x64(True):
        small, wide, data = TwoLayer(5, "tanh", "float64"), TwoLayer(12, "tanh", "float64"), problem()
        params, (layer,) = small.init(jax.random.key(0), data[0]), small.layers
        expected, losses = train(
            wide, select_units(params, layer, np.repeat(np.arange(5), COPIES)), data, rule_of(name)
        )
        rule = compressed(rule_of(name), occurrences(params, small.layers, [COPIES]))
        got, again = train(small, params, data, rule, [COPIES])
        assert losses[-1] < 0.7 * losses[0]
        np.testing.assert_allclose(again, losses, rtol=1e-9)
        for copy in (np.cumsum(COPIES) - 1, np.cumsum(COPIES) - COPIES):
            one = select_units(expected, layer, copy)
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9), got, one)


@pytest.mark.parametrize(
    "small, wide, copies, shape",
    [
        (MLP((5, 4), "gelu", "float64"), MLP((12, 7), "gelu", "float64"), [COPIES, [1, 3, 2, 1]], (32, 2)),
        (MultiHeadAttention(5, 2, "float64"), MultiHeadAttention(12, 2, "float64"), [COPIES], (32, 6, 1)),
    ],
    ids=["every layer of a deep network", "heads"],
)
def test_so_do_all_layers_at_once_and_heads(small, wide, copies, shape):
    with jax.enable_x64(True):
        data, copies = problem(shape), [np.asarray(c) for c in copies]
        params = start = small.init(jax.random.key(0), data[0])
        for layer, c in zip(small.layers, copies, strict=True):
            start = select_units(start, layer, np.repeat(np.arange(len(c)), c))
        _, losses = train(wide, start, data, rule_of("adam"))
        rule = compressed(rule_of("adam"), occurrences(params, small.layers, copies))
        _, again = train(small, params, data, rule, copies)
        np.testing.assert_allclose(again, losses, rtol=1e-8)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_permuted_units_train_to_permuted_units(name):
    with jax.enable_x64(True):
        network, data = TwoLayer(5, "gelu", "float64"), problem()
        params, (layer,) = network.init(jax.random.key(0), data[0]), network.layers
        ends = []
        for order in (np.arange(5), np.array([3, 0, 4, 2, 1])):
            start, c = select_units(params, layer, order), COPIES[order].astype(float)
            rule = compressed(rule_of(name, 200), occurrences(start, network.layers, [c]))
            end, _ = train(network, start, data, rule, [c], steps=200)
            ends.append(select_units(end, layer, np.argsort(order)))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11), *ends)


def test_a_rule_that_mixes_units_is_outside_the_theorem():
    with jax.enable_x64(True):
        small, wide, data = TwoLayer(5, "tanh", "float64"), TwoLayer(12, "tanh", "float64"), problem()
        params, (layer,) = small.init(jax.random.key(0), data[0]), small.layers
        clipped = optax.chain(optax.clip_by_global_norm(0.1), optax.sgd(0.05))
        _, losses = train(wide, select_units(params, layer, np.repeat(np.arange(5), COPIES)), data, clipped, steps=100)
        rule = compressed(clipped, occurrences(params, small.layers, [COPIES]))
        _, again = train(small, params, data, rule, [COPIES], steps=100)
        assert np.abs(again / losses - 1).max() > 1e-3


def test_without_dividing_by_the_multiplicities_sgd_leaves_the_wide_network():
    with jax.enable_x64(True):
        small, wide, data = TwoLayer(5, "tanh", "float64"), TwoLayer(12, "tanh", "float64"), problem()
        params, (layer,) = small.init(jax.random.key(0), data[0]), small.layers
        start = select_units(params, layer, np.repeat(np.arange(5), COPIES))
        _, losses = train(wide, start, data, rule_of("sgd"), steps=100)
        _, again = train(small, params, data, rule_of("sgd"), [COPIES], steps=100)
        assert np.abs(again / losses - 1).max() > 1e-2


def test_rprop_takes_the_steps_of_its_definition():
    """Gradients +1, +1, -1, -1, -1: a step, one 1.2 times larger, none, and then half the size, growing again."""
    rule = rprop(0.1)
    state, steps = rule.init(jnp.zeros(1)), []
    for gradient in (1.0, 1.0, -1.0, -1.0, -1.0):
        update, state = rule.update(jnp.array([gradient]), state)
        steps.append(float(update[0]))
    np.testing.assert_allclose(steps, [-0.1, -0.12, 0.0, 0.06, 0.072], rtol=1e-6)


def test_cosine_is_stepped_once_per_epoch_and_its_last_epoch_still_moves():
    rate = cosine(0.5, 5, 4)
    expected = 0.5 * (1 + np.cos(np.pi * (np.arange(20) // 4) / 5)) / 2
    np.testing.assert_allclose([rate(step) for step in range(20)], expected, rtol=1e-6)
    assert rate(19) > 0


def test_an_unknown_optimiser_is_refused():
    with pytest.raises(ValueError, match="name='lamb': accepted is one of sgd, momentum"):
        optimizer("lamb", cosine(0.1, 1, 1))
