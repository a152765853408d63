"""How well a model tells labels: accuracy, recall, F1, and which labels it takes for others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from charrnn.kernels import Array


class Confusion(NamedTuple):
    """Texts of one label for which a model predicted one label."""

    true: str
    predicted: str
    texts: int  # at least 1
    share: float  # of all texts with the true label


@dataclass(frozen=True, eq=False)
class Classification:
    """The true labels of texts beside the predicted ones, as counts of the pairs that occur.

    >>> log_probs = np.log([[0.7, 0.3], [0.6, 0.4], [0.2, 0.8], [0.1, 0.9]])
    >>> true = np.array([0, 1, 1, 1])
    >>> found = Classification.of(["cat", "dog"], true, log_probs.argmax(1))
    >>> found.accuracy
    0.75
    >>> {label: round(share, 3) for label, share in found.recall.items()}
    {'cat': 1.0, 'dog': 0.667}
    >>> found.majority
    ('dog', 0.75)
    >>> round(found.macro_f1, 3)
    0.733
    >>> found.confusion
    {'cat': {'cat': 1}, 'dog': {'cat': 1, 'dog': 2}}
    """

    names: Sequence[str]  # of all labels
    true: Array  # (k,) intp, in ascending order
    predicted: Array  # (k,) intp
    count: Array  # (k,) int64, texts with such a pair

    @classmethod
    def of(cls, names: Sequence[str], true: Array, predicted: Array) -> Classification:
        """Return the counts of the pairs of n texts.

        Args:
            names: the labels.
            true, predicted: (n,), their places in `names`.
        """
        pairs, count = np.unique(true * len(names) + predicted, return_counts=True)
        return cls(names, pairs // len(names), pairs % len(names), count)

    @property
    def accuracy(self) -> float:
        """The share of texts for which the true label was predicted."""
        return float(self.count[self.true == self.predicted].sum() / self.count.sum())

    @property
    def majority(self) -> tuple[str, float]:
        """The most frequent true label, and its share: the accuracy of always predicting it."""
        texts = self.texts
        label = max(texts, key=texts.__getitem__)
        return label, texts[label] / sum(texts.values())

    @property
    def recall(self) -> dict[str, float]:
        """For each true label, the share of its texts for which it was predicted."""
        texts, _, right = self._sums()
        present = np.flatnonzero(texts).tolist()
        return {self.names[k]: float(right[k] / texts[k]) for k in present}

    @property
    def texts(self) -> dict[str, int]:
        """For each true label, the number of its texts."""
        texts, _, _ = self._sums()
        return {self.names[k]: int(texts[k]) for k in np.flatnonzero(texts).tolist()}

    @property
    def macro_f1(self) -> float:
        """The mean over all labels, true or predicted, of F1 = 2 right / (texts + predictions)."""
        texts, predictions, right = self._sums()
        present = texts + predictions > 0
        return float((2 * right / np.maximum(1, texts + predictions))[present].mean())

    @property
    def confusion(self) -> dict[str, dict[str, int]]:
        """By true label, then by predicted label, the number of texts, where there are any."""
        found: dict[str, dict[str, int]] = {}
        for true, predicted, count in self._pairs():
            found.setdefault(self.names[true], {})[self.names[predicted]] = count
        return found

    def most_confused(self, most: int) -> list[Confusion]:
        """Return the wrong pairs with the most texts."""
        texts, _, _ = self._sums()
        wrong = [
            Confusion(self.names[true], self.names[predicted], count, count / float(texts[true]))
            for true, predicted, count in self._pairs()
            if true != predicted
        ]
        return sorted(wrong, key=lambda one: -one.texts)[:most]

    def _pairs(self) -> list[tuple[int, int, int]]:
        columns = (self.true, self.predicted, self.count)
        return [*zip(*(column.tolist() for column in columns), strict=True)]

    def _sums(self) -> tuple[Array, Array, Array]:
        """Return for each label (L,): its texts, its predictions, and the right ones."""
        right = np.where(self.true == self.predicted, self.count, 0)
        L = len(self.names)
        return (
            np.bincount(self.true, self.count, L),
            np.bincount(self.predicted, self.count, L),
            np.bincount(self.true, right, L),
        )
