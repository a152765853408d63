"""Scores a text: measures how well a model predicts it, each token exactly once.

Several streams score a text in parallel, each a part of it. Every stream first reads the text
before its part without scoring it. Its state is then nearly that of a single stream, so the score
does not depend on the number of streams.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from charrnn.kernels import Array
from charrnn.model.model import Model, States

STREAMS = 64  # at most; a short text has fewer
WARM_UP = 256  # tokens that a stream reads before its part
WINDOW = 64  # steps, at most
_LOGITS = 1 << 24  # of a window, at most, unless one step of one stream has more


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


def score(model: Model, codes: Array, start: int, end: int, *, streams: int = STREAMS) -> Score:
    """Score the tokens from `start` to `end` of a text; see `score_windows`."""
    return sum(score_windows(model, codes, start, end, streams=streams), Score(0, 0.0))


def score_windows(
    model: Model,
    codes: Array,
    start: int,
    end: int,
    *,
    streams: int = STREAMS,
    share: tuple[int, int] = (0, 1),
) -> Iterator[Score]:
    """Score the tokens from `start` to `end` of a text, window by window.

    The first token of a text cannot be predicted and is not scored.

    Args:
        model: predicts.
        codes: (n,), the whole text; the tokens before `start` are context.
        start, end: the part to score.
        streams: number of parallel streams, at most; a large vocabulary allows fewer.
        share: (k, K) scores the k-th of K shares of the streams, which may be empty.

    Yields:
        The score of each window; their sum is the score of the part.
    """
    for window in read_windows(model, codes, start, end, model.score, streams=streams, share=share):
        nll_nats = window.result[window.scored]
        yield Score(len(nll_nats), float(nll_nats.sum(dtype=np.float64)))


class Window(NamedTuple):
    """A window of a text and what was computed from it, for n streams."""

    positions: Array  # (T, n), of the targets in the text
    scored: Array  # (T, n), False past the end of a stream
    result: Any  # (T, n, ...), from the function that read the window


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
    """Read a part of a text, window by window; see `score_windows` for the other arguments.

    Args:
        read: takes inputs and targets (T, n) and the states before them; returns a result
            (T, n, ...) and the states after them.
    """
    start = max(start, 1)
    N = max(1, min(streams, (end - start) // (4 * WARM_UP), _LOGITS // model.V))
    T = max(1, min(WINDOW, _LOGITS // (N * model.V)))
    length = -(-(end - start) // N)
    k, K = share
    mine = np.arange(N * k // K, N * (k + 1) // K)  # (n,)
    if not len(mine):  # such a share has as many windows as the others
        nothing = Window(np.empty((0, 0), np.intp), np.empty((0, 0), np.bool_), np.empty((0, 0)))
        yield from (nothing for _ in _windows(0, length, T))
        return
    first_input = start - 1 + length * mine  # (n,), position of each stream's first input
    stream_end = np.minimum(first_input + 1 + length, end)  # (n,), position after its last target

    def window(t0: int, t1: int) -> Array:
        return first_input + np.arange(t0, t1)[:, None]  # (t1 - t0, n), positions of inputs

    # The first stream may have less text before its part than the others. It reads position 0 until
    # its own text starts, and then starts from a zero state.
    states = model.zero_states(len(mine))
    before_first = min(WARM_UP, start - 1)
    for t0, t1 in _windows(-WARM_UP if N > 1 else 0, -before_first, T):
        positions = np.maximum(window(t0, t1), 0)
        _, states, _ = model.forward(codes[positions].astype(np.intp), states)
    for state in (s for layer in states for s in layer):
        state[mine == 0] = 0
    for t0, t1 in _windows(-before_first, 0, T):
        _, states, _ = model.forward(codes[window(t0, t1)].astype(np.intp), states)
    for t0, t1 in _windows(0, length, T):
        positions = window(t0, t1)
        scored = positions + 1 < stream_end  # (T, n)
        inputs = codes[np.minimum(positions, end - 2)].astype(np.intp)
        targets = codes[np.minimum(positions + 1, end - 1)].astype(np.intp)
        result, states = read(inputs, targets, states)
        yield Window(positions + 1, scored, result)


def _windows(start: int, end: int, T: int) -> Iterator[tuple[int, int]]:
    """Yield the start and end of consecutive windows of T steps; the last may be shorter."""
    for t0 in range(start, end, T):
        yield t0, min(t0 + T, end)
