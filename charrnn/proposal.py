"""A configuration for a text and this machine: how large a model, how long, and what it will take.

The machine's speed is measured with the model and the text themselves, so that the minutes are
those of a training with everything that belongs to it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np

from charrnn.automatic import resolved
from charrnn.backends import compiling_note
from charrnn.benchmark import training_step
from charrnn.config import Config
from charrnn.corpus import Corpus, load_corpus
from charrnn.limits import Limits
from charrnn.parameters import initial_parameters, training_flops
from charrnn.recipe import MOST_EPOCHS, settled, work_for
from charrnn.text_sizes import check_sizes
from charrnn.worker import Job
from charrnn.workers import new_team

_ASSUMED_FLOPS = 1e11  # a second, before anything is measured
_MEASURED_S = 1.5  # or a twentieth of the time asked for, where that is less
_START_S = 1.0  # until the first step
_FEW_EPOCHS = 4  # for fewer the length is given in steps


@dataclass(frozen=True)
class Lines:
    """What a text's lines are like."""

    count: int
    median_chars: int  # of those that are not empty


@dataclass(frozen=True)
class Proposal:
    """A configuration with every value settled, and what it rests on."""

    config: Config
    chars: int
    V: int
    lines: Lines | None  # of a text of characters
    chars_per_s: float  # in training
    estimated_s: float  # of the whole training


def propose(
    config: Config, minutes: float | None = None, note: Callable[[str], object] = lambda _: None
) -> Proposal:
    """Settle what a configuration leaves open for its text, this machine and a number of minutes.

    Args:
        config: as it was written; what is given is kept.
        minutes: that the training may take; by default as many as suit the text.
        note: told what takes a while before there is anything to see.

    Raises:
        CharRNNError: for whatever would keep a training from starting.
    """
    corpus = load_corpus(config.data, note)
    chars, V = len(corpus.codes), len(corpus.vocabulary)
    work, measured_s = work_for(corpus.train_end), _MEASURED_S
    if minutes is not None:
        measured_s = min(_MEASURED_S, 60 * minutes / 20)
        work = _work(config, corpus, 60 * minutes, measured_s, note)
    sized = settled(config, chars, V, work=work)
    check_sizes(corpus, sized)
    speed = _speed(sized, corpus, measured_s, note)
    if minutes is not None and Limits.of(config.train, 1) == Limits(1, None):
        sized = _fitted(config, corpus, sized, speed, work, 60 * minutes)
    return Proposal(
        sized, chars, V, _lines(corpus), speed.train_chars_per_s, _seconds(sized, corpus, speed)
    )


@dataclass(frozen=True)
class _Speed:
    train_chars_per_s: float
    eval_chars_per_s: float


def _work(
    config: Config,
    corpus: Corpus,
    seconds: float,
    measured_s: float,
    note: Callable[[str], object],
) -> float:
    """Return the operations that this machine does in a time with a model that suits them.

    A smaller model does fewer in a second, and which one suits depends on how many there are: one
    measurement with the model of a first guess settles it.
    """
    chars, V = len(corpus.codes), len(corpus.vocabulary)
    guess = settled(config, chars, V, work=_ASSUMED_FLOPS * seconds)
    check_sizes(corpus, guess)
    return (
        _speed(guess, corpus, measured_s, note).train_chars_per_s
        * training_flops(guess.model, V)
        * seconds
    )


def _speed(config: Config, corpus: Corpus, seconds: float, note: Callable[[str], object]) -> _Speed:
    """Measure training for so many seconds, and evaluation for a fifth of that."""
    V = len(corpus.vocabulary)
    config = resolved(config, V)
    if config.train.backend == "numba" and (compiling := compiling_note()):
        note(compiling)
    job = Job(config, V, corpus.codes, corpus.train_end)
    window = config.train.batch_size * config.train.seq_length
    with closing(new_team(job)) as team:
        team.parameters[...] = initial_parameters(config.model, V, config.seed)
        step = training_step(team)
        step()
        scored = min(len(job.codes), 100_000)
        return _Speed(
            window * _rate(step, seconds),
            scored * _rate(lambda: list(team.score_windows(0, scored)), seconds / 5),
        )


def _rate(run: Callable[[], object], seconds: float) -> float:
    """Return how often a second something is done."""
    start, count = time.perf_counter(), 0
    while (elapsed_s := time.perf_counter() - start) < seconds or count < 2:
        run()
        count += 1
    return count / elapsed_s


def _fitted(
    config: Config, corpus: Corpus, sized: Config, speed: _Speed, work: float, seconds: float
) -> Config:
    """Settle a configuration so that all of its training takes a time: whole epochs, or steps."""
    chars, V, n = len(corpus.codes), len(corpus.vocabulary), corpus.train_end
    epochs = seconds * speed.train_chars_per_s / n
    for _ in range(3):  # what goes by the length is settled with it
        if epochs >= _FEW_EPOCHS:
            train = replace(config.train, max_epochs=min(MOST_EPOCHS, int(epochs)))
        else:
            train = replace(config.train, max_steps=max(1, int(epochs * _windows(sized, n))))
        sized = settled(replace(config, train=train), chars, V, work=work)
        epochs *= seconds / _seconds(sized, corpus, speed)
    return sized


def _seconds(config: Config, corpus: Corpus, speed: _Speed) -> float:
    """Return what a training takes."""
    n, windows = corpus.train_end, _windows(config, corpus.train_end)
    limits = Limits.of(config.train, windows)
    if limits.total_steps is None:
        assert limits.total_s is not None
        return limits.total_s
    every = limits.steps(config.train.validate_every)
    read = limits.total_steps / windows * n
    scored = math.ceil(limits.total_steps / every) * (corpus.valid_end - n)
    seconds = _START_S + read / speed.train_chars_per_s + scored / speed.eval_chars_per_s
    return min(seconds, limits.total_s or seconds)


def _windows(config: Config, n: int) -> int:
    """Return the steps of an epoch."""
    return -(-(n // config.train.batch_size) // config.train.seq_length)


def _lines(corpus: Corpus) -> Lines | None:
    """Look at the lines of a text, or of its first million characters."""
    if corpus.vocabulary.tokens != "char":
        return None
    newline = np.flatnonzero(corpus.vocabulary.symbols == ord("\n"))
    if not len(newline):
        return Lines(1, len(corpus.codes))
    codes = corpus.codes[:1_000_000]
    lengths = np.diff(np.flatnonzero(codes == newline[0]), prepend=-1) - 1
    share = len(corpus.codes) / len(codes)
    filled = lengths[lengths > 0]
    return Lines(round(len(lengths) * share), int(np.median(filled)) if len(filled) else 0)
