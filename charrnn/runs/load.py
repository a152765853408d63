"""Load a trained model from a run folder or a checkpoint."""

from __future__ import annotations

import os

from charrnn.model.language_model import LanguageModel
from charrnn.runs.checkpoint import Checkpoint, load_checkpoint
from charrnn.runs.folder import find_checkpoint


def load(path: str | os.PathLike[str] | None = None) -> LanguageModel:
    """Load a trained model.

    Args:
        path: a checkpoint, or a run folder, for its best.npz, else its last.npz; by default the
            newest run under runs/ in the current folder.

    Returns:
        The model, to sample from or to score a text with.

    Raises:
        CheckpointError: there is no checkpoint, or it cannot be read.

    Example:
        >>> import charrnn
        >>> model = charrnn.load("runs/tales")
        >>> text = model.sample("Once", length=20, seed=1)
        >>> len(text)
        20
    """
    return model_of(load_checkpoint(find_checkpoint(path)))


def model_of(checkpoint: Checkpoint) -> LanguageModel:
    """Return the model of a checkpoint."""
    return LanguageModel(
        checkpoint.config,
        checkpoint.vocabulary,
        checkpoint.model(),
        checkpoint.text_sha256,
        checkpoint.longest_record,
        checkpoint.labels,
        checkpoint.scale,
    )
