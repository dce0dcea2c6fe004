"""Units of a layer as objects: a network is a symmetric function of its neurons or heads (arXiv 2510.00504).

A `Layer` says where the units of a layer live in a tree of parameters. `to_objects` lays them out as the rows of a
matrix, which scaling.compress thins; the multiplicities that it returns travel beside the parameters, or are folded
into them.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from scaling.coreset import compress
from scaling.moments import MomentSpace

Leaf = tuple[tuple[str, ...], int]  # path of an array in the tree of parameters, and its axis that counts the units


class Layer(NamedTuple):
    """Where the units of one layer live.

    incoming: arrays from which the output of a unit is computed. outgoing: arrays that its output is multiplied with,
    linearly, so that a multiplicity can be folded into them.
    """

    incoming: tuple[Leaf, ...]
    outgoing: tuple[Leaf, ...]

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        """All arrays that hold a slice for each unit, incoming first."""
        return self.incoming + self.outgoing


def to_objects(params: Any, layer: Layer) -> np.ndarray:
    """The units of a layer as rows (d, m): each unit's slices of the layer's arrays, flattened, outgoing ones last."""
    flat = flatten_dict(params)
    slices = (np.moveaxis(np.asarray(flat[path]), axis, 0) for path, axis in layer.leaves)
    return np.concatenate([part.reshape(len(part), -1) for part in slices], axis=1)


def from_objects(params: Any, layer: Layer, objects: np.ndarray) -> Any:
    """The parameters with the units of a layer replaced by objects (d', m), laid out as `to_objects` does.

    Raises:
        ValueError: the objects have another number of coordinates than the layer's units.
    """
    flat, wanted = flatten_dict(params), to_objects(params, layer).shape[1]
    objects, start = np.asarray(objects), 0
    if objects.ndim != 2 or objects.shape[1] != wanted:
        raise ValueError(f"objects have shape {objects.shape}: accepted is (units, {wanted})")
    for path, axis in layer.leaves:
        shape = np.moveaxis(flat[path], axis, 0).shape[1:]
        columns = objects[:, start : start + int(np.prod(shape))]
        start += columns.shape[1]
        new = np.moveaxis(columns.reshape(len(objects), *shape), 0, axis)
        flat[path] = jnp.asarray(new, flat[path].dtype)
    return unflatten_dict(flat)


def select_units(params: Any, layer: Layer, indices: np.ndarray) -> Any:
    """The parameters with only those units of a layer, indices (d',)."""
    flat = flatten_dict(params)
    for path, axis in layer.leaves:
        flat[path] = jnp.take(flat[path], np.asarray(indices), axis=axis)
    return unflatten_dict(flat)


def compress_layer(
    params: Any,
    layer: Layer,
    size: int,
    *,
    multiplicities: np.ndarray | None = None,
    order: int | None = None,
    space: MomentSpace | None = None,
    seed: int = 0,
) -> tuple[Any, np.ndarray]:
    """Keep `size` units of a layer, with multiplicities under which the moments of all units are unchanged.

    Args:
        params: tree of parameters, as a module's `init` returns it.
        layer: which units, e.g. `network.layers[0]`.
        size: units to keep, d'.
        multiplicities: (d,) of the units so far; default ones.
        order, space, seed: as of scaling.compress; by default the order is chosen.

    Returns the parameters with the survivors, unchanged themselves, and their multiplicities (d',), which sum to the
    number of units before. Apply them with a module of the new width.

    Raises:
        ValueError: whatever scaling.compress refuses.
    """
    coreset = compress(to_objects(params, layer), size, weights=multiplicities, order=order, space=space, seed=seed)
    return select_units(params, layer, coreset.indices), coreset.weights


def fold(params: Any, layer: Layer, multiplicities: np.ndarray) -> Any:
    """Parameters of the plain network that computes the same: outgoing weights times multiplicities (d',)."""
    flat = flatten_dict(params)
    for path, axis in layer.outgoing:
        flat[path] = flat[path] * _along(multiplicities, axis, flat[path])
    return unflatten_dict(flat)


def occurrences(params: Any, layers: Sequence[Layer], multiplicities: Sequence[np.ndarray | None]) -> Any:
    """How often each parameter occurs in the wide network that a network with multiplicities stands for.

    A weight between unit i of one layer and unit j of the next occurs c_i c_j times, a bias of unit j c_j times, what
    belongs to no unit once. Returns a tree like the parameters; each leaf broadcasts to its parameter.

    layers: of the module. multiplicities: (units,) or None, for each layer.
    """
    flat = flatten_dict(params)
    counts = {path: jnp.ones((1,) * leaf.ndim, leaf.dtype) for path, leaf in flat.items()}
    for layer, weights in zip(layers, multiplicities, strict=True):
        for path, axis in layer.leaves if weights is not None else ():
            counts[path] = counts[path] * _along(weights, axis, flat[path])
    return unflatten_dict(counts)


def _along(weights, axis, leaf):
    """Weights (units,) shaped so that they multiply `leaf` along an axis, in its type."""
    shape = [1] * leaf.ndim
    shape[axis] = -1
    return jnp.asarray(weights, leaf.dtype).reshape(shape)
