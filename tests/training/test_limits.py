"""train.max_minutes: when the clock ends a training, and which times are saved."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support import write_config

import charrnn.training.trainer
from charrnn.commands.cli import run
from charrnn.config.reader import load_config
from charrnn.runs.checkpoint import load_checkpoint
from charrnn.runs.metrics import read_metrics
from charrnn.training.reporter import Reporter
from charrnn.training.train import Outcome
from charrnn.training.train import train as train_run

STEP_S = 0.5


class Clock(Reporter):
    """A clock for the trainer on which a step takes half a second; calls functions after steps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s, self.steps, self.notes = 1000.0, 0, list[str]()
        clock = SimpleNamespace(monotonic=lambda: self.now_s)
        monkeypatch.setattr(charrnn.training.trainer, "time", clock)
        monkeypatch.setattr("charrnn.training.log.time", clock)
        self.at: dict[int, Callable[[], object]] = {}

    def step(self, epoch: int, chars: int, loss_nats: float, seconds: float) -> None:  # noqa: ARG002
        self.steps += 1
        self.now_s += STEP_S
        self.at.get(self.steps, lambda: None)()

    def note(self, text: str, mark: str = "", strong: str = "", spare: str = "") -> None:  # noqa: ARG002
        self.notes.append(text)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that only steps advance."""
    return Clock(monkeypatch)


def trained(folder: Path, clock: Clock, overrides: dict[str, Any], **how: Any) -> Outcome:
    """Train for a minute of the clock, unless overridden."""
    base = {"train.max_steps": None, "train.max_minutes": 1, "train.log_every": 1}
    config = load_config(write_config(folder, base | overrides))
    return train_run(config, folder / "run", reporter=clock, **how)


def test_the_clock_ends_a_training_and_its_schedule(tmp_path: Path, clock: Clock) -> None:
    overrides = {"train.schedule": "cosine", "train.learning_rate": 0.01, "train.warmup_steps": 4}
    assert trained(tmp_path, clock, overrides).steps == 120
    records = read_metrics(tmp_path / "run" / "metrics.jsonl")
    rates = [r["learning_rate"] for r in records if r["split"] == "train"]
    assert rates[:4] == pytest.approx([0.0025, 0.005, 0.0075, 0.01])
    expected = [0.005 * (1 + math.cos(math.pi * step / 120)) for step in range(4, 120)]
    assert rates[4:] == pytest.approx(expected)
    assert (records[-1]["split"], records[-1]["step"]) == ("valid", 120)
    assert records[-1]["elapsed_s"] == 60


def test_the_first_of_two_limits_ends_it(tmp_path: Path, clock: Clock) -> None:
    assert trained(tmp_path, clock, {"train.max_steps": 30}).steps == 30


def test_an_interruption_takes_no_time(tmp_path: Path, clock: Clock) -> None:
    clock.at[50] = lambda: signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, clock, {})
    assert load_checkpoint(tmp_path / "run" / "last.npz").counters.step == 50
    clock.now_s += 10_000
    assert trained(tmp_path, clock, {}, resume=True).steps == 120
    elapsed = [r["elapsed_s"] for r in read_metrics(tmp_path / "run" / "metrics.jsonl")]
    assert elapsed == sorted(elapsed)
    assert elapsed[-1] == 60


def test_a_finished_run_continues_only_with_a_higher_limit(tmp_path: Path, clock: Clock) -> None:
    trained(tmp_path, clock, {})
    before = (tmp_path / "run" / "last.npz").read_bytes()
    clock.notes.clear()
    assert trained(tmp_path, clock, {}, resume=True).steps == 120
    assert clock.notes[-1].startswith(
        "finished: 120 steps, as the time of train.max_minutes 1 is over; "
    )
    assert (tmp_path / "run" / "last.npz").read_bytes() == before
    assert trained(tmp_path, clock, {"train.max_minutes": 1.5}, resume=True).steps == 180


def test_a_resume_after_the_time_limit_trains_no_step(tmp_path: Path, clock: Clock) -> None:
    """Also if the run had no time limit before."""
    assert trained(tmp_path, clock, {"train.max_minutes": None, "train.max_steps": 20}).steps == 20
    more = {"train.max_minutes": 0.1, "train.max_steps": 50}
    assert trained(tmp_path, clock, more, resume=True).steps == 20


def test_the_note_names_only_the_limit_that_was_reached(tmp_path: Path, clock: Clock) -> None:
    limits = {"train.max_minutes": 1, "train.max_steps": 30}
    for _ in range(2):
        trained(tmp_path, clock, limits, resume=True)
    assert "nothing is left to do; a higher train.max_steps continues the run" in clock.notes


def test_by_the_real_clock(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    overrides = {"train.max_steps": None, "train.max_minutes": 0.01}
    overrides["train.validate_every"] = 10**9  # the time may end while a checkpoint is written
    config = write_config(tmp_path, overrides)
    assert run(["train", str(config), "--run-dir", str(tmp_path / "run")]) == 0
    assert "steps    as many as 1 s allow of 2 streams x 5 characters, adam" in (
        capsys.readouterr().err
    )
    *_, last = read_metrics(tmp_path / "run" / "metrics.jsonl")
    assert last["split"] == "valid"
    assert 0.6 <= last["elapsed_s"] < 5


def test_a_removed_time_limit_leaves_no_time_in_the_checkpoint(
    tmp_path: Path, clock: Clock
) -> None:
    """Checkpoints hold times only if the clock ends the training."""
    trained(tmp_path, clock, {})
    assert load_checkpoint(tmp_path / "run" / "last.npz").counters.elapsed_s == 60
    by_steps = {"train.max_minutes": None, "train.max_steps": 150}
    assert trained(tmp_path, clock, by_steps, resume=True).steps == 150
    counters = load_checkpoint(tmp_path / "run" / "last.npz").counters
    assert (counters.elapsed_s, counters.out_of_time) == (0, False)
    assert read_metrics(tmp_path / "run" / "metrics.jsonl")[-1]["elapsed_s"] == 75
