"""Compress every hidden layer of a deep network, the last one first.

Of a unit in layer l its output as a function of the network's input matters, and its weights to the units of layer
l + 1. The former depends on a few numbers, the leading principal components t of its pre-activation over some inputs
(three are all there is in the first layer of two inputs: W and b in other coordinates). The latter are as many numbers
as layer l + 1 has units, o_1, ..., o_p, and the network is a symmetric function of the units through the sums
sum_i c_i o_ij s(z_i). So the moments kept are P_k(t) (1, o_1, ..., o_p), N_k (1 + p) of them with N_k = C(r + k, k),
and as many units survive: with every layer compressed to the same order, d'_l = N_k (1 + d'_{l+1}), and one output.
"""

from typing import Any

import numpy as np

from scaling.moments import MomentSpace, polynomials
from scaling.networks import ACTIVATIONS, MLP
from scaling.recombination import recombine
from scaling.units import select_units


def sizes(depth: int, order: int, components: int, width: int | None = None) -> tuple[int, ...]:
    """Units that survive in each of `depth` hidden layers, first to last; of layers of that width, if it is given."""
    found: list[int] = []
    for _ in range(depth):
        size = polynomials(components, order) * (1 + (found[-1] if found else 1))
        found.append(size if width is None else min(size, width))
    return tuple(found[::-1])


def compress_deep(
    network: MLP, params: Any, inputs: np.ndarray, order: int, components: int
) -> tuple[Any, list[np.ndarray]]:
    """The network with every hidden layer compressed that has more units than moments.

    Args:
        network: its widths are those before the compression.
        params: tree of parameters, as its `init` returns it.
        inputs: (n, m), over which pre-activations are compared.
        order: k, degree in the principal components. components: r, how many of them.

    Returns parameters with the survivors, unchanged themselves, and the multiplicities of each hidden layer.

    Raises:
        ValueError: order or components is below 1.
    """
    for name, value in (("order", order), ("components", components)):
        if not value >= 1:
            raise ValueError(f"{name}={value}: accepted are whole numbers from 1")
    places = [coordinates(z, components) for z in preactivations(network, params, inputs)]
    multiplicities = [np.ones(width) for width in network.widths]
    for i, layer in reversed(list(enumerate(network.layers))):
        outgoing = np.asarray(params["params"][f"Dense_{i + 1}"]["kernel"], float)
        features = moments(places[i], outgoing, order)
        if features.shape[1] < len(features):
            weights = recombine(features, np.ones(len(features)))
            (kept,) = np.nonzero(weights)
            params, multiplicities[i] = select_units(params, layer, kept), weights[kept]
    return params, multiplicities


def preactivations(network: MLP, params: Any, inputs: np.ndarray) -> list[np.ndarray]:
    """z of each hidden layer at inputs (n, m): arrays (n, units), float64."""
    found, hidden = [], np.asarray(inputs, float)
    for i in range(len(network.widths)):
        dense = params["params"][f"Dense_{i}"]
        found.append(hidden @ np.asarray(dense["kernel"], float) + np.asarray(dense["bias"], float))
        hidden = np.asarray(ACTIVATIONS[network.activation](found[-1]), float)
    return found


def coordinates(preactivation: np.ndarray, components: int) -> np.ndarray:
    """Leading principal components of the units' pre-activations (n, units), scaled to [-1, 1]: (units, r)."""
    _, values, vectors = np.linalg.svd(preactivation, full_matrices=False)
    few = (values[:components, None] * vectors[:components]).T
    return few / np.abs(few).max(axis=0)


def moments(places: np.ndarray, outgoing: np.ndarray, order: int) -> np.ndarray:
    """P_k(t) (1, o_1, ..., o_p) of each unit: places (units, r), outgoing (units, p) -> (units, N_k (1 + p))."""
    r = places.shape[1]
    powers = MomentSpace.total_degree(r, order).rows(places.T, -np.ones(r), np.ones(r), np).T
    weights = np.column_stack([np.ones(len(outgoing)), outgoing / np.abs(outgoing).max()])
    return (powers[:, :, None] * weights[:, None, :]).reshape(len(places), -1)
