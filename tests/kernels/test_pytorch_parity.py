"""Outputs, gradients, training steps and updates equal stored numbers of PyTorch.

make_pytorch_reference.py writes the numbers, in float64 and in the layout of `charrnn.kernels`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cell_problem import Problem, each_cell, frozen, run_sequence, run_steps
from gradient_check import relative_error

from charrnn.config.schema import ModelConfig
from charrnn.kernels import Array, Cell
from charrnn.kernels.optimizers import OPTIMIZERS, Optimizer, clip_by_norm
from charrnn.model.model import Model
from charrnn.model.parameters import parameter_shapes, parameter_views


def read(name: str) -> dict[str, Array]:
    with np.load(Path(__file__).with_name(name), allow_pickle=False) as file:
        return dict(file)


REFERENCE, PACKED = read("pytorch_reference.npz"), read("pytorch_packed.npz")


def stored(prefix: str, arrays: dict[str, Array] = REFERENCE) -> dict[str, Array]:
    """Return the arrays whose names start with a prefix, by the rest of their names."""
    return {k.removeprefix(prefix): a for k, a in arrays.items() if k.startswith(prefix)}


@each_cell
@pytest.mark.parametrize("run", [run_sequence, run_steps])
def test_cell(cell: Cell, run: Callable[[Cell, Problem], list[Array]]) -> None:
    record, states = stored(f"{cell.name}."), cell.states
    p = Problem(
        record["x"],
        tuple(record[f"{state}0"] for state in states),
        tuple(record[name] for name in cell.parameters),
        record["dh"],
        tuple(record[f"dlast_{state}"] for state in states),
    )
    results = run(cell, p)
    sequences, gradients = results[: len(states)], results[len(states) :]
    names = ["dx", *(f"d{state}0" for state in states), *(f"d{name}" for name in cell.parameters)]
    lasts = {f"last_{state}": s[-1] for state, s in zip(states, sequences, strict=True)}
    found = {"h": sequences[0]} | lasts | dict(zip(names, gradients, strict=True))
    for name, array in found.items():
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
    assert np.sum(np.array(norms) > max_norm) > 5  # most steps are clipped
    np.testing.assert_allclose(losses_nats, record["losses_nats"], rtol=1e-10)
    np.testing.assert_allclose(norms, record["norms"], rtol=1e-10)


@each_cell
def test_packed_sequences(cell: Cell) -> None:
    """Padding with weight 0 is what PyTorch's packing leaves out, in the mean over the others."""
    record = stored(f"{cell.name}.", PACKED)
    parameters = stored("parameters.", record)
    V, (hidden_size, _) = len(parameters["output.b"]), parameters["output.W"].shape
    config = ModelConfig(cell.name, num_layers=2, hidden_size=hidden_size)
    shapes = parameter_shapes(config, V)
    assert parameters.keys() == shapes.keys()
    model = Model(config, V, np.concatenate([parameters[name].ravel() for name in shapes]))
    gradient = parameter_views(np.full_like(model.parameters, np.nan), shapes)
    T, N = record["codes"].shape
    weights = frozen((np.arange(T)[:, None] < record["lengths"]).astype(np.float32))
    assert 0 < weights.sum() < T * N
    scale = 1 / float(weights.sum())
    nats, _ = model.loss_gradient(
        record["codes"],
        record["targets"],
        model.zero_states(N),
        gradient,
        scale=scale,
        weights=weights,
    )
    assert nats * scale == pytest.approx(float(record["loss_nats"]), rel=1e-12)
    for name, array in gradient.items():
        assert relative_error(array, record[f"gradients.{name}"]) < 1e-10, name
    assert not gradient["layers.0.Wx"][0].any()  # code 0 stands for padding alone


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name != "cadamw"])
def test_ten_updates(name: str) -> None:
    record = stored("optimizers.")
    hyperparameters = {
        k: float(v) for k, v in stored(f"optimizers.{name}.hyperparameters.").items()
    }
    # An optimizer that PyTorch lacks is left out here and tested by hand in test_optimizers.py.
    assert f"{name}.end" in record, f"{name}: store numbers, or leave it out here"
    assert hyperparameters.keys() == OPTIMIZERS[name].hyperparameters.keys()
    parameters = record["start"].copy()
    optimizer = Optimizer(name, hyperparameters, parameters, [slice(0, int(record["decayed"]))])
    for t, (gradient, rate) in enumerate(zip(record["gradients"], record["rates"], strict=True), 1):
        optimizer.update(parameters, gradient, float(rate), t)
    assert relative_error(parameters, record[f"{name}.end"]) < 1e-10
    assert relative_error(parameters, record["start"]) > 0.01
