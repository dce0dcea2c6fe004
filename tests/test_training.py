"""Training on weighted data: drawn as weighted, stepped as the paper's optimiser, traced once."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from scaling import tasks, training
from scaling.networks import TwoLayer


def dataset(n=300, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.uniform(-1, 1, (n, 2)).astype(np.float32)
    weights = generator.exponential(size=n).astype(np.float32)
    return tasks.Dataset(x, np.sin(3 * x[:, 0]) + x[:, 1] ** 2, weights)


def run_on(data, **changes):
    settings = {"learning_rate": 1e-2, "steps": 200, "steps_per_epoch": 4} | changes
    return training.prepare(data, jax.random.key(1), **settings)


def test_alias_table_gives_every_sample_its_probability():
    weights = np.array([0.0, 1e-9, 3.0, 1.0, 0.5, 40.0, 2.0])
    own, alias = training.alias_table(weights, room=20)
    assert len(own) == 32
    probability = np.zeros(32)
    np.add.at(probability, np.arange(32), own / 2.0**32 / 32)
    np.add.at(probability, alias, (1 - own / 2.0**32) / 32)
    np.testing.assert_allclose(probability[:7], weights / weights.sum(), atol=1e-10)
    assert np.all(probability[7:] == 0)


def test_equal_weights_on_a_power_of_two_need_no_alias():
    own, alias = training.alias_table(np.full(8, 0.3))
    assert np.all(own == 2**32 - 1) and np.all(alias == np.arange(8))


@pytest.mark.parametrize("weights", [[-1.0, 2.0], [0.0, 0.0], [np.nan, 1.0], [[1.0]], [np.inf, 1.0]])
def test_unusable_weights_are_refused(weights):
    with pytest.raises(ValueError, match="weights"):
        training.alias_table(np.array(weights))


def test_draws_follow_the_weights():
    data = dataset(50)
    data = data._replace(inputs=np.arange(100, dtype=np.float32).reshape(50, 2))
    rows = training.draw(run_on(data).batches, jax.random.key(3), (400, 500))
    counts = np.bincount(np.asarray(rows[..., 0]).astype(int).ravel() // 2, minlength=50)
    expected = 200_000 * data.weights / data.weights.sum()
    chi_squared = np.sum((counts - expected) ** 2 / expected)
    assert counts.sum() == 200_000 and chi_squared < 49 + 5 * np.sqrt(2 * 49)


def test_one_sample_can_be_drawn():
    data = dataset(1)
    assert np.all(np.asarray(training.draw(run_on(data).batches, jax.random.key(0), (3, 2))) == data.objects[0])


def test_cosine_is_stepped_once_per_epoch_and_ends_at_zero():
    run = run_on(dataset(), learning_rate=0.5, steps=20, steps_per_epoch=4)
    rates = np.array([training.cosine(run, jnp.int32(step)) for step in range(24)])
    expected = 0.5 * (1 + np.cos(np.pi * (np.arange(20) // 4) / 5)) / 2
    np.testing.assert_allclose(rates[:20], expected, rtol=1e-6)
    assert np.all(rates[20:] == 0)


def reference_adamw(params, batches, rates, decay=0.01):
    """AdamW on the two-layer ReLU network with hand-written gradients, as in PyTorch's documentation."""
    moments = [[np.zeros_like(p), np.zeros_like(p)] for p in params]
    for t, (rows, rate) in enumerate(zip(batches, rates, strict=True), start=1):
        w, b, v, a = params
        x, y = rows[:, :2], rows[:, 2]
        pre = x @ w + b
        hidden = np.maximum(pre, 0)
        error = 2 * (hidden @ v + a - y) / len(y)
        back = error[:, None] * v * (pre > 0)
        gradients = (x.T @ back, back.sum(0), hidden.T @ error, error.sum())
        for i, gradient in enumerate(gradients):
            first, second = moments[i]
            moments[i] = [0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2]
            step = (moments[i][0] / (1 - 0.9**t)) / (np.sqrt(moments[i][1] / (1 - 0.999**t)) + 1e-8)
            params[i] = params[i] * (1 - rate * decay) - rate * step
    return params


