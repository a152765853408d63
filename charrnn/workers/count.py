"""What the word auto of a configuration becomes: the number of workers, and the backend."""

from __future__ import annotations

import multiprocessing
import os
from dataclasses import replace

from charrnn.backends.backend import resolve_backend
from charrnn.config.schema import Config, TrainConfig
from charrnn.errors import RunError
from charrnn.kernels import CELLS
from charrnn.kernels.optimizers import OPTIMIZERS
from charrnn.model.parameters import parameter_count
from charrnn.system.cores import free_cores

_OPERATIONS_PER_S = 1e11  # of one core, about
_MIN_WORK_S = 5e-4  # of a window for each worker
_MIN_STREAMS = 8  # for each worker


def resolve_workers(
    config: Config, V: int, previous: TrainConfig | None = None, ranks: int | None = None
) -> Config:
    """Return the configuration with the number of workers and the backend settled.

    Args:
        config: as it was written.
        V: characters in the vocabulary.
        previous: settings of the run being resumed; a different number of workers would change
            the result.
        ranks: how many MPI has started, which are the workers.

    Raises:
        BackendError: Numba is needed and cannot be had.
        RunError: there cannot be so many workers, or not enough memory.
    """
    train = config.train
    workers = (previous or train).workers
    name = (
        resolve_backend(previous.backend, of_run=True)
        if previous
        else resolve_backend(train.backend)
    )
    if workers == "auto":
        workers = ranks or automatic_workers(config, V)
    if ranks and workers != ranks:
        raise RunError(
            f"train.workers is {workers}{' in this run' if previous else ''}, and mpiexec has "
            f"started {ranks}; start as many with mpiexec -n {workers}"
        )
    if int(workers) > train.batch_size:
        raise RunError(
            f"train.workers {workers}: the batch has no more than {train.batch_size} "
            f"streams to share; set train.batch_size to {workers} or more, or fewer workers"
        )
    if int(workers) > 1 and not ranks and multiprocessing.current_process().daemon:
        raise RunError(
            f"train.workers {workers}: this process is itself a worker of a pool, and may start "
            "none; set train.workers to 1"
        )
    config = replace(config, train=replace(train, workers=workers, backend=name))
    _check_memory(config, V, ranks or 1)
    return config


def automatic_workers(config: Config, V: int) -> int:
    """Return how many workers are best: one for each core, as far as there is work for them.

    A task costs about a tenth of a millisecond beside the work itself, and a product of only a few
    rows is slow. BLAS threads that the user has asked for count as cores that are taken.
    """
    train = config.train
    window_s = (
        6
        * parameter_count(config.model, V)
        * train.batch_size
        * train.seq_length
        / _OPERATIONS_PER_S
    )
    if multiprocessing.current_process().daemon:  # which may start no processes
        return 1
    return max(1, min(free_cores(), train.batch_size // _MIN_STREAMS, int(window_s / _MIN_WORK_S)))


def _check_memory(config: Config, V: int, machines: int) -> None:
    """Refuse a training whose largest arrays alone take more than this machine's memory."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not every system tells
        return
    model, train = config.model, config.train
    vectors, window = least_bytes(config, V, machines)
    if vectors + window <= memory:
        return
    if vectors > window:
        what = (
            f"model.hidden_size {model.hidden_size} x model.num_layers {model.num_layers} makes "
            f"{parameter_count(model, V):,} parameters; training them"
        )
    else:
        what = (
            f"train.batch_size {train.batch_size} x train.seq_length {train.seq_length} steps of "
            f"{model.num_layers} layers of {model.hidden_size}"
        )
    smaller = "model.hidden_size" if vectors > window else "train.batch_size or train.seq_length"
    raise RunError(
        f"{what} takes {(vectors + window) / 1e9:,.0f} GB, and this machine has "
        f"{memory / 1e9:,.0f}. Try a smaller {smaller}"
    )


def least_bytes(config: Config, V: int, machines: int = 1) -> tuple[int, int]:
    """Return a lower bound on the memory that a training takes on one of several machines.

    Args:
        config: with the number of workers resolved.
        V: characters in the vocabulary.
        machines: that share the workers evenly.

    Returns:
        vectors: bytes of parameters, gradients, optimizer state and scratch.
        window: bytes of a window's states, gates and logits, and of their gradients.
    """
    model, train = config.model, config.train
    cell, gradients = CELLS[model.cell], int(train.workers) // machines
    # The parameters, two of scratch, the optimizer state; and a gradient for each worker.
    vectors = 3 + len(OPTIMIZERS[train.optimizer].state) + gradients
    layer = (2 * len(cell.gates) + len(cell.states)) * model.hidden_size
    step = model.num_layers * layer + 3 * V  # logits, probabilities, and the logits' gradient
    window = step * train.batch_size * train.seq_length // machines
    return 4 * vectors * parameter_count(model, V), 4 * window
