"""The compiled loops agree with NumPy's, and NaN passes through them.

Results agree if they differ by a few roundings of float32, relative to the largest number of an
array.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from cell_problem import Problem, each_cell, each_input, leaves, problem

pytest.importorskip("numba", reason="Numba is not installed: there is no compiled backend to test")

import charrnn.backends.loops
from charrnn.backends.backend import NUMPY, backend
from charrnn.backends.jit import vector_width
from charrnn.backends.loops import compiled_loops, interpreted_loops
from charrnn.config.schema import ModelConfig
from charrnn.kernels import CELLS, Array, Cell, Workspace
from charrnn.kernels.cell import Loops
from charrnn.model.dropout_masks import NO_MASKS, MaskGenerator, Masks
from charrnn.model.model import Model
from charrnn.model.parameters import initial_parameters, parameter_views

TOLERANCE = 5e-6

# T, N, D, H: one step, one sequence, more sequences than rows of a tile, incomplete panels.
SHAPES = [
    (1, 1, 1, 1),
    (1, 1, 4, 100),
    (4, 2, 3, 7),
    (3, 13, 5, 33),
    (2, 24, 5, 16),
    (2, 25, 4, 100),
    (1, 26, 3, 128),
    (3, 50, 9, 128),
]
LOOPS: dict[str, Callable[[], dict[str, Loops]]] = {
    "compiled": compiled_loops,
    "interpreted": interpreted_loops,
}

each_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))
each_way = pytest.mark.parametrize("way", LOOPS)


def thawed(tree: Any) -> Any:
    """Return writable copies of arrays, as in training: Numba compiles again for read-only ones."""
    if isinstance(tree, Problem):
        return Problem(*map(thawed, tree))
    return tuple(map(thawed, tree)) if isinstance(tree, tuple) else tree.copy()


def single(cell: Cell, shape: tuple[int, int, int, int], codes: bool = False) -> Problem:
    """Return a problem in float32 whose weights do not saturate the gates."""
    T, N, D, H = shape
    scale = 0.4 / H**0.5
    return problem(cell, T, N, codes, np.float32, scale, D=D, H=H)


def run(
    cell: Cell, p: Problem, loops: Loops, workspace: Workspace | None = None
) -> list[Array | None]:
    """Run forward and backward; return copies of the states, dx, dstates0 and dparameters."""
    *states, cache = cell.forward(p.x, *p.states, *p.parameters, workspace=workspace, loops=loops)
    results = [
        *(state.copy() for state in states),
        *cell.backward(p.dh, cache, dlast=p.dlast, workspace=workspace, loops=loops),
    ]
    return [array if array is None else array.copy() for array in results]


def assert_agree(actual: list[Array | None], expected: list[Array | None]) -> None:
    for i, (a, b) in enumerate(zip(actual, expected, strict=True)):
        if b is None:
            assert a is None, i
            continue
        assert a is not None
        assert a.dtype == b.dtype == np.float32
        assert a.shape == b.shape
        largest = np.abs(b).max()
        assert largest > 0, i
        assert np.abs(a - b).max() / largest < TOLERANCE, i


@each_way
@each_cell
@each_shape
@each_input
def test_loops_agree_with_numpys(
    way: str, cell: Cell, shape: tuple[int, int, int, int], codes: bool
) -> None:
    """They agree on the states and on every gradient, and leave their arguments unchanged."""
    p = single(cell, shape, codes)
    given = thawed(p)
    assert_agree(run(cell, given, LOOPS[way]()[cell.name]), run(cell, p, cell.loops))
    for a, b in zip(leaves(given), leaves(p), strict=True):
        np.testing.assert_array_equal(a, b)


@each_way
@each_cell
@each_input
def test_a_workspace_changes_no_bit(way: str, cell: Cell, codes: bool) -> None:
    loops, workspace = LOOPS[way]()[cell.name], Workspace()
    p = thawed(single(cell, (4, 13, 5, 33), codes))
    expected = run(cell, p, loops)
    for shape in [(6, 26, 7, 40), (1, 1, 2, 3), (4, 13, 5, 33)]:
        run(cell, thawed(single(cell, shape, codes)), loops, workspace)
        for a, b in zip(run(cell, p, loops, workspace), expected, strict=True):
            assert (a is None and b is None) or np.array_equal(a, b)


@each_way
@each_cell
def test_backward_leaves_the_cache(way: str, cell: Cell) -> None:
    loops = LOOPS[way]()[cell.name]
    p = thawed(single(cell, (3, 13, 5, 33)))
    *_, cache = cell.forward(p.x, *p.states, *p.parameters, loops=loops)
    before = [array.copy() for array in leaves(cache)]
    first, second = (cell.backward(p.dh, cache, dlast=p.dlast, loops=loops) for _ in range(2))
    for a, b in zip([*leaves(cache), *first], [*before, *second], strict=True):
        np.testing.assert_array_equal(a, b)


@each_way
@each_cell
def test_nan_in_the_input_stays_nan(way: str, cell: Cell) -> None:
    """NaN spreads to its own sequence alone, and to all gradients of the parameters."""
    p = thawed(single(cell, (3, 13, 5, 33)))
    p.x[1, 2] = np.nan
    *states, dx, _dh0 = run(cell, p, LOOPS[way]()[cell.name])[: len(cell.states) + 2]
    others = np.arange(13) != 2
    for state in states:
        assert np.isfinite(state[0]).all()
        assert np.isnan(state[1:, 2]).all()
        assert np.isfinite(state[:, others]).all()
    assert np.isnan(dx[:2, 2]).all()
    assert np.isfinite(dx[:, others]).all()
    for gradient in run(cell, p, LOOPS[way]()[cell.name])[-len(cell.parameters) :]:
        assert np.isnan(gradient).any()


@each_way
@each_cell
def test_nan_in_any_parameter_stays_nan(way: str, cell: Cell) -> None:
    for i, name in enumerate(cell.parameters):
        p = thawed(single(cell, (3, 13, 5, 33)))
        p.parameters[i].reshape(-1)[-1] = np.nan
        h, *_ = results = run(cell, p, LOOPS[way]()[cell.name])
        assert np.isnan(h[0, :, -1]).all(), name  # the last unit becomes NaN
        assert np.isnan(h[1:]).all(), name  # and spreads to all units
        for gradient in results[-len(cell.parameters) :]:
            assert np.isnan(gradient).any(), name


@each_cell
def test_python_runs_the_loops_if_the_vector_width_is_unknown(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    for width, in_python in ((8, False), (0, True)):
        monkeypatch.setattr(charrnn.backends.loops, "vector_width", lambda width=width: width)
        assert isinstance(compiled_loops()[cell.name].forward, partial) == in_python


@pytest.mark.parametrize(
    ("features", "width"),
    [("+avx512f,+avx2,+fma", 16), ("-avx512f,+avx2,+fma", 8), ("+avx2,-fma", 0), ("", 0)],
)
def test_the_vector_width_is_that_of_the_compiled_code(
    features: str, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NUMBA_CPU_FEATURES, which sets this value, chooses the instructions of the compiled code."""
    monkeypatch.setattr("numba.config.CPU_FEATURES", features)
    assert vector_width() == width


