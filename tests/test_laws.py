"""scaling.laws: exact curves, realistic noise, pairing, selection and every way of not working."""

import numpy as np
import pytest

from scaling import laws

SIZES = 2.0 ** np.arange(8, 20)
EXACT = {
    "power": {"A": 3.0, "alpha": 0.6},
    "power_floor": {"A": 3.0, "alpha": 0.6, "L0": 0.004},
    "stretched": {"A": 2.0, "a": 0.012},
    "stretched_floor": {"A": 2.0, "a": 0.02, "L0": 0.01},
    "stretched_free": {"A": 5.0, "a": 0.5, "p": 0.2},
    "log_power": {"c": 12.0, "p": 2.3},
}


def curve(law, size=SIZES, dimension=2):
    p = EXACT[law]
    if law == "log_power":
        return p["c"] * np.log(size) ** p["p"]
    decay = size ** -p["alpha"] if "alpha" in p else np.exp(-p["a"] * size ** p.get("p", 1 / dimension))
    return p["A"] * decay + p.get("L0", 0)


@pytest.mark.parametrize("law", EXACT)
def test_exact_curves_are_recovered(law):
    fitted = laws.fit(law, SIZES, curve(law), dimension=2, draws=0)
    assert fitted.status == "ok", fitted
    for name, value in EXACT[law].items():
        assert fitted.parameters[name] == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(fitted.predict(SIZES), curve(law), rtol=1e-6)
