"""Weights of one run as the start of another, with the vocabulary matched by character."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from charrnn.config.schema import SHAPE
from charrnn.errors import CheckpointError
from charrnn.kernels import Array
from charrnn.model.model import Model
from charrnn.model.parameters import parameter_shapes, parameter_views
from charrnn.runs.checkpoint import Checkpoint
from charrnn.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class VocabularyMatch:
    """What became of the characters; each a tuple of symbols."""

    kept: tuple[int, ...]
    added: tuple[int, ...]  # in the new text alone; their weights start as in a new model
    dropped: tuple[int, ...]  # in the old text alone


def transfer_parameters(
    source: Checkpoint, model: Model, vocabulary: Vocabulary
) -> VocabularyMatch:
    """Copy a checkpoint's weights into a new model, in place.

    What belongs to a character (its input row, its output column and bias) goes to the same
    character, whatever its code there and here.

    Raises:
        CheckpointError: where cell, layers or sizes differ, naming each.
    """
    theirs, ours = source.config.model, model.config
    differences = [
        f"its model.{name} is {_shown(getattr(theirs, name))}, the configuration's "
        f"{_shown(getattr(ours, name))}"
        for name in SHAPE
        if getattr(theirs, name) != getattr(ours, name)
    ]
    if differences:
        raise CheckpointError(
            f"{', '.join(differences)}; weights can be taken over only by a model of the same "
            "cell and sizes. Leave these keys out of the configuration, and they are taken over too"
        )
    if source.vocabulary.tokens != vocabulary.tokens:
        raise CheckpointError(
            f"its data.tokens is {source.vocabulary.tokens}, the configuration's "
            f"{vocabulary.tokens}; characters and bytes do not match"
        )
    common, old, new = np.intersect1d(
        source.vocabulary.symbols, vocabulary.symbols, assume_unique=True, return_indices=True
    )
    shapes = parameter_shapes(source.config.model, len(source.vocabulary))
    by_code = {"embedding.E" if "embedding.E" in shapes else "layers.0.Wx": 0}
    by_code |= {"output.W": 1, "output.b": 0}  # name -> the axis that runs over the vocabulary
    for name, weights in parameter_views(source.parameters, shapes).items():
        if name not in by_code:
            model.views[name][...] = weights
        elif by_code[name] == 0:
            model.views[name][new] = weights[old]
        else:
            model.views[name][:, new] = weights[:, old]
    return VocabularyMatch(
        _symbols(common),
        _symbols(np.setdiff1d(vocabulary.symbols, common)),
        _symbols(np.setdiff1d(source.vocabulary.symbols, common)),
    )


def _shown(value: object) -> str:
    return "null" if value is None else str(value)


def _symbols(array: Array) -> tuple[int, ...]:
    return tuple(array.tolist())
