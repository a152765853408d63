"""The vanilla (Elman) recurrent network.

    a_t = x_t Wx + h_{t-1} Wh + b
    h_t = tanh(a_t)

and backwards, with dh_t the gradient that reaches h_t from above and from step t + 1:

    da_t     = dh_t * (1 - h_t^2)
    dh_{t-1} = da_t Wh^T
    dWx = sum_t x_t^T da_t        dWh = sum_t h_{t-1}^T da_t        db = sum_t da_t

From step t back to step 0 the gradient passes t times through Wh^T: it vanishes or explodes with
the powers of Wh's singular values (Pascanu, Mikolov and Bengio 2013).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from charrnn.kernels.arrays import Array, Workspace
from charrnn.kernels.cell import Cell
from charrnn.kernels.projection import (
    projection_backward,
    projection_forward,
    weight_gradient,
)


class RNNStepCache(NamedTuple):
    x: Array  # (N, D), or codes (N,)
    prev_h: Array  # (N, H)
    next_h: Array  # (N, H)
    Wx: Array
    Wh: Array


def rnn_step_forward(
    x: Array, prev_h: Array, Wx: Array, Wh: Array, b: Array
) -> tuple[Array, RNNStepCache]:
    """One step.

    Args:
        x: (N, D) features, or (N,) codes that stand for one-hot rows.
        prev_h: (N, H).
        Wx: (D, H).
        Wh: (H, H).
        b: (H,).

    Returns:
        next_h: (N, H).
        cache: for the backward step.
    """
    next_h = np.tanh(projection_forward(x, Wx, b) + prev_h @ Wh)  # (N, H)
    return next_h, RNNStepCache(x, prev_h, next_h, Wx, Wh)


def rnn_step_backward(
    dnext_h: Array, cache: RNNStepCache
) -> tuple[Array | None, Array, Array, Array, Array]:
    """Gradients of one step.

    Args:
        dnext_h: (N, H).
        cache: from the forward step.

    Returns:
        dx (None for codes), dprev_h, dWx, dWh, db, of their originals' shapes.
    """
    x, prev_h, next_h, Wx, Wh = cache
    da = dnext_h * (1 - next_h**2)  # (N, H)
    dx, dWx, db = projection_backward(da, x, Wx)
    return dx, da @ Wh.T, dWx, prev_h.T @ da, db


def rnn_gates_forward(ax: Array, ah: Array, h: Array) -> None:
    """Write h = tanh(ax + ah) for one step; all (N, H)."""
    np.add(ax, ah, out=h)
    np.tanh(h, out=h)


def rnn_gates_backward(dh: Array, h: Array, da: Array) -> None:
    """Write da = dh * (1 - h^2) for one step; all (N, H)."""
    np.multiply(h, h, out=da)
    np.subtract(1, da, out=da)
    da *= dh


class RNNCache(NamedTuple):
    x: Array  # (T, N, D), or codes (T, N)
    h: Array  # (T + 1, N, H), h0 first
    Wx: Array
    Wh: Array


def rnn_forward(
    x: Array,
    h0: Array,
    Wx: Array,
    Wh: Array,
    b: Array,
    *,
    workspace: Workspace | None = None,
    gates: Callable[..., None] = rnn_gates_forward,
) -> tuple[Array, RNNCache]:
    """All steps of a window: the product with Wx once, before the loop.

    Args:
        x: (T, N, D) features, or (T, N) codes that stand for one-hot rows.
        h0: (N, H), the state before the first step.
        Wx, Wh, b: (D, H), (H, H), (H,).
        workspace, gates: see `Cell`.

    Returns:
        h: (T, N, H).
        cache: for the backward function.
    """
    ws = workspace or Workspace()
    T, (N, H) = len(x), h0.shape
    ax = projection_forward(x, Wx, b, workspace=ws)  # (T, N, H)
    ah = ws.array("ah", (N, H), Wh.dtype)
    h = ws.array("h", (T + 1, N, H), Wh.dtype)
    h[0] = h0
    for t in range(T):
        np.matmul(h[t], Wh, out=ah)
        gates(ax[t], ah, h[t + 1])
    return h[1:], RNNCache(x, h, Wx, Wh)


def rnn_backward(
    dh: Array,
    cache: RNNCache,
    *,
    dlast: tuple[Array] | None = None,
    workspace: Workspace | None = None,
    grads: tuple[Array, Array, Array] | None = None,
    need_dx: bool = True,
    gates: Callable[..., None] = rnn_gates_backward,
) -> tuple[Array | None, Array, Array, Array, Array]:
    """Gradients of a window: the weights' as one product each, after the loop.

    Args:
        dh: (T, N, H), the gradient of every step's output.
        cache: from the forward function; left as it was.
        dlast: (dh_T,) of (N, H), a further gradient of the last state; see `Cell`.
        workspace, grads, need_dx, gates: see `Cell`.

    Returns:
        dx (T, N, D) or None, dh0 (N, H), dWx, dWh, db.
    """
    x, h, Wx, Wh = cache
    ws = workspace or Workspace()
    T, N, H = dh.shape
    dWx, dWh, db = grads or RNN.gradient_arrays(len(Wx), H, ws, Wh.dtype)
    da = ws.array("da", (T, N, H), Wh.dtype)
    dh_t = ws.array("dh_t", (N, H), Wh.dtype)
    dh0 = ws.array("dh0", (N, H), Wh.dtype)  # carried from step t + 1 to step t
    dh0[...] = dlast[0] if dlast else 0
    Wh_T = ws.array("Wh_T", (H, H), Wh.dtype)
    Wh_T[...] = Wh.T
    for t in reversed(range(T)):
        np.add(dh[t], dh0, out=dh_t)
        gates(dh_t, h[t + 1], da[t])
        np.matmul(da[t], Wh_T, out=dh0)
    weight_gradient(h[:-1].reshape(T * N, H), da.reshape(T * N, H), dWh, workspace=ws)
    dx, _, _ = projection_backward(da, x, Wx, workspace=ws, grads=(dWx, db), need_dx=need_dx)
    return dx, dh0, dWx, dWh, db


RNN = Cell(
    name="rnn",
    gates=("h",),
    states=("h",),
    parameters={"Wx": ("D", "G"), "Wh": ("H", "G"), "b": ("G",)},
    step_forward=rnn_step_forward,
    step_backward=rnn_step_backward,
    forward=rnn_forward,
    backward=rnn_backward,
    gates_forward=rnn_gates_forward,
    gates_backward=rnn_gates_backward,
    h_mean_square=0.5,
)
