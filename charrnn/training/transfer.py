"""Starting a run from the weights of another, with the vocabularies matched by character."""

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
    """How two vocabularies match; each field is a tuple of symbols."""

    kept: tuple[int, ...]
    added: tuple[int, ...]  # in the new vocabulary only; their weights keep their initial values
    dropped: tuple[int, ...]  # in the old vocabulary only


def transfer_parameters(
    source: Checkpoint, model: Model, vocabulary: Vocabulary
) -> VocabularyMatch:
    """Copy the weights of a checkpoint into a new model, in place.

    The weights of a character (its input row, output column and output bias) are copied to the same
    character, whatever its codes in the two vocabularies. The end of a record and the end of a line
    stand for each other where only one of the vocabularies has the end of a record.

    Args:
        source: checkpoint to copy from.
        model: new model with initial parameters.
        vocabulary: vocabulary of the new model.

    Raises:
        CheckpointError: if the cell, the sizes or `data.tokens` differ, with the differences.
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
            f"{', '.join(differences)}; the weights fit only a model of the same cell and sizes. "
            "Leave these keys out of the configuration to use the checkpoint's values"
        )
    if source.vocabulary.tokens != vocabulary.tokens:
        raise CheckpointError(
            f"its data.tokens is {source.vocabulary.tokens}, the configuration's "
            f"{vocabulary.tokens}; weights of characters do not fit bytes"
        )
    _, old, new = np.intersect1d(
        source.vocabulary.symbols, vocabulary.symbols, assume_unique=True, return_indices=True
    )
    if (ends := _matched_ends(source.vocabulary, vocabulary)) is not None:
        old, new = np.append(old, ends[0]), np.append(new, ends[1])
    shapes = parameter_shapes(source.config.model, len(source.vocabulary))
    by_code = {"embedding.E" if "embedding.E" in shapes else "layers.0.Wx": 0}
    by_code |= {"output.W": 1, "output.b": 0}  # name -> axis of the vocabulary
    for name, weights in parameter_views(source.parameters, shapes).items():
        if name not in by_code:
            model.views[name][...] = weights
        elif by_code[name] == 0:
            model.views[name][new] = weights[old]
        else:
            model.views[name][:, new] = weights[:, old]
    return VocabularyMatch(
        _symbols(vocabulary.symbols[np.sort(new)]),
        _symbols(np.delete(vocabulary.symbols, new)),
        _symbols(np.delete(source.vocabulary.symbols, old)),
    )


def _matched_ends(old: Vocabulary, new: Vocabulary) -> tuple[int, int] | None:
    """Return the codes of the end of a line and of a record, if one takes the other's weights."""
    newlines = [np.flatnonzero(one.symbols == ord("\n")) for one in (old, new)]
    if new.end is not None and old.end is None and len(newlines[0]):
        return int(newlines[0][0]), new.end
    if old.end is not None and new.end is None and len(newlines[1]) and not len(newlines[0]):
        return old.end, int(newlines[1][0])
    return None


def _shown(value: object) -> str:
    return "null" if value is None else str(value)


def _symbols(array: Array) -> tuple[int, ...]:
    return tuple(array.tolist())
