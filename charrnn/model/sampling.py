"""Generates text, one token after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from charrnn.kernels import Array
from charrnn.model.model import Model, States, quietly
from charrnn.model.sampling_params import SamplingParams
from charrnn.model.stepper import Stage, stepper
from charrnn.text.vocabulary import Vocabulary

_PRIME_WINDOW = 256  # steps of a prime that are read at a time, at most
_PRIME_LOGITS = 1 << 25  # of such a window, at most, unless one step has more


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
