"""What the lines of a text are like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from charrnn.text.corpus import Corpus

_LOOKED_AT = 1_000_000  # characters, of a longer text


@dataclass(frozen=True)
class Lines:
    """How many there are, about, and how long."""

    count: int
    median_chars: int  # of those that are not empty


def lines_of(corpus: Corpus) -> Lines | None:
    """Look at the lines of a text; bytes have none."""
    if corpus.vocabulary.tokens != "char":
        return None
    newline = np.flatnonzero(corpus.vocabulary.symbols == ord("\n"))
    if not len(newline):
        return Lines(1, len(corpus.codes))
    codes = corpus.codes[:_LOOKED_AT]
    lengths = np.diff(np.flatnonzero(codes == newline[0]), prepend=-1) - 1
    filled = lengths[lengths > 0]
    count = round(len(lengths) * len(corpus.codes) / len(codes))
    return Lines(count, int(np.median(filled)) if len(filled) else 0)
