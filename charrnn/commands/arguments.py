"""Resolve the arguments of a command: checkpoints, run folders, and the text to read."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from charrnn.errors import TextError, counted

if TYPE_CHECKING:
    from charrnn.runs.checkpoint import Checkpoint
    from charrnn.text.part import Part
    from charrnn.text.vocabulary import Vocabulary

_ESCAPED = {"n": "\n", "t": "\t", "\\": "\\"}


def models_and_text(
    arguments: Sequence[str], split: str | None, most_models: int = 1
) -> tuple[Sequence[str | None], str | None]:
    """Tell which arguments name checkpoints or run folders, and which one names a text.

    Returns:
        The checkpoints and run folders, [None] for the newest run if no argument names one; and the
        text file, or None for a split of the model's own text.

    Raises:
        click.UsageError: if there are too many arguments, or a text file as well as a split.
    """
    from charrnn.runs.folder import named_run

    def located(one: str) -> str:
        path = named_run(one, "argument")
        return one if path == Path(one) else str(path)

    arguments = [one if one in ("", "-") else located(one) for one in arguments]
    if most_models == 1 and len(arguments) == 2:  # their order decides, whatever they name
        models, texts = arguments[:1], arguments[1:]
    else:
        models = [one for one in arguments if one.endswith(".npz") or os.path.isdir(one)]
        texts = [one for one in arguments if one not in models]
    if len(models) > most_models or len(texts) > 1:
        raise click.UsageError(
            f"too many arguments: {' '.join(arguments)}; models are .npz files or run folders, "
            "and one text can be read."
        )
    if texts and split is not None:
        raise click.UsageError(
            "--split selects a part of the model's own text; give it or TEXT_FILE."
        )
    return models or [None], texts[0] if texts else None


def load_part(
    checkpoint: Checkpoint, text_file: str | None, split: str | None, unknown: str
) -> Part:
    """Read and encode a text file, or a split of the model's own text.

    Args:
        checkpoint: the model.
        text_file: the path, - for standard input, or None for a split.
        split: the value of --split; valid if None.
        unknown: the value of --unknown.

    Raises:
        TextError: if the text cannot be read or encoded.
    """
    from charrnn.text.part import encode_file, encode_split, encode_test

    data, scale, skip = checkpoint.config.data, checkpoint.scale, unknown == "skip"
    vocabulary, note = checkpoint.vocabulary, partial(click.echo, err=True)
    if text_file is None:
        if split != "test" or data.test_path is None:
            split = split or "valid"
            return encode_split(data, checkpoint.text_sha256, split, note, checkpoint.cut)
        part = encode_test(data, vocabulary, skip_unknown=skip, scale=scale, note=note)
    else:
        part = encode_file(data, vocabulary, text_file, skip_unknown=skip, scale=scale, note=note)
    report_skipped(part.skipped, data.tokens)
    return part


def report_skipped(count: int, tokens: str) -> None:
    """Print how many unknown characters, or bytes, were skipped, if any."""
    if count:
        click.echo(f"left out: {counted(count, tokens)} that the model does not know", err=True)


def unescaped(text: str) -> str:
    r"""Return a text in which \n stands for a newline, \t for a tab and \\ for a backslash."""
    return re.sub(r"\\([nt\\])", lambda found: _ESCAPED[found[1]], text)


def refuse_escapes(option: str, text: str, vocabulary: Vocabulary, otherwise: str = "") -> None:
    r"""Refuse \n and \t, which a shell leaves unchanged, for a model that knows no backslash.

    Args:
        option: the one whose value is the text.
        text: as given.
        vocabulary: of the model.
        otherwise: another way to give the text, added to the message.

    Raises:
        TextError: if the text has one of these.
    """
    escape = next((one for one in (r"\n", r"\t") if one in text), None)
    if escape and ord("\\") not in vocabulary.symbols:
        name = "newline" if escape == r"\n" else "tab"
        raise TextError(
            f"{option}: {escape} is a backslash and a letter here, and this model knows no "
            f"backslash; write a {name} as $'{escape}' in the shell{otherwise}"
        )


def refuse_mpiexec() -> None:
    """Refuse to run a command in each of several processes that mpiexec has started.

    Raises:
        RunError: if mpiexec has started several processes.
    """
    from charrnn.workers.mpi import refuse_ranks

    refuse_ranks(click.get_current_context().command_path.partition(" ")[2])


def find_and_load(argument: str | None) -> tuple[Path, Checkpoint]:
    """Find and load the checkpoint that an argument names, by default the newest run's.

    Raises:
        RunError: if mpiexec has started several processes.
        CheckpointError: if there is no such checkpoint, or it cannot be read.
    """
    from charrnn.runs.checkpoint import load_checkpoint, reading_note
    from charrnn.runs.folder import find_checkpoint

    refuse_mpiexec()
    path = find_checkpoint(argument)
    if note := reading_note(path):
        click.echo(note, err=True)
    return path, load_checkpoint(path)


def load_model_and_part(
    arguments: Sequence[str], split: str | None, unknown: str
) -> tuple[Checkpoint, Part]:
    """Load the model and the text that arguments and options name, and print which they are.

    Raises:
        click.UsageError: see `models_and_text`.
        RunError, CheckpointError: see `find_and_load`.
        TextError: see `load_part`.
    """
    (argument,), text_file = models_and_text(arguments, split)
    path, checkpoint = find_and_load(argument)
    part = load_part(checkpoint, text_file, split, unknown)
    click.echo(f"{path}, {part.name}", err=True)
    return checkpoint, part


def runs_to_draw(arguments: Sequence[str], most: int | None = None) -> dict[str, Path]:
    """Return the run folders, by default the newest run's, each under a distinct printable name.

    Args:
        arguments: the folders.
        most: number of runs that can be drawn together, at most.

    Raises:
        CheckpointError: if there is no run.
        RunError: if an argument is not a run folder or names a run twice, if there are more than
            `most`, or if mpiexec has started several processes.
    """
    from charrnn.errors import RunError
    from charrnn.runs.folder import RunFolder, find_checkpoint, named_run
    from charrnn.system.terminal import visible

    refuse_mpiexec()
    if most is not None and len(arguments) > most:
        raise RunError(f"{counted(len(arguments), 'run')} are too many; name at most {most}")
    folders = [named_run(one, "run folder") for one in arguments] or [find_checkpoint(None).parent]
    for folder in folders:
        if not RunFolder(folder).holds_run():
            raise RunError(f"{folder}: is not a run folder; name one, as in runs/tales")
    resolved = [folder.resolve() for folder in folders]
    if len(set(resolved)) < len(resolved):
        raise RunError(f"the same run is named twice: {' '.join(arguments)}")
    names = [folder.name for folder in resolved]
    if len(set(names)) < len(names):
        names = [str(folder) for folder in folders]
    names = [visible(name.encode("utf-8", "replace").decode()) for name in names]
    # Matplotlib leaves a name that begins with an underscore out of the legend.
    names = [f"\N{ZERO WIDTH SPACE}{name}" if name.startswith("_") else name for name in names]
    return dict(zip(names, folders, strict=True))
