"""A checkpoint: one `.npz` file that holds a model and the state of its training.

Members (format 4):

    meta            JSON text: format, configuration, counters, digest, length and cut of the text,
                    steps in an epoch, length of the longest record
    vocabulary      (V,) uint32, symbols in ascending order
    layers.0.Wx ... float32, every parameter under its name
    optimizer.m ... (P,) float32, every vector of the optimizer state, flat like the parameters
    states.0.h ...  (N, H) float32, the states of each layer after the last step
    labels.prompts  (n,) uint32, codes of the prompts, each with an end, if records have prompts and
                    these are few
    labels.replies  the same of replies
    features.mean   (F,) float64, of the features of the training part, if records have some
    features.std    the same, their standard deviation
    sha256          a digest of the other members

Format 1 has no digest, no length of the text and no counter of divergences. Formats 1 and 2 have
fewer configuration keys and no time limit. Formats 1 to 3 do not hold where the text was cut, nor
the steps in an epoch.

Checkpoints are read without pickle. The type, shape and size of each member are checked against the
configuration before memory is taken for it. A checkpoint holds no times except under a time limit,
so equal trainings write equal files.
"""

from __future__ import annotations

import math
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from charrnn.config.schema import Config, DataConfig
from charrnn.errors import CharRNNError, CheckpointError, NewerFormatError
from charrnn.kernels import CELLS, Array
from charrnn.kernels.optimizers import OPTIMIZERS, flat_norm
from charrnn.model.model import Model, States
from charrnn.model.parameters import Shapes, parameter_count, parameter_shapes, parameter_views
from charrnn.runs.archive import DIGEST, ArrayArchive, write_arrays
from charrnn.runs.meta import FORMAT, MAX_CHARS, Counters, Meta
from charrnn.system.atomic import atomic_write
from charrnn.text.corpus import float_cut_points
from charrnn.text.features import MOST_FEATURES, FeatureScale
from charrnn.text.labels import MOST_CODES, Labels, divided, joined
from charrnn.text.vocabulary import SYMBOLS, Vocabulary

_LARGE = 100_000_000  # bytes; reading and verifying more takes seconds
_SCALE = tuple(f"features.{name}" for name in FeatureScale._fields)

__all__ = ["FORMAT", "Checkpoint", "Counters", "load_checkpoint", "reading_note", "save_checkpoint"]


