"""The order, or the size, chosen from the points."""

import numpy as np
import pytest

from scaling.moments import MomentSpace, polynomials
from scaling.order import choose_order, choose_size, largest_order
from scaling.probes import FLOOR, estimated_error


@pytest.mark.parametrize(("dimension", "size"), [(1, 2), (2, 3), (3, 100), (5, 6)])
def test_the_largest_order_is_the_last_that_fits(dimension, size):
    order = largest_order(dimension, size)
    assert order >= 1 and polynomials(dimension, order) <= size < polynomials(dimension, order + 1)


def test_too_small_a_size_names_the_smallest():
    with pytest.raises(ValueError, match="size must be at least 4 to keep order 1 in 3 coordinates, got 3"):
        largest_order(3, 3)


def test_more_points_deserve_a_higher_order():
    points = np.random.default_rng(0).uniform(-1, 1, (8000, 3))
    small, large = (choose_order(points, np.ones(8000), size) for size in (100, 800))
    assert small[0] < large[0] and large[1] < small[1] / 10


def test_a_smaller_tolerance_needs_more_points():
    points = np.random.default_rng(0).uniform(-1, 1, (8000, 2))
    loose, tight = (choose_size(points, np.ones(8000), t) for t in (1e-6, 1e-9))
    assert loose[0] < tight[0] < 8000
    assert loose[2] <= 1e-6 and tight[2] <= 1e-9
    assert choose_size(points, np.ones(8000), 1e-30)[0] == 8000


def test_where_the_probes_are_kept_to_rounding_there_is_a_margin_of_degrees():
    points, weights = np.random.default_rng(0).uniform(-1, 1, (8000, 1)), np.ones(8000)
    order, error = choose_order(points, weights, 400)
    spaces = (MomentSpace.total_degree(1, k) for k in range(1, 60))
    errors = ((s.order, estimated_error(points, weights, s, 400 // s.size, 400)) for s in spaces)
    enough = next(k for k, e in errors if e <= 2 * FLOOR)
    assert error <= 2 * FLOOR and order == enough + enough // 2 > enough
