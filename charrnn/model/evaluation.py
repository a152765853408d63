"""Scores a text: measures how well a model predicts it, each token exactly once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from charrnn.kernels import Array
from charrnn.model.model import Model, States
from charrnn.text.windows import ScoringWindow


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


def score(model: Model, windows: Iterable[ScoringWindow]) -> Score:
    """Return the score of all windows of a part; see `score_windows`."""
    return sum(score_windows(model, windows), Score(0, 0.0))


def score_windows(model: Model, windows: Iterable[ScoringWindow]) -> Iterator[Score]:
    """Yield the score of each window; their sum is the score of the part that the windows cover."""
    for window in read_windows(model, windows, model.score):
        nll_nats = window.result[window.scored]
        yield Score(len(nll_nats), float(nll_nats.sum(dtype=np.float64)))


class ReadWindow(NamedTuple):
    """What was computed from a window of n rows."""

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
            for state in (s for layer in states for s in layer):
                state[window.fresh] = 0
        if window.scored is None:
            _, states, _ = model.forward(window.inputs, states)
        elif not n:  # an empty share
            yield ReadWindow(window.positions, window.scored, np.empty((0, 0)))
        else:
            result, states = read(window.inputs, window.targets, states)
            yield ReadWindow(window.positions, window.scored, result)
