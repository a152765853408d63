"""Writes records: whole texts with a begin and an end, many side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

import numpy as np

from charrnn.config.schema import TABLES, DataConfig
from charrnn.errors import SamplingError, counted
from charrnn.kernels import Array
from charrnn.model.model import Model, quietly
from charrnn.model.sampling import read_prime, repeated, steps
from charrnn.model.sampling_params import SamplingParams, generators
from charrnn.text.record_reader import SEPARATORS
from charrnn.text.vocabulary import Vocabulary

_MOST_ATTEMPTS = 100  # for each record asked for
_STEPS = 256  # for whose codes there is memory, at least
_MOST_AHEAD = 1 << 14  # attempts that begin before the first of them has ended, about
_NONE = np.iinfo(np.intp).max  # the attempt of a row that waits


def separator_of(data: DataConfig, vocabulary: Vocabulary) -> str | None:
    """Return what stands between printed records; None for a text, which has none.

    It is the end of a line, or a blank line if the texts of a table have lines, too.
    """
    if data.records in TABLES and ord("\n") in vocabulary.symbols:
        return SEPARATORS["paragraph"]
    return SEPARATORS.get(data.records or "")


class SampledRecord(NamedTuple):
    """A record that a model has written."""

    attempt: int  # k; its random numbers depend on the seed and on k alone
    text: str  # without the prime
    log_prob: float  # nats, of the text and its end after the prime, at temperature 1
    ended: bool  # False if it reached the greatest length before its end


@dataclass(frozen=True)
class RecordSampler:
    """Writes records that begin with a prime, one attempt after another.

    Args:
        model: predicts.
        vocabulary: of records.
        prompt: (n,) codes, without an end; None for records without prompts.
        prime: (n,) codes at the beginning of each record or reply.
        length: tokens of a record without its prime and its end, at most.
        params: how tokens are chosen.
        seed: of all attempts.
        rows: attempts that are made side by side.
        features: (F,), standardised, of all attempts; None for a model without.
    """

    model: Model
    vocabulary: Vocabulary
    prompt: Array | None
    prime: Array
    length: int
    params: SamplingParams
    seed: int | Sequence[int]
    rows: int
    features: Array | None = None

    @property
    def prime_text(self) -> str:
        """The prime as the model reads it; a character that it only begins is left to the text."""
        return self.vocabulary.decode_after(self.prime[:0], self.prime)

    @property
    def _read_first(self) -> Array:
        if self.prompt is None:
            return self.prime
        return self.vocabulary.as_pair(self.vocabulary.as_read(self.prompt), self.prime)

    def _of_replies(self, logits: Array) -> Array:
        """Return logits (N, V) to choose from: a reply has no end of a prompt."""
        if self.vocabulary.prompt_end is None:
            return logits
        logits = logits.copy()
        logits[:, self.vocabulary.prompt_end] = -np.inf
        return logits

    def attempts(self, first: int = 0, stride: int = 1) -> Iterator[list[SampledRecord]]:
        """Yield every attempt, in order and without end, in lists of at least one.

        A row whose record has ended begins the next attempt at once, unless the rows are far ahead
        of one that writes a very long record: attempts after that one have to be held in memory.

        Args:
            first: number of the first attempt.
            stride: between the numbers of one attempt and the next.
        """
        return in_order(self._finished(first, stride), first, stride)

    def _finished(self, first: int, stride: int) -> Iterator[list[SampledRecord]]:
        """Yield the attempts that end at each step, where any does."""
        model, end, N = self.model, self.vocabulary.end, self.rows
        begin = np.append(np.array([end], self.vocabulary.code_dtype), self._read_first)
        primed = read_prime(model, begin, self.features)
        states = repeated(primed.states, N)
        logits = np.repeat(primed.logits[None], N, axis=0)  # (N, V)
        step, choose = steps(model, self.params, states)
        log_probability = quietly(_log_probability)
        rngs = generators(self.seed, count(first, stride))
        noise = self.params.noise([next(rngs) for _ in range(N)], model.V)
        numbers, following = first + stride * np.arange(N), first + stride * N
        codes_of = _Codes(N, self.vocabulary)
        log_probs = np.zeros(N)
        while True:
            codes = choose(self._of_replies(logits), noise.next())  # (N,)
            last_log_probs = log_probability(logits, codes)  # (N,)
            log_probs += last_log_probs
            lengths = codes_of.add(codes)  # (N,)
            logits = step(codes)
            ended = codes == end
            rows = ((ended | (lengths > self.length)) & (numbers != _NONE)).nonzero()[0]
            if not len(rows):
                continue
            written = codes_of.take(rows)
            texts = [self.vocabulary.decode_after(self.prime, codes) for codes in written]
            log_probs[rows] -= last_log_probs[rows] * ~ended[rows]  # a token after a cut
            values = numbers[rows].tolist(), texts, log_probs[rows].tolist(), ended[rows].tolist()
            yield [SampledRecord(*one) for one in zip(*values, strict=True)]
            numbers[rows] = _NONE
            if following - numbers.min() >= _MOST_AHEAD * stride:
                continue
            rows = (numbers == _NONE).nonzero()[0]
            noise.restart(rows.tolist(), rngs)
            codes_of.begin(rows)
            logits[rows] = primed.logits
            for layer, begin_of_layer in zip(states, primed.states, strict=True):
                for state, begin_state in zip(layer, begin_of_layer, strict=True):
                    state[rows] = begin_state
            log_probs[rows] = 0
            numbers[rows] = following + stride * np.arange(len(rows))
            following += stride * len(rows)


def in_order(
    attempts: Iterable[list[SampledRecord]], first: int = 0, stride: int = 1
) -> Iterator[list[SampledRecord]]:
    """Yield attempts in the order of their numbers, as soon as none before is missing."""
    waiting: dict[int, SampledRecord] = {}
    for some in attempts:
        waiting.update((record.attempt, record) for record in some)
        ready = []
        while first in waiting:
            ready.append(waiting.pop(first))
            first += stride
        if ready:
            yield ready


class _Codes:
    """The codes of the records that N rows are writing, step by step."""

    def __init__(self, N: int, vocabulary: Vocabulary) -> None:
        self._steps = np.empty((_STEPS, N), vocabulary.code_dtype)
        self._begin = np.zeros(N, np.intp)  # step at which each row's record began
        self._end = 0

    def add(self, codes: Array) -> Array:
        """Add a step's codes (N,); return the number of codes of each row (N,)."""
        if self._end == len(self._steps):
            kept = self._steps[self._begin.min() :]
            self._steps = np.empty((2 * len(kept) + _STEPS, len(codes)), kept.dtype)
            self._steps[: len(kept)] = kept
            self._begin -= self._end - len(kept)
            self._end = len(kept)
        self._steps[self._end] = codes
        self._end += 1
        lengths: Array = self._end - self._begin
        return lengths

    def take(self, rows: Array) -> list[Array]:
        """Return the records of rows (n,), without the code just added."""
        places = zip(rows.tolist(), self._begin[rows].tolist(), strict=True)
        return [self._steps[begin : self._end - 1, row] for row, begin in places]

    def begin(self, rows: Array) -> None:
        """Begin other records in rows (n,) with the next code."""
        self._begin[rows] = self._end


