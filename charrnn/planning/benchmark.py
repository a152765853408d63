"""How fast a configuration runs on this machine, and how near to what the machine can do."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from charrnn.config.schema import Config
from charrnn.model.parameters import initial_parameters, training_flops
from charrnn.model.sampling import SamplingParams, generate
from charrnn.training.limits import Limits
from charrnn.training.optimizer import clip_gradient, learning_rate, new_optimizer
from charrnn.workers.group import WorkerGroup
from charrnn.workers.processes import start_group
from charrnn.workers.worker import Job

V = 65  # characters in the text that is made up, as in tiny Shakespeare
_SIDE_BY_SIDE = 64  # texts sampled together
_EVALUATED_CHARS = 1 << 18


@dataclass(frozen=True)
class Speeds:
    """What was measured; rates are medians of the rounds."""

    train_chars_per_s: float
    train_chars_per_s_lowest: float
    train_chars_per_s_highest: float
    eval_chars_per_s: float
    sample_chars_per_s: float  # one text
    sample_64_chars_per_s: float  # 64 texts side by side
    flops_per_char: int  # of the matrix products in training
    peak_gflops: float  # of all workers at once, in products of 1024 x 1024 matrices
    share_of_peak: float  # what training makes of it
    memory_mb: float | None  # of all processes, what they share counted once

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by name."""
        return asdict(self)


def measure(config: Config, rounds: int = 5, round_s: float = 0.3) -> Speeds:
    """Measure training, evaluation and sampling on a text that is made up.

    Args:
        config: resolved, as to workers and backend.
        rounds: how often each is measured.
        round_s: about how long a round takes, in seconds.
    """
    job = training_job(config)
    with closing(start_group(job)) as group:
        group.parameters[...] = initial_parameters(config.model, V, config.seed)
        step = training_step(group)
        step()
        memory = memory_mb()
        train = _rates(step, config.train.batch_size * config.train.seq_length, rounds, round_s)
        chars = min(_EVALUATED_CHARS, len(job.codes))
        scoring = _rates(lambda: list(group.score_windows(0, chars)), chars, 3, round_s)
        sample_one = _sampling_rate(group, 1, rounds, round_s)
        sample_many = _sampling_rate(group, _SIDE_BY_SIDE, rounds, round_s)
        peak_gflops = statistics.median(group.peak_gflops() for _ in range(rounds))
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


def training_step(group: WorkerGroup) -> Callable[[], int]:
    """Return a function that makes one whole training step: gradient, clipping, update.

    It returns how many characters the step has trained on.
    """
    train = group.job.config.train
    optimizer = new_optimizer(train, group.worker.model)
    limits = Limits(group.worker.windows, None)
    step = 0

    def advance() -> int:
        nonlocal step
        with np.errstate(over="ignore", invalid="ignore"):  # whatever the learning rate makes of it
            group.train(step)
            clip_gradient(group.gradient, train)
            rate = learning_rate(step, train, limits)
            optimizer.update(group.parameters, group.gradient, rate, step + 1)
        group.carry_states()
        chars = group.worker.window_length(step) * train.batch_size
        step += 1
        return chars

    return advance


def training_job(config: Config) -> Job:
    """Return work on a made-up text that has some windows, and enough to evaluate."""
    train = config.train
    n = max(4 * train.batch_size * train.seq_length, _EVALUATED_CHARS) + 1
    codes = np.random.default_rng(config.seed).integers(0, V, n, np.uint8)
    return Job(config, V, codes, n)


def _rates(run: Callable[[], object], chars: int, rounds: int, round_s: float) -> list[float]:
    """Return characters/s in each of some rounds, after one to warm up."""
    count = max(1, round(round_s / max(_seconds(run, 1), 1e-6)))
    return [chars / _seconds(run, count) for _ in range(rounds)]


def _seconds(run: Callable[[], object], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        run()
    return (time.perf_counter() - start) / count


def _sampling_rate(group: WorkerGroup, N: int, rounds: int, round_s: float) -> float:
    rng = np.random.default_rng(1)
    texts = generate(group.worker.model, np.zeros(1, np.intp), N, SamplingParams(), rng)
    return statistics.median(_rates(lambda: next(texts), N, rounds, round_s))


def memory_mb(process: int | None = None) -> float | None:
    """Return what a process, by default this one, and its children take in memory together.

    It is the proportional set size, in 1e6 bytes; None where the system does not tell.
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
