"""charrnn init."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

import click

from charrnn.commands.arguments import refuse_mpiexec
from charrnn.commands.options import Time, output_option, set_option
from charrnn.commands.output_file import output_path
from charrnn.commands.proposing import proposed_for
from charrnn.errors import ConfigError
from charrnn.system.terminal import wrapped


@click.command()
@click.argument("text", nargs=-1, required=True)
@output_option(
    "File to write; - is standard output.  [default: NAME-OF-TEXT.yaml, for a single text]"
)
@click.option(
    "--minutes",
    type=Time(),
    metavar="TIME",
    help="Time that the training may take on this machine: 5 (minutes), 90s, 2m or 1h.  [default: "
    "chosen for the text]",
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
    lines, or blocks between blank lines, become records (data.records). Of a table (CSV, TSV, JSON
    lines), of lines with an arrow or another separator, and of several lists whose names are
    labels, a prompt and a reply are learned. TEXT is one or more files, a folder, or a glob in
    quotes.
    """
    from charrnn.config.reader import override_values
    from charrnn.config.writer import annotated_yaml
    from charrnn.planning.texts import named_texts
    from charrnn.system.atomic import atomic_write

    refuse_mpiexec()
    values = override_values(overrides, origin="--set")
    texts = named_texts(text, values, partial(click.echo, err=True), "--set")
    is_folder = texts.name.is_dir()
    if output is None:
        if len(text) > 1 or not texts.name.exists():
            raise ConfigError("with several texts, -o FILE names the file to write")
        output = f"{texts.name.resolve().name if is_folder else Path(text[0]).stem}.yaml"
    target = Path(output) if output == "-" else _target(output, texts.files, overwrite)
    if (
        (is_folder and output != "-")
        and target.resolve().parent == texts.name.resolve()
        and fnmatch(target.name, os.path.basename(str(texts.path)))
    ):
        raise ConfigError(f"{target}: would be one of the texts; -o names a file elsewhere")
    found = proposed_for(texts, minutes, overrides, values, remarks=True)
    config = found.proposal.config
    written = annotated_yaml(
        config, found.header, values, target.parent, found.instead, found.features
    )
    if output == "-":
        click.echo(written, nl=False)
        return
    with atomic_write(target) as file:
        file.write(written.encode())
    next_command = f"charrnn train {shlex.quote(str(target))}"
    written_to = f"written: {target}; now: {next_command}"
    summary = "\n".join([found.text, *found.reasons, found.model, found.time, written_to])
    click.echo(wrapped(summary, sys.stderr), err=True)


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
