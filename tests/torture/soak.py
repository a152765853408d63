"""Memory and open files in a long training and in a long sampling: what they were at first."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from support import write_config
from torture.forked import finished

MEGABYTE = 1 << 20
_MOST_GROWTH = 5 * MEGABYTE
_PAUSE_S = 0.02
RUN: dict[str, Any] = {
    "train.backend": "numpy",
    "train.workers": 1,
    "train.optimizer": "adam",
    "train.log_every": 10,
    "train.validate_every": 1000,
    "train.checkpoint_every": 1000,
    "train.sample_length": 20,
}


class Reading(NamedTuple):
    """What a process took at a moment."""

    share: float  # of its work, done
    resident: int  # bytes
    files: int  # open


def training(folder: Path, count: int, seed: int) -> str:
    """Make so many steps, with a validation, a sample and a checkpoint each thousand."""
    if not Path("/proc/self/fd").exists():
        return "not measured: there is no /proc here"
    config = write_config(folder, {**RUN, "seed": seed, "train.max_steps": count})
    metrics = folder / "run" / "metrics.jsonl"
    readings = []
    with _command("train", str(config), "--run-dir", str(folder / "run")) as process:
        while process.poll() is None:
            if metrics.exists() and (step := _last_step(metrics)):
                readings += _reading(process.pid, step / count)
            time.sleep(_PAUSE_S)
    assert process.returncode == 0, f"exit code {process.returncode}"
    return _flat(readings)


def sampling(folder: Path, count: int, seed: int) -> str:
    """Sample so many characters into a pipe."""
    if not Path("/proc/self/fd").exists():
        return "not measured: there is no /proc here"
    run, readings, read = folder / "run", [], 0
    finished(["train", str(write_config(folder, RUN)), "--run-dir", str(run)], folder / "log")
    words = ["sample", str(run), "--length", str(count), "--seed", str(seed), "--prime", "a"]
    with _command(*words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while chars := os.read(process.stdout.fileno(), 1 << 12):
            read += len(chars)  # its characters take one byte each
            if read > count * len(readings) // 1000:
                readings += _reading(process.pid, read / count)
    assert process.returncode == 0, f"exit code {process.returncode}"
    assert count < read <= count + 2, f"{read} characters and not {count}"
    return _flat(readings)


def _command(*arguments: str, stdout: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "charrnn", *arguments],
        stdout=stdout,
        stderr=subprocess.DEVNULL,
    )


def _last_step(metrics: Path) -> int:
    with metrics.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - 2000))
        lines = file.read().split(b"\n")
    return int(json.loads(lines[-2])["step"]) if len(lines) > 1 else 0


def _reading(pid: int, share: float) -> list[Reading]:
    """Read what a process takes; nothing if it is just ending."""
    folder = Path("/proc") / str(pid)
    try:
        status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
        files = len(os.listdir(folder / "fd"))
        return [Reading(share, int(status["VmRSS"].split()[0]) << 10, files)]
    except (OSError, KeyError):
        return []


def _flat(readings: Sequence[Reading]) -> str:
    """Hold the end, the last tenth, against the tenth after the first twentieth."""
    early = [r for r in readings if 0.05 <= r.share <= 0.15]
    late = [r for r in readings if 0.9 <= r.share < 1]  # at 1 it is closing its files
    assert early, "it was not looked at after the first 5%"
    assert late, "it was not looked at near its end"
    began, ended = (median(r.resident for r in part) for part in (early, late))
    most = max(r.resident for r in readings if r.share >= 0.05)
    # A file is open now and then while a checkpoint is written: the fewest are those that stay.
    files = [min(r.files for r in part) for part in (early, late)]
    text = (
        f"{began / MEGABYTE:.1f} MB after the first 5%, {ended / MEGABYTE:.1f} MB at the end, at "
        f"most {most / MEGABYTE:.1f} MB; {files[0]} and {files[1]} files open"
    )
    assert most - began <= _MOST_GROWTH, text
    assert files[0] == files[1], text
    return text
