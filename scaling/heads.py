"""Attention over tokens of one number, fast: of a head only two numbers matter, and its gradient costs no exponential.

With scalar tokens x_1, ..., x_T the score of token t in head h is a_h x_T x_t, and the head adds r_h times the mean
token, so that with weights p_t ~ exp(s x_t), s = a_h x_T,

    f(x) = sum_h r_h mean_h(x),   a_h = Q_h . K_h / sqrt(dimension),   r_h = c_h V_h . O_h,
    mean_h = sum_t p_t x_t,   d mean_h / ds = sum_t p_t x_t^2 - mean_h^2.

Mean and variance come from the same exponentials in the forward pass; all that is left of the gradient are products of
two matrices (samples, heads), whatever the number of tokens.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from scaling.networks import MultiHeadAttention


def scalar_heads(network: MultiHeadAttention) -> Callable:
    """`network.apply` for tokens of one number: the same outputs and, up to rounding, the same gradient.

    Returns apply(params, tokens (n, T), multiplicities=None) -> outputs (n,). Tokens are data: their gradient is zero.
    """

    def apply(params, tokens, multiplicities=None):
        weights = params["params"]
        strength = jnp.einsum("fhd,fhd->h", weights["query"], weights["key"]) * network.dimension**-0.5
        read = jnp.einsum("fhd,hdo->h", weights["value"], weights["output"])
        if multiplicities is not None and multiplicities[0] is not None:
            read = read * multiplicities[0]
        return _outputs(strength, read, tokens.astype(strength.dtype))

    return apply


@jax.custom_vjp
def _outputs(strength, read, tokens):
    """(a (h,), r (h,), x (n, T)) -> f (n,)."""
    return jax.lax.map(lambda row: _mean(strength * row[-1], row)[0] @ read, tokens)


def _mean(slope, row):
    """Mean and variance (h,) of the tokens x (T,) under weights exp(s x_t), s (h,)."""
    largest = jnp.maximum(slope * row.max(), slope * row.min())
    shares = jnp.exp(slope * row[:, None] - largest)
    powers = jnp.stack([jnp.ones_like(row), row, row**2])
    total, first, second = jnp.matmul(powers, shares, precision="highest")
    mean = first / total
    return mean, second / total - mean**2


def _forward(strength, read, tokens):
    mean, variance = jax.lax.map(lambda row: _mean(strength * row[-1], row), tokens)
    return mean @ read, (read, tokens[:, -1], mean, variance)


def _backward(kept, errors):
    read, last, mean, variance = kept
    return read * ((errors * last) @ variance), errors @ mean, None


_outputs.defvjp(_forward, _backward)
