"""Propose a configuration for a text and this machine, and estimate the time of its training.

The speed is measured with the proposed model on the text itself, so that the estimate covers
everything that a training does.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import Any

from charrnn.config.schema import Config
from charrnn.model.parameters import training_flops
from charrnn.planning.benchmark import training_step
from charrnn.text.corpus import Corpus, Units
from charrnn.text.lines import lengths_in_words
from charrnn.text.load import load_corpus
from charrnn.text.remarks import remark_on, trained_validation
from charrnn.text.size_check import check_sizes, small_parts
from charrnn.training.limits import Limits
from charrnn.training.recipe import MOST_EPOCHS, OPERATIONS_PER_S, fill_defaults, work_for
from charrnn.training.train import start_workers
from charrnn.workers.count import resolve_workers
from charrnn.workers.group import WorkerGroup

_MEASURED_S = 1.5  # or a twentieth of the requested time, if that is less
_SCORING = 0.25  # of the time of training, in which scoring is measured
_LEAST_SCORED = 1 << 14  # characters, or a whole small part, which is mostly warmed up on others
_START_S = 1.0  # before the first step
_MEASURING = "measuring this machine for some seconds"
_MIN_EPOCHS = 4  # a shorter training is limited in steps


# A context manager of the whole time of a measurement and of the time that is over, in seconds; its
# function counts further ones.
Countdown = Callable[[float, float], AbstractContextManager[Callable[[float], object]]]


@dataclass(frozen=True)
class Proposal:
    """A configuration without unset keys, and the measurements behind it."""

    config: Config
    text: str  # its size in words
    units: Units
    chars_per_s: float  # in training, ends of records included
    estimated_s: float  # of the whole training
    validation_s: float  # of this, for validations
    most_epochs: bool  # whether the epochs are capped although there is time for more


@dataclass(frozen=True)
class Speed:
    """Measured speeds, in characters per second."""

    training: float
    scoring: float


def propose(
    config: Config,
    minutes: float | None = None,
    note: Callable[[str], object] = lambda _: None,
    countdown: Countdown = lambda *_: nullcontext(lambda _: None),
    *,
    remarks: bool = True,
) -> Proposal:
    """Fill in the unset keys of a configuration for its text, this machine and a training time.

    Args:
        config: keys with a value keep it.
        minutes: training time, by default what suits the text; train.max_minutes overrides it.
        note: called with a message before what takes a while.
        countdown: shows how long a measurement still takes.
        remarks: whether `note` is called with remarks on the text, too, which a training repeats.

    Raises:
        CharRNNError: for any error that would prevent the training.
    """
    corpus = load_corpus(config.data, note)
    if corpus.split_by:
        config = replace(config, data=replace(config.data, split_by=corpus.split_by))
    V = len(corpus.vocabulary)
    if config.train.max_minutes is not None:
        minutes = config.train.max_minutes
    guessed_s = 0.0
    if minutes is None:
        work, measured_s = work_for(corpus.sizes.train), _MEASURED_S
    else:
        seconds = 60 * minutes
        measured_s = min(_MEASURED_S, seconds / 20)
        # The size of the model depends on the operations per second, which depend on the size.
        # One measurement, with the model of a first guess, is enough.
        guess = fill_defaults(config, corpus.sizes, V, work=OPERATIONS_PER_S * seconds)
        with _workers(guess, corpus, note) as group:
            note(_MEASURING)
            guessed_s = measured_s
            with countdown(measured_s * (2 + _SCORING), 0.0) as advance:
                speed_of_guess = _training_speed(group, measured_s, advance)
            work = seconds * speed_of_guess * training_flops(guess.model, V)
    sized = fill_defaults(config, corpus.sizes, V, work=work)
    with _workers(sized, corpus, note) as group:
        if minutes is None:
            note(_MEASURING)
        with countdown(guessed_s + measured_s * (1 + _SCORING), guessed_s) as advance:
            speed = _speed(group, measured_s, advance)
    if minutes is not None and not config.train.has_limit:
        sized = _fitted(config, corpus, speed, work, seconds)
    found = (
        remark_on(corpus.codes, corpus.vocabulary, config.data),
        trained_validation(config.data),
        small_parts(corpus, config, sized.train.seq_length),
    )
    for remark in filter(None, found if remarks else ()):
        note(remark)
    most_epochs = not config.train.has_limit and sized.train.max_epochs == MOST_EPOCHS
    return Proposal(
        sized,
        "; ".join(filter(None, (corpus.summary, lengths_in_words(corpus)))),
        corpus.units,
        speed.training,
        _seconds(sized, corpus, speed),
        _validation_s(sized, corpus, speed),
        most_epochs,
    )


def _workers(config: Config, corpus: Corpus, note: Callable[[str], object]) -> closing[WorkerGroup]:
    """Return the workers of a training on the text, as a context manager."""
    check_sizes(corpus, config)
    config = resolve_workers(config, len(corpus.vocabulary), F=corpus.F)
    return closing(start_workers(config, corpus, note))


def _training_speed(
    group: WorkerGroup, seconds: float, advance: Callable[[float], object]
) -> float:
    """Train for some seconds; return the characters per second."""
    training = _Timed(training_step(group), advance)
    while training.seconds < seconds or training.count < 2:
        training.run()
    return training.chars_per_s


def _speed(group: WorkerGroup, seconds: float, advance: Callable[[float], object]) -> Speed:
    """Train for some seconds, and score what a validation scores, in turns.

    A processor's speed changes within seconds, and the estimate depends on the ratio of both.
    """
    corpus = group.job.corpus
    valid_start, valid_end = corpus.split("valid")
    part = (valid_start, valid_end) if valid_end > valid_start else corpus.everything
    windows = chain.from_iterable(group.score_windows(*part) for _ in repeat(None))
    training = _Timed(training_step(group), advance)
    scoring = _Timed(lambda: next(windows).chars, advance)
    while training.seconds < seconds or training.count < 2:
        training.run()
        while scoring.seconds < _SCORING * training.seconds:
            scoring.run()
    least = min(_LEAST_SCORED, corpus.scored(*part))
    while scoring.chars < least:
        scoring.run()
    return Speed(training.chars_per_s, scoring.chars_per_s)


class _Timed:
    """Work that is timed, after a first time, which may wait for functions to be compiled.

    Args:
        work: does some of it, and returns the number of its characters.
        advance: called with the seconds that it took.
    """

    def __init__(self, work: Callable[[], int], advance: Callable[[float], object]) -> None:
        self._work, self._advance = work, advance
        self.seconds, self.chars, self.count = 0.0, 0, 0
        work()

    def run(self) -> None:
        """Do some of the work."""
        start = time.perf_counter()
        self.chars += self._work()  # fewer at the end of an epoch
        seconds = time.perf_counter() - start
        self.seconds += seconds
        self.count += 1
        self._advance(seconds)

    @property
    def chars_per_s(self) -> float:
        """The characters per second."""
        return self.chars / self.seconds


def _fitted(config: Config, corpus: Corpus, speed: Speed, work: float, seconds: float) -> Config:
    """Fill in the unset keys so that the training takes `seconds`, in whole epochs or steps."""
    sizes, V = corpus.sizes, len(corpus.vocabulary)

    def limited(**limit: Any) -> Config:
        return fill_defaults(
            replace(config, train=replace(config.train, **limit)), sizes, V, work=work
        )

    epochs = min(MOST_EPOCHS, int(seconds * speed.training / sizes.train))
    while epochs >= _MIN_EPOCHS:
        sized = limited(max_epochs=epochs)
        if _seconds(sized, corpus, speed) <= seconds:
            return sized
        epochs -= 1
    steps = float(_MIN_EPOCHS * sizes.windows_in_epoch(limited(max_epochs=1).train))
    for _ in range(3):  # the time of the validations depends on the steps
        sized = limited(max_steps=max(1, int(steps)))
        steps *= max(0.5 * seconds, seconds - _START_S)
        steps /= _seconds(sized, corpus, speed) - _START_S
    return limited(max_steps=max(1, int(steps)))


def _seconds(config: Config, corpus: Corpus, speed: Speed) -> float:
    """Return the estimated time of a training."""
    sizes = corpus.sizes
    windows = sizes.windows_in_epoch(config.train)
    limits = Limits.of(config.train, windows)
    if limits.total_steps is None:
        assert limits.total_s is not None  # fill_defaults leaves no training without a limit
        return limits.total_s
    read = limits.total_steps / windows * sizes.train
    seconds = _START_S + read / speed.training + _validation_s(config, corpus, speed)
    return min(seconds, limits.total_s or seconds)


def _validation_s(config: Config, corpus: Corpus, speed: Speed) -> float:
    """Return the estimated time of all validations, and of scoring the part in full at the end."""
    limits = Limits.of(config.train, corpus.sizes.windows_in_epoch(config.train))
    if limits.total_steps is None:
        return 0.0
    validations = math.ceil(limits.total_steps / limits.steps(config.train.validate_every))
    part, some = corpus.sizes.others[0], config.train.valid_chars
    if not part:
        return 0.0
    read = validations * some + part if 0 < some < part else validations * part
    # Of records with prompts, the replies alone are scored.
    return read * corpus.scored(*corpus.split("valid")) / part / speed.scoring
