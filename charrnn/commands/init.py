"""charrnn init."""

from __future__ import annotations

import glob
import os
import shlex
import sys
from collections.abc import Sequence
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from charrnn.commands.arguments import refuse_mpiexec
from charrnn.commands.options import Time, option_of, output_option, set_option
from charrnn.commands.output_file import output_path
from charrnn.config.paths import named_path
from charrnn.errors import ConfigError, TextError, counted, shown_name, with_remedies
from charrnn.system.terminal import duration, wrapped

if TYPE_CHECKING:
    from charrnn.config.schema import DataConfig
    from charrnn.planning.proposal import Proposal

_MOST_SHOWN = 5  # names of folders in a message
_READING = ("data.tokens", "data.encoding", "data.newlines")  # keys that say how a text is read


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
    from charrnn.config.reader import override_defaults, override_values
    from charrnn.config.writer import annotated_yaml
    from charrnn.planning.proposal import propose
    from charrnn.planning.records import KEYS, propose_records
    from charrnn.system.atomic import atomic_write

    refuse_mpiexec()
    values = override_values(overrides, origin="--set")
    if minutes is not None and "train.max_minutes" in values:
        raise click.UsageError("--minutes and train.max_minutes both set a time; give one.")
    if "data.path" in values:
        raise ConfigError("--set data.path: name the text as the argument TEXT")
    path: str | list[str] = text[0] if len(text) == 1 else list(text)
    name = named_path(text[0], "TEXT")
    if len(text) == 1 and name.is_dir():
        path = _texts_in(name)
        if unread := _folders_in(name):
            click.echo(f"{name}: the folders in it ({_listed(unread)}) are not read", err=True)
    given = {key: values[f"data.{key}"] for key in KEYS if f"data.{key}" in values}
    reading = {key: values[key] for key in _READING if key in values}
    data = override_defaults((), path, proposed=reading).data
    files = _files(data.path)
    if output is None:
        if len(text) > 1 or not name.exists():
            raise ConfigError("with several texts, -o FILE names the file to write")
        output = f"{name.resolve().name if name.is_dir() else Path(text[0]).stem}.yaml"
    target = Path(output) if output == "-" else _target(output, files, overwrite)
    if (
        (name.is_dir() and output != "-")
        and target.resolve().parent == name.resolve()
        and fnmatch(target.name, os.path.basename(str(path)))
    ):
        raise ConfigError(f"{target}: would be one of the texts; -o names a file elsewhere")
    records = propose_records(data, given)
    config = override_defaults(
        overrides,
        path,
        origin="--set",
        proposed={f"data.{key}": value for key, value in records.keys.items()},
    )
    if sys.stderr.isatty():
        click.echo("measuring this machine for some seconds", err=True)
    proposal = propose(config, minutes, partial(click.echo, err=True))
    reasons = [*records.reasons]
    if reasons and not proposal.config.data.has_prompts and "reply_column" not in records.keys:
        reasons[-1] += " (--set data.records=null reads one text)"
    text_summary, time_summary = _text_summary(proposal, text), _time_summary(proposal)
    header = [f"{line}." for line in (text_summary, *reasons, time_summary)]
    instead = _other_direction(records.instead, proposal.config.data)
    written = annotated_yaml(proposal.config, header, values, target.parent, instead)
    if output == "-":
        click.echo(written, nl=False)
        return
    with atomic_write(target) as file:
        file.write(written.encode())
    next_command = f"charrnn train {shlex.quote(str(target))}"
    if records.doubt:
        remedies = [records.remedy] if records.remedy else []
        reasons = [with_remedies(records.doubt, remedies, option_of)]
    lines = [text_summary, *reasons, _model_summary(proposal), time_summary]
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


def _texts_in(folder: Path) -> str:
    """Return a path or a glob for the texts in a folder, which have the same ending if they can."""
    from charrnn.text.files import find_files

    try:
        files = find_files(str(folder), folders=True)
    except TextError:
        if not os.access(folder, os.R_OK | os.X_OK):
            raise
        raise _no_texts(folder) from None
    if len(files) == 1:
        return files[0]
    endings = {Path(file).suffix for file in files}
    ending = endings.pop() if len(endings) == 1 else ""
    return os.path.join(glob.escape(str(folder)), f"*{glob.escape(ending)}")


def _folders_in(folder: Path) -> list[str]:
    """Return the names of the folders in a folder that are neither hidden nor empty."""
    found = (one for one in folder.iterdir() if one.is_dir() and one.name[0] != ".")
    return sorted(one.name for one in found if os.access(one, os.R_OK) and any(one.iterdir()))


def _listed(names: Sequence[str]) -> str:
    more = ", ..." if len(names) > _MOST_SHOWN else ""
    return f"{', '.join(map(shown_name, names[:_MOST_SHOWN]))}{more}"


def _no_texts(folder: Path) -> ConfigError:
    """Return the error about a folder without files; folders in it may be labels or parts."""
    from charrnn.text.lines import PARTS

    names = _folders_in(folder)
    if not names:
        return ConfigError(
            f"{folder}: is a folder without texts in it; name a text, or a folder of texts"
        )
    problem = f"{folder}: has no texts, only folders ({_listed(names)}), which are not read"
    parts = {one: name for name in names if (one := PARTS.get(name.lower()))}
    if "training" not in parts:
        return ConfigError(
            f"{problem}; if the folders are labels, write the texts of each, one a line, to a file "
            f"of its name, as in {shown_name(names[0])}.txt, and name the folder of these files"
        )
    train = shlex.quote(str(folder / parts.pop("training")))
    keys = {"validation": "valid_path", "test": "test_path"}
    sets = [
        f" --set {shlex.quote(f'data.{keys[part]}={glob.escape(str(folder / name))}/*')}"
        for part, name in parts.items()
    ]
    return ConfigError(f"{problem}; name those of each part: charrnn init {train}{''.join(sets)}")


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


def _text_summary(proposal: Proposal, text: Sequence[str]) -> str:
    """Return the size of the text in words."""
    if len(text) > 1:
        return f"{counted(len(text), 'file')}: {proposal.text}"
    return f"{shown_name(os.path.basename(os.path.abspath(text[0])))}: {proposal.text}"


def _other_direction(instead: dict[str, Any], data: DataConfig) -> dict[str, Any]:
    """Return the keys of the other direction, with the side that draws a record into its part."""
    side = {"prompt": "reply", "reply": "prompt"}.get(data.split_by or "", data.split_by)
    return {**instead, "split_by": side} if instead else {}


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
