"""Compiled twins of the softmax with cross-entropy, of `scatter_rows` and of Adam's updates."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from charrnn.backends.jit import compiled_entry_point, compiled_helper
from charrnn.kernels import Array, Workspace
from charrnn.kernels.optimizers import OptState
from charrnn.kernels.softmax import SoftmaxCache

_float = np.float32
_ZERO, _ONE = _float(0), _float(1)


@compiled_helper
def exp(x: float) -> float:
    """Return exp(x) for x <= 0, with a relative error of 2e-7; for x < -87, exp(-87), about 1e-38.

    The result is 2^n exp(r) for an integer n and |r| <= ln(2) / 2, with a Taylor polynomial for
    exp(r).
    """
    x = _float(-87.0) if x < _float(-87.0) else x  # in this form, NaN stays NaN
    n = np.floor(x * _float(1.44269504088896341) + _float(0.5))
    r = (x - n * _float(0.693359375)) - n * _float(-2.12194440e-4)
    y = _float(1 / 5040)
    y = y * r + _float(1 / 720)
    y = y * r + _float(1 / 120)
    y = y * r + _float(1 / 24)
    y = y * r + _float(1 / 6)
    y = y * r + _float(1 / 2)
    y = y * r + _ONE
    y = y * r + _ONE
    two_to_n: float = np.int32((np.int32(n) + 127) << 23).view(np.float32)
    result: float = y * two_to_n
    return result


def softmax_cross_entropy_forward(
    logits: Array, targets: Array, *, workspace: Workspace | None = None
) -> tuple[Array, SoftmaxCache]:
    """The twin of the function of the same name in `charrnn.kernels`."""
    ws = workspace or Workspace()
    V = logits.shape[-1]
    p = ws.array("probabilities", (targets.size, V), logits.dtype)
    nll_nats = ws.array("nll_nats", (targets.size,), logits.dtype)
    _softmax(logits.reshape(-1, V), targets.reshape(-1), p, nll_nats)
    return nll_nats.reshape(targets.shape), SoftmaxCache(p, targets)


@compiled_entry_point
def _softmax(logits: Array, targets: Array, p: Array, nll_nats: Array) -> None:
    for m in range(len(logits)):
        row, p_row = logits[m], p[m]
        largest = row[0]
        for k in range(len(row)):
            largest = row[k] if largest < row[k] else largest
        total = _float(0)
        for k in range(len(row)):
            p_row[k] = exp(row[k] - largest)
            total += p_row[k]
        for k in range(len(row)):
            p_row[k] /= total
        nll_nats[m] = np.log(total) - (row[targets[m]] - largest)


def softmax_cross_entropy_backward(
    cache: SoftmaxCache, scale: float = 1.0, *, workspace: Workspace | None = None
) -> Array:
    """The twin of the function of the same name in `charrnn.kernels`."""
    p, targets = cache
    ws = workspace or Workspace()
    dlogits = ws.array("dlogits", p.shape, p.dtype)
    _softmax_backward(p, targets.reshape(-1), _float(scale), dlogits)
    return dlogits.reshape(*targets.shape, p.shape[1])


@compiled_entry_point
def _softmax_backward(p: Array, targets: Array, scale: float, dlogits: Array) -> None:
    for m in range(len(p)):
        for k in range(p.shape[1]):
            dlogits[m, k] = p[m, k] * scale
        dlogits[m, targets[m]] -= scale


def scatter_rows(rows: Array, codes: Array, sums: Array, workspace: Workspace) -> None:  # noqa: ARG001
    """The twin of the function of the same name in `charrnn.kernels.embedding`."""
    _scatter_rows(rows, codes, sums)


@compiled_entry_point
def _scatter_rows(rows: Array, codes: Array, sums: Array) -> None:
    sums[:] = 0
    for m in range(len(rows)):
        row, sum_ = rows[m], sums[codes[m]]
        for k in range(len(row)):
            sum_[k] += row[k]


def adam(
    p: Array,
    g: Array,
    state: OptState,
    learning_rate: float,
    t: int,
    scratch: Array,  # noqa: ARG001
    *,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> None:
    """The twin of Adam's update in `charrnn.kernels.optimizers`."""
    m, v = state
    _adam(p, g, m, v, *_constants(learning_rate, t, beta1, beta2, epsilon))


def cautious_adam(
    p: Array,
    g: Array,
    state: OptState,
    learning_rate: float,
    t: int,
    scratch: Array,  # noqa: ARG001
    *,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> None:
    """The twin of the cautious update in `charrnn.kernels.optimizers`."""
    m, v = state
    _cautious_adam(p, g, m, v, *_constants(learning_rate, t, beta1, beta2, epsilon))


def _constants(
    learning_rate: float, t: int, beta1: float, beta2: float, epsilon: float
) -> tuple[Any, ...]:
    """Return the factors of the means, the rate corrected for their bias, and epsilon."""
    root = math.sqrt(1 - beta2**t)
    rate = learning_rate * root / (1 - beta1**t)
    constants = (beta1, 1 - beta1, beta2, 1 - beta2, rate, epsilon * root)
    return tuple(np.float32(constant) for constant in constants)


@compiled_entry_point
def _adam(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    beta1: float,
    rest1: float,
    beta2: float,
    rest2: float,
    rate: float,
    epsilon: float,
) -> None:
    for k in range(len(p)):
        m[k] = beta1 * m[k] + rest1 * g[k]
        v[k] = beta2 * v[k] + rest2 * g[k] * g[k]
        p[k] -= rate * m[k] / (np.sqrt(v[k]) + epsilon)


@compiled_entry_point
def _cautious_adam(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    beta1: float,
    rest1: float,
    beta2: float,
    rest2: float,
    rate: float,
    epsilon: float,
) -> None:
    agreed = 0
    for k in range(len(p)):
        m[k] = beta1 * m[k] + rest1 * g[k]
        v[k] = beta2 * v[k] + rest2 * g[k] * g[k]
        agreed += m[k] * g[k] > _ZERO
    rate *= _float(len(p) / max(1, agreed))
    for k in range(len(p)):
        moved = m[k] if m[k] * g[k] > _ZERO else _ZERO
        p[k] -= rate * moved / (np.sqrt(v[k]) + epsilon)
