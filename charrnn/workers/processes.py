"""Workers in processes of this machine."""

from __future__ import annotations

import gc
import mmap
import multiprocessing
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any

import numpy as np

from charrnn.errors import RunError, WorkerError
from charrnn.kernels import Array
from charrnn.kernels.blas import one_blas_thread
from charrnn.system.cores import blas_threads
from charrnn.system.signals import SIGNALS
from charrnn.workers.group import Failure, WorkerGroup, attempt, buffers_in, floats_needed
from charrnn.workers.worker import Job, Task, Worker

_PATIENCE_S = 5.0  # with a worker that is to end


class ProcessGroup(WorkerGroup):
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
        self._lost = False
        self._stack = ExitStack()
        method = method or start_method()
        context: Any = multiprocessing.get_context(method)
        try:
            if blas_threads() == 1:
                self._stack.enter_context(one_blas_thread())
            raw = _shared_memory(4 * floats_needed(job, job.size), context)
            memory = np.frombuffer(raw, np.float32)
            super().__init__(job, buffers_in(job, memory))
            ranks = range(1, job.size)
            self._gradients = [buffers_in(job, memory, rank).gradient for rank in ranks]
            if method == "fork":
                self.worker.warm_up()  # so that the others find it done
                self._stack.callback(gc.unfreeze)
                gc.freeze()  # or the collector's marks would copy the pages that a fork shares
            text = job.codes if method == "fork" else _shared_text(job.codes, context)
            for rank in ranks:
                self._start(context, rank, text, raw)
        except OSError as error:
            self.close()
            raise RunError(
                f"{job.size} worker processes cannot be started: {error.strerror}; train.workers 1 "
                "needs none"
            ) from None
        except BaseException:
            self.close()
            raise

    def _start(self, context: Any, rank: int, text: Any, raw: Any) -> None:
        here, there = context.Pipe()
        self._pipes.append(here)
        # A fork inherits this process's ends; it is told of them, to close them.
        inherited = [*self._pipes] if context.get_start_method() == "fork" else []
        job = replace(self.job, codes=self.job.codes[:0])
        process = context.Process(
            target=_serve,
            args=(job, text, rank, raw, there, inherited),
            name=f"charrnn worker {rank + 1}",
            daemon=True,
        )
        if context.get_start_method() == "spawn" and sys.platform != "win32":
            resource_tracker.ensure_running()  # when it is started later, it lets signals through
        with _signals_blocked(), _nothing_to_import():
            process.start()
        there.close()
        self._processes.append(process)

    def _do(self, task: Task) -> list[Any]:
        for rank in range(1, self.job.size):
            self._exchange(rank, lambda pipe: pipe.send(task))
        results = [attempt(lambda: self.worker.do(task))]
        for rank in range(1, self.job.size):
            results.append(self._exchange(rank, lambda pipe: pipe.recv()))
        for rank, result in enumerate(results):
            if isinstance(result, Failure):
                raise WorkerError(f"worker {rank + 1} of {self.job.size}: {result.message}")
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
        self._lost = True
        process = self._processes[rank - 1]
        process.join(_PATIENCE_S)
        code = process.exitcode
        how = f"was killed by signal {-code}" if code is not None and code < 0 else "has ended"
        raise WorkerError(f"worker {rank + 1} of {self.job.size} (process {process.pid}) {how}")

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


def start_group(job: Job) -> WorkerGroup:
    """Return the workers of a job, on this machine."""
    return WorkerGroup(job) if job.size == 1 else ProcessGroup(job)


def start_method() -> str:
    """Return how worker processes are best started: a fork where that is quick and safe.

    A forked process shares with this one all that has been imported and compiled. Other threads
    would not survive a fork, and what they had locked would stay locked.
    """
    alone = threading.active_count() == 1
    return "fork" if sys.platform == "linux" and alone else "spawn"


def _shared_memory(size: int, context: Any) -> Any:
    """Return so many bytes, all zero, that this process and those it starts share.

    They have no name. A fork inherits them; to a spawned process they are passed.
    """
    if context.get_start_method() == "fork":
        return mmap.mmap(-1, size)
    return context.RawArray("B", size)


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
    with one_blas_thread() if blas_threads() == 1 else nullcontext():
        worker = attempt(lambda: _new_worker(job, text, rank, raw))
        while True:
            try:
                task = pipe.recv()
                failed = isinstance(worker, Failure)
                pipe.send(worker if failed else attempt(partial(worker.do, task)))
            except (EOFError, OSError):
                return  # nobody is at the other end any more


def _new_worker(job: Job, text: Any, rank: int, raw: Any) -> Worker:
    whole = replace(job, codes=_opened_text(text))
    return Worker(whole, rank, buffers_in(whole, np.frombuffer(raw, np.float32), rank))


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


@contextmanager
def _nothing_to_import() -> Iterator[None]:
    """Keep a spawned process from running the user's script again, of which it needs nothing."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
