"""Long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers 2000).

`charrnn.kernels.cell` explains the forms below.

    a_t = x_t Wx + h_{t-1} Wh + b              four blocks of width H: i, f, o, g
    i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o)        g = tanh(a_g)
    c_t = f * c_{t-1} + i * g
    h_t = o * tanh(c_t)

and backward, where dh_t and dc_t are the gradients of h_t and c_t:

    dc_t    += dh_t * o * (1 - tanh(c_t)^2)    dc_{t-1} = dc_t * f
    da_i     = dc_t * g * i (1 - i)            da_f = dc_t * c_{t-1} * f (1 - f)
    da_g     = dc_t * i * (1 - g^2)            da_o = dh_t * tanh(c_t) * o (1 - o)
    dh_{t-1} = da_t Wh^T

Along c, the gradient is multiplied by f and by no matrix. While f is near 1, the gradient neither
vanishes nor explodes, so the forget bias starts at 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from charrnn.kernels.arrays import Array, Workspace
from charrnn.kernels.cell import Cell, Loops, numpy_loops
from charrnn.kernels.gatewise import gatewise_projection
from charrnn.kernels.projection import projection_backward, projection_forward


def lstm_step_forward(
    x: Array, prev_h: Array, prev_c: Array, Wx: Array, Wh: Array, b: Array
) -> tuple[Array, Array, tuple[Array, ...]]:
    """Return the states after one step.

    Args:
        x: (N, D) features, or (N,) codes that stand for one-hot rows.
        prev_h, prev_c: (N, H).
        Wx, Wh, b: (D, 4H), (H, 4H), (4H,).

    Returns:
        next_h, next_c: (N, H).
        cache: the argument of the backward step.
    """
    a = projection_forward(x, Wx, b) + prev_h @ Wh  # (N, 4H)
    a_i, a_f, a_o, a_g = np.split(a, 4, axis=1)  # each (N, H)
    i, f, o, g = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o), np.tanh(a_g)
    next_c = f * prev_c + i * g  # (N, H)
    tanh_c = np.tanh(next_c)  # (N, H)
    next_h = o * tanh_c  # (N, H)
    return next_h, next_c, (x, prev_h, prev_c, i, f, o, g, tanh_c, Wx, Wh)


def lstm_step_backward(
    dnext_h: Array, dnext_c: Array, cache: tuple[Array, ...]
) -> tuple[Array | None, Array, Array, Array, Array, Array]:
    """Return the gradients of one step.

    Args:
        dnext_h, dnext_c: (N, H).
        cache: the result of the forward step.

    Returns:
        dx (None for codes), dprev_h, dprev_c, dWx, dWh, db, each of the shape of its argument.
    """
    x, prev_h, prev_c, i, f, o, g, tanh_c, Wx, Wh = cache
    dc = dnext_c + dnext_h * o * (1 - tanh_c**2)  # (N, H)
    da_i = dc * g * i * (1 - i)
    da_f = dc * prev_c * f * (1 - f)
    da_o = dnext_h * tanh_c * o * (1 - o)
    da_g = dc * i * (1 - g**2)
    da = np.concatenate((da_i, da_f, da_o, da_g), axis=1)  # (N, 4H)
    dx, dWx, db = projection_backward(da, x, Wx)
    return dx, da @ Wh.T, dc * f, dWx, prev_h.T @ da, db


def sigmoid(a: Array) -> Array:
    """Return 1 / (1 + exp(-a)), computed by tanh, which cannot overflow."""
    return 0.5 * np.tanh(0.5 * a) + 0.5


def lstm_gates_forward(
    a: Array, ah: Array, prev_c: Array, c: Array, tanh_c: Array, h: Array
) -> None:
    """Write the gates and states of one step.

    Args:
        a: (N, 4H), the input's part of the pre-activations; overwritten with the gates i, f, o, g.
            Columns after these, which another cell may have, are neither read nor written.
        ah: (N, 4H), the recurrent part of the pre-activations.
        prev_c: (N, H).
        c, tanh_c, h: (N, H), written.
    """
    H = h.shape[1]
    ifog, ifo, (i, f, o, g) = a[:, : 4 * H], a[:, : 3 * H], _blocks(a, H)
    ifog += ah
    ifo *= 0.5  # sigmoid(a) = tanh(a / 2) / 2 + 1/2, so one tanh computes all four
    np.tanh(ifog, out=ifog)
    ifo *= 0.5
    ifo += 0.5
    np.multiply(i, g, out=h)  # h is scratch until its last line
    np.multiply(f, prev_c, out=c)
    c += h
    np.tanh(c, out=tanh_c)
    np.multiply(o, tanh_c, out=h)


def lstm_gates_backward(
    dh_t: Array, dh: Array, dc: Array, gates: Array, prev_c: Array, tanh_c: Array, da: Array
) -> None:
    """Write the gradients of the pre-activations and of c_{t-1} for one step.

    Args:
        dh_t: (N, H), the gradient of h_t from above.
        dh: (N, H), the gradient of h_t from step t + 1; overwritten.
        dc: (N, H), the gradient of c_t from step t + 1; overwritten with that of c_{t-1}.
        gates: (N, 4H): i, f, o, g, and perhaps more columns, as in the forward function.
        prev_c, tanh_c: (N, H).
        da: of the shape of gates; its first 4H columns are written.
    """
    H = dh.shape[1]
    ifo, (i, f, o, g) = gates[:, : 3 * H], _blocks(gates, H)
    da_ifo, (da_i, da_f, da_o, da_g) = da[:, : 3 * H], _blocks(da, H)
    dh += dh_t
    np.subtract(1, ifo, out=da_ifo)
    da_ifo *= ifo
    da_o *= tanh_c
    da_o *= dh
    dh *= o
    dc += dh  # dh_t o (1 - tanh_c^2), in two parts: whole arrays are faster than blocks
    dh *= tanh_c
    dh *= tanh_c
    dc -= dh
    da_i *= g
    da_i *= dc
    da_f *= prev_c
    da_f *= dc
    np.multiply(g, g, out=da_g)
    np.subtract(1, da_g, out=da_g)
    da_g *= i
    da_g *= dc
    dc *= f


def _blocks(a: Array, H: int) -> tuple[Array, Array, Array, Array]:
    """Return the first four (N, H) blocks of an array, as views."""
    return a[:, :H], a[:, H : 2 * H], a[:, 2 * H : 3 * H], a[:, 3 * H : 4 * H]


def lstm_forward_loop(
    product: Callable[..., object],
    gates: Callable[..., None],
    a: Array,
    ah: Array,
    h: Array,
    c: Array,
    tanh_c: Array,
    Wh: Array,
) -> None:
    """Run the steps in order: the recurrent product, then the gates; arrays as in `LSTMCache`."""
    for t in range(len(a)):
        product(h[t], Wh, ah)
        gates(a[t], ah, c[t], c[t + 1], tanh_c[t], h[t + 1])


def lstm_backward_loop(
    product: Callable[..., object],
    gates: Callable[..., None],
    dh: Array,
    dh0: Array,
    dc0: Array,
    ifog: Array,
    c: Array,
    tanh_c: Array,
    da: Array,
    Wh_T: Array,
) -> None:
    """Run the steps from last to first; dh0 and dc0 carry gradients from t + 1 to t."""
    for t in range(len(da) - 1, -1, -1):
        gates(dh[t], dh0, dc0, ifog[t], c[t], tanh_c[t], da[t])
        product(da[t], Wh_T, dh0)


LSTM_LOOPS = numpy_loops(
    lstm_forward_loop, lstm_gates_forward, lstm_backward_loop, lstm_gates_backward
)


class LSTMCache(NamedTuple):
    x: Array  # (T, N, D), or codes (T, N)
    h: Array  # (T + 1, N, H), h0 first
    c: Array  # (T + 1, N, H), c0 first
    gates: Array  # (T, N, 4H): i, f, o, g
    tanh_c: Array  # (T, N, H)
    Wx: Array
    Wh: Array


def lstm_forward(
    x: Array,
    h0: Array,
    c0: Array,
    Wx: Array,
    Wh: Array,
    b: Array,
    *,
    workspace: Workspace | None = None,
    loops: Loops = LSTM_LOOPS,
) -> tuple[Array, Array, LSTMCache]:
    """Return the states after every step of a window; x Wx is one product, before the loop.

    Args:
        x: (T, N, D) features, or (T, N) codes that stand for one-hot rows.
        h0, c0: (N, H), the states before the first step.
        Wx, Wh, b: (D, 4H), (H, 4H), (4H,).
        workspace, loops: see `charrnn.kernels.Cell`.

    Returns:
        h, c: (T, N, H).
        cache: the argument of the backward function.

    >>> import numpy as np
    >>> from charrnn.kernels import lstm_forward
    >>> x, h0, c0 = np.zeros((3, 2, 5)), np.zeros((2, 4)), np.zeros((2, 4))  # T, N, D = 3, 2, 5
    >>> Wx, Wh, b = np.zeros((5, 16)), np.zeros((4, 16)), np.zeros(16)
    >>> h, c, cache = lstm_forward(x, h0, c0, Wx, Wh, b)
    >>> h.shape, c.shape
    ((3, 2, 4), (3, 2, 4))
    """
    ws = workspace or Workspace()
    T, (N, H) = len(x), h0.shape
    a = projection_forward(x, Wx, b, workspace=ws)  # (T, N, 4H), gates after the loop
    ah = ws.array("ah", (N, 4 * H), Wh.dtype)
    h = ws.array("h", (T + 1, N, H), Wh.dtype)
    c = ws.array("c", (T + 1, N, H), Wh.dtype)
    tanh_c = ws.array("tanh_c", (T, N, H), Wh.dtype)
    h[0] = h0
    c[0] = c0
    loops.forward(a, ah, h, c, tanh_c, loops.pack(Wh, ws, "Wh_packed"))
    return h[1:], c[1:], LSTMCache(x, h, c, a, tanh_c, Wx, Wh)


def lstm_backward(
    dh: Array,
    cache: LSTMCache,
    *,
    dlast: tuple[Array, Array] | None = None,
    workspace: Workspace | None = None,
    grads: tuple[Array, Array, Array] | None = None,
    need_dx: bool = True,
    loops: Loops = LSTM_LOOPS,
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
    >>> from charrnn.kernels import lstm_backward, lstm_forward
    >>> x, h0, c0 = np.zeros((3, 2, 5)), np.zeros((2, 4)), np.zeros((2, 4))  # T, N, D = 3, 2, 5
    >>> Wx, Wh, b = np.zeros((5, 16)), np.zeros((4, 16)), np.zeros(16)
    >>> *_, cache = lstm_forward(x, h0, c0, Wx, Wh, b)
    >>> dx, dh0, dc0, dWx, dWh, db = lstm_backward(np.ones((3, 2, 4)), cache)
    >>> dx.shape, dWx.shape, dc0[0]
    ((3, 2, 5), (5, 16), array([0.4375, 0.4375, 0.4375, 0.4375]))
    """
    x, h, c, ifog, tanh_c, Wx, Wh = cache
    ws = workspace or Workspace()
    T, N, H = dh.shape
    dWx, dWh, db = grads or LSTM.gradient_arrays(len(Wx), H, ws, Wh.dtype)
    da = ws.array("da", (T, N, 4 * H), Wh.dtype)
    dh0 = ws.array("dh0", (N, H), Wh.dtype)
    dc0 = ws.array("dc0", (N, H), Wh.dtype)
    dh0[...], dc0[...] = dlast or (0, 0)
    loops.backward(dh, dh0, dc0, ifog, c, tanh_c, da, loops.pack(Wh.T, ws, "Wh_T_packed"))
    np.matmul(h[:-1].reshape(T * N, H).T, da.reshape(T * N, 4 * H), out=dWh)
    dx, _, _ = projection_backward(
        da, x, Wx, workspace=ws, grads=(dWx, db), need_dx=need_dx, scatter=loops.scatter
    )
    return dx, dh0, dc0, dWx, dWh, db


