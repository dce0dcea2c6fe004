"""The scaling laws as curves in log space, and the solver that fits many data sets at once.

Every law is  log f = offset + h(beta, shape)  with h = 0 at the smallest size:
    plain laws    h = beta t,                            t falls from 0 at the smallest size to -1 at the largest,
    with a floor  h = log((1 - phi) exp(beta t) + phi),  phi = the floor's part of the loss at the smallest size.
In these coordinates the offset is linear, beta is the log drop of the decaying part over the measured range, and a law
that degenerates (floor -> 0, exponent -> 0) does so at an ordinary boundary point instead of at infinity.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

TAILS = 8.0  # degrees of freedom of the Student-t errors: near Gaussian in the middle, an outlier's pull is bounded
RESOLUTION = 1e-8  # log-space scatter below which a curve counts as exact
FREE_POWERS = (0.01, 3.0)  # range of the free exponent; the lower end is a power law to all intents
DROPS = (0.0, 300.0)  # range of beta beside a floor: more would overflow, and is a floor from the second size on
FLOORS = (0.0, 1 - 1e-9)


@dataclass(frozen=True)
class Curve:
    """A law's form: what t is made of, and whether it has a floor or a free exponent."""

    law: str
    formula: str
    names: tuple[str, ...]
    kind: str  # "power", "stretched" or "log"
    floor: bool = False
    free: bool = False

    @property
    def least_size(self) -> float:
        """Sizes must be above this: log(log n) needs n > 1."""
        return 1.0 if self.kind == "log" else 0.0

    def bounds(self) -> np.ndarray:
        """(unknowns, 2) the box of offset, beta and the shape."""
        rows = [(-np.inf, np.inf), DROPS if self.floor else (-np.inf, np.inf)]
        return np.array(rows + [FLOORS] * self.floor + [FREE_POWERS] * self.free)

    def abscissa(self, size: np.ndarray, power) -> np.ndarray:
        """The function of the size that log loss is linear in, increasing or decreasing: (..., sizes)."""
        if self.kind == "power":
            return -np.log(size)
        return -(size**power) if self.kind == "stretched" else np.log(np.log(size))

    def values(self, unknowns: np.ndarray, size: np.ndarray, span: tuple[float, float], power: float):
        """log f (B, sizes) and its derivatives (B, sizes, unknowns), with t scaled to the sizes in `span`."""
        offset, beta = unknowns[:, :1], unknowns[:, 1:2]
        power = unknowns[:, 2:3] if self.free else power
        first, last = (self.abscissa(np.array([end]), power) for end in span)
        t = (self.abscissa(size, power) - first) / (first - last)
        t = np.broadcast_to(t, (len(unknowns), len(size)))
        slopes = [np.ones_like(t), t]
        if self.floor:
            phi = unknowns[:, 2:3]
            with np.errstate(divide="ignore"):
                log = np.logaddexp(np.log1p(-phi) + beta * t, np.log(phi))
            slopes[1] = (1 - phi) * np.exp(beta * t - log) * t
            slopes.append(-np.expm1(beta * t) * np.exp(-log))
            return offset + log, np.stack(slopes, axis=2)
        if self.free:
            scale = span[1]
            x, low = np.log(size / scale), np.log(span[0] / scale)
            big, small = np.exp(power * x), np.exp(power * low)
            slopes.append(beta * ((1 - big) * small * low - big * x * (1 - small)) / (1 - small) ** 2)
        return offset + beta * t, np.stack(slopes, axis=2)

    def parameters(self, unknowns: np.ndarray, span: tuple[float, float], power: float) -> np.ndarray:
        """The law's parameters (B, names) in the reader's terms."""
        offset, beta = unknowns[:, 0], unknowns[:, 1]
        power = unknowns[:, 2] if self.free else power
        first, last = (self.abscissa(np.float64(end), power) for end in span)
        slope = beta / (first - last)
        phi = unknowns[:, 2] if self.floor else 0.0
        with np.errstate(all="ignore"):
            columns = [np.exp(offset - slope * first) * (1 - phi), slope]
            if self.floor:
                columns.append(phi * np.exp(offset))
        return np.stack(columns + ([unknowns[:, 2]] if self.free else []), axis=1)

    def starts(self, drop: float) -> np.ndarray:
        """(grid, unknowns) the points searched for every data set, offset 0; drop: the log drop that was seen."""
        beta = np.geomspace(0.05, 30, 25) if self.floor else np.linspace(-1.5, 1.5, 31)
        shape = [0.0]
        if self.floor:
            shape = np.exp(-drop) * np.r_[0, np.geomspace(1e-3, 0.4, 7), np.linspace(0.5, 1, 7)]
        elif self.free:
            shape = np.geomspace(*FREE_POWERS, 15)
        beta, shape = (a.ravel() for a in np.meshgrid(np.minimum(beta * max(drop, 1e-3), DROPS[1]), shape))
        return np.stack([np.zeros_like(beta), beta] + [shape] * (self.floor or self.free), axis=1)


LAWS = {
    curve.law: curve
    for curve in (
        Curve("power", "A n^-alpha", ("A", "alpha"), "power"),
        Curve("power_floor", "A n^-alpha + L0", ("A", "alpha", "L0"), "power", floor=True),
        Curve("stretched", "A exp(-a n^(1/m))", ("A", "a"), "stretched"),
        Curve("stretched_floor", "A exp(-a n^(1/m)) + L0", ("A", "a", "L0"), "stretched", floor=True),
        Curve("stretched_free", "A exp(-a n^p)", ("A", "a", "p"), "stretched", free=True),
        Curve("log_power", "c log(n)^p", ("c", "p"), "log"),
    )
}


@dataclass(frozen=True)
class Solution:
    """Maximum-likelihood unknowns of many data sets at once."""

    unknowns: np.ndarray  # (B, unknowns); nan where fewer sizes than unknowns are present
    scale: np.ndarray  # (B,) sigma, the scatter in units of the given errors
    deviance: np.ndarray  # (B,) -2 log likelihood
    converged: np.ndarray  # (B,) also where there was nothing to solve


def solve(curve: Curve, size, power, logs, error, least: float = RESOLUTION) -> Solution:
    """Maximise the likelihood  (logs[b, j] - log f(size[j])) / (sigma error[j]) ~ Student t with 8 degrees of freedom.

    logs: (B, sizes), nan for a missing size; error: (sizes,); sigma >= least is an unknown of each data set, as is f.
    power: 1/m of the stretched laws. All B problems start from the best point of one grid and then take damped
    Gauss-Newton steps on reweighted squares inside the box, sigma renewed after each (Lange, Little & Taylor 1989).
    """
    size, span = np.asarray(size, float), (float(np.min(size)), float(np.max(size)))
    present = np.isfinite(logs)
    weight, value = np.where(present, 1 / error**2, 0.0), np.where(present, logs, 0.0)
    number, box = present.sum(axis=1), curve.bounds()
    drop = float(np.ptp(logs[present])) if present.any() else 1.0
    grid = curve.starts(drop)
    unknowns = _start(grid, curve.values(grid, size, span, power)[0], weight, value)
    residual = value - curve.values(unknowns, size, span, power)[0]
    scale = np.maximum(np.sqrt((weight * residual**2).sum(axis=1) / np.maximum(number, 1)), least)
    possible = number >= len(box)
    converged, damping = ~possible, np.full(len(logs), 1e-3)
    for _ in range(300):
        live = np.flatnonzero(~converged)
        if not len(live):
            break
        w, y, sigma, here = weight[live], value[live], scale[live], unknowns[live]
        model, slopes = curve.values(here, size, span, power)
        before, pull = _deviance(y - model, w, sigma)
        gradient = np.einsum("bj,bjk->bk", pull * (y - model), slopes)
        hessian = np.einsum("bjk,bj,bjl->bkl", slopes, pull, slopes)
        held = ((here <= box[:, 0]) & (gradient < 0)) | ((here >= box[:, 1]) & (gradient > 0))
        gradient[held], hessian[held[:, :, None] | held[:, None, :]] = 0.0, 0.0
        diagonal = np.einsum("bkk->bk", hessian)
        ridge = np.where(diagonal > 0, (damping[live, None] + 1e-14) * diagonal, 1.0)
        hessian += np.eye(len(box)) * ridge[:, None, :]
        step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        there = np.clip(here + step, box[:, 0], box[:, 1])
        residual = y - curve.values(there, size, span, power)[0]
        after, pull = _deviance(residual, w, sigma)
        better = after <= before + 1e-12 * np.abs(before)
        unknowns[live[better]] = there[better]
        damping[live] = np.clip(np.where(better, damping[live] / 10, damping[live] * 8), 1e-12, 1e12)
        renewed = sigma * np.sqrt((pull * residual**2).sum(axis=1) / number[live])
        scale[live] = np.where(better, np.maximum(renewed, least), sigma)
        still = np.abs(np.log(scale[live] / sigma)) < 1e-8
        gain = np.einsum("bk,bk->b", gradient, step)  # what the step promised, in units of the log likelihood
        converged[live] = (better & still & (gain < 1e-8)) | (~better & (damping[live] > 1e10))
    final = _deviance(value - curve.values(unknowns, size, span, power)[0], weight, scale)[0]
    constant = special.gammaln((TAILS + 1) / 2) - special.gammaln(TAILS / 2) - 0.5 * np.log(TAILS * np.pi)
    final -= 2 * np.where(present, constant - np.log(error), 0.0).sum(axis=1)
    return Solution(np.where(possible[:, None], unknowns, np.nan), scale, np.where(possible, final, np.nan), converged)


def _start(grid: np.ndarray, shapes: np.ndarray, weight: np.ndarray, value: np.ndarray) -> np.ndarray:
    """For each data set the point of the grid (K, unknowns) with the least squares, the offset profiled out.

    shapes: (K, sizes) log f at offset 0; weight, value: (B, sizes). Products of matrices do all B times K at once.
    """
    start = np.empty((len(value), grid.shape[1]))
    for part in range(0, len(value), 50):  # products this small stay on one core; BLAS threads of many jobs collide
        w, y = weight[part : part + 50], value[part : part + 50]
        total = np.maximum(w.sum(axis=1, keepdims=True), 1e-300)
        offset = (np.sum(w * y, axis=1, keepdims=True) - w @ shapes.T) / total
        squares = w @ (shapes**2).T - 2 * (w * y) @ shapes.T - total * offset**2
        best = np.argmin(squares, axis=1)
        start[part : part + 50] = grid[best]
        start[part : part + 50, 0] = offset[np.arange(len(best)), best]
    return start


def _deviance(residual: np.ndarray, weight: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """-2 log likelihood (B,) without its constants, and the weights (B, sizes) whose squares have the same gradient."""
    squared = weight * (residual / scale[:, None]) ** 2
    terms = (TAILS + 1) * np.log1p(squared / TAILS) + 2 * np.log(scale)[:, None]
    pull = (TAILS + 1) / (TAILS + squared) * weight / scale[:, None] ** 2
    return np.where(weight > 0, terms, 0.0).sum(axis=1), pull
