"""Training twins: fast gradients that are gradients, epochs that go through all data, states that survive on disk."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from scaling import streaming, twins
from scaling.checkpoints import Checkpoint
from scaling.dynamics import cosine, optimizer
from scaling.networks import TwoLayer
from scaling.units import occurrences, select_units


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "sine"])
def test_streamed_gradients_are_the_gradients(activation, monkeypatch):
    for name, value in (("WIDE", 0), ("ROWS", 10), ("UNITS", 8)):
        monkeypatch.setattr(streaming, name, value)
    with jax.enable_x64(True):
        network = TwoLayer(30, activation, "float64")
        inputs = jax.random.normal(jax.random.key(0), (23, 3))  # 3 pieces, 4 tiles, the last ones filled up
        params, c = network.init(jax.random.key(1), inputs), (jnp.linspace(0.5, 3, 30),)
        for multiplicities in (None, c):
            pairs = []
            for apply in (network.apply, streaming.streamed(network)):

                def loss(params, apply=apply, multiplicities=multiplicities):
                    return jnp.mean(jnp.cos(apply(params, inputs, multiplicities)) ** 3)

                pairs.append(jax.value_and_grad(loss)(params))
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-14), *pairs)


def problem(n=50):
    inputs = jax.random.uniform(jax.random.key(5), (n, 2), minval=-1)
    return inputs, jnp.sin(3 * inputs[:, 0])


def start(twin, network, params, c=None, key=7, shuffle=True):
    counts = occurrences(params, network.layers, [c])
    return twin.init(
        params, (None if c is None else jnp.asarray(c, jnp.float32),), counts, jax.random.key(key), shuffle
    )


@pytest.mark.parametrize("shuffle", [False, True])
def test_an_epoch_takes_every_sample_once_and_the_rest_as_a_smaller_batch(shuffle):
    inputs, labels = problem()
    network = TwoLayer(6, "tanh")
    params = network.init(jax.random.key(0), inputs)
    twin = twins.make_twin(network.apply, optax.sgd(0.1), batch=16)
    first = start(twin, network, params, shuffle=shuffle)
    state, loss = twin.epoch(first, inputs, labels)
    order, later = twins.order_of(first, 50), twins.order_of(state, 50)
    np.testing.assert_array_equal(np.sort(order), np.arange(50))
    assert np.array_equal(order, np.arange(50)) != shuffle and np.array_equal(order, later) != shuffle
    total = 0.0
    for rows in np.split(order, [16, 32, 48]):
        squared, gradient = jax.value_and_grad(
            lambda p, rows=rows: jnp.mean((network.apply(p, inputs[rows]) - labels[rows]) ** 2)
        )(params)
        total += float(squared) * len(rows)
        params = jax.tree.map(lambda p, g: p - 0.1 * g, params, gradient)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), state.params, params)
    assert float(loss) == pytest.approx(total / 50, rel=1e-5) and int(state.epoch) == 1


def test_twins_of_duplicated_units_stay_together():
    inputs, labels = problem()
    small, wide, c = TwoLayer(4, "tanh"), TwoLayer(8, "tanh"), np.array([1, 2, 4, 1])
    params = small.init(jax.random.key(0), inputs)
    copies = select_units(params, small.layers[0], np.repeat(np.arange(4), c))
    rule = optimizer("adamw", cosine(1e-2, 30, 4))
    ends = []
    for network, begin, weights in ((small, params, c), (wide, copies, None)):
        twin = twins.make_twin(network.apply, rule, batch=16)
        state = start(twin, network, begin, weights)
        for _ in range(30):
            state, _ = twin.epoch(state, inputs, labels)
        ends.append(twins.predictions(network.apply, state, np.asarray(inputs)))
    np.testing.assert_allclose(*ends, atol=1e-4)


def test_a_state_goes_through_a_checkpoint_bit_for_bit(tmp_path):
    inputs, labels = problem()
    network = TwoLayer(6)
    twin = twins.make_twin(network.apply, optimizer("adam", cosine(1e-2, 9, 4)), batch=16)
    state = start(twin, network, network.init(jax.random.key(0), inputs), np.arange(1.0, 7.0))
    for _ in range(3):
        state, _ = twin.epoch(state, inputs, labels)
    checkpoint = Checkpoint(tmp_path / "here", seconds=0)
    assert checkpoint.restore() is None
    assert checkpoint.offer(lambda: {"state": {"old": np.zeros(3)}})
    assert checkpoint.offer(lambda: {"state": twins.pack(state)})
    other = Checkpoint(tmp_path / "here", seconds=0)  # of another process while the first lives
    assert other.restore() is None and not other.offer(lambda: {})
    other.remove()
    checkpoint.lock.close()  # as when the process is killed
    again = Checkpoint(tmp_path / "here", seconds=1000)
    assert not again.offer(lambda: {})
    fresh = start(twin, network, network.init(jax.random.key(3), inputs), np.ones(6), key=9)
    restored = twins.unpack(again.restore()["state"], fresh)
    for a, b in ((state, restored), (twin.epoch(state, inputs, labels), twin.epoch(restored, inputs, labels))):
        jax.tree.map(lambda x, y: np.testing.assert_array_equal(raw(x), raw(y)), a, b)
    again.remove()
    assert not list(tmp_path.iterdir())


def raw(leaf):
    return jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf


def test_an_empty_batch_is_refused():
    with pytest.raises(ValueError, match="batch=0"):
        twins.make_twin(TwoLayer(2).apply, optax.sgd(0.1), batch=0)
