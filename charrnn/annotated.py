"""A proposal as a configuration file with comments: what was chosen, and what to try."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml

from charrnn.config import all_keys, value_of
from charrnn.config_values import shown_name
from charrnn.description import shortest
from charrnn.proposal import Proposal
from charrnn.reporting import duration

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


def annotated_yaml(proposal: Proposal, given: Collection[str], folder: Path) -> str:
    """Return the file's text.

    Args:
        proposal: with every value settled.
        given: keys that are written because somebody asked for them.
        folder: where the file is going to be; the text's path is relative to it.
    """
    config, sections = proposal.config.to_dict(), dict[str, list[tuple[str, str]]]()
    path = config["data"]["path"]
    near = _written(path, folder) if isinstance(path, str) else [_written(p, folder) for p in path]
    config["data"]["path"] = near
    for dotted in all_keys():
        section, _, key = dotted.rpartition(".")
        value = value_of(config, dotted)
        if dotted in given or (dotted in _COMMENTS and value is not None):
            line = f"{'  ' if section else ''}{key}: {_scalar(value)}"
            sections.setdefault(section, []).append((line, _COMMENTS.get(dotted, "")))
    lines = [f"# {text_summary(proposal)}.", f"# {time_summary(proposal)}."]
    for section, keys in sections.items():
        lines += ["", f"{section}:"] if section else [""]
        width = max((len(line) for line, _ in keys if len(line) <= _WIDEST), default=0)
        lines += [f"{line:<{width}}  # {comment}" if comment else line for line, comment in keys]
    return "\n".join([*lines, ""])


def text_summary(proposal: Proposal) -> str:
    """What the text is like."""
    config, lines = proposal.config, proposal.lines
    path = config.data.path
    name = shown_name(os.path.basename(path)) if isinstance(path, str) else f"{len(path)} files"
    unit = "bytes" if config.data.tokens == "byte" else "characters"
    text = f"{name}: {proposal.chars:,} {unit}, {proposal.V} distinct"
    if lines and lines.count > 1:
        text += f"; {lines.count:,} lines, of {lines.median_chars} characters at the median"
    return text


def model_summary(proposal: Proposal) -> str:
    """What was chosen, given or settled, in a line."""
    model, train = proposal.config.model, proposal.config.train
    return (
        f"{model.cell} {model.num_layers} x {model.hidden_size}, dropout {model.dropout:g}, weight "
        f"dropout {model.weight_dropout:g}, {train.batch_size} "
        f"stream{'' if train.batch_size == 1 else 's'} x {train.seq_length}, "
        f"{train.optimizer} {train.learning_rate:g}"
    )


def time_summary(proposal: Proposal) -> str:
    """How long a training takes, and on what."""
    train = proposal.config.train
    lengths = {"epoch": train.max_epochs, "step": train.max_steps, "minute": train.max_minutes}
    length = " or ".join(
        f"{f'{n:,}' if isinstance(n, int) else f'{n:g}'} {unit}{'' if n == 1 else 's'}"
        for unit, n in lengths.items()
        if n is not None
    )
    return (
        f"{length} of training: about {duration(proposal.estimated_s)} on this machine "
        f"({proposal.chars_per_s:,.0f} characters/s)"
        f"{'; the most epochs that are proposed' if proposal.most_epochs else ''}"
    )


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
