"""Scaling laws: fit them to losses at several sizes, with honest intervals, and say which one the data support.

The paper (arXiv 2510.00504) claims that compression turns L ~ d^-alpha into L ~ exp(-a' d'^(1/m)) at d' = c log^m d.
    power            L = A n^-alpha                 stretched         L = A exp(-a n^(1/m))
    power_floor      L = A n^-alpha + L0            stretched_floor   L = A exp(-a n^(1/m)) + L0
    log_power        n' = c log(n)^p                stretched_free    L = A exp(-a n^p)
n counts data points or neurons, m is the dimension of one of them, log is natural; losses keep the unit they come in.

    >>> fitted = fit("power", sizes, losses)                  # losses (seeds, sizes)
    >>> fitted.parameters["alpha"], fitted.intervals["alpha"]
    >>> ratio = other.parameters["alpha"] / fitted.parameters["alpha"]
    >>> interval(other.column("alpha") / fitted.column("alpha"), ratio, seeds=len(losses))   # paired by seed

scaling.fitting states the likelihood, scaling.bootstrap how intervals are made, scaling.curves how the fit is found.
"""

import json
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from scaling.bootstrap import bootstrap_indices, interval, observe
from scaling.curves import LAWS
from scaling.fitting import Fit, fit, fit_observed, law_of
from scaling.records import to_json, write_text

__all__ = ["LAWS", "Comparison", "Fit", "bootstrap_indices", "compare", "fit", "interval"]

LOSS_LAWS = ("power", "power_floor", "stretched", "stretched_floor", "stretched_free")
EXTENSIONS = {"power": ("power_floor", "stretched_free"), "stretched": ("stretched_floor", "stretched_free")}
MARGIN = 4.0  # AICc by which the best law must lead each law that does not merely extend it (Burnham & Anderson 2004)


@dataclass(frozen=True)
class Comparison:
    """Several laws on one curve: by AICc, and by how a fit to the smaller sizes predicts the largest third."""

    fits: dict[str, Fit]
    best: Fit  # least AICc
    heldout_best: Fit  # least held-out error; the Fit shown is the one to all sizes
    delta_aicc: dict[str, float]  # AICc above the best one's; nan without AICc
    heldout: dict[str, float]  # root mean square over the held-out sizes of log(predicted / measured); nan: no fit
    conclusive: bool
    verdict: str

    def __str__(self) -> str:
        lines = [f"  {'law':<17}{'delta AICc':>10}{'held-out':>10}   status"]
        for law, fitted in self.fits.items():
            lines.append(f"  {law:<17}{self.delta_aicc[law]:>10.2f}{self.heldout[law]:>10.3f}   {fitted.status}")
        return "\n".join([*lines, self.verdict])

    def to_dict(self) -> dict:
        """Everything as plain numbers and texts, some of them nan; of the two best laws the names."""
        rest = {f.name: getattr(self, f.name) for f in fields(self)}
        rest |= {"best": self.best.law, "heldout_best": self.heldout_best.law}
        return rest | {"fits": {law: fitted.to_dict() for law, fitted in self.fits.items()}}

    def to_json(self) -> str:
        """The comparison as strict JSON text; what is not finite becomes null."""
        return to_json(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> "Comparison":
        """The Comparison that to_json wrote; the draws of its fits are gone."""
        data = json.loads(text)
        fits = {law: Fit.from_dict(fitted) for law, fitted in data["fits"].items()}
        for key in ("delta_aicc", "heldout"):
            data[key] = {law: np.nan if value is None else value for law, value in data[key].items()}
        best = {key: fits[data[key]] for key in ("best", "heldout_best")}
        return cls(**(data | {"fits": fits} | best))

    def save(self, path) -> None:
        """Write to_json to the file `path`, whole or not at all."""
        write_text(Path(path), self.to_json())


def compare(size, loss, *, dimension=None, laws=LOSS_LAWS, error=None, draws: int = 1000, seed: int = 0) -> Comparison:
    """Fit several laws to one curve and compare them; the arguments and what is raised are those of `fit`.

    laws: names from LAWS, all of one quantity. Held out is the largest third of the sizes (rounded down, at least one).
    The comparison is conclusive if the law with the least AICc also predicts the held-out sizes best and leads by
    MARGIN every law that is not an extension of it: what power_floor adds to power cannot speak against power. It is
    a statement about the laws compared: whether the best one describes the data is told by its `scatter`, near 1.
    """
    if isinstance(laws, str) or not len(laws):
        raise ValueError(f"laws={laws!r}: a list of one or more of {', '.join(LAWS)} is accepted")
    curves = [law_of(law, dimension) for law in laws]
    least = max(curve.least_size for curve in curves)
    data = observe(size, loss, error, draws, seed, least=least)
    fits = {curve.law: fit_observed(curve, dimension, data) for curve in curves}
    size, loss = np.asarray(size, float), np.asarray(loss, float)
    ends = np.sort(data.size)[::-1]
    held = ends[: max(1, len(ends) // 3)] if len(ends) else ends
    heldout = dict.fromkeys(fits, np.nan)
    small = size < held[-1] if len(held) else size < 0
    if np.any(small) and not data.trouble:
        error = None if error is None else np.asarray(error)[small]
        part = observe(size[small], loss[..., small], error, 0, seed, least=least)
        beyond = data.size >= held[-1]
        for curve in curves:
            if len(part.size) > len(curve.names):
                predicted = fit_observed(curve, dimension, part).predict(data.size[beyond])
                with np.errstate(all="ignore"):
                    heldout[curve.law] = float(np.sqrt(np.mean((np.log(predicted) - data.log[beyond]) ** 2)))
    return _judge(fits, heldout)


def _judge(fits: dict[str, Fit], heldout: dict[str, float]) -> Comparison:
    """The comparison in words. Held-out errors equal to four decimals go to the law with fewer parameters."""
    by_aicc = sorted((law for law in fits if np.isfinite(fits[law].aicc)), key=lambda law: fits[law].aicc)
    by_error = [law for law in fits if np.isfinite(heldout[law])]
    by_error.sort(key=lambda law: (round(heldout[law], 4), len(fits[law].parameters)))
    first = next(iter(fits))
    best, heldout_best = (by_aicc or [first])[0], (by_error or [first])[0]
    delta = {law: fits[law].aicc - fits[best].aicc for law in fits}
    rivals = [law for law in by_aicc if law != best and law not in EXTENSIONS.get(best, ())]
    if not by_aicc or not by_error:
        verdict = f"inconclusive: {fits[best].status}. {fits[best].advice}".strip()
    elif best != heldout_best:
        verdict = f"inconclusive: {best} has the least AICc, {heldout_best} predicts the largest sizes best"
    elif fits[best].status in ("wrong direction", "did not converge"):
        verdict = f"inconclusive: {best} has the least AICc, but its status is: {fits[best].status}"
    elif rivals and delta[rivals[0]] < MARGIN:
        verdict = f"inconclusive: {best} leads {rivals[0]} by {delta[rivals[0]]:.1f} in AICc only"
    else:
        lead = f" (AICc {delta[rivals[0]]:.1f} below {rivals[0]})" if rivals else ""
        verdict = f"{best}: least AICc{lead} and the best prediction of the largest sizes"
    conclusive = not verdict.startswith("inconclusive")
    return Comparison(fits, fits[best], fits[heldout_best], delta, heldout, conclusive, verdict)
