"""The loss of each character of a text, in nats: how much it surprises a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np

from charrnn.inspection.glyphs import display_width, token_glyphs
from charrnn.kernels import Array
from charrnn.model.evaluation import read_windows
from charrnn.model.model import Model
from charrnn.text.reading import Reading
from charrnn.text.vocabulary import Vocabulary

BEFORE, AFTER = 20, 18  # columns of a terminal for the text around a character of one column
_NEAR = 5  # characters; places nearer than that are one event
_GROUP = 1 << 16  # losses that are put in order at a time, at first
_SAME = 8  # characters before a surprising one, which make it the same event


class Surprise(NamedTuple):
    """A surprising character of a part of a text."""

    position: int  # in the part, from 0
    number: int  # of the line, or of the record, from 1
    place: int  # in the text, or in the record, from 0
    nats: float
    code: int
    before: Array  # codes of the words before it, within the part and the record
    after: Array  # codes of the words after it, likewise


def nats_by_character(
    model: Model, reading: Reading, advance: Callable[[int], object] = lambda _: None
) -> Array:
    """Return the loss of each character of a part, in nats, (n,).

    The mean is the loss that `charrnn.model.evaluation.score` returns. The first character of a
    text cannot be predicted; its loss is nan.

    Args:
        model: predicts.
        reading: the part.
        advance: called with the number of characters after each window.
    """
    nats = np.full(len(reading.part), np.nan, np.float32)
    for window in read_windows(model, reading.windows(), model.score):
        positions = window.positions[window.scored] - reading.start
        nats[positions] = window.result[window.scored]
        advance(len(positions))
    return nats


def most_surprising(reading: Reading, nats: Array, count: int) -> list[Surprise]:
    """Return the most surprising characters of a part of a text, most surprising first.

    Each event is there once: a place is left out if a more surprising one is within 5 characters of
    the same text or record, or has the same character after the same 8. The text around it fits
    `BEFORE` and `AFTER` columns of `token_glyphs`: whole words, or as much as fits of a text
    without words.

    Args:
        reading: the part.
        nats: (n,), the loss of each character; nan for one that is not scored.
        count: how many, at most.
    """
    codes = reading.part
    found = np.array([*islice(_events(reading, nats), count)], np.intp)
    begins, ends = reading.extents(found)
    fitting = _Fitting(reading.vocabulary)
    around = [
        (
            fitting(codes[begin:i][::-1], BEFORE)[::-1],
            fitting(codes[i + 1 : end], AFTER + 1 - fitting.width[codes[i]]),
        )
        for i, begin, end in zip(found.tolist(), begins.tolist(), ends.tolist(), strict=True)
    ]
    columns = (found, reading.numbers(found), reading.places(found), nats[found], codes[found])
    rows = zip(*(one.tolist() for one in columns), around, strict=True)
    return [Surprise(*figures, *texts) for *figures, texts in rows]


class _Fitting:
    """Selects the words beside a place that fit some columns of a terminal."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        glyphs = token_glyphs(vocabulary, spaces=False)
        self.width = np.array([display_width(glyph) for glyph in glyphs])  # (V,)
        last = 0x7F if vocabulary.tokens == "byte" else 0x10FFFF  # bytes beyond are no spaces
        symbols = vocabulary.symbols.tolist()
        characters = [chr(symbol) if symbol <= last else "" for symbol in symbols]
        ends = np.arange(len(symbols)) >= vocabulary.size  # of records and prompts
        self._blank = np.array([one.isspace() for one in characters]) | ends  # (V,)
        # Characters of two columns are those of scripts that have no spaces between words.
        wide = np.array([display_width(one) == 2 for one in characters])
        self._in_word = ~(self._blank | wide)  # (V,)

    def __call__(self, codes: Array, columns: int) -> Array:
        """Return the first of codes (n,), which stand in the order of their distance."""
        near = codes[: columns + 1]
        fits = int(np.searchsorted(self.width[near].cumsum(), columns, side="right"))
        if fits == len(codes):
            return codes
        in_word = self._in_word[near]
        whole = fits
        if in_word[max(0, fits - 1) : fits + 1].all():  # the cut would be inside a word
            whole = int(np.flatnonzero(~in_word[:fits]).max(initial=-1)) + 1
        while whole and self._blank[near[whole - 1]]:
            whole -= 1
        return near[: whole or fits]


def _events(reading: Reading, nats: Array) -> Iterator[int]:
    """Yield the place of each event, most surprising first; see `most_surprising`."""
    codes, seen = reading.part, set[bytes]()
    covered = np.zeros(len(codes), np.bool_)  # (n,), places that show nothing new
    for group in _descending(nats):
        extents = zip(*(one.tolist() for one in reading.extents(group)), strict=True)
        for i, (begin, end) in zip(group.tolist(), extents, strict=True):
            event = codes[max(begin, i - _SAME) : i + 1].tobytes()
            if not covered[i] and event not in seen:
                seen.add(event)
                covered[max(begin, i - _NEAR) : min(end, i + _NEAR + 1)] = True
                yield i


def _descending(nats: Array) -> Iterator[Array]:
    """Yield the places of all losses but nan, largest first, in groups.

    An order of all would take more memory than the losses, and few are usually needed.
    """
    n, size = np.count_nonzero(~np.isnan(nats)), _GROUP
    low = high = np.nan  # no loss is at least nan
    while low != -np.inf:
        low = -_kth(-nats, size) if size < n else -np.inf
        places = np.flatnonzero((nats >= low) & ~(nats >= high))
        yield places[np.argsort(-nats[places], kind="stable")]
        high, size = low, 4 * size


def _kth(values: Array, k: int) -> float:
    """Return the k-th smallest of values, which are rearranged."""
    values.partition(k - 1)
    return float(values[k - 1])
