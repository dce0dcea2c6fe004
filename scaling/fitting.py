"""One scaling law fitted to one curve: the typed result and the fit. scaling.laws is the public face.

The likelihood, the same for every law so that their AICc compare: y[j] = log L(n[j]) + sigma v[j] t[j], where y[j] is
the log of the geometric mean over seeds, v[j] its standard error estimated from the seeds (scaling.bootstrap) and t[j]
independent Student-t errors with 8 degrees of freedom, nearly Gaussian but with a bound on the pull of a point that
went wrong. sigma >= 1 is unknown and counts as a parameter: at sigma = 1 the seeds' noise explains the scatter about
the law; above it the law is inexact at the precision of the data, and rival laws are weighed by relative misfit.
Without errors (one seed, bare means) v = 1 and sigma > 0. What moves all sizes of a seed together drops out, since
every law may be multiplied by a constant.
"""

import json
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

from scaling.bootstrap import Observed, interval, observe
from scaling.curves import FREE_POWERS, LAWS, RESOLUTION, Curve, solve
from scaling.records import to_json, write_text

ADVICE = {
    "ok": "",
    "not finite": "Losses must be positive and finite; set runs that failed to nan to leave them out.",
    "too few sizes": "This law needs at least {least} sizes for its AICc, {points} were given: measure more sizes.",
    "did not converge": "The law may not resemble the curve: look at it, add sizes or fit fewer parameters.",
    "wrong direction": "The values do not {verb} with size, so this law does not describe them.",
    "floor not identified": "The data are compatible with no floor: add larger sizes or use the law without it.",
    "power law not excluded": "The data are compatible with the lower end of p, where this law is a power law.",
    "exponent at its bound": "The exponent p went to its upper end: the curve bends down more than this law can.",
}


@dataclass(frozen=True)
class Fit:
    """A law fitted to one curve. A failed fit is still a Fit: status says what happened, advice what to do."""

    law: str
    formula: str
    dimension: float | None  # m of the stretched laws
    parameters: dict[str, float]
    intervals: dict[str, tuple[float, float]]  # 95 %, corrected for few seeds; nan where there is nothing to tell
    aicc: float  # -2 log likelihood + 2 K + 2 K (K + 1) / (n - K - 1), K = parameters + 1 for sigma
    rss: float  # sum over sizes of the squared residuals of log loss
    scatter: float  # root of chi^2 / (n - parameters): scatter about the law in units of the seeds' noise; nan: unknown
    points: int  # sizes that entered
    seeds: int | None  # seeds that entered; None: means were given
    sizes: tuple[float, float]  # smallest and largest size that entered
    status: str  # a key of ADVICE
    advice: str
    draws: np.ndarray = field(repr=False, compare=False)  # (B, parameters), paired by seed; not saved

    def predict(self, size) -> np.ndarray:
        """The fitted law at `size` (...), all positive, in the unit of the losses (...); nan if the fit failed."""
        size, values, curve = np.asarray(size, float), self.parameters, LAWS[self.law]
        with np.errstate(all="ignore"):
            if curve.kind == "log":
                return values["c"] * np.log(size) ** values["p"]
            if curve.kind == "power":
                log = np.log(values["A"]) - values["alpha"] * np.log(size)
            else:
                power = values["p"] if curve.free else 1 / self.dimension
                log = np.log(values["A"]) - values["a"] * size**power
            return np.exp(log) + (values["L0"] if curve.floor else 0.0)

    def column(self, name: str) -> np.ndarray:
        """Bootstrap draws (B,) of one parameter. Raises ValueError for a name this law does not have."""
        if name not in self.parameters:
            raise ValueError(f"name={name!r}: {', '.join(self.parameters)} are accepted for {self.law}")
        return self.draws[:, list(self.parameters).index(name)]

    def __str__(self) -> str:
        seeds = "means" if self.seeds is None else f"{self.seeds} seeds"
        lines = [f"{self.law}: {self.formula}   {self.points} sizes {self.sizes[0]:g} to {self.sizes[1]:g}, {seeds}"]
        for name, value in self.parameters.items():
            low, high = self.intervals[name]
            lines.append(f"  {name:<8}{value:>12.5g}   [{low:.5g}, {high:.5g}]")
        scatter = f"{self.scatter:.2f} x the noise of the means"
        if not np.isfinite(self.scatter):
            scatter = f"{np.sqrt(self.rss / max(self.points, 1)):.3g} in log loss"
        lines.append(f"  AICc {self.aicc:.2f}, scatter about the law {scatter}, status: {self.status}")
        return "\n".join(lines + ([f"  {self.advice}"] if self.advice else []))

    def to_dict(self) -> dict:
        """Everything but the draws, as plain numbers and texts, some of them nan."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "draws"}

    def to_json(self) -> str:
        """The fit as strict JSON text; what is not finite becomes null."""
        return to_json(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> "Fit":
        """The Fit that to_json wrote, without its draws."""
        return cls.from_dict(json.loads(text))

    @classmethod
    def from_dict(cls, data: dict) -> "Fit":
        """The Fit that to_dict gave, nan or None where a number is unknown; its draws are gone: (0, parameters)."""

        def number(value):
            return np.nan if value is None else value

        data = data | {key: number(data[key]) for key in ("aicc", "rss", "scatter")}
        data["sizes"] = tuple(map(number, data["sizes"]))
        data["parameters"] = {name: number(value) for name, value in data["parameters"].items()}
        data["intervals"] = {name: tuple(map(number, ends)) for name, ends in data["intervals"].items()}
        return cls(**data, draws=np.empty((0, len(data["parameters"]))))

    def save(self, path) -> None:
        """Write to_json to the file `path`, whole or not at all."""
        write_text(Path(path), self.to_json())


def fit(law: str, size, loss, *, dimension=None, error=None, draws: int = 1000, seed: int = 0) -> Fit:
    """Fit one of scaling.laws.LAWS by maximum likelihood (scaling.fitting says which) with a bootstrap over seeds.

    size: (sizes,) positive; loss: (seeds, sizes), nan where a run is missing, or (sizes,) means, best with `error`
    (sizes,), their standard errors in the unit of the loss; dimension: m of the stretched laws; draws: bootstrap
    samples (0: no intervals); seed: of the resampling. Two fits with the same seed and number of seeds are paired: row
    b of both `draws` comes from the same seeds. To means the draws add noise of the given errors or, without errors, of
    the scatter about the law. Raises ValueError for an argument of the wrong kind, never for what the data say.
    """
    curve = law_of(law, dimension)
    return fit_observed(curve, dimension, observe(size, loss, error, draws, seed, least=curve.least_size))


def law_of(law: str, dimension) -> Curve:
    """The curve of a law's name. Raises ValueError if there is none or the dimension it needs is not given."""
    if not isinstance(law, str) or law not in LAWS:
        raise ValueError(f"law={law!r}: {', '.join(LAWS)} are accepted")
    if dimension is None and LAWS[law].kind == "stretched" and not LAWS[law].free:
        raise ValueError(f"dimension=None: {law} needs the dimension m of one object, a number of at least 1")
    if dimension is not None and not (isinstance(dimension, int | float | np.number) and 1 <= dimension < np.inf):
        raise ValueError(f"dimension={dimension!r}: a number of at least 1 is accepted")
    return LAWS[law]


