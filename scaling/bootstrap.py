"""From runs to means over seeds in log space with their errors, and the one way this project makes intervals.

A seed draws its own teacher, data and initialisation, so its losses at all sizes move up and down together:
    log loss[s, j] = mu[j] + u[s] + e[s, j],   Var u = tau^2,   Var e[:, j] = D[j].
Every scaling law is closed under multiplication by a constant, so u shifts a whole curve and never bends it: the
exponent, the choice between laws and the weights of a fit depend on D alone, and D is what is estimated. A plain mean
over whichever seeds are present would mix u into the shape where seeds are missing; the mixed model's mean does not,
and with no seed missing the two are the same number.
"""

from typing import NamedTuple

import numpy as np
from scipy import special

PRIOR = 30  # degrees of freedom with which the trend over all sizes pulls on the variance of each single size


class SizeMeans(NamedTuple):
    """Means over seeds of the log losses, for each size and bootstrap draw; nan where no seed is present."""

    mean: np.ndarray  # (sizes,) log of the geometric mean
    error: np.ndarray | None  # (sizes,) its standard error without the common shift; None: the seeds cannot tell
    draws: np.ndarray  # (draws, sizes) the same mean over resampled seeds


class Observed(NamedTuple):
    """What a fit sees of the data: sizes in ascending order, those without any run left out."""

    size: np.ndarray  # (sizes,)
    log: np.ndarray  # (sizes,) log of the geometric mean
    error: np.ndarray | None  # (sizes,) its standard error, None if unknown
    draws: np.ndarray | None  # (B, sizes) the same over resampled seeds, or
    noise: np.ndarray | None  # (B, sizes) standard normal, where there are no seeds to resample
    seeds: int | None
    trouble: str  # "" or the status of every fit to these data


def bootstrap_indices(seeds: int, draws: int = 1000, seed: int = 0) -> np.ndarray:
    """Which seeds each bootstrap draw takes: (draws, seeds) integers in [0, seeds).

    They depend on `seed` and on the number of seeds only, so two statistics of the same seeds are paired draw by draw;
    asking for more draws does not change the first ones. Raises ValueError unless seeds >= 1, draws >= 0, seed >= 0.
    """
    for name, value, least in (("seeds", seeds, 1), ("draws", draws, 0), ("seed", seed, 0)):
        if isinstance(value, bool) or not (isinstance(value, int | np.integer) and value >= least):
            raise ValueError(f"{name}={value!r}: a whole number, at least {least}, is accepted")
    return np.random.default_rng([seed, seeds]).integers(0, seeds, (draws, seeds))


def interval(draws, estimate, seeds: int | None, *, level: float = 0.95, log: bool = False, bounds=(-np.inf, np.inf)):
    """Interval (lo, hi) of any statistic from its bootstrap draws over seeds, corrected for few seeds.

    draws: (B, ...) the statistic in each draw; estimate: (...) its value on all seeds; seeds: how many were resampled
    (None: the draws already have the right spread). Resampling n seeds gives a spread too small by sqrt((n - 1) / n),
    and a normal quantile ignores that the spread is itself an estimate, so the distances from the estimate to the
    percentiles of the draws are multiplied by sqrt(n / (n - 1)) t_{n-1} / z (1.58 for 5 seeds, 1.10 for 20).
    log: measure distances between logarithms, for a positive quantity such as a ratio. bounds: the range it can have.
    lo and hi are floats, or arrays (...). They are nan for a single seed, for fewer than 20 draws, and where more than
    a tenth of the draws are not finite. Raises ValueError for other shapes, level outside (0, 1), seeds < 1.
    """
    draws, estimate = np.asarray(draws, float), np.asarray(estimate, float)
    if draws.ndim == 0 or draws.shape[1:] != estimate.shape:
        raise ValueError(f"draws has shape {draws.shape}: (draws, *shape of estimate {estimate.shape}) is accepted")
    if not 0 < level < 1:
        raise ValueError(f"level={level!r}: a number in (0, 1) is accepted")
    if seeds is not None and not seeds >= 1:
        raise ValueError(f"seeds={seeds!r}: None or a whole number, at least 1, is accepted")
    if len(draws) < 20 or seeds == 1:
        low = high = np.full(estimate.shape, np.nan)
    else:
        tail, factor = (1 + level) / 2, 1.0
        if seeds is not None:
            factor = np.sqrt(seeds / (seeds - 1)) * special.stdtrit(seeds - 1, tail) / special.ndtri(tail)
        with np.errstate(all="ignore"):
            values, centre = (np.log(draws), np.log(estimate)) if log else (draws, estimate)
            finite = np.isfinite(values)
            usable = (finite.mean(axis=0) >= 0.9) & np.isfinite(centre)
            values = np.where(usable, np.where(finite, values, np.nan), 0.0)
            low, high = np.nanquantile(values, [1 - tail, tail], axis=0)
            low = centre - factor * np.maximum(centre - low, 0)
            high = centre + factor * np.maximum(high - centre, 0)
            low, high = (np.exp(low), np.exp(high)) if log else (low, high)
        low, high = (np.where(usable, np.clip(end, *bounds), np.nan) for end in (low, high))
    return (float(low), float(high)) if estimate.ndim == 0 else (low, high)


