"""charrnn report."""

from __future__ import annotations

from pathlib import Path

import click

from charrnn import __version__
from charrnn.commands.arguments import runs_to_draw
from charrnn.commands.output_file import replaceable_output

_FILE = "report.html"


@click.command()
@click.argument("runs", metavar="[RUN]...", nargs=-1)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="File to write; - is standard output.  [default: report.html in the run's folder, of "
    "several runs in the current one]",
)
def report(runs: tuple[str, ...], output: str | None) -> None:
    """Write a page about a training, or several side by side.

    One HTML file that needs nothing else: the curves, the samples, the configuration, and what the
    best model expects, is surprised by, follows and remembers. RUN is a run's folder; left out, it
    is the newest one under runs/; it may be still in training. Needs charrnn[report].
    """
    from charrnn.report.charts import library
    from charrnn.report.page import page, read_run
    from charrnn.system.atomic import atomic_write

    library()
    folders = runs_to_draw(runs)
    if output is None:
        single = next(iter(folders.values())) if len(folders) == 1 else Path()
        output = str(single / _FILE)
    target = Path() if output == "-" else replaceable_output(output, [".html"])
    read = [read_run(folder, name) for name, folder in folders.items()]
    for note in (note for run in read for note in run.notes):
        click.echo(note, err=True)
    text = page(read, __version__)
    if output == "-":
        click.echo(text, nl=False)
        return
    with atomic_write(target) as file:
        file.write(text.encode("utf-8", "replace"))
    click.echo(f"written: {target} ({len(text) / 1e6:.1f} MB)", err=True)
