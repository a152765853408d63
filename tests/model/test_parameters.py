"""The initial parameters of a network."""

from __future__ import annotations

import numpy as np
import pytest
from cell_problem import each_cell

from charrnn.config.schema import ModelConfig
from charrnn.kernels import CELLS, Array, Cell
from charrnn.model.model import Model
from charrnn.model.parameters import initial_parameters, parameter_shapes, parameter_views

V, H = 40, 64

each_input = pytest.mark.parametrize("embedding_size", [None, 24], ids=["one-hot", "embedded"])


def new_views(cell: Cell, embedding_size: int | None, seed: int = 1) -> dict[str, Array]:
    config = ModelConfig(cell=cell.name, num_layers=2, hidden_size=H, embedding_size=embedding_size)
    flat = initial_parameters(config, V, seed, np.float64)
    return parameter_views(flat, parameter_shapes(config, V))


@each_cell
def test_recurrent_matrices_are_orthogonal_gate_by_gate(cell: Cell) -> None:
    for name, Wh in new_views(cell, None).items():
        if name.endswith(".Wh"):
            for block in np.split(Wh, Wh.shape[1] // H, axis=1):
                np.testing.assert_allclose(block.T @ block, np.eye(H), atol=1e-12)


@each_cell
def test_biases_are_zero_except_those_in_bias_init(cell: Cell) -> None:
    views = new_views(cell, None)
    assert not views["output.b"].any()
    for layer in (0, 1):
        blocks = np.split(views[f"layers.{layer}.b"], len(cell.gates))
        for gate, block in zip(cell.gates, blocks, strict=True):
            assert (block == cell.bias_init.get(gate, 0.0)).all()


def test_the_forget_bias_is_one() -> None:
    b = new_views(CELLS["lstm"], None)["layers.0.b"]
    i, f, o, g = np.split(b, 4)
    assert (f == 1).all()
    assert not np.concatenate((i, o, g)).any()


@each_input
def test_a_new_mogrifier_is_the_lstm_of_the_same_seed(embedding_size: int | None) -> None:
    codes = np.random.default_rng(2).integers(0, V, (20, 3))
    logits = {}
    for cell in ("lstm", "mogrifier"):
        config = ModelConfig(cell, 2, H, embedding_size)
        model = Model(config, V, initial_parameters(config, V, 1, np.float64))
        logits[cell], _, _ = model.forward(codes, model.zero_states(3))
    np.testing.assert_allclose(logits["mogrifier"], logits["lstm"], rtol=1e-12, atol=1e-12)


@each_input
@each_cell
def test_outputs_of_matrices_have_a_variance_of_about_one(
    cell: Cell, embedding_size: int | None
) -> None:
    """This holds for the input part of every layer's gates and for the logits, on random text."""
    config = ModelConfig(cell=cell.name, num_layers=3, hidden_size=H, embedding_size=embedding_size)
    model = Model(config, V, initial_parameters(config, V, 1))
    codes = np.random.default_rng(2).integers(0, V, (60, 20))
    logits, _, cache = model.forward(codes, model.zero_states(20))
    assert 0.4 < logits[20:].var() < 2.5
    for layer, layer_cache in enumerate(cache.layers):
        Wx, Wh = (model.views[f"layers.{layer}.{name}"] for name in ("Wx", "Wh"))
        Wx, x = Wx[:, : Wh.shape[1]], layer_cache.x  # without gates that start as constants
        given = Wx[x] if x.dtype.kind in "iu" else x @ Wx
        assert 0.4 < given[20:].var() < 2.5, layer


def test_the_seed_determines_the_parameters() -> None:
    first, same, other = (new_views(CELLS["lstm"], 24, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(first[name], same[name]) for name in first)
    assert not np.array_equal(first["embedding.E"], other["embedding.E"])
