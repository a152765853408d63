"""Rounds the parameters of a model to 32, 16 or 8 bits and packs them for the page.

    32 bits   float32, not rounded
    16 bits   IEEE half precision, times a power of two for each matrix, so that its largest number
              is between 2^14 and 2^15 and nothing overflows
    8 bits    whole numbers from -127 to 127, times a float32 for each column

Vectors are few, and stay float32.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from charrnn.kernels import Array
from charrnn.model.parameters import Shapes, parameter_views

PRECISIONS = (8, 16, 32)
_LARGEST_WHOLE = 127
_HALF_EXPONENT = 15  # of the largest number of a matrix, times its factor; halves end at 65,504


class Packed(NamedTuple):
    """Rounded parameters."""

    data: bytes  # of all arrays, one after another
    arrays: list[dict[str, Any]]  # name, shape, `at` (its first byte), bits, and scale of each
    parameters: Array  # (P,) float32, the numbers that the page computes with


def pack(parameters: Array, shapes: Shapes, precision: int) -> Packed:
    """Round and pack parameters (P,) float32 of these shapes to a number of bits."""
    rounded = parameters.copy()
    views = parameter_views(rounded, shapes)
    data, arrays = bytearray(), list[dict[str, Any]]()
    for name, view in views.items():
        bits = precision if view.ndim > 1 else 32
        entry = {"name": name, "shape": view.shape, "at": len(data), "bits": bits}
        if bits == 32:
            data += view.astype("<f4").tobytes()
        elif bits == 16:
            scale, halves = _halves(view)
            entry["scale"] = scale
            data += halves.tobytes()
            view[...] = halves.astype(np.float64) * scale
        else:
            scales, whole = _whole_numbers(view)
            data += scales.tobytes() + whole.tobytes()
            view[...] = whole * scales.astype(np.float64)
        data += bytes(-len(data) % 4)  # the next array begins where a float32 may
        arrays.append(entry)
    return Packed(bytes(data), arrays, rounded)


def _halves(matrix: Array) -> tuple[float, Array]:
    """Return a power of two, and the half-precision numbers that are multiplied by it."""
    _, exponent = math.frexp(float(np.abs(matrix).max()))
    scale = math.ldexp(1.0, exponent - _HALF_EXPONENT)
    return scale, (matrix / np.float64(scale)).astype("<f2")


def _whole_numbers(matrix: Array) -> tuple[Array, Array]:
    """Return scales (M,) float32, and the whole numbers (K, M) that are multiplied by them."""
    scales = (np.abs(matrix).max(0) / np.float64(_LARGEST_WHOLE)).astype("<f4")  # (M,)
    divisors = np.where(scales > 0, scales, 1).astype(np.float64)
    whole = np.rint(matrix / divisors).clip(-_LARGEST_WHOLE, _LARGEST_WHOLE)  # (K, M)
    return scales, whole.astype(np.int8)
