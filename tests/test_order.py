"""The order chosen for a size."""

import pytest

from scaling.order import choose_order


@pytest.mark.parametrize(("dimension", "size"), [(1, 2), (2, 3), (3, 100), (5, 6)])
def test_the_polynomials_fit_in_the_size(dimension, size):
    from scaling.moments import polynomials

    order = choose_order(dimension, size)
    assert order >= 1 and polynomials(dimension, order) <= size


def test_too_small_a_size_names_the_smallest():
    with pytest.raises(ValueError, match="size must be at least 4 to keep order 1 in 3 coordinates, got 3"):
        choose_order(3, 3)
