"""Small models: one that recites a text, and one that generates random text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from support import plain_config

from charrnn.config.schema import ModelConfig
from charrnn.kernels import Array
from charrnn.model.model import Model
from charrnn.model.parameters import initial_parameters, parameter_shapes, parameter_views
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.meta import Counters
from charrnn.text.load import load_corpus
from charrnn.text.vocabulary import Vocabulary


def checkpoint_of(text: str, parameters: Array, H: int, cell: str, **data: str) -> Checkpoint:
    """Return a checkpoint of a one-layer model whose vocabulary is that of a text."""
    config = plain_config(
        {"data.path": "/none.txt", "model.cell": cell, "model.num_layers": 1}
        | {"model.hidden_size": H, "train.batch_size": 1, "train.max_epochs": 30}
        | {"train.optimizer": "sgd"}
        | {f"data.{key}": value for key, value in data.items()}
    )
    symbols = symbols_of(text, config.data.tokens)
    vocabulary = Vocabulary.from_pieces([symbols], config.data.tokens)
    model = Model(config.model, len(vocabulary), parameters)
    return Checkpoint(
        config, vocabulary, parameters, Counters(), {}, model.zero_states(1), "ab" * 32
    )


def symbols_of(text: str, tokens: str) -> Array:
    """Return the symbols of a text."""
    return Vocabulary(np.array([], np.uint32), tokens).symbols_of(text)


def reciting(text: str, **data: str) -> Checkpoint:
    """Return a model that repeats a text of distinct symbols, whatever the random numbers.

    Each hidden unit stands for one symbol; the output layer selects the next symbol of the text.
    """
    symbols = symbols_of(text, data.get("tokens", "char"))
    V = len(symbols)
    codes = np.searchsorted(np.sort(symbols), symbols)  # (V,), in text order
    shapes = parameter_shapes(ModelConfig(cell="rnn", num_layers=1, hidden_size=V), V)
    parameters = np.zeros(sum(int(np.prod(shape)) for shape in shapes.values()), np.float32)
    views = parameter_views(parameters, shapes)
    views["layers.0.Wx"][...] = 10 * np.eye(V)
    views["output.W"][codes, np.roll(codes, -1)] = 200
    return checkpoint_of(text, parameters, V, "rnn", **data)


def wandering(text: str = "\n abcdefgh", **data: str) -> Checkpoint:
    """Return an untrained model, which generates random text."""
    H, V = 8, len(set(symbols_of(text, data.get("tokens", "char")).tolist()))
    config = ModelConfig(cell="lstm", num_layers=1, hidden_size=H)
    return checkpoint_of(text, initial_parameters(config, V, seed=1), H, "lstm", **data)


def writing_records(path: Path, records: str = "line", **data: str) -> Checkpoint:
    """Return an untrained model of the records in a file; they end after two symbols or so."""
    config = plain_config(
        {"data.path": str(path), "data.records": records, "train.max_epochs": 1}
        | {"model.num_layers": 1, "model.hidden_size": 8, "train.batch_size": 1}
        | {"train.optimizer": "sgd"}
        | {f"data.{key}": value for key, value in data.items()}
    )
    corpus = load_corpus(config.data)
    vocabulary, V = corpus.vocabulary, len(corpus.vocabulary)
    parameters = initial_parameters(config.model, V, seed=1)
    model = Model(config.model, V, parameters)
    model.views["output.W"][:, -1] = 0
    model.views["output.b"][-1] = np.log(V / 2)
    return Checkpoint(
        config,
        vocabulary,
        parameters,
        Counters(),
        {},
        model.zero_states(1),
        corpus.text_sha256,
        len(corpus.codes),
        corpus.cut_points,
        longest_record=corpus.longest_record,
    )
