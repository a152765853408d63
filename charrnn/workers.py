"""Workers side by side: a team that knows only tasks and the sum of their gradients."""

from __future__ import annotations

import gc
import math
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from charrnn.config import Config
from charrnn.errors import CharRNNError, RunError
from charrnn.evaluation import Score
from charrnn.kernels import Array
from charrnn.kernels.blas import one_blas_thread
from charrnn.worker import Buffers, Job, Task, Worker

_CACHE_LINE = 16  # floats
_OPERATIONS_PER_S = 1e11  # of one core, about
_MIN_WORK_S = 5e-4  # of a window for each worker
_MIN_STREAMS = 8  # for each worker
_PATIENCE_S = 5.0  # with a worker that is to end
_NO_TEXT = np.empty(0, np.uint8)
# What a worker leaves to the process that the user started.
SIGNALS = [getattr(signal, s) for s in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, s)]


class Team:
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


def floats_needed(job: Job, gradients: int = 1) -> int:
    """Return the size of the memory that `buffers_in` divides."""
    P, S = _sizes(job)
    return (1 + gradients) * P + 2 * S


def _sizes(job: Job) -> tuple[int, int]:
    """Return the floats that a vector of parameters and all states take, in whole cache lines."""
    P, S = job.parameter_count, math.prod(job.state_shape)
    return tuple(-(-size // _CACHE_LINE) * _CACHE_LINE for size in (P, S))  # type: ignore[return-value]


def buffers_in(job: Job, memory: Array, rank: int = 0) -> Buffers:
    """Return a worker's buffers in the memory of all: a gradient of its own, the rest shared."""
    P, S = _sizes(job)
    places = [(0, P), (P, S), (P + S, S), (P + 2 * S + rank * P, P)]
    parts = [memory[start : start + size] for start, size in places]
    shape = job.state_shape
    states, next_states = (part[: math.prod(shape)].reshape(shape) for part in parts[1:3])
    parameters, gradient = (parts[i][: job.parameter_count] for i in (0, 3))
    return Buffers(parameters, states, gradient, next_states)


@dataclass(frozen=True)
class Failure:
    """The result of a task that could not be done."""

    message: str


def attempt(worker: Worker, task: Task) -> Any:
    """Do a task; return its result, or what kept it from being done."""
    try:
        return worker.do(task)
    except CharRNNError as error:
        return Failure(str(error))
    except MemoryError:
        return Failure("not enough memory")
    except Exception as error:  # whatever it is, it is told where the others are
        return Failure(f"{type(error).__name__}: {error}")


class ProcessTeam(Team):
    """Workers in processes of this machine, with parameters, states and gradients in shared memory.

    Each waits at its end of a pipe for a task, and ends when the other end is closed, also because
    this process was killed. The shared memory has no name, so that nothing of it is left behind.

    Args:
        job: what to work on.
        method: how processes are started, "fork" or "spawn"; see `start_method`.
    """

    def __init__(self, job: Job, method: str | None = None) -> None:
        self._pipes: list[Connection] = []
        self._processes: list[Any] = []
        self._stack = ExitStack()
        if _blas_threads() == 1:
            self._stack.enter_context(one_blas_thread())
        method = method or start_method()
        context: Any = multiprocessing.get_context(method)
        raw = context.RawArray("f", floats_needed(job, job.size) + _CACHE_LINE)
        memory = _aligned(raw)
        super().__init__(job, buffers_in(job, memory))
        self._gradients = [buffers_in(job, memory, rank).gradient for rank in range(1, job.size)]
        text: Any = job.codes if method == "fork" else _shared_text(job.codes, context)
        if method == "fork":
            self.worker.warm_up()  # so that the others find it done
            self._stack.callback(gc.unfreeze)
            gc.freeze()  # or the collector's marks would copy the pages that a fork shares
        try:
            for rank in range(1, job.size):
                here, there = context.Pipe()
                self._pipes.append(here)
                inherited = [*self._pipes] if method == "fork" else []
                arguments = (replace(job, codes=_NO_TEXT), text, rank, raw, there, inherited)
                process = context.Process(
                    target=_serve, args=arguments, name=f"charrnn worker {rank + 1}", daemon=True
                )
                with _signals_blocked():
                    process.start()
                there.close()
                self._processes.append(process)
        except OSError as error:
            self.close()
            raise RunError(
                f"a worker process cannot be started: {error.strerror}; fewer train.workers take "
                "fewer processes"
            ) from None

    def _do(self, task: Task) -> list[Any]:
        for rank in range(1, self.job.size):
            self._exchange(rank, lambda pipe: pipe.send(task))
        results = [self.worker.do(task)]
        for rank in range(1, self.job.size):
            results.append(self._exchange(rank, lambda pipe: pipe.recv()))
        for rank, result in enumerate(results):
            if isinstance(result, Failure):
                raise RunError(f"worker {rank + 1} of {self.job.size}: {result.message}")
        if task[0] == "train":
            for gradient in self._gradients:
                np.add(self.gradient, gradient, out=self.gradient)
        return results

    def _exchange(self, rank: int, act: Callable[[Connection], Any]) -> Any:
        """Send to a worker or receive from it; say so if it is gone."""
        try:
            return act(self._pipes[rank - 1])
        except (EOFError, OSError):
            pass
        process = self._processes[rank - 1]
        process.join(_PATIENCE_S)
        code = process.exitcode
        how = f"was killed by signal {-code}" if code is not None and code < 0 else "has ended"
        raise RunError(
            f"worker {rank + 1} of {self.job.size} (process {process.pid}) {how}; what was saved "
            "last is whole, and --resume goes on from it"
        )

    def close(self) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(_PATIENCE_S)
            if process.exitcode is None:
                process.kill()
                process.join()
            process.close()
        self._pipes, self._processes = [], []
        self._stack.close()


def new_team(job: Job) -> Team:
    """Return the workers of a job, on this machine."""
    return Team(job) if job.size == 1 else ProcessTeam(job)


def start_method() -> str:
    """Return how worker processes are best started: a fork where that is quick and safe.

    A forked process shares with this one all that has been imported and compiled. Other threads
    would not survive a fork, and what they had locked would stay locked.
    """
    alone = threading.active_count() == 1
    return "fork" if sys.platform == "linux" and alone else "spawn"


def _aligned(raw: Any) -> Array:
    """Return the shared floats as an array that begins at a cache line."""
    array = np.frombuffer(raw, np.float32)
    return array[-array.ctypes.data // array.itemsize % _CACHE_LINE :]


def _shared_text(codes: Array, context: Any) -> tuple[Any, ...]:
    """Return what a spawned process needs to have the text without a copy of its own."""
    if isinstance(codes, np.memmap):
        return str(codes.filename), codes.dtype.str, codes.offset, len(codes)
    raw = context.RawArray("B", max(1, codes.nbytes))
    np.frombuffer(raw, codes.dtype, len(codes))[...] = codes
    return raw, codes.dtype.str, 0, len(codes)


def _opened_text(text: Any) -> Array:
    """Return the text that `_shared_text` has described."""
    if isinstance(text, np.ndarray):  # forked: it is just there
        return text
    where, dtype, offset, length = text
    if isinstance(where, str):
        return np.memmap(where, dtype, "r", offset, (length,))
    return np.frombuffer(where, dtype, length)


def _serve(
    job: Job, text: Any, rank: int, raw: Any, pipe: Connection, inherited: list[Connection]
) -> None:
    """Be a worker: do the tasks that come through the pipe until it is closed."""
    for number in SIGNALS:  # they are for the first process, which sees to the others
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    for end in inherited:
        end.close()  # or the pipes would not close with the process whose ends these are
    whole = replace(job, codes=_opened_text(text))
    with one_blas_thread() if _blas_threads() == 1 else nullcontext():
        worker: Worker | None = None
        while True:
            try:
                task = pipe.recv()
                worker = worker or Worker(whole, rank, buffers_in(whole, _aligned(raw), rank))
                pipe.send(attempt(worker, task))
            except (EOFError, OSError):
                return  # nobody is at the other end any more


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Keep signals waiting, for a new process too, until it has said what to do with them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def free_cores() -> int:
    """Return how many workers this process may start: its cores, by the threads of a product."""
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    return max(1, cores // _blas_threads())


def automatic_workers(config: Config, V: int) -> int:
    """Return how many workers are best: one for each core, as far as there is work for them.

    A task costs about a tenth of a millisecond beside the work itself, and a product of only a few
    rows is slow. BLAS threads that the user has asked for count as cores that are taken.
    """
    train = config.train
    job = Job(config, V, _NO_TEXT, 0)
    window_s = 6 * job.parameter_count * train.batch_size * train.seq_length / _OPERATIONS_PER_S
    return max(1, min(free_cores(), train.batch_size // _MIN_STREAMS, int(window_s / _MIN_WORK_S)))


def _blas_threads() -> int:
    """Return the threads that a product is allowed by the environment, 1 unless it says more."""
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        value = os.environ.get(name, "")
        if value.isdigit() and int(value):
            return int(value)
    return 1
