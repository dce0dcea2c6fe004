"""Cells: every point once, equal counts, compact."""

import itertools

import numpy as np
import pytest

from scaling.partition import cells


@pytest.mark.parametrize(("n", "count"), [(10, 1), (10, 10), (1000, 7), (999, 64)])
def test_every_point_is_in_one_of_the_equal_cells(n, count):
    order, starts = cells(np.random.default_rng(0).normal(size=(n, 3)), count)
    np.testing.assert_array_equal(np.sort(order), np.arange(n))
    sizes = np.diff(starts)
    assert len(sizes) == count and sizes.max() - sizes.min() <= 1


def test_cells_are_much_smaller_than_the_cloud():
    points = np.random.default_rng(0).uniform(size=(4096, 2))
    order, starts = cells(points, 64)
    extents = [np.ptp(points[order[a:b]], axis=0).max() for a, b in itertools.pairwise(starts)]
    assert max(extents) < 0.25
