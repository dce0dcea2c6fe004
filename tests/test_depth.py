"""Deep networks compressed: sizes, what is kept exactly, and a verdict that follows from the rows."""

import jax
import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest

from experiments import depth, layers
from scaling.deep import compress_deep, coordinates, moments, preactivations, sizes
from scaling.networks import MLP
from scaling.units import to_objects

INPUTS = np.asarray(jax.random.uniform(jax.random.key(0), (50, 2), minval=-1))


def test_the_units_needed_multiply_towards_the_input():
    assert sizes(1, 2, 3) == (20,)
    assert sizes(3, 1, 3) == (4 * 37, 4 * 9, 8)
    assert sizes(3, 1, 3, width=100) == (100, 36, 8)


def test_what_is_linear_is_kept_exactly():
    network = MLP((200, 200), "tanh", "float64")
    with jax.enable_x64(True):
        params = network.init(jax.random.key(1), INPUTS)
        params = jax.tree.map(lambda leaf: 1e-4 * leaf, params)  # where tanh z = z up to z^3 / 3
        few, (first, last) = compress_deep(network, params, INPUTS, order=1, components=3)
        assert (len(first), len(last)) == (36, 8) and first.min() > 0
        assert first.sum() == pytest.approx(200) and last.sum() == pytest.approx(200)
        small = MLP((36, 8), "tanh", "float64")
        bias = params["params"]["Dense_2"]["bias"]
        before, after = network.apply(params, INPUTS) - bias, small.apply(few, INPUTS, (first, last)) - bias
        np.testing.assert_allclose(after, before, rtol=1e-6, atol=1e-6 * np.abs(before).max())
        firsts = {row.tobytes() for row in to_objects(params, network.layers[0])[:, :3]}
        assert all(row.tobytes() in firsts for row in to_objects(few, small.layers[0])[:, :3])


def test_layers_without_more_units_than_moments_are_left_alone():
    network = MLP((30, 30), "tanh")
    params = network.init(jax.random.key(1), INPUTS)
    _, (first, last) = compress_deep(network, params, INPUTS, order=1, components=3)
    assert len(first) == 30 and np.all(first == 1) and len(last) == 8
    with pytest.raises(ValueError, match="order=0"):
        compress_deep(network, params, INPUTS, order=0, components=3)


def test_the_first_layer_of_two_inputs_has_three_components():
    network = MLP((40, 40), "relu")
    params = network.init(jax.random.key(1), INPUTS)
    z = preactivations(network, params, INPUTS)
    places = coordinates(z[0], 3)
    known = to_objects(params, network.layers[0])[:, :3]
    found, *_ = np.linalg.lstsq(places, known, rcond=None)
    np.testing.assert_allclose(places @ found, known, atol=1e-6)
    outputs = network.apply(params, INPUTS)
    last = params["params"]["Dense_2"]
    hidden = np.maximum(z[1], 0) @ np.asarray(last["kernel"]) + np.asarray(last["bias"])
    np.testing.assert_allclose(hidden[:, 0], outputs, atol=1e-5)
    assert moments(places, np.ones((40, 2)), 2).shape == (40, 30)


def test_arms_keep_as_many_units_and_sum_to_the_width():
    identity = {"seed": 0, "depth": 2, "width": 60, "order": 1, "components": 3, "activation": "tanh"}
    arms = depth.start(identity, INPUTS)
    widths = {arm: [len(c) for c in multiplicities] for arm, (_, multiplicities) in arms.items()}
    assert widths == {"wide": [60, 60], "compressed": [36, 8], "subset": [36, 8]}
    for params, multiplicities in arms.values():
        assert all(c.sum() == pytest.approx(60) for c in multiplicities)
        network = MLP(tuple(map(len, multiplicities)), "tanh")
        c = tuple(jnp.asarray(x, jnp.float32) for x in multiplicities)
        assert np.isfinite(network.apply(params, INPUTS, c)).all()


def synthetic(factor):
    """Rows in which two hidden layers are `factor` times as far from the wide network as one."""
    generator, rows = np.random.default_rng(0), []
    for seed in range(6):
        for width in (64, 128, 256):
            noise = 1 + 0.01 * generator.standard_normal()
            for hidden, units in ((1, "8"), (2, "36 8")):
                for arm in ("compressed", "subset"):
                    far = noise * (width / 64) ** 0.5 * (1.0 if arm == "subset" else 0.1 * factor ** (hidden - 1))
                    where = {"seed": seed, "width": width, "depth": hidden, "order": 1, "arm": arm, "units": units}
                    after = {"last_distance": far, "loss_ratio": 1.0, "wide_loss": 1 / width}
                    rows.append(where | {"distance": far} | after)
    return pl.DataFrame(rows)


@pytest.mark.parametrize("factor, verdict", [(1.2, "supported"), (5.0, "not supported")])
def test_the_verdict_follows_the_rows(factor, verdict):
    analysis = layers.analyse(synthetic(factor), {"draws": 200, "tolerance": 2.0, "target": 0.5, "depths": [1, 2]})
    values = {name: entry["value"] for name, entry in analysis.summary["numbers"].items()}
    assert analysis.summary["verdict"] == verdict
    assert values["depth_2_order_1_distance_ratio"] == pytest.approx(factor, rel=0.02)
    assert values["depth_2_order_1_width_exponent"] == pytest.approx(0.5, abs=0.02)
    assert (values["depth_2_order_1_units_layer_1"], values["depth_2_order_1_units_layer_2"]) == (36, 8)
    assert values["depth_2_wide_loss_at_largest_width"] == pytest.approx(1 / 256)


def test_units_needed_are_interpolated_between_orders_at_the_largest_width():
    rows = [
        {"seed": seed, "width": width, "depth": 2, "order": order, "arm": "compressed", "units": units, "distance": far}
        for seed in range(4)
        for width, scale in ((64, 9.0), (128, 1.0))
        for order, units, far in ((1, "36 8", scale), (2, "144 32", 0.25 * scale))
    ]
    found = layers.needed(pl.DataFrame(rows), 2, 0.5, 50)
    values = [found[f"depth_2_needed_units_layer_{i}"]["value"] for i in (1, 2)]
    assert values == pytest.approx([72, 16])  # distance ~ 1 / units: half the distance at twice the units
    assert layers.needed(pl.DataFrame(rows), 2, 0.1, 50) == {} == layers.needed(pl.DataFrame(rows), 1, 0.5, 50)
