"""Dropout masks depend on seed, step and layer alone, and act on a model as they should."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import write_config

import charrnn.workers.worker
from charrnn.config.reader import load_config
from charrnn.config.schema import ModelConfig
from charrnn.kernels import CELLS, Array
from charrnn.model.dropout_masks import MaskGenerator, Masks
from charrnn.model.model import Model, States
from charrnn.model.parameters import initial_parameters, parameter_views
from charrnn.training.train import train as train_run

T, N, H, V = 7, 6, 12, 5

each_cell = pytest.mark.parametrize("cell", CELLS)


def config(cell: str = "lstm", **dropped: Any) -> ModelConfig:
    return ModelConfig(cell, 2, H, None, **dropped)


def drawn(step: int = 3, streams: range = range(N), seed: int = 1, **dropped: Any) -> Masks:
    """Return the masks of a step, from a generator that has drawn others before."""
    generator = MaskGenerator(config(**dropped), seed)
    generator.masks(step + 1, T + 2, range(N + 1))
    return generator.masks(step, T, streams)


def test_nothing_is_drawn_if_nothing_is_dropped() -> None:
    assert drawn(dropout=0.0, weight_dropout=0.0, dropout_per="window") == Masks((), ())


def test_a_mask_per_window_has_one_step() -> None:
    per_window = drawn(dropout=0.5, dropout_per="window")
    assert [mask.shape for mask in per_window.outputs] == [(1, N, H)] * 2
    per_step = drawn(dropout=0.5, dropout_per="step")
    assert [mask.shape for mask in per_step.outputs] == [(T, N, H)] * 2
    assert any((mask != mask[:1]).any() for mask in per_step.outputs)


@pytest.mark.parametrize("per", ["step", "window"])
def test_a_worker_draws_the_masks_of_its_streams_and_of_all_weights(per: str) -> None:
    whole = drawn(dropout=0.5, dropout_per=per, weight_dropout=0.5)
    for streams in (range(0, 2), range(2, 6), range(5, 6)):
        part = drawn(streams=streams, dropout=0.5, dropout_per=per, weight_dropout=0.5)
        for all_, some in zip(whole.outputs, part.outputs, strict=True):
            np.testing.assert_array_equal(all_[:, streams.start : streams.stop], some)
        for one, same in zip(whole.weights, part.weights, strict=True):
            np.testing.assert_array_equal(one, same)


def test_outputs_and_weights_have_different_keys() -> None:
    """With equal keys, the mask of the first stream would start like the mask of the weights."""
    masks = drawn(dropout=0.5, dropout_per="step", weight_dropout=0.5)
    for of_outputs, of_weights in zip(masks.outputs, masks.weights, strict=True):
        first = of_outputs[:, 0].ravel()
        assert np.any(first != of_weights.ravel()[: first.size])


def test_weights_are_dropped_at_their_rate_and_the_rest_is_scaled() -> None:
    generator = MaskGenerator(ModelConfig("lstm", 1, 64, weight_dropout=0.25), seed=2)
    mask = generator.masks(0, T, range(N)).weights[0].copy()
    assert mask.shape == (64, 4 * 64)
    assert set(np.unique(mask)) == {np.float32(0), np.float32(4 / 3)}
    assert np.mean(mask == 0) == pytest.approx(0.25, abs=0.015)  # four standard deviations
    other = generator.masks(1, T, range(N)).weights[0]
    assert np.mean(mask != other) == pytest.approx(0.375, abs=0.05)  # each step draws again


def window(cell: str, parameters: Array, masks: Masks) -> tuple[float, dict[str, Array], States]:
    """Return loss, gradients and next states of a window in float64."""
    rng = np.random.default_rng(4)
    model = Model(config(cell), V, parameters)
    codes, targets = rng.integers(V, size=(2, T, N))
    states = [tuple(rng.standard_normal(s.shape) for s in layer) for layer in model.zero_states(N)]
    gradient = parameter_views(np.zeros_like(parameters), model.shapes)
    nats, states = model.loss_gradient(codes, targets, states, gradient, masks)
    return nats, gradient, states


@each_cell
def test_dropping_weights_trains_a_model_without_them(cell: str) -> None:
    """The loss equals that of a model with masked weights; so does the gradient, once masked."""
    masks = MaskGenerator(config(cell, weight_dropout=0.4), 5, np.float64).masks(0, T, range(N))
    parameters = initial_parameters(config(cell), V, 1, np.float64)
    without = parameters.copy()
    views = parameter_views(without, Model(config(cell), V, without).shapes)
    for layer, mask in enumerate(masks.weights):
        views[f"layers.{layer}.Wh"][...] *= mask
    nats, gradient, states = window(cell, parameters, masks)
    nats_without, gradient_without, states_without = window(cell, without, Masks())
    assert nats == nats_without
    np.testing.assert_equal(states, states_without)
    for layer, mask in enumerate(masks.weights):
        gradient_without[f"layers.{layer}.Wh"] *= mask
    for name, array in gradient.items():
        np.testing.assert_array_equal(array, gradient_without[name], err_msg=name)


@each_cell
def test_a_mask_per_window_equals_the_same_mask_at_each_step(cell: str) -> None:
    dropped = {"dropout": 0.4, "dropout_per": "window"}
    masks = MaskGenerator(config(cell, **dropped), 6, np.float64).masks(0, T, range(N))
    repeated = Masks(tuple(np.repeat(mask, T, axis=0) for mask in masks.outputs))
    parameters = initial_parameters(config(cell), V, 1, np.float64)
    one, other = (window(cell, parameters, each) for each in (masks, repeated))
    np.testing.assert_equal(one, other)


def dropout_masks(
    folder: Path, monkeypatch: pytest.MonkeyPatch, overrides: dict[str, Any]
) -> list[Array]:
    """Return the masks of a training of 6 steps and 2 layers, in the order of drawing."""
    drawn: list[Array] = []

    class Spy(MaskGenerator):
        def masks(self, step: int, T: int, streams: range) -> Masks:
            masks = super().masks(step, T, streams)
            drawn.extend(mask.copy() for kind in masks for mask in kind)
            return masks

    folder.mkdir()
    base = {"model.num_layers": 2, "train.max_steps": 6}
    config = load_config(write_config(folder, base | overrides))
    with monkeypatch.context() as patch:
        patch.setattr(charrnn.workers.worker, "MaskGenerator", Spy)
        train_run(config, folder / "run")
    return drawn


@pytest.mark.parametrize("kind", ["step", "window"])
@pytest.mark.parametrize("weights", [0.0, 0.5], ids=["outputs", "and weights"])
def test_dropout_masks_depend_on_seed_step_and_layer_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, weights: float
) -> None:
    kinds = {"model.dropout": 0.5, "model.dropout_per": kind, "model.weight_dropout": weights}
    masks = dropout_masks(tmp_path / "base", monkeypatch, kinds)
    assert len(masks) == (24 if weights else 12)
    assert len({mask.tobytes() for mask in masks}) == len(masks)  # one per step, layer and kind
    assert {round(float(value), 6) for mask in masks for value in np.unique(mask)} == {0.0, 2.0}
    for i, overrides in enumerate(
        (
            {"train.sample_length": 20, "train.validate_every": 2},
            {"train.learning_rate": 0.1, "train.optimizer": "sgd"},
            {"model.embedding_size": 4} | ({} if weights else {"model.cell": "lstm"}),
            {"data.valid_fraction": 0.4, "train.log_every": 1},
        )
    ):
        same = dropout_masks(tmp_path / f"same{i}", monkeypatch, kinds | overrides)
        assert [mask.tobytes() for mask in same] == [mask.tobytes() for mask in masks]
    other = dropout_masks(tmp_path / "other", monkeypatch, kinds | {"seed": 2})
    assert not {mask.tobytes() for mask in other} & {mask.tobytes() for mask in masks}
