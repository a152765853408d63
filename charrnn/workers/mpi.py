"""Workers on several machines: the ranks of `mpiexec -n K charrnn train CONFIG`.

Rank 0 is the program as it is without MPI: it reads the configuration, trains, writes and reports.
The other ranks wait for its tasks, as the worker processes of one machine do.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from charrnn.errors import BackendError, RunError, TextError, WorkerError
from charrnn.system.signals import SIGNALS, ended_by_signals
from charrnn.text.corpus import load_corpus
from charrnn.workers.group import (
    Failure,
    WorkerGroup,
    attempt,
    buffers_in,
    floats_given,
    floats_needed,
)
from charrnn.workers.worker import Buffers, Job, Task, Worker

# How MPICH, Intel MPI and Open MPI tell a process how many were started.
_SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "PMIX_SIZE")
_RANKS = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK")


def ranks() -> Ranks | None:
    """Return the ranks that this process is one of, or None where it was started alone.

    Raises:
        BackendError: MPI has started several, and it cannot be used.
    """
    started = _started()
    if started == 1:
        return None
    try:
        with ended_by_signals():
            from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        _leave_it_to_rank_0()
        raise BackendError(
            f"mpiexec has started {started} processes, and mpi4py cannot be imported ({error}); "
            "pip install mpi4py mpich"
        ) from None
    if started != MPI.COMM_WORLD.size:
        raise BackendError(
            f"mpiexec has started {started} processes, and mpi4py sees {MPI.COMM_WORLD.size}: it "
            "was made for another MPI; use that one's mpiexec"
        )
    return Ranks(MPI.COMM_WORLD)


def refuse_ranks(command: str) -> None:
    """Refuse to do the work of a command as often as MPI has started it.

    Raises:
        RunError: MPI has started several processes.
    """
    started = _started()
    if started > 1:
        _leave_it_to_rank_0()
        raise RunError(
            f"mpiexec has started {started} processes, and charrnn {command} would do the same in "
            "each; only charrnn train shares its work. Start it without mpiexec"
        )


def _started() -> int:
    """Return how many processes MPI says it has started with this one, 1 where it says nothing."""
    sizes = (os.environ.get(name, "") for name in _SIZES)
    return max((int(size) for size in sizes if size.isdecimal()), default=1) or 1


def _leave_it_to_rank_0() -> None:
    """End this process without a word, unless it is the one that speaks for all."""
    if any(os.environ.get(name, "0") != "0" for name in _RANKS):
        sys.exit(1)


class Ranks:
    """The communicator, and whether the other ranks still wait for what rank 0 has to say."""

    def __init__(self, comm: Any) -> None:
        self.comm = comm
        self._waiting = True

    @property
    def size(self) -> int:
        """How many there are."""
        return int(self.comm.size)

    @property
    def rank(self) -> int:
        """Which of them this process is."""
        return int(self.comm.rank)

    def close(self) -> None:
        """Rank 0: let the others end."""
        if self._waiting:
            self._waiting = False
            self.comm.bcast(None)

    def lost(self) -> None:
        """Remember that a rank has ended: nobody can be reached together with it."""
        self._waiting = False


class MPIGroup(WorkerGroup):
    """Rank 0's view of all ranks: parameters go out, gradients come back as their sum."""

    def __init__(self, job: Job, ranks: Ranks, text_sha256: str) -> None:
        memory = np.zeros(floats_needed(job), np.float32)
        self._given = memory[: floats_given(job)]
        super().__init__(job, buffers_in(job, memory))
        self._ranks = ranks
        self._comm = ranks.comm
        self._comm.bcast((replace(job, codes=job.codes[:0]), text_sha256))
        self._check(self._comm.gather(None))

    def _do(self, task: Task) -> list[Any]:
        from mpi4py import MPI

        try:
            return self._check(self._results(task))
        except MPI.Exception:
            self._ranks.lost()
            raise WorkerError(f"one of the {self._ranks.size} ranks has ended") from None

    def _results(self, task: Task) -> list[Any]:
        self._comm.bcast(task)
        if _needs_parameters(task):
            self._comm.Bcast(self._given)
        result = attempt(lambda: self.worker.do(task))
        if task[0] == "train":
            _sum_up(self._comm, self.gradient)
        results, states = zip(*self._comm.gather((result, None)), strict=True)
        for rank, part in enumerate(states):
            if part is not None:
                streams = self.job.streams_of(rank)
                self._buffers.next_states[:, :, streams.start : streams.stop] = part
        return list(results)

    def _check(self, results: list[Any]) -> list[Any]:
        for rank, result in enumerate(results):
            if isinstance(result, Failure):
                raise WorkerError(f"rank {rank} of {self._ranks.size}: {result.message}")
        return results


def _needs_parameters(task: Task) -> bool:
    """Whether a task is the first since parameters or states have changed."""
    name, *arguments = task
    return bool(name == "train" or (name == "score" and arguments[-1] == 0))


def _sum_up(comm: Any, gradient: Any) -> None:
    """Add up the gradients of all ranks into rank 0's."""
    from mpi4py import MPI

    comm.Reduce(MPI.IN_PLACE if comm.rank == 0 else gradient, gradient, MPI.SUM)


def serve(ranks: Ranks) -> None:
    """Be a rank other than 0: do its tasks until it says that there are no more."""
    from mpi4py import MPI

    try:
        _serve(ranks)
    except MPI.Exception:  # another rank has ended, which is for rank 0 or mpiexec to say
        os._exit(1)
    except Exception as error:  # the others would wait for this one for ever
        print(
            f"charrnn: error: rank {ranks.rank} of {ranks.size}: {type(error).__name__}: {error}",
            file=sys.stderr,
            flush=True,
        )
        ranks.comm.Abort(1)


def _serve(ranks: Ranks) -> None:
    for number in SIGNALS:  # they are for rank 0
        signal.signal(number, signal.SIG_IGN)
    comm = ranks.comm
    order = comm.bcast(None)
    if order is None:
        return
    job, text_sha256 = order
    memory = np.zeros(floats_needed(job), np.float32)
    given, buffers = memory[: floats_given(job)], buffers_in(job, memory)
    worker = attempt(lambda: _new_worker(job, ranks.rank, buffers, text_sha256))
    comm.gather(worker if isinstance(worker, Failure) else None)
    streams = job.streams_of(ranks.rank)
    while (task := comm.bcast(None)) is not None:
        if _needs_parameters(task):
            comm.Bcast(given)
        result = attempt(partial(worker.do, task))
        part = None
        if task[0] == "train":
            _sum_up(comm, buffers.gradient)
            part = buffers.next_states[:, :, streams.start : streams.stop]
        comm.gather((result, part))


def _new_worker(job: Job, rank: int, buffers: Buffers, text_sha256: str) -> Worker:
    """Return this rank's worker, on this machine's copy of the text."""
    corpus = load_corpus(job.config.data)
    if corpus.text_sha256 != text_sha256:
        raise TextError(f"{job.config.data.path}: is another text here than on rank 0")
    return Worker(replace(job, codes=corpus.codes), rank, buffers)
