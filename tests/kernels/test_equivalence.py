"""The forms of a kernel agree, and none of them changes its arguments.

Every argument of a kernel is read-only here, so a change to it raises.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from cell_problem import (
    D,
    H,
    Problem,
    each_cell,
    each_input,
    frozen,
    leaves,
    problem,
    run_sequence,
    run_steps,
)
from gradient_check import relative_error

from charrnn.kernels import (
    CELLS,
    Array,
    Cell,
    Workspace,
    activation_penalty_backward,
    dropout_backward,
    dropout_forward,
    dropout_mask,
    embedding_backward,
    embedding_forward,
    gatewise_lookup,
    gatewise_projection,
    projection_backward,
    projection_forward,
    softmax_cross_entropy_backward,
    softmax_cross_entropy_forward,
)

V = 7
SIZES = [(1, 1), (1, 3), (5, 1), (4, 3)]  # T, N

each_size = pytest.mark.parametrize(("T", "N"), SIZES)


def assert_close(actual: list[Any], expected: list[Any], tolerance: float = 1e-12) -> None:
    for i, (a, b) in enumerate(zip(actual, expected, strict=True)):
        if b is None:
            assert a is None, i
        else:
            assert relative_error(a, b) < tolerance, i


@each_cell
@each_size
@each_input
def test_chained_steps_equal_the_sequence(cell: Cell, T: int, N: int, codes: bool) -> None:
    p = problem(cell, T, N, codes)
    assert_close(run_sequence(cell, p), run_steps(cell, p))


@pytest.mark.parametrize("N", [1, 3])
def test_gatewise_functions_only_change_the_order(N: int) -> None:
    rng = np.random.default_rng(2)
    x, codes = rng.standard_normal((N, D)), rng.integers(D, size=N)
    W, b = rng.standard_normal((D, 4 * H)), rng.standard_normal(4 * H)

    def row(a: Array) -> Array:
        return np.concatenate([block.reshape(1, -1) for block in np.split(a, 4, axis=1)], axis=1)

    assert_close([gatewise_projection(W, None, N, H)(x)], [row(x @ W)])
    assert_close([gatewise_projection(W, b, N, H)(x)], [row(x @ W + b)])
    assert_close([gatewise_lookup(W, N, H)(codes)], [row(W[codes])])


@each_cell
@each_size
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_a_stepper_equals_the_sequence(
    cell: Cell, T: int, N: int, dtype: type, tolerance: float
) -> None:
    p = problem(cell, T, N, dtype=dtype)
    h, *_ = cell.forward(p.x, *p.states, *p.parameters)
    Wx, Wh, b, *bh = p.parameters
    step = cell.stepper(cell.loops.gates_forward, *(state.copy() for state in p.states), Wh, *bh)
    input_part = gatewise_projection(Wx, b, N, H)
    stepped = np.stack([step(input_part(x)).copy() for x in p.x])
    assert stepped.dtype == dtype
    assert_close([stepped], [h], tolerance)


@each_cell
@each_input
@pytest.mark.parametrize("cuts", [(0, 3, 7), (0, 1, 2, 7)])
@pytest.mark.parametrize("N", [1, 3])
def test_one_window_equals_its_chunks(cell: Cell, codes: bool, cuts: list[int], N: int) -> None:
    p = problem(cell, 7, N, codes)
    spans = [slice(*span) for span in pairwise(cuts)]
    states, caches, outputs = p.states, [], []
    for span in spans:
        *sequences, cache = cell.forward(p.x[span], *states, *p.parameters)
        states = [sequence[-1] for sequence in sequences]
        caches.append(cache)
        outputs.append(sequences)
    dstates, dxs, dparameters = p.dlast, [], [0.0] * len(p.parameters)
    for span, cache in zip(spans[::-1], caches[::-1], strict=True):
        dx, *rest = cell.backward(p.dh[span], cache, dlast=tuple(dstates))
        dstates, dchunk = rest[: len(dstates)], rest[len(dstates) :]
        dparameters = [d + chunk for d, chunk in zip(dparameters, dchunk, strict=True)]
        dxs.append(dx)
    sequences = [np.concatenate(parts) for parts in zip(*outputs, strict=True)]
    dx = None if codes else np.concatenate(dxs[::-1])
    assert_close([*sequences, dx, *dstates, *dparameters], run_sequence(cell, p))


@each_cell
@each_input
def test_a_batch_equals_its_members(cell: Cell, codes: bool) -> None:
    T, N, S = 4, 3, len(cell.states)
    p = problem(cell, T, N, codes)
    members = []
    for n in range(N):
        one = slice(n, n + 1)
        states, dlast = (tuple(a[one] for a in arrays) for arrays in (p.states, p.dlast))
        member = Problem(p.x[:, one], states, p.parameters, p.dh[:, one], dlast)
        members.append(run_sequence(cell, member))
    sequences, dx, dstates, dparameters = (
        list(zip(*members, strict=True))[part]
        for part in (slice(S), S, slice(S + 1, 2 * S + 1), slice(2 * S + 1, None))
    )
    whole = [np.concatenate(parts, axis=1) for parts in sequences]
    whole.append(None if codes else np.concatenate(dx, axis=1))
    whole += [np.concatenate(parts) for parts in dstates] + [sum(parts) for parts in dparameters]
    assert_close(run_sequence(cell, p), whole)


@each_cell
@each_size
@pytest.mark.parametrize("run", [run_sequence, run_steps])
def test_codes_equal_one_hot_rows(cell: Cell, T: int, N: int, run: Callable[..., Any]) -> None:
    p = problem(cell, T, N, codes=True)
    from_codes, from_rows = run(cell, p), run(cell, p._replace(x=frozen(np.eye(D)[p.x])))
    dx = len(cell.states)
    assert from_codes.pop(dx) is None
    assert from_rows.pop(dx).shape == (T, N, D)
    assert_close(from_codes, from_rows)


def test_codes_equal_one_hot_rows_in_projection_and_embedding() -> None:
    rng = np.random.default_rng(2)
    codes, dy = rng.integers(D, size=(4, 3)), rng.standard_normal((4, 3, H))
    rows, W, b = np.eye(D)[codes], rng.standard_normal((D, H)), rng.standard_normal(H)
    assert_close([projection_forward(codes, W, b)], [projection_forward(rows, W, b)])
    _, *expected = projection_backward(dy, rows, W)
    assert_close([*projection_backward(dy, codes, W)], [None, *expected])
    assert_close([embedding_forward(codes, W)], [rows @ W])
    assert_close([embedding_backward(dy, codes, W)], expected[:1])


@each_cell
@each_input
@pytest.mark.parametrize("workspace", [None, Workspace()], ids=["fresh", "workspace"])
def test_grads_are_written_into(cell: Cell, codes: bool, workspace: Workspace | None) -> None:
    p = problem(cell, 4, 3, codes)
    expected = run_sequence(cell, p)[-len(p.parameters) :]
    grads = tuple(np.full_like(parameter, np.nan) for parameter in p.parameters)
    *_, cache = cell.forward(p.x, *p.states, *p.parameters, workspace=workspace)
    result = cell.backward(p.dh, cache, dlast=p.dlast, workspace=workspace, grads=grads)
    for written, returned, value in zip(grads, result[-len(grads) :], expected, strict=True):
        assert returned is written
        np.testing.assert_array_equal(written, value)


@each_cell
def test_need_dx_skips_dx_and_nothing_else(cell: Cell) -> None:
    p = problem(cell, 4, 3)
    *_, cache = cell.forward(p.x, *p.states, *p.parameters)
    dx, *with_dx = cell.backward(p.dh, cache, dlast=p.dlast)
    none, *without = cell.backward(p.dh, cache, dlast=p.dlast, need_dx=False)
    assert dx is not None
    assert none is None
    for a, b in zip(without, with_dx, strict=True):
        np.testing.assert_array_equal(a, b)


@each_cell
def test_the_loops_argument_is_used(cell: Cell) -> None:
    p = problem(cell, 4, 3)
    calls: list[str] = []

    def recorded(way: str, loop: Callable[..., None], *arrays: Array) -> None:
        calls.append(way)
        loop(*arrays)

    loops = cell.loops._replace(
        forward=partial(recorded, "forward", cell.loops.forward),
        backward=partial(recorded, "backward", cell.loops.backward),
    )
    *states, cache = cell.forward(p.x, *p.states, *p.parameters, loops=loops)
    result = cell.backward(p.dh, cache, dlast=p.dlast, loops=loops)
    assert calls == ["forward", "backward"]
    for a, b in zip([*states, *result], run_sequence(cell, p), strict=True):
        np.testing.assert_array_equal(a, b)


@each_cell
@each_input
@pytest.mark.parametrize("workspace", [None, Workspace()], ids=["fresh", "workspace"])
def test_backward_leaves_the_cache_unchanged(
    cell: Cell, codes: bool, workspace: Workspace | None
) -> None:
    p = problem(cell, 4, 3, codes)
    *states, cache = cell.forward(p.x, *p.states, *p.parameters, workspace=workspace)
    arrays = [*states, *leaves(cache)]
    copies = [array.copy() for array in arrays]
    first, second = (
        [g if g is None else g.copy() for g in cell.backward(p.dh, cache, workspace=workspace)]
        for _ in range(2)
    )
    for a, b in zip([*arrays, *first], [*copies, *second], strict=True):
        np.testing.assert_array_equal(a, b)


# Every kernel, forward and backward, as a function of T, N, dtype and workspace.


def run_cell(
    cell: Cell, codes: bool, T: int, N: int, dtype: type, workspace: Workspace | None
) -> list[Array]:
    result = run_sequence(cell, problem(cell, T, N, codes, dtype), workspace)
    return [array for array in result if array is not None]


def run_projection(codes: bool, T: int, N: int, dtype: type, ws: Workspace | None) -> list[Array]:
    x, _, (W, _, b, *_), *_ = problem(CELLS["rnn"], T, N, codes, dtype)
    y = frozen(projection_forward(x, W, b, workspace=ws))
    gradients = projection_backward(y, x, W, workspace=ws)
    return [y, *(g for g in gradients if g is not None)]


def run_embedding(T: int, N: int, dtype: type, ws: Workspace | None) -> list[Array]:
    codes, _, (E, *_), *_ = problem(CELLS["rnn"], T, N, True, dtype)
    y = frozen(embedding_forward(codes, E, workspace=ws))
    return [y, embedding_backward(y, codes, E, workspace=ws)]


def run_softmax(T: int, N: int, dtype: type, ws: Workspace | None) -> list[Array]:
    rng = np.random.default_rng(3)
    logits = frozen(rng.standard_normal((T, N, V)).astype(dtype))
    targets = frozen(rng.integers(V, size=(T, N)))
    nll_nats, cache = softmax_cross_entropy_forward(logits, targets, workspace=ws)
    for array in cache:
        array.flags.writeable = False
    return [nll_nats, softmax_cross_entropy_backward(cache, 0.5, workspace=ws)]


def run_dropout(T: int, N: int, dtype: type, ws: Workspace | None) -> list[Array]:
    """Run with one sequence more, so that some units are not dropped."""
    rng = np.random.default_rng(4)
    x, dy = (frozen(rng.standard_normal((T, N + 1, H)).astype(dtype)) for _ in range(2))
    mask = frozen(dropout_mask(T, range(N + 1), H, 0.5, (4, 0), dtype))
    return [dropout_forward(x, mask, workspace=ws), dropout_backward(dy, mask, workspace=ws)]


def run_penalty(T: int, N: int, dtype: type, ws: Workspace | None) -> list[Array]:
    rng = np.random.default_rng(5)
    dh, h = (frozen(rng.standard_normal((T, N, H)).astype(dtype)) for _ in range(2))
    return [activation_penalty_backward(dh, h, 0.5, workspace=ws)]


KERNELS: dict[str, Callable[[int, int, type, Workspace | None], list[Array]]] = {
    **{name: partial(run_cell, cell, False) for name, cell in CELLS.items()},
    **{f"{name}-codes": partial(run_cell, cell, True) for name, cell in CELLS.items()},
    "projection": partial(run_projection, False),
    "projection-codes": partial(run_projection, True),
    "embedding": run_embedding,
    "softmax": run_softmax,
    "dropout": run_dropout,
    "activation penalty": run_penalty,
}
each_kernel = pytest.mark.parametrize("run", KERNELS.values(), ids=KERNELS)
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@each_kernel
@each_size
@each_dtype
def test_a_workspace_changes_no_bit(
    run: Callable[..., list[Array]], T: int, N: int, dtype: type
) -> None:
    expected, workspace = run(T, N, dtype, None), Workspace()
    other = np.float64 if dtype is np.float32 else np.float32
    before: list[tuple[int, int, type]] = [(T + 2, N + 3, dtype), (1, 1, dtype), (T, N, other)]
    for T_before, N_before, dtype_before in before:
        run(T_before, N_before, dtype_before, workspace)
        for a, b in zip(run(T, N, dtype, workspace), expected, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)


@each_kernel
def test_a_workspace_that_is_large_enough_is_reused(run: Callable[..., list[Array]]) -> None:
    workspace = Workspace()
    run(6, 5, np.float32, workspace)
    held = workspace.nbytes
    assert held > 0
    for T, N in [*SIZES, (6, 5)]:
        run(T, N, np.float32, workspace)
        assert workspace.nbytes == held  # it neither grows nor shrinks


@each_dtype
def test_a_dropout_mask_is_the_same_in_a_workspace(dtype: type) -> None:
    workspace = Workspace()
    for T, N in [(6, 5), (4, 3), (4, 3)]:
        expected = dropout_mask(T, range(N), H, 0.4, (5, 0), dtype)
        mask = dropout_mask(T, range(N), H, 0.4, (5, 0), dtype, workspace=workspace)
        assert mask.dtype == dtype
        assert mask.shape == (T, N, H)
        np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize(("T", "H"), [(1, 1), (3, 5), (4, 4), (16, 1), (17, 3)])
def test_the_mask_of_a_sequence_does_not_depend_on_the_others(T: int, H: int) -> None:
    N = 7
    whole = dropout_mask(T, range(N), H, 0.4, (5, 6), np.float32)
    for start in range(N):
        for end in range(start + 1, N + 1):
            part = dropout_mask(T, range(start, end), H, 0.4, (5, 6), np.float32)
            np.testing.assert_array_equal(part, whole[:, start:end])


def test_each_sequence_and_each_key_has_its_own_mask() -> None:
    T, N, H = 8, 5, 16
    keys = [(0, 0), (0, 1), (1, 0), (1, 1), (2**32 - 1, 2**62)]
    masks = [dropout_mask(T, range(N), H, 0.5, key, np.float32) for key in keys]
    assert len({mask[:, n].tobytes() for mask in masks for n in range(N)}) == len(keys) * N


@each_kernel
@each_size
def test_float32_stays_float32_and_agrees_with_float64(
    run: Callable[..., list[Array]], T: int, N: int
) -> None:
    single, double = run(T, N, np.float32, None), run(T, N, np.float64, None)
    assert {array.dtype for array in single} == {np.dtype(np.float32)}
    assert {array.dtype for array in double} == {np.dtype(np.float64)}
    assert_close(single, double, 1e-5)


@each_cell
@each_input
def test_float32_steps_stay_float32(cell: Cell, codes: bool) -> None:
    single = run_steps(cell, problem(cell, 4, 3, codes, np.float32))
    double = run_steps(cell, problem(cell, 4, 3, codes))
    assert {array.dtype for array in single if array is not None} == {np.dtype(np.float32)}
    assert_close(single, double, 1e-5)


@each_cell
@each_input
@each_dtype
@pytest.mark.parametrize("run", [run_sequence, run_steps])
def test_extreme_pre_activations_stay_finite(
    cell: Cell, codes: bool, dtype: type, run: Callable[..., Any]
) -> None:
    """Warnings are errors in the tests, so an overflow raises."""
    result = run(cell, problem(cell, 4, 3, codes, dtype, scale=1000.0))
    assert all(np.isfinite(array).all() for array in result if array is not None)
    assert np.abs(result[0]).max() > 0.9  # saturated


@each_dtype
def test_extreme_logits_stay_finite(dtype: type) -> None:
    logits = np.array([[1000.0, -1000.0, 0.0], [-3000.0, -2000.0, -1000.0]], dtype)
    nll_nats, cache = softmax_cross_entropy_forward(frozen(logits), np.array([1, 2]))
    np.testing.assert_array_equal(nll_nats, [2000, 0])
    dlogits = softmax_cross_entropy_backward(cache)
    np.testing.assert_array_equal(dlogits, [[1, -1, 0], [0, 0, 0]])