def fit_observed(curve: Curve, dimension, data: Observed) -> Fit:
    """Fit one curve to checked data."""
    names, points = curve.names, len(data.size)
    dimension = None if dimension is None else float(dimension)
    power = 1 / dimension if dimension else np.nan
    least = len(names) + 3
    span = (float(data.size[0]), float(data.size[-1])) if points else (np.nan, np.nan)

    def result(status, values=None, ends=None, aicc=np.nan, rss=np.nan, scatter=np.nan, draws=None):
        values = [np.nan] * len(names) if values is None else [float(v) for v in values]
        ends = [(np.nan, np.nan)] * len(names) if ends is None else ends
        draws = np.empty((0, len(names))) if draws is None else draws
        advice = ADVICE[status].format(least=least, points=points, verb="rise" if curve.kind == "log" else "fall")
        given = dict(zip(names, values, strict=True)), dict(zip(names, ends, strict=True))
        numbers = (float(aicc), float(rss), float(scatter), points, data.seeds, span)
        return Fit(curve.law, curve.formula, dimension, *given, *numbers, status, advice, draws)

    if data.trouble or len(np.unique(data.size)) < len(names):
        return result(data.trouble or "too few sizes")
    error = np.ones(points) if data.error is None else data.error
    floor = RESOLUTION if data.error is None else 1.0
    found = solve(curve, data.size, power, data.log[None], error, floor)
    theta = found.unknowns[0]
    values = curve.parameters(theta[None], span, power)[0]
    residual = data.log - curve.values(theta[None], data.size, span, power)[0][0]
    freedom = points - len(names)
    chi2 = np.sum((residual / error) ** 2)
    draws, seeds = data.draws, data.seeds
    if data.noise is not None:  # the scatter about the law is as good as one more seed than its degrees of freedom
        spread, seeds = (np.sqrt(chi2 / (freedom + 1)), freedom + 1) if data.error is None else (1.0, None)
        draws = data.log + spread * error * data.noise
    again = solve(curve, data.size, power, draws, error, floor)
    sample = curve.parameters(again.unknowns, span, power)
    sample[~again.converged] = np.nan
    ends = []
    for i, name in enumerate(names):
        log = name in ("A", "c") or (curve.free and name == "a")  # positive and spread over decades
        bounds = (0.0, np.inf) if name == "L0" else FREE_POWERS if curve.free and name == "p" else (-np.inf, np.inf)
        ends.append(interval(sample[:, i], values[i], seeds, log=log, bounds=bounds))
    status = "ok"
    if not found.converged[0] or (len(draws) and again.converged.mean() < 0.9):
        status = "did not converge"
    elif points < least:
        status = "too few sizes"
    elif (theta[1] <= 0) != (curve.kind == "log"):
        status = "wrong direction"
    elif curve.floor and (theta[2] <= 0 or ends[2][0] <= 0):
        status = "floor not identified"
    elif curve.free and (theta[2] <= FREE_POWERS[0] or ends[2][0] <= FREE_POWERS[0]):
        status = "power law not excluded"
    elif curve.free and theta[2] >= FREE_POWERS[1]:
        status = "exponent at its bound"
    unknowns = len(names) + 1
    aicc = np.nan
    if points > unknowns + 1 and found.converged[0]:
        aicc = found.deviance[0] + 2 * unknowns + 2 * unknowns * (unknowns + 1) / (points - unknowns - 1)
    scatter = np.sqrt(chi2 / freedom) if freedom and data.error is not None else np.nan
    return result(status, values, ends, aicc, np.sum(residual**2), scatter, sample)
