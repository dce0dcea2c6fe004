"""Objects of a symmetric function compressed at an order: what the experiments on the theorems share."""

from typing import Any

import numpy as np

from scaling import MomentSpace, compress
from scaling.moments import polynomials
from scaling.passes import PAIRS, empty

COLUMNS = {
    "m": "dimension of an object",
    "order": "k, degree of the moments kept cell by cell; empty where compress chooses it",
    "size": "d, objects",
    "kept": "d', objects asked for",
    "seed": "trial; probes and objects are drawn from seed m + d + trial, as published",
    "revision": "of the code that measures",
    "error": "|f(compressed) - f(all)|",
    "used": "order k in use",
}


def compressed(
    arm: str, objects: np.ndarray, kept: int, order: int | None, pairs: float = PAIRS
) -> tuple[np.ndarray, np.ndarray, int]:
    """Indices (n,) of the survivors of objects (d, m), their weights (n,), and the order in use.

    arm: `cells` keeps moments to degree `order` in compact cells and nothing else; any other is scaling.compress, which
    chooses the order where it is None. pairs: up to how many of a centre and a point `cells` are balls; beyond, boxes.
    """
    if arm == "cells":
        space = MomentSpace.total_degree(objects.shape[1], order)
        chosen, weights, _ = empty(objects, np.ones(len(objects)), kept, space, pairs=pairs)
        return chosen, weights, order
    coreset = compress(objects, kept, order=order)
    return coreset.indices, coreset.weights, coreset.order


def cost(size: int, rank: int) -> float:
    """Relative cost of compressing d = size objects with `rank` moments, from timings of the compressor."""
    return (size + 2000) * (1 + rank / 60)


def label(identity: dict[str, Any]) -> str:
    """A point in a few words, for progress lines."""
    order = "" if identity["order"] is None else f", k = {identity['order']}"
    return f"{identity['arm']}, m = {identity['m']}{order}, {identity['size']} -> {identity['kept']}"


def work(identity: dict[str, Any]) -> float:
    """Relative cost of a point."""
    order = identity["order"]
    whole = cost(identity["size"], 300 if order is None else polynomials(identity["m"], order))
    return whole * (8 if identity["m"] == 1 and identity["arm"] != "cells" else 1)
