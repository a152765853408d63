"""Workers on several machines: the ranks of `mpiexec -n K charrnn train CONFIG`.

Rank 0 runs the same program as without MPI: it reads the configuration, trains, writes and reports.
The other ranks wait for its tasks, like the worker processes of one machine.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import numpy as np

from charrnn.errors import BackendError, RunError, TextError, WorkerError, counted
from charrnn.system.signals import SIGNALS, ended_by_signals
from charrnn.text.load import load_corpus
from charrnn.workers.group import Failure, WorkerGroup, attempt, buffers_in, floats_needed
from charrnn.workers.worker import Buffers, Job, Task, Worker

# Environment variables of MPICH, Intel MPI and Open MPI.
_SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "PMIX_SIZE")
_RANKS = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK")


def ranks() -> Ranks | None:
    """Return the ranks that this process belongs to, or None without MPI.

    Raises:
        BackendError: if MPI has started several processes and cannot be used.
    """
    started = _started_processes()
    if started == 1:
        return None
    try:
        with ended_by_signals():
            from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        _exit_unless_rank_0()
        raise BackendError(
            f"mpiexec has started {counted(started, 'process')}, and mpi4py cannot be imported "
            f"({error}); pip install mpi4py mpich"
        ) from None
    if started != MPI.COMM_WORLD.size:
        raise BackendError(
            f"mpiexec has started {counted(started, 'process')}, and mpi4py sees "
            f"{MPI.COMM_WORLD.size}: it was built for another MPI; use the mpiexec of that one"
        )
    return Ranks(MPI)


def refuse_ranks(command: str) -> None:
    """Refuse to run a command once in each process that MPI has started.

    Raises:
        RunError: if MPI has started several processes.
    """
    started = _started_processes()
    if started > 1:
        _exit_unless_rank_0()
        raise RunError(
            f"mpiexec has started {counted(started, 'process')}, and charrnn {command} would run "
            "in each of them; only charrnn train shares its work. Start it without mpiexec"
        )


def _started_processes() -> int:
    """Return the number of processes that MPI has started, 1 without MPI."""
    sizes = (os.environ.get(name, "") for name in _SIZES)
    return max((int(size) for size in sizes if size.isdecimal()), default=1) or 1


def _exit_unless_rank_0() -> None:
    """Exit without a message, unless this process is rank 0, which reports errors for all."""
    if any(os.environ.get(name, "0") != "0" for name in _RANKS):
        sys.exit(1)


class Ranks:
    """The processes that MPI has started.

    Args:
        mpi: the module `mpi4py.MPI`.

    Attributes:
        comm: communicator of all ranks.
        size: number of ranks.
        rank: number of this one, from 0.
    """

    def __init__(self, mpi: Any) -> None:
        self.mpi = mpi
        self.comm = mpi.COMM_WORLD
        self.size, self.rank = int(self.comm.size), int(self.comm.rank)
        self._waiting = True  # whether the other ranks wait for a message of rank 0

    def close(self) -> None:
        """End the other ranks; called on rank 0."""
        if self._waiting:
            self._waiting = False
            self.comm.bcast(None)

    def lost(self) -> None:
        """Remember that a rank has ended, after which no message can reach all others."""
        self._waiting = False


class MPIGroup(WorkerGroup):
    """All ranks as a group, on rank 0: it sends parameters and receives the sum of gradients."""

    def __init__(self, job: Job, ranks: Ranks) -> None:
        super().__init__(job)
        self._ranks = ranks
        ranks.comm.bcast(job.with_arrays())
        self._check(ranks.comm.gather(None))

    def _do(self, task: Task) -> list[Any]:
        ranks = self._ranks
        try:
            ranks.comm.bcast(task)
            results, states = zip(*_do_share(ranks, self.worker, self._buffers, task), strict=True)
        except ranks.mpi.Exception:
            ranks.lost()
            raise WorkerError(f"one of the {counted(ranks.size, 'rank')} has ended") from None
        for rank, part in enumerate(states):
            if part is not None:
                streams = self.job.streams_of(rank)
                self._next_states[:, :, streams.start : streams.stop] = part
        return self._check(list(results))

    def _check(self, results: list[Any]) -> list[Any]:
        for rank, result in enumerate(results):
            if isinstance(result, Failure):
                raise WorkerError(f"rank {rank} of {self._ranks.size}: {result.message}")
        return results


def _do_share(ranks: Ranks, worker: Worker, buffers: Buffers, task: Task) -> Any:
    """Do this rank's share of a task, at the same time as all others.

    Returns:
        On rank 0, the result and the next states of each rank, or None instead of states for a
        task other than training.
    """
    comm, mpi, (name, *arguments) = ranks.comm, ranks.mpi, task
    # Parameters and states may have changed before these tasks.
    if name == "train" or (name in ("score", "validate", "predict", "find") and arguments[-1] == 0):
        comm.Bcast(buffers.parameters)
        comm.Bcast(buffers.states)
    result, states = attempt(worker.do, task), None
    if name == "train":
        gradient = buffers.gradient
        comm.Reduce(mpi.IN_PLACE if ranks.rank == 0 else gradient, gradient, mpi.SUM)
        states = buffers.next_states[:, :, worker.streams]
    return comm.gather((result, states))


def serve(ranks: Ranks) -> None:
    """Do the tasks that rank 0 sends until it ends; called on the other ranks."""
    try:
        _serve(ranks)
    except ranks.mpi.Exception:  # another rank has ended; rank 0 or mpiexec reports it
        os._exit(1)
    except Exception as error:  # without an abort the other ranks would wait for ever
        print(
            f"charrnn: error: rank {ranks.rank} of {ranks.size}: {type(error).__name__}: {error}",
            file=sys.stderr,
            flush=True,
        )
        ranks.comm.Abort(1)


def _serve(ranks: Ranks) -> None:
    for number in SIGNALS:  # rank 0 handles them
        signal.signal(number, signal.SIG_IGN)
    job = ranks.comm.bcast(None)
    if job is None:
        return
    buffers = buffers_in(job, np.zeros(floats_needed(job), np.float32))
    worker = attempt(_new_worker, job, ranks.rank, buffers)
    ranks.comm.gather(worker if isinstance(worker, Failure) else None)
    while (task := ranks.comm.bcast(None)) is not None:
        _do_share(ranks, worker, buffers, task)


def _new_worker(job: Job, rank: int, buffers: Buffers) -> Worker:
    """Return the worker of this rank, with this machine's copy of the text."""
    corpus = load_corpus(job.config.data)
    if corpus.text_sha256 != job.corpus.text_sha256:
        raise TextError(f"{job.config.data.path}: is not the text that rank 0 has read")
    return Worker(job.with_arrays(corpus.arrays), rank, buffers)
