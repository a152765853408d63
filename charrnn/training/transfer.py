"""Starting a run from the weights of another, with the vocabularies matched by character."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from charrnn.config.schema import SHAPE, Config, ModelConfig
from charrnn.errors import CheckpointError
from charrnn.kernels import Array
from charrnn.model.evaluation import score
from charrnn.model.model import Model
from charrnn.model.parameters import initial_parameters, parameter_shapes, parameter_views
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.meta import Counters
from charrnn.text.corpus import Corpus
from charrnn.text.features import FeatureScale
from charrnn.text.vocabulary import Vocabulary
from charrnn.training.recipe import Source

_SCORED = 20_000  # characters of the new text


@dataclass(frozen=True)
class VocabularyMatch:
    """How two vocabularies match, as tuples of symbols, and how many features do."""

    kept: tuple[int, ...]
    added: tuple[int, ...]  # in the new vocabulary only; their weights keep their initial values
    dropped: tuple[int, ...]  # in the old vocabulary only
    features: int | None = None  # whose weights are kept; None if neither model has some


@dataclass(frozen=True)
class Start:
    """What a run starts from instead of random weights."""

    parameters: Array  # (P,), the flat vector
    match: VocabularyMatch
    source: Source


def start_from(checkpoint: Checkpoint, path: Path, config: Config, corpus: Corpus) -> Start:
    """Return the weights of a checkpoint for a new text, and how far the text is from its own.

    Args:
        checkpoint: to start from.
        path: of the checkpoint, for messages.
        config: of the new run; unset keys of the model's shape get the checkpoint's values.
        corpus: the new text.

    Raises:
        CheckpointError: if the cell, the sizes or `data.tokens` differ, with the differences.
    """
    vocabulary, model_config = corpus.vocabulary, checkpoint.config.model
    _check_fit(checkpoint, path, config.model, vocabulary)
    parameters = initial_parameters(model_config, len(vocabulary), config.seed, F=corpus.F)
    model = Model(model_config, len(vocabulary), parameters, F=corpus.F)
    names = config.data.feature_names
    match = transfer_parameters(checkpoint, model, vocabulary, corpus.scale, names)
    surplus_nats = _surplus_nats(checkpoint.counters, model, corpus)
    return Start(parameters, match, Source(model_config, surplus_nats))


def transfer_parameters(
    source: Checkpoint,
    model: Model,
    vocabulary: Vocabulary,
    scale: FeatureScale | None = None,
    names: tuple[int | str, ...] = (),
) -> VocabularyMatch:
    """Copy the weights of a checkpoint into a new model, in place.

    The weights of a character (its input row, output column and output bias) are copied to the same
    character, whatever its codes in the two vocabularies. The end of a record and the end of a line
    stand for each other where only one of the vocabularies has the end of a record. So the weights
    of a feature are copied to the feature of the same name or, without names, to the same one of as
    many, and changed to suit its mean and deviation.

    Args:
        source: checkpoint of a model of the same cell and sizes to copy from.
        model: new model with initial parameters.
        vocabulary: vocabulary of the new model.
        scale: of the features of the new model; None for a model without.
        names: of these; none for those of a file.
    """
    _, old, new = np.intersect1d(
        source.vocabulary.symbols, vocabulary.symbols, assume_unique=True, return_indices=True
    )
    if (ends := _matched_ends(source.vocabulary, vocabulary)) is not None:
        old, new = np.append(old, ends[0]), np.append(new, ends[1])
    shapes = parameter_shapes(source.config.model, len(source.vocabulary), source.F)
    by_code = {"embedding.E" if "embedding.E" in shapes else "layers.0.Wx": 0}
    by_code |= {"output.W": 1, "output.b": 0}  # name -> axis of the vocabulary
    theirs_by_name = parameter_views(source.parameters, shapes)
    features = 0 if scale or source.scale else None
    if scale and source.scale:
        features = _transfer_features(source, theirs_by_name, model, scale, names)
    for name, weights in theirs_by_name.items():
        if name.startswith("features."):
            continue
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
        features,
    )


def _surplus_nats(counters: Counters, model: Model, corpus: Corpus) -> float:
    """Return the loss of a model on a new text, less that on its own; 0 if one is unknown.

    The loss on the new text is that of at most _SCORED characters of its validation part, or of its
    training part if it has no other.

    Args:
        counters: of the training of the model, whose losses are those on its own text.
        model: with its weights, matched to the new text.
        corpus: the new text.
    """
    own_loss_nats = counters.best_loss_nats
    if own_loss_nats is None:
        own_loss_nats = counters.train_loss_nats
    part, symbols = "valid", corpus.sizes.others[0]
    if not symbols:
        part, symbols = "train", corpus.sizes.train
    if own_loss_nats is None:
        return 0.0
    sample = corpus.stretches(*corpus.split(part), min(_SCORED, symbols))
    found = score(model, sample.scoring_windows(*sample.everything))
    return found.loss_nats - own_loss_nats if found.chars else 0.0


def _check_fit(source: Checkpoint, path: Path, ours: ModelConfig, vocabulary: Vocabulary) -> None:
    theirs = source.config.model
    differences = [
        f"its model.{name} is {_shown(getattr(theirs, name))}, the configuration's {given}"
        for name in SHAPE
        if (given := getattr(ours, name)) not in (None, getattr(theirs, name))
    ]
    if differences:
        raise CheckpointError(
            f"{path}: {', '.join(differences)}; the weights fit only a model of the same cell and "
            "sizes. Leave these keys out of the configuration to use the checkpoint's values"
        )
    if source.vocabulary.tokens != vocabulary.tokens:
        raise CheckpointError(
            f"{path}: its data.tokens is {source.vocabulary.tokens}, the configuration's "
            f"{vocabulary.tokens}; weights of characters do not fit bytes"
        )


def _transfer_features(
    source: Checkpoint,
    weights: Mapping[str, Array],
    model: Model,
    scale: FeatureScale,
    names: tuple[int | str, ...],
) -> int:
    """Copy the weights of features that both models have, so that they act alike; return how many.

    Where theirs is (x - m) / s W and ours (x - m') / s' W', W' = s' / s W, and the bias grows by
    (m' - m) / s W. A feature that only one model has stands at its mean in the other.
    """
    their_scale, their_names = source.scale, source.config.data.feature_names
    assert their_scale is not None
    if bool(names) != bool(their_names) or (not names and scale.F != their_scale.F):
        return 0
    numbers = tuple(range(scale.F))
    ours, theirs = names or numbers, their_names or numbers
    W, b = model.views["features.W"], model.views["features.b"]
    b[...] = weights["features.b"]
    for row, name in enumerate(ours):
        if name in theirs:
            at = theirs.index(name)
            std = their_scale.std[at]
            W[row] = scale.std[row] / std * weights["features.W"][at]
            b += (scale.mean[row] - their_scale.mean[at]) / std * weights["features.W"][at]
    return sum(name in theirs for name in ours)


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
