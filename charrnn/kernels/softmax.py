"""Softmax with cross-entropy: what each character cost, and the gradient of the logits.

p_k = exp(l_k) / sum_j exp(l_j)        nll = -log p_target        dnll/dl = p - onehot(target)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from charrnn.kernels.arrays import Array, Workspace


class SoftmaxCache(NamedTuple):
    """What the backward function needs."""

    probabilities: Array  # (M, V)
    targets: Array  # (..., ) codes


def softmax_cross_entropy_forward(
    logits: Array, targets: Array, *, workspace: Workspace | None = None
) -> tuple[Array, SoftmaxCache]:
    """Negative log-likelihood of each target under softmax(logits).

    Args:
        logits: (..., V), unnormalised log-probabilities.
        targets: (...) integer codes in [0, V).

    Returns:
        nll_nats: (...), in nats.
        cache: for the backward function.
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
    np.subtract(rows, row_max, out=p)  # the largest is 0, so that exp cannot overflow
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
    """Gradient of scale * sum(nll_nats) with respect to the logits.

    Args:
        cache: from the forward function; left as it was.
        scale: the weight of each character: 1 / their number for the mean.

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
    """Positions of the targets' entries in the flattened (M, V) rows."""
    return np.arange(targets.size) * V + targets.reshape(-1)  # (M,)
