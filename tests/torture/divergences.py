"""Trainings whose gradients overflow: long windows and a learning rate far too high."""

from __future__ import annotations

import random
import re
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import assert_same_run, contents, tiny_text, write_config

from charrnn.config.reader import load_config
from charrnn.config.schema import Config
from charrnn.errors import RunError
from charrnn.runs.checkpoint import load_checkpoint
from charrnn.runs.metrics import read_metrics
from charrnn.training.divergence import MAX_DIVERGENCES, backoff
from charrnn.training.reporter import Reporter
from charrnn.training.train import train

STEPS, CHARS = 30, 20_000
TOO_FAST = [
    ("rnn", 0.5, None),
    ("rnn", 3.0, None),
    ("rnn", 3.0, "paragraph"),
    ("gru", 3.0, None),
    ("lstm", 3.0, None),
]


class Stop(Reporter):
    """Interrupts the training after a number of steps."""

    def __init__(self, after: int) -> None:
        self._left = after

    def step(self, epoch: int, chars: int, loss_nats: float, seconds: float) -> None:  # noqa: ARG002
        self._left -= 1
        if not self._left:
            signal.raise_signal(signal.SIGINT)


def recovered_or_stopped(folder: Path, count: int, seed: int) -> str:
    """Train every cell with `count` seeds; check that each recovers or stops, also if resumed."""
    (folder / "text.txt").write_text(tiny_text(CHARS))
    lines = tiny_text(CHARS).split("\n")
    blocks = ["\n".join(lines[i : i + 9]) for i in range(0, len(lines), 9)]  # of 300 characters
    (folder / "blocks.txt").write_text("\n\n".join(blocks))
    ends: Counter[str] = Counter()
    rng = random.Random(seed)
    for run_seed in range(seed, seed + count):
        for cell, rate, records in TOO_FAST:
            name = f"{cell}-{rate}-{records}-{run_seed}"
            values: dict[str, Any] = {
                "seed": run_seed,
                "data.path": "blocks.txt" if records else "text.txt",
                "data.records": records,
                "model.cell": cell,
                "model.hidden_size": 16,
                "train.batch_size": 2,
                "train.seq_length": 400,
                "train.learning_rate": rate,
                "train.log_every": 3,
                "train.validate_every": 7,
                "train.max_steps": STEPS,
                "train.backend": "numpy",
            }
            config = load_config(write_config(folder, values, name))
            end = _end(config, folder / name)
            ends[end] += 1
            assert _end(config, folder / "again", rng.randrange(1, 12)) == end, name
            assert_same_run(folder / "again", folder / name)
            for path in (folder / "again").iterdir():
                path.unlink()
    assert ends["stopped"] + ends["recovered"], "no training diverged"
    return ", ".join(f"{n} {end}" for end, n in sorted(ends.items())) + "; resumed: the same bits"


def _end(config: Config, run_dir: Path, stop_after: int = 0) -> str:
    """Train, perhaps with an interruption; check the files and return how it ended."""
    error = ""
    try:
        if stop_after:
            with suppress(KeyboardInterrupt):
                train(config, run_dir, reporter=Stop(stop_after))
        train(config, run_dir, resume=bool(stop_after))
    except RunError as stopped:
        error = str(stopped)
    last = load_checkpoint(run_dir / "last.npz")  # reading it checks its counters
    assert np.isfinite(last.parameters).all()
    skipped = [r for r in read_metrics(run_dir / "metrics.jsonl") if r["split"] == "skipped"]
    assert len(skipped) == last.counters.divergences <= MAX_DIVERGENCES + 1
    for i, record in enumerate(skipped, 1):
        assert record["learning_rate"] == config.train.learning_rate * backoff(i)
    if not error:
        assert last.counters.step == STEPS
        assert len(skipped) <= MAX_DIVERGENCES
        return "recovered" if skipped else "never diverged"
    assert len(skipped) == MAX_DIVERGENCES + 1
    assert "the training diverged" in error
    assert "train.learning_rate" in error
    before = contents(run_dir)
    with pytest.raises(RunError, match=re.escape(error)):
        train(config, run_dir, resume=True)
    assert contents(run_dir) | {"metrics.jsonl": b""} == before | {"metrics.jsonl": b""}
    return "stopped"
