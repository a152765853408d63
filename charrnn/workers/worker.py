"""A worker: the gradient of its streams, and the score of its share of a text."""

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

Task = tuple[Any, ...]  # name of a method of `Worker`, and its arguments


@dataclass(frozen=True)
class Job:
    """What a group of workers works on; the same for all of them."""

    config: Config  # with the number of workers and the backend resolved
    V: int
    codes: Array  # (n,), the whole text; empty in a job that is sent to another process
    train_end: int  # end of the training part; 0 if there is only scoring to do

    @property
    def workers(self) -> int:
        """Number of workers."""
        return int(self.config.train.workers)

    @property
    def trains(self) -> bool:
        """Whether there is training to do, and not only scoring."""
        return self.train_end > 0

    def streams_of(self, rank: int) -> range:
        """Return the streams of the batch that belong to a worker."""
        N = self.config.train.batch_size
        return range(N * rank // self.workers, N * (rank + 1) // self.workers)

    @property
    def parameter_count(self) -> int:
        """P, the number of parameters."""
        return parameter_count(self.config.model, self.V)

    @property
    def state_shape(self) -> tuple[int, ...]:
        """Shape of all states of the batch: (layers, states per layer, N, H)."""
        model = self.config.model
        states = len(CELLS[model.cell].states)
        return model.num_layers, states, self.config.train.batch_size, model.hidden_size


class Buffers(NamedTuple):
    """The arrays of a worker; it keeps no other state between training tasks."""

    parameters: Array  # (P,), read
    states: Array  # `Job.state_shape`, of which its streams are read
    gradient: Array  # (P,), written
    next_states: Array  # `Job.state_shape`, of which its streams are written


class Worker:
    """Does tasks for its streams.

    Args:
        job: what the group works on.
        rank: number of this worker, from 0.
        buffers: arrays to read and write; the results of tasks are small.
    """

    def __init__(self, job: Job, rank: int, buffers: Buffers) -> None:
        self._job = job
        self._rank = rank
        self._mine = job.streams_of(rank)
        self.streams = slice(self._mine.start, self._mine.stop)  # its part of the batch
        self._buffers = buffers
        self.model = Model(
            job.config.model, job.V, buffers.parameters, backend(job.config.train.backend)
        )
        self._gradient = parameter_views(buffers.gradient, self.model.shapes)
        self._mask_generator = MaskGenerator(job.config.model, job.config.seed)
        self._scores: Iterator[Score] = iter(())

    @cached_property
    def _training_streams(self) -> Streams:
        train, codes = self._job.config.train, self._job.codes
        part, fresh = codes[: self._job.train_end], train.streams == "fresh"
        seed = self._job.config.seed if fresh else None
        return Streams(part, train.batch_size, train.seq_length, seed)

    @property
    def windows(self) -> int:
        """Number of training windows in an epoch."""
        return self._training_streams.windows

    def window_length(self, step: int) -> int:
        """Return the length T of a training step's window; the last of an epoch is shorter."""
        return self._training_streams.window_length(step)

    def warm_up(self) -> None:
        """Compile the functions that training and scoring call, or load them from the cache."""
        one = np.zeros((1, 1), np.intp)
        self.model.loss_gradient(one, one, self.model.zero_states(1), self._gradient)

    def do(self, task: Task) -> Any:
        """Do a task; return its result."""
        name, *arguments = task
        return getattr(self, name)(*arguments)

    def train(self, step: int) -> float:
        """Write this worker's share of the gradient and its next states.

        Args:
            step: counted from 0.

        Returns:
            nats: loss summed over the characters of its streams.
        """
        inputs, targets = self._training_streams.window(step, self.streams)  # (T, n) each
        T, N = len(inputs), self._job.config.train.batch_size
        states: States = [tuple(layer[:, self.streams]) for layer in self._buffers.states]
        with np.errstate(over="ignore", invalid="ignore"):  # the trainer checks
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
                next_state[self.streams] = state
        return nats

    def peak_gflops(self) -> float:
        """Return the rate of large float32 matrix products in GFLOP/s; takes 0.4 s or more."""
        side = 1024
        a, b, c = np.random.default_rng(1).random((3, side, side), np.float32)
        start, products = time.perf_counter(), 0
        while (elapsed_s := time.perf_counter() - start) < 0.4 or products < 3:
            np.matmul(a, b, out=c)
            products += 1
        return products * 2 * side**3 / elapsed_s / 1e9

    def score(self, start: int, end: int, index: int) -> Score | None:
        """Score this worker's share of a window of the characters from `start` to `end`.

        Args:
            start, end: part of the text.
            index: number of the window; windows are scored in order, and 0 starts again.

        Returns:
            The score, or None after the last window.
        """
        if index == 0:
            share = (self._rank, self._job.workers)
            self._scores = score_windows(self.model, self._job.codes, start, end, share=share)
        return next(self._scores, None)
