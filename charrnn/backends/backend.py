"""Selects the backend: NumPy, or loops compiled by Numba."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
    """The functions that a backend implements, with the interfaces of `charrnn.kernels`."""

    name: str
    loops: Mapping[str, Loops]  # by cell
    softmax_cross_entropy_forward: Callable[..., Any]
    softmax_cross_entropy_backward: Callable[..., Any]
    updates: Mapping[str, Callable[..., None]]  # by optimizer; others update as in their rule


NUMPY = Backend(
    "numpy",
    {name: cell.loops for name, cell in CELLS.items()},
    softmax_cross_entropy_forward,
    softmax_cross_entropy_backward,
    {},
)


def resolve_backend(name: str, *, of_run: bool = False) -> str:
    """Return the backend, one of BACKENDS, that a configured name stands for.

    Args:
        name: one of BACKENDS, or auto for Numba if it can be used and else NumPy.
        of_run: whether the name belongs to a run that is being resumed, which cannot change it.

    Raises:
        BackendError: the name is numba, and Numba cannot be used.
    """
    problem = "" if name == "numpy" else _problem_with_numba()
    if name == "auto":
        return "numpy" if problem else "numba"
    if problem:
        if of_run:
            raise BackendError(
                f"train.backend is numba in this run, and {problem}",
                Remedy("init_from + run_dir", "starts a new run from its weights"),
            )
        raise BackendError(
            f"train.backend numba: {problem}", Remedy("train.backend=numpy", "trains without it")
        )
    return name


@cache
def _problem_with_numba() -> str:
    """Return why Numba cannot be used and what to do about it, or an empty string."""
    if find_spec("numba") is None:
        return "Numba is not installed; pip install numba"
    try:
        from charrnn.backends.jit import JIT_DISABLED
    except Exception as error:  # an incompatible NumPy causes various exceptions
        return f"Numba cannot be imported ({error}); pip install -U numba"
    return "NUMBA_DISABLE_JIT turns Numba off; unset it" if JIT_DISABLED else ""


@cache
def backend(name: str) -> Backend:
    """Return a backend by its name, one of BACKENDS."""
    if name == "numpy":
        return NUMPY
    from charrnn.backends.elementwise import (
        adam,
        cautious_adam,
        softmax_cross_entropy_backward,
        softmax_cross_entropy_forward,
    )
    from charrnn.backends.loops import compiled_loops

    return Backend(
        name,
        compiled_loops(),
        softmax_cross_entropy_forward,
        softmax_cross_entropy_backward,
        {"adam": adam, "adamw": adam, "cadamw": cautious_adam},
    )


def compiling_note(name: str) -> str:
    """Return a note if the functions of a backend must first be compiled, else an empty string."""
    if name == "numpy":
        return ""
    from charrnn.backends.jit import CACHE_FOLDER

    if CACHE_FOLDER is None:
        return "compiling the inner loops (they cannot be cached); this takes some seconds"
    if any(CACHE_FOLDER.rglob("*.nbi")):
        return ""
    return "compiling the inner loops for this processor, once; this takes some seconds"
