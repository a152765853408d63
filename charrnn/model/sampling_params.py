"""How a token is chosen from a distribution, and the random numbers that choose it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from charrnn.config.values import Number
from charrnn.errors import SamplingError
from charrnn.kernels import Array
from charrnn.text.vocabulary import Vocabulary

_NOISE_NUMBERS = 1 << 16  # random numbers that are drawn at a time, about
_MOST_CHOICES = 64  # of one text, whose noise is drawn at a time
_OF_TEXTS = 0.8  # the temperature at which a text reads best: see tests/benchmarks/EXPERIMENTS.md
_NOT_NEGATIVE = Number(0, whole=True)
_KINDS = {
    "temperature": Number(0),
    "top_k": Number(1, whole=True),
    "top_p": Number(0, 1, strict_low=True),
}
GREEDY_ALONE = (  # of an argument or an option beside `greedy`
    "{} chooses among likely characters, and {} (temperature 0) takes the likeliest; give one"
)


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
    like temperature 0, chooses the likeliest token, so it excludes the two.

    Raises:
        SamplingError: a number is of a wrong type or out of range, or two parameters exclude each
            other.
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
        for name in ("top_k", "top_p"):
            if getattr(self, name) is not None and (self.greedy or self.temperature == 0):
                raise SamplingError(GREEDY_ALONE.format(name, "greedy"))

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
