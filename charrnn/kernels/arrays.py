"""Arrays that are made once and used again."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Workspace:
    """Arrays by name, kept between calls so that a loop allocates nothing.

    A kernel asks for the arrays it needs by name. The first request makes one; a later request of
    at most that size gets the leading part of the same memory, so arrays made for the largest
    (T, N) serve every shorter window. What a kernel returned from a workspace is overwritten by
    the next call with the same workspace. A new, empty workspace gives fresh arrays. Kernels that
    are to share one must not share names.
    """

    def __init__(self) -> None:
        self._memory: dict[str, Array] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """Return a contiguous array of `shape`; its contents are whatever was there before."""
        size = math.prod(shape)
        memory = self._memory.get(name)
        if memory is None or memory.size < size or memory.dtype != dtype:
            memory = self._memory[name] = np.empty(size, dtype)
        return memory[:size].reshape(shape)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(memory.nbytes for memory in self._memory.values())
