"""Moment spaces: sizes, Chebyshev values on a box, and what a bad argument is told."""

import math

import jax
import numpy as np
import pytest

from scaling.moments import MomentSpace


@pytest.mark.parametrize(("dimension", "order"), [(1, 0), (1, 60), (2, 5), (5, 4)])
def test_total_degree_has_binomial_size(dimension, order):
    space = MomentSpace.total_degree(dimension, order)
    assert space.size == math.comb(dimension + order, order)
    assert len(set(space.exponents)) == space.size
    assert max(map(sum, space.exponents)) == order


@pytest.mark.parametrize(("inputs", "labels", "order", "label_order"), [(2, 1, 8, 6), (3, 2, 4, 1), (1, 1, 1, 0)])
def test_squared_loss_size_is_the_sum_of_its_parts(inputs, labels, order, label_order):
    space = MomentSpace.squared_loss(inputs, labels, order=order, label_order=label_order)
    expected = math.comb(inputs + order, order) + labels * math.comb(inputs + label_order, label_order) + labels
    assert (space.size, space.order, space.inputs, space.dimension) == (expected, order, inputs, inputs + labels)
    assert str(space.size) in str(space)


def test_label_order_defaults_to_two_less():
    assert MomentSpace.squared_loss(2, order=8) == MomentSpace.squared_loss(2, order=8, label_order=6)


def test_features_are_products_of_chebyshev_polynomials():
    space = MomentSpace.total_degree(2, 7)
    points = np.random.default_rng(0).uniform([3.0, -2.0], [5.0, 6.0], (50, 2))
    with jax.enable_x64(True):
        values = np.asarray(space.features(points, np.array([3.0, -2.0]), np.array([5.0, 6.0])))
    t = (points - [4.0, 2.0]) / [1.0, 4.0]
    expected = np.stack(
        [np.cos(a * np.arccos(t[:, 0])) * np.cos(b * np.arccos(t[:, 1])) for a, b in space.exponents], 1
    )
    np.testing.assert_allclose(values, expected, atol=1e-13)


def test_a_space_is_hashable_and_equal_by_value():
    assert hash(MomentSpace.total_degree(3, 4)) == hash(MomentSpace.total_degree(3, 4))
    assert MomentSpace.total_degree(3, 4) != MomentSpace.total_degree(3, 5)


@pytest.mark.parametrize("arguments", [(0, 3), (2, -1), (2, 1.5), (True, 2)])
def test_total_degree_refuses(arguments):
    with pytest.raises(ValueError, match=r"(dimension|order) must be a whole number"):
        MomentSpace.total_degree(*arguments)


def test_squared_loss_refuses_a_label_order_above_the_order():
    with pytest.raises(ValueError, match="label_order must be at most order=3, got 4"):
        MomentSpace.squared_loss(2, order=3, label_order=4)


def test_anisotropic_degrees_bound_each_coordinate():
    space = MomentSpace.anisotropic((4, 2))
    assert set(space.exponents) == {(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (0, 1), (1, 1), (2, 1), (0, 2)}
    assert space.order == 2
    assert set(MomentSpace.anisotropic((3, 3)).exponents) == set(MomentSpace.total_degree(2, 3).exponents)


def test_union_holds_both_and_counts_what_they_share_once():
    wide, deep = MomentSpace.anisotropic((6, 1)), MomentSpace.total_degree(2, 2)
    both = MomentSpace.union(wide, deep)
    assert set(both.exponents) == set(wide.exponents) | set(deep.exponents)
    assert both.size < wide.size + deep.size
    with pytest.raises(ValueError, match="union needs spaces of the same coordinates"):
        MomentSpace.union(wide, MomentSpace.total_degree(3, 1))


def test_per_class_has_the_polynomials_once_for_each_class():
    space = MomentSpace.per_class(2, 3, order=4)
    assert (space.size, space.inputs, space.dimension) == (3 * math.comb(6, 4), 2, 3)


def test_richer_is_one_degree_up_in_the_same_family():
    assert MomentSpace.total_degree(2, 3).richer() == MomentSpace.total_degree(2, 4)
    assert MomentSpace.squared_loss(2, order=5).richer() == MomentSpace.squared_loss(2, order=6)
    assert MomentSpace.anisotropic((4, 2)).richer() is None
