"""Compiles functions with Numba, and caches their machine code."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, TypeVar

import numba
from numba.core.codegen import get_host_cpu_features

from charrnn import kernels
from charrnn.system.caches import cache_folder

Function = TypeVar("Function", bound=Callable[..., Any])

# Without "nnan" and "ninf": the trainer detects divergence by NaN and infinity.
_FAST = {"contract", "reassoc", "nsz", "arcp"}


def _sources_digest() -> str:
    """Return a digest of all code that the compiled functions are made of."""
    digest = hashlib.sha256(numba.__version__.encode())
    for folder in (Path(kernels.__file__).parent, Path(__file__).parent):
        for file in sorted(folder.glob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _machine_code_folder() -> Path | None:
    """Return the folder that caches machine code, or None if it cannot be used.

    Each state of the sources has its own folder, because Numba notices only changes to the file
    that contains the function. Only this user may write to it, because its contents are executed.
    """
    caches, source = cache_folder(), Path(__file__)
    # Numba and the digest read source files, which a zip file or a program of .pyc files lacks.
    if caches is None or source.suffix != ".py" or not source.is_file():
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


def _name_files_by_absolute_paths() -> None:
    """Let Numba compile in a current folder that has been deleted.

    It notes the path of each file relative to the current folder, which it cannot find.
    """
    try:
        os.getcwd()
    except FileNotFoundError:
        numba.core.ir.Loc._get_path = lambda loc: loc.filename


_name_files_by_absolute_paths()
CACHE_FOLDER = _machine_code_folder()
JIT_DISABLED = bool(numba.config.DISABLE_JIT)


def vector_width() -> int:
    """Return how many float32 numbers one instruction multiplies and adds, or 0 if unknown.

    The answer is for the processor that Numba compiles for. Numba's own environment variables, such
    as NUMBA_CPU_FEATURES, may choose one with fewer instructions than this one.
    """
    configured = numba.config.CPU_FEATURES
    features = get_host_cpu_features() if configured is None else configured
    names = set(features.split(","))
    if "+avx512f" in names:
        return 16
    return 8 if {"+avx2", "+fma"} <= names else 0


def compiled_helper(function: Function) -> Function:
    """Compile a function that only compiled functions call."""
    compiled: Function = numba.njit(fastmath=_FAST, error_model="numpy")(function)
    return compiled


def compiled_inline(function: Function) -> Function:
    """Compile a function into its callers, which is needed if its arguments are functions."""
    compiled: Function = numba.njit(inline="always")(function)
    return compiled


def compiled_entry_point(function: Function) -> Function:
    """Compile a function that Python calls, and cache its machine code."""
    before = numba.config.CACHE_DIR  # a global setting, which Numba reads here
    numba.config.CACHE_DIR = str(CACHE_FOLDER or before)
    try:
        compiled: Function = numba.njit(
            fastmath=_FAST, error_model="numpy", cache=CACHE_FOLDER is not None
        )(function)
    finally:
        numba.config.CACHE_DIR = before
    return compiled
