"""Write a configuration with comments, for its user to edit."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from charrnn.config.paths import each_path, relative_path
from charrnn.config.schema import PATHS, TABLES, Config

# The keys that are always written, with their comments, and those that differ for records.
_COMMENTS = {
    "data.path": "",
    "data.records": "line or paragraph; null: one text",
    "data.header": "whether the first row names the columns",
    "data.delimiter": "between columns",
    "data.prompt_column": "given; several columns as [a, b]",
    "data.reply_column": "learned",
    "data.feature_columns": "numbers that are given",
    "data.features_path": "a row of numbers for each record",
    "data.prompt_separator": "between prompt and reply",
    "data.label_from": "the name of each file is a label",
    "data.label_as": "reply: the label of a line; prompt: lines for a label",
    "data.split_by": "no two parts share a value of this side",
    "data.valid_fraction": "the end of the text, for validation",
    "model.cell": "mogrifier, lstm (9% faster, higher loss), gru (a third faster) or rnn",
    "model.num_layers": "stacked layers",
    "model.hidden_size": "twice as many units take about four times as long",
    "model.dropout": "raise both dropouts if the validation loss rises again",
    "model.dropout_per": "step, or window: one mask for a whole window",
    "model.weight_dropout": "fraction of the recurrent weights that is dropped",
    "train.batch_size": "parallel streams of text",
    "train.seq_length": "steps of backpropagation through time",
    "train.streams": "fixed, or fresh: new cuts in each epoch",
    "train.max_epochs": "",
    "train.max_steps": "",
    "train.max_minutes": "",
    "train.optimizer": "",
    "train.learning_rate": "halve it if the loss jumps",
    "train.weight_decay": "lower for a long text",
    "train.schedule": "",
    "train.warmup_steps": "steps in which the learning rate rises",
    "train.validate_every": "steps, or epoch",
    "train.sample_length": "characters of the sample at each validation",
}
_OF_TEXTS = {"train.activation_penalty": "of large outputs of the last layer: regularises"}
_OF_RECORDS = {
    "data.records": "each line, or paragraph, is a record; null: one text",
    "data.valid_fraction": "of the records, drawn by a digest, for validation",
    "train.batch_size": "records side by side",
    "train.seq_length": "steps of a window; a longer record takes several",
    "train.streams": "fixed, or fresh: a new order of the records in each epoch",
    "train.weight_decay": "lower for a long training",
}
_OF_TABLES = {"data.records": "each row is a record; null: one text"}
_OF_PROMPTS = {"train.prompt_weight": "of prompts in the loss; 0: only replies are learned"}
_OTHER = "the other direction: move the # to the lines above"
_WIDEST = 36  # characters; the comments of longer lines are not aligned with the others


def annotated_yaml(
    config: Config,
    header: Sequence[str],
    given: Collection[str],
    folder: Path,
    instead: Mapping[str, Any] | None = None,
    features: Sequence[int | str] = (),
) -> str:
    """Return a configuration as the text of a YAML file with comments.

    Args:
        config: the configuration; keys without a value are left out unless they are given.
        header: lines of the comment at the beginning.
        given: keys that the user has set, all of which are written.
        folder: the folder of the file, to which the path of the text is relative.
        instead: other values of keys of the section data, written together as comments, below
            those that they may take the place of.
        features: columns that data.feature_columns may name, written as a comment.
    """
    data, instead = config.data, instead or {}
    comments = _COMMENTS | (_OF_RECORDS if data.records else _OF_TEXTS)
    comments |= (_OF_TABLES if data.records in TABLES else {}) | (
        _OF_PROMPTS if data.has_prompts else {}
    )
    if not data.label_from:
        del comments["data.label_as"]
    if instead:
        del comments["model.weight_dropout"]  # the default of each direction is another one
        comments["model.dropout"] = "raise it if the validation loss rises again"
    if data.valid_path:
        comments["data.valid_path"] = "for validation"
        del comments["data.valid_fraction"]  # which has no effect
    sections: dict[str, list[tuple[str, str]]] = {}
    pair: list[tuple[str, str]] = []  # lines of keys with another value
    for dotted, value in config.by_key().items():
        section, _, key = dotted.rpartition(".")
        if section == "data" and key in PATHS:
            value = each_path(partial(relative_path, folder=folder), value)
            value = list(value) if isinstance(value, tuple) else value
        if dotted in given or (dotted in comments and value is not None):
            line = f"{'  ' if section else ''}{key}: {on_one_line(value)}"
            comment = comments.get(dotted, "")
            both = section == "data" and key in instead
            (pair if both else sections.setdefault(section, [])).append((line, comment))
        if section == "data" and key == "split_by":
            sections[section] += pair
            other = [f"  # {name}: {on_one_line(one)}" for name, one in instead.items()]
            sections[section] += [(line, _OTHER if line is other[0] else "") for line in other]
            if features:
                columns = f"  # feature_columns: {on_one_line([*features])}"
                sections[section].append((columns, "given too, without the first #"))
    lines = [f"# {line}" for line in header]
    for section, keys in sections.items():
        lines += ["", f"{section}:"] if section else [""]
        width = max((len(line) for line, _ in keys if len(line) <= _WIDEST), default=0)
        lines += [f"{line:<{width}}  # {comment}" if comment else line for line, comment in keys]
    return "\n".join([*lines, ""])


def on_one_line(value: Any) -> str:
    """Return a value on one line of YAML that reads back as the same value."""
    for unicode in (True, False):
        text: str = yaml.safe_dump(
            value, default_flow_style=True, allow_unicode=unicode, width=10**9
        ).removesuffix("...\n")
        line = text.strip()
        if "\n" not in line and yaml.safe_load(line) == value:
            return line
    return json.dumps(value)
