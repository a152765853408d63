"""Generates text, one token after another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from charrnn.config.values import Number
from charrnn.errors import SamplingError
from charrnn.kernels import Array
from charrnn.model.model import Model, quietly
from charrnn.model.stepper import stepper
from charrnn.text.vocabulary import Vocabulary

_PRIME_WINDOW = 256  # steps of a prime that are read at a time, at most
_PRIME_LOGITS = 1 << 25  # of such a window, at most, unless one step has more
_NOISE_NUMBERS = 1 << 14  # random numbers that are drawn at a time
_KINDS = {
    "temperature": Number(0),
    "top_k": Number(1, whole=True),
    "top_p": Number(0, 1, strict_low=True),
}


def checked_number(name: str, value: Any, kind: Number) -> Any:
    """Return an argument as a Python number; it may be one of NumPy's.

    Raises:
        SamplingError: it is not a number of this kind; the error names the argument.
    """
    number = value.item() if isinstance(value, np.generic) else value
    if not isinstance(number, (int, float)) or isinstance(number, bool):
        raise SamplingError(f"{name}: is of type {type(value).__name__}, not {kind}")
    try:
        return kind.parse(number)
    except ValueError as error:
        raise SamplingError(f"{name}: {error}") from None


@dataclass(frozen=True)
class SamplingParams:
    """How the next token is chosen from the model's distribution.

    `top_k` keeps the k likeliest tokens. `top_p` keeps the fewest likeliest tokens whose
    probabilities, after the temperature, sum to at least `top_p` (Holtzman et al. 2020). `greedy`,
    like temperature 0, chooses the likeliest token.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    greedy: bool = False

    def __post_init__(self) -> None:
        for name, kind in _KINDS.items():
            value = getattr(self, name)
            if value is not None or name == "temperature":
                object.__setattr__(self, name, checked_number(name, value, kind))

    def noise(self, N: int, V: int, rng: np.random.Generator) -> Iterator[Array]:
        """Yield noise (N, V) for one choice after another, without end.

        The noise is the temperature times a Gumbel variable, which is -log(e) for an exponential e.
        It is drawn for many choices at once, in float64: in float32, one e in eight million would
        be 0 and select an impossible token. It is kept in float32, like the logits.
        """
        count = max(1, _NOISE_NUMBERS // (N * V))
        while True:
            noise = rng.standard_exponential((count, N, V)).astype(np.float32)
            np.log(noise, out=noise)
            noise *= -self._temperature
            yield from noise

    def choose(self, logits: Array, noise: Array) -> Array:
        """Choose a code for each row of logits.

        The index of the largest of logits + temperature * Gumbel noise has the distribution
        softmax(logits / temperature) (Gumbel 1954; Maddison, Tarlow and Minka 2014), and needs
        neither an exponential nor a sum.

        Args:
            logits: (N, V).
            noise: (N, V), from `noise`; overwritten.

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
        """Return the summed probability of the tokens before each, for descending logits (N, V)."""
        below_best = np.subtract(ranked, ranked[:, :1], dtype=np.float64)
        weights = np.exp(below_best / self._temperature)
        cumulative = np.cumsum(weights, axis=1)
        likelier: Array = (cumulative - weights) / cumulative[:, -1:]
        return likelier

    @property
    def _temperature(self) -> float:
        """The temperature, within bounds that change no choice and prevent overflow."""
        return min(max(self.temperature, 1e-30), 1e30)


def generate(
    model: Model, prime: Array, N: int, params: SamplingParams, rng: np.random.Generator
) -> Iterator[Array]:
    """Read a prime, then yield the codes (N,) of N continuations, step by step, without end.

    Args:
        model: predicts.
        prime: (n,) codes. If there are none, the first token is drawn uniformly.
        N: number of continuations.
        params: how tokens are chosen.
        rng: draws the random numbers.
    """
    states = model.zero_states(1)
    logits = np.zeros((1, model.V), np.float32)
    T = max(1, min(_PRIME_WINDOW, _PRIME_LOGITS // model.V))
    with model.lock:
        for start in range(0, len(prime), T):
            window = prime[start : start + T, None].astype(np.intp)  # (T, 1)
            all_logits, states, _ = model.forward(window, states)
            logits = all_logits[-1]
        logits = np.repeat(logits, N, axis=0)  # (N, V), a copy
    step = stepper(model, [tuple(np.repeat(s, N, axis=0) for s in layer) for layer in states])
    choose = params.choose
    if np.geterr()["under"] != "ignore":  # not NumPy's default; the guards take time in each step
        step, choose = quietly(step), quietly(choose)
    for noise in params.noise(N, model.V, rng):
        codes = choose(logits, noise)  # (N,)
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
    """Yield the pieces of N continuations, step by step, until all have ended.

    Args:
        model: predicts.
        vocabulary: decodes.
        prime: (n,) codes. If there are none, the text starts as after a newline, or with a token
            drawn uniformly if the vocabulary has no newline. A record begins with it, and ends
            where the model predicts its end.
        N: number of continuations.
        length: characters of each continuation.
        params: how tokens are chosen.
        rng: draws the random numbers.
        stop: a continuation ends after this text.

    Yields:
        For each step, the new piece of each continuation: usually one character, and empty after
        the continuation has ended. If tokens are bytes, a piece may also be empty before.
    """
    if vocabulary.end is not None:
        prime = np.append(np.array([vocabulary.end], vocabulary.code_dtype), prime)
    elif not len(prime):
        newline = vocabulary.symbols_of("\n")
        prime = vocabulary.encode(newline, "newline", skip_unknown=True)
    growing = [_Continuation(vocabulary, prime, length, stop) for _ in range(N)]
    if length == 0:
        return
    for codes in generate(model, prime, N, params, rng):
        yield [one.take(code) for one, code in zip(growing, codes.tolist(), strict=True)]
        if all(one.ended for one in growing):
            return


class _Continuation:
    """Decodes one continuation, counts its characters and looks for the stop text."""

    def __init__(self, vocabulary: Vocabulary, prime: Array, length: int, stop: str | None) -> None:
        self._decode = vocabulary.decoder(prime)
        self._end = vocabulary.end
        self._left = length
        self._stop = stop
        self._tail = ""  # the last characters, which may be the start of the stop text
        self.ended = False

    def take(self, code: int) -> str:
        """Return the piece that a code adds."""
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
        self.ended = self.ended or self._left == 0 or code == self._end
        return piece
