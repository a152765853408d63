"""charrnn init."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from charrnn.commands.options import FiniteFloat
from charrnn.commands.output_file import checked_output
from charrnn.errors import ConfigError, TextError, shown_name
from charrnn.system.terminal import duration

if TYPE_CHECKING:
    from charrnn.planning.proposal import Proposal


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
    type=FiniteFloat(min=0, min_open=True, max=1_000_000),
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
    from charrnn.config.reader import override_defaults
    from charrnn.config.writer import annotated_yaml
    from charrnn.planning.proposal import propose
    from charrnn.system.atomic import atomic_write
    from charrnn.workers.mpi import refuse_ranks

    refuse_ranks("init")
    given = {override.partition("=")[0].strip() for override in overrides}
    if minutes is not None and "train.max_minutes" in given:
        raise click.UsageError("--minutes and train.max_minutes both say how long; give one.")
    if "data.path" in given:
        raise ConfigError("--set data.path: the text is named by TEXT")
    path = text[0] if len(text) == 1 else list(text)
    config = override_defaults(overrides, path, origin="--set")
    files = _files(config.data.path)
    if output is None and not (len(text) == 1 and os.path.exists(text[0])):
        raise ConfigError("of several texts the file to write has no name; -o names it")
    output = f"{Path(text[0]).stem}.yaml" if output is None else output
    target = Path() if output == "-" else _target(output, files, overwrite)
    if sys.stderr.isatty():
        click.echo("measuring this machine, for some seconds", err=True)
    proposal = propose(config, minutes, lambda line: click.echo(line, err=True))
    folder = Path.cwd() if output == "-" else target.absolute().parent
    header = [f"{_text_summary(proposal)}.", f"{_time_summary(proposal)}."]
    written = annotated_yaml(proposal.config, header, given, folder)
    if output == "-":
        click.echo(written, nl=False)
        return
    with atomic_write(target) as file:
        file.write(written.encode())
    for summary in (_text_summary, _model_summary, _time_summary):
        click.echo(summary(proposal), err=True)
    click.echo(f"written: {target}; now: charrnn train {shlex.quote(str(target))}", err=True)


def _files(path: str | tuple[str, ...]) -> list[str]:
    """Return the files of the text, each of which can be read again."""
    from charrnn.text.files import find_files

    try:
        files = find_files(path)
    except TextError as error:
        problem = error.problem.split(";")[0]
        raise ConfigError(f"{problem}; name a text file, or several, or a glob") from None
    for file in files:
        if not os.path.isfile(file):
            raise ConfigError(
                f"{file}: is no file that a training can read again; name a text file"
            )
    return files


def _target(output: str, files: Sequence[str], overwrite: bool) -> Path:
    """Return where to write; refuse where something would be lost."""
    target = checked_output(output)
    if target.exists() and any(os.path.samefile(target, file) for file in files):
        raise ConfigError(f"{target}: is the text itself; -o names another file")
    if target.exists() and not target.is_file():
        raise ConfigError(f"{target}: is a pipe or a device; -o names a file")
    if target.exists() and not overwrite:
        raise ConfigError(
            f"{target}: is there already; --overwrite writes over it, -o names another file"
        )
    return target


def _text_summary(proposal: Proposal) -> str:
    """What the text is like."""
    config, lines = proposal.config, proposal.lines
    path = config.data.path
    name = shown_name(os.path.basename(path)) if isinstance(path, str) else f"{len(path)} files"
    unit = "bytes" if config.data.tokens == "byte" else "characters"
    text = f"{name}: {proposal.chars:,} {unit}, {proposal.V} distinct"
    if lines and lines.count > 1:
        text += f"; {lines.count:,} lines, of {lines.median_chars} characters at the median"
    return text


def _model_summary(proposal: Proposal) -> str:
    """What was chosen, given or settled, in a line."""
    model, train = proposal.config.model, proposal.config.train
    return (
        f"{model}, dropout {model.dropout:g}, weight "
        f"dropout {model.weight_dropout:g}, {train.batch_size} "
        f"stream{'' if train.batch_size == 1 else 's'} x {train.seq_length}, "
        f"{train.optimizer} {train.learning_rate:g}"
    )


def _time_summary(proposal: Proposal) -> str:
    """How long a training takes, and on what."""
    train = proposal.config.train
    lengths = {"epoch": train.max_epochs, "step": train.max_steps, "minute": train.max_minutes}
    length = " or ".join(
        f"{f'{n:,}' if isinstance(n, int) else f'{n:g}'} {unit}{'' if n == 1 else 's'}"
        for unit, n in lengths.items()
        if n is not None
    )
    return (
        f"{length} of training: about {duration(proposal.estimated_s)} on this machine "
        f"({proposal.chars_per_s:,.0f} characters/s)"
        f"{'; the most epochs that are proposed' if proposal.most_epochs else ''}"
    )
