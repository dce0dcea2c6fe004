"""compress_regression: fewer samples for a squared loss, with labels that need not be those of the points.

sum_i c_i (f(x_i) - y_i)^2 sees the labels only through sum_i c_i y_i f(x_i) and sum_i c_i y_i^2. A subset must carry
the noise of its own labels d / d' times enlarged; where f is no polynomial, that noise does not cancel. Here the inputs
are compressed without the labels, and the labels of the survivors follow one polynomial h,

    sum_j c'_j h(x_j) p(x_j) = sum_i c_i y_i p(x_i)  for every polynomial p to degree R,

so whatever of the noise the survivors cannot resolve is left out instead of enlarged. On all points h is the
least-squares polynomial; R is the largest degree at which the survivors still measure the square of every polynomial
to within half (a Marcinkiewicz-Zygmund inequality), so that no label can grow large.

Every survivor is there twice, with labels h(x) + s and h(x) - s that keep sum_i c_i y_i^2. Exact gradients do not see
s, but without it mini-batches would be less noisy than those of all points, and a student that lives on this noise, as
with AdamW, would end elsewhere.
"""

from dataclasses import dataclass

import numpy as np

from scaling.backend import OneBlasThread
from scaling.checks import checked_points, positive
from scaling.coreset import TOLERANCE, compress
from scaling.correction import SHARE, weighted_gram
from scaling.moments import MomentSpace, polynomials
from scaling.order import largest_order
from scaling.totals import feature_matrix, moment_totals

MOST = 400  # polynomials that labels are matched to
LEAST_SQUARE = 0.5  # of the square of a polynomial over all points, what the survivors must measure of it
ROUNDING = 1e-12  # a smaller share of the labels' squares is rounding, not noise
SAMPLE = 1 << 14  # points on which squares over all points are estimated


@dataclass(frozen=True)
class RegressionCoreset:
    """Weighted samples for a squared loss.

    inputs: (n, m) float64, rows of the input, each twice in succession; indices: (n,) which ones. labels: (n,) or
    (n, L) float64, as given. weights: (n,) float64, > 0. order: degree k of the polynomials of x kept cell by cell.
    label_order: R, degree of the polynomials p whose sums with the labels agree. spread: () or (L,), the s by which the
    two labels of an input lie above and below h. residual: largest relative mismatch of a moment, that of Coreset and
    |sum c' h p - sum c y p| / (sum c y^2 sum c p^2)^(1/2). error: estimated error of the mean of a smooth function of
    x, as in Coreset.
    """

    inputs: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    indices: np.ndarray
    order: int
    label_order: int
    spread: np.ndarray
    residual: float
    error: float

    def __len__(self) -> int:
        return len(self.indices)


def least_size(dimension: int, order: int = 1) -> int:
    """The fewest samples that keep polynomials of so many inputs to this order k: two at each of C(m + k, k) points."""
    return 2 * polynomials(dimension, order)


