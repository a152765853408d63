"""Memory and open files in a long training and in a long sampling: they must not grow."""

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
    """The resources of a process at a moment."""

    share: float  # of its work that is done
    resident: int  # memory, bytes
    files: int  # open files


def training(folder: Path, count: int, seed: int) -> str:
    """Train `count` steps, with a validation, a sample and a checkpoint every thousand."""
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
    """Sample `count` characters into a pipe."""
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
    """Return a reading of a process; none if the process is ending."""
    folder = Path("/proc") / str(pid)
    try:
        status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
        files = len(os.listdir(folder / "fd"))
        return [Reading(share, int(status["VmRSS"].split()[0]) << 10, files)]
    except (OSError, KeyError):
        return []


def _flat(readings: Sequence[Reading]) -> str:
    """Compare the last tenth of the readings with the tenth after the first twentieth."""
    early = [r for r in readings if 0.05 <= r.share <= 0.15]
    late = [r for r in readings if 0.9 <= r.share < 1]  # at 1 the process closes its files
    assert early, "no reading after the first 5%"
    assert late, "no reading near the end"
    began, ended = (median(r.resident for r in part) for part in (early, late))
    most = max(r.resident for r in readings if r.share >= 0.05)
    # A checkpoint being written is open for a moment, so the minimum counts.
    files = [min(r.files for r in part) for part in (early, late)]
    text = (
        f"{began / MEGABYTE:.1f} MB after the first 5%, {ended / MEGABYTE:.1f} MB at the end, at "
        f"most {most / MEGABYTE:.1f} MB; {files[0]} and {files[1]} files open"
    )
    assert most - began <= _MOST_GROWTH, text
    assert files[0] == files[1], text
    return text
