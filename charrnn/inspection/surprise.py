"""What each character of a text costs a model, in nats."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from charrnn.kernels import Array
from charrnn.model.evaluation import read_windows
from charrnn.model.model import Model


class Place(NamedTuple):
    """A character of a text that was surprising."""

    place: int  # in the part that was scored, counted from 0
    line: int  # from 1
    nats: float


def nats_by_character(
    model: Model,
    codes: Array,
    start: int,
    end: int,
    scored: Callable[[int], object] = lambda _: None,
) -> Array:
    """Return what the characters from `start` to `end` of a text cost, in nats (end - start,).

    They are those of `charrnn.model.evaluation.score_windows`, so their mean is its loss. The first
    character of a text has nothing to be predicted from; it is nan. `scored` is told the number of
    characters after each window.
    """
    nats = np.full(end - start, np.nan, np.float32)
    for window in read_windows(model, codes, start, end, model.score):
        places = window.places[window.scored] - start
        nats[places] = window.found[window.scored]
        scored(len(places))
    return nats


def most_surprising(nats: Array, lines: Array, count: int) -> list[Place]:
    """Return the places that cost most, most first.

    Args:
        nats: (n,), nan where nothing was scored.
        lines: (n,), the line of each character.
        count: how many, at most.
    """
    order = np.argsort(-np.nan_to_num(nats, nan=-np.inf), kind="stable")[:count]
    return [Place(int(i), int(lines[i]), float(nats[i])) for i in order if not np.isnan(nats[i])]
