"""What a training takes in memory: little for a step, and what was announced in all."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from support import settled, tiny_text, write_config

from charrnn.config.reader import load_config
from charrnn.config.schema import Config
from charrnn.kernels import CELLS
from charrnn.runs.folder import RunFolder
from charrnn.text.corpus import load_corpus
from charrnn.training.reporter import Reporter
from charrnn.training.summary import memory_bytes
from charrnn.training.train import train as train_run
from charrnn.training.trainer import Trainer
from charrnn.workers.group import WorkerGroup
from charrnn.workers.worker import Job

each_cell = pytest.mark.parametrize("cell", CELLS)


def tiny_config(folder: Path, overrides: dict[str, Any] | None = None) -> Config:
    return load_config(write_config(folder, overrides))


class Allocations(Reporter):
    """Traces memory from the third step on: bytes by which each step's peak rose."""

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
    """At 2 x 128 and 50 streams of 50 steps, whose arrays take 20 MB and more: under 1 MB."""
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


def test_the_memory_that_is_announced_is_what_the_arrays_take(tmp_path: Path) -> None:
    overrides = {"model.hidden_size": 32, "train.batch_size": 4, "train.seq_length": 12}
    overrides |= {"model.dropout": 0.1, "model.num_layers": 2}
    config = load_config(write_config(tmp_path, overrides))
    config, corpus = settled(config), load_corpus(config.data)
    group = WorkerGroup(Job(config, len(corpus.vocabulary), corpus.codes, corpus.train_end))
    trainer = Trainer(corpus, RunFolder(tmp_path), Reporter(), group)
    group.train(0)
    vectors = 6  # parameters, gradient, Adam's two slots and two of scratch
    masks = 2 * 12 * 4 * 32 * 4  # layers, T, N, H and bytes
    taken = vectors * trainer.model.parameters.nbytes + trainer.model.workspace_bytes + masks
    assert memory_bytes(trainer) == pytest.approx(taken, rel=0.02)
