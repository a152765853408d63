"""A run that was stopped anywhere and resumed ends with the same bits as one that was not."""

from __future__ import annotations

import shutil
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import assert_same_run, contents, tiny_text, train, write_config

import charrnn.workers.worker
from charrnn.backends.backend import resolve_backend
from charrnn.commands.cli import run
from charrnn.config.reader import load_config
from charrnn.config.schema import Config, all_keys
from charrnn.model.evaluation import score_windows
from charrnn.runs.checkpoint import load_checkpoint
from charrnn.runs.metrics import read_metrics
from charrnn.training.reporter import Reporter
from charrnn.training.resume import MAY_CHANGE
from charrnn.training.train import train as train_run

# Everything that a resumed run restores: several layers, dropout, optimizer state, a schedule,
# epochs of 68 steps, and lines, validations and checkpoints at different steps.
CHARS, STEPS, EPOCH = 300, 150, 68
RUN = {
    "model.cell": "lstm",
    "model.num_layers": 2,
    "model.hidden_size": 6,
    "model.dropout": 0.2,
    "model.dropout_per": "window",
    "model.weight_dropout": 0.2,
    "train.streams": "fresh",
    "train.batch_size": 2,
    "train.seq_length": 2,
    "train.max_steps": STEPS,
    "train.optimizer": "adam",
    "train.learning_rate": 0.01,
    "train.schedule": "exponential",
    "train.validate_every": 20,
    "train.log_every": 7,
    "train.checkpoint_every": 25,
}


class Kill(Exception):  # noqa: N818
    """Stands for a kill: nothing is saved."""


def kill() -> None:
    raise Kill


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


class Stop(Reporter):
    """Calls a function after some steps."""

    def __init__(self, at: Collection[int], how: Callable[[], None] = interrupt) -> None:
        self._at, self._how = at, how

    def begin(self, step: int, total: int | None, left_s: float | None, tokens: str) -> None:  # noqa: ARG002
        self._step = step

    def step(self, epoch: int, chars: int, loss_nats: float, seconds: float) -> None:  # noqa: ARG002
        self._step += 1
        if self._step in self._at:
            self._how()


