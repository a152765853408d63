"""NumPy's matrix products as its BLAS library likes them best."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from charrnn.kernels.arrays import Array, Workspace

# OpenBLAS brings the matrices of a product into an order of its own first, which for few rows costs
# a third of the time, unless it is small: for processors with AVX-512 it has functions that then
# take them as they are.
_SMALL = 1_000_000  # multiplications
_CORES_WITH_SMALL = ("SkylakeX", "Cooperlake", "SapphireRapids")
_COLUMNS = 32  # of a panel
_MIN_ROWS = 8  # for fewer it does not pay


def arrange(W: Array, workspace: Workspace, name: str, widest: int | None = None) -> Array:
    """Return a matrix (D, K) in the form that `product` takes: panels (K / columns, D, columns).

    Where small products are nothing special, or it cannot be divided so, the columns of a panel are
    `widest`, by default all.
    """
    D, K = W.shape
    widest = widest or K
    columns = _COLUMNS if widest % _COLUMNS == 0 and has_small_products() else widest
    if columns == K and W.flags.c_contiguous:
        return W[None]
    panels = workspace.array(name, (K // columns, D, columns), W.dtype)
    panels[...] = W.reshape(D, -1, columns).transpose(1, 0, 2)
    return panels


def product(x: Array, panels: Array, out: Array) -> None:
    """Write out (M, K) = x (M, D) W, with W as `arrange` makes it; x and out in row order."""
    count, _, columns = panels.shape
    panel_product(x, panels, out.reshape(len(x), count, columns).transpose(1, 0, 2))


def panel_product(x: Array, panels: Array, out: Array) -> None:
    """Write out (..., M, columns) = x (M, D) times each of panels (..., D, columns)."""
    (M, D), (*stack, _, columns) = x.shape, panels.shape
    rows = _rows_of_small(M, D * columns) if len(panels) > 1 else M
    if rows < M:
        x = x.reshape(M // rows, *(1 for _ in stack), rows, D)
        out = np.moveaxis(out.reshape(*stack, M // rows, rows, columns), -3, 0)
    np.matmul(x, panels, out=out)


@cache
def _rows_of_small(M: int, multiplications: int) -> int:
    """Return how many of M rows to take at a time, of so many multiplications each; M: all."""
    most = _SMALL // multiplications
    divisors = (rows for rows in range(min(M, most), _MIN_ROWS - 1, -1) if M % rows == 0)
    return next(divisors, M)


@cache
def has_small_products() -> bool:
    """Return whether NumPy's BLAS has functions of their own for small products."""
    library = _openblas()
    if library is None:
        return False
    core = library.scipy_openblas_get_corename64_
    core.restype = ctypes.c_char_p
    return (core() or b"").decode() in _CORES_WITH_SMALL


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let products run on one thread inside; another BLAS library keeps its own ways."""
    library = _openblas()
    if library is None:
        yield
        return
    before = library.scipy_openblas_get_num_threads64_()
    library.scipy_openblas_set_num_threads64_(1)
    try:
        yield
    finally:
        library.scipy_openblas_set_num_threads64_(before)


@cache
def _openblas() -> Any:
    """Return the library that comes in NumPy's wheels, or None where NumPy has another one."""
    package = Path(np.__file__).parent
    names = [f"scipy_openblas_{verb}_num_threads64_" for verb in ("get", "set")]
    for folder in (package.parent / "numpy.libs", package / ".libs", package / ".dylibs"):
        for file in folder.glob("*openblas*"):
            try:
                library = ctypes.CDLL(str(file))
            except OSError:
                continue
            if all(hasattr(library, f) for f in (*names, "scipy_openblas_get_corename64_")):
                return library
    return None
