"""A wide two-layer network whose outputs and gradient never store a number for each sample and unit.

Evaluating sum_j u_j s(W_j x_i + b_j), and differentiating it, keeps arrays (samples, units) and reads them back from
main memory, which at width 10^4 costs several times the arithmetic, most of all where several cores do it at once. Here
some samples at a time meet some of the units, and the backward pass computes the pre-activations again and adds up the
sums over samples

    du_j = sum_i e_i s(z_ij),   db_j = u_j sum_i e_i s'(z_ij),   dW_j = u_j sum_i e_i x_i s'(z_ij)

as products of small matrices with s(z) and s'(z), which stay in a core's cache.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from scaling.networks import ACTIVATIONS, TwoLayer

ROWS, UNITS = 256, 1024  # met at a time, at most: enough to hide the loops, few enough to stay in the cache
WIDE = 512  # units from which this is faster; plain differentiation of fewer stays in the cache


def streamed(network: TwoLayer) -> Callable:
    """`network.apply` with the same outputs and, up to rounding, the same gradient in the parameters, but faster.

    Returns apply(params, inputs (n, m), multiplicities=None) -> outputs (n,). Inputs are data: their gradient is zero.
    """
    outputs = _hidden_sum(ACTIVATIONS[network.activation])

    def apply(params, inputs, multiplicities=None):
        hidden, output = params["params"]["Dense_0"], params["params"]["Dense_1"]
        if len(hidden["bias"]) < WIDE:
            return network.apply(params, inputs, multiplicities)
        weights = output["kernel"][:, 0]
        if multiplicities is not None and multiplicities[0] is not None:
            weights = weights * multiplicities[0]
        return outputs(hidden["kernel"], hidden["bias"], weights, inputs) + output["bias"][0]

    return apply


def _hidden_sum(activation: Callable) -> Callable:
    """(W (m, d), b (d,), u (d,), x (n, m)) -> sum_j u_j s(W_j x + b_j), (n,), with the backward pass above."""

    @jax.custom_vjp
    def outputs(kernel, bias, weights, inputs):
        pieces = _pieces(inputs)

        def add(total, units):
            kernel, bias, weights = units
            return total + jax.lax.map(lambda x: activation(_preactivations(kernel, bias, x)) @ weights, pieces), None

        start = jnp.zeros(pieces.shape[:2], bias.dtype)
        total, _ = jax.lax.scan(add, start, (_tiles(kernel), _tiles(bias), _tiles(weights)))
        return total.reshape(-1)[: len(inputs)]

    def forward(*arguments):
        return outputs(*arguments), arguments

    def backward(arguments, errors):
        kernel, bias, weights, inputs = arguments
        pieces = _pieces(inputs), _pieces(errors)

        def sums(units):
            kernel, bias = units

            def add(total, piece):
                x, e = piece
                z = _preactivations(kernel, bias, x)
                value, slope = jax.jvp(activation, (z,), (jnp.ones_like(z),))
                by_slope = jnp.column_stack([e[:, None] * x, e]).T @ slope
                return (total[0] + by_slope, total[1] + e @ value), None

            start = jnp.zeros((len(kernel) + 1, len(bias)), bias.dtype), jnp.zeros_like(bias)
            return jax.lax.scan(add, start, pieces)[0]

        by_slope, by_value = jax.lax.map(sums, (_tiles(kernel), _tiles(bias)))
        by_slope = jnp.moveaxis(by_slope, 0, 1).reshape(len(kernel) + 1, -1)[:, : len(bias)]
        return weights * by_slope[:-1], weights * by_slope[-1], by_value.reshape(-1)[: len(bias)], None

    outputs.defvjp(forward, backward)
    return outputs


def _preactivations(kernel, bias, inputs):
    """z (n, d) of inputs (n, m), added up by input: a matrix product of few columns would wait for its set-up."""
    return sum(inputs[:, a, None] * row for a, row in enumerate(kernel)) + bias


def _pieces(rows):
    """(n, ...) -> (pieces, n', ...) with n' <= ROWS, the last one filled up with zeros."""
    return _split(rows, 0, ROWS)


def _tiles(columns):
    """(..., d) -> (tiles, ..., d') with d' <= UNITS, the last one filled up with zeros."""
    return _split(columns, columns.ndim - 1, UNITS)


def _split(array, axis, most):
    n, shape = array.shape[axis], array.shape
    count = max(1, -(-n // most))
    filled = jnp.pad(array, [(0, -n % count if i == axis else 0) for i in range(array.ndim)])
    return jnp.moveaxis(filled.reshape(*shape[:axis], count, -1, *shape[axis + 1 :]), axis, 0)
