"""Matrix products in the shapes that NumPy's BLAS library multiplies fastest."""

from __future__ import annotations

import ctypes
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from charrnn.kernels.arrays import Array, Workspace

# OpenBLAS first copies the matrices of a product into an order of its own, which takes a third of
# the time when there are few rows. Its functions for AVX-512 include separate ones for small
# products, which read the matrices in place. A core name stands for a set of functions, not for a
# brand: an AMD processor with AVX-512 has those of SkylakeX.
_SMALL = 1_000_000  # multiplications of a small product, at most
_CORES_WITH_SMALL = ("SkylakeX", "Cooperlake", "SapphireRapids")
_COLUMNS = 32  # of a panel
_MIN_ROWS = 8  # smaller products cost more than they save
_MAX_DEPTH = 256  # rows of a panel that fits in the L1 cache


def pack(W: Array, workspace: Workspace, name: str, widest: int | None = None) -> Array:
    """Return a matrix (D, K) in the form that `product` takes: panels (K / columns, D, columns).

    A panel has 32 columns if the BLAS library has functions for small products and `widest` is a
    multiple of 32. Otherwise it has `widest` columns, by default all K.
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
    """Write out (M, K) = x (M, D) W, given W as the panels of `pack`; x and out are contiguous.

    Columns of x after the first D are not read.
    """
    count, D, columns = panels.shape
    panel_product(x[:, :D], panels, out.reshape(len(x), count, columns).transpose(1, 0, 2))


def multiply(x: Array, W: Array, out: Array, workspace: Workspace, name: str) -> None:
    """Write out (M, K) = x (M, D) W (D, K), for many rows M; x and out are contiguous.

    The panels of a deep W do not fit in the L1 cache. With many rows, reading them from the next
    cache takes longer on some processors than the copies that one large product makes.

    Args:
        x, W, out: the matrices; W may have any memory layout.
        workspace: holds the panels of W.
        name: of the panels.
    """
    if len(W) > _MAX_DEPTH:
        np.matmul(x, W, out=out)
    else:
        product(x, pack(W, workspace, name), out)


def panel_product(x: Array, panels: Array, out: Array) -> None:
    """Write out (..., M, columns) = x (M, D) times each of panels (..., D, columns)."""
    (M, D), (*stack, _, columns) = x.shape, panels.shape
    several = math.prod(stack) > 1 and has_small_products()
    rows = _rows_of_small(M, D * columns) if several else M
    if rows < M:
        x = x.reshape(M // rows, *(1 for _ in stack), rows, D)
        out = np.moveaxis(out.reshape(*stack, M // rows, rows, columns), -3, 0)
    np.matmul(x, panels, out=out)


@cache
def _rows_of_small(M: int, multiplications: int) -> int:
    """Return how many of M rows, each of this many multiplications, make a small product.

    The result divides M; it is M itself if no other number of rows fits.
    """
    most = _SMALL // multiplications
    divisors = (rows for rows in range(min(M, most), _MIN_ROWS - 1, -1) if M % rows == 0)
    return next(divisors, M)


@cache
def has_small_products() -> bool:
    """Return whether NumPy's BLAS library has separate functions for small products."""
    core_name = _openblas("get_corename")
    if core_name is None:
        return False
    core_name.restype = ctypes.c_char_p
    return (core_name() or b"").decode() in _CORES_WITH_SMALL


class _ThreadLimit:
    """Limits OpenBLAS to one thread while it has users, in whatever order they come and go.

    The number of threads belongs to the process, so the first user saves it and the last restores
    it. This has no effect on libraries except OpenBLAS.
    """

    def __init__(self) -> None:
        self._reset()
        if hasattr(os, "register_at_fork"):  # the threads of a process do not survive a fork
            os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._lock = Lock()
        self._users = 0
        self._before = 1

    @contextmanager
    def one_thread(self) -> Iterator[None]:
        get_threads, set_threads = _openblas("get_num_threads"), _openblas("set_num_threads")
        if get_threads is None or set_threads is None:
            yield
            return
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._before = get_threads()
                set_threads(1)
        try:
            yield
        finally:
            with self._lock:
                self._users = max(0, self._users - 1)
                if not self._users:
                    set_threads(self._before)


one_blas_thread = _ThreadLimit().one_thread


@cache
def _openblas(function: str) -> Any:
    """Return a function of the OpenBLAS in NumPy's wheel, or None if NumPy uses another library."""
    package = Path(np.__file__).parent
    for folder in (package.parent / "numpy.libs", package / ".libs", package / ".dylibs"):
        for file in folder.glob("*openblas*"):
            try:
                library = ctypes.CDLL(str(file))
            except OSError:
                continue
            for prefix in ("scipy_openblas_", "openblas_"):  # newer and older wheels
                if hasattr(library, f"{prefix}{function}64_"):
                    return getattr(library, f"{prefix}{function}64_")
    return None
