"""Outputs, gradients, training steps and update rules equal PyTorch's stored numbers.

make_pytorch_reference.py wrote them, in float64 and in the layout used here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from gradient_check import relative_error

from charrnn.config.schema import ModelConfig
from charrnn.kernels import CELLS, Array, Cell
from charrnn.kernels.optimizers import OPTIMIZERS, Optimizer, clip_by_norm
from charrnn.model.model import Model
from charrnn.model.parameters import parameter_shapes, parameter_views

with np.load(Path(__file__).with_name("pytorch_reference.npz"), allow_pickle=False) as file:
    REFERENCE: dict[str, Array] = dict(file)


def stored(prefix: str) -> dict[str, Array]:
    """The arrays under a prefix, by the rest of their names."""
    return {k.removeprefix(prefix): a for k, a in REFERENCE.items() if k.startswith(prefix)}


def run_sequence(cell: Cell, record: dict[str, Array]) -> dict[str, Array]:
    """Outputs, last states and gradients, from the sequence functions."""
    starts = [record[f"{state}0"] for state in cell.states]
    dlast = tuple(record[f"dlast_{state}"] for state in cell.states)
    parameters = [record[name] for name in cell.parameters]
    *states, cache = cell.forward(record["x"], *starts, *parameters)
    gradients = cell.backward(record["dh"], cache, dlast=dlast)
    lasts = {f"last_{name}": s[-1] for name, s in zip(cell.states, states, strict=True)}
    return {"h": states[0], **lasts, **dict(zip(gradient_names(cell), gradients, strict=True))}


def run_steps(cell: Cell, record: dict[str, Array]) -> dict[str, Array]:
    """The same from the step functions, one after another."""
    states = [record[f"{state}0"] for state in cell.states]
    parameters = [record[name] for name in cell.parameters]
    h, dx, caches = [], [], []
    for x in record["x"]:
        *states, cache = cell.step_forward(x, *states, *parameters)
        h.append(states[0])
        caches.append(cache)
    dstates = [record[f"dlast_{state}"] for state in cell.states]
    totals = [np.zeros_like(parameter) for parameter in parameters]
    for dh, cache in zip(record["dh"][::-1], caches[::-1], strict=True):
        dx_t, *rest = cell.step_backward(dstates[0] + dh, *dstates[1:], cache)
        dx.append(dx_t)
        dstates, dparameters = rest[: len(states)], rest[len(states) :]
        totals = [total + d for total, d in zip(totals, dparameters, strict=True)]
    lasts = {f"last_{name}": s for name, s in zip(cell.states, states, strict=True)}
    gradients = [np.stack(dx[::-1]), *dstates, *totals]
    named = dict(zip(gradient_names(cell), gradients, strict=True))
    return {"h": np.stack(h), **lasts, **named}


def gradient_names(cell: Cell) -> list[str]:
    return ["dx", *(f"d{state}0" for state in cell.states), *(f"d{n}" for n in cell.parameters)]


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
@pytest.mark.parametrize("run", [run_sequence, run_steps])
def test_cell(cell: Cell, run: Callable[..., dict[str, Array]]) -> None:
    record = stored(f"{cell.name}.")
    for name, array in run(cell, record).items():
        assert relative_error(array, record[name]) < 1e-10, name


def test_ten_training_steps() -> None:
    record = stored("training.")
    V, (hidden_size, _) = len(record["parameters.output.b"]), record["parameters.output.W"].shape
    config = ModelConfig("lstm", num_layers=2, hidden_size=hidden_size)
    shapes = parameter_shapes(config, V)
    parameters = np.concatenate([record[f"parameters.{name}"].ravel() for name in shapes])
    gradient = np.empty_like(parameters)
    gradient_views = parameter_views(gradient, shapes)
    model = Model(config, V, parameters)
    hyperparameters = {k: float(v) for k, v in stored("training.hyperparameters.").items()}
    rate, max_norm = hyperparameters.pop("learning_rate"), float(record["max_norm"])
    optimizer = Optimizer("adam", hyperparameters, parameters)
    states = model.zero_states(record["codes"].shape[2])
    losses_nats, norms = [], []
    for t, (codes, targets) in enumerate(zip(record["codes"], record["targets"], strict=True), 1):
        nats, states = model.loss_gradient(codes, targets, states, gradient_views)
        norms.append(clip_by_norm(gradient, max_norm))
        optimizer.update(parameters, gradient, rate, t)
        losses_nats.append(nats / targets.size)
    assert len(norms) == 10
    assert np.sum(np.array(norms) > max_norm) > 5  # clipping is at work in most steps
    np.testing.assert_allclose(losses_nats, record["losses_nats"], rtol=1e-10)
    np.testing.assert_allclose(norms, record["norms"], rtol=1e-10)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_ten_updates(name: str) -> None:
    record = stored("rules.")
    hyperparameters = {k: float(v) for k, v in stored(f"rules.{name}.hyperparameters.").items()}
    assert hyperparameters.keys() == OPTIMIZERS[name].hyperparameters.keys()
    parameters = record["start"].copy()
    optimizer = Optimizer(name, hyperparameters, parameters, [slice(0, int(record["decayed"]))])
    for t, (gradient, rate) in enumerate(zip(record["gradients"], record["rates"], strict=True), 1):
        optimizer.update(parameters, gradient, float(rate), t)
    assert relative_error(parameters, record[f"{name}.end"]) < 1e-10
    assert relative_error(parameters, record["start"]) > 0.01
