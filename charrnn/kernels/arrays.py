"""Arrays that are allocated once and reused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Workspace:
    """Named arrays that a kernel keeps between calls, so that a loop allocates nothing.

    The first request for a name allocates an array. A later request of at most that size returns
    the leading part of the same memory, so arrays made for the largest (T, N) serve every shorter
    window. A kernel's results live in the workspace until the next call with it overwrites them.
    A new, empty workspace gives fresh arrays. Kernels that share one must not share names.
    """

    def __init__(self) -> None:
        self._memory: dict[str, Array] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """Return a contiguous array of `shape`; its contents are undefined."""
        size = math.prod(shape)
        memory = self._memory.get(name)
        if memory is None or memory.size < size or memory.dtype != dtype:
            memory = self._memory[name] = np.empty(size, dtype)
        return memory[:size].reshape(shape)

    @property
    def nbytes(self) -> int:
        """Size of all arrays, in bytes."""
        return sum(memory.nbytes for memory in self._memory.values())
