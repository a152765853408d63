"""A long text scored by all cores."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

from charrnn.backends.backend import resolve_backend
from charrnn.config.schema import Config
from charrnn.kernels import Array
from charrnn.model.evaluation import Score
from charrnn.system.cores import free_cores
from charrnn.workers.processes import start_group
from charrnn.workers.worker import Job

_CHARS_FOR_A_WORKER = 20_000  # for fewer it does not pay to start one
_CHARS_FOR_COMPILED = 2_000_000  # and for fewer than these, to import the compiler


def score_by_workers(
    config: Config,
    V: int,
    parameters: Array,
    codes: Array,
    start: int,
    end: int,
    scored: Callable[[int], object] = lambda _: None,
) -> Score:
    """Score the characters from `start` to `end` of a text with all cores, if it is long enough.

    `scored` is told the number of characters after each window.
    """
    chars = end - start
    train = replace(
        config.train,
        workers=max(1, min(free_cores(), chars // _CHARS_FOR_A_WORKER)),
        backend=resolve_backend("auto") if chars >= _CHARS_FOR_COMPILED else "numpy",
    )
    config = replace(config, train=train)
    total = Score(0, 0.0)
    with closing(start_group(Job(config, V, codes, 0))) as group:
        group.parameters[...] = parameters
        for window in group.score_windows(start, end):
            total += window
            scored(window.chars)
    return total
