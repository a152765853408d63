"""The vanilla (Elman) recurrent network; `charrnn.kernels.cell` explains the forms below.

    a_t = x_t Wx + h_{t-1} Wh + b
    h_t = tanh(a_t)

and backward, where dh_t is the gradient of h_t, from above and from step t + 1:

    da_t     = dh_t * (1 - h_t^2)
    dh_{t-1} = da_t Wh^T
    dWx = sum_t x_t^T da_t        dWh = sum_t h_{t-1}^T da_t        db = sum_t da_t

From step t back to step 0, the gradient is multiplied t times by Wh^T. It vanishes or explodes with
the powers of the singular values of Wh (Pascanu, Mikolov and Bengio 2013).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from charrnn.kernels.arrays import Array, Workspace
from charrnn.kernels.cell import Cell, Loops, numpy_loops
from charrnn.kernels.gatewise import gatewise_projection
from charrnn.kernels.projection import projection_backward, projection_forward


def rnn_step_forward(
    x: Array, prev_h: Array, Wx: Array, Wh: Array, b: Array
) -> tuple[Array, tuple[Array, ...]]:
    """Return the state after one step.

    Args:
        x: (N, D) features, or (N,) codes that stand for one-hot rows.
        prev_h: (N, H).
        Wx, Wh, b: (D, H), (H, H), (H,).

    Returns:
        next_h: (N, H).
        cache: the argument of the backward step.
    """
    next_h = np.tanh(projection_forward(x, Wx, b) + prev_h @ Wh)  # (N, H)
    return next_h, (x, prev_h, next_h, Wx, Wh)


def rnn_step_backward(
    dnext_h: Array, cache: tuple[Array, ...]
) -> tuple[Array | None, Array, Array, Array, Array]:
    """Return the gradients of one step.

    Args:
        dnext_h: (N, H).
        cache: the result of the forward step.

    Returns:
        dx (None for codes), dprev_h, dWx, dWh, db, each of the shape of its argument.
    """
    x, prev_h, next_h, Wx, Wh = cache
    da = dnext_h * (1 - next_h**2)  # (N, H)
    dx, dWx, db = projection_backward(da, x, Wx)
    return dx, da @ Wh.T, dWx, prev_h.T @ da, db


def rnn_gates_forward(ax: Array, ah: Array, h: Array) -> None:
    """Write h = tanh(ax + ah) for one step; all (N, H)."""
    np.add(ax, ah, out=h)
    np.tanh(h, out=h)


def rnn_gates_backward(dh_t: Array, dh: Array, h: Array, da: Array) -> None:
    """Write da = (dh_t + dh) * (1 - h^2) for one step; all (N, H).

    dh_t is the gradient of h_t from above; dh is the gradient from step t + 1, and is overwritten.
    """
    dh += dh_t
    np.multiply(h, h, out=da)
    np.subtract(1, da, out=da)
    da *= dh


def rnn_forward_loop(
    product: Callable[..., object],
    gates: Callable[..., None],
    ax: Array,
    ah: Array,
    h: Array,
    Wh: Array,
) -> None:
    """Run the steps in order: the recurrent product, then tanh; arrays as in `RNNCache`."""
    for t in range(len(ax)):
        product(h[t], Wh, ah)
        gates(ax[t], ah, h[t + 1])


def rnn_backward_loop(
    product: Callable[..., object],
    gates: Callable[..., None],
    dh: Array,
    dh0: Array,
    h: Array,
    da: Array,
    Wh_T: Array,
) -> None:
    """Run the steps from last to first; dh0 carries the gradient from t + 1 to t."""
    for t in range(len(da) - 1, -1, -1):
        gates(dh[t], dh0, h[t + 1], da[t])
        product(da[t], Wh_T, dh0)


RNN_LOOPS = numpy_loops(rnn_forward_loop, rnn_gates_forward, rnn_backward_loop, rnn_gates_backward)


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
    loops: Loops = RNN_LOOPS,
) -> tuple[Array, RNNCache]:
    """Return the state after every step of a window; x Wx is one product, before the loop.

    Args:
        x: (T, N, D) features, or (T, N) codes that stand for one-hot rows.
        h0: (N, H), the state before the first step.
        Wx, Wh, b: (D, H), (H, H), (H,).
        workspace, loops: see `charrnn.kernels.Cell`.

    Returns:
        h: (T, N, H).
        cache: the argument of the backward function.

    >>> import numpy as np
    >>> from charrnn.kernels import rnn_forward
    >>> x, h0 = np.zeros((3, 2, 5)), np.zeros((2, 4))  # T, N, D, H = 3, 2, 5, 4
    >>> h, cache = rnn_forward(x, h0, Wx=np.zeros((5, 4)), Wh=np.zeros((4, 4)), b=np.zeros(4))
    >>> h.shape
    (3, 2, 4)
    """
    ws = workspace or Workspace()
    T, (N, H) = len(x), h0.shape
    ax = projection_forward(x, Wx, b, workspace=ws)  # (T, N, H)
    ah = ws.array("ah", (N, H), Wh.dtype)
    h = ws.array("h", (T + 1, N, H), Wh.dtype)
    h[0] = h0
    loops.forward(ax, ah, h, loops.pack(Wh, ws, "Wh_packed"))
    return h[1:], RNNCache(x, h, Wx, Wh)


def rnn_backward(
    dh: Array,
    cache: RNNCache,
    *,
    dlast: tuple[Array] | None = None,
    workspace: Workspace | None = None,
    grads: tuple[Array, Array, Array] | None = None,
    need_dx: bool = True,
    loops: Loops = RNN_LOOPS,
) -> tuple[Array | None, Array, Array, Array, Array]:
    """Return the gradients of a window; each weight gradient is one product, after the loop.

    Args:
        dh: (T, N, H), the gradient of every step's output.
        cache: the result of the forward function.
        dlast: (dh_T,) of (N, H), an additional gradient of the last state.
        workspace, grads, need_dx, loops: see `charrnn.kernels.Cell`.

    Returns:
        dx (T, N, D) or None, dh0 (N, H), dWx, dWh, db.

    >>> import numpy as np
    >>> from charrnn.kernels import rnn_backward, rnn_forward
    >>> x, h0 = np.zeros((3, 2, 5)), np.zeros((2, 4))  # T, N, D, H = 3, 2, 5, 4
    >>> h, cache = rnn_forward(x, h0, Wx=np.zeros((5, 4)), Wh=np.zeros((4, 4)), b=np.zeros(4))
    >>> dx, dh0, dWx, dWh, db = rnn_backward(np.ones((3, 2, 4)), cache)
    >>> dx.shape, db
    ((3, 2, 5), array([6., 6., 6., 6.]))
    """
    x, h, Wx, Wh = cache
    ws = workspace or Workspace()
    T, N, H = dh.shape
    dWx, dWh, db = grads or RNN.gradient_arrays(len(Wx), H, ws, Wh.dtype)
    da = ws.array("da", (T, N, H), Wh.dtype)
    dh0 = ws.array("dh0", (N, H), Wh.dtype)
    dh0[...] = dlast[0] if dlast else 0
    loops.backward(dh, dh0, h, da, loops.pack(Wh.T, ws, "Wh_T_packed"))
    np.matmul(h[:-1].reshape(T * N, H).T, da.reshape(T * N, H), out=dWh)
    dx, _, _ = projection_backward(
        da, x, Wx, workspace=ws, grads=(dWx, db), need_dx=need_dx, scatter=loops.scatter
    )
    return dx, dh0, dWx, dWh, db


def rnn_stepper(
    gates_forward: Callable[..., None], h0: Array, Wh: Array
) -> Callable[[Array], Array]:
    """Return a function that computes the next step at each call; see `Cell`.

    Args:
        gates_forward: `rnn_gates_forward`, or its compiled twin.
        h0: (N, H), the state before the first step; each step overwrites it.
        Wh: (H, H).

    Returns:
        step: takes ax, a row (1, NH), and returns h (N, H).
    """
    h = h0
    h_row = h.reshape(1, -1)  # (1, NH), a view of h
    recurrent_part = gatewise_projection(Wh, None, *h.shape)

    def step(ax: Array) -> Array:
        gates_forward(ax, recurrent_part(h), h_row)
        return h

    return step


RNN = Cell(
    name="rnn",
    gates=("h",),
    states=("h",),
    parameters={"Wx": ("D", "G"), "Wh": ("H", "G"), "b": ("G",)},
    step_forward=rnn_step_forward,
    step_backward=rnn_step_backward,
    forward=rnn_forward,
    backward=rnn_backward,
    loops=RNN_LOOPS,
    stepper=rnn_stepper,
    h_mean_square=0.5,
    learning_rate_scale=0.3,
)
