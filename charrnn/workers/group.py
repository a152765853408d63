"""A group of workers: who gives them tasks, and where their arrays lie."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from charrnn.errors import CharRNNError
from charrnn.kernels import Array
from charrnn.model.evaluation import Score
from charrnn.workers.worker import Buffers, Job, Task, Worker

_CACHE_LINE = 16  # floats


class WorkerGroup:
    """Worker 0, in this process; alone, or the first of several.

    The arrays are worker 0's buffers. A task is given to every worker; after a training task
    `gradient` is the sum over all of them.
    """

    def __init__(self, job: Job, buffers: Buffers | None = None) -> None:
        self.job = job
        self._buffers = buffers or buffers_in(job, np.zeros(floats_needed(job), np.float32))
        self.worker = Worker(job, 0, self._buffers)

    @property
    def parameters(self) -> Array:
        """(P,), of all workers."""
        return self._buffers.parameters

    @property
    def gradient(self) -> Array:
        """(P,), of the last training task."""
        return self._buffers.gradient

    @property
    def states(self) -> Array:
        """(layers, states of the cell, N, H), with which the next training task begins."""
        return self._buffers.states

    def train(self, step: int) -> float:
        """Write the gradient of a step's window; return its loss in nats, summed."""
        nats: list[float] = self._do(("train", step))
        return sum(nats)

    def carry_states(self) -> None:
        """Let the next training task begin with the states that the last one ended with."""
        self.states[...] = self._buffers.next_states

    def score_windows(self, start: int, end: int) -> Iterator[Score]:
        """Score the characters from `start` to `end` of the text, window by window."""
        index = 0
        while (scores := self._do(("score", start, end, index)))[0] is not None:
            yield sum(scores[1:], scores[0])
            index += 1

    def peak_gflops(self) -> float:
        """Return the rate of large products, of all workers at once, in 1e9 operations/s."""
        rates: list[float] = self._do(("peak_gflops",))
        return sum(rates)

    def close(self) -> None:
        """Let the other workers end."""

    def _do(self, task: Task) -> list[Any]:
        """Give a task to every worker; return the results in their order."""
        return [self.worker.do(task)]


def floats_needed(job: Job, workers: int = 1) -> int:
    """Return the size of the memory that `buffers_in` divides."""
    P, S = _sizes(job)
    return floats_given(job) + S + P * (workers if job.trains else 1)


def floats_given(job: Job) -> int:
    """Return how much of it, at its beginning, is given to the workers: parameters and states."""
    return sum(_sizes(job))


def _sizes(job: Job) -> tuple[int, int]:
    """Return the floats that a vector of parameters and all states take, in whole cache lines."""
    P, S = job.parameter_count, math.prod(job.state_shape)
    return tuple(-(-size // _CACHE_LINE) * _CACHE_LINE for size in (P, S))  # type: ignore[return-value]


def buffers_in(job: Job, memory: Array, rank: int = 0) -> Buffers:
    """Return a worker's buffers in the memory of all.

    A gradient is its own, where there is training to do; the rest is shared.
    """
    P, S = _sizes(job)
    own = P + 2 * S + (rank * P if job.trains else 0)
    places = [(0, P), (P, S), (P + S, S), (own, P)]
    parts = [memory[start : start + size] for start, size in places]
    shape = job.state_shape
    states, next_states = (part[: math.prod(shape)].reshape(shape) for part in parts[1:3])
    parameters, gradient = (parts[i][: job.parameter_count] for i in (0, 3))
    return Buffers(parameters, states, gradient, next_states)


@dataclass(frozen=True)
class Failure:
    """The result of a task that could not be done."""

    message: str


def attempt(call: Callable[[], Any]) -> Any:
    """Return the result of a call, or the failure to be raised where the other workers are."""
    try:
        return call()
    except CharRNNError as error:
        return Failure(error.problem)
    except MemoryError:
        return Failure("not enough memory")
    except Exception as error:
        return Failure(f"{type(error).__name__}: {error}")
