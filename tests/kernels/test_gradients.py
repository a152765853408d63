"""Compares every gradient with central differences in float64: cells, kernels, the whole model.

All sizes differ, so a transposed matrix in a product fails by its shape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cell_problem import each_cell, each_input
from gradient_check import check_gradients

from charrnn.config.schema import ModelConfig
from charrnn.kernels import (
    CELLS,
    Array,
    Cell,
    activation_penalty,
    activation_penalty_backward,
    dropout_backward,
    dropout_forward,
    dropout_mask,
    embedding_backward,
    embedding_forward,
    first_states_backward,
    first_states_forward,
    projection_backward,
    projection_forward,
    softmax_cross_entropy_backward,
    softmax_cross_entropy_forward,
)
from charrnn.model.dropout_masks import MaskGenerator
from charrnn.model.model import Model
from charrnn.model.parameters import parameter_shapes, parameter_views
from charrnn.text.windows import EarlyTargets

T, N, D, H, V = 4, 3, 5, 2, 6

DROPPED: dict[str, dict[str, Any]] = {
    "nothing": {},
    "outputs": {"dropout": 0.4},
    "outputs of a window": {"dropout": 0.4, "dropout_per": "window"},
    "weights": {"weight_dropout": 0.4},
    "both": {"dropout": 0.4, "dropout_per": "window", "weight_dropout": 0.4},
}


def cell_arrays(cell: Cell, rng: np.random.Generator) -> dict[str, Array]:
    """Return random states before the first step, then parameters, by name."""
    states = {f"{state}0": rng.standard_normal((N, H)) for state in cell.states}
    shapes = cell.parameter_shapes(D, H)
    return states | {name: rng.standard_normal(shape) for name, shape in shapes.items()}


def window(codes: bool, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Return features or codes; code 1 does not occur, so a row of dWx is zero."""
    if codes:
        return rng.choice([0, 2, 3, 4], shape)
    return rng.standard_normal((*shape, D))


@each_cell
@each_input
def test_step(cell: Cell, codes: bool) -> None:
    rng = np.random.default_rng(1)
    x, arrays = window(codes, (N,), rng), cell_arrays(cell, rng)
    dnext = [rng.standard_normal((N, H)) for _ in cell.states]

    def loss(x: Array = x, **rest: Array) -> float:
        *next_states, _ = cell.step_forward(x, *rest.values())
        return sum(float(np.vdot(d, s)) for d, s in zip(dnext, next_states, strict=True))

    *_, cache = cell.step_forward(x, *arrays.values())
    dx, *others = cell.step_backward(*dnext, cache)
    check(loss, x, dx, arrays, others)


@each_cell
@each_input
def test_sequence(cell: Cell, codes: bool) -> None:
    rng = np.random.default_rng(2)
    x, arrays = window(codes, (T, N), rng), cell_arrays(cell, rng)
    dh = rng.standard_normal((T, N, H))
    dlast = tuple(rng.standard_normal((N, H)) for _ in cell.states)

    def loss(x: Array = x, **rest: Array) -> float:
        *states, _ = cell.forward(x, *rest.values())
        return float(np.vdot(dh, states[0])) + sum(
            float(np.vdot(d, s[-1])) for d, s in zip(dlast, states, strict=True)
        )

    *_, cache = cell.forward(x, *arrays.values())
    dx, *others = cell.backward(dh, cache, dlast=dlast)
    check(loss, x, dx, arrays, others)


@each_input
def test_projection(codes: bool) -> None:
    rng = np.random.default_rng(3)
    x, dy = window(codes, (T, N), rng), rng.standard_normal((T, N, H))
    arrays = {"W": rng.standard_normal((D, H)), "b": rng.standard_normal(H)}

    def loss(x: Array = x, **rest: Array) -> float:
        return float(np.vdot(dy, projection_forward(x, *rest.values())))

    dx, *others = projection_backward(dy, x, arrays["W"])
    check(loss, x, dx, arrays, others)


def check(
    loss: Callable[..., float],
    x: Array,
    dx: Array | None,
    arrays: dict[str, Array],
    gradients: list[Array],
) -> None:
    """Check dx and all other gradients; dx is None for codes."""
    named = dict(zip(arrays, gradients, strict=True))
    if dx is None:
        assert x.dtype.kind == "i"
    else:
        arrays, named = {"x": x, **arrays}, {"x": dx, **named}
    check_gradients(loss, arrays, named)


def test_embedding() -> None:
    rng = np.random.default_rng(4)
    codes, E = window(True, (T, N), rng), rng.standard_normal((D, H))
    dy = rng.standard_normal((T, N, H))
    check_gradients(
        lambda E: float(np.vdot(dy, embedding_forward(codes, E))),
        {"E": E},
        {"E": embedding_backward(dy, codes, E)},
    )


