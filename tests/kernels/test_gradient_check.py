"""The gradient checker accepts a correct gradient, and no other."""

from __future__ import annotations

import numpy as np
import pytest
from gradient_check import check_gradients, numeric_gradient, relative_error

from charrnn.kernels import Array

RNG = np.random.default_rng(0)
ARRAYS = {"x": RNG.standard_normal((3, 4)), "y": RNG.standard_normal(4)}


def loss(x: Array, y: Array) -> float:
    return float(np.sum(np.sin(x) * y**2))


def correct_gradients() -> dict[str, Array]:
    x, y = ARRAYS["x"], ARRAYS["y"]
    return {"x": np.cos(x) * y**2, "y": 2 * y * np.sin(x).sum(axis=0)}


def test_a_correct_gradient_passes_by_a_wide_margin() -> None:
    errors = check_gradients(loss, ARRAYS, correct_gradients())
    assert list(errors) == ["x", "y"]
    assert max(errors.values()) < 1e-8


@pytest.mark.parametrize("name", ARRAYS)
def test_a_gradient_wrong_by_a_two_thousandth_fails(name: str) -> None:
    gradients = correct_gradients()
    gradients[name] = gradients[name] * 1.0005
    with pytest.raises(AssertionError, match=name):
        check_gradients(loss, ARRAYS, gradients)


@pytest.mark.parametrize("name", ARRAYS)
def test_one_wrong_element_fails(name: str) -> None:
    gradients = correct_gradients()
    gradients[name].flat[2] += 0.01
    with pytest.raises(AssertionError, match=name):
        check_gradients(loss, ARRAYS, gradients)


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_zero_and_nan_fail(value: float) -> None:
    gradients = correct_gradients() | {"y": np.full(4, value)}
    with pytest.raises(AssertionError, match="y"):
        check_gradients(loss, ARRAYS, gradients)


def test_small_gradients_must_have_the_same_relative_error() -> None:
    gradients = {name: 1e-9 * 1.0005 * g for name, g in correct_gradients().items()}
    with pytest.raises(AssertionError):
        check_gradients(lambda x, y: 1e-9 * loss(x, y), ARRAYS, gradients)


def test_a_missing_gradient_fails() -> None:
    gradients = correct_gradients()
    del gradients["y"]
    with pytest.raises(AssertionError, match="y"):
        check_gradients(loss, ARRAYS, gradients)


def test_two_zero_gradients_are_refused() -> None:
    """If a loss does not depend on its argument, a zero gradient is correct, but proves nothing."""
    with pytest.raises(ValueError, match="nothing to compare"):
        check_gradients(lambda x: 1.0, {"x": np.ones(3)}, {"x": np.zeros(3)})  # noqa: ARG005


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="shapes"):
        relative_error(np.ones((1, 3)), np.ones(3))


def test_numeric_gradient_leaves_its_argument_unchanged_and_needs_float64() -> None:
    x = ARRAYS["x"].copy()
    x.flags.writeable = False
    numeric_gradient(lambda value: float(value.sum()), x)
    with pytest.raises(TypeError, match="float32"):
        numeric_gradient(lambda value: float(value.sum()), x.astype(np.float32))
