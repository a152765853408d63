"""Measure how fast a configuration runs on this machine, and how near to the machine's peak."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from charrnn.config.schema import Config
from charrnn.model.model import Model
from charrnn.model.parameters import initial_parameters, training_flops
from charrnn.model.sampling import generate
from charrnn.model.sampling_params import SamplingParams, generators
from charrnn.text.random_text import random_corpus
from charrnn.training.limits import Limits
from charrnn.training.optimizer import clip_gradient, new_optimizer, scheduled_rate
from charrnn.workers.group import WorkerGroup
from charrnn.workers.processes import start_group
from charrnn.workers.worker import Job

V = 65  # distinct characters of the random text, as many as in tiny Shakespeare
_SIDE_BY_SIDE = 64  # texts sampled together
_EVALUATED_CHARS = 1 << 18
ROUNDS = 5  # of measurements of each speed
_SCORINGS = 3  # fewer of evaluation, which takes longest


class Speeds(NamedTuple):
    """Measured speeds; rates are medians over the rounds."""

    train_chars_per_s: float
    train_chars_per_s_lowest: float
    train_chars_per_s_highest: float
    eval_chars_per_s: float
    sample_chars_per_s: float  # one text
    sample_64_chars_per_s: float  # 64 texts side by side
    flops_per_char: int  # in the matrix products of training
    peak_gflops: float  # of all workers together, in products of 1024 x 1024 matrices; the best
    share_of_peak: float  # that training reaches
    memory_mb: float | None  # of all processes, shared memory counted once


def measure(
    config: Config,
    rounds: int = ROUNDS,
    round_s: float = 0.3,
    advance: Callable[[int], object] = lambda _: None,
) -> Speeds:
    """Measure the speed of training, evaluation and sampling on a random text.

    Args:
        config: without unset keys, and with the number of workers and the backend resolved.
        rounds: measurements of each speed.
        round_s: approximate duration of a measurement, in seconds.
        advance: called with 1 after each of `measurements(rounds)` measurements.
    """
    job = training_job(config)
    with closing(start_group(job)) as group:
        step = training_step(group)
        step()
        memory = memory_mb()
        # The clock of a processor changes: the peak is measured beside the training, in turns.
        peaks, train = [_peak(group, advance)], list[float]()
        count = _count(step, round_s)
        for _ in range(rounds):
            train.append(_rate(step, count, advance))
            peaks.append(_peak(group, advance))
        scoring = _rates(lambda: _score(group), _SCORINGS, round_s, advance)
        sample_one = _sampling_rate(group, 1, rounds, round_s, advance)
        sample_many = _sampling_rate(group, _SIDE_BY_SIDE, rounds, round_s, advance)
    peak_gflops = max(peaks)
    flops, rate = training_flops(job.config.model, V), statistics.median(train)
    return Speeds(
        rate,
        min(train),
        max(train),
        statistics.median(scoring),
        sample_one,
        sample_many,
        flops,
        peak_gflops,
        rate * flops / (peak_gflops * 1e9),
        memory,
    )


def measurements(rounds: int = ROUNDS) -> int:
    """Return the number of measurements that `measure` makes."""
    return (1 + rounds) + rounds + _SCORINGS + 2 * rounds


def training_step(group: WorkerGroup) -> Callable[[], int]:
    """Draw initial parameters, and return a function that makes a step of training.

    A step computes the gradient, clips it and updates the parameters. The function returns the
    number of characters that the step trains on.
    """
    config, train = group.job.config, group.job.config.train
    group.parameters[...] = initial_parameters(
        config.model, group.job.V, config.seed, F=group.job.F
    )
    optimizer = new_optimizer(train, group.worker.model)
    windows = group.worker.training_windows
    limits = Limits(windows.windows, None)
    step = 0

    def advance() -> int:
        nonlocal step
        with np.errstate(all="ignore"):  # a high learning rate may diverge
            group.train(step)
            clip_gradient(group.gradient, train)
            rate = scheduled_rate(step, train, limits)
            optimizer.update(group.parameters, group.gradient, rate, step + 1)
        group.carry_states()
        chars = windows.symbols(step)
        step += 1
        return chars

    return advance


def training_job(config: Config) -> Job:
    """Return the job of training on a random text, long enough to evaluate on too."""
    train = config.train
    n = max(4 * train.batch_size * train.seq_length, _EVALUATED_CHARS) + 1
    all_in_one = replace(config.data, valid_fraction=0.0, test_fraction=0.0)
    return Job(config, random_corpus(n, V, all_in_one, config.seed))


def _score(group: WorkerGroup) -> int:
    """Score the text, or the beginning of a long one, and return the characters."""
    chars = 0
    for window in group.score_windows(*group.job.corpus.everything):
        chars += window.chars
        if chars >= _EVALUATED_CHARS:
            break
    return chars


def _peak(group: WorkerGroup, advance: Callable[[int], object]) -> float:
    gflops = group.peak_gflops()
    advance(1)
    return gflops


def _rates(
    run: Callable[[], int], rounds: int, round_s: float, advance: Callable[[int], object]
) -> list[float]:
    """Return the characters per second of each round, after a warm-up.

    Args:
        run: does some work and returns the number of its characters.
        rounds, round_s, advance: see `measure`.
    """
    count = _count(run, round_s)
    return [_rate(run, count, advance) for _ in range(rounds)]


def _count(run: Callable[[], int], round_s: float) -> int:
    """Run some work once; return how often it runs in a round."""
    start = time.perf_counter()
    run()
    return max(1, round(round_s / max(time.perf_counter() - start, 1e-6)))


def _rate(run: Callable[[], int], count: int, advance: Callable[[int], object]) -> float:
    """Return the characters per second of a round."""
    start = time.perf_counter()
    chars = sum(run() for _ in range(count))
    rate = chars / (time.perf_counter() - start)
    advance(1)
    return rate


def _sampling_rate(
    group: WorkerGroup, N: int, rounds: int, round_s: float, advance: Callable[[int], object]
) -> float:
    trained = group.worker.model
    model = Model(
        trained.config, trained.V, trained.parameters, F=trained.F
    )  # samples use NumPy's gates
    rngs = [*generators(1, range(N))]
    texts = generate(model, np.zeros(1, np.intp), SamplingParams(), rngs)
    return statistics.median(_rates(lambda: len(next(texts)), rounds, round_s, advance))


def memory_mb(process: int | None = None) -> float | None:
    """Return the memory of a process, by default this one, and its children, in MB (1e6 bytes).

    It is the proportional set size, or None if the system does not report it.
    """
    process = process or os.getpid()
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        return sum(_pss_kb(number) for number in [str(process), *children]) * 1024 / 1e6
    except OSError:
        return None


def _pss_kb(process: str) -> int:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
