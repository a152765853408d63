"""Generates text, one token after another."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from charrnn.config.values import Number
from charrnn.errors import SamplingError
from charrnn.kernels import Array
from charrnn.model.model import Model, States, quietly
from charrnn.model.stepper import Stage, stepper
from charrnn.text.vocabulary import Vocabulary

_PRIME_WINDOW = 256  # steps of a prime that are read at a time, at most
_PRIME_LOGITS = 1 << 25  # of such a window, at most, unless one step has more
_NOISE_NUMBERS = 1 << 16  # random numbers that are drawn at a time, about
_MOST_CHOICES = 64  # of one text, whose noise is drawn at a time
_OF_TEXTS = 0.8  # the temperature at which a text reads best: see tests/benchmarks/EXPERIMENTS.md
_NOT_NEGATIVE = Number(0, whole=True)
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


def checked_seed(seed: int | Sequence[int] | None) -> int | list[int]:
    """Return a seed of Python integers, a random one for None, or raise SamplingError."""
    if seed is None:
        return random_seed()
    if isinstance(seed, Sequence) and not isinstance(seed, (str, bytes)):
        return [checked_number("seed", one, _NOT_NEGATIVE) for one in seed]
    number: int = checked_number("seed", seed, _NOT_NEGATIVE)
    return number


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

    @classmethod
    def of(
        cls, vocabulary: Vocabulary, temperature: float | None = None, **others: Any
    ) -> SamplingParams:
        """Return the parameters for a model; None is the automatic temperature.

        It is 0.8 for a text, which then has fewer invented words, and 1 for records, which are then
        as varied as the data. `top_k` and `top_p` leave unlikely tokens out themselves, so with one
        of these it is 1 for a text, too.
        """
        if temperature is None:
            cuts = any(others.get(name) is not None for name in ("top_k", "top_p"))
            temperature = _OF_TEXTS if vocabulary.end is None and not cuts else 1.0
        return cls(temperature, **others)

    def noise(self, rngs: Sequence[np.random.Generator], V: int) -> Noise:
        """Return the noise of one choice after another; each of N texts has its own generator."""
        return Noise(rngs, V, self._temperature)

    def choose(self, logits: Array, noise: Array) -> Array:
        """Choose a code for each row of logits.

        The index of the largest of logits + temperature * Gumbel noise has the distribution
        softmax(logits / temperature) (Gumbel 1954; Maddison, Tarlow and Minka 2014), and needs
        neither an exponential nor a sum.

        Args:
            logits: (N, V).
            noise: (N, V), from `Noise.next`; overwritten.

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


