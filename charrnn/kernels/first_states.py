"""The states before the first step, from the features of each sequence: s = tanh(x W + b).

The gradients, where the rows of x and s are the sequences:

    da = ds (1 - s^2)        dW = x^T da        db = sum of the rows of da
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from charrnn.kernels.arrays import Array


class FirstStatesCache(NamedTuple):
    x: Array  # (N, F)
    s: Array  # (N, K)


def first_states_forward(x: Array, W: Array, b: Array) -> tuple[Array, FirstStatesCache]:
    """Return the states s = tanh(x W + b), side by side.

    Args:
        x: (N, F), the features of each sequence.
        W, b: (F, K), (K,), where K is H for each state of each layer.

    Returns:
        s: (N, K).
        cache: the argument of the backward function.
    """
    s = x @ W  # (N, K)
    s += b
    np.tanh(s, out=s)
    return s, FirstStatesCache(x, s)


def first_states_backward(
    ds: Array, cache: FirstStatesCache, *, grads: tuple[Array, Array] | None = None
) -> tuple[Array, Array]:
    """Return the gradients of `first_states_forward`.

    Args:
        ds: (N, K), the gradient of the states.
        cache: the result of the forward function.
        grads: (dW, db), the arrays to write into.

    Returns:
        dW: (F, K).
        db: (K,).
    """
    x, s = cache
    dW, db = grads or (np.empty((x.shape[1], s.shape[1]), s.dtype), np.empty_like(s[0]))
    da = ds * (1 - s * s)  # (N, K)
    np.matmul(x.T, da, out=dW)
    np.add.reduce(da, axis=0, out=db)
    return dW, db
