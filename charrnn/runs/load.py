"""From a run or a checkpoint to a model that can be used."""

from __future__ import annotations

import os

from charrnn.model.language_model import LanguageModel
from charrnn.runs.checkpoint import load_checkpoint
from charrnn.runs.folder import find_checkpoint


def load(path: str | os.PathLike[str] | None = None) -> LanguageModel:
    """Load a trained model.

    Args:
        path: a checkpoint or a run's folder; by default the newest run under runs/.

    Raises:
        CheckpointError: where there is none, or it cannot be read.
    """
    checkpoint = load_checkpoint(find_checkpoint(None if path is None else str(path)))
    return LanguageModel(checkpoint.config, checkpoint.vocabulary, checkpoint.model())
