"""What train shows at its end on a terminal: a sample of the finished model, and next commands."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from charrnn.errors import CharRNNError
from charrnn.system.terminal import visible, wrapped

if TYPE_CHECKING:
    from charrnn.model.language_model import LanguageModel

_CHARS, _RECORDS = 280, 5  # of a sample


def show_what_was_learned(run_dir: Path) -> None:
    """Print a short sample and the commands that come next, if stderr is a terminal."""
    if not sys.stderr.isatty():
        return
    from charrnn.commands.next_commands import commands_for_model
    from charrnn.runs.load import load

    try:
        model = load(run_dir)
        sample = _sample(model)
    except CharRNNError:  # the training itself is fine
        return
    if sample:
        click.echo(wrapped(visible(sample), sys.stderr, mark="  | "), err=True)
    commands = [one.command for one in commands_for_model(model, _name(run_dir))]
    lines = [f"next  {commands[0]}", *(f"      {one}" for one in commands[1:])]
    click.echo("\n".join(lines), err=True)


def _name(run_dir: Path) -> str:
    """Return the shortest argument that names a run."""
    from charrnn.runs.folder import RUNS, named_run

    short = run_dir.name
    if run_dir == RUNS / short and named_run(short, "run") == run_dir:
        return short
    return str(run_dir)


def _sample(model: LanguageModel) -> str:
    """Return a text or some records; nothing for a model that needs a prompt or features."""
    if model.vocabulary.prompt_end is not None or model.scale is not None:
        return ""
    if model.vocabulary.end is not None:
        records = model.sample_records(_RECORDS, seed=1, keep_cut=True)
        return "\n".join(record.text for record in records)
    return model.sample(length=_CHARS, seed=1).lstrip("\n")
