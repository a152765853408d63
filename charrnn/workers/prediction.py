"""Predicting the labels of many records, and comparing them with the true ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from typing import NamedTuple

import numpy as np

from charrnn.config.schema import Config
from charrnn.kernels import Array
from charrnn.model.classification import Classification
from charrnn.text.labels import label_texts
from charrnn.text.records import RecordCorpus
from charrnn.workers.predictor import Predictor

_TOGETHER = 1 << 23  # log-probabilities that are in memory, at most
_REPLIES = 1 << 16  # that are in memory, at most
_OTHERS = "other replies"  # the name of all replies that are no labels, where they are one row


class LabelPredictions(NamedTuple):
    """The replies of records beside their likeliest labels, in the order of their ranks."""

    names: list[str]  # the labels of the model, then other replies of the records
    true: Array  # (n,) intp, the place of each record's reply in `names`
    label: Array  # (n,) intp, the place of the likeliest label
    probability: Array  # (n,), of that label
    labels: int  # of the model

    def predicted(self, k: int) -> tuple[str, float]:
        """Return the likeliest label of record k, and its probability."""
        return self.names[int(self.label[k])], float(self.probability[k])

    @property
    def classification(self) -> Classification:
        """The counts of true and likeliest labels."""
        return Classification.of(self.names, self.true, self.label)

    @property
    def grouped(self) -> Classification:
        """The same with all replies that are no labels as one, to be shown."""
        if not self.unknown:
            return self.classification
        others = _OTHERS
        while others in self.names[: self.labels]:
            others = f"({others})"
        names = [*self.names[: self.labels], others]
        return Classification.of(names, np.minimum(self.true, self.labels), self.label)

    @property
    def unknown(self) -> int:
        """The number of records whose reply is no label of the model."""
        return int(np.count_nonzero(self.true >= self.labels))


def predict_labels(
    config: Config,
    parameters: Array,
    labels: tuple[Array, ...],
    corpus: RecordCorpus,
    start: int,
    end: int,
    predicted: Callable[[int], object] = lambda _: None,
) -> LabelPredictions:
    """Return the likeliest labels of records of some ranks; see `Predictor`."""
    symbols = corpus.sizes.symbols(start, end)
    together = max(1, _TOGETHER // len(labels))
    with closing(Predictor(config, parameters, labels, end - start, symbols)) as predictor:
        blocks = (
            predictor.log_probs(corpus, first, min(first + together, end), predicted)
            for first in range(start, end, together)
        )
        return likeliest_labels(blocks, labels, corpus, start, end)


def likeliest_labels(
    blocks: Iterable[Array], labels: tuple[Array, ...], corpus: RecordCorpus, start: int, end: int
) -> LabelPredictions:
    """Return the likeliest labels of records, beside their replies.

    Args:
        blocks: the log-probabilities (n, labels) of some records after others, in their order.
        labels: codes (n,) of each label.
        corpus: the records.
        start, end: their ranks.
    """
    true, label, probability = (np.empty(end - start, t) for t in (np.intp, np.intp, np.float64))
    first = 0
    for log_probs in blocks:
        here = slice(first, first + len(log_probs))
        label[here] = log_probs.argmax(1)
        probability[here] = np.exp(log_probs.max(1))
        first += len(log_probs)
    names = [*labels]
    place_of = {one.tobytes(): k for k, one in enumerate(labels)}
    for first in range(start, end, _REPLIES):
        ranks = np.arange(first, min(first + _REPLIES, end))
        for k, reply in enumerate(corpus.reply_codes(ranks), first - start):
            true[k] = place_of.setdefault(reply.tobytes(), len(place_of))
            if true[k] == len(names):
                names.append(reply)
    texts = label_texts(names, corpus.vocabulary)
    return LabelPredictions(texts, true, label, probability, len(labels))
