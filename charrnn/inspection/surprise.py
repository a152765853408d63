"""The loss of each character of a text, in nats: how much it surprises a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from charrnn.kernels import Array
from charrnn.model.evaluation import read_windows
from charrnn.model.model import Model
from charrnn.text.streams import scoring_windows

_BEFORE = 30  # characters shown before a surprising one
_NEAR = 5  # characters; places nearer than that are one event
_SAME = 8  # characters before a surprising one, which make it the same event


class Surprise(NamedTuple):
    """A surprising character of a part of a text."""

    position: int  # in the part, from 0
    line: int  # from 1
    nats: float
    code: int
    before: Array  # codes of up to 30 characters before it, within the part


def nats_by_character(
    model: Model,
    codes: Array,
    start: int,
    end: int,
    advance: Callable[[int], object] = lambda _: None,
) -> Array:
    """Return the loss of each character from `start` to `end`, in nats, (end - start,).

    The mean is the loss that `charrnn.model.evaluation.score` returns. The first character of a
    text cannot be predicted; its loss is nan.

    Args:
        model: predicts.
        codes: (n,), the whole text.
        start, end: the part.
        advance: called with the number of characters after each window.
    """
    nats = np.full(end - start, np.nan, np.float32)
    for window in read_windows(model, scoring_windows(codes, start, end, model.V), model.score):
        positions = window.positions[window.scored] - start
        nats[positions] = window.result[window.scored]
        advance(len(positions))
    return nats


def most_surprising(codes: Array, nats: Array, lines: Array, count: int) -> list[Surprise]:
    """Return the most surprising characters of a part of a text, most surprising first.

    Each event is there once: a place is left out if a more surprising one is within 5 characters,
    or has the same character after the same 8.

    Args:
        codes: (n,), the part.
        nats: (n,), the loss of each character; nan for one that is not scored.
        lines: (n,), the line number of each character.
        count: how many, at most.
    """
    found: list[Surprise] = []
    seen: set[bytes] = set()
    covered = np.isnan(nats)  # (n,), places that show nothing new
    for i in np.argsort(-np.nan_to_num(nats, nan=-np.inf), kind="stable").tolist():
        if len(found) == count:
            break
        event = codes[max(0, i - _SAME) : i + 1].tobytes()
        if covered[i] or event in seen:
            continue
        seen.add(event)
        covered[max(0, i - _NEAR) : i + _NEAR + 1] = True
        before = codes[max(0, i - _BEFORE) : i]
        found.append(Surprise(i, int(lines[i]), float(nats[i]), int(codes[i]), before))
    return found
