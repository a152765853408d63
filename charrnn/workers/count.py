"""The number of workers and the backend that "auto" stands for, and the memory they need."""

from __future__ import annotations

import multiprocessing
import os
from dataclasses import replace

from charrnn.backends.backend import resolve_backend
from charrnn.config.schema import Config, TrainConfig
from charrnn.errors import RunError, counted
from charrnn.kernels import CELLS
from charrnn.kernels.optimizers import OPTIMIZERS
from charrnn.model.parameters import parameter_count, training_flops
from charrnn.system.cores import free_cores

_OPERATIONS_PER_S = 1e11  # of one core, about
_MIN_WORK_S = 5e-4  # per worker, in a window
_MIN_STREAMS = 8  # per worker


def resolve_workers(
    config: Config,
    V: int,
    previous: TrainConfig | None = None,
    ranks: int | None = None,
    F: int = 0,
) -> Config:
    """Return the configuration with the number of workers and the backend resolved.

    Args:
        config: configuration without unset keys.
        V: size of the vocabulary.
        previous: settings of the run being resumed, which are kept: a different number of workers
            would change the result.
        ranks: number of MPI processes, which is the number of workers.
        F: number of features of a record.

    Raises:
        BackendError: if Numba is asked for and cannot be used.
        RunError: if the number of workers is impossible, or the memory does not suffice.
    """
    train = config.train
    workers = (previous or train).workers
    backend = resolve_backend((previous or train).backend, of_run=previous is not None)
    if workers == "auto":
        workers = ranks or automatic_workers(config, V)
    if ranks and workers != ranks:
        raise RunError(
            f"train.workers is {workers}{' in this run' if previous else ''}, and mpiexec has "
            f"started {ranks}; run mpiexec -n {workers}"
        )
    if int(workers) > train.batch_size:
        raise RunError(
            f"train.workers {workers}: the batch has only {counted(train.batch_size, 'stream')} "
            f"to share; set train.batch_size to {workers} or more, or use fewer workers"
        )
    if int(workers) > 1 and not ranks and multiprocessing.current_process().daemon:
        way_out = "resume it outside the pool" if previous else "set train.workers to 1"
        raise RunError(
            f"train.workers {workers}{' in this run' if previous else ''}: this process is a "
            f"worker of a pool and cannot start others; {way_out}"
        )
    config = replace(config, train=replace(train, workers=workers, backend=backend))
    _check_memory(config, V, F, ranks or 1)
    return config


def automatic_workers(config: Config, V: int) -> int:
    """Return the number of workers: one per free core, or fewer if a window has little work.

    A task has an overhead of about 0.1 ms, and matrix products of few rows are slow. Cores that the
    user has given to BLAS threads are not free.
    """
    train = config.train
    chars = train.batch_size * train.seq_length
    window_s = training_flops(config.model, V) * chars / _OPERATIONS_PER_S
    if multiprocessing.current_process().daemon:  # it cannot start processes
        return 1
    return max(1, min(free_cores(), train.batch_size // _MIN_STREAMS, int(window_s / _MIN_WORK_S)))


def _check_memory(config: Config, V: int, F: int, machines: int) -> None:
    """Refuse a training whose largest arrays do not fit into this machine's memory."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not available on every system
        return
    model, train = config.model, config.train
    vectors, window = least_bytes(config, V, F, machines)
    if vectors + window <= memory:
        return
    if vectors > window:
        smaller = "model.hidden_size"
        what = (
            f"model.hidden_size {model.hidden_size} x model.num_layers {model.num_layers} makes "
            f"{counted(parameter_count(model, V, F), 'parameter')}; training them"
        )
    else:
        smaller = "train.batch_size or train.seq_length"
        what = (
            f"train.batch_size {train.batch_size} x train.seq_length {train.seq_length} in "
            f"{counted(model.num_layers, 'layer')} of {model.hidden_size}"
        )
    raise RunError(
        f"{what} takes {(vectors + window) / 1e9:,.0f} GB, and this machine has "
        f"{memory / 1e9:,.0f} GB. Try a smaller {smaller}"
    )


def least_bytes(config: Config, V: int, F: int = 0, machines: int = 1) -> tuple[int, int]:
    """Return a lower bound on the memory that a training takes on each machine.

    Args:
        config: configuration with the number of workers resolved.
        V: size of the vocabulary.
        F: number of features of a record.
        machines: number of machines that share the workers evenly.

    Returns:
        vectors: bytes of the parameters, gradients, optimizer state and scratch vectors.
        window: bytes of the states, gates and logits of a window, and of their gradients.
    """
    model, train = config.model, config.train
    cell, gradients = CELLS[model.cell], int(train.workers) // machines
    # Parameters, two scratch vectors, the optimizer state, and a gradient per worker.
    vectors = 3 + len(OPTIMIZERS[train.optimizer].state) + gradients
    layer = (2 * len(cell.gates) + len(cell.states)) * model.hidden_size
    step = model.num_layers * layer + 3 * V  # logits, probabilities, and the logits' gradient
    window = step * train.batch_size * train.seq_length // machines
    return 4 * vectors * parameter_count(model, V, F), 4 * window
