"""Predicting the labels of many prompts on all cores."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import numpy as np

from charrnn.backends.backend import resolve_backend
from charrnn.config.schema import Config
from charrnn.kernels import Array
from charrnn.model.parameters import parameter_count
from charrnn.system.cores import free_cores
from charrnn.text.corpus import Corpus
from charrnn.workers.processes import start_group
from charrnn.workers.worker import Job

_MIN_OPERATIONS_PER_WORKER = 5e9  # for fewer, starting a process takes longer than it saves
_MIN_OPERATIONS_COMPILED = 5e11  # for fewer, importing Numba takes longer than it saves


def predict_by_workers(
    config: Config,
    corpus: Corpus,
    parameters: Array,
    start: int,
    end: int,
    labels: tuple[Array, ...],
    predicted: Callable[[int], object] = lambda _: None,
) -> Array:
    """Predict the labels of records, on all cores if they are many.

    Args:
        config: configuration of the model.
        corpus: the records, of which the prompts are read.
        parameters: (P,), parameters of the model.
        start, end: ranks of the records.
        labels: codes (n,) of each.
        predicted: called with the number of records that have been predicted since the last call.

    Returns:
        The log-probabilities (records, labels) in the order of the ranks, each row normalised.
    """
    steps = corpus.scored(start, end) + (end - start) * sum(len(label) + 1 for label in labels)
    work = 2.0 * steps * parameter_count(config.model, len(corpus.vocabulary))
    train = replace(
        config.train,
        workers=max(1, min(free_cores(), int(work / _MIN_OPERATIONS_PER_WORKER))),
        backend=resolve_backend("auto") if work >= _MIN_OPERATIONS_COMPILED else "numpy",
    )
    config = replace(config, train=train)
    found = []
    with closing(start_group(Job(config, corpus, trains=False, labels=labels))) as group:
        group.parameters[...] = parameters
        for log_probs in group.predict(start, end):
            found.append(log_probs)
            predicted(len(log_probs))
    return np.concatenate([np.empty((0, len(labels))), *found])
