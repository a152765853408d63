"""Describe the lines or the records of a text, and find out which of them a text consists of."""

from __future__ import annotations

from itertools import chain

import numpy as np

from charrnn.config.schema import DataConfig
from charrnn.errors import counted
from charrnn.text.corpus import Corpus
from charrnn.text.decoding import read_symbols
from charrnn.text.files import find_files
from charrnn.text.records import RecordCorpus
from charrnn.text.remarks import shape_in
from charrnn.text.shape import READ, Shape

_MEASURED = 1_000_000  # characters at the start of a text, from which the rest is estimated


def lengths_in_words(corpus: Corpus) -> str:
    """Return the lengths of a text's records, or the number and the length of its lines.

    The result is "" for a text of one line, and for one that is read as bytes.
    """
    tokens = corpus.vocabulary.tokens
    if isinstance(corpus, RecordCorpus):
        records = np.diff(corpus.lengths.end, prepend=0)  # (k,), of each length
        order = np.argsort(corpus.lengths.length)
        half = np.searchsorted(records[order].cumsum(), records.sum() / 2)
        middle, longest = corpus.lengths.length[order[[half, -1]]].tolist()
        return f"a median of {counted(middle, tokens)} each, {longest:,} in the longest"
    newline = np.flatnonzero(corpus.vocabulary.symbols == ord("\n"))
    if tokens != "char" or not len(newline):
        return ""
    codes = corpus.codes[:_MEASURED]
    ends = np.flatnonzero(codes == newline[0])
    if codes[-1] != newline[0] and len(codes) == len(corpus.codes):
        ends = np.append(ends, len(codes))
    lengths = np.diff(ends, prepend=-1) - 1
    filled = lengths[lengths > 0]
    count = int(len(lengths) * len(corpus.codes) / len(codes) + 0.5)  # estimated if long
    median = int(np.median(filled)) if len(filled) else 0
    if count < 2:
        return ""
    return f"{counted(count, 'line')} with a median of {counted(median, tokens)}"


def find_shape(config: DataConfig) -> Shape | None:
    """Return whether the configured text is a list or consists of blocks; None for running text.

    Args:
        config: where the text is and how it is read; data.records is not looked at.

    Raises:
        TextError: the beginning of the text cannot be read.
    """
    pieces, n = [np.empty(0, np.uint32)], 0
    for piece in chain.from_iterable(
        read_symbols(file, config) for file in find_files(config.path)
    ):
        pieces.append(piece.astype(np.uint32))
        n += len(piece)
        if n > READ:
            break
    symbols = np.concatenate(pieces)
    return shape_in(symbols[:READ], config, cut=n > READ)
