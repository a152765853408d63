"""charrnn init."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from charrnn.commands.finite import Finite
from charrnn.commands.target import checked_target
from charrnn.errors import ConfigError, TextError


@click.command()
@click.argument("text", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="File to write; - is standard output.  [default: NAME-OF-TEXT.yaml, for a single text]",
)
@click.option(
    "--minutes",
    type=Finite(min=0, min_open=True, max=1_000_000),
    metavar="N",
    help="How long the training may take here.  [default: what suits the text]",
)
@click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Give a key of the configuration, as in data.tokens=byte. May be repeated.",
)
@click.option("--overwrite", is_flag=True, help="Write over a file that is there.")
def init(
    text: tuple[str, ...],
    output: str | None,
    minutes: float | None,
    overrides: tuple[str, ...],
    overwrite: bool,
) -> None:
    """Write a configuration for TEXT: a model sized to it, and to the minutes on this machine.

    Looks at the text, measures how fast this machine trains on it (some seconds), and says what
    was chosen and how long it will take; the file has comments. TEXT is a file, several, or a glob
    in quotes.
    """
    from charrnn.annotated import annotated_yaml, model_summary, text_summary, time_summary
    from charrnn.atomic import replaced_atomically
    from charrnn.config_reader import override_defaults
    from charrnn.mpi import refuse_ranks
    from charrnn.proposal import propose

    refuse_ranks("init")
    given = {override.partition("=")[0].strip() for override in overrides}
    if minutes is not None and "train.max_minutes" in given:
        raise click.UsageError("--minutes and train.max_minutes both say how long; give one.")
    if "data.path" in given:
        raise ConfigError("--set data.path: the text is named by TEXT")
    path = text[0] if len(text) == 1 else list(text)
    config = override_defaults(overrides, path)
    files = _files(config.data.path)
    if output is None and not (len(text) == 1 and os.path.exists(text[0])):
        raise ConfigError("of several texts the file to write has no name; -o names it")
    output = f"{Path(text[0]).stem}.yaml" if output is None else output
    target = Path() if output == "-" else _target(output, files, overwrite)
    if sys.stderr.isatty():
        click.echo("measuring this machine, for some seconds", err=True)
    proposal = propose(config, minutes, lambda line: click.echo(line, err=True))
    folder = Path.cwd() if output == "-" else target.absolute().parent
    written = annotated_yaml(proposal, given, folder)
    if output == "-":
        click.echo(written, nl=False)
        return
    with replaced_atomically(target) as file:
        file.write(written.encode())
    for summary in (text_summary, model_summary, time_summary):
        click.echo(summary(proposal), err=True)
    click.echo(f"written: {target}; now: charrnn train {shlex.quote(str(target))}", err=True)


def _files(path: str | tuple[str, ...]) -> list[str]:
    """Return the files of the text, each of which can be read again."""
    from charrnn.text_files import find_files

    try:
        files = find_files(path)
    except TextError as error:
        problem = str(error).split(";")[0]
        raise ConfigError(f"{problem}; name a text file, or several, or a glob") from None
    for file in files:
        if not os.path.isfile(file):
            raise ConfigError(
                f"{file}: is no file that a training can read again; name a text file"
            )
    return files


def _target(output: str, files: Sequence[str], overwrite: bool) -> Path:
    """Return where to write; refuse where something would be lost."""
    target = checked_target(output)
    if target.exists() and any(os.path.samefile(target, file) for file in files):
        raise ConfigError(f"{target}: is the text itself; -o names another file")
    if target.exists() and not target.is_file():
        raise ConfigError(f"{target}: is a pipe or a device; -o names a file")
    if target.exists() and not overwrite:
        raise ConfigError(
            f"{target}: is there already; --overwrite writes over it, -o names another file"
        )
    return target
