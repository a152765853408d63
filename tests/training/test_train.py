"""Training by the command and from Python: what it learns and which files it writes."""

from __future__ import annotations

import json
import math
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support import TINY, contents, resolved, timeless, tiny_text, train, write_config

import charrnn.training.trainer
from charrnn.commands.cli import run
from charrnn.config.reader import load_config
from charrnn.config.schema import Config
from charrnn.kernels import CELLS, Array
from charrnn.model import sampling
from charrnn.model.model import Model, States
from charrnn.model.stepper import Stage, stepper
from charrnn.runs.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from charrnn.runs.metrics import read_metrics
from charrnn.system.terminal import visible
from charrnn.training.reporter import Reporter
from charrnn.training.train import train as train_run

# Of TINY: 540 characters to train on in 2 streams of 269, which is 54 windows of 5.
STEPS_PER_EPOCH = 54

each_cell = pytest.mark.parametrize("cell", CELLS)


def records(run_dir: Path, split: str) -> list[dict[str, Any]]:
    """Return the lines of metrics.jsonl for a split."""
    return [r for r in read_metrics(run_dir / "metrics.jsonl") if r["split"] == split]


def tiny_config(folder: Path, overrides: dict[str, Any] | None = None) -> Config:
    return load_config(write_config(folder, overrides))


