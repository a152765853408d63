"""Clipping, schedules and optimizers: properties that hold for all inputs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from gradient_check import relative_error
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from charrnn.kernels import Array
from charrnn.kernels.optimizers import (
    OPTIMIZERS,
    SCHEDULES,
    Optimizer,
    clip_by_norm,
    clip_by_value,
    scheduled_learning_rate,
)

LIMITS = st.floats(1e-2, 1e2)
DTYPES = st.sampled_from([np.float32, np.float64])
each_optimizer = pytest.mark.parametrize("name", OPTIMIZERS)
each_schedule = pytest.mark.parametrize("schedule", SCHEDULES)


@st.composite
def gradients(draw: st.DrawFn) -> Array:
    """Draw a flat gradient with elements inside and outside the limits."""
    elements = st.floats(-1000, 1000, width=32)
    return draw(arrays(draw(DTYPES), st.integers(1, 20), elements=elements))


@given(gradients(), LIMITS)
def test_clip_by_norm_bounds_the_norm_and_keeps_the_direction(
    gradient: Array, max_norm: float
) -> None:
    clipped, norm = gradient.copy(), float(np.linalg.norm(gradient.astype(np.float64)))
    returned = clip_by_norm(clipped, max_norm)
    assert clipped.dtype == gradient.dtype
    assert returned == pytest.approx(norm, rel=1e-6)
    if returned <= max_norm:
        np.testing.assert_array_equal(clipped, gradient)  # every bit
    else:
        assert np.linalg.norm(clipped.astype(np.float64)) == pytest.approx(max_norm, rel=1e-6)
        assert relative_error(clipped / max_norm, gradient / norm) < 1e-6


@given(gradients(), LIMITS)
def test_clip_by_value_bounds_each_element_and_keeps_those_within(
    gradient: Array, limit: float
) -> None:
    clipped, limit = gradient.copy(), float(np.float32(limit))
    clip_by_value(clipped, limit)
    assert clipped.dtype == gradient.dtype
    inside = np.abs(gradient) <= limit
    np.testing.assert_array_equal(clipped[inside], gradient[inside])
    np.testing.assert_array_equal(clipped[~inside], np.sign(gradient[~inside]) * limit)


def rate(step: int, schedule: str, **changes: Any) -> float:
    """Return the learning rate of a step."""
    settings: dict[str, Any] = {
        "learning_rate": 0.8,
        "warmup_steps": 4,
        "decay_every": 10,
        "decay_factor": 0.5,
        "min_learning_rate": 0.05,
        "total_steps": 104,
    }
    return scheduled_learning_rate(step, schedule=schedule, **(settings | changes))


@each_schedule
def test_warm_up_rises_linearly_to_the_full_rate(schedule: str) -> None:
    rates = [rate(step, schedule) for step in range(5)]
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8])
    assert rate(0, schedule, warmup_steps=0) == 0.8


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        # 0, 5, 9, 10, 25, 50, 100 and 1000 steps after the warm-up.
        ("constant", [0.8] * 8),
        ("step", [0.8, 0.8, 0.8, 0.4, 0.2, 0.05, 0.05, 0.05]),
        (
            "exponential",
            [0.8, 0.8 / math.sqrt(2), 0.8 * 0.5**0.9, 0.4, 0.8 * 0.5**2.5, 0.05, 0.05, 0.05],
        ),
        (
            "cosine",
            [
                *(0.05 + 0.375 * (1 + math.cos(math.pi * s / 100)) for s in (0, 5, 9, 10)),
                0.05 + 0.375 * (1 + math.sqrt(0.5)),
                0.425,
                0.05,
                0.05,
            ],
        ),
    ],
)
def test_schedule_at_known_points(schedule: str, expected: list[float]) -> None:
    steps = [4 + s for s in (0, 5, 9, 10, 25, 50, 100, 1000)]
    assert [rate(step, schedule) for step in steps] == pytest.approx(expected)


@each_schedule
@given(
    st.integers(0, 300),
    st.integers(0, 20),
    st.integers(1, 50),
    st.floats(0.01, 1),
    st.floats(0, 0.8),
    st.integers(1, 200),
)
def test_after_warm_up_the_rate_falls_and_stays_above_its_minimum(
    schedule: str, s: int, warmup: int, every: int, factor: float, minimum: float, total: int
) -> None:
    settings = {
        "warmup_steps": warmup,
        "decay_every": every,
        "decay_factor": factor,
        "min_learning_rate": minimum,
        "total_steps": total,
    }
    now, later = (rate(warmup + s + i, schedule, **settings) for i in range(2))
    assert minimum <= later <= now <= 0.8 * (1 + 1e-15)


@pytest.mark.parametrize("schedule", ["constant", "step", "exponential"])
def test_a_longer_training_starts_with_the_same_rates(schedule: str) -> None:
    rates = [[rate(step, schedule, total_steps=n) for step in range(50)] for n in (50, 5000)]
    assert rates[0] == rates[1]


@each_optimizer
@given(arrays(np.float64, 6, elements=st.floats(1, 4)), arrays(bool, 6), DTYPES)
def test_every_optimizer_descends_a_bowl(name: str, size: Array, sign: Array, dtype: type) -> None:
    """200 updates at 0.05, from at least 1 away in each coordinate, halve the loss or better."""
    curvature = np.array([0.2, 0.5, 1.0, 1.5, 2.0, 3.0], dtype)
    p = np.where(sign, size, -size).astype(dtype)
    start = float(curvature @ p**2)
    optimizer = Optimizer(name, OPTIMIZERS[name].hyperparameters, p, [slice(0, 6)])
    for t in range(1, 201):
        gradient = curvature * p
        gradient.flags.writeable = False
        optimizer.update(p, gradient, 0.05, t)
    assert p.dtype == dtype
    assert float(curvature @ p**2) < 0.5 * start


@each_optimizer
def test_updates_depend_on_the_optimizer_state_alone(name: str) -> None:
    """A new optimizer with a copy of the state continues with the same bits."""
    rng = np.random.default_rng(1)
    start, steps = rng.standard_normal(6), rng.standard_normal((6, 6))

    def run(stop_after: int) -> Array:
        p = start.copy()
        optimizer = Optimizer(name, OPTIMIZERS[name].hyperparameters, p)
        for t, gradient in enumerate(steps, 1):
            optimizer.update(p, gradient, 0.1, t)
            if t == stop_after:
                state = optimizer.state
                optimizer = Optimizer(name, OPTIMIZERS[name].hyperparameters, p)
                assert list(state) == list(optimizer.state)
                for key, values in state.items():
                    optimizer.state[key][...] = values
        return p

    assert not np.array_equal(run(0), start)
    np.testing.assert_array_equal(run(3), run(0))


def test_a_cautious_update_moves_only_down_the_gradient() -> None:
    """Two steps worked out by hand: at the second, the mean gradient of one weight points up."""
    p, gradients = np.zeros(2), np.array([[1.0, 1.0], [1.0, -0.1]])
    hyperparameters = {"beta1": 0.5, "beta2": 0.75, "epsilon": 0.0, "weight_decay": 0.0}
    optimizer = Optimizer("cadamw", hyperparameters, p)
    optimizer.update(p, gradients[0], 0.1, 1)
    np.testing.assert_allclose(p, [-0.1, -0.1], rtol=1e-15)  # Adam's first step, by the rate
    optimizer.update(p, gradients[1], 0.1, 2)
    np.testing.assert_allclose(optimizer.state["m"], [0.75, 0.2], rtol=1e-15)
    # The first weight moves by twice Adam's step, 0.1 x 0.75 / 0.75 / sqrt(0.4375 / 0.4375).
    np.testing.assert_allclose(p, [-0.3, -0.1], rtol=1e-14)


@given(gradients(), st.integers(0, 10))
def test_a_cautious_update_never_goes_up_the_gradient(gradient: Array, seed: int) -> None:
    rng = np.random.default_rng(seed)
    p, before = rng.standard_normal((2, gradient.size)).astype(gradient.dtype)
    optimizer = Optimizer("cadamw", OPTIMIZERS["cadamw"].hyperparameters, p)
    optimizer.update(p, before, 0.01, 1)
    start = p.copy()
    optimizer.update(p, gradient, 0.01, 2)
    assert ((p - start) * gradient <= 0).all()


def decay_twice(weight_decay: float, decayed: list[slice]) -> Array:
    """Return random parameters after two updates with weight decay."""
    rng = np.random.default_rng(2)
    p = rng.standard_normal(9)
    hyperparameters = {**OPTIMIZERS["adamw"].hyperparameters, "weight_decay": weight_decay}
    optimizer = Optimizer("adamw", hyperparameters, p, decayed)
    for t in (1, 2):
        optimizer.update(p, rng.standard_normal(9), 0.1, t)
    return p


def test_weight_decay_leaves_the_rest_alone() -> None:
    plain, decayed = decay_twice(0.0, []), decay_twice(0.3, [slice(0, 3), slice(5, 7)])
    inside = np.r_[0:3, 5:7]
    outside = np.r_[3:5, 7:9]
    np.testing.assert_array_equal(decayed[outside], plain[outside])
    assert (decayed[inside] != plain[inside]).all()


def test_weight_decay_shrinks_by_the_rate() -> None:
    p = np.arange(1.0, 5.0)
    hyperparameters = {**OPTIMIZERS["adamw"].hyperparameters, "weight_decay": 0.3}
    optimizer = Optimizer("adamw", hyperparameters, p, [slice(0, 2)])
    optimizer.update(p, np.zeros(4), 0.1, 1)
    np.testing.assert_allclose(p, [0.97, 1.94, 3.0, 4.0], rtol=1e-15)
