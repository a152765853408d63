"""Gated recurrent unit (Cho et al. 2014), in the variant of cuDNN and PyTorch.

`charrnn.kernels.cell` explains the forms below, and how to change a gate.

    ax = x_t Wx + b        ah = h_{t-1} Wh + bh        three blocks of width H: r, z, n
    r, z = sigmoid(ax_r + ah_r), sigmoid(ax_z + ah_z)
    n    = tanh(ax_n + r * ah_n)
    h_t  = (1 - z) * n + z * h_{t-1}

The reset gate acts after the recurrent product, so each step needs only one product. Backward,
where dh_t is the gradient of h_t:

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
from charrnn.kernels.projection import projection_backward, projection_forward


def gru_step_forward(
    x: Array, prev_h: Array, Wx: Array, Wh: Array, b: Array, bh: Array
) -> tuple[Array, tuple[Array, ...]]:
    """Return the state after one step.

    Args:
        x: (N, D) features, or (N,) codes that stand for one-hot rows.
        prev_h: (N, H).
        Wx, Wh: (D, 3H), (H, 3H).
        b, bh: (3H,), the biases of the input product and of the recurrent product.

    Returns:
        next_h: (N, H).
        cache: the argument of the backward step.
    """
    ax_r, ax_z, ax_n = np.split(projection_forward(x, Wx, b), 3, axis=1)  # each (N, H)
    ah_r, ah_z, ah_n = np.split(prev_h @ Wh + bh, 3, axis=1)  # each (N, H)
    r = 0.5 * np.tanh(0.5 * (ax_r + ah_r)) + 0.5  # sigmoid, which cannot overflow in this form
    z = 0.5 * np.tanh(0.5 * (ax_z + ah_z)) + 0.5
    n = np.tanh(ax_n + r * ah_n)
    next_h = (1 - z) * n + z * prev_h
    return next_h, (x, prev_h, r, z, n, ah_n, Wx, Wh)


def gru_step_backward(
    dnext_h: Array, cache: tuple[Array, ...]
) -> tuple[Array | None, Array, Array, Array, Array, Array]:
    """Return the gradients of one step.

    Args:
        dnext_h: (N, H).
        cache: the result of the forward step.

    Returns:
        dx (None for codes), dprev_h, dWx, dWh, db, dbh, each of the shape of its argument.
    """
    x, prev_h, r, z, n, ah_n, Wx, Wh = cache
    da_n = dnext_h * (1 - z) * (1 - n**2)  # (N, H)
    da_z = dnext_h * (prev_h - n) * z * (1 - z)
    da_r = da_n * ah_n * r * (1 - r)
    dax = np.concatenate((da_r, da_z, da_n), axis=1)  # (N, 3H)
    dah = np.concatenate((da_r, da_z, da_n * r), axis=1)  # (N, 3H)
    dx, dWx, db = projection_backward(dax, x, Wx)
    return dx, dnext_h * z + dah @ Wh.T, dWx, prev_h.T @ dah, db, dah.sum(axis=0)


def gru_gates_forward(a: Array, ah: Array, bh: Array, prev_h: Array, ah_n: Array, h: Array) -> None:
    """Write the gates and the state of one step.

    Args:
        a: (N, 3H), the input's part of the pre-activations; overwritten with the gates r, z, n.
        ah: (N, 3H), the recurrent part of the pre-activations without its bias; overwritten.
        bh: (3H,).
        prev_h: (N, H).
        ah_n: (N, H), written: block n of ah + bh, for the backward function.
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
    np.multiply(r, ah_n, out=h)  # h is scratch here
    n += h
    np.tanh(n, out=n)
    np.subtract(prev_h, n, out=h)
    h *= z
    h += n


def gru_gates_backward(
    dh_t: Array,
    dh: Array,
    dh_skip: Array,
    gates: Array,
    prev_h: Array,
    ah_n: Array,
    dax: Array,
    dah: Array,
) -> None:
    """Write the gradients of the pre-activations, and the part of dh_{t-1} that skips Wh.

    Args:
        dh_t: (N, H), the gradient of h_t from above.
        dh: (N, H), the gradient of h_t from step t + 1 through Wh; overwritten.
        dh_skip: (N, H), that through z of step t + 1; overwritten with that of h_{t-1} through z.
        gates: (N, 3H): r, z, n.
        prev_h, ah_n: (N, H).
        dax, dah: (N, 3H), written.
    """
    H = dh.shape[1]
    rz, (r, z, n) = gates[:, : 2 * H], _blocks(gates)
    dax_rz, (da_r, da_z, da_n) = dax[:, : 2 * H], _blocks(dax)
    dh += dh_t
    dh += dh_skip
    dah_rz, dah_n = dah[:, : 2 * H], dah[:, 2 * H :]
    np.subtract(1, rz, out=dax_rz)
    np.multiply(n, n, out=dah_n)  # dah_n is scratch until its last line
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
    np.multiply(dh, z, out=dh_skip)


def _blocks(a: Array) -> tuple[Array, Array, Array]:
    """Return the three (N, H) blocks of an (N, 3H) array, as views."""
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
    """Run the steps in order: the recurrent product, then the gates; arrays as in `GRUCache`."""
    for t in range(len(a)):
        product(h[t], Wh, ah)
        gates(a[t], ah, bh, h[t], ah_n[t], h[t + 1])


