"""The memory of a workspace."""

import re
from pathlib import Path

import numpy as np
import pytest

from charrnn.kernels import Array, Workspace

SIZES = (3, 20_000, 50_000, 1_000, 10**7, 70_001, 10**6)  # of float32: small, large, over a block


def arrays(ws: Workspace) -> list[Array]:
    return [ws.array(f"array {i}", (size,), np.float32) for i, size in enumerate(SIZES)]


def test_the_arrays_of_a_workspace_are_apart() -> None:
    ws = Workspace()
    made = arrays(ws)
    for i, array in enumerate(made):
        array[...] = i
    grown = ws.array("array 1", (10 * SIZES[1],), np.float64)
    grown[...] = -1
    for i, array in enumerate(made):
        assert (array == i).all()
    assert ws.nbytes == 4 * (sum(SIZES) - SIZES[1]) + 8 * 10 * SIZES[1]


def test_large_arrays_begin_with_a_cache_line() -> None:
    large = [array for array in arrays(Workspace()) if array.nbytes >= 1 << 16]
    assert all(array.ctypes.data % 64 == 0 for array in large)


@pytest.mark.skipif(
    not Path("/sys/kernel/mm/transparent_hugepage").exists(), reason="only Linux has them"
)
def test_large_arrays_ask_for_huge_pages() -> None:
    array = Workspace().array("panels", (1 << 18,), np.float32)
    at = array.ctypes.data + array.nbytes // 2  # the page of the first byte is shared
    flags = None
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if found := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
            inside = int(found[1], 16) <= at < int(found[2], 16)
        elif inside and line.startswith("VmFlags:"):
            flags = line.split()[1:]
    assert flags
    assert "hg" in flags
