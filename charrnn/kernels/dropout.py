"""Dropout: each unit is kept with probability 1 - rate and then scaled by 1 / (1 - rate).

Scaling while training leaves the expected value as it was, so evaluation needs no change
(Srivastava et al. 2014, in its inverted form). The backward function is the forward one applied
to the gradient: both multiply by the mask.
"""

from __future__ import annotations

import numpy as np

from charrnn.kernels.arrays import Array, Workspace


def dropout_mask(
    shape: tuple[int, ...],
    rate: float,
    generator: np.random.Generator,
    dtype: type[np.floating],
    *,
    workspace: Workspace | None = None,
) -> Array:
    """Draw a mask whose entries are 0 with probability `rate` and 1 / (1 - rate) otherwise."""
    ws = workspace or Workspace()
    mask = ws.array("dropout_mask", shape, dtype)
    generator.random(out=mask, dtype=dtype)  # uniform in [0, 1)
    np.greater_equal(mask, rate, out=mask)
    mask *= 1.0 / (1.0 - rate)
    return mask


def dropout_forward(x: Array, mask: Array, *, workspace: Workspace | None = None) -> Array:
    """Return y = x * mask, of x's shape."""
    ws = workspace or Workspace()
    return np.multiply(x, mask, out=ws.array("dropped", x.shape, x.dtype))


def dropout_backward(dy: Array, mask: Array, *, workspace: Workspace | None = None) -> Array:
    """Return dx = dy * mask, of dy's shape."""
    ws = workspace or Workspace()
    return np.multiply(dy, mask, out=ws.array("ddropped", dy.shape, dy.dtype))
