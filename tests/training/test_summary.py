"""A training step allocates little memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from support import tiny_text, write_config

from charrnn.config.reader import load_config
from charrnn.config.schema import Config
from charrnn.kernels import CELLS
from charrnn.training.reporter import Reporter
from charrnn.training.train import train as train_run

each_cell = pytest.mark.parametrize("cell", CELLS)


def tiny_config(folder: Path, overrides: dict[str, Any] | None = None) -> Config:
    return load_config(write_config(folder, overrides))


class Allocations(Reporter):
    """Traces memory from the third step on; `rises` has the peak of each step, in bytes."""

    def __init__(self) -> None:
        self.rises: list[int] = []
        self._steps = self._start = 0

    def step(self, epoch: int, chars: int, loss_nats: float, seconds: float) -> None:  # noqa: ARG002
        self._steps += 1
        if tracemalloc.is_tracing():
            self.rises.append(tracemalloc.get_traced_memory()[1] - self._start)
        elif self._steps == 3:
            tracemalloc.start()
        if tracemalloc.is_tracing():
            tracemalloc.reset_peak()
            self._start = tracemalloc.get_traced_memory()[0]

    def end(self) -> None:
        tracemalloc.stop()


@each_cell
def test_a_steady_step_allocates_little(cell: str, tmp_path: Path) -> None:
    """Less than 1 MB, while the arrays of the model take more than 20 MB."""
    (tmp_path / "text.txt").write_text(tiny_text(16_000))
    config = tiny_config(
        tmp_path,
        {
            "data.valid_fraction": 0,
            "model.cell": cell,
            "model.num_layers": 2,
            "model.hidden_size": 128,
            "model.dropout": 0.2,
            "train.batch_size": 50,
            "train.seq_length": 50,
            "train.max_steps": 5,
        },
    )
    allocations = Allocations()
    train_run(config, tmp_path / "run", reporter=allocations)
    assert len(allocations.rises) == 2
    assert 0 < max(allocations.rises) < 1_000_000
