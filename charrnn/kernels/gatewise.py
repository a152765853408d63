"""Pre-activations in gate order, for steppers: all numbers of one gate, then those of the next.

In an (N, G) array, the numbers of one gate are N short runs of memory. In gate order they are one
run: (gates, N, H). A stepper passes them to the cell's gate function as a row (1, NG), so that the
function sees one sequence of NH units in place of N sequences of H units, which is twice as fast at
N = 64.

Each of the first two functions allocates its arrays once and returns a function that writes to
them. For products of one row, they call methods of arrays, because the corresponding functions of
NumPy take half as long again.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from charrnn.kernels.arrays import Array, Workspace
from charrnn.kernels.blas import pack, panel_product


def gatewise_projection(W: Array, b: Array | None, N: int, H: int) -> Callable[[Array], Array]:
    """Return a function that maps features x (N, D) to x W + b as a row (1, NG) in gate order.

    Args:
        W: (D, G), for G / H gates.
        b: (G,), or None for no bias.
        N, H: numbers of sequences and of hidden units.
    """
    y = np.empty((W.shape[1] // H, N, H), W.dtype)
    row = y.reshape(1, -1)
    panels = pack(W, Workspace(), "panels", H)  # (G / columns, D, columns)
    columns = panels.shape[2]
    y_panels = y.reshape(-1, N, H // columns, columns).transpose(0, 2, 1, 3)
    panels = panels.reshape(-1, H // columns, len(W), columns)
    bias = None if b is None else gatewise_row(b, N, H)

    def project(x: Array) -> Array:
        if N == 1:  # the order is the same, and a plain product is faster
            x.dot(W, row)
        else:
            panel_product(x, panels, y_panels)
        return row if bias is None else np.add(row, bias, row)

    return project


def gatewise_lookup(table: Array, N: int, H: int) -> Callable[[Array], Array]:
    """Return a function that maps codes (N,) to their rows of a table as a row (1, NG).

    Args:
        table: (V, G).
        N, H: numbers of sequences and of hidden units.
    """
    y = np.empty((table.shape[1] // H, N, H), table.dtype)
    row = y.reshape(1, -1)
    table_by_gate = np.ascontiguousarray(_by_gate(table, H))

    def look_up(codes: Array) -> Array:
        table_by_gate.take(codes, 1, y, "clip")  # other modes write to a temporary array first
        return row

    return look_up


def gatewise_row(b: Array, N: int, H: int) -> Array:
    """Return the pre-activations b (G,), repeated for N sequences, as a row (1, NG)."""
    return np.repeat(_by_gate(b[None], H), N, axis=1).reshape(1, -1)


def _by_gate(rows: Array, H: int) -> Array:
    """Return rows (M, G) as a view (gates, M, H)."""
    return np.transpose(rows.reshape(len(rows), -1, H), (1, 0, 2))
