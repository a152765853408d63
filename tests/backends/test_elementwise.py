"""The compiled element-wise functions are exact enough, and agree with NumPy's functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cell_problem import frozen

pytest.importorskip("numba", reason="Numba is not installed: there is no compiled backend to test")

import charrnn.backends.elementwise as compiled
from charrnn import kernels
from charrnn.backends.backend import backend
from charrnn.backends.gates import sigmoid, tanh
from charrnn.backends.jit import compiled_helper
from charrnn.kernels import Array, Workspace
from charrnn.kernels.embedding import scatter_rows
from charrnn.kernels.optimizers import OPTIMIZERS, Optimizer

SMALL = np.logspace(-30, 0, 500)
EVERYWHERE = np.concatenate([np.linspace(-25, 25, 400_001), SMALL, -SMALL]).astype(np.float32)
EXTREME = np.array([-np.inf, -3e38, -100, 100, 3e38, np.inf], np.float32)


def each_of(function: Callable[[Any], Any]) -> Callable[[Array], Array]:
    """Return a compiled function mapped over an array, as in a compiled loop."""

    @compiled_helper
    def loop(x: Array, y: Array) -> None:
        for i in range(len(x)):
            y[i] = function(x[i])

    def over(x: Array) -> Array:
        y = np.full_like(x, -7)
        loop(x, y)
        return y

    return over


def test_tanh() -> None:
    over = each_of(tanh)
    y, exact = over(EVERYWHERE), np.tanh(EVERYWHERE.astype(np.float64))
    assert np.abs(y - exact).max() < 5e-7
    assert (np.abs(y - exact) <= 6e-7 * np.abs(exact)).all()  # also for the smallest x
    assert np.abs(y).max() <= 1
    np.testing.assert_allclose(over(EXTREME), [-1, -1, -1, 1, 1, 1], rtol=3e-7)
    np.testing.assert_array_equal(over(-EVERYWHERE), -y)
    np.testing.assert_array_equal(over(np.array([0, np.nan], np.float32)), [0, np.nan])


def test_sigmoid() -> None:
    over = each_of(sigmoid)
    y, exact = over(EVERYWHERE), 1 / (1 + np.exp(-EVERYWHERE.astype(np.float64)))
    assert np.abs(y - exact).max() < 3e-7
    assert y.min() >= 0
    assert y.max() <= 1
    np.testing.assert_allclose(over(EXTREME), [0, 0, 0, 1, 1, 1], atol=3e-7)
    assert np.isnan(over(np.array([np.nan], np.float32)))


def test_exp() -> None:
    over = each_of(compiled.exp)
    x = -np.concatenate([np.linspace(0, 87, 400_001), SMALL]).astype(np.float32)
    y, exact = over(x), np.exp(x.astype(np.float64))
    assert (np.abs(y - exact) <= 3e-7 * exact).all()
    assert over(np.zeros(1, np.float32)) == 1
    below = over(np.array([-87.5, -1e4, -3e38, -np.inf], np.float32))
    assert ((below >= 0) & (below < 2e-38)).all()
    assert np.isnan(over(np.array([np.nan], np.float32)))


def both_softmaxes(logits: Array, targets: Array) -> list[list[Array]]:
    """Return losses, probabilities and gradients, from the compiled twins and from NumPy."""
    results = []
    for module in (compiled, kernels):
        with np.errstate(all="ignore"):
            nll_nats, cache = module.softmax_cross_entropy_forward(logits, targets)
            probabilities = cache.probabilities.copy()
            dlogits = module.softmax_cross_entropy_backward(cache, 0.25)
        np.testing.assert_array_equal(cache.probabilities, probabilities)  # unchanged
        results.append([nll_nats, probabilities, dlogits])
    for a, b in zip(*results, strict=True):
        assert a.dtype == b.dtype == np.float32
        assert a.shape == b.shape
    return results


@pytest.mark.parametrize("scale", [1.0, 30.0, 1000.0, 1e30])
@pytest.mark.parametrize("shape", [(1, 1, 2), (3, 2, 1), (4, 3, 65), (2, 25, 300)])
def test_softmax(shape: tuple[int, int, int], scale: float) -> None:
    rng = np.random.default_rng(1)
    logits = (scale * rng.standard_normal(shape)).astype(np.float32)
    targets = rng.integers(shape[-1], size=shape[:-1])
    before = logits.copy()
    (nll, p, dlogits), (true_nll, true_p, true_dlogits) = both_softmaxes(logits, targets)
    np.testing.assert_array_equal(logits, before)
    # A loss is a difference of logits, which are rounded.
    np.testing.assert_allclose(nll, true_nll, rtol=1e-6, atol=5e-7 + 1e-7 * np.abs(logits).max())
    np.testing.assert_allclose(p, true_p, rtol=2e-6, atol=1e-30)
    np.testing.assert_allclose(dlogits, true_dlogits, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("low", [-1e4, -3e38, -np.inf])
def test_softmax_with_impossible_tokens(low: float) -> None:
    """The loss is NumPy's, both for tokens of probability 0 and for the others."""
    logits = np.array([[low, 2, 1], [low, low, 3], [0, low, low]], np.float32)
    targets = np.array([1, 2, 1])
    (nll, p, dlogits), (true_nll, true_p, true_dlogits) = both_softmaxes(logits, targets)
    np.testing.assert_allclose(nll, true_nll, rtol=1e-6)
    np.testing.assert_allclose(p, true_p, rtol=1e-6, atol=1e-30)
    np.testing.assert_allclose(dlogits, true_dlogits, rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("place", [0, 1, 4])
def test_softmax_hides_no_divergence(value: float, place: int) -> None:
    logits = np.random.default_rng(2).standard_normal((3, 5)).astype(np.float32)
    logits[1, place] = value
    for nll, p, dlogits in both_softmaxes(logits, np.array([0, 2, 4])):
        np.testing.assert_array_equal(np.isnan(nll), [False, True, False])
        assert np.isnan(p[1, place])
        assert np.isnan(dlogits[1, place])
        assert np.isfinite(dlogits[[0, 2]]).all()


def test_softmax_in_a_workspace() -> None:
    workspace, rng = Workspace(), np.random.default_rng(3)
    for shape in [(4, 3, 9), (1, 2, 5), (4, 3, 9)]:
        logits = rng.standard_normal(shape).astype(np.float32)
        targets = rng.integers(shape[-1], size=shape[:-1])
        results = []
        for ws in (None, workspace):
            nll, cache = compiled.softmax_cross_entropy_forward(logits, targets, workspace=ws)
            dlogits = compiled.softmax_cross_entropy_backward(cache, 0.5, workspace=ws)
            results.append([nll.copy(), dlogits.copy()])
        for a, b in zip(*results, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("M", "V", "K"), [(1, 1, 1), (7, 5, 3), (300, 65, 33), (4, 100, 128)])
def test_scatter(M: int, V: int, K: int) -> None:
    """Every row of the sums is written; rows of codes that do not occur become zero."""
    rng = np.random.default_rng(4)
    rows = rng.standard_normal((M, K)).astype(np.float32)
    codes = rng.integers(max(1, V - 1), size=M)
    rows_before, codes_before = rows.copy(), codes.copy()
    sums, expected = np.full((2, V, K), np.nan, np.float32)
    compiled.scatter_rows(rows, codes, sums, Workspace())
    scatter_rows(rows, codes, expected, Workspace())
    assert np.abs(sums - expected).max() < 1e-6 * np.abs(expected).max()
    assert not sums[np.bincount(codes, minlength=V) == 0].any()
    np.testing.assert_array_equal(rows, rows_before)
    np.testing.assert_array_equal(codes, codes_before)


def updated(name: str, update: Callable[..., None] | None) -> tuple[Array, dict[str, Array]]:
    """Return the change of the parameters by ten updates, and the optimizer state after them."""
    rng = np.random.default_rng(5)
    start = rng.standard_normal(1001).astype(np.float32)
    gradients = (rng.standard_normal((10, 1001)) * np.logspace(-6, 2, 1001)).astype(np.float32)
    parameters, before = start.copy(), gradients.copy()
    hyperparameters = OPTIMIZERS[name].hyperparameters
    optimizer = Optimizer(name, hyperparameters, parameters, [slice(0, 500)], update)
    for t, gradient in enumerate(gradients, 1):
        optimizer.update(parameters, gradient, 0.01 / t, t)
    np.testing.assert_array_equal(gradients, before)
    return parameters - start, optimizer.state


@pytest.mark.parametrize("name", ["adam", "adamw", "cadamw"])
def test_ten_updates(name: str) -> None:
    moved, state = updated(name, backend("numba").updates[name])
    expected, true_state = updated(name, None)
    assert np.abs(moved - expected).max() < 1e-5 * np.abs(expected).max()
    for key, array in state.items():
        np.testing.assert_allclose(array, true_state[key], rtol=1e-5, atol=1e-12, err_msg=key)


def test_adamw_applies_weight_decay() -> None:
    adam, adamw = (updated(name, backend("numba").updates[name])[0] for name in ("adam", "adamw"))
    assert (adam[:500] != adamw[:500]).all()
    np.testing.assert_array_equal(adam[500:], adamw[500:])


def test_an_update_hides_no_divergence() -> None:
    parameters = np.ones(40, np.float32)
    optimizer = Optimizer("adam", OPTIMIZERS["adam"].hyperparameters, parameters, [], compiled.adam)
    gradient = np.ones(40, np.float32)
    gradient[7] = np.nan
    optimizer.update(parameters, frozen(gradient), 0.1, 1)
    assert np.isnan(parameters[7])
    assert np.isfinite(np.delete(parameters, 7)).all()
