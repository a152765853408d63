"""Measures what rounding the parameters of a model costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from charrnn.errors import TextError
from charrnn.exporters.weights import pack
from charrnn.kernels import Array
from charrnn.model.parameters import parameter_shapes
from charrnn.runs.checkpoint import Checkpoint
from charrnn.text.part import encode_split
from charrnn.workers.scoring import score_by_workers


class RoundingLoss(NamedTuple):
    """The loss of a model on its validation part, in nats per token."""

    exact: float
    rounded: float  # with rounded parameters


def rounded(checkpoint: Checkpoint, precision: int) -> Array:
    """Return the parameters (P,) of a checkpoint, rounded to a number of bits."""
    shapes = parameter_shapes(checkpoint.config.model, len(checkpoint.vocabulary), checkpoint.F)
    return pack(checkpoint.parameters, shapes, precision).parameters


def rounding_loss(
    checkpoint: Checkpoint, precision: int, note: Callable[[str], object] = lambda _: None
) -> RoundingLoss | None:
    """Return the loss of a checkpoint with and without rounding.

    Args:
        checkpoint: the model.
        precision: bits of a rounded parameter.
        note: called with a message when a large text is encoded.

    Returns:
        The losses; None if the text cannot be read, has changed, or has no validation part.
    """
    config = checkpoint.config
    try:
        part = encode_split(config.data, checkpoint.text_sha256, "valid", note, checkpoint.cut)
    except TextError:
        return None
    exact, with_rounding = (
        score_by_workers(config, part.corpus, parameters, part.start, part.end).loss_nats
        for parameters in (checkpoint.parameters, rounded(checkpoint, precision))
    )
    return RoundingLoss(exact, with_rounding)
