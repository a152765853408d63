"""Who does the inner loops: NumPy, or their Numba-compiled twins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from typing import Any

from charrnn.errors import BackendError, Remedy
from charrnn.kernels import (
    CELLS,
    softmax_cross_entropy_backward,
    softmax_cross_entropy_forward,
)
from charrnn.kernels.cell import Loops

BACKENDS = ("numpy", "numba")


@dataclass(frozen=True)
class Backend:
    """The functions that there are several of; arguments and results as in `charrnn.kernels`."""

    name: str
    loops: Mapping[str, Loops]  # by the cell's name
    softmax_cross_entropy_forward: Callable[..., Any]
    softmax_cross_entropy_backward: Callable[..., Any]
    updates: Mapping[str, Callable[..., None]] = field(default_factory=dict)  # by optimiser


NUMPY = Backend(
    "numpy",
    {name: cell.loops for name, cell in CELLS.items()},
    softmax_cross_entropy_forward,
    softmax_cross_entropy_backward,
)


def resolve_backend(name: str, *, of_run: bool = False) -> str:
    """Return which of BACKENDS a name stands for: auto is Numba where it can be had.

    Args:
        name: as configured.
        of_run: it is that of a run which is to go on, and cannot be changed.

    Raises:
        BackendError: Numba is asked for and cannot be had.
    """
    problem = "" if name == "numpy" else _problem_with_numba()
    if name == "auto":
        return "numpy" if problem else "numba"
    if problem:
        if of_run:
            raise BackendError(
                f"this run's train.backend is numba, and {problem}; pip install numba",
                Remedy("init_from", "starts a new run from its weights"),
            )
        raise BackendError(
            f"train.backend numba, and {problem}; pip install numba",
            Remedy("train.backend=numpy", "does without"),
        )
    return name


@cache
def _problem_with_numba() -> str:
    """Return why Numba cannot be used, or nothing."""
    if find_spec("numba") is None:
        return "Numba is not installed"
    try:
        from charrnn.backends.jit import JIT_DISABLED
    except Exception as error:  # one that does not go with this NumPy raises this or that
        return f"Numba cannot be imported ({error})"
    return "NUMBA_DISABLE_JIT turns Numba off" if JIT_DISABLED else ""


@cache
def backend(name: str) -> Backend:
    """Return one of BACKENDS."""
    if name == "numpy":
        return NUMPY
    from charrnn.backends.elementwise import (
        adam,
        softmax_cross_entropy_backward,
        softmax_cross_entropy_forward,
    )
    from charrnn.backends.loops import compiled_loops

    return Backend(
        name,
        compiled_loops(),
        softmax_cross_entropy_forward,
        softmax_cross_entropy_backward,
        {"adam": adam, "adamw": adam},
    )


def compiling_note(backend: str) -> str:
    """Return a note if the functions of a backend still have to be compiled, else nothing."""
    if backend == "numpy":
        return ""
    from charrnn.backends.jit import CACHE_FOLDER

    if CACHE_FOLDER is None:
        return "compiling the inner loops (no cache folder can keep them): some seconds"
    if any(CACHE_FOLDER.rglob("*.nbi")):
        return ""
    return "compiling the inner loops for this processor, once: some seconds"
