"""A problem for a cell, the same random numbers at each call, and two ways to solve it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

from charrnn.kernels import CELLS, Array, Cell, Workspace

D, H = 5, 6  # unless a test passes others

each_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
each_input = pytest.mark.parametrize("codes", [False, True], ids=["features", "codes"])


class Problem(NamedTuple):
    """The arguments of the sequence functions of a cell."""

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
    """Return the same read-only numbers at each call; `scale` multiplies the parameters."""
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
    """Yield every array of a cache or a problem."""
    if isinstance(tree, tuple):
        for part in tree:
            yield from leaves(part)
    else:
        yield tree


def run_sequence(cell: Cell, p: Problem, workspace: Workspace | None = None) -> list[Array | None]:
    """Run the sequence pair; return the states at every step, dx, dstates0 and dparameters."""
    *states, cache = cell.forward(p.x, *p.states, *p.parameters, workspace=workspace)
    for array in leaves(cache):
        frozen(array)
    return [*states, *cell.backward(p.dh, cache, dlast=p.dlast, workspace=workspace)]


def run_steps(cell: Cell, p: Problem) -> list[Array | None]:
    """Return the results of `run_sequence`, from the step pair."""
    states, caches, outputs = p.states, [], []
    for x in p.x:
        *states, cache = cell.step_forward(x, *map(frozen, states), *p.parameters)
        caches.append(cache)
        outputs.append(states)
    dstates, dxs, dparameters = p.dlast, [], [0.0] * len(p.parameters)
    for dh, cache in zip(reversed(p.dh), reversed(caches), strict=True):
        for array in leaves(cache):
            frozen(array)
        dh_t = frozen(dstates[0] + dh)
        dx, *rest = cell.step_backward(dh_t, *map(frozen, dstates[1:]), cache)
        dstates, dstep = rest[: len(dstates)], rest[len(dstates) :]
        dparameters = [d + step for d, step in zip(dparameters, dstep, strict=True)]
        dxs.append(dx)
    sequences = [np.stack(sequence) for sequence in zip(*outputs, strict=True)]
    dx = None if dxs[0] is None else np.stack(dxs[::-1])
    return [*sequences, dx, *dstates, *dparameters]
