"""A configuration for a text and this machine: how large a model, how long, and what it will take.

The machine's speed is measured with the model and the text themselves, so that the minutes are
those of a training with everything that belongs to it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from charrnn.backends.backend import compiling_note
from charrnn.config.schema import Config
from charrnn.model.parameters import initial_parameters, training_flops
from charrnn.planning.benchmark import training_step
from charrnn.text.corpus import Corpus, load_corpus
from charrnn.text.lines import Lines, lines_of
from charrnn.text.size_check import check_sizes
from charrnn.text.streams import windows_in_epoch
from charrnn.training.limits import Limits
from charrnn.training.recipe import MOST_EPOCHS, OPERATIONS_PER_S, fill_defaults, work_for
from charrnn.workers.count import resolve_workers
from charrnn.workers.group import WorkerGroup
from charrnn.workers.processes import start_group
from charrnn.workers.worker import Job

_MEASURED_S = 1.5  # or a twentieth of the time asked for, where that is less
_START_S = 1.0  # until the first step
_FEW_EPOCHS = 4  # for fewer the length is given in steps


@dataclass(frozen=True)
class Proposal:
    """A configuration with every value settled, and what it rests on."""

    config: Config
    chars: int
    V: int
    lines: Lines | None  # of a text of characters
    chars_per_s: float  # in training
    estimated_s: float  # of the whole training
    most_epochs: bool  # it has no more epochs, although there would be time for them


@dataclass(frozen=True)
class _Speed:
    """Characters a second."""

    training: float
    scoring: float


def propose(
    config: Config, minutes: float | None = None, note: Callable[[str], object] = lambda _: None
) -> Proposal:
    """Settle what a configuration leaves open for its text, this machine and a number of minutes.

    Args:
        config: as it was written; what is given is kept, a limit too.
        minutes: that the training may take, unless there is a limit to them; by default as many
            as suit the text.
        note: told what takes a while before there is anything to see.

    Raises:
        CharRNNError: for whatever would keep a training from starting.
    """
    corpus = load_corpus(config.data, note)
    chars, V = len(corpus.codes), len(corpus.vocabulary)
    if config.train.max_minutes is not None:
        minutes = config.train.max_minutes
    if minutes is None:
        work, measured_s = work_for(corpus.train_end), _MEASURED_S
    else:
        seconds = 60 * minutes
        measured_s = min(_MEASURED_S, seconds / 20)
        # A smaller model does fewer operations in a second, and which one suits goes by how many
        # there are: one measurement, with the model of a first guess, settles it.
        guess = fill_defaults(config, chars, V, work=OPERATIONS_PER_S * seconds)
        with _group(guess, corpus, note) as group:
            work = seconds * _training_speed(group, measured_s) * training_flops(guess.model, V)
    sized = fill_defaults(config, chars, V, work=work)
    with _group(sized, corpus, note) as group:
        speed = _Speed(_training_speed(group, measured_s), _scoring_speed(group, measured_s / 5))
    if minutes is not None and not config.train.has_limit:
        sized = _fitted(config, corpus, speed, work, seconds)
    most_epochs = not config.train.has_limit and sized.train.max_epochs == MOST_EPOCHS
    return Proposal(
        sized,
        chars,
        V,
        lines_of(corpus),
        speed.training,
        _seconds(sized, corpus, speed),
        most_epochs,
    )


@contextmanager
def _group(config: Config, corpus: Corpus, note: Callable[[str], object]) -> Iterator[WorkerGroup]:
    """Start workers with a new model, ready to train on the text."""
    check_sizes(corpus, config)
    V = len(corpus.vocabulary)
    config = resolve_workers(config, V)
    if compiling := compiling_note(str(config.train.backend)):
        note(compiling)
    with closing(start_group(Job(config, V, corpus.codes, corpus.train_end))) as group:
        group.parameters[...] = initial_parameters(config.model, V, config.seed)
        yield group


def _training_speed(group: WorkerGroup, seconds: float) -> float:
    """Return the characters trained on in a second, measured for so many."""
    step = training_step(group)
    step()
    start, count, chars = time.perf_counter(), 0, 0
    while (elapsed_s := time.perf_counter() - start) < seconds or count < 2:
        chars += step()  # fewer at the end of an epoch
        count += 1
    return chars / elapsed_s


def _scoring_speed(group: WorkerGroup, seconds: float) -> float:
    """Return the characters scored in a second, measured for about so many."""
    start, chars, elapsed_s = time.perf_counter(), 0, 0.0
    for window in group.score_windows(0, len(group.job.codes)):
        chars += window.chars
        elapsed_s = time.perf_counter() - start
        if elapsed_s > seconds:
            break
    return chars / elapsed_s


def _fitted(config: Config, corpus: Corpus, speed: _Speed, work: float, seconds: float) -> Config:
    """Settle a configuration so that all of its training takes a time: whole epochs, or steps."""
    chars, V = len(corpus.codes), len(corpus.vocabulary)

    def limited(**limit: Any) -> Config:
        return fill_defaults(
            replace(config, train=replace(config.train, **limit)), chars, V, work=work
        )

    epochs = min(MOST_EPOCHS, int(seconds * speed.training / corpus.train_end))
    while epochs >= _FEW_EPOCHS:
        sized = limited(max_epochs=epochs)
        if _seconds(sized, corpus, speed) <= seconds:
            return sized
        epochs -= 1
    steps = float(_FEW_EPOCHS * windows_in_epoch(corpus.train_end, limited(max_epochs=1).train))
    for _ in range(3):  # what is validated goes by the steps
        sized = limited(max_steps=max(1, int(steps)))
        steps *= max(0.5 * seconds, seconds - _START_S)
        steps /= _seconds(sized, corpus, speed) - _START_S
    return limited(max_steps=max(1, int(steps)))


def _seconds(config: Config, corpus: Corpus, speed: _Speed) -> float:
    """Return what a training takes."""
    windows = windows_in_epoch(corpus.train_end, config.train)
    limits = Limits.of(config.train, windows)
    if limits.total_steps is None:
        assert limits.total_s is not None  # one of the limits is always given, or settled
        return limits.total_s
    read = limits.total_steps / windows * corpus.train_end
    validations = math.ceil(limits.total_steps / limits.steps(config.train.validate_every))
    scored = validations * (corpus.valid_end - corpus.train_end)
    seconds = _START_S + read / speed.training + scored / speed.scoring
    return min(seconds, limits.total_s or seconds)