@each_cell
def test_it_learns_hello(cell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After h, e, l, l comes o; only the state distinguishes the second l from the first."""
    (tmp_path / "text.txt").write_text("hello" * 60)
    run_dir = train(
        tmp_path,
        {
            "model.cell": cell,
            "model.hidden_size": 12,
            "train.max_steps": 150,
            "train.seq_length": 10,
            "train.learning_rate": 0.03,
        },
    )
    assert records(run_dir, "train")[-1]["loss_nats"] < 0.1
    assert records(run_dir, "valid")[-1]["loss_nats"] < 0.1
    capsys.readouterr()
    assert run(["sample", str(run_dir), "--prime", "hell", "--length", "1", "--greedy"]) == 0
    assert capsys.readouterr() == ("hello\n", "")


@pytest.mark.parametrize("backend", ["numpy", "auto"])
def test_an_activation_penalty_makes_outputs_smaller(backend: str, tmp_path: Path) -> None:
    squares = []
    for penalty in (0, 10):
        run_dir = train(
            tmp_path,
            {
                "train.activation_penalty": penalty,
                "train.backend": backend,
                "train.max_steps": 100,
                "train.learning_rate": 0.02,
            },
            "--overwrite",
        )
        checkpoint = load_checkpoint(run_dir / "last.npz")
        squares.append(float(np.square(checkpoint.states[0][0]).mean()))
    assert squares[1] < squares[0] / 2


def test_the_files_of_a_run(tmp_path: Path) -> None:
    """Four files with the expected contents, and no temporary file."""
    run_dir = train(tmp_path)
    assert sorted(path.name for path in run_dir.iterdir()) == [
        "best.npz",
        "config.yaml",
        "last.npz",
        "metrics.jsonl",
    ]
    config = resolved(load_config(tmp_path / "tiny.yaml"))
    assert load_config(run_dir / "config.yaml") == config
    last, best = (load_checkpoint(run_dir / name) for name in ("last.npz", "best.npz"))
    assert last.config == best.config == config
    assert last.counters.step == 20
    assert "".join(map(chr, last.vocabulary.symbols)) == "".join(sorted(set(tiny_text())))
    for line in (run_dir / "metrics.jsonl").read_text().splitlines():
        assert isinstance(json.loads(line), dict)


def test_metrics_of_training_steps(tmp_path: Path) -> None:
    """Every log_every steps, with the mean loss over the characters since the last line."""

    class Losses(Reporter):
        steps: list[tuple[int, float]] = []  # noqa: RUF012

        def step(self, epoch: int, chars: int, loss_nats: float, seconds: float) -> None:  # noqa: ARG002
            self.steps.append((chars, loss_nats))

    config = tiny_config(tmp_path, {"train.log_every": 7, "train.max_steps": 60})
    train_run(config, tmp_path / "run", reporter=Losses())
    lines = records(tmp_path / "run", "train")
    assert [line["step"] for line in lines] == list(range(7, 61, 7))
    elapsed_s = 0.0
    for line in lines:
        assert list(line) == [
            "step",
            "epoch",
            "split",
            "loss_nats",
            "learning_rate",
            "gradient_norm",
            "chars_per_s",
            "elapsed_s",
        ]
        since = Losses.steps[line["step"] - 7 : line["step"]]
        chars = sum(c for c, _ in since)
        assert line["loss_nats"] == pytest.approx(sum(c * loss for c, loss in since) / chars)
        assert line["epoch"] == 1 + (line["step"] - 1) // STEPS_PER_EPOCH
        assert line["learning_rate"] == 2e-3
        assert line["gradient_norm"] > 0
        assert line["chars_per_s"] > 0
        assert line["elapsed_s"] >= elapsed_s
        elapsed_s = line["elapsed_s"]
    # The last window of an epoch is shorter: 4 steps of 2 streams, not 5.
    assert {chars for chars, _ in Losses.steps} == {10, 8}


@pytest.mark.parametrize(
    ("every", "steps"), [(7, [7, 14, 21, 28, 30]), (30, [30]), ("epoch", [30]), (100, [30])]
)
def test_metrics_of_validations(every: int | str, steps: list[int], tmp_path: Path) -> None:
    """Every validate_every steps and at the end, and only once if both coincide."""
    run_dir = train(tmp_path, {"train.validate_every": every, "train.max_steps": 30})
    lines = records(run_dir, "valid")
    assert [line["step"] for line in lines] == steps
    lowest = math.inf
    for line in lines:
        assert list(line) == [
            "step",
            "epoch",
            "split",
            "loss_nats",
            "bits_per_char",
            "best",
            "elapsed_s",
        ]
        assert line["bits_per_char"] == pytest.approx(line["loss_nats"] / math.log(2))
        assert line["best"] is (line["loss_nats"] < lowest)
        lowest = min(lowest, line["loss_nats"])


def test_validation_once_an_epoch(tmp_path: Path) -> None:
    run_dir = train(tmp_path, {"train.max_steps": None, "train.max_epochs": 2})
    assert [r["step"] for r in records(run_dir, "valid")] == [STEPS_PER_EPOCH, 2 * STEPS_PER_EPOCH]
    assert [r["epoch"] for r in records(run_dir, "valid")] == [1, 2]


# Memorises its few characters in a hundred steps; from then on the validation loss rises.
OVERFITTING = {
    "model.hidden_size": 24,
    "train.learning_rate": 0.03,
    "train.validate_every": 10,
    "train.max_steps": 250,
    "data.valid_fraction": 0.3,
}


def test_best_is_the_checkpoint_of_the_lowest_validation_loss(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir = train(tmp_path, {**OVERFITTING, "train.backend": "numpy"})  # as eval's
    lines = records(run_dir, "valid")
    lowest = min(lines, key=lambda line: line["loss_nats"])
    assert lowest is not lines[-1]  # otherwise best.npz would equal last.npz
    assert load_checkpoint(run_dir / "best.npz").counters.step == lowest["step"]
    assert load_checkpoint(run_dir / "last.npz").counters.best_step == lowest["step"]
    capsys.readouterr()
    for name, line in (("best.npz", lowest), ("last.npz", lines[-1])):
        assert run(["eval", str(run_dir / name), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["loss_nats"] == line["loss_nats"]


def test_patience_ends_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_dir = train(tmp_path, {**OVERFITTING, "train.patience": 3})
    best = [line["best"] for line in records(run_dir, "valid")]
    last = load_checkpoint(run_dir / "last.npz").counters
    assert best[-4:] == [True, False, False, False]
    assert "FFF" not in "".join("T" if b else "F" for b in best[:-1])
    assert last.step == 10 * len(best) < 250
    assert f"finished: {last.step} steps, no new best in 3 validations" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("epochs", "steps", "reached"),
    [(1, 20, 20), (1, 100, STEPS_PER_EPOCH), (None, 70, 70), (2, None, 2 * STEPS_PER_EPOCH)],
)
def test_the_first_limit_reached_ends_the_run(
    epochs: int | None, steps: int | None, reached: int, tmp_path: Path
) -> None:
    outcome = train_run(
        tiny_config(tmp_path, {"train.max_epochs": epochs, "train.max_steps": steps}),
        tmp_path / "run",
    )
    assert outcome.steps == reached
    assert load_checkpoint(tmp_path / "run" / "last.npz").counters.step == reached


def test_a_sample_is_shown_and_kept_at_each_validation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tmp_path, {"train.sample_length": 30, "train.validate_every": 10})
    lines = capsys.readouterr().err.splitlines()
    places = [i for i, line in enumerate(lines) if "  validation " in line]
    assert len(places) == 2
    texts = []
    for place in places:
        shown = []
        for line in lines[place + 1 :]:
            if not line.startswith("  | "):
                break
            shown.append(line.removeprefix("  | "))
        assert len("\n".join(shown)) == 30
        texts.append("\n".join(shown))
    kept = [record for record in timeless(tmp_path / "run") if record["split"] == "sample"]
    assert [(record["step"], visible(record["text"])) for record in kept] == [
        (10, texts[0]),
        (20, texts[1]),
    ]


@pytest.mark.skipif(find_spec("numba") is None, reason="needs Numba")
def test_samples_in_a_training_use_the_gates_of_the_sample_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backends = []

    def observed(model: Model, states: States) -> Stage:
        backends.append(model.backend.name)
        return stepper(model, states)

    monkeypatch.setattr(sampling, "stepper", observed)
    train(tmp_path, {"train.sample_length": 3, "train.max_steps": 2, "train.backend": "numba"})
    assert backends == ["numpy"]


def saved_steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that collects the step of each write of last.npz."""
    steps: list[int] = []

    def save(path: Path, checkpoint: Checkpoint) -> None:
        if path.name == "last.npz":
            steps.append(checkpoint.counters.step)
        save_checkpoint(path, checkpoint)

    monkeypatch.setattr(charrnn.training.trainer, "save_checkpoint", save)
    return steps


@pytest.mark.parametrize(("every", "steps"), [(6, [6, 12, 18, 20]), (5, [5, 10, 15, 20])])
def test_checkpoints_in_steps(
    every: int, steps: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = saved_steps(monkeypatch)
    train(tmp_path, {"train.checkpoint_every": every})
    assert saved == steps


class Clock(Reporter):
    """A clock that advances by a fixed time after each step."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, step_s: float) -> None:
        self._now_s, self._step_s = 0.0, step_s
        clock = SimpleNamespace(monotonic=lambda: self._now_s)
        monkeypatch.setattr(charrnn.training.trainer, "time", clock)

    def step(self, epoch: int, chars: int, loss_nats: float, seconds: float) -> None:  # noqa: ARG002
        self._now_s += self._step_s


def test_checkpoints_in_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = saved_steps(monkeypatch)
    config = tiny_config(tmp_path, {"train.checkpoint_every": "0.01s", "train.log_every": 100})
    train_run(config, tmp_path / "run", reporter=Clock(monkeypatch, 0.003))
    assert saved == [4, 8, 12, 16, 20]


def test_a_coarse_clock_gives_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clocks of some systems tick every 16 ms, the time of many steps of a tiny model."""
    config = tiny_config(tmp_path, {"train.log_every": 1})
    train_run(config, tmp_path / "run", reporter=Clock(monkeypatch, 0.0))
    assert len(records(tmp_path / "run", "train")) == 20


def test_without_a_validation_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_dir = train(tmp_path, {"data.valid_fraction": 0, "train.validate_every": 5})
    assert not (run_dir / "best.npz").exists()
    assert records(run_dir, "valid") == []
    assert load_checkpoint(run_dir / "last.npz").counters.best_loss_nats is None
    err = capsys.readouterr().err
    assert "600 train, 0 valid, 0 test" in err
    assert "finished: 20 steps; " in err


@each_cell
def test_the_state_is_carried_and_reset_at_the_start_of_an_epoch(
    cell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[list[Array]] = []
    returned: list[list[Array]] = []
    loss_gradient = Model.loss_gradient

    def spy(self: Model, codes: Array, targets: Array, states: Any, *rest: Any) -> Any:
        given.append([state.copy() for layer in states for state in layer])
        loss_nats, states = loss_gradient(self, codes, targets, states, *rest)
        returned.append([state.copy() for layer in states for state in layer])
        return loss_nats, states

    config = tiny_config(
        tmp_path,
        {
            "model.cell": cell,
            "model.num_layers": 2,
            "train.max_steps": 2 * STEPS_PER_EPOCH + 3,
            "train.sample_length": 5,
            "train.validate_every": 20,
        },
    )
    monkeypatch.setattr(Model, "loss_gradient", spy)
    train_run(config, tmp_path / "run")
    for step, states in enumerate(given):
        assert len(states) == 2 * len(CELLS[cell].states)
        for i, state in enumerate(states):
            if step % STEPS_PER_EPOCH == 0:
                assert not state.any()
            else:
                np.testing.assert_array_equal(state, returned[step - 1][i])
                assert state.any()


def test_byte_tokens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A text that is not UTF-8 can be trained on, and samples are decoded."""
    (tmp_path / "text.txt").write_bytes("né".encode() * 100 + b"\xff" + "né".encode() * 100)
    run_dir = train(
        tmp_path,
        {"data.tokens": "byte", "train.max_steps": 80, "train.learning_rate": 0.03},
    )
    assert load_checkpoint(run_dir / "last.npz").vocabulary.symbols.tolist() == [
        ord("n"),
        0xA9,
        0xC3,
        0xFF,
    ]
    capsys.readouterr()
    assert run(["sample", str(run_dir), "--prime", "né", "--length", "3", "--greedy"]) == 0
    assert capsys.readouterr() == ("nénén\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="limits a file's size as POSIX does")
def test_overwrite_on_a_full_disk_keeps_the_old_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import resource

    run_dir = train(tmp_path)
    before, limits = contents(run_dir), resource.getrlimit(resource.RLIMIT_FSIZE)
    command = ["train", str(tmp_path / "tiny.yaml"), "--run-dir", str(run_dir), "--overwrite"]
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        assert run(command) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert f"{run_dir / 'config.yaml'}: cannot be written: " in capsys.readouterr().err
    assert contents(run_dir) == before


def test_overwrite_deletes_the_old_run(tmp_path: Path) -> None:
    run_dir = train(tmp_path, {"train.max_steps": 40})
    assert (run_dir / "best.npz").exists()
    train(tmp_path, {"data.valid_fraction": 0, "train.max_steps": 10}, "--overwrite")
    assert not (run_dir / "best.npz").exists()
    assert load_checkpoint(run_dir / "last.npz").counters.step == 10
    assert [r["step"] for r in read_metrics(run_dir / "metrics.jsonl")] == [10]


def test_overwrite_keeps_other_files(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    run_dir = train(tmp_path)
    train(tmp_path, None, "--overwrite")
    assert (run_dir / "notes.txt").read_text() == "mine"


def test_a_refused_overwrite_keeps_the_old_run(tmp_path: Path) -> None:
    """Errors of the new run are found before the old one is deleted."""
    run_dir = train(tmp_path)
    before = (run_dir / "last.npz").read_bytes()
    config = write_config(tmp_path, {"train.batch_size": 500})
    assert run(["train", str(config), "--run-dir", str(run_dir), "--overwrite"]) == 1
    assert (run_dir / "last.npz").read_bytes() == before
    assert (run_dir / "best.npz").exists()


@each_cell
def test_the_same_configuration_gives_the_same_bytes(cell: str, tmp_path: Path) -> None:
    overrides = {"model.cell": cell, "model.num_layers": 2, "model.dropout": 0.3}
    config = tiny_config(tmp_path, overrides | {"train.validate_every": 10})
    for name in ("one", "two"):
        train_run(config, tmp_path / name)
    for file in ("last.npz", "best.npz", "config.yaml"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    train_run(tiny_config(tmp_path, overrides | {"seed": 2}), tmp_path / "other")
    one, other = (load_checkpoint(tmp_path / name / "last.npz") for name in ("one", "other"))
    assert (one.parameters != other.parameters).any()


def test_the_tiny_configuration_has_the_steps_assumed_here() -> None:
    N, T = TINY["train"]["batch_size"], TINY["train"]["seq_length"]
    length = (int(len(tiny_text()) * 0.9) - 1) // N
    assert -(-length // T) == STEPS_PER_EPOCH


def test_a_start_that_was_killed_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not leave a config.yaml alone, which would be taken for the user's own."""

    class Killed(BaseException):
        """Stands for a kill: nothing catches it."""

    def kill(*_: object) -> None:
        raise Killed

    for name in ("charrnn.training.resume.keep_metrics_until", "charrnn.training.train.MetricsLog"):
        run_dir = tmp_path / name
        with monkeypatch.context() as patched:
            patched.setattr(name, kill)
            with pytest.raises(Killed):
                train_run(tiny_config(tmp_path), run_dir)
        train_run(tiny_config(tmp_path), run_dir, resume=True)
        assert load_checkpoint(run_dir / "last.npz").counters.step == 20
