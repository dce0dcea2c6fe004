"""Flax modules of the paper's experiments, with the initialisation of its PyTorch code."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn

ACTIVATIONS: dict[str, Callable] = {"relu": jax.nn.relu, "tanh": jnp.tanh, "gelu": jax.nn.gelu, "sine": jnp.sin}


def uniform_fan_in(fan_in: int) -> Callable:
    """Initialiser U(-1/sqrt(fan_in), 1/sqrt(fan_in)), PyTorch's default for both weights and biases of a linear layer.

    Values are drawn in float32 whatever the parameter's type, so that float32 and float64 networks start alike.
    """
    bound = fan_in**-0.5

    def draw(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, jnp.float32, -bound, bound).astype(dtype)

    return draw


class TwoLayer(nn.Module):
    """f(x) = a + sum_j v_j s(W_j x + b_j): the two-layer network of Figs. 3, 4 and 5 of arXiv 2510.00504.

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

    @nn.compact
    def __call__(self, inputs):
        """inputs (n, m) -> outputs (n,), or (n, outputs) of several."""

        def layer(features, fan_in):
            start = uniform_fan_in(fan_in)
            return nn.Dense(features, kernel_init=start, bias_init=start, dtype=self.dtype, param_dtype=self.dtype)

        hidden = ACTIVATIONS[self.activation](layer(self.width, inputs.shape[-1])(inputs))
        found = layer(self.outputs, self.width)(hidden)
        return found[..., 0] if self.outputs == 1 else found
