"""A diverging training: it is reported, and no useful checkpoint is lost."""

from __future__ import annotations

import signal
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import assert_same_run, contents, write_config
from torture.divergences import recovered_or_stopped

import charrnn.kernels.optimizers
import charrnn.training.trainer
import charrnn.workers.worker
from charrnn.commands.cli import run
from charrnn.config.reader import load_config
from charrnn.kernels import Array
from charrnn.runs.checkpoint import load_checkpoint
from charrnn.runs.metrics import read_metrics
from charrnn.training.divergence import MAX_DIVERGENCES
from charrnn.training.reporter import Reporter
from charrnn.training.train import train
from charrnn.training.trainer import Trainer
from charrnn.workers.group import WorkerGroup


@pytest.mark.parametrize("rate", ["1e38", "1e39", "1e300"])
@pytest.mark.parametrize("due", ["validate_every", "checkpoint_every", "log_every"])
def test_a_diverging_run_is_reported(
    rate: str, due: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One message, no warning, no traceback, and only checkpoints that can be read again."""
    overrides = {"train.optimizer": "sgd", "train.learning_rate": rate, "train.clip_norm": None}
    config = write_config(tmp_path, overrides | {f"train.{due}": 1})
    run_dir = tmp_path / "run"
    assert run(["train", str(config), "--run-dir", str(run_dir)]) == 1
    err = capsys.readouterr().err
    assert err.count("charrnn: error: ") == 1
    assert "diverged" in err
    assert "train.learning_rate" in err
    for checkpoint in run_dir.glob("*.npz"):
        assert np.isfinite(load_checkpoint(checkpoint).parameters).all()
    assert not list(run_dir.glob(".*"))  # of an abandoned write


def test_the_checkpoint_before_a_divergence_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = 0
    update = charrnn.kernels.optimizers.Optimizer.update

    def spoilt(self: Any, parameters: Array, gradient: Array, rate: float, t: int) -> None:
        nonlocal steps
        steps = t
        update(self, parameters, gradient, rate, t)
        if t == 13:
            parameters[0] = np.nan

    monkeypatch.setattr(charrnn.kernels.optimizers.Optimizer, "update", spoilt)
    config = write_config(tmp_path, {"train.checkpoint_every": 5})
    assert run(["train", str(config), "--run-dir", str(tmp_path / "run")]) == 1
    assert steps == 13
    assert "the training diverged" in capsys.readouterr().err
    assert load_checkpoint(tmp_path / "run" / "last.npz").counters.step == 10


class Spoilt:
    """Makes the loss or the gradient of some steps NaN or infinite."""

    def __init__(self, steps: Collection[int], where: str = "loss", value: float = np.nan) -> None:
        self._steps, self._where, self._value = steps, where, value
        self._train = WorkerGroup.train

    def __call__(self, group: WorkerGroup, step: int) -> float:
        nats = self._train(group, step)
        if step + 1 in self._steps:
            if self._where == "loss":
                return self._value
            group.gradient[3] = self._value
        return nats


def spoil(monkeypatch: pytest.MonkeyPatch, spoilt: Spoilt) -> None:
    monkeypatch.setattr(WorkerGroup, "train", lambda group, step: spoilt(group, step))


def records(run_dir: Path, split: str) -> list[dict[str, Any]]:
    return [r for r in read_metrics(run_dir / "metrics.jsonl") if r["split"] == split]


class Watch(Reporter):
    """Calls a function after each step."""

    def __init__(self, look: Callable[[int], None]) -> None:
        self._look, self._step = look, 0

    def step(self, epoch: int, chars: int, loss_nats: float, seconds: float) -> None:  # noqa: ARG002
        self._step += 1
        self._look(self._step)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize(
    ("where", "value", "reason"),
    [
        ("loss", np.nan, "the loss is nan"),
        ("loss", np.inf, "the loss is inf"),
        ("gradient", np.nan, "the norm of the gradient is nan"),
        ("gradient", -np.inf, "the norm of the gradient is inf"),
        ("gradient", 3e38, "the norm of the gradient is inf"),
    ],
)
def test_what_is_not_finite_never_reaches_the_parameters(
    where: str,
    value: float,
    reason: str,
    optimizer: str,
    workers: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spoil(monkeypatch, Spoilt([7, 9], where, value))
    overrides = {
        "train.optimizer": optimizer,
        "train.workers": workers,
        "train.log_every": 1,
        "train.schedule": "cosine",
        "data.valid_fraction": 0,
    }
    config = load_config(write_config(tmp_path, overrides))
    seen: dict[int, dict[str, Any]] = {}
    init = Trainer.__init__

    def watched(trainer: Trainer, *arguments: Any) -> None:
        init(trainer, *arguments)

        def look(step: int) -> None:
            optimizer_state = {
                name: array.copy() for name, array in trainer.checkpoint().optimizer_state.items()
            }
            parameters, states = trainer.model.parameters.copy(), trainer.group.states.copy()
            seen[step] = {"parameters": parameters, "states": states, **optimizer_state}

        trainer._reporter = Watch(look)

    monkeypatch.setattr(Trainer, "__init__", watched)
    train(config, tmp_path / "run")
    for step in (7, 9):
        for name in seen[step].keys() - {"states"}:
            np.testing.assert_array_equal(seen[step][name], seen[step - 1][name])
        assert not seen[step]["states"].any()
        assert seen[step - 1]["states"].any()
        assert (seen[step + 1]["parameters"] != seen[step]["parameters"]).any()
    skipped = records(tmp_path / "run", "skipped")
    assert [(r["step"], r["reason"]) for r in skipped] == [(7, reason), (9, reason)]
    steps = records(tmp_path / "run", "train")
    assert [r["step"] for r in steps] == [step for step in range(1, 21) if step not in (7, 9)]
    for r in steps:
        cosine = 0.5 * 2e-3 * (1 + np.cos(np.pi * (r["step"] - 1) / 20))
        halvings = (r["step"] > 7) + (r["step"] > 9)
        assert r["learning_rate"] == pytest.approx(cosine / 2**halvings, rel=1e-12)
    assert load_checkpoint(tmp_path / "run" / "last.npz").counters.divergences == 2


def test_a_skipped_update_is_reported_with_the_new_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(monkeypatch, Spoilt([7]))
    config = write_config(tmp_path, {"train.log_every": 4})
    assert run(["train", str(config), "--run-dir", str(tmp_path / "run")]) == 0
    err = capsys.readouterr().err
    assert "step 7: the loss is nan; the update is skipped" in err
    assert "to 0.001 (1 of at most 10 times)" in err
    # A line has the mean loss of the updates that were made.
    assert all(0 < r["loss_nats"] < 10 for r in records(tmp_path / "run", "train"))


@pytest.mark.parametrize("stop", [6, 7, 8, 12])
def test_a_resumed_run_keeps_the_halved_rate(
    stop: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, Spoilt([7, 11]))
    config = load_config(write_config(tmp_path, {"train.log_every": 3, "model.dropout": 0.2}))
    train(config, tmp_path / "whole")

    def look(step: int) -> None:
        if step == stop:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "run", reporter=Watch(look))
    assert load_checkpoint(tmp_path / "run" / "last.npz").counters.step == stop
    train(config, tmp_path / "run", resume=True)
    assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_too_many_divergences_end_the_run_after_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(monkeypatch, Spoilt(range(31, 10**6)))
    overrides = {"train.max_steps": 1000, "train.validate_every": 5, "train.learning_rate": 0.02}
    config = write_config(tmp_path, overrides)
    run_dir = tmp_path / "run"
    command = ["train", str(config), "--run-dir", str(run_dir)]
    assert run(command) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert (
        "step 41: the training diverged: the loss or the gradient was not finite 11 times" in error
    )
    assert f"--init-from with --run-dir starts a new run from {run_dir / 'best.npz'}" in error
    assert "train.learning_rate" in error
    assert len(records(run_dir, "skipped")) == MAX_DIVERGENCES + 1
    kept = contents(run_dir)
    assert load_checkpoint(run_dir / "last.npz").counters.step == 41
    assert run([*command, "--resume"]) == 1  # it would diverge again
    assert capsys.readouterr().err.splitlines()[-1] == error
    assert contents(run_dir) == kept


@pytest.mark.parametrize("fraction", [0, 0.2])
def test_without_a_good_checkpoint_the_remedy_is_to_start_again(
    fraction: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A best checkpoint that is worse than guessing would diverge again."""
    spoil(monkeypatch, Spoilt(range(8, 10**6)))
    overrides = {"train.learning_rate": 100, "train.validate_every": 5}
    config = write_config(tmp_path, overrides | {"data.valid_fraction": fraction})
    assert run(["train", str(config), "--run-dir", str(tmp_path / "run")]) == 1
    err = capsys.readouterr().err
    assert "Try a lower train.learning_rate" in err
    assert "; --overwrite starts again" in err
    assert err.count("worse than guessing") == 1
    assert "11 of at most" not in err
    assert (tmp_path / "run" / "last.npz").exists()


def test_a_finite_loss_that_is_far_too_high_is_reported_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = {"train.learning_rate": 100, "train.log_every": 1, "data.valid_fraction": 0}
    config = write_config(tmp_path, overrides)
    assert run(["train", str(config), "--run-dir", str(tmp_path / "run")]) == 0
    assert capsys.readouterr().err.count("worse than guessing") == 1


@pytest.mark.parametrize(("rate", "noted"), [(1000, 1), (0.01, 0)])
def test_a_training_that_learns_nothing_says_so_at_its_end(
    rate: float, noted: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path, {"train.learning_rate": rate, "train.max_steps": 200})
    assert run(["train", str(config), "--run-dir", str(tmp_path / "run")]) == 0
    err = capsys.readouterr().err
    note = "no validation was better than guessing (2.83 nats): try a lower train.learning_rate, "
    assert err.count(note) == noted
    assert err.splitlines()[-1].startswith("finished: ")


def test_a_text_without_a_pattern_is_told_from_a_wrong_rate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "noise.txt"
    chars = np.random.default_rng(1).integers(ord("a"), ord("i"), 8000)
    text.write_text("".join(map(chr, chars)))
    overrides = {"data.path": str(text), "train.batch_size": 30, "train.seq_length": 20}
    config = write_config(
        tmp_path, overrides | {"train.max_steps": 120, "train.learning_rate": 0.02}
    )
    assert run(["train", str(config), "--run-dir", str(tmp_path / "run")]) == 0
    err = capsys.readouterr().err
    assert "than guessing (2.08 nats): the text may have no pattern to learn" in err
    assert "a lower train.learning_rate" not in err


def test_torture_in_short(tmp_path: Path) -> None:
    assert "stopped" in recovered_or_stopped(tmp_path, 1, 1)
