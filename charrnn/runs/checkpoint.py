"""A checkpoint: one `.npz` that needs nothing else.

Members (format 3):

    meta            JSON text: format, configuration, tokens, counters, the text's digest and length
    vocabulary      (V,) uint32, ascending symbols
    layers.0.Wx ... every parameter under its name, float32
    optimizer.m ... the optimizer state, each a flat (P,) vector like the parameters
    states.0.h ...  each layer's states (N, H) after the last step
    sha256          a digest of the others

Format 1 has no digest, no length of the text and no counter of divergences; formats 1 and 2 know
fewer keys of the configuration, and no limit of time.

It is read without pickle, and each member's shape and type are checked against the configuration
before memory is taken for it. It holds no times but where the
clock ends a training, so that others give equal files where they are equal.
"""

from __future__ import annotations

import math
import os
import stat
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from charrnn.config.schema import Config
from charrnn.errors import CharRNNError, CheckpointError, NewerFormatError, Remedy
from charrnn.kernels import CELLS, Array
from charrnn.kernels.optimizers import OPTIMIZERS, gradient_norm
from charrnn.model.model import Model, States
from charrnn.model.parameters import Shapes, parameter_count, parameter_shapes, parameter_views
from charrnn.runs.archive import DIGEST, ArrayArchive, write_arrays
from charrnn.runs.meta import FORMAT, MOST_CHARS, Counters, Meta
from charrnn.system.atomic import atomic_write
from charrnn.text.vocabulary import SYMBOLS, Vocabulary

__all__ = ["FORMAT", "Checkpoint", "Counters", "load_checkpoint", "save_checkpoint"]


@dataclass(frozen=True)
class Checkpoint:
    """A model, and everything that going on with its training needs."""

    config: Config
    vocabulary: Vocabulary
    parameters: Array  # (P,) float32
    counters: Counters
    optimizer_state: dict[str, Array]  # each (P,)
    states: States
    text_sha256: str
    text_chars: int | None = None  # characters of the text; format 1 did not keep it
    format: int = FORMAT  # of the file that it was read from; it is written in the newest

    def model(self) -> Model:
        """Return the model, on this checkpoint's parameters."""
        return Model(self.config.model, len(self.vocabulary), self.parameters)


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint so that `path` holds the old one or the new one, whole, at any moment.

    Raises:
        CheckpointError: it cannot be written, or could not be read again.
    """
    try:
        arrays = _arrays(checkpoint)
    except CheckpointError as error:
        raise CheckpointError(
            f"{path}: step {checkpoint.counters.step} is not saved, since it could not be read "
            f"again: {error}; what was saved before is left as it was"
        ) from None
    try:
        with atomic_write(path) as file:
            write_arrays(file, arrays)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be written: {error.strerror or error}") from None


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        CheckpointError: naming the file, what is wrong with it and what to do.
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):  # looked at first: to open a pipe would be to wait for a writer
            kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
            raise CheckpointError(f"{path}: is {kind}, not a checkpoint; name a file")
        with path.open("rb") as file:
            try:
                return _read(ArrayArchive(file))
            except NewerFormatError as error:
                raise CheckpointError(f"{path}: {error.problem}") from None
            except CharRNNError as error:
                raise _damaged(path, error.problem) from None
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file") from None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from None


def _damaged(path: Path, problem: str) -> CheckpointError:
    """Return the error for a checkpoint that cannot be used, with what to use in its place."""
    if path.suffix != ".npz":
        return CheckpointError(
            f"{path}: {problem}; name a .npz file that charrnn wrote, or a run's folder"
        )
    beside = {"last.npz": "best.npz", "best.npz": "last.npz"}.get(path.name)
    if beside is None or not _is_whole(path.with_name(beside)):
        return CheckpointError(
            f"{path}: {problem}; use another checkpoint of the run, if there is one"
        )
    problem = f"{path}: {problem}; use {beside} beside it"
    if path.name != "last.npz":
        return CheckpointError(problem)
    return CheckpointError(
        problem, Remedy("resume=True", "continues from there once this file is moved away")
    )


def _is_whole(path: Path) -> bool:
    """Whether a file is a checkpoint that can be read."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            _read(ArrayArchive(file))
    except (OSError, CharRNNError):
        return False
    return True


