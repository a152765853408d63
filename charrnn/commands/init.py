"""charrnn init."""

from __future__ import annotations

import glob
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from charrnn.commands.finite import Finite
from charrnn.errors import ConfigError


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
    """Write a configuration for TEXT: a model sized to it, to this machine and to the minutes.

    Looks at the text, measures how fast this machine trains on it (some seconds), and says in
    comments what was chosen and why. TEXT is a file, several, or a glob in quotes.
    """
    from charrnn.annotated import annotated_yaml, text_summary, time_summary
    from charrnn.atomic import replaced_atomically
    from charrnn.config_reader import override_defaults
    from charrnn.mpi import refuse_ranks
    from charrnn.proposal import propose

    refuse_ranks("init")
    given = {override.partition("=")[0].strip() for override in overrides}
    if "data.path" in given:
        raise ConfigError("--set data.path: the text is named by TEXT")
    for one in text:
        if not Path(one).exists() and not glob.has_magic(one):
            raise ConfigError(f"{one}: no such file; name a text file, or several, or a glob")
        if Path(one).exists() and not Path(one).is_file():
            raise ConfigError(f"{one}: is no file that a training can read again; name a text file")
    if output is None and (len(text) > 1 or glob.has_magic(text[0])):
        raise ConfigError("of several texts the file to write has no name; -o names it")
    target = Path(output or f"{Path(text[0]).stem}.yaml")
    if output != "-":
        _check_target(target, text, overwrite)
    if sys.stderr.isatty():
        click.echo("measuring this machine, for some seconds", err=True)
    path = text[0] if len(text) == 1 else list(text)
    config = override_defaults(overrides, path)
    proposal = propose(config, minutes, lambda line: click.echo(line, err=True))
    folder = Path.cwd() if output == "-" else target.absolute().parent
    written = annotated_yaml(proposal, given, folder)
    if output == "-":
        click.echo(written, nl=False)
        return
    with replaced_atomically(target) as file:
        file.write(written.encode())
    click.echo(f"{text_summary(proposal)}\n{time_summary(proposal)}", err=True)
    click.echo(f"written: {target}; now: charrnn train {shlex.quote(str(target))}", err=True)


def _check_target(target: Path, text: Sequence[str], overwrite: bool) -> None:
    """Refuse to write where something would be lost, or cannot be."""
    if any(target.absolute() == Path(one).absolute() for one in text):
        raise ConfigError(f"{target}: is the text itself; -o names another file")
    if target.is_dir():
        raise ConfigError(f"{target}: is a folder; name a file in it")
    if target.exists() and not overwrite:
        raise ConfigError(
            f"{target}: is there already; --overwrite writes over it, -o names another file"
        )
    if not target.parent.is_dir():
        raise ConfigError(f"{target}: there is no folder {target.parent}; make it first")
