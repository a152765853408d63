"""Writing many records on all cores."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

from charrnn.backends.backend import backend, resolve_backend
from charrnn.errors import WorkerError
from charrnn.kernels.blas import one_blas_thread
from charrnn.model.model import Model
from charrnn.model.record_sampling import RecordSampler, SampledRecord, in_order
from charrnn.system.cores import blas_threads, free_cores
from charrnn.workers.group import Failure, attempt
from charrnn.workers.processes import ignore_signals, start_method, start_process

_OPERATIONS_PER_S = 3e10  # of one core, about
_TOKEN_S = 3e-6  # of a small model, about
_MIN_WORK_S = {"fork": 0.1, "spawn": 2.0}  # per process; starting one takes longer for less
_MIN_COMPILED_S = 10.0  # of work; for less, importing Numba takes longer than it saves
_SEND_EVERY_S = 0.02
_MOST_AHEAD = 1 << 14  # attempts that a process may be ahead of the others


def workers_for(sampler: RecordSampler, n: int) -> int:
    """Return the number of processes that write about n records: one for each core, or fewer."""
    if multiprocessing.current_process().daemon:  # it cannot start others
        return 1
    return max(1, min(free_cores(), int(_work_s(sampler, n) / _MIN_WORK_S[start_method()])))


def compiled_for(sampler: RecordSampler, n: int) -> RecordSampler:
    """Return a sampler with compiled gates if n records take long enough, else the same one."""
    if _work_s(sampler, n) < _MIN_COMPILED_S:
        return sampler
    model, functions = sampler.model, backend(resolve_backend("auto"))
    compiled = Model(model.config, model.V, model.parameters, functions, model.F)
    return replace(sampler, model=compiled)


def _work_s(sampler: RecordSampler, n: int) -> float:
    """Return the seconds in which one process writes n records, about.

    The mean length of records is taken for a third of the longest one's: they are not written yet.
    """
    token_s = max(_TOKEN_S, 2 * sampler.model.parameters.size / _OPERATIONS_PER_S)
    return n * (1 + sampler.length / 6) * token_s


@contextmanager
def attempts_by_workers(
    sampler: RecordSampler, workers: int
) -> Iterator[Iterator[list[SampledRecord]]]:
    """Write records in this process and others, which end with the context.

    Worker r of K makes every K-th attempt from r on, so that who makes which does not depend on
    their speed. The others are ahead of this process by what a pipe holds, at most.

    Args:
        sampler: makes the attempts.
        workers: K, the number of processes.

    Yields:
        All attempts in order, as `RecordSampler.attempts` does.

    Raises:
        WorkerError: a process cannot be started, has failed or has ended.
    """
    pipes: list[Connection] = []
    processes: list[Any] = []
    try:
        for rank in range(1, workers):
            _start((sampler, rank, workers), pipes, processes)
        with one_blas_thread() if blas_threads() == 1 else nullcontext():
            yield in_order(_all_shares(sampler.attempts(0, workers), pipes))
    finally:
        for pipe in pipes:
            pipe.close()
        for process in processes:
            process.kill()  # it has nothing to lose
            process.join()
            process.close()


def _start(
    share: tuple[RecordSampler, int, int], pipes: list[Connection], processes: list[Any]
) -> None:
    """Start a process that makes a share of the attempts."""
    method = start_method()
    context: Any = multiprocessing.get_context(method)
    try:
        here, there = context.Pipe(duplex=False)
        pipes.append(here)
        inherited = [*pipes] if method == "fork" else []
        name = f"charrnn sampler {share[1] + 1}"
        processes.append(start_process(context, _write, (*share, there, inherited), name))
    except OSError as error:
        raise WorkerError(f"a process cannot be started: {error.strerror}") from None
    there.close()


def _all_shares(
    own: Iterator[list[SampledRecord]], pipes: Sequence[Connection]
) -> Iterator[list[SampledRecord]]:
    """Yield the attempts of this process and of those behind pipes, about in the order of k.

    While this process waits for another one, it makes attempts of its own.
    """
    made = [*range(1 + len(pipes))]  # the next attempt of each worker
    while True:
        rank = made.index(min(made))
        if rank and (made[0] - made[rank] > _MOST_AHEAD or pipes[rank - 1].poll()):
            some = _received(pipes[rank - 1])
        else:
            rank, some = 0, next(own)
        made[rank] += len(some) * len(made)
        yield some


def _received(pipe: Connection) -> list[SampledRecord]:
    try:
        some: list[SampledRecord] | Failure = pipe.recv()
    except (EOFError, OSError):
        raise WorkerError("a process that writes records has ended") from None
    if isinstance(some, Failure):
        raise WorkerError(f"a process that writes records has failed: {some.message}")
    return some


def _write(
    sampler: RecordSampler, rank: int, workers: int, pipe: Connection, inherited: list[Connection]
) -> None:
    """Make a worker's attempts until the other end of its pipe is closed; runs in a new process."""
    ignore_signals()
    for end in inherited:
        end.close()  # an open copy would keep the pipe open after the first process has ended
    with closing(pipe), one_blas_thread() if blas_threads() == 1 else nullcontext():
        failure = attempt(_send, sampler.attempts(rank, workers), pipe)
        try:
            pipe.send(failure)
        except OSError:
            return


def _send(attempts: Iterator[list[SampledRecord]], pipe: Connection) -> None:
    """Send attempts now and then: sending each list as it comes takes time."""
    some: list[SampledRecord] = []
    sent_s = time.monotonic()
    for more in attempts:
        some += more
        if time.monotonic() - sent_s > _SEND_EVERY_S:
            pipe.send(some)
            some, sent_s = [], time.monotonic()
