"""Describe the lines of a text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from charrnn.text.corpus import Corpus

_MEASURED = 1_000_000  # characters at the start of a text, from which the rest is estimated


@dataclass(frozen=True)
class Lines:
    """The lines of a text."""

    count: int  # an estimate, for a long text
    median_chars: int  # length of the lines that are not empty


def lines_of(corpus: Corpus) -> Lines | None:
    """Return the number and the length of a text's lines; None with byte tokens."""
    if corpus.vocabulary.tokens != "char":
        return None
    newline = np.flatnonzero(corpus.vocabulary.symbols == ord("\n"))
    if not len(newline):
        return Lines(1, len(corpus.codes))
    codes = corpus.codes[:_MEASURED]
    lengths = np.diff(np.flatnonzero(codes == newline[0]), prepend=-1) - 1
    filled = lengths[lengths > 0]
    count = round(len(lengths) * len(corpus.codes) / len(codes))
    return Lines(count, int(np.median(filled)) if len(filled) else 0)
