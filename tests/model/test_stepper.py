"""The stepper equals the window, in memory that does not grow."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from charrnn.config.schema import ModelConfig
from charrnn.kernels import CELLS
from charrnn.model.model import Model, States
from charrnn.model.parameters import initial_parameters
from charrnn.model.stepper import stepper

V = 11
each_cell = pytest.mark.parametrize("cell", CELLS)


def untrained(
    cell: str, N: int, dtype: type = np.float64, **shape: int | None
) -> tuple[Model, States]:
    """Return a model and the initial states of N texts, all read-only."""
    config = ModelConfig(cell=cell, **{"num_layers": 2, "hidden_size": 7, **shape})
    model = Model(config, V, initial_parameters(config, V, seed=1).astype(dtype))
    rng = np.random.default_rng(2)
    model.parameters += 0.1 * rng.standard_normal(model.parameters.size).astype(
        dtype
    )  # also changes biases
    model.parameters.flags.writeable = False
    states = model.zero_states(N)
    for state in (state for layer in states for state in layer):
        state += rng.uniform(-1, 1, state.shape).astype(dtype)
        state.flags.writeable = False
    return model, states


def copied(states: States) -> States:
    """Return states that a stepper may overwrite."""
    return [tuple(state.copy() for state in layer) for layer in states]


@each_cell
@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize("embedding_size", [None, 4])
@pytest.mark.parametrize("N", [1, 64])
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 1e-4)])
def test_steps_equal_the_window(
    cell: str, num_layers: int, embedding_size: int | None, N: int, dtype: type, rtol: float
) -> None:
    model, states = untrained(cell, N, dtype, num_layers=num_layers, embedding_size=embedding_size)
    codes = np.random.default_rng(3).integers(0, V, (20, N))  # (T, N)
    step = stepper(model, copied(states))
    stepped = np.stack([step(row).copy() for row in codes])  # (T, N, V)
    logits, _, _ = model.forward(codes, states)
    assert stepped.dtype == dtype
    np.testing.assert_allclose(stepped, logits, rtol=rtol, atol=rtol)


def test_two_steppers_of_a_model_have_separate_states() -> None:
    model, states = untrained("lstm", 1)
    first, second = (stepper(model, copied(states)) for _ in range(2))
    once = first(np.array([1])).copy()
    first(np.array([2]))
    np.testing.assert_array_equal(second(np.array([1])), once)


@each_cell
def test_stepping_does_not_accumulate_memory(cell: str) -> None:
    model, states = untrained(cell, 64, hidden_size=32)
    codes, step = np.arange(64) % V, stepper(model, copied(states))
    step(codes)
    tracemalloc.start()
    try:
        step(codes)
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(1000):
            step(codes)
        grown_bytes = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown_bytes < 2_000
