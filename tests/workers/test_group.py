"""Several workers compute what one does, with the same bits however they are started."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import assert_same_run, resolved, tiny_text, write_config

import charrnn.workers.processes
import charrnn.workers.worker
from charrnn.commands.cli import run
from charrnn.config.reader import load_config
from charrnn.config.schema import Config
from charrnn.errors import RunError
from charrnn.kernels import Array
from charrnn.model.dropout_masks import MaskGenerator, Masks
from charrnn.model.evaluation import Score
from charrnn.model.parameters import initial_parameters
from charrnn.text.load import load_corpus
from charrnn.training.train import train as train_run
from charrnn.workers.group import WorkerGroup, buffers_in, floats_needed
from charrnn.workers.processes import ProcessGroup
from charrnn.workers.worker import Job, Worker

METHODS = ["fork", "spawn"] if "fork" in multiprocessing.get_all_start_methods() else ["spawn"]
each_method = pytest.mark.parametrize("method", METHODS)
# A spawned worker computes what a forked one does, so one number of them is enough.
each_count = pytest.mark.parametrize(
    ("method", "workers"), sorted({*((METHODS[0], count) for count in (2, 3, 5)), ("spawn", 2)})
)

# Two or three workers cannot share five streams evenly.
SHARED = {
    "model.cell": "lstm",
    "model.num_layers": 2,
    "model.dropout": 0.3,
    "model.dropout_per": "window",
    "model.weight_dropout": 0.2,
    "train.activation_penalty": 0.5,
    "train.streams": "fresh",
    "train.batch_size": 5,
    "train.seq_length": 7,
    "train.backend": "numpy",
}
WINDOWS = 16  # of 540 characters in 5 streams of 108; the last one has 3 steps


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config(write_config(tmp_path, SHARED))


def job_of(config: Config, workers: int) -> Job:
    corpus = load_corpus(config.data)
    return Job(resolved(config, workers), corpus)


@contextmanager
def group_of(job: Job, method: str | None = None) -> Iterator[WorkerGroup]:
    """Yield a group with initial parameters; with a method, its workers are processes."""
    with closing(ProcessGroup(job, method) if method else WorkerGroup(job)) as group:
        group.parameters[...] = initial_parameters(job.config.model, job.V, 1)
        yield group
    assert not multiprocessing.active_children()


def steps_of(group: WorkerGroup, steps: int) -> list[tuple[float, Array, Array]]:
    """Return the loss, the gradient and the next states of the first steps."""
    results = []
    for step in range(steps):
        nats = group.train(step)
        gradient = group.gradient.copy()
        group.carry_states()
        results.append((nats, gradient, group.states.copy()))
    return results


@each_count
def test_several_workers_compute_what_one_does(method: str, workers: int, config: Config) -> None:
    """Loss, gradient and states agree, also for the shorter window at the end of an epoch."""
    with group_of(job_of(config, 1)) as alone:
        expected = steps_of(alone, WINDOWS + 1)
    with group_of(job_of(config, workers), method) as group:
        results = steps_of(group, WINDOWS + 1)
    for (nats, gradient, states), (true_nats, true_gradient, true_states) in zip(
        results, expected, strict=True
    ):
        assert nats == pytest.approx(true_nats, rel=1e-6)
        assert np.abs(gradient - true_gradient).max() < 3e-6 * np.abs(true_gradient).max()
        np.testing.assert_allclose(states, true_states, rtol=0, atol=1e-6)
        assert states.any(axis=(0, 1, 3)).all()  # of every stream
    assert expected[0][0] > 2 * expected[WINDOWS - 1][0]  # the last window is shorter


@pytest.mark.parametrize("workers", [2, 3, 5])
def test_the_masks_of_a_stream_do_not_depend_on_its_worker(
    workers: int, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Masks] = []

    class Spy(MaskGenerator):
        def masks(self, step: int, T: int, streams: range) -> Masks:
            seen.append(super().masks(step, T, streams))
            return seen[-1]

    monkeypatch.setattr(charrnn.workers.worker, "MaskGenerator", Spy)

    def masks_of(count: int, step: int) -> list[Masks]:
        """Return the masks of each worker."""
        job = job_of(config, count)
        memory = np.zeros(floats_needed(job, count), np.float32)
        seen.clear()
        for rank in range(count):
            Worker(job, rank, buffers_in(job, memory, rank)).train(step)
        return list(seen)

    for step in (0, 3, WINDOWS - 1, WINDOWS):
        (whole,), parts = masks_of(1, step), masks_of(workers, step)
        assert not np.array_equal(*whole.outputs)
        for layer in range(2):
            of_streams = [part.outputs[layer] for part in parts]
            np.testing.assert_array_equal(np.concatenate(of_streams, axis=1), whole.outputs[layer])
            for part in parts:
                np.testing.assert_array_equal(part.weights[layer], whole.weights[layer])


def test_every_stream_belongs_to_one_worker(config: Config) -> None:
    for workers in range(1, 6):
        job = job_of(config, workers)
        shares = [job.streams_of(rank) for rank in range(workers)]
        assert [stream for share in shares for stream in share] == list(range(5))
        assert all(shares)


def test_the_buffers_of_workers_share_what_they_should(config: Config) -> None:
    job = job_of(config, 2)
    memory = np.zeros(floats_needed(job, 2), np.float32)
    one, other = (buffers_in(job, memory, rank) for rank in range(2))
    for i, (a, b) in enumerate(zip(one, other, strict=True)):
        assert np.shares_memory(a, b) is (one._fields[i] != "gradient")
        a[...] = i + 1
    other.gradient[...] = 5
    for i, a in enumerate(one):
        assert (a == i + 1).all()


@pytest.mark.parametrize("backend", ["numpy", "auto"])
def test_the_start_method_does_not_change_a_bit(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = {**SHARED, "train.backend": backend, "train.max_steps": 40}
    overrides |= {"train.workers": 2, "train.validate_every": 9, "train.log_every": 3}
    config = load_config(write_config(tmp_path, overrides))
    train_run(config, tmp_path / "first")
    for method in METHODS:
        monkeypatch.setattr(charrnn.workers.processes, "start_method", lambda method=method: method)
        train_run(config, tmp_path / method)
        assert_same_run(tmp_path / method, tmp_path / "first")
    one = replace(config, train=replace(config.train, workers=1))
    train_run(one, tmp_path / "one")
    assert load_config(tmp_path / "first" / "config.yaml").train.workers == 2
    assert load_config(tmp_path / "one" / "config.yaml").train.workers == 1


@pytest.fixture(scope="module")
def long_text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a text that is scored in three streams."""
    folder = tmp_path_factory.mktemp("long")
    (folder / "text.txt").write_text(tiny_text(8000))
    return folder