def test_first_states() -> None:
    rng = np.random.default_rng(11)
    x, ds = rng.standard_normal((N, D)), rng.standard_normal((N, H))
    arrays = {"W": rng.standard_normal((D, H)), "b": rng.standard_normal(H)}
    s, cache = first_states_forward(x, *arrays.values())
    assert np.abs(s).max() < 1
    check_gradients(
        lambda **values: float(np.vdot(ds, first_states_forward(x, *values.values())[0])),
        arrays,
        dict(zip(arrays, first_states_backward(ds, cache), strict=True)),
    )


@pytest.mark.parametrize("scale", [1.0, 1 / (T * N)])
def test_softmax_cross_entropy(scale: float) -> None:
    rng = np.random.default_rng(5)
    logits, targets = rng.standard_normal((T, N, V)), rng.integers(V, size=(T, N))
    _, cache = softmax_cross_entropy_forward(logits, targets)
    check_gradients(
        lambda logits: scale * float(softmax_cross_entropy_forward(logits, targets)[0].sum()),
        {"logits": logits},
        {"logits": softmax_cross_entropy_backward(cache, scale)},
    )


def test_dropout() -> None:
    rng = np.random.default_rng(6)
    x, dy = rng.standard_normal((T, N, H)), rng.standard_normal((T, N, H))
    mask = dropout_mask(T, range(N), H, 0.4, (6, 0), np.float64)
    check_gradients(
        lambda x: float(np.vdot(dy, dropout_forward(x, mask))),
        {"x": x},
        {"x": dropout_backward(dy, mask)},
    )


def test_activation_penalty() -> None:
    rng = np.random.default_rng(6)
    h, dh = rng.standard_normal((T, N, H)), rng.standard_normal((T, N, H))
    check_gradients(
        lambda h: float(np.vdot(dh, h)) + 0.3 * activation_penalty(h),
        {"h": h},
        {"h": activation_penalty_backward(dh, h, 0.3)},
    )


def test_a_dropout_mask_drops_at_its_rate_and_scales_the_rest() -> None:
    mask = dropout_mask(10, range(10), 100, 0.3, (7, 0), np.float64)
    dropped = round(0.3 * 2**16) / 2**16  # the rate, as rounded by the function
    assert set(np.unique(mask)) == {0.0, 1 / (1 - dropped)}
    assert np.mean(mask == 0) == pytest.approx(0.3, abs=0.02)  # four standard deviations


def test_a_dropout_mask_of_the_highest_rate_is_finite() -> None:
    mask = dropout_mask(1, range(1), 10, 1 - 1e-9, (7, 0), np.float32)
    assert np.isfinite(mask).all()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    ("num_layers", "embedding_size", "name"),
    [*((2, None, name) for name in DROPPED), (3, 3, "nothing"), (3, 3, "both")],
)
def test_model(cell: str, num_layers: int, embedding_size: int | None, name: str) -> None:
    check_model(ModelConfig(cell, num_layers, 4, embedding_size, **DROPPED[name]))


@pytest.mark.parametrize("cell", CELLS)
def test_model_with_an_activation_penalty(cell: str) -> None:
    weights = np.random.default_rng(10).random((4, 3)) * (np.arange(4)[:, None] < [4, 2, 0])
    check_model(ModelConfig(cell, 2, 4, embedding_size=3, dropout=0.4), penalty=0.5)
    check_model(ModelConfig(cell, 1, 4), 0.7, weights, penalty=0.5)


@pytest.mark.parametrize("cell", CELLS)
def test_model_with_weights(cell: str) -> None:
    weights = np.random.default_rng(10).random((4, 3)) * (np.arange(4)[:, None] < [4, 2, 0])
    check_model(ModelConfig(cell, 2, 4, embedding_size=3, dropout=0.4), 0.7, weights)


@pytest.mark.parametrize("prompt_weight", [0, 0.3])
@pytest.mark.parametrize("cell", CELLS)
def test_model_with_prompts(cell: str, prompt_weight: float) -> None:
    """Of the rows, one is padded, and one's reply comes in a later window."""
    steps = np.arange(4)[:, None]
    weights = np.where(steps < [1, 2, 4], prompt_weight, steps < [3, 4, 4])
    check_model(ModelConfig(cell, 2, 4, embedding_size=3, dropout=0.4), 0.7, weights)


@pytest.mark.parametrize("cell", CELLS)
def test_model_with_early_targets(cell: str) -> None:
    """Of the rows, one has no prompt, and one's target is the next one at a step, too."""
    steps = np.arange(4)[:, None]
    weights = np.where(steps < [1, 2, 4], 0.1, steps < [3, 4, 4])
    early = EarlyTargets(np.array([1, 2, 3]), np.where(steps < [0, 2, 4], [0, 0.5, 0.25], 0))
    check_model(ModelConfig(cell, 2, 4, embedding_size=3, dropout=0.4), 0.7, weights, early)
    check_model(ModelConfig(cell, 1, 4), None, weights, early)


