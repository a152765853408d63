"""Arrays that are allocated once and reused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_ALIGNMENT = 64  # bytes: a cache line, and the widest register
_LARGE = 1 << 16  # bytes of a large array, at least
_BLOCK = 1 << 24  # bytes of a block, at least


class Workspace:
    """Named arrays that a kernel keeps between calls, so that a loop allocates nothing.

    The first request for a name allocates an array. A later request of at most that size returns
    the leading part of the same memory, so arrays made for the largest (T, N) serve every shorter
    window. A kernel's results live in the workspace until the next call with it overwrites them.
    A new, empty workspace gives fresh arrays. Kernels that share one must not share names.

    Large arrays are parts of common blocks, for which NumPy asks Linux for huge pages, as for every
    array of at least 4 MB. With pages of 4 KB, the processor looks up so many addresses that a step
    of training takes a tenth longer.
    """

    def __init__(self) -> None:
        self._memory: dict[str, Array] = {}
        self._rest = np.empty(0, np.uint8)  # of the last block

    def array(self, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """Return a contiguous array of `shape`; its contents are undefined."""
        size = math.prod(shape)
        memory = self._memory.get(name)
        if memory is None or memory.size < size or memory.dtype != dtype:
            memory = self._memory[name] = self._allocated(size, np.dtype(dtype))
        return memory[:size].reshape(shape)

    def _allocated(self, size: int, dtype: np.dtype[Any]) -> Array:
        """Return a new array (size,); a large one starts at a multiple of _ALIGNMENT."""
        nbytes = size * dtype.itemsize
        if nbytes < _LARGE:
            return np.empty(size, dtype)
        room = nbytes + _ALIGNMENT
        if self._rest.nbytes < room:
            self._rest = np.empty(max(_BLOCK, room), np.uint8)
        start = -self._rest.ctypes.data % _ALIGNMENT
        memory, self._rest = np.split(self._rest[start:], [nbytes])
        return memory.view(dtype)

    @property
    def nbytes(self) -> int:
        """Size of all arrays, in bytes."""
        return sum(memory.nbytes for memory in self._memory.values())
