"""A generator of characters."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from charrnn.errors import SamplingError
from charrnn.kernels import Array
from charrnn.model.model import Model
from charrnn.model.stepper import stepper
from charrnn.text.vocabulary import Decoder, Vocabulary

_PRIME_WINDOW = 256  # steps of a prime read at a time, at most
_PRIME_LOGITS = 1 << 25  # of such a window, at most, as long as one step has no more
_NOISE_NUMBERS = 1 << 14  # random numbers drawn at a time


@dataclass(frozen=True)
class SamplingParams:
    """How the next character is chosen from the model's distribution.

    `top_k` keeps the k likeliest characters, `top_p` the fewest likeliest that together have at
    least that probability (Holtzman et al. 2020); both are applied after the temperature. Greedy,
    or temperature 0, takes the likeliest.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    greedy: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < math.inf:
            raise SamplingError(f"temperature {self.temperature}: must be a number of at least 0")
        if self.top_k is not None and self.top_k < 1:
            raise SamplingError(f"top_k {self.top_k}: must be at least 1, or None")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise SamplingError(f"top_p {self.top_p}: must be above 0 and at most 1, or None")

    def noise(self, N: int, V: int, rng: np.random.Generator) -> Iterator[Array]:
        """Yield the noise (N, V) of one choice after another, without end.

        It is the temperature times Gumbel's distribution, -log(e) for an exponential e, drawn for
        many choices at once. Drawn in float64, as in float32 one e in eight million is 0 and would
        let the impossible happen; kept in float32, which rounds it no coarser than the logits are.
        """
        count = max(1, _NOISE_NUMBERS // (N * V))
        while True:
            noise = rng.standard_exponential((count, N, V)).astype(np.float32)
            np.log(noise, out=noise)
            noise *= -self._temperature
            yield from noise

    def choose(self, logits: Array, noise: Array) -> Array:
        """Return a code for each row of logits.

        The place of the largest of logits + temperature * Gumbel noise has the distribution
        softmax(logits / temperature) (Gumbel 1954; Maddison, Tarlow and Minka 2014), and takes
        neither an exponential nor a sum.

        Args:
            logits: (N, V).
            noise: (N, V), from `noise`; used up.

        Returns:
            codes: (N,).
        """
        codes: Array
        if self.greedy or self.temperature == 0:
            codes = logits.argmax(1)
        elif self.top_k is None and self.top_p is None:
            codes = np.add(logits, noise, out=noise).argmax(1)
        else:
            order = np.argsort(-logits, axis=1, kind="stable")  # (N, V), likeliest first
            rows = np.arange(len(logits))
            ranked = logits[rows[:, None], order]  # (N, V), descending
            noise += ranked
            if self.top_p is not None:
                noise[self._likelier(ranked) >= self.top_p] = -np.inf
            codes = order[rows, noise[:, : self.top_k].argmax(1)]
        return codes

    def _likelier(self, ranked: Array) -> Array:
        """Return for each of logits (N, V) in descending order the probability of those before."""
        below_best = np.subtract(ranked, ranked[:, :1], dtype=np.float64)
        weights = np.exp(below_best / self._temperature)
        cumulative = np.cumsum(weights, axis=1)
        likelier: Array = (cumulative - weights) / cumulative[:, -1:]
        return likelier

    @property
    def _temperature(self) -> float:
        """The temperature, within bounds beyond which it changes nothing but may overflow."""
        return min(max(self.temperature, 1e-30), 1e30)


def generate(
    model: Model, prime: Array, N: int, params: SamplingParams, rng: np.random.Generator
) -> Iterator[Array]:
    """Read a prime, then yield the codes (N,) of N continuations, without end.

    Args:
        prime: (n,) codes; where there are none, the first character is drawn evenly.
        N: continuations side by side.
    """
    states = model.zero_states(N)
    logits = np.zeros((N, model.V), np.float32)
    T = max(1, min(_PRIME_WINDOW, _PRIME_LOGITS // (N * model.V)))
    for start in range(0, len(prime), T):
        window = prime[start : start + T].astype(np.intp)
        codes = np.repeat(window[:, None], N, axis=1)  # (T, N)
        all_logits, states, _ = model.forward(codes, states)
        logits = all_logits[-1]
    step = stepper(model, states)
    for noise in params.noise(N, model.V, rng):
        codes = params.choose(logits, noise)  # (N,)
        yield codes
        logits = step(codes)


def continuations(
    model: Model,
    vocabulary: Vocabulary,
    prime: Array,
    *,
    N: int,
    length: int,
    params: SamplingParams,
    rng: np.random.Generator,
    stop: str | None = None,
) -> Iterator[list[str]]:
    """Yield what N continuations grow by, step by step, until all have ended.

    Args:
        prime: (n,) codes. Where there are none, the text starts as after a line's end, or where
            the vocabulary has none, with a character drawn evenly.
        length: characters of each continuation.
        stop: a text after which a continuation ends.

    Yields:
        N strings of whole code points, each often one character, and empty once it has ended.
    """
    if length < 0 or N < 1:
        raise SamplingError(f"length {length}, N {N}: length must be at least 0, N at least 1")
    if not len(prime):
        newline = vocabulary.symbols_of("\n")
        prime = vocabulary.encode(newline, "newline", skip_unknown=True)
    growing = [_Continuation(vocabulary.decoder(), length, stop) for _ in range(N)]
    if length == 0:
        return
    for codes in generate(model, prime, N, params, rng):
        yield [one.take(code) for one, code in zip(growing, codes.tolist(), strict=True)]
        if all(one.ended for one in growing):
            return


def sample_in_training(
    model: Model, vocabulary: Vocabulary, length: int, seed: Sequence[int]
) -> Iterator[str]:
    """Yield, piece by piece, a text of the model as it is, begun as after a line's end."""
    rng, none = np.random.default_rng(seed), np.empty(0, np.intp)
    for (piece,) in continuations(
        model, vocabulary, none, N=1, length=length, params=SamplingParams(), rng=rng
    ):
        yield piece


class _Continuation:
    """One text as it grows: decodes, counts characters, looks for the stop text."""

    def __init__(self, decoder: Decoder, length: int, stop: str | None) -> None:
        self._decode = decoder
        self._left = length
        self._stop = stop
        self._tail = ""  # the newest characters, in which the stop text may have begun
        self.ended = False

    def take(self, code: int) -> str:
        if self.ended:
            return ""
        piece = self._decode(code)[: self._left]
        if self._stop:
            recent = self._tail + piece
            found = recent.find(self._stop)
            if found >= 0:
                piece = piece[: found + len(self._stop) - len(self._tail)]
                self.ended = True
            self._tail = recent[-(len(self._stop) - 1) :] if len(self._stop) > 1 else ""
        self._left -= len(piece)
        self.ended = self.ended or self._left == 0
        return piece
