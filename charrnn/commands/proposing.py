"""Proposes a configuration for the texts that arguments name, as init and train do."""

from __future__ import annotations

import glob
import os
import shlex
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from charrnn.commands.options import option_of
from charrnn.config.paths import named_path
from charrnn.errors import ConfigError, TextError, counted, shown_name, with_remedies
from charrnn.system.terminal import duration

if TYPE_CHECKING:
    from charrnn.config.schema import Config, DataConfig
    from charrnn.planning.proposal import Proposal
    from charrnn.planning.records import Records

_SHOWN_SHARE = 0.01  # of the time; less is not worth a word
_MOST_SHOWN = 5  # names of folders in a message
_READING = ("data.tokens", "data.encoding", "data.newlines")  # keys that say how a text is read


class Texts(NamedTuple):
    """The texts that arguments name."""

    arguments: Sequence[str]
    name: Path  # of the first argument, which may be a folder
    path: str | list[str]  # data.path
    config: Config  # defaults, with how they are read
    files: list[str]


class Proposed(NamedTuple):
    """A proposal in words."""

    proposal: Proposal
    instead: dict[str, Any]  # keys that differ for the other direction of records
    features: Sequence[int | str]  # columns that data.feature_columns may name
    header: list[str]  # lines above the configuration
    text: str  # its size
    reasons: list[str]  # why the text is read as it is
    model: str
    time: str


def named_texts(arguments: Sequence[str], values: dict[str, Any]) -> Texts:
    """Return the texts that arguments name.

    Args:
        arguments: one or more files, a folder, or a glob.
        values: keys that are given, by name.

    Raises:
        ConfigError: there is no such text, or it can be read only once.
    """
    from charrnn.config.reader import override_defaults

    if "data.path" in values:
        raise ConfigError("--set data.path: name the text as the argument TEXT")
    path: str | list[str] = arguments[0] if len(arguments) == 1 else list(arguments)
    name = named_path(arguments[0], "TEXT")
    if len(arguments) == 1 and name.is_dir():
        path = _texts_in(name)
        if unread := _folders_in(name):
            click.echo(f"{name}: the folders in it ({_listed(unread)}) are not read", err=True)
    reading = {key: values[key] for key in _READING if key in values}
    config = override_defaults((), path, proposed=reading)
    return Texts(arguments, name, path, config, _files(config.data.path))


def configuration(
    texts: Texts, overrides: Sequence[str], values: dict[str, Any]
) -> tuple[Config, Records]:
    """Return a configuration that says how texts are read, and why."""
    from charrnn.config.reader import override_defaults
    from charrnn.planning.records import KEYS, propose_records

    given = {key: values[f"data.{key}"] for key in KEYS if f"data.{key}" in values}
    records = propose_records(texts.config.data, given)
    proposed = {f"data.{key}": value for key, value in records.keys.items()}
    return override_defaults(overrides, texts.path, origin="--set", proposed=proposed), records


def proposed_for(
    texts: Texts, minutes: float | None, overrides: Sequence[str], values: dict[str, Any]
) -> Proposed:
    """Propose a configuration for texts and this machine, which is measured for some seconds.

    Args:
        texts: to train on.
        minutes: that the training may take; None: what suits the texts.
        overrides: `KEY=VALUE` each.
        values: the values of the overrides, by key.
    """
    from charrnn.planning.proposal import propose

    if minutes is not None and "train.max_minutes" in values:
        raise click.UsageError("--minutes and train.max_minutes both set a time; give one.")
    config, records = configuration(texts, overrides, values)
    proposal = propose(config, minutes, partial(click.echo, err=True))
    reasons = [*records.reasons]
    if reasons and not proposal.config.data.has_prompts and "reply_column" not in records.keys:
        reasons[-1] += " (--set data.records=null reads one text)"
    of_text, of_time = _text_summary(proposal, texts.arguments), _time_summary(proposal)
    header = [f"{line}." for line in (of_text, *reasons, of_time)]
    if records.doubt:
        remedies = [records.remedy] if records.remedy else []
        reasons = [with_remedies(records.doubt, remedies, option_of)]
    instead = _other_direction(records.instead, proposal.config.data)
    return Proposed(
        proposal,
        instead,
        records.features,
        header,
        of_text,
        reasons,
        _model_summary(proposal),
        of_time,
    )


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
    speed = f"{counted(round(proposal.chars_per_s), proposal.units.step)}/s"
    if (share := proposal.validation_s / proposal.estimated_s) >= _SHOWN_SHARE:
        speed += f", {share:.0%} of the time validation"
    return (
        f"{length} of training: about {duration(proposal.estimated_s)} on this machine "
        f"({speed})"
        f"{'; longer would hardly help' if proposal.most_epochs else ''}"
    )
