"""Gated recurrent unit (Cho et al. 2014), in the variant of cuDNN and PyTorch.

    ax = x_t Wx + b        ah = h_{t-1} Wh + bh        three blocks of width H: r, z, n
    r, z = sigmoid(ax_r + ah_r), sigmoid(ax_z + ah_z)
    n    = tanh(ax_n + r * ah_n)
    h_t  = (1 - z) * n + z * h_{t-1}

The reset gate acts after the recurrent product, so one product a step is enough. Backwards:

    da_n  = dh_t * (1 - z) * (1 - n^2)
    da_z  = dh_t * (h_{t-1} - n) * z (1 - z)
    da_r  = da_n * ah_n * r (1 - r)
    dax   = da_r, da_z, da_n            dah = da_r, da_z, da_n * r
    dh_{t-1} = dh_t * z + dah Wh^T
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from charrnn.kernels.arrays import Array, Workspace
from charrnn.kernels.cell import Cell, Loops, numpy_loops
from charrnn.kernels.gatewise import gatewise_projection, gatewise_row
from charrnn.kernels.projection import (
    projection_backward,
    projection_forward,
    weight_gradient,
)


class GRUStepCache(NamedTuple):
    x: Array  # (N, D), or codes (N,)
    prev_h: Array  # (N, H)
    gates: tuple[Array, Array, Array]  # r, z, n, each (N, H)
    ah_n: Array  # (N, H)
    Wx: Array
    Wh: Array


def gru_step_forward(
    x: Array, prev_h: Array, Wx: Array, Wh: Array, b: Array, bh: Array
) -> tuple[Array, GRUStepCache]:
    """One step.

    Args:
        x: (N, D) features, or (N,) codes that stand for one-hot rows.
        prev_h: (N, H).
        Wx: (D, 3H).
        Wh: (H, 3H).
        b, bh: (3H,), the biases of the input's and of the recurrent product.

    Returns:
        next_h: (N, H).
        cache: for the backward step.
    """
    ax_r, ax_z, ax_n = np.split(projection_forward(x, Wx, b), 3, axis=1)  # each (N, H)
    ah_r, ah_z, ah_n = np.split(prev_h @ Wh + bh, 3, axis=1)  # each (N, H)
    r = 0.5 * np.tanh(0.5 * (ax_r + ah_r)) + 0.5  # sigmoid, which cannot overflow in this form
    z = 0.5 * np.tanh(0.5 * (ax_z + ah_z)) + 0.5
    n = np.tanh(ax_n + r * ah_n)
    next_h = (1 - z) * n + z * prev_h
    return next_h, GRUStepCache(x, prev_h, (r, z, n), ah_n, Wx, Wh)


def gru_step_backward(
    dnext_h: Array, cache: GRUStepCache
) -> tuple[Array | None, Array, Array, Array, Array, Array]:
    """Gradients of one step.

    Args:
        dnext_h: (N, H).
        cache: from the forward step.

    Returns:
        dx (None for codes), dprev_h, dWx, dWh, db, dbh, of their originals' shapes.
    """
    x, prev_h, (r, z, n), ah_n, Wx, Wh = cache
    da_n = dnext_h * (1 - z) * (1 - n**2)  # (N, H)
    da_z = dnext_h * (prev_h - n) * z * (1 - z)
    da_r = da_n * ah_n * r * (1 - r)
    dax = np.concatenate((da_r, da_z, da_n), axis=1)  # (N, 3H)
    dah = np.concatenate((da_r, da_z, da_n * r), axis=1)  # (N, 3H)
    dx, dWx, db = projection_backward(dax, x, Wx)
    return dx, dnext_h * z + dah @ Wh.T, dWx, prev_h.T @ dah, db, dah.sum(axis=0)


def gru_gates_forward(a: Array, ah: Array, bh: Array, prev_h: Array, ah_n: Array, h: Array) -> None:
    """The element-wise part of one step.

    Args:
        a: (N, 3H), the input's part of the pre-activations; becomes the gates r, z, n.
        ah: (N, 3H), the recurrent part, without its bias; used up.
        bh: (3H,).
        prev_h: (N, H).
        ah_n: (N, H), written: block n of ah + bh, which the backward function needs.
        h: (N, H), written.
    """
    H = h.shape[1]
    rz, (r, z, n) = a[:, : 2 * H], _blocks(a)
    ah += bh
    rz += ah[:, : 2 * H]
    rz *= 0.5  # sigmoid(a) = tanh(a / 2) / 2 + 1/2
    np.tanh(rz, out=rz)
    rz *= 0.5
    rz += 0.5
    ah_n[...] = ah[:, 2 * H :]
    np.multiply(r, ah_n, out=h)  # h serves as scratch until it is known
    n += h
    np.tanh(n, out=n)
    np.subtract(prev_h, n, out=h)
    h *= z
    h += n


def gru_gates_backward(
    dh_t: Array,
    dh: Array,
    past: Array,
    gates: Array,
    prev_h: Array,
    ah_n: Array,
    dax: Array,
    dah: Array,
) -> None:
    """The element-wise part of one step, backwards.

    Args:
        dh_t: (N, H), the gradient of h_t from above.
        dh: (N, H), that from step t + 1 through Wh; used up.
        past: (N, H), that from step t + 1 past Wh, by way of z; becomes that for step t - 1.
        gates: (N, 3H): r, z, n.
        prev_h, ah_n: (N, H).
        dax, dah: (N, 3H), written.
    """
    H = dh.shape[1]
    rz, (r, z, n) = gates[:, : 2 * H], _blocks(gates)
    dax_rz, (da_r, da_z, da_n) = dax[:, : 2 * H], _blocks(dax)
    dh += dh_t
    dh += past
    dah_rz, dah_n = dah[:, : 2 * H], dah[:, 2 * H :]
    np.subtract(1, rz, out=dax_rz)
    np.multiply(n, n, out=dah_n)  # dah_n serves as scratch
    np.subtract(1, dah_n, out=dah_n)
    np.multiply(dh, da_z, out=da_n)
    da_n *= dah_n
    dax_rz *= rz
    np.subtract(prev_h, n, out=dah_n)
    dah_n *= dh
    da_z *= dah_n
    da_r *= da_n
    da_r *= ah_n
    dah_rz[...] = dax_rz
    np.multiply(da_n, r, out=dah_n)
    np.multiply(dh, z, out=past)


def _blocks(a: Array) -> tuple[Array, Array, Array]:
    """The three (N, H) blocks of an (N, 3H) array, as views."""
    H = a.shape[1] // 3
    return a[:, :H], a[:, H : 2 * H], a[:, 2 * H :]


def gru_forward_loop(
    product: Callable[..., object],
    gates: Callable[..., None],
    a: Array,
    ah: Array,
    bh: Array,
    h: Array,
    ah_n: Array,
    Wh: Array,
) -> None:
    """The steps in order: the recurrent product, then the gates; arrays as in `GRUCache`."""
    for t in range(len(a)):
        product(h[t], Wh, ah)
        gates(a[t], ah, bh, h[t], ah_n[t], h[t + 1])


def gru_backward_loop(
    product: Callable[..., object],
    gates: Callable[..., None],
    dh: Array,
    dh0: Array,
    past: Array,
    rzn: Array,
    h: Array,
    ah_n: Array,
    dax: Array,
    dah: Array,
    Wh_T: Array,
) -> None:
    """The steps from the last to the first; dh0 and past are carried from step t + 1 to step t."""
    for t in range(len(dah) - 1, -1, -1):
        gates(dh[t], dh0, past, rzn[t], h[t], ah_n[t], dax[t], dah[t])
        product(dah[t], Wh_T, dh0)


GRU_LOOPS = numpy_loops(gru_forward_loop, gru_gates_forward, gru_backward_loop, gru_gates_backward)


class GRUCache(NamedTuple):
    x: Array  # (T, N, D), or codes (T, N)
    h: Array  # (T + 1, N, H), h0 first
    gates: Array  # (T, N, 3H)
    ah_n: Array  # (T, N, H)
    Wx: Array
    Wh: Array


def gru_forward(
    x: Array,
    h0: Array,
    Wx: Array,
    Wh: Array,
    b: Array,
    bh: Array,
    *,
    workspace: Workspace | None = None,
    loops: Loops = GRU_LOOPS,
) -> tuple[Array, GRUCache]:
    """All steps of a window: the product with Wx once, before the loop.

    Args:
        x: (T, N, D) features, or (T, N) codes that stand for one-hot rows.
        h0: (N, H), the state before the first step.
        Wx, Wh, b, bh: (D, 3H), (H, 3H), (3H,), (3H,).
        workspace, loops: see `Cell`.

    Returns:
        h: (T, N, H).
        cache: for the backward function.
    """
    ws = workspace or Workspace()
    T, (N, H) = len(x), h0.shape
    a = projection_forward(x, Wx, b, workspace=ws)  # (T, N, 3H), gates after each step
    ah = ws.array("ah", (N, 3 * H), Wh.dtype)
    ah_n = ws.array("ah_n", (T, N, H), Wh.dtype)
    h = ws.array("h", (T + 1, N, H), Wh.dtype)
    h[0] = h0
    loops.forward(a, ah, bh, h, ah_n, loops.pack(Wh, ws, "Wh_packed"))
    return h[1:], GRUCache(x, h, a, ah_n, Wx, Wh)


def gru_backward(
    dh: Array,
    cache: GRUCache,
    *,
    dlast: tuple[Array] | None = None,
    workspace: Workspace | None = None,
    grads: tuple[Array, Array, Array, Array] | None = None,
    need_dx: bool = True,
    loops: Loops = GRU_LOOPS,
) -> tuple[Array | None, Array, Array, Array, Array, Array]:
    """Gradients of a window: the weights' as one product each, after the loop.

    Args:
        dh: (T, N, H), the gradient of every step's output.
        cache: from the forward function; left as it was.
        dlast: (dh_T,) of (N, H), a further gradient of the last state; see `Cell`.
        workspace, grads, need_dx, loops: see `Cell`.

    Returns:
        dx (T, N, D) or None, dh0 (N, H), dWx, dWh, db, dbh.
    """
    x, h, rzn, ah_n, Wx, Wh = cache
    ws = workspace or Workspace()
    T, N, H = dh.shape
    dWx, dWh, db, dbh = grads or GRU.gradient_arrays(len(Wx), H, ws, Wh.dtype)
    dax = ws.array("dax", (T, N, 3 * H), Wh.dtype)
    dah = ws.array("dah", (T, N, 3 * H), Wh.dtype)
    dh0 = ws.array("dh0", (N, H), Wh.dtype)
    dh0[...] = dlast[0] if dlast else 0
    past = ws.array("past", (N, H), Wh.dtype)
    past[...] = 0
    Wh_T = loops.pack(Wh.T, ws, "Wh_T_packed")
    loops.backward(dh, dh0, past, rzn, h, ah_n, dax, dah, Wh_T)
    dh0 += past
    dah_rows = dah.reshape(T * N, 3 * H)
    weight_gradient(h[:-1].reshape(T * N, H), dah_rows, dWh, workspace=ws)
    np.add.reduce(dah_rows, axis=0, out=dbh)
    dx, _, _ = projection_backward(
        dax,
        x,
        Wx,
        workspace=ws,
        grads=(dWx, db),
        need_dx=need_dx,
        scatter=loops.scatter,
    )
    return dx, dh0, dWx, dWh, db, dbh


def gru_stepper(h0: Array, Wh: Array, bh: Array) -> Callable[[Array], Array]:
    """The steps after h0, one at each call; see `Cell`.

    Args:
        h0: (N, H), left as it is.
        Wh, bh: (H, 3H), (3H,).

    Returns:
        step: takes ax, a row (1, 3NH) gate by gate, and returns h (N, H).
    """
    h = np.copy(h0, order="C")  # (N, H)
    h_row = h.reshape(1, -1)  # (1, NH), of the same memory
    prev_h, ah_n = np.empty_like(h_row), np.empty_like(h_row)  # (1, NH)
    bh_row = gatewise_row(bh, *h.shape)  # (1, 3NH)
    recurrent_part = gatewise_projection(Wh, None, *h.shape)

    def step(ax: Array) -> Array:
        prev_h[...] = h_row
        gru_gates_forward(ax, recurrent_part(h), bh_row, prev_h, ah_n, h_row)
        return h

    return step


GRU = Cell(
    name="gru",
    gates=("r", "z", "n"),
    states=("h",),
    parameters={"Wx": ("D", "G"), "Wh": ("H", "G"), "b": ("G",), "bh": ("G",)},
    step_forward=gru_step_forward,
    step_backward=gru_step_backward,
    forward=gru_forward,
    backward=gru_backward,
    loops=GRU_LOOPS,
    stepper=gru_stepper,
    h_mean_square=0.25,
)
