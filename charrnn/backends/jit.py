"""How functions are compiled, and where the machine code is kept."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, TypeVar

import llvmlite.binding as llvm
import numba

from charrnn import kernels
from charrnn.system.caches import cache_folder

Function = TypeVar("Function", bound=Callable[..., Any])

# NaN and infinities keep their meaning, as the trainer looks for them.
_FAST = {"contract", "reassoc", "nsz", "arcp"}


def _sources_digest() -> str:
    """Return a digest of all the code that the compiled functions are made of."""
    digest = hashlib.sha256(numba.__version__.encode())
    for folder in (Path(kernels.__file__).parent, Path(__file__).parent):
        for file in sorted(folder.glob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _kept_folder() -> Path | None:
    """Return where machine code is kept, or None where it cannot be.

    There is one for each state of the sources: Numba looks only at the file that a function is in.
    It is for this user alone, since what lies there is run.
    """
    caches = cache_folder()
    if caches is None:
        return None
    folder = caches / "compiled" / _sources_digest()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if sys.platform != "win32":
            if folder.stat().st_uid != os.geteuid():
                return None
            folder.chmod(0o700)
        with TemporaryFile(dir=folder):
            return folder
    except OSError:
        return None


CACHE_FOLDER = _kept_folder()
JIT_DISABLED = bool(numba.config.DISABLE_JIT)


def vector_width() -> int:
    """Return how many float32 numbers this processor multiplies and adds at once; 0: unknown."""
    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return 16
    return 8 if features.get("avx2") and features.get("fma") else 0


def inner(function: Function) -> Function:
    """Compile a function that compiled ones call."""
    compiled: Function = numba.njit(fastmath=_FAST, error_model="numpy")(function)
    return compiled


def inlined(function: Function) -> Function:
    """Compile a function into those that call it; needed where its arguments are functions."""
    compiled: Function = numba.njit(inline="always")(function)
    return compiled


def outer(function: Function) -> Function:
    """Compile a function that Python calls, once: the machine code is kept."""
    before = numba.config.CACHE_DIR  # it is everybody's, and read when a function is defined
    numba.config.CACHE_DIR = str(CACHE_FOLDER or before)
    try:
        compiled: Function = numba.njit(
            fastmath=_FAST, error_model="numpy", cache=CACHE_FOLDER is not None
        )(function)
    finally:
        numba.config.CACHE_DIR = before
    return compiled
