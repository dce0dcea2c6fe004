"""Moment spaces: which polynomials of the objects a coreset must reproduce, and their values on a box.

A moment space is a finite, downward closed set of multi-indices e, each standing for the monomial
w_1^e_1 ... w_m^e_m (arXiv 2510.00504, the moments p_k(w) of the Tchakaloff step). Because the set is downward closed,
the same space is spanned by products of Chebyshev polynomials T_e1(t_1) ... T_em(t_m) in coordinates t that map any
box to [-1, 1]^m, and those keep all digits at degrees where raw monomials have lost them.
"""

import itertools
import math
from dataclasses import dataclass, field
from functools import lru_cache

import jax.numpy as jnp
import numpy as np


@dataclass(frozen=True)
class MomentSpace:
    """A downward closed set of monomials in `dimension` coordinates; hashable, so it can be a jit static.

    exponents: tuple of N tuples of `dimension` degrees, the constant first.
    inputs: the leading coordinates in which cells are cut (labels, which enter with low degree, are not cut).
    order: the degree k reported on a coreset; every polynomial of total degree <= order in the inputs is in the space.
    name: how the space prints.
    """

    exponents: tuple[tuple[int, ...], ...] = field(repr=False)
    inputs: int
    order: int
    name: str

    @property
    def dimension(self) -> int:
        """Number of coordinates m of an object."""
        return len(self.exponents[0])

    @property
    def size(self) -> int:
        """Number N of polynomials: the most objects one cell needs (Tchakaloff)."""
        return len(self.exponents)

    def __str__(self) -> str:
        return f"{self.name}: {self.size} polynomials in {self.dimension} coordinates"

    @classmethod
    def total_degree(cls, dimension: int, order: int) -> "MomentSpace":
        """All polynomials of total degree <= order in `dimension` coordinates, N = C(dimension + order, order).

        Raises ValueError unless dimension >= 1 and order >= 0 are whole numbers.
        """
        return _total_degree(_whole("dimension", dimension, 1), _whole("order", order, 0))

    @classmethod
    def squared_loss(cls, inputs: int, labels: int = 1, *, order: int, label_order: int | None = None) -> "MomentSpace":
        """What the mean of (f(x) - y)^2 = |f|^2 - 2 f.y + |y|^2 needs, for objects (x, y): P_q(x) + y_a P_r(x) + y_a^2.

        q = order, r = label_order (default max(q - 2, 0)); N = N_{inputs,q} + labels N_{inputs,r} + labels.
        Cells are cut in x only. Raises ValueError unless inputs, labels, order >= 1 and 0 <= label_order <= order.
        """
        inputs, labels = _whole("inputs", inputs, 1), _whole("labels", labels, 1)
        order = _whole("order", order, 1)
        label_order = max(order - 2, 0) if label_order is None else _whole("label_order", label_order, 0)
        if label_order > order:
            raise ValueError(f"label_order must be at most order={order}, got {label_order}")
        return _squared_loss(inputs, labels, order, label_order)

    @classmethod
    def anisotropic(cls, degrees) -> "MomentSpace":
        """Monomials with sum_j e_j / degrees_j <= 1: coordinate j alone enters up to degrees_j.

        For coordinates of very different scale or importance. `order` is the smallest of the degrees. Raises
        ValueError unless degrees are whole numbers >= 1, one for each coordinate.
        """
        degrees = tuple(_whole("degrees", k, 1) for k in degrees)
        if not degrees:
            raise ValueError("degrees must name at least one coordinate, got none")
        return _anisotropic(degrees)

    @classmethod
    def per_class(cls, inputs: int, classes: int, *, order: int) -> "MomentSpace":
        """P_k(x) separately for each of finitely many labels, for objects (x, y), y one of `classes` values.

        On so many values the indicators of the classes are the polynomials in y of degree < classes, so the space is
        P_k(x) times those: N = classes C(inputs + k, k). Cells are cut in x only. Raises ValueError on arguments < 1.
        """
        inputs, classes = _whole("inputs", inputs, 1), _whole("classes", classes, 1)
        return _per_class(inputs, classes, _whole("order", order, 1))

    @classmethod
    def union(cls, *spaces: "MomentSpace") -> "MomentSpace":
        """All polynomials of several spaces over the same coordinates; order and cells are those of the first.

        Raises ValueError on no space, or spaces that differ in their number of coordinates.
        """
        if not spaces or len({s.dimension for s in spaces}) > 1:
            raise ValueError(f"union needs spaces of the same coordinates, got {[s.dimension for s in spaces]}")
        exponents = tuple(dict.fromkeys(e for s in spaces for e in s.exponents))
        return cls(exponents, spaces[0].inputs, spaces[0].order, " + ".join(s.name for s in spaces))

    def richer(self) -> "MomentSpace | None":
        """The next larger space of the same family, one degree up, or None where the family has no order to raise."""
        return _richer(self)

    def features(self, points, lower, upper):
        """Chebyshev products on the box [lower, upper]: points (..., n, m), box (..., m) -> (..., n, N) JAX array.

        A coordinate of zero extent is mapped to 0. Entries lie in [-1, 1] for points inside the box.
        """
        points, lower, upper = jnp.asarray(points), jnp.asarray(lower), jnp.asarray(upper)
        rows = self.rows(jnp.swapaxes(points, -1, -2), lower, upper)
        return jnp.swapaxes(rows, -1, -2)

    def rows(self, coordinates, lower, upper, xp=jnp):
        """The same, one polynomial a row: coordinates (..., m, n), box (..., m) -> (..., N, n); xp is jnp or np."""
        heads, table = self.factors(coordinates, lower, upper, xp)
        products = [heads[..., :count, :] * last[..., None, :] for count, last in zip(self.counts, table, strict=True)]
        return xp.concatenate(products, axis=-2)[..., self.places, :]

    def factors(self, coordinates, lower, upper, xp=jnp):
        """The rows unmultiplied: products over all coordinates but the last (..., H, n), and T_0, T_1, ... of the last.

        T_b, a list of arrays (..., n), belongs with the first `counts[b]` of the heads; polynomial i of the space is
        number `places[i]` of the products with T_0, then those with T_1, and so on.
        """
        extent = (upper - lower)[..., None]
        inside = (coordinates - lower[..., None]) - (upper[..., None] - coordinates)  # exact far from the origin too
        t = xp.where(extent > 0, inside / xp.where(extent > 0, extent, 1.0), 0.0)
        heads = xp.ones_like(t[..., :1, :])
        *steps, last = _plan(self)[0]
        for j, (order, counts) in enumerate(steps):
            table, heads = _chebyshev(t[..., j, :], len(counts) - 1, xp), heads[..., order, :]
            pairs = zip(counts, table, strict=True)
            heads = xp.concatenate([heads[..., :count, :] * row[..., None, :] for count, row in pairs], axis=-2)
        return heads[..., last[0], :], _chebyshev(t[..., -1, :], len(last[1]) - 1, xp)

    @property
    def counts(self) -> tuple[int, ...]:
        """How many heads go with T_0, T_1, ... of the last coordinate, see `factors`."""
        return _plan(self)[0][-1][1]

    @property
    def places(self) -> np.ndarray:
        """(N,) where each polynomial stands among the products of `factors`."""
        return _plan(self)[1]


