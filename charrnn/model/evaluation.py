"""Scores a text: measures how well a model predicts it and each line, each token exactly once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from charrnn.kernels import Array
from charrnn.model.model import Model, States
from charrnn.text.windows import ScoringWindow, Segments


@dataclass(frozen=True)
class Score:
    """The loss of a model on a text."""

    chars: int  # tokens that were scored
    nats: float  # loss, summed over them

    def __add__(self, other: Score) -> Score:
        return Score(self.chars + other.chars, self.nats + other.nats)

    @property
    def loss_nats(self) -> float:
        """Mean negative log-likelihood, in nats per token."""
        return self.nats / self.chars

    @property
    def bits_per_char(self) -> float:
        """The same in bits: the size of the text if compressed ideally with this model."""
        return self.loss_nats / math.log(2)

    @property
    def perplexity(self) -> float:
        """exp(loss_nats): the number of equally likely tokens that would have the same loss."""
        return math.exp(min(self.loss_nats, 700.0))

    def to_dict(self) -> dict[str, float]:
        """Return the four figures by name."""
        return {
            "chars": self.chars,
            "loss_nats": self.loss_nats,
            "bits_per_char": self.bits_per_char,
            "perplexity": self.perplexity,
        }


class Pieces(NamedTuple):
    """The losses of the lines or records in a window, or of the pieces of them that it has."""

    places: Array  # (k,) intp, of a target of each piece in the encoded text
    nats: Array  # (k,) float64, summed over its targets


@dataclass(frozen=True)
class WindowScore(Score):
    """The score of a window."""

    pieces: Pieces | None = field(default=None, compare=False)  # None: not asked for


def joined(shares: Sequence[WindowScore]) -> WindowScore:
    """Return the score of a window from those of its shares, which all have pieces or none."""
    total: Score = sum(shares[1:], shares[0])
    pieces = [share.pieces for share in shares if share.pieces is not None]
    together = Pieces(*map(np.concatenate, zip(*pieces, strict=True))) if pieces else None
    return WindowScore(total.chars, total.nats, together)


class SegmentScores:
    """The score of each line or record of a part, added up from the part's windows in any order.

    Args:
        segments: the lines or records.
    """

    def __init__(self, segments: Segments) -> None:
        self.segments = segments
        self._nats = np.zeros(len(segments.last))

    def add(self, window: WindowScore) -> None:
        """Add the pieces of a window."""
        assert window.pieces is not None
        places, nats = window.pieces
        np.add.at(self._nats, np.searchsorted(self.segments.last, places), nats)

    def __iter__(self) -> Iterator[Score]:
        for chars, nats in zip(self.segments.scored, self._nats, strict=True):
            yield Score(int(chars), float(nats))


def score(model: Model, windows: Iterable[ScoringWindow]) -> Score:
    """Return the score of all windows of a part; see `score_windows`."""
    return sum(score_windows(model, windows), Score(0, 0.0))


def score_windows(
    model: Model, windows: Iterable[ScoringWindow], separator: int | None = None
) -> Iterator[WindowScore]:
    """Yield the score of each window; their sum is the score of the part that the windows cover.

    Args:
        model: reads.
        windows: of a text, in their order.
        separator: the code that ends a line or a record, to return pieces too; None: none.
    """
    for window in read_windows(model, windows, model.score):
        nll_nats = window.result[window.scored]
        pieces = None if separator is None else _pieces(window, separator)
        yield WindowScore(len(nll_nats), float(nll_nats.sum(dtype=np.float64)), pieces)


def _pieces(window: ReadWindow, separator: int) -> Pieces:
    """Cut each row of a window after the targets that end a line or a record."""
    scored = window.scored.T  # row by row, m targets in all
    places = window.positions.T[scored]  # (m,)
    nll_nats = window.result.T[scored].astype(np.float64)  # (m,)
    if not len(places):
        return Pieces(places, nll_nats)
    ends = window.targets.T[scored][:-1] == separator  # (m - 1,)
    first = np.append(0, 1 + np.flatnonzero(ends | (np.diff(places) != 1)))  # (k,)
    return Pieces(places[first], np.add.reduceat(nll_nats, first))


class ReadWindow(NamedTuple):
    """What was computed from a window of n rows."""

    targets: Array  # (T, n), codes
    positions: Array  # (T, n), of the targets in the encoded text
    scored: Array  # (T, n), whether a target counts
    result: Any  # (T, n, ...), from the function that read the window


def read_windows(
    model: Model,
    windows: Iterable[ScoringWindow],
    read: Callable[[Array, Array, States], tuple[Any, States]],
) -> Iterator[ReadWindow]:
    """Read windows one after another, with the states of each row.

    Args:
        model: reads.
        windows: of a text, in their order.
        read: takes inputs and targets (T, n) and the states before them; returns a result
            (T, n, ...) and the states after them.

    Yields:
        A result for each window that has targets to score.
    """
    states = model.zero_states(0)
    for window in windows:
        n = window.inputs.shape[1]
        if len(states[0][0]) != n:
            states = model.zero_states(n)
        if window.fresh is not None:
            first = model.zero_states(n)
            if window.features is not None:
                first = model.first_states(n, window.features)
            for layer, of_layer in zip(states, first, strict=True):
                for state, begin in zip(layer, of_layer, strict=True):
                    state[window.fresh] = begin[window.fresh]
        if window.scored is None:
            _, states, _ = model.forward(window.inputs, states)
            continue
        result: Any = np.empty(window.inputs.shape)  # of an empty share
        if n:
            result, states = read(window.inputs, window.targets, states)
        yield ReadWindow(window.targets, window.positions, window.scored, result)
