"""Dropout: each unit is kept with probability 1 - rate and then scaled by 1 / (1 - rate).

The scale keeps the expected value of a unit, so evaluation needs no change (inverted dropout;
Srivastava et al. 2014). Forward and backward functions both multiply by the mask.
"""

from __future__ import annotations

import numpy as np

from charrnn.kernels.arrays import Array, Workspace

_LEVELS = 1 << 16  # possible values of a random number; the rate is rounded to 1 / _LEVELS
_BLOCK = 16  # random numbers of 16 bits per step of the generator's counter


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
    """Draw the dropout mask of some sequences of a batch.

    The random numbers come from a counter-based generator (Salmon et al. 2011). Each sequence owns
    a range of the counter, so its mask does not depend on which other sequences are drawn with it.

    Args:
        T: steps.
        sequences: indices in the batch.
        H: units.
        rate: probability that a number is 0, rounded to 1/65536; the others are 1 / (1 - rate).
        key: seed of the mask, two integers below 2^64.
        workspace: holds the mask, until the next call with it.

    Returns:
        mask: (T, N, H), where N is the number of sequences.
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
