"""Optimizers, schedules, clipping and embeddings in a training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import train

from charrnn.kernels import CELLS, Array
from charrnn.kernels.optimizers import OPTIMIZERS, SCHEDULES, scheduled_learning_rate
from charrnn.model.model import Model
from charrnn.model.parameters import initial_parameters
from charrnn.runs.checkpoint import load_checkpoint
from charrnn.runs.metrics import read_metrics

# Of TINY: 540 characters to train on in 2 streams of 269, which is 54 windows of 5.
STEPS_PER_EPOCH = 54

each_cell = pytest.mark.parametrize("cell", CELLS)


def records(run_dir: Path, split: str) -> list[dict[str, Any]]:
    """Return the lines of metrics.jsonl for a split."""
    return [r for r in read_metrics(run_dir / "metrics.jsonl") if r["split"] == split]


# A learning rate for every optimizer.
RATES = {
    "sgd": 0.5,
    "momentum": 0.1,
    "rmsprop": 0.01,
    "adagrad": 0.05,
    "adam": 0.01,
    "adamw": 0.01,
    "cadamw": 0.01,
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_each_optimizer_learns(optimizer: str, tmp_path: Path) -> None:
    run_dir = train(
        tmp_path,
        {
            "train.optimizer": optimizer,
            "train.learning_rate": RATES[optimizer],
            "train.max_steps": 60,
            "train.validate_every": 1000,
        },
    )
    losses = [line["loss_nats"] for line in records(run_dir, "train")]
    assert losses[-1] < losses[0] - 0.1
    assert load_checkpoint(run_dir / "last.npz").optimizer_state.keys() == set(
        OPTIMIZERS[optimizer].state
    )


@pytest.mark.parametrize("decay_every", [4, "epoch"])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_each_schedule_sets_the_learning_rate(
    schedule: str, decay_every: int | str, tmp_path: Path
) -> None:
    own = {
        "schedule": schedule,
        "learning_rate": 0.01,
        "warmup_steps": 3,
        "decay_factor": 0.5,
        "min_learning_rate": 1e-4,
    }
    given = own | {"decay_every": decay_every}
    foreign = {key for used in SCHEDULES.values() for key in used} - set(SCHEDULES[schedule])
    overrides: dict[str, Any] = {
        f"train.{key}": value for key, value in given.items() if key not in foreign
    }
    overrides |= {"train.log_every": 1, "train.max_steps": 60}
    run_dir = train(tmp_path, overrides)
    steps = STEPS_PER_EPOCH if decay_every == "epoch" else decay_every
    assert [line["learning_rate"] for line in records(run_dir, "train")] == [
        scheduled_learning_rate(step, **own, decay_every=steps, total_steps=60)  # type: ignore[arg-type]
        for step in range(60)
    ]


def first_update(folder: Path, overrides: dict[str, Any]) -> tuple[Array, float]:
    """Return the update of one step of sgd at rate 1, and the norm in the metrics."""
    base = {"train.optimizer": "sgd", "train.learning_rate": 1, "train.max_steps": 1}
    run_dir = train(folder, base | overrides | {"train.log_every": 1})
    last = load_checkpoint(run_dir / "last.npz")
    before = initial_parameters(last.config.model, len(last.vocabulary), last.config.seed)
    return last.parameters - before, records(run_dir, "train")[0]["gradient_norm"]


def test_clip_value_bounds_each_element(tmp_path: Path) -> None:
    update, norm = first_update(tmp_path, {"train.clip_value": 1e-3})
    assert np.abs(update).max() == pytest.approx(1e-3, rel=1e-3)
    assert (np.abs(update) < 0.5e-3).any()
    assert norm > np.linalg.norm(update)  # that of the gradient before clipping


def test_clip_norm_bounds_the_whole(tmp_path: Path) -> None:
    update, norm = first_update(tmp_path, {"train.clip_norm": 1e-2})
    assert np.linalg.norm(update) == pytest.approx(1e-2, rel=1e-3)
    assert norm > 1e-2


def test_without_clipping(tmp_path: Path) -> None:
    update, norm = first_update(tmp_path, {"train.clip_norm": None})
    assert norm == pytest.approx(np.linalg.norm(update), rel=1e-3)


@each_cell
def test_an_embedding_is_trained(cell: str, tmp_path: Path) -> None:
    run_dir = train(
        tmp_path,
        {"model.cell": cell, "model.embedding_size": 3, "train.learning_rate": 0.03}
        | {"train.max_steps": 60, "model.num_layers": 2},
    )
    last = load_checkpoint(run_dir / "last.npz")
    V = len(last.vocabulary)
    table = last.model().views["embedding.E"]
    drawn = Model(last.config.model, V, initial_parameters(last.config.model, V, last.config.seed))
    assert table.shape == (V, 3)
    assert (table != drawn.views["embedding.E"]).all()  # every character occurs
    losses = [line["loss_nats"] for line in records(run_dir, "train")]
    assert losses[-1] < losses[0] - 0.3
