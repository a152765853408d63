"""Something for a cell to compute: the same random numbers at each call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from charrnn.kernels import Array, Cell

D, H = 5, 6  # where a test does not say


class Problem(NamedTuple):
    """All that a cell's sequence functions take."""

    x: Array  # (T, N, D), or codes (T, N)
    states: tuple[Array, ...]  # each (N, H)
    parameters: tuple[Array, ...]
    dh: Array  # (T, N, H)
    dlast: tuple[Array, ...]  # each (N, H)


def frozen(array: Array) -> Array:
    """Make an array read-only, so that a change to it raises; return it."""
    array.flags.writeable = False
    return array


def problem(
    cell: Cell,
    T: int,
    N: int,
    codes: bool = False,
    dtype: type = np.float64,
    scale: float = 1.0,
    *,
    D: int = D,
    H: int = H,
) -> Problem:
    """The same numbers at each call, read-only; `scale` multiplies the parameters."""
    rng = np.random.default_rng(1)

    def normal(*shape: int, scale: float = 1.0) -> Array:
        return frozen((scale * rng.standard_normal(shape)).astype(dtype))

    shapes = cell.parameter_shapes(D, H).values()
    return Problem(
        frozen(rng.integers(D, size=(T, N))) if codes else normal(T, N, D),
        tuple(normal(N, H) for _ in cell.states),
        tuple(normal(*shape, scale=scale) for shape in shapes),
        normal(T, N, H),
        tuple(normal(N, H) for _ in cell.states),
    )


def leaves(tree: Any) -> Iterator[Array]:
    """Every array of a cache or a problem."""
    if isinstance(tree, tuple):
        for part in tree:
            yield from leaves(part)
    else:
        yield tree