def gru_backward_loop(
    product: Callable[..., object],
    gates: Callable[..., None],
    dh: Array,
    dh0: Array,
    dh_skip: Array,
    rzn: Array,
    h: Array,
    ah_n: Array,
    dax: Array,
    dah: Array,
    Wh_T: Array,
) -> None:
    """Run the steps from last to first; dh0 and dh_skip carry gradients from t + 1 to t."""
    for t in range(len(dah) - 1, -1, -1):
        gates(dh[t], dh0, dh_skip, rzn[t], h[t], ah_n[t], dax[t], dah[t])
        product(dah[t], Wh_T, dh0)


GRU_LOOPS = numpy_loops(gru_forward_loop, gru_gates_forward, gru_backward_loop, gru_gates_backward)


class GRUCache(NamedTuple):
    x: Array  # (T, N, D), or codes (T, N)
    h: Array  # (T + 1, N, H), h0 first
    gates: Array  # (T, N, 3H): r, z, n
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
    """Return the state after every step of a window; x Wx is one product, before the loop.

    Args:
        x: (T, N, D) features, or (T, N) codes that stand for one-hot rows.
        h0: (N, H), the state before the first step.
        Wx, Wh, b, bh: (D, 3H), (H, 3H), (3H,), (3H,).
        workspace, loops: see `charrnn.kernels.Cell`.

    Returns:
        h: (T, N, H).
        cache: the argument of the backward function.

    >>> import numpy as np
    >>> from charrnn.kernels import gru_forward
    >>> x, h0 = np.zeros((3, 2, 5)), np.zeros((2, 4))  # T, N, D, H = 3, 2, 5, 4
    >>> Wx, Wh, b, bh = np.zeros((5, 12)), np.zeros((4, 12)), np.zeros(12), np.zeros(12)
    >>> h, cache = gru_forward(x, h0, Wx, Wh, b, bh)
    >>> h.shape
    (3, 2, 4)
    """
    ws = workspace or Workspace()
    T, (N, H) = len(x), h0.shape
    a = projection_forward(x, Wx, b, workspace=ws)  # (T, N, 3H), gates after the loop
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
    """Return the gradients of a window; each weight gradient is one product, after the loop.

    Args:
        dh: (T, N, H), the gradient of every step's output.
        cache: the result of the forward function.
        dlast: (dh_T,) of (N, H), an additional gradient of the last state.
        workspace, grads, need_dx, loops: see `charrnn.kernels.Cell`.

    Returns:
        dx (T, N, D) or None, dh0 (N, H), dWx, dWh, db, dbh.

    >>> import numpy as np
    >>> from charrnn.kernels import gru_backward, gru_forward
    >>> x, h0 = np.zeros((3, 2, 5)), np.zeros((2, 4))  # T, N, D, H = 3, 2, 5, 4
    >>> Wx, Wh, b, bh = np.zeros((5, 12)), np.zeros((4, 12)), np.zeros(12), np.zeros(12)
    >>> h, cache = gru_forward(x, h0, Wx, Wh, b, bh)
    >>> dx, dh0, dWx, dWh, db, dbh = gru_backward(np.ones((3, 2, 4)), cache)
    >>> dx.shape, dWx.shape, dh0[0]
    ((3, 2, 5), (5, 12), array([0.875, 0.875, 0.875, 0.875]))
    """
    x, h, rzn, ah_n, Wx, Wh = cache
    ws = workspace or Workspace()
    T, N, H = dh.shape
    dWx, dWh, db, dbh = grads or GRU.gradient_arrays(len(Wx), H, ws, Wh.dtype)
    dax = ws.array("dax", (T, N, 3 * H), Wh.dtype)
    dah = ws.array("dah", (T, N, 3 * H), Wh.dtype)
    dh0 = ws.array("dh0", (N, H), Wh.dtype)
    dh0[...] = dlast[0] if dlast else 0
    dh_skip = ws.array("dh_skip", (N, H), Wh.dtype)
    dh_skip[...] = 0
    Wh_T = loops.pack(Wh.T, ws, "Wh_T_packed")
    loops.backward(dh, dh0, dh_skip, rzn, h, ah_n, dax, dah, Wh_T)
    dh0 += dh_skip
    dah_rows = dah.reshape(T * N, 3 * H)
    np.matmul(h[:-1].reshape(T * N, H).T, dah_rows, out=dWh)
    np.add.reduce(dah_rows, axis=0, out=dbh)
    dx, _, _ = projection_backward(
        dax, x, Wx, workspace=ws, grads=(dWx, db), need_dx=need_dx, scatter=loops.scatter
    )
    return dx, dh0, dWx, dWh, db, dbh


def gru_stepper(
    gates_forward: Callable[..., None], h0: Array, Wh: Array, bh: Array
) -> Callable[[Array], Array]:
    """Return a function that computes the next step at each call; see `Cell`.

    Args:
        gates_forward: `gru_gates_forward`, or its compiled twin.
        h0: (N, H), the state before the first step; each step overwrites it.
        Wh, bh: (H, 3H), (3H,).

    Returns:
        step: takes ax, a row (1, 3NH) in gate order, and returns h (N, H).
    """
    h = h0
    h_row = h.reshape(1, -1)  # (1, NH), a view of h
    prev_h, ah_n = np.empty_like(h_row), np.empty_like(h_row)  # (1, NH)
    bh_row = gatewise_row(bh, *h.shape)[0]  # (3NH,)
    recurrent_part = gatewise_projection(Wh, None, *h.shape)

    def step(ax: Array) -> Array:
        prev_h[...] = h_row
        gates_forward(ax, recurrent_part(h), bh_row, prev_h, ah_n, h_row)
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
