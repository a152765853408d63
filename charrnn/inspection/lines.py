"""The lines of a text, or the records, by how much they surprise a model on average."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

import numpy as np

from charrnn.kernels import Array
from charrnn.text.reading import Reading

_LONG = 10  # predicted characters of a line that is listed, or the median of all if they have fewer


class LineSurprise(NamedTuple):
    """A line or a record, with the mean loss of its predicted characters."""

    number: int  # of the line, or of the record, from 1
    text: str  # without its newline or end; a tab stands for the end of a prompt
    chars: int  # that are predicted, a newline or the end of a record included
    nats: float  # per character


class LinesBySurprise(NamedTuple):
    """Some lines or records of a part."""

    oddest: list[LineSurprise]  # most nats per character first
    typical: list[LineSurprise]  # nearest to the median of nats per character first


def lines_by_surprise(reading: Reading, nats: Array, count: int) -> LinesBySurprise:
    """Return the lines or records that surprise a model most, and those that do so as most do.

    The lines, and the nats per character of each, are those that `eval` scores one by one. Lines
    with fewer than 10 predicted characters are left out, or if most lines are shorter, those
    shorter than the median; blank lines, whose newline alone is predicted, are no lines here. Each
    text is there once.

    Args:
        reading: the part.
        nats: (n,), the loss of each character, from `nats_by_character`.
        count: how many of each kind, at most.
    """
    segments = reading.corpus.segments(*reading.bounds)
    first = segments.first - reading.start  # (S,)
    chars = np.add.reduceat(~np.isnan(nats), first, dtype=np.intp)  # (S,)
    total = np.add.reduceat(np.nan_to_num(nats), first, dtype=np.float64)  # (S,)
    mean = total / np.maximum(chars, 1)
    filled = chars[chars > 1]
    least = min(_LONG, int(np.median(filled))) if len(filled) else 1
    long = np.flatnonzero(chars >= least)
    odd = long[np.argsort(-mean[long], kind="stable")]
    distance = np.abs(mean[long] - np.median(mean[long])) if len(long) else mean[long]
    typical = long[np.argsort(distance, kind="stable")]

    def listed(order: Array) -> list[LineSurprise]:
        rows = _distinct((_text(reading, first[i], segments.last[i]), i) for i in order.tolist())
        texts, lines = zip(*islice(rows, count), strict=True) if len(order) and count else ((), ())
        places = np.array(lines, np.intp)
        figures = (reading.numbers(first[places]), chars[places], mean[places])
        numbers, sizes, means = (one.tolist() for one in figures)
        return [*map(LineSurprise, numbers, texts, sizes, means)]

    return LinesBySurprise(listed(odd), listed(typical))


def _text(reading: Reading, first: int, last: int) -> str:
    """Return the text from a place in the part to a place in the codes."""
    codes = reading.part[first : last + 1 - reading.start]
    return reading.vocabulary.decode(codes).removesuffix("\n")


def _distinct(rows: Iterable[tuple[str, int]]) -> Iterable[tuple[str, int]]:
    seen = set[str]()
    for text, line in rows:
        if text not in seen:
            seen.add(text)
            yield text, line
