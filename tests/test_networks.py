"""Modules with multiplicities: duplicates count as copies, objects go there and back, folding changes nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from scaling import MomentSpace
from scaling.networks import MLP, MultiHeadAttention, TwoLayer
from scaling.units import compress_layer, fold, from_objects, occurrences, select_units, to_objects

COPIES = [np.array([2, 1, 3, 1, 2]), np.array([1, 4, 2, 1])]
NETWORKS = {
    "two_layer": (TwoLayer(5, "tanh", "float64"), (7, 2)),
    "mlp": (MLP((5, 4), "gelu", "float64"), (7, 3)),
    "attention": (MultiHeadAttention(5, 2, "float64"), (7, 6, 3)),
}


def widened(network, copies):
    """The module with as many units as the multiplicities count."""
    width = [int(c.sum()) for c in copies]
    size = {"heads": width[0]} if isinstance(network, MultiHeadAttention) else {"width": width[0]}
    return network.clone(**({"widths": tuple(width)} if isinstance(network, MLP) else size))


@pytest.fixture(params=NETWORKS)
def case(request):
    with jax.enable_x64(True):
        network, shape = NETWORKS[request.param]
        inputs = jax.random.normal(jax.random.key(1), shape)
        params = network.init(jax.random.key(2), inputs)
        copies = COPIES[: len(network.layers)]
        wide = params
        for layer, c in zip(network.layers, copies, strict=True):
            wide = select_units(wide, layer, np.repeat(np.arange(len(c)), c))
        yield network, params, inputs, copies, wide


def test_a_unit_of_multiplicity_c_counts_as_c_copies(case):
    network, params, inputs, copies, wide = case
    expected = widened(network, copies).apply(wide, inputs)
    np.testing.assert_allclose(network.apply(params, inputs, copies), expected, rtol=1e-13)
    assert expected.shape == (len(inputs),)


def test_no_multiplicities_are_ones(case):
    network, params, inputs, copies, _ = case
    plain = network.apply(params, inputs)
    np.testing.assert_array_equal(plain, network.apply(params, inputs, [np.ones(len(c)) for c in copies]))
    np.testing.assert_array_equal(plain, network.apply(params, inputs, [None for _ in copies]))


def test_folding_gives_a_plain_network_of_the_same_output(case):
    network, params, inputs, copies, _ = case
    folded = params
    for layer, c in zip(network.layers, copies, strict=True):
        folded = fold(folded, layer, c)
    np.testing.assert_allclose(network.apply(folded, inputs), network.apply(params, inputs, copies), rtol=1e-13)


def test_gradients_are_those_of_a_copy_times_its_occurrences(case):
    network, params, inputs, copies, wide = case
    ours = jax.grad(lambda p: jnp.sum(network.apply(p, inputs, copies) ** 3))(params)
    theirs = jax.grad(lambda p: jnp.sum(widened(network, copies).apply(p, inputs) ** 3))(wide)
    for layer, c in zip(network.layers, copies, strict=True):
        theirs = select_units(theirs, layer, np.cumsum(c) - 1)
    counts = occurrences(params, network.layers, copies)
    jax.tree.map(lambda a, b, n: np.testing.assert_allclose(a, b * n, rtol=1e-11, atol=1e-14), ours, theirs, counts)


def test_objects_go_there_and_back(case):
    network, params, *_ = case
    for layer in network.layers:
        objects = to_objects(params, layer)
        back = from_objects(params, layer, objects)
        jax.tree.map(np.testing.assert_array_equal, params, back)
        assert objects.shape[0] == len(to_objects(from_objects(params, layer, objects[:2]), layer)) + len(objects) - 2
        with pytest.raises(ValueError, match="objects have shape"):
            from_objects(params, layer, objects[:, :-1])


def test_objects_are_incoming_weights_bias_outgoing_weight():
    network = TwoLayer(4)
    params = network.init(jax.random.key(0), jnp.zeros((1, 2)))
    flat = {"/".join(path[1:]): np.asarray(leaf) for path, leaf in flatten_dict(params).items()}
    objects = to_objects(params, network.layers[0])
    np.testing.assert_array_equal(objects[:, :2], flat["Dense_0/kernel"].T)
    np.testing.assert_array_equal(objects[:, 2:], np.column_stack([flat["Dense_0/bias"], flat["Dense_1/kernel"]]))


def test_attention_is_the_causal_softmax_layer_read_at_the_last_token():
    network = MultiHeadAttention(3, 2)
    tokens = jax.random.normal(jax.random.key(0), (4, 5, 2))
    params = network.init(jax.random.key(1), tokens)
    weights = {name: np.asarray(leaf) for name, leaf in params["params"].items()}
    assert to_objects(params, network.layers[0]).shape == (3, 3 * 4 + 2)
    expected = np.zeros(4)
    for head in range(3):
        q, k, v = (np.asarray(tokens) @ weights[name][:, head] for name in ("query", "key", "value"))
        scores = q @ k.swapaxes(1, 2) / np.sqrt(2)
        scores = np.where(np.tril(np.ones((5, 5))), scores, -np.inf)
        share = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
        expected += (share @ v @ weights["output"][head])[:, -1, 0]
    np.testing.assert_allclose(network.apply(params, tokens), expected, rtol=1e-4, atol=1e-6)


def test_scalar_tokens_make_heads_of_eight_numbers():
    network = MultiHeadAttention(10)
    params = network.init(jax.random.key(0), jnp.zeros((1, 17, 1)))
    objects = to_objects(params, network.layers[0])
    assert objects.shape == (10, 8)
    assert np.abs(objects[:, :6]).max() > 0.5 and np.abs(objects[:, 6:]).max() <= 20**-0.5


@pytest.mark.parametrize("space", [None, MomentSpace.squared_loss(3, order=3, label_order=3)])
def test_a_compressed_layer_computes_nearly_the_same_with_survivors_of_the_wide_one(space):
    wide, small = TwoLayer(2000, "tanh"), TwoLayer(200, "tanh")
    inputs = jax.random.uniform(jax.random.key(0), (300, 2), minval=-1)
    params = wide.init(jax.random.key(1), inputs)
    few, c = compress_layer(params, wide.layers[0], 200, space=space)
    assert len(c) == 200 and np.all(c > 0) and c.sum() == pytest.approx(2000)
    rows = {row.tobytes() for row in to_objects(params, wide.layers[0])}
    assert all(row.tobytes() in rows for row in to_objects(few, wide.layers[0]))
    before, after = wide.apply(params, inputs), small.apply(few, inputs, (c.astype(np.float32),))
    subset = fold(select_units(params, wide.layers[0], np.arange(200)), wide.layers[0], np.full(200, 10.0))
    chance = np.std(small.apply(subset, inputs) - before)
    assert np.std(after - before) < min(0.1 * np.std(before), 0.05 * chance)


def test_compressing_again_counts_the_multiplicities():
    wide = TwoLayer(1000, "tanh")
    inputs = jax.random.uniform(jax.random.key(0), (300, 2), minval=-1)
    params = wide.init(jax.random.key(1), inputs)
    once, c = compress_layer(params, wide.layers[0], 400)
    twice, c = compress_layer(once, wide.layers[0], 200, multiplicities=c)
    before, after = wide.apply(params, inputs), TwoLayer(200, "tanh").apply(twice, inputs, (c.astype(np.float32),))
    assert c.sum() == pytest.approx(1000) and np.std(after - before) < 0.1 * np.std(before)


def test_the_second_layer_of_a_deep_network_is_compressed_in_its_own_objects():
    wide = MLP((3, 400), "tanh")
    inputs = jax.random.uniform(jax.random.key(0), (300, 2), minval=-1)
    params = wide.init(jax.random.key(1), inputs)
    assert to_objects(params, wide.layers[1]).shape == (400, 3 + 1 + 1)
    few, c = compress_layer(params, wide.layers[1], 80)
    before, after = wide.apply(params, inputs), MLP((3, 80), "tanh").apply(few, inputs, (None, c.astype(np.float32)))
    assert np.std(after - before) < 0.1 * np.std(before)
