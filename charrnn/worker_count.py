"""How many workers there are to be."""

from __future__ import annotations

import os

import numpy as np

from charrnn.config import Config
from charrnn.worker import Job

_OPERATIONS_PER_S = 1e11  # of one core, about
_MIN_WORK_S = 5e-4  # of a window for each worker
_MIN_STREAMS = 8  # for each worker


def automatic_workers(config: Config, V: int) -> int:
    """Return how many workers are best: one for each core, as far as there is work for them.

    A task costs about a tenth of a millisecond beside the work itself, and a product of only a few
    rows is slow. BLAS threads that the user has asked for count as cores that are taken.
    """
    train = config.train
    job = Job(config, V, np.empty(0, np.uint8), 0)
    window_s = 6 * job.parameter_count * train.batch_size * train.seq_length / _OPERATIONS_PER_S
    return max(1, min(free_cores(), train.batch_size // _MIN_STREAMS, int(window_s / _MIN_WORK_S)))


def blas_threads() -> int:
    """Return the threads that a product is allowed by the environment, 1 unless it says more."""
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        value = os.environ.get(name, "")
        if value.isdigit() and int(value):
            return int(value)
    return 1


def free_cores() -> int:
    """Return how many workers this process may start: its cores, by the threads of a product."""
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    return max(1, cores // blas_threads())