def test_a_run_is_adamw_with_cosine_decay_on_the_drawn_batches():
    with jax.enable_x64(True):
        train = training.make_train(
            TwoLayer(7, dtype="float64"), optax.adamw(1.0, weight_decay=0.01), batch=16, inputs=2, chunk=64
        )
        run = run_on(dataset(), dtype="float64")
        start = train.init(jax.random.key(5), run)
        layers = start.params["params"]
        params = [layers["Dense_0"]["kernel"], layers["Dense_0"]["bias"], layers["Dense_1"]["kernel"][:, 0]]
        params = [np.asarray(p) for p in [*params, layers["Dense_1"]["bias"][0]]]
        blocks = [training.draw(run.batches, jax.random.fold_in(run.key, s), (64, 16)) for s in (0, 64, 128, 192)]
        batches = np.concatenate([np.asarray(block) for block in blocks])[:200]
        rates = [float(training.cosine(run, jnp.int32(step))) for step in range(200)]
        (end,) = training.finish(train, [start])
        expected = reference_adamw(params, batches, rates)
        got = end.params["params"]
        np.testing.assert_allclose(got["Dense_0"]["kernel"], expected[0], rtol=1e-9)
        np.testing.assert_allclose(got["Dense_1"]["kernel"][:, 0], expected[2], rtol=1e-9)
        assert np.abs(expected[0] - np.asarray(layers["Dense_0"]["kernel"])).max() > 0.1


def test_full_passes_follow_the_exact_gradient_of_the_weighted_loss():
    data = dataset(5000)
    with jax.enable_x64(True):
        train = training.make_train(TwoLayer(6, dtype="float64"), optax.sgd(1.0), batch=None, inputs=2, chunk=64)
        run = run_on(data, dtype="float64", steps=1, steps_per_epoch=1)
        start = train.init(jax.random.key(5), run)

        def loss(params):
            error = TwoLayer(6, dtype="float64").apply(params, data.inputs.astype(float)) - data.labels
            return jnp.average(error**2, weights=data.weights.astype(float))

        (end,) = training.finish(train, [start])
        step = jax.tree.map(lambda p, g: p - run.learning_rate * g, start.params, jax.grad(loss)(start.params))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10), end.params, step)


def test_the_length_of_a_chunk_changes_nothing():
    ends = []
    for chunk in (64, 512):
        train = training.make_train(TwoLayer(5), optax.adamw(1.0), batch=8, inputs=2, chunk=chunk)
        (end,) = training.finish(train, [train.init(jax.random.key(0), run_on(dataset(), steps=100))])
        ends.append(end.params)
    jax.tree.map(np.testing.assert_array_equal, *ends)


def test_runs_of_other_sizes_rates_and_lengths_share_one_trace():
    traces = []

    class Counting(TwoLayer):
        @nn.compact
        def __call__(self, inputs):
            traces.append(inputs.shape)
            return super().__call__(inputs)

    train = training.make_train(Counting(5), optax.adamw(1.0), batch=8, inputs=2, chunk=64)
    for n, steps, rate in ((300, 64, 1e-2), (500, 640, 1e-3), (511, 100, 1e-4)):
        training.finish(train, [train.init(jax.random.key(n), run_on(dataset(n), steps=steps, learning_rate=rate))])
    assert traces.count((8, 2)) == 1
    assert traces.count((1, 2)) == 1


def test_vmapped_runs_agree_with_single_ones():
    train = training.make_train(TwoLayer(5), optax.adamw(1.0), batch=8, inputs=2, chunk=64)

    def starts():
        return [train.init(jax.random.key(s), run_on(dataset(300 + s, seed=s))) for s in range(3)]

    done = []
    together = training.finish(train, starts(), done.append)
    assert sum(done) == 3 * 200
    for alone, one in zip(starts(), together, strict=True):
        (alone,) = training.finish(train, [alone])
        close = jax.tree.map(lambda a, b: np.allclose(a, b, atol=1e-5), alone.params, one.params)
        assert all(jax.tree.leaves(close))


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="batch=0"):
        training.make_train(TwoLayer(5), optax.adamw(1.0), batch=0, inputs=2)
    with pytest.raises(ValueError, match="chunk=100"):
        training.make_train(TwoLayer(5), optax.adamw(1.0), batch=8, inputs=2, chunk=100)
    with pytest.raises(ValueError, match="learning_rate=nan"):
        run_on(dataset(), learning_rate=float("nan"))
    with pytest.raises(ValueError, match="steps=0"):
        run_on(dataset(), steps=0)


def test_cross_entropy_trains_a_classifier_on_weighted_samples():
    data = dataset(400)
    data = data._replace(labels=(data.inputs[:, 0] > 0).astype(np.float32))
    network = TwoLayer(8, outputs=2)
    train = training.make_train(network, optax.adamw(1.0), batch=32, inputs=2, chunk=64, error=training.cross_entropy)
    (end,) = training.finish(train, [train.init(jax.random.key(0), run_on(data, steps=640))])
    outputs = np.asarray(network.apply(end.params, data.inputs))
    assert outputs.shape == (400, 2)
    assert np.mean(outputs.argmax(axis=1) == data.labels) > 0.95


def test_cross_entropy_of_equal_logits_is_the_logarithm_of_the_classes():
    losses = training.cross_entropy(jnp.zeros((5, 7)), jnp.arange(5.0))
    np.testing.assert_allclose(losses, np.log(7), rtol=1e-6)
