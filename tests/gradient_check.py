"""Checks gradients by central differences.

The error of a gradient is one relative number: the norm of the difference over the larger of the
two norms. An absolute tolerance would accept a zero gradient where the true one is small.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from charrnn.kernels import Array


def numeric_gradient(f: Callable[[Array], float], x: Array, step: float = 1e-5) -> Array:
    """Return the gradient of f at x, in float64, element by element.

    The truncation error is proportional to step squared, the rounding error to 1 / step. For values
    and derivatives of order 1, both are about 1e-10 at a step of 1e-5.
    """
    if x.dtype != np.float64:
        raise TypeError(f"central differences need float64, not {x.dtype}")
    point = x.copy()
    gradient = np.empty_like(point)
    for index in np.ndindex(*point.shape):
        value = point[index]
        point[index] = value + step
        above = f(point)
        point[index] = value - step
        below = f(point)
        point[index] = value
        gradient[index] = (above - below) / (2 * step)
    return gradient


def relative_error(a: Array, b: Array) -> float:
    """Return ||a - b|| / max(||a||, ||b||).

    Raises:
        ValueError: the shapes differ, or both arrays are zero, which would compare nothing.
    """
    if a.shape != b.shape:
        raise ValueError(f"shapes differ: {a.shape} and {b.shape}")
    larger = max(np.linalg.norm(a), np.linalg.norm(b))
    if larger == 0:
        raise ValueError("both arrays are all zero: there is nothing to compare")
    return float(np.linalg.norm(np.subtract(a, b, dtype=np.float64)) / larger)


def check_gradients(
    loss: Callable[..., float],
    arrays: Mapping[str, Array],
    gradients: Mapping[str, Array],
    tolerance: float = 1e-6,
) -> dict[str, float]:
    """Compare the gradient of every array with central differences of the loss.

    Args:
        loss: called as loss(**arrays), in the order of `arrays`.
        arrays: the arguments of the loss, by name.
        gradients: the gradients to check, by the same names.
        tolerance: upper bound on the relative error of each gradient.

    Returns:
        The relative errors, by name.

    Raises:
        AssertionError: a gradient is missing or wrong; the message names it.
        ValueError: a gradient and its numeric estimate are both zero.
    """
    assert list(gradients) == list(arrays), f"{list(gradients)} are not {list(arrays)}"
    errors = {}
    for name, array in arrays.items():

        def loss_of(value: Array, name: str = name) -> float:
            return loss(**{**arrays, name: value})

        errors[name] = relative_error(gradients[name], numeric_gradient(loss_of, array))
    wrong = {name: error for name, error in errors.items() if not error < tolerance}
    assert not wrong, f"relative errors of {tolerance} and more: {wrong}"
    return errors
