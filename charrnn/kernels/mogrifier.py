"""Mogrifier LSTM (Melis, Kocisky and Blunsom 2020), in the variant where the input gates h once.

`charrnn.kernels.cell` explains the forms below, `charrnn.kernels.lstm` the gates i, f, o and g.

    a_t = x_t Wx + b                           five blocks of width H: i, f, o, g, m
    m   = 2 sigmoid(a_m)
    [a_i a_f a_o a_g] += (m * h_{t-1}) Wh      the rest as in the LSTM

and backward, where dmh is the gradient of m * h_{t-1}:

    dmh      = [da_i da_f da_o da_g] Wh^T
    da_m     = dmh * h_{t-1} * m (1 - m / 2)
    dh_{t-1} = dmh * m

The recurrent matrix of a step is thus diag(m) Wh: each input selects the units of the state that
the gates read, and how strongly. The paper has several rounds, in which the input gates the state
and the state gates the input in turn. This gate alone needs no further product in the loop, because
m depends on x alone: its product is part of x Wx. Its weights start at 0, where m is 1, so a new
network computes what the LSTM of the same seed computes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from charrnn.kernels.arrays import Array, Workspace
from charrnn.kernels.cell import Cell, Loops, numpy_loops
from charrnn.kernels.gatewise import gatewise_projection
from charrnn.kernels.lstm import (
    lstm_gates_backward,
    lstm_gates_forward,
    lstm_step_backward,
    lstm_step_forward,
    sigmoid,
)
from charrnn.kernels.projection import projection_backward, projection_forward


def mogrifier_step_forward(
    x: Array, prev_h: Array, prev_c: Array, Wx: Array, Wh: Array, b: Array
) -> tuple[Array, Array, tuple[Any, ...]]:
    """Return the states after one step, which is a step of the LSTM from m * h.

    Args:
        x: (N, D) features, or (N,) codes that stand for one-hot rows.
        prev_h, prev_c: (N, H).
        Wx, Wh, b: (D, 5H), (H, 4H), (5H,).

    Returns:
        next_h, next_c: (N, H).
        cache: the argument of the backward step.
    """
    G = Wh.shape[1]  # 4H
    m = 2 * sigmoid(projection_forward(x, Wx[:, G:], b[G:]))  # (N, H)
    next_h, next_c, cache = lstm_step_forward(x, m * prev_h, prev_c, Wx[:, :G], Wh, b[:G])
    return next_h, next_c, (x, prev_h, m, Wx[:, G:], cache)


def mogrifier_step_backward(
    dnext_h: Array, dnext_c: Array, cache: tuple[Any, ...]
) -> tuple[Array | None, Array, Array, Array, Array, Array]:
    """Return the gradients of one step.

    Args:
        dnext_h, dnext_c: (N, H).
        cache: the result of the forward step.

    Returns:
        dx (None for codes), dprev_h, dprev_c, dWx, dWh, db, each of the shape of its argument.
    """
    x, prev_h, m, Wx_m, lstm_cache = cache
    dx, dmh, dprev_c, dWx, dWh, db = lstm_step_backward(dnext_h, dnext_c, lstm_cache)
    da_m = dmh * prev_h * m * (1 - m / 2)  # (N, H)
    dx_m, dWx_m, db_m = projection_backward(da_m, x, Wx_m)
    dx = None if dx is None or dx_m is None else dx + dx_m
    dWx = np.concatenate((dWx, dWx_m), axis=1)  # (D, 5H)
    return dx, dmh * m, dprev_c, dWx, dWh, np.concatenate((db, db_m))


def mogrify_forward(a: Array, prev_h: Array, mh: Array) -> None:
    """Write the gate m and the gated state of one step.

    Args:
        a: (N, 5H), whose block m is overwritten with the gate.
        prev_h: (N, H).
        mh: (N, H), written: m * prev_h.
    """
    m = a[:, 4 * mh.shape[1] :]
    m *= 0.5  # 2 sigmoid(a) = tanh(a / 2) + 1
    np.tanh(m, out=m)
    m += 1
    np.multiply(m, prev_h, out=mh)


def mogrify_backward(dh: Array, gates: Array, prev_h: Array, da: Array) -> None:
    """Write the gradients of the pre-activation of m and of h_{t-1} for one step.

    Args:
        dh: (N, H), the gradient of m * h_{t-1}; overwritten with that of h_{t-1}.
        gates: (N, 5H): i, f, o, g, m.
        prev_h: (N, H).
        da: (N, 5H), whose block m is written.
    """
    H = dh.shape[1]
    m, da_m = gates[:, 4 * H :], da[:, 4 * H :]
    np.multiply(m, -0.5, out=da_m)
    da_m += 1
    da_m *= prev_h
    dh *= m
    da_m *= dh


def mogrifier_forward_loop(
    mogrify: Callable[..., None],
    product: Callable[..., object],
    gates: Callable[..., None],
    a: Array,
    ah: Array,
    mh: Array,
    h: Array,
    c: Array,
    tanh_c: Array,
    Wh: Array,
) -> None:
    """Run the steps in order: m * h, its product, the gates; arrays as in `MogrifierCache`."""
    for t in range(len(a)):
        mogrify(a[t], h[t], mh[t])
        product(mh[t], Wh, ah)
        gates(a[t], ah, c[t], c[t + 1], tanh_c[t], h[t + 1])


def mogrifier_backward_loop(
    mogrify: Callable[..., None],
    product: Callable[..., object],
    gates: Callable[..., None],
    dh: Array,
    dh0: Array,
    dc0: Array,
    ifogm: Array,
    h: Array,
    c: Array,
    tanh_c: Array,
    da: Array,
    Wh_T: Array,
) -> None:
    """Run the steps from last to first; dh0 and dc0 carry gradients from t + 1 to t."""
    for t in range(len(da) - 1, -1, -1):
        gates(dh[t], dh0, dc0, ifogm[t], c[t], tanh_c[t], da[t])
        product(da[t], Wh_T, dh0)
        mogrify(dh0, ifogm[t], h[t], da[t])


MOGRIFIER_LOOPS = numpy_loops(
    partial(mogrifier_forward_loop, mogrify_forward),
    lstm_gates_forward,
    partial(mogrifier_backward_loop, mogrify_backward),
    lstm_gates_backward,
)


class MogrifierCache(NamedTuple):
    x: Array  # (T, N, D), or codes (T, N)
    h: Array  # (T + 1, N, H), h0 first
    c: Array  # (T + 1, N, H), c0 first
    gates: Array  # (T, N, 5H): i, f, o, g, m
    mh: Array  # (T, N, H), m * h of the step before
    tanh_c: Array  # (T, N, H)
    Wx: Array
    Wh: Array


def mogrifier_forward(
    x: Array,
    h0: Array,
    c0: Array,
    Wx: Array,
    Wh: Array,
    b: Array,
    *,
    workspace: Workspace | None = None,
    loops: Loops = MOGRIFIER_LOOPS,
) -> tuple[Array, Array, MogrifierCache]:
    """Return the states after every step of a window; x Wx is one product, before the loop.

    Args:
        x: (T, N, D) features, or (T, N) codes that stand for one-hot rows.
        h0, c0: (N, H), the states before the first step.
        Wx, Wh, b: (D, 5H), (H, 4H), (5H,).
        workspace, loops: see `charrnn.kernels.Cell`.

    Returns:
        h, c: (T, N, H).
        cache: the argument of the backward function.

    >>> import numpy as np
    >>> from charrnn.kernels import mogrifier_forward
    >>> x, h0, c0 = np.zeros((3, 2, 5)), np.zeros((2, 4)), np.zeros((2, 4))  # T, N, D = 3, 2, 5
    >>> Wx, Wh, b = np.zeros((5, 20)), np.zeros((4, 16)), np.zeros(20)
    >>> h, c, cache = mogrifier_forward(x, h0, c0, Wx, Wh, b)
    >>> h.shape, c.shape
    ((3, 2, 4), (3, 2, 4))
    """
    ws = workspace or Workspace()
    T, (N, H) = len(x), h0.shape
    a = projection_forward(x, Wx, b, workspace=ws)  # (T, N, 5H), gates after the loop
    ah = ws.array("ah", (N, 4 * H), Wh.dtype)
    mh = ws.array("mh", (T, N, H), Wh.dtype)
    h = ws.array("h", (T + 1, N, H), Wh.dtype)
    c = ws.array("c", (T + 1, N, H), Wh.dtype)
    tanh_c = ws.array("tanh_c", (T, N, H), Wh.dtype)
    h[0] = h0
    c[0] = c0
    loops.forward(a, ah, mh, h, c, tanh_c, loops.pack(Wh, ws, "Wh_packed"))
    return h[1:], c[1:], MogrifierCache(x, h, c, a, mh, tanh_c, Wx, Wh)


def mogrifier_backward(
    dh: Array,
    cache: MogrifierCache,
    *,
    dlast: tuple[Array, Array] | None = None,
    workspace: Workspace | None = None,
    grads: tuple[Array, Array, Array] | None = None,
    need_dx: bool = True,
    loops: Loops = MOGRIFIER_LOOPS,
) -> tuple[Array | None, Array, Array, Array, Array, Array]:
    """Return the gradients of a window; each weight gradient is one product, after the loop.

    Args:
        dh: (T, N, H), the gradient of every step's output.
        cache: the result of the forward function.
        dlast: (dh_T, dc_T) of (N, H), additional gradients of the last states.
        workspace, grads, need_dx, loops: see `charrnn.kernels.Cell`.

    Returns:
        dx (T, N, D) or None, dh0 and dc0 (N, H), dWx, dWh, db.

    >>> import numpy as np
    >>> from charrnn.kernels import mogrifier_backward, mogrifier_forward
    >>> x, h0, c0 = np.zeros((3, 2, 5)), np.zeros((2, 4)), np.zeros((2, 4))  # T, N, D = 3, 2, 5
    >>> Wx, Wh, b = np.zeros((5, 20)), np.zeros((4, 16)), np.zeros(20)
    >>> *_, cache = mogrifier_forward(x, h0, c0, Wx, Wh, b)
    >>> dx, dh0, dc0, dWx, dWh, db = mogrifier_backward(np.ones((3, 2, 4)), cache)
    >>> dx.shape, dWx.shape, dc0[0]
    ((3, 2, 5), (5, 20), array([0.4375, 0.4375, 0.4375, 0.4375]))
    """
    x, h, c, ifogm, mh, tanh_c, Wx, Wh = cache
    ws = workspace or Workspace()
    T, N, H = dh.shape
    dWx, dWh, db = grads or MOGRIFIER.gradient_arrays(len(Wx), H, ws, Wh.dtype)
    da = ws.array("da", (T, N, 5 * H), Wh.dtype)
    dh0 = ws.array("dh0", (N, H), Wh.dtype)
    dc0 = ws.array("dc0", (N, H), Wh.dtype)
    dh0[...], dc0[...] = dlast or (0, 0)
    Wh_T = loops.pack(Wh.T, ws, "Wh_T_packed")
    loops.backward(dh, dh0, dc0, ifogm, h, c, tanh_c, da, Wh_T)
    da_ifog = da.reshape(T * N, 5 * H)[:, : 4 * H]
    np.matmul(mh.reshape(T * N, H).T, da_ifog, out=dWh)
    dx, _, _ = projection_backward(
        da, x, Wx, workspace=ws, grads=(dWx, db), need_dx=need_dx, scatter=loops.scatter
    )
    return dx, dh0, dc0, dWx, dWh, db


def mogrifier_stepper(
    gates_forward: Callable[..., None], h0: Array, c0: Array, Wh: Array
) -> Callable[[Array], Array]:
    """Return a function that computes the next step at each call; see `Cell`.

    Args:
        gates_forward: `lstm_gates_forward`, or its compiled twin; NumPy computes m * h with both.
        h0, c0: (N, H), the states before the first step; each step overwrites them.
        Wh: (H, 4H).

    Returns:
        step: takes the input's part of a as a row (1, 5NH) in gate order, and returns h (N, H).
    """
    h, mh = h0, np.empty_like(h0)  # (N, H)
    h_row, mh_row = h.reshape(1, -1), mh.reshape(1, -1)  # (1, NH), views of h and mh
    c, prev_c, tanh_c = c0.reshape(1, -1), np.empty_like(h_row), np.empty_like(h_row)  # (1, NH)
    recurrent_part = gatewise_projection(Wh, None, *h.shape)

    def step(a: Array) -> Array:
        mogrify_forward(a, h_row, mh_row)
        prev_c[...] = c  # compiled gates are slow if arrays overlap
        gates_forward(a, recurrent_part(mh), prev_c, c, tanh_c, h_row)
        return h

    return step


MOGRIFIER = Cell(
    name="mogrifier",
    gates=("i", "f", "o", "g", "m"),
    states=("h", "c"),
    parameters={"Wx": ("D", "G"), "Wh": ("H", "R"), "b": ("G",)},
    step_forward=mogrifier_step_forward,
    step_backward=mogrifier_step_backward,
    forward=mogrifier_forward,
    backward=mogrifier_backward,
    loops=MOGRIFIER_LOOPS,
    stepper=mogrifier_stepper,
    h_mean_square=0.125,
    bias_init={"f": 1.0},
    input_gates=("m",),
)
