"""Softmax with cross-entropy: the loss of each token, and the gradient of the logits.

p_k = exp(l_k) / sum_j exp(l_j)        nll = -log p_target        dnll/dl = p - onehot(target)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from charrnn.kernels.arrays import Array, Workspace


class SoftmaxCache(NamedTuple):
    """The argument of the backward function."""

    probabilities: Array  # (M, V)
    targets: Array  # (...) codes


def softmax_cross_entropy_forward(
    logits: Array, targets: Array, *, workspace: Workspace | None = None
) -> tuple[Array, SoftmaxCache]:
    """Return the negative log-likelihood of each target under softmax(logits).

    Args:
        logits: (..., V), unnormalised log-probabilities.
        targets: (...) integer codes in [0, V).
        workspace: holds temporary arrays and results, until the next call with it.

    Returns:
        nll_nats: (...), in nats.
        cache: the argument of the backward function.
    """
    ws = workspace or Workspace()
    V = logits.shape[-1]
    rows = logits.reshape(-1, V)  # (M, V)
    M = len(rows)
    p = ws.array("probabilities", (M, V), logits.dtype)
    row_max = ws.array("row_max", (M, 1), logits.dtype)
    total = ws.array("total", (M, 1), logits.dtype)
    nll_nats = ws.array("nll_nats", (M,), logits.dtype)
    np.maximum.reduce(rows, axis=1, out=row_max, keepdims=True)
    np.subtract(rows, row_max, out=p)  # at most 0, so exp cannot overflow
    picked = p.reshape(-1)[_flat_index(targets, V)]  # (M,)
    np.exp(p, out=p)
    np.add.reduce(p, axis=1, out=total, keepdims=True)
    p /= total
    np.log(total[:, 0], out=nll_nats)
    nll_nats -= picked
    return nll_nats.reshape(targets.shape), SoftmaxCache(p, targets)


def softmax_cross_entropy_backward(
    cache: SoftmaxCache, scale: float = 1.0, *, workspace: Workspace | None = None
) -> Array:
    """Return the gradient of scale * sum(nll_nats) with respect to the logits.

    Args:
        cache: the result of the forward function.
        scale: the weight of each token in the loss; for the mean, 1 / the number of tokens.
        workspace: holds the result, until the next call with it.

    Returns:
        dlogits: (..., V).
    """
    p, targets = cache
    ws = workspace or Workspace()
    V = p.shape[1]
    dlogits = ws.array("dlogits", p.shape, p.dtype)  # (M, V)
    np.multiply(p, scale, out=dlogits)
    dlogits.reshape(-1)[_flat_index(targets, V)] -= scale
    return dlogits.reshape(*targets.shape, V)


def _flat_index(targets: Array, V: int) -> Array:
    """Return the index of each target's entry in the flattened rows (M, V)."""
    return np.arange(targets.size) * V + targets.reshape(-1)  # (M,)