def _numbers(name: str, value) -> np.ndarray:
    try:
        return np.asarray(value, float)
    except (TypeError, ValueError):
        raise ValueError(f"{name} of type {type(value).__name__}: an array of real numbers is accepted") from None


def observe(size, loss, error, draws: int, seed: int, *, least: float = 0.0) -> Observed:
    """Check the data, take means over seeds and resample them. Raises ValueError for shapes, sizes <= least."""
    size, loss = _numbers("size", size), _numbers("loss", loss)
    if size.ndim != 1 or not len(size):
        raise ValueError(f"size has shape {size.shape}: one axis of at least one size is accepted")
    wrong = ~((size > least) & np.isfinite(size))
    if np.any(wrong):
        raise ValueError(f"size={size[wrong][0]:g}: finite numbers above {least:g} are accepted")
    if loss.ndim not in (1, 2) or loss.shape[-1] != len(size) or not len(loss):
        raise ValueError(
            f"loss has shape {loss.shape}: (seeds, {len(size)}) or ({len(size)},) is accepted, as size has"
        )
    if error is not None:
        error = _numbers("error", error)
        if loss.ndim == 2 or error.shape != loss.shape:
            raise ValueError(f"error has shape {error.shape} and loss {loss.shape}: error belongs to loss of one axis")
        wrong = ~((error > 0) & np.isfinite(error)) & ~np.isnan(loss)
        if np.any(wrong):
            raise ValueError(f"error={error[wrong][0]:g}: finite numbers above 0 are accepted")
    bootstrap_indices(1, draws, seed)  # for its complaints about draws and seed
    table = np.atleast_2d(loss)
    keep = np.argsort(size, kind="stable")
    keep = keep[~np.all(np.isnan(table), axis=0)[keep]]
    size, table, error = size[keep], table[:, keep], None if error is None else error[keep]
    seeds = None if loss.ndim == 1 else int(np.sum(np.any(~np.isnan(loss), axis=1)))
    given = table[~np.isnan(table)]
    if not len(given) or not np.all((given > 0) & np.isfinite(given)):
        empty = np.full(len(size), np.nan)
        return Observed(size, empty, None, None, None, seeds, "not finite")
    if seeds is not None and seeds > 1:
        means = size_means(np.log(size), np.log(table), draws, seed)
        return Observed(size, means.mean, means.error, means.draws, None, seeds, "")
    noise = np.random.default_rng([seed, 0]).standard_normal((draws, len(size)))
    error = None if error is None else error / table[0]
    return Observed(size, np.log(table[0]), error, None, noise, seeds, "")


