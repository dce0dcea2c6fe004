"""Adjust the survivors' weights: the moments of the whole set agree to a higher degree and to the last digit.

The survivors keep their places. Among all weights that reproduce the wanted moments, the change delta is the one with
the smallest sum delta_i^2 / c_i: with features A (n, M) it is c A^T (A c A^T)^-1 (wanted - had). Survivors that already
match every cell need changes of a few per cent, so weights stay positive; a degree that asks for more is given up.
"""

import numpy as np

from scaling.backend import share_out
from scaling.moments import MomentSpace
from scaling.totals import feature_matrix, moment_totals

LARGEST_CHANGE = 0.5  # no weight may change by more than this fraction
CLOSE = 1e-14  # what may be left of a moment, in units of the mass
SHARE = 0.35  # moments per survivor, at most
ROWS = 1 << 12  # survivors whose features a thread multiplies at once


def correct(kept_points, kept_weights, reference, wanted, box, space, most=400) -> tuple[np.ndarray, MomentSpace]:
    """Weights (n,) of the survivors with the wanted moments (N,) and, to a higher degree, those of the reference.

    reference: points (r, m) and weights (r,) whose moments in the space are the wanted ones; box: (low, high).
    Looks by bisection for the richest space of the family of `space`, with at most `most` and SHARE n polynomials,
    that works; the weights come back unchanged where even `space` itself would move one of them too far.
    Returns the weights and the space that agrees.
    """
    ladder = _ladder(space, min(most, SHARE * len(kept_weights)))
    index = {e: i for i, e in enumerate(ladder[-1].exponents)}
    target = wanted.copy() if len(ladder) == 1 else moment_totals(*reference, *box, ladder[-1])[0].copy()
    target[[index[e] for e in space.exponents]] = wanted
    matrix = feature_matrix(kept_points, *box, ladder[-1])
    squares = weighted_gram(matrix, kept_weights)
    found, low, high, rung = None, 0, len(ladder), len(ladder) - 1
    while low < high:
        columns = [index[e] for e in ladder[rung].exponents]
        if columns == list(range(len(columns))):
            columns = slice(len(columns))  # needs no copy
        solve = _solver(squares[columns][:, columns])
        new = _nearest(matrix[:, columns], solve, kept_weights, target[columns])
        if new is not None:
            found, low = (new, solve, columns, ladder[rung]), rung + 1
        else:
            high = rung
        rung = (low + high) // 2
    if found is None:
        return kept_weights, space
    new, solve, columns, agreed = found
    left = target - moment_totals(kept_points, new, *box, ladder[-1])[0]  # without the rounding of a plain sum
    return new + kept_weights * (matrix[:, columns] @ solve(left[columns])), agreed


def _ladder(space, most):
    """Spaces of the same family from `space` up to the richest with at most `most` polynomials."""
    ladder = [space]
    while (richer := ladder[-1].richer()) is not None and richer.size <= most:
        ladder.append(richer)
    return ladder


def weighted_gram(matrix, weights) -> np.ndarray:
    """sum_i c_i a_i a_i^T (M, M) for features (n, M) and weights (n,) >= 0, the rows shared out among threads."""

    def part(begin):
        rows = matrix[begin : begin + ROWS] * np.sqrt(weights[begin : begin + ROWS, None])
        return rows.T @ rows

    return sum(share_out(part, range(0, len(matrix), ROWS)))


def _solver(squares):
    """The function of missing moments (M,) that solves squares (M, M) x = missing where that is well determined."""
    values, vectors = np.linalg.eigh(squares)
    sound = values > 1e-13 * values[-1]
    vectors, values = vectors[:, sound], values[sound]
    return lambda missing: vectors @ ((vectors.T @ missing) / values)


def _nearest(matrix, solve, weights, wanted):
    """The nearest weights with the wanted moments, or None where one of them would change too much."""
    new = weights
    for _ in range(5):
        missing = wanted - new @ matrix
        if np.abs(missing).max() <= CLOSE * weights.sum():
            return new
        new = new + weights * (matrix @ solve(missing))
        if not (np.abs(new - weights) <= LARGEST_CHANGE * weights).all():
            return None
    return None
