"""The threads of NumPy's matrix products, where the BLAS library is the one in NumPy's wheels."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let products run on one thread inside; another BLAS library keeps its own ways."""
    get, set_ = _thread_functions() or (lambda: 1, lambda _: None)
    before = get()
    set_(1)
    try:
        yield
    finally:
        set_(before)


@cache
def _thread_functions() -> tuple[Any, Any] | None:
    """Return OpenBLAS's functions that tell and set the number of threads."""
    package = Path(np.__file__).parent
    for folder in (package.parent / "numpy.libs", package / ".libs", package / ".dylibs"):
        for file in folder.glob("*openblas*"):
            try:
                library = ctypes.CDLL(str(file))
                return tuple(
                    getattr(library, f"scipy_openblas_{verb}_num_threads64_")
                    for verb in ("get", "set")
                )
            except (OSError, AttributeError):
                continue
    return None
