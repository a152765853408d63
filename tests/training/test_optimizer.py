"""Weight decay, clipping, limits and learning rate as the configuration sets them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from charrnn.config.schema import ModelConfig, TrainConfig
from charrnn.model.model import Model
from charrnn.model.parameters import initial_parameters
from charrnn.training.limits import Limits
from charrnn.training.optimizer import clip_gradient, new_optimizer, scheduled_rate

ADAMW = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.5}


def new_model() -> Model:
    config = ModelConfig(cell="lstm", num_layers=2, hidden_size=4, embedding_size=3)
    return Model(config, 5, initial_parameters(config, 5, 1))


def test_weight_decay_shrinks_matrices_and_leaves_biases() -> None:
    model = new_model()
    model.parameters += 1  # no zeros
    before = {name: view.copy() for name, view in model.views.items()}
    config = TrainConfig(optimizer="adamw", learning_rate=0.1, **ADAMW)
    optimizer = new_optimizer(config, model)
    optimizer.update(model.parameters, np.zeros_like(model.parameters), 0.1, 1)
    for name, view in model.views.items():
        factor = 0.95 if view.ndim == 2 else 1.0
        np.testing.assert_allclose(view, factor * before[name], rtol=1e-6, err_msg=name)


@pytest.mark.parametrize(
    ("clipping", "largest", "norm"),
    [
        ({"clip_norm": 5.0}, 5 / np.sqrt(100), 5.0),
        ({"clip_norm": None, "clip_value": 0.5}, 0.5, 5.0),
        ({"clip_norm": None}, 3.0, 30.0),
    ],
    ids=["by norm", "by value", "not at all"],
)
def test_clipping(clipping: dict[str, Any], largest: float, norm: float) -> None:
    gradient = np.full(100, 3.0)
    assert clip_gradient(gradient, TrainConfig(**clipping)) == pytest.approx(30.0)
    assert gradient.max() == pytest.approx(largest)
    assert np.linalg.norm(gradient) == pytest.approx(norm)


def test_the_first_limit_reached_counts() -> None:
    assert Limits.of(TrainConfig(max_epochs=3, max_steps=100), 10).total_steps == 30
    assert Limits.of(TrainConfig(max_epochs=30, max_steps=100), 10).total_steps == 100
    limits = Limits.of(TrainConfig(max_steps=100, max_minutes=0.5), 10)
    assert limits == Limits(10, 100, 30.0)
    assert [limits.out_of_steps(step) for step in (99, 100)] == [False, True]
    assert [limits.out_of_time(s) for s in (29.9, 30.0)] == [False, True]
    by_time = Limits.of(TrainConfig(max_minutes=2), 10)
    assert by_time.total_steps is None
    assert not by_time.out_of_steps(10**9)
    assert [by_time.out_of_time(s) for s in (119.0, 120.0)] == [False, True]


def test_a_cosine_follows_the_nearer_of_two_limits() -> None:
    train = TrainConfig(
        schedule="cosine", learning_rate=1.0, warmup_steps=0, max_steps=100, max_minutes=1
    )

    def rate(step: int, elapsed_share: float, total_steps: int | None = 100) -> float:
        return scheduled_rate(step, train, Limits(10, total_steps, 60.0), elapsed_share)

    assert rate(50, 0.0) == rate(50, 0.25) == pytest.approx(0.5)
    assert rate(0, 0.5) == rate(25, 0.5) == pytest.approx(0.5)
    assert rate(1, 1.0) == rate(1, 1.5) == rate(100, 0.0) == 0
    assert rate(10**6, 1 / 3, total_steps=None) == pytest.approx(0.75)


@pytest.mark.parametrize(("step", "epoch"), [(0, 1), (1, 1), (10, 1), (11, 2), (20, 2), (21, 3)])
def test_the_epoch_of_a_step(step: int, epoch: int) -> None:
    assert Limits(10, 100).epoch(step) == epoch
