"""What several test files share: a small text, a configuration for it, the commands in-process."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from charrnn.backends import resolve_backend
from charrnn.cli import run
from charrnn.config import Config

WORDS = ("a", "bee", "hums", "in", "the", "blue", "box", "and", "all", "of", "them", "listen")

# A model that trains in a few milliseconds; `write_config` changes what a test is about.
TINY: dict[str, dict[str, Any]] = {
    "data": {"path": "text.txt"},
    "model": {"cell": "rnn", "num_layers": 1, "hidden_size": 8},
    "train": {"batch_size": 2, "seq_length": 5, "max_steps": 20},
}


def tiny_text(chars: int = 600) -> str:
    """Lines of words in a fixed random order."""
    words = random.Random(1).choices(WORDS, k=chars)
    lines = [" ".join(words[i : i + 8]) for i in range(0, chars, 8)]
    return "\n".join(lines)[:chars]


def write_config(
    folder: Path, overrides: Mapping[str, Any] | None = None, name: str = "tiny"
) -> Path:
    """Write a configuration, and the text it names where there is none yet; return its path.

    Args:
        folder: where to write.
        overrides: values by dotted key, over those of TINY.
        name: of the file, without .yaml.
    """
    values: dict[str, Any] = {section: dict(keys) for section, keys in TINY.items()}
    for dotted, value in (overrides or {}).items():
        section, _, key = dotted.rpartition(".")
        (values.setdefault(section, {}) if section else values)[key] = value
    text = folder / values["data"]["path"]
    if not text.exists():
        text.write_text(tiny_text(), encoding="utf-8")
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def train(folder: Path, overrides: Mapping[str, Any] | None = None, *arguments: str) -> Path:
    """Train through the command line in `folder`; return the run's folder, `folder`/run."""
    config = write_config(folder, overrides)
    run_dir = folder / "run"
    assert run(["train", str(config), "--run-dir", str(run_dir), *arguments]) == 0
    return run_dir


def settled(config: Config, workers: int = 1) -> Config:
    """Return a configuration as a run keeps it, with this number of workers."""
    backend = resolve_backend(config.train.backend)
    return replace(config, train=replace(config.train, workers=workers, backend=backend))


def contents(folder: Path) -> dict[str, bytes | None]:
    """Return every file below a folder with its bytes, and every folder with None."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }
