"""Attention heads: the fast kernel is the layer, episodes are what they say, a killed run goes on, verdicts follow."""

import jax
import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest

from experiments import attention, heads, published
from scaling import tasks
from scaling.checkpoints import Checkpoint
from scaling.heads import scalar_heads
from scaling.networks import MultiHeadAttention
from scaling.twins import predictions
from scaling.units import to_objects

IDENTITY = {
    "seed": 0, "lr": 1e-3, "heads": 300, "kept": 110, "order": 2, "degree": 1, "noise": 0.3, "batch": 16,
    "test_size": 64, "epochs": 6,
}  # fmt: skip


@pytest.mark.parametrize("weighted", [False, True])
def test_the_fast_kernel_is_the_layer_and_its_gradient(weighted):
    with jax.enable_x64(True):
        network = MultiHeadAttention(30, 3, "float64")
        tokens = 2 * jax.random.normal(jax.random.key(0), (7, 5))
        params = network.init(jax.random.key(1), tokens[..., None])
        c = (jnp.linspace(0.5, 3, 30),) if weighted else None

        def loss(apply):
            return lambda params: jnp.mean(jnp.cos(apply(params)) ** 3)

        pairs = [
            jax.value_and_grad(loss(lambda p: network.apply(p, tokens[..., None], c)))(params),
            jax.value_and_grad(loss(lambda p: scalar_heads(network)(p, tokens, c)))(params),
        ]
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-14), *pairs)


def test_huge_scores_give_the_largest_token_and_no_gradient_of_nan():
    network = MultiHeadAttention(2)
    params = jax.tree.map(lambda leaf: 1e4 * jnp.ones_like(leaf), network.init(jax.random.key(0), jnp.zeros((1, 1, 1))))
    apply = scalar_heads(network)
    out, gradient = jax.value_and_grad(lambda p: apply(p, jnp.array([[-1.0, 0.5, 3.0, 2.0]]))[0])(params)
    assert out == pytest.approx(2 * 2 * 1e8 * 3.0)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


def test_episodes_are_noisy_values_of_one_function_each():
    line = tasks.in_context(jax.random.key(0), 50, noise=0.0, pairs=2, segments=1)  # a straight line through two points
    x1, y1, x2, y2, x = line.inputs.T
    np.testing.assert_allclose(line.labels, y1 + (y2 - y1) / (x2 - x1) * (x - x1), rtol=0, atol=0.01)
    many = tasks.in_context(jax.random.key(1), 20_000)
    assert many.inputs.shape == (20_000, 17)
    assert np.mean(many.labels**2) == pytest.approx(1 / 4 + 1 / 32, rel=0.03)
    assert np.var(many.inputs[:, 1]) == pytest.approx(1 / 4 + 1 / 32 + 0.09, rel=0.03)
    assert many.inputs[:, ::2].min() >= 0 and many.inputs[:, ::2].max() <= 1


def test_every_arm_starts_as_it_says():
    states, _ = attention.start(IDENTITY)
    layer, test = MultiHeadAttention(300).layers[0], tasks.in_context(jax.random.key(5), 64)
    rows = {row.tobytes() for row in to_objects(states["wide"].params, layer)}
    outputs = {}
    for arm, state in states.items():
        objects, (c,) = to_objects(state.params, layer), state.multiplicities
        assert len(objects) == len(c) == (300 if arm.startswith("wide") else 110)
        assert all(row.tobytes() in rows for row in objects)
        assert c.sum() == pytest.approx(110 if arm == "subset" else 300)
        outputs[arm] = predictions(attention.trainer(IDENTITY, arm)[1], state, test.inputs)
    np.testing.assert_allclose(outputs["subset_rescaled"], outputs["subset"] * 300 / 110, rtol=1e-4, atol=1e-6)
    far = {arm: np.std(outputs[arm] - outputs["wide"]) for arm in states}
    assert far["compressed"] < 0.5 * far["subset_rescaled"]
    assert all((np.asarray(leaf) == 1).all() for leaf in jax.tree.leaves(states["undivided"].counts))


def test_a_point_broken_off_goes_on_with_the_identical_curves(tmp_path):
    left = iter(range(3))

    def stop(_):
        if next(left, None) is None:
            raise KeyboardInterrupt

    broken = Checkpoint(tmp_path / "broken", 0)
    with pytest.raises(KeyboardInterrupt):
        attention.measure([IDENTITY], stop, broken)
    broken.lock.close()
    going_on = Checkpoint(tmp_path / "broken", 0)
    assert going_on.restore()["losses"].shape == (len(attention.ARMS),)
    (again,) = attention.measure([IDENTITY], lambda _: None, going_on)
    (whole,) = attention.measure([IDENTITY], lambda _: None, Checkpoint(tmp_path / "whole", 3600))
    for column in ("arm", "epoch", "train_loss", "test_loss", "distance"):
        np.testing.assert_array_equal(again[column], whole[column])
    wide = [i for i, arm in enumerate(whole["arm"]) if arm == "wide"]
    assert np.all(np.array(whole["distance"])[wide] == 0)


def test_the_moments_hold_the_first_terms_of_the_layer():
    space = attention.bilinear(2)
    assert len(set(space.exponents)) == space.size == 36 * 11
    assert {(1, 0, 1, 0, 1, 0, 1, 0), (2, 0, 2, 0, 0, 1, 0, 1), (1, 1, 1, 1, 0, 0, 2, 0)} <= set(space.exponents)
    assert (1, 0, 1, 0, 1, 0, 0, 1) not in space.exponents


def test_epochs_recorded_hold_the_first_the_published_end_and_the_last():
    assert attention.recorded(6) == [0, 1, 2, 3, 4, 5, 6]
    times = attention.recorded(2000)
    assert times[0] == 0 and times[-1] == 2000 and len(times) < 50 and sum(t <= 50 for t in times) > 15


def synthetic(drift, closer, seeds=6):
    """Rows in which `compressed` is off by e^drift at first and its predictions `closer` times nearer."""
    generator, rows = np.random.default_rng(0), []
    for seed in range(seeds):
        noise = 1 + 0.01 * generator.standard_normal()
        for epoch in (0, 10, 50, 100):
            for arm in heads.LOOKS:
                excess = drift * noise if arm == "compressed" and epoch < 50 else 0.0
                distance = 0.1 * noise / closer if arm == "compressed" else 0.0 if arm == "wide" else 0.1
                values = {"test_loss": np.exp(excess), "distance": distance}
                rows.append({"case": "lr_0.0001", "seed": seed, "arm": arm, "epoch": epoch, **values})
    return pl.DataFrame(rows).with_columns(step_over_forward=2.0, compress_seconds=1.0)


@pytest.mark.parametrize(
    "drift, closer, verdict", [(0.04, 2.0, "supported"), (0.08, 2.0, "not supported"), (0.01, 0.8, "not supported")]
)
def test_the_verdict_follows_the_rows(drift, closer, verdict):
    analysis = heads.analyse(synthetic(drift, closer), {"draws": 200})
    values = {name: entry["value"] for name, entry in analysis.summary["numbers"].items()}
    assert analysis.summary["verdict"] == verdict
    assert values["lr_0.0001_published_log_ratio_compressed"] == pytest.approx(drift, rel=0.02)
    assert values["lr_0.0001_least_advantage_compressed"] == pytest.approx(closer, rel=0.02)
    assert values["lr_0.0001_late_log_ratio_compressed"] == 0


def test_published_numbers_are_found():
    for key in heads.PUBLISHED.values():
        assert np.isfinite(published.value(*key))
    assert len(published.curve("7", "test_loss_wide", "epoch")[0]) == 51
