"""Scoring a long text on all cores."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

from charrnn.backends.backend import resolve_backend
from charrnn.config.schema import Config
from charrnn.kernels import Array
from charrnn.model.evaluation import Score, WindowScore
from charrnn.system.cores import free_cores
from charrnn.text.corpus import Corpus
from charrnn.workers.processes import start_group
from charrnn.workers.worker import Job

_MIN_CHARS_PER_WORKER = 20_000  # for fewer, starting a process takes longer than it saves
_MIN_CHARS_COMPILED = 2_000_000  # for fewer, importing Numba takes longer than it saves


def score_by_workers(
    config: Config,
    corpus: Corpus,
    parameters: Array,
    start: int,
    end: int,
    scored: Callable[[WindowScore], object] = lambda _: None,
    each: bool = False,
) -> Score:
    """Score the characters from `start` to `end` of a text, on all cores if it is long.

    Args:
        config: configuration of the model.
        corpus: the whole text; the characters before `start` serve as context.
        parameters: (P,), parameters of the model.
        start, end: the part to score.
        scored: called with the score of each window.
        each: whether such a score has a piece for each line or record.
    """
    chars = corpus.scored(start, end)
    train = replace(
        config.train,
        workers=max(1, min(free_cores(), chars // _MIN_CHARS_PER_WORKER)),
        backend=resolve_backend("auto") if chars >= _MIN_CHARS_COMPILED else "numpy",
    )
    config = replace(config, train=train)
    total = Score(0, 0.0)
    with closing(start_group(Job(config, corpus, trains=False))) as group:
        group.parameters[...] = parameters
        for window in group.score_windows(start, end, each):
            total += window
            scored(window)
    return total
