"""A checkpoint: one `.npz` that needs nothing else.

Members (format 1):

    meta            JSON text: format, configuration, tokens, counters, digest of the text
    vocabulary      (V,) uint32, ascending symbols
    layers.0.Wx ... every parameter under its name, float32
    optimizer.m ... each of the optimiser's slots, a flat (P,) vector like the parameters
    states.0.h ...  each layer's states (N, H) after the last step

It is read without pickle, and each member's shape and type are checked against the configuration
before memory is taken for it. It holds no times, so equal trainings give equal files.
"""

from __future__ import annotations

import json
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from charrnn.atomic import replaced_atomically
from charrnn.config import Config
from charrnn.config_reader import config_from_dict
from charrnn.errors import CharRNNError, CheckpointError
from charrnn.kernels import CELLS, Array
from charrnn.model import Model, States
from charrnn.optimizers import RULES
from charrnn.parameters import parameter_shapes, parameter_views
from charrnn.vocabulary import Vocabulary

FORMAT = 1
_META_BYTES = 16 << 20


@dataclass
class Counters:
    """Where a training stands; what of it is a number."""

    step: int = 0  # updates made
    validated_step: int = 0  # step of the last validation
    best_loss_nats: float | None = None
    best_step: int = 0
    validations_since_best: int = 0
    valid_loss_nats: float | None = None  # of the last validation
    train_loss_nats: float | None = None  # of the last training line in the metrics
    unlogged_nats: float = 0.0  # training loss summed since the last line in the metrics
    unlogged_chars: int = 0
    out_of_patience: bool = False
    divergences: int = 0  # updates skipped, since loss or gradient was not finite


@dataclass(frozen=True)
class Checkpoint:
    """A model, and everything that going on with its training needs."""

    config: Config
    vocabulary: Vocabulary
    parameters: Array  # (P,) float32
    counters: Counters
    slots: dict[str, Array]  # each (P,)
    states: States
    text_sha256: str

    def model(self) -> Model:
        """Return the model, on this checkpoint's parameters."""
        return Model(self.config.model, len(self.vocabulary), self.parameters)


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint so that `path` holds the old one or the new one, whole, at any moment."""
    meta = {
        "format": FORMAT,
        "config": checkpoint.config.to_dict(),
        "tokens": checkpoint.vocabulary.tokens,
        "text_sha256": checkpoint.text_sha256,
        "counters": asdict(checkpoint.counters),
    }
    shapes = parameter_shapes(checkpoint.config.model, len(checkpoint.vocabulary))
    members: dict[str, Any] = {
        "meta": np.array(json.dumps(meta, ensure_ascii=False, allow_nan=False)),
        "vocabulary": checkpoint.vocabulary.symbols,
        **parameter_views(checkpoint.parameters, shapes),
        **{f"optimizer.{name}": slot for name, slot in checkpoint.slots.items()},
        **_named_states(checkpoint.config, checkpoint.states),
    }
    try:
        with replaced_atomically(path) as file:
            np.savez(file, **members)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be written: {error.strerror}") from None


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        CheckpointError: naming the file and what is wrong with it.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(_Members(archive))
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise CheckpointError(f"{path}: is a folder, not a checkpoint") from None
    except CharRNNError as error:
        raise CheckpointError(f"{path}: {error}") from None
    # zipfile raises NotImplementedError for a compression or a version that it does not know.
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError):
        raise CheckpointError(f"{path}: is not a checkpoint, or a damaged one") from None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise CheckpointError(f"{path}: is not a checkpoint of charrnn: {error}") from None


class _Members:
    """The arrays of an archive, each checked before it is read."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._names = set(archive.namelist())

    def read(self, name: str, accept: Callable[[tuple[int, ...], np.dtype[Any]], str]) -> Array:
        """Read a member if `accept`, given shape and dtype, has nothing against it."""
        if f"{name}.npy" not in self._names:
            raise CheckpointError(f"the array {name} is missing; this is no checkpoint of charrnn")
        with self._archive.open(f"{name}.npy") as file:
            try:
                version = np.lib.format.read_magic(file)
                shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
            except Exception:  # a damaged header makes NumPy's parser raise almost anything
                raise CheckpointError(f"the array {name} has a damaged header") from None
            if version != (1, 0):
                raise CheckpointError(f"the array {name} is in an unknown version of the format")
            problem = "it is of Python objects" if dtype.hasobject else accept(shape, dtype)
            if problem or fortran:
                raise CheckpointError(f"the array {name} does not fit: {problem or 'its order'}")
            size = math.prod(shape) * dtype.itemsize
            raw = file.read(size)
            if len(raw) != size or file.read(1):
                raise CheckpointError(f"the array {name} is cut off or too long")
        return np.frombuffer(raw, dtype).reshape(shape)

    def read_like(self, name: str, shape: tuple[int, ...]) -> Array:
        """Read a float32 member of a known shape."""

        def accept(found: tuple[int, ...], dtype: np.dtype[Any]) -> str:
            if found != shape:
                return f"it has shape {found}, and the configuration implies {shape}"
            return "" if dtype == np.dtype("<f4") else f"it is {dtype}, and should be float32"

        array = self.read(name, accept)
        if not np.isfinite(array).all():
            raise CheckpointError(f"the array {name} has values that are not finite")
        return array


