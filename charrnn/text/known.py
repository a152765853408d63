"""Looks texts up among the records of a data set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from charrnn.text.corpus import Corpus
from charrnn.text.records import RecordCorpus, digests_of
from charrnn.text.vocabulary import SYMBOLS


class KnownRecords:
    """The records of a corpus, by their digests, which take 8 bytes each.

    Of a million texts that do not stand among ten million records, one is taken for one of them
    with a probability of 5e-7.
    """

    def __init__(self, corpus: Corpus) -> None:
        assert isinstance(corpus, RecordCorpus)
        self._vocabulary = corpus.vocabulary
        self._digests = corpus.digests()  # (R,), sorted

    def have(self, texts: Sequence[str]) -> list[bool]:
        """Return for each text whether it is one of the records."""
        end = np.array([SYMBOLS[self._vocabulary.tokens]], np.uint32)
        symbols = [self._vocabulary.symbols_of(text) for text in texts]
        length = np.array([len(one) + 1 for one in symbols])
        digests = digests_of(np.concatenate([x for one in symbols for x in (one, end)]), length)
        places = self._digests.searchsorted(digests)
        found: list[bool] = (self._digests.take(places, mode="clip") == digests).tolist()
        return found