@each_count
def test_several_workers_score_what_one_does(method: str, workers: int, long_text: Path) -> None:
    """Also with fewer streams than workers, and again after an unfinished scoring."""
    config = load_config(write_config(long_text, {**SHARED, "data.valid_fraction": 0.4}))
    job = job_of(config, 1)
    spans = [
        (job.corpus.train_end, len(job.corpus.codes)),
        (0, len(job.corpus.codes)),
        (100, 164),
        (5, 6),
        (0, 2),
    ]

    def scores(group: WorkerGroup) -> list[list[Score]]:
        next(iter(group.score_windows(*spans[0])))
        return [list(group.score_windows(*span)) for span in spans]

    with group_of(job) as alone:
        expected = scores(alone)
    assert sum(window.chars for window in expected[0]) == spans[0][1] - spans[0][0]
    with group_of(job_of(config, workers), method) as group:
        results = scores(group)
    for result, true in zip(results, expected, strict=True):
        assert [window.chars for window in result] == [window.chars for window in true]
        for window, true_window in zip(result, true, strict=True):
            assert window.nats == pytest.approx(true_window.nats, rel=1e-6)


@each_method
def test_workers_open_the_file_of_a_mapped_text(
    method: str, config: Config, tmp_path: Path
) -> None:
    job = job_of(config, 2)
    file = tmp_path / "codes"
    file.write_bytes(b"\xff" * 64 + job.corpus.codes.tobytes())
    mapped = np.memmap(file, job.corpus.codes.dtype, "r", 64)
    with group_of(job, "spawn") as group:
        expected = steps_of(group, 2)
    with group_of(job.with_arrays({"codes": mapped}), method) as group:
        for result, true in zip(steps_of(group, 2), expected, strict=True):
            for a, b in zip(result, true, strict=True):
                np.testing.assert_array_equal(a, b)