class Noise:
    """The noise of choices: the temperature times a Gumbel variable for each token.

    A Gumbel variable is -log(e) for an exponential e, which is drawn in float64: in float32, one e
    in eight million would be 0 and select an impossible token. It is kept in float32, like the
    logits. Noise is drawn for many choices at once; how many changes no number.

    Args:
        rngs: the generator of each of N texts.
        V: number of tokens.
        temperature: factor of the noise.
    """

    def __init__(self, rngs: Sequence[np.random.Generator], V: int, temperature: float) -> None:
        self._rngs, self._V, self._temperature = list(rngs), V, temperature
        self._count = max(1, min(_MOST_CHOICES, _NOISE_NUMBERS // (len(rngs) * V)))
        self._block = np.empty((self._count, len(rngs), V), np.float32)
        self._at = self._count

    def next(self) -> Array:
        """Return the noise (N, V) of the next choice, which may be overwritten."""
        if self._at == self._count:
            self._at = 0
            self._draw(range(len(self._rngs)))
        self._at += 1
        noise: Array = self._block[self._at - 1]
        return noise

    def restart(self, rows: Sequence[int], rngs: Iterable[np.random.Generator]) -> None:
        """Give rows to other texts, whose generators draw all of their noise from the next on."""
        for row, rng in zip(rows, rngs, strict=False):
            self._rngs[row] = rng
        self._draw(rows)

    def _draw(self, rows: Sequence[int]) -> None:
        """Draw the rest of the block for some rows."""
        drawn = np.empty((len(rows), self._count - self._at, self._V))
        for row, exponentials in zip(rows, drawn, strict=True):
            self._rngs[row].standard_exponential(out=exponentials)
        noise = drawn.astype(np.float32)
        np.log(noise, out=noise)
        noise *= -self._temperature
        self._block[self._at :, rows] = noise.transpose(1, 0, 2)


def generators(seed: int | Sequence[int], numbers: Iterable[int]) -> Iterator[np.random.Generator]:
    """Yield the generators of texts, each of which depends on the seed and on its number alone.

    Text 0 draws from `default_rng(seed)`, text k from `default_rng([seed, k])`.

    Args:
        seed: of all texts.
        numbers: of the texts.
    """
    parts = seed if isinstance(seed, Sequence) else [seed]
    words = [word for part in parts for word in _words(part)]
    for k in numbers:
        # NumPy would make the same array of [seed, k], in twice the time.
        yield np.random.default_rng(np.array([*words, *_words(k)] if k else words, np.uint32))


def random_seed() -> int:
    """Return a seed of 64 bits from the system."""
    return int.from_bytes(os.urandom(8), "little")


def _words(number: int) -> list[int]:
    """Return the words of 32 bits of a whole number, the lowest first; at least one."""
    return [number >> shift & 0xFFFFFFFF for shift in range(0, max(1, number.bit_length()), 32)]


class Primed(NamedTuple):
    """A model that has read a prime."""

    states: States  # each (1, H)
    logits: Array  # (V,)


def read_prime(model: Model, prime: Array, features: Array | None = None) -> Primed:
    """Read a prime from zero states, or from those of features (F,), standardised.

    Without a prime, every token is equally likely.
    """
    logits = np.zeros(model.V, model.parameters.dtype)
    T = max(1, min(_PRIME_WINDOW, _PRIME_LOGITS // model.V))
    with model.lock:
        states = model.first_states(1, None if features is None else features[None])
        for start in range(0, len(prime), T):
            window = prime[start : start + T, None].astype(np.intp)  # (T, 1)
            all_logits, states, _ = model.forward(window, states)
            logits = all_logits[-1, 0].copy()
    return Primed(states, logits)


def generate(
    model: Model,
    prime: Array,
    params: SamplingParams,
    rngs: Sequence[np.random.Generator],
    features: Array | None = None,
) -> Iterator[Array]:
    """Read a prime, then yield the codes (N,) of N continuations, step by step, without end.

    Args:
        model: predicts.
        prime: (n,) codes. If there are none, the first token is drawn uniformly.
        params: how tokens are chosen.
        rngs: draw the random numbers, one generator for each continuation.
        features: (F,), standardised, of all continuations; None for a model without.
    """
    N, primed = len(rngs), read_prime(model, prime, features)
    logits = np.repeat(primed.logits[None], N, axis=0)  # (N, V)
    step, choose = steps(model, params, repeated(primed.states, N))
    noise = params.noise(rngs, model.V)
    while True:
        codes = choose(logits, noise.next())  # (N,)
        yield codes
        logits = step(codes)


def repeated(states: States, N: int) -> States:
    """Return the states of one text for N texts, in fresh arrays."""
    return [tuple(np.repeat(state, N, axis=0) for state in layer) for layer in states]


def steps(
    model: Model, params: SamplingParams, states: States
) -> tuple[Stage, Callable[[Array, Array], Array]]:
    """Return the functions that read and choose a token for each text."""
    step, choose = stepper(model, states), params.choose
    if np.geterr()["under"] != "ignore":  # not NumPy's default; the guards take time in each step
        return quietly(step), quietly(choose)
    return step, choose


def continuations(
    model: Model,
    vocabulary: Vocabulary,
    prime: Array,
    *,
    length: int,
    params: SamplingParams,
    rngs: Sequence[np.random.Generator],
    stop: str | None = None,
    features: Array | None = None,
) -> Iterator[list[str]]:
    """Yield the pieces of N continuations, step by step, until all have ended.

    Args:
        model: predicts.
        vocabulary: decodes.
        prime: (n,) codes, read as after a newline (see `Vocabulary.as_prime`). If there are none
            and the vocabulary has no newline, the first token is drawn uniformly. A record begins
            with the prime, and ends where the model predicts its end.
        length: characters of each continuation.
        params: how tokens are chosen.
        rngs: draw the random numbers, one generator for each of N continuations.
        stop: a continuation ends after this text.
        features: (F,), standardised, of all continuations; None for a model without.

    Yields:
        For each step, the new piece of each continuation: usually one character, and empty after
        the continuation has ended. If tokens are bytes, a piece may also be empty before.
    """
    prime = vocabulary.as_prime(prime)
    growing = [_Continuation(vocabulary, prime, length, stop) for _ in rngs]
    if length == 0:
        return
    for codes in generate(model, prime, params, rngs, features):
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
