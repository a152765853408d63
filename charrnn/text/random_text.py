"""A random text, or random records, to measure the speed on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from charrnn.config.schema import DataConfig
from charrnn.text.corpus import Corpus, cut_points
from charrnn.text.encoding import EncodedText
from charrnn.text.records import RecordCorpus
from charrnn.text.vocabulary import SYMBOLS, Vocabulary

_LENGTHS = (10, 50)  # characters of a record, at least and at most


def random_corpus(n: int, V: int, data: DataConfig, seed: int) -> Corpus:
    """Return about n random codes below V, as a text or as records of 10 to 50 characters.

    Args:
        n: number of codes.
        V: size of the vocabulary; the end of a record is one of its symbols.
        data: whether these are records, which are one part, and how a text is divided.
        seed: of the random numbers.
    """
    rng = np.random.default_rng(seed)
    data = replace(data, valid_path=None, test_path=None)
    if data.records is None:
        codes = rng.integers(0, V, n, np.uint8)
        return Corpus(codes, Vocabulary(np.arange(V), data.tokens), "", *cut_points(n, data))
    vocabulary = Vocabulary(np.append(np.arange(V - 1), SYMBOLS[data.tokens]), data.tokens)
    low, high = _LENGTHS
    lengths = rng.integers(low, high + 1, max(1, 2 * n // (low + high + 2))) + 1
    ends = np.append(0, np.cumsum(lengths))
    codes = rng.integers(0, V - 1, ends[-1] + 1, np.uint8)
    codes[ends] = V - 1
    text = EncodedText(codes, vocabulary, "", (len(codes),))
    return RecordCorpus.undivided(text)  # a small fraction of few may be empty
