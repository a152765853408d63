"""charrnn report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from charrnn import __version__
from charrnn.commands.arguments import runs_to_draw
from charrnn.commands.options import output_option
from charrnn.commands.output_file import replaceable_path

if TYPE_CHECKING:
    from charrnn.commands.next_commands import Command
    from charrnn.report.page import Run


@click.command()
@click.argument("runs", metavar="[RUN]...", nargs=-1)
@output_option(
    "File to write, - for standard output.  [default: report.html in the run folder, or in the "
    "current folder for several runs]"
)
def report(runs: tuple[str, ...], output: str | None) -> None:
    """Write a page about a training, or several side by side.

    The page is one self-contained HTML file. It has the curves, the samples, the configuration, and
    what the best model has learned. RUN is a run folder, by default the newest one under runs/; its
    training may still be running. Needs Matplotlib and Jinja.
    """
    from charrnn.report.figures import import_matplotlib
    from charrnn.report.page import MAX_RUNS, page, read_run
    from charrnn.system.atomic import atomic_write

    folders = runs_to_draw(runs, MAX_RUNS)
    if output is None:
        single = next(iter(folders.values())) if len(folders) == 1 else Path()
        output = str(single / "report.html")
    path = Path() if output == "-" else replaceable_path(output, [".html"])
    import_matplotlib()  # if it is missing, fail before the work
    found = []
    for name, folder in folders.items():
        click.echo(f"inspecting {folder}", err=True)
        found.append(read_run(folder, name))
    for note in (note for run in found for note in run.notes):
        click.echo(note, err=True)
    commands = [_commands(run, folder) for run, folder in zip(found, folders.values(), strict=True)]
    text = page(found, __version__, commands)
    if output == "-":
        click.echo(text, nl=False)
        return
    with atomic_write(path) as file:
        file.write(text.encode("utf-8", "replace"))
    click.echo(f"written: {path} ({len(text) / 1e6:.1f} MB)", err=True)


def _commands(run: Run, folder: Path) -> list[Command]:
    """Return the commands that a page shows; a shared page must not reveal where a run was."""
    from charrnn.commands.next_commands import commands_for_model, commands_for_run
    from charrnn.training.limits import reached_limits

    if run.model is None or run.newest is None:
        return []
    name = folder.name if folder.is_absolute() else str(folder)
    newest = run.newest
    train = newest.config.train
    reached = reached_limits(train, newest.counters, newest.steps_per_epoch or 1)
    return [*commands_for_model(run.model, name)[:2], *commands_for_run(train, reached, name)]
