"""What can be named of each place in a text: where in its line it is, what it is inside of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from charrnn.kernels import Array
from charrnn.text.vocabulary import Vocabulary

_OPENING, _CLOSING = "([{", ")]}"


_BEFORE = 10_000  # characters before a part that are looked at, too
_AT_ONCE = 1 << 20  # characters


def line_numbers(codes: Array, vocabulary: Vocabulary, start: int, end: int) -> Array:
    """Return the line of each character from `start` to `end`, from 1; its end belongs to it."""
    is_newline = vocabulary.symbols == ord("\n")
    before = sum(
        np.count_nonzero(is_newline[codes[i : min(start, i + _AT_ONCE)]])
        for i in range(0, start, _AT_ONCE)
    )
    ends = is_newline[codes[start:end]]
    lines: Array = 1 + before + np.cumsum(ends) - ends
    return lines


def text_features(codes: Array, vocabulary: Vocabulary, start: int, end: int) -> dict[str, Array]:
    """Return what can be named of each character from `start` to `end`, as numbers (end - start,).

    Quotes and brackets are counted from the last blank line on, so that one which is never closed
    does not turn all that follows. A character is inside of what it opens.
    """
    first = max(0, start - _BEFORE)
    codes = codes[first:end]
    text = _Text(codes, vocabulary)
    newline = text.has(lambda c: c == "\n")
    line_start = _last(newline)
    seen = _last(~text.has(lambda c: c == "\r"))  # the last character that is no CR
    before = np.concatenate(([-1], seen[:-1]))
    blank = newline & ((before < 0) | newline[before])
    paragraph_start = _last(blank)
    indent = text.has(lambda c: c in " \t")
    indent &= _last(~indent) == line_start

    straight = _since(np.cumsum(text.has(lambda c: c == '"')), paragraph_start) % 2 == 1
    opening, closing = ("„«", "“”»") if text.has(lambda c: c == "„").any() else ("“«", "”»")
    opened = _last(text.has(lambda c: c in opening))
    curved = (opened > _last(text.has(lambda c: c in closing))) & (opened > paragraph_start)
    bracket = text.has(lambda c: c in _OPENING).astype(np.int64)
    bracket -= text.has(lambda c: c in _CLOSING)
    depth = _since(np.cumsum(bracket), paragraph_start)
    # The lowest depth so far, of each paragraph by itself: what is closed unopened opens nothing.
    apart = 2 * len(codes) * np.cumsum(blank)
    lowest = np.minimum(0, np.minimum.accumulate(depth - apart) + apart)
    place = np.arange(len(codes))
    features = {
        "position in the line": place - line_start,
        "inside quotes": straight | curved,
        "inside brackets": depth > lowest,
        "inside a word": text.has(str.isalpha),
        "capital letter": text.has(str.isupper),
        "newline": newline,
        "indentation": _since(np.cumsum(indent), line_start),
        "distance from the last blank line": place - paragraph_start,
    }
    return {name: feature[start - first :].astype(float) for name, feature in features.items()}


class _Text:
    """A text whose characters are asked about one by one of the vocabulary, not of the text."""

    def __init__(self, codes: Array, vocabulary: Vocabulary) -> None:
        self._codes = codes
        # Of bytes those beyond ASCII are taken for parts of letters.
        last = 0x7F if vocabulary.tokens == "byte" else 0x10FFFF
        self._characters = [chr(s) if s <= last else "ª" for s in vocabulary.symbols.tolist()]

    def has(self, holds: Callable[[str], bool]) -> Array:
        """Return for each place whether its character has a property, (n,)."""
        found: Array = np.array([holds(c) for c in self._characters])[self._codes]
        return found


def _last(marked: Array) -> Array:
    """Return for each place the last marked one at or before it, -1 where there is none."""
    return np.maximum.accumulate(np.where(marked, np.arange(len(marked)), -1))


def _since(counts: Array, start: Array) -> Array:
    """Return what has been counted after each place's start; a start of -1 is the beginning."""
    before = np.concatenate(([0], counts))[start + 1]
    difference: Array = counts - before
    return difference
