"""Who does the inner loops: NumPy, or their Numba-compiled twins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from typing import Any

from charrnn.errors import BackendError
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


def resolve_backend(name: str) -> str:
    """Return which of BACKENDS a configured name stands for: auto is Numba where it is installed.

    Raises:
        BackendError: Numba is asked for and not installed.
    """
    installed = find_spec("numba") is not None
    if name == "numba" and not installed:
        raise BackendError(
            "train.backend numba: Numba is not installed; install charrnn[fast], or set "
            "train.backend to numpy"
        )
    return ("numba" if installed else "numpy") if name == "auto" else name


@cache
def backend(name: str) -> Backend:
    """Return one of BACKENDS. Numba is imported here and nowhere else."""
    if name == "numpy":
        return NUMPY
    from charrnn.compiled.elementwise import (
        adam,
        softmax_cross_entropy_backward,
        softmax_cross_entropy_forward,
    )
    from charrnn.compiled.loops import compiled_loops

    return Backend(
        name,
        compiled_loops(),
        softmax_cross_entropy_forward,
        softmax_cross_entropy_backward,
        {"adam": adam, "adamw": adam},
    )


def compiling_takes_time() -> bool:
    """Return whether the compiled functions still have to be compiled, as far as can be told."""
    from charrnn.compiled.jit import kept_folder

    folder = kept_folder()
    return folder is None or not folder.exists()
