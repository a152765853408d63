"""Commands of charrnn, and files of results, of benchmarks that take hours.

A file of results has a JSON object on each line; a benchmark that is interrupted continues, as it
measures nothing that stands there already.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

Line = dict[str, Any]


def charrnn(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of charrnn; return what it prints. This process ends if the command fails."""
    command = [sys.executable, "-m", "charrnn", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done


def lowest_validation(run: Path) -> Line:
    """Return the lowest validation loss of a training, its step, all steps and their time."""
    metrics = read_lines(run / "metrics.jsonl")
    loss, step = min((one["loss_nats"], one["step"]) for one in metrics if one["split"] == "valid")
    last = metrics[-1]
    return {"loss_nats": loss, "best_step": step, "steps": last["step"], "s": last["elapsed_s"]}


def read_lines(file: Path) -> list[Line]:
    """Return the lines of a file; of one that is not there, none."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def append_line(results: Path, line: Line) -> None:
    """Add a line to a file of results."""
    with results.open("a") as file:
        file.write(json.dumps(line) + "\n")


def processor() -> str:
    """Return the name of the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