def size_means(position: np.ndarray, logs: np.ndarray, draws: int = 0, seed: int = 0) -> SizeMeans:
    """Means over seeds of log losses (seeds, sizes), nan where one is missing, with errors and bootstrap draws.

    position: (sizes,) log sizes. The variance of each size is pulled towards a trend in log size through all of them,
    as if that came with PRIOR = 30 degrees of freedom. Weights from each size's own spread favour whichever size looks
    quiet by chance, and the fit then looks more certain than it is: with 5 seeds and 12 sizes the bootstrap spread of a
    power law's exponent came out 10% too small with PRIOR = 8 and no trend, 6% as it is here, 1% with equal weights,
    which in turn waste a fifth of the precision where the noise changes with size, as it does in trained networks.
    """
    seeds, sizes = logs.shape
    indices = bootstrap_indices(seeds, draws, seed)
    counts = np.zeros((1 + draws, seeds))  # how often each seed is taken; the first row is the sample itself
    counts[0] = 1
    np.add.at(counts, (np.arange(1, 1 + draws)[:, None], indices), 1)
    present = np.isfinite(logs)
    number = present.sum(axis=0)
    # the spread: additive residuals, whose own degrees of freedom are fewer by the shifts u that were taken out
    mean = _mixed_means(logs, counts[:1], ratio=1e-3)[0]
    centred = np.where(present, logs - mean, 0.0)
    row = present.sum(axis=1)
    shift = centred.sum(axis=1) / np.maximum(row, 1)
    residual = np.where(present, centred - shift[:, None], 0.0)
    freedom = number.sum() - (number > 0).sum() - (row > 0).sum() + 1
    pooled = float(np.sum(residual**2) / freedom) if freedom > 0 else np.nan
    if present.all():
        ratio = np.inf
    else:  # residual variance against the variance of the shifts: what decides how much a missing seed matters
        spread = np.var(shift[row > 0], ddof=1) - pooled * np.mean(1 / row[row > 0]) if (row > 0).sum() > 1 else 0.0
        ratio = pooled / spread if spread > 1e-6 * pooled else np.inf
    means = _mixed_means(logs, counts, ratio)
    if not pooled > 1e-24:
        return SizeMeans(means[0], None, means[1:])
    own = np.sum(residual**2, axis=0) / np.maximum(number - 1, 1)
    own = (own - pooled / sizes) / (1 - 2 / sizes) if sizes > 3 else np.full(sizes, pooled)
    own = np.maximum(own, 0.1 * pooled)
    variance = (PRIOR * _trend(position, own, number - 1, pooled) + (number - 1) * own) / (PRIOR + number - 1)
    error = np.sqrt(variance / np.maximum(number, 1))
    return SizeMeans(means[0], np.where(number > 0, error, np.nan), means[1:])


def _trend(position: np.ndarray, own: np.ndarray, freedom: np.ndarray, pooled: float) -> np.ndarray:
    """Variances (sizes,) on a straight line of log variance against log size, its slope shrunk by its own noise."""
    known = freedom >= 2
    if known.sum() < 5:
        return np.full(len(own), pooled)
    x = (position - position[known].mean()) / position[known].std()
    slope = np.mean(x[known] * np.log(own[known]))
    noise = np.mean(special.polygamma(1, freedom[known] / 2)) / known.sum()
    line = np.exp(x * slope * max(0.0, 1 - noise / max(slope**2, 1e-12)))
    return line * np.mean(own[known] / line[known])


def _mixed_means(logs: np.ndarray, counts: np.ndarray, ratio: float) -> np.ndarray:
    """Size effects mu (draws, sizes) of the mixed model for seeds taken `counts` (draws, seeds) times; nan if unseen.

    ratio = D / tau^2: 0 takes each seed's shift out entirely, infinity gives plain means over the seeds present.
    """
    present = np.isfinite(logs).astype(float)
    values = np.where(present > 0, logs, 0.0)
    number = counts @ present
    if np.isinf(ratio) or present.all():
        with np.errstate(invalid="ignore"):
            return np.where(number > 0, counts @ values / number, np.nan)
    share = present / (present.sum(axis=1, keepdims=True) + ratio)
    sizes = logs.shape[1]
    matrix = -(counts @ (present[:, :, None] * share[:, None, :]).reshape(len(logs), -1)).reshape(-1, sizes, sizes)
    matrix[:, range(sizes), range(sizes)] += np.where(number > 0, number, 1.0)
    right = counts @ (values - share * values.sum(axis=1, keepdims=True))
    means = np.linalg.solve(matrix, right[:, :, None])[:, :, 0]
    return np.where(number > 0, means, np.nan)