def _chebyshev(t, degree: int, xp):
    """T_0..T_degree of t (..., n), a list, by the three-term recurrence."""
    table = [xp.ones_like(t), t]
    for _ in range(degree - 1):
        table.append(2.0 * t * table[-1] - table[-2])
    return table[: degree + 1]


@lru_cache(maxsize=256)
def _plan(space: MomentSpace) -> tuple[list[tuple[np.ndarray, tuple[int, ...]]], np.ndarray]:
    """How to build the products one coordinate at a time, each from one product before it.

    Per coordinate: an order of the products so far in which those with degree b in this coordinate come first, for any
    b (the space is downward closed), and how many those are. Also the place of every exponent in the last list.
    """
    steps, known = [], [()]
    for j in range(space.dimension):
        most = {}
        for e in space.exponents:
            most[e[:j]] = max(most.get(e[:j], 0), e[j])
        order = sorted(range(len(known)), key=lambda i, known=known, most=most: -most[known[i]])
        known = [known[i] for i in order]
        counts = tuple(sum(most[head] >= b for head in known) for b in range(max(most.values()) + 1))
        steps.append((np.array(order), counts))
        known = [(*head, b) for b, count in enumerate(counts) for head in known[:count]]
    number = {e: i for i, e in enumerate(known)}
    return steps, np.array([number[e] for e in space.exponents])


