"""The cells' loops over the steps, compiled with the product and the gates in them.

Where the processor's vectors are not known, Python runs the loops, with NumPy's product and the
compiled gates.
"""

from __future__ import annotations

from collections.abc import Callable

from charrnn.backends import gates
from charrnn.backends.elementwise import scatter_rows
from charrnn.backends.jit import inlined, inner, outer, vector_width
from charrnn.backends.matmul import pack, product
from charrnn.kernels import Array
from charrnn.kernels.cell import Loops, numpy_loops
from charrnn.kernels.gru import gru_backward_loop, gru_forward_loop
from charrnn.kernels.lstm import lstm_backward_loop, lstm_forward_loop
from charrnn.kernels.rnn import rnn_backward_loop, rnn_forward_loop

_rnn_forward, _rnn_backward = inlined(rnn_forward_loop), inlined(rnn_backward_loop)
_lstm_forward, _lstm_backward = inlined(lstm_forward_loop), inlined(lstm_backward_loop)
_gru_forward, _gru_backward = inlined(gru_forward_loop), inlined(gru_backward_loop)

_rnn_gates_forward, _rnn_gates_backward = inner(gates.rnn_forward), inner(gates.rnn_backward)
_lstm_gates_forward, _lstm_gates_backward = inner(gates.lstm_forward), inner(gates.lstm_backward)
_gru_gates_forward, _gru_gates_backward = inner(gates.gru_forward), inner(gates.gru_backward)


@outer
def _forward_rnn(ax: Array, ah: Array, h: Array, Wh: Array) -> None:
    _rnn_forward(product, _rnn_gates_forward, ax, ah, h, Wh)


@outer
def _backward_rnn(dh: Array, dh0: Array, h: Array, da: Array, Wh_T: Array) -> None:
    _rnn_backward(product, _rnn_gates_backward, dh, dh0, h, da, Wh_T)


@outer
def _forward_lstm(a: Array, ah: Array, h: Array, c: Array, tanh_c: Array, Wh: Array) -> None:
    _lstm_forward(product, _lstm_gates_forward, a, ah, h, c, tanh_c, Wh)


@outer
def _backward_lstm(
    dh: Array,
    dh0: Array,
    dc0: Array,
    ifog: Array,
    c: Array,
    tanh_c: Array,
    da: Array,
    Wh_T: Array,
) -> None:
    _lstm_backward(product, _lstm_gates_backward, dh, dh0, dc0, ifog, c, tanh_c, da, Wh_T)


@outer
def _forward_gru(a: Array, ah: Array, bh: Array, h: Array, ah_n: Array, Wh: Array) -> None:
    _gru_forward(product, _gru_gates_forward, a, ah, bh, h, ah_n, Wh)


@outer
def _backward_gru(
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
    _gru_backward(product, _gru_gates_backward, dh, dh0, past, rzn, h, ah_n, dax, dah, Wh_T)


def compiled_loops() -> dict[str, Loops]:
    """Return each cell's loops by the cell's name."""
    if vector_width():
        return {
            "rnn": Loops(_forward_rnn, _backward_rnn, pack, scatter_rows),
            "lstm": Loops(_forward_lstm, _backward_lstm, pack, scatter_rows),
            "gru": Loops(_forward_gru, _backward_gru, pack, scatter_rows),
        }
    return interpreted_loops()


def interpreted_loops() -> dict[str, Loops]:
    """Return loops that Python runs, with NumPy's product, around compiled gates."""
    pairs: dict[str, tuple[Callable[..., None], ...]] = {
        "rnn": (rnn_forward_loop, gates.rnn_forward, rnn_backward_loop, gates.rnn_backward),
        "lstm": (lstm_forward_loop, gates.lstm_forward, lstm_backward_loop, gates.lstm_backward),
        "gru": (gru_forward_loop, gates.gru_forward, gru_backward_loop, gates.gru_backward),
    }
    return {
        name: numpy_loops(forward, outer(gates_forward), backward, outer(gates_backward))._replace(
            scatter=scatter_rows
        )
        for name, (forward, gates_forward, backward, gates_backward) in pairs.items()
    }
