"""The product inside the compiled loops is correct at every edge, and writes only its output."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba", reason="Numba is not installed: there is no compiled backend to test")

from charrnn.backends.matmul import COLUMNS, ROWS, WIDTH, pack, product
from charrnn.kernels import Array, Workspace

GUARD = 32  # floats on either side of an array
HEIGHTS = [*range(1, 2 * ROWS + 2), 50, 64]  # N
WIDTHS = [1, 2, WIDTH - 1, WIDTH, WIDTH + 1]  # K
WIDTHS += [COLUMNS - 1, COLUMNS, COLUMNS + 1, 2 * COLUMNS, 3 * COLUMNS + WIDTH + 1, 512]


def dirty_workspace() -> Workspace:
    """Return a workspace full of NaN, which shows every number that is not written."""
    workspace = Workspace()
    workspace.array("panels", (1 << 17,), np.float32)[...] = np.nan
    return workspace


def guarded(shape: tuple[int, int], value: float) -> tuple[Array, Array]:
    """Return an array of NaN, and its memory, which starts and ends with guards."""
    size = shape[0] * shape[1]
    memory = np.full(size + 2 * GUARD, value, np.float32)
    array = memory[GUARD:-GUARD].reshape(shape)
    array[...] = np.nan
    return array, memory


@pytest.mark.parametrize("D", [1, 2, 7, 33, 128])
@pytest.mark.parametrize("K", WIDTHS)
def test_product_equals_numpys(D: int, K: int) -> None:
    """This holds for every height of a tile; nothing outside the arrays is read or written."""
    rng = np.random.default_rng(1)
    W = rng.standard_normal((D, K)).astype(np.float32)
    panels = pack(W, dirty_workspace(), "panels")
    for N in HEIGHTS:
        x, x_memory = guarded((N, D), np.nan)
        x[...] = rng.standard_normal((N, D))
        out, memory = guarded((N, K), 7.5)
        x_before, panels_before = x_memory.copy(), panels.copy()
        product(x, panels, out)
        exact = np.matmul(x, W, dtype=np.float64)
        bound = np.matmul(np.abs(x), np.abs(W), dtype=np.float64)
        assert (np.abs(out - exact) <= 1e-6 * bound).all(), N
        assert (memory[:GUARD] == 7.5).all(), N
        assert (memory[-GUARD:] == 7.5).all(), N
        np.testing.assert_array_equal(x_memory, x_before)
        np.testing.assert_array_equal(panels, panels_before)


@pytest.mark.parametrize("K", [1, COLUMNS, 3 * COLUMNS + 1])
def test_columns_of_x_beyond_those_of_the_product_are_not_read(K: int) -> None:
    rng = np.random.default_rng(4)
    W = rng.standard_normal((7, K)).astype(np.float32)
    panels = pack(W, dirty_workspace(), "panels")
    for N in HEIGHTS:
        x = np.full((N, 9), np.nan, np.float32)
        x[:, :7] = rng.standard_normal((N, 7))
        wide, narrow = np.empty((2, N, K), np.float32)
        product(x, panels, wide)
        product(x[:, :7].copy(), panels, narrow)
        np.testing.assert_array_equal(wide, narrow)


def layouts(W: Array) -> dict[str, Array]:
    """Return the same matrix in several memory layouts."""
    fixed = W.copy()
    fixed.flags.writeable = False
    fixed_F = W.copy(order="F")
    fixed_F.flags.writeable = False
    spaced = np.full((2 * W.shape[0], 3 * W.shape[1]), np.nan, np.float32)
    spaced[::2, ::3] = W
    return {
        "C": W.copy(),
        "F": W.copy(order="F"),
        "C, read-only": fixed,
        "F, read-only": fixed_F,
        "transposed": W.T.copy().T,
        "spaced": spaced[::2, ::3],
    }


@pytest.mark.parametrize("D", [1, 7, 33])
@pytest.mark.parametrize("K", WIDTHS)
def test_panels_of_every_layout(D: int, K: int) -> None:
    W = np.random.default_rng(2).standard_normal((D, K)).astype(np.float32)
    count = -(-K // COLUMNS)
    padded = np.pad(W, ((0, 0), (0, count * COLUMNS - K)))
    expected = padded.reshape(D, count, COLUMNS).transpose(1, 0, 2)
    for name, matrix in layouts(W).items():
        panels = pack(matrix, dirty_workspace(), "panels")
        np.testing.assert_array_equal(panels, expected, err_msg=name)
        np.testing.assert_array_equal(matrix, W, err_msg=name)


def test_panels_are_in_the_workspace() -> None:
    workspace = Workspace()
    large = pack(np.ones((9, 100), np.float32), workspace, "panels")
    held = workspace.nbytes
    small = pack(np.ones((3, 20), np.float32), workspace, "panels")
    assert np.shares_memory(large, small)
    assert workspace.nbytes == held


def test_nan_stays_in_its_row_and_column() -> None:
    rng = np.random.default_rng(3)
    N, D, K = 2 * ROWS + 1, 9, COLUMNS + 3
    x, W = (rng.standard_normal(shape).astype(np.float32) for shape in ((N, D), (D, K)))
    x[4, 2] = W[5, K - 1] = np.nan
    out = np.zeros((N, K), np.float32)
    product(x, pack(W, Workspace(), "panels"), out)
    expected = np.zeros((N, K), bool)
    expected[4], expected[:, K - 1] = True, True
    np.testing.assert_array_equal(np.isnan(out), expected)
