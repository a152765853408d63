"""Signals, kills and resumes of a command with worker processes."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from support import processes_of, started, timeless, train, wait_until, write_config

from charrnn.runs.checkpoint import Checkpoint, load_checkpoint

if sys.platform != "linux":
    pytest.skip("finds child processes in /proc", allow_module_level=True)

each_method = pytest.mark.parametrize("method", ["fork", "spawn"])

# Everything that a resumed run restores, and no limit within reach.
ENDLESS = {
    "model.cell": "lstm",
    "model.num_layers": 2,
    "model.dropout": 0.2,
    "train.backend": "numpy",  # Numba takes a second in each process
    "train.batch_size": 4,
    "train.workers": 2,
    "train.max_steps": 10**7,
    "train.validate_every": 5,
    "train.log_every": 7,
    "train.checkpoint_every": 3,
}


def workers_of(group: int) -> list[int]:
    """Return the worker processes of a command, without Python's resource tracker."""
    return sorted(n for n, line in processes_of(group).items() if "resource_tracker" not in line)


def command(folder: Path, overrides: dict[str, object]) -> list[str]:
    config = write_config(folder, ENDLESS | overrides)
    return ["train", str(config), "--run-dir", str(folder / "run")]


def shared_memory_of_python() -> set[str]:
    """Return the names of the shared memory of Python's multiprocessing."""
    return {n for n in os.listdir("/dev/shm") if n.startswith(("pym-", "psm_", "sem.mp-"))}


def assert_ended(group: int, shared_memory: set[str]) -> None:
    """Assert that a command has left no process and no shared memory."""
    wait_until(lambda: not processes_of(group))
    wait_until(lambda: shared_memory_of_python() <= shared_memory)  # others may use some just now


def assert_same_state(one: Checkpoint, other: Checkpoint) -> None:
    assert asdict(one.counters) == asdict(other.counters)
    np.testing.assert_array_equal(one.parameters, other.parameters)
    for slot in one.optimizer_state:
        np.testing.assert_array_equal(one.optimizer_state[slot], other.optimizer_state[slot])
    np.testing.assert_array_equal(one.states, other.states)


@pytest.mark.parametrize(("whom", "method"), [("process", "spawn"), ("group", "fork")])
def test_interrupted_and_resumed(
    whom: str, method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C reaches the workers too; the resumed run ends as an uninterrupted one."""
    before = shared_memory_of_python()
    interrupted, straight = tmp_path / "interrupted", tmp_path / "straight"
    for folder in (interrupted, straight):
        folder.mkdir()
    with started(tmp_path, method, *command(interrupted, {})) as (process, _):
        assert len(workers_of(process.pid)) == 1
        (os.kill if whom == "process" else os.killpg)(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    step = load_checkpoint(interrupted / "run" / "last.npz").counters.step
    assert err.splitlines()[-1].startswith(f"interrupted at step {step:,}, saved in ")
    assert_ended(process.pid, before)
    # The limit adds no validation to the interrupted run, so both validate at the same steps.
    limit = {"train.max_steps": step + 23}
    train(interrupted, ENDLESS | limit, "--resume")
    assert f"continuing from step {step:,}" in capsys.readouterr().err
    train(straight, ENDLESS | limit)
    one, other = (folder / "run" for folder in (interrupted, straight))
    assert timeless(one) == timeless(other)
    for name in ("last.npz", "best.npz"):
        assert_same_state(load_checkpoint(one / name), load_checkpoint(other / name))


@each_method
def test_a_killed_worker_ends_the_command(
    method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ends soon, with one message that names the worker, and can be resumed."""
    before = shared_memory_of_python()
    with started(tmp_path, method, *command(tmp_path, {"train.workers": 3})) as (process, _):
        victim = workers_of(process.pid)[0]
        os.kill(victim, signal.SIGKILL)
        began = time.monotonic()
        out, err = process.communicate(timeout=30)
    assert time.monotonic() - began < 5
    assert process.returncode == 1
    assert out == ""
    assert "Traceback" not in err
    errors = [line for line in err.splitlines() if "error" in line]
    assert len(errors) == 1, err
    assert errors[0].startswith("charrnn: error: worker ")
    assert f" of 3 (process {victim}) was killed by signal 9; " in errors[0]
    assert "--resume" in errors[0]
    assert_ended(process.pid, before)
    step = load_checkpoint(tmp_path / "run" / "last.npz").counters.step
    overrides = ENDLESS | {"train.workers": 3, "train.max_steps": step + 3}
    train(tmp_path, overrides, "--resume")
    assert f"continuing from step {step:,}" in capsys.readouterr().err
    assert load_checkpoint(tmp_path / "run" / "last.npz").counters.step == step + 3


@each_method
def test_workers_end_with_a_command_that_is_killed(method: str, tmp_path: Path) -> None:
    before = shared_memory_of_python()
    with started(tmp_path, method, *command(tmp_path, {"train.workers": 3})) as (process, _):
        assert len(workers_of(process.pid)) == 2
        os.kill(process.pid, signal.SIGKILL)
        process.wait(timeout=5)
        assert_ended(process.pid, before)


def test_a_second_ctrl_c_ends_everything_at_once(tmp_path: Path) -> None:
    """It comes more than a second after the first, while the command waits for a worker."""
    before = shared_memory_of_python()
    with started(tmp_path, "fork", *command(tmp_path, {})) as (process, _):
        (worker,) = workers_of(process.pid)
        os.kill(worker, signal.SIGSTOP)
        try:
            time.sleep(0.3)  # until it has a task
            os.kill(process.pid, signal.SIGINT)
            time.sleep(1.2)
            assert process.poll() is None
            os.kill(process.pid, signal.SIGINT)
            assert process.wait(timeout=5) == 130
        finally:
            os.kill(worker, signal.SIGCONT)
        _, err = process.communicate(timeout=5)
        assert "stopped at once" in err
        assert_ended(process.pid, before)
    load_checkpoint(tmp_path / "run" / "last.npz")
