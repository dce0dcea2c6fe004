"""Adjust the survivors' weights: the moments of the whole set agree to a higher degree and to the last digit.

The survivors keep their places. Among all weights that reproduce the wanted moments, the change delta is the one with
the smallest sum delta_i^2 / c_i: with features A (n, M) it is c A^T (A c A^T)^-1 (wanted - had). Survivors that already
match every cell need changes of a few per cent, so weights stay positive; a degree that asks for more is given up.
"""

import numpy as np

from scaling.moments import MomentSpace
from scaling.totals import feature_matrix, moment_totals

LARGEST_CHANGE = 0.5  # no weight may change by more than this fraction
CLOSE = 1e-14  # what may be left of a moment, in units of the mass
SHARE = 0.35  # moments per survivor, at most


def correct(kept_points, kept_weights, reference, wanted, box, space, most=400) -> tuple[np.ndarray, MomentSpace]:
    """Weights (n,) of the survivors with the wanted moments (N,) and, to a higher degree, those of the reference.

    reference: points (r, m) and weights (r,) whose moments in the space are the wanted ones; box: (low, high).
    Tries the richest space of the family of `space` with at most `most` and SHARE n polynomials, then smaller ones,
    then `space` itself; the weights come back unchanged where even that would move one of them too far.
    Returns the weights and the space that agrees.
    """
    ladder = _ladder(space, min(most, SHARE * len(kept_weights)))
    index = {e: i for i, e in enumerate(ladder[0].exponents)}
    target = wanted.copy() if len(ladder) == 1 else moment_totals(*reference, *box, ladder[0])[0].copy()
    target[[index[e] for e in space.exponents]] = wanted
    matrix = feature_matrix(kept_points, *box, ladder[0])
    for candidate in ladder:
        columns = [index[e] for e in candidate.exponents]
        new = _nearest(matrix[:, columns], kept_weights, target[columns])
        if new is not None:
            return new, candidate
    return kept_weights, space


def _ladder(space, most):
    """Spaces of the same family from the richest with at most `most` polynomials down to `space`."""
    ladder = [space]
    while (richer := ladder[-1].richer()) is not None and richer.size <= most:
        ladder.append(richer)
    return ladder[::-1]


def _nearest(matrix, weights, wanted):
    """The nearest weights with the wanted moments, or None where one of them would change too much."""
    new = weights
    gram = matrix.T @ (weights[:, None] * matrix)
    values, vectors = np.linalg.eigh(gram)
    sound = values > 1e-13 * values[-1]
    vectors, values = vectors[:, sound], values[sound]
    for _ in range(4):
        missing = wanted - new @ matrix
        new = new + weights * (matrix @ (vectors @ ((vectors.T @ missing) / values)))
    if not (np.abs(new - weights) <= LARGEST_CHANGE * weights).all():
        return None
    return new if np.abs(wanted - new @ matrix).max() <= CLOSE * weights.sum() else None