def interrupted(config: Config, run_dir: Path, **named: Any) -> int:
    """Train until Ctrl-C; return the step of the checkpoint."""
    with pytest.raises(KeyboardInterrupt):
        train_run(config, run_dir, **named)
    return load_checkpoint(run_dir / "last.npz").counters.step


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny.yaml and the run `whole`, which was not interrupted."""
    place = tmp_path_factory.mktemp("resume")
    (place / "text.txt").write_text(tiny_text(CHARS))
    train_run(load_config(write_config(place, RUN)), place / "whole")
    return place


@pytest.fixture
def config(place: Path) -> Config:
    return load_config(place / "tiny.yaml")


INTERRUPTED_AT = [1, 6, 7, 8, 19, 20, 21, 24, 25, 26, EPOCH - 1, EPOCH, EPOCH + 1]
INTERRUPTED_AT += [100, 2 * EPOCH, 140, STEPS - 1, STEPS]


@pytest.mark.parametrize("step", INTERRUPTED_AT)
def test_interrupted_once(step: int, place: Path, config: Config, tmp_path: Path) -> None:
    assert interrupted(config, tmp_path, reporter=Stop([step])) == step
    assert train_run(config, tmp_path, resume=True).steps == STEPS
    assert_same_run(tmp_path, place / "whole")


def test_interrupted_three_times(place: Path, config: Config, tmp_path: Path) -> None:
    stop = Stop([16, 60, 61])
    assert interrupted(config, tmp_path, reporter=stop) == 16
    assert interrupted(config, tmp_path, resume=True, reporter=stop) == 60
    assert interrupted(config, tmp_path, resume=True, reporter=stop) == 61
    assert train_run(config, tmp_path, resume=True).steps == STEPS
    assert_same_run(tmp_path, place / "whole")


def stop_validation(monkeypatch: pytest.MonkeyPatch, number: int, how: Callable[[], None]) -> None:
    """Call a function within a validation, counted from 1."""
    count = 0

    def stopped(*arguments: Any, **named: Any) -> Iterator[Any]:
        nonlocal count
        count += 1
        if count == number:
            how()
        yield from score_windows(*arguments, **named)

    monkeypatch.setattr(charrnn.workers.worker, "score_windows", stopped)


@pytest.mark.parametrize(("number", "step"), [(1, 20), (5, 100), (8, STEPS)])
def test_interrupted_within_a_validation(
    number: int,
    step: int,
    place: Path,
    config: Config,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop_validation(monkeypatch, number, interrupt)
    assert interrupted(config, tmp_path) == step
    validated = [r["step"] for r in read_metrics(tmp_path / "metrics.jsonl") if "best" in r]
    assert step not in validated  # the resumed run repeats it
    train_run(config, tmp_path, resume=True)
    assert_same_run(tmp_path, place / "whole")


@pytest.mark.parametrize("step", [15, 26, 101, STEPS - 1])
def test_killed(step: int, place: Path, config: Config, tmp_path: Path) -> None:
    """It continues from the last checkpoint, or starts again without one."""
    with pytest.raises(Kill):
        train_run(config, tmp_path, reporter=Stop([step], kill))
    assert (tmp_path / "last.npz").exists() is (step > 25)
    train_run(config, tmp_path, resume=True)
    assert_same_run(tmp_path, place / "whole")


@pytest.mark.parametrize("number", [5, 8])
def test_killed_within_a_validation(
    number: int, place: Path, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_validation(monkeypatch, number, kill)
    with pytest.raises(Kill):
        train_run(config, tmp_path)
    train_run(config, tmp_path, resume=True)
    assert_same_run(tmp_path, place / "whole")


def test_killed_while_a_line_was_written(place: Path, config: Config, tmp_path: Path) -> None:
    with pytest.raises(Kill):
        train_run(config, tmp_path, reporter=Stop([43], kill))
    with (tmp_path / "metrics.jsonl").open("a") as metrics:
        metrics.write('{"step": 43, "epo')
    train_run(config, tmp_path, resume=True)
    assert_same_run(tmp_path, place / "whole")


@pytest.mark.parametrize("step", [20, 100])
def test_interrupted_then_killed(step: int, place: Path, config: Config, tmp_path: Path) -> None:
    """What is due at the step of the checkpoint is repeated, and logged once."""
    interrupted(config, tmp_path, reporter=Stop([step]))
    with pytest.raises(Kill):
        train_run(config, tmp_path, resume=True, reporter=Stop([step + 5], kill))
    train_run(config, tmp_path, resume=True)
    assert_same_run(tmp_path, place / "whole")


def test_the_handler_of_the_host_is_in_place_again(config: Config, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    interrupted(config, tmp_path, reporter=Stop([30]))
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_interrupt_raises_at_once(place: Path, config: Config, tmp_path: Path) -> None:
    """Nothing is saved, and nothing is broken: the run continues from the checkpoint before."""
    twice = Stop([30], lambda: (interrupt(), time.sleep(0.31), interrupt())[0])
    assert interrupted(config, tmp_path, reporter=twice) == 25
    train_run(config, tmp_path, resume=True)
    assert_same_run(tmp_path, place / "whole")


def test_other_signals_are_the_hosts(config: Config, tmp_path: Path) -> None:
    received: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
    try:
        stop = Stop([30], lambda: signal.raise_signal(signal.SIGTERM))
        assert train_run(config, tmp_path, reporter=stop).steps == STEPS
    finally:
        signal.signal(signal.SIGTERM, before)
    assert received == [signal.SIGTERM]


def test_a_training_in_a_thread_leaves_signals_alone(config: Config, tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    thread = threading.Thread(target=train_run, args=(config, tmp_path))
    thread.start()
    thread.join()
    assert load_checkpoint(tmp_path / "last.npz").counters.step == STEPS
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_the_validation_at_a_limit_does_not_use_up_patience(tmp_path: Path) -> None:
    """A run that was continued with a higher limit ends where an uninterrupted one does."""
    overrides = {"train.patience": 2, "train.validate_every": 10, "train.learning_rate": 1e-30}
    ends = []
    for name, limits in {"straight": [60], "raised": [15, 60]}.items():
        (tmp_path / name).mkdir()
        for limit in limits:
            run_dir = train(tmp_path / name, overrides | {"train.max_steps": limit}, "--resume")
        ends.append(load_checkpoint(run_dir / "last.npz").counters.step)
    assert ends[0] == ends[1] == 30


def test_a_raised_limit_gives_the_longer_run(tmp_path: Path) -> None:
    overrides = {**RUN, "train.schedule": "constant"}
    train(tmp_path, {**overrides, "train.max_steps": 50})
    run_dir = train(tmp_path, {**overrides, "train.max_steps": 100}, "--resume")
    train_run(load_config(tmp_path / "tiny.yaml"), tmp_path / "longer")
    one, other = (load_checkpoint(path / "last.npz") for path in (run_dir, tmp_path / "longer"))
    assert one.counters.step == 100
    np.testing.assert_array_equal(one.parameters, other.parameters)
    for slot in one.optimizer_state:
        np.testing.assert_array_equal(one.optimizer_state[slot], other.optimizer_state[slot])


def test_resuming_a_finished_run_changes_nothing(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = place / "whole"
    before, times = contents(whole), [path.stat().st_mtime_ns for path in whole.iterdir()]
    command = ["train", str(place / "tiny.yaml"), "--run-dir", str(whole), "--resume"]
    assert run(command) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith(f"finished: {STEPS} steps; best validation ")
    assert "nothing is left to do; a higher train.max_steps continues the run" in err
    assert contents(whole) == before
    assert [path.stat().st_mtime_ns for path in whole.iterdir()] == times


def test_a_lowered_limit_ends_the_run_at_once(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(place / "whole", tmp_path / "run")
    before = contents(tmp_path)
    command = ["train", str(place / "tiny.yaml"), "--run-dir", str(tmp_path / "run"), "--resume"]
    assert run([*command, "--set", "train.max_steps=100"]) == 0
    assert f"finished: {STEPS} steps" in capsys.readouterr().err
    assert contents(tmp_path) == before


def test_more_patience_continues_as_if_given_from_the_start(tmp_path: Path) -> None:
    """An unset patience keeps its value; less patience ends the run."""
    never_better = {
        "train.learning_rate": 1e-30,
        "train.validate_every": 10,
        "train.max_steps": 200,
    }
    config = str(write_config(tmp_path, never_better))
    command = ["train", config, "--run-dir", str(tmp_path / "run"), "--resume"]

    def step(*more: str) -> int:
        assert run([*command, *more]) == 0
        return load_checkpoint(tmp_path / "run" / "last.npz").counters.step

    assert step("--set", "train.patience=2") == 30
    assert step() == 30
    assert step("--set", "train.patience=3") == 40
    assert step("--set", "train.patience=1") == 40


# For each key that a resumed run may not change: overrides that change it.
TABLE = ("data.records=csv", "data.reply_column=2")
CHANGES: dict[str, tuple[str, ...]] = {
    "seed": ("seed=2",),
    "data.tokens": ("data.tokens=byte",),
    "data.encoding": ("data.encoding=latin-1",),
    "data.newlines": ("data.newlines=keep",),
    "data.records": ("data.records=line",),
    "data.prompt_column": (*TABLE, "data.prompt_column=1"),
    "data.reply_column": TABLE,
    "data.feature_columns": (*TABLE, "data.feature_columns=1"),
    "data.header": (*TABLE, "data.header=true"),
    "data.delimiter": (*TABLE, "data.delimiter=;"),
    "data.prompt_separator": ("data.records=line", "data.prompt_separator=_"),
    "data.label_from": ("data.records=line", "data.label_from=file"),
    "data.label_as": ("data.records=line", "data.label_from=file", "data.label_as=reply"),
    "data.split_by": ("data.records=line", "data.prompt_separator=_", "data.split_by=reply"),
    "data.reverse_prompts": (
        "data.records=line",
        "data.prompt_separator=_",
        "data.reverse_prompts=true",
    ),
    "train.valid_chars": ("train.valid_chars=30",),
    "train.prompt_weight": (
        "data.records=line",
        "data.prompt_separator=_",
        "train.prompt_weight=0.5",
    ),
    "train.activation_penalty": ("train.activation_penalty=0.5",),
    "train.early_weight": (
        "data.records=line",
        "data.prompt_separator=_",
        "train.early_weight=0.5",
    ),
    "data.valid_fraction": ("data.valid_fraction=0.2",),
    "data.test_fraction": ("data.test_fraction=0.2",),
    "model.cell": ("model.cell=gru",),
    "model.num_layers": ("model.num_layers=1",),
    "model.hidden_size": ("model.hidden_size=7",),
    "model.embedding_size": ("model.embedding_size=4",),
    "model.dropout": ("model.dropout=0.3",),
    "model.dropout_per": ("model.dropout_per=step",),
    "model.weight_dropout": ("model.weight_dropout=0.3",),
    "train.streams": ("train.streams=fixed",),
    "train.batch_size": ("train.batch_size=3",),
    "train.seq_length": ("train.seq_length=5",),
    "train.optimizer": ("train.optimizer=adagrad",),
    "train.learning_rate": ("train.learning_rate=0.02",),
    "train.momentum": ("train.optimizer=momentum",),
    "train.decay_rate": ("train.optimizer=rmsprop",),
    "train.beta1": ("train.beta1=0.8",),
    "train.beta2": ("train.beta2=0.9",),
    "train.epsilon": ("train.epsilon=1e-6",),
    "train.weight_decay": ("train.optimizer=adamw", "train.weight_decay=0.2"),
    "train.schedule": ("train.schedule=cosine",),
    "train.warmup_steps": ("train.warmup_steps=10",),
    "train.decay_every": ("train.decay_every=100",),
    "train.decay_factor": ("train.decay_factor=0.5",),
    "train.min_learning_rate": ("train.min_learning_rate=1e-4",),
    "train.clip_norm": ("train.clip_norm=1",),
    "train.clip_value": ("train.clip_value=1", "train.clip_norm=null"),
    "train.workers": ("train.workers=2",),
    "train.backend": (
        f"train.backend={'numpy' if resolve_backend('auto') == 'numba' else 'numba'}",
    ),
}


def test_every_key_may_change_or_is_tested_here() -> None:
    assert CHANGES.keys() | set(MAY_CHANGE) == all_keys().keys()
    assert not CHANGES.keys() & set(MAY_CHANGE)


@pytest.mark.parametrize("key", CHANGES)
def test_a_changed_key_is_refused_by_name(
    key: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(place / "whole")
    overrides = [word for change in CHANGES[key] for word in ("--set", change)]
    command = ["train", str(place / "tiny.yaml"), "--run-dir", str(place / "whole"), "--resume"]
    assert run([*command, *overrides]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("charrnn: error: ") == 1
    assert "cannot be resumed with another configuration" in err
    now = {change.partition("=")[0] for change in CHANGES[key]} | {key}
    for changed in now:
        assert f" {changed} is " in err
    assert "--overwrite" in err
    for untouched in ({"seed", "model.cell", "train.learning_rate"}) - now:
        assert untouched not in err
    assert contents(place / "whole") == before


LATITUDE = {
    "train.max_epochs": "train.max_epochs=50",
    "train.max_steps": "train.max_steps=155",
    "train.max_minutes": "train.max_minutes=60",
    "train.patience": "train.patience=1000",
    "train.log_every": "train.log_every=3",
    "train.validate_every": "train.validate_every=epoch",
    "train.checkpoint_every": "train.checkpoint_every=0.5s",
    "train.sample_length": "train.sample_length=5",
    "data.path": "data.path=moved.txt",
    "data.test_path": "data.test_path=moved.txt",
}


@pytest.fixture(scope="module")
def stopped(place: Path) -> Path:
    """A run that was interrupted shortly before its end."""
    interrupted(load_config(place / "tiny.yaml"), place / "stopped", reporter=Stop([140]))
    return place / "stopped"


ELSEWHERE = ("data.valid_path", "data.features_path")  # keys with tests of their own


@pytest.mark.parametrize("key", [key for key in MAY_CHANGE if key not in ELSEWHERE])
def test_keys_that_may_change_do_not_change_a_step(
    key: str,
    place: Path,
    stopped: Path,
    config: Config,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Limits, logs, checkpoints and the place of the text do not change the parameters."""
    monkeypatch.chdir(tmp_path)
    Path("moved.txt").write_text(tiny_text(CHARS))
    shutil.copytree(stopped, "run")
    changed = load_config(place / "tiny.yaml", [LATITUDE[key]])
    assert changed != config
    limited = "train.max_" in key  # the run would continue past STEPS
    stop = Stop([STEPS] if limited else [])
    try:
        assert train_run(changed, "run", resume=True, reporter=stop).steps == STEPS
    except KeyboardInterrupt:
        assert limited
    parameters = load_checkpoint("run/last.npz").parameters
    np.testing.assert_array_equal(
        parameters, load_checkpoint(place / "whole" / "last.npz").parameters
    )


def test_one_press_that_arrives_twice_saves(config: Config, tmp_path: Path) -> None:
    def press() -> None:
        interrupt()
        interrupt()

    assert interrupted(config, tmp_path, reporter=Stop([7], press)) == 7


def test_a_refused_resume_names_all_that_a_new_run_needs(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(place / "whole", tmp_path / "run")
    words = ["train", str(place / "tiny.yaml"), "--set", "model.hidden_size=9"]
    assert run([*words, "--run-dir", str(tmp_path / "run"), "--resume"]) == 1
    assert "--init-from with --run-dir starts a new run" in capsys.readouterr().err