def _log_probability(logits: Array, codes: Array) -> Array:
    """Return the log-probability (N,) of codes under softmax(logits), in nats."""
    below_best = logits - logits.max(1, keepdims=True)  # (N, V)
    chosen = below_best[np.arange(len(codes)), codes]
    total = np.exp(below_best, out=below_best).dot(np.ones_like(below_best[0]))  # a fast sum
    found: Array = chosen - np.log(total)
    return found


class Selection:
    """Takes a number of records from attempts, and counts the attempts that it leaves out.

    Args:
        n: number of records.
        prime: text at the beginning of each.
        unique: leave out a record that has been taken before.
        known: returns which of a list of whole texts stand in the data; they are left out.
        keep_cut: take records that reached the greatest length before their end, too.
    """

    def __init__(
        self,
        n: int,
        prime: str = "",
        *,
        unique: bool = False,
        known: Callable[[Sequence[str]], Sequence[bool]] | None = None,
        keep_cut: bool = False,
    ) -> None:
        self._n, self._prime = n, prime
        self._unique, self._known, self._keep_cut = unique, known, keep_cut
        self._taken: set[str] = set()
        self.counts = {"repeats": 0, "known": 0, "cut": 0}

    def of(self, attempts: Iterable[list[SampledRecord]]) -> Iterator[SampledRecord]:
        """Yield the records that are taken.

        Raises:
            SamplingError: 100 times as many attempts were made as records are asked for.
        """
        taken, left = 0, _MOST_ATTEMPTS * self._n
        for some in attempts:
            for record, why in zip(some[:left], self._left_out(some), strict=False):
                if why:
                    self.counts[why] += 1
                    continue
                yield record
                taken += 1
                if taken == self._n:
                    return
            left -= len(some)
            if left <= 0:
                break
        raise SamplingError(
            f"only {taken:,} of {counted(self._n, 'record')} found in "
            f"{counted(_MOST_ATTEMPTS * self._n, 'attempt')}, which left out {self.summary}"
        )

    def _left_out(self, records: Sequence[SampledRecord]) -> Iterator[str]:
        """Yield for each record why it is left out, or an empty string; it is taken then."""
        known = self._known and self._known([self._prime + record.text for record in records])
        for k, record in enumerate(records):
            if not (record.ended or self._keep_cut):
                yield "cut"
            elif known and known[k]:
                yield "known"
            elif self._unique and record.text in self._taken:
                yield "repeats"
            else:
                if self._unique:
                    self._taken.add(record.text)
                yield ""

    @property
    def summary(self) -> str:
        """How many attempts were left out, and why; empty if none was."""
        counts = self.counts
        parts = {
            counted(counts["repeats"], "repeat"): counts["repeats"],
            f"{counted(counts['known'], 'record')} of the data": counts["known"],
            f"{counted(counts['cut'], 'record')} that reached the greatest length": counts["cut"],
        }
        return ", ".join(text for text, count in parts.items() if count)
