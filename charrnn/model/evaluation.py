"""How well a model predicts a text: every character scored exactly once.

A text is scored by several streams at a time. Each stream first reads, unscored, the text before
its part, so that its state is nearly what a single stream's would be and the figure does not
depend on how many there are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from charrnn.kernels import Array
from charrnn.model.model import Model, States

STREAMS = 64  # at most; short texts have fewer
WARM_UP = 256  # characters that a stream reads, unscored, before its part
WINDOW = 64  # steps, at most
_LOGITS = 1 << 24  # of a window, at most, as long as a step of one stream has no more


@dataclass(frozen=True)
class Score:
    """What a text cost a model."""

    chars: int  # scored
    nats: float  # in all

    def __add__(self, other: Score) -> Score:
        return Score(self.chars + other.chars, self.nats + other.nats)

    @property
    def loss_nats(self) -> float:
        """Mean negative log-likelihood, nats per character."""
        return self.nats / self.chars

    @property
    def bits_per_char(self) -> float:
        """The same in bits: what an ideal compressor with this model would need."""
        return self.loss_nats / math.log(2)

    @property
    def perplexity(self) -> float:
        """exp(loss_nats): how many equally likely characters it is like choosing from."""
        return math.exp(min(self.loss_nats, 700.0))

    def to_dict(self) -> dict[str, float]:
        """Return the four figures by name."""
        return {
            "chars": self.chars,
            "loss_nats": self.loss_nats,
            "bits_per_char": self.bits_per_char,
            "perplexity": self.perplexity,
        }


def score(
    model: Model,
    codes: Array,
    start: int,
    end: int,
    *,
    streams: int = STREAMS,
    scored: Callable[[int], object] = lambda _: None,
) -> Score:
    """Score the characters from `start` to `end` of a text; see `score_windows`.

    `scored` is told the number of characters after each window.
    """
    total = Score(0, 0.0)
    for window in score_windows(model, codes, start, end, streams=streams):
        total += window
        scored(window.chars)
    return total


def score_windows(
    model: Model,
    codes: Array,
    start: int,
    end: int,
    *,
    streams: int = STREAMS,
    share: tuple[int, int] = (0, 1),
) -> Iterator[Score]:
    """Score the characters from `start` to `end` of a text, window by window.

    The first character of a text has nothing to be predicted from and is not scored.

    Args:
        codes: (n,) the whole text; what lies before `start` serves as context.
        start, end: the part to score.
        streams: upper bound on the parallel streams; with a very large vocabulary there are fewer.
        share: (k, K) reads the k-th of K parts of the streams, and nothing where it has none.

    Yields:
        The score of each window; their sum is the part's.
    """
    for window in read_windows(model, codes, start, end, model.score, streams=streams, share=share):
        nll_nats = window.found[window.scored]
        yield Score(len(nll_nats), float(nll_nats.sum(dtype=np.float64)))


class Window(NamedTuple):
    """A window of a text that was read."""

    places: Array  # (T, n), in the text, of what is predicted
    scored: Array  # (T, n), False past a stream's end
    found: Any  # what was made of it, (T, n, ...)


def read_windows(
    model: Model,
    codes: Array,
    start: int,
    end: int,
    read: Callable[[Array, Array, States], tuple[Any, States]],
    *,
    streams: int = STREAMS,
    share: tuple[int, int] = (0, 1),
) -> Iterator[Window]:
    """Read a part of a text, window by window; see `score_windows`.

    Args:
        read: takes inputs and targets (T, n) and the states before them; returns what it makes of
            them, and the states after.
    """
    start = max(start, 1)
    N = max(1, min(streams, (end - start) // (4 * WARM_UP), _LOGITS // model.V))
    T = max(1, min(WINDOW, _LOGITS // (N * model.V)))
    length = -(-(end - start) // N)
    k, K = share
    mine = np.arange(N * k // K, N * (k + 1) // K)  # (n,)
    if not len(mine):
        nothing = Window(np.empty((0, 0), np.intp), np.empty((0, 0), np.bool_), np.empty((0, 0)))
        yield from (nothing for _ in _windows(0, length, T))
        return
    first_input = start - 1 + length * mine  # (n,), of each stream
    stream_end = np.minimum(first_input + 1 + length, end)  # (n,), of its targets

    def window(t0: int, t1: int) -> Array:
        return first_input + np.arange(t0, t1)[:, None]  # (t1 - t0, n), places in the text

    # The first stream may have less text before it than the others: it joins them with a fresh
    # state when theirs begins. What it has read until then does not matter.
    states = model.zero_states(len(mine))
    before_first = min(WARM_UP, start - 1)
    for t0, t1 in _windows(-WARM_UP if N > 1 else 0, -before_first, T):
        places = np.maximum(window(t0, t1), 0)
        _, states, _ = model.forward(codes[places].astype(np.intp), states)
    for state in (s for layer in states for s in layer):
        state[mine == 0] = 0
    for t0, t1 in _windows(-before_first, 0, T):
        _, states, _ = model.forward(codes[window(t0, t1)].astype(np.intp), states)
    for t0, t1 in _windows(0, length, T):
        places = window(t0, t1)
        scored = places + 1 < stream_end  # (T, n), False past a stream's end
        inputs = codes[np.minimum(places, end - 2)].astype(np.intp)
        targets = codes[np.minimum(places + 1, end - 1)].astype(np.intp)
        found, states = read(inputs, targets, states)
        yield Window(places + 1, scored, found)


def _windows(start: int, end: int, T: int) -> Iterator[tuple[int, int]]:
    for t0 in range(start, end, T):
        yield t0, min(t0 + T, end)
