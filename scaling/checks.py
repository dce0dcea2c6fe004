"""Bad input to the compressor, named before any work: which argument, what came, what is accepted."""

import numpy as np


def checked_points(points, weights, name="points"):
    """points and weights as float64 arrays, or a ValueError that says which argument is wrong and how."""
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or 0 in points.shape:
        raise ValueError(f"{name} must be an array (d, m) with d, m >= 1, got shape {points.shape}")
    if not np.isfinite(points).all():
        raise ValueError(f"{name} must be finite, got nan or inf in row {int(np.argmin(np.isfinite(points).all(1)))}")
    if weights is None:
        return points, np.ones(len(points))
    weights = np.asarray(weights, np.float64)
    if weights.shape != (len(points),):
        raise ValueError(f"weights must have shape ({len(points)},) to match {name}, got {weights.shape}")
    if not np.isfinite(weights).all() or (weights < 0).any():
        worst = weights[~(np.isfinite(weights) & (weights >= 0))][0]
        raise ValueError(f"weights must be finite and >= 0, got {worst:g}")
    return points, weights


def positive(name, value):
    """The value as an int >= 1, or a ValueError that names the argument."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} must be a whole number >= 1, got {value!r}")
    return int(value)


def positive_real(name, value):
    """The value as a float > 0, or a ValueError that names the argument."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not 0 < value < np.inf:
        raise ValueError(f"{name} must be a number > 0, got {value!r}")
    return float(value)
