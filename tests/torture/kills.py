"""Trainings that are killed again and again, and resumed each time.

Most are forks of this process, which has imported everything; one in five is a command line in a
new process. Half kill themselves in the middle of a checkpoint's write: before a call, after it, or
when one half of the bytes is written.
"""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support import assert_same_run, processes_of, wait_until, write_config
from torture.file_calls import Call, install
from torture.forked import Command, finished, start, start_new
from torture.lists import list_of_records
from torture.tables import COLUMNS, table

from charrnn.runs.checkpoint import load_checkpoint

FILES = ["best.npz", "config.yaml", "last.npz", "metrics.jsonl"]
RUN: dict[str, Any] = {
    "model.cell": "lstm",
    "model.num_layers": 2,
    "model.dropout": 0.2,
    "train.backend": "numpy",
    "train.batch_size": 4,
    "train.optimizer": "adam",
    "train.learning_rate": 0.01,
    "train.schedule": "exponential",
    "train.validate_every": 70,
    "train.log_every": 7,
    "train.checkpoint_every": 30,
}
_STEPS = 1500
_MANY = 10  # kills, a third of which are of trainings on one text
_FIRST_CALLS = 14  # of config.yaml and the metrics
_CALLS = 0.25  # per step; a life ends within this many calls, about eight checkpoints
_SECONDS = 0.0005  # per step; or a life ends within this time
_LONGEST_S = 60  # of any life; a longer one has hung


def one_process(folder: Path, count: int, seed: int, steps: int = _STEPS) -> str:
    """Kill trainings in one process, two of three of them trainings on records."""
    return _of_texts_and_records(folder, random.Random(seed), 1, steps, count)


def two_workers(folder: Path, count: int, seed: int, steps: int = _STEPS) -> str:
    """Kill trainings with two workers: the parent, a worker, or both."""
    return _of_texts_and_records(folder, random.Random(seed), 2, steps, count)


def _of_texts_and_records(
    folder: Path, rng: random.Random, workers: int, steps: int, count: int
) -> str:
    """Kill a third of the trainings on prompts and replies, or all if they are few."""
    third, figures = count // 3 if count >= _MANY else 0, []
    for what, records, kills in (
        ("", "csv", count - 2 * third),
        ("of records without prompts: ", "line", third),
        ("of one text: ", None, third),
    ):
        if not kills:
            continue
        place = folder / str(records)
        place.mkdir()
        values = {**RUN, "data.records": records, "train.workers": workers}
        if records:
            values |= COLUMNS if records == "csv" else {}
            text = table(rng, "csv", 60) if records == "csv" else list_of_records(rng, 60)
            (place / "text.txt").write_text(text, encoding="utf-8")
        write_config(place, values | {"train.max_steps": steps})
        figures.append(what + _Kills(place, rng, workers, steps).until(kills))
    return "; ".join(figures)


class _Kills:
    """Trainings in a folder with tiny.yaml. A life is one process, to its end or kill."""

    def __init__(self, folder: Path, rng: random.Random, workers: int, steps: int) -> None:
        self._rng, self._workers, self._steps, self._folder = rng, workers, steps, folder
        self._log = folder / "log"
        self._kills: Counter[str] = Counter()
        self._loads = 0
        self._seen: dict[Path, int] = {}  # the step of each checkpoint when it was last loaded
        finished(self._train(folder / "whole"), self._log)

    def _train(self, run: Path) -> list[str]:
        return ["train", str(self._folder / "tiny.yaml"), "--run-dir", str(run), "--resume"]

    def until(self, count: int) -> str:
        """Kill `count` times; compare each finished run with one that was never killed."""
        runs = 0
        while self._kills.total() < count:
            runs += 1
            run, lives = self._folder / f"run{runs}", 0
            try:
                while not self._life(run, self._kills.total() < count):
                    lives += 1
                assert_same_run(run, self._folder / "whole")
                assert sorted(os.listdir(run)) == FILES, f"it holds {sorted(os.listdir(run))}"
            except Exception as problem:  # name the run
                raise AssertionError(
                    f"run {runs}, after {lives} kills of it, {dict(self._kills)}: "
                    f"{type(problem).__name__}: {problem}"
                ) from problem
        ways = ", ".join(f"{number} {way}" for way, number in sorted(self._kills.items()))
        return (
            f"{self._kills.total()} kills ({ways}); {runs} runs ended with the same bits; "
            f"checkpoints were loaded {self._loads:,} times meanwhile"
        )

    def _life(self, run: Path, mortal: bool) -> bool:
        """Start or resume a run, and kill it if it is mortal; return whether it has finished."""
        in_a_write = mortal and self._rng.random() < 0.5
        by_command = not in_a_write and self._rng.random() < 0.4
        if by_command:
            command = start_new(self._train(run), self._log)
        else:
            calls = round(_CALLS * self._steps)
            own_end = _in_a_write(run, self._rng, calls) if in_a_write else None
            command = start(self._train(run), self._log, own_end)
        kill_at: float = 2 * _LONGEST_S
        if mortal and not in_a_write:
            kill_at = self._rng.uniform(0, _SECONDS * self._steps) + (0.5 if by_command else 0)
        code, whom = self._watched(command, run, kill_at)
        if code == 0:
            self._ended(command)
            return True
        output = command.output()
        if whom == "a worker":
            assert code == 1, f"a worker was killed: exit code {code}: {output}"
            pattern = (
                r"charrnn: error: worker 2 of 2 \(process \d+\) was killed by signal 9; saved at"
            )
            assert re.match(pattern, output.splitlines()[-1]), output
            self._ended(command)
        else:
            assert mortal, f"exit code {code}: {output}"
            assert code == -signal.SIGKILL, f"exit code {code}: {output}"
        assert "Traceback" not in output, output
        self._check(run)
        if self._rng.random() < 0.5:  # else the next life starts while these workers are ending
            self._ended(command)
        what = "in a write" if in_a_write else "of a command line" if by_command else "of a fork"
        self._kills[what + (f" ({whom})" if self._workers > 1 else "")] += 1
        return False

    def _watched(self, command: Command, run: Path, kill_at: float) -> tuple[int, str]:
        """Load the checkpoints until the end; return the exit code and the killed process."""
        began, whom = time.monotonic(), "the parent"
        killed = False
        while (code := command.poll()) is None:
            now = time.monotonic() - began
            if now > kill_at and not killed:
                whom, killed = self._kill(command), True
            assert now < _LONGEST_S, f"it has hung, {whom} killed: {command.output()}"
            self._check(run)
            time.sleep(0.005)
        return code, whom

    def _kill(self, command: Command) -> str:
        workers = list(processes_of(command.pid)) if self._workers > 1 else []
        whom = self._rng.choice(["the parent", "a worker", "both"] if workers else ["the parent"])
        if whom == "both":
            os.killpg(command.pid, signal.SIGKILL)
        else:
            os.kill(workers[0] if whom == "a worker" else command.pid, signal.SIGKILL)
        return whom

    def _check(self, run: Path) -> None:
        """Check that a checkpoint is not lost or damaged once it is there, and never gets older."""
        for file in (run / "last.npz", run / "best.npz"):
            if file in self._seen or file.exists():
                step = load_checkpoint(file).counters.step
                before = self._seen.get(file, 0)
                assert step >= before, f"{file}: has step {step}, after step {before}"
                self._seen[file] = step
                self._loads += 1

    @staticmethod
    def _ended(command: Command) -> None:
        """Wait until no process of a command is left."""
        wait_until(lambda: not processes_of(command.pid))


def _in_a_write(run: Path, rng: random.Random, calls: int) -> Callable[[], None]:
    """Return a function that makes a process kill itself in one of its first atomic writes.

    It writes config.yaml and the metrics so at its start, and the checkpoints later.
    """
    left, way = rng.randrange(calls + _FIRST_CALLS), rng.choice(["before", "half", "after"])

    def end(call: Call) -> Any:
        nonlocal left
        lines = os.path.basename(call.path) == "metrics.jsonl" and call.name != "os.replace"
        if lines or not call.path.startswith(str(run)):
            return call.do()
        left -= 1
        if left < 0:
            if way == "half" and call.half:
                call.half()
            elif way == "after":
                call.do()
            os.kill(os.getpid(), signal.SIGKILL)
        return call.do()

    return lambda: install(end)
