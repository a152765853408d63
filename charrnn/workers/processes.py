"""Workers in processes of this machine."""

from __future__ import annotations

import gc
import math
import mmap
import multiprocessing
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from multiprocessing import resource_tracker, spawn
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from charrnn.errors import RunError, WorkerError, counted
from charrnn.kernels import Array
from charrnn.kernels.blas import one_blas_thread
from charrnn.system.cores import blas_threads
from charrnn.system.locks import ForkSafeLock
from charrnn.system.signals import SIGNALS
from charrnn.workers.group import Failure, WorkerGroup, attempt, buffers_in, floats_needed
from charrnn.workers.worker import Job, Task, Worker

_PATIENCE_S = 5.0  # wait for a worker to end
_prepared_lock = ForkSafeLock()


class ProcessGroup(WorkerGroup):
    """Workers in processes of this machine, with parameters, states and gradients in shared memory.

    Each worker waits for tasks at its end of a pipe. It ends when this process closes the other end
    or is killed. The shared memory has no name, so it ends with the processes.

    Args:
        job: what the workers work on.
        method: how processes are started, "fork" or "spawn"; by default `start_method()`.

    Raises:
        RunError: if a process cannot be started.
    """

    def __init__(self, job: Job, method: str | None = None) -> None:
        self._pipes: list[Connection] = []
        self._processes: list[Any] = []
        self._lost = False
        method = method or start_method()
        context: Any = multiprocessing.get_context(method)
        try:
            raw = _shared_memory(4 * floats_needed(job, job.workers), context)
        except OSError as error:
            raise _cannot_start(job, error) from None
        memory = np.frombuffer(raw, np.float32)
        super().__init__(job, buffers_in(job, memory))
        try:
            ranks = range(1, job.workers)
            self._gradients = [buffers_in(job, memory, rank).gradient for rank in ranks]
            if method == "fork":
                self.worker.warm_up()  # the forked processes inherit what it compiles
                if not gc.get_freeze_count():  # or the objects that the host has frozen would thaw
                    self._stack.callback(gc.unfreeze)
                    gc.freeze()  # the collector's marks would copy pages that a fork shares
            arrays: dict[str, Any] = job.corpus.arrays
            if method != "fork":
                arrays = {name: _shared(array, context) for name, array in arrays.items()}
            for rank in ranks:
                self._start(context, rank, arrays, raw)
        except OSError as error:
            self.close()
            raise _cannot_start(job, error) from None
        except BaseException:
            self.close()
            raise

    def _start(self, context: Any, rank: int, arrays: dict[str, Any], raw: Any) -> None:
        here, there = context.Pipe()
        self._pipes.append(here)
        # A forked process inherits the ends of this one, and has to close them.
        inherited = [*self._pipes] if context.get_start_method() == "fork" else []
        process = start_process(
            context,
            _serve,
            (self.job.with_arrays(), arrays, rank, raw, there, inherited),
            f"charrnn worker {rank + 1}",
        )
        there.close()
        self._processes.append(process)

    def _do(self, task: Task) -> list[Any]:
        for rank in range(1, self.job.workers):
            self._exchange(rank, lambda pipe: pipe.send(task))
        results = [attempt(self.worker.do, task)]
        for rank in range(1, self.job.workers):
            results.append(self._exchange(rank, lambda pipe: pipe.recv()))
        for rank, result in enumerate(results):
            if isinstance(result, Failure):
                raise WorkerError(f"worker {rank + 1} of {self.job.workers}: {result.message}")
        if task[0] == "train":
            for gradient in self._gradients:
                np.add(self.gradient, gradient, out=self.gradient)
        return results

    def _exchange(self, rank: int, act: Callable[[Connection], Any]) -> Any:
        """Send to a worker or receive from it.

        Raises:
            WorkerError: if the process of the worker has ended.
        """
        try:
            return act(self._pipes[rank - 1])
        except (EOFError, OSError):
            pass
        self._lost = True
        process = self._processes[rank - 1]
        process.join(_PATIENCE_S)
        code = process.exitcode
        how = f"was killed by signal {-code}" if code is not None and code < 0 else "has ended"
        raise WorkerError(f"worker {rank + 1} of {self.job.workers} (process {process.pid}) {how}")

    def close(self) -> None:
        for pipe in self._pipes:
            pipe.close()
        end = time.monotonic() + (0 if self._lost else _PATIENCE_S)
        try:
            for process in self._processes:
                process.join(max(0.0, end - time.monotonic()))
        finally:
            for process in self._processes:
                process.kill()
                process.join()
                process.close()
        self._pipes, self._processes = [], []
        self._stack.close()


