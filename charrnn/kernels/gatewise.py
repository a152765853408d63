"""Pre-activations laid out gate by gate, for one step of all texts.

The element-wise part of a step works on the gates' blocks. In an (N, G) array a block is N short
runs of memory; here it is one, as the (N, H) values of each gate follow those of the gate before.
The row (1, NG) of them all is what the steppers pass to the cells' gate functions, to which N texts
of H units are then one text of NH units: twice as fast at N = 64.

Each function here makes its arrays once and returns a function that writes to them. Around products
of one row the functions of NumPy cost half as much again as the methods of its arrays.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from charrnn.kernels.arrays import Array, Workspace
from charrnn.kernels.blas import pack, panel_product


def gatewise_projection(W: Array, b: Array | None, N: int, H: int) -> Callable[[Array], Array]:
    """Return a function of features x (N, D) whose value is the row (1, NG) of x W + b.

    Args:
        W, b: (D, G), (G,), of as many gates as H goes into G; no b is none added.
    """
    y = np.empty((W.shape[1] // H, N, H), W.dtype)
    row = y.reshape(1, -1)
    panels = pack(W, Workspace(), "panels", H)  # (G / columns, D, columns)
    columns = panels.shape[2]
    y_panels = y.reshape(-1, N, H // columns, columns).transpose(0, 2, 1, 3)
    panels = panels.reshape(-1, H // columns, len(W), columns)
    bias = None if b is None else gatewise_row(b, N, H)

    def project(x: Array) -> Array:
        if N == 1:  # the same without gates, and faster
            x.dot(W, row)
        else:
            panel_product(x, panels, y_panels)
        return row if bias is None else np.add(row, bias, row)

    return project


def gatewise_lookup(table: Array, N: int, H: int) -> Callable[[Array], Array]:
    """Return a function of codes (N,) whose value is the row (1, NG) of their rows of a table.

    Args:
        table: (V, G).
    """
    y = np.empty((table.shape[1] // H, N, H), table.dtype)
    row = y.reshape(1, -1)
    table_by_gate = np.ascontiguousarray(_by_gate(table, H))

    def look_up(codes: Array) -> Array:
        table_by_gate.take(codes, 1, y, "clip")  # other modes write to a temporary array first
        return row

    return look_up


def gatewise_row(b: Array, N: int, H: int) -> Array:
    """Return the row (1, NG) of the same pre-activations b (G,) for every text."""
    return np.repeat(_by_gate(b[None], H), N, axis=1).reshape(1, -1)


def _by_gate(rows: Array, H: int) -> Array:
    """The gates' (M, H) parts of (M, G), one after the other: a view (gates, M, H)."""
    return np.transpose(rows.reshape(len(rows), -1, H), (1, 0, 2))
