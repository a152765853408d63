"""One worker: its streams of each training window, its share of a text to score."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from charrnn.backends.backend import backend
from charrnn.config.schema import Config
from charrnn.kernels import CELLS, Array
from charrnn.model.dropout_masks import MaskGenerator
from charrnn.model.evaluation import Score, score_windows
from charrnn.model.model import Model, States
from charrnn.model.parameters import parameter_count, parameter_views
from charrnn.text.streams import Streams

Task = tuple[Any, ...]  # the name of a method of `Worker`, and its arguments


@dataclass(frozen=True)
class Job:
    """What workers work on together: the same for each of them."""

    config: Config  # with the number of workers and the backend resolved
    V: int
    codes: Array  # (n,), the whole text; empty while it is on its way to another process
    train_end: int  # where the training part ends; 0: there is only scoring to do

    @property
    def size(self) -> int:
        """How many workers there are."""
        return int(self.config.train.workers)

    @property
    def trains(self) -> bool:
        """Whether there is training to do."""
        return self.train_end > 0

    def streams_of(self, rank: int) -> range:
        """Return which of the batch's streams are a worker's."""
        N = self.config.train.batch_size
        return range(N * rank // self.size, N * (rank + 1) // self.size)

    @property
    def parameter_count(self) -> int:
        """P."""
        return parameter_count(self.config.model, self.V)

    @property
    def state_shape(self) -> tuple[int, ...]:
        """Shape of all states of the batch: (layers, states of the cell, N, H)."""
        model = self.config.model
        states = len(CELLS[model.cell].states)
        return model.num_layers, states, self.config.train.batch_size, model.hidden_size


class Buffers(NamedTuple):
    """What a worker reads and writes; between training tasks it keeps nothing else."""

    parameters: Array  # (P,), read
    states: Array  # `Job.state_shape`, of which it reads its streams
    gradient: Array  # (P,), written: its own
    next_states: Array  # `Job.state_shape`, of which it writes its streams


class Worker:
    """Does the tasks; the result of each is small, and the gradient lies in the buffers."""

    def __init__(self, job: Job, rank: int, buffers: Buffers) -> None:
        self._job = job
        self._rank = rank
        self._mine = job.streams_of(rank)
        self._buffers = buffers
        self.model = Model(
            job.config.model, job.V, buffers.parameters, backend(job.config.train.backend)
        )
        self._gradient = parameter_views(buffers.gradient, self.model.shapes)
        self._mask_generator = MaskGenerator(job.config.model, job.config.seed)
        self._scores: Iterator[Score] = iter(())

    @cached_property
    def _streams(self) -> Streams:
        train, codes = self._job.config.train, self._job.codes
        part, fresh = codes[: self._job.train_end], train.streams == "fresh"
        seed = self._job.config.seed if fresh else None
        return Streams(part, train.batch_size, train.seq_length, seed)

    @property
    def windows(self) -> int:
        """Training windows in an epoch."""
        return self._streams.windows

    def window_length(self, step: int) -> int:
        """Return the characters that a training step reads of each stream."""
        return self._streams.window_length(step)

    def warm_up(self) -> None:
        """Compile what training and scoring call, or read it from where it is kept."""
        one = np.zeros((1, 1), np.intp)
        self.model.loss_gradient(one, one, self.model.zero_states(1), self._gradient)

    def do(self, task: Task) -> Any:
        """Do a task; return its result."""
        name, *arguments = task
        return getattr(self, name)(*arguments)

    def train(self, step: int) -> float:
        """Write the gradient of a step's window, as far as it comes from this worker's streams.

        Args:
            step: counted from 0.

        Returns:
            nats: the loss, summed over its characters.
        """
        mine = slice(self._mine.start, self._mine.stop)
        inputs, targets = self._streams.window(step, mine)  # (T, n) each
        T, N = len(inputs), self._job.config.train.batch_size
        states: States = [tuple(layer[:, mine]) for layer in self._buffers.states]
        with np.errstate(over="ignore", invalid="ignore"):  # the trainer looks for them
            nats, states = self.model.loss_gradient(
                inputs,
                targets,
                states,
                self._gradient,
                self._mask_generator.masks(step, T, self._mine),
                1 / (T * N),
            )
        for next_layer, layer in zip(self._buffers.next_states, states, strict=True):
            for next_state, state in zip(next_layer, layer, strict=True):
                next_state[mine] = state
        return nats

    def peak_gflops(self) -> float:
        """Return the rate of large float32 products, in 1e9 operations/s; it takes a while."""
        side = 1024
        a, b, c = np.random.default_rng(1).random((3, side, side), np.float32)
        start, products = time.perf_counter(), 0
        while (elapsed_s := time.perf_counter() - start) < 0.4 or products < 3:
            np.matmul(a, b, out=c)
            products += 1
        return products * 2 * side**3 / elapsed_s / 1e9

    def score(self, start: int, end: int, index: int) -> Score | None:
        """Score this worker's share of a window of the text from `start` to `end`.

        Windows are scored in order; index 0 begins anew.

        Returns:
            The share's score, or None when there are no more windows.
        """
        if index == 0:
            share = (self._rank, self._job.size)
            self._scores = score_windows(self.model, self._job.codes, start, end, share=share)
        return next(self._scores, None)
