"""Look up the row of a table for each code, and compute the gradient of the table.

A code k stands for the one-hot row e_k, and e_k E is row k of E. The product of one-hot rows and a
matrix is therefore a gather. The gradient of row k is the sum of the gradients of all outputs whose
code is k, a scatter.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from charrnn.kernels.arrays import Array, Workspace


def embedding_forward(codes: Array, E: Array, *, workspace: Workspace | None = None) -> Array:
    """Return the row of E for each code: y = onehot(codes) E.

    Args:
        codes: (...) integers in [0, V); this function does not check them.
        E: (V, D).
        workspace: holds the result, until the next call with it.

    Returns:
        y: (..., D).
    """
    ws = workspace or Workspace()
    y = ws.array("rows", (*codes.shape, E.shape[1]), E.dtype)
    # With any other mode, np.take writes to a temporary array first.
    return np.take(E, codes, axis=0, out=y, mode="clip")


def scatter_rows(rows: Array, codes: Array, sums: Array, workspace: Workspace) -> None:
    """Write into each row k of `sums` (V, D) the sum of the rows (M, D) whose code (M,) is k.

    The rows are sorted by code first, so that one call sums all rows of a code. At V = 65 this is
    four times faster than a product with a one-hot matrix, and ten times faster than `np.add.at`.
    """
    order = np.argsort(codes, kind="stable")  # (M,)
    by_code = workspace.array("sorted_rows", rows.shape, rows.dtype)  # (M, D)
    np.take(rows, order, axis=0, out=by_code, mode="clip")
    counts = np.bincount(codes, minlength=len(sums))  # (V,)
    occurring = np.flatnonzero(counts)
    sums[...] = 0
    start = 0
    for code, end in zip(occurring.tolist(), np.cumsum(counts)[occurring].tolist(), strict=True):
        np.add.reduce(by_code[start:end], axis=0, out=sums[code])
        start = end


def embedding_backward(
    dy: Array,
    codes: Array,
    E: Array,
    *,
    workspace: Workspace | None = None,
    grads: tuple[Array] | None = None,
    scatter: Callable[[Array, Array, Array, Workspace], None] = scatter_rows,
) -> Array:
    """Return the gradient of `embedding_forward` with respect to E.

    Args:
        dy: (..., D), the gradient of the output.
        codes: (...) integers, the argument of the forward function.
        E: (V, D); only its shape is used.
        workspace: holds temporary arrays and, without `grads`, the result.
        grads: (dE,), the array to write into.
        scatter: an implementation of `scatter_rows`.

    Returns:
        dE: (V, D); rows of codes that do not occur are zero.
    """
    ws = workspace or Workspace()
    V, D = E.shape
    (dE,) = grads or (ws.array("dE", (V, D), dy.dtype),)
    scatter(dy.reshape(-1, D), codes.reshape(-1), dE, ws)
    return dE