def _cannot_start(job: Job, error: OSError) -> RunError:
    return RunError(
        f"{counted(job.workers, 'worker process')} cannot be started: {error.strerror}; "
        "a run with train.workers 1 needs none"
    )


def start_group(job: Job) -> WorkerGroup:
    """Start the workers of a job on this machine."""
    return WorkerGroup(job) if job.workers == 1 else ProcessGroup(job)


def start_method() -> str:
    """Return how to start worker processes: "fork" where that is safe, else "spawn".

    A fork is quick, as the new process shares what this one has imported and compiled. It is not
    safe beside other threads: they do not survive it, and their locks stay locked.
    """
    alone = threading.active_count() == 1
    return "fork" if sys.platform == "linux" and alone else "spawn"


def start_process(
    context: Any, target: Callable[..., None], arguments: tuple[Any, ...], name: str
) -> Any:
    """Start a process that calls a function, which begins with `ignore_signals`; return it.

    Raises:
        OSError: it cannot be started.
    """
    spawns = context.get_start_method() == "spawn"
    if spawns and sys.platform != "win32":
        resource_tracker.ensure_running()  # starting it later would unblock the signals
    process = context.Process(target=target, args=arguments, name=name, daemon=True)
    with _signals_blocked(), _nothing_to_import() if spawns else nullcontext():
        process.start()
    return process


def ignore_signals() -> None:
    """Ignore signals in a new process: the first process handles them and ends the others."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _shared_memory(size: int, context: Any) -> Any:
    """Return a number of zero bytes that this process shares with those it starts.

    The memory has no name: a forked process inherits it, a spawned one receives it as an argument.
    """
    if context.get_start_method() == "fork":
        return mmap.mmap(-1, size)
    return context.RawArray("B", size)


def _shared(array: Array, context: Any) -> tuple[Any, ...]:
    """Return a description of an array, from which a spawned process opens it without a copy."""
    if isinstance(array, np.memmap):
        return str(array.filename), array.dtype.str, array.offset, array.shape
    raw = context.RawArray("B", max(1, array.nbytes))
    np.frombuffer(raw, array.dtype, array.size).reshape(array.shape)[...] = array
    return raw, array.dtype.str, 0, array.shape


def _opened(description: Any) -> Array:
    """Return the array that `_shared` describes."""
    if isinstance(description, np.ndarray):  # a forked process inherits it
        return description
    where, dtype, offset, shape = description
    if isinstance(where, str):
        return np.memmap(where, dtype, "r", offset, shape)
    array: Array = np.frombuffer(where, dtype, math.prod(shape)).reshape(shape)
    return array


def _serve(
    job: Job,
    arrays: dict[str, Any],
    rank: int,
    raw: Any,
    pipe: Connection,
    inherited: list[Connection],
) -> None:
    """Do the tasks that come through the pipe until it is closed; runs in the new process."""
    ignore_signals()
    for end in inherited:
        end.close()  # an open copy would keep the pipe open after the first process has ended
    with one_blas_thread() if blas_threads() == 1 else nullcontext():
        worker = attempt(_new_worker, job, arrays, rank, raw)
        while True:
            try:
                task = pipe.recv()
                failed = isinstance(worker, Failure)
                pipe.send(worker if failed else attempt(worker.do, task))
            except (EOFError, OSError):
                return  # the other end is closed


def _new_worker(job: Job, arrays: dict[str, Any], rank: int, raw: Any) -> Worker:
    whole = job.with_arrays({name: _opened(array) for name, array in arrays.items()})
    return Worker(whole, rank, buffers_in(whole, np.frombuffer(raw, np.float32), rank))


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Block signals while a process starts; the new one unblocks them once it ignores them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _nothing_to_import() -> Iterator[None]:
    """Keep a process that this thread spawns from importing the user's script, which it can spare.

    Processes that other threads spawn meanwhile are prepared as always.
    """
    with _prepared_lock:  # or a thread would save and restore the function of another
        prepare, here = spawn.get_preparation_data, threading.get_ident()

        def without_main(name: str) -> dict[str, Any]:
            data = prepare(name)
            if threading.get_ident() == here:
                data = {key: value for key, value in data.items() if "main" not in key}
            return data

        try:
            spawn.get_preparation_data = without_main
            yield
        finally:
            spawn.get_preparation_data = prepare
