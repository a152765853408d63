"""charrnn init."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from charrnn.commands.arguments import refuse_mpiexec
from charrnn.commands.options import FloatInRange, output_option, set_option
from charrnn.commands.output_file import output_path
from charrnn.config.paths import named_path
from charrnn.errors import ConfigError, TextError, counted, shown_name
from charrnn.system.terminal import duration, wrapped

if TYPE_CHECKING:
    from charrnn.planning.proposal import Proposal
    from charrnn.text.shape import Shape


@click.command()
@click.argument("text", nargs=-1, required=True)
@output_option(
    "File to write; - is standard output.  [default: NAME-OF-TEXT.yaml, for a single text]"
)
@click.option(
    "--minutes",
    type=FloatInRange(min=0, min_open=True, max=1_000_000),
    metavar="N",
    help="Time that the training may take on this machine.  [default: chosen for the text]",
)
@set_option
@click.option("--overwrite", is_flag=True, help="Replace a file that exists.")
def init(
    text: tuple[str, ...],
    output: str | None,
    minutes: float | None,
    overrides: tuple[str, ...],
    overwrite: bool,
) -> None:
    """Write a configuration for TEXT, sized to it and to this machine.

    Looks at the text, measures for some seconds how fast this machine trains on it, prints what it
    has chosen and how long the training will take, and writes a file with comments. A list of short
    lines, or blocks between blank lines, become records (data.records). TEXT is one or more files,
    or a glob in quotes.
    """
    from charrnn.config.reader import override_defaults
    from charrnn.config.writer import annotated_yaml
    from charrnn.planning.proposal import propose
    from charrnn.system.atomic import atomic_write
    from charrnn.text.lines import find_shape

    refuse_mpiexec()
    given = {override.partition("=")[0].strip() for override in overrides}
    if minutes is not None and "train.max_minutes" in given:
        raise click.UsageError("--minutes and train.max_minutes both set a time; give one.")
    if "data.path" in given:
        raise ConfigError("--set data.path: name the text as the argument TEXT")
    path = text[0] if len(text) == 1 else list(text)
    config = override_defaults(overrides, path, origin="--set")
    files = _files(config.data.path)
    if output is None:
        if len(text) > 1 or not named_path(text[0], "TEXT").exists():
            raise ConfigError("with several texts, -o FILE names the file to write")
        output = f"{Path(text[0]).stem}.yaml"
    target = Path(output) if output == "-" else _target(output, files, overwrite)
    if sys.stderr.isatty():
        click.echo("measuring this machine for some seconds", err=True)
    shape = None if "data.records" in given else find_shape(config.data)
    if shape and shape.records:
        config = replace(config, data=replace(config.data, records=shape.records))
    proposal = propose(config, minutes, partial(click.echo, err=True))
    text_summary, time_summary = _text_summary(proposal), _time_summary(proposal)
    because = [_records_summary(shape)] if shape and shape.records else []
    header = [f"{line}." for line in (text_summary, *because, time_summary)]
    written = annotated_yaml(proposal.config, header, given, target.parent)
    if output == "-":
        click.echo(written, nl=False)
        return
    with atomic_write(target) as file:
        file.write(written.encode())
    next_command = f"charrnn train {shlex.quote(str(target))}"
    if shape and not because:
        because = [f"{shape.reason}; --set data.records=line reads each line as a record"]
    lines = [text_summary, *because, _model_summary(proposal), time_summary]
    summary = "\n".join([*lines, f"written: {target}; now: {next_command}"])
    click.echo(wrapped(summary, sys.stderr), err=True)


def _files(path: str | tuple[str, ...]) -> list[str]:
    """Return the files of the text; refuse those that can be read only once, such as pipes."""
    from charrnn.text.files import find_files

    try:
        files = find_files(path)
    except TextError as error:
        problem = error.problem
        raise ConfigError(f"{problem}; name a text file, or several, or a glob") from None
    for file in files:
        if not os.path.isfile(file):
            raise ConfigError(
                f"{file}: is not a file that a training can read again; name a text file"
            )
    return files


def _target(output: str, files: Sequence[str], overwrite: bool) -> Path:
    """Return the path of the file to write; refuse to replace a text or, unasked, another file."""
    target = output_path(output)
    if target.exists() and any(os.path.samefile(target, file) for file in files):
        raise ConfigError(f"{target}: is the text itself; -o names another file")
    if target.exists() and not target.is_file():
        raise ConfigError(f"{target}: is a pipe or a device; -o names a file")
    if target.exists() and not overwrite:
        raise ConfigError(
            f"{target}: exists already; --overwrite replaces it, -o names another file"
        )
    return target


def _text_summary(proposal: Proposal) -> str:
    """Return the size of the text in words."""
    path = proposal.config.data.path
    name = (
        shown_name(os.path.basename(path)) if isinstance(path, str) else counted(len(path), "file")
    )
    return f"{name}: {proposal.text}"


def _records_summary(shape: Shape) -> str:
    """Return why the text is read as records, and how to read it as one text."""
    return f"{shape.reason}; data.records {shape.records} (--set data.records=null reads one text)"


def _model_summary(proposal: Proposal) -> str:
    """Return the model and its hyperparameters in words."""
    model, train = proposal.config.model, proposal.config.train
    return (
        f"{model}, dropout {model.dropout:g}, weight "
        f"dropout {model.weight_dropout:g}, "
        f"{counted(train.batch_size, proposal.units.row)} x {train.seq_length}, "
        f"{train.optimizer} {train.learning_rate:g}"
    )


def _time_summary(proposal: Proposal) -> str:
    """Return the length of the training in words, and how long it takes on this machine."""
    train = proposal.config.train
    limits = {"epoch": train.max_epochs, "step": train.max_steps, "minute": train.max_minutes}
    length = " or ".join(counted(n, name) for name, n in limits.items() if n is not None)
    speed = counted(round(proposal.chars_per_s), proposal.units.step)
    return (
        f"{length} of training: about {duration(proposal.estimated_s)} on this machine "
        f"({speed}/s)"
        f"{'; longer would hardly help' if proposal.most_epochs else ''}"
    )
