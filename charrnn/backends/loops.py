"""The cells' loops over the steps, compiled together with their product and gate functions.

If the vector width of the processor is unknown, Python runs the loops, with NumPy's product and
compiled gate functions.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from charrnn.backends.elementwise import scatter_rows
from charrnn.backends.gates import (
    gru_gates_backward,
    gru_gates_forward,
    lstm_gates_backward,
    lstm_gates_forward,
    mogrify_backward,
    mogrify_forward,
    rnn_gates_backward,
    rnn_gates_forward,
)
from charrnn.backends.jit import compiled_entry_point, compiled_inline, vector_width
from charrnn.backends.matmul import pack, product
from charrnn.kernels import Array
from charrnn.kernels.cell import Loops, numpy_loops
from charrnn.kernels.gru import gru_backward_loop, gru_forward_loop
from charrnn.kernels.lstm import lstm_backward_loop, lstm_forward_loop
from charrnn.kernels.mogrifier import mogrifier_backward_loop, mogrifier_forward_loop
from charrnn.kernels.rnn import rnn_backward_loop, rnn_forward_loop

_rnn_forward_loop = compiled_inline(rnn_forward_loop)
_rnn_backward_loop = compiled_inline(rnn_backward_loop)
_lstm_forward_loop = compiled_inline(lstm_forward_loop)
_lstm_backward_loop = compiled_inline(lstm_backward_loop)
_gru_forward_loop = compiled_inline(gru_forward_loop)
_gru_backward_loop = compiled_inline(gru_backward_loop)
_mogrifier_forward_loop = compiled_inline(mogrifier_forward_loop)
_mogrifier_backward_loop = compiled_inline(mogrifier_backward_loop)


def _called_by_python(helper: Any) -> Callable[..., None]:
    """Return a compiled gate function for the stepper, and for loops that Python runs."""
    function: Callable[..., None] = compiled_entry_point(helper.py_func)
    return function


_rnn_gates_forward = _called_by_python(rnn_gates_forward)
_lstm_gates_forward = _called_by_python(lstm_gates_forward)
_gru_gates_forward = _called_by_python(gru_gates_forward)


@compiled_entry_point
def _rnn_forward(ax: Array, ah: Array, h: Array, Wh: Array) -> None:
    _rnn_forward_loop(product, rnn_gates_forward, ax, ah, h, Wh)


@compiled_entry_point
def _rnn_backward(dh: Array, dh0: Array, h: Array, da: Array, Wh_T: Array) -> None:
    _rnn_backward_loop(product, rnn_gates_backward, dh, dh0, h, da, Wh_T)


@compiled_entry_point
def _lstm_forward(a: Array, ah: Array, h: Array, c: Array, tanh_c: Array, Wh: Array) -> None:
    _lstm_forward_loop(product, lstm_gates_forward, a, ah, h, c, tanh_c, Wh)


@compiled_entry_point
def _lstm_backward(
    dh: Array,
    dh0: Array,
    dc0: Array,
    ifog: Array,
    c: Array,
    tanh_c: Array,
    da: Array,
    Wh_T: Array,
) -> None:
    _lstm_backward_loop(product, lstm_gates_backward, dh, dh0, dc0, ifog, c, tanh_c, da, Wh_T)


@compiled_entry_point
def _gru_forward(a: Array, ah: Array, bh: Array, h: Array, ah_n: Array, Wh: Array) -> None:
    _gru_forward_loop(product, gru_gates_forward, a, ah, bh, h, ah_n, Wh)


@compiled_entry_point
def _gru_backward(
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
    _gru_backward_loop(product, gru_gates_backward, dh, dh0, dh_skip, rzn, h, ah_n, dax, dah, Wh_T)


@compiled_entry_point
def _mogrifier_forward(
    a: Array, ah: Array, mh: Array, h: Array, c: Array, tanh_c: Array, Wh: Array
) -> None:
    _mogrifier_forward_loop(
        mogrify_forward, product, lstm_gates_forward, a, ah, mh, h, c, tanh_c, Wh
    )


@compiled_entry_point
def _mogrifier_backward(
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
    _mogrifier_backward_loop(
        mogrify_backward, product, lstm_gates_backward, dh, dh0, dc0, ifogm, h, c, tanh_c, da, Wh_T
    )


def compiled_loops() -> dict[str, Loops]:
    """Return the loops of each cell, by its name."""
    if not vector_width():
        return interpreted_loops()
    return {
        "rnn": Loops(_rnn_forward, _rnn_backward, pack, _rnn_gates_forward, scatter_rows),
        "lstm": Loops(_lstm_forward, _lstm_backward, pack, _lstm_gates_forward, scatter_rows),
        "gru": Loops(_gru_forward, _gru_backward, pack, _gru_gates_forward, scatter_rows),
        "mogrifier": Loops(
            _mogrifier_forward, _mogrifier_backward, pack, _lstm_gates_forward, scatter_rows
        ),
    }


def interpreted_loops() -> dict[str, Loops]:
    """Return loops that Python runs, with NumPy's product and compiled gate functions."""
    functions: dict[str, tuple[Any, ...]] = {
        "rnn": (rnn_forward_loop, _rnn_gates_forward, rnn_backward_loop, rnn_gates_backward),
        "lstm": (lstm_forward_loop, _lstm_gates_forward, lstm_backward_loop, lstm_gates_backward),
        "gru": (gru_forward_loop, _gru_gates_forward, gru_backward_loop, gru_gates_backward),
        "mogrifier": (
            partial(mogrifier_forward_loop, _called_by_python(mogrify_forward)),
            _lstm_gates_forward,
            partial(mogrifier_backward_loop, _called_by_python(mogrify_backward)),
            lstm_gates_backward,
        ),
    }
    return {
        name: numpy_loops(
            forward,
            gates_forward,
            backward,
            _called_by_python(gates_backward),
        )._replace(scatter=scatter_rows)
        for name, (forward, gates_forward, backward, gates_backward) in functions.items()
    }
