"""Predicting the labels of many prompts on all cores."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from charrnn.backends.backend import resolve_backend
from charrnn.config.schema import Config
from charrnn.kernels import Array
from charrnn.model.classification import Classification
from charrnn.model.parameters import parameter_count
from charrnn.system.cores import free_cores
from charrnn.text.records import RecordCorpus
from charrnn.workers.processes import start_group
from charrnn.workers.worker import Job

_MIN_OPERATIONS_PER_WORKER = 5e9  # for fewer, starting a process takes longer than it saves
_MIN_OPERATIONS_COMPILED = 5e11  # for fewer, importing Numba takes longer than it saves
_TOGETHER = 1 << 23  # log-probabilities that are in memory, at most
_REPLIES = 1 << 16  # that are in memory, at most


class Told(NamedTuple):
    """The likeliest labels of records, in the order of their ranks."""

    names: list[str]  # the labels of the model, then other replies of the records
    true: Array  # (n,) intp, the place of each record's reply in `names`
    label: Array  # (n,) intp, the place of the likeliest label
    probability: Array  # (n,), of that label
    labels: int  # of the model

    @property
    def classification(self) -> Classification:
        """The counts of true and likeliest labels."""
        return Classification.of(self.names, self.true, self.label)

    @property
    def unknown(self) -> int:
        """The number of records whose reply is no label of the model."""
        return int(np.count_nonzero(self.true >= self.labels))


def tell_labels(
    config: Config,
    corpus: RecordCorpus,
    parameters: Array,
    start: int,
    end: int,
    labels: tuple[Array, ...],
    predicted: Callable[[int], object] = lambda _: None,
) -> Told:
    """Tell the labels of records from their prompts, beside their replies.

    Args: see `predict_by_workers`.
    """
    place_of = {label.tobytes(): k for k, label in enumerate(labels)}
    names = [corpus.vocabulary.decode(label) for label in labels]
    true, label, probability = (np.empty(end - start, t) for t in (np.intp, np.intp, np.float64))
    together = max(1, _TOGETHER // len(labels))
    for first in range(start, end, together):
        last = min(first + together, end)
        here = slice(first - start, last - start)
        log_probs = predict_by_workers(config, corpus, parameters, first, last, labels, predicted)
        label[here] = log_probs.argmax(1)
        probability[here] = np.exp(log_probs.max(1))
    for first in range(start, end, _REPLIES):
        ranks = np.arange(first, min(first + _REPLIES, end))
        for k, reply in enumerate(corpus.reply_codes(ranks), first - start):
            true[k] = place_of.setdefault(reply.tobytes(), len(place_of))
            if true[k] == len(names):
                names.append(corpus.vocabulary.decode(reply))
    return Told(names, true, label, probability, len(labels))


def predict_by_workers(
    config: Config,
    corpus: RecordCorpus,
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
    steps = corpus.sizes.symbols(start, end) + (end - start) * sum(
        len(label) + 1 for label in labels
    )
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
