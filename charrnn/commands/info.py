"""charrnn info."""

from __future__ import annotations

import math
import shutil
import sys
import textwrap
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

import click

from charrnn.commands.arguments import find_and_load
from charrnn.commands.options import checkpoint_argument
from charrnn.errors import counted, shown_name

if TYPE_CHECKING:
    from charrnn.runs.checkpoint import Checkpoint

_NAMED = 10  # labels, at most
_INDENT = 12  # columns of the names of rows


@click.command()
@checkpoint_argument
def info(checkpoint: str | None) -> None:
    """Print the steps, losses and configuration of a checkpoint.

    CHECKPOINT is an .npz file or a run folder, by default the newest run under runs/.
    """
    click.echo("\n".join(_rows(*find_and_load(checkpoint))))


def _rows(path: Path, checkpoint: Checkpoint) -> list[str]:
    import numpy as np

    from charrnn.model.parameters import parameter_shapes

    counters, vocabulary = checkpoint.counters, checkpoint.vocabulary
    tokens, V = vocabulary.tokens, len(vocabulary)
    known = counted(vocabulary.size, tokens)
    end = "" if vocabulary.end is None else " and the end of a record"
    end = end if vocabulary.prompt_end is None else f", the end of a prompt{end}"
    best_step = "" if counters.best_loss_nats is None else f" at step {counters.best_step:,}"
    every = vocabulary.decode(np.arange(vocabulary.size))
    symbols = f" {_visible(every)}" if tokens == "char" else ""
    shapes = parameter_shapes(checkpoint.config.model, V, checkpoint.F)
    width = max(map(len, shapes))
    model = checkpoint.config.model
    dropout = ", with dropout" if model.dropout or model.weight_dropout else ""
    return [
        f"file        {path} (format {checkpoint.format}, {counted(path.stat().st_size, 'byte')})",
        f"steps       {counters.step:,}",
        f"validation  {_loss(counters.valid_loss_nats, tokens)}",
        f"best        {_loss(counters.best_loss_nats, tokens)}{best_step}",
        f"training    {_loss(counters.train_loss_nats, tokens)}{dropout}",
        *_records(checkpoint),
        *map(_wrapped, [*_sides(checkpoint), *_features(checkpoint)]),
        _wrapped(f"vocabulary  {known}{symbols}{end}"),
        f"parameters  {checkpoint.parameters.size:,}",
        *(f"  {name:<{width}}  {shape}" for name, shape in shapes.items()),
        "configuration",
        *(f"  {line}" for line in checkpoint.config.to_yaml().splitlines()),
    ]


def _wrapped(row: str) -> str:
    """Return a row that may be long, for a terminal on several lines; its spaces are kept."""
    if not sys.stdout.isatty():
        return row
    columns = max(2 * _INDENT, shutil.get_terminal_size().columns)
    indent = " " * _INDENT
    return "\n".join(
        textwrap.wrap(row, columns - 1, subsequent_indent=indent, drop_whitespace=False)
    )


def _visible(text: str) -> str:
    """Return a text in quotes, with escapes for characters that are invisible or would combine."""
    return "".join(
        ascii(c)[1:-1] if unicodedata.category(c).startswith("M") else c for c in repr(text)
    )


def _records(checkpoint: Checkpoint) -> list[str]:
    """Return a row about the records that a model was trained on; none for one text."""
    kind, cut = checkpoint.config.data.records, checkpoint.cut_points
    if kind is None:
        return []
    if cut is None:
        return [f"records     {kind}"]
    train, valid = cut[0], cut[1] - cut[0]
    return [f"records     {kind}: {train:,} for training, {valid:,} for validation"]


def _sides(checkpoint: Checkpoint) -> list[str]:
    """Return rows about the prompts and the replies of a model of records; none without prompts."""
    vocabulary, sides = checkpoint.vocabulary, checkpoint.labels
    if vocabulary.prompt_end is None:
        return []
    rows = []
    for side, labels in (("prompts", sides.prompts), ("replies", sides.replies)):
        first = ", ".join(shown_name(vocabulary.decode(one)) for one in labels[:_NAMED])
        more = ", ..." if len(labels) > _NAMED else ""
        few = f"{counted(len(labels), 'label')}: {first}{more}"
        rows.append(f"{side:<{_INDENT}}{few if labels else 'too many to be labels'}")
    return rows


def _features(checkpoint: Checkpoint) -> list[str]:
    """Return a row about the features of records, with their means and deviations."""
    scale = checkpoint.scale
    if scale is None:
        return []
    names = checkpoint.config.data.feature_names or range(1, scale.F + 1)
    first = [
        f"{shown_name(str(name))} {mean:.4g} ± {std:.4g}"
        for name, mean, std in zip(names, *(one.tolist() for one in scale), strict=True)
    ][:_NAMED]
    more = ", ..." if scale.F > _NAMED else ""
    return [f"{'features':<{_INDENT}}{scale.F:,}: {', '.join(first)}{more}"]


def _loss(nats: float | None, tokens: str) -> str:
    if nats is None:
        return "none yet"
    return f"{nats:.4f} nats/{tokens} ({nats / math.log(2):.4f} bits)"
