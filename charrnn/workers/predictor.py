"""Predicts the replies to many prompts on all cores: among labels, or by a search."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from charrnn.backends.backend import resolve_backend
from charrnn.config.schema import Config
from charrnn.kernels import Array
from charrnn.model.beam import FoundReply, Search, texts_of_replies
from charrnn.model.prediction import Reply, likeliest
from charrnn.system.cores import free_cores
from charrnn.text.records import RecordCorpus
from charrnn.workers.group import WorkerGroup
from charrnn.workers.processes import start_group
from charrnn.workers.worker import Job

_MIN_OPERATIONS_PER_WORKER = 5e9  # for fewer, starting a process takes longer than it saves
_MIN_OPERATIONS_COMPILED = 5e11  # for fewer, importing Numba takes longer than it saves
_SEARCHED = 0.25  # of the greatest length of a reply, about, is searched


class Predictor:
    """Predicts the replies to records, on all cores if they are many.

    Its processes start with the first records, and end with `close`.

    Args:
        config: configuration of the model.
        parameters: (P,), parameters of the model.
        replies: the labels, codes (n,) each, of which every one is scored; or how free replies are
            searched.
        records: number of records to predict in all, about.
        symbols: of their prompts and replies in all, ends included, about.
    """

    def __init__(
        self,
        config: Config,
        parameters: Array,
        replies: tuple[Array, ...] | Search,
        records: int,
        symbols: int,
    ) -> None:
        if isinstance(replies, Search):
            of_replies = replies.beam * _SEARCHED * replies.length
        else:
            of_replies = sum(len(label) + 1 for label in replies)
        work = 2.0 * (symbols + records * of_replies) * len(parameters)
        train = replace(
            config.train,
            workers=max(1, min(free_cores(), int(work / _MIN_OPERATIONS_PER_WORKER))),
            backend=resolve_backend("auto") if work >= _MIN_OPERATIONS_COMPILED else "numpy",
        )
        self._config = replace(config, train=train)
        self._parameters, self._replies = parameters, replies
        self._group: WorkerGroup | None = None

    def log_probs(
        self,
        corpus: RecordCorpus,
        start: int,
        end: int,
        predicted: Callable[[int], object] = lambda _: None,
    ) -> Array:
        """Return the log-probabilities (records, labels) of the labels, each row normalised.

        Args:
            corpus: the records, of which the prompts are read.
            start, end: their ranks, in whose order the rows are.
            predicted: called with the number of records that were predicted since the last call.
        """
        assert not isinstance(self._replies, Search)
        found = [np.empty((0, len(self._replies)))]
        for log_probs in self._workers(corpus).predict(start, end):
            found.append(log_probs)
            predicted(len(log_probs))
        return np.concatenate(found)

    def find(
        self,
        corpus: RecordCorpus,
        start: int,
        end: int,
        predicted: Callable[[int], object] = lambda _: None,
    ) -> list[list[FoundReply]]:
        """Return the likeliest replies to each record; see `log_probs`."""
        found: list[list[FoundReply]] = []
        for some in self._workers(corpus).find(start, end):
            found += some
            predicted(len(some))
        return found

    def replies(
        self,
        corpus: RecordCorpus,
        texts: Sequence[str],
        top: int,
        predicted: Callable[[int], object] = lambda _: None,
    ) -> Iterator[list[Reply]]:
        """Yield the likeliest replies to each record, in the order of the data.

        Args:
            corpus: the records, of which the prompts are read.
            texts: of the labels, if there are any.
            top: number of labels to return for each.
            predicted: called with the number of records that were predicted since the last call.
        """
        order = corpus.starts.argsort().tolist()
        if isinstance(self._replies, Search):
            found = self.find(corpus, *corpus.everything, predicted)
            return (texts_of_replies(found[k], corpus.vocabulary) for k in order)
        log_probs = self.log_probs(corpus, *corpus.everything, predicted)
        return (likeliest(log_probs[k], texts, top) for k in order)

    def _workers(self, corpus: RecordCorpus) -> WorkerGroup:
        """Return the workers, who read some records."""
        if self._group is None:
            how: dict[str, Any] = {"labels": self._replies}
            if isinstance(self._replies, Search):
                how = {"search": self._replies}
            self._group = start_group(Job(self._config, corpus, trains=False, **how))
            self._group.parameters[...] = self._parameters
        else:
            self._group.read(corpus)
        return self._group

    def close(self) -> None:
        """End the processes."""
        if self._group is not None:
            self._group.close()
