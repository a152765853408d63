"""The cores of this machine, and the number of threads in a matrix product."""

from __future__ import annotations

import os

# The first of these that is set gives the number of threads. Every BLAS also reads OMP_NUM_THREADS.
_THREAD_VARIABLES = (
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def default_to_one_blas_thread() -> None:
    """Run matrix products on one thread, unless the environment sets another number.

    The threads of a product wait for each other in a busy loop: when another program takes one of
    their cores, a step can take twenty times as long. One thread also makes the result independent
    of the number of cores. Call this before NumPy is imported.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        for variable in {*_THREAD_VARIABLES} - {"OMP_NUM_THREADS"}:
            os.environ.setdefault(variable, "1")


def blas_threads() -> int:
    """Return the number of threads that the environment sets for a matrix product, by default 1."""
    for variable in _THREAD_VARIABLES:
        value = os.environ.get(variable, "")
        if value.isdigit() and int(value):
            return int(value)
    return 1


def free_cores() -> int:
    """Return how many workers fit on the cores of this process, each with its BLAS threads."""
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    return max(1, cores // blas_threads())