def models(config: ModelConfig, V: int, dtype: type) -> tuple[Model, Model]:
    """Return the same model with the NumPy backend and with the Numba backend."""
    parameters = (2 * initial_parameters(config, V, 1)).astype(dtype)
    return Model(config, V, parameters, NUMPY), Model(config, V, parameters, backend("numba"))


def losses_and_gradients(
    model: Model, masks: Masks, T: int, N: int
) -> tuple[float, float, dict[str, Array], list[Array]]:
    """Return the loss of a window in nats, twice, its gradients and the next states."""
    rng = np.random.default_rng(2)
    codes, targets = rng.integers(model.V, size=(2, T, N))
    dtype = model.parameters.dtype
    states = [
        tuple(rng.standard_normal(state.shape).astype(dtype) for state in layer)
        for layer in model.zero_states(N)
    ]
    gradient = parameter_views(np.full_like(model.parameters, np.nan), model.shapes)
    nats, next_states = model.loss_gradient(codes, targets, states, gradient, masks)
    nll_nats, _ = model.score(codes, targets, states)
    flat = [state for layer in next_states for state in layer]
    return nats, float(nll_nats.sum(dtype=np.float64)), gradient, flat


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    "dropped",
    [{}, {"dropout": 0.3}, {"dropout": 0.3, "dropout_per": "window", "weight_dropout": 0.1}],
    ids=["nothing", "outputs", "outputs of a window, weights"],
)
@pytest.mark.parametrize("embedding_size", [None, 7], ids=["one-hot", "embedded"])
def test_a_compiled_model_agrees_with_numpys(
    cell: str, dropped: dict[str, Any], embedding_size: int | None
) -> None:
    config = ModelConfig(cell, 2, 33, embedding_size, **dropped)
    T, N = 6, 25
    masks = MaskGenerator(config, 1).masks(0, T, range(N))
    numpys, compiled = models(config, 11, np.float32)
    assert compiled.backend.name == "numba"
    nats, scored, gradient, states = losses_and_gradients(compiled, masks, T, N)
    true_nats, true_scored, true_gradient, true_states = losses_and_gradients(numpys, masks, T, N)
    assert nats == pytest.approx(true_nats, rel=1e-6)
    assert scored == pytest.approx(true_scored, rel=1e-6)
    assert_agree(states, true_states)
    assert_agree(list(gradient.values()), list(true_gradient.values()))


@pytest.mark.parametrize("cell", CELLS)
def test_a_float64_model_uses_numpy(cell: str) -> None:
    numpys, compiled = models(ModelConfig(cell, 2, 6), 5, np.float64)
    assert compiled.backend is NUMPY
    one, other = (losses_and_gradients(model, NO_MASKS, 4, 3) for model in (numpys, compiled))
    assert one[:2] == other[:2]
    for name, gradient in one[2].items():
        assert gradient.dtype == np.float64
        np.testing.assert_array_equal(gradient, other[2][name])
