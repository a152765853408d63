"""The loss of each character of a text, in nats: how much it surprises a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np

from charrnn.kernels import Array
from charrnn.model.evaluation import read_windows
from charrnn.model.model import Model
from charrnn.text.reading import Reading

_BEFORE = 30  # characters shown before a surprising one
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
    before: Array  # codes of up to 30 characters before it, within the part and the record


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
    the same text or record, or has the same character after the same 8.

    Args:
        reading: the part.
        nats: (n,), the loss of each character; nan for one that is not scored.
        count: how many, at most.
    """
    codes = reading.part
    found = np.array([*islice(_events(reading, nats), count)], np.intp)
    begins, _ = reading.extents(found)
    before = [
        codes[max(begin, i - _BEFORE) : i]
        for i, begin in zip(found.tolist(), begins.tolist(), strict=True)
    ]
    columns = (found, reading.numbers(found), reading.places(found), nats[found], codes[found])
    return [*map(Surprise, *(one.tolist() for one in columns), before)]


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