@OneBlasThread()
def compress_regression(
    inputs, labels, size: int, *, order=None, weights=None, seed: int = 0, progress=None
) -> RegressionCoreset:
    """At most `size` samples on which a squared loss and its gradients are nearly those on all d.

    inputs: (d, m) finite. labels: (d,) or (d, L) finite. size: at least 2 (m + 1); size // 2 inputs are kept, each with
    two labels. order, weights, seed, progress: as in scaling.compress, which compresses the inputs; order None chooses.

    sum c f(x)^2 is kept as `compress` keeps any smooth mean, sum c y p(x) exactly for polynomials p to `label_order`,
    and sum c y^2 (unless the polynomial alone exceeds it): the squared-loss moments of arXiv 2510.00504 without its
    restriction to labels of the points. size // 2 >= d returns the input unchanged, each sample once.
    Raises ValueError where `compress` does, and on labels of the wrong shape or not finite; ArithmeticError if moments
    could not be kept to 1e-10.
    """
    inputs, charge = checked_points(inputs, weights, "inputs")
    labels, (d, m) = np.asarray(labels, np.float64), inputs.shape
    if labels.ndim not in (1, 2) or 0 in labels.shape or len(labels) != d:
        raise ValueError(f"labels must have shape ({d},) or ({d}, L) to match inputs, got {labels.shape}")
    if not np.isfinite(labels).all():
        raise ValueError("labels must be finite, got nan or inf")
    least = min(least_size(m, 1 if order is None else positive("order", order)), 2 * d)
    if positive("size", size) < least:
        raise ValueError(f"size must be at least {least} for two labels at each of {least // 2} inputs, got {size}")
    coreset = compress(inputs, size // 2, order=order, weights=charge, seed=seed, progress=progress)
    shape, columns = labels.shape[1:], labels.reshape(d, -1)
    if len(coreset) == d:
        samples = inputs, labels, charge, coreset.indices
        return RegressionCoreset(*samples, coreset.order, coreset.order, np.zeros(shape), 0.0, 0.0)
    fitted, label_order, residual = _fit(coreset, inputs, columns, charge, seed)
    squares = charge @ columns**2
    missing = squares - coreset.weights @ fitted**2
    spread = np.sqrt(np.where(missing > ROUNDING * squares, missing, 0.0) / charge.sum())
    both = np.stack([fitted + spread, fitted - spread], axis=1).reshape(-1, *shape)
    twice = (np.repeat(part, 2, axis=0) for part in (coreset.weights / 2, coreset.indices))
    samples = np.repeat(coreset.points, 2, axis=0), both, *twice
    worst = max(residual, coreset.residual)
    return RegressionCoreset(*samples, coreset.order, label_order, spread.reshape(shape), worst, coreset.error)


def _fit(coreset, inputs, columns, charge, seed):
    """Values (n, L) of the polynomials h at the survivors, their degree R, and the largest relative mismatch left."""
    box = inputs.min(axis=0), inputs.max(axis=0)
    space, matrix, basis = _measured(coreset, inputs, charge, box, seed)
    values, mass = matrix @ basis, coreset.weights[:, None]
    gram = weighted_gram(values, coreset.weights)
    wanted = np.stack([moment_totals(inputs, charge * y, *box, space)[0] for y in columns.T], axis=1)
    fitted = np.zeros((len(coreset), columns.shape[1]))
    for _ in range(3):  # once, and again for the rounding
        fitted += values @ np.linalg.solve(gram, basis.T @ (wanted - matrix.T @ (mass * fitted)))
    missing = np.abs(basis.T @ (wanted - matrix.T @ (mass * fitted))).max(axis=0)
    norm = np.sqrt(charge @ columns**2)
    residual = float(np.max(missing / np.where(norm > 0, norm, 1.0)))
    if not residual <= TOLERANCE:
        raise ArithmeticError(f"labels left a relative moment mismatch of {residual:.1e}, accepted is {TOLERANCE:g}")
    return fitted, space.order, residual


def _measured(coreset, inputs, charge, box, seed):
    """The richest space whose squares the survivors measure, its features (n, M) at them, and a basis (M, K) of it.

    The basis is orthonormal on the points; polynomials that vanish on all of them, as where a coordinate is constant,
    are left out of it.
    """
    n, m = coreset.points.shape
    room = int(min(MOST, SHARE * n))
    most = largest_order(m, room) if room > m else 0
    top = MomentSpace.total_degree(m, most)
    alive = np.flatnonzero(charge)
    some = np.random.default_rng(seed).permutation(alive)[:SAMPLE]
    share = charge[some] * (charge.sum() / charge[some].sum())
    here, there = feature_matrix(coreset.points, *box, top), feature_matrix(inputs[some], *box, top)
    kept, all_points = weighted_gram(here, coreset.weights), weighted_gram(there, share)
    place = {e: i for i, e in enumerate(top.exponents)}

    def basis(order):
        """Columns of the polynomials to this degree and a basis of them; None if a square of one is not measured."""
        own = [place[e] for e in MomentSpace.total_degree(m, order).exponents]
        squares, vectors = np.linalg.eigh(all_points[np.ix_(own, own)])
        sound = squares > 1e-12 * squares[-1]
        vectors = vectors[:, sound] / np.sqrt(squares[sound])
        least = np.linalg.eigvalsh(vectors.T @ kept[np.ix_(own, own)] @ vectors)[0]
        return (own, vectors) if least >= LEAST_SQUARE or order == 0 else None

    found, low, high = basis(0), 0, most  # the richer the space, the smaller its least square
    while low < high:
        order = (low + high + 1) // 2
        if (richer := basis(order)) is None:
            high = order - 1
        else:
            found, low = richer, order
    own, vectors = found
    return MomentSpace.total_degree(m, low), here[:, own], vectors