def _indices(dimension: int, order: int) -> list[tuple[int, ...]]:
    """Multi-indices of total degree <= order, sorted by degree: cutting the list keeps lower degrees."""
    if dimension == 1:
        return [(k,) for k in range(order + 1)]
    found = []
    for degree in range(order + 1):
        for bars in itertools.combinations(range(degree + dimension - 1), dimension - 1):
            edges = (-1, *bars, degree + dimension - 1)
            found.append(tuple(edges[i + 1] - edges[i] - 1 for i in range(dimension)))
    return found


@lru_cache(maxsize=256)
def _total_degree(dimension: int, order: int) -> MomentSpace:
    return MomentSpace(tuple(_indices(dimension, order)), dimension, order, f"total degree <= {order}")


@lru_cache(maxsize=256)
def _squared_loss(inputs: int, labels: int, order: int, label_order: int) -> MomentSpace:
    unit = [tuple(int(a == b) for b in range(labels)) for a in range(labels)]
    exponents = [e + (0,) * labels for e in _indices(inputs, order)]
    exponents += [e + u for u in unit for e in _indices(inputs, label_order)]
    exponents += [(0,) * inputs + tuple(2 * v for v in u) for u in unit]
    name = f"squared loss, inputs {inputs} to degree {order}, labels {labels} times degree {label_order}"
    return MomentSpace(tuple(exponents), inputs, order, name)


@lru_cache(maxsize=256)
def _anisotropic(degrees: tuple[int, ...]) -> MomentSpace:
    common = math.lcm(*degrees)
    exponents = tuple(
        e
        for e in itertools.product(*(range(k + 1) for k in degrees))
        if sum(a * (common // k) for a, k in zip(e, degrees, strict=True)) <= common
    )
    return MomentSpace(exponents, len(degrees), min(degrees), f"degrees {degrees}")


@lru_cache(maxsize=256)
def _per_class(inputs: int, classes: int, order: int) -> MomentSpace:
    exponents = tuple((*e, c) for c in range(classes) for e in _indices(inputs, order))
    return MomentSpace(exponents, inputs, order, f"total degree <= {order} in each of {classes} classes")


def _richer(space):
    if space == _total_degree(space.dimension, space.order):
        return _total_degree(space.dimension, space.order + 1)
    if space.name.startswith("squared loss") and " + " not in space.name:
        labels = space.dimension - space.inputs
        label_order = max(sum(e[: space.inputs]) for e in space.exponents if sum(e[space.inputs :]) == 1)
        return _squared_loss(space.inputs, labels, space.order + 1, label_order + 1)
    return None


def polynomials(dimension: int, order: int) -> int:
    """N = C(dimension + order, order), the number of polynomials of total degree <= order."""
    return math.comb(dimension + order, order)


def _whole(name: str, value, least: int) -> int:
    """The value as an int, or a ValueError that names the argument."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name} must be a whole number >= {least}, got {value!r}")
    return int(value)
