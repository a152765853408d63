"""A short form of what `make torture` does to a training: kills, failing writes, long ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("processes are looked for in /proc", allow_module_level=True)

# The data of the first four are records.
SHORT = {
    "kills.one_process": (2, ", steps=300"),
    "kills.two_workers": (2, ", steps=300"),
    "failing_writes.every_call": (1, ", every=307"),
    "resumed_pairs.pairs": (2, ""),
    "soak.training": (1500, ""),
    "soak.sampling": (10_000, ""),
}


@pytest.mark.parametrize("part", SHORT)
def test_a_short_form_of(part: str, tmp_path: Path) -> None:
    """In a process of its own, which has no threads and can be forked."""
    module, function = part.split(".")
    count, more = SHORT[part]
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import pathlib; from torture.{module} import {function}\n"
            f"print({function}(pathlib.Path({str(tmp_path)!r}), {count}, seed=2{more}))",
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
