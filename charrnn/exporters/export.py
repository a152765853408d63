"""Export a model as one page that runs it in a browser."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from charrnn.config.paths import named_path
from charrnn.errors import RunError, TextError, counted, shown
from charrnn.exporters.page import page
from charrnn.exporters.rounding import RoundingLoss, rounding_loss
from charrnn.exporters.weights import PRECISIONS
from charrnn.inspection.features import text_features
from charrnn.inspection.units import MIN_CHARS, UnitCorrelation, correlated_units
from charrnn.runs.checkpoint import Checkpoint, load_checkpoint
from charrnn.runs.folder import RunFolder, find_checkpoint
from charrnn.system.atomic import atomic_write
from charrnn.system.own_files import may_replace
from charrnn.text.corpus import Corpus
from charrnn.text.part import own_corpus, part_of
from charrnn.version import __version__

_READ = 20_000  # characters in which units are looked for, at most
_UNITS = 6  # with a stripe, at most


class Exported(NamedTuple):
    """A page that was written."""

    path: Path
    size: int  # bytes
    tokens: str  # what the loss is per: "char" or "byte"
    loss: RoundingLoss | None  # None if the text is gone, or has no validation part


def export(
    checkpoint: str | os.PathLike[str] | None = None,
    path: str | os.PathLike[str] | None = None,
    *,
    precision: int = 16,
    note: Callable[[str], object] = lambda _: None,
) -> Exported:
    """Write a page that runs a model in a browser, on its own and offline.

    Whoever has the page has the model, which may repeat parts of the text that it was trained on.

    Args:
        checkpoint: a checkpoint or a run folder, as for `charrnn.load`; by default the newest run.
        path: the file to write, which ends in .html; by default the run's name in the current
            folder. It may replace a page of charrnn's, but no other file.
        precision: bits of each parameter, 32, 16 or 8; fewer make a smaller page.
        note: called with a message before something that takes longer.

    Returns:
        The file, its size, and the loss on the validation part with and without rounding.

    Raises:
        CheckpointError: there is no checkpoint, or it cannot be read.
        RunError: no page can have this path, or `precision` is none of these.
        OSError: the page cannot be written there.

    >>> import charrnn
    >>> written = charrnn.export("runs/tales", "tales.html")
    >>> written.path.name, written.size < 3_000_000
    ('tales.html', True)
    """
    if precision not in PRECISIONS or not isinstance(precision, int):
        raise RunError(f"precision: {shown(precision)} is not possible; choose 32, 16 or 8")
    file = find_checkpoint(checkpoint)
    name = _name(file)
    target = named_path(f"{name}.html" if path is None else path, "path")
    if target.suffix.lower() != ".html":
        raise RunError(f"{target}: name a file that ends in .html")
    if not target.parent.is_dir():
        raise RunError(f"{target}: there is no folder {target.parent}; make it first")
    if not may_replace(target):
        raise RunError(f"{target}: exists already and is not from charrnn; name another file")
    found = load_checkpoint(file)
    corpus, units, loss = None, list[UnitCorrelation](), None
    try:
        corpus = own_corpus(found.config.data, found.text_sha256, note, found.cut)
    except TextError as error:
        note(f"left out, as the text cannot be read: the units, and what rounding costs ({error})")
    if corpus is not None:
        units = _units(found, corpus)
        loss = rounding_loss(found, precision, corpus, note)
    about = _about(found, precision)
    html = page(found, precision, name=name, version=__version__, about=about, units=units)
    data = html.encode("utf-8", "replace")  # a folder may have a name that is not UTF-8
    with atomic_write(target) as out:
        out.write(data)
    return Exported(target, len(data), found.vocabulary.tokens, loss)


def _name(file: Path) -> str:
    """Return the name of a checkpoint: that of its run folder, unless the file has one."""
    file = file.resolve()
    run = RunFolder(file.parent)
    return file.parent.name if file in (run.best, run.last) else file.stem


def _units(checkpoint: Checkpoint, corpus: Corpus) -> list[UnitCorrelation]:
    """Return the units that track a feature of the text best, if it is long enough."""
    data = checkpoint.config.data
    try:
        part = part_of(corpus, data, "valid" if data.has_validation else "train")
    except TextError:  # nothing to read
        return []
    reading = part.reading(_READ)
    if len(reading.part) < MIN_CHARS:
        return []
    found = correlated_units(checkpoint.model(), reading, text_features(reading), 1)
    return found[:_UNITS]


def _about(checkpoint: Checkpoint, precision: int) -> str:
    """Return a sentence about a model; a shared page must not reveal the folders of its text."""
    config, counters = checkpoint.config, checkpoint.counters
    path, tokens = config.data.path, config.data.tokens
    text = os.path.basename(path) if isinstance(path, str) else counted(len(path), "file")
    loss = ""
    if counters.valid_loss_nats is not None and counters.validated_step == counters.step:
        loss = f" Its loss on unseen text is {counters.valid_loss_nats:.3f} nats/{tokens}."
    bits = "" if precision == 32 else f", rounded to {precision} bits"
    return f"A model ({config.model}{bits}) trained on {text}.{loss}"
