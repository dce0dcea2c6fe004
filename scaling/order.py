"""The order k of the matched polynomials for a given size (arXiv 2510.00504: k_opt grows like size^(1/m))."""

from scaling.moments import polynomials


def choose_order(dimension: int, size: int, cells: int = 2, most: int = 500) -> int:
    """Largest order whose polynomials, at most `most` of them, leave room for `cells` cells in `size` objects.

    Raises ValueError when even order 1 needs more than `size` objects.
    """
    if size <= dimension:
        raise ValueError(
            f"size must be at least {dimension + 1} to keep order 1 in {dimension} coordinates, got {size}"
        )
    order = 1
    while polynomials(dimension, order + 1) * cells <= size and (
        cells == 1 or polynomials(dimension, order + 1) <= most
    ):
        order += 1
    return order
