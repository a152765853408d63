"""What the arguments of a command mean: models, runs, the text."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from charrnn.commands.options import PARTS

if TYPE_CHECKING:
    from charrnn.kernels import Array
    from charrnn.runs.checkpoint import Checkpoint


def split_arguments(
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


def load_part(
    checkpoint: Checkpoint, text_file: str | None, split: str | None, unknown: str
) -> Part:
    """Read what is meant: a file, or a part of the model's own text.

    Raises:
        TextError: it cannot be read.
    """
    from charrnn.text.part import encode_file, encode_split

    if text_file is None:
        name = split or "valid"
        note = lambda text: click.echo(text, err=True)  # noqa: E731
        found = encode_split(checkpoint.config.data, checkpoint.text_sha256, name, note)
        return Part(*found, f"{PARTS[name]} part")
    codes, start, end, skipped = encode_file(
        checkpoint.config.data,
        checkpoint.vocabulary,
        text_file,
        skip_unknown=unknown == "skip",
    )
    report_skipped(skipped)
    return Part(codes, start, end, "standard input" if text_file == "-" else text_file)


def report_skipped(count: int) -> None:
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
    from charrnn.runs.checkpoint import load_checkpoint
    from charrnn.runs.folder import find_checkpoint
    from charrnn.workers.mpi import refuse_ranks

    refuse_ranks(click.get_current_context().command_path.partition(" ")[2])
    path = find_checkpoint(argument)
    return path, load_checkpoint(path)


def runs_to_draw(arguments: Sequence[str]) -> dict[str, Path]:
    """Return the runs' folders by the names they get, each different; by default the newest run.

    Raises:
        CheckpointError: there is none.
        RunError: one is not a folder, or is named twice; or MPI has started several processes.
    """
    from charrnn.errors import RunError
    from charrnn.runs.folder import find_checkpoint
    from charrnn.system.terminal import visible
    from charrnn.workers.mpi import refuse_ranks

    refuse_ranks(click.get_current_context().command_path.partition(" ")[2])
    folders = [Path(one) for one in arguments] or [find_checkpoint(None).parent]
    for folder in folders:
        if not folder.is_dir():
            raise RunError(f"{folder}: is not a run's folder; name one, as in runs/tales")
    real = [folder.resolve() for folder in folders]
    if len(set(real)) < len(real):
        raise RunError(f"the same run is named twice: {' '.join(arguments)}")
    names = [folder.name for folder in real]
    if len(set(names)) < len(names):
        names = [str(folder) for folder in folders]
    shown = [visible(name.encode("utf-8", "replace").decode()) for name in names]
    # Matplotlib leaves out what begins with a low line.
    shown = [f"\N{ZERO WIDTH SPACE}{name}" if name.startswith("_") else name for name in shown]
    return dict(zip(shown, folders, strict=True))
