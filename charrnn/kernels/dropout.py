"""Dropout: each unit is kept with probability 1 - rate and then scaled by 1 / (1 - rate).

Scaling while training leaves the expected value as it was, so evaluation needs no change
(Srivastava et al. 2014, in its inverted form). The backward function is the forward one applied
to the gradient: both multiply by the mask.
"""

from __future__ import annotations

import numpy as np

from charrnn.kernels.arrays import Array, Workspace

_LEVELS = 1 << 16  # a rate is a number of these
_BLOCK = 16  # 16-bit numbers in a step of the generator's counter


def dropout_mask(
    T: int,
    sequences: range,
    H: int,
    rate: float,
    key: tuple[int, int],
    dtype: type[np.floating],
    *,
    workspace: Workspace | None = None,
) -> Array:
    """Draw the mask of some sequences of a batch.

    The generator is a counter (Salmon et al. 2011) of which each sequence has a stretch of its own,
    so its mask does not depend on which others are drawn with it.

    Args:
        T: steps.
        sequences: their places in the batch.
        H: units.
        rate: the probability of 0, to 1/65536; all others are 1 / (1 - rate).
        key: for the same mask each time, below 2^64 each.

    Returns:
        mask: (T, N, H), N the number of sequences.
    """
    ws = workspace or Workspace()
    N = len(sequences)
    blocks = -(-T * H // _BLOCK)  # of a sequence
    generator = np.random.Philox(key=key).advance(sequences.start * blocks)
    bits = generator.random_raw(N * blocks * 4).view(np.uint16)
    drawn = bits.reshape(N, -1)[:, : T * H].reshape(N, T, H)
    dropped = min(round(rate * _LEVELS), _LEVELS - 1)
    mask = ws.array("dropout_mask", (T, N, H), dtype)
    np.greater_equal(drawn.transpose(1, 0, 2), dropped, out=mask)
    mask *= _LEVELS / (_LEVELS - dropped)
    return mask


def dropout_forward(x: Array, mask: Array, *, workspace: Workspace | None = None) -> Array:
    """Return y = x * mask, of x's shape."""
    ws = workspace or Workspace()
    return np.multiply(x, mask, out=ws.array("dropped", x.shape, x.dtype))


def dropout_backward(dy: Array, mask: Array, *, workspace: Workspace | None = None) -> Array:
    """Return dx = dy * mask, of dy's shape."""
    ws = workspace or Workspace()
    return np.multiply(dy, mask, out=ws.array("ddropped", dy.shape, dy.dtype))