@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_model_with_features(cell: str, num_layers: int) -> None:
    """Of the rows, one has prompts with early targets, and one is no record, with weight 0."""
    steps = np.arange(4)[:, None]
    weights = np.where(steps < [2, 0, 0], 0.1, steps < [4, 3, 0])
    early = EarlyTargets(np.array([1, 2, 3]), np.where(steps < [2, 0, 0], 0.5, 0))
    config = ModelConfig(cell, num_layers, 4, embedding_size=3, dropout=0.4, weight_dropout=0.4)
    check_model(config, 0.7, weights, early, F=5)
    check_model(ModelConfig(cell, num_layers, 4), F=1)


def test_a_window_without_a_fresh_row_gives_no_gradient_to_features() -> None:
    config, V, rng = ModelConfig("lstm", 2, 4), 5, np.random.default_rng(12)
    shapes = parameter_shapes(config, V, F=3)
    flat = rng.standard_normal(sum(int(np.prod(shape)) for shape in shapes.values()))
    model, codes = Model(config, V, flat, F=3), rng.integers(V, size=(4, 2))
    gradient = parameter_views(np.full_like(flat, np.nan), shapes)
    model.loss_gradient(codes, codes, model.zero_states(2), gradient)
    assert not gradient["features.W"].any()
    assert not gradient["features.b"].any()
    assert all(array.any() for name, array in gradient.items() if name[:9] != "features.")


def check_model(
    config: ModelConfig,
    scale: float | None = None,
    weights: Array | None = None,
    early: EarlyTargets | None = None,
    F: int = 0,
    penalty: float = 0.0,
) -> None:
    """Check the gradients of a model; scale and weights, of 4 steps of 3 rows, are of the loss."""
    V, (T, N), rng = 5, (4, 3), np.random.default_rng(8)
    shapes = parameter_shapes(config, V, F)
    flat = rng.standard_normal(sum(int(np.prod(shape)) for shape in shapes.values()))
    model = Model(config, V, flat.copy(), F=F)
    codes, targets = rng.integers(V, size=(2, T, N))
    states = [tuple(rng.standard_normal(s.shape) for s in layer) for layer in model.zero_states(N)]
    features = rng.standard_normal((N, F)) if F else None
    masks = MaskGenerator(config, 8, np.float64).masks(0, T, range(N))
    factor = 1 / (T * N) if scale is None else scale

    def loss(**arrays: Array) -> float:
        for name, array in arrays.items():
            model.views[name][...] = array
        first = states if features is None else model.first_states(N, features)
        logits, _, cache = model.forward(codes, first, masks)
        nll_nats, _ = softmax_cross_entropy_forward(logits, targets)
        total = float((nll_nats if weights is None else weights * nll_nats).sum())
        if early is not None:
            second, _ = softmax_cross_entropy_forward(logits, np.tile(early.codes, (T, 1)))
            total += float((early.weights * second).sum())
        return factor * (total + penalty * activation_penalty(cache.top))

    gradient = parameter_views(np.full_like(flat, np.nan), shapes)  # every element must be written
    nats, _ = model.loss_gradient(
        codes, targets, states, gradient, masks, scale, weights, early, features, penalty
    )
    parameters = parameter_views(flat, shapes)
    whole = loss(**parameters)
    # The second targets and the penalty count in the gradient only.
    first = states if features is None else model.first_states(N, features)
    logits, _, cache = model.forward(codes, first, masks)
    whole -= factor * penalty * activation_penalty(cache.top)
    if early is not None:
        second, _ = softmax_cross_entropy_forward(logits, np.tile(early.codes, (T, 1)))
        whole -= factor * float((early.weights * second).sum())
    assert factor * nats == pytest.approx(whole, rel=1e-12)
    check_gradients(loss, parameters, gradient)


@each_cell
def test_sequence_with_weights(cell: Cell) -> None:
    """The loss of the windows of records: weights, most of them 0 or 1, after a projection."""
    rng = np.random.default_rng(9)
    codes, targets = rng.integers(D, size=(T, N)), rng.integers(V, size=(T, N))
    weights = np.array([[1, 1, 0.3], [1, 0, 2], [1, 0, 0], [0, 0, 0]])  # (T, N)
    arrays = cell_arrays(cell, rng) | {"W": rng.standard_normal((H, V)), "bias": rng.random(V)}

    def forward(W: Array, bias: Array, **rest: Array) -> tuple[Any, ...]:
        h, *_, cache = cell.forward(codes, *rest.values())
        nll_nats, losses = softmax_cross_entropy_forward(projection_forward(h, W, bias), targets)
        return float((weights * nll_nats).sum()), h, cache, losses

    _, h, cache, losses = forward(**arrays)
    dlogits = softmax_cross_entropy_backward(losses) * weights[:, :, None]
    dh, dW, dbias = projection_backward(dlogits, h, arrays["W"])
    assert dh is not None
    _, *others = cell.backward(dh, cache)
    gradients = dict(zip(arrays, [*others, dW, dbias], strict=True))
    check_gradients(lambda **values: forward(**values)[0], arrays, gradients)
