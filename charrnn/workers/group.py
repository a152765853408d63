"""A group of workers: it gives them tasks and owns the arrays that they read and write."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from charrnn.errors import CharRNNError, plural
from charrnn.kernels import Array
from charrnn.kernels.blas import one_blas_thread
from charrnn.model.beam import FoundReply
from charrnn.model.evaluation import WindowScore, joined
from charrnn.system.cores import blas_threads
from charrnn.text.corpus import Corpus
from charrnn.workers.worker import Buffers, Job, Task, Worker

_CACHE_LINE = 16  # floats


class WorkerGroup:
    """A group of one worker, in this process; subclasses add workers in other processes.

    Every worker does each task. After a training task, `gradient` is the sum over all workers.

    Args:
        job: what the workers work on.
        buffers: arrays of worker 0; by default new ones.

    Attributes:
        worker: worker 0, the one in this process.
        parameters: (P,), shared by all workers.
        gradient: (P,), of the last training task.
        states: `Job.state_shape`, the states that the next training task starts from.
    """

    def __init__(self, job: Job, buffers: Buffers | None = None) -> None:
        self.job = job
        self._buffers = buffers or buffers_in(job, np.zeros(floats_needed(job), np.float32))
        self.parameters, self.states, self.gradient, self._next_states = self._buffers
        self.worker = Worker(job, 0, self._buffers)
        self._stack = ExitStack()
        if blas_threads() == 1:
            self._stack.enter_context(one_blas_thread())

    def train(self, step: int) -> float:
        """Write the gradient of a step's window; return its loss, summed over it, in nats."""
        nats: list[float] = self._do(("train", step))
        return sum(nats)

    def carry_states(self) -> None:
        """Make the last training task's final states the initial states of the next one."""
        self.states[...] = self._next_states

    def score_windows(self, start: int, end: int, each: bool = False) -> Iterator[WindowScore]:
        """Yield the score of each window of the part from `start` to `end` of the text.

        Args:
            start, end: of the part.
            each: whether a score has a piece for each line or record.
        """
        index = 0
        while (scores := self._do(("score", start, end, each, index)))[0] is not None:
            yield joined(scores)
            index += 1

    @property
    def validated(self) -> tuple[int, str]:
        """How much a validation scores: a number, and what it counts in the plural."""
        corpus, some = self.job.corpus, self.job.validation
        part = corpus.split("valid")
        scored = corpus.scored(*part) if some is None else some.scored(*some.everything)
        return scored, plural(corpus.vocabulary.tokens)

    def validate(self) -> Iterator[WindowScore]:
        """Yield the score of each window of a validation: of the part, or of stretches of it."""
        if self.job.validation is None:
            yield from self.score_windows(*self.job.corpus.split("valid"))
            return
        index = 0
        while (scores := self._do(("validate", index)))[0] is not None:
            yield joined(scores)
            index += 1

    def read(self, corpus: Corpus) -> None:
        """Take other records for the tasks that follow; their vocabulary is the same."""
        if corpus is not self.job.corpus:
            self._do(("read", corpus))
            self.job = replace(self.job, corpus=corpus)

    def predict(self, start: int, end: int) -> Iterator[Array]:
        """Yield log-probabilities (n, labels) for some of the records after others.

        Args:
            start, end: their ranks.
        """
        index = 0
        while (shares := self._do(("predict", start, end, index)))[0] is not None:
            yield np.concatenate(shares)
            index += 1

    def find(self, start: int, end: int) -> Iterator[list[list[FoundReply]]]:
        """Yield the likeliest replies to some of the records after others; see `predict`."""
        index = 0
        while (shares := self._do(("find", start, end, index)))[0] is not None:
            yield [replies for share in shares for replies in share]
            index += 1

    def peak_gflops(self) -> float:
        """Return the rate of large matrix products on all workers at once, in GFLOP/s."""
        rates: list[float] = self._do(("peak_gflops",))
        return sum(rates)

    def close(self) -> None:
        """End the other workers, and restore the number of BLAS threads."""
        self._stack.close()

    def _do(self, task: Task) -> list[Any]:
        """Give a task to every worker; return their results in the order of the ranks."""
        return [self.worker.do(task)]


def floats_needed(job: Job, workers: int = 1) -> int:
    """Return the size of the memory, in floats, that `buffers_in` divides for some workers."""
    P, S = _padded_sizes(job)
    return P + 2 * S + P * (workers if job.trains else 1)


def _padded_sizes(job: Job) -> tuple[int, int]:
    """Return the floats of a parameter vector and of all states, in whole cache lines."""
    P, S = job.parameter_count, math.prod(job.state_shape)
    return tuple(-(-size // _CACHE_LINE) * _CACHE_LINE for size in (P, S))  # type: ignore[return-value]


def buffers_in(job: Job, memory: Array, rank: int = 0) -> Buffers:
    """Return the buffers of a worker, as views of the memory that all workers share.

    Each worker has its own gradient if there is training to do; the rest is the same for all.
    """
    P, S = _padded_sizes(job)
    own = P + 2 * S + (rank * P if job.trains else 0)
    places = [(0, P), (P, S), (P + S, S), (own, P)]
    parts = [memory[start : start + size] for start, size in places]
    shape = job.state_shape
    states, next_states = (part[: math.prod(shape)].reshape(shape) for part in parts[1:3])
    parameters, gradient = (parts[i][: job.parameter_count] for i in (0, 3))
    return Buffers(parameters, states, gradient, next_states)


@dataclass(frozen=True)
class Failure:
    """The result of a call that raised an exception."""

    message: str


def attempt(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return the result of a call, or a `Failure` to be sent to the worker that reports it."""
    try:
        return function(*arguments)
    except CharRNNError as error:
        return Failure(error.problem)
    except MemoryError:
        return Failure("not enough memory")
    except Exception as error:
        return Failure(f"{type(error).__name__}: {error}")