@dataclass(frozen=True)
class Checkpoint:
    """A model, and all that resuming its training needs."""

    config: Config
    vocabulary: Vocabulary
    parameters: Array  # (P,) float32
    counters: Counters
    optimizer_state: dict[str, Array]  # each (P,) float32
    states: States  # each (N, H) float32
    text_sha256: str
    text_chars: int | None = None  # length of the text; None in format 1
    cut_points: tuple[int, int] | None = None  # of the text; None in formats 1 to 3
    steps_per_epoch: int | None = None  # None in formats 1 to 3
    longest_record: int | None = None  # symbols, without end; None for a text
    labels: Labels = field(default_factory=Labels)  # of the training part
    scale: FeatureScale | None = None  # of the features of records
    format: int = FORMAT  # of the file it was read from; files are written in the newest one

    def model(self) -> Model:
        """Return the model, which shares this checkpoint's parameters."""
        return Model(self.config.model, len(self.vocabulary), self.parameters, F=self.F)

    @property
    def F(self) -> int:  # noqa: N802 - the letter of the dimension key
        """Number of features of a record."""
        return self.scale.F if self.scale else 0

    def cut(self, n: int) -> tuple[int, int]:
        """Return where the training and the validation part of the text, n characters, end."""
        if self.cut_points and n == self.text_chars:  # else it is another text
            return self.cut_points
        return float_cut_points(n, self.config.data)


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; at any moment, `path` holds the whole old file or the whole new one.

    Raises:
        CheckpointError: the file cannot be written, or `load_checkpoint` would refuse it.
    """
    try:
        arrays = _arrays(checkpoint)
    except CheckpointError as error:
        raise CheckpointError(
            f"{path}: step {checkpoint.counters.step} is not saved, because it could not be "
            f"loaded: {error}; the previous checkpoint is unchanged"
        ) from None
    try:
        with atomic_write(path) as file:
            write_arrays(file, arrays)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be written: {error.strerror or error}") from None


def reading_note(path: Path) -> str:
    """Return a note if a checkpoint is so large that reading it takes a while, else ""."""
    try:
        size = path.stat().st_size
    except OSError:  # `load_checkpoint` says what is wrong
        return ""
    return f"reading {path} ({size / 1e6:,.0f} MB)" if size > _LARGE else ""


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint.

    The file is checked in this order; each check has its message:

        path                  a regular file that can be read
        zip container         `ArrayArchive`: a zip file of stored members that do not overlap
        meta data             `Meta.from_text`: JSON, a known format, every key and counter valid
        configuration         `charrnn.config.reader`: every value valid
        vocabulary            `_read_vocabulary`: ascending symbols
        labels                `_read_labels`: ascending texts of the vocabulary
        scale of features     `_read_scale`: one for each feature column, deviations above 0
        arrays                `ArrayArchive.check_names`, `check`: names, shapes, types and sizes
        contents of an array  `ArrayArchive.read_into`: the CRC of the zip file, finite values; the
                              CRC of a small array fails as soon as it is opened, in `check`
        digest                `ArrayArchive.check_digest`: of all arrays, from format 2 on
        parameters            `_refuse_too_large`: products must not overflow

    Raises:
        CheckpointError: the file cannot be read, or is not a sound checkpoint. The message names
            the file and what to do.
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):  # opening a pipe would wait for a writer
            return _read(path)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file") from None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from None
    except NewerFormatError as error:
        raise CheckpointError(f"{path}: {error.problem}") from None
    except CharRNNError as error:
        raise _damaged(path, error.problem) from None
    kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
    raise CheckpointError(f"{path}: is {kind}, not a checkpoint; name a file")


def _damaged(path: Path, problem: str) -> CheckpointError:
    """Return the error for a checkpoint that cannot be used; it names what to use instead."""
    if path.suffix != ".npz":
        return CheckpointError(
            f"{path}: {problem}; name a .npz file that charrnn wrote, or a run folder"
        )
    other = {"last.npz": "best.npz", "best.npz": "last.npz"}.get(path.name)
    if other is None or not _is_sound(path.with_name(other)):
        return CheckpointError(
            f"{path}: {problem}; use another checkpoint of the run, if there is one"
        )
    problem = f"{path}: {problem}; use {other} in the same folder"
    if path.name == "last.npz":
        problem += ", from which a resumed run continues once this file is moved away"
    return CheckpointError(problem)


def _is_sound(path: Path) -> bool:
    """Return whether a file is a checkpoint that can be loaded."""
    try:
        return path.is_file() and bool(_read(path))
    except (OSError, CharRNNError):
        return False


def _arrays(checkpoint: Checkpoint) -> dict[str, Array]:
    """Return the members but for the digest; refuse values that could not be loaded."""
    config, vocabulary = checkpoint.config, checkpoint.vocabulary
    meta = Meta(
        config,
        checkpoint.counters,
        checkpoint.text_sha256,
        checkpoint.text_chars,
        checkpoint.cut_points,
        checkpoint.steps_per_epoch,
        checkpoint.longest_record,
    )
    text = np.array(meta.to_text())
    shapes = parameter_shapes(config.model, len(vocabulary), checkpoint.F)
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
    labels = zip(Labels._fields, checkpoint.labels, strict=True) if config.data.has_prompts else ()
    of_sides = {f"labels.{side}": joined(known, vocabulary) for side, known in labels}
    if checkpoint.scale:
        of_sides |= {f"features.{name}": one for name, one in checkpoint.scale._asdict().items()}
    return {"meta": text, "vocabulary": vocabulary.symbols, **of_sides, **arrays}


def _read(path: Path) -> Checkpoint:
    with path.open("rb", buffering=0) as file:
        archive = ArrayArchive(file)
        meta = Meta.from_text(archive.read_text("meta", MAX_CHARS))
        config = meta.config
        vocabulary = _read_vocabulary(archive, config.data)
        scale = _read_scale(archive, config.data) if config.data.has_features else None
        F = scale.F if scale else 0
        shapes = parameter_shapes(config.model, len(vocabulary), F)
        P = parameter_count(config.model, len(vocabulary), F)
        optimizer = {f"optimizer.{name}": (P,) for name in OPTIMIZERS[config.train.optimizer].state}
        others = {**optimizer, **_state_shapes(config)}
        digest = [DIGEST] if meta.format > 1 else []
        labels = [f"labels.{side}" for side in Labels._fields] if config.data.has_prompts else []
        of_features = _SCALE if scale else ()
        names = ["meta", "vocabulary", *labels, *of_features, *shapes, *others, *digest]
        archive.check_names(names)
        known = Labels(*(_read_labels(archive, name, vocabulary) for name in labels))
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
        meta.cut_points,
        meta.steps_per_epoch,
        meta.longest_record,
        known,
        scale,
        meta.format,
    )


def _refuse_too_large(parameters: Array) -> None:
    """Refuse parameters whose products may overflow.

    No product overflows while their norm is finite, because the inputs of a layer are at most 1 or,
    after an embedding, parameters themselves; features are at most a million, and the square of the
    norm is finite too.
    """
    if not math.isfinite(flat_norm(parameters)):
        raise CheckpointError("its parameters are too large to compute with")


def _state_shapes(config: Config) -> Shapes:
    """Return the name and shape of every state, layer by layer."""
    shape = (config.train.batch_size, config.model.hidden_size)
    return {
        f"states.{layer}.{state}": shape
        for layer in range(config.model.num_layers)
        for state in CELLS[config.model.cell].states
    }


def _read_labels(archive: ArrayArchive, name: str, vocabulary: Vocabulary) -> tuple[Array, ...]:
    n = archive.length(name)
    if n > MOST_CODES:
        raise CheckpointError(f"the array {name} does not fit: its length is {n:,}")
    archive.check(name, (n,), "<u4")
    codes: Array = np.empty(n, np.uint32)
    archive.read_into(name, codes)
    try:
        return divided(codes, vocabulary)
    except ValueError:
        raise CheckpointError(f"the array {name} does not hold labels") from None


def _read_scale(archive: ArrayArchive, data: DataConfig) -> FeatureScale:
    F = archive.length(_SCALE[0]) // 2  # elements of 8 bytes
    if not 1 <= F <= MOST_FEATURES or len(data.feature_names) not in (0, F):
        raise CheckpointError(f"the array {_SCALE[0]} does not fit: its length is {F:,}")
    arrays = []
    for name in _SCALE:
        archive.check(name, (F,), "<f8")
        array: Array = np.empty(F, np.float64)
        archive.read_into(name, array)
        arrays.append(array)
    scale = FeatureScale(*arrays)
    if (scale.std <= 0).any():
        raise CheckpointError(f"the array {_SCALE[1]} has deviations that are not above 0")
    return scale


def _read_vocabulary(archive: ArrayArchive, data: DataConfig) -> Vocabulary:
    V, most = archive.length("vocabulary"), SYMBOLS[data.tokens]
    most += (data.records is not None) + data.has_prompts
    if not 2 <= V <= most:
        raise CheckpointError(f"the array vocabulary does not fit: its length is {V:,}")
    archive.check("vocabulary", (V,), "<u4")
    symbols: Array = np.empty(V, np.uint32)
    archive.read_into("vocabulary", symbols)
    if (symbols[1:] <= symbols[:-1]).any() or symbols[-1] >= most:
        raise CheckpointError(f"the array vocabulary is not ascending symbols below {most:,}")
    vocabulary = Vocabulary(symbols, data.tokens, reverse_prompts=bool(data.reverse_prompts))
    if data.records and vocabulary.end is None:
        raise CheckpointError("the array vocabulary lacks the symbol for the end of a record")
    if data.has_prompts and vocabulary.prompt_end is None:
        raise CheckpointError("the array vocabulary lacks the symbol for the end of a prompt")
    return vocabulary
