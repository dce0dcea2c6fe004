"""Cells: every point once, equal counts, compact."""

import itertools

import numpy as np
import pytest

from scaling import partition
from scaling.partition import balls, cells, unit_coordinates


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


def test_balls_are_disjoint_and_the_most_compact_come_first():
    points = np.random.default_rng(0).normal(size=(500, 2))
    order, starts, radii = balls(points, 12, tries=40, seed=0)
    assert len(set(order)) == len(order) == starts[-1]
    assert (np.diff(radii) >= 0).all()
    first = points[order[:12]]
    assert np.ptp(first, axis=0).max() < 1.0


def test_a_tree_finds_the_same_balls_as_all_distances(monkeypatch):
    points = np.random.default_rng(0).normal(size=(500, 3))
    near = balls(points, 12, tries=40, seed=0)
    monkeypatch.setattr(partition, "DISTANCES", 0)
    for ours, theirs in zip(balls(points, 12, tries=40, seed=0), near, strict=True):
        if ours.dtype == float:
            np.testing.assert_allclose(ours, theirs, rtol=1e-12)
        else:
            assert set(ours) == set(theirs)
    assert len(near[1]) > 10


def test_unit_coordinates_do_not_see_scale_shift_or_an_outlier():
    points = np.random.default_rng(0).uniform(size=(200, 2))
    unit = unit_coordinates(points)
    np.testing.assert_allclose(unit_coordinates(points * [1e-6, 1e3] + [5.0, -7.0]), unit, atol=1e-8)
    spoiled = points.copy()
    spoiled[3] = 1e9
    assert np.ptp(np.delete(unit_coordinates(spoiled), 3, axis=0), axis=0).min() > 1.5
