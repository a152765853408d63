"""Which of a command's arguments are models, and which is the text; the options that go with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from charrnn.checkpoint import Checkpoint
    from charrnn.kernels import Array

_PARTS = {"train": "training", "valid": "validation", "test": "test"}


def text_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which text is meant."""
    split = click.option(
        "--split",
        type=click.Choice(list(_PARTS)),
        help="Part of the model's own text to read.  [default: valid]",
    )
    return split(unknown_option(command))


unknown_option = click.option(
    "--unknown",
    type=click.Choice(["error", "skip"]),
    default="error",
    show_default=True,
    help="What to do with a character of the text that the model does not know.",
)


def models_and_text(
    arguments: Sequence[str], split: str | None, most_models: int = 1
) -> tuple[list[str], str | None]:
    """Tell which arguments are checkpoints or runs, and which one is a text.

    Raises:
        click.UsageError: there are too many, or a text beside a part of the model's own.
    """
    if most_models == 1 and len(arguments) == 2:  # whatever they look like
        models, texts = list(arguments[:1]), list(arguments[1:])
    else:
        models = [one for one in arguments if one.endswith(".npz") or os.path.isdir(one)]
        texts = [one for one in arguments if one not in models]
    if len(models) > most_models or len(texts) > 1:
        raise click.UsageError(
            f"too many arguments: {' '.join(arguments)}; models are .npz files or runs' folders, "
            "and one text can be read."
        )
    if texts and split is not None:
        raise click.UsageError("--split is of the model's own text; give it or TEXT_FILE.")
    return models, texts[0] if texts else None


class Part(NamedTuple):
    """A part of a text, encoded for a model."""

    codes: Array  # (n,), of the whole text
    start: int
    end: int
    name: str  # what it is called


def part_of_text(
    checkpoint: Checkpoint, text_file: str | None, split: str | None, unknown: str
) -> Part:
    """Read what is meant: a file, or a part of the model's own text.

    Raises:
        TextError: it cannot be read.
    """
    from charrnn.evaluation import codes_of_file, codes_of_split

    if text_file is None:
        name = split or "valid"
        note = lambda text: click.echo(text, err=True)  # noqa: E731
        return Part(*codes_of_split(checkpoint, name, note), f"{_PARTS[name]} part")
    codes, start, end, skipped = codes_of_file(
        checkpoint, text_file, skip_unknown=unknown == "skip"
    )
    tell_left_out(skipped)
    return Part(codes, start, end, "standard input" if text_file == "-" else text_file)


def tell_left_out(count: int) -> None:
    """Say how many characters the model has not been given."""
    if count:
        plural = "" if count == 1 else "s"
        click.echo(f"left out: {count:,} character{plural} that the model does not know", err=True)


def loaded(argument: str | None) -> tuple[Path, Checkpoint]:
    """Load the checkpoint that an argument means, by default the newest run's.

    Raises:
        RunError: MPI has started the command several times.
        CheckpointError: there is none, or it cannot be read.
    """
    from charrnn.checkpoint import load_checkpoint
    from charrnn.mpi import refuse_ranks
    from charrnn.runs import find_checkpoint

    refuse_ranks(click.get_current_context().command_path.partition(" ")[2])
    path = find_checkpoint(argument)
    return path, load_checkpoint(path)
