"""Measures what rounding the parameters of a model costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from charrnn.errors import counted
from charrnn.exporters.weights import pack
from charrnn.kernels import Array
from charrnn.model.parameters import parameter_shapes
from charrnn.runs.checkpoint import Checkpoint
from charrnn.text.corpus import Corpus
from charrnn.workers.scoring import score_by_workers

_SCORED = 200_000  # characters of the validation part, at most, in evenly spaced stretches


class RoundingLoss(NamedTuple):
    """The loss of a model on its validation part, in nats per token."""

    exact: float
    rounded: float  # with rounded parameters


def rounded(checkpoint: Checkpoint, precision: int) -> Array:
    """Return the parameters (P,) of a checkpoint, rounded to a number of bits."""
    shapes = parameter_shapes(checkpoint.config.model, len(checkpoint.vocabulary), checkpoint.F)
    return pack(checkpoint.parameters, shapes, precision).parameters


def rounding_loss(
    checkpoint: Checkpoint,
    precision: int,
    corpus: Corpus,
    note: Callable[[str], object] = lambda _: None,
) -> RoundingLoss | None:
    """Return the loss of a checkpoint with and without rounding.

    Args:
        checkpoint: the model.
        precision: bits of a rounded parameter.
        corpus: its own text, of whose validation part at most 200,000 characters are scored.
        note: called with a message before the text is scored, or if it is not.

    Returns:
        The losses; None if the text has no validation part.
    """
    start, end = corpus.split("valid")
    if start == end or corpus.scored(start, end) < 1:
        note("there is no validation part, so what rounding costs is not measured")
        return None
    if corpus.scored(start, end) > _SCORED:
        corpus = corpus.stretches(start, end, _SCORED)
        start, end = corpus.everything
    tokens = checkpoint.vocabulary.tokens
    note(f"measuring what {precision} bits cost on {counted(corpus.scored(start, end), tokens)}")
    exact, with_rounding = (
        score_by_workers(checkpoint.config, corpus, parameters, start, end).loss_nats
        for parameters in (checkpoint.parameters, rounded(checkpoint, precision))
    )
    return RoundingLoss(exact, with_rounding)