def _arrays(checkpoint: Checkpoint) -> dict[str, Array]:
    """Return what is written, but for the digest; refuse what could not be read again."""
    config, vocabulary = checkpoint.config, checkpoint.vocabulary
    meta = Meta(config, checkpoint.counters, checkpoint.text_sha256, checkpoint.text_chars)
    text = np.array(meta.to_text())
    shapes = parameter_shapes(config.model, len(vocabulary))
    states = [state for layer in checkpoint.states for state in layer]
    arrays = {
        **parameter_views(checkpoint.parameters, shapes),
        **{f"optimizer.{name}": array for name, array in checkpoint.optimizer_state.items()},
        **dict(zip(_state_shapes(config), states, strict=True)),
    }
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise CheckpointError(f"the array {name} has values that are not finite")
    _refuse_too_large(checkpoint.parameters)
    return {"meta": text, "vocabulary": vocabulary.symbols, **arrays}


def _read(archive: ArrayArchive) -> Checkpoint:
    meta = Meta.from_text(archive.read_text("meta", MOST_CHARS))
    config = meta.config
    vocabulary = _read_vocabulary(archive, config.data.tokens)
    shapes = parameter_shapes(config.model, len(vocabulary))
    P = parameter_count(config.model, len(vocabulary))
    optimizer = {f"optimizer.{name}": (P,) for name in OPTIMIZERS[config.train.optimizer].state}
    others = {**optimizer, **_state_shapes(config)}
    digest = [DIGEST] if meta.format > 1 else []
    archive.check_names(["meta", "vocabulary", *shapes, *others, *digest])
    for name, shape in {**shapes, **others}.items():
        archive.check(name, shape, "<f4")
    parameters: Array = np.empty(P, np.float32)
    arrays = parameter_views(parameters, shapes)
    arrays |= {name: np.empty(shape, np.float32) for name, shape in others.items()}
    for name, array in arrays.items():
        archive.read_into(name, array)
    if digest:
        archive.check_digest()
    _refuse_too_large(parameters)
    return Checkpoint(
        config,
        vocabulary,
        parameters,
        meta.counters,
        {name.removeprefix("optimizer."): arrays[name] for name in optimizer},
        [
            tuple(arrays[f"states.{layer}.{state}"] for state in CELLS[config.model.cell].states)
            for layer in range(config.model.num_layers)
        ],
        meta.text_sha256,
        meta.text_chars,
        meta.format,
    )


def _refuse_too_large(parameters: Array) -> None:
    """Refuse parameters of which a product may overflow; none does as long as their norm is finite.

    The inputs of a layer are at most 1, or parameters themselves.
    """
    if not math.isfinite(gradient_norm(parameters)):
        raise CheckpointError("its parameters are too large to compute with")


def _state_shapes(config: Config) -> Shapes:
    """Return every state's name and shape, layer by layer."""
    shape = (config.train.batch_size, config.model.hidden_size)
    return {
        f"states.{layer}.{state}": shape
        for layer in range(config.model.num_layers)
        for state in CELLS[config.model.cell].states
    }


def _read_vocabulary(archive: ArrayArchive, tokens: str) -> Vocabulary:
    shape = archive.header("vocabulary").shape
    if len(shape) != 1 or not 2 <= shape[0] <= SYMBOLS[tokens]:
        raise CheckpointError(
            "the array vocabulary does not fit: it should be symbols in ascending order"
        )
    archive.check("vocabulary", shape, "<u4")
    symbols: Array = np.empty(shape, np.uint32)
    archive.read_into("vocabulary", symbols)
    if (symbols[1:] <= symbols[:-1]).any() or symbols[-1] >= SYMBOLS[tokens]:
        raise CheckpointError("the array vocabulary is not in ascending order")
    return Vocabulary(symbols, tokens)
