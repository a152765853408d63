"""A configuration as a file with comments: what was chosen, and what to try."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import yaml

from charrnn.config.schema import Config, all_keys, value_of
from charrnn.system.terminal import shortest

# What is always written, with what to say of it.
_COMMENTS = {
    "data.path": "",
    "data.valid_fraction": "the end of the text, to measure on",
    "model.cell": "lstm; gru is a quarter faster, rnn the simplest",
    "model.num_layers": "one above the other",
    "model.hidden_size": "twice as many take about four times as long",
    "model.dropout": "raise both if the validation loss rises again",
    "model.dropout_per": "step, or window: the same outputs for all of its steps",
    "model.weight_dropout": "of the recurrent weights",
    "train.batch_size": "streams of text read side by side",
    "train.seq_length": "steps back-propagated through",
    "train.streams": "fixed, or fresh: cut elsewhere in each epoch",
    "train.max_epochs": "",
    "train.max_steps": "",
    "train.max_minutes": "",
    "train.optimizer": "",
    "train.learning_rate": "half of it where the loss jumps about",
    "train.weight_decay": "less for a long text",
    "train.schedule": "",
    "train.warmup_steps": "the rate rises over them",
    "train.validate_every": "steps, or epoch",
    "train.sample_length": "characters shown at each validation",
}
_WIDEST = 36  # of a value that a comment stands beside; after a longer one it follows at once


def annotated_yaml(
    config: Config, header: Sequence[str], given: Collection[str], folder: Path
) -> str:
    """Return the file's text.

    Args:
        config: with every value settled.
        header: lines of comment to begin with.
        given: keys that are written because somebody asked for them.
        folder: where the file is going to be; the text's path is relative to it.
    """
    values, sections = config.to_dict(), dict[str, list[tuple[str, str]]]()
    path = values["data"]["path"]
    near = _written(path, folder) if isinstance(path, str) else [_written(p, folder) for p in path]
    values["data"]["path"] = near
    for dotted in all_keys():
        section, _, key = dotted.rpartition(".")
        value = value_of(values, dotted)
        if dotted in given or (dotted in _COMMENTS and value is not None):
            line = f"{'  ' if section else ''}{key}: {_scalar(value)}"
            sections.setdefault(section, []).append((line, _COMMENTS.get(dotted, "")))
    lines = [f"# {line}" for line in header]
    for section, keys in sections.items():
        lines += ["", f"{section}:"] if section else [""]
        width = max((len(line) for line, _ in keys if len(line) <= _WIDEST), default=0)
        lines += [f"{line:<{width}}  # {comment}" if comment else line for line, comment in keys]
    return "\n".join([*lines, ""])


def _scalar(value: Any) -> str:
    """A value on one line of YAML, which reads back as it is."""
    for unicode in (True, False):
        text: str = yaml.safe_dump(
            value, default_flow_style=True, allow_unicode=unicode, width=10**9
        ).removesuffix("...\n")
        line = text.strip()
        if "\n" not in line and yaml.safe_load(line) == value:
            return line
    return json.dumps(value)


def _written(path: str, folder: Path) -> str:
    """Return a path as it is shortest; a folder called ~ is nobody's home."""
    near = shortest(path, folder)
    return f".{os.sep}{near}" if near.startswith("~") else near
