"""Shared by several test files: a small text, a configuration for it, runs of the commands."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from charrnn.backends.backend import resolve_backend
from charrnn.commands.cli import run
from charrnn.config.reader import config_from_dict
from charrnn.config.schema import Config, DataConfig
from charrnn.runs.metrics import read_metrics
from charrnn.text.corpus import cut_points
from charrnn.text.streams import TextSizes

ROOT = Path(__file__).parents[1]  # of the checkout
WORDS = ("a", "bee", "hums", "in", "the", "blue", "box", "and", "all", "of", "them", "listen")

# Every key whose default depends on the text, except for the length of the training, and plain
# values of some others.
PLAIN: dict[str, dict[str, Any]] = {
    "data": {"path": "text.txt"},
    "model": {
        "cell": "lstm",
        "num_layers": 2,
        "hidden_size": 128,
        "dropout": 0,
        "dropout_per": "step",
        "weight_dropout": 0,
    },
    "train": {
        "batch_size": 50,
        "seq_length": 50,
        "streams": "fixed",
        "optimizer": "adam",
        "learning_rate": 2e-3,
        "schedule": "constant",
        "warmup_steps": 0,
        "validate_every": "epoch",
        "checkpoint_every": 1000,
        "valid_chars": 0,
        "prompt_weight": 0,
        "early_weight": 0,
        "activation_penalty": 0,
    },
}

# A model that trains in a few milliseconds.
TINY: dict[str, dict[str, Any]] = {
    "data": PLAIN["data"],
    "model": PLAIN["model"] | {"cell": "rnn", "num_layers": 1, "hidden_size": 8},
    "train": PLAIN["train"] | {"batch_size": 2, "seq_length": 5, "max_steps": 20},
}


def text_sizes(n: int, config: DataConfig) -> TextSizes:
    """Return the sizes of the parts of n characters."""
    train_end, valid_end = cut_points(n, config)
    return TextSizes(train_end, (valid_end - train_end, n - valid_end))


def tiny_text(chars: int = 600) -> str:
    """Return lines of words in a fixed random order."""
    words = random.Random(1).choices(WORDS, k=chars)
    lines = [" ".join(words[i : i + 8]) for i in range(0, chars, 8)]
    return "\n".join(lines)[:chars]


def write_config(
    folder: Path, overrides: Mapping[str, Any] | None = None, name: str = "tiny"
) -> Path:
    """Write a configuration, and its text if there is none yet; return the path.

    Args:
        folder: folder to write to.
        overrides: values by dotted key, in place of those of TINY.
        name: name of the file, without .yaml.
    """
    values = _over(TINY, overrides or {})
    text = folder / values["data"]["path"]
    if not text.exists():
        text.write_text(tiny_text(), encoding="utf-8")
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def plain_config(overrides: Mapping[str, Any] | None = None) -> Config:
    """Return a configuration without unset keys: PLAIN with overrides by dotted key."""
    values = _over(PLAIN, overrides or {})
    if values["train"]["optimizer"] in ("adamw", "cadamw"):
        values["train"].setdefault("weight_decay", 0.1)
    return config_from_dict(values)


def _over(
    base: Mapping[str, Mapping[str, Any]], overrides: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    values: dict[str, Any] = {section: dict(keys) for section, keys in base.items()}
    for dotted, value in overrides.items():
        section, _, key = dotted.rpartition(".")
        (values.setdefault(section, {}) if section else values)[key] = value
    return values


def train(folder: Path, overrides: Mapping[str, Any] | None = None, *arguments: str) -> Path:
    """Train through the command line in `folder`; return the run's folder, `folder`/run."""
    config = write_config(folder, overrides)
    run_dir = folder / "run"
    assert run(["train", str(config), "--run-dir", str(run_dir), *arguments]) == 0
    return run_dir


def resolved(config: Config, workers: int = 1) -> Config:
    """Return a configuration with the backend resolved and a number of workers."""
    backend = resolve_backend(config.train.backend)
    return replace(config, train=replace(config.train, workers=workers, backend=backend))


def contents(folder: Path) -> dict[str, bytes | None]:
    """Return the bytes of every file below a folder, and None for every folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def timeless(run_dir: Path) -> list[dict[str, Any]]:
    """Return the records of a run's metrics without times and rates."""
    return [
        {key: value for key, value in record.items() if key not in ("chars_per_s", "elapsed_s")}
        for record in read_metrics(run_dir / "metrics.jsonl")
    ]


def assert_same_run(run_dir: Path, whole: Path) -> None:
    """Assert that two runs have equal files, and equal metrics except for times and rates."""
    assert timeless(run_dir) == timeless(whole)
    for name in ("last.npz", "best.npz", "config.yaml"):
        if name != "best.npz" or (run_dir / name).exists() or (whole / name).exists():
            assert (run_dir / name).read_bytes() == (whole / name).read_bytes(), name


# The command, with worker processes started by the method in the first argument.
LAUNCHER = """\
import sys
import charrnn.workers.processes

if __name__ == "__main__":
    method = sys.argv.pop(1)
    charrnn.workers.processes.start_method = lambda: method
    from charrnn.__main__ import main
    main()
"""


@contextmanager
def started(
    folder: Path, method: str, *arguments: str
) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Run a command in its own process group until it has printed its first validation.

    Args:
        folder: folder for the launcher.
        method: "fork" or "spawn", for worker processes.
        arguments: arguments of charrnn.

    Yields:
        The process, and the lines read from its standard error so far.
    """
    launcher = folder / "launcher.py"
    launcher.write_text(LAUNCHER)
    with subprocess.Popen(
        [sys.executable, str(launcher), method, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stderr is not None
            lines = []
            for line in process.stderr:
                lines.append(line)
                if "  validation " in line:
                    break
            assert process.poll() is None, lines
            yield process, lines
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def processes_of(group: int) -> dict[int, str]:
    """Return the running processes of a group without its leader: number and command line."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal() or folder.name == str(group):
            continue
        try:
            # Names of other processes may be no UTF-8.
            after_name = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
            command = (folder / "cmdline").read_text(errors="replace").replace("\0", " ")
        except OSError:  # it has ended in the meantime
            continue
        if int(after_name[2]) == group and after_name[0] != "Z":
            found[int(folder.name)] = command
    return found


def wait_until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait until a condition holds.

    Raises:
        AssertionError: if it does not hold in time.
    """
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition does not hold"
        time.sleep(0.02)
