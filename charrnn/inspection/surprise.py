"""The loss of each character of a text, in nats: how much it surprises a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from charrnn.kernels import Array
from charrnn.model.evaluation import read_windows
from charrnn.model.model import Model
from charrnn.text.reading import Reading

_BEFORE = 30  # characters shown before a surprising one
_NEAR = 5  # characters; places nearer than that are one event
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
    codes, numbers, places = reading.part, reading.numbers(), reading.places()
    begins = np.arange(len(codes)) - places  # (n,), of the text or the record, in the part
    found: list[Surprise] = []
    seen: set[bytes] = set()
    covered = np.isnan(nats)  # (n,), places that show nothing new
    for i in np.argsort(-np.nan_to_num(nats, nan=-np.inf), kind="stable").tolist():
        if len(found) == count:
            break
        begin = max(0, int(begins[i]))
        event = codes[max(begin, i - _SAME) : i + 1].tobytes()
        if covered[i] or event in seen:
            continue
        seen.add(event)
        near = slice(max(begin, i - _NEAR), i + _NEAR + 1)
        covered[near] |= begins[near] == begins[i]
        before = codes[max(begin, i - _BEFORE) : i]
        found.append(
            Surprise(i, int(numbers[i]), int(places[i]), float(nats[i]), int(codes[i]), before)
        )
    return found
