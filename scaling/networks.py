"""Flax modules of the paper's experiments, with the initialisation of its PyTorch code; their units may carry weights.

A unit of multiplicity c stands for c equal units of a wider network: its output is counted c times. Every module takes
`multiplicities`, one vector for each of its `layers`, in the order of `layers`; scaling.units makes them.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn

from scaling.units import Layer

ACTIVATIONS: dict[str, Callable] = {"relu": jax.nn.relu, "tanh": jnp.tanh, "gelu": jax.nn.gelu, "sine": jnp.sin}


def uniform_fan_in(fan_in: int) -> Callable:
    """Initialiser U(-1/sqrt(fan_in), 1/sqrt(fan_in)), PyTorch's default for both weights and biases of a linear layer.

    Values are drawn in float32 whatever the parameter's type, so that float32 and float64 networks start alike.
    """
    bound = fan_in**-0.5

    def draw(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, jnp.float32, -bound, bound).astype(dtype)

    return draw


def hidden_layer(index: int) -> Layer:
    """Hidden layer `index`, from 0, of TwoLayer and MLP; its objects are (incoming weights, bias, outgoing weights)."""
    before, after = (("params", f"Dense_{i}") for i in (index, index + 1))
    return Layer(incoming=(((*before, "kernel"), 1), ((*before, "bias"), 0)), outgoing=(((*after, "kernel"), 0),))


def _perceptron(widths, activation, dtype, inputs, multiplicities, outputs=1):
    """A dense layer with activation for each width, then a linear one: (n, m) -> (n,), or (n, outputs) of several."""

    def dense(features, fan_in):
        start = uniform_fan_in(fan_in)
        return nn.Dense(features, kernel_init=start, bias_init=start, dtype=dtype, param_dtype=dtype)

    hidden = inputs
    for i, width in enumerate(widths):
        hidden = ACTIVATIONS[activation](dense(width, hidden.shape[-1])(hidden))
        if multiplicities is not None and multiplicities[i] is not None:
            hidden = hidden * multiplicities[i]
    found = dense(outputs, hidden.shape[-1])(hidden)
    return found[..., 0] if outputs == 1 else found


class TwoLayer(nn.Module):
    """f(x) = a + sum_j c_j v_j s(W_j x + b_j): the two-layer network of Figs. 3, 4 and 5 of arXiv 2510.00504.

    Attributes:
        width: number of hidden units.
        activation: s, a name in `ACTIVATIONS`.
        dtype: float32 or float64, of parameters and of the computation.
        outputs: how many; a network of one returns no axis for it.
    """

    width: int
    activation: str = "relu"
    dtype: str = "float32"
    outputs: int = 1

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The one layer whose units carry multiplicities."""
        return (hidden_layer(0),)

    @nn.compact
    def __call__(self, inputs, multiplicities: Sequence[jax.Array | None] | None = None):
        """inputs (n, m) -> outputs (n,), or (n, outputs) of several; multiplicities: (c,) with c (width,), or None."""
        return _perceptron((self.width,), self.activation, self.dtype, inputs, multiplicities, self.outputs)


class MLP(nn.Module):
    """Dense layers with an activation, then one linear output; the units of every hidden layer carry multiplicities.

    Attributes:
        widths: number of units of each hidden layer.
        activation: a name in `ACTIVATIONS`.
        dtype: float32 or float64, of parameters and of the computation.
    """

    widths: tuple[int, ...]
    activation: str = "relu"
    dtype: str = "float32"

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The hidden layers, first to last."""
        return tuple(hidden_layer(i) for i in range(len(self.widths)))

    @nn.compact
    def __call__(self, inputs, multiplicities: Sequence[jax.Array | None] | None = None):
        """inputs (n, m) -> outputs (n,); multiplicities: a vector (width,) or None for each hidden layer."""
        return _perceptron(self.widths, self.activation, self.dtype, inputs, multiplicities)


class MultiHeadAttention(nn.Module):
    """One layer of softmax attention without biases, read at the last token (Fig. 7 of arXiv 2510.00504).

        f(x) = sum_h c_h softmax_t(x_T Q_h (x_t K_h)^T / sqrt(dimension)) x_t V_h O_h

    The last token attends to all, so a causal mask changes nothing. Keys and values are never formed: scores are
    ((x_T Q_h) K_h^T) x_t and the mean token is taken before V_h, which is cheap for tokens of few features.

    Attributes:
        heads: number of heads.
        dimension: of queries, keys and values of one head.
        dtype: float32 or float64, of parameters and of the computation.
    """

    heads: int
    dimension: int = 2
    dtype: str = "float32"

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The heads; their objects are (query, key, value, output), each flattened."""
        inner = tuple((("params", name), 1) for name in ("query", "key", "value"))
        return (Layer(incoming=inner, outgoing=((("params", "output"), 0),)),)

    @nn.compact
    def __call__(self, tokens, multiplicities: Sequence[jax.Array | None] | None = None):
        """tokens (n, T, features) -> outputs (n,); multiplicities: (c,) with c (heads,), or None for ones."""
        features, tokens = tokens.shape[-1], tokens.astype(self.dtype)
        inner = (features, self.heads, self.dimension)
        query, key, value = (
            self.param(name, uniform_fan_in(features), inner, self.dtype) for name in ("query", "key", "value")
        )
        fan_in = self.heads * self.dimension
        output = self.param("output", uniform_fan_in(fan_in), (self.heads, self.dimension, 1), self.dtype)
        asked = jnp.einsum("nf,fhd->nhd", tokens[:, -1], query)
        scores = jnp.einsum("nhf,ntf->nht", jnp.einsum("nhd,fhd->nhf", asked, key), tokens)
        seen = jnp.einsum("nht,ntf->nhf", jax.nn.softmax(scores * self.dimension**-0.5, axis=-1), tokens)
        read = jnp.einsum("fhd,hdo->hfo", value, output)[..., 0]
        if multiplicities is not None and multiplicities[0] is not None:
            read = read * multiplicities[0][:, None]
        return jnp.einsum("nhf,hf->n", seen, read)
