"""Looks texts up among the records of a data set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from charrnn.kernels import Array
from charrnn.text.corpus import Corpus
from charrnn.text.digests import digests
from charrnn.text.encoding import EncodedText
from charrnn.text.record_index import places_of


class KnownRecords:
    """The records of a corpus, by their digests, which take 8 bytes each.

    Of a million texts that do not stand among ten million records, one is taken for one of them
    with a probability of 5e-7.

    Args:
        corpus: the records.
    """

    def __init__(self, corpus: Corpus) -> None:
        text = EncodedText(corpus.codes, corpus.vocabulary, "", (len(corpus.codes),))
        self._vocabulary = corpus.vocabulary
        self._digests = np.concatenate([digests(text, places).record for places in places_of(text)])
        self._digests.sort()  # (R,)

    def have(self, texts: Sequence[str], prompt: Array | None = None) -> list[bool]:
        """Return for each text whether it is one of the records, or a known reply to the prompt.

        Args:
            texts: to look up.
            prompt: codes (n,) of the prompt of all texts, without its end; None without prompts.
        """
        symbols = [self._vocabulary.symbols_of(text) for text in texts]
        records = [self._vocabulary.encode(one, "record", skip_unknown=True) for one in symbols]
        # U+FFFD, for bytes that form no character, may be unknown: such a text is no record.
        whole = [len(codes) == len(one) for codes, one in zip(records, symbols, strict=True)]
        if prompt is not None:
            records = [self._vocabulary.as_pair(prompt, codes) for codes in records]
        length = np.array([len(codes) + 1 for codes in records])  # with the end before
        end = np.array([self._vocabulary.end], self._vocabulary.code_dtype)
        codes = np.concatenate([*(part for one in records for part in (end, one)), end])
        places = np.append(0, length.cumsum())
        found = digests(EncodedText(codes, self._vocabulary, "", (len(codes),)), places).record
        known = self._digests.take(self._digests.searchsorted(found), mode="clip")
        return ((known == found) & whole).tolist()  # type: ignore[no-any-return]
