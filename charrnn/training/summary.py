"""A training in words: its summary, its defaults, matched vocabularies, a changed text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from charrnn.config.paths import relative_path
from charrnn.errors import counted, plural
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.folder import RunFolder
from charrnn.system.terminal import duration, shortest
from charrnn.text.corpus import Corpus
from charrnn.training.limits import Limits
from charrnn.training.trainer import Trainer
from charrnn.training.transfer import VocabularyMatch
from charrnn.workers.count import least_bytes

_NAMED = 5  # characters, at most, that a message names


def summary_rows(trainer: Trainer, run: RunFolder) -> list[tuple[str, str]]:
    """Return the summary of a training, rows of a name and a text."""
    config, corpus, limits = trainer.config, trainer.corpus, trainer.limits
    path = config.data.path
    text = relative_path(path) if isinstance(path, str) else counted(len(path), "file")
    splits = {name: corpus.split(name) for name in ("train", "valid", "test")}
    parts = [f"{end - start:,} {name}" for name, (start, end) in splits.items()]
    model, train = config.model, config.train
    inputs = "one-hot" if model.embedding_size is None else f"{model.embedding_size}-wide embedded"
    dropout = f", dropout {model.dropout:g}" if model.dropout else ""
    if model.weight_dropout:
        dropout += f", weight dropout {model.weight_dropout:g}"
    megabytes = math.ceil(sum(least_bytes(config, len(corpus.vocabulary), trainer.model.F)) / 1e6)
    units = corpus.units
    return [
        ("text", f"{text}: {corpus.summary}"),
        ("split", f"{', '.join(parts)} {plural(units.part)}"),
        (
            "model",
            f"{model}, {inputs} input{dropout}: "
            + counted(trainer.model.parameters.size, "parameter"),
        ),
        (
            "steps",
            f"{_length(limits)} of {counted(train.batch_size, units.row)} x "
            f"{counted(train.seq_length, units.step)}, {train.optimizer} {train.learning_rate:g}",
        ),
        ("workers", f"{train.workers}, {train.backend}"),
        ("memory", f"arrays of at least {megabytes:,} MB"),
        ("run", shortest(str(run.path))),
    ]


def _length(limits: Limits) -> str:
    """Return the length of a training in words."""
    of_time = "" if limits.total_s is None else f"as many as {duration(limits.total_s)} allow"
    if limits.total_steps is None:
        return of_time
    epochs = counted(limits.total_steps / limits.steps_per_epoch, "epoch")
    steps = f"{limits.total_steps:,} ({epochs})"
    return f"{steps}, or {of_time}," if of_time else steps


def default_rows(defaults: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return a row with the values of unset keys; none without unset keys.

    A weight of 0, which stands for nothing, is left out.
    """
    weights = ("train.prompt_weight", "train.early_weight", "train.activation_penalty")
    shown = [key for key in defaults if key not in weights or defaults[key]]
    values = ", ".join(f"{key.split('.')[1]} {defaults[key]}" for key in shown)
    return [("chosen", values)] if values else []


def match_summary(match: VocabularyMatch, corpus: Corpus) -> str:
    """Return a note on how two vocabularies match."""

    def names(symbols: tuple[int, ...]) -> str:
        shown = " ".join(corpus.vocabulary.name(symbol) for symbol in symbols[:10])
        more = f" and {len(symbols) - 10} more" if len(symbols) > 10 else ""
        return f": {shown}{more}" if symbols else ""

    note = (
        f"weights copied; {plural(corpus.vocabulary.tokens)} kept: {len(match.kept)}, "
        f"added: {len(match.added)}{names(match.added)}, "
        f"dropped: {len(match.dropped)}{names(match.dropped)}"
    )
    if match.features is not None:
        note += f"; features kept: {match.features}, of {corpus.F}"
    return note


def text_differences(previous: Checkpoint, corpus: Corpus) -> str:
    """Return in words how the text of a run has changed."""
    chars, tokens = len(corpus.codes), corpus.vocabulary.tokens
    if previous.text_sha256 == corpus.text_sha256:
        return "its parts differ"
    if previous.text_chars not in (None, chars):
        changes = [f"it had {counted(previous.text_chars, tokens)}, now {chars:,}"]
    else:
        features = " or features" if previous.scale or corpus.scale else ""
        changes = [f"its {plural(tokens)}{features} have changed"]
    for vocabulary, other, change in (
        (corpus.vocabulary, previous.vocabulary, "new in"),
        (previous.vocabulary, corpus.vocabulary, "gone from"),
    ):
        symbols = np.setdiff1d(vocabulary.symbols, other.symbols)
        if len(symbols):
            names = ", ".join(vocabulary.name(int(symbol)) for symbol in symbols[:_NAMED])
            more = ", ..." if len(symbols) > _NAMED else ""
            changes.append(f"{change} its vocabulary: {names}{more}")
    return "; ".join(changes)