def lstm_stepper(
    gates_forward: Callable[..., None], h0: Array, c0: Array, Wh: Array
) -> Callable[[Array], Array]:
    """Return a function that computes the next step at each call; see `Cell`.

    Args:
        gates_forward: `lstm_gates_forward`, or its compiled twin.
        h0, c0: (N, H), the states before the first step; each step overwrites them.
        Wh: (H, 4H).

    Returns:
        step: takes the input's part of a as a row (1, 4NH) in gate order, and returns h (N, H).
    """
    h = h0
    h_row = h.reshape(1, -1)  # (1, NH), a view of h
    c, prev_c, tanh_c = c0.reshape(1, -1), np.empty_like(h_row), np.empty_like(h_row)  # (1, NH)
    recurrent_part = gatewise_projection(Wh, None, *h.shape)

    def step(a: Array) -> Array:
        prev_c[...] = c  # compiled gates are slow if arrays overlap
        gates_forward(a, recurrent_part(h), prev_c, c, tanh_c, h_row)
        return h

    return step


LSTM = Cell(
    name="lstm",
    gates=("i", "f", "o", "g"),
    states=("h", "c"),
    parameters={"Wx": ("D", "G"), "Wh": ("H", "G"), "b": ("G",)},
    step_forward=lstm_step_forward,
    step_backward=lstm_step_backward,
    forward=lstm_forward,
    backward=lstm_backward,
    loops=LSTM_LOOPS,
    stepper=lstm_stepper,
    h_mean_square=0.125,
    bias_init={"f": 1.0},
)