def _read(members: _Members) -> Checkpoint:
    meta = json.loads(str(members.read("meta", _accept_meta)))
    if meta["format"] != FORMAT:
        raise CheckpointError(
            f"it has format {meta['format']}, and this charrnn reads format {FORMAT}; "
            "a newer charrnn wrote it"
        )
    # What was written before there were these keys was computed so.
    meta["config"]["train"] = {"workers": 1, "backend": "numpy", **meta["config"]["train"]}
    config = config_from_dict(meta["config"], "its configuration")
    vocabulary = _read_vocabulary(members, meta["tokens"])
    shapes = parameter_shapes(config.model, len(vocabulary))
    P = sum(math.prod(shape) for shape in shapes.values())
    named = {name: members.read_like(name, shape) for name, shape in shapes.items()}
    parameters = np.empty(P, np.float32)
    for name, view in parameter_views(parameters, shapes).items():
        view[...] = named[name]
    slots = {
        slot: members.read_like(f"optimizer.{slot}", (P,)).copy()
        for slot in RULES[config.train.optimizer].slots
    }
    shape = (config.train.batch_size, config.model.hidden_size)
    states = [
        tuple(
            members.read_like(f"states.{layer}.{s}", shape) for s in CELLS[config.model.cell].states
        )
        for layer in range(config.model.num_layers)
    ]
    counters = _read_counters(meta["counters"])
    return Checkpoint(
        config, vocabulary, parameters, counters, slots, states, str(meta["text_sha256"])
    )


def _read_counters(found: dict[str, Any]) -> Counters:
    """Take each counter, which is of the type that it has in a new training."""
    for f in fields(Counters):
        value, new = found[f.name], getattr(Counters(), f.name)
        if new is None:
            fits = value is None or (type(value) is float and math.isfinite(value))
        else:
            fits = type(value) is type(new) and 0 <= value < math.inf
        if not fits:
            raise CheckpointError(f"its counter {f.name} is {value!r}, which is none")
    return Counters(**{f.name: found[f.name] for f in fields(Counters)})


def _accept_meta(shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
    if shape != () or dtype.kind != "U":
        return "it should be one text"
    return "" if dtype.itemsize <= _META_BYTES else "it is too long"


def _read_vocabulary(members: _Members, tokens: str) -> Vocabulary:
    largest = {"char": 0x10FFFF, "byte": 0xFF}[tokens]

    def accept(shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
        if len(shape) != 1 or not 2 <= shape[0] <= largest + 1 or dtype != np.dtype("<u4"):
            return "it should be the vocabulary's symbols in ascending order"
        return ""

    symbols = members.read("vocabulary", accept)
    if (symbols[1:] <= symbols[:-1]).any() or symbols[-1] > largest:
        raise CheckpointError("the array vocabulary is not in ascending order")
    return Vocabulary(symbols, tokens)


def _named_states(config: Config, states: States) -> dict[str, Array]:
    return {
        f"states.{layer}.{name}": state
        for layer, layer_states in enumerate(states)
        for name, state in zip(CELLS[config.model.cell].states, layer_states, strict=True)
    }