@each_method
def test_a_killed_worker_is_named(method: str, config: Config) -> None:
    with group_of(job_of(config, 3), method) as group:
        group.train(0)
        (victim,) = (p for p in multiprocessing.active_children() if p.name == "charrnn worker 3")
        number = victim.pid
        assert number is not None
        os.kill(number, signal.SIGKILL)
        victim.join()
        with pytest.raises(RunError) as caught:
            group.train(1)
    assert str(caught.value) == f"worker 3 of 3 (process {number}) was killed by signal 9"


@pytest.mark.skipif("fork" not in METHODS, reason="only a forked process has the patched method")
@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "worker 2 of 2: not enough memory"),
        (RunError("no more of it"), "worker 2 of 2: no more of it"),
        (ValueError("odd"), "worker 2 of 2: ValueError: odd"),
    ],
)
def test_an_exception_in_a_worker_is_reported(
    error: Exception, message: str, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = Worker.train

    def failing(self: Worker, step: int) -> float:
        if self._rank == 1 and step == 1:
            raise error
        return train(self, step)

    monkeypatch.setattr(Worker, "train", failing)
    with group_of(job_of(config, 2), "fork") as group:
        group.train(0)
        with pytest.raises(RunError, match=f"^{message}$"):
            group.train(1)


@pytest.mark.skipif("fork" not in METHODS, reason="only a forked process has the patched function")
def test_a_starting_worker_ignores_signals(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C reaches a new process too, perhaps before it can ignore the signal."""
    serve = charrnn.workers.processes._serve

    def hit(*arguments: Any) -> None:
        for number in charrnn.workers.processes.SIGNALS:
            os.kill(os.getpid(), number)
        serve(*arguments)

    monkeypatch.setattr(charrnn.workers.processes, "_serve", hit)
    with group_of(job_of(config, 3), "fork") as group:
        group.train(0)


def test_processes_that_cannot_be_started_are_an_error(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []
    context = multiprocessing.get_context(METHODS[0])
    start = context.Process.start

    def limited(self: Any) -> None:
        if started:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        started.append(self)
        start(self)

    monkeypatch.setattr(context.Process, "start", limited)
    with pytest.raises(RunError, match=r"cannot be started.*train\.workers 1 needs none"):
        ProcessGroup(job_of(config, 3), METHODS[0])
    assert started
    assert not multiprocessing.active_children()


def test_a_divergence_ends_all_workers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    overrides = {**SHARED, "train.workers": 2, "train.learning_rate": 1e38}
    config = write_config(tmp_path, overrides)
    assert run(["train", str(config), "--run-dir", str(tmp_path / "run")]) == 1
    err = capsys.readouterr().err
    assert err.count("charrnn: error: ") == 1
    assert "the training diverged" in err
    assert not multiprocessing.active_children()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@each_method
def test_a_worker_ignores_ctrl_c(method: str, config: Config) -> None:
    with closing(ProcessGroup(job_of(config, 2), method)) as group:
        (process,) = group._processes
        status = Path(f"/proc/{process.pid}/status").read_text()
        masks = dict(line.split(":\t") for line in status.splitlines() if line.startswith("Sig"))
        blocked_or_ignored = int(masks["SigBlk"], 16) | int(masks["SigIgn"], 16)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            assert blocked_or_ignored >> (number - 1) & 1
