"""An affine map of all steps at once: y = x W + b.

The gradients, where the rows of x and y are all steps of all sequences:

    dx = dy W^T        dW = x^T dy        db = sum of the rows of dy
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from charrnn.kernels.arrays import Array, Workspace
from charrnn.kernels.blas import multiply
from charrnn.kernels.embedding import embedding_backward, embedding_forward, scatter_rows


def projection_forward(
    x: Array, W: Array, b: Array, *, workspace: Workspace | None = None
) -> Array:
    """Return y = x W + b, for features or for codes that stand for one-hot rows.

    Args:
        x: (..., D) floats, or (...) integer codes in [0, D).
        W, b: (D, K), (K,).
        workspace: holds temporary arrays and the result, until the next call with it.

    Returns:
        y: (..., K).
    """
    ws = workspace or Workspace()
    if x.dtype.kind in "iu":
        if x.size < len(W):  # fewer rows than W has: add b to them, not to W
            return np.add(rows := embedding_forward(x, W, workspace=ws), b, out=rows)
        table = np.add(W, b, out=ws.array("table", W.shape, W.dtype))  # (D, K)
        return embedding_forward(x, table, workspace=ws)
    D, K = W.shape
    y = ws.array("projected", (*x.shape[:-1], K), W.dtype)
    rows = y.reshape(-1, K)
    multiply(x.reshape(-1, D), W, rows, ws, "W_packed")
    rows += b
    return y


def projection_backward(
    dy: Array,
    x: Array,
    W: Array,
    *,
    workspace: Workspace | None = None,
    grads: tuple[Array, Array] | None = None,
    need_dx: bool = True,
    scatter: Callable[[Array, Array, Array, Workspace], None] = scatter_rows,
) -> tuple[Array | None, Array, Array]:
    """Return the gradients of `projection_forward`.

    Args:
        dy: (..., K), the gradient of the output.
        x, W: the arguments of the forward function.
        workspace: holds temporary arrays and results, until the next call with it.
        grads: (dW, db), the arrays to write into.
        need_dx: False skips the product for dx.
        scatter: an implementation of `scatter_rows`, used for codes.

    Returns:
        dx: (..., D), or None for codes or if it is not needed.
        dW: (D, K).
        db: (K,).
    """
    ws = workspace or Workspace()
    D, K = W.shape
    dW, db = grads or (ws.array("dW", (D, K), W.dtype), ws.array("db", (K,), W.dtype))
    dy_rows = dy.reshape(-1, K)  # (M, K)
    if x.dtype.kind in "iu":
        embedding_backward(dy, x, W, workspace=ws, grads=(dW,), scatter=scatter)
        # A row of dW is the sum of some rows of dy: sum whichever are fewer.
        np.add.reduce(dW if len(dy_rows) > D else dy_rows, axis=0, out=db)
        return None, dW, db
    np.add.reduce(dy_rows, axis=0, out=db)
    np.matmul(x.reshape(-1, D).T, dy_rows, out=dW)
    if not need_dx:
        return None, dW, db
    dx = ws.array("dx", x.shape, W.dtype)
    multiply(dy_rows, W.T, dx.reshape(-1, D), ws, "W_T_packed")
    return dx, dW, db
