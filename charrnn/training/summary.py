"""Trainings and checkpoints in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.folder import RunFolder
from charrnn.system.terminal import duration, shortest
from charrnn.text.corpus import Corpus
from charrnn.training.limits import Limits
from charrnn.training.trainer import Trainer
from charrnn.training.transfer import VocabularyMatch
from charrnn.workers.count import least_bytes

_NAMED = 5  # characters that a changed text has more or fewer


def summary_rows(trainer: Trainer, run: RunFolder) -> list[tuple[str, str]]:
    """What will be trained, in a few rows."""
    config, corpus, limits = trainer.config, trainer.corpus, trainer.limits
    path = config.data.path
    text = shortest(path) if isinstance(path, str) else f"{len(path)} files"
    parts = [(name, *corpus.split(name)) for name in ("train", "valid", "test")]
    model, train = config.model, config.train
    given = "one-hot" if model.embedding_size is None else f"{model.embedding_size}-wide embedded"
    dropout = f", dropout {model.dropout:g}" if model.dropout else ""
    if model.weight_dropout:
        dropout += f", weight dropout {model.weight_dropout:g}"
    megabytes = math.ceil(sum(least_bytes(config, len(corpus.vocabulary))) / 1e6)
    unit = "bytes" if config.data.tokens == "byte" else "characters"
    return [
        ("text", f"{text}: {len(corpus.codes):,} {unit}, {len(corpus.vocabulary)} distinct"),
        ("split", ", ".join(f"{end - start:,} {name}" for name, start, end in parts)),
        (
            "model",
            f"{model}, {given} input{dropout}: {trainer.model.parameters.size:,} parameters",
        ),
        (
            "steps",
            f"{_length(limits)} of {train.batch_size} stream{'s' * (train.batch_size != 1)} x "
            f"{train.seq_length} {unit}, {train.optimizer} {train.learning_rate:g}",
        ),
        ("workers", f"{train.workers}, {train.backend}"),
        ("memory", f"arrays of at least {megabytes:,} MB"),
        ("run", shortest(str(run.path))),
    ]


def _length(limits: Limits) -> str:
    """How long a training goes on."""
    of_time = "" if limits.total_s is None else f"as many as {duration(limits.total_s)} allow"
    if limits.total_steps is None:
        return of_time
    epochs = f"{limits.total_steps / limits.steps_per_epoch:,.4g}"
    steps = f"{limits.total_steps:,} ({epochs} epoch{'' if epochs == '1' else 's'})"
    return f"{steps}, or {of_time}," if of_time else steps


def default_rows(chosen: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was left open in a configuration, and was settled for the text."""
    values = ", ".join(f"{key.split('.')[1]} {value}" for key, value in chosen.items())
    return [("chosen", values)] if values else []


def match_summary(matched: VocabularyMatch, corpus: Corpus) -> str:
    """How the vocabularies of two runs met."""

    def names(symbols: tuple[int, ...]) -> str:
        shown = " ".join(corpus.vocabulary.name(symbol) for symbol in symbols[:10])
        more = f" and {len(symbols) - 10} more" if len(symbols) > 10 else ""
        return f": {shown}{more}" if symbols else ""

    return (
        f"weights taken over; characters kept: {len(matched.kept)}, "
        f"added: {len(matched.added)}{names(matched.added)}, "
        f"dropped: {len(matched.dropped)}{names(matched.dropped)}"
    )


def text_differences(previous: Checkpoint, now: Checkpoint) -> str:
    """Say in what the text of a run differs from what it was."""
    if previous.text_chars not in (None, now.text_chars):
        what = [f"it had {previous.text_chars:,} characters, now {now.text_chars:,}"]
    else:
        what = ["its characters have changed"]
    for vocabulary, other, verb in (
        (now.vocabulary, previous.vocabulary, "new"),
        (previous.vocabulary, now.vocabulary, "gone"),
    ):
        symbols = np.setdiff1d(vocabulary.symbols, other.symbols)
        if len(symbols):
            names = ", ".join(vocabulary.name(int(symbol)) for symbol in symbols[:_NAMED])
            more = ", ..." if len(symbols) > _NAMED else ""
            what.append(f"{verb} in its vocabulary: {names}{more}")
    return "; ".join(what)
