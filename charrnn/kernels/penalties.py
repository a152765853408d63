"""A penalty on activations, added to the loss (Merity, McCann and Socher 2017).

    penalty = alpha / H * sum of h^2        dh += 2 alpha / H * h

summed over the steps and the sequences, like the loss of each token, and scaled with it. h is the
output of the last layer, after dropout. Small activations regularise the output.
"""

from __future__ import annotations

import numpy as np

from charrnn.kernels.arrays import Array, Workspace


def activation_penalty(h: Array) -> float:
    """Return the sum over all steps and sequences of the mean square over the units.

    >>> import numpy as np
    >>> from charrnn.kernels import activation_penalty
    >>> activation_penalty(np.full((3, 2, 4), 0.5))  # T, N, H
    1.5

    Args:
        h: (T, N, H), the output of the last layer.
    """
    return float(np.vdot(h, h) / h.shape[-1])


def activation_penalty_backward(
    dh: Array, h: Array, alpha: float, *, workspace: Workspace | None = None
) -> Array:
    """Return dh with the gradient of alpha times the penalty added to it.

    Args:
        dh: (T, N, H), the gradient of the output.
        h: (T, N, H), the argument of `activation_penalty`.
        alpha: weight of the penalty.
        workspace: holds the result, until the next call with it.
    """
    ws = workspace or Workspace()
    total = ws.array("dpenalty", h.shape, h.dtype)
    np.multiply(h, 2 * alpha / h.shape[-1], out=total)
    total += dh
    return total
